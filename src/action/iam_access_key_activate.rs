//! `iam.access-key.activate`: let an access key work again that was deactivated.
//!
//! What counts as compromised never works again: `run` starts this only where somebody has cleared the key, or
//! answers for it. A key that is not there any more cannot be activated, and is no other's.

use serde::{Deserialize, Serialize};

use super::iam_access_key_deactivate::{KEYS, Keys};
use super::principal::no_such_user;
use super::{About, Action, ApplyError, Draft, Notes, PlanError, not_the_user};
use crate::cloud::WriteCloud;
use crate::ids::{AccessKeyId, UserName};
use crate::inventory::{AccessKey, Inventory, Status, Unread, Want};
use crate::journal::{Note, Position};
use crate::plan::{Barrier, Credential, Effect, Subject};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

pub(super) struct Activate;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    user: UserName,
    keys: Keys,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) user: UserName,
    /// The user's unique id: another user under the same name is somebody else.
    pub(super) user_id: String,
    pub(super) key: AccessKeyId,
}

impl Change {
    pub(super) fn draft(&self) -> Draft {
        let credential = Credential::AccessKey { user: self.user.clone(), id: self.key.clone() };
        Draft {
            target: format!("user {}", self.user),
            what: format!("activate {}", self.key),
            before: "inactive".to_owned(),
            after: "active".to_owned(),
            already: false,
            effects: vec![Effect::Lifts {
                subject: Subject::Credential { credential },
                barrier: Barrier::Inactive,
            }],
            irreversible: None,
        }
    }
}

impl Action for Activate {
    const SHAPE: ActionShape = ActionShape {
        kind: "iam.access-key.activate",
        title: "Let access keys work again that were found innocent",
        fields: &[
            Field::required("user", FieldType::UserName, "The keys' owner"),
            Field::required("keys", KEYS, "`all`, or a list of access key ids"),
        ],
        phases: &[Phase::Recover],
        effects: &[EffectKind::Lifts],
        takes_off: Some("iam.access-key.deactivate"),
    };
    const ABOUT: About = About {
        permissions: &["iam:GetUser", "iam:ListAccessKeys", "iam:UpdateAccessKey"],
        undo: "`iam.access-key.deactivate` cuts it again",
        hazards: &[
            "whoever has the key can use it: held until it is cleared, or somebody answers for it",
        ],
        unknowns: &[],
        d3fend: &["D3-ULA"],
        counters: &["T1531"],
        tested: &[
            "undo::what_two_people_have_cleared_is_as_it_was_before_to_the_letter",
            "undo::killed::a_crash_anywhere_in_an_undo_is_resumed_to_the_same_end",
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
        let keys = inputs.keys.of(user, inventory)?.into_iter();
        let planned = keys.map(|key| {
            let change =
                Change { user: user.clone(), user_id: owner.id.clone(), key: key.id.clone() };
            (change.draft(), change)
        });
        Ok(planned.collect())
    }

    fn look(change: &Change) -> Vec<Want> {
        vec![Want::User(change.user.clone()), Want::AccessKeys(change.user.clone())]
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let Change { user, user_id, key } = change;
        Ok(match facts.access_keys(user)?.iter().find(|found| found.id == *key) {
            Some(AccessKey { status: Status::Active, .. }) => Position::After,
            Some(AccessKey { status: Status::Inactive, .. }) => Position::Before,
            None => not_the_user(user, user_id, facts.user(user)?.as_ref()).unwrap_or_else(|| {
                Position::Elsewhere { why: format!("access key {key} of {user} is gone") }
            }),
        })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        _notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        cloud.iam().set_access_key_status(&change.user, &change.key, Status::Active).await?;
        Ok(())
    }
}
