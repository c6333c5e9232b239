//! A plan on disk: versioned, with the inventory and the playbook it stands on, under one digest.
//!
//! The digest covers every byte of the content in a canonical form, so that a plan that was edited
//! after review is refused. It is not a signature: whoever can write the file can also write the
//! digest. It is printed, so that two people can compare what they approve.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Plan;
use crate::diagnostic::Misread;
use crate::ids::{AccessKeyId, Arn, ChangeId, Principal};
use crate::inventory::{Answers, Inventory, digest_of};

/// The version of the file's shape that this program writes and reads.
pub(super) const VERSION: u32 = 1;

/// A plan with all it stands on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// The plan.
    pub plan: Plan,
    /// What was read.
    pub inventory: Inventory,
    /// The playbook's text.
    pub playbook: String,
    /// The texts of what it includes, by their paths.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fragments: BTreeMap<String, String>,
    /// Which round of a case it is, after the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<Round>,
}

/// A later pass of survey, plan, cut and proof, and what it stands on besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// Its number: 2 for the one after the first.
    pub number: u32,
    /// The digest of the plan of the round before it.
    pub earlier: String,
    /// The changes that were begun when it was planned.
    pub begun: BTreeSet<ChangeId>,
    /// Keys that the case had issued by then, or may have.
    pub issued: BTreeSet<AccessKeyId>,
    /// Names of those that the case had made by then to try cuts on, which may be listed for a while after they are gone;
    /// and when it last knew of each: whoever has the name and is younger is somebody else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub canaries: BTreeMap<String, Timestamp>,
    /// Keys of users in no step that the case had seen switched off by then.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub seen_off: BTreeSet<AccessKeyId>,
    /// What the case had changed by then, as it was found before: expressions are decided by that.
    #[serde(default, skip_serializing_if = "Answers::is_empty")]
    pub as_found: Answers,
    /// Whoever had worked on the case by then.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub workers: BTreeSet<Arn>,
    /// Whether it adds containment within the scope alone.
    pub cuts_alone: bool,
    /// The cuts that it takes back; where there are any it does nothing else.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub undoes: BTreeSet<ChangeId>,
    /// Whom alone it lets in again by that, while the case goes on for all others; empty, where it is taken back whole.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lets_in: BTreeSet<Principal>,
}

/// A plan may be of a hundred thousand credentials: it is written as it stands, and no copy is made of it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File<Content> {
    pub(super) portcullis_plan: u32,
    pub(super) digest: String,
    pub(super) content: Content,
}

/// Why a saved plan is not taken.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not JSON, or not of this shape.
    #[error("this is not a plan that `portcullis plan -o` wrote")]
    NotAPlan(#[source] Misread),
    /// From another version of the program.
    #[error(
        "the plan has format {found}, and this program reads format {VERSION}: it was made by {} version",
        if *found > VERSION { "a newer" } else { "an older" }
    )]
    Version {
        /// The file's version.
        found: u32,
    },
    /// The plans of several accounts that are not of one undertaking.
    #[error("its plans do not go together: an account is missing, or one was planned with others")]
    NotTogether,
    /// Its content does not match its digest.
    #[error(
        "the plan was changed after it was made: its content has digest {actual}, it says {said}"
    )]
    Edited {
        /// The digest in the file.
        said: String,
        /// The digest of the content.
        actual: String,
    },
}

impl SavedPlan {
    /// The plan with what is still to be carried out by it: of a further round, nothing that was begun before; of one that
    /// takes back, the changes that do.
    #[must_use]
    pub fn to_carry_out(&self) -> Plan {
        let mut plan = self.plan.to_carry_out();
        if let Some(round) = self.round.as_ref().filter(|_| !plan.is_undo()) {
            plan.changes.retain(|change| !round.begun.contains(&change.id));
        }
        plan
    }

    /// What its round takes back, as the plan of nothing else: to be shown, and judged beforehand.
    #[must_use]
    pub fn taking_back(&self) -> Self {
        let mut alone = self.clone();
        let undoes = self.round.iter().flat_map(|round| &round.undoes).collect::<BTreeSet<_>>();
        alone.plan.lets_in.clear();
        alone
            .plan
            .changes
            .retain(|change| change.undoes.as_ref().is_none_or(|cut| undoes.contains(cut)));
        alone
    }

    /// The number of its round, from 1.
    pub fn number(&self) -> u32 {
        self.round.as_ref().map_or(1, |round| round.number)
    }

    /// SHA-256 of the canonical content, as hexadecimal.
    pub fn digest(&self) -> String {
        digest_of(self)
    }

    /// Writes the file.
    pub fn write_to(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let file = File { portcullis_plan: VERSION, digest: self.digest(), content: self };
        serde_json::to_writer_pretty(&mut *out, &file)?;
        out.write_all(b"\n")
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut text = Vec::new();
        self.write_to(&mut text).expect("memory takes what it is given");
        String::from_utf8(text).expect("JSON is UTF-8")
    }

    /// Reads a file's text, and refuses what was edited or is not for this version.
    pub fn from_text(text: &str) -> Result<Self, OpenError> {
        #[derive(Deserialize)]
        struct Versioned {
            portcullis_plan: u32,
        }
        let Versioned { portcullis_plan: found } =
            serde_json::from_str(text).map_err(|error| OpenError::NotAPlan(error.into()))?;
        if found != VERSION {
            return Err(OpenError::Version { found });
        }
        let file = match serde_json::from_str::<File<Self>>(text) {
            Ok(file) => file,
            // What was edited may be no plan any more.
            Err(error) => {
                let file: File<serde_json::Value> = serde_json::from_str(text)
                    .map_err(|error| OpenError::NotAPlan(error.into()))?;
                let actual = digest_of(&file.content);
                return Err(if actual == file.digest {
                    OpenError::NotAPlan(error.into())
                } else {
                    OpenError::Edited { said: file.digest, actual }
                });
            }
        };
        let actual = file.content.digest();
        if actual != file.digest {
            return Err(OpenError::Edited { said: file.digest, actual });
        }
        Ok(file.content)
    }
}
