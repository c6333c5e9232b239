//! What earlier cases of an account are to whoever plans anew.
//!
//! A new case takes up those that nobody has closed: it begins where the first of them began, and knows what they have found,
//! so that nothing is lost because somebody plans otherwise. What they have handed out is told: in a breach every key of a
//! user is cut, the one that was issued an hour ago among them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use super::beside::{self, Beside, Other, Unreadable};
use super::by_hand::typed;
use super::exit::{Exit, Failure};
use super::there::There;
use super::view::{Style, plain};
use crate::case;
use crate::ids::AccountId;
use crate::journal::{ChangeState, NoMore, State};
use crate::ledger::{self, Ledger, Row, Standing};
use crate::plan::{Credential, FirstSeen, Plan, SavedPlan, TakenUp};
use crate::planning;
use crate::run::{CutBefore, KnownOfLost, Lost, MadeBeside};

/// So many rows of one case are told one by one.
const ROWS: usize = 5;

/// What the cases beside that are open hand on to a new one of their account; nothing where there is none.
pub(super) fn handed_on(beside: &Beside, account: &AccountId) -> Option<(FirstSeen, TakenUp)> {
    let (mut up, mut first) = (TakenUp::default(), None::<FirstSeen>);
    let mut made = MadeBeside::default();
    // What one has taken up and brought to its end is done with.
    let ended = beside.of(account).filter(|other| other.state.closed.is_none() && !other.is_open());
    let taken_up = ended.filter_map(|other| other.saved.plan.takes_up.as_ref());
    let done_with: BTreeSet<&String> = taken_up.flat_map(|up| up.cases.values()).collect();
    for other in beside.of(account) {
        tell_made(other, &mut made);
        if !other.is_open() || done_with.contains(&other.begun_with) {
            continue;
        }
        up.seen_off.extend(other.state.seen_off.iter().cloned());
        up.cases.insert(beside.name(other), other.begun_with.clone());
        up.open.extend(left_open(other));
        let seen = planning::first_seen_by(&other.saved);
        first = Some(match first {
            None => seen,
            Some(known) => known.or_earlier(seen),
        });
    }
    up.issued = made.issued.into_keys().collect();
    up.canaries = made.canaries;
    Some((first?, up))
}

/// Adds to `made` what a case has issued, and those that it has made to try cuts on.
fn tell_made(other: &Other, made: &mut MadeBeside) {
    for issued in ledger::issued(&other.saved.plan, &other.state) {
        let key = issued.key().cloned();
        made.issued.extend(key.map(|key| (key, issued.user)));
    }
    for (canary, until) in &other.state.canaries_until {
        let known = made.canaries.entry(canary.clone()).or_insert(*until);
        *known = (*known).max(*until);
    }
}

/// Adds to `made` what an earlier case has cut, or may have: whether that stands is for whoever looks to say, and not for
/// that case's journal, which may have it that somebody took it off. What the case has lifted is let go; and whatever keeps
/// an innocent out may come off.
fn tell_cuts(other: &Other, name: &str, made: &mut MadeBeside) {
    let (plan, state) = (&other.saved.plan, &other.state);
    if !other.stands() {
        let why = if state.closed.is_some() { NoMore::Closed } else { NoMore::TakenBack };
        made.let_go.insert((name.to_owned(), None), why);
    }
    // A case that is over keeps nobody out by what it has cut.
    if state.closed.is_some() {
        return;
    }
    for change in plan.changes.iter().filter(|change| change.cuts()) {
        let of = || (name.to_owned(), Some(change.id.clone()));
        let record = state.record(&change.id);
        if ledger::is_lifted(plan, state, change) {
            made.let_go.insert(of(), NoMore::TakenBack);
        } else if ledger::is_idle(plan, state, change) {
            made.let_go.insert(of(), NoMore::Cleared);
        } else if record.state == ChangeState::Seen || record.contested || record.attempts > 0 {
            made.cuts.push(CutBefore {
                case: name.to_owned(),
                change: change.clone(),
                notes: record.notes.clone(),
                credentials: ledger::reached(plan, change).cloned().collect(),
                // A pass that was to be made once more counts as begun alone.
                never_seen: !record.was_seen || record.state == ChangeState::Pending,
            });
        }
    }
}

/// What the cases beside the one in `dir`, whose plan is `saved`, have made; and what those have cut that it takes up.
pub(super) fn made_beside(dir: &Path, saved: &SavedPlan) -> MadeBeside {
    let mut made = MadeBeside::default();
    let mut lost: BTreeMap<&String, &String> = BTreeMap::new();
    let cases = saved.plan.takes_up.iter().flat_map(|up| &up.cases);
    lost.extend(cases.map(|(name, begun_with)| (begun_with, name)));
    let account = &saved.plan.account;
    let beside = Beside::around(&case::accounts::whole_or_itself(dir), account);
    for other in beside.of(account) {
        tell_made(other, &mut made);
        // By the name that it was taken up by: what is on record of it is found again wherever it lies by now.
        if let Some(name) = lost.remove(&other.begun_with) {
            tell_cuts(other, name, &mut made);
        }
    }
    made.lost.extend(lost.into_iter().map(|(begun_with, case)| Lost {
        case: case.clone(),
        known: KnownOfLost::TakenUp,
        why: beside.why_not(begun_with),
    }));
    if !beside.unreadable.is_empty() {
        // What copies of the case itself are worth is seen to where it is opened.
        let itself = beside::itself(dir, account).ok().flatten().map(|own| own.begun_with);
        // Before its first line there is nothing to tell it by but the plan that it is begun with.
        let itself = itself.or_else(|| Some(case::read_round(dir, 1).ok()?.digest()));
        let of_it = beside.unreadable.iter().filter(|one| one.may_be_of(account, itself.as_ref()));
        made.lost.extend(of_it.map(|one| Lost {
            case: typed(&one.dir),
            known: match one.of {
                Some(_) => KnownOfLost::OfTheAccount,
                None => KnownOfLost::Nothing,
            },
            why: Some(one.why.clone()),
        }));
    }
    made
}

/// What a case has found in somebody's hands, and nothing keeps out. What people close outside, what is known to be
/// known, and what nobody could list is its own to see to.
fn left_open(other: &Other) -> impl Iterator<Item = Credential> {
    let (plan, state) = (&other.saved.plan, &other.state);
    let rows = Ledger::of(plan, state);
    // A waiver was given by somebody who read the plan of that case, and runs out.
    let is_open = |row: &&Row| {
        use Standing::{OutOfReach, Unaccounted, Waived};
        matches!(row.standing, Unaccounted { .. } | OutOfReach { .. } | Waived { .. })
    };
    let open = rows.rows.iter().filter(is_open).map(|row| row.credential.clone());
    let open: Vec<Credential> = open.collect();
    open.into_iter().filter(move |one| {
        let is_held = plan.credentials.contains(one) || state.came.contains(one);
        let is_elsewhere = matches!(
            one,
            Credential::SecretValue { .. } | Credential::Manual { .. } | Credential::Unseen { .. }
        );
        is_held && !is_elsewhere
    })
}

/// What people have said in an earlier case that still holds, of credentials that a new plan is about too: each of it was said
/// of one plan, by somebody who had read that.
fn words_of(plan: &Plan, state: &State, known: impl Fn(&Credential) -> bool) -> Vec<String> {
    let cleared = state.cleared.keys().filter(|one| ledger::is_cleared(plan, state, one));
    let cleared = cleared.map(|one| (one, "is cleared"));
    let waived = state.waived.iter();
    let waived = waived.filter(|(_, waiver)| state.last.is_none_or(|now| now < waiver.until));
    let waived = waived.map(|(one, _)| (one, "is waived"));
    let said = cleared.chain(waived).filter(|(one, _)| known(one));
    let said: Vec<String> = said.map(|(one, how)| format!("{one} {how}")).collect();
    let more = said.len().saturating_sub(ROWS);
    let more = (more > 0).then(|| format!("{more} more that people have spoken of are spoken of"));
    said.into_iter().take(ROWS).chain(more).collect()
}

/// Refuses a plan that does not take up what is to be taken up: one that was made before a case began whose beginning it
/// would have taken up, or before more was found; and one that says more of the cases than they do.
pub(super) fn takes_up_all(root: &Path, saved: &SavedPlan, there: &There) -> Result<(), Failure> {
    let account = &saved.plan.account;
    let now = handed_on(&Beside::read(root, [account]), account);
    let refused = |what: String| {
        Err(Failure::new(
            Exit::Refused,
            what,
            format!(
                "plan again, with the same inputs: portcullis plan PLAYBOOK ... -o plan.json{}; where the cases lie \
                 elsewhere: --cases DIR",
                there.among(root)
            ),
        ))
    };
    let cases = |up: &TakenUp| up.cases.keys().cloned().collect::<Vec<_>>().join(" and ");
    match (&saved.plan.takes_up, now) {
        (None, None) => Ok(()),
        // It began before them, and misses nothing.
        (None, Some((first, _))) if planning::first_seen_by(saved).at <= first.at => Ok(()),
        (None, Some((_, up))) => refused(format!(
            "{} began before this plan was made, and is not taken up by it: what has come into account {account} in \
             between would be missed",
            cases(&up)
        )),
        (Some(up), None) => refused(format!(
            "this plan takes up {}, and there is no such case open in {}",
            cases(up),
            root.display()
        )),
        (Some(up), Some((first, now))) => {
            let ours = planning::first_seen_by(saved);
            let same_beginning = ours.at == first.at
                && (first.trusts.is_none() || ours.trusts == first.trusts)
                && up.cases.values().eq(now.cases.values());
            let knows_enough = now.open.is_subset(&up.open) && now.seen_off.is_subset(&up.seen_off);
            let has_made = up.issued.is_subset(&now.issued)
                && up.canaries.iter().all(|(name, at)| now.canaries.get(name) >= Some(at));
            if same_beginning && knows_enough && has_made {
                return Ok(());
            }
            refused(format!(
                "{} came further since this plan was made, or others began, or it says of them what is not so",
                cases(up)
            ))
        }
    }
}

/// What whoever reads the plan `saved` must know of the cases beside it: that it takes some of them up; which keys in its
/// scope they have issued; what stands open in one of the same account and is nothing to it; and which cannot be read.
pub(super) fn told(beside: &Beside, saved: &SavedPlan, there: &There) -> String {
    let mut text = String::new();
    // Whoever is reached only through what somebody in scope may become is a row, and no credential of the plan.
    let rows = Ledger::of(&saved.plan, &State::default()).rows.into_iter();
    let rows: BTreeSet<Credential> = rows.map(|row| row.credential).collect();
    let careful = Style::Careful.paint("careful");
    for other in beside.of(&saved.plan.account) {
        let whole = typed(&case::accounts::whole_or_itself(&other.dir));
        let case = typed(&other.dir);
        let ledger = Ledger::of(&other.saved.plan, &other.state);
        let known = |one: &Credential| rows.contains(one);
        let is_it = |up: &TakenUp| up.cases.values().any(|begun| *begun == other.begun_with);
        let is_taken_up = saved.plan.takes_up.as_ref().is_some_and(is_it);
        let open = ledger.unaccounted().filter(|row| other.is_open() && !known(&row.credential));
        let open: Vec<_> = open.collect();
        for row in open.iter().take(ROWS) {
            let _ = writeln!(
                text,
                "{careful}: {} stands open in {case}, and this plan does nothing about it: {}",
                plain(&row.credential.to_string()),
                if is_taken_up {
                    "see to it by that case before this plan is begun, since that is not gone on with by itself \
                     afterwards; or have a step of this plan cut it"
                } else {
                    "see to it by that case"
                }
            );
        }
        if let more @ 1.. = open.len().saturating_sub(ROWS) {
            let _ = writeln!(text, "{careful}: and {more} more: portcullis status {case}");
        }
        for issued in ledger.issued {
            let credential = issued.credential;
            // A password has no id of its own to trust it by.
            if matches!(credential, Credential::AccessKey { .. }) && known(&credential) {
                let _ = writeln!(
                    text,
                    "{careful}: {} was issued by {case}, and this plan treats it like any other key of its user. Where \
                     it is not in strange hands, plan with it under `trusted`",
                    plain(&credential.to_string()),
                );
            }
        }
        for word in words_of(&other.saved.plan, &other.state, known) {
            let _ = writeln!(
                text,
                "{careful}: {} in {case}, and that is no word in another case: say it again of this one once it is begun",
                plain(&word)
            );
        }
        if is_taken_up {
            let _ = writeln!(
                text,
                "This plan takes up {case}, which is not gone on with by itself once this one is begun. What that has cut \
                 beyond this plan is looked at before anything is handed out, and nothing is while one of those cuts stands \
                 no more; leave that case where it is. Where it is over, say so, and plan again: portcullis close {whole} \
                 --reason TEXT{there}"
            );
        }
    }
    for unreadable in beside.unreadable.iter().take(ROWS) {
        let Unreadable { dir, why, of } = unreadable;
        let shut = match of {
            _ if !unreadable.may_be_of(&saved.plan.account, None) => "",
            Some(_) => {
                ". It is of this account: nothing is handed out while it lies there so. Restore it from a copy; or, where it \
                 is over, lay it elsewhere"
            }
            None => {
                ". It may be of this account: nothing is handed out while it lies there so, and nobody's word is taken. \
                 Restore it from a copy; or, where it is over, or no case, lay it elsewhere"
            }
        };
        let _ = writeln!(
            text,
            "{careful}: {} looks like a case and cannot be read, so that nobody knows what it has found: {}{shut}",
            typed(dir),
            plain(why)
        );
    }
    text
}
