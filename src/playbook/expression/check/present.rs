//! What may be nothing, and is certainly there where somebody has asked for it.
//!
//! `has(x)`, `x != null` and `x == null` ask, alone and in `&&`, `||` and `!`. What follows from that holds in the
//! branches of a `? :`, on the right of an `&&` or `||`, and in the step whose `if` it is. Two parts of a playbook that
//! read the same are the same: an expression looks at one inventory, and changes nothing.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};

use super::Checker;
use crate::diagnostic::Code;
use crate::playbook::expression::shape::Shape;
use crate::playbook::expression::walk;

/// What is there wherever a condition is true.
pub(super) fn where_true(condition: &IdedExpr) -> BTreeSet<String> {
    follows(condition, true)
}

/// What is there wherever a condition is false.
pub(super) fn where_false(condition: &IdedExpr) -> BTreeSet<String> {
    follows(condition, false)
}

fn follows(condition: &IdedExpr, is: bool) -> BTreeSet<String> {
    let none = BTreeSet::new();
    match &condition.expr {
        Expr::Select(SelectExpr { operand, field, test: true }) if is => {
            spelt(operand).map(|of| format!("{of}.{field}")).into_iter().collect()
        }
        Expr::Call(CallExpr { func_name, args, .. }) => {
            match (func_name.as_str(), args.as_slice()) {
                (operators::LOGICAL_NOT, [one]) => follows(one, !is),
                (operators::LOGICAL_AND, [a, b]) if is => &follows(a, is) | &follows(b, is),
                (operators::LOGICAL_OR, [a, b]) if !is => &follows(a, is) | &follows(b, is),
                (operators::LOGICAL_AND | operators::LOGICAL_OR, [a, b]) => {
                    &follows(a, is) & &follows(b, is)
                }
                (operators::NOT_EQUALS, [one, null] | [null, one])
                    if is && is_null(null) && !is_null(one) =>
                {
                    spelt(one).into_iter().collect()
                }
                (operators::EQUALS, [one, null] | [null, one])
                    if !is && is_null(null) && !is_null(one) =>
                {
                    spelt(one).into_iter().collect()
                }
                _ => none,
            }
        }
        _ => none,
    }
}

pub(super) fn is_null(expr: &IdedExpr) -> bool {
    matches!(expr.expr, Expr::Literal(LiteralValue::Null))
}

/// An expression in one spelling, whatever white space it was written with; loops have none.
fn spelt(expr: &IdedExpr) -> Option<String> {
    match &expr.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Literal(literal) => Some(match literal {
            LiteralValue::String(text) => format!("{:?}", text.inner()),
            literal => format!("{literal:?}"),
        }),
        Expr::Select(SelectExpr { operand, field, test: false }) => {
            Some(format!("{}.{field}", spelt(operand)?))
        }
        Expr::Call(CallExpr { func_name, target, args }) => {
            let args: Vec<String> = args.iter().map(spelt).collect::<Option<_>>()?;
            let call = format!("{func_name}({})", args.join(", "));
            match target {
                Some(target) => Some(format!("{}.{call}", spelt(target)?)),
                None => Some(call),
            }
        }
        _ => None,
    }
}

impl Checker<'_> {
    /// Whether it is there for certain where we are.
    pub(super) fn is_present(&self, expr: &IdedExpr) -> bool {
        !self.present.is_empty() && spelt(expr).is_some_and(|it| self.present.contains(&it))
    }

    /// An object, with those of its fields that are there for certain where we are.
    pub(super) fn with_what_is_present(&self, expr: &IdedExpr, shape: Shape) -> Shape {
        let Shape::Object(mut object) = shape else { return shape };
        if !self.present.is_empty()
            && let Some(of) = spelt(expr)
        {
            let fields =
                self.present.iter().filter_map(|it| it.strip_prefix(&of)?.strip_prefix('.'));
            fields.for_each(|field| object.is_there(field));
        }
        Shape::Object(object)
    }

    /// What a part is, where a condition has been asked and `present` follows from its answer.
    pub(super) fn where_it_is_so(
        &mut self,
        present: BTreeSet<String>,
        condition: &IdedExpr,
        part: &IdedExpr,
    ) -> Shape {
        let (known, variables) = (self.present.len(), self.variables.len());
        self.present.extend(present);
        let mut asked = BTreeSet::new();
        walk(condition, &mut |node| {
            if let Expr::Ident(name) = &node.expr {
                asked.insert(name.as_str());
            }
        });
        for name in asked.into_iter().filter(|name| !name.starts_with('@')) {
            let found = self.variables.iter().rev().find(|(known, _)| known == name).cloned();
            self.variables.extend(found.map(|(name, shape)| (name, shape.chosen_from())));
        }
        let shape = self.shape(part);
        self.variables.truncate(variables);
        self.present.truncate(known);
        shape
    }

    /// Refuses a part that may be nothing where something is needed. `asks` says whether what needs it is true or false
    /// itself.
    pub(super) fn may_be_nothing(&mut self, part: &IdedExpr, needed: &str, asks: bool) -> Shape {
        let place = self.place(part);
        let text = place.text();
        let question = match &part.expr {
            // The place of a part is that of the whole where it does not stand in the file as it is.
            _ if text.len() > 60 || place == self.parsed.place => "has(inputs.NAME)".to_owned(),
            Expr::Select(_) => format!("has({text})"),
            _ => format!("{text} != null"),
        };
        let then = if asks { "&& ..." } else { "? ... : ..." };
        let message = format!("{needed} needs a value, and this may be nothing");
        let help = format!("ask first whether it is there: {question} {then}");
        self.labelled(Code::WrongType, part, "may be nothing", message, help)
    }
}
