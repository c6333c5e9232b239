//! Every secret that a world ever made is a canary: none is found in anything that the binary writes, with
//! the logs turned up as far as they go.
//!
//! A panic's text is covered by types: what holds a secret shows nothing of it when it is printed, and a
//! panic can only print what can be printed.

use std::path::Path;

use portcullis::clock::Clock;
use portcullis::secret::Secret;
use portcullis::sim::{Cloud, Credentials};

use crate::hosted::{Hosted, Ran, bare, cases_in, files_under, playbook_in, quick_world, ran};
use crate::stage::play;

/// Searches all that was said and every file under `dir`.
#[track_caller]
fn none_is_found(canaries: &[Secret], said: &[Ran], dir: &Path) {
    assert!(canaries.len() > 5, "the world has secrets");
    let mut written: Vec<(String, Vec<u8>)> = files_under(dir)
        .into_iter()
        .map(|(path, bytes)| (path.display().to_string(), bytes))
        .collect();
    assert!(written.iter().any(|(path, _)| path.ends_with("journal.jsonl")));
    for ran in said {
        written.push(("standard output".to_owned(), ran.out.clone().into_bytes()));
        written.push(("standard error".to_owned(), ran.err.clone().into_bytes()));
    }
    for canary in canaries {
        let canary = canary.expose().as_bytes();
        for (place, bytes) in &written {
            let found = bytes.windows(canary.len()).any(|window| window == canary);
            assert!(!found, "a secret stands in {place}");
        }
    }
}

#[test]
fn no_secret_is_in_any_byte_of_a_live_run() {
    for log in ["trace", ""] {
        let hosted = Hosted::new(&quick_world());
        let with_log = |command: &mut std::process::Command| {
            if !log.is_empty() {
                command.env("RUST_LOG", log);
            }
            ran(command)
        };
        let planned = with_log(&mut hosted.plan(&["--margin", "1"])).ended_with(0);
        let run = with_log(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(11);
        let case = hosted.case();
        let case = case.to_str().unwrap();
        let status = with_log(&mut hosted.portcullis(&["status", case])).ended_with(0);
        let resumed = with_log(&mut hosted.here(&["resume", case])).ended_with(11);
        // At its lowest levels the SDK prints the bodies of requests: it is never let.
        for level in ["DEBUG", "TRACE"] {
            assert!(!run.err.contains(&format!("{level} aws")), "{}", run.err);
        }
        none_is_found(&hosted.cloud.canaries(), &[planned, run, status, resumed], hosted.dir());
    }
}

#[test]
fn no_secret_is_in_any_byte_of_a_rehearsal_nor_of_the_world_it_keeps() {
    let dir = tempfile::TempDir::new().unwrap();
    let playbook = playbook_in(dir.path());
    let rehearse = |log: &str| {
        ran(bare(dir.path(), &["rehearse", &playbook]).env("RUST_LOG", log)).ended_with(11)
    };
    let said = [rehearse("trace"), rehearse("info")];
    let case = cases_in(dir.path()).remove(0);
    let state = std::fs::read_to_string(case.join("world.json")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let canaries = play(async {
        let clock = Clock::starting_at(portcullis::sim::saved_at(&state).unwrap());
        Cloud::load(&state, clock).unwrap().canaries()
    });
    none_is_found(&canaries, &said, dir.path());
}

#[test]
fn a_setting_that_prints_secrets_in_clear_stops_the_program() {
    let world = crate::cli::Untouched::new();
    for value in ["true", "false", ""] {
        let mut plan = world.hosted.plan(&[]);
        let words = ["LOG_SENSITIVE_BODIES is set", "unset LOG_SENSITIVE_BODIES"];
        world.refuses(5, plan.env("LOG_SENSITIVE_BODIES", value), &words);
    }
}

#[test]
fn a_panic_over_a_secret_shows_nothing_of_it() {
    let canary = "the-canary-sings";
    let secret = || Secret::new(canary.to_owned());
    let credentials = Credentials {
        access_key_id: crate::hosted::key("AKIAEXAMPLELEAKED001"),
        secret: secret(),
        session_token: Some(secret()),
    };
    let lost: [Result<(), Secret>; 1] = [Err(secret())];
    let more: [Result<(), Credentials>; 1] = [Err(credentials)];
    let over_a_secret = std::panic::catch_unwind(|| lost.into_iter().for_each(Result::unwrap));
    let over_more = std::panic::catch_unwind(|| more.into_iter().for_each(Result::unwrap));
    for panic in [over_a_secret, over_more] {
        let text = panic.unwrap_err().downcast::<String>().unwrap();
        assert!(text.contains("Secret(..)") && !text.contains(canary), "{text}");
    }
}
