//! `iam.user.quarantine`: deny a user everything, whatever he holds and whatever he minted.
//!
//! It is the one cut that reaches everything at once, because it stands on the user and not on what he holds.
//! Hence proof, and hence the other cuts beside it. Everything about it can be taken back. How it is done is in
//! `quarantine`.

use serde::Deserialize;

use super::quarantine::{self, PutOn};
use super::{About, Action, ApplyError, ByHand, Draft, Notes, Permission, PlanError};
use crate::cloud::WriteCloud;
use crate::ids::{Principal, UserName};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct Quarantine;

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

impl Action for Quarantine {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.user.quarantine",
        title: "Deny a user everything",
        fields: &[Field::required("user", FieldType::UserName, "The user to cut off")],
        phases: &[Phase::Contain],
        effects: &[EffectKind::Cuts],
    };
    const ABOUT: About = About {
        permissions: &[
            "iam:GetUser",
            "iam:ListAttachedUserPolicies",
            "iam:GetUserPolicy",
            "iam:GetAccountSummary",
            "iam:AttachUserPolicy",
            "iam:PutUserPolicy",
            "iam:PutUserPermissionsBoundary",
        ],
        undo: "`iam.user.lift-quarantine`; a boundary that was displaced is put back",
        hazards: &[
            "whatever works under this user stops until it is lifted",
            "enforced some seconds after it can be read; until then the user can still act, also on the quarantine itself",
            "whoever may change the user's policies can take it off again",
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

/// The same sentence wherever a user is not there.
pub(super) fn no_such_user(user: &UserName, inventory: &Inventory) -> PlanError {
    PlanError::Impossible {
        message: format!("account {} has no user {user}", inventory.caller.account),
        help: "check the name, and whether the credentials are for the right account".to_owned(),
    }
}
