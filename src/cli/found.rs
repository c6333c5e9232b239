//! A case as it is found: its newest plan, its journal, and whether the two go together.

use std::path::Path;

use super::by_hand::typed;
use super::exit::{Exit, Failure};
use super::there::There;
use super::view;
use crate::case::{self, accounts};
use crate::clock::Clock;
use crate::diagnostic::counted;
use crate::journal::{ChangeState, Decoded, Journal, Medium, State};
use crate::ledger;
use crate::plan::{Change, SavedPlan};
use crate::run::gone_on_with;

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
    tell_torn(decoded);
    Journal::open(decoded, medium, clock).map_err(|error| makes_no_sense(&error))
}

/// Says what a crash has left of a last line, and how much that is.
pub(super) fn tell_torn(decoded: &Decoded) {
    if decoded.torn > 0 {
        view::err(&format!(
            "The last line of the journal was cut short ({}): what it was about to announce had not begun.\n",
            counted(decoded.torn, "byte")
        ));
    }
}

/// What has somebody say yes to a case that was never begun.
pub(super) fn typed_to_begin(dir: &Path, there: &There) -> String {
    if let Some(whole) = accounts::whole(dir) {
        return format!("portcullis run {}{there}", typed(&whole));
    }
    format!("portcullis run {}{there}", typed(&dir.join("rounds/1/plan.json")))
}

/// Refuses to go on with a case that somebody has closed. It may be taken back all the same; and one whose undo was closed
/// goes on where denies are left that wait for nothing but time.
pub(super) fn refuse_closed(
    dir: &Path,
    saved: &SavedPlan,
    state: &State,
    there: &There,
) -> Result<(), Failure> {
    let plan = &saved.plan;
    let Some(closed) = ledger::closed_by(plan, state) else { return Ok(()) };
    let is_left = |change: &Change| state.record(&change.id).state != ChangeState::Seen;
    if plan.is_undo() && gone_on_with(plan, state).any(is_left) {
        return Ok(());
    }
    let anew = format!(
        "plan anew, where there is more to be done: portcullis plan PLAYBOOK{}",
        there.beside(dir)
    );
    let next = if plan.is_undo() {
        format!("{anew}. What this case has left cut stays cut until a person takes it off by hand")
    } else {
        let whole = typed(&accounts::whole_or_itself(dir));
        format!("{anew}. To take back what this case has cut: portcullis undo {whole}{there}")
    };
    Err(Failure::new(
        Exit::Refused,
        format!(
            "{} has closed this case at {}: {}",
            closed.said.by,
            closed.at.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
            closed.said.reason
        ),
        next,
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
