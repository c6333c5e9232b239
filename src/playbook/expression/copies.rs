//! How often an expression puts the same things together, known from its words alone.
//!
//! A target that adds another to itself is twice as long, and forty of them in a row are longer than any memory.
//! The budget of `meter` ends that when there are values; this says so before, to whoever writes it. Counts
//! references and no items: a list of ten thousand users that stands there once counts once.

use cel::common::ast::{CallExpr, Expr, IdedExpr, operators};

/// The most that a playbook has a use for, by far.
pub(super) const AT_MOST: u64 = 1_000;

/// How many times over what it refers to is in what it gives; `of` says it of a target.
pub(super) fn copies(expr: &IdedExpr, of: &dyn Fn(&str) -> u64) -> u64 {
    let sum =
        |parts: &[IdedExpr]| parts.iter().map(|part| copies(part, of)).fold(0, u64::saturating_add);
    match &expr.expr {
        Expr::Select(select) => match &select.operand.expr {
            Expr::Ident(root) if root == "targets" => of(&select.field),
            _ => copies(&select.operand, of),
        },
        // What a loop collects into is no part of what it collects.
        Expr::Ident(name) => u64::from(!name.starts_with('@')),
        Expr::List(list) => sum(&list.elements).max(1),
        Expr::Call(CallExpr { func_name, args, .. }) => match (func_name.as_str(), args.as_slice())
        {
            (operators::ADD, parts) => sum(parts).max(1),
            (operators::CONDITIONAL, [_, yes, no]) => copies(yes, of).max(copies(no, of)),
            (operators::INDEX, [list, _]) => copies(list, of),
            _ => 1,
        },
        // `exists` and `all` give one truth value, however long they look.
        Expr::Comprehension(each) if !matches!(each.accu_init.expr, Expr::List(_)) => 1,
        Expr::Comprehension(each) => {
            copies(&each.iter_range, of).max(1).saturating_mul(copies(&each.loop_step, of).max(1))
        }
        _ => 0,
    }
}
