//! Rotation by the function that a secret has.
//!
//! `RotateSecret` with a token of ours, which becomes the version's id, and then waiting, because the function works at
//! its own pace. What has become of it is told by the labels of its version alone.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{Change, Inputs, impossible};
use crate::action::delivery::{self, CURRENT};
use crate::action::{ApplyError, Notes, Permission, PlanError};
use crate::cloud::WriteCloud;
use crate::ids::{Arn, SecretId, VersionId};
use crate::inventory::SecretMetadata;
use crate::journal::{Note, Position};

/// The label of a version that a rotation is working on.
const PENDING: &str = "AWSPENDING";

/// Versions that are begun in place of ones the function made nothing of.
const FRESH_STARTS: usize = 2;

/// How long a function may take, where the playbook does not say: four steps, with time to start.
const WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// One rotation, or two, decided.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotator {
    function: Arn,
    /// Twice where two users take turns: once would leave the other's password as it is.
    times: usize,
    pub(super) within: SignedDuration,
}

impl Rotator {
    pub(super) fn plan(
        inputs: &Inputs,
        name: &SecretId,
        secret: &SecretMetadata,
    ) -> Result<Self, PlanError> {
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
        Ok(Self { function, times, within: inputs.within.unwrap_or(WITHIN) })
    }

    /// What is done, for people.
    pub(super) fn what(&self) -> String {
        let twice = if self.times == 2 { " twice" } else { "" };
        format!("rotate it{twice} by {}, whose code and role were not examined", self.function)
    }

    pub(super) fn function(&self) -> &Arn {
        &self.function
    }

    pub(super) fn permissions() -> Vec<Permission> {
        let only_if = "a rotation makes no value";
        vec![
            Permission::to("secretsmanager:RotateSecret"),
            Permission::to("secretsmanager:GetSecretValue").only_if(only_if),
            Permission::to("secretsmanager:UpdateSecretVersionStage").only_if(only_if),
        ]
    }

    /// Where it stands.
    pub(super) fn judge(
        &self,
        change: &Change,
        notes: &[Note],
        secret: &SecretMetadata,
    ) -> Position {
        let function = &self.function;
        match &secret.rotator {
            Some(same) if same == function => Rounds::of(notes).stand(change, self.times, secret),
            Some(other) => Position::Elsewhere {
                why: format!("it is rotated by {other} now, and not by {function}"),
            },
            None => {
                Position::Elsewhere { why: format!("it is not rotated by {function} any more") }
            }
        }
    }

    pub(super) async fn apply(
        &self,
        change: &Change,
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
                if rounds.live.len() >= self.times {
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
                     sealed, the function's role must be among `readers`: if it is not, plan again with it there \
                     and run that. Otherwise mend what stopped it, then resume",
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
}

/// The version that the last rotation was to make.
pub(super) fn version(notes: &[Note]) -> Option<VersionId> {
    Rounds::of(notes).live.pop()
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
