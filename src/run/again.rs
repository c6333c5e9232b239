//! Second passes over sessions that are made once more.
//!
//! A role whose trust admits somebody whom no step cuts off is assumed by him for as long as it does. A person closes
//! that, when he comes to it; whatever was had until then outlives a pass that came before. So the pass is made once more
//! behind the closing, and the gate stays shut until it is. The same behind a person's word for somebody whom the role has come
//! to admit since: what that one was let have until then is nobody's to answer for.

use super::{Halt, Run};
use crate::ids::RoleName;
use crate::journal::{ChangeState, Entry, State};
use crate::ledger;
use crate::plan::{Barrier, Change, Credential, Effect};

/// What has ended after `change` was last begun, and by which more of what it cuts could be had until then, in a clause.
pub(super) fn ended_since(change: &Change, state: &State) -> Option<String> {
    let record = state.record(&change.id);
    let done = record.begun.or(record.seen)?;
    let closing = change.again_after.iter().find(|closing| {
        let closing = state.record(closing);
        closing.state == ChangeState::Seen && closing.seen.is_some_and(|closed| closed > done)
    });
    if let Some(closing) = closing {
        return Some(format!("{closing} was closed"));
    }
    let role = passes_over(change)?;
    let answered = state.waived.iter().find(|(credential, waiver)| {
        matches!(credential, Credential::Admission { role: of, .. } if *of == role)
            && waiver.spoken.at > done
    });
    answered.map(|(credential, _)| format!("somebody answered for the {credential}"))
}

/// The role over whose sessions `change` is a second pass.
pub(super) fn passes_over(change: &Change) -> Option<RoleName> {
    change.effects.iter().find_map(|effect| match effect {
        Effect::Cuts { subject, barrier: Barrier::SessionsSecondPass } => {
            subject.principal()?.role().cloned()
        }
        _ => None,
    })
}

impl Run<'_> {
    /// Opens again the passes that something has outdated. Gives back whether there was any.
    pub(super) async fn reopen_outdated_passes(&self) -> Result<bool, Halt> {
        let state = self.journal.state();
        let mut any = false;
        for change in &self.plan.changes {
            if state.record(&change.id).state != ChangeState::Seen {
                continue;
            }
            let Some(ended) = ended_since(change, &state) else { continue };
            if ledger::is_lifted(self.plan, &state, change) {
                continue;
            }
            let why = format!("{ended} since");
            self.record(Entry::Reopened { change: change.id.clone(), why }).await?;
            any = true;
        }
        Ok(any)
    }
}
