//! Showing diagnostics: as text with the line itself, in the manner of rustc; and each as JSON.
//!
//! What is shown comes from files that an intruder may have written: control characters, and those
//! that turn the direction of text, never reach the terminal. Whether there is colour is the
//! caller's decision. Returns text and prints nothing; cannot fail.

use std::fmt::Write;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use crate::diagnostic::{Diagnostic, Diagnostics, Label, Severity, Source, counted, is_unsafe};

/// The longest stretch of text that is shown around labels; beyond it only the place is named.
const LONGEST_EXCERPT: usize = 16 << 10;
/// The longest single line that is shown.
const LONGEST_LINE: usize = 1_000;

/// The widest that lines of a file are shown.
pub(super) const WIDEST: usize = 100;

/// The problems as text, with a count at the end. Empty if there are none.
pub fn text(problems: &Diagnostics, colour: bool) -> String {
    text_within(problems, colour, WIDEST)
}

/// Whether a line of the text is drawn: part of a file, or a mark under it.
pub(super) fn is_drawn(line: &str) -> bool {
    let line = anstream::adapter::strip_str(line).to_string();
    let line = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
    line.starts_with('|') || line.starts_with("-->") || line.starts_with(":::")
}

/// The same, with lines of a file cut to `width` columns.
pub(super) fn text_within(problems: &Diagnostics, colour: bool, width: usize) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(width);
    let mut shown = String::new();
    for problem in problems.shown() {
        shown.push_str(&one(problem, &renderer));
        shown.push_str("\n\n");
    }
    if let Some(summary) = summary(problems) {
        shown.push_str(&summary);
        shown.push('\n');
    }
    shown
}

/// JSON as it is printed: nothing in it is obeyed by a terminal.
pub(super) fn printed(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).expect("strings and numbers have a JSON form");
    harmless(&text)
}

/// JSON text in which nothing is obeyed by a terminal.
pub(super) fn harmless(text: &str) -> String {
    // JSON leaves most characters as they are; a terminal would obey some of them.
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_unsafe(c) {
            write!(safe, "\\u{:04x}", u32::from(c)).expect("a String takes what it is given");
        } else {
            safe.push(c);
        }
    }
    safe.push('\n');
    safe
}

pub(super) fn as_json(problem: &Diagnostic) -> Value {
    let labels: Vec<Value> = problem
        .primary
        .iter()
        .map(|label| (label, true))
        .chain(problem.others.iter().map(|label| (label, false)))
        .map(|(label, primary)| {
            let source = label.place.source();
            let (line, column) = label.place.line_column();
            let (end_line, end_column) = source.line_column(label.place.range().end);
            json!({
                "path": source.name(),
                "line": line,
                "column": column,
                "end_line": end_line,
                "end_column": end_column,
                "primary": primary,
                "text": label.text,
            })
        })
        .collect();
    json!({
        "code": problem.code.as_str(),
        "severity": match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": problem.message,
        "help": problem.help,
        "labels": labels,
    })
}

fn one(problem: &Diagnostic, renderer: &Renderer) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(safe_line(&problem.message)).id(problem.code.as_str());
    let mut group = Group::with_title(title);
    let labels: Vec<(&Label, bool)> = problem
        .primary
        .iter()
        .map(|label| (label, true))
        .chain(problem.others.iter().map(|label| (label, false)))
        .collect();
    let mut sources: Vec<&Source> = Vec::new();
    for (label, _) in &labels {
        if !sources.contains(&label.place.source()) {
            sources.push(label.place.source());
        }
    }
    for source in sources {
        let here: Vec<(&Label, bool)> =
            labels.iter().copied().filter(|(label, _)| label.place.source() == source).collect();
        if let Some(excerpt) = Excerpt::of(source, &here) {
            group = group.element(excerpt.snippet());
            continue;
        }
        for (label, _) in here {
            let (line, column) = label.place.line_column();
            let origin = Origin::path(safe_line(source.name())).line(line).char_column(column);
            group = group.element(origin);
        }
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(safe_line(help)));
    }
    renderer.render(&[group])
}

/// The lines that labels are about, made safe, and the labels moved along with them.
struct Excerpt {
    path: String,
    text: String,
    first_line: usize,
    labels: Vec<(std::ops::Range<usize>, String, bool)>,
}

impl Excerpt {
    /// `None` if it would be too long to show, or must not be.
    fn of(source: &Source, labels: &[(&Label, bool)]) -> Option<Self> {
        if source.is_withheld() {
            return None;
        }
        let whole = source.text();
        let ranges = || labels.iter().map(|(label, _)| label.place.range());
        let first = ranges().map(|range| range.start).min()?;
        let last = ranges().map(|range| range.end).max()?;
        let start = whole[..first].rfind('\n').map_or(0, |i| i + 1);
        let end = whole[last..].find('\n').map_or(whole.len(), |i| last + i);
        let excerpt = &whole[start..end];
        if excerpt.len() > LONGEST_EXCERPT || excerpt.lines().any(|line| line.len() > LONGEST_LINE)
        {
            return None;
        }
        // Where each byte of the excerpt comes to stand: what replaces a character may be longer.
        let mut moved = vec![0; excerpt.len() + 1];
        let mut text = String::with_capacity(excerpt.len());
        for (i, c) in excerpt.char_indices() {
            moved[i..i + c.len_utf8()].fill(text.len());
            // Half of what ends a line in some files.
            if c == '\r' && matches!(excerpt[i + 1..].chars().next(), Some('\n') | None) {
                continue;
            }
            text.push(if c == '\n' || c == '\t' { c } else { safe_char(c) });
        }
        moved[excerpt.len()] = text.len();
        let labels = labels
            .iter()
            .map(|(label, primary)| {
                let range = label.place.range();
                let range = moved[range.start - start]..moved[range.end - start];
                (range, safe_line(&label.text), *primary)
            })
            .collect();
        Some(Self {
            path: safe_line(source.name()),
            text,
            first_line: source.line_column(start).0,
            labels,
        })
    }

    fn snippet(self) -> Snippet<'static, annotate_snippets::Annotation<'static>> {
        let annotations = self.labels.into_iter().map(|(range, text, primary)| {
            let kind = if primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(range);
            if text.is_empty() { annotation } else { annotation.label(text) }
        });
        Snippet::source(self.text)
            .line_start(self.first_line)
            .path(self.path)
            .fold(true)
            .annotations(annotations)
    }
}

fn summary(problems: &Diagnostics) -> Option<String> {
    if problems.shown().is_empty() {
        return None;
    }
    let count = |severity| problems.shown().iter().filter(|d| d.severity == severity).count();
    let kinds = [(count(Severity::Error), "error"), (count(Severity::Warning), "warning")];
    let mut parts: Vec<String> =
        kinds.iter().filter(|(n, _)| *n > 0).map(|(n, one)| counted(*n, one)).collect();
    if problems.more() > 0 {
        parts.push(format!("and {} more", problems.more()));
    }
    let first = problems.shown().iter().find(|problem| problem.severity == Severity::Error);
    let code = first.unwrap_or(&problems.shown()[0]).code;
    Some(format!("{}; `portcullis explain {code}` says more", parts.join(", ")))
}

/// Text on one line, with nothing in it that a terminal would obey.
fn safe_line(text: &str) -> String {
    text.chars().map(safe_char).collect()
}

fn safe_char(c: char) -> char {
    if is_unsafe(c) { char::REPLACEMENT_CHARACTER } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Code, Place};

    fn problem(text: &str, mark: &str) -> Diagnostic {
        let source = Source::new("dir/playbook.yaml", text);
        let at = text.find(mark).unwrap();
        Diagnostic::error(Code::UnknownKey, "a step has no key `phsae`")
            .at(Place::new(&source, at..at + mark.len()), "not known")
            .help("did you mean `phase`?")
    }

    #[test]
    fn a_problem_is_shown_with_its_line() {
        let shown = text(&vec![problem("a: 1\n  phsae: contain\nb: 2\n", "phsae")].into(), false);
        let expected = "\
error[unknown-key]: a step has no key `phsae`
 --> dir/playbook.yaml:2:3
  |
2 |   phsae: contain
  |   ^^^^^ not known
  |
  = help: did you mean `phase`?

1 error; `portcullis explain unknown-key` says more
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_line_ends_where_it_ends_in_every_editor() {
        let lines = "a: 1\n  phsae: contain\nb: 2\n";
        let shown = |lines: &str| text(&vec![problem(lines, "phsae")].into(), false);
        assert_eq!(shown(&lines.replace('\n', "\r\n")), shown(lines));
        assert!(shown("a\rphsae\n").contains("a\u{fffd}phsae"), "nothing else is left out");
    }

    #[test]
    fn nothing_in_a_file_reaches_the_terminal_as_a_command() {
        let evil = "é: \"\u{1b}[2J\u{9b}31m\u{202e}\u{7f}\u{0}\" phsae\n";
        let mut problem = problem(evil, "phsae");
        problem.message.push_str("\u{1b}[31m");
        problem = problem.help("\u{1b}]0;title\u{7}\nnext");
        let problems: Diagnostics = vec![problem].into();
        for shown in [text(&problems, false), printed(&as_json(&problems.shown()[0]))] {
            assert!(!shown.chars().any(|c| c != '\n' && is_unsafe(c)), "{shown:?}");
        }
        let shown = text(&problems, false);
        assert!(shown.contains(" --> dir/playbook.yaml:1:18\n"), "{shown}");
        // The mark stands under the word although what precedes it was replaced.
        let lines: Vec<&str> = shown.lines().collect();
        let line = lines.iter().position(|line| line.ends_with("phsae")).unwrap();
        let column = |line: &str, c: &str| line.split(c).next().unwrap().chars().count();
        assert_eq!(column(lines[line], "phsae"), column(lines[line + 1], "^"));
    }

    #[test]
    fn what_is_too_long_to_show_is_still_placed() {
        let long = format!("{}phsae\n", "x".repeat(500_000));
        let shown = text(&vec![problem(&long, "phsae")].into(), false);
        assert!(shown.len() < 1_000, "{} bytes", shown.len());
        assert!(shown.contains("--> dir/playbook.yaml:1:500001\n"), "{shown}");
    }

    #[test]
    fn json_has_places() {
        assert_eq!(
            as_json(&problem("a: 1\n  phsae: contain\n", "phsae")),
            json!({
                "code": "unknown-key",
                "severity": "error",
                "message": "a step has no key `phsae`",
                "help": "did you mean `phase`?",
                "labels": [{
                    "path": "dir/playbook.yaml",
                    "line": 2,
                    "column": 3,
                    "end_line": 2,
                    "end_column": 8,
                    "primary": true,
                    "text": "not known",
                }],
            })
        );
    }

    #[test]
    fn colour_is_the_callers_choice() {
        let problems: Diagnostics = vec![problem("phsae: 1\n", "phsae")].into();
        assert!(text(&problems, true).contains('\u{1b}'));
        assert!(!text(&problems, false).contains('\u{1b}'));
        assert_eq!(text(&Diagnostics::default(), true), "");
    }
}
