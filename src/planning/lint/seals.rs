//! Secrets that are sealed, and functions that rotate them: whom a seal leaves in, and whom it keeps out.

use std::collections::BTreeMap;

use super::{cut_by_itself, may_cut, rotates};
use crate::diagnostic::{Code, Diagnostic};
use crate::ids::{Arn, Principal, SecretId};
use crate::inventory::{Inventory, ListedRole};
use crate::plan::{Barrier, Change, Credential, Destination, Effect, Plan, Subject};
use crate::planning::draft::Undecided;
use crate::playbook::Playbook;
use crate::policy::Document;
use crate::policy::trust::{Admitted, everybody_admitted};

/// A seal leaves nobody in whom the plan cuts off, and comes off only what is sealed; and what will be held is said
/// in advance.
pub(super) fn seals(
    playbook: &Playbook,
    plan: &mut Plan,
    undecided: &[Undecided<'_>],
    problems: &mut Vec<Diagnostic>,
) {
    let cut = cut_by_itself(plan);
    let mut warnings = Vec::new();
    for change in &plan.changes {
        let mut complain = |message: String, help: &str| {
            let mut problem = Diagnostic::error(Code::GateOrder, message).help(help);
            if let Some(step) = playbook.step(&change.step) {
                problem = problem.at(step.place.clone(), "this step");
            }
            problems.push(problem);
        };
        for effect in &change.effects {
            match effect {
                Effect::Spares { principals } => {
                    let inside = plan
                        .principals
                        .iter()
                        .find(|principal| principals.iter().any(|one| is_of(one, principal, plan)));
                    if let Some(inside) = inside {
                        complain(
                            format!(
                                "{} would leave {inside} reading {}, and the plan cuts {inside} off",
                                change.id, change.target
                            ),
                            "take it out of `readers`: what is written there next is not for whoever is cut off",
                        );
                    }
                }
                Effect::Lifts {
                    subject:
                        Subject::Credential { credential: value @ Credential::SecretValue { secret } },
                    ..
                } => {
                    if !cut.contains(value) {
                        if may_cut(undecided, "secretsmanager.secret.") {
                            continue;
                        }
                        complain(
                            format!(
                                "{} would unseal secret {secret}, which no step seals",
                                change.id
                            ),
                            "add `secretsmanager.secret.seal` for the same secret in phase contain",
                        );
                    } else if !rotates(plan, secret) {
                        warnings.push(format!(
                            "{} will be held: no step puts a new value into secret {secret}, and the one it has \
                             may be known",
                            change.id
                        ));
                    }
                }
                Effect::Delivers { to: Destination::Secret { secret } } => {
                    let value = Credential::SecretValue { secret: secret.clone() };
                    let is_unsealed = plan.changes.iter().flat_map(|one| &one.effects).any(|effect| {
                        matches!(effect, Effect::Lifts { subject: Subject::Credential { credential }, .. }
                            if *credential == value)
                    });
                    if cut.contains(&value) && !is_unsealed {
                        warnings.push(format!(
                            "{} puts what is new into secret {secret}, which stays sealed: nobody but its \
                             `readers` can read it. Add `secretsmanager.secret.unseal` in phase recover",
                            change.id
                        ));
                    }
                }
                _ => {}
            }
        }
    }
    plan.warnings.extend(warnings);
}

/// A function that a seal keeps from the secret it is to rotate. Which role it works as is not read; that it is one
/// which Lambda may assume is known.
pub(super) fn kept_out(plan: &mut Plan, inventory: &Inventory) {
    let functions: Vec<&ListedRole> = match inventory.roles() {
        Ok(roles) => roles.iter().filter(|role| is_for_functions(role)).collect(),
        Err(_) => return,
    };
    let seals: BTreeMap<&SecretId, &Change> = plan
        .changes
        .iter()
        .flat_map(|change| change.effects.iter().map(move |effect| (effect, change)))
        .filter_map(|(effect, change)| match effect {
            Effect::Cuts { barrier: Barrier::Sealed, .. } => Some((effect.secret()?, change)),
            _ => None,
        })
        .collect();
    let mut warnings = Vec::new();
    for (rotation, secret, function) in rotations(plan) {
        let Some(seal) = seals.get(secret) else { continue };
        let mut spared = seal.effects.iter().filter_map(|effect| match effect {
            Effect::Spares { principals } => Some(principals),
            _ => None,
        });
        let lets_one_in = spared.any(|principals| {
            functions.iter().any(|role| {
                let role = Principal::Role(role.name.clone());
                principals.iter().any(|one| is_of(one, &role, plan))
            })
        });
        if !lets_one_in {
            warnings.push(format!(
                "{} may be held: {} seals secret {secret}, and none of its `readers` is known to be a role that Lambda \
                 may assume, as whom its function works. Name that role there: aws lambda get-function-configuration \
                 --query Role --function-name {function}",
                rotation.id, seal.id
            ));
        }
    }
    plan.warnings.extend(warnings);
}

/// Whether a function may work as a role.
fn is_for_functions(role: &ListedRole) -> bool {
    let Ok(trust) = Document::parse(&role.trust) else { return true };
    everybody_admitted(&trust).iter().any(|admitted| {
        matches!(admitted, Admitted::Anyone)
            || matches!(admitted, Admitted::Other(service) if service.starts_with("lambda."))
    })
}

/// Every change that has a function make a new value, with the secret and the function.
fn rotations(plan: &Plan) -> impl Iterator<Item = (&Change, &SecretId, &Arn)> {
    plan.changes.iter().flat_map(|change| {
        change.effects.iter().filter_map(move |effect| match effect {
            Effect::Rotates { secret, function: Some(function), .. } => {
                Some((change, secret, function))
            }
            _ => None,
        })
    })
}

/// Whether an ARN is that of a principal of the plan's account, whatever its path.
fn is_of(arn: &str, principal: &Principal, plan: &Plan) -> bool {
    let Ok(arn) = Arn::parse(arn) else { return false };
    let kind = match principal {
        Principal::User(_) => "user/",
        Principal::Role(_) => "role/",
    };
    arn.account() == plan.account.as_str()
        && arn.resource().starts_with(kind)
        && arn.resource().rsplit('/').next() == Some(principal.name())
}
