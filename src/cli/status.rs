//! `portcullis status`: where a case stands, from its directory alone.

use serde_json::json;

use super::args::{self, Format};
use super::conduct::{
    NOT_TO_BE_TRUSTED, after_all, awaited, belongs_to_another_plan, worked_on_by,
};
use super::exit::{Exit, Failure};
use super::rehearse::is_rehearsal;
use super::{diagnostics, view};
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
    if state.plan().is_some_and(|plan| plan != saved.digest()) {
        return Err(belongs_to_another_plan());
    }
    let ledger = Ledger::of(&saved.plan, &state);
    let account = view::Account { plan: &saved.plan, state: &state, ledger: &ledger };
    let (case, there) = (args.case.display(), super::plan::there(&saved));
    let next = match state.finished.and_then(Exit::of) {
        _ if case::is_worked_on(&args.case) => {
            let by = state.worker.as_ref().map(worked_on_by);
            let by =
                by.map_or("another process".to_owned(), |by| format!("another process, of {by},"));
            format!("nothing now: {by} is working on it. Ask again when it has ended")
        }
        // Nobody has said yes to it yet: that takes a run. A rehearsal needs nobody's yes.
        None if state.opened.is_none() && !is_rehearsal(&args.case)? => {
            format!("portcullis run {case}/rounds/1/plan.json{there}")
        }
        Some(Exit::Done) => "nothing".to_owned(),
        Some(Exit::Waiting) => awaited(&saved, &state, &args.case, &there)
            .unwrap_or_else(|| format!("portcullis resume {case}{there}")),
        Some(Exit::NotProven) => after_all(&ledger),
        Some(Exit::Held) => {
            format!("do what is asked above, then: portcullis resume {case}{there}")
        }
        _ => format!("portcullis resume {case}{there}"),
    };
    if args.format == Format::Json {
        let mut told = account.as_json();
        told["case"] = case.to_string().into();
        told["journal"] = json!({"lines": decoded.lines.len(), "head": decoded.head()});
        told["exit"] = state.finished.into();
        told["next"] = next.into();
        view::out(&diagnostics::printed(&told));
        return Ok(Exit::Done);
    }
    view::out(&format!("Case {case}\n"));
    view::out(&view::progress_of(&saved.plan, &state));
    view::out(&account.render());
    view::out(&format!("\nJournal: {} lines, head {}\n", decoded.lines.len(), decoded.head()));
    view::out(&format!("Next: {next}\n"));
    Ok(Exit::Done)
}
