//! Who may do what, as far as the policies of an account's own users, groups and roles say.
//!
//! One operation tells all of it, with groups and tags besides: `iam:GetAccountAuthorizationDetails`. It tells
//! no credential. Values only; `policy` judges the documents.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Fact, ListedUser, Role, User, Want};
use crate::ids::{Arn, GroupName, PolicyName, Principal, RoleName, UserName};

/// Every user, group and role, with what it may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// Sorted by name.
    pub users: Vec<UserDetail>,
    /// Sorted by name.
    pub groups: Vec<GroupDetail>,
    /// Sorted by name.
    pub roles: Vec<RoleDetail>,
    /// The documents in force of the managed policies that somebody has attached or is bounded by, as JSON
    /// text, decoded.
    pub managed: BTreeMap<Arn, String>,
}

/// The policies that a user, group or role has of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnPolicies {
    /// Written into it: documents as JSON text, decoded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inline: BTreeMap<PolicyName, String>,
    /// Attached to it. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attached: Vec<Arn>,
    /// What bounds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<Arn>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDetail {
    /// Its name.
    pub name: UserName,
    /// Its path: `/`, or `/ci/`.
    pub path: String,
    /// Its ARN.
    pub arn: Arn,
    /// Its unique id (`AIDA...`).
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The groups it is in. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupName>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What it may do by itself.
    #[serde(flatten)]
    pub policies: OwnPolicies,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDetail {
    /// Its name.
    pub name: GroupName,
    /// Its ARN.
    pub arn: Arn,
    /// What its members may do.
    #[serde(flatten)]
    pub policies: OwnPolicies,
}

/// A role. Whom it trusts is told by [`super::Role`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleDetail {
    /// Its name.
    pub name: RoleName,
    /// Its ARN.
    pub arn: Arn,
    /// Its unique id (`AROA...`).
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What it may do.
    #[serde(flatten)]
    pub policies: OwnPolicies,
}

impl OwnPolicies {
    fn answer(found: Option<&Self>, want: &Want) -> Option<Fact> {
        match want {
            Want::AttachedPolicies(_) => Some(Fact::AttachedPolicies(
                found.map(|own| own.attached.clone()).unwrap_or_default(),
            )),
            Want::InlinePolicy(_, name) => {
                Some(Fact::InlinePolicy(found.and_then(|own| own.inline.get(name).cloned())))
            }
            _ => None,
        }
    }
}

impl UserDetail {
    /// What `found`, or that there is nobody, tells of a question about him alone.
    pub fn answer(found: Option<&Self>, want: &Want) -> Option<Fact> {
        match want {
            Want::User(_) => Some(Fact::User(found.map(|user| Box::new(user.alone())))),
            Want::AttachedPolicies(Principal::User(_))
            | Want::InlinePolicy(Principal::User(_), _) => {
                OwnPolicies::answer(found.map(|user| &user.policies), want)
            }
            _ => None,
        }
    }

    fn alone(&self) -> User {
        User {
            name: self.name.clone(),
            arn: self.arn.clone(),
            id: self.id.clone(),
            created_at: self.created_at,
            boundary: self.policies.boundary.clone(),
            password_last_used_at: None,
        }
    }

    fn listed(&self) -> ListedUser {
        ListedUser {
            name: self.name.clone(),
            path: self.path.clone(),
            arn: self.arn.clone(),
            id: self.id.clone(),
            created_at: self.created_at,
        }
    }
}

impl RoleDetail {
    fn alone(&self) -> Role {
        let path = self.arn.resource().strip_prefix("role").unwrap_or("/");
        Role {
            name: self.name.clone(),
            path: path.strip_suffix(self.name.as_str()).unwrap_or(path).to_owned(),
            arn: self.arn.clone(),
            id: self.id.clone(),
            created_at: self.created_at,
            boundary: self.policies.boundary.clone(),
        }
    }
}

impl Authorization {
    /// Drops the documents of managed policies that nobody has, and sorts everything.
    #[must_use]
    pub fn tidied(mut self) -> Self {
        let mut used: Vec<&Arn> = Vec::new();
        for own in self.own_policies() {
            used.extend(own.attached.iter().chain(&own.boundary));
        }
        used.sort();
        used.dedup();
        let keep: Vec<Arn> = used.into_iter().cloned().collect();
        self.managed.retain(|arn, _| keep.binary_search(arn).is_ok());
        self.users.sort_by(|a, b| a.name.cmp(&b.name));
        self.groups.sort_by(|a, b| a.name.cmp(&b.name));
        self.roles.sort_by(|a, b| a.name.cmp(&b.name));
        self
    }

    /// What it tells of a question that was asked of somebody alone, or of all users; `None` where it does not tell it.
    /// When a password was last used it never tells.
    pub fn answer(&self, want: &Want) -> Option<Fact> {
        if matches!(want, Want::Users) {
            return Some(Fact::Users(self.users.iter().map(UserDetail::listed).collect()));
        }
        if let Some(user) = want.user() {
            let found = self.users.binary_search_by(|detail| detail.name.cmp(user));
            return UserDetail::answer(found.ok().map(|at| &self.users[at]), want);
        }
        let role = want.role()?;
        let found = self.roles.binary_search_by(|detail| detail.name.cmp(role));
        let found = found.ok().map(|at| &self.roles[at]);
        match want {
            Want::Role(_) => Some(Fact::Role(found.map(|role| Box::new(role.alone())))),
            _ => OwnPolicies::answer(found.map(|role| &role.policies), want),
        }
    }

    fn own_policies(&self) -> impl Iterator<Item = &OwnPolicies> {
        let users = self.users.iter().map(|user| &user.policies);
        let groups = self.groups.iter().map(|group| &group.policies);
        users.chain(groups).chain(self.roles.iter().map(|role| &role.policies))
    }
}
