//! What of one policy of a role or a secret was not in another: whom it admits since.
//!
//! A policy is taken apart into whom it admits to what, and into what it refuses, each known by a digest. Two
//! policies that differ in order, in `Sid`s or in how they are spelt have the same parts; one that admits fewer, or
//! on further conditions, has none that the other lacks. What cannot be taken apart is a part as it stands, so that
//! any difference shows: AWS names a principal that was deleted by its bare id, so that whoever was admitted and is gone
//! shows as somebody else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::trust::Admitted;

/// What sort of somebody a policy admits.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whom {
    /// A principal, by its whole ARN or unique id.
    Named,
    /// Whoever of this account its own policies allow it.
    Account(String),
    /// A service, an identity provider or another that is no principal of IAM.
    Other,
    /// Anyone at all; or nobody can tell.
    #[default]
    Anyone,
}

impl From<Admitted<'_>> for Whom {
    fn from(admitted: Admitted<'_>) -> Self {
        match admitted {
            Admitted::Named(_) => Self::Named,
            Admitted::Account(account) => Self::Account(account.to_owned()),
            Admitted::Other(_) => Self::Other,
            Admitted::Anyone => Self::Anyone,
        }
    }
}

/// Somebody whom a policy admits and another did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beyond {
    /// What of the policy it is: a digest.
    pub part: String,
    /// Who, in the policy's words.
    pub who: String,
    /// What sort of somebody.
    pub whom: Whom,
}

/// The parts of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// What it admits, each with the digest that it has without its conditions.
    admits: BTreeMap<String, Admits>,
    refuses: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Admits {
    who: String,
    whom: Whom,
    on_no_condition: String,
}

/// Longest that whoever is admitted is told: what a policy names is the account's own text.
const LONGEST: usize = 200;

impl Parts {
    /// Takes a policy apart.
    pub fn of(trust: &str) -> Self {
        let mut parts = Self::default();
        let read: Option<Value> = serde_json::from_str(trust).ok();
        let statements = read.as_ref().and_then(|read| match read.get("Statement")? {
            Value::Array(all) => all.iter().map(Value::as_object).collect(),
            Value::Object(one) => Some(vec![one]),
            _ => None,
        });
        match statements {
            Some(statements) => statements.into_iter().for_each(|one| parts.take(one)),
            None => parts.admit(
                ("whomever a policy that cannot be read admits", Whom::Anyone),
                &json!(trust),
                None,
            ),
        }
        parts
    }

    /// The digests that tell these parts from others: to be kept, and compared with by [`Parts::beyond`].
    pub fn digests(&self) -> BTreeSet<String> {
        let refuses = self.refuses.iter().map(|part| format!("{REFUSES}{part}"));
        self.admits.keys().cloned().chain(refuses).collect()
    }

    /// What these admit that those of which `known` are the digests did not.
    pub fn beyond(&self, known: &BTreeSet<String>) -> Vec<Beyond> {
        let admits = self
            .admits
            .iter()
            .filter(|(part, is)| !known.contains(*part) && !known.contains(&is.on_no_condition))
            .map(|(part, is)| Beyond {
                part: part.clone(),
                who: is.who.clone(),
                whom: is.whom.clone(),
            });
        let refused = known.iter().filter_map(|part| part.strip_prefix(REFUSES));
        let no_more = refused.filter(|part| !self.refuses.contains(*part));
        let no_more = no_more.map(|part| Beyond {
            part: part.to_owned(),
            who: "whomever a deny kept out before".to_owned(),
            whom: Whom::Anyone,
        });
        admits.chain(no_more).collect()
    }

    fn take(&mut self, statement: &Map<String, Value>) {
        let mut rest = statement.clone();
        rest.remove("Sid");
        let refuses = statement.get("Effect").is_some_and(|effect| effect == "Deny");
        let named = statement.get("Principal").and_then(principals);
        let does = statement.get("Action").and_then(texts);
        match (refuses, named, does) {
            (false, Some(named), Some(does)) => {
                let conditions = rest.remove("Condition").filter(|found| *found != json!({}));
                rest.remove("Action");
                for (kind, name) in named {
                    let admitted = Admitted::called(&kind, &name);
                    let who = admitted.to_string();
                    for does in &does {
                        rest.insert("Principal".to_owned(), json!([kind, name]));
                        rest.insert("Action".to_owned(), json!(does.to_ascii_lowercase()));
                        let who = (who.as_str(), Whom::from(admitted));
                        self.admit(who, &Value::Object(rest.clone()), conditions.clone());
                    }
                }
            }
            (true, ..) => {
                self.refuses.insert(digest(&Value::Object(rest)));
            }
            (false, ..) => {
                let who = ("everybody but whom it names", Whom::Anyone);
                self.admit(who, &Value::Object(rest), None);
            }
        }
    }

    fn admit(&mut self, (who, whom): (&str, Whom), what: &Value, conditions: Option<Value>) {
        let on_no_condition = digest(what);
        let part = conditions
            .map_or_else(|| on_no_condition.clone(), |found| digest(&json!([what, found])));
        // It is no command, whatever it says: what is to be typed stands between such marks.
        let who = who.chars().take(LONGEST).map(|c| if c == '`' { '\'' } else { c }).collect();
        self.admits.insert(part, Admits { who, whom, on_no_condition });
    }
}

/// Before the digest of what is refused.
const REFUSES: char = '!';

/// Whom a `Principal` element names: the kind, and the name as AWS keeps it.
fn principals(element: &Value) -> Option<Vec<(String, String)>> {
    if element == "*" {
        return Some(vec![("AWS".to_owned(), "*".to_owned())]);
    }
    let mut named = Vec::new();
    for (kind, names) in element.as_object()? {
        for name in texts(names)? {
            let account = name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit());
            let name = if account { format!("arn:aws:iam::{name}:root") } else { name };
            named.push((kind.clone(), name));
        }
    }
    Some(named)
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// The beginning of the SHA-256, in hexadecimal, of a value whose fields and lists are put in order: in a policy
/// neither has one. Long enough that nobody finds two.
pub fn digest(value: &Value) -> String {
    hex::encode(&Sha256::digest(in_order(value).to_string())[..16])
}

fn in_order(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, Value> =
                fields.iter().map(|(name, field)| (name, in_order(field))).collect();
            json!(sorted)
        }
        Value::Array(all) => {
            let mut all: Vec<Value> = all.iter().map(in_order).collect();
            all.sort_by_key(Value::to_string);
            match <[Value; 1]>::try_from(all) {
                Ok([one]) => one,
                Err(all) => Value::Array(all),
            }
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(statements: &str) -> String {
        format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#)
    }

    fn since(was: &str, is: &str) -> Vec<String> {
        let beyond = Parts::of(&trust(is)).beyond(&Parts::of(&trust(was)).digests());
        beyond.into_iter().map(|one| one.who).collect()
    }

    const A: &str = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/a"},"Action":"sts:AssumeRole"}"#;

    #[test]
    fn spelling_admits_nobody() {
        let same = r#"[{"Action":["sts:assumerole"],"Sid":"x","Principal":{"AWS":["arn:aws:iam::111122223333:user/a"]},"Effect":"Allow"}]"#;
        assert!(since(A, same).is_empty());
        let (root, account) = (
            A.replace("user/a", "root"),
            A.replace("arn:aws:iam::111122223333:user/a", "111122223333"),
        );
        assert!(since(&root, &account).is_empty());
        let on = |conditions: &str| {
            A.replace(r#""Action""#, &format!(r#""Condition":{conditions},"Action""#))
        };
        let one = on(r#"{"StringEquals":{"a:b":["x","y"],"c:d":"z"}}"#);
        let other = on(r#"{"StringEquals":{"c:d":["z"],"a:b":["y","x"]}}"#);
        assert!(since(&one, &other).is_empty());
        assert_eq!(since(&one, &on(r#"{"StringEquals":{"a:b":"w","c:d":"z"}}"#)).len(), 1);
    }

    #[test]
    fn whoever_is_admitted_since_is_named() {
        let b = A.replace("user/a", "user/b");
        assert_eq!(since(A, &format!("[{A},{b}]")), ["arn:aws:iam::111122223333:user/b"]);
        assert_eq!(
            since(A, &A.replace(r#"{"AWS":"arn:aws:iam::111122223333:user/a"}"#, r#""*""#)),
            ["anyone at all"]
        );
        assert_eq!(
            since(A, &A.replace("sts:AssumeRole", "sts:*")),
            ["arn:aws:iam::111122223333:user/a"]
        );
        let not = A.replace("Principal", "NotPrincipal");
        assert_eq!(since(A, &not), ["everybody but whom it names"]);
        let deny = b.replace("Allow", "Deny");
        assert_eq!(since(&format!("[{A},{deny}]"), A), ["whomever a deny kept out before"]);
        assert!(since(A, &format!("[{A},{deny}]")).is_empty());
        assert_eq!(Parts::of("{").beyond(&BTreeSet::new()).len(), 1);
    }

    #[test]
    fn who_admits_fewer_admits_nobody_else() {
        let b = A.replace("user/a", "user/b");
        let (both, on_condition) = (
            format!("[{A},{b}]"),
            A.replace(
                r#""Action""#,
                r#""Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}},"Action""#,
            ),
        );
        assert!(since(&both, A).is_empty());
        assert!(since(A, &on_condition).is_empty());
        assert_eq!(since(&on_condition, A).len(), 1, "a condition less");
    }
}
