//! `iam.access-key.deactivate`: make access keys unusable, in a way that can be taken back.
//!
//! Deactivating rather than deleting keeps the key's id for the investigation and its slot from being
//! taken. It does nothing about the sessions the key has already minted: `iam.user.revoke-sessions` does.
//! A key that its owner is not shown to have any more is cut only if nobody has it: whoever renames the
//! owner takes the key along, and active.
//! Where his keys cannot be listed, those are cut whose ids are known, unseen; the rest is a row of the ledger.
//! Undo never activates a key that counts as compromised.

use serde::{Deserialize, Serialize};

use super::by_hand::command;
use super::iam_access_key_activate::{self, Activate};
use super::principal::no_such_user;
use super::{
    About, Action, ApplyError, ByHand, Canary, Draft, Inverse, Notes, PlanError, Trial, Tried,
    gone, not_the_user,
};
use crate::cloud::WriteCloud;
use crate::ids::{AccessKeyId, UserName};
use crate::inventory::{AccessKey, Inventory, Status, Unread, Want};
use crate::journal::{Note, Position, Refusal};
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
pub(super) enum Keys {
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

/// What the field takes.
pub(super) const KEYS: FieldType = FieldType::Either(&[
    FieldType::OneOf(std::borrow::Cow::Borrowed(&[std::borrow::Cow::Borrowed("all")])),
    FieldType::List(&FieldType::AccessKeyId),
]);

impl Keys {
    /// Those among the keys of `user`. One that is named and that he has not is an error.
    pub(super) fn of<'i>(
        &self,
        user: &UserName,
        inventory: &'i Inventory,
    ) -> Result<Vec<&'i AccessKey>, PlanError> {
        let found = inventory.access_keys(user)?;
        let Self::These(ids) = self else { return Ok(found.iter().collect()) };
        if let Some(missing) = ids.iter().find(|id| !found.iter().any(|key| key.id == **id)) {
            return Err(PlanError::Impossible {
                message: format!("{user} has no access key {missing}"),
                help: "use `keys: all`, or take the id out of the list".to_owned(),
            });
        }
        Ok(found.iter().filter(|key| ids.contains(&key.id)).collect())
    }
}

/// The keys to cut, each with its status where that is shown. What cannot be listed does not keep known ids from being
/// cut: those that are named, and those of which AWS has told that they are the user's.
fn to_cut(
    inputs: &Inputs,
    inventory: &Inventory,
) -> Result<Vec<(AccessKeyId, Option<Status>)>, PlanError> {
    let Inputs { user, keys } = inputs;
    let Err(unread) = inventory.access_keys(user) else {
        let found = keys.of(user, inventory)?.into_iter();
        return Ok(found.map(|key| (key.id.clone(), Some(key.status))).collect());
    };
    let known: Vec<AccessKeyId> = match keys {
        Keys::These(ids) => ids.clone(),
        Keys::All => inventory.keys_known_of(user).cloned().collect(),
    };
    if unread.gap.is_none() || known.is_empty() {
        return Err(unread.into());
    }
    Ok(known.into_iter().map(|id| (id, None)).collect())
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    user: UserName,
    /// The user's unique id: another user under the same name is somebody else.
    user_id: String,
    key: AccessKeyId,
}

impl Action for Deactivate {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.access-key.deactivate",
        title: "Make access keys unusable",
        fields: &[
            Field::required("user", FieldType::UserName, "The keys' owner"),
            Field::required("keys", KEYS, "`all`, or a list of access key ids"),
        ],
        phases: &[Phase::Contain],
        effects: &[EffectKind::Cuts],
        takes_off: None,
    };
    const ABOUT: About = About {
        permissions: &[
            "iam:GetUser",
            "iam:ListAccessKeys",
            "iam:GetAccessKeyLastUsed",
            "iam:UpdateAccessKey",
        ],
        undo: "`iam.access-key.activate`; never done for a key that counts as compromised",
        hazards: &[
            "whatever uses the key stops until it has a new one",
            "sessions that the key has minted live on for up to 36 hours",
        ],
        unknowns: &[],
        d3fend: &["D3-AL"],
        counters: &["T1098.001", "T1552.001"],
        tested: &[
            "faults::single_actions::every_pair_of_faults_in_a_deactivation_leaves_every_key_off",
            "crash::a_run_that_crashes_at_any_call_resumes_to_the_same_world",
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
        let draft = |key: &AccessKeyId, status: Option<Status>| Draft {
            target: format!("user {user}"),
            what: format!("deactivate {key}"),
            before: match status {
                Some(Status::Active) => "active".to_owned(),
                Some(Status::Inactive) => "inactive".to_owned(),
                None => "not known: the user's keys cannot be listed".to_owned(),
            },
            after: "inactive".to_owned(),
            already: status == Some(Status::Inactive),
            effects: vec![Effect::Cuts {
                subject: Subject::Credential {
                    credential: Credential::AccessKey { user: user.clone(), id: key.clone() },
                },
                barrier: Barrier::Inactive,
            }],
            irreversible: None,
        };
        let change = |key| Change { user: user.clone(), user_id: owner.id.clone(), key };
        let keys = to_cut(inputs, inventory)?.into_iter();
        Ok(keys.map(|(key, status)| (draft(&key, status), change(key))).collect())
    }

    fn look(change: &Change) -> Vec<Want> {
        vec![Want::AccessKeys(change.user.clone())]
    }

    fn on_canary(_change: &Change, _facts: &Inventory, canary: &Canary) -> Option<Trial<Change>> {
        let (user, user_id) = (canary.user.clone(), canary.user_id.clone());
        Some(Trial {
            mechanism: "an access key made inactive",
            with: Tried::SecondKey,
            shown_by: Refusal::NotAccepted,
            change: Change { user, user_id, key: canary.keys[1].clone() },
        })
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

    fn inverse(change: &Change) -> Option<Inverse> {
        let Change { user, user_id, key } = change;
        let activate = iam_access_key_activate::Change {
            user: user.clone(),
            user_id: user_id.clone(),
            key: key.clone(),
        };
        Some(Inverse::by::<Activate>(activate.draft(), &activate))
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let Change { user, user_id, key } = change;
        match facts.access_keys(user)?.iter().find(|found| found.id == *key) {
            Some(AccessKey { status: Status::Active, .. }) => return Ok(Position::Before),
            Some(AccessKey { status: Status::Inactive, .. }) => return Ok(Position::After),
            None => {}
        }
        where_a_key_went(key, user, user_id, facts)
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        _notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let iam = cloud.iam();
        // Where it is gone is seen by looking.
        gone(iam.set_access_key_status(&change.user, &change.key, Status::Inactive).await)?;
        Ok(())
    }
}

/// Where a change to a key stands that `user` has no more: deleted, which cuts all the more, or taken along by
/// whoever renamed its owner.
pub(super) fn where_a_key_went(
    key: &AccessKeyId,
    user: &UserName,
    user_id: &str,
    facts: &Inventory,
) -> Result<Position, Unread> {
    Ok(match facts.access_key_last_used(key)? {
        None => Position::Gone,
        Some(owner) if owner.user != *user => {
            Position::Elsewhere { why: format!("access key {key} belongs to {} now", owner.user) }
        }
        // The owner of a key that is gone may be told for a while longer.
        Some(_) => {
            let found = facts.user(user)?.as_ref();
            not_the_user(user, user_id, found).unwrap_or(Position::Gone)
        }
    })
}
