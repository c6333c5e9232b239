//! Fields and their types: one table row per field drives decoding, checking, and what is shown to
//! authors.
//!
//! A type accepts a value and gives it back in one canonical spelling (instants in UTC), or says what
//! it wanted. Knows nothing of places: callers attach them. Fails with [`Mismatch`].

mod such;

use std::borrow::Cow;
use std::fmt;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub use self::such::Such;
pub(crate) use self::such::{AGO, GROUP, ONE_PRINCIPAL, PATH, TAG_KEY, TAG_VALUE};
use crate::diagnostic::nearest;
use crate::ids::{
    AccessKeyId, AccountId, AgeRecipient, Arn, Cidr, InvalidId, RoleName, SecretId, UserName, VpcId,
};

/// One field of an action or of the playbook itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// What its value must be.
    pub ty: FieldType,
    /// Whether it must be there.
    pub required: bool,
    /// The choice it belongs to: beside any other it has no place.
    pub when: Option<Choice>,
    /// How it stands to other fields of its table.
    pub beside: &'static [Beside],
    /// What it is for, in one line.
    pub help: &'static str,
}

impl Field {
    /// A field that must be there.
    pub const fn required(name: &'static str, ty: FieldType, help: &'static str) -> Self {
        Self { name, ty, required: true, when: None, beside: &[], help }
    }

    /// A field that may be left out.
    pub const fn optional(name: &'static str, ty: FieldType, help: &'static str) -> Self {
        Self { name, ty, required: false, when: None, beside: &[], help }
    }

    /// The same, where a word was chosen in another field, and only there.
    #[must_use]
    pub const fn when(mut self, field: &'static str, word: &'static str) -> Self {
        self.when = Some(Choice { field, word });
        self
    }

    /// The same, where it is not for itself alone whether it may be there.
    #[must_use]
    pub const fn beside(mut self, others: &'static [Beside]) -> Self {
        self.beside = others;
        self
    }

    /// What it belongs beside, where something else was chosen. `chosen` gives the word that was chosen in a field,
    /// where that is known.
    pub fn misplaced<'c>(&self, chosen: impl FnOnce(&str) -> Option<&'c str>) -> Option<Choice> {
        let when = self.when?;
        (chosen(when.field)? != when.word).then_some(when)
    }

    /// Whether it must be there, beside what was chosen.
    pub fn is_required<'c>(&self, chosen: impl FnOnce(&str) -> Option<&'c str>) -> bool {
        self.required && self.when.is_none_or(|when| chosen(when.field) == Some(when.word))
    }

    /// Whether it must be there, for people.
    pub fn needed(&self) -> String {
        let or = self.beside.iter().any(|beside| matches!(beside, Beside::Or(_)));
        let needed = if self.required || or { "required" } else { "optional" };
        let when = self.when.map(|when| format!("with `{when}`"));
        let beside = self.beside.iter().map(|beside| match beside {
            Beside::Or(other) => format!("or `{other}`"),
            Beside::With(other) => format!("with `{other}`"),
            Beside::Not(other) => format!("instead of `{other}`"),
        });
        let all = std::iter::once(needed.to_owned()).chain(when).chain(beside);
        all.collect::<Vec<_>>().join(", ")
    }
}

/// How a field stands to another of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// One of the two must be there.
    Or(&'static str),
    /// Without the other it says nothing.
    With(&'static str),
    /// Beside the other it has no place.
    Not(&'static str),
}

/// One word of a [`FieldType::OneOf`], chosen in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The field's key.
    pub field: &'static str,
    /// The word.
    pub word: &'static str,
}

impl Choice {
    /// What is wrong with a field that belongs to it and stands beside another, and what to type instead.
    pub fn explain_misplaced(self, field: &str) -> (String, String) {
        (format!("`{field}` is for `{self}`"), format!("leave `{field}` out, or write `{self}`"))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.word)
    }
}

/// What a value may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// The name of an IAM user.
    UserName,
    /// An access key id.
    AccessKeyId,
    /// A secret's name or ARN.
    SecretId,
    /// A public key that files are sealed to.
    AgeRecipient,
    /// Twelve digits, as text.
    AccountId,
    /// An ARN.
    Arn,
    /// The name of an IAM role.
    RoleName,
    /// An address, or a range of them.
    Cidr,
    /// A virtual private cloud.
    VpcId,
    /// An instant, RFC 3339.
    Timestamp,
    /// A length of time: `90s`, `2h 30m`.
    Duration,
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A list of values of one type.
    List(&'static FieldType),
    /// One of these words.
    OneOf(Choices),
    /// Any of these types; the first that accepts decides.
    Either(&'static [FieldType]),
    /// A type of which not every value will do.
    Such(&'static Such),
    /// Any value at all; something else decides.
    Any,
    /// The name of a type, as inputs name it.
    TypeName,
    /// A mapping with these fields.
    Table(&'static [Field]),
    /// A mapping from names to mappings with these fields.
    MapOf(&'static [Field]),
    /// A mapping from names to values with expressions in them.
    Expressions,
}

/// The words of [`FieldType::OneOf`]: fixed for an action, read from the playbook for an input.
pub type Choices = Cow<'static, [Cow<'static, str>]>;

/// The types an input can name, each with the list of it.
const NAMED: &[(&str, FieldType)] = &[
    ("user-name", FieldType::UserName),
    ("access-key-id", FieldType::AccessKeyId),
    ("secret-id", FieldType::SecretId),
    ("age-recipient", FieldType::AgeRecipient),
    ("account-id", FieldType::AccountId),
    ("arn", FieldType::Arn),
    ("role-name", FieldType::RoleName),
    ("cidr", FieldType::Cidr),
    ("vpc-id", FieldType::VpcId),
    ("timestamp", FieldType::Timestamp),
    ("duration", FieldType::Duration),
    ("text", FieldType::Text),
    ("integer", FieldType::Integer),
    ("boolean", FieldType::Boolean),
];

/// A value that is not of the type wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What was wanted, as a phrase: "an access key id: ...".
    pub expected: String,
    /// What was found, as a phrase: "the number 12".
    pub found: String,
    /// Whether the value was of the right kind and only its content is wrong.
    pub right_kind: bool,
    /// What to type instead, where that is known.
    pub help: Option<String>,
}

impl Mismatch {
    /// What to type instead: like `written`, if nothing nearer is known. `number` is a number as it stands in the file:
    /// what it is taken for may be another text.
    pub(super) fn instead(&self, ty: &FieldType, written: String, number: Option<&str>) -> String {
        match number.filter(|_| ty.takes_text() && *ty != FieldType::Duration) {
            Some(raw) if ty.accept(&Value::from(raw)).is_ok() => {
                format!("write it in quotes: \"{raw}\"")
            }
            Some(_) => written,
            None => self.help.clone().unwrap_or(written),
        }
    }
}

impl FieldType {
    /// The type of that name, as inputs name it: `user-name`, `list of user-name`.
    pub fn find(name: &str) -> Option<Self> {
        let find = |name: &str| NAMED.iter().find(|(n, _)| *n == name).map(|(_, ty)| ty);
        match name.strip_prefix("list of ") {
            Some(item) => find(item.trim()).map(FieldType::List),
            None => find(name).cloned(),
        }
    }

    /// The names [`FieldType::find`] knows, without the lists.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }

    /// Whether every value of it is a text.
    pub fn is_textual(&self) -> bool {
        match self {
            Self::Integer
            | Self::Boolean
            | Self::List(_)
            | Self::Any
            | Self::Table(_)
            | Self::MapOf(_)
            | Self::Expressions
            | Self::TypeName => false,
            Self::Either(types) => types.iter().all(Self::is_textual),
            Self::Such(such) => such.of.is_textual(),
            _ => true,
        }
    }

    /// Whether some text can be a value of it.
    pub fn takes_text(&self) -> bool {
        match self {
            Self::Any => true,
            Self::Either(types) => types.iter().any(Self::takes_text),
            ty => ty.is_textual(),
        }
    }

    /// Takes a value and gives it back in its canonical spelling.
    pub fn accept(&self, value: &Value) -> Result<Value, Mismatch> {
        match self {
            Self::UserName => self.name(value, UserName::parse),
            Self::AccessKeyId => self.identifier(value, AccessKeyId::parse),
            Self::SecretId => {
                self.with_its_end(value)?;
                self.identifier(value, SecretId::parse)
            }
            Self::AgeRecipient => self.identifier(value, AgeRecipient::parse).map_err(|mut error| {
                let text = value.as_str().unwrap_or_default().trim();
                if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
                    "a secret key, which opens what is sealed".clone_into(&mut error.found);
                    error.help = Some(
                        "the public key stands beside it, or: age-keygen -y FILE. What was written here is \
                         secret no more: make a new pair"
                            .to_owned(),
                    );
                }
                error
            }),
            Self::AccountId => self.identifier(value, AccountId::parse),
            Self::Arn => {
                self.with_its_end(value)?;
                self.identifier(value, Arn::parse)
            }
            Self::RoleName => self.name(value, RoleName::parse),
            Self::Cidr => self.identifier(value, Cidr::parse).map_err(|mismatch| {
                let near = value.as_str().and_then(Cidr::nearest);
                let near = near.map(|near| format!("did you mean `{near}`?"));
                Mismatch { help: near.or(mismatch.help), ..mismatch }
            }),
            Self::VpcId => self.identifier(value, VpcId::parse),
            Self::Timestamp => {
                let text = self.text(value)?;
                let instant: Timestamp = text.parse().map_err(|_| {
                    let day: Option<Date> = text.parse().ok().filter(|_| !text.contains(':'));
                    let help = day.map(|day| format!("write the time too, in UTC: {day}T00:00:00Z"));
                    Mismatch { help, ..self.content(value) }
                })?;
                Ok(Value::String(instant.to_string()))
            }
            Self::Duration => {
                let text = self.text(value)?;
                let length = parse_duration(text).ok_or_else(|| self.content(value))?;
                Ok(Value::String(duration_in_words(length)))
            }
            Self::Text => self.text(value).map(|text| Value::String(text.to_owned())),
            Self::Integer => match value {
                Value::Number(n) if n.is_i64() => Ok(value.clone()),
                _ => Err(self.kind(value)),
            },
            Self::Boolean => match value {
                Value::Bool(_) => Ok(value.clone()),
                _ => Err(self.kind(value)),
            },
            Self::List(item) => match value {
                Value::Array(items) => items.iter().map(|v| item.accept(v)).collect(),
                _ => Err(self.kind(value)),
            },
            Self::OneOf(words) => {
                let text = self.text(value)?;
                if words.iter().any(|word| word == text) {
                    Ok(value.clone())
                } else {
                    let help = nearest(text, words.iter().map(AsRef::as_ref))
                        .map(|word| format!("did you mean `{word}`?"));
                    Err(Mismatch { help, ..self.content(value) })
                }
            }
            Self::Either(types) => {
                let mut closest = self.kind(value);
                for ty in *types {
                    match ty.accept(value) {
                        Ok(value) => return Ok(value),
                        // The reason that comes nearest, in the words of the whole.
                        Err(e) => {
                            closest.right_kind |= e.right_kind;
                            closest.help = closest.help.or(e.help);
                        }
                    }
                }
                Err(closest)
            }
            Self::Such(such) => match such.of.accept(value) {
                Ok(accepted) => match (such.judge)(&accepted) {
                    Ok(()) => Ok(accepted),
                    Err(help) => Err(Mismatch { help: Some(help), ..self.content(value) }),
                },
                Err(mismatch) => Err(Mismatch { expected: self.to_string(), ..mismatch }),
            },
            Self::Any => Ok(value.clone()),
            // Decoded by `lower`, key by key; a plain value never is one.
            Self::TypeName | Self::Table(_) | Self::MapOf(_) | Self::Expressions => {
                Err(self.kind(value))
            }
        }
    }

    /// Takes what was typed on a command line: text, whatever the type.
    pub fn accept_typed(&self, text: &str) -> Result<Value, Mismatch> {
        let value = match self {
            Self::Integer => text.parse::<i64>().map(Value::from).ok(),
            Self::Boolean => text.parse::<bool>().map(Value::from).ok(),
            Self::List(item) => {
                let items = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                return items.map(|part| item.accept_typed(part)).collect();
            }
            _ => None,
        };
        self.accept(&value.unwrap_or_else(|| Value::String(text.to_owned())))
    }

    /// A value of the type, to be shown as what to type.
    pub fn example(&self) -> String {
        match self {
            Self::UserName => "ci-deploy".to_owned(),
            Self::AccessKeyId => "AKIA...".to_owned(),
            Self::SecretId => "prod/ci/key".to_owned(),
            Self::AgeRecipient => "age1...".to_owned(),
            Self::AccountId => "012345678901".to_owned(),
            Self::Arn => "arn:aws:iam::012345678901:role/name".to_owned(),
            Self::RoleName => "deploy".to_owned(),
            Self::Cidr => "203.0.113.0/24".to_owned(),
            Self::VpcId => "vpc-0a1b2c3d4e5f60718".to_owned(),
            Self::Timestamp => "2026-03-19T00:00:00Z".to_owned(),
            Self::Duration => "90s".to_owned(),
            Self::Text => "TEXT".to_owned(),
            Self::Integer => "1".to_owned(),
            Self::Boolean => "true".to_owned(),
            Self::List(item) => format!("{},...", item.example()),
            Self::OneOf(words) => words.first().map(ToString::to_string).unwrap_or_default(),
            Self::Either(types) => types.first().map(Self::example).unwrap_or_default(),
            Self::Such(such) => such.example.to_owned(),
            Self::Any => "VALUE".to_owned(),
            Self::TypeName => "user-name".to_owned(),
            Self::Table(_) | Self::MapOf(_) | Self::Expressions => "{ ... }".to_owned(),
        }
    }

    /// What to type where `name` is to be of the type.
    pub fn written(&self, name: &str) -> String {
        let value = match self {
            Self::List(item) if **item == Self::Any => "[ci-deploy, backup]".to_owned(),
            Self::List(item) => format!("[{}]", item.example()),
            ty => ty.example(),
        };
        format!("write it like `{name}: {value}`")
    }

    fn text<'v>(&self, value: &'v Value) -> Result<&'v str, Mismatch> {
        value.as_str().ok_or_else(|| {
            let mut mismatch = self.kind(value);
            if let Value::Number(_) | Value::Bool(_) = value {
                mismatch.help = Some(match (self, value) {
                    (Self::Duration, Value::Number(_)) => format!("with its unit: {value}s"),
                    _ => format!("write it in quotes: \"{value}\""),
                });
            }
            mismatch
        })
    }

    fn identifier<T: Into<String>>(
        &self,
        value: &Value,
        parse: fn(String) -> Result<T, InvalidId>,
    ) -> Result<Value, Mismatch> {
        let text = self.text(value)?;
        parse(text.to_owned()).map(|id| Value::String(id.into())).map_err(|_| {
            let trimmed = text.trim();
            let help = (trimmed != text && parse(trimmed.to_owned()).is_ok())
                .then(|| "take the spaces off".to_owned());
            Mismatch { help, ..self.content(value) }
        })
    }

    /// Refuses the ARN of a secret that lacks its end: it is like no ARN that AWS tells, and in no list of them.
    fn with_its_end(&self, value: &Value) -> Result<(), Mismatch> {
        let Some(name) = value.as_str().map(str::trim).and_then(SecretId::name_without_its_end)
        else {
            return Ok(());
        };
        let name = if SecretId::parse(name).is_ok() { name } else { "NAME" };
        let by_name = match self {
            Self::SecretId => format!("; or, in the account that it lies in, its name, {name}"),
            _ => String::new(),
        };
        let help = Some(format!(
            "AWS ends the ARN of a secret with a hyphen and six characters more; take it whole from \
             `aws secretsmanager describe-secret --secret-id {name}`{by_name}"
        ));
        Err(Mismatch { help, ..self.content(value) })
    }

    /// A name, of which people have the ARN at hand.
    fn name<T: Into<String>>(
        &self,
        value: &Value,
        parse: fn(String) -> Result<T, InvalidId>,
    ) -> Result<Value, Mismatch> {
        self.identifier(value, parse).map_err(|mismatch| {
            let arn = value.as_str().filter(|text| text.starts_with("arn:"));
            let name = arn.and_then(|arn| arn.rsplit('/').next());
            let name = name.filter(|name| parse((*name).to_owned()).is_ok());
            let help = name.map(|name| format!("the name is the last part of the ARN: {name}"));
            let help = help.or(mismatch.help);
            let mut words = value.as_str().unwrap_or_default().split_whitespace();
            let are_names = words.clone().all(|word| parse(word.to_owned()).is_ok());
            let spaced = (words.nth(1).is_some() && are_names).then(|| {
                let list = if *self == Self::RoleName { "list-roles" } else { "list-users" };
                format!("no name has a space in it: take it as `aws iam {list}` has it")
            });
            Mismatch { help: help.or(spaced), ..mismatch }
        })
    }

    fn kind(&self, value: &Value) -> Mismatch {
        Mismatch {
            expected: self.to_string(),
            found: describe(value),
            right_kind: false,
            help: None,
        }
    }

    fn content(&self, value: &Value) -> Mismatch {
        Mismatch { right_kind: true, ..self.kind(value) }
    }
}

/// `90d`, `1d`, `36h`: days where it is whole days, and else as the time library has it.
fn duration_in_words(length: SignedDuration) -> String {
    let (seconds, day) = (length.as_secs(), 24 * 60 * 60);
    if seconds >= 2 * day && seconds % day == 0 && length.subsec_nanos() == 0 {
        return format!("{}d", seconds / day);
    }
    format!("{length:#}")
}

/// A length of time in words, as the time library has it; before the rest may stand days of 24 hours: `90d`,
/// `1d 12h`.
pub(crate) fn parse_duration(text: &str) -> Option<SignedDuration> {
    let days =
        text.split_once('d').and_then(|(n, rest)| Some((n.trim().parse::<u32>().ok()?, rest)));
    let (days, rest) = match days {
        Some((days, rest)) if rest.trim().is_empty() => (days, SignedDuration::ZERO),
        Some((days, rest)) => (days, rest.trim().parse().ok()?),
        None => (0, text.parse().ok()?),
    };
    let length = SignedDuration::from_hours(24 * i64::from(days)).checked_add(rest)?;
    (!rest.is_negative()).then_some(length)
}

/// What is wanted, as a phrase.
impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserName => f.write_str(UserName::EXPECTED),
            Self::AccessKeyId => f.write_str(AccessKeyId::EXPECTED),
            Self::SecretId => f.write_str(SecretId::EXPECTED),
            Self::AgeRecipient => f.write_str(AgeRecipient::EXPECTED),
            Self::AccountId => f.write_str(AccountId::EXPECTED),
            Self::Arn => f.write_str(Arn::EXPECTED),
            Self::RoleName => f.write_str(RoleName::EXPECTED),
            Self::Cidr => f.write_str(Cidr::EXPECTED),
            Self::VpcId => f.write_str(VpcId::EXPECTED),
            Self::Timestamp => f.write_str("an instant with its offset, like 2026-03-19T00:00:00Z"),
            Self::Duration => f.write_str("a length of time, like 90s, 2h 30m or 30d"),
            Self::Text => f.write_str("text"),
            Self::Integer => f.write_str("a whole number"),
            Self::Boolean => f.write_str("true or false"),
            Self::List(item) => write!(f, "a list, each item {item}"),
            Self::OneOf(words) => match words.as_ref() {
                [one] => write!(f, "`{one}`"),
                words => {
                    f.write_str("one of ")?;
                    for (i, word) in words.iter().enumerate() {
                        let between = if i == 0 { "" } else { ", " };
                        write!(f, "{between}`{word}`")?;
                    }
                    Ok(())
                }
            },
            Self::Either(types) => {
                for (i, ty) in types.iter().enumerate() {
                    let between = if i == 0 { "" } else { ", or " };
                    write!(f, "{between}{ty}")?;
                }
                Ok(())
            }
            Self::Such(such) => f.write_str(such.expected),
            Self::Any => f.write_str("a value"),
            Self::TypeName => f.write_str("the name of a type"),
            Self::Table(_) | Self::MapOf(_) | Self::Expressions => f.write_str("a mapping"),
        }
    }
}

/// A value, as a phrase: "the number 12", "a list".
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(b) => format!("the truth value {b}"),
        Value::Number(n) => format!("the number {n}"),
        Value::String(text) => format!("the text `{}`", shorten(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

/// Text for a message: one line of at most 60 characters, nothing a terminal would obey.
pub(crate) fn shorten(text: &str) -> String {
    const AT_MOST: usize = 60;
    let mut short: String = text
        .chars()
        .take(AT_MOST)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if text.chars().nth(AT_MOST).is_some() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_come_back_in_one_spelling() {
        let accept = |ty: FieldType, value: Value| ty.accept(&value).unwrap();
        let instant = accept(FieldType::Timestamp, json!("2026-03-19T01:00:00+01:00"));
        assert_eq!(instant, "2026-03-19T00:00:00Z");
        assert_eq!(accept(FieldType::Duration, json!("90s")), "1m 30s");
        assert_eq!(accept(FieldType::Duration, json!("2d 30m")), "48h 30m");
        for days in ["90d", "2160h"] {
            assert_eq!(accept(FieldType::Duration, json!(days)), "90d");
        }
        assert_eq!(accept(FieldType::List(&FieldType::UserName), json!(["a"])), json!(["a"]));
    }

    #[test]
    fn what_is_wrong_is_told_from_what_is_of_the_wrong_kind() {
        let kind = FieldType::AccountId.accept(&json!(123_456_789_012_i64)).unwrap_err();
        assert!(!kind.right_kind);
        assert_eq!(kind.help.unwrap(), "write it in quotes: \"123456789012\"");
        let content = FieldType::AccountId.accept(&json!("12345")).unwrap_err();
        assert!(content.right_kind);
        for wrong in ["2026-03-19", "2026-03-19T00:00:00", "yesterday", ""] {
            assert!(FieldType::Timestamp.accept(&json!(wrong)).is_err(), "{wrong}");
        }
        for wrong in ["-5s", "soon", "1mo", ""] {
            assert!(FieldType::Duration.accept(&json!(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn either_says_all_it_would_take() {
        const WORD: FieldType = FieldType::OneOf(Cow::Borrowed(&[Cow::Borrowed("all")]));
        let ty = FieldType::Either(&[WORD, FieldType::List(&FieldType::Integer)]);
        assert_eq!(ty.accept(&json!("all")).unwrap(), "all");
        assert_eq!(ty.accept(&json!([1])).unwrap(), json!([1]));
        let error = ty.accept(&json!("al")).unwrap_err();
        assert_eq!(error.expected, "`all`, or a list, each item a whole number");
        assert_eq!(error.help.unwrap(), "did you mean `all`?");
    }

    #[test]
    fn the_command_line_gives_text_for_every_type() {
        assert_eq!(FieldType::Integer.accept_typed("10").unwrap(), 10);
        assert_eq!(FieldType::Boolean.accept_typed("true").unwrap(), true);
        let list = FieldType::List(&FieldType::UserName);
        assert_eq!(list.accept_typed("a, b,").unwrap(), json!(["a", "b"]));
        assert!(FieldType::Integer.accept_typed("ten").is_err());
        assert_eq!(FieldType::AccountId.accept_typed("012345678901").unwrap(), "012345678901");
    }
}
