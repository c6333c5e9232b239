//! Since when there is whoever speaks of a case: whoever has appeared since it began is nobody independent.
//!
//! Whoever is being cut off sets up somebody else, and lets him say what two people must say. So a speaker is looked up:
//! a user and the key that he speaks with by when AWS says that they were made, a role by that and by whom its trust has
//! come to admit. Of a session nobody can tell by which key or password it was had: one of a user who has got another since
//! says nothing. Pure: whoever asks reads what is wanted. What cannot be read is told as not known, which is no reason not to
//! hear somebody: most people may not read even of themselves.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::chain::role_of;
use super::newcomers::{admitted_since, is_key_new, is_new, is_user_new};
use crate::ids::{AccessKeyId, Arn, RoleName, UserName};
use crate::inventory::{AccessKey, Inventory, Want};
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

/// What must be read of whoever speaks as `arn`.
pub fn wants_of_speaker(arn: &Arn) -> BTreeSet<Want> {
    match speaker_of(arn) {
        None => BTreeSet::new(),
        Some(Speaker::User(user)) => {
            let keys = Want::AccessKeys(user.clone());
            BTreeSet::from([keys, Want::LoginProfile(user.clone()), Want::User(user)])
        }
        Some(Speaker::Role(role)) => BTreeSet::from([Want::Role(role), Want::Roles]),
    }
}

/// Since when there is whoever speaks as `arn`, with `key` where that is known, by `facts`; `first` is how the case began, and
/// keys that `is_ours` were issued by a case itself.
pub fn presence(
    arn: &Arn,
    key: Option<&AccessKeyId>,
    is_ours: impl Fn(&AccessKeyId) -> bool,
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
            match facts.user(&user) {
                Ok(Some(found)) if is_user_new(&found.id, found.created_at, first) => {
                    return made(&format!("user {user}"), found.created_at);
                }
                Ok(Some(_)) => {}
                Ok(None) => {
                    return Presence::Since(format!(
                        "there is no user {user} any more, and since when there was is not known"
                    ));
                }
                Err(unread) => return Presence::Unknown(unread.to_string()),
            }
            let keys = match facts.access_keys(&user) {
                Ok(keys) => keys,
                Err(unread) => return Presence::Unknown(unread.to_string()),
            };
            let is_younger = |one: &&AccessKey| is_key_new(one, first) && !is_ours(&one.id);
            if let Some(own) = key.and_then(|key| keys.iter().find(|own| own.id == *key)) {
                let what = format!("access key {}, which it is said with,", own.id);
                return if is_younger(&own) {
                    made(&what, own.created_at)
                } else {
                    Presence::Before
                };
            }
            let by = "by which of his it is said is not known, and";
            if let Some(young) = keys.iter().find(is_younger) {
                let what = format!("{by} access key {} of user {user}", young.id);
                return made(&what, young.created_at);
            }
            match facts.login_profile(&user) {
                Ok(Some(password)) if is_new(password.created_at, first) => {
                    made(&format!("{by} the password of user {user}"), password.created_at)
                }
                Ok(_) => Presence::Before,
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
                Ok(Some(found))
                    if is_new(found.created_at, first) && !first.has_listed(&found.id) =>
                {
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
