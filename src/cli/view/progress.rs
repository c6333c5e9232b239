//! A run as it goes: a line for everything that happens, with the time. On a terminal a last line counts down what
//! is waited for, and is gone when the wait is over; in a pipe or a file there is none.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::{Style, duration, err, note, plain, rewrite};
use crate::action::catalog;
use crate::cli::there::{There, placed};
use crate::clock::Clock;
use crate::cloud::Throttled;
use crate::diagnostic::counted;
use crate::ids::{AccountId, ChangeId};
use crate::journal::{ChangeState, GateState, Heard, Outcome, State};
use crate::ledger;
use crate::plan::{Change, Plan};
use crate::run::{Event, Observer};

/// Prints what happens to standard error.
pub(in crate::cli) struct Progress {
    clock: Clock,
    /// Which account it is of, where there are several.
    account: Option<AccountId>,
    /// Where its case lies.
    case: PathBuf,
    /// Where commands about it go.
    there: There,
    /// One last line for all of them.
    waiting: Arc<Mutex<Waiting>>,
}

/// What is waited for, by account, and what of it stands on the screen.
#[derive(Default)]
struct Waiting {
    until: BTreeMap<Option<AccountId>, Timestamp>,
    shown: usize,
}

impl Progress {
    pub(in crate::cli) fn new(clock: Clock) -> Self {
        Self {
            clock,
            account: None,
            case: PathBuf::new(),
            there: There::default(),
            waiting: Arc::default(),
        }
    }

    /// The same for one account among several.
    pub(in crate::cli) fn of_account(&self, account: AccountId) -> Self {
        let (case, there) = (self.case.clone(), self.there.clone());
        let waiting = Arc::clone(&self.waiting);
        Self { clock: self.clock, account: Some(account), case, there, waiting }
    }

    /// The same of the case in `dir`.
    pub(in crate::cli) fn of_case(mut self, dir: &Path, there: &There) -> Self {
        dir.clone_into(&mut self.case);
        self.there.clone_from(there);
        self
    }

    fn line(&self, style: Style, word: &str, rest: &str) {
        self.show("");
        let now = self.clock.now().strftime("%H:%M:%S");
        let account = self.account.as_ref().map_or(String::new(), |account| format!("{account}  "));
        let word = style.paint(&format!("{word:<9}"));
        let line = format!("{now}  {account}{word}  {}\n", plain(rest));
        if matches!(style, Style::Bad) { err(&line) } else { note(&line) }
    }

    fn wait_until(&self, until: Timestamp) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.until.insert(self.account.clone(), until);
    }

    /// Counts down whatever is waited for; never ends. Only for a terminal.
    pub(in crate::cli) async fn count_down(&self) {
        loop {
            self.clock.sleep(Duration::from_secs(1)).await;
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let until = waiting.until.values().max().copied();
            drop(waiting);
            let left = until.map_or(0, |until| until.duration_since(self.clock.now()).as_secs());
            let left = u64::try_from(left).unwrap_or(0);
            let text = format!("          {:<9}  {} left", "", duration(left));
            self.show(if left == 0 { "" } else { &text });
        }
    }

    /// Writes the last line anew, over what stands there.
    fn show(&self, text: &str) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.shown > 0 || !text.is_empty() {
            let blank = waiting.shown;
            rewrite(&format!("\r{text:<blank$}{}", if text.is_empty() { "\r" } else { "" }));
            waiting.shown = text.chars().count();
        }
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::PhaseBegan { phase, changes } => {
                let changes = counted(*changes, "change");
                self.line(Style::Strong, phase.as_str(), &format!("{changes} to make"));
            }
            Event::Began { change, attempt } => {
                let again =
                    if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
                let rest = format!("{}  {}: {}{again}", change.id, change.target, change.what);
                self.line(Style::Faint, "begun", &rest);
            }
            Event::Seen { change, found } => {
                let by_a_person = catalog::of(change).asks(&change.decided).is_some();
                let how = match (by_a_person, found) {
                    (true, _) => "as attested",
                    (false, true) => "found so",
                    (false, false) => "seen in the account",
                };
                self.line(Style::Good, "done", &format!("{}  {how}", change.id));
            }
            Event::Trouble { change, why } => {
                self.line(
                    Style::Careful,
                    "again",
                    &format!("{}  {why}; looking before trying again", change.id),
                );
            }
            Event::WaitingForOthers { accounts } => {
                let accounts: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
                let rest = format!(
                    "everything here is cut and proven; the gate opens when that is so of {} too",
                    accounts.join(", ")
                );
                self.line(Style::Faint, "waiting", &rest);
            }
            Event::Underway { change, why, until } => {
                let until = until.strftime("%H:%M:%S");
                let rest = format!("{}  until {until} UTC at most: {why}", change.id);
                self.line(Style::Faint, "waiting", &rest);
            }
            Event::Held { change, until } => {
                let placed = placed(until, &self.case, &self.there);
                // Until then the case is in our hands, and whatever is typed of it is refused. Said before what is copied.
                let when =
                    if until.contains("portcullis ") { "once this run has ended: " } else { "" };
                self.line(Style::Bad, "held", &format!("{}  {when}{placed}", change.id));
            }
            Event::Settling { what, cuts, until } => {
                let rest = format!(
                    "until {} UTC for {} to reach every corner; then {what} is looked at again",
                    until.strftime("%H:%M:%S"),
                    counted(*cuts, "cut")
                );
                self.line(Style::Faint, "waiting", &rest);
                self.wait_until(*until);
            }
            Event::Outwaiting { from, until } => {
                let from = from.map_or("whoever worked on it", |from| from.caller.as_str());
                let (at, until) = (until, until.strftime("%H:%M:%S"));
                let rest = format!(
                    "until {until} UTC nothing is handed out or lifted: what {from} signed before the case was taken \
                     over may still arrive"
                );
                self.line(Style::Faint, "waiting", &rest);
                self.wait_until(*at);
            }
            Event::Pausing { step, next, of, until } => {
                let (at, until) = (until, until.strftime("%H:%M:%S"));
                let rest =
                    format!("until {until} UTC; then batch {next} of {of} of {step} is begun");
                self.line(Style::Faint, "pausing", &rest);
                self.wait_until(*at);
            }
            Event::Throttled { by, seconds } => {
                let Throttled { service, per_second, waiting } = by;
                let a_second = if *per_second < 1.5 {
                    "about a call a second".to_owned()
                } else {
                    format!("about {per_second:.0} calls a second")
                };
                let rest = format!(
                    "{service} admits {a_second}; {waiting} wait for it, {} or so",
                    super::plan::duration(*seconds)
                );
                self.line(Style::Faint, "slowed", &rest);
            }
            Event::Proved { change, proof } => {
                self.line(Style::Good, proof.as_str(), &format!("{}  {}", change.id, change.what));
            }
            Event::Trying { what, mechanisms, until } => {
                let rest = format!(
                    "until {} UTC at most for a refusal: {what}, {} tried on a canary",
                    until.strftime("%H:%M:%S"),
                    counted(*mechanisms, "mechanism")
                );
                self.line(Style::Faint, "trying", &rest);
            }
            Event::Unproven { cuts, why } => {
                let rest = format!("{}: {why}", counted(*cuts, "cut"));
                self.line(Style::Bad, "unproven", &rest);
            }
            Event::Tried { credential, outcome } => {
                let (style, word, what) = match outcome {
                    Outcome::Refused { evidence, .. } => (Style::Good, "refused", evidence),
                    Outcome::LetIn { evidence } => (Style::Bad, "LET IN", evidence),
                    Outcome::CannotTell { why } => (Style::Careful, "no answer", why),
                };
                self.line(style, word, &format!("{credential}  {what}"));
            }
            Event::Listening { until } => {
                let rest = format!(
                    "until {} UTC at most for our own refused request to be in the log",
                    until.strftime("%H:%M:%S")
                );
                self.line(Style::Faint, "waiting", &rest);
            }
            Event::Listened { credential, heard } => {
                let (style, word, what) = match heard {
                    Heard::Nothing { until, .. } => {
                        let until = until.strftime("%Y-%m-%d %H:%M:%S");
                        (Style::Good, "silent", format!("no success up to {until} UTC"))
                    }
                    Heard::Success { at, what, .. } => {
                        let at = at.strftime("%Y-%m-%d %H:%M:%S");
                        (Style::Bad, "HEARD", format!("{what} was let in at {at} UTC"))
                    }
                    Heard::CannotTell { why } => (Style::Careful, "no answer", why.clone()),
                };
                self.line(style, word, &format!("{credential}  {what}"));
            }
            Event::CanaryLeft { canary, why } => {
                let rest = format!("canary {canary} could not be removed: {why}");
                self.line(Style::Bad, "left", &rest);
            }
            Event::Contested { change, position, by_its_own } => {
                self.line(
                    Style::Bad,
                    if *by_its_own { "TOO EARLY" } else { "CONTESTED" },
                    &format!("{}  {}: {position}", change.id, change.what),
                );
            }
            Event::OffBefore { cut } => {
                let rest = format!(
                    "{} of {}, {}, {}: it {} ({})",
                    cut.change,
                    cut.case,
                    cut.target,
                    cut.what,
                    cut.told(),
                    cut.why
                );
                let word = if cut.never_seen { "NOT CUT" } else { "CONTESTED" };
                self.line(Style::Bad, word, &rest);
            }
            Event::GateOpened { cuts, roles, waived, cleared, .. } => {
                let told = cuts.iter().rev().map(|(proof, of)| format!("{of} {proof}"));
                let told = told.collect::<Vec<_>>().join(", ");
                let ways = ways_in(*roles, *waived, *cleared);
                let rest = format!("{ways}; proof of the cuts: {told}");
                self.line(Style::Good, "GATE OPEN", &rest);
            }
            Event::SurveyingAgain { round } => {
                let rest = format!("after round {round}: is there anything that was not there?");
                self.line(Style::Faint, "surveying", &rest);
            }
            Event::NotSeen { operations } => {
                let refused: Vec<&str> = operations.iter().map(String::as_str).collect();
                let rest = format!(
                    "who else has come into the account since is not known: {} refused. Look by hand before \
                     anybody is let in again",
                    refused.join(", ")
                );
                self.line(Style::Bad, "NOT SEEN", &rest);
            }
            Event::RoundBegan { round, added, plan } => {
                let rest = match (added.changes.len(), added.credentials.len()) {
                    (0, 0) => {
                        "something is new, and nothing more is to be done about it".to_owned()
                    }
                    (0, rows) => format!(
                        "something is new, and no step cuts it: {} more in the account at the end",
                        counted(rows, "row")
                    ),
                    (changes, _) => format!(
                        "something is new, and containment is reopened: {} more",
                        counted(changes, "change")
                    ),
                };
                self.line(Style::Bad, &format!("ROUND {round}"), &rest);
                for step in &added.planned_at_last {
                    let rest = format!("step {step} is planned, which could not be before");
                    self.line(Style::Strong, "", &rest);
                }
                for credential in &added.credentials {
                    self.line(Style::Bad, "", &format!("new: {credential}"));
                }
                for change in added.changes.iter().filter_map(|id| plan.change(id)) {
                    let rest = format!("{}  {}: {}", change.id, change.target, change.what);
                    self.line(Style::Strong, "", &rest);
                }
            }
            Event::Withdrawn { reason } => {
                let rest = format!("what was said does not count any more: {reason}");
                self.line(Style::Bad, "WITHDRAWN", &rest);
            }
            Event::NotLookedUp { speaker, why } => {
                let rest = format!(
                    "since when there is {speaker}, whose word counts here, is not known: {why}. Make sure of it by hand"
                );
                self.line(Style::Bad, "NOT SEEN", &rest);
            }
            Event::GateShut { reasons } => {
                let why = counted(reasons.len(), "reason");
                let rest = format!("nothing new is issued, for {why} that the end tells");
                self.line(Style::Bad, "GATE SHUT", &rest);
            }
        }
    }
}

/// Where every change stands, from the journal alone.
pub(in crate::cli) fn progress_of(plan: &Plan, state: &State) -> String {
    let mut text = String::new();
    for taken in &state.taken_over {
        let from = taken.from.as_ref().map_or("nobody known", |from| from.caller.as_str());
        let _ = writeln!(
            text,
            "  taken over at {} by {} from {}: {}",
            taken.at.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
            plain(taken.said.by.as_str()),
            plain(from),
            plain(&taken.said.reason)
        );
    }
    if let Some(closed) = &state.closed {
        let _ = writeln!(
            text,
            "  closed at {} by {}: {}",
            closed.at.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
            plain(closed.said.by.as_str()),
            plain(&closed.said.reason)
        );
    }
    if plan.is_undo() {
        taken_back(&mut text, plan, state);
    } else {
        for change in &plan.changes {
            let is_undone = plan.changes.iter().any(|one| one.undoes.as_ref() == Some(&change.id))
                && ledger::is_lifted(plan, state, change);
            let done = (Style::Good, if is_undone { "undone" } else { "done" });
            of_change(&mut text, state, change, done);
        }
        gate(&mut text, plan, state);
    }
    if let (Some(13), Some(held)) = (state.finished, &state.held) {
        let _ = writeln!(text, "  a person is needed: {}", plain(held));
    }
    if let Some(asking) = &state.asking {
        let _ = writeln!(text, "  round {} is more than was approved:", asking.round);
        for reason in &asking.beyond {
            let _ = writeln!(text, "    {}", plain(reason));
        }
    }
    text
}

/// Where a case stands that is taken back: what of it was, what is held, what is left cut. Whatever else was planned is not
/// made any more.
fn taken_back(text: &mut String, plan: &Plan, state: &State) {
    let of = |wanted: ChangeState| {
        plan.carried_out().filter(|one| state.record(&one.id).state == wanted).count()
    };
    let (back, held) = (of(ChangeState::Seen), of(ChangeState::Held));
    let all = plan.carried_out().count();
    let since = state.round_began.map_or(String::new(), |began| {
        format!(", since {}", began.at.strftime("%Y-%m-%d %H:%M:%S UTC"))
    });
    let mut told = vec![format!("{back} of {} taken back", counted(all, "change"))];
    for (count, what) in [(held, "held"), (all - back - held, "to do")] {
        if count > 0 {
            told.push(format!("{count} {what}"));
        }
    }
    let is = if back == all { "was" } else { "is being" };
    let _ = writeln!(text, "  this case {is} taken back{since}: {}", told.join(", "));
    for change in plan.carried_out() {
        of_change(text, state, change, (Style::Good, "undone"));
    }
    let is_undone = |id: &ChangeId| plan.carried_out().any(|one| one.undoes.as_ref() == Some(id));
    let mut never = 0;
    for change in plan.changes.iter().filter(|one| one.undoes.is_none() && !is_undone(&one.id)) {
        let is_made = state.record(&change.id).state == ChangeState::Seen;
        if !is_made {
            never += 1;
        } else if !ledger::is_lifted(plan, state, change) {
            let stands = if change.cuts() { "stays cut" } else { "stays" };
            of_change(text, state, change, (Style::Careful, stands));
        }
    }
    if never > 0 {
        let are = if never == 1 { "is" } else { "are" };
        let never = counted(never, "further change");
        let _ = writeln!(text, "  {never} of the plan {are} not made any more");
    }
}

fn of_change(text: &mut String, state: &State, change: &Change, done: (Style, &str)) {
    let record = state.change(&change.id);
    let attested = state.attested_since(&change.id);
    let (style, word) = match record.state {
        ChangeState::Pending => (Style::Faint, "to do"),
        ChangeState::InDoubt => (Style::Careful, "in doubt"),
        ChangeState::Applied => (Style::Careful, "unseen"),
        ChangeState::Seen => done,
        ChangeState::Held if attested.is_some() => (Style::Careful, "attested"),
        ChangeState::Held => (Style::Bad, "held"),
    };
    let proof = record.proof.map_or(String::new(), |proven| format!(" ({})", proven.proof));
    let _ = writeln!(
        text,
        "  {}  {}  {}: {}{proof}",
        style.paint(&format!("{word:<9}")),
        change.id,
        plain(&change.target),
        plain(&change.what)
    );
    if let Some(said) = attested {
        let (by, reason) = (plain(said.by.as_str()), plain(&said.reason));
        let _ = writeln!(text, "             by {by}: {reason}; `resume` looks at it and goes on");
    } else if let Some(trouble) = record.trouble {
        let _ = writeln!(text, "             {}", plain(&trouble));
    }
}

fn gate(text: &mut String, plan: &Plan, state: &State) {
    match &state.gate {
        GateState::Untried => text.push_str("  the gate was not tried yet\n"),
        GateState::Open(proof, at) => {
            let _ =
                writeln!(text, "  the gate opened at {} UTC ({proof})", at.strftime("%H:%M:%S"));
        }
        GateState::Shut(reasons) => {
            let attested =
                plan.changes.iter().any(|change| state.attested_since(&change.id).is_some());
            let since =
                if attested { " (as last tried, before what was attested since)" } else { "" };
            let _ = writeln!(text, "  the gate is shut{since}:");
            for reason in reasons {
                let _ = writeln!(text, "    {}", plain(reason));
            }
        }
    }
}
/// What is so of the ways in where the gate opens: cut, but for what people let be.
fn ways_in(roles: usize, waived: usize, cleared: usize) -> String {
    let mut open = Vec::new();
    if waived > 0 {
        open.push(format!("{waived} that somebody answers for (waived)"));
    }
    if cleared > 0 {
        open.push(format!("{cleared} found innocent (cleared)"));
    }
    let but = if open.is_empty() { String::new() } else { format!(", but {}", open.join(" and ")) };
    match roles {
        0 => format!("every way in is cut{but}"),
        1 => format!("every way in that a step cuts is cut{but}; a role in reach is not"),
        n => format!("every way in that a step cuts is cut{but}; {n} roles in reach are not"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_s_line_says_what_is_let_be() {
        assert_eq!(ways_in(0, 0, 0), "every way in is cut");
        assert_eq!(
            ways_in(0, 2, 1),
            "every way in is cut, but 2 that somebody answers for (waived) and 1 found innocent (cleared)"
        );
        assert_eq!(
            ways_in(1, 0, 1),
            "every way in that a step cuts is cut, but 1 found innocent (cleared); a role in reach is not"
        );
    }
}
