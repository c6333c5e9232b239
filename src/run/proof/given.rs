//! Credentials that the responder was given: tried themselves.
//!
//! That this very credential is refused because of a cut is the strongest there is, and says nothing of any other:
//! a dead key may have minted sessions that live. That it is let in after all speaks against the gate, whatever a
//! canary showed. When it was last used is written down first: our own trying would hide it.

use jiff::Timestamp;

use super::{Event, Halt, Instead, Run};
use crate::action::refusal;
use crate::cloud::{CallError, Suspect};
use crate::ids::AccessKeyId;
use crate::journal::{ChangeState, Entry, Outcome, Refusal, TriedCredential, Witness};
use crate::plan::{Barrier, Credential, Effect, Subject};

impl Run<'_> {
    /// Tries every credential that was given, side by side.
    pub(in crate::run) async fn try_given(&self) -> Result<(), Halt> {
        let all = self.given.iter().map(|given| self.try_one_given(given));
        futures_util::future::try_join_all(all).await.map(drop)
    }

    async fn try_one_given(&self, given: &Suspect) -> Result<(), Halt> {
        let credential = given.id.clone();
        let last_used = if given.token.is_none() {
            let told = self.cloud.read().iam().access_key_last_used(&given.id).await;
            let used = told.ok().flatten().and_then(|told| told.access_key_last_used);
            used.and_then(|used| used.last_used_date)
                .and_then(|at| Timestamp::from_second(at.secs()).ok())
        } else {
            None
        };
        self.record(Entry::Trying { credential: credential.clone(), last_used }).await?;
        let probe = self.probes.with(given);
        // Told under any deny, and refused where the credential itself is no good any more.
        let of = probe.whose().await.ok();
        let until = self.patient_until(self.clock.now());
        let shows =
            |error: &CallError| refusal(error).filter(|refusal| *refusal != Refusal::Unnamed);
        let outcome = match self.until_refused(&probe, until, shows).await? {
            Ok((since, because, error)) => Outcome::Refused {
                because,
                evidence: format!(
                    "refused since {} UTC: {}: {}",
                    since.strftime("%Y-%m-%d %H:%M:%S"),
                    error.code,
                    error.message
                ),
            },
            Err(Instead::LetIn(evidence)) => Outcome::LetIn { evidence },
            Err(Instead::Other(why)) => Outcome::CannotTell { why },
        };
        self.observer.event(&Event::Tried { credential: &credential, outcome: &outcome });
        let tried = Entry::Tried { credential: credential.clone(), of, outcome: outcome.clone() };
        self.record(tried).await?;
        if let Outcome::Refused { because: Refusal::NotAccepted, evidence } = &outcome {
            self.is_dead_itself(&credential, evidence).await?;
        }
        Ok(())
    }

    /// A key that is not accepted proves the change that made it inactive, and no other.
    async fn is_dead_itself(&self, key: &AccessKeyId, evidence: &str) -> Result<(), Halt> {
        let cuts_it = |effect: &Effect| {
            matches!(effect, Effect::Cuts {
                subject: Subject::Credential { credential: Credential::AccessKey { id, .. } },
                barrier: Barrier::Inactive,
            } if id == key)
        };
        for change in &self.plan.changes {
            let seen = self.journal.change(&change.id).state == ChangeState::Seen;
            if seen && change.effects.iter().any(cuts_it) {
                let by = Witness::Itself { credential: key.clone() };
                self.enforced(&[change], &by, evidence).await?;
            }
        }
        Ok(())
    }

    /// What the credentials that were tried say against opening the gate.
    pub(in crate::run) fn given_that_are_let_in(&self) -> Vec<String> {
        let state = self.journal.state();
        let open = |(id, tried): (&AccessKeyId, &TriedCredential)| match &tried.outcome {
            Some((_, Outcome::LetIn { evidence })) => Some(format!(
                "{id}, which was given to be tried, is not cut: {evidence}. Find out whose it is, cut it, \
                     then resume with it"
            )),
            _ => None,
        };
        state.tried.iter().filter_map(open).collect()
    }
}
