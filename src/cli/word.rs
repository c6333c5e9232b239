//! `portcullis clear`, `waive`, `attest`, `approve` and `close`: what people say about a case, put on record.
//!
//! Whoever speaks does so with credentials of his own: STS tells the name that is kept. Nothing is signed, so a
//! word is worth what the name is worth, and the name of somebody whom the case cuts is worth nothing. A word
//! changes no cloud: it is written to the journal, and a resumption acts on it.

mod given;
mod speak;
mod told;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use self::given::until;
use self::speak::{speak, speak_of};
use super::accounts::refuse_lost_journals;
use super::args;
use super::by_hand::{quoted, typed};
use super::everybody::{self, EVERYBODY};
use super::exit::{Exit, Failure};
use super::found::read;
use super::undo::did_you_mean;
use crate::action::catalog;
use crate::case::{self, Case};
use crate::ids::{ChangeId, StepId};
use crate::journal::{Entry, Said, State};
use crate::ledger::{self, Ledger, Row};
use crate::plan::{Change, Credential, Plan, SavedPlan};
use crate::playbook::{Phase, Playbook};

/// A case in which somebody has the floor.
struct Floor<'a> {
    case: &'a Case,
    saved: &'a SavedPlan,
    playbook: &'a Playbook,
    state: Arc<State>,
    now: Timestamp,
    /// What every word of his begins with.
    said: Said,
}

pub(super) fn clear(args: &args::Clear) -> Result<Exit, Failure> {
    refuse_whole(
        &args.case,
        &args.word,
        "clear",
        |plan, state| knows(plan, state, &args.credentials),
        || {
            let withdraw = if args.withdraw { " --withdraw" } else { "" };
            format!("{} --reason {}{withdraw}", all_quoted(&args.credentials), quoted(&args.reason))
        },
    )?;
    speak(&args.case, &args.word, &args.reason, |floor| {
        let said = || floor.said.clone();
        let entry = |credential| {
            if args.withdraw {
                Entry::Withdrawn { credential, said: said() }
            } else {
                Entry::Cleared { credential, said: said() }
            }
        };
        let named = floor.credentials(&args.credentials)?;
        let unseen = |one: &&Credential| matches!(one, Credential::Unseen { .. });
        if let Some(unseen) = named.iter().find(unseen).filter(|_| !args.withdraw) {
            return Err(Failure::new(
                Exit::Usage,
                format!("nobody can find innocent whom nobody sees: {unseen}"),
                format!(
                    "look by hand, and answer for it for a time: portcullis waive {} {} --until 7d --reason TEXT{}",
                    typed(floor.case.dir()),
                    unseen.typed(),
                    args.word.access.there()
                ),
            ));
        }
        Ok(named.into_iter().map(entry).collect())
    })
}

pub(super) fn waive(args: &args::Waive) -> Result<Exit, Failure> {
    refuse_whole(
        &args.case,
        &args.word,
        "waive",
        |plan, state| knows(plan, state, &args.credentials),
        || {
            let (until, reason) = (quoted(&args.until), quoted(&args.reason));
            format!("{} --until {until} --reason {reason}", all_quoted(&args.credentials))
        },
    )?;
    speak(&args.case, &args.word, &args.reason, |floor| {
        let until = until(&args.until, floor.now)?;
        let entry = |credential| Entry::Waived { credential, until, said: floor.said.clone() };
        Ok(floor.credentials(&args.credentials)?.into_iter().map(entry).collect())
    })
}

pub(super) fn attest(args: &args::Attest) -> Result<Exit, Failure> {
    let id = ChangeId::parse(&args.what).ok();
    let concerned = |plan: &Plan, _: &State| id.as_ref().is_none_or(|id| plan.change(id).is_some());
    refuse_whole(&args.case, &args.word, "attest", concerned, || {
        let reason = args.reason.as_ref();
        let reason = reason.map_or(String::new(), |why| format!(" --reason {}", quoted(why)));
        format!("{}{reason}", quoted(&args.what))
    })?;
    let statement = args.reason.as_deref().unwrap_or(&args.what);
    speak(&args.case, &args.word, statement, |floor| {
        let said = floor.said.clone();
        let (case, there) = (typed(floor.case.dir()), args.word.access.there());
        let Ok(id) = ChangeId::parse(&args.what) else {
            let of_step = |change: &&Change| change.step.as_str() == args.what.trim();
            let changes: Vec<&Change> = floor.saved.plan.changes.iter().filter(of_step).collect();
            let next = match &changes[..] {
                [] if floor.has_step(args.what.trim()) => {
                    return Err(Failure::new(
                        Exit::Usage,
                        format!(
                            "step `{}` changes nothing in this plan: there is nothing of it to stand up for",
                            args.what.trim()
                        ),
                        format!("portcullis status {case} names what it waits for"),
                    ));
                }
                [] => return Ok(vec![Entry::Attested { change: None, said }]),
                [change] => format!("did you mean: portcullis attest {case} {}{there}", change.id),
                several => {
                    let told = several.iter().map(|c| format!("{} ({})", c.id, c.target));
                    let told: Vec<String> = told.collect();
                    let told = told.join(", ");
                    format!(
                        "name the one that was seen to: portcullis attest {case} ID{there}, of {told}"
                    )
                }
            };
            let what =
                format!("`{}` is a step of the plan, and its changes have numbers", args.what);
            return Err(Failure::new(Exit::Usage, what, next));
        };
        let Some(change) = floor.saved.plan.change(&id) else {
            return Err(Failure::new(
                Exit::Usage,
                format!("the plan of this case has no change {id}"),
                format!("portcullis status {case} names what it waits for"),
            ));
        };
        if !floor.saved.plan.carried_out().any(|one| one.id == id) {
            return Err(Failure::new(
                Exit::Usage,
                format!("the case is taken back, and {id} is not to be done any more"),
                format!("portcullis status {case} names what it waits for"),
            ));
        }
        let Some(asked) = catalog::of(change).asks(&change.decided) else {
            return Err(Failure::new(
                Exit::Usage,
                format!("{id} is made by the run and looked at: nobody can stand up for it"),
                format!(
                    "portcullis resume {}{there}",
                    typed(&case::accounts::whole_or_itself(floor.case.dir()))
                ),
            ));
        };
        let reason = args.reason.clone().unwrap_or(asked);
        Ok(vec![Entry::Attested { change: Some(id), said: Said { reason, ..said } }])
    })
}

pub(super) fn approve(args: &args::Approve) -> Result<Exit, Failure> {
    let phase = Phase::from(args.phase);
    let concerned = |plan: &Plan, _: &State| plan.approvals.contains_key(&phase);
    refuse_whole(&args.case, &args.word, "approve", concerned, || {
        format!("{phase} --reason {}", quoted(&args.reason))
    })?;
    speak(&args.case, &args.word, &args.reason, |floor| {
        if !floor.saved.plan.approvals.contains_key(&phase) {
            return Err(Failure::new(
                Exit::Usage,
                format!("the plan of this case asks for nobody's approval of phase `{phase}`"),
                format!("portcullis status {} says what it waits for", typed(floor.case.dir())),
            ));
        }
        Ok(vec![Entry::Approved { phase, said: floor.said.clone() }])
    })
}

/// Of several accounts all are closed, or where anything speaks against it none is: what is said of one alone leaves the
/// others to be gone on with.
pub(super) fn close(args: &args::Close) -> Result<Exit, Failure> {
    let several = case::accounts::of(&args.case);
    let whole = (!several.is_empty()).then_some(&*args.case);
    let dirs = if several.is_empty() { vec![args.case.clone()] } else { several };
    speak_of(whole, &dirs, &args.word, &args.reason, |floor| {
        Ok(vec![Entry::Closed { said: floor.said.clone() }])
    })
}

impl Floor<'_> {
    /// Whether the playbook has a step of that name.
    fn has_step(&self, name: &str) -> bool {
        StepId::parse(name).is_ok_and(|step| self.playbook.step(&step).is_some())
    }

    /// Whether `credential` is among what `name` stands for, of all that it may mean. Whoever speaks of a user means what he
    /// knows of him: what has been hung on him since the case began is spoken of by its own name. Who has come himself has
    /// nothing else.
    fn is_among(&self, credential: &Credential, meant: &[&Credential], name: &str) -> bool {
        let has_come =
            |one: &Credential| ledger::has_come_since(&self.saved.plan, &self.state, one);
        !has_come(credential)
            || credential.typed() == name
            || credential.to_string() == name
            || meant.iter().all(|one| has_come(one) || matches!(one, Credential::Sessions { .. }))
    }

    /// The credentials that were named, of those in the ledger.
    fn credentials(&self, named: &[String]) -> Result<Vec<Credential>, Failure> {
        let ledger = Ledger::of(&self.saved.plan, &self.state);
        let mut found = Vec::new();
        for name in named {
            let before = found.len();
            let all = ledger.rows.iter().map(|row| &row.credential);
            let is_meant = |one: &&Credential| is_meant(&self.saved.plan, &self.state, one, name);
            let meant: Vec<&Credential> = all.filter(is_meant).collect();
            found.extend(
                meant
                    .iter()
                    .filter(|one| self.is_among(one, &meant, name))
                    .map(|one| (*one).clone()),
            );
            if found.len() == before {
                let mut known: Vec<String> =
                    ledger.rows.iter().map(|row| row.credential.typed()).collect();
                known.dedup();
                let rows = ledger.rows.iter().filter_map(|row| row.credential.principal());
                let whose: BTreeSet<String> = rows.map(|whose| whose.typed()).collect();
                let all = known.iter().chain(&whose).map(String::as_str);
                let meant = did_you_mean(name, all);
                let more = known.len().saturating_sub(20);
                known.truncate(20);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                return Err(Failure::new(
                    Exit::Usage,
                    format!("the ledger of this case has no credential {name}"),
                    format!("{meant}name one of {}{more}", known.join(", ")),
                ));
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }
}

/// Whether `name` is what a person types for `credential`, or for all that somebody holds.
fn is_named(credential: &Credential, name: &str) -> bool {
    match name.split_once('/') {
        // Whom a role admits is spoken of one by one: by whoever has seen him.
        Some((kind @ ("user" | "role"), _)) => {
            let is_admission = matches!(credential, Credential::Admission { .. });
            !is_admission
                && credential.principal().is_some_and(|principal| {
                    format!("{kind}/{}", principal.name()) == *name
                        && (kind == "user") == principal.user().is_some()
                })
        }
        _ => credential.typed() == name || credential.to_string() == name,
    }
}

/// Whether a word about `name` is about `credential`.
fn is_meant(plan: &Plan, state: &State, credential: &Credential, name: &str) -> bool {
    if name == EVERYBODY {
        return everybody::is_among(plan, state, credential);
    }
    is_named(credential, name)
}

/// Whether the ledger of a case has anything of those names.
fn knows(plan: &Plan, state: &State, names: &[String]) -> bool {
    let is_meant = |row: &Row| names.iter().any(|n| is_meant(plan, state, &row.credential, n));
    Ledger::of(plan, state).rows.iter().any(is_meant)
}

fn all_quoted(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// Refuses a word about a case of several accounts: it is said of one of them. Which those are that it could be about is
/// told, with what to type.
fn refuse_whole(
    dir: &Path,
    word: &args::Word,
    command: &str,
    concerned: impl Fn(&Plan, &State) -> bool,
    said: impl FnOnce() -> String,
) -> Result<(), Failure> {
    let accounts = case::accounts::of(dir);
    if accounts.is_empty() {
        return Ok(());
    }
    refuse_lost_journals(&accounts)?;
    let mut of = Vec::new();
    for account in &accounts {
        let (saved, _, state) = read(account)?;
        if concerned(&saved.plan, &state) {
            of.push(account);
        }
    }
    let (said, there) = (format!("{}{}", said(), also(word)), word.access.there());
    let typed = of.iter().map(|of| format!("portcullis {command} {} {said}{there}", typed(of)));
    let typed: Vec<String> = typed.collect();
    Err(Failure::new(
        Exit::Refused,
        format!("case {} is of several accounts, and a word is said of one of them", dir.display()),
        if typed.is_empty() {
            format!(
                "none of them knows of it: portcullis status {} tells what there is",
                super::by_hand::typed(dir)
            )
        } else {
            typed.join("; or ")
        },
    ))
}

/// What else is typed with a word.
fn also(word: &args::Word) -> String {
    let from_account = word.from_account.as_ref().map(ToString::to_string);
    let all =
        [("evidence", &word.evidence), ("from-account", &from_account), ("as", &word.as_whom)];
    let given = all.into_iter().filter_map(|(flag, value)| Some((flag, value.as_ref()?)));
    given.map(|(flag, value)| format!(" --{flag} {}", quoted(value))).collect()
}
