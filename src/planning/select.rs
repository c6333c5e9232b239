//! Which steps are taken, for which items, and with what: every `if`, `for_each` and `with` of a playbook.
//!
//! Decided while planning, from inputs, targets and inventory; nothing is decided again later. What is not
//! known is never taken for false: it is read first, or refused; what is refused keeps no other step from being
//! decided. A step that is skipped is accounted for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::draft::Undecided;
use crate::action::catalog::{self, ErasedAction};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::ids::{Arn, StepId, UserName};
use crate::inventory::{Inventory, Want};
use crate::plan::Untouched;
use crate::playbook::{EffectKind, Evaluated, Expression, Playbook, Scope, Step, Template};

/// The longest list that a step is taken for.
const MOST_ITEMS: usize = 100_000;
/// Items named in one sentence; the rest is counted.
const NAMED_ITEMS: usize = 5;

/// A step that is taken, for one item where it has several.
pub(super) struct Taken<'p> {
    pub(super) step: &'p Step,
    pub(super) action: &'static dyn ErasedAction,
    pub(super) with: Value,
    /// Why, in the author's words.
    pub(super) reason: Option<String>,
    /// When somebody is to look whether it must stay.
    pub(super) review_by: Option<Timestamp>,
    /// The item, in words.
    pub(super) item: Option<String>,
}

/// What came of selecting.
#[derive(Default)]
pub(super) struct Selection<'p> {
    pub(super) taken: Vec<Taken<'p>>,
    /// What is skipped, and why.
    pub(super) untouched: Vec<Untouched>,
    /// Steps that would have cut something, and are skipped as a whole.
    pub(super) skipped_cuts: Vec<&'p StepId>,
    /// What must be read first.
    pub(super) needs: BTreeSet<Want>,
    /// Of which step each is.
    pub(super) problems: Vec<(StepId, Diagnostic)>,
    /// Steps of which a problem, here or in a target, hides what they come to.
    pub(super) undecided: Vec<Undecided<'p>>,
}

/// The items of one step: one that is nothing where the step has no list.
struct Items<'p> {
    step: &'p Step,
    wanted: Vec<Option<Value>>,
    refused: Vec<Option<Value>>,
    /// Whether there may be more of either.
    undecided: bool,
}

impl Items<'_> {
    /// Whether its `if` refuses all there are.
    fn are_refused(&self) -> bool {
        self.wanted.is_empty() && !self.refused.is_empty() && !self.undecided
    }

    /// Whether it may be so.
    fn may_be_refused(&self) -> bool {
        self.are_refused()
            || self.wanted.is_empty() && self.undecided && self.step.condition.is_some()
    }
}

/// What cannot be decided yet, and what is wrong.
#[derive(Default)]
struct Open {
    wants: BTreeSet<Want>,
    problems: Vec<Diagnostic>,
}

impl Open {
    /// The value, if there is one already.
    fn value(&mut self, evaluated: Result<Evaluated, Diagnostic>) -> Option<Value> {
        match evaluated {
            Ok(Evaluated::Value(value)) => return Some(value),
            Ok(Evaluated::Needs(wants)) => self.wants.extend(wants),
            Err(problem) => self.problems.push(problem),
        }
        None
    }

    /// Says of all problems but the first so many for which item they are; of what is wrong for several alike, for the first.
    fn tell_item(&mut self, before: usize, item: Option<&Value>) {
        let Some(item) = item else { return };
        let new = self.problems.split_off(before);
        for mut problem in new {
            let place =
                |problem: &Diagnostic| problem.primary.as_ref().map(|label| label.place.clone());
            let is_told = |told: &Diagnostic| {
                place(told) == place(&problem) && told.message.starts_with(&problem.message)
            };
            if self.problems.iter().any(is_told) {
                continue;
            }
            problem.message = format!("{} (for {})", problem.message, in_words(item));
            self.problems.push(problem);
        }
    }

    /// What is wrong since this was last asked, with a step.
    fn problems_of<'p>(
        &mut self,
        step: &'p Step,
    ) -> impl Iterator<Item = (StepId, Diagnostic)> + use<'p> {
        std::mem::take(&mut self.problems).into_iter().map(|problem| (step.id.clone(), problem))
    }
}

/// Whether all the targets in a template have a value. Why one has none was said of the target.
fn is_known(template: &Template, scope: &Scope<'_>) -> bool {
    template.expressions().into_iter().all(|one| one.asks_only(scope.targets))
}

/// Selects, as far as that is known.
pub(super) fn select<'p>(playbook: &'p Playbook, scope: &Scope<'_>) -> Selection<'p> {
    let mut open = Open::default();
    let mut selection = Selection::default();
    let items: Vec<Items<'p>> = (playbook.steps.iter())
        .map(|step| {
            let items = items(step, scope, &mut open);
            selection.problems.extend(open.problems_of(step));
            items
        })
        .collect();
    // What a step that may be skipped would take is not asked for.
    if !open.wants.is_empty() {
        return Selection { needs: open.wants, ..selection };
    }
    let skipped = skipped(&items, Items::are_refused);
    let perhaps_skipped = self::skipped(&items, Items::may_be_refused);
    for Items { step, wanted, refused, undecided } in &items {
        let is_skipped = skipped.contains_key(&step.id);
        let may_be_skipped = !is_skipped && perhaps_skipped.contains_key(&step.id);
        if *undecided || may_be_skipped {
            selection.undecided.push(Undecided::perhaps(step));
        } else {
            selection.untouched.extend(left_out(
                playbook,
                step,
                wanted,
                refused,
                skipped.get(&step.id).copied().flatten(),
            ));
        }
        if may_be_skipped {
            continue;
        }
        let action = catalog::find(&step.uses).expect("the playbook was read against the catalog");
        if is_skipped {
            if action.shape().effects.contains(&EffectKind::Cuts) {
                selection.skipped_cuts.push(&step.id);
            }
            continue;
        }
        for item in wanted {
            let before = open.problems.len();
            let scope = Scope { each: item.as_ref(), ..*scope };
            let (with, mut is_whole) = with(step, action, &scope, &mut open);
            let mut said = |template: &Option<Template>| {
                let template = template.as_ref()?;
                let value = is_known(template, &scope)
                    .then(|| open.value(template.evaluate(&scope)))
                    .flatten();
                is_whole &= value.is_some();
                value
            };
            let reason = said(&step.reason).as_ref().and_then(Value::as_str).map(str::to_owned);
            let review_by = said(&step.review_by);
            let review_by =
                review_by.as_ref().and_then(Value::as_str).and_then(|text| text.parse().ok());
            open.tell_item(before, item.as_ref());
            if !is_whole {
                selection.undecided.push(Undecided::taken(step, action, &with));
                continue;
            }
            let item = item.as_ref().map(in_words);
            selection.taken.push(Taken { step, action, with, reason, review_by, item });
        }
        selection.problems.extend(open.problems_of(step));
    }
    Selection { needs: open.wants, ..selection }
}

/// What a step is taken for, and what its `if` refuses.
fn items<'p>(step: &'p Step, scope: &Scope<'_>, open: &mut Open) -> Items<'p> {
    let mut items = Items { step, wanted: Vec::new(), refused: Vec::new(), undecided: true };
    let is_known = |template: &Template| is_known(template, scope);
    if !step.for_each.as_ref().is_none_or(is_known)
        || !step.condition.as_ref().is_none_or(|condition| condition.asks_only(scope.targets))
    {
        return items;
    }
    let list = match &step.for_each {
        None => vec![None],
        Some(template) => match open.value(template.evaluate(scope)) {
            Some(Value::Array(list)) if list.len() > MOST_ITEMS => {
                let message =
                    format!("`for_each` gives {} items, at most {MOST_ITEMS}", list.len());
                open.problems.push(
                    Diagnostic::error(Code::TooLarge, message)
                        .at(template.place().clone(), "too many")
                        .help("select fewer, or split the playbook"),
                );
                return items;
            }
            Some(Value::Array(list)) => {
                // What stands in a list twice is still one thing.
                let mut seen = BTreeSet::new();
                list.into_iter().filter(|item| seen.insert(item.to_string())).map(Some).collect()
            }
            _ => return items,
        },
    };
    items.undecided = false;
    for item in list {
        let before = open.problems.len();
        let wanted = open.value(step.is_wanted(&Scope { each: item.as_ref(), ..*scope }));
        open.tell_item(before, item.as_ref());
        match wanted {
            Some(Value::Bool(true)) => items.wanted.push(item),
            Some(_) => items.refused.push(item),
            None => items.undecided = true,
        }
    }
    items
}

/// The steps that are skipped as a whole, each with the need that it is skipped for, if that is why. Behind
/// the gate a step that needs a skipped one is skipped too. A cut waits for nothing that does not come.
fn skipped<'p>(
    items: &[Items<'p>],
    are_refused: fn(&Items<'p>) -> bool,
) -> BTreeMap<&'p StepId, Option<&'p StepId>> {
    let mut skipped: BTreeMap<&StepId, Option<&StepId>> = items
        .iter()
        .filter(|items| are_refused(items))
        .map(|items| (&items.step.id, None))
        .collect();
    loop {
        let next = items.iter().map(|items| items.step).find_map(|step| {
            if !step.phase.is_behind_the_gate() || skipped.contains_key(&step.id) {
                return None;
            }
            let need = step.needs.iter().find(|need| skipped.contains_key(need))?;
            Some((&step.id, need))
        });
        let Some((step, need)) = next else { return skipped };
        skipped.insert(step, Some(need));
    }
}

/// Users and roles that a `filter` leaves out of what steps are taken for, and that are none of those `named` in the plan
/// otherwise.
pub(super) fn filtered(
    playbook: &Playbook,
    scope: &Scope<'_>,
    named: &BTreeSet<String>,
) -> Vec<Untouched> {
    let lists = playbook.steps.iter().filter_map(|step| Some((step, step.for_each.as_ref()?)));
    let lists: Vec<(&Step, &Expression)> = lists
        .flat_map(|(step, list)| list.expressions().into_iter().map(move |one| (step, one)))
        .collect();
    let mut of_targets: BTreeSet<&String> =
        lists.iter().flat_map(|(_, list)| list.targets()).collect();
    let mut asked = Vec::new();
    // Each stands behind those that it needs.
    for target in playbook.targets.iter().rev() {
        if of_targets.contains(&target.name) {
            of_targets.extend(target.expression.targets());
            asked.push((format!("target `{}`", target.name), &target.expression));
        }
    }
    asked.reverse();
    asked.extend(lists.into_iter().map(|(step, list)| (format!("step `{}`", step.id), list)));
    let mut told = named.clone();
    asked
        .into_iter()
        .filter(|(_, expression)| expression.asks_only(scope.targets))
        .filter_map(|(by, expression)| {
            let left = expression.leaves_out(scope).into_iter();
            let whom = left.filter_map(|item| whom(&item, scope.inventory));
            let whom = whom.filter(|(name, _)| told.insert(name.clone()));
            let whom: Vec<String> = whom.map(|(_, words)| words).collect();
            let them = if whom.len() == 1 { "it" } else { "them" };
            let more = whom.len().saturating_sub(NAMED_ITEMS);
            let mut what = whom.into_iter().take(NAMED_ITEMS).collect::<Vec<_>>().join(", ");
            if more > 0 {
                what = format!("{what} and {more} more");
            }
            let line = line(playbook, expression.place());
            let why = format!(
                "the `filter` of {by} leaves {them} out ({line}), and no other step takes {them}"
            );
            (!what.is_empty()).then_some(Untouched { what, why })
        })
        .collect()
}

/// The user or role that an item stands for, by name and in words. A text is one where the account is known to have one of
/// that name: else it may be anything.
fn whom(item: &Value, inventory: &Inventory) -> Option<(String, String)> {
    if let Some(name) = item.as_str() {
        let is_user = || {
            let mut users = inventory.users().into_iter().flatten();
            let asked = UserName::parse(name).ok().and_then(|name| {
                inventory.user(&name).ok().and_then(Option::as_deref).map(|user| user.name.clone())
            });
            asked.is_some() || users.any(|user| user.name.as_str() == name)
        };
        let is_role =
            || inventory.roles().into_iter().flatten().any(|role| role.name.as_str() == name);
        let kind = if is_user() { "user" } else { is_role().then_some("role")? };
        return Some((name.to_owned(), format!("{kind} {name}")));
    }
    let field = |key: &str| item.get(key).and_then(Value::as_str);
    let (name, arn) = (field("name")?, Arn::parse(field("arn")?).ok()?);
    let kind = ["user", "role"].into_iter().find(|kind| {
        arn.as_str().contains(":iam:") && arn.resource().starts_with(&format!("{kind}/"))
    })?;
    Some((name.to_owned(), format!("{kind} {name}")))
}

/// Where something stands, as the plan says it.
fn line(playbook: &Playbook, place: &Place) -> String {
    match playbook.fragment_of(place) {
        Some(fragment) => format!("{} line {}", fragment.path, place.line()),
        None => format!("line {}", place.line()),
    }
}

fn left_out(
    playbook: &Playbook,
    step: &Step,
    wanted: &[Option<Value>],
    refused: &[Option<Value>],
    skipped_for: Option<&StepId>,
) -> Option<Untouched> {
    let line = line(playbook, &step.place);
    if let Some(need) = skipped_for {
        let why = format!("it needs step `{need}`, which is skipped ({line})");
        return Some(Untouched { what: format!("step `{}`", step.id), why });
    }
    if refused.is_empty() {
        let why = format!("its `for_each` gives nothing ({line})");
        return wanted.is_empty().then(|| Untouched { what: format!("step `{}`", step.id), why });
    }
    let named: Vec<String> = refused.iter().flatten().take(NAMED_ITEMS).map(in_words).collect();
    let more = refused.iter().flatten().count() - named.len();
    let mut what = format!("step `{}`", step.id);
    if !named.is_empty() {
        what = format!("{what} for {}", named.join(", "));
    }
    if more > 0 {
        what = format!("{what} and {more} more");
    }
    let text = step.condition.as_ref().map_or("", |condition| condition.text());
    Some(Untouched { what, why: format!("its `if` is false: {} ({line})", text.trim()) })
}

/// An item as people call it.
fn in_words(item: &Value) -> String {
    let name = |key: &str| item.get(key).and_then(Value::as_str);
    match item.as_str().or_else(|| name("name")).or_else(|| name("id")) {
        Some(text) => text.to_owned(),
        None => item.to_string(),
    }
}

/// What a step is taken with, and whether that is all of it.
fn with(
    step: &Step,
    action: &dyn ErasedAction,
    scope: &Scope<'_>,
    open: &mut Open,
) -> (Value, bool) {
    let mut with = serde_json::Map::new();
    let mut is_whole = true;
    for (field, template) in &step.with {
        let known = is_known(template, scope);
        match known.then(|| open.value(template.evaluate(scope))).flatten() {
            None => is_whole = false,
            // An input that was left out leaves the field out.
            Some(Value::Null) => {}
            Some(value) => {
                with.insert(field.clone(), value);
            }
        }
    }
    let before = open.problems.len();
    let chosen = |name: &str| with.get(name).and_then(Value::as_str);
    let fields = action.shape().fields.iter();
    open.problems.extend(fields.filter(|field| with.contains_key(field.name)).filter_map(
        |field| {
            let choice = field.misplaced(chosen)?;
            let (message, help) = choice.explain_misplaced(field.name);
            let problem = Diagnostic::error(Code::UnknownKey, message);
            Some(problem.at(step.place.clone(), "in this step").help(help))
        },
    ));
    let missing: Vec<&str> = action
        .shape()
        .fields
        .iter()
        .filter(|field| field.is_required(chosen) && !with.contains_key(field.name))
        .map(|field| field.name)
        .collect();
    if is_whole && !missing.is_empty() {
        let message = format!("`{}` has no value for {}", step.uses, missing.join(", "));
        open.problems.push(
            Diagnostic::error(Code::MissingKey, message)
                .at(step.place.clone(), "needed by this step")
                .help("give the input it is taken from: -i name=value"),
        );
    }
    let is_right = open.problems.len() == before;
    (Value::Object(with), is_whole && is_right)
}
