//! Of cases of every kind: what is not done the plan has announced, or the run names it with what to do; and what the
//! ledger calls cut the intruder finds cut.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis::journal::{ChangeState, GateState};
use portcullis::ledger::{self, Ledger, Row, Standing};
use portcullis::plan::Change;
use portcullis::planning::Terms;
use portcullis::run::{Ending, MOST_ROUNDS};

use super::wide::{LEAKED, wide};
use crate::side_by_side::each;
use crate::stage::{Stage, play};
use crate::verdict::{no_effect_came_without_its_intent, no_secret_was_written};

const WORLDS: u64 = 36;

#[test]
fn what_is_not_done_was_announced_and_what_is_called_cut_is_cut() {
    let seeds: Vec<u64> = (1..=WORLDS).collect();
    let ends = Mutex::new(BTreeMap::<&str, usize>::new());
    let (undone, tried) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let cases = each(&seeds, |seed| {
        play(async {
            let (world, playbook) = wide(*seed);
            let Ok(mut stage) = Stage::set_on(&world, &playbook, &Terms::default()).await else {
                *ends.lock().unwrap().entry("refused").or_default() += 1;
                return;
            };
            stage.most = MOST_ROUNDS;
            let ending = stage.resume_to_the_end(1).await;
            let left = what_is_not_done_is_told(&stage, &ending, *seed);
            undone.fetch_add(left, Ordering::Relaxed);
            let foretold = &stage.saved.plan;
            let kind = match &ending {
                Ending::Proven => "proven",
                Ending::NotProven => "not proven",
                Ending::Held(_) => "held",
                other => panic!("seed {seed}: {other:?}"),
            };
            assert!(
                ending != Ending::NotProven || !foretold.at_best.is_empty(),
                "seed {seed}: nothing said that it ends with 11"
            );
            *ends.lock().unwrap().entry(kind).or_default() += 1;
            stage.let_it_settle().await;
            tried.fetch_add(what_is_called_cut_is_cut(&stage, *seed), Ordering::Relaxed);
            no_effect_came_without_its_intent(&stage);
            no_secret_was_written(&stage);
        });
    });
    let (ends, undone, tried) =
        (ends.into_inner().unwrap(), undone.into_inner(), tried.into_inner());
    println!(
        "counted: {cases} cases of every kind, {ends:?}; {undone} changes not done, each told; {tried} credentials of the \
         intruder tried that the ledger calls cut"
    );
    assert!(undone >= 20 && tried >= 20, "{undone} {tried}");
    assert!(
        ["proven", "not proven", "held"].iter().all(|kind| ends.contains_key(kind)),
        "{ends:?}"
    );
}

/// Gives back how many changes were not done.
fn what_is_not_done_is_told(stage: &Stage, ending: &Ending, seed: u64) -> usize {
    let (plan, state) = (stage.plan(), stage.state());
    let done = |change: &&Change| state.change(&change.id).state == ChangeState::Seen;
    let left: Vec<&Change> = plan
        .changes
        .iter()
        .filter(|change| !done(change) && !ledger::is_idle(&plan, &state, change))
        .collect();
    let Ending::Held(why) = ending else {
        let ids: Vec<&str> = left.iter().map(|change| change.id.as_str()).collect();
        assert_eq!(ids, [""; 0], "seed {seed}: {ending:?}");
        return 0;
    };
    // Every hold says what to do, and the plan knew that there would be one.
    assert!(!why.is_empty() && why.iter().all(|one| one.len() > 20), "seed {seed}: {why:#?}");
    let told = why.join("\n");
    let announced = |change: &Change| {
        change.is_refused()
            || plan
                .warnings
                .iter()
                .any(|one| one.starts_with(&format!("{} will be held", change.id)))
    };
    let plan = &stage.saved.plan;
    let holds = ["will be held", "the gate will stay shut"];
    let mut said = plan.warnings.iter().chain(plan.at_best.iter().map(|shortfall| &shortfall.why));
    assert!(
        said.any(|one| holds.iter().any(|hold| one.contains(hold))),
        "seed {seed}: held, and no word of the plan said so\n{told}"
    );
    let shut = !matches!(state.gate, GateState::Open(..));
    for change in &left {
        let behind = change.phase.is_behind_the_gate();
        assert!(
            announced(change)
                || told.contains(&format!("{} ", change.id))
                || told.contains(&format!("{}:", change.id))
                || behind && shut
                || told.contains(" more "),
            "seed {seed}: {} came as a surprise\n{told}",
            change.id
        );
    }
    left.len()
}

/// Gives back how many of the intruder's credentials the ledger calls cut.
fn what_is_called_cut_is_cut(stage: &Stage, seed: u64) -> usize {
    let ledger = Ledger::of(&stage.plan(), &stage.state());
    let is_cut = |row: &Row| {
        matches!(
            row.standing,
            Standing::Dead { .. } | Standing::Blocked { .. } | Standing::Replaced { .. }
        )
    };
    let called_cut = |typed: &str| {
        ledger.rows.iter().find(|row| row.credential.typed() == typed).is_some_and(is_cut)
    };
    let mut tried = 0;
    for reach in stage.cloud.intruder_reach() {
        // A session is of the one or of the other: which, only the world knows. A deny of older ones says nothing of those
        // that he mints by a key that is open, which is a row of its own.
        let cut = if reach.credential == LEAKED {
            called_cut(LEAKED)
        } else {
            called_cut(LEAKED) && called_cut("sessions/ada") && called_cut("role-sessions/func")
        };
        if cut {
            tried += 1;
            let rows: Vec<String> = ledger
                .rows
                .iter()
                .map(|row| format!("{}: {}", row.credential, row.detail()))
                .collect();
            assert_eq!(
                reach.allowed,
                [""; 0],
                "seed {seed}: {} is let in\n{}",
                reach.credential,
                rows.join("\n")
            );
        }
    }
    tried
}
