//! The rehearsal cloud: IAM, STS, Secrets Manager and the account's log, with people who depend on them and an intruder.
//!
//! A cloud, not a mock. The real SDK talks to it ([`Cloud::http_client`]), and so does anybody's
//! client on loopback ([`Cloud::serve`]); signatures are verified, policies are enforced, enforcement
//! trails every change, sessions outlive the keys that minted them, and requests can be made to go
//! wrong at will ([`Cloud::set_faults`]). Tests judge the world it ends in: [`Cloud::snapshot`],
//! [`Cloud::consumers`], [`Cloud::intruder_reach`], [`Cloud::audit`].
//!
//! An intruder acts in it, at instants of his own, whenever somebody looks ([`Cloud::intruder_deeds`]).
//!
//! A [`World`] is read from a file; a [`Cloud`] is a world in motion. All time comes from its clock and
//! all chance from its seed, so the same requests give the same bytes. What it saves
//! ([`Cloud::save`]) shows no secret. What it does not model is in [`NOT_MODELLED`].
//! It knows nothing of playbooks, plans or runs. It fails only where a world or a saved state does
//! not read; everything else is an answer over HTTP.

mod audit;
mod bounds;
mod call;
mod doors;
mod engine;
mod faults;
mod fits;
mod front;
mod gatekeeper;
mod genesis;
mod iam;
mod intruder;
mod lines;
mod managed;
mod misfit;
mod objections;
mod operations;
mod people;
mod places;
mod remote;
mod rotation;
mod said;
mod secrets;
mod signature;
mod signin;
mod snapshot;
mod spelling;
mod state;
mod sts;
mod targets;
mod text;
mod trail;
mod vault;
mod wire;
mod world;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

pub use audit::AuditEvent;
pub use faults::Fault;
pub use intruder::Reach;
pub use intruder::deed::Deed;
pub use objections::PlacedInput;
pub use operations::{OPERATIONS, Operation};
pub use people::{ConsumerState, Probe};
pub use remote::Remote;
pub use snapshot::Snapshot;
pub use text::LONGEST as LONGEST_WORLD;
pub use wire::Service;
pub use world::{Need, World, WorldError};

use crate::clock::Clock;
use crate::ids::AccessKeyId;
use crate::secret::Secret;
use engine::Engine;
use wire::{Incoming, Outgoing};

/// What the rehearsal cloud does not model, in the words that an operator is shown.
pub const NOT_MODELLED: &[&str] = &[
    "organizations: service and resource control policies, and what they would still stop",
    "the root user; signing in to the console otherwise than with a user's password",
    "operations other than the listed ones; IAM Identity Center, SAML, OIDC, Roles Anywhere",
    "versions of customer-managed policies, and making or deleting such policies and groups",
    "trust policies that keep a deleted principal's unique id when a principal is made anew",
    "secrets' encryption keys, replicas, and deprecated versions' clean-up",
    "of rotation: schedules, AWS's own repetitions of one that failed, and `RotateImmediately: false`",
    "condition keys of organisations, and of network paths but aws:SourceIp and aws:SourceVpc",
    "uneven propagation: one lag holds for every change, region and service",
    "an intruder who must find out: he sees at once what takes effect, and has no service of his own",
];

/// Credentials for a client.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The access key id.
    pub access_key_id: AccessKeyId,
    /// The secret access key.
    pub secret: Secret,
    /// The session token, of temporary credentials.
    pub session_token: Option<Secret>,
}

/// A saved cloud that cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the saved state of a rehearsal cloud: {0}")]
pub struct DamagedState(String);

/// A world in motion. Clones share it.
#[derive(Clone, Debug)]
pub struct Cloud {
    engine: Arc<Mutex<Engine>>,
    clock: Clock,
    stops: watch::Sender<u64>,
    /// How many connections are served.
    connected: watch::Sender<usize>,
}

/// Which form [`Cloud::save`] writes: 2 since the intruder acts.
const FORMAT: u32 = 2;

/// The form of [`Cloud::save`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    #[serde(rename = "format")]
    _format: u32,
    saved_at: Timestamp,
    engine: Engine,
}

impl Cloud {
    /// Sets a world in motion. Where the clock does not begin at the world's `now`, all instants of
    /// the world are moved by the difference; so a world can be served to clients that live today.
    pub fn new(world: &World, clock: Clock) -> Self {
        Self::of(genesis::build(world, clock.now() + world.clock_skew), clock)
    }

    fn of(engine: Engine, clock: Clock) -> Self {
        Self {
            engine: Arc::new(Mutex::new(engine)),
            clock,
            stops: watch::Sender::new(0),
            connected: watch::Sender::new(0),
        }
    }

    /// Takes up a saved world where it was left. The clock should begin at [`saved_at`].
    pub fn load(state: &Value, clock: Clock) -> Result<Self, DamagedState> {
        Ok(Self::of(read(state)?.engine, clock))
    }

    /// The world as it is, to be taken up again later. No secret can be read in it.
    pub fn save(&self) -> Value {
        let (engine, _) = self.awake();
        let engine = serde_json::to_value(&*engine).expect("all keys of the state are texts");
        serde_json::json!({"format": FORMAT, "saved_at": self.clock.now(), "engine": engine})
    }

    /// The HTTP client to give to the SDK. It opens no socket.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    /// AWS's time: the clock's, and the world's skew.
    pub fn now(&self) -> Timestamp {
        self.clock.now() + self.engine().settings.clock_skew
    }

    /// The credentials that Portcullis runs with in this world.
    pub fn responder_credentials(&self) -> Credentials {
        let id = self.engine().responder.clone();
        let id = id.expect("a world that is rehearsed in has a responder");
        self.credentials_of(
            &AccessKeyId::parse(id).expect("ids of credentials are made well-formed"),
        )
    }

    /// Signs the responder in anew, where the session has ended: between two commands a person does.
    pub fn sign_in_anew(&self) {
        let now = self.now();
        self.engine().sign_in_anew(now);
    }

    /// Signs somebody of the responder's account in: a user by his own active key, or, where the responder is a
    /// role, whoever else comes, by a session of that role under his name.
    pub fn sign_in_as(&self, name: &str) -> Option<Credentials> {
        let now = self.now();
        let id = self.engine().sign_in_as(name, now)?;
        Some(self.credentials_of(
            &AccessKeyId::parse(id).expect("ids of credentials are made well-formed"),
        ))
    }

    /// The secret, and for a session the token, of a credential that exists or existed.
    pub fn credentials_of(&self, id: &AccessKeyId) -> Credentials {
        let (secret, session_token) = self.engine().secrets_of(id.as_str());
        Credentials { access_key_id: id.clone(), secret, session_token }
    }

    /// The code that an MFA device shows.
    pub fn mfa_code(&self, serial: &str) -> String {
        self.engine().vault().mfa_code(serial)
    }

    /// Every request so far, in order.
    pub fn audit(&self) -> Vec<AuditEvent> {
        self.awake().0.audit.clone()
    }

    /// Every secret that this world ever made or was given.
    pub fn canaries(&self) -> Vec<Secret> {
        self.awake().0.secrets()
    }

    /// Tries every consumer, now.
    pub fn consumers(&self) -> Vec<ConsumerState> {
        let (mut engine, now) = self.awake();
        engine.consumer_states(now)
    }

    /// Tries every credential that the intruder holds, now.
    pub fn intruder_reach(&self) -> Vec<Reach> {
        let (engine, now) = self.awake();
        engine.reach(now)
    }

    /// What the intruder has tried so far, in order.
    pub fn intruder_deeds(&self) -> Vec<Deed> {
        self.awake().0.intruder_deeds()
    }

    /// Tries any action with any credential, now: the data plane, in a word.
    pub fn probe(&self, credential: &AccessKeyId, action: &str, resource: &str) -> Probe {
        let need = Need { action: action.to_owned(), resource: resource.to_owned() };
        let (engine, now) = self.awake();
        engine.probe(credential.as_str(), &need, None, now)
    }

    /// Tries to sign in to the console, now: whether the password must then be changed, or why it is not taken.
    /// Changes nothing.
    pub fn sign_in(&self, account: &str, user: &str, password: &Secret) -> Result<bool, String> {
        let now = self.now();
        let engine = self.engine();
        let known = signin::Known {
            account: account.to_owned(),
            user: user.to_owned(),
            value: engine.vault().seal("password", password.expose()),
            device: false,
        };
        let came_in = engine.sign_in(&known, now).map_err(|refusal| refusal.message)?;
        Ok(came_in.must_change)
    }

    /// What comes of trying a way in that lies outside.
    pub fn answer_to(
        &self,
        probe: &crate::inventory::Probe,
    ) -> Result<crate::inventory::Tried, String> {
        self.engine().answer_to(probe)
    }

    /// Somebody closes or opens the way in of that name, or says so and does not.
    pub fn done_outside(&self, name: &str, open: bool) {
        self.engine().done_outside(name, open);
    }

    /// What exists, to be compared.
    pub fn snapshot(&self) -> Snapshot {
        self.awake().0.snapshot()
    }

    /// How many requests have come in.
    pub fn requests(&self) -> u64 {
        self.engine().requests
    }

    /// Lets things go wrong at requests of these numbers (the first is 1), and nowhere else. Refusals
    /// that an earlier fault began are over, and so is every stop.
    pub fn set_faults(&self, faults: impl IntoIterator<Item = (u64, Fault)>) {
        let (mut engine, _) = self.awake();
        engine.faults = faults.into_iter().collect();
        engine.refused.clear();
        self.stops.send_replace(0);
    }

    /// Done as soon as a request was stopped: its call will never return, and its caller should be
    /// dropped.
    pub async fn stopped(&self) {
        let mut stops = self.stops.subscribe();
        // The sender lives as long as the cloud, so waiting cannot fail.
        let _ = stops.wait_for(|stops| *stops > 0).await;
    }

    /// Done as soon as nobody is connected: of what was sent, nothing is still to come.
    pub async fn left_alone(&self) {
        let mut connected = self.connected.subscribe();
        let _ = connected.wait_for(|connected| *connected == 0).await;
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        // A panic elsewhere leaves a world that is as good as before: changes are made at the end.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine as far as it has come by now, the intruder's deeds and what goes on by itself, and what time it
    /// is.
    fn awake(&self) -> (MutexGuard<'_, Engine>, Timestamp) {
        let now = self.now();
        let mut engine = self.engine();
        engine.let_the_intruder_act(now);
        engine.catch_up(now);
        (engine, now)
    }

    /// Answers a request; `None` when the answer is lost on its way.
    async fn answer(&self, request: Incoming) -> Option<Outgoing> {
        let (number, fault, latency) = {
            let mut engine = self.engine();
            engine.requests += 1;
            let number = engine.requests;
            (number, engine.faults.get(&number).copied(), engine.settings.latency)
        };
        if let Ok(latency) = Duration::try_from(latency)
            && !latency.is_zero()
        {
            self.clock.sleep(latency).await;
        }
        if fault == Some(Fault::StopBefore) {
            return self.stop().await;
        }
        let out = {
            let (mut engine, now) = self.awake();
            engine.serve(number, &request, fault, now)
        };
        match fault {
            Some(Fault::StopAfter) => self.stop().await,
            Some(Fault::LostAnswer) => None,
            _ => Some(out),
        }
    }

    async fn stop(&self) -> Option<Outgoing> {
        self.stops.send_modify(|stops| *stops += 1);
        std::future::pending().await
    }
}

fn read(state: &Value) -> Result<Saved, DamagedState> {
    // Another version's state is told apart before it is found to have other fields.
    if let Some(format) = state.get("format").filter(|format| **format != FORMAT) {
        return Err(DamagedState(format!("its format is {format}, not {FORMAT}")));
    }
    Saved::deserialize(state).map_err(|e| DamagedState(e.to_string()))
}

/// The time by the client's clock at which a cloud was saved.
pub fn saved_at(state: &Value) -> Result<Timestamp, DamagedState> {
    Ok(read(state)?.saved_at)
}
