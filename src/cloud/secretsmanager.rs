//! Secrets Manager: versions and labels for those who read, values only for those who deliver.
//!
//! A value is a [`Secret`] from the moment it leaves the SDK until the moment it goes back.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::SecretListEntry;

use super::attempt::{CallError, Certainty, attempt};
use super::iam::absent_is_none;
use super::pace::Pace;
use super::pages::{Next, SECRETS_ITEMS, to_the_last};
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

    /// Every secret of the region, those that wait to be deleted too. (`secretsmanager:ListSecrets`)
    pub async fn list(&self) -> Result<Vec<SecretListEntry>, CallError> {
        let mut secrets = Vec::new();
        let page = |from| {
            let call = self.client.list_secrets().include_planned_deletion(true);
            let call = call.max_results(SECRETS_ITEMS).set_next_token(from);
            attempt("secretsmanager:ListSecrets", call.send())
        };
        to_the_last(&self.pace, "secretsmanager:ListSecrets", page, |page| {
            secrets.extend(page.secret_list.unwrap_or_default());
            page.next_token.map_or(Next::End, |next| Next::At(Some(next)))
        })
        .await?;
        Ok(secrets)
    }

    /// What AWS finds wrong with a policy for a secret, if anything. (`secretsmanager:ValidateResourcePolicy`)
    pub async fn faults_of_policy(
        &self,
        secret: &SecretId,
        policy: &str,
    ) -> Result<Vec<String>, CallError> {
        let call = || {
            let call = self.client.validate_resource_policy().secret_id(secret.as_str());
            let call = call.resource_policy(policy);
            attempt("secretsmanager:ValidateResourcePolicy", call.send())
        };
        let (output, _) = self.pace.read(call).await?;
        if output.policy_validation_passed() {
            return Ok(Vec::new());
        }
        let said = output.validation_errors().iter().map(|error| {
            let (check, message) = (error.check_name(), error.error_message());
            format!("{}: {}", check.unwrap_or("it"), message.unwrap_or("is not valid"))
        });
        let said: Vec<String> = said.collect();
        Ok(if said.is_empty() { vec!["it is not valid".to_owned()] } else { said })
    }

    /// The policy on a secret; `None` where there is none. (`secretsmanager:GetResourcePolicy`)
    pub async fn policy(&self, secret: &SecretId) -> Result<Option<String>, CallError> {
        let call = || {
            let call = self.client.get_resource_policy().secret_id(secret.as_str());
            attempt("secretsmanager:GetResourcePolicy", call.send())
        };
        let found = absent_is_none(self.pace.read(call).await)?;
        Ok(found.and_then(|(output, _)| output.resource_policy))
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
        let bytes = "the secret holds bytes, not text, so nothing can be added to it";
        output
            .secret_string
            .map(|value| Some(Secret::new(value)))
            .ok_or_else(|| CallError::not_understood(operation, Certainty::DidNot, bytes))
    }

    /// Whether a version holds a value at all; what it holds is dropped unseen. A rotation that failed early
    /// leaves a version that holds none. (`secretsmanager:GetSecretValue`)
    pub async fn has_value(
        &self,
        secret: &SecretId,
        version: &VersionId,
    ) -> Result<bool, CallError> {
        let operation = "secretsmanager:GetSecretValue";
        let call = self.client.get_secret_value().secret_id(secret.as_str());
        let call = call.version_id(version.as_str());
        let found =
            absent_is_none(self.pace.write(|| attempt(operation, call.clone().send())).await)?;
        let Some((output, _)) = found else { return Ok(false) };
        // Wrapped so that it is wiped.
        Ok(output.secret_string.map(Secret::new).is_some() || output.secret_binary.is_some())
    }

    /// Begins a rotation, which goes on by itself. `version` is the version it makes, and makes the call
    /// repeatable. (`secretsmanager:RotateSecret`)
    pub async fn rotate(&self, secret: &SecretId, version: &VersionId) -> Result<(), CallError> {
        let call = self.client.rotate_secret().secret_id(secret.as_str());
        let call = call.client_request_token(version.as_str());
        self.pace
            .write(|| attempt("secretsmanager:RotateSecret", call.clone().send()))
            .await
            .map(drop)
    }

    /// Sets the policy on a secret. With `not_public`, AWS refuses one that would let anybody in.
    /// (`secretsmanager:PutResourcePolicy`)
    pub async fn put_policy(
        &self,
        secret: &SecretId,
        policy: &str,
        not_public: bool,
    ) -> Result<(), CallError> {
        let call = self.client.put_resource_policy().secret_id(secret.as_str());
        let call = call.resource_policy(policy).block_public_policy(not_public);
        self.pace
            .write(|| attempt("secretsmanager:PutResourcePolicy", call.clone().send()))
            .await
            .map(drop)
    }

    /// Takes the policy off a secret. (`secretsmanager:DeleteResourcePolicy`)
    pub async fn delete_policy(&self, secret: &SecretId) -> Result<(), CallError> {
        let call = self.client.delete_resource_policy().secret_id(secret.as_str());
        self.pace
            .write(|| attempt("secretsmanager:DeleteResourcePolicy", call.clone().send()))
            .await
            .map(drop)
    }

    /// A new value of so many letters and digits, at least one of each kind.
    /// (`secretsmanager:GetRandomPassword`)
    pub async fn random_password(&self, length: i64) -> Result<Secret, CallError> {
        let operation = "secretsmanager:GetRandomPassword";
        let call = self.client.get_random_password().password_length(length);
        let call = call.exclude_punctuation(true).require_each_included_type(true);
        let (output, _) = self.pace.write(|| attempt(operation, call.clone().send())).await?;
        let right = |value: &String| i64::try_from(value.len()) == Ok(length);
        output
            .random_password
            .filter(right)
            .map(Secret::new)
            .ok_or_else(|| CallError::not_understood(operation, Certainty::DidNot, "no value"))
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
