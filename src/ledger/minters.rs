//! Whoever mints sessions, and whether he is stopped: what a second pass over sessions stands behind.
//!
//! One barrier that was seen to refuse somebody is enough, whichever cut put it there; that another cut of his was refused
//! keeps no session in. Where nothing stops him the pass is made all the same, and what he mints behind it is nobody's to
//! call cut: the run and the ledger ask here, so that they cannot disagree.

use super::barrier::{barriers, is_lifted, is_seen, reached};
use super::word::{is_cleared, is_let_off};
use crate::journal::{Moment, State};
use crate::plan::{Barrier, Change, Credential, Need, Plan};

/// Whether a second pass need not wait for a cut that it comes behind: whatever that is to keep from minting is kept from it
/// by something else, proven as surely before `until`; or somebody's word lets it be.
pub fn is_stopped_otherwise(
    plan: &Plan,
    state: &State,
    needed: &Need,
    until: Option<Moment>,
) -> bool {
    let Some(cut) = plan.change(&needed.change) else { return false };
    let mut minters = minters(plan, cut).peekable();
    minters.peek().is_some()
        && minters.all(|one| {
            // What was minted before somebody answered for it is nobody's to answer for.
            let said_since = state.waived.get(one).is_some_and(|waiver| {
                until.is_some_and(|until| waiver.since > until) && !is_cleared(plan, state, one)
            });
            is_let_be(plan, state, one) && !said_since
                || barriers(plan, state, one).into_iter().any(|(barrier, by)| {
                    barrier.stops_minting()
                        && state.record(&by.id).proof.as_ref().is_some_and(|proven| {
                            proven.proof >= needed.proof
                                && until.is_none_or(|until| proven.since < until)
                        })
                })
        })
}

/// What can mint sessions that `pass` does not deny, with the cut that was to stop it and is not there.
pub fn left_minting<'p>(
    plan: &'p Plan,
    state: &State,
    pass: &'p Change,
) -> Vec<(&'p Change, &'p Credential)> {
    let mut left: Vec<(&Change, &Credential)> = Vec::new();
    for cut in pass.comes_behind().filter_map(|need| plan.change(&need.change)) {
        if is_seen(cut, state) || is_lifted(plan, state, cut) {
            continue;
        }
        for one in minters(plan, cut) {
            let stops = |barrier: &Barrier| {
                barrier.stops_minting() || *barrier == Barrier::SessionsSecondPass
            };
            if !is_let_be(plan, state, one)
                && !barriers(plan, state, one).keys().any(stops)
                && left.iter().all(|(_, known)| *known != one)
            {
                left.push((cut, one));
            }
        }
    }
    left
}

/// What `cut` is to keep from minting.
fn minters<'p>(plan: &'p Plan, cut: &'p Change) -> impl Iterator<Item = &'p Credential> {
    reached(plan, cut).filter(|credential| credential.mints())
}

fn is_let_be(plan: &Plan, state: &State, credential: &Credential) -> bool {
    plan.trust_in(credential).is_some() || is_let_off(plan, state, credential)
}
