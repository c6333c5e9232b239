//! What cuts waits for no answer: where a question is refused that a step before the gate asks, the step is left out for
//! whomever that concerns, and every other cut is planned. Steps behind the gate are left to `unplanned`.
//!
//! Whoever it was for is in scope all the same, so that all he holds is a row of the ledger; and the gate stays shut until a
//! round has planned the step, or the operator has accepted that this listing shows nothing. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Undecided, Unread};
use super::round::Earlier;
use crate::ids::{Principal, StepId};
use crate::plan::{Change, Unplanned};
use crate::playbook::{FirstCut, Playbook};

/// How many of those whom a step is left out for are named.
const NAMED: usize = 3;

/// What is left out, and what follows.
#[derive(Default)]
pub(super) struct LeftOut<'p> {
    /// What keeps the gate shut.
    pub(super) unplanned: Vec<Unplanned>,
    /// What was accepted, a sentence each: warnings.
    pub(super) accepted: Vec<String>,
    /// Whom that concerns.
    pub(super) concerned: BTreeSet<Principal>,
    /// What nobody knows the outcome of, for now.
    pub(super) undecided: Vec<Undecided<'p>>,
    /// What is not left out: it is behind the gate or planned already, or there is nothing else to cut.
    pub(super) kept: Vec<Unread<'p>>,
}

/// Leaves out what can be of `unread` steps, beside the `changes` that are planned.
pub(super) fn leave_out<'p>(
    playbook: &'p Playbook,
    unread: Vec<Unread<'p>>,
    changes: &[Change],
    accepted: &[String],
    earlier: Option<&Earlier<'_>>,
) -> LeftOut<'p> {
    let cuts = |change: &Change| change.cuts() && !change.is_gated();
    let goes_on = earlier.is_some() || changes.iter().any(cuts);
    // Of a step that was planned for some alone, the others are left out as they were.
    let was_planned = |step: &StepId| {
        earlier.is_some_and(|Earlier { plan, .. }| {
            plan.changes.iter().any(|change| change.step == *step)
                && !plan.unplanned.iter().any(|one| one.step == *step)
        })
    };
    let mut left_out = LeftOut::default();
    let mut whom: BTreeMap<(&StepId, String, String, bool), Vec<Principal>> = BTreeMap::new();
    for one in unread {
        let step = one.step;
        if step.phase.is_behind_the_gate() || !goes_on || was_planned(&step.id) {
            left_out.kept.push(one);
            continue;
        }
        let Unread { operation, code, understood, of, undecided, .. } = one;
        // Whom nobody has approved of as cut is asked about when the step can be planned.
        let is_in_scope =
            |of: &Principal| earlier.is_none_or(|earlier| earlier.plan.principals.contains(of));
        left_out.concerned.extend(of.clone().filter(is_in_scope));
        if !accepted.contains(&operation) {
            left_out.undecided.push(undecided);
        }
        whom.entry((&step.id, operation, code, understood)).or_default().extend(of);
    }
    for ((step, operation, code, understood), whom) in whom {
        let named: Vec<String> = whom.iter().take(NAMED).map(ToString::to_string).collect();
        let more = match whom.len().saturating_sub(NAMED) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let of = |word: &str| match named.as_slice() {
            [] => String::new(),
            named => format!(" {word} {}{more}", named.join(", ")),
        };
        let place = place(playbook, step);
        if accepted.contains(&operation) {
            left_out.accepted.push(format!(
                "step `{step}`{place} is left out{}: {operation} shows nothing, which is accepted for this plan",
                of("for")
            ));
            continue;
        }
        let once = if understood {
            "once it is allowed"
        } else {
            "see what is unusual about what it shows: once that is gone"
        };
        left_out.unplanned.push(Unplanned {
            step: step.clone(),
            why: format!(
                "{operation} answered {code}{}{place}; {once}, `resume` plans what the step cuts",
                of("of")
            ),
            before_the_gate: true,
        });
    }
    left_out
}

/// Where a step stands, in a playbook that somebody has written.
fn place(playbook: &Playbook, step: &StepId) -> String {
    let written = playbook.step(step).filter(|_| playbook.name != FirstCut::NAME);
    let Some(step) = written else { return String::new() };
    match playbook.fragment_of(&step.place) {
        Some(fragment) => format!(" ({} line {})", fragment.path, step.place.line()),
        None => format!(" (line {})", step.place.line()),
    }
}
