//! From a world file to a world in motion.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::engine::{Canary, Engine, LastUse, Moment, Settings};
use super::intruder::script::{self, HeldFile, Strategy};
use super::intruder::{self, Holding, Intruder};
use super::people::{Consumer, ReadValue, Reader};
use super::rotation::Rotator;
use super::signin::Known;
use super::state::{
    Account, Group, Key, ManagedPolicy, Password, Role, ServiceCredential, Session, SessionKind,
    State, StoredSecret, Uploaded, User, Version,
};
use super::targets::Target;
use super::world::{
    AccountFile, MfaFile, RoleFile, RotatorFile, SecretFile, StatusFile, UploadedFile, UserFile,
    World,
};
use crate::ids::PolicyName;

/// Builds the world. Its instants are moved so that the file's `now` is `now`.
pub(super) fn build(world: &World, now: Timestamp) -> Engine {
    let settings = Settings {
        lag: world.lag,
        read_lag: world.read_lag,
        latency: world.latency,
        clock_skew: world.clock_skew,
        rate_limit: world.rate_limit,
        page_size: world.page_size,
        region: world.region.clone(),
    };
    // Everything in the file was so long before anything happens.
    let past = now - SignedDuration::from_hours(24 * 365);
    let mut builder = Builder {
        engine: Engine::new(settings, world.seed, Moment { at: past, state: State::default() }),
        shift: now.duration_since(world.now),
        region: world.region.clone(),
        past,
    };
    let mut accounts = BTreeMap::new();
    for (id, file) in &world.accounts {
        accounts.insert(id.to_string(), builder.account(id.as_str(), file));
    }
    let mut genesis = Engine::new(
        builder.engine.settings.clone(),
        world.seed,
        Moment { at: past, state: State { accounts } },
    );
    genesis.adopt(builder.engine);
    let shift = builder.shift;
    sessions(world, &mut genesis, shift);
    responder(world, &mut genesis, now);
    genesis.consumers = world.consumers.iter().map(Consumer::of).collect();
    genesis.intruder = intruder(world, &genesis, now, shift);
    targets(world, &mut genesis);
    read_by_the_intruder(world, &mut genesis);
    genesis.refresh_targets(now);
    genesis.remote.clone_from(&world.remote);
    genesis
}

fn sessions(world: &World, engine: &mut Engine, shift: SignedDuration) {
    for file in &world.sessions {
        let account = &engine.newest().accounts[file.of.account.as_str()];
        let (issuer, issuer_id) = match (&file.of.user, &file.of.role) {
            (Some(user), _) => (user.to_string(), account.users[user.as_str()].id.clone()),
            (None, Some(role)) => (role.to_string(), account.roles[role.as_str()].id.clone()),
            (None, None) => unreachable!("checked when the world was read"),
        };
        let given = file.policies.as_ref().map(|list| list.iter().map(Value::to_string).collect());
        let policies = match file.kind {
            SessionKind::FederationToken => Some(given.unwrap_or_default()),
            _ => given,
        };
        let name = match (file.kind, file.name.as_str()) {
            (SessionKind::SessionToken | SessionKind::Console, _) => "",
            (_, "") => "session",
            (_, name) => name,
        };
        let session = Session {
            account: file.of.account.to_string(),
            kind: file.kind,
            issuer,
            issuer_id,
            name: name.to_owned(),
            issued_at: file.issued_at + shift,
            expires_at: file.expires_at + shift,
            mfa: file.mfa,
            policies,
        };
        engine.remember(Canary::Session(file.id.to_string()));
        engine.sessions.insert(file.id.to_string(), session);
    }
}

fn responder(world: &World, engine: &mut Engine, now: Timestamp) {
    let Some(responder) = &world.responder else { return };
    let Some(role) = &responder.role else {
        engine.responder = responder.key.as_ref().map(ToString::to_string);
        return;
    };
    let account = &engine.newest().accounts[responder.account.as_str()];
    let session = Session {
        account: responder.account.to_string(),
        kind: SessionKind::AssumeRole,
        issuer: role.to_string(),
        issuer_id: account.roles[role.as_str()].id.clone(),
        name: "portcullis".to_owned(),
        issued_at: now,
        expires_at: now + responder.lasts,
        mfa: true,
        policies: None,
    };
    let id = engine.new_id("ASIA");
    engine.remember(Canary::Session(id.clone()));
    engine.sessions.insert(id.clone(), session);
    engine.responder = Some(id);
}

fn intruder(world: &World, engine: &Engine, now: Timestamp, shift: SignedDuration) -> Intruder {
    let file = &world.intruder;
    let holding = |held: &HeldFile| match held {
        HeldFile::Credential(id) => Holding::Credential(id.to_string()),
        HeldFile::Password(known) => {
            let account = &engine.newest().accounts[known.account.as_str()];
            let password = account.users[known.password_of.as_str()].password.as_ref();
            Holding::Password(Known {
                account: known.account.to_string(),
                user: known.password_of.to_string(),
                value: password.expect("checked when the world was read").value.clone(),
                device: known.with_device,
            })
        }
    };
    let greedy = file.strategy == Strategy::Greedy;
    Intruder::of(
        file.holds.iter().map(holding).collect(),
        file.tries.clone(),
        file.source_ip.clone().unwrap_or_else(|| intruder::SOURCE_IP.to_owned()),
        script::reactions(file, now, shift),
        greedy.then_some(world.seed),
        now,
    )
}

fn targets(world: &World, engine: &mut Engine) {
    for (name, file) in &world.targets {
        let target = match (&file.account, &file.reads) {
            (Some(account), Some(secret)) => Target::Reads {
                reader: Reader::of(account, file.reader.as_ref(), None),
                secret: secret.to_string(),
                held: None,
            },
            _ => Target::Logins(
                file.logins
                    .iter()
                    .map(|(user, password)| (user.clone(), engine.seal("password", password)))
                    .collect(),
            ),
        };
        engine.targets.insert(name.clone(), target);
    }
}

fn read_by_the_intruder(world: &World, engine: &mut Engine) {
    for secret in &world.intruder.read {
        let accounts = engine.newest().accounts.values();
        let found = accounts.filter_map(|account| {
            let stored = account.secrets.get(secret.as_str())?;
            stored.versions[stored.holder_of("AWSCURRENT")?].value.clone()
        });
        let known: Vec<ReadValue> =
            found.map(|value| ReadValue { of: secret.to_string(), value }).collect();
        engine.intruder_knows.extend(known);
    }
}

impl Engine {
    /// As [`super::Cloud::sign_in_anew`].
    pub(super) fn sign_in_anew(&mut self, now: Timestamp) {
        let session = self.responder.as_ref().and_then(|id| self.sessions.get(id));
        let Some(ended) = session.filter(|session| session.expires_at <= now) else { return };
        let name = ended.name.clone();
        if let Some(id) = self.sign_in_as(&name, now) {
            self.responder = Some(id);
        }
    }

    /// As [`super::Cloud::sign_in_as`].
    pub(super) fn sign_in_as(&mut self, name: &str, now: Timestamp) -> Option<String> {
        let responder = self.responder.clone()?;
        let Some(session) = self.sessions.get(&responder).cloned() else {
            let (account, _) = self.newest().owner_of(&responder)?;
            return self.active_key_of(account, name);
        };
        if let Some(key) = self.active_key_of(&session.account, name) {
            return Some(key);
        }
        let is_user = self.newest().accounts[&session.account].users.contains_key(name);
        let fits = (2..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b));
        if is_user || !fits {
            return None;
        }
        let id = self.new_id("ASIA");
        self.remember(Canary::Session(id.clone()));
        let lasts = SignedDuration::from_hours(1);
        let session =
            Session { name: name.to_owned(), issued_at: now, expires_at: now + lasts, ..session };
        self.sessions.insert(id.clone(), session);
        Some(id)
    }

    fn active_key_of(&self, account: &str, user: &str) -> Option<String> {
        let user = self.newest().accounts.get(account)?.users.get(user)?;
        Some(user.keys.iter().find(|key| key.active)?.id.clone())
    }
}

struct Builder {
    engine: Engine,
    shift: SignedDuration,
    region: String,
    past: Timestamp,
}

fn rotator(file: &RotatorFile) -> Rotator {
    Rotator {
        arn: file.arn.to_string(),
        role: file.role.as_ref().map(ToString::to_string),
        behaviour: file.behaviour,
        first: file.first,
        takes: file.takes,
        target: file.target.clone(),
        users: file.users.clone(),
        enabled: file.enabled,
        begun: 0,
    }
}

fn texts(policies: &BTreeMap<PolicyName, Value>) -> BTreeMap<String, String> {
    policies.iter().map(|(name, policy)| (name.to_string(), policy.to_string())).collect()
}

impl Builder {
    fn instant(&self, given: Option<Timestamp>) -> Timestamp {
        given.map_or(self.past, |at| at + self.shift)
    }

    fn account(&mut self, id: &str, file: &AccountFile) -> Account {
        let mut account =
            Account { password_policy: file.password_policy.clone(), ..Account::default() };
        for (name, user) in &file.users {
            let user = self.user(user);
            account.users.insert(name.to_string(), user.into());
        }
        for (name, group) in &file.groups {
            let group = Group {
                id: self.engine.new_id("AGPA"),
                path: group.path.clone(),
                created_at: self.past,
                attached: group.attached.clone(),
                inline: texts(&group.inline),
            };
            account.groups.insert(name.clone(), group);
        }
        for (name, role) in &file.roles {
            let role = self.role(role);
            account.roles.insert(name.to_string(), role);
        }
        for (name, document) in &file.policies {
            let policy = ManagedPolicy {
                id: self.engine.new_id("ANPA"),
                created_at: self.past,
                document: document.to_string(),
            };
            account.policies.insert(format!("arn:aws:iam::{id}:policy/{name}"), policy);
        }
        for (name, secret) in &file.secrets {
            let secret = self.secret(id, name.as_str(), secret);
            account.secrets.insert(name.to_string(), secret);
        }
        account
    }

    fn user(&mut self, file: &UserFile) -> User {
        let id = self.engine.new_id("AIDA");
        let mut keys = Vec::new();
        for key in &file.keys {
            self.engine.remember(Canary::Key(key.id.to_string()));
            if let Some(at) = key.last_used_at {
                let last = LastUse {
                    at: at + self.shift,
                    service: key.last_used_service.clone().unwrap_or_else(|| "s3".to_owned()),
                    region: self.region.clone(),
                };
                self.engine.last_used.insert(key.id.to_string(), last);
            }
            keys.push(Key {
                id: key.id.to_string(),
                created_at: self.instant(key.created_at),
                active: key.status == StatusFile::Active,
            });
        }
        if let Some(at) = file.password.as_ref().and_then(|password| password.last_used_at) {
            self.engine.password_used.insert(id.clone(), at + self.shift);
        }
        let password = file.password.as_ref().map(|password| {
            let value = self.engine.new_uuid();
            Password {
                created_at: self.instant(password.created_at),
                reset_required: password.reset_required,
                value: self.engine.seal("password", &value),
                earlier: Vec::new(),
            }
        });
        let mut service_credentials = Vec::new();
        for given in &file.service_credentials {
            service_credentials.push(ServiceCredential {
                id: self.engine.new_id("ACCA"),
                service: given.service.clone(),
                service_user: self.engine.new_suffix(),
                created_at: self.past,
                active: given.status == StatusFile::Active,
            });
        }
        User {
            id,
            path: file.path.clone(),
            created_at: self.instant(file.created_at),
            keys,
            password,
            mfa: file.mfa.iter().map(|device| self.device(device)).collect(),
            service_credentials,
            ssh_keys: self.uploaded("APKA", &file.ssh_keys),
            certificates: self.uploaded("CERTIFICATE", &file.certificates),
            attached: file.attached.clone(),
            inline: texts(&file.inline),
            groups: file.groups.clone(),
            boundary: file.boundary.clone(),
            tags: file.tags.clone(),
        }
    }

    fn device(&self, file: &MfaFile) -> (String, Timestamp) {
        match file {
            MfaFile::Serial(serial) => (serial.clone(), self.past),
            MfaFile::Enabled { serial, enabled_at } => (serial.clone(), *enabled_at + self.shift),
        }
    }

    fn uploaded(&mut self, prefix: &str, files: &[UploadedFile]) -> Vec<Uploaded> {
        let mut all = Vec::new();
        for file in files {
            all.push(Uploaded {
                id: self.engine.new_id(prefix),
                body: file.body.clone(),
                created_at: self.past,
                active: file.status == StatusFile::Active,
            });
        }
        all
    }

    fn role(&mut self, file: &RoleFile) -> Role {
        Role {
            id: self.engine.new_id("AROA"),
            path: file.path.clone(),
            created_at: self.instant(file.created_at),
            trust: file.trust.to_string(),
            attached: file.attached.clone(),
            inline: texts(&file.inline),
            boundary: file.boundary.clone(),
            max_session: file.max_session.as_secs(),
            description: String::new(),
            tags: file.tags.clone(),
        }
    }

    fn secret(&mut self, account: &str, name: &str, file: &SecretFile) -> StoredSecret {
        let value = match &file.value {
            Value::String(text) => self.fill_in(text),
            Value::Object(fields) => {
                let filled: serde_json::Map<String, Value> = fields
                    .iter()
                    .map(|(field, value)| {
                        let value = match value {
                            Value::String(text) => Value::String(self.fill_in(text)),
                            other => other.clone(),
                        };
                        (field.clone(), value)
                    })
                    .collect();
                Value::Object(filled).to_string()
            }
            other => other.to_string(),
        };
        let arn = format!(
            "arn:aws:secretsmanager:{}:{account}:secret:{name}-{}",
            self.region,
            self.engine.new_suffix()
        );
        let created_at = self.instant(file.created_at);
        let version = Version {
            created_at,
            value: Some(self.engine.seal(name, &value)),
            binary: false,
            labels: BTreeSet::from(["AWSCURRENT".to_owned()]),
        };
        StoredSecret {
            arn,
            created_at,
            description: String::new(),
            versions: BTreeMap::from([(self.engine.new_uuid(), version)]),
            policy: file.policy.as_ref().map(Value::to_string),
            rotator: file.rotator.as_ref().map(rotator),
            owned_by: file.owned_by.clone(),
            tags: file.tags.clone(),
            deleted_at: None,
            gone_at: None,
        }
    }

    /// `@secret-of AKIA...` stands for the secret of that key.
    fn fill_in(&self, text: &str) -> String {
        match text.strip_prefix("@secret-of ") {
            Some(id) => self.engine.vault().secret_of(id).expose().to_owned(),
            None => text.to_owned(),
        }
    }
}
