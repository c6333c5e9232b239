//! What is done for each item of a list.

use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr};

use super::{Checker, EACH, ROOTS};
use crate::diagnostic::Code;
use crate::playbook::expression::shape::Shape;

impl Checker<'_> {
    pub(super) fn comprehension(&mut self, expr: &IdedExpr, loop_: &ComprehensionExpr) -> Shape {
        let range = self.shape(&loop_.iter_range);
        let item = match range {
            Shape::List(item) => *item,
            Shape::Unknown => Shape::Unknown,
            range @ (Shape::Nullable(_) | Shape::Null) => {
                let asks = !matches!(loop_.accu_init.expr, Expr::List(_));
                self.may_be_nothing(&loop_.iter_range, "a loop", asks);
                range.or_unknown().item()
            }
            other => {
                let message = format!("a loop runs over a list, not over {other}");
                let help = "put it in brackets if one alone is meant: [inputs.user]";
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
}
