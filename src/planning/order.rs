//! An order that respects phases and needs, and otherwise the playbook.

use std::collections::BTreeSet;

use crate::ids::ChangeId;
use crate::plan::Change;

/// Sorts `changes`. Fails with the changes that wait for each other: the playbook's own needs form no
/// cycle, but with the needs that planning adds (a second pass waits for whatever stops minting) they may.
pub(super) fn sort(changes: &mut Vec<Change>) -> Result<(), Vec<ChangeId>> {
    changes.sort_by_key(|change| change.phase);
    let mut placed: BTreeSet<ChangeId> = BTreeSet::new();
    let mut sorted = Vec::with_capacity(changes.len());
    while !changes.is_empty() {
        let phase = changes[0].phase;
        let ready = changes.iter().position(|change| {
            change.phase == phase && change.needs.iter().all(|need| placed.contains(&need.change))
        });
        let Some(ready) = ready else {
            return Err(changes.iter().map(|change| change.id.clone()).collect());
        };
        let change = changes.remove(ready);
        placed.insert(change.id.clone());
        sorted.push(change);
    }
    *changes = sorted;
    Ok(())
}
