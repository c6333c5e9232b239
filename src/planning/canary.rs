//! What is made to try the cuts on: part of the plan where the gate asks for enforced proof.

use std::collections::BTreeSet;

use super::permissions;
use crate::action::{self, CANARY_PATH, Canary, catalog};
use crate::ids::ChangeId;
use crate::inventory::{Inventory, Want};
use crate::plan::{Change, Decided, Permission, PlannedCanary};
use crate::playbook::Proof;

/// What making and removing one takes, beside what cuts it.
const ALWAYS: [&str; 11] = [
    "iam:CreateUser",
    "iam:TagUser",
    "iam:PutUserPolicy",
    "iam:CreateAccessKey",
    "iam:GetUser",
    "iam:ListAccessKeys",
    "iam:ListAttachedUserPolicies",
    "iam:ListUserPolicies",
    "iam:DeleteAccessKey",
    "iam:DeleteUserPolicy",
    "iam:DeleteUser",
];

/// Whether `change` can be tried on a canary.
pub(super) fn can_be_tried(change: &Change, inventory: &Inventory) -> bool {
    trial(change, inventory).is_some()
}

fn trial(
    change: &Change,
    inventory: &Inventory,
) -> Option<(&'static dyn catalog::ErasedAction, action::Trial<Decided>)> {
    let action = catalog::find(&change.kind).expect("planned from the same catalog");
    let trial = action.on_canary(&change.decided, inventory, &Canary::example())?;
    Some((action, trial))
}

/// What must be read to tell whether it can be made.
pub(super) fn wants(changes: &[Change], inventory: &Inventory) -> Vec<Want> {
    permissions::wants_for(&needed(changes, inventory), inventory)
}

/// What will be made; `None` where nothing can be tried.
pub(super) fn plan(changes: &[Change], inventory: &Inventory) -> Option<PlannedCanary> {
    let cuts = || changes.iter().filter(|change| change.cuts());
    let mechanism = |change: &Change| trial(change, inventory).map(|(_, trial)| trial.mechanism);
    let all: BTreeSet<&str> = cuts().filter_map(mechanism).collect();
    if all.is_empty() {
        return None;
    }
    let needs = changes.iter().flat_map(|change| &change.needs);
    let first: BTreeSet<&ChangeId> =
        needs.filter(|need| need.proof >= Proof::Enforced).map(|need| &need.change).collect();
    let first = cuts().filter(|change| first.contains(&change.id)).filter_map(mechanism);
    let first: BTreeSet<&str> = first.collect();
    let times = usize::from(!first.is_empty()) + usize::from(first.len() < all.len());
    Some(PlannedCanary {
        makes: format!("a user under {CANARY_PATH}, who may do one harmless thing"),
        times,
        tries: all.into_iter().map(str::to_owned).collect(),
        untried: cuts().filter(|cut| mechanism(cut).is_none()).map(|cut| cut.id.clone()).collect(),
        permissions: permissions::tell_of(&needed(changes, inventory), inventory),
    })
}

/// Every permission it takes, with the ARN it takes it for. No name is decided yet.
fn needed(changes: &[Change], inventory: &Inventory) -> Vec<(action::Permission, String)> {
    let caller = &inventory.caller;
    let user = format!(
        "arn:{}:iam::{}:user{CANARY_PATH}{}",
        caller.arn.partition(),
        caller.account,
        Canary::example().user
    );
    let mut all: Vec<action::Permission> = Vec::new();
    let mut tried = false;
    for change in changes.iter().filter(|change| change.cuts()) {
        let Some((action, trial)) = trial(change, inventory) else { continue };
        tried = true;
        for permission in action.permissions(&trial.change) {
            if !all.contains(&permission) {
                all.push(permission);
            }
        }
    }
    if !tried {
        return Vec::new();
    }
    if all.iter().any(|permission| permission.action == "iam:AttachUserPolicy") {
        let attach = all.iter().find(|permission| permission.action == "iam:AttachUserPolicy");
        let detach = attach
            .map(|attach| action::Permission { action: "iam:DetachUserPolicy", ..attach.clone() });
        all.extend(detach);
    }
    for action in ALWAYS {
        if !all.iter().any(|permission| permission.action == action) {
            all.push(action::Permission::to(action));
        }
    }
    all.into_iter().map(|permission| (permission, user.clone())).collect()
}

/// Permissions without which no canary comes to anything.
pub(super) fn refused(canary: &PlannedCanary) -> Vec<&str> {
    let cannot = |permission: &&Permission| {
        permission.have == crate::plan::Have::Cannot && permission.only_if.is_none()
    };
    canary.permissions.iter().filter(cannot).map(|one| one.action.as_str()).collect()
}
