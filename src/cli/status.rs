//! `portcullis status`: where a case stands, from its directory alone.

use super::args;
use super::conduct::{NOT_TO_BE_TRUSTED, belongs_to_another_plan};
use super::exit::{Exit, Failure};
use super::rehearse::is_rehearsal;
use super::view;
use crate::case;
use crate::journal::State;
use crate::ledger::Ledger;

pub(super) fn status(args: &args::Status) -> Result<Exit, Failure> {
    let saved = case::read_plan(&args.case)?;
    let decoded = case::read_journal(&args.case)?;
    let state = State::of(&decoded).map_err(|error| {
        Failure::new(Exit::Refused, "the journal does not make sense", NOT_TO_BE_TRUSTED)
            .because(&error)
    })?;
    if let Some(opened) = &state.opened
        && opened.plan != saved.digest()
    {
        return Err(belongs_to_another_plan());
    }
    let ledger = Ledger::of(&saved.plan, &state);
    let account = view::Account { plan: &saved.plan, state: &state, ledger: &ledger };
    view::out(&format!("Case {}\n", args.case.display()));
    view::out(&view::progress_of(&saved.plan, &state));
    view::out(&account.render());
    view::out(&format!("\nJournal: {} lines, head {}\n", decoded.lines.len(), decoded.head()));
    let (case, there) = (args.case.display(), super::plan::there(&saved));
    let next = match state.finished {
        // Nobody has said yes to it yet: that takes a run. A rehearsal needs nobody's yes.
        None if state.opened.is_none() && !is_rehearsal(&args.case)? => {
            format!("portcullis run {case}/rounds/1/plan.json{there}")
        }
        Some(0) => "nothing".to_owned(),
        Some(11) => "see to what is unaccounted or not proven above".to_owned(),
        Some(13) => format!("do what is asked above, then: portcullis resume {case}{there}"),
        _ => format!("portcullis resume {case}{there}"),
    };
    view::out(&format!("Next: {next}\n"));
    Ok(Exit::Done)
}
