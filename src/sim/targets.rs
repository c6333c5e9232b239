//! What takes the passwords that secrets hold: a database with its own users, or a service that reads the
//! secret itself.
//!
//! Its passwords are no part of the account: nothing that is done in AWS changes them but a rotator, and nothing
//! trails. This is why a label can say one thing and the target another.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::engine::Engine;
use super::people::Reader;
use super::vault::Sealed;
use crate::secret::Secret;

/// Something that takes a password.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Target {
    /// It has its own users, and each a password.
    Logins(BTreeMap<String, Sealed>),
    /// It takes what the secret holds, as often as it may read it, and otherwise what it read last.
    Reads { reader: Reader, secret: String, held: Option<Sealed> },
}

/// User and password in a secret's value.
fn login(value: &Secret) -> Option<(String, Secret)> {
    let mut fields: serde_json::Map<String, Value> = serde_json::from_str(value.expose()).ok()?;
    let mut text = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    Some((text("username")?, Secret::new(text("password")?)))
}

impl Engine {
    /// Whether the target takes a value; if not, why.
    pub(super) fn accepts(
        &self,
        target: &str,
        value: &Secret,
        now: Timestamp,
    ) -> Result<(), String> {
        let wrong = || Err(format!("{target} does not take it"));
        match self.targets.get(target) {
            None => Err(format!("there is no {target}")),
            Some(Target::Logins(logins)) => {
                let Some((user, password)) = login(value) else {
                    return Err("it is no user and password".to_owned());
                };
                let has = logins.get(&user).and_then(|sealed| self.vault().open(sealed));
                match has {
                    Some(has) if has.expose() == password.expose() => Ok(()),
                    _ => wrong(),
                }
            }
            Some(Target::Reads { reader, secret, held }) => {
                let current = self.read_value(reader, secret, now);
                let known = match current {
                    Ok(current) => Some(current),
                    Err(_) => held.as_ref().and_then(|sealed| self.vault().open(sealed)),
                };
                match known {
                    Some(known) if known.expose() == value.expose() => Ok(()),
                    _ => wrong(),
                }
            }
        }
    }

    /// Gives a user of the target another password, out of a secret's value.
    pub(super) fn set_password(&mut self, target: &str, value: &Sealed) -> Option<()> {
        let value = self.vault().open(value)?;
        let (user, password) = login(&value)?;
        let sealed = self.seal("password", password.expose());
        match self.targets.get_mut(target)? {
            Target::Logins(logins) => {
                *logins.get_mut(&user)? = sealed;
                Some(())
            }
            Target::Reads { .. } => None,
        }
    }

    /// Lets what reads its secret read it, where it may.
    pub(super) fn refresh_targets(&mut self, now: Timestamp) {
        let names: Vec<String> = self.targets.keys().cloned().collect();
        for name in names {
            let Target::Reads { reader, secret, .. } = &self.targets[&name] else { continue };
            let Ok(value) = self.read_value(reader, secret, now) else { continue };
            let sealed = self.vault().seal(&name, value.expose());
            if let Some(Target::Reads { held, .. }) = self.targets.get_mut(&name) {
                *held = Some(sealed);
            }
        }
    }
}
