//! What others found: told apart by what the account has, kept without its values, and nobody's to forget.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

use std::path::{Path, PathBuf};

use portcullis::plan::{Credential, SavedPlan, Whereabouts};

use crate::hosted::{Ran, bare, cases_in, files_under, playbook_in, ran};

/// Values that lie in the files of findings: none may be seen again.
const CANARIES: [&str; 4] = [
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "xoxb-1234-canary-of-a-chat",
    "hunter2-canary-of-a-list",
    "canary-beside-a-session",
];

/// Findings of two scanners, a list and a credential report, outside of the directory that is searched.
fn files(dir: &Path) -> Vec<String> {
    let [aws, chat, list, session] = CANARIES;
    let trufflehog = format!(
        "{{\"level\":\"info\",\"msg\":\"running\"}}\n{}\n{}\n",
        format_args!(
            r#"{{"SourceMetadata":{{"Data":{{"Git":{{"commit":"0123456789abcdef","file":"deploy.yml","line":7}}}}}},"DetectorName":"AWS","Verified":true,"Raw":"AKIAEXAMPLELEAKED001","RawV2":"AKIAEXAMPLELEAKED001:{aws}","ExtraData":{{"account":"{aws}"}}}}"#
        ),
        format_args!(
            r#"{{"SourceMetadata":{{"Data":{{"Filesystem":{{"file":"notes.txt"}}}}}},"DetectorName":"Slack","Raw":"{chat}"}}"#
        ),
    );
    let gitleaks = format!(
        r#"[{{"RuleID":"aws-access-token","File":"ci/env","StartLine":3,"Commit":"","Secret":"AKIAEXAMPLEBACKUP003","Match":"AKIAEXAMPLEBACKUP003 {aws}"}},
            {{"RuleID":"aws-session","File":"ci/env","StartLine":4,"Commit":"","Secret":"{session}","Match":"ASIAEXAMPLESESSION04 {session}"}}]"#
    );
    let list = format!("Owner,Key,Secret\nformer,AKIAEXAMPLENOTHERE99,\"{list}\"\n");
    let report = "user,arn,password_enabled,access_key_1_active,access_key_2_active,cert_1_active,cert_2_active\n\
                  ci-deploy,a,true,true,false,false,false\nbackup,b,false,true,true,false,false\n";
    let all = [
        ("truffles.json", trufflehog.as_str()),
        ("leaks.json", &gitleaks),
        ("list.csv", &list),
        ("report.csv", report),
    ];
    let write = |(name, text): (&str, &str)| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        format!("--import={}", path.display())
    };
    all.map(write).into()
}

/// Searches all that was said, and every file under `dir`.
#[track_caller]
fn none_is_found(said: &[Ran], dir: &Path) {
    let mut written: Vec<(String, Vec<u8>)> = files_under(dir)
        .into_iter()
        .map(|(path, bytes)| (path.display().to_string(), bytes))
        .collect();
    for ran in said {
        written.push(("the screen".to_owned(), format!("{}{}", ran.out, ran.err).into_bytes()));
    }
    for canary in CANARIES {
        for (place, bytes) in &written {
            let text = String::from_utf8_lossy(bytes);
            assert!(!text.contains(canary), "{canary} stands in {place}");
        }
    }
}

fn plan_of(case: &Path) -> SavedPlan {
    SavedPlan::from_text(&std::fs::read_to_string(case.join("rounds/1/plan.json")).unwrap())
        .unwrap()
}

#[test]
fn what_was_found_is_told_apart_by_what_the_account_has_and_its_values_are_gone() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let playbook = PathBuf::from(playbook_in(dir.path()));
    let playbook = playbook.to_str().unwrap();
    let imports = files(elsewhere.path());
    let mut args = vec!["rehearse", playbook, "--gate", "settled"];
    args.extend(imports.iter().map(String::as_str));
    let mut said = vec![ran(bare(dir.path(), &args).env("RUST_LOG", "trace")).ended_with(13)];
    let screen = format!("{}{}", said[0].out, said[0].err);
    for part in [
        "truffles.json",
        "in scope      access key AKIAEXAMPLELEAKED001 of ci-deploy: AWS in deploy.yml:7 (commit 0123456789ab)",
        "at best it ends with exit code 13: ",
        "no step cuts, and keeps cut, the access key AKIAEXAMPLEBACKUP003 of backup",
        "NOT COVERED   access key AKIAEXAMPLEBACKUP003 of backup: aws-access-token in ci/env:3",
        "not here      AKIAEXAMPLENOTHERE99",
        "not told      ASIAEXAMPLESESSION04",
        "1 that is no access key: Slack in notes.txt",
        "the access key AKIAEXAMPLEBACKUP003 of backup was found (aws-access-token in ci/env:3) and no step cuts it, so the gate will stay shut",
        "the credential report has 1 active access keys of ci-deploy, and the survey 2",
        "the credential report has 1 console passwords of ci-deploy, and the survey 0",
        "nothing cuts the access key AKIAEXAMPLEBACKUP003 of backup",
        "found by others: AWS in deploy.yml:7 (commit 0123456789ab)",
    ] {
        assert!(screen.contains(part), "{part}:\n{screen}");
    }
    assert!(!screen.contains("of backup, and the survey"), "he is not in scope: {screen}");

    let case = cases_in(dir.path()).remove(0);
    let saved = plan_of(&case);
    let stands: Vec<_> = saved.plan.found.iter().map(|found| &found.whereabouts).collect();
    assert!(
        matches!(
            stands[..],
            [
                Whereabouts::NotCovered { .. },
                Whereabouts::InScope { .. },
                Whereabouts::NotHere,
                Whereabouts::NotTold { .. }
            ]
        ),
        "{stands:?}"
    );
    assert!(saved.plan.imports.iter().all(|import| import.sha256.len() == 64));
    let is_row = |one: &Credential| one.typed() == "AKIAEXAMPLEBACKUP003";
    assert!(saved.plan.credentials.iter().any(is_row), "nobody's to forget");

    // Somebody answers for it, and the case goes on; nothing that was found is read again.
    let case = case.to_str().unwrap();
    let waive =
        ["waive", case, "AKIAEXAMPLEBACKUP003", "--until", "14d", "--reason", "off on Monday"];
    said.push(ran(&mut bare(dir.path(), &waive)).ended_with(0));
    said.push(ran(bare(dir.path(), &["resume", case]).env("RUST_LOG", "trace")).ended_with(11));
    said.push(ran(&mut bare(dir.path(), &["status", case, "--format", "json"])).ended_with(0));
    none_is_found(&said, dir.path());
}

#[test]
fn every_line_that_cannot_be_used_is_told_by_its_place_and_none_is_quoted() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let playbook = playbook_in(dir.path());
    let file = |name: &str, text: String| {
        let path = elsewhere.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let line = format!("a,AKIAEXAMPLELEAKED0001,{}\n", CANARIES[2]);
    let list =
        file("list.csv", format!("Owner,Key,Secret\nno,key,{}\n{}", CANARIES[2], line.repeat(30)));
    let imported = format!("--import={}", list.display());
    let refused = ran(&mut bare(dir.path(), &["rehearse", &playbook, &imported])).ended_with(3);
    let is_marked = |n: usize, severity: &str| {
        let place = format!("--> {}:{n}:", list.display());
        let block = refused.err.split("\n\n").find(|block| block.contains(&place));
        block.is_some_and(|block| block.starts_with(severity))
    };
    assert!(is_marked(2, "warning"), "{}", refused.err);
    assert!((3..23).all(|n| is_marked(n, "error")) && !is_marked(23, ""), "{}", refused.err);
    for part in [
        "are not taken: 30 lines are not understood",
        "10 lines more of",
        "mend what is marked above",
    ] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    // What names no credential stops nothing, and is on record.
    let list = file("short.csv", format!("AKIAEXAMPLELEAKED001,ci\nnobody,{}\n", CANARIES[2]));
    let imported = format!("--import={}", list.display());
    let taken = ran(&mut bare(dir.path(), &["rehearse", &playbook, &imported])).ended_with(11);
    assert!(taken.err.contains(&format!("--> {}:2:1", list.display())), "{}", taken.err);
    let screen = format!("{}{}", taken.out, taken.err);
    assert!(screen.contains("short.csv: 1 finding, 1 line without a credential"), "{screen}");
    none_is_found(&[refused, taken], dir.path());
}

/// One by one, so many would be asked about for hours; and of what nobody here has, nobody asks.
#[test]
fn a_list_of_thousands_is_compared_with_the_account_s_own() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let playbook = playbook_in(dir.path());
    let mut list: String = (0..3_000).map(|n| format!("AKIA{n:016}\n")).collect();
    list += "AKIAEXAMPLEBACKUP003\nAKIAEXAMPLELEAKED001\n";
    let file = elsewhere.path().join("many.csv");
    std::fs::write(&file, list).unwrap();
    let import = format!("--import={}", file.display());
    let ran = ran(&mut bare(dir.path(), &["rehearse", &playbook, "--gate", "settled", &import]));
    let ran = ran.ended_with(13);
    let plan = plan_of(&cases_in(dir.path()).remove(0)).plan;
    let is_here = |found: &&portcullis::plan::Found| found.whereabouts != Whereabouts::NotHere;
    let here: Vec<String> =
        plan.found.iter().filter(is_here).map(|found| found.key.to_string()).collect();
    assert_eq!(here, ["AKIAEXAMPLEBACKUP003", "AKIAEXAMPLELEAKED001"], "{}", ran.err);
    assert_eq!(plan.found.len(), 3_002);
    assert!(plan.estimate.requests < 500, "{} requests", plan.estimate.requests);
}

#[test]
fn a_file_that_is_not_understood_is_refused_and_not_quoted() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let playbook = playbook_in(dir.path());
    let file = elsewhere.path().join("findings");
    let mut said = Vec::new();
    for text in [
        format!("[{{\"RuleID\": \"x\", \"File\": \"f\", \"Secret\": \"{}\"", CANARIES[0]),
        format!("{{\"DetectorName\": \"x\", \"Raw\": \"{}\"", CANARIES[0]),
        format!("name,password\nanna,{}\n", CANARIES[2]),
    ] {
        std::fs::write(&file, text).unwrap();
        let import = format!("--import={}", file.display());
        let refused = ran(&mut bare(dir.path(), &["rehearse", &playbook, &import])).ended_with(3);
        assert!(refused.err.contains("are not taken"), "{}", refused.err);
        said.push(refused);
    }
    none_is_found(&said, dir.path());
    assert!(cases_in(dir.path()).is_empty());
}
