//! What is right in form and does nothing, or always the same: warned of, lest somebody relies on it.
//!
//! Said beside whatever else is wrong, but where it may only follow from that: what is used in something that could not
//! be read is told by its name in the text.
//!
//! An expression that hangs on nothing is worked out here. One that has no value then will have none in any run: an
//! error, and not only a warning.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::Lowering;
use super::steps::Draft;
use crate::diagnostic::{Code, Diagnostic, Place, Severity, nearest};
use crate::ids::{AccountId, Arn};
use crate::inventory::{Caller, Inventory};
use crate::playbook::expression::evaluate::{Evaluated, Scope};
use crate::playbook::expression::meter::Spent;
use crate::playbook::expression::{EMPTY, Expression};
use crate::playbook::template::{Content, Template};
use crate::playbook::{Input, Phase, Target, Trusted};

/// What a playbook says before its steps.
pub(super) struct Declared<'p> {
    pub(super) inputs: &'p [Input],
    pub(super) accounts: Option<&'p Template>,
    pub(super) targets: &'p [Target],
    pub(super) trusted: &'p [Trusted],
    pub(super) approvals: &'p BTreeMap<Phase, (usize, Place)>,
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
    let Draft { what, said, .. } = draft;
    let condition = said.condition.as_ref();
    match condition.map(|condition| (condition, constants.truth_of(condition))) {
        Some((condition, Some(Ok(Value::Bool(always))))) => {
            let (message, help) = if always {
                (format!("{what} is always taken, whatever is given"), "take the `if` out")
            } else {
                (
                    format!("{what} is never taken, whatever is given"),
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
    if let Some(list) = &said.for_each {
        match constants.value(list) {
            Some(Ok(value)) if is_empty_list(&value) => {
                let message = format!("{what} is taken for nobody: its list is empty");
                lowering.push(empty(message, list.place().clone()));
            }
            Some(Err(problem)) => lowering.push(problem),
            _ => {}
        }
    }
    let Some((action, _)) = draft.action else { return };
    for (name, template) in &said.with {
        let required = action.fields.iter().any(|field| field.name == name && field.required);
        match constants.value(template) {
            Some(Ok(value)) if required && is_empty_list(&value) => {
                let message = format!("{what} does nothing: `{name}` is an empty list");
                lowering.push(empty(message, template.place().clone()));
            }
            Some(Err(problem)) => lowering.push(problem),
            _ => {}
        }
    }
}

fn empty(message: String, place: Place) -> Diagnostic {
    Diagnostic::warning(Code::EmptyList, message)
        .at(place, "nothing in here")
        .help("name what it is for, or take it out")
}

fn is_empty_list(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

/// Inputs, targets, items and approvals that nothing uses.
fn unused(lowering: &mut Lowering<'_>, declared: &Declared<'_>, drafts: &[Draft<'_, '_>]) {
    for (n, draft) in drafts.iter().enumerate() {
        let Some(list) = draft.said.for_each.as_ref() else { continue };
        let next = drafts.get(n + 1).map(|next| next.start);
        if !draft.is_whole
            || draft.said.of_an_item().any(Expression::asks_each)
            || lowering.is_refused_within(draft.start, next)
        {
            continue;
        }
        let message = format!("{} does the same for each item", draft.what);
        let problem = Diagnostic::warning(Code::UnusedEach, message)
            .at(list.place().clone(), "nothing uses the item")
            .help("write `${{ each }}` where the item belongs, or take `for_each` out");
        lowering.push(problem);
    }
    // A fragment that is left out may use anything.
    let unread = lowering.names.unread.len() > usize::from(lowering.cut_short);
    let includes = || lowering.parts.texts().any(|text| text.contains("include"));
    if unread || lowering.cut_short && includes() {
        return;
    }
    // A step whose phase is not known may be of any.
    let of_any = drafts.iter().any(|draft| draft.phase.is_none());
    let is_empty = |phase: Phase| {
        !of_any && drafts.iter().all(|draft| draft.phase.is_none_or(|(of, _)| of != phase))
    };
    for (phase, (_, place)) in declared.approvals.iter().filter(|(phase, _)| is_empty(**phase)) {
        let message = format!("no step is of phase `{phase}`: nobody is asked to approve it");
        let problem = Diagnostic::warning(Code::UnusedApproval, message)
            .at(place.clone(), "nothing waits for this")
            .help("take it out, or name the phase that the steps are of");
        lowering.push(problem);
    }
    let expressions: Vec<&Expression> = declared
        .targets
        .iter()
        .map(|target| &target.expression)
        .chain(declared.trusted.iter().flat_map(|trusted| trusted.access_key.expressions()))
        .chain(declared.accounts.into_iter().flat_map(Template::expressions))
        .chain(drafts.iter().flat_map(|draft| draft.said.expressions()))
        .collect();
    let used = |of: fn(&Expression) -> &BTreeSet<String>| -> BTreeSet<String> {
        expressions.iter().flat_map(|one| of(one)).cloned().collect()
    };
    let (inputs, targets) = (used(Expression::inputs), used(Expression::targets));
    let (inputs, targets) = (lowering.used("inputs", inputs), lowering.used("targets", targets));
    let is_wrong = |lowering: &Lowering<'_>, place: &Place| {
        lowering
            .problems
            .iter()
            .filter_map(|one| one.primary.as_ref())
            .any(|one| one.place == *place)
    };
    for target in declared.targets.iter().filter(|one| !targets.contains(&one.name)) {
        // By such a name nothing can use it.
        if is_wrong(lowering, &target.place) {
            continue;
        }
        let message = format!("nothing uses target `{}`", target.name);
        let problem = Diagnostic::warning(Code::UnusedTarget, message)
            .at(target.place.clone(), "declared here")
            .help("take it out, or use it in a step");
        lowering.push(problem);
    }
    for input in declared.inputs.iter().filter(|one| !inputs.contains(&one.name)) {
        if is_wrong(lowering, &input.place) {
            continue;
        }
        let message = format!("nothing uses input `{}`", input.name);
        let problem = Diagnostic::warning(Code::UnusedInput, message)
            .at(input.place.clone(), "declared here")
            .help("take it out, or use it in a step or in a `reason`");
        lowering.push(problem);
    }
}

impl Lowering<'_> {
    /// Whether anything was refused between the beginning of a step and that of the next.
    fn is_refused_within(&self, start: usize, next: Option<usize>) -> bool {
        let place = |at: usize| self.place(&(at..at));
        let (start, next) = (place(start), next.map(place));
        let next = next.filter(|next| next.source() == start.source());
        self.refused.iter().any(|refused| {
            refused.source() == start.source()
                && *refused >= start
                && next.as_ref().is_none_or(|next| refused < next)
        })
    }

    /// The names under a root that are used: those that expressions ask for and, where something could not be read, or
    /// is not meant as it stands, those that may be meant there.
    fn used(&self, root: &str, mut used: BTreeSet<String>) -> BTreeSet<String> {
        let hides = |problem: &Diagnostic| {
            problem.severity == Severity::Error || problem.code == Code::BareExpression
        };
        if !self.cut_short && self.refused.is_empty() && !self.problems.iter().any(hides) {
            return used;
        }
        let known = if root == "inputs" { &self.names.inputs } else { &self.names.targets };
        // What is no more than begun may become any, and so may an alias that stands for nothing here.
        let is_begun = |problem: &Diagnostic| {
            let place = problem.primary.as_ref().map(|label| label.place.text());
            problem.code == Code::BadExpression && (problem.message == EMPTY || place == Some(root))
        };
        let is_unknown = |place: &Place| {
            let anchor = place.text().strip_prefix('*').map(|name| format!("&{name}"));
            anchor.is_some_and(|anchor| !place.source().text().contains(&anchor))
        };
        if self.problems.iter().any(is_begun) || self.refused.iter().any(is_unknown) {
            return known.keys().cloned().collect();
        }
        let helps = self.problems.iter().filter_map(|problem| problem.help.as_deref());
        let mut named = BTreeSet::new();
        for text in self.parts.texts().chain(helps) {
            named.extend(names_under(root, text));
            // Somebody who forgets one letter means the same.
            named.extend(names_under(root.trim_end_matches('s'), text));
        }
        for name in named {
            if known.contains_key(name) {
                used.insert(name.to_owned());
            } else if let Some(near) = nearest(name, known.keys().map(String::as_str)) {
                used.insert(near.to_owned());
            }
        }
        used
    }
}

/// The names that stand in a text behind a root and a dot.
fn names_under<'t>(root: &'t str, text: &'t str) -> impl Iterator<Item = &'t str> {
    let of_a_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
    text.match_indices(root).filter_map(move |(at, _)| {
        if text[..at].ends_with(of_a_name) {
            return None;
        }
        let name = text[at + root.len()..].trim_start().strip_prefix('.')?.trim_start();
        let end = name.find(|c| !of_a_name(c)).unwrap_or(name.len());
        Some(&name[..end]).filter(|name| !name.is_empty())
    })
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

    /// Whether an `if` is true: what it gives, or what follows from those of its parts that hang on nothing.
    fn truth_of(&self, condition: &Expression) -> Option<Result<Value, Diagnostic>> {
        let of_part = |part: &Expression| match Self::told(part.evaluate(&self.scope()))? {
            Ok(Value::Bool(value)) => Some(value),
            _ => None,
        };
        self.value_of(condition)
            .or_else(|| condition.always(&of_part).map(|always| Ok(Value::Bool(always))))
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
