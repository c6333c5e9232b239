//! Selecting roles: all of them, by path, by tag, and by whom they trust.
//!
//! Whom a role trusts is asked to find what may have been had by whoever got in elsewhere: in an identity provider, in
//! another account. It errs towards yes, like `policy::trust`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::selecting::text;
use super::{Attribute, Unanswered};
use crate::ids::{Arn, RoleName};
use crate::inventory::{Inventory, ListedRole};
use crate::playbook::expression::shape::Shape;
use crate::playbook::field::{FieldType, shorten};
use crate::policy::Document;
use crate::policy::trust::{admits_account, admits_provider};

const LISTED_ROLE: &[Attribute] = &[
    Attribute { name: "name", shape: || Shape::Of(FieldType::RoleName) },
    Attribute { name: "path", shape: || Shape::Text },
    Attribute { name: "arn", shape: || Shape::Of(FieldType::Arn) },
    Attribute {
        name: "created_at",
        shape: || Shape::Nullable(Box::new(Shape::Of(FieldType::Timestamp))),
    },
    Attribute { name: "changeable", shape: || Shape::Boolean },
];

pub(super) fn roles() -> Shape {
    Shape::List(Box::new(Shape::object(LISTED_ROLE)))
}

/// `role/ci/deploy` stands at `/ci/`.
fn path_of(arn: &Arn) -> String {
    let path = arn.resource().strip_prefix("role").unwrap_or_default();
    path.rfind('/').map_or_else(|| "/".to_owned(), |end| path[..=end].to_owned())
}

fn told(name: &RoleName, arn: &Arn, created_at: Option<jiff::Timestamp>) -> Value {
    let path = path_of(arn);
    // IAM lets nobody change these, so that no step can cut them.
    let kept = ["/aws-service-role/", "/aws-reserved/"].iter().any(|kept| path.starts_with(kept));
    json!({
        "name": name,
        "arn": arn,
        "created_at": created_at.map(|at| at.to_string()),
        "changeable": !kept,
        "path": path,
    })
}

fn listed(
    inventory: &Inventory,
    wanted: impl Fn(&ListedRole) -> bool,
) -> Result<Value, Unanswered> {
    let found = inventory.roles()?.iter().filter(|role| wanted(role));
    Ok(found.map(|role| told(&role.name, &role.arn, role.created_at)).collect())
}

pub(super) fn all(inventory: &Inventory, _: &[Value]) -> Result<Value, Unanswered> {
    listed(inventory, |_| true)
}

pub(super) fn in_path(inventory: &Inventory, given: &[Value]) -> Result<Value, Unanswered> {
    let path = super::path(given);
    listed(inventory, |role| path_of(&role.arn).starts_with(path))
}

pub(super) fn tagged(inventory: &Inventory, given: &[Value]) -> Result<Value, Unanswered> {
    let (key, value) = (text(given, 0), text(given, 1));
    let has = |tags: &BTreeMap<String, String>| tags.get(key).is_some_and(|found| found == value);
    let tagged = inventory.authorization()?.roles.iter().filter(|role| has(&role.tags));
    Ok(tagged.map(|role| told(&role.name, &role.arn, Some(role.created_at))).collect())
}

/// Those whose trust says yes to `asked`. What cannot be understood is not thereby harmless.
fn trusting(inventory: &Inventory, asked: impl Fn(&Document) -> bool) -> Result<Value, Unanswered> {
    listed(inventory, |role| Document::parse(&role.trust).map_or(true, |trust| asked(&trust)))
}

pub(super) fn trusting_account(
    inventory: &Inventory,
    given: &[Value],
) -> Result<Value, Unanswered> {
    let account = text(given, 0);
    trusting(inventory, |trust| admits_account(trust, account))
}

pub(super) fn trusting_provider(
    inventory: &Inventory,
    given: &[Value],
) -> Result<Value, Unanswered> {
    let provider = text(given, 0);
    let is_one = |arn: &Arn| {
        arn.resource().starts_with("oidc-provider/") || arn.resource().starts_with("saml-provider/")
    };
    // Whoever names something else would be told that nothing trusts it.
    if !Arn::parse(provider).is_ok_and(|arn| is_one(&arn)) {
        return Err(Unanswered::Nothing {
            message: format!("`{}` is not the ARN of an identity provider", shorten(provider)),
            help: "write it like arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com, or with \
                   saml-provider/NAME"
                .to_owned(),
        });
    }
    trusting(inventory, |trust| admits_provider(trust, provider))
}
