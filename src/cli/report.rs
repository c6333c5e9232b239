//! `portcullis report`: what happened in a case, for people who were not there. From its directory alone.

use super::args::{self, ReportFormat};
use super::conduct::{NOT_TO_BE_TRUSTED, belongs_to_another_plan};
use super::exit::{Exit, Failure};
use super::{diagnostics, view};
use crate::case;
use crate::journal::State;
use crate::report::Report;

pub(super) fn report(args: &args::Report) -> Result<Exit, Failure> {
    let saved = case::read_plan(&args.case)?;
    let decoded = case::read_journal(&args.case)?;
    let state = State::of(&decoded).map_err(|error| {
        Failure::new(Exit::Refused, "the journal does not make sense", NOT_TO_BE_TRUSTED)
            .because(&error)
    })?;
    if state.plan().is_some_and(|plan| plan != saved.digest()) {
        return Err(belongs_to_another_plan());
    }
    let report = Report::of(&saved, &decoded, &state, args.aware_at);
    view::out(&match args.format {
        ReportFormat::Text => report.text(),
        ReportFormat::Markdown => report.markdown(),
        ReportFormat::Json => {
            let told = serde_json::to_value(&report).expect("plain data");
            diagnostics::printed(&told)
        }
    });
    Ok(Exit::Done)
}
