//! How a credential stands, and the words for it.
//!
//! Knows no plan: what a standing is worked out from is `row`'s.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::Row;
use crate::ids::{Arn, ChangeId, VersionId};
use crate::journal::Witness;
use crate::plan::{Barrier, Credential};
use crate::playbook::Proof;

/// How a credential stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "kebab-case")]
pub enum Standing {
    /// Deleted, or ended by itself: it cannot come back.
    Dead {
        /// By which change.
        by: ChangeId,
        /// Not by that one, but before it or since, by somebody else: it found it gone.
        found_gone: bool,
    },
    /// Something stands in its way.
    Blocked {
        /// What.
        by: Vec<Barrier>,
        /// Who could take it off.
        removable_by: String,
        /// For sessions: those issued before this moment.
        issued_before: Option<Timestamp>,
        /// When the last of those has ended by itself; until then the deny is needed.
        until: Option<Timestamp>,
    },
    /// Another was delivered for its work. It is blocked; or it is a password, in whose place the new one is.
    Replaced {
        /// What stands in its way.
        by: Vec<Barrier>,
        /// What does its work now.
        with: Successor,
    },
    /// Found innocent: it was not in the wrong hands. Whatever stands in its way may be taken off.
    Cleared {
        /// By whom: as many names as the plan asks for.
        by: Vec<Arn>,
        /// Why, in the first one's words.
        reason: String,
        /// What stands in its way all the same.
        barriers: Vec<Barrier>,
    },
    /// A way in outside that was closed and is open again: whatever can be used there has a row of its own.
    Reopened {
        /// By which change.
        by: ChangeId,
    },
    /// Left as it is; somebody answers for it, for a time.
    Waived {
        /// Who.
        by: Arn,
        /// Why, in that person's words.
        reason: String,
        /// Until when.
        until: Timestamp,
    },
    /// Open, and nobody else's by the word of the playbook. Nothing shows that it is.
    Trusted {
        /// Why, in the playbook's words.
        reason: String,
    },
    /// Not to be seen, and therefore not to be spoken for.
    OutOfReach {
        /// Why.
        why: String,
    },
    /// Nothing is known to stand in its way.
    Unaccounted {
        /// Why not.
        why: String,
    },
}

/// What does the work of something that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Successor {
    /// A new credential.
    Credential(Credential),
    /// A new version of a secret.
    Version(VersionId),
}

impl std::fmt::Display for Successor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Credential(credential) => credential.fmt(f),
            Self::Version(version) => write!(f, "version {version}"),
        }
    }
}

impl Standing {
    /// The bare word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Dead { .. } => "dead",
            Self::Blocked { .. } => "blocked",
            Self::Replaced { .. } => "replaced",
            Self::Cleared { .. } => "cleared",
            Self::Reopened { .. } => "reopened",
            Self::Waived { .. } => "waived",
            Self::Trusted { .. } => "trusted",
            Self::OutOfReach { .. } => "out of reach",
            Self::Unaccounted { .. } => "unaccounted",
        }
    }
}

impl Row {
    /// How it was proven, by what, and what that is worth; and for how long nothing was heard of it.
    pub fn proof_in_words(&self) -> String {
        let proof = match (&self.let_in, &self.proof) {
            (Some(evidence), _) => format!("NONE, it was tried: {evidence}"),
            (None, None) => "not proven".to_owned(),
            (None, Some(shown)) => match &shown.by {
                // Somebody's word, which nobody could hold against anything.
                Witness::ReadAgain
                    if shown.proof == Proof::ReadBack
                        && matches!(&self.standing, Standing::Blocked { by, .. } if by == &[Barrier::Attested]) =>
                {
                    "attested, and nothing was tried".to_owned()
                }
                Witness::ReadAgain => shown.proof.to_string(),
                Witness::Canary { .. } => {
                    format!("{}, shown on a canary ({})", shown.proof, shown.worth)
                }
                Witness::Itself { .. } => {
                    format!("{}, tried itself ({})", shown.proof, shown.worth)
                }
            },
        };
        let silent = self.silent.as_ref().map_or(String::new(), |silent| {
            format!(
                "; silent from {} to {} ({})",
                silent.since.strftime("%Y-%m-%d %H:%M:%S"),
                silent.until.strftime("%Y-%m-%d %H:%M:%S UTC"),
                silent.log
            )
        });
        format!("{proof}{silent}")
    }

    /// How it stands, in a sentence.
    pub fn detail(&self) -> String {
        match &self.standing {
            Standing::Dead { by, found_gone: true } => {
                format!("deleted, and not by this case: {by} found it gone")
            }
            Standing::Dead { by, .. } => match &self.credential {
                Credential::Sessions { .. } | Credential::RoleSessions { .. } => {
                    format!("ended by themselves before {by} was begun")
                }
                _ => format!("deleted by {by}"),
            },
            Standing::Replaced { by, with } => {
                let by: Vec<String> = by.iter().map(ToString::to_string).collect();
                let by = if by.is_empty() { String::new() } else { format!("{}; ", by.join(", ")) };
                if matches!(with, Successor::Credential(new) if *new == self.credential) {
                    format!("{by}a new one has its place, and was delivered")
                } else {
                    format!("{by}{with} was delivered in its place")
                }
            }
            Standing::Blocked { by, removable_by, until, .. } => {
                let by: Vec<String> = by.iter().map(ToString::to_string).collect();
                let until = until.map_or(String::new(), |at| {
                    format!("; the last of them expires by {}", at.strftime("%Y-%m-%d %H:%M UTC"))
                });
                format!("{}{until}; removable by {removable_by}", by.join(", "))
            }
            Standing::Cleared { by, reason, barriers } => {
                let by: Vec<String> = by.iter().map(ToString::to_string).collect();
                let still: Vec<String> = barriers.iter().map(ToString::to_string).collect();
                let still = if still.is_empty() {
                    "; nothing of this case keeps it out".to_owned()
                } else {
                    let who: BTreeSet<&str> =
                        barriers.iter().map(|one| one.removable_by(&self.credential)).collect();
                    let who: Vec<&str> = who.into_iter().collect();
                    format!(
                        "; still in its way: {}, until a step or an undo takes it off, or {}",
                        still.join(", "),
                        who.join("; and ")
                    )
                };
                format!("found innocent by {}: {reason}{still}", by.join(" and "))
            }
            Standing::Reopened { by } => {
                format!("opened again by {by}; whatever can be used there has a row of its own")
            }
            Standing::Waived { by, reason, until } => format!(
                "nothing of this case keeps it out; {by} answers for it until {}: {reason}",
                until.strftime("%Y-%m-%d %H:%M UTC")
            ),
            Standing::Trusted { reason } => format!("not cut; the playbook trusts it: {reason}"),
            Standing::Unaccounted { why } | Standing::OutOfReach { why } => why.clone(),
        }
    }
}
