//! Carrying a plan out: drive every change from wherever the journal says it stands.
//!
//! A first run is the resumption of an empty journal; there is one path. The order is: cut everything,
//! see whatever can mint sessions stay cut, cut sessions once more, see all of it stay cut, open the
//! gate, and only then issue, deliver and lift. Nothing is decided here that the plan has not decided:
//! what the world says otherwise makes a change wait for a person.
//!
//! Knows no action by name and prints nothing; what happens is told to an [`Observer`]. It may be killed
//! between any two lines.

mod again;
mod batch;
mod beside;
mod event;
mod gate;
mod heard;
mod lifting;
mod look;
mod overview;
mod proof;
mod rounds;
mod settle;
mod stale;
mod step;
mod stopped;
mod together;
mod uncut;
mod undo;
mod verify;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::sync::watch;

pub use beside::{CutBefore, Known as KnownOfLost, Lost, MadeBeside};
pub use event::{Event, Observer};
pub use lifting::{Because, Kept, spoken_of};
pub use proof::Log;
pub use rounds::{Again, Keep, MOST_ROUNDS, Rounds, begin_round};
pub use stale::{Stale, stale};
pub use step::GIVE_UP_AFTER;
pub use together::{Ended, Together, are_of_others, waits_for_others};
pub use undo::{
    Fate, LookedAt, foresee, gone_on_with, let_in_of, look_before, sessions_live_until,
    to_take_back, undo_of,
};

use crate::clock::Clock;
use crate::cloud::{Probes, Suspect, WriteCloud};
use crate::diagnostic::counted;
use crate::exit::Exit;
use crate::ids::ChangeId;
use crate::inventory::Inventory;
use crate::journal::{
    AppendError, ChangeRecord, ChangeState, Entry, GateState, Journal, Place, State,
};
use crate::ledger::{self, Ledger};
use crate::outbox::Outbox;
use crate::plan::{Change, Effect, Need, Plan};
use crate::playbook::{Phase, Proof};
use crate::survey::SurveyError;
use look::Looks;
use overview::Overview;
use step::Driven;
pub use together::Among;

/// Changes behind the gate that are driven side by side: so few that none waits long, for its turn to be
/// called, on what was seen before it.
const BEHIND_THE_GATE_AT_ONCE: usize = 4;

/// For so long AWS may take a request after it was signed: a quarter of an hour, and a minute between two clocks.
const SIGNED_FOR: Duration = Duration::from_mins(16);
/// What is proven before the second pass over sessions.
const MINTERS: &str = "whatever can mint sessions";
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
    /// What credentials are tried with.
    pub probes: &'a Probes,
    /// Credentials that the responder was given, to be tried themselves.
    pub given: &'a [Suspect],
    /// The time.
    pub clock: Clock,
    /// Who is told.
    pub observer: &'a dyn Observer,
    /// Where what people are handed is put.
    pub outbox: &'a dyn Outbox,
    /// Turns `true` when somebody asks to stop at the next safe point.
    pub stop: watch::Receiver<bool>,
    /// What other cases of the account have made and cut.
    pub beside: &'a MadeBeside,
    /// Runs of other accounts, with which its gate opens or not at all.
    pub among: Option<Among<'a>>,
    /// What the next round is planned from; without it there is none, and what is found later calls a person.
    pub again: Option<Again<'a>>,
    /// Looks at the world that several changes wait for; begins empty.
    pub(crate) looks: Looks,
    /// The last look at everything; begins without one.
    pub(crate) overview: Overview,
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
    /// The next round is more than was approved: its plan is kept, and waits for somebody's yes.
    Asking {
        /// What of it is more, a sentence each.
        beyond: Vec<String>,
        /// Where it is kept.
        plan: String,
    },
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
    /// Records who runs, and where.
    async fn begin(&self, place: Option<&Place>) -> Result<(), RunError> {
        let started = Entry::Started {
            caller: self.inventory.caller.arn.clone(),
            accepted_lockouts: self.plan.accepted_lockouts.clone(),
            place: place.cloned(),
        };
        Ok(self.record(started).await?)
    }

    /// Removes what was made to try cuts on, and records the ending.
    async fn finish(&self, ending: Ending) -> Result<Ending, RunError> {
        let ending = self.leave_no_canary(ending).await?;
        self.record(Entry::Finished { exit: ending.exit().code() }).await?;
        Ok(ending)
    }

    /// Carries this plan out, as far as it goes or until another takes its place.
    async fn round(&self) -> Result<Left, RunError> {
        self.is_at_work();
        let phases = async {
            tokio::select! {
                biased;
                ended = self.phases() => ended,
                never = self.tell_of_throttling() => match never {},
            }
        };
        let halted = match phases.await {
            // Somebody is still inside, and where it can be, he is cut off by the next round.
            Err(Halt::Newcomers(reasons)) => match self.next_round().await {
                Ok(Some(next)) => return Ok(Left::Again(Box::new(next))),
                Ok(None) => Err(Halt::Held(reasons)),
                Err(halt) => Err(halt),
            },
            halted => halted,
        };
        self.left(halted)
    }

    /// How a round was left, by how its phases were.
    fn left(&self, halted: Result<Ending, Halt>) -> Result<Left, RunError> {
        Ok(Left::Ended(match halted {
            Ok(Ending::Held(why)) | Err(Halt::Held(why)) => Ending::Held(self.and_who_is_in(why)),
            Ok(ending) => ending,
            Err(Halt::Again(next)) => return Ok(Left::Again(next)),
            Err(Halt::Newcomers(reasons)) => Ending::Held(reasons),
            Err(Halt::Journal(error)) => return Err(error.into()),
            Err(Halt::Unread(error)) if error.0.is_credentials() => {
                Ending::Stopped(vec![self.not_accepted(&error.0)])
            }
            Err(Halt::Unread(error)) => Ending::Stopped(vec![error.0.to_string()]),
            Err(Halt::Stopped(why)) => Ending::Stopped(why),
            Err(Halt::Interrupted) => Ending::Interrupted,
            Err(Halt::Waiting(why)) => Ending::Waiting(why),
        }))
    }

    /// Removes what was made to try cuts on, however the run ended. One that stays is said, and is no success.
    async fn leave_no_canary(&self, ending: Ending) -> Result<Ending, AppendError> {
        match self.sweep().await {
            Err(Halt::Journal(error)) => Err(error),
            _ if ending == Ending::Proven
                && self.journal.state().canaries_left().next().is_some() =>
            {
                Ok(Ending::NotProven)
            }
            _ => Ok(ending),
        }
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
        self.hear_no_newcomer().await?;
        if self.plan.is_undo() {
            return self.take_back().await;
        }
        let mut surveyed = false;
        if matches!(self.journal.state().gate, GateState::Open(..)) {
            self.until_nothing_is_on_its_way().await?;
            // Days may have passed since the gate was opened, and somebody may have come in who is not in scope: he is
            // met before anything more is handed out, and before the others are told that this account stands. What
            // was asked about is asked about again until somebody has said yes to it, or it is gone.
            self.survey_again().await?;
            surveyed = true;
            self.let_in_again().await?;
        }
        self.reopen().await?;
        if !self.gate_is_still_open().await? {
            self.reopen().await?;
            self.look_first().await?;
            self.cut_everything().await?;
            self.until_nothing_is_on_its_way().await?;
            self.let_in_again().await?;
            self.settle(&self.standing_cuts(), "every cut").await?;
            self.survey_again().await?;
            self.open_gate().await?;
            self.reopen().await?;
        }
        for phase in [Phase::Rotate, Phase::Recover, Phase::Destroy] {
            let idle = self.idle();
            let due = self.due(|change| {
                change.phase == phase && change.undoes.is_none() && !idle.contains(&change.id)
            });
            if !due.is_empty() {
                self.wait_for_approvals(phase, due.len()).await?;
                self.observer.event(&Event::PhaseBegan { phase, changes: due.len() });
                self.drive_and_prove(due, "whatever is to be lifted behind").await?;
                surveyed = false;
            }
        }
        let lets_in = self.due(|change| change.undoes.is_some());
        if !lets_in.is_empty() {
            self.wait_for_who_lets_in(&lets_in).await?;
        }
        self.check_once_more().await?;
        if !surveyed {
            self.survey_again().await?;
        }
        let mut held = self.open_batches().stopped();
        held.extend(self.troubles());
        held.extend(self.made_without());
        held.extend(self.left_behind());
        if !held.is_empty() {
            return Ok(Ending::Held(held));
        }
        // Cut is what could be; the rest nobody has planned.
        if !self.plan.unplanned.is_empty() {
            return Ok(Ending::Held(self.plan.not_planned()));
        }
        Ok(self.by_the_ledger())
    }

    /// Whoever was taken over in the middle of something may live, and be held up between signing a request and
    /// sending it. For as long as AWS takes it nothing is handed out, lifted or destroyed, and what is cut is looked at
    /// after that; nothing is cut later for it.
    async fn until_nothing_is_on_its_way(&self) -> Result<(), Halt> {
        let state = self.journal.state();
        let Some(taken) = state.taken_over.iter().rfind(|taken| taken.under_way) else {
            return Ok(());
        };
        let until = taken.at.at.checked_add(SIGNED_FOR).unwrap_or(taken.at.at);
        if self.clock.now() < until {
            self.observer.event(&Event::Outwaiting { from: taken.from.as_ref(), until });
            self.wait_until(until).await?;
        }
        Ok(())
    }

    /// How a run ends that has nothing left to do: by the account of every credential.
    fn by_the_ledger(&self) -> Ending {
        let ledger = Ledger::of(self.plan, &self.journal.state());
        // One of several accounts may have nothing in it to be cut.
        let concerned =
            !ledger.rows.is_empty() || self.among.is_some() && self.plan.changes.is_empty();
        let accounted = ledger.unaccounted().next().is_none()
            && concerned
            && self.reasons_from_before().is_empty();
        let green = accounted && ledger.unproven().next().is_none();
        if green { Ending::Proven } else { Ending::NotProven }
    }

    /// A phase that asks for approvals is begun once enough different people have approved this very plan.
    async fn wait_for_approvals(&self, phase: Phase, due: usize) -> Result<(), Halt> {
        let Some(asked) = self.plan.approvals.get(&phase) else { return Ok(()) };
        let approved = self.journal.state().approved_by(phase);
        if approved.len() >= *asked {
            return Ok(());
        }
        let people = if *asked == 1 { "person" } else { "people" };
        let who = if approved.is_empty() {
            "nobody has".to_owned()
        } else {
            let approved: Vec<String> = approved.iter().map(ToString::to_string).collect();
            format!("so far it is attested by {}", approved.join(" and "))
        };
        let due = counted(due, "change");
        let until =
            format!("the phase `{phase}` ({due}) must be approved by {asked} {people}, and {who}");
        self.record(Entry::Held { change: None, until: until.clone() }).await?;
        Err(Halt::Waiting(vec![until]))
    }

    /// Opens again what was seen done and does not hold any more: a second pass over sessions, when a cut that
    /// had to be proven before it was begun anew since (whoever was free in between may have minted a
    /// session that is younger than the pass); and a lift, when its barrier was put on again since.
    async fn reopen(&self) -> Result<(), Halt> {
        self.reopen_outdated_passes().await?;
        let state = self.journal.state();
        let idle = self.idle();
        for change in &self.plan.changes {
            let record = state.record(&change.id);
            if record.state != ChangeState::Seen {
                continue;
            }
            let since = |other: &Change| {
                let other = state.record(&other.id);
                match (other.begun, record.begun.or(record.seen)) {
                    (Some(begun), Some(done)) => begun > done,
                    _ => false,
                }
            };
            let undone = |other: &Change| {
                state.record(&other.id).state != ChangeState::Seen && !idle.contains(&other.id)
            };
            let waited_for = |other: &Change| {
                change.needs.iter().any(|n| n.change == other.id && n.proof > Proof::ReadBack)
            };
            // Done without the proof it should have waited for, which has come since.
            let proven_since = |other: &Change| {
                let mut wanted =
                    change.needs.iter().filter(|need| need.change == other.id).peekable();
                if wanted.peek().is_none() {
                    return false;
                }
                let proven = &state.record(&other.id).proof;
                let (Some(proven), Some(begun)) = (proven, record.begun) else { return false };
                wanted.map(|need| need.proof).any(|asked| {
                    asked > Proof::Settled && proven.proof >= asked && proven.since > begun
                })
            };
            let put_on_again = |other: &Change| {
                change.effects.iter().any(|effect| {
                    matches!(effect, Effect::Lifts { subject, barrier } if other.effects.iter().any(|cut| {
                        matches!(cut, Effect::Cuts { subject: cut_off, barrier: again }
                            if again == barrier && cut_off == subject)
                    }))
                })
            };
            // Nothing else is waited for, or lifted.
            let mut others: Vec<&Change> =
                change.needs.iter().filter_map(|need| self.plan.change(&need.change)).collect();
            for effect in &change.effects {
                if let Effect::Lifts { subject, .. } = effect {
                    others.extend(self.plan.changes.about(subject));
                }
            }
            let why = others.into_iter().find_map(|other| {
                let why = if waited_for(other) && (since(other) || undone(other)) {
                    format!("{} was done anew since", other.id)
                } else if proven_since(other) {
                    format!("{} was proven since", other.id)
                } else if put_on_again(other) && since(other) {
                    format!("{} was put on again since", other.id)
                } else {
                    return None;
                };
                (!self.is_good_without(change, &other.id, &state)).then_some(why)
            });
            if let Some(why) = why {
                self.record(Entry::Reopened { change: change.id.clone(), why }).await?;
            }
        }
        Ok(())
    }

    /// Whether a second pass over sessions that was made stands, however it is with a cut that it comes behind: who could
    /// mint was stopped by another then; or it was made all the same in this run, and nothing has changed of that.
    fn is_good_without(&self, pass: &Change, other: &ChangeId, state: &State) -> bool {
        let record = state.record(&pass.id);
        let Some(done) = record.begun.or(record.seen) else { return false };
        let cut = state.record(other);
        let as_it_was = Some(done) > state.started
            && cut.state != ChangeState::Seen
            && [cut.begun, cut.taken_off].into_iter().flatten().all(|at| at < done);
        let mut needs = pass.comes_behind().filter(|need| need.change == *other).peekable();
        needs.peek().is_some()
            && needs.all(|need| {
                as_it_was || ledger::is_stopped_otherwise(self.plan, state, need, Some(done))
            })
    }

    /// Containment, to the second pass over sessions.
    async fn cut_everything(&self) -> Result<(), Halt> {
        let state = self.journal.state();
        let before_gate = |change: &Change| {
            !change.phase.is_behind_the_gate() && !ledger::is_idle(self.plan, &state, change)
        };
        // What an earlier run has cut without the proof it should have waited for is cut again behind it.
        let early: Vec<&Change> = self.plan.changes.iter().filter(|c| before_gate(c)).collect();
        let early = self.holding_up(&early, Proof::Silent);
        if !early.is_empty() && self.due(before_gate).is_empty() {
            self.settle(&early, MINTERS).await?;
            self.enforce(&early, MINTERS).await?;
            self.reopen().await?;
        }
        let waiting = self.due(before_gate);
        if !waiting.is_empty() {
            let changes = waiting.len();
            self.observer.event(&Event::PhaseBegan { phase: Phase::Contain, changes });
        }
        self.drive_and_prove(waiting, MINTERS).await?;
        // Whoever an earlier case has cut is none of these, and is looked at when they are cut.
        self.see_passes_before().await?;
        loop {
            self.drive_and_prove(self.due(before_gate), MINTERS).await?;
            if !self.reopen_outdated_passes().await? {
                break;
            }
        }
        self.passes_all_the_same(before_gate).await?;
        let stopped = self.open_batches().stopped();
        if stopped.is_empty() {
            return Ok(());
        }
        // What was cut is seen to stay cut, whatever is left.
        self.settle(&self.standing_cuts(), "every cut so far").await?;
        Err(Halt::Held(stopped.into_iter().chain(self.troubles()).collect()))
    }

    /// Second passes over sessions, behind whatever was cut: what was refused, or waits for a person, keeps none from being
    /// made. Made now, they deny what was minted until now; what they may miss is told.
    async fn passes_all_the_same(&self, before_gate: impl Fn(&Change) -> bool) -> Result<(), Halt> {
        // One that an earlier round has made comes behind what this round has cut.
        self.reopen().await?;
        let passes = self.due(|change| before_gate(change) && change.is_second_pass());
        if passes.is_empty() {
            return Ok(());
        }
        self.drive_and_prove_behind(passes, MINTERS, Behind::WhatIsCut).await
    }

    /// What second passes over sessions may miss that were made while something could mint, a sentence each.
    fn made_without(&self) -> Vec<String> {
        let state = self.journal.state();
        let made = |change: &&Change| {
            change.is_second_pass()
                && state.record(&change.id).state == ChangeState::Seen
                && !ledger::is_lifted(self.plan, &state, change)
        };
        let short = self.plan.changes.iter().filter(made).filter_map(|pass| {
            let left = ledger::left_minting(self.plan, &state, pass);
            let (cut, minter) = left.first()?;
            let more = match left.len() - 1 {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            Some(format!(
                "{} ({}): made, and sessions that the {minter}{more} can mint since are not denied. Once {} is done, or \
                 somebody answers for it, resume, which denies them once more",
                pass.id, pass.target, cut.id
            ))
        });
        short.collect()
    }

    /// Makes cuts anew that were opened again, and whatever stood on them, and sees every cut stand as the gate asks; what still speaks against that
    /// shuts it.
    async fn cut_again(&self) -> Result<(), Halt> {
        self.reopen().await?;
        let idle = self.idle();
        let waiting =
            self.due(|change| !change.phase.is_behind_the_gate() && !idle.contains(&change.id));
        self.drive_and_prove(waiting, MINTERS).await?;
        let standing = self.standing_cuts();
        self.settle(&standing, "every cut").await?;
        self.enforce(&standing, "every cut").await?;
        let reasons = self.reasons_from_journal();
        if reasons.is_empty() { Ok(()) } else { self.shut(reasons).await }
    }

    /// Drives what is ready; proves what others wait to be proven, told as `what`; and so on, until nothing is left
    /// that could become ready.
    async fn drive_and_prove(&self, waiting: Vec<&Change>, what: &str) -> Result<(), Halt> {
        self.drive_and_prove_behind(waiting, what, Behind::All).await
    }

    async fn drive_and_prove_behind(
        &self,
        mut waiting: Vec<&Change>,
        what: &str,
        behind: Behind,
    ) -> Result<(), Halt> {
        let mut enough = Proof::Silent;
        loop {
            let left = self.drive_in_order_behind(waiting, enough, behind).await?;
            waiting = left.waiting;
            let unproven = self.holding_up(&waiting, enough);
            let pause = left.pause.filter(|pause| unproven.is_empty() || self.comes_first(pause));
            if let Some(pause) = pause {
                self.sit_out(&pause).await?;
            } else if unproven.is_empty() {
                return Ok(());
            } else {
                self.settle(&unproven, what).await?;
                self.enforce(&unproven, what).await?;
                if !self.holding_up(&waiting, enough).is_empty() {
                    // No cut waits for a proof that cannot be had. The gate does.
                    enough = Proof::Settled;
                }
            }
        }
    }

    /// Changes that are seen, and that others wait to be proven more surely.
    fn holding_up(&self, waiting: &[&Change], enough: Proof) -> Vec<&Change> {
        // Of all that is asked of a change, the most.
        let mut needed: BTreeMap<&ChangeId, &Need> = BTreeMap::new();
        for need in waiting.iter().flat_map(|change| &change.needs) {
            let most = needed.entry(&need.change).or_insert(need);
            if need.proof > most.proof {
                *most = need;
            }
        }
        let state = self.journal.state();
        let holds_up = |change: &&Change| {
            let record = state.record(&change.id);
            record.state == ChangeState::Seen
                && needed.get(&change.id).is_some_and(|need| !is_met(need, record, enough))
        };
        self.plan.changes.iter().filter(holds_up).collect()
    }

    /// Drives changes that are ready, wave by wave, until none is; gives back the others, and the pause that some of
    /// them wait for, as it was when none was ready. None waits for more than `enough`.
    async fn drive_in_order<'c>(
        &self,
        waiting: Vec<&'c Change>,
        enough: Proof,
    ) -> Result<Undriven<'_, 'c>, Halt> {
        self.drive_in_order_behind(waiting, enough, Behind::All).await
    }

    async fn drive_in_order_behind<'c>(
        &self,
        mut waiting: Vec<&'c Change>,
        enough: Proof,
        behind: Behind,
    ) -> Result<Undriven<'_, 'c>, Halt> {
        let idle = self.idle();
        loop {
            let open = self.open_batches();
            let shut = open.shut();
            // What is still to be made is waited for.
            let to_come: BTreeSet<&ChangeId> = match behind {
                Behind::All => BTreeSet::new(),
                Behind::WhatIsCut => waiting.iter().map(|change| &change.id).collect(),
            };
            let is_ready = |change: &Change| {
                change.needs.iter().all(|need| {
                    idle.contains(&need.change)
                        || is_met(need, &self.journal.change(&need.change), enough)
                        || self.can_do_without(change, need, behind, &to_come)
                })
            };
            let (ready, later): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .partition(|change| !shut.contains_key(&change.id) && is_ready(change));
            if ready.is_empty() {
                let due = later.iter().filter(|change| is_ready(change));
                let pause = open.pause(due.copied());
                return Ok(Undriven { waiting: later, pause });
            }
            self.drive_side_by_side(&ready).await?;
            waiting = later;
        }
    }

    async fn drive_side_by_side(&self, changes: &[&Change]) -> Result<(), Halt> {
        let gated = changes.iter().any(|change| change.phase.is_behind_the_gate());
        let at_once = if gated { BEHIND_THE_GATE_AT_ONCE } else { CUTS_AT_ONCE };
        // Everybody is cut before anybody is looked at.
        let made = side_by_side(changes.iter().map(|change| self.cut(change)), at_once).await;
        let driving = changes.iter().zip(made);
        let driving = driving.map(|(change, made)| async move { self.drive(change, made?).await });
        let driven = side_by_side(driving, at_once).await;
        let mut stopped = Vec::new();
        for (change, driven) in changes.iter().zip(driven) {
            match driven {
                Ok(Driven::Seen | Driven::Held) => {}
                Ok(Driven::GaveUp(why)) => stopped.push(format!("{}: {why}", change.id)),
                Err(halt) => return Err(halt),
            }
        }
        if stopped.is_empty() { Ok(()) } else { Err(Halt::Stopped(stopped)) }
    }

    /// Whether `change` is a second pass over sessions that need not wait for one of the cuts it comes behind.
    fn can_do_without(
        &self,
        change: &Change,
        need: &Need,
        behind: Behind,
        to_come: &BTreeSet<&ChangeId>,
    ) -> bool {
        if need.proof <= Proof::ReadBack || !change.is_second_pass() {
            return false;
        }
        let state = self.journal.state();
        let is_left = behind == Behind::WhatIsCut
            && state.record(&need.change).state != ChangeState::Seen
            && !to_come.contains(&need.change);
        is_left || ledger::is_stopped_otherwise(self.plan, &state, need, None)
    }

    /// Changes for what was found innocent: they are not begun, and hold up nothing.
    fn idle(&self) -> BTreeSet<&ChangeId> {
        let state = self.journal.state();
        let idle = |change: &&Change| ledger::is_idle(self.plan, &state, change);
        self.plan.changes.iter().filter(idle).map(|change| &change.id).collect()
    }

    /// Changes that are not seen in the world yet, in the plan's order.
    fn due(&self, wanted: impl Fn(&Change) -> bool) -> Vec<&Change> {
        let state = self.journal.state();
        let undone = |change: &&Change| state.record(&change.id).state != ChangeState::Seen;
        self.plan.changes.iter().filter(|change| wanted(change)).filter(undone).collect()
    }

    /// Whether somebody's word lets be all that a cut is for.
    fn is_spared(&self, id: &ChangeId) -> bool {
        let spared = |change| ledger::is_spared(self.plan, &self.journal.state(), change);
        self.plan.change(id).is_some_and(spared)
    }

    /// What the changes that wait for a person wait for.
    fn troubles(&self) -> Vec<String> {
        let state = self.journal.state();
        let held = state.changes.iter().filter(|(_, record)| record.state == ChangeState::Held);
        held.filter(|(id, _)| !self.is_spared(id))
            .map(|(id, record)| format!("{id}: {}", record.trouble.as_deref().unwrap_or_default()))
            .collect()
    }

    async fn record(&self, entry: Entry) -> Result<(), AppendError> {
        self.journal.append(entry).await
    }

    fn is_asked_to_stop(&self) -> bool {
        *self.stop.borrow()
    }
}

/// What comes of all of them, in their order; `at_once` are under way at a time.
async fn side_by_side<F: Future>(all: impl Iterator<Item = F>, at_once: usize) -> Vec<F::Output> {
    let numbered = all.enumerate().map(|(n, one)| async move { (n, one.await) });
    let mut came: Vec<_> = stream::iter(numbered).buffer_unordered(at_once).collect().await;
    came.sort_by_key(|(n, _)| *n);
    came.into_iter().map(|(_, came)| came).collect()
}

fn is_met(need: &Need, record: &ChangeRecord, enough: Proof) -> bool {
    let needed = need.proof.min(enough);
    record.state == ChangeState::Seen
        && (needed <= Proof::ReadBack
            || record.proof.as_ref().is_some_and(|proven| proven.proof >= needed))
}

/// What second passes over sessions come behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// Every cut of whoever can mint.
    All,
    /// Those that were made: nothing more comes of the others.
    WhatIsCut,
}

/// Changes that are not ready to be driven.
struct Undriven<'p, 'c> {
    waiting: Vec<&'c Change>,
    /// What some of them wait for, and for nothing else.
    pause: Option<batch::Pause<'p>>,
}

/// How a round was left.
enum Left {
    /// It was the last, for now.
    Ended(Ending),
    /// Another takes its place.
    Again(Box<rounds::Next>),
}

/// Why the phases were left early.
#[derive(Debug)]
enum Halt {
    /// The next round takes over.
    Again(Box<rounds::Next>),
    /// There are credentials that the plan does not know.
    Newcomers(Vec<String>),
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
    /// How the program ends with it, from which a script knows what state the cloud is in.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Proven => Exit::Done,
            Self::Waiting(_) | Self::Asking { .. } => Exit::Waiting,
            Self::Stopped(_) => Exit::Stopped,
            Self::NotProven => Exit::NotProven,
            Self::Held(_) => Exit::Held,
            Self::Interrupted => Exit::Interrupted,
        }
    }
}
