//! Roles and whom they trust.

use std::collections::{BTreeMap, BTreeSet};

use super::users::Answer;
use crate::ids::RoleName;
use crate::sim::call::{Call, at, check_trust, encoded};
use crate::sim::gatekeeper::iam_arn;
use crate::sim::state::Role;
use crate::sim::wire::{Refusal, Reply, Xml, text, tree};

fn describe(account: &str, name: &str, role: &Role) -> Vec<Xml> {
    vec![
        text("Path", role.path.as_str()),
        text("RoleName", name),
        text("RoleId", role.id.as_str()),
        text("Arn", iam_arn(account, "role", &role.path, name)),
        at("CreateDate", role.created_at),
        encoded("AssumeRolePolicyDocument", &role.trust),
        text("Description", role.description.as_str()),
        text("MaxSessionDuration", role.max_session.to_string()),
    ]
}

/// A listing leaves the boundary out.
fn with_boundary(account: &str, name: &str, role: &Role) -> Vec<Xml> {
    let mut fields = describe(account, name, role);
    if let Some(boundary) = &role.boundary {
        fields.push(tree(
            "PermissionsBoundary",
            vec![
                text("PermissionsBoundaryType", "Policy"),
                text("PermissionsBoundaryArn", boundary.as_str()),
            ],
        ));
    }
    fields
}

pub(in crate::sim) fn list(call: &mut Call<'_>) -> Answer {
    let prefix = call.params.get("PathPrefix").unwrap_or("/");
    let roles = call
        .shown()
        .roles
        .iter()
        .filter(|(_, role)| role.path.starts_with(prefix))
        .map(|(name, role)| tree("member", describe(call.account_id(), name, role)))
        .collect();
    Ok(Reply::Xml(call.page("Roles", roles)?))
}

pub(in crate::sim) fn get(call: &mut Call<'_>) -> Answer {
    let (name, role) = call.shown_role()?;
    Ok(Reply::Xml(vec![tree("Role", with_boundary(call.account_id(), &name, role))]))
}

pub(in crate::sim) fn create(call: &mut Call<'_>) -> Answer {
    let name = call.params.required("RoleName")?.to_owned();
    RoleName::parse(name.as_str()).map_err(|e| Refusal::validation(e.to_string()))?;
    let trust = call.params.required("AssumeRolePolicyDocument")?.to_owned();
    check_trust(&trust)?;
    let max_session = call.params.number("MaxSessionDuration")?.unwrap_or(3600);
    if !(3600..=43200).contains(&max_session) {
        return Err(Refusal::validation("MaxSessionDuration must be from 3600 to 43200"));
    }
    if call.newest().roles.keys().any(|other| other.eq_ignore_ascii_case(&name)) {
        return Err(Refusal::exists("Role", &name));
    }
    let role = Role {
        id: call.engine.new_id("AROA"),
        path: call.params.get("Path").unwrap_or("/").to_owned(),
        created_at: call.now,
        trust,
        attached: BTreeSet::new(),
        inline: BTreeMap::new(),
        boundary: None,
        max_session,
        description: call.params.get("Description").unwrap_or_default().to_owned(),
        tags: BTreeMap::new(),
    };
    let answer = describe(call.account_id(), &name, &role);
    call.edit().roles.insert(name, role);
    Ok(Reply::Xml(vec![tree("Role", answer)]))
}

pub(in crate::sim) fn delete(call: &mut Call<'_>) -> Answer {
    let (name, role) = call.modifiable_role()?;
    let conflicts = [
        (!role.attached.is_empty(), "must detach all policies first."),
        (!role.inline.is_empty(), "must delete policies first."),
    ];
    if let Some((_, what)) = conflicts.into_iter().find(|(stands, _)| *stands) {
        let message = format!("Cannot delete entity, {what}");
        return Err(Refusal::new(409, "DeleteConflict", message));
    }
    call.edit().roles.remove(&name);
    Ok(Reply::Xml(Vec::new()))
}

pub(in crate::sim) fn update_trust(call: &mut Call<'_>) -> Answer {
    let document = call.params.required("PolicyDocument")?.to_owned();
    check_trust(&document)?;
    let (name, role) = call.modifiable_role()?;
    if role.trust != document {
        call.edit_role(&name).trust = document;
    }
    Ok(Reply::Xml(Vec::new()))
}
