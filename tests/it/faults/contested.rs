//! Somebody works against the run: takes a cut off while we watch, hangs a new key on, moves the secret.
//! The run ends held and says so; nothing was issued, and nothing was lost.

use std::sync::Arc;
use std::time::Duration;

use portcullis::journal::Entry;
use portcullis::ledger::Ledger;
use portcullis::run::Ending;
use portcullis::sim::Fault;

use crate::stage::{
    self, Left, PLAYBOOK, Stage, Torn, WORLD, Witness, play, somebody_else, with_somebody_else,
};
use crate::verdict::{
    ACCOUNT, SECRET, VICTIM, every_consumer_works, requests_of, the_gate_was_kept,
    the_intruder_is_out,
};

pub(super) const LEAKED: &str = "AKIAEXAMPLELEAKED001";
const DENY_ALL: &str = "arn:aws:iam::aws:policy/AWSDenyAll";

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    TakesTheQuarantineOff,
    ActivatesAKey,
    AllowsSessionsAgain,
}

pub(super) async fn does(stage: &Stage, deed: Deed) {
    let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
    match deed {
        Deed::TakesTheQuarantineOff => {
            other.detach_user_policy().user_name(VICTIM).policy_arn(DENY_ALL).send().await.unwrap();
        }
        Deed::ActivatesAKey => {
            let call = other.update_access_key().user_name(VICTIM).access_key_id(LEAKED);
            call.status("Active".into()).send().await.unwrap();
        }
        Deed::AllowsSessionsAgain => {
            let call = other.delete_user_policy().user_name(VICTIM);
            call.policy_name("PortcullisRevokeOlderSessions").send().await.unwrap();
        }
    }
}

pub(super) async fn set() -> Stage {
    Stage::set(&with_somebody_else(WORLD), PLAYBOOK).await
}

pub(super) fn issued(stage: &Stage) -> usize {
    requests_of(stage, "CreateAccessKey").len()
}

pub(super) fn held(left: Left) -> String {
    match left {
        Left::Ended(Ending::Held(why)) => why.join("\n"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cut_that_somebody_takes_off_while_it_settles_is_an_alarm_and_the_gate_stays_shut() {
    use Deed::{ActivatesAKey, AllowsSessionsAgain, TakesTheQuarantineOff};
    for (deed, after) in [
        (TakesTheQuarantineOff, 30),
        (TakesTheQuarantineOff, 90),
        (ActivatesAKey, 30),
        (ActivatesAKey, 90),
        (AllowsSessionsAgain, 90),
    ] {
        play(async {
            let stage = set().await;
            let later = async {
                stage.clock.sleep(Duration::from_secs(after)).await;
                does(&stage, deed).await;
            };
            let (left, ()) = tokio::join!(stage.run(None), later);
            let why = held(left);
            assert!(why.contains("was taken off again"), "{deed:?} {after}: {why}");
            assert!(stage.witness.0.lock().unwrap().contains("contested "));
            assert_eq!(issued(&stage), 0);
            // Whoever did it was found: the same plan goes on.
            assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven, "{deed:?} {after}");
            stage.let_it_settle().await;
            the_intruder_is_out(&stage);
            the_gate_was_kept(&stage);
        });
    }
}

/// The alarm is on record together with what was seen, so that no crash makes it a silent repetition.
/// A deny of older sessions says nothing of those that whoever is let in again mints.
#[test]
fn sessions_are_not_told_blocked_while_what_mints_them_is_let_in() {
    play(async {
        let stage = set().await;
        let later = async {
            stage.clock.sleep(Duration::from_secs(90)).await;
            does(&stage, Deed::TakesTheQuarantineOff).await;
            does(&stage, Deed::ActivatesAKey).await;
        };
        let (left, ()) = tokio::join!(stage.run(None), later);
        held(left);
        let open = || {
            let ledger = Ledger::of(&stage.saved.plan, &stage.state());
            let rows = ledger.unaccounted().map(|row| row.credential.to_string());
            rows.collect::<Vec<_>>().join("; ")
        };
        let sessions = format!("sessions of {VICTIM}");
        assert!(open().contains(&sessions), "{}", open());
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert!(!open().contains(&sessions), "{}", open());
    });
}

#[test]
fn an_alarm_survives_a_crash_at_any_call_and_line_after_the_deed() {
    let backdrop = play(async {
        let stage = set().await;
        let (left, ()) = tokio::join!(stage.run(None), async {
            stage.clock.sleep(Duration::from_secs(30)).await;
            stage.cloud.set_faults([(stage.cloud.requests() + 2, Fault::StopBefore)]);
            does(&stage, Deed::TakesTheQuarantineOff).await;
        });
        assert!(matches!(left, Left::Crashed));
        stage.backdrop()
    });
    let points: Vec<(usize, crate::stage::Torn)> =
        (1..=5).flat_map(|line| crate::stage::Torn::ALL.map(|torn| (line, torn))).collect();
    let cases = crate::side_by_side::each(&points, |point| {
        play(async {
            let stage = backdrop.stage();
            if let Left::Crashed = stage.run(Some(*point)).await {
                let records = stage.state().changes;
                let told = |text: &Option<String>| {
                    text.as_ref().is_some_and(|text| text.contains("was taken off again"))
                };
                if !records.values().any(|record| told(&record.trouble)) {
                    let why = held(stage.run(None).await);
                    assert!(why.contains("was taken off again"), "{why}");
                }
            }
            assert_eq!(issued(&stage), 0);
        });
    });
    println!("counted: {cases} cases, alarms");
}

#[test]
fn a_key_hung_on_after_the_plan_holds_the_run_with_everything_cut() {
    for when in ["before the run", "while it settles"] {
        play(async {
            let world = with_somebody_else(WORLD)
                .replace("          - id: AKIAEXAMPLEHUNGON002 # the one that the intruder added\n            created_at: 2026-03-24T02:41:07Z\n            last_used_at: 2026-03-24T06:58:40Z\n            last_used_service: sts\n", "")
                .replace("holds: [AKIAEXAMPLELEAKED001, AKIAEXAMPLEHUNGON002,", "holds: [AKIAEXAMPLELEAKED001,");
            let stage = Stage::set(&world, PLAYBOOK).await;
            let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
            let hangs_on = other.create_access_key().user_name(VICTIM).send();
            let left = if when == "before the run" {
                hangs_on.await.unwrap();
                stage.run(None).await
            } else {
                let later = async {
                    stage.clock.sleep(Duration::from_secs(30)).await;
                    hangs_on.await.unwrap();
                };
                tokio::join!(stage.run(None), later).0
            };
            let why = held(left);
            assert!(why.contains("has appeared since the plan was made"), "{when}: {why}");
            assert_eq!(issued(&stage), 0);
            the_intruder_is_out(&stage);
            // Planned again, it is cut like the others, and the run comes to its end.
            let hung_on: Vec<String> = keys(&stage).into_iter().filter(|id| id != LEAKED).collect();
            let stage = planned_again(stage).await;
            assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven, "{when}");
            stage.let_it_settle().await;
            the_intruder_is_out(&stage);
            every_consumer_works(&stage);
            assert_eq!(hung_on.len(), 1);
            assert!(!keys(&stage).contains(&hung_on[0]), "used up: {hung_on:?}");
        });
    }
}

/// The keys of the owner.
fn keys(stage: &Stage) -> Vec<String> {
    let keys = format!("{ACCOUNT}/users/{VICTIM}/keys/");
    let after = stage.cloud.snapshot().0;
    after.keys().filter_map(|key| key.strip_prefix(&keys).map(str::to_owned)).collect()
}

/// The same world with a plan made now, and a journal of its own.
async fn planned_again(stage: Stage) -> Stage {
    let inputs = stage.saved.plan.inputs.clone();
    let made = stage::plan(&stage.cloud, stage.clock, PLAYBOOK, &inputs, &stage::terms()).await;
    Stage { saved: made.unwrap(), tape: Arc::default(), witness: Witness::default(), ..stage }
}

#[test]
fn a_secret_that_somebody_moved_after_the_plan_is_left_alone_and_nothing_is_minted() {
    play(async {
        let stage = set().await;
        let other = aws_sdk_secretsmanager::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let put = other.put_secret_value().secret_id(SECRET).secret_string("{\"region\":\"eu\"}");
        let theirs = put.send().await.unwrap().version_id.unwrap();
        let why = held(stage.run(None).await);
        assert!(why.contains("current version is now") && why.contains(&theirs), "{why}");
        assert_eq!(issued(&stage), 0);
        assert!(requests_of(&stage, "DeleteAccessKey").is_empty());
        the_intruder_is_out(&stage);
        // Planned again, the key goes beside what they put there.
        let stage = planned_again(stage).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        every_consumer_works(&stage);
        the_intruder_is_out(&stage);
        let read = other.get_secret_value().secret_id(SECRET).send().await.unwrap();
        assert!(read.secret_string().unwrap().contains("\"region\":\"eu\""));
    });
}

/// Between two runs nobody watches: what was taken off meanwhile is seen before anything is waited for.
#[test]
fn a_cut_that_was_taken_off_between_two_runs_is_seen_at_once() {
    use Deed::{ActivatesAKey, AllowsSessionsAgain, TakesTheQuarantineOff};
    for deed in [TakesTheQuarantineOff, ActivatesAKey, AllowsSessionsAgain] {
        play(async {
            let rehearsed = set().await;
            let backdrop = rehearsed.backdrop();
            rehearsed.resume_to_the_end(1).await;
            let settled = rehearsed.line_of(|entry| matches!(entry, Entry::Proved { .. }));
            let stage = backdrop.stage();
            assert!(matches!(stage.run(Some((settled - 1, Torn::Whole))).await, Left::Crashed));
            does(&stage, deed).await;
            let resumed = stage.clock.now();
            let why = held(stage.run(None).await);
            assert!(why.contains("was taken off again"), "{why}");
            let took = stage.clock.now().duration_since(resumed);
            assert!(took.as_secs() < 10, "{deed:?}: only after {took}");
            assert_eq!(issued(&stage), 0);
            assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        });
    }
}
