//! What to do about a text that is no YAML, by where reading stopped and why.
//!
//! Guesses, from the characters before that place: the mistake is there or a little before. Knows the sentences of the
//! library that reads, and nothing else does.

use std::ops::Range;

/// What to type, and where else to look.
#[derive(Default)]
pub(super) struct Advice {
    pub(super) help: Option<String>,
    /// The place that it comes from, if that is another, and what it is.
    pub(super) because: Option<(Range<usize>, &'static str)>,
}

impl From<&str> for Advice {
    fn from(help: &str) -> Self {
        Self { help: Some(help.to_owned()), because: None }
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
    if message.contains("mismatched bracket") || message.contains("unclosed bracket") {
        return unclosed(text[at..].chars().next().unwrap_or_default());
    }
    if message.contains("misplaced bracket") {
        return "nothing is open that this would close: take it out".into();
    }
    // In quotes it would not have been the expression.
    let bare = line.match_indices("${{").any(|(i, _)| !line[..i].contains(['"', '\'']));
    if let Some(&(open, bracket)) = before.brackets.last()
        && !bare
        && ["flow", "','", "':' indicator", "simple key"].iter().any(|word| message.contains(word))
    {
        let because = (open < start).then_some((open..open + 1, "opened here, and not closed"));
        return Advice { because, ..unclosed(bracket) };
    }
    if let Some(first) = text[at..].chars().next()
        && message.contains("unexpected character")
        && "@`%".contains(first)
    {
        let named = if first == '`' { "a backtick".to_owned() } else { format!("`{first}`") };
        let help = Some(format!("put a text that begins with {named} in quotes"));
        return Advice { help, because: None };
    }
    if message.contains("expected ':'") {
        return "behind a key stand a colon and a space: `title: ...`".into();
    }
    columns(&text[start..at], line, message, bare)
}

/// Mistakes of where a key begins, and of what stands behind one.
fn columns(before: &str, line: &str, message: &str, bare: bool) -> Advice {
    let indent = line.len() - line.trim_start_matches([' ', '-']).len();
    // `key: ...`, with nothing before the key.
    let key = line[indent..].split_once(':').map(|(key, _)| key);
    let is_key = key.is_some_and(|key| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
    });
    let at_its_colon = is_key && before.len() == indent + key.map_or(0, str::len);
    let at_its_begin = is_key && before.len() <= indent;
    if message.contains("mapping values are not allowed") && (at_its_colon || !bare) {
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
    if bare {
        return "put the whole expression in quotes: \"${{ ... }}\"".into();
    }
    if message.contains("did not find expected")
        && before.trim_end().ends_with([']', '}', '"', '\''])
    {
        return "nothing stands behind what is closed: put the whole text in quotes".into();
    }
    Advice::default()
}

fn unclosed(bracket: char) -> Advice {
    let end = if bracket == '[' { ']' } else { '}' };
    Advice {
        help: Some(format!("the `{bracket}` has no end: close it with `{end}`")),
        because: None,
    }
}

/// A text in quotes, and more behind it. `line` is where the line begins in which it ends.
fn behind_a_quote(before: &Before, line: usize, single: bool) -> Advice {
    let begun = before.quote.filter(|begin| *begin < line);
    if let Some(begin) = begun {
        return Advice {
            help: Some("close the quote where its text ends".to_owned()),
            because: Some((begin..begin + 1, "the quote that ends there begins here")),
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
