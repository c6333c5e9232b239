//! Everybody at once, in a word about a case: where the alarm was false, two thousand names are nothing to type.
//!
//! It means whoever was there when the case was begun, the values that were sealed, and the ways in that people have closed. Whatever has come since,
//! be it with somebody who was there, and whom a role admits, is spoken of by name, by somebody who has seen it.

use crate::journal::State;
use crate::ledger::{self, Ledger};
use crate::plan::{Credential, Plan};

/// How everybody is named.
pub(super) const EVERYBODY: &str = "everybody";

/// Whether a word about everybody is about `credential`.
pub(super) fn is_among(plan: &Plan, state: &State, credential: &Credential) -> bool {
    let is_planned = plan.credentials.contains(credential)
        || plan.roles.reaching(credential).any(|reach| reach.sessions == *credential);
    let is_nobodys =
        matches!(credential, Credential::Manual { .. } | Credential::SecretValue { .. });
    (credential.principal().is_some() && is_planned || is_nobodys)
        && !plan.is_newcomer(credential)
        && !ledger::has_come_since(plan, state, credential)
}

/// All that a word about everybody is about.
pub(super) fn of(plan: &Plan, state: &State) -> Vec<Credential> {
    let rows = Ledger::of(plan, state).rows.into_iter().map(|row| row.credential);
    rows.filter(|credential| is_among(plan, state, credential)).collect()
}
