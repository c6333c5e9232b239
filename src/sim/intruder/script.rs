//! What the intruder is told to do, and when: his part of a world file, read and checked.
//!
//! A reaction has a trigger and deeds. A deed is an operation of the cloud by its own name with its own
//! parameters, so whatever the cloud can do, he can try. Knows the file and the list of operations; what
//! comes of a deed is another matter. It fails where the file contradicts itself, in words for its author.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::ids::{AccessKeyId, AccountId, SecretId, UserName};
use crate::sim::audit::AuditEvent;
use crate::sim::misfit::{Misfits, Step};
use crate::sim::operations::OPERATIONS;
use crate::sim::signin::CONSOLE_LOGIN;
use crate::sim::spelling::is_near;
use crate::sim::wire::Service;
use crate::sim::world::{Need, World, instant_if_any, span, span_if_any};

/// What the intruder holds, tries and does.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntruderFile {
    /// Keys, sessions and passwords that are his from the beginning.
    #[serde(default)]
    pub holds: Vec<HeldFile>,
    /// Secrets whose value he has read.
    #[serde(default)]
    pub read: Vec<SecretId>,
    /// What else than the usual he would try in the end.
    #[serde(default)]
    pub tries: Vec<Need>,
    /// Where his requests come from.
    pub source_ip: Option<String>,
    /// What he does of himself.
    #[serde(default)]
    pub strategy: Strategy,
    /// What he does when.
    #[serde(default)]
    pub reacts: Vec<ReactionFile>,
}

/// What an intruder does of himself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Nothing but what he is told.
    #[default]
    Scripted,
    /// Whatever keeps or widens his access, as the seed has it.
    Greedy,
}

/// A key or session by its id, or whose password he knows.
#[derive(Clone, Debug)]
pub enum HeldFile {
    /// A key or a session.
    Credential(AccessKeyId),
    /// A console password.
    Password(PasswordHeldFile),
}

/// Whose password he knows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordHeldFile {
    /// The user.
    pub password_of: UserName,
    /// The user's account.
    pub account: AccountId,
    /// Whether he has the user's MFA device too.
    #[serde(default)]
    pub with_device: bool,
}

impl<'de> Deserialize<'de> for HeldFile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = HeldFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the id of a key or session, or `{ password_of: USER, account: ID }`")
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<HeldFile, E> {
                AccessKeyId::deserialize(StrDeserializer::new(id)).map(HeldFile::Credential)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeldFile, A::Error> {
                let map = MapAccessDeserializer::new(map);
                PasswordHeldFile::deserialize(map).map(HeldFile::Password)
            }
        }
        from.deserialize_any(Either)
    }
}

/// A trigger and what he does then.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReactionFile {
    /// What it is called in the log of his deeds.
    pub name: Option<String>,
    /// At an instant,
    #[serde(default, deserialize_with = "instant_if_any")]
    pub at: Option<Timestamp>,
    /// or so long after the beginning,
    #[serde(default, deserialize_with = "span_if_any")]
    pub after: Option<SignedDuration>,
    /// or when something happens;
    pub when: Option<WhenFile>,
    /// and from then on again and again.
    #[serde(default, deserialize_with = "span_if_any")]
    pub every: Option<SignedDuration>,
    /// How long he takes, once he sees it.
    #[serde(default, deserialize_with = "span")]
    pub react_in: SignedDuration,
    /// How often at most.
    pub times: Option<u32>,
    /// What he does, in this order.
    pub deeds: Vec<DeedFile>,
}

/// What he reacts to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhenFile {
    /// An operation of somebody else that takes effect,
    pub operation: Option<String>,
    /// on this user, role or secret;
    pub target: Option<String>,
    /// or an operation of his own that is refused, whatever he holds.
    pub refused: Option<String>,
}

/// One operation that he tries.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeedFile {
    /// As AWS names it, or `ConsoleLogin`.
    pub operation: String,
    /// As AWS names them. A password is made up.
    #[serde(default)]
    pub params: BTreeMap<String, Value>,
    /// Which credential he uses; without it he tries what he holds, in order, until one is let in.
    #[serde(rename = "with")]
    pub credential: Option<String>,
    /// Or one of this account.
    pub account: Option<AccountId>,
    /// What he calls the credential he gets.
    #[serde(rename = "as")]
    pub label: Option<String>,
}

/// How often he reacts at most, where the file does not say it.
const OFTEN: u32 = 100;
const MOST: u32 = 1000;

impl IntruderFile {
    /// Checks that it fits together, and into the world: `credentials` are those that exist in it.
    pub(in crate::sim) fn check(
        &self,
        world: &World,
        credentials: &BTreeSet<&str>,
        found: &mut Misfits,
    ) {
        let mut usable = BTreeSet::new();
        for (n, held) in self.holds.iter().enumerate() {
            match held {
                HeldFile::Credential(id) if credentials.contains(id.as_str()) => {
                    usable.insert(id.as_str());
                }
                HeldFile::Credential(id) => {
                    found.missing(&[&"holds", &n], format!("{id} exists nowhere"));
                }
                HeldFile::Password(known) => {
                    let account = world.accounts.get(&known.account);
                    let user = account.and_then(|account| account.users.get(&known.password_of));
                    if user.is_none_or(|user| user.password.is_none()) {
                        let (user, account) = (&known.password_of, &known.account);
                        let message =
                            format!("there is no user {user} with a password in {account}");
                        found.missing(&[&"holds", &n, &"password_of"], message);
                    }
                }
            }
        }
        let labels = self.reacts.iter().flat_map(|reaction| &reaction.deeds);
        usable.extend(labels.filter_map(|deed| deed.label.as_deref()));
        for (n, reaction) in self.reacts.iter().enumerate() {
            found.within(&[&"reacts", &n], Some(reaction.name_or(n)), |found| {
                reaction.check(world, &usable, found);
            });
        }
    }
}

impl ReactionFile {
    /// How often he reacts at most.
    pub(in crate::sim) fn times(&self) -> usize {
        let once = self.every.is_none() && self.when.is_none();
        usize::try_from(self.times.unwrap_or(if once { 1 } else { OFTEN })).unwrap_or(usize::MAX)
    }

    fn name_or(&self, n: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("reaction {}", n + 1))
    }

    fn check(&self, world: &World, usable: &BTreeSet<&str>, found: &mut Misfits) {
        let triggers = [self.at.is_some(), self.after.is_some(), self.when.is_some()];
        match triggers.iter().filter(|given| **given).count() {
            0 if self.every.is_none() => {
                found.bad(&[], "it needs `at`, `after`, `when` or `every`");
            }
            0 | 1 => {}
            _ => found.bad(&[&"when"], "only one of `at`, `after` and `when` can begin it"),
        }
        if self.every.is_some_and(|every| every < SignedDuration::from_secs(1)) {
            found.bad(&[&"every"], "`every` is at least a second");
        }
        if !self.react_in.is_zero() && self.when.is_none() {
            found.bad(&[&"react_in"], "`react_in` goes with `when`");
        }
        if self.times.is_some_and(|times| !(1..=MOST).contains(&times)) {
            found.bad(&[&"times"], format!("`times` is from 1 to {MOST}"));
        }
        if let Some(when) = &self.when {
            match (&when.refused, &when.operation, &when.target) {
                (Some(refused), None, None) => known(refused, &[&"when", &"refused"], found),
                (None, Some(operation), _) => known(operation, &[&"when", &"operation"], found),
                (None, None, Some(_)) => {}
                _ => {
                    let message = "`when` needs an `operation` or a `target`, or else `refused`";
                    found.bad(&[&"when"], message);
                }
            }
        }
        if self.deeds.is_empty() {
            found.bad(&[&"deeds"], "it has no deeds");
        }
        for (n, deed) in self.deeds.iter().enumerate() {
            found.within(&[&"deeds", &n], Some(deed.operation.clone()), |found| {
                deed.check(world, usable, found);
            });
        }
    }

    /// When it begins by itself, in a world whose instants are moved by `shift`.
    fn begins(&self, now: Timestamp, shift: SignedDuration) -> Option<Timestamp> {
        match (self.at, self.after, self.every) {
            (Some(at), ..) => Some(at + shift),
            (None, Some(after), _) => Some(now + after),
            (None, None, Some(every)) if self.when.is_none() => Some(now + every),
            _ => None,
        }
    }
}

/// Parameters that deeds are made of. Others are passed on as they are: only what is nearly one of these, and none
/// of them, is taken for a slip.
const PARAMETERS: &[&str] = &[
    "AccessKeyId",
    "AssumeRolePolicyDocument",
    "CertificateId",
    "ClientRequestToken",
    "Description",
    "DurationSeconds",
    "MaxSessionDuration",
    "Name",
    "NewUserName",
    "Path",
    "PermissionsBoundary",
    "Policy",
    "PolicyArn",
    "PolicyArns",
    "PolicyDocument",
    "PolicyName",
    "ResourcePolicy",
    "RoleArn",
    "RoleName",
    "RoleSessionName",
    "SSHPublicKeyId",
    "SecretId",
    "SecretString",
    "SerialNumber",
    "ServiceName",
    "ServiceSpecificCredentialId",
    "Status",
    "Tags",
    "UserName",
    "VersionId",
    "VersionStage",
    "VersionStages",
];

impl DeedFile {
    fn check(&self, world: &World, usable: &BTreeSet<&str>, found: &mut Misfits) {
        known(&self.operation, &[&"operation"], found);
        if let Some(with) = &self.credential
            && !usable.contains(with.as_str())
        {
            let message = format!("`with`: he does not hold {with}, nor does a deed call one so");
            found.missing(&[&"with"], message);
        }
        if let Some(account) = &self.account
            && !world.accounts.contains_key(account)
        {
            found.missing(&[&"account"], format!("there is no account {account}"));
        }
        for secret in ["Password", "NewPassword", "OldPassword"] {
            if self.params.contains_key(secret) {
                let message = format!("leave {secret} out: no secret stands in a world file");
                found.bad(&[&"params", &secret], message);
            }
        }
        for given in self.params.keys() {
            let name = given.split('.').next().unwrap_or(given);
            let slip = PARAMETERS.iter().find(|known| is_near(name, known));
            if let Some(meant) = slip.filter(|_| !PARAMETERS.contains(&name)) {
                let message = format!("there is no parameter {name}; did you mean {meant}?");
                found.named(&[&"params", given], message);
            }
        }
        if self.operation == CONSOLE_LOGIN {
            let named = self.params.get("UserName").and_then(Value::as_str);
            if named.is_none() || self.params.len() != 1 || self.credential.is_some() {
                let message =
                    "it takes a `UserName` and nothing else: he uses the password he knows";
                found.bad(&[&"params"], message);
            }
        }
    }
}

/// Whether there is such an operation, by its name.
fn known(operation: &str, at: &[Step<'_>], found: &mut Misfits) {
    if operation != CONSOLE_LOGIN && OPERATIONS.iter().all(|one| one.name != operation) {
        found.missing(at, format!("the rehearsal cloud has no operation {operation}"));
    }
}

/// What begins a reaction that does not begin by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct When {
    pub(super) operation: Option<String>,
    pub(super) target: Option<String>,
}

/// One reaction, and how much of it is left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::sim) struct Reaction {
    pub(super) name: String,
    pub(super) begins: Option<Timestamp>,
    pub(super) when: Option<When>,
    pub(super) refused: Option<String>,
    pub(super) every: Option<SignedDuration>,
    pub(super) react_in: SignedDuration,
    pub(super) times: u32,
    pub(super) begun: bool,
    pub(super) deeds: Vec<Script>,
}

/// One deed as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Script {
    pub(super) operation: String,
    pub(super) params: BTreeMap<String, Value>,
    pub(super) credential: Option<String>,
    pub(super) account: Option<String>,
    pub(super) label: Option<String>,
}

/// Something he is going to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Due {
    pub(super) at: Timestamp,
    pub(super) number: u64,
    pub(super) next: Next,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Next {
    Reaction(usize),
    Greed,
}

/// The reactions of a file, in a world whose instants are moved by `shift`.
pub(in crate::sim) fn reactions(
    file: &IntruderFile,
    now: Timestamp,
    shift: SignedDuration,
) -> Vec<Reaction> {
    let reaction = |(n, reaction): (usize, &ReactionFile)| {
        let when = reaction.when.as_ref();
        Reaction {
            name: reaction.name_or(n),
            begins: reaction.begins(now, shift),
            when: when.filter(|when| when.refused.is_none()).map(|when| When {
                operation: when.operation.clone(),
                target: when.target.clone(),
            }),
            refused: when.and_then(|when| when.refused.clone()),
            every: reaction.every,
            react_in: reaction.react_in,
            times: u32::try_from(reaction.times()).unwrap_or(u32::MAX),
            begun: false,
            deeds: reaction.deeds.iter().map(script).collect(),
        }
    };
    file.reacts.iter().enumerate().map(reaction).collect()
}

fn script(deed: &DeedFile) -> Script {
    Script {
        operation: deed.operation.clone(),
        params: deed.params.clone(),
        credential: deed.credential.clone(),
        account: deed.account.as_ref().map(ToString::to_string),
        label: deed.label.clone(),
    }
}

/// Whether a request was about a user, role or secret of this name.
pub(super) fn is_about(event: &AuditEvent, target: &str) -> bool {
    let mut arn = event.resource.as_str();
    if arn == target {
        return true;
    }
    // The ARN of a secret ends in a hyphen and six letters.
    if event.service == Service::SecretsManager.name()
        && let Some((name, _)) = arn.rsplit_once('-')
    {
        arn = name;
    }
    arn.strip_suffix(target).is_some_and(|before| before.ends_with(['/', ':']))
}
