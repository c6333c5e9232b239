//! Handing a new credential to whoever may read one secret.
//!
//! The new value goes into a version under a label of its own; only then does `AWSCURRENT` move, away
//! from the version that is named as holding it. A crash in between leaves a version nobody reads. The
//! fields of what is there already are kept. Values pass through here as [`Secret`]s and leave no copy
//! in anything that is printed or stored by us.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::ApplyError;
use crate::cloud::WriteCloud;
use crate::ids::{SecretId, VersionId};
use crate::secret::Secret;

/// The label that readers follow.
pub(super) const CURRENT: &str = "AWSCURRENT";

/// The label our version has until `AWSCURRENT` is on it.
pub(super) const STAGED: &str = "PORTCULLIS-STAGED";

/// The id of the version that holds what `seed` and `content` stand for: the same on every attempt, so
/// that storing it again is no second version.
pub(super) fn version_of(seed: &str, content: &str) -> VersionId {
    let digest = hex::encode(Sha256::digest(format!("{seed}\n{content}")));
    VersionId::parse(&digest[..40]).expect("forty hexadecimal digits")
}

/// Reads what is there and makes sure that fields can be added to it. Done before anything is minted.
pub(super) async fn open(
    cloud: &WriteCloud,
    secret: &SecretId,
) -> Result<Option<Secret>, ApplyError> {
    let current = cloud.secrets().current_value(secret).await?;
    if let Some(current) = &current {
        fields_of(current).ok_or_else(|| {
            ApplyError::Refused(format!(
                "secret {secret} does not hold a JSON object, so a key cannot be added without losing \
                 what is there; make it one, or plan with another secret. Nothing was minted"
            ))
        })?;
    }
    Ok(current)
}

/// The value with `fields` set and every other field kept.
pub(super) fn with_fields(current: Option<&Secret>, fields: &[(&str, &str)]) -> Secret {
    let mut object = current.and_then(fields_of).unwrap_or_default();
    for (name, value) in fields {
        object.insert((*name).to_owned(), Value::from(*value));
    }
    Secret::new(Value::Object(object).to_string())
}

fn fields_of(value: &Secret) -> Option<Map<String, Value>> {
    match serde_json::from_str(value.expose()) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_fields_and_their_order_are_kept() {
        let there = Secret::new(
            r#"{"region":"eu-west-1","access_key_id":"old","n":1.50,"nested":{"b":1,"a":2}}"#
                .to_owned(),
        );
        let new =
            with_fields(Some(&there), &[("access_key_id", "new"), ("secret_access_key", "s")]);
        assert_eq!(
            new.expose(),
            r#"{"region":"eu-west-1","access_key_id":"new","n":1.5,"nested":{"b":1,"a":2},"secret_access_key":"s"}"#
        );
        let fresh = with_fields(None, &[("access_key_id", "new")]);
        assert_eq!(fresh.expose(), r#"{"access_key_id":"new"}"#);
    }

    #[test]
    fn a_version_belongs_to_one_change_and_one_key() {
        assert_eq!(version_of("case new-key.1", "AKIA1"), version_of("case new-key.1", "AKIA1"));
        assert_ne!(version_of("case new-key.1", "AKIA1"), version_of("case new-key.1", "AKIA2"));
        assert_ne!(version_of("case new-key.1", "AKIA1"), version_of("case new-key.2", "AKIA1"));
    }
}
