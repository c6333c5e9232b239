//! When a cut is proven as surely as the gate asks.
//!
//! A cut that can be tried on a canary must itself be proven so. One that cannot (a console password that was
//! deleted, something done by hand) counts when whatever it covers is also covered by a barrier that is, or was when the
//! playbook's own lift took that off (`docs/design/0030-what-stood-under-a-quarantine.md`). A seal
//! cannot be tried, and nothing else covers what it is for: it counts when it has settled, and the ledger goes on
//! saying no more of it. Nothing proves what a person did outside but what was tried: the person's word opens the
//! gate, and the ledger says what it is worth.

use crate::action::{Canary, catalog};
use crate::inventory::Inventory;
use crate::journal::{ChangeRecord, State};
use crate::ledger;
use crate::plan::{Barrier, Change, Credential, Effect, Plan};
use crate::playbook::Proof;
use crate::run::Run;

/// A plan, and what it was made from: enough to judge what the journal says.
#[derive(Clone, Copy)]
pub(in crate::run) struct Known<'a> {
    pub(in crate::run) plan: &'a Plan,
    pub(in crate::run) inventory: &'a Inventory,
}

impl<'a> Run<'a> {
    pub(in crate::run) fn known(&self) -> Known<'a> {
        Known { plan: self.plan, inventory: self.inventory }
    }
}

impl Known<'_> {
    /// Whether `change` can be tried on a canary.
    pub(in crate::run) fn can_be_tried(&self, change: &Change) -> bool {
        let example = Canary::example();
        catalog::of(change).on_canary(&change.decided, self.inventory, &example).is_some()
    }

    /// What is missing before a cut that is seen is proven as the gate asks.
    pub(in crate::run) fn short_of_proof(
        &self,
        change: &Change,
        record: &ChangeRecord,
        state: &State,
    ) -> Option<String> {
        let asked = self.plan.gate.proof;
        let proof = record.proof.as_ref().map_or(Proof::ReadBack, |proven| proven.proof);
        if proof >= asked || (record.proof.is_some() && all(change, Barrier::Attested)) {
            return None;
        }
        if proof >= Proof::Settled
            && !self.can_be_tried(change)
            && (all(change, Barrier::Sealed) || self.is_covered(change, state))
        {
            return None;
        }
        let why = record.unproven.as_ref().map_or(String::new(), |(_, why)| format!(": {why}"));
        let short = format!("is proven {proof}, and the gate asks for {asked}{why}");
        if proof < Proof::Settled || self.can_be_tried(change) {
            return Some(short);
        }
        Some(format!("{short}. {}", self.what_ends_it(change, state)))
    }

    /// What lets the gate go by a cut that nothing can try, where nothing that can be tried stands before what it cuts.
    fn what_ends_it(&self, change: &Change, state: &State) -> String {
        let open = ledger::reached(self.plan, change)
            .filter(|one| !ledger::is_let_off(self.plan, state, one));
        let typed: Vec<String> = open.map(Credential::typed).collect();
        let (case, typed) = (self.plan.case(), typed.join(" "));
        let names = match ledger::names_to_clear(self.plan) {
            1 => "1 person".to_owned(),
            names => format!("{names} people"),
        };
        format!(
            "Nothing can try it, and nothing that can be tried stands before what it cuts: cut that by what can be, too, like a \
             quarantine; or have it cleared, by {names} in all (portcullis clear {case} {typed} --reason TEXT), or answer for \
             it (portcullis waive {case} {typed} --until 7d --reason TEXT); then resume"
        )
    }

    /// Whether everything that `change` cuts off is cut off by something proven as the gate asks, or was until the plan
    /// itself lifted that: what let it is no less so for what stands behind.
    fn is_covered(&self, change: &Change, state: &State) -> bool {
        let asked = self.plan.gate.proof;
        let mut cut = ledger::reached(self.plan, change).peekable();
        // What is not in the list cannot be said to be covered.
        cut.peek().is_some()
            && cut.all(|credential| {
                ledger::is_let_off(self.plan, state, credential)
                    || ledger::was_kept_out_meanwhile(self.plan, state, change, credential, asked)
                    || ledger::barriers(self.plan, state, credential).iter().any(|(barrier, by)| {
                        let proven = state.change(&by.id).proof;
                        barrier.blocks() && proven.is_some_and(|proven| proven.proof >= asked)
                    })
            })
    }
}

/// Whether all that `change` cuts, it cuts by `barrier`.
fn all(change: &Change, barrier: Barrier) -> bool {
    change.effects.iter().all(|effect| match effect {
        Effect::Cuts { barrier: by, .. } => *by == barrier,
        _ => true,
    })
}
