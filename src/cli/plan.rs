//! `portcullis plan`, and `run --dry-run`: survey, plan, show.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use super::args::{self, Format, PlanFormat};
use super::beside::Beside;
use super::by_hand::typed;
use super::exit::{Exit, Failure};
use super::live::Live;
use super::reach::Lasting;
use super::view::Detail;
use super::{accounts, by_hand, diagnostics, earlier, rehearse, sources, view};
use crate::case;
use crate::cloud::ReadCloud;
use crate::diagnostic::Diagnostic;
use crate::inventory::Inventory;
use crate::journal::State;
use crate::ledger::Ledger;
use crate::plan::{SavedPlan, SavedPlans};
use crate::planning::{self, Planned, Terms};
use crate::playbook::Playbook;
use crate::survey::{self, Thought};

/// How a plan is shown, and what comes of it.
pub(super) struct Shown<'a> {
    pub(super) format: PlanFormat,
    pub(super) every_change: bool,
    /// Where it is saved.
    pub(super) output: Option<&'a Path>,
    /// Whether what is there already is written over.
    pub(super) replace: bool,
    /// Whether the exit code says that there is something to do.
    pub(super) check: bool,
    /// Where earlier cases are kept.
    pub(super) cases: &'a Path,
}

impl<'a> Shown<'a> {
    pub(super) fn of(args: &'a args::Plan) -> Self {
        Self {
            format: args.format,
            every_change: args.all,
            output: args.output.as_deref(),
            replace: args.replace,
            check: args.check,
            cases: &args.cases.cases,
        }
    }
}

pub(super) fn plan(args: &args::Plan) -> Result<Exit, Failure> {
    if let Some(world) = &args.world {
        return rehearse::plan(args, world);
    }
    let shown = Shown::of(args);
    show(&args.playbook, &args.given, &args.access, &shown)
}

/// Plans and shows; saves where asked.
pub(super) fn show(
    path: &Path,
    given: &args::Given,
    access: &args::Access,
    shown: &Shown<'_>,
) -> Result<Exit, Failure> {
    if let Some(output) = shown.output.filter(|output| output.exists() && !shown.replace) {
        return Err(in_the_way(output));
    }
    let playbook = sources::playbook(path)?;
    let endpoint = access.endpoint_url.as_deref();
    let (inputs, terms) = sources::asked(&playbook, given, Vec::new(), endpoint)?;
    let (made, beside, lasting) = view::runtime().block_on(async {
        let mut live = Live::connect(access).await?;
        let inventory = live.begin_among(shown.cases).await?;
        let roles = accounts::named(&playbook, &inputs, &inventory)?;
        let read = live.connection.read();
        if roles.is_empty() {
            let account = &inventory.caller.account;
            let beside = Beside::read(shown.cases, [account]);
            let takes_up = earlier::handed_on(&beside, account);
            let terms = Terms { takes_up, ..terms };
            let saved = make(&playbook, &inputs, &terms, read, inventory).await?;
            let made = Made::One(Box::new(saved));
            let lasting = Lasting::of(&live.connection, made.plans(), live.clock).await;
            return Ok::<_, Failure>((made, beside, lasting));
        }
        let ways = accounts::enter(
            &live.connection,
            &inventory,
            live.clock,
            &access.external_id_of,
            &roles,
        )
        .await?;
        let beside = Beside::read(shown.cases, ways.iter().map(accounts::Way::account));
        let plans =
            accounts::make(&playbook, &inputs, &terms, &ways, &roles, Some(&beside)).await?;
        let lasting = Lasting::of(&live.connection, plans.plans(), live.clock).await;
        Ok((Made::Several(plans), beside, lasting))
    })?;
    let note = told(&made, lasting, shown);
    for saved in made.plans() {
        view::err(&earlier::told(&beside, saved, &access.there()));
    }
    let there = access.there().among(shown.cases);
    if let Some(output) = shown.output {
        let written = match &made {
            Made::One(saved) => case::replace_plan(output, saved),
            Made::Several(plans) => case::replace_plans(output, plans),
        };
        written.map_err(|error| {
            Failure::new(
                Exit::Refused,
                format!("the plan was made and not saved to {}", output.display()),
                "give -o a file in a directory that can be written and has room",
            )
            .because(&error)
        })?;
        note(&format!("\nSaved. Next: portcullis run {}{there}\n", by_hand::typed(output)));
    } else {
        note(&format!(
            "\nNothing was changed. Next: the same with -o plan.json, then portcullis run plan.json{there}\n"
        ));
    }
    Ok(ended(&made, shown))
}

/// Shows what was made. Gives back where what is said beside it goes.
pub(super) fn told(made: &Made, lasting: Option<Lasting>, shown: &Shown<'_>) -> fn(&str) {
    // What is read by machines, or kept, stands alone on standard output.
    match shown.format {
        PlanFormat::Text => {
            let detail = if shown.every_change { Detail::Everything } else { view::out_detail() };
            view::out(&match made {
                Made::One(saved) => view::plan(saved, detail),
                Made::Several(plans) => accounts::shown(plans, detail),
            });
            if let Some(lasting) = lasting {
                let line = lasting.line();
                let careful = || view::Style::Careful.paint(line.trim_end()) + "\n";
                view::out(&if lasting.is_too_short() { careful() } else { line.clone() });
            }
            view::hint
        }
        PlanFormat::Json => {
            let mut told = match made {
                Made::One(saved) => view::plan_as_json(saved),
                Made::Several(plans) => accounts::as_json(plans),
            };
            told["credentials"] = lasting.map(Lasting::as_json).into();
            view::out(&diagnostics::printed(&told));
            view::note
        }
        PlanFormat::AwsCli => {
            view::out(&by_hand::script(made.plans()));
            view::note
        }
    }
}

/// How it ends: by what there is to do, where that is asked.
pub(super) fn ended(made: &Made, shown: &Shown<'_>) -> Exit {
    let to_do = |saved: &SavedPlan| {
        saved.plan.pending().next().is_some()
            || saved.plan.changes.is_empty() && !left_open(saved).is_empty()
    };
    let to_do = shown.check && made.plans().iter().any(to_do);
    if to_do { Exit::Differs } else { Exit::Done }
}

/// What was saved earlier may be what somebody has read and said yes to, and is needed to see what has changed since.
fn in_the_way(output: &Path) -> Failure {
    let shown = typed(output);
    let next = if sources::is_a_plan(output) {
        format!(
            "name another file, and compare: portcullis diff {shown} NEW; carry out the plan that is there: portcullis run {shown}; or give --replace, too"
        )
    } else {
        "name another file; or give --replace, too".to_owned()
    };
    let what = format!("{} is there already, and what it holds would be lost", output.display());
    Failure::new(Exit::Refused, what, next)
}

/// What came of planning: the plan of one account, or those of several that go together.
pub(super) enum Made {
    One(Box<SavedPlan>),
    Several(SavedPlans),
}

impl Made {
    fn plans(&self) -> &[SavedPlan] {
        match self {
            Self::One(saved) => std::slice::from_ref(saved),
            Self::Several(plans) => plans.plans(),
        }
    }
}

/// Surveys as far as the playbook asks, and plans.
pub(super) async fn make(
    playbook: &Playbook,
    inputs: &BTreeMap<String, Value>,
    terms: &Terms,
    cloud: &ReadCloud,
    inventory: Inventory,
) -> Result<SavedPlan, Failure> {
    match attempt(playbook, inputs, terms, cloud, inventory).await? {
        Ok(saved) => Ok(saved),
        Err(problems) => Err(refused(problems)),
    }
}

/// The same, with what speaks against it where there is no plan.
pub(super) async fn attempt(
    playbook: &Playbook,
    inputs: &BTreeMap<String, Value>,
    terms: &Terms,
    cloud: &ReadCloud,
    mut inventory: Inventory,
) -> Result<Result<SavedPlan, Vec<Diagnostic>>, Failure> {
    let thought = survey::until(cloud, &mut inventory, |inventory| {
        Ok(match planning::plan(playbook, inputs, inventory, terms)? {
            Planned::Plan(plan) => Thought::Ready(plan),
            Planned::Needs(wants) => Thought::Needs(wants),
        })
    });
    Ok(thought.await?.map(|plan| {
        let text = playbook.source.text().to_owned();
        let fragments = playbook.fragment_texts();
        SavedPlan { plan: *plan, inventory, playbook: text, fragments, round: None }
    }))
}

/// A playbook that is right and cannot be planned here.
pub(super) fn refused(problems: Vec<Diagnostic>) -> Failure {
    let next = "nothing was changed. See to what is said above, then plan again";
    Failure::of(Exit::Refused, problems, next)
}

/// Tells that none of the plans has a change in it, if none has: then there is nobody to ask and no case to open. What
/// is known to be open all the same decides how that ends.
pub(super) fn nothing_to_do(plans: &[SavedPlan], format: Format) -> Option<Exit> {
    if plans.iter().any(|saved| !saved.plan.changes.is_empty()) {
        return None;
    }
    let open: Vec<String> = plans.iter().flat_map(left_open).collect();
    let exit = if open.is_empty() { Exit::Done } else { Exit::NotProven };
    match format {
        Format::Text => {
            let mut text =
                "\nNothing to do: no step cuts or changes anything, so that nothing is proven either. Why is said above.\n"
                    .to_owned();
            for credential in &open {
                let _ = writeln!(text, "  - no step cuts the {credential}");
            }
            if !open.is_empty() {
                text += "Next: add steps that cut them, and plan again; or cut one by itself: portcullis cut --help\n";
            }
            view::out(&text);
        }
        Format::Json => tell_nothing_to_do(exit, &open),
    }
    Some(exit)
}

/// What the plan knows to be open, without a change that cuts it.
fn left_open(saved: &SavedPlan) -> Vec<String> {
    let ledger = Ledger::of(&saved.plan, &State::default());
    ledger.unaccounted().map(|row| row.credential.to_string()).collect()
}

/// For machines.
pub(super) fn tell_nothing_to_do(exit: Exit, reasons: &[String]) {
    view::out(&diagnostics::printed(&serde_json::json!({
        "version": 1,
        "ending": { "ended": "nothing-to-do", "exit": exit.code(), "reasons": reasons },
    })));
}
