//! From playbook, inputs and inventory to a plan. Pure: no cloud, no clock, no file.
//!
//! Either everything that must be known is in the inventory and there is a plan, or there is a list of
//! what is to be read first; whoever surveys reads it and asks again. The plan is the same, byte for
//! byte, for the same playbook, inputs and inventory. All problems come at once.

mod as_found;
mod behind;
mod canary;
mod chain;
mod draft;
mod elsewhere;
mod estimate;
mod found;
mod lint;
mod lockout;
mod minting;
mod newcomers;
mod order;
mod permissions;
mod reach;
mod readers;
mod round;
mod select;
mod speakers;
mod trust;
mod undo;
mod unplanned;
mod unread;
mod untouched;

pub use as_found::as_found;
pub use chain::comes_of;
pub use lint::{left_open, lint_together};
pub use lockout::{is_cut_off, refuse_lock_out};
pub use minting::MayAssume;
pub use newcomers::{
    Came, admitted_to, came_since, first_of_case, first_seen_by, not_seen, switched_off,
};
pub use permissions::whose_policies;
pub use readers::{came_to, filled_by, told_by};
pub use round::{Added, Earlier};
pub use speakers::{Presence, presence, wants_of_speaker};
pub use undo::take_back;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexSet;
use serde_json::Value;

use self::minting::Minting;
use self::select::Selection;
use self::trust::Trust;
use crate::action::catalog;
use crate::diagnostic::{Code, Diagnostic};
use crate::ids::{Arn, Principal, SecretId, UserName};
use crate::inventory::{Gap, Inventory, Want};
use crate::plan::{
    Change, Credential, Effect, Estimate, FirstSeen, GateTerms, Import, Plan, RoleInReach,
    SavedPlan, TakenUp, Texts, Together, credential_wants,
};
use crate::playbook::{Playbook, Proof, Scope, Spent, Targets};

/// What one run may set otherwise than the playbook has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The gate's proof.
    pub gate: Option<Proof>,
    /// The gate's margin, in seconds.
    pub margin_seconds: Option<u64>,
    /// How long a refusal is waited for, in seconds.
    pub within_seconds: Option<u64>,
    /// The endpoint, where it is not AWS itself.
    pub endpoint: Option<String>,
    /// Listings that were refused, and over which a quarantine may be lifted all the same.
    pub accepted_gaps: Vec<String>,
    /// Identities whose loss is accepted although the caller stands on them.
    pub accepted_lockouts: Vec<Arn>,
    /// What others found.
    pub imports: Vec<Import>,
    /// With which other accounts it is planned, where there are any.
    pub together: Option<Together>,
    /// What earlier cases of the account hand on, and what the first of them has seen.
    pub takes_up: Option<(FirstSeen, TakenUp)>,
}

impl Terms {
    /// Those a plan was made with.
    pub fn of(plan: &Plan) -> Self {
        Self {
            gate: Some(plan.gate.proof),
            margin_seconds: Some(plan.gate.margin_seconds),
            within_seconds: Some(plan.gate.within_seconds),
            endpoint: plan.endpoint.clone(),
            accepted_gaps: plan.accepted_gaps.clone(),
            accepted_lockouts: plan.accepted_lockouts.clone(),
            imports: plan.imports.clone(),
            together: plan.together.clone(),
            takes_up: plan.first_seen.clone().zip(plan.takes_up.clone()),
        }
    }

    /// What the gate asks for: of the run where it says so, else of the playbook.
    fn gate(&self, playbook: &Playbook) -> GateTerms {
        let seconds =
            |duration: jiff::SignedDuration| u64::try_from(duration.as_secs()).unwrap_or(u64::MAX);
        GateTerms {
            proof: self.gate.unwrap_or(playbook.gate.proof),
            margin_seconds: self.margin_seconds.unwrap_or_else(|| seconds(playbook.gate.margin)),
            within_seconds: self.within_seconds.unwrap_or_else(|| seconds(playbook.gate.within)),
        }
    }
}

/// What came of planning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Planned {
    /// A plan.
    Plan(Box<Plan>),
    /// Not before this has been read.
    Needs(BTreeSet<Want>),
}

/// What is wrong and keeps no plan from being made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forgiving {
    /// What keeps no other cut from being made: what concerns steps behind the gate alone, and questions that are refused.
    WhatCanWait,
    /// Nothing: there is no plan anyway, and all that is wrong is told.
    Nothing,
}

/// Plans. `inputs` come from [`Playbook::bind_inputs`].
pub fn plan(
    playbook: &Playbook,
    inputs: &BTreeMap<String, Value>,
    inventory: &Inventory,
    terms: &Terms,
) -> Result<Planned, Vec<Diagnostic>> {
    plan_on(playbook, inputs, inventory, terms, None, Forgiving::WhatCanWait)
}

/// Plans the next round of a case: the same playbook and inputs, what the world has come to, and what is being
/// done.
pub fn plan_again(
    playbook: &Playbook,
    inventory: &Inventory,
    earlier: &Earlier<'_>,
) -> Result<Planned, Vec<Diagnostic>> {
    let terms = Terms::of(earlier.plan);
    let inputs = &earlier.plan.inputs;
    plan_on(playbook, inputs, inventory, &terms, Some(earlier), Forgiving::WhatCanWait)
}

fn plan_on(
    playbook: &Playbook,
    inputs: &BTreeMap<String, Value>,
    inventory: &Inventory,
    terms: &Terms,
    earlier: Option<&Earlier<'_>>,
    forgiving: Forgiving,
) -> Result<Planned, Vec<Diagnostic>> {
    let account = &inventory.caller.account;
    let home = terms.together.as_ref().is_none_or(|together| together.home == *account);
    let (given, playbook) = (playbook, &*playbook.in_account(home));
    // What this case has done decides nothing again; what an action then does, it decides by what there is.
    let seen = earlier.map(|earlier| as_found::without_us(inventory, earlier));
    let seen = seen.as_deref().unwrap_or(inventory);
    let Targets { known: targets, needs, problems: mut of_targets } =
        playbook.targets(inputs, seen);
    // What costs too much is not thought about again with more to think about.
    let too_dear = |problems: &[Diagnostic]| {
        problems.iter().any(|problem| problem.code == Code::ExpressionCost)
    };
    if too_dear(&of_targets) {
        return Err(of_targets);
    }
    if !needs.is_empty() {
        return Ok(Planned::Needs(needs));
    }
    let spent = Spent::default();
    let scope = Scope { inputs, targets: &targets, inventory: seen, each: None, spent: &spent };
    let Selection {
        taken,
        untouched: mut left_out,
        skipped_cuts,
        needs,
        problems: mut of_steps,
        undecided,
    } = select::select(playbook, &scope);
    let mut trust = Trust::of(playbook, &scope);
    let mut refused = std::mem::take(&mut trust.problems);
    let of_selection = || of_steps.iter().map(|(_, problem)| problem.clone());
    if of_selection().any(|problem| too_dear(&[problem])) || too_dear(&refused) {
        return Err(of_targets.into_iter().chain(of_selection()).chain(refused).collect());
    }
    let needs: BTreeSet<Want> = needs.into_iter().chain(std::mem::take(&mut trust.needs)).collect();
    if !needs.is_empty() {
        return Ok(Planned::Needs(needs));
    }
    let unread = |want: &Want| !inventory.answers.contains_key(want);
    let wants = taken.iter().flat_map(|taken| taken.action.wants(&taken.with));
    let wants: BTreeSet<Want> = wants.filter(unread).collect();
    if !wants.is_empty() {
        return Ok(Planned::Needs(wants));
    }
    let (mut warnings, mut texts) = (Vec::new(), Texts::default());
    let draft::Drafted {
        mut changes,
        mut batches,
        left_out: not_drafted,
        problems,
        unread: of_unread,
        mut undecided,
    } = draft::draft(playbook, taken, undecided, inventory, &trust, &mut texts);
    left_out.extend(not_drafted);
    // What is refused anyway is told with all else that is wrong.
    let can_wait = forgiving == Forgiving::WhatCanWait;
    let forgives = can_wait && problems.is_empty() && refused.is_empty();
    let unread::LeftOut { mut unplanned, accepted, concerned, undecided: not_read, kept } =
        // What goes wrong in a later round is not all told before anything is done.
        if forgives || can_wait && earlier.is_some() {
            unread::leave_out(playbook, of_unread, &changes, &terms.accepted_gaps, earlier)
        } else {
            unread::LeftOut { kept: of_unread, ..unread::LeftOut::default() }
        };
    warnings.extend(accepted);
    for draft::Unread { step, problem, undecided: of_step, .. } in kept {
        of_steps.push((step.id.clone(), problem));
        undecided.push(of_step);
    }
    let all_is_decided = undecided.is_empty();
    if forgives {
        let wrong = unplanned::Wrong {
            of_targets: &mut of_targets,
            of_steps: &mut of_steps,
            undecided: &undecided,
        };
        unplanned.extend(unplanned::behind_the_gate(playbook, wrong, &mut changes, earlier));
    }
    of_steps.extend(problems);
    batches.retain(|batches| changes.iter().any(|change| change.step == batches.step));
    // What lets somebody in again waits for no other change, and stays as it was planned.
    let mut lets_in = Vec::new();
    if let Some(earlier) = earlier {
        let merged = round::merge(earlier, inventory, changes);
        (lets_in, changes) = merged.into_iter().partition(|change| change.undoes.is_some());
        batches = round::batches(earlier.plan, batches, &changes);
        let undecided = undecided.iter().map(|one| &one.step.id);
        refused.extend(round::not_forgiven(
            earlier.plan,
            of_targets,
            of_steps,
            undecided,
            &mut warnings,
        ));
        if !refused.is_empty() {
            return Err(refused);
        }
    } else {
        // Told with all that is wrong beside it: whoever mends one thing and asks again loses a round each time.
        let before = of_targets.into_iter().chain(std::mem::take(&mut refused));
        refused = before.chain(draft::told_once(of_steps)).collect();
    }
    let mut problems = refused;
    // Each is cut by several changes: told apart by hash, so that only those that are left are put in order.
    let principals: IndexSet<_> = changes
        .iter()
        .flat_map(|change| &change.effects)
        .filter_map(|effect| match effect {
            Effect::Cuts { subject, .. } => subject.principal(),
            _ => None,
        })
        .chain(concerned)
        .collect();
    let principals: BTreeSet<_> = principals.into_iter().collect();
    let users: BTreeSet<_> = principals.iter().filter_map(Principal::user).cloned().collect();
    let of_each = |user: &UserName| {
        let itself = [Want::User(user.clone()), Want::MfaDevices(user.clone())];
        credential_wants(user).into_iter().chain(itself)
    };
    let summary = playbook.limits.percent.map(|_| Want::AccountSummary);
    let summary = summary.filter(|_| !users.is_empty());
    // Also where nobody is cut: whom they admit later is told by whom they admit now.
    let takes_up = terms.takes_up.as_ref();
    let roles = (!changes.is_empty() || takes_up.is_some()).then_some(Want::Roles);
    let found = found::wants(&terms.imports);
    let mut first_seen = earlier.map(newcomers::first_seen);
    // What cuts waits for no look at everybody: that is had before the gate.
    let compared = first_seen.as_ref().zip(earlier).filter(|(_, earlier)| !earlier.cuts_alone);
    let newcomers = compared.map(|(first, _)| newcomers::wants(first, inventory));
    let newcomers = newcomers.into_iter().flatten();
    // So is who may read what is handed out: whoever may later is told by who may now.
    let filled = readers::filled(&changes);
    let filled = filled.into_iter().filter(|_| earlier.is_none_or(|earlier| !earlier.cuts_alone));
    let filled: Vec<SecretId> = filled.cloned().collect();
    let readers = filled.iter().flat_map(readers::told_by);
    let wants = users.iter().flat_map(of_each).chain(roles).chain(summary).chain(found);
    let wants: BTreeSet<Want> = wants.chain(newcomers).chain(readers).filter(unread).collect();
    if !wants.is_empty() {
        return Ok(Planned::Needs(wants));
    }
    if let Some(first) = &mut first_seen {
        readers::first_see(first, &filled, inventory);
    }
    let mut roles = reach::roles(&users, inventory);
    let may_read = reach::not_cut(&roles, &principals);
    // Whoever works on this is in it himself: that his role may read tells nobody anything, and nobody would cut it. Where
    // another goes on, what the rounds before have found of his role stays a row.
    let mut own = chain::own_roles(&inventory.caller);
    own.extend(earlier.into_iter().flat_map(round::roles_of_workers));
    let may_read = may_read.filter(|role| !filled.is_empty() && !own.contains(role.as_str()));
    let may_read = may_read.cloned().collect::<BTreeSet<_>>();
    // What they may do is told by one listing, and of everybody.
    if !may_read.is_empty() && unread(&Want::Authorization) {
        return Ok(Planned::Needs([Want::Authorization].into()));
    }
    let may_read = reach::readers(may_read, &filled, inventory);
    warnings.extend(may_read.as_ref().err().cloned());
    let compared = first_seen.as_ref().zip(earlier).filter(|(_, earlier)| !earlier.cuts_alone);

    let gate = terms.gate(playbook);
    let enforced = gate.proof >= Proof::Enforced;
    let asked = permissions::Asked::about(&changes, inventory);
    let wants: BTreeSet<Want> = asked.wants().filter(unread).collect();
    if !wants.is_empty() {
        return Ok(Planned::Needs(wants));
    }
    permissions::tell(&mut changes, &asked, inventory, &mut texts);
    permissions::leave_out_refused(&mut changes, &mut texts);
    // By which way each is cut decides how that is tried.
    let wants = if enforced { canary::wants(&changes, inventory) } else { Vec::new() };
    let wants: BTreeSet<Want> = wants.into_iter().filter(unread).collect();
    if !wants.is_empty() {
        return Ok(Planned::Needs(wants));
    }
    warnings.extend(changes.iter().flat_map(|change| {
        let action = catalog::find(&change.kind).expect("planned from the same catalog");
        action.warnings(&change.decided)
    }));

    let mut credentials = reach::credentials(&principals, &changes, inventory);
    let elsewhere =
        elsewhere::secrets(playbook, inputs, terms.together.as_ref(), &inventory.caller.account);
    credentials
        .extend(elsewhere.iter().map(|secret| Credential::SecretValue { secret: secret.clone() }));
    let found = found::found(&terms.imports, &principals, inventory);
    credentials.extend(found.iter().filter_map(|one| one.whereabouts.credential()).cloned());
    if let Some((first, earlier)) = compared {
        credentials.extend(newcomers::newcomers(earlier, first, inventory, &principals));
    }
    credentials.extend(may_read.into_iter().flatten());
    let came_before = takes_up.iter().flat_map(|(_, up)| &up.open);
    credentials.extend(came_before.cloned());
    if let Some(earlier) = earlier {
        credentials.retain(|credential| !round::is_our_own(credential, earlier.issued));
        // What is gone is accounted for all the same.
        credentials.extend(earlier.plan.credentials.iter().cloned());
    }
    credentials.sort();
    credentials.dedup();
    warnings.extend(clocks_apart(inventory));
    let gaps = inventory.gaps().filter(|(want, _)| !matches!(want, Want::Simulation(_)));
    let gaps: BTreeSet<String> = gaps
        .map(|(_, Gap { operation, code, message, .. })| {
            format!("not everything could be read: {operation} answered {code} ({message})")
        })
        .collect();
    warnings.extend(gaps);
    if changes.iter().any(Change::is_gated) {
        warnings.extend(skipped_cuts.iter().map(|step| {
            format!(
                "step `{step}`, which cuts, is skipped, and the plan hands out or opens again: see that nobody \
                 it would have cut can use that"
            )
        }));
    }
    if let Some(earlier) = earlier {
        let known = earlier.plan.roles.iter().filter(|reach| !roles.contains(reach));
        let known: Vec<RoleInReach> = known.cloned().collect();
        roles.extend(known);
    }
    let minting = Minting::of(&changes, &principals, inventory);
    let too_many = order::too_many_needs(playbook, &changes);
    order::postpone(&mut changes, &minting);
    if too_many.is_empty() {
        order::connect(playbook, &mut changes, &minting, |change| {
            if enforced && canary::can_be_tried(change, inventory) {
                Proof::Enforced
            } else {
                Proof::Settled
            }
        });
    }
    problems.extend(too_many);
    minting.made_again(&mut changes, inventory);
    let mut beside = terms.together.as_ref().map(Together::accounts).unwrap_or_default();
    beside.retain(|account| *account != inventory.caller.account);
    warnings.extend(minting.warnings(&changes, inventory, &beside));
    warnings.extend(untouched::enabled_lately(&users, inventory));
    if let Err(waiting) = order::sort(&mut changes) {
        problems.push(order::cycle(playbook, &waiting));
    }
    let canary = if enforced { canary::plan(&changes, inventory) } else { None };
    let came = match (earlier, takes_up) {
        (Some(earlier), _) => newcomers::came_since_plan(earlier.plan, &credentials, &roles),
        (None, Some((first, _))) => {
            newcomers::came_since_survey(first, &principals, &roles, inventory)
        }
        (None, None) => Vec::new(),
    };
    changes.extend(lets_in);
    let mut plan = Plan {
        playbook: playbook.name.clone(),
        title: playbook.title.clone(),
        mode: playbook.mode,
        account: inventory.caller.account.clone(),
        together: terms.together.clone(),
        caller: inventory.caller.arn.clone(),
        endpoint: terms.endpoint.clone(),
        inputs: inputs.clone(),
        surveyed_at: inventory.taken_at,
        first_seen: first_seen
            .or_else(|| Some(newcomers::taken_up(&takes_up?.0, &changes, inventory))),
        takes_up: takes_up.map(|(_, up)| up.clone()),
        came,
        gate,
        untouched: {
            left_out.extend(select::filtered(playbook, &scope, &named(&principals, &changes)));
            left_out.extend(untouched::second_factors(&users, inventory));
            left_out.extend(untouched::cut_by_aws(&users, inventory));
            left_out.extend(elsewhere.iter().map(elsewhere::untouched));
            left_out.extend(newcomers::untouched(takes_up, &principals));
            left_out.extend(untouched::untouched(&roles, &principals, &changes, inventory));
            left_out
        },
        principals: principals.into_iter().collect(),
        roles: roles.into(),
        credentials: credentials.into(),
        changes: changes.into(),
        lets_in: earlier.map_or_else(Vec::new, |earlier| earlier.plan.lets_in.clone()),
        trusted: Vec::new(),
        approvals: playbook.approvals.clone(),
        batches,
        accepted_gaps: terms.accepted_gaps.clone(),
        accepted_lockouts: terms.accepted_lockouts.clone(),
        imports: terms.imports.clone(),
        found,
        canary,
        estimate: Estimate::default(),
        waits: Vec::new(),
        stays_shut: false,
        at_best: Vec::new(),
        unplanned,
        warnings,
    };
    newcomers::tell_taken_up(&mut plan);
    trust.tell(&mut plan);
    found::warn(&mut plan, inventory);
    plan.estimate = estimate::estimate(&plan, Some(inventory));
    let this_round = earlier;
    let earlier = earlier.map(|earlier| earlier.plan);
    // What is left out may cut what others wait for; that it is accepted otherwise, it does not hide.
    undecided.extend(not_read);
    let known = lint::Known { undecided: &undecided, all_is_decided };
    problems.extend(lint::lint(playbook, &mut plan, inventory, earlier, &known));
    if !problems.is_empty() && !plan.unplanned.is_empty() {
        return plan_on(given, inputs, inventory, terms, this_round, Forgiving::Nothing);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Planned::Plan(Box::new(plan)))
}

/// The users and roles that stand in a plan: whoever is cut, and whoever a change does anything else for.
fn named(principals: &BTreeSet<Principal>, changes: &[Change]) -> BTreeSet<String> {
    let of_effect = |effect: &Effect| match effect {
        Effect::Cuts { subject, .. } | Effect::Lifts { subject, .. } => subject.principal(),
        Effect::Issues { user, .. } => Some(Principal::User(user.clone())),
        Effect::Destroys { credential } => credential.principal(),
        Effect::Delivers { .. } | Effect::Spares { .. } | Effect::Rotates { .. } => None,
    };
    let touched = changes.iter().flat_map(|change| &change.effects).filter_map(of_effect);
    principals.iter().cloned().chain(touched).map(|one| one.name().to_owned()).collect()
}

/// So many seconds clocks may be apart before it is worth a word.
const A_LITTLE: u64 = 5;

/// That the clock of whoever surveyed is not AWS's.
fn clocks_apart(inventory: &Inventory) -> Option<String> {
    let apart = inventory.clock_ahead;
    let way = if apart > 0 { "ahead of" } else { "behind" };
    (apart.unsigned_abs() > A_LITTLE).then(|| {
        format!(
            "the clock of this machine is {} s {way} AWS's: what is compared with AWS's moments goes by AWS's own; set it \
             right all the same (chronyc makestep, timedatectl set-ntp true), for AWS refuses requests that are off by \
             five minutes",
            apart.unsigned_abs()
        )
    })
}

/// Whether a saved plan is the one that follows from its playbook, inputs and inventory. Planning is pure,
/// so it can be done again; a plan whose decisions or effects were written by another hand does not come
/// out of it.
///
/// The plan of a later round follows from the one before it, too.
pub fn follows(saved: &SavedPlan, earlier: Option<&SavedPlan>, playbook: &Playbook) -> bool {
    let SavedPlan { plan: found, inventory, .. } = saved;
    // A plan that leaves an account out would open the gate without it.
    let others = found.together.as_ref().map(|together| together.others.as_slice());
    if playbook.other_accounts(&found.inputs, inventory).ok().as_deref()
        != Some(others.unwrap_or_default())
    {
        return false;
    }
    // What neither a playbook nor a command line may ask of the gate, a file may not either.
    if found.gate.proof < Proof::Settled || found.gate.margin_seconds == 0 {
        return false;
    }
    let earlier = match (&saved.round, earlier) {
        (Some(round), Some(earlier)) if !round.undoes.is_empty() => {
            return round.earlier == earlier.digest()
                && *inventory == earlier.inventory
                && undo::plan(
                    &earlier.plan,
                    inventory,
                    &round.begun,
                    &round.undoes,
                    &round.lets_in,
                ) == *found;
        }
        (None, None) => None,
        (Some(round), Some(earlier))
            if round.earlier == earlier.digest()
                && round.as_found == as_found(earlier, &round.begun) =>
        {
            Some(Earlier {
                plan: &earlier.plan,
                inventory: &earlier.inventory,
                begun: &round.begun,
                issued: &round.issued,
                canaries: &round.canaries,
                seen_off: &round.seen_off,
                as_found: &round.as_found,
                workers: &round.workers,
                cuts_alone: round.cuts_alone,
            })
        }
        _ => return false,
    };
    matches!(plan_on(
        playbook,
        &found.inputs,
        inventory,
        &Terms::of(found),
        earlier.as_ref(),
        Forgiving::WhatCanWait,
    ),
        Ok(Planned::Plan(made)) if *made == *found)
}
