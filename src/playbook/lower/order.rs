//! How the steps stand to each other: ids, needs, phases, and the first of the gate's three places.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Lowering;
use super::steps::Draft;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::ids::StepId;
use crate::playbook::field::{Field, FieldType, shorten};
use crate::playbook::template::Content;
use crate::playbook::vocabulary::{ActionShape, EffectKind, Mode, Phase};

/// Judges the steps.
pub(super) fn check(lowering: &mut Lowering<'_>, mode: Mode, steps: &[Draft<'_, '_>]) {
    let index = ids(lowering, steps);
    needs(lowering, steps, &index);
    for step in steps {
        phase(lowering, mode, step);
    }
    if mode == Mode::Breach {
        cuts_before_issuing(lowering, steps);
        cuts_before_deleting(lowering, steps);
        cuts_whom_it_hands_to(lowering, steps);
        puts_on_what_it_takes_off(lowering, steps);
    }
}

/// Whether a step cuts before the gate, or may, as far as it could be read.
fn may_cut(draft: &Draft<'_, '_>, of: impl Fn(&ActionShape) -> bool) -> bool {
    let early = draft.phase.is_none_or(|(phase, _)| !phase.is_behind_the_gate());
    let cuts = draft
        .action
        .is_none_or(|(action, _)| action.effects.contains(&EffectKind::Cuts) && of(action));
    early && cuts
}

/// Whoever is handed something is cut off first, as far as the file alone tells: who is named by an expression is known when
/// the plan is made.
fn cuts_whom_it_hands_to(lowering: &mut Lowering<'_>, steps: &[Draft<'_, '_>]) {
    if !lowering.names.unread.is_empty() {
        return;
    }
    let (mut cut_off, mut anybody) = (BTreeSet::new(), BTreeSet::new());
    for draft in steps.iter().filter(|draft| may_cut(draft, |_| true)) {
        let Some((action, _)) = draft.action else { return };
        match named(draft) {
            Some((kind, name, _)) => {
                cut_off.insert((kind, name.to_owned()));
            }
            None => anybody.extend(action.fields.iter().filter_map(kind_of)),
        }
    }
    let cuts_of_iam = steps.iter().any(|draft| may_cut(draft, is_of_iam));
    // Where nothing is cut at all, another problem says so.
    if cut_off.is_empty() && anybody.is_empty() {
        return;
    }
    for draft in steps {
        let Some((action, _)) = draft.action else { continue };
        let does = |effect: EffectKind| action.effects.contains(&effect);
        // Of what is deleted where nothing of IAM is cut, another problem says so.
        if !(does(EffectKind::Issues) || does(EffectKind::Destroys) && cuts_of_iam) {
            continue;
        }
        let Some((kind, name, place)) = named(draft) else { continue };
        if anybody.contains(kind) || cut_off.contains(&(kind, name.to_owned())) {
            continue;
        }
        let name = shorten(name);
        let problem = Diagnostic::error(
            Code::GateOrder,
            format!("this concerns {kind} {name}, whom no step cuts off first"),
        );
        let help = format!("add `iam.{kind}.quarantine` for {name} in phase `contain`");
        lowering.push(problem.at(place, "still inside").help(help));
    }
}

/// What is taken off is put on first, by the action that does and for the same user, role or way in, as far as the file alone
/// tells.
fn puts_on_what_it_takes_off(lowering: &mut Lowering<'_>, steps: &[Draft<'_, '_>]) {
    // What puts it on may stand in what could not be read.
    if !lowering.names.unread.is_empty() || steps.iter().any(|draft| draft.action.is_none()) {
        return;
    }
    for draft in steps {
        let Some((action, uses)) = draft.action else { continue };
        let Some(cut) = action.takes_off else { continue };
        let cuts: Vec<&Draft<'_, '_>> =
            steps.iter().filter(|draft| may_cut(draft, |action| action.kind == cut)).collect();
        let (message, place, label, mut help) = match named(draft) {
            Some((kind, name, place)) => {
                let mut whose = cuts.iter().map(|cut| named(cut));
                if whose.any(|whose| whose.is_none_or(|(_, of, _)| of == name)) {
                    continue;
                }
                let closed = cuts.iter().filter_map(|cut| named(cut)).map(|(_, name, _)| name);
                let near = lowering.suggest(name, closed).map(str::to_owned);
                let name = shorten(name);
                if kind == WAY_IN {
                    let help = near.map_or_else(
                        || format!("add `{cut}` with `covers: {name}` in phase `contain`"),
                        |near| format!("did you mean `{near}`?"),
                    );
                    let message =
                        format!("this opens the way in `{name}`, which no step closes first");
                    (message, place, "never closed", help)
                } else {
                    let help = near.map_or_else(
                        || format!("add `{cut}` for {name} in phase `contain`"),
                        |near| format!("did you mean `{near}`?"),
                    );
                    let message = format!(
                        "this takes off what `{cut}` puts on {kind} {name}, and no step does that first"
                    );
                    (message, place, "nothing to take off", help)
                }
            }
            None if cuts.is_empty() => (
                format!("`{}` takes off what `{cut}` puts on, and no step does that", action.kind),
                lowering.place(uses),
                "nothing to take off",
                format!("add `{cut}` in phase `contain`"),
            ),
            None => continue,
        };
        if cuts.is_empty() {
            help.push_str(
                ": what it finds cut stays so and counts. What a case has cut that case opens again (`portcullis resume \
                 CASE`), or lets in alone (`portcullis undo CASE --only user/NAME`), and no playbook of its own",
            );
        }
        lowering.push(Diagnostic::error(Code::GateOrder, message).at(place, label).help(help));
    }
}

/// What is closed and opened outside.
const WAY_IN: &str = "way in";

/// What a field names: a user, a role or a way in.
fn kind_of(field: &Field) -> Option<&'static str> {
    match field.ty {
        FieldType::UserName => Some("user"),
        FieldType::RoleName => Some("role"),
        _ => (field.name == "covers").then_some(WAY_IN),
    }
}

/// The one user, role or way in that a step is about, where the file names one.
fn named<'d>(draft: &'d Draft<'_, '_>) -> Option<(&'static str, &'d str, Place)> {
    let step = draft.step.as_ref().filter(|step| step.for_each.is_none())?;
    let (action, _) = draft.action?;
    let mut of = step.with.iter().filter_map(|(name, template)| {
        let field = action.fields.iter().find(|field| field.name == name)?;
        Some((kind_of(field)?, template))
    });
    let ((kind, template), None) = (of.next()?, of.next()) else { return None };
    let Content::Literal(Value::String(name)) = &template.content else { return None };
    Some((kind, name, template.place().clone()))
}

fn ids(lowering: &mut Lowering<'_>, steps: &[Draft<'_, '_>]) -> BTreeMap<StepId, usize> {
    let mut index = BTreeMap::new();
    for (i, step) in steps.iter().enumerate() {
        let Some(id) = &step.id else { continue };
        match index.get(id) {
            None => {
                index.insert(id.clone(), i);
            }
            Some(first) => {
                let first: &Draft<'_, '_> = &steps[*first];
                let problem =
                    Diagnostic::error(Code::DuplicateId, format!("two steps are called `{id}`"))
                        .at(lowering.place(&step.id_range), "again here")
                        .and(lowering.place(&first.id_range), "first here")
                        .help("give one of them another id");
                lowering.push(problem);
            }
        }
    }
    index
}

fn needs(lowering: &mut Lowering<'_>, steps: &[Draft<'_, '_>], index: &BTreeMap<StepId, usize>) {
    let mut edges: Vec<Vec<usize>> = Vec::with_capacity(steps.len());
    for step in steps {
        let mut of_step = Vec::new();
        for (need, range) in &step.needs {
            let Some(&needed) = index.get(need) else {
                let near = lowering.suggest(need.as_str(), index.keys().map(StepId::as_str));
                let help = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    // It may stand in a fragment that could not be read.
                    None if !lowering.names.unread.is_empty() => continue,
                    None => "name the id of another step".to_owned(),
                };
                let problem = Diagnostic::error(
                    Code::UnknownReference,
                    format!("there is no step `{}`", shorten(need.as_str())),
                )
                .at(lowering.place(range), "not known")
                .help(help);
                lowering.push(problem);
                continue;
            };
            of_step.push(needed);
            if let (Some((own, _)), Some((other, other_range))) = (step.phase, steps[needed].phase)
                && other > own
            {
                let problem = Diagnostic::error(
                    Code::NeedsLaterPhase,
                    format!("a step of `{own}` waits for `{need}`, which runs in `{other}`, later"),
                )
                .at(lowering.place(range), "would wait for ever")
                .and(lowering.place(other_range), "runs later")
                .help("take the need out, or move one of the two to another phase");
                lowering.push(problem);
            }
        }
        edges.push(of_step);
    }
    for cycle in sort(&edges).cycles {
        circle(lowering, steps, &cycle);
    }
}

fn circle(lowering: &mut Lowering<'_>, steps: &[Draft<'_, '_>], cycle: &[usize]) {
    let names: Vec<String> = cycle
        .iter()
        .take(10)
        .filter_map(|i| steps[*i].id.as_ref().map(|id| format!("`{id}`")))
        .collect();
    let message = if cycle.len() == 1 {
        format!("{} waits for itself", names.join(""))
    } else {
        format!("steps wait for each other: {}", names.join(" -> "))
    };
    // The place to mend is a need: the one that leads on from the first step of the circle.
    let next = &steps[cycle[usize::from(cycle.len() > 1)]].id;
    let first = &steps[cycle[0]];
    let range = first
        .needs
        .iter()
        .find(|(need, _)| Some(need) == next.as_ref())
        .map_or(&first.id_range, |(_, range)| range);
    let mut problem = Diagnostic::error(Code::Cycle, message)
        .at(lowering.place(range), "waits for this")
        .help("take one of these needs out");
    for i in cycle.iter().skip(1).take(8) {
        problem = problem.and(lowering.place(&steps[*i].id_range), "which waits for the next");
    }
    lowering.push(problem);
}

fn phase(lowering: &mut Lowering<'_>, mode: Mode, step: &Draft<'_, '_>) {
    let (Some((phase, range)), Some((action, uses))) = (step.phase, step.action) else { return };
    let early = action.effects.iter().find(|effect| match effect {
        EffectKind::Cuts => false,
        EffectKind::Issues | EffectKind::Delivers | EffectKind::Lifts => {
            !matches!(phase, Phase::Rotate | Phase::Recover)
        }
        EffectKind::Destroys => !phase.is_behind_the_gate(),
    });
    let allowed =
        || action.phases.iter().map(|phase| format!("`{phase}`")).collect::<Vec<_>>().join(" or ");
    if mode == Mode::Breach
        && let Some(effect) = early
    {
        let does = match effect {
            EffectKind::Issues => "makes a new credential",
            EffectKind::Delivers => "hands a credential out",
            EffectKind::Lifts => "takes a cut back",
            EffectKind::Cuts | EffectKind::Destroys => "deletes for good",
        };
        let why = if phase.is_behind_the_gate() {
            format!("`{}` {does}, and `{phase}` is for deleting", action.kind)
        } else {
            format!("`{}` {does}, and `{phase}` is before the gate", action.kind)
        };
        let problem = Diagnostic::error(Code::GateOrder, why)
            .at(lowering.place(range), "before every cut is proven")
            .and(lowering.place(uses), does)
            .help(format!("put it in {}", allowed()));
        lowering.push(problem);
        return;
    }
    if !action.phases.contains(&phase) {
        let problem = Diagnostic::error(
            Code::WrongPhase,
            format!("`{}` does not belong in `{phase}`", action.kind),
        )
        .at(lowering.place(range), "not here")
        .and(lowering.place(uses), "")
        .help(format!("put it in {}", allowed()));
        lowering.push(problem);
    }
}

fn cuts_before_issuing(lowering: &mut Lowering<'_>, steps: &[Draft<'_, '_>]) {
    let cuts = steps.iter().any(|step| may_cut(step, |_| true));
    let issues = steps.iter().find_map(|step| {
        step.action.filter(|(action, _)| action.effects.contains(&EffectKind::Issues))
    });
    // What cuts may stand in a fragment that could not be read.
    if let (false, Some((action, range))) = (cuts || !lowering.names.unread.is_empty(), issues) {
        let help = "add a step of phase `contain` that cuts, as `iam.access-key.deactivate` does";
        let problem = Diagnostic::error(
            Code::IssuesWithoutCut,
            format!("`{}` makes a new credential, and nothing is cut before", action.kind),
        )
        .at(lowering.place(range), "the intruder could read it")
        .help(help);
        lowering.push(problem);
    }
}

fn is_of_iam(action: &ActionShape) -> bool {
    action.kind.starts_with("iam.")
}

/// What is deleted for good is cut first, and seen to be: where no step cuts anything, nothing is. What a secret held is no
/// such thing, for nothing but what replaces it ends it.
fn cuts_before_deleting(lowering: &mut Lowering<'_>, steps: &[Draft<'_, '_>]) {
    let cuts = steps.iter().any(|step| may_cut(step, is_of_iam));
    if cuts || !lowering.names.unread.is_empty() {
        return;
    }
    for step in steps {
        let Some((action, uses)) = step.action.filter(|(action, _)| {
            is_of_iam(action) && action.effects == [EffectKind::Destroys].as_slice()
        }) else {
            continue;
        };
        let problem = Diagnostic::error(
            Code::GateOrder,
            format!("`{}` deletes for good, and no step cuts anything first", action.kind),
        )
        .at(lowering.place(uses), "not known to be dead")
        .help("add `iam.access-key.deactivate` with `keys: all` in phase `contain`");
        lowering.push(problem);
    }
}

/// An order in which everything comes after what it needs, and the circles that prevent one.
pub(super) struct Sorted {
    pub(super) order: Vec<usize>,
    pub(super) cycles: Vec<Vec<usize>>,
}

/// Sorts so that each comes after those its edges lead to; keeps the given order where it can.
pub(super) fn sort(edges: &[Vec<usize>]) -> Sorted {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; edges.len()];
    let mut sorted = Sorted { order: Vec::with_capacity(edges.len()), cycles: Vec::new() };
    for root in 0..edges.len() {
        if marks[root] != Mark::New {
            continue;
        }
        // The way down from the root: a node, and which of its edges comes next.
        let mut path = vec![(root, 0)];
        marks[root] = Mark::Open;
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            let Some(&to) = edges[node].get(*next) else {
                marks[node] = Mark::Done;
                sorted.order.push(node);
                path.pop();
                continue;
            };
            *next += 1;
            match marks[to] {
                Mark::New => {
                    marks[to] = Mark::Open;
                    path.push((to, 0));
                }
                Mark::Open => {
                    let start = path.iter().position(|(node, _)| *node == to).unwrap_or(0);
                    sorted.cycles.push(path[start..].iter().map(|(node, _)| *node).collect());
                }
                Mark::Done => {}
            }
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_after_what_it_needs() {
        let sorted = sort(&[vec![2], vec![0], vec![], vec![1, 2]]);
        assert_eq!(sorted.order, [2, 0, 1, 3]);
        assert!(sorted.cycles.is_empty());
    }

    #[test]
    fn every_circle_is_found_and_the_order_is_still_whole() {
        let sorted = sort(&[vec![1], vec![0], vec![2], vec![0]]);
        assert_eq!(sorted.cycles, [vec![0, 1], vec![2]]);
        assert_eq!(sorted.order.len(), 4);
    }
}
