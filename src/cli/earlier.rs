//! What whoever plans anew must know of earlier cases. What they have handed out: in a breach every key of a user is
//! cut, the one that was issued an hour ago among them. And what they have found and left open: a new plan takes the
//! account as it stands for its beginning. Reads the cases beside this one; one that cannot be read says nothing.

use std::fmt::Write as _;
use std::path::Path;

use super::by_hand::typed;
use super::view::{Style, plain};
use crate::case;
use crate::journal::State;
use crate::ledger::Ledger;
use crate::plan::{Credential, SavedPlan};

/// Which keys in the scope of `saved` were issued by a case under `root`, and what stands open in one of the same
/// account and is nothing to `saved`; nothing where there is neither.
pub(super) fn told(root: &Path, saved: &SavedPlan) -> String {
    let mut text = String::new();
    for dir in case::all(root) {
        let (Ok(other), Ok(decoded)) = (case::read_plan(&dir), case::read_journal(&dir)) else {
            continue;
        };
        let Ok(state) = State::of(&decoded) else { continue };
        let ledger = Ledger::of(&other.plan, &state);
        let is_real = state.opened.as_ref().is_some_and(|opened| !opened.rehearsal);
        let is_elsewhere = |one: &Credential| {
            is_real
                && other.plan.account == saved.plan.account
                && !saved.plan.credentials.contains(one)
        };
        for row in ledger.unaccounted().filter(|row| is_elsewhere(&row.credential)) {
            let _ = writeln!(
                text,
                "{}: {} stands open in {}, and this plan does nothing about it: it takes the account as it is now for \
                 its beginning. See to it by that case",
                Style::Careful.paint("careful"),
                plain(&row.credential.to_string()),
                typed(&dir)
            );
        }
        for issued in ledger.issued {
            let credential = issued.credential;
            // A password has no id of its own to trust it by.
            if matches!(credential, Credential::AccessKey { .. })
                && saved.plan.credentials.contains(&credential)
            {
                let _ = writeln!(
                    text,
                    "{}: {} was issued by {}, and this plan treats it like any other key of its user. Where it \
                     is not in strange hands, plan with it under `trusted`",
                    Style::Careful.paint("careful"),
                    plain(&credential.to_string()),
                    dir.display()
                );
            }
        }
    }
    text
}
