//! What keeps a run from ending with 0 whatever goes well, said before anybody says yes: of what is open or unproven even
//! then, why, and what would make it end with 0.

use std::collections::BTreeMap;

use crate::action::catalog;
use crate::inventory::Inventory;
use crate::ledger::{Row, Standing, at_best};
use crate::plan::{Barrier, Change, Credential, Effect, Plan, Shortfall};
use crate::planning::{canary, readers};
use crate::playbook::{FirstCut, Proof};

/// How many of what has a reason in common are named.
const NAMED: usize = 3;

/// Why something is open or unproven at the end, in the order in which it is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Settled,
    OldValue,
    NotReplaced,
    ByHand,
    Roles,
    NotRead,
    NotCut,
    ValueUntried,
    CutUntried,
    CutLaidBare,
}

/// What keeps the plan from ending with 0, each with what would make it.
pub(super) fn shortfalls(plan: &Plan, inventory: &Inventory) -> Vec<Shortfall> {
    let mut all: BTreeMap<Why, (Vec<Row>, usize)> = BTreeMap::new();
    // An undo looks for nobody.
    let unseen = (!plan.is_undo()).then(|| readers::never_seen_of(plan, inventory)).flatten();
    let unseen = unseen.into_iter().collect();
    for row in at_best(plan, unseen, |change| strongest(plan, change, inventory)) {
        let (named, more) = all.entry(why(plan, &row)).or_default();
        if named.len() < NAMED {
            named.push(row);
        } else {
            *more += 1;
        }
    }
    let told = all.into_iter().map(|(why, (named, more))| told(plan, why, &named, more));
    told.chain(not_allowed(plan)).collect()
}

/// What is not allowed is held, and a run in which anything is does not end with 0.
fn not_allowed(plan: &Plan) -> Option<Shortfall> {
    let held: Vec<&str> = plan
        .pending()
        .filter(|change| change.is_refused())
        .map(|change| change.id.as_str())
        .collect();
    let more = held.len().saturating_sub(NAMED);
    let named = held.get(..held.len() - more)?.join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!held.is_empty()).then(|| Shortfall {
        why: format!(
            "{named}{more} will be held: what that needs is not allowed, as is said below"
        ),
        then: Some("allow it, or run it as somebody who may".to_owned()),
    })
}

/// The strongest proof that a change can come to.
fn strongest(plan: &Plan, change: &Change, inventory: &Inventory) -> Option<Proof> {
    if !change.cuts() {
        return None;
    }
    let is_by_hand = change.is_by_hand();
    if is_by_hand && catalog::of(change).look(&change.decided).is_empty() {
        return Some(Proof::ReadBack);
    }
    let is_tried = plan.gate.proof >= Proof::Enforced && canary::can_be_tried(change, inventory);
    Some(if is_by_hand || is_tried { Proof::Enforced } else { Proof::Settled })
}

fn why(plan: &Plan, row: &Row) -> Why {
    match (&row.credential, &row.standing) {
        (Credential::SecretValue { .. }, Standing::Unaccounted { .. }) => {
            let mut reaching = plan.changes.reaching(&row.credential);
            let is_new = reaching.any(|change| change.effects.iter().any(puts_in_a_new_value));
            if is_new { Why::OldValue } else { Why::NotReplaced }
        }
        (Credential::SecretValue { .. }, _) => Why::ValueUntried,
        (Credential::RoleSessions { .. }, Standing::Unaccounted { .. }) => Why::Roles,
        (_, Standing::OutOfReach { .. }) => Why::NotRead,
        (_, Standing::Unaccounted { .. }) => Why::NotCut,
        (Credential::Manual { .. }, _) => Why::ByHand,
        _ if plan.gate.proof < Proof::Enforced => Why::Settled,
        (credential, _) if is_quarantined(plan, credential) => Why::CutLaidBare,
        _ => Why::CutUntried,
    }
}

/// Whether a quarantine keeps it out; where it has no proof even then, that is lifted again.
fn is_quarantined(plan: &Plan, credential: &Credential) -> bool {
    let quarantines = |effect: &Effect| {
        matches!(effect, Effect::Cuts { subject, barrier: Barrier::Quarantine }
            if subject.covers(credential))
    };
    plan.changes.reaching(credential).any(|change| change.effects.iter().any(quarantines))
}

fn puts_in_a_new_value(effect: &Effect) -> bool {
    matches!(effect, Effect::Rotates { .. } | Effect::Delivers { .. })
}

fn told(plan: &Plan, why: Why, named: &[Row], more: usize) -> Shortfall {
    let all: Vec<String> = named.iter().map(|row| row.credential.to_string()).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let these = format!("{}{more}", all.join(", "));
    let answer = "answer for it for a time (`waive`)";
    let (why, then) = match why {
        Why::Settled => (
            "the gate asks for settled proof: that cuts are enforced is inferred, not shown"
                .to_owned(),
            if plan.playbook == FirstCut::NAME {
                "go on with a playbook whose gate asks for enforced, which finds these cuts in place".to_owned()
            } else {
                "leave `--gate settled` out, or write `gate: { proof: enforced }`".to_owned()
            },
        ),
        Why::OldValue => (
            format!("the {these} stays good where it is checked until somebody changes it there"),
            format!("change it there, then {answer}"),
        ),
        Why::NotReplaced => (
            format!("no step replaces the {these}, and whoever knows it can use it"),
            "add `secretsmanager.secret.rotate` in phase rotate".to_owned(),
        ),
        Why::ByHand => (
            format!("nothing but a person's word says that the {these} is closed"),
            "have its step try it: `tcp`, or `http` with `status`".to_owned(),
        ),
        Why::Roles => (
            format!("no step cuts the {these}, which somebody in scope may have"),
            format!("cut them by `iam.role.quarantine` or `iam.role.revoke-sessions`, or {answer}"),
        ),
        Why::NotRead => (
            format!("nothing shows the {these}"),
            "allow what was refused, and plan again".to_owned(),
        ),
        Why::NotCut => {
            (format!("no step cuts, and keeps cut, the {these}"), format!("add one, or {answer}"))
        }
        Why::ValueUntried => {
            (format!("that the old {these} is refused by now, nothing here can try"), String::new())
        }
        Why::CutUntried => (
            format!("nothing can try whether the cut of the {these} is enforced"),
            "cut it by what can be tried, too, like a quarantine".to_owned(),
        ),
        Why::CutLaidBare => (
            format!(
                "once the quarantine is lifted, 11 is the end: nobody can try whether the {these} is refused"
            ),
            String::new(),
        ),
    };
    Shortfall { why, then: Some(then).filter(|then| !then.is_empty()) }
}
