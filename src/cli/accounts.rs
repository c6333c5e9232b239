//! Several accounts: the one whose credentials we have, and others that are entered through a role each.
//!
//! A case of several accounts is a directory of ordinary cases, one for each. They are planned side by side, shown and
//! said yes to as one, and run together, so that one gate stands before all. What is read of one of them alone is read
//! as any case is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::args::{self, Format};
use super::conduct::{
    BEFORE_THE_VERDICT, Conduct, STILL_INSIDE, Task, To, after_all, awaited, case_name, fits,
    intruder_is_inside, is_calm, remaining, state_of, stop_when_asked, watched,
};
use super::exit::{Exit, Failure};
use super::live::Live;
use super::responder::session_name;
use super::resume::may_go_on_elsewhere;
use super::run::{confirm_all, not_begun};
use super::view::Style;
use super::{credential, diagnostics, earlier, next, plan, rehearse, round, sources, verify, view};
use crate::case::{self, Case};
use crate::clock::Clock;
use crate::cloud::{Connection, Elsewhere, Suspect};
use crate::diagnostic::counted;
use crate::ids::{AccountId, Arn};
use crate::inventory::{Inventory, Origin};
use crate::journal::{Journal, State};
use crate::ledger::Ledger;
use crate::plan::{Credential, SavedPlan, SavedPlans, Together};
use crate::planning::{self, Terms};
use crate::playbook::Playbook;
use crate::run::{self as driver, Ended, Ending, Rounds, undo_of};
use crate::sim::Cloud;
use crate::survey;

/// One account, and how it is reached.
pub(super) struct Way {
    connection: Connection,
    /// What an inventory of it begins with: who we are there.
    begun: Inventory,
    /// The role we are there by, where it is not home.
    elsewhere: Option<Elsewhere>,
}

/// The roles in other accounts that a playbook names, none of them at home.
pub(super) fn named(
    playbook: &Playbook,
    inputs: &BTreeMap<String, Value>,
    home: &Inventory,
) -> Result<Vec<Arn>, Failure> {
    let roles = playbook.other_accounts(inputs, home).map_err(|problem| {
        view::diagnostics(vec![problem]);
        Failure::told(Exit::Refused, "nothing was changed. Name the accounts as above")
    })?;
    let own = &home.caller.account;
    match roles.iter().find(|role| role.account() == own.as_str()) {
        None => Ok(roles),
        Some(role) => Err(Failure::new(
            Exit::Refused,
            format!(
                "account {own} is the one that these credentials are of, and {role} is named for it"
            ),
            format!(
                "leave it out of `accounts`: steps are taken in it as it is; to work in it as that role: --role-arn \
                 {role}"
            ),
        )),
    }
}

/// Enters every account, home first. One that cannot be entered is no account to be left out silently.
pub(super) async fn enter(
    home: &Connection,
    begun: &Inventory,
    clock: Clock,
    external_ids: &[(AccountId, String)],
    roles: &[Arn],
) -> Result<Vec<Way>, Failure> {
    let one = async |role: &Arn| -> Result<Way, String> {
        let asked = external_ids.iter().find(|(of, _)| of.as_str() == role.account());
        let elsewhere = home.elsewhere(role, asked.map(|(_, id)| id.as_str()));
        let (connection, key) = elsewhere.enter().await.map_err(|error| error.to_string())?;
        let begun_there = survey::begin(connection.read(), clock, key).await;
        let mut there = begun_there.map_err(|error| error.0.to_string())?;
        if there.caller.account.as_str() != role.account() {
            return Err(format!("it leads into account {}", there.caller.account));
        }
        let from = &begun.caller;
        there.caller.came_from.push(Origin {
            how: format!("credentials of {}", from.arn),
            arn: Some(from.arn.clone()),
            access_key_id: from.access_key_id.clone(),
        });
        there.caller.came_from.extend(from.came_from.iter().cloned());
        there.caller.break_glass.clone_from(&from.break_glass);
        Ok(Way { connection, begun: there, elsewhere: Some(elsewhere) })
    };
    let entered = join_all(roles.iter().map(one)).await;
    let mut ways = vec![Way { connection: home.clone(), begun: begun.clone(), elsewhere: None }];
    let mut shut_out = Vec::new();
    for (role, entered) in roles.iter().zip(entered) {
        match entered {
            Ok(way) => ways.push(way),
            Err(why) => shut_out.push(format!("account {} as {role}: {why}", role.account())),
        }
    }
    if shut_out.is_empty() {
        return Ok(ways);
    }
    Err(Failure::new(
        Exit::Refused,
        format!("cannot enter {}; nothing was changed", shut_out.join("; ")),
        format!(
            "have the role's trust policy admit {}, and let that assume it (sts:AssumeRole); where it asks for an \
             external id: --external-id-of ACCOUNT=ID; or leave the account out of `accounts`, and see to it by itself",
            begun.caller.arn
        ),
    ))
}

/// Surveys and plans each of them.
pub(super) async fn make(
    playbook: &Playbook,
    inputs: &BTreeMap<String, Value>,
    terms: &Terms,
    ways: &[Way],
    roles: &[Arn],
) -> Result<SavedPlans, Failure> {
    let home = ways[0].begun.caller.account.clone();
    let together = Some(Together { home, others: roles.to_vec() });
    let terms = &Terms { together, ..terms.clone() };
    let made = ways.iter().map(|way| {
        plan::attempt(playbook, inputs, terms, way.connection.read(), way.begun.clone())
    });
    let (mut plans, mut refused) = (Vec::new(), None);
    for (way, made) in ways.iter().zip(join_all(made).await) {
        let heading = format!("\nIn account {}:\n", way.begun.caller.account);
        match made {
            Ok(Ok(saved)) => plans.push(saved),
            Ok(Err(problems)) => {
                view::err(&heading);
                refused.get_or_insert(plan::refused(problems));
            }
            Err(failure) => {
                view::err(&heading);
                return Err(failure);
            }
        }
    }
    if let Some(refused) = refused {
        return Err(refused);
    }
    let all: Vec<_> = plans.iter().map(|saved| &saved.plan).collect();
    let problems = planning::lint_together(playbook, &all);
    if !problems.is_empty() {
        return Err(plan::refused(problems));
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
    not_begun(&args.cases.cases, plans.plans(), &args.access)?;
    remaining(&live.connection, &plans.plans()[0], live.clock).await;
    if !args.yes {
        show(&plans, &ways, live.clock, saved_plan).await?;
    }
    for saved in plans.plans() {
        view::err(&earlier::issued(&args.cases.cases, saved));
    }
    if let Some(exit) = plan::nothing_to_do(plans.plans(), args.format) {
        return Ok(exit);
    }
    say_yes(args.yes, &plans)?;
    let given = credential::given(args.credential_fd)?;
    let name = case_name(&plans.plans()[0], live.clock);
    let beginning = case::beginning(&args.cases.cases)?;
    not_begun(&args.cases.cases, plans.plans(), &args.access)?;
    let (dir, cases) = case::accounts::create(&args.cases.cases, &name, &plans, &[])?;
    drop(beginning);
    let accounts = accounts(cases, plans.plans().iter().cloned(), ways);
    for account in &accounts {
        account.way.work_on(live, &dir).await;
    }
    let together = Several {
        dir: &dir,
        playbook,
        accounts: &accounts,
        clock: live.clock,
        resumed: false,
        taking_over: None,
        world: None,
        there: args.access.typed(),
        format: args.format,
        given: &given_to_each(given, &accounts).await,
        task: &Task::Run,
    };
    together.carry_out().await
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
    let accounts = accounts(cases, plans.plans().iter().cloned(), ways);
    let together = Several {
        dir: &dir,
        playbook,
        accounts: &accounts,
        clock,
        resumed: false,
        taking_over: None,
        world: Some(cloud),
        there: String::new(),
        format: args.format,
        given: &BTreeMap::new(),
        task: &Task::Run,
    };
    together.carry_out().await
}

/// A case of several accounts that is taken up again: every account entered, and found to be the one of its plan.
struct Reached<'a> {
    home: &'a Connection,
    ways: Vec<Way>,
    clock: Clock,
    /// The account of whoever runs it, where it is real.
    live: Option<&'a Live>,
    /// The world, where it is a rehearsal.
    world: Option<&'a Cloud>,
    access: &'a args::Access,
}

/// Reaches the accounts of the case in `dir`, which `plans` are for, and goes on from there.
fn reach(
    dir: &Path,
    access: &args::Access,
    plans: &[SavedPlan],
    go_on: impl AsyncFnOnce(Reached<'_>) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let roles = roles_of(&plans[0]);
    if rehearse::is_rehearsal(dir)? {
        return view::virtual_runtime().block_on(async {
            let (cloud, clock) = rehearse::world_of(dir)?;
            let (home, key) = rehearse::connect(&cloud, clock);
            let begun = survey::begin(home.read(), clock, key).await?;
            let ways = enter(&home, &begun, clock, &access.external_id_of, &roles).await?;
            let world = Some(&cloud);
            go_on(Reached { home: &home, ways, clock, live: None, world, access }).await
        });
    }
    view::runtime().block_on(async {
        let live = Live::connect(access).await?;
        // Break-glass was asked about when it was planned: what was begun can be looked at and taken back.
        let begun = live.begin().await?;
        let endpoint = access.endpoint_url.as_deref();
        fits(&plans[0], &begun.caller, endpoint)?;
        let (home, clock) = (&live.connection, live.clock);
        let ways = enter(home, &begun, clock, &access.external_id_of, &roles).await?;
        for (saved, way) in plans.iter().zip(&ways).filter(|(_, way)| way.elsewhere.is_some()) {
            fits(saved, &way.begun.caller, endpoint)?;
        }
        go_on(Reached { home, ways, clock, live: Some(&live), world: None, access }).await
    })
}

/// What is done with such a case, and how.
struct Going<'a> {
    dir: &'a Path,
    playbook: &'a Playbook,
    resumed: bool,
    taking_over: Option<&'a str>,
    format: Format,
    given: Vec<Suspect>,
    task: Task,
}

impl Reached<'_> {
    /// From here on it is the case in `dir` that is worked on.
    async fn work_on(
        &mut self,
        dir: &Path,
        mut cases: Vec<Case>,
        plans: Vec<SavedPlan>,
    ) -> Vec<Account> {
        cases.sort_by_key(|case| position(&plans, case.dir()));
        let accounts = accounts(cases, plans.into_iter(), std::mem::take(&mut self.ways));
        if let Some(live) = self.live {
            for Account { way, .. } in &accounts {
                way.work_on(live, dir).await;
            }
            remaining(self.home, &accounts[0].saved, self.clock).await;
        }
        accounts
    }

    async fn carry_out(&self, accounts: &[Account], going: Going<'_>) -> Result<Exit, Failure> {
        let together = Several {
            dir: going.dir,
            playbook: going.playbook,
            accounts,
            clock: self.clock,
            resumed: going.resumed,
            taking_over: going.taking_over,
            world: self.world,
            there: self.live.map_or(String::new(), |_| self.access.typed()),
            format: going.format,
            given: &given_to_each(going.given, accounts).await,
            task: &going.task,
        };
        together.carry_out().await
    }
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
            format!("portcullis resume {}{}", dir.display(), args.access.typed()),
        ));
    }
    let given = credential::given(args.credential_fd)?;
    reach(dir, &args.access, &plans.clone(), async |mut reached| {
        let all = SavedPlans::new(plans.clone()).expect("they belong together");
        if !args.yes {
            show(&all, &reached.ways, reached.clock, true).await?;
        }
        say_yes(args.yes, &all)?;
        let accounts = reached.work_on(dir, cases, plans).await;
        let going = Going {
            dir,
            playbook: &playbook,
            resumed: false,
            taking_over: None,
            format: args.format,
            given,
            task: Task::Run,
        };
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
            may_go_on_elsewhere(dir, &case::read_journal(dir)?)?;
        }
        Some(open_all(dirs)?)
    };
    let (plans, playbook) = plans_of(dir, dirs)?;
    let given = credential::given(args.credential_fd)?;
    reach(dir, &args.access, &plans.clone(), async |mut reached| {
        let (cases, plans) = if let Some(opened) = opened {
            (opened, plans)
        } else {
            let taken = case::accounts::take_over(dirs)?;
            // Whoever had it may have gone on until now, to another round.
            (taken, plans_of(dir, dirs)?.0)
        };
        let accounts = reached.work_on(dir, cases, plans).await;
        let going = Going {
            dir,
            playbook: &playbook,
            resumed: !dirs.iter().any(|dir| was_begun(dir)),
            taking_over: args.take_over.as_deref(),
            format: args.format,
            given,
            task: Task::Run,
        };
        reached.carry_out(&accounts, going).await
    })
}

/// Looks at all accounts of a case again.
pub(super) fn verify(args: &args::Verify, dirs: &[PathBuf]) -> Result<Exit, Failure> {
    let dir = &args.case;
    refuse_lost_journals(dirs)?;
    let cases = open_all(dirs)?;
    let (plans, playbook) = plans_of(dir, dirs)?;
    let given = credential::given(args.credential_fd)?;
    reach(dir, &args.access, &plans.clone(), async |mut reached| {
        let task = verify::task(args, reached.live.map_or(rehearse::REGION, Live::region))?;
        let accounts = reached.work_on(dir, cases, plans).await;
        let going = Going {
            dir,
            playbook: &playbook,
            resumed: true,
            taking_over: None,
            format: args.format,
            given,
            task,
        };
        reached.carry_out(&accounts, going).await
    })
}

/// Takes back what a case has cut in each of its accounts.
pub(super) fn undo(args: &args::Undo, dirs: &[PathBuf]) -> Result<Exit, Failure> {
    let dir = &args.case;
    refuse_lost_journals(dirs)?;
    let cases = open_all(dirs)?;
    let (mut plans, playbook) = plans_of(dir, dirs)?;
    let mut undone: Vec<SavedPlan> = Vec::new();
    for saved in plans.iter_mut().filter(|saved| !saved.plan.is_undo()) {
        let at = dirs.iter().find(|dir| is_of(dir, saved)).expect("each was read from one");
        let state = state_of(&case::read_journal(at)?)?;
        let next = undo_of(saved, &state);
        if next.plan.is_undo() {
            undone.push(next.clone());
            *saved = next;
        }
    }
    if undone.is_empty() && plans.iter().any(|saved| saved.plan.is_undo()) {
        return Err(Failure::new(
            Exit::Refused,
            "this case is being taken back already",
            format!("go on with it: portcullis resume {}", dir.display()),
        ));
    }
    if args.dry_run || undone.is_empty() {
        if args.format == Format::Json {
            let accounts: Vec<Value> = undone.iter().map(view::plan_as_json).collect();
            view::out(&diagnostics::printed(&json!({ "version": 1, "accounts": accounts })));
            return Ok(Exit::Done);
        }
        for next in &undone {
            view::out(&view::plan(next, view::out_detail()));
        }
        if undone.is_empty() {
            view::out("\nNothing that this case has cut can be taken back, or all of it was.\n");
        }
        return Ok(Exit::Done);
    }
    reach(dir, &args.access, &plans.clone(), async |mut reached| {
        for next in &undone {
            round::show(args.yes, next);
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
        let going = Going {
            dir,
            playbook: &playbook,
            resumed: false,
            taking_over: None,
            format: args.format,
            given: Vec::new(),
            task: Task::Run,
        };
        reached.carry_out(&accounts, going).await
    })
}

/// The newest plans of the accounts below `case`, in the order in which they were planned, home first.
fn plans_of(case: &Path, dirs: &[PathBuf]) -> Result<(Vec<SavedPlan>, Playbook), Failure> {
    let (mut plans, mut playbook) = (Vec::new(), None);
    for dir in dirs {
        let (saved, read) = sources::plan_of(dir)?;
        if !is_of(dir, &saved) {
            return Err(do_not_belong_together(case));
        }
        plans.push(saved);
        playbook = Some(read);
    }
    plans.sort_by_key(place);
    check_together(case, plans.iter())?;
    Ok((plans, playbook.expect("they are several")))
}

/// Refuses plans that are not all of those that were planned together: what is told of some would pass for the
/// whole.
pub(super) fn check_together<'p>(
    case: &Path,
    plans: impl Iterator<Item = &'p SavedPlan>,
) -> Result<(), Failure> {
    let mut plans: Vec<&SavedPlan> = plans.collect();
    plans.sort_by_key(|saved| place(saved));
    if belong_together(&plans) { Ok(()) } else { Err(do_not_belong_together(case)) }
}

fn do_not_belong_together(case: &Path) -> Failure {
    Failure::new(
        Exit::Refused,
        format!("the accounts of {} do not belong together; nothing was done", case.display()),
        "restore the case from a copy of its own, whole: the case of an account is missing, or is of another account \
         or of another night",
    )
}

/// Refuses where the journal of one of the accounts is gone, and those beside it were begun: what was done there would be
/// taken for never done. None is at work before all are open, and none is opened that has no file yet.
pub(super) fn refuse_lost_journals(dirs: &[PathBuf]) -> Result<(), Failure> {
    let state = |dir: &PathBuf| state_of(&case::read_journal(dir)?);
    let states: Vec<State> = dirs.iter().map(state).collect::<Result<_, _>>()?;
    let begun = states.iter().any(|state| state.opened.is_some());
    let at_work = states.iter().any(|state| state.started.is_some());
    let is_lost = |dir: &PathBuf, state: &State| {
        state.opened.is_none() && (at_work || begun && !case::has_journal(dir))
    };
    let lost = dirs.iter().zip(&states).find(|(dir, state)| is_lost(dir, state));
    let Some((dir, _)) = lost else { return Ok(()) };
    let account = dir.file_name().unwrap_or_default().to_string_lossy();
    Err(Failure::new(
        Exit::Refused,
        format!(
            "the journal of account {account} is gone from {}, and the accounts beside it were begun; nothing was done",
            dir.display()
        ),
        format!(
            "restore {}/journal.jsonl from a copy. If there is none, begin a new case: plan anew, and cuts that stand \
             are found",
            dir.display()
        ),
    ))
}

/// Where its account stands among those it was planned with.
fn place(saved: &SavedPlan) -> Option<usize> {
    let together = saved.plan.together.as_ref().map(Together::accounts).unwrap_or_default();
    together.iter().position(|account| *account == saved.plan.account)
}

/// Where the account whose case is in `dir` stands among `plans`.
fn position(plans: &[SavedPlan], dir: &Path) -> Option<usize> {
    plans.iter().position(|saved| is_of(dir, saved))
}

/// Whether the case in `dir` is the one of the plan's account.
fn is_of(dir: &Path, saved: &SavedPlan) -> bool {
    dir.file_name().is_some_and(|name| name == saved.plan.account.as_str())
}

/// Whether these are all of those that were planned together, in that order.
fn belong_together(plans: &[&SavedPlan]) -> bool {
    let Some(together) = plans.first().and_then(|saved| saved.plan.together.as_ref()) else {
        return false;
    };
    plans.iter().map(|saved| &saved.plan.account).eq(&together.accounts())
        && plans.iter().all(|saved| saved.goes_with(plans[0]))
}

/// The roles that lead into the other accounts.
fn roles_of(saved: &SavedPlan) -> Vec<Arn> {
    saved.plan.together.as_ref().map(|together| together.others.clone()).unwrap_or_default()
}

/// Refuses what only all accounts of a case do together.
pub(super) fn refuse_one_alone(dir: &Path, command: &str) -> Result<(), Failure> {
    match case::accounts::whole(dir) {
        None => Ok(()),
        Some(whole) => Err(Failure::new(
            Exit::Refused,
            format!("this is one account of case {}, and goes with the others", whole.display()),
            format!("portcullis {command} {}", whole.display()),
        )),
    }
}

/// The same of a case that lies away from the others: only its plan shows that there are any.
pub(super) fn refuse_apart(saved: &SavedPlan) -> Result<(), Failure> {
    let Some(together) = &saved.plan.together else { return Ok(()) };
    Err(Failure::new(
        Exit::Refused,
        format!("this is the case of one account among several, of {}", together.home),
        format!("put it back as accounts/{} of the whole, and resume that", saved.plan.account),
    ))
}

impl Way {
    /// From here on the sessions that are minted bear the name of the case.
    async fn work_on(&self, live: &Live, dir: &Path) {
        match &self.elsewhere {
            None => live.work_on(dir).await,
            Some(elsewhere) => {
                let name = dir.file_name().unwrap_or_default().to_string_lossy();
                elsewhere.work_as(&session_name(&name));
                self.connection.replace_credentials().await;
            }
        }
    }
}

/// One account of a case.
struct Account {
    case: Case,
    saved: SavedPlan,
    way: Way,
}

/// Puts together what belongs to one account, all of it in the plans' order.
fn accounts(
    cases: Vec<Case>,
    saved: impl Iterator<Item = SavedPlan>,
    ways: Vec<Way>,
) -> Vec<Account> {
    let all = cases.into_iter().zip(saved).zip(ways);
    all.map(|((case, saved), way)| Account { case, saved, way }).collect()
}

/// Whether somebody has said yes to it: then those beside it are begun too, which a crash has kept from it.
fn was_begun(dir: &Path) -> bool {
    case::read_journal(dir).is_ok_and(|decoded| !decoded.lines.is_empty())
}

/// Which of the credentials that were given is tried where: in the account whose plan knows it, or that it says it is
/// of. What is of none of them is tried at home, where it speaks against the gate.
async fn given_to_each(
    given: Vec<Suspect>,
    accounts: &[Account],
) -> BTreeMap<AccountId, Vec<Suspect>> {
    let mut each: BTreeMap<AccountId, Vec<Suspect>> = BTreeMap::new();
    for suspect in given {
        let knows =
            |account: &&Account| {
                account.saved.plan.credentials.iter().any(
                    |known| matches!(known, Credential::AccessKey { id, .. } if *id == suspect.id),
                )
            };
        let home = &accounts[0];
        let known = accounts.iter().find(knows).map(|account| account.saved.plan.account.clone());
        let of = if let Some(account) = known {
            account
        } else {
            let whose = home.way.connection.probes().with(&suspect).whose().await;
            let of = whose.ok().and_then(|arn| AccountId::parse(arn.account()).ok());
            let among = |of: &AccountId| accounts.iter().any(|one| one.saved.plan.account == *of);
            of.filter(among).unwrap_or_else(|| home.saved.plan.account.clone())
        };
        each.entry(of).or_default().push(suspect);
    }
    each
}

/// One run of a case of several accounts.
struct Several<'a> {
    dir: &'a Path,
    playbook: &'a Playbook,
    accounts: &'a [Account],
    clock: Clock,
    resumed: bool,
    /// Why the case is taken out of somebody else's hands, where it is.
    taking_over: Option<&'a str>,
    world: Option<&'a Cloud>,
    there: String,
    format: Format,
    /// Credentials to be tried themselves, by the account that each is tried in.
    given: &'a BTreeMap<AccountId, Vec<Suspect>>,
    task: &'a Task,
}

impl Several<'_> {
    async fn carry_out(&self) -> Result<Exit, Failure> {
        let resume = format!("portcullis resume {}{}", self.dir.display(), self.there);
        view::note(&format!(
            "\nCase {}, of {}\n",
            self.dir.display(),
            counted(self.accounts.len(), "account")
        ));
        let conducts: Vec<Conduct<'_>> = self.accounts.iter().map(|one| self.of(one)).collect();
        let mut journals: Vec<Journal> = Vec::new();
        for (account, conduct) in self.accounts.iter().zip(&conducts) {
            let (decoded, medium) = account.case.journal()?;
            let medium = match self.world {
                Some(cloud) => rehearse::with_world(medium, cloud, &account.case),
                None => medium,
            };
            journals.push(conduct.open(&decoded, medium).await?);
        }
        let stop = stop_when_asked(resume.clone());
        let progress = view::Progress::new(self.clock);
        let tos: Vec<To<'_>> = self
            .accounts
            .iter()
            .map(|one| To::new(&one.case, progress.of_account(one.saved.plan.account.clone())))
            .collect();
        let runs = self.accounts.iter().zip(&conducts).zip(journals.iter().zip(&tos));
        let runs = runs.map(|((account, conduct), (journal, to))| {
            (account.saved.clone(), conduct.rounds(journal, stop.clone(), to))
        });
        let runs: Vec<(SavedPlan, Rounds<'_>)> = runs.collect();
        let work = Box::pin(async {
            match self.task {
                Task::Run => driver::Together::new(runs).execute().await,
                Task::Verify { log, watch } => {
                    let look = async || {
                        let looks = runs.iter().map(|(saved, rounds)| rounds.verify(saved, log));
                        join_all(looks).await
                    };
                    let calm = |all: &Vec<_>| all.iter().all(is_calm);
                    let looked = watched(self.clock, *watch, stop.clone(), look, calm).await;
                    let plans = runs.iter().map(|(saved, _)| saved.clone());
                    plans.zip(looked).map(|(saved, ending)| Ok((saved, ending?))).collect()
                }
            }
        });
        // Where time is virtual nobody waits.
        let on_a_screen = self.world.is_none() && view::is_watched();
        let ended: Vec<Ended> = tokio::select! {
            biased;
            ended = work => ended,
            () = progress.count_down(), if on_a_screen => unreachable!("it never ends"),
        };
        if self.world.is_some() {
            // Enforcement trails every change; what is tried too soon says nothing.
            self.clock.sleep(BEFORE_THE_VERDICT).await;
        }
        let exit = self.tell(ended, &conducts, &journals, &resume).await;
        let kept =
            self.world.map(|cloud| rehearse::keep_world(cloud, &self.accounts[0].case, exit));
        Ok(kept.unwrap_or(exit))
    }

    /// The run of one of them.
    fn of<'a>(&'a self, account: &'a Account) -> Conduct<'a> {
        let given = self.given.get(&account.saved.plan.account);
        Conduct {
            saved: &account.saved,
            playbook: self.playbook,
            caller: &account.way.begun.caller,
            case: &account.case,
            connection: &account.way.connection,
            clock: self.clock,
            resumed: self.resumed,
            taking_over: self.taking_over,
            world: self.world,
            there: self.there.clone(),
            format: self.format,
            given: given.map_or(&[], Vec::as_slice),
            task: self.task,
        }
    }

    /// Tells what came of each, and of all.
    async fn tell(
        &self,
        ended: Vec<Ended>,
        conducts: &[Conduct<'_>],
        journals: &[Journal],
        resume: &str,
    ) -> Exit {
        let mut exit = Exit::Done;
        let (mut told, mut text, mut each) = (Vec::new(), String::new(), String::new());
        let runs = self.accounts.iter().zip(conducts).zip(journals);
        for (((account, conduct), journal), ended) in runs.zip(ended) {
            let name = &account.saved.plan.account;
            let (saved, ending) = match ended {
                Ok(ended) => ended,
                Err(error) => {
                    let failure = conduct.cannot_go_on(error, resume);
                    view::err(&format!("\nAccount {name}:\n"));
                    failure.print();
                    let _ = writeln!(each, "  {name}  {}", failure.exit.in_words());
                    told.push(
                        json!({ "account": name, "ending": { "exit": failure.exit.code() } }),
                    );
                    exit = exit.and(failure.exit);
                    continue;
                }
            };
            let (head, lines) = journal.head().await;
            let state = journal.state();
            let ledger = Ledger::of(&saved.plan, &state);
            let next = self.next(account, &saved, &state, &ledger, &ending);
            exit = exit.and(ending.exit());
            let _ = writeln!(each, "  {name}  {}", ending.exit().in_words());
            let view = view::Account { plan: &saved.plan, state: &state, ledger: &ledger };
            if self.format == Format::Json {
                let mut one = view.as_json();
                one["case"] = account.case.dir().display().to_string().into();
                one["journal"] = json!({"lines": lines, "head": head});
                one["ending"] = view::ending_as_json(&ending);
                one["slowed"] = view::slowed_as_json(&account.way.connection.read().throttled());
                one["next"] = next.into();
                told.push(one);
            } else {
                let unaccounted = ledger.unaccounted().count();
                let heading = Style::Strong.paint(&format!("Account {name}"));
                let _ = write!(
                    text,
                    "\n{heading}\n{}",
                    view::in_case(&view.render(), account.case.dir())
                );
                let _ = writeln!(text, "\nJournal: {lines} lines, head {head}");
                let ended = view::ending(&ending, unaccounted, &next);
                text.push_str(&view::in_case(&ended, account.case.dir()));
            }
        }
        let is_inside = self.world.is_some_and(intruder_is_inside);
        let next = match exit {
            Exit::Done if is_inside => {
                exit = Exit::NotProven;
                STILL_INSIDE.to_owned()
            }
            Exit::Done => "nothing".to_owned(),
            Exit::NotProven => "see to what is said of each account above".to_owned(),
            Exit::Held | Exit::Waiting => format!("do what is asked above, then: {resume}"),
            _ => resume.to_owned(),
        };
        if self.format == Format::Json {
            view::out(&diagnostics::printed(&json!({
                "version": 1,
                "case": self.dir.display().to_string(),
                "accounts": told,
                "ending": { "exit": exit.code() },
                "tried": self.world.map(view::verdict_as_json),
                "next": next,
            })));
            return exit;
        }
        view::out(&text);
        if let Some(world) = self.world {
            view::out(&view::verdict(world));
        }
        view::out(&format!(
            "\n{}: {} (exit code {})\n{each}{}: {next}\n",
            Style::Strong.paint("All accounts"),
            exit.in_words(),
            exit.code(),
            Style::Strong.paint("Next"),
        ));
        exit
    }

    /// What is to be done about one of them.
    fn next(
        &self,
        account: &Account,
        saved: &SavedPlan,
        state: &State,
        ledger: &Ledger,
        ending: &Ending,
    ) -> String {
        match ending {
            Ending::Proven => next::of_proven(&saved.plan, state),
            Ending::NotProven => after_all(&saved.plan, ledger),
            Ending::Held(_) => next::of_held(saved, state, account.case.dir(), &self.there),
            Ending::Waiting(_) | Ending::Asking { .. } => {
                let waits = awaited(saved, state, account.case.dir(), &self.there);
                waits.unwrap_or_else(|| "it goes on with the others".to_owned())
            }
            Ending::Stopped(_) | Ending::Interrupted => "it goes on with the others".to_owned(),
        }
    }
}
