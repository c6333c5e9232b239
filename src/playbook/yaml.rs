//! A text as one tree: what both readers take it for, and every problem either has with it.
//!
//! Whatever a person would read otherwise than a machine does is a problem too: signs that turn a line's direction.
//! Knows nothing of playbooks. Without a tree nothing can be said of what stands in the text.

use super::field::shorten;
use super::node::{self, Key, Kind, Node};
use super::second_reader;
use crate::diagnostic::{Code, Diagnostic, Place, Source};

/// What came of reading a text.
pub(super) struct Text {
    /// Every key is in it once, the first time it stands there. There is none where the text is no YAML from its
    /// beginning, or too large.
    pub(super) tree: Option<Node>,
    /// Whether the text is no YAML somewhere: then the tree is of what stands above that, and of what should stand
    /// there nothing may be called missing.
    pub(super) cut_short: bool,
    /// The same with the last, where a key stands twice: what is wrong with one of the two is said too.
    pub(super) other: Option<Node>,
    pub(super) problems: Vec<Diagnostic>,
}

/// Reads a text.
pub(super) fn read(source: &Source) -> Text {
    let mut broken: Vec<Diagnostic> =
        source.broken().map(|(place, byte)| not_utf_8(place, byte)).collect();
    if broken.len() > MOST_BROKEN {
        broken.truncate(1);
        return Text { tree: None, cut_short: false, other: None, problems: broken };
    }
    let node::Reading { tree, cut_short, plain, mut problems } = node::read(source);
    problems.extend(broken);
    problems.extend(turned(source));
    let Some(mut tree) = tree else {
        return Text { tree: None, cut_short, other: None, problems };
    };
    problems = all(second_reader::agree(source, &plain, &tree), problems);
    let mut twice = Vec::new();
    let mut other = tree.clone();
    once(source, &mut tree, Keeps::First, &mut twice);
    // Of keys that were refused it was said what is to become of them.
    let twice = all(twice, problems.clone()).split_off(problems.len());
    let other = (!twice.is_empty()).then(|| {
        once(source, &mut other, Keeps::Last, &mut Vec::new());
        other
    });
    problems.extend(twice);
    Text { tree: Some(tree), cut_short, other, problems }
}

/// What has more bytes in it that are no text was written in another encoding, or is no text at all.
const MOST_BROKEN: usize = 16;

fn not_utf_8(place: Place, byte: u8) -> Diagnostic {
    let message = format!("the file is not UTF-8: byte 0x{byte:02X} is not part of any character");
    Diagnostic::error(Code::NotYaml, message).at(place, "here").help("save the file as UTF-8")
}

/// Signs that make a line be shown in another order than it is read in.
fn turned(source: &Source) -> impl Iterator<Item = Diagnostic> {
    let turns = |(at, c): (usize, char)| {
        matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}').then(|| {
            let message =
                format!("U+{:04X} makes what follows be shown in another order", u32::from(c));
            Diagnostic::error(Code::AmbiguousYaml, message)
                .at(Place::new(source, at..at + c.len_utf8()), "here, unseen")
                .help("take it out")
        })
    };
    source.text().char_indices().filter_map(turns).take(16)
}

/// What was said of a text, and what is found in its tree without what only follows: nobody knows what a value
/// would be whose text was refused.
pub(super) fn all(mut found: Vec<Diagnostic>, mut said: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let refused = said
        .iter()
        .filter(|problem| matches!(problem.code, Code::UnsupportedYaml | Code::AmbiguousYaml))
        .filter_map(|problem| problem.primary.as_ref())
        .map(|label| &label.place)
        .filter(|place| !place.range().is_empty());
    // By where they begin: words that are refused do not lie in each other.
    let mut refused: Vec<&Place> = refused.collect();
    refused.sort();
    // Of signs that were taken out, nobody knows what the value was that they stand in.
    let mut signs: Vec<&Place> = said
        .iter()
        .filter(|problem| problem.code == Code::NotYaml)
        .filter_map(|problem| problem.primary.as_ref())
        .map(|label| &label.place)
        .collect();
    signs.sort();
    found.retain(|problem| {
        let Some(label) = &problem.primary else { return true };
        // What is not there follows from nothing that is.
        if problem.code == Code::MissingKey {
            return true;
        }
        let here = label.place.range();
        let (at, source) = (here.start, label.place.source());
        let behind =
            refused.partition_point(|place| (place.source(), place.range().start) <= (source, at));
        let before = behind.checked_sub(1).map(|at| refused[at]);
        let first =
            signs.partition_point(|sign| (sign.source(), sign.range().start) < (source, at));
        let sign = signs.get(first).filter(|sign| sign.source() == source);
        if sign.is_some_and(|sign| sign.range().end <= here.end && !sign.range().is_empty()) {
            return false;
        }
        !before.is_some_and(|refused| {
            refused.source() == label.place.source() && here.end <= refused.range().end
        })
    });
    said.append(&mut found);
    said
}

/// Which of two scalars under one key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    First,
    Last,
}

/// Leaves of the keys that stand twice in a mapping one, and says so. What the second of two lists or mappings
/// holds goes behind the first, so that it is looked at too.
fn once(source: &Source, node: &mut Node, keeps: Keeps, problems: &mut Vec<Diagnostic>) {
    match &mut node.kind {
        Kind::List(items) => {
            for item in items {
                once(source, item, keeps, problems);
            }
        }
        Kind::Map(entries) => {
            let mut kept: Vec<(Key, Node)> = Vec::with_capacity(entries.len());
            for (key, mut value) in entries.drain(..) {
                once(source, &mut value, keeps, problems);
                let Some((first, before)) =
                    kept.iter_mut().find(|(first, _)| first.text == key.text)
                else {
                    kept.push((key, value));
                    continue;
                };
                let message =
                    format!("the key `{}` stands twice in one mapping", shorten(&key.text));
                let problem = Diagnostic::error(Code::DuplicateKey, message)
                    .at(Place::new(source, key.range), "again here")
                    .and(Place::new(source, first.range.clone()), "first here")
                    .help("keep one of the two");
                problems.push(problem);
                join(before, value, keeps);
            }
            *entries = kept;
        }
        _ => {}
    }
}

fn join(before: &mut Node, value: Node, keeps: Keeps) {
    match (&mut before.kind, value.kind) {
        (Kind::List(all), Kind::List(more)) => all.extend(more),
        (Kind::Map(all), Kind::Map(more)) => {
            for (key, value) in more {
                match all.iter_mut().find(|(known, _)| known.text == key.text) {
                    None => all.push((key, value)),
                    Some((_, before)) => join(before, value, keeps),
                }
            }
        }
        (_, kind) if keeps == Keeps::Last => *before = Node { kind, range: value.range },
        _ => {}
    }
}
