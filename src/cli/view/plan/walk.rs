//! The way through the changes of a plan: its phases, the gate between them, and steps or single changes, in the order
//! in which a run comes to them. Prints nothing: the whole plan and the one on a screen go the same way.

use crate::plan::{Change, Plan};
use crate::playbook::Phase;

/// What is come to next.
pub(super) enum Stop<'a> {
    /// Nothing after it starts before the gate is open.
    Gate,
    /// The changes that follow are of this phase.
    Phase(Phase),
    /// One change by itself.
    One(&'a Change),
    /// The changes of one step in one phase.
    Step(&'a [Change]),
}

/// Everything that is come to: changes by themselves, or the steps they are of.
pub(super) fn stops(plan: &Plan, one_by_one: bool) -> Vec<Stop<'_>> {
    let mut stops = Vec::new();
    let mut gate_passed = false;
    let of_phases = plan.changes.as_slice().chunk_by(|one, next| one.phase == next.phase);
    for changes in of_phases {
        let phase = changes[0].phase;
        // What is taken back issues nothing, and has no gate of its own.
        if phase.is_behind_the_gate() && !gate_passed && changes[0].undoes.is_none() {
            gate_passed = true;
            stops.push(Stop::Gate);
        }
        stops.push(Stop::Phase(phase));
        if one_by_one {
            stops.extend(changes.iter().map(Stop::One));
        } else {
            let steps = changes.chunk_by(|one, next| one.step == next.step);
            stops.extend(steps.map(Stop::Step));
        }
    }
    stops
}
