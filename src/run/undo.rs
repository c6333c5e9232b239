//! Taking back: a plan whose changes undo others, driven one by one, each asked whether it may be.
//!
//! There is no gate to open: nothing new is handed out. What stands before each change is the same as before every
//! lift: whatever it would let in again must be dead, replaced, blocked by something else, cleared or waived, by the
//! journal and by a fresh look.

use super::{Ending, Event, Halt, Run};
use crate::journal::ChangeState;
use crate::plan::Change;
use crate::playbook::Phase;

impl Run<'_> {
    /// Takes back what the plan says, as far as it may be.
    pub(super) async fn take_back(&self) -> Result<Ending, Halt> {
        let due: Vec<&Change> = self.due(|change| change.undoes.is_some());
        if !due.is_empty() {
            self.wait_for_approvals(Phase::Recover, due.len()).await?;
            self.observer.event(&Event::PhaseBegan { phase: Phase::Recover, changes: due.len() });
            self.drive_in_order(due).await?;
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
