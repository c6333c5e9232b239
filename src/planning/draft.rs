//! What every step of a playbook comes to: its action decides, target by target.
//!
//! Problems are gathered, so that all of them come at once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::select::Taken;
use super::trust::{Trust, Verdict};
use crate::action::catalog::ErasedAction;
use crate::action::{About, Draft, PlanError};
use crate::diagnostic::{Code, Diagnostic, Label, Place};
use crate::ids::{ActionKind, ChangeId, Principal, RoleName, StepId, UserName};
use crate::inventory::Inventory;
use crate::plan::{Batches, Change, Decided, Text, Texts, Unknown, Untouched};
use crate::playbook::{EffectKind, Phase, Playbook, Step};

/// What the actions have decided.
#[derive(Default)]
pub(super) struct Drafted<'p> {
    pub(super) changes: Vec<Change>,
    pub(super) batches: Vec<Batches>,
    /// What would have been cut, and is trusted; and where a step finds nothing to change.
    pub(super) left_out: Vec<Untouched>,
    /// Steps that cannot be planned, for what whoever has typed or written it can mend.
    pub(super) problems: Vec<(StepId, Diagnostic)>,
    /// Steps that cannot be planned because a question was refused.
    pub(super) unread: Vec<Unread<'p>>,
    pub(super) undecided: Vec<Undecided<'p>>,
}

/// What a refused question keeps from being planned, for one item of a step.
pub(super) struct Unread<'p> {
    pub(super) step: &'p Step,
    /// The operation that was refused.
    pub(super) operation: String,
    /// How, in one word.
    pub(super) code: String,
    /// Whether it was refused: what is answered and not understood no permission mends.
    pub(super) understood: bool,
    /// Whom it is about, as far as the playbook names him.
    pub(super) of: Option<Principal>,
    pub(super) problem: Diagnostic,
    pub(super) undecided: Undecided<'p>,
}

/// What cannot be planned, for one item of a step: nobody knows what it would come to.
pub(super) struct Undecided<'p> {
    pub(super) step: &'p Step,
    /// Whom it would hand something to or let in again, as far as the playbook names him.
    pub(super) lets_in: Option<Principal>,
}

impl<'p> Undecided<'p> {
    /// A step that is taken with this, as far as that is known.
    pub(super) fn taken(step: &'p Step, action: &dyn ErasedAction, with: &Value) -> Self {
        let lets_in = [EffectKind::Issues, EffectKind::Lifts];
        let of = action.shape().effects.iter().any(|effect| lets_in.contains(effect));
        Self { step, lets_in: named(with).filter(|_| of) }
    }

    /// A step of which it is not known for whom it is taken, or whether it is.
    pub(super) fn perhaps(step: &'p Step) -> Self {
        Self { step, lets_in: None }
    }
}

/// The user or role that a step is for.
fn named(with: &Value) -> Option<Principal> {
    let named = |field: &str| with.get(field).and_then(Value::as_str);
    let user = named("user").and_then(|user| UserName::parse(user).ok()).map(Principal::User);
    let role = || named("role").and_then(|role| RoleName::parse(role).ok()).map(Principal::Role);
    user.or_else(role)
}

/// Lets every action decide, beside what is undecided already. The changes of a step are numbered through, whatever items they are for.
pub(super) fn draft<'p>(
    playbook: &Playbook,
    all: Vec<Taken<'p>>,
    undecided: Vec<Undecided<'p>>,
    inventory: &Inventory,
    trust: &Trust,
    texts: &mut Texts,
) -> Drafted<'p> {
    let mut drafted = Drafted { undecided, ..Drafted::default() };
    let mut numbers: BTreeMap<&StepId, usize> = BTreeMap::new();
    // Of each step, the changes of each of its items.
    let mut items: BTreeMap<&StepId, Vec<Vec<ChangeId>>> = BTreeMap::new();
    let mut unchanged: BTreeMap<&StepId, Vec<String>> = BTreeMap::new();
    for taken in all {
        let Taken { step, action, with, item, .. } = &taken;
        let drafts = match action.plan(with, inventory) {
            Ok(drafts) => drafts,
            Err(error) => {
                let problem = cannot_plan(step, item.as_deref(), &error);
                let gap = match &error {
                    PlanError::Unread(unread) => unread.gap.as_ref(),
                    PlanError::Impossible { .. } => None,
                };
                if let Some(gap) = gap {
                    drafted.unread.push(Unread {
                        step,
                        operation: gap.operation.clone(),
                        code: gap.code.clone(),
                        understood: gap.understood,
                        of: named(with),
                        problem,
                        undecided: Undecided::taken(step, *action, with),
                    });
                    continue;
                }
                drafted.problems.push((step.id.clone(), problem));
                drafted.undecided.push(Undecided::taken(step, *action, with));
                continue;
            }
        };
        if drafts.is_empty() {
            unchanged.entry(&step.id).or_default().extend(item.clone());
        }
        let number = numbers.entry(&step.id).or_default();
        let mut of_item = Vec::new();
        for (draft, decided) in drafts {
            match trust.judge(&taken, &draft) {
                Verdict::Keep => {}
                Verdict::Leave(untouched) => {
                    drafted.left_out.push(untouched);
                    continue;
                }
                Verdict::Refuse(problem) => {
                    drafted.problems.push((step.id.clone(), problem));
                    drafted.undecided.push(Undecided::perhaps(step));
                    continue;
                }
                Verdict::Open => {
                    drafted.undecided.push(Undecided::perhaps(step));
                    continue;
                }
            }
            *number += 1;
            let change = change(playbook, &taken, *number, draft, decided, texts);
            of_item.push(change.id.clone());
            drafted.changes.push(change);
        }
        if !of_item.is_empty() {
            items.entry(&step.id).or_default().push(of_item);
        }
    }
    drafted.left_out.extend(unchanged.into_iter().map(|(step, items)| finds_nothing(step, &items)));
    for (id, items) in items {
        let step = playbook.step(id).expect("changes come from steps");
        let Some(batches) = &step.batches else { continue };
        drafted.batches.push(Batches {
            step: id.clone(),
            of: items.chunks(batches.size).map(<[_]>::concat).collect(),
            pause_seconds: u64::try_from(batches.pause.as_secs()).unwrap_or(u64::MAX),
            stop_at: batches.stop_at,
        });
    }
    drafted
}

/// A step that is carried out and changes nothing, of whichever of its items.
fn finds_nothing(step: &StepId, items: &[String]) -> Untouched {
    let first = items.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    let of = match items.len() {
        0 => String::new(),
        1..=3 => format!(" for {first}"),
        n => format!(" for {first} and {} more", n - 3),
    };
    Untouched {
        what: format!("step `{step}`{of}"),
        why: "it finds nothing that it would change".to_owned(),
    }
}

fn change(
    playbook: &Playbook,
    taken: &Taken<'_>,
    n: usize,
    draft: Draft,
    decided: Decided,
    texts: &mut Texts,
) -> Change {
    let Taken { step, action, reason, review_by, .. } = taken;
    let file = playbook.fragment_of(&step.place).map(|fragment| texts.share(&fragment.path));
    let of = Whence {
        id: ChangeId::of(&step.id, n),
        step: step.id.clone(),
        file,
        line: step.place.line(),
        phase: step.phase,
        kind: step.uses.clone(),
    };
    Change {
        reason: reason.as_ref().map(|reason| texts.share(reason)),
        review_by: *review_by,
        ..of.drafted(&action.about(), draft, decided, texts)
    }
}

/// Where a change comes from.
pub(super) struct Whence {
    pub(super) id: ChangeId,
    pub(super) step: StepId,
    pub(super) file: Option<Text>,
    pub(super) line: usize,
    pub(super) phase: Phase,
    pub(super) kind: ActionKind,
}

impl Whence {
    /// The change that an action has drafted, by itself: what it needs, and what that needs of permissions, is told later.
    pub(super) fn drafted(
        self,
        about: &About,
        draft: Draft,
        decided: Decided,
        texts: &mut Texts,
    ) -> Change {
        let Self { id, step, file, line, phase, kind } = self;
        Change {
            id,
            step,
            file,
            line,
            phase,
            kind,
            target: texts.share(draft.target),
            what: texts.share(draft.what),
            before: texts.share(draft.before),
            after: texts.share(draft.after),
            already: draft.already,
            effects: draft.effects,
            undo: texts.share(about.undo),
            irreversible: draft.irreversible.map(|text| texts.share(text)),
            hazards: about.hazards.iter().map(|hazard| texts.share(hazard)).collect(),
            permissions: Vec::new(),
            unknowns: about.unknowns.iter().map(|one| unknown(one, texts)).collect(),
            reason: None,
            review_by: None,
            needs: Vec::new(),
            again_after: Vec::new(),
            undoes: None,
            decided,
        }
    }
}

fn unknown(unknown: &crate::action::Unknown, texts: &mut Texts) -> Unknown {
    Unknown {
        what: texts.share(unknown.what),
        ty: texts.share(unknown.ty),
        known: texts.share(unknown.known),
    }
}

fn cannot_plan(step: &Step, item: Option<&str>, error: &PlanError) -> Diagnostic {
    let help = match error {
        PlanError::Impossible { help, .. } => help.clone(),
        PlanError::Unread(unread) => match &unread.gap {
            Some(gap) if !gap.understood => format!(
                "see what is unusual about what {} shows: this program does not know it",
                gap.operation
            ),
            Some(gap) => {
                format!("allow {} to the credentials in use, then plan again", gap.operation)
            }
            None => "this is a bug: please report it with the playbook".to_owned(),
        },
    };
    let item = item.map(|item| format!(" for {item}")).unwrap_or_default();
    let message = format!("step `{}` cannot be planned{item}: {error}", step.id);
    Diagnostic::error(Code::CannotPlan, message).at(step.place.clone(), "this step").help(help)
}

/// What stands in the way of several steps is one problem, which shows them all.
pub(super) fn told_once(problems: Vec<(StepId, Diagnostic)>) -> Vec<Diagnostic> {
    let mut told: Vec<(String, Diagnostic)> = Vec::new();
    for (step, problem) in problems {
        let cause = problem.message.replace(&format!("step `{step}` "), "");
        match told.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, first)) => {
                let known = first.primary.iter().chain(&first.others);
                let known: BTreeSet<Place> = known.map(|label| label.place.clone()).collect();
                let also = problem.primary.into_iter().chain(problem.others);
                first.others.extend(
                    also.filter(|label| !known.contains(&label.place))
                        .map(|label| Label { text: "nor this one".to_owned(), ..label }),
                );
            }
            None => told.push((cause, problem)),
        }
    }
    told.into_iter().map(|(_, problem)| problem).collect()
}
