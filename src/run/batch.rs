//! Steps whose changes are made a few at a time.
//!
//! Which batch may be worked on is read off the journal alone, so that a crash or a resumption changes
//! nothing: a batch is done when every change of it is seen or waits for a person; the pause counts from the
//! last of these; and the share that waits decides whether there is another. What was found innocent counts for
//! nothing. Never skips another change: what is not begun is still due.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Event, Halt, Run};
use crate::diagnostic::counted;
use crate::ids::{ChangeId, StepId};
use crate::journal::ChangeState;
use crate::plan::{Batches, Change};

/// How far each step that has batches may go.
pub(super) struct Open<'p>(Vec<(&'p Batches, usize, Next)>);

/// What stands before the next batch.
enum Next {
    /// The batch before it is not done.
    Unfinished,
    /// Its time.
    At(Timestamp),
    /// Too much of what was done waits for a person.
    Stopped(String),
}

/// The time that must pass before the next batch of a step.
pub(super) struct Pause<'p> {
    until: Timestamp,
    step: &'p StepId,
    /// The number of that batch, of so many.
    next: usize,
    of: usize,
}

impl<'p> Open<'p> {
    /// The changes that must wait.
    pub(super) fn shut(&self) -> BTreeMap<&ChangeId, Option<Timestamp>> {
        let mut shut = BTreeMap::new();
        for (batches, open, next) in &self.0 {
            for (n, batch) in batches.of.iter().enumerate().skip(*open) {
                let at = match next {
                    Next::At(at) if n == *open => Some(*at),
                    _ => None,
                };
                shut.extend(batch.iter().map(|change| (change, at)));
            }
        }
        shut
    }

    /// What stands before the next of `changes`, which wait for nothing but their batch's time.
    pub(super) fn pause<'c>(&self, changes: impl Iterator<Item = &'c Change>) -> Option<Pause<'p>> {
        let shut = self.shut();
        let timed = changes.filter_map(|change| Some((shut.get(&change.id).copied()??, change)));
        let (until, first) = timed.min_by_key(|(until, _)| *until)?;
        let (batches, open, _) = self.0.iter().find(|(batches, ..)| batches.step == first.step)?;
        Some(Pause { until, step: &batches.step, next: open + 1, of: batches.of.len() })
    }

    /// Why `change` is not begun, where its step was stopped before its batch.
    pub(super) fn stopped_before(&self, change: &ChangeId) -> Option<&str> {
        self.0.iter().find_map(|(batches, open, next)| match next {
            Next::Stopped(why) => {
                let mut shut = batches.of.iter().skip(*open).flatten();
                shut.any(|one| one == change).then_some(why.as_str())
            }
            _ => None,
        })
    }

    /// Why steps were stopped, a sentence each.
    pub(super) fn stopped(&self) -> Vec<String> {
        let why = |(_, _, next): &(_, _, Next)| match next {
            Next::Stopped(why) => Some(why.clone()),
            _ => None,
        };
        self.0.iter().filter_map(why).collect()
    }
}

impl Run<'_> {
    /// How far each step may go now.
    pub(super) fn open_batches(&self) -> Open<'_> {
        let idle = self.idle();
        Open(
            self.plan
                .batches
                .iter()
                .map(|batches| {
                    let (open, next) = self.open(batches, &idle);
                    (batches, open, next)
                })
                .collect(),
        )
    }

    /// How many batches of a step are open, and what stands before the next.
    fn open(&self, batches: &Batches, idle: &BTreeSet<&ChangeId>) -> (usize, Next) {
        let (mut made, mut held) = (0, 0);
        let pause = SignedDuration::try_from(std::time::Duration::from_secs(batches.pause_seconds))
            .unwrap_or(SignedDuration::MAX);
        for (n, batch) in batches.of.iter().enumerate() {
            let mut last = Timestamp::MIN;
            for change in batch {
                let record = self.journal.change(change);
                match record.state {
                    ChangeState::Seen => {}
                    ChangeState::Held => held += 1,
                    _ if idle.contains(change) => continue,
                    _ => return (n + 1, Next::Unfinished),
                }
                let moment = record.begun.max(record.seen);
                last = last.max(moment.map_or(Timestamp::MIN, |moment| moment.at));
                made += 1;
            }
            if let Some(stop_at) = batches.stop_at
                && n + 1 < batches.of.len()
                && made > 0
                && held * 100 >= stop_at * made
            {
                let share = held * 100 / made.max(1);
                let wait = if held == 1 { "waits" } else { "wait" };
                let why = format!(
                    "step {} stops after batch {} of {}: {held} of {} {wait} for a person ({share} %, and it may go on \
                     below {stop_at} %). See to these, then resume",
                    batches.step,
                    n + 1,
                    batches.of.len(),
                    counted(made, "change")
                );
                return (n + 1, Next::Stopped(why));
            }
            let until = last.saturating_add(pause).unwrap_or(Timestamp::MAX);
            // What was tried once more since is no reason to wait for batches that were begun before.
            let mut further = batches.of[n + 1..].iter().flatten();
            let is_begun = further.any(|change| self.journal.change(change).attempts > 0);
            if self.clock.now() < until && !is_begun {
                // The time is that of the next batch in which there is something to do.
                let over = |change: &ChangeId| {
                    idle.contains(change) || self.journal.change(change).state == ChangeState::Seen
                };
                let further = &batches.of[n + 1..];
                let over = further.iter().take_while(|batch| batch.iter().all(over)).count();
                return (n + 1 + over, Next::At(until));
            }
        }
        (batches.of.len(), Next::Unfinished)
    }

    /// Whether `pause` is over before what was cut could be proven: no cut of somebody else waits for that.
    pub(super) fn comes_first(&self, pause: &Pause<'_>) -> bool {
        let margin = std::time::Duration::from_secs(self.plan.gate.margin_seconds);
        let proven = self.clock.now().saturating_add(margin).unwrap_or(Timestamp::MAX);
        pause.until < proven
    }

    /// Waits for the next batch.
    pub(super) async fn sit_out(&self, pause: &Pause<'_>) -> Result<(), Halt> {
        let Pause { until, step, next, of } = *pause;
        self.observer.event(&Event::Pausing { step, next, of, until });
        self.wait_until(until).await
    }
}
