//! Who may be behind a session of a role: whom its trust admits, and whom the roles that it names admit, and so on.
//!
//! Trust is followed from role to role, through everybody that a trust names, each role once. A trust that admits an
//! account, a service or anyone is not followed: who that is, only the policies of all of them could tell, and one
//! who is not cut is enough for the way in to stand. A trust that cannot be understood may admit anybody. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::session_of;
use crate::ids::{Arn, Principal};
use crate::inventory::{Inventory, ListedRole};
use crate::plan::Plan;
use crate::policy::Document;
use crate::policy::trust::{Admission, Admitted, admits, admitted, everybody_admitted};

/// Who may be behind a role, by its trust policy and by those of the roles that it names, and so on.
pub(super) struct Behind<'i> {
    /// The role itself first; each of the others after the one that names it.
    roles: Vec<Assumable<'i>>,
}

/// A role on the way.
struct Assumable<'i> {
    role: &'i ListedRole,
    /// The role that names it.
    by: Option<usize>,
    /// `None` where it cannot be understood.
    trust: Option<Document>,
    /// Whether everybody who may be behind it is in scope.
    shut: bool,
}

impl<'i> Behind<'i> {
    pub(super) fn of(role: &'i ListedRole, plan: &Plan, inventory: &'i Inventory) -> Self {
        let listed = inventory.roles().map(Vec::as_slice).unwrap_or_default();
        let is_cut =
            |role: &ListedRole| plan.principals.contains(&Principal::Role(role.name.clone()));
        let mut in_scope: BTreeSet<&str> = plan
            .users()
            .filter_map(|user| Some(inventory.user(user).ok()?.as_ref()?.arn.as_str()))
            .collect();
        in_scope.extend(listed.iter().filter(|role| is_cut(role)).map(|role| role.arn.as_str()));
        let called = Called::of(listed);
        let mut roles = vec![Assumable::of(role, None)];
        let mut known: BTreeMap<&str, usize> = BTreeMap::from([(role.name.as_str(), 0)]);
        // By each role, the roles that name it.
        let mut named_by: Vec<Vec<usize>> = vec![Vec::new()];
        let mut at = 0;
        while let Some(next) = roles.get(at) {
            let named = next.trust.iter().flat_map(everybody_admitted);
            let named = named.filter_map(|admitted| match admitted {
                Admitted::Named(who) => called.find(who),
                _ => None,
            });
            // What is cut itself needs nobody behind it.
            let named: Vec<&ListedRole> = named.filter(|role| !is_cut(role)).collect();
            for named in named {
                let place = *known.entry(named.name.as_str()).or_insert_with(|| {
                    roles.push(Assumable::of(named, Some(at)));
                    named_by.push(Vec::new());
                    roles.len() - 1
                });
                named_by[place].push(at);
            }
            at += 1;
        }
        // Open is who admits anybody that is neither in scope nor a role which is not open.
        let is_known = |who: &str| {
            in_scope.contains(who)
                || called.find(who).is_some_and(|role| known.contains_key(role.name.as_str()))
        };
        let mut opened: Vec<usize> = (0..roles.len())
            .filter(|at| {
                let named = roles[*at].trust.as_ref().and_then(admitted);
                named.is_none_or(|named| !named.into_iter().all(is_known))
            })
            .collect();
        // And whoever admits such a role.
        while let Some(at) = opened.pop() {
            if std::mem::replace(&mut roles[at].shut, false) {
                opened.extend(&named_by[at]);
            }
        }
        Self { roles }
    }

    pub(super) fn is_shut(&self) -> bool {
        self.roles[0].shut
    }

    /// The role on the way that admits `arn`, the first of them.
    pub(super) fn through(&self, arn: &Arn, account: &str) -> Option<usize> {
        let admits = |role: &Assumable<'_>| match &role.trust {
            Some(trust) => admits(trust, arn.as_str(), account) != Admission::No,
            None => true,
        };
        self.roles.iter().position(admits)
    }

    /// From the role itself to whom the role `to` admits, in words.
    pub(super) fn way(&self, to: usize, only: &str) -> Vec<String> {
        let mut way = vec![only.to_owned()];
        let mut at = to;
        while let Some(by) = self.roles[at].by {
            way.push(format!("role {}", self.roles[at].role.name));
            way.push("only those whom the plan cuts off may come to it".to_owned());
            at = by;
        }
        way.reverse();
        way
    }
}

impl<'i> Assumable<'i> {
    fn of(role: &'i ListedRole, by: Option<usize>) -> Self {
        Self { role, by, trust: Document::parse(&role.trust).ok(), shut: true }
    }
}

/// The roles of the account, by what a trust policy calls them.
struct Called<'i> {
    by_arn: BTreeMap<&'i str, &'i ListedRole>,
    by_name: BTreeMap<&'i str, &'i ListedRole>,
}

impl<'i> Called<'i> {
    fn of(listed: &'i [ListedRole]) -> Self {
        Self {
            by_arn: listed.iter().map(|role| (role.arn.as_str(), role)).collect(),
            by_name: listed.iter().map(|role| (role.name.as_str(), role)).collect(),
        }
    }

    /// The role that `who` names, or of which it names a session.
    fn find(&self, who: &str) -> Option<&'i ListedRole> {
        let of_session = || {
            let arn = Arn::parse(who).ok()?;
            let (name, _) = session_of(&arn)?;
            self.by_name.get(name).copied().filter(|role| role.arn.account() == arn.account())
        };
        self.by_arn.get(who).copied().or_else(of_session)
    }
}
