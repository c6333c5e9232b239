//! Crashes and take-overs in an undo: however it is killed, it comes to the same end.

use std::time::Duration;

use portcullis::journal;
use portcullis::run::Ending;
use portcullis::sim::Fault;

use super::{PLAYBOOK, begin_undo, everything_is_cleared, state_of, world};
use crate::side_by_side::each;
use crate::stage::{Left, Stage, Torn, play};
use crate::verdict::{no_effect_came_without_its_intent, no_secret_was_written, requests_of};

#[test]
fn a_crash_anywhere_in_an_undo_is_resumed_to_the_same_end() {
    let (before, backdrop, lines, calls) = play(async {
        let stage = Stage::set(&world(true), PLAYBOOK).await;
        let before = state_of(&stage);
        stage.resume_to_the_end(1).await;
        everything_is_cleared(&stage).await;
        begin_undo(&stage).await;
        stage.clock.sleep(Duration::from_hours(37)).await;
        let backdrop = stage.backdrop();
        let first = stage.cloud.requests() + 1;
        let lines = journal::decode(&stage.tape.lock().unwrap().bytes).unwrap().lines.len();
        assert_eq!(stage.resume_to_the_end(1).await, Ending::Proven);
        let after = journal::decode(&stage.tape.lock().unwrap().bytes).unwrap().lines.len();
        (before, backdrop, after - lines, first..=stage.cloud.requests())
    });
    // A crash before a call is one after the line before it, and an answer that is lost is a crash after a call.
    let at_lines = (1..=lines).map(|line| (Some((line, Torn::Half)), None));
    let at_calls = calls.map(|call| (None, Some((call, Fault::StopAfter))));
    // Every third: each is a whole undo, and lines and calls alternate.
    let cases: Vec<_> = at_lines.chain(at_calls).step_by(3).collect();
    let count = each(&cases, |(line, fault)| {
        play(async {
            let stage = backdrop.stage();
            stage.cloud.set_faults(*fault);
            let first = stage.run(*line).await;
            stage.cloud.set_faults([]);
            if !matches!(first, Left::Ended(Ending::Proven)) {
                assert_eq!(stage.resume_to_the_end(1).await, Ending::Proven, "{line:?} {fault:?}");
            }
            stage.let_it_settle().await;
            let left = before.changes_to(&state_of(&stage));
            assert!(left.is_empty(), "{line:?} {fault:?}: {left:#?}");
            no_effect_came_without_its_intent(&stage);
        });
    });
    println!("counted: {count} cases, crashes in an undo");
}

/// Killed while it cut, taken over, taken back for a false alarm, killed again and taken over again.
#[test]
fn a_case_that_is_killed_and_taken_over_and_whose_undo_is_too_leaves_nothing_behind() {
    const PAIRS: usize = 16;
    // Killed at the given requests of either: gives back how many there were.
    let played = async |stage: &Stage, kills: Option<(u64, u64)>| {
        let before = state_of(stage);
        let first = stage.cloud.requests();
        stage.cloud.set_faults(kills.map(|(at, _)| (first + at, Fault::StopAfter)));
        let left = stage.run(None).await;
        let cutting = stage.cloud.requests() - first;
        stage.cloud.set_faults([]);
        if kills.is_some() {
            assert!(matches!(left, Left::Crashed), "{kills:?} {left:?}");
            stage.is_taken_over().await;
        }
        everything_is_cleared(stage).await;
        assert!(begin_undo(stage).await.plan.is_undo());
        let then = stage.cloud.requests();
        stage.cloud.set_faults(kills.map(|(_, at)| (then + at, Fault::StopBefore)));
        let mut times = 0;
        loop {
            times += 1;
            assert!(times < 6, "{kills:?} {}", stage.witness.0.lock().unwrap());
            match stage.run(None).await {
                Left::Crashed => {
                    stage.cloud.set_faults([]);
                    stage.is_taken_over().await;
                }
                Left::Ended(Ending::Proven) => break,
                Left::Ended(Ending::Held(why)) => {
                    assert!(why.iter().all(|why| why.contains("is kept until")), "{why:#?}");
                    stage.clock.sleep(Duration::from_hours(37)).await;
                }
                Left::Ended(ending) => panic!("{kills:?} {ending:?}"),
            }
        }
        let undoing = stage.cloud.requests() - then;
        stage.let_it_settle().await;
        let left = before.changes_to(&state_of(stage));
        assert!(left.is_empty(), "{kills:?}: {left:#?}");
        for handed_out in ["CreateAccessKey", "PutSecretValue", "UpdateLoginProfile"] {
            assert!(requests_of(stage, handed_out).is_empty(), "{kills:?}: {handed_out}");
        }
        no_effect_came_without_its_intent(stage);
        no_secret_was_written(stage);
        (cutting, undoing)
    };
    let (backdrop, (cutting, undoing)) = play(async {
        let stage = Stage::set(&world(true), PLAYBOOK).await;
        (stage.backdrop(), played(&stage, None).await)
    });
    // Something was cut by then.
    let pairs = (16..cutting).flat_map(|one| (1..undoing).map(move |another| (one, another)));
    let pairs: Vec<(u64, u64)> = pairs.collect();
    let sampled: Vec<_> = pairs.iter().step_by(pairs.len() / PAIRS).copied().collect();
    let taken = each(&sampled, |kills| {
        play(async {
            let stage = backdrop.stage();
            played(&stage, Some(*kills)).await;
            assert!(!stage.state().taken_over.is_empty());
        });
    });
    println!("counted: {taken} pairs of kills, of {}, before and in an undo", pairs.len());
}
