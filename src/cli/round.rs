//! `portcullis run CASE/rounds/N/plan.json`: somebody says yes to a round that is more than was approved.
//!
//! The round's plan was kept by the run that found what is new. It is shown, asked about, recorded as begun with
//! the name of whoever said yes, and carried out like any resumption.

use std::path::{Path, PathBuf};

use super::args;
use super::conduct::{Conduct, fits, remaining};
use super::exit::{Exit, Failure};
use super::live::Live;
use super::run::confirm;
use super::{rehearse, sources, view};
use crate::case::{self, Case};
use crate::journal::{Journal, State};
use crate::plan::SavedPlan;
use crate::run::begin_round;

/// The case whose next round is kept at `path`, where it is such a file.
pub(super) fn case_of(path: &Path) -> Option<PathBuf> {
    let round = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let number = round.and_then(|name| name.parse::<u32>().ok());
    let rounds = path.parent().and_then(Path::parent);
    let case = rounds.filter(|dir| dir.ends_with("rounds")).and_then(Path::parent);
    let (Some(2..), Some(case)) = (number, case) else { return None };
    // An empty path is the directory one is in.
    let case = if case.as_os_str().is_empty() { Path::new(".") } else { case };
    path.is_file().then(|| case.to_owned())
}

/// Shows the round, has somebody say yes to it, and goes on with the case.
pub(super) fn run(args: &args::Run, dir: &Path) -> Result<Exit, Failure> {
    let case = Case::open(dir)?;
    let (saved, _) = sources::plan_of(dir)?;
    let decoded = case::read_journal(dir)?;
    let state = State::of(&decoded).map_err(|error| not_next(dir).because(&error))?;
    let next =
        case::read_round(dir, state.round() + 1).map_err(|error| not_next(dir).because(&error))?;
    if next.number() != state.round() + 1
        || !args.what.ends_with(format!("{}/plan.json", next.number()))
    {
        return Err(not_next(dir));
    }
    let playbook = sources::follows(&next, Some(&saved), dir).map_err(|why| {
        Failure::new(
            Exit::Refused,
            format!("the plan of round {} is refused", next.number()),
            format!("have it planned anew: portcullis resume {}", dir.display()),
        )
        .because(&why)
    })?;
    if rehearse::is_rehearsal(dir)? {
        return rehearse::next_round(&case, &next, &playbook, args);
    }
    view::runtime().block_on(async {
        let live = Live::connect(&args.access).await?;
        live.work_on(case.dir()).await;
        let inventory = live.begin().await?;
        fits(&next, &inventory.caller, args.access.endpoint_url.as_deref())?;
        remaining(&live.connection, &next, live.clock).await;
        ask(args, &next)?;
        let (decoded, medium) = case.journal()?;
        let journal = Journal::open(&decoded, medium, live.clock)
            .map_err(|error| not_next(dir).because(&error))?;
        begin_round(&journal, &next, &inventory.caller.arn).await.map_err(|error| {
            Failure::new(
                Exit::Refused,
                error.to_string(),
                "nothing was begun; make room, then again",
            )
            .because_of_causes(&error)
        })?;
        let (decoded, medium) = case.journal()?;
        let (caller, access) = (&inventory.caller, &args.access);
        let begun = (&next, &playbook);
        let conduct = Conduct::live(begun, caller, &case, &live, true, access, args.format);
        conduct.conduct(&decoded, medium).await
    })
}

/// Shows the round's plan and asks, unless somebody has read it already.
pub(super) fn ask(args: &args::Run, next: &SavedPlan) -> Result<(), Failure> {
    if args.yes {
        view::note(&format!("Round {}, plan {}\n", next.number(), next.digest()));
        return Ok(());
    }
    view::err(&view::plan(next, view::err_detail()));
    confirm(next)
}

fn not_next(dir: &Path) -> Failure {
    Failure::new(
        Exit::Refused,
        "this is not the plan of the round that comes next",
        format!("see where the case stands: portcullis status {}", dir.display()),
    )
}
