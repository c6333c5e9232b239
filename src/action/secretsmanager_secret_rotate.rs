//! `secretsmanager.secret.rotate`: a new value in place of one that may be known.
//!
//! By the function that the secret has (*by rotator*): `RotateSecret` with a token of ours, which becomes the
//! version's id, and then waiting, because the function works at its own pace. Or with a value made here
//! (*generated*), stored under a label of our own before `AWSCURRENT` moves: that reaches only what reads the
//! secret itself, which the playbook must say of whatever checks the value; otherwise the old value stays good
//! where it is checked, and the ledger says so.
//!
//! What has become of a rotation is told by the labels of its version alone, and every token is in the journal
//! before it is used. A version that holds nothing is given up and another is begun; one that holds a value may
//! already be what the target takes, so it is never given up, and a person is called. Somebody else's rotation is
//! never ended: that would turn rotation off.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::delivery::{self, CURRENT, STAGED};
use super::seal_policy::{by_arn, called, found};
use super::{About, Action, ApplyError, Draft, Notes, Permission, PlanError, Unknown};
use crate::cloud::WriteCloud;
use crate::ids::{Arn, SecretId, VersionId};
use crate::inventory::{Inventory, SecretMetadata, Unread, Want};
use crate::journal::{Delivered, Note, Position, Receipt};
use crate::plan::{Destination, Effect, OldValue};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase};
use crate::secret::Secret;

/// The label of a version that a rotation is working on.
const PENDING: &str = "AWSPENDING";

/// Versions that are begun in place of ones the function made nothing of.
const FRESH_STARTS: usize = 2;

/// How long a function may take, where the playbook does not say: four steps, with time to start.
const WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// Characters of a generated value, where the playbook does not say.
const LENGTH: i64 = 48;

pub(super) struct Rotate;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inputs {
    secret: SecretId,
    by: By,
    rotator: Option<Arn>,
    times: Option<u8>,
    within: Option<SignedDuration>,
    verifiers_read_secret: Option<bool>,
    field: Option<String>,
    length: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    Rotator,
    Generated,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// What the plan calls it.
    name: SecretId,
    /// Its ARN; every call names it.
    secret: SecretId,
    /// The version that was current when this was planned.
    current: Option<VersionId>,
    how: How,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum How {
    Rotator {
        function: Arn,
        /// Twice where two users take turns: once would leave the other's password as it is.
        times: usize,
        within: SignedDuration,
    },
    Generated {
        /// The field of a JSON object; `None`: the whole value.
        field: Option<String>,
        length: i64,
    },
}

impl Action for Rotate {
    const SHAPE: ActionShape = ActionShape {
        kind: "secretsmanager.secret.rotate",
        title: "Put a new value in place of one that may be known",
        fields: &[
            Field::required("secret", FieldType::SecretId, "The secret to rotate"),
            Field::required(
                "by",
                FieldType::OneOf(std::borrow::Cow::Borrowed(&[
                    std::borrow::Cow::Borrowed("rotator"),
                    std::borrow::Cow::Borrowed("generated"),
                ])),
                "`rotator`: by the secret's own function; `generated`: with a value made here",
            ),
            Field::optional(
                "rotator",
                FieldType::Arn,
                "The function that must be the secret's: one that was swapped is not run",
            ),
            Field::optional(
                "times",
                FieldType::Integer,
                "2 where two users take turns, so that neither keeps an old password (default 1)",
            ),
            Field::optional(
                "within",
                FieldType::Duration,
                "How long each rotation may take before a person is called (default 10m)",
            ),
            Field::optional(
                "verifiers_read_secret",
                FieldType::Boolean,
                "Of a generated value: whether everything that checks it reads it from this secret",
            ),
            Field::optional(
                "field",
                FieldType::Text,
                "Of a generated value: the field of the JSON object that it goes into; others are kept",
            ),
            Field::optional(
                "length",
                FieldType::Integer,
                "Of a generated value: its letters and digits (default 48)",
            ),
        ],
        phases: &[Phase::Rotate],
        effects: &[EffectKind::Issues, EffectKind::Delivers],
    };
    const ABOUT: About = About {
        permissions: &[
            "secretsmanager:DescribeSecret",
            "secretsmanager:RotateSecret",
            "secretsmanager:GetSecretValue",
            "secretsmanager:UpdateSecretVersionStage",
            "secretsmanager:GetRandomPassword",
            "secretsmanager:PutSecretValue",
        ],
        undo: "AWSCURRENT can be moved back by hand to the version that was there; what checks the value takes \
               the new one",
        hazards: &[
            "what holds the old value works again only once it reads the secret anew",
            "a function that was tampered with can hand the new value to whoever did it: its code and role are \
             not examined",
            "connections that are open with the old value stay open",
            "the previous value stays readable by its label until it is stripped",
        ],
        unknowns: &[Unknown {
            what: "whether what checks the value refuses the old one",
            ty: "boolean",
            known: "once somebody has tried it",
        }],
        d3fend: &["D3-CRO"],
        counters: &["T1555.006", "T1552"],
    };

    type Inputs = Inputs;
    type Change = Change;

    fn wants(inputs: &Inputs) -> Vec<Want> {
        vec![Want::Secret(inputs.secret.clone())]
    }

    fn plan(inputs: &Inputs, inventory: &Inventory) -> Result<Vec<(Draft, Change)>, PlanError> {
        let caller = &inventory.caller;
        let secret = found(&inputs.secret, inventory.secret(&inputs.secret)?.as_deref(), caller)?;
        let name = called(secret, caller)?;
        let how = match inputs.by {
            By::Rotator => by_rotator(inputs, &name, secret)?,
            By::Generated => generated(inputs, &name)?,
        };
        let current = secret.holder_of(CURRENT).cloned();
        let (what, old_value) = match &how {
            How::Rotator { function, times, .. } => {
                let twice = if *times == 2 { " twice" } else { "" };
                let what = format!(
                    "rotate it{twice} by {function}, whose code and role were not examined"
                );
                (what, OldValue::Refused)
            }
            How::Generated { field, length } => {
                let into =
                    field.as_ref().map(|f| format!(" into its field {f}")).unwrap_or_default();
                let read = inputs.verifiers_read_secret == Some(true);
                let fate = if read { OldValue::Refused } else { OldValue::Perhaps };
                (format!("put a value of {length} letters and digits{into}"), fate)
            }
        };
        let draft = Draft {
            target: format!("secret {name}"),
            what,
            before: match &current {
                Some(version) => format!("current version {version}"),
                None => "the secret has no value yet".to_owned(),
            },
            after: match old_value {
                OldValue::Refused => "a new current version".to_owned(),
                OldValue::Perhaps => {
                    "a new current version; the old value stays good where it is checked until somebody \
                     changes it there"
                        .to_owned()
                }
            },
            already: false,
            effects: vec![
                Effect::Rotates { secret: name.clone(), old_value },
                Effect::Delivers { to: Destination::Secret { secret: name.clone() } },
            ],
            irreversible: None,
        };
        Ok(vec![(draft, Change { name, secret: by_arn(secret)?, current, how })])
    }

    fn look(change: &Change) -> Vec<Want> {
        vec![Want::Secret(change.secret.clone())]
    }

    fn permissions(change: &Change) -> Vec<Permission> {
        let label = Permission::to("secretsmanager:UpdateSecretVersionStage");
        match &change.how {
            How::Rotator { .. } => {
                let only_if = "a rotation makes no value";
                vec![
                    Permission::to("secretsmanager:RotateSecret"),
                    Permission::to("secretsmanager:GetSecretValue").only_if(only_if),
                    label.only_if(only_if),
                ]
            }
            How::Generated { .. } => vec![
                Permission::to("secretsmanager:GetSecretValue"),
                Permission::to("secretsmanager:GetRandomPassword"),
                Permission::to("secretsmanager:PutSecretValue"),
                label,
            ],
        }
    }

    fn judge(change: &Change, notes: &[Note], facts: &Inventory) -> Result<Position, Unread> {
        let elsewhere = |why: String| Ok(Position::Elsewhere { why });
        let Some(secret) = facts.secret(&change.secret)? else {
            return elsewhere(format!("secret {} is gone", change.name));
        };
        if secret.deleted_at.is_some() {
            return elsewhere(format!("secret {} is waiting to be deleted", change.name));
        }
        // What is on the screen must be what is rotated: a plan is a file, and its ARN no more than a claim.
        if ![secret.name.as_str(), secret.arn.as_str()].contains(&change.name.as_str()) {
            return elsewhere(format!("{} is secret {}", secret.arn, secret.name));
        }
        Ok(match &change.how {
            How::Rotator { function, times, .. } if secret.rotator.as_ref() == Some(function) => {
                Rounds::of(notes).stand(change, *times, secret)
            }
            How::Rotator { function, .. } => Position::Elsewhere {
                why: match &secret.rotator {
                    Some(other) => format!("it is rotated by {other} now, and not by {function}"),
                    None => format!("it is not rotated by {function} any more"),
                },
            },
            How::Generated { .. } => handed_over(change, notes, secret),
        })
    }

    fn patience(change: &Change) -> SignedDuration {
        match &change.how {
            How::Rotator { within, .. } => *within,
            How::Generated { .. } => SignedDuration::ZERO,
        }
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        match &change.how {
            How::Rotator { times, .. } => rotate(change, *times, cloud, notes).await,
            How::Generated { field, length } => {
                generate(change, field.as_deref(), *length, cloud, notes).await
            }
        }
    }

    fn receipt(change: &Change, notes: &[Note]) -> Receipt {
        let version = match &change.how {
            How::Rotator { .. } => Rounds::of(notes).live.pop(),
            How::Generated { .. } => staged(notes).cloned(),
        };
        Receipt {
            delivered: version
                .map(|version| Delivered::Secret { secret: change.name.clone(), version }),
            ..Receipt::default()
        }
    }
}

fn impossible(message: String, help: &str) -> PlanError {
    PlanError::Impossible { message, help: help.to_owned() }
}

fn by_rotator(inputs: &Inputs, name: &SecretId, secret: &SecretMetadata) -> Result<How, PlanError> {
    if let Some(service) = &secret.owned_by {
        let instead = match service.as_str() {
            "rds" => {
                "rotate it there: aws rds modify-db-instance --rotate-master-user-password \
                 --apply-immediately (or modify-db-cluster); leave it out here, and attest it by a `manual` step"
            }
            _ => {
                "rotate it through that service; leave it out here, and attest it by a `manual` step"
            }
        };
        return Err(impossible(format!("secret {name} belongs to {service}"), instead));
    }
    if inputs.verifiers_read_secret.is_some() || inputs.field.is_some() || inputs.length.is_some() {
        return Err(impossible(
            "`verifiers_read_secret`, `field` and `length` are of generated values".to_owned(),
            "leave them out, or write `by: generated`",
        ));
    }
    let function = match (&secret.rotator, &inputs.rotator) {
        (None, _) => {
            return Err(impossible(
                format!("secret {name} has no function that rotates it"),
                "give it one, write `by: generated` where whatever checks the value reads the secret, or rotate \
                 it by hand and attest that by a `manual` step",
            ));
        }
        (Some(_), _) if !secret.rotates_itself => {
            return Err(impossible(
                format!("the rotation of secret {name} is turned off"),
                "see who turned it off and why; turn it on again (aws secretsmanager rotate-secret \
                 --no-rotate-immediately), then plan again",
            ));
        }
        (Some(function), Some(expected)) if function != expected => {
            return Err(impossible(
                format!("secret {name} is rotated by {function}, and not by {expected}"),
                "see who changed it: a function that is not yours hands out what it makes",
            ));
        }
        (Some(function), _) => function.clone(),
    };
    let times = usize::from(inputs.times.unwrap_or(1));
    if !(1..=2).contains(&times) {
        return Err(impossible(
            format!("a secret is not rotated {times} times"),
            "write `times: 2` where two users take turns, and nothing otherwise",
        ));
    }
    Ok(How::Rotator { function, times, within: inputs.within.unwrap_or(WITHIN) })
}

fn generated(inputs: &Inputs, name: &SecretId) -> Result<How, PlanError> {
    if inputs.rotator.is_some() || inputs.times.is_some() || inputs.within.is_some() {
        return Err(impossible(
            "`rotator`, `times` and `within` are of rotation by a function".to_owned(),
            "leave them out, or write `by: rotator`",
        ));
    }
    if inputs.verifiers_read_secret.is_none() {
        return Err(impossible(
            format!(
                "who checks the value of secret {name}, and where it is read from, is not said"
            ),
            "write `verifiers_read_secret: true` if everything that checks it reads this secret; write `false` \
             if somebody must still change it there, and let a `manual` step attest that",
        ));
    }
    let length = inputs.length.unwrap_or(LENGTH);
    if !(16..=4096).contains(&length) {
        return Err(impossible(
            format!("{length} characters are too few or too many"),
            "write 16 to 4096",
        ));
    }
    Ok(How::Generated { field: inputs.field.clone(), length })
}

/// The versions that rotations of ours were to make, by what was noted.
struct Rounds {
    /// In order; each but the last has been current.
    live: Vec<VersionId>,
    /// Begun, and never holding anything.
    given_up: Vec<VersionId>,
}

impl Rounds {
    fn of(notes: &[Note]) -> Self {
        let mut rounds = Self { live: Vec::new(), given_up: Vec::new() };
        for note in notes {
            match note {
                Note::Rotating { version } => rounds.live.push(version.clone()),
                Note::GivingUp { version } => {
                    rounds.live.retain(|live| live != version);
                    rounds.given_up.push(version.clone());
                }
                _ => {}
            }
        }
        rounds
    }

    /// How many were ever begun.
    fn begun(&self) -> usize {
        self.live.len() + self.given_up.len()
    }

    fn stand(&self, change: &Change, times: usize, secret: &SecretMetadata) -> Position {
        let current = secret.holder_of(CURRENT);
        let pending = secret.holder_of(PENDING).filter(|version| Some(*version) != current);
        let last = self.live.last();
        let before = match self.live.len() {
            0 | 1 => change.current.as_ref(),
            n => self.live.get(n - 2),
        };
        if let Some(version) = last.filter(|last| current == Some(*last)) {
            return if self.live.len() >= times {
                Position::After
            } else {
                let why = format!("rotated to version {version}, once of {times} times");
                Position::Between { why }
            };
        }
        let labels = last.and_then(|last| secret.versions.get(last));
        if current != before || labels.is_some_and(|all| all.iter().any(|l| l == "AWSPREVIOUS")) {
            let why = match current {
                Some(version) => format!("the secret's current version is now {version}"),
                None => "the secret has no current version any more".to_owned(),
            };
            return Position::Elsewhere { why };
        }
        match (last, pending) {
            (Some(last), Some(pending)) if pending == last => Position::Underway {
                why: format!("its function has begun version {last} and is not done"),
            },
            (_, Some(pending)) if self.given_up.contains(pending) => Position::Between {
                why: format!("version {pending}, which holds nothing, is still to be given up"),
            },
            (_, Some(pending)) => Position::Elsewhere {
                why: format!(
                    "somebody else's rotation is under way (version {pending}). Let it end: to cancel it would \
                     turn rotation off"
                ),
            },
            (Some(last), None) => {
                Position::Between { why: format!("no rotation to version {last} is to be seen") }
            }
            (None, None) if self.given_up.is_empty() => Position::Before,
            (None, None) => Position::Between { why: "what was begun was given up".to_owned() },
        }
    }
}

async fn rotate(
    change: &Change,
    times: usize,
    cloud: &WriteCloud,
    notes: &mut dyn Notes,
) -> Result<(), ApplyError> {
    let secret = &change.secret;
    let described = cloud.read().secrets().describe(secret).await?;
    let labels = described.and_then(|s| s.version_ids_to_stages).unwrap_or_default();
    let has = |version: &VersionId, label: &str| {
        labels.get(version.as_str()).is_some_and(|all| all.iter().any(|l| l == label))
    };
    let rounds = Rounds::of(notes.so_far());
    for version in &rounds.given_up {
        if has(version, PENDING) {
            cloud.secrets().move_label(secret, PENDING, None, Some(version)).await?;
        }
    }
    let again = match rounds.live.last() {
        None => None,
        Some(version) if has(version, CURRENT) => {
            if rounds.live.len() >= times {
                return Ok(());
            }
            None
        }
        // Waiting has not helped.
        Some(version) if has(version, PENDING) => {
            if cloud.secrets().has_value(secret, version).await? {
                return Err(ApplyError::Refused(format!(
                    "the rotation of secret {} has begun and does not end: version {version} holds a new value, \
                     and whether it is already taken where it is checked is not known. Read the log of its \
                     function and mend what stopped it; AWS begins it again by itself. Then resume",
                    change.name
                )));
            }
            if rounds.given_up.len() >= FRESH_STARTS {
                return Err(ApplyError::Refused(format!(
                    "the function of secret {} made no value, {} times over. Read its log; where the secret is \
                     sealed, the function's role must be among `readers`. Then resume",
                    change.name,
                    rounds.begun()
                )));
            }
            notes.note(Note::GivingUp { version: version.clone() }).await?;
            cloud.secrets().move_label(secret, PENDING, None, Some(version)).await?;
            None
        }
        // The request may never have arrived, or it is not shown yet. The same token is the same rotation.
        Some(version) => Some(version.clone()),
    };
    let version = if let Some(version) = again {
        version
    } else {
        let nth = Rounds::of(notes.so_far()).begun();
        let version = delivery::version_of(&notes.seed(), &format!("rotation {nth}"));
        notes.note(Note::Rotating { version: version.clone() }).await?;
        version
    };
    cloud.secrets().rotate(secret, &version).await?;
    Ok(())
}

/// The version that was staged last.
fn staged(notes: &[Note]) -> Option<&VersionId> {
    notes.iter().rev().find_map(|note| match note {
        Note::StagingValue { version } => Some(version),
        _ => None,
    })
}

fn handed_over(change: &Change, notes: &[Note], secret: &SecretMetadata) -> Position {
    let current = secret.holder_of(CURRENT);
    let staged = staged(notes);
    if current != change.current.as_ref() && current != staged {
        let why = match current {
            Some(version) => format!("the secret's current version is now {version}"),
            None => "the secret has no current version any more".to_owned(),
        };
        return Position::Elsewhere { why };
    }
    let missing = match staged {
        None => return Position::Before,
        Some(version) if current != Some(version) => "the new value is not current",
        Some(_) if secret.holder_of(STAGED).is_some() => {
            "the label it was staged under is still there"
        }
        Some(_) => return Position::After,
    };
    Position::Between { why: missing.to_owned() }
}

async fn generate(
    change: &Change,
    field: Option<&str>,
    length: i64,
    cloud: &WriteCloud,
    notes: &mut dyn Notes,
) -> Result<(), ApplyError> {
    let secret = &change.secret;
    let described = cloud.read().secrets().describe(secret).await?;
    let labels = described.and_then(|s| s.version_ids_to_stages).unwrap_or_default();
    let stored = staged(notes.so_far()).filter(|version| labels.contains_key(version.as_str()));
    if let Some(version) = stored.cloned() {
        return delivery::hand_over(cloud, secret, change.current.as_ref(), &version).await;
    }
    let there = match field {
        Some(_) => delivery::open(cloud, secret).await?,
        None => cloud.secrets().current_value(secret).await?,
    };
    if field.is_none() && there.as_ref().is_some_and(delivery::is_object) {
        return Err(ApplyError::Refused(format!(
            "secret {} holds a JSON object, and a value alone would take its place; say which `field` it goes \
             into. Nothing was written",
            change.name
        )));
    }
    let value = cloud.secrets().random_password(length).await?;
    let whole: Secret = match field {
        Some(field) => delivery::with_fields(there.as_ref(), &[(field, value.expose())]),
        None => value,
    };
    // A value is never made twice, so each attempt has a version of its own.
    let nth = notes.so_far().iter().filter(|n| matches!(n, Note::StagingValue { .. })).count();
    let version = delivery::version_of(&notes.seed(), &format!("value {nth}"));
    notes.note(Note::StagingValue { version: version.clone() }).await?;
    cloud.secrets().stage(secret, &whole, &version, STAGED).await?;
    delivery::hand_over(cloud, secret, change.current.as_ref(), &version).await
}
