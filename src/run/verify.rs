//! Looking at a case again, days after: does every cut still stand, is it still enforced, is anything heard of what
//! was cut?
//!
//! Changes nothing that the plan is about; what it makes to try cuts on, it removes. Appends what it finds to the
//! journal, so that the ledger tells the newest.

use super::{Ending, Entry, Halt, Left, Log, Run, RunError};
use crate::journal::{ChangeState, Place};
use crate::playbook::Proof;

impl Run<'_> {
    /// Looks, tries and listens, to an end like a run's. A cut that was taken off, a newcomer, and a credential that
    /// is let in are alarms: a person is needed.
    pub async fn verify(&self, log: &Log, place: Option<&Place>) -> Result<Ending, RunError> {
        self.begin(place).await?;
        match Self::left(self.verification(log).await)? {
            Left::Ended(ending) => self.finish(ending).await,
            Left::Again(_) => unreachable!("looking again plans nothing"),
        }
    }

    async fn verification(&self, log: &Log) -> Result<Ending, Halt> {
        let facts = self.look_around().await?;
        let mut alarms = self.troubles();
        alarms.extend(self.newcomers(&facts));
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
        let undone = self
            .plan
            .changes
            .iter()
            .filter(|change| state.change(&change.id).state != ChangeState::Seen)
            .map(|change| format!("{} is not done: resume", change.id));
        let undone: Vec<String> = undone.collect();
        if !undone.is_empty() {
            return Ok(Ending::Held(undone));
        }
        Ok(self.by_the_ledger())
    }
}
