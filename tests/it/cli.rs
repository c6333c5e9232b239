//! What people see, and exit codes: the real binary, refused in every way there is, and what it shows when
//! it is not.
//!
//! Every refusal goes through [`refused`], the one place that checks what is true of all of them: the exit code,
//! a last word that says what to do, no control characters on the screen, and a world and a directory of
//! cases that are as they were.

mod access;
mod cases;
mod consent;
mod doctor;
mod forged;
mod hostile;
mod inputs;
mod machines;
mod printed;
mod quiet;
mod screen;
mod sessions;

use std::process::Command;

use portcullis::sim::Snapshot;

use crate::hosted::{Hosted, Ran, cases_in, quick_world, ran, ran_typing};

/// A hosted world as it was before something was refused.
pub(crate) struct Untouched {
    pub(crate) hosted: Hosted,
    before: Snapshot,
    writes: usize,
}

impl Untouched {
    pub(crate) fn new() -> Self {
        Self::of(Hosted::new(&quick_world()))
    }

    pub(crate) fn of(hosted: Hosted) -> Self {
        let before = hosted.cloud.snapshot();
        Self { before, writes: writes(&hosted), hosted }
    }

    /// Runs `command`, which must be refused with `code` and say each of `words`.
    #[track_caller]
    pub(crate) fn refuses(&self, code: i32, command: &mut Command, words: &[&str]) -> String {
        self.told(ran(command), code, words)
    }

    /// The same with something typed.
    #[track_caller]
    pub(crate) fn refuses_typed(
        &self,
        code: i32,
        command: &mut Command,
        typed: &str,
        words: &[&str],
    ) -> String {
        self.told(ran_typing(command, typed), code, words)
    }

    #[track_caller]
    fn told(&self, ran: Ran, code: i32, words: &[&str]) -> String {
        let err = refused(ran, code, words);
        assert_eq!(self.before.changes_to(&self.hosted.cloud.snapshot()), [] as [&str; 0]);
        assert_eq!(writes(&self.hosted), self.writes, "nothing may even be tried");
        let cases = cases_in(self.hosted.dir());
        assert!(cases.is_empty(), "no case is left behind: {cases:?}");
        err
    }
}

fn writes(hosted: &Hosted) -> usize {
    hosted.cloud.audit().iter().filter(|event| event.writes).count()
}

/// What is true of every refusal, wherever it comes from.
#[track_caller]
pub(crate) fn refused(ran: Ran, code: i32, words: &[&str]) -> String {
    let ran = ran.ended_with(code);
    for word in words {
        assert!(ran.err.contains(word), "{word:?} is not said in:\n{}", ran.err);
    }
    assert!(ran.err.contains("error"), "{}", ran.err);
    let last = ran.err.trim_end().lines().next_back().unwrap_or_default();
    assert!(last.trim_start().starts_with("next: "), "the last line says what to do:\n{}", ran.err);
    nothing_a_terminal_obeys(&ran.said());
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    ran.err
}

#[track_caller]
pub(crate) fn nothing_a_terminal_obeys(text: &str) {
    let bad = text.chars().find(|c| c.is_control() && *c != '\n' && *c != '\t');
    assert_eq!(bad, None, "a control character reached the screen: {text:?}");
}
