//! `accounts`, and the `in` of a step: what a playbook says of accounts other than that of whoever runs it.

use super::steps::Draft;
use super::tables::ACCOUNTS;
use super::{Fields, Lowering};
use crate::diagnostic::{Code, Diagnostic};
use crate::playbook::accounts::roles;
use crate::playbook::template::{Content, Template};
use crate::playbook::vocabulary::Accounts;

impl Lowering<'_> {
    /// The other accounts. They must be known before anything is read of any account.
    pub(super) fn accounts(&mut self, fields: &Fields<'_>) -> Option<Template> {
        let (_, node) = fields.get("accounts")?;
        let template = self.template(node, "accounts", &ACCOUNTS, false)?;
        for expression in template.expressions() {
            if !expression.asks_inputs_alone() {
                let problem = Diagnostic::error(
                    Code::BadExpression,
                    "which accounts there are is known before any of them is read",
                )
                .at(expression.place().clone(), "asks for more than inputs")
                .help("take them from an input: `accounts: ${{ inputs.accounts }}`");
                self.push(problem);
                return None;
            }
        }
        if let Content::Literal(value) = &template.content
            && let Err(problem) = roles(value, template.place())
        {
            self.push(problem);
        }
        Some(template)
    }

    /// Steps that would be taken nowhere, because the playbook is for no other account; and needs of a step that is
    /// never taken in the same account.
    pub(super) fn steps_elsewhere(&mut self, accounts: bool, steps: &[Draft<'_, '_>]) {
        for step in steps {
            let here = step.accounts.map_or(Accounts::Home, |(accounts, _)| accounts);
            if let (false, Some((Accounts::Others, range))) = (accounts, step.accounts) {
                let problem = Diagnostic::error(
                    Code::BadValue,
                    "the step is for other accounts, and the playbook names none",
                )
                .at(self.place(range), "taken nowhere")
                .help("add `accounts:`, the roles to assume in them; or leave `in` out");
                self.push(problem);
            }
            for (need, range) in &step.needs {
                let Some(needed) = steps.iter().find(|other| other.id.as_ref() == Some(need))
                else {
                    continue;
                };
                let there = needed.accounts.map_or(Accounts::Home, |(accounts, _)| accounts);
                if matches!(
                    (here, there),
                    (Accounts::Home, Accounts::Others) | (Accounts::Others, Accounts::Home)
                ) {
                    let problem = Diagnostic::error(
                        Code::BadValue,
                        format!("step `{need}` is never taken in the same account"),
                    )
                    .at(self.place(range), "orders nothing")
                    .help(
                        "take the need out: across accounts the gate keeps the order, and nothing else does",
                    );
                    self.push(problem);
                }
            }
        }
    }
}
