//! Who may do what, as far as the policies of an account's own users, groups and roles say.
//!
//! One operation tells all of it, with groups and tags besides: `iam:GetAccountAuthorizationDetails`. It tells
//! no credential. Values only; `policy` judges the documents.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{Arn, GroupName, PolicyName, RoleName, UserName};

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

    fn own_policies(&self) -> impl Iterator<Item = &OwnPolicies> {
        let users = self.users.iter().map(|user| &user.policies);
        let groups = self.groups.iter().map(|group| &group.policies);
        users.chain(groups).chain(self.roles.iter().map(|role| &role.policies))
    }
}
