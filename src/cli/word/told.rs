//! What came of a word, told to whoever said it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::speak::{About, Heard};
use crate::cli::args::{self, Format};
use crate::cli::by_hand::typed;
use crate::cli::next::of_words;
use crate::cli::overtaken::told_overtaken;
use crate::cli::there::There;
use crate::cli::{diagnostics, view};
use crate::diagnostic::counted;
use crate::ids::Principal;
use crate::journal::{Entry, Journal, Spoken, State, names};
use crate::ledger::{self, Ledger, Standing};
use crate::plan::{Credential, Plan};
use crate::playbook::Phase;

/// What came of a word about one case.
pub(super) struct Told<'a> {
    about: &'a About<'a>,
    entries: &'a [Entry],
    state: Arc<State>,
    head: String,
    lines: u64,
    next: String,
}

impl<'a> Told<'a> {
    pub(super) async fn of(
        about: &'a About<'a>,
        journal: &Journal,
        entries: &'a [Entry],
        word: &args::Word,
    ) -> Self {
        let state = journal.state();
        let (head, lines) = journal.head().await;
        let next = next(about, &state, &word.access.there());
        Self { about, entries, state, head, lines, next }
    }

    fn as_json(&self) -> serde_json::Value {
        json!({
            "version": 1,
            "case": self.about.dir.display().to_string(),
            "entries": self.entries,
            "ledger": Ledger::of(&self.about.saved.plan, &self.state),
            "journal": {"lines": self.lines, "head": self.head},
            "next": self.next,
        })
    }

    /// What has been hung on those whom the words are about since the case began, and the words are not about.
    fn left_out(&self) -> Vec<Credential> {
        let (plan, state) = (&self.about.saved.plan, &*self.state);
        let spoken: Vec<&Credential> = self
            .entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Cleared { credential, .. } | Entry::Waived { credential, .. } => {
                    Some(credential)
                }
                _ => None,
            })
            .collect();
        let whose: BTreeSet<Principal> =
            spoken.iter().filter_map(|credential| credential.principal()).collect();
        let ledger = Ledger::of(plan, state);
        let all = ledger.rows.into_iter().map(|row| row.credential);
        let is_left_out = |one: &Credential| {
            ledger::has_come_since(plan, state, one)
                && !spoken.contains(&one)
                && one.principal().is_some_and(|principal| whose.contains(&principal))
        };
        all.filter(is_left_out).collect()
    }

    fn render(&self) -> String {
        let mut text = String::new();
        for entry in self.entries {
            told(&mut text, entry, &self.about.saved.plan, &self.state);
        }
        for one in self.left_out() {
            let _ = writeln!(
                text,
                "  Not among them: the {}, which came after this case was begun. Whoever knows whose it is speaks of it by its own \
                 name, {}",
                view::plain(&one.to_string()),
                view::plain(&one.typed())
            );
        }
        let Self { lines, head, next, .. } = self;
        let next = view::hinted(format!("Next: {next}\n"));
        format!("{text}\n{}{next}", view::journal(*lines, head))
    }
}

/// What is next. A case that another has overtaken is not gone on with, and whoever goes on with the other has not heard this.
fn next(about: &About<'_>, state: &State, there: &There) -> String {
    let is_over = ledger::closed_by(&about.saved.plan, state).is_some();
    let overtaken = if is_over { None } else { told_overtaken(about.dir, &about.saved, there) };
    match overtaken {
        Some(told) => format!("what is said here is said of this case alone, and {told}"),
        None => of_words(&about.saved, state, about.dir, there),
    }
}

impl Heard<'_> {
    fn as_json(&self) -> serde_json::Value {
        json!({"by": self.caller.arn, "not_known": self.not_known})
    }
}

/// Tells what came of a word: one document, of however many cases it was said.
pub(super) fn tell(whole: Option<&Path>, heard: &Heard<'_>, all: &[Told<'_>], word: &args::Word) {
    let json = word.format == Format::Json;
    match (whole, all) {
        (None, [one]) if json => {
            let mut told = one.as_json();
            told["speaker"] = heard.as_json();
            view::out(&diagnostics::printed(&told));
        }
        (whole, all) if json => {
            let case = whole.map(|whole| whole.display().to_string());
            let accounts = all.iter().map(|one| {
                let mut told = one.as_json();
                told["account"] = json!(one.about.saved.plan.account);
                told
            });
            view::out(&diagnostics::printed(&json!({
                "version": 1,
                "case": case,
                "speaker": heard.as_json(),
                "accounts": accounts.collect::<Vec<_>>(),
            })));
        }
        (whole, all) => {
            let mut text =
                format!("Said by {}, not signed:\n", view::plain(heard.caller.arn.as_str()));
            if let Some(why) = &heard.not_known {
                // A run reads in its own account.
                let of_here = |one: &Told<'_>| one.about.saved.plan.account == heard.caller.account;
                let then = if all.iter().all(of_here) {
                    "The next run looks him up, and takes it back if he has come since the case began."
                } else {
                    "He is of another account, and no run looks him up there: see by hand that he was there before the case \
                     began."
                };
                let _ = writeln!(
                    text,
                    "  Not known is since when there is whoever says it: {}.\n  It counts. {then}",
                    view::plain(why)
                );
            }
            for one in all {
                if whole.is_some() {
                    let _ = writeln!(text, "\nAccount {}", one.about.saved.plan.account);
                }
                text += &one.render();
            }
            let is_closed = |one: &Told<'_>| {
                one.entries.iter().any(|entry| matches!(entry, Entry::Closed { .. }))
            };
            if let Some(whole) = whole.filter(|_| all.iter().all(is_closed)) {
                let next = format!(
                    "Next: nothing: this case is closed, in {}. The record: portcullis status {}\n",
                    counted(all.len(), "account"),
                    typed(whole)
                );
                text += &format!("\n{}", view::hinted(next));
            }
            view::out(&text);
        }
    }
}

/// What came of one word.
fn told(text: &mut String, entry: &Entry, plan: &Plan, state: &State) {
    let (about, what) = match entry {
        Entry::Cleared { credential, .. } => {
            let asked = ledger::names_to_clear(plan);
            let by = state.cleared.get(credential).map(names).unwrap_or_default();
            let what = if plan.is_undo() && ledger::closed_by(plan, state).is_some() {
                "kept, and it changes nothing: this case is closed, and what it has left cut stays cut"
                    .to_owned()
            } else if by.len() >= asked {
                let came = if ledger::has_come_since(plan, state, credential) {
                    "; it came after this case was begun: whoever was inside may have made it, so have its owner say that he did"
                } else {
                    ""
                };
                let shared = ledger::shared_role(&by);
                let shared = shared.map_or_else(String::new, |shared| format!(" ({shared})"));
                format!(
                    "cleared: no step cuts it any more, and it may be let in again{shared}{came}"
                )
            } else {
                let again = state.cleared.get(credential).map_or_else(String::new, |all| once(all));
                format!("{} of the {asked} names it takes: not cleared yet{again}", by.len())
            };
            (credential.to_string(), what)
        }
        Entry::Waived { credential, until, .. } => {
            let until = until.strftime("%Y-%m-%d %H:%M UTC");
            let ledger = Ledger::of(plan, state);
            let row = ledger.rows.iter().find(|row| row.credential == *credential);
            let what = match row.map(|row| &row.standing) {
                Some(Standing::Waived { .. }) | None => {
                    format!("waived until {until}, and unaccounted for from then on")
                }
                Some(Standing::Blocked { .. }) => format!(
                    "waived until {until}: it is blocked, nobody needs to answer for that, and what would let it in again may"
                ),
                Some(Standing::Dead { .. })
                    if credential.principal().is_some_and(|whom| plan.lets_in.contains(&whom)) =>
                {
                    format!(
                        "waived until {until}: whoever had it is let in alone, and until then the gate asks for no more proof of \
                         its end"
                    )
                }
                Some(standing) if row.is_some_and(ledger::Row::is_unproven) => format!(
                    "kept, and it cannot make 0 of 11: this is {}, and nobody can try whether the old one is refused",
                    standing.word()
                ),
                Some(standing) => format!(
                    "kept, and it changes nothing while this is {}: nobody needs to answer for that",
                    standing.word()
                ),
            };
            (credential.to_string(), what)
        }
        Entry::Withdrawn { credential, .. } => {
            let what = "nothing that was said of it before counts any more".to_owned();
            (credential.to_string(), what)
        }
        Entry::Closed { .. } => {
            let open = Ledger::of(plan, state).unaccounted().count();
            let what = format!(
                "closed, with {}: nothing more is done by it, and a new plan takes it up no more. It can be looked at, and \
                 taken back",
                match open {
                    0 => "nothing unaccounted for".to_owned(),
                    open => format!("{} unaccounted for", counted(open, "row")),
                }
            );
            ("the case".to_owned(), what)
        }
        Entry::Attested { change, said } => {
            let about = change.as_ref().map_or("the case".to_owned(), ToString::to_string);
            (about, format!("attested: {}", said.reason))
        }
        Entry::Approved { phase, said } => {
            approved(text, *phase, &said.plan, plan, state);
            return;
        }
        _ => return,
    };
    let _ = writeln!(text, "  {}\n      {}", view::plain(&about), view::plain(&what));
}

/// That whoever spoke last has said the same before, where he has.
fn once(spoken: &[Spoken]) -> String {
    let Some((last, before)) = spoken.split_last() else { return String::new() };
    if !before.iter().any(|one| one.said.by == last.said.by) {
        return String::new();
    }
    format!("; {} has said so before, and a name counts once", last.said.by)
}

/// What an approval is of, and whose there are.
fn approved(text: &mut String, phase: Phase, digest: &str, plan: &Plan, state: &State) {
    let asked = plan.approvals.get(&phase).copied().unwrap_or_default();
    let by = state.approved_by(phase);
    let _ = writeln!(text, "  phase {phase} of plan {digest}: {} of {asked} names", by.len());
    for change in plan.carried_out().filter(|change| change.phase == phase) {
        let (target, what) = (change.target.to_string(), change.what.to_string());
        let (target, what) = (view::plain(&target), view::plain(&what));
        let _ = writeln!(text, "    {}  {target}: {what}", change.id);
    }
    for name in &by {
        let _ = writeln!(text, "  attested by {}", view::plain(name.as_str()));
    }
    let of_this = state.approvals.get(&phase).into_iter().flatten();
    let of_this: Vec<Spoken> = of_this.filter(|one| one.said.plan == digest).cloned().collect();
    let again = once(&of_this);
    if by.len() < asked && !again.is_empty() {
        let _ = writeln!(text, "  {}", view::plain(again.trim_start_matches("; ")));
    }
    if let Some(shared) = ledger::shared_role(&by) {
        let _ = writeln!(text, "  {}", view::plain(&shared));
    }
    if plan.approvals.len() > 1 {
        let each = plan.approvals.iter().map(|(phase, asked)| {
            format!("{phase} ({} of {asked})", state.approved_by(*phase).len())
        });
        let each = each.collect::<Vec<_>>().join(", ");
        let _ =
            writeln!(text, "  phases come one after the other, whenever they are approved: {each}");
    }
}
