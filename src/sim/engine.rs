//! The world in motion: its past, as far as anybody still sees it, and what is not part of it.
//!
//! A change is made to the newest moment. Enforcement looks at the world as it was `lag` ago and
//! reading as it was `read_lag` ago, so every moment younger than that is kept.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::audit::AuditEvent;
use super::faults::Fault;
use super::intruder::Intruder;
use super::people::{Consumer, HeldValue, ReadKey, ReadValue};
use super::remote::Remote;
use super::rotation::Rotation;
use super::state::{Account, Session, State};
use super::targets::Target;
use super::vault::{Sealed, Vault};
use crate::secret::Secret;

/// How the cloud behaves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) lag: SignedDuration,
    pub(super) read_lag: SignedDuration,
    pub(super) latency: SignedDuration,
    pub(super) clock_skew: SignedDuration,
    pub(super) rate_limit: Option<u32>,
    pub(super) page_size: usize,
    pub(super) region: String,
}

/// The world as it was from `at` until the next moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    pub(super) state: State,
}

/// When and for what a key was last used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LastUse {
    pub(super) at: Timestamp,
    pub(super) service: String,
    pub(super) region: String,
}

/// Tokens, of which every request takes one. Filled all the time, at the rate, up to a second's worth.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Bucket {
    pub(super) fn full(rate: u32, at: Timestamp) -> Self {
        Self { tokens: rate.into(), at }
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, rate: u32, now: Timestamp) -> bool {
        let passed = now.duration_since(self.at).as_secs_f64().max(0.0);
        let rate = f64::from(rate);
        self.tokens = (self.tokens + passed * rate).min(rate);
        self.at = self.at.max(now);
        // What a whole number of tokens adds up to must not be missed by a rounding.
        let admitted = self.tokens >= 1.0 - 1e-9;
        if admitted {
            self.tokens -= 1.0;
        }
        admitted
    }
}

/// Where a secret comes from that somebody may have seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Canary {
    /// The secret of a long-lived key.
    Key(String),
    /// Secret and token of a session.
    Session(String),
    /// A value that was given to the cloud, or made by it.
    Value(Sealed),
}

/// Everything there is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Engine {
    pub(super) settings: Settings,
    pub(super) seed: u64,
    /// State of the generator that ids come from.
    dice: u64,
    history: Vec<Moment>,
    pub(super) sessions: BTreeMap<String, Session>,
    pub(super) last_used: BTreeMap<String, LastUse>,
    /// When somebody last signed in with a user's password, by the user's unique id.
    #[serde(default)]
    pub(super) password_used: BTreeMap<String, Timestamp>,
    pub(super) audit: Vec<AuditEvent>,
    pub(super) canaries: Vec<Canary>,
    pub(super) requests: u64,
    /// The number of the last of them that was answered.
    pub(super) answered: u64,
    pub(super) refused: BTreeSet<(String, String)>,
    /// What each service still admits, by account and service.
    #[serde(default)]
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) responder: Option<String>,
    pub(super) consumers: Vec<Consumer>,
    /// What consumers read earlier and still hold, by name.
    pub(super) held: BTreeMap<String, ReadKey>,
    pub(super) intruder: Intruder,
    /// Values that the intruder has read.
    #[serde(default)]
    pub(super) intruder_knows: Vec<ReadValue>,
    /// What takes the passwords in secrets, by name.
    #[serde(default)]
    pub(super) targets: BTreeMap<String, Target>,
    /// Rotations under way.
    #[serde(default)]
    pub(super) rotations: Vec<Rotation>,
    /// Values that consumers read earlier and still hold, by name.
    #[serde(default)]
    pub(super) held_values: BTreeMap<String, HeldValue>,
    /// Ways in that lie outside, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) remote: BTreeMap<String, Remote>,
    /// The credential that the request under way has handed out.
    #[serde(skip)]
    pub(super) minted: Option<String>,
    #[serde(skip)]
    pub(super) faults: BTreeMap<u64, Fault>,
}

impl Engine {
    pub(super) fn new(settings: Settings, seed: u64, genesis: Moment) -> Self {
        Self {
            settings,
            seed,
            dice: seed,
            history: vec![genesis],
            sessions: BTreeMap::new(),
            last_used: BTreeMap::new(),
            password_used: BTreeMap::new(),
            audit: Vec::new(),
            canaries: Vec::new(),
            requests: 0,
            answered: 0,
            refused: BTreeSet::new(),
            buckets: BTreeMap::new(),
            responder: None,
            consumers: Vec::new(),
            held: BTreeMap::new(),
            intruder: Intruder::default(),
            intruder_knows: Vec::new(),
            targets: BTreeMap::new(),
            rotations: Vec::new(),
            held_values: BTreeMap::new(),
            remote: BTreeMap::new(),
            minted: None,
            faults: BTreeMap::new(),
        }
    }

    pub(super) fn vault(&self) -> Vault {
        Vault { seed: self.seed }
    }

    fn seen_after(&self, lag: SignedDuration, now: Timestamp) -> &State {
        let visible = |moment: &&Moment| now.duration_since(moment.at) >= lag;
        let moment = self.history.iter().rev().find(visible).or_else(|| self.history.first());
        &moment.expect("there is always a first moment").state
    }

    /// The world as it is.
    pub(super) fn newest(&self) -> &State {
        &self.history.last().expect("there is always a first moment").state
    }

    /// The world as the control plane shows it.
    pub(super) fn shown(&self, now: Timestamp) -> &State {
        self.seen_after(self.settings.read_lag, now)
    }

    /// The world as it is enforced.
    pub(super) fn enforced(&self, now: Timestamp) -> &State {
        self.seen_after(self.settings.lag, now)
    }

    /// The newest moment, to be changed.
    pub(super) fn edit(&mut self, now: Timestamp) -> &mut State {
        let longest = self.settings.lag.max(self.settings.read_lag);
        // Whatever comes before a moment that all can see is seen by nobody.
        let forgotten = self
            .history
            .iter()
            .rposition(|moment| now.duration_since(moment.at) >= longest)
            .unwrap_or(0);
        self.history.drain(..forgotten);
        let newest = self.history.last().expect("the last moment is never forgotten");
        if newest.at < now || self.history.len() == 1 {
            let state = newest.state.clone();
            self.history.push(Moment { at: now, state });
        }
        &mut self.history.last_mut().expect("there is always a moment").state
    }

    /// An id of 20 or 21 characters with the given beginning.
    pub(super) fn new_id(&mut self, prefix: &str) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut rng = fastrand::Rng::with_seed(self.dice);
        let tail: String = (0..16).map(|_| char::from(ALPHABET[rng.usize(..32)])).collect();
        self.dice = rng.u64(..);
        format!("{prefix}{tail}")
    }

    /// An id in the shape of a UUID.
    pub(super) fn new_uuid(&mut self) -> String {
        let mut rng = fastrand::Rng::with_seed(self.dice);
        let (high, low) = (rng.u64(..), rng.u64(..));
        self.dice = rng.u64(..);
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48) & 0x3fff,
            low & 0xffff_ffff_ffff
        )
    }

    /// A password of these characters.
    pub(super) fn new_password(&mut self, alphabet: &[char], length: usize) -> String {
        let mut rng = fastrand::Rng::with_seed(self.dice);
        let password = (0..length).map(|_| alphabet[rng.usize(..alphabet.len())]).collect();
        self.dice = rng.u64(..);
        password
    }

    /// Six letters, as they stand at the end of a secret's ARN.
    pub(super) fn new_suffix(&mut self) -> String {
        let mut rng = fastrand::Rng::with_seed(self.dice);
        let suffix = (0..6).map(|_| rng.alphanumeric()).collect();
        self.dice = rng.u64(..);
        suffix
    }

    /// Remembers a value as a secret, and seals it.
    pub(super) fn seal(&mut self, place: &str, value: &str) -> Sealed {
        let sealed = self.vault().seal(place, value);
        self.remember(Canary::Value(sealed.clone()));
        sealed
    }

    pub(super) fn remember(&mut self, canary: Canary) {
        if !self.canaries.contains(&canary) {
            self.canaries.push(canary);
        }
    }

    /// Every secret that this world ever made or was given.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let vault = self.vault();
        let mut secrets = Vec::new();
        for canary in &self.canaries {
            match canary {
                Canary::Key(id) => secrets.push(vault.secret_of(id)),
                Canary::Session(id) => secrets.extend([vault.secret_of(id), vault.token_of(id)]),
                Canary::Value(sealed) => secrets.extend(vault.open(sealed)),
            }
        }
        secrets
    }
}

impl State {
    /// An account, if there is one.
    pub(super) fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// The account and name of the user that has a key.
    pub(super) fn owner_of(&self, key: &str) -> Option<(&str, &str)> {
        self.accounts.iter().find_map(|(account, a)| {
            let owner = a.users.iter().find(|(_, u)| u.keys.iter().any(|k| k.id == key))?;
            Some((account.as_str(), owner.0.as_str()))
        })
    }
}

impl Account {
    /// The document of a managed policy, AWS's or the account's own.
    pub(super) fn managed(&self, arn: &str) -> Option<&str> {
        super::managed::document(arn)
            .or_else(|| self.policies.get(arn).map(|p| p.document.as_str()))
    }
}

impl Engine {
    /// Takes over what building the first moment brought about.
    pub(super) fn adopt(&mut self, builder: Engine) {
        self.dice = builder.dice;
        self.last_used = builder.last_used;
        self.password_used = builder.password_used;
        self.canaries = builder.canaries;
    }
}
