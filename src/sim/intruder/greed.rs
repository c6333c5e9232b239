//! An intruder who needs no script: whatever keeps or widens his access, he does.
//!
//! He looks every few seconds, and soon after somebody else changed anything. At each look he takes off
//! what stands in his way where he is let, and then takes one thing more: a session, a key on anybody, a
//! role, a secret, a right, a user of his own. What he tries and in which order follows from the seed. He
//! knows the names of all that exists, which is more than any real one; he still needs to be allowed what
//! he does, and wastes no attempt on what he would be refused.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::script::{Next, Script};
use crate::policy::Document;
use crate::sim::engine::Engine;
use crate::sim::front::Origin;
use crate::sim::operations::OPERATIONS;
use crate::sim::signin::CONSOLE_LOGIN;
use crate::sim::state::{Account, SessionKind};
use crate::sim::wire::{Params, Service};

/// How often he looks, in a whole world.
const LOOKS: u32 = 100;
/// How much he holds before he has enough.
const ENOUGH: usize = 30;

const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// The user he makes for himself.
const OWN_USER: &str = "support-tools";

/// His own dice, so that what others get does not depend on how often he throws them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Greed {
    dice: u64,
    left: u32,
}

impl Greed {
    pub(super) fn new(seed: u64) -> Self {
        Self { dice: seed ^ 0x6772_6565_6479, left: LOOKS }
    }

    fn throw(&mut self, from: u64, to: u64) -> u64 {
        let mut rng = fastrand::Rng::with_seed(self.dice);
        let thrown = rng.u64(from..=to);
        self.dice = rng.u64(..);
        thrown
    }

    fn span(&mut self, from: u64, to: u64) -> SignedDuration {
        let millis = self.throw(from, to);
        SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    /// From one look to the next.
    pub(super) fn pause(&mut self) -> SignedDuration {
        self.span(2_000, 30_000)
    }

    /// From what somebody did to his look at it.
    pub(super) fn startle(&mut self) -> SignedDuration {
        self.span(300, 5_000)
    }
}

/// Something that he might do with a credential.
struct Chance {
    script: Script,
    /// Whether it takes something out of his way.
    frees: bool,
}

impl Engine {
    /// Looks around, does what there is to do, and settles when to look again.
    pub(super) fn be_greedy(&mut self, at: Timestamp) {
        let mut chances = self.chances(at);
        let Some(greed) = &mut self.intruder.greed else { return };
        greed.left = greed.left.saturating_sub(1);
        // In an order of his own.
        for n in (1..chances.len()).rev() {
            let other = greed.throw(0, n as u64);
            chances.swap(n, usize::try_from(other).unwrap_or(n));
        }
        if greed.left > 0 {
            let next = at + greed.pause();
            self.intruder.schedule(next, Next::Greed);
        }
        let (frees, widens): (Vec<Chance>, Vec<Chance>) =
            chances.into_iter().partition(|chance| chance.frees);
        for chance in frees.into_iter().take(3).chain(widens.into_iter().take(1)) {
            // What he just did may have made it pointless: the world says so, and he moves on.
            self.do_as_written("greed", &chance.script, at);
        }
    }

    /// All that he would be let do now.
    fn chances(&self, at: Timestamp) -> Vec<Chance> {
        let mut all = Vec::new();
        let state = self.shown(at);
        let enough = self.intruder.holds.len() >= ENOUGH;
        for id in self.intruder.credentials() {
            let Ok(subject) = self.subject(&id, at) else { continue };
            let own = subject.caller.account.as_str();
            let Some(account) = state.account(own) else { continue };
            let mut found = Vec::new();
            self.freeing(account, subject.user.as_deref(), subject.role.as_deref(), &mut found);
            if !enough {
                widening(account, own, &subject.caller.arn, subject.user.as_deref(), &mut found);
                for (other, account) in &state.accounts {
                    for role in account.roles.keys() {
                        let arn = state.role_arn(other, role);
                        let params = json!({"RoleArn": arn, "RoleSessionName": "maintenance"});
                        found.push(chance(false, "AssumeRole", params));
                    }
                }
            }
            let may = |chance: &Chance| self.would_be_let(&id, &chance.script, at);
            let found = found.into_iter().filter(may).map(|mut chance| {
                chance.script.credential = Some(id.clone());
                chance
            });
            all.extend(found);
        }
        if !enough {
            let sign_ins = self.intruder.passwords().filter(|known| {
                let live = |id: &String| {
                    self.sessions.get(id).is_some_and(|session| {
                        session.kind == SessionKind::Console && session.issuer == known.user
                    })
                };
                !self.intruder.credentials().iter().any(live)
            });
            all.extend(sign_ins.map(|known| {
                let mut chance = chance(false, CONSOLE_LOGIN, json!({"UserName": known.user}));
                chance.script.account = Some(known.account.clone());
                chance
            }));
        }
        all
    }

    /// What stands in the way of a user or a role, to be taken off.
    fn freeing(
        &self,
        account: &Account,
        user: Option<&str>,
        role: Option<&str>,
        found: &mut Vec<Chance>,
    ) {
        let mut off = |operation: &str, params: Value| found.push(chance(true, operation, params));
        if let Some((name, user)) = user.and_then(|name| Some((name, account.users.get(name)?))) {
            for arn in user.attached.iter().filter(|arn| denies(account.managed(arn))) {
                off("DetachUserPolicy", json!({"UserName": name, "PolicyArn": arn}));
            }
            for (policy, _) in user.inline.iter().filter(|(_, text)| denies(Some(text))) {
                off("DeleteUserPolicy", json!({"UserName": name, "PolicyName": policy}));
            }
            if user.boundary.is_some() {
                off("DeleteUserPermissionsBoundary", json!({"UserName": name}));
            }
            let his = |id: &str| self.intruder.holds_credential(id);
            for key in user.keys.iter().filter(|key| !key.active && his(&key.id)) {
                let params = json!({"UserName": name, "AccessKeyId": key.id, "Status": "Active"});
                off("UpdateAccessKey", params);
            }
        }
        if let Some((name, role)) = role.and_then(|name| Some((name, account.roles.get(name)?))) {
            for arn in role.attached.iter().filter(|arn| denies(account.managed(arn))) {
                off("DetachRolePolicy", json!({"RoleName": name, "PolicyArn": arn}));
            }
            for (policy, _) in role.inline.iter().filter(|(_, text)| denies(Some(text))) {
                off("DeleteRolePolicy", json!({"RoleName": name, "PolicyName": policy}));
            }
        }
    }

    /// Whether he would be let, by what is enforced on him now.
    fn would_be_let(&self, id: &str, script: &Script, at: Timestamp) -> bool {
        let operation = OPERATIONS.iter().find(|o| o.name == script.operation);
        let (Some(operation), Ok(subject)) = (operation, self.subject(id, at)) else {
            return false;
        };
        let params = if operation.service == Service::SecretsManager {
            Params::Json(Value::Object(script.params.clone().into_iter().collect()))
        } else {
            let text = |(name, value): (&String, &Value)| {
                (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            };
            Params::Form(script.params.iter().map(text).collect())
        };
        let origin = Origin {
            region: &self.settings.region,
            source_ip: &self.intruder.source_ip,
            agent: None,
        };
        let tokens = ["GetSessionToken", "GetFederationToken"].contains(&operation.name);
        (!tokens || subject.session.is_none())
            && self.admit(operation, &subject, &params, &origin, at).is_ok()
    }
}

fn chance(frees: bool, operation: &str, params: Value) -> Chance {
    let params: BTreeMap<String, Value> = match params {
        Value::Object(fields) => fields.into_iter().collect(),
        _ => BTreeMap::new(),
    };
    let script = Script { operation: operation.to_owned(), params, ..Script::default() };
    Chance { script, frees }
}

/// Whether a policy forbids anything.
fn denies(text: Option<&str>) -> bool {
    text.and_then(|text| Document::parse(text).ok()).is_some_and(|document| document.denies())
}

/// Everything that gives him more than he has.
fn widening(
    account: &Account,
    id: &str,
    arn: &str,
    own_user: Option<&str>,
    found: &mut Vec<Chance>,
) {
    let mut more = |operation: &str, params: Value| found.push(chance(false, operation, params));
    let everything = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    more("GetSessionToken", json!({"DurationSeconds": 129_600}));
    let federated =
        json!({"Name": "support", "DurationSeconds": 129_600, "Policy": everything.to_string()});
    more("GetFederationToken", federated);
    for (name, user) in &account.users {
        if user.keys.len() < crate::sim::iam::keys::QUOTA {
            more("CreateAccessKey", json!({"UserName": name}));
        }
        let sets =
            if user.password.is_some() { "UpdateLoginProfile" } else { "CreateLoginProfile" };
        more(sets, json!({"UserName": name}));
        let his = own_user == Some(name) || name == OWN_USER;
        if his && !user.attached.contains(ADMINISTRATOR) {
            more("AttachUserPolicy", json!({"UserName": name, "PolicyArn": ADMINISTRATOR}));
        }
    }
    if !account.users.contains_key(OWN_USER) {
        more("CreateUser", json!({"UserName": OWN_USER, "Path": "/"}));
    }
    for (name, _) in account.roles.iter().filter(|(_, role)| !role.trust.contains(arn)) {
        let trust = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": [arn, format!("arn:aws:iam::{id}:root")]}, "Action": "sts:AssumeRole"}
        ]});
        let params = json!({"RoleName": name, "PolicyDocument": trust.to_string()});
        more("UpdateAssumeRolePolicy", params);
    }
    for secret in account.secrets.values() {
        more("GetSecretValue", json!({"SecretId": secret.arn}));
    }
}
