//! Taking back: a plan whose changes undo others, driven one by one, each asked whether it may be.
//!
//! There is no gate to open: nothing new is handed out. What stands before each change is the same as before every
//! lift: whatever it would let in again must be dead, replaced, blocked by something else, cleared or waived, by the
//! journal and by a fresh look.

use std::collections::BTreeSet;

use super::{Ending, Event, Halt, Run};
use crate::action::{Inverse, catalog};
use crate::ids::ChangeId;
use crate::journal::{ChangeState, State};
use crate::ledger::{Ledger, Standing};
use crate::plan::{Barrier, Change, Credential, Effect, Plan, SavedPlan, Subject};
use crate::planning;
use crate::playbook::{Phase, Proof};

/// The cuts of a case that can be taken back: made by it, in whole or in part, and not lifted since.
pub fn to_take_back(plan: &Plan, state: &State) -> BTreeSet<ChangeId> {
    let lifts = |change: &Change, inverse: &Inverse| {
        state.record(&change.id).state == ChangeState::Seen
            && inverse.draft.effects.iter().all(|effect| change.effects.contains(effect))
    };
    let is_lifted = |inverse: &Inverse| {
        inverse.draft.effects.iter().any(|effect| {
            matches!(effect, Effect::Lifts { subject, .. }
                if plan.changes.about(subject).any(|change| lifts(change, inverse)))
        })
    };
    let cuts = plan
        .changes
        .iter()
        .filter(|change| change.cuts() && !change.already && state.record(&change.id).attempts > 0);
    // What is deleted cannot work again; there is nothing of it to take the cut off.
    let dead: BTreeSet<Credential> = Ledger::of(plan, state)
        .rows
        .into_iter()
        .filter(|row| matches!(row.standing, Standing::Dead { .. }))
        .map(|row| row.credential)
        .collect();
    let is_gone = |cut: &Change| {
        cut.effects.iter().all(|effect| match effect {
            Effect::Cuts { subject: Subject::Credential { credential }, barrier } => {
                *barrier == Barrier::Inactive && dead.contains(credential)
            }
            _ => false,
        })
    };
    let standing = cuts.filter(|cut| !is_gone(cut)).filter(|cut| {
        catalog::of(cut).inverse(&cut.decided).is_some_and(|inverse| !is_lifted(&inverse))
    });
    standing.map(|cut| cut.id.clone()).collect()
}

/// The plan that takes a case back as it stands, as its next round.
pub fn undo_of(saved: &SavedPlan, state: &State) -> SavedPlan {
    let touched = state.changes.iter();
    let begun = touched
        .filter(|(_, record)| record.attempts > 0 || record.state == ChangeState::Seen)
        .map(|(id, _)| id.clone());
    planning::take_back(saved, begun.collect(), to_take_back(&saved.plan, state))
}

impl Run<'_> {
    /// Takes back what the plan says, as far as it may be.
    pub(super) async fn take_back(&self) -> Result<Ending, Halt> {
        self.until_nothing_is_on_its_way().await?;
        if let Some(why) = self.is_apart() {
            return self.shut(vec![why]).await;
        }
        let due: Vec<&Change> = self.due(|change| change.undoes.is_some());
        if !due.is_empty() {
            self.wait_for_approvals(Phase::Recover, due.len()).await?;
            self.observer.event(&Event::PhaseBegan { phase: Phase::Recover, changes: due.len() });
            self.drive_in_order(due, Proof::Silent).await?;
        }
        let state = self.journal.state();
        let undoing = self.plan.changes.iter().filter(|change| change.undoes.is_some());
        let held: Vec<String> = undoing
            .map(|change| (&change.id, state.change(&change.id)))
            .filter(|(_, record)| record.state != ChangeState::Seen)
            .map(|(id, record)| format!("{id}: {}", record.trouble.unwrap_or_default()))
            .collect();
        Ok(if held.is_empty() { self.by_the_ledger() } else { Ending::Held(held) })
    }
}
