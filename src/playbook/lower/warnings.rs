//! What is right in form and does nothing, or always the same: warned of, lest somebody relies on it.
//!
//! An expression that hangs on nothing is worked out here. One that has no value then will have none in any run: an
//! error, and not only a warning.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::Lowering;
use super::steps::Draft;
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::ids::{AccountId, Arn};
use crate::inventory::{Caller, Inventory};
use crate::playbook::expression::Expression;
use crate::playbook::expression::evaluate::{Evaluated, Scope};
use crate::playbook::expression::meter::Spent;
use crate::playbook::template::{Content, Template};
use crate::playbook::{Input, Step, Target, Trusted};

/// What a playbook says before its steps.
pub(super) struct Declared<'p> {
    pub(super) inputs: &'p [Input],
    pub(super) accounts: Option<&'p Template>,
    pub(super) targets: &'p [Target],
    pub(super) trusted: &'p [Trusted],
}

/// Judges what the playbook declares and does.
pub(super) fn check(
    lowering: &mut Lowering<'_>,
    declared: &Declared<'_>,
    drafts: &[Draft<'_, '_>],
) {
    let constants = Constants::new();
    for target in declared.targets {
        match constants.value_of(&target.expression) {
            Some(Ok(value)) if is_empty_list(&value) => {
                let message =
                    format!("target `{}` is an empty list, whatever is given", target.name);
                lowering.push(empty(message, target.expression.place().clone()));
            }
            Some(Err(problem)) => lowering.push(problem),
            _ => {}
        }
    }
    for draft in drafts {
        step(lowering, &constants, draft);
    }
    unused(lowering, declared, drafts);
}

fn step(lowering: &mut Lowering<'_>, constants: &Constants, draft: &Draft<'_, '_>) {
    let (Some(step), Some((action, _))) = (&draft.step, draft.action) else { return };
    match step.condition.as_ref().map(|condition| (condition, constants.value_of(condition))) {
        Some((condition, Some(Ok(Value::Bool(always))))) => {
            let (message, help) = if always {
                (
                    format!("step `{}` is always taken, whatever is given", step.id),
                    "take the `if` out",
                )
            } else {
                (
                    format!("step `{}` is never taken, whatever is given", step.id),
                    "take the step out, or say what it hangs on: `if: inputs.NAME`",
                )
            };
            let problem = Diagnostic::warning(Code::ConstantIf, message);
            let label = if always { "always true" } else { "always false" };
            lowering.push(problem.at(condition.place().clone(), label).help(help));
            if !always {
                return;
            }
        }
        Some((_, Some(Err(problem)))) => lowering.push(problem),
        _ => {}
    }
    if let Some(list) = &step.for_each {
        match constants.value(list) {
            Some(Ok(value)) if is_empty_list(&value) => {
                let message = format!("step `{}` is taken for nobody: its list is empty", step.id);
                lowering.push(empty(message, list.place().clone()));
            }
            Some(Err(problem)) => lowering.push(problem),
            _ => {}
        }
    }
    for (name, template) in &step.with {
        let required = action.fields.iter().any(|field| field.name == name && field.required);
        match constants.value(template) {
            Some(Ok(value)) if required && is_empty_list(&value) => {
                let message = format!("step `{}` does nothing: `{name}` is an empty list", step.id);
                lowering.push(empty(message, template.place().clone()));
            }
            Some(Err(problem)) => lowering.push(problem),
            _ => {}
        }
    }
}

fn empty(message: String, place: crate::diagnostic::Place) -> Diagnostic {
    Diagnostic::warning(Code::EmptyList, message)
        .at(place, "nothing in here")
        .help("name what it is for, or take it out")
}

fn is_empty_list(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

/// Whether anything in a step is different for each item. Its list is not: there is no item yet.
fn asks_each(step: &Step) -> bool {
    let with = step.with.iter().map(|(_, template)| template);
    let said = with.chain(&step.reason).chain(&step.review_by).flat_map(Template::expressions);
    said.chain(&step.condition).any(Expression::asks_each)
}

/// Inputs, targets and items that nothing uses.
fn unused(lowering: &mut Lowering<'_>, declared: &Declared<'_>, drafts: &[Draft<'_, '_>]) {
    // With an expression that says something else than was meant, or a fragment left out, it may only look so.
    let in_expressions = |problem: &Diagnostic| {
        use Code::{BadExpression, ExpressionCost, UnknownReference};
        matches!(problem.code, BadExpression | ExpressionCost | UnknownReference)
    };
    if !lowering.names.unread.is_empty() || lowering.problems.iter().any(in_expressions) {
        return;
    }
    let steps = drafts.iter().filter_map(|draft| draft.step.as_ref());
    let expressions: Vec<&Expression> = declared
        .targets
        .iter()
        .map(|target| &target.expression)
        .chain(declared.trusted.iter().flat_map(|trusted| trusted.access_key.expressions()))
        .chain(declared.accounts.into_iter().flat_map(Template::expressions))
        .chain(steps.flat_map(Step::expressions))
        .collect();
    let used = |of: fn(&Expression) -> &BTreeSet<String>| -> BTreeSet<&str> {
        expressions.iter().flat_map(|one| of(one)).map(String::as_str).collect()
    };
    // What is written nowhere is not used by what was left out because of a problem either.
    let all_read = lowering.problems.is_empty() && drafts.iter().all(|draft| draft.step.is_some());
    let parts = lowering.parts;
    let is_used = |root: &str, name: &str, used: &BTreeSet<&str>| {
        used.contains(name) || !all_read && parts.contain(&format!("{root}.{name}"))
    };
    let targets = used(Expression::targets);
    for target in declared.targets.iter().filter(|one| !is_used("targets", &one.name, &targets)) {
        let message = format!("nothing uses target `{}`", target.name);
        let problem = Diagnostic::warning(Code::UnusedTarget, message)
            .at(target.place.clone(), "declared here")
            .help("take it out, or use it in a step");
        lowering.push(problem);
    }
    // Whoever is still told of mistakes need not be told of this yet.
    let is_error = |problem: &Diagnostic| problem.severity == Severity::Error;
    if lowering.refused || lowering.problems.iter().any(is_error) {
        return;
    }
    for step in drafts.iter().filter_map(|draft| draft.step.as_ref()) {
        let Some(list) = step.for_each.as_ref().filter(|_| !asks_each(step)) else { continue };
        let message = format!("step `{}` does the same for each item", step.id);
        let problem = Diagnostic::warning(Code::UnusedEach, message)
            .at(list.place().clone(), "nothing uses the item")
            .help("write `${{ each }}` where the item belongs, or take `for_each` out");
        lowering.push(problem);
    }
    let inputs = used(Expression::inputs);
    for input in declared.inputs.iter().filter(|one| !is_used("inputs", &one.name, &inputs)) {
        let message = format!("nothing uses input `{}`", input.name);
        let problem = Diagnostic::warning(Code::UnusedInput, message)
            .at(input.place.clone(), "declared here")
            .help("take it out, or use it in a step or in a `reason`");
        lowering.push(problem);
    }
}

/// Expressions that hang on nothing, and what they give.
struct Constants {
    nobody: Inventory,
    nothing: BTreeMap<String, Value>,
    /// All of them together: a file has an end.
    spent: Spent,
}

impl Constants {
    fn new() -> Self {
        let nobody = Caller {
            account: AccountId::parse("000000000000").expect("twelve digits"),
            arn: Arn::parse("arn:aws:iam::000000000000:user/nobody").expect("it is one"),
            id: String::new(),
            access_key_id: None,
            came_from: Vec::new(),
            break_glass: Vec::new(),
        };
        Self {
            nobody: Inventory::new(nobody, Timestamp::UNIX_EPOCH),
            nothing: BTreeMap::new(),
            spent: Spent::default(),
        }
    }

    /// What an expression gives; `None` where that hangs on anything.
    fn value_of(&self, expression: &Expression) -> Option<Result<Value, Diagnostic>> {
        let constant = expression.is_constant();
        constant.then(|| Self::told(expression.evaluate(&self.scope()))).flatten()
    }

    /// What a template gives.
    fn value(&self, template: &Template) -> Option<Result<Value, Diagnostic>> {
        if let Content::Literal(value) = &template.content {
            return value.as_array().is_some_and(Vec::is_empty).then(|| Ok(value.clone()));
        }
        let constant = template.expressions().into_iter().all(Expression::is_constant);
        constant.then(|| Self::told(template.evaluate(&self.scope()))).flatten()
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            inputs: &self.nothing,
            targets: &self.nothing,
            inventory: &self.nobody,
            each: None,
            spent: &self.spent,
        }
    }

    fn told(evaluated: Result<Evaluated, Diagnostic>) -> Option<Result<Value, Diagnostic>> {
        match evaluated {
            Ok(Evaluated::Value(value)) => Some(Ok(value)),
            Ok(Evaluated::Needs(_)) => None,
            // What all of them cost together is said when the plan is made, with the rest.
            Err(problem) if problem.code == Code::ExpressionCost => None,
            Err(mut problem) => {
                if let Some(label) = &mut problem.primary {
                    "whatever is given".clone_into(&mut label.text);
                }
                Some(Err(problem))
            }
        }
    }
}
