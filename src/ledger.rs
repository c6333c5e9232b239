//! The ledger: every credential in scope, each in exactly one standing, with the proof of it.
//!
//! Computed from the plan and the journal alone, so it can be read years later without a cloud. "Unused"
//! is not a standing, and inactive is blocked, not dead. With one credential unaccounted, or one whose
//! standing is not proven, a run is not green, and its exit code says so.

mod barriers;

use jiff::Timestamp;
use serde::Serialize;

pub use barriers::Barriers;

use crate::ids::{AccessKeyId, ChangeId, SecretId, UserName, VersionId};
use crate::journal::{ChangeRecord, ChangeState, Note, State};
use crate::plan::{Barrier, Change, Credential, Effect, Plan};
use crate::playbook::Proof;

/// The account of every credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// One row per credential found, in order.
    pub rows: Vec<Row>,
    /// What was issued in place of what was cut.
    pub issued: Vec<Issued>,
}

/// One credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Which.
    pub credential: Credential,
    /// How it stands.
    pub standing: Standing,
    /// The strongest proof of that, and what was seen.
    pub proof: Option<(Proof, String)>,
}

/// How a credential stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "kebab-case")]
pub enum Standing {
    /// Deleted: it cannot come back.
    Dead {
        /// By which change.
        by: ChangeId,
    },
    /// Something stands in its way.
    Blocked {
        /// What.
        by: Vec<Barrier>,
        /// Who could take it off.
        removable_by: String,
        /// For sessions: those issued before this moment, all of which are dead 36 hours later.
        issued_before: Option<Timestamp>,
    },
    /// Blocked, and another was delivered for its work.
    Replaced {
        /// What stands in its way.
        by: Vec<Barrier>,
        /// The new key.
        with: AccessKeyId,
    },
    /// Open, and nobody else's by the word of the playbook. Nothing shows that it is.
    Trusted {
        /// Why, in the playbook's words.
        reason: String,
    },
    /// Not to be seen, and therefore not to be spoken for.
    OutOfReach {
        /// Why.
        why: String,
    },
    /// Nothing is known to stand in its way.
    Unaccounted {
        /// Why not.
        why: String,
    },
}

impl Standing {
    /// The bare word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Dead { .. } => "dead",
            Self::Blocked { .. } => "blocked",
            Self::Replaced { .. } => "replaced",
            Self::Trusted { .. } => "trusted",
            Self::OutOfReach { .. } => "out of reach",
            Self::Unaccounted { .. } => "unaccounted",
        }
    }
}

/// A new credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issued {
    /// For whom.
    pub user: UserName,
    /// Which.
    pub key: AccessKeyId,
    /// Where it was delivered.
    pub delivered: Option<(SecretId, VersionId)>,
    /// The key whose work it takes over.
    pub replaces: Option<AccessKeyId>,
}

/// How long AWS lets a user's session live.
pub const LONGEST_SESSION: jiff::SignedDuration = jiff::SignedDuration::from_hours(36);

impl Ledger {
    /// The ledger of `plan`, as far as the journal says it has come.
    pub fn of(plan: &Plan, state: &State) -> Self {
        let issued: Vec<Issued> =
            seen(plan, state).flat_map(|change| issued_by(change, state)).collect();
        let roles = plan.roles.iter().map(|reach| &reach.sessions);
        let mut credentials: Vec<Credential> =
            plan.credentials.iter().chain(roles).cloned().collect();
        credentials.sort();
        credentials.dedup();
        let barriers = Barriers::of(plan, state);
        let rows = credentials
            .into_iter()
            .map(|credential| row(plan, state, &barriers, &issued, credential));
        let mut rows: Vec<Row> = rows.collect();
        rows.extend(undelivered(plan, state));
        Self { rows, issued }
    }

    /// Rows of which nothing is known to stand in the way, or nothing is known at all.
    pub fn unaccounted(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| {
            matches!(row.standing, Standing::Unaccounted { .. } | Standing::OutOfReach { .. })
        })
    }

    /// Rows whose standing was not seen to be enforced: read back, and read back again, is not proof.
    pub fn unproven(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| {
            // What is trusted is not cut, so that there is nothing to prove.
            !matches!(
                row.standing,
                Standing::Unaccounted { .. }
                    | Standing::OutOfReach { .. }
                    | Standing::Trusted { .. }
            ) && row.proof.as_ref().is_none_or(|(proof, _)| *proof < Proof::Enforced)
        })
    }
}

/// Changes that are seen in the world.
fn seen<'a>(plan: &'a Plan, state: &'a State) -> impl Iterator<Item = &'a Change> {
    plan.changes.iter().filter(|change| state.record(&change.id).state == ChangeState::Seen)
}

fn issued_by(change: &Change, state: &State) -> Vec<Issued> {
    let receipt = state.record(&change.id).receipt.clone().unwrap_or_default();
    let Some(key) = receipt.issued else { return Vec::new() };
    change
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Issues { user, replaces } => Some(Issued {
                user: user.clone(),
                key: key.clone(),
                delivered: receipt.delivered.clone(),
                replaces: replaces.clone(),
            }),
            _ => None,
        })
        .collect()
}

/// A key that was deleted, by the notes: something was noted after its removal began, or the change is
/// seen done.
fn was_removed(record: &ChangeRecord, key: &AccessKeyId) -> bool {
    let at = record
        .notes
        .iter()
        .rposition(|note| matches!(note, Note::Removing { key: of, .. } if of == key));
    at.is_some_and(|at| at + 1 < record.notes.len() || record.state == ChangeState::Seen)
}

/// Keys that were minted and are not delivered: their change is not seen done. Nobody has their secret, and
/// they work.
fn undelivered(plan: &Plan, state: &State) -> Vec<Row> {
    let mut rows = Vec::new();
    for change in &plan.changes {
        let record = state.record(&change.id);
        if record.state == ChangeState::Seen {
            continue;
        }
        let users = change.effects.iter().filter_map(|effect| match effect {
            Effect::Issues { user, .. } => Some(user),
            _ => None,
        });
        for user in users {
            for note in &record.notes {
                let Note::Minted { key } = note else { continue };
                if !was_removed(record, key) {
                    rows.push(Row {
                        credential: Credential::AccessKey { user: user.clone(), id: key.clone() },
                        standing: Standing::Unaccounted {
                            why: format!(
                                "minted by {}, which is not done: deactivate it, or let resume finish",
                                change.id
                            ),
                        },
                        proof: None,
                    });
                }
            }
        }
    }
    rows
}

fn row(
    plan: &Plan,
    state: &State,
    barriers: &Barriers<'_>,
    issued: &[Issued],
    credential: Credential,
) -> Row {
    let standing = barriers.before(&credential);
    let proof = standing
        .values()
        .filter_map(|change| state.change(&change.id).proof)
        .max_by_key(|(proof, ..)| *proof)
        .map(|(proof, _, evidence)| (proof, evidence));
    let destroyed = plan.changes.iter().find(|change| {
        change.effects.contains(&Effect::Destroys { credential: credential.clone() })
            && matches!(&credential, Credential::AccessKey { id, .. }
                if was_removed(&state.change(&change.id), id))
    });
    if let Some(change) = destroyed {
        return Row { credential, standing: Standing::Dead { by: change.id.clone() }, proof };
    }
    if let Credential::Unlisted { operation, .. } | Credential::UnlistedRoles { operation, .. } =
        &credential
        && standing.is_empty()
    {
        let accepted = if plan.accepted_gaps.contains(operation) {
            ", and lifted over all the same"
        } else {
            ""
        };
        let standing =
            Standing::OutOfReach { why: format!("{operation} showed nothing{accepted}") };
        return Row { credential, standing, proof: None };
    }
    if let (true, Some(reason)) = (standing.is_empty(), plan.trust_in(&credential)) {
        let standing = Standing::Trusted { reason: reason.to_owned() };
        return Row { credential, standing, proof: None };
    }
    if standing.is_empty() {
        let why = match &credential {
            Credential::RoleSessions { role } => {
                format!("role {role} trusts somebody in scope, and no step cuts its sessions")
            }
            _ => "no step cuts it, or its cut was not seen".to_owned(),
        };
        return Row { credential, standing: Standing::Unaccounted { why }, proof: None };
    }
    let by: Vec<Barrier> = standing.keys().copied().collect();
    let replacement = issued.iter().find(|issued| {
        matches!(&credential, Credential::AccessKey { id, .. } if issued.replaces.as_ref() == Some(id))
    });
    let standing = match replacement {
        Some(issued) => Standing::Replaced { by, with: issued.key.clone() },
        None => Standing::Blocked {
            removable_by: by.iter().map(|b| b.removable_by()).collect::<Vec<_>>().join("; and "),
            issued_before: standing
                .values()
                .find_map(|change| state.change(&change.id).receipt?.denied_before),
            by,
        },
    };
    Row { credential, standing, proof }
}
