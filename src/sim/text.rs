//! The text of a world file, before it is understood: no more of it than a world has, and nothing that stands for
//! something else.
//!
//! A few bytes of YAML can mean gigabytes, or keep its reader busy for hours. As with playbooks that is found out before
//! it costs memory or stack. Knows nothing of worlds. What is no YAML is not its business.

use std::fmt;

use serde::de::IgnoredAny;
use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;

use crate::diagnostic::Code;

/// The longest text that is read at all: a world of ten thousand users has half as much.
pub const LONGEST: usize = 8 << 20;
/// How many values there may be.
pub(super) const MOST_VALUES: usize = 500_000;
/// No world is nested like this. Readers of YAML take long to find out.
pub(super) const DEEPEST: usize = 500;

/// Whether brackets, or indentation, go deeper than any world does: told from the characters alone.
fn lies_too_deep(yaml: &str) -> bool {
    let mut depth = 0_usize;
    for c in yaml.bytes() {
        match c {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return true;
        }
    }
    let begins = |line: &str| line.bytes().take_while(|c| b" -?".contains(c)).count();
    yaml.lines().any(|line| begins(line) > 2 * DEEPEST)
}

/// What is to be said against a text.
pub(super) struct Objection {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: &'static str,
    /// Line and column, both from 1, where it is of one place.
    pub(super) at: Option<(usize, usize)>,
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.map(|(line, column)| format!(" at line {line} column {column}"));
        write!(f, "{}{}; {}", self.message, at.unwrap_or_default(), self.help)
    }
}

/// What is to be said against a text, if anything.
pub(super) fn objection(yaml: &str) -> Option<Objection> {
    let too_large = |message: String| {
        let help = "is this the right file?";
        Some(Objection { code: Code::TooLarge, message, help, at: None })
    };
    if yaml.len() > LONGEST {
        return too_large(format!("it is longer than {LONGEST} bytes"));
    }
    if lies_too_deep(yaml) {
        return too_large(format!(
            "lists and mappings lie deeper in each other than {DEEPEST} levels"
        ));
    }
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: 4 * DEEPEST,
            flow_nesting_limit: 4 * DEEPEST,
            max_nodes: MOST_VALUES,
            max_events: 4 * MOST_VALUES,
            max_anchors: 0,
            max_aliases: 0,
        },
    };
    let error = serde_saphyr::from_str_with_options::<IgnoredAny>(yaml, options).err()?;
    let error = error.without_snippet();
    let whole = |n: u64| usize::try_from(n).unwrap_or(1);
    let at = error.location().map(|at| (whole(at.line()), whole(at.column())));
    match error {
        Error::Budget {
            breach: BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. },
            ..
        } => Some(Objection {
            code: Code::UnsupportedYaml,
            message: "YAML anchors and aliases (`&name`, `*name`) are not read".to_owned(),
            help: "write the value out, or in quotes where it is a text",
            at,
        }),
        Error::Budget { .. } => {
            too_large(format!("there are more than {MOST_VALUES} values in it"))
        }
        _ => None,
    }
}
