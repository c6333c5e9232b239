//! Looking at a case again, days after: does every cut still stand, is it still enforced, is anything heard of what
//! was cut, and has anybody come in since?
//!
//! Changes nothing that the plan is about; what it makes to try cuts on, it removes. Appends what it finds to the
//! journal, so that the ledger tells the newest.

use std::collections::BTreeSet;
use std::convert::Infallible;

use super::undo::gone_on_with;
use super::{Ending, Entry, Halt, Left, Log, Run, RunError};
use crate::cloud::Urgency;
use crate::inventory::{Answers, Inventory};
use crate::journal::{ChangeState, GateState, Place, State};
use crate::ledger::Ledger;
use crate::plan::{Change, Credential, Plan};
use crate::planning::{self, Earlier};
use crate::playbook::Proof;
use crate::survey::{self, Thought};

impl Run<'_> {
    /// Looks, tries and listens, to an end like a run's. A cut that was taken off, a newcomer, and a credential that
    /// is let in are alarms: a person is needed.
    pub async fn verify(&self, log: &Log, place: Option<&Place>) -> Result<Ending, RunError> {
        let before = self.journal.state().finished;
        let stood = (self.troubles(), self.by_the_ledger());
        self.begin(place).await?;
        match self.left(self.verification(log).await)? {
            // Nothing was under way: where it has shown nothing new, the case stands as it did.
            Left::Ended(Ending::Interrupted)
                if let Some(exit) = before
                    && stood == (self.troubles(), self.by_the_ledger()) =>
            {
                self.leave_no_canary(Ending::Interrupted).await?;
                self.record(Entry::Finished { exit }).await?;
                Ok(Ending::Interrupted)
            }
            Left::Ended(ending) => self.finish(ending).await,
            Left::Again(_) => unreachable!("looking again plans nothing"),
        }
    }

    /// Looks for whoever has come into the account since, in or outside the scope, puts it on record, and gives back
    /// what speaks of somebody whom nothing keeps out and nobody answers for. `appeared` is what those in scope hold.
    async fn who_came(&self, appeared: Vec<Credential>) -> Result<Vec<String>, Halt> {
        // An undo takes cuts back; whoever was cut off is no concern of it any more.
        if self.plan.is_undo() {
            return Ok(Vec::new());
        }
        let canaries = self.canaries();
        let seen_off = self.journal.state().seen_off.clone();
        let (begun, as_found, workers) = (BTreeSet::new(), Answers::default(), BTreeSet::new());
        let mut inventory = Inventory::new(self.inventory.caller.clone(), self.clock.now());
        let cloud = self.cloud.read().at(Urgency::Rest);
        let came = survey::until(&cloud, &mut inventory, |inventory| {
            let issued = self.issued(inventory);
            let (plan, first) = (self.plan, self.inventory);
            let earlier = Earlier {
                plan,
                inventory: first,
                begun: &begun,
                issued: &issued,
                canaries: &canaries,
                seen_off: &seen_off,
                as_found: &as_found,
                workers: &workers,
                cuts_alone: false,
            };
            let thought = planning::came_since(&earlier, inventory);
            Ok::<_, Infallible>(thought.map_or_else(Thought::Needs, Thought::Ready))
        });
        let Ok(came) = came.await?;
        self.tell_not_seen(came.not_seen).await?;
        self.tell_switched_off(&inventory).await?;
        let mut outside: BTreeSet<Credential> = came.credentials.into_iter().collect();
        let before = self.journal.state();
        if !before.not_seen.is_empty() {
            // What an earlier look has shown is not gone because this one may not see it.
            outside.extend(before.came.iter().cloned());
        }
        let mut credentials: Vec<Credential> = outside.iter().cloned().chain(appeared).collect();
        credentials.sort();
        credentials.dedup();
        if self.journal.state().came != credentials {
            self.record(Entry::Came { credentials }).await?;
        }
        let ledger = Ledger::of(self.plan, &self.journal.state());
        let open = ledger.unaccounted().filter(|row| outside.contains(&row.credential));
        Ok(open.map(|row| format!("{}: {}", row.credential, row.detail())).collect())
    }

    async fn verification(&self, log: &Log) -> Result<Ending, Halt> {
        self.hear_no_newcomer().await?;
        self.withdraw_by_a_look().await?;
        let facts = self.look_around().await?;
        let mut alarms = self.troubles();
        alarms.extend(self.reasons_from_before());
        alarms.extend(self.newcomers(&facts));
        alarms.extend(self.who_came(self.appeared(&facts)).await?);
        let cuts = self.standing_cuts();
        for change in &cuts {
            self.prove_settled(change, &facts).await?;
        }
        if self.plan.gate.proof >= Proof::Enforced {
            // Anew, also where it was shown before: enforcement may have been lost, and our own refused request must
            // be in the log up to now.
            self.try_again(&cuts).await?;
        }
        self.try_given().await?;
        alarms.extend(self.given_that_are_let_in());
        alarms.extend(self.listen(log).await?);
        if !alarms.is_empty() {
            let until = alarms.join("; ");
            self.record(Entry::Held { change: None, until }).await?;
            return Ok(Ending::Held(alarms));
        }
        let state = self.journal.state();
        // What is taken back leaves nothing else to be done.
        let undone: Vec<&Change> = gone_on_with(self.plan, &state)
            .filter(|change| state.record(&change.id).state != ChangeState::Seen)
            .collect();
        // What waits for people's yes is as it should be.
        if undone.iter().all(|change| change.is_gated()) {
            if let Some(asking) = &state.asking {
                let until = format!(
                    "round {} is more than was approved: somebody must say yes to it",
                    asking.round
                );
                return Ok(Ending::Waiting(vec![until]));
            }
            let of_all = |change: &&&Change| change.undoes.is_none() || self.plan.is_undo();
            let phased: Vec<&&Change> = undone.iter().filter(of_all).collect();
            if let Some(phase) = phased.iter().map(|change| change.phase).min() {
                let due = phased.iter().filter(|change| change.phase == phase).count();
                self.wait_for_approvals(phase, due).await?;
            } else {
                self.wait_for_who_lets_in(&undone).await?;
            }
        }
        if !undone.is_empty() {
            return Ok(Ending::Held(not_done(self.plan, &state, &undone)));
        }
        Ok(self.by_the_ledger())
    }
}

/// What is told of changes that are not made: nobody has anything to do about those that wait behind the gate but to go on
/// until it opens.
fn not_done(plan: &Plan, state: &State, undone: &[&Change]) -> Vec<String> {
    let is_open = plan.is_undo() || matches!(state.gate, GateState::Open(..));
    let (wait, due): (Vec<&Change>, Vec<&Change>) =
        undone.iter().partition(|change| change.is_gated() && change.undoes.is_none() && !is_open);
    let mut told: Vec<String> =
        due.iter().map(|change| format!("{} is not done: resume", change.id)).collect();
    if let Some(first) = wait.first() {
        let (which, wait) = match wait.len() {
            1 => (first.id.to_string(), "waits"),
            n => (format!("{} and {} more", first.id, n - 1), "wait"),
        };
        told.push(format!(
            "{which} {wait} behind the gate, which opens once every way in is cut and proven: resume"
        ));
    }
    told
}
