//! Problems in what somebody wrote: values with a code, a place and advice. Not errors of ours.
//!
//! A reader collects every [`Diagnostic`] it finds and stops at none; [`Diagnostics`] puts them in
//! order of place, drops repetitions and keeps the count of those that are not shown. A diagnostic
//! carries the text it points into, so it can be shown long after the reader is gone.
//! Knows neither playbooks nor terminals: showing is `cli::diagnostics`' business. Cannot fail.

mod code;
mod misread;
mod near;

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use code::Code;
pub use misread::Misread;
pub use near::nearest;

/// A text that was read, under the name the user gave for it. Cheap to copy.
#[derive(Clone)]
pub struct Source(Arc<Inner>);

struct Inner {
    name: String,
    text: String,
    /// Of many problems each asks for its line.
    lines: Lines,
    /// Where bytes stood that are no text, and the first of them.
    broken: Vec<(usize, u8)>,
    is_withheld: bool,
}

/// Where the lines of a text begin, and how many characters stand before every so many bytes.
struct Lines {
    starts: Vec<usize>,
    characters: Vec<usize>,
}

/// So many bytes are counted through for a column.
const STRIDE: usize = 1024;

impl Lines {
    fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        let strides = text.as_bytes().chunks(STRIDE).map(characters);
        let sums = strides.scan(0, |sum, more| {
            *sum += more;
            Some(*sum)
        });
        Self { starts, characters: std::iter::once(0).chain(sums).collect() }
    }

    /// How many characters begin before `byte`.
    fn before(&self, text: &str, byte: usize) -> usize {
        let stride = byte / STRIDE;
        self.characters[stride] + characters(&text.as_bytes()[stride * STRIDE..byte])
    }
}

/// How many characters begin in these bytes.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

impl Source {
    /// A text and its name: the path as the user typed it.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::of(name.into(), text.into(), false)
    }

    /// A text of which nothing is shown but places: its outline, see [`Secret::outline`](crate::secret::Secret::outline).
    pub fn withheld(name: impl Into<String>, outline: String) -> Self {
        Self::of(name.into(), outline, true)
    }

    fn of(name: String, text: String, is_withheld: bool) -> Self {
        let (lines, broken) = (Lines::of(&text), Vec::new());
        Self(Arc::new(Inner { name, text, lines, broken, is_withheld }))
    }

    /// Whether any of `keys` stands in it as a key that no other holds, as far as its lines tell, read as nothing yet. Where
    /// none does it is another sort of file, perhaps somebody's credentials.
    pub fn has_key(&self, keys: &[&str]) -> bool {
        let is_key = |line: &str| {
            let line = line.trim_start_matches('\u{feff}').trim_start_matches(['{', ' ']);
            let line = line.trim_start_matches(['"', '\'']);
            let rest = keys.iter().find_map(|key| line.strip_prefix(key));
            rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
        };
        // Of JSON that is laid out the outermost keys are moved in, too.
        let may_be =
            |line: &&str| !line.starts_with([' ', '\t']) || line.trim_start().starts_with('"');
        self.text().lines().filter(may_be).any(|line| is_key(line.trim_start()))
    }

    /// Whether its lines are not to be shown.
    pub fn is_withheld(&self) -> bool {
        self.0.is_withheld
    }

    /// A text from bytes. Where they are not UTF-8 a sign stands in their place, and [`Source::broken`] tells which.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        let bytes = match String::from_utf8(bytes) {
            Ok(text) => return Self::new(name, text),
            Err(error) => error.into_bytes(),
        };
        let (mut text, mut broken) = (String::new(), Vec::new());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            if let Some(byte) = chunk.invalid().first() {
                broken.push((text.len(), *byte));
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Self(Arc::new(Inner {
            name: name.into(),
            lines: Lines::of(&text),
            text,
            broken,
            is_withheld: false,
        }))
    }

    /// Where its bytes were no text, and the first of them at each place.
    pub fn broken(&self) -> impl ExactSizeIterator<Item = (Place, u8)> {
        let sign = char::REPLACEMENT_CHARACTER.len_utf8();
        self.0.broken.iter().map(move |(at, byte)| (Place::new(self, *at..*at + sign), *byte))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Line and column of a byte, both from 1; columns count characters.
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        let text = self.text();
        let byte = text.floor_char_boundary(byte);
        let lines = &self.0.lines;
        let line = lines.starts.partition_point(|start| *start <= byte);
        let start = lines.starts[line - 1];
        (line, lines.before(text, byte) - lines.before(text, start) + 1)
    }
}

impl Ord for Source {
    fn cmp(&self, other: &Self) -> Ordering {
        // Nearly always the same text in the same memory: not compared byte for byte.
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        self.name().cmp(other.name()).then_with(|| self.text().cmp(other.text()))
    }
}

impl PartialOrd for Source {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Source {}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({:?}, {} bytes)", self.0.name, self.0.text.len())
    }
}

/// A stretch of one source, in bytes. Both ends lie between characters and within the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    source: Source,
    // Half the size of `usize`: a diagnostic is returned by value from everywhere.
    start: u32,
    end: u32,
}

impl Place {
    /// The stretch `range` of `source`, moved to the nearest borders of characters.
    pub fn new(source: &Source, range: Range<usize>) -> Self {
        let text = source.text();
        let start = text.floor_char_boundary(range.start);
        let end = text.floor_char_boundary(range.end).max(start);
        // Beyond 4 GiB there is no playbook, and a place that is off harms nobody.
        let short = |byte: usize| u32::try_from(byte).unwrap_or(0);
        Self { source: source.clone(), start: short(start), end: short(end).max(short(start)) }
    }

    /// The source.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The bytes.
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// What stands there.
    pub fn text(&self) -> &str {
        &self.source.text()[self.range()]
    }

    /// Line and column of its beginning, both from 1; columns count characters.
    pub fn line_column(&self) -> (usize, usize) {
        self.source.line_column(self.start as usize)
    }

    /// The same line and column, in a text that shows nothing of this one: it may be a secret.
    #[must_use]
    pub fn unseen(&self) -> Self {
        let (line, column) = self.line_column();
        let text = "\n".repeat(line - 1) + &" ".repeat(column - 1);
        let end = text.len();
        Self::new(&Source::new(self.source.name(), text), end..end)
    }

    /// The line of its beginning, from 1.
    pub fn line(&self) -> usize {
        self.line_column().0
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.source.name())
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing runs until it is mended.
    Error,
    /// Worth a look; does not stop anything.
    Warning,
}

/// A place and what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// What; may be empty.
    pub text: String,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which kind of problem.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, as one sentence without a full stop.
    pub message: String,
    /// The place to mend; `None` for what stands in no file.
    pub primary: Option<Label>,
    /// Other places concerned.
    pub others: Vec<Label>,
    /// What to type instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            primary: None,
            others: Vec::new(),
            help: None,
        }
    }

    /// A warning without a place yet.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Sets the place to mend.
    #[must_use]
    pub fn at(mut self, place: Place, label: impl Into<String>) -> Self {
        self.primary = Some(Label { place, text: label.into() });
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn and(mut self, place: Place, label: impl Into<String>) -> Self {
        self.others.push(Label { place, text: label.into() });
        self
    }

    /// Says what to type instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// One line, for logs and assertions: `path:3:7: error[unknown-key]: message`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(label) = &self.primary {
            write!(f, "{}: ", label.place)?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}[{}]: {}", self.code, self.message)
    }
}

/// Problems as they are shown: in order of place, without repetitions, and not too many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    shown: Vec<Diagnostic>,
    more: usize,
}

impl Diagnostics {
    /// How many are shown; the rest is counted.
    pub const AT_MOST: usize = 50;

    /// All of them, for machines, which do not tire.
    pub fn all(mut problems: Vec<Diagnostic>) -> Self {
        sort(&mut problems);
        Self { shown: problems, more: 0 }
    }

    /// Those to show.
    pub fn shown(&self) -> &[Diagnostic] {
        &self.shown
    }

    /// How many more there are.
    pub fn more(&self) -> usize {
        self.more
    }
}

/// Whether a character is shown to nobody as it stands: control characters, those that make text run another way than it stands in the file, and those that nobody sees.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{00ad}'
                | '\u{061c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// `1 change`, `2 changes`, `1,000 changes`.
pub fn counted(n: usize, one: &str) -> String {
    format!("{} {one}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// `1,000`.
pub fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Puts problems in the order they are shown in and drops repetitions.
pub fn sort(problems: &mut Vec<Diagnostic>) {
    // By line and column: where nothing of a file is shown, its places are in a text of their own.
    problems.sort_by_cached_key(|one| {
        let place = one.primary.as_ref().map(|label| {
            let (place, name) = (&label.place, label.place.source().name().to_owned());
            (name, place.line_column(), place.range().len())
        });
        (place, one.severity, one.code, one.message.clone())
    });
    problems.dedup();
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(problems: I) -> Self {
        let mut shown: Vec<_> = problems.into_iter().collect();
        sort(&mut shown);
        let more = shown.len().saturating_sub(Self::AT_MOST);
        if more > 0 {
            shown.sort_by_key(|d| d.severity);
            shown.truncate(Self::AT_MOST);
            sort(&mut shown);
        }
        Self { shown, more }
    }
}

impl From<Vec<Diagnostic>> for Diagnostics {
    fn from(problems: Vec<Diagnostic>) -> Self {
        problems.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let source = Source::new("p", "a: 1\né: ü x\n");
        let x = source.text().find('x').unwrap();
        assert_eq!(source.line_column(x), (2, 6));
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(1000), (3, 1));
        // As counting from the beginning has it, wherever the strides fall.
        let long = "é".repeat(STRIDE) + "\n" + &"aü\n".repeat(STRIDE) + &"日".repeat(STRIDE);
        let long = Source::new("p", long);
        for (at, _) in long.text().char_indices().step_by(7) {
            let before = &long.text()[..at];
            let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
            assert_eq!(long.line_column(at), (before.matches('\n').count() + 1, column));
        }
        // In the middle of `é`, and beyond the end: moved to a border.
        assert_eq!(Place::new(&source, 6..7).range(), 5..7);
        assert_eq!(Place::new(&source, 99..100).range(), source.text().len()..source.text().len());
    }

    #[test]
    fn bytes_that_are_no_text_have_a_place() {
        let source = Source::from_bytes("p.yaml", b"a: 1\nb: \xff\xf0\x9f c\n".to_vec());
        let broken: Vec<(String, u8)> =
            source.broken().map(|(place, byte)| (place.to_string(), byte)).collect();
        assert_eq!(broken, [("p.yaml:2:4".to_owned(), 0xFF), ("p.yaml:2:5".to_owned(), 0xF0)]);
        assert_eq!(source.text(), "a: 1\nb: \u{fffd}\u{fffd} c\n");
    }

    #[test]
    fn problems_are_shown_in_order_once_and_not_too_many() {
        let source = Source::new("p", "x".repeat(200));
        let at = |n: usize, d: Diagnostic| d.at(Place::new(&source, n..n + 1), "");
        let mut problems: Vec<_> = (0..60)
            .rev()
            .map(|n| at(n, Diagnostic::warning(Code::UnusedTarget, format!("w{n}"))))
            .collect();
        problems.push(at(150, Diagnostic::error(Code::UnknownKey, "last")));
        problems.push(at(150, Diagnostic::error(Code::UnknownKey, "last")));
        let shown = Diagnostics::from(problems);
        assert_eq!(shown.shown().len(), Diagnostics::AT_MOST);
        assert_eq!(shown.more(), 11);
        // Warnings do not push an error out.
        assert_eq!(shown.shown()[0].message, "w0");
        assert_eq!(shown.shown().last().unwrap().message, "last");
    }
}
