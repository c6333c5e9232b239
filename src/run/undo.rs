//! Taking back: a plan whose changes undo others, driven one by one, each asked whether it may be.
//!
//! There is no gate to open: nothing new is handed out. What stands before each change is the same as before every
//! lift: whatever it would let in again must be dead, replaced, blocked by something else, cleared or waived, by the
//! journal and by a fresh look.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::lifting::{Because, Kept, Lifting, live_until};
use super::look::to_the_end;
use super::proof::Known;
use super::step::{cannot_see, to_be_settled};
use super::{Ending, Event, Halt, Run};
use crate::action::{Inverse, catalog};
use crate::clock::Clock;
use crate::cloud::ReadCloud;
use crate::ids::{ChangeId, Principal};
use crate::inventory::{Inventory, Want};
use crate::journal::{ChangeState, Entry, Position, State};
use crate::ledger::{self, Ledger, Standing};
use crate::plan::{
    Barrier, Change, Credential, Effect, Plan, SavedPlan, Subject, credential_wants,
};
use crate::planning;
use crate::playbook::{Phase, Proof};
use crate::survey::{self, SurveyError};

/// The cuts of a case that can be taken back: made by it, in whole or in part, and not lifted since.
pub fn to_take_back(plan: &Plan, state: &State) -> BTreeSet<ChangeId> {
    let lifts = |change: &Change, inverse: &Inverse| {
        state.record(&change.id).state == ChangeState::Seen
            && inverse.draft.effects.iter().all(|effect| change.effects.contains(effect))
    };
    let is_lifted = |inverse: &Inverse| {
        inverse.draft.effects.iter().any(|effect| {
            matches!(effect, Effect::Lifts { subject, .. }
                if plan.changes.about(subject).any(|change| lifts(change, inverse)))
        })
    };
    // What a person was asked to close may be closed though he has not said so: somebody sees that it is open.
    let is_made = |change: &&Change| state.record(&change.id).attempts > 0;
    let cuts =
        plan.changes.iter().filter(|change| change.cuts() && !change.already).filter(is_made);
    // What is deleted cannot work again; there is nothing of it to take the cut off.
    let dead: BTreeSet<Credential> = Ledger::of(plan, state)
        .rows
        .into_iter()
        .filter(|row| matches!(row.standing, Standing::Dead { .. }))
        .map(|row| row.credential)
        .collect();
    let is_gone = |cut: &Change| {
        cut.effects.iter().all(|effect| match effect {
            Effect::Cuts { subject: Subject::Credential { credential }, barrier } => {
                *barrier == Barrier::Inactive && dead.contains(credential)
            }
            _ => false,
        })
    };
    // Somebody is let in again already: that goes on.
    let is_on_its_way = |cut: &Change| {
        plan.changes.iter().any(|back| {
            back.undoes.as_ref() == Some(&cut.id)
                && state.record(&back.id).state != ChangeState::Seen
        })
    };
    let cuts = cuts.filter(|cut| !is_on_its_way(cut));
    let standing = cuts.filter(|cut| !is_gone(cut)).filter(|cut| {
        catalog::of(cut).inverse(&cut.decided).is_some_and(|inverse| !is_lifted(&inverse))
    });
    standing.map(|cut| cut.id.clone()).collect()
}

/// The plan that takes a case back as it stands, as its next round.
pub fn undo_of(saved: &SavedPlan, state: &State) -> SavedPlan {
    let undoes = to_take_back(&saved.plan, state);
    planning::take_back(saved, begun(state), undoes, BTreeSet::new())
}

/// The plan that lets `whom` in again, and nobody else, and goes on for all others, as the next round of the case.
pub fn let_in_of(saved: &SavedPlan, state: &State, whom: BTreeSet<Principal>) -> SavedPlan {
    let is_of_them = |id: &ChangeId| {
        let effects = saved.plan.change(id).into_iter().flat_map(|change| &change.effects);
        let mut cuts = effects.filter_map(|effect| match effect {
            Effect::Cuts { subject, .. } => Some(subject.principal()),
            _ => None,
        });
        cuts.all(|of| of.is_some_and(|of| whom.contains(&of)))
    };
    let mut undoes = to_take_back(&saved.plan, state);
    undoes.retain(is_of_them);
    planning::take_back(saved, begun(state), undoes, whom)
}

fn begun(state: &State) -> BTreeSet<ChangeId> {
    let touched = state.changes.iter();
    let begun = touched
        .filter(|(_, record)| record.attempts > 0 || record.state == ChangeState::Seen)
        .map(|(id, _)| id.clone());
    begun.collect()
}

/// Until when the deny of older sessions that `change` lifts is kept, where it lifts one.
pub fn sessions_live_until(plan: &Plan, state: &State, change: &Change) -> Option<Timestamp> {
    change.effects.iter().find_map(|effect| match effect {
        Effect::Lifts { subject, barrier } if barrier.is_of_sessions() => {
            live_until(plan, state, subject).ok()
        }
        _ => None,
    })
}

/// What is still carried out: of an undo that somebody has closed, the lifts alone that wait for nothing but time.
/// Whoever is cut off otherwise stays so, whatever is said of him afterwards.
pub fn gone_on_with<'a>(plan: &'a Plan, state: &State) -> impl Iterator<Item = &'a Change> {
    let is_closed = plan.is_undo() && ledger::closed_by(plan, state).is_some();
    let waits_for_time = |change: &Change| {
        change.effects.iter().any(
            |effect| matches!(effect, Effect::Lifts { barrier, .. } if barrier.is_of_sessions()),
        )
    };
    plan.carried_out().filter(move |change| !is_closed || waits_for_time(change))
}

/// What becomes of one change of an undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is made.
    Made,
    /// A person makes it, and attests it.
    ByHand(String),
    /// It is not made.
    Kept(Kept),
}

/// How the account stands to what the undo of a case is about.
#[derive(Clone, Debug)]
pub struct LookedAt {
    /// What somebody has made otherwise since, and why it is therefore left as it is.
    changed: BTreeMap<ChangeId, Kept>,
    /// What whoever would be let in holds by now.
    facts: Inventory,
}

/// Looks at what the undo `saved` is about.
pub async fn look_before(
    saved: &SavedPlan,
    state: &State,
    cloud: &ReadCloud,
    clock: Clock,
) -> Result<LookedAt, SurveyError> {
    let looked_at = |change: &&Change| !change.is_by_hand();
    let changes: Vec<&Change> = saved.plan.carried_out().filter(looked_at).collect();
    let wants = changes.iter().flat_map(|change| catalog::of(change).look(&change.decided));
    let let_in =
        changes.iter().flat_map(|change| &change.effects).filter_map(|effect| match effect {
            Effect::Lifts { subject, .. } => subject.principal(),
            _ => None,
        });
    let let_in: BTreeSet<Principal> = let_in.collect();
    let held = let_in.iter().flat_map(|who| match who {
        Principal::User(user) => credential_wants(user),
        Principal::Role(_) => vec![Want::Roles],
    });
    let wants = wants.chain(held);
    let mut facts = survey::look(cloud, &saved.inventory, wants, clock).await?;
    let mut changed = BTreeMap::new();
    for change in changes {
        let (action, notes) = (catalog::of(change), &state.record(&change.id).notes);
        let judge =
            |facts: &Inventory| Ok::<_, SurveyError>(action.judge(&change.decided, notes, facts));
        let kept = match to_the_end(&mut facts, cloud, judge).await? {
            Ok(position) => kept_by(change, &position, state),
            Err(unread) => Some(Kept { because: Because::Other, why: cannot_see(&unread) }),
        };
        changed.extend(kept.map(|kept| (change.id.clone(), kept)));
    }
    Ok(LookedAt { changed, facts })
}

/// Why a change of an undo is not begun where it stands so.
pub(super) fn kept_by(change: &Change, position: &Position, state: &State) -> Option<Kept> {
    match position {
        // It was cut, and is not any more: whoever saw to that was not kept from it by what keeps us. What a person opens
        // is open because that person says so.
        done if done.is_done()
            && state.record(&change.id).attempts == 0
            && !change.is_by_hand()
            && change.undoes.as_ref().is_some_and(|cut| state.record(cut).receipt.is_some()) =>
        {
            let why = "it is so already, and not by this case: somebody else has taken the cut off. Find out who; if it \
                       was one of yours, make the cut once more by hand, and resume"
                .to_owned();
            Some(Kept { because: Because::TakenOff, why })
        }
        Position::Elsewhere { why } => {
            Some(Kept { because: Because::Other, why: to_be_settled(why) })
        }
        _ => None,
    }
}

/// What becomes of every change of the undo `saved`, by what the case knows and what time it is, and by what was found
/// where somebody has looked: by the rule that the run then goes by, which looks in any case.
pub fn foresee<'a>(
    saved: &'a SavedPlan,
    state: &State,
    now: Timestamp,
    looked_at: Option<&LookedAt>,
) -> Vec<(&'a Change, Fate)> {
    let known = Known { plan: &saved.plan, inventory: &saved.inventory };
    // A run begins by writing down what time it is: waivers run out by that.
    let state = State { last: state.last.max(Some(now)), ..state.clone() };
    let lifting = Lifting::of(known, &state);
    let facts = looked_at.map_or(&saved.inventory, |looked_at| &looked_at.facts);
    let fate = |change: &Change| {
        if let Some(kept) = looked_at.and_then(|looked_at| looked_at.changed.get(&change.id)) {
            return Fate::Kept(kept.clone());
        }
        let cut = change.undoes.as_ref().map(|cut| state.record(cut));
        if cut.is_some_and(|cut| cut.contested && cut.state != ChangeState::Seen) {
            let why = "somebody else has taken the cut off: find out who, then resume".to_owned();
            return Fate::Kept(Kept { because: Because::TakenOff, why });
        }
        let kept = change.effects.iter().find_map(|effect| match effect {
            Effect::Lifts { subject, barrier } if barrier.is_of_sessions() => {
                lifting.sessions_may_live(subject, now)
            }
            Effect::Lifts { subject, barrier } => {
                lifting.would_open(change, subject, *barrier, facts)
            }
            _ => None,
        });
        match (kept, catalog::of(change).asks(&change.decided)) {
            (Some(kept), _) => Fate::Kept(kept),
            (None, Some(asked)) => Fate::ByHand(asked),
            (None, None) => Fate::Made,
        }
    };
    saved.plan.carried_out().map(|change| (change, fate(change))).collect()
}

impl Run<'_> {
    /// Takes back what the plan says, as far as it may be.
    pub(super) async fn take_back(&self) -> Result<Ending, Halt> {
        self.until_nothing_is_on_its_way().await?;
        if let Some(why) = self.is_apart() {
            return self.shut(vec![why]).await;
        }
        self.withdraw_by_a_look().await?;
        let state = self.journal.state();
        let undoing: Vec<&Change> = gone_on_with(self.plan, &state).collect();
        let is_left = |change: &&Change| state.record(&change.id).state != ChangeState::Seen;
        let due: Vec<&Change> = undoing.iter().copied().filter(is_left).collect();
        if !due.is_empty() {
            self.wait_for_approvals(Phase::Recover, due.len()).await?;
            self.observer.event(&Event::PhaseBegan { phase: Phase::Recover, changes: due.len() });
            self.drive_in_order(due, Proof::Silent).await?;
        }
        let state = self.journal.state();
        let held: Vec<String> = undoing
            .into_iter()
            .map(|change| (&change.id, state.change(&change.id)))
            .filter(|(_, record)| record.state != ChangeState::Seen)
            .map(|(id, record)| format!("{id}: {}", record.trouble.unwrap_or_default()))
            .collect();
        Ok(if held.is_empty() { self.by_the_ledger() } else { Ending::Held(held) })
    }

    /// Lets in again whom the case is to let in while it goes on for all others, as far as it may be. What it may not is held,
    /// and holds up nothing else.
    pub(super) async fn let_in_again(&self) -> Result<(), Halt> {
        if self.due(|change| change.undoes.is_some()).is_empty() || self.is_apart().is_some() {
            return Ok(());
        }
        // A word that is taken back is no name any more.
        self.withdraw_by_a_look().await?;
        let state = self.journal.state();
        let is_approved = |lift: &Change| ledger::names_to_let_in(self.plan, &state, lift) == 0;
        let due = self.due(|change| change.undoes.is_some() && is_approved(change));
        drop(state);
        if due.is_empty() {
            return Ok(());
        }
        self.observer.event(&Event::PhaseBegan { phase: Phase::Recover, changes: due.len() });
        self.drive_in_order(due, Proof::Silent).await?;
        Ok(())
    }

    /// Whom the case is to let in alone, for whom not enough people have spoken where the plan asks for approval of what
    /// lifts: approval of the whole phase would be one of letting in everybody.
    pub(super) async fn wait_for_who_lets_in(&self, due: &[&Change]) -> Result<(), Halt> {
        let state = self.journal.state();
        let short = due.iter().map(|lift| (lift, ledger::names_to_let_in(self.plan, &state, lift)));
        let short: Vec<_> = short.filter(|(_, names)| *names > 0).collect();
        let Some(names) = short.iter().map(|(_, names)| *names).max() else { return Ok(()) };
        let whom = short.iter().filter_map(|(lift, _)| ledger::whom_it_lets_in(lift));
        let whom: BTreeSet<String> = whom.map(|whom| whom.to_string()).collect();
        let people =
            if names == 1 { "1 more person speaks" } else { &format!("{names} more people speak") };
        let until = format!(
            "{} is let in again once {people} for that one alone",
            whom.into_iter().collect::<Vec<_>>().join(" and ")
        );
        self.record(Entry::Held { change: None, until: until.clone() }).await?;
        Err(Halt::Waiting(vec![until]))
    }
}
