//! `iam.user.lift-quarantine`: take the quarantine off again.
//!
//! Lifting is gated like issuing: `run` starts it only behind the gate, and only when everything else
//! the user holds is dead, replaced, or blocked by something other than the quarantine. All three
//! barriers come off, whoever put them there; a boundary that the quarantine displaced is put back from
//! the plan, and where it is not known the change is refused, because taking the boundary off would give
//! the user more than he had.

use serde::{Deserialize, Serialize};

use super::iam_user_quarantine::no_such_user;
use super::quarantine_barriers as barriers;
use super::{About, Action, ApplyError, Draft, Notes, Permission, PlanError, gone, not_the_user};
use crate::cloud::WriteCloud;
use crate::ids::{Arn, Principal, UserName};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::plan::{self, Effect, Subject};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct LiftQuarantine;

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
    /// The boundary the user had before the quarantine.
    boundary: Option<Arn>,
    /// `AWSDenyAll` in the account's partition.
    deny_all: Arn,
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
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        barriers::wants(&inputs.user)
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let user = &inputs.user;
        let Some(found) = inventory.user(user)? else {
            return Err(no_such_user(user, inventory));
        };
        let deny_all = barriers::deny_all_arn(&inventory.caller.arn);
        if found.boundary.as_ref() == Some(&deny_all) {
            return Err(PlanError::Impossible {
                message: format!(
                    "{user} is already quarantined by its permissions boundary, and the boundary it \
                     had before is not known"
                ),
                help: "set the boundary the user should have by hand, then plan again".to_owned(),
            });
        }
        let draft = Draft {
            target: format!("user {user}"),
            what: "lift the quarantine".to_owned(),
            before: "quarantined".to_owned(),
            after: match &found.boundary {
                Some(boundary) => format!("not quarantined; bounded by {boundary}, as before"),
                None => "not quarantined".to_owned(),
            },
            already: false,
            effects: vec![Effect::Lifts {
                subject: Subject::Principal { principal: Principal::User(user.clone()) },
                barrier: plan::Barrier::Quarantine,
            }],
            irreversible: None,
        };
        let change = Change {
            user: user.clone(),
            user_id: found.id.clone(),
            boundary: found.boundary.clone(),
            deny_all,
        };
        Ok(vec![(draft, change)])
    }

    fn look(change: &Change) -> Vec<Want> {
        barriers::wants(&change.user)
    }

    fn permissions(change: &Change) -> Vec<Permission> {
        let by_boundary = "the quarantine stands as a boundary";
        let boundary = match &change.boundary {
            Some(before) => Permission::to("iam:PutUserPermissionsBoundary")
                .with("iam:PermissionsBoundary", before.as_str()),
            None => Permission::to("iam:DeleteUserPermissionsBoundary")
                .with("iam:PermissionsBoundary", change.deny_all.as_str()),
        };
        vec![
            Permission::to("iam:DetachUserPolicy").with("iam:PolicyARN", change.deny_all.as_str()),
            Permission::to("iam:DeleteUserPolicy"),
            boundary.only_if(by_boundary),
        ]
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let user = &change.user;
        let found = facts.user(user)?.as_ref();
        if let Some(elsewhere) = not_the_user(user, &change.user_id, found) {
            return Ok(elsewhere);
        }
        // Everything must be readable here: "nothing stands" is only true when all three were seen.
        facts.attached_policies(user)?;
        facts.inline_policy(user, &barriers::inline_name())?;
        let standing = barriers::standing(user, facts)?;
        Ok(if !standing.is_empty() {
            Position::Before
        } else if found.and_then(|user| user.boundary.as_ref()) == change.boundary.as_ref() {
            Position::After
        } else {
            Position::Between { why: "the boundary it had before is not back".to_owned() }
        })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        _notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let Change { user, deny_all, .. } = change;
        let iam = cloud.iam();
        // The boundary first: were it the last to go, the user would for a moment be bound by nothing.
        let bounded = cloud.read().iam().user(user).await?.and_then(|found| {
            found.permissions_boundary()?.permissions_boundary_arn().map(str::to_owned)
        });
        if bounded.as_deref() == Some(deny_all.as_str()) {
            match &change.boundary {
                Some(boundary) => iam.put_boundary(user, boundary).await?,
                None => gone(iam.delete_boundary(user).await)?,
            }
        }
        gone(iam.delete_inline_policy(user, &barriers::inline_name()).await)?;
        gone(iam.detach_policy(user, deny_all).await)?;
        Ok(())
    }
}
