//! Eviction as a fixed point: survey, plan, cut and prove again, until a full pass finds nothing new.
//!
//! Before the gate, after the last change, and whenever a case is resumed behind the gate, the account is surveyed
//! again as the playbook asks, and planned again on top of what is being done. What that adds is a round of its own, with a plan that holds the one
//! before. It is carried out unasked where it is containment within the scope that was approved; otherwise its
//! plan is kept and somebody must say yes to it.
//!
//! Writes no file: what is kept goes to a [`Keep`]. A crash between keeping a plan and recording its round leaves a
//! plan that nobody carries out, and the survey is made again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::beside::MadeBeside;
use super::look::Looks;
use super::overview::Overview;
use super::{Among, Ending, Event, Halt, Left, Log, Observer, Run, RunError};
use crate::clock::Clock;
use crate::cloud::{Probes, Suspect, Urgency, WriteCloud};
use crate::ids::{AccessKeyId, Arn, ChangeId};
use crate::inventory::{Caller, Inventory, Want};
use crate::journal::{AppendError, ChangeState, Entry, Journal, Place, Said};
use crate::ledger;
use crate::outbox::Outbox;
use crate::plan::{Credential, Effect, Round, SavedPlan};
use crate::planning::{self, Added, Earlier, Planned};
use crate::playbook::Playbook;
use crate::survey::{self, Thought};

/// Further rounds that one run goes through unasked, unless it is told otherwise. Whoever finds a way in faster than
/// it is cut has to be met by a person.
pub const MOST_ROUNDS: u32 = 12;

/// Where the plan of a round is kept, before it is carried out.
pub trait Keep: Sync {
    /// Keeps it, safe from a loss of power; says where.
    fn keep(&self, saved: &SavedPlan) -> std::io::Result<String>;
}

/// What the next round is planned from.
#[derive(Clone, Copy)]
pub struct Again<'a> {
    /// The playbook of the plan that is being carried out.
    pub playbook: &'a Playbook,
    /// That plan, with all it stands on.
    pub saved: &'a SavedPlan,
}

/// The next round.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) saved: SavedPlan,
    added: Added,
}

/// The plan of the round that is being carried out, with what is worked out of it once.
#[derive(Debug)]
pub(super) struct InHand {
    pub(super) saved: SavedPlan,
    digest: String,
    /// What it stands on, with whoever runs for whoever surveyed.
    inventory: Inventory,
}

/// The run of a case, through as many rounds as it takes.
pub struct Rounds<'a> {
    /// The playbook that every round is planned from.
    pub playbook: &'a Playbook,
    /// Who runs.
    pub caller: &'a Caller,
    /// Where; a rehearsal is the same wherever it is played.
    pub place: Option<&'a Place>,
    /// What was done so far, and where the rest is recorded.
    pub journal: &'a Journal,
    /// How many further rounds are gone through unasked; with none the account is not surveyed again either, and
    /// a credential that has appeared calls a person.
    pub most: u32,
    /// What other cases of the account have made and cut.
    pub beside: MadeBeside,
    /// Where the plans of further rounds are kept.
    pub keep: &'a dyn Keep,
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
}

/// Begins a round that `by` has said yes to. Its plan is kept, and follows from the one before.
pub async fn begin_round(
    journal: &Journal,
    saved: &SavedPlan,
    by: &Arn,
) -> Result<(), AppendError> {
    let (round, plan) = (saved.number(), saved.digest());
    journal.append(Entry::RoundBegan { round, plan, approved_by: Some(by.clone()) }).await
}

impl Rounds<'_> {
    /// Carries `saved` out, and what the rounds after it add; gives back the plan of the last round, and how it
    /// ended.
    pub async fn execute(&self, saved: SavedPlan) -> Result<(SavedPlan, Ending), RunError> {
        let (last, ending) = self.execute_among(saved, None).await?;
        let last = Arc::into_inner(last).expect("nobody else has it in hand");
        Ok((last.saved, ending))
    }

    /// The same where its gate opens with those of other accounts, or not at all.
    pub(super) async fn execute_among(
        &self,
        saved: SavedPlan,
        among: Option<Among<'_>>,
    ) -> Result<(Arc<InHand>, Ending), RunError> {
        let mut begun = false;
        let first = saved.number();
        let mut in_hand = self.take_in_hand(saved);
        loop {
            if let Some(among) = among {
                among.takes_in_hand(&in_hand);
            }
            let InHand { saved, .. } = &*in_hand;
            let again = (self.most > 0 && !saved.plan.is_undo())
                .then_some(Again { playbook: self.playbook, saved });
            let run = Run { among, again, ..self.run_of(&in_hand) };
            if !std::mem::replace(&mut begun, true) {
                run.begin(self.place).await?;
            }
            let next = match run.round().await? {
                Left::Ended(ending) => {
                    let ending = run.finish(ending).await?;
                    return Ok((in_hand, ending));
                }
                Left::Again(next) => next,
            };
            if let Some(ending) = self.take_up(&next, next.saved.number() - first).await? {
                let ending = run.finish(ending).await?;
                return Ok((in_hand, ending));
            }
            in_hand = self.take_in_hand(next.saved);
        }
    }

    /// A plan, ready to be carried out by whoever runs.
    pub(super) fn take_in_hand(&self, saved: SavedPlan) -> Arc<InHand> {
        let digest = saved.digest();
        let mut inventory = saved.inventory.clone();
        inventory.caller = self.caller.clone();
        Arc::new(InHand { saved, digest, inventory })
    }

    /// A run of it that plans no further round, and has nothing to do with other accounts.
    pub(super) fn run_of<'r>(&'r self, in_hand: &'r InHand) -> Run<'r> {
        Run {
            plan: &in_hand.saved.plan,
            digest: &in_hand.digest,
            inventory: &in_hand.inventory,
            journal: self.journal,
            cloud: self.cloud,
            probes: self.probes,
            given: self.given,
            clock: self.clock,
            observer: self.observer,
            outbox: self.outbox,
            stop: self.stop.clone(),
            beside: &self.beside,
            among: None,
            again: None,
            looks: Looks::default(),
            overview: Overview::default(),
        }
    }

    /// Looks at the case again, whose newest plan is `saved`; begins no round.
    pub async fn verify(&self, saved: &SavedPlan, log: &Log) -> Result<Ending, RunError> {
        let in_hand = self.take_in_hand(saved.clone());
        self.run_of(&in_hand).verify(log, self.place).await
    }

    /// Keeps the plan of the next round and begins it; or says why it is not begun.
    async fn take_up(&self, next: &Next, rounds: u32) -> Result<Option<Ending>, RunError> {
        let (round, added) = (next.saved.number(), &next.added);
        let kept = match self.keep.keep(&next.saved) {
            Ok(kept) => kept,
            Err(error) => {
                let why = format!("the plan of round {round} cannot be kept: {error}");
                return Ok(Some(Ending::Stopped(vec![why])));
            }
        };
        if !added.beyond.is_empty() {
            let (beyond, plan) = (added.beyond.clone(), next.saved.digest());
            let asked = Entry::RoundAsked { round, plan, beyond: beyond.clone() };
            self.journal.append(asked).await?;
            return Ok(Some(Ending::Asking { beyond, plan: kept }));
        }
        if rounds > self.most {
            let why = format!(
                "{} further rounds, and each found something new: somebody makes credentials faster than they are \
                 cut. Find out who, by the account's log, and cut him by hand; then resume",
                self.most
            );
            self.journal.append(Entry::Held { change: None, until: why.clone() }).await?;
            return Ok(Some(Ending::Held(vec![why])));
        }
        let plan = next.saved.digest();
        self.journal.append(Entry::RoundBegan { round, plan, approved_by: None }).await?;
        self.observer.event(&Event::RoundBegan { round, added, plan: &next.saved.plan });
        Ok(None)
    }
}

impl Run<'_> {
    /// Surveys again, in full; leaves this round where another must take its place.
    pub(super) async fn survey_again(&self) -> Result<(), Halt> {
        match self.next_round().await? {
            Some(next) => Err(Halt::Again(Box::new(next))),
            None => Ok(()),
        }
    }

    /// The next round, if the world has anything new for one.
    pub(super) async fn next_round(&self) -> Result<Option<Next>, Halt> {
        let Some(Again { playbook, saved }) = self.again else { return Ok(None) };
        let round = saved.number();
        // What a crash has left of our own is no newcomer.
        self.sweep().await?;
        self.observer.event(&Event::SurveyingAgain { round });
        let begun = self.begun();
        let canaries = self.canaries();
        let seen_off = self.journal.state().seen_off.clone();
        let as_found = planning::as_found(saved, &begun);
        let workers: BTreeSet<Arn> = self.journal.state().callers.iter().cloned().collect();
        let mut caller = self.inventory.caller.clone();
        // Whoever goes on with a case need not know what was left standing when it was planned.
        if caller.break_glass.is_empty() {
            caller.break_glass.clone_from(&saved.inventory.caller.break_glass);
        }
        let mut inventory = Inventory::new(caller, self.clock.now());
        // What may be done is no part of the world that an intruder changes, and asking is slow.
        let permitted = saved.inventory.answers.iter();
        let permitted = permitted.filter(|(want, _)| matches!(want, Want::Simulation(_)));
        inventory.answers.extend(permitted.map(|(want, fact)| (want.clone(), fact.clone())));
        let mut withdrawn = false;
        // What cuts within the scope is a round that nobody is asked about; what is left is another.
        for cuts_alone in [true, false] {
            let planned = survey::until(self.cloud.read(), &mut inventory, |inventory| {
                let issued = self.issued(inventory);
                let earlier = Earlier {
                    plan: self.plan,
                    inventory: self.inventory,
                    begun: &begun,
                    issued: &issued,
                    canaries: &canaries,
                    seen_off: &seen_off,
                    as_found: &as_found,
                    workers: &workers,
                    cuts_alone,
                };
                Ok(match planning::plan_again(playbook, inventory, &earlier)? {
                    Planned::Plan(plan) => Thought::Ready((plan, issued)),
                    Planned::Needs(wants) => Thought::Needs(wants),
                })
            });
            let (plan, issued) = match planned.await? {
                Ok(planned) => planned,
                Err(problems) => return Err(self.cannot_be_planned(problems).await?),
            };
            if !std::mem::replace(&mut withdrawn, true) {
                self.withdraw(&inventory).await?;
            }
            if let Some(first) = plan.first_seen.as_ref().filter(|_| !cuts_alone) {
                self.tell_not_seen(planning::not_seen(first, &inventory)).await?;
                self.tell_switched_off(&inventory).await?;
            }
            let added = Added::of(self.plan, &plan, &inventory);
            if added.is_nothing() {
                continue;
            }
            let (number, earlier) = (round + 1, self.digest.to_owned());
            let saved = SavedPlan {
                plan: *plan,
                inventory,
                playbook: saved.playbook.clone(),
                fragments: saved.fragments.clone(),
                round: Some(Round {
                    number,
                    earlier,
                    begun,
                    issued,
                    canaries,
                    seen_off,
                    as_found,
                    workers,
                    cuts_alone,
                    undoes: BTreeSet::new(),
                    lets_in: BTreeSet::new(),
                }),
            };
            return Ok(Some(Next { saved, added }));
        }
        self.record(Entry::NothingNew { round }).await?;
        Ok(None)
    }

    /// The same by a look of its own, where no survey is made.
    pub(super) async fn withdraw_by_a_look(&self) -> Result<(), Halt> {
        let state = self.journal.state();
        let spoken_of = state.cleared.keys().chain(state.waived.keys());
        let wants: BTreeSet<Want> = spoken_of
            .filter_map(|credential| match credential {
                Credential::Password { user } => Some(Want::LoginProfile(user.clone())),
                _ => None,
            })
            .collect();
        if wants.is_empty() {
            return Ok(());
        }
        let facts = self.look_at(&[], wants, Urgency::Rest).await?;
        self.withdraw(&facts).await
    }

    /// Takes back what was said of a credential that has become another since.
    async fn withdraw(&self, facts: &Inventory) -> Result<(), Halt> {
        let state = self.journal.state();
        let spoken_of: BTreeSet<&Credential> =
            state.cleared.keys().chain(state.waived.keys()).collect();
        for credential in spoken_of {
            let made = credential.made_at(facts);
            let Some(made) = made.filter(|_| ledger::is_another(&state, credential, made)) else {
                continue;
            };
            let reason = format!(
                "the {credential} is another one, set up at {}, after it was spoken of",
                made.strftime("%Y-%m-%d %H:%M:%S UTC")
            );
            self.observer.event(&Event::Withdrawn { reason: &reason });
            let by = self.inventory.caller.arn.clone();
            let said = Said { by, reason, evidence: None, plan: self.digest.to_owned() };
            self.record(Entry::Withdrawn { credential: credential.clone(), said }).await?;
        }
        Ok(())
    }

    /// Puts on record what could not be looked for, where that is not what it was.
    pub(super) async fn tell_not_seen(&self, operations: BTreeSet<String>) -> Result<(), Halt> {
        if !operations.is_empty() {
            self.observer.event(&Event::NotSeen { operations: &operations });
        }
        if self.journal.state().not_seen != operations {
            self.record(Entry::NotSeen { operations }).await?;
        }
        Ok(())
    }

    /// Puts on record which keys of users in no step are switched off, where that was not known.
    pub(super) async fn tell_switched_off(&self, inventory: &Inventory) -> Result<(), Halt> {
        let mut keys = planning::switched_off(self.plan, inventory);
        keys.retain(|key| !self.journal.state().seen_off.contains(key));
        if !keys.is_empty() {
            self.record(Entry::SeenOff { keys }).await?;
        }
        Ok(())
    }

    async fn cannot_be_planned(
        &self,
        problems: Vec<crate::diagnostic::Diagnostic>,
    ) -> Result<Halt, Halt> {
        let said = problems.into_iter().map(|problem| {
            let at = problem.primary.map(|label| label.place).map_or(String::new(), |place| {
                let (line, column) = place.line_column();
                format!(" ({}:{line}:{column})", place.source().name())
            });
            let help = problem.help.map(|help| format!(". {help}")).unwrap_or_default();
            format!("what has come since cannot be planned: {}{at}{help}", problem.message)
        });
        let why: Vec<String> = said.collect();
        self.record(Entry::Held { change: None, until: why.join("; ") }).await?;
        Ok(Halt::Held(why))
    }

    /// Changes that were begun, or seen to be so already.
    fn begun(&self) -> BTreeSet<ChangeId> {
        let state = self.journal.state();
        let begun = state
            .changes
            .iter()
            .filter(|(_, record)| record.attempts > 0 || record.state == ChangeState::Seen)
            .map(|(id, _)| id.clone());
        begun.collect()
    }

    /// Keys that this case has issued, or of which it cannot be told; and those of cases beside it.
    pub(super) fn issued(&self, facts: &Inventory) -> BTreeSet<AccessKeyId> {
        let issued = ledger::issued(self.plan, &self.journal.state());
        let mut issued: BTreeSet<_> =
            issued.iter().filter_map(|issued| issued.key().cloned()).collect();
        let users = self.plan.changes.iter().flat_map(|change| &change.effects);
        let users = users.filter_map(|effect| match effect {
            Effect::Issues { user, .. } => Some(user),
            _ => None,
        });
        for user in users {
            let keys = facts.access_keys(user).map(Vec::as_slice).unwrap_or_default();
            let ours = keys.iter().filter(|key| self.may_have_issued(user, &key.id, facts));
            issued.extend(ours.map(|key| key.id.clone()));
        }
        issued.extend(self.beside.issued_beyond(&self.plan.principals));
        issued
    }

    /// Those that were made to try cuts on, and when each was last spoken of.
    pub(super) fn canaries(&self) -> BTreeMap<String, Timestamp> {
        let mut canaries = self.beside.canaries.clone();
        canaries.extend(self.journal.state().canaries_until.clone());
        canaries
    }
}
