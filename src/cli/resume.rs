//! `portcullis resume`: go on with a case, real or rehearsed.

use super::args;
use super::conduct::{Conduct, fits};
use super::exit::{Exit, Failure};
use super::live::Live;
use super::{rehearse, view};
use crate::case::{self, Case};

pub(super) fn resume(args: &args::Resume) -> Result<Exit, Failure> {
    let case = Case::open(&args.case)?;
    let saved = case::read_plan(&args.case)?;
    if rehearse::is_rehearsal(case.dir())? {
        return rehearse::resume(&case, &saved);
    }
    let (decoded, medium) = case.journal()?;
    view::runtime().block_on(async {
        let live = Live::connect(&args.access).await?;
        let inventory = live.begin().await?;
        fits(&saved, &inventory.caller, args.access.endpoint_url.as_deref())?;
        let conduct = Conduct {
            saved: &saved,
            caller: &inventory.caller,
            case: case.dir(),
            connection: &live.connection,
            clock: live.clock,
            verdict: None,
        };
        conduct.conduct(&decoded, medium).await
    })
}
