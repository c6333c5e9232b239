//! Is a finished plan safe? The second of the gate's three places, the lock-out, the limits.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Undecided;
use super::lockout::{cuts_off_break_glass, refuse_lock_out};
use crate::action::CANARY_PATH;
use crate::diagnostic::{Code, Diagnostic, counted, nearest};
use crate::ids::{AccessKeyId, Arn, ChangeId, Principal, SecretId};
use crate::inventory::{Inventory, ListedRole};
use crate::plan::{
    Barrier, Change, Credential, Destination, Effect, Have, Plan, Subject, longest_session,
};
use crate::playbook::{Phase, Playbook, Proof, shorten};
use crate::policy::Document;
use crate::policy::trust::{Admitted, everybody_admitted};

/// Below this a cut may be read back twice before it is enforced even once (about four seconds have been
/// measured).
const LEAST_SENSIBLE_MARGIN: u64 = 10;

/// Refuses an unsafe plan, and adds the warnings that an operator should read before saying yes. What a later round,
/// after `earlier`, cuts of break-glass is asked about instead: refused, it would keep every other cut from being made.
/// Of `undecided` steps nobody knows what they come to: what is wrong whatever that is, is told, and no more.
pub(super) fn lint(
    playbook: &Playbook,
    plan: &mut Plan,
    inventory: &Inventory,
    earlier: Option<&Plan>,
    undecided: &[Undecided<'_>],
) -> Result<(), Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut caller = inventory.caller.clone();
    if let Some(earlier) = earlier {
        caller.break_glass.clear();
        plan.warnings.extend(cuts_off_break_glass(earlier, plan, inventory));
    }
    match refuse_lock_out(plan, inventory, &caller) {
        Ok(warnings) => plan.warnings.extend(warnings),
        Err(problem) => problems.push(problem),
    }
    behind_the_gate(playbook, plan, undecided, &mut problems);
    one_at_a_time(playbook, plan, &mut problems);
    problems.extend(limits(playbook, "plan", plan.pending().count(), plan.principals.len()));
    share(playbook, plan, inventory, &mut problems);
    // Of several accounts one may have the gap: then it is judged of all.
    if plan.together.is_none() && undecided.is_empty() {
        accepted_gaps([&*plan].into_iter(), &mut problems);
    }
    vanished_keys(plan, inventory);
    lifts(plan);
    seals(playbook, plan, undecided, &mut problems);
    kept_out(plan, inventory);
    refusals(plan);
    approvals(plan);
    unapproved(plan);
    gate(plan);
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Refuses a plan that cuts off a larger share of the account than its author had in mind.
fn share(playbook: &Playbook, plan: &Plan, inventory: &Inventory, problems: &mut Vec<Diagnostic>) {
    let Some(percent) = playbook.limits.percent.filter(|_| plan.users().next().is_some()) else {
        return;
    };
    let count = inventory.account_summary().map(|summary| summary.get("Users").copied());
    let mut problem = match count {
        Ok(Some(all)) => {
            let all = usize::try_from(all).unwrap_or(0);
            let cut_off = plan.users().count();
            if cut_off * 100 <= percent * all {
                return;
            }
            let message = format!(
                "the plan cuts off {cut_off} of the account's {}, and the playbook allows {percent} percent",
                counted(all, "user")
            );
            Diagnostic::error(Code::OverLimit, message)
                .help("see what selects them; raise `limits.percent` if all are meant")
        }
        // A limit that cannot be checked is not thereby kept.
        Ok(None) | Err(_) => Diagnostic::error(
            Code::OverLimit,
            "how many users the account has is not known, and the playbook limits their share",
        )
        .help("allow iam:GetAccountSummary, or take `limits.percent` out for `limits.principals`"),
    };
    if let Some(place) = &playbook.limits.place {
        problem = problem.at(place.clone(), "the limit");
    }
    problems.push(problem);
}

/// Phases that will wait for approvals, said in advance.
fn approvals(plan: &mut Plan) {
    for (phase, people) in &plan.approvals {
        if plan.changes.iter().any(|change| change.phase == *phase) {
            plan.warnings.push(format!(
                "phase `{phase}` asks for {}: the run will wait before it, with exit code 6, until \
                 so many people have said: portcullis approve CASE {phase}",
                counted(*people, "approval")
            ));
        }
    }
}

/// A phase that deletes for good, without anybody's approval.
fn unapproved(plan: &mut Plan) {
    let destroy = Phase::Destroy;
    let deletes = plan.changes.iter().any(|change| change.phase == destroy);
    if deletes && !plan.approvals.contains_key(&destroy) {
        plan.warnings.push(
            "phase `destroy` deletes for good, and the playbook asks for nobody's approval: \
             `approvals: { destroy: 2 }`"
                .to_owned(),
        );
    }
}

/// What issues, delivers or lifts is behind the gate, for somebody the gate looks at; what is destroyed
/// is cut first.
fn behind_the_gate(
    playbook: &Playbook,
    plan: &Plan,
    undecided: &[Undecided<'_>],
    problems: &mut Vec<Diagnostic>,
) {
    let perhaps_cut = |of: &str| may_cut(undecided, of);
    let perhaps_rotated =
        undecided.iter().any(|one| one.step.uses.as_str() == "secretsmanager.secret.rotate");
    let cut = cut_by_itself(plan);
    let principals: BTreeSet<_> = plan.principals.iter().collect();
    for Undecided { step, lets_in } in undecided {
        let Some(principal) = lets_in else { continue };
        if !principals.contains(principal) && !perhaps_cut("iam.") {
            let (message, help) = not_cut_off(&format!("step `{}`", step.id), principal);
            let problem = Diagnostic::error(Code::GateOrder, message).help(help);
            problems.push(problem.at(step.place.clone(), "this step"));
        }
    }
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
            let concerned = match effect {
                Effect::Issues { user, .. } => Some(Principal::User(user.clone())),
                Effect::Lifts { subject, .. } => subject.principal(),
                _ => None,
            };
            match (effect, concerned) {
                (_, Some(principal))
                    if !principals.contains(&principal) && !perhaps_cut("iam.") =>
                {
                    let (message, help) = not_cut_off(change.id.as_str(), &principal);
                    complain(message, &help);
                }
                (
                    Effect::Lifts {
                        subject:
                            Subject::Credential { credential: credential @ Credential::Manual { .. } },
                        ..
                    },
                    None,
                ) if !cut.contains(credential) && !perhaps_cut("manual.") => {
                    complain(
                        format!(
                            "{} would open the {credential}, which no step closes first",
                            change.id
                        ),
                        "add `manual.close` with the same `covers` in phase contain",
                    );
                }
                (Effect::Destroys { credential: Credential::SecretValue { secret } }, _)
                    if !rotates(plan, secret) && !perhaps_rotated =>
                {
                    complain(
                        format!(
                            "{} would strip the value of secret {secret}, which no step replaces first",
                            change.id
                        ),
                        "add `secretsmanager.secret.rotate` in phase rotate",
                    );
                }
                // What is replaced is not cut first: nothing but its replacement ends it.
                (Effect::Destroys { credential: Credential::SecretValue { .. } }, _) => {}
                (Effect::Destroys { credential }, _)
                    if !cut.contains(credential)
                        && !stays_quarantined(plan, credential)
                        && !perhaps_cut("iam.") =>
                {
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

/// Somebody is handed something, or let in again, who was never cut off.
fn not_cut_off(by: &str, principal: &Principal) -> (String, String) {
    let kind = match principal {
        Principal::User(_) => "user",
        Principal::Role(_) => "role",
    };
    (
        format!("{by} concerns {}, whom no step cuts off first", principal.name()),
        format!("add `iam.{kind}.quarantine` for the same {kind} in phase contain"),
    )
}

/// Whether a step of which nobody knows what it comes to is one that may cut such things before the gate.
fn may_cut(undecided: &[Undecided<'_>], of: &str) -> bool {
    undecided.iter().any(|Undecided { step, .. }| {
        !step.phase.is_behind_the_gate() && step.uses.as_str().starts_with(of)
    })
}

/// A seal leaves nobody in whom the plan cuts off, and comes off only what is sealed; and what will be held is said
/// in advance.
fn seals(
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
                _ => {}
            }
        }
    }
    plan.warnings.extend(warnings);
}

/// A function that a seal keeps from the secret it is to rotate. Which role it works as is not read; that it is one
/// which Lambda may assume is known.
fn kept_out(plan: &mut Plan, inventory: &Inventory) {
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

/// Whether a step puts a new value into a secret.
fn rotates(plan: &Plan, secret: &SecretId) -> bool {
    let effects = plan.changes.iter().flat_map(|change| &change.effects);
    effects
        .into_iter()
        .any(|effect| matches!(effect, Effect::Rotates { secret: of, .. } if of == secret))
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

/// What is delivered twice into one place is delivered once: the second finds the place changed. And a password
/// that is set twice is delivered wrongly once.
fn one_at_a_time(playbook: &Playbook, plan: &Plan, problems: &mut Vec<Diagnostic>) {
    let mut taken: BTreeMap<String, &ChangeId> = BTreeMap::new();
    for change in plan.changes.iter().filter(|change| change.is_gated()) {
        for effect in &change.effects {
            let (what, help) = match effect {
                Effect::Delivers { to: Destination::Secret { secret } } => (
                    format!("would deliver into secret {secret}"),
                    "give each user a secret of his own, like `deliver_to: helpdesk/${{ each }}`",
                ),
                Effect::Issues { user, replaces: Some(Credential::Password { .. }) } => (
                    format!("would set the console password of {user}"),
                    "let one step do it: take the user out of the other's list",
                ),
                _ => continue,
            };
            let Some(first) = taken.get(&what) else {
                taken.insert(what, &change.id);
                continue;
            };
            let message =
                format!("{} and {first} both {}", change.id, what.replacen("would ", "", 1));
            let mut problem = Diagnostic::error(Code::CannotPlan, message).help(help);
            if let Some(step) = playbook.step(&change.step) {
                problem = problem.at(step.place.clone(), "this step");
            }
            problems.push(problem);
        }
    }
}

/// Every credential that a step cuts by itself.
fn cut_by_itself(plan: &Plan) -> BTreeSet<&Credential> {
    let effects = plan.changes.iter().flat_map(|change| &change.effects);
    effects
        .filter_map(|effect| match effect {
            Effect::Cuts { subject: Subject::Credential { credential }, .. } => Some(credential),
            _ => None,
        })
        .collect()
}

/// Whether the quarantine of its holder cuts a credential, and no step lifts that again.
fn stays_quarantined(plan: &Plan, credential: &Credential) -> bool {
    let effects = || plan.changes.iter().flat_map(|change| &change.effects);
    let puts_on = |effect: &Effect| {
        matches!(effect, Effect::Cuts { subject, barrier: Barrier::Quarantine }
            if subject.covers(credential))
    };
    let takes_off = |effect: &Effect| {
        matches!(effect, Effect::Lifts { subject, barrier: Barrier::Quarantine }
            if subject.covers(credential))
    };
    effects().any(puts_on) && !effects().any(takes_off)
}

/// More than the playbook allows.
fn limits(playbook: &Playbook, what: &str, changes: usize, principals: usize) -> Vec<Diagnostic> {
    let limits = &playbook.limits;
    let mut problems = Vec::new();
    for (found, limit, does, help) in [
        (
            changes,
            limits.changes,
            format!("has {}", counted(changes, "change")),
            "read them with `portcullis plan`; raise `limits.changes` if all are meant",
        ),
        (
            principals,
            limits.principals,
            format!("cuts off {}", counted(principals, "principal")),
            "see what selects them; raise `limits.principals` if all are meant",
        ),
    ] {
        let Some(limit) = limit.filter(|limit| found > *limit) else { continue };
        let message = format!("the {what} {does}, and the playbook allows {limit}");
        let mut problem = Diagnostic::error(Code::OverLimit, message).help(help);
        if let Some(place) = &limits.place {
            problem = problem.at(place.clone(), "the limit");
        }
        problems.push(problem);
    }
    problems
}

/// What is wrong with the plans of several accounts together, and not with one alone.
pub fn lint_together(playbook: &Playbook, plans: &[&Plan]) -> Vec<Diagnostic> {
    let changes = plans.iter().map(|plan| plan.pending().count()).sum();
    let principals = plans.iter().map(|plan| plan.principals.len()).sum();
    let mut problems = limits(playbook, "plan of all accounts", changes, principals);
    accepted_gaps(plans.iter().copied(), &mut problems);
    problems
}

/// Only what could not be listed can be accepted: anything else is a slip of the finger, and would accept
/// nothing.
fn accepted_gaps<'p>(
    plans: impl Iterator<Item = &'p Plan> + Clone,
    problems: &mut Vec<Diagnostic>,
) {
    let (mut gaps, mut not_understood) = (BTreeSet::new(), BTreeSet::new());
    for credential in plans.clone().flat_map(|plan| &plan.credentials) {
        match credential {
            Credential::Unlisted { operation, .. } => drop(gaps.insert(operation.as_str())),
            Credential::NotUnderstood { operation, .. } => {
                not_understood.insert(operation.as_str());
            }
            _ => {}
        }
    }
    let accepted: BTreeSet<&String> = plans.flat_map(|plan| &plan.accepted_gaps).collect();
    for given in accepted.into_iter().filter(|given| !gaps.contains(given.as_str())) {
        let why = if not_understood.contains(given.as_str()) {
            "it was answered, and not understood: there is something, and what is not known"
        } else {
            "it is no listing that could not be read"
        };
        let help = match nearest(given, gaps.iter().copied()) {
            Some(near) => format!("did you mean --accept-gap {near}?"),
            None if gaps.is_empty() => {
                "leave --accept-gap out: there is nothing to accept".to_owned()
            }
            None => {
                let gaps: Vec<&str> = gaps.iter().copied().collect();
                format!("what could not be listed: {}", gaps.join(", "))
            }
        };
        let message = format!("--accept-gap {} accepts nothing: {why}", shorten(given));
        problems.push(Diagnostic::error(Code::CannotPlan, message).help(help));
    }
}

/// A key that was given and that its owner does not have any more: deleting it ended no session it minted, and
/// whoever typed it may have meant another.
fn vanished_keys(plan: &mut Plan, inventory: &Inventory) {
    let given = plan.inputs.values().filter_map(|value| AccessKeyId::parse(value.as_str()?).ok());
    let vanished = given.filter_map(|id| {
        let owner = &inventory.access_key_last_used(&id).ok()?.as_ref()?.user;
        let keys = inventory.access_keys(owner).ok()?;
        (plan.users().any(|user| user == owner) && keys.iter().all(|key| key.id != id)).then(|| {
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
    let mut cut = cut_by_itself(plan);
    // A password that is set anew has the place of the old one.
    let effects = plan.changes.iter().flat_map(|change| &change.effects);
    cut.extend(effects.filter_map(|effect| match effect {
        Effect::Issues { replaces: Some(anew @ Credential::Password { .. }), .. } => Some(anew),
        _ => None,
    }));
    let mut held: BTreeMap<_, Vec<&Credential>> = BTreeMap::new();
    for credential in &plan.credentials {
        held.entry(credential.principal()).or_default().push(credential);
    }
    for change in &plan.changes {
        for effect in &change.effects {
            let Effect::Lifts { subject, barrier } = effect else { continue };
            if *barrier == Barrier::SessionsSecondPass
                && let Some(principal) = subject.principal()
            {
                warnings.push(format!(
                    "{} will be held until {} hours after the last pass over the sessions of {principal}: they may \
                     live so long. Resume then",
                    change.id,
                    longest_session(&principal).as_hours()
                ));
            }
            if barrier.is_of_sessions() {
                continue;
            }
            let otherwise = |credential: &Credential| {
                cut.contains(credential)
                    || *barrier == Barrier::Network && stays_quarantined(plan, credential)
            };
            for credential in held.get(&subject.principal()).into_iter().flatten().copied() {
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
                    credential if plan.trust_in(credential).is_some() => {}
                    credential if !otherwise(credential) => warnings.push(format!(
                        "{} will be held: nothing but the {} blocks the {credential}",
                        change.id,
                        if *barrier == Barrier::Network { "restriction" } else { "quarantine" }
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

/// As much as is known of it: a cut that is not allowed is held.
fn what_will_be_cut(plan: &Plan) -> &'static str {
    let held = |change: &Change| change.cuts() && change.is_refused();
    if plan.changes.iter().any(held) { "What is allowed" } else { "Everything" }
}

fn gate(plan: &mut Plan) {
    if !plan.changes.iter().any(crate::plan::Change::is_gated) {
        return;
    }
    if plan.gate.proof > Proof::Settled {
        match &plan.canary {
            Some(canary) => {
                let refused = super::canary::refused(canary);
                if !refused.is_empty() {
                    let warning = format!(
                        "no cut can be shown enforced: {} is not allowed to {} on users under \
                         {CANARY_PATH}. {} will be cut, the gate will stay shut, and nothing will be \
                         issued. Allow it before you run; `--gate settled` lowers the gate for one run",
                        refused.join(", "),
                        plan.caller,
                        what_will_be_cut(plan)
                    );
                    plan.warnings.push(warning);
                }
            }
            None => plan.warnings.push(format!(
                "the gate asks for {} proof, and no cut of this plan can be tried. {} will be cut, the \
                 gate will stay shut, and nothing will be issued. `--gate settled` lowers it for one run",
                plan.gate.proof,
                what_will_be_cut(plan)
            )),
        }
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
