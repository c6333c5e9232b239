//! Is a finished plan safe? The second of the gate's three places, the lock-out, the limits.

mod at_best;
mod foretold;
mod review;
mod seals;

use std::collections::{BTreeMap, BTreeSet};

pub use self::foretold::left_open;
use super::draft::Undecided;
use super::lockout::{accepts_nothing, cuts_off_break_glass, refuse_lock_out};
use crate::diagnostic::{Code, Diagnostic, counted, grouped, nearest};
use crate::ids::{AccountId, ChangeId, Principal, SecretId, StepId};
use crate::inventory::Inventory;
use crate::plan::{Barrier, Credential, Destination, Effect, Plan, SavedPlan, Subject};
use crate::playbook::{Playbook, shorten};

/// Which steps come to nothing that is known.
pub(super) struct Known<'a> {
    pub(super) undecided: &'a [Undecided<'a>],
    /// Whether none of them is so for anything but a refused question.
    pub(super) all_is_decided: bool,
}

/// What makes a plan unsafe; and adds the warnings that an operator should read before saying yes. What a later round,
/// after `earlier`, cuts of break-glass is asked about instead: refused, it would keep every other cut from being made.
/// Of `undecided` steps nobody knows what they come to: what is wrong whatever that is, is told, and no more.
pub(super) fn lint(
    playbook: &Playbook,
    plan: &mut Plan,
    inventory: &Inventory,
    earlier: Option<&Plan>,
    known: &Known<'_>,
) -> Vec<Diagnostic> {
    let Known { undecided, all_is_decided } = *known;
    let mut problems = Vec::new();
    // What keeps the run from ending proven, and what cannot be taken back, is read first.
    let told = std::mem::take(&mut plan.warnings);
    let mut caller = inventory.caller.clone();
    if let Some(earlier) = earlier {
        caller.break_glass.clear();
        plan.warnings.extend(cuts_off_break_glass(earlier, plan, inventory));
    }
    let place_of = |step: &StepId| Some(playbook.step(step)?.place.clone());
    match refuse_lock_out(plan, inventory, &caller, &place_of) {
        Ok(warnings) => {
            plan.warnings.extend(warnings);
            // In a later round it may have been of use before; of several accounts it is judged of all.
            if plan.together.is_none() && earlier.is_none() && undecided.is_empty() {
                accepts_nothing([(&*plan, inventory)], &mut problems);
            }
        }
        Err(problem) => problems.push(problem),
    }
    behind_the_gate(playbook, plan, undecided, &mut problems);
    one_at_a_time(playbook, plan, &mut problems);
    problems.extend(limits(playbook, "plan", &[&*plan]));
    share(playbook, plan, inventory, &mut problems);
    // Of several accounts one may have the gap: then it is judged of all.
    if plan.together.is_none() && all_is_decided {
        accepted_gaps([&*plan].into_iter(), &mut problems);
    }
    plan.at_best = at_best::shortfalls(plan, inventory);
    foretold::cuts_nobody(playbook, plan);
    foretold::gate(plan);
    foretold::unapproved(plan);
    foretold::refusals(plan);
    foretold::lifts(plan);
    seals::seals(playbook, plan, undecided, &mut problems);
    seals::kept_out(plan, inventory);
    plan.warnings.extend(told);
    foretold::vanished_keys(plan, inventory);
    plan.stays_shut = foretold::stays_shut(plan);
    foretold::waits(plan);
    review::passed(plan);
    problems
}

/// What to do about a share that is too large: whom the steps select, and the number to write, where one can be written.
fn share_help(of_steps: &str, cut_off: usize, all: usize) -> String {
    let needed = (cut_off * 100).div_ceil(all.max(1));
    if needed > 100 {
        // More are named than the account counts: some are not of it, or it has grown meanwhile.
        return format!("they are {of_steps}: see what selects them");
    }
    format!(
        "they are {of_steps}: let these select fewer; or, if all are meant, write `limits: {{ percent: {needed} }}`, and \
         read each before you say yes"
    )
}

/// Refuses a plan that cuts off a larger share of the account than its author had in mind.
fn share(playbook: &Playbook, plan: &Plan, inventory: &Inventory, problems: &mut Vec<Diagnostic>) {
    let Some(percent) = playbook.limits.percent.filter(|_| plan.users().next().is_some()) else {
        return;
    };
    let count = inventory.account_summary().map(|summary| summary.get("Users").copied());
    let mut of_steps = Vec::new();
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
            of_steps = principals_of_steps(playbook, &[plan], |one| one.user().is_some());
            let help = share_help(&in_a_list(&of_steps), cut_off, all);
            Diagnostic::error(Code::OverLimit, message).help(help)
        }
        // A limit that cannot be checked is not thereby kept.
        Ok(None) | Err(_) => Diagnostic::error(
            Code::OverLimit,
            "how many users the account has is not known, and the playbook limits their share",
        )
        .help("allow iam:GetAccountSummary, or take `limits.percent` out for `limits.principals`"),
    };
    if let Some(place) = playbook.limits.places.get("percent") {
        problem = problem.at(place.clone(), "the limit");
    }
    problems.push(at_its_steps(playbook, problem, of_steps));
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
    let gated = plan.changes.iter().filter(|change| change.is_gated() && change.undoes.is_none());
    for change in gated {
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

/// Whether a step puts a new value into a secret.
fn rotates(plan: &Plan, secret: &SecretId) -> bool {
    let effects = plan.changes.iter().flat_map(|change| &change.effects);
    effects.into_iter().any(|effect| {
        matches!(effect, Effect::Rotates { secret: of, .. }
            | Effect::Delivers { to: Destination::Secret { secret: of } } if of == secret)
    })
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

/// More than the playbook allows, and which steps it comes of.
fn limits(playbook: &Playbook, what: &str, plans: &[&Plan]) -> Vec<Diagnostic> {
    let limits = &playbook.limits;
    let changes: usize = plans.iter().map(|plan| plan.pending().count()).sum();
    let principals: usize = plans.iter().map(|plan| plan.principals.len()).sum();
    let mut problems = Vec::new();
    for (found, limit, key, does, of_steps) in [
        (
            changes,
            limits.changes,
            "changes",
            format!("has {}", counted(changes, "change")),
            changes_of_steps as fn(&Playbook, &[&Plan]) -> Vec<OfStep>,
        ),
        (
            principals,
            limits.principals,
            "principals",
            format!("cuts off {}", counted(principals, "principal")),
            |playbook, plans| principals_of_steps(playbook, plans, |_| true),
        ),
    ] {
        let Some(limit) = limit.filter(|limit| found > *limit) else { continue };
        let message = format!("the {what} {does}, and the playbook allows {limit}");
        let of_steps = of_steps(playbook, plans);
        let help = format!(
            "they are {}: let these select fewer; or, if all are meant, write `limits: {{ {key}: {found} }}`, and \
             read each before you say yes",
            in_a_list(&of_steps)
        );
        let mut problem = Diagnostic::error(Code::OverLimit, message).help(help);
        if let Some(place) = limits.places.get(key) {
            problem = problem.at(place.clone(), "the limit");
        }
        problems.push(at_its_steps(playbook, problem, of_steps));
    }
    problems
}

/// What comes of each of the first steps, and how many more there are.
fn in_a_list(of_steps: &[OfStep]) -> String {
    let named: Vec<&str> =
        of_steps.iter().take(NAMED_STEPS).map(|of| of.in_a_list.as_str()).collect();
    let more = match of_steps.len() - named.len() {
        0 => String::new(),
        more => format!("; and those of {}", counted(more, "more step")),
    };
    format!("{}{more}", named.join("; "))
}

/// The problem, told where the first of the steps stand as well.
fn at_its_steps(playbook: &Playbook, mut problem: Diagnostic, of_steps: Vec<OfStep>) -> Diagnostic {
    for OfStep { step, label, .. } in of_steps.into_iter().take(NAMED_STEPS) {
        if let Some(step) = playbook.step(&step) {
            problem = problem.and(step.place.clone(), label);
        }
    }
    problem
}

/// How many steps are named that more comes of than is allowed.
const NAMED_STEPS: usize = 3;

/// How many principals are named of each of them.
const NAMED_PRINCIPALS: usize = 5;

/// What of too much comes of one step.
struct OfStep {
    step: StepId,
    /// As it is told among the others.
    in_a_list: String,
    /// As it is told where the step stands.
    label: String,
}

/// How many changes are to be made for each step; the most first.
fn changes_of_steps(_: &Playbook, plans: &[&Plan]) -> Vec<OfStep> {
    let mut of_steps: BTreeMap<&StepId, usize> = BTreeMap::new();
    for change in plans.iter().flat_map(|plan| plan.pending()) {
        *of_steps.entry(&change.step).or_default() += 1;
    }
    let mut of_steps: Vec<(&StepId, usize)> = of_steps.into_iter().collect();
    of_steps.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let told = of_steps.into_iter().map(|(step, n)| OfStep {
        step: step.clone(),
        in_a_list: format!("{} of step `{step}`", grouped(n)),
        label: format!("{} of this step", grouped(n)),
    });
    told.collect()
}

/// Whom of those `meant` each step cuts, in all accounts, that none before it cuts: each is told once, by the first that
/// selects him.
fn principals_of_steps(
    playbook: &Playbook,
    plans: &[&Plan],
    meant: impl Fn(&Principal) -> bool,
) -> Vec<OfStep> {
    let mut of_steps: BTreeMap<&StepId, BTreeSet<(&AccountId, Principal)>> = BTreeMap::new();
    for plan in plans {
        for change in &plan.changes {
            let cut = change.effects.iter().filter_map(|effect| match effect {
                Effect::Cuts { subject, .. } => Some((&plan.account, subject.principal()?)),
                _ => None,
            });
            of_steps.entry(&change.step).or_default().extend(cut);
        }
    }
    let mut known: BTreeSet<(&AccountId, Principal)> = BTreeSet::new();
    let mut told = Vec::new();
    for step in &playbook.steps {
        let Some(cut) = of_steps.remove(&step.id) else { continue };
        let cut = cut.into_iter().filter(|(_, one)| meant(one));
        let new: Vec<_> = cut.filter(|one| known.insert(one.clone())).collect();
        if new.is_empty() {
            continue;
        }
        let of = |account: &AccountId| match plans {
            [_] => String::new(),
            _ => format!(" of account {account}"),
        };
        let named = new.iter().take(NAMED_PRINCIPALS);
        let named: Vec<String> =
            named.map(|(account, principal)| format!("{principal}{}", of(account))).collect();
        let more = match new.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let label = format!("{}{more}", named.join(", "));
        let in_a_list = format!("{label}, by step `{}`", step.id);
        told.push(OfStep { step: step.id.clone(), in_a_list, label });
    }
    told
}

/// What is wrong with the plans of several accounts together, and not with one alone. Where they are not `all` there are to
/// be, what is too much of these is too much of all.
pub fn lint_together(playbook: &Playbook, saved: &[SavedPlan], all: bool) -> Vec<Diagnostic> {
    let plans: Vec<&Plan> = saved.iter().map(|saved| &saved.plan).collect();
    if !all {
        return limits(playbook, "plan of the other accounts", &plans);
    }
    let mut problems = limits(playbook, "plan of all accounts", &plans);
    accepted_gaps(plans.into_iter(), &mut problems);
    accepts_nothing(saved.iter().map(|saved| (&saved.plan, &saved.inventory)), &mut problems);
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
