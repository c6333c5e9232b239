//! An order that respects phases and needs, and otherwise the playbook.

use std::collections::BTreeSet;

use crate::ids::ChangeId;
use crate::plan::Change;

/// Sorts `changes`. Needs never point to a later phase and form no cycle: the playbook was checked for
/// both, and what planning adds points within containment, from second passes to first cuts.
pub(super) fn sort(changes: &mut Vec<Change>) {
    changes.sort_by_key(|change| change.phase);
    let mut placed: BTreeSet<ChangeId> = BTreeSet::new();
    let mut sorted = Vec::with_capacity(changes.len());
    while !changes.is_empty() {
        let phase = changes[0].phase;
        let ready = changes.iter().position(|change| {
            change.phase == phase && change.needs.iter().all(|need| placed.contains(&need.change))
        });
        let change = changes.remove(ready.expect("needs form no cycle within a phase"));
        placed.insert(change.id.clone());
        sorted.push(change);
    }
    *changes = sorted;
}
