//! Ways in that were set up since the case began, for nobody whom the plan cuts off.
//!
//! Whoever is being cut off sets himself up with somebody else: a user of his own, a key or a password of a user who
//! is in no step, a role that lets him in. No playbook has selected them, so no step can be planned for them. They are
//! rows of the ledger that no cut covers, and keep the gate shut until somebody has spoken of them.
//!
//! Users, keys and passwords are known by when AWS says that they were made, and the first survey by what time AWS told it
//! then: the clock of whoever surveyed has no say. AWS tells whole seconds: of users and keys that were made in the second of
//! the survey, those are new that it has not listed. Roles, whose trust may be changed at any time, are known by comparing
//! whom they admit with what the first survey has seen; whoever is admitted later is a row of his own, so that nothing that
//! was said of another is said of him. Who has come to read what will be handed out is told by `readers`. Canaries of a case
//! that runs beside this one count as having come: a path and a tag can be anybody's. Not looked for are service passwords,
//! SSH keys and certificates of users who were there before, and policies: what somebody may do is no way in.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::readers;
use super::round::{Earlier, is_our_own};
use crate::ids::{AccessKeyId, Principal, RoleName, UserName};
use crate::inventory::{AccessKey, Fact, Inventory, Status, Unread, Want};
use crate::plan::{
    Change, Credential, FirstSeen, Plan, RoleInReach, SavedPlan, TakenUp, Untouched,
    credential_wants, credentials_of,
};
use crate::policy::admission::{Beyond, Parts};

/// What the first survey has seen of the account, to compare with.
pub(super) fn first_seen(earlier: &Earlier<'_>) -> FirstSeen {
    first_of_case(earlier.plan, earlier.inventory)
}

/// What the first survey of the case whose newest plan is `saved` has seen.
pub fn first_seen_by(saved: &SavedPlan) -> FirstSeen {
    first_of_case(&saved.plan, &saved.inventory)
}

/// The same of a plan, and what it stands on.
pub fn first_of_case(plan: &Plan, inventory: &Inventory) -> FirstSeen {
    plan.first_seen.clone().unwrap_or_else(|| first_of(plan, inventory))
}

/// The beginning of a case that takes up others, of which `first` was seen: where they have not listed the roles, whom those
/// admit now is all that is known.
pub(super) fn taken_up(first: &FirstSeen, changes: &[Change], inventory: &Inventory) -> FirstSeen {
    let mut first = first.clone();
    readers::first_see(&mut first, readers::filled(changes), inventory);
    if first.trusts.is_none() {
        first.trusts = trusts(inventory);
        first.trusts_came_later = first.trusts.is_some();
    }
    first
}

/// Of what earlier cases have left open, what no step of this one cuts.
pub(super) fn untouched<'a>(
    takes_up: Option<&'a (FirstSeen, TakenUp)>,
    principals: &'a BTreeSet<Principal>,
) -> impl Iterator<Item = Untouched> + 'a {
    let open = takes_up.into_iter().flat_map(|(_, up)| &up.open);
    let left = open.filter(|one| {
        matches!(one, Credential::Admission { .. } | Credential::Reader { .. })
            || !one.principal().is_some_and(|of| principals.contains(&of))
    });
    left.map(|credential| Untouched {
        what: credential.to_string(),
        why: "an earlier case of the account has left it open, and no step cuts it: the gate stays shut until it is cut and \
              waived, or cleared"
            .to_owned(),
    })
}

/// Of what a later round has in it, what the rounds before it did not have when the case began.
pub(super) fn came_since_plan(
    earlier: &Plan,
    credentials: &[Credential],
    roles: &[RoleInReach],
) -> Vec<Credential> {
    let was_there = |one: &Credential| {
        earlier.credentials.contains(one)
            || earlier.roles.reaching(one).any(|reach| reach.sessions == *one)
    };
    let all = credentials.iter().chain(roles.iter().map(|reach| &reach.sessions));
    let new = all.filter(|one| !was_there(one) || earlier.came.binary_search(one).is_ok());
    sorted(new.cloned())
}

/// Of what a case that takes up others has in scope, what has come since the first of them began, by when AWS says that
/// it was made.
pub(super) fn came_since_survey(
    first: &FirstSeen,
    principals: &BTreeSet<Principal>,
    roles: &[RoleInReach],
    inventory: &Inventory,
) -> Vec<Credential> {
    let users = inventory.users().into_iter().flatten();
    let users = users.filter(|user| principals.contains(&Principal::User(user.name.clone())));
    let of_users = users.flat_map(|user| {
        if !is_user_new(&user.id, user.created_at, first) {
            return newly_hung_on(&user.name, first, inventory);
        }
        let mut all = credentials_of(&user.name, inventory);
        all.push(Credential::Sessions { user: user.name.clone() });
        all
    });
    let is_new_role = |sessions: &&Credential| {
        let known = first.trusts.as_ref();
        matches!(sessions, Credential::RoleSessions { role } if known.is_some_and(|known| !known.contains_key(role)))
    };
    let of_roles = roles.iter().map(|reach| &reach.sessions).filter(is_new_role).cloned();
    sorted(of_users.chain(of_roles))
}

fn sorted(all: impl Iterator<Item = Credential>) -> Vec<Credential> {
    let all: BTreeSet<Credential> = all.collect();
    all.into_iter().collect()
}

/// Tells where a plan takes up earlier cases.
pub(super) fn tell_taken_up(plan: &mut Plan) {
    let Some((first, up)) = plan.first_seen.as_ref().zip(plan.takes_up.as_ref()) else { return };
    plan.warnings.push(format!(
        "it takes up where {} left off: its beginning is {}, and what has come into the account since then is looked for \
         before the gate",
        up.cases.keys().cloned().collect::<Vec<_>>().join(" and "),
        first.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    ));
}

fn first_of(plan: &Plan, inventory: &Inventory) -> FirstSeen {
    let mut first = FirstSeen {
        at: plan.surveyed_at,
        trusts: trusts(inventory),
        trusts_came_later: false,
        readers: BTreeMap::new(),
        listed: just_made(plan.surveyed_at, inventory),
    };
    readers::first_see(&mut first, readers::filled(&plan.changes), inventory);
    first
}

/// Of every role, what its trust policy is made of.
fn trusts(inventory: &Inventory) -> Option<BTreeMap<RoleName, BTreeSet<String>>> {
    let roles = inventory.roles().ok()?;
    let parts = roles.iter().map(|role| (role.name.clone(), Parts::of(&role.trust).digests()));
    Some(parts.collect())
}

/// Whom roles admit, and did not then: also those in scope, since it takes a quarantine to keep him out.
pub(super) fn admitted_since<'i>(
    first: &'i FirstSeen,
    inventory: &'i Inventory,
) -> impl Iterator<Item = Credential> + 'i {
    let first = first.trusts.iter();
    first.flat_map(|first| {
        inventory.roles().into_iter().flatten().flat_map(|role| {
            let none = BTreeSet::new();
            let beyond = Parts::of(&role.trust).beyond(first.get(&role.name).unwrap_or(&none));
            let role = &role.name;
            let admission = |Beyond { part, who, whom }| Credential::Admission {
                role: role.clone(),
                part,
                who,
                whom,
            };
            beyond.into_iter().map(admission).collect::<Vec<_>>()
        })
    })
}

/// AWS tells whole seconds: what was made in the second of the survey may have come behind it.
pub(super) fn is_new(made: Timestamp, first: &FirstSeen) -> bool {
    made.as_second() >= first.at.as_second()
}

/// The same of a user of that unique id, whom the survey may have listed.
pub(super) fn is_user_new(id: &str, made: Timestamp, first: &FirstSeen) -> bool {
    is_new(made, first) && !first.has_listed(id)
}

/// The same of a key.
pub(super) fn is_key_new(key: &AccessKey, first: &FirstSeen) -> bool {
    is_new(key.created_at, first) && !first.has_listed(key.id.as_str())
}

/// Who was made in the very second `at` and is in `inventory`, by unique id: whoever takes the name has another.
fn just_made(at: Timestamp, inventory: &Inventory) -> BTreeSet<String> {
    let is_of_it = |made: &Timestamp| made.as_second() == at.as_second();
    let mut listed = BTreeSet::new();
    for fact in inventory.answers.iter().filter_map(|(_, answer)| answer.as_ref().ok()) {
        match fact {
            Fact::Users(users) => {
                let young = users.iter().filter(|user| is_of_it(&user.created_at));
                listed.extend(young.map(|user| user.id.clone()));
            }
            Fact::User(Some(user)) if is_of_it(&user.created_at) => {
                listed.insert(user.id.clone());
            }
            Fact::Role(Some(role)) if is_of_it(&role.created_at) => {
                listed.insert(role.id.clone());
            }
            Fact::AccessKeys(keys) => {
                let young = keys.iter().filter(|key| is_of_it(&key.created_at));
                listed.extend(young.map(|key| key.id.to_string()));
            }
            _ => {}
        }
    }
    // Of what older versions have saved it is not known.
    listed.remove("");
    listed
}

/// Whom `role` admits by `facts`, and did not when the case that `plan` is of began; `seen` is what the plan stands on.
/// Nobody where that could not be listed then: see [`not_seen`].
pub fn admitted_to(
    role: &RoleName,
    plan: &Plan,
    seen: &Inventory,
    facts: &Inventory,
) -> Result<Vec<Credential>, Unread> {
    let first = first_of_case(plan, seen);
    if first.trusts.is_some() {
        facts.roles()?;
    }
    let of_it =
        |one: &Credential| matches!(one, Credential::Admission { role: of, .. } if of == role);
    Ok(admitted_since(&first, facts).filter(of_it).collect())
}

/// What must be read to tell.
pub(super) fn wants(first: &FirstSeen, inventory: &Inventory) -> Vec<Want> {
    let mut wants = vec![Want::Users, Want::Roles];
    wants.extend(first.readers.keys().flat_map(readers::told_by));
    for user in inventory.users().into_iter().flatten() {
        if is_user_new(&user.id, user.created_at, first) {
            wants.extend(credential_wants(&user.name));
        } else {
            wants.extend([
                Want::AccessKeys(user.name.clone()),
                Want::LoginProfile(user.name.clone()),
            ]);
        }
    }
    wants
}

/// The operations that would have told of newcomers, and were refused: now, or when the account was first surveyed.
pub fn not_seen(first: &FirstSeen, inventory: &Inventory) -> BTreeSet<String> {
    let tells = |want: &Want| {
        matches!(want, Want::Users | Want::Roles | Want::AccessKeys(_) | Want::LoginProfile(_))
    };
    let gaps = inventory.gaps().filter(|(want, _)| tells(want));
    let mut refused: BTreeSet<String> = gaps.map(|(_, gap)| gap.operation.clone()).collect();
    if first.trusts.is_none() || first.trusts_came_later {
        refused.insert(Want::Roles.operation().to_owned());
    }
    refused.extend(readers::not_seen(first, inventory));
    refused
}

/// Who has come into an account, when it is looked at once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Came {
    /// What they hold, of which the plan does not know.
    pub credentials: Vec<Credential>,
    /// The operations that would have told of more, and were refused.
    pub not_seen: BTreeSet<String>,
}

/// Who has come since, of those of whom the plan does not know; or what must be read to tell.
pub fn came_since(earlier: &Earlier<'_>, inventory: &Inventory) -> Result<Came, BTreeSet<Want>> {
    let first = first_seen(earlier);
    let wants = wants(&first, inventory).into_iter();
    let unread: BTreeSet<Want> =
        wants.filter(|want| !inventory.answers.contains_key(want)).collect();
    if !unread.is_empty() {
        return Err(unread);
    }
    let plan = earlier.plan;
    let principals = plan.principals.iter().cloned().collect();
    let mut credentials = newcomers(earlier, &first, inventory, &principals);
    credentials.retain(|credential| !plan.credentials.contains(credential));
    Ok(Came { credentials, not_seen: not_seen(&first, inventory) })
}

/// What has come since, of those who are not in scope. What cannot be read cannot be told: see [`not_seen`].
pub(super) fn newcomers(
    earlier: &Earlier<'_>,
    first: &FirstSeen,
    inventory: &Inventory,
    principals: &BTreeSet<Principal>,
) -> Vec<Credential> {
    let none = TakenUp::default();
    let before = earlier.plan.takes_up.as_ref().unwrap_or(&none);
    let seen_off = [earlier.seen_off, &before.seen_off];
    let mut found = Vec::new();
    for user in inventory.users().into_iter().flatten() {
        if principals.contains(&Principal::User(user.name.clone())) {
            continue;
        }
        if is_user_new(&user.id, user.created_at, first) {
            found.extend(credentials_of(&user.name, inventory));
            found.push(Credential::Sessions { user: user.name.clone() });
        } else {
            found.extend(newly_hung_on(&user.name, first, inventory));
            let again = keys_of(&user.name, Status::Active, inventory);
            let again = again.filter(|id| seen_off.iter().any(|off| off.contains(*id)));
            let key = |id: &AccessKeyId| (user.name.clone(), id.clone());
            let key = again.map(key).map(|(user, id)| Credential::AccessKey { user, id });
            found.extend(key);
        }
    }
    found.extend(admitted_since(first, inventory));
    found.extend(readers::came(first, inventory));
    found.retain(|credential| {
        let is_canary = |principal: Principal| {
            [earlier.canaries, &before.canaries]
                .into_iter()
                .any(|canaries| is_canary(&principal, canaries, inventory))
        };
        ![earlier.issued, &before.issued].into_iter().any(|issued| is_our_own(credential, issued))
            && !credential.principal().is_some_and(is_canary)
    });
    found
}

/// Whether it is one of those that the case has made to try cuts on: of that name, and no younger than the last that the
/// case knows of it. Whoever takes the name once it is free is somebody else.
fn is_canary(
    principal: &Principal,
    canaries: &BTreeMap<String, Timestamp>,
    inventory: &Inventory,
) -> bool {
    // Hardly anybody has such a name; whoever has is looked for among all.
    let Some(last) = canaries.get(principal.name()) else { return false };
    let made = match principal {
        Principal::User(name) => {
            let mut users = inventory.users().into_iter().flatten();
            users.find(|user| user.name == *name).map(|user| user.created_at)
        }
        Principal::Role(name) => {
            let mut roles = inventory.roles().into_iter().flatten();
            roles.find(|role| role.name == *name).and_then(|role| role.created_at)
        }
    };
    made.is_some_and(|made| made <= *last)
}

/// Keys of users in no step of `plan` that are switched off: one of them that works again is a way in.
pub fn switched_off(plan: &Plan, inventory: &Inventory) -> BTreeSet<AccessKeyId> {
    let users = inventory.users().into_iter().flatten();
    let in_scope = |name| plan.principals.binary_search(&Principal::User(name)).is_ok();
    let others = users.filter(|user| !in_scope(user.name.clone()));
    let off = others.flat_map(|user| keys_of(&user.name, Status::Inactive, inventory));
    off.cloned().collect()
}

fn keys_of<'i>(
    user: &UserName,
    status: Status,
    inventory: &'i Inventory,
) -> impl Iterator<Item = &'i AccessKeyId> {
    let keys = inventory.access_keys(user).into_iter().flatten();
    keys.filter(move |key| key.status == status).map(|key| &key.id)
}

/// Keys and a password that a user has got since.
fn newly_hung_on(user: &UserName, first: &FirstSeen, inventory: &Inventory) -> Vec<Credential> {
    let keys = inventory.access_keys(user).into_iter().flatten();
    let keys = keys
        .filter(|key| is_key_new(key, first))
        .map(|key| Credential::AccessKey { user: user.clone(), id: key.id.clone() });
    let password = inventory.login_profile(user).ok().and_then(Option::as_ref);
    let password = password
        .filter(|now| is_new(now.created_at, first))
        .map(|_| Credential::Password { user: user.clone() });
    keys.chain(password).collect()
}
