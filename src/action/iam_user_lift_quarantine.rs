//! `iam.user.lift-quarantine`: take the quarantine off again.
//!
//! Lifting is gated like issuing: `run` starts it only behind the gate, and only when everything else
//! the user holds is dead, replaced, or blocked by something other than the quarantine. All three
//! barriers come off, whoever put them there; a boundary that the quarantine displaced is put back from
//! the plan, and where it is not known the change is refused, because taking the boundary off would give
//! the user more than he had.

use serde::Deserialize;

use super::quarantine::TakeOff;
use super::quarantine_barriers as barriers;
use super::{About, Action, ApplyError, Draft, Notes, Permission, PlanError};
use crate::cloud::WriteCloud;
use crate::ids::{Principal, UserName};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct LiftQuarantine;

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

impl Action for LiftQuarantine {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.user.lift-quarantine",
        title: "Let a user work again",
        fields: &[Field::required("user", FieldType::UserName, "The user to let in again")],
        phases: &[Phase::Recover],
        effects: &[EffectKind::Lifts],
    };
    const ABOUT: About = About {
        permissions: &[
            "iam:GetUser",
            "iam:ListAttachedUserPolicies",
            "iam:GetUserPolicy",
            "iam:DetachUserPolicy",
            "iam:DeleteUserPolicy",
            "iam:PutUserPermissionsBoundary",
            "iam:DeleteUserPermissionsBoundary",
        ],
        undo: "`iam.user.quarantine` puts it on again",
        hazards: &["whatever the user still holds works again, unless something else blocks it"],
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
