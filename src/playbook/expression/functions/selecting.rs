//! Selecting by tag, by group, and by who may read a secret.
//!
//! All of it comes from two listings of the account and the policy on each secret. Who may read a secret is
//! judged by `policy::reach`, and errs towards yes.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Attribute, LISTED_USER, Unanswered};
use crate::ids::GroupName;
use crate::inventory::{Inventory, ListedSecret, UserDetail, Want};
use crate::playbook::expression::shape::Shape;
use crate::playbook::field::{FieldType, TAG_KEY, TAG_VALUE, parse_duration, shorten};
use crate::playbook::reach_of;

pub(super) const TAG: &[(&str, FieldType)] = &[("key", TAG_KEY), ("value", TAG_VALUE)];

pub(super) const LISTED_SECRET: &[Attribute] = &[
    Attribute { name: "name", shape: || Shape::Text },
    Attribute { name: "arn", shape: || Shape::Of(FieldType::Arn) },
    Attribute {
        name: "created_at",
        shape: || Shape::Nullable(Box::new(Shape::Of(FieldType::Timestamp))),
    },
    Attribute { name: "deleted", shape: || Shape::Boolean },
    Attribute { name: "rotates", shape: || Shape::Boolean },
    Attribute { name: "owned_by", shape: || Shape::Nullable(Box::new(Shape::Text)) },
];

pub(super) fn users() -> Shape {
    Shape::List(Box::new(Shape::object(LISTED_USER)))
}

pub(super) fn secrets() -> Shape {
    Shape::List(Box::new(Shape::object(LISTED_SECRET)))
}

pub(super) fn text(arguments: &[Value], n: usize) -> &str {
    arguments.get(n).and_then(Value::as_str).unwrap_or_default()
}

fn of_user(user: &UserDetail) -> Value {
    json!({
        "name": user.name,
        "path": user.path,
        "arn": user.arn,
        "created_at": user.created_at.to_string(),
    })
}

fn of_secret(secret: &ListedSecret) -> Value {
    json!({
        "name": secret.name,
        "arn": secret.arn,
        "created_at": secret.created_at.map(|at| at.to_string()),
        "deleted": secret.deleted_at.is_some(),
        "rotates": secret.rotates_itself && secret.rotator.is_some() && secret.owned_by.is_none(),
        "owned_by": secret.owned_by,
    })
}

pub(super) fn users_tagged(inventory: &Inventory, given: &[Value]) -> Result<Value, Unanswered> {
    let (key, value) = (text(given, 0), text(given, 1));
    let users = inventory.authorization()?.users.iter();
    let tagged = users.filter(|user| user.tags.get(key).is_some_and(|found| found == value));
    Ok(tagged.map(of_user).collect())
}

pub(super) fn users_in_group(inventory: &Inventory, given: &[Value]) -> Result<Value, Unanswered> {
    let all = inventory.authorization()?;
    let name = text(given, 0);
    if !all.groups.iter().any(|group| group.name.as_str() == name) {
        return Err(nowhere(
            inventory,
            format!("there is no group {} in this account", shorten(name)),
        ));
    }
    let is_in = |group: &GroupName| group.as_str() == name;
    let members = all.users.iter().filter(|user| user.groups.iter().any(is_in));
    Ok(members.map(of_user).collect())
}

pub(super) fn all_secrets(inventory: &Inventory, _: &[Value]) -> Result<Value, Unanswered> {
    Ok(inventory.secrets()?.iter().map(of_secret).collect())
}

pub(super) fn secrets_tagged(inventory: &Inventory, given: &[Value]) -> Result<Value, Unanswered> {
    let (key, value) = (text(given, 0), text(given, 1));
    let tagged = |secret: &&ListedSecret| secret.tags.get(key).is_some_and(|found| found == value);
    Ok(inventory.secrets()?.iter().filter(tagged).map(of_secret).collect())
}

pub(super) fn secrets_readable_by(
    inventory: &Inventory,
    given: &[Value],
) -> Result<Value, Unanswered> {
    let account = inventory.caller.account.as_str();
    let (all, secrets) = (inventory.authorization()?, inventory.secrets()?);
    let principal = text(given, 0);
    let Some(reach) = reach_of(all, account, principal) else {
        let what = format!("there is no user or role {} in this account", shorten(principal));
        return Err(nowhere(inventory, what));
    };
    let policies = secrets.iter().filter_map(ListedSecret::id).map(Want::SecretPolicy);
    let open: BTreeSet<Want> =
        policies.filter(|want| !inventory.answers.contains_key(want)).collect();
    if !open.is_empty() {
        return Err(Unanswered::Needs(open));
    }
    let mut readable = Vec::new();
    for secret in secrets {
        let Some(id) = secret.id() else { continue };
        let policy = inventory.secret_policy(&id)?.as_deref();
        if reach.may("secretsmanager:GetSecretValue", secret.arn.as_str(), account, policy) {
            readable.push(of_secret(secret));
        }
    }
    Ok(readable.into())
}

fn nowhere(inventory: &Inventory, message: String) -> Unanswered {
    Unanswered::Nothing {
        message,
        help: format!(
            "check the name, and that the credentials in use are for the account it belongs to (they are for {})",
            inventory.caller.account
        ),
    }
}

/// Counted from the survey and not from now, so that the same inventory gives the same plan.
pub(super) fn ago(inventory: &Inventory, given: &[Value]) -> Value {
    let length = parse_duration(text(given, 0)).unwrap_or(SignedDuration::ZERO);
    // Its type lets no length through that goes back beyond the beginning of time.
    let at = inventory.taken_at.checked_sub(length).unwrap_or(Timestamp::MIN);
    json!(at.to_string())
}
