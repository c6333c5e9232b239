//! Second passes over sessions that are made once more.
//!
//! A role whose trust admits somebody whom no step cuts off is assumed by him for as long as it does. A person closes
//! that, when he comes to it; whatever was had until then outlives a pass that came before. So the pass is made once more
//! behind the closing, and the gate stays shut until it is.

use super::{Halt, Run};
use crate::ids::ChangeId;
use crate::journal::{ChangeState, Entry, State};
use crate::plan::Change;

/// What was closed by a person after `change` was last begun, and by which more of what it cuts could be had until
/// then.
pub(super) fn closed_since<'c>(change: &'c Change, state: &State) -> Option<&'c ChangeId> {
    let record = state.record(&change.id);
    let done = record.begun.or(record.seen)?;
    change.again_after.iter().find(|closing| {
        let closing = state.record(closing);
        closing.state == ChangeState::Seen && closing.seen.is_some_and(|closed| closed > done)
    })
}

impl Run<'_> {
    /// Opens again the passes that came before a closing. Gives back whether there was any.
    pub(super) async fn reopen_behind_closings(&self) -> Result<bool, Halt> {
        let state = self.journal.state();
        let mut any = false;
        for change in &self.plan.changes {
            if state.record(&change.id).state != ChangeState::Seen {
                continue;
            }
            let Some(closing) = closed_since(change, &state) else { continue };
            let why = format!("{closing} was closed since");
            self.record(Entry::Reopened { change: change.id.clone(), why }).await?;
            any = true;
        }
        Ok(any)
    }
}
