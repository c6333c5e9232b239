//! All users, groups, roles and policies of an account in one listing, page by page.

use std::collections::{BTreeMap, BTreeSet};

use super::users::Answer;
use crate::sim::call::{Call, at, encoded};
use crate::sim::gatekeeper::iam_arn;
use crate::sim::managed;
use crate::sim::state::{Account, Group, Role, User};
use crate::sim::wire::{Reply, Xml, text, tree};

fn inline(list: &'static str, policies: &BTreeMap<String, String>) -> Xml {
    let policy = |(name, document): (&String, &String)| {
        tree("member", vec![text("PolicyName", name.as_str()), encoded("PolicyDocument", document)])
    };
    tree(list, policies.iter().map(policy).collect())
}

fn attached(policies: &BTreeSet<String>) -> Xml {
    let policy = |arn: &String| {
        let name = arn.rsplit('/').next().unwrap_or(arn);
        tree("member", vec![text("PolicyName", name), text("PolicyArn", arn.as_str())])
    };
    tree("AttachedManagedPolicies", policies.iter().map(policy).collect())
}

fn boundary(arn: Option<&String>) -> Option<Xml> {
    let fields = vec![
        text("PermissionsBoundaryType", "Policy"),
        text("PermissionsBoundaryArn", arn?.as_str()),
    ];
    Some(tree("PermissionsBoundary", fields))
}

fn user(account: &str, name: &str, user: &User) -> Xml {
    let groups = user.groups.iter().map(|group| text("member", group.as_str())).collect();
    let mut fields = vec![
        text("Path", user.path.as_str()),
        text("UserName", name),
        text("UserId", user.id.as_str()),
        text("Arn", iam_arn(account, "user", &user.path, name)),
        at("CreateDate", user.created_at),
        inline("UserPolicyList", &user.inline),
        tree("GroupList", groups),
        attached(&user.attached),
        tree("Tags", super::users::tags(&user.tags)),
    ];
    fields.extend(boundary(user.boundary.as_ref()));
    tree("member", fields)
}

fn group(account: &str, name: &str, group: &Group) -> Xml {
    tree(
        "member",
        vec![
            text("Path", group.path.as_str()),
            text("GroupName", name),
            text("GroupId", group.id.as_str()),
            text("Arn", iam_arn(account, "group", &group.path, name)),
            at("CreateDate", group.created_at),
            inline("GroupPolicyList", &group.inline),
            attached(&group.attached),
        ],
    )
}

fn role(account: &str, name: &str, role: &Role) -> Xml {
    let mut fields = vec![
        text("Path", role.path.as_str()),
        text("RoleName", name),
        text("RoleId", role.id.as_str()),
        text("Arn", iam_arn(account, "role", &role.path, name)),
        at("CreateDate", role.created_at),
        encoded("AssumeRolePolicyDocument", &role.trust),
        inline("RolePolicyList", &role.inline),
        attached(&role.attached),
        tree("Tags", super::users::tags(&role.tags)),
    ];
    fields.extend(boundary(role.boundary.as_ref()));
    tree("member", fields)
}

fn policy(arn: &str, document: &str) -> Xml {
    let version = vec![
        encoded("Document", document),
        text("VersionId", "v1"),
        text("IsDefaultVersion", "true"),
    ];
    tree(
        "member",
        vec![
            text("PolicyName", arn.rsplit('/').next().unwrap_or(arn)),
            text("Arn", arn),
            text("Path", "/"),
            text("DefaultVersionId", "v1"),
            tree("PolicyVersionList", vec![tree("member", version)]),
        ],
    )
}

/// One of whatever is listed, before it is told.
enum Item<'a> {
    User(&'a str, &'a User),
    Group(&'a str, &'a Group),
    Role(&'a str, &'a Role),
    Policy(String, &'a str),
}

impl Item<'_> {
    /// The list it is in, and how it stands there.
    fn told(&self, id: &str) -> (&'static str, Xml) {
        match self {
            Self::User(name, found) => ("UserDetailList", user(id, name, found)),
            Self::Group(name, found) => ("GroupDetailList", group(id, name, found)),
            Self::Role(name, found) => ("RoleDetailList", role(id, name, found)),
            Self::Policy(arn, document) => ("Policies", policy(arn, document)),
        }
    }
}

/// Those that somebody has.
fn policies_of_aws(account: &Account) -> impl Iterator<Item = Item<'_>> {
    managed::POLICIES.iter().filter_map(|(name, _, document)| {
        let arn = format!("arn:aws:iam::aws:policy/{name}");
        let users = account.users.values().map(|u| (&u.attached, u.boundary.as_ref()));
        let roles = account.roles.values().map(|r| (&r.attached, r.boundary.as_ref()));
        let groups = account.groups.values().map(|g| (&g.attached, None));
        let mut all = users.chain(roles).chain(groups);
        all.any(|(attached, bound)| attached.contains(&arn) || bound == Some(&arn))
            .then_some(Item::Policy(arn, document))
    })
}

pub(in crate::sim) fn account_authorization_details(call: &mut Call<'_>) -> Answer {
    let id = call.account_id();
    let account = call.shown();
    let filter = call.params.members("Filter", "");
    let wanted = |kind: &str| filter.is_empty() || filter.iter().any(|f| f == kind);
    // One listing over all four kinds, as its pages have it.
    let mut all: Vec<Item<'_>> = Vec::new();
    if wanted("User") {
        all.extend(account.users.iter().map(|(name, user)| Item::User(name, user)));
    }
    if wanted("Group") {
        all.extend(account.groups.iter().map(|(name, group)| Item::Group(name, group)));
    }
    if wanted("Role") {
        all.extend(account.roles.iter().map(|(name, role)| Item::Role(name, role)));
    }
    if wanted("AWSManagedPolicy") {
        all.extend(policies_of_aws(account));
    }
    if wanted("LocalManagedPolicy") {
        let own = account.policies.iter();
        all.extend(own.map(|(arn, found)| Item::Policy(arn.clone(), &found.document)));
    }
    // What is on other pages is not told: it would be told as often as there are pages.
    let (page, rest) = call.page_of(all)?;
    let mut of_kind: BTreeMap<&'static str, Vec<Xml>> = BTreeMap::new();
    for (list, item) in page.iter().map(|item| item.told(id)) {
        of_kind.entry(list).or_default().push(item);
    }
    let lists = ["UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"];
    let lists = lists.map(|list| tree(list, of_kind.remove(list).unwrap_or_default()));
    let mut answer = Vec::from(lists);
    answer.extend(rest);
    Ok(Reply::Xml(answer))
}
