//! Judges a parsed expression: what it may name, what it costs, and what it gives.
//!
//! Every finding is collected. A type that cannot be known is [`Shape::Unknown`], which fits
//! everywhere and is checked again when there is a value. What may be nothing has no use until it was asked whether it
//! is there: `present` follows such questions. What is called is judged in `calls`, what stands between two values in
//! `operators`, and `loops` has what is done for each of many.

mod calls;
mod loops;
mod operators;
mod present;

use std::collections::{BTreeMap, BTreeSet};

use cel::common::ast::{Expr, IdedExpr, ListExpr, LiteralValue, SelectExpr};

use super::copies::{AT_MOST, copies};
use super::functions::{self, FUNCTIONS, Function};
use super::rewrite::rewrite;
use super::shape::{Shape, attribute_names};
use super::{Expression, Parsed, asks_each};
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
    /// What is there for certain though it might be nothing, because the step's `if` has asked for it: as
    /// [`Expression::present`] has it.
    pub(crate) present: BTreeSet<String>,
    /// Fragments that could not be read: a name that is like none that is known is taken for one of theirs.
    pub(crate) unread: Vec<String>,
}

/// The item of a step's `for_each`.
pub(crate) const EACH: &str = "each";
/// The account that is being planned, by its twelve digits.
pub(super) const ACCOUNT: &str = "account";

const ROOTS: &[&str] = &["inputs", "targets", "inventory"];

/// An expression that is wrong, and what is known of it all the same, so that what uses it is judged beside it.
#[derive(Debug)]
pub(crate) struct Refused {
    /// What is wrong with it.
    pub(crate) problems: Vec<Diagnostic>,
    /// What it would give, were it mended as its helps say.
    pub(crate) shape: Shape,
    /// As [`Expression::present`].
    pub(crate) present: BTreeSet<String>,
    /// As [`Expression::asks_each`].
    pub(crate) asks_each: bool,
}

/// Checks and rewrites.
pub(crate) fn check(parsed: Parsed, names: &Names) -> Result<Expression, Refused> {
    let mut checker = Checker {
        parsed: &parsed,
        names,
        problems: Vec::new(),
        variables: names.each.iter().map(|shape| (EACH.to_owned(), shape.clone())).collect(),
        present: names.present.iter().cloned().collect(),
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
    let present = present::where_true(&parsed.ast);
    let parsed = Parsed { instants, ..parsed };
    if !problems.is_empty() {
        return Err(Refused { problems, shape, present, asks_each: asks_each(&parsed.ast) });
    }
    let mut calls = Vec::new();
    let ast = rewrite(parsed.ast.clone(), &parsed, &mut calls);
    let Parsed { text, place, .. } = parsed;
    Ok(Expression { text, place, ast, calls, shape, inputs, targets, account, present, copies })
}

struct Checker<'p> {
    parsed: &'p Parsed,
    names: &'p Names,
    problems: Vec<Diagnostic>,
    /// Variables of loops, innermost last.
    variables: Vec<(String, Shape)>,
    /// What is there for certain where we are, though it might be nothing elsewhere.
    present: Vec<String>,
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
        self.labelled(code, expr, label, message, help)
    }

    fn labelled(
        &mut self,
        code: Code,
        expr: &IdedExpr,
        label: &str,
        message: String,
        help: String,
    ) -> Shape {
        let problem = Diagnostic::error(code, message).at(self.place(expr), label).help(help);
        self.problems.push(problem);
        Shape::Unknown
    }

    fn shape(&mut self, expr: &IdedExpr) -> Shape {
        let shape = match self.shape_anywhere(expr) {
            Shape::Nullable(inner) if self.is_present(expr) => *inner,
            shape => shape,
        };
        self.with_what_is_present(expr, shape)
    }

    /// What it gives, whatever was asked about it.
    fn shape_anywhere(&mut self, expr: &IdedExpr) -> Shape {
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
            LiteralValue::String(text) => return Shape::written([text.inner().to_owned()]),
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
                if shape.may_be_nothing() {
                    let needed = format!("`.{}`", shorten(&select.field));
                    self.may_be_nothing(&select.operand, &needed, select.test);
                }
                self.field(expr, &shape.or_unknown(), &select.field)
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
                    Some(function) => format!("call it: {}", function.signature()),
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
        let near = nearest(name, known.keys().map(String::as_str));
        let meant = near.and_then(|near| known.get(near)).cloned().unwrap_or(Shape::Unknown);
        let help = match near {
            Some(near) => format!("did you mean `{root}.{near}`?"),
            None if !self.names.unread.is_empty() => {
                let used = if root == "inputs" { &mut self.inputs } else { &mut self.targets };
                used.insert(name.to_owned());
                return Shape::Unknown;
            }
            None if known.is_empty() => format!("declare it under `{root}:`"),
            None => format!(
                "declare it under `{root}:`; there are {}",
                known.keys().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")
            ),
        };
        let message = format!("there is no {kind} `{}`", shorten(name));
        self.problem(Code::UnknownReference, expr, message, help);
        meant
    }

    fn field(&mut self, expr: &IdedExpr, shape: &Shape, name: &str) -> Shape {
        match shape {
            Shape::Unknown => Shape::Unknown,
            Shape::Object(object) => {
                if let Some(shape) = object.field(name) {
                    return shape;
                }
                let near = nearest(name, object.attributes().iter().map(|a| a.name));
                let help = match near {
                    Some(near) => format!("did you mean `.{near}`?"),
                    None => format!("it has {}", attribute_names(object.attributes())),
                };
                let message = format!("there is no field `{}`", shorten(name));
                self.problem(Code::UnknownReference, expr, message, help);
                near.and_then(|near| object.field(near)).unwrap_or(Shape::Unknown)
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
}

/// What may be written where a field is asked of something that has none: of a name or an item of a list what the
/// inventory knows of it, where it knows that.
fn instead_of_a_field(shape: &Shape, name: &str) -> String {
    if let Shape::List(item) = shape {
        return match item.as_ref() {
            Shape::Object(object) if object.field(name).is_some() => {
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
            Shape::Object(object) => object.field(name).is_some(),
            _ => false,
        };
        let all = FUNCTIONS.iter().filter(takes);
        match all.clone().find(has) {
            Some(function) => vec![format!("{}.{name}", function.signature())],
            None => all.map(Function::signature).collect(),
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
