//! What is in scope although no step names it: roles that somebody cut may have assumed, and values that somebody may know.

use std::collections::BTreeSet;

use crate::ids::{Principal, UserName};
use crate::inventory::Inventory;
use crate::plan::{Change, Credential, Effect, RoleInReach, Subject, credentials_of};
use crate::policy::Document;
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
    credentials.extend(closed.filter(|one| matches!(one, Credential::Manual { .. })).cloned());
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
