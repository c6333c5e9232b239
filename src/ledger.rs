//! The ledger: every credential in scope, each in exactly one standing, with the proof of it.
//!
//! Computed from the plan and the journal alone, so it can be read years later without a cloud. "Unused"
//! is not a standing, and inactive is blocked, not dead. With one credential unaccounted, or one whose
//! standing is not proven, a run is not green, and its exit code says so.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::ids::{AccessKeyId, Arn, ChangeId, Principal, SecretId, UserName, VersionId};
use crate::journal::{
    ChangeRecord, ChangeState, Delivered, Heard, Moment, Note, Outcome, Proven, Refusal, State,
    Witness, names,
};
use crate::plan::{Barrier, Change, Credential, Effect, OldValue, Plan, Subject, longest_session};
use crate::playbook::{Mode, Proof};

/// The account of every credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// One row per credential found, in order.
    pub rows: Vec<Row>,
    /// What was issued in place of what was cut.
    pub issued: Vec<Issued>,
    /// Credentials that were given to be tried.
    pub tried: Vec<Tried>,
    /// What somebody answers for, in force or not any more: on top of every account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<Waived>,
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
    /// Deleted, or ended by itself: it cannot come back.
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
        /// For sessions: those issued before this moment.
        issued_before: Option<Timestamp>,
        /// When the last of those has ended by itself; until then the deny is needed.
        until: Option<Timestamp>,
    },
    /// Another was delivered for its work. It is blocked; or it is a password, in whose place the new one is.
    Replaced {
        /// What stands in its way.
        by: Vec<Barrier>,
        /// What does its work now.
        with: Successor,
    },
    /// Found innocent: it was not in the wrong hands. Whatever stands in its way may be taken off.
    Cleared {
        /// By whom: as many names as the plan asks for.
        by: Vec<Arn>,
        /// Why, in the first one's words.
        reason: String,
        /// What stands in its way all the same.
        barriers: Vec<Barrier>,
    },
    /// A way in outside that was closed and is open again: whatever can be used there has a row of its own.
    Reopened {
        /// By which change.
        by: ChangeId,
    },
    /// Left as it is; somebody answers for it, for a time.
    Waived {
        /// Who.
        by: Arn,
        /// Why, in that person's words.
        reason: String,
        /// Until when.
        until: Timestamp,
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

impl Row {
    /// How it was proven, by what, and what that is worth; and for how long nothing was heard of it.
    pub fn proof_in_words(&self) -> String {
        let proof = match (&self.let_in, &self.proof) {
            (Some(evidence), _) => format!("NONE, it was tried: {evidence}"),
            (None, None) => "not proven".to_owned(),
            (None, Some(shown)) => match &shown.by {
                Witness::ReadAgain => shown.proof.to_string(),
                Witness::Canary { .. } => {
                    format!("{}, shown on a canary ({})", shown.proof, shown.worth)
                }
                Witness::Itself { .. } => {
                    format!("{}, tried itself ({})", shown.proof, shown.worth)
                }
            },
        };
        let silent = self.silent.as_ref().map_or(String::new(), |silent| {
            format!(
                "; silent from {} to {} ({})",
                silent.since.strftime("%Y-%m-%d %H:%M:%S"),
                silent.until.strftime("%Y-%m-%d %H:%M:%S UTC"),
                silent.log
            )
        });
        format!("{proof}{silent}")
    }

    /// How it stands, in a sentence.
    pub fn detail(&self) -> String {
        match &self.standing {
            Standing::Dead { by } => match &self.credential {
                Credential::Sessions { .. } | Credential::RoleSessions { .. } => {
                    format!("ended by themselves before {by} was begun")
                }
                _ => format!("deleted by {by}"),
            },
            Standing::Replaced { by, with } => {
                let by: Vec<String> = by.iter().map(ToString::to_string).collect();
                let by = if by.is_empty() { String::new() } else { format!("{}; ", by.join(", ")) };
                if matches!(with, Successor::Credential(new) if *new == self.credential) {
                    format!("{by}a new one has its place, and was delivered")
                } else {
                    format!("{by}{with} was delivered in its place")
                }
            }
            Standing::Blocked { by, removable_by, until, .. } => {
                let by: Vec<String> = by.iter().map(ToString::to_string).collect();
                let until = until.map_or(String::new(), |at| {
                    format!("; the last of them expires by {}", at.strftime("%Y-%m-%d %H:%M UTC"))
                });
                format!("{}{until}; removable by {removable_by}", by.join(", "))
            }
            Standing::Cleared { by, reason, barriers } => {
                let by: Vec<String> = by.iter().map(ToString::to_string).collect();
                let still: Vec<String> = barriers.iter().map(ToString::to_string).collect();
                let still = if still.is_empty() {
                    String::new()
                } else {
                    format!("; {} is still in its way", still.join(", "))
                };
                format!("found innocent by {}: {reason}{still}", by.join(" and "))
            }
            Standing::Reopened { by } => {
                format!("opened again by {by}; whatever can be used there has a row of its own")
            }
            Standing::Waived { by, reason, until } => format!(
                "not cut; {by} answers for it until {}: {reason}",
                until.strftime("%Y-%m-%d %H:%M UTC")
            ),
            Standing::Trusted { reason } => format!("not cut; the playbook trusts it: {reason}"),
            Standing::Unaccounted { why } | Standing::OutOfReach { why } => why.clone(),
        }
    }
}

/// What does the work of something that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Successor {
    /// A new credential.
    Credential(Credential),
    /// A new version of a secret.
    Version(VersionId),
}

impl std::fmt::Display for Successor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Credential(credential) => credential.fmt(f),
            Self::Version(version) => write!(f, "version {version}"),
        }
    }
}

impl Standing {
    /// The bare word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Dead { .. } => "dead",
            Self::Blocked { .. } => "blocked",
            Self::Replaced { .. } => "replaced",
            Self::Cleared { .. } => "cleared",
            Self::Reopened { .. } => "reopened",
            Self::Waived { .. } => "waived",
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
        let mut credentials: Vec<Credential> =
            plan.credentials.iter().chain(roles).chain(&state.came).cloned().collect();
        credentials.sort();
        credentials.dedup();
        let rows =
            credentials.into_iter().map(|credential| row(plan, state, &replaced, credential));
        let mut rows: Vec<Row> = rows.collect();
        rows.extend(undelivered(plan, state));
        rows.extend(unseen(state));
        for row in &mut rows {
            row.remarks = remarks(plan, state, &row.credential);
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
        Self { rows, issued, tried: tried.collect(), waivers: waivers.collect() }
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
            // What is let be by anybody's word is not cut, so that there is nothing to prove.
            !matches!(
                row.standing,
                Standing::Unaccounted { .. }
                    | Standing::OutOfReach { .. }
                    | Standing::Trusted { .. }
                    | Standing::Cleared { .. }
                    | Standing::Reopened { .. }
                    | Standing::Waived { .. }
            ) && row.proof.as_ref().is_none_or(|shown| shown.proof < Proof::Enforced)
                || row.let_in.is_some()
        })
    }
}

/// How many different names it takes to clear a credential: in a breach one person may be mistaken, or not be
/// who he seems.
pub fn names_to_clear(plan: &Plan) -> usize {
    match plan.mode {
        Mode::Breach => 2,
        Mode::Planned => 1,
    }
}

/// Whether enough people found `credential` innocent.
pub fn is_cleared(plan: &Plan, state: &State, credential: &Credential) -> bool {
    let spoken = state.cleared.get(credential);
    spoken.is_some_and(|spoken| names(spoken).len() >= names_to_clear(plan))
}

/// Whether somebody's word lets `credential` be: it is cleared, or waived and the waiver has not run out.
pub fn is_let_off(plan: &Plan, state: &State, credential: &Credential) -> bool {
    let waived = state.waived.get(credential).is_some_and(|w| !has_passed(w.until, state));
    waived || is_cleared(plan, state, credential)
}

/// The credentials that a cut is for: of those in the plan, all that it reaches.
pub fn reached<'a>(plan: &'a Plan, cut: &'a Change) -> impl Iterator<Item = &'a Credential> {
    cut.effects.iter().flat_map(|effect| {
        let subject = match effect {
            Effect::Cuts { subject, .. } => Some(subject),
            _ => None,
        };
        subject.into_iter().flat_map(|subject| {
            let roles = plan.roles.about(subject).map(|reach| &reach.sessions);
            let held = plan.credentials.about(subject);
            held.chain(roles).filter(|credential| subject.covers(credential))
        })
    })
}

/// Whether everything that a cut is for is let be: then it holds nobody up.
pub fn is_spared(plan: &Plan, state: &State, cut: &Change) -> bool {
    if state.cleared.is_empty() && state.waived.is_empty() {
        return false;
    }
    let mut reached = reached(plan, cut).peekable();
    reached.peek().is_some() && reached.all(|credential| is_let_off(plan, state, credential))
}

/// Whether everything that a change cuts, or puts something in the place of, was found innocent: then it is not begun.
/// What was begun is ended: a password may have been set that nobody knows.
pub fn is_idle(plan: &Plan, state: &State, change: &Change) -> bool {
    if state.cleared.is_empty() {
        return false;
    }
    let cleared = |credential| is_cleared(plan, state, credential);
    let mut cut = reached(plan, change).peekable();
    let mut replaced = change.effects.iter().filter_map(replaced_by).peekable();
    if cut.peek().is_some() {
        return cut.all(cleared);
    }
    replaced.peek().is_some() && state.record(&change.id).begun.is_none() && replaced.all(cleared)
}

/// What somebody is given another for.
fn replaced_by(effect: &Effect) -> Option<&Credential> {
    match effect {
        Effect::Issues { replaces, .. } => replaces.as_ref(),
        _ => None,
    }
}

/// Whether an instant has passed by the journal's last entry, so that the ledger is the same for whoever
/// reads the case, whenever.
fn has_passed(until: Timestamp, state: &State) -> bool {
    state.last.is_some_and(|last| until <= last)
}

/// What was said of a credential and does not count.
fn remarks(plan: &Plan, state: &State, credential: &Credential) -> Vec<String> {
    let mut remarks = Vec::new();
    let (spoken, asked) = (state.cleared.get(credential), names_to_clear(plan));
    if let Some(spoken) = spoken
        && names(spoken).len() < asked
    {
        let named: Vec<String> = names(spoken).iter().map(ToString::to_string).collect();
        remarks.push(format!(
            "found innocent by {}, which is {} of the {asked} names it takes: not cleared",
            named.join(" and "),
            named.len()
        ));
    }
    if let Credential::AccessKey { id, .. } = credential {
        let places = plan.places_of(id);
        if !places.is_empty() {
            remarks.push(format!("found by others: {}", places.join(", ")));
        }
    }
    if let Some(taken_back) = state.withdrawn.get(credential) {
        let said = &taken_back.said;
        remarks.push(format!("what was said of it was taken back by {}: {}", said.by, said.reason));
    }
    if let Some(waiver) = state.waived.get(credential)
        && has_passed(waiver.until, state)
    {
        remarks.push(format!(
            "the waiver of {} ran out at {}",
            waiver.spoken.said.by,
            waiver.until.strftime("%Y-%m-%d %H:%M UTC")
        ));
    }
    remarks
}

/// Changes that are seen in the world.
fn seen<'a>(plan: &'a Plan, state: &'a State) -> impl Iterator<Item = &'a Change> {
    plan.changes.iter().filter(|change| is_seen(change, state))
}

fn is_seen(change: &Change, state: &State) -> bool {
    state.record(&change.id).state == ChangeState::Seen
}

/// What was issued in place of what was cut.
pub fn issued(plan: &Plan, state: &State) -> Vec<Issued> {
    seen(plan, state).flat_map(|change| issued_by(change, state)).collect()
}

fn issued_by(change: &Change, state: &State) -> Vec<Issued> {
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

/// The barriers that stand in the way of `credential`, each with the change that put it there: of the
/// cuts that were seen, those that no change seen has lifted again.
pub fn barriers<'a>(
    plan: &'a Plan,
    state: &State,
    credential: &Credential,
) -> BTreeMap<Barrier, &'a Change> {
    let mut standing: BTreeMap<Barrier, &Change> = BTreeMap::new();
    for change in plan.changes.reaching(credential) {
        for effect in &change.effects {
            if let Effect::Cuts { subject, barrier } = effect
                && subject.covers(credential)
                && state.record(&change.id).state == ChangeState::Seen
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

/// When a lift was last begun: from its first call on the barrier may be off. What a person is to open stays closed
/// until that person says that it is open.
pub fn lift_begun(change: &Change, record: &ChangeRecord) -> Option<Moment> {
    let by_a_person = change
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::Lifts { barrier: Barrier::Attested, .. }));
    let attested = || record.notes.iter().any(|note| matches!(note, Note::Attested { .. }));
    record.begun.filter(|_| !by_a_person || attested())
}

/// Whether the barrier that `cut` has put on was taken off since: a lift has begun after it.
pub fn is_lifted(plan: &Plan, state: &State, cut: &Change) -> bool {
    let cut_begun = state.record(&cut.id).begun;
    let lifts = |subject: &Subject, barrier: Barrier| {
        plan.changes.about(subject).any(|change| {
            let lifts = |effect: &Effect| {
                matches!(effect, Effect::Lifts { subject: of, barrier: lifted }
                    if *lifted == barrier && of == subject)
            };
            change.effects.iter().any(lifts)
                && lift_begun(change, state.record(&change.id))
                    .is_some_and(|lift| cut_begun.is_none_or(|cut| cut <= lift))
        })
    };
    cut.effects.iter().any(|effect| match effect {
        Effect::Cuts { subject, barrier } => lifts(subject, *barrier),
        _ => false,
    })
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
fn unseen(state: &State) -> impl Iterator<Item = Row> {
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

/// The standing that somebody's word gives a row: what is deleted or replaced needs none, and what is blocked needs
/// nobody to answer for it.
fn word(plan: &Plan, state: &State, row: &Row) -> Option<Standing> {
    let barriers = match &row.standing {
        Standing::Dead { .. } | Standing::Replaced { .. } => return None,
        Standing::Blocked { by, .. } => by.clone(),
        _ => Vec::new(),
    };
    if is_cleared(plan, state, &row.credential) {
        let spoken = &state.cleared[&row.credential];
        let reason = spoken[0].said.reason.clone();
        return Some(Standing::Cleared { by: names(spoken), reason, barriers });
    }
    let waiver = state.waived.get(&row.credential)?;
    (barriers.is_empty() && !has_passed(waiver.until, state)).then(|| Standing::Waived {
        by: waiver.spoken.said.by.clone(),
        reason: waiver.spoken.said.reason.clone(),
        until: waiver.until,
    })
}

fn row(
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
        let standing = Standing::Dead { by: change.id.clone() };
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
        let standing = Standing::Dead { by: change.id.clone() };
        return row(credential, standing, proof);
    }
    // Nobody needs the proof of a cut of an innocent, nor of its end.
    if !is_cleared(plan, state, &credential)
        && let Some((change, proof)) = have_ended(plan, state, &credential)
    {
        let standing = Standing::Dead { by: change.id.clone() };
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
        let standing = Standing::Reopened { by: opened.id.clone() };
        return row(credential, standing, None);
    }
    if let Credential::SecretValue { secret } = &credential {
        let standing = of_value(plan, state, secret, standing.keys().copied().collect());
        return row(credential, standing, proof);
    }
    if standing.is_empty() {
        let why = match &credential {
            Credential::Admission { .. } => {
                "nobody whom the role admitted when the account was first surveyed, and \
                                              no quarantine of the role keeps him out"
                    .to_owned()
            }
            _ if is_unplanned(plan, state, &credential) => {
                "it has come since the case was last planned: `resume` plans what cuts it, or asks about it"
                    .to_owned()
            }
            _ if plan.is_newcomer(&credential) => {
                "it has come since the account was first surveyed, and no step cuts it".to_owned()
            }
            Credential::RoleSessions { role } => {
                format!("role {role} trusts somebody in scope, and no step cuts its sessions")
            }
            Credential::Manual { .. } => of_way_in(plan, state, &credential),
            _ if all.contains(&Barrier::Network) => {
                "restricted to certain networks, and not cut: whoever is inside them can use it"
                    .to_owned()
            }
            _ => "no step cuts it, or its cut was not seen".to_owned(),
        };
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

/// Whoever is quarantined and has not been let in again: nothing that works as he does works now.
pub fn quarantined(plan: &Plan, state: &State) -> Vec<Principal> {
    let quarantines = |effect: &Effect| match effect {
        Effect::Cuts {
            subject: Subject::Principal { principal },
            barrier: Barrier::Quarantine,
        } => Some(principal.clone()),
        _ => None,
    };
    let cut = seen(plan, state).filter_map(|change| {
        let who = change.effects.iter().find_map(quarantines)?;
        (!is_lifted(plan, state, change)).then_some(who)
    });
    let mut found: Vec<Principal> = cut.collect();
    found.sort();
    found.dedup();
    found
}

/// How a way in outside stands that is not seen closed.
fn of_way_in(plan: &Plan, state: &State, way_in: &Credential) -> String {
    let closes = |change: &&Change| {
        change
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Cuts { subject, .. } if subject.covers(way_in)))
    };
    let mut said = plan
        .changes
        .reaching(way_in)
        .filter(closes)
        .filter_map(|change| state.attested_since(&change.id));
    match said.next() {
        Some(said) => format!("attested to be closed by {}, and not looked at since", said.by),
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

/// The rotation of a secret that was seen done: what becomes of the old value, and the version of the new one.
pub fn rotation(plan: &Plan, state: &State, secret: &SecretId) -> Option<(OldValue, VersionId)> {
    let value = Credential::SecretValue { secret: secret.clone() };
    plan.changes.reaching(&value).filter(|change| is_seen(change, state)).find_map(|change| {
        let old_value = change.effects.iter().find_map(|effect| match effect {
            Effect::Rotates { secret: of, old_value, .. } if of == secret => Some(*old_value),
            _ => None,
        })?;
        let Delivered::Secret { version, .. } = state.change(&change.id).receipt?.delivered? else {
            return None;
        };
        Some((old_value, version))
    })
}
