//! What of a world does not fit together: who is named and not there, what stands twice, what cannot be so.
//!
//! Knows the file, and not where in its text anything stands: that is told by the keys that lead there.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::misfit::{Misfit, Misfits, Step};
use super::state::SessionKind;
use super::world::{
    AccountFile, ConsumerFile, ReaderFile, Responder, SecretFile, SessionFile, TargetFile, World,
};
use crate::ids::{AccountId, PolicyName, SecretId};
use crate::policy::Document;

impl World {
    /// What does not fit together in it.
    pub(super) fn misfits(&self) -> Vec<Misfit> {
        let mut found = Misfits::default();
        if self.world != 1 {
            let message = format!("world: {} is not a version this program knows", self.world);
            found.bad(&[&"world"], message);
        }
        super::bounds::check(self, &mut found);
        let mut ids: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (id, account) in &self.accounts {
            found.within(&[&"accounts", id], Some(format!("account {id}")), |found| {
                account.check(id.as_str(), found);
            });
            for (name, user) in &account.users {
                for (n, key) in user.keys.iter().enumerate() {
                    let path = [&"accounts" as Step<'_>, id, &"users", name, &"keys", &n, &"id"];
                    let why = format!("two keys have the id {}", key.id);
                    once(&mut ids, key.id.as_str(), &path, why, &mut found);
                }
            }
        }
        for (n, session) in self.sessions.iter().enumerate() {
            let why = format!("two credentials have the id {}", session.id);
            once(&mut ids, session.id.as_str(), &[&"sessions", &n, &"id"], why, &mut found);
            let about = Some(format!("session {}", session.id));
            found.within(&[&"sessions", &n], about, |found| self.check_session(session, found));
        }
        let ids: BTreeSet<&str> = ids.into_keys().collect();
        found.within(&[&"intruder"], Some("intruder".to_owned()), |found| {
            self.intruder.check(self, &ids, found);
            for secret in &self.intruder.read {
                if !self.accounts.values().any(|account| account.secrets.contains_key(secret)) {
                    let message = format!("there is no secret {secret} to have been read");
                    found.missing(&[&"read", secret], message);
                }
            }
        });
        for (name, target) in &self.targets {
            found.within(&[&"targets", name], Some(format!("target {name}")), |found| {
                self.check_target(target, found);
            });
        }
        for (id, account) in &self.accounts {
            for (name, secret) in &account.secrets {
                found.within(&[&"accounts", id, &"secrets", name, &"rotator"], None, |found| {
                    self.check_rotator(secret, found);
                });
            }
        }
        for (name, remote) in &self.remote {
            let Some(through) = &remote.account else { continue };
            found.within(&[&"remote", name], Some(format!("way in {name}")), |found| {
                self.account(through, &[&"account"], found);
                if self.responder.as_ref().is_some_and(|one| one.account == *through) {
                    found.bad(&[&"account"], "nobody else closes the responder's own account");
                }
            });
        }
        for (n, consumer) in self.consumers.iter().enumerate() {
            let about = Some(format!("consumer {}", consumer.name));
            found.within(&[&"consumers", &n], about, |found| {
                self.check_consumer(consumer, &ids, found);
            });
        }
        if let Some(responder) = &self.responder {
            found.within(&[&"responder"], Some("responder".to_owned()), |found| {
                self.check_responder(responder, found);
            });
        }
        found.into_all()
    }

    fn check_responder(&self, responder: &Responder, found: &mut Misfits) {
        let Some(account) = self.account(&responder.account, &[&"account"], found) else { return };
        let fits = match (&responder.role, &responder.key) {
            (Some(role), None) => account.roles.contains_key(role),
            (None, Some(key)) => {
                account.users.values().any(|u| u.keys.iter().any(|k| k.id == *key))
            }
            _ => false,
        };
        if !fits {
            let of = &responder.account;
            match (&responder.role, &responder.key) {
                (Some(role), None) => {
                    found.missing(&[&"role"], format!("account {of} has no role `{role}`"));
                }
                (None, Some(key)) => {
                    let message = format!("no user of account {of} has access key {key}");
                    found.missing(&[&"key"], message);
                }
                (Some(_), Some(_)) => {
                    found.bad(&[], "write `role` or `key`, and not both: Portcullis runs as one");
                }
                (None, None) => found.bad(
                    &[],
                    "it has neither `role`, a role of its account, nor `key`, an access key of one of its users",
                ),
            }
        }
    }

    fn account(
        &self,
        id: &AccountId,
        at: &[Step<'_>],
        found: &mut Misfits,
    ) -> Option<&AccountFile> {
        let account = self.accounts.get(id);
        if account.is_none() {
            found.missing(at, format!("there is no account {id}"));
        }
        account
    }

    fn check_session(&self, session: &SessionFile, found: &mut Misfits) {
        let account = self.account(&session.of.account, &[&"of", &"account"], found);
        let Some(account) = account else { return };
        if !session.id.as_str().starts_with("ASIA") {
            found.bad(&[&"id"], "the id of a session begins with ASIA");
        }
        for (n, policy) in session.policies.iter().flatten().enumerate() {
            if let Err(error) = Document::from_value(policy) {
                found.bad(&[&"policies", &n], error);
            }
        }
        match (session.kind, &session.of.user, &session.of.role) {
            (SessionKind::AssumeRole, None, Some(role)) => {
                if !account.roles.contains_key(role) {
                    found.missing(&[&"of", &"role"], format!("there is no role {role}"));
                }
            }
            (
                SessionKind::SessionToken | SessionKind::FederationToken | SessionKind::Console,
                Some(user),
                None,
            ) => {
                if !account.users.contains_key(user) {
                    found.missing(&[&"of", &"user"], format!("there is no user {user}"));
                }
            }
            _ => found.bad(&[&"of"], "assume-role is of a role, the other kinds are of a user"),
        }
    }

    fn check_target(&self, target: &TargetFile, found: &mut Misfits) {
        match (&target.account, &target.reader, &target.reads) {
            (None, None, None) if !target.logins.is_empty() => {}
            (Some(account), Some(reader), Some(secret)) if target.logins.is_empty() => {
                if let Some(account) = self.account(account, &[&"account"], found) {
                    account.check_reader(reader, secret, found);
                }
            }
            _ => found.bad(&[], "needs either `logins`, or `account`, `as` and `reads`"),
        }
    }

    fn check_rotator(&self, secret: &SecretFile, found: &mut Misfits) {
        let Some(rotator) = &secret.rotator else { return };
        found.within(&[], Some(format!("rotator {}", rotator.arn)), |found| {
            if rotator.target.as_ref().is_some_and(|target| !self.targets.contains_key(target)) {
                found.missing(&[&"target"], "its target is not among `targets`");
            }
            if !matches!(rotator.users.len(), 0 | 2) {
                found.bad(&[&"users"], "`users` are two that take turns, or left out");
            }
        });
    }

    fn check_consumer(&self, consumer: &ConsumerFile, keys: &BTreeSet<&str>, found: &mut Misfits) {
        let account = self.account(&consumer.account, &[&"account"], found);
        let Some(account) = account else { return };
        if let Some(target) = &consumer.logs_in_to
            && !self.targets.contains_key(target)
        {
            found.missing(&[&"logs_in_to"], format!("there is no target {target}"));
        }
        if consumer.logs_in_to.is_some() && consumer.key.is_some() {
            found.bad(&[&"key"], "a key signs in to nothing");
            return;
        }
        match (&consumer.key, &consumer.reader, &consumer.reads) {
            (Some(key), None, None) => {
                if !keys.contains(key.as_str()) {
                    found.missing(&[&"key"], format!("its key {key} exists nowhere"));
                }
            }
            (None, Some(reader), Some(secret)) => account.check_reader(reader, secret, found),
            (None, Some(ReaderFile { role: Some(role), user: None }), None) => {
                if !account.roles.contains_key(role) {
                    found.missing(&[&"as", &"role"], format!("there is no role {role}"));
                }
            }
            _ => {
                found.bad(&[], "needs either `key`, or `as` and `reads`, or `as` with a role");
            }
        }
    }
}

/// Says of an id that it stands a second time, and where it stood first.
fn once<'w>(
    ids: &mut BTreeMap<&'w str, Vec<String>>,
    id: &'w str,
    at: &[Step<'_>],
    why: String,
    found: &mut Misfits,
) {
    let path = found.path(at);
    match ids.entry(id) {
        Entry::Vacant(new) => drop(new.insert(path)),
        Entry::Occupied(first) => found.twice(at, first.get().clone(), why),
    }
}

impl AccountFile {
    fn check_reader(&self, reader: &ReaderFile, secret: &SecretId, found: &mut Misfits) {
        if !self.secrets.contains_key(secret) {
            found.missing(&[&"reads"], format!("there is no secret {secret}"));
        }
        match (&reader.role, &reader.user) {
            (Some(role), None) if self.roles.contains_key(role) => {}
            (None, Some(user)) if self.users.contains_key(user) => {}
            (role, user) => {
                let message = "`as` needs a role or a user of its account";
                match (role, user) {
                    (Some(_), None) => found.missing(&[&"as", &"role"], message),
                    (None, Some(_)) => found.missing(&[&"as", &"user"], message),
                    _ => found.bad(&[&"as"], message),
                }
            }
        }
    }

    fn check(&self, id: &str, found: &mut Misfits) {
        sound("policies", &self.policies, found);
        if self.password_policy.as_ref().is_some_and(|p| !(6..=128).contains(&p.minimum_length)) {
            let message = "password_policy: a password has at least 6 to 128 characters";
            found.bad(&[&"password_policy"], message);
        }
        let known = |key: &str, arn: &String, found: &mut Misfits| {
            if !self.knows_policy(id, arn) {
                found.missing(&[&key, arn], format!("there is no policy {arn}"));
            }
        };
        for (name, user) in &self.users {
            found.within(&[&"users", name], Some(format!("user {name}")), |found| {
                sound("inline", &user.inline, found);
                user.attached.iter().for_each(|arn| known("attached", arn, found));
                user.boundary.iter().for_each(|arn| known("boundary", arn, found));
                if user.keys.len() > 2 {
                    found.bad(&[&"keys"], "a user has at most two keys");
                }
                for group in user.groups.iter().filter(|one| !self.groups.contains_key(*one)) {
                    found.missing(&[&"groups", group], format!("there is no group {group}"));
                }
            });
        }
        for (name, group) in &self.groups {
            found.within(&[&"groups", name], Some(format!("group {name}")), |found| {
                sound("inline", &group.inline, found);
                group.attached.iter().for_each(|arn| known("attached", arn, found));
            });
        }
        for (name, role) in &self.roles {
            found.within(&[&"roles", name], Some(format!("role {name}")), |found| {
                sound("inline", &role.inline, found);
                role.attached.iter().for_each(|arn| known("attached", arn, found));
                role.boundary.iter().for_each(|arn| known("boundary", arn, found));
                if let Err(error) = Document::from_value(&role.trust) {
                    found.bad(&[&"trust"], format!("trust: {error}"));
                }
            });
        }
        for (name, secret) in &self.secrets {
            if let Some(Err(error)) = secret.policy.as_ref().map(Document::from_value) {
                found.bad(&[&"secrets", name, &"policy"], format!("secret {name}: {error}"));
            }
        }
    }

    fn knows_policy(&self, id: &str, arn: &str) -> bool {
        super::managed::document(arn).is_some()
            || arn
                .strip_prefix(&format!("arn:aws:iam::{id}:policy/"))
                .and_then(|name| PolicyName::parse(name).ok())
                .is_some_and(|name| self.policies.contains_key(&name))
    }
}

/// Every policy of a mapping is one.
fn sound(key: &str, policies: &BTreeMap<PolicyName, Value>, found: &mut Misfits) {
    for (name, policy) in policies {
        if let Err(error) = Document::from_value(policy) {
            found.bad(&[&key, name], format!("policy {name}: {error}"));
        }
    }
}
