//! `portcullis resume`: go on with a case, real or rehearsed.

use super::args;
use super::conduct::{Conduct, fits, remaining};
use super::exit::{Exit, Failure};
use super::live::Live;
use super::{rehearse, sources, view};
use crate::case::Case;
use crate::journal::State;

pub(super) fn resume(args: &args::Resume) -> Result<Exit, Failure> {
    let case = Case::open(&args.case)?;
    let (saved, playbook) = sources::plan_of(&args.case)?;
    if rehearse::is_rehearsal(case.dir())? {
        return rehearse::resume(&case, &saved, &playbook, args.format);
    }
    let (decoded, medium) = case.journal()?;
    if State::of(&decoded).is_ok_and(|state| state.finished == Some(Exit::Done.code())) {
        view::err(&format!(
            "This case is {}: there is nothing to go on with, and nothing was done. The record: portcullis status {}\n",
            Exit::Done.in_words(),
            args.case.display()
        ));
        return Ok(Exit::Done);
    }
    view::runtime().block_on(async {
        let live = Live::connect(&args.access).await?;
        live.work_on(case.dir()).await;
        let inventory = live.begin().await?;
        fits(&saved, &inventory.caller, args.access.endpoint_url.as_deref())?;
        remaining(&live.connection, &saved, live.clock).await;
        let (caller, access) = (&inventory.caller, &args.access);
        let begun = (&saved, &playbook);
        let conduct = Conduct::live(begun, caller, &case, &live, true, access, args.format);
        conduct.conduct(&decoded, medium).await
    })
}
