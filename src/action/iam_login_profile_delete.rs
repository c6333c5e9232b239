//! `iam.login-profile.delete`: delete a user's console password, for good.
//!
//! AWS has no way to switch a password off and on again, so this is a cut that cannot be taken back, before the
//! gate all the same; the quarantine of the user is the reversible way. Whoever is signed in stays signed in: that
//! takes a quarantine, or a deny of older sessions. A user without a password is watched, so that one who gets
//! one while the run goes on is seen.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::by_hand::command;
use super::principal::no_such_user;
use super::{About, Action, ApplyError, ByHand, Draft, Notes, PlanError, gone, not_the_user};
use crate::cloud::WriteCloud;
use crate::ids::UserName;
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::plan::{Barrier, Credential, Effect, Subject};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct Delete;

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
    /// When the password was set up; `None` where there was none.
    created_at: Option<Timestamp>,
}

impl Action for Delete {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.login-profile.delete",
        title: "Delete a console password",
        fields: &[Field::required("user", FieldType::UserName, "Whose password")],
        phases: &[Phase::Contain, Phase::Eradicate],
        effects: &[EffectKind::Cuts],
        takes_off: None,
    };
    const ABOUT: About = About {
        permissions: &["iam:GetUser", "iam:GetLoginProfile", "iam:DeleteLoginProfile"],
        undo: "none: the password cannot be restored; a new one can be made (iam:CreateLoginProfile)",
        hazards: &[
            "the user cannot sign in to the console until a new password is made",
            "whoever is signed in stays so for up to 12 hours: quarantine the user, or revoke his sessions",
            "whoever may call iam:CreateLoginProfile can make a new password",
            "a password that was made minutes ago cannot be deleted yet: the run waits",
        ],
        unknowns: &[],
        d3fend: &["D3-CR"],
        counters: &["T1078.004", "T1098"],
        tested: &[
            "faults::single_actions::every_pair_of_faults_in_the_deletion_of_a_password_leaves_none",
        ],
    };

    type Inputs = Inputs;
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        vec![Want::User(inputs.user.clone()), Want::LoginProfile(inputs.user.clone())]
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let user = &inputs.user;
        let Some(owner) = inventory.user(user)? else {
            return Err(no_such_user(user, inventory));
        };
        let profile = inventory.login_profile(user)?.as_ref();
        let draft = Draft {
            target: format!("user {user}"),
            what: "delete the console password".to_owned(),
            before: match profile {
                Some(profile) => {
                    format!("a console password, since {}", profile.created_at.strftime("%Y-%m-%d"))
                }
                None => "no console password".to_owned(),
            },
            after: "no console password".to_owned(),
            already: profile.is_none(),
            effects: vec![Effect::Cuts {
                subject: Subject::Credential {
                    credential: Credential::Password { user: user.clone() },
                },
                barrier: Barrier::Deleted,
            }],
            irreversible: profile.map(|_| {
                format!("deletes the console password of {user}: only a new one can be made")
            }),
        };
        let change = Change {
            user: user.clone(),
            user_id: owner.id.clone(),
            created_at: profile.map(|profile| profile.created_at),
        };
        Ok(vec![(draft, change)])
    }

    fn look(change: &Change) -> Vec<Want> {
        vec![Want::User(change.user.clone()), Want::LoginProfile(change.user.clone())]
    }

    fn by_hand(change: &Change) -> Option<ByHand> {
        change.created_at.map(|_| ByHand {
            commands: vec![command(
                &["iam", "delete-login-profile"],
                &[("user-name", change.user.as_str())],
            )],
            console: format!(
                "IAM > Users > {} > Security credentials > Console sign-in > Manage console access > Disable",
                change.user
            ),
        })
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let Change { user, user_id, created_at } = change;
        if let Some(elsewhere) = not_the_user(user, user_id, facts.user(user)?.as_ref()) {
            return Ok(elsewhere);
        }
        Ok(match facts.login_profile(user)? {
            None => Position::After,
            Some(found) if Some(found.created_at) == *created_at => Position::Before,
            Some(found) => Position::Elsewhere {
                why: format!(
                    "{user} has a console password that was made {}",
                    found.created_at.strftime("%Y-%m-%d %H:%M:%S UTC")
                ),
            },
        })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        _notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        Ok(gone(cloud.iam().delete_login_profile(&change.user).await)?)
    }
}
