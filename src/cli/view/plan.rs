//! A plan on a screen: what will be done in which order, what cannot be taken back, what is left alone.

use std::fmt::Write as _;

use super::{Style, plain};
use crate::diagnostic::counted;
use crate::plan::{Change, Plan, SavedPlan};
use crate::playbook::Phase;

/// The whole plan.
pub(in crate::cli) fn plan(saved: &SavedPlan) -> String {
    let Plan { account, caller, endpoint, playbook, title, surveyed_at, gate, .. } = &saved.plan;
    let mut text = String::new();
    let heading = format!("Plan for account {account}");
    let _ = writeln!(text, "\n{}", Style::Strong.paint(&heading));
    let _ = writeln!(text, "  playbook  {playbook}: {}", plain(title));
    let _ = writeln!(text, "  as        {caller}");
    if let Some(endpoint) = endpoint {
        let _ = writeln!(text, "  endpoint  {}", Style::Careful.paint(&plain(endpoint)));
    }
    for (name, value) in saved.plan.inputs.iter().filter(|(_, value)| !value.is_null()) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = writeln!(text, "  input     {name} = {}", plain(&value));
    }
    let _ = writeln!(text, "  surveyed  {}", surveyed_at.strftime("%Y-%m-%d %H:%M:%S UTC"));
    let _ = writeln!(text, "  digest    {}", saved.digest());
    let mut phase = None;
    let mut gate_shown = false;
    for change in &saved.plan.changes {
        if change.phase.is_behind_the_gate() && !gate_shown {
            gate_shown = true;
            let terms = format!(
                "the gate: nothing below starts until every cut above is proven {} ({} s after the last)",
                gate.proof, gate.margin_seconds
            );
            let _ = writeln!(text, "\n  {}", Style::Strong.paint(&format!("==== {terms} ====")));
        }
        if phase != Some(change.phase) {
            phase = Some(change.phase);
            let _ = writeln!(text, "\n{}", Style::Strong.paint(heading_of(change.phase)));
        }
        one(&mut text, change);
    }
    per_action(&mut text, &saved.plan);
    if !saved.plan.untouched.is_empty() {
        let _ = writeln!(text, "\n{}", Style::Strong.paint("Not touched"));
        for left in &saved.plan.untouched {
            let _ = writeln!(text, "  {}: {}", plain(&left.what), plain(&left.why));
        }
    }
    if !saved.plan.warnings.is_empty() {
        let _ = writeln!(text, "\n{}", Style::Careful.paint("Before you say yes"));
        for warning in &saved.plan.warnings {
            let _ = writeln!(text, "  - {}", plain(warning));
        }
    }
    let writes = saved.plan.pending().count();
    let already = saved.plan.changes.len() - writes;
    let _ = writeln!(
        text,
        "\n{}; {already} already so, and checked all the same.",
        counted(writes, "change")
    );
    text
}

fn heading_of(phase: Phase) -> &'static str {
    match phase {
        Phase::Contain => "Contain: cut every way in",
        Phase::Eradicate => "Eradicate: take out what was left behind",
        Phase::Rotate => "Rotate: hand out new credentials",
        Phase::Recover => "Recover: open again what was closed",
        Phase::Destroy => "Destroy: delete for good",
    }
}

fn one(text: &mut String, change: &Change) {
    let Change { id, target, what, before, after, line, .. } = change;
    let mark = if change.already { " (already so)" } else { "" };
    let _ = writeln!(
        text,
        "  {}  {}: {}{mark}  {}",
        Style::Strong.paint(&format!("{:<14}", id.as_str())),
        plain(target),
        plain(what),
        Style::Faint.paint(&format!("line {line}")),
    );
    let _ = writeln!(text, "                  {} -> {}", plain(before), plain(after));
    if let Some(reason) = &change.reason {
        let _ = writeln!(text, "                  why: {}", plain(reason));
    }
    if let Some(review_by) = &change.review_by {
        let day = review_by.strftime("%Y-%m-%d %H:%M UTC");
        let _ = writeln!(text, "                  to be looked at again by {day}");
    }
    if let Some(irreversible) = &change.irreversible {
        let warning = format!("CANNOT BE TAKEN BACK: {}", plain(irreversible));
        let _ = writeln!(text, "                  {}", Style::Bad.paint(&warning));
    }
}

/// What is true of every change of one kind, said once.
fn per_action(text: &mut String, plan: &Plan) {
    let mut kinds: Vec<&Change> = Vec::new();
    for change in &plan.changes {
        if !kinds.iter().any(|seen| seen.kind == change.kind) {
            kinds.push(change);
        }
    }
    let _ =
        writeln!(text, "\n{}", Style::Strong.paint("What it may break, and how it is taken back"));
    for change in kinds {
        let _ = writeln!(text, "  {}", change.kind);
        for hazard in &change.hazards {
            let _ = writeln!(text, "    - {hazard}");
        }
        let _ = writeln!(text, "    {}", Style::Faint.paint(&format!("back: {}", change.undo)));
    }
}
