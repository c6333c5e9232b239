//! Proving that cuts are enforced: a request is refused because of them.
//!
//! What was cut is in strange hands, so nobody here can try it, unless the responder was given it. So each
//! mechanism among the cuts is tried on a canary, *after* the last of them: made, shown to be let in, cut by the
//! same action, asked until it is refused because of the cut, and removed, all within one attempt. What a crash
//! interrupts is thrown away. That the canary is refused says that every cut of the same mechanism, made before,
//! is enforced too: an inference, and recorded as one. Credentials that the responder was given are tried
//! themselves, which says more, and of nothing else.
//!
//! A throttle, a lost answer and a service that fails say nothing. Where no refusal comes until the deadline, the
//! cut is not proven and the gate stays shut; what was seen is recorded.

mod canary;
mod given;
mod rule;
mod silence;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

pub(super) use rule::Known;
pub use silence::Log;

use super::{Event, Halt, Run};
use crate::action::catalog;
use crate::action::{Canary, Tried};
use crate::cloud::{CallError, Probe, Urgency};
use crate::inventory::Inventory;
use crate::journal::{ChangeState, Entry, Refusal, Witness};
use crate::plan::Change;
use crate::playbook::Proof;

/// Canaries in one attempt, where one after the other comes to nothing.
const AT_MOST: usize = 6;
/// How often a call must be let in, one after the other, before what makes it counts as working; and how often
/// it must be refused before a cut counts as enforced: not every server hears of a change at once.
const LET_IN: u32 = 2;
const REFUSED: u32 = 3;
/// Between calls, while all is as hoped; each further wait is longer where it is not.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(1);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(15);

/// One mechanism to be tried, and the cuts it speaks for.
struct Mechanism<'c> {
    what: &'static str,
    with: Tried,
    shown_by: Refusal,
    cuts: Vec<&'c Change>,
}

/// What came of trying one mechanism.
enum Tale {
    /// The canary of this name was refused because of it, and what was seen.
    Proven(String, String),
    /// It was not, and why. Not tried again in this run.
    NotProven(String),
    /// Something came between that says nothing of it.
    Again(String),
}

/// What was answered instead of the refusal that was waited for.
enum Instead {
    /// It was let in.
    LetIn(String),
    /// It was refused for another reason, or not answered.
    Other(String),
}

impl std::fmt::Display for Instead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::LetIn(what) | Self::Other(what)) = self;
        f.write_str(what)
    }
}

/// Why an attempt was left.
enum Left {
    /// The run stops.
    Halt(Halt),
    /// Something that may pass; another canary may come further.
    Again(String),
    /// Another would come no further.
    Vain(String),
}

impl From<Halt> for Left {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

impl Run<'_> {
    /// Proves those of `cuts` enforced that are not, where the gate asks for it and they can be tried on a canary.
    pub(super) async fn enforce(&self, cuts: &[&Change], what: &str) -> Result<(), Halt> {
        if self.plan.gate.proof < Proof::Enforced {
            return Ok(());
        }
        let state = self.journal.state();
        let due = |change: &&&Change| {
            let record = state.change(&change.id);
            // What was tried in vain is not tried again before somebody resumes.
            let in_vain = record.unproven.is_some_and(|(at, _)| Some(at) > state.started);
            record.state == ChangeState::Seen
                && record.proof.is_none_or(|proven| proven.proof < Proof::Enforced)
                && !in_vain
        };
        let due: Vec<&Change> = cuts.iter().filter(due).copied().collect();
        self.try_cuts(&due, what).await
    }

    /// Tries `cuts` whether they were proven before or not.
    pub(super) async fn try_again(&self, cuts: &[&Change]) -> Result<(), Halt> {
        self.try_cuts(cuts, "every cut that stands").await
    }

    async fn try_cuts(&self, due: &[&Change], what: &str) -> Result<(), Halt> {
        if due.is_empty() {
            return Ok(());
        }
        let facts = self.look_at(due, [], Urgency::Proof).await?;
        let mut left = mechanisms(due, &facts);
        if left.is_empty() {
            return Ok(());
        }
        self.sweep().await?;
        // Each mechanism has its time; where one canary comes to nothing, the next has what is left of it.
        let mechanisms = left.len();
        let until = (0..mechanisms).fold(self.clock.now(), |until, _| self.patient_until(until));
        self.observer.event(&Event::Trying { what, mechanisms, until });
        let mut trouble: BTreeMap<&'static str, String> = BTreeMap::new();
        for n in 0..AT_MOST {
            // An attempt that begins at the deadline would say nothing of the cuts.
            if n > 0 && (left.is_empty() || self.clock.now() >= until) {
                break;
            }
            let tales = self.try_on_a_canary(&left, &facts).await?;
            let mut again = Vec::new();
            for (mechanism, tale) in left.into_iter().zip(tales) {
                match tale {
                    Tale::Proven(name, evidence) => {
                        let by = Witness::Canary { name };
                        self.enforced(&mechanism.cuts, &by, &evidence).await?;
                    }
                    Tale::NotProven(why) => self.not_enforced(&mechanism, &why).await?,
                    Tale::Again(why) => {
                        trouble.insert(mechanism.what, why);
                        again.push(mechanism);
                    }
                }
            }
            left = again;
        }
        for mechanism in left {
            let why = trouble.remove(mechanism.what).unwrap_or_default();
            self.not_enforced(&mechanism, &why).await?;
        }
        Ok(())
    }

    /// When a refusal that is waited for from `now` on is not waited for any more.
    fn patient_until(&self, now: Timestamp) -> Timestamp {
        let patience = i64::try_from(self.plan.gate.within_seconds).unwrap_or(i64::MAX);
        now.saturating_add(SignedDuration::from_secs(patience)).unwrap_or(Timestamp::MAX)
    }

    async fn enforced(&self, cuts: &[&Change], by: &Witness, what: &str) -> Result<(), Halt> {
        let proof = Proof::Enforced;
        let entry = |change: &&Change| Entry::Proved {
            change: change.id.clone(),
            proof,
            by: by.clone(),
            evidence: what.to_owned(),
        };
        futures_util::future::try_join_all(cuts.iter().map(|cut| self.record(entry(cut)))).await?;
        for change in cuts {
            self.observer.event(&Event::Proved { change, proof });
        }
        Ok(())
    }

    async fn not_enforced(&self, mechanism: &Mechanism<'_>, why: &str) -> Result<(), Halt> {
        let why = format!("{}: {why}", mechanism.what);
        let entry =
            |change: &&Change| Entry::Unproven { change: change.id.clone(), why: why.clone() };
        let all = mechanism.cuts.iter().map(|cut| self.record(entry(cut)));
        futures_util::future::try_join_all(all).await?;
        self.observer.event(&Event::Unproven { cuts: mechanism.cuts.len(), why: &why });
        Ok(())
    }

    /// Asks until the call is let in, some times one after the other. Gives back when it last was; fails with what
    /// was answered instead.
    async fn until_let_in(
        &self,
        probe: &Probe,
        until: Timestamp,
    ) -> Result<Result<Timestamp, String>, Halt> {
        let (mut in_a_row, mut wait) = (0, FIRST_WAIT);
        loop {
            let answered = match probe.harmless().await {
                Ok(()) => {
                    in_a_row += 1;
                    if in_a_row >= LET_IN {
                        return Ok(Ok(self.clock.now()));
                    }
                    wait = FIRST_WAIT;
                    String::new()
                }
                Err(error) => {
                    if !error.is_passing() {
                        in_a_row = 0;
                    }
                    error.to_string()
                }
            };
            if self.clock.now() >= until {
                return Ok(Err(answered));
            }
            self.wait_a_little(&mut wait, until).await?;
        }
    }

    /// Asks until the call is refused for a reason that `shows` the cut, some times one after the other. Gives back
    /// since when, why and what was answered; fails with what was answered instead.
    async fn until_refused(
        &self,
        probe: &Probe,
        until: Timestamp,
        shows: impl Fn(&CallError) -> Option<Refusal>,
    ) -> Result<Result<(Timestamp, Refusal, CallError), Instead>, Halt> {
        let (mut since, mut in_a_row, mut wait) = (None, 0, FIRST_WAIT);
        let mut answered = Instead::Other("no answer came".to_owned());
        loop {
            match probe.harmless().await {
                Ok(()) => {
                    (since, in_a_row) = (None, 0);
                    let now = self.clock.now().strftime("%H:%M:%S UTC").to_string();
                    answered = Instead::LetIn(format!("it was still let in at {now}"));
                }
                Err(error) => match shows(&error) {
                    Some(refusal) => {
                        in_a_row += 1;
                        let since = *since.get_or_insert(self.clock.now());
                        if in_a_row >= REFUSED {
                            return Ok(Ok((since, refusal, error)));
                        }
                        wait = FIRST_WAIT;
                    }
                    // A throttle, a lost answer, a service that fails: it says nothing.
                    None if error.is_passing() => {}
                    None => {
                        (since, in_a_row) = (None, 0);
                        answered = Instead::Other(format!("{error}, which is for another reason"));
                    }
                },
            }
            if self.clock.now() >= until {
                return Ok(Err(answered));
            }
            self.wait_a_little(&mut wait, until).await?;
        }
    }

    /// Waits, and longer the next time.
    async fn wait_a_little(&self, wait: &mut SignedDuration, until: Timestamp) -> Result<(), Halt> {
        let at = self.clock.now().saturating_add(*wait).unwrap_or(until).min(until);
        *wait = (*wait * 2).min(LONGEST_WAIT);
        self.wait_until(at).await
    }
}

/// The mechanisms among `cuts` that can be tried, in the order in which one canary serves them all.
fn mechanisms<'c>(cuts: &[&'c Change], facts: &Inventory) -> Vec<Mechanism<'c>> {
    let example = Canary::example();
    let mut all: BTreeMap<(Tried, &'static str), Mechanism<'c>> = BTreeMap::new();
    for cut in cuts {
        let trial = catalog::of(cut).on_canary(&cut.decided, facts, &example);
        let Some(trial) = trial else { continue };
        let (what, with, shown_by) = (trial.mechanism, trial.with, trial.shown_by);
        let new = || Mechanism { what, with, shown_by, cuts: Vec::new() };
        all.entry((with, what)).or_insert_with(new).cuts.push(cut);
    }
    all.into_values().collect()
}
