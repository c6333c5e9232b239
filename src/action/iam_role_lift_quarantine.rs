//! `iam.role.lift-quarantine`: take a role's quarantine off again.
//!
//! Gated as for users: only behind the gate, and only when the sessions that were issued so far are denied by
//! something other than the quarantine. All three barriers come off, whoever put them there; a boundary that was
//! displaced is put back.

use serde::Deserialize;

use super::quarantine::TakeOff;
use super::quarantine_barriers as barriers;
use super::{About, Action, ApplyError, Draft, Notes, Permission, PlanError};
use crate::cloud::WriteCloud;
use crate::ids::{Principal, RoleName};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct LiftQuarantine;

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

impl Action for LiftQuarantine {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.role.lift-quarantine",
        title: "Let a role work again",
        fields: &[Field::required("role", FieldType::RoleName, "The role to let work again")],
        phases: &[Phase::Recover],
        effects: &[EffectKind::Lifts],
    };
    const ABOUT: About = About {
        permissions: &[
            "iam:GetRole",
            "iam:ListAttachedRolePolicies",
            "iam:GetRolePolicy",
            "iam:DetachRolePolicy",
            "iam:DeleteRolePolicy",
            "iam:PutRolePermissionsBoundary",
            "iam:DeleteRolePermissionsBoundary",
        ],
        undo: "`iam.role.quarantine` puts it on again",
        hazards: &[
            "sessions of the role work again, unless their issue is denied by `iam.role.revoke-sessions`",
            "whoever the role's trust admits can work with it again: see that it admits whom it should",
        ],
        unknowns: &[],
        d3fend: &["D3-ULA"],
        counters: &["T1531"],
    };

    type Inputs = Inputs;
    type Change = TakeOff;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        barriers::wants(&inputs.principal())
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, TakeOff)>, PlanError> {
        TakeOff::plan(&inputs.principal(), inventory)
    }

    fn look(change: &TakeOff) -> Vec<Want> {
        change.look()
    }

    fn permissions(change: &TakeOff) -> Vec<Permission> {
        change.permissions()
    }

    fn judge(change: &TakeOff, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        change.judge(facts)
    }

    async fn apply(
        change: &TakeOff,
        cloud: &WriteCloud,
        _notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        change.apply(cloud).await
    }
}
