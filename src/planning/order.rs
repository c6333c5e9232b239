//! An order that respects phases and needs, and otherwise the playbook.

use std::collections::BTreeSet;

use crate::ids::ChangeId;
use crate::lookup::Lookup;
use crate::plan::Change;

/// Sorts `changes`. Fails with the changes that wait for each other: the playbook's own needs form no
/// cycle, but with the needs that planning adds (a second pass waits for whatever stops minting) they may.
pub(super) fn sort(changes: &mut [Change]) -> Result<(), Vec<ChangeId>> {
    changes.sort_by_key(|change| change.phase);
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
