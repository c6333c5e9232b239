//! Conditions: operators, their `IfExists` forms and the set operators.
//!
//! A key that the request does not have fails a condition, save for the negated operators, `IfExists`,
//! `Null` and `ForAllValues`, exactly as IAM has it: this is why a deny of tokens older than a date
//! leaves long-lived keys alone.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::pattern::{arn_fits, fill_in, fill_in_plain, fits};
use super::{Context, InvalidPolicy};

/// One key under one operator.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clause {
    set: SetOperator,
    operator: Operator,
    negated: bool,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum SetOperator {
    Single,
    ForAnyValue,
    ForAllValues,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    String,
    StringIgnoreCase,
    StringLike,
    Arn,
    Date(Order),
    Numeric(Order),
    Bool,
    Ip,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Order::Equal => left == right,
            Order::Less => left < right,
            Order::LessOrEqual => left <= right,
            Order::Greater => left > right,
            Order::GreaterOrEqual => left >= right,
        }
    }
}

/// The operator of a name, and whether it is a negated one.
fn operator(name: &str) -> Option<(Operator, bool)> {
    use Operator as O;
    Some(match name {
        "StringEquals" => (O::String, false),
        "StringNotEquals" => (O::String, true),
        "StringEqualsIgnoreCase" => (O::StringIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (O::StringIgnoreCase, true),
        "StringLike" => (O::StringLike, false),
        "StringNotLike" => (O::StringLike, true),
        "ArnEquals" | "ArnLike" => (O::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (O::Arn, true),
        "DateEquals" => (O::Date(Order::Equal), false),
        "DateNotEquals" => (O::Date(Order::Equal), true),
        "DateLessThan" => (O::Date(Order::Less), false),
        "DateLessThanEquals" => (O::Date(Order::LessOrEqual), false),
        "DateGreaterThan" => (O::Date(Order::Greater), false),
        "DateGreaterThanEquals" => (O::Date(Order::GreaterOrEqual), false),
        "NumericEquals" => (O::Numeric(Order::Equal), false),
        "NumericNotEquals" => (O::Numeric(Order::Equal), true),
        "NumericLessThan" => (O::Numeric(Order::Less), false),
        "NumericLessThanEquals" => (O::Numeric(Order::LessOrEqual), false),
        "NumericGreaterThan" => (O::Numeric(Order::Greater), false),
        "NumericGreaterThanEquals" => (O::Numeric(Order::GreaterOrEqual), false),
        "Bool" => (O::Bool, false),
        "IpAddress" => (O::Ip, false),
        "NotIpAddress" => (O::Ip, true),
        "Null" => (O::Null, false),
        _ => return None,
    })
}

impl Clause {
    /// Reads the `Condition` of a statement. All of its clauses must hold.
    pub(super) fn all(operators: &Map<String, Value>) -> Result<Vec<Self>, InvalidPolicy> {
        let mut clauses = Vec::new();
        for (name, keys) in operators {
            let (set, rest) = match name.split_once(':') {
                Some(("ForAnyValue", rest)) => (SetOperator::ForAnyValue, rest),
                Some(("ForAllValues", rest)) => (SetOperator::ForAllValues, rest),
                _ => (SetOperator::Single, name.as_str()),
            };
            let (base, if_exists) = match rest.strip_suffix("IfExists") {
                Some(base) if base != "Null" => (base, true),
                _ => (rest, false),
            };
            let (operator, negated) = operator(base)
                .ok_or_else(|| InvalidPolicy(format!("Invalid Condition type : {name}.")))?;
            let keys = keys
                .as_object()
                .ok_or_else(|| InvalidPolicy(format!("{name} needs an object of keys.")))?;
            for (key, values) in keys {
                let values = match values {
                    Value::Array(list) => list.iter().map(scalar).collect::<Option<Vec<_>>>(),
                    one => scalar(one).map(|v| vec![v]),
                }
                .ok_or_else(|| InvalidPolicy(format!("{key} needs a text or a list of texts.")))?;
                let clause = Self { set, operator, negated, if_exists, key: key.clone(), values };
                clause.check()?;
                clauses.push(clause);
            }
        }
        Ok(clauses)
    }

    /// Refuses values that can never be read, unless a variable may still make them readable.
    fn check(&self) -> Result<(), InvalidPolicy> {
        let readable = |value: &String| {
            value.contains("${")
                || match self.operator {
                    Operator::Date(_) => date(value).is_some(),
                    Operator::Numeric(_) => value.parse::<f64>().is_ok(),
                    Operator::Ip => network(value).is_some(),
                    Operator::Bool | Operator::Null => {
                        matches!(value.to_ascii_lowercase().as_str(), "true" | "false")
                    }
                    _ => true,
                }
        };
        match self.values.iter().find(|v| !readable(v)) {
            Some(wrong) => {
                Err(InvalidPolicy(format!("Invalid value {wrong} for condition {}.", self.key)))
            }
            None => Ok(()),
        }
    }

    /// The key it asks about, where the request does not have it.
    pub(super) fn missing(&self, context: &Context) -> Option<&str> {
        context.get(&self.key).is_none().then_some(self.key.as_str())
    }

    /// Whether the clause holds for a request.
    pub(super) fn holds(&self, context: &Context) -> bool {
        let given = context.get(&self.key);
        if self.operator == Operator::Null {
            let absent = given.is_none_or(<[String]>::is_empty);
            return self.values.iter().any(|v| v.eq_ignore_ascii_case("true") == absent);
        }
        let Some(given) = given.filter(|values| !values.is_empty()) else {
            return match self.set {
                SetOperator::ForAllValues => true,
                SetOperator::ForAnyValue => self.if_exists,
                SetOperator::Single => self.if_exists || self.negated,
            };
        };
        let one = |value: &String| {
            let listed = self.values.iter().any(|wanted| self.compare(wanted, value, context));
            listed != self.negated
        };
        match self.set {
            SetOperator::ForAllValues => given.iter().all(one),
            // Without a set operator a key has one value; were there more, a negated operator must
            // hold for all and a plain one for any.
            SetOperator::Single if self.negated => given.iter().all(one),
            SetOperator::Single | SetOperator::ForAnyValue => given.iter().any(one),
        }
    }

    fn compare(&self, wanted: &str, given: &str, context: &Context) -> bool {
        let plain = || fill_in_plain(wanted, context);
        let pattern = || fill_in(wanted, context);
        match self.operator {
            Operator::String => plain().is_some_and(|w| w == given),
            Operator::StringIgnoreCase => plain().is_some_and(|w| w.eq_ignore_ascii_case(given)),
            Operator::StringLike => pattern().is_some_and(|p| fits(&p, given)),
            Operator::Arn => pattern().is_some_and(|p| arn_fits(&p, given)),
            Operator::Bool => plain().is_some_and(|w| w.eq_ignore_ascii_case(given)),
            Operator::Date(order) => plain()
                .and_then(|w| date(&w))
                .zip(date(given))
                .is_some_and(|(w, g)| order.holds(&g, &w)),
            Operator::Numeric(order) => plain()
                .and_then(|w| w.parse::<f64>().ok())
                .zip(given.parse::<f64>().ok())
                .is_some_and(|(w, g)| order.holds(&g, &w)),
            Operator::Ip => plain()
                .and_then(|w| network(&w))
                .zip(given.parse::<IpAddr>().ok())
                .is_some_and(|((net, bits), ip)| prefix(net, bits) == prefix(ip, bits)),
            Operator::Null => unreachable!("decided before values are compared"),
        }
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

/// A date as policies may write it: RFC 3339, a bare date, or seconds since 1970.
fn date(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).ok();
    }
    text.parse().ok().or_else(|| format!("{text}T00:00:00Z").parse().ok())
}

fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address.parse::<IpAddr>().ok()?, Some(bits.parse().ok()?)),
        None => (text.parse().ok()?, None),
    };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(longest);
    (bits <= longest).then_some((address, bits))
}

/// The leading bits of an address, with its family, so that no IPv4 network equals an IPv6 one.
fn prefix(address: IpAddr, bits: u32) -> (bool, u128) {
    let (value, longest) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    (address.is_ipv4(), value.checked_shr(longest - bits.min(longest)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(condition: &str, given: &[(&str, &[&str])]) -> bool {
        let Value::Object(operators) = serde_json::from_str(condition).unwrap() else { panic!() };
        let mut context = Context::new();
        for (key, values) in given {
            context.set_all(key, values.iter().map(|v| (*v).to_owned()).collect());
        }
        Clause::all(&operators).unwrap().iter().all(|c| c.holds(&context))
    }

    #[test]
    fn operators() {
        let user: &[(&str, &[&str])] = &[("aws:username", &["alice"])];
        let old: &[(&str, &[&str])] = &[("aws:TokenIssueTime", &["2026-03-24T07:00:00Z"])];
        let ip: &[(&str, &[&str])] = &[("aws:SourceIp", &["192.0.2.77"])];
        let arn: &[(&str, &[&str])] =
            &[("aws:PrincipalArn", &["arn:aws:iam::111122223333:role/ir/Responder"])];
        let tags: &[(&str, &[&str])] = &[("aws:TagKeys", &["team", "cost"])];
        let number: &[(&str, &[&str])] = &[("s3:max-keys", &["10"])];
        let none: &[(&str, &[&str])] = &[];
        for (condition, given, expected) in [
            (r#"{"StringEquals":{"aws:username":"alice"}}"#, user, true),
            (r#"{"StringEquals":{"AWS:USERNAME":["bob","alice"]}}"#, user, true),
            (r#"{"StringEquals":{"aws:username":"Alice"}}"#, user, false),
            (r#"{"StringEqualsIgnoreCase":{"aws:username":"Alice"}}"#, user, true),
            (r#"{"StringNotEqualsIgnoreCase":{"aws:username":"Alice"}}"#, user, false),
            (r#"{"StringNotEquals":{"aws:username":["bob","alice"]}}"#, user, false),
            (r#"{"StringNotEquals":{"aws:username":"bob"}}"#, none, true),
            (r#"{"StringEquals":{"aws:username":"bob"}}"#, none, false),
            (r#"{"StringEqualsIfExists":{"aws:username":"bob"}}"#, none, true),
            (r#"{"StringEqualsIfExists":{"aws:username":"bob"}}"#, user, false),
            (r#"{"StringLike":{"aws:username":"al*"}}"#, user, true),
            (r#"{"StringLike":{"aws:username":"al?"}}"#, user, false),
            (r#"{"StringNotLike":{"aws:username":"al*"}}"#, user, false),
            (r#"{"DateLessThan":{"aws:TokenIssueTime":"2026-03-24T07:10:00Z"}}"#, old, true),
            (r#"{"DateLessThan":{"aws:TokenIssueTime":"2026-03-24T07:00:00Z"}}"#, old, false),
            (r#"{"DateLessThanEquals":{"aws:TokenIssueTime":"2026-03-24T07:00:00Z"}}"#, old, true),
            (r#"{"DateLessThan":{"aws:TokenIssueTime":"2026-03-24T07:10:00Z"}}"#, none, false),
            (r#"{"DateGreaterThan":{"aws:TokenIssueTime":"2026-03-24"}}"#, old, true),
            (r#"{"DateGreaterThanEquals":{"aws:TokenIssueTime":"1774335600"}}"#, old, true),
            (r#"{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#, ip, true),
            (r#"{"NotIpAddress":{"aws:SourceIp":["192.0.2.0/24","10.0.0.0/8"]}}"#, ip, false),
            (r#"{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#, ip, true),
            (r#"{"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}"#, ip, false),
            (r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, ip, true),
            (r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/ir/*"}}"#, arn, true),
            (r#"{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::*:role/ir/*"}}"#, arn, true),
            (r#"{"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::*:role/ir/*"}}"#, arn, false),
            (r#"{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/x"}}"#, none, true),
            (r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#, none, false),
            (r#"{"BoolIfExists":{"aws:MultiFactorAuthPresent":false}}"#, none, true),
            (r#"{"Null":{"aws:TokenIssueTime":"true"}}"#, none, true),
            (r#"{"Null":{"aws:TokenIssueTime":"true"}}"#, old, false),
            (r#"{"Null":{"aws:TokenIssueTime":false}}"#, old, true),
            (r#"{"NumericLessThanEquals":{"s3:max-keys":"10"}}"#, number, true),
            (r#"{"NumericGreaterThan":{"s3:max-keys":10}}"#, number, false),
            (r#"{"NumericNotEquals":{"s3:max-keys":11}}"#, number, true),
            (r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost","x"]}}"#, tags, true),
            (r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}"#, tags, false),
            (r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}"#, none, true),
            (r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":["team"]}}"#, tags, true),
            (r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":["team"]}}"#, none, false),
            (r#"{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["team"]}}"#, tags, true),
            (r#"{"StringEquals":{"aws:username":"${aws:username}"}}"#, user, true),
            // All clauses of a condition must hold.
            (r#"{"StringEquals":{"aws:username":"alice"},"Bool":{"a:b":"true"}}"#, user, false),
        ] {
            assert_eq!(holds(condition, given), expected, "{condition} on {given:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for wrong in [
            r#"{"StringEqual":{"a:b":"c"}}"#,
            r#"{"NullIfExists":{"a:b":"true"}}"#,
            r#"{"DateLessThan":{"a:b":"yesterday"}}"#,
            r#"{"IpAddress":{"a:b":"10.0.0.0/33"}}"#,
            r#"{"StringEquals":{"a:b":{"c":"d"}}}"#,
            r#"{"StringEquals":"x"}"#,
        ] {
            let Value::Object(operators) = serde_json::from_str(wrong).unwrap() else { panic!() };
            assert!(Clause::all(&operators).is_err(), "{wrong}");
        }
    }
}
