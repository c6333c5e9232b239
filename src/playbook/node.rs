//! YAML as a tree in which every key and value knows its place.
//!
//! Reads only the plain core of YAML: one document of mappings, lists and scalars. Whatever gives
//! the same text a second meaning (anchors, aliases, tags, merge keys, directives, keys that are not
//! text) is refused, as is input too large to be a playbook, before it costs memory or stack.
//! Knows nothing of playbooks, nor of the second reader.
//!
//! Collects every problem: what is refused is blanked in a copy of the text, and reading goes on as if
//! it had been mended. Only what is no YAML, or too large, ends it: nothing that follows can be trusted. What
//! stands above that is read all the same.

mod advice;
mod blank;
mod refusal;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Spanned, Tagged};

use self::blank::Blank;
use self::refusal::Refusal;
use super::field::shorten;
use crate::diagnostic::{Code, Diagnostic, Place, Source};

/// The longest text that is read at all. Whoever reads files need not read more of one.
pub const MAX_BYTES: usize = 1 << 20;
/// How deep lists and mappings may lie in each other.
const MAX_DEPTH: usize = 24;
/// How many values there may be.
const MAX_NODES: usize = 50_000;
/// How many entries one list or mapping may have.
const MAX_ENTRIES: usize = 1_000;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Bytes of the source. For a mapping or a block list only its beginning.
    pub(crate) range: Range<usize>,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) range: Range<usize>,
}

impl Node {
    /// What it is, as a phrase for messages.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".to_owned(),
            Kind::Bool(b) => format!("the truth value {b}"),
            Kind::Int(n) => format!("the number {n}"),
            Kind::Float(n) => format!("the number {n}"),
            Kind::Text(text) => format!("the text `{}`", shorten(text)),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// What is said of a file that is too long to be a playbook; whoever reads files need not read it to its end.
pub fn too_long(source: &Source) -> Diagnostic {
    let message = format!("the file is longer than {MAX_BYTES} bytes, and no more of one is read");
    Diagnostic::error(Code::TooLarge, message)
        .at(Place::new(source, 0..0), "")
        .help("is this the right file?")
}

/// What came of reading a text.
pub(crate) struct Reading {
    /// The tree, unless the text is no YAML from its beginning, or too large. A key that stands twice is in it twice.
    pub(crate) tree: Option<Node>,
    /// Whether the text is no YAML somewhere: then the tree is of what stands above that.
    pub(crate) cut_short: bool,
    /// The text without what was refused, as long as it was, for the second reader.
    pub(crate) plain: String,
    pub(crate) problems: Vec<Diagnostic>,
}

/// How often reading begins again behind what was refused. A file with more of that has problems enough.
const MAX_READINGS: usize = 16;

/// Reads the text into a tree.
pub(crate) fn read(source: &Source) -> Reading {
    let mut reading =
        Reading { tree: None, cut_short: false, plain: String::new(), problems: Vec::new() };
    if source.text().len() > MAX_BYTES {
        reading.problems.push(too_long(source));
        return reading;
    }
    reading.plain.push_str(source.text());
    blank::unseen(source, &mut reading);
    blank::directives(source, &mut reading);
    // Whether a word before a key was blanked: the key may stand in another column now.
    let mut moved = false;
    for _ in 0..MAX_READINGS {
        match parse(&reading.plain) {
            Ok(raw) => {
                // Tags that the library knows: it has read their values as they say.
                let mut tags = Vec::new();
                raw.tags(&reading.plain, &mut tags);
                let again = !tags.is_empty();
                for tag in tags {
                    reading.problems.push(refusal::tag(Place::new(source, tag.clone())));
                    if tag.is_empty() {
                        return reading;
                    }
                    moved |= Blank::Property(tag).over(&mut reading.plain);
                }
                if again {
                    continue;
                }
                match convert(source, raw, &mut reading.problems) {
                    Ok(tree) => reading.tree = Some(tree),
                    Err(too_large) => reading.problems.push(too_large),
                }
                return reading;
            }
            Err(error) => {
                let Refusal { problem, blank } =
                    refusal::explain(source, &reading.plain, error.without_snippet());
                let no_yaml = problem.code == Code::NotYaml;
                let at = problem.primary.as_ref().map_or(0, |label| label.place.range().start);
                // Of what was cut short, or moved, it only says what follows from that.
                if !(no_yaml && (moved || reading.cut_short)) {
                    reading.problems.push(problem);
                }
                match blank {
                    Some(blank) => moved |= blank.over(&mut reading.plain),
                    None if no_yaml => {
                        reading.cut_short = true;
                        let Some(end) = blank::whole_above(&reading.plain, at) else {
                            return reading;
                        };
                        reading.plain.truncate(end);
                    }
                    None => return reading,
                }
            }
        }
    }
    reading
}

fn parse(text: &str) -> Result<Raw, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
        // These three are complained about where the tree is made, all of them at once.
        merge_keys: MergeKeyPolicy::AsOrdinary,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_anchors: 0,
            max_aliases: 0,
        },
    };
    serde_saphyr::from_str_with_options(text, options)
}

/// What serde gives: the tree as the library sees it.
struct Raw(Tagged<Spanned<Plain<Raw>>>);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Tagged::deserialize(deserializer).map(Self)
    }
}

impl Raw {
    /// Where tags stand.
    fn tags(&self, text: &str, found: &mut Vec<Range<usize>>) {
        let Self(Tagged(spanned, tag)) = self;
        if tag.is_some() {
            let range = range_of(text, spanned.referenced);
            found.push(blank::property(text, range.start, '!').unwrap_or(range));
        }
        match &spanned.value {
            Plain::List(items) => items.iter().for_each(|item| item.tags(text, found)),
            Plain::Map(entries) => {
                for (key, value) in entries {
                    key.tags(text, found);
                    value.tags(text, found);
                }
            }
            _ => {}
        }
    }
}

/// A value with what lies in it as `T`, as any reader gives it.
pub(crate) enum Plain<T> {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<T>),
    Map(Vec<(T, T)>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Plain<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = Plain<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a YAML value")
            }

            fn visit_unit<E>(self) -> Result<Plain<T>, E> {
                Ok(Plain::Null)
            }

            fn visit_none<E>(self) -> Result<Plain<T>, E> {
                Ok(Plain::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Plain<T>, E> {
                Ok(Plain::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Plain<T>, E> {
                Ok(Plain::Int(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Plain<T>, E> {
                Ok(Plain::Int(value.into()))
            }

            fn visit_i128<E>(self, value: i128) -> Result<Plain<T>, E> {
                Ok(Plain::Int(value))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Plain<T>, E> {
                Ok(Plain::Float(value))
            }

            fn visit_str<E>(self, value: &str) -> Result<Plain<T>, E> {
                Ok(Plain::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Plain<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Plain::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Plain<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Plain::Map(entries))
            }
        }

        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// The tree with places. What is wrong with a value is pushed, and the value stands there all the same; only
/// what is too large is an error.
fn convert(
    source: &Source,
    Raw(Tagged(spanned, _)): Raw,
    problems: &mut Vec<Diagnostic>,
) -> Result<Node, Diagnostic> {
    let range = range_of(source.text(), spanned.referenced);
    let place = || Place::new(source, range.clone());
    let few_enough = |what: &str, count: usize| {
        if count <= MAX_ENTRIES {
            return Ok(());
        }
        let message = format!("{what} with {count} entries; at most {MAX_ENTRIES} are read");
        Err(Diagnostic::error(Code::TooLarge, message)
            .at(place(), "begins here")
            .help("split the playbook"))
    };
    let kind = match spanned.value {
        Plain::Null => Kind::Null,
        Plain::Bool(b) => Kind::Bool(b),
        Plain::Int(n) => Kind::Int(n),
        Plain::Float(n) => {
            if !n.is_finite() {
                problems.push(refusal::not_finite(place()));
            }
            Kind::Float(n)
        }
        Plain::Text(text) => Kind::Text(text),
        Plain::List(items) => {
            few_enough("a list", items.len())?;
            let items = items.into_iter().map(|item| convert(source, item, problems));
            Kind::List(items.collect::<Result<_, _>>()?)
        }
        Plain::Map(entries) => {
            few_enough("a mapping", entries.len())?;
            let mut converted = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                let key = convert_key(source, key, problems)?;
                converted.push((key, convert(source, value, problems)?));
            }
            Kind::Map(converted)
        }
    };
    Ok(Node { kind, range })
}

fn convert_key(
    source: &Source,
    key: Raw,
    problems: &mut Vec<Diagnostic>,
) -> Result<Key, Diagnostic> {
    let node = convert(source, key, problems)?;
    let place = Place::new(source, node.range.clone());
    let text = if let Kind::Text(text) = node.kind {
        if text == "<<" && place.text() == "<<" {
            problems.push(refusal::merge_key(place));
        }
        text
    } else {
        problems.push(refusal::key(place.clone(), &node));
        place.text().to_owned()
    };
    Ok(Key { text, range: node.range })
}

fn range_of(text: &str, location: Location) -> Range<usize> {
    let span = location.span();
    let Some(start) = span.byte_offset() else {
        let at = byte_of(text, location.line(), location.column());
        return at..at;
    };
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let length = usize::try_from(span.byte_len().unwrap_or(0)).unwrap_or(0);
    let end = start.saturating_add(length).min(text.len());
    trim(text, start.min(end)..end)
}

/// The range without the white space at its end, which block scalars have.
fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    match text.get(range.clone()) {
        Some(slice) => range.start..range.start + slice.trim_end().len(),
        None => range,
    }
}

/// The byte at which a line and column (from 1, in characters) stand.
fn byte_of(text: &str, line: u64, column: u64) -> usize {
    let line = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let column = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = &text[start..];
    let rest = &rest[..rest.find('\n').unwrap_or(rest.len())];
    start + rest.char_indices().nth(column).map_or(rest.len(), |(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every scalar and key with what stands at its place.
    fn flatten(source: &Source, node: &Node, found: &mut Vec<(String, String)>) {
        let raw = |range: &Range<usize>| source.text()[range.clone()].to_owned();
        match &node.kind {
            Kind::List(items) => items.iter().for_each(|item| flatten(source, item, found)),
            Kind::Map(entries) => {
                for (key, value) in entries {
                    found.push((key.text.clone(), raw(&key.range)));
                    flatten(source, value, found);
                }
            }
            Kind::Text(text) => found.push((text.clone(), raw(&node.range))),
            other => found.push((format!("{other:?}"), raw(&node.range))),
        }
    }

    #[test]
    fn every_key_and_value_knows_where_it_stands() {
        let text = "\u{feff}# é\r\né: [a, 'it''s', \"\\u263a\"]\r\nblock: |\r\n  one\r\n  two\r\n\
                    n: -7\r\ndeep: {b: {c: true}}\r\nnothing:\r\n";
        let source = Source::new("p", text);
        let mut found = Vec::new();
        flatten(&source, &read(&source).tree.unwrap(), &mut found);
        let found: Vec<(&str, &str)> =
            found.iter().map(|(value, raw)| (value.as_str(), raw.as_str())).collect();
        assert_eq!(
            found,
            [
                ("é", "é"),
                ("a", "a"),
                ("it's", "'it''s'"),
                ("\u{263a}", "\"\\u263a\""),
                ("block", "block"),
                ("one\ntwo\n", "one\r\n  two"),
                ("n", "n"),
                ("Int(-7)", "-7"),
                ("deep", "deep"),
                ("b", "b"),
                ("c", "c"),
                ("Bool(true)", "true"),
                ("nothing", "nothing"),
                ("Null", ""),
            ]
        );
    }

    #[test]
    fn a_line_and_column_become_a_byte() {
        let text = "é: 1\n  ü: 2\n";
        assert_eq!(byte_of(text, 1, 1), 0);
        assert_eq!(&text[byte_of(text, 2, 3)..][..2], "ü");
        assert_eq!(byte_of(text, 1, 99), 5, "at most the end of the line");
        assert_eq!(byte_of(text, 99, 1), text.len());
    }
}
