//! What is made to try the cuts on: part of the plan where the gate asks for enforced proof.

use std::collections::{BTreeMap, BTreeSet};

use super::permissions;
use crate::action::{self, CANARY_PATH, Canary, catalog};
use crate::ids::ChangeId;
use crate::inventory::{Inventory, Want};
use crate::journal::Refusal;
use crate::plan::{Change, Decided, Have, Permission, PlannedCanary};
use crate::playbook::Proof;

/// What making one takes, beside what cuts it.
const TO_MAKE: [&str; 4] =
    ["iam:CreateUser", "iam:TagUser", "iam:PutUserPolicy", "iam:CreateAccessKey"];

/// What removing it takes.
const TO_REMOVE: [&str; 7] = [
    "iam:GetUser",
    "iam:ListAccessKeys",
    "iam:ListAttachedUserPolicies",
    "iam:ListUserPolicies",
    "iam:DeleteAccessKey",
    "iam:DeleteUserPolicy",
    "iam:DeleteUser",
];

/// What making a role as well takes, that he can assume.
const TO_MAKE_A_ROLE: [&str; 2] = ["iam:CreateRole", "iam:PutRolePolicy"];

/// And removing that.
const TO_REMOVE_A_ROLE: [&str; 5] = [
    "iam:GetRole",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:DeleteRolePolicy",
    "iam:DeleteRole",
];

/// What takes a policy off that a trial has attached.
const TO_DETACH: [&str; 2] = ["iam:DetachUserPolicy", "iam:DetachRolePolicy"];

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
    // What is tried at each time, with what that takes.
    let mut at_first: BTreeMap<&str, Tries> = BTreeMap::new();
    let mut later: BTreeMap<&str, Tries> = BTreeMap::new();
    for cut in cuts() {
        let Some((_, trial)) = trial(cut, inventory) else { continue };
        let at = if first.contains(&cut.id) { &mut at_first } else { &mut later };
        at.insert(trial.mechanism, Tries::of(&trial));
    }
    later.retain(|mechanism, _| !at_first.contains_key(mechanism));
    let times = [&at_first, &later].into_iter().filter(|tries| !tries.is_empty());
    let with_role = times.clone().any(|tries| tries.values().any(|one| one.is_of_role));
    let permissions = permissions::tell_of(&needed(changes, inventory), inventory);
    Some(PlannedCanary {
        makes: if with_role {
            format!(
                "a user under {CANARY_PATH} and a role that only he can assume, who may do one harmless thing"
            )
        } else {
            format!("a user under {CANARY_PATH}, who may do one harmless thing")
        },
        writes: times.clone().map(|tries| writes(tries.values())).sum(),
        times: times.count(),
        tries: all.into_iter().map(str::to_owned).collect(),
        untried: cuts().filter(|cut| mechanism(cut).is_none()).map(|cut| cut.id.clone()).collect(),
        in_vain: in_vain(changes, inventory, &permissions),
        stays: stays(&permissions),
        permissions,
    })
}

/// What trying one mechanism takes.
struct Tries {
    is_of_role: bool,
    /// Whether what cuts it is removed by itself.
    leaves_something: bool,
}

impl Tries {
    fn of(trial: &action::Trial<Decided>) -> Self {
        // A key that was switched off goes with all keys.
        let leaves_something = trial.shown_by != Refusal::NotAccepted;
        Self { is_of_role: trial.with.is_of_role(), leaves_something }
    }
}

/// Requests that write, for one user with two keys and one policy, and a role with one where it is tried on that.
fn writes<'t>(tries: impl Iterator<Item = &'t Tries> + Clone) -> usize {
    let to_make = 1 + 2 + 1;
    // The role, what it may do, and who may assume it.
    let of_role = if tries.clone().any(|one| one.is_of_role) { 3 } else { 0 };
    let to_cut: usize = tries.map(|one| 1 + usize::from(one.leaves_something)).sum();
    2 * (to_make + of_role) + to_cut
}

/// Of the permissions that it takes, those that are known to be refused in any case.
fn refused(permissions: &[Permission]) -> impl Iterator<Item = &str> {
    let cannot = |one: &&Permission| one.have == Have::Cannot && one.only_if.is_none();
    permissions.iter().filter(cannot).map(|one| one.action.as_str())
}

/// Mechanisms for which the canary cannot be made, or not be cut so, each with what is not allowed.
fn in_vain(
    changes: &[Change],
    inventory: &Inventory,
    permissions: &[Permission],
) -> BTreeMap<String, Vec<String>> {
    let refused: BTreeSet<&str> = refused(permissions).collect();
    let mut in_vain = BTreeMap::new();
    for change in changes.iter().filter(|change| change.cuts()) {
        let Some((action, trial)) = trial(change, inventory) else { continue };
        let of_role = trial.with.is_of_role();
        let takes = TO_MAKE.iter().chain(TO_MAKE_A_ROLE.iter().filter(|_| of_role)).copied();
        let cutting = action.permissions(&trial.change).into_iter();
        let cutting = cutting.filter(|one| one.only_if.is_none()).map(|one| one.action);
        let missing: BTreeSet<&str> =
            takes.chain(cutting).filter(|one| refused.contains(one)).collect();
        if !missing.is_empty() {
            let missing = missing.into_iter().map(str::to_owned).collect();
            in_vain.insert(trial.mechanism.to_owned(), missing);
        }
    }
    in_vain
}

/// What is not allowed of what removing one takes.
fn stays(permissions: &[Permission]) -> Vec<String> {
    let is_to_remove = |action: &&str| {
        TO_REMOVE.contains(action)
            || TO_REMOVE_A_ROLE.contains(action)
            || TO_DETACH.contains(action)
    };
    let stays: BTreeSet<&str> = refused(permissions).filter(is_to_remove).collect();
    stays.into_iter().map(str::to_owned).collect()
}

/// Every permission it takes, with the ARN it takes it for. No name is decided yet.
fn needed(changes: &[Change], inventory: &Inventory) -> Vec<(action::Permission, String)> {
    let caller = &inventory.caller;
    let example = Canary::example();
    let arn = |kind: &str, name: &str| {
        let (partition, account) = (caller.arn.partition(), &caller.account);
        format!("arn:{partition}:iam::{account}:{kind}{CANARY_PATH}{name}")
    };
    let user = arn("user", example.user.as_str());
    let role = arn("role", example.role.as_str());
    let mut all: Vec<(action::Permission, String)> = Vec::new();
    let mut add = |permission: action::Permission, on: &str| {
        if !all.iter().any(|(known, known_on)| *known == permission && known_on == on) {
            all.push((permission, on.to_owned()));
        }
    };
    for change in changes.iter().filter(|change| change.cuts()) {
        let Some((action, trial)) = trial(change, inventory) else { continue };
        let of_role = trial.with.is_of_role();
        let (on, attach, detach) = if of_role {
            (&role, "iam:AttachRolePolicy", "iam:DetachRolePolicy")
        } else {
            (&user, "iam:AttachUserPolicy", "iam:DetachUserPolicy")
        };
        for permission in action.permissions(&trial.change) {
            if permission.action == attach {
                add(action::Permission { action: detach, ..permission.clone() }, on);
            }
            add(permission, on);
        }
        for action in TO_MAKE_A_ROLE.iter().chain(&TO_REMOVE_A_ROLE).filter(|_| of_role) {
            add(action::Permission::to(action), on);
        }
        // The user makes every call: the role's sessions are his.
        for action in TO_MAKE.iter().chain(&TO_REMOVE) {
            add(action::Permission::to(action), &user);
        }
    }
    all
}
