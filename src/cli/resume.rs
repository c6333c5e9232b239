//! `portcullis resume`: go on with a case, real or rehearsed.

use super::args;
use super::conduct::{Conduct, fits, remaining};
use super::exit::{Exit, Failure};
use super::live::Live;
use super::{rehearse, sources, view};
use crate::case::{self, Case};

pub(super) fn resume(args: &args::Resume) -> Result<Exit, Failure> {
    let case = Case::open(&args.case)?;
    let saved = case::read_plan(&args.case)?;
    sources::follows(&saved, case.dir()).map_err(|why| {
        Failure::new(
            Exit::Refused,
            format!("the plan of case {} is refused", args.case.display()),
            "restore the case from a copy, or go on with the version of the program that opened it",
        )
        .because(&why)
    })?;
    if rehearse::is_rehearsal(case.dir())? {
        return rehearse::resume(&case, &saved, args.format);
    }
    let (decoded, medium) = case.journal()?;
    view::runtime().block_on(async {
        let live = Live::connect(&args.access).await?;
        live.work_on(case.dir()).await;
        let inventory = live.begin().await?;
        fits(&saved, &inventory.caller, args.access.endpoint_url.as_deref())?;
        remaining(&live.connection, &saved, live.clock).await;
        let (caller, access) = (&inventory.caller, &args.access);
        let conduct = Conduct::live(&saved, caller, case.dir(), &live, true, access, args.format);
        conduct.conduct(&decoded, medium).await
    })
}
