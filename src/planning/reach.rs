//! What is in scope although no step names it: roles that somebody cut may have assumed, and values that somebody may know. Those
//! of the roles that may read what is handed out keep the gate shut (design 0028).

use std::collections::BTreeSet;

use crate::ids::{Arn, Principal, RoleName, SecretId, UserName};
use crate::inventory::{Inventory, RoleDetail};
use crate::plan::{Change, Credential, Effect, RoleInReach, Subject, credentials_of};
use crate::playbook::reach_of;
use crate::policy::Document;
use crate::policy::reach::Reach;
use crate::policy::trust::{Admission, admits};

/// Roles that somebody in scope may have assumed, by their trust policies. What is not known of them is a row
/// like any of them.
pub(super) fn roles(users: &BTreeSet<UserName>, inventory: &Inventory) -> Vec<RoleInReach> {
    let trusts: Vec<_> = inventory
        .roles()
        .map(|roles| roles.iter().map(|role| Document::parse(&role.trust)).collect())
        .unwrap_or_default();
    let mut reach = Vec::new();
    for user in users {
        let read = inventory.roles().and_then(|roles| Ok((roles, inventory.user(user)?)));
        let (roles, found) = match read {
            Ok((roles, Some(found))) => (roles, found),
            // Nobody, who can have assumed nothing.
            Ok((_, None)) => continue,
            Err(unread) => {
                reach.push(RoleInReach {
                    sessions: Credential::UnlistedRoles {
                        of: user.clone(),
                        operation: unread.operation(),
                    },
                    user: user.clone(),
                    why: format!("which roles {user} can assume is not known: {unread}"),
                });
                continue;
            }
        };
        for (role, trust) in roles.iter().zip(&trusts) {
            let admits = match trust
                .as_ref()
                .map(|trust| admits(trust, found.arn.as_str(), inventory.caller.account.as_str()))
            {
                Ok(Admission::No) => continue,
                Ok(Admission::Named) => "named",
                Ok(Admission::Account) => "as anyone of the account whose own policies allow it",
                Ok(Admission::Anyone) => "as anyone at all",
                // What cannot be understood is not thereby harmless.
                Err(_) => "perhaps: its trust policy cannot be understood",
            };
            reach.push(RoleInReach {
                sessions: Credential::RoleSessions { role: role.name.clone() },
                user: user.clone(),
                why: format!("its trust policy admits {user} ({admits})"),
            });
        }
    }
    reach
}

/// Of `roles`, those of which no step cuts the sessions.
pub(super) fn not_cut<'r>(
    roles: &'r [RoleInReach],
    principals: &'r BTreeSet<Principal>,
) -> impl Iterator<Item = &'r RoleName> {
    roles.iter().filter_map(|reach| match &reach.sessions {
        Credential::RoleSessions { role } => {
            (!principals.contains(&Principal::Role(role.clone()))).then_some(role)
        }
        _ => None,
    })
}

/// The sessions of those of `roles` that may read one of `secrets`, or give themselves that by one request, as far as policies
/// can tell: whoever holds one reads what is put into it. Or that it cannot be told.
pub(super) fn readers(
    roles: BTreeSet<RoleName>,
    secrets: &[SecretId],
    inventory: &Inventory,
) -> Result<Vec<Credential>, String> {
    let account = inventory.caller.account.as_str();
    let called = || roles.iter().map(RoleName::to_string).collect::<Vec<_>>().join(", ");
    let all = match inventory.authorization() {
        Ok(all) => all,
        Err(_) if roles.is_empty() => return Ok(Vec::new()),
        Err(unread) => {
            return Err(format!(
                "whether sessions of {}, which no step cuts, may read what is put into {} is not known ({unread}): the gate \
                 does not wait for them. Allow it, and plan again; or see to them by hand",
                counted_roles(&roles, &called()),
                secrets.iter().map(SecretId::to_string).collect::<Vec<_>>().join(", ")
            ));
        }
    };
    let may_read = |role: &RoleName| {
        let Some(found) = all.roles.iter().find(|one| one.name == *role) else { return true };
        let Some(reach) = reach_of(all, account, found.arn.as_str()) else { return true };
        if gives_itself(&reach, found, account) {
            return true;
        }
        let within_reach = within_reach(&reach, found, account);
        secrets.iter().any(|secret| {
            let Some(arn) = inventory.arn_of_secret(secret) else { return true };
            let policy = inventory.secret_policy(secret).ok().and_then(Option::as_deref);
            let reads = |reach: &Reach, policy: Option<&str>| {
                READS_OR_OPENS.iter().any(|one| reach.may(one, arn.as_str(), account, policy))
            };
            within_reach.iter().any(|reach| reads(reach, policy))
                || reach.may(OPENS_BY_TAKING_AWAY, arn.as_str(), account, policy)
                    && reads(&reach, None)
        })
    };
    let sessions = |role: RoleName| Credential::RoleSessions { role };
    Ok(roles.into_iter().filter(may_read).map(sessions).collect())
}

/// What reads a secret, or has whoever asks read it with the next request.
const READS_OR_OPENS: [&str; 2] =
    ["secretsmanager:GetSecretValue", "secretsmanager:PutResourcePolicy"];

/// What takes off a secret what its own policy forbids.
const OPENS_BY_TAKING_AWAY: &str = "secretsmanager:DeleteResourcePolicy";

/// What gives a role more than it has: whoever may do it to himself may read with the next request.
const GIVES_A_ROLE: [&str; 2] = ["iam:PutRolePolicy", "iam:AttachRolePolicy"];

/// What takes a deny away that a role is under by its own policies.
const TAKES_A_DENY_AWAY: [&str; 2] = ["iam:DeleteRolePolicy", "iam:DetachRolePolicy"];

/// What takes away what bounds a role, or puts something wider in its place.
const UNBOUNDS: [&str; 2] = ["iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"];

/// What has a policy say something else. An older version of one is nobody's to foresee.
const REWRITES: [&str; 2] = ["iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"];

/// Whether a role may, by one request, have one of `policies` say whatever it likes.
fn rewrites<'p>(reach: &Reach, policies: impl IntoIterator<Item = &'p Arn>, account: &str) -> bool {
    // AWS's own are nobody's to change.
    let mut own = policies.into_iter().filter(|policy| policy.account() == account);
    own.any(|policy| REWRITES.iter().any(|one| reach.may(one, policy.as_str(), account, None)))
}

/// Whether a role may give itself whatever it likes, by one request.
fn gives_itself(reach: &Reach, role: &RoleDetail, account: &str) -> bool {
    GIVES_A_ROLE.iter().any(|action| reach.may(action, role.arn.as_str(), account, None))
        || rewrites(reach, &role.policies.attached, account)
}

/// What a role may do: as it is, and with what it can take off itself by one request. Of several denies one request takes
/// one away; it counts as all of them, since which of them matters nobody looks at.
fn within_reach(reach: &Reach, role: &RoleDetail, account: &str) -> Vec<Reach> {
    let may_any = |actions: &[&str]| {
        actions.iter().any(|action| reach.may(action, role.arn.as_str(), account, None))
    };
    let mut all = vec![reach.clone()];
    if may_any(&TAKES_A_DENY_AWAY) {
        all.push(reach.clone().without_own_denies());
    }
    if role.policies.boundary.is_some()
        && (may_any(&UNBOUNDS) || rewrites(reach, &role.policies.boundary, account))
    {
        all.push(reach.clone().unbounded());
    }
    all
}

fn counted_roles(roles: &BTreeSet<RoleName>, called: &str) -> String {
    match roles.len() {
        0..=5 => format!("role {called}"),
        n => format!("{n} roles"),
    }
}

/// Every credential that the principals hold, and what the changes cut that is nobody's.
pub(super) fn credentials(
    principals: &BTreeSet<Principal>,
    changes: &[Change],
    inventory: &Inventory,
) -> Vec<Credential> {
    let mut credentials = Vec::new();
    for user in principals.iter().filter_map(Principal::user) {
        credentials.extend(credentials_of(user, inventory));
        credentials.push(Credential::Sessions { user: user.clone() });
    }
    // Of roles, AWS tells nothing but that there may be sessions.
    let roles = principals.iter().filter_map(Principal::role);
    credentials.extend(roles.map(|role| Credential::RoleSessions { role: role.clone() }));
    let closed =
        changes.iter().flat_map(|change| &change.effects).filter_map(|effect| match effect {
            Effect::Cuts { subject: Subject::Credential { credential }, .. } => Some(credential),
            _ => None,
        });
    // A key whose id is known is one whether its holder's keys can be listed or not.
    let by_itself =
        |one: &&Credential| matches!(one, Credential::Manual { .. } | Credential::AccessKey { .. });
    credentials.extend(closed.filter(by_itself).cloned());
    credentials.extend(values_in_scope(changes));
    credentials
}

/// The values that somebody may know, because their secret is sealed or rotated.
fn values_in_scope(changes: &[Change]) -> BTreeSet<Credential> {
    let effects = changes.iter().flat_map(|change| &change.effects);
    effects
        .filter(|effect| !matches!(effect, Effect::Delivers { .. }))
        .filter_map(Effect::secret)
        .map(|secret| Credential::SecretValue { secret: secret.clone() })
        .collect()
}
