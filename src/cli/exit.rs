//! How an error is told, and ends the process.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::by_hand::typed;
use super::conduct::worked_on_by;
use super::diagnostics;
use super::there::There;
use super::view::{self, Style};
use crate::case::{self, CaseError};
use crate::cloud::NO_CREDENTIALS;
use crate::diagnostic::{Diagnostic, Diagnostics};
pub use crate::exit::Exit;
use crate::ids::AccountId;
use crate::journal::State;
use crate::run::RunError;
use crate::survey::SurveyError;

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// An error, in words.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong.
    what: String,
    /// Why, outermost cause first.
    why: Vec<String>,
    /// What to type next.
    next: String,
    /// What is wrong in a playbook, or in what it comes to, and in which account where there are several: shown by then,
    /// and kept for whoever reads JSON.
    problems: Vec<(Option<AccountId>, Diagnostic)>,
    /// The account that it is about, where there are several.
    account: Option<AccountId>,
}

impl Failure {
    /// What and what next, where it is no failure to say so.
    pub(super) fn told_along(self) -> String {
        format!("{}: {}", self.what, self.next)
    }

    /// Something went wrong, and this is what to do about it: nobody is left with an error alone.
    pub fn new(exit: Exit, what: impl Into<String>, next: impl Into<String>) -> Self {
        let (what, next) = (what.into(), next.into());
        Self { exit, what, why: Vec::new(), next, problems: Vec::new(), account: None }
    }

    /// Because of `error` and its causes.
    #[must_use]
    pub fn because(mut self, error: &dyn std::error::Error) -> Self {
        self.why.push(in_a_line(error));
        self.because_of_causes(error)
    }

    /// Because of the causes of `error`, which itself is told already.
    #[must_use]
    pub(super) fn because_of_causes(mut self, error: &dyn std::error::Error) -> Self {
        let mut cause = error.source();
        while let Some(error) = cause {
            self.why.push(in_a_line(error));
            cause = error.source();
        }
        self
    }

    /// With more to know of why.
    #[must_use]
    pub(super) fn because_text(mut self, why: String) -> Self {
        self.why.push(why);
        self
    }

    /// With another exit code.
    #[must_use]
    pub(super) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Tells it.
    pub(super) fn print(&self) {
        let mut text = String::new();
        if !self.what.is_empty() {
            let _ = writeln!(text, "{}: {}", Style::Bad.paint("error"), view::plain(&self.what));
        }
        for why in &self.why {
            let _ = writeln!(text, "  because: {}", view::plain(why));
        }
        let _ = writeln!(text, "  {}: {}", Style::Strong.paint("next"), view::plain(&self.next));
        view::err(&text);
    }

    /// What to type next.
    pub(super) fn next(&self) -> &str {
        &self.next
    }

    /// What is wrong was told already; what to do about it was not.
    pub(super) fn told(exit: Exit, next: impl Into<String>) -> Self {
        Self::new(exit, "", next)
    }

    /// Shows what is wrong in a playbook or in what it comes to; `next` is what to do about it.
    pub(super) fn of(exit: Exit, problems: Vec<Diagnostic>, next: impl Into<String>) -> Self {
        view::diagnostics(problems.clone());
        let problems = problems.into_iter().map(|problem| (None, problem)).collect();
        Self { problems, ..Self::told(exit, next) }
    }

    /// About one account of several.
    #[must_use]
    pub(super) fn in_account(mut self, account: &AccountId) -> Self {
        for (of, _) in &mut self.problems {
            of.get_or_insert_with(|| account.clone());
        }
        self.account.get_or_insert_with(|| account.clone());
        self
    }

    /// With what is wrong elsewhere, which was shown, too.
    #[must_use]
    pub(super) fn and(mut self, other: Self) -> Self {
        self.problems.extend(other.problems);
        self.account = self.account.filter(|account| other.account.as_ref() == Some(account));
        self
    }

    /// For whoever reads standard output: a refusal is a document, too, and so is whatever else ends without one.
    pub(super) fn as_json(&self) -> Value {
        let ended = match self.exit {
            Exit::Usage | Exit::Invalid | Exit::Refused => "refused",
            Exit::Interrupted => "interrupted",
            Exit::Internal => "failed",
            _ => "stopped",
        };
        let of: BTreeSet<&Option<AccountId>> = self.problems.iter().map(|(of, _)| of).collect();
        let mut all = Vec::new();
        for account in of {
            let here = self.problems.iter().filter(|(of, _)| of == account);
            let here = Diagnostics::all(here.map(|(_, problem)| problem.clone()).collect());
            all.extend(here.shown().iter().map(|problem| {
                let mut problem = diagnostics::as_json(problem);
                problem["account"] = json!(account);
                problem
            }));
        }
        let line = self.line();
        json!({
            "version": 1,
            "ending": {
                "ended": ended,
                "exit": self.exit.code(),
                "account": self.account,
                "reasons": if line.is_empty() { Vec::new() } else { vec![line] },
                "next": self.next,
            },
            "diagnostics": all,
        })
    }

    /// A run that could not go on; `resume` is what to type once it can.
    pub(super) fn of_run(error: RunError, resume: &str) -> Self {
        match error {
            RunError::Survey(error) => Self::from(error).with_exit(Exit::Stopped),
            RunError::Journal(error) => Self::new(
                Exit::Stopped,
                error.to_string(),
                format!(
                    "no further change was begun. Make room on the disk of the case directory or make it \
                     writable, then: {resume}"
                ),
            )
            .because_of_causes(&error),
        }
    }

    /// It and its causes, on one line.
    pub(super) fn line(&self) -> String {
        let mut line = self.what.clone();
        for why in &self.why {
            let _ = write!(line, ": {why}");
        }
        line
    }
}

/// Some libraries list what they have tried, each in a line of its own.
fn in_a_line(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

impl From<CaseError> for Failure {
    fn from(error: CaseError) -> Self {
        let help = match &error {
            CaseError::Io { action: "cannot read", .. } => {
                "check that it is there and that you may read it; a case is readable by its owner alone"
            }
            CaseError::Io { action: "cannot make", .. } => {
                "check that the directory can be written and has room, or name another with --cases DIR"
            }
            CaseError::Io { .. } => {
                "check that its directory can be written and has room (a new case can be kept elsewhere: --cases \
                 DIR)"
            }
            CaseError::NotACase(_) => "name the directory that `portcullis run` printed",
            CaseError::Several { accounts, .. } => {
                let all: Vec<String> =
                    accounts.iter().map(|dir| dir.display().to_string()).collect();
                return Self::new(
                    Exit::Refused,
                    error.to_string(),
                    format!("name the case of one of them: {}", all.join(", ")),
                );
            }
            CaseError::Locked(dir) => return locked(dir, &error),
            CaseError::Plan { .. } => {
                "nothing was done. Restore the case from a copy, or plan and run anew"
            }
            CaseError::Journal { .. } => {
                "nothing was done. Compare its head with the one printed when it last ran; restore the \
                 journal from a copy if you have one. Without it, plan anew: cuts that stand are found"
            }
        };
        Self::new(Exit::Refused, error.to_string(), help).because_of_causes(&error)
    }
}

/// Somebody else works on it: who, and how it is taken over from somebody who hangs.
fn locked(dir: &Path, error: &CaseError) -> Failure {
    let state = case::read_journal(dir).ok().and_then(|read| State::of(&read).ok());
    let there =
        case::read_plan(dir).ok().map(|saved| There::of(&saved, state.as_ref()).for_others());
    let next = format!(
        "what a run prints to be typed is for when it has ended, and it still goes on: wait, or stop it with Ctrl-C; then \
         try again. Only where it hangs and nobody can stop it is the case taken over, on record: portcullis resume {} \
         --take-over REASON{}",
        typed(&case::accounts::whole_or_itself(dir)),
        there.unwrap_or_default()
    );
    let mut failure = Failure::new(Exit::Refused, error.to_string(), next);
    if let Some(worker) = state.and_then(|state| state.worker) {
        failure.why.push(format!("it is in the hands of {}", worked_on_by(&worker)));
    }
    failure
}

impl From<SurveyError> for Failure {
    fn from(error: SurveyError) -> Self {
        let call = &error.0;
        let help = if call.code == NO_CREDENTIALS {
            "give credentials of the incident account: AWS_PROFILE=..., --profile NAME, or AWS_ACCESS_KEY_ID \
             and AWS_SECRET_ACCESS_KEY"
        // Asking who one is needs no permission: whoever is refused that was not let in at all.
        } else if call.is_not_for_iam() {
            "the credentials are expired, switched off or not accepted: get fresh ones, check the account. If they are a session \
             of sts:GetSessionToken, IAM lets it in only with the code of an MFA device: use the user's own key with \
             --mfa-serial ARN, or a role (--role-arn ARN)"
        } else if call.is_credentials() || call.is_refused_identity() {
            "the credentials are expired or not accepted: get fresh ones, check the account and the clock"
        } else if call.code == crate::cloud::NO_CONNECTION {
            "check the network and the endpoint (--endpoint-url), then try again"
        } else {
            "try again; if it stays, look at the service's status"
        };
        Self::new(Exit::Refused, error.to_string(), help).because(call)
    }
}
