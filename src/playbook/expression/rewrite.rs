//! A checked expression in the few forms that `evaluate` serves: calls of inventory functions become
//! look-ups in numbered variables, and `has(x.y)` becomes `x.y != null`.

use cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue, SelectExpr, operators,
};

use super::evaluate::INSTANT;
use super::{CallSite, Parsed, functions};

/// The variable that stands for the `n`-th call of an inventory function. No playbook can name it.
pub(super) fn call_variable(n: usize) -> String {
    format!("@call{n}")
}

/// Rewrites, noting every call of an inventory function.
pub(super) fn rewrite(expr: IdedExpr, parsed: &Parsed, calls: &mut Vec<CallSite>) -> IdedExpr {
    let place = parsed.place_of(&expr);
    let IdedExpr { id, expr } = expr;
    let node = |expr: Expr| IdedExpr { id, expr };
    match expr {
        Expr::Select(SelectExpr { operand, field, test }) => {
            let operand = Box::new(rewrite(*operand, parsed, calls));
            let plain = node(Expr::Select(SelectExpr { operand, field, test: false }));
            if !test {
                return plain;
            }
            node(Expr::Call(CallExpr {
                func_name: operators::NOT_EQUALS.to_owned(),
                target: None,
                args: vec![plain, node(Expr::Literal(LiteralValue::Null))],
            }))
        }
        Expr::Call(CallExpr { func_name, target, args }) => {
            let args: Vec<IdedExpr> =
                args.into_iter().map(|argument| rewrite(argument, parsed, calls)).collect();
            let is_inventory = target
                .as_ref()
                .is_some_and(|t| matches!(&t.expr, Expr::Ident(name) if name == "inventory"));
            if is_inventory && let Some(function) = functions::find(&func_name) {
                let variable = call_variable(calls.len());
                calls.push(CallSite { function, place, for_every_item: false });
                return node(Expr::Call(CallExpr {
                    func_name: operators::INDEX.to_owned(),
                    target: None,
                    args: vec![node(Expr::Ident(variable)), node(Expr::List(ListExpr::new(args)))],
                }));
            }
            let args = if parsed.instants.contains(&id) { instants(args) } else { args };
            let target = target.map(|target| Box::new(rewrite(*target, parsed, calls)));
            node(Expr::Call(CallExpr { func_name, target, args }))
        }
        Expr::List(list) => {
            let elements =
                list.elements.into_iter().map(|element| rewrite(element, parsed, calls)).collect();
            node(Expr::List(ListExpr::new(elements)))
        }
        Expr::Comprehension(loop_) => {
            let loop_ = *loop_;
            // `map` and `filter` collect into a list; the others stop where they know enough.
            let collects = matches!(loop_.accu_init.expr, Expr::List(_));
            let iter_range = rewrite(loop_.iter_range, parsed, calls);
            let before = calls.len();
            let loop_step = rewrite(loop_.loop_step, parsed, calls);
            calls[before..].iter_mut().for_each(|call| call.for_every_item = collects);
            let loop_ = ComprehensionExpr { iter_range, loop_step, ..loop_ };
            node(Expr::Comprehension(Box::new(loop_)))
        }
        other => node(other),
    }
}

/// Both sides of a comparison, as numbers.
fn instants(args: Vec<IdedExpr>) -> Vec<IdedExpr> {
    let number = |side: IdedExpr| IdedExpr {
        id: side.id,
        expr: Expr::Call(CallExpr {
            func_name: INSTANT.to_owned(),
            target: None,
            args: vec![side],
        }),
    };
    args.into_iter().map(number).collect()
}
