//! `iam.user.quarantine`: deny a user everything, whatever he holds and whatever he minted.
//!
//! An explicit deny on the user is evaluated on every request, also for sessions that outlive the key
//! that minted them, so it is the one cut that reaches everything at once. It is seen at once and
//! enforced seconds later, and whoever may change the user can take it off: hence proof, and hence the
//! other cuts beside it. Everything about it can be taken back.

use serde::{Deserialize, Serialize};

use super::by_hand::command;
use super::quarantine_barriers::{self as barriers, Barrier};
use super::{
    About, Action, ApplyError, ByHand, Canary, Draft, Notes, Permission, PlanError, Trial, Tried,
    not_the_user,
};
use crate::cloud::WriteCloud;
use crate::ids::{Arn, Principal, UserName};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position, Refusal};
use crate::plan::{self, Effect, Subject};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

/// IAM's quota of managed policies on one user, where the account does not tell its own.
const ATTACHED_QUOTA: i64 = 10;

pub(super) struct Quarantine;

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
    /// The ways to do it, the first to be tried first; the next only where AWS says there is no room.
    ladder: Vec<Barrier>,
    /// `AWSDenyAll` in the account's partition.
    deny_all: Arn,
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
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        let mut wants = barriers::wants(&inputs.user);
        wants.push(Want::AccountSummary);
        wants
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let user = &inputs.user;
        let Some(found) = inventory.user(user)? else {
            return Err(no_such_user(user, inventory));
        };
        // Without permission to read what stands, the cut is planned all the same: it is harmless to
        // repeat, and the journal will say that it could not be seen.
        let standing = barriers::standing(user, inventory).unwrap_or_default();
        let quota = inventory
            .account_summary()
            .ok()
            .and_then(|summary| summary.get("AttachedPoliciesPerUserQuota").copied())
            .unwrap_or(ATTACHED_QUOTA);
        let full = inventory
            .attached_policies(user)
            .is_ok_and(|attached| i64::try_from(attached.len()).unwrap_or(i64::MAX) >= quota);
        let ladder = match (standing.first(), full) {
            (Some(stands), _) => vec![*stands],
            (None, false) => Barrier::LADDER.to_vec(),
            (None, true) => Barrier::LADDER[1..].to_vec(),
        };
        let names: Vec<&str> = ladder.iter().map(|barrier| barrier.describe()).collect();
        let draft = Draft {
            target: format!("user {user}"),
            what: "deny everything".to_owned(),
            before: match standing.first() {
                Some(barrier) => format!("quarantined: {}", barrier.describe()),
                None => "not quarantined".to_owned(),
            },
            after: format!("quarantined: {}", names.join("; if there is no room, ")),
            already: !standing.is_empty(),
            effects: vec![Effect::Cuts {
                subject: Subject::Principal { principal: Principal::User(user.clone()) },
                barrier: plan::Barrier::Quarantine,
            }],
            irreversible: None,
        };
        let change = Change {
            user: user.clone(),
            user_id: found.id.clone(),
            ladder,
            deny_all: barriers::deny_all_arn(&inventory.caller.arn),
        };
        Ok(vec![(draft, change)])
    }

    fn look(change: &Change) -> Vec<Want> {
        barriers::wants(&change.user)
    }

    fn permissions(change: &Change) -> Vec<Permission> {
        let deny_all = change.deny_all.as_str();
        let rung = |barrier: &Barrier| match barrier {
            Barrier::Managed => {
                Permission::to("iam:AttachUserPolicy").with("iam:PolicyARN", deny_all)
            }
            Barrier::Inline => Permission::to("iam:PutUserPolicy"),
            Barrier::Boundary => Permission::to("iam:PutUserPermissionsBoundary")
                .with("iam:PermissionsBoundary", deny_all),
        };
        let mut rungs: Vec<Permission> = change.ladder.iter().map(rung).collect();
        for further in rungs.iter_mut().skip(1) {
            further.only_if = Some("there is no room for a policy");
        }
        rungs
    }

    fn on_canary(change: &Change, facts: &Inventory, canary: &Canary) -> Option<Trial<Change>> {
        // By the way that was really taken; before it was, by the first to be tried.
        let standing = barriers::standing(&change.user, facts).unwrap_or_default();
        let rung = *standing.first().or(change.ladder.first())?;
        let (mechanism, shown_by) = match rung {
            Barrier::Managed => ("AWSDenyAll attached to a user", Refusal::IdentityDeny),
            Barrier::Inline => ("an inline deny of everything on a user", Refusal::IdentityDeny),
            Barrier::Boundary => ("AWSDenyAll as a user's permissions boundary", Refusal::Boundary),
        };
        let change = Change {
            user: canary.user.clone(),
            user_id: canary.user_id.clone(),
            ladder: vec![rung],
            deny_all: change.deny_all.clone(),
        };
        Some(Trial { mechanism, with: Tried::Key, shown_by, change })
    }

    fn by_hand(change: &Change) -> Option<ByHand> {
        let (user, deny_all) = (("user-name", change.user.as_str()), change.deny_all.as_str());
        let rung = |barrier: &Barrier| match barrier {
            Barrier::Managed => {
                command(&["iam", "attach-user-policy"], &[user, ("policy-arn", deny_all)])
            }
            Barrier::Inline => command(
                &["iam", "put-user-policy"],
                &[
                    user,
                    ("policy-name", barriers::inline_name().as_str()),
                    ("policy-document", barriers::DENY_ALL),
                ],
            ),
            Barrier::Boundary => command(
                &["iam", "put-user-permissions-boundary"],
                &[user, ("permissions-boundary", deny_all)],
            ),
        };
        Some(ByHand {
            commands: change.ladder.iter().map(rung).collect(),
            console: format!(
                "IAM > Users > {} > Permissions > Add permissions > Attach policies directly > AWSDenyAll",
                change.user
            ),
        })
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let elsewhere = facts
            .user(&change.user)
            .ok()
            .and_then(|found| not_the_user(&change.user, &change.user_id, found.as_ref()));
        if let Some(elsewhere) = elsewhere {
            return Ok(elsewhere);
        }
        let standing = barriers::standing(&change.user, facts)?;
        Ok(if standing.is_empty() { Position::Before } else { Position::After })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let Change { user, deny_all, .. } = change;
        let iam = cloud.iam();
        let mut last = None;
        for barrier in &change.ladder {
            let answer = match barrier {
                Barrier::Managed => iam.attach_policy(user, deny_all).await,
                Barrier::Inline => {
                    iam.put_inline_policy(user, &barriers::inline_name(), barriers::DENY_ALL).await
                }
                Barrier::Boundary => iam.put_boundary(user, deny_all).await,
            };
            match answer {
                Ok(()) => return Ok(()),
                Err(error) if error.is_quota() => {
                    notes.note(Note::NoRoom { tried: barrier.describe().to_owned() }).await?;
                    last = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(last.expect("a ladder has at least one rung").into())
    }
}

/// The same sentence wherever a user is not there.
pub(super) fn no_such_user(user: &UserName, inventory: &Inventory) -> PlanError {
    PlanError::Impossible {
        message: format!("account {} has no user {user}", inventory.caller.account),
        help: "check the name, and whether the credentials are for the right account".to_owned(),
    }
}
