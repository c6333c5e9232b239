//! Secrets Manager: secrets, their versions and labels.
//!
//! The rules that matter to whoever delivers a new credential are all here: a client's token is the
//! version's id and makes a put repeatable; a label moves only away from where the client says it is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::call::{Call, marker, page_size, position};
use super::iam::users::Answer;
use super::state::{State, StoredSecret, Version};
use super::wire::{Refusal, Reply};
use crate::ids::SecretId;
use crate::policy::Document;

fn refusal(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::new(400, code, message)
}

fn missing() -> Refusal {
    refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

fn invalid(message: impl Into<String>) -> Refusal {
    refusal("InvalidParameterException", message)
}

fn epoch(at: Timestamp) -> Value {
    json!(at.as_second())
}

/// Account and name of the secret that a client calls by name or by ARN, whole or without the end.
pub(super) fn locate(
    state: &State,
    account: &str,
    region: &str,
    id: &str,
    now: Timestamp,
) -> Option<(String, String)> {
    let owner = id.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(3)).unwrap_or(account);
    let here = format!("arn:aws:secretsmanager:{region}:");
    let fits = |name: &str, secret: &StoredSecret| {
        let by_name = name == id;
        let by_arn = secret.arn == id || secret.arn.rsplit_once('-').is_some_and(|(a, _)| a == id);
        (by_name || by_arn)
            && secret.arn.starts_with(&here)
            && secret.gone_at.is_none_or(|gone| gone > now)
    };
    let (name, _) = state.account(owner)?.secrets.iter().find(|(name, s)| fits(name, s))?;
    Some((owner.to_owned(), name.clone()))
}

impl Call<'_> {
    fn locate(&self, state: &State) -> Result<(String, String), Refusal> {
        let id = self.params.get("SecretId").ok_or_else(|| invalid("SecretId is missing."))?;
        locate(state, self.account_id(), self.region, id, self.now).ok_or_else(missing)
    }

    fn shown_secret(&self) -> Result<(String, &StoredSecret), Refusal> {
        let state = self.engine.shown(self.now);
        let (account, name) = self.locate(state)?;
        let secret = &state.accounts[&account].secrets[&name];
        Ok((name, secret))
    }

    /// The place of a secret that is not waiting to be deleted, and the secret as it is.
    fn newest_secret(&self) -> Result<((String, String), &StoredSecret), Refusal> {
        let state = self.engine.newest();
        let place = self.locate(state)?;
        let secret = &state.accounts[&place.0].secrets[&place.1];
        not_deleted(secret)?;
        Ok((place, secret))
    }

    fn edit_secret(&mut self, (account, name): &(String, String)) -> &mut StoredSecret {
        self.engine
            .edit(self.now)
            .accounts
            .get_mut(account)
            .and_then(|a| a.secrets.get_mut(name))
            .expect("located before it is changed")
    }
}

fn not_deleted(secret: &StoredSecret) -> Result<(), Refusal> {
    if secret.deleted_at.is_none() {
        return Ok(());
    }
    Err(refusal(
        "InvalidRequestException",
        "You can't perform this operation on the secret because it was marked for deletion.",
    ))
}

/// The answer's beginning, which most operations share.
fn named(secret: &StoredSecret, name: &str) -> Map<String, Value> {
    Map::from_iter([("ARN".to_owned(), json!(secret.arn)), ("Name".to_owned(), json!(name))])
}

fn done(fields: Map<String, Value>) -> Reply {
    Reply::Json(Value::Object(fields))
}

fn labelled(secret: &StoredSecret) -> BTreeMap<&str, &BTreeSet<String>> {
    secret
        .versions
        .iter()
        .filter(|(_, v)| !v.labels.is_empty())
        .map(|(id, v)| (id.as_str(), &v.labels))
        .collect()
}

pub(super) fn describe(call: &mut Call<'_>) -> Answer {
    let (name, secret) = call.shown_secret()?;
    let mut fields = named(secret, &name);
    fields.insert("CreatedDate".into(), epoch(secret.created_at));
    let changed = secret.versions.values().map(|v| v.created_at).max();
    fields.insert("LastChangedDate".into(), epoch(changed.unwrap_or(secret.created_at)));
    fields.insert("RotationEnabled".into(), json!(false));
    fields.insert("VersionIdsToStages".into(), json!(labelled(secret)));
    if !secret.description.is_empty() {
        fields.insert("Description".into(), json!(secret.description));
    }
    if !secret.tags.is_empty() {
        fields.insert("Tags".into(), tags(secret));
    }
    if let Some(at) = secret.deleted_at {
        fields.insert("DeletedDate".into(), epoch(at));
    }
    Ok(done(fields))
}

pub(super) fn get_value(call: &mut Call<'_>) -> Answer {
    let (name, secret) = call.shown_secret()?;
    not_deleted(secret)?;
    let stage = call.params.get("VersionStage");
    let id = match (call.params.get("VersionId"), stage) {
        (Some(id), stage) => {
            let version = secret.versions.get(id);
            version.filter(|v| stage.is_none_or(|s| v.labels.contains(s))).map(|_| id)
        }
        (None, stage) => secret.holder_of(stage.unwrap_or("AWSCURRENT")),
    };
    let id = id.ok_or_else(|| {
        let what = match call.params.get("VersionId") {
            Some(id) => format!("VersionId: {id}"),
            None => format!("staging label: {}", stage.unwrap_or("AWSCURRENT")),
        };
        let message = format!("Secrets Manager can't find the specified secret value for {what}");
        refusal("ResourceNotFoundException", message)
    })?;
    let version = &secret.versions[id];
    let value = call.engine.vault().open(&version.value).ok_or_else(|| {
        refusal("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text.")
    })?;
    let mut fields = named(secret, &name);
    fields.insert("VersionId".into(), json!(id));
    let kind = if version.binary { "SecretBinary" } else { "SecretString" };
    fields.insert(kind.into(), json!(value.expose()));
    fields.insert("VersionStages".into(), json!(version.labels));
    fields.insert("CreatedDate".into(), epoch(version.created_at));
    Ok(done(fields))
}

/// The value in a request and whether it is binary (which stays in its base 64).
fn value<'a>(call: &'a Call<'_>) -> Result<Option<(&'a str, bool)>, Refusal> {
    let value = match (call.params.get("SecretString"), call.params.get("SecretBinary")) {
        (Some(_), Some(_)) => {
            return Err(invalid(
                "You can't specify both a SecretString value and a SecretBinary value.",
            ));
        }
        (Some(text), None) => (text, false),
        (None, Some(binary)) => (binary, true),
        (None, None) => return Ok(None),
    };
    if value.0.len() > 65536 {
        return Err(invalid("The secret value is longer than 65536 bytes."));
    }
    Ok(Some(value))
}

/// The version's id: the client's token, or a new one.
fn token(call: &mut Call<'_>) -> Result<String, Refusal> {
    match call.params.get("ClientRequestToken") {
        Some(token) if (32..=64).contains(&token.len()) => Ok(token.to_owned()),
        Some(_) => Err(invalid("ClientRequestToken must have 32 to 64 characters.")),
        None => Ok(call.engine.new_uuid()),
    }
}

fn stages(call: &Call<'_>) -> Result<Vec<String>, Refusal> {
    let Some(given) = call.params.json("VersionStages") else {
        return Ok(vec!["AWSCURRENT".to_owned()]);
    };
    let stages: Option<Vec<String>> =
        given.as_array().and_then(|l| l.iter().map(|s| s.as_str().map(str::to_owned)).collect());
    stages
        .filter(|list| {
            (1..=20).contains(&list.len()) && list.iter().all(|s| (1..=256).contains(&s.len()))
        })
        .ok_or_else(|| invalid("VersionStages must be 1 to 20 labels."))
}

pub(super) fn put_value(call: &mut Call<'_>) -> Answer {
    let place = call.newest_secret()?.0;
    let token = token(call)?;
    let stages = stages(call)?;
    let (given, binary) = value(call)?
        .map(|(v, binary)| (v.to_owned(), binary))
        .ok_or_else(|| invalid("You must provide either SecretString or SecretBinary."))?;
    let (_, secret) = call.newest_secret()?;
    if let Some(present) = secret.versions.get(&token) {
        let same = call.engine.vault().open(&present.value).is_some_and(|v| v.expose() == given);
        if !same {
            return Err(refusal(
                "ResourceExistsException",
                format!(
                    "You can't use ClientRequestToken {token} because that value is already in use for a version of secret {}.",
                    secret.arn
                ),
            ));
        }
    } else {
        // A label of the new version that another has would have to move; there are at most 20.
        let labels: BTreeSet<&String> =
            secret.versions.values().flat_map(|v| &v.labels).chain(&stages).collect();
        if labels.len() > 20 {
            return Err(refusal(
                "LimitExceededException",
                "A secret has at most 20 staging labels.",
            ));
        }
        let sealed = call.engine.seal(&place.1, &given);
        let created_at = call.now;
        let secret = call.edit_secret(&place);
        let version = Version { created_at, value: sealed, binary, labels: BTreeSet::new() };
        secret.versions.insert(token.clone(), version);
        for stage in &stages {
            secret.move_label(stage, &token);
        }
        if secret.holder_of("AWSCURRENT").is_none() {
            secret.move_label("AWSCURRENT", &token);
        }
    }
    let secret = call.newest_secret()?.1;
    let mut fields = named(secret, &place.1);
    fields.insert("VersionId".into(), json!(token));
    fields.insert("VersionStages".into(), json!(secret.versions[&token].labels));
    Ok(done(fields))
}

pub(super) fn update_stage(call: &mut Call<'_>) -> Answer {
    let (place, secret) = call.newest_secret()?;
    let label = call
        .params
        .get("VersionStage")
        .ok_or_else(|| invalid("VersionStage is missing."))?
        .to_owned();
    let from = call.params.get("RemoveFromVersionId").map(str::to_owned);
    let to = call.params.get("MoveToVersionId").map(str::to_owned);
    let holder = secret.holder_of(&label);
    match (&from, &to, holder) {
        (None, None, _) => {
            return Err(invalid(
                "You must say where to move the label, or from where to remove it.",
            ));
        }
        (Some(from), _, holder) if holder != Some(from) => {
            return Err(invalid(format!(
                "The parameter RemoveFromVersionId is not valid: staging label {label} is not attached to version {from}."
            )));
        }
        (None, Some(to), Some(holder)) if holder != to => {
            return Err(invalid(format!(
                "The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to version {holder}, so you must explicitly reference that version in RemoveFromVersionId."
            )));
        }
        (Some(_), None, _) if label == "AWSCURRENT" => {
            return Err(invalid(
                "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
            ));
        }
        _ => {}
    }
    if let Some(to) = &to {
        let target = secret.versions.get(to).ok_or_else(|| {
            refusal(
                "ResourceNotFoundException",
                format!(
                    "Secrets Manager can't find the specified secret value for VersionId: {to}"
                ),
            )
        })?;
        if target.labels.len() >= 20 && !target.labels.contains(&label) {
            return Err(refusal(
                "LimitExceededException",
                "A version has at most 20 staging labels.",
            ));
        }
    }
    let secret = call.edit_secret(&place);
    match &to {
        Some(to) => secret.move_label(&label, to),
        None => {
            for version in secret.versions.values_mut() {
                version.labels.remove(&label);
            }
        }
    }
    let fields = named(secret, &place.1);
    Ok(done(fields))
}

/// One page of a list of JSON.
fn page(call: &Call<'_>, list: &str, all: Vec<Value>) -> Result<Map<String, Value>, Refusal> {
    let asked = call.params.number("MaxResults")?;
    let size = page_size(asked, call.engine.settings.page_size);
    let from = match call.params.get("NextToken") {
        None => 0,
        Some(token) => position(token).ok_or_else(|| {
            refusal("InvalidNextTokenException", "The NextToken value is invalid.")
        })?,
    };
    let more = all.len() > from.saturating_add(size);
    let page: Vec<Value> = all.into_iter().skip(from).take(size).collect();
    let mut fields = Map::from_iter([(list.to_owned(), Value::Array(page))]);
    if more {
        fields.insert("NextToken".to_owned(), json!(marker(from + size)));
    }
    Ok(fields)
}

fn tags(secret: &StoredSecret) -> Value {
    secret.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

fn tags_given(call: &Call<'_>) -> Result<BTreeMap<String, String>, Refusal> {
    let Some(given) = call.params.json("Tags") else { return Ok(BTreeMap::new()) };
    let text = |tag: &Value, field: &str| tag.get(field).and_then(Value::as_str).map(str::to_owned);
    given
        .as_array()
        .and_then(|list| {
            list.iter().map(|tag| Some((text(tag, "Key")?, text(tag, "Value")?))).collect()
        })
        .ok_or_else(|| invalid("Tags must be a list of keys and values."))
}

/// Made up, and kept nowhere.
pub(super) fn random_password(call: &mut Call<'_>) -> Answer {
    let length = call.params.number("PasswordLength")?.unwrap_or(32);
    let length = usize::try_from(length).ok().filter(|length| (4..=4096).contains(length));
    let length = length.ok_or_else(|| invalid("PasswordLength must be from 4 to 4096."))?;
    let mut password = String::new();
    while password.len() < length {
        password.push_str(&call.engine.new_uuid().replace('-', "+"));
    }
    password.truncate(length);
    // Nobody may write it down all the same.
    call.engine.seal("a random password", &password);
    Ok(Reply::Json(json!({"RandomPassword": password})))
}

pub(super) fn list(call: &mut Call<'_>) -> Answer {
    let deleted = call.params.json("IncludePlannedDeletion") == Some(&json!(true));
    let here = format!("arn:aws:secretsmanager:{}:", call.region);
    let secrets = call
        .shown()
        .secrets
        .iter()
        .filter(|(_, s)| s.arn.starts_with(&here) && s.gone_at.is_none_or(|gone| gone > call.now))
        .filter(|(_, s)| deleted || s.deleted_at.is_none())
        .map(|(name, secret)| {
            let mut fields = named(secret, name);
            fields.insert("CreatedDate".into(), epoch(secret.created_at));
            fields.insert("SecretVersionsToStages".into(), json!(labelled(secret)));
            fields.insert("Tags".into(), tags(secret));
            if let Some(at) = secret.deleted_at {
                fields.insert("DeletedDate".into(), epoch(at));
            }
            Value::Object(fields)
        })
        .collect();
    Ok(done(page(call, "SecretList", secrets)?))
}

pub(super) fn list_versions(call: &mut Call<'_>) -> Answer {
    let (name, secret) = call.shown_secret()?;
    let deprecated = call.params.json("IncludeDeprecated") == Some(&json!(true));
    let versions = secret
        .versions
        .iter()
        .filter(|(_, v)| deprecated || !v.labels.is_empty())
        .map(|(id, v)| json!({"VersionId": id, "VersionStages": v.labels, "CreatedDate": v.created_at.as_second()}))
        .collect();
    let mut fields = named(secret, &name);
    fields.extend(page(call, "Versions", versions)?);
    Ok(done(fields))
}

pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let name = call.params.get("Name").ok_or_else(|| invalid("Name is missing."))?.to_owned();
    if name.starts_with("arn:") || SecretId::parse(name.as_str()).is_err() {
        return Err(invalid(
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
        ));
    }
    let token = token(call)?;
    let given = value(call)?.map(|(v, binary)| (v.to_owned(), binary));
    let present =
        call.newest().secrets.get(&name).filter(|s| s.gone_at.is_none_or(|g| g > call.now));
    if let Some(present) = present {
        if present.deleted_at.is_some() {
            return Err(refusal(
                "InvalidRequestException",
                "You can't create this secret because a secret with this name is already scheduled for deletion.",
            ));
        }
        let same = present.versions.get(&token).is_some_and(|v| {
            let opened = call.engine.vault().open(&v.value);
            opened.is_some_and(|o| given.as_ref().is_some_and(|(g, _)| g == o.expose()))
        });
        if !same {
            let message = format!("The operation failed because the secret {name} already exists.");
            return Err(refusal("ResourceExistsException", message));
        }
        let mut fields = named(present, &name);
        fields.insert("VersionId".into(), json!(token));
        return Ok(done(fields));
    }
    let suffix = call.engine.new_suffix();
    let (region, account) = (call.region, call.account_id());
    let arn = format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-{suffix}");
    let mut versions = BTreeMap::new();
    if let Some((value, binary)) = given {
        let labels = BTreeSet::from(["AWSCURRENT".to_owned()]);
        let value = call.engine.seal(&name, &value);
        versions.insert(token.clone(), Version { created_at: call.now, value, binary, labels });
    }
    let secret = StoredSecret {
        arn,
        created_at: call.now,
        description: call.params.get("Description").unwrap_or_default().to_owned(),
        versions,
        policy: None,
        tags: tags_given(call)?,
        deleted_at: None,
        gone_at: None,
    };
    let mut fields = named(&secret, &name);
    if !secret.versions.is_empty() {
        fields.insert("VersionId".into(), json!(token));
    }
    call.edit().secrets.insert(name, secret);
    Ok(done(fields))
}

pub(super) fn get_policy(call: &mut Call<'_>) -> Answer {
    let (name, secret) = call.shown_secret()?;
    let mut fields = named(secret, &name);
    if let Some(policy) = &secret.policy {
        fields.insert("ResourcePolicy".into(), json!(policy));
    }
    Ok(done(fields))
}

pub(super) fn put_policy(call: &mut Call<'_>) -> Answer {
    let place = call.newest_secret()?.0;
    let policy = call
        .params
        .get("ResourcePolicy")
        .ok_or_else(|| invalid("ResourcePolicy is missing."))?
        .to_owned();
    let malformed = |why: String| refusal("MalformedPolicyDocumentException", why);
    let document = Document::parse(&policy).map_err(|e| malformed(e.to_string()))?;
    if !document.names_principals() || !document.names_resources() {
        return Err(malformed("This resource policy must name principals and resources.".into()));
    }
    let secret = call.edit_secret(&place);
    secret.policy = Some(policy);
    let fields = named(secret, &place.1);
    Ok(done(fields))
}

pub(super) fn delete_policy(call: &mut Call<'_>) -> Answer {
    let place = call.newest_secret()?.0;
    let secret = call.edit_secret(&place);
    secret.policy = None;
    let fields = named(secret, &place.1);
    Ok(done(fields))
}

pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let place = call.newest_secret()?.0;
    let days = call.params.number("RecoveryWindowInDays")?;
    let forced = call.params.json("ForceDeleteWithoutRecovery") == Some(&json!(true));
    let days = match (days, forced) {
        (Some(_), true) => {
            return Err(invalid(
                "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
            ));
        }
        (_, true) => 0,
        (None, false) => 30,
        (Some(days), false) if (7..=30).contains(&days) => days,
        _ => return Err(invalid("RecoveryWindowInDays must be from 7 to 30.")),
    };
    let now = call.now;
    let gone = now + SignedDuration::from_hours(24 * days);
    let secret = call.edit_secret(&place);
    secret.deleted_at = Some(now);
    secret.gone_at = Some(gone);
    let mut fields = named(secret, &place.1);
    fields.insert("DeletionDate".into(), epoch(gone));
    Ok(done(fields))
}

pub(super) fn restore(call: &mut Call<'_>) -> Answer {
    let place = call.locate(call.engine.newest())?;
    let secret = call.edit_secret(&place);
    secret.deleted_at = None;
    secret.gone_at = None;
    let fields = named(secret, &place.1);
    Ok(done(fields))
}
