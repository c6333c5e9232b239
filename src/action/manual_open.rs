//! `manual.open`: a person opens a way in again that `manual.close` closed, and attests it.
//!
//! It lies behind the gate: every credential that could be used there is cut, or found innocent, by then. How it is
//! known is in [`super::attested`].

use super::attested::{self, Change, FIELDS, Inputs, Way};
use super::{About, Action, ApplyError, Draft, Notes, PlanError};
use crate::cloud::WriteCloud;
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::playbook::{ActionShape, EffectKind, Phase, Proof};

pub(super) struct Open;

impl Action for Open {
    const SHAPE: ActionShape = ActionShape {
        kind: "manual.open",
        title: "Have a person open again what `manual.close` closed",
        fields: FIELDS,
        phases: &[Phase::Recover],
        effects: &[EffectKind::Lifts],
        takes_off: Some("manual.close"),
    };
    const ABOUT: About = About {
        permissions: &[],
        undo: "close it again with `manual.close`",
        hazards: &["whoever knows a credential that nobody has cut can try it there again"],
        unknowns: &[],
        d3fend: &["D3-RNA"],
        counters: &["T1133"],
        tested: &[
            "manual::a_rehearsal_asks_and_whoever_attests_has_done_it_unless_the_world_says_otherwise",
        ],
    };

    type Inputs = Inputs;
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        attested::wants(inputs)
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        attested::plan(inputs, inventory, Way::Open)
    }

    fn look(change: &Change) -> Vec<Want> {
        attested::look(change)
    }

    fn judge(change: &Change, notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        attested::judge(change, notes, facts, Way::Open)
    }

    fn asks(change: &Change) -> Option<String> {
        Some(attested::asks(change))
    }

    fn shows(change: &Change, notes: &[Note], facts: &Inventory) -> Option<(Proof, String)> {
        attested::shows(change, notes, facts, Way::Open)
    }

    async fn apply(
        change: &Change,
        _cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        Err(ApplyError::Refused(attested::refusal(change, notes.so_far(), Way::Open)))
    }
}
