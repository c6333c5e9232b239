//! Whose word lets a credential be: it was found innocent, or somebody answers for it.
//!
//! A word counts by the journal's own time, so that the ledger is the same for whoever reads the case, whenever.

use jiff::Timestamp;

use super::barrier::reached;
use super::{Row, Standing};
use crate::ids::{Arn, Principal};
use crate::journal::{Spoken, State, names, of_one_role};
use crate::plan::{Change, Credential, Effect, Plan};
use crate::playbook::{Mode, Phase};

/// How many different names it takes to clear a credential: in a breach one person may be mistaken, or not be
/// who he seems.
pub fn names_to_clear(plan: &Plan) -> usize {
    match plan.mode {
        Mode::Breach => 2,
        Mode::Planned => 1,
    }
}

/// Who has closed the case, if anybody has: of one that is taken back, since that was begun.
pub fn closed_by<'s>(plan: &Plan, state: &'s State) -> Option<&'s Spoken> {
    let closed = state.closed.as_ref();
    closed.filter(|closed| !plan.is_undo() || state.round_began.is_some_and(|at| at < closed.at))
}

/// Whether enough people found `credential` innocent.
pub fn is_cleared(plan: &Plan, state: &State, credential: &Credential) -> bool {
    let spoken = state.cleared.get(credential);
    spoken.is_some_and(|spoken| names(spoken).len() >= names_to_clear(plan))
}

/// Whether somebody's word lets `credential` be: it is cleared, or waived and the waiver has not run out.
pub fn is_let_off(plan: &Plan, state: &State, credential: &Credential) -> bool {
    let waived = state.waived.get(credential).is_some_and(|w| !has_passed(w.until, state));
    waived || is_cleared(plan, state, credential)
}

/// Who has spoken for `whom`, each for all of his that anybody has spoken for: the one who is found innocent, or let be, is
/// named by them, and nobody else.
pub fn spoken_for_by(plan: &Plan, state: &State, whom: &Principal) -> Vec<Arn> {
    let of_his = |one: &&Credential| one.principal().as_ref() == Some(whom);
    let mut by: Option<Vec<Arn>> = None;
    for credential in plan.credentials.iter().filter(of_his) {
        let cleared = state.cleared.get(credential).into_iter().flatten();
        let waived = state.waived.get(credential).filter(|waiver| !has_passed(waiver.until, state));
        let of_this = names(cleared.chain(waived.map(|waiver| &waiver.spoken)));
        if of_this.is_empty() {
            continue;
        }
        match &mut by {
            Some(by) => by.retain(|one| of_this.contains(one)),
            None => by = Some(of_this),
        }
    }
    by.unwrap_or_default()
}

/// How many people are still to say that whoever `lift` lets in alone may be let in, where the plan asks for approval of
/// what lifts: whoever has spoken for him has approved that, and of nobody else's.
pub fn names_to_let_in(plan: &Plan, state: &State, lift: &Change) -> usize {
    let asked = plan.approvals.get(&Phase::Recover).copied().unwrap_or_default();
    let mut names = state.approved_by(Phase::Recover);
    if let Some(whom) = whom_it_lets_in(lift) {
        let spoken = spoken_for_by(plan, state, &whom);
        names.extend(spoken.into_iter().filter(|one| !names.contains(one)).collect::<Vec<_>>());
    }
    asked.saturating_sub(names.len())
}

/// Whom a change lets in that takes back a cut.
pub fn whom_it_lets_in(lift: &Change) -> Option<Principal> {
    lift.effects.iter().find_map(|effect| match effect {
        Effect::Lifts { subject, .. } => subject.principal(),
        _ => None,
    })
}

/// Whether `credential`, as it was set up at `made`, is another than the one that somebody spoke of before.
pub fn is_another(state: &State, credential: &Credential, made: Option<Timestamp>) -> bool {
    let cleared = state.cleared.get(credential).into_iter().flatten();
    let waived = state.waived.get(credential).map(|waiver| &waiver.spoken);
    let said = cleared.chain(waived).map(|spoken| spoken.at.at).min();
    matches!((made, said), (Some(made), Some(said)) if made > said)
}

/// Whether everything that a cut is for is let be: then it holds nobody up.
pub fn is_spared(plan: &Plan, state: &State, cut: &Change) -> bool {
    if state.cleared.is_empty() && state.waived.is_empty() {
        return false;
    }
    let mut reached = reached(plan, cut).peekable();
    reached.peek().is_some() && reached.all(|credential| is_let_off(plan, state, credential))
}

/// Whether everything that a change cuts, or puts something in the place of, was found innocent: then it is not begun.
/// What was begun is ended: a password may have been set that nobody knows.
pub fn is_idle(plan: &Plan, state: &State, change: &Change) -> bool {
    if state.cleared.is_empty() {
        return false;
    }
    let cleared = |credential| is_cleared(plan, state, credential);
    let mut cut = reached(plan, change).peekable();
    let mut replaced = change.effects.iter().filter_map(replaced_by).peekable();
    if cut.peek().is_some() {
        return cut.all(cleared);
    }
    replaced.peek().is_some() && state.record(&change.id).begun.is_none() && replaced.all(cleared)
}

/// What somebody is given another for.
fn replaced_by(effect: &Effect) -> Option<&Credential> {
    match effect {
        Effect::Issues { replaces, .. } => replaces.as_ref(),
        _ => None,
    }
}

/// Whether an instant has passed by the journal's last entry, so that the ledger is the same for whoever
/// reads the case, whenever.
pub(super) fn has_passed(until: Timestamp, state: &State) -> bool {
    state.last.is_some_and(|last| until <= last)
}

/// What is to be known of `names` that count as several, where nobody but whoever has assumed a role vouches for that.
pub fn shared_role(names: &[Arn]) -> Option<String> {
    of_one_role(names).map(|role| {
        format!("names of sessions of one role, {role}: whoever may assume it chooses them, and it may be one person")
    })
}

/// What was said of a credential and does not count.
pub(super) fn remarks(plan: &Plan, state: &State, credential: &Credential) -> Vec<String> {
    let mut remarks = Vec::new();
    let (spoken, asked) = (state.cleared.get(credential), names_to_clear(plan));
    if let Some(spoken) = spoken
        && names(spoken).len() < asked
    {
        let named: Vec<String> = names(spoken).iter().map(ToString::to_string).collect();
        remarks.push(format!(
            "found innocent by {}, which is {} of the {asked} names it takes: not cleared",
            named.join(" and "),
            named.len()
        ));
    }
    if let Some(role) = spoken.and_then(|spoken| shared_role(&names(spoken))) {
        remarks.push(role);
    }
    if let Credential::AccessKey { id, .. } = credential {
        let places = plan.places_of(id);
        if !places.is_empty() {
            remarks.push(format!("found by others: {}", places.join(", ")));
        }
    }
    if let Some(taken_back) = state.withdrawn.get(credential) {
        let said = &taken_back.said;
        remarks.push(format!("what was said of it was taken back by {}: {}", said.by, said.reason));
    }
    if let Some(waiver) = state.waived.get(credential)
        && has_passed(waiver.until, state)
    {
        remarks.push(format!(
            "the waiver of {} ran out at {}",
            waiver.spoken.said.by,
            waiver.until.strftime("%Y-%m-%d %H:%M UTC")
        ));
    }
    remarks
}

/// The standing that somebody's word gives a row: what is deleted or replaced needs none, and what is blocked needs
/// nobody to answer for it.
pub(super) fn word(plan: &Plan, state: &State, row: &Row) -> Option<Standing> {
    let barriers = match &row.standing {
        Standing::Dead { .. } | Standing::Replaced { .. } => return None,
        Standing::Blocked { by, .. } => by.clone(),
        _ => Vec::new(),
    };
    if is_cleared(plan, state, &row.credential) {
        let spoken = &state.cleared[&row.credential];
        let reason = spoken[0].said.reason.clone();
        return Some(Standing::Cleared { by: names(spoken), reason, barriers });
    }
    let waiver = state.waived.get(&row.credential)?;
    (barriers.is_empty() && !has_passed(waiver.until, state)).then(|| Standing::Waived {
        by: waiver.spoken.said.by.clone(),
        reason: waiver.spoken.said.reason.clone(),
        until: waiver.until,
    })
}
