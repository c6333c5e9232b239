//! What earlier cases have handed out, for whoever plans anew: in a breach every key of a user is cut, the one that
//! was issued an hour ago among them. Reads the cases beside this one; one that cannot be read says nothing.

use std::fmt::Write as _;
use std::path::Path;

use super::view::{Style, plain};
use crate::case;
use crate::journal::State;
use crate::ledger::Ledger;
use crate::plan::{Credential, SavedPlan};

/// Which keys in the scope of `saved` were issued by a case under `root`; nothing where there are none.
pub(super) fn issued(root: &Path, saved: &SavedPlan) -> String {
    let mut text = String::new();
    for dir in case::all(root) {
        let (Ok(other), Ok(decoded)) = (case::read_plan(&dir), case::read_journal(&dir)) else {
            continue;
        };
        let Ok(state) = State::of(&decoded) else { continue };
        for issued in Ledger::of(&other.plan, &state).issued {
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
