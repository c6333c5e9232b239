//! A plan on a terminal: what must be seen of it, in as few lines as it can be told in without saying what is not so.
//! What is cut short says so, and the whole of it is a command away.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::super::{Style, plain};
use super::walk::{Stop, stops};
use super::{
    INDENT, ONE_BY_ONE, alike, batches, heading, heading_of, in_all, inputs, step, warnings,
};
use crate::diagnostic::{counted, grouped};
use crate::plan::{Change, Have, Plan, Whereabouts};

/// How many warnings fit a screen, beside all else that must.
const WARNINGS: usize = 4;
/// How many sorts of what is left alone fit, and how many of them may be ways in.
const LEFT_ALONE: usize = 5;
const WAYS_IN: usize = 2;

/// What must be seen of a plan, a line for each thing.
pub(super) fn shown(plan: &Plan, digest: &str, width: usize) -> String {
    let Plan { caller, endpoint, playbook, surveyed_at, .. } = plan;
    let mut text = String::new();
    let at = surveyed_at.strftime("%Y-%m-%d %H:%M:%S UTC");
    let heading = if plan.is_undo() {
        format!("{}, of {playbook}", heading(plan))
    } else {
        format!("{}: {playbook}, surveyed {at}", heading(plan))
    };
    let _ = writeln!(text, "\n{}", Style::Strong.paint(&heading));
    let _ = writeln!(text, "  as      {caller}");
    if let Some(endpoint) = endpoint {
        let _ = writeln!(text, "  at      {}", Style::Careful.paint(&plain(endpoint)));
    }
    let given: Vec<String> = inputs(plan).collect();
    if !given.is_empty() && !plan.is_undo() {
        let _ = writeln!(text, "{}", cut(&format!("  with    {}", given.join(", ")), width));
    }
    let _ = writeln!(text, "  digest  {digest}");
    brief_changes(&mut text, plan, width);
    batches(&mut text, plan);
    let mut seen = BTreeSet::new();
    for change in plan.changes.iter().filter(|change| seen.insert(change.kind.as_str())) {
        let Some(hazard) = change.hazards.first() else { continue };
        let line = format!("  may break   {}: {hazard}", change.kind);
        let _ = writeln!(text, "{}", Style::Faint.paint(&cut(&line, width)));
    }
    let mut seen = BTreeSet::new();
    let unknowns = plan.changes.iter().flat_map(|change| &change.unknowns);
    let unknowns: Vec<String> = unknowns
        .filter(|unknown| seen.insert(unknown.what.as_str()))
        .map(|unknown| format!("{}, {}", unknown.what, unknown.known))
        .collect();
    if !unknowns.is_empty() {
        let line = format!("  not known   {}", unknowns.join("; "));
        let _ = writeln!(text, "{}", Style::Faint.paint(&cut(&line, width)));
    }
    if plan.changes.len() <= ONE_BY_ONE {
        said_of_steps(&mut text, plan, width);
        taken_back(&mut text, plan, width);
    }
    brief_permissions(&mut text, plan, width);
    brief_left_alone(&mut text, plan, width);
    if !plan.imports.is_empty() {
        let line = cut(&format!("  found       {}", brief_found(plan)), width);
        let _ = writeln!(text, "{line}");
    }
    let whole = "  the whole of it: portcullis plan ... --all, or into a file or a pager";
    let _ = writeln!(text, "{}", Style::Faint.paint(&cut(whole, width)));
    warnings(&mut text, plan, WARNINGS);
    let _ = writeln!(text, "{}", in_all(plan));
    text
}

fn brief_changes(text: &mut String, plan: &Plan, width: usize) {
    for stop in stops(plan, plan.changes.len() <= ONE_BY_ONE) {
        match stop {
            Stop::Gate => {
                let terms = format!(
                    "==== the gate: every cut above proven {}, {} s after the last ====",
                    plan.gate.proof, plan.gate.margin_seconds
                );
                let terms = cut(&terms, width.saturating_sub(2));
                let _ = writeln!(text, "  {}", Style::Strong.paint(&terms));
            }
            Stop::Phase(phase) => {
                let _ = writeln!(text, "{}", Style::Strong.paint(heading_of(phase)));
            }
            Stop::One(change) => brief(text, change, width),
            Stop::Step(group) => step(text, group),
        }
    }
}

/// One change on one line, and on a second what of it cannot be taken back.
fn brief(text: &mut String, change: &Change, width: usize) {
    let Change { id, target, what, before, after, line, .. } = change;
    let mark = if change.already { " (already so)" } else { "" };
    let id = format!("{:<14}", id.as_str());
    let said = format!(
        "(line {line}) {}: {}{mark}  {} -> {}",
        plain(target),
        plain(what),
        plain(before),
        plain(after)
    );
    let said = cut(&said, width.saturating_sub(4 + id.chars().count()));
    let _ = writeln!(text, "  {}  {said}", Style::Strong.paint(&id));
    if let Some(irreversible) = &change.irreversible {
        // Whole, whatever room it takes: nobody should say yes to half of it.
        let warning = format!("CANNOT BE TAKEN BACK: {}", plain(irreversible));
        let _ = writeln!(text, "{INDENT}{}", Style::Bad.paint(&warning));
    }
}

/// What would be refused, and what nobody could tell; the rest is counted.
fn brief_permissions(text: &mut String, plan: &Plan, width: usize) {
    let mut of: BTreeMap<Have, BTreeSet<&str>> = BTreeMap::new();
    for change in plan.pending() {
        for permission in change.permissions.iter().filter(|one| one.only_if.is_none()) {
            of.entry(permission.have).or_default().insert(&permission.action);
        }
    }
    for (have, actions) in of {
        let actions: Vec<&str> = actions.into_iter().collect();
        let (style, word) = match have {
            Have::Can => (Style::Faint, "may"),
            Have::Cannot => (Style::Bad, "MAY NOT"),
            Have::Unknown => (Style::Careful, "may it?"),
        };
        let line = cut(&format!("  {word:<10}  {}", actions.join(", ")), width);
        let _ = writeln!(text, "{}", style.paint(&line));
    }
}

/// What steps say of why, and when it is looked at again: once for those that say the same.
fn said_of_steps(text: &mut String, plan: &Plan, width: usize) {
    let (mut why, mut again) = (Vec::new(), Vec::new());
    for change in &*plan.changes {
        if let Some(reason) = &change.reason {
            why.push((change, plain(reason)));
        }
        if let Some(day) = change.review_by {
            again.push((change, day.strftime("%Y-%m-%d %H:%M UTC").to_string()));
        }
    }
    packed(text, "why", &together(plan, why), width, 3);
    packed(text, "look again", &together(plan, again), width, 2);
}

/// What is said of changes, once for those of which the same is said.
fn together<'a>(plan: &Plan, said: impl IntoIterator<Item = (&'a Change, String)>) -> Vec<String> {
    let mut of: Vec<(String, Vec<&Change>)> = Vec::new();
    for (change, said) in said {
        match of.iter_mut().find(|(known, _)| *known == said) {
            Some((_, changes)) => changes.push(change),
            None => of.push((said, vec![change])),
        }
    }
    of.iter().map(|(said, changes)| format!("{}: {said}", named(plan, changes))).collect()
}

/// The step where all its changes are among these, else each of them.
fn named(plan: &Plan, changes: &[&Change]) -> String {
    let mut names: Vec<String> = Vec::new();
    for change in changes {
        let of_step = plan.changes.iter().filter(|one| one.step == change.step);
        let all = of_step.count() == changes.iter().filter(|one| one.step == change.step).count();
        let name = if all { change.step.to_string() } else { change.id.to_string() };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

/// How what steps do is taken back, in the first words of it; `...` where there is more to know.
fn taken_back(text: &mut String, plan: &Plan, width: usize) {
    let backs = plan.changes.iter().map(|change| {
        let undo = change.undo.replace('`', "");
        let back = undo.split_once(';').map(|(first, _)| format!("{first} ..."));
        (change, back.unwrap_or(undo))
    });
    packed(text, "back", &together(plan, backs), width, 3);
}

/// Several things on as few lines as they need, and at most so many.
fn packed(text: &mut String, label: &str, parts: &[String], width: usize, lines: usize) {
    if parts.is_empty() {
        return;
    }
    let line = format!("  {label:<10}  {}", parts.join("; "));
    // Lines are broken between words.
    let room = lines * width.saturating_sub(INDENT.len());
    let _ = writeln!(text, "{}", Style::Faint.paint(&cut(&line, room.max(width))));
}

/// What is left alone: of whom and why, a line for each sort of it.
fn brief_left_alone(text: &mut String, plan: &Plan, width: usize) {
    let (mut ways_in, mut other) = alike::left_alone(plan, WAYS_IN);
    let all = ways_in.len() + other.len();
    ways_in.truncate(WAYS_IN);
    other.truncate(LEFT_ALONE - ways_in.len());
    let shown = ways_in.len() + other.len();
    let mut label = if plan.is_undo() { "stays" } else { "untouched" };
    for left in ways_in.iter().chain(&other) {
        let line = cut(&format!("  {label:<10}  {}", left.brief()), width);
        let _ = writeln!(text, "{}", Style::Faint.paint(&line));
        label = "";
    }
    if all > shown {
        let line = format!("  {label:<10}  and {} more", grouped(all - shown));
        let _ = writeln!(text, "{}", Style::Faint.paint(&line));
    }
}

/// What others found, in a line.
fn brief_found(plan: &Plan) -> String {
    let of =
        |is: fn(&Whereabouts) -> bool| plan.found.iter().filter(|one| is(&one.whereabouts)).count();
    let in_scope = of(|one| matches!(one, Whereabouts::InScope { .. }));
    let not_covered = of(|one| matches!(one, Whereabouts::NotCovered { .. }));
    let not_here = of(|one| matches!(one, Whereabouts::NotHere));
    let not_told = of(|one| matches!(one, Whereabouts::NotTold { .. }));
    format!(
        "{}: {in_scope} in scope, {not_covered} NOT COVERED, {not_here} not of this account, {not_told} not told",
        counted(plan.found.len(), "access key")
    )
}

/// The text, or as much of it as there is room for.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(3)).collect();
    cut.truncate(cut.trim_end().len());
    cut + "..."
}
