//! `iam.user.lift-network`: let a user in from everywhere again.
//!
//! Gated like issuing: only behind the gate, and only when everything the user holds is dead, replaced, or blocked
//! by something other than the restriction, because whoever was kept out by it is let in again.

use serde::{Deserialize, Serialize};

use super::principal::no_such_user;
use super::{About, Action, ApplyError, Draft, Notes, PlanError, gone, network, not_the_user};
use crate::cloud::WriteCloud;
use crate::ids::{Principal, UserName};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::plan::{Barrier, Effect, Subject};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct LiftNetwork;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    user: UserName,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    user: UserName,
    /// The user's unique id: another user under the same name is somebody else.
    user_id: String,
}

fn wants(user: &UserName) -> Vec<Want> {
    let policy = Want::InlinePolicy(Principal::User(user.clone()), network::policy_name());
    vec![Want::User(user.clone()), policy]
}

impl Action for LiftNetwork {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.user.lift-network",
        title: "Let a user in from everywhere again",
        fields: &[Field::required("user", FieldType::UserName, "The user to let in again")],
        phases: &[Phase::Recover],
        effects: &[EffectKind::Lifts],
    };
    const ABOUT: About = About {
        permissions: &["iam:GetUser", "iam:GetUserPolicy", "iam:DeleteUserPolicy"],
        undo: "`iam.user.restrict-network` puts it on again",
        hazards: &[
            "whatever the user still holds works from everywhere, unless something else blocks it",
        ],
        unknowns: &[],
        d3fend: &["D3-RUAA"],
        counters: &["T1531"],
    };

    type Inputs = Inputs;
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        wants(&inputs.user)
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let user = &inputs.user;
        let Some(found) = inventory.user(user)? else {
            return Err(no_such_user(user, inventory));
        };
        let principal = Principal::User(user.clone());
        let draft = Draft {
            target: principal.to_string(),
            what: "lift the restriction to networks".to_owned(),
            before: "let in from certain networks only".to_owned(),
            after: "let in from anywhere".to_owned(),
            already: false,
            effects: vec![Effect::Lifts {
                subject: Subject::Principal { principal },
                barrier: Barrier::Network,
            }],
            irreversible: None,
        };
        let change = Change { user: user.clone(), user_id: found.id.clone() };
        Ok(vec![(draft, change)])
    }

    fn look(change: &Change) -> Vec<Want> {
        wants(&change.user)
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let found = facts.user(&change.user)?.as_ref();
        if let Some(elsewhere) = not_the_user(&change.user, &change.user_id, found) {
            return Ok(elsewhere);
        }
        let principal = Principal::User(change.user.clone());
        let stands = facts.inline_policy(&principal, &network::policy_name())?;
        Ok(if stands.is_some() { Position::Before } else { Position::After })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        _notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let principal = Principal::User(change.user.clone());
        gone(cloud.iam().delete_inline_policy(&principal, &network::policy_name()).await)?;
        Ok(())
    }
}
