//! Reading on behind what is refused: it is blanked in a copy of the text, as if it had been taken out.
//!
//! The copy keeps its length, so that every place stays where it is. Knows YAML's words, not why they are refused.

use std::ops::Range;

use super::{Reading, refusal};
use crate::diagnostic::{Place, Source};

/// What is blanked.
#[derive(Debug)]
pub(super) enum Blank {
    /// A tag or an anchor: what it stands before stays.
    Property(Range<usize>),
    /// An alias: a text of the same length takes its place, which no field is likely to take.
    Alias(Range<usize>),
    /// A second document.
    From(usize),
}

impl Blank {
    /// Blanks it. `true` where a key on the same line may belong to those below it no more, since its column
    /// is another now.
    pub(super) fn over(self, text: &mut String) -> bool {
        match self {
            Self::Property(word) => {
                let line = text[..word.start].rfind('\n').map_or(0, |i| i + 1);
                let first = text[line..word.start].bytes().all(|b| b" -?".contains(&b));
                let behind = text[word.end..].lines().next().unwrap_or_default();
                let key = first && behind.contains(':');
                // With nothing to stand before, it stands for a value itself, as an alias does.
                let filling = if has_value(text, &word) { " " } else { "x" };
                text.replace_range(word.clone(), &filling.repeat(word.len()));
                key
            }
            Self::Alias(word) => {
                text.replace_range(word.clone(), &"x".repeat(word.len()));
                false
            }
            Self::From(start) => {
                // Directives before it are its own.
                let mut start = start;
                while let Some(line) = text[..start].strip_suffix('\n') {
                    let before = line.rfind('\n').map_or(0, |i| i + 1);
                    if !line[before..].starts_with('%') {
                        break;
                    }
                    start = before;
                }
                text.replace_range(start.., &" ".repeat(text.len() - start));
                false
            }
        }
    }
}

/// Characters that nobody sees, and that YAML has no place for, or that end a line to some readers.
pub(super) fn unseen(source: &Source, reading: &mut Reading) {
    /// Nobody reads the next.
    const AT_MOST: usize = 16;
    let ends_a_line = |c: char| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}');
    let is_unseen = |c: char| ends_a_line(c) || c.is_control() && !"\t\n\r".contains(c);
    if !reading.plain.contains(is_unseen) {
        return;
    }
    let plain = std::mem::take(&mut reading.plain);
    let mut told = 0;
    for (at, c) in plain.char_indices() {
        if !is_unseen(c) {
            reading.plain.push(c);
            continue;
        }
        // As long, and one character too.
        reading.plain.push(match c.len_utf8() {
            1 => ' ',
            2 => '\u{a0}',
            _ => '\u{2003}',
        });
        told += 1;
        if told <= AT_MOST {
            let place = Place::new(source, at..at + c.len_utf8());
            reading.problems.push(if ends_a_line(c) {
                refusal::line_break(place, c)
            } else {
                refusal::control(place, c)
            });
        }
    }
}

/// Where what stands whole above a place ends: the beginning of the entry, or of the item of a list, that the place is
/// in. `None` where nothing stands above.
pub(super) fn whole_above(text: &str, at: usize) -> Option<usize> {
    let end = text[at..].find('\n').map_or(text.len(), |i| at + i + 1);
    let starts = text[..end].match_indices('\n').map(|(i, _)| i + 1).filter(|start| *start < end);
    let starts: Vec<usize> = std::iter::once(0).chain(starts).collect();
    let begins_an_entry = |start: &usize| {
        let line = &text[*start..];
        !line.starts_with([' ', '#', '\n', '\r', '-', ']', '}', '\t']) && !line.is_empty()
    };
    let entry = starts.iter().rposition(begins_an_entry)?;
    // Of a list as far as it goes: an item that begins as the first does, and is not the first.
    let items = &starts[entry + 1..];
    let indent = |start: usize| text[start..].len() - text[start..].trim_start_matches(' ').len();
    let is_item = |start: &&usize| text[**start..].trim_start_matches(' ').starts_with("- ");
    let says_something = |start: &&usize| {
        let line = text[**start..].trim_start_matches(' ');
        !line.starts_with(['#', '\n', '\r']) && !line.is_empty()
    };
    let first = items.iter().find(says_something).filter(is_item);
    let last = first.and_then(|first| {
        items
            .iter()
            .filter(is_item)
            .rev()
            .find(|one| indent(**one) == indent(*first) && *one > first)
    });
    Some(last.copied().unwrap_or(starts[entry])).filter(|end| *end > 0)
}

/// `%YAML` and `%TAG` lines change what follows; nothing a reader of a playbook should have to know.
pub(super) fn directives(source: &Source, reading: &mut Reading) {
    let mut start = 0;
    for line in source.text().split_inclusive('\n') {
        let content = line.trim_start_matches('\u{feff}').trim();
        if line.trim_start_matches('\u{feff}').starts_with('%') {
            let line = start..start + line.trim_end().len();
            reading.problems.push(refusal::directive(Place::new(source, line.clone())));
            reading.plain.replace_range(line.clone(), &" ".repeat(line.len()));
        } else if !content.is_empty() && !content.starts_with('#') {
            break;
        }
        start += line.len();
    }
}

/// The tag (`!`), anchor (`&`) or alias (`*`) that begins at a place, or stands before it with nothing but white
/// space and words of that kind between.
pub(super) fn property(text: &str, at: usize, mark: char) -> Option<Range<usize>> {
    let ends = |c: char| c.is_whitespace() || ",[]{}".contains(c);
    let mut start = at;
    while !text[start..].starts_with(mark) {
        let before = text[..start].trim_end();
        let word = before.char_indices().rev().find(|(_, c)| ends(*c));
        let mut word = word.map_or(0, |(i, c)| i + c.len_utf8());
        if before.ends_with('>') {
            // A tag that is written out may have commas in it.
            word = before.rfind("!<").unwrap_or(word);
        }
        if !before[word..].starts_with(['!', '&']) {
            return None;
        }
        start = word;
    }
    let rest = &text[start..];
    let end = match rest.strip_prefix("!<").and_then(|verbatim| verbatim.find('>')) {
        Some(end) => end + "!<>".len(),
        None => rest.find(ends).unwrap_or(rest.len()),
    };
    Some(start..start + end)
}

/// Whether anything follows a word that it can stand before: on its line, or further in on the next.
fn has_value(text: &str, word: &Range<usize>) -> bool {
    let mut lines = text[word.end..].lines();
    let behind = lines.next().unwrap_or_default().trim_start();
    if !behind.is_empty() && !behind.starts_with('#') {
        return !behind.starts_with([',', ']', '}']);
    }
    let begin = text[..word.start].rfind('\n').map_or(0, |i| i + 1);
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let own = indent(&text[begin..]);
    let next = lines.find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    next.is_some_and(|line| {
        let further = indent(line);
        further > own || further == own && line.trim_start().starts_with("- ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_where_it_begins_and_before_what_it_belongs_to() {
        let word = |text: &'static str, at: &str, mark| {
            property(text, text.find(at).unwrap(), mark).map(|range| &text[range])
        };
        assert_eq!(word("a: &one [x]", "[x", '&'), Some("&one"));
        assert_eq!(word("a: &one\n  b: 1", "b", '&'), Some("&one"));
        assert_eq!(word("a: &one !two\n  b: 1", "b", '&'), Some("&one"));
        assert_eq!(word("[*one, b]", "*one", '*'), Some("*one"));
        assert_eq!(word("é: !x é", "é:", '!'), None);
        assert_eq!(word("a: b", "b", '!'), None);
        assert_eq!(word("a: !<tag:x,1:y> b", "b", '!'), Some("!<tag:x,1:y>"));
    }
}
