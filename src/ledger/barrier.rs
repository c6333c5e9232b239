//! What stands in the way of a credential: of the cuts that were seen, those that nothing has lifted again.
//!
//! The gate and the ledger both ask here, so that they cannot disagree.

use std::collections::BTreeMap;

use crate::ids::Principal;
use crate::journal::{ChangeRecord, ChangeState, Moment, State};
use crate::plan::{Barrier, Change, Credential, Effect, Plan, Subject};
use crate::playbook::Proof;

/// The credentials that a cut is for: of those in the plan, all that it reaches.
pub fn reached<'a>(plan: &'a Plan, cut: &'a Change) -> impl Iterator<Item = &'a Credential> {
    cut.effects.iter().flat_map(|effect| {
        let subject = match effect {
            Effect::Cuts { subject, .. } => Some(subject),
            _ => None,
        };
        subject.into_iter().flat_map(|subject| {
            let roles = plan.roles.about(subject).map(|reach| &reach.sessions);
            let held = plan.credentials.about(subject);
            held.chain(roles).filter(|credential| subject.covers(credential))
        })
    })
}

/// Changes that are seen in the world.
pub(super) fn seen<'a>(plan: &'a Plan, state: &'a State) -> impl Iterator<Item = &'a Change> {
    plan.changes.iter().filter(|change| is_seen(change, state))
}

pub(super) fn is_seen(change: &Change, state: &State) -> bool {
    state.record(&change.id).state == ChangeState::Seen
}

/// The barriers that stand in the way of `credential`, each with the change that put it there: of the
/// cuts that were seen, those that no change seen has lifted again.
pub fn barriers<'a>(
    plan: &'a Plan,
    state: &State,
    credential: &Credential,
) -> BTreeMap<Barrier, &'a Change> {
    let mut standing: BTreeMap<Barrier, &Change> = BTreeMap::new();
    for change in plan.changes.reaching(credential) {
        for effect in &change.effects {
            if let Effect::Cuts { subject, barrier } = effect
                && subject.covers(credential)
                && state.record(&change.id).state == ChangeState::Seen
                && !is_lifted(plan, state, change)
            {
                standing.insert(*barrier, change);
            }
        }
    }
    // Whoever was denied twice was denied once more than needed: only the later pass speaks.
    if standing.contains_key(&Barrier::SessionsSecondPass) {
        standing.remove(&Barrier::SessionsFirstPass);
    }
    standing
}

/// When a lift was last begun: from its first call on the barrier may be off. What a person is to open stays closed
/// until that person says that it is open; where he said so early, it counts from when it was let pass.
pub fn lift_begun(change: &Change, record: &ChangeRecord) -> Option<Moment> {
    let by_a_person = change
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::Lifts { barrier: Barrier::Attested, .. }));
    if by_a_person {
        record.begun.or(record.seen).filter(|_| record.attested().is_some())
    } else {
        record.begun
    }
}

/// Whether the barrier that `cut` has put on was taken off since: a lift has begun after it.
pub fn is_lifted(plan: &Plan, state: &State, cut: &Change) -> bool {
    lifts_of(plan, state, cut).next().is_some()
}

/// The lifts that have taken the barrier off since that `cut` has put on, and when each was begun.
fn lifts_of<'a>(
    plan: &'a Plan,
    state: &State,
    cut: &'a Change,
) -> impl Iterator<Item = (&'a Change, Moment)> {
    let cut_begun = state.record(&cut.id).begun;
    let put_on = cut.effects.iter().filter_map(|effect| match effect {
        Effect::Cuts { subject, barrier } => Some((subject, *barrier)),
        _ => None,
    });
    put_on.flat_map(move |(subject, barrier)| {
        plan.changes.about(subject).filter_map(move |change| {
            let lifts = |effect: &Effect| {
                matches!(effect, Effect::Lifts { subject: of, barrier: lifted }
                    if *lifted == barrier && of == subject)
            };
            let begun = lift_begun(change, state.record(&change.id))?;
            let is_later = cut_begun.is_none_or(|cut| cut <= begun);
            (is_later && change.effects.iter().any(lifts)).then_some((change, begun))
        })
    })
}

/// Whether `credential` was kept out by something else, proven at least as surely as `asked`, until the plan itself took that off
/// again, and `cut` was seen by then. What an undo lifts, or somebody else takes off, is none of that.
pub fn was_kept_out_meanwhile(
    plan: &Plan,
    state: &State,
    cut: &Change,
    credential: &Credential,
    asked: Proof,
) -> bool {
    let own = state.record(&cut.id);
    let Some(stood) = own.seen.max(own.begun) else { return false };
    plan.changes.reaching(credential).filter(|by| by.keeps_out(credential)).any(|by| {
        let Some(proven) = state.record(&by.id).proof.as_ref().filter(|_| is_seen(by, state))
        else {
            return false;
        };
        let mut lifts = lifts_of(plan, state, by).peekable();
        proven.proof >= asked
            && lifts.peek().is_some()
            && lifts
                .all(|(lift, begun)| lift.undoes.is_none() && proven.since < begun && stood < begun)
    })
}

/// Whoever is quarantined and has not been let in again: nothing that works as he does works now.
pub fn quarantined(plan: &Plan, state: &State) -> Vec<Principal> {
    let quarantines = |effect: &Effect| match effect {
        Effect::Cuts {
            subject: Subject::Principal { principal },
            barrier: Barrier::Quarantine,
        } => Some(principal.clone()),
        _ => None,
    };
    let cut = seen(plan, state).filter_map(|change| {
        let who = change.effects.iter().find_map(quarantines)?;
        (!is_lifted(plan, state, change)).then_some(who)
    });
    let mut found: Vec<Principal> = cut.collect();
    found.sort();
    found.dedup();
    found
}
