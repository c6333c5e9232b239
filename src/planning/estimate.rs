//! How many requests a plan will take, and how long: counted the way a run goes, on a night without trouble.

use crate::action::catalog;
use crate::ids::UserName;
use crate::inventory::{Inventory, Listing, Want};
use crate::lookup::Lookup;
use crate::plan::{Change, Effect, Estimate, Plan, credential_wants};
use crate::playbook::Proof;

/// Requests that one account's IAM answers in a second, about: no number is published.
const PER_SECOND: u64 = 10;
/// How long after the margin a wait ends, and what else is not a request.
const SLACK: u64 = 2;

/// How often a run surveys the account again: before the gate, and after the last change.
const SURVEYS: usize = 2;

/// Counts. Where the run surveys again, it asks anew what was asked for the plan.
pub(super) fn estimate(plan: &Plan, surveyed: Option<&Inventory>) -> Estimate {
    let look = |change: &Change| {
        let action = catalog::find(&change.kind).expect("planned from the same catalog");
        action.look(&change.decided).len()
    };
    let held =
        credential_wants(&UserName::parse("x").expect("a name")).len() * plan.users().count();
    let looks: Vec<(&Change, usize)> =
        plan.changes.iter().map(|change| (change, look(change))).collect();
    let sum = |wanted: &dyn Fn(&Change) -> bool| -> usize {
        looks.iter().filter(|(change, _)| wanted(change)).map(|(_, look)| look).sum()
    };
    let cuts = sum(&Change::cuts);
    let mut estimate = Estimate::default();
    for &(change, look) in &looks {
        let sure = change.permissions.iter().filter(|permission| permission.only_if.is_none());
        let writes = if change.already { 0 } else { sure.count().max(1) };
        estimate.writes += writes;
        estimate.requests += writes + look;
        if change.is_gated() {
            // Looked at first, behind a look at every cut and at all that the principals hold.
            estimate.requests += look + cuts + held;
        }
        if change.effects.iter().any(|effect| matches!(effect, Effect::Lifts { .. })) {
            estimate.requests += held;
        }
    }
    // Proof: what can mint is looked at before the second pass over sessions, everything at the gate, and
    // everything once more at the end.
    let needs = plan.changes.iter().flat_map(|change| &change.needs);
    let awaited: Lookup<_, ()> =
        needs.filter(|need| need.proof > Proof::ReadBack).map(|need| (&need.change, ())).collect();
    let first = sum(&|change: &Change| awaited.contains(&change.id));
    let gated = plan.changes.iter().any(|c| c.is_gated() && awaited.contains(&c.id));
    let waits = u64::from(first > 0) + u64::from(cuts > 0) + u64::from(gated);
    estimate.requests += first + cuts + cuts + held;
    if plan.changes.iter().any(Change::is_gated) {
        estimate.requests += held;
    }
    estimate.requests += surveyed.map_or(0, |inventory| SURVEYS * survey(plan, inventory));
    let mut trying = 0;
    if let Some(canary) = &plan.canary {
        // Made, given keys, shown to be let in, cut, asked until it is refused, and removed.
        let (times, tries) = (canary.times, canary.tries.len());
        estimate.requests += 24 * times + 9 * tries + cuts;
        estimate.writes += canary.writes;
        trying = 8 * times as u64 + 8 * tries as u64;
    }
    let asking = u64::try_from(estimate.requests).unwrap_or(u64::MAX) / PER_SECOND;
    let wait = plan.gate.margin_seconds.saturating_add(SLACK);
    let pauses = plan.batches.iter().map(|batches| {
        let between = u64::try_from(batches.of.len().saturating_sub(1)).unwrap_or(u64::MAX);
        batches.pause_seconds.saturating_mul(between)
    });
    let pauses = pauses.fold(0, u64::saturating_add);
    estimate.seconds = wait.saturating_mul(waits).saturating_add(asking).saturating_add(trying);
    estimate.seconds = estimate.seconds.saturating_add(pauses);
    estimate
}

/// Questions of one survey: those of planning, but for what may be done; and, to see who has come in, about the keys
/// and the password of everybody in the account.
fn survey(plan: &Plan, inventory: &Inventory) -> usize {
    let answers = &inventory.answers;
    let asked = answers.count(|want| !matches!(want, Want::Simulation(_)));
    // What is known of everybody at once is asked of nobody.
    let listed = answers.count(|want| want.listing().is_some());
    let asked = asked - listed + Listing::requests(inventory);
    let all = inventory.account_summary().ok().and_then(|counts| counts.get("Users"));
    let all = all.map_or(0, |all| usize::try_from(*all).unwrap_or(0));
    let keys = answers.count(|want| matches!(want, Want::AccessKeyLastUsed(_)));
    let everybody = inventory.users().map_or(all, Vec::len);
    let asked = asked - keys + Listing::key_requests(inventory, everybody);
    let listings = [Want::Users, Want::Roles];
    let listings = listings.iter().filter(|listing| !answers.contains_key(listing)).count();
    let others = if let Ok(users) = inventory.users() {
        let of_each =
            |name: &UserName| [Want::AccessKeys(name.clone()), Want::LoginProfile(name.clone())];
        let wanted = users.iter().flat_map(|user| of_each(&user.name));
        wanted.filter(|want| !answers.contains_key(want)).count()
    } else {
        2 * all.saturating_sub(plan.users().count())
    };
    asked + listings + others
}
