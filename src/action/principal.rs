//! What the actions on users and on roles share: whom a name stands for, and whether it still does.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::PlanError;
use crate::diagnostic::nearest;
use crate::ids::{Arn, Principal, RoleName, UserName};
use crate::inventory::{Inventory, Role, Unread, Want};
use crate::journal::Position;

/// What an action is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Role,
}

/// The `with:` block of an action that comes in a pair, one about a user and one about a role, and asks for nothing
/// else than whom.
pub(super) trait Named: DeserializeOwned + 'static {
    /// Which of the two it is.
    const KIND: Kind;

    /// Whom it names.
    fn principal(&self) -> Principal;
}

/// `with: { user: NAME }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfUser {
    user: UserName,
}

/// `with: { role: NAME }`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfRole {
    role: RoleName,
}

impl Named for OfUser {
    const KIND: Kind = Kind::User;

    fn principal(&self) -> Principal {
        Principal::User(self.user.clone())
    }
}

impl Named for OfRole {
    const KIND: Kind = Kind::Role;

    fn principal(&self) -> Principal {
        Principal::Role(self.role.clone())
    }
}

/// A user or role that is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'i> {
    /// Its unique id: another under the same name is somebody else.
    pub(super) id: &'i str,
    /// The managed policy that bounds it.
    pub(super) boundary: Option<&'i Arn>,
}

/// What must be read to see it.
pub(super) fn want(principal: &Principal) -> Want {
    match principal {
        Principal::User(user) => Want::User(user.clone()),
        Principal::Role(role) => Want::Role(role.clone()),
    }
}

/// The one of that name, if there is one.
pub(super) fn find<'i>(
    principal: &Principal,
    facts: &'i Inventory,
) -> Result<Option<Found<'i>>, Unread> {
    Ok(match principal {
        Principal::User(user) => facts
            .user(user)?
            .as_ref()
            .map(|user| Found { id: &user.id, boundary: user.boundary.as_ref() }),
        Principal::Role(role) => facts
            .role(role)?
            .as_ref()
            .map(|role| Found { id: &role.id, boundary: role.boundary.as_ref() }),
    })
}

/// The one of that name, if a change to it can be planned: a role that nobody in the account may change
/// cannot be cut by changing it.
pub(super) fn changeable<'i>(
    principal: &Principal,
    inventory: &'i Inventory,
) -> Result<Found<'i>, PlanError> {
    if let Principal::Role(name) = principal
        && let Some(role) = inventory.role(name)?
        && let Some(error) = kept_by_aws(role)
    {
        return Err(error);
    }
    find(principal, inventory)?.ok_or_else(|| no_such(principal, inventory))
}

/// The same sentence wherever a user is not there.
pub(super) fn no_such_user(user: &UserName, inventory: &Inventory) -> PlanError {
    no_such(&Principal::User(user.clone()), inventory)
}

fn no_such(principal: &Principal, inventory: &Inventory) -> PlanError {
    // Who is there is known where the playbook, or what was looked at for it, had everybody listed.
    let near = match principal {
        Principal::User(user) => inventory
            .users()
            .ok()
            .and_then(|all| nearest(user.as_str(), all.iter().map(|one| one.name.as_str()))),
        Principal::Role(role) => inventory
            .roles()
            .ok()
            .and_then(|all| nearest(role.as_str(), all.iter().map(|one| one.name.as_str()))),
    };
    PlanError::Impossible {
        message: format!("account {} has no {principal}", inventory.caller.account),
        help: near.map_or_else(
            || "check the name, and whether the credentials are for the right account".to_owned(),
            |near| {
                format!("did you mean {near}? If not, are the credentials for the right account?")
            },
        ),
    }
}

/// Why a role cannot be changed, and what can be done instead.
fn kept_by_aws(role: &Role) -> Option<PlanError> {
    let impossible = |message: String, help: String| PlanError::Impossible { message, help };
    let name = &role.name;
    if let Some(service) = role.path.strip_prefix("/aws-service-role/") {
        let service = service.trim_end_matches('/');
        return Some(impossible(
            format!(
                "role {name} is linked to {service}: IAM lets nobody change its policies \
                 (UnmodifiableEntity), and only that service can assume it"
            ),
            format!("cut whoever may use {service}, or turn off there what uses the role"),
        ));
    }
    if role.path.starts_with("/aws-reserved/") || name.as_str().starts_with("AWSReservedSSO_") {
        return Some(impossible(
            format!(
                "role {name} belongs to permission set {} of IAM Identity Center: IAM lets nobody change it \
                 (UnmodifiableEntity)",
                permission_set(name)
            ),
            "put a deny into the permission set (aws sso-admin put-inline-policy-to-permission-set, then \
             provision-permission-set), or take the people's assignments off; for the whole account, deny by a \
             service control policy"
                .to_owned(),
        ));
    }
    None
}

/// `AWSReservedSSO_NAME_0123456789abcdef` without what is around the name.
fn permission_set(role: &RoleName) -> &str {
    let name = role.as_str();
    let name = name.strip_prefix("AWSReservedSSO_").unwrap_or(name);
    name.rsplit_once('_').map_or(name, |(set, _)| set)
}

/// Where a change to a principal stands whose name nobody has any more, or somebody else: not to be told by
/// the name. Whoever renames a user takes all that the user holds along.
pub(super) fn not_the_same(
    principal: &Principal,
    id: &str,
    found: Option<&str>,
) -> Option<Position> {
    let why = match (found, principal) {
        (Some(found), _) if found == id => return None,
        (Some(_), Principal::User(name)) => format!("{name} is not the user it was any more"),
        (Some(_), Principal::Role(name)) => format!("{name} is not the role it was any more"),
        (None, Principal::User(name)) => {
            format!("there is no user {name} any more: deleted, or renamed")
        }
        (None, Principal::Role(name)) => format!("there is no role {name} any more: deleted"),
    };
    Some(Position::Elsewhere { why })
}

/// The same of a cut, as far as it can be seen: what could not be read does not keep it from being judged.
pub(super) fn is_somebody_else(
    principal: &Principal,
    id: &str,
    facts: &Inventory,
) -> Option<Position> {
    let found = find(principal, facts).ok()?;
    not_the_same(principal, id, found.map(|found| found.id))
}

/// IAM's operations on the policies of a principal, as permissions and the AWS command line name them.
pub(super) struct Operations {
    pub(super) attach: &'static str,
    pub(super) detach: &'static str,
    pub(super) put: &'static str,
    pub(super) delete: &'static str,
    pub(super) bound: &'static str,
    pub(super) unbound: &'static str,
    /// The word of the command line for the principal's kind, as in `attach-user-policy --user-name`.
    pub(super) word: &'static str,
    /// The heading in the console.
    pub(super) heading: &'static str,
    /// The quota of managed policies that one may have, as the account's summary names it.
    pub(super) attached_quota: &'static str,
}

/// Those for this principal.
pub(super) fn operations(principal: &Principal) -> Operations {
    match principal {
        Principal::User(_) => Operations {
            attach: "iam:AttachUserPolicy",
            detach: "iam:DetachUserPolicy",
            put: "iam:PutUserPolicy",
            delete: "iam:DeleteUserPolicy",
            bound: "iam:PutUserPermissionsBoundary",
            unbound: "iam:DeleteUserPermissionsBoundary",
            word: "user",
            heading: "Users",
            attached_quota: "AttachedPoliciesPerUserQuota",
        },
        Principal::Role(_) => Operations {
            attach: "iam:AttachRolePolicy",
            detach: "iam:DetachRolePolicy",
            put: "iam:PutRolePolicy",
            delete: "iam:DeleteRolePolicy",
            bound: "iam:PutRolePermissionsBoundary",
            unbound: "iam:DeleteRolePermissionsBoundary",
            word: "role",
            heading: "Roles",
            attached_quota: "AttachedPoliciesPerRoleQuota",
        },
    }
}
