//! Somebody gets back in for a moment: a cut is off for a while, between two attempts, or behind the gate.
//! What he took meanwhile is worth nothing in the end, and nothing was issued while he was in.

use std::time::Duration;

use portcullis::journal::Entry;
use portcullis::run::Ending;
use portcullis::sim::{Fault, Probe};

use super::contested::{Deed, LEAKED, does, held, issued, set};
use crate::stage::{Left, PLAYBOOK, Stage, WORLD, play, somebody_with, with_somebody_else};
use crate::verdict::{
    ACCOUNT, VICTIM, every_consumer_works, requests_of, the_gate_was_kept, the_intruder_is_out,
};

/// Lets the leaked key in again, and has it mint a session that works.
async fn mints_a_session_while_the_cuts_are_off(stage: &Stage) -> portcullis::ids::AccessKeyId {
    does(stage, Deed::TakesTheQuarantineOff).await;
    does(stage, Deed::ActivatesAKey).await;
    // The world enforces after four seconds.
    stage.clock.sleep(Duration::from_secs(6)).await;
    let intruder = somebody_with(LEAKED, &stage.cloud, stage.clock);
    let minted = aws_sdk_sts::Client::new(&intruder).get_session_token().send().await.unwrap();
    let id = crate::hosted::key(minted.credentials().unwrap().access_key_id());
    assert_eq!(tries(stage, &id), Probe::Allowed, "it works while the cuts are off");
    id
}

fn tries(stage: &Stage, id: &portcullis::ids::AccessKeyId) -> Probe {
    stage.cloud.probe(id, "s3:GetObject", "arn:aws:s3:::site/index.html")
}

/// A stage that crashed just before the first call behind `says`.
async fn crashed_behind(says: impl Fn(&Entry) -> bool) -> Stage {
    let rehearsed = set().await;
    let backdrop = rehearsed.backdrop();
    rehearsed.resume_to_the_end(1).await;
    let line = rehearsed.line_of(says);
    let seen = rehearsed.tape.lock().unwrap().requests[line - 1];
    let stage = backdrop.stage();
    stage.cloud.set_faults([(seen + 1, Fault::StopBefore)]);
    assert!(matches!(stage.run(None).await, Left::Crashed));
    stage.cloud.set_faults([]);
    stage
}

fn the_gate_opened(entry: &Entry) -> bool {
    matches!(entry, Entry::GateOpened { .. })
}

fn is_seen(entry: &Entry, change: &str) -> bool {
    use portcullis::journal::Position::After;
    matches!(entry, Entry::Observed { change: of, position: After } if of.as_str() == change)
}

/// The pass over sessions that came before the session was minted does not reach it: it is made anew.
#[test]
fn a_session_minted_while_a_cut_was_off_does_not_outlive_the_run() {
    for when in ["between the passes", "after both passes", "behind the gate"] {
        play(async {
            let (stage, session) = if when == "behind the gate" {
                let stage = crashed_behind(the_gate_opened).await;
                let session = mints_a_session_while_the_cuts_are_off(&stage).await;
                let why = held(stage.run(None).await);
                assert!(why.contains("was taken off again"), "{why}");
                (stage, session)
            } else {
                let stage = set().await;
                let later = async {
                    let after = if when == "between the passes" { 30 } else { 90 };
                    stage.clock.sleep(Duration::from_secs(after)).await;
                    mints_a_session_while_the_cuts_are_off(&stage).await
                };
                let (left, session) = tokio::join!(stage.run(None), later);
                let why = held(left);
                assert!(why.contains("was taken off again"), "{why}");
                (stage, session)
            };
            assert_eq!(issued(&stage), 0, "{when}");
            assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven, "{when}");
            stage.let_it_settle().await;
            let quarantine = format!("{ACCOUNT}/users/{VICTIM}/attached/");
            let lifted = !stage.cloud.snapshot().0.keys().any(|key| key.starts_with(&quarantine));
            assert!(lifted, "{when}: so it is not the quarantine that refuses");
            assert_ne!(tries(&stage, &session), Probe::Allowed, "{when}");
            the_intruder_is_out(&stage);
            the_gate_was_kept(&stage);
        });
    }
}

/// Time passes between two attempts, and the gate may not count on what was seen before the first.
#[test]
fn an_attempt_behind_the_gate_is_not_repeated_over_a_cut_that_went_off_meanwhile() {
    for deed in [Deed::ActivatesAKey, Deed::TakesTheQuarantineOff, Deed::AllowsSessionsAgain] {
        for fault in [Fault::Unavailable, Fault::LostAnswer] {
            play(async {
                let rehearsed = set().await;
                let backdrop = rehearsed.backdrop();
                rehearsed.resume_to_the_end(1).await;
                let minting = requests_of(&rehearsed, "CreateAccessKey")[0];
                let stage = backdrop.stage();
                stage.cloud.set_faults([(minting, fault)]);
                let meanwhile = async {
                    stage.until(|stage| stage.cloud.requests() >= minting).await;
                    does(&stage, deed).await;
                };
                let (left, ()) = tokio::join!(stage.run(None), meanwhile);
                let why = held(left);
                assert!(why.contains("was taken off again"), "{deed:?} {fault:?}: {why}");
                let audit = stage.cloud.audit();
                let tried = audit.iter().filter(|e| e.operation == "CreateAccessKey").count();
                assert_eq!(tried, 1, "{deed:?} {fault:?}: not tried a second time");
                assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
                stage.let_it_settle().await;
                the_intruder_is_out(&stage);
                every_consumer_works(&stage);
            });
        }
    }
}

/// A moment behind the gate: its name, the entry it comes after, and how many keys were made by then.
type Moment = (&'static str, fn(&Entry) -> bool, usize);

/// Once the gate is open, somebody takes a cut off: before anything is issued, and before the lift.
#[test]
fn a_cut_that_goes_off_behind_the_gate_is_an_alarm_and_nothing_more_is_issued() {
    let moments: [Moment; 2] = [
        ("the gate opened", the_gate_opened, 0),
        ("the key is out", |entry| is_seen(entry, "new-key.1"), 1),
    ];
    for (moment, says, so_far) in moments {
        for deed in [Deed::TakesTheQuarantineOff, Deed::ActivatesAKey, Deed::AllowsSessionsAgain] {
            play(async {
                let stage = crashed_behind(says).await;
                does(&stage, deed).await;
                let why = held(stage.run(None).await);
                assert!(why.contains("was taken off again"), "{moment} {deed:?}: {why}");
                assert!(stage.witness.0.lock().unwrap().contains("contested "), "{deed:?}");
                assert!(stage.state().changes.values().any(|record| record.contested));
                assert_eq!(issued(&stage), so_far, "{moment} {deed:?}");
                assert!(requests_of(&stage, "DetachUserPolicy").is_empty(), "{moment} {deed:?}");
                assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
                stage.let_it_settle().await;
                the_intruder_is_out(&stage);
                every_consumer_works(&stage);
                assert_eq!(issued(&stage), 1);
            });
        }
    }
}

/// Somebody was quicker than the lift. That was an alarm, the quarantine was put on again, and so it is for
/// us to lift after all.
#[test]
fn a_lift_that_was_found_done_is_due_again_once_the_quarantine_is_put_on_again() {
    play(async {
        // Answers take their time, so that somebody can act between two looks.
        let world = with_somebody_else(&WORLD.replace("lag: 4s", "lag: 4s\nlatency: 300ms"));
        let rehearsed = Stage::set(&world, PLAYBOOK).await;
        let backdrop = rehearsed.backdrop();
        rehearsed.resume_to_the_end(1).await;
        let delivered = *requests_of(&rehearsed, "UpdateSecretVersionStage").last().unwrap();
        let stage = backdrop.stage();
        let before = stage.cloud.snapshot();
        let meanwhile = async {
            // The new key is being looked at; the look at the lift comes next.
            stage.until(|stage| stage.cloud.requests() > delivered).await;
            does(&stage, Deed::TakesTheQuarantineOff).await;
        };
        let (left, ()) = tokio::join!(stage.run(None), meanwhile);
        let why = held(left);
        assert!(why.contains("was taken off again"), "{why}");
        let found = "seen lift.1 true";
        assert!(stage.witness.0.lock().unwrap().contains(found), "the lift was found so");
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        every_consumer_works(&stage);
        the_intruder_is_out(&stage);
        let attached = |line: &String| line.contains("/attached/");
        assert!(!before.changes_to(&stage.cloud.snapshot()).iter().any(attached));
    });
}
