//! `iam.role.lift-older-sessions`: take off the deny of sessions that were issued before a moment.
//!
//! A later step of its own: the deny is needed until the last of those sessions has ended, 12 hours after the
//! moment, whatever the role's own limit is now. How it is done is in `older_sessions`.

use serde::Deserialize;

use super::older_sessions::{self, TakeOff};
use super::{About, Action, ApplyError, Draft, Notes, Permission, PlanError};
use crate::cloud::WriteCloud;
use crate::ids::{Principal, RoleName};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct LiftOlderSessions;

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

impl Action for LiftOlderSessions {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.role.lift-older-sessions",
        title: "Take the deny of a role's older sessions off, once they have ended",
        fields: &[Field::required("role", FieldType::RoleName, "Whose deny")],
        phases: &[Phase::Recover],
        effects: &[EffectKind::Lifts],
    };
    const ABOUT: About = About {
        permissions: &["iam:GetRole", "iam:GetRolePolicy", "iam:DeleteRolePolicy"],
        undo: "`iam.role.revoke-sessions` denies sessions again, and then younger ones too",
        hazards: &["held until 12 hours after the deny was last written: sessions live so long"],
        unknowns: &[],
        d3fend: &["D3-RA"],
        counters: &["T1531"],
    };

    type Inputs = Inputs;
    type Change = TakeOff;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        older_sessions::wants(&inputs.principal())
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
