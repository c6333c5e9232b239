//! What an observer is told while a run goes on. Never read back: the journal is the record.

use jiff::Timestamp;

use crate::cloud::Throttled;
use crate::ids::StepId;
use crate::journal::Position;
use crate::plan::Change;
use crate::playbook::{Phase, Proof};

/// Something that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A phase has begun, with so many changes still to make.
    PhaseBegan {
        /// Which.
        phase: Phase,
        /// How many.
        changes: usize,
    },
    /// A change is about to be made.
    Began {
        /// Which.
        change: &'a Change,
        /// From 1.
        attempt: u32,
    },
    /// A change is seen in the world.
    Seen {
        /// Which.
        change: &'a Change,
        /// Whether it was found so, and nothing was written.
        found: bool,
    },
    /// A call went wrong in a way that may pass; it is tried again after a look at the world.
    Trouble {
        /// Which change.
        change: &'a Change,
        /// What was said.
        why: String,
    },
    /// A change waits for a person.
    Held {
        /// Which change.
        change: &'a Change,
        /// What for.
        until: &'a str,
    },
    /// Cuts are given time to reach every corner before they are looked at again.
    Settling {
        /// What is waited for.
        what: &'a str,
        /// How many cuts.
        cuts: usize,
        /// When they are looked at again.
        until: Timestamp,
    },
    /// The next batch of a step is given time.
    Pausing {
        /// Which step.
        step: &'a StepId,
        /// The number of the next batch, from 1.
        next: usize,
        /// How many batches there are.
        of: usize,
        /// When it is begun.
        until: Timestamp,
    },
    /// A service tells to slow down, and calls wait for it.
    Throttled {
        /// Which, what it admits, and how many calls wait.
        by: &'a Throttled,
        /// How long they will, if it goes on like this, in seconds.
        seconds: u64,
    },
    /// A cut stood when it was looked at again.
    Proved {
        /// Which.
        change: &'a Change,
        /// How surely.
        proof: Proof,
    },
    /// A cut was taken off again by somebody. An alarm.
    Contested {
        /// Which.
        change: &'a Change,
        /// What is there instead.
        position: &'a Position,
    },
    /// Every way in is proven cut.
    GateOpened {
        /// On the strength of this.
        proof: Proof,
    },
    /// The gate stays shut.
    GateShut {
        /// Why.
        reasons: &'a [String],
    },
}

/// Told as things happen.
pub trait Observer: Sync {
    /// Takes note. Must not block for long: the run waits.
    fn event(&self, event: &Event<'_>);
}
