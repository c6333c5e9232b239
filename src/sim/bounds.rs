//! How much a world may be: what AWS allows, and no more time and memory than a rehearsal has.
//!
//! A world that AWS could not have teaches nothing, and a few bytes of YAML can keep an intruder busy for hours. Knows
//! numbers and no meaning: what fits together is `world`'s business. Fails in words for the author of the file.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::Value;

use super::intruder::script::{DeedFile, IntruderFile};
use super::misfit::Misfits;
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

/// Finds everything that is more than a world may be.
pub(super) fn check(world: &World, found: &mut Misfits) {
    if world.rate_limit == Some(0) {
        let instead = "leave it out where nothing is throttled";
        found.bad(
            &[&"rate_limit"],
            format!("rate_limit: a service admits a request in a second at least; {instead}"),
        );
    }
    if !(1..=1000).contains(&world.page_size) {
        found.bad(&[&"page_size"], "page_size: from 1 to 1000");
    }
    for (key, value, longest) in [
        ("lag", world.lag, LONGEST_LAG),
        ("read_lag", world.read_lag, LONGEST_LAG),
        ("latency", world.latency, LONGEST_LATENCY),
    ] {
        if value > longest {
            found.bad(&[&key], format!("{key}: {longest:#} at most, not {value:#}"));
        }
    }
    found.within(&[&"region"], Some("region".to_owned()), |found| {
        found.at_most(&[], world.region.len(), 32, "characters");
    });
    if world.responder.as_ref().is_some_and(|responder| responder.lasts > LONGEST_SESSION) {
        found.bad(
            &[&"responder", &"lasts"],
            "responder: lasts: no session lasts longer than 36 hours",
        );
    }
    for (id, account) in &world.accounts {
        found.within(&[&"accounts", id], Some(format!("account {id}")), |found| {
            of_account(account, found);
        });
    }
    for (n, session) in world.sessions.iter().enumerate() {
        let about = Some(format!("session {}", session.id));
        found.within(&[&"sessions", &n], about, |found| {
            let policies = session.policies.iter().flatten().map(length).sum();
            found.at_most(&[&"name"], session.name.len(), LONGEST_NAME, "characters of its name");
            found.at_most(&[&"policies"], policies, 2_048 * 11, "characters of policies");
            if session.expires_at.duration_since(session.issued_at) > LONGEST_SESSION {
                found.bad(&[&"expires_at"], "none lasts longer than 36 hours");
            }
        });
    }
    for (n, consumer) in world.consumers.iter().enumerate() {
        let about = Some(format!("consumer {}", begin(&consumer.name)));
        found.within(&[&"consumers", &n], about, |found| {
            found.at_most(&[&"name"], consumer.name.len(), LONGEST_NAME, "characters of its name");
            found.at_most(&[&"needs"], consumer.needs.len(), 100, "needs");
        });
    }
    let named = world.targets.keys().map(|name| ("targets", name));
    for (key, name) in named.chain(world.remote.keys().map(|name| ("remote", name))) {
        found.within(&[&key, name], Some(begin(name)), |found| {
            found.at_most(&[], name.len(), LONGEST_NAME, "characters of a name");
        });
    }
    found.within(&[&"intruder"], Some("intruder".to_owned()), |found| {
        of_intruder(&world.intruder, found);
    });
}

fn of_account(account: &AccountFile, found: &mut Misfits) {
    for (name, user) in &account.users {
        found.within(&[&"users", name], Some(format!("user {name}")), |found| of_user(user, found));
    }
    for (name, group) in &account.groups {
        found.within(&[&"groups", name], Some(format!("group {}", begin(name))), |found| {
            if GroupName::parse(name).is_err() {
                found.bad(&[], format!("not {}", GroupName::EXPECTED));
            }
            path(&group.path, found);
            found.at_most(&[&"attached"], group.attached.len(), 20, "attached policies");
            inline(&group.inline, 5_120, found);
        });
    }
    for (name, role) in &account.roles {
        found.within(&[&"roles", name], Some(format!("role {name}")), |found| of_role(role, found));
    }
    for (name, policy) in &account.policies {
        found.within(&[&"policies", name], Some(format!("policy {name}")), |found| {
            found.at_most(&[], length(policy), 6_144, "characters");
        });
    }
    for (name, secret) in &account.secrets {
        found.within(&[&"secrets", name], Some(format!("secret {name}")), |found| {
            found.at_most(&[&"value"], length(&secret.value), LONGEST_SECRET, "bytes of its value");
            let policy = secret.policy.as_ref().map_or(0, length);
            found.at_most(&[&"policy"], policy, 20_480, "characters of its policy");
            tags(&secret.tags, found);
        });
    }
}

fn of_user(user: &UserFile, found: &mut Misfits) {
    path(&user.path, found);
    found.at_most(&[&"attached"], user.attached.len(), 20, "attached policies");
    found.at_most(&[&"groups"], user.groups.len(), 10, "groups");
    found.at_most(&[&"mfa"], user.mfa.len(), 8, "MFA devices");
    found.at_most(&[&"ssh_keys"], user.ssh_keys.len(), 5, "SSH keys");
    found.at_most(&[&"certificates"], user.certificates.len(), 2, "signing certificates");
    for (key, all) in [("ssh_keys", &user.ssh_keys), ("certificates", &user.certificates)] {
        for (n, uploaded) in all.iter().enumerate() {
            let long = uploaded.body.len();
            found.at_most(&[&key, &n], long, 16_384, "characters of a key or a certificate");
        }
    }
    for (n, credential) in user.service_credentials.iter().enumerate() {
        let (at, long) = ("service_credentials", credential.service.len());
        found.at_most(&[&at, &n], long, LONGEST_NAME, "characters of the name of a service");
    }
    inline(&user.inline, 2_048, found);
    tags(&user.tags, found);
}

fn of_role(role: &RoleFile, found: &mut Misfits) {
    path(&role.path, found);
    let hours = SignedDuration::from_hours(1)..=SignedDuration::from_hours(12);
    if !hours.contains(&role.max_session) {
        found.bad(&[&"max_session"], "max_session: from 1 hour to 12 hours");
    }
    found.at_most(&[&"attached"], role.attached.len(), 20, "attached policies");
    found.at_most(&[&"trust"], length(&role.trust), 4_096, "characters of its trust");
    inline(&role.inline, 10_240, found);
    tags(&role.tags, found);
}

fn of_intruder(intruder: &IntruderFile, found: &mut Misfits) {
    found.at_most(&[&"tries"], intruder.tries.len(), 200, "tries");
    let source = intruder.source_ip.as_ref().map_or(0, String::len);
    found.at_most(&[&"source_ip"], source, 64, "characters of source_ip");
    let mut deeds = 0_usize;
    for (n, reaction) in intruder.reacts.iter().enumerate() {
        deeds = deeds.saturating_add(reaction.deeds.len().saturating_mul(reaction.times()));
        let name =
            reaction.name.as_ref().map_or_else(|| format!("reaction {}", n + 1), |n| begin(n));
        found.within(&[&"reacts", &n], Some(name), |found| {
            let name = reaction.name.as_ref().map_or(0, String::len);
            found.at_most(&[&"name"], name, LONGEST_NAME, "characters of its name");
            for (n, deed) in reaction.deeds.iter().enumerate() {
                found.within(&[&"deeds", &n], Some(begin(&deed.operation)), |found| {
                    of_deed(deed, found);
                });
            }
        });
    }
    if deeds > MOST_DEEDS {
        let message = format!(
            "he would do {deeds} deeds, and does {MOST_DEEDS} at most: fewer `times`, or fewer that `reacts`"
        );
        found.bad(&[&"reacts"], message);
    }
}

fn of_deed(deed: &DeedFile, found: &mut Misfits) {
    let label = deed.label.as_ref().map_or(0, String::len);
    found.at_most(&[&"as"], label, LONGEST_NAME, "characters of `as`");
    for (name, value) in &deed.params {
        let is_document = ["Policy", "Document", "String"].iter().any(|end| name.ends_with(end));
        let most = if is_document { LONGEST_SECRET } else { 2_048 };
        let long = name.len();
        found.at_most(
            &[&"params", name],
            long,
            LONGEST_NAME,
            "characters of the name of a parameter",
        );
        found.within(&[&"params", name], Some(begin(name)), |found| {
            found.at_most(&[], length(value), most, "characters");
        });
    }
    found.at_most(&[&"params"], deed.params.len(), 50, "parameters");
}

/// As AWS has paths of users, groups and roles.
fn path(path: &str, found: &mut Misfits) {
    let is_one = path.starts_with('/')
        && path.ends_with('/')
        && path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    found.at_most(&[&"path"], path.len(), 512, "characters of its path");
    if !is_one {
        found.bad(&[&"path"], "path: it begins and ends with /, as in /ci/");
    }
}

fn tags(tags: &BTreeMap<String, String>, found: &mut Misfits) {
    found.at_most(&[&"tags"], tags.len(), 50, "tags");
    for (key, value) in tags {
        let long = key.chars().count();
        found.at_most(&[&"tags", key], long, 128, "characters of the key of a tag");
        let long = value.chars().count();
        found.at_most(&[&"tags", key], long, 256, "characters of the value of a tag");
    }
}

/// AWS counts what stands in inline policies together.
fn inline(policies: &BTreeMap<PolicyName, Value>, most: usize, found: &mut Misfits) {
    let all = policies.values().map(length).sum();
    found.at_most(&[&"inline"], all, most, "characters of inline policies");
}

/// How long a value is as JSON without white space, or as the text it is.
fn length(value: &Value) -> usize {
    value.as_str().map_or_else(|| value.to_string().len(), str::len)
}

/// A name as far as it can be shown.
fn begin(name: &str) -> String {
    name.chars().take(40).collect()
}
