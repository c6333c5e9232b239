//! Which items a `filter` leaves out of a list, so that whoever is left alone can be told of.
//!
//! The expression is evaluated once more, and a note is taken of every item that a `filter` on the way to its value refuses.
//! Knows what loops are written out as, and not what the items stand for. What has no value leaves out nothing.

use std::sync::{Mutex, PoisonError};

use cel::ExecutionError;
use cel::common::ast::{CallExpr, Expr, IdedExpr, operators};
use cel::common::types::CelBool;
use cel::common::value::Val;
use serde_json::Value;

use super::Expression;
use super::evaluate::{Evaluated, Scope, from_cel};
use super::indexed::Lookup;
use super::meter::Spent;

/// The variable that takes a note of an item, and gives `true`. No playbook can name it.
pub(super) const LEFT_OUT: &str = "@left-out";

impl Expression {
    /// The items that it leaves out of the list that it gives, in the order of the list.
    pub(crate) fn leaves_out(&self, scope: &Scope<'_>) -> Vec<Value> {
        let mut ast = self.ast.clone();
        if !take_notes(&mut ast) {
            return Vec::new();
        }
        let noted = Mutex::default();
        // What it costs was paid for when it was evaluated for its value.
        let scope = Scope { spent: &Spent::default(), ..*scope };
        match (Self { ast, ..self.clone() }).evaluate_noting(&scope, &noted) {
            Ok(Evaluated::Value(_)) => noted.into_inner().unwrap_or_else(PoisonError::into_inner),
            Ok(Evaluated::Needs(_)) | Err(_) => Vec::new(),
        }
    }
}

/// Has every loop that gives items of the value note those that it refuses. Whether there is one.
fn take_notes(expr: &mut IdedExpr) -> bool {
    let all =
        |parts: &mut [IdedExpr]| parts.iter_mut().fold(false, |any, one| take_notes(one) | any);
    match &mut expr.expr {
        Expr::Comprehension(each) if matches!(each.accu_init.expr, Expr::List(_)) => {
            let before = take_notes(&mut each.iter_range);
            let Expr::Call(CallExpr { func_name, args, .. }) = &mut each.loop_step.expr else {
                return before;
            };
            let [_, _, refused] = args.as_mut_slice() else { return before };
            if func_name.as_str() != operators::CONDITIONAL
                || !matches!(refused.expr, Expr::Ident(_))
            {
                return before;
            }
            let (id, as_it_was) = (refused.id, refused.clone());
            let node = |expr: Expr| IdedExpr { id, expr };
            let call = |name: &str, args: Vec<IdedExpr>| {
                node(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
            };
            let variable = |name: &str| node(Expr::Ident(name.to_owned()));
            let noted = call(operators::INDEX, vec![variable(LEFT_OUT), variable(&each.iter_var)]);
            *refused = call(operators::CONDITIONAL, vec![noted, as_it_was.clone(), as_it_was]);
            true
        }
        Expr::Call(CallExpr { func_name, args, .. }) => match func_name.as_str() {
            operators::CONDITIONAL => all(args.get_mut(1..).unwrap_or_default()),
            operators::ADD => all(args),
            // What goes past a meter.
            operators::INDEX if matches!(&args[0].expr, Expr::Ident(name) if name.starts_with('@')) => {
                all(args.get_mut(1..).unwrap_or_default())
            }
            _ => false,
        },
        _ => false,
    }
}

/// Takes a note of whatever it is looked up by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notes<'v>(pub(super) &'v Mutex<Vec<Value>>);

impl Lookup for Notes<'_> {
    fn at(&self, item: &dyn Val) -> Result<Box<dyn Val>, ExecutionError> {
        if let Some(item) = from_cel(&cel::Value::try_from(item)?) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(item);
        }
        Ok(Box::new(CelBool::from(true)))
    }
}
