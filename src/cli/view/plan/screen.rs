//! A plan on a terminal: what must be seen of it, in as few lines as it can be told in without saying what is not so.
//! What cannot be taken back, what a step may break first of all, and what is to be read before saying yes, is whole, and so is
//! every name that is told. Where
//! anything else is cut short it ends in `...`, or says how much more there is; and how to read that is said above the yes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::super::wrap::wrap;
use super::super::{Style, plain};
use super::walk::{Stop, stops};
use super::{
    INDENT, ONE_BY_ONE, alike, batches, further, heading, heading_of, how_many, in_all, inputs,
    irreversible, mark, warnings, ways, whence,
};
use crate::diagnostic::{counted, grouped};
use crate::ids::ChangeId;
use crate::plan::{Change, Have, Permission, Plan, Whereabouts};
use crate::planning::Added;

/// How many sorts of warnings fit a screen, beside all else that must.
const WARNINGS: usize = 8;
/// How many ways in that are left alone fit, each with why.
const WAYS_IN: usize = 2;
/// From how many whats to whats a step of a long plan is told to go.
const WAYS: usize = 2;
/// In so many columns it can be told from what to what.
const BOTH: usize = 36;
/// In so many columns a change is told on one line, and else on two, where names and ids take no more.
const WIDE: usize = 100;
/// How many lines have the names of those whom a step of a long plan is about.
const NAMES: usize = 4;
/// How many steps are named where they have something in common.
const STEPS: usize = 2;

/// What must be seen of a plan, a line for each thing.
pub(super) fn shown(plan: &Plan, digest: &str, width: usize, added: Option<&Added>) -> String {
    let Plan { caller, endpoint, playbook, surveyed_at, .. } = plan;
    let mut text = String::new();
    let at = surveyed_at.strftime("%Y-%m-%d %H:%M UTC");
    let heading = if plan.is_undo() {
        format!("{}, of {playbook}", heading(plan))
    } else {
        format!("{}: {playbook}, as of {at}", heading(plan))
    };
    let _ = writeln!(text, "\n{}", Style::Strong.paint(&heading));
    let _ = writeln!(text, "  as      {}", in_pieces(&caller.to_string(), width));
    if let Some(endpoint) = endpoint {
        let _ = writeln!(text, "  at      {}", Style::Careful.paint(&plain(endpoint)));
    }
    // What is nothing needs no room.
    let given: Vec<String> = inputs(plan, "=")
        .filter(|given| !["=[]", "=\"\""].iter().any(|nothing| given.ends_with(nothing)))
        .collect();
    if !given.is_empty() && !plan.is_undo() {
        let _ = writeln!(text, "{}", cut(&format!("  with    {}", given.join(", ")), 6 * width));
    }
    let _ = writeln!(text, "  digest  {}", in_pieces(digest, width));
    changes(&mut text, plan, width, added);
    batches(&mut text, plan);
    may_break(&mut text, plan, width);
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
    permissions(&mut text, plan, width);
    left_alone(&mut text, plan, width);
    if !plan.imports.is_empty() {
        let line = cut(&format!("  found       {}", brief_found(plan)), width);
        let _ = writeln!(text, "{line}");
    }
    let rest = "`...` and +N: see --all, or type `all` at the question";
    if !warnings(&mut text, plan, WARNINGS, added, &format!(" ({rest})")) {
        let _ = writeln!(text, "  {}", Style::Faint.paint(rest));
    }
    let _ = writeln!(text, "{}", in_all(plan));
    text
}

fn changes(text: &mut String, plan: &Plan, width: usize, added: Option<&Added>) {
    let many = plan.changes.len() > ONE_BY_ONE;
    let marked = |change: &Change| mark(change, added);
    let again = if many { BTreeMap::new() } else { passes(plan) };
    let told_before: BTreeSet<&ChangeId> = again.values().map(|second| &second.id).collect();
    let mut without = Cow::Borrowed(plan);
    if !told_before.is_empty() {
        without.to_mut().changes.retain(|change| !told_before.contains(&change.id));
    }
    let plan = without.as_ref();
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
            // Of a few it stands beside each step.
            Stop::Phase(_) if !many => {}
            Stop::Phase(phase) => {
                let _ = writeln!(text, "{}", Style::Strong.paint(heading_of(phase)));
            }
            Stop::One(change) => {
                rows(text, plan, std::slice::from_ref(change), &again, &marked, width);
            }
            Stop::Step(group) if group.len() > 1 && many => step(text, plan, group, width, added),
            Stop::Step(group) => {
                rows(text, plan, group, &again, &marked, width);
                if many {
                    further(text, group);
                }
            }
        }
    }
}

/// Second passes over sessions, by the first passes that they are told with: of the same step, over the same user.
fn passes(plan: &Plan) -> BTreeMap<&ChangeId, &Change> {
    let first_of = |second: &&Change| {
        let of_both = |one: &&Change| one.step == second.step && one.target == second.target;
        let mut first = plan.changes.iter().filter(|one| of_both(one) && one.id != second.id);
        match (first.next(), first.next()) {
            (Some(first), None) => Some(&first.id),
            _ => None,
        }
    };
    let seconds = plan.changes.iter().filter(|one| one.is_second_pass());
    seconds.filter_map(|second| Some((first_of(&second)?, second))).collect()
}

/// Of the few changes of a step whom they are about, what is done, and from what to what it goes: once for those that have
/// that in common.
fn rows(
    text: &mut String,
    plan: &Plan,
    group: &[Change],
    again: &BTreeMap<&ChangeId, &Change>,
    marked: &dyn Fn(&Change) -> &'static str,
    width: usize,
) {
    // Of a few, where the phase has no heading, it stands beside its first step.
    let many = plan.changes.len() > ONE_BY_ONE;
    let first_of_phase = plan.changes.iter().find(|one| one.phase == group[0].phase);
    let is_first = first_of_phase.is_some_and(|first| first.id == group[0].id);
    let phase = (!many && is_first).then(|| group[0].phase.to_string());
    let place: Vec<String> = phase.into_iter().chain(whence(&group[0], plan)).collect();
    let mut place = Some(place).filter(|place| !place.is_empty());
    for ((before, after), changes) in ways(group) {
        for alike in as_one(&changes, marked) {
            let first = alike[0];
            let seconds: Vec<&Change> =
                alike.iter().filter_map(|one| again.get(&one.id).copied()).collect();
            let ids = ids(&alike.iter().chain(&seconds).copied().collect::<Vec<_>>());
            let ids = format!("{ids:<14}");
            let room = width.saturating_sub(4 + ids.chars().count());
            let mut said = format!("{}{}", whom_and_what(&alike, room), marked(first));
            if let Some(second) = seconds.first() {
                let phase = if second.phase == first.phase {
                    String::new()
                } else {
                    format!("in `{}`, ", second.phase)
                };
                let _ = write!(said, "; {phase}{}", plain(&beyond(&first.what, &second.what)));
            }
            if let Some(place) = place.take() {
                let _ = write!(said, " ({})", place.join(", "));
            }
            let lines = usize::from(width < WIDE) + 1 + usize::from(!seconds.is_empty());
            // Where the room is used up, the beginnings of both are told all the same.
            let row = |room: usize| {
                format!("  {}  {said}  {}", Style::Strong.paint(&ids), turn(before, after, room))
            };
            let lines_of = |room: usize| wrap(&row(room), width).lines().count();
            let lines = lines.max(lines_of(BOTH));
            let fits = |room: &usize| lines_of(*room) <= lines;
            let most = turn(before, after, usize::MAX).chars().count();
            let left = (BOTH..=most).rev().find(fits).unwrap_or(BOTH);
            let _ = writeln!(text, "{}", row(left));
            irreversible(text, &alike, "    ");
        }
    }
}

/// What of `other` is not in `one`, from the first word on in which they differ.
fn beyond(one: &str, other: &str) -> String {
    let same = one.split(' ').zip(other.split(' ')).take_while(|(one, other)| one == other).count();
    other.split(' ').skip(same).collect::<Vec<_>>().join(" ")
}

/// Those that can be told as one: done to the same, or the same done to several.
fn as_one<'c>(
    changes: &[&'c Change],
    marked: &dyn Fn(&Change) -> &'static str,
) -> Vec<Vec<&'c Change>> {
    let mut all: Vec<Vec<&Change>> = Vec::new();
    for &change in changes {
        let goes_with = |of: &&mut Vec<&Change>| {
            marked(of[0]) == marked(change)
                && if of.len() > 1 && of[0].target != of[1].target || of[0].target != change.target
                {
                    of.iter().all(|one| one.what == change.what)
                } else {
                    let at = differing(&of[0].what, &change.what);
                    let of_others = of.get(1).map(|other| differing(&of[0].what, &other.what));
                    at.is_some() && of_others.is_none_or(|others| others == at)
                }
        };
        match all.last_mut().filter(goes_with) {
            Some(of) => of.push(change),
            None => all.push(vec![change]),
        }
    }
    all
}

/// The one word in which two texts differ, by its place.
fn differing(one: &str, other: &str) -> Option<usize> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (one, other) = (words(one), words(other));
    let mut differ = (0..one.len().min(other.len())).filter(|at| one[*at] != other[*at]);
    match (one.len() == other.len(), differ.next(), differ.next()) {
        (true, Some(at), None) => Some(at),
        _ => None,
    }
}

/// `keys-off.1, .2`; of many that follow each other the first and the last.
fn ids(changes: &[&Change]) -> String {
    let mut numbers: Vec<usize> = changes.iter().map(|change| change.id.number()).collect();
    numbers.sort_unstable();
    let step = &changes[0].step;
    let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
    if numbers.len() > 2 && last - first + 1 == numbers.len() {
        return format!("{step}.{first} - .{last}");
    }
    let others = numbers[1..].iter().map(|number| format!(", .{number}"));
    format!("{step}.{first}{}", others.collect::<String>())
}

/// Whom they are about, whole, and what is done.
fn whom_and_what(changes: &[&Change], room: usize) -> String {
    let first = changes[0];
    let what = plain(&first.what);
    if changes.iter().any(|one| one.target != first.target) {
        let whom: Vec<String> = changes.iter().map(|one| plain(&one.target)).collect();
        return whom_and_what_of(&of_one_kind(&whom), &what, room);
    }
    let whom = plain(&first.target);
    let Some(at) = changes.get(1).and_then(|second| differing(&first.what, &second.what)) else {
        return whom_and_what_of(&whom, &what, room);
    };
    let words = changes.iter().map(|one| one.what.split(' ').nth(at).unwrap_or_default());
    let words = words.map(plain).collect::<Vec<_>>().join(", ");
    let of_first: Vec<&str> = first.what.split(' ').collect();
    let (start, end) = (plain(&of_first[..at].join(" ")), plain(&of_first[at + 1..].join(" ")));
    format!("{whom}: {}", [start, words, end].join(" ").trim())
}

/// All changes of a step, which are of one kind, in a few lines.
fn step(text: &mut String, plan: &Plan, group: &[Change], width: usize, added: Option<&Added>) {
    let first = &group[0];
    let id = format!("{:<14}", first.step.as_str());
    let room = width.saturating_sub(INDENT.len());
    let mut line = format!("{}: {}", how_many(group, added), named_in(group, room));
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
    irreversible(text, &group.iter().collect::<Vec<_>>(), INDENT);
}

/// Whom it is about, whole, and what is done, on a line. A name goes on to the next line, and so does the id of a key.
fn whom_and_what_of(whom: &str, what: &str, room: usize) -> String {
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
    let told = of.iter().map(|(what, whom)| whom_and_what_of(&of_one_kind(whom), what, room));
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

/// What may break by each kind: the first that is to be feared, whole, and how much more there is; and how it is taken back, in
/// the first words of that, `...` where there is more to know.
fn may_break(text: &mut String, plan: &Plan, width: usize) {
    let told = kinds(plan).into_iter().map(|(who, change)| {
        let undo: &str = &change.undo;
        // An action's name is enough where it begins with one.
        let first = match undo.strip_prefix('`').and_then(|undo| undo.split_once('`')) {
            Some((action, _)) => action,
            None => undo
                .split([';', ','])
                .next()
                .and_then(|it| it.split(" and ").next())
                .unwrap_or(undo),
        };
        let more = if first == undo.replace('`', "") { "" } else { " ..." };
        let back = format!("back: {first}{more}");
        match &change.hazards[..] {
            [] => format!("{who}: {back}"),
            [hazard] => format!("{who}: {} ({back})", plain(hazard)),
            [hazard, others @ ..] => {
                format!("{who}: {} +{} ({back})", plain(hazard), others.len())
            }
        }
    });
    packed(text, "may break", &told.collect::<Vec<_>>(), width, usize::MAX);
}

/// What would be refused, and what nobody could tell; what is allowed, and what is made to try the cuts on, in a line.
fn permissions(text: &mut String, plan: &Plan, width: usize) {
    let all = || plan.pending().flat_map(|change| &change.permissions);
    let asked = |have: Have, wanted: fn(&Permission) -> bool| {
        let these = all().filter(|one| one.have == have && wanted(one));
        these.map(|one| one.action.as_str()).collect::<BTreeSet<&str>>()
    };
    for (have, style, word, lines) in
        [(Have::Cannot, Style::Bad, "CANNOT", 6), (Have::Unknown, Style::Careful, "unknown", 2)]
    {
        let named = |wanted| asked(have, wanted).into_iter().collect::<Vec<_>>().join(", ");
        let always = Some(named(|one| one.only_if.is_none())).filter(|all| !all.is_empty());
        let at_times = Some(named(|one| one.only_if.is_some())).filter(|all| !all.is_empty());
        let at_times = at_times.map(|actions| format!("where it comes to that, {actions}"));
        let parts: Vec<String> = always.into_iter().chain(at_times).collect();
        painted(text, style, word, &parts, width, lines);
    }
    let can = asked(Have::Can, |one| one.only_if.is_none()).len();
    let can = (can > 0).then(|| format!("{} by AWS's simulator", counted(can, "permission")));
    let makes = plan.canary.as_ref().map(|canary| {
        let makes = plain(canary.makes.split(',').next().unwrap_or_default());
        let made = if can.is_some() { "makes " } else { "" };
        format!("{made}{makes} to try the cuts on, and removes it")
    });
    let label = if can.is_some() { "can" } else { "makes" };
    packed(text, label, &can.into_iter().chain(makes).collect::<Vec<_>>(), width, 1);
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
    let label = if label.is_empty() { "  ".to_owned() } else { format!("{label}: ") };
    let line = format!("  {label}{}", parts.join("; "));
    // Lines are broken between words.
    let fits = |room: &usize| wrap(&cut(&line, *room), width).lines().count() <= lines;
    let whole = line.chars().count();
    let room = if fits(&whole) {
        whole
    } else {
        (0..=lines.saturating_mul(width)).rev().find(fits).unwrap_or(width)
    };
    let _ = writeln!(text, "{}", style.paint(&cut(&line, room)));
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
    let lines = if plan.changes.len() > ONE_BY_ONE { 4 } else { 2 };
    packed(text, label, &other.collect::<Vec<_>>(), width, lines);
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

/// What is one word, in as many lines behind a label as it needs: behind a `/` or `:` where one is near.
fn in_pieces(word: &str, width: usize) -> String {
    const LABEL: usize = 10;
    let room = width.saturating_sub(LABEL).max(LABEL);
    let (mut pieces, mut rest): (Vec<String>, Vec<char>) = (Vec::new(), word.chars().collect());
    while rest.len() > room {
        let near = rest[room / 2..room].iter().rposition(|c| ['/', ':'].contains(c));
        let left = rest.split_off(near.map_or(room, |at| room / 2 + at + 1));
        pieces.push(std::mem::replace(&mut rest, left).into_iter().collect());
    }
    pieces.push(rest.into_iter().collect());
    pieces.join(&format!("\n{}", " ".repeat(LABEL)))
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
    fn what_is_longer_than_a_line_is_whole_in_pieces() {
        let digest = "0123456789".repeat(6);
        for width in [20, 50, 80] {
            let told = in_pieces(&digest, width);
            assert!(told.lines().all(|line| line.trim_start().chars().count() + 10 <= width));
            assert_eq!(told.replace(['\n', ' '], ""), digest);
        }
        let arn = "arn:aws:sts::111122223333:assumed-role/incident-responder/portcullis";
        let expected =
            "arn:aws:sts::111122223333:assumed-role/\n          incident-responder/portcullis";
        assert_eq!(in_pieces(arn, 50), expected);
    }

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
            let told = whom_and_what_of(whom, what, room);
            assert!(told.starts_with("user anna, user bert, user carla: "), "{told}");
            let told = whom_and_what_of("user carla", "deactivate AKIAEXAMPLECARLAKEY1", room);
            assert_eq!(told, "user carla: deactivate AKIAEXAMPLECARLAKEY1");
        }
        assert_eq!(
            whom_and_what_of("user carla", what, 40),
            "user carla: deny sessions again, behi..."
        );
    }
}
