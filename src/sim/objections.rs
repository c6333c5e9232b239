//! All that is wrong with a world file, each with the place where it is mended.
//!
//! The reader of worlds stops at the first thing that it cannot read. The entry that it stands in is blanked in a copy
//! of the text, and reading begins again, so that the next is found too; what only follows from a blank is left out. Of
//! what reads well and does not fit together the place is found by the names in the sentence. Knows lines and words of
//! YAML as people write it, and nothing of what a world means. Where no place is certain, it is the beginning of what
//! the sentence is about.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::World;
use super::spelling::{named, words};
use super::text::{self, Objection};
use crate::diagnostic::{Code, Diagnostic, Place, Source, nearest};

/// How often reading begins again. A file with more in it has enough to be mended.
const MOST: usize = 16;
/// Larger files are read once: each reading takes its time.
const LONG: usize = 1 << 20;

/// What a world cannot do without, as it may be.
const NEEDED: [(&str, &str); 3] =
    [("world", "1"), ("now", "2026-03-24T07:10:00Z"), ("accounts", "{}")];

const PAGE: &str = "docs/worlds.md has every key of a world, with an example";

/// The world in a file, or all that is wrong with it.
pub(super) fn read(source: &Source) -> Result<World, Vec<Diagnostic>> {
    let broken: Vec<Diagnostic> = source.broken().take(MOST).map(not_utf_8).collect();
    if !broken.is_empty() {
        return Err(broken);
    }
    if let Some(objection) = text::objection(source.text()) {
        return Err(vec![told(source, objection)]);
    }
    let error = match serde_yaml::from_str::<World>(source.text()) {
        Err(error) => error,
        Ok(world) => {
            let found = world.objections();
            let problems = found.iter().map(|message| does_not_fit(source, message)).collect();
            return if found.is_empty() { Ok(world) } else { Err(problems) };
        }
    };
    Err(Reading { source, plain: source.text().to_owned(), blanks: Vec::new() }.go_on(error))
}

fn not_utf_8((place, byte): (Place, u8)) -> Diagnostic {
    let message = format!("the file is not UTF-8: byte 0x{byte:02X} is not part of any character");
    Diagnostic::error(Code::NotYaml, message).at(place, "here").help("save the file as UTF-8")
}

fn told(source: &Source, objection: Objection) -> Diagnostic {
    let Objection { code, message, help, at } = objection;
    let at = at.map_or(0, |(line, column)| byte_at(source.text(), line, column));
    // The reader stops behind the word that it does not take.
    let line = source.text()[..at].rfind('\n').map_or(0, |line| line + 1);
    let word = source.text()[line..at].rfind(['&', '*']).filter(|_| code == Code::UnsupportedYaml);
    let at = word.map_or(at, |word| line + word);
    let place = Place::new(source, word_at(source.text(), at));
    Diagnostic::error(code, message).at(place, "here").help(help)
}

/// A text of which something could not be read.
struct Reading<'s> {
    source: &'s Source,
    /// The text with what could not be read blanked, as long as it was.
    plain: String,
    blanks: Vec<Range<usize>>,
}

impl Reading<'_> {
    fn go_on(mut self, first: serde_yaml::Error) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        let readings = if self.plain.len() > LONG { 1 } else { MOST };
        let mut next = Some(first);
        for _ in 0..readings {
            let Some(error) = next.take() else { break };
            let at = error.location().map_or(0, |at| byte_at(&self.plain, at.line(), at.column()));
            let said = Said::of(&error.to_string());
            if serde_yaml::from_str::<IgnoredAny>(&self.plain).is_err() {
                let message = format!("not YAML: {}", said.sentence);
                let problem = Diagnostic::error(Code::NotYaml, message);
                // What was blanked may have held the rest together.
                if self.blanks.is_empty() {
                    let help = "look at this line and the one above it: a quote, a bracket, a comma or a colon is \
                                missing or too much";
                    let place = Place::new(self.source, word_at(&self.plain, at));
                    problems.push(problem.at(place, "here").help(help));
                }
                break;
            }
            problems.extend(self.problem(&said, at));
            if !self.blank(&said, at) {
                break;
            }
            match serde_yaml::from_str::<World>(&self.plain) {
                Err(error) => next = Some(error),
                Ok(world) => {
                    let found = world.objections();
                    let found = found.iter().filter(|message| !self.is_blanked(message));
                    problems.extend(found.map(|message| does_not_fit(self.source, message)));
                }
            }
        }
        problems
    }

    /// What is to be said, unless it only follows from what was blanked.
    fn problem(&self, said: &Said, at: usize) -> Option<Diagnostic> {
        let place = Place::new(self.source, word_at(&self.plain, at));
        let problem = |code, message: String, label: &str, help: String| {
            Some(Diagnostic::error(code, message).at(place.clone(), label).help(help))
        };
        let of = |path: &str| {
            if path.is_empty() { "the world".to_owned() } else { format!("`{path}`") }
        };
        match &said.kind {
            Kind::Unknown { key, known } => {
                let help = match nearest(key, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if known.is_empty() => "it takes none".to_owned(),
                    None => format!("it takes {}", known.join(", ")),
                };
                problem(
                    Code::UnknownKey,
                    format!("{} has no key `{key}`", of(&said.path)),
                    "not known",
                    help,
                )
            }
            Kind::Word { word, known } => {
                let help = match nearest(word, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write one of {}", known.join(", ")),
                };
                problem(
                    Code::BadValue,
                    format!("{} is none of its words: `{word}`", of(&said.path)),
                    "not one",
                    help,
                )
            }
            Kind::Missing { key } => {
                let own =
                    |blank: &Range<usize>| key_of(&self.source.text()[blank.clone()]) == Some(key);
                if self.blanks.iter().any(own) {
                    return None;
                }
                let example = NEEDED.iter().find(|(name, _)| name == key && said.path.is_empty());
                let help = match example {
                    Some((name, value)) => format!("add `{name}: {value}`"),
                    None => format!("add `{key}: ...`; {PAGE}"),
                };
                problem(
                    Code::MissingKey,
                    format!("{} has no `{key}`", of(&said.path)),
                    "in here",
                    help,
                )
            }
            Kind::Twice { key } => problem(
                Code::DuplicateKey,
                format!("the key `{key}` stands twice in one mapping"),
                "in here",
                "keep one of the two".to_owned(),
            ),
            Kind::Type { found, wanted } => problem(
                Code::WrongType,
                format!("{} wants {wanted}, and this is {found}", of(&said.path)),
                "of another type",
                format!("write {wanted}; {PAGE}"),
            ),
            Kind::Other => problem(
                Code::BadValue,
                match said.path.as_str() {
                    "" => said.sentence.clone(),
                    path => format!("`{path}`: {}", said.sentence),
                },
                "not one",
                match said.sentence.as_str() {
                    one if one.contains("duration") => "write it like 4s, 90s or 2h 30m".to_owned(),
                    one if one.contains("timestamp") || one.contains("datetime") => {
                        "write it like 2026-03-24T07:10:00Z".to_owned()
                    }
                    _ => PAGE.to_owned(),
                },
            ),
        }
    }

    /// Blanks the entry that could not be read. `false` where nothing would be left to read.
    fn blank(&mut self, said: &Said, at: usize) -> bool {
        if let (Kind::Missing { key }, true) = (&said.kind, said.path.is_empty())
            && let Some((name, value)) = NEEDED.iter().find(|(name, _)| name == key)
        {
            let ends = if self.plain.ends_with('\n') { "" } else { "\n" };
            self.plain += &format!("{ends}{name}: {value}\n");
            return true;
        }
        let lines = Lines::of(&self.plain);
        let line = lines.at(at);
        // A mapping or a list is told by where it begins.
        let begins = lines.text[lines.bytes(&(line..line + 1)).start..at]
            .trim_matches([' ', '-'])
            .is_empty();
        let of_the_whole =
            begins && !matches!(said.kind, Kind::Unknown { .. } | Kind::Twice { .. });
        let Some(mut entry) = lines.entry(line, of_the_whole) else { return false };
        // Of what held nothing else nothing would be left.
        while let Some(parent) = lines.parent(entry.start)
            && lines.block(parent).skip(1).all(|line| entry.contains(&line) || lines.is_empty(line))
        {
            entry = parent..entry.end;
        }
        let bytes = lines.bytes(&entry);
        let blank: String = self.plain[bytes.clone()].chars().flat_map(blank_of).collect();
        self.plain.replace_range(bytes.clone(), &blank);
        self.blanks.push(bytes);
        true
    }

    /// Whether what a sentence is about may be what was blanked.
    fn is_blanked(&self, message: &str) -> bool {
        let mut names = words(message).filter(|word| word.len() > 2);
        names.any(|name| {
            self.blanks.iter().any(|one| {
                self.source
                    .text()
                    .get(one.clone())
                    .is_some_and(|text| words(text).any(|word| word == name))
            })
        })
    }
}

/// As many bytes of nothing.
fn blank_of(c: char) -> impl Iterator<Item = char> {
    let (c, times) = if c == '\n' { ('\n', 1) } else { (' ', c.len_utf8()) };
    std::iter::repeat_n(c, times)
}

/// What the reader says, taken apart.
struct Said {
    /// Where it is, by the keys that lead there.
    path: String,
    sentence: String,
    kind: Kind,
}

enum Kind {
    Unknown { key: String, known: Vec<String> },
    Word { word: String, known: Vec<String> },
    Missing { key: String },
    Twice { key: String },
    Type { found: String, wanted: String },
    Other,
}

impl Said {
    fn of(full: &str) -> Self {
        let full = without_place(full);
        let full = full.as_str();
        let of_a_path = |c: char| c.is_alphanumeric() || "_-/@+=.[]?".contains(c);
        let (path, sentence) = match full.split_once(": ") {
            Some((path, rest)) if path.contains(['.', '[']) && path.chars().all(of_a_path) => {
                (path, rest)
            }
            Some((path, rest)) if !path.contains(' ') && !path.starts_with('`') => (path, rest),
            _ => ("", full),
        };
        let quoted = |text: &str| -> Vec<String> {
            text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let all = quoted(sentence);
        let first = || all.first().cloned().unwrap_or_default();
        let rest = || all.iter().skip(1).cloned().collect();
        let kind = if sentence.starts_with("unknown field") {
            Kind::Unknown { key: first(), known: rest() }
        } else if sentence.starts_with("unknown variant") {
            Kind::Word { word: first(), known: rest() }
        } else if sentence.starts_with("missing field") {
            Kind::Missing { key: first() }
        } else if sentence.starts_with("duplicate ") {
            Kind::Twice { key: first() }
        } else if let Some((found, wanted)) =
            sentence.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected "))
        {
            Kind::Type { found: found.to_owned(), wanted: wanted.to_owned() }
        } else {
            Kind::Other
        };
        Self { path: path.to_owned(), sentence: sentence.to_owned(), kind }
    }
}

/// A sentence of the reader without the place that it tells, which is shown.
fn without_place(full: &str) -> String {
    let Some((front, rest)) = full.split_once(" at line ") else { return full.to_owned() };
    let of_a_place = |c: char| c.is_ascii_digit() || " column".contains(c);
    format!("{front}{}", rest.trim_start_matches(of_a_place))
}

/// The byte of a line and column, both from 1; columns count characters.
fn byte_at(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = &text[start..];
    start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(at, _)| at)
}

/// The word that begins at a byte, or what stands there in quotes.
fn word_at(text: &str, at: usize) -> Range<usize> {
    let rest = &text[at..];
    let line = rest.lines().next().unwrap_or_default();
    let end = match line.chars().next() {
        Some(quote @ ('"' | '\'')) => line[1..].find(quote).map_or(line.len(), |end| end + 2),
        _ => line
            .find(|c: char| c.is_whitespace() || ",[]{}:".contains(c) && c != ':')
            .unwrap_or(line.len()),
    };
    let word = line[..end].trim_end_matches(':');
    at..at + word.len().max(line.chars().next().map_or(0, char::len_utf8).min(line.len()))
}

/// The key that an entry begins with.
fn key_of(entry: &str) -> Option<&str> {
    let line = entry.lines().find(|line| !line.trim().is_empty())?;
    let key = line.trim_start_matches([' ', '-']).split_once(':')?.0;
    Some(key.trim_matches(['"', '\'']))
}

/// A text by its lines, and what is indented below what.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(breaks).filter(|at| *at < text.len());
        Self { text, starts: starts.collect() }
    }

    fn len(&self) -> usize {
        self.starts.len()
    }

    /// The line that a byte is in.
    fn at(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte).saturating_sub(1)
    }

    fn bytes(&self, lines: &Range<usize>) -> Range<usize> {
        let start = |line: usize| self.starts.get(line).copied().unwrap_or(self.text.len());
        start(lines.start)..start(lines.end)
    }

    fn line(&self, line: usize) -> &'t str {
        self.text[self.bytes(&(line..line + 1))].trim_end()
    }

    fn is_empty(&self, line: usize) -> bool {
        let line = self.line(line).trim_start();
        line.is_empty() || line.starts_with('#')
    }

    fn indent(&self, line: usize) -> usize {
        let line = self.line(line);
        line.len() - line.trim_start_matches(' ').len()
    }

    fn is_item(&self, line: usize) -> bool {
        self.line(line).trim_start_matches(' ').starts_with("- ")
    }

    /// A line and all that belongs to it.
    fn block(&self, line: usize) -> Range<usize> {
        let own = self.indent(line);
        let holds_a_list = !self.is_item(line) && self.line(line).ends_with(':');
        let belongs = |next: &usize| {
            self.is_empty(*next)
                || self.indent(*next) > own
                || self.indent(*next) == own && holds_a_list && self.is_item(*next)
        };
        let end = (line + 1..self.len()).find(|next| !belongs(next)).unwrap_or(self.len());
        line..end
    }

    /// The line that a line is indented below.
    fn parent(&self, line: usize) -> Option<usize> {
        let own = self.indent(line);
        (0..line).rev().find(|before| {
            !self.is_empty(*before)
                && (self.indent(*before) < own
                    || self.indent(*before) == own && self.is_item(line) && !self.is_item(*before))
        })
    }

    /// The lines of the entry that a line begins, or of what it belongs to: `of_the_whole` where the line only begins the
    /// mapping that is meant.
    fn entry(&self, line: usize, of_the_whole: bool) -> Option<Range<usize>> {
        if self.is_item(line) {
            return Some(self.block(line));
        }
        // What stands between brackets on one line goes with it.
        if !of_the_whole || self.line(line).contains('{') {
            return Some(self.block(line));
        }
        self.parent(line).map(|parent| self.block(parent))
    }
}

/// What reads well and does not fit together, with its place and what may be meant.
fn does_not_fit(source: &Source, message: &str) -> Diagnostic {
    let lines = Lines::of(source.text());
    let (subjects, last) = message.rsplit_once(": ").unwrap_or(("", message));
    let mut scope = 0..lines.len();
    for name in subjects.split(": ").filter_map(|subject| words(subject).last()) {
        let defines = |line: &usize| {
            let text = lines.line(*line).trim_start_matches([' ', '-']);
            let key = text.split_once(':').map_or("", |(key, _)| key).trim_matches(['"', '\'']);
            key == name || ["id", "name"].contains(&key) && words(text).nth(1) == Some(name)
        };
        let holds = |line: &usize| {
            lines.line(*line).contains('{') && words(lines.line(*line)).any(|word| word == name)
        };
        if let Some(line) = scope.clone().find(defines).or_else(|| scope.clone().find(holds)) {
            let of_an_item = !lines.is_item(line) && !lines.line(line).ends_with(':');
            let item = lines.parent(line).filter(|parent| of_an_item && lines.is_item(*parent));
            scope = lines.block(item.unwrap_or(line));
        }
    }
    let of_a_name = |c: char| c.is_alphanumeric() || "_-/@+=.".contains(c);
    let stands_at = |name: &str, from: usize| {
        let bytes = lines.bytes(&scope);
        let found = source.text()[bytes.clone()].match_indices(name);
        let mut all = found.map(|(at, _)| bytes.start + at..bytes.start + at + name.len());
        all.find(|at| {
            let (before, behind) = (&source.text()[..at.start], &source.text()[at.end..]);
            at.start >= from && !before.ends_with(of_a_name) && !behind.starts_with(of_a_name)
        })
    };
    // An ARN is one name.
    let absent =
        last.rsplit_once("there is no ").and_then(|(_, what)| what.split_whitespace().nth(1));
    let name = absent.or_else(|| named(last));
    let first = name.and_then(|name| Some((name, stands_at(name, 0)?)));
    let quoted = last.split('`').nth(1).and_then(|key| stands_at(key, 0));
    let begin = lines.bytes(&scope).start;
    let begin = begin + source.text()[begin..].len()
        - source.text()[begin..].trim_start_matches([' ', '-']).len();
    let is_missing = last.contains("there is no ") || last.contains("nowhere");
    let (code, label) =
        if is_missing { (Code::UnknownReference, "not there") } else { (Code::BadValue, "here") };
    let problem = Diagnostic::error(code, format!("the world does not fit together: {message}"));
    let problem = match (first, last.starts_with("two ")) {
        (Some((name, first)), true) if let Some(again) = stands_at(name, first.end) => problem
            .at(Place::new(source, again), "again here")
            .and(Place::new(source, first), "first here"),
        (Some((_, first)), _) => problem.at(Place::new(source, first), label),
        (None, _) => problem
            .at(Place::new(source, quoted.unwrap_or_else(|| word_at(source.text(), begin))), label),
    };
    let keys = source.text().lines().filter_map(|line| Some(line.split_once(':')?.0.trim()));
    let keys = keys.map(|key| key.trim_start_matches("- ").trim_matches(['"', '\'']));
    let meant = name
        .filter(|_| is_missing)
        .and_then(|name| nearest(name, keys.filter(|key| *key != name && key.len() > 2)));
    problem.help(match meant {
        Some(meant) if !message.contains("did you mean") => format!("did you mean `{meant}`?"),
        _ if is_missing => "name one that is there, or add it".to_owned(),
        _ if last.starts_with("two ") => "give one of the two another".to_owned(),
        _ => PAGE.to_owned(),
    })
}

/// An input for the playbook beside a world.
#[derive(Clone, Debug)]
pub struct PlacedInput {
    /// Its name.
    pub name: String,
    /// Where that stands.
    pub name_at: Place,
    /// Its value.
    pub value: Value,
    /// Where that stands.
    pub value_at: Place,
    /// Where each of its items stands, of a list.
    pub items_at: Vec<Place>,
}

/// The inputs of a world, with their places.
pub(super) fn inputs(source: &Source, inputs: &BTreeMap<String, Value>) -> Vec<PlacedInput> {
    let lines = Lines::of(source.text());
    // Both may stand on one line.
    let mut scope = 0..lines.text.len();
    for key in ["rehearsal", "inputs"] {
        let Some(at) = key_within(lines.text, &scope, key) else { continue };
        let block = lines.block(lines.at(at.start));
        scope = at.end..lines.bytes(&block).end.max(at.end);
    }
    let begin = Place::new(source, scope.start..scope.start);
    let placed = |(name, value): (&String, &Value)| {
        let Some(name_at) = key_within(lines.text, &scope, name) else {
            let (name_at, value_at) = (begin.clone(), begin.clone());
            return PlacedInput {
                name: name.clone(),
                name_at,
                value: value.clone(),
                value_at,
                items_at: Vec::new(),
            };
        };
        let line = lines.at(name_at.start);
        let mut own = name_at.end..lines.bytes(&lines.block(line)).end.min(scope.end);
        let value_at = value_behind(lines.text, &own);
        own.start = value_at.start;
        let items = value.as_array().into_iter().flatten();
        let items_at = items.map(|item| {
            let text = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            let at = lines.text[own.clone()].find(&text).map(|at| own.start + at);
            let at = at.map_or_else(|| value_at.clone(), |at| at..at + text.len());
            own.start = at.end.min(own.end);
            Place::new(source, at)
        });
        let items_at = items_at.collect();
        PlacedInput {
            name: name.clone(),
            name_at: Place::new(source, name_at),
            value: value.clone(),
            value_at: Place::new(source, value_at),
            items_at,
        }
    };
    inputs.iter().map(placed).collect()
}

/// Where a key stands, the first time.
fn key_within(text: &str, scope: &Range<usize>, key: &str) -> Option<Range<usize>> {
    let of_a_name = |c: char| c.is_alphanumeric() || "_-".contains(c);
    let found = text[scope.clone()].match_indices(key).map(|(at, _)| scope.start + at);
    found.map(|at| at..at + key.len()).find(|at| {
        let behind = text[at.end..].trim_start_matches(['"', '\'', ' ']);
        !text[..at.start].ends_with(of_a_name) && behind.starts_with(':')
    })
}

/// The value that stands behind a key, on its line or below it.
fn value_behind(text: &str, behind: &Range<usize>) -> Range<usize> {
    let rest = &text[behind.clone()];
    let rest = rest.trim_start_matches(['"', '\'', ' ', ':']);
    let value = rest.trim_start_matches([' ', '\n', '\r']);
    let start = behind.end - value.len();
    let line = value.lines().next().unwrap_or_default();
    let end = match line.chars().next() {
        Some(quote @ ('"' | '\'')) => line[1..].find(quote).map(|end| end + 2),
        Some('[') => line.find(']').map(|end| end + 1),
        _ => line.find([',', '}']).or_else(|| line.find(" #")),
    };
    let value = line[..end.unwrap_or(line.len())].trim_end();
    start..start + value.len()
}
