//! The ledger: every credential in scope, each in exactly one standing, with the proof of it.
//!
//! Computed from the plan and the journal alone, so it can be read years later without a cloud. "Unused"
//! is not a standing, and inactive is blocked, not dead. With one credential unaccounted, or one whose
//! standing is not proven, a run is not green, and its exit code says so.

mod at_best;
mod barrier;
mod early;
mod let_in;
mod minters;
mod row;
mod standing;
mod uncut;
mod word;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

pub use self::at_best::at_best;
pub use self::barrier::{
    barriers, is_lifted, lift_begun, quarantined, reached, was_kept_out_meanwhile,
};
pub use self::early::{Early, early, opened_by};
pub use self::let_in::{LetIn, on_a_word_no_more, waits_for_a_word};
pub use self::minters::{is_stopped_otherwise, left_minting};
use self::row::{held_alone, row, undelivered, unseen};
pub use self::row::{issued, rotation};
pub use self::standing::{Standing, Successor};
pub use self::uncut::{has_come_since, off_before, to_answer_for, uncut};
pub use self::word::{
    closed_by, is_another, is_cleared, is_idle, is_let_off, is_spared, names_to_clear,
    names_to_let_in, shared_role, spoken_for_by, whom_it_lets_in,
};
use self::word::{has_passed, remarks, word};
use crate::ids::{AccessKeyId, Arn, UserName};
use crate::journal::{CutOff, Delivered, Outcome, State, Witness};
use crate::plan::{Credential, Plan};
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
    /// What earlier cases have cut beyond the plan, as it was last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// What somebody answers for, in force or not any more: on top of every account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<Waived>,
}

/// What earlier cases have cut beyond the plan that has taken them up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Before {
    /// How many of those cuts stand.
    pub standing: usize,
    /// When they were last looked at, as far as it was written down.
    pub at: Timestamp,
    /// Those that stand no more.
    pub off: Vec<CutOff>,
}

/// A credential that somebody answers for, for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waived {
    /// Which.
    pub credential: Credential,
    /// Who.
    pub by: Arn,
    /// Why, in that person's words.
    pub reason: String,
    /// Until when.
    pub until: Timestamp,
    /// Whether that has passed, by the journal's last entry.
    pub expired: bool,
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
    /// Where others found it, and what was said of it and does not count, or not any more; a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// For how long a log has been silent about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent: Option<Silent>,
    /// What speaks against it: it was tried, or heard of, and let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub let_in: Option<String>,
}

impl Row {
    /// Whether nothing is known to stand in the way, or nothing is known at all.
    pub fn is_unaccounted(&self) -> bool {
        matches!(self.standing, Standing::Unaccounted { .. } | Standing::OutOfReach { .. })
    }

    /// Whether its standing was not seen to be enforced, and must be.
    pub fn is_unproven(&self) -> bool {
        // What is let be by anybody's word is not cut, so that there is nothing to prove.
        !matches!(
            self.standing,
            Standing::Unaccounted { .. }
                | Standing::OutOfReach { .. }
                | Standing::Trusted { .. }
                | Standing::Cleared { .. }
                | Standing::Reopened { .. }
                | Standing::Waived { .. }
        ) && self.proof.as_ref().is_none_or(|shown| shown.proof < Proof::Enforced)
            || self.let_in.is_some()
    }
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

/// A new credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issued {
    /// For whom.
    pub user: UserName,
    /// Which.
    pub credential: Credential,
    /// When, by AWS's clock, where that is known and not told by the credential itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Where it was delivered.
    pub delivered: Option<Delivered>,
    /// What it takes over from.
    pub replaces: Option<Credential>,
}

impl Issued {
    /// The key's id, where it is an access key.
    pub fn key(&self) -> Option<&AccessKeyId> {
        match &self.credential {
            Credential::AccessKey { id, .. } => Some(id),
            _ => None,
        }
    }
}

/// Whether `credential` is gone for good, or has ended by itself.
pub fn is_dead(plan: &Plan, state: &State, credential: &Credential) -> bool {
    let row = row(plan, state, &BTreeMap::new(), credential.clone());
    matches!(row.standing, Standing::Dead { .. })
}

impl Ledger {
    /// The ledger of `plan`, as far as the journal says it has come.
    pub fn of(plan: &Plan, state: &State) -> Self {
        let issued = issued(plan, state);
        let mut replaced: BTreeMap<&Credential, &Issued> = BTreeMap::new();
        for new in &issued {
            if let Some(old) = &new.replaces {
                replaced.entry(old).or_insert(new);
            }
        }
        let roles = plan.roles.iter().map(|reach| &reach.sessions);
        let off = state.before.iter().filter(|_| !plan.is_undo()).flat_map(|before| &before.off);
        let let_in = off.flat_map(|cut| &cut.credentials);
        let mut credentials: Vec<Credential> = plan
            .credentials
            .iter()
            .chain(roles)
            .chain(&state.came)
            .chain(let_in)
            .cloned()
            .collect();
        credentials.sort();
        credentials.dedup();
        let rows =
            credentials.into_iter().map(|credential| row(plan, state, &replaced, credential));
        let mut rows: Vec<Row> = rows.collect();
        rows.extend(undelivered(plan, state));
        rows.extend(unseen(state));
        for row in &mut rows {
            row.remarks = remarks(plan, state, &row.credential);
            if let (Credential::SecretValue { secret }, Standing::Replaced { .. }) =
                (&row.credential, &row.standing)
                && let Some((key, _)) = held_alone(plan, state, secret)
            {
                row.remarks.push(format!(
                    "it held the {key} and no other secret, and that key is off, or deleted"
                ));
            }
            if waits_for_a_word(plan, state, row) {
                row.remarks.push(format!(
                    "whoever had it is let in alone, and nothing proves its end as the gate asks ({}): that holds the case up \
                     until it is cleared, or somebody answers for it",
                    plan.gate.proof
                ));
            }
            if let Some(word) = word(plan, state, row) {
                row.standing = word;
                row.proof = None;
                row.let_in = None;
            }
        }
        let waivers = state.waived.iter().map(|(credential, waiver)| Waived {
            credential: credential.clone(),
            by: waiver.spoken.said.by.clone(),
            reason: waiver.spoken.said.reason.clone(),
            until: waiver.until,
            expired: has_passed(waiver.until, state),
        });
        let tried = state.tried.iter().filter_map(|(id, tried)| {
            let (at, outcome) = tried.outcome.clone()?;
            let (credential, of, last_used) = (id.clone(), tried.of.clone(), tried.last_used);
            Some(Tried { credential, of, last_used, at: at.at, outcome })
        });
        let before = state.before.as_ref().filter(|_| !plan.is_undo()).map(|before| Before {
            standing: before.standing,
            at: before.at.at,
            off: before.off.clone(),
        });
        Self { rows, issued, tried: tried.collect(), before, waivers: waivers.collect() }
    }

    /// Rows of which nothing is known to stand in the way, or nothing is known at all.
    pub fn unaccounted(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.is_unaccounted())
    }

    /// Rows whose standing was not seen to be enforced: read back, and read back again, is not proof.
    pub fn unproven(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.is_unproven())
    }
}
