//! From playbook, inputs and inventory to a plan. Pure: no cloud, no clock, no file.
//!
//! Either everything that must be known is in the inventory and there is a plan, or there is a list of
//! what is to be read first; whoever surveys reads it and asks again. The plan is the same, byte for
//! byte, for the same playbook, inputs and inventory. All problems come at once.

mod canary;
mod elsewhere;
mod estimate;
mod found;
mod lint;
mod lockout;
mod minting;
mod newcomers;
mod order;
mod permissions;
mod round;
mod select;
mod trust;
mod undo;

pub use lint::lint_together;
pub use lockout::refuse_lock_out;
pub use newcomers::{Came, came_since, not_seen};
pub use permissions::whose_policies;
pub use round::{Added, Earlier};
pub use undo::take_back;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::minting::Minting;
use self::select::{Selection, Taken};
use self::trust::{Trust, Verdict};
use crate::action::{Draft, PlanError, catalog};
use crate::diagnostic::{Code, Diagnostic, Label, Place};
use crate::ids::{Arn, ChangeId, Principal, StepId, UserName};
use crate::inventory::{Gap, Inventory, Want};
use crate::lookup::Lookup;
use crate::plan::{
    Barrier, Batches, Change, Credential, Decided, Destination, Effect, Estimate, GateTerms,
    Import, Need, Plan, RoleInReach, SavedPlan, Subject, Texts, Together, Unknown, Untouched,
    credential_wants, credentials_of,
};
use crate::playbook::{Mode, Phase, Playbook, Proof, Scope, Spent, Step, Targets};
use crate::policy::Document;
use crate::policy::trust::{Admission, admits};

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

/// Plans. `inputs` come from [`Playbook::bind_inputs`].
pub fn plan(
    playbook: &Playbook,
    inputs: &BTreeMap<String, Value>,
    inventory: &Inventory,
    terms: &Terms,
) -> Result<Planned, Vec<Diagnostic>> {
    plan_on(playbook, inputs, inventory, terms, None)
}

/// Plans the next round of a case: the same playbook and inputs, what the world has come to, and what is being
/// done.
pub fn plan_again(
    playbook: &Playbook,
    inventory: &Inventory,
    earlier: &Earlier<'_>,
) -> Result<Planned, Vec<Diagnostic>> {
    let terms = Terms::of(earlier.plan);
    plan_on(playbook, &earlier.plan.inputs, inventory, &terms, Some(earlier))
}

fn plan_on(
    playbook: &Playbook,
    inputs: &BTreeMap<String, Value>,
    inventory: &Inventory,
    terms: &Terms,
    earlier: Option<&Earlier<'_>>,
) -> Result<Planned, Vec<Diagnostic>> {
    if playbook.mode == Mode::Planned {
        let message = "`mode: planned` is not run by this version".to_owned();
        return Err(vec![
            Diagnostic::error(Code::ModePlanned, message)
                .help("for a breach, write `mode: breach`; see `portcullis explain mode-planned`"),
        ]);
    }
    let account = &inventory.caller.account;
    let home = terms.together.as_ref().is_none_or(|together| together.home == *account);
    let playbook = &*playbook.in_account(home);
    let targets = match playbook.targets(inputs, inventory)? {
        Targets::Known(targets) => targets,
        Targets::Needs(wants) => return Ok(Planned::Needs(wants)),
    };
    let spent = Spent::default();
    let scope = Scope { inputs, targets: &targets, inventory, each: None, spent: &spent };
    let Selection { taken, untouched: mut left_out, skipped_cuts } =
        match select::select(playbook, &scope)? {
            Ok(selection) => selection,
            Err(wants) => return Ok(Planned::Needs(wants)),
        };
    let trust = match Trust::of(playbook, &scope)? {
        Ok(trust) => trust,
        Err(wants) => return Ok(Planned::Needs(wants)),
    };
    let unread = |want: &Want| !inventory.answers.contains_key(want);
    let wants = taken.iter().flat_map(|taken| taken.action.wants(&taken.with));
    let wants: BTreeSet<Want> = wants.filter(unread).collect();
    if !wants.is_empty() {
        return Ok(Planned::Needs(wants));
    }
    let (mut warnings, mut texts) = (Vec::new(), Texts::default());
    let Drafted { mut changes, mut batches, left_out: not_drafted, mut problems } =
        draft(playbook, taken, inventory, &trust, &mut texts);
    left_out.extend(not_drafted);
    if let Some(earlier) = earlier {
        changes = round::merge(earlier, inventory, changes);
        batches = round::batches(earlier.plan, batches, &changes);
        let forgiven = round::forgiven(earlier.plan, std::mem::take(&mut problems), &mut warnings);
        if !forgiven.is_empty() {
            return Err(forgiven);
        }
    }
    if !problems.is_empty() {
        return Err(told_once(problems));
    }
    let principals: BTreeSet<_> = changes
        .iter()
        .flat_map(|change| &change.effects)
        .filter_map(|effect| match effect {
            Effect::Cuts { subject, .. } => subject.principal(),
            _ => None,
        })
        .collect();
    let users: BTreeSet<_> = principals.iter().filter_map(Principal::user).cloned().collect();
    let of_each = |user: &UserName| {
        let itself = [Want::User(user.clone()), Want::MfaDevices(user.clone())];
        credential_wants(user).into_iter().chain(itself)
    };
    let summary = playbook.limits.percent.map(|_| Want::AccountSummary);
    let summary = summary.filter(|_| !users.is_empty());
    // Also where nobody is cut: whom they admit later is told by whom they admit now.
    let roles = (!changes.is_empty()).then_some(Want::Roles);
    let found = found::wants(&terms.imports);
    let first_seen = earlier.map(newcomers::first_seen);
    // What cuts within the scope waits for no look at everybody.
    let compared = first_seen.as_ref().zip(earlier).filter(|(_, earlier)| !earlier.cuts_alone);
    let newcomers = compared.map(|(first, _)| newcomers::wants(first, inventory));
    let newcomers = newcomers.into_iter().flatten();
    let wants =
        users.iter().flat_map(of_each).chain(roles).chain(summary).chain(found).chain(newcomers);
    let wants: BTreeSet<Want> = wants.filter(unread).collect();
    if !wants.is_empty() {
        return Ok(Planned::Needs(wants));
    }

    let seconds =
        |duration: jiff::SignedDuration| u64::try_from(duration.as_secs()).unwrap_or(u64::MAX);
    let gate = GateTerms {
        proof: terms.gate.unwrap_or(playbook.gate.proof),
        margin_seconds: terms.margin_seconds.unwrap_or_else(|| seconds(playbook.gate.margin)),
        within_seconds: terms.within_seconds.unwrap_or_else(|| seconds(playbook.gate.within)),
    };
    let enforced = gate.proof >= Proof::Enforced;
    let asked = permissions::Asked::about(&changes, inventory);
    let mut wants: Vec<Want> = asked.wants().collect();
    if enforced {
        wants.extend(canary::wants(&changes, inventory));
    }
    let wants: BTreeSet<Want> = wants.into_iter().filter(unread).collect();
    if !wants.is_empty() {
        return Ok(Planned::Needs(wants));
    }
    permissions::tell(&mut changes, &asked, inventory, &mut texts);
    warnings.extend(changes.iter().flat_map(|change| {
        let action = catalog::find(&change.kind).expect("planned from the same catalog");
        action.warnings(&change.decided)
    }));

    let mut credentials = Vec::new();
    for user in &users {
        credentials.extend(credentials_of(user, inventory));
        credentials.push(Credential::Sessions { user: user.clone() });
    }
    // Of roles, AWS tells nothing but that there may be sessions.
    let roles = principals.iter().filter_map(Principal::role);
    credentials.extend(roles.map(|role| Credential::RoleSessions { role: role.clone() }));
    let closed =
        changes.iter().flat_map(|change| &change.effects).filter_map(|effect| match effect {
            Effect::Cuts { subject: Subject::Credential { credential }, .. } => Some(credential),
            _ => None,
        });
    credentials.extend(closed.filter(|one| matches!(one, Credential::Manual { .. })).cloned());
    credentials.extend(values_in_scope(&changes));
    let elsewhere =
        elsewhere::secrets(playbook, inputs, terms.together.as_ref(), &inventory.caller.account);
    credentials
        .extend(elsewhere.iter().map(|secret| Credential::SecretValue { secret: secret.clone() }));
    let found = found::found(&terms.imports, &principals, inventory);
    credentials.extend(found.iter().filter_map(|one| one.whereabouts.credential()).cloned());
    if let Some((first, earlier)) = compared {
        credentials.extend(newcomers::newcomers(earlier, first, inventory, &principals));
    }
    if let Some(earlier) = earlier {
        credentials.retain(|credential| !round::is_our_own(credential, earlier.issued));
        // What is gone is accounted for all the same.
        credentials.extend(earlier.plan.credentials.iter().cloned());
    }
    credentials.sort();
    credentials.dedup();
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
    let mut roles = roles_in_reach(&users, inventory);
    if let Some(earlier) = earlier {
        let known = earlier.plan.roles.iter().filter(|reach| !roles.contains(reach));
        let known: Vec<RoleInReach> = known.cloned().collect();
        roles.extend(known);
    }
    let minting = Minting::of(&changes, &principals, inventory);
    too_many_needs(playbook, &changes)?;
    postpone(&mut changes, &minting);
    connect(playbook, &mut changes, &minting, |change| {
        if enforced && canary::can_be_tried(change, inventory) {
            Proof::Enforced
        } else {
            Proof::Settled
        }
    });
    minting.made_again(&mut changes, inventory);
    warnings.extend(minting.warnings(&changes, inventory));
    order::sort(&mut changes).map_err(|waiting| vec![cycle(playbook, &waiting)])?;
    let canary = if enforced { canary::plan(&changes, inventory) } else { None };
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
        first_seen,
        gate,
        untouched: {
            left_out.extend(second_factors(&users, inventory));
            left_out.extend(cut_by_aws(&users, inventory));
            left_out.extend(elsewhere.iter().map(elsewhere::untouched));
            left_out.extend(untouched(&roles, &principals, &changes, inventory));
            left_out
        },
        principals: principals.into_iter().collect(),
        roles: roles.into(),
        credentials: credentials.into(),
        changes: changes.into(),
        trusted: Vec::new(),
        approvals: playbook.approvals.clone(),
        batches,
        accepted_gaps: terms.accepted_gaps.clone(),
        accepted_lockouts: terms.accepted_lockouts.clone(),
        imports: terms.imports.clone(),
        found,
        canary,
        estimate: Estimate::default(),
        warnings,
    };
    trust.tell(&mut plan);
    found::warn(&mut plan, inventory);
    plan.estimate = estimate::estimate(&plan, Some(inventory));
    lint::lint(playbook, &mut plan, inventory, earlier.map(|earlier| earlier.plan))?;
    Ok(Planned::Plan(Box::new(plan)))
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
                && undo::plan(&earlier.plan, inventory, &round.begun, &round.undoes) == *found;
        }
        (None, None) => None,
        (Some(round), Some(earlier)) if round.earlier == earlier.digest() => Some(Earlier {
            plan: &earlier.plan,
            inventory: &earlier.inventory,
            begun: &round.begun,
            issued: &round.issued,
            canaries: &round.canaries,
            cuts_alone: round.cuts_alone,
        }),
        _ => return false,
    };
    matches!(plan_on(playbook, &found.inputs, inventory, &Terms::of(found), earlier.as_ref()),
        Ok(Planned::Plan(made)) if *made == *found)
}

/// What the actions have decided.
#[derive(Default)]
struct Drafted {
    changes: Vec<Change>,
    batches: Vec<Batches>,
    /// What would have been cut, and is trusted; and where a step finds nothing to change.
    left_out: Vec<Untouched>,
    /// Steps that cannot be planned.
    problems: Vec<(StepId, Diagnostic)>,
}

/// Lets every action decide. The changes of a step are numbered through, whatever items they are for.
fn draft(
    playbook: &Playbook,
    all: Vec<Taken<'_>>,
    inventory: &Inventory,
    trust: &Trust,
    texts: &mut Texts,
) -> Drafted {
    let mut drafted = Drafted::default();
    let mut numbers: BTreeMap<&StepId, usize> = BTreeMap::new();
    // Of each step, the changes of each of its items.
    let mut items: BTreeMap<&StepId, Vec<Vec<ChangeId>>> = BTreeMap::new();
    let mut unchanged: BTreeMap<&StepId, Vec<String>> = BTreeMap::new();
    for taken in all {
        let Taken { step, action, with, item, .. } = &taken;
        let drafts = match action.plan(with, inventory) {
            Ok(drafts) => drafts,
            Err(error) => {
                let problem = cannot_plan(step, item.as_deref(), &error);
                drafted.problems.push((step.id.clone(), problem));
                continue;
            }
        };
        if drafts.is_empty() {
            unchanged.entry(&step.id).or_default().extend(item.clone());
        }
        let number = numbers.entry(&step.id).or_default();
        let mut of_item = Vec::new();
        for (draft, decided) in drafts {
            match trust.judge(&taken, &draft) {
                Verdict::Keep => {}
                Verdict::Leave(untouched) => {
                    drafted.left_out.push(untouched);
                    continue;
                }
                Verdict::Refuse(problem) => {
                    drafted.problems.push((step.id.clone(), problem));
                    continue;
                }
            }
            *number += 1;
            let change = change(playbook, &taken, *number, draft, decided, texts);
            of_item.push(change.id.clone());
            drafted.changes.push(change);
        }
        if !of_item.is_empty() {
            items.entry(&step.id).or_default().push(of_item);
        }
    }
    drafted.left_out.extend(unchanged.into_iter().map(|(step, items)| finds_nothing(step, &items)));
    for (id, items) in items {
        let step = playbook.step(id).expect("changes come from steps");
        let Some(batches) = &step.batches else { continue };
        drafted.batches.push(Batches {
            step: id.clone(),
            of: items.chunks(batches.size).map(<[_]>::concat).collect(),
            pause_seconds: u64::try_from(batches.pause.as_secs()).unwrap_or(u64::MAX),
            stop_at: batches.stop_at,
        });
    }
    drafted
}

/// A step that is carried out and changes nothing, of whichever of its items.
fn finds_nothing(step: &StepId, items: &[String]) -> Untouched {
    let first = items.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    let of = match items.len() {
        0 => String::new(),
        1..=3 => format!(" for {first}"),
        n => format!(" for {first} and {} more", n - 3),
    };
    Untouched {
        what: format!("step `{step}`{of}"),
        why: "it finds nothing that it would change".to_owned(),
    }
}

fn change(
    playbook: &Playbook,
    taken: &Taken<'_>,
    n: usize,
    draft: Draft,
    decided: Decided,
    texts: &mut Texts,
) -> Change {
    let Taken { step, action, reason, review_by, .. } = taken;
    let about = action.about();
    let file = playbook.fragment_of(&step.place).map(|fragment| texts.share(&fragment.path));
    Change {
        id: ChangeId::of(&step.id, n),
        step: step.id.clone(),
        file,
        line: step.place.line(),
        phase: step.phase,
        kind: step.uses.clone(),
        target: texts.share(draft.target),
        what: texts.share(draft.what),
        before: texts.share(draft.before),
        after: texts.share(draft.after),
        already: draft.already,
        effects: draft.effects,
        undo: texts.share(about.undo),
        irreversible: draft.irreversible.map(|text| texts.share(text)),
        hazards: about.hazards.iter().map(|hazard| texts.share(hazard)).collect(),
        permissions: Vec::new(),
        unknowns: about.unknowns.iter().map(|one| unknown(one, texts)).collect(),
        reason: reason.as_ref().map(|reason| texts.share(reason)),
        review_by: *review_by,
        needs: Vec::new(),
        again_after: Vec::new(),
        undoes: None,
        decided,
    }
}

fn unknown(unknown: &crate::action::Unknown, texts: &mut Texts) -> Unknown {
    Unknown {
        what: texts.share(unknown.what),
        ty: texts.share(unknown.ty),
        known: texts.share(unknown.known),
    }
}

fn cannot_plan(step: &Step, item: Option<&str>, error: &PlanError) -> Diagnostic {
    let help = match error {
        PlanError::Impossible { help, .. } => help.clone(),
        PlanError::Unread(unread) => match &unread.gap {
            Some(gap) if !gap.understood => format!(
                "see what is unusual about what {} shows: this program does not know it",
                gap.operation
            ),
            Some(gap) => {
                format!("allow {} to the credentials in use, then plan again", gap.operation)
            }
            None => "this is a bug: please report it with the playbook".to_owned(),
        },
    };
    let item = item.map(|item| format!(" for {item}")).unwrap_or_default();
    let message = format!("step `{}` cannot be planned{item}: {error}", step.id);
    Diagnostic::error(Code::CannotPlan, message).at(step.place.clone(), "this step").help(help)
}

/// What stands in the way of several steps is one problem, which shows them all.
fn told_once(problems: Vec<(StepId, Diagnostic)>) -> Vec<Diagnostic> {
    let mut told: Vec<(String, Diagnostic)> = Vec::new();
    for (step, problem) in problems {
        let cause = problem.message.replace(&format!("step `{step}` "), "");
        match told.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, first)) => {
                let known = first.primary.iter().chain(&first.others);
                let known: BTreeSet<Place> = known.map(|label| label.place.clone()).collect();
                let also = problem.primary.into_iter().chain(problem.others);
                first.others.extend(
                    also.filter(|label| !known.contains(&label.place))
                        .map(|label| Label { text: "nor this one".to_owned(), ..label }),
                );
            }
            None => told.push((cause, problem)),
        }
    }
    told.into_iter().map(|(_, problem)| problem).collect()
}

fn cycle(playbook: &Playbook, waiting: &[ChangeId]) -> Diagnostic {
    let ids: Vec<&str> = waiting.iter().map(ChangeId::as_str).collect();
    let message = format!("these changes wait for each other: {}", ids.join(", "));
    let help = "a session's second cut waits for every key and quarantine of its user, and of whoever can assume \
                its role; take `needs` off the steps that cut those, or put the steps that wait for the second cut \
                into the same phase";
    let problem = Diagnostic::error(Code::Cycle, message).help(help);
    match waiting.first().and_then(|id| playbook.step(&id.step())) {
        Some(step) => problem.at(step.place.clone(), "among them this step"),
        None => problem,
    }
}

/// The most pairs of changes of which one waits for the other, by what steps need.
const MOST_NEEDS: usize = 2_000_000;

/// Every change of a step waits for every change of the steps it needs. Where both are taken for long lists, that
/// is more than anybody can read, or keep.
fn too_many_needs(playbook: &Playbook, changes: &[Change]) -> Result<(), Vec<Diagnostic>> {
    let mut of_steps: BTreeMap<&StepId, usize> = BTreeMap::new();
    for change in changes {
        *of_steps.entry(&change.step).or_default() += 1;
    }
    let mut problems = Vec::new();
    for step in &playbook.steps {
        let count = |id: &StepId| of_steps.get(id).copied().unwrap_or(0);
        let first: usize = step.needs.iter().map(count).sum();
        if count(&step.id).saturating_mul(first) > MOST_NEEDS {
            let message = format!(
                "each of the {} changes of step `{}` would wait for each of {first} others",
                count(&step.id),
                step.id
            );
            problems.push(
                Diagnostic::error(Code::TooLarge, message).at(step.place.clone(), "this step").help(
                    "leave `needs` out where a phase orders the steps already, or split the playbook",
                ),
            );
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// A second pass over sessions comes in the phase of the last of what it waits for: a password that is deleted in
/// `eradicate` mints sessions until then.
fn postpone(changes: &mut [Change], minting: &Minting) {
    let late = changes.iter().filter(|change| change.phase == Phase::Eradicate);
    let mut late: BTreeSet<ChangeId> = late.map(|change| change.id.clone()).collect();
    // Second passes wait for each other, too: until no more of them are late.
    let mut more = !late.is_empty();
    while std::mem::take(&mut more) {
        for (of, pass) in minting.second_passes() {
            let waits = minting.first(of).into_iter().any(|id| late.contains(id));
            more |= waits && late.insert(pass.clone());
        }
    }
    for change in changes.iter_mut().filter(|change| late.contains(&change.id)) {
        change.phase = Phase::Eradicate;
    }
}

/// Says of every change what comes first: what its step needs, and, for the second pass over sessions,
/// the proof that whatever could mint new ones is cut.
fn connect(
    playbook: &Playbook,
    changes: &mut [Change],
    minting: &Minting,
    provable: impl Fn(&Change) -> Proof,
) {
    let mut of_steps: BTreeMap<StepId, Vec<ChangeId>> = BTreeMap::new();
    let mut made_anew: BTreeMap<Principal, Vec<ChangeId>> = BTreeMap::new();
    let mut proofs: Lookup<ChangeId, Proof> = Lookup::default();
    for change in changes.iter() {
        of_steps.entry(change.step.clone()).or_default().push(change.id.clone());
        proofs.insert(change.id.clone(), provable(change));
        for effect in &change.effects {
            if let Effect::Issues { user, replaces: Some(Credential::Password { .. }) } = effect {
                let principal = Principal::User(user.clone());
                made_anew.entry(principal).or_default().push(change.id.clone());
            }
        }
    }
    let passes: BTreeSet<&ChangeId> = minting.second_passes().map(|(_, pass)| pass).collect();
    for change in changes {
        let step = playbook.step(&change.step).expect("changes come from steps");
        let stops = change.effects.iter().any(
            |effect| matches!(effect, Effect::Cuts { barrier, .. } if barrier.stops_minting()),
        );
        let first = step.needs.iter().filter_map(|step| of_steps.get(step)).flatten();
        let mut needs: Vec<Need> = first
            // Whatever stops minting cannot wait for the pass that waits for it.
            .filter(|id| !(stops && passes.contains(id)))
            .map(|id| Need { change: id.clone(), proof: Proof::ReadBack })
            .collect();
        for effect in &change.effects {
            let proven = |id: &ChangeId| Need {
                change: id.clone(),
                proof: *proofs.get(id).expect("of every change"),
            };
            match effect {
                Effect::Cuts { subject, barrier: Barrier::SessionsSecondPass } => {
                    let Some(principal) = subject.principal() else { continue };
                    needs.extend(minting.first(&principal).into_iter().map(proven));
                }
                // A new password, too, is read before it counts: lifted at once, the old one would still let in.
                Effect::Lifts { subject, .. } => {
                    let first = subject.principal().and_then(|of| made_anew.get(&of));
                    needs.extend(first.into_iter().flatten().map(proven));
                }
                _ => {}
            }
        }
        change.needs = needs;
    }
}

/// Roles that somebody in scope may have assumed, by their trust policies. What is not known of them is a row
/// like any of them.
fn roles_in_reach(users: &BTreeSet<UserName>, inventory: &Inventory) -> Vec<RoleInReach> {
    let trusts: Vec<_> = inventory
        .roles()
        .map(|roles| roles.iter().map(|role| Document::parse(&role.trust)).collect())
        .unwrap_or_default();
    let mut reach = Vec::new();
    for user in users {
        let read = inventory.roles().and_then(|roles| Ok((roles, inventory.user(user)?)));
        let (roles, found) = match read {
            Ok((roles, Some(found))) => (roles, found),
            // Nobody, who can have assumed nothing.
            Ok((_, None)) => continue,
            Err(unread) => {
                reach.push(RoleInReach {
                    sessions: Credential::UnlistedRoles {
                        of: user.clone(),
                        operation: unread.operation(),
                    },
                    user: user.clone(),
                    why: format!("which roles {user} can assume is not known: {unread}"),
                });
                continue;
            }
        };
        for (role, trust) in roles.iter().zip(&trusts) {
            let admits = match trust
                .as_ref()
                .map(|trust| admits(trust, found.arn.as_str(), inventory.caller.account.as_str()))
            {
                Ok(Admission::No) => continue,
                Ok(Admission::Named) => "named",
                Ok(Admission::Account) => "as anyone of the account whose own policies allow it",
                Ok(Admission::Anyone) => "as anyone at all",
                // What cannot be understood is not thereby harmless.
                Err(_) => "perhaps: its trust policy cannot be understood",
            };
            reach.push(RoleInReach {
                sessions: Credential::RoleSessions { role: role.name.clone() },
                user: user.clone(),
                why: format!("its trust policy admits {user} ({admits})"),
            });
        }
    }
    reach
}

/// The values that somebody may know, because their secret is sealed or rotated.
fn values_in_scope(changes: &[Change]) -> BTreeSet<Credential> {
    let effects = changes.iter().flat_map(|change| &change.effects);
    effects
        .filter(|effect| !matches!(effect, Effect::Delivers { .. }))
        .filter_map(Effect::secret)
        .map(|secret| Credential::SecretValue { secret: secret.clone() })
        .collect()
}

/// What AWS itself has attached to a user where it found a key of his in public. It is adopted as it stands: no cut in
/// the sense of a plan, for it denies some things and leaves others, and in no cut's way.
fn cut_by_aws(users: &BTreeSet<UserName>, inventory: &Inventory) -> Vec<Untouched> {
    let attached = users.iter().flat_map(|user| {
        let policies = inventory.attached_policies(&Principal::User(user.clone()));
        policies.into_iter().flatten().map(move |policy| (user, policy))
    });
    attached
        .filter_map(|(user, policy)| {
            let name = policy.resource().strip_prefix("policy/")?;
            let is = policy.account() == "aws" && name.starts_with("AWSCompromisedKeyQuarantine");
            is.then(|| Untouched {
                what: format!("{name} on user {user}"),
                why: "AWS put it there, because it found a key in public. It denies some things and leaves others, \
                      roles among them: it stays, and the cuts stand beside it. What it denies is denied until \
                      somebody detaches it"
                    .to_owned(),
            })
        })
        .collect()
}

/// A second factor lets nobody in by itself, and so is no row of the ledger; but an intruder may have enrolled
/// one of his own, which counts as soon as its user is let in again.
fn second_factors(users: &BTreeSet<UserName>, inventory: &Inventory) -> Vec<Untouched> {
    let devices = users.iter().flat_map(|user| {
        let devices = inventory.mfa_devices(user).into_iter().flatten();
        devices.map(move |device| (user, device))
    });
    devices
        .map(|(user, device)| Untouched {
            what: format!("MFA device {} of {user}", device.serial),
            why: format!(
                "a second factor, and no way in by itself; enabled {}: see that it is its owner's",
                device.enabled_at.strftime("%Y-%m-%d %H:%M UTC")
            ),
        })
        .collect()
}

/// What was seen and is left alone, and why.
fn untouched(
    roles: &[RoleInReach],
    principals: &BTreeSet<Principal>,
    changes: &[Change],
    inventory: &Inventory,
) -> Vec<Untouched> {
    let is_cut = |reach: &&RoleInReach| {
        reach.sessions.principal().is_some_and(|principal| principals.contains(&principal))
    };
    let mut untouched: Vec<Untouched> = roles
        .iter()
        .filter(|reach| !is_cut(reach))
        .map(|reach| Untouched {
            what: reach.sessions.to_string(),
            why: format!("{}, and no step cuts them", reach.why),
        })
        .collect();
    for effect in changes.iter().flat_map(|change| &change.effects) {
        if let Effect::Delivers { to: Destination::Secret { secret } } = effect {
            untouched.push(Untouched {
                what: format!("other readers of secret {secret}"),
                why: "not examined: whoever may read it will read what is new in it".to_owned(),
            });
        }
    }
    if !principals.is_empty() {
        untouched.push(Untouched {
            what: "roles of accounts that are not named".to_owned(),
            why: "not examined: whoever is in scope may have assumed one of them, and is inside it until its session \
                  ends; name the account in `accounts` where a playbook takes them"
                .to_owned(),
        });
    }
    untouched.push(Untouched {
        what: format!("everything else in account {}", inventory.caller.account),
        why: "not selected by the playbook".to_owned(),
    });
    untouched
}
