//! IAM: the calls this tool makes, each sent here and nowhere else.
//!
//! Listings are read to the last page. What is asked about and does not exist is `None`, not an
//! error. Outputs are the SDK's own; `survey` turns them into facts. A freshly minted secret leaves
//! the SDK's output here and travels on as a [`Secret`].

use std::collections::BTreeMap;

use aws_sdk_iam::Client;
use aws_sdk_iam::operation::get_access_key_last_used::GetAccessKeyLastUsedOutput;
use aws_sdk_iam::operation::get_account_authorization_details::GetAccountAuthorizationDetailsOutput;
use aws_sdk_iam::operation::get_account_summary::GetAccountSummaryOutput;
use aws_sdk_iam::operation::get_user_policy::GetUserPolicyOutput;
use aws_sdk_iam::types::{
    AccessKeyMetadata, AttachedPolicy, ContextEntry, ContextKeyTypeEnum, EntityType, EvaluationResult,
    LoginProfile, MfaDevice, Role, ServiceSpecificCredentialMetadata, SigningCertificate,
    SshPublicKeyMetadata, StatusType, User,
};

use super::attempt::{CallError, Certainty, attempt};
use super::pace::Pace;
use super::pages::{IAM_ITEMS, Next, to_the_last};
use crate::ids::{AccessKeyId, Arn, PolicyName, UserName};
use crate::inventory::Status;
use crate::secret::Secret;

/// Reads from IAM.
#[derive(Clone, Debug)]
pub struct ReadIam {
    pub(super) client: Client,
    pub(super) pace: Pace,
}

/// A listing of one user's things; a user that does not exist has none.
macro_rules! listing {
    ($(#[$doc:meta])* $name:ident, $operation:literal, $call:ident, $items:ident -> $item:ty) => {
        $(#[$doc])*
        pub async fn $name(&self, user: &UserName) -> Result<Vec<$item>, CallError> {
            let mut items = Vec::new();
            let page = |from| {
                let call = self.client.$call().user_name(user.as_str());
                attempt($operation, call.set_marker(from).send())
            };
            let read = to_the_last(&self.pace, $operation, page, |page| {
                items.extend_from_slice(page.$items());
                next(page.is_truncated, page.marker)
            });
            // Whatever came before the user was gone is gone with him.
            let there = absent_is_none(read.await)?;
            Ok(there.map_or_else(Vec::new, |()| items))
        }
    };
}

fn next(is_truncated: bool, marker: Option<String>) -> Next {
    if is_truncated { Next::At(marker) } else { Next::End }
}

impl ReadIam {
    listing!(
        /// A user's access keys. (`iam:ListAccessKeys`)
        access_keys, "iam:ListAccessKeys", list_access_keys, access_key_metadata -> AccessKeyMetadata);
    listing!(
        /// A user's passwords for single services. (`iam:ListServiceSpecificCredentials`)
        service_specific_credentials, "iam:ListServiceSpecificCredentials",
        list_service_specific_credentials,
        service_specific_credentials -> ServiceSpecificCredentialMetadata);
    listing!(
        /// A user's SSH public keys. (`iam:ListSSHPublicKeys`)
        ssh_public_keys, "iam:ListSSHPublicKeys", list_ssh_public_keys,
        ssh_public_keys -> SshPublicKeyMetadata);
    listing!(
        /// A user's signing certificates. (`iam:ListSigningCertificates`)
        signing_certificates, "iam:ListSigningCertificates", list_signing_certificates,
        certificates -> SigningCertificate);
    listing!(
        /// The managed policies attached to a user. (`iam:ListAttachedUserPolicies`)
        attached_policies, "iam:ListAttachedUserPolicies", list_attached_user_policies,
        attached_policies -> AttachedPolicy);

    listing!(
        /// A user's MFA devices, virtual ones and hardware. (`iam:ListMFADevices`)
        mfa_devices, "iam:ListMFADevices", list_mfa_devices, mfa_devices -> MfaDevice);

    /// Every role of the account. (`iam:ListRoles`)
    pub async fn roles(&self) -> Result<Vec<Role>, CallError> {
        let mut roles = Vec::new();
        let page = |from| {
            let call = self.client.list_roles().max_items(IAM_ITEMS).set_marker(from);
            attempt("iam:ListRoles", call.send())
        };
        to_the_last(&self.pace, "iam:ListRoles", page, |page| {
            roles.extend(page.roles);
            next(page.is_truncated, page.marker)
        })
        .await?;
        Ok(roles)
    }

    /// Every user of the account. (`iam:ListUsers`)
    pub async fn users(&self) -> Result<Vec<User>, CallError> {
        let mut users = Vec::new();
        let page = |from| {
            let call = self.client.list_users().max_items(IAM_ITEMS).set_marker(from);
            attempt("iam:ListUsers", call.send())
        };
        to_the_last(&self.pace, "iam:ListUsers", page, |page| {
            users.extend(page.users);
            next(page.is_truncated, page.marker)
        })
        .await?;
        Ok(users)
    }

    /// Every user, group and role with its policies, and every managed policy in use, page by page.
    /// (`iam:GetAccountAuthorizationDetails`)
    pub async fn authorization(
        &self,
        keep: impl FnMut(GetAccountAuthorizationDetailsOutput),
    ) -> Result<(), CallError> {
        self.authorization_of(None, keep).await
    }

    /// Every user with its policies, page by page. (`iam:GetAccountAuthorizationDetails`)
    pub async fn users_with_policies(
        &self,
        keep: impl FnMut(GetAccountAuthorizationDetailsOutput),
    ) -> Result<(), CallError> {
        self.authorization_of(Some(vec![EntityType::User]), keep).await
    }

    async fn authorization_of(
        &self,
        kinds: Option<Vec<EntityType>>,
        mut keep: impl FnMut(GetAccountAuthorizationDetailsOutput),
    ) -> Result<(), CallError> {
        let operation = "iam:GetAccountAuthorizationDetails";
        let page = |from| {
            let call = self.client.get_account_authorization_details().max_items(IAM_ITEMS);
            attempt(operation, call.set_filter(kinds.clone()).set_marker(from).send())
        };
        let read = to_the_last(&self.pace, operation, page, |mut page| {
            let marker = page.marker.take();
            let is_truncated = page.is_truncated;
            keep(page);
            next(is_truncated, marker)
        });
        read.await
    }

    /// A user. (`iam:GetUser`)
    pub async fn user(&self, user: &UserName) -> Result<Option<User>, CallError> {
        let call =
            || attempt("iam:GetUser", self.client.get_user().user_name(user.as_str()).send());
        Ok(absent_is_none(self.pace.read(call).await)?.and_then(|(output, _)| output.user))
    }

    /// Who owns a key and when it was last used. (`iam:GetAccessKeyLastUsed`)
    pub async fn access_key_last_used(
        &self,
        key: &AccessKeyId,
    ) -> Result<Option<GetAccessKeyLastUsedOutput>, CallError> {
        let call = || {
            let call = self.client.get_access_key_last_used().access_key_id(key.as_str());
            attempt("iam:GetAccessKeyLastUsed", call.send())
        };
        Ok(absent_is_none(self.pace.read(call).await)?.map(|(output, _)| output))
    }

    /// A user's console password, never its value. (`iam:GetLoginProfile`)
    pub async fn login_profile(&self, user: &UserName) -> Result<Option<LoginProfile>, CallError> {
        let call = || {
            attempt(
                "iam:GetLoginProfile",
                self.client.get_login_profile().user_name(user.as_str()).send(),
            )
        };
        Ok(absent_is_none(self.pace.read(call).await)?.and_then(|(output, _)| output.login_profile))
    }

    /// An inline policy, its document as AWS sends it: percent-encoded JSON. (`iam:GetUserPolicy`)
    pub async fn inline_policy(
        &self,
        user: &UserName,
        policy: &PolicyName,
    ) -> Result<Option<GetUserPolicyOutput>, CallError> {
        let call = || {
            let call = self.client.get_user_policy().user_name(user.as_str());
            attempt("iam:GetUserPolicy", call.policy_name(policy.as_str()).send())
        };
        Ok(absent_is_none(self.pace.read(call).await)?.map(|(output, _)| output))
    }

    /// Whether `principal`, a user or a role, may do each of `actions` to each of `resources`, where `context`
    /// is known of the requests. (`iam:SimulatePrincipalPolicy`)
    pub async fn simulate(
        &self,
        principal: &Arn,
        actions: &[String],
        resources: &[String],
        context: &BTreeMap<String, String>,
    ) -> Result<Vec<EvaluationResult>, CallError> {
        let operation = "iam:SimulatePrincipalPolicy";
        let entry = |(key, value): (&String, &String)| {
            ContextEntry::builder()
                .context_key_name(key)
                .context_key_type(ContextKeyTypeEnum::String)
                .context_key_values(value)
                .build()
        };
        let context: Vec<ContextEntry> = context.iter().map(entry).collect();
        let mut results = Vec::new();
        let page = |from| {
            let call = self.client.simulate_principal_policy();
            let call = call
                .policy_source_arn(principal.as_str())
                .set_action_names(Some(actions.to_vec()))
                .set_resource_arns(Some(resources.to_vec()))
                .set_context_entries(Some(context.clone()));
            attempt(operation, call.max_items(IAM_ITEMS).set_marker(from).send())
        };
        to_the_last(&self.pace, operation, page, |page| {
            results.extend(page.evaluation_results.unwrap_or_default());
            next(page.is_truncated, page.marker)
        })
        .await?;
        Ok(results)
    }

    /// The account's quotas and counts. (`iam:GetAccountSummary`)
    pub async fn account_summary(&self) -> Result<GetAccountSummaryOutput, CallError> {
        let call = || attempt("iam:GetAccountSummary", self.client.get_account_summary().send());
        self.pace.read(call).await.map(|(output, _)| output)
    }
}

/// Changes in IAM. No call here is repeated by itself, unless it was told that nothing came of it.
#[derive(Clone, Debug)]
pub struct WriteIam {
    pub(super) client: Client,
    pub(super) pace: Pace,
}

/// A key that exists since this moment, and whose secret exists nowhere else.
#[derive(Debug)]
pub struct Minted {
    /// Its id.
    pub id: AccessKeyId,
    /// Its secret, told once.
    pub secret: Secret,
}

impl WriteIam {
    /// Attaches a managed policy to a user. (`iam:AttachUserPolicy`)
    pub async fn attach_policy(&self, user: &UserName, policy: &Arn) -> Result<(), CallError> {
        let call = self.client.attach_user_policy().user_name(user.as_str());
        let call = call.policy_arn(policy.as_str());
        self.pace.write(|| attempt("iam:AttachUserPolicy", call.clone().send())).await.map(drop)
    }

    /// Detaches a managed policy from a user. (`iam:DetachUserPolicy`)
    pub async fn detach_policy(&self, user: &UserName, policy: &Arn) -> Result<(), CallError> {
        let call = self.client.detach_user_policy().user_name(user.as_str());
        let call = call.policy_arn(policy.as_str());
        self.pace.write(|| attempt("iam:DetachUserPolicy", call.clone().send())).await.map(drop)
    }

    /// Writes an inline policy of a user. (`iam:PutUserPolicy`)
    pub async fn put_inline_policy(
        &self,
        user: &UserName,
        policy: &PolicyName,
        document: &str,
    ) -> Result<(), CallError> {
        let call = self.client.put_user_policy().user_name(user.as_str());
        let call = call.policy_name(policy.as_str()).policy_document(document);
        self.pace.write(|| attempt("iam:PutUserPolicy", call.clone().send())).await.map(drop)
    }

    /// Deletes an inline policy of a user. (`iam:DeleteUserPolicy`)
    pub async fn delete_inline_policy(
        &self,
        user: &UserName,
        policy: &PolicyName,
    ) -> Result<(), CallError> {
        let call = self.client.delete_user_policy().user_name(user.as_str());
        let call = call.policy_name(policy.as_str());
        self.pace.write(|| attempt("iam:DeleteUserPolicy", call.clone().send())).await.map(drop)
    }

    /// Bounds a user by a managed policy, in place of any other. (`iam:PutUserPermissionsBoundary`)
    pub async fn put_boundary(&self, user: &UserName, policy: &Arn) -> Result<(), CallError> {
        let call = self.client.put_user_permissions_boundary().user_name(user.as_str());
        let call = call.permissions_boundary(policy.as_str());
        self.pace
            .write(|| attempt("iam:PutUserPermissionsBoundary", call.clone().send()))
            .await
            .map(drop)
    }

    /// Takes a user's boundary off. (`iam:DeleteUserPermissionsBoundary`)
    pub async fn delete_boundary(&self, user: &UserName) -> Result<(), CallError> {
        let call = self.client.delete_user_permissions_boundary().user_name(user.as_str());
        self.pace
            .write(|| attempt("iam:DeleteUserPermissionsBoundary", call.clone().send()))
            .await
            .map(drop)
    }

    /// Makes a key usable or unusable. (`iam:UpdateAccessKey`)
    pub async fn set_access_key_status(
        &self,
        user: &UserName,
        key: &AccessKeyId,
        status: Status,
    ) -> Result<(), CallError> {
        let status = match status {
            Status::Active => StatusType::Active,
            Status::Inactive => StatusType::Inactive,
        };
        let call = self.client.update_access_key().user_name(user.as_str());
        let call = call.access_key_id(key.as_str()).status(status);
        self.pace.write(|| attempt("iam:UpdateAccessKey", call.clone().send())).await.map(drop)
    }

    /// Mints a key. Has no idempotency token and tells the secret once. (`iam:CreateAccessKey`)
    pub async fn create_access_key(&self, user: &UserName) -> Result<Minted, CallError> {
        let operation = "iam:CreateAccessKey";
        let call = self.client.create_access_key().user_name(user.as_str());
        let (output, _) = self.pace.write(|| attempt(operation, call.clone().send())).await?;
        let minted = output.access_key.and_then(|key| {
            let id = AccessKeyId::parse(key.access_key_id).ok()?;
            Some(Minted { id, secret: Secret::new(key.secret_access_key) })
        });
        let certainty = Certainty::MayHave;
        minted.ok_or_else(|| {
            CallError::not_understood(operation, certainty, "the answer holds no access key")
        })
    }

    /// Deletes a key, for good. (`iam:DeleteAccessKey`)
    pub async fn delete_access_key(
        &self,
        user: &UserName,
        key: &AccessKeyId,
    ) -> Result<(), CallError> {
        let call = self.client.delete_access_key().user_name(user.as_str());
        let call = call.access_key_id(key.as_str());
        self.pace.write(|| attempt("iam:DeleteAccessKey", call.clone().send())).await.map(drop)
    }
}

/// Turns "there is no such thing" into `None`.
pub(super) fn absent_is_none<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}
