//! Policies of users and roles: attached, inline, and as a boundary.

use std::collections::{BTreeMap, BTreeSet};

use super::users::Answer;
use crate::ids::PolicyName;
use crate::sim::call::{Call, at, check_identity_policy, encoded, weight};
use crate::sim::managed;
use crate::sim::state::Account;
use crate::sim::wire::{Refusal, Reply, Xml, text, tree};

/// Managed policies that a user or role may have attached.
pub(in crate::sim) const ATTACHED_QUOTA: usize = 10;
/// Characters that all inline policies of a user may have together, without white space.
pub(in crate::sim) const USER_SIZE_QUOTA: usize = 2048;
/// The same for a role.
pub(in crate::sim) const ROLE_SIZE_QUOTA: usize = 10240;

fn done() -> Reply {
    Reply::Xml(Vec::new())
}

fn policy_arn<'a>(call: &'a Call<'_>) -> Result<&'a str, Refusal> {
    let arn = call.params.required("PolicyArn")?;
    if call.newest().managed(arn).is_none() {
        let message = format!("Policy {arn} does not exist or is not attachable.");
        return Err(Refusal::new(404, "NoSuchEntity", message));
    }
    Ok(arn)
}

fn list_attached(call: &Call<'_>, attached: &BTreeSet<String>) -> Answer {
    let policy = |arn: &String| {
        let name = arn.rsplit('/').next().unwrap_or(arn);
        tree("member", vec![text("PolicyName", name), text("PolicyArn", arn.as_str())])
    };
    let policies = attached.iter().map(policy).collect();
    Ok(Reply::Xml(call.page("AttachedPolicies", policies)?))
}

/// Whether an attachment is to be made: not where it is there already.
fn attachable(attached: &BTreeSet<String>, arn: &str, whose: &str) -> Result<bool, Refusal> {
    if attached.contains(arn) {
        return Ok(false);
    }
    if attached.len() >= ATTACHED_QUOTA {
        return Err(Refusal::limit(format!(
            "Cannot exceed quota for PoliciesPer{whose}: {ATTACHED_QUOTA}"
        )));
    }
    Ok(true)
}

fn detachable(attached: &BTreeSet<String>, arn: &str) -> Result<(), Refusal> {
    if attached.contains(arn) {
        return Ok(());
    }
    Err(Refusal::new(404, "NoSuchEntity", format!("Policy {arn} was not found.")))
}

/// Name and document of the inline policy in the request, if it fits beside the others.
fn fitting(
    call: &Call<'_>,
    present: &BTreeMap<String, String>,
    quota: usize,
    whose: (&str, &str),
) -> Result<(String, String), Refusal> {
    let name = call.params.required("PolicyName")?;
    PolicyName::parse(name).map_err(|e| Refusal::validation(e.to_string()))?;
    let document = call.params.required("PolicyDocument")?;
    check_identity_policy(document)?;
    let others: usize =
        present.iter().filter(|(n, _)| *n != name).map(|(_, text)| weight(text)).sum();
    if others + weight(document) > quota {
        let (kind, of) = whose;
        return Err(Refusal::limit(format!(
            "Maximum policy size of {quota} bytes exceeded for {kind} {of}"
        )));
    }
    Ok((name.to_owned(), document.to_owned()))
}

fn named<'a>(
    call: &Call<'_>,
    of: &'a BTreeMap<String, String>,
) -> Result<(String, &'a str), Refusal> {
    let name = call.params.required("PolicyName")?;
    let document = of.get(name).ok_or_else(|| {
        let owner = call.params.get("UserName").or(call.params.get("RoleName")).unwrap_or_default();
        let message = format!("The policy with name {name} of {owner} cannot be found.");
        Refusal::new(404, "NoSuchEntity", message)
    })?;
    Ok((name.to_owned(), document))
}

fn names(call: &Call<'_>, of: &BTreeMap<String, String>) -> Answer {
    let names = of.keys().map(|name| text("member", name.as_str())).collect();
    Ok(Reply::Xml(call.page("PolicyNames", names)?))
}

pub(in crate::sim) fn list_of_user(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    list_attached(call, &call.shown_user()?.1.attached)
}

pub(in crate::sim) fn attach_to_user(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let arn = policy_arn(call)?.to_owned();
    let (name, user) = call.newest_user()?;
    if attachable(&user.attached, &arn, "User")? {
        call.edit_user(&name).attached.insert(arn);
    }
    Ok(done())
}

pub(in crate::sim) fn detach_from_user(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let arn = call.params.required("PolicyArn")?.to_owned();
    let (name, user) = call.newest_user()?;
    detachable(&user.attached, &arn)?;
    call.edit_user(&name).attached.remove(&arn);
    Ok(done())
}

pub(in crate::sim) fn names_of_user(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    names(call, &call.shown_user()?.1.inline)
}

pub(in crate::sim) fn get_of_user(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let (user, found) = call.shown_user()?;
    let (name, document) = named(call, &found.inline)?;
    let document = encoded("PolicyDocument", document);
    Ok(Reply::Xml(vec![text("UserName", user), text("PolicyName", name), document]))
}

pub(in crate::sim) fn put_of_user(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let (user, found) = call.newest_user()?;
    let (name, document) = fitting(call, &found.inline, USER_SIZE_QUOTA, ("user", &user))?;
    if found.inline.get(&name) != Some(&document) {
        call.edit_user(&user).inline.insert(name, document);
    }
    Ok(done())
}

pub(in crate::sim) fn delete_of_user(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let (user, found) = call.newest_user()?;
    let (name, _) = named(call, &found.inline)?;
    call.edit_user(&user).inline.remove(&name);
    Ok(done())
}

/// The policy that is to bound somebody.
fn boundary_arn(call: &Call<'_>) -> Result<String, Refusal> {
    let arn = call.params.required("PermissionsBoundary")?;
    if call.newest().managed(arn).is_none() {
        return Err(Refusal::new(404, "NoSuchEntity", format!("Policy {arn} does not exist.")));
    }
    Ok(arn.to_owned())
}

fn no_boundary(kind: &str, name: &str) -> Refusal {
    let message = format!("{kind} {name} does not have a permissions boundary.");
    Refusal::new(404, "NoSuchEntity", message)
}

pub(in crate::sim) fn put_boundary_of_user(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let arn = boundary_arn(call)?;
    let (name, user) = call.newest_user()?;
    if user.boundary.as_ref() != Some(&arn) {
        call.edit_user(&name).boundary = Some(arn);
    }
    Ok(done())
}

pub(in crate::sim) fn delete_boundary_of_user(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let (name, user) = call.newest_user()?;
    if user.boundary.is_none() {
        return Err(no_boundary("User", &name));
    }
    call.edit_user(&name).boundary = None;
    Ok(done())
}

pub(in crate::sim) fn put_boundary_of_role(call: &mut Call<'_>) -> Answer {
    let arn = boundary_arn(call)?;
    let (name, role) = call.modifiable_role()?;
    if role.boundary.as_ref() != Some(&arn) {
        call.edit_role(&name).boundary = Some(arn);
    }
    Ok(done())
}

pub(in crate::sim) fn delete_boundary_of_role(call: &mut Call<'_>) -> Answer {
    let (name, role) = call.modifiable_role()?;
    if role.boundary.is_none() {
        return Err(no_boundary("Role", &name));
    }
    call.edit_role(&name).boundary = None;
    Ok(done())
}

pub(in crate::sim) fn list_of_role(call: &mut Call<'_>) -> Answer {
    list_attached(call, &call.shown_role()?.1.attached)
}

pub(in crate::sim) fn attach_to_role(call: &mut Call<'_>) -> Answer {
    let arn = policy_arn(call)?.to_owned();
    let (name, role) = call.modifiable_role()?;
    if attachable(&role.attached, &arn, "Role")? {
        call.edit_role(&name).attached.insert(arn);
    }
    Ok(done())
}

pub(in crate::sim) fn detach_from_role(call: &mut Call<'_>) -> Answer {
    let arn = call.params.required("PolicyArn")?.to_owned();
    let (name, role) = call.modifiable_role()?;
    detachable(&role.attached, &arn)?;
    call.edit_role(&name).attached.remove(&arn);
    Ok(done())
}

pub(in crate::sim) fn names_of_role(call: &mut Call<'_>) -> Answer {
    names(call, &call.shown_role()?.1.inline)
}

pub(in crate::sim) fn get_of_role(call: &mut Call<'_>) -> Answer {
    let (role, found) = call.shown_role()?;
    let (name, document) = named(call, &found.inline)?;
    let document = encoded("PolicyDocument", document);
    Ok(Reply::Xml(vec![text("RoleName", role), text("PolicyName", name), document]))
}

pub(in crate::sim) fn put_of_role(call: &mut Call<'_>) -> Answer {
    let (role, found) = call.modifiable_role()?;
    let (name, document) = fitting(call, &found.inline, ROLE_SIZE_QUOTA, ("role", &role))?;
    if found.inline.get(&name) != Some(&document) {
        call.edit_role(&role).inline.insert(name, document);
    }
    Ok(done())
}

pub(in crate::sim) fn delete_of_role(call: &mut Call<'_>) -> Answer {
    let (role, found) = call.modifiable_role()?;
    let (name, _) = named(call, &found.inline)?;
    call.edit_role(&role).inline.remove(&name);
    Ok(done())
}

/// How many users, groups and roles have it attached, and how many as their boundary.
fn uses(account: &Account, arn: &str) -> (usize, usize) {
    let users = account.users.values();
    let roles = account.roles.values();
    let attached = users.clone().filter(|u| u.attached.contains(arn)).count()
        + roles.clone().filter(|r| r.attached.contains(arn)).count()
        + account.groups.values().filter(|g| g.attached.contains(arn)).count();
    let boundary = |b: &Option<String>| b.as_deref() == Some(arn);
    let bounds = users.filter(|u| boundary(&u.boundary)).count()
        + roles.filter(|r| boundary(&r.boundary)).count();
    (attached, bounds)
}

/// An instant for the policies of AWS, which are older than every world.
const AWS_POLICIES_SINCE: &str = "2015-02-06T18:39:46Z";

fn find<'a>(call: &'a Call<'_>) -> Result<(String, &'a str, Xml, Xml), Refusal> {
    let arn = call.params.required("PolicyArn")?;
    let account = call.shown();
    let missing = || {
        let message = format!("Policy {arn} was not found.");
        Refusal::new(404, "NoSuchEntity", message)
    };
    let document = account.managed(arn).ok_or_else(missing)?;
    let (id, since) = if let Some(own) = account.policies.get(arn) {
        (own.id.as_str(), at("CreateDate", own.created_at))
    } else {
        let name = arn.rsplit('/').next().unwrap_or_default();
        let aws = managed::POLICIES.iter().find(|(n, _, _)| *n == name).ok_or_else(missing)?;
        (aws.1, text("CreateDate", AWS_POLICIES_SINCE))
    };
    Ok((arn.to_owned(), document, text("PolicyId", id), since))
}

pub(in crate::sim) fn get(call: &mut Call<'_>) -> Answer {
    let (arn, _, id, since) = find(call)?;
    let (attached, bounds) = uses(call.shown(), &arn);
    Ok(Reply::Xml(vec![tree(
        "Policy",
        vec![
            text("PolicyName", arn.rsplit('/').next().unwrap_or_default()),
            id,
            text("Arn", arn.as_str()),
            text("Path", "/"),
            text("DefaultVersionId", "v1"),
            text("AttachmentCount", attached.to_string()),
            text("PermissionsBoundaryUsageCount", bounds.to_string()),
            text("IsAttachable", "true"),
            since,
        ],
    )]))
}

pub(in crate::sim) fn get_version(call: &mut Call<'_>) -> Answer {
    let version = call.params.required("VersionId")?;
    if version != "v1" {
        let message = format!("Policy version {version} was not found.");
        return Err(Refusal::new(404, "NoSuchEntity", message));
    }
    let (_, document, _, since) = find(call)?;
    Ok(Reply::Xml(vec![tree(
        "PolicyVersion",
        vec![
            encoded("Document", document),
            text("VersionId", "v1"),
            text("IsDefaultVersion", "true"),
            since,
        ],
    )]))
}
