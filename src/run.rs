//! Carrying a plan out: drive every change from wherever the journal says it stands.
//!
//! A first run is the resumption of an empty journal; there is one path. The order is: cut everything,
//! see whatever can mint sessions stay cut, cut sessions once more, see all of it stay cut, open the
//! gate, and only then issue, deliver and lift. Nothing is decided here that the plan has not decided:
//! what the world says otherwise makes a change wait for a person.
//!
//! Knows no action by name and prints nothing; what happens is told to an [`Observer`]. It may be killed
//! between any two lines.

mod batch;
mod event;
mod gate;
mod look;
mod settle;
mod stale;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::stream::{self, StreamExt};
use tokio::sync::watch;

pub use event::{Event, Observer};
pub use look::Looks;
pub use stale::{Stale, stale};
pub use step::GIVE_UP_AFTER;

use crate::clock::Clock;
use crate::cloud::WriteCloud;
use crate::ids::ChangeId;
use crate::inventory::Inventory;
use crate::journal::{AppendError, ChangeRecord, ChangeState, Entry, Journal};
use crate::ledger::Ledger;
use crate::plan::{Barrier, Change, Effect, Need, Plan, Subject};
use crate::playbook::{Phase, Proof};
use crate::survey::SurveyError;
use step::{Driven, not_accepted};

/// Changes behind the gate that are driven side by side: so few that none waits long, for its turn to be
/// called, on what was seen before it.
const BEHIND_THE_GATE_AT_ONCE: usize = 4;

/// Cuts that are driven side by side: so many that looks at them are few, and that one which waits to be tried
/// again holds no other up; not so many that they weigh.
const CUTS_AT_ONCE: usize = 1024;

/// When it is first said that a service admits few calls, and how long after that again.
const THROTTLED_FIRST_TOLD: Duration = Duration::from_secs(2);
const THROTTLED_TOLD_AGAIN: Duration = Duration::from_secs(8);

/// One execution of one plan.
pub struct Run<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// The plan's digest, from which what must be the same on every attempt is derived.
    pub digest: &'a str,
    /// What the plan stands on.
    pub inventory: &'a Inventory,
    /// What was done so far, and where the rest is recorded.
    pub journal: &'a Journal,
    /// The cloud.
    pub cloud: &'a WriteCloud,
    /// The time.
    pub clock: Clock,
    /// Who is told.
    pub observer: &'a dyn Observer,
    /// Turns `true` when somebody asks to stop at the next safe point.
    pub stop: watch::Receiver<bool>,
    /// Looks at the world that several changes wait for; begins empty.
    pub looks: Looks,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All done, every credential accounted for and its standing proven.
    Proven,
    /// All done; some credential is unaccounted, or its standing was not seen enforced.
    NotProven,
    /// A person is needed; each sentence says for what.
    Held(Vec<String>),
    /// People must approve first; each sentence says what.
    Waiting(Vec<String>),
    /// The cloud could not be reached or stopped taking our credentials; `resume` goes on from here.
    Stopped(Vec<String>),
    /// Somebody asked to stop, and it was safe to.
    Interrupted,
}

/// A run that could not go on recording what it does, and therefore stopped doing it.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] AppendError),
    /// The world could not be read.
    #[error(transparent)]
    Survey(#[from] SurveyError),
}

impl Run<'_> {
    /// Runs to an end. The ending is recorded, unless the journal itself failed.
    pub async fn execute(&self) -> Result<Ending, RunError> {
        let started = Entry::Started {
            caller: self.inventory.caller.arn.clone(),
            accepted_lockouts: self.plan.accepted_lockouts.clone(),
        };
        self.record(started).await?;
        let phases = async {
            tokio::select! {
                biased;
                ended = self.phases() => ended,
                never = self.tell_of_throttling() => match never {},
            }
        };
        let ending = match phases.await {
            Ok(ending) => ending,
            Err(Halt::Journal(error)) => return Err(error.into()),
            Err(Halt::Unread(error)) if error.0.is_credentials() => {
                Ending::Stopped(vec![not_accepted(&error.0)])
            }
            Err(Halt::Unread(error)) => Ending::Stopped(vec![error.0.to_string()]),
            Err(Halt::Stopped(why)) => Ending::Stopped(why),
            Err(Halt::Interrupted) => Ending::Interrupted,
            Err(Halt::Held(why)) => Ending::Held(why),
            Err(Halt::Waiting(why)) => Ending::Waiting(why),
        };
        self.record(Entry::Finished { exit: ending.code() }).await?;
        Ok(ending)
    }

    /// Says what a service admits that tells to slow down, not too often.
    async fn tell_of_throttling(&self) -> Infallible {
        loop {
            self.cloud.read().told_to_slow_down().await;
            // By then it is known what it admits.
            self.clock.sleep(THROTTLED_FIRST_TOLD).await;
            for by in self.cloud.read().throttled() {
                if by.waiting > 0 && by.per_second > 0.0 {
                    let waiting = u32::try_from(by.waiting).unwrap_or(u32::MAX);
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "a float becomes the nearest there is"
                    )]
                    let seconds = (f64::from(waiting) / by.per_second).ceil() as u64;
                    self.observer.event(&Event::Throttled { by: &by, seconds });
                }
            }
            self.clock.sleep(THROTTLED_TOLD_AGAIN).await;
        }
    }

    async fn phases(&self) -> Result<Ending, Halt> {
        self.reopen().await?;
        if !self.gate_is_still_open().await? {
            self.reopen().await?;
            self.look_first().await?;
            self.cut_everything().await?;
            self.open_gate().await?;
            self.reopen().await?;
        }
        for phase in [Phase::Rotate, Phase::Recover, Phase::Destroy] {
            let due: Vec<&Change> = self.due(|change| change.phase == phase);
            if !due.is_empty() {
                self.wait_for_approvals(phase, due.len()).await?;
                self.observer.event(&Event::PhaseBegan { phase, changes: due.len() });
                let mut waiting = self.drive_in_order(due).await?;
                while self.pause(&waiting).await? {
                    waiting = self.drive_in_order(waiting).await?;
                }
            }
        }
        self.check_once_more().await?;
        let state = self.journal.state();
        let mut held = self.open_batches().stopped();
        held.extend(self.troubles());
        if !held.is_empty() {
            return Ok(Ending::Held(held));
        }
        let waiting: Vec<String> = self
            .due(|_| true)
            .iter()
            .map(|change| format!("{} was not done: what it needs was not done", change.id))
            .collect();
        if !waiting.is_empty() {
            return Ok(Ending::Held(waiting));
        }
        let ledger = Ledger::of(self.plan, &state);
        let accounted = ledger.unaccounted().next().is_none() && !ledger.rows.is_empty();
        let green = accounted && ledger.unproven().next().is_none();
        Ok(if green { Ending::Proven } else { Ending::NotProven })
    }

    /// Nobody's approval can be recorded yet, so that a phase that asks for some is not begun.
    async fn wait_for_approvals(&self, phase: Phase, due: usize) -> Result<(), Halt> {
        let Some(approvals) = self.plan.approvals.get(&phase) else { return Ok(()) };
        let people = if *approvals == 1 { "person" } else { "people" };
        let until = format!(
            "the phase `{phase}` ({due} changes) must be approved by {approvals} {people}, and nobody has"
        );
        self.record(Entry::Held { change: None, until: until.clone() }).await?;
        Err(Halt::Waiting(vec![until]))
    }

    /// Opens again what was seen done and does not hold any more: a second pass over sessions, when a cut that
    /// had to be proven before it was begun anew since (whoever was free in between may have minted a
    /// session that is younger than the pass); and a lift, when its barrier was put on again since.
    async fn reopen(&self) -> Result<(), Halt> {
        let state = self.journal.state();
        let mut cuts: BTreeMap<(&Subject, Barrier), Vec<&Change>> = BTreeMap::new();
        for change in &self.plan.changes {
            for effect in &change.effects {
                if let Effect::Cuts { subject, barrier } = effect {
                    cuts.entry((subject, *barrier)).or_default().push(change);
                }
            }
        }
        let mut reopened = Vec::new();
        for change in &self.plan.changes {
            let record = state.record(&change.id);
            if record.state != ChangeState::Seen {
                continue;
            }
            let since = |other: &ChangeId| match (state.record(other).begun, record.begun.or(record.seen)) {
                (Some(begun), Some(done)) => begun > done,
                _ => false,
            };
            let undone = |other: &ChangeId| state.record(other).state != ChangeState::Seen;
            let mut waited_for = change.needs.iter().filter(|need| need.proof > Proof::ReadBack);
            let anew = waited_for.find(|need| since(&need.change) || undone(&need.change));
            let mut lifted = change.effects.iter().filter_map(|effect| match effect {
                Effect::Lifts { subject, barrier } => cuts.get(&(subject, *barrier)),
                _ => None,
            });
            let again = lifted.find_map(|cuts| cuts.iter().find(|cut| since(&cut.id)));
            let why = match (anew, again) {
                (Some(need), _) => Some(format!("{} was done anew since", need.change)),
                (None, Some(cut)) => Some(format!("{} was put on again since", cut.id)),
                (None, None) => None,
            };
            if let Some(why) = why {
                reopened.push(self.record(Entry::Reopened { change: change.id.clone(), why }));
            }
        }
        drop(state);
        try_join_all(reopened).await?;
        Ok(())
    }

    /// Containment, to the second pass over sessions: drive what is ready; prove what others wait to be
    /// proven; and so on, until nothing is left that could become ready.
    async fn cut_everything(&self) -> Result<(), Halt> {
        let before_gate = |change: &Change| !change.phase.is_behind_the_gate();
        let mut waiting = self.due(before_gate);
        if !waiting.is_empty() {
            let changes = waiting.len();
            self.observer.event(&Event::PhaseBegan { phase: Phase::Contain, changes });
        }
        loop {
            waiting = self.drive_in_order(waiting).await?;
            let unproven = self.holding_up(&waiting);
            if !unproven.is_empty() {
                self.settle(&unproven, "whatever can mint sessions").await?;
            } else if !self.pause(&waiting).await? {
                break;
            }
        }
        let stopped = self.open_batches().stopped();
        if stopped.is_empty() {
            return Ok(());
        }
        // What was cut is seen to stay cut, whatever is left.
        self.settle(&self.standing_cuts(), "every cut so far").await?;
        Err(Halt::Held(stopped.into_iter().chain(self.troubles()).collect()))
    }

    /// Changes that are seen, and that others wait to be proven more surely.
    fn holding_up(&self, waiting: &[&Change]) -> Vec<&Change> {
        let state = self.journal.state();
        let held_up = waiting.iter().flat_map(|change| &change.needs);
        let held_up: BTreeSet<&ChangeId> = held_up
            .filter(|need| !is_met(need, state.record(&need.change)))
            .map(|need| &need.change)
            .collect();
        let holds_up = |change: &&Change| {
            state.record(&change.id).state == ChangeState::Seen && held_up.contains(&change.id)
        };
        self.plan.changes.iter().filter(holds_up).collect()
    }

    /// Drives changes that are ready, wave by wave, until none is; gives back the others.
    async fn drive_in_order<'c>(
        &self,
        mut waiting: Vec<&'c Change>,
    ) -> Result<Vec<&'c Change>, Halt> {
        loop {
            let open = self.open_batches();
            let shut = open.shut();
            let (ready, later): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .partition(|change| !shut.contains_key(&change.id) && self.needs_are_met(change));
            if ready.is_empty() {
                return Ok(later);
            }
            self.drive_side_by_side(&ready).await?;
            waiting = later;
        }
    }

    async fn drive_side_by_side(&self, changes: &[&Change]) -> Result<(), Halt> {
        let gated = changes.iter().any(|change| change.phase.is_behind_the_gate());
        let at_once = if gated { BEHIND_THE_GATE_AT_ONCE } else { CUTS_AT_ONCE };
        let driving = changes
            .iter()
            .enumerate()
            .map(|(n, change)| async move { (n, *change, self.drive(change).await) });
        let mut driven: Vec<_> =
            stream::iter(driving).buffer_unordered(at_once).collect().await;
        driven.sort_by_key(|(n, ..)| *n);
        let mut stopped = Vec::new();
        for (_, change, driven) in driven {
            match driven {
                Ok(Driven::Seen | Driven::Held) => {}
                Ok(Driven::GaveUp(why)) => stopped.push(format!("{}: {why}", change.id)),
                Err(halt) => return Err(halt),
            }
        }
        if stopped.is_empty() { Ok(()) } else { Err(Halt::Stopped(stopped)) }
    }

    fn needs_are_met(&self, change: &Change) -> bool {
        let state = self.journal.state();
        change.needs.iter().all(|need| is_met(need, state.record(&need.change)))
    }

    /// Changes that are not seen in the world yet, in the plan's order.
    fn due(&self, wanted: impl Fn(&Change) -> bool) -> Vec<&Change> {
        let state = self.journal.state();
        let undone = |change: &&Change| state.record(&change.id).state != ChangeState::Seen;
        self.plan.changes.iter().filter(|change| wanted(change)).filter(undone).collect()
    }

    /// What the changes that wait for a person wait for.
    fn troubles(&self) -> Vec<String> {
        let state = self.journal.state();
        let held = state.changes.iter().filter(|(_, record)| record.state == ChangeState::Held);
        held.map(|(id, record)| format!("{id}: {}", record.trouble.as_deref().unwrap_or_default()))
            .collect()
    }

    async fn record(&self, entry: Entry) -> Result<(), AppendError> {
        self.journal.append(entry).await
    }

    fn is_asked_to_stop(&self) -> bool {
        *self.stop.borrow()
    }
}

fn is_met(need: &Need, record: &ChangeRecord) -> bool {
    record.state == ChangeState::Seen
        && (need.proof <= Proof::ReadBack
            || record.proof.as_ref().is_some_and(|(proof, ..)| *proof >= need.proof))
}

/// Why the phases were left early.
#[derive(Debug)]
enum Halt {
    Journal(AppendError),
    Unread(SurveyError),
    Stopped(Vec<String>),
    Held(Vec<String>),
    Waiting(Vec<String>),
    Interrupted,
}

impl From<AppendError> for Halt {
    fn from(error: AppendError) -> Self {
        Self::Journal(error)
    }
}

impl From<SurveyError> for Halt {
    fn from(error: SurveyError) -> Self {
        Self::Unread(error)
    }
}

impl Ending {
    /// The exit code, from which a script knows what state the cloud is in.
    pub fn code(&self) -> u8 {
        match self {
            Self::Proven => 0,
            Self::Waiting(_) => 6,
            Self::Stopped(_) => 10,
            Self::NotProven => 11,
            Self::Held(_) => 13,
            Self::Interrupted => 130,
        }
    }
}
