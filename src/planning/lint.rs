//! Is a finished plan safe? The second of the gate's three places, the lock-out, the limits.

use std::collections::BTreeMap;

use super::lockout::refuse_lock_out;
use crate::diagnostic::{Code, Diagnostic};
use crate::ids::{AccessKeyId, ChangeId};
use crate::inventory::Inventory;
use crate::plan::{Barrier, Credential, Effect, Have, Plan, Subject};
use crate::playbook::{Playbook, Proof};

/// Below this a cut may be read back twice before it is enforced even once (about four seconds have been
/// measured).
const LEAST_SENSIBLE_MARGIN: u64 = 10;

/// Refuses an unsafe plan, and adds the warnings that an operator should read before saying yes.
pub(super) fn lint(
    playbook: &Playbook,
    plan: &mut Plan,
    inventory: &Inventory,
) -> Result<(), Vec<Diagnostic>> {
    let mut problems = Vec::new();
    match refuse_lock_out(plan, inventory, &inventory.caller) {
        Ok(warnings) => plan.warnings.extend(warnings),
        Err(problem) => problems.push(problem),
    }
    behind_the_gate(playbook, plan, &mut problems);
    if let Some(limit) = playbook.limits.changes
        && plan.pending().count() > limit
    {
        let message = format!(
            "the plan has {} changes, and the playbook allows {limit}",
            plan.pending().count()
        );
        let mut problem = Diagnostic::error(Code::OverLimit, message)
            .help("read them with `portcullis plan`; raise `limits.changes` if all are meant");
        if let Some(place) = &playbook.limits.place {
            problem = problem.at(place.clone(), "the limit");
        }
        problems.push(problem);
    }
    if let Some(limit) = playbook.limits.principals
        && plan.users.len() > limit
    {
        let message = format!(
            "the plan cuts off {} principals, and the playbook allows {limit}",
            plan.users.len()
        );
        let mut problem = Diagnostic::error(Code::OverLimit, message)
            .help("see what selects them; raise `limits.principals` if all are meant");
        if let Some(place) = &playbook.limits.place {
            problem = problem.at(place.clone(), "the limit");
        }
        problems.push(problem);
    }
    vanished_keys(plan, inventory);
    lifts(plan);
    refusals(plan);
    gate(plan);
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// What issues, delivers or lifts is behind the gate, for somebody the gate looks at; what is destroyed
/// is cut first.
fn behind_the_gate(playbook: &Playbook, plan: &Plan, problems: &mut Vec<Diagnostic>) {
    for change in plan.changes.iter().filter(|change| change.is_gated()) {
        let mut complain = |message: String, help: &str| {
            let mut problem = Diagnostic::error(Code::GateOrder, message).help(help);
            if let Some(step) = playbook.step(&change.step) {
                problem = problem.at(step.place.clone(), "this step");
            }
            problems.push(problem);
        };
        if !change.phase.is_behind_the_gate() {
            complain(
                format!("{} would {} before the gate", change.id, change.what),
                "move the step to phase rotate or recover",
            );
        }
        for effect in &change.effects {
            match effect {
                Effect::Issues { user, .. } | Effect::Lifts { user, .. }
                    if !plan.users.contains(user) =>
                {
                    complain(
                        format!("{} concerns {user}, whom no step cuts off first", change.id),
                        "add `iam.user.quarantine` for the same user in phase contain",
                    );
                }
                Effect::Destroys { credential } if !is_cut(plan, credential) => {
                    complain(
                        format!(
                            "{} would delete the {credential}, which no step cuts first",
                            change.id
                        ),
                        "add `iam.access-key.deactivate` with `keys: all` in phase contain",
                    );
                }
                _ => {}
            }
        }
    }
}

fn is_cut(plan: &Plan, credential: &Credential) -> bool {
    plan.changes.iter().flat_map(|change| &change.effects).any(|effect| {
        matches!(effect, Effect::Cuts { subject: Subject::Credential { credential: cut }, .. }
            if cut == credential)
    })
}

/// A key that was given and that its owner does not have any more: deleting it ended no session it minted, and
/// whoever typed it may have meant another.
fn vanished_keys(plan: &mut Plan, inventory: &Inventory) {
    let given = plan.inputs.values().filter_map(|value| AccessKeyId::parse(value.as_str()?).ok());
    let vanished = given.filter_map(|id| {
        let owner = &inventory.access_key_last_used(&id).ok()?.as_ref()?.user;
        let keys = inventory.access_keys(owner).ok()?;
        (plan.users.contains(owner) && keys.iter().all(|key| key.id != id)).then(|| {
            format!(
                "{id} was a key of {owner} and is not among the keys he has: somebody has deleted it. What was \
                 minted from it may live on"
            )
        })
    });
    let warnings: Vec<String> = vanished.collect();
    plan.warnings.extend(warnings);
}

/// Lifts that will wait for a person, said in advance: cuts must not wait for them.
fn lifts(plan: &mut Plan) {
    let mut warnings = Vec::new();
    for change in &plan.changes {
        for effect in &change.effects {
            let Effect::Lifts { user, barrier: Barrier::Quarantine } = effect else { continue };
            for credential in plan.credentials.iter().filter(|c| c.user() == Some(user)) {
                match credential {
                    Credential::Unlisted { operation, .. } => {
                        warnings.push(if plan.accepted_gaps.contains(operation) {
                            format!(
                                "{} lifts although {operation} shows nothing: accepted for this plan",
                                change.id
                            )
                        } else {
                            format!(
                                "{} will be held: {credential} is not known. Allow {operation}, or plan with \
                                 --accept-gap {operation}",
                                change.id
                            )
                        });
                    }
                    credential if !is_cut(plan, credential) => warnings.push(format!(
                        "{} will be held: nothing but the quarantine blocks the {credential}",
                        change.id
                    )),
                    _ => {}
                }
            }
        }
    }
    plan.warnings.extend(warnings);
}

/// What AWS would refuse, said in advance: it stops that change alone, and no cut waits for it.
fn refusals(plan: &mut Plan) {
    let mut refused: BTreeMap<&str, Vec<&ChangeId>> = BTreeMap::new();
    for change in plan.changes.iter().filter(|change| !change.already) {
        for permission in &change.permissions {
            if permission.have == Have::Cannot && permission.only_if.is_none() {
                refused.entry(&permission.action).or_default().push(&change.id);
            }
        }
    }
    let warnings: Vec<String> = refused
        .into_iter()
        .map(|(action, changes)| {
            let more = match changes.len() {
                1 => String::new(),
                n => format!(" and {} more", n - 1),
            };
            format!(
                "{action} is not allowed to {}: {}{more} will be held. Allow it before you run; what can be \
                 cut is cut all the same",
                plan.caller, changes[0]
            )
        })
        .collect();
    plan.warnings.extend(warnings);
}

fn gate(plan: &mut Plan) {
    if !plan.changes.iter().any(crate::plan::Change::is_gated) {
        return;
    }
    if plan.gate.proof > Proof::Settled {
        plan.warnings.push(format!(
            "the gate asks for {} proof, which this version cannot obtain: everything will be cut, the gate \
             will stay shut, and nothing will be issued. `--gate settled` lowers it for one run",
            plan.gate.proof
        ));
    } else {
        plan.warnings.push(
            "the gate opens on settled proof: that cuts are enforced is inferred, not shown. The run will \
             end with exit code 11"
                .to_owned(),
        );
    }
    if plan.gate.margin_seconds < LEAST_SENSIBLE_MARGIN {
        plan.warnings.push(format!(
            "a margin of {} s is shorter than cuts may take to be enforced (seconds, at times minutes)",
            plan.gate.margin_seconds
        ));
    }
}
