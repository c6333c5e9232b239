//! What was not done because something else was not, and for what it waits: whoever is called for the one is told of the
//! other, and of whom that keeps out.

use std::collections::BTreeSet;

use super::Run;
use super::batch::Open;
use crate::ids::{ChangeId, Principal};
use crate::journal::{ChangeState, State};
use crate::ledger;
use crate::plan::{Change, Effect, Subject};

/// How many are named; the rest is counted.
const NAMED: usize = 6;

impl Run<'_> {
    /// Changes that are not begun, a sentence each: what they wait for, and who stays cut off until then.
    pub(super) fn left_behind(&self) -> Vec<String> {
        let state = self.journal.state();
        let left = self.due(|change| {
            state.record(&change.id).state != ChangeState::Held
                && !ledger::is_spared(self.plan, &state, change)
                && !ledger::is_idle(self.plan, &state, change)
        });
        let hindrances = self.hindrances();
        let told = left.iter().take(NAMED).map(|change| {
            let out = let_in_by(change)
                .map_or(String::new(), |whom| format!(". Until then {whom} stays cut off"));
            format!(
                "{} ({}, {}) was not done: {}{out}",
                change.id,
                change.target,
                change.what,
                hindrances.of(change, &state)
            )
        });
        let mut told: Vec<String> = told.collect();
        if let Some(more) = left.len().checked_sub(NAMED).filter(|more| *more > 0) {
            let wait = if more == 1 { "change waits" } else { "changes wait" };
            told.push(format!("{more} more {wait} so: `portcullis status` names all of them"));
        }
        told
    }

    /// What keeps changes from being begun.
    pub(super) fn hindrances(&self) -> Hindrances<'_> {
        Hindrances { open: self.open_batches(), idle: self.idle() }
    }
}

/// What keeps changes from being begun: batches that are not open, and changes that are not done.
pub(super) struct Hindrances<'p> {
    open: Open<'p>,
    /// Nothing waits for these.
    idle: BTreeSet<&'p ChangeId>,
}

impl Hindrances<'_> {
    /// Why a change was not begun, in a clause.
    pub(super) fn of(&self, change: &Change, state: &State) -> String {
        if let Some(why) = self.open.stopped_before(&change.id) {
            return why.to_owned();
        }
        let undone =
            |id: &&ChangeId| state.record(id).state != ChangeState::Seen && !self.idle.contains(id);
        let undone: BTreeSet<&ChangeId> =
            change.needs.iter().map(|need| &need.change).filter(undone).collect();
        let more = match undone.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named: Vec<&str> = undone.iter().take(NAMED).map(|id| id.as_str()).collect();
        match &*named {
            [] if !change.needs.is_empty() && state.record(&change.id).attempts == 0 => {
                "what it needs is not proven".to_owned()
            }
            [] => "it was not seen".to_owned(),
            named => format!("it waits for {}{more}", named.join(", ")),
        }
    }
}

/// Whom a lift lets in again.
fn let_in_by(change: &Change) -> Option<&Principal> {
    change.effects.iter().find_map(|effect| match effect {
        Effect::Lifts { subject: Subject::Principal { principal }, .. } => Some(principal),
        _ => None,
    })
}
