//! `iam.access-key.deactivate`: make access keys unusable, in a way that can be taken back.
//!
//! Deactivating rather than deleting keeps the key's id for the investigation and its slot from being
//! taken. It does nothing about the sessions the key has already minted: `iam.user.revoke-sessions` does.
//! Undo never activates a key that counts as compromised.

use serde::{Deserialize, Serialize};

use super::by_hand::command;
use super::{About, Action, ApplyError, ByHand, Draft, Notes, PlanError};
use crate::cloud::WriteCloud;
use crate::ids::{AccessKeyId, UserName};
use crate::inventory::{Inventory, Status, Unread, Want};
use crate::journal::{Note, Position};
use crate::plan::{Barrier, Credential, Effect, Subject};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct Deactivate;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    user: UserName,
    keys: Keys,
}

/// `all`, or a list of ids. The field table lets nothing else through.
#[derive(Deserialize)]
#[serde(try_from = "serde_json::Value")]
enum Keys {
    All,
    These(Vec<AccessKeyId>),
}

impl TryFrom<serde_json::Value> for Keys {
    type Error = serde_json::Error;
    fn try_from(value: serde_json::Value) -> Result<Self, serde_json::Error> {
        match value.as_str() {
            Some("all") => Ok(Self::All),
            _ => serde_json::from_value(value).map(Self::These),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    user: UserName,
    key: AccessKeyId,
}

impl Action for Deactivate {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.access-key.deactivate",
        title: "Make access keys unusable",
        fields: &[
            Field::required("user", FieldType::UserName, "The keys' owner"),
            Field::required(
                "keys",
                FieldType::Either(&[
                    FieldType::OneOf(std::borrow::Cow::Borrowed(&[std::borrow::Cow::Borrowed(
                        "all",
                    )])),
                    FieldType::List(&FieldType::AccessKeyId),
                ]),
                "`all`, or a list of access key ids",
            ),
        ],
        phases: &[Phase::Contain],
        effects: &[EffectKind::Cuts],
    };
    const ABOUT: About = About {
        permissions: &["iam:ListAccessKeys", "iam:UpdateAccessKey"],
        undo: "activate the key again; never done for a key that counts as compromised",
        hazards: &[
            "whatever uses the key stops until it has a new one",
            "sessions that the key has minted live on for up to 36 hours",
        ],
        unknowns: &[],
        d3fend: &["D3-AL"],
        counters: &["T1098.001", "T1552.001"],
    };

    type Inputs = Inputs;
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        vec![Want::AccessKeys(inputs.user.clone())]
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<Draft<Change>>, PlanError> {
        let user = &inputs.user;
        let found = inventory.access_keys(user)?;
        if let Keys::These(ids) = &inputs.keys
            && let Some(missing) = ids.iter().find(|id| !found.iter().any(|key| &key.id == *id))
        {
            return Err(PlanError::Impossible {
                message: format!("{user} has no access key {missing}"),
                help: "use `keys: all`, or take the id out of the list".to_owned(),
            });
        }
        let wanted = |id: &AccessKeyId| match &inputs.keys {
            Keys::All => true,
            Keys::These(ids) => ids.contains(id),
        };
        let draft = |key: &crate::inventory::AccessKey| Draft {
            target: format!("user {user}"),
            what: format!("deactivate {}", key.id),
            before: match key.status {
                Status::Active => "active".to_owned(),
                Status::Inactive => "inactive".to_owned(),
            },
            after: "inactive".to_owned(),
            already: key.status == Status::Inactive,
            effects: vec![Effect::Cuts {
                subject: Subject::Credential {
                    credential: Credential::AccessKey { user: user.clone(), id: key.id.clone() },
                },
                barrier: Barrier::Inactive,
            }],
            irreversible: None,
            decided: Change { user: user.clone(), key: key.id.clone() },
        };
        Ok(found.iter().filter(|key| wanted(&key.id)).map(draft).collect())
    }

    fn look(change: &Change) -> Vec<Want> {
        vec![Want::AccessKeys(change.user.clone())]
    }

    fn by_hand(change: &Change) -> Option<ByHand> {
        let options = [
            ("user-name", change.user.as_str()),
            ("access-key-id", change.key.as_str()),
            ("status", "Inactive"),
        ];
        Some(ByHand {
            commands: vec![command(&["iam", "update-access-key"], &options)],
            console: format!(
                "IAM > Users > {} > Security credentials > Access keys > {} > Actions > Deactivate",
                change.user, change.key
            ),
        })
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let keys = facts.access_keys(&change.user)?;
        Ok(match keys.iter().find(|key| key.id == change.key).map(|key| key.status) {
            Some(Status::Active) => Position::Before,
            // Deleted by somebody meanwhile: it cuts all the more.
            Some(Status::Inactive) | None => Position::After,
        })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        _notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let answer =
            cloud.iam().set_access_key_status(&change.user, &change.key, Status::Inactive).await;
        match answer {
            Err(error) if !error.is_absent() => Err(error.into()),
            _ => Ok(()),
        }
    }
}
