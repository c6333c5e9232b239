//! When each change before the gate is due at the earliest: by what it needs, and by the batch it is in.
//!
//! As the run goes about it, where nothing takes any time: nothing waits for what is not in its way. Pure, and knows no
//! clock: seconds from the beginning.

use std::collections::BTreeMap;

use super::{Change, Plan};
use crate::ids::ChangeId;
use crate::playbook::Proof;

/// How often what batches put off is looked at again. Whatever waits for something comes behind it in the plan, so that one
/// look is enough; but for a batch that waits for one which waits for what stands further down.
const LOOKS: usize = 64;

/// A moment, and how many have gone before without a pause.
type Moment = (u64, usize);

fn after((seconds, turn): Moment, wait: u64) -> Moment {
    if wait == 0 { (seconds, turn + 1) } else { (seconds.saturating_add(wait), 0) }
}

impl Plan {
    /// The changes before the gate in the order in which they are due, each with how many seconds from the beginning.
    pub fn moments(&self) -> Vec<(u64, &Change)> {
        let is_before = |change: &&Change| !change.phase.is_behind_the_gate();
        let before: Vec<&Change> = self.changes.iter().filter(is_before).collect();
        let mut due: BTreeMap<&ChangeId, Moment> =
            before.iter().map(|change| (&change.id, (0, 0))).collect();
        for _ in 0..LOOKS {
            let mut moved = false;
            for change in &before {
                let needs = change.needs.iter().filter_map(|need| {
                    let proven = need.proof > Proof::ReadBack;
                    let seen = *due.get(&need.change)?;
                    Some(if proven { after(seen, self.gate.margin_seconds) } else { seen })
                });
                let moment = needs.max().unwrap_or_default();
                moved |= put_off(&mut due, &change.id, moment);
            }
            for batches in &self.batches {
                let mut next = (0, 0);
                for batch in &batches.of {
                    for id in batch {
                        moved |= put_off(&mut due, id, next);
                    }
                    let last = batch.iter().filter_map(|id| due.get(id).copied()).max();
                    next = last.map_or(next, |last| after(last, batches.pause_seconds));
                }
            }
            if !moved {
                break;
            }
        }
        let mut moments: Vec<(Moment, &Change)> =
            before.into_iter().map(|change| (due[&change.id], change)).collect();
        moments.sort_by_key(|(moment, _)| *moment);
        moments.into_iter().map(|((seconds, _), change)| (seconds, change)).collect()
    }
}

/// Whether a change had to be put off, to `moment`.
fn put_off(due: &mut BTreeMap<&ChangeId, Moment>, id: &ChangeId, moment: Moment) -> bool {
    match due.get_mut(id) {
        Some(known) if *known < moment => {
            *known = moment;
            true
        }
        _ => false,
    }
}
