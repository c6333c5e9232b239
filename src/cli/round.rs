//! `portcullis run CASE/rounds/N/plan.json`: somebody says yes to a round that is more than was approved.
//!
//! The round's plan was kept by the run that found what is new. It is shown, asked about, recorded as begun with
//! the name of whoever said yes, and carried out like any resumption.

use std::path::{Path, PathBuf};

use super::args::{self, Format};
use super::by_hand::typed;
use super::conduct::Conduct;
use super::exit::{Exit, Failure};
use super::found::refuse_closed;
use super::live::Live;
use super::overtaken::Doing;
use super::reach::{goes_there, reach};
use super::run::confirm_round;
use super::{rehearse, sources, view};
use crate::case::{self, Case};
use crate::clock::Clock;

use crate::ids::Arn;
use crate::journal::{Journal, State};
use crate::plan::SavedPlan;
use crate::playbook::Playbook;
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
    refuse_closed(dir, &saved, &state, &args.access.there())?;
    if next.number() != state.round() + 1
        || !args.what.ends_with(format!("{}/plan.json", next.number()))
    {
        return Err(not_next(dir));
    }
    let playbook = sources::follows(&next, Some(&saved), dir).map_err(|why| {
        Failure::new(
            Exit::Refused,
            format!("the plan of round {} is refused", next.number()),
            format!(
                "have it planned anew: portcullis resume {}{}",
                typed(dir),
                args.access.there()
            ),
        )
        .because(&why)
    })?;
    match case::accounts::whole(dir) {
        Some(whole) => say_yes(&case, &next, &saved, &whole, args),
        None => {
            carry_out(&case, &next, &playbook, Terms { before: Some(&saved), ..Terms::from(args) })
        }
    }
}

/// One account of several: somebody says yes to its round, and all of them go on with it together.
fn say_yes(
    case: &Case,
    next: &SavedPlan,
    before: &SavedPlan,
    whole: &Path,
    args: &args::Run,
) -> Result<Exit, Failure> {
    if rehearse::is_rehearsal(case.dir())? {
        ask(args.yes, next, Some(before))?;
        view::virtual_runtime().block_on(async {
            let (clock, caller) = rehearse::responder(case).await?;
            begin(case, next, clock, &caller.arn).await
        })?;
    } else {
        goes_there(&next.plan, args.access.endpoint_url.as_deref())?;
        view::runtime().block_on(async {
            let mut live = Live::connect(&args.access).await?;
            let caller = live.begin().await?.caller;
            let home = next.plan.together.as_ref().map(|together| &together.home);
            if home != Some(&caller.account) {
                return Err(Failure::new(
                    Exit::Refused,
                    format!("these credentials are of account {}", caller.account),
                    "use those of the account that the case is worked on from",
                ));
            }
            ask(args.yes, next, Some(before))?;
            begin(case, next, live.clock, &caller.arn).await
        })?;
    }
    let (whole, there) = (typed(whole), args.access.there());
    view::out(&format!(
        "Yes was said, and nothing of the round is cut yet: all accounts go on with it together.\nNext: portcullis \
         resume {whole}{there}\n"
    ));
    Ok(Exit::Waiting)
}

/// How a round is begun.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    /// As whom.
    access: &'a args::Access,
    /// Whether somebody has read its plan already.
    yes: bool,
    format: Format,
    /// The plan of the round before, where it is shown what is new since.
    before: Option<&'a SavedPlan>,
}

impl<'a> From<&'a args::Run> for Terms<'a> {
    fn from(args: &'a args::Run) -> Self {
        Self { access: &args.access, yes: args.yes, format: args.format, before: None }
    }
}

impl<'a> From<&'a args::Undo> for Terms<'a> {
    fn from(args: &'a args::Undo) -> Self {
        Self { access: &args.access, yes: args.yes, format: args.format, before: None }
    }
}

/// Shows a round, has somebody say yes to it, begins it and carries it out.
pub(super) fn carry_out(
    case: &Case,
    next: &SavedPlan,
    playbook: &Playbook,
    terms: Terms<'_>,
) -> Result<Exit, Failure> {
    let Terms { access, yes, format, before } = terms;
    if rehearse::is_rehearsal(case.dir())? {
        ask(yes, next, before)?;
        return rehearse::next_round(case, next, playbook, format);
    }
    view::runtime().block_on(async {
        let (live, caller) = reach(access, case.dir(), next, Doing::GoOn).await?;
        ask(yes, next, before)?;
        begin(case, next, live.clock, &caller.arn).await?;
        let (decoded, medium) = case.journal()?;
        let begun = (next, playbook);
        let conduct = Conduct::live(begun, &caller, case, &live, true, access, format);
        conduct.conduct(&decoded, medium).await
    })
}

/// Records that `by` has said yes to the round.
pub(super) async fn begin(
    case: &Case,
    next: &SavedPlan,
    clock: Clock,
    by: &Arn,
) -> Result<(), Failure> {
    let refused = |what: String| {
        Failure::new(Exit::Refused, what, "nothing was begun; see to it, then say yes again")
    };
    case.keep_round(next)?;
    let (decoded, medium) = case.journal()?;
    let journal = Journal::open(&decoded, medium, clock).map_err(|error| {
        refused(format!("{} cannot be read", case.dir().display())).because(&error)
    })?;
    begin_round(&journal, next, by)
        .await
        .map_err(|error| refused(error.to_string()).because_of_causes(&error))
}

/// Shows the round's plan and asks, unless somebody has read it already.
fn ask(yes: bool, next: &SavedPlan, before: Option<&SavedPlan>) -> Result<(), Failure> {
    show(yes, next, before);
    if yes { Ok(()) } else { confirm_round(next, before) }
}

/// Shows the round's plan, or what tells which it is where somebody has read it already.
pub(super) fn show(yes: bool, next: &SavedPlan, before: Option<&SavedPlan>) {
    if yes {
        view::note(&format!("Round {}, plan {}\n", next.number(), next.digest()));
    } else {
        view::err(&view::since(next, before, view::err_detail()));
    }
}

fn not_next(dir: &Path) -> Failure {
    Failure::new(
        Exit::Refused,
        "this is not the plan of the round that comes next",
        format!("see where the case stands: portcullis status {}", typed(dir)),
    )
}
