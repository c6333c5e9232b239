//! Everything that may go wrong at a call, at every call: throttled, failed before and after the effect,
//! lost, garbled, refused from here on; alone, in pairs and triples, and together with crashes. The world
//! is judged, and every run that does not end well by itself is resumed until it does.

mod contested;
mod in_flight;
mod ladder;
mod regained;
mod roles_and_networks;
mod single_actions;
mod still;
mod strangers;
mod weather;

use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis::planning::Terms;
use portcullis::run::Ending;
use portcullis::sim::{Fault, Snapshot};

use crate::proof::enforced;
use crate::side_by_side::{each, spread};
use crate::stage::{Backdrop, Left, PLAYBOOK, Stage, Torn, WORLD, play, terms};
use crate::verdict::{
    no_effect_came_without_its_intent, no_secret_was_written, the_gate_was_kept,
    the_world_is_as_it_should_be,
};

/// What goes wrong once and then passes.
pub(crate) const PASSING: [Fault; 5] = [
    Fault::Throttled,
    Fault::Unavailable,
    Fault::UnavailableAfterEffect,
    Fault::LostAnswer,
    Fault::Garbage,
];

/// The shipped playbook, planned; the world then; and the first and last request of a run that nothing
/// disturbs.
fn planned() -> (Backdrop, Snapshot, std::ops::RangeInclusive<u64>) {
    planned_on(&terms())
}

fn planned_on(terms: &Terms) -> (Backdrop, Snapshot, std::ops::RangeInclusive<u64>) {
    play(async {
        let stage = Stage::set_on(WORLD, PLAYBOOK, terms).await.unwrap();
        let (backdrop, before) = (stage.backdrop(), stage.cloud.snapshot());
        let planned = stage.cloud.requests();
        let ending = stage.resume_to_the_end(1).await;
        let calls = planned + 1..=stage.cloud.requests();
        stage.let_it_settle().await;
        the_world_is_as_it_should_be(&stage, &before, &ending);
        (backdrop, before, calls)
    })
}

#[test]
fn a_call_that_fails_once_in_any_way_that_passes_does_not_even_end_the_run() {
    let (backdrop, before, calls) = planned();
    let points: Vec<(u64, Fault)> = calls.flat_map(|n| PASSING.map(|fault| (n, fault))).collect();
    let all = points.len();
    let cases = each(&spread(points, 160), |point| {
        play(async {
            let stage = backdrop.stage();
            stage.cloud.set_faults([*point]);
            let ending = stage.resume_to_the_end(1).await;
            stage.let_it_settle().await;
            the_world_is_as_it_should_be(&stage, &before, &ending);
        });
    });
    println!("counted: {cases} cases of {all}, a fault at a call");
}

/// Trying a cut comes to the same whatever goes wrong on the way: what is not an answer proves nothing, and what
/// was made for it is gone in the end. At every seventh of all pairs of a call and a fault.
#[test]
fn a_call_that_fails_once_while_cuts_are_tried_changes_nothing_and_leaves_no_canary() {
    let (backdrop, before, calls) = planned_on(&enforced());
    let points = calls.flat_map(|n| PASSING.map(|fault| (n, fault))).step_by(7);
    let points: Vec<(u64, Fault)> = points.collect();
    let cases = each(&points, |point| {
        play(async {
            let stage = backdrop.stage();
            stage.cloud.set_faults([*point]);
            let ending = stage.resume_to_the_end(1).await;
            stage.let_it_settle().await;
            the_world_is_as_it_should_be(&stage, &before, &ending);
        });
    });
    println!("counted: {cases} cases, a fault at a call, with canaries");
}

#[test]
fn faults_and_crashes_by_seed_leave_no_canary() {
    let (backdrop, before, calls) = planned_on(&enforced());
    let cases = each(&seeds(40), |seed| {
        play(async {
            let stage = backdrop.stage();
            let (faults, crash) = misfortune(*seed, &calls, 60);
            let runs = stage.run_through(&faults, crash).await;
            stage.let_it_settle().await;
            let Some(Left::Ended(ending)) = runs.last() else { unreachable!() };
            let mut ending = ending.clone();
            if stage.state().canaries_left().next().is_some() {
                // What may not be removed is told, and goes with the next run that may.
                stage.cloud.set_faults([]);
                ending = stage.resume_to_the_end(1).await;
                stage.let_it_settle().await;
            }
            the_world_is_as_it_should_be(&stage, &before, &ending);
        });
    });
    println!("counted: {cases} cases, with canaries by seed");
}

#[test]
fn a_permission_lost_at_any_call_holds_the_run_with_the_gate_kept_until_it_is_given_back() {
    let (backdrop, before, calls) = planned();
    let points: Vec<u64> = calls.collect();
    let held = AtomicUsize::new(0);
    let cases = each(&points, |point| {
        play(async {
            let stage = backdrop.stage();
            stage.cloud.set_faults([(*point, Fault::RefusedFromHere)]);
            let ending = stage.resume_to_the_end(1).await;
            if ending == Ending::NotProven {
                // What was refused was not needed any more.
                stage.let_it_settle().await;
                the_world_is_as_it_should_be(&stage, &before, &ending);
                return;
            }
            let (Ending::Held(why) | Ending::Stopped(why)) = &ending else { panic!("{ending:?}") };
            held.fetch_add(1, Ordering::Relaxed);
            assert!(!why.is_empty() && why.iter().all(|why| !why.is_empty()), "{why:?}");
            the_gate_was_kept(&stage);
            no_effect_came_without_its_intent(&stage);
            no_secret_was_written(&stage);
            stage.cloud.set_faults([]);
            let ending = stage.resume_to_the_end(1).await;
            stage.let_it_settle().await;
            the_world_is_as_it_should_be(&stage, &before, &ending);
        });
    });
    let held = held.into_inner();
    println!("counted: {cases} cases, a permission lost at a call, {held} of them held");
    // What is lost matters but for what was needed once: at least half of the calls are made again.
    assert!(held * 2 >= cases, "{held} of {cases} held");
}

#[test]
fn a_run_that_crashes_at_any_line_and_then_cannot_see_is_held_and_goes_on_when_it_can() {
    let (backdrop, before, _) = planned();
    let lines = play(async {
        let stage = backdrop.stage();
        stage.resume_to_the_end(1).await;
        stage.tape.lock().unwrap().requests.len()
    });
    let points: Vec<usize> = (1..=lines).collect();
    let cases = each(&points, |line| {
        play(async {
            let stage = backdrop.stage();
            assert!(matches!(stage.run(Some((*line, Torn::Whole))).await, Left::Crashed));
            let next = stage.cloud.requests() + 1;
            // Whatever it looks at first, it may not see.
            let faults: Vec<(u64, Fault)> =
                (next..next + 6).map(|n| (n, Fault::RefusedFromHere)).collect();
            let runs = stage.run_through(&faults, None).await;
            stage.let_it_settle().await;
            let Some(Left::Ended(ending)) = runs.last() else { unreachable!() };
            the_world_is_as_it_should_be(&stage, &before, ending);
        });
    });
    println!("counted: {cases} cases, blind after a crash at a line");
}

/// A random tale: up to three things that go wrong, and a crash at a line, perhaps torn.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seed(u64);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "seed {}; alone again: PORTCULLIS_SEED={} cargo test --test it by_seed",
            self.0, self.0
        )
    }
}

/// The seeds of a test, or the one that is to be tried again.
fn seeds(count: u64) -> Vec<Seed> {
    match std::env::var("PORTCULLIS_SEED") {
        Ok(seed) => vec![Seed(seed.parse().unwrap())],
        Err(_) => (0..count).map(Seed).collect(),
    }
}

/// Faults at requests, and perhaps a crash at a line.
type Misfortune = (Vec<(u64, Fault)>, Option<(usize, Torn)>);

/// Faults and a crash for a run whose requests are `calls` and whose journal has about `lines` lines.
fn misfortune(seed: Seed, calls: &std::ops::RangeInclusive<u64>, lines: usize) -> Misfortune {
    let mut rng = fastrand::Rng::with_seed(seed.0);
    // What goes wrong makes a run longer, so that calls after its usual end are met as well.
    let faults = (0..rng.usize(2..=3))
        .map(|_| (rng.u64(*calls.start()..=calls.end() + 20), *rng.choice(&Fault::ALL).unwrap()))
        .collect();
    let crash = rng.bool().then(|| (rng.usize(1..=lines), *rng.choice(&Torn::ALL).unwrap()));
    (faults, crash)
}

#[test]
fn pairs_and_triples_of_faults_with_crashes_by_seed_resume_to_the_same_world() {
    let (backdrop, before, calls) = planned();
    let cases = each(&seeds(200), |seed| {
        play(async {
            let stage = backdrop.stage();
            let (faults, crash) = misfortune(*seed, &calls, 40);
            let runs = stage.run_through(&faults, crash).await;
            stage.let_it_settle().await;
            let Some(Left::Ended(ending)) = runs.last() else { unreachable!() };
            the_world_is_as_it_should_be(&stage, &before, ending);
        });
    });
    println!("counted: {cases} cases, pairs and triples by seed");
}
