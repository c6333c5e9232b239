//! `portcullis resume`: go on with a case, real or rehearsed.

use super::args;
use super::conduct::{Conduct, Task, fits, remaining};
use super::exit::{Exit, Failure};
use super::live::Live;
use super::{credential, rehearse, sources, view};
use crate::case::Case;

pub(super) fn resume(args: &args::Resume) -> Result<Exit, Failure> {
    let case = Case::open(&args.case)?;
    let (saved, playbook) = sources::plan_of(&args.case)?;
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
