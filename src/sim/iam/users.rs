//! Users and groups.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::UserName;
use crate::sim::call::{Call, at};
use crate::sim::gatekeeper::iam_arn;
use crate::sim::state::{Group, User};
use crate::sim::wire::{Refusal, Reply, Xml, text, tree};

pub(in crate::sim) type Answer = Result<Reply, Refusal>;

fn describe(call: &Call<'_>, name: &str, user: &User) -> Vec<Xml> {
    let mut fields = vec![
        text("Path", user.path.as_str()),
        text("UserName", name),
        text("UserId", user.id.as_str()),
        text("Arn", iam_arn(call.account_id(), "user", &user.path, name)),
        at("CreateDate", user.created_at),
    ];
    let used = call.engine.password_used.get(&user.id);
    fields.extend(used.map(|used| at("PasswordLastUsed", *used)));
    fields
}

fn with_details(call: &Call<'_>, name: &str, user: &User) -> Vec<Xml> {
    let mut fields = describe(call, name, user);
    if let Some(boundary) = &user.boundary {
        fields.push(tree(
            "PermissionsBoundary",
            vec![
                text("PermissionsBoundaryType", "Policy"),
                text("PermissionsBoundaryArn", boundary.as_str()),
            ],
        ));
    }
    fields.push(tree("Tags", tags(&user.tags)));
    fields
}

pub(super) fn tags(tags: &BTreeMap<String, String>) -> Vec<Xml> {
    let tag = |(key, value): (&String, &String)| {
        tree("member", vec![text("Key", key.as_str()), text("Value", value.as_str())])
    };
    tags.iter().map(tag).collect()
}

fn describe_group(account: &str, name: &str, group: &Group) -> Xml {
    tree(
        "member",
        vec![
            text("Path", group.path.as_str()),
            text("GroupName", name),
            text("GroupId", group.id.as_str()),
            text("Arn", iam_arn(account, "group", &group.path, name)),
            at("CreateDate", group.created_at),
        ],
    )
}

pub(in crate::sim) fn get(call: &mut Call<'_>) -> Answer {
    let (name, user) = call.shown_user()?;
    Ok(Reply::Xml(vec![tree("User", with_details(call, &name, user))]))
}

pub(in crate::sim) fn list(call: &mut Call<'_>) -> Answer {
    let prefix = call.params.get("PathPrefix").unwrap_or("/");
    let users = call.shown().users.iter().filter(|(_, user)| user.path.starts_with(prefix));
    let (page, rest) = call.page_of(users.collect())?;
    let told = page.into_iter().map(|(name, user)| tree("member", describe(call, name, user)));
    let mut answer = vec![tree("Users", told.collect())];
    answer.extend(rest);
    Ok(Reply::Xml(answer))
}

pub(in crate::sim) fn create(call: &mut Call<'_>) -> Answer {
    let name = call.params.required("UserName")?.to_owned();
    UserName::parse(name.as_str()).map_err(|e| Refusal::validation(e.to_string()))?;
    let path = call.params.get("Path").unwrap_or("/").to_owned();
    check_path(&path)?;
    // Names differ by more than case.
    if call.newest().users.keys().any(|other| other.eq_ignore_ascii_case(&name)) {
        return Err(Refusal::exists("User", &name));
    }
    let boundary = call.params.get("PermissionsBoundary").map(str::to_owned);
    if let Some(arn) = &boundary
        && call.newest().managed(arn).is_none()
    {
        return Err(Refusal::no_such("policy", arn));
    }
    let keys = call.params.members("Tags", "Key");
    let tags = keys.into_iter().zip(call.params.members("Tags", "Value")).collect();
    let user = User {
        id: call.engine.new_id("AIDA"),
        path,
        created_at: call.now,
        keys: Vec::new(),
        password: None,
        mfa: BTreeMap::new(),
        service_credentials: Vec::new(),
        ssh_keys: Vec::new(),
        certificates: Vec::new(),
        attached: BTreeSet::new(),
        inline: BTreeMap::new(),
        groups: BTreeSet::new(),
        boundary,
        tags,
    };
    let answer = with_details(call, &name, &user);
    call.edit().users.insert(name, user.into());
    Ok(Reply::Xml(vec![tree("User", answer)]))
}

/// Another name, another path. The user stays who it is and keeps all it holds; policies that name it as
/// principal follow, and those that name it as resource do not.
pub(in crate::sim) fn update(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let (name, mut user) = call.newest_user().map(|(name, user)| (name, user.clone()))?;
    let new_name = call.params.get("NewUserName").unwrap_or(&name).to_owned();
    UserName::parse(new_name.as_str()).map_err(|e| Refusal::validation(e.to_string()))?;
    let taken = |other: &String| *other != name && other.eq_ignore_ascii_case(&new_name);
    if call.newest().users.keys().any(taken) {
        return Err(Refusal::exists("User", &new_name));
    }
    if let Some(path) = call.params.get("NewPath") {
        check_path(path)?;
        path.clone_into(&mut user.path);
    }
    let before = format!("\"{}\"", call.engine.newest().user_arn(call.account_id(), &name));
    let after = format!("\"{}\"", iam_arn(call.account_id(), "user", &user.path, &new_name));
    let account = call.edit();
    account.users.remove(&name);
    account.users.insert(new_name, user.into());
    for account in call.engine.edit(call.now).accounts.values_mut() {
        let trusts = account.roles.values_mut().map(|role| &mut role.trust);
        let policies = account.secrets.values_mut().filter_map(|secret| secret.policy.as_mut());
        trusts.chain(policies).for_each(|policy| *policy = policy.replace(&before, &after));
    }
    Ok(Reply::Xml(Vec::new()))
}

fn check_path(path: &str) -> Result<(), Refusal> {
    if path.starts_with('/') && path.ends_with('/') {
        return Ok(());
    }
    Err(Refusal::validation("The specified value for path is invalid."))
}

pub(in crate::sim) fn delete(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let (name, user) = call.newest_user()?;
    let conflicts = [
        (!user.keys.is_empty(), "delete access keys first."),
        (user.password.is_some(), "delete login profile first."),
        (!user.attached.is_empty(), "must detach all policies first."),
        (!user.inline.is_empty(), "must delete policies first."),
        (!user.groups.is_empty(), "must remove user from groups first."),
        (!user.mfa.is_empty(), "must delete MFA device first."),
        (!user.ssh_keys.is_empty(), "must delete ssh public keys first."),
        (!user.certificates.is_empty(), "must delete signing certificates first."),
        (!user.service_credentials.is_empty(), "must delete service specific credentials first."),
    ];
    if let Some((_, what)) = conflicts.into_iter().find(|(stands, _)| *stands) {
        let message = format!("Cannot delete entity, {what}");
        return Err(Refusal::new(409, "DeleteConflict", message));
    }
    call.edit().users.remove(&name);
    Ok(Reply::Xml(Vec::new()))
}

pub(in crate::sim) fn tag(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let (name, user) = call.newest_user()?;
    let keys = call.params.members("Tags", "Key");
    let values = call.params.members("Tags", "Value");
    if keys.len() != values.len() || keys.is_empty() {
        return Err(Refusal::validation("Each tag needs a key and a value."));
    }
    let added = keys.iter().filter(|k| !user.tags.contains_key(*k)).count();
    if user.tags.len() + added > 50 {
        return Err(Refusal::limit("Cannot exceed quota for TagsPerUser: 50"));
    }
    call.edit_user(&name).tags.extend(keys.into_iter().zip(values));
    Ok(Reply::Xml(Vec::new()))
}

pub(in crate::sim) fn list_tags(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let tags = tags(&call.shown_user()?.1.tags);
    Ok(Reply::Xml(call.page("Tags", tags)?))
}

pub(in crate::sim) fn groups_of(call: &mut Call<'_>) -> Answer {
    call.params.required("UserName")?;
    let (_, user) = call.shown_user()?;
    let groups = call.shown().groups.iter().filter(|(name, _)| user.groups.contains(*name));
    let groups = groups.map(|(name, g)| describe_group(call.account_id(), name, g)).collect();
    Ok(Reply::Xml(call.page("Groups", groups)?))
}

pub(in crate::sim) fn list_groups(call: &mut Call<'_>) -> Answer {
    let groups = call.shown().groups.iter();
    let groups = groups.map(|(name, g)| describe_group(call.account_id(), name, g)).collect();
    Ok(Reply::Xml(call.page("Groups", groups)?))
}

#[expect(clippy::unnecessary_wraps, reason = "every operation has this shape")]
pub(in crate::sim) fn account_summary(call: &mut Call<'_>) -> Answer {
    let account = call.shown();
    let mfa: usize = account.users.values().map(|u| u.mfa.len()).sum();
    let entry = |(key, value): (&str, usize)| {
        tree("entry", vec![text("key", key), text("value", value.to_string())])
    };
    let entries = [
        ("AccessKeysPerUserQuota", super::keys::QUOTA),
        ("AccountAccessKeysPresent", 0),
        ("AccountMFAEnabled", 1),
        ("AttachedPoliciesPerGroupQuota", 10),
        ("AttachedPoliciesPerRoleQuota", super::policies::ATTACHED_QUOTA),
        ("AttachedPoliciesPerUserQuota", super::policies::ATTACHED_QUOTA),
        ("GroupPolicySizeQuota", 5120),
        ("Groups", account.groups.len()),
        ("GroupsPerUserQuota", 10),
        ("GroupsQuota", 300),
        ("MFADevices", mfa),
        ("MFADevicesInUse", mfa),
        ("Policies", account.policies.len()),
        ("PoliciesQuota", 1500),
        ("PolicySizeQuota", 6144),
        ("RolePolicySizeQuota", super::policies::ROLE_SIZE_QUOTA),
        ("Roles", account.roles.len()),
        ("RolesQuota", 1000),
        ("SigningCertificatesPerUserQuota", 2),
        ("UserPolicySizeQuota", super::policies::USER_SIZE_QUOTA),
        ("Users", account.users.len()),
        ("UsersQuota", 5000),
        ("VersionsPerPolicyQuota", 5),
    ];
    Ok(Reply::Xml(vec![tree("SummaryMap", entries.into_iter().map(entry).collect())]))
}
