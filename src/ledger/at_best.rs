//! What a run can come to at best, told from its plan alone: the ledger's own rules, asked of a journal in which every change
//! is seen done, and proven as surely as it can be. What is open or unproven even then, no run of that plan makes good.
//!
//! Knows no actions: how surely a cut can be proven, whoever asks says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::row::{issued_by, row, unseen as unseen_rows};
use super::{Issued, Row};
use crate::ids::{AccessKeyId, VersionId};
use crate::journal::{
    ChangeRecord, ChangeState, Delivered, Moment, Note, Outcome, Proven, Receipt, Refusal, State,
    TriedCredential, Witness,
};
use crate::plan::{Barrier, Change, Credential, Destination, Effect, Plan};
use crate::playbook::Proof;

/// Rows that keep every run of the plan from ending proven, whatever goes well; what people may say of them is left out.
/// `proof` is the strongest that a cut can come to, `None` of what nothing proves. A key may be tried itself, where
/// somebody has it: that it is blocked, and no more, speaks against nothing. What would have told of newcomers and was
/// refused when the case began, the operations `unseen`, no later look makes good.
pub fn at_best<'a>(
    plan: &'a Plan,
    unseen: BTreeSet<String>,
    proof: impl Fn(&Change) -> Option<Proof> + 'a,
) -> impl Iterator<Item = Row> + 'a {
    let state = State { not_seen: unseen, ..State::default() };
    let unseen: Vec<Row> = unseen_rows(&state).collect();
    let roles = plan.roles.iter().map(|reach| &reach.sessions);
    let all: BTreeSet<&Credential> = plan.credentials.iter().chain(roles).collect();
    // One after the other: of a hundred thousand, the journal is never there as a whole.
    let rows = all.into_iter().map(move |credential| best_of(plan, credential, &proof));
    rows.filter(|row| row.is_unaccounted() || row.is_unproven()).chain(unseen)
}

fn best_of(plan: &Plan, credential: &Credential, proof: impl Fn(&Change) -> Option<Proof>) -> Row {
    let mut state = State::default();
    // What lets somebody in again comes off on somebody's word alone.
    let reaching = plan.changes.reaching(credential);
    let reaching: Vec<&Change> = reaching.filter(|change| change.undoes.is_none()).collect();
    for change in &reaching {
        state.changes.insert(change.id.clone(), done(change, proof(change)));
        // What mints was cut before.
        for first in change.comes_behind().filter_map(|need| plan.change(&need.change)) {
            state.changes.entry(first.id.clone()).or_insert_with(|| done(first, proof(first)));
        }
    }
    // What nothing stands in the way of is let in.
    if let Credential::AccessKey { id, .. } = credential
        && reaching.iter().any(|change| change.cuts())
    {
        state.tried.insert(id.clone(), refused(&reaching));
    }
    // What a value is worth that held a key, the end of that key tells.
    if matches!(credential, Credential::SecretValue { .. }) {
        let replaced = reaching.iter().flat_map(|change| &change.effects);
        let replaced = replaced.filter_map(|effect| match effect {
            Effect::Issues { replaces: Some(key @ Credential::AccessKey { id, .. }), .. } => {
                Some((key, id))
            }
            _ => None,
        });
        for (key, id) in replaced {
            let cuts: Vec<&Change> =
                plan.changes.reaching(key).filter(|change| change.undoes.is_none()).collect();
            for change in &cuts {
                state.changes.insert(change.id.clone(), done(change, proof(change)));
            }
            state.tried.insert(id.clone(), refused(&cuts));
        }
    }
    let issued: Vec<Issued> =
        reaching.iter().flat_map(|change| issued_by(change, &state)).collect();
    let replaces = |new: &&Issued| new.replaces.as_ref() == Some(credential);
    let replaced: BTreeMap<&Credential, &Issued> =
        issued.iter().find(replaces).map(|new| (credential, new)).into_iter().collect();
    row(plan, &state, &replaced, credential.clone())
}

/// When cuts were made, and what comes behind the gate, and the proof of it.
const CUT: Moment = Moment { entry: 1, at: Timestamp::UNIX_EPOCH };
const AFTER: Moment = Moment { entry: 2, at: Timestamp::UNIX_EPOCH };
const TRIED: Moment = Moment { entry: 3, at: Timestamp::UNIX_EPOCH };

/// A change that went as hoped.
fn done(change: &Change, proof: Option<Proof>) -> ChangeRecord {
    let begun = if change.is_gated() { AFTER } else { CUT };
    let proven =
        |proof| Proven { proof, since: TRIED, by: Witness::ReadAgain, evidence: String::new() };
    let removed = change.effects.iter().filter_map(|effect| match effect {
        Effect::Destroys { credential: Credential::AccessKey { id, .. } } => {
            Some(Note::Removing { key: id.clone(), why: String::new() })
        }
        _ => None,
    });
    // What a secret holds no plan knows: at best the key that is replaced, and nothing else.
    let held = change.effects.iter().find_map(|effect| match effect {
        Effect::Issues { replaces: Some(Credential::AccessKey { id, .. }), .. } => {
            Some(Note::HeldAlone { key: id.clone() })
        }
        _ => None,
    });
    ChangeRecord {
        state: ChangeState::Seen,
        attempts: u32::from(!change.already),
        begun: (!change.already).then_some(begun),
        seen: Some(begun),
        was_seen: true,
        notes: removed.chain(held).collect(),
        receipt: Some(receipt(change)),
        proof: proof.map(proven),
        ..ChangeRecord::default()
    }
}

/// What the server could tell: which, matters to nobody here.
fn receipt(change: &Change) -> Receipt {
    let delivered = change.effects.iter().find_map(|effect| match effect {
        Effect::Delivers { to: Destination::Secret { secret } }
        | Effect::Rotates { secret, .. } => Some(Delivered::Secret {
            secret: secret.clone(),
            version: VersionId::parse(VERSION).expect("a version"),
        }),
        _ => None,
    });
    let issues = |password: bool| {
        change.effects.iter().any(|effect| {
            matches!(effect, Effect::Issues { replaces, .. }
                if matches!(replaces, Some(Credential::Password { .. })) == password)
        })
    };
    Receipt {
        issued: issues(false).then(|| AccessKeyId::parse(KEY).expect("a key")),
        password_set_at: issues(true).then_some(Timestamp::UNIX_EPOCH),
        delivered,
        denied_before: Some(Timestamp::UNIX_EPOCH),
    }
}

const VERSION: &str = "00000000-0000-0000-0000-000000000000";
const KEY: &str = "AKIAAAAAAAAAAAAAAAAA";

/// A key of which somebody has tried that it is refused by what stands in its way.
fn refused(reaching: &[&Change]) -> TriedCredential {
    let effects = reaching.iter().flat_map(|change| &change.effects);
    let is_off =
        { effects }.any(|effect| matches!(effect, Effect::Cuts { barrier: Barrier::Inactive, .. }));
    let because = if is_off { Refusal::NotAccepted } else { Refusal::IdentityDeny };
    let outcome = Outcome::Refused { because, evidence: String::new() };
    TriedCredential { last_used: None, begun: TRIED, of: None, outcome: Some((TRIED, outcome)) }
}
