//! A case that another has overtaken is not gone on with: it would take the other's work for an intruder's, or lift what the
//! other stands on. Whoever wants to go on goes on with the other, or plans anew. A copy of it is no way around that: what is
//! asked about is the case at hand, wherever it lies, and where that cannot be read nothing is done.

use std::collections::BTreeSet;
use std::path::Path;

use super::beside::{Beside, Other, itself};
use super::by_hand::typed;
use super::exit::{Exit, Failure};
use super::there::There;
use super::view::plain;
use crate::case;
use crate::ids::Principal;
use crate::journal::ChangeState;
use crate::ledger;
use crate::plan::{Barrier, Change, Effect, SavedPlan, Subject};

/// What is to be done with a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// It is looked at.
    Look,
    /// It is carried on, or taken back.
    GoOn,
}

const NOTHING_DONE: &str = "nothing was done";

/// How another case keeps this one from being worked on.
enum Overtaken {
    /// It has taken this one up.
    TakenUp,
    /// It has done what this one would take for an intruder's, a clause each.
    Done(Vec<String>),
    /// It stands on cuts that would be taken back.
    Stands(Vec<String>),
}

/// What is said where another case has overtaken one.
struct Told {
    what: String,
    /// Where it was to be worked on.
    nothing_done: &'static str,
    next: String,
}

/// What is next about the case in `dir` where another has overtaken it.
pub(super) fn told_overtaken(dir: &Path, saved: &SavedPlan, there: &There) -> Option<String> {
    match by_another(dir, saved, Doing::GoOn, there) {
        Ok(told) => told.map(|told| format!("{}: {}", told.what, told.next)),
        Err(failure) => Some(failure.told_along()),
    }
}

/// Refuses to work on the case in `dir`, whose newest plan, or undo, is `saved`, where another has overtaken it.
pub(super) fn not_overtaken(
    dir: &Path,
    saved: &SavedPlan,
    doing: Doing,
    there: &There,
) -> Result<(), Failure> {
    let Some(Told { what, nothing_done, next }) = by_another(dir, saved, doing, there)? else {
        return Ok(());
    };
    Err(Failure::new(Exit::Refused, format!("{what}; {nothing_done}"), next))
}

fn by_another(
    dir: &Path,
    saved: &SavedPlan,
    doing: Doing,
    there: &There,
) -> Result<Option<Told>, Failure> {
    let whole = case::accounts::whole_or_itself(dir);
    let account = &saved.plan.account;
    // The list has one of several copies, which need not be this one.
    let own = match itself(dir, account) {
        Ok(Some(own)) => own,
        // A rehearsal, or not begun.
        Ok(None) => return Ok(None),
        Err(why) => return Err(unread(&whole, &why)),
    };
    let beside = Beside::around(&whole, account);
    let mut others = beside.any_of(account).filter(|other| other.begun_with != own.begun_with);
    let by = others.find_map(|other| Some((other, overtaken(&own, other, saved, doing)?)));
    Ok(by.map(|(other, by)| told((&whole, &own), other, &by, there)))
}

fn unread(whole: &Path, why: &str) -> Failure {
    let case = typed(whole);
    Failure::new(
        Exit::Refused,
        format!(
            "whether another case has overtaken {case} cannot be told, since it cannot be read ({}); nothing was done",
            plain(why)
        ),
        format!("restore it from a copy of its own, whole; then: portcullis status {case}"),
    )
}

fn overtaken(own: &Other, other: &Other, saved: &SavedPlan, doing: Doing) -> Option<Overtaken> {
    if saved.plan.is_undo() {
        // What was begun before stands on what it has made itself, and is taken back last.
        let is_later = other.begun_at > own.begun_at;
        let stands =
            if is_later && other.stands() { taken_from_under(other, saved) } else { Vec::new() };
        let takes_it_up = is_later && other.stands() && takes_up(other, own);
        return (!stands.is_empty() || takes_it_up).then_some(Overtaken::Stands(stands));
    }
    let done = done_since(other, saved);
    if !done.is_empty() {
        return Some(Overtaken::Done(done));
    }
    let is_taken_up = doing == Doing::GoOn && other.stands() && takes_up(other, own);
    is_taken_up.then_some(Overtaken::TakenUp)
}

fn takes_up(other: &Other, own: &Other) -> bool {
    let cases = other.saved.plan.takes_up.iter().flat_map(|up| up.cases.values());
    cases.into_iter().any(|begun| *begun == own.begun_with)
}

fn told(
    (whole, own): (&Path, &Other),
    other: &Other,
    overtaken: &Overtaken,
    there: &There,
) -> Told {
    // It may have been run elsewhere, as a world that is served again.
    let place = There::of(&other.saved, Some(&other.state)).place;
    let there_of_it = There { person: there.person.clone(), place };
    let by = typed(&case::accounts::whole_or_itself(&other.dir));
    let this = typed(whole);
    let first = |all: &[String]| match all {
        [one] => plain(one),
        all => format!("{}, {}, and so on ({} in all)", plain(&all[0]), plain(&all[1]), all.len()),
    };
    let close = match own.state.closed {
        Some(_) => String::new(),
        None => format!(". Where this one is over: portcullis close {this} --reason TEXT{there}"),
    };
    let go_on = format!(
        "go on with that one: portcullis resume {by}{there_of_it}; or plan anew: portcullis plan PLAYBOOK{}{close}",
        there.beside(whole)
    );
    let (what, nothing_done, next) = match overtaken {
        Overtaken::TakenUp => {
            (format!("{by} has taken this case up, and stands on it"), NOTHING_DONE, go_on)
        }
        Overtaken::Done(done) => (
            format!("{by} has {}, which this case would take for an intruder's", first(done)),
            NOTHING_DONE,
            go_on,
        ),
        Overtaken::Stands(cuts) => (
            if cuts.is_empty() {
                format!("{by} has taken this case up, and stands on it")
            } else {
                format!("{by} cuts {}, as this one did, and stands on it", first(cuts))
            },
            "nothing was taken back",
            format!(
                "take that one back first: portcullis undo {by}{there_of_it}; or, where it is over: portcullis close {by} \
                 --reason TEXT{there_of_it}"
            ),
        ),
    };
    Told { what, nothing_done, next }
}

/// Cuts on which `other` stands and which the undo `saved` would take off.
fn taken_from_under(other: &Other, saved: &SavedPlan) -> Vec<String> {
    let (theirs, state) = (&other.saved.plan, &other.state);
    let stands = |cut: &&Change| {
        state.record(&cut.id).state == ChangeState::Seen && !ledger::is_lifted(theirs, state, cut)
    };
    let stand: BTreeSet<_> = theirs.changes.iter().filter(stands).flat_map(cut_by).collect();
    let taken_back = saved.plan.carried_out().flat_map(lifted_by);
    let taken_back = taken_back.filter(|lifted| stand.contains(lifted));
    taken_back.map(|(of, by)| format!("{of} ({by})")).collect()
}

/// What `other` has done that whoever carries out `saved`, or looks at what it has cut, does not know.
fn done_since(other: &Other, saved: &SavedPlan) -> Vec<String> {
    let (theirs, state) = (&other.saved.plan, &other.state);
    let (plan, since) = (&saved.plan, saved.plan.surveyed_at);
    let mut done = Vec::new();
    for issued in ledger::issued(theirs, state) {
        let is_known = match issued.at {
            // A password has no id: which it is, its age tells.
            Some(at) => at <= since,
            None => plan.credentials.contains(&issued.credential),
        };
        if !is_known && plan.principals.contains(&Principal::User(issued.user)) {
            done.push(format!("issued {}", issued.credential));
        }
    }
    let ours: BTreeSet<_> = plan.changes.iter().flat_map(cut_by).collect();
    for change in &theirs.changes {
        let begun = ledger::lift_begun(change, state.record(&change.id));
        if begun.is_some_and(|begun| begun.at > since) {
            let lifted = lifted_by(change).filter(|lifted| ours.contains(lifted));
            done.extend(lifted.map(|(of, by)| format!("taken the cut of {of} off again ({by})")));
        }
    }
    done
}

fn cut_by(change: &Change) -> impl Iterator<Item = (&Subject, Barrier)> {
    change.effects.iter().filter_map(|effect| match effect {
        Effect::Cuts { subject, barrier } => Some((subject, *barrier)),
        _ => None,
    })
}

fn lifted_by(change: &Change) -> impl Iterator<Item = (&Subject, Barrier)> {
    change.effects.iter().filter_map(|effect| match effect {
        Effect::Lifts { subject, barrier } => Some((subject, *barrier)),
        _ => None,
    })
}
