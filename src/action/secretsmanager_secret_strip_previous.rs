//! `secretsmanager.secret.strip-previous`: take the label off the value that a rotation left behind.
//!
//! Whoever may read a secret may read the version labelled `AWSPREVIOUS` too. Without a label a version is
//! deprecated, and AWS deletes it when it likes: there is then no way back to it. So this is for the end, when
//! everybody works with the new value.

use serde::{Deserialize, Serialize};

use super::delivery::CURRENT;
use super::seal_policy::{by_arn, called, found};
use super::secretsmanager_secret_seal::value_of;
use super::{About, Action, ApplyError, Draft, Notes, Permission, PlanError};
use crate::cloud::WriteCloud;
use crate::ids::{SecretId, VersionId};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Note, Position};
use crate::plan::{Effect, Subject};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};

const PREVIOUS: &str = "AWSPREVIOUS";

pub(super) struct StripPrevious;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    secret: SecretId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// What the plan calls it.
    name: SecretId,
    /// Its ARN; every call names it.
    secret: SecretId,
    /// The version that was current when this was planned: while it still is, nothing has replaced it.
    current: Option<VersionId>,
}

impl Action for StripPrevious {
    const SHAPE: ActionShape = ActionShape {
        kind: "secretsmanager.secret.strip-previous",
        title: "Take the label off the value that a rotation left behind",
        fields: &[Field::required("secret", FieldType::SecretId, "The secret that was rotated")],
        phases: &[Phase::Destroy],
        effects: &[EffectKind::Destroys],
        takes_off: None,
    };
    const ABOUT: About = About {
        permissions: &["secretsmanager:DescribeSecret", "secretsmanager:UpdateSecretVersionStage"],
        undo: "none: AWS deletes versions without a label when it likes",
        hazards: &[
            "what still works with the previous value cannot be helped by moving AWSCURRENT back",
            "until AWS deletes it, the version can still be read by its id",
        ],
        unknowns: &[],
        d3fend: &["D3-CR"],
        counters: &["T1555.006"],
        tested: &["secrets::the_previous_value_is_stripped_once_it_was_replaced"],
    };

    type Inputs = Inputs;
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        vec![Want::Secret(inputs.secret.clone())]
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let caller = &inventory.caller;
        let secret = found(&inputs.secret, inventory.secret(&inputs.secret)?.as_deref(), caller)?;
        let name = called(secret, caller)?;
        let Subject::Credential { credential } = value_of(&name) else { unreachable!("a value") };
        let draft = Draft {
            target: format!("secret {name}"),
            what: format!("take {PREVIOUS} off the value that was there before"),
            before: format!("the previous value can be read by {PREVIOUS}"),
            after: format!("no version has {PREVIOUS}"),
            already: false,
            effects: vec![Effect::Destroys { credential }],
            irreversible: Some(format!(
                "gives up the previous value of secret {name}: AWS deletes versions without a label"
            )),
        };
        let current = secret.holder_of(CURRENT).cloned();
        Ok(vec![(draft, Change { name, secret: by_arn(secret)?, current })])
    }

    fn look(change: &Change) -> Vec<Want> {
        vec![Want::Secret(change.secret.clone())]
    }

    fn permissions(_change: &Change) -> Vec<Permission> {
        vec![Permission::to("secretsmanager:UpdateSecretVersionStage")]
    }

    fn judge(change: &Change, _notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let Some(secret) = facts.secret(&change.secret)? else {
            return Ok(Position::Elsewhere { why: format!("secret {} is gone", change.name) });
        };
        let current = secret.holder_of(CURRENT);
        Ok(if secret.holder_of(PREVIOUS).is_none() && current != change.current.as_ref() {
            Position::After
        } else {
            Position::Before
        })
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        _notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let secret = &change.secret;
        let described = cloud.read().secrets().describe(secret).await?;
        let labels = described.and_then(|s| s.version_ids_to_stages).unwrap_or_default();
        let holder = |label: &str| {
            let found = labels.iter().find(|(_, stages)| stages.iter().any(|s| s == label));
            found.and_then(|(id, _)| VersionId::parse(id.as_str()).ok())
        };
        if holder(CURRENT) == change.current {
            return Err(ApplyError::Refused(format!(
                "secret {} has the value it had when this was planned: rotate it first",
                change.name
            )));
        }
        if let Some(previous) = holder(PREVIOUS) {
            cloud.secrets().move_label(secret, PREVIOUS, None, Some(&previous)).await?;
        }
        Ok(())
    }
}
