//! What earlier cases of an account are to whoever plans anew, or goes on with one of them.
//!
//! A new case of an account takes up those that nobody has closed: it begins where the first of them began, so that what
//! they have found is not lost because somebody plans wider. What they have handed out is told: in a breach every key of a
//! user is cut, the one that was issued an hour ago among them. And a case that another has overtaken is not gone on with:
//! it would take the other's work for an intruder's. Reads the cases under one directory; one that cannot be read says
//! nothing, and neither does one that lies elsewhere.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::by_hand::typed;
use super::exit::{Exit, Failure};
use super::there::There;
use super::view::{Style, plain};
use crate::case;
use crate::ids::{AccountId, Principal};
use crate::journal::{ChangeState, State};
use crate::ledger::{self, Ledger};
use crate::plan::{Barrier, Change, Credential, Effect, FirstSeen, SavedPlan, Subject, TakenUp};
use crate::planning;

/// A case beside the one in question.
struct Other {
    dir: PathBuf,
    saved: SavedPlan,
    state: State,
}

impl Other {
    fn is_open(&self) -> bool {
        self.state.closed.is_none()
            && !self.saved.plan.is_undo()
            && self.state.finished != Some(Exit::Done.code())
    }
}

/// The real cases under `root` of an account that were begun.
fn of_account(root: &Path, account: &AccountId) -> impl Iterator<Item = Other> {
    case::all(root).into_iter().filter_map(move |dir| {
        let (saved, decoded) = (case::read_plan(&dir).ok()?, case::read_journal(&dir).ok()?);
        let state = State::of(&decoded).ok()?;
        let is_real = state.opened.as_ref().is_some_and(|opened| !opened.rehearsal);
        (is_real && saved.plan.account == *account).then_some(Other { dir, saved, state })
    })
}

/// What the cases under `root` that are open hand on to a new one of their account; nothing where there is none.
pub(super) fn handed_on(root: &Path, account: &AccountId) -> Option<(FirstSeen, TakenUp)> {
    let (mut up, mut first) = (TakenUp::default(), None::<FirstSeen>);
    for other in of_account(root, account) {
        let (plan, state) = (&other.saved.plan, &other.state);
        let issued = ledger::issued(plan, state);
        up.issued.extend(issued.iter().filter_map(|issued| issued.key().cloned()));
        up.canaries.extend(state.canaries_until.clone());
        up.seen_off.extend(state.seen_off.iter().cloned());
        if !other.is_open() {
            continue;
        }
        let name = other.dir.strip_prefix(root).unwrap_or(&other.dir);
        up.cases.push(name.display().to_string());
        let has_come = |one: &Credential| plan.is_newcomer(one) || state.came.contains(one);
        let ledger = Ledger::of(plan, state);
        let open = ledger.unaccounted().map(|row| &row.credential).filter(|one| has_come(one));
        up.open.extend(open.cloned());
        let seen = planning::first_seen_by(&other.saved);
        first = Some(match first {
            None => seen,
            Some(known) => earlier_of(known, seen),
        });
    }
    Some((first?, up))
}

/// The earlier of two beginnings, with the roles of the earliest that has listed them.
fn earlier_of(one: FirstSeen, other: FirstSeen) -> FirstSeen {
    let (earlier, later) = if one.at <= other.at { (one, other) } else { (other, one) };
    FirstSeen { trusts: earlier.trusts.or(later.trusts), ..earlier }
}

/// Refuses a plan that was made before a case began whose beginning it would have taken up.
pub(super) fn takes_up_all(root: &Path, saved: &SavedPlan) -> Result<(), Failure> {
    let Some((first, up)) = handed_on(root, &saved.plan.account) else { return Ok(()) };
    if planning::first_seen_by(saved).at <= first.at {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Refused,
        format!(
            "{} began before this plan was made, and is not taken up by it: what has come into account {} in between would \
             be missed",
            up.cases.join(" and "),
            saved.plan.account
        ),
        "plan again, with the same inputs: portcullis plan PLAYBOOK ... -o plan.json",
    ))
}

/// What whoever reads the plan `saved` must know of the cases under `root`: that it takes some of them up; which keys in its
/// scope they have issued; and what stands open in one of the same account and is nothing to it.
pub(super) fn told(root: &Path, saved: &SavedPlan, there: &There) -> String {
    let mut text = String::new();
    let careful = Style::Careful.paint("careful");
    for Other { dir, saved: other, state } in of_account(root, &saved.plan.account) {
        let (whole, typed) = (typed(&case::accounts::whole_or_itself(&dir)), typed(&dir));
        let ledger = Ledger::of(&other.plan, &state);
        let known = |one: &Credential| saved.plan.credentials.contains(one);
        for row in ledger.unaccounted().filter(|row| !known(&row.credential)) {
            if state.closed.is_some() {
                continue;
            }
            let _ = writeln!(
                text,
                "{careful}: {} stands open in {typed}, and this plan does nothing about it: see to it by that case",
                plain(&row.credential.to_string()),
            );
        }
        for issued in ledger.issued {
            let credential = issued.credential;
            // A password has no id of its own to trust it by.
            if matches!(credential, Credential::AccessKey { .. }) && known(&credential) {
                let _ = writeln!(
                    text,
                    "{careful}: {} was issued by {typed}, and this plan treats it like any other key of its user. Where \
                     it is not in strange hands, plan with it under `trusted`",
                    plain(&credential.to_string()),
                );
            }
        }
        let name = dir.strip_prefix(root).unwrap_or(&dir).display().to_string();
        let takes_it_up = |up: &TakenUp| up.cases.contains(&name);
        if saved.plan.takes_up.as_ref().is_some_and(takes_it_up) {
            let _ = writeln!(
                text,
                "This plan takes up {typed}. Where that is over, say so, and plan again: portcullis close {whole} --reason \
                 TEXT{there}"
            );
        }
    }
    text
}

/// Refuses to go on with the case in `dir`, or to take it back, where another case has done since what this one would
/// take for an intruder's, or take away from under it. `saved` is what would be carried out.
pub(super) fn not_overtaken(dir: &Path, saved: &SavedPlan, there: &There) -> Result<(), Failure> {
    let whole = case::accounts::whole_or_itself(dir);
    let Some(root) = case::root_of(&whole) else { return Ok(()) };
    for other in of_account(&root, &saved.plan.account) {
        if is_within(&other.dir, &whole) {
            continue;
        }
        let done = overtaken_by(&other, saved);
        let Some(first) = done.first() else { continue };
        let more = match done.len() - 1 {
            0 => String::new(),
            n => format!(", and {n} more such"),
        };
        let by = case::accounts::whole_or_itself(&other.dir);
        let (this, by, first) = (typed(&whole), typed(&by), plain(first));
        let (what, next) = if saved.plan.is_undo() {
            (
                format!(
                    "{by} cuts {first}{more}, as this one did, and stands on it; nothing was taken back"
                ),
                format!(
                    "take that one back first: portcullis undo {by}{there}; or, where it is over: portcullis close {by} \
                     --reason TEXT{there}"
                ),
            )
        } else {
            (
                format!(
                    "{by} has {first}{more}, which this case would take for an intruder's; nothing was done"
                ),
                format!(
                    "go on with that one: portcullis resume {by}{there}; or plan anew: portcullis plan PLAYBOOK. Where this one is \
                     over: portcullis close {this} --reason TEXT{there}"
                ),
            )
        };
        return Err(Failure::new(Exit::Refused, what, next));
    }
    Ok(())
}

fn is_within(dir: &Path, whole: &Path) -> bool {
    let (dir, whole) = (dir.canonicalize(), whole.canonicalize());
    dir.ok().zip(whole.ok()).is_some_and(|(dir, whole)| dir.starts_with(whole))
}

/// What `other` has done that whoever carries out `saved` does not know; or which cuts it stands on, that would be taken
/// back.
fn overtaken_by(other: &Other, saved: &SavedPlan) -> Vec<String> {
    let (theirs, state) = (&other.saved.plan, &other.state);
    let (plan, since) = (&saved.plan, saved.plan.surveyed_at);
    if plan.is_undo() {
        let stands = |cut: &&Change| {
            state.record(&cut.id).state == ChangeState::Seen
                && !ledger::is_lifted(theirs, state, cut)
        };
        let stand: BTreeSet<_> = theirs.changes.iter().filter(stands).flat_map(cut_by).collect();
        let taken_back = plan.carried_out().flat_map(lifted_by);
        let taken_back = taken_back.filter(|lifted| other.is_open() && stand.contains(lifted));
        return taken_back.map(|(of, by)| format!("{of} ({by})")).collect();
    }
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
