//! What was read of one account, when and by whom, and what could not be read.
//!
//! An [`Inventory`] maps questions ([`Want`]) to answers ([`Fact`]) or to the reason there is none
//! ([`Gap`]). The same map, taken anew, is what an action judges the world by; so a survey, a check
//! for staleness, a recovery after a crash and a proof all look through one pair of eyes.
//! Holds no secret and decides nothing; reading is `survey`'s business.

mod accounts;
mod answers;
mod authorization;
mod difference;
mod digest;
mod listing;
mod probe;
mod saved;

pub use accounts::SavedInventories;
pub use answers::Answers;
pub use authorization::{Authorization, GroupDetail, OwnPolicies, RoleDetail, UserDetail};
pub use difference::{Altered, Beyond, Difference, Extent, Fields, Thing, Unanswered, difference};
pub(crate) use digest::digest_of;
pub use listing::{Everybody, Listing};
pub use probe::{Probe, Tried};
pub use saved::{OpenError, SavedInventory, Sitting};

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{
    AccessKeyId, AccountId, Arn, PolicyName, Principal, RoleName, SecretId, UserName, VersionId,
};

/// One question to the cloud. Each is answered by one operation, read to its last page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Want {
    /// Who owns this key, and when was it last used? (`iam:GetAccessKeyLastUsed`)
    AccessKeyLastUsed(AccessKeyId),
    /// The user itself and its boundary. (`iam:GetUser`)
    User(UserName),
    /// Every user of the account. (`iam:ListUsers`)
    Users,
    /// (`iam:ListAccessKeys`)
    AccessKeys(UserName),
    /// The console password. (`iam:GetLoginProfile`)
    LoginProfile(UserName),
    /// What console passwords must be like, and whether everybody may change his own.
    /// (`iam:GetAccountPasswordPolicy`)
    PasswordPolicy,
    /// Git, Keyspaces, Bedrock and other passwords of single services.
    /// (`iam:ListServiceSpecificCredentials`)
    ServiceSpecificCredentials(UserName),
    /// (`iam:ListSSHPublicKeys`)
    SshPublicKeys(UserName),
    /// (`iam:ListSigningCertificates`)
    SigningCertificates(UserName),
    /// Second factors, virtual and hardware. They let nobody in by themselves. (`iam:ListMFADevices`)
    MfaDevices(UserName),
    /// Managed policies attached to a user or role. (`iam:ListAttachedUserPolicies`,
    /// `iam:ListAttachedRolePolicies`)
    AttachedPolicies(Principal),
    /// (`iam:GetUserPolicy`, `iam:GetRolePolicy`)
    InlinePolicy(Principal, PolicyName),
    /// The role itself and its boundary. (`iam:GetRole`)
    Role(RoleName),
    /// Every role of the account with its trust policy. (`iam:ListRoles`)
    Roles,
    /// Every user, group and role with its groups, tags and policies. (`iam:GetAccountAuthorizationDetails`)
    Authorization,
    /// Quotas of the account. (`iam:GetAccountSummary`)
    AccountSummary,
    /// A secret's versions and labels, never its value. (`secretsmanager:DescribeSecret`)
    Secret(SecretId),
    /// Whether a principal may do certain things. (`iam:SimulatePrincipalPolicy`)
    Simulation(Box<Simulation>),
    /// Every secret of the region, never a value. (`secretsmanager:ListSecrets`)
    Secrets,
    /// Whether a way in that lies outside answers. Asked of nobody's cloud.
    Probe(Box<Probe>),
    /// The policy on a secret. (`secretsmanager:GetResourcePolicy`)
    SecretPolicy(SecretId),
}

impl Want {
    /// Every kind of credential that a user can hold, whether an action cuts it or not. His sessions are not
    /// among them: AWS has no list of those.
    pub fn credentials_of(user: &UserName) -> [Self; 5] {
        [
            Self::AccessKeys(user.clone()),
            Self::LoginProfile(user.clone()),
            Self::ServiceSpecificCredentials(user.clone()),
            Self::SshPublicKeys(user.clone()),
            Self::SigningCertificates(user.clone()),
        ]
    }

    /// The operation that answers it, as permissions name it.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::AccessKeyLastUsed(_) => "iam:GetAccessKeyLastUsed",
            Self::User(_) => "iam:GetUser",
            Self::Users => "iam:ListUsers",
            Self::AccessKeys(_) => "iam:ListAccessKeys",
            Self::LoginProfile(_) => "iam:GetLoginProfile",
            Self::PasswordPolicy => "iam:GetAccountPasswordPolicy",
            Self::ServiceSpecificCredentials(_) => "iam:ListServiceSpecificCredentials",
            Self::SshPublicKeys(_) => "iam:ListSSHPublicKeys",
            Self::SigningCertificates(_) => "iam:ListSigningCertificates",
            Self::MfaDevices(_) => "iam:ListMFADevices",
            Self::AttachedPolicies(Principal::User(_)) => "iam:ListAttachedUserPolicies",
            Self::AttachedPolicies(Principal::Role(_)) => "iam:ListAttachedRolePolicies",
            Self::InlinePolicy(Principal::User(_), _) => "iam:GetUserPolicy",
            Self::InlinePolicy(Principal::Role(_), _) => "iam:GetRolePolicy",
            Self::Role(_) => "iam:GetRole",
            Self::Roles => "iam:ListRoles",
            Self::Authorization => "iam:GetAccountAuthorizationDetails",
            Self::AccountSummary => "iam:GetAccountSummary",
            Self::Secret(_) => "secretsmanager:DescribeSecret",
            Self::Secrets => "secretsmanager:ListSecrets",
            Self::SecretPolicy(_) => "secretsmanager:GetResourcePolicy",
            Self::Simulation(_) => "iam:SimulatePrincipalPolicy",
            Self::Probe(_) => "outside:Probe",
        }
    }

    /// The user it asks about, where it is one.
    pub fn user(&self) -> Option<&UserName> {
        match self {
            Self::User(user)
            | Self::AccessKeys(user)
            | Self::LoginProfile(user)
            | Self::ServiceSpecificCredentials(user)
            | Self::SshPublicKeys(user)
            | Self::SigningCertificates(user)
            | Self::MfaDevices(user) => Some(user),
            Self::AttachedPolicies(principal) | Self::InlinePolicy(principal, _) => {
                principal.user()
            }
            _ => None,
        }
    }

    /// The role it asks about, where it is one.
    pub fn role(&self) -> Option<&RoleName> {
        match self {
            Self::Role(role) => Some(role),
            Self::AttachedPolicies(principal) | Self::InlinePolicy(principal, _) => {
                principal.role()
            }
            _ => None,
        }
    }
}

/// The answer to a [`Want`] of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// `None`: no such key.
    AccessKeyLastUsed(Option<Box<KeyUse>>),
    /// `None`: no such user.
    User(Option<Box<User>>),
    /// Sorted by name.
    Users(Vec<ListedUser>),
    /// Sorted by id. Empty, too, where there is no such user.
    AccessKeys(Vec<AccessKey>),
    /// `None`: no console password.
    LoginProfile(Option<LoginProfile>),
    /// `None`: the account does not say, and AWS's own default holds.
    PasswordPolicy(Option<PasswordPolicy>),
    /// Sorted by id.
    ServiceSpecificCredentials(Vec<ServiceSpecificCredential>),
    /// Sorted by id.
    SshPublicKeys(Vec<CredentialStatus>),
    /// Sorted by id.
    SigningCertificates(Vec<CredentialStatus>),
    /// Sorted by serial number.
    MfaDevices(Vec<MfaDevice>),
    /// Sorted.
    AttachedPolicies(Vec<Arn>),
    /// The document as JSON text, decoded; `None`: no such policy.
    InlinePolicy(Option<String>),
    /// `None`: no such role.
    Role(Option<Box<Role>>),
    /// Sorted by name.
    Roles(Vec<ListedRole>),
    /// All of the account's.
    Authorization(Box<Authorization>),
    /// By AWS's own names, as in `AttachedPoliciesPerUserQuota`.
    AccountSummary(BTreeMap<String, i64>),
    /// `None`: no such secret.
    Secret(Option<Box<SecretMetadata>>),
    /// Sorted.
    Simulation(Vec<Simulated>),
    /// What came of it.
    Probe(Tried),
    /// Sorted by name.
    Secrets(Vec<ListedSecret>),
    /// The document as JSON text; `None`: no policy.
    SecretPolicy(Option<String>),
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The operation that was refused or failed, as `iam:ListAccessKeys`.
    pub operation: String,
    /// AWS's code, or our word where no answer came.
    pub code: String,
    /// The sentence that came with it.
    pub message: String,
    /// Whether it may well be answered a little later: the service failed or was too busy.
    pub passing: bool,
    /// False where an answer came that this program does not understand: there is something, and nobody
    /// can accept that it is not known.
    pub understood: bool,
}

/// Who used a key, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    /// The key's owner.
    pub user: UserName,
    /// `None`: never used, or not since AWS began to record it.
    pub last_used_at: Option<Timestamp>,
    /// The service last used, as AWS names it (`s3`).
    pub service: Option<String>,
    /// The region last used.
    pub region: Option<String>,
}

/// An IAM user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its name.
    pub name: UserName,
    /// Its ARN.
    pub arn: Arn,
    /// Its unique id (`AIDA...`), which a user made anew under the same name does not share.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The managed policy that bounds it.
    pub boundary: Option<Arn>,
    /// When somebody last signed in with its password, as far as AWS has recorded it. Not there where a listing of
    /// everybody told of the user, as it may for a plan: only looks ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_last_used_at: Option<Timestamp>,
}

/// An IAM user as listings show it: without its boundary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedUser {
    /// Its name.
    pub name: UserName,
    /// Its path: `/`, or `/ci/`.
    pub path: String,
    /// Its ARN.
    pub arn: Arn,
    /// Its unique id (`AIDA...`); not in what older versions have saved.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// `Active` or `Inactive`, as AWS has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Usable.
    Active,
    /// Not usable, and can be made usable again.
    Inactive,
}

/// One access key of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// Its id.
    pub id: AccessKeyId,
    /// Whether AWS accepts it.
    pub status: Status,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A console password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginProfile {
    /// When it was set up.
    pub created_at: Timestamp,
    /// Whether the next sign-in must change it.
    pub reset_required: bool,
}

/// What console passwords of the account must be like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordPolicy {
    /// How long they are at least.
    pub minimum_length: usize,
    /// Whether every user may change his own, whatever his policies allow.
    pub users_may_change: bool,
    /// How many of his last passwords a user may not take again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse_prevention: Option<usize>,
}

/// A password for one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpecificCredential {
    /// Its id (`ACCA...`).
    pub id: String,
    /// The service (`codecommit.amazonaws.com`).
    pub service: String,
    /// Whether AWS accepts it.
    pub status: Status,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself; `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// An uploaded key or certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialStatus {
    /// Its id.
    pub id: String,
    /// Whether AWS accepts it.
    pub status: Status,
    /// When it was uploaded, where AWS says so.
    pub uploaded_at: Option<Timestamp>,
}

/// A second factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MfaDevice {
    /// The ARN of a virtual device, or the serial number of a hardware one.
    pub serial: String,
    /// Since when it counts for the user.
    pub enabled_at: Timestamp,
}

/// An IAM role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: RoleName,
    /// Its path: `/`, or `/aws-service-role/...` where it is a service's own.
    pub path: String,
    /// Its ARN.
    pub arn: Arn,
    /// Its unique id (`AROA...`), which a role made anew under the same name does not share.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The managed policy that bounds it.
    pub boundary: Option<Arn>,
}

/// A role and whom it trusts, as listings show it: without its boundary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedRole {
    /// Its name.
    pub name: RoleName,
    /// Its ARN.
    pub arn: Arn,
    /// The trust policy as JSON text, decoded.
    pub trust: String,
    /// When it was made; `None` in inventories that were saved without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

/// A secret, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretMetadata {
    /// Its ARN.
    pub arn: Arn,
    /// Its name.
    pub name: String,
    /// The labels of each version that has any.
    pub versions: BTreeMap<VersionId, Vec<String>>,
    /// Whether the service rotates it by itself.
    pub rotates_itself: bool,
    /// The function that rotates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotator: Option<Arn>,
    /// The service that made it for itself and rotates it, as `rds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_by: Option<String>,
    /// Set while it waits to be deleted.
    pub deleted_at: Option<Timestamp>,
}

/// A secret as listings show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedSecret {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: Arn,
    /// When it was made, where AWS says so.
    pub created_at: Option<Timestamp>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Whether the service rotates it by itself.
    pub rotates_itself: bool,
    /// The function that rotates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotator: Option<Arn>,
    /// The service that made it for itself and rotates it, as `rds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_by: Option<String>,
    /// Set while it waits to be deleted.
    pub deleted_at: Option<Timestamp>,
    /// Versions that carry a label, with their labels; `None` in a file from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<BTreeMap<VersionId, Vec<String>>>,
}

impl ListedSecret {
    /// Its ARN as one of a secret; `None` where a file has something else for it.
    pub fn id(&self) -> Option<SecretId> {
        SecretId::parse(self.arn.as_str()).ok()
    }

    /// What was told of it alone would be this; `None` where its versions were not kept.
    pub fn alone(&self) -> Option<SecretMetadata> {
        Some(SecretMetadata {
            arn: self.arn.clone(),
            name: self.name.clone(),
            versions: self.versions.clone()?,
            rotates_itself: self.rotates_itself,
            rotator: self.rotator.clone(),
            owned_by: self.owned_by.clone(),
            deleted_at: self.deleted_at,
        })
    }
}

impl SecretMetadata {
    /// The version that carries `label`.
    pub fn holder_of(&self, label: &str) -> Option<&VersionId> {
        self.versions.iter().find(|(_, labels)| labels.iter().any(|l| l == label)).map(|(id, _)| id)
    }
}

/// What is asked of the policy simulator: each action on each resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    /// The user or role whose policies decide.
    pub principal: Arn,
    /// As `iam:UpdateAccessKey`.
    pub actions: Vec<String>,
    /// ARNs.
    pub resources: Vec<String>,
    /// What is known of the requests besides: condition keys with their value.
    pub context: BTreeMap<String, String>,
}

/// What the policy simulator says of one action on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulated {
    /// As `iam:UpdateAccessKey`.
    pub action: String,
    /// The resource's ARN.
    pub resource: String,
    /// Whether it would be allowed.
    pub allowed: bool,
    /// Condition keys that the decision may hang on, and that were not given.
    pub depends_on: Vec<String>,
}

/// Who is asking, as STS gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The account the credentials belong to.
    pub account: AccountId,
    /// The caller's ARN.
    pub arn: Arn,
    /// The caller's unique id; for a role session `AROA...:name`.
    pub id: String,
    /// The access key id the requests are signed with, where it is known.
    pub access_key_id: Option<AccessKeyId>,
    /// What these credentials were got with, and what that was got with, as far as it is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub came_from: Vec<Origin>,
    /// The way in that is left when nothing else goes, and what that was got with; empty where nobody has tried it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub break_glass: Vec<Origin>,
}

/// Credentials that others were got with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Where they are from, in words: "key AKIA... of profile base".
    pub how: String,
    /// Whose they are, where that was asked.
    pub arn: Option<Arn>,
    /// The access key id, where it is known.
    pub access_key_id: Option<AccessKeyId>,
}

impl Caller {
    /// The values that `aws:PrincipalArn` may have in the caller's requests, as patterns. A session's ARN leaves out
    /// its role's path; but no two roles of an account have one name.
    pub fn principal_patterns(&self) -> Vec<String> {
        let arn = &self.arn;
        let role =
            |path: &str| format!("arn:{}:iam::{}:role/{path}", arn.partition(), arn.account());
        match arn.resource().split('/').collect::<Vec<_>>().as_slice() {
            ["assumed-role", name, ..] => vec![role(name), role(&format!("*/{name}"))],
            _ => vec![arn.as_str().to_owned()],
        }
    }
}

/// A fact, or why there is none. What is large in it is kept in a box: most of half a million answers are small.
pub type Answer = Result<Fact, Box<Gap>>;

/// What was read of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Who read it, and so in which account.
    pub caller: Caller,
    /// When the reading began, by AWS's own clock where an answer told it: it is compared with when AWS has made what it
    /// lists.
    pub taken_at: Timestamp,
    /// So many seconds the clock of whoever read it was ahead of AWS's then; behind, where it is less than nothing.
    #[serde(default, skip_serializing_if = "is_in_time")]
    pub clock_ahead: i64,
    /// Every question asked, with its answer or the reason there is none.
    pub answers: Answers,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_in_time(seconds: &i64) -> bool {
    *seconds == 0
}

/// Something was judged that had not been read. Planning and judging ask for what they need first,
/// so this is a bug of the caller, or a gap, told apart by `gap`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", match gap {
    Some(gap) => format!("could not be read: {} answered {}: {}", gap.operation, gap.code, gap.message),
    None => format!("{want:?} was not asked for"),
})]
pub struct Unread {
    /// The question.
    pub want: Want,
    /// Why it has no answer, if it was asked.
    pub gap: Option<Box<Gap>>,
}

impl Unread {
    /// The operation that gave no answer, as `iam:ListAccessKeys`.
    pub fn operation(&self) -> String {
        self.gap.as_ref().map_or_else(|| format!("{:?}", self.want), |gap| gap.operation.clone())
    }
}

macro_rules! answer {
    ($(#[$doc:meta])* $name:ident, $variant:ident ( $($arg:ident : $ty:ty),* ) -> $out:ty) => {
        $(#[$doc])*
        pub fn $name(&self, $($arg: &$ty),*) -> Result<&$out, Unread> {
            let want = answer!(@want $variant $($arg)*);
            match self.answers.get(&want) {
                Some(Ok(Fact::$variant(fact))) => Ok(fact),
                Some(Err(gap)) => Err(Unread { want, gap: Some(gap.clone()) }),
                // A file may hold a fact under another's question: then this one was not answered.
                Some(Ok(_)) | None => Err(Unread { want, gap: None }),
            }
        }
    };
    (@want $variant:ident) => { Want::$variant };
    (@want $variant:ident $($arg:ident)+) => { Want::$variant($($arg.clone().into()),+) };
}

impl Inventory {
    /// An inventory in which nothing has been asked yet.
    pub fn new(caller: Caller, taken_at: Timestamp) -> Self {
        Self { caller, taken_at, clock_ahead: 0, answers: Answers::default() }
    }

    /// The questions that have no answer, with the reasons.
    pub fn gaps(&self) -> impl Iterator<Item = (&Want, &Gap)> {
        let gaps = self.answers.iter_if(Result::is_err);
        gaps.filter_map(|(want, answer)| Some((want, answer.as_ref().err()?.as_ref())))
    }

    /// The ARN of a secret that was asked about, by its name or its ARN.
    pub fn arn_of_secret(&self, called: &SecretId) -> Option<&Arn> {
        let is_it = |secret: &SecretMetadata| {
            [secret.name.as_str(), secret.arn.as_str()].contains(&called.as_str())
        };
        let mut found = self
            .answers
            .iter_if(|answer| matches!(answer, Ok(Fact::Secret(Some(secret))) if is_it(secret)));
        found.find_map(|(_, answer)| match answer {
            Ok(Fact::Secret(Some(secret))) => Some(&secret.arn),
            _ => None,
        })
    }

    /// Keys of which it was asked whose they are, and that are this user's. Sorted.
    pub fn keys_known_of(&self, user: &UserName) -> impl Iterator<Item = &AccessKeyId> {
        let is_his = move |answer: &Answer| matches!(answer, Ok(Fact::AccessKeyLastUsed(Some(used))) if used.user == *user);
        self.answers.iter_if(is_his).filter_map(|(want, _)| match want {
            Want::AccessKeyLastUsed(id) => Some(id),
            _ => None,
        })
    }

    answer!(
        /// Who owns a key, and when it was last used.
        access_key_last_used, AccessKeyLastUsed(id: AccessKeyId) -> Option<Box<KeyUse>>);
    answer!(
        /// A user.
        user, User(user: UserName) -> Option<Box<User>>);
    answer!(
        /// Every user of the account.
        users, Users() -> Vec<ListedUser>);
    answer!(
        /// A user's access keys.
        access_keys, AccessKeys(user: UserName) -> Vec<AccessKey>);
    answer!(
        /// A user's console password.
        login_profile, LoginProfile(user: UserName) -> Option<LoginProfile>);
    answer!(
        /// What console passwords must be like.
        password_policy, PasswordPolicy() -> Option<PasswordPolicy>);
    answer!(
        /// A user's passwords for single services.
        service_specific_credentials, ServiceSpecificCredentials(user: UserName) -> Vec<ServiceSpecificCredential>);
    answer!(
        /// A user's SSH public keys.
        ssh_public_keys, SshPublicKeys(user: UserName) -> Vec<CredentialStatus>);
    answer!(
        /// A user's signing certificates.
        signing_certificates, SigningCertificates(user: UserName) -> Vec<CredentialStatus>);
    answer!(
        /// The managed policies attached to a user or role.
        attached_policies, AttachedPolicies(principal: Principal) -> Vec<Arn>);
    answer!(
        /// One inline policy of a user or role.
        inline_policy, InlinePolicy(principal: Principal, policy: PolicyName) -> Option<String>);
    answer!(
        /// A role.
        role, Role(role: RoleName) -> Option<Box<Role>>);
    answer!(
        /// Every role of the account.
        roles, Roles() -> Vec<ListedRole>);
    answer!(
        /// The account's quotas and counts.
        account_summary, AccountSummary() -> BTreeMap<String, i64>);
    answer!(
        /// A secret, without its value.
        secret, Secret(id: SecretId) -> Option<Box<SecretMetadata>>);
    answer!(
        /// Whether a principal may do certain things.
        simulation, Simulation(asked: Simulation) -> Vec<Simulated>);
    answer!(
        /// What came of trying a way in that lies outside.
        probe, Probe(probe: Probe) -> Tried);
    answer!(
        /// A user's second factors.
        mfa_devices, MfaDevices(user: UserName) -> Vec<MfaDevice>);
    answer!(
        /// Who may do what, by the policies of users, groups and roles.
        authorization, Authorization() -> Box<Authorization>);
    answer!(
        /// Every secret of the region.
        secrets, Secrets() -> Vec<ListedSecret>);
    answer!(
        /// The policy on a secret.
        secret_policy, SecretPolicy(secret: SecretId) -> Option<String>);
}
