//! `iam.user.revoke-sessions`: deny every session a user has minted so far.
//!
//! In two passes, the second after the user's keys and quarantine were seen to be cut. The deny stays when the
//! quarantine is lifted, because sessions live for up to 36 hours. How it is done is in `older_sessions`.

use serde::Deserialize;

use super::older_sessions::{self, Deny};
use super::{About, Action, ApplyError, ByHand, Draft, Notes, Permission, PlanError, Unknown};
use crate::cloud::WriteCloud;
use crate::ids::{Principal, UserName};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position, Receipt};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct RevokeSessions;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    user: UserName,
}

impl Inputs {
    fn principal(&self) -> Principal {
        Principal::User(self.user.clone())
    }
}

impl Action for RevokeSessions {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.user.revoke-sessions",
        title: "Deny every session a user has minted so far",
        fields: &[Field::required("user", FieldType::UserName, "Whose sessions")],
        phases: &[Phase::Contain],
        effects: &[EffectKind::Cuts],
    };
    const ABOUT: About = About {
        permissions: &["iam:GetUser", "iam:GetUserPolicy", "iam:PutUserPolicy"],
        undo: "`iam.user.lift-older-sessions`, not before the last session has expired (36 hours)",
        hazards: &[
            "rightful sessions of the user are denied too; they must be obtained anew",
            "whoever may delete the user's inline policies can take it off again",
        ],
        unknowns: &[Unknown {
            what: "the moment before which sessions are denied",
            ty: "timestamp",
            known: "when it is written, by AWS's clock",
        }],
        d3fend: &["D3-ANCI", "D3-ST"],
        counters: &["T1550.001", "T1528"],
    };

    type Inputs = Inputs;
    type Change = Deny;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        older_sessions::wants(&inputs.principal())
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Deny)>, PlanError> {
        Deny::plan(&inputs.principal(), inventory)
    }

    fn look(change: &Deny) -> Vec<Want> {
        change.look()
    }

    fn permissions(change: &Deny) -> Vec<Permission> {
        change.permissions()
    }

    fn by_hand(change: &Deny) -> Option<ByHand> {
        Some(change.by_hand())
    }

    fn judge(change: &Deny, notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        change.judge(notes, facts)
    }

    async fn apply(
        change: &Deny,
        cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        change.apply(cloud, notes).await
    }

    fn receipt(_change: &Deny, notes: &[Note]) -> Receipt {
        older_sessions::receipt(notes)
    }
}
