//! `iam.access-key.replace`: mint an access key and deliver it straight into the secret its owner reads.
//!
//! One action, because a secret must not pass from one to another through anything that is written down.
//! `CreateAccessKey` has no idempotency token and tells the secret once, so a lost answer or a crash can
//! leave a key whose secret nobody has. Every such key is found and removed: the change carries the keys
//! that were there before, and a note says from when on a stranger may be ours. A stranger older than
//! that is not ours, and stops the change.
//!
//! IAM lets a user hold two keys. With both slots taken one key is used up: deleted for good, which the
//! plan says in capitals and the journal records first. It is a key the gate counts as cut, and of the
//! candidates the youngest, because a key an intruder hung on is younger than the one he stole, and the
//! old one's last use still tells who has not yet moved over.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::delivery::{self, CURRENT, KEY_ID, KEY_SECRET, STAGED};
use super::principal::no_such_user;
use super::{
    About, Action, ApplyError, Draft, Notes, Permission, PlanError, Unknown, gone, not_the_user,
};
use crate::cloud::{Certainty, WriteCloud};
use crate::ids::{AccessKeyId, SecretId, UserName, VersionId};
use crate::inventory::{Inventory, Status, Unread, Want};
use crate::journal::{Delivered, Note, Ours, Position, Receipt};
use crate::plan::{Credential, Destination, Effect};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

/// Keys a user can hold, where the account does not tell its own quota.
const KEYS_QUOTA: i64 = 2;

pub(super) struct Replace;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    user: UserName,
    deliver_to: SecretId,
    replaces: Option<AccessKeyId>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    user: UserName,
    /// The user's unique id: another user under the same name is somebody else.
    user_id: String,
    deliver_to: SecretId,
    /// The secret's ARN, for the same reason; every call names it.
    secret: SecretId,
    /// The keys that were there when this was planned.
    before: Vec<AccessKeyId>,
    /// The key that is deleted to make room.
    uses_up: Option<AccessKeyId>,
    /// The version that was current when this was planned.
    current: Option<VersionId>,
}

impl Action for Replace {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.access-key.replace",
        title: "Mint an access key into the secret its owner reads",
        fields: &[
            Field::required("user", FieldType::UserName, "The new key's owner"),
            Field::required(
                "deliver_to",
                FieldType::SecretId,
                "The secret it is delivered into, as JSON; other fields are kept",
            ),
            Field::optional(
                "replaces",
                FieldType::AccessKeyId,
                "The key whose work it takes over; it is not the one used up to make room",
            ),
        ],
        phases: &[Phase::Rotate],
        effects: &[EffectKind::Issues, EffectKind::Delivers, EffectKind::Destroys],
        takes_off: None,
    };
    const ABOUT: About = About {
        permissions: &[
            "iam:GetUser",
            "iam:ListAccessKeys",
            "iam:GetAccessKeyLastUsed",
            "iam:GetAccountSummary",
            "iam:CreateAccessKey",
            "iam:DeleteAccessKey",
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetResourcePolicy",
            "secretsmanager:GetSecretValue",
            "secretsmanager:PutSecretValue",
            "secretsmanager:UpdateSecretVersionStage",
        ],
        undo: "the new key can be deactivated and AWSCURRENT moved back; the old keys stay cut",
        hazards: &[
            "whoever else can read the secret can read the new key",
            "held where the secret holds an active key of another user",
            "delivered is not used: what holds the old key works again only once it reads the secret anew",
        ],
        unknowns: &[Unknown {
            what: "the new key's id",
            ty: "access-key-id",
            known: "once it is minted",
        }],
        d3fend: &["D3-CRO", "D3-RIC"],
        counters: &["T1552.001", "T1078.004"],
        tested: &[
            "faults::single_actions::every_pair_of_faults_in_a_replacement_leaves_one_new_key_delivered",
            "crash::a_run_that_crashes_at_any_call_resumes_to_the_same_world",
            "canaries::no_secret_is_in_any_byte_of_a_live_run",
        ],
    };

    type Inputs = Inputs;
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        vec![
            Want::User(inputs.user.clone()),
            Want::AccessKeys(inputs.user.clone()),
            Want::Secret(inputs.deliver_to.clone()),
            Want::AccountSummary,
        ]
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let Inputs { user, deliver_to, replaces } = inputs;
        let secret = delivery::deliverable(deliver_to, inventory)?;
        let Some(found) = inventory.user(user)? else {
            return Err(no_such_user(user, inventory));
        };
        let keys = inventory.access_keys(user)?;
        let quota = inventory
            .account_summary()
            .ok()
            .and_then(|summary| summary.get("AccessKeysPerUserQuota").copied())
            .unwrap_or(KEYS_QUOTA);
        let full = i64::try_from(keys.len()).unwrap_or(i64::MAX) >= quota;
        let uses_up = keys
            .iter()
            .filter(|key| full && Some(&key.id) != replaces.as_ref())
            .max_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)))
            .map(|key| key.id.clone());
        let mut effects = vec![
            Effect::Issues {
                user: user.clone(),
                replaces: replaces
                    .clone()
                    .map(|id| Credential::AccessKey { user: user.clone(), id }),
            },
            Effect::Delivers { to: Destination::Secret { secret: deliver_to.clone() } },
        ];
        if let Some(id) = &uses_up {
            let credential = Credential::AccessKey { user: user.clone(), id: id.clone() };
            effects.push(Effect::Destroys { credential });
        }
        let current = secret.holder_of(CURRENT).cloned();
        let rotates = if secret.rotates_itself { ", which also rotates by itself" } else { "" };
        let draft = Draft {
            target: format!("user {user}"),
            what: format!("mint a key into secret {deliver_to}{rotates}"),
            before: match &current {
                Some(version) => format!("current version {version}"),
                None => "the secret has no value yet".to_owned(),
            },
            after: format!("one new active key of {user}, in the current version of the secret"),
            already: false,
            effects,
            irreversible: uses_up.as_ref().map(|id| {
                format!(
                    "deletes access key {id} for good: {user} holds {quota} keys and no more fit"
                )
            }),
        };
        let change = Change {
            user: user.clone(),
            user_id: found.id.clone(),
            deliver_to: deliver_to.clone(),
            secret: delivery::arn_of(secret)?,
            before: keys.iter().map(|key| key.id.clone()).collect(),
            uses_up,
            current,
        };
        Ok(vec![(draft, change)])
    }

    fn look(change: &Change) -> Vec<Want> {
        vec![
            Want::User(change.user.clone()),
            Want::AccessKeys(change.user.clone()),
            Want::Secret(change.secret.clone()),
        ]
    }

    fn permissions(change: &Change) -> Vec<Permission> {
        let delete = Permission::to("iam:DeleteAccessKey");
        vec![
            Permission::to("iam:CreateAccessKey"),
            match &change.uses_up {
                Some(_) => delete,
                None => delete.only_if("an attempt is cut off and leaves a key behind"),
            },
            Permission::to("secretsmanager:GetSecretValue"),
            Permission::to("secretsmanager:PutSecretValue"),
            Permission::to("secretsmanager:UpdateSecretVersionStage"),
        ]
    }

    fn judge(change: &Change, notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let found = facts.user(&change.user)?.as_ref();
        if let Some(elsewhere) = not_the_user(&change.user, &change.user_id, found) {
            return Ok(elsewhere);
        }
        let keys = facts.access_keys(&change.user)?;
        let Some(secret) = facts.secret(&change.secret)? else {
            let why = format!("secret {} is gone", change.deliver_to);
            return Ok(Position::Elsewhere { why });
        };
        if let Some(elsewhere) = delivery::not_the_secret(&change.deliver_to, secret) {
            return Ok(elsewhere);
        }
        let ours = Ours::of(notes);
        let strangers: Vec<_> = keys.iter().filter(|k| !change.before.contains(&k.id)).collect();
        if let Some(foreign) =
            strangers.iter().find(|k| !ours.may_include(&k.id, Some(k.created_at)))
        {
            let why = format!("access key {} has appeared, and it is not ours", foreign.id);
            return Ok(Position::Elsewhere { why });
        }
        let current = secret.holder_of(CURRENT);
        let staged = staged(notes);
        let new_version = staged.as_ref().map(|(version, _)| version);
        if current != change.current.as_ref() && current != new_version {
            let why = match current {
                Some(version) => format!("the secret's current version is now {version}"),
                None => "the secret has no current version any more".to_owned(),
            };
            return Ok(Position::Elsewhere { why });
        }
        let used_up = |key: &AccessKeyId| !keys.iter().any(|k| &k.id == key);
        let missing = if let Some((version, key)) = &staged {
            if strangers.len() != 1
                || strangers[0].id != *key
                || strangers[0].status != Status::Active
            {
                "the new key is not the only one"
            } else if current != Some(version) {
                "the new key is not delivered"
            } else if secret.holder_of(STAGED).is_some() {
                "the label it was staged under is still there"
            } else if !change.uses_up.as_ref().is_none_or(used_up) {
                "the key to be used up is still there"
            } else {
                return Ok(Position::After);
            }
        } else if !ours.begun {
            return Ok(Position::Before);
        } else {
            "a key may have been minted, and was not delivered"
        };
        Ok(Position::Between { why: missing.to_owned() })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let Change { user, secret, .. } = change;
        let described = cloud.read().secrets().describe(secret).await?;
        let labels = described.and_then(|s| s.version_ids_to_stages).unwrap_or_default();
        let keys = cloud.read().iam().access_keys(user).await?;
        let stored = staged(notes.so_far()).filter(|(version, key)| {
            let works = keys.iter().any(|k| {
                k.access_key_id() == Some(key.as_str())
                    && k.status() == Some(&aws_sdk_iam::types::StatusType::Active)
            });
            works && labels.contains_key(version.as_str())
        });
        if let Some((version, key)) = stored {
            make_room(change, cloud, notes, &keys, Some(&key)).await?;
            return delivery::hand_over(cloud, secret, change.current.as_ref(), &version).await;
        }
        // Before anything is deleted for good: where nothing can be delivered, nothing is used up.
        let there = delivery::open(cloud, secret).await?;
        if let Some(key) = there.as_ref().and_then(delivery::key_in)
            && !change.before.contains(&key)
        {
            not_anothers(change, cloud, &key).await?;
        }
        make_room(change, cloud, notes, &keys, None).await?;
        // What whoever has read the old value knows is told while it is there to be read.
        if let Some(key) = there.as_ref().and_then(delivery::key_alone_in)
            && !notes.so_far().iter().any(|note| matches!(note, Note::HeldAlone { .. }))
        {
            notes.note(Note::HeldAlone { key }).await?;
        }
        let doubtful = Ours::of(notes.so_far()).in_doubt_since.is_some();
        let at = cloud.read().sts().time().await?;
        notes.note(Note::Minting { at }).await?;
        let minted = match cloud.iam().create_access_key(user).await {
            Err(error) if error.certainty == Certainty::DidNot => {
                // Then no key of this attempt can be among those that appear from now on.
                notes.note(Note::NotMinted).await?;
                // But an earlier attempt may have minted one that is not shown yet. It is removed once it is.
                return Err(if doubtful && error.is_quota() {
                    ApplyError::Later(error.to_string())
                } else {
                    error.into()
                });
            }
            answer => answer?,
        };
        notes.note(Note::Minted { key: minted.id.clone() }).await?;
        let value = delivery::with_fields(
            there.as_ref(),
            &[(KEY_ID, minted.id.as_str()), (KEY_SECRET, minted.secret.expose())],
        );
        let version = delivery::version_of(&notes.seed(), minted.id.as_str());
        let staging = Note::Staging { version: version.clone(), key: minted.id.clone() };
        notes.note(staging).await?;
        cloud.secrets().stage(secret, &value, &version, STAGED).await?;
        delivery::hand_over(cloud, secret, change.current.as_ref(), &version).await
    }

    fn receipt(change: &Change, notes: &[Note]) -> Receipt {
        match staged(notes) {
            Some((version, key)) => Receipt {
                issued: Some(key),
                delivered: Some(Delivered::Secret { secret: change.deliver_to.clone(), version }),
                ..Receipt::default()
            },
            None => Receipt::default(),
        }
    }
}

/// Refuses where the `key` that the secret holds is somebody else's who works with it: whoever reads the secret would work
/// as the wrong user from then on. That a key is nobody's here, or that nobody may say so, keeps nothing back.
async fn not_anothers(
    change: &Change,
    cloud: &WriteCloud,
    key: &AccessKeyId,
) -> Result<(), ApplyError> {
    let iam = cloud.read().iam();
    let used = match iam.access_key_last_used(key).await {
        Err(error) if error.is_denied() => None,
        answer => answer?,
    };
    let owner = used.and_then(|used| UserName::parse(used.user_name?).ok());
    let Some(owner) = owner.filter(|owner| *owner != change.user) else { return Ok(()) };
    let keys = iam.access_keys(&owner).await?;
    let active = Some(&aws_sdk_iam::types::StatusType::Active);
    if !keys.iter().any(|k| k.access_key_id() == Some(key.as_str()) && k.status() == active) {
        return Ok(());
    }
    Err(ApplyError::Refused(format!(
        "secret {} holds access key {key} of {owner}, which is active: whoever reads it would work as {} from then on. Plan \
         anew with another secret; or, where that is meant, deactivate that key first. Nothing was delivered",
        change.deliver_to, change.user
    )))
}

/// Removes keys that an earlier attempt of ours left behind, but the one that is `stored`, and the one
/// that is used up.
async fn make_room(
    change: &Change,
    cloud: &WriteCloud,
    notes: &mut dyn Notes,
    keys: &[aws_sdk_iam::types::AccessKeyMetadata],
    stored: Option<&AccessKeyId>,
) -> Result<(), ApplyError> {
    let ours = Ours::of(notes.so_far());
    for key in keys {
        let Some(id) = key.access_key_id().and_then(|id| AccessKeyId::parse(id).ok()) else {
            return Err(ApplyError::Refused(format!("{} has a key without an id", change.user)));
        };
        let why = if change.uses_up.as_ref() == Some(&id) {
            "to make room: no more keys fit"
        } else if change.before.contains(&id) || stored == Some(&id) {
            continue;
        } else {
            let created = key.create_date().and_then(|at| Timestamp::from_second(at.secs()).ok());
            if !ours.may_include(&id, created) {
                return Err(ApplyError::Refused(format!(
                    "access key {id} of {} has appeared since the plan was made, and it is not ours; \
                     plan again, so that it is cut like the others",
                    change.user
                )));
            }
            "minted by an earlier attempt, and nobody has its secret"
        };
        notes.note(Note::Removing { key: id.clone(), why: why.to_owned() }).await?;
        gone(cloud.iam().delete_access_key(&change.user, &id).await)?;
    }
    Ok(())
}

/// The version and key that were staged last.
fn staged(notes: &[Note]) -> Option<(VersionId, AccessKeyId)> {
    notes.iter().rev().find_map(|note| match note {
        Note::Staging { version, key } => Some((version.clone(), key.clone())),
        _ => None,
    })
}
