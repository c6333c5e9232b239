//! What stands on a sealed secret: one statement among those of its resource policy.
//!
//! It denies reading the value to everybody but a few, and listing the versions with it: the same statement
//! forbids both, so that a harmless request shows that it is enforced. Everything else of the policy is left as
//! it is. The service has no version of a policy to compare and set by, so whoever writes one reads it first, and
//! judges it by what it says, not by its spelling.

use serde_json::{Value, json};

use super::PlanError;
use crate::ids::{Arn, SecretId};
use crate::inventory::{Caller, SecretMetadata};

/// Ours alone: a statement of this name is a seal, whoever put it there.
pub(super) const SID: &str = "PortcullisSeal";

/// The longest policy that a secret can have.
pub(super) const LONGEST: usize = 20_480;

/// A policy without the seal, and the seal.
pub(super) struct Parts {
    /// Everything but the seal; `None` where nothing else is there.
    pub(super) rest: Option<Value>,
    /// The statement of our name.
    pub(super) seal: Option<Value>,
}

impl Parts {
    /// Takes a policy apart; `None` where it is not like one.
    pub(super) fn of(policy: Option<&str>) -> Option<Self> {
        let Some(policy) = policy else { return Some(Self { rest: None, seal: None }) };
        let mut rest: Value = serde_json::from_str(policy).ok()?;
        let statements = rest.as_object_mut()?.get_mut("Statement")?;
        if statements.is_object() {
            *statements = json!([statements.take()]);
        }
        let all = statements.as_array_mut()?;
        // Our name alone is anybody's to give: an allowance that bears it is no seal.
        let is = |statement: &Value, key, value| statement.get(key) == Some(&json!(value));
        let is_seal =
            |statement: &Value| is(statement, "Sid", SID) && is(statement, "Effect", "Deny");
        let seal = all.iter().find(|statement| is_seal(statement)).cloned();
        all.retain(|statement| !is_seal(statement));
        let empty = all.is_empty();
        Some(Self { rest: (!empty).then_some(rest), seal })
    }

    /// What `policy`, of which these are the parts, is without the seal: as it was written, where there is none.
    pub(super) fn without_the_seal(&self, policy: Option<&str>) -> Option<String> {
        match self.seal {
            None => policy.map(str::to_owned),
            Some(_) => self.rest.as_ref().map(Value::to_string),
        }
    }

    /// The whole policy, sealed for everybody but `spared`.
    pub(super) fn sealed(&self, spared: &[String]) -> String {
        let mut policy =
            self.rest.clone().unwrap_or_else(|| json!({"Version": "2012-10-17", "Statement": []}));
        let statements = policy["Statement"].as_array_mut().expect("taken apart as a list");
        statements.push(statement(spared));
        policy.to_string()
    }
}

/// A policy without a seal of ours; as it is, where it is not like one.
pub fn without_the_seal(policy: Option<&str>) -> Option<String> {
    match Parts::of(policy) {
        Some(parts) => parts.without_the_seal(policy),
        None => policy.map(str::to_owned),
    }
}

/// The seal itself. Negated operators hold where a request does not have the key at all, so that nobody slips
/// through for want of one.
pub(super) fn statement(spared: &[String]) -> Value {
    json!({
        "Sid": SID,
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["secretsmanager:GetSecretValue", "secretsmanager:ListSecretVersionIds"],
        "Resource": "*",
        "Condition": { "ArnNotLike": { "aws:PrincipalArn": spared } },
    })
}

/// Whom a seal leaves in, as patterns of `aws:PrincipalArn`: the named readers, and whoever runs this.
pub(super) fn spared(readers: &[Arn], caller: &Caller) -> Vec<String> {
    let mut spared: Vec<String> = caller.principal_patterns();
    spared.extend(readers.iter().map(|reader| reader.as_str().to_owned()));
    spared.sort();
    spared.dedup();
    spared
}

/// The secret that an inventory has for what a playbook calls it; refused where there is none that can be worked
/// on.
pub(super) fn found<'i>(
    id: &SecretId,
    secret: Option<&'i SecretMetadata>,
    caller: &Caller,
) -> Result<&'i SecretMetadata, PlanError> {
    let impossible = |message: String, help: String| PlanError::Impossible { message, help };
    match secret {
        Some(secret) if secret.deleted_at.is_some() => Err(impossible(
            format!("secret {id} is waiting to be deleted"),
            format!(
                "restore it (aws secretsmanager restore-secret --secret-id {id}), or leave it out"
            ),
        )),
        Some(secret) if is_called(secret, id, caller) => Ok(secret),
        Some(secret) if id.is_beginning_of(&secret.arn) => Err(impossible(
            format!(
                "{id} is not the whole ARN of a secret: AWS ends it with a hyphen and six characters more"
            ),
            format!(
                "name it as AWS does, {}; or, in the account that it lies in, {}",
                secret.arn, secret.name
            ),
        )),
        Some(secret) => Err(impossible(
            format!("the inventory has {} of {} for secret {id}", secret.name, secret.arn),
            "survey and plan anew: somebody has changed the file".to_owned(),
        )),
        None => Err(impossible(
            format!("account {} has no secret {id} in this region", caller.account),
            "check the name, the region, and whether the credentials are for the right account"
                .to_owned(),
        )),
    }
}

fn is_called(secret: &SecretMetadata, id: &SecretId, caller: &Caller) -> bool {
    secret.arn.as_str() == id.as_str()
        || secret.name == id.as_str() && secret.arn.account() == caller.account.as_str()
}

/// What a secret is called in plan and ledger, whichever way a playbook named it: in the caller's own account by
/// its name.
pub(super) fn called(secret: &SecretMetadata, caller: &Caller) -> Result<SecretId, PlanError> {
    let own = secret.arn.account() == caller.account.as_str();
    let text = if own { secret.name.as_str() } else { secret.arn.as_str() };
    id_of(text)
}

/// The ARN by which every call names a secret: another under the same name is another.
pub(super) fn by_arn(secret: &SecretMetadata) -> Result<SecretId, PlanError> {
    id_of(secret.arn.as_str())
}

fn id_of(text: &str) -> Result<SecretId, PlanError> {
    SecretId::parse(text).map_err(|error| PlanError::Impossible {
        message: error.to_string(),
        help: "name the secret by its ARN".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_added_and_taken_apart_again_and_the_rest_says_what_it_said() {
        let spared = vec!["arn:aws:iam::111122223333:role/ir".to_owned()];
        let other = r#"{"Version":"2012-10-17","Id":"x","Statement":{"Sid":"Own","Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}}"#;
        for there in [None, Some(other)] {
            let parts = Parts::of(there).unwrap();
            assert!(parts.seal.is_none());
            let sealed = parts.sealed(&spared);
            let again = Parts::of(Some(&sealed)).unwrap();
            assert_eq!(again.seal, Some(statement(&spared)));
            assert_eq!(again.rest, parts.rest);
            assert_eq!(again.sealed(&spared), sealed, "sealed twice is sealed once");
        }
        for not in ["", "[]", "{}", r#"{"Statement":1}"#] {
            assert!(Parts::of(Some(not)).is_none(), "{not}");
        }
    }
}
