//! `portcullis survey`: reads an account, or what a playbook asks of every account that it is for, and keeps what was
//! read.
//!
//! Read-only. Whatever stops it (Ctrl-C, credentials that ran out, no network), what was read by then is in
//! the file, and `--resume` goes on from there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use futures_util::future::join_all;
use serde_json::Value;

use super::by_hand::{quoted, typed};
use super::exit::{Exit, Failure};
use super::live::Live;
use super::stop::asked_to_stop;
use super::{accounts, args, diagnostics, sources, view};
use crate::case;
use crate::cloud::{Connection, ReadCloud};
use crate::diagnostic::{Code, Diagnostic, counted};
use crate::ids::AccountId;
use crate::inventory::{Inventory, SavedInventories, SavedInventory, Want};
use crate::plan::Together;
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

/// An account that is read.
struct Reading {
    connection: Connection,
    saved: SavedInventory,
    terms: Terms,
}

/// How the reading ended.
enum End {
    Whole,
    /// The playbook does not come to a plan in these accounts. What it would ask beyond what is wrong, nobody knows; of what
    /// is wrong with a plan as a whole, everything was read.
    Problems {
        all: Vec<(AccountId, Vec<Diagnostic>)>,
        is_whole: bool,
    },
    Interrupted,
    Failed(SurveyError),
}

pub(super) fn survey(args: &args::Survey) -> Result<Exit, Failure> {
    let asked = match &args.playbook {
        None => Asked::Everything { last_used: args.last_used },
        Some(path) => {
            let playbook = sources::playbook(path)?;
            let (inputs, _) = sources::asked(&playbook, &args.given(), Vec::new(), None)?;
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
    let earlier = args.resume.as_deref().map(sources::inventories).transpose()?;
    let file = args.output.as_deref().or(args.resume.as_deref());
    let (all, end) = view::runtime().block_on(async {
        let mut live = Live::connect(&args.access).await?;
        let mut all = begin(&mut live, &asked, &args.access, earlier).await?;
        let end = read(&mut all, &asked, file).await?;
        Ok::<_, Failure>((all, end))
    })?;
    let saved = kept(all);
    match args.format {
        // Where it is refused, what is wrong is the document.
        args::SurveyFormat::Json if matches!(end, End::Problems { is_whole: false, .. }) => {}
        args::SurveyFormat::Json => view::out(&diagnostics::harmless(&saved.to_text())),
        args::SurveyFormat::Text => {
            let each: Vec<String> = saved.each().iter().map(view::inventory).collect();
            view::out(&each.join("\n"));
        }
    }
    ended(&saved, end, args, file)
}

/// Enters every account that is asked about, and goes on with what was read of it earlier.
async fn begin(
    live: &mut Live,
    asked: &Asked,
    access: &args::Access,
    earlier: Option<SavedInventories>,
) -> Result<Vec<Reading>, Failure> {
    let begun = live.begin().await?;
    let roles = match asked {
        Asked::Everything { .. } => Vec::new(),
        Asked::Of(playbook, inputs) => accounts::named(playbook, inputs, &begun)?,
    };
    let ids = &access.external_id_of;
    let ways = accounts::enter(&live.connection, &begun, live.clock, ids, &roles).await?;
    let home = begun.caller.account;
    let together = (!roles.is_empty()).then_some(Together { home, others: roles });
    let terms = Terms { together, ..Terms::default() };
    let mut earlier = earlier.map(SavedInventories::into_each).unwrap_or_default();
    let all = ways.into_iter().map(|way| {
        let (connection, begun) = way.into_parts();
        let of_it = |one: &SavedInventory| one.inventory.caller.account == begun.caller.account;
        let saved = match earlier.iter().position(of_it) {
            None => SavedInventory::new(begun),
            Some(at) => earlier.remove(at).resumed(begun).expect("it is of that account"),
        };
        Reading { connection, saved, terms: terms.clone() }
    });
    let all: Vec<Reading> = all.collect();
    if earlier.is_empty() { Ok(all) } else { Err(other_accounts(&earlier)) }
}

/// Asks until nothing is open, and writes down what there is from time to time and at the end.
async fn read(all: &mut [Reading], asked: &Asked, file: Option<&Path>) -> Result<End, Failure> {
    let stop = asked_to_stop();
    tokio::pin!(stop);
    let end = loop {
        let (mut to_come, mut problems, mut parts) = (0, Vec::new(), Vec::new());
        let before = answers(all);
        for one in all.iter_mut() {
            match open(asked, &one.terms, &one.saved.inventory) {
                Ok(wants) if wants.is_empty() => {}
                Ok(wants) => {
                    to_come += wants.len();
                    let cloud = one.connection.read();
                    parts.push(part(cloud, &mut one.saved.inventory, asked, wants));
                }
                Err(found) => problems.push((one.saved.inventory.caller.account.clone(), found)),
            }
        }
        if parts.is_empty() {
            let is_whole = problems.iter().flat_map(|(_, found)| found).all(is_of_a_whole_plan);
            break if problems.is_empty() {
                End::Whole
            } else {
                End::Problems { all: problems, is_whole }
            };
        }
        let filled = tokio::select! {
            biased;
            () = &mut stop => None,
            filled = join_all(parts) => Some(filled),
        };
        let Some(filled) = filled else { break End::Interrupted };
        if let Some(error) = filled.into_iter().find_map(Result::err) {
            break End::Failed(error);
        }
        let read = answers(all);
        let left = to_come.saturating_sub(read - before);
        if left > 0 {
            view::note(&format!("{}; {left} more to ask\n", counted(read, "answer")));
            let stopped = Some("it was ended from outside".to_owned());
            for one in all.iter_mut() {
                one.saved.stopped.clone_from(&stopped);
            }
            keep(all, file)?;
        }
    };
    let stopped = match &end {
        End::Whole | End::Problems { is_whole: true, .. } => None,
        End::Problems { is_whole: false, .. } => {
            Some("the playbook does not come to a plan".to_owned())
        }
        End::Interrupted => Some("it was interrupted".to_owned()),
        End::Failed(error) => Some(error.0.to_string()),
    };
    for one in all.iter_mut() {
        // What nothing is asked of any more is whole, whatever stopped the others.
        let is_whole = match open(asked, &one.terms, &one.saved.inventory) {
            Ok(wants) => wants.is_empty(),
            Err(problems) => problems.iter().all(is_of_a_whole_plan),
        };
        one.saved.stopped = stopped.clone().filter(|_| !is_whole);
    }
    keep(all, file)?;
    Ok(end)
}

/// Whether a problem is one of a plan that there would be but for it: to see it, all was read that the playbook asks.
fn is_of_a_whole_plan(problem: &Diagnostic) -> bool {
    matches!(problem.code, Code::LockOut | Code::OverLimit | Code::GateOrder)
}

fn answers(all: &[Reading]) -> usize {
    all.iter().map(|one| one.saved.inventory.answers.len()).sum()
}

/// Reads some of what is wanted: so much that it is worth writing down.
async fn part(
    cloud: &ReadCloud,
    inventory: &mut Inventory,
    asked: &Asked,
    wants: BTreeSet<Want>,
) -> Result<(), SurveyError> {
    let part = FIRST_PART.max(inventory.answers.len() / 3);
    if matches!(asked, Asked::Of(..)) {
        survey::at_once(cloud, inventory, &wants).await?;
    }
    let open = wants.into_iter().filter(|want| !inventory.answers.contains_key(want));
    let open: Vec<Want> = open.take(part).collect();
    survey::fill(cloud, inventory, open).await
}

/// What is still to be read.
fn open(
    asked: &Asked,
    terms: &Terms,
    inventory: &Inventory,
) -> Result<BTreeSet<Want>, Vec<Diagnostic>> {
    match asked {
        Asked::Everything { last_used } => Ok(everything::open(inventory, *last_used)),
        Asked::Of(playbook, inputs) => match planning::plan(playbook, inputs, inventory, terms)? {
            Planned::Needs(wants) => Ok(wants),
            Planned::Plan(_) => Ok(BTreeSet::new()),
        },
    }
}

fn kept(all: Vec<Reading>) -> SavedInventories {
    let saved = all.into_iter().map(|one| one.saved).collect();
    SavedInventories::new(saved).expect("accounts are entered once")
}

fn keep(all: &[Reading], file: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    let each: Vec<&SavedInventory> = all.iter().map(|one| &one.saved).collect();
    case::replace(file, &SavedInventories::text_of(&each)).map_err(|error| {
        Failure::new(
            Exit::Refused,
            format!("what was read could not be saved to {}", file.display()),
            "give -o a file in a directory that can be written and has room",
        )
        .because(&error)
    })
}

/// The command that goes on with what is in `file`.
fn again(args: &args::Survey, file: Option<&Path>) -> String {
    let Some(file) = file else {
        return "the same with -o FILE, so that what is read is kept".to_owned();
    };
    let mut again = "portcullis survey".to_owned();
    if let Some(playbook) = &args.playbook {
        let inputs = args.inputs.iter().map(|(name, value)| quoted(&format!("{name}={value}")));
        let files = args.inputs_from.iter().map(|file| typed(file));
        let _ = write!(again, " {}", typed(playbook));
        inputs.for_each(|input| again += &format!(" -i {input}"));
        files.for_each(|file| again += &format!(" --inputs {file}"));
    }
    if args.last_used {
        again += " --last-used";
    }
    format!("{again} --resume {}{}", typed(file), args.access.there())
}

fn ended(
    saved: &SavedInventories,
    end: End,
    args: &args::Survey,
    file: Option<&Path>,
) -> Result<Exit, Failure> {
    let again = again(args, file);
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
        End::Problems { all, is_whole: false } => {
            let next = format!("nothing was changed. See to what is said above, then: {again}");
            let of_each = all.into_iter().map(|(account, problems)| {
                if saved.each().len() > 1 {
                    view::err(&format!("\nIn account {account}:\n"));
                }
                let stopped = Failure::of(Exit::Stopped, problems, next.clone());
                if saved.each().len() > 1 { stopped.in_account(&account) } else { stopped }
            });
            Err(of_each.reduce(Failure::and).expect("there are problems of some account"))
        }
        End::Problems { all, is_whole: true } => {
            for (account, problems) in all {
                view::err(&format!(
                    "\nOf what was read in account {account}, `portcullis plan` would be refused:\n"
                ));
                view::diagnostics(problems);
            }
            Ok(whole(saved, file, again))
        }
        End::Whole => Ok(whole(saved, file, again)),
    }
}

/// Says that all was read that could be.
fn whole(saved: &SavedInventories, file: Option<&Path>, again: String) -> Exit {
    let strong = view::Style::Strong.paint("Next");
    let has_gaps = |one: &&SavedInventory| one.inventory.gaps().next().is_some();
    let with_gaps: Vec<&SavedInventory> = saved.each().iter().filter(has_gaps).collect();
    let where_ = |all: &[&SavedInventory]| match all.len() {
        _ if saved.each().len() == 1 => String::new(),
        n if n == saved.each().len() => format!(" in {}", counted(n, "account")),
        _ => {
            let ids = all.iter().map(|one| one.inventory.caller.account.to_string());
            format!(" in {}", ids.collect::<Vec<_>>().join(" and "))
        }
    };
    if !with_gaps.is_empty() {
        let where_ = where_(&with_gaps);
        view::err(&format!(
            "\nNot everything could be read{where_}. {strong}: allow what was refused, then {again}\n"
        ));
        return Exit::Stopped;
    }
    let next = match file {
        Some(file) => format!("later, portcullis diff {} NEWER", typed(file)),
        None => again,
    };
    let where_ = where_(&saved.each().iter().collect::<Vec<_>>());
    view::note(&format!(
        "\nEverything was read{where_}, and nothing was changed. {strong}: {next}\n"
    ));
    Exit::Done
}

/// What was read earlier of accounts that are not asked about now would be lost.
fn other_accounts(earlier: &[SavedInventory]) -> Failure {
    let ids = earlier.iter().map(|one| one.inventory.caller.account.to_string());
    Failure::new(
        Exit::Refused,
        format!(
            "the inventory to go on with is of another account, too: {}",
            ids.collect::<Vec<_>>().join(", ")
        ),
        "give the credentials of that account; where it was read for a playbook of several accounts, give that \
         playbook; or begin anew with -o FILE",
    )
}
