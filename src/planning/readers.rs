//! Who has come to read what will be put into a secret, since the account was first surveyed: by the secret's own policy, or as
//! the function that rotates it.
//!
//! What is handed out by a secret is read by whoever may read that, and whoever is being cut off opens it a second before he
//! is. Known by comparing what the policy is made of with what the first survey has seen of it, like the trust of a role:
//! whoever may read it later is a row of his own. A seal of ours is left out of both: it comes off again, and then the rest
//! says who reads. Not looked at are policies of users and roles, and of keys of KMS. Where the policy cannot be read, nobody
//! is told of: see [`not_seen`]. Pure.

use std::collections::BTreeSet;

use serde_json::json;

use crate::action::without_the_seal;
use crate::ids::SecretId;
use crate::inventory::{Inventory, Unread, Want};
use crate::plan::{Change, Credential, Destination, Effect, FirstSeen, Plan, SecretSeen};
use crate::policy::admission::{Parts, Whom, digest};

/// The secrets into which `changes` put something new.
pub(super) fn filled<'c>(changes: impl IntoIterator<Item = &'c Change>) -> BTreeSet<&'c SecretId> {
    let effects = changes.into_iter().flat_map(|change| &change.effects);
    effects.filter_map(filled_by).collect()
}

/// The secret into which an effect puts something new.
pub fn filled_by(effect: &Effect) -> Option<&SecretId> {
    match effect {
        Effect::Delivers { to: Destination::Secret { secret } }
        | Effect::Rotates { secret, .. } => Some(secret),
        _ => None,
    }
}

/// What tells who may read `secret`.
pub fn told_by(secret: &SecretId) -> [Want; 2] {
    [Want::SecretPolicy(secret.clone()), Want::Secret(secret.clone())]
}

/// Adds to `first` those of `secrets` that it does not know, as `inventory` has them.
pub(super) fn first_see<'s>(
    first: &mut FirstSeen,
    secrets: impl IntoIterator<Item = &'s SecretId>,
    inventory: &Inventory,
) {
    for secret in secrets {
        first.readers.entry(secret.clone()).or_insert_with(|| SecretSeen {
            policy: parts(secret, inventory).ok().map(|parts| parts.digests()),
            rotator: rotator(secret, inventory),
        });
    }
}

/// Who has come to read any of them.
pub(super) fn came(first: &FirstSeen, inventory: &Inventory) -> Vec<Credential> {
    let each = first.readers.iter();
    each.flat_map(|(secret, seen)| came_to_read(secret, seen, inventory)).collect()
}

fn came_to_read(secret: &SecretId, seen: &SecretSeen, now: &Inventory) -> Vec<Credential> {
    let mut came = Vec::new();
    if let (Some(known), Ok(parts)) = (&seen.policy, parts(secret, now)) {
        let beyond = parts.beyond(known).into_iter();
        came.extend(beyond.map(|one| Credential::Reader {
            secret: secret.clone(),
            part: one.part,
            who: one.who,
            whom: one.whom,
        }));
    }
    let function = rotator(secret, now).filter(|now| Some(now) != seen.rotator.as_ref());
    came.extend(function.map(|function| Credential::Reader {
        secret: secret.clone(),
        part: digest(&json!(function)),
        who: format!("function {function}, which has come to rotate it"),
        whom: Whom::Other,
    }));
    came
}

/// Whether what would have told could not be read: now, or at first.
pub(super) fn not_seen(first: &FirstSeen, inventory: &Inventory) -> Option<String> {
    let mut each = first.readers.keys();
    let now = each.any(|secret| inventory.secret_policy(secret).is_err());
    never_seen(first).or_else(|| now.then(|| TELLS.to_owned()))
}

/// The same of what could not be read at first: with what is read later there is nothing to compare.
fn never_seen(first: &FirstSeen) -> Option<String> {
    first.readers.values().any(|seen| seen.policy.is_none()).then(|| TELLS.to_owned())
}

/// The same of a plan, before there is a case of it; `inventory` is what it stands on.
pub(super) fn never_seen_of(plan: &Plan, inventory: &Inventory) -> Option<String> {
    let unread = |secret: &&SecretId| parts(secret, inventory).is_err();
    match &plan.first_seen {
        Some(first) => never_seen(first),
        None => filled(&plan.changes).iter().any(unread).then(|| TELLS.to_owned()),
    }
}

const TELLS: &str = "secretsmanager:GetResourcePolicy";

/// Who has come to read `secret` by `facts`, and did not when the case that `plan` is of began; `seen` is what the plan
/// stands on. What could not be read then tells nothing now.
pub fn came_to(
    secret: &SecretId,
    plan: &Plan,
    seen: &Inventory,
    facts: &Inventory,
) -> Result<Vec<Credential>, Unread> {
    let first = super::newcomers::first_of_case(plan, seen);
    let Some(first) = first.readers.get(secret) else { return Ok(Vec::new()) };
    if first.policy.is_some() {
        facts.secret_policy(secret)?;
    }
    facts.secret(secret)?;
    Ok(came_to_read(secret, first, facts))
}

fn parts(secret: &SecretId, inventory: &Inventory) -> Result<Parts, Unread> {
    let policy = without_the_seal(inventory.secret_policy(secret)?.as_deref());
    Ok(policy.as_deref().map_or_else(Parts::default, Parts::of))
}

fn rotator(secret: &SecretId, inventory: &Inventory) -> Option<crate::ids::Arn> {
    inventory.secret(secret).ok()?.as_ref()?.rotator.clone()
}
