//! What other cases of the account have made, and what those that were taken up have cut.
//!
//! What they have made is nobody who has come. What they have cut beyond this plan is looked at as its own cuts are: while
//! one of those stands no more the gate is shut. It is looked at and nothing else: who made a cut makes it again, or takes
//! it back. Which cases there are is not known here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::look::to_the_end;
use super::step::judged;
use super::uncut::off_before;
use super::{Event, Halt, Run};
use crate::action::catalog;
use crate::cloud::Urgency;
use crate::ids::{AccessKeyId, ChangeId, Principal, UserName};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{CutOff, Entry, NoMore, Note, Position};
use crate::ledger;
use crate::plan::{Change, Credential, Effect};
use crate::survey;

/// What other cases of the account have made and cut, by when this one was taken up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MadeBeside {
    /// Keys that they have issued, and to whom.
    pub issued: BTreeMap<AccessKeyId, UserName>,
    /// Names of those that they have made to try cuts on, and when each was last spoken of.
    pub canaries: BTreeMap<String, Timestamp>,
    /// What those that this one takes up, and nobody has closed, have cut or may have, and not lifted.
    pub cuts: Vec<CutBefore>,
    /// Cases that are over, and cuts of others that are not to stand any more.
    pub let_go: BTreeMap<(String, Option<ChangeId>), NoMore>,
    /// Cases of which nobody can say what stands.
    pub lost: Vec<Lost>,
}

/// A case of which nobody can say what stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Its directory; of one that was taken up, by the name that it was taken up by.
    pub case: String,
    /// What is known of it.
    pub known: Known,
    /// Why, where that is known.
    pub why: Option<String>,
}

/// What is known of a case of which nobody can say what stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// This one takes it up, and it is not to be found or read.
    TakenUp,
    /// It lies there and cannot be read, and is of this account.
    OfTheAccount,
    /// It lies there, and not even its plan can be read: it may be of any account.
    Nothing,
}

/// A cut of an earlier case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutBefore {
    /// The directory of that case, by the name that it was taken up by.
    pub case: String,
    /// The cut, as its plan has it.
    pub change: Change,
    /// What that case has noted of it.
    pub notes: Vec<Note>,
    /// What it keeps out.
    pub credentials: Vec<Credential>,
    /// Whether that case has begun it and never seen it stand: it was refused, or nobody went on with it.
    pub never_seen: bool,
}

impl MadeBeside {
    /// Keys that were issued to whoever is not among `principals`: what somebody in scope is issued by another case is
    /// met like any other key of his.
    pub(super) fn issued_beyond(&self, principals: &[Principal]) -> BTreeSet<AccessKeyId> {
        let beyond =
            |user: &UserName| principals.binary_search(&Principal::User(user.clone())).is_err();
        self.issued.iter().filter(|(_, user)| beyond(user)).map(|(key, _)| key.clone()).collect()
    }
}

impl CutBefore {
    fn is(&self, off: &CutOff) -> bool {
        (&self.case, &self.change.id) == (&off.case, &off.change)
    }

    fn off(&self, why: String) -> CutOff {
        CutOff {
            case: self.case.clone(),
            change: self.change.id.clone(),
            target: self.change.target.to_string(),
            what: self.change.what.to_string(),
            why,
            credentials: self.credentials.clone(),
            never_seen: self.never_seen,
        }
    }
}

impl Run<'_> {
    /// Cuts of earlier cases that this one is to see stand: neither made by its own plan, nor lifted by it.
    pub(super) fn cuts_before(&self) -> Vec<&CutBefore> {
        if self.plan.is_undo() {
            return Vec::new();
        }
        let state = self.journal.state();
        let is_its_own = |effect: &Effect| {
            let Effect::Cuts { subject, barrier } = effect else { return true };
            self.plan.changes.about(subject).any(|change| {
                change.effects.iter().any(|own| match own {
                    Effect::Cuts { subject: of, barrier: by } => of == subject && by == barrier,
                    Effect::Lifts { subject: of, barrier: by } => {
                        let begun = ledger::lift_begun(change, state.record(&change.id));
                        of == subject && by == barrier && begun.is_some()
                    }
                    Effect::Destroys { .. } => state.record(&change.id).begun.is_some(),
                    _ => false,
                })
            })
        };
        let beyond = |cut: &&CutBefore| !cut.change.effects.iter().all(is_its_own);
        self.beside.cuts.iter().filter(beyond).collect()
    }

    /// Looks at them once.
    pub(super) async fn look_at_cuts_before(&self) -> Result<(), Halt> {
        let cuts = self.cuts_before();
        if cuts.is_empty() && self.journal.state().before.is_none() {
            return Ok(());
        }
        let facts = self.look_at(&[], wants(&cuts), Urgency::Proof).await?;
        self.see_cuts_before(&cuts, &facts).await
    }

    /// Judges by `facts`, in which is what they want to see, whether `cuts` stand, and puts it on record. Of the others
    /// what was known stays, whoever hands them over or does not: what stood no more is off until it is seen to stand, or
    /// whose it is lets it go.
    pub(super) async fn see_cuts_before(
        &self,
        cuts: &[&CutBefore],
        facts: &Inventory,
    ) -> Result<(), Halt> {
        let all = self.cuts_before();
        if self.plan.is_undo() || cuts.is_empty() && !all.is_empty() {
            return Ok(());
        }
        let cloud = self.cloud.read().at(Urgency::Rest);
        let mut off = Vec::new();
        for cut in cuts {
            let action = catalog::of(&cut.change);
            let judge = |facts: &Inventory| -> Result<Result<Position, Unread>, Halt> {
                judged(&cut.change, &cut.notes, facts)
            };
            if judge(facts)?.is_ok_and(|position| position.is_done()) {
                continue;
            }
            // A listing of everybody may be a little late.
            let wants = action.look(&cut.change.decided);
            let mut again = survey::look(&cloud, self.inventory, wants, self.clock).await?;
            match to_the_end(&mut again, &cloud, judge).await? {
                Ok(position) if position.is_done() => {}
                Ok(position) => off.push(cut.off(position.to_string())),
                Err(unread) => off.push(cut.off(format!("it cannot be seen: {unread}"))),
            }
        }
        let state = self.journal.state();
        let known = state.before.as_ref();
        let was_off = known.iter().flat_map(|known| &known.off);
        let mut let_go = Vec::new();
        for was in was_off.filter(|was| !cuts.iter().any(|cut| cut.is(was))) {
            match self.no_more(was) {
                Some(why) => let_go.push(was.let_go(why)),
                None => off.push(was.clone()),
            }
        }
        if let Some(known) = known {
            // What this case has looked at, and did not find off, it has seen to stand.
            for cut in &mut off {
                let was = known.off.iter().find(|was| was.is_of(cut));
                cut.never_seen &= was.is_some_and(|was| was.never_seen);
            }
        }
        off.sort_by(|a, b| (&a.case, &a.change).cmp(&(&b.case, &b.change)));
        let standing = all.iter().filter(|cut| !off.iter().any(|off| cut.is(off))).count();
        for cut in &off {
            if !known.is_some_and(|known| known.off.iter().any(|one| one.is_of(cut))) {
                self.observer.event(&Event::OffBefore { cut });
            }
        }
        // Once in every run also where nothing is new: when they were last seen to stand.
        let is_known = known.is_some_and(|known| {
            (known.standing, &known.off) == (standing, &off)
                && state.started.is_none_or(|started| started < known.at)
        });
        let is_nothing = known.is_none() && all.is_empty();
        if !is_known && !is_nothing {
            self.record(Entry::CutsBefore { standing, off, let_go }).await?;
        }
        Ok(())
    }

    /// Why a cut that stood no more is not looked at any more, if it is not to be.
    fn no_more(&self, was: &CutOff) -> Option<NoMore> {
        if self.beside.cuts.iter().any(|cut| cut.is(was)) {
            let is_looked_at = self.cuts_before().into_iter().any(|cut| cut.is(was));
            return (!is_looked_at).then_some(NoMore::Own);
        }
        let let_go = |change: Option<ChangeId>| self.beside.let_go.get(&(was.case.clone(), change));
        let_go(Some(was.change.clone())).or_else(|| let_go(None)).copied()
    }

    /// What speaks against the gate of what earlier cases have cut.
    pub(super) fn reasons_from_before(&self) -> Vec<String> {
        if self.plan.is_undo() {
            return Vec::new();
        }
        let state = self.journal.state();
        let off = ledger::off_before(self.plan, &state).map(|cut| off_before(self.plan, cut));
        let lost = self.beside.lost.iter().map(|Lost { case, known, why }| {
            let why = why.as_ref().map_or(String::new(), |why| format!(" ({why})"));
            match known {
                Known::TakenUp => format!(
                    "case {case}, which this one takes up, is not to be found or read where this one lies{why}: whether what it \
                     has cut still stands cannot be looked at. Put it back, then resume; where it is gone for good, plan anew"
                ),
                Known::OfTheAccount => format!(
                    "case {case} is of this account and cannot be read{why}: nobody knows what it has found. Restore it from a \
                     copy; or, where it is over, lay it elsewhere; then resume"
                ),
                Known::Nothing => format!(
                    "{case} looks like a case and cannot be read, nor its plan{why}: it may be of this account, and nobody knows \
                     what it has found. Restore it from a copy; or, where it is over, or no case, lay it elsewhere; then resume"
                ),
            }
        });
        off.chain(lost).collect()
    }
}

/// What must be read to judge them.
pub(super) fn wants(cuts: &[&CutBefore]) -> Vec<Want> {
    cuts.iter().flat_map(|cut| catalog::of(&cut.change).look(&cut.change.decided)).collect()
}
