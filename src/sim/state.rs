//! What exists in a rehearsal cloud: accounts with their principals, policies and secrets.
//!
//! Values only. Secret values are held sealed, so that any of this may be printed or saved.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rotation::Rotator;
use super::vault::Sealed;

/// All accounts at one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) accounts: BTreeMap<String, Account>,
}

/// Copied only where it is changed: the world is kept as it was at many moments, and most of it is the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent, bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
pub(super) struct Shared<T: Clone>(#[serde(with = "shared")] Arc<T>);

mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Arc<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(deserializer).map(Arc::new)
    }
}

impl<T: Clone> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T: Clone> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) users: BTreeMap<String, Shared<User>>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) roles: BTreeMap<String, Role>,
    /// Customer-managed policies by ARN.
    pub(super) policies: BTreeMap<String, ManagedPolicy>,
    pub(super) secrets: BTreeMap<String, StoredSecret>,
    /// What passwords must be like; `None`: as AWS has it for accounts that do not say.
    #[serde(default)]
    pub(super) password_policy: Option<PasswordPolicy>,
}

/// What console passwords must be like, and who may change them. What a world leaves out is as AWS has it by
/// default.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "AWS asks so")]
pub(super) struct PasswordPolicy {
    pub(super) minimum_length: usize,
    pub(super) require_symbols: bool,
    pub(super) require_numbers: bool,
    pub(super) require_uppercase: bool,
    pub(super) require_lowercase: bool,
    /// Whether every user may change his own, whatever his policies allow.
    pub(super) users_may_change: bool,
    /// Whether a password that is too old can only be replaced by somebody else.
    pub(super) hard_expiry: bool,
    pub(super) max_age_days: Option<usize>,
    /// How many of the last passwords are not taken again.
    pub(super) reuse_prevention: Option<usize>,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            minimum_length: 6,
            require_symbols: false,
            require_numbers: false,
            require_uppercase: false,
            require_lowercase: false,
            users_may_change: false,
            hard_expiry: false,
            max_age_days: None,
            reuse_prevention: None,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) created_at: Timestamp,
    pub(super) keys: Vec<Key>,
    pub(super) password: Option<Password>,
    pub(super) mfa: BTreeMap<String, Timestamp>,
    pub(super) service_credentials: Vec<ServiceCredential>,
    pub(super) ssh_keys: Vec<Uploaded>,
    pub(super) certificates: Vec<Uploaded>,
    pub(super) attached: BTreeSet<String>,
    pub(super) inline: BTreeMap<String, String>,
    pub(super) groups: BTreeSet<String>,
    pub(super) boundary: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) created_at: Timestamp,
    pub(super) active: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Password {
    pub(super) created_at: Timestamp,
    pub(super) reset_required: bool,
    pub(super) value: Sealed,
    /// Those before it, oldest first.
    #[serde(default)]
    pub(super) earlier: Vec<Sealed>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ServiceCredential {
    pub(super) id: String,
    pub(super) service: String,
    pub(super) service_user: String,
    pub(super) created_at: Timestamp,
    pub(super) active: bool,
}

/// An SSH public key or a signing certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Uploaded {
    pub(super) id: String,
    pub(super) body: String,
    pub(super) created_at: Timestamp,
    pub(super) active: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) created_at: Timestamp,
    pub(super) attached: BTreeSet<String>,
    pub(super) inline: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Role {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) created_at: Timestamp,
    pub(super) trust: String,
    pub(super) attached: BTreeSet<String>,
    pub(super) inline: BTreeMap<String, String>,
    pub(super) boundary: Option<String>,
    pub(super) max_session: i64,
    pub(super) description: String,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ManagedPolicy {
    pub(super) id: String,
    pub(super) created_at: Timestamp,
    pub(super) document: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredSecret {
    pub(super) arn: String,
    pub(super) created_at: Timestamp,
    pub(super) description: String,
    pub(super) versions: BTreeMap<String, Version>,
    pub(super) policy: Option<String>,
    /// The function that rotates it.
    #[serde(default)]
    pub(super) rotator: Option<Rotator>,
    /// The service that made it for itself.
    #[serde(default)]
    pub(super) owned_by: Option<String>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    /// Set while the secret waits to be deleted.
    pub(super) deleted_at: Option<Timestamp>,
    /// When it is gone for good.
    pub(super) gone_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) created_at: Timestamp,
    /// `None`: a rotation has begun, and has no value yet.
    pub(super) value: Option<Sealed>,
    pub(super) binary: bool,
    pub(super) labels: BTreeSet<String>,
}

impl StoredSecret {
    /// The version that carries `label`.
    pub(super) fn holder_of(&self, label: &str) -> Option<&str> {
        self.versions
            .iter()
            .find(|(_, version)| version.labels.contains(label))
            .map(|(id, _)| id.as_str())
    }

    /// Puts `label` on `version`, and takes it from whichever has it. When `AWSCURRENT` moves,
    /// `AWSPREVIOUS` goes to the version it left.
    pub(super) fn move_label(&mut self, label: &str, version: &str) {
        let holder = self.holder_of(label).map(str::to_owned);
        if holder.as_deref() == Some(version) {
            return;
        }
        for other in self.versions.values_mut() {
            other.labels.remove(label);
        }
        if let Some(version) = self.versions.get_mut(version) {
            version.labels.insert(label.to_owned());
        }
        if let (Some(left), "AWSCURRENT") = (holder, label) {
            self.move_label("AWSPREVIOUS", &left);
        }
    }
}

/// Temporary credentials. Not part of [`State`]: they are valid where they are issued, at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) account: String,
    pub(super) kind: SessionKind,
    /// The user or role that the permissions come from.
    pub(super) issuer: String,
    /// Its unique id: a user made anew under the same name does not revive old sessions.
    pub(super) issuer_id: String,
    /// The role session's or federated user's name; empty for `GetSessionToken`.
    pub(super) name: String,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) mfa: bool,
    /// `Some` of an empty list: a federated session that was given no policy.
    pub(super) policies: Option<Vec<String>>,
}

/// How a session came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SessionKind {
    SessionToken,
    FederationToken,
    AssumeRole,
    /// What signing in to the console with a password gives.
    Console,
}
