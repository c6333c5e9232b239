//! What a change does, in the few words that gate, ledger, lint and approvals understand.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Credential;
use crate::ids::{AgeRecipient, Arn, DeliveryName, Principal, SecretId, UserName};
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
        /// What it takes over from, where that is known. A password takes the place of itself.
        replaces: Option<Credential>,
    },
    /// Puts a new credential where somebody else reads it.
    Delivers {
        /// Where.
        to: Destination,
    },
    /// Leaves in somebody whom a cut of the same change would reach.
    Spares {
        /// As patterns of the ARN that policies know them by.
        principals: Vec<String>,
    },
    /// Puts a new value in place of the one that a secret holds.
    Rotates {
        /// Which secret.
        secret: SecretId,
        /// What becomes of the old value.
        old_value: OldValue,
        /// The function that makes it and brings it to where it is checked; without one it is made here.
        function: Option<Arn>,
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

/// Where a new credential is put.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Destination {
    /// A secret: whoever may read it.
    Secret {
        /// Which.
        secret: SecretId,
    },
    /// A file of the case: whoever holds one of the keys.
    File {
        /// Which.
        name: DeliveryName,
        /// The keys that open it.
        recipients: Vec<AgeRecipient>,
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

/// What becomes of a secret's old value where it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OldValue {
    /// Whatever checks it takes the new one instead.
    Refused,
    /// It stays good until somebody changes it there.
    Perhaps,
}

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Barrier {
    /// Everything is denied to the user.
    Quarantine,
    /// The credential's own status says no.
    Inactive,
    /// A secret's own policy denies reading it.
    Sealed,
    /// It is deleted, for good. Another may be made.
    Deleted,
    /// Sessions issued before a moment are denied, in a first pass that still lets new ones be minted.
    SessionsFirstPass,
    /// The same again, after whatever can mint was seen to be cut.
    SessionsSecondPass,
    /// Everything is denied that is asked from elsewhere than certain networks: a restriction, which stops
    /// nobody who is inside them.
    Network,
    /// A person closed it, and stands up for that.
    Attested,
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
            Self::Spares { .. } => EffectKind::Cuts,
            Self::Issues { .. } | Self::Rotates { .. } => EffectKind::Issues,
            Self::Delivers { .. } => EffectKind::Delivers,
            Self::Lifts { .. } => EffectKind::Lifts,
            Self::Destroys { .. } => EffectKind::Destroys,
        }
    }

    /// The secret it is about, where it is about one.
    pub fn secret(&self) -> Option<&SecretId> {
        match self {
            Self::Delivers { to: Destination::Secret { secret } }
            | Self::Rotates { secret, .. } => Some(secret),
            Self::Cuts { subject, .. } | Self::Lifts { subject, .. } => match subject {
                Subject::Credential { credential } => credential.secret(),
                Subject::Principal { .. } => None,
            },
            Self::Destroys { credential } => credential.secret(),
            Self::Delivers { to: Destination::File { .. } }
            | Self::Issues { .. }
            | Self::Spares { .. } => None,
        }
    }

    /// Whether the gate stands before it.
    pub fn is_gated(&self) -> bool {
        self.kind().is_gated()
    }

    /// Whether it keeps somebody from minting new sessions. Such cuts are proven before the second pass over sessions
    /// takes its time.
    pub fn stops_minting(&self) -> bool {
        let Self::Cuts { subject, barrier } = self else { return false };
        let mints = match subject {
            Subject::Principal { .. } => true,
            Subject::Credential { credential } => credential.mints(),
        };
        barrier.stops_minting() && mints
    }
}

impl Barrier {
    /// Whether what it stands before mints no sessions, if it could otherwise.
    pub fn stops_minting(self) -> bool {
        matches!(self, Self::Quarantine | Self::Inactive | Self::Deleted)
    }

    /// Whether nobody gets past it, so that what it stands before counts as cut.
    pub fn blocks(self) -> bool {
        self != Self::Network
    }

    /// Whether it denies sessions for their age.
    pub fn is_of_sessions(self) -> bool {
        matches!(self, Self::SessionsFirstPass | Self::SessionsSecondPass)
    }

    /// Who could take it off `credential`, for the ledger.
    pub fn removable_by(self, credential: &Credential) -> &'static str {
        let of_role =
            matches!(credential, Credential::RoleSessions { .. } | Credential::Admission { .. });
        match (self, of_role) {
            (Self::Quarantine, false) => {
                "whoever may detach the user's policies (iam:DetachUserPolicy, iam:DeleteUserPolicy)"
            }
            (Self::Quarantine, true) => {
                "whoever may detach the role's policies (iam:DetachRolePolicy, iam:DeleteRolePolicy)"
            }
            (Self::Deleted, _) => "nobody; whoever may make another (iam:CreateLoginProfile)",
            (Self::Sealed, _) => {
                "whoever may change the secret's policy (secretsmanager:PutResourcePolicy, \
                 secretsmanager:DeleteResourcePolicy)"
            }
            (Self::Inactive, _) => match credential {
                Credential::ServiceSpecific { .. } => {
                    "whoever may activate it (iam:UpdateServiceSpecificCredential)"
                }
                Credential::SshKey { .. } => "whoever may activate it (iam:UpdateSSHPublicKey)",
                Credential::SigningCertificate { .. } => {
                    "whoever may activate it (iam:UpdateSigningCertificate)"
                }
                _ => "whoever may activate the key (iam:UpdateAccessKey)",
            },
            (Self::SessionsFirstPass | Self::SessionsSecondPass | Self::Network, false) => {
                "whoever may delete the user's inline policies (iam:DeleteUserPolicy)"
            }
            (Self::SessionsFirstPass | Self::SessionsSecondPass | Self::Network, true) => {
                "whoever may delete the role's inline policies (iam:DeleteRolePolicy)"
            }
            (Self::Attested, _) => "whoever runs it",
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret { secret } => write!(f, "secret {secret}"),
            Self::File { name, recipients } => {
                let keys = recipients.len();
                write!(f, "file {name}, sealed to {keys} key{}", if keys == 1 { "" } else { "s" })
            }
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal { principal } => principal.fmt(f),
            Self::Credential { credential } => credential.fmt(f),
        }
    }
}

impl fmt::Display for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quarantine => "quarantine",
            Self::Inactive => "inactive",
            Self::Sealed => "seal",
            Self::Deleted => "deleted",
            Self::SessionsFirstPass => "older-than deny (first pass)",
            Self::SessionsSecondPass => "older-than deny",
            Self::Network => "restricted to certain networks",
            Self::Attested => "closed, as attested",
        })
    }
}
