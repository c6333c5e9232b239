//! What is called: questions to the inventory, and the functions of values.

use cel::common::ast::{CallExpr, Expr, IdedExpr};

use super::{Checker, function_names};
use crate::diagnostic::{Code, nearest};
use crate::playbook::expression::functions::{self, FUNCTIONS, Function};
use crate::playbook::expression::shape::{Shape, Wanted, explain_misfit};
use crate::playbook::field::shorten;

/// Functions of values, each with the receiver's and arguments' demands in `Checker::function`.
const VALUE_FUNCTIONS: &[&str] = &["size", "contains", "startsWith", "endsWith", "string", "has"];
const LOOPS: &[&str] = &["all", "exists", "exists_one", "filter", "map"];

impl Checker<'_> {
    pub(super) fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Shape {
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
        if root != "inventory" {
            // Their own problems are reported whatever the call is.
            for argument in &call.args {
                self.shape(argument);
            }
            let message = format!("`{root}` has no functions");
            let function = &call.func_name;
            let help = if functions::find(function).is_some() {
                format!("write inventory.{function}(...)")
            } else {
                format!("name a value: {root}.NAME; functions are asked of `inventory`")
            };
            return self.problem(Code::BadExpression, expr, message, help);
        }
        let Some(function) = self.function_meant(expr, &call.func_name) else {
            for argument in &call.args {
                self.shape(argument);
            }
            return Shape::Unknown;
        };
        if call.args.len() != function.arguments.len() {
            let message = format!(
                "`inventory.{}` takes {}, not {}",
                function.name,
                count(function.arguments.len()),
                call.args.len()
            );
            let help = format!("write {}", function.signature());
            self.problem(Code::BadExpression, expr, message, help);
        }
        let mut wanted = function.arguments.iter();
        for argument in &call.args {
            let shape = self.shape(argument);
            if let Some((name, ty)) = wanted.next()
                && let Err(misfit) = shape.fits(ty, true)
            {
                let wanted = Wanted::Argument(function, name);
                let (message, help) = explain_misfit(&misfit, &shape, wanted, ty);
                self.labelled(Code::WrongType, argument, misfit.label(), message, help);
            }
        }
        (function.result)()
    }

    /// The function of that name, or the one that is most likely meant.
    fn function_meant(&mut self, expr: &IdedExpr, name: &str) -> Option<&'static Function> {
        if let Some(function) = functions::find(name) {
            return Some(function);
        }
        let near = nearest(name, FUNCTIONS.iter().map(|function| function.name));
        let help = match near {
            Some(near) => format!("did you mean `inventory.{near}`?"),
            None => format!("the functions are {}", function_names()),
        };
        let message = format!("the inventory has no function `{}`", shorten(name));
        self.problem(Code::UnknownReference, expr, message, help);
        functions::find(near?)
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
        if VALUE_FUNCTIONS.contains(&name)
            && let Some((nothing, _)) = operands.iter().find(|(_, shape)| shape.may_be_nothing())
        {
            let asks = ["contains", "startsWith", "endsWith"].contains(&name);
            self.may_be_nothing(nothing, &format!("`{name}`"), asks);
            return given_by(name);
        }
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
                self.problem(Code::WrongType, expr, message, help.to_owned());
                given_by(known)
            }
            (unknown, _) => {
                let all = VALUE_FUNCTIONS.iter().chain(LOOPS).copied();
                let near = nearest(unknown, all.clone());
                let help = match near {
                    Some(near) if near != unknown => format!("did you mean `{near}`?"),
                    Some(near) => format!("a loop is written list.{near}(x, x == 'a')"),
                    None if ["now", "today", "date", "time", "timestamp"].contains(&unknown) => {
                        "a moment is inventory.ago('90d'), so long before the survey began; or a text: \
                         '2026-03-24T07:10:00Z'"
                            .to_owned()
                    }
                    None if functions::find(unknown).is_some() => {
                        format!("write inventory.{unknown}(...)")
                    }
                    None => format!("the functions are {}", all.collect::<Vec<_>>().join(", ")),
                };
                let message = format!("there is no function `{}`", shorten(unknown));
                self.problem(Code::UnknownReference, expr, message, help);
                near.map_or(Shape::Unknown, given_by)
            }
        }
    }
}

/// What a function of values gives, whatever is wrong with what it is given.
fn given_by(name: &str) -> Shape {
    match name {
        "size" => Shape::Integer,
        "string" => Shape::Text,
        "contains" | "startsWith" | "endsWith" | "has" | "all" | "exists" | "exists_one" => {
            Shape::Boolean
        }
        _ => Shape::Unknown,
    }
}

fn count(n: usize) -> String {
    if n == 1 { "one argument".to_owned() } else { format!("{n} arguments") }
}
