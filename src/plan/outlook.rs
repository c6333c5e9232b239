//! What a plan can say in advance of how it will go: what may be refused, what is not known yet, how long.

use serde::{Deserialize, Serialize};

use super::Text;
use crate::ids::StepId;

/// A permission that a change needs, and whether whoever surveyed has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// As IAM names it: `iam:UpdateAccessKey`.
    pub action: Text,
    /// The ARN of what it is needed for; empty where that is not known.
    pub on: Text,
    /// Whether it is there.
    pub have: Have,
    /// When it is needed, if not in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_if: Option<Text>,
    /// Why that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Text>,
}

/// Whether a permission is there, as far as AWS's policy simulator tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Have {
    /// It would be allowed.
    Can,
    /// It would be refused.
    Cannot,
    /// Nobody could tell.
    Unknown,
}

/// A value that only carrying the change out brings about. Never shown as empty, never guessed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unknown {
    /// What: "the new key's id".
    pub what: Text,
    /// Of which type, as inputs of playbooks name it: "access-key-id".
    #[serde(rename = "type")]
    pub ty: Text,
    /// When it is known: "once it is minted".
    pub known: Text,
}

/// What keeps a run from ending with 0, whatever goes well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shortfall {
    /// What is open or not proven even then.
    pub why: String,
    /// What would make it end with 0, where anything would.
    pub then: Option<String>,
}

/// Where a run stops on its way, until somebody has done or said something, or time has passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// With which exit code it stops there.
    pub exit: u8,
    /// Until when, and what is typed then, as the end of a sentence: "until somebody attests web-off.1: ...".
    pub until: String,
    /// Whether it comes to that only once the gate is open.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub behind_the_gate: bool,
}

/// A step that is not planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unplanned {
    /// Which.
    pub step: StepId,
    /// Why not, with where that is written.
    pub why: String,
    /// Whether it would cut something: the gate stays shut without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub before_the_gate: bool,
}

/// How much a run will ask of the cloud, and how long that takes. Not a promise: throttling, retries and
/// waiting for a person come on top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// Requests, reading and writing.
    pub requests: usize,
    /// Those among them that write.
    pub writes: usize,
    /// Seconds from the first cut to the end.
    pub seconds: u64,
}
