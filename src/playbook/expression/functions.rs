//! What expressions may ask of the inventory, one table row each.
//!
//! A row names its arguments, the shape of its answer, the questions that must have been asked, and
//! how to answer from an inventory. Answers are plain values; lists are sorted, so that nothing
//! depends on the order in which the cloud listed things. Never reads a cloud.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::shape::Shape;
use crate::ids::AccessKeyId;
use crate::inventory::{Inventory, Unread, Want};
use crate::playbook::field::FieldType;

/// One function of the root `inventory`.
#[derive(Debug)]
pub struct Function {
    /// Its name: `access_key` for `inventory.access_key(...)`.
    pub name: &'static str,
    /// What it takes.
    pub arguments: &'static [(&'static str, FieldType)],
    /// What it gives.
    pub result: fn() -> Shape,
    /// What must have been read to answer.
    pub wants: fn(&[Value]) -> BTreeSet<Want>,
    /// The answer.
    pub answer: fn(&Inventory, &[Value]) -> Result<Value, Unanswered>,
    /// What it is for, in one line.
    pub help: &'static str,
}

/// Why a function has no answer although everything it wants was asked.
#[derive(Debug)]
pub enum Unanswered {
    /// The cloud says that there is none.
    Nothing {
        /// As a sentence: "no access key AKIA... is known to this account".
        message: String,
        /// What to check.
        help: String,
    },
    /// The cloud did not say.
    Unread(Box<Unread>),
}

impl From<Unread> for Unanswered {
    fn from(unread: Unread) -> Self {
        Self::Unread(Box::new(unread))
    }
}

/// One field of an object that a function gives.
#[derive(Debug)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub shape: fn() -> Shape,
}

/// Every function, sorted by name.
pub const FUNCTIONS: &[Function] = &[Function {
    name: "access_key",
    arguments: &[("id", FieldType::AccessKeyId)],
    result: || Shape::Object(ACCESS_KEY),
    wants: |arguments| access_key_id(arguments).map(Want::AccessKeyLastUsed).into_iter().collect(),
    answer: access_key,
    help: "who owns an access key, and when it was last used",
}];

const ACCESS_KEY: &[Attribute] = &[
    Attribute { name: "id", shape: || Shape::Of(FieldType::AccessKeyId) },
    Attribute { name: "user", shape: || Shape::Of(FieldType::UserName) },
    Attribute {
        name: "last_used_at",
        shape: || Shape::Nullable(Box::new(Shape::Of(FieldType::Timestamp))),
    },
];

/// The function of that name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// The only argument, whose type was checked before.
fn access_key_id(arguments: &[Value]) -> Option<AccessKeyId> {
    AccessKeyId::parse(arguments.first()?.as_str()?).ok()
}

fn access_key(inventory: &Inventory, arguments: &[Value]) -> Result<Value, Unanswered> {
    let id = access_key_id(arguments).expect("arguments were accepted by their types");
    match inventory.access_key_last_used(&id)? {
        Some(used) => Ok(json!({
            "id": id,
            "user": used.user,
            "last_used_at": used.last_used_at.map(|at| at.to_string()),
        })),
        None => Err(Unanswered::Nothing {
            message: format!("no access key {id} is known to this account"),
            help: format!(
                "check the id, and that the credentials in use are for the account it belongs to \
                 (they are for {})",
                inventory.caller.account
            ),
        }),
    }
}
