//! Several accounts: the one whose credentials we have, and others that are entered through a role each.
//!
//! A case of several accounts is a directory of ordinary cases, one for each. They are planned side by side, shown and
//! said yes to as one, and run together, so that one gate stands before all. What is read of one of them alone is read
//! as any case is.

mod belong;
mod enter;
mod several;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use futures_util::future::join_all;
use serde_json::{Value, json};

pub(super) use self::belong::{
    check_together, refuse_apart, refuse_lost_journals, refuse_one_alone,
};
use self::belong::{is_of, plans_of, was_begun};
use self::enter::{Entering, Reached, reach, roles_of};
pub(super) use self::enter::{Way, enter, named};
use self::several::Going;
use super::args::{self, Format};
use super::beside::Beside;
use super::by_hand::typed;
use super::conduct::case_name;
use super::exit::{Exit, Failure};
use super::foretold::{self, Foretold};
use super::found::{refuse_closed, state_of};
use super::live::Live;
use super::overtaken::{Doing, not_overtaken};
use super::reach::{fits, remaining};
use super::resume::may_go_on_elsewhere;
use super::run::{confirm_all, may_begin};
use super::there::There;
use super::view::Style;
use super::{credential, diagnostics, earlier, plan, rehearse, round, undo, verify, view};
use crate::case::{self, Case};
use crate::clock::Clock;
use crate::diagnostic::counted;
use crate::ids::{Arn, Principal};
use crate::inventory::Inventory;
use crate::plan::{SavedPlan, SavedPlans, Together};
use crate::planning::{self, Terms};
use crate::playbook::Playbook;
use crate::run::{self as driver, let_in_of, undo_of};
use crate::sim::Cloud;

/// Surveys and plans each of them, and has it take up what lies beside.
pub(super) async fn make(
    playbook: &Playbook,
    inputs: &BTreeMap<String, Value>,
    terms: &Terms,
    ways: &[Way],
    roles: &[Arn],
    beside: Option<&Beside>,
) -> Result<SavedPlans, Failure> {
    let home = ways[0].begun.caller.account.clone();
    let together = Some(Together { home, others: roles.to_vec() });
    let terms = ways.iter().map(|way| {
        let takes_up = beside.and_then(|beside| earlier::handed_on(beside, way.account()));
        Terms { together: together.clone(), takes_up, ..terms.clone() }
    });
    let terms: Vec<Terms> = terms.collect();
    let made = ways.iter().zip(&terms).map(|(way, terms)| {
        plan::attempt(playbook, inputs, terms, way.connection.read(), way.begun.clone())
    });
    let (mut plans, mut refused) = (Vec::new(), None::<Failure>);
    for (way, made) in ways.iter().zip(join_all(made).await) {
        let heading = format!("\nIn account {}:\n", way.begun.caller.account);
        match made {
            Ok(Ok(saved)) => plans.push(saved),
            Ok(Err(problems)) => {
                view::err(&heading);
                let here = plan::refused(problems).in_account(way.account());
                refused = Some(match refused {
                    Some(known) => known.and(here),
                    None => here,
                });
            }
            Err(failure) => {
                view::err(&heading);
                return Err(failure.in_account(way.account()));
            }
        }
    }
    let problems = planning::lint_together(playbook, &plans, refused.is_none());
    if !problems.is_empty() {
        view::err("\nIn all accounts together:\n");
        let together = plan::refused(problems);
        refused = Some(match refused {
            Some(known) => known.and(together),
            None => together,
        });
    }
    if let Some(refused) = refused {
        return Err(refused);
    }
    Ok(SavedPlans::new(plans).expect("made for these accounts, together"))
}

/// Every plan, with what they come to.
pub(super) fn shown(plans: &SavedPlans, detail: view::Detail) -> String {
    let mut text: String = plans.plans().iter().map(|saved| view::plan(saved, detail)).collect();
    let changes = plans.plans().iter().map(|saved| saved.plan.pending().count()).sum();
    let _ = writeln!(
        text,
        "\n{}: {} in {}, behind one gate. Digest of all: {}",
        Style::Strong.paint("All accounts"),
        counted(changes, "change"),
        counted(plans.plans().len(), "account"),
        plans.digest()
    );
    text
}

/// The same for machines.
pub(super) fn as_json(plans: &SavedPlans) -> Value {
    let accounts: Vec<Value> = plans.plans().iter().map(view::plan_as_json).collect();
    json!({ "version": 1, "digest": plans.digest(), "accounts": accounts })
}

/// What is to be run.
pub(super) enum Wanted {
    Saved(SavedPlans),
    Made(SavedPlans, Vec<Way>),
}

/// Opens a case for plans that somebody said yes to, and carries them out.
pub(super) async fn run(
    args: &args::Run,
    live: &Live,
    begun: &Inventory,
    playbook: &Playbook,
    wanted: Wanted,
) -> Result<Exit, Failure> {
    let endpoint = args.access.endpoint_url.as_deref();
    let (plans, ways, saved_plan) = match wanted {
        Wanted::Made(plans, ways) => (plans, ways, false),
        Wanted::Saved(plans) => {
            fits(&plans.plans()[0], &begun.caller, endpoint)?;
            let roles = roles_of(&plans.plans()[0]);
            let ways =
                enter(&live.connection, begun, live.clock, &args.access.external_id_of, &roles)
                    .await?;
            (plans, ways, true)
        }
    };
    let away = plans.plans().iter().zip(&ways).filter(|(_, way)| way.elsewhere.is_some());
    for (saved, way) in away {
        fits(saved, &way.begun.caller, endpoint)?;
    }
    may_begin(&args.cases.cases, plans.plans(), &args.access)?;
    remaining(&live.connection, plans.plans(), live.clock).await;
    if !args.yes {
        show(&plans, &ways, live.clock, saved_plan).await?;
    }
    let of = plans.plans().iter().map(|saved| &saved.plan.account);
    let beside = Beside::read(&args.cases.cases, of);
    for saved in plans.plans() {
        view::err(&earlier::told(&beside, saved, &args.access.there()));
    }
    if let Some(exit) = plan::nothing_to_do(plans.plans(), args.format) {
        return Ok(exit);
    }
    say_yes(args.yes, &plans)?;
    let given = credential::given(args.credential_fd)?;
    let name = case_name(&plans.plans()[0], live.clock);
    let beginning = case::beginning(&args.cases.cases)?;
    may_begin(&args.cases.cases, plans.plans(), &args.access)?;
    let (dir, cases) = case::accounts::create(&args.cases.cases, &name, &plans, &[])?;
    drop(beginning);
    let there = args.access.there();
    let mut reached = Reached { ways, clock: live.clock, live: Some(live), world: None, there };
    let accounts = reached.work_on(&dir, cases, plans.plans().to_vec()).await;
    let going = Going { given, ..Going::on(&dir, playbook, args.format) };
    reached.carry_out(&accounts, going).await
}

/// Shows every plan, and what of a saved one is not so any more.
async fn show(
    plans: &SavedPlans,
    ways: &[Way],
    clock: Clock,
    saved_plan: bool,
) -> Result<(), Failure> {
    view::err(&shown(plans, view::err_detail()));
    if saved_plan {
        view::err(&stale(plans, ways, clock).await?);
    }
    Ok(())
}

/// What has changed in each account since the plans were made.
pub(super) async fn stale(
    plans: &SavedPlans,
    ways: &[Way],
    clock: Clock,
) -> Result<String, Failure> {
    let looks = plans.plans().iter().zip(ways).map(|(saved, way)| {
        driver::stale(&saved.plan, &saved.inventory, way.connection.read(), clock)
    });
    let mut text = String::new();
    for (saved, stale) in plans.plans().iter().zip(join_all(looks).await) {
        let _ = write!(
            text,
            "\nIn account {}:{}",
            saved.plan.account,
            view::stale(&saved.plan, &stale?)
        );
    }
    Ok(text)
}

/// Has somebody say yes to all of them, unless he has read them already: the digest says that they are the same.
fn say_yes(yes: bool, plans: &SavedPlans) -> Result<(), Failure> {
    if yes {
        let accounts = counted(plans.plans().len(), "account");
        view::note(&format!("Plans {} for {accounts}\n", plans.digest()));
        return Ok(());
    }
    confirm_all(&plans.plans().iter().collect::<Vec<_>>())
}

/// A rehearsal of several accounts: from home, which is the responder's.
pub(super) async fn rehearse(
    args: &args::Rehearse,
    playbook: &Playbook,
    (plans, ways): (SavedPlans, Vec<Way>),
    cloud: &Cloud,
    clock: Clock,
) -> Result<Exit, Failure> {
    if let Some(exit) = plan::nothing_to_do(plans.plans(), args.format) {
        return Ok(exit);
    }
    let name = format!("rehearsal-{}", case_name(&plans.plans()[0], clock));
    let world = rehearse::state_of(cloud);
    let (dir, cases) = case::accounts::create(&args.cases.cases, &name, &plans, &[world])?;
    let world = Some(cloud);
    let mut reached = Reached { ways, clock, live: None, world, there: There::default() };
    let accounts = reached.work_on(&dir, cases, plans.plans().to_vec()).await;
    reached.carry_out(&accounts, Going::on(&dir, playbook, args.format)).await
}

fn open_all(dirs: &[PathBuf]) -> Result<Vec<Case>, Failure> {
    Ok(dirs.iter().map(|dir| Case::open(dir)).collect::<Result<_, _>>()?)
}

/// Begins a case that was made and never begun, once somebody has said yes to its plans.
pub(super) fn begin(args: &args::Run, dirs: &[PathBuf]) -> Result<Exit, Failure> {
    let dir = &args.what;
    let cases = open_all(dirs)?;
    let (plans, playbook) = plans_of(dir, dirs)?;
    if dirs.iter().any(|dir| was_begun(dir)) {
        return Err(Failure::new(
            Exit::Refused,
            format!("{} was begun already; nothing was done", dir.display()),
            format!("portcullis resume {}{}", typed(dir), args.access.there()),
        ));
    }
    if !rehearse::is_rehearsal(dir)? {
        for root in case::roots_of(dir) {
            plans
                .iter()
                .try_for_each(|saved| earlier::takes_up_all(&root, saved, &args.access.there()))?;
        }
    }
    let given = credential::given(args.credential_fd)?;
    reach(dir, &args.access, &plans.clone(), (Doing::GoOn, Entering::All), async |mut reached| {
        let all = SavedPlans::new(plans.clone()).expect("they belong together");
        if !args.yes {
            show(&all, &reached.ways, reached.clock, true).await?;
        }
        say_yes(args.yes, &all)?;
        let accounts = reached.work_on(dir, cases, plans).await;
        let going = Going { given, ..Going::on(dir, &playbook, args.format) };
        reached.carry_out(&accounts, going).await
    })
}

/// Goes on with a case of several accounts.
pub(super) fn resume(args: &args::Resume, dirs: &[PathBuf]) -> Result<Exit, Failure> {
    let dir = &args.case;
    // Whoever has the case goes on until whoever takes it over is known and let in everywhere.
    refuse_lost_journals(dirs)?;
    let opened = if args.take_over.is_some() {
        None
    } else {
        for dir in dirs {
            may_go_on_elsewhere(dir, &case::read_journal(dir)?, &args.access.there())?;
        }
        Some(open_all(dirs)?)
    };
    let (plans, playbook) = plans_of(dir, dirs)?;
    let mut closed = Vec::new();
    for dir in dirs {
        let of_it = plans.iter().find(|saved| is_of(dir, saved)).expect("each was read from one");
        let state = state_of(&case::read_journal(dir)?)?;
        closed.extend(refuse_closed(dir, of_it, &state, &args.access.there()).err());
    }
    // What is left of an undo to wait for may be left in one of them alone.
    let is_undo = plans.iter().any(|saved| saved.plan.is_undo());
    let over = !is_undo || closed.len() == dirs.len();
    if let Some(closed) = closed.into_iter().next().filter(|_| over) {
        return Err(closed);
    }
    let given = credential::given(args.credential_fd)?;
    reach(
        dir,
        &args.access,
        &plans.clone(),
        (Doing::GoOn, Entering::AsManyAsMayBe),
        async |mut reached| {
            let (cases, plans) = if let Some(opened) = opened {
                (opened, plans)
            } else {
                let taken = case::accounts::take_over(dirs)?;
                // Whoever had it may have gone on until now, to another round.
                (taken, plans_of(dir, dirs)?.0)
            };
            let accounts = reached.work_on(dir, cases, plans).await;
            let going = Going {
                resumed: !dirs.iter().any(|dir| was_begun(dir)),
                taking_over: args.take_over.as_deref(),
                given,
                ..Going::on(dir, &playbook, args.format)
            };
            reached.carry_out(&accounts, going).await
        },
    )
}

/// Looks at all accounts of a case again.
pub(super) fn verify(args: &args::Verify, dirs: &[PathBuf]) -> Result<Exit, Failure> {
    let dir = &args.case;
    refuse_lost_journals(dirs)?;
    let cases = open_all(dirs)?;
    let (plans, playbook) = plans_of(dir, dirs)?;
    let given = credential::given(args.credential_fd)?;
    reach(
        dir,
        &args.access,
        &plans.clone(),
        (Doing::Look, Entering::AsManyAsMayBe),
        async |mut reached| {
            let task = verify::task(args, reached.live.map_or(rehearse::REGION, Live::region))?;
            let accounts = reached.work_on(dir, cases, plans).await;
            let going =
                Going { resumed: true, given, task, ..Going::on(dir, &playbook, args.format) };
            reached.carry_out(&accounts, going).await
        },
    )
}

/// Takes back what a case has cut in each of its accounts.
pub(super) fn undo(args: &args::Undo, dirs: &[PathBuf]) -> Result<Exit, Failure> {
    let dir = &args.case;
    if args.look {
        return Err(Failure::new(
            Exit::Usage,
            "several accounts are not looked at for a dry run",
            format!(
                "leave --look out: portcullis undo {} --dry-run{}. The run looks at each change before it touches it",
                typed(dir),
                args.access.there()
            ),
        ));
    }
    refuse_lost_journals(dirs)?;
    let cases = open_all(dirs)?;
    let (mut plans, playbook) = plans_of(dir, dirs)?;
    let there = args.access.there();
    let only = undo::named(&args.only, plans.iter().map(|saved| &saved.plan))?;
    let mut undone: Vec<SavedPlan> = Vec::new();
    let (mut waits, mut foretold): (Vec<String>, Vec<Value>) = (Vec::new(), Vec::new());
    let mut goes_on: Vec<String> = Vec::new();
    let undo = format!("portcullis undo {}{}{there}", typed(dir), undo::typed_only(&args.only));
    let mut nexts: Vec<String> = Vec::new();
    for saved in plans.iter_mut().filter(|saved| !saved.plan.is_undo()) {
        let at = dirs.iter().find(|dir| is_of(dir, saved)).expect("each was read from one");
        let state = state_of(&case::read_journal(at)?)?;
        let next = if only.is_empty() {
            undo_of(saved, &state)
        } else {
            refuse_closed(at, saved, &state, &there)?;
            let here = |one: &&Principal| saved.plan.principals.contains(one);
            let_in_of(saved, &state, only.iter().filter(here).cloned().collect())
        };
        if !undo::takes_back_nothing(&next) {
            let alone = next.taking_back();
            let told = Foretold::of(&alone, &state, foretold::now(dir, &state)?);
            waits.push(told.render(&typed(at), &there));
            goes_on.push(undo::goes_on(&next, &told));
            nexts.push(told.next(&typed(at), &undo, &there));
            let mut told = told.as_json();
            told["digest"] = next.digest().into();
            foretold.push(told);
            undone.push(next.clone());
            *saved = next;
        }
    }
    if undone.is_empty() && plans.iter().any(|saved| saved.plan.is_undo()) {
        return Err(Failure::new(
            Exit::Refused,
            "this case is being taken back already",
            format!("go on with it: portcullis resume {}{there}", typed(dir)),
        ));
    }
    if !rehearse::is_rehearsal(dir)? {
        for next in &undone {
            not_overtaken(dir, next, Doing::GoOn, &args.access.there())?;
        }
    }
    if args.dry_run || undone.is_empty() {
        if args.format == Format::Json {
            view::out(&diagnostics::printed(&json!({ "version": 1, "accounts": foretold })));
            return Ok(Exit::Done);
        }
        for ((next, waits), goes_on) in undone.iter().zip(&waits).zip(&goes_on) {
            view::out(&view::plan(next, view::out_detail()));
            view::out(waits);
            view::out(goes_on);
        }
        if undone.is_empty() {
            view::out("\nNothing that this case has cut can be taken back, or all of it was.\n");
        } else {
            // As soon as something comes off anywhere, that is what is next.
            let next = if nexts.contains(&undo) { &undo } else { &nexts[0] };
            view::hint(&format!("\nNext: {next}\n"));
        }
        return Ok(Exit::Done);
    }
    reach(
        dir,
        &args.access,
        &plans.clone(),
        (Doing::GoOn, Entering::AsManyAsMayBe),
        async |mut reached| {
            for ((next, waits), goes_on) in undone.iter().zip(&waits).zip(&goes_on) {
                round::show(args.yes, next, None);
                if !args.yes {
                    view::err(waits);
                    view::err(goes_on);
                }
            }
            if !args.yes {
                confirm_all(&undone.iter().collect::<Vec<_>>())?;
            }
            let by = &reached.ways[0].begun.caller.arn.clone();
            let accounts = reached.work_on(dir, cases, plans).await;
            for account in &accounts {
                if undone.contains(&account.saved) {
                    round::begin(&account.case, &account.saved, reached.clock, by).await?;
                }
            }
            let going = Going::on(dir, &playbook, args.format);
            reached.carry_out(&accounts, going).await
        },
    )
}
