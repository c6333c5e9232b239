//! The grammar of policy documents.
//!
//! Strict where IAM is strict: an unknown element, operator or effect makes the document invalid,
//! so that nothing is silently read as weaker or stronger than it is.

use serde_json::{Map, Value};

use super::condition::Clause;

/// A document that IAM would call malformed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPolicy(pub String);

/// What a statement does when it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Permits.
    Allow,
    /// Forbids, whatever else permits.
    Deny,
}

/// A policy document that has been read.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub(super) statements: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Statement {
    pub(super) effect: Effect,
    pub(super) principal: Option<Either<PrincipalElement>>,
    pub(super) action: Either<Vec<String>>,
    /// Absent in trust policies, where the role itself is meant.
    pub(super) resource: Option<Either<Vec<String>>>,
    pub(super) conditions: Vec<Clause>,
}

/// An element or its `Not` form.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Either<T> {
    Of(T),
    Not(T),
}

/// Whom a statement of a resource or trust policy is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PrincipalElement {
    pub(super) anyone: bool,
    pub(super) aws: Vec<String>,
    /// Services, federated and canonical users: never an IAM principal of ours.
    pub(super) others: Vec<String>,
}

impl Document {
    /// Reads a policy document.
    pub fn parse(json: &str) -> Result<Self, InvalidPolicy> {
        let value: Value = serde_json::from_str(json)
            .map_err(|e| InvalidPolicy(format!("This policy contains invalid Json: {e}")))?;
        Self::from_value(&value)
    }

    /// Reads a policy document that is JSON already.
    pub fn from_value(value: &Value) -> Result<Self, InvalidPolicy> {
        let object = value
            .as_object()
            .ok_or_else(|| InvalidPolicy("A policy is a JSON object.".to_owned()))?;
        for (key, value) in object {
            match (key.as_str(), value) {
                ("Version", Value::String(v)) if v == "2012-10-17" || v == "2008-10-17" => {}
                ("Id", Value::String(_)) | ("Statement", _) => {}
                ("Version", _) => {
                    return Err(InvalidPolicy(
                        "The policy must contain a valid version string.".to_owned(),
                    ));
                }
                _ => return Err(InvalidPolicy(format!("Unknown field {key} in the policy."))),
            }
        }
        let statements = match object.get("Statement") {
            Some(Value::Array(list)) if !list.is_empty() => {
                list.iter().map(statement).collect::<Result<_, _>>()?
            }
            Some(one @ Value::Object(_)) => vec![statement(one)?],
            _ => {
                return Err(InvalidPolicy(
                    "The policy must contain at least one statement.".to_owned(),
                ));
            }
        };
        Ok(Self { statements })
    }

    /// Whether any statement forbids anything.
    pub fn denies(&self) -> bool {
        self.statements.iter().any(|statement| statement.effect == Effect::Deny)
    }

    /// Whether every statement says whom it is about, as resource and trust policies must.
    pub fn names_principals(&self) -> bool {
        self.statements.iter().all(|s| s.principal.is_some())
    }

    /// Whether every statement says on what, as all but trust policies must.
    pub fn names_resources(&self) -> bool {
        self.statements.iter().all(|s| s.resource.is_some())
    }

    /// Whether any statement says on what, which trust policies may not.
    pub fn names_any_resource(&self) -> bool {
        self.statements.iter().any(|s| s.resource.is_some())
    }

    /// Whether it allows something to anyone at all, on no condition.
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(|statement| {
            let anyone = match &statement.principal {
                Some(Either::Of(element)) => element.anyone,
                Some(Either::Not(_)) => true,
                None => false,
            };
            statement.effect == Effect::Allow && anyone && statement.conditions.is_empty()
        })
    }

    /// Whether any statement says whom it is about, which identity policies may not.
    pub fn has_principals(&self) -> bool {
        self.statements.iter().any(|s| s.principal.is_some())
    }
}

const KNOWN: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

fn statement(value: &Value) -> Result<Statement, InvalidPolicy> {
    let object =
        value.as_object().ok_or_else(|| InvalidPolicy("A statement is an object.".to_owned()))?;
    if let Some(key) = object.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(InvalidPolicy(format!("Unknown field {key} in a statement.")));
    }
    let effect = match object.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        _ => {
            return Err(InvalidPolicy("A statement's Effect must be Allow or Deny.".to_owned()));
        }
    };
    let action = either(object, "Action", "NotAction", texts)?
        .ok_or_else(|| InvalidPolicy("Policy statement must contain actions.".to_owned()))?;
    let (Either::Of(actions) | Either::Not(actions)) = &action;
    if let Some(wrong) = actions.iter().find(|a| *a != "*" && a.split(':').count() != 2) {
        return Err(InvalidPolicy(format!(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: {wrong}"
        )));
    }
    let resource = either(object, "Resource", "NotResource", texts)?;
    if let Some(Either::Of(resources) | Either::Not(resources)) = &resource
        && let Some(wrong) = resources.iter().find(|r| *r != "*" && r.splitn(6, ':').count() != 6)
    {
        return Err(InvalidPolicy(format!("Resource {wrong} must be in ARN format or \"*\".")));
    }
    let principal = either(object, "Principal", "NotPrincipal", principal)?;
    let conditions = match object.get("Condition") {
        None => Vec::new(),
        Some(Value::Object(operators)) => Clause::all(operators)?,
        Some(_) => return Err(InvalidPolicy("A Condition is an object.".to_owned())),
    };
    Ok(Statement { effect, principal, action, resource, conditions })
}

/// Reads `of` or `not`, of which a statement may have one.
fn either<T>(
    object: &Map<String, Value>,
    of: &str,
    not: &str,
    read: fn(&Value) -> Result<T, InvalidPolicy>,
) -> Result<Option<Either<T>>, InvalidPolicy> {
    match (object.get(of), object.get(not)) {
        (Some(_), Some(_)) => {
            Err(InvalidPolicy(format!("A statement cannot have both {of} and {not}.")))
        }
        (Some(value), None) => Ok(Some(Either::Of(read(value)?))),
        (None, Some(value)) => Ok(Some(Either::Not(read(value)?))),
        (None, None) => Ok(None),
    }
}

fn texts(value: &Value) -> Result<Vec<String>, InvalidPolicy> {
    match value {
        Value::String(one) => Ok(vec![one.clone()]),
        Value::Array(list) => {
            list.iter().map(|v| v.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or_else(
                || InvalidPolicy("A list of the policy has something not a text.".into()),
            )
        }
        _ => Err(InvalidPolicy("Expected a text or a list of texts.".to_owned())),
    }
}

fn principal(value: &Value) -> Result<PrincipalElement, InvalidPolicy> {
    let mut element = PrincipalElement::default();
    match value {
        Value::String(star) if star == "*" => element.anyone = true,
        Value::Object(kinds) => {
            for (kind, list) in kinds {
                let list = texts(list)?;
                match kind.as_str() {
                    "AWS" => {
                        for one in list {
                            if one == "*" {
                                element.anyone = true;
                            } else if is_aws_principal(&one) {
                                element.aws.push(one);
                            } else {
                                return Err(InvalidPolicy(format!(
                                    "Invalid principal in policy: \"AWS\":\"{one}\""
                                )));
                            }
                        }
                    }
                    "Service" | "Federated" | "CanonicalUser" => element.others.extend(list),
                    _ => return Err(InvalidPolicy(format!("Unknown kind of principal {kind}."))),
                }
            }
        }
        _ => return Err(InvalidPolicy("Invalid principal in policy.".to_owned())),
    }
    Ok(element)
}

/// An account, an ARN of a principal, or the unique id that a deleted principal leaves behind.
fn is_aws_principal(text: &str) -> bool {
    let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    let is_id = text.len() >= 16 && (text.starts_with("AIDA") || text.starts_with("AROA"));
    let is_arn = text.starts_with("arn:") && text.splitn(6, ':').count() == 6;
    is_account || is_id || (is_arn && !text.contains('*'))
}
