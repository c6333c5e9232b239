//! Since when there is whoever speaks of a case: whoever has appeared since it began is nobody independent.
//!
//! Whoever is being cut off sets up somebody else, and lets him say what two people must say. So a speaker is looked up:
//! a user and the key that he speaks with by when AWS says that they were made, a role by that and by whom its trust has
//! come to admit. Pure: whoever asks reads what is wanted. What cannot be read is told as not known, which is no reason
//! not to hear somebody: most people may not read even of themselves.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::chain::role_of;
use super::newcomers::{admitted_since, is_new};
use crate::ids::{AccessKeyId, Arn, RoleName, UserName};
use crate::inventory::{Inventory, Want};
use crate::plan::{Credential, FirstSeen};

/// What is known of how long there has been somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// He was there when the case began.
    Before,
    /// He, or what he speaks with, has come since; in a clause.
    Since(String),
    /// It cannot be told, and why.
    Unknown(String),
}

/// Whoever speaks, as far as there is anything to look up: the root user has always been there.
enum Speaker {
    User(UserName),
    Role(RoleName),
}

fn speaker_of(arn: &Arn) -> Option<Speaker> {
    if let Some(role) = role_of(arn) {
        return RoleName::parse(role).ok().map(Speaker::Role);
    }
    let user = arn.resource().strip_prefix("user/")?.rsplit('/').next()?;
    UserName::parse(user).ok().map(Speaker::User)
}

/// What must be read of whoever speaks as `arn`; of the keys of a user where it is known which one he speaks with.
pub fn wants_of_speaker(arn: &Arn, key: Option<&AccessKeyId>) -> BTreeSet<Want> {
    match speaker_of(arn) {
        None => BTreeSet::new(),
        Some(Speaker::User(user)) => {
            let keys = key.map(|_| Want::AccessKeys(user.clone()));
            keys.into_iter().chain([Want::User(user)]).collect()
        }
        Some(Speaker::Role(role)) => BTreeSet::from([Want::Role(role), Want::Roles]),
    }
}

/// Since when there is whoever speaks as `arn`, with `key` where that is known, by `facts`; `first` is how the case began.
pub fn presence(
    arn: &Arn,
    key: Option<&AccessKeyId>,
    first: &FirstSeen,
    facts: &Inventory,
) -> Presence {
    let made = |what: &str, at: Timestamp| {
        let (at, began) = (at.strftime(DAY), first.at.strftime(DAY));
        Presence::Since(format!("{what} was made at {at}, after the case began ({began})"))
    };
    match speaker_of(arn) {
        None => Presence::Before,
        Some(Speaker::User(user)) => {
            if let Some(key) = key
                && let Ok(keys) = facts.access_keys(&user)
                && let Some(own) = keys.iter().find(|own| own.id == *key)
                && is_new(own.created_at, first)
            {
                return made(&format!("access key {key}, which it is said with,"), own.created_at);
            }
            match facts.user(&user) {
                Ok(Some(found)) if is_new(found.created_at, first) => {
                    made(&format!("user {user}"), found.created_at)
                }
                Ok(Some(_)) => Presence::Before,
                Ok(None) => Presence::Since(format!(
                    "there is no user {user} any more, and since when there was is not known"
                )),
                Err(unread) => Presence::Unknown(unread.to_string()),
            }
        }
        Some(Speaker::Role(role)) => {
            let admits = |one: Credential| match one {
                Credential::Admission { role: of, who, .. } if of == role => Some(who),
                _ => None,
            };
            if let Some(who) = admitted_since(first, facts).find_map(admits) {
                return Presence::Since(format!(
                    "role {role} has come to admit {who} since the case began"
                ));
            }
            match facts.role(&role) {
                Ok(Some(found)) if is_new(found.created_at, first) => {
                    made(&format!("role {role}"), found.created_at)
                }
                Ok(Some(_)) => match (&first.trusts, facts.roles()) {
                    (Some(_), Err(unread)) => Presence::Unknown(unread.to_string()),
                    _ => Presence::Before,
                },
                Ok(None) => Presence::Since(format!(
                    "there is no role {role} any more, and since when there was is not known"
                )),
                Err(unread) => Presence::Unknown(unread.to_string()),
            }
        }
    }
}

const DAY: &str = "%Y-%m-%d %H:%M:%S UTC";
