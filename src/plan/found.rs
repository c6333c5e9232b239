//! What others found and an operator handed in, beside what the survey says of it.

use serde::{Deserialize, Serialize};

use super::Credential;
use crate::findings::Findings;
use crate::ids::AccessKeyId;

/// A file that was handed in. Values that it held are not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// What the file is called, without its directory.
    pub file: String,
    /// Of its bytes.
    pub sha256: String,
    /// What it says.
    pub findings: Findings,
}

/// Where an access key that was found belongs. A plan has them in the order of the keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The key.
    pub key: AccessKeyId,
    /// Where it belongs.
    pub whereabouts: Whereabouts,
}

/// The difference between what was found and what the account has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Whereabouts {
    /// It belongs to somebody whom the plan cuts.
    InScope {
        /// The row of the ledger.
        credential: Credential,
    },
    /// It belongs to somebody of the account whom no step cuts.
    NotCovered {
        /// The row of the ledger.
        credential: Credential,
    },
    /// The account does not have it, or not any more.
    NotHere,
    /// That could not be told.
    NotTold {
        /// Why not.
        why: String,
    },
}

impl Whereabouts {
    /// The row of the ledger that it makes, where it is a key of the account.
    pub fn credential(&self) -> Option<&Credential> {
        match self {
            Self::InScope { credential } | Self::NotCovered { credential } => Some(credential),
            Self::NotHere | Self::NotTold { .. } => None,
        }
    }
}
