//! One request on its way through an operation: its parameters, its caller, and the world.

use jiff::Timestamp;
use serde_json::Value;

use super::engine::Engine;
use super::gatekeeper::Subject;
use super::state::{Account, Role, User};
use super::wire::{Params, Refusal, Xml, text, tree};
use crate::policy::Document;

pub(super) struct Call<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) subject: &'a Subject,
    pub(super) params: &'a Params,
    pub(super) now: Timestamp,
    pub(super) region: &'a str,
}

impl Params {
    /// A parameter as text; numbers and booleans of JSON count as their text.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        match self {
            Params::Form(form) => form.get(name).map(String::as_str),
            Params::Json(body) => body.get(name).and_then(Value::as_str),
        }
    }

    pub(super) fn json(&self, name: &str) -> Option<&Value> {
        match self {
            Params::Form(_) => None,
            Params::Json(body) => body.get(name).filter(|v| !v.is_null()),
        }
    }

    /// The members of a list of a form: `Tags.member.1.Key`.
    pub(super) fn members(&self, name: &str, field: &str) -> Vec<String> {
        (1..)
            .map_while(|n| {
                let dot = if field.is_empty() { "" } else { "." };
                self.get(&format!("{name}.member.{n}{dot}{field}")).map(str::to_owned)
            })
            .collect()
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).filter(|v| !v.is_empty()).ok_or_else(|| {
            Refusal::validation(format!(
                "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
            ))
        })
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let wrong = || Refusal::validation(format!("{name} is not a number"));
        match self {
            Params::Form(_) => self.get(name).map(|v| v.parse().map_err(|_| wrong())).transpose(),
            Params::Json(_) => self.json(name).map(|v| v.as_i64().ok_or_else(wrong)).transpose(),
        }
    }
}

impl Call<'_> {
    pub(super) fn account_id(&self) -> &str {
        &self.subject.caller.account
    }

    /// The caller's account as reading shows it.
    pub(super) fn shown(&self) -> &Account {
        &self.engine.shown(self.now).accounts[self.account_id()]
    }

    /// The caller's account as it is.
    pub(super) fn newest(&self) -> &Account {
        &self.engine.newest().accounts[self.account_id()]
    }

    /// The caller's account, to be changed. Everything that can be refused is refused before.
    pub(super) fn edit(&mut self) -> &mut Account {
        let account = self.subject.caller.account.clone();
        self.engine.edit(self.now).accounts.entry(account).or_default()
    }

    /// `UserName`, or the caller where it is left out.
    pub(super) fn user_name(&self) -> Result<String, Refusal> {
        if let Some(name) = self.params.get("UserName") {
            return Ok(name.to_owned());
        }
        self.subject.own_user().map(str::to_owned).ok_or_else(|| {
            Refusal::validation("Must specify userName when calling with non-User credentials")
        })
    }

    /// The user as reading shows it.
    pub(super) fn shown_user(&self) -> Result<(String, &User), Refusal> {
        let name = self.user_name()?;
        let user = self.shown().users.get(&name).ok_or_else(|| Refusal::no_such("user", &name))?;
        Ok((name, user))
    }

    /// The user as it is.
    pub(super) fn newest_user(&self) -> Result<(String, &User), Refusal> {
        let name = self.user_name()?;
        let user = self.newest().users.get(&name).ok_or_else(|| Refusal::no_such("user", &name))?;
        Ok((name, user))
    }

    /// The user, to be changed.
    pub(super) fn edit_user(&mut self, name: &str) -> &mut User {
        self.edit().users.get_mut(name).expect("looked up before it is changed")
    }

    pub(super) fn shown_role(&self) -> Result<(String, &Role), Refusal> {
        let name = self.params.required("RoleName")?.to_owned();
        let role = self.shown().roles.get(&name).ok_or_else(|| Refusal::no_such("role", &name))?;
        Ok((name, role))
    }

    pub(super) fn newest_role(&self) -> Result<(String, &Role), Refusal> {
        let name = self.params.required("RoleName")?.to_owned();
        let role = self.newest().roles.get(&name).ok_or_else(|| Refusal::no_such("role", &name))?;
        Ok((name, role))
    }

    /// The role as it is, where whoever is asking may change it: those that a service keeps for itself, and
    /// those that IAM Identity Center makes for permission sets, nobody in the account may.
    pub(super) fn modifiable_role(&self) -> Result<(String, &Role), Refusal> {
        let (name, role) = self.newest_role()?;
        let kept = ["/aws-service-role/", "/aws-reserved/"];
        if kept.iter().any(|path| role.path.starts_with(path)) {
            return Err(Refusal::new(
                400,
                "UnmodifiableEntity",
                format!(
                    "Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
                ),
            ));
        }
        Ok((name, role))
    }

    pub(super) fn edit_role(&mut self, name: &str) -> &mut Role {
        self.edit().roles.get_mut(name).expect("looked up before it is changed")
    }

    /// One page of a list, with the marker of the next.
    pub(super) fn page(&self, list: &'static str, all: Vec<Xml>) -> Result<Vec<Xml>, Refusal> {
        let (page, rest) = self.page_of(all)?;
        let mut answer = vec![tree(list, page)];
        answer.extend(rest);
        Ok(answer)
    }

    /// The items of a page, and what says whether and where the next begins.
    pub(super) fn page_of<T>(&self, all: Vec<T>) -> Result<(Vec<T>, Vec<Xml>), Refusal> {
        let asked = self.params.number("MaxItems")?;
        if asked.is_some_and(|n| !(1..=1000).contains(&n)) {
            return Err(Refusal::validation("MaxItems must be between 1 and 1000"));
        }
        let size = page_size(asked, self.engine.settings.page_size);
        let from = match self.params.get("Marker") {
            None => 0,
            Some(marker) => {
                position(marker).ok_or_else(|| Refusal::validation("Invalid Marker"))?
            }
        };
        let more = all.len() > from.saturating_add(size);
        let page: Vec<T> = all.into_iter().skip(from).take(size).collect();
        let mut rest = vec![text("IsTruncated", more.to_string())];
        if more {
            rest.push(text("Marker", marker(from + size)));
        }
        Ok((page, rest))
    }
}

/// How many entries a page has: what the client asks for, but no more than the world gives.
pub(super) fn page_size(asked: Option<i64>, most: usize) -> usize {
    asked.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0).map_or(most, |n| n.min(most))
}

/// Where a page begins, hidden from clients that would like to count.
pub(super) fn marker(position: usize) -> String {
    hex::encode(format!("page:{position}"))
}

pub(super) fn position(marker: &str) -> Option<usize> {
    String::from_utf8(hex::decode(marker).ok()?).ok()?.strip_prefix("page:")?.parse().ok()
}

/// An instant as XML answers have it.
pub(super) fn at(name: &'static str, instant: Timestamp) -> Xml {
    text(name, instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// A policy document as IAM answers have it.
pub(super) fn encoded(name: &'static str, document: &str) -> Xml {
    let encoded =
        percent_encoding::utf8_percent_encode(document, percent_encoding::NON_ALPHANUMERIC);
    text(name, encoded.to_string())
}

/// A policy of a user, group, role or session: it must read, and name resources but no principals.
pub(super) fn check_identity_policy(document: &str) -> Result<(), Refusal> {
    let read = Document::parse(document).map_err(|e| Refusal::malformed(e.to_string()))?;
    if read.has_principals() {
        return Err(Refusal::malformed("Policy document should not specify a principal."));
    }
    if !read.names_resources() {
        return Err(Refusal::malformed("Policy statement must contain resources."));
    }
    Ok(())
}

/// A trust policy: it must read and name principals, and no resources.
pub(super) fn check_trust(document: &str) -> Result<(), Refusal> {
    let read = Document::parse(document).map_err(|e| Refusal::malformed(e.to_string()))?;
    if !read.names_principals() {
        return Err(Refusal::malformed("A trust policy must name principals."));
    }
    if read.names_any_resource() {
        return Err(Refusal::malformed("Has prohibited field Resource"));
    }
    Ok(())
}

/// The size that counts towards a quota: without white space.
pub(super) fn weight(document: &str) -> usize {
    document.chars().filter(|c| !c.is_whitespace()).count()
}
