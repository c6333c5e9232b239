//! Second passes over sessions that are made once more.
//!
//! A role whose trust admits somebody whom no step cuts off is assumed by him for as long as it does. A person closes
//! that, when he comes to it; whatever was had until then outlives a pass that came before. So the pass is made once more
//! behind the closing, and the gate stays shut until it is. The same behind a person's word for somebody whom the role has come
//! to admit since: what that one was let have until then is nobody's to answer for. And the same where a cut of an earlier
//! case had come off and stands again.

use jiff::{SignedDuration, Timestamp};

use super::{Event, Halt, Run};
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
    if is_let_in_since(change, state) {
        return Some(
            "what an earlier case had cut, and somebody had taken off, stood again".to_owned(),
        );
    }
    let role = passes_over(change)?;
    let answered = state.waived.iter().find(|(credential, waiver)| {
        matches!(credential, Credential::Admission { role: of, .. } if *of == role)
            && waiver.since > done
    });
    answered.map(|(credential, _)| format!("somebody answered for the {credential}"))
}

/// Whether a cut of an earlier case was off, and stands again, since `change` was made, which is a second pass: whoever it
/// let in could mint.
fn is_let_in_since(change: &Change, state: &State) -> bool {
    let record = state.record(&change.id);
    let (back, done) =
        (state.before.as_ref().and_then(|before| before.back), record.begun.or(record.seen));
    back.zip(done).is_some_and(|(back, done)| back > done) && change.is_second_pass()
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
    /// Opens again the passes that something has outdated. Gives back whether there was any. What outdates them by letting
    /// somebody in until a moment ago is seen to by itself: see [`Run::see_passes_before`].
    pub(super) async fn reopen_outdated_passes(&self) -> Result<bool, Halt> {
        self.reopen_passes(|change, state| {
            ended_since(change, state).filter(|_| !is_let_in_since(change, state))
        })
        .await
    }

    /// Looks at what earlier cases have cut. Where some of it was off since sessions were denied, and stands again, opens
    /// the passes over these again, a margin later: until then somebody could mint.
    pub(super) async fn see_passes_before(&self) -> Result<(), Halt> {
        self.look_at_cuts_before().await?;
        let state = self.journal.state();
        let back = state.before.as_ref().and_then(|before| before.back);
        let is_outdated = |change: &Change| {
            state.record(&change.id).state == ChangeState::Seen && is_let_in_since(change, &state)
        };
        // By the clock that runs now: what another run saw was seen before this one began.
        let last = state.started.max(back);
        let Some(last) = last.filter(|_| self.plan.changes.iter().any(is_outdated)) else {
            return Ok(());
        };
        let margin =
            SignedDuration::try_from(self.plan.gate.margin()).unwrap_or(SignedDuration::MAX);
        let until = last.at.saturating_add(margin).unwrap_or(Timestamp::MAX);
        drop(state);
        let cuts = self.cuts_before().len();
        let what = "what earlier cases have cut";
        self.observer.event(&Event::Settling { what, cuts, until });
        self.wait_until(until).await?;
        self.look_at_cuts_before().await?;
        self.reopen_passes(ended_since).await?;
        Ok(())
    }

    async fn reopen_passes(
        &self,
        outdated: impl Fn(&Change, &State) -> Option<String>,
    ) -> Result<bool, Halt> {
        let state = self.journal.state();
        let mut any = false;
        for change in &self.plan.changes {
            if state.record(&change.id).state != ChangeState::Seen {
                continue;
            }
            let Some(ended) = outdated(change, &state) else { continue };
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
