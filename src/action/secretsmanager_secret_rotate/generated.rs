//! A value that is made here.
//!
//! Stored under a label of our own before `AWSCURRENT` moves. A value is never made twice: each attempt has a version of
//! its own.

use serde::{Deserialize, Serialize};

use super::{Change, Inputs};
use crate::action::delivery::{self, CURRENT, STAGED};
use crate::action::{ApplyError, Notes, Permission};
use crate::cloud::WriteCloud;
use crate::ids::VersionId;
use crate::inventory::SecretMetadata;
use crate::journal::{Note, Position};
use crate::secret::Secret;

/// Characters of a value, where the playbook does not say.
const LENGTH: i64 = 48;

/// One value, decided.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Generated {
    /// The field of a JSON object; `None`: the whole value.
    field: Option<String>,
    length: i64,
}

impl Generated {
    pub(super) fn plan(inputs: &Inputs) -> Self {
        Self { field: inputs.field.clone(), length: inputs.length.unwrap_or(LENGTH) }
    }

    /// What is done, for people.
    pub(super) fn what(&self) -> String {
        let into =
            self.field.as_ref().map(|field| format!(" into its field {field}")).unwrap_or_default();
        format!("put a value of {} letters and digits{into}", self.length)
    }

    /// What a plan, which knows no value, cannot see.
    pub(super) fn warnings(&self, change: &Change) -> Vec<String> {
        if self.field.is_some() {
            return Vec::new();
        }
        vec![format!(
            "secret {}: a value alone takes the place of what it holds. Where that is a JSON object the change will be held, \
             and nothing is written: give its step the `field` that the value goes into",
            change.name
        )]
    }

    pub(super) fn permissions() -> Vec<Permission> {
        vec![
            Permission::to("secretsmanager:GetSecretValue"),
            Permission::to("secretsmanager:GetRandomPassword"),
            Permission::to("secretsmanager:PutSecretValue"),
            Permission::to("secretsmanager:UpdateSecretVersionStage"),
        ]
    }

    pub(super) async fn apply(
        &self,
        change: &Change,
        cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        let (secret, field) = (&change.secret, self.field.as_deref());
        let described = cloud.read().secrets().describe(secret).await?;
        let labels = described.and_then(|s| s.version_ids_to_stages).unwrap_or_default();
        let stored = staged(notes.so_far()).filter(|version| labels.contains_key(version.as_str()));
        if let Some(version) = stored.cloned() {
            return delivery::hand_over(cloud, secret, change.current.as_ref(), &version).await;
        }
        let there = match field {
            Some(_) => delivery::open(cloud, secret).await?,
            None => cloud.secrets().current_value(secret).await?,
        };
        if field.is_none() && there.as_ref().is_some_and(delivery::is_object) {
            notes.note(Note::NotAsPlanned).await?;
            return Err(ApplyError::Refused(format!(
                "secret {} holds a JSON object, and a value alone would take its place: plan anew, with the `field` that it \
                 goes into. Nothing was written",
                change.name
            )));
        }
        let value = cloud.secrets().random_password(self.length).await?;
        let whole: Secret = match field {
            Some(field) => delivery::with_fields(there.as_ref(), &[(field, value.expose())]),
            None => value,
        };
        // A value is never made twice, so each attempt has a version of its own.
        let nth = notes.so_far().iter().filter(|n| matches!(n, Note::StagingValue { .. })).count();
        let version = delivery::version_of(&notes.seed(), &format!("value {nth}"));
        notes.note(Note::StagingValue { version: version.clone() }).await?;
        cloud.secrets().stage(secret, &whole, &version, STAGED).await?;
        delivery::hand_over(cloud, secret, change.current.as_ref(), &version).await
    }
}

/// Where it stands, by the labels of its versions.
pub(super) fn judge(change: &Change, notes: &[Note], secret: &SecretMetadata) -> Position {
    let current = secret.holder_of(CURRENT);
    let staged = staged(notes);
    if current != change.current.as_ref() && current != staged {
        let why = match current {
            Some(version) => format!("the secret's current version is now {version}"),
            None => "the secret has no current version any more".to_owned(),
        };
        return Position::Elsewhere { why };
    }
    let missing = match staged {
        None => return Position::Before,
        Some(version) if current != Some(version) => "the new value is not current",
        Some(_) if secret.holder_of(STAGED).is_some() => {
            "the label it was staged under is still there"
        }
        Some(_) => return Position::After,
    };
    Position::Between { why: missing.to_owned() }
}

/// The version that was staged last.
pub(super) fn staged(notes: &[Note]) -> Option<&VersionId> {
    notes.iter().rev().find_map(|note| match note {
        Note::StagingValue { version } => Some(version),
        _ => None,
    })
}
