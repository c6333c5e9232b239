//! Trying a cut on somebody who was made for it.
//!
//! A cut of a user or role is seen at once and enforced seconds later, and nobody may hold the credential that was cut. So
//! the same change, decided for a canary (a user of ours in the same account, who may make one harmless call, or a
//! role that only he can assume), is carried out by the same action; then the canary's call, which was let in just
//! before, must be refused *because of it*. An action says here which of its changes can be tried so, with which of
//! the canary's credentials, and what refusal counts.
//!
//! A refusal for another reason is no proof: a canary whose permission somebody took away is refused as well.
//! Knows no run and no journal; makes nothing.

use crate::cloud::{CallError, Cause};
use crate::ids::{AccessKeyId, Arn, Principal, RoleName, UserName};
use crate::journal::Refusal;

/// The path under which canaries are made: one thing to allow, and one thing to look for.
pub const CANARY_PATH: &str = "/portcullis-canary/";
/// The tag that says which case a canary belongs to.
pub const CANARY_TAG: &str = "portcullis-case";
/// The inline policy that lets a canary make its one call.
pub const CANARY_POLICY: &str = "PortcullisCanary";
/// What it says, of a user and of a role.
pub const CANARY_MAY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"PortcullisCanary","Effect":"Allow","Action":"secretsmanager:GetRandomPassword","Resource":"*"}]}"#;

/// The inline policy that lets a canary assume the role that belongs to him.
pub const CANARY_POLICY_TO_ASSUME: &str = "PortcullisCanaryRole";

/// What that says. No role but this one is within his reach.
pub fn canary_may_assume(role: &Arn) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "PortcullisCanary",
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Resource": role.as_str(),
        }],
    })
    .to_string()
}

/// Who can assume the canary's role: he, and nobody else. The account is trusted and the user is a condition: a
/// policy that named him would be refused until every server has heard of him.
pub fn canary_role_trusts(user: &Arn) -> String {
    let root = format!("arn:{}:iam::{}:root", user.partition(), user.account());
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "PortcullisCanary",
            "Effect": "Allow",
            "Principal": {"AWS": root},
            "Action": "sts:AssumeRole",
            "Condition": {"ArnEquals": {"aws:PrincipalArn": user.as_str()}},
        }],
    })
    .to_string()
}

/// Somebody whom cuts are tried on.
#[derive(Clone, Debug)]
pub struct Canary {
    /// The user.
    pub user: UserName,
    /// The user's unique id.
    pub user_id: String,
    /// His keys. The first is good to the last; the second is there to be cut.
    pub keys: [AccessKeyId; 2],
    /// The role that he can assume, where cuts of roles are tried.
    pub role: RoleName,
    /// The role's unique id.
    pub role_id: String,
}

impl Canary {
    /// The one of the two that stands in for `cut`, and its unique id.
    pub(super) fn in_place_of(&self, cut: &Principal) -> (Principal, String) {
        match cut {
            Principal::User(_) => (Principal::User(self.user.clone()), self.user_id.clone()),
            Principal::Role(_) => (Principal::Role(self.role.clone()), self.role_id.clone()),
        }
    }

    /// One that nobody has made: for what must be known before there is any.
    pub fn example() -> Self {
        let key = |id: &str| AccessKeyId::parse(id).expect("the shape of a key");
        Self {
            user: UserName::parse("portcullis-canary").expect("a name"),
            user_id: String::new(),
            keys: [key("AKIACANARYEXAMPLE001"), key("AKIACANARYEXAMPLE002")],
            role: RoleName::parse("portcullis-canary").expect("a name"),
            role_id: String::new(),
        }
    }
}

/// Which of a canary's credentials makes the call. In the order in which they are cut: what cuts all of them comes
/// last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tried {
    /// The second key.
    SecondKey,
    /// A session of the role, of which older ones are about to be denied.
    OlderRoleSession,
    /// A session of the role, whose time of issue does not matter.
    RoleSession,
    /// A session that was minted from the first.
    Session,
    /// The first key.
    Key,
}

impl Tried {
    /// Whether it is of the canary's role.
    pub fn is_of_role(self) -> bool {
        matches!(self, Self::OlderRoleSession | Self::RoleSession)
    }

    /// Whether it has to be older than the moment of the cut, which counts in whole seconds.
    pub fn must_be_older(self) -> bool {
        matches!(self, Self::OlderRoleSession | Self::Session)
    }
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
