//! IAM: the calls this tool makes, each sent here and nowhere else.
//!
//! Listings are read to the last page. What is asked about and does not exist is `None`, not an
//! error. Outputs are the SDK's own; `survey` turns them into facts. A freshly minted secret leaves
//! the SDK's output here and travels on as a [`Secret`].

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use aws_sdk_iam::Client;
use aws_sdk_iam::operation::get_access_key_last_used::GetAccessKeyLastUsedOutput;
use aws_sdk_iam::operation::get_account_authorization_details::GetAccountAuthorizationDetailsOutput;
use aws_sdk_iam::operation::get_account_summary::GetAccountSummaryOutput;
use aws_sdk_iam::types::{
    AccessKeyMetadata, AttachedPolicy, ContextEntry, ContextKeyTypeEnum, EntityType,
    EvaluationResult, LoginProfile, MfaDevice, PasswordPolicy, Role,
    ServiceSpecificCredentialMetadata, SigningCertificate, SshPublicKeyMetadata, StatusType, Tag,
    User,
};

use super::attempt::{CallError, Certainty, attempt};
use super::pace::Pace;
use super::pages::{IAM_ITEMS, Next, to_the_last};
use crate::ids::{AccessKeyId, Arn, PolicyName, Principal, RoleName, UserName};
use crate::inventory::{Everybody, Status};
use crate::secret::Secret;

/// Reads from IAM.
#[derive(Clone, Debug)]
pub struct ReadIam {
    pub(super) client: Client,
    pub(super) pace: Pace,
}

/// A listing of one user's or role's things; one that does not exist has none.
macro_rules! listing {
    ($(#[$doc:meta])* $name:ident, $operation:literal, $call:ident, $items:ident -> $item:ty) => {
        $(#[$doc])*
        pub async fn $name(&self, user: &UserName) -> Result<Vec<$item>, CallError> {
            listing!(@read self, user, user_name, $operation, $call, $items)
        }
    };
    (@read $self:ident, $of:ident, $named:ident, $operation:literal, $call:ident, $items:ident) => {{
            let mut items = Vec::new();
            let page = |from| {
                let call = $self.client.$call().$named($of.as_str());
                attempt($operation, call.set_marker(from).send())
            };
            let read = to_the_last(&$self.pace, $operation, page, |page| {
                items.extend_from_slice(page.$items());
                next(page.is_truncated, page.marker)
            });
            // Whatever came before its owner was gone is gone with him.
            let there = absent_is_none(read.await)?;
            Ok(there.map_or_else(Vec::new, |()| items))
    }};
}

/// An inline policy, as AWS tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlinePolicy {
    /// The user or role that has it, by the answer's own word.
    pub of: String,
    /// Its name, by the answer's own word.
    pub name: String,
    /// Its document as AWS sends it: percent-encoded JSON.
    pub document: String,
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
        /// A user's MFA devices, virtual ones and hardware. (`iam:ListMFADevices`)
        mfa_devices, "iam:ListMFADevices", list_mfa_devices, mfa_devices -> MfaDevice);

    /// The managed policies attached to a user or role. (`iam:ListAttachedUserPolicies`,
    /// `iam:ListAttachedRolePolicies`)
    pub async fn attached_policies(
        &self,
        of: &Principal,
    ) -> Result<Vec<AttachedPolicy>, CallError> {
        match of {
            Principal::User(user) => listing!(
                @read self, user, user_name, "iam:ListAttachedUserPolicies",
                list_attached_user_policies, attached_policies),
            Principal::Role(role) => listing!(
                @read self, role, role_name, "iam:ListAttachedRolePolicies",
                list_attached_role_policies, attached_policies),
        }
    }

    /// The names of the inline policies of a user or role. (`iam:ListUserPolicies`, `iam:ListRolePolicies`)
    pub async fn inline_policies(&self, of: &Principal) -> Result<Vec<PolicyName>, CallError> {
        let (operation, names) = match of {
            Principal::User(user) => {
                let names: Result<Vec<String>, _> = listing!(
                    @read self, user, user_name, "iam:ListUserPolicies", list_user_policies, policy_names);
                ("iam:ListUserPolicies", names?)
            }
            Principal::Role(role) => {
                let names: Result<Vec<String>, _> = listing!(
                    @read self, role, role_name, "iam:ListRolePolicies", list_role_policies, policy_names);
                ("iam:ListRolePolicies", names?)
            }
        };
        let parsed = names.into_iter().map(PolicyName::parse).collect::<Result<_, _>>();
        parsed.map_err(|error| {
            CallError::not_understood(operation, Certainty::DidNot, &error.to_string())
        })
    }

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
        keep: impl FnMut(GetAccountAuthorizationDetailsOutput) -> ControlFlow<()>,
    ) -> Result<(), CallError> {
        self.authorization_of(None, keep).await
    }

    /// Every user, or every role, with its policies, page by page. (`iam:GetAccountAuthorizationDetails`)
    pub async fn everybody(
        &self,
        of: Everybody,
        keep: impl FnMut(GetAccountAuthorizationDetailsOutput) -> ControlFlow<()>,
    ) -> Result<(), CallError> {
        let kind = match of {
            Everybody::Users => EntityType::User,
            Everybody::Roles => EntityType::Role,
        };
        self.authorization_of(Some(vec![kind]), keep).await
    }

    async fn authorization_of(
        &self,
        kinds: Option<Vec<EntityType>>,
        mut keep: impl FnMut(GetAccountAuthorizationDetailsOutput) -> ControlFlow<()>,
    ) -> Result<(), CallError> {
        let operation = "iam:GetAccountAuthorizationDetails";
        let page = |from| {
            let call = self.client.get_account_authorization_details().max_items(IAM_ITEMS);
            attempt(operation, call.set_filter(kinds.clone()).set_marker(from).send())
        };
        let read = to_the_last(&self.pace, operation, page, |mut page| {
            let marker = page.marker.take();
            let is_truncated = page.is_truncated;
            match keep(page) {
                ControlFlow::Continue(()) => next(is_truncated, marker),
                ControlFlow::Break(()) => Next::End,
            }
        });
        read.await
    }

    /// A user. (`iam:GetUser`)
    pub async fn user(&self, user: &UserName) -> Result<Option<User>, CallError> {
        let call =
            || attempt("iam:GetUser", self.client.get_user().user_name(user.as_str()).send());
        Ok(absent_is_none(self.pace.read(call).await)?.and_then(|(output, _)| output.user))
    }

    /// A role. (`iam:GetRole`)
    pub async fn role(&self, role: &RoleName) -> Result<Option<Role>, CallError> {
        let call =
            || attempt("iam:GetRole", self.client.get_role().role_name(role.as_str()).send());
        Ok(absent_is_none(self.pace.read(call).await)?.and_then(|(output, _)| output.role))
    }

    /// The managed policy that bounds a user or role. (`iam:GetUser`, `iam:GetRole`)
    pub async fn boundary(&self, of: &Principal) -> Result<Option<String>, CallError> {
        let boundary = match of {
            Principal::User(user) => self.user(user).await?.and_then(|u| u.permissions_boundary),
            Principal::Role(role) => self.role(role).await?.and_then(|r| r.permissions_boundary),
        };
        Ok(boundary.and_then(|boundary| boundary.permissions_boundary_arn))
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

    /// What console passwords must be like; `None` where the account does not say. (`iam:GetAccountPasswordPolicy`)
    pub async fn password_policy(&self) -> Result<Option<PasswordPolicy>, CallError> {
        let call = || {
            attempt(
                "iam:GetAccountPasswordPolicy",
                self.client.get_account_password_policy().send(),
            )
        };
        Ok(absent_is_none(self.pace.read(call).await)?
            .and_then(|(output, _)| output.password_policy))
    }

    /// An inline policy. (`iam:GetUserPolicy`, `iam:GetRolePolicy`)
    pub async fn inline_policy(
        &self,
        of: &Principal,
        policy: &PolicyName,
    ) -> Result<Option<InlinePolicy>, CallError> {
        let name = policy.as_str();
        Ok(match of {
            Principal::User(user) => {
                let call = self.client.get_user_policy().user_name(user.as_str()).policy_name(name);
                let call = || attempt("iam:GetUserPolicy", call.clone().send());
                absent_is_none(self.pace.read(call).await)?.map(|(found, _)| InlinePolicy {
                    of: found.user_name,
                    name: found.policy_name,
                    document: found.policy_document,
                })
            }
            Principal::Role(role) => {
                let call = self.client.get_role_policy().role_name(role.as_str()).policy_name(name);
                let call = || attempt("iam:GetRolePolicy", call.clone().send());
                absent_is_none(self.pace.read(call).await)?.map(|(found, _)| InlinePolicy {
                    of: found.role_name,
                    name: found.policy_name,
                    document: found.policy_document,
                })
            }
        })
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

/// One change to a user or a role, which IAM has an operation each for.
macro_rules! write {
    (
        $(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*),
        $of_user:literal, $user_call:ident, $of_role:literal, $role_call:ident,
        $($set:ident($with:ident)),*
    ) => {
        $(#[$doc])*
        #[doc = concat!("(`", $of_user, "`, `", $of_role, "`)")]
        pub async fn $name(&self, of: &Principal, $($arg: $ty),*) -> Result<(), CallError> {
            match of {
                Principal::User(user) => {
                    let call = self.client.$user_call().user_name(user.as_str());
                    let call = call$(.$set($with.to_string()))*;
                    self.pace.write(|| attempt($of_user, call.clone().send())).await.map(drop)
                }
                Principal::Role(role) => {
                    let call = self.client.$role_call().role_name(role.as_str());
                    let call = call$(.$set($with.to_string()))*;
                    self.pace.write(|| attempt($of_role, call.clone().send())).await.map(drop)
                }
            }
        }
    };
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

/// A user or role that exists since this moment.
#[derive(Debug)]
pub struct Made {
    /// Its unique id.
    pub id: String,
    /// Its ARN.
    pub arn: Arn,
}

impl Made {
    fn of(operation: &str, made: Option<(String, String)>) -> Result<Self, CallError> {
        let made = made.and_then(|(id, arn)| Some(Self { id, arn: Arn::parse(arn).ok()? }));
        made.ok_or_else(|| {
            let message = "the answer does not tell what was made";
            CallError::not_understood(operation, Certainty::MayHave, message)
        })
    }
}

impl WriteIam {
    write!(
        /// Attaches a managed policy to a user or role.
        attach_policy(policy: &Arn),
        "iam:AttachUserPolicy", attach_user_policy, "iam:AttachRolePolicy", attach_role_policy,
        policy_arn(policy));
    write!(
        /// Detaches a managed policy from a user or role.
        detach_policy(policy: &Arn),
        "iam:DetachUserPolicy", detach_user_policy, "iam:DetachRolePolicy", detach_role_policy,
        policy_arn(policy));
    write!(
        /// Writes an inline policy of a user or role.
        put_inline_policy(policy: &PolicyName, document: &str),
        "iam:PutUserPolicy", put_user_policy, "iam:PutRolePolicy", put_role_policy,
        policy_name(policy), policy_document(document));
    write!(
        /// Deletes an inline policy of a user or role.
        delete_inline_policy(policy: &PolicyName),
        "iam:DeleteUserPolicy", delete_user_policy, "iam:DeleteRolePolicy", delete_role_policy,
        policy_name(policy));
    write!(
        /// Bounds a user or role by a managed policy, in place of any other.
        put_boundary(policy: &Arn),
        "iam:PutUserPermissionsBoundary", put_user_permissions_boundary,
        "iam:PutRolePermissionsBoundary", put_role_permissions_boundary,
        permissions_boundary(policy));
    write!(
        /// Takes a user's or role's boundary off.
        delete_boundary(),
        "iam:DeleteUserPermissionsBoundary", delete_user_permissions_boundary,
        "iam:DeleteRolePermissionsBoundary", delete_role_permissions_boundary,);

    /// Makes a key usable or unusable. (`iam:UpdateAccessKey`)
    pub async fn set_access_key_status(
        &self,
        user: &UserName,
        key: &AccessKeyId,
        status: Status,
    ) -> Result<(), CallError> {
        let call = self.client.update_access_key().user_name(user.as_str());
        let call = call.access_key_id(key.as_str()).status(status_type(status));
        self.pace.write(|| attempt("iam:UpdateAccessKey", call.clone().send())).await.map(drop)
    }

    /// Makes a password for one service usable or unusable. (`iam:UpdateServiceSpecificCredential`)
    pub async fn set_service_specific_credential_status(
        &self,
        user: &UserName,
        id: &str,
        status: Status,
    ) -> Result<(), CallError> {
        let call = self.client.update_service_specific_credential().user_name(user.as_str());
        let call = call.service_specific_credential_id(id).status(status_type(status));
        let operation = "iam:UpdateServiceSpecificCredential";
        self.pace.write(|| attempt(operation, call.clone().send())).await.map(drop)
    }

    /// Makes an SSH public key usable or unusable. (`iam:UpdateSSHPublicKey`)
    pub async fn set_ssh_public_key_status(
        &self,
        user: &UserName,
        id: &str,
        status: Status,
    ) -> Result<(), CallError> {
        let call = self.client.update_ssh_public_key().user_name(user.as_str());
        let call = call.ssh_public_key_id(id).status(status_type(status));
        self.pace.write(|| attempt("iam:UpdateSSHPublicKey", call.clone().send())).await.map(drop)
    }

    /// Makes a signing certificate usable or unusable. (`iam:UpdateSigningCertificate`)
    pub async fn set_signing_certificate_status(
        &self,
        user: &UserName,
        id: &str,
        status: Status,
    ) -> Result<(), CallError> {
        let call = self.client.update_signing_certificate().user_name(user.as_str());
        let call = call.certificate_id(id).status(status_type(status));
        let operation = "iam:UpdateSigningCertificate";
        self.pace.write(|| attempt(operation, call.clone().send())).await.map(drop)
    }

    /// Sets a user's console password, to be changed at the next sign-in. Nothing shows afterwards which it is.
    /// (`iam:UpdateLoginProfile`)
    pub async fn set_password(&self, user: &UserName, password: &Secret) -> Result<(), CallError> {
        let call = self.client.update_login_profile().user_name(user.as_str());
        let call = call.password(password.expose()).password_reset_required(true);
        self.pace.write(|| attempt("iam:UpdateLoginProfile", call.clone().send())).await.map(drop)
    }

    /// Deletes a user's console password, for good. (`iam:DeleteLoginProfile`)
    pub async fn delete_login_profile(&self, user: &UserName) -> Result<(), CallError> {
        let call = self.client.delete_login_profile().user_name(user.as_str());
        self.pace.write(|| attempt("iam:DeleteLoginProfile", call.clone().send())).await.map(drop)
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

    /// Makes a user who may do nothing yet. (`iam:CreateUser`, and `iam:TagUser` for his tag)
    pub async fn create_user(
        &self,
        user: &UserName,
        path: &str,
        tag: (&str, &str),
    ) -> Result<Made, CallError> {
        let operation = "iam:CreateUser";
        let tag = Tag::builder().key(tag.0).value(tag.1).build().expect("a key and a value");
        let call = self.client.create_user().user_name(user.as_str()).path(path).tags(tag);
        let (output, _) = self.pace.write(|| attempt(operation, call.clone().send())).await?;
        Made::of(operation, output.user.map(|user| (user.user_id, user.arn)))
    }

    /// Makes a role that may do nothing yet. (`iam:CreateRole`)
    pub async fn create_role(
        &self,
        role: &RoleName,
        path: &str,
        trust: &str,
        description: &str,
    ) -> Result<Made, CallError> {
        let operation = "iam:CreateRole";
        let call = self.client.create_role().role_name(role.as_str()).path(path);
        let call = call.assume_role_policy_document(trust).description(description);
        let (output, _) = self.pace.write(|| attempt(operation, call.clone().send())).await?;
        Made::of(operation, output.role.map(|role| (role.role_id, role.arn)))
    }

    /// Deletes a role that has no policy any more, for good. (`iam:DeleteRole`)
    pub async fn delete_role(&self, role: &RoleName) -> Result<(), CallError> {
        let call = self.client.delete_role().role_name(role.as_str());
        self.pace.write(|| attempt("iam:DeleteRole", call.clone().send())).await.map(drop)
    }

    /// Deletes a user who holds nothing any more, for good. (`iam:DeleteUser`)
    pub async fn delete_user(&self, user: &UserName) -> Result<(), CallError> {
        let call = self.client.delete_user().user_name(user.as_str());
        self.pace.write(|| attempt("iam:DeleteUser", call.clone().send())).await.map(drop)
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

fn status_type(status: Status) -> StatusType {
    match status {
        Status::Active => StatusType::Active,
        Status::Inactive => StatusType::Inactive,
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
