//! `iam.access-key.delete`: delete access keys for good, when nobody needs them any more.
//!
//! The last step over a key that was cut: until then it is only inactive, or its user quarantined, and whoever may
//! change the user could let it in again. Nothing brings a deleted key back, so it is done behind the gate, in a
//! phase with approvals of its own, and `run` holds it where nothing blocks the key any more, where somebody
//! has used it since it was cut, and where this case has issued it. Sessions that the key has minted live on.

use serde::{Deserialize, Serialize};

use super::iam_access_key_deactivate::{KEYS, Keys, where_a_key_went};
use super::principal::no_such_user;
use super::{About, Action, ApplyError, Draft, Notes, PlanError, gone};
use crate::cloud::WriteCloud;
use crate::ids::{AccessKeyId, UserName};
use crate::inventory::{AccessKey, Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::plan::{Credential, Effect};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct Delete;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    user: UserName,
    keys: Keys,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    user: UserName,
    /// The user's unique id: another user under the same name is somebody else.
    user_id: String,
    key: AccessKeyId,
}

impl Action for Delete {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.access-key.delete",
        title: "Delete access keys for good",
        fields: &[
            Field::required("user", FieldType::UserName, "The keys' owner"),
            Field::required(
                "keys",
                KEYS,
                "`all` that there were before the case handed out any, or a list of access key ids",
            ),
        ],
        phases: &[Phase::Destroy],
        effects: &[EffectKind::Destroys],
        takes_off: None,
    };
    const ABOUT: About = About {
        permissions: &[
            "iam:GetUser",
            "iam:ListAccessKeys",
            "iam:GetAccessKeyLastUsed",
            "iam:DeleteAccessKey",
        ],
        undo: "none: a deleted key does not come back; mint another with `iam.access-key.replace`",
        hazards: &[
            "whatever still holds the key cannot be let in again by activating it",
            "sessions that the key has minted live on for up to 36 hours",
        ],
        unknowns: &[],
        d3fend: &["D3-CR"],
        counters: &["T1098.001", "T1552.001"],
        tested: &[
            "faults::roles_and_networks::every_pair_of_faults_in_a_deletion_leaves_the_one_key_gone",
            "deletions::the_old_key_goes_last_and_the_new_one_stays",
        ],
    };

    type Inputs = Inputs;
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        vec![Want::User(inputs.user.clone()), Want::AccessKeys(inputs.user.clone())]
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let user = &inputs.user;
        let Some(owner) = inventory.user(user)? else {
            return Err(no_such_user(user, inventory));
        };
        let keys = inputs.keys.of(user, inventory)?;
        let draft = |key: &AccessKey| Draft {
            target: format!("user {user}"),
            what: format!("delete {}", key.id),
            // Not whether it is active: it is cut before it is deleted, and the plan stays the same.
            before: "there".to_owned(),
            after: "gone".to_owned(),
            already: false,
            effects: vec![Effect::Destroys {
                credential: Credential::AccessKey { user: user.clone(), id: key.id.clone() },
            }],
            irreversible: Some(format!("deletes access key {} for good", key.id)),
        };
        let change = |key: &AccessKey| Change {
            user: user.clone(),
            user_id: owner.id.clone(),
            key: key.id.clone(),
        };
        Ok(keys.into_iter().map(|key| (draft(key), change(key))).collect())
    }

    fn look(change: &Change) -> Vec<Want> {
        vec![
            Want::User(change.user.clone()),
            Want::AccessKeys(change.user.clone()),
            Want::AccessKeyLastUsed(change.key.clone()),
        ]
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let Change { user, user_id, key } = change;
        if facts.access_keys(user)?.iter().any(|found| found.id == *key) {
            return Ok(Position::Before);
        }
        // Gone, whoever deleted it, and no more was wanted; or taken along by whoever renamed its owner.
        Ok(match where_a_key_went(key, user, user_id, facts)? {
            Position::Gone => Position::After,
            position => position,
        })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let Change { user, key, .. } = change;
        let why = "it was cut, and nobody needs it any more".to_owned();
        notes.note(Note::Removing { key: key.clone(), why }).await?;
        gone(cloud.iam().delete_access_key(user, key).await)?;
        Ok(())
    }
}
