//! How much a world may be: what AWS allows, and no more time and memory than a rehearsal has.
//!
//! A world that AWS could not have teaches nothing, and a few bytes of YAML can keep an intruder busy for hours. Knows
//! numbers and no meaning: what fits together is `world`'s business. Fails in words for the author of the file.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::Value;

use super::intruder::script::{DeedFile, IntruderFile};
use super::world::{AccountFile, RoleFile, UserFile, World};
use crate::ids::{GroupName, PolicyName};

/// The most that an intruder tries in one world: written down in advance, and done with whatever he holds.
pub(super) const MOST_DEEDS: usize = 10_000;
/// The most that he holds.
pub(super) const MOST_HELD: usize = 300;

/// Changes of AWS are seen and enforced within seconds.
const LONGEST_LAG: SignedDuration = SignedDuration::from_mins(10);
const LONGEST_LATENCY: SignedDuration = SignedDuration::from_mins(1);
/// No session of AWS lasts longer.
const LONGEST_SESSION: SignedDuration = SignedDuration::from_hours(36);
const LONGEST_NAME: usize = 128;
const LONGEST_SECRET: usize = 65_536;

/// What is to be said against a world, if anything.
pub(super) fn check(world: &World) -> Result<(), String> {
    if world.rate_limit == Some(0) {
        let instead = "leave it out where nothing is throttled";
        return Err(format!(
            "rate_limit: a service admits a request in a second at least; {instead}"
        ));
    }
    if !(1..=1000).contains(&world.page_size) {
        return Err("page_size: from 1 to 1000".to_owned());
    }
    for (key, value, longest) in [
        ("lag", world.lag, LONGEST_LAG),
        ("read_lag", world.read_lag, LONGEST_LAG),
        ("latency", world.latency, LONGEST_LATENCY),
    ] {
        if value > longest {
            return Err(format!("{key}: {longest:#} at most, not {value:#}"));
        }
    }
    at_most(world.region.len(), 32, "characters").map_err(|e| format!("region: {e}"))?;
    if world.responder.as_ref().is_some_and(|responder| responder.lasts > LONGEST_SESSION) {
        return Err("responder: lasts: no session lasts longer than 36 hours".to_owned());
    }
    for (id, account) in &world.accounts {
        of_account(account).map_err(|e| format!("account {id}: {e}"))?;
    }
    for session in &world.sessions {
        let policies = session.policies.iter().flatten().map(length).sum();
        at_most(session.name.len(), LONGEST_NAME, "characters of its name")
            .and_then(|()| at_most(policies, 2_048 * 11, "characters of policies"))
            .map_err(|e| format!("session {}: {e}", session.id))?;
        if session.expires_at.duration_since(session.issued_at) > LONGEST_SESSION {
            return Err(format!("session {}: none lasts longer than 36 hours", session.id));
        }
    }
    for consumer in &world.consumers {
        at_most(consumer.name.len(), LONGEST_NAME, "characters of its name")
            .and_then(|()| at_most(consumer.needs.len(), 100, "needs"))
            .map_err(|e| format!("consumer {}: {e}", begin(&consumer.name)))?;
    }
    for name in world.targets.keys().chain(world.remote.keys()) {
        at_most(name.len(), LONGEST_NAME, "characters of a name")
            .map_err(|e| format!("{}: {e}", begin(name)))?;
    }
    of_intruder(&world.intruder).map_err(|e| format!("intruder: {e}"))
}

fn of_account(account: &AccountFile) -> Result<(), String> {
    for (name, user) in &account.users {
        of_user(user).map_err(|e| format!("user {name}: {e}"))?;
    }
    for (name, group) in &account.groups {
        let at = |e| format!("group {}: {e}", begin(name));
        GroupName::parse(name).map_err(|_| at(format!("not {}", GroupName::EXPECTED)))?;
        path(&group.path)
            .and_then(|()| at_most(group.attached.len(), 20, "attached policies"))
            .and_then(|()| inline(&group.inline, 5_120))
            .map_err(at)?;
    }
    for (name, role) in &account.roles {
        of_role(role).map_err(|e| format!("role {name}: {e}"))?;
    }
    for (name, policy) in &account.policies {
        at_most(length(policy), 6_144, "characters").map_err(|e| format!("policy {name}: {e}"))?;
    }
    for (name, secret) in &account.secrets {
        let at = |e| format!("secret {name}: {e}");
        at_most(length(&secret.value), LONGEST_SECRET, "bytes of its value").map_err(at)?;
        at_most(secret.policy.as_ref().map_or(0, length), 20_480, "characters of its policy")
            .map_err(at)?;
        tags(&secret.tags).map_err(at)?;
    }
    Ok(())
}

fn of_user(user: &UserFile) -> Result<(), String> {
    path(&user.path)?;
    at_most(user.attached.len(), 20, "attached policies")?;
    at_most(user.groups.len(), 10, "groups")?;
    at_most(user.mfa.len(), 8, "MFA devices")?;
    at_most(user.ssh_keys.len(), 5, "SSH keys")?;
    at_most(user.certificates.len(), 2, "signing certificates")?;
    for uploaded in user.ssh_keys.iter().chain(&user.certificates) {
        at_most(uploaded.body.len(), 16_384, "characters of a key or a certificate")?;
    }
    for credential in &user.service_credentials {
        at_most(credential.service.len(), LONGEST_NAME, "characters of the name of a service")?;
    }
    inline(&user.inline, 2_048)?;
    tags(&user.tags)
}

fn of_role(role: &RoleFile) -> Result<(), String> {
    path(&role.path)?;
    let hours = SignedDuration::from_hours(1)..=SignedDuration::from_hours(12);
    if !hours.contains(&role.max_session) {
        return Err("max_session: from 1 hour to 12 hours".to_owned());
    }
    at_most(role.attached.len(), 20, "attached policies")?;
    at_most(length(&role.trust), 4_096, "characters of its trust")?;
    inline(&role.inline, 10_240)
}

fn of_intruder(intruder: &IntruderFile) -> Result<(), String> {
    at_most(intruder.tries.len(), 200, "tries")?;
    at_most(intruder.source_ip.as_ref().map_or(0, String::len), 64, "characters of source_ip")?;
    let mut deeds = 0_usize;
    for (n, reaction) in intruder.reacts.iter().enumerate() {
        deeds = deeds.saturating_add(reaction.deeds.len().saturating_mul(reaction.times()));
        let name =
            reaction.name.as_ref().map_or_else(|| format!("reaction {}", n + 1), |n| begin(n));
        let at = |e| format!("{name}: {e}");
        at_most(
            reaction.name.as_ref().map_or(0, String::len),
            LONGEST_NAME,
            "characters of its name",
        )
        .map_err(at)?;
        for deed in &reaction.deeds {
            of_deed(deed).map_err(|e| at(format!("{}: {e}", begin(&deed.operation))))?;
        }
    }
    if deeds > MOST_DEEDS {
        return Err(format!(
            "he would do {deeds} deeds, and does {MOST_DEEDS} at most: fewer `times`, or fewer that `reacts`"
        ));
    }
    Ok(())
}

fn of_deed(deed: &DeedFile) -> Result<(), String> {
    at_most(deed.label.as_ref().map_or(0, String::len), LONGEST_NAME, "characters of `as`")?;
    for (name, value) in &deed.params {
        let is_document = ["Policy", "Document", "String"].iter().any(|end| name.ends_with(end));
        let most = if is_document { LONGEST_SECRET } else { 2_048 };
        at_most(name.len(), LONGEST_NAME, "characters of the name of a parameter")?;
        at_most(length(value), most, "characters").map_err(|e| format!("{name}: {e}"))?;
    }
    at_most(deed.params.len(), 50, "parameters")
}

/// As AWS has paths of users, groups and roles.
fn path(path: &str) -> Result<(), String> {
    let is_one = path.starts_with('/')
        && path.ends_with('/')
        && path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    at_most(path.len(), 512, "characters of its path")?;
    if is_one { Ok(()) } else { Err("path: it begins and ends with /, as in /ci/".to_owned()) }
}

fn tags(tags: &BTreeMap<String, String>) -> Result<(), String> {
    at_most(tags.len(), 50, "tags")?;
    tags.iter().try_for_each(|(key, value)| {
        at_most(key.chars().count(), 128, "characters of the key of a tag")?;
        at_most(value.chars().count(), 256, "characters of the value of a tag")
    })
}

/// AWS counts what stands in inline policies together.
fn inline(policies: &BTreeMap<PolicyName, Value>, most: usize) -> Result<(), String> {
    at_most(policies.values().map(length).sum(), most, "characters of inline policies")
}

/// How long a value is as JSON without white space, or as the text it is.
fn length(value: &Value) -> usize {
    value.as_str().map_or_else(|| value.to_string().len(), str::len)
}

fn at_most(found: usize, most: usize, of_what: &str) -> Result<(), String> {
    if found <= most { Ok(()) } else { Err(format!("{found} {of_what}; AWS has {most} at most")) }
}

/// A name as far as it can be shown.
fn begin(name: &str) -> String {
    name.chars().take(40).collect()
}
