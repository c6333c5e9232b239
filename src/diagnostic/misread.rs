//! Why a file of a form of ours could not be read: where, and of what sort that is, and nothing of what stands there. What
//! is named by mistake may be anybody's credentials, and a parser's own sentence quotes what it did not expect.

use std::fmt;

use serde_json::error::Category;

/// Where a file could not be read, and why not, in words of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    line: usize,
    column: usize,
    why: String,
}

impl std::error::Error for Misread {}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.why)
    }
}

impl From<serde_json::Error> for Misread {
    fn from(error: serde_json::Error) -> Self {
        let said = error.to_string();
        // Of what is missing it has our own name, and there is nothing to quote.
        let missing = said.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let why = match (error.classify(), missing) {
            (Category::Data, Some(name)) => format!("there is no `{name}`"),
            (Category::Data, None) => "something else belongs here".to_owned(),
            (Category::Eof, _) => "the file ends in the middle".to_owned(),
            (Category::Syntax | Category::Io, _) => "this is not JSON".to_owned(),
        };
        Self { line: error.line(), column: error.column(), why }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::Misread;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Own {
        count: usize,
    }

    #[test]
    fn nothing_of_what_could_not_be_read_is_quoted() {
        assert_eq!(serde_json::from_str::<Own>("{\"count\": 7}").unwrap(), Own { count: 7 });
        let told = |text| Misread::from(serde_json::from_str::<Own>(text).unwrap_err()).to_string();
        assert_eq!(told("\"hunter2\""), "line 1, column 9: something else belongs here");
        assert_eq!(told("{}"), "line 1, column 2: there is no `count`");
        for text in [
            "{\"count\": \"hunter2\"}",
            "{\"hunter2\": 1}",
            "hunter2",
            "[\"hunter2",
            "{\"count\": -7342}",
        ] {
            let told = told(text);
            assert!(!told.contains("hunter2") && !told.contains("7342"), "{told}");
        }
    }
}
