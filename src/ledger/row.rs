//! How one credential stands, worked out from plan and journal.

use std::collections::BTreeMap;

use super::barrier::{barriers, is_lifted, is_seen, seen};
use super::early::opened_early;
use super::let_in::{let_in_by_undo, mints_anew, on_a_word_no_more, opened_on_a_word_that_ran_out};
use super::minters::left_minting;
use super::word::{is_cleared, is_let_off, is_spared};
use super::{Issued, Row, RowProof, Silent, Standing, Successor};
use crate::ids::{AccessKeyId, SecretId, VersionId};
use crate::journal::{
    ChangeRecord, ChangeState, CutOff, Delivered, Heard, Note, Outcome, Proven, Refusal, State,
    Witness,
};
use crate::plan::{
    Barrier, Change, Credential, Destination, Effect, OldValue, Plan, Subject, longest_session,
};
use crate::playbook::Proof;

/// What is done outside a case, nothing of it sees.
const UNTIL_SAID: &str = "; what is done about it outside is not seen here: it counts once somebody answers for it, or it is cleared";

pub(super) fn row(
    plan: &Plan,
    state: &State,
    replaced: &BTreeMap<&Credential, &Issued>,
    credential: Credential,
) -> Row {
    let mut standing = barriers(plan, state, &credential);
    let all: Vec<Barrier> = standing.keys().copied().collect();
    // What somebody gets past is told, and accounts for nothing.
    standing.retain(|barrier, _| barrier.blocks());
    let (proof, mut let_in) = proof_of(state, &standing, &credential);
    let mut silent = None;
    if !state.listened.is_empty()
        && let Some(listened) = state.listened.get(&credential.to_string())
    {
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
    let row = |credential, standing, proof| {
        let remarks = Vec::new();
        Row { credential, standing, proof, remarks, silent, let_in }
    };
    let replacement = replaced.get(&credential);
    if let Some(issued) = replacement.filter(|issued| issued.credential == credential) {
        // It has the place of the old one, which nothing can bring back, and needs no barrier.
        let by = standing.keys().copied().collect();
        let with = Successor::Credential(issued.credential.clone());
        let mut about = plan.changes.reaching(&credential).filter(|change| is_seen(change, state));
        let own = about.find(|change| {
            change.effects.iter().any(|effect| {
                matches!(effect, Effect::Issues { replaces, .. } if replaces.as_ref() == Some(&credential))
            })
        });
        let own = own.and_then(|change| state.change(&change.id).proof).map(shown);
        let proof = proof.into_iter().chain(own).max_by_key(|shown| shown.proof);
        return row(credential, Standing::Replaced { by, with }, proof);
    }
    if let Some(change) = standing.get(&Barrier::Deleted) {
        let standing = Standing::Dead { by: change.id.clone(), found_gone: false };
        return row(credential, standing, proof);
    }
    let destroyed = plan.changes.reaching(&credential).find(|change| {
        let destroys = |effect: &Effect| {
            matches!(effect, Effect::Destroys { credential: gone } if *gone == credential)
        };
        change.effects.iter().any(destroys)
            && matches!(&credential, Credential::AccessKey { id, .. }
                if was_removed(state.record(&change.id), id))
    });
    if let Some(change) = destroyed {
        let standing = Standing::Dead { by: change.id.clone(), found_gone: false };
        return row(credential, standing, proof);
    }
    let gone = standing.values().find(|change| state.record(&change.id).gone);
    if let Some(change) = gone {
        let standing = Standing::Dead { by: change.id.clone(), found_gone: true };
        return row(credential, standing, proof);
    }
    // Nobody needs the proof of a cut of an innocent, nor of its end.
    if !is_cleared(plan, state, &credential)
        && let_in_by_undo(plan, state, &credential).is_none()
        && let Some((change, proof)) = have_ended(plan, state, &credential)
    {
        let standing = Standing::Dead { by: change.id.clone(), found_gone: false };
        return row(credential, standing, proof.map(shown));
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
    if matches!(credential, Credential::Manual { .. })
        && standing.is_empty()
        && let Some(opened) = plan.changes.reaching(&credential).find(|change| {
            is_seen(change, state)
                && change.effects.iter().any(|effect| {
                    matches!(effect, Effect::Lifts { subject, .. } if subject.covers(&credential))
                })
        })
    {
        let standing = match opened_on_a_word_that_ran_out(plan, state, opened, &credential) {
            Some(why) => Standing::Unaccounted { why },
            None => Standing::Reopened { by: opened.id.clone() },
        };
        return row(credential, standing, None);
    }
    if let Some((opening, said)) = opened_early(plan, state, &credential) {
        let why = format!(
            "opened again before its turn, as {} attests, and {} is not done: close it until then, or `resume` and see to \
             what that waits for",
            said.by, opening.id
        );
        return row(credential, Standing::Unaccounted { why }, None);
    }
    if let Credential::SecretValue { secret } = &credential {
        let by: Vec<Barrier> = standing.keys().copied().collect();
        if let Some((key, version)) = held_alone(plan, state, secret)
            && let Some(key) = of_one_that_is_off(plan, state, key)
        {
            let with = Successor::Version(version);
            return row(credential, Standing::Replaced { by, with }, key.proof);
        }
        let standing = of_value(plan, state, secret, by);
        return row(credential, standing, proof);
    }
    if standing.is_empty()
        && let Some(cut) = let_in_again(plan, state, &credential)
    {
        let (had, stands) = if cut.never_seen {
            ("had begun to cut", "was never seen to stand")
        } else {
            ("had cut", "stands no more")
        };
        let why = format!(
            "{} {had} it ({}, {}), and that {stands}: {}",
            cut.case, cut.target, cut.what, cut.why
        );
        return row(credential, Standing::Unaccounted { why }, None);
    }
    if standing.is_empty() {
        let why = match &credential {
            Credential::Admission { .. } => {
                format!(
                    "nobody whom the role admitted when the account was first surveyed, and no quarantine of the role \
                     keeps him out{UNTIL_SAID}"
                )
            }
            Credential::Reader { .. } => {
                format!(
                    "nobody who could read the secret by its own policy when the account was first surveyed: what is put \
                     into it he reads{UNTIL_SAID}"
                )
            }
            _ if is_unplanned(plan, state, &credential) => {
                "it has come since the case was last planned: `resume` plans what cuts it, or asks about it"
                    .to_owned()
            }
            _ if plan.was_left_open(&credential) => {
                "an earlier case of the account has left it open, and no step cuts it".to_owned()
            }
            _ if plan.is_newcomer(&credential) => {
                format!(
                    "it has come since the account was first surveyed, and no step cuts it{UNTIL_SAID}"
                )
            }
            Credential::Manual { .. } => of_way_in(plan, state, &credential),
            _ if let Some(let_in) = on_a_word_no_more(plan, state, &credential) => {
                format!(
                    "let in again {let_in}, and nobody answers for it now: cut it, have it cleared, or answer for it anew"
                )
            }
            _ if let Some(why) = was_to_be_cut(plan, state, &credential) => why,
            Credential::RoleSessions { role } => {
                let reads = plan.credentials.contains(&credential);
                let reads = if reads { "; it may read what is handed out" } else { "" };
                format!("role {role} trusts somebody in scope, and no step cuts its sessions{reads}")
            }
            _ if all.contains(&Barrier::Network) => {
                "restricted to certain networks, and not cut: whoever is inside them can use it"
                    .to_owned()
            }
            _ => "no step cuts it".to_owned(),
        };
        return row(credential, Standing::Unaccounted { why }, None);
    }
    if let Some(opened) = let_in_by_undo(plan, state, &credential) {
        let whom = match &credential {
            Credential::Sessions { user } => format!("{user} out"),
            _ => "everybody out whom the role admits".to_owned(),
        };
        let why = format!(
            "older ones are denied; {} has taken off what kept {whom}, and nobody speaks for it now",
            opened.id
        );
        return row(credential, Standing::Unaccounted { why }, None);
    }
    if let Some(minter) = mints_anew(plan, state, &credential, &standing) {
        let why = format!(
            "older ones are denied; whoever holds the {minter}, which nothing keeps out now, mints new ones"
        );
        return row(credential, Standing::Unaccounted { why }, None);
    }
    if let Some(why) = not_behind_what_mints(plan, state, &credential, &standing) {
        return row(credential, Standing::Unaccounted { why }, None);
    }
    let by = all;
    let issued_before = standing
        .values()
        .filter_map(|change| state.record(&change.id).receipt.as_ref()?.denied_before)
        .max();
    let of = credential.principal();
    let standing = match replacement {
        Some(issued) => {
            Standing::Replaced { by, with: Successor::Credential(issued.credential.clone()) }
        }
        None => Standing::Blocked {
            removable_by: by
                .iter()
                .filter(|barrier| barrier.blocks())
                .map(|barrier| barrier.removable_by(&credential))
                .collect::<Vec<_>>()
                .join("; and "),
            until: issued_before
                .zip(of)
                .and_then(|(at, of)| at.checked_add(longest_session(&of)).ok()),
            issued_before,
            by,
        },
    };
    row(credential, standing, proof)
}

/// What became of the change that was to cut a credential, where one was and it is not seen done.
fn was_to_be_cut(plan: &Plan, state: &State, credential: &Credential) -> Option<String> {
    let mut cuts = plan.changes.reaching(credential).filter(|change| {
        change.keeps_out(credential)
            && !is_seen(change, state)
            && !is_lifted(plan, state, change)
            && !is_spared(plan, state, change)
    });
    let first = cuts.next()?;
    // Of several, one that AWS refused says most.
    let refused = |change: &&Change| state.record(&change.id).refused;
    let cut = Some(first).into_iter().chain(cuts).find(refused).unwrap_or(first);
    Some(format!("{} was to cut it, {}", cut.id, became(state.record(&cut.id))))
}

/// What became of a change that is not seen done, behind a comma.
fn became(record: &ChangeRecord) -> &'static str {
    match record.state {
        ChangeState::Held if record.refused => "and was refused",
        ChangeState::Held => "and is held: a person is called",
        _ if record.was_seen => "and was taken off again",
        _ if record.attempts > 0 => "and is not seen to be done",
        _ => "and was not begun",
    }
}

/// Why sessions that nothing but a deny of older ones keeps out are not cut yet: they are to be denied once more behind
/// whatever can mint them, or that was done while something could.
fn not_behind_what_mints(
    plan: &Plan,
    state: &State,
    sessions: &Credential,
    standing: &BTreeMap<Barrier, &Change>,
) -> Option<String> {
    if !standing.keys().all(|barrier| barrier.is_of_sessions()) || is_let_off(plan, state, sessions)
    {
        return None;
    }
    let denies_again = |change: &&Change| {
        change.is_second_pass() && change.keeps_out(sessions) && !is_lifted(plan, state, change)
    };
    let passes: Vec<&Change> = plan.changes.reaching(sessions).filter(denies_again).collect();
    let made = |pass: &&&Change| is_seen(pass, state);
    if let Some(pass) = passes.iter().find(|pass| !made(pass)) {
        return Some(format!(
            "older ones are denied, in a first pass; {} was to deny those that were minted since, {}",
            pass.id,
            became(state.record(&pass.id))
        ));
    }
    let (cut, minter) = passes
        .iter()
        .filter(made)
        .find_map(|pass| left_minting(plan, state, pass).first().copied())?;
    Some(format!(
        "older ones are denied; whoever has the {minter} mints new ones: {} was to stop that, {}",
        cut.id,
        became(state.record(&cut.id))
    ))
}

/// The lift that took the deny of these sessions off, if one has: it is begun only when the last of them has ended
/// by itself. With the proof that they were denied until then.
fn have_ended<'a>(
    plan: &'a Plan,
    state: &State,
    credential: &Credential,
) -> Option<(&'a Change, Option<Proven>)> {
    let of_them = |subject: &Subject, barrier: &Barrier| {
        barrier.is_of_sessions()
            && matches!(subject, Subject::Credential { credential: of } if of == credential)
    };
    let lift = plan.changes.reaching(credential).find(|change| {
        let lifts = |effect: &Effect| {
            matches!(effect, Effect::Lifts { subject, barrier } if of_them(subject, barrier))
        };
        let is_done = |record: &ChangeRecord| {
            record.attempts > 0 && record.state == ChangeState::Seen
        };
        change.effects.iter().any(lifts) && is_done(state.record(&change.id))
    })?;
    let denied = plan.changes.reaching(credential).filter(|change| {
        let cuts = |effect: &Effect| {
            matches!(effect, Effect::Cuts { subject, barrier } if of_them(subject, barrier))
        };
        change.effects.iter().any(cuts)
            && is_lifted(plan, state, change)
            && state.record(&change.id).receipt.as_ref().is_some_and(|r| r.denied_before.is_some())
    });
    let proofs: Vec<_> = denied.map(|change| state.change(&change.id).proof).collect();
    // Denied anew since the lift, or never by this run: then nothing is known to have ended.
    if proofs.is_empty() {
        return None;
    }
    Some((lift, proofs.into_iter().flatten().max_by_key(|proven| proven.proof)))
}

/// A key that was deleted, by the notes: something was noted after its removal began, or the change is
/// seen done.
fn was_removed(record: &ChangeRecord, key: &AccessKeyId) -> bool {
    let at = record
        .notes
        .iter()
        .rposition(|note| matches!(note, Note::Removing { key: of, .. } if of == key));
    let noted = |note: &Note| !matches!(note, Note::Attested { .. });
    at.is_some_and(|at| {
        record.notes[at + 1..].iter().any(noted) || record.state == ChangeState::Seen
    })
}

/// Keys that were minted and are not delivered: their change is not seen done. Nobody has their secret, and
/// they work.
pub(super) fn undelivered(plan: &Plan, state: &State) -> Vec<Row> {
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
                        remarks: Vec::new(),
                        silent: None,
                        let_in: None,
                    });
                }
            }
        }
    }
    rows
}

/// Whoever may have come in, and cannot be told of.
pub(super) fn unseen(state: &State) -> impl Iterator<Item = Row> {
    state.not_seen.iter().map(|operation| Row {
        credential: Credential::Unseen { operation: operation.clone() },
        standing: Standing::OutOfReach {
            why: format!("{operation} was refused: look by hand, or allow it and resume"),
        },
        proof: None,
        remarks: Vec::new(),
        silent: None,
        let_in: None,
    })
}

/// Whether a look showed a credential that no plan has been made for.
fn is_unplanned(plan: &Plan, state: &State, credential: &Credential) -> bool {
    state.came.contains(credential) && !plan.credentials.contains(credential)
}

/// The cut of an earlier case that kept a credential out and stands no more, if there is one.
fn let_in_again<'s>(plan: &Plan, state: &'s State, credential: &Credential) -> Option<&'s CutOff> {
    let before = state.before.iter().filter(|_| !plan.is_undo());
    let mut off = before.flat_map(|before| &before.off);
    off.find(|cut| cut.credentials.contains(credential))
}

fn shown(proven: Proven) -> RowProof {
    RowProof {
        proof: proven.proof,
        worth: proven.by.worth(),
        by: proven.by,
        evidence: proven.evidence,
    }
}

/// The strongest proof that something of `standing` holds `credential` back; and what speaks against it. What was
/// shown of one credential is never taken for another's.
fn proof_of(
    state: &State,
    standing: &BTreeMap<Barrier, &Change>,
    credential: &Credential,
) -> (Option<RowProof>, Option<String>) {
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
                    && state.record(&change.id).begun.is_none_or(|begun| begun < *at)
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
        // Long-lived keys do not carry the time of issue, and the others are no key's.
        Barrier::SessionsFirstPass
        | Barrier::SessionsSecondPass
        | Barrier::Sealed
        | Barrier::Network
        | Barrier::Deleted
        | Barrier::Attested => false,
    }
}

/// How a way in outside stands that is not seen closed.
fn of_way_in(plan: &Plan, state: &State, way_in: &Credential) -> String {
    let closes = |change: &&Change| {
        change
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Cuts { subject, .. } if subject.covers(way_in)))
    };
    let closing = || plan.changes.reaching(way_in).filter(closes);
    let said = closing().find_map(|change| state.attested_since(&change.id));
    let is_held = |change: &Change| {
        let record = state.record(&change.id);
        record.state == ChangeState::Held && record.attested().is_some()
    };
    let is_open_again = |change: &Change| state.record(&change.id).taken_off.is_some();
    match said {
        Some(said) => format!("attested to be closed by {}, and not looked at since", said.by),
        None if closing().any(is_open_again) => {
            "it was closed, and what was tried since shows it open".to_owned()
        }
        None if closing().any(is_held) => {
            "attested to be closed, and what was tried since does not bear that out".to_owned()
        }
        None => "nobody has attested that it is closed, or it is being opened again".to_owned(),
    }
}

/// How the value stands that a secret held. A seal keeps it from being read anew; whoever has read it can use it
/// wherever it is checked, until it is replaced there.
fn of_value(plan: &Plan, state: &State, secret: &SecretId, by: Vec<Barrier>) -> Standing {
    let sealed = if by.is_empty() { "" } else { "; it is sealed, so that nobody else reads it" };
    match rotation(plan, state, secret) {
        Some((OldValue::Refused, version)) => {
            Standing::Replaced { by, with: Successor::Version(version) }
        }
        Some((OldValue::Perhaps, version)) => Standing::Unaccounted {
            why: format!(
                "the old value is good where it is checked, until somebody changes it there to that of version \
                 {version}{sealed}"
            ),
        },
        None => Standing::Unaccounted {
            why: format!("it was not replaced: whoever knows it can use it{sealed}"),
        },
    }
}

/// The key that was all that a secret held when a new one was put in its place, and the version of the new one.
pub(super) fn held_alone(
    plan: &Plan,
    state: &State,
    secret: &SecretId,
) -> Option<(Credential, VersionId)> {
    let value = Credential::SecretValue { secret: secret.clone() };
    let mut delivered = plan.changes.reaching(&value).filter(|change| {
        let into = |effect: &Effect| {
            matches!(effect, Effect::Delivers { to: Destination::Secret { secret: of } } if of == secret)
        };
        is_seen(change, state) && change.effects.iter().any(into)
    });
    // Where more than one key is put into it, the later one finds that of the earlier.
    let (change, None) = (delivered.next()?, delivered.next()) else { return None };
    let record = state.record(&change.id);
    let key = record.notes.iter().find_map(|note| match note {
        Note::HeldAlone { key } => Some(key),
        _ => None,
    })?;
    let Delivered::Secret { version, .. } = record.receipt.clone()?.delivered? else { return None };
    let is_it = |one: &&Credential| matches!(one, Credential::AccessKey { id, .. } if id == key);
    Some((plan.credentials.iter().find(is_it)?.clone(), version))
}

/// The row of a key, where that is off or gone for good, whatever else comes off.
fn of_one_that_is_off(plan: &Plan, state: &State, key: Credential) -> Option<Row> {
    let of_it = row(plan, state, &BTreeMap::new(), key);
    let is_off = match &of_it.standing {
        Standing::Dead { .. } => true,
        Standing::Blocked { by, .. } => by.contains(&Barrier::Inactive),
        _ => false,
    };
    (is_off && of_it.let_in.is_none()).then_some(of_it)
}

/// The rotation of a secret that was seen done: what becomes of the old value, and the version of the new one.
pub fn rotation(plan: &Plan, state: &State, secret: &SecretId) -> Option<(OldValue, VersionId)> {
    let value = Credential::SecretValue { secret: secret.clone() };
    plan.changes.reaching(&value).filter(|change| is_seen(change, state)).find_map(|change| {
        let old_value = change.effects.iter().find_map(|effect| match effect {
            Effect::Rotates { secret: of, old_value, .. } if of == secret => Some(*old_value),
            // A new key is put in its place. What else was in it, nobody here knows.
            Effect::Delivers { to: Destination::Secret { secret: of } } if of == secret => {
                Some(OldValue::Perhaps)
            }
            _ => None,
        })?;
        let Delivered::Secret { version, .. } = state.change(&change.id).receipt?.delivered? else {
            return None;
        };
        Some((old_value, version))
    })
}

/// What was issued in place of what was cut.
pub fn issued(plan: &Plan, state: &State) -> Vec<Issued> {
    seen(plan, state).flat_map(|change| issued_by(change, state)).collect()
}

pub(super) fn issued_by(change: &Change, state: &State) -> Vec<Issued> {
    let Some(receipt) = &state.record(&change.id).receipt else { return Vec::new() };
    let at = receipt.password_set_at;
    change
        .effects
        .iter()
        .filter_map(|effect| {
            let Effect::Issues { user, replaces } = effect else { return None };
            let user = user.clone();
            let credential = match &receipt.issued {
                Some(id) => Credential::AccessKey { user: user.clone(), id: id.clone() },
                None => at.map(|_| Credential::Password { user: user.clone() })?,
            };
            let (delivered, replaces) = (receipt.delivered.clone(), replaces.clone());
            Some(Issued { user, credential, at, delivered, replaces })
        })
        .collect()
}
