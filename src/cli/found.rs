//! A case as it is found: its newest plan, its journal, and whether the two go together.

use std::path::Path;

use super::by_hand::typed;
use super::exit::{Exit, Failure};
use super::there::There;
use crate::case::{self, accounts};
use crate::clock::Clock;
use crate::journal::{Decoded, Journal, Medium, State};
use crate::plan::SavedPlan;

/// What to do about a journal that does not add up.
const NOT_TO_BE_TRUSTED: &str = "nothing was done. Restore the journal from a copy if you have one; without it, plan anew: cuts that \
     stand are found";

/// A case as it lies there: the plan of its newest round, its journal, and where it stands.
pub(super) fn read(dir: &Path) -> Result<(SavedPlan, Decoded, State), Failure> {
    let (saved, decoded) = (case::read_plan(dir)?, case::read_journal(dir)?);
    let state = state_of(&decoded)?;
    if state.plan().is_some_and(|plan| plan != saved.digest()) {
        return Err(belongs_to_another_plan());
    }
    Ok((saved, decoded, state))
}

/// Where a case stands, by its journal.
pub(super) fn state_of(decoded: &Decoded) -> Result<State, Failure> {
    State::of(decoded).map_err(|error| makes_no_sense(&error))
}

fn makes_no_sense(why: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Refused, "the journal does not make sense", NOT_TO_BE_TRUSTED).because(why)
}

/// A journal to go on with.
pub(super) fn open_journal(
    decoded: &Decoded,
    medium: Box<dyn Medium>,
    clock: Clock,
) -> Result<Journal, Failure> {
    Journal::open(decoded, medium, clock).map_err(|error| makes_no_sense(&error))
}

/// What has somebody say yes to a case that was never begun.
pub(super) fn typed_to_begin(dir: &Path, there: &There) -> String {
    if let Some(whole) = accounts::whole(dir) {
        return format!("portcullis run {}{there}", typed(&whole));
    }
    format!("portcullis run {}{there}", typed(&dir.join("rounds/1/plan.json")))
}

/// Refuses to go on with a case that somebody has closed. It may be taken back all the same.
pub(super) fn refuse_closed(
    dir: &Path,
    saved: &SavedPlan,
    state: &State,
    there: &There,
) -> Result<(), Failure> {
    let Some(closed) = state.closed.as_ref().filter(|_| !saved.plan.is_undo()) else {
        return Ok(());
    };
    Err(Failure::new(
        Exit::Refused,
        format!(
            "{} has closed this case at {}: {}",
            closed.said.by,
            closed.at.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
            closed.said.reason
        ),
        format!(
            "plan anew, where there is more to be done: portcullis plan PLAYBOOK{there}. To take back what this case has cut: \
             portcullis undo {}{there}",
            typed(&accounts::whole_or_itself(dir))
        ),
    ))
}

/// A case whose plan is not the one that its journal was begun for.
pub(super) fn belongs_to_another_plan() -> Failure {
    Failure::new(
        Exit::Refused,
        "the journal belongs to another plan",
        "the plan of this case was replaced; restore rounds/1/plan.json from a copy",
    )
}
