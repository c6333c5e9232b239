//! All that is wrong with a world file, each with the place where it is mended.
//!
//! The reader of worlds stops at the first thing that it cannot read. The entry that it stands in is blanked in a copy
//! of the text, and reading begins again, so that the next is found too; what only follows from a blank is left out. Of
//! what reads well and does not fit together the world itself tells where it is. Knows lines and words of YAML as people
//! write it, and nothing of what a world means.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::World;
use super::lines::Lines;
use super::misfit::{Kind as Misfitting, Misfit};
use super::places::Places;
use super::said::{Kind, Said};
use super::spelling::words;
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
    // Whoever slips may have named his credentials: of another sort of file nothing is shown.
    if !source.text().trim().is_empty() && !source.has_key(&["world", "now", "accounts"]) {
        let message = format!(
            "{} is no world: no line of it begins with `world:`, `now:` or `accounts:`",
            source.name()
        );
        let help = format!("name the file of a world: it begins with `world: 1`; {PAGE}");
        return Err(vec![Diagnostic::error(Code::MissingKey, message).help(help)]);
    }
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
            let found = world.misfits();
            if found.is_empty() {
                return Ok(world);
            }
            let places = Places::of(source.text());
            return Err(found.iter().map(|one| does_not_fit(source, &places, one)).collect());
        }
    };
    Err(Reading { source, plain: source.text().to_owned(), blanks: Vec::new(), cut_short: false }
        .go_on(error))
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
    /// Whether it is no YAML from somewhere on: then of what should stand there nothing is called missing.
    cut_short: bool,
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
            if let Err(broken) = serde_yaml::from_str::<IgnoredAny>(&self.plain) {
                // What is no YAML stands further down than what it was first read for.
                let at = broken.location();
                let at = at.map_or(0, |at| byte_at(&self.plain, at.line(), at.column()));
                let said = Said::of(&broken.to_string());
                let message = format!("not YAML: {}", said.sentence);
                let problem = Diagnostic::error(Code::NotYaml, message);
                // What was blanked, or cut off, may have held the rest together.
                if self.blanks.is_empty() && !self.cut_short {
                    let help = "look at this line and the one above it: a quote, a bracket, a comma or a colon is \
                                missing or too much";
                    let place = Place::new(self.source, word_at(&self.plain, at));
                    problems.push(problem.at(place, "here").help(help));
                }
                if self.cut_short || !self.cut(at) {
                    break;
                }
                next = self.again(&mut problems);
                continue;
            }
            problems.extend(self.problem(&said, at));
            if !self.blank(&said, at) {
                break;
            }
            next = self.again(&mut problems);
        }
        problems
    }

    /// Reads what is left; where that can be read, says what of it does not fit.
    fn again(&self, problems: &mut Vec<Diagnostic>) -> Option<serde_yaml::Error> {
        let world = match serde_yaml::from_str::<World>(&self.plain) {
            Ok(world) => world,
            Err(error) => return Some(error),
        };
        let (found, places) = (world.misfits(), Places::of(&self.plain));
        let stands = |misfit: &&Misfit| {
            let only_follows = self.cut_short && misfit.kind == Misfitting::Missing;
            !only_follows && !self.is_blanked(&misfit.why)
        };
        let found = found.iter().filter(stands);
        problems.extend(found.map(|one| does_not_fit(self.source, &places, one)));
        None
    }

    /// Leaves of a text that is no YAML what stands above that, if that is.
    fn cut(&mut self, at: usize) -> bool {
        self.cut_short = true;
        let line = self.plain[..at].rfind('\n').map_or(0, |end| end + 1);
        // Where the line goes on with what was begun above, what was begun goes too.
        let entry = |text: &str| {
            let begins = |(at, line): (usize, &str)| {
                (!line.starts_with([' ', '-', '#', '\n', '\r', ']', '}'])).then_some(at)
            };
            let mut at = 0;
            let lines = text.split_inclusive('\n').map(|line| {
                at += line.len();
                (at - line.len(), line)
            });
            lines.filter_map(begins).last()
        };
        for end in [Some(line), entry(&self.plain[..line])].into_iter().flatten() {
            let above = &self.plain[..end];
            if end > 0 && serde_yaml::from_str::<IgnoredAny>(above).is_ok() {
                self.plain.truncate(end);
                return true;
            }
        }
        false
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
                if self.cut_short || self.blanks.iter().any(own) {
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

/// What reads well and does not fit together, with its place and what may be meant.
fn does_not_fit(source: &Source, places: &Places<'_>, misfit: &Misfit) -> Diagnostic {
    let (at, meant) = (place_of(places, misfit), meant(source.text(), places, misfit));
    let place = |at: Range<usize>| {
        let at = if at.is_empty() { word_at(source.text(), at.start) } else { at };
        Place::new(source, at)
    };
    let code = match misfit.kind {
        Misfitting::Missing | Misfitting::Misnamed => Code::UnknownReference,
        Misfitting::Bad | Misfitting::Twice(_) => Code::BadValue,
    };
    let message = format!("the world does not fit together: {}", misfit.why);
    let problem = Diagnostic::error(code, message);
    let (problem, help) = match &misfit.kind {
        Misfitting::Twice(first) => (
            problem.at(place(at), "again here").and(place(places.at(first)), "first here"),
            "give one of the two another",
        ),
        Misfitting::Bad => (problem.at(place(at), "here"), PAGE),
        Misfitting::Missing | Misfitting::Misnamed => {
            (problem.at(place(at), "not there"), "name one that is there, or add it")
        }
    };
    problem.help(meant.map_or_else(|| help.to_owned(), |meant| format!("did you mean `{meant}`?")))
}

fn place_of(places: &Places<'_>, misfit: &Misfit) -> Range<usize> {
    let key = matches!(misfit.kind, Misfitting::Misnamed).then(|| places.key(&misfit.path));
    key.flatten().unwrap_or_else(|| places.at(&misfit.path))
}

/// What of the keys of a world was most likely meant by a name that nothing has.
fn meant<'t>(text: &'t str, places: &Places<'_>, misfit: &Misfit) -> Option<&'t str> {
    if misfit.kind != Misfitting::Missing || misfit.why.contains("did you mean") {
        return None;
    }
    let name = text.get(places.at(&misfit.path))?.trim_matches(['"', '\'']);
    let keys = text.lines().filter_map(|line| Some(line.split_once(':')?.0.trim()));
    let keys = keys.map(|key| key.trim_start_matches("- ").trim_matches(['"', '\'']));
    nearest(name, keys.filter(|key| *key != name && key.len() > 2))
}

/// The same in one line, for whoever has no file to be shown.
pub(super) fn in_a_line(text: &str, misfit: &Misfit) -> String {
    let places = Places::of(text);
    let line = text[..place_of(&places, misfit).start].matches('\n').count() + 1;
    let meant = meant(text, &places, misfit);
    let meant = meant.map_or(String::new(), |meant| format!("; did you mean {meant}?"));
    format!("{} (line {line}){meant}", misfit.why)
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
    let places = Places::of(source.text());
    let placed = |(name, value): (&String, &Value)| {
        let path = ["rehearsal", "inputs", name].map(str::to_owned);
        let at = |range: Option<Range<usize>>| {
            Place::new(source, range.unwrap_or_else(|| places.at(&path)))
        };
        let items = value.as_array().into_iter().flatten().enumerate().map(|(n, _)| {
            let item: Vec<String> = path.iter().cloned().chain([n.to_string()]).collect();
            at(places.value(&item))
        });
        PlacedInput {
            name: name.clone(),
            name_at: at(places.key(&path)),
            value: value.clone(),
            value_at: at(places.value(&path)),
            items_at: items.collect(),
        }
    };
    inputs.iter().map(placed).collect()
}
