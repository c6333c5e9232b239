//! What expressions may ask of the inventory, one table row each.
//!
//! A row names its arguments, the shape of its answer, the questions that must have been asked, and
//! how to answer from an inventory. Answers are plain values; lists are sorted, so that nothing
//! depends on the order in which the cloud listed things. Never reads a cloud.

mod roles;
mod selecting;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::shape::Shape;
use crate::ids::{AccessKeyId, UserName};
use crate::inventory::{Inventory, Status, Unread, User, Want};
use crate::playbook::field::{AGO, FieldType, GROUP, ONE_PRINCIPAL, PATH};
use crate::policy::Document;
use crate::policy::trust::{Admission, admits};

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

impl Function {
    /// How it is called, with the names of its arguments.
    pub(crate) fn signature(&self) -> String {
        let arguments: Vec<&str> = self.arguments.iter().map(|(name, _)| *name).collect();
        self.call(&arguments.join(", "))
    }

    /// How it is called, with values.
    pub(super) fn example(&self) -> String {
        let value = |(_, ty): &(_, FieldType)| format!("'{}'", ty.example());
        let arguments: Vec<String> = self.arguments.iter().map(value).collect();
        self.call(&arguments.join(", "))
    }

    /// How it is called with these arguments.
    pub(super) fn call(&self, arguments: &str) -> String {
        format!("inventory.{}({arguments})", self.name)
    }
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
    /// Further questions follow from the first answers.
    Needs(BTreeSet<Want>),
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
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "access_key",
        arguments: &[("id", FieldType::AccessKeyId)],
        result: || Shape::object(ACCESS_KEY),
        wants: |arguments| {
            access_key_id(arguments).map(Want::AccessKeyLastUsed).into_iter().collect()
        },
        answer: access_key,
        help: "who owns an access key, and when it was last used",
    },
    Function {
        name: "access_keys",
        arguments: USER,
        result: || Shape::List(Box::new(Shape::object(KEY_OF_USER))),
        wants: |arguments| of_user(arguments, Want::AccessKeys),
        answer: access_keys,
        help: "the access keys of a user",
    },
    Function {
        name: "ago",
        arguments: &[("duration", AGO)],
        result: || Shape::Of(FieldType::Timestamp),
        wants: |_| BTreeSet::new(),
        answer: |inventory, given| Ok(selecting::ago(inventory, given)),
        help: "the moment that long before the survey began",
    },
    Function {
        name: "has_password",
        arguments: USER,
        result: || Shape::Boolean,
        wants: |arguments| of_user(arguments, Want::LoginProfile),
        answer: has_password,
        help: "whether a user can sign in to the console",
    },
    Function {
        name: "roles",
        arguments: &[],
        result: roles::roles,
        wants: |_| BTreeSet::from([Want::Roles]),
        answer: roles::all,
        help: "every role of the account",
    },
    Function {
        name: "roles_in_path",
        arguments: &[("path", PATH)],
        result: roles::roles,
        wants: |_| BTreeSet::from([Want::Roles]),
        answer: roles::in_path,
        help: "the roles whose path is this one or below it, as in /ci/",
    },
    Function {
        name: "roles_tagged",
        arguments: selecting::TAG,
        result: roles::roles,
        wants: |_| BTreeSet::from([Want::Authorization]),
        answer: roles::tagged,
        help: "the roles that have a tag with that value",
    },
    Function {
        name: "roles_trusting",
        arguments: USER,
        result: || Shape::List(Box::new(Shape::Of(FieldType::RoleName))),
        wants: |arguments| of_user(arguments, |_| Want::Roles),
        answer: roles_trusting,
        help: "the roles whose trust policy admits a user, by name or as one of the account",
    },
    Function {
        name: "roles_trusting_account",
        arguments: &[("account", FieldType::AccountId)],
        result: roles::roles,
        wants: |_| BTreeSet::from([Want::Roles]),
        answer: roles::trusting_account,
        help: "the roles whose trust policy admits an account, or anybody of it by name",
    },
    Function {
        name: "roles_trusting_provider",
        arguments: &[("provider", FieldType::Arn)],
        result: roles::roles,
        wants: |_| BTreeSet::from([Want::Roles]),
        answer: roles::trusting_provider,
        help: "the roles whose trust policy admits whoever signs in by an OIDC or SAML provider, by its ARN",
    },
    Function {
        name: "secrets",
        arguments: &[],
        result: selecting::secrets,
        wants: |_| BTreeSet::from([Want::Secrets]),
        answer: selecting::all_secrets,
        help: "every secret of the region",
    },
    Function {
        name: "secrets_readable_by",
        arguments: &[("principal", ONE_PRINCIPAL)],
        result: selecting::secrets,
        wants: |_| BTreeSet::from([Want::Secrets, Want::Authorization]),
        answer: selecting::secrets_readable_by,
        help: "the secrets whose value a user or role, by its ARN, may perhaps read",
    },
    Function {
        name: "secrets_tagged",
        arguments: selecting::TAG,
        result: selecting::secrets,
        wants: |_| BTreeSet::from([Want::Secrets]),
        answer: selecting::secrets_tagged,
        help: "the secrets that have a tag with that value",
    },
    Function {
        name: "users",
        arguments: &[],
        result: || Shape::List(Box::new(Shape::object(LISTED_USER))),
        wants: |_| BTreeSet::from([Want::Users]),
        answer: |inventory, _| users(inventory, "/"),
        help: "every user of the account",
    },
    Function {
        name: "users_in_group",
        arguments: &[("group", GROUP)],
        result: selecting::users,
        wants: |_| BTreeSet::from([Want::Authorization]),
        answer: selecting::users_in_group,
        help: "the members of a group",
    },
    Function {
        name: "users_in_path",
        arguments: &[("path", PATH)],
        result: || Shape::List(Box::new(Shape::object(LISTED_USER))),
        wants: |_| BTreeSet::from([Want::Users]),
        answer: users_in_path,
        help: "the users whose path is this one or below it, as in /ci/",
    },
    Function {
        name: "users_tagged",
        arguments: selecting::TAG,
        result: selecting::users,
        wants: |_| BTreeSet::from([Want::Authorization]),
        answer: selecting::users_tagged,
        help: "the users that have a tag with that value",
    },
];

const USER: &[(&str, FieldType)] = &[("user", FieldType::UserName)];

const KEY_OF_USER: &[Attribute] = &[
    Attribute { name: "id", shape: || Shape::Of(FieldType::AccessKeyId) },
    Attribute { name: "active", shape: || Shape::Boolean },
    Attribute { name: "created_at", shape: || Shape::Of(FieldType::Timestamp) },
];

const LISTED_USER: &[Attribute] = &[
    Attribute { name: "name", shape: || Shape::Of(FieldType::UserName) },
    Attribute { name: "path", shape: || Shape::Text },
    Attribute { name: "arn", shape: || Shape::Of(FieldType::Arn) },
    Attribute { name: "created_at", shape: || Shape::Of(FieldType::Timestamp) },
];

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

/// What must be read of one user: itself, because a user that does not exist has no credentials either,
/// and that must not pass for an answer.
fn of_user(arguments: &[Value], want: fn(UserName) -> Want) -> BTreeSet<Want> {
    let user = user_name(arguments);
    user.into_iter().flat_map(|user| [Want::User(user.clone()), want(user)]).collect()
}

fn user_name(arguments: &[Value]) -> Option<UserName> {
    UserName::parse(arguments.first()?.as_str()?).ok()
}

fn user<'i>(inventory: &'i Inventory, arguments: &[Value]) -> Result<&'i User, Unanswered> {
    let name = user_name(arguments).expect("arguments were accepted by their types");
    inventory.user(&name)?.as_deref().ok_or_else(|| Unanswered::Nothing {
        message: format!("there is no user {name} in this account"),
        help: format!(
            "check the name, and that the credentials in use are for the account it belongs to (they are \
             for {})",
            inventory.caller.account
        ),
    })
}

fn access_keys(inventory: &Inventory, arguments: &[Value]) -> Result<Value, Unanswered> {
    let user = user(inventory, arguments)?;
    let keys = inventory.access_keys(&user.name)?.iter().map(|key| {
        json!({
            "id": key.id,
            "active": key.status == Status::Active,
            "created_at": key.created_at.to_string(),
        })
    });
    Ok(keys.collect())
}

fn has_password(inventory: &Inventory, arguments: &[Value]) -> Result<Value, Unanswered> {
    let user = user(inventory, arguments)?;
    Ok(Value::Bool(inventory.login_profile(&user.name)?.is_some()))
}

fn roles_trusting(inventory: &Inventory, arguments: &[Value]) -> Result<Value, Unanswered> {
    let user = user(inventory, arguments)?;
    let account = inventory.caller.account.as_str();
    let trusting = inventory.roles()?.iter().filter(|role| {
        // What cannot be understood is not thereby harmless.
        Document::parse(&role.trust)
            .map_or(true, |trust| admits(&trust, user.arn.as_str(), account) != Admission::No)
    });
    Ok(trusting.map(|role| json!(role.name)).collect())
}

fn users(inventory: &Inventory, path: &str) -> Result<Value, Unanswered> {
    let users = inventory.users()?.iter().filter(|user| user.path.starts_with(path)).map(|user| {
        json!({
            "name": user.name,
            "path": user.path,
            "arn": user.arn,
            "created_at": user.created_at.to_string(),
        })
    });
    Ok(users.collect())
}

fn users_in_path(inventory: &Inventory, arguments: &[Value]) -> Result<Value, Unanswered> {
    users(inventory, path(arguments))
}

/// The only argument, whose type was checked before.
fn path(arguments: &[Value]) -> &str {
    arguments.first().and_then(Value::as_str).unwrap_or_default()
}
