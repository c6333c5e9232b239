//! Several accounts at an endpoint, as they are typed: surveyed, compared, planned, run, killed, resumed, verified and taken back.

use portcullis::ids::AccessKeyId;
use portcullis::inventory::SavedInventories;
use portcullis::plan::SavedPlans;
use portcullis::sim::Fault;

use super::{PLAYBOOK, WORLD};
use crate::hosted::{Hosted, bare, ran, start};

/// `diff` of plans of several accounts.
fn compared_account_by_account(hosted: &Hosted) {
    let diff = |second: &str, code: i32| {
        ran(&mut bare(hosted.dir(), &["diff", "plan.json", second])).ended_with(code)
    };
    let same = diff("plan.json", 0).out;
    for account in ["Account 111122223333, ", "Account 444455556666, "] {
        assert!(same.contains(account), "{same}");
    }
    // Of the other account a survey of home says nothing.
    ran(&mut hosted.here(&["survey", "-o", "home.json"])).ended_with(0);
    let less = diff("home.json", 11).out;
    assert!(less.contains("0 appeared, 0 vanished, 0 changed"), "{less}");
    assert!(less.contains("444455556666: in the first alone\n"), "{less}");
    let mut as_json = bare(hosted.dir(), &["diff", "home.json", "plan.json", "--format", "json"]);
    let found: serde_json::Value =
        serde_json::from_str(&ran(&mut as_json).ended_with(11).out).unwrap();
    let apart = serde_json::json!([{"account": "444455556666", "in": "second", "beyond": false}]);
    assert_eq!(found["accounts_not_compared"], apart);
    assert_eq!(found["accounts"].as_array().unwrap().len(), 1);
}

/// What a playbook of several accounts asks is read in each of them, kept in one file, and gone on with.
fn surveyed_account_by_account(hosted: &Hosted, inputs: &[String]) {
    let ids = ["--external-id-of", "444455556666=e-4711"];
    let survey = |more: &[&str], code: i32| {
        let mut typed = hosted.here(&["survey", "p.yaml"]);
        ran(typed.args(ids).args(inputs).args(more)).ended_with(code)
    };
    let read = survey(&["-o", "both.json"], 0);
    for account in ["111122223333", "444455556666"] {
        assert!(read.out.contains(&format!("Inventory of account {account}")), "{}", read.out);
    }
    assert!(read.out.contains("AKIAEXAMPLEHUNGON002"), "{}", read.out);
    assert!(read.err.contains("Everything was read in 2 accounts"), "{}", read.err);
    let diff = |first: &str, second: &str, code: i32| {
        ran(&mut bare(hosted.dir(), &["diff", first, second])).ended_with(code).out
    };
    let same = diff("plan.json", "both.json", 0);
    assert!(!same.contains("not compared") && same.matches("Compared: ").count() == 2, "{same}");
    // What lies beyond the plan of one account is told, and keeps nothing from being the same.
    assert!(diff("both.json", "home.json", 11).contains("Accounts that are not compared"));

    // Nothing of either is read again; and without the playbook, nobody knows how to get there.
    let asked = hosted.cloud.audit().len();
    survey(&["--resume", "both.json"], 0);
    let who = |event: &portcullis::sim::AuditEvent| {
        !["GetCallerIdentity", "AssumeRole"].contains(&event.operation.as_str())
    };
    assert_eq!(hosted.cloud.audit()[asked..].iter().filter(|event| who(event)).count(), 0);
    let refused = ran(&mut hosted.here(&["survey", "--resume", "both.json"])).ended_with(5);
    assert!(refused.err.contains("of another account, too: 444455556666"), "{}", refused.err);

    // A gap is told of the account that it is in.
    let text = std::fs::read_to_string(hosted.dir().join("both.json")).unwrap();
    let mut each = SavedInventories::from_text(&text).unwrap().into_each();
    each[1].inventory.answers.retain(|_, _| false);
    let half = SavedInventories::new(each).unwrap().to_text();
    std::fs::write(hosted.dir().join("half.json"), half).unwrap();
    let half = diff("both.json", "half.json", 11);
    assert!(half.contains("Not comparable"), "{half}");
    survey(&["--resume", "half.json"], 0);
    assert!(!diff("both.json", "half.json", 0).contains("Not comparable"));

    // One that was taken out of the file leaves the others, and they are not all.
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    file["accounts"].as_array_mut().unwrap().pop();
    std::fs::write(hosted.dir().join("less.json"), file.to_string()).unwrap();
    let less = ran(&mut bare(hosted.dir(), &["diff", "both.json", "less.json"])).ended_with(5);
    assert!(less.err.contains("was changed after it was written"), "{}", less.err);
}

/// What is not read of one account is said of that one; what is read of the others is whole.
#[test]
fn what_a_survey_of_several_accounts_may_not_read_is_said_of_the_account() {
    let (before, there) = WORLD.split_once("  \"444455556666\":").unwrap();
    let admin = "        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n";
    let deny = "        inline:\n          no: { Version: \"2012-10-17\", Statement: [{ Effect: Deny, Action: \"iam:ListSigningCertificates\", Resource: \"*\" }] }\n";
    let there = there.replacen(admin, &format!("{admin}{deny}"), 1);
    let hosted = Hosted::new(&format!("{before}  \"444455556666\":{there}"));
    std::fs::write(hosted.dir().join("p.yaml"), PLAYBOOK).unwrap();
    let mut survey = hosted.here(&["survey", "p.yaml", "-o", "both.json"]);
    let read = ran(survey.args(hosted.typed_inputs())).ended_with(10);
    let (home, other) = read.out.split_once("Inventory of account 444455556666").unwrap();
    assert!(!home.contains("Not read"), "{home}");
    assert!(other.contains("iam:ListSigningCertificates answered AccessDenied, "), "{other}");
    let said = "Not everything could be read in 444455556666.";
    assert!(read.err.contains(said), "{}", read.err);
    let again = read.err.split("then portcullis survey p.yaml ").nth(1).unwrap();
    assert!(again.contains("--resume both.json"), "{}", read.err);
}

/// The whole of it at an endpoint, as it is typed: planned, run, killed in the middle, gone on with, taken over, looked at
/// again and taken back. The other account asks for an external id, and the key hung on there is tried itself.
#[test]
fn several_accounts_at_an_endpoint_are_run_killed_resumed_taken_over_verified_and_kept_cut() {
    let trust = r#"role/incident-responder" }, Action: "sts:AssumeRole" }] }"#;
    let asks = r#"role/incident-responder" }, Action: "sts:AssumeRole", Condition: { StringEquals: { "sts:ExternalId": "e-4711" } } }] }"#;
    assert_eq!(WORLD.matches(trust).count(), 1);
    let hosted = Hosted::new(&WORLD.replace(trust, asks).replace("lag: 4s", "lag: 200ms"));
    std::fs::write(hosted.dir().join("p.yaml"), PLAYBOOK).unwrap();
    let ids = ["--external-id-of", "444455556666=e-4711"];
    let asked = |typed: &[&str]| {
        let mut command = hosted.here(typed);
        command.args(ids);
        command
    };
    let plan = ["plan", "p.yaml", "-o", "plan.json", "--margin", "1"];
    // The world is of now, and so is the leak.
    let leaked = hosted.cloud.now() - std::time::Duration::from_hours(5 * 24);
    let mut inputs = hosted.typed_inputs();
    inputs.retain(|input| !input.starts_with("-ileaked_at="));
    inputs.push(format!("-ileaked_at={leaked}"));
    let refused = ran(hosted.here(&plan).args(&inputs)).ended_with(5);
    assert!(refused.said().contains("--external-id-of ACCOUNT=ID"), "{}", refused.said());
    let planned = ran(asked(&plan).args(&inputs)).ended_with(0);
    assert!(planned.out.contains("--external-id-of 444455556666=ID"), "{}", planned.out);
    compared_account_by_account(&hosted);
    surveyed_account_by_account(&hosted, &inputs);
    let script = ran(asked(&["plan", "p.yaml", "--format", "aws-cli"]).args(&inputs)).ended_with(0);
    by_hand_in_each(&hosted, &script.out);
    for told in [&planned, &script] {
        assert!(!told.said().contains("e-4711"), "{}", told.said());
    }

    // A case that a crash kept from being begun is begun by saying yes to it.
    let text = std::fs::read_to_string(hosted.dir().join("plan.json")).unwrap();
    let plans = SavedPlans::from_text(&text).unwrap();
    let root = hosted.dir().join("cases");
    drop(portcullis::case::accounts::create(&root, "never", &plans, &[]).unwrap());
    let never = std::fs::read_dir(&root).unwrap().next().unwrap().unwrap().path();
    let never = never.strip_prefix(hosted.dir()).unwrap().to_str().unwrap().to_owned();
    for command in ["resume", "verify"] {
        let refused = ran(&mut asked(&[command, &never])).ended_with(5);
        assert!(refused.said().contains(&format!("portcullis run {never}")), "{}", refused.said());
    }
    let refused = ran(&mut asked(&["run", &never])).ended_with(5);
    assert!(refused.said().contains("not confirmed"), "{}", refused.said());
    std::fs::remove_dir_all(&root).unwrap();

    let from = hosted.cloud.requests();
    hosted.cloud.set_faults([(from + 90, Fault::StopAfter)]);
    let mut running = start(&mut asked(&["run", "plan.json", "--yes"]));
    assert!(hosted.until_stopped(&mut running), "it was at work by then");
    let killed = running.killed();
    assert_eq!(killed.code, None, "{}", killed.said());
    hosted.cloud.set_faults([]);
    let case = hosted.case();
    let case = case.to_str().unwrap();
    let resumed = ran(&mut asked(&["resume", case])).ended_with(0);
    assert!(resumed.said().contains("444455556666  done and proven"), "{}", resumed.said());
    ran(&mut asked(&["resume", case, "--take-over", "she went home"])).ended_with(0);

    let held = AccessKeyId::parse("AKIAEXAMPLEHUNGON002").unwrap();
    let held = hosted.cloud.credentials_of(&held);
    let document = serde_json::json!({
        "AccessKeyId": held.access_key_id, "SecretAccessKey": held.secret.expose(),
    });
    std::fs::write(hosted.dir().join("held.json"), document.to_string()).unwrap();
    let verify = asked(&["verify", case, "--no-trail", "--credential-fd", "3"]);
    let verified = ran(&mut with_descriptor(&verify, hosted.dir(), "held.json")).ended_with(0);
    let tried = |account: &str| {
        let journal = format!("{case}/accounts/{account}/journal.jsonl");
        let journal = std::fs::read_to_string(journal).unwrap();
        journal.contains("\"trying\"") && journal.contains("AKIAEXAMPLEHUNGON002\",\"last_used")
    };
    assert!(tried("444455556666") && !tried("111122223333"), "{}", verified.said());

    let undone = ran(&mut asked(&["undo", case, "--yes"])).ended_with(13);
    for reach in hosted.cloud.intruder_reach() {
        assert!(reach.allowed.is_empty(), "{reach:?} {}", undone.said());
    }
    for consumer in hosted.cloud.consumers() {
        assert!(consumer.works, "{}: {:?}", consumer.name, consumer.why);
    }
    let status = ran(&mut bare(hosted.dir(), &["status", case])).ended_with(0);
    assert!(status.out.contains("held"), "{}", status.out);
}

/// The script cuts what is of the account whose credentials it is run with, and says of the others how to get theirs.
fn by_hand_in_each(hosted: &Hosted, script: &str) {
    let bin = hosted.dir().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let aws = "#!/bin/sh\ncase \"$*\" in *get-caller-identity*) echo $WHO; exit;; esac\necho \"$*\" >>calls.$WHO\n";
    std::fs::write(bin.join("aws"), aws).unwrap();
    std::fs::write(hosted.dir().join("cut.sh"), script).unwrap();
    let calls = |who: &str| {
        let mut sh = std::process::Command::new("sh");
        let shell = "chmod +x bin/aws; PATH=\"$PWD/bin:$PATH\" sh cut.sh";
        let ran =
            sh.args(["-c", shell]).env("WHO", who).current_dir(hosted.dir()).output().unwrap();
        assert_eq!(ran.status.code(), Some(1), "others were left out");
        std::fs::read_to_string(hosted.dir().join(format!("calls.{who}"))).unwrap_or_default()
    };
    let (home, other) = (calls("111122223333"), calls("444455556666"));
    assert!(home.contains("attach-user-policy") && other.contains("attach-user-policy"));
    assert_ne!(home, other);
    assert_eq!(calls("999988887777"), "");
    let how = "sts assume-role --role-arn=arn:aws:iam::444455556666:role/";
    assert!(script.contains(how), "{script}");
}

/// The same command, with a file at descriptor 3.
fn with_descriptor(
    command: &std::process::Command,
    dir: &std::path::Path,
    file: &str,
) -> std::process::Command {
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("exec \"$0\" \"$@\" 3<{file}")]);
    shell.arg(command.get_program()).args(command.get_args()).current_dir(dir).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}
