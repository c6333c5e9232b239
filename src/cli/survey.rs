//! `portcullis survey`: reads an account, or what a playbook asks of it, and keeps what was read.
//!
//! Read-only. Whatever stops it (Ctrl-C, credentials that ran out, no network), what was read by then is in
//! the file, and `--resume` goes on from there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::by_hand::typed;
use super::exit::{Exit, Failure};
use super::live::Live;
use super::stop::asked_to_stop;
use super::there::There;
use super::{args, diagnostics, sources, view};
use crate::case;
use crate::diagnostic::Diagnostic;
use crate::inventory::{Inventory, SavedInventory, Want};
use crate::planning::{self, Planned, Terms};
use crate::playbook::Playbook;
use crate::survey::{self, SurveyError, everything};

/// Questions asked before what was read is written down for the first time; later, a third of what there is
/// by then, so that writing stays cheap.
const FIRST_PART: usize = 1000;

/// What is asked.
enum Asked {
    Everything { last_used: bool },
    Of(Box<Playbook>, BTreeMap<String, Value>),
}

/// How the reading ended.
enum End {
    Whole,
    /// The playbook does not come to a plan here.
    Problems(Vec<Diagnostic>),
    Interrupted,
    Failed(SurveyError),
}

pub(super) fn survey(args: &args::Survey) -> Result<Exit, Failure> {
    let asked = match &args.playbook {
        None => Asked::Everything { last_used: args.last_used },
        Some(path) => {
            let playbook = sources::playbook(path)?;
            let inputs = sources::inputs(&playbook, &args.given(), &BTreeMap::new())?;
            Asked::Of(Box::new(playbook), inputs)
        }
    };
    if let Some(output) = &args.output
        && output.exists()
        && !args.replace
        && args.resume.as_ref() != Some(output)
    {
        return Err(Failure::new(
            Exit::Refused,
            format!("{} is there already, and what it holds would be lost", output.display()),
            format!(
                "name another file; go on with that one: --resume {0}; or give --replace, too",
                typed(output)
            ),
        ));
    }
    let earlier = args.resume.as_deref().map(sources::inventory).transpose()?;
    let file = args.output.as_deref().or(args.resume.as_deref());
    let (saved, end) = view::runtime().block_on(async {
        let live = Live::connect(&args.access).await?;
        let begun = live.begin().await?;
        let mut saved = match earlier {
            None => SavedInventory::new(begun),
            Some(earlier) => earlier.resumed(begun).ok_or_else(other_account)?,
        };
        let end = read(&live, &mut saved, &asked, file).await?;
        Ok::<_, Failure>((saved, end))
    })?;
    match args.format {
        args::SurveyFormat::Json => view::out(&diagnostics::harmless(&saved.to_text())),
        args::SurveyFormat::Text => view::out(&view::inventory(&saved)),
    }
    ended(&saved, end, file, &args.access.there())
}

/// Asks until nothing is open, and writes down what there is from time to time and at the end.
async fn read(
    live: &Live,
    saved: &mut SavedInventory,
    asked: &Asked,
    file: Option<&Path>,
) -> Result<End, Failure> {
    let stop = asked_to_stop();
    tokio::pin!(stop);
    let end = loop {
        let wants = match open(asked, &saved.inventory) {
            Ok(wants) if wants.is_empty() => break End::Whole,
            Ok(wants) => wants,
            Err(problems) => break End::Problems(problems),
        };
        let read = saved.inventory.answers.len();
        let to_come = wants.len();
        let part = wants.into_iter().take(FIRST_PART.max(read / 3));
        let cloud = live.connection.read();
        let filled = tokio::select! {
            biased;
            () = &mut stop => break End::Interrupted,
            filled = survey::fill(cloud, &mut saved.inventory, part) => filled,
        };
        if let Err(error) = filled {
            break End::Failed(error);
        }
        let left = to_come.saturating_sub(saved.inventory.answers.len() - read);
        if left > 0 {
            view::err(&format!("{} answers; {left} more to ask\n", saved.inventory.answers.len()));
            saved.stopped = Some("it was ended from outside".to_owned());
            keep(saved, file)?;
        }
    };
    saved.stopped = match &end {
        End::Whole | End::Problems(_) => None,
        End::Interrupted => Some("it was interrupted".to_owned()),
        End::Failed(error) => Some(error.0.to_string()),
    };
    keep(saved, file)?;
    Ok(end)
}

/// What is still to be read.
fn open(asked: &Asked, inventory: &Inventory) -> Result<BTreeSet<Want>, Vec<Diagnostic>> {
    match asked {
        Asked::Everything { last_used } => Ok(everything::open(inventory, *last_used)),
        Asked::Of(playbook, inputs) => {
            match planning::plan(playbook, inputs, inventory, &Terms::default())? {
                Planned::Needs(wants) => Ok(wants),
                Planned::Plan(_) => Ok(BTreeSet::new()),
            }
        }
    }
}

fn keep(saved: &SavedInventory, file: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    case::replace(file, &saved.to_text()).map_err(|error| {
        Failure::new(
            Exit::Refused,
            format!("what was read could not be saved to {}", file.display()),
            "give -o a file in a directory that can be written and has room",
        )
        .because(&error)
    })
}

fn ended(
    saved: &SavedInventory,
    end: End,
    file: Option<&Path>,
    there: &There,
) -> Result<Exit, Failure> {
    let again = match file {
        Some(file) => format!("portcullis survey --resume {}{there}", typed(file)),
        None => "the same with -o FILE, so that what is read is kept".to_owned(),
    };
    match end {
        End::Failed(error) => Err(Failure::new(
            Exit::Stopped,
            "the survey was stopped; nothing was changed",
            format!("{}; then: {again}", Failure::from(error.clone()).next()),
        )
        .because(&error)),
        End::Interrupted => {
            Err(Failure::new(Exit::Interrupted, "interrupted; nothing was changed", again))
        }
        End::Problems(problems) => {
            view::diagnostics(problems);
            let next = "nothing was changed. See to what is said above, then survey again";
            Err(Failure::told(Exit::Refused, next))
        }
        End::Whole if saved.inventory.gaps().next().is_some() => {
            view::err(&format!(
                "\nNot everything could be read. {}: allow what was refused, then {again}\n",
                view::Style::Strong.paint("Next")
            ));
            Ok(Exit::Stopped)
        }
        End::Whole => {
            let next = match file {
                Some(file) => format!("later, portcullis diff {} NEWER", typed(file)),
                None => again,
            };
            let strong = view::Style::Strong.paint("Next");
            view::err(&format!(
                "\nEverything was read, and nothing was changed. {strong}: {next}\n"
            ));
            Ok(Exit::Done)
        }
    }
}

fn other_account() -> Failure {
    Failure::new(
        Exit::Refused,
        "the inventory to go on with is of another account",
        "give the credentials of that account, or begin anew with -o FILE",
    )
}
