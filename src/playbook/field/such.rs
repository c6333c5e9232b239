//! Types of which not every value will do.
//!
//! What more is asked of a value is one function. Whoever has the value calls it, through [`FieldType::accept`]: what
//! stands in the playbook is judged when that is read, and what an expression gives when there is a plan, by the same
//! rule and with the same words.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::{FieldType, parse_duration, shorten};
use crate::ids::{Arn, GroupName};

/// A type, and what more is asked of its values.
#[derive(Debug)]
pub struct Such {
    /// The type.
    pub of: FieldType,
    /// What is wanted, as a phrase.
    pub expected: &'static str,
    /// A value that will do.
    pub example: &'static str,
    /// Judges a value of the type, in its canonical spelling; what to type instead of one that will not do.
    pub judge: fn(&Value) -> Result<(), String>,
}

impl PartialEq for Such {
    fn eq(&self, other: &Self) -> bool {
        self.of == other.of && self.expected == other.expected
    }
}

impl Eq for Such {}

impl Such {
    /// Judges a text by whether it fits.
    pub(crate) fn text(value: &Value, fits: fn(&str) -> bool, help: &str) -> Result<(), String> {
        if value.as_str().is_some_and(fits) { Ok(()) } else { Err(help.to_owned()) }
    }

    /// Judges a number by its bounds.
    pub(crate) fn number(
        value: &Value,
        bounds: RangeInclusive<i64>,
        help: &str,
    ) -> Result<(), String> {
        let fits = value.as_i64().is_some_and(|number| bounds.contains(&number));
        if fits { Ok(()) } else { Err(help.to_owned()) }
    }
}

/// Where users are kept.
pub(crate) const PATH: FieldType = FieldType::Such(&Such {
    of: FieldType::Text,
    expected: "a path: it begins and ends with `/`",
    example: "/ci/",
    // `/ci` would select `/cicd/` too, and `ci/` nobody: neither is what was meant.
    judge: |value| {
        let text = value.as_str().unwrap_or_default();
        let fits = text.starts_with('/') && text.ends_with('/') && !text.contains("//");
        let plain = text.bytes().all(|b| b.is_ascii_graphic());
        if fits && plain && text.len() <= 512 {
            return Ok(());
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        let near = format!("/{}/", parts.join("/"));
        Err(if parts.is_empty() || !plain || near.len() > 60 {
            "write it like /ci/; of the whole account, ask inventory.users()".to_owned()
        } else {
            format!("did you mean `{near}`?")
        })
    },
});

/// A group of users.
pub(crate) const GROUP: FieldType = FieldType::Such(&Such {
    of: FieldType::Text,
    expected: GroupName::EXPECTED,
    example: "pipelines",
    judge: |value| {
        let arn = value.as_str().filter(|text| text.starts_with("arn:"));
        let name = arn.and_then(|arn| arn.rsplit('/').next()).map(shorten);
        let help = match name {
            Some(name) => format!("the name is the last part of the ARN: {name}"),
            None => "write its name alone, as in pipelines".to_owned(),
        };
        Such::text(value, |text| GroupName::parse(text).is_ok(), &help)
    },
});

/// The key of a tag.
pub(crate) const TAG_KEY: FieldType = FieldType::Such(&Such {
    of: FieldType::Text,
    expected: "the key of a tag: 1 to 128 characters",
    example: "team",
    judge: |value| {
        let fits = |text: &str| (1..=128).contains(&text.chars().count());
        Such::text(value, fits, "write it like team")
    },
});

/// The value of a tag.
pub(crate) const TAG_VALUE: FieldType = FieldType::Such(&Such {
    of: FieldType::Text,
    expected: "the value of a tag: at most 256 characters",
    example: "ci",
    judge: |value| Such::text(value, |text| text.chars().count() <= 256, "write it like ci"),
});

/// A length of time that there has been.
pub(crate) const AGO: FieldType = FieldType::Such(&Such {
    of: FieldType::Duration,
    expected: "a length of time of at most 36500d, with its unit, like 90d or 12h",
    example: "90d",
    judge: |value| {
        let fits = |text: &str| parse_duration(text).is_some_and(|it| it.as_hours() <= 24 * 36_500);
        Such::text(value, fits, "write a shorter time, like 90d or 12h")
    },
});

/// One user or role, who can be named in a policy.
pub(crate) const ONE_PRINCIPAL: FieldType = FieldType::Such(&Such {
    of: FieldType::Arn,
    expected: "the ARN of one user or role",
    example: "arn:aws:iam::111122223333:role/ops/reader",
    judge: |value| {
        let arn = value.as_str().and_then(|text| Arn::parse(text).ok());
        match arn {
            Some(arn) if arn.is_one_principal() => Ok(()),
            Some(arn) if arn.resource().starts_with("assumed-role/") => Err(
                "of a session write the role's own ARN, as in arn:aws:iam::111122223333:role/ops/reader"
                    .to_owned(),
            ),
            _ => Err("write it like arn:aws:iam::111122223333:role/ops/reader".to_owned()),
        }
    },
});

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_will_not_do_is_refused_with_what_to_type() {
        for (ty, good, bad, help) in [
            (PATH, "/ci/", "ci", "did you mean `/ci/`?"),
            (PATH, "/", "/ci/x", "did you mean `/ci/x/`?"),
            (PATH, "/a/b/", "//a//b", "did you mean `/a/b/`?"),
            (
                GROUP,
                "staff",
                "arn:aws:iam::1:group/a/staff",
                "the name is the last part of the ARN: staff",
            ),
            (TAG_KEY, "team", "", "write it like team"),
            (AGO, "90d", "90000000d", "write a shorter time, like 90d or 12h"),
            (
                ONE_PRINCIPAL,
                "arn:aws:iam::111122223333:user/anna",
                "arn:aws:s3:::bucket",
                "write it like arn:aws:iam::111122223333:role/ops/reader",
            ),
        ] {
            assert!(ty.accept(&json!(good)).is_ok(), "{good}");
            let mismatch = ty.accept(&json!(bad)).unwrap_err();
            assert_eq!(mismatch.expected, ty.to_string(), "{bad}");
            assert_eq!(mismatch.help.as_deref(), Some(help), "{bad}");
            assert!(ty.accept(&json!(ty.example())).is_ok(), "{ty}");
        }
        for wrong in [
            "arn:aws:iam::111122223333:role/*",
            "arn:aws:iam::111122223333:root",
            "arn:aws:sts::111122223333:assumed-role/ops/anna",
            "arn:aws:lambda:eu-west-1:111122223333:function:x",
        ] {
            assert!(ONE_PRINCIPAL.accept(&json!(wrong)).is_err(), "{wrong}");
        }
    }
}
