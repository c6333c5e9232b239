//! What cuts waits for nothing that comes after it: where a step behind the gate cannot be planned, for an expression without
//! a value or something that may not be read, the cuts are planned all the same, and nothing behind the gate is. What
//! others of those steps would hand out or let in, nobody has judged without it. The run cuts, proves, and is held for the
//! rest. What is refused of a step that cuts, `unread` has left out before.

use std::collections::BTreeSet;

use super::draft::Undecided;
use super::round::Earlier;
use crate::diagnostic::{Code, Diagnostic};
use crate::ids::StepId;
use crate::plan::{Change, Unplanned};
use crate::playbook::Playbook;

/// What is wrong with a playbook in an account.
pub(super) struct Wrong<'a, 'p> {
    pub(super) of_targets: &'a mut Vec<Diagnostic>,
    pub(super) of_steps: &'a mut Vec<(StepId, Diagnostic)>,
    pub(super) undecided: &'a [Undecided<'p>],
}

/// Takes out of what is `wrong` all that concerns nothing but steps behind the gate, and out of `changes` what those would
/// do; says so of every one of them. Takes nothing where nothing is cut, or an `earlier` plan has something behind the gate.
pub(super) fn behind_the_gate(
    playbook: &Playbook,
    wrong: Wrong<'_, '_>,
    changes: &mut Vec<Change>,
    earlier: Option<&Earlier<'_>>,
) -> Vec<Unplanned> {
    let Wrong { of_targets, of_steps, undecided } = wrong;
    if earlier.is_some_and(|earlier| earlier.plan.has_a_gate()) {
        return Vec::new();
    }
    let known = earlier.into_iter().flat_map(|earlier| &earlier.plan.unplanned);
    let known: Vec<Unplanned> = known.filter(|one| !one.before_the_gate).cloned().collect();
    let is_behind =
        |step: &StepId| playbook.step(step).is_some_and(|step| step.phase.is_behind_the_gate());
    let concerned: BTreeSet<&StepId> = undecided
        .iter()
        .map(|one| &one.step.id)
        .chain(of_steps.iter().map(|(step, _)| step))
        .collect();
    // What somebody has typed or left out is mended in the next line.
    let is_slip = |problem: &Diagnostic| {
        use Code::{CannotPlan, CouldNotRead, ExpressionFailed};
        !matches!(problem.code, CannotPlan | CouldNotRead | ExpressionFailed)
    };
    if of_targets.iter().chain(of_steps.iter().map(|(_, problem)| problem)).any(is_slip) {
        return Vec::new();
    }
    let nothing_is_wrong = of_targets.is_empty() && of_steps.is_empty();
    // What waits for nobody adds nothing to what is approved.
    let adds_nothing = earlier.is_some_and(|earlier| earlier.cuts_alone && !known.is_empty());
    let cuts = |change: &Change| change.cuts() && !change.is_gated();
    if nothing_is_wrong && !adds_nothing
        || !concerned.iter().all(|step| is_behind(step))
        || !of_targets.is_empty() && concerned.is_empty()
        || earlier.is_none() && !changes.iter().any(cuts)
    {
        return Vec::new();
    }
    if adds_nothing {
        of_targets.clear();
        of_steps.clear();
        changes.retain(|change| !change.phase.is_behind_the_gate());
        return known;
    }
    let mut unplanned: Vec<Unplanned> = Vec::new();
    for (step, problem) in std::mem::take(of_steps) {
        unplanned.push(Unplanned { step, why: told(&problem), before_the_gate: false });
    }
    let of_targets: Vec<String> = std::mem::take(of_targets).iter().map(told).collect();
    let because = match unplanned.first() {
        Some(first) => format!("it waits for step `{}`", first.step),
        None => of_targets.join("; "),
    };
    for step in playbook.steps.iter().filter(|step| step.phase.is_behind_the_gate()) {
        let is_known = unplanned.iter().any(|one| one.step == step.id);
        let is_undecided = undecided.iter().any(|one| one.step.id == step.id);
        if is_known || !is_undecided && changes.iter().all(|change| change.step != step.id) {
            continue;
        }
        let why = if is_undecided && !of_targets.is_empty() {
            of_targets.join("; ")
        } else {
            because.clone()
        };
        unplanned.push(Unplanned { step: step.id.clone(), why, before_the_gate: false });
    }
    changes.retain(|change| !change.phase.is_behind_the_gate());
    unplanned
}

/// What is wrong, and where that is written.
fn told(problem: &Diagnostic) -> String {
    match &problem.primary {
        Some(label) => format!("{} (line {})", problem.message, label.place.line()),
        None => problem.message.clone(),
    }
}
