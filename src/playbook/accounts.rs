//! A playbook for several accounts: which they are, and what of it is for one of them.
//!
//! Each account is planned by itself, with the steps that are taken there and the targets that those use. What is
//! worked out from an inventory is worked out from that account's own. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::expression::evaluate::{Evaluated, Scope};
use super::{Accounts, Playbook, Spent, Step};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::ids::{Arn, StepId};
use crate::inventory::Inventory;

impl Playbook {
    /// The roles to assume in other accounts, as they are given; each account once. `facts` is asked for nothing.
    pub fn other_accounts(
        &self,
        inputs: &BTreeMap<String, Value>,
        facts: &Inventory,
    ) -> Result<Vec<Arn>, Diagnostic> {
        let Some(accounts) = &self.accounts else { return Ok(Vec::new()) };
        let targets = BTreeMap::new();
        let spent = Spent::default();
        let scope =
            Scope { inputs, targets: &targets, inventory: facts, each: None, spent: &spent };
        let value = match accounts.evaluate(&scope)? {
            Evaluated::Value(value) => value,
            Evaluated::Needs(_) => unreachable!("it was read as one that asks inputs alone"),
        };
        roles(&value, accounts.place())
    }

    /// What of it is for the account of whoever runs it, or for any other: its steps there, and what those use.
    pub fn in_account(&self, home: bool) -> Cow<'_, Self> {
        let is_here = |step: &Step| match step.accounts {
            Accounts::Home => home,
            Accounts::Others => !home,
            Accounts::All => true,
        };
        if self.steps.iter().all(is_here) {
            return Cow::Borrowed(self);
        }
        let mut here = self.clone();
        here.steps.retain(is_here);
        let ids: BTreeSet<StepId> = here.steps.iter().map(|step| step.id.clone()).collect();
        for step in &mut here.steps {
            step.needs.retain(|need| ids.contains(need));
        }
        // A credential that is found by an account's inventory is that account's.
        here.trusted.retain(|trusted| {
            home || trusted.access_key.expressions().iter().all(|e| e.asks_no_inventory())
        });
        let mut used: BTreeSet<String> = BTreeSet::new();
        let of_steps = here.steps.iter().flat_map(Step::expressions);
        let of_trust = here.trusted.iter().flat_map(|trusted| trusted.access_key.expressions());
        used.extend(of_steps.chain(of_trust).flat_map(|e| e.targets().iter().cloned()));
        // Each stands after those it needs.
        for target in self.targets.iter().rev() {
            if used.contains(&target.name) {
                used.extend(target.expression.targets().iter().cloned());
            }
        }
        here.targets.retain(|target| used.contains(&target.name));
        Cow::Owned(here)
    }
}

/// The roles that `value` lists: one in each account.
pub(super) fn roles(value: &Value, place: &Place) -> Result<Vec<Arn>, Diagnostic> {
    let mut roles: Vec<Arn> = Vec::new();
    for text in value.as_array().into_iter().flatten().filter_map(Value::as_str) {
        let refused = |message: String, help: &str| {
            Diagnostic::error(Code::BadValue, message).at(place.clone(), "in here").help(help)
        };
        let role = Arn::parse(text).ok().filter(|arn| {
            let is_role = arn.resource().strip_prefix("role/").is_some_and(|name| !name.is_empty());
            is_role && crate::ids::AccountId::parse(arn.account()).is_ok()
        });
        let Some(role) = role else {
            return Err(refused(
                format!("{} is not a role's ARN", super::shorten(text)),
                "name the role to assume in each of the other accounts: \
                 arn:aws:iam::444455556666:role/incident-responder",
            ));
        };
        if let Some(other) = roles.iter().find(|other| other.account() == role.account()) {
            return Err(refused(
                format!("account {} stands twice: by {other}, and by {role}", role.account()),
                "name one role in each account",
            ));
        }
        roles.push(role);
    }
    Ok(roles)
}
