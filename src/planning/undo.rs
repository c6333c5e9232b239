//! Taking back what a case has done: a plan of its own, on top of the one that was carried out.
//!
//! Of every cut that was made, and that nothing has lifted since, its action says what takes it back. Those changes are
//! all that the plan does; the ones before it stay in it, so that the journal goes on speaking of them. Nothing is
//! surveyed for it: what stood there before a cut, only the plan of the cut knows any more. Where the world has moved
//! since, the action sees it and a person is called. What was found cut already, nobody has cut, and it stays.
//!
//! Whether a cut may be taken back is the executor's to say, from the journal: what is compromised is not opened again.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::{Inverse, catalog};
use crate::ids::{ChangeId, Principal, StepId};
use crate::inventory::{Answers, Inventory};
use crate::plan::{Change, Credential, Effect, Plan, Round, SavedPlan, Subject, Texts, Untouched};
use crate::playbook::Phase;

use super::draft::Whence;
use super::{estimate, permissions};

/// The plan that takes the cuts `undoes` back, as the next round of the case; `begun` are all changes that were. Where it
/// lets in some alone, in `lets_in`, the case goes on for all others.
pub fn take_back(
    earlier: &SavedPlan,
    begun: BTreeSet<ChangeId>,
    undoes: BTreeSet<ChangeId>,
    lets_in: BTreeSet<Principal>,
) -> SavedPlan {
    let plan = plan(&earlier.plan, &earlier.inventory, &begun, &undoes, &lets_in);
    let round = Round {
        number: earlier.number() + 1,
        earlier: earlier.digest(),
        begun,
        issued: BTreeSet::new(),
        canaries: BTreeMap::new(),
        seen_off: BTreeSet::new(),
        as_found: Answers::default(),
        workers: BTreeSet::new(),
        cuts_alone: false,
        undoes,
        lets_in,
    };
    SavedPlan { plan, round: Some(round), ..earlier.clone() }
}

/// Pure: the same plan for the same five.
pub(super) fn plan(
    earlier: &Plan,
    inventory: &Inventory,
    begun: &BTreeSet<ChangeId>,
    undoes: &BTreeSet<ChangeId>,
    lets_in: &BTreeSet<Principal>,
) -> Plan {
    let mut texts = Texts::default();
    let mut numbers: BTreeMap<StepId, usize> = BTreeMap::new();
    for change in &earlier.changes {
        let last = numbers.entry(change.step.clone()).or_default();
        *last = (*last).max(change.id.number());
    }
    let mut inverses = Vec::new();
    // What was done last is taken back first.
    for cut in earlier.changes.iter().rev().filter(|change| undoes.contains(&change.id)) {
        let Some(inverse) = catalog::of(cut).inverse(&cut.decided) else { continue };
        let number = numbers.entry(cut.step.clone()).or_default();
        *number += 1;
        inverses.push(change(cut, *number, inverse, &mut texts));
    }
    let asked = permissions::Asked::about(&inverses, inventory);
    permissions::tell(&mut inverses, &asked, inventory, &mut texts);
    let mut plan = earlier.clone();
    // Whoever was let in before is taken back with all.
    let mut whom = lets_in.clone();
    if !whom.is_empty() {
        whom.extend(earlier.lets_in.iter().cloned());
    }
    plan.lets_in = whom.into_iter().collect();
    plan.changes = inverses.clone().into();
    // What cuts would be tried on: here nothing is cut.
    plan.canary = None;
    plan.estimate = estimate::estimate(&plan, None);
    plan.untouched = left(earlier, begun, undoes, lets_in);
    // One that lets somebody in goes on for all others, and to the same end.
    if plan.lets_in.is_empty() {
        plan.waits.clear();
        plan.at_best.clear();
        plan.unplanned.clear();
    }
    plan.warnings = vec![
        "whatever is opened again works for whoever has it: a cut comes off only where all that it keeps out is cleared, \
         waived, trusted, replaced or dead; for the rest a person is called"
            .to_owned(),
    ];
    plan.changes = earlier.changes.iter().cloned().chain(inverses).collect();
    plan
}

fn change(cut: &Change, number: usize, inverse: Inverse, texts: &mut Texts) -> Change {
    let Inverse { kind, draft, decided } = inverse;
    let about = catalog::find(&kind).expect("an inverse is of the catalog").about();
    let of = Whence {
        id: ChangeId::of(&cut.step, number),
        step: cut.step.clone(),
        file: cut.file.clone(),
        line: cut.line,
        phase: Phase::Recover,
        kind,
    };
    Change { undoes: Some(cut.id.clone()), ..of.drafted(&about, draft, decided, texts) }
}

/// What was done and is not taken back, and why not.
fn left(
    earlier: &Plan,
    begun: &BTreeSet<ChangeId>,
    undoes: &BTreeSet<ChangeId>,
    lets_in: &BTreeSet<Principal>,
) -> Vec<Untouched> {
    // Where some are let in alone, what was cut of others may stand or not: this does nothing about it.
    let is_of_others = |change: &Change| {
        let cut = change.effects.iter().filter_map(|effect| match effect {
            Effect::Cuts { subject, .. } => Some(subject.principal()),
            _ => None,
        });
        !lets_in.is_empty() && !cut.flatten().any(|whom| lets_in.contains(&whom))
    };
    // Two cuts may be taken back by one change.
    let covered: BTreeSet<_> = earlier
        .changes
        .iter()
        .filter(|change| undoes.contains(&change.id))
        .filter_map(|cut| catalog::of(cut).inverse(&cut.decided))
        .flat_map(|inverse| inverse.draft.effects)
        .map(|effect| serde_json::to_string(&effect).expect("plain data"))
        .collect();
    let is_covered = |change: &Change| {
        change.effects.iter().any(|effect| match effect {
            Effect::Cuts { subject, barrier } => {
                let lift = Effect::Lifts { subject: subject.clone(), barrier: *barrier };
                covered.contains(&serde_json::to_string(&lift).expect("plain data"))
            }
            _ => false,
        })
    };
    let destroyed_by = |credential: &Credential| {
        earlier.changes.reaching(credential).find(|change| {
            let destroys = |effect: &Effect| {
                matches!(effect, Effect::Destroys { credential: gone } if gone == credential)
            };
            begun.contains(&change.id) && change.effects.iter().any(destroys)
        })
    };
    let deleted_by = |cut: &Change| {
        cut.effects.iter().find_map(|effect| match effect {
            Effect::Cuts { subject: Subject::Credential { credential }, .. } => {
                destroyed_by(credential).map(|change| &change.id)
            }
            _ => None,
        })
    };
    let left = earlier.changes.iter().filter(|change| {
        begun.contains(&change.id) && !undoes.contains(&change.id) && !is_covered(change)
    });
    left.map(|change| Untouched {
        what: format!("{}, {}: {}", change.id, change.target, change.what),
        why: match (&change.irreversible, change.cuts()) {
            (Some(irreversible), _) => irreversible.to_string(),
            (None, true) if change.already => "it was so before the case".to_owned(),
            (None, true) if is_of_others(change) => "it is of nobody whom this lets in".to_owned(),
            (None, true)
                if change.is_by_hand() && catalog::of(change).inverse(&change.decided).is_none() =>
            {
                format!(
                    "it was shut before the case ({}), and stays so; what people have closed there besides is theirs to open",
                    change.before
                )
            }
            (None, true) if change.is_by_hand() => {
                "nobody has attested that it is closed, or it was opened again: there is nothing to take back".to_owned()
            }
            (None, true) => match deleted_by(change) {
                Some(by) => format!("{by} has deleted it: there is nothing left that could work"),
                None if catalog::of(change).inverse(&change.decided).is_some() => {
                    "taken back already".to_owned()
                }
                None => format!("an undo leaves it; what takes it back: {}", change.undo),
            },
            (None, false) => change.undo.to_string(),
        },
    })
    .collect()
}
