//! Planning once more in the middle of a case: what the world has come to since, on top of what is being done.
//!
//! The plan of a round holds everything. What was there keeps its id, so that the journal goes on speaking of it;
//! what the new survey adds to containment gets the next free number of its step. What waits behind the gate and
//! was not begun is decided anew, since the world it was decided for may be gone; what was begun stays as it is.
//! A step that cannot be planned any more keeps what it had: whoever deletes a user does not get another's cuts
//! dropped. Pure, like all of planning.

use std::collections::{BTreeMap, BTreeSet};

use super::chain;
use super::lockout::{cuts_off_break_glass, touches_break_glass};
use jiff::Timestamp;

use crate::diagnostic::Diagnostic;
use crate::ids::{AccessKeyId, Arn, ChangeId, StepId};
use crate::inventory::{Answers, Inventory};
use crate::plan::{Batches, Change, Credential, Effect, Plan, Subject, Text, Unplanned};

/// What a case has come to when it is planned again.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    /// The plan so far.
    pub plan: &'a Plan,
    /// What it stands on.
    pub inventory: &'a Inventory,
    /// The changes of it that were begun.
    pub begun: &'a BTreeSet<ChangeId>,
    /// Keys that this case has issued itself, and those of which it cannot be told whether it has.
    pub issued: &'a BTreeSet<AccessKeyId>,
    /// Names of those that this case has made to try cuts on.
    pub canaries: &'a BTreeMap<String, Timestamp>,
    /// Keys of users in no step that this case has seen switched off.
    pub seen_off: &'a BTreeSet<AccessKeyId>,
    /// What those changes are about, as it was found before any of them: by [`super::as_found()`].
    pub as_found: &'a Answers,
    /// Whoever has worked on this case, by its journal: whose roles are the case's own.
    pub workers: &'a BTreeSet<Arn>,
    /// Whether only containment within its scope is added, and all else left as it was: that waits for nobody.
    pub cuts_alone: bool,
}

/// The roles through which a case was planned and worked on.
pub(super) fn roles_of_workers<'a>(earlier: &Earlier<'a>) -> impl Iterator<Item = &'a str> {
    let Earlier { plan, inventory, workers, .. } = *earlier;
    let of_here = |arn: &&Arn| arn.account() == plan.account.as_str();
    let through = workers.iter().filter(of_here).filter_map(chain::role_of);
    through.chain(chain::own_roles(&inventory.caller))
}

impl Earlier<'_> {
    /// Whether a cut was begun that `lift` takes off: what stood there before it, only the plan knows any more.
    fn has_begun_what_it_lifts(&self, lift: &Change) -> bool {
        lift.effects.iter().any(|effect| {
            let Effect::Lifts { subject, barrier } = effect else { return false };
            let cuts = |effect: &Effect| {
                matches!(effect, Effect::Cuts { subject: of, barrier: by } if of == subject && by == barrier)
            };
            let mut about = self.plan.changes.about(subject);
            about.any(|cut| self.begun.contains(&cut.id) && cut.effects.iter().any(cuts))
        })
    }
}

/// What a round adds to the one before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Changes that were not there, and whose target is not already so.
    pub changes: Vec<ChangeId>,
    /// Changes behind the gate that are decided otherwise than they were.
    pub otherwise: Vec<ChangeId>,
    /// Credentials that were not there.
    pub credentials: Vec<Credential>,
    /// Steps that could not be planned for everybody they are for, and can be now.
    pub planned_at_last: BTreeSet<StepId>,
    /// Why somebody must say yes first, a sentence each; empty where it is containment within the scope that was
    /// approved.
    pub beyond: Vec<String>,
}

impl Added {
    /// Whether there is nothing new: the round before was the last.
    pub fn is_nothing(&self) -> bool {
        self.changes.is_empty()
            && self.credentials.is_empty()
            && self.planned_at_last.is_empty()
            && self.beyond.is_empty()
    }

    /// What `later`, which stands on `inventory`, adds to `earlier`.
    pub fn of(earlier: &Plan, later: &Plan, inventory: &Inventory) -> Self {
        let before: BTreeMap<&ChangeId, &Change> =
            earlier.changes.iter().map(|change| (&change.id, change)).collect();
        let credentials: BTreeSet<&Credential> = earlier.credentials.iter().collect();
        let mut added = Self::default();
        for change in &later.changes {
            match before.get(&change.id) {
                Some(was) if !change.is_gated() || decides_the_same(was, change) => {}
                Some(was) => {
                    added.otherwise.push(change.id.clone());
                    added.beyond.push(differs(was, change));
                }
                None => {
                    if !change.already {
                        added.changes.push(change.id.clone());
                    }
                    added.beyond.extend(beyond(earlier, change));
                }
            }
        }
        added.beyond.extend(cuts_off_break_glass(earlier, later, inventory));
        let new = later.credentials.iter().filter(|one| !credentials.contains(one));
        added.credentials = new.cloned().collect();
        let left: BTreeSet<&StepId> = later.unplanned.iter().map(|one| &one.step).collect();
        let is_planned = |one: &&Unplanned| !left.contains(&one.step);
        let planned = earlier.unplanned.iter().filter(is_planned);
        added.planned_at_last = planned.map(|one| one.step.clone()).collect();
        added
    }
}

/// Why a change that was not there before is more than was approved, if it is.
fn beyond(earlier: &Plan, change: &Change) -> Option<String> {
    if !change.only_cuts() {
        return Some(format!("{} would {} for {}", change.id, change.what, change.target));
    }
    is_outside(earlier, change)
        .then(|| format!("{} would cut {}, which is not in the scope", change.id, change.target))
}

/// Whether a change cuts somebody who was not in scope, or something that is nobody's and was not.
fn is_outside(earlier: &Plan, change: &Change) -> bool {
    change.effects.iter().any(|effect| match effect {
        Effect::Cuts { subject, .. } => match (subject.principal(), subject) {
            (Some(principal), _) => !earlier.principals.contains(&principal),
            (None, Subject::Credential { credential }) => !earlier.credentials.contains(credential),
            (None, Subject::Principal { .. }) => true,
        },
        _ => false,
    })
}

/// What is not as it was approved.
fn differs(was: &Change, is: &Change) -> String {
    let told = |change: &Change| {
        format!("{} ({})", change.what, change.irreversible.as_deref().unwrap_or(&change.after))
    };
    if told(was) == told(is) {
        format!(
            "{} would {}, and finds: {}; it was approved for: {}",
            is.id,
            told(is),
            is.before,
            was.before
        )
    } else {
        format!("{} would {}, and what was approved is to {}", is.id, told(is), told(was))
    }
}

/// Whether a change behind the gate is still what was approved.
fn decides_the_same(was: &Change, is: &Change) -> bool {
    (&was.what, &was.before, &was.after, &was.irreversible)
        == (&is.what, &is.before, &is.after, &is.irreversible)
}

/// The changes of the round: those of `earlier`, and what `fresh` adds. Break-glass is cut by none that waits for nobody.
pub(super) fn merge(
    earlier: &Earlier<'_>,
    inventory: &Inventory,
    fresh: Vec<Change>,
) -> Vec<Change> {
    let mut left: Vec<Option<Change>> = fresh
        .into_iter()
        .filter(|change| !is_against_our_own(change, earlier.issued))
        .map(Some)
        .collect();
    // A step may be for everybody there is: what it does to one of them is found without going through the others.
    let about = |change: &Change| (change.step.clone(), change.target.clone());
    let mut done_to: BTreeMap<(StepId, Text), Vec<usize>> = BTreeMap::new();
    for (n, change) in left.iter().flatten().enumerate() {
        done_to.entry(about(change)).or_default().push(n);
    }
    let mut take = |was: &Change, is_it: fn(&Change, &Change) -> bool| {
        let mut of_both = done_to.get(&about(was)).into_iter().flatten().copied();
        let found = of_both.find(|n| left[*n].as_ref().is_some_and(|is| is_it(was, is)));
        found.and_then(|n| left[n].take())
    };
    // Whoever is there unchanged is found first: of two deletions of one user's keys, one may have been done.
    let unchanged: Vec<Option<Change>> =
        earlier.plan.changes.iter().map(|was| take(was, is_unchanged)).collect();
    let mut numbers: BTreeMap<StepId, usize> = BTreeMap::new();
    let mut merged = Vec::with_capacity(unchanged.len());
    for (was, unchanged) in earlier.plan.changes.iter().zip(unchanged) {
        let last = numbers.entry(was.step.clone()).or_default();
        *last = (*last).max(was.id.number());
        merged.push(match unchanged.or_else(|| take(was, is_of_the_same)) {
            Some(is)
                if was.is_gated()
                    && !earlier.cuts_alone
                    && !earlier.begun.contains(&was.id)
                    && !earlier.has_begun_what_it_lifts(was) =>
            {
                Change { id: was.id.clone(), ..is }
            }
            _ => was.clone(),
        });
    }
    for mut change in left.into_iter().flatten() {
        let asked_about = || {
            !change.only_cuts()
                || is_outside(earlier.plan, &change)
                || touches_break_glass(&change, earlier.plan, inventory)
        };
        if earlier.cuts_alone && asked_about() {
            continue;
        }
        let last = numbers.entry(change.step.clone()).or_default();
        *last += 1;
        change.id = ChangeId::of(&change.step, *last);
        merged.push(change);
    }
    merged
}

/// Whether two drafts are of one thing done to one target.
fn is_unchanged(was: &Change, is: &Change) -> bool {
    was.kind == is.kind && was.target == is.target && was.what == is.what
}

/// A change behind the gate is known by its target alone, too, since what it decides may differ.
fn is_of_the_same(was: &Change, is: &Change) -> bool {
    was.kind == is.kind && was.target == is.target && was.is_gated() && is.is_gated()
}

/// Whether a change would cut or delete a key that the case itself has handed out: `keys: all` is all that there were
/// before it did.
fn is_against_our_own(change: &Change, issued: &BTreeSet<AccessKeyId>) -> bool {
    change.effects.iter().any(|effect| match effect {
        Effect::Cuts { subject: Subject::Credential { credential }, .. }
        | Effect::Destroys { credential } => is_our_own(credential, issued),
        _ => false,
    })
}

/// Whether a credential was handed out by the case itself.
pub(super) fn is_our_own(credential: &Credential, issued: &BTreeSet<AccessKeyId>) -> bool {
    matches!(credential, Credential::AccessKey { id, .. } if issued.contains(id))
}

/// The batches of the round: those that were there, and one more for what is new in a step that has any.
pub(super) fn batches(earlier: &Plan, fresh: Vec<Batches>, changes: &[Change]) -> Vec<Batches> {
    let mut all = earlier.batches.clone();
    for batches in fresh {
        if all.iter().all(|known| known.step != batches.step) {
            all.push(Batches { of: Vec::new(), ..batches });
        }
    }
    for batches in &mut all {
        let known: BTreeSet<&ChangeId> = batches.of.iter().flatten().collect();
        let new: Vec<ChangeId> = changes
            .iter()
            .filter(|change| change.step == batches.step && !known.contains(&change.id))
            .map(|change| change.id.clone())
            .collect();
        if !new.is_empty() {
            batches.of.push(new);
        }
    }
    all
}

/// Of what is wrong with targets and steps, what is more than a warning: a step that has planned changes already keeps
/// those, and so does one that is asked by a target. `undecided` are the steps that something is not known of.
pub(super) fn not_forgiven<'s>(
    earlier: &Plan,
    of_targets: Vec<Diagnostic>,
    of_steps: Vec<(StepId, Diagnostic)>,
    undecided: impl Iterator<Item = &'s StepId>,
    warnings: &mut Vec<String>,
) -> Vec<Diagnostic> {
    let planned: BTreeSet<&StepId> = earlier.changes.iter().map(|change| &change.step).collect();
    let mut undecided = undecided;
    let are_planned = undecided.all(|step| planned.contains(step));
    let of_targets = of_targets.into_iter().map(|problem| (are_planned, problem));
    let of_steps = of_steps.into_iter().map(|(step, problem)| (planned.contains(&step), problem));
    let (forgiven, left): (Vec<_>, Vec<_>) =
        of_targets.chain(of_steps).partition(|(is_forgiven, _)| *is_forgiven);
    warnings.extend(
        forgiven
            .into_iter()
            .map(|(_, problem)| format!("what was planned before stays: {}", problem.message)),
    );
    left.into_iter().map(|(_, problem)| problem).collect()
}
