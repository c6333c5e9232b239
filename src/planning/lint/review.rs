//! Steps that somebody is to look at again on a day that has passed when they are planned: whoever waits for that day was
//! told the wrong one.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::ids::StepId;
use crate::plan::Plan;

/// Warns of them.
pub(super) fn passed(plan: &mut Plan) {
    let mut passed: BTreeMap<Timestamp, Vec<&StepId>> = BTreeMap::new();
    for change in &plan.changes {
        let Some(day) = change.review_by.filter(|day| *day < plan.surveyed_at) else { continue };
        let steps = passed.entry(day).or_default();
        if !steps.contains(&&change.step) {
            steps.push(&change.step);
        }
    }
    let told = passed.into_iter().map(|(day, steps)| {
        let steps: Vec<String> = steps.iter().map(|step| format!("`{step}`")).collect();
        let (of, is) = if steps.len() == 1 { ("step", "is") } else { ("steps", "are") };
        format!(
            "{of} {} {is} to be looked at again by {} (`review_by`), which had passed when this was planned: plan with a \
             day to come, and tell whoever waits for it that one",
            steps.join(", "),
            day.strftime("%Y-%m-%d %H:%M UTC")
        )
    });
    let told: Vec<String> = told.collect();
    plan.warnings.extend(told);
}
