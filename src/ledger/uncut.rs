//! What keeps the gate shut because nothing keeps it out, and nobody has answered for.
//!
//! The gate says it row by row, and whoever tells what to type next names the same rows: both ask here.

use std::collections::BTreeSet;

use super::barrier::{barriers, is_lifted, lift_begun};
use super::let_in::is_let_in_for_good;
use super::word::{is_let_off, is_spared};
use crate::ids::ChangeId;
use crate::journal::{ChangeState, CutOff, State};
use crate::plan::{Change, Credential, Effect, Plan};

/// Credentials that nothing cuts, of those that the plan knows and of those that a look has found since. That what is to
/// cut one is not made yet is another matter, and told of the cut.
pub fn uncut<'a>(plan: &'a Plan, state: &'a State) -> impl Iterator<Item = &'a Credential> {
    let to_be_made = |change: &&Change| {
        change.cuts()
            && state.record(&change.id).state != ChangeState::Seen
            && !is_lifted(plan, state, change)
            && !is_spared(plan, state, change)
    };
    let to_be_made: BTreeSet<&ChangeId> =
        plan.changes.iter().filter(to_be_made).map(|change| &change.id).collect();
    // What a look has found is held against it before any plan knows of it. An undo takes cuts back.
    let came: &[Credential] = if plan.is_undo() { &[] } else { &state.came };
    let came = came.iter().filter(|one| !plan.credentials.contains(one));
    plan.credentials.iter().chain(came).filter(move |credential| {
        // A value that is known cannot be cut. Where a step seals its secret, the seal is among the cuts.
        if matches!(credential, Credential::SecretValue { .. }) {
            return false;
        }
        let covered = barriers(plan, state, credential).keys().any(|barrier| barrier.blocks())
            || is_gone_or_lifted(plan, state, credential)
            || plan.trust_in(credential).is_some()
            || is_let_off(plan, state, credential);
        let is_told = || {
            let mut reaching = plan.changes.reaching(credential);
            reaching.any(|cut| to_be_made.contains(&cut.id) && cut.keeps_out(credential))
        };
        !covered && !is_told()
    })
}

/// Cuts of earlier cases that stand no more, but for those of which somebody's word lets be all that they kept out.
pub fn off_before<'a>(plan: &'a Plan, state: &'a State) -> impl Iterator<Item = &'a CutOff> {
    let off = state.before.iter().filter(|_| !plan.is_undo()).flat_map(|before| &before.off);
    off.filter(|cut| {
        cut.credentials.is_empty()
            || cut.credentials.iter().any(|one| !is_let_off(plan, state, one))
    })
}

/// All that somebody must answer for, or have cut, before the gate can open.
pub fn to_answer_for(plan: &Plan, state: &State) -> BTreeSet<Credential> {
    let kept_out = off_before(plan, state).flat_map(|cut| &cut.credentials);
    let kept_out = kept_out.filter(|one| !is_let_off(plan, state, one));
    uncut(plan, state).chain(kept_out).cloned().collect()
}

/// Whether a credential was not there when the case was begun, nor when whoever lifts was asked. Sessions are nobody's
/// to count: they are held back by when they were issued.
pub fn has_come_since(plan: &Plan, state: &State, credential: &Credential) -> bool {
    matches!(credential, Credential::Admission { .. })
        || plan.came.binary_search(credential).is_ok()
        || state.came.contains(credential)
}

/// Whether a credential that no barrier covers any more was destroyed, has ended by itself, or was let in by a lift for what
/// still holds. A lift that stood on somebody's word is none once that holds no more.
fn is_gone_or_lifted(plan: &Plan, state: &State, credential: &Credential) -> bool {
    plan.changes.reaching(credential).any(|change| {
        let record = || state.record(&change.id);
        change.effects.iter().any(|effect| match effect {
            Effect::Destroys { credential: gone } => gone == credential && record().attempts > 0,
            // What has come since is let in by no lift that was allowed before.
            Effect::Lifts { subject, barrier } => {
                !has_come_since(plan, state, credential)
                    && subject.covers(credential)
                    && record().attempts > 0
                    && lift_begun(change, record()).is_some()
                    && (barrier.is_of_sessions() || holds(plan, state, change, credential))
            }
            _ => false,
        })
    })
}

/// Whether what allowed a lift that is no deny's of sessions holds, whatever anybody's word is worth by now: an undo opens no
/// gate.
fn holds(plan: &Plan, state: &State, lift: &Change, credential: &Credential) -> bool {
    plan.is_undo() || lift.undoes.is_none() && is_let_in_for_good(plan, state, credential)
}
