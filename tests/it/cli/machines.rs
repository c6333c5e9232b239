//! What programs read: one JSON document on standard output, with a version; all else on standard error, or
//! nowhere.

use serde_json::Value;

use super::nothing_a_terminal_obeys;
use crate::hosted::{Hosted, bare, playbook_in, quick_world, ran};

fn document(out: &str) -> Value {
    let document: Value =
        serde_json::from_str(out).unwrap_or_else(|error| panic!("{error}: {out}"));
    assert_eq!(document["version"], 1, "{out}");
    document
}

#[test]
fn a_rehearsal_tells_its_end_in_one_document_and_status_tells_the_same() {
    let dir = tempfile::TempDir::new().unwrap();
    let playbook = playbook_in(dir.path());
    let command = ["rehearse", &playbook, "--format", "json"];
    let rehearsed = ran(&mut bare(dir.path(), &command)).ended_with(11);
    let told = document(&rehearsed.out);
    assert_eq!(told["ending"]["ended"], "not-proven");
    assert_eq!(told["ending"]["exit"], 11);
    assert_eq!(told["gate"]["state"], "open");
    assert_eq!(told["ledger"]["rows"].as_array().unwrap().len(), 4);
    assert!(told["changes"].as_array().unwrap().iter().all(|change| change["state"] == "seen"));
    let reach = told["tried"]["intruder"].as_array().unwrap();
    assert!(!reach.is_empty() && reach.iter().all(|one| one["allowed"] == Value::Array(vec![])));
    assert!(told["tried"]["consumers"].as_array().unwrap().iter().all(|one| one["works"] == true));
    assert!(rehearsed.err.contains("Plan for account"), "what leads up to it is not lost");
    let case = told["case"].as_str().unwrap();
    let status = ran(&mut bare(dir.path(), &["status", case, "--format", "json"])).ended_with(0);
    let status = document(&status.out);
    for part in ["changes", "gate", "ledger", "journal", "case", "account"] {
        assert_eq!(status[part], told[part], "{part}");
    }
    assert_eq!(status["exit"], 11);
}

#[test]
fn a_run_and_its_resumption_tell_their_end_in_one_document() {
    let hosted = Hosted::new(&quick_world());
    hosted.save_plan(1);
    let run = ran(&mut hosted.here(&["run", "plan.json", "--yes", "--format", "json"]));
    let told = document(&run.ended_with(11).out);
    assert_eq!(told["tried"], Value::Null, "nobody tries anything in a real account");
    let case = told["case"].as_str().unwrap();
    assert!(told["next"].as_str().unwrap().contains("portcullis status"), "{told}");
    let resumed = ran(&mut hosted.here(&["resume", case, "--format", "json"])).ended_with(11);
    assert_eq!(document(&resumed.out)["ledger"], told["ledger"]);
}

#[test]
fn quiet_leaves_what_was_asked_for_and_what_goes_wrong() {
    let dir = tempfile::TempDir::new().unwrap();
    let playbook = playbook_in(dir.path());
    let rehearse = ["--quiet", "rehearse", &playbook, "--format", "json"];
    let quiet = ran(&mut bare(dir.path(), &rehearse)).ended_with(11);
    assert_eq!(quiet.err, "");
    document(&quiet.out);
    let wrong = ran(&mut bare(dir.path(), &["status", "nowhere", "-q"])).ended_with(5);
    assert!(wrong.err.contains("next: "), "{}", wrong.err);
}

#[test]
fn no_colour_is_stronger_than_whatever_the_environment_forces() {
    let dir = tempfile::TempDir::new().unwrap();
    let playbook = playbook_in(dir.path());
    for args in [
        &["rehearse", &playbook, "--no-color"][..],
        &["--no-color", "check", "nowhere"],
        &["explain", "gate-order", "--no-color"],
    ] {
        let plain = ran(bare(dir.path(), args).env("CLICOLOR_FORCE", "1"));
        nothing_a_terminal_obeys(&plain.said());
    }
}
