//! Ways in that people are to open later, and that are open before: who has opened one, as far as it is known.
//!
//! That they were to be opened by somebody is in the plan, and that somebody has opened one is his word. Whether it is open is
//! for whoever looks to say.

use jiff::Timestamp;

use super::barrier::{is_lifted, reached};
use crate::journal::{ChangeState, Said, State};
use crate::plan::{Change, Credential, Effect, Plan, Subject};
use crate::playbook::Proof;

/// A way in that is closed until somebody opens it, whose turn has not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Early<'a> {
    /// What is to open it.
    pub opening: &'a Change,
    /// Who says that he has, and when, where somebody does.
    pub attested: Option<(Timestamp, &'a Said)>,
}

/// Who may have opened early what `cut` has closed: nobody, where no person is to open it, or its turn has come.
pub fn early<'a>(plan: &'a Plan, state: &'a State, cut: &Change) -> Option<Early<'a>> {
    if !cut.is_by_hand() || !cut.cuts() || is_lifted(plan, state, cut) {
        return None;
    }
    reached(plan, cut).find_map(|way_in| of_way_in(plan, state, way_in))
}

/// The same of a way in.
fn of_way_in<'a>(plan: &'a Plan, state: &'a State, way_in: &Credential) -> Option<Early<'a>> {
    if !matches!(way_in, Credential::Manual { .. }) {
        return None;
    }
    let opens =
        |effect: &Effect| matches!(effect, Effect::Lifts { subject, .. } if subject.covers(way_in));
    // Of a case that is taken back nothing else is to come.
    let is_to_come = |change: &&Change| {
        (!plan.is_undo() || change.undoes.is_some())
            && change.effects.iter().any(opens)
            && state.record(&change.id).state != ChangeState::Seen
    };
    // Of two, whose person has spoken.
    plan.changes
        .reaching(way_in)
        .filter(is_to_come)
        .map(|opening| Early { opening, attested: state.record(&opening.id).attested() })
        .max_by_key(|early| early.attested.map(|(at, _)| at))
}

/// The opening of a way in that somebody has attested, and that nothing has let pass: nothing has shown it shut since.
pub(super) fn opened_early<'a>(
    plan: &'a Plan,
    state: &'a State,
    way_in: &Credential,
) -> Option<(&'a Change, &'a Said)> {
    let Early { opening, attested: Some((opened, said)) } = of_way_in(plan, state, way_in)? else {
        return None;
    };
    let closes =
        |effect: &Effect| matches!(effect, Effect::Cuts { subject, .. } if subject.covers(way_in));
    let is_shut_since = plan.changes.reaching(way_in).any(|change| {
        let record = state.record(&change.id);
        let tried = record.proof.as_ref().filter(|proven| proven.proof >= Proof::Settled);
        let closed = tried.and(record.stood).max(record.attested().map(|(at, _)| at));
        change.effects.iter().any(closes)
            && record.state == ChangeState::Seen
            && closed.is_some_and(|closed| opened < closed)
    });
    (!is_shut_since).then_some((opening, said))
}

/// Whose doing it was that a cut was taken off, where he had said so by then: whoever was to open it, before its turn.
pub fn opened_by<'a>(plan: &'a Plan, state: &'a State, cut: &Change) -> Option<&'a Said> {
    let off = state.record(&cut.id).taken_off?.at;
    let effects = cut.effects.iter().filter(|_| cut.is_by_hand());
    let subjects = effects.filter_map(|effect| match effect {
        Effect::Cuts { subject, .. } => Some(subject),
        _ => None,
    });
    subjects.into_iter().find_map(|of: &Subject| {
        let opens = |change: &&Change| {
            let lifts =
                |effect: &Effect| matches!(effect, Effect::Lifts { subject, .. } if subject == of);
            change.effects.iter().any(lifts)
        };
        let said = plan
            .changes
            .about(of)
            .filter(opens)
            .flat_map(|change| state.record(&change.id).words());
        said.filter(|(at, _)| *at <= off).last().map(|(_, said)| said)
    })
}
