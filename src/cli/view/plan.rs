//! A plan on a screen: what will be done in which order, what cannot be taken back, what is left alone, what
//! may be refused. On a terminal ten changes fit a screen, with what must be read before saying yes last, where
//! the eye is when the question comes; a thousand are told by step, and fit a page. Into a file goes all of it.

mod alike;
mod screen;
mod stale;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

pub(in crate::cli) use self::stale::stale;
use self::walk::{Stop, stops};
use super::{Style, plain};
use crate::diagnostic::{counted, grouped};
use crate::exit::Exit;
use crate::ids::StepId;
use crate::plan::{
    Barrier, Batches, Change, Effect, Have, Import, Permission, Plan, SavedPlan, Shortfall, Wait,
    Whereabouts,
};
use crate::planning::Added;
use crate::playbook::{FirstCut, Phase};

/// With more changes than these, they are told by step.
const ONE_BY_ONE: usize = 12;
/// How many of a group are named; the rest is counted.
const NAMED: usize = 3;
/// How many lines of warnings, or of what is left alone, are shown; the rest is counted.
const LINES: usize = 12;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Detail {
    /// Every change by itself, however many there are, and every line.
    Everything,
    /// All of it; many changes are told by step.
    Whole,
    /// What fits a screen of so many columns.
    Screen(usize),
}

/// Text under a change begins here.
const INDENT: &str = "                  ";

/// The whole plan, for machines.
pub(in crate::cli) fn as_json(saved: &SavedPlan) -> Value {
    json!({
        "version": 1,
        "digest": saved.digest(),
        "pending": saved.plan.pending().count(),
        "plan": saved.plan,
    })
}

/// The plan: of a further round, and of one that takes back or lets somebody in again, what it does. What was done before is
/// told by the case's status.
pub(in crate::cli) fn plan(saved: &SavedPlan, detail: Detail) -> String {
    since(saved, None, detail)
}

/// The plan of a further round, with what is new in it since the one `before`, where that is at hand.
pub(in crate::cli) fn since(
    saved: &SavedPlan,
    before: Option<&SavedPlan>,
    detail: Detail,
) -> String {
    let digest = saved.digest();
    let Some(round) = &saved.round else { return shown(&saved.plan, &digest, detail, None) };
    if !round.lets_in.is_empty() {
        return shown(&saved.taking_back().to_carry_out(), &digest, detail, None);
    }
    let plan = saved.to_carry_out();
    let added = before.filter(|_| !plan.is_undo());
    let added = added.map(|before| Added::of(&before.plan, &saved.plan, &saved.inventory));
    let mut text = shown(&plan, &digest, detail, added.as_ref());
    let begun = saved.plan.carried_out().count() - plan.carried_out().count();
    if begun > 0 {
        let _ = writeln!(
            text,
            "{} of earlier rounds, which were begun by then, stay as they are and are not shown.",
            counted(begun, "change")
        );
    }
    text
}

fn shown(plan: &Plan, digest: &str, detail: Detail, added: Option<&Added>) -> String {
    if let Detail::Screen(width) = detail {
        return screen::shown(plan, digest, width, added);
    }
    let every_change = detail == Detail::Everything;
    let Plan { caller, endpoint, playbook, title, surveyed_at, .. } = plan;
    let mut text = String::new();
    let _ = writeln!(text, "\n{}", Style::Strong.paint(&heading(plan)));
    let _ = writeln!(text, "  playbook  {playbook}: {}", plain(title));
    let _ = writeln!(text, "  as        {caller}");
    if let Some(endpoint) = endpoint {
        let _ = writeln!(text, "  endpoint  {}", Style::Careful.paint(&plain(endpoint)));
    }
    // What is taken back was decided from these, and nothing is decided from them anew.
    if !plan.is_undo() {
        for input in inputs(plan, " = ") {
            let _ = writeln!(text, "  input     {input}");
        }
        let _ = writeln!(text, "  surveyed  {}", surveyed_at.strftime("%Y-%m-%d %H:%M:%S UTC"));
    }
    let _ = writeln!(text, "  digest    {digest}");
    changes(&mut text, plan, every_change || plan.changes.len() <= ONE_BY_ONE, added);
    batches(&mut text, plan);
    per_action(&mut text, plan);
    permissions(&mut text, plan);
    canary(&mut text, plan);
    left_alone(&mut text, plan, if every_change { usize::MAX } else { LINES });
    found(&mut text, plan, if every_change { usize::MAX } else { LINES });
    warnings(&mut text, plan, if every_change { usize::MAX } else { LINES }, added, "");
    let _ = writeln!(text, "\n{}", in_all(plan));
    text
}

fn heading(plan: &Plan) -> String {
    if plan.is_undo() {
        return format!("What is taken back in account {}", plan.account);
    }
    format!("Plan for account {}", plan.account)
}

/// What is left alone, and why: ways in before all else, and neither so many that the other falls off the end.
fn left_alone(text: &mut String, plan: &Plan, shown: usize) {
    if plan.untouched.is_empty() {
        return;
    }
    let heading = if plan.is_undo() { "Not taken back" } else { "Not touched" };
    let _ = writeln!(text, "\n{}", Style::Strong.paint(heading));
    let (ways_in, other) = alike::left_alone(plan, shown);
    for lines in [ways_in, other] {
        let lines: Vec<String> = lines.iter().map(alike::Alike::whole).collect();
        listed(text, "  ", &lines, shown);
    }
}

/// `access_key_id = AKIA...`, as they were given.
fn inputs(plan: &Plan, is: &str) -> impl Iterator<Item = String> {
    plan.inputs.iter().filter(|(_, value)| !value.is_null()).map(move |(name, value)| {
        let text = value.as_str().filter(|text| !text.is_empty());
        let value = text.map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}{is}{}", plain(&value))
    })
}

/// What is to be read before saying yes, if anything is; `beside` is said beside the heading.
fn warnings(
    text: &mut String,
    plan: &Plan,
    shown: usize,
    added: Option<&Added>,
    beside: &str,
) -> bool {
    let mut lines: Vec<String> = added.into_iter().flat_map(new_in_it).collect();
    lines.extend(how_it_ends(plan));
    lines.extend(if shown == usize::MAX {
        plan.warnings.iter().map(|warning| plain(warning)).collect()
    } else {
        alike::sentences(plan, &plan.warnings)
    });
    if lines.is_empty() {
        return false;
    }
    let heading = Style::Careful.paint("Before you say yes");
    let _ = writeln!(text, "\n{heading}{}", Style::Faint.paint(beside));
    listed(text, "  - ", &lines, shown);
    true
}

/// What a round has that the one before it had not: what somebody is asked about first, and what has come.
fn new_in_it(added: &Added) -> impl Iterator<Item = String> {
    let beyond = added.beyond.iter().map(|why| format!("new: {}", plain(why)));
    let come: Vec<String> = added.credentials.iter().map(ToString::to_string).collect();
    let come =
        (!come.is_empty()).then(|| format!("new in the account: {}", plain(&come.join(", "))));
    let planned: Vec<&str> = added.planned_at_last.iter().map(StepId::as_str).collect();
    let planned = (!planned.is_empty())
        .then(|| format!("new: steps that could not be planned before: {}", planned.join(", ")));
    beyond.chain(come).chain(planned)
}

/// What is said of a change beside what it does: that it is so already, or that it is new in this round, or decided anew.
fn mark(change: &Change, added: Option<&Added>) -> &'static str {
    match added {
        Some(added) if added.changes.contains(&change.id) => " (NEW)",
        Some(added) if added.otherwise.contains(&change.id) => " (OTHERWISE THAN BEFORE)",
        _ if change.already => " (already so)",
        _ => "",
    }
}

/// How its run can end, and what it waits for on the way, in the order in which it comes to that; nothing where it ends with 0
/// without waiting for anybody.
fn how_it_ends(plan: &Plan) -> Vec<String> {
    let end = at_best(plan);
    let (early, late): (Vec<&Wait>, Vec<&Wait>) =
        plan.waits.iter().partition(|wait| !wait.behind_the_gate);
    let mut lines = Vec::new();
    let stops = |lines: &[String], Wait { exit, until, .. }: &Wait| {
        let when = if lines.is_empty() { "first" } else { "then" };
        let stops = if *exit == Exit::Waiting.code() { "waits" } else { "is held" };
        format!("{when} the run {stops}, exit code {exit}, {}", plain(until))
    };
    for wait in early {
        lines.push(stops(&lines, wait));
    }
    lines.extend(not_planned(plan));
    if plan.stays_shut {
        lines.extend(end);
        return lines;
    }
    for wait in late {
        lines.push(stops(&lines, wait));
    }
    match end {
        Some(end) if lines.is_empty() => lines.push(end),
        Some(end) => lines.push(format!("after that, {end}")),
        None if lines.is_empty() => {}
        None => lines.push("after that, where all goes well, it ends with exit code 0".to_owned()),
    }
    lines
}

/// That it cannot end with 0, why, and what would make it: with which number a run ends is what its caller goes by.
fn at_best(plan: &Plan) -> Option<String> {
    let told = |Shortfall { why, then }: &Shortfall| match then {
        Some(then) => plain(&format!("{why} (for 0: {then})")),
        None => plain(why),
    };
    let all: Vec<String> = plan.at_best.iter().map(told).collect();
    // What is not allowed is held until it is.
    let is_held = plan.stays_shut || plan.pending().any(Change::is_refused);
    let exit = if is_held { Exit::Held } else { Exit::NotProven };
    (!all.is_empty())
        .then(|| format!("at best it ends with exit code {}: {}", exit.code(), all.join("; ")))
}

/// That it will be held when it has cut, and for what.
fn not_planned(plan: &Plan) -> Option<String> {
    let steps = plan.not_planned();
    (!steps.is_empty()).then(|| {
        format!(
            "once all is cut and proven that can be, the run is held with exit code 13: {}. Mend that, and plan again; what is \
             cut by then is found cut",
            plain(&steps.join("; "))
        )
    })
}

/// How much it is, in a sentence.
fn in_all(plan: &Plan) -> String {
    let writes = plan.pending().count();
    let already = plan.changes.len() - writes;
    let estimate = &plan.estimate;
    let already = match already {
        _ if plan.is_undo() => " to take back".to_owned(),
        0 => String::new(),
        n => format!("; {} already so, and checked all the same", grouped(n)),
    };
    format!(
        "{}{already}. About {}, {} of them writing, and {}.",
        counted(writes, "change"),
        counted(estimate.requests, "request"),
        grouped(estimate.writes),
        duration(estimate.seconds),
    )
}

/// What others found, beside what the account has.
fn found(text: &mut String, plan: &Plan, shown: usize) {
    if plan.imports.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", Style::Strong.paint("Found by others"));
    for Import { file, sha256, findings } in &plan.imports {
        let users = match findings.reported.len() {
            0 => String::new(),
            users => format!(", {}", counted(users, "user")),
        };
        let unused = match findings.unused {
            0 => String::new(),
            unused => format!(", {} without a credential", counted(unused, "line")),
        };
        let findings = counted(findings.found.len(), "finding");
        let _ = writeln!(text, "  {}: {findings}{users}{unused} (sha256 {sha256})", plain(file));
    }
    let lines: Vec<String> = plan
        .found
        .iter()
        .map(|found| {
            let (style, word, what) = match &found.whereabouts {
                Whereabouts::InScope { credential } => {
                    (Style::Good, "in scope", credential.to_string())
                }
                Whereabouts::NotCovered { credential } => {
                    (Style::Bad, "NOT COVERED", credential.to_string())
                }
                Whereabouts::NotHere => (Style::Faint, "not here", found.key.to_string()),
                Whereabouts::NotTold { why } => {
                    (Style::Careful, "not told", format!("{} ({why})", found.key))
                }
            };
            let word = style.paint(&format!("{word:<12}"));
            let places = plan.places_of(&found.key).join(", ");
            format!("{word}  {}: {}", plain(&what), plain(&places))
        })
        .collect();
    listed(text, "  ", &lines, shown);
    let others = plan.imports.iter().flat_map(|import| &import.findings.found);
    let others: Vec<String> = others
        .filter(|finding| finding.key.is_none())
        .map(|finding| plain(&format!("{} in {}", finding.kind, finding.place)))
        .collect();
    if !others.is_empty() {
        let word = if others.len() == 1 { "is no access key" } else { "are no access keys" };
        let named = others.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = if others.len() > NAMED { ", ..." } else { "" };
        let _ = writeln!(text, "  {} that {word}: {named}{more}", grouped(others.len()));
    }
}

fn changes(text: &mut String, plan: &Plan, one_by_one: bool, added: Option<&Added>) {
    let mut of_kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for change in &*plan.changes {
        *of_kinds.entry(change.kind.as_str()).or_default() += 1;
    }
    for stop in stops(plan, one_by_one) {
        match stop {
            Stop::Gate => {
                let terms = format!(
                    "the gate: nothing below starts until every cut above is proven {} ({} s after the last)",
                    plan.gate.proof, plan.gate.margin_seconds
                );
                let _ =
                    writeln!(text, "\n  {}", Style::Strong.paint(&format!("==== {terms} ====")));
            }
            Stop::Phase(phase) => {
                let _ = writeln!(text, "\n{}", Style::Strong.paint(heading_of(phase)));
            }
            Stop::One(change) => {
                one(text, plan, change, of_kinds.remove(change.kind.as_str()), added);
            }
            Stop::Step(group) => step(text, plan, group, added),
        }
    }
    if !one_by_one {
        let all = "every change by itself: with --all, or --format json";
        let _ = writeln!(text, "\n  {}", Style::Faint.paint(all));
    }
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

/// One change; what is not known of its kind is said with the first of them, which is told `of_kind` how many.
fn one(
    text: &mut String,
    plan: &Plan,
    change: &Change,
    of_kind: Option<usize>,
    added: Option<&Added>,
) {
    let Change { id, target, what, before, after, .. } = change;
    let mark = mark(change, added);
    let _ = writeln!(
        text,
        "  {}  {}: {}{mark}  {}",
        Style::Strong.paint(&format!("{:<14}", id.as_str())),
        plain(target),
        plain(what),
        Style::Faint.paint(&does(change, plan)),
    );
    let _ = writeln!(text, "{INDENT}{} -> {}", plain(before), plain(after));
    further(text, std::slice::from_ref(change));
    if let Some(of_kind) = of_kind {
        unknowns(text, change, of_kind);
    }
    irreversible(text, &[change], INDENT);
}

/// What the step says of them. Of what it says for each in other words, one is an example and no more.
fn further(text: &mut String, changes: &[Change]) {
    let again = |effect: &Effect| {
        matches!(effect, Effect::Cuts { barrier: Barrier::SessionsSecondPass, .. })
    };
    if changes[0].phase == Phase::Eradicate && changes[0].effects.iter().any(again) {
        let _ = writeln!(text, "{INDENT}only here: what mints such sessions is cut in this phase");
    }
    let said = |change: &&Change| change.reason.is_some();
    let reasons: Vec<&str> = changes.iter().filter_map(|one| one.reason.as_deref()).collect();
    if let (Some(example), Some(first)) = (changes.iter().find(said), reasons.first()) {
        let first = plain(first);
        let different = reasons.iter().collect::<BTreeSet<_>>().len();
        let why = match different {
            1 if reasons.len() == changes.len() => format!("why: {first}"),
            1 => format!("why, of {}: {first}", grouped(reasons.len())),
            n => format!("why: {}; of {}: {first}", counted(n, "reason"), example.id),
        };
        let _ = writeln!(text, "{INDENT}{why}");
    }
    let days = changes.iter().filter_map(|one| one.review_by);
    let days: Vec<String> = days
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(|day| day.strftime("%Y-%m-%d %H:%M UTC").to_string())
        .collect();
    match days.as_slice() {
        [] => {}
        [day] => {
            let _ = writeln!(text, "{INDENT}to be looked at again by {day}");
        }
        [first, .., last] => {
            let times = counted(days.len(), "time");
            let _ =
                writeln!(text, "{INDENT}to be looked at again by {times}, from {first} to {last}");
        }
    }
}

/// What is not known of a change, and of all `of_kind` that are of its kind.
fn unknowns(text: &mut String, change: &Change, of_kind: usize) {
    let of_each = if of_kind > 1 { format!(" of each {}", change.kind) } else { String::new() };
    for unknown in &change.unknowns {
        let line =
            format!("not known yet{of_each}: {} ({}), {}", unknown.what, unknown.ty, unknown.known);
        let _ = writeln!(text, "{INDENT}{}", Style::Faint.paint(&line));
    }
}

/// `cuts; line 61`.
fn does(change: &Change, plan: &Plan) -> String {
    let kinds: BTreeSet<String> =
        change.effects.iter().map(|effect| effect.kind().to_string()).collect();
    let kinds: Vec<String> = kinds.into_iter().collect();
    let whence = whence(change, plan).map_or(String::new(), |place| format!("; {place}"));
    format!("{}{whence}", kinds.join(", "))
}

/// Where its step stands; of a first cut there is no playbook that anybody has seen.
fn whence(change: &Change, plan: &Plan) -> Option<String> {
    (plan.playbook != FirstCut::NAME).then(|| plain(&change.place()))
}

/// What of them cannot be taken back: whole, whatever room it takes. Nobody should say yes to half of it, or to one of three.
fn irreversible(text: &mut String, changes: &[&Change], indent: &str) {
    let lost: Vec<&str> =
        changes.iter().filter_map(|change| change.irreversible.as_deref()).collect();
    if lost.is_empty() {
        return;
    }
    let times = match changes.len() {
        1 => String::new(),
        _ => format!(", {}", counted(lost.len(), "time")),
    };
    let warning = format!("CANNOT BE TAKEN BACK{times}: {}", alike::each(&lost));
    let _ = writeln!(text, "{indent}{}", Style::Bad.paint(&warning));
}

/// All changes of a step, which are of one kind, in a few lines.
fn step(text: &mut String, plan: &Plan, group: &[Change], added: Option<&Added>) {
    let first = &group[0];
    let _ = writeln!(
        text,
        "  {}  {}: {}  {}",
        Style::Strong.paint(&format!("{:<14}", first.step.as_str())),
        how_many(group, added),
        first.kind,
        Style::Faint.paint(&does(first, plan)),
    );
    let ways = ways(group);
    let more = ways.len().saturating_sub(NAMED);
    for ((before, after), changes) in ways.into_iter().take(NAMED) {
        let n = grouped(changes.len());
        let _ = writeln!(text, "{INDENT}{n}: {} -> {}", plain(before), plain(after));
    }
    if more > 0 {
        let _ = writeln!(text, "{INDENT}and in {}", counted(more, "other way"));
    }
    let named: Vec<String> = group
        .iter()
        .take(NAMED)
        .map(|change| format!("{}: {}", plain(&change.target), plain(&change.what)))
        .collect();
    let more = group.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("; and {} more", grouped(more)) } else { String::new() };
    let _ =
        writeln!(text, "{INDENT}{}", Style::Faint.paint(&format!("{}{more}", named.join("; "))));
    further(text, group);
    unknowns(text, first, group.len());
    irreversible(text, &group.iter().collect::<Vec<_>>(), INDENT);
}

/// `6 changes to 3 targets (1 already so)`.
fn how_many(group: &[Change], added: Option<&Added>) -> String {
    let targets: BTreeSet<&str> = group.iter().map(|change| change.target.as_str()).collect();
    let already = match group.iter().filter(|change| change.already).count() {
        0 => String::new(),
        n if n == group.len() => " (all already so)".to_owned(),
        n => format!(" ({} already so)", grouped(n)),
    };
    let new = match group.iter().filter(|change| mark(change, added) == " (NEW)").count() {
        0 => String::new(),
        n => format!(" ({} NEW)", grouped(n)),
    };
    let targets = counted(targets.len(), "target");
    format!("{} to {targets}{already}{new}", counted(group.len(), "change"))
}

/// From what to what, with the changes that have it in common: those of which there are most first.
fn ways(group: &[Change]) -> Vec<((&str, &str), Vec<&Change>)> {
    let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut ways: Vec<((&str, &str), Vec<&Change>)> = Vec::new();
    for change in group {
        let way = (change.before.as_str(), change.after.as_str());
        let place = *places.entry(way).or_insert_with(|| {
            ways.push((way, Vec::new()));
            ways.len() - 1
        });
        ways[place].1.push(change);
    }
    ways.sort_by_key(|(_, changes)| std::cmp::Reverse(changes.len()));
    ways
}

/// What is made and removed again to try the cuts on, and what it takes.
fn canary(text: &mut String, plan: &Plan) {
    let Some(canary) = &plan.canary else { return };
    let head = if canary.stays.is_empty() {
        "Made to try the cuts on, and removed again"
    } else {
        "Made to try the cuts on"
    };
    let _ = writeln!(text, "\n{}", Style::Strong.paint(head));
    let times = match canary.times {
        1 => "once".to_owned(),
        n => format!("{n} times"),
    };
    let _ = writeln!(text, "  {}, {times}; tried on it:", plain(&canary.makes));
    for mechanism in &canary.tries {
        let in_vain = canary.in_vain.get(mechanism);
        let in_vain =
            in_vain.map(|missing| format!(" (not to be tried: no {})", missing.join(", ")));
        let _ = writeln!(text, "  - {mechanism}{}", in_vain.unwrap_or_default());
    }
    if !canary.stays.is_empty() {
        let stays = Style::Bad.paint("It cannot be removed again");
        let _ = writeln!(text, "  {stays}: no {}", canary.stays.join(", "));
    }
    let _ = writeln!(
        text,
        "  What is not refused because of it within {} is not proven, and the gate stays shut.",
        duration(plan.gate.within_seconds)
    );
    if !canary.untried.is_empty() {
        let ids: Vec<&str> = canary.untried.iter().map(crate::ids::ChangeId::as_str).collect();
        let _ = writeln!(
            text,
            "  Cannot be tried, and count where what they cut is also cut by what can: {}",
            few(&ids)
        );
    }
    let told = |have: Have| -> Vec<&str> {
        let of = canary.permissions.iter().filter(|permission| permission.have == have);
        of.map(|permission| permission.action.as_str()).collect()
    };
    for (have, words) in [
        (Have::Cannot, Style::Bad.paint("not allowed to whoever surveyed")),
        (Have::Unknown, Style::Careful.paint("whether it is allowed is not known")),
    ] {
        let actions = told(have);
        if !actions.is_empty() {
            let _ = writeln!(text, "  {words}: {}", actions.join(", "));
        }
    }
}

/// The first of many, and how many more.
fn few(all: &[&str]) -> String {
    let more = all.len().saturating_sub(NAMED);
    let named = all[..all.len() - more].join(", ");
    if more > 0 { format!("{named} and {} more", grouped(more)) } else { named }
}

/// Which steps go a few at a time, and which phases wait for somebody.
fn batches(text: &mut String, plan: &Plan) {
    // What no change is of, the run never comes to.
    let waits = |phase: &Phase| plan.changes.iter().any(|change| change.phase == *phase);
    let approvals: Vec<(&Phase, &usize)> =
        plan.approvals.iter().filter(|(phase, _)| waits(phase)).collect();
    if plan.batches.is_empty() && approvals.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", Style::Strong.paint("Not all at once"));
    for Batches { step, of, pause_seconds, stop_at } in &plan.batches {
        let largest = of.iter().map(Vec::len).max().unwrap_or(0);
        let batches = if of.len() == 1 { "batch" } else { "batches" };
        let largest = counted(largest, "change");
        let _ = write!(text, "  {step}: {} {batches} of up to {largest}", grouped(of.len()));
        if *pause_seconds > 0 {
            let _ = write!(text, ", {} apart", duration(*pause_seconds));
        }
        if let Some(percent) = stop_at {
            let _ = write!(text, "; none further where {percent} % wait for a person");
        }
        text.push('\n');
    }
    for (phase, people) in approvals {
        let _ = writeln!(text, "  {phase}: waits for {}", counted(*people, "approval"));
    }
}

/// What is true of every change of one kind, said once.
fn per_action(text: &mut String, plan: &Plan) {
    let mut seen = BTreeSet::new();
    let kinds: Vec<&Change> =
        plan.changes.iter().filter(|change| seen.insert(change.kind.as_str())).collect();
    if kinds.is_empty() {
        return;
    }
    let _ =
        writeln!(text, "\n{}", Style::Strong.paint("What it may break, and how it is taken back"));
    for change in kinds {
        let back = Style::Faint.paint(&format!("Back: {}", change.undo));
        let _ = writeln!(text, "  {}  {}. {back}", change.kind, change.hazards.join("; "));
    }
}

/// Each permission once, with what would be refused first.
fn permissions(text: &mut String, plan: &Plan) {
    type Way<'a> = (Have, Option<&'a str>, Option<&'a str>);
    let mut ways: BTreeMap<Way<'_>, BTreeMap<&str, Vec<&Change>>> = BTreeMap::new();
    for change in plan.pending() {
        for Permission { action, have, only_if, why, .. } in &change.permissions {
            if *have == Have::Can && only_if.is_some() {
                continue;
            }
            let way = (*have, only_if.as_deref(), why.as_deref());
            ways.entry(way).or_default().entry(action).or_default().push(change);
        }
    }
    if ways.is_empty() {
        return;
    }
    let heading = "Permissions it needs to write, by AWS's policy simulator";
    let _ = writeln!(text, "\n{}", Style::Strong.paint(heading));
    for ((have, only_if, why), actions) in ways {
        let (style, word) = match have {
            Have::Can => (Style::Good, "can"),
            Have::Cannot => (Style::Bad, "CANNOT"),
            Have::Unknown => (Style::Careful, "unknown"),
        };
        let named: Vec<String> = actions
            .into_iter()
            .map(|(action, changes)| match (have, changes.as_slice()) {
                (Have::Can, _) => action.to_owned(),
                (_, [one]) => format!("{action} ({})", one.id),
                (_, [first, rest @ ..]) => {
                    format!("{action} ({} and {} more)", first.id, grouped(rest.len()))
                }
                (_, []) => action.to_owned(),
            })
            .collect();
        let mut line = named.join(", ");
        if let Some(only_if) = only_if {
            let _ = write!(line, "; needed only if {only_if}");
        }
        if let Some(why) = why {
            let _ = write!(line, "; {}", plain(why));
        }
        let _ = writeln!(text, "  {}  {line}", style.paint(&format!("{word:<7}")));
    }
}

fn listed(text: &mut String, mark: &str, lines: &[String], shown: usize) {
    for line in lines.iter().take(shown) {
        let _ = writeln!(text, "{mark}{line}");
    }
    let more = lines.len().saturating_sub(shown);
    if more > 0 {
        let _ = writeln!(text, "{mark}and {} more, which --all shows", grouped(more));
    }
}

/// `2 min 5 s`, `1 h 20 min`.
pub(in crate::cli) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ if seconds % 3600 < 60 => format!("{} h", seconds / 3600),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn a_round_time_is_told_without_noughts() {
        let told = [59, 60, 600, 125, 3600, 3659, 4800].map(duration);
        assert_eq!(told, ["59 s", "1 min", "10 min", "2 min 5 s", "1 h", "1 h", "1 h 20 min"]);
    }
}
