//! World files: what a rehearsal begins with, as people write it.
//!
//! Read strictly: an unknown field, a wrong type or a name that leads nowhere is an error. Instants
//! are those of the world's own `now`; a cloud whose clock starts elsewhere moves them all by the
//! difference. Secrets are never written here: `@secret-of AKIA...` stands for one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::intruder::script::IntruderFile;
use super::objections::{self, PlacedInput};
use super::remote::Remote;
use super::rotation::Behaviour;
use super::state::{PasswordPolicy, SessionKind};
use super::text;
use crate::diagnostic::{Diagnostic, Source};
use crate::ids::{AccessKeyId, AccountId, Arn, PolicyName, RoleName, SecretId, UserName, VpcId};

/// A world file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// Not the YAML that a world is; the message has line and column.
    #[error("not a world file: {0}")]
    Unreadable(String),
    /// It reads well but contradicts itself.
    #[error("the world does not fit together: {0}")]
    Inconsistent(String),
}

/// A world as its file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// The version of the format; 1.
    pub world: u32,
    /// What all instants of the file are counted from.
    #[serde(deserialize_with = "instant")]
    pub now: Timestamp,
    /// From which all ids and secrets follow.
    #[serde(default)]
    pub seed: u64,
    /// How long enforcement trails a change.
    #[serde(default = "four_seconds", deserialize_with = "span")]
    pub lag: SignedDuration,
    /// How long reading trails a change.
    #[serde(default, deserialize_with = "span")]
    pub read_lag: SignedDuration,
    /// How long each request takes.
    #[serde(default, deserialize_with = "span")]
    pub latency: SignedDuration,
    /// How far AWS's clock is ahead of the client's.
    #[serde(default, deserialize_with = "skew")]
    pub clock_skew: SignedDuration,
    /// Requests that a service admits in one second; more are throttled.
    pub rate_limit: Option<u32>,
    /// Entries on a page of a list, where the client does not ask for fewer.
    #[serde(default = "hundred")]
    pub page_size: usize,
    /// Where the secrets of the file are.
    #[serde(default = "virginia")]
    pub region: String,
    /// Whom Portcullis runs as.
    pub responder: Option<Responder>,
    /// The accounts.
    pub accounts: BTreeMap<AccountId, AccountFile>,
    /// Temporary credentials that exist already.
    #[serde(default)]
    pub sessions: Vec<SessionFile>,
    /// Who depends on credentials.
    #[serde(default)]
    pub consumers: Vec<ConsumerFile>,
    /// What takes the passwords in secrets.
    #[serde(default)]
    pub targets: BTreeMap<String, TargetFile>,
    /// What the intruder holds, and does.
    #[serde(default)]
    pub intruder: IntruderFile,
    /// Ways in that lie outside the cloud, by name, and that people close and open.
    #[serde(default)]
    pub remote: BTreeMap<String, Remote>,
    /// How to rehearse here.
    #[serde(default)]
    pub rehearsal: Rehearsal,
}

/// Instants of a world lie within a few centuries, so that nothing added to them leaves the calendar.
fn instant<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let at = Timestamp::deserialize(from)?;
    let year = at.to_zoned(jiff::tz::TimeZone::UTC).year();
    if (1970..=2400).contains(&year) {
        return Ok(at);
    }
    Err(D::Error::custom(format!("{at} is not between the years 1970 and 2400")))
}

pub(super) fn instant_if_any<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Timestamp>, D::Error> {
    #[derive(Deserialize)]
    struct Given(#[serde(deserialize_with = "instant")] Timestamp);
    Ok(Option::<Given>::deserialize(from)?.map(|given| given.0))
}

/// How far clocks may be apart, and how long anything takes: a year at most, for the same reason.
fn skew<'de, D: Deserializer<'de>>(from: D) -> Result<SignedDuration, D::Error> {
    let span = SignedDuration::deserialize(from)?;
    if span.unsigned_abs() <= Duration::from_hours(366 * 24) {
        return Ok(span);
    }
    Err(D::Error::custom(format!("{span} is longer than a year")))
}

pub(super) fn span<'de, D: Deserializer<'de>>(from: D) -> Result<SignedDuration, D::Error> {
    let span = skew(from)?;
    if span.is_negative() {
        return Err(D::Error::custom(format!("{span} is less than nothing")));
    }
    Ok(span)
}

pub(super) fn span_if_any<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<SignedDuration>, D::Error> {
    #[derive(Deserialize)]
    struct Given(#[serde(deserialize_with = "span")] SignedDuration);
    Ok(Option::<Given>::deserialize(from)?.map(|given| given.0))
}

fn four_seconds() -> SignedDuration {
    SignedDuration::from_secs(4)
}
fn hundred() -> usize {
    100
}
fn virginia() -> String {
    "us-east-1".to_owned()
}
fn root_path() -> String {
    "/".to_owned()
}
fn yes() -> bool {
    true
}
fn twelve_hours() -> SignedDuration {
    SignedDuration::from_hours(12)
}
fn one_hour() -> SignedDuration {
    SignedDuration::from_hours(1)
}

/// Whom Portcullis runs as: a session of a role, or a user with one of its keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Responder {
    /// The account.
    pub account: AccountId,
    /// The role, of which a session is made.
    pub role: Option<RoleName>,
    /// Or the user's key.
    pub key: Option<AccessKeyId>,
    /// How long the session lasts.
    #[serde(default = "twelve_hours", deserialize_with = "span")]
    pub lasts: SignedDuration,
}

/// What a rehearsal in this world begins with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rehearsal {
    /// Inputs for the playbook beside the world.
    #[serde(default)]
    pub inputs: BTreeMap<String, Value>,
}

/// One account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountFile {
    #[serde(default)]
    pub users: BTreeMap<UserName, UserFile>,
    #[serde(default)]
    pub groups: BTreeMap<String, GroupFile>,
    #[serde(default)]
    pub roles: BTreeMap<RoleName, RoleFile>,
    #[serde(default)]
    pub policies: BTreeMap<PolicyName, Value>,
    #[serde(default)]
    pub secrets: BTreeMap<SecretId, SecretFile>,
    /// What console passwords must be like.
    pub(super) password_policy: Option<PasswordPolicy>,
}

/// One user.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserFile {
    #[serde(default = "root_path")]
    pub path: String,
    #[serde(default, deserialize_with = "instant_if_any")]
    pub created_at: Option<Timestamp>,
    #[serde(default)]
    pub keys: Vec<KeyFile>,
    pub password: Option<PasswordFile>,
    #[serde(default)]
    pub mfa: Vec<MfaFile>,
    #[serde(default)]
    pub service_credentials: Vec<ServiceCredentialFile>,
    #[serde(default)]
    pub ssh_keys: Vec<UploadedFile>,
    #[serde(default)]
    pub certificates: Vec<UploadedFile>,
    #[serde(default)]
    pub attached: BTreeSet<String>,
    #[serde(default)]
    pub inline: BTreeMap<PolicyName, Value>,
    #[serde(default)]
    pub groups: BTreeSet<String>,
    pub boundary: Option<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Active or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusFile {
    #[default]
    Active,
    Inactive,
}

/// One access key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    pub id: AccessKeyId,
    #[serde(default, deserialize_with = "instant_if_any")]
    pub created_at: Option<Timestamp>,
    #[serde(default)]
    pub status: StatusFile,
    #[serde(default, deserialize_with = "instant_if_any")]
    pub last_used_at: Option<Timestamp>,
    pub last_used_service: Option<String>,
}

/// A console password.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordFile {
    #[serde(default, deserialize_with = "instant_if_any")]
    pub created_at: Option<Timestamp>,
    #[serde(default)]
    pub reset_required: bool,
    #[serde(default, deserialize_with = "instant_if_any")]
    pub last_used_at: Option<Timestamp>,
}

/// An MFA device: its serial number, or that with the moment it was enabled.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum MfaFile {
    Serial(String),
    Enabled { serial: String, enabled_at: Timestamp },
}

/// A password for one service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceCredentialFile {
    pub service: String,
    #[serde(default)]
    pub status: StatusFile,
}

/// An SSH public key or a signing certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadedFile {
    pub body: String,
    #[serde(default)]
    pub status: StatusFile,
}

/// One group.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupFile {
    #[serde(default = "root_path")]
    pub path: String,
    #[serde(default)]
    pub attached: BTreeSet<String>,
    #[serde(default)]
    pub inline: BTreeMap<PolicyName, Value>,
}

/// One role.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleFile {
    #[serde(default = "root_path")]
    pub path: String,
    #[serde(default, deserialize_with = "instant_if_any")]
    pub created_at: Option<Timestamp>,
    pub trust: Value,
    #[serde(default)]
    pub attached: BTreeSet<String>,
    #[serde(default)]
    pub inline: BTreeMap<PolicyName, Value>,
    pub boundary: Option<String>,
    #[serde(default = "one_hour", deserialize_with = "span")]
    pub max_session: SignedDuration,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// One secret, with its current value: a text, or fields that become JSON.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretFile {
    #[serde(default, deserialize_with = "instant_if_any")]
    pub created_at: Option<Timestamp>,
    pub value: Value,
    pub policy: Option<Value>,
    /// The function that rotates it.
    pub rotator: Option<RotatorFile>,
    /// The service that made it for itself.
    pub owned_by: Option<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A function that rotates a secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotatorFile {
    /// Its ARN.
    pub arn: Arn,
    /// As whom it works; without it, it may do anything.
    pub role: Option<RoleName>,
    #[serde(default)]
    pub(super) behaviour: Behaviour,
    /// How many rotations go so, before it works; without it, all.
    pub first: Option<u32>,
    /// How long its four steps take.
    #[serde(default = "four_seconds", deserialize_with = "span")]
    pub takes: SignedDuration,
    /// What takes the password.
    pub target: Option<String>,
    /// With two, it changes the one that is not in use.
    #[serde(default)]
    pub users: Vec<String>,
    /// Whether rotation is turned on.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// What takes the passwords in secrets: with users of its own, or reading a secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetFile {
    /// Its users and their passwords,
    #[serde(default)]
    pub logins: BTreeMap<String, String>,
    /// or the account in which it reads,
    pub account: Option<AccountId>,
    /// as whom,
    #[serde(rename = "as")]
    pub reader: Option<ReaderFile>,
    /// from which secret.
    pub reads: Option<SecretId>,
}

/// Of whom: a user or a role.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrincipalFile {
    pub account: AccountId,
    pub user: Option<UserName>,
    pub role: Option<RoleName>,
}

/// Temporary credentials that exist already.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionFile {
    pub id: AccessKeyId,
    pub of: PrincipalFile,
    pub(super) kind: SessionKind,
    #[serde(default)]
    pub name: String,
    #[serde(deserialize_with = "instant")]
    pub issued_at: Timestamp,
    #[serde(deserialize_with = "instant")]
    pub expires_at: Timestamp,
    #[serde(default)]
    pub mfa: bool,
    /// Policies of the session.
    pub policies: Option<Vec<Value>>,
}

/// Somebody who depends on a credential.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerFile {
    /// Its name.
    pub name: String,
    /// Its account.
    pub account: AccountId,
    /// The key it was given by hand.
    pub key: Option<AccessKeyId>,
    /// Or as whom it reads its key; a role alone, which reads none, is what it works as,
    #[serde(rename = "as")]
    pub reader: Option<ReaderFile>,
    /// from which secret,
    pub reads: Option<SecretId>,
    /// and how often it reads its key, or gets a new session of its role. Without it, before each use.
    #[serde(default, deserialize_with = "span_if_any")]
    pub refreshed: Option<SignedDuration>,
    /// What it must be able to do with the key,
    #[serde(default)]
    pub needs: Vec<Need>,
    /// or what it signs in to with what it reads.
    pub logs_in_to: Option<String>,
    /// Where its requests come from.
    pub source_ip: Option<String>,
    /// Or the VPC that they come from, through an endpoint in it.
    pub source_vpc: Option<VpcId>,
    /// Whether it stands for a rightful owner of something compromised, or is a bystander.
    #[serde(default = "yes")]
    pub rightful: bool,
}

/// As whom a consumer reads.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReaderFile {
    pub role: Option<RoleName>,
    pub user: Option<UserName>,
}

/// An action on a resource.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields say it")]
pub struct Need {
    pub action: String,
    pub resource: String,
}

impl World {
    /// Reads a world file and checks that it fits together.
    pub fn parse(yaml: &str) -> Result<Self, WorldError> {
        if let Some(objection) = text::objection(yaml) {
            return Err(WorldError::Unreadable(objection.to_string()));
        }
        let world: World =
            serde_yaml::from_str(yaml).map_err(|e| WorldError::Unreadable(e.to_string()))?;
        match world.misfits().into_iter().next() {
            None => Ok(world),
            Some(misfit) => Err(WorldError::Inconsistent(objections::in_a_line(yaml, &misfit))),
        }
    }

    /// Reads a world file, or says all that is wrong with it.
    pub fn read(source: &Source) -> Result<Self, Vec<Diagnostic>> {
        objections::read(source)
    }

    /// Inputs for the playbook beside the world, each with its place in the file that the world was read from.
    pub fn placed_inputs(&self, source: &Source) -> Vec<PlacedInput> {
        objections::inputs(source, &self.rehearsal.inputs)
    }

    /// What the instants of the file are counted from: where a clock begins.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Inputs for the playbook beside the world.
    pub fn rehearsal_inputs(&self) -> &BTreeMap<String, Value> {
        &self.rehearsal.inputs
    }
}
