//! Whatever lets somebody in: the rows of the ledger.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{AccessKeyId, Principal, RoleName, SecretId, UserName};
use crate::inventory::{Inventory, Unread, Want};
use crate::policy::admission::Whom;

/// One way in. Ordered, so that lists of them always come out the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Credential {
    /// A long-lived access key.
    AccessKey {
        /// Whose.
        user: UserName,
        /// Which.
        id: AccessKeyId,
    },
    /// The console password.
    Password {
        /// Whose.
        user: UserName,
    },
    /// Every temporary credential issued to the user. They outlive the key that minted them and
    /// cannot be listed.
    Sessions {
        /// Whose.
        user: UserName,
    },
    /// A password for one service.
    ServiceSpecific {
        /// Whose.
        user: UserName,
        /// Which (`ACCA...`).
        id: String,
        /// For what.
        service: String,
    },
    /// An SSH public key for CodeCommit.
    SshKey {
        /// Whose.
        user: UserName,
        /// Which.
        id: String,
    },
    /// An X.509 signing certificate.
    SigningCertificate {
        /// Whose.
        user: UserName,
        /// Which.
        id: String,
    },
    /// Whatever of one kind the user may hold, where that could not be listed.
    Unlisted {
        /// Whose.
        user: UserName,
        /// The operation that lists it: `iam:ListSSHPublicKeys`.
        operation: String,
    },
    /// Whatever of one kind the user holds, where the listing could not be understood. Unlike what is not
    /// listed it cannot be lifted over.
    NotUnderstood {
        /// Whose.
        user: UserName,
        /// The operation that lists it.
        operation: String,
    },
    /// Sessions of whatever roles a user may have assumed, where that could not be told. No cut of the user
    /// reaches them.
    UnlistedRoles {
        /// Whose trust was looked for.
        of: UserName,
        /// The operation that would have told.
        operation: String,
    },
    /// What a secret holds, where somebody may know it.
    SecretValue {
        /// Which secret.
        secret: SecretId,
    },
    /// Sessions of a role that somebody in scope may have assumed.
    RoleSessions {
        /// Which role.
        role: RoleName,
    },
    /// Somebody whom a role's trust policy admits and did not when the account was first surveyed. Whoever ends the
    /// role's sessions keeps him out until he asks for another.
    Admission {
        /// Which role.
        role: RoleName,
        /// What of the policy it is: a digest, so that whoever is admitted later is another.
        part: String,
        /// Whom it admits, in the policy's words.
        who: String,
        /// What sort of somebody that is.
        #[serde(default)]
        whom: Whom,
    },
    /// Somebody who has come to read a secret into which something new is put, by its own policy or as the function that
    /// rotates it, and did not when the account was first surveyed.
    Reader {
        /// Which secret.
        secret: SecretId,
        /// What of the policy it is: a digest, so that whoever is admitted later is another.
        part: String,
        /// Who, in the policy's words.
        who: String,
        /// What sort of somebody that is.
        #[serde(default)]
        whom: Whom,
    },
    /// Whoever has come into the account since it was first surveyed, where that could not be listed.
    Unseen {
        /// The operation that would have told.
        operation: String,
    },
    /// A way in that lies outside, and that a person closes and opens.
    Manual {
        /// Its name.
        name: String,
    },
}

/// What these list is good for one service each, and for no session.
const MINT_NOTHING: [&str; 3] =
    ["iam:ListServiceSpecificCredentials", "iam:ListSSHPublicKeys", "iam:ListSigningCertificates"];

impl Credential {
    /// The user who holds it; `None` for what is a role's or nobody's.
    pub fn user(&self) -> Option<&UserName> {
        match self {
            Self::AccessKey { user, .. }
            | Self::Password { user }
            | Self::Sessions { user }
            | Self::ServiceSpecific { user, .. }
            | Self::SshKey { user, .. }
            | Self::SigningCertificate { user, .. }
            | Self::Unlisted { user, .. }
            | Self::NotUnderstood { user, .. } => Some(user),
            Self::UnlistedRoles { .. }
            | Self::RoleSessions { .. }
            | Self::Admission { .. }
            | Self::Reader { .. }
            | Self::Unseen { .. }
            | Self::SecretValue { .. }
            | Self::Manual { .. } => None,
        }
    }
}

/// How long AWS lets a session of theirs live, at the longest. For a role it is what AWS allows at all: what the
/// role itself allows may be less now than it was when a session was issued.
pub const fn longest_session(of: &Principal) -> jiff::SignedDuration {
    match of {
        Principal::User(_) => jiff::SignedDuration::from_hours(36),
        Principal::Role(_) => jiff::SignedDuration::from_hours(12),
    }
}

impl Credential {
    /// The secret whose value it is, where it is one.
    pub fn secret(&self) -> Option<&SecretId> {
        match self {
            Self::SecretValue { secret } => Some(secret),
            _ => None,
        }
    }

    /// Every temporary credential of a principal.
    pub fn sessions_of(principal: &Principal) -> Self {
        match principal {
            Principal::User(user) => Self::Sessions { user: user.clone() },
            Principal::Role(role) => Self::RoleSessions { role: role.clone() },
        }
    }

    /// When it was made, for what keeps its name while it becomes another: a password that is deleted and set up
    /// again is not the one before. Whatever has an id of its own stays what it is.
    pub fn made_at(&self, facts: &Inventory) -> Option<jiff::Timestamp> {
        match self {
            Self::Password { user } => {
                let profile = facts.login_profile(user).ok().and_then(Option::as_ref);
                profile.map(|profile| profile.created_at)
            }
            _ => None,
        }
    }

    /// Whether whoever has it can get new sessions of somebody by it. What is not known may be of that kind.
    pub fn mints(&self) -> bool {
        match self {
            Self::AccessKey { .. }
            | Self::Password { .. }
            | Self::Sessions { .. }
            | Self::RoleSessions { .. } => true,
            Self::Unlisted { operation, .. } | Self::NotUnderstood { operation, .. } => {
                !MINT_NOTHING.contains(&operation.as_str())
            }
            Self::ServiceSpecific { .. }
            | Self::SshKey { .. }
            | Self::SigningCertificate { .. }
            | Self::UnlistedRoles { .. }
            | Self::Admission { .. }
            | Self::Reader { .. }
            | Self::Unseen { .. }
            | Self::SecretValue { .. }
            | Self::Manual { .. } => false,
        }
    }

    /// Whoever is cut off where it is cut: its holder, or the role that it opens.
    pub fn principal(&self) -> Option<Principal> {
        match self {
            Self::RoleSessions { role } | Self::Admission { role, .. } => {
                Some(Principal::Role(role.clone()))
            }
            other => other.user().cloned().map(Principal::User),
        }
    }
}

impl Credential {
    /// What a person types to name it: its id where it has one, else what it is and whose.
    pub fn typed(&self) -> String {
        match self {
            Self::AccessKey { id, .. } => id.to_string(),
            Self::Password { user } => format!("password/{user}"),
            Self::Sessions { user } => format!("sessions/{user}"),
            Self::ServiceSpecific { id, .. }
            | Self::SshKey { id, .. }
            | Self::SigningCertificate { id, .. } => id.clone(),
            Self::Unlisted { user, operation } => format!("unlisted/{user}/{operation}"),
            Self::NotUnderstood { user, operation } => format!("not-understood/{user}/{operation}"),
            Self::UnlistedRoles { of, operation } => format!("unlisted-roles/{of}/{operation}"),
            Self::RoleSessions { role } => format!("role-sessions/{role}"),
            Self::Admission { role, part, .. } => format!("admission/{role}/{part}"),
            Self::Reader { secret, part, .. } => format!("reader/{secret}/{part}"),
            Self::Unseen { operation } => format!("unseen/{operation}"),
            Self::SecretValue { secret } => format!("secret/{secret}"),
            Self::Manual { name } => format!("manual/{name}"),
        }
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessKey { user, id } => write!(f, "access key {id} of {user}"),
            Self::Password { user } => write!(f, "console password of {user}"),
            Self::Sessions { user } => write!(f, "sessions of {user}"),
            Self::ServiceSpecific { user, id, service } => {
                write!(f, "{service} password {id} of {user}")
            }
            Self::SshKey { user, id } => write!(f, "SSH key {id} of {user}"),
            Self::SigningCertificate { user, id } => {
                write!(f, "signing certificate {id} of {user}")
            }
            Self::Unlisted { user, operation } => {
                write!(f, "whatever {operation} would list of {user}")
            }
            Self::NotUnderstood { user, operation } => {
                write!(f, "credential of {user} that {operation} lists and that is not understood")
            }
            Self::UnlistedRoles { of, operation } => {
                write!(f, "sessions of roles that {of} may have assumed ({operation})")
            }
            Self::RoleSessions { role } => write!(f, "sessions of role {role}"),
            Self::Admission { role, who, .. } => {
                write!(f, "admission of {who} to role {role}, with the sessions it has given")
            }
            Self::Reader { secret, who, .. } => {
                write!(f, "reading of secret {secret} by {who}")
            }
            Self::Unseen { operation } => {
                write!(f, "whoever has come in since and {operation} would list")
            }
            Self::SecretValue { secret } => write!(f, "value of secret {secret}"),
            Self::Manual { name } => write!(f, "way in {name}"),
        }
    }
}

/// What must be read to list everything that lets `user` in.
pub fn credential_wants(user: &UserName) -> Vec<Want> {
    Want::credentials_of(user).into()
}

/// Everything that lets `user` in, active or not. A kind that could not be read is a row of its own. The
/// sessions are not among it: AWS has no list of them.
pub fn credentials_of(user: &UserName, facts: &Inventory) -> Vec<Credential> {
    let mut found = Vec::new();
    let mut unread: Vec<Unread> = Vec::new();
    let user_of = || user.clone();
    match facts.access_keys(user) {
        Ok(keys) => found.extend(
            keys.iter().map(|key| Credential::AccessKey { user: user_of(), id: key.id.clone() }),
        ),
        Err(error) => unread.push(error),
    }
    match facts.login_profile(user) {
        Ok(Some(_)) => found.push(Credential::Password { user: user_of() }),
        Ok(None) => {}
        Err(error) => unread.push(error),
    }
    match facts.service_specific_credentials(user) {
        Ok(all) => found.extend(all.iter().map(|one| Credential::ServiceSpecific {
            user: user_of(),
            id: one.id.clone(),
            service: one.service.clone(),
        })),
        Err(error) => unread.push(error),
    }
    match facts.ssh_public_keys(user) {
        Ok(all) => found.extend(
            all.iter().map(|one| Credential::SshKey { user: user_of(), id: one.id.clone() }),
        ),
        Err(error) => unread.push(error),
    }
    match facts.signing_certificates(user) {
        Ok(all) => found.extend(
            all.iter()
                .map(|one| Credential::SigningCertificate { user: user_of(), id: one.id.clone() }),
        ),
        Err(error) => unread.push(error),
    }
    found.extend(unread.into_iter().map(|unread| {
        let understood = unread.gap.as_ref().is_none_or(|gap| gap.understood);
        let (user, operation) = (user_of(), unread.operation());
        if understood {
            Credential::Unlisted { user, operation }
        } else {
            Credential::NotUnderstood { user, operation }
        }
    }));
    found
}
