//! A checked expression in the few forms that `evaluate` serves: calls of inventory functions become
//! look-ups in numbered variables, `has(x.y)` becomes `x.y != null`, and what may be large goes past a meter.

use cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, IdedExpr, ListExpr, LiteralValue, SelectExpr, operators,
};

use super::evaluate::INSTANT;
use super::meter::Meter;
use super::{CallSite, Parsed, functions};

/// The variable that stands for the `n`-th call of an inventory function. No playbook can name it.
pub(super) fn call_variable(n: usize) -> String {
    format!("@call{n}")
}

/// Functions that read all of what they are given.
const VALUE_FUNCTIONS: &[&str] = &["size", "contains", "startsWith", "endsWith", "string"];

const COMPARISONS: &[&str] = &[
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
];

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
                calls.push(CallSite {
                    function,
                    place,
                    for_every_item: false,
                    gone_through: false,
                });
                return node(Expr::Call(CallExpr {
                    func_name: operators::INDEX.to_owned(),
                    target: None,
                    args: vec![node(Expr::Ident(variable)), node(Expr::List(ListExpr::new(args)))],
                }));
            }
            let target = target.map(|target| Box::new(rewrite(*target, parsed, calls)));
            if parsed.instants.contains(&id) {
                return node(Expr::Call(CallExpr { func_name, target, args: instants(args) }));
            }
            // Where one side is written out, little is compared.
            let is_written_out = |expr: &IdedExpr| matches!(expr.expr, Expr::Literal(_));
            let reads_all = VALUE_FUNCTIONS.contains(&&*func_name)
                || func_name == operators::IN
                || COMPARISONS.contains(&&*func_name) && !args.iter().any(is_written_out);
            let looked_at = |expr| if reads_all { metered(expr, Meter::Looks) } else { expr };
            let args: Vec<IdedExpr> = args.into_iter().map(looked_at).collect();
            let target = target.map(|target| Box::new(looked_at(*target)));
            // What a loop counts or collects with is no sum of the playbook's.
            let adds = func_name == operators::ADD && !args.first().is_some_and(is_collector);
            let call = node(Expr::Call(CallExpr { func_name, target, args }));
            if adds { metered(call, Meter::Builds) } else { call }
        }
        Expr::List(list) => {
            let element = |element| metered(rewrite(element, parsed, calls), Meter::Builds);
            node(Expr::List(ListExpr::new(list.elements.into_iter().map(element).collect())))
        }
        Expr::Comprehension(loop_) => {
            let loop_ = *loop_;
            // `map` and `filter` collect into a list; the others stop where they know enough.
            let collects = matches!(loop_.accu_init.expr, Expr::List(_));
            let iter_range = gone_through(loop_.iter_range, parsed, calls);
            let before = calls.len();
            let loop_step = rewrite(loop_.loop_step, parsed, calls);
            calls[before..].iter_mut().for_each(|call| call.for_every_item = collects);
            let loop_ = ComprehensionExpr { iter_range, loop_step, ..loop_ };
            node(Expr::Comprehension(Box::new(loop_)))
        }
        other => node(other),
    }
}

/// What a loop goes over, weighed. An answer of the inventory is weighed where it is given: a meter would copy it.
fn gone_through(range: IdedExpr, parsed: &Parsed, calls: &mut Vec<CallSite>) -> IdedExpr {
    let range = rewrite(range, parsed, calls);
    let is_answer = matches!(&range.expr, Expr::Call(CallExpr { func_name, args, .. })
        if func_name == operators::INDEX
            && matches!(args.as_slice(), [IdedExpr { expr: Expr::Ident(name), .. }, _]
                if calls.len().checked_sub(1).is_some_and(|last| *name == call_variable(last))));
    match calls.last_mut() {
        Some(last) if is_answer => {
            last.gone_through = true;
            range
        }
        _ => metered(range, Meter::Looks),
    }
}

fn is_collector(expr: &IdedExpr) -> bool {
    matches!(&expr.expr, Expr::Ident(name) if name.starts_with('@'))
}

/// The same value, weighed on the way. A name is weighed where it stands; anything else goes through the meter.
fn metered(expr: IdedExpr, meter: Meter) -> IdedExpr {
    fn is_name(expr: &IdedExpr) -> bool {
        match &expr.expr {
            Expr::Ident(_) => true,
            Expr::Select(select) => !select.test && is_name(&select.operand),
            _ => false,
        }
    }
    let id = expr.id;
    let node = |expr: Expr| IdedExpr { id, expr };
    let call = |name: &str, args: Vec<IdedExpr>| {
        node(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
    };
    let variable = |name: &str| node(Expr::Ident(name.to_owned()));
    if matches!(expr.expr, Expr::Literal(_)) {
        expr
    } else if is_name(&expr) {
        let weighed = call(operators::INDEX, vec![variable(meter.question()), expr.clone()]);
        let never = node(Expr::Literal(LiteralValue::Null));
        call(operators::CONDITIONAL, vec![weighed, expr, never])
    } else {
        call(operators::INDEX, vec![variable(meter.passage()), expr])
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
