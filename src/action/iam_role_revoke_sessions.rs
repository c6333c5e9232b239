//! `iam.role.revoke-sessions`: deny every session of a role that was issued so far.
//!
//! In two passes, the second after whoever in scope can assume the role was seen to be cut: a session minted
//! between the two would be younger than the first. It ends nobody's right to assume the role. The plan says whom
//! the role's trust admits besides; against those the role has to be quarantined, or its trust mended.
//! The deny stays for 12 hours, the longest that AWS lets a role's session live: what the role allows now may be
//! less than it was when a session was issued. How it is done is in `older_sessions`.

use serde::Deserialize;

use super::older_sessions::{self, Deny};
use super::{About, Action, ApplyError, ByHand, Draft, Notes, Permission, PlanError, Unknown};
use crate::cloud::WriteCloud;
use crate::ids::{Principal, RoleName};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position, Receipt};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct RevokeSessions;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    role: RoleName,
}

impl Inputs {
    fn principal(&self) -> Principal {
        Principal::Role(self.role.clone())
    }
}

impl Action for RevokeSessions {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.role.revoke-sessions",
        title: "Deny every session of a role that was issued so far",
        fields: &[Field::required("role", FieldType::RoleName, "Whose sessions")],
        phases: &[Phase::Contain],
        effects: &[EffectKind::Cuts],
    };
    const ABOUT: About = About {
        permissions: &["iam:GetRole", "iam:GetRolePolicy", "iam:PutRolePolicy"],
        undo: "`iam.role.lift-older-sessions`, not before the last session has expired (12 hours)",
        hazards: &[
            "rightful sessions of the role are denied too: instances and functions fail until they are given new ones, which may take hours",
            "whoever the role's trust still admits gets a new session at once, and that one is not denied",
            "whoever may delete the role's inline policies can take it off again",
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
