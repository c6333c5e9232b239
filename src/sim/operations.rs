//! The operations that a rehearsal cloud has, and whom each must ask.
//!
//! One table. An operation that is not in it does not exist, and every client is told so.

use super::call::Call;
use super::engine::Engine;
use super::gatekeeper::{Subject, iam_arn};
use super::iam::users::Answer;
use super::iam::{authorization, credentials, keys, passwords, policies, roles, simulate, users};
use super::wire::{Params, Service};
use super::{rotation, secrets, sts, trail};
use crate::policy::Context;
use jiff::Timestamp;

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Its service.
    pub service: Service,
    /// Its name, as AWS has it.
    pub name: &'static str,
    /// Whether it changes or mints anything.
    pub writes: bool,
    pub(super) permission: Permission,
    pub(super) target: Target,
    pub(super) run: fn(&mut Call<'_>) -> Answer,
}

/// What it takes to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// Somebody must allow it.
    Needed,
    /// Nobody may forbid it.
    Forbiddable,
    /// Good credentials.
    None,
}

/// What an operation is done to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    User,
    /// The user who asks.
    Caller,
    Users,
    Role,
    Roles,
    Groups,
    Policy,
    PolicySource,
    KeyOwner,
    AssumedRole,
    FederatedUser,
    Secret,
    NewSecret,
    Everything,
}

/// What a decision is about.
pub(super) struct Aim {
    pub(super) resource: String,
    pub(super) account: String,
    pub(super) policy: Option<String>,
}

const fn op(
    service: Service,
    name: &'static str,
    writes: bool,
    target: Target,
    run: fn(&mut Call<'_>) -> Answer,
) -> Operation {
    Operation { service, name, writes, permission: Permission::Needed, target, run }
}

const fn with(permission: Permission, operation: Operation) -> Operation {
    Operation { permission, ..operation }
}

const READS: bool = false;
const WRITES: bool = true;
use Service::{CloudTrail, Iam, SecretsManager, Sts};

/// Every operation.
pub const OPERATIONS: &[Operation] = &[
    with(
        Permission::None,
        op(Sts, "GetCallerIdentity", READS, Target::Everything, sts::caller_identity),
    ),
    op(Sts, "AssumeRole", WRITES, Target::AssumedRole, sts::assume_role),
    with(
        Permission::Forbiddable,
        op(Sts, "GetSessionToken", WRITES, Target::Everything, sts::session_token),
    ),
    op(Sts, "GetFederationToken", WRITES, Target::FederatedUser, sts::federation_token),
    op(Sts, "GetAccessKeyInfo", READS, Target::Everything, sts::access_key_info),
    op(Iam, "GetUser", READS, Target::User, users::get),
    op(Iam, "ListUsers", READS, Target::Users, users::list),
    op(Iam, "CreateUser", WRITES, Target::User, users::create),
    op(Iam, "UpdateUser", WRITES, Target::User, users::update),
    op(Iam, "DeleteUser", WRITES, Target::User, users::delete),
    op(Iam, "TagUser", WRITES, Target::User, users::tag),
    op(Iam, "ListUserTags", READS, Target::User, users::list_tags),
    op(Iam, "ListGroupsForUser", READS, Target::User, users::groups_of),
    op(Iam, "ListGroups", READS, Target::Groups, users::list_groups),
    op(
        Iam,
        "GetAccountAuthorizationDetails",
        READS,
        Target::Everything,
        authorization::account_authorization_details,
    ),
    op(Iam, "GetAccountSummary", READS, Target::Everything, users::account_summary),
    op(Iam, "ListAccessKeys", READS, Target::User, keys::list),
    op(Iam, "CreateAccessKey", WRITES, Target::User, keys::create),
    op(Iam, "UpdateAccessKey", WRITES, Target::User, keys::update),
    op(Iam, "DeleteAccessKey", WRITES, Target::User, keys::delete),
    op(Iam, "GetAccessKeyLastUsed", READS, Target::KeyOwner, keys::last_used),
    op(Iam, "GetLoginProfile", READS, Target::User, credentials::get_login_profile),
    op(Iam, "CreateLoginProfile", WRITES, Target::User, credentials::create_login_profile),
    op(Iam, "UpdateLoginProfile", WRITES, Target::User, credentials::update_login_profile),
    op(Iam, "DeleteLoginProfile", WRITES, Target::User, credentials::delete_login_profile),
    op(Iam, "ChangePassword", WRITES, Target::Caller, passwords::change),
    op(Iam, "GetAccountPasswordPolicy", READS, Target::Everything, passwords::get_policy),
    op(Iam, "UpdateAccountPasswordPolicy", WRITES, Target::Everything, passwords::update_policy),
    op(Iam, "DeleteAccountPasswordPolicy", WRITES, Target::Everything, passwords::delete_policy),
    op(Iam, "ListMFADevices", READS, Target::User, credentials::list_mfa),
    op(Iam, "ListServiceSpecificCredentials", READS, Target::User, credentials::list_service),
    op(Iam, "CreateServiceSpecificCredential", WRITES, Target::User, credentials::create_service),
    op(Iam, "UpdateServiceSpecificCredential", WRITES, Target::User, credentials::update_service),
    op(Iam, "ListSSHPublicKeys", READS, Target::User, credentials::list_ssh),
    op(Iam, "UploadSSHPublicKey", WRITES, Target::User, credentials::upload_ssh),
    op(Iam, "UpdateSSHPublicKey", WRITES, Target::User, credentials::update_ssh),
    op(Iam, "ListSigningCertificates", READS, Target::User, credentials::list_certificates),
    op(Iam, "UpdateSigningCertificate", WRITES, Target::User, credentials::update_certificate),
    op(Iam, "ListAttachedUserPolicies", READS, Target::User, policies::list_of_user),
    op(Iam, "AttachUserPolicy", WRITES, Target::User, policies::attach_to_user),
    op(Iam, "DetachUserPolicy", WRITES, Target::User, policies::detach_from_user),
    op(Iam, "ListUserPolicies", READS, Target::User, policies::names_of_user),
    op(Iam, "GetUserPolicy", READS, Target::User, policies::get_of_user),
    op(Iam, "PutUserPolicy", WRITES, Target::User, policies::put_of_user),
    op(Iam, "DeleteUserPolicy", WRITES, Target::User, policies::delete_of_user),
    op(Iam, "PutUserPermissionsBoundary", WRITES, Target::User, policies::put_boundary_of_user),
    op(
        Iam,
        "DeleteUserPermissionsBoundary",
        WRITES,
        Target::User,
        policies::delete_boundary_of_user,
    ),
    op(Iam, "ListRoles", READS, Target::Roles, roles::list),
    op(Iam, "GetRole", READS, Target::Role, roles::get),
    op(Iam, "CreateRole", WRITES, Target::Role, roles::create),
    op(Iam, "DeleteRole", WRITES, Target::Role, roles::delete),
    op(Iam, "UpdateAssumeRolePolicy", WRITES, Target::Role, roles::update_trust),
    op(Iam, "ListRolePolicies", READS, Target::Role, policies::names_of_role),
    op(Iam, "GetRolePolicy", READS, Target::Role, policies::get_of_role),
    op(Iam, "PutRolePolicy", WRITES, Target::Role, policies::put_of_role),
    op(Iam, "DeleteRolePolicy", WRITES, Target::Role, policies::delete_of_role),
    op(Iam, "ListAttachedRolePolicies", READS, Target::Role, policies::list_of_role),
    op(Iam, "AttachRolePolicy", WRITES, Target::Role, policies::attach_to_role),
    op(Iam, "DetachRolePolicy", WRITES, Target::Role, policies::detach_from_role),
    op(Iam, "PutRolePermissionsBoundary", WRITES, Target::Role, policies::put_boundary_of_role),
    op(
        Iam,
        "DeleteRolePermissionsBoundary",
        WRITES,
        Target::Role,
        policies::delete_boundary_of_role,
    ),
    op(Iam, "GetPolicy", READS, Target::Policy, policies::get),
    op(Iam, "GetPolicyVersion", READS, Target::Policy, policies::get_version),
    op(Iam, "SimulatePrincipalPolicy", READS, Target::PolicySource, simulate::principal_policy),
    op(SecretsManager, "DescribeSecret", READS, Target::Secret, secrets::describe),
    op(SecretsManager, "GetSecretValue", READS, Target::Secret, secrets::get_value),
    op(SecretsManager, "PutSecretValue", WRITES, Target::Secret, secrets::put_value),
    op(SecretsManager, "UpdateSecretVersionStage", WRITES, Target::Secret, secrets::update_stage),
    op(SecretsManager, "ListSecrets", READS, Target::Everything, secrets::list),
    op(SecretsManager, "ListSecretVersionIds", READS, Target::Secret, secrets::list_versions),
    op(SecretsManager, "CreateSecret", WRITES, Target::NewSecret, secrets::create),
    op(SecretsManager, "GetResourcePolicy", READS, Target::Secret, secrets::get_policy),
    op(SecretsManager, "PutResourcePolicy", WRITES, Target::Secret, secrets::put_policy),
    op(SecretsManager, "DeleteResourcePolicy", WRITES, Target::Secret, secrets::delete_policy),
    op(SecretsManager, "ValidateResourcePolicy", READS, Target::Secret, secrets::validate_policy),
    op(SecretsManager, "RotateSecret", WRITES, Target::Secret, rotation::rotate),
    op(SecretsManager, "CancelRotateSecret", WRITES, Target::Secret, rotation::cancel),
    op(SecretsManager, "GetRandomPassword", READS, Target::Everything, secrets::random_password),
    op(SecretsManager, "DeleteSecret", WRITES, Target::Secret, secrets::delete),
    op(SecretsManager, "RestoreSecret", WRITES, Target::Secret, secrets::restore),
    op(CloudTrail, "LookupEvents", READS, Target::Everything, trail::lookup),
];

impl Operation {
    /// As policies name it: `iam:ListUsers`.
    pub fn action(&self) -> String {
        format!("{}:{}", self.service.name(), self.name)
    }

    /// What the request is about, as enforcement sees it.
    pub(super) fn aim(
        &self,
        engine: &Engine,
        subject: &Subject,
        params: &Params,
        region: &str,
        now: Timestamp,
    ) -> Aim {
        let own = subject.caller.account.as_str();
        let enforced = engine.enforced(now);
        let given = |name: &str| params.get(name).unwrap_or_default();
        let resource = match self.target {
            Target::User => {
                let user = params.get("UserName").or(subject.own_user()).unwrap_or_default();
                let path = params.get("Path").filter(|_| self.name == "CreateUser");
                match path {
                    Some(path) => iam_arn(own, "user", path, user),
                    None => engine.newest().user_arn(own, user),
                }
            }
            Target::Caller => engine.newest().user_arn(own, subject.own_user().unwrap_or_default()),
            Target::Users => iam_arn(own, "user", "/", ""),
            Target::Role => match params.get("Path").filter(|_| self.name == "CreateRole") {
                Some(path) => iam_arn(own, "role", path, given("RoleName")),
                None => engine.newest().role_arn(own, given("RoleName")),
            },
            Target::Roles => iam_arn(own, "role", "/", ""),
            Target::Groups => iam_arn(own, "group", "/", ""),
            Target::Policy => given("PolicyArn").to_owned(),
            Target::PolicySource => given("PolicySourceArn").to_owned(),
            Target::KeyOwner => match engine.newest().owner_of(given("AccessKeyId")) {
                Some((account, user)) if account == own => engine.newest().user_arn(own, user),
                _ => iam_arn(own, "user", "/", "*"),
            },
            Target::FederatedUser => {
                format!("arn:aws:sts::{own}:federated-user/{}", given("Name"))
            }
            Target::NewSecret => {
                format!("arn:aws:secretsmanager:{region}:{own}:secret:{}", given("Name"))
            }
            Target::Everything => "*".to_owned(),
            Target::AssumedRole => {
                let arn = given("RoleArn");
                let (account, name) = sts::role_of_arn(arn).unwrap_or((own, ""));
                let role = enforced
                    .account(account)
                    .filter(|_| enforced.role_arn(account, name) == arn)
                    .and_then(|a| a.roles.get(name));
                // A role that is not there trusts nobody.
                let trust = role.map(|r| r.trust.clone());
                let (resource, account) = (arn.to_owned(), account.to_owned());
                return Aim { resource, account, policy: trust };
            }
            Target::Secret => {
                let id = given("SecretId");
                let Some((account, name)) = secrets::locate(engine.newest(), own, region, id, now)
                else {
                    let resource = if id.starts_with("arn:") {
                        id.to_owned()
                    } else {
                        format!("arn:aws:secretsmanager:{region}:{own}:secret:{id}")
                    };
                    return Aim { resource, account: own.to_owned(), policy: None };
                };
                let resource = engine.newest().accounts[&account].secrets[&name].arn.clone();
                let enforced = enforced.account(&account).and_then(|a| a.secrets.get(&name));
                let policy = enforced.and_then(|s| s.policy.clone());
                return Aim { resource, account, policy };
            }
        };
        Aim { resource, account: own.to_owned(), policy: None }
    }

    /// What is known of the request beside its caller.
    pub(super) fn describe(
        &self,
        engine: &Engine,
        subject: &Subject,
        params: &Params,
        context: &mut Context,
    ) {
        let pairs = [
            ("PolicyArn", "iam:PolicyARN"),
            ("PermissionsBoundary", "iam:PermissionsBoundary"),
            ("ExternalId", "sts:ExternalId"),
            ("RoleSessionName", "sts:RoleSessionName"),
            ("SecretId", "secretsmanager:SecretId"),
            ("VersionStage", "secretsmanager:VersionStage"),
            ("VersionId", "secretsmanager:VersionId"),
            ("Name", "secretsmanager:Name"),
        ];
        for (parameter, key) in pairs {
            if let Some(value) = params.get(parameter) {
                context.set(key, value);
            }
        }
        let keys = params.members("Tags", "Key");
        for (key, value) in keys.iter().zip(params.members("Tags", "Value")) {
            context.set(&format!("aws:RequestTag/{key}"), value);
        }
        if !keys.is_empty() {
            context.set_all("aws:TagKeys", keys);
        }
        if matches!(self.target, Target::Role) {
            let account = engine.newest().account(&subject.caller.account);
            let role = account.and_then(|a| a.roles.get(params.get("RoleName")?));
            if let Some(boundary) = role.and_then(|role| role.boundary.as_ref())
                && self.name != "PutRolePermissionsBoundary"
            {
                context.set("iam:PermissionsBoundary", boundary.as_str());
            }
        }
        if matches!(self.target, Target::User) {
            let name = params.get("UserName").or(subject.own_user()).unwrap_or_default();
            let account = engine.newest().account(&subject.caller.account);
            if let Some(user) = account.and_then(|a| a.users.get(name)) {
                for (key, value) in &user.tags {
                    context.set(&format!("iam:ResourceTag/{key}"), value.as_str());
                    context.set(&format!("aws:ResourceTag/{key}"), value.as_str());
                }
                if let Some(boundary) = &user.boundary
                    && self.name != "PutUserPermissionsBoundary"
                {
                    context.set("iam:PermissionsBoundary", boundary.as_str());
                }
            }
        }
    }
}
