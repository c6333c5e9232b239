//! What stands between two values, or before one: what goes with what, and what it gives.

use cel::common::ast::{CallExpr, Expr, IdedExpr, operators};

use super::Checker;
use super::present::{is_null, where_false, where_true};
use crate::diagnostic::Code;
use crate::playbook::expression::shape::Shape;
use crate::playbook::field::FieldType;

const ORDER: &[&str] =
    &[operators::LESS, operators::LESS_EQUALS, operators::GREATER, operators::GREATER_EQUALS];

impl Checker<'_> {
    /// What each of them is. Of what is looked at only where another part is true, or false, more is known.
    fn operands(&mut self, call: &CallExpr) -> Vec<Shape> {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::CONDITIONAL, [condition, yes, no]) => vec![
                self.shape(condition),
                self.where_it_is_so(where_true(condition), condition, yes),
                self.where_it_is_so(where_false(condition), condition, no),
            ],
            (operators::LOGICAL_AND, [first, then]) => {
                vec![self.shape(first), self.where_it_is_so(where_true(first), first, then)]
            }
            (operators::LOGICAL_OR, [first, then]) => {
                vec![self.shape(first), self.where_it_is_so(where_false(first), first, then)]
            }
            (_, all) => all.iter().map(|one| self.shape(one)).collect(),
        }
    }

    pub(super) fn operator(&mut self, expr: &IdedExpr, call: &CallExpr) -> Shape {
        let shapes = self.operands(call);
        let name = call.func_name.as_str();
        if !takes_nothing(name)
            && let Some(at) = needs_a_value(name, &shapes).find(|at| shapes[*at].may_be_nothing())
        {
            let asks = ORDER.contains(&name) || name == operators::IN;
            self.may_be_nothing(&call.args[at], &format!("`{}`", sign(name)), asks);
            return given_by(name);
        }
        if let Some(other) = called_otherwise(name, &shapes) {
            let message = format!(
                "an ARN is compared with {other}: the same thing goes by both, and they are never alike"
            );
            let help = "compare `.arn` with ARNs, as an input of `type: list of arn` gives them, and `.name` with names";
            self.problem(Code::WrongType, expr, message, help.to_owned());
            return given_by(name);
        }
        let integers = |shapes: &[Shape]| {
            shapes.iter().all(|shape| matches!(shape, Shape::Integer | Shape::Unknown))
        };
        let booleans = |shapes: &[Shape]| {
            shapes.iter().all(|shape| matches!(shape, Shape::Boolean | Shape::Unknown))
        };
        match (name, shapes.as_slice()) {
            (operators::CONDITIONAL, [condition, yes, no])
                if booleans(std::slice::from_ref(condition)) =>
            {
                match call.args.as_slice() {
                    // What a loop leaves as it was.
                    [_, _, rest] if is_collector(rest) => yes.clone(),
                    _ => yes.clone().join(no.clone()),
                }
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
            (operators::EQUALS | operators::NOT_EQUALS, [a, b]) if a.same_kind(b) => {
                self.asks_for_nothing(expr, call, &shapes)
            }
            (order, operands)
                if ORDER.contains(&order) && operands.iter().any(Shape::is_instant) =>
            {
                self.order_of_instants(expr, call, operands)
            }
            (order, operands) if ORDER.contains(&order) && integers(operands) => Shape::Boolean,
            (operators::ADD, [Shape::Unknown, other]) if is_collector(&call.args[0]) => {
                other.clone()
            }
            (operators::ADD, [Shape::Unknown, other] | [other, Shape::Unknown]) => {
                other.clone().chosen_from()
            }
            (operators::ADD, [Shape::List(a), Shape::List(b)]) => {
                Shape::List(Box::new(a.as_ref().clone().join(b.as_ref().clone())))
            }
            (operators::ADD, [a, b]) if a.is_textual() && b.is_textual() => a.followed_by(b),
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
                let written = sign(name);
                let given: Vec<String> = shapes.iter().map(ToString::to_string).collect();
                let message = format!("`{written}` does not go with {}", given.join(" and "));
                let help = match name {
                    _ if ORDER.contains(&name) => {
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
                self.problem(Code::WrongType, expr, message, help.to_owned());
                given_by(name)
            }
        }
    }

    /// What is never nothing is not compared with it: that would say the same whatever is given. Where it was asked before,
    /// asking once more harms nobody.
    fn asks_for_nothing(&mut self, expr: &IdedExpr, call: &CallExpr, sides: &[Shape]) -> Shape {
        let in_vain = match (call.args.as_slice(), sides) {
            ([one, null], [shape, Shape::Null]) | ([null, one], [Shape::Null, shape])
                if is_null(null) =>
            {
                let may_be = matches!(shape, Shape::Unknown) || shape.may_be_nothing();
                (!may_be && !self.is_present(one)).then_some((one, shape))
            }
            _ => None,
        };
        let Some((one, shape)) = in_vain else { return Shape::Boolean };
        let place = self.place(one);
        let what = if place.text().len() > 60 || place == self.place(expr) {
            "what stands here".to_owned()
        } else {
            format!("`{}`", place.text())
        };
        let (always, sign) = match call.func_name.as_str() {
            operators::EQUALS => ("always false", "=="),
            _ => ("always true", "!="),
        };
        let empty = match shape {
            Shape::List(_) => format!(", or ask whether anything is in it: size(...) {sign} 0"),
            // A name, an id or an instant is never empty either.
            Shape::Text => format!(", or compare it with an empty text: {sign} ''"),
            _ => String::new(),
        };
        let message = format!("{what} is never nothing, and `{sign} null` is {always}");
        self.labelled(Code::WrongType, expr, always, message, format!("take it out{empty}"))
    }

    /// Instants are compared with instants. A text that is written out counts as one where it can be read so.
    fn order_of_instants(&mut self, expr: &IdedExpr, call: &CallExpr, sides: &[Shape]) -> Shape {
        for (side, shape) in call.args.iter().zip(sides) {
            let is_written = matches!(shape, Shape::Written(_))
                && shape.fits(&FieldType::Timestamp, true).is_ok();
            if shape.is_instant() || is_written || matches!(shape, Shape::Unknown) {
                continue;
            }
            let message = format!("an instant is compared with {shape}");
            let help = "write an instant like '2026-03-19T00:00:00Z', give the input `type: timestamp`, or ask \
                        for inventory.ago('90d')";
            self.problem(Code::WrongType, side, message, help.to_owned());
        }
        self.instants.insert(expr.id);
        Shape::Boolean
    }
}

/// What stands beside an ARN and is none, where the two are compared.
fn called_otherwise<'s>(name: &str, operands: &'s [Shape]) -> Option<&'s Shape> {
    let (a, b) = match (name, operands) {
        (operators::EQUALS | operators::NOT_EQUALS, [a, b]) => (a, b),
        (operators::IN, [a, Shape::List(b)]) => (a, b.as_ref()),
        _ => return None,
    };
    let is_arn = |shape: &Shape| matches!(shape, Shape::Of(FieldType::Arn));
    // A secret may be named by its ARN: what is given for one may be one.
    let is_other = |shape: &Shape| shape.is_written_and_never(&FieldType::Arn);
    let (a, b) = (where_it_is(a), where_it_is(b));
    [(a, b), (b, a)]
        .into_iter()
        .find(|(arn, other)| is_arn(arn) && is_other(other))
        .map(|(_, other)| other)
}

/// What it is where it is something.
fn where_it_is(shape: &Shape) -> &Shape {
    match shape {
        Shape::Nullable(inner) => inner,
        shape => shape,
    }
}

/// What an operator gives, whatever is wrong with its operands.
fn given_by(name: &str) -> Shape {
    match name {
        operators::LOGICAL_AND
        | operators::LOGICAL_OR
        | operators::LOGICAL_NOT
        | operators::NOT_STRICTLY_FALSE
        | operators::EQUALS
        | operators::NOT_EQUALS
        | operators::IN => Shape::Boolean,
        order if ORDER.contains(&order) => Shape::Boolean,
        operators::SUBSTRACT
        | operators::MULTIPLY
        | operators::DIVIDE
        | operators::MODULO
        | operators::NEGATE => Shape::Integer,
        _ => Shape::Unknown,
    }
}

/// Whether an operator asks whether there is something.
fn takes_nothing(name: &str) -> bool {
    matches!(name, operators::EQUALS | operators::NOT_EQUALS | operators::NOT_STRICTLY_FALSE)
}

/// Which of the operands must be there.
fn needs_a_value(name: &str, operands: &[Shape]) -> std::ops::Range<usize> {
    match name {
        operators::CONDITIONAL => 0..1,
        // Nothing is in no list.
        operators::IN => 1..operands.len(),
        _ => 0..operands.len(),
    }
}

/// As it is written.
fn sign(name: &str) -> String {
    match name {
        operators::CONDITIONAL => "?".to_owned(),
        operators::IN => "in".to_owned(),
        operators::INDEX => "[]".to_owned(),
        name => name.chars().filter(|c| !matches!(c, '_' | '@')).collect(),
    }
}

/// What a loop counts or collects with.
fn is_collector(expr: &IdedExpr) -> bool {
    matches!(&expr.expr, Expr::Ident(name) if name.starts_with('@'))
}
