//! `manual.close`: a person closes a way in that this program does not reach (webmail, a VPN), and attests it.
//!
//! A cut like any other: a row of the ledger, and the gate waits for it. How it is known is in [`super::attested`].

use super::attested::{self, Change, FIELDS, Inputs, Way};
use super::{About, Action, ApplyError, ByHand, Draft, Inverse, Notes, PlanError};
use crate::cloud::WriteCloud;
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::playbook::{ActionShape, EffectKind, Phase, Proof};

pub(super) struct Close;

impl Action for Close {
    const SHAPE: ActionShape = ActionShape {
        kind: "manual.close",
        title: "Have a person close a way in that this program does not reach",
        fields: FIELDS,
        phases: &[Phase::Contain, Phase::Eradicate],
        effects: &[EffectKind::Cuts],
        takes_off: None,
    };
    const ABOUT: About = About {
        permissions: &[],
        undo: "an undo has a person open it again and attest it, unless what is tried was shut before the case; in a playbook, `manual.open` behind the gate",
        hazards: &["whoever comes in that way with a right to is shut out too"],
        unknowns: &[],
        d3fend: &["D3-NI"],
        counters: &["T1133"],
        tested: &["manual::a_crash_anywhere_leaves_what_was_attested_as_closed_as_it_is"],
    };

    type Inputs = Inputs;
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        attested::wants(inputs)
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        attested::plan(inputs, inventory, Way::Close)
    }

    fn look(change: &Change) -> Vec<Want> {
        attested::look(change)
    }

    fn judge(change: &Change, notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        attested::judge(change, notes, facts, Way::Close)
    }

    fn asks(change: &Change) -> Option<String> {
        Some(attested::asks(change))
    }

    fn by_hand(change: &Change) -> Option<ByHand> {
        Some(attested::by_hand(change))
    }

    fn inverse(change: &Change) -> Option<Inverse> {
        attested::opened_again(change)
    }

    fn shows(change: &Change, notes: &[Note], facts: &Inventory) -> Option<(Proof, String)> {
        attested::shows(change, notes, facts, Way::Close)
    }

    async fn apply(
        change: &Change,
        _cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        Err(ApplyError::Refused(attested::refusal(change, notes.so_far(), Way::Close)))
    }
}
