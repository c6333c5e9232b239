//! Identifiers, each a type of its own, made only by parsing.
//!
//! Holding an [`AccessKeyId`] means that it has the shape of one; nothing later checks again. An
//! identifier is never a secret: all of them may be printed, journalled and compared. A clone shares the text:
//! the name of one user stands in some fifty places of a plan.
//! Knows no service and no file. Fails with [`InvalidId`], which says what was expected.

mod bech32;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Text that does not have the shape of the identifier asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {expected}")]
pub struct InvalidId {
    /// The text, cut to at most 80 characters.
    pub given: String,
    /// What it should have been, as a phrase: "an AWS account id: 12 digits".
    pub expected: &'static str,
}

/// Text that is not what it should be, as it is repeated.
fn shown(text: &str) -> String {
    if looks_like_a_secret(text) {
        return "what was given".to_owned();
    }
    text.chars().take(80).collect()
}

/// Whether text looks like the secret of an access key: it lies beside the id in every file, and is pasted for it.
pub fn looks_like_a_secret(text: &str) -> bool {
    text.len() == 40
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+'))
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && text.bytes().any(|byte| byte.is_ascii_uppercase())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// What text must be to be parsed, as a phrase for messages.
            pub const EXPECTED: &'static str = $expected;

            /// Parses `text`.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let accepts: fn(&str) -> bool = $accepts;
                if accepts(&text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId { given: shown(&text), expected: Self::EXPECTED })
                }
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                (*id.0).to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// Letters, digits and the punctuation that IAM allows in names.
fn is_iam_name(text: &str, longest: usize) -> bool {
    !text.is_empty()
        && text.len() <= longest
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

/// Lower-case words joined by single hyphens.
fn is_kebab(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.split('-').all(|word| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        })
}

id!(
    /// An AWS account: 12 digits, kept as text because it may begin with a zero.
    AccountId,
    "an AWS account id: 12 digits",
    |t| t.len() == 12 && t.bytes().all(|b| b.is_ascii_digit())
);
id!(
    /// A long-lived (`AKIA`) or temporary (`ASIA`) access key id. Not a secret.
    AccessKeyId,
    "an access key id: `AKIA` or `ASIA` and 12 to 124 capital letters or digits",
    |t| (16..=128).contains(&t.len())
        && (t.starts_with("AKIA") || t.starts_with("ASIA"))
        && t.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
);
id!(
    /// The name of an IAM user, without its path.
    UserName,
    "an IAM user name: 1 to 64 of letters, digits and _+=,.@-",
    |t| is_iam_name(t, 64)
);
id!(
    /// The name of an IAM role, without its path.
    RoleName,
    "an IAM role name: 1 to 64 of letters, digits and _+=,.@-",
    |t| is_iam_name(t, 64)
);
id!(
    /// The name of an IAM group, without its path.
    GroupName,
    "an IAM group name: 1 to 128 of letters, digits and _+=,.@-",
    |t| is_iam_name(t, 128)
);
id!(
    /// The name of an inline policy.
    PolicyName,
    "an IAM policy name: 1 to 128 of letters, digits and _+=,.@-",
    |t| is_iam_name(t, 128)
);
id!(
    /// An Amazon resource name.
    Arn,
    "an ARN: `arn:partition:service:region:account:resource`",
    |t| t.len() <= 2048
        && t.starts_with("arn:")
        && t.splitn(6, ':').count() == 6
        && !t.ends_with(':')
        && t.bytes().all(|b| b.is_ascii_graphic())
);
id!(
    /// A Secrets Manager secret, by name or by ARN.
    SecretId,
    "a secret's name or ARN: 1 to 512 of letters, digits and /_+=.@-",
    |t| if t.starts_with("arn:") {
        Arn::parse(t).is_ok() && t.contains(":secretsmanager:") && t.contains(":secret:")
    } else {
        !t.is_empty()
            && t.len() <= 512
            && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(&b))
    }
);
id!(
    /// A public key that files are sealed to.
    AgeRecipient,
    "an age recipient: `age1` and 58 lower-case letters or digits",
    |t| bech32::decode("age", t).is_some_and(|key| key.len() == 32)
);
id!(
    /// A file that somebody is handed, within its case.
    DeliveryName,
    "the name of a delivery: 1 to 90 of letters, digits and _+=,.@-, ending in `.age`",
    |t| is_iam_name(t, 90) && t.strip_suffix(".age").is_some()
);
id!(
    /// One version of a secret.
    VersionId,
    "a secret version id: 1 to 64 letters, digits and hyphens",
    |t| !t.is_empty()
        && t.len() <= 64
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
);
id!(
    /// A virtual private cloud.
    VpcId,
    "a VPC id: `vpc-` and 8 or 17 hexadecimal digits",
    |t| t.strip_prefix("vpc-").is_some_and(|digits| {
        matches!(digits.len(), 8 | 17)
            && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
);
id!(
    /// A network as policies name it: an address, or the first of a range and how many of its bits count.
    Cidr,
    "a network: an address, or the first of a range, like 203.0.113.7 or 203.0.113.0/24",
    |t| parse_network(t).is_some_and(|(address, bits)| first_of(address, bits) == address)
);
id!(
    /// A step of a playbook.
    StepId,
    "a step id: lower-case words joined by hyphens, at most 64 characters",
    is_kebab
);
id!(
    /// A kind of thing that can be done, as playbooks name it: `iam.user.quarantine`.
    ActionKind,
    "an action: lower-case words joined by dots and hyphens",
    |t| t.len() <= 96 && t.split('.').count() >= 2 && t.split('.').all(is_kebab)
);
id!(
    /// One change of a plan: the step it comes from and its number within it, `keys-off.2`.
    ChangeId,
    "a change id: a step id, a dot and a number",
    |t| t.rsplit_once('.').is_some_and(|(step, n)| {
        is_kebab(step) && !n.is_empty() && n.len() <= 9 && n.bytes().all(|b| b.is_ascii_digit())
    })
);

impl SecretId {
    /// The name in the ARN of a secret that lacks the hyphen and the six characters that AWS ends each with; `None` where
    /// it has them, or a name that only looks so, or is the ARN of no secret.
    pub fn name_without_its_end(text: &str) -> Option<&str> {
        let mut parts = text.splitn(7, ':');
        let is_one = parts.next() == Some("arn")
            && parts.nth(1) == Some("secretsmanager")
            && parts.nth(2) == Some("secret");
        let name = parts.next().filter(|name| is_one && !name.is_empty())?;
        let has_it = name.rsplit_once('-').is_some_and(|(_, end)| {
            end.len() == SECRET_END && end.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        (!has_it).then_some(name)
    }

    /// Whether `whole` is what AWS calls the secret that this names by its ARN without the end: AWS answers to both.
    pub fn is_beginning_of(&self, whole: &Arn) -> bool {
        let end = whole.as_str().strip_prefix(self.as_str()).and_then(|end| end.strip_prefix('-'));
        self.0.starts_with("arn:") && end.is_some_and(|end| end.len() == SECRET_END)
    }
}

/// So many characters AWS puts behind a hyphen at the end of a secret's ARN.
const SECRET_END: usize = 6;

/// Address and number of leading bits.
fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(a, bits)| (a, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        // No sign, and no zero before it: policies are compared as text.
        Some(bits) if bits.len() > 1 && bits.starts_with('0') || bits.starts_with('+') => None,
        Some(bits) => bits.parse().ok(),
        None => Some(longest),
    };
    bits.filter(|bits| *bits <= longest).map(|bits| (address, bits))
}

/// The first address of a range.
fn first_of(address: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

impl Cidr {
    /// The range that `text` was meant to be, where it names one by an address in its middle.
    pub fn nearest(text: &str) -> Option<Self> {
        let (address, bits) = parse_network(text.trim())?;
        Self::parse(format!("{}/{bits}", first_of(address, bits))).ok()
    }

    /// The first address.
    pub fn first(&self) -> IpAddr {
        parse_network(&self.0).expect("parsed before").0
    }

    /// How many of its bits count.
    pub fn bits(&self) -> u8 {
        parse_network(&self.0).expect("parsed before").1
    }
}

/// Whoever can hold credentials, or be assumed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Principal {
    /// An IAM user.
    User(UserName),
    /// An IAM role.
    Role(RoleName),
}

impl Principal {
    /// The user, where it is one.
    pub fn user(&self) -> Option<&UserName> {
        match self {
            Self::User(user) => Some(user),
            Self::Role(_) => None,
        }
    }

    /// The role, where it is one.
    pub fn role(&self) -> Option<&RoleName> {
        match self {
            Self::User(_) => None,
            Self::Role(role) => Some(role),
        }
    }

    /// As a person types it: `user/anna`, `role/deploy`.
    pub fn typed(&self) -> String {
        match self {
            Self::User(user) => format!("user/{user}"),
            Self::Role(role) => format!("role/{role}"),
        }
    }

    /// Its name alone.
    pub fn name(&self) -> &str {
        match self {
            Self::User(user) => user.as_str(),
            Self::Role(role) => role.as_str(),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user {user}"),
            Self::Role(role) => write!(f, "role {role}"),
        }
    }
}

impl ChangeId {
    /// The `n`-th change (from 1) of `step`.
    pub fn of(step: &StepId, n: usize) -> Self {
        Self(format!("{step}.{n}").into())
    }

    /// Its number within the step.
    pub fn number(&self) -> usize {
        let number = self.0.rsplit_once('.').and_then(|(_, number)| number.parse().ok());
        number.expect("parsed with a number of at most nine digits")
    }

    /// The step the change comes from.
    pub fn step(&self) -> StepId {
        StepId(self.0.rsplit_once('.').expect("parsed with a dot").0.into())
    }
}

impl AgeRecipient {
    /// The key: a point of Curve25519.
    pub fn key(&self) -> Vec<u8> {
        bech32::decode("age", &self.0).expect("parsed already")
    }
}

impl DeliveryName {
    /// What a user is handed: `alice.password.age`.
    pub fn of(user: &UserName, what: &'static str) -> Self {
        Self(format!("{user}.{what}.age").into())
    }
}

impl Arn {
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub fn partition(&self) -> &str {
        self.field(1)
    }

    /// The region the resource is in; empty for resources that have none.
    pub fn region(&self) -> &str {
        self.field(3)
    }

    /// The account the resource is in; empty for resources that have none.
    pub fn account(&self) -> &str {
        self.field(4)
    }

    /// Everything after the fifth colon: `user/path/name`.
    pub fn resource(&self) -> &str {
        self.field(5)
    }

    /// Whether it names one user or one role, and no more.
    pub fn is_one_principal(&self) -> bool {
        let named = |kind: &str| {
            self.resource()
                .strip_prefix(kind)
                .is_some_and(|name| !name.is_empty() && !name.ends_with('/'))
        };
        self.field(2) == "iam"
            && self.account().len() == 12
            && !self.0.contains(['*', '?'])
            && (named("user/") || named("role/"))
    }

    fn field(&self, n: usize) -> &str {
        self.0.splitn(6, ':').nth(n).expect("parsed with six fields")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_ids_keep_a_leading_zero_and_nothing_else_passes() {
        assert_eq!(AccountId::parse("012345678901").unwrap().as_str(), "012345678901");
        for wrong in
            ["12345678901", "1234567890123", "12345678901a", "", "１２３４５６７８９０１２"]
        {
            assert!(AccountId::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_recipient_with_a_slip_in_it_is_none() {
        let good = "age12wr39gcccvmwgr0tqay0g3dfnp83chsf7syu8rxddecqf5juxpds6aq6jp";
        assert_eq!(AgeRecipient::parse(good).unwrap().as_str(), good);
        let slip = good.replace("aq6jp", "aq6jq");
        let secret = "AGE-SECRET-KEY-1";
        let loud = good.to_uppercase();
        for wrong in ["", "age1", "prod/ci/key", &slip, secret, &loud, &format!("{good} ")] {
            assert!(AgeRecipient::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_change_knows_its_step() {
        let step = StepId::parse("keys-off").unwrap();
        assert_eq!(ChangeId::of(&step, 2).as_str(), "keys-off.2");
        assert_eq!(ChangeId::of(&step, 2).step(), step);
        assert!(ChangeId::parse("keys-off").is_err());
    }

    #[test]
    fn a_network_is_named_by_its_first_address() {
        for right in ["203.0.113.7", "203.0.113.0/24", "0.0.0.0/0", "2001:db8::/32", "::1/128"] {
            assert_eq!(Cidr::parse(right).unwrap().as_str(), right);
        }
        for wrong in
            ["203.0.113.7/24", "203.0.113.0/33", "203.0.113/24", "203.0.113.0/024", "office", ""]
        {
            assert!(Cidr::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Cidr::nearest("203.0.113.7/24").unwrap().as_str(), "203.0.113.0/24");
        assert_eq!(Cidr::nearest("2001:db8::1/32").unwrap().as_str(), "2001:db8::/32");
        assert_eq!(Cidr::nearest("office"), None);
    }

    #[test]
    fn an_identifier_cannot_be_smuggled_in_through_json() {
        assert!(serde_json::from_str::<UserName>("\"a b\"").is_err());
        assert_eq!(serde_json::from_str::<UserName>("\"a.b\"").unwrap().as_str(), "a.b");
    }
}
