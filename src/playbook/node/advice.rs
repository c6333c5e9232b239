//! What to do about a text that is no YAML, by where reading stopped and why.
//!
//! Guesses, from the characters before that place: the mistake is there or a little before. Knows the sentences of the
//! library that reads, and nothing else does.

use std::ops::Range;

/// What to type, and where else to look.
pub(super) struct Advice {
    pub(super) help: String,
    /// The place to mend, if that is not where reading stopped, and what it is.
    pub(super) mend: Option<(Range<usize>, &'static str)>,
    /// Another place that it comes from, and what it is.
    pub(super) because: Option<(Range<usize>, &'static str)>,
}

impl From<&str> for Advice {
    fn from(help: &str) -> Self {
        help.to_owned().into()
    }
}

impl From<String> for Advice {
    fn from(help: String) -> Self {
        Self { help, mend: None, because: None }
    }
}

/// The advice for a text in which the library stopped at a place, saying `message`.
pub(super) fn advice(text: &str, at: usize, message: &str) -> Advice {
    let before = Before::of(text, at);
    let start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    if message.contains("tab") {
        return "indent with spaces: there is a tab here, or where the next line begins".into();
    }
    if message.contains("unclosed quote") {
        return "the quote that begins here has no end: close it".into();
    }
    if message.contains("after double-quoted scalar")
        || message.contains("after single-quoted scalar")
    {
        return behind_a_quote(&before, start, message.contains("single"));
    }
    if message.contains("escape") {
        return "in double quotes `\\` begins an escape: write it twice, or put the text in single quotes".into();
    }
    // In quotes it would not have been the expression.
    let bare =
        line.match_indices("${{").map(|(i, _)| i).find(|i| !line[..*i].contains(['"', '\'']));
    if message.contains("mismatched bracket") || message.contains("unclosed bracket") {
        if let Some(bare) = bare.filter(|bare| start + bare > at) {
            let expression = start + bare..start + bare + "${{".len();
            return Advice {
                mend: Some((expression, "without quotes, these are brackets")),
                ..in_quotes(line, bare).into()
            };
        }
        return unclosed(text[at..].chars().next().unwrap_or_default());
    }
    if message.contains("misplaced bracket") {
        return "nothing is open that this would close: take it out".into();
    }
    if let Some(&(open, bracket)) = before.brackets.last() {
        // Whatever reading stopped at on a line of its own, it still took for something within the brackets.
        if open < start {
            let end = closing(bracket);
            let help = format!(
                "close the `{bracket}` with `{end}`; where it is to go on here, a comma is missing before this"
            );
            let mend = Some((open..open + 1, "opened here, and not closed"));
            return Advice { mend, ..help.into() };
        }
        let within = ["flow", "','", "':' indicator", "simple key", "inside a block"];
        if bare.is_none() && within.iter().any(|word| message.contains(word)) {
            return unclosed(bracket);
        }
    }
    if let Some(first) = text[at..].chars().next()
        && message.contains("unexpected character")
        && "@`%".contains(first)
    {
        let named = if first == '`' { "a backtick".to_owned() } else { format!("`{first}`") };
        return format!("put a text that begins with {named} in quotes").into();
    }
    if message.contains("expected ':'") {
        return "behind a key stand a colon and a space: `title: ...`".into();
    }
    columns(&text[start..at], line, message, bare)
}

/// Mistakes of where a key begins, and of what stands behind one.
fn columns(before: &str, line: &str, message: &str, bare: Option<usize>) -> Advice {
    let indent = line.len() - line.trim_start_matches([' ', '-']).len();
    // `key: ...`, with nothing before the key.
    let key = line[indent..].split_once(':').map(|(key, _)| key);
    let is_key = key.is_some_and(|key| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
    });
    let at_its_colon = is_key && before.len() == indent + key.map_or(0, str::len);
    let at_its_begin = is_key && before.len() <= indent;
    if message.contains("mapping values are not allowed") && (at_its_colon || bare.is_none()) {
        return if at_its_colon {
            "this key begins further to the right than the one above it: let both begin in the same column"
        } else {
            "put a text that has a colon and a space in it in quotes"
        }
        .into();
    }
    if message.contains("did not find expected") && at_its_begin {
        return "this key begins further to the left than those it belongs with: let it begin in their column".into();
    }
    if let Some(bare) = bare {
        return in_quotes(line, bare).into();
    }
    if message.contains("did not find expected")
        && before.trim_end().ends_with([']', '}', '"', '\''])
    {
        return "nothing stands behind what is closed: put the whole text in quotes".into();
    }
    "look at this line and the one above it: a quote, a bracket, a comma or a colon is missing or too much; a text with \
     such signs in it goes in quotes"
        .into()
}

/// What goes in quotes where an expression stands without any at `at`: it alone, or with the text around it; in those
/// that it has not within itself.
fn in_quotes(line: &str, at: usize) -> String {
    let (before, from) = line.split_at(at);
    let begins = before.trim_end().is_empty()
        || before.trim_end().ends_with([':', '-', '[', '{', ','])
            && before.ends_with([' ', '[', '{']);
    let behind = from.split_once("}}").map_or("", |(_, behind)| behind.trim());
    let ends = behind.is_empty() || behind.starts_with([',', '}', ']', '#']);
    let quote = if from.contains('"') { '\'' } else { '"' };
    if begins && ends {
        format!("put the whole expression in quotes: {quote}${{{{ ... }}}}{quote}")
    } else {
        format!(
            "put the whole text in quotes, from its beginning to its end: {quote}... ${{{{ ... }}}} ...{quote}"
        )
    }
}

fn closing(bracket: char) -> char {
    if bracket == '[' { ']' } else { '}' }
}

fn unclosed(bracket: char) -> Advice {
    format!("the `{bracket}` has no end: close it with `{}`", closing(bracket)).into()
}

/// A text in quotes, and more behind it. `line` is where the line begins in which it ends.
fn behind_a_quote(before: &Before, line: usize, single: bool) -> Advice {
    let begun = before.quote.filter(|begin| *begin < line);
    if let Some(begin) = begun {
        return Advice {
            because: Some((begin..begin + 1, "the quote that ends there begins here")),
            .."close the quote where its text ends".into()
        };
    }
    if single {
        "in single quotes a quote is written twice: 'Deny''s'; or put the text in double quotes"
            .into()
    } else {
        "the text ends with its quote: put all of it in single quotes, as in '\"Deny\" the owner'"
            .into()
    }
}

/// What is open before a place.
#[derive(Default)]
struct Before {
    brackets: Vec<(usize, char)>,
    /// Where the last text in quotes begins.
    quote: Option<usize>,
}

impl Before {
    fn of(text: &str, at: usize) -> Self {
        let mut found = Self::default();
        let mut quoted = None;
        // What begins a value stands behind one of these, or first on its line.
        let mut begins = true;
        let mut space = true;
        let mut comment = false;
        let mut escaped = false;
        for (i, c) in text[..at].char_indices() {
            if c == '\n' {
                (comment, space) = (false, true);
                begins |= quoted.is_none();
                continue;
            }
            if comment {
                continue;
            }
            if let Some(quote) = quoted {
                if escaped {
                    escaped = false;
                } else if c == '\\' && quote == '"' {
                    escaped = true;
                } else if c == quote {
                    quoted = None;
                }
                continue;
            }
            match c {
                ' ' | '\t' | '\r' => {
                    space = true;
                    continue;
                }
                '#' if space => comment = true,
                '"' | '\'' if begins => {
                    found.quote = Some(i);
                    quoted = Some(c);
                }
                '[' | '{' if begins || !found.brackets.is_empty() => found.brackets.push((i, c)),
                ']' | '}' => drop(found.brackets.pop()),
                _ => {}
            }
            begins = "[{,:-?".contains(c);
            space = false;
        }
        found
    }
}
