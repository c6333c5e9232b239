//! The ledger: every credential in scope, each in exactly one standing, with the proof of it.
//!
//! Computed from the plan and the journal alone, so it can be read years later without a cloud. "Unused"
//! is not a standing, and inactive is blocked, not dead. With one credential unaccounted, or one whose
//! standing is not proven, a run is not green, and its exit code says so.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::ids::{AccessKeyId, Arn, ChangeId, SecretId, UserName, VersionId};
use crate::journal::{
    ChangeRecord, ChangeState, Heard, Note, Outcome, Proven, Refusal, State, Witness,
};
use crate::plan::{Barrier, Change, Credential, Effect, Plan, Subject};
use crate::playbook::Proof;

/// The account of every credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// One row per credential found, in order.
    pub rows: Vec<Row>,
    /// What was issued in place of what was cut.
    pub issued: Vec<Issued>,
    /// Credentials that were given to be tried.
    pub tried: Vec<Tried>,
}

/// One credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Which.
    pub credential: Credential,
    /// How it stands.
    pub standing: Standing,
    /// The strongest proof of that.
    pub proof: Option<RowProof>,
    /// For how long a log has been silent about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent: Option<Silent>,
    /// What speaks against it: it was tried, or heard of, and let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub let_in: Option<String>,
}

/// How the standing of a credential was proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowProof {
    /// How strongly.
    pub proof: Proof,
    /// What that is worth: weak, fair or strong.
    pub worth: &'static str,
    /// Who or what bears witness.
    pub by: Witness,
    /// What was seen.
    pub evidence: String,
}

/// A log in which nothing is heard of a credential, and our own refused request is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Silent {
    /// Since when.
    pub since: Timestamp,
    /// Up to when.
    pub until: Timestamp,
    /// Which log.
    pub log: String,
}

/// A credential that was given to be tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// Which.
    pub credential: AccessKeyId,
    /// Whose it is, where it said so.
    pub of: Option<Arn>,
    /// When it was last used before, where that can be told.
    pub last_used: Option<Timestamp>,
    /// When it was tried.
    pub at: Timestamp,
    /// What came of it.
    pub outcome: Outcome,
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
        let rows = credentials.into_iter().map(|credential| row(plan, state, &issued, credential));
        let mut rows: Vec<Row> = rows.collect();
        rows.extend(undelivered(plan, state));
        let tried = state.tried.iter().filter_map(|(id, tried)| {
            let (at, outcome) = tried.outcome.clone()?;
            let (credential, of, last_used) = (id.clone(), tried.of.clone(), tried.last_used);
            Some(Tried { credential, of, last_used, at: at.at, outcome })
        });
        Self { rows, issued, tried: tried.collect() }
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
            ) && row.proof.as_ref().is_none_or(|shown| shown.proof < Proof::Enforced)
                || row.let_in.is_some()
        })
    }
}

/// Changes that are seen in the world.
fn seen<'a>(plan: &'a Plan, state: &'a State) -> impl Iterator<Item = &'a Change> {
    plan.changes.iter().filter(|change| state.change(&change.id).state == ChangeState::Seen)
}

fn issued_by(change: &Change, state: &State) -> Vec<Issued> {
    let receipt = state.change(&change.id).receipt.unwrap_or_default();
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

/// The barriers that stand in the way of `credential`, each with the change that put it there: of the
/// cuts that were seen, those that no change seen has lifted again.
pub fn barriers<'a>(
    plan: &'a Plan,
    state: &State,
    credential: &Credential,
) -> BTreeMap<Barrier, &'a Change> {
    let mut standing: BTreeMap<Barrier, &Change> = BTreeMap::new();
    for change in &plan.changes {
        if state.change(&change.id).state != ChangeState::Seen {
            continue;
        }
        for effect in &change.effects {
            if let Effect::Cuts { subject, barrier } = effect
                && subject.covers(credential)
                && !is_lifted(plan, state, change)
            {
                standing.insert(*barrier, change);
            }
        }
    }
    // Whoever was denied twice was denied once more than needed: only the later pass speaks.
    if standing.contains_key(&Barrier::SessionsSecondPass) {
        standing.remove(&Barrier::SessionsFirstPass);
    }
    standing
}

/// Whether the barrier that `cut` has put on was taken off since: a lift has begun after it. From the lift's
/// first call on the barrier may be off.
pub fn is_lifted(plan: &Plan, state: &State, cut: &Change) -> bool {
    let cut_begun = state.change(&cut.id).begun;
    let lifts = |subject: &Subject, barrier: Barrier| {
        plan.changes.iter().any(|change| {
            let begun = state.change(&change.id).begun;
            begun.is_some_and(|lift| cut_begun.is_none_or(|cut| cut <= lift))
                && change.effects.iter().any(|effect| {
                    matches!(effect, Effect::Lifts { subject: of, barrier: lifted }
                        if *lifted == barrier && of == subject)
                })
        })
    };
    cut.effects.iter().any(|effect| match effect {
        Effect::Cuts { subject, barrier } => lifts(subject, *barrier),
        _ => false,
    })
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
        let record = state.change(&change.id);
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
                if !was_removed(&record, key) {
                    rows.push(Row {
                        credential: Credential::AccessKey { user: user.clone(), id: key.clone() },
                        standing: Standing::Unaccounted {
                            why: format!(
                                "minted by {}, which is not done: deactivate it, or let resume finish",
                                change.id
                            ),
                        },
                        proof: None,
                        silent: None,
                        let_in: None,
                    });
                }
            }
        }
    }
    rows
}

fn row(plan: &Plan, state: &State, issued: &[Issued], credential: Credential) -> Row {
    let standing = barriers(plan, state, &credential);
    let (proof, mut let_in) = proof_of(state, &standing, &credential);
    let mut silent = None;
    if let Some(listened) = state.listened.get(&credential.to_string()) {
        match &listened.heard {
            Heard::Nothing { until, .. } => {
                let (since, log) = (listened.since, listened.log.clone());
                silent = Some(Silent { since, until: *until, log });
            }
            Heard::Success { at, what, .. } => {
                let heard = format!("{what} was let in at {at}, by {}", listened.log);
                let_in.get_or_insert(heard);
            }
            Heard::CannotTell { .. } => {}
        }
    }
    let row = |credential, standing, proof| Row { credential, standing, proof, silent, let_in };
    let destroyed = plan.changes.iter().find(|change| {
        change.effects.contains(&Effect::Destroys { credential: credential.clone() })
            && matches!(&credential, Credential::AccessKey { id, .. }
                if was_removed(&state.change(&change.id), id))
    });
    if let Some(change) = destroyed {
        let standing = Standing::Dead { by: change.id.clone() };
        return row(credential, standing, proof);
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
        return row(credential, standing, None);
    }
    if let (true, Some(reason)) = (standing.is_empty(), plan.trust_in(&credential)) {
        let standing = Standing::Trusted { reason: reason.to_owned() };
        return row(credential, standing, None);
    }
    if standing.is_empty() {
        let why = match &credential {
            Credential::RoleSessions { role } => {
                format!("role {role} trusts somebody in scope, and no step cuts its sessions")
            }
            _ => "no step cuts it, or its cut was not seen".to_owned(),
        };
        return row(credential, Standing::Unaccounted { why }, None);
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
    row(credential, standing, proof)
}

/// The strongest proof that something of `standing` holds `credential` back; and what speaks against it. What was
/// shown of one credential is never taken for another's.
fn proof_of(
    state: &State,
    standing: &BTreeMap<Barrier, &Change>,
    credential: &Credential,
) -> (Option<RowProof>, Option<String>) {
    let shown = |proven: Proven| RowProof {
        proof: proven.proof,
        worth: proven.by.worth(),
        by: proven.by,
        evidence: proven.evidence,
    };
    let by_change = standing
        .values()
        .filter_map(|change| state.change(&change.id).proof)
        // Of two that are as strong, what was refused itself says more than a canary.
        .max_by_key(|proven| (proven.proof, matches!(proven.by, Witness::Itself { .. })))
        .map(shown);
    let Credential::AccessKey { id, .. } = credential else { return (by_change, None) };
    let Some((at, outcome)) = state.tried.get(id).and_then(|tried| tried.outcome.as_ref()) else {
        return (by_change, None);
    };
    match outcome {
        Outcome::LetIn { evidence } => (None, Some(evidence.clone())),
        Outcome::Refused { because, evidence } => {
            // What it was refused for must still be there, and have been before.
            let holds = standing.iter().any(|(barrier, change)| {
                may_refuse_with(*barrier, *because)
                    && state.change(&change.id).begun.is_none_or(|begun| begun < *at)
            });
            let by = Witness::Itself { credential: id.clone() };
            let itself = || RowProof {
                proof: Proof::Enforced,
                worth: by.worth(),
                by: by.clone(),
                evidence: evidence.clone(),
            };
            (if holds { Some(itself()) } else { by_change }, None)
        }
        Outcome::CannotTell { .. } => (by_change, None),
    }
}

/// Whether a long-lived key can be refused for this reason because of `barrier`.
fn may_refuse_with(barrier: Barrier, because: Refusal) -> bool {
    match barrier {
        Barrier::Inactive => because == Refusal::NotAccepted,
        Barrier::Quarantine => {
            matches!(because, Refusal::IdentityDeny | Refusal::Boundary | Refusal::Unnamed)
        }
        // Long-lived keys do not carry the time of issue.
        Barrier::SessionsFirstPass | Barrier::SessionsSecondPass => false,
    }
}
