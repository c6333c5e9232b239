//! Trying a cut on somebody who was made for it.
//!
//! A cut of a user is seen at once and enforced seconds later, and nobody may hold the credential that was cut. So
//! the same change, decided for a canary (a user of ours in the same account, who may make one harmless call), is
//! carried out by the same action; then the canary's call, which was let in just before, must be refused *because
//! of it*. An action says here which of its changes can be tried so, with which of the canary's credentials, and
//! what refusal counts.
//!
//! A refusal for another reason is no proof: a canary whose permission somebody took away is refused as well.
//! Knows no run and no journal; makes nothing.

use crate::cloud::{CallError, Cause};
use crate::ids::{AccessKeyId, UserName};
use crate::journal::Refusal;

/// The path under which canaries are made: one thing to allow, and one thing to look for.
pub const CANARY_PATH: &str = "/portcullis-canary/";
/// The tag that says which case a canary belongs to.
pub const CANARY_TAG: &str = "portcullis-case";
/// The inline policy that lets a canary make its one call.
pub const CANARY_POLICY: &str = "PortcullisCanary";
/// What it says.
pub const CANARY_MAY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"PortcullisCanary","Effect":"Allow","Action":"secretsmanager:GetRandomPassword","Resource":"*"}]}"#;

/// Somebody whom cuts are tried on.
#[derive(Clone, Debug)]
pub struct Canary {
    /// The user.
    pub user: UserName,
    /// The user's unique id.
    pub user_id: String,
    /// His keys. The first is good to the last; the second is there to be cut.
    pub keys: [AccessKeyId; 2],
}

impl Canary {
    /// One that nobody has made: for what must be known before there is any.
    pub fn example() -> Self {
        let key = |id: &str| AccessKeyId::parse(id).expect("the shape of a key");
        Self {
            user: UserName::parse("portcullis-canary").expect("a name"),
            user_id: String::new(),
            keys: [key("AKIACANARYEXAMPLE001"), key("AKIACANARYEXAMPLE002")],
        }
    }
}

/// Which of a canary's credentials makes the call. In the order in which they are cut: what cuts all of them comes
/// last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tried {
    /// The second key.
    SecondKey,
    /// A session that was minted from the first.
    Session,
    /// The first key.
    Key,
}

/// How a cut is tried on a canary.
#[derive(Clone, Debug)]
pub struct Trial<C> {
    /// What stands in the way, in words. One trial speaks for every cut of which this is the same.
    pub mechanism: &'static str,
    /// What makes the call.
    pub with: Tried,
    /// The refusal that shows the cut.
    pub shown_by: Refusal,
    /// The same change, for the canary.
    pub change: C,
}

/// Why a call was refused, as far as that can show a cut; `None` for anything else, such as a refusal for want of
/// permission, or an answer that never came.
pub fn refusal(error: &CallError) -> Option<Refusal> {
    if error.cause != Cause::Refused {
        return None;
    }
    // Services of AWS's two protocols have a word each. A session that has expired has another.
    let unknown = ["InvalidClientTokenId", "UnrecognizedClientException"];
    if unknown.contains(&error.code.as_str()) {
        return Some(Refusal::NotAccepted);
    }
    if !error.is_denied() {
        return None;
    }
    let says = |words: &str| error.message.contains(words);
    if says("explicit deny in an identity-based policy") {
        Some(Refusal::IdentityDeny)
    } else if says("explicit deny in a permissions boundary") {
        Some(Refusal::Boundary)
    } else if says("explicit deny") || says("because no") {
        None
    } else {
        Some(Refusal::Unnamed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Certainty;

    fn refused(code: &str, message: &str) -> CallError {
        CallError {
            operation: "secretsmanager:GetRandomPassword".into(),
            certainty: Certainty::DidNot,
            cause: Cause::Refused,
            code: code.into(),
            message: message.into(),
        }
    }

    #[test]
    fn only_a_refusal_because_of_a_cut_shows_it() {
        let may_not = "User: arn:aws:iam::111122223333:user/c is not authorized to perform: \
                       secretsmanager:GetRandomPassword";
        let denied =
            |why: &str| refusal(&refused("AccessDeniedException", &format!("{may_not} {why}")));
        assert_eq!(
            denied("with an explicit deny in an identity-based policy"),
            Some(Refusal::IdentityDeny)
        );
        assert_eq!(
            denied("with an explicit deny in a permissions boundary"),
            Some(Refusal::Boundary)
        );
        // False deaths: somebody else's deny, and a permission that was taken away.
        for other in [
            "with an explicit deny in a service control policy",
            "with an explicit deny in a resource-based policy",
            "with an explicit deny in a session policy",
            "because no identity-based policy allows the secretsmanager:GetRandomPassword action",
            "because no session policy allows the secretsmanager:GetRandomPassword action",
        ] {
            assert_eq!(denied(other), None, "{other}");
        }
        assert_eq!(denied(""), Some(Refusal::Unnamed));
        let invalid = "The security token included in the request is invalid.";
        for code in ["UnrecognizedClientException", "InvalidClientTokenId"] {
            assert_eq!(refusal(&refused(code, invalid)), Some(Refusal::NotAccepted));
        }
        for code in ["ExpiredTokenException", "InvalidSignatureException", "ValidationException"] {
            assert_eq!(refusal(&refused(code, "no")), None, "{code}");
        }
        for cause in [Cause::Throttled, Cause::Unavailable, Cause::Lost, Cause::NotSent] {
            let error = CallError { cause, ..refused("AccessDeniedException", may_not) };
            assert_eq!(refusal(&error), None, "{cause:?}");
        }
    }
}
