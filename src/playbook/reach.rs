//! What is known of the policies of a user or role, for whoever asks what it could do.
//!
//! Knows no question: `policy::reach` answers it, and errs towards yes.

use crate::ids::Arn;
use crate::inventory::{Authorization, OwnPolicies};
use crate::policy::reach::Reach;
use crate::policy::{Caller, Context};

/// What is known of a user or role, by its ARN.
pub fn reach_of(all: &Authorization, account: &str, principal: &str) -> Option<Reach> {
    let mut context = Context::new();
    context.set("aws:PrincipalArn", principal);
    context.set("aws:PrincipalAccount", account);
    let user = all.users.iter().find(|user| user.arn.as_str() == principal);
    let role = all.roles.iter().find(|role| role.arn.as_str() == principal);
    let (id, tags, own) = match (user, role) {
        (Some(user), _) => (&user.id, &user.tags, &user.policies),
        (None, Some(role)) => (&role.id, &role.tags, &role.policies),
        (None, None) => return None,
    };
    if let Some(user) = user {
        context.set("aws:username", user.name.as_str());
        context.set("aws:userid", id.as_str());
    }
    for (key, value) in tags {
        context.set(&format!("aws:PrincipalTag/{key}"), value.as_str());
    }
    let groups = user.into_iter().flat_map(|user| &user.groups);
    let groups = groups.filter_map(|name| all.groups.iter().find(|group| group.name == *name));
    let mut owners: Vec<&OwnPolicies> = groups.map(|group| &group.policies).collect();
    owners.push(own);
    // A policy whose text is not told may say anything.
    let managed = |arn: &Arn| all.managed.get(arn).map_or("", String::as_str);
    let inline = owners.iter().flat_map(|own| own.inline.values()).map(String::as_str);
    let attached = owners.iter().flat_map(|own| &own.attached).map(managed);
    let caller = Caller {
        account: account.to_owned(),
        arn: principal.to_owned(),
        behind: None,
        unique_id: id.clone(),
    };
    let boundary = own.boundary.as_ref().map(managed);
    Some(Reach::of(caller, context, inline.chain(attached), boundary))
}
