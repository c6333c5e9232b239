//! What is refused, in our words and with our codes, and what to type instead.

use std::ops::Range;

use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;

use super::advice::{Advice, advice};
use super::blank::{Blank, property};
use super::{MAX_DEPTH, MAX_NODES, Node, range_of};
use crate::diagnostic::{Code, Diagnostic, Place, Source};

/// A refusal of the library.
pub(super) struct Refusal {
    pub(super) problem: Diagnostic,
    /// What to blank, so that reading can go on; `None` where nothing that follows can be trusted.
    pub(super) blank: Option<Blank>,
}

/// The library's refusal of a text, which is as long as the source.
pub(super) fn explain(source: &Source, text: &str, error: &Error) -> Refusal {
    let range = error.location().map_or(0..0, |location| range_of(text, location));
    let word = |mark| property(text, range.start, mark);
    let place = |range: &Option<Range<usize>>, or: &Range<usize>| {
        Place::new(source, range.clone().unwrap_or_else(|| or.clone()))
    };
    let end = |problem| Refusal { problem, blank: None };
    match error {
        Error::Budget { breach: BudgetBreach::Anchors { .. }, .. } => {
            let word = word('&');
            let problem = alias(place(&word, &range));
            Refusal { problem, blank: word.map(Blank::Property) }
        }
        Error::Budget { breach: BudgetBreach::Aliases { .. }, .. }
        | Error::UnknownAnchor { .. }
        | Error::AliasError { .. } => {
            let word = word('*');
            let problem = alias(place(&word, &range));
            Refusal { problem, blank: word.map(Blank::Alias) }
        }
        Error::UnsupportedTag { .. } | Error::TaggedStructFieldName { .. } => {
            let word = word('!');
            let problem = tag(place(&word, &range));
            Refusal { problem, blank: word.map(Blank::Property) }
        }
        Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            let message = "a file is one document, and here a second one begins";
            let problem = Diagnostic::error(Code::UnsupportedYaml, message)
                .at(Place::new(source, range.clone()), "second document")
                .help("take the `---` and what follows out");
            Refusal { problem, blank: Some(Blank::From(range.start)) }
        }
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => end(too_deep(source, range)),
        Error::Budget { .. } => {
            let message = format!("more than {MAX_NODES} values in one file");
            end(Diagnostic::error(Code::TooLarge, message)
                .at(Place::new(source, range), "reading stopped here")
                .help("is this the right file?"))
        }
        error => {
            let full = error.to_string();
            // The place follows in the library's sentence; ours has it already.
            let message = full.rsplit_once(" at line ").map_or(full.as_str(), |(front, _)| front);
            if message.contains("recursion limit") || message.contains("nesting") {
                return end(too_deep(source, range));
            }
            let Advice { help, mend, because } = advice(text, range.start, message);
            let message = format!("not YAML: {}", shorten_sentence(message));
            let problem = Diagnostic::error(Code::NotYaml, message).help(help);
            let stopped = Place::new(source, range);
            let problem = match mend {
                Some((range, why)) => {
                    problem.at(Place::new(source, range), why).and(stopped, "reading stopped here")
                }
                None => problem.at(stopped, "here"),
            };
            end(match because {
                Some((range, why)) => problem.and(Place::new(source, range), why),
                None => problem,
            })
        }
    }
}

pub(super) fn directive(place: Place) -> Diagnostic {
    Diagnostic::error(Code::UnsupportedYaml, "YAML directives are not read")
        .at(place, "a directive")
        .help("take this line out")
}

pub(super) fn tag(place: Place) -> Diagnostic {
    Diagnostic::error(Code::UnsupportedYaml, "YAML tags (`!name`) are not read")
        .at(place, "a tag")
        .help("write the value without its tag; a text or an expression that begins with `!` goes in quotes")
}

fn alias(place: Place) -> Diagnostic {
    let message = "YAML anchors and aliases (`&name`, `*name`) are not read";
    Diagnostic::error(Code::UnsupportedYaml, message)
        .at(place, "here")
        .help("write the value out; text that begins with `&` or `*` goes in quotes")
}

pub(super) fn merge_key(place: Place) -> Diagnostic {
    Diagnostic::error(Code::UnsupportedYaml, "YAML merge keys (`<<`) are not read")
        .at(place, "merge key")
        .help("write the keys out where they belong")
}

pub(super) fn not_finite(place: Place) -> Diagnostic {
    Diagnostic::error(Code::UnsupportedYaml, "a number that is not finite")
        .at(place, "this")
        .help("if it is text, write it in quotes")
}

pub(super) fn key(place: Place, node: &Node) -> Diagnostic {
    let message = format!("a key must be text, not {}", node.describe());
    Diagnostic::error(Code::UnsupportedYaml, message)
        .at(place, "this key")
        .help("give it a name that is text")
}

/// A character that YAML has no place for.
pub(super) fn control(place: Place, c: char) -> Diagnostic {
    let message = format!("not YAML: the control character U+{:04X}", u32::from(c));
    Diagnostic::error(Code::NotYaml, message).at(place, "here, unseen").help(format!(
        "take it out; in double quotes it could be written `\\x{:02x}`",
        u32::from(c)
    ))
}

/// A character that ends a line to some readers.
pub(super) fn line_break(place: Place, c: char) -> Diagnostic {
    let message =
        format!("U+{:04X} ends a line to some YAML readers and not to others", u32::from(c));
    Diagnostic::error(Code::AmbiguousYaml, message).at(place, "here, unseen").help(format!(
        "take it out; in double quotes it could be written `\\u{:04x}`",
        u32::from(c)
    ))
}

fn too_deep(source: &Source, range: Range<usize>) -> Diagnostic {
    let message = format!("lists and mappings lie deeper in each other than {MAX_DEPTH} levels");
    Diagnostic::error(Code::TooLarge, message)
        .at(Place::new(source, range), "too deep")
        .help("is this the right file?")
}

fn shorten_sentence(text: &str) -> String {
    text.chars()
        .take(200)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}
