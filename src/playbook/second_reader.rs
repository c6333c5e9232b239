//! The second reading: the same text through another YAML reader, and through YAML 1.1's rules.
//!
//! What a person reads must be what the machine reads. A playbook that two readers, or two versions
//! of the language, take for different things is refused with the first place where they part. Many
//! tools still read YAML 1.1, in which `no` is false and `0755` is 493: such words are refused
//! unless they are quoted. Instants are the exception: unquoted they mean the same to everyone.

use std::ops::Range;

use serde_yaml::Value;

use super::field::shorten;
use super::node::{Kind, Node};
use crate::diagnostic::{Code, Diagnostic, Place, Source};

/// Refuses a text whose tree another reader would not have built.
pub(crate) fn agree(source: &Source, tree: &Node) -> Result<(), Diagnostic> {
    // A mark of the byte order says nothing in UTF-8; the first reader passes over it too.
    let text = source.text().strip_prefix('\u{feff}').unwrap_or(source.text());
    let other: Value = serde_yaml::from_str(text).map_err(|error| {
        let at = error.location().map_or(0, |location| location.index());
        ambiguous(source, at..at, "a second YAML reader does not read this file", "it stops here")
            .help("write it more plainly: quote text, indent with spaces")
    })?;
    compare(source, tree, &other)
}

fn compare(source: &Source, node: &Node, other: &Value) -> Result<(), Diagnostic> {
    let same = match (&node.kind, other) {
        (Kind::Null, Value::Null) => true,
        (Kind::Bool(ours), Value::Bool(theirs)) => ours == theirs,
        (Kind::Int(ours), Value::Number(theirs)) => {
            theirs.as_i64().map(i128::from).or(theirs.as_u64().map(i128::from)) == Some(*ours)
                && is_plain_decimal(source, &node.range)
        }
        (Kind::Float(ours), Value::Number(theirs)) => {
            theirs.is_f64() && theirs.as_f64().map(f64::to_bits) == Some(ours.to_bits())
        }
        (Kind::Text(ours), Value::String(theirs)) => {
            ours == theirs && yaml11(source, &node.range, ours).is_none()
        }
        (Kind::List(ours), Value::Sequence(theirs)) if ours.len() == theirs.len() => {
            for (ours, theirs) in ours.iter().zip(theirs) {
                compare(source, ours, theirs)?;
            }
            true
        }
        (Kind::Map(ours), Value::Mapping(theirs)) if ours.len() == theirs.len() => {
            for ((key, value), (their_key, their_value)) in ours.iter().zip(theirs) {
                if their_key.as_str() != Some(&key.text) {
                    return Err(differ(source, key.range.clone(), their_key));
                }
                if let Some(meaning) = yaml11(source, &key.range, &key.text) {
                    return Err(in_yaml11(source, key.range.clone(), &key.text, meaning));
                }
                compare(source, value, their_value)?;
            }
            true
        }
        _ => false,
    };
    if same {
        return Ok(());
    }
    let raw = source.text().get(node.range.clone()).unwrap_or_default();
    if let Kind::Text(text) = &node.kind
        && let Some(meaning) = yaml11(source, &node.range, text)
    {
        return Err(in_yaml11(source, node.range.clone(), text, meaning));
    }
    if let Kind::Int(_) = &node.kind
        && !is_plain_decimal(source, &node.range)
    {
        return Err(in_yaml11(
            source,
            node.range.clone(),
            raw,
            "a number in a notation of its own",
        ));
    }
    Err(differ(source, node.range.clone(), other))
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
fn is_plain_decimal(source: &Source, range: &Range<usize>) -> bool {
    let raw = source.text().get(range.clone()).unwrap_or_default();
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

fn differ(source: &Source, range: Range<usize>, other: &Value) -> Diagnostic {
    let theirs = match other {
        Value::Null => "nothing".to_owned(),
        Value::Bool(b) => format!("the truth value {b}"),
        Value::Number(n) => format!("the number {n}"),
        Value::String(text) => format!("the text `{}`", shorten(text)),
        Value::Sequence(_) => "another list".to_owned(),
        Value::Mapping(_) => "another mapping".to_owned(),
        Value::Tagged(_) => "a tagged value".to_owned(),
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
    use crate::playbook::node;

    fn verdict(text: &str) -> Option<String> {
        let source = Source::new("p", text);
        let verdict = node::read(&source).and_then(|tree| agree(&source, &tree));
        verdict.err().map(|problem| problem.to_string())
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
