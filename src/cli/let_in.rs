//! Who is in again on a word that holds no more: who that is, by what he was let in, and what to type.
//!
//! Said before anything else that a person is called for: that somebody works with a password for whom nobody answers is no
//! matter of waiting. Who it is the ledger says.

use std::collections::BTreeMap;
use std::path::Path;

use super::by_hand::{quoted, typed};
use super::there::There;
use crate::ids::Principal;
use crate::journal::State;
use crate::ledger::{self, LetIn};
use crate::plan::Plan;

/// So many are named.
const NAMED: usize = 3;

/// Who is in, in a sentence, if anybody is.
pub(super) fn who_is_in(plan: &Plan, state: &State, dir: &Path, there: &There) -> Option<String> {
    let mut all: BTreeMap<Principal, LetIn> = BTreeMap::new();
    for credential in &*plan.credentials {
        let Some(whom) = credential.principal() else { continue };
        if let Some(let_in) = ledger::on_a_word_no_more(plan, state, credential) {
            all.entry(whom).or_insert(let_in);
        }
    }
    if all.is_empty() {
        return None;
    }
    let is_in: Vec<String> = all
        .iter()
        .take(NAMED)
        .map(|(whom, let_in)| format!("{whom} (let in again {let_in})"))
        .collect();
    let more = match all.len().saturating_sub(NAMED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let flags: String = all
        .keys()
        .take(NAMED)
        .map(|whom| match whom {
            Principal::User(user) => format!(" {}", quoted(&format!("--user={user}"))),
            Principal::Role(role) => format!(" {}", quoted(&format!("--role={role}"))),
        })
        .collect();
    let whom: Vec<String> = all.keys().take(NAMED).map(|whom| quoted(&whom.typed())).collect();
    let (are, case, whom) = (if all.len() == 1 { "is" } else { "are" }, typed(dir), whom.join(" "));
    Some(format!(
        "{}{more} {are} IN, and nobody answers for that now. Cut anew (`portcullis cut{flags}{}`), and either way answer for it \
         here (`portcullis waive {case} {whom} --until 7d --reason TEXT{}`) or have it cleared (`portcullis clear {case} {whom} \
         --reason TEXT{}`)",
        is_in.join(" and "),
        there.beside(dir),
        there.for_others(),
        there.for_others()
    ))
}
