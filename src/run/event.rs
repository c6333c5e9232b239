//! What an observer is told while a run goes on. Never read back: the journal is the record.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::cloud::Throttled;
use crate::ids::{AccessKeyId, AccountId, Arn, StepId};
use crate::journal::{CutOff, Heard, Outcome, Position, Worker};
use crate::plan::{Change, Plan};
use crate::planning::Added;
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
    /// Everything here is cut and proven; other accounts are not so far, and the gate opens for all or for none.
    WaitingForOthers {
        /// Which accounts.
        accounts: &'a [AccountId],
    },
    /// A change was begun, and goes on without us: it is waited for.
    Underway {
        /// Which.
        change: &'a Change,
        /// What is going on.
        why: &'a str,
        /// How long, at most.
        until: Timestamp,
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
    /// What somebody signed before the case was taken out of his hands is given time to be of no use any more.
    Outwaiting {
        /// Who.
        from: Option<&'a Worker>,
        /// When AWS takes it no more.
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
    /// Cuts are about to be tried on a canary.
    Trying {
        /// Which cuts.
        what: &'a str,
        /// How many mechanisms there are among them.
        mechanisms: usize,
        /// How long a refusal is waited for.
        until: Timestamp,
    },
    /// What was tried was not refused because of the cut.
    Unproven {
        /// How many cuts it spoke for.
        cuts: usize,
        /// What was seen.
        why: &'a str,
    },
    /// A credential that the responder was given was tried.
    Tried {
        /// Which.
        credential: &'a AccessKeyId,
        /// What came of it.
        outcome: &'a Outcome,
    },
    /// Our own refused requests are waited for in the account's log.
    Listening {
        /// How long at most.
        until: Timestamp,
    },
    /// The account's log was asked about a credential.
    Listened {
        /// Which, in the words of the ledger.
        credential: &'a str,
        /// What it says.
        heard: &'a Heard,
    },
    /// A canary could not be removed.
    CanaryLeft {
        /// Its name.
        canary: &'a str,
        /// Why.
        why: &'a str,
    },
    /// A cut was taken off again by somebody. An alarm.
    Contested {
        /// Which.
        change: &'a Change,
        /// What is there instead.
        position: &'a Position,
        /// Whether whoever is to lift it says that he has, before its turn.
        by_its_own: bool,
    },
    /// A cut that an earlier case has made stands no more: an alarm. Or one that it had begun was never seen to stand.
    OffBefore {
        /// Which, and what is there instead.
        cut: &'a CutOff,
    },
    /// Every way in is proven cut, of those that a step cuts and nobody has spoken of.
    GateOpened {
        /// On the strength of this: what could not be tried is covered by what was.
        proof: Proof,
        /// How many cuts are proven how surely.
        cuts: &'a BTreeMap<Proof, usize>,
        /// How many roles that somebody in scope may have assumed nothing cuts.
        roles: usize,
        /// How many ways in stand open for which somebody answers.
        waived: usize,
        /// How many stand open because they were found innocent.
        cleared: usize,
    },
    /// The world is surveyed again, in full.
    SurveyingAgain {
        /// After which round.
        round: u32,
    },
    /// What has come into the account since could not be looked for everywhere.
    NotSeen {
        /// The operations that were refused.
        operations: &'a BTreeSet<String>,
    },
    /// The survey found something, and the next round cuts that too.
    RoundBegan {
        /// Its number.
        round: u32,
        /// What it adds.
        added: &'a Added,
        /// Its plan.
        plan: &'a Plan,
    },
    /// What was said of a credential does not count any more.
    Withdrawn {
        /// Why.
        reason: &'a str,
    },
    /// Since when there is somebody who spoke of the case could not be read: he is heard.
    NotLookedUp {
        /// Who.
        speaker: &'a Arn,
        /// Why.
        why: &'a str,
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
