//! `portcullis resume`: go on with a case, real or rehearsed.

use super::args::{self, Format};
use super::conduct::{Conduct, Task, fits, remaining};
use super::exit::{Exit, Failure};
use super::live::Live;
use super::{credential, plan, rehearse, sources, view};
use crate::case::{self, Case};
use crate::journal::{Decoded, Entry, State};
use crate::plan::SavedPlan;

pub(super) fn resume(args: &args::Resume) -> Result<Exit, Failure> {
    let case = Case::open(&args.case)?;
    let (saved, playbook) = sources::plan_of(&args.case)?;
    if is_over(&case::read_journal(&args.case)?, &saved) {
        view::note(&format!(
            "This case is {}: there is nothing to go on with, and nothing was done. The record: portcullis status {}\n",
            Exit::Done.in_words(),
            args.case.display()
        ));
        if args.format == Format::Json {
            plan::tell_nothing_to_do();
        }
        return Ok(Exit::Done);
    }
    let given = credential::given(args.credential_fd)?;
    if rehearse::is_rehearsal(case.dir())? {
        return rehearse::resume(&case, &saved, &playbook, args.format, Task::Run);
    }
    let (decoded, medium) = case.journal()?;
    view::runtime().block_on(async {
        let live = Live::connect(&args.access).await?;
        live.work_on(case.dir()).await;
        let inventory = live.begin().await?;
        fits(&saved, &inventory.caller, args.access.endpoint_url.as_deref())?;
        remaining(&live.connection, &saved, live.clock).await;
        let (caller, access) = (&inventory.caller, &args.access);
        let begun = (&saved, &playbook);
        let conduct = Conduct::live(begun, caller, &case, &live, true, access, args.format);
        Conduct { given: &given, ..conduct }.conduct(&decoded, medium).await
    })
}

/// Whether all of it was done and proven, and nobody has said anything since.
fn is_over(journal: &Decoded, saved: &SavedPlan) -> bool {
    let last = journal.lines.last().and_then(|line| line.entries.last());
    matches!(last, Some(Entry::Finished { exit }) if *exit == Exit::Done.code())
        && State::of(journal).is_ok_and(|state| state.plan() == Some(saved.digest().as_str()))
}
