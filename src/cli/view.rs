//! What people see: the plan, the progress, the account of every credential.
//!
//! Everything that came from a cloud is untrusted text: control characters are shown, never obeyed.
//! Colour is only ever an addition; without it every word is still there. Writing to a closed pipe is not
//! an error.

mod account;
mod inventory;
mod plan;
mod progress;
mod wrap;

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style as AnsiStyle};

pub(super) use account::{
    Account, ending, ending_as_json, slowed_as_json, verdict, verdict_as_json,
};
pub(super) use inventory::inventory;
pub(super) use plan::{Detail, as_json as plan_as_json, duration, plan, since, stale};
pub(super) use progress::{Progress, progress_of};

use super::diagnostics;
use crate::diagnostic::{Diagnostic, Diagnostics, counted, is_unsafe};

/// Writes to standard output. On a terminal, long lines are broken between words.
pub(super) fn out(text: &str) {
    let stdout = std::io::stdout();
    let width = if stdout.is_terminal() { terminal_size::terminal_size_of(&stdout) } else { None };
    told(anstream::stdout().write_all(fitted(text, width).as_bytes()));
}

/// Whether anything went to standard output.
pub(super) fn something_was_told() -> bool {
    TOLD.load(Ordering::Relaxed)
}

static TOLD: AtomicBool = AtomicBool::new(false);

/// Remembers that something could not be told. A reader who has seen enough and left is no trouble.
fn told(written: std::io::Result<()>) {
    TOLD.store(true, Ordering::Relaxed);
    if written.is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe) {
        UNTOLD.store(true, Ordering::Relaxed);
    }
}

/// Whether something that was asked for could not be written to standard output.
static UNTOLD: AtomicBool = AtomicBool::new(false);

/// Whether all that was asked for could be told, to the last byte.
pub(super) fn all_was_told() -> bool {
    told(std::io::stdout().flush());
    !UNTOLD.load(Ordering::Relaxed)
}

/// Writes to standard output what is pasted elsewhere, and must stay as it is.
pub(super) fn out_as_it_is(text: &str) {
    told(anstream::stdout().write_all(text.as_bytes()));
}

/// How much of a plan goes to standard output: on a terminal, what fits a screen.
pub(super) fn out_detail() -> Detail {
    let stdout = std::io::stdout();
    detail(stdout.is_terminal().then(|| terminal_size::terminal_size_of(&stdout)).flatten())
}

/// How much of a plan goes to standard error.
pub(super) fn err_detail() -> Detail {
    let stderr = std::io::stderr();
    detail(stderr.is_terminal().then(|| terminal_size::terminal_size_of(&stderr)).flatten())
}

fn detail(size: Option<(terminal_size::Width, terminal_size::Height)>) -> Detail {
    if EVERYTHING.load(Ordering::Relaxed) {
        return Detail::Everything;
    }
    size.map_or(Detail::Whole, |(width, _)| Detail::Screen(usize::from(width.0)))
}

/// Whether somebody wants to read plans whole.
static EVERYTHING: AtomicBool = AtomicBool::new(false);

/// From here on, plans are shown whole.
pub(super) fn show_everything() {
    EVERYTHING.store(true, Ordering::Relaxed);
}

/// Writes to standard error, in the same way.
pub(super) fn err(text: &str) {
    let stderr = std::io::stderr();
    let width = if stderr.is_terminal() { terminal_size::terminal_size_of(&stderr) } else { None };
    let _ = anstream::stderr().write_all(fitted(text, width).as_bytes());
}

/// Writes over the line on which the cursor of a terminal stands.
fn rewrite(text: &str) {
    let mut stderr = anstream::stderr();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Whether somebody watches what happens, on a terminal.
pub(super) fn is_watched() -> bool {
    !QUIET.load(Ordering::Relaxed) && std::io::stderr().is_terminal()
}

/// Writes to standard error what is good to know and can be done without.
pub(super) fn note(text: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        err(text);
    }
}

/// Writes to standard output how to go on where all is well.
pub(super) fn hint(text: &str) {
    out(&hinted(text.to_owned()));
}

/// The same, to be told with something else.
pub(super) fn hinted(text: String) -> String {
    if QUIET.load(Ordering::Relaxed) { String::new() } else { text }
}

/// Whether somebody wants to hear only what he asked for, and what goes wrong.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From here on, no notes.
pub(super) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// From here on, no colour.
pub(super) fn without_colour() {
    anstream::ColorChoice::Never.write_global();
}

fn fitted(
    text: &str,
    size: Option<(terminal_size::Width, terminal_size::Height)>,
) -> std::borrow::Cow<'_, str> {
    match size {
        Some((width, _)) => wrap::wrap(text, usize::from(width.0)).into(),
        None => text.into(),
    }
}

/// Shows problems, to standard error.
pub(super) fn diagnostics(problems: Vec<Diagnostic>) {
    if !problems.is_empty() {
        let problems: Diagnostics = problems.into_iter().collect();
        let stderr = std::io::stderr();
        let size = stderr.is_terminal().then(|| terminal_size::terminal_size_of(&stderr)).flatten();
        let text = match size {
            Some((width, _)) => {
                let width = usize::from(width.0);
                let text =
                    diagnostics::text_within(&problems, true, width.min(diagnostics::WIDEST));
                // What is drawn under a line of the file stays as it is; words go on in the next line.
                text.split_inclusive('\n')
                    .map(|line| {
                        if diagnostics::is_drawn(line) {
                            line.to_owned()
                        } else {
                            wrap::wrap(line, width)
                        }
                    })
                    .collect()
            }
            None => diagnostics::text(&problems, true),
        };
        let _ = anstream::stderr().write_all(text.as_bytes());
    }
}

/// The few ways in which text stands out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    Good,
    Bad,
    Careful,
    Strong,
    Faint,
}

impl Style {
    /// `text` in this style. Where colour is not wanted it is taken out again on the way.
    pub(super) fn paint(self, text: &str) -> String {
        let style = match self {
            Self::Good => AnsiColor::Green.on_default().bold(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Careful => AnsiColor::Yellow.on_default().bold(),
            Self::Strong => AnsiStyle::new().bold(),
            Self::Faint => AnsiStyle::new().dimmed(),
        };
        format!("{style}{text}{style:#}")
    }
}

/// How long a journal is, and where it ends.
pub(super) fn journal(lines: u64, head: &str) -> String {
    let lines = counted(usize::try_from(lines).unwrap_or(usize::MAX), "line");
    format!("Journal: {lines}, head {head}\n")
}

/// Text from outside, made harmless: control characters and marks that turn the direction of writing
/// become visible.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            plain.extend(c.escape_unicode());
        } else {
            plain.push(c);
        }
    }
    plain
}

/// What the rehearsal cloud leaves out, said where it is used.
pub(super) fn not_modelled(what: &[&str]) -> String {
    format!("{}\n", Style::Faint.paint(&format!("It does not model: {}.", what.join("; "))))
}

/// A runtime in real time, on this thread alone.
pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system gives a process one event loop")
}

/// A runtime in which time passes only by waiting.
pub(super) fn virtual_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("the system gives a process one event loop")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_cannot_move_the_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\r\nc\u{202e}d"), "a\\u{1b}[2Jb\\u{d}\\u{a}c\\u{202e}d");
        assert_eq!(plain("a\u{3164}\u{ad}\u{e0041}"), "a\\u{3164}\\u{ad}\\u{e0041}");
        assert_eq!(plain("Zoë 日本"), "Zoë 日本");
    }
}
