//! What comes before what: the needs that the playbook states and those that planning adds, and an order that respects
//! phases and needs, and otherwise the playbook.

use std::collections::{BTreeMap, BTreeSet};

use super::minting::Minting;
use crate::diagnostic::{Code, Diagnostic};
use crate::ids::{ChangeId, Principal, StepId};
use crate::lookup::Lookup;
use crate::plan::{Barrier, Change, Credential, Effect, Need, Subject};
use crate::playbook::{Phase, Playbook, Proof};

/// Sorts `changes`. Fails with the changes that wait for each other: the playbook's own needs form no
/// cycle, but with the needs that planning adds (a second pass waits for whatever stops minting) they may.
pub(super) fn sort(changes: &mut [Change]) -> Result<(), Vec<ChangeId>> {
    // As a rule they are, and sorting would make room for half of them first.
    if !changes.is_sorted_by_key(|change| change.phase) {
        changes.sort_by_key(|change| change.phase);
    }
    let numbers: Lookup<&ChangeId, usize> =
        changes.iter().enumerate().map(|(n, change)| (&change.id, n)).collect();
    let mut awaited_by: Vec<Vec<usize>> = vec![Vec::new(); changes.len()];
    let mut waits_for: Vec<usize> = vec![0; changes.len()];
    for (n, change) in changes.iter().enumerate() {
        let first: BTreeSet<&ChangeId> = change.needs.iter().map(|need| &need.change).collect();
        waits_for[n] = first.len();
        for other in first.into_iter().filter_map(|id| numbers.get(id)) {
            awaited_by[*other].push(n);
        }
    }
    let mut ready: BTreeSet<usize> = (0..changes.len()).filter(|n| waits_for[*n] == 0).collect();
    let mut order: Vec<usize> = Vec::with_capacity(changes.len());
    let mut placed = vec![false; changes.len()];
    // The first that is not placed yet: no phase begins before the one before it is through.
    let mut first = 0;
    while let Some(next) = ready.first().copied() {
        while placed[first] {
            first += 1;
        }
        if changes[next].phase != changes[first].phase {
            break;
        }
        ready.remove(&next);
        placed[next] = true;
        order.push(next);
        for later in &awaited_by[next] {
            waits_for[*later] -= 1;
            if waits_for[*later] == 0 {
                ready.insert(*later);
            }
        }
    }
    if order.len() < changes.len() {
        let stuck = changes.iter().zip(&placed).filter(|(_, placed)| !**placed);
        return Err(stuck.map(|(change, _)| change.id.clone()).collect());
    }
    let mut place = vec![0; changes.len()];
    for (at, n) in order.into_iter().enumerate() {
        place[n] = at;
    }
    // In place: a second list of all changes would be as large as the first.
    for n in 0..changes.len() {
        while place[n] != n {
            let at = place[n];
            changes.swap(n, at);
            place.swap(n, at);
        }
    }
    Ok(())
}

pub(super) fn cycle(playbook: &Playbook, waiting: &[ChangeId]) -> Diagnostic {
    let ids: Vec<&str> = waiting.iter().map(ChangeId::as_str).collect();
    let message = format!("these changes wait for each other: {}", ids.join(", "));
    let help = "a session's second cut waits for every key, password and quarantine of its user, and of whoever can assume \
                its role; take `needs` off the steps that cut those, or put the steps that wait for the second cut \
                into the same phase";
    let problem = Diagnostic::error(Code::Cycle, message).help(help);
    match waiting.first().and_then(|id| playbook.step(&id.step())) {
        Some(step) => problem.at(step.place.clone(), "among them this step"),
        None => problem,
    }
}

/// The most pairs of changes of which one waits for the other, by what steps need.
const MOST_NEEDS: usize = 2_000_000;

/// Every change of a step waits for every change of the steps it needs. Where both are taken for long lists, that
/// is more than anybody can read, or keep.
pub(super) fn too_many_needs(playbook: &Playbook, changes: &[Change]) -> Vec<Diagnostic> {
    let mut of_steps: BTreeMap<&StepId, usize> = BTreeMap::new();
    for change in changes {
        *of_steps.entry(&change.step).or_default() += 1;
    }
    let mut problems = Vec::new();
    for step in &playbook.steps {
        let count = |id: &StepId| of_steps.get(id).copied().unwrap_or(0);
        let first: usize = step.needs.iter().map(count).sum();
        if count(&step.id).saturating_mul(first) > MOST_NEEDS {
            let message = format!(
                "each of the {} changes of step `{}` would wait for each of {first} others",
                count(&step.id),
                step.id
            );
            problems.push(
                Diagnostic::error(Code::TooLarge, message).at(step.place.clone(), "this step").help(
                    "leave `needs` out where a phase orders the steps already, or split the playbook",
                ),
            );
        }
    }
    problems
}

/// A second pass over sessions comes in the phase of the last of what it waits for: a password that is deleted in
/// `eradicate` mints sessions until then.
pub(super) fn postpone(changes: &mut [Change], minting: &Minting) {
    let late = changes.iter().filter(|change| change.phase == Phase::Eradicate);
    let mut late: BTreeSet<ChangeId> = late.map(|change| change.id.clone()).collect();
    // Second passes wait for each other, too: until no more of them are late.
    let mut more = !late.is_empty();
    while std::mem::take(&mut more) {
        for (of, pass) in minting.second_passes() {
            let waits = minting.first(of).into_iter().any(|id| late.contains(id));
            more |= waits && late.insert(pass.clone());
        }
    }
    for change in changes.iter_mut().filter(|change| late.contains(&change.id)) {
        change.phase = Phase::Eradicate;
    }
}

/// Says of every change what comes first: what its step needs, and, for the second pass over sessions,
/// the proof that whatever could mint new ones is cut.
pub(super) fn connect(
    playbook: &Playbook,
    changes: &mut [Change],
    minting: &Minting,
    provable: impl Fn(&Change) -> Proof,
) {
    let mut of_steps: BTreeMap<StepId, Vec<ChangeId>> = BTreeMap::new();
    let mut made_anew: BTreeMap<Principal, Vec<ChangeId>> = BTreeMap::new();
    let mut first_passes: BTreeMap<(StepId, Subject), ChangeId> = BTreeMap::new();
    let mut proofs: Lookup<ChangeId, Proof> = Lookup::default();
    for change in changes.iter() {
        of_steps.entry(change.step.clone()).or_default().push(change.id.clone());
        proofs.insert(change.id.clone(), provable(change));
        for effect in &change.effects {
            if let Effect::Issues { user, replaces: Some(Credential::Password { .. }) } = effect {
                let principal = Principal::User(user.clone());
                made_anew.entry(principal).or_default().push(change.id.clone());
            }
            if let Effect::Cuts { subject, barrier: Barrier::SessionsFirstPass } = effect {
                let of = (change.step.clone(), subject.clone());
                first_passes.entry(of).or_insert_with(|| change.id.clone());
            }
        }
    }
    let passes: BTreeSet<&ChangeId> = minting.second_passes().map(|(_, pass)| pass).collect();
    for change in changes {
        let step = playbook.step(&change.step).expect("changes come from steps");
        let stops = change.effects.iter().any(Effect::stops_minting);
        let first = step.needs.iter().filter_map(|step| of_steps.get(step)).flatten();
        let mut needs: Vec<Need> = first
            // Whatever stops minting cannot wait for the pass that waits for it.
            .filter(|id| !(stops && passes.contains(id)))
            .map(|id| Need { change: id.clone(), proof: Proof::ReadBack })
            .collect();
        for effect in &change.effects {
            let proven = |id: &ChangeId| Need {
                change: id.clone(),
                proof: *proofs.get(id).expect("of every change"),
            };
            match effect {
                Effect::Cuts { subject, barrier: Barrier::SessionsSecondPass } => {
                    let Some(principal) = subject.principal() else { continue };
                    let first = minting.first(&principal);
                    // Nothing is cut that mints: then it comes behind the first pass, and is no second of it.
                    let pass = first_passes.get(&(change.step.clone(), subject.clone()));
                    needs.extend(
                        pass.filter(|_| first.is_empty())
                            .map(|pass| Need { change: pass.clone(), proof: Proof::ReadBack }),
                    );
                    needs.extend(first.into_iter().map(proven));
                }
                // A new password, too, is read before it counts: lifted at once, the old one would still let in.
                Effect::Lifts { subject, .. } => {
                    let first = subject.principal().and_then(|of| made_anew.get(&of));
                    needs.extend(first.into_iter().flatten().map(proven));
                }
                _ => {}
            }
        }
        change.needs = needs;
    }
}
