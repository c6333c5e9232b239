//! The deny of sessions that were issued before a moment: the document, and how to see that it stands.
//!
//! Shared by putting it on and taking it off.

use jiff::Timestamp;

use super::principal;
use crate::ids::{PolicyName, Principal};
use crate::inventory::Want;
use crate::journal::Note;
use crate::plan::{Credential, Subject};

/// Ours alone. Not the name the AWS console uses, which its button would overwrite.
pub(super) const POLICY: &str = "PortcullisRevokeOlderSessions";

/// What must be read, to decide and to judge.
pub(super) fn wants(of: &Principal) -> Vec<Want> {
    vec![principal::want(of), Want::InlinePolicy(of.clone(), policy_name())]
}

/// What it cuts.
pub(super) fn sessions(of: &Principal) -> Subject {
    Subject::Credential { credential: Credential::sessions_of(of) }
}

/// The name of our inline policy.
pub(super) fn policy_name() -> PolicyName {
    PolicyName::parse(POLICY).expect("a policy name")
}

/// The moment that was written, or was about to be, last.
pub(super) fn last_moment(notes: &[Note]) -> Option<Timestamp> {
    notes.iter().rev().find_map(|note| match note {
        Note::Denying { issued_before } => Some(*issued_before),
        _ => None,
    })
}

/// The policy that denies sessions issued before `moment`, to the second, as AWS counts.
pub(super) fn document(moment: Timestamp) -> String {
    let (before, after) = around_the_moment();
    format!("{before}{}{after}", moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
}

/// The same without the moment: what stands before it, and what behind.
pub(super) fn around_the_moment() -> (&'static str, &'static str) {
    (
        r#"{"Version":"2012-10-17","Statement":[{"Sid":"PortcullisRevokeOlderSessions","Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":""#,
        r#""}}}]}"#,
    )
}

/// The moment in a document that is exactly what [`document`] writes; `None` for anything else.
pub(super) fn denied_before(text: &str) -> Option<Timestamp> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let moment = value.pointer("/Statement/0/Condition/DateLessThan/aws:TokenIssueTime")?;
    let moment: Timestamp = moment.as_str()?.parse().ok()?;
    let same: serde_json::Value = serde_json::from_str(&document(moment)).ok()?;
    (value == same).then_some(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_deny_counts_as_standing() {
        let moment: Timestamp = "2026-03-24T07:10:05Z".parse().unwrap();
        let text = document(moment);
        assert_eq!(denied_before(&text), Some(moment));
        for (from, to) in [
            ("\"Deny\"", "\"Allow\""),
            ("\"Action\":\"*\"", "\"Action\":\"s3:*\""),
            ("\"Resource\":\"*\"", "\"Resource\":\"arn:aws:s3:::x\""),
            ("DateLessThan", "DateGreaterThan"),
            ("{\"Sid\"", "{\"Effect\":\"Allow\"},{\"Sid\""),
        ] {
            assert_ne!(text.replace(from, to), text);
            assert_eq!(denied_before(&text.replace(from, to)), None, "{to}");
        }
    }
}
