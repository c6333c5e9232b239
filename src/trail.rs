//! What an account's own log says: events of CloudTrail, as the service tells them and as its files hold them.
//!
//! A log that is silent about a credential says something only where it would have spoken: our own refused request
//! must be in it, and what comes after the last of those is not known. A call that only asks who is asking says
//! nothing: it is answered under any deny. Pure; reads no file and asks no cloud.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::ids::{AccessKeyId, Arn, RoleName, UserName};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrailEvent {
    /// When the request was made.
    pub at: Timestamp,
    /// The event's own id.
    pub id: String,
    /// The operation: `GetRandomPassword`.
    pub name: String,
    /// The region that it was made in.
    pub region: String,
    /// What signed it, where that is known.
    pub credential: Option<AccessKeyId>,
    /// The user that it was made as, or whose session made it.
    pub user: Option<UserName>,
    /// The role that the session which made it is of.
    pub role: Option<RoleName>,
    /// When that session, or whatever other session made it, was issued.
    pub issued: Option<Timestamp>,
    /// As whom.
    pub arn: Option<Arn>,
    /// The code of the refusal, where it was refused.
    pub error: Option<String>,
    /// The credential that was handed out by it.
    pub minted: Option<AccessKeyId>,
}

/// Text that is no event of CloudTrail, or no file of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a log of CloudTrail: {0}")]
pub struct NotATrail(String);

impl TrailEvent {
    /// Reads one record.
    pub fn of(record: &Value) -> Result<Self, NotATrail> {
        let text = |pointer: &str| {
            record.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
        };
        let lacks = |what: &str| NotATrail(format!("an event has no {what}"));
        let at = text("/eventTime").ok_or_else(|| lacks("eventTime"))?;
        let key = |pointer: &str| text(pointer).and_then(|id| AccessKeyId::parse(id).ok());
        let issuer = |kind: &str| {
            let is = text("/userIdentity/sessionContext/sessionIssuer/type");
            is.filter(|is| *is == kind)?;
            text("/userIdentity/sessionContext/sessionIssuer/userName")
        };
        let user = text("/userIdentity/userName").or_else(|| issuer("IAMUser"));
        let issued = text("/userIdentity/sessionContext/attributes/creationDate");
        Ok(Self {
            at: at.parse().map_err(|_| lacks("eventTime that is a time"))?,
            id: text("/eventID").ok_or_else(|| lacks("eventID"))?.to_owned(),
            name: text("/eventName").ok_or_else(|| lacks("eventName"))?.to_owned(),
            region: text("/awsRegion").unwrap_or_default().to_owned(),
            credential: key("/userIdentity/accessKeyId"),
            user: user.and_then(|user| UserName::parse(user).ok()),
            role: issuer("Role").and_then(|role| RoleName::parse(role).ok()),
            issued: issued.and_then(|at| at.parse().ok()),
            arn: text("/userIdentity/arn").and_then(|arn| Arn::parse(arn).ok()),
            error: text("/errorCode").map(str::to_owned),
            minted: key("/responseElements/credentials/accessKeyId")
                .or_else(|| key("/responseElements/accessKey/accessKeyId")),
        })
    }

    /// Whether it shows that whoever signed it was let in: not refused, and not the one question that is answered
    /// under any deny. Whoever is told that what he asked for is not there, or that he asked wrongly, was let in to be told;
    /// who was told to come back later may not have been.
    pub fn lets_in(&self) -> bool {
        let turned_away = |code: &str| is_one_of(code, REFUSALS) || is_one_of(code, THROTTLES);
        !self.error.as_deref().is_some_and(turned_away) && self.name != "GetCallerIdentity"
    }

    /// Whether it was refused, and not for another reason.
    pub fn is_refused(&self) -> bool {
        self.error.as_deref().is_some_and(|code| is_one_of(code, REFUSALS))
    }
}

/// Codes of requests that nobody was let in with: not authorised, or not known. A code that is not among them is of a request
/// that came further.
const REFUSALS: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "AuthorizationError",
    "AuthorizationErrorException",
    "ExpiredToken",
    "ExpiredTokenException",
    "Forbidden",
    "ForbiddenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "NotAuthorizedException",
    "SignatureDoesNotMatch",
    "UnauthorizedAccess",
    "UnauthorizedException",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
];

/// Codes of requests that were too many: before anybody asked who made them, or behind it.
const THROTTLES: &[&str] = &[
    "BandwidthLimitExceeded",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// EC2 puts whose fault it is before a code.
fn is_one_of(code: &str, codes: &[&str]) -> bool {
    codes.contains(&code.strip_prefix("Client.").unwrap_or(code))
}

/// Reads a file of events: as CloudTrail writes them, `{"Records": [...]}`, or as its `lookup-events` prints them.
pub fn read(text: &str) -> Result<Vec<TrailEvent>, NotATrail> {
    let root: Value = serde_json::from_str(text)
        .map_err(|error| NotATrail(format!("line {} is no JSON", error.line())))?;
    if let Some(records) = root.get("Records").and_then(Value::as_array) {
        return records.iter().map(TrailEvent::of).collect();
    }
    let events = root.get("Events").and_then(Value::as_array);
    let events = events.ok_or_else(|| NotATrail("it has no Records and no Events".to_owned()))?;
    events.iter().map(told).collect()
}

/// Reads one event as `LookupEvents` tells it: the record is text within.
fn told(event: &Value) -> Result<TrailEvent, NotATrail> {
    let record = event.get("CloudTrailEvent").and_then(Value::as_str);
    record_in(record.ok_or_else(|| NotATrail("an event has no CloudTrailEvent".to_owned()))?)
}

/// Reads the text of one record.
pub fn record_in(text: &str) -> Result<TrailEvent, NotATrail> {
    let record = serde_json::from_str(text)
        .map_err(|_| NotATrail("an event's record is no JSON".to_owned()))?;
    TrailEvent::of(&record)
}

/// The credentials that were handed out to one of `to`, or to one that was handed out to them, and so on.
pub fn children(events: &[TrailEvent], to: &BTreeSet<AccessKeyId>) -> BTreeSet<AccessKeyId> {
    let mut found = BTreeSet::new();
    loop {
        let of = |event: &&TrailEvent| {
            event.credential.as_ref().is_some_and(|id| to.contains(id) || found.contains(id))
        };
        let minted: Vec<_> = events.iter().filter(of).filter_map(|e| e.minted.clone()).collect();
        let before = found.len();
        found.extend(minted.into_iter().filter(|id| !to.contains(id)));
        if found.len() == before {
            return found;
        }
    }
}

/// What a log says of some credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// One of them was let in: the last time that it was.
    LetIn(TrailEvent),
    /// None was, up to our own refused request.
    Nothing {
        /// The last of ours that is in it.
        probe: TrailEvent,
    },
    /// Our own refused requests are not in it: it may not show anything.
    CannotTell,
}

/// What a log says, after `since`, of requests that a cut should have refused. `probes` are credentials of ours that
/// were refused; by `now`, since nothing that is yet to come is heard.
pub fn says(
    events: &[TrailEvent],
    is_cut: impl Fn(&TrailEvent) -> bool,
    probes: &BTreeSet<AccessKeyId>,
    since: Timestamp,
    now: Timestamp,
) -> Says {
    let let_in = events.iter().filter(|event| is_cut(event) && event.lets_in()).max();
    if let Some(event) = let_in {
        return Says::LetIn(event.clone());
    }
    let is_probe = |event: &&TrailEvent| {
        event.credential.as_ref().is_some_and(|id| probes.contains(id))
            && event.at > since
            && event.at <= now
    };
    let probe = events.iter().filter(|event| is_probe(event) && event.is_refused()).max();
    probe.map_or(Says::CannotTell, |probe| Says::Nothing { probe: probe.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(at: &str, name: &str, credential: &str, error: Option<&str>) -> Value {
        json!({
            "eventTime": at, "eventID": format!("{at} {credential}"), "eventName": name,
            "awsRegion": "us-east-1", "errorCode": error,
            "userIdentity": {"type": "IAMUser", "accessKeyId": credential, "userName": "ci-deploy",
                "arn": "arn:aws:iam::111122223333:user/ci/ci-deploy"},
        })
    }

    fn keys(ids: &[&str]) -> BTreeSet<AccessKeyId> {
        ids.iter().map(|id| AccessKeyId::parse(*id).unwrap()).collect()
    }

    const LEAKED: &str = "AKIAEXAMPLELEAKED001";
    const CANARY: &str = "AKIACANARYEXAMPLE001";

    fn log(records: &[Value]) -> Vec<TrailEvent> {
        read(&json!({"Records": records}).to_string()).unwrap()
    }

    #[test]
    fn silence_counts_only_where_our_own_refused_request_is_heard() {
        let since = "2026-03-24T07:12:00Z".parse().unwrap();
        let cut = |event: &TrailEvent| {
            event.credential.as_ref().is_some_and(|id| id.as_str() == LEAKED) && event.at > since
        };
        let now = "2026-03-24T07:16:00Z".parse().unwrap();
        let of = |records: Vec<Value>| says(&log(&records), cut, &keys(&[CANARY]), since, now);
        let before = event("2026-03-24T07:11:00Z", "ListBuckets", LEAKED, None);
        assert_eq!(of(vec![before.clone()]), Says::CannotTell);
        let let_in = event("2026-03-24T07:13:00Z", "GetRandomPassword", CANARY, None);
        assert_eq!(of(vec![before.clone(), let_in]), Says::CannotTell, "ours was not refused");
        let refused =
            event("2026-03-24T07:14:00Z", "GetRandomPassword", CANARY, Some("AccessDenied"));
        let asks = event("2026-03-24T07:15:00Z", "GetCallerIdentity", LEAKED, None);
        let tried = event("2026-03-24T07:15:30Z", "ListBuckets", LEAKED, Some("AccessDenied"));
        let quiet = vec![before, refused, asks, tried];
        let Says::Nothing { probe } = of(quiet.clone()) else { panic!("{:?}", of(quiet)) };
        assert_eq!(probe.at.to_string(), "2026-03-24T07:14:00Z");
        let used = event("2026-03-24T07:13:30Z", "ListBuckets", LEAKED, None);
        let heard = of([quiet, vec![used]].concat());
        assert!(matches!(heard, Says::LetIn(event) if event.name == "ListBuckets"));
    }

    #[test]
    fn who_was_refused_for_another_reason_was_let_in_and_ours_then_proves_nothing() {
        let since = "2026-03-24T07:12:00Z".parse().unwrap();
        let now = "2026-03-24T07:16:00Z".parse().unwrap();
        let cut =
            |event: &TrailEvent| event.credential.as_ref().is_some_and(|id| id.as_str() == LEAKED);
        let of = |records: &[Value]| says(&log(records), cut, &keys(&[CANARY]), since, now);
        let ours = |at: &str, code| event(at, "GetRandomPassword", CANARY, Some(code));
        let theirs = |code| event("2026-03-24T07:13:00Z", "CreateLoginProfile", LEAKED, Some(code));
        let refused = ours("2026-03-24T07:14:00Z", "AccessDenied");
        for (code, is_let_in) in [
            ("AccessDenied", false),
            ("Client.UnauthorizedOperation", false),
            ("ThrottlingException", false),
            ("NoSuchEntityException", true),
            ("ResourceNotFoundException", true),
            ("EntityAlreadyExistsException", true),
            ("ValidationException", true),
            ("Anything", true),
        ] {
            let said = of(&[theirs(code), refused.clone()]);
            assert_eq!(matches!(said, Says::LetIn(_)), is_let_in, "{code}: {said:?}");
        }
        for probe in [
            ours("2026-03-24T07:14:00Z", "ThrottlingException"),
            ours("2026-03-24T07:14:00Z", "ResourceNotFoundException"),
            ours("2026-03-24T07:17:00Z", "AccessDenied"),
        ] {
            assert_eq!(of(std::slice::from_ref(&probe)), Says::CannotTell, "{probe}");
        }
    }

    #[test]
    fn a_session_is_known_by_whose_it_is_and_when_it_was_issued() {
        let mut record = event("2026-03-24T07:14:00Z", "ListBuckets", "ASIAEXAMPLEASSUMED05", None);
        record["userIdentity"] = json!({
            "type": "AssumedRole", "accessKeyId": "ASIAEXAMPLEASSUMED05",
            "arn": "arn:aws:sts::111122223333:assumed-role/deploy/x",
            "sessionContext": {
                "sessionIssuer": {"type": "Role", "userName": "deploy",
                    "arn": "arn:aws:iam::111122223333:role/ci/deploy"},
                "attributes": {"creationDate": "2026-03-24T07:01:00Z", "mfaAuthenticated": "false"},
            },
        });
        let of = |record: &Value| log(std::slice::from_ref(record)).remove(0);
        let read = of(&record);
        assert_eq!(read.role, Some(RoleName::parse("deploy").unwrap()));
        assert_eq!(read.issued, Some("2026-03-24T07:01:00Z".parse().unwrap()));
        assert_eq!(read.user, None);
        record["userIdentity"]["sessionContext"]["sessionIssuer"]["type"] = "IAMUser".into();
        let read = of(&record);
        assert_eq!((read.role, read.user), (None, Some(UserName::parse("deploy").unwrap())));
    }

    #[test]
    fn what_was_handed_out_is_followed_from_hand_to_hand() {
        let mut first = event("2026-03-24T02:45:00Z", "GetSessionToken", LEAKED, None);
        first["responseElements"] = json!({"credentials": {"accessKeyId": "ASIAEXAMPLESESSION04"}});
        let mut second = event("2026-03-24T02:46:00Z", "AssumeRole", "ASIAEXAMPLESESSION04", None);
        second["responseElements"] =
            json!({"credentials": {"accessKeyId": "ASIAEXAMPLEASSUMED05"}});
        let mut other = event("2026-03-24T02:47:00Z", "AssumeRole", CANARY, None);
        other["responseElements"] = json!({"credentials": {"accessKeyId": "ASIAEXAMPLESOMEELSE6"}});
        // In whatever order they come.
        let found = children(&log(&[second, other, first]), &keys(&[LEAKED]));
        assert_eq!(found, keys(&["ASIAEXAMPLESESSION04", "ASIAEXAMPLEASSUMED05"]));
    }

    #[test]
    fn a_file_is_read_as_the_service_writes_it_and_as_its_command_prints_it() {
        let record = event("2026-03-24T07:14:00Z", "ListBuckets", LEAKED, Some("AccessDenied"));
        let printed = json!({"Events": [{"EventId": "x", "CloudTrailEvent": record.to_string()}]});
        assert_eq!(read(&printed.to_string()).unwrap(), log(&[record]));
        for broken in ["", "{}", "[]", r#"{"Records": [{}]}"#, r#"{"Events": [{"EventId": "x"}]}"#]
        {
            assert!(read(broken).is_err(), "{broken}");
        }
    }
}
