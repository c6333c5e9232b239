//! `portcullis run`: open a case for a plan that somebody said yes to, and carry it out.

use std::io::{self, BufRead, Write};
use std::path::Path;

use super::args::{self, Format, PlanFormat};
use super::beside::Beside;
use super::by_hand::typed;
use super::conduct::{Conduct, case_name};
use super::exit::{Exit, Failure};
use super::live::Live;
use super::plan::Shown;
use super::reach::{fits, remaining};
use super::there::There;
use super::{accounts, credential, diagnostics, earlier, plan, round, sources, view};
use crate::case::{self, Case};
use crate::diagnostic::counted;
use crate::plan::{SavedPlan, SavedPlans};
use crate::planning::Terms;
use crate::playbook::Playbook;

pub(super) fn run(args: &args::Run) -> Result<Exit, Failure> {
    if args.all {
        view::show_everything();
    }
    let several = case::accounts::of(&args.what);
    if !several.is_empty() && !args.dry_run {
        return accounts::begin(args, &several);
    }
    let saved_plan = looks_like_a_plan(&args.what);
    let (given, there) = (&args.given, args.access.there());
    let decided_already = !given.inputs.is_empty()
        || !given.inputs_from.is_empty()
        || !given.imports.is_empty()
        || given.gate.is_some()
        || given.margin.is_some()
        || given.within.is_some()
        || !given.accept_gap.is_empty()
        || !given.accept_lockout.is_empty();
    if saved_plan && decided_already {
        return Err(Failure::new(
            Exit::Usage,
            "a saved plan has its inputs and its gate already",
            format!(
                "plan again with the new values: portcullis plan PLAYBOOK ... -o plan.json{there}"
            ),
        ));
    }
    if args.dry_run {
        if saved_plan {
            return show_saved(args);
        }
        let shown = Shown {
            format: match args.format {
                Format::Text => PlanFormat::Text,
                Format::Json => PlanFormat::Json,
            },
            every_change: args.all,
            output: None,
            replace: false,
            check: false,
            cases: &args.cases.cases,
        };
        return plan::show(&args.what, &args.given, &args.access, &shown);
    }
    if args.yes && !saved_plan {
        return Err(Failure::new(
            Exit::Usage,
            "--yes is for a saved plan only, which somebody has read",
            format!(
                "portcullis plan PLAYBOOK ... -o plan.json{there}, read it, portcullis run plan.json --yes{there}"
            ),
        ));
    }
    if saved_plan && let Some(case) = round::case_of(&args.what) {
        return round::run(args, &case);
    }
    let given = credential::given(args.credential_fd)?;
    // What is wrong with the files is said before anybody is asked for credentials.
    let source = if saved_plan {
        match open_plan(&args.what, &there)? {
            (Opened::One(saved), playbook) => Wanted::Saved(saved, Box::new(playbook)),
            (Opened::Several(plans), playbook) => {
                return view::runtime().block_on(async {
                    let mut live = Live::connect(&args.access).await?;
                    let begun = live.begin_among(&args.cases.cases).await?;
                    let wanted = accounts::Wanted::Saved(plans);
                    accounts::run(args, &live, &begun, &playbook, wanted).await
                });
            }
        }
    } else {
        let playbook = sources::playbook(&args.what)?;
        let endpoint = args.access.endpoint_url.as_deref();
        let asked = sources::asked(&playbook, &args.given, Vec::new(), endpoint)?;
        Wanted::Playbook(Box::new(playbook), Box::new(asked))
    };
    view::runtime().block_on(async {
        let mut live = Live::connect(&args.access).await?;
        let inventory = live.begin_among(&args.cases.cases).await?;
        let (saved, playbook) = match source {
            Wanted::Saved(saved, playbook) => (*saved, *playbook),
            Wanted::Playbook(playbook, asked) => {
                let (inputs, terms) = *asked;
                let roles = accounts::named(&playbook, &inputs, &inventory)?;
                if !roles.is_empty() {
                    let home = &live.connection;
                    let ids = &args.access.external_id_of;
                    let ways = accounts::enter(home, &inventory, live.clock, ids, &roles).await?;
                    let of = ways.iter().map(accounts::Way::account);
                    let beside = Some(&Beside::read(&args.cases.cases, of));
                    let plans =
                        accounts::make(&playbook, &inputs, &terms, &ways, &roles, beside).await?;
                    let wanted = accounts::Wanted::Made(plans, ways);
                    return accounts::run(args, &live, &inventory, &playbook, wanted).await;
                }
                let read = live.connection.read();
                let account = &inventory.caller.account;
                let beside = Beside::read(&args.cases.cases, [account]);
                let takes_up = earlier::handed_on(&beside, account);
                let terms = Terms { takes_up, ..terms };
                let saved = plan::make(&playbook, &inputs, &terms, read, inventory.clone()).await?;
                (saved, *playbook)
            }
        };
        fits(&saved, &inventory.caller, args.access.endpoint_url.as_deref())?;
        let cases = &args.cases.cases;
        may_begin(cases, std::slice::from_ref(&saved), &args.access)?;
        remaining(&live.connection, std::slice::from_ref(&saved), live.clock).await;
        // With --yes somebody has read it already; the digest says that it is the same.
        if args.yes {
            view::note(&format!("Plan {} for account {}\n", saved.digest(), saved.plan.account));
        } else {
            view::err(&view::plan(&saved, view::err_detail()));
            if saved_plan {
                view::err(&look_again(&saved, &live).await?);
            }
        }
        let beside = Beside::read(cases, [&saved.plan.account]);
        view::err(&earlier::told(&beside, &saved, &args.access.there()));
        if let Some(exit) = plan::nothing_to_do(std::slice::from_ref(&saved), args.format) {
            return Ok(exit);
        }
        if !args.yes {
            confirm(&saved)?;
        }
        let name = case_name(&saved, live.clock);
        let beginning = case::beginning(cases)?;
        may_begin(cases, std::slice::from_ref(&saved), &args.access)?;
        let case = Case::create(cases, &name, &saved, &[])?;
        drop(beginning);
        live.work_on(case.dir()).await;
        let (decoded, medium) = case.journal()?;
        let (caller, access) = (&inventory.caller, &args.access);
        let begun = (&saved, &playbook);
        let conduct = Conduct::live(begun, caller, &case, &live, false, access, args.format);
        Conduct { given: &given, ..conduct }.conduct(&decoded, medium).await
    })
}

/// A plan is begun where it takes up what the cases beside it hand on. And it is carried out once: what it was made for is not there any more, and who did it a second time would cut what
/// the first has handed out.
pub(super) fn may_begin(
    cases: &Path,
    plans: &[SavedPlan],
    access: &args::Access,
) -> Result<(), Failure> {
    let begun = plans.iter().find_map(|saved| case::of_plan(cases, &saved.digest()));
    let Some(case) = begun else {
        let there = access.there();
        return plans.iter().try_for_each(|saved| earlier::takes_up_all(cases, saved, &there));
    };
    let case = case::accounts::whole_or_itself(&case);
    Err(Failure::new(
        Exit::Refused,
        format!("this plan was begun already, in {}; nothing was done", case.display()),
        format!(
            "portcullis status {0}, and portcullis resume {0}{1} where it is not done; to begin anew, plan anew",
            typed(&case),
            access.there()
        ),
    ))
}

/// Shows a saved plan, and what of it is not so any more.
fn show_saved(args: &args::Run) -> Result<Exit, Failure> {
    let saved = match open_plan(&args.what, &args.access.there())? {
        (Opened::One(saved), _) => saved,
        (Opened::Several(plans), _) => {
            view::out(&match args.format {
                Format::Text => accounts::shown(&plans, view::out_detail()),
                Format::Json => diagnostics::printed(&accounts::as_json(&plans)),
            });
            return Ok(Exit::Done);
        }
    };
    // What is read by machines stands alone on standard output.
    let note: fn(&str) = match args.format {
        Format::Text => {
            view::out(&view::plan(&saved, view::out_detail()));
            view::out
        }
        Format::Json => {
            view::out(&diagnostics::printed(&view::plan_as_json(&saved)));
            view::err
        }
    };
    view::runtime().block_on(async {
        let mut live = Live::connect(&args.access).await?;
        let inventory = live.begin_among(&args.cases.cases).await?;
        fits(&saved, &inventory.caller, args.access.endpoint_url.as_deref())?;
        note(&look_again(&saved, &live).await?);
        Ok(Exit::Done)
    })
}

/// What has changed since the plan was made. Not asked with `--yes`: then time counts, and every change looks
/// for itself.
async fn look_again(saved: &SavedPlan, live: &Live) -> Result<String, Failure> {
    let read = live.connection.read();
    let stale = crate::run::stale(&saved.plan, &saved.inventory, read, live.clock).await?;
    Ok(view::stale(&saved.plan, &stale))
}

/// What is to be run.
enum Wanted {
    Saved(Box<SavedPlan>, Box<Playbook>),
    Playbook(Box<Playbook>, Box<sources::Asked>),
}

fn looks_like_a_plan(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

/// What a file holds: the plan of one account, or those of several.
enum Opened {
    One(Box<SavedPlan>),
    Several(SavedPlans),
}

fn open_plan(path: &Path, there: &There) -> Result<(Opened, Playbook), Failure> {
    let text = case::read_text(path, case::LONGEST).map_err(|error| {
        Failure::new(
            Exit::Refused,
            format!("cannot read plan {}", path.display()),
            format!("name a file that was saved with: portcullis plan PLAYBOOK ... -o FILE{there}"),
        )
        .because(&error)
    })?;
    let refused = || {
        Failure::new(
            Exit::Refused,
            format!("plan {} is refused", path.display()),
            format!("make it anew with: portcullis plan PLAYBOOK ... -o FILE{there}"),
        )
    };
    let follows = |saved: &SavedPlan| {
        sources::follows(saved, None, path).map_err(|why| refused().because(&why))
    };
    if SavedPlans::is_in(&text) {
        let plans = SavedPlans::from_text(&text).map_err(|error| refused().because(&error))?;
        let mut playbook = follows(&plans.plans()[0])?;
        for saved in &plans.plans()[1..] {
            playbook = follows(saved)?;
        }
        return Ok((Opened::Several(plans), playbook));
    }
    let saved = SavedPlan::from_text(&text).map_err(|error| refused().because(&error))?;
    let playbook = follows(&saved)?;
    // Alone it would not wait for the others.
    if saved.plan.together.is_some() {
        let why = "it is the plan of one account among several, and goes with theirs";
        return Err(Failure::new(Exit::Refused, why, "name the file that holds all of them"));
    }
    Ok((Opened::One(Box::new(saved)), playbook))
}

/// Has the operator type the account: a habit of the fingers does not get past it.
pub(super) fn confirm(saved: &SavedPlan) -> Result<(), Failure> {
    confirm_all(&[saved])
}

/// The same of a further round, with what is new in it since the one `before`.
pub(super) fn confirm_round(saved: &SavedPlan, before: Option<&SavedPlan>) -> Result<(), Failure> {
    confirm_each(&[saved], before)
}

/// The same for several, by the account of whoever runs it, which is the first.
pub(super) fn confirm_all(plans: &[&SavedPlan]) -> Result<(), Failure> {
    confirm_each(plans, None)
}

fn confirm_each(plans: &[&SavedPlan], before: Option<&SavedPlan>) -> Result<(), Failure> {
    let account = &plans[0].plan.account;
    let changes = plans.iter().map(|saved| saved.to_carry_out().pending().count()).sum();
    let changes = counted(changes, "change");
    let (others, its) = match plans.len() - 1 {
        0 => (String::new(), "its"),
        n => (format!(" and {n} more"), "the first one's"),
    };
    let mut offered = "; to read all of the plan first, type all";
    let mut typed = String::new();
    let read = loop {
        view::err(&format!(
            "\nThis will make {changes} in account {account}{others}. To go on, type {its} twelve digits{offered}: "
        ));
        let _ = io::stderr().flush();
        typed.clear();
        let read = io::stdin().lock().read_line(&mut typed);
        if offered.is_empty() || typed.trim() != "all" {
            break read;
        }
        // Once: what answers without reading would be answered for ever.
        offered = "";
        for saved in plans {
            view::err(&view::since(saved, before, view::Detail::Everything));
        }
    };
    if read.is_ok() && typed.trim() == account.as_str() {
        return Ok(());
    }
    let typed = typed.trim();
    if typed.is_empty() {
        return Err(Failure::new(
            Exit::Refused,
            "not confirmed; nothing was changed",
            "run it again and type the account's id; a plan that is saved (plan -o FILE) can be run with --yes",
        ));
    }
    Err(Failure::new(
        Exit::Refused,
        format!("{typed} is not the account of this plan, which is {account}; nothing was changed"),
        "make sure which account you mean, then run it again",
    ))
}
