//! Who is in again though he was cut, and by whose doing: a lift that stood on somebody's word lets in for as long as that holds.
//!
//! The gate, the row and whoever tells what to type next ask here, so that they cannot disagree.

use std::collections::BTreeMap;
use std::fmt;

use super::barrier::{barriers, is_lifted, is_seen, lift_begun};
use super::row::issued_by;
use super::word::{has_passed, is_let_off};
use super::{Row, Standing, is_dead};
use crate::ids::{ChangeId, Principal};
use crate::journal::State;
use crate::plan::{Barrier, Change, Credential, Effect, Plan, Subject};
use crate::playbook::Proof;

/// What has let somebody in, on a word that holds no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetIn {
    /// The lift.
    pub by: ChangeId,
    /// Whose word it was, and what became of that.
    word: String,
}

impl fmt::Display for LetIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by {}, {}", self.by, self.word)
    }
}

/// What has taken off what kept `credential` out, where nothing but somebody's word allowed that, and that holds no more.
pub fn on_a_word_no_more(plan: &Plan, state: &State, credential: &Credential) -> Option<LetIn> {
    let is_in = || {
        !barriers(plan, state, credential).keys().any(|barrier| barrier.blocks())
            && !is_let_off(plan, state, credential)
            && plan.trust_in(credential).is_none()
            && !is_let_in_for_good(plan, state, credential)
    };
    let lift = plan.changes.reaching(credential).find(|change| {
        change.effects.iter().any(|effect| {
            matches!(effect, Effect::Lifts { subject, barrier }
                if barrier.blocks() && !barrier.is_of_sessions() && subject.covers(credential))
        }) && lift_begun(change, state.record(&change.id)).is_some()
    })?;
    if !is_in() {
        return None;
    }
    let waiver = state.waived.get(credential).filter(|waiver| has_passed(waiver.until, state));
    let word = if let Some(waiver) = waiver {
        format!(
            "for which {} answered until {}",
            waiver.spoken.said.by,
            waiver.until.strftime("%Y-%m-%d %H:%M UTC")
        )
    } else if state.withdrawn.contains_key(credential) {
        "on a word that was taken back since".to_owned()
    } else if lift.undoes.is_some() {
        // Whoever gave it is heard no more.
        "on a word that counts no more".to_owned()
    } else {
        // A step lifts behind cuts as well, and one of them came off.
        return None;
    };
    Some(LetIn { by: lift.id.clone(), word })
}

/// Whether nothing proves the end of what `row` is of as surely as the gate asks, since whoever has it is let in alone: what could
/// be tried was the cut that came off. It holds the case up until somebody's word lets it be.
pub fn waits_for_a_word(plan: &Plan, state: &State, row: &Row) -> bool {
    let whom = row.credential.principal();
    let proof = row.proof.as_ref().map_or(Proof::ReadBack, |shown| shown.proof);
    matches!(row.standing, Standing::Dead { .. })
        && whom.is_some_and(|whom| plan.lets_in.contains(&whom))
        && matches!(row.credential, Credential::Password { .. })
        && proof < plan.gate.proof
        && !is_let_off(plan, state, &row.credential)
}

/// Whether a step of the playbook that lifts may let `credential` be for a reason that no time takes away: whatever could be
/// used at a way in is cut by itself, a gap was accepted when the case was planned, and what this case has issued is nobody
/// else's. A word is none of them, nor what blocks it besides: those are asked about anew.
pub(super) fn is_let_in_for_good(plan: &Plan, state: &State, credential: &Credential) -> bool {
    match credential {
        Credential::Manual { .. } => true,
        Credential::Unlisted { operation, .. } => plan.accepted_gaps.contains(operation),
        _ => plan.changes.reaching(credential).any(|change| {
            is_seen(change, state)
                && issued_by(change, state).iter().any(|new| new.credential == *credential)
        }),
    }
}

/// What mints sessions that a deny of older ones does not reach, where nothing else keeps them out.
pub(super) fn mints_anew<'a>(
    plan: &'a Plan,
    state: &'a State,
    sessions: &Credential,
    standing: &BTreeMap<Barrier, &Change>,
) -> Option<&'a Credential> {
    let Credential::Sessions { user } = sessions else { return None };
    if !standing.keys().all(|barrier| barrier.is_of_sessions()) {
        return None;
    }
    let mints = |one: &&Credential| {
        matches!(one, Credential::AccessKey { .. } | Credential::Password { .. })
            && one.user() == Some(user)
    };
    let is_let_in = |one: &&Credential| {
        !barriers(plan, state, one).keys().any(|barrier| barrier.blocks())
            && plan.changes.reaching(one).any(|cut| {
                state.record(&cut.id).contested && cut.cuts() && !is_lifted(plan, state, cut)
            })
            && !is_let_off(plan, state, one)
            && plan.trust_in(one).is_none()
    };
    let held = Subject::Principal { principal: Principal::User(user.clone()) };
    plan.credentials.about(&held).filter(mints).find(is_let_in)
}

/// The change of an undo that took the quarantine off whoever has these sessions, where nobody's word for them stands:
/// whomever a role admits mints new ones, and a user by what nothing keeps out any more.
pub(super) fn let_in_by_undo<'a>(
    plan: &'a Plan,
    state: &State,
    sessions: &Credential,
) -> Option<&'a Change> {
    if !matches!(sessions, Credential::RoleSessions { .. } | Credential::Sessions { .. }) {
        return None;
    }
    // Most plans have none: nothing else is asked of them.
    let lift = plan.changes.reaching(sessions).find(|change| {
        let lifts = |effect: &Effect| {
            matches!(effect, Effect::Lifts { subject, barrier: Barrier::Quarantine }
                if subject.covers(sessions))
        };
        change.undoes.is_some()
            && change.effects.iter().any(lifts)
            && lift_begun(change, state.record(&change.id)).is_some()
    })?;
    if is_let_off(plan, state, sessions) || plan.trust_in(sessions).is_some() {
        return None;
    }
    let mints = |one: &Credential| {
        matches!(one, Credential::AccessKey { .. } | Credential::Password { .. })
            && !barriers(plan, state, one).keys().any(|barrier| barrier.blocks())
            && !is_let_off(plan, state, one)
            && plan.trust_in(one).is_none()
            && !is_dead(plan, state, one)
    };
    if let Credential::Sessions { user } = sessions {
        let held = Subject::Principal { principal: Principal::User(user.clone()) };
        if !plan.credentials.about(&held).any(mints) {
            return None;
        }
    }
    Some(lift)
}

/// Why a way in that an undo has opened again is nobody's to answer for any more. Behind a gate a way in is opened to whom
/// every credential is cut; an undo opens it because somebody speaks for it, and a waiver does for a time.
pub(super) fn opened_on_a_word_that_ran_out(
    plan: &Plan,
    state: &State,
    opened: &Change,
    way_in: &Credential,
) -> Option<String> {
    let waiver = state.waived.get(way_in).filter(|_| opened.undoes.is_some())?;
    (!is_let_off(plan, state, way_in)).then(|| {
        format!(
            "opened again by {}, for which {} answered until {}, and nobody does since: close it, clear it, or answer for it \
             anew",
            opened.id,
            waiver.spoken.said.by,
            waiver.until.strftime("%Y-%m-%d %H:%M UTC")
        )
    })
}
