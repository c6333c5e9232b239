//! What is to be done next about a case that a person is called to: the very thing, where it can be named.

use std::path::Path;

use super::conduct::awaited;
use crate::action::catalog;
use crate::case::accounts;
use crate::journal::{ChangeState, GateState, Note, State};
use crate::ledger;
use crate::plan::{Change, Plan, SavedPlan};

/// So many are named; whoever has seen to those is told of the others.
const NAMED: usize = 3;

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
pub(super) fn to_attest(plan: &Plan, state: &State, dir: &Path, there: &str) -> Option<String> {
    let asked: Vec<&Change> = by_hand(plan, state).collect();
    if asked.is_empty() {
        return None;
    }
    let (case, whole) = (dir.display(), whole(dir));
    let typed = asked.iter().take(NAMED).map(|change| {
        format!("once {} is seen to: portcullis attest {case} {}", change.target, change.id)
    });
    let typed = typed.collect::<Vec<_>>().join("; ");
    let more = asked.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("; and {more} more, as above") } else { String::new() };
    Some(format!("{typed}{more}; then: portcullis resume {whole}{there}"))
}

/// What is next where a run or a look ended with a person being called.
pub(super) fn of_held(saved: &SavedPlan, state: &State, dir: &Path, there: &str) -> String {
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
    let cut = ledger::quarantined(plan, state);
    if cut.is_empty() {
        return "nothing".to_owned();
    }
    let more = cut.len().saturating_sub(NAMED);
    let named: Vec<String> = cut.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "nothing by this plan. Still quarantined, and let in by nothing in it: {}{more}",
        named.join(", ")
    )
}

fn whole(dir: &Path) -> String {
    accounts::whole_or_itself(dir).display().to_string()
}
