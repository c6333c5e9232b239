//! What the reader of a world's YAML says of the first thing that it cannot read, taken apart: it says it in a sentence and in no
//! other way. What is not understood is left as it was said.

/// What the reader says, taken apart.
pub(super) struct Said {
    /// Where it is, by the keys that lead there.
    pub(super) path: String,
    pub(super) sentence: String,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Unknown { key: String, known: Vec<String> },
    Word { word: String, known: Vec<String> },
    Missing { key: String },
    Twice { key: String },
    Type { found: String, wanted: String },
    Other,
}

impl Said {
    pub(super) fn of(full: &str) -> Self {
        let full = without_place(full);
        let full = full.as_str();
        let of_a_path = |c: char| c.is_alphanumeric() || "_-/@+=.[]?".contains(c);
        let (path, sentence) = match full.split_once(": ") {
            Some((path, rest)) if path.contains(['.', '[']) && path.chars().all(of_a_path) => {
                (path, rest)
            }
            Some((path, rest)) if !path.contains(' ') && !path.starts_with('`') => (path, rest),
            _ => ("", full),
        };
        let quoted = |text: &str| -> Vec<String> {
            text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let all = quoted(sentence);
        let first = || all.first().cloned().unwrap_or_default();
        let rest = || all.iter().skip(1).cloned().collect();
        let kind = if sentence.starts_with("unknown field") {
            Kind::Unknown { key: first(), known: rest() }
        } else if sentence.starts_with("unknown variant") {
            Kind::Word { word: first(), known: rest() }
        } else if sentence.starts_with("missing field") {
            Kind::Missing { key: first() }
        } else if sentence.starts_with("duplicate ") {
            Kind::Twice { key: first() }
        } else if let Some((found, wanted)) =
            sentence.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected "))
        {
            Kind::Type { found: in_words(found), wanted: in_words(wanted) }
        } else {
            Kind::Other
        };
        Self { path: path.to_owned(), sentence: in_words(sentence), kind }
    }
}

/// What is wanted, without the names that our own types have.
fn in_words(said: &str) -> String {
    let is_name = |text: &str| text.starts_with(|c: char| c.is_ascii_uppercase());
    if said.starts_with("data did not match any variant of untagged enum") {
        return "it has none of the forms that can stand here".to_owned();
    }
    for (named, words) in
        [("struct ", "a mapping"), ("internally tagged enum ", "a mapping"), ("enum ", "a word")]
    {
        if let Some(at) = said.find(named).filter(|at| is_name(&said[at + named.len()..])) {
            let rest = said[at + named.len()..].trim_start_matches(char::is_alphanumeric);
            return format!("{}{words}{rest}", &said[..at]);
        }
    }
    match said {
        "a map" | "map" => "a mapping".to_owned(),
        "a sequence" | "sequence" => "a list".to_owned(),
        other => other.to_owned(),
    }
}

/// A sentence of the reader without the place that it tells, which is shown.
fn without_place(full: &str) -> String {
    let Some((front, rest)) = full.split_once(" at line ") else { return full.to_owned() };
    let of_a_place = |c: char| c.is_ascii_digit() || " column".contains(c);
    format!("{front}{}", rest.trim_start_matches(of_a_place))
}
