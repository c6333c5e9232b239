//! `portcullis resume`: go on with a case, real or rehearsed; one's own, or out of somebody else's hands.

use std::path::Path;

use super::args::{self, Format};
use super::by_hand::{quoted, typed};
use super::conduct::{Conduct, Task, worked_on_by};
use super::exit::{Exit, Failure};
use super::found::{refuse_closed, state_of, tell_torn, typed_to_begin};
use super::overtaken::Doing;
use super::reach::{fits, reach};
use super::rehearse::Going;
use super::there::There;
use super::{accounts, credential, plan, rehearse, sources, view};
use crate::case::{self, Case};
use crate::journal::{Decoded, Entry, State};
use crate::plan::SavedPlan;

pub(super) fn resume(args: &args::Resume) -> Result<Exit, Failure> {
    if args.take_over.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        return Err(Failure::new(
            Exit::Usage,
            "a case is not taken over without a reason",
            "say why, for whoever is stopped by it and whoever reads the case in a year: --take-over REASON",
        ));
    }
    let several = case::accounts::of(&args.case);
    if !several.is_empty() {
        return accounts::resume(args, &several);
    }
    let why = args.take_over.as_ref().map(|why| format!(" --take-over {}", quoted(why)));
    let why = why.unwrap_or_default();
    accounts::refuse_one_alone(&args.case, "resume", &why, &args.access.there())?;
    if let Some(reason) = &args.take_over {
        return take_over(args, reason);
    }
    let case = Case::open(&args.case)?;
    let (saved, playbook) = sources::plan_of(&args.case)?;
    accounts::refuse_apart(&saved)?;
    let journal = case::read_journal(&args.case)?;
    if is_over(&journal, &saved) {
        return Ok(nothing_to_go_on_with(args));
    }
    refuse_closed(&args.case, &saved, &state_of(&journal)?, &args.access.there())?;
    may_go_on_elsewhere(&args.case, &journal, &args.access.there())?;
    let given = credential::given(args.credential_fd)?;
    if rehearse::is_rehearsal(case.dir())? {
        let going = Going { taking_over: None, format: args.format, task: &Task::Run };
        return rehearse::resume(&case, &saved, &playbook, going);
    }
    let (decoded, medium) = case.journal()?;
    view::runtime().block_on(async {
        let (live, caller) = reach(&args.access, case.dir(), &saved, Doing::GoOn).await?;
        let begun = (&saved, &playbook);
        let conduct = Conduct::live(begun, &caller, &case, &live, true, &args.access, args.format);
        Conduct { given: &given, ..conduct }.conduct(&decoded, medium).await
    })
}

/// Goes on with a case that somebody else has in his hands. Who takes it is known, and may do so, before it is taken.
fn take_over(args: &args::Resume, reason: &str) -> Result<Exit, Failure> {
    let dir = &args.case;
    let (saved, playbook) = sources::plan_of(dir)?;
    accounts::refuse_apart(&saved)?;
    let journal = case::read_journal(dir)?;
    if is_over(&journal, &saved) {
        return Ok(nothing_to_go_on_with(args));
    }
    if journal.lines.is_empty() {
        return Err(Failure::new(
            Exit::Refused,
            "this case was never begun: there is nothing to take over",
            typed_to_begin(dir, &args.access.there()),
        ));
    }
    refuse_closed(dir, &saved, &state_of(&journal)?, &args.access.there())?;
    // What is taken over is a copy without it.
    tell_torn(&journal);
    if rehearse::is_rehearsal(dir)? {
        let case = Case::take_over(dir)?;
        let going = Going { taking_over: Some(reason), format: args.format, task: &Task::Run };
        return rehearse::resume(&case, &saved, &playbook, going);
    }
    let given = credential::given(args.credential_fd)?;
    view::runtime().block_on(async {
        let (live, caller) = reach(&args.access, dir, &saved, Doing::GoOn).await?;
        let case = Case::take_over(dir)?;
        // Whoever had it may have gone on until now, to another round.
        let (saved, playbook) = sources::plan_of(dir)?;
        fits(&saved, &caller, args.access.endpoint_url.as_deref())?;
        let (decoded, medium) = case.journal()?;
        let begun = (&saved, &playbook);
        let conduct = Conduct::live(begun, &caller, &case, &live, true, &args.access, args.format);
        Conduct { taking_over: Some(reason), given: &given, ..conduct }
            .conduct(&decoded, medium)
            .await
    })
}

/// A run that did not end, on another machine, may still go on there, on a copy of this directory: nothing that this
/// program can see would tell.
pub(super) fn may_go_on_elsewhere(
    dir: &Path,
    journal: &Decoded,
    there: &There,
) -> Result<(), Failure> {
    let state = State::of(journal).ok();
    let unfinished = state.filter(|state| state.opened.is_some() && state.finished.is_none());
    let Some(worker) = unfinished.and_then(|state| state.worker) else { return Ok(()) };
    if worker.place.as_ref().is_none_or(|place| place.host == case::here().host) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Refused,
        format!(
            "this case is in the hands of {}, and no end of that run is on record",
            worked_on_by(&worker)
        ),
        format!(
            "make sure that it does not go on there: from here it cannot be seen, nor stopped. Then take the case \
             over, on record: portcullis resume {} --take-over REASON{there}",
            typed(&case::accounts::whole_or_itself(dir))
        ),
    ))
}

fn nothing_to_go_on_with(args: &args::Resume) -> Exit {
    view::note(&format!(
        "This case is {}: there is nothing to go on with, and nothing was done. The record: portcullis status {}\n",
        Exit::Done.in_words(),
        typed(&args.case)
    ));
    if args.format == Format::Json {
        plan::tell_nothing_to_do(Exit::Done, &[]);
    }
    Exit::Done
}

/// Whether all of it was done and proven, and nobody has said anything since.
fn is_over(journal: &Decoded, saved: &SavedPlan) -> bool {
    let last = journal.lines.last().and_then(|line| line.entries.last());
    matches!(last, Some(Entry::Finished { exit }) if *exit == Exit::Done.code())
        && State::of(journal).is_ok_and(|state| state.plan() == Some(saved.digest().as_str()))
}
