//! YAML as a tree in which every key and value knows its place.
//!
//! Reads only the plain core of YAML: one document of mappings, lists and scalars. Whatever gives
//! the same text a second meaning (anchors, aliases, tags, merge keys, directives, keys that are not
//! text) is refused, as is input too large to be a playbook, before it costs memory or stack.
//! `second_reader` then holds the tree against what another reader saw. Knows nothing of playbooks.
//! Stops at the first problem: after it, nothing that follows can be trusted.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::MergeKeyPolicy;
use serde_saphyr::{Error, Location, Spanned, Tagged};

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
    let message =
        format!("the file is longer than a playbook, which has at most {MAX_BYTES} bytes");
    Diagnostic::error(Code::TooLarge, message)
        .at(Place::new(source, 0..0), "")
        .help("is this the right file?")
}

/// Reads the text into a tree.
pub(crate) fn read(source: &Source) -> Result<Node, Diagnostic> {
    let text = source.text();
    if text.len() > MAX_BYTES {
        return Err(too_long(source));
    }
    refuse_directives(source)?;
    let options = serde_saphyr::options! {
        strict_booleans: true,
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
        merge_keys: MergeKeyPolicy::Error,
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_anchors: 0,
            max_aliases: 0,
            max_merge_keys: 0,
        },
    };
    let raw: Raw = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| explain(source, error.without_snippet()))?;
    convert(source, raw)
}

/// `%YAML` and `%TAG` lines change what follows; nothing a reader of a playbook should have to know.
fn refuse_directives(source: &Source) -> Result<(), Diagnostic> {
    let mut start = 0;
    for line in source.text().split_inclusive('\n') {
        let content = line.trim_start_matches('\u{feff}').trim();
        if line.trim_start_matches('\u{feff}').starts_with('%') {
            let place = Place::new(source, start..start + line.trim_end().len());
            return Err(Diagnostic::error(Code::UnsupportedYaml, "YAML directives are not read")
                .at(place, "a directive")
                .help("take this line out"));
        }
        if !content.is_empty() && !content.starts_with('#') {
            break;
        }
        start += line.len();
    }
    Ok(())
}

/// What serde gives: the tree as the library sees it.
type Raw = Tagged<Spanned<RawKind>>;

enum RawKind {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Raw>),
    Map(Vec<(Raw, Raw)>),
}

impl<'de> Deserialize<'de> for RawKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = RawKind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a YAML value")
            }

            fn visit_unit<E>(self) -> Result<RawKind, E> {
                Ok(RawKind::Null)
            }

            fn visit_none<E>(self) -> Result<RawKind, E> {
                Ok(RawKind::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<RawKind, E> {
                Ok(RawKind::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<RawKind, E> {
                Ok(RawKind::Int(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<RawKind, E> {
                Ok(RawKind::Int(value.into()))
            }

            fn visit_i128<E>(self, value: i128) -> Result<RawKind, E> {
                Ok(RawKind::Int(value))
            }

            fn visit_f64<E>(self, value: f64) -> Result<RawKind, E> {
                Ok(RawKind::Float(value))
            }

            fn visit_str<E>(self, value: &str) -> Result<RawKind, E> {
                Ok(RawKind::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawKind, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(RawKind::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawKind, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(RawKind::Map(entries))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

fn convert(source: &Source, Tagged(spanned, tag): Raw) -> Result<Node, Diagnostic> {
    let range = range_of(source, spanned.referenced);
    if tag.is_some() {
        return Err(Diagnostic::error(Code::UnsupportedYaml, "YAML tags (`!name`) are not read")
            .at(Place::new(source, with_properties(source, range)), "tagged")
            .help(BANG));
    }
    let too_many = |what: &str, count: usize| {
        (count > MAX_ENTRIES).then(|| {
            Diagnostic::error(
                Code::TooLarge,
                format!("{what} with {count} entries; at most {MAX_ENTRIES} are read"),
            )
            .at(Place::new(source, range.clone()), "begins here")
            .help("split the playbook")
        })
    };
    let kind = match spanned.value {
        RawKind::Null => Kind::Null,
        RawKind::Bool(b) => Kind::Bool(b),
        RawKind::Int(n) => Kind::Int(n),
        RawKind::Float(n) => Kind::Float(n),
        RawKind::Text(text) => Kind::Text(text),
        RawKind::List(items) => {
            if let Some(problem) = too_many("a list", items.len()) {
                return Err(problem);
            }
            Kind::List(
                items.into_iter().map(|item| convert(source, item)).collect::<Result<_, _>>()?,
            )
        }
        RawKind::Map(entries) => {
            if let Some(problem) = too_many("a mapping", entries.len()) {
                return Err(problem);
            }
            let mut converted = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                converted.push((convert_key(source, key)?, convert(source, value)?));
            }
            Kind::Map(converted)
        }
    };
    Ok(Node { kind, range })
}

fn convert_key(source: &Source, key: Raw) -> Result<Key, Diagnostic> {
    let node = convert(source, key)?;
    match node.kind {
        Kind::Text(text) => Ok(Key { text, range: node.range }),
        _ => Err(Diagnostic::error(
            Code::UnsupportedYaml,
            format!("a key must be text, not {}", node.describe()),
        )
        .at(Place::new(source, node.range), "this key")
        .help("write the key in quotes")),
    }
}

fn range_of(source: &Source, location: Location) -> Range<usize> {
    let span = location.span();
    let Some(start) = span.byte_offset() else {
        let at = byte_of(source.text(), location.line(), location.column());
        return at..at;
    };
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let length = usize::try_from(span.byte_len().unwrap_or(0)).unwrap_or(0);
    let end = start.saturating_add(length).min(source.text().len());
    trim(source.text(), start.min(end)..end)
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

/// Where the key at `again` stood first: between the two there are only lines further to the right,
/// so it is the nearest line above with the same key in the same column. In a mapping on one line
/// it is not looked for.
fn first_of(text: &str, again: &Range<usize>) -> Option<Range<usize>> {
    let key = text.get(again.clone())?;
    let line_start = text[..again.start].rfind('\n')? + 1;
    let column = again.start - line_start;
    let mut end = line_start;
    while end > 0 {
        let start = text[..end - 1].rfind('\n').map_or(0, |i| i + 1);
        let line = &text[start..end];
        if let (Some(before), Some(here)) = (line.get(..column), line.get(column..))
            && before.bytes().all(|b| b == b' ' || b == b'-')
            && here.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'))
        {
            return Some(start + column..start + column + key.len());
        }
        end = start;
    }
    None
}

/// The range, begun at the tag or anchor that stands before it on its line.
fn with_properties(source: &Source, range: Range<usize>) -> Range<usize> {
    let mut start = range.start;
    loop {
        let before = source.text()[..start].trim_end_matches(' ');
        let word = before.rfind([' ', '\n', '[', '{', ',']).map_or(0, |i| i + 1);
        if !before[word..].starts_with(['!', '&']) {
            return start..range.end;
        }
        start = word;
    }
}

/// The library's refusal, in our words and with our codes.
fn explain(source: &Source, error: &Error) -> Diagnostic {
    let range = error.location().map_or(0..0, |location| range_of(source, location));
    let at = |code, message: &str, label: &str, help: Option<&str>| {
        let range = match code {
            Code::UnsupportedYaml => with_properties(source, range.clone()),
            _ => range.clone(),
        };
        Diagnostic::error(code, message)
            .at(Place::new(source, range), label)
            .help_if(help.map(str::to_owned))
    };
    match error {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().map(shorten).unwrap_or_default();
            let message = format!("the key `{key}` stands twice in one mapping");
            let problem =
                at(Code::DuplicateKey, &message, "again here", Some("keep one of the two"));
            match first_of(source.text(), &range) {
                Some(first) => problem.and(Place::new(source, first), "first here"),
                None => problem,
            }
        }
        Error::Budget { breach, .. } => match breach {
            BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. } => refused_alias(&at),
            BudgetBreach::Documents { .. } => at(
                Code::UnsupportedYaml,
                "a playbook is one document, and here a second one begins",
                "second document",
                Some("take the `---` and what follows out"),
            ),
            BudgetBreach::Depth { .. } => too_deep(&at),
            _ => at(
                Code::TooLarge,
                "more values than a playbook has",
                "reading stopped here",
                Some("is this the right file?"),
            ),
        },
        Error::UnknownAnchor { .. } | Error::AliasError { .. } => refused_alias(&at),
        Error::MergeKeyNotAllowed { .. } => at(
            Code::UnsupportedYaml,
            "YAML merge keys (`<<`) are not read",
            "merge key",
            Some("write the keys out where they belong"),
        ),
        Error::UnsupportedTag { .. } | Error::TaggedStructFieldName { .. } => {
            at(Code::UnsupportedYaml, "YAML tags (`!name`) are not read", "tagged", Some(BANG))
        }
        Error::NonFiniteFloat { .. } => at(
            Code::UnsupportedYaml,
            "a number that is not finite",
            "this",
            Some("if it is text, write it in quotes"),
        ),
        error => {
            let full = error.to_string();
            // The place follows in the library's sentence; ours has it already.
            let message = full.rsplit_once(" at line ").map_or(full.as_str(), |(front, _)| front);
            if message.contains("recursion limit") || message.contains("nesting") {
                return too_deep(&at);
            }
            let help = help_for(source.text(), range.start, message);
            at(Code::NotYaml, &format!("not YAML: {}", shorten_sentence(message)), "here", help)
        }
    }
}

/// What to do about a text that is no YAML, by where the library stopped and why.
fn help_for(text: &str, at: usize, message: &str) -> Option<&'static str> {
    let start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let before = &text[start..at];
    let indent = line.len() - line.trim_start_matches([' ', '-']).len();
    // `key: ...`, with nothing before the key.
    let key = line[indent..].split_once(':').map(|(key, _)| key);
    let is_key = key.is_some_and(|key| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
    });
    let at_its_colon = is_key && before.len() == indent + key.map_or(0, str::len);
    let at_its_begin = is_key && before.len() <= indent;
    if message.contains("tab") {
        return Some("indent with spaces: there is a tab here, or where the next line begins");
    }
    if message.contains("unclosed quote") {
        return Some("the quote that begins here has no end: close it");
    }
    // In quotes it would not have been the expression.
    let bare = line.match_indices("${{").any(|(i, _)| !line[..i].contains(['"', '\'']));
    if message.contains("mapping values are not allowed") && (at_its_colon || !bare) {
        return Some(if at_its_colon {
            "this key begins further to the right than the one above it: let both begin in the same column"
        } else {
            "put a text that has a colon and a space in it in quotes"
        });
    }
    if message.contains("did not find expected") && at_its_begin {
        return Some(
            "this key begins further to the left than those it belongs with: let it begin in their column",
        );
    }
    bare.then_some("put the whole expression in quotes: \"${{ ... }}\"")
}

/// What to do where `!` begins a value.
const BANG: &str =
    "write the value without its tag; a text or an expression that begins with `!` goes in quotes";

type At<'a> = dyn Fn(Code, &str, &str, Option<&str>) -> Diagnostic + 'a;

fn refused_alias(at: &At<'_>) -> Diagnostic {
    at(
        Code::UnsupportedYaml,
        "YAML anchors and aliases (`&name`, `*name`) are not read",
        "here",
        Some("write the value out; text that begins with `&` or `*` goes in quotes"),
    )
}

fn too_deep(at: &At<'_>) -> Diagnostic {
    at(
        Code::TooLarge,
        &format!("lists and mappings lie deeper in each other than {MAX_DEPTH} levels"),
        "too deep",
        Some("is this the right file?"),
    )
}

fn shorten_sentence(text: &str) -> String {
    text.chars()
        .take(200)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
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
        flatten(&source, &read(&source).unwrap(), &mut found);
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
