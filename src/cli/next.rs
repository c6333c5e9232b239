//! What is to be done next about a case that a person is called to: the very thing, where it can be named.

use std::path::Path;

use super::by_hand::{quoted, typed};
use super::there::There;
use crate::action::catalog;
use crate::case::accounts;
use crate::journal::{ChangeState, GateState, Note, State};
use crate::ledger::{self, Ledger, Row};
use crate::plan::{Change, Credential, Plan, SavedPlan};
use crate::playbook::Phase;

/// So many are named; whoever has seen to those is told of the others.
const NAMED: usize = 3;
/// So many fit one command.
const TYPED: usize = 12;

/// What people must say before a case goes on: yes to its next round, or approval of a phase that asks for more than
/// it has; `None` where it waits for nobody.
pub(super) fn awaited(
    saved: &SavedPlan,
    state: &State,
    dir: &Path,
    there: &There,
) -> Option<String> {
    if let Some(asking) = &state.asking {
        return Some(format!(
            "read the plan of the next round, and say yes to it: portcullis run {}{there}",
            typed(&dir.join(format!("rounds/{}/plan.json", asking.round)))
        ));
    }
    let due = |phase: &Phase| {
        let undone = |change: &&Change| state.change(&change.id).state != ChangeState::Seen;
        let needed = |change: &&Change| !ledger::is_idle(&saved.plan, state, change);
        let of_it = |change: &Change| change.phase == *phase;
        saved.plan.carried_out().filter(undone).filter(needed).any(of_it)
    };
    // One phase after the other: what a later one asks for is asked for when it comes to it.
    let phase = [Phase::Rotate, Phase::Recover, Phase::Destroy].into_iter().find(due)?;
    let (asked, has) = (saved.plan.approvals.get(&phase)?, state.approved_by(phase).len());
    if has >= *asked {
        return None;
    }
    let (case, others) = (typed(dir), there.for_others());
    let who = match (asked - has, has) {
        (1, 0) => "somebody approves it, with credentials of his own".to_owned(),
        (n, 0) => format!("{n} people approve it, each with credentials of his own"),
        (1, _) => "one more approves it, with credentials of his own".to_owned(),
        (n, _) => format!("{n} more approve it, each with credentials of his own"),
    };
    let whole = accounts::whole_or_itself(dir);
    Some(format!(
        "{who}: portcullis approve {case} {phase} --reason TEXT{others}; then portcullis resume \
         {}{there}",
        typed(&whole)
    ))
}

/// What is left to a person when all was applied.
pub(super) fn after_all(
    plan: &Plan,
    state: &State,
    ledger: &Ledger,
    dir: &Path,
    there: &There,
) -> String {
    let mut left: Vec<String> = Vec::new();
    let open: Vec<&Credential> = ledger.unaccounted().map(|row| &row.credential).collect();
    let unproven: Vec<&Credential> = ledger.unproven().map(|row| &row.credential).collect();
    if !open.is_empty() {
        let (case, whole) = (typed(dir), whole(dir));
        left.push(format!(
            "see to what is unaccounted for above, or answer for it for a time (`portcullis waive {case} {} --until \
             WHEN --reason TEXT{there}`; then `portcullis resume {whole}{there}`)",
            in_a_command(&open)
        ));
    }
    if !unproven.is_empty() {
        let which = named(unproven.iter().map(ToString::to_string), ", ");
        left.push(format!("know that nobody has seen this refused: {which}"));
    }
    if ledger.issued.iter().any(|issued| issued.key().is_some()) {
        left.push("make sure the owner uses the new key".to_owned());
    }
    if ledger.issued.iter().any(|issued| issued.key().is_none()) {
        left.push(
            "see that everybody is handed his new password (files are opened with: age -d -i KEY FILE)".to_owned(),
        );
    }
    if !plan.is_undo() && !plan.changes.iter().any(Change::is_gated) {
        left.push(
            "plan what comes next with a playbook, which finds these cuts in place (`portcullis plan PLAYBOOK`)"
                .to_owned(),
        );
    }
    if left.is_empty() {
        left.push("nothing by this plan".to_owned());
    }
    let still = still_quarantined(plan, state).map_or(String::new(), |still| format!(". {still}"));
    format!("{}{still}", left.join("; "))
}

/// Whoever stays cut off, in a sentence, if anybody does.
fn still_quarantined(plan: &Plan, state: &State) -> Option<String> {
    let cut = ledger::quarantined(plan, state);
    let cut = (!cut.is_empty()).then(|| named(cut.iter().map(ToString::to_string), ", "))?;
    Some(format!("Still quarantined, and let in by nothing in this plan: {cut}"))
}

/// Credentials as a command takes them, all at once; so many that nobody would type them are told above.
pub(super) fn in_a_command(credentials: &[&Credential]) -> String {
    if credentials.len() > TYPED {
        return "CREDENTIAL...".to_owned();
    }
    let typed: Vec<String> = credentials.iter().map(|one| quoted(&one.typed())).collect();
    typed.join(" ")
}

/// What keeps the gate shut because nothing cuts it, and nobody has answered for yet.
pub(super) fn uncut(plan: &Plan, state: &State) -> Vec<Credential> {
    let is_planned = |one: &Credential| plan.changes.reaching(one).any(|cut| cut.keeps_out(one));
    let open = Ledger::of(plan, state).rows.into_iter().filter(Row::is_unaccounted);
    let open = open.map(|row| row.credential).filter(|one| plan.credentials.contains(one));
    let is_cut = |one: &Credential| !matches!(one, Credential::SecretValue { .. });
    open.filter(|one| is_cut(one) && !is_planned(one)).collect()
}

/// The first of them, and how many more there are.
fn named(all: impl ExactSizeIterator<Item = String>, between: &str) -> String {
    let more = all.len().saturating_sub(NAMED);
    let named: Vec<String> = all.take(NAMED).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(between))
}

/// What a person is to do outside and to attest, and has not: what cuts, and what has come to its turn.
fn by_hand<'a>(plan: &'a Plan, state: &'a State) -> impl Iterator<Item = &'a Change> {
    plan.carried_out().filter(|change| {
        let record = state.record(&change.id);
        let has_word = record.notes.iter().any(|note| matches!(note, Note::Attested { .. }));
        let its_turn = !change.is_gated() || record.state == ChangeState::Held;
        record.state != ChangeState::Seen
            && its_turn
            && !has_word
            && !ledger::is_idle(plan, state, change)
            && catalog::of(change).asks(&change.decided).is_some()
    })
}

/// What has people attest what they have seen to, where something waits for that.
pub(super) fn to_attest(plan: &Plan, state: &State, dir: &Path, there: &There) -> Option<String> {
    let asked: Vec<&Change> = by_hand(plan, state).collect();
    if asked.is_empty() {
        return None;
    }
    let (case, whole) = (typed(dir), whole(dir));
    let typed = asked.iter().take(NAMED).map(|change| {
        format!("once {} is seen to: portcullis attest {case} {}{there}", change.target, change.id)
    });
    let typed = typed.collect::<Vec<_>>().join("; ");
    let more = asked.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("; and {more} more, as above") } else { String::new() };
    Some(format!("{typed}{more}; then: portcullis resume {whole}{there}"))
}

/// What is next where a run or a look ended with a person being called.
pub(super) fn of_held(saved: &SavedPlan, state: &State, dir: &Path, there: &There) -> String {
    let (plan, whole) = (&saved.plan, whole(dir));
    let resume = format!("portcullis resume {whole}{there}");
    let waits: Vec<_> = by_hand(plan, state).map(|change| &change.id).collect();
    let is_new = |change: &Change| state.attested_since(&change.id).is_some();
    let stuck = plan.changes.iter().any(|change| {
        state.record(&change.id).state == ChangeState::Held
            && !waits.contains(&&change.id)
            && !is_new(change)
    });
    let shut = matches!(state.gate, GateState::Shut(_))
        && waits.is_empty()
        && !plan.changes.iter().any(is_new);
    // An alarm, or something else that only a person can see to.
    if stuck || shut || state.held.is_some() {
        return format!("do what is asked above, then: {resume}");
    }
    to_attest(plan, state, dir, there)
        .or_else(|| awaited(saved, state, dir, there))
        .unwrap_or(resume)
}

/// What is next where all was done and proven: nothing by the plan, and whoever is cut stays cut.
pub(super) fn of_proven(plan: &Plan, state: &State) -> String {
    match still_quarantined(plan, state) {
        Some(still) => format!("nothing by this plan. {still}"),
        None => "nothing".to_owned(),
    }
}

fn whole(dir: &Path) -> String {
    typed(&accounts::whole_or_itself(dir))
}
