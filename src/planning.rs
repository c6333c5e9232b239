//! From playbook, inputs and inventory to a plan. Pure: no cloud, no clock, no file.
//!
//! Either everything that must be known is in the inventory and there is a plan, or there is a list of
//! what is to be read first; whoever surveys reads it and asks again. The plan is the same, byte for
//! byte, for the same playbook, inputs and inventory. All problems come at once.

mod estimate;
mod lint;
mod lockout;
mod order;
mod permissions;
mod select;

pub use lockout::refuse_lock_out;
pub use permissions::whose_policies;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::select::{Selection, Taken};
use crate::action::catalog::ErasedAction;
use crate::action::{Draft, PlanError};
use crate::diagnostic::{Code, Diagnostic};
use crate::ids::{Arn, ChangeId, StepId};
use crate::inventory::{Gap, Inventory, Want};
use crate::plan::{
    Barrier, Change, Credential, Effect, Estimate, GateTerms, Need, Plan, RoleInReach, SavedPlan,
    Unknown, Untouched, credential_wants, credentials_of,
};
use crate::playbook::{Mode, Playbook, Proof, Scope, Step, Targets};
use crate::policy::Document;
use crate::policy::trust::{Admission, admits};

/// What one run may set otherwise than the playbook has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The gate's proof.
    pub gate: Option<Proof>,
    /// The gate's margin, in seconds.
    pub margin_seconds: Option<u64>,
    /// The endpoint, where it is not AWS itself.
    pub endpoint: Option<String>,
    /// Listings that were refused, and over which a quarantine may be lifted all the same.
    pub accepted_gaps: Vec<String>,
    /// Identities whose loss is accepted although the caller stands on them.
    pub accepted_lockouts: Vec<Arn>,
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
    if playbook.mode == Mode::Planned {
        let message = "`mode: planned` is not run by this version".to_owned();
        return Err(vec![
            Diagnostic::error(Code::ModePlanned, message)
                .help("for a breach, write `mode: breach`; see `portcullis explain mode-planned`"),
        ]);
    }
    let targets = match playbook.targets(inputs, inventory)? {
        Targets::Known(targets) => targets,
        Targets::Needs(wants) => return Ok(Planned::Needs(wants)),
    };
    let scope = Scope { inputs, targets: &targets, inventory, each: None };
    let Selection { taken, untouched: mut left_out, skipped_cuts } =
        match select::select(playbook, &scope)? {
            Ok(selection) => selection,
            Err(wants) => return Ok(Planned::Needs(wants)),
        };
    let unread = |wants: Vec<Want>| -> BTreeSet<Want> {
        wants.into_iter().filter(|want| !inventory.answers.contains_key(want)).collect()
    };
    let wants = unread(taken.iter().flat_map(|taken| taken.action.wants(&taken.with)).collect());
    if !wants.is_empty() {
        return Ok(Planned::Needs(wants));
    }
    let mut changes = draft(&taken, inventory)?;
    let users: BTreeSet<_> = changes
        .iter()
        .flat_map(|change| &change.effects)
        .filter_map(|effect| match effect {
            Effect::Cuts { subject, .. } => subject.user().cloned(),
            _ => None,
        })
        .collect();
    let mut wants: Vec<Want> = users.iter().flat_map(credential_wants).collect();
    wants.extend(users.iter().cloned().map(Want::User));
    if !users.is_empty() {
        wants.push(Want::Roles);
    }
    let wants = unread(wants);
    if !wants.is_empty() {
        return Ok(Planned::Needs(wants));
    }

    let wants = unread(permissions::wants(&changes, inventory));
    if !wants.is_empty() {
        return Ok(Planned::Needs(wants));
    }
    permissions::tell(&mut changes, inventory);

    let mut warnings = Vec::new();
    let mut credentials = Vec::new();
    for user in &users {
        credentials.extend(credentials_of(user, inventory));
        credentials.push(Credential::Sessions { user: user.clone() });
    }
    credentials.sort();
    for (_, gap) in inventory.gaps().filter(|(want, _)| !matches!(want, Want::Simulation(_))) {
        let Gap { operation, code, message, .. } = gap;
        warnings
            .push(format!("not everything could be read: {operation} answered {code} ({message})"));
    }
    if changes.iter().any(Change::is_gated) {
        warnings.extend(skipped_cuts.iter().map(|step| {
            format!(
                "step `{step}`, which cuts, is skipped, and the plan hands out or opens again: see that nobody \
                 it would have cut can use that"
            )
        }));
    }
    let roles = roles_in_reach(&users, inventory, &mut warnings);
    connect(playbook, &mut changes);
    order::sort(&mut changes).map_err(|waiting| vec![cycle(playbook, &waiting)])?;
    let gate = GateTerms {
        proof: terms.gate.unwrap_or(playbook.gate.proof),
        margin_seconds: terms
            .margin_seconds
            .unwrap_or_else(|| u64::try_from(playbook.gate.margin.as_secs()).unwrap_or(u64::MAX)),
    };
    let mut plan = Plan {
        playbook: playbook.name.clone(),
        title: playbook.title.clone(),
        mode: playbook.mode,
        account: inventory.caller.account.clone(),
        caller: inventory.caller.arn.clone(),
        endpoint: terms.endpoint.clone(),
        inputs: inputs.clone(),
        surveyed_at: inventory.taken_at,
        gate,
        users: users.into_iter().collect(),
        untouched: {
            left_out.extend(untouched(&roles, &changes, inventory));
            left_out
        },
        roles,
        credentials,
        changes,
        accepted_gaps: terms.accepted_gaps.clone(),
        accepted_lockouts: terms.accepted_lockouts.clone(),
        estimate: Estimate::default(),
        warnings,
    };
    plan.estimate = estimate::estimate(&plan);
    lint::lint(playbook, &mut plan, inventory)?;
    Ok(Planned::Plan(Box::new(plan)))
}

/// Whether a saved plan is the one that follows from its playbook, inputs and inventory. Planning is pure,
/// so it can be done again; a plan whose decisions or effects were written by another hand does not come
/// out of it.
pub fn follows(saved: &SavedPlan, playbook: &Playbook) -> bool {
    let SavedPlan { plan: found, inventory, .. } = saved;
    // What neither a playbook nor a command line may ask of the gate, a file may not either.
    if found.gate.proof < Proof::Settled || found.gate.margin_seconds == 0 {
        return false;
    }
    let terms = Terms {
        gate: Some(found.gate.proof),
        margin_seconds: Some(found.gate.margin_seconds),
        endpoint: found.endpoint.clone(),
        accepted_gaps: found.accepted_gaps.clone(),
        accepted_lockouts: found.accepted_lockouts.clone(),
    };
    matches!(plan(playbook, &found.inputs, inventory, &terms),
        Ok(Planned::Plan(made)) if *made == *found)
}

/// Lets every action decide. The changes of a step are numbered through, whatever items they are for.
fn draft(taken: &[Taken<'_>], inventory: &Inventory) -> Result<Vec<Change>, Vec<Diagnostic>> {
    let (mut changes, mut problems) = (Vec::new(), Vec::new());
    let mut numbers: BTreeMap<&StepId, usize> = BTreeMap::new();
    for Taken { step, action, with, item } in taken {
        match action.plan(with, inventory) {
            Ok(drafts) => {
                let number = numbers.entry(&step.id).or_default();
                for draft in drafts {
                    *number += 1;
                    changes.push(change(step, *action, *number, draft));
                }
            }
            Err(error) => problems.push(cannot_plan(step, item.as_deref(), &error)),
        }
    }
    if problems.is_empty() { Ok(changes) } else { Err(problems) }
}

fn change(step: &Step, action: &dyn ErasedAction, n: usize, draft: Draft<Value>) -> Change {
    let about = action.about();
    let sentences = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect();
    Change {
        id: ChangeId::of(&step.id, n),
        step: step.id.clone(),
        line: step.place.line(),
        phase: step.phase,
        kind: step.uses.clone(),
        target: draft.target,
        what: draft.what,
        before: draft.before,
        after: draft.after,
        already: draft.already,
        effects: draft.effects,
        undo: about.undo.to_owned(),
        irreversible: draft.irreversible,
        hazards: sentences(about.hazards),
        permissions: Vec::new(),
        unknowns: about.unknowns.iter().map(unknown).collect(),
        reason: step.reason.clone(),
        review_by: step.review_by,
        needs: Vec::new(),
        decided: draft.decided,
    }
}

fn unknown(unknown: &crate::action::Unknown) -> Unknown {
    Unknown {
        what: unknown.what.to_owned(),
        ty: unknown.ty.to_owned(),
        known: unknown.known.to_owned(),
    }
}

fn cannot_plan(step: &Step, item: Option<&str>, error: &PlanError) -> Diagnostic {
    let help = match error {
        PlanError::Impossible { help, .. } => help.clone(),
        PlanError::Unread(unread) => match &unread.gap {
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

fn cycle(playbook: &Playbook, waiting: &[ChangeId]) -> Diagnostic {
    let ids: Vec<&str> = waiting.iter().map(ChangeId::as_str).collect();
    let message = format!("these changes wait for each other: {}", ids.join(", "));
    let help = "a session's second cut waits for every key and quarantine of its user; take `needs` off \
                the steps that cut those";
    let problem = Diagnostic::error(Code::Cycle, message).help(help);
    match waiting.first().and_then(|id| playbook.step(&id.step())) {
        Some(step) => problem.at(step.place.clone(), "among them this step"),
        None => problem,
    }
}

/// Says of every change what comes first: what its step needs, and, for the second pass over sessions,
/// the proof that whatever could mint new ones is cut.
fn connect(playbook: &Playbook, changes: &mut [Change]) {
    let stops_minting: Vec<(ChangeId, Effect)> = changes
        .iter()
        .flat_map(|change| change.effects.iter().map(|effect| (change.id.clone(), effect.clone())))
        .filter(
            |(_, effect)| matches!(effect, Effect::Cuts { barrier, .. } if barrier.stops_minting()),
        )
        .collect();
    let second_passes: BTreeSet<ChangeId> = changes
        .iter()
        .filter(|change| {
            change.effects.iter().any(|effect| {
                matches!(effect, Effect::Cuts { barrier: Barrier::SessionsSecondPass, .. })
            })
        })
        .map(|change| change.id.clone())
        .collect();
    let of_steps: Vec<(ChangeId, crate::ids::StepId)> =
        changes.iter().map(|change| (change.id.clone(), change.step.clone())).collect();
    for change in changes {
        let step = playbook.step(&change.step).expect("changes come from steps");
        let stops = stops_minting.iter().any(|(id, _)| *id == change.id);
        let mut needs: Vec<Need> = of_steps
            .iter()
            .filter(|(_, of)| step.needs.contains(of))
            // Whatever stops minting cannot wait for the pass that waits for it.
            .filter(|(id, _)| !(stops && second_passes.contains(id)))
            .map(|(id, _)| Need { change: id.clone(), proof: Proof::ReadBack })
            .collect();
        for effect in &change.effects {
            let Effect::Cuts { subject, barrier: Barrier::SessionsSecondPass } = effect else {
                continue;
            };
            let first = stops_minting.iter().filter(|(_, other)| {
                matches!(other, Effect::Cuts { subject: other, .. } if other.user() == subject.user())
            });
            needs.extend(first.map(|(id, _)| Need { change: id.clone(), proof: Proof::Settled }));
        }
        change.needs = needs;
    }
}

/// Roles that somebody in scope may have assumed, by their trust policies.
fn roles_in_reach(
    users: &BTreeSet<crate::ids::UserName>,
    inventory: &Inventory,
    warnings: &mut Vec<String>,
) -> Vec<RoleInReach> {
    if users.is_empty() {
        return Vec::new();
    }
    let roles = match inventory.roles() {
        Ok(roles) => roles,
        Err(unread) => {
            warnings.push(format!("which roles can be assumed was not read: {unread}"));
            return Vec::new();
        }
    };
    let mut reach = Vec::new();
    for user in users {
        let Some(arn) = inventory.user(user).ok().and_then(Option::as_ref).map(|u| &u.arn) else {
            continue;
        };
        for role in roles {
            let admits = match Document::parse(&role.trust)
                .map(|trust| admits(&trust, arn.as_str(), inventory.caller.account.as_str()))
            {
                Ok(Admission::No) => continue,
                Ok(Admission::Named) => "named",
                Ok(Admission::Account) => "as anyone of the account whose own policies allow it",
                Ok(Admission::Anyone) => "as anyone at all",
                // What cannot be understood is not thereby harmless.
                Err(_) => "perhaps: its trust policy cannot be understood",
            };
            reach.push(RoleInReach {
                role: role.name.clone(),
                user: user.clone(),
                admits: admits.to_owned(),
            });
        }
    }
    reach
}

/// What was seen and is left alone, and why.
fn untouched(roles: &[RoleInReach], changes: &[Change], inventory: &Inventory) -> Vec<Untouched> {
    let mut untouched: Vec<Untouched> = roles
        .iter()
        .map(|reach| Untouched {
            what: format!("role {}", reach.role),
            why: format!(
                "its trust policy admits {} ({}), and no step cuts its sessions",
                reach.user, reach.admits
            ),
        })
        .collect();
    for effect in changes.iter().flat_map(|change| &change.effects) {
        if let Effect::Delivers { secret } = effect {
            untouched.push(Untouched {
                what: format!("other readers of secret {secret}"),
                why: "not examined: whoever may read it will read the new key".to_owned(),
            });
        }
    }
    untouched.push(Untouched {
        what: format!("everything else in account {}", inventory.caller.account),
        why: "not selected by the playbook".to_owned(),
    });
    untouched
}
