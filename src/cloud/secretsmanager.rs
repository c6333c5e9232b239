//! Secrets Manager: versions and labels for those who read, values only for those who deliver.
//!
//! A value is a [`Secret`] from the moment it leaves the SDK until the moment it goes back.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;

use super::attempt::{CallError, Cause, Certainty, attempt};
use super::iam::absent_is_none;
use super::pace::Pace;
use crate::ids::{SecretId, VersionId};
use crate::secret::Secret;

/// Reads from Secrets Manager, never a value.
#[derive(Clone, Debug)]
pub struct ReadSecrets {
    pub(super) client: Client,
    pub(super) pace: Pace,
}

impl ReadSecrets {
    /// A secret's versions and labels. (`secretsmanager:DescribeSecret`)
    pub async fn describe(
        &self,
        secret: &SecretId,
    ) -> Result<Option<DescribeSecretOutput>, CallError> {
        let call = || {
            let call = self.client.describe_secret().secret_id(secret.as_str());
            attempt("secretsmanager:DescribeSecret", call.send())
        };
        Ok(absent_is_none(self.pace.read(call).await)?.map(|(output, _)| output))
    }
}

/// Values, and what moves them. No call here is repeated by itself, unless it was told that nothing came of it.
#[derive(Clone, Debug)]
pub struct WriteSecrets {
    pub(super) client: Client,
    pub(super) pace: Pace,
}

impl WriteSecrets {
    /// The value of the version labelled `AWSCURRENT`; `None` where there is none yet.
    /// (`secretsmanager:GetSecretValue`)
    pub async fn current_value(&self, secret: &SecretId) -> Result<Option<Secret>, CallError> {
        let operation = "secretsmanager:GetSecretValue";
        let call = self.client.get_secret_value().secret_id(secret.as_str());
        // Named, though it is what AWS gives by default: not every implementation of it does.
        let call = call.version_stage("AWSCURRENT");
        let Some((output, _)) =
            absent_is_none(self.pace.write(|| attempt(operation, call.clone().send())).await)?
        else {
            return Ok(None);
        };
        output.secret_string.map(|value| Some(Secret::new(value))).ok_or_else(|| CallError {
            operation: operation.to_owned(),
            certainty: Certainty::DidNot,
            cause: Cause::Refused,
            code: "NotText".to_owned(),
            message: "the secret holds bytes, not text".to_owned(),
        })
    }

    /// Stores a new version under `label` alone, so that nobody who reads `AWSCURRENT` sees it.
    /// `version` makes the call repeatable. (`secretsmanager:PutSecretValue`)
    pub async fn stage(
        &self,
        secret: &SecretId,
        value: &Secret,
        version: &VersionId,
        label: &str,
    ) -> Result<(), CallError> {
        let call = self.client.put_secret_value().secret_id(secret.as_str());
        let call = call.secret_string(value.expose()).client_request_token(version.as_str());
        let call = call.version_stages(label);
        self.pace
            .write(|| attempt("secretsmanager:PutSecretValue", call.clone().send()))
            .await
            .map(drop)
    }

    /// Moves `label` to `to`, away from the version that is named as holding it. AWS refuses where
    /// another version holds it by now. (`secretsmanager:UpdateSecretVersionStage`)
    pub async fn move_label(
        &self,
        secret: &SecretId,
        label: &str,
        to: Option<&VersionId>,
        from: Option<&VersionId>,
    ) -> Result<(), CallError> {
        let call = self.client.update_secret_version_stage().secret_id(secret.as_str());
        let call = call
            .version_stage(label)
            .set_move_to_version_id(to.map(ToString::to_string))
            .set_remove_from_version_id(from.map(ToString::to_string));
        self.pace
            .write(|| attempt("secretsmanager:UpdateSecretVersionStage", call.clone().send()))
            .await
            .map(drop)
    }
}
