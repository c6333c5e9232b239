//! Handing a new credential to whoever may read one secret.
//!
//! The new value goes into a version under a label of its own; only then does `AWSCURRENT` move, away
//! from the version that is named as holding it. A crash in between leaves a version nobody reads. The
//! fields of what is there already are kept as they are written. Values pass through here as [`Secret`]s and
//! leave no copy behind.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{ApplyError, PlanError, seal_policy};
use crate::cloud::WriteCloud;
use crate::ids::{AccessKeyId, SecretId, VersionId};
use crate::inventory::{Inventory, SecretMetadata};
use crate::journal::Position;
use crate::secret::Secret;

/// The label that readers follow.
pub(super) const CURRENT: &str = "AWSCURRENT";

/// The label our version has until `AWSCURRENT` is on it.
pub(super) const STAGED: &str = "PORTCULLIS-STAGED";

/// The field of a delivered key's id, and of its secret.
pub(super) const KEY_ID: &str = "access_key_id";
pub(super) const KEY_SECRET: &str = "secret_access_key";

/// The id of the version that holds what `seed` and `content` stand for: the same on every attempt, so
/// that storing it again is no second version.
pub(super) fn version_of(seed: &str, content: &str) -> VersionId {
    let digest = hex::encode(Sha256::digest(format!("{seed}\n{content}")));
    VersionId::parse(&digest[..40]).expect("forty hexadecimal digits")
}

/// The secret, if something can be delivered into it. One that is not there is not made: who may read it, and with
/// which key it is kept, is nothing to be decided at night by a tool that is about to fill it.
pub(super) fn deliverable<'a>(
    id: &SecretId,
    inventory: &'a Inventory,
) -> Result<&'a SecretMetadata, PlanError> {
    let impossible = |message: String, help: String| PlanError::Impossible { message, help };
    match inventory.secret(id)? {
        Some(secret) if secret.deleted_at.is_some() => Err(impossible(
            format!("secret {id} is waiting to be deleted"),
            format!(
                "restore it (aws secretsmanager restore-secret --secret-id {id}), or name another"
            ),
        )),
        Some(secret) => seal_policy::found(id, Some(secret), &inventory.caller),
        None => Err(impossible(
            format!("account {} has no secret {id} in this region", inventory.caller.account),
            format!(
                "check the name and the region, or make it: aws secretsmanager create-secret --name {id}"
            ),
        )),
    }
}

/// The secret's ARN, by which every call names it: another secret under the same name has another.
pub(super) fn arn_of(secret: &SecretMetadata) -> Result<SecretId, PlanError> {
    SecretId::parse(secret.arn.as_str()).map_err(|error| PlanError::Impossible {
        message: error.to_string(),
        help: "name the secret by its ARN".to_owned(),
    })
}

/// What is on the screen must be where it goes: a plan is a file, and its ARN no more than a claim.
pub(super) fn not_the_secret(named: &SecretId, found: &SecretMetadata) -> Option<Position> {
    let is = [found.name.as_str(), found.arn.as_str()].contains(&named.as_str());
    (!is).then(|| Position::Elsewhere {
        why: format!("{} is secret {}, not {named}", found.arn, found.name),
    })
}

/// Reads what is there and makes sure that fields can be added to it. Done before anything is minted, and
/// before anything is deleted to make room.
pub(super) async fn open(
    cloud: &WriteCloud,
    secret: &SecretId,
) -> Result<Option<Secret>, ApplyError> {
    let current = cloud.secrets().current_value(secret).await?;
    if let Some(current) = &current {
        fields_of(current).ok_or_else(|| {
            ApplyError::Refused(format!(
                "secret {secret} does not hold a JSON object, so nothing can be added without losing \
                 what is there; make it one, or plan with another secret. Nothing was issued, and nothing \
                 deleted"
            ))
        })?;
    }
    Ok(current)
}

/// The access key that whoever reads `value` signs with, where it says so as a delivery does.
pub(super) fn key_in(value: &Secret) -> Option<AccessKeyId> {
    let (_, id) = fields_of(value)?.0.into_iter().rfind(|(name, _)| name == KEY_ID)?;
    AccessKeyId::parse(serde_json::from_str::<String>(id.get()).ok()?).ok()
}

/// The key that `value` holds, where it holds no other secret: who knows it knows that key, and no more. The name of a region
/// is none.
pub(super) fn key_alone_in(value: &Secret) -> Option<AccessKeyId> {
    let fields = fields_of(value)?.0;
    let is_of_a_key = |(name, value): &(String, &RawValue)| {
        [KEY_ID, KEY_SECRET].contains(&name.as_str()) || name == "region" && is_a_region(value)
    };
    let of = |field: &str| fields.iter().filter(|(name, _)| name == field).count();
    if of(KEY_ID) != 1 || of(KEY_SECRET) > 1 || !fields.iter().all(is_of_a_key) {
        return None;
    }
    key_in(value)
}

/// Whether a text is the name of a region: words of few letters, and a digit.
fn is_a_region(value: &RawValue) -> bool {
    let Some(name) = value.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return false;
    };
    let mut parts: Vec<&str> = name.split('-').collect();
    let digit =
        parts.pop().is_some_and(|last| last.len() == 1 && last.as_bytes()[0].is_ascii_digit());
    let is_word =
        |part: &&str| (2..=9).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_lowercase());
    digit && (2..=3).contains(&parts.len()) && parts.iter().all(is_word)
}

/// The value with `fields` set and every other field kept, byte for byte.
pub(super) fn with_fields(current: Option<&Secret>, fields: &[(&str, &str)]) -> Secret {
    let there = current.and_then(fields_of).unwrap_or_default();
    // No escape is longer than six bytes. Made long enough at once, it is never moved, and so leaves no copy.
    let longest: usize =
        fields.iter().map(|(name, value)| 6 * (name.len() + value.len()) + 6).sum();
    let mut object = Vec::with_capacity(current.map_or(0, |c| c.expose().len()) + longest + 2);
    let mut set: BTreeSet<&str> = BTreeSet::new();
    object.push(b'{');
    for (name, value) in &there.0 {
        match fields.iter().find(|(new, _)| new == name) {
            None => push(&mut object, name, value),
            Some((new, value)) if set.insert(new) => push(&mut object, new, value),
            // A name that stood there twice.
            Some(_) => {}
        }
    }
    for (name, value) in fields.iter().filter(|(name, _)| !set.contains(name)) {
        push(&mut object, name, value);
    }
    object.push(b'}');
    Secret::new(String::from_utf8(object).expect("JSON is text"))
}

/// Moves `AWSCURRENT` to our version, away from the version that the plan names as holding it, and takes our own
/// label off it.
pub(super) async fn hand_over(
    cloud: &WriteCloud,
    secret: &SecretId,
    from: Option<&VersionId>,
    version: &VersionId,
) -> Result<(), ApplyError> {
    let described = cloud.read().secrets().describe(secret).await?;
    let labels = described.and_then(|s| s.version_ids_to_stages).unwrap_or_default();
    let holds = |label: &str| {
        let found = labels.iter().find(|(_, stages)| stages.iter().any(|s| s == label));
        found.map(|(id, _)| id.as_str())
    };
    if holds(CURRENT) != Some(version.as_str()) {
        // If anybody has moved it since, AWS refuses, and so it should.
        cloud.secrets().move_label(secret, CURRENT, Some(version), from).await?;
    }
    if let Some(holder) = holds(STAGED).and_then(|id| VersionId::parse(id).ok()) {
        cloud.secrets().move_label(secret, STAGED, None, Some(&holder)).await?;
    }
    Ok(())
}

/// Whether a value is a JSON object.
pub(super) fn is_object(value: &Secret) -> bool {
    fields_of(value).is_some()
}

fn push(object: &mut Vec<u8>, name: &str, value: &(impl Serialize + ?Sized)) {
    if object.len() > 1 {
        object.push(b',');
    }
    serde_json::to_writer(&mut *object, name).expect("a name has a JSON form");
    object.push(b':');
    serde_json::to_writer(object, value).expect("a text has a JSON form");
}

/// The fields of a JSON object in their order, each as it is written: numbers stay what they are, and
/// nothing of a secret is copied.
#[derive(Default)]
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

fn fields_of(value: &Secret) -> Option<Fields<'_>> {
    serde_json::from_str(value.expose()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_fields_and_their_order_are_kept_byte_for_byte() {
        let there = Secret::new(
            r#"{"region":"eu-west-1", "access_key_id":"old","n":1.50,"account":123456789012345678901234567890,
               "e":1E400,"t":"\u00fc\/","nested":{"b": 1,"a":-0.0},"access_key_id":"older"}"#
                .to_owned(),
        );
        let new =
            with_fields(Some(&there), &[("access_key_id", "new"), ("secret_access_key", "s\"/+")]);
        assert_eq!(
            new.expose(),
            r#"{"region":"eu-west-1","access_key_id":"new","n":1.50,"account":123456789012345678901234567890,"e":1E400,"t":"\u00fc\/","nested":{"b": 1,"a":-0.0},"secret_access_key":"s\"/+"}"#
        );
        let fresh = with_fields(None, &[("access_key_id", "new")]);
        assert_eq!(fresh.expose(), r#"{"access_key_id":"new"}"#);
    }

    #[test]
    fn a_key_is_alone_in_a_value_that_has_no_other_field() {
        let alone = |text: &str| key_alone_in(&Secret::new(text.to_owned()));
        let key = AccessKeyId::parse("AKIAEXAMPLELEAKED001").unwrap();
        let pair = r#""access_key_id":"AKIAEXAMPLELEAKED001","secret_access_key":"s""#;
        assert_eq!(alone(&format!("{{{pair}}}")), Some(key.clone()));
        assert_eq!(alone(&format!("{{{pair},\"region\":\"us-gov-west-1\"}}")), Some(key));
        for more in [
            r#","region":"hunter2""#,
            r#","region":["eu-west-1"]"#,
            r#","token":"eu-west-1""#,
            r#","access_key_id":"AKIAEXAMPLEBACKUP003""#,
            r#","secret_access_key":"another""#,
        ] {
            assert_eq!(alone(&format!("{{{pair}{more}}}")), None, "{more}");
        }
        assert_eq!(alone("{}"), None);
    }

    #[test]
    fn fields_are_added_to_nothing_but_an_object() {
        for not in ["", "[]", "1", "\"{}\"", "null", "{\"a\":1", "{} {}", "{\"a\":}", "not JSON"] {
            assert!(fields_of(&Secret::new(not.to_owned())).is_none(), "{not}");
        }
        assert!(fields_of(&Secret::new(" {} ".to_owned())).is_some());
    }

    #[test]
    fn a_version_belongs_to_one_change_and_one_key() {
        assert_eq!(version_of("case new-key.1", "AKIA1"), version_of("case new-key.1", "AKIA1"));
        assert_ne!(version_of("case new-key.1", "AKIA1"), version_of("case new-key.1", "AKIA2"));
        assert_ne!(version_of("case new-key.1", "AKIA1"), version_of("case new-key.2", "AKIA1"));
    }
}
