//! What of a saved plan is not so any more, in words, and how far anybody looked. Prints nothing, and cannot fail.

use std::fmt::Write as _;

use super::super::{Style, plain};
use super::LINES;
use crate::diagnostic::{counted, grouped};
use crate::plan::Plan;
use crate::run::Stale;

/// What is not as a saved plan has it, change by change; and how far anybody looked.
pub(in crate::cli) fn stale(plan: &Plan, stale: &[Stale]) -> String {
    let users = plan.users().count();
    let of = match users {
        0 => String::new(),
        users => format!(", and the credentials of {} in scope", counted(users, "user")),
    };
    let looked = format!("what {} would change{of}", counted(plan.changes.len(), "change"));
    let only = "Nothing else was looked at: a new user, role or policy elsewhere is not seen so. For that: portcullis \
                survey -o NOW.json, and portcullis diff EARLIER.json NOW.json";
    if stale.is_empty() {
        return format!(
            "\nLooked at again just now: {looked}. That is as the plan has it.\n{only}\n"
        );
    }
    let mut text = format!("\n{}\n", Style::Careful.paint("Not as it was when the plan was made"));
    let lines: Vec<String> = stale
        .iter()
        .map(|stale| match stale {
            Stale::Done(change) => format!("{change} is done already"),
            Stale::Changed(change, why) => format!("{change} will be held: {}", plain(why)),
            Stale::Unseen(change, why) => format!("{change} cannot be seen: {}", plain(why)),
            Stale::New(credential) => {
                format!("{credential} is new: plan again, or the gate will stay shut")
            }
        })
        .collect();
    for line in lines.iter().take(LINES) {
        let _ = writeln!(text, "  - {line}");
    }
    if lines.len() > LINES {
        let more = grouped(lines.len() - LINES);
        let _ = writeln!(text, "  - and {more} more, which the run tells as it comes to them");
    }
    let _ = writeln!(text, "Looked at: {looked}. {only}");
    text
}
