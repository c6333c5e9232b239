//! What a change does, in the few words that gate, ledger, lint and approvals understand.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Credential;
use crate::ids::{AccessKeyId, Principal, SecretId, UserName};
use crate::playbook::EffectKind;

/// One thing a change does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// Puts a barrier in somebody's way.
    Cuts {
        /// Who or what is cut off.
        subject: Subject,
        /// By what.
        barrier: Barrier,
    },
    /// Makes a new credential.
    Issues {
        /// For whom.
        user: UserName,
        /// The key whose work it takes over, where that is known.
        replaces: Option<AccessKeyId>,
    },
    /// Stores a new credential where others read it.
    Delivers {
        /// Where.
        secret: SecretId,
    },
    /// Takes a barrier off again.
    Lifts {
        /// Who or what it stood in the way of, as the cut has it.
        subject: Subject,
        /// Which.
        barrier: Barrier,
    },
    /// Destroys a credential for good.
    Destroys {
        /// Which.
        credential: Credential,
    },
}

/// Whom a cut reaches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Subject {
    /// Everything a principal holds or has minted.
    Principal {
        /// Which.
        principal: Principal,
    },
    /// One credential.
    Credential {
        /// Which.
        credential: Credential,
    },
}

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Barrier {
    /// Everything is denied to the user.
    Quarantine,
    /// The credential's own status says no.
    Inactive,
    /// Sessions issued before a moment are denied, in a first pass that still lets new ones be minted.
    SessionsFirstPass,
    /// The same again, after whatever can mint was seen to be cut.
    SessionsSecondPass,
}

impl Subject {
    /// Whether the cut reaches `credential`.
    pub fn covers(&self, credential: &Credential) -> bool {
        match self {
            Self::Principal { principal } => credential.principal().as_ref() == Some(principal),
            Self::Credential { credential: cut } => cut == credential,
        }
    }

    /// The principal it concerns.
    pub fn principal(&self) -> Option<Principal> {
        match self {
            Self::Principal { principal } => Some(principal.clone()),
            Self::Credential { credential } => credential.principal(),
        }
    }

    /// The user it concerns, where it is one.
    pub fn user(&self) -> Option<&UserName> {
        match self {
            Self::Principal { principal } => principal.user(),
            Self::Credential { credential } => credential.user(),
        }
    }
}

impl Effect {
    /// The bare kind.
    pub fn kind(&self) -> EffectKind {
        match self {
            Self::Cuts { .. } => EffectKind::Cuts,
            Self::Issues { .. } => EffectKind::Issues,
            Self::Delivers { .. } => EffectKind::Delivers,
            Self::Lifts { .. } => EffectKind::Lifts,
            Self::Destroys { .. } => EffectKind::Destroys,
        }
    }

    /// Whether the gate stands before it.
    pub fn is_gated(&self) -> bool {
        self.kind().is_gated()
    }
}

impl Barrier {
    /// Whether what it stops could otherwise mint new sessions. Such barriers are proven before the
    /// second pass over sessions takes its time.
    pub fn stops_minting(self) -> bool {
        matches!(self, Self::Quarantine | Self::Inactive)
    }

    /// Who could take it off, for the ledger.
    pub fn removable_by(self) -> &'static str {
        match self {
            Self::Quarantine => {
                "whoever may detach the user's policies (iam:DetachUserPolicy, iam:DeleteUserPolicy)"
            }
            Self::Inactive => "whoever may activate the key (iam:UpdateAccessKey)",
            Self::SessionsFirstPass | Self::SessionsSecondPass => {
                "whoever may delete the user's inline policies (iam:DeleteUserPolicy)"
            }
        }
    }
}

impl fmt::Display for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quarantine => "quarantine",
            Self::Inactive => "inactive",
            Self::SessionsFirstPass => "older-than deny (first pass)",
            Self::SessionsSecondPass => "older-than deny",
        })
    }
}
