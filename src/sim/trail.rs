//! CloudTrail: the account's own log, from the cloud's audit, some minutes late.
//!
//! Requests whose caller is not known (a dead key, a forged signature) are in nobody's log. One attribute can be
//! looked up at a time, by two callers in a second, fifty events to a page, newest first.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::audit::AuditEvent;
use super::call::{Call, marker, position};
use super::engine::{Bucket, Engine};
use super::iam::users::Answer;
use super::state::SessionKind;
use super::wire::{Refusal, Reply};

/// How long after a request its event can be looked up.
const DELIVERED_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// How long events are kept.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);
const PAGE: usize = 50;
/// Look-ups that an account may make in one second.
const PER_SECOND: u32 = 2;

pub(super) fn lookup(call: &mut Call<'_>) -> Answer {
    let lane = format!("{} LookupEvents", call.account_id());
    let now = call.now;
    let full = || Bucket::full(PER_SECOND, now);
    if !call.engine.buckets.entry(lane).or_insert_with(full).take(PER_SECOND, now) {
        return Err(Refusal::new(400, "Throttling", "Rate exceeded"));
    }
    let attributes = call.params.json("LookupAttributes").and_then(Value::as_array);
    let wanted = match attributes.map(Vec::as_slice) {
        None | Some([]) => None,
        Some([one]) => {
            let text = |name: &str| one.get(name).and_then(Value::as_str);
            let (Some(key), Some(value)) = (text("AttributeKey"), text("AttributeValue")) else {
                return Err(invalid("InvalidLookupAttributesException"));
            };
            Some((key.to_owned(), value.to_owned()))
        }
        Some(_) => return Err(invalid("InvalidLookupAttributesException")),
    };
    let time = |name: &str| -> Option<Timestamp> {
        let seconds = call.params.json(name)?.as_f64()?;
        #[expect(clippy::cast_possible_truncation, reason = "seconds of this century")]
        Timestamp::from_second(seconds as i64).ok()
    };
    let (from, to) = (time("StartTime"), time("EndTime"));
    let most = call.params.number("MaxResults")?.unwrap_or(50);
    let size = usize::try_from(most).ok().filter(|n| (1..=PAGE).contains(n));
    let size = size.ok_or_else(|| invalid("InvalidMaxResultsException"))?;
    let at = match call.params.get("NextToken") {
        None => 0,
        Some(token) => position(token).ok_or_else(|| invalid("InvalidNextTokenException"))?,
    };
    let own = call.account_id().to_owned();
    let engine = &*call.engine;
    let shown = |event: &&AuditEvent| {
        let age = now.duration_since(event.at);
        event.account == own
            && (DELIVERED_AFTER..KEPT_FOR).contains(&age)
            && from.is_none_or(|from| event.at >= from)
            && to.is_none_or(|to| event.at <= to)
    };
    let mut found: Vec<Value> = engine
        .audit
        .iter()
        .rev()
        .filter(shown)
        .map(|event| record(engine, event, call.region))
        .filter(|record| {
            wanted
                .as_ref()
                .is_none_or(|(key, value)| attribute(record, key) == Some(value.as_str()))
        })
        .skip(at)
        .take(size + 1)
        .collect();
    let more = found.len() > size;
    found.truncate(size);
    let mut answer = json!({"Events": found.iter().map(told).collect::<Vec<_>>()});
    if more {
        answer["NextToken"] = marker(at + size).into();
    }
    Ok(Reply::Json(answer))
}

fn invalid(code: &'static str) -> Refusal {
    Refusal::new(400, code, "The request is not valid.")
}

fn attribute<'a>(record: &'a Value, key: &str) -> Option<&'a str> {
    let pointer = match key {
        "AccessKeyId" => "/userIdentity/accessKeyId",
        "EventId" => "/eventID",
        "EventName" => "/eventName",
        "EventSource" => "/eventSource",
        "Username" => "/userIdentity/userName",
        "ResourceName" => "/resources/0/ARN",
        _ => return None,
    };
    record.pointer(pointer)?.as_str()
}

/// One record, in the words of CloudTrail.
fn record(engine: &Engine, event: &AuditEvent, region: &str) -> Value {
    let session = engine.sessions.get(&event.access_key_id);
    let kind = match session.map(|session| session.kind) {
        Some(SessionKind::AssumeRole) => "AssumedRole",
        Some(SessionKind::FederationToken) => "FederatedUser",
        Some(SessionKind::SessionToken | SessionKind::Console) | None => "IAMUser",
    };
    let mut identity = json!({
        "type": kind,
        "arn": event.principal,
        "accountId": event.account,
        "accessKeyId": event.access_key_id,
    });
    match session {
        Some(session) if kind != "IAMUser" => {
            let issuer = if kind == "AssumedRole" { "Role" } else { "IAMUser" };
            identity["sessionContext"] =
                json!({"sessionIssuer": {"type": issuer, "userName": session.issuer}});
        }
        _ => {
            let name = event.principal.rsplit('/').next().unwrap_or_default();
            identity["userName"] = name.into();
        }
    }
    if let Some(session) = session {
        let issued = session.issued_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        identity["sessionContext"]["attributes"] = json!({"creationDate": issued});
    }
    let mut record = json!({
        "eventVersion": "1.11",
        "eventID": event.request_id,
        "eventTime": event.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "eventName": event.operation,
        "eventSource": format!("{}.amazonaws.com", event.service),
        "awsRegion": region,
        "readOnly": !event.writes,
        "recipientAccountId": event.account,
        "requestID": event.request_id,
        "userIdentity": identity,
    });
    if event.operation == "AssumeRole" {
        record["resources"] = json!([{"type": "AWS::IAM::Role", "ARN": event.resource}]);
    }
    if let Some(error) = &event.error {
        record["errorCode"] = error.as_str().into();
    }
    if let Some(minted) = &event.minted {
        let field = if minted.starts_with("AKIA") { "accessKey" } else { "credentials" };
        record["responseElements"] = json!({field: {"accessKeyId": minted}});
    }
    record
}

fn told(record: &Value) -> Value {
    let at = record["eventTime"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    json!({
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "EventSource": record["eventSource"],
        "EventTime": at.map(Timestamp::as_second),
        "AccessKeyId": record["userIdentity"]["accessKeyId"],
        "ReadOnly": record["readOnly"].to_string(),
        "Username": record["userIdentity"]["userName"],
        "Resources": record["resources"].as_array().into_iter().flatten().map(|resource| {
            json!({"ResourceType": resource["type"], "ResourceName": resource["ARN"]})
        }).collect::<Vec<_>>(),
        "CloudTrailEvent": record.to_string(),
    })
}
