//! `iam.user.lift-older-sessions`: take off the deny of sessions that were issued before a moment.
//!
//! A later step of its own: the deny is needed until the last of those sessions has ended, 36 hours after the
//! moment. Then it does nothing but fill the room for policies. How it is done is in `older_sessions`.

use serde::Deserialize;

use super::older_sessions::{self, TakeOff};
use super::{About, Action, ApplyError, Draft, Notes, Permission, PlanError};
use crate::cloud::WriteCloud;
use crate::ids::{Principal, UserName};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct LiftOlderSessions;

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

impl Action for LiftOlderSessions {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.user.lift-older-sessions",
        title: "Take the deny of a user's older sessions off, once they have ended",
        fields: &[Field::required("user", FieldType::UserName, "Whose deny")],
        phases: &[Phase::Recover],
        effects: &[EffectKind::Lifts],
    };
    const ABOUT: About = About {
        permissions: &["iam:GetUser", "iam:GetUserPolicy", "iam:DeleteUserPolicy"],
        undo: "`iam.user.revoke-sessions` denies sessions again, and then younger ones too",
        hazards: &["held until 36 hours after the deny was last written: sessions live so long"],
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
