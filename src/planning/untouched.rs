//! What was seen and is left alone, and why.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::ids::{Principal, UserName};
use crate::inventory::Inventory;
use crate::plan::{Change, Destination, Effect, RoleInReach, Untouched};

/// What AWS itself has attached to a user where it found a key of his in public. It is adopted as it stands: no cut in
/// the sense of a plan, for it denies some things and leaves others, and in no cut's way.
pub(super) fn cut_by_aws(users: &BTreeSet<UserName>, inventory: &Inventory) -> Vec<Untouched> {
    let attached = users.iter().flat_map(|user| {
        let policies = inventory.attached_policies(&Principal::User(user.clone()));
        policies.into_iter().flatten().map(move |policy| (user, policy))
    });
    attached
        .filter_map(|(user, policy)| {
            let name = policy.resource().strip_prefix("policy/")?;
            let is = policy.account() == "aws" && name.starts_with("AWSCompromisedKeyQuarantine");
            is.then(|| Untouched {
                what: format!("{name} on user {user}"),
                why: "AWS put it there, because it found a key in public. It denies some things and leaves others, \
                      roles among them: it stays, and the cuts stand beside it. What it denies is denied until \
                      somebody detaches it"
                    .to_owned(),
            })
        })
        .collect()
}

/// A second factor lets nobody in by itself, and so is no row of the ledger; but an intruder may have enrolled
/// one of his own, which counts as soon as its user is let in again.
pub(super) fn second_factors(users: &BTreeSet<UserName>, inventory: &Inventory) -> Vec<Untouched> {
    let devices = users.iter().flat_map(|user| {
        let devices = inventory.mfa_devices(user).into_iter().flatten();
        devices.map(move |device| (user, device))
    });
    devices
        .map(|(user, device)| Untouched {
            what: format!("MFA device {} of {user}", device.serial),
            why: format!(
                "a second factor, and no way in by itself; enabled {}: see that it is its owner's",
                device.enabled_at.strftime("%Y-%m-%d %H:%M UTC")
            ),
        })
        .collect()
}

/// How long before the survey a second factor may have been enabled to be pointed out: whoever broke in seldom did so long
/// before he was noticed.
const LATELY: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Second factors that were enabled of late, all in one sentence: an old one among them would hide the new.
pub(super) fn enabled_lately(users: &BTreeSet<UserName>, inventory: &Inventory) -> Option<String> {
    let mut late: Vec<_> = users
        .iter()
        .flat_map(|user| {
            let devices = inventory.mfa_devices(user).into_iter().flatten();
            devices.map(move |device| (device.enabled_at, user, device))
        })
        .filter(|(at, ..)| inventory.taken_at.duration_since(*at) <= LATELY)
        .collect();
    late.sort_by_key(|(at, user, _)| (std::cmp::Reverse(*at), *user));
    let told: Vec<String> = late
        .iter()
        .map(|(at, user, device)| {
            format!("{} of {user}, {}", device.serial, at.strftime("%Y-%m-%d %H:%M UTC"))
        })
        .collect();
    (!told.is_empty()).then(|| {
        format!(
            "of the MFA devices, {} enabled in the 30 days before this survey; see that each is its owner's, before its user \
             is let in again: {}",
            match told.len() {
                1 => "1 was".to_owned(),
                n => format!("{n} were"),
            },
            told.join("; ")
        )
    })
}

/// What was seen and is left alone, and why.
pub(super) fn untouched(
    roles: &[RoleInReach],
    principals: &BTreeSet<Principal>,
    changes: &[Change],
    inventory: &Inventory,
) -> Vec<Untouched> {
    let is_cut = |reach: &&RoleInReach| {
        reach.sessions.principal().is_some_and(|principal| principals.contains(&principal))
    };
    let mut untouched: Vec<Untouched> = roles
        .iter()
        .filter(|reach| !is_cut(reach))
        .map(|reach| Untouched {
            what: reach.sessions.to_string(),
            why: format!("{}, and no step cuts them", reach.why),
        })
        .collect();
    for effect in changes.iter().flat_map(|change| &change.effects) {
        if let Effect::Delivers { to: Destination::Secret { secret } } = effect {
            untouched.push(Untouched {
                what: format!("other readers of secret {secret}"),
                why: "not examined: whoever may read it will read what is new in it. Whom its own policy comes to admit \
                      meanwhile, and a function that comes to rotate it, keeps it from being handed out"
                    .to_owned(),
            });
        }
    }
    if !principals.is_empty() {
        untouched.push(Untouched {
            what: "roles of accounts that are not named".to_owned(),
            why: "not examined: whoever is in scope may have assumed one of them, and is inside it until its session \
                  ends; name the account in `accounts` where a playbook takes them"
                .to_owned(),
        });
    }
    untouched.push(Untouched {
        what: format!("everything else in account {}", inventory.caller.account),
        why: "not selected by the playbook".to_owned(),
    });
    untouched
}
