//! People's words: what somebody stood up for, why, and what showed it.
//!
//! A word is as good as the credentials it was said with: STS told whose they were, nobody signed anything. So
//! every word keeps that name, and whoever reads the case later can ask.

use std::collections::BTreeSet;

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

/// The role of which several of `names` are sessions that are called as whoever assumed it liked: they count as several,
/// since that is what STS tells, and may be one person. IAM Identity Center calls its sessions after whoever has signed in.
pub fn of_one_role(names: &[Arn]) -> Option<&str> {
    fn role_of(arn: &Arn) -> Option<(&str, &str)> {
        let (role, _) = arn.resource().strip_prefix("assumed-role/")?.split_once('/')?;
        (!role.starts_with("AWSReservedSSO_")).then_some((arn.account(), role))
    }
    let mut seen = BTreeSet::new();
    names.iter().filter_map(role_of).find(|role| !seen.insert(*role)).map(|(_, role)| role)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_one_role_may_be_one_person_but_where_identity_center_names_them() {
        let of = |names: &[&str]| {
            let arn =
                |name: &&str| Arn::parse(format!("arn:aws:sts::111122223333:{name}")).unwrap();
            let names: Vec<Arn> = names.iter().map(arn).collect();
            of_one_role(&names).map(str::to_owned)
        };
        assert_eq!(of(&["assumed-role/ir/anna", "assumed-role/ir/ben"]).as_deref(), Some("ir"));
        assert_eq!(of(&["assumed-role/ir/anna", "assumed-role/audit/anna", "user/ben"]), None);
        let set = "assumed-role/AWSReservedSSO_Responders_0123456789abcdef";
        assert_eq!(of(&[&format!("{set}/anna"), &format!("{set}/ben")]), None);
    }
}
