//! Who lives in the world: consumers that depend on credentials.
//!
//! None is asked how it fares: what it holds is tried, against the world as it is enforced.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::engine::Engine;
use super::gatekeeper::{Dead, Subject, sentence};
use super::secrets;
use super::state::{Session, SessionKind, State};
use super::sts::role_of_arn;
use super::vault::Sealed;
use super::world::{ConsumerFile, Need, ReaderFile};
use crate::ids::AccountId;
use crate::policy::{Decision, Denial, Request};
use crate::secret::Secret;

/// Where requests come from that do not come over a network.
pub(super) const SOURCE_IP: &str = "192.0.2.10";

/// Somebody who depends on a credential.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Consumer {
    name: String,
    account: String,
    source: Source,
    needs: Vec<Need>,
    /// What it signs in to with what it reads.
    #[serde(default)]
    logs_in_to: Option<String>,
    rightful: bool,
    source_ip: String,
    #[serde(default)]
    source_vpc: Option<String>,
}

/// Where a request comes from: the internet, or a VPC through an endpoint in it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Network<'a> {
    Address(&'a str),
    Vpc(&'a str),
}

impl<'a> Network<'a> {
    fn of(source_ip: &'a str, source_vpc: Option<&'a str>) -> Self {
        source_vpc.map_or(Self::Address(source_ip), Self::Vpc)
    }
}

/// As whom a secret is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Reader {
    pub(super) account: String,
    pub(super) role: Option<String>,
    pub(super) user: Option<String>,
    source_ip: String,
    #[serde(default)]
    source_vpc: Option<String>,
}

impl Reader {
    pub(super) fn of(
        account: &AccountId,
        file: Option<&ReaderFile>,
        source_ip: Option<&str>,
    ) -> Self {
        Self {
            account: account.to_string(),
            role: file.and_then(|file| file.role.as_ref()).map(ToString::to_string),
            user: file.and_then(|file| file.user.as_ref()).map(ToString::to_string),
            source_ip: source_ip.unwrap_or(SOURCE_IP).to_owned(),
            source_vpc: None,
        }
    }

    fn network(&self) -> Network<'_> {
        Network::of(&self.source_ip, self.source_vpc.as_deref())
    }
}

/// A value that a consumer read and holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct HeldValue {
    value: Sealed,
    at: Timestamp,
}

/// A value that the intruder has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReadValue {
    /// Of which secret, in words.
    pub(super) of: String,
    pub(super) value: Sealed,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Source {
    /// A key that was given by hand.
    Key(String),
    /// A secret, read as a user or a role of its account.
    Secret { reader: Reader, secret: String, refreshed: Option<SignedDuration> },
    /// Sessions of a role that it works as.
    Role { role: String, refreshed: Option<SignedDuration> },
}

/// What a consumer read and holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ReadKey {
    id: String,
    /// Whether the secret that came with the id is its own.
    matches: bool,
    at: Timestamp,
}

/// How a consumer fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConsumerState {
    /// Its name.
    pub name: String,
    /// Whether everything it needs is allowed to it now.
    pub works: bool,
    /// What is in the way.
    pub why: Option<String>,
    /// The key it uses.
    pub key: Option<String>,
    /// Whether the file says that it should work in the end.
    pub rightful: bool,
}

/// What came of trying an action with a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Probe {
    /// It would be done.
    Allowed,
    /// Refused, with AWS's sentence.
    Denied(String),
    /// The credential itself is no good, with AWS's code.
    Dead(&'static str),
}

impl Consumer {
    pub(super) fn of(file: &ConsumerFile) -> Self {
        let role = file.reader.as_ref().and_then(|reader| reader.role.as_ref());
        let source = match (&file.key, &file.reads, role) {
            (Some(key), ..) => Source::Key(key.to_string()),
            (None, None, Some(role)) => {
                Source::Role { role: role.to_string(), refreshed: file.refreshed }
            }
            (None, secret, _) => Source::Secret {
                reader: Reader {
                    source_vpc: file.source_vpc.as_ref().map(ToString::to_string),
                    ..Reader::of(&file.account, file.reader.as_ref(), file.source_ip.as_deref())
                },
                secret: secret.as_ref().map(ToString::to_string).unwrap_or_default(),
                refreshed: file.refreshed,
            },
        };
        Self {
            name: file.name.clone(),
            account: file.account.to_string(),
            source,
            needs: file.needs.clone(),
            logs_in_to: file.logs_in_to.clone(),
            rightful: file.rightful,
            source_ip: file.source_ip.clone().unwrap_or_else(|| SOURCE_IP.to_owned()),
            source_vpc: file.source_vpc.as_ref().map(ToString::to_string),
        }
    }

    fn network(&self) -> Network<'_> {
        Network::of(&self.source_ip, self.source_vpc.as_deref())
    }

    pub(super) fn is_in(&self, account: &str) -> bool {
        self.account == account
    }

    pub(super) fn needs(&self) -> &[Need] {
        &self.needs
    }
}

impl Engine {
    /// Tries an action with a credential, from somewhere if that is given.
    pub(super) fn probe(
        &self,
        id: &str,
        need: &Need,
        from: Option<Network<'_>>,
        now: Timestamp,
    ) -> Probe {
        match self.subject(id, now) {
            Ok(subject) => self.try_as(&subject, need, from, now),
            Err(Dead::Invalid) => Probe::Dead("InvalidClientTokenId"),
            Err(Dead::Expired) => Probe::Dead("ExpiredToken"),
        }
    }

    pub(super) fn try_as(
        &self,
        subject: &Subject,
        need: &Need,
        from: Option<Network<'_>>,
        now: Timestamp,
    ) -> Probe {
        let own = &subject.caller.account;
        let (action, resource) = (need.action.as_str(), need.resource.as_str());
        let operation = action.split_once(':').map_or("", |(_, name)| name);
        if action.starts_with("iam:") && !subject.may_call_iam() {
            return Probe::Dead("InvalidClientTokenId");
        }
        if let Some(session) = &subject.session {
            let minting = matches!(operation, "GetSessionToken" | "GetFederationToken");
            let assuming =
                operation == "AssumeRole" && session.kind == SessionKind::FederationToken;
            if action.starts_with("sts:") && (minting || assuming) {
                return Probe::Denied(format!("Cannot call {operation} with session credentials"));
            }
        }
        let owner = resource.split(':').nth(4).filter(|a| !a.is_empty()).unwrap_or(own);
        let state = self.enforced(now);
        let policy = if operation == "AssumeRole" {
            let role = role_of_arn(resource)
                .and_then(|(account, name)| state.account(account)?.roles.get(name));
            role.map(|r| r.trust.clone())
        } else {
            state
                .account(owner)
                .and_then(|a| a.secrets.values().find(|s| s.arn == resource))
                .and_then(|s| s.policy.clone())
        };
        let mut context = self.context(subject, now);
        match from {
            Some(Network::Address(address)) => context.set("aws:SourceIp", address),
            Some(Network::Vpc(vpc)) => context.set("aws:SourceVpc", vpc),
            None => {}
        }
        let asked = Request {
            caller: &subject.caller,
            action,
            resource,
            resource_account: owner,
            context: &context,
        };
        match self.decide(subject, &asked, policy.as_deref(), now) {
            Decision::Allowed { .. } => Probe::Allowed,
            Decision::Denied(denial) => {
                let explicit = matches!(denial, Denial::Explicit { .. });
                if operation == "GetSessionToken" && !explicit {
                    return Probe::Allowed;
                }
                Probe::Denied(sentence(subject, action, resource, &denial))
            }
        }
    }

    pub(super) fn consumer_states(&mut self, now: Timestamp) -> Vec<ConsumerState> {
        let consumers = self.consumers.clone();
        consumers.iter().map(|consumer| self.consumer_state(consumer, now)).collect()
    }

    fn consumer_state(&mut self, consumer: &Consumer, now: Timestamp) -> ConsumerState {
        let mut state = ConsumerState {
            name: consumer.name.clone(),
            works: false,
            why: None,
            key: None,
            rightful: consumer.rightful,
        };
        if let Some(target) = &consumer.logs_in_to {
            let signed_in =
                self.held_value(consumer, now).and_then(|value| self.accepts(target, &value, now));
            state.works = signed_in.is_ok();
            state.why = signed_in.err();
            return state;
        }
        let from = Some(consumer.network());
        let refused = |try_one: &dyn Fn(&Need) -> Probe, what: &str| {
            consumer.needs.iter().find_map(|need| match try_one(need) {
                Probe::Allowed => None,
                Probe::Denied(why) => Some(why),
                Probe::Dead(code) => Some(format!("{what} is not accepted: {code}")),
            })
        };
        let key = match &consumer.source {
            Source::Key(id) => Ok(id.clone()),
            Source::Secret { .. } => self.held_key(consumer, now),
            Source::Role { role, refreshed } => {
                let since = self.session_since(&consumer.name, *refreshed, now);
                let session = self.session_of(&consumer.account, role, since);
                let subject = Self::subject_of_session(self.enforced(now), "", &session);
                state.why = match subject {
                    Some(who) => refused(&|need| self.try_as(&who, need, from, now), "it"),
                    None => Some(format!("its role {role} is gone")),
                };
                state.works = state.why.is_none();
                return state;
            }
        };
        match key {
            Err(why) => state.why = Some(why),
            Ok(key) => {
                state.why = refused(&|need| self.probe(&key, need, from, now), &key);
                state.works = state.why.is_none();
                state.key = Some(key);
            }
        }
        state
    }

    /// Since when a consumer has the session that it works with, got anew where that is due.
    fn session_since(
        &mut self,
        consumer: &str,
        refreshed: Option<SignedDuration>,
        now: Timestamp,
    ) -> Timestamp {
        let held = self.held.get(consumer).map(|held| held.at);
        let fresh =
            held.filter(|at| refreshed.is_some_and(|every| now.duration_since(*at) < every));
        let at = fresh.unwrap_or(now);
        let session = ReadKey { id: String::new(), matches: true, at };
        self.held.insert(consumer.to_owned(), session);
        at
    }

    /// A session of a role as its own workloads have it.
    fn session_of(&self, account: &str, role: &str, issued_at: Timestamp) -> Session {
        let found = self.newest().account(account).and_then(|a| a.roles.get(role));
        Session {
            account: account.to_owned(),
            kind: SessionKind::AssumeRole,
            issuer: role.to_owned(),
            issuer_id: found.map(|r| r.id.clone()).unwrap_or_default(),
            name: "consumer".to_owned(),
            issued_at,
            expires_at: issued_at + SignedDuration::from_hours(1),
            mfa: false,
            policies: None,
        }
    }

    /// The key that a consumer holds, read anew where it is due.
    fn held_key(&mut self, consumer: &Consumer, now: Timestamp) -> Result<String, String> {
        let Source::Secret { reader, secret, refreshed } = &consumer.source else {
            unreachable!("asked only of consumers that read");
        };
        let held = self.held.get(&consumer.name);
        let fresh =
            held.filter(|h| refreshed.is_some_and(|every| now.duration_since(h.at) < every));
        let key = match fresh {
            Some(held) => held.clone(),
            None => self.read_key(reader, secret, now)?,
        };
        self.held.insert(consumer.name.clone(), key.clone());
        if key.matches {
            Ok(key.id)
        } else {
            Err(format!("the secret in {secret} is not that of {}", key.id))
        }
    }

    /// The value that a consumer holds, read anew where it is due.
    fn held_value(&mut self, consumer: &Consumer, now: Timestamp) -> Result<Secret, String> {
        let Source::Secret { reader, secret, refreshed } = &consumer.source else {
            return Err("a key signs in to nothing".to_owned());
        };
        let held = self.held_values.get(&consumer.name);
        let fresh =
            held.filter(|h| refreshed.is_some_and(|every| now.duration_since(h.at) < every));
        if let Some(value) = fresh.and_then(|held| self.vault().open(&held.value)) {
            return Ok(value);
        }
        let value = self.read_value(reader, secret, now)?;
        let sealed = self.vault().seal(&consumer.name, value.expose());
        self.held_values.insert(consumer.name.clone(), HeldValue { value: sealed, at: now });
        Ok(value)
    }

    fn reader(state: &State, reader: &Reader, now: Timestamp) -> Option<Subject> {
        let account = reader.account.as_str();
        let Some(role) = &reader.role else {
            return Self::subject_of_user(state, account, reader.user.as_deref()?);
        };
        let issuer_id = state.account(account).and_then(|a| a.roles.get(role));
        let session = Session {
            account: account.to_owned(),
            kind: SessionKind::AssumeRole,
            issuer: role.clone(),
            issuer_id: issuer_id.map(|r| r.id.clone()).unwrap_or_default(),
            name: "consumer".to_owned(),
            issued_at: now,
            expires_at: now + SignedDuration::from_hours(1),
            mfa: false,
            policies: None,
        };
        Self::subject_of_session(state, "", &session)
    }

    /// Whether a role of an account may do something, and if not, why.
    pub(super) fn may_as_role(
        &self,
        account: &str,
        role: &str,
        action: &str,
        resource: &str,
        now: Timestamp,
    ) -> Result<(), String> {
        let reader = Reader {
            account: account.to_owned(),
            role: Some(role.to_owned()),
            user: None,
            source_ip: SOURCE_IP.to_owned(),
            source_vpc: None,
        };
        let subject = Self::reader(self.enforced(now), &reader, now).ok_or("the role is gone")?;
        let need = Need { action: action.to_owned(), resource: resource.to_owned() };
        match self.try_as(&subject, &need, Some(reader.network()), now) {
            Probe::Allowed => Ok(()),
            Probe::Denied(why) => Err(why),
            Probe::Dead(code) => Err(code.to_owned()),
        }
    }

    fn read_key(&self, reader: &Reader, secret: &str, now: Timestamp) -> Result<ReadKey, String> {
        let value = self.read_value(reader, secret, now)?;
        let fields: Value = serde_json::from_str(value.expose())
            .map_err(|_| format!("what is in {secret} is not JSON"))?;
        let field = |name: &str| fields.get(name).and_then(Value::as_str);
        let (id, given) = field("access_key_id")
            .zip(field("secret_access_key"))
            .ok_or_else(|| format!("what is in {secret} is no access key"))?;
        let matches = self.vault().secret_of(id).expose() == given;
        Ok(ReadKey { id: id.to_owned(), matches, at: now })
    }

    /// The current value of a secret, as somebody reads it.
    pub(super) fn read_value(
        &self,
        reader: &Reader,
        secret: &str,
        now: Timestamp,
    ) -> Result<Secret, String> {
        let subject = Self::reader(self.enforced(now), reader, now).ok_or("its reader is gone")?;
        let account = reader.account.as_str();
        let region = self.settings.region.clone();
        let newest = self.newest();
        let (owner, name) = secrets::locate(newest, account, &region, secret, now)
            .ok_or_else(|| format!("there is no secret {secret}"))?;
        let stored = &newest.accounts[&owner].secrets[&name];
        let need = Need {
            action: "secretsmanager:GetSecretValue".to_owned(),
            resource: stored.arn.clone(),
        };
        match self.try_as(&subject, &need, Some(reader.network()), now) {
            Probe::Allowed => {}
            Probe::Denied(why) => return Err(why),
            Probe::Dead(code) => return Err(format!("its reader is not accepted: {code}")),
        }
        if stored.deleted_at.is_some() {
            return Err(format!("{secret} waits to be deleted"));
        }
        stored
            .holder_of("AWSCURRENT")
            .and_then(|id| self.vault().open(stored.versions[id].value.as_ref()?))
            .ok_or_else(|| format!("{secret} has no current value"))
    }
}
