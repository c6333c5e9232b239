//! Access keys.

use super::users::Answer;
use super::{parse_status, status};
use crate::sim::call::{Call, at};
use crate::sim::engine::Canary;
use crate::sim::state::Key;
use crate::sim::wire::{Refusal, Reply, text, tree};

/// Access keys that a user may have.
pub(in crate::sim) const QUOTA: usize = 2;

fn no_such_key(id: &str) -> Refusal {
    Refusal::new(404, "NoSuchEntity", format!("The Access Key with id {id} cannot be found."))
}

pub(in crate::sim) fn list(call: &mut Call<'_>) -> Answer {
    let (name, user) = call.shown_user()?;
    let keys = user
        .keys
        .iter()
        .map(|key| {
            tree(
                "member",
                vec![
                    text("UserName", name.as_str()),
                    text("AccessKeyId", key.id.as_str()),
                    text("Status", status(key.active)),
                    at("CreateDate", key.created_at),
                ],
            )
        })
        .collect();
    let mut answer = call.page("AccessKeyMetadata", keys)?;
    answer.push(text("UserName", name));
    Ok(Reply::Xml(answer))
}

pub(in crate::sim) fn create(call: &mut Call<'_>) -> Answer {
    let (name, user) = call.newest_user()?;
    if user.keys.len() >= QUOTA {
        return Err(Refusal::limit(format!("Cannot exceed quota for AccessKeysPerUser: {QUOTA}")));
    }
    let id = call.engine.new_id("AKIA");
    call.engine.remember(Canary::Key(id.clone()));
    let key = Key { id: id.clone(), created_at: call.now, active: true };
    call.edit_user(&name).keys.push(key);
    let (secret, _) = call.engine.secrets_of(&id);
    call.engine.minted = Some(id.clone());
    Ok(Reply::Xml(vec![tree(
        "AccessKey",
        vec![
            text("UserName", name),
            text("AccessKeyId", id),
            text("Status", "Active"),
            text("SecretAccessKey", secret.expose()),
            at("CreateDate", call.now),
        ],
    )]))
}

pub(in crate::sim) fn update(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("AccessKeyId")?.to_owned();
    let active = parse_status(call.params.required("Status")?)?;
    let (name, user) = call.newest_user()?;
    let n = user.keys.iter().position(|k| k.id == id).ok_or_else(|| no_such_key(&id))?;
    if user.keys[n].active != active {
        call.edit_user(&name).keys[n].active = active;
    }
    Ok(Reply::Xml(Vec::new()))
}

pub(in crate::sim) fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("AccessKeyId")?.to_owned();
    let (name, user) = call.newest_user()?;
    if !user.keys.iter().any(|k| k.id == id) {
        return Err(no_such_key(&id));
    }
    call.edit_user(&name).keys.retain(|k| k.id != id);
    Ok(Reply::Xml(Vec::new()))
}

/// For a key that is nowhere, or in another account, AWS's documents give no code; `NoSuchEntity`
/// is what this cloud says.
pub(in crate::sim) fn last_used(call: &mut Call<'_>) -> Answer {
    let id = call.params.required("AccessKeyId")?;
    let owner = call
        .shown()
        .users
        .iter()
        .find(|(_, user)| user.keys.iter().any(|k| k.id == id))
        .map(|(name, _)| name.clone())
        .ok_or_else(|| no_such_key(id))?;
    let used = match call.engine.last_used.get(id) {
        Some(used) => vec![
            at("LastUsedDate", used.at),
            text("ServiceName", used.service.as_str()),
            text("Region", used.region.as_str()),
        ],
        None => vec![text("ServiceName", "N/A"), text("Region", "N/A")],
    };
    Ok(Reply::Xml(vec![text("UserName", owner), tree("AccessKeyLastUsed", used)]))
}
