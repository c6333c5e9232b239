//! Every crash point: before and after every line of the journal, torn three ways, and before and after
//! every call; then `resume`, and the world is judged.

use portcullis::planning::Terms;
use portcullis::run::Ending;
use portcullis::sim::Fault;

use crate::proof::{enforced, roles_and_their_sessions};
use crate::roles;
use crate::stage::{Left, PLAYBOOK, Stage, Torn, WORLD, play, terms};
use crate::verdict::{canaries_came_and_went, the_intruder_is_out, the_world_is_as_it_should_be};

/// The number of lines and of requests of a run that nothing disturbs.
fn undisturbed(terms: &Terms) -> (usize, u64, u64) {
    play(async {
        let stage = Stage::set_on(WORLD, PLAYBOOK, terms).await.unwrap();
        let before = stage.cloud.snapshot();
        let first = stage.cloud.requests();
        let ending = stage.resume_to_the_end(1).await;
        stage.let_it_settle().await;
        the_world_is_as_it_should_be(&stage, &before, &ending);
        let lines = stage.tape.lock().unwrap().requests.len();
        (lines, first, stage.cloud.requests())
    })
}

#[test]
fn a_run_that_crashes_at_any_line_of_its_journal_resumes_to_the_same_world() {
    let (lines, ..) = undisturbed(&terms());
    let points: Vec<(usize, Torn)> =
        (1..=lines).flat_map(|line| Torn::ALL.map(|torn| (line, torn))).collect();
    let cases = crate::side_by_side::each(&points, |point| {
        play(async {
            let stage = Stage::set(WORLD, PLAYBOOK).await;
            let before = stage.cloud.snapshot();
            let left = stage.run(Some(*point)).await;
            assert!(matches!(left, Left::Crashed), "{point:?}: {left:?}");
            let ending = stage.resume_to_the_end(1).await;
            stage.let_it_settle().await;
            the_world_is_as_it_should_be(&stage, &before, &ending);
        });
    });
    println!("counted: {cases} cases, crashes at a line");
}

#[test]
fn a_run_that_crashes_at_any_call_resumes_to_the_same_world() {
    let (_, first, last) = undisturbed(&terms());
    let points: Vec<(u64, Fault)> =
        (first + 1..=last).flat_map(|n| [(n, Fault::StopBefore), (n, Fault::StopAfter)]).collect();
    let cases = crate::side_by_side::each(&points, |(n, fault)| {
        play(async {
            let stage = Stage::set(WORLD, PLAYBOOK).await;
            let before = stage.cloud.snapshot();
            stage.cloud.set_faults([(*n, *fault)]);
            let left = stage.run(None).await;
            assert!(matches!(left, Left::Crashed), "{n} {fault:?}: {left:?}");
            stage.cloud.set_faults([]);
            let ending = stage.resume_to_the_end(1).await;
            stage.let_it_settle().await;
            the_world_is_as_it_should_be(&stage, &before, &ending);
        });
    });
    println!("counted: {cases} cases, crashes at a call");
}

/// A crash during the resumption, too: at every call of it, for crashes of the first run spread over its
/// whole length.
#[test]
fn a_resumption_that_crashes_resumes_to_the_same_world() {
    let (_, first, last) = undisturbed(&terms());
    let points: Vec<(u64, u64)> = (first + 1..=last)
        .step_by(5)
        .flat_map(|n| (1..=28).step_by(3).map(move |later| (n, later)))
        .collect();
    let cases = crate::side_by_side::each(&points, |(n, later)| {
        play(async {
            let stage = Stage::set(WORLD, PLAYBOOK).await;
            let before = stage.cloud.snapshot();
            stage.cloud.set_faults([(*n, Fault::StopAfter)]);
            stage.run(None).await;
            stage.cloud.set_faults([(n + later, Fault::StopAfter)]);
            // Near the end there may be fewer calls left than that; then the resumption ends by itself.
            stage.run(None).await;
            stage.cloud.set_faults([]);
            let ending = stage.resume_to_the_end(1).await;
            stage.let_it_settle().await;
            the_world_is_as_it_should_be(&stage, &before, &ending);
        });
    });
    println!("counted: {cases} cases, crashes twice");
}

/// The same where the gate asks for more: canaries are made, cut and removed on the way, and none is left. At every
/// third point: what is not about a canary is gone through above.
#[test]
fn a_run_with_canaries_that_crashes_anywhere_resumes_to_the_same_world_without_them() {
    let (lines, first, last) = undisturbed(&enforced());
    let at_lines =
        (1..=lines).flat_map(|line| [Torn::Nothing, Torn::Whole].map(|torn| (line, torn)));
    let at_lines = at_lines.map(|at| (Some(at), None));
    let at_calls = (first + 1..=last)
        .flat_map(|n| [Fault::StopBefore, Fault::StopAfter].map(|fault| (None, Some((n, fault)))));
    let points: Vec<_> = at_lines.chain(at_calls).step_by(3).collect();
    let cases = crate::side_by_side::each(&points, |(line, call)| {
        play(async {
            let stage = Stage::set_on(WORLD, PLAYBOOK, &enforced()).await.unwrap();
            let before = stage.cloud.snapshot();
            stage.cloud.set_faults(*call);
            let left = stage.run(*line).await;
            assert!(matches!(left, Left::Crashed), "{line:?} {call:?}: {left:?}");
            stage.cloud.set_faults([]);
            let ending = stage.resume_to_the_end(1).await;
            stage.let_it_settle().await;
            the_world_is_as_it_should_be(&stage, &before, &ending);
        });
    });
    println!("counted: {cases} cases, crashes with canaries");
}

/// And with a role that the canary can assume: at every ninth point, for the same reason.
#[test]
fn a_run_with_canaries_of_roles_that_crashes_resumes_to_a_world_without_them() {
    let playbook = roles_and_their_sessions();
    let set = async || Stage::set_on(roles::WORLD, &playbook, &enforced()).await.unwrap();
    let (first, last) = play(async {
        let stage = set().await;
        let first = stage.cloud.requests();
        stage.resume_to_the_end(1).await;
        (first, stage.cloud.requests())
    });
    let points: Vec<_> = (first + 1..=last)
        .flat_map(|n| [Fault::StopBefore, Fault::StopAfter].map(|fault| (n, fault)))
        .step_by(9)
        .collect();
    let cases = crate::side_by_side::each(&points, |call| {
        play(async {
            let stage = set().await;
            stage.cloud.set_faults([*call]);
            let left = stage.run(None).await;
            assert!(matches!(left, Left::Crashed), "{call:?}: {left:?}");
            stage.cloud.set_faults([]);
            assert_eq!(stage.resume_to_the_end(1).await, Ending::Proven, "{call:?}");
            stage.let_it_settle().await;
            the_intruder_is_out(&stage);
            canaries_came_and_went(&stage);
        });
    });
    println!("counted: {cases} cases, crashes with canaries of roles");
}
