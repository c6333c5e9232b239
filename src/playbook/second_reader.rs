//! The second reading: the same text through another YAML reader, and through YAML 1.1's rules.
//!
//! What a person reads must be what the machine reads. A playbook that two readers, or two versions
//! of the language, take for different things is refused at every place where they part. Many
//! tools still read YAML 1.1, in which `no` is false and `0755` is 493: such words are refused
//! unless they are quoted. Instants are the exception: unquoted they mean the same to everyone.

use std::ops::Range;

use serde::{Deserialize, Deserializer};

use super::field::shorten;
use super::node::{Kind, Node, Plain};
use crate::diagnostic::{Code, Diagnostic, Place, Source};

/// What another reader would have taken for something else, all of it. `plain` is the text without what the
/// first reader refused.
pub(crate) fn agree(source: &Source, plain: &str, tree: &Node) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    // A mark of the byte order says nothing in UTF-8; the first reader passes over it too.
    let other = serde_yaml::from_str(plain.strip_prefix('\u{feff}').unwrap_or(plain));
    let other: Option<Other> = match other {
        Ok(other) => Some(other),
        Err(error) => {
            let at = error.location().map_or(0, |location| location.index());
            let message = "a second YAML reader does not read this file";
            problems.push(
                ambiguous(source, at..at, message, "it stops here")
                    .help("write it more plainly: quote text, indent with spaces"),
            );
            None
        }
    };
    compare(source, tree, other.as_ref(), &mut problems);
    problems
}

/// The tree as the second reader sees it.
struct Other(Plain<Other>);

impl<'de> Deserialize<'de> for Other {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Plain::deserialize(deserializer).map(Self)
    }
}

/// Without the other reader's value what YAML 1.1 makes of ours is looked at all the same.
fn compare(source: &Source, node: &Node, other: Option<&Other>, problems: &mut Vec<Diagnostic>) {
    let other = other.map(|Other(other)| other);
    match (&node.kind, other) {
        (Kind::List(ours), _) => {
            let theirs = match other {
                Some(Plain::List(theirs)) if theirs.len() == ours.len() => Some(theirs),
                None => None,
                Some(other) => return problems.push(differ(source, node.range.clone(), other)),
            };
            for (at, ours) in ours.iter().enumerate() {
                compare(source, ours, theirs.map(|theirs| &theirs[at]), problems);
            }
        }
        (Kind::Map(ours), _) => {
            let theirs = match other {
                Some(Plain::Map(theirs)) if theirs.len() == ours.len() => Some(theirs),
                None => None,
                Some(other) => return problems.push(differ(source, node.range.clone(), other)),
            };
            for (at, (key, value)) in ours.iter().enumerate() {
                let theirs = theirs.map(|theirs| &theirs[at]);
                let text = Kind::Text(key.text.clone());
                problems.extend(objection(
                    source,
                    &text,
                    &key.range,
                    theirs.map(|(key, _)| &key.0),
                ));
                compare(source, value, theirs.map(|(_, value)| value), problems);
            }
        }
        (scalar, _) => problems.extend(objection(source, scalar, &node.range, other)),
    }
}

/// What is to be said against a scalar or a key, if anything.
fn objection(
    source: &Source,
    ours: &Kind,
    range: &Range<usize>,
    other: Option<&Plain<Other>>,
) -> Option<Diagnostic> {
    let raw = source.text().get(range.clone()).unwrap_or_default();
    match ours {
        Kind::Text(text) => {
            if let Some(meaning) = yaml11(source, range, text) {
                return Some(in_yaml11(source, range.clone(), text, meaning));
            }
        }
        Kind::Int(_) if !is_plain_decimal(raw) => {
            let meaning = "a number in a notation of its own";
            return Some(in_yaml11(source, range.clone(), raw, meaning));
        }
        _ => {}
    }
    let other = other?;
    let same = match (ours, other) {
        (Kind::Null, Plain::Null) => true,
        (Kind::Bool(ours), Plain::Bool(theirs)) => ours == theirs,
        // Larger ones are whole numbers to some readers and fractions to others.
        (Kind::Int(ours), Plain::Int(theirs)) => {
            ours == theirs && (i64::try_from(*ours).is_ok() || u64::try_from(*ours).is_ok())
        }
        (Kind::Float(ours), Plain::Float(theirs)) => ours.to_bits() == theirs.to_bits(),
        (Kind::Text(ours), Plain::Text(theirs)) => ours == theirs,
        _ => false,
    };
    (!same).then(|| differ(source, range.clone(), other))
}

/// What YAML 1.1 takes an unquoted text for, where that is not text.
fn yaml11(source: &Source, range: &Range<usize>, text: &str) -> Option<&'static str> {
    // Quoted text is longer in the source than it is; only text that stands there as it is can be
    // plain. (A block scalar can, too: then it is refused for nothing, and quoting mends it.)
    if source.text().get(range.clone()) != Some(text) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "y" | "yes" | "on" | "true" => return Some("true"),
        "n" | "no" | "off" | "false" => return Some("false"),
        "null" | "~" => return Some("nothing"),
        "=" | "<<" => return Some("an instruction"),
        _ => {}
    }
    let unsigned = lower.strip_prefix(['-', '+']).unwrap_or(&lower);
    if is_yaml11_number(unsigned) {
        Some("a number")
    } else if is_base_60(unsigned) {
        Some("a number in base 60")
    } else {
        None
    }
}

/// Numbers in notations that not every reader knows: `0755`, `1_000`, `0b1010`, `0o17`.
fn is_yaml11_number(text: &str) -> bool {
    let radix = ["0b", "0o", "0x"].iter().find_map(|prefix| text.strip_prefix(prefix));
    if let Some(digits) = radix {
        return !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_');
    }
    let fraction = text.contains('_') && !text.starts_with('_');
    text.starts_with(|c: char| c.is_ascii_digit() || (fraction && c == '.'))
        && (text.bytes().all(|b| b.is_ascii_digit() || b == b'_')
            || (fraction && text.bytes().all(|b| b.is_ascii_digit() || b"_.e+-".contains(&b))))
}

/// `12:30:45`, which YAML 1.1 takes for 45045.
fn is_base_60(text: &str) -> bool {
    let mut parts = text.split(':');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    parts.next().is_some_and(digits) && {
        let rest: Vec<&str> = parts.collect();
        !rest.is_empty()
            && rest.iter().all(|part| {
                let whole = part.split('.').next().unwrap_or_default();
                digits(whole) && whole.len() <= 2
            })
    }
}

/// Whether a number is written as everybody writes it.
fn is_plain_decimal(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    digits == "0"
        || (!digits.starts_with('0')
            && !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit()))
}

fn in_yaml11(source: &Source, range: Range<usize>, text: &str, meaning: &str) -> Diagnostic {
    let text = shorten(text);
    ambiguous(
        source,
        range,
        &format!("`{text}` is {meaning} to some YAML readers and not to others"),
        "could mean two things",
    )
    .help(match meaning {
        "true" | "false" => format!("write \"{text}\" if it is text, {meaning} if it is not"),
        "nothing" => format!("write \"{text}\" if it is text, or leave it out"),
        "an instruction" => format!("write \"{text}\""),
        _ => format!("write \"{text}\" if it is text; a number is written in plain decimal digits"),
    })
}

fn differ(source: &Source, range: Range<usize>, other: &Plain<Other>) -> Diagnostic {
    let theirs = match other {
        Plain::Null => "nothing".to_owned(),
        Plain::Bool(b) => format!("the truth value {b}"),
        Plain::Int(n) => format!("the number {n}"),
        Plain::Float(n) => format!("the number {n}"),
        Plain::Text(text) => format!("the text `{}`", shorten(text)),
        Plain::List(_) => "another list".to_owned(),
        Plain::Map(_) => "another mapping".to_owned(),
    };
    ambiguous(
        source,
        range,
        &format!("a second YAML reader takes this for {theirs}"),
        "two readers differ here",
    )
    .help("if it is text, write it in quotes")
}

fn ambiguous(source: &Source, range: Range<usize>, message: &str, label: &str) -> Diagnostic {
    Diagnostic::error(Code::AmbiguousYaml, message).at(Place::new(source, range), label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::yaml;

    fn verdict(text: &str) -> Option<String> {
        let source = Source::new("p", text);
        yaml::read(&source).problems.first().map(Diagnostic::to_string)
    }

    #[test]
    fn a_mark_of_the_byte_order_is_passed_over() {
        assert_eq!(verdict("\u{feff}title: one\n"), None);
    }

    #[test]
    fn words_that_two_versions_of_yaml_read_differently_are_refused() {
        for word in [
            "no",
            "NO",
            "yes",
            "Off",
            "on",
            "y",
            "N",
            "0755",
            "012345678901",
            "0o17",
            "0x1F",
            "0b101",
            "1_000",
            "1_0.5",
            "12:30:45",
            "190:20:30.15",
            "=",
            "+5",
            "1_000_000",
        ] {
            let found = verdict(&format!("a: {word}\n"));
            assert!(found.as_deref().unwrap_or_default().contains("p:1:4"), "{word}: {found:?}");
            assert!(verdict(&format!("{word}: a\n")).is_some(), "{word} is no key either");
            for quoted in [format!("a: \"{word}\"\n"), format!("a: '{word}'\n")] {
                assert_eq!(verdict(&quoted), None, "{quoted}");
            }
        }
    }

    #[test]
    fn words_that_everybody_reads_alike_are_taken() {
        for word in [
            "true",
            "False",
            "~",
            "null",
            "",
            "0",
            "-7",
            "493",
            "123456789012",
            "1.5",
            "2026-03-19",
            "2026-03-19T00:00:00Z",
            "nobody",
            "yes-man",
            "1m 30s",
            "a:b",
            "AKIA0755",
            "1.2.3",
            "arn:aws:iam::012345678901:user/a",
            "10.0.0.0/8",
            "_1",
            "no.",
            "prod/ci/key",
            "12:a",
        ] {
            assert_eq!(verdict(&format!("a: {word}\n")), None, "{word}");
        }
    }

    #[test]
    fn numbers_too_large_for_one_reader_are_refused() {
        assert!(verdict("a: 12345678901234567890123\n").is_some());
    }
}
