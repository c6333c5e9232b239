//! People's words: what somebody stood up for, why, and what showed it.
//!
//! A word is as good as the credentials it was said with: STS told whose they were, nobody signed anything. So
//! every word keeps that name, and whoever reads the case later can ask.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Moment;
use crate::ids::Arn;

/// What somebody said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Who, as STS gives it.
    pub by: Arn,
    /// Why, or what is attested, in that person's words.
    pub reason: String,
    /// What shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Digest of the plan it was said of.
    pub plan: String,
}

/// What shows that something is so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "evidence", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Evidence {
    /// In words: a ticket, a call, a name.
    Words {
        /// The words.
        text: String,
    },
    /// Something that can be opened.
    Url {
        /// Where.
        url: String,
    },
    /// A file, as it was when it was named.
    File {
        /// Where it was.
        path: String,
        /// Of its bytes.
        sha256: String,
    },
}

impl std::fmt::Display for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Words { text } => f.write_str(text),
            Self::Url { url } => f.write_str(url),
            Self::File { path, sha256 } => write!(f, "{path} (sha256 {sha256})"),
        }
    }
}

/// A word, and when it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// When.
    pub at: Moment,
    /// What.
    pub said: Said,
}

/// Leave to let a credential be, for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// Until when.
    pub until: Timestamp,
    /// Since when somebody answers for it: before this one others may have, each until the next.
    pub since: Moment,
    /// Whose word it is.
    pub spoken: Spoken,
}

/// The names that speak, each once, in the order in which they first spoke.
pub fn names<'a>(spoken: impl IntoIterator<Item = &'a Spoken>) -> Vec<Arn> {
    let mut names: Vec<Arn> = Vec::new();
    for one in spoken {
        if !names.contains(&one.said.by) {
            names.push(one.said.by.clone());
        }
    }
    names
}
