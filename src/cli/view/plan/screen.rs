//! A plan on a terminal: what must be seen of it, in as few lines as it can be told in without saying what is not so.
//! What cannot be taken back, what a step may break first of all, and what is to be read before saying yes, is whole, and so is
//! every name that is told. Where
//! anything else is cut short it ends in `...`, or says how much more there is; and how to read that is said above the yes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::{Style, plain};
use super::walk::{Stop, stops};
use super::{
    INDENT, ONE_BY_ONE, alike, batches, further, heading, heading_of, how_many, in_all, inputs,
    irreversible, warnings, ways, whence,
};
use crate::diagnostic::{counted, grouped};
use crate::plan::{Change, Have, Permission, Plan, Whereabouts};

/// How many sorts of warnings fit a screen, beside all else that must.
const WARNINGS: usize = 8;
/// How many ways in that are left alone fit, each with why.
const WAYS_IN: usize = 2;
/// From how many whats to whats a step of a long plan is told to go.
const WAYS: usize = 2;
/// In so many columns it can be told from what to what.
const BOTH: usize = 36;
/// How many lines have the names of those whom a step of a long plan is about.
const NAMES: usize = 4;
/// How many steps are named where they have something in common.
const STEPS: usize = 2;

/// What must be seen of a plan, a line for each thing.
pub(super) fn shown(plan: &Plan, digest: &str, width: usize) -> String {
    let Plan { caller, endpoint, playbook, surveyed_at, .. } = plan;
    let mut text = String::new();
    let at = surveyed_at.strftime("%Y-%m-%d %H:%M UTC");
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
    // What is nothing needs no room.
    let given: Vec<String> = inputs(plan)
        .filter(|given| ![" = []", " = \"\""].iter().any(|nothing| given.ends_with(nothing)))
        .collect();
    if !given.is_empty() && !plan.is_undo() {
        let _ = writeln!(text, "{}", cut(&format!("  with    {}", given.join(", ")), 6 * width));
    }
    let _ = writeln!(text, "  digest  {digest}");
    changes(&mut text, plan, width);
    batches(&mut text, plan);
    may_break(&mut text, plan, width);
    taken_back(&mut text, plan, width);
    let mut seen = BTreeSet::new();
    let unknowns = plan.changes.iter().flat_map(|change| &change.unknowns);
    let unknowns: Vec<String> = unknowns
        .filter(|unknown| seen.insert(unknown.what.as_str()))
        .map(|unknown| format!("{}, {}", unknown.what, unknown.known))
        .collect();
    packed(&mut text, "not known", &unknowns, width, 1);
    if plan.changes.len() <= ONE_BY_ONE {
        said_of_steps(&mut text, plan, width);
    }
    if let Some(canary) = &plan.canary {
        let makes = format!("{}, to try the cuts on, and removes it again", plain(&canary.makes));
        packed(&mut text, "makes", &[makes], width, 1);
    }
    permissions(&mut text, plan, width);
    left_alone(&mut text, plan, width);
    if !plan.imports.is_empty() {
        let line = cut(&format!("  found       {}", brief_found(plan)), width);
        let _ = writeln!(text, "{line}");
    }
    let whole = "  `...` and +N: more is shown by --all, in a pager, or by `all` at the question";
    let _ = writeln!(text, "{}", Style::Faint.paint(whole));
    warnings(&mut text, plan, WARNINGS);
    let _ = writeln!(text, "{}", in_all(plan));
    text
}

fn changes(text: &mut String, plan: &Plan, width: usize) {
    for stop in stops(plan, false) {
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
            Stop::One(change) => one_by_one(text, plan, std::slice::from_ref(change), width),
            Stop::Step(group) if group.len() > 1 && plan.changes.len() > ONE_BY_ONE => {
                step(text, plan, group, width);
            }
            Stop::Step(group) => {
                one_by_one(text, plan, group, width);
                if plan.changes.len() > ONE_BY_ONE {
                    further(text, group);
                }
            }
        }
    }
}

/// Of each of a step whom it is about and what is done; and once for those that have it in common from what to what.
fn one_by_one(text: &mut String, plan: &Plan, group: &[Change], width: usize) {
    let mut place = whence(&group[0], plan);
    for ((before, after), changes) in ways(group) {
        let turn_in = |room| turn(before, after, room);
        let of_each = if changes.len() > 1 { "each: " } else { "" };
        let mut turned = false;
        for change in &changes {
            let Change { id, target, what, .. } = change;
            let mark = if change.already { " (already so)" } else { "" };
            let id = format!("{:<14}", id.as_str());
            let room = width.saturating_sub(4 + id.chars().count());
            let mut said = whom_and_what(&plain(target), &format!("{}{mark}", plain(what)), room);
            let left = |said: &str| room.saturating_sub(said.chars().count());
            // Where the beginning of both fits, it needs no line of its own.
            let whole = format!("  {of_each}{}", turn_in(usize::MAX));
            let beside = left(&said).saturating_sub(2 + of_each.len());
            if change.id == changes[changes.len() - 1].id {
                if whole.chars().count() <= left(&said) {
                    (said, turned) = (said + &whole, true);
                } else if beside >= BOTH {
                    (said, turned) = (format!("{said}  {of_each}{}", turn_in(beside)), true);
                }
            }
            if let Some(place) = place.take().map(|place| format!(" ({place})"))
                && place.chars().count() <= left(&said)
            {
                said += &place;
            }
            let _ = writeln!(text, "  {}  {said}", Style::Strong.paint(&id));
            if changes.len() > 1 {
                irreversible(text, &[*change]);
            }
        }
        if !turned {
            let room = width.saturating_sub(INDENT.len() + of_each.len());
            let _ = writeln!(text, "{INDENT}{of_each}{}", turn_in(room));
        }
        if let [change] = changes[..] {
            irreversible(text, &[change]);
        }
    }
}

/// All changes of a step, which are of one kind, in a few lines.
fn step(text: &mut String, plan: &Plan, group: &[Change], width: usize) {
    let first = &group[0];
    let id = format!("{:<14}", first.step.as_str());
    let room = width.saturating_sub(INDENT.len());
    let mut line = format!("{}: {}", how_many(group), named_in(group, room));
    if let Some(place) = whence(first, plan) {
        let with_place = format!("{line} ({place})");
        if with_place.chars().count() <= room {
            line = with_place;
        }
    }
    let _ = writeln!(text, "  {}  {line}", Style::Strong.paint(&id));
    let of_ways = ways(group);
    let further_ways = of_ways.len().saturating_sub(WAYS);
    for ((before, after), changes) in of_ways.into_iter().take(WAYS) {
        let n = format!("{}: ", grouped(changes.len()));
        let turn = turn(before, after, room.saturating_sub(n.chars().count()));
        let _ = writeln!(text, "{INDENT}{n}{turn}");
    }
    if further_ways > 0 {
        let _ = writeln!(text, "{INDENT}+{}", counted(further_ways, "other way"));
    }
    further(text, group);
    irreversible(text, &group.iter().collect::<Vec<_>>());
}

/// Whom it is about, whole, and what is done, on a line. A name goes on to the next line, and so does the id of a key.
fn whom_and_what(whom: &str, what: &str, room: usize) -> String {
    let line = format!("{whom}: {what}");
    if what.split(' ').any(is_id) {
        return line;
    }
    let least = whom.chars().count() + 1 + what.chars().take(room / 2).count();
    cut(&line, room.max(least))
}

/// `AKIA...`, and whatever else AWS makes up.
fn is_id(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    word.len() >= 16 && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Whom the changes of a step are about, and what is done to them: as many as [`NAMES`] lines hold, each whole.
fn named_in(group: &[Change], room: usize) -> String {
    let (mut of, mut long, mut more) = (Vec::<(String, Vec<String>)>::new(), 0, 0);
    for change in group {
        let (whom, what) = (plain(&change.target), plain(&change.what));
        if long > NAMES * room {
            more += 1;
            continue;
        }
        // Of most the kind is said once.
        long += whom.chars().count().saturating_sub(3);
        if let Some((_, all)) = of.iter_mut().find(|(known, _)| *known == what) {
            all.push(whom);
        } else {
            long += what.chars().count().min(room / 2) + 2;
            of.push((what, vec![whom]));
        }
    }
    let told = of.iter().map(|(what, whom)| whom_and_what(&of_one_kind(whom), what, room));
    let more = (more > 0).then(|| format!("+{}", grouped(more)));
    told.chain(more).collect::<Vec<_>>().join("; ")
}

/// `users anna, bert`, where all are users.
fn of_one_kind(whom: &[String]) -> String {
    let one = whom.first().and_then(|first| first.split_once(' ')).map(|(kind, _)| kind);
    let Some(kind) = one.filter(|kind| whom.len() > 1 && ["user", "role"].contains(kind)) else {
        return whom.join(", ");
    };
    let names: Option<Vec<&str>> =
        whom.iter().map(|one| one.strip_prefix(kind)?.strip_prefix(' ')).collect();
    names.map_or_else(|| whom.join(", "), |names| format!("{kind}s {}", names.join(", ")))
}

/// From what to what on one line; of both the beginning, where not all of it fits: neither pushes the other off.
fn turn(before: &str, after: &str, room: usize) -> String {
    let (before, after) = (plain(before), plain(after));
    let room = room.saturating_sub(4);
    let (long, other) = (before.chars().count(), after.chars().count());
    if long.saturating_add(other) <= room {
        return format!("{before} -> {after}");
    }
    let before = cut(&before, (room / 2).max(room.saturating_sub(other)));
    let after = cut(&after, room.saturating_sub(before.chars().count()));
    format!("{before} -> {after}")
}

/// The first change of each kind, with the steps that are of it.
fn kinds(plan: &Plan) -> Vec<(String, &Change)> {
    let mut all: Vec<(&Change, Vec<&str>)> = Vec::new();
    for change in &plan.changes {
        let step = change.step.as_str();
        match all.iter_mut().find(|(first, _)| first.kind == change.kind) {
            Some((_, steps)) if steps.contains(&step) => {}
            Some((_, steps)) => steps.push(step),
            None => all.push((change, vec![step])),
        }
    }
    let named = |(first, steps): (&'_ Change, Vec<&str>)| match steps.len() {
        0..=STEPS => steps.join(", "),
        _ => first.kind.to_string(),
    };
    all.into_iter().map(|(first, steps)| (named((first, steps)), first)).collect()
}

/// What may break by each kind: the first that is to be feared, whole, and how much more there is.
fn may_break(text: &mut String, plan: &Plan, width: usize) {
    let hazards = kinds(plan).into_iter().filter_map(|(who, change)| {
        let hazard = change.hazards.first()?;
        let more = match change.hazards.len() - 1 {
            0 => String::new(),
            n => format!(" +{n}"),
        };
        Some(format!("{who}: {}{more}", plain(hazard)))
    });
    packed(text, "may break", &hazards.collect::<Vec<_>>(), width, usize::MAX);
}

/// How what is done is taken back, in the first words of it; `...` where there is more to know.
fn taken_back(text: &mut String, plan: &Plan, width: usize) {
    let backs = kinds(plan).into_iter().map(|(who, change)| {
        let undo = change.undo.replace('`', "");
        let back = undo.split_once(';').map(|(first, _)| format!("{first} ..."));
        format!("{who}: {}", back.unwrap_or(undo))
    });
    let lines = if plan.changes.len() <= ONE_BY_ONE { 2 } else { 6 };
    packed(text, "back", &backs.collect::<Vec<_>>(), width, lines);
}

/// What would be refused, what nobody could tell, and what is allowed.
fn permissions(text: &mut String, plan: &Plan, width: usize) {
    for (have, style, word, lines) in [
        (Have::Cannot, Style::Bad, "CANNOT", 6),
        (Have::Unknown, Style::Careful, "unknown", 2),
        (Have::Can, Style::Faint, "can", 1),
    ] {
        let all = || plan.pending().flat_map(|change| &change.permissions);
        let asked = |wanted: fn(&Permission) -> bool| {
            let these = all().filter(|one| one.have == have && wanted(one));
            let these: BTreeSet<&str> = these.map(|one| one.action.as_str()).collect();
            these.into_iter().collect::<Vec<_>>().join(", ")
        };
        let always = asked(|one| one.only_if.is_none());
        let at_times = asked(|one| one.only_if.is_some() && one.have != Have::Can);
        let at_times = match at_times.as_str() {
            "" => None,
            actions => Some(format!("where it comes to that, {actions}")),
        };
        let parts = [Some(always).filter(|always| !always.is_empty()), at_times];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        painted(text, style, word, &parts, width, lines);
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

/// Several things on as few lines as they need, and at most so many.
fn packed(text: &mut String, label: &str, parts: &[String], width: usize, lines: usize) {
    painted(text, Style::Faint, label, parts, width, lines);
}

fn painted(
    text: &mut String,
    style: Style,
    label: &str,
    parts: &[String],
    width: usize,
    lines: usize,
) {
    if parts.is_empty() {
        return;
    }
    let line = format!("  {label:<10}  {}", parts.join("; "));
    // Lines are broken between words.
    let room = lines.saturating_mul(width.saturating_sub(INDENT.len()));
    let _ = writeln!(text, "{}", style.paint(&cut(&line, room.max(width))));
}

/// What is left alone: ways in with why, and the other sorts of it by what they are.
fn left_alone(text: &mut String, plan: &Plan, width: usize) {
    let (ways_in, other) = alike::left_alone(plan, WAYS_IN);
    let mut label = if plan.is_undo() { "stays" } else { "untouched" };
    for left in ways_in.iter().take(WAYS_IN) {
        packed(text, label, &[left.brief()], width, 1);
        label = "";
    }
    let more = ways_in.len().saturating_sub(WAYS_IN);
    let more = (more > 0).then(|| format!("+{}", counted(more, "other way in")));
    let other = more.into_iter().chain(other.iter().map(alike::Alike::named));
    packed(text, label, &other.collect::<Vec<_>>(), width, 4);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_of_them_are_is_said_once() {
        let all = ["user anna", "user bert"].map(str::to_owned);
        assert_eq!(of_one_kind(&all), "users anna, bert");
        assert_eq!(of_one_kind(&all[..1]), "user anna");
        let others = ["user anna", "role pipeline"].map(str::to_owned);
        assert_eq!(of_one_kind(&others), "user anna, role pipeline");
    }

    #[test]
    fn a_name_and_the_id_of_a_key_are_whole_however_narrow_the_screen() {
        let what = "deny sessions again, behind every cut of what mints them";
        let whom = "user anna, user bert, user carla";
        for room in [62, 32, 10] {
            let told = whom_and_what(whom, what, room);
            assert!(told.starts_with("user anna, user bert, user carla: "), "{told}");
            let told = whom_and_what("user carla", "deactivate AKIAEXAMPLECARLAKEY1", room);
            assert_eq!(told, "user carla: deactivate AKIAEXAMPLECARLAKEY1");
        }
        assert_eq!(
            whom_and_what("user carla", what, 40),
            "user carla: deny sessions again, behi..."
        );
    }
}
