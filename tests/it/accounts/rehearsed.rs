//! Several accounts as they are rehearsed on the command line: one case, one gate, one report.

use std::collections::BTreeSet;

use portcullis::clock::Clock;
use portcullis::sim::Cloud;

use super::{PLAYBOOK, WORLD, with_a_third};
use crate::check::portcullis;
use crate::stage::play;

#[test]
fn a_rehearsal_of_two_accounts_is_one_case_and_neither_is_gone_on_with_alone() {
    let dir = tempfile::tempdir().unwrap();
    let cases = dir.path().join("cases");
    let out = |output: &std::process::Output| {
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    };
    let played =
        portcullis(&["rehearse", "tests/data/accounts", "--cases", cases.to_str().unwrap()]);
    assert_eq!(played.status.code(), Some(0), "{}", out(&played));
    let case = std::fs::read_dir(&cases).unwrap().next().unwrap().unwrap().path();
    let case = case.to_str().unwrap();
    for account in ["111122223333", "444455556666"] {
        assert!(out(&played).contains(&format!("{account}  done and proven")), "{}", out(&played));
        let of = format!("{case}/accounts/{account}");
        let alone = portcullis(&["status", &of]);
        assert_eq!(alone.status.code(), Some(0), "{}", out(&alone));
        let refused = portcullis(&["resume", &of]);
        assert_eq!(refused.status.code(), Some(5), "{}", out(&refused));
        assert!(out(&refused).contains(&format!("portcullis resume {case}")), "{}", out(&refused));
    }
    for command in ["undo", "verify"] {
        let of = format!("{case}/accounts/444455556666");
        let refused = portcullis(&[command, &of]);
        assert_eq!(refused.status.code(), Some(5), "{}", out(&refused));
        assert!(out(&refused).contains(&format!("portcullis {command} {case}")), "{refused:?}");
    }
    let listed = out(&portcullis(&["cases", "--cases", cases.to_str().unwrap()]));
    assert_eq!(listed.matches("done and proven").count(), 2, "{listed}");
    let all = portcullis(&["status", case]);
    let still = format!(
        "Next: nothing by these plans but to look again, for days to come: portcullis verify {case} --watch 8h. In account \
         444455556666: Still quarantined, and let in by nothing in this plan: user billing"
    );
    assert!(out(&all).contains(&still) && out(&played).contains(&still), "{}", out(&all));
    let resumed = portcullis(&["resume", case]);
    assert_eq!(resumed.status.code(), Some(0), "{}", out(&resumed));

    // It is closed in all accounts or in none; what is printed of it is one document.
    let close = || portcullis(&["close", case, "--reason", "over", "--format", "json"]);
    let (last, closed) = (format!("{case}/accounts/444455556666/journal.jsonl"), "\"closed\"");
    let journal = std::fs::read_to_string(&last).unwrap();
    std::fs::write(&last, journal.replacen("\"opened\"", "\"0pened\"", 1)).unwrap();
    assert_eq!(close().status.code(), Some(5));
    let home = || {
        let journal = format!("{case}/accounts/111122223333/journal.jsonl");
        std::fs::read_to_string(journal).unwrap().contains(closed)
    };
    assert!(!home(), "what cannot be said of the one is not said of the other");
    std::fs::write(&last, journal).unwrap();
    let said = close();
    assert_eq!(said.status.code(), Some(0), "{}", out(&said));
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said["accounts"].as_array().unwrap().len(), 2);
    assert!(home() && std::fs::read_to_string(&last).unwrap().contains(closed));
}

/// One ends with a role in reach that nothing cuts, the other well: whoever is cut there is not forgotten.
#[test]
fn whoever_stays_cut_in_an_account_that_ended_well_is_told_beside_what_is_left_in_the_others() {
    let dir = tempfile::TempDir::new().unwrap();
    let (before, home) = WORLD.split_once("      pipeline:\n").unwrap();
    let reach = "      reach:\n        trust: { Version: \"2012-10-17\", Statement: [{ Effect: Allow, Principal: { AWS: \"arn:aws:iam::111122223333:user/ci/ci-deploy\" }, Action: \"sts:AssumeRole\" }] }\n";
    std::fs::write(dir.path().join("playbook.yaml"), PLAYBOOK).unwrap();
    let world = format!("{before}{reach}      pipeline:\n{home}");
    std::fs::write(dir.path().join("world.yaml"), world).unwrap();
    let cases = dir.path().join("cases");
    let cases = cases.to_str().unwrap();
    let played = told(&["rehearse", dir.path().to_str().unwrap(), "--cases", cases], 11);
    let (_, next) = played.rsplit_once("Next: ").unwrap();
    let still = "In account 444455556666: Still quarantined, and let in by nothing in this plan: user billing";
    assert!(next.contains("role-sessions/reach") && next.contains(still), "{played}");
    let case = std::fs::read_dir(cases).unwrap().next().unwrap().unwrap().path();
    assert!(told(&["status", case.to_str().unwrap()], 0).contains(still));
    // A word is said of one account.
    let clear = format!(
        "portcullis clear {}/accounts/444455556666 user/billing --reason TEXT",
        case.display()
    );
    let report = told(&["report", case.to_str().unwrap()], 0);
    assert!(report.contains(&clear), "{clear}: {report}");
}

/// The order of the roles is the author's; that of directories is the file system's.
#[test]
fn accounts_are_gone_on_with_in_whichever_order_they_were_named() {
    let world = with_a_third();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("playbook.yaml"), PLAYBOOK).unwrap();
    std::fs::write(at("world.yaml"), world).unwrap();
    let out = |output: &std::process::Output| {
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    };
    let played = portcullis(&[
        "rehearse",
        &at("playbook.yaml"),
        "--world",
        &at("world.yaml"),
        "--cases",
        &at("cases"),
    ]);
    assert_eq!(played.status.code(), Some(0), "{}", out(&played));
    let case = std::fs::read_dir(at("cases")).unwrap().next().unwrap().unwrap().path();
    for further in [&[][..], &["--take-over", "he went home"]] {
        let typed = [&["resume", case.to_str().unwrap()], further].concat();
        let resumed = portcullis(&typed);
        assert_eq!(resumed.status.code(), Some(0), "{further:?} {}", out(&resumed));
    }
    // Away from the others it is taken back as little as it is gone on with.
    std::fs::rename(case.join("accounts/222233334444"), at("apart")).unwrap();
    for command in ["undo", "verify", "resume"] {
        let refused = portcullis(&[command, &at("apart")]);
        assert_eq!(refused.status.code(), Some(5), "{command} {}", out(&refused));
        assert!(out(&refused).contains("one account among several"), "{}", out(&refused));
    }
}

/// What is too much of all together is told beside what is wrong in one: whoever mends one thing and asks again loses a round.
#[test]
fn what_is_wrong_of_several_accounts_together_is_told_beside_the_refusal_of_one() {
    let world = with_a_third();
    // The role that the key controlled is called otherwise in the third.
    let (before, third) = world.split_once("\n  \"222233334444\":").unwrap();
    let third = third.replacen("\n      control:", "\n      other:", 1);
    let world = format!("{before}\n  \"222233334444\":{third}");
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let limited = PLAYBOOK.replace("\nsteps:\n", "\nlimits: { changes: 10 }\nsteps:\n");
    assert_ne!(limited, PLAYBOOK);
    std::fs::write(at("playbook.yaml"), limited).unwrap();
    std::fs::write(at("world.yaml"), world).unwrap();
    let refused = told(&["plan", &at("playbook.yaml"), "--world", &at("world.yaml")], 5);
    assert!(refused.contains("In account 222233334444"), "{refused}");
    assert!(refused.contains("account 222233334444 has no role control"), "{refused}");
    assert!(refused.contains("the plan of the other accounts has "), "{refused}");
}

/// What the program is asked, and what it says, on either stream.
pub(super) fn told(args: &[&str], code: i32) -> String {
    let output = portcullis(args);
    let told = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?} {told}");
    told
}

/// Everything the intruder holds is tried in the world that a rehearsal's case keeps; and whoever else works in it works.
pub(super) fn nobody_is_inside(case: &std::path::Path) -> Cloud {
    let world = std::fs::read_to_string(case.join("world.json")).unwrap();
    let world: serde_json::Value = serde_json::from_str(&world).unwrap();
    play(async move {
        let clock = Clock::starting_at(portcullis::sim::saved_at(&world).unwrap());
        let cloud = Cloud::load(&world, clock).unwrap();
        for reach in cloud.intruder_reach() {
            assert!(reach.allowed.is_empty(), "{}: {:?}", reach.credential, reach.allowed);
        }
        for consumer in cloud.consumers() {
            assert!(consumer.works, "{}: {:?}", consumer.name, consumer.why);
        }
        cloud
    })
}

/// Of several accounts one may have it: that none has it is said of all together.
#[test]
fn a_lock_out_that_is_accepted_and_is_in_no_account_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (cases, shipped) = (dir.path().to_str().unwrap(), "playbooks/leaked-access-key");
    let world = format!("{shipped}/other-accounts.yaml");
    let nobody = "arn:aws:iam::444455556666:user/nobody";
    let rehearse = ["rehearse", shipped, "--world", &world, "--cases", cases];
    let refused = portcullis(&[&rehearse[..], &["--accept-lockout", nobody]].concat());
    let told = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(5), "{told}");
    assert!(told.contains(&format!("--accept-lockout {nobody} accepts nothing")), "{told}");
}

#[test]
fn the_shipped_playbook_evicts_whoever_went_on_to_two_other_accounts() {
    let dir = tempfile::tempdir().unwrap();
    let cases = dir.path().join("cases");
    let (shipped, home) = ("playbooks/leaked-access-key", "111122223333");
    let world = format!("{shipped}/other-accounts.yaml");
    let played =
        told(&["rehearse", shipped, "--world", &world, "--cases", cases.to_str().unwrap()], 13);
    assert!(!played.contains("GATE OPEN"), "nothing is handed out before the leak is closed");
    let path = std::fs::read_dir(&cases).unwrap().next().unwrap().unwrap().path();
    let case = path.to_str().unwrap();
    let of_home = format!("{case}/accounts/{home}");
    let attested = told(&["attest", &of_home, "leak-closed.1"], 0);
    let next = attested.lines().last().unwrap();
    let status = told(&["status", &of_home], 0);
    assert!(next.starts_with("Next: ") && status.contains(next), "{attested}\n{status}");
    // A person's word, and a value that only those who check it know: applied, and not proven by a try.
    let resumed = told(&["resume", case], 11);
    let opened = resumed.find("GATE OPEN").unwrap();
    // The last line says it of each account, and has what to type.
    let next = resumed.lines().rfind(|line| line.starts_with("Next: ")).unwrap();
    let seen = "in account 444455556666: know that nobody has seen this refused";
    assert!(next.contains(seen) && next.ends_with(&format!("portcullis status {case}")), "{next}");
    for last in
        ["read-back  leak-closed.1", "settled    seal.1", "settled    hung-on-sessions-off.2"]
    {
        assert!(resumed[..opened].contains(last), "{last} comes first: {resumed}");
    }
    assert!(!resumed.contains("unaccounted"), "{resumed}");

    let cloud = nobody_is_inside(&path);
    let held: BTreeSet<String> =
        cloud.intruder_reach().into_iter().map(|reach| reach.credential).collect();
    assert_eq!(held.len(), 8, "seven credentials and a password: {held:?}");
    let snapshot = cloud.snapshot().0;
    let there = |key: &str| snapshot.contains_key(key);
    assert!(!there(&format!("{home}/users/ci-deploy/keys/AKIAEXAMPLEHUNGON002")), "made room");
    for cut in ["444455556666/users/billing", "222233334444/users/mailer"] {
        assert!(
            there(&format!("{cut}/attached/arn:aws:iam::aws:policy/AWSDenyAll")),
            "{cut} stays"
        );
        assert!(there(&format!("{cut}/inline/PortcullisRevokeOlderSessions")), "{cut}");
    }
    for account in ["444455556666", "222233334444"] {
        let role = format!("{account}/roles/OrganizationAccountAccessRole");
        assert!(there(&format!("{role}/inline/PortcullisRevokeOlderSessions")), "{role}");
        assert!(!there(&format!("{role}/attached/arn:aws:iam::aws:policy/AWSDenyAll")), "{role}");
    }
    assert!(!there("444455556666/secrets/shop/db/policy"), "it can be read again");
    assert!(snapshot.keys().all(|key| !key.contains("canary")), "{:?}", snapshot.keys());

    // Looked at again, in each: and each ledger has what was found.
    let verified = told(&["verify", case], 11);
    for account in [home, "444455556666", "222233334444"] {
        let of = format!("{case}/accounts/{account}");
        assert!(verified.contains(&format!("Account {account}")), "{verified}");
        let listened = std::fs::read_to_string(format!("{of}/journal.jsonl")).unwrap();
        assert!(listened.contains("\"listened\""), "{account}: {listened}");
    }
    one_report_is_made_of_all(case);

    // Whoever says that it was a false alarm in one account has not said so of the others.
    let of = format!("{case}/accounts/444455556666");
    let dry = told(&["undo", case, "--dry-run"], 0);
    assert!(dry.contains("account 444455556666") && dry.contains(home), "{dry}");
    let clear = format!("portcullis clear {of} AKIAEXAMPLEHUNGON004 --reason TEXT");
    let closed = "nobody has cleared way in leak-path";
    // Nothing comes off before that is said: it is what is next.
    assert!(dry.contains("Next: nothing comes off before somebody is cleared"), "{dry}");
    for words in [&*clear, closed, &format!("; then portcullis undo {case}\n")] {
        assert!(dry.contains(words), "{dry}");
    }
    for name in ["anna", "ben"] {
        let word = ["clear", &of, "AKIAEXAMPLEHUNGON004", "sessions/billing", "--as", name];
        told(
            &[&word[..], &["--reason", "it was the new colleague", "--evidence", "ticket 7"]]
                .concat(),
            0,
        );
    }
    let undone = told(&["undo", case, "--yes"], 13);
    let again = told(&["undo", case], 5);
    assert!(again.contains(&format!("portcullis resume {case}")), "{again}");
    told(&["resume", case], 13);
    let world = std::fs::read_to_string(path.join("world.json")).unwrap();
    let world: serde_json::Value = serde_json::from_str(&world).unwrap();
    let clock = Clock::starting_at(portcullis::sim::saved_at(&world).unwrap());
    let cloud = Cloud::load(&world, clock).unwrap();
    let quarantine = "444455556666/users/billing/attached/arn:aws:iam::aws:policy/AWSDenyAll";
    assert!(!cloud.snapshot().0.contains_key(quarantine), "{undone}");
    for reach in cloud.intruder_reach() {
        let cleared = reach.credential == "AKIAEXAMPLEHUNGON004";
        assert!(cleared != reach.allowed.is_empty(), "{}: {:?}", reach.credential, reach.allowed);
    }
}

fn one_report_is_made_of_all(case: &str) {
    let report: serde_json::Value =
        serde_json::from_slice(&portcullis(&["report", case, "--format", "json"]).stdout).unwrap();
    let summary = report["summary"].as_array().unwrap();
    assert_eq!(summary.len(), 5, "{summary:?}");
    let text = summary[0].as_str().unwrap();
    assert!(text.contains("3 accounts (111122223333, 222233334444, 444455556666)"), "{text}");
    let rows = report["accounts"].as_array().unwrap().iter();
    let rows: usize = rows.map(|one| one["ledger"].as_array().unwrap().len()).sum();
    assert!(
        summary[1].as_str().unwrap().starts_with(&format!("{rows} credentials")),
        "{summary:?}"
    );
    let times = report["timeline"].as_array().unwrap().iter();
    let times: Vec<&str> = times.map(|one| one["what"]["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times.len() > 20, "{times:?}");
    for format in ["text", "markdown"] {
        let written = told(&["report", case, "--format", format], 0);
        for account in ["111122223333", "444455556666", "222233334444"] {
            assert!(
                written.contains(&format!("Every credential, in account {account}")),
                "{written}"
            );
        }
    }
}
