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

mod generated;
mod rotator;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use self::generated::Generated;
use self::rotator::Rotator;
use super::delivery::CURRENT;
use super::seal_policy::{by_arn, called, found};
use super::{About, Action, ApplyError, Draft, Notes, Permission, PlanError, Unknown};
use crate::cloud::WriteCloud;
use crate::ids::{Arn, SecretId, VersionId};
use crate::inventory::{Inventory, Unread, Want};
use crate::journal::{Delivered, Note, Position, Receipt};
use crate::plan::{Destination, Effect, OldValue};
use crate::playbook::{ActionShape, EffectKind, Field, FieldType, Phase, Such};

pub(super) struct Rotate;

const TIMES: FieldType = FieldType::Such(&Such {
    of: FieldType::Integer,
    expected: "how often a secret is rotated: 1 or 2",
    example: "2",
    judge: |value| {
        let help = "write `times: 2` where two users take turns, and nothing otherwise";
        Such::number(value, 1..=2, help)
    },
});

const CHARACTERS: FieldType = FieldType::Such(&Such {
    of: FieldType::Integer,
    expected: "a number of characters, 16 to 4096",
    example: "48",
    judge: |value| Such::number(value, 16..=4096, "write 16 to 4096, or leave it out for 48"),
});

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
#[serde(rename_all = "kebab-case")]
enum How {
    Rotator(Rotator),
    Generated(Generated),
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
            )
            .when("by", "rotator"),
            Field::optional(
                "times",
                TIMES,
                "2 where two users take turns, so that neither keeps an old password (default 1)",
            )
            .when("by", "rotator"),
            Field::optional(
                "within",
                FieldType::Duration,
                "How long each rotation may take before a person is called (default 10m)",
            )
            .when("by", "rotator"),
            Field::required(
                "verifiers_read_secret",
                FieldType::Boolean,
                "Whether everything that checks the value reads it from this secret: false where somebody must still \
                 change it there, and a `manual` step attests that",
            )
            .when("by", "generated"),
            Field::optional(
                "field",
                FieldType::Text,
                "The field of the JSON object that it goes into; others are kept",
            )
            .when("by", "generated"),
            Field::optional(
                "length",
                CHARACTERS,
                "Its letters and digits (default 48)",
            )
            .when("by", "generated"),
        ],
        phases: &[Phase::Rotate],
        effects: &[EffectKind::Issues, EffectKind::Delivers],
        takes_off: None,
    };
    const ABOUT: About = About {
        permissions: &[
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetResourcePolicy",
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
            "generated without `field`, it is held where the secret holds a JSON object",
        ],
        unknowns: &[Unknown {
            what: "whether what checks the value refuses the old one",
            ty: "boolean",
            known: "once somebody has tried it",
        }],
        d3fend: &["D3-CRO"],
        counters: &["T1555.006", "T1552"],
        tested: &[
            "faults::single_actions::every_pair_of_faults_in_a_rotation_leaves_one_new_version_and_the_old_value_useless",
            "faults::single_actions::every_pair_of_faults_in_a_generated_value_leaves_one_that_works",
        ],
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
            By::Rotator => How::Rotator(Rotator::plan(inputs, &name, secret)?),
            By::Generated => How::Generated(Generated::plan(inputs)),
        };
        let current = secret.holder_of(CURRENT).cloned();
        let (what, old_value, function) = match &how {
            How::Rotator(rotator) => {
                (rotator.what(), OldValue::Refused, Some(rotator.function().clone()))
            }
            How::Generated(generated) if inputs.verifiers_read_secret == Some(true) => {
                (generated.what(), OldValue::Refused, None)
            }
            How::Generated(generated) => (generated.what(), OldValue::Perhaps, None),
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
                Effect::Rotates { secret: name.clone(), old_value, function },
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
        match change.how {
            How::Rotator(_) => Rotator::permissions(),
            How::Generated(_) => Generated::permissions(),
        }
    }

    fn warnings(change: &Change) -> Vec<String> {
        match &change.how {
            How::Rotator(_) => Vec::new(),
            How::Generated(generated) => generated.warnings(change),
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
            How::Rotator(rotator) => rotator.judge(change, notes, secret),
            How::Generated(_) => generated::judge(change, notes, secret),
        })
    }

    fn patience(change: &Change) -> SignedDuration {
        match &change.how {
            How::Rotator(rotator) => rotator.within,
            How::Generated(_) => SignedDuration::ZERO,
        }
    }

    async fn apply(
        change: &Change,
        cloud: &WriteCloud,
        notes: &mut dyn Notes,
    ) -> Result<(), ApplyError> {
        match &change.how {
            How::Rotator(rotator) => rotator.apply(change, cloud, notes).await,
            How::Generated(generated) => generated.apply(change, cloud, notes).await,
        }
    }

    fn receipt(change: &Change, notes: &[Note]) -> Receipt {
        let version = match &change.how {
            How::Rotator(_) => rotator::version(notes),
            How::Generated(_) => generated::staged(notes).cloned(),
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
