//! Judges a parsed expression: what it may name, what it may call, what it costs, and what it gives.
//!
//! Every finding is collected. A type that cannot be known is [`Shape::Unknown`], which fits
//! everywhere and is checked again when there is a value.

use std::collections::{BTreeMap, BTreeSet};

use cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue, SelectExpr, operators,
};

use super::copies::{AT_MOST, copies};
use super::functions::{self, FUNCTIONS, Function};
use super::rewrite::rewrite;
use super::shape::{Shape, attribute_names, explain_misfit};
use super::{Expression, Parsed};
use crate::diagnostic::nearest;
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::playbook::field::{FieldType, shorten};

/// The names an expression may use.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Inputs and what they hold.
    pub(crate) inputs: BTreeMap<String, Shape>,
    /// Targets and what they hold, as far as they are known yet.
    pub(crate) targets: BTreeMap<String, Shape>,
    /// How often each target puts the same things together, where it is more than once.
    pub(crate) copies: BTreeMap<String, u64>,
    /// What the items of the step's `for_each` are, where it has one.
    pub(crate) each: Option<Shape>,
    /// Fragments that could not be read: a name that is not known may be declared there.
    pub(crate) unread: Vec<String>,
}

impl Names {
    /// What to do about a name that is not known, or something that is nowhere.
    pub(crate) fn unless_unread(&self, help: String) -> String {
        if self.unread.is_empty() {
            return help;
        }
        let files = self.unread.iter().map(|path| format!("`{}`", shorten(path)));
        let files = files.collect::<Vec<_>>().join(" or ");
        format!("{help}; or it stands in {files}, which could not be read")
    }
}

/// The item of a step's `for_each`.
pub(crate) const EACH: &str = "each";
/// The account that is being planned, by its twelve digits.
pub(super) const ACCOUNT: &str = "account";

const ROOTS: &[&str] = &["inputs", "targets", "inventory"];

/// Functions of values, each with the receiver's and arguments' demands in `Checker::function`.
const VALUE_FUNCTIONS: &[&str] = &["size", "contains", "startsWith", "endsWith", "string", "has"];
const LOOPS: &[&str] = &["all", "exists", "exists_one", "filter", "map"];

/// Checks and rewrites.
pub(crate) fn check(parsed: Parsed, names: &Names) -> Result<Expression, Vec<Diagnostic>> {
    let mut checker = Checker {
        parsed: &parsed,
        names,
        problems: Vec::new(),
        variables: names.each.iter().map(|shape| (EACH.to_owned(), shape.clone())).collect(),
        loops: 0,
        inputs: BTreeSet::new(),
        targets: BTreeSet::new(),
        account: false,
        instants: BTreeSet::new(),
    };
    let shape = checker.shape(&parsed.ast);
    let copies = copies(&parsed.ast, &|target| names.copies.get(target).copied().unwrap_or(1));
    if copies > AT_MOST && checker.problems.is_empty() {
        checker.problem(
            Code::ExpressionCost,
            &parsed.ast,
            "the same is put together more than a thousand times".to_owned(),
            "a target that adds another to itself doubles it: take what is repeated out".to_owned(),
        );
    }
    let Checker { problems, inputs, targets, account, instants, .. } = checker;
    let parsed = Parsed { instants, ..parsed };
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut calls = Vec::new();
    let ast = rewrite(parsed.ast.clone(), &parsed, &mut calls);
    let Parsed { text, place, .. } = parsed;
    Ok(Expression { text, place, ast, calls, shape, inputs, targets, account, copies })
}

struct Checker<'p> {
    parsed: &'p Parsed,
    names: &'p Names,
    problems: Vec<Diagnostic>,
    /// Variables of loops, innermost last.
    variables: Vec<(String, Shape)>,
    loops: usize,
    inputs: BTreeSet<String>,
    targets: BTreeSet<String>,
    account: bool,
    /// Comparisons of instants, by their ids.
    instants: BTreeSet<u64>,
}

impl Checker<'_> {
    fn place(&self, expr: &IdedExpr) -> Place {
        self.parsed.place_of(expr)
    }

    fn problem(&mut self, code: Code, expr: &IdedExpr, message: String, help: String) -> Shape {
        let label = match code {
            Code::UnknownReference => "not known",
            Code::WrongType => "of another type",
            _ => "here",
        };
        let problem = Diagnostic::error(code, message).at(self.place(expr), label).help(help);
        self.problems.push(problem);
        Shape::Unknown
    }

    fn shape(&mut self, expr: &IdedExpr) -> Shape {
        match &expr.expr {
            Expr::Literal(literal) => self.literal(expr, literal),
            Expr::Ident(name) => self.variable(expr, name),
            Expr::Select(select) => self.select(expr, select),
            Expr::Call(call) => self.call(expr, call),
            Expr::List(list) => self.list(list),
            Expr::Comprehension(comprehension) => self.comprehension(expr, comprehension),
            Expr::Map(_) | Expr::Struct(_) => self.problem(
                Code::BadExpression,
                expr,
                "expressions make no maps or messages".to_owned(),
                "write `{` in quotes if it is meant as text".to_owned(),
            ),
            Expr::Unspecified => {
                let help = "expressions are CEL, as in ${{ inputs.name }}".to_owned();
                self.problem(Code::BadExpression, expr, "not an expression".to_owned(), help)
            }
        }
    }

    fn literal(&mut self, expr: &IdedExpr, literal: &LiteralValue) -> Shape {
        let kind = match literal {
            LiteralValue::Boolean(_) => return Shape::Boolean,
            LiteralValue::Int(_) => return Shape::Integer,
            LiteralValue::String(_) => return Shape::Text,
            LiteralValue::Null => return Shape::Null,
            LiteralValue::Double(_) => "fractions",
            LiteralValue::UInt(_) => "unsigned numbers",
            LiteralValue::Bytes(_) => "bytes",
        };
        self.problem(
            Code::BadExpression,
            expr,
            format!("expressions have no {kind}"),
            "use whole numbers and text".to_owned(),
        )
    }

    fn variable(&mut self, expr: &IdedExpr, name: &str) -> Shape {
        if let Some((_, shape)) = self.variables.iter().rev().find(|(known, _)| known == name) {
            return shape.clone();
        }
        if name == ACCOUNT {
            self.account = true;
            return Shape::Of(FieldType::AccountId);
        }
        if ROOTS.contains(&name) {
            let of = if name == "inventory" { "function" } else { "name" };
            return self.problem(
                Code::BadExpression,
                expr,
                format!("`{name}` alone is not a value"),
                format!("follow it with a {of}, as in {name}.NAME"),
            );
        }
        let named_elsewhere = if name == EACH {
            Some("it is known in a step that has `for_each`".to_owned())
        } else if self.names.inputs.contains_key(name) {
            Some(format!("write inputs.{name}"))
        } else if self.names.targets.contains_key(name) {
            Some(format!("write targets.{name}"))
        } else {
            nearest(name, ROOTS.iter().copied()).map(|root| format!("did you mean `{root}`?"))
        };
        self.problem(
            Code::UnknownReference,
            expr,
            format!("`{}` is not known here", shorten(name)),
            named_elsewhere.unwrap_or_else(|| {
                "expressions begin with `inputs.`, `targets.` or `inventory.`".to_owned()
            }),
        )
    }

    fn select(&mut self, expr: &IdedExpr, select: &SelectExpr) -> Shape {
        let shape = match &select.operand.expr {
            Expr::Ident(root) if self.is_root(root) => self.name_under(expr, root, &select.field),
            _ => {
                let shape = self.shape(&select.operand);
                self.field(expr, &shape, &select.field)
            }
        };
        // `has(...)` asks whether there is something.
        if select.test { Shape::Boolean } else { shape }
    }

    fn is_root(&self, name: &str) -> bool {
        ROOTS.contains(&name) && !self.variables.iter().any(|(known, _)| known == name)
    }

    fn name_under(&mut self, expr: &IdedExpr, root: &str, name: &str) -> Shape {
        let (known, kind) = match root {
            "inputs" => (&self.names.inputs, "input"),
            "targets" => (&self.names.targets, "target"),
            _ => {
                let help = match functions::find(name) {
                    Some(function) => format!("call it: {}", signature(function)),
                    None => format!("the functions are {}", function_names()),
                };
                let message = format!("`inventory.{}` is not a value", shorten(name));
                return self.problem(Code::BadExpression, expr, message, help);
            }
        };
        if let Some(shape) = known.get(name) {
            let shape = shape.clone();
            let used = if root == "inputs" { &mut self.inputs } else { &mut self.targets };
            used.insert(name.to_owned());
            return shape;
        }
        let help = match nearest(name, known.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{root}.{near}`?"),
            None if known.is_empty() => format!("declare it under `{root}:`"),
            None => format!(
                "declare it under `{root}:`; there are {}",
                known.keys().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")
            ),
        };
        let help = self.names.unless_unread(help);
        let message = format!("there is no {kind} `{}`", shorten(name));
        self.problem(Code::UnknownReference, expr, message, help)
    }

    fn field(&mut self, expr: &IdedExpr, shape: &Shape, name: &str) -> Shape {
        match shape {
            Shape::Unknown => Shape::Unknown,
            Shape::Nullable(inner) => self.field(expr, inner, name),
            Shape::Object(attributes) => {
                if let Some(attribute) = attributes.iter().find(|a| a.name == name) {
                    return (attribute.shape)();
                }
                let help = match nearest(name, attributes.iter().map(|a| a.name)) {
                    Some(near) => format!("did you mean `.{near}`?"),
                    None => format!("it has {}", attribute_names(attributes)),
                };
                let message = format!("there is no field `{}`", shorten(name));
                self.problem(Code::UnknownReference, expr, message, help)
            }
            other => {
                let message = format!("{other} has no fields, and so no `.{}`", shorten(name));
                self.problem(Code::WrongType, expr, message, instead_of_a_field(other, name))
            }
        }
    }

    fn list(&mut self, list: &ListExpr) -> Shape {
        let mut item: Option<Shape> = None;
        for element in &list.elements {
            let shape = self.shape(element);
            item = Some(match item.take() {
                None => shape,
                Some(before) => before.join(shape),
            });
        }
        Shape::List(Box::new(item.unwrap_or(Shape::Unknown)))
    }

    fn comprehension(&mut self, expr: &IdedExpr, loop_: &ComprehensionExpr) -> Shape {
        let range = self.shape(&loop_.iter_range);
        let item = match range {
            Shape::List(item) => *item,
            Shape::Unknown => Shape::Unknown,
            other => {
                let message = format!("a loop runs over a list, not over {other}");
                let help = match other {
                    Shape::Nullable(_) | Shape::Null => {
                        "give the input a default that is a list, or mark it `required: true`"
                    }
                    _ => "put it in brackets if one alone is meant: [inputs.user]",
                };
                self.problem(Code::WrongType, &loop_.iter_range, message, help.to_owned())
            }
        };
        if self.loops > 0 {
            return self.problem(
                Code::ExpressionCost,
                expr,
                "a loop within a loop".to_owned(),
                "give the inner list a name under `targets`; where it hangs on the outer item, let `for_each` go \
                 through the outer list, and `if` ask the inner one"
                    .to_owned(),
            );
        }
        if ROOTS.contains(&loop_.iter_var.as_str()) || loop_.iter_var == EACH {
            let message = format!("a loop's variable cannot be called `{}`", loop_.iter_var);
            let help = "call it by a name of its own: inputs.users.map(user, user)".to_owned();
            return self.problem(Code::BadExpression, expr, message, help);
        }
        self.loops += 1;
        self.variables.push((loop_.accu_var.clone(), Shape::Unknown));
        self.variables.push((loop_.iter_var.clone(), item));
        let step = self.shape(&loop_.loop_step);
        self.variables.truncate(self.variables.len() - 2);
        self.loops -= 1;
        match &loop_.accu_init.expr {
            // `map` and `filter` collect; the others ask.
            Expr::List(_) => match step {
                list @ Shape::List(_) => list,
                _ => Shape::List(Box::new(Shape::Unknown)),
            },
            _ => Shape::Boolean,
        }
    }

    fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Shape {
        if let Some(target) = &call.target {
            if let Expr::Ident(root) = &target.expr
                && self.is_root(root)
            {
                return self.inventory_call(expr, root, call);
            }
            let receiver = self.shape(target);
            return self.function(expr, call, Some((target, receiver)));
        }
        match call.func_name.as_str() {
            name if name.starts_with(['_', '!', '-', '@']) => self.operator(expr, call),
            _ => self.function(expr, call, None),
        }
    }

    fn inventory_call(&mut self, expr: &IdedExpr, root: &str, call: &CallExpr) -> Shape {
        for argument in &call.args {
            // Their own problems are reported whatever the call is.
            if root != "inventory" || functions::find(&call.func_name).is_none() {
                self.shape(argument);
            }
        }
        if root != "inventory" {
            let message = format!("`{root}` has no functions");
            let function = &call.func_name;
            let help = if functions::find(function).is_some() {
                format!("write inventory.{function}(...)")
            } else {
                format!("name a value: {root}.NAME; functions are asked of `inventory`")
            };
            return self.problem(Code::BadExpression, expr, message, help);
        }
        let Some(function) = functions::find(&call.func_name) else {
            let names = FUNCTIONS.iter().map(|function| function.name);
            let help = match nearest(&call.func_name, names) {
                Some(near) => format!("did you mean `inventory.{near}`?"),
                None => format!("the functions are {}", function_names()),
            };
            let message = format!("the inventory has no function `{}`", shorten(&call.func_name));
            return self.problem(Code::UnknownReference, expr, message, help);
        };
        if call.args.len() != function.arguments.len() {
            for argument in &call.args {
                self.shape(argument);
            }
            let message = format!(
                "`inventory.{}` takes {}, not {}",
                function.name,
                count(function.arguments.len()),
                call.args.len()
            );
            let help = format!("write {}", signature(function));
            return self.problem(Code::BadExpression, expr, message, help);
        }
        for (argument, (name, ty)) in call.args.iter().zip(function.arguments) {
            let shape = self.shape(argument);
            if let Err(misfit) = shape.fits(ty, true) {
                let (message, help) = explain_misfit(&misfit, &shape, name, ty);
                self.problem(Code::WrongType, argument, message, help);
            }
        }
        (function.result)()
    }

    fn function(
        &mut self,
        expr: &IdedExpr,
        call: &CallExpr,
        receiver: Option<(&IdedExpr, Shape)>,
    ) -> Shape {
        let mut operands: Vec<(&IdedExpr, Shape)> = Vec::new();
        let is_method = receiver.is_some();
        operands.extend(receiver);
        for argument in &call.args {
            let shape = self.shape(argument);
            operands.push((argument, shape));
        }
        let name = call.func_name.as_str();
        let shapes: Vec<&Shape> = operands.iter().map(|(_, shape)| shape).collect();
        match (name, shapes.as_slice()) {
            ("size", [Shape::List(_)]) => Shape::Integer,
            ("size", [of]) if of.is_textual() => Shape::Integer,
            ("contains" | "startsWith" | "endsWith", [a, b])
                if is_method && a.is_textual() && b.is_textual() =>
            {
                Shape::Boolean
            }
            ("string", [Shape::Integer | Shape::Boolean]) if !is_method => Shape::Text,
            ("string", [of]) if !is_method && of.is_textual() => Shape::Text,
            (known, _) if VALUE_FUNCTIONS.contains(&known) => {
                let help = match known {
                    "size" => "it counts a list or a text: size(inputs.names)",
                    "string" => "it writes a number as text: string(10)",
                    "has" => "it asks whether a value is there: has(inputs.name)",
                    _ => "it compares texts: inputs.name.startsWith('ci-')",
                };
                let message = format!("`{known}` does not take these");
                self.problem(Code::WrongType, expr, message, help.to_owned())
            }
            (unknown, _) => {
                let all = VALUE_FUNCTIONS.iter().chain(LOOPS).copied();
                let help = match nearest(unknown, all.clone()) {
                    Some(near) if near != unknown => format!("did you mean `{near}`?"),
                    Some(near) => format!("a loop is written list.{near}(x, x == 'a')"),
                    None if functions::find(unknown).is_some() => {
                        format!("write inventory.{unknown}(...)")
                    }
                    None => format!("the functions are {}", all.collect::<Vec<_>>().join(", ")),
                };
                let message = format!("there is no function `{}`", shorten(unknown));
                self.problem(Code::UnknownReference, expr, message, help)
            }
        }
    }

    fn operator(&mut self, expr: &IdedExpr, call: &CallExpr) -> Shape {
        let shapes: Vec<Shape> = call.args.iter().map(|argument| self.shape(argument)).collect();
        let integers = |shapes: &[Shape]| {
            shapes.iter().all(|shape| matches!(shape, Shape::Integer | Shape::Unknown))
        };
        let booleans = |shapes: &[Shape]| {
            shapes.iter().all(|shape| matches!(shape, Shape::Boolean | Shape::Unknown))
        };
        let name = call.func_name.as_str();
        match (name, shapes.as_slice()) {
            (operators::CONDITIONAL, [condition, yes, no])
                if booleans(std::slice::from_ref(condition)) =>
            {
                yes.clone().join(no.clone())
            }
            (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, operands)
                if booleans(operands) =>
            {
                Shape::Boolean
            }
            // Part of how loops are written out; only the parser writes it.
            (operators::NOT_STRICTLY_FALSE, [_]) | (operators::IN, [_, Shape::Unknown]) => {
                Shape::Boolean
            }
            (operators::EQUALS | operators::NOT_EQUALS, [a, b]) if a.same_kind(b) => Shape::Boolean,
            (
                operators::LESS
                | operators::LESS_EQUALS
                | operators::GREATER
                | operators::GREATER_EQUALS,
                operands,
            ) if operands.iter().any(Shape::is_instant) => {
                self.order_of_instants(expr, call, operands)
            }
            (
                operators::LESS
                | operators::LESS_EQUALS
                | operators::GREATER
                | operators::GREATER_EQUALS,
                operands,
            ) if integers(operands) => Shape::Boolean,
            (operators::ADD, [Shape::Unknown, other] | [other, Shape::Unknown]) => other.clone(),
            (operators::ADD, [Shape::List(a), Shape::List(b)]) => {
                Shape::List(Box::new(a.as_ref().clone().join(b.as_ref().clone())))
            }
            (operators::ADD, [a, b]) if a.is_textual() && b.is_textual() => Shape::Text,
            (
                operators::ADD
                | operators::SUBSTRACT
                | operators::MULTIPLY
                | operators::DIVIDE
                | operators::MODULO
                | operators::NEGATE,
                operands,
            ) if integers(operands) => Shape::Integer,
            (operators::INDEX, [Shape::List(item), Shape::Integer | Shape::Unknown]) => {
                item.as_ref().clone()
            }
            (operators::INDEX, [Shape::Unknown, _]) => Shape::Unknown,
            (operators::IN, [item, Shape::List(of)]) if item.same_kind(of) => Shape::Boolean,
            _ => {
                let written: String =
                    name.chars().filter(|c| !matches!(c, '_' | '@')).collect::<String>();
                let given: Vec<String> = shapes.iter().map(ToString::to_string).collect();
                let message = format!("`{written}` does not go with {}", given.join(" and "));
                let order = [
                    operators::LESS,
                    operators::LESS_EQUALS,
                    operators::GREATER,
                    operators::GREATER_EQUALS,
                ];
                let help = match name {
                    _ if order.contains(&name) => {
                        "whole numbers and instants have an order, and nothing else: size(inputs.users) > 0"
                    }
                    operators::EQUALS | operators::NOT_EQUALS => {
                        "both sides are of one kind: each == 'ci-deploy'"
                    }
                    operators::IN => "a list stands on the right: 'ci-deploy' in inputs.users",
                    operators::INDEX => "a list has numbered items: inputs.users[0]",
                    operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => {
                        "it goes with what is true or false: inputs.rotate && size(inputs.users) > 0"
                    }
                    operators::ADD => {
                        "both sides are whole numbers, texts or lists; a number becomes a text with string(...): \
                         'ci-' + string(1)"
                    }
                    operators::CONDITIONAL => "inputs.rotate ? 'yes' : 'no'",
                    _ => "it goes with whole numbers: size(inputs.users) - 1",
                };
                self.problem(Code::WrongType, expr, message, help.to_owned())
            }
        }
    }
}

impl Checker<'_> {
    /// Instants are compared with instants. A text that is written out counts as one where it can be read so.
    fn order_of_instants(&mut self, expr: &IdedExpr, call: &CallExpr, sides: &[Shape]) -> Shape {
        for (side, shape) in call.args.iter().zip(sides) {
            let is_written = matches!(&side.expr, Expr::Literal(LiteralValue::String(text))
                if FieldType::Timestamp.accept(&text.inner().into()).is_ok());
            if shape.is_instant() || is_written || matches!(shape, Shape::Unknown) {
                continue;
            }
            let message = format!("an instant is compared with {shape}");
            let help = "write an instant like '2026-03-19T00:00:00Z', give the input `type: timestamp`, or ask \
                        for inventory.ago('90d')";
            return self.problem(Code::WrongType, side, message, help.to_owned());
        }
        self.instants.insert(expr.id);
        Shape::Boolean
    }
}

/// What may be written where a field is asked of something that has none: of a name or an item of a list what the
/// inventory knows of it, where it knows that.
fn instead_of_a_field(shape: &Shape, name: &str) -> String {
    if let Shape::List(item) = shape {
        return match item.as_ref() {
            Shape::Object(attributes) if attributes.iter().any(|one| one.name == name) => {
                format!(
                    "a field is one item's: [0].{name}, or .map(one, one.{name}) for that of each"
                )
            }
            _ => "a list has items: [0] is the first; size(...) counts them".to_owned(),
        };
    }
    let of = |ty: &FieldType| {
        let takes =
            |function: &&Function| matches!(function.arguments, [(_, wanted)] if wanted == ty);
        let has = |function: &&Function| match (function.result)() {
            Shape::Object(attributes) => attributes.iter().any(|one| one.name == name),
            _ => false,
        };
        let all = FUNCTIONS.iter().filter(takes);
        match all.clone().find(has) {
            Some(function) => vec![format!("{}.{name}", signature(function))],
            None => all.map(signature).collect(),
        }
    };
    let asked = match shape {
        Shape::Of(ty) => of(ty),
        _ => Vec::new(),
    };
    if asked.is_empty() {
        return "take the field out, and write the value as it is".to_owned();
    }
    format!("take the field out, or ask the inventory: {}", asked.join(", "))
}

fn function_names() -> String {
    FUNCTIONS.iter().map(|f| format!("`{}`", f.name)).collect::<Vec<_>>().join(", ")
}

fn signature(function: &Function) -> String {
    let arguments: Vec<&str> = function.arguments.iter().map(|(name, _)| *name).collect();
    format!("inventory.{}({})", function.name, arguments.join(", "))
}

fn count(n: usize) -> String {
    if n == 1 { "one argument".to_owned() } else { format!("{n} arguments") }
}
