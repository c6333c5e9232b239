//! `iam.role.quarantine`: deny a role everything, and so every session of it, old and new.
//!
//! A role holds no credential: what lets somebody in are its sessions, and whoever its trust admits gets new
//! ones. The deny on the role reaches all of them, also those minted later, for as long as it stands. Roles that
//! AWS keeps for itself cannot be changed, and the plan says what to do instead. How it is done is in
//! `quarantine`.

use serde::Deserialize;

use super::quarantine::{self, PutOn};
use super::{About, Action, ApplyError, ByHand, Draft, Notes, Permission, PlanError};
use crate::cloud::WriteCloud;
use crate::ids::{Principal, RoleName};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct Quarantine;

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

impl Action for Quarantine {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.role.quarantine",
        title: "Deny a role everything",
        fields: &[Field::required("role", FieldType::RoleName, "The role to cut off")],
        phases: &[Phase::Contain],
        effects: &[EffectKind::Cuts],
    };
    const ABOUT: About = About {
        permissions: &[
            "iam:GetRole",
            "iam:ListAttachedRolePolicies",
            "iam:GetRolePolicy",
            "iam:GetAccountSummary",
            "iam:AttachRolePolicy",
            "iam:PutRolePolicy",
            "iam:PutRolePermissionsBoundary",
        ],
        undo: "`iam.role.lift-quarantine`; a boundary that was displaced is put back",
        hazards: &[
            "whatever works with this role stops until it is lifted: functions, instances, pipelines, people",
            "enforced some seconds after it can be read; until then a session can still act, also on the quarantine itself",
            "whoever may change the role's policies can take it off again",
            "it ends nobody's right to assume the role: new sessions can be had, and are denied everything while it stands",
        ],
        unknowns: &[],
        d3fend: &["D3-AL"],
        counters: &["T1078.004", "T1098"],
    };

    type Inputs = Inputs;
    type Change = PutOn;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        quarantine::wants(&inputs.principal())
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, PutOn)>, PlanError> {
        PutOn::plan(&inputs.principal(), inventory)
    }

    fn look(change: &PutOn) -> Vec<Want> {
        change.look()
    }

    fn permissions(change: &PutOn) -> Vec<Permission> {
        change.permissions()
    }

    fn by_hand(change: &PutOn) -> Option<ByHand> {
        Some(change.by_hand())
    }

    fn judge(change: &PutOn, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        change.judge(facts)
    }

    async fn apply(
        change: &PutOn,
        cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        change.apply(cloud, notes).await
    }
}
