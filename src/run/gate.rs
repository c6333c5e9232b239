//! The gate, as the executor keeps it: the last of the three places it is checked.
//!
//! Judged from the plan and the journal before every single attempt behind it, so that no path through
//! the driver can forget it, and by a fresh look: every cut must still stand, and every credential that
//! the principals in scope hold *now* must be one the plan knows. What speaks against it stops the run.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::look::Around;
use super::{Event, Halt, Run};
use crate::cloud::Urgency;
use crate::ids::{AccessKeyId, Principal, UserName};
use crate::inventory::{Inventory, Want};
use crate::journal::{ChangeState, Entry, GateState, Ours};
use crate::ledger::{Barriers, Ledger};
use crate::plan::{Barrier, Change, Credential, Effect, Subject, credential_wants, credentials_of};
use crate::playbook::Proof;

impl Run<'_> {
    /// Sees every cut stay cut, and opens the gate if nothing speaks against it.
    pub(super) async fn open_gate(&self) -> Result<(), Halt> {
        let cuts = self.standing_cuts();
        self.settle(&cuts, "every cut").await?;
        if !self.plan.changes.iter().any(Change::is_gated) {
            // Nothing waits behind it. What no step cuts is unaccounted for: the ledger says so.
            return Ok(());
        }
        let mut reasons = self.reasons_from_journal();
        if cuts.is_empty() {
            reasons.push("nothing was cut".to_owned());
        }
        if reasons.is_empty() {
            reasons = self.newcomers(&self.look_at(&[], self.credentials_in_scope(), Urgency::Rest).await?);
        }
        if reasons.is_empty() {
            let proof = self.weakest_proof();
            self.record(Entry::GateOpened { proof }).await?;
            self.observer.event(&Event::GateOpened { proof });
            return Ok(());
        }
        self.shut(reasons).await
    }

    /// A gate that was open stays open only while every cut that made it open still stands. Where the
    /// journal already has a cut that does not, a person has been called and has resumed: the gate is shut,
    /// and everything is cut and proven anew. What is first seen now calls for a person.
    pub(super) async fn gate_is_still_open(&self) -> Result<bool, Halt> {
        let GateState::Open(..) = self.journal.state().gate else { return Ok(false) };
        let reasons = self.reasons_from_journal();
        if !reasons.is_empty() {
            self.observer.event(&Event::GateShut { reasons: &reasons });
            self.record(Entry::GateShut { reasons }).await?;
            return Ok(false);
        }
        self.look_anew().await?;
        Ok(true)
    }

    /// Looks at every cut and every credential in scope; shuts the gate where anything speaks against it. What
    /// is issued cannot be taken back, so this is done before every single attempt behind the gate. Attempts that are
    /// made at the same time share a look, and one holds for as long as it took: by its end its beginning was as old.
    pub(super) async fn look_anew(&self) -> Result<Arc<Inventory>, Halt> {
        let mut last = self.looks.around.lock().await;
        let facts = match &*last {
            Some(Around { facts, took, until }) if self.clock.now() < *until + *took => {
                Arc::clone(facts)
            }
            _ => {
                *last = None;
                let began = self.clock.now();
                let facts = Arc::new(self.look_around().await?);
                let until = self.clock.now();
                let took = until.duration_since(began);
                *last = Some(Around { facts: Arc::clone(&facts), took, until });
                facts
            }
        };
        let mut reasons = self.reasons_from_journal();
        if reasons.is_empty() {
            reasons = self.newcomers(&facts);
        }
        if reasons.is_empty() { Ok(facts) } else { self.shut(reasons).await }
    }

    /// One look at everything the gate stands on; a cut that was taken off is recorded and announced.
    async fn look_around(&self) -> Result<Inventory, Halt> {
        let cuts = self.standing_cuts();
        let facts = self.look_at(&cuts, self.credentials_in_scope(), Urgency::Rest).await?;
        for change in cuts {
            self.still_stands(change, &facts).await?;
        }
        Ok(facts)
    }

    fn credentials_in_scope(&self) -> impl Iterator<Item = Want> {
        self.plan.users().flat_map(credential_wants)
    }

    async fn shut<T>(&self, reasons: Vec<String>) -> Result<T, Halt> {
        self.observer.event(&Event::GateShut { reasons: &reasons });
        self.record(Entry::GateShut { reasons: reasons.clone() }).await?;
        Err(Halt::Held(reasons))
    }

    /// What speaks against starting anything behind the gate: nothing, only if it was opened and what
    /// opened it still holds by the journal.
    pub(super) fn gate_reasons(&self) -> Vec<String> {
        match &self.journal.state().gate {
            GateState::Open(..) => self.reasons_from_journal(),
            GateState::Shut(reasons) => reasons.clone(),
            GateState::Untried => vec!["it was not opened yet".to_owned()],
        }
    }

    /// Cuts that are not seen, or not proven as surely as the plan's gate asks.
    fn reasons_from_journal(&self) -> Vec<String> {
        let state = self.journal.state();
        let asked = self.plan.gate.proof;
        let barriers = Barriers::of(self.plan, &state);
        let mut reasons = Vec::new();
        for change in self.plan.changes.iter().filter(|change| change.cuts()) {
            if barriers.is_lifted(change) {
                continue;
            }
            let record = state.record(&change.id);
            let label = format!("{} ({}, {})", change.id, change.target, change.what);
            match (&record.state, &record.proof) {
                (ChangeState::Seen, Some((proof, ..))) if *proof >= asked => {}
                (ChangeState::Seen, proof) => {
                    let has = proof.as_ref().map_or("read-back", |(proof, ..)| proof.as_str());
                    reasons.push(format!("{label} is proven {has}, and the gate asks for {asked}"));
                }
                (_, _) => {
                    let why = record.trouble.as_deref().unwrap_or("it was not seen");
                    reasons.push(format!("{label} is not cut: {why}"));
                }
            }
        }
        for credential in &self.plan.credentials {
            let covered = !barriers.before(credential).is_empty()
                || barriers.were_taken_from(credential)
                || self.plan.trust_in(credential).is_some();
            if !covered {
                reasons.push(format!("nothing cuts the {credential}"));
            }
        }
        reasons
    }

    fn weakest_proof(&self) -> Proof {
        let state = self.journal.state();
        let proofs = self.standing_cuts().into_iter().filter_map(|c| state.change(&c.id).proof);
        proofs.map(|(proof, ..)| proof).min().unwrap_or(Proof::ReadBack)
    }

    /// Credentials of principals in scope that neither the plan knows nor this run has issued.
    fn newcomers(&self, facts: &Inventory) -> Vec<String> {
        let state = self.journal.state();
        let issued: BTreeSet<_> =
            Ledger::of(self.plan, &state).issued.into_iter().map(|i| i.key).collect();
        let known: BTreeSet<&Credential> = self.plan.credentials.iter().collect();
        let mut reasons = Vec::new();
        for user in self.plan.users() {
            for credential in credentials_of(user, facts) {
                if known.contains(&credential) {
                    continue;
                }
                let ours = matches!(&credential, Credential::AccessKey { id, .. }
                    if issued.contains(id) || self.may_have_issued(user, id, facts));
                if !ours {
                    reasons.push(match credential {
                        Credential::Unlisted { .. } => format!(
                            "{credential} could be read when the plan was made and cannot be now; allow it, \
                             then resume"
                        ),
                        _ => format!(
                            "{credential} has appeared since the plan was made: somebody is still inside. \
                             Plan again, so that it is cut too"
                        ),
                    });
                }
            }
        }
        reasons
    }

    /// Whether a key is, or may be, one that a change for `user` has made and is not done with.
    fn may_have_issued(&self, user: &UserName, id: &AccessKeyId, facts: &Inventory) -> bool {
        let keys = facts.access_keys(user).map(Vec::as_slice).unwrap_or_default();
        let created_at = keys.iter().find(|key| key.id == *id).map(|key| key.created_at);
        self.plan.changes.iter().any(|change| {
            let issues = change
                .effects
                .iter()
                .any(|effect| matches!(effect, Effect::Issues { user: to, .. } if to == user));
            let record = self.journal.change(&change.id);
            issues
                && record.state != ChangeState::Seen
                && Ours::of(&record.notes).may_include(id, created_at)
        })
    }

    /// Why taking `barrier` off would let somebody in: a credential that nothing else blocks, or one that
    /// cannot be read.
    pub(super) fn lifting_would_open(
        &self,
        subject: &Subject,
        barrier: Barrier,
        facts: &Inventory,
    ) -> Option<String> {
        let state = self.journal.state();
        let (ledger, barriers) = (Ledger::of(self.plan, &state), Barriers::of(self.plan, &state));
        let held = match subject {
            Subject::Credential { credential } => vec![credential.clone()],
            Subject::Principal { principal: Principal::User(user) } => {
                let mut held = credentials_of(user, facts);
                held.push(Credential::Sessions { user: user.clone() });
                held
            }
            Subject::Principal { principal: Principal::Role(role) } => {
                vec![Credential::RoleSessions { role: role.clone() }]
            }
        };
        for credential in held {
            if let Credential::Unlisted { operation, .. } = &credential {
                if self.plan.accepted_gaps.contains(operation) {
                    continue;
                }
                return Some(format!(
                    "lifting might open {credential}: allow {operation} and resume, or plan again with \
                     --accept-gap {operation}"
                ));
            }
            let ours = matches!(&credential, Credential::AccessKey { id, .. }
                if ledger.issued.iter().any(|issued| issued.key == *id));
            let blocked = barriers.before(&credential).keys().any(|other| *other != barrier);
            let trusted = self.plan.trust_in(&credential).is_some();
            if !ours && !blocked && !trusted {
                return Some(format!(
                    "lifting would open the {credential} again: only the {barrier} blocks it. Cut it by \
                     hand or by a step of its own, then resume"
                ));
            }
        }
        None
    }

    /// The last look: everything that should stand stands, and nobody new has come.
    pub(super) async fn check_once_more(&self) -> Result<(), Halt> {
        let newcomers = self.newcomers(&self.look_around().await?);
        if newcomers.is_empty() {
            return Ok(());
        }
        let until = newcomers.join("; ");
        self.record(Entry::Held { change: None, until }).await?;
        Err(Halt::Held(newcomers))
    }
}
