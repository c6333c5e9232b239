//! What programs read: one JSON document on standard output, with a version; all else on standard error, or
//! nowhere.

use clap::CommandFactory;
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

/// Every command that takes `--format json`, as the command line itself lists them, with arguments that lead nowhere.
fn asked_for_json() -> Vec<Vec<String>> {
    fn add(command: &clap::Command, path: &[String], all: &mut Vec<Vec<String>>) {
        let path = [path, &[command.get_name().to_owned()]].concat();
        command.get_subcommands().for_each(|command| add(command, &path, all));
        let is_for_json = |arg: &clap::Arg| {
            let values = arg.get_possible_values();
            arg.get_id() == "format" && values.iter().any(|value| value.matches("json", false))
        };
        if !command.get_arguments().any(is_for_json) {
            return;
        }
        let groups = command.get_groups().filter(|group| group.is_required_set());
        let one_of: Vec<_> = groups.filter_map(|group| group.get_args().next()).collect();
        let is_needed = |arg: &&clap::Arg| arg.is_required_set() || one_of.contains(&arg.get_id());
        let mut typed = path[1..].to_vec();
        typed.extend(command.get_arguments().filter(is_needed).map(|arg| {
            let values = arg.get_possible_values();
            let value = values.first().map_or("nowhere", |value| value.get_name()).to_owned();
            arg.get_long().map(|long| format!("--{long}={value}")).unwrap_or(value)
        }));
        typed.push("--format=json".to_owned());
        all.push(typed);
    }
    let mut all = Vec::new();
    add(&portcullis::cli::Args::command(), &[], &mut all);
    all
}

#[test]
fn whatever_command_refuses_says_so_in_one_document() {
    let dir = tempfile::TempDir::new().unwrap();
    let all = asked_for_json();
    assert!(all.len() > 20, "{all:?}");
    let documented = include_str!("../../../docs/ci.md");
    for mut typed in all {
        assert!(documented.contains(&format!("`{}`", typed[0])), "{} is not documented", typed[0]);
        // These find what is wrong, and tell it as what they found.
        let tells_of_itself = ["check", "doctor"].contains(&&*typed[0]);
        for is_mistyped in [false, true] {
            typed.extend(is_mistyped.then(|| "--no-such-flag".to_owned()));
            let words: Vec<&str> = typed.iter().map(String::as_str).collect();
            let ran = ran(&mut bare(dir.path(), &words));
            let told = document(&ran.out);
            let exit = ran.code.unwrap();
            assert!(!is_mistyped || exit == 2, "{typed:?}: {exit}");
            if exit != 0 && (is_mistyped || !tells_of_itself) {
                assert_eq!(told["ending"]["exit"], exit, "{typed:?}");
                assert_eq!(told["ending"]["ended"], "refused", "{typed:?}");
                assert!(!told["ending"]["next"].as_str().unwrap().is_empty(), "{typed:?}");
            }
        }
    }
}

#[test]
fn a_page_is_a_document_for_whoever_asks_for_one() {
    let dir = tempfile::TempDir::new().unwrap();
    let page = ran(&mut bare(dir.path(), &["explain", "gate-order", "--format", "json"]));
    let page = document(&page.ended_with(0).out);
    assert_eq!(page["code"], "gate-order");
    assert!(page["page"].as_str().unwrap().starts_with("# gate-order\n"), "{page}");
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
