//! `iam.user.lift-network`: let a user in from everywhere again.
//!
//! Gated like issuing: only behind the gate, and only when everything the user holds is dead, replaced, or blocked
//! by something other than the restriction, because whoever was kept out by it is let in again.

use serde::{Deserialize, Serialize};

use super::principal::no_such_user;
use super::{
    About, Action, ApplyError, Draft, Notes, Permission, PlanError, gone, network, not_the_user,
};
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
    pub(super) user: UserName,
    /// The user's unique id: another user under the same name is somebody else.
    pub(super) user_id: String,
    /// The restriction that stood before, and is put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<String>,
}

impl Change {
    pub(super) fn draft(&self) -> Draft {
        let principal = Principal::User(self.user.clone());
        Draft {
            target: principal.to_string(),
            what: "lift the restriction to networks".to_owned(),
            before: "let in from certain networks only".to_owned(),
            after: match &self.before {
                None => "let in from anywhere".to_owned(),
                Some(_) => "restricted as before".to_owned(),
            },
            already: false,
            effects: vec![Effect::Lifts {
                subject: Subject::Principal { principal },
                barrier: Barrier::Network,
            }],
            irreversible: None,
        }
    }
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
        takes_off: Some("iam.user.restrict-network"),
    };
    const ABOUT: About = About {
        permissions: &[
            "iam:GetUser",
            "iam:GetUserPolicy",
            "iam:DeleteUserPolicy",
            "iam:PutUserPolicy",
        ],
        undo: "`iam.user.restrict-network` puts it on again",
        hazards: &[
            "whatever the user still holds works from everywhere, unless something else blocks it",
        ],
        unknowns: &[],
        d3fend: &["D3-RUAA"],
        counters: &["T1531"],
        tested: &[
            "faults::roles_and_networks::every_pair_of_faults_in_a_lift_of_a_restriction_leaves_none",
        ],
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
        let change = Change { user: user.clone(), user_id: found.id.clone(), before: None };
        Ok(vec![(change.draft(), change)])
    }

    fn look(change: &Change) -> Vec<Want> {
        wants(&change.user)
    }

    fn permissions(change: &Change) -> Vec<Permission> {
        vec![Permission::to(match change.before {
            Some(_) => "iam:PutUserPolicy",
            None => "iam:DeleteUserPolicy",
        })]
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let found = facts.user(&change.user)?.as_ref();
        if let Some(elsewhere) = not_the_user(&change.user, &change.user_id, found) {
            return Ok(elsewhere);
        }
        let principal = Principal::User(change.user.clone());
        let stands = facts.inline_policy(&principal, &network::policy_name())?;
        Ok(match (stands, &change.before) {
            (None, None) => Position::After,
            (Some(stands), Some(before)) if network::same(stands, before) => Position::After,
            _ => Position::Before,
        })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        _notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let principal = Principal::User(change.user.clone());
        let name = network::policy_name();
        match &change.before {
            Some(before) => cloud.iam().put_inline_policy(&principal, &name, before).await?,
            None => gone(cloud.iam().delete_inline_policy(&principal, &name).await)?,
        }
        Ok(())
    }
}
