//! What one attempt at a call came to, and how sure that is.
//!
//! The SDK's error alone cannot say whether an effect may exist: a refusal by our own guard, missing
//! credentials and a connection lost after sending look alike. So the HTTP client is wrapped, and
//! the wrapper records whether the request went out and what status came back. That decides:
//!
//! | went out | answer | the effect |
//! |---|---|---|
//! | no | - | did not happen |
//! | yes | 4xx | did not happen |
//! | yes | 5xx, unreadable, none | may have happened |
//!
//! The wrapper also keeps AWS's `Date`. It knows no operation and never repeats a call.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use http_body_util::Limited;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;

/// Whether a call that did not succeed may still have had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// It had none.
    DidNot,
    /// It may have had one; only looking at the world can tell.
    MayHave,
}

/// Why a call did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// It never left: no connection, no credentials, or refused by our own guard.
    NotSent,
    /// The service said no.
    Refused,
    /// The service said: not so fast.
    Throttled,
    /// The service failed (5xx).
    Unavailable,
    /// An answer came that could not be read.
    Unreadable,
    /// An answer came and was read, and it is not one that this program knows. Asked again it says the same.
    NotUnderstood,
    /// No answer came.
    Lost,
}

/// A call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{operation} {}: {code}: {message}", match cause {
    Cause::NotSent => "could not be sent",
    Cause::Refused => "was refused",
    Cause::Throttled => "was throttled",
    Cause::Unavailable => "failed at the service",
    Cause::Unreadable => "was answered unreadably",
    Cause::NotUnderstood => "was answered in a way that is not understood",
    Cause::Lost => "got no answer",
})]
pub struct CallError {
    /// As `iam:CreateAccessKey`.
    pub operation: String,
    /// Whether its effect may exist.
    pub certainty: Certainty,
    /// Why.
    pub cause: Cause,
    /// AWS's code, or our word where none came.
    pub code: String,
    /// The sentence that came with it. Never holds a request's body.
    pub message: String,
}

impl CallError {
    /// An answer that does not say what it must, or something this program does not know: taken for
    /// nothing, it would hide a credential.
    pub fn not_understood(operation: &str, certainty: Certainty, message: &str) -> Self {
        Self {
            operation: operation.to_owned(),
            certainty,
            cause: Cause::NotUnderstood,
            code: "NotUnderstood".to_owned(),
            message: message.to_owned(),
        }
    }

    /// Whether AWS said that the thing asked for does not exist.
    pub fn is_absent(&self) -> bool {
        self.cause == Cause::Refused
            && matches!(
                self.code.as_str(),
                "NoSuchEntity" | "NoSuchEntityException" | "ResourceNotFoundException"
            )
    }

    /// Whether AWS said that a quota is used up.
    pub fn is_quota(&self) -> bool {
        self.cause == Cause::Refused && self.code.starts_with("LimitExceeded")
    }

    /// Whether the same call may well succeed a little later.
    pub fn is_passing(&self) -> bool {
        match self.cause {
            Cause::Throttled | Cause::Unavailable | Cause::Lost | Cause::Unreadable => true,
            Cause::NotUnderstood => false,
            Cause::NotSent => self.code == NO_CONNECTION,
            // Somebody else is just changing the same thing.
            Cause::Refused => matches!(
                self.code.as_str(),
                "ConcurrentModification" | "EntityTemporarilyUnmodifiable"
            ),
        }
    }

    /// Whether AWS said to come back in several minutes: what was asked for was made or deleted a moment ago.
    pub fn takes_minutes(&self) -> bool {
        self.cause == Cause::Refused && self.code == "EntityTemporarilyUnmodifiable"
    }

    /// Whether AWS said that the caller may not.
    pub fn is_denied(&self) -> bool {
        self.cause == Cause::Refused && self.code.starts_with("AccessDenied")
    }

    /// Whether the responder's own credentials are missing, expired or not accepted.
    pub fn is_credentials(&self) -> bool {
        matches!(
            self.code.as_str(),
            NO_CREDENTIALS
                | "ExpiredToken"
                | "ExpiredTokenException"
                | "InvalidClientTokenId"
                | "UnrecognizedClientException"
                | "SignatureDoesNotMatch"
                | "InvalidSignatureException"
                | "AuthFailure"
        )
    }

    /// Whether IAM knows nothing of a credential: of one that AWS accepts elsewhere, too, where it is a session that a user
    /// got without the code of a device.
    pub fn is_not_for_iam(&self) -> bool {
        self.code == "InvalidClientTokenId" && self.operation.starts_with("iam:")
    }

    /// Whether the responder's credentials were good, and are not any more.
    pub fn is_expired(&self) -> bool {
        matches!(self.code.as_str(), "ExpiredToken" | "ExpiredTokenException")
    }

    /// Whether AWS refused a signature for its time: other than expired credentials, which end by themselves.
    pub fn is_about_time(&self) -> bool {
        self.is_credentials()
            && ["Signature expired", "Signature not yet current"]
                .iter()
                .any(|words| self.message.contains(words))
    }

    /// Whether the one question that needs no permission was refused: who is asking.
    pub fn is_refused_identity(&self) -> bool {
        self.cause == Cause::Refused && self.operation == "sts:GetCallerIdentity"
    }
}

/// Our word where no connection could be made.
pub const NO_CONNECTION: &str = "NoConnection";
/// Our word where no credentials could be found.
pub const NO_CREDENTIALS: &str = "NoCredentials";

/// What the wrapper saw of one attempt.
#[derive(Debug, Default)]
struct Seen {
    sent: bool,
    status: Option<u16>,
    date: Option<Timestamp>,
}

tokio::task_local! {
    /// The attempt under way in this task; the wrapper writes to it.
    static ATTEMPT: Arc<Mutex<Seen>>;
}

/// The longest page of a listing has a few megabytes. An endpoint that sends without end must not fill the memory.
const LONGEST_ANSWER: usize = 64 << 20;

/// Sends one request and says what came of it. Calls made through any other way are not recorded,
/// which is why the handles offer no builders.
pub(super) fn attempt<'a, O: Send + 'a, E>(
    operation: &'static str,
    send: impl Future<Output = Result<O, SdkError<E, HttpResponse>>> + Send + 'a,
) -> Attempted<'a, O>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    // The SDK's futures are some 20 KiB each: kept in a box, they do not swell every caller.
    let send = Box::pin(send);
    Box::pin(async move {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let result = ATTEMPT.scope(Arc::clone(&seen), send).await;
        let seen = seen.lock().expect("no panic while it is held");
        result.map(|output| (output, seen.date)).map_err(|error| classify(operation, &seen, &error))
    })
}

/// One attempt under way: its output, and AWS's `Date`.
pub(super) type Attempted<'a, O> =
    Pin<Box<dyn Future<Output = Result<(O, Option<Timestamp>), CallError>> + Send + 'a>>;

fn classify<E>(operation: &'static str, seen: &Seen, error: &SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let never_connected = matches!(error, SdkError::DispatchFailure(failure)
        if failure.as_connector_error().is_some_and(never_connected));
    let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
    let other = if meta.is_some_and(|meta| meta.code().is_none()) {
        error.raw_response().and_then(|answer| other_protocol(answer.body().bytes()?))
    } else {
        None
    };
    let code = meta.and_then(|m| m.code()).or(other.map(|(code, _)| code)).map(str::to_owned);
    let (certainty, cause) = match (seen.sent && !never_connected, seen.status) {
        (false, _) => (Certainty::DidNot, Cause::NotSent),
        (true, None) => (Certainty::MayHave, Cause::Lost),
        (true, Some(400..=499)) if code.as_deref().is_some_and(is_throttling) => {
            (Certainty::DidNot, Cause::Throttled)
        }
        (true, Some(429)) => (Certainty::DidNot, Cause::Throttled),
        (true, Some(400..=499)) => (Certainty::DidNot, Cause::Refused),
        (true, Some(500..=599)) => (Certainty::MayHave, Cause::Unavailable),
        (true, Some(_)) => (Certainty::MayHave, Cause::Unreadable),
    };
    let innermost = innermost(error);
    let code = code.unwrap_or_else(|| {
        match cause {
            Cause::NotSent if never_connected => NO_CONNECTION,
            Cause::NotSent if innermost.contains("credentials") => NO_CREDENTIALS,
            Cause::NotSent => "NotSent",
            Cause::Lost => "NoAnswer",
            Cause::Refused => "Refused",
            Cause::Throttled => "Throttled",
            Cause::Unavailable => "Unavailable",
            Cause::Unreadable | Cause::NotUnderstood => "Unreadable",
        }
        .to_owned()
    });
    let message = match (meta, seen.status) {
        (Some(meta), Some(status @ 400..)) => {
            meta.message().or(other.map(|(_, message)| message)).map_or_else(
                // Nothing in the answer is an error as this service writes one: a proxy, or another AWS.
                || format!("HTTP status {status}, and no reason that could be read"),
                str::to_owned,
            )
        }
        _ => innermost,
    };
    CallError { operation: operation.to_owned(), certainty, cause, code, message }
}

/// Code and message of an error as services of AWS's other protocol write it: what stands in front of a service
/// may answer in its place.
fn other_protocol(body: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(body).ok()?;
    let between = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0)
    };
    Some((between("Code")?, between("Message")?))
}

/// The codes by which AWS services say "slow down".
fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "TooManyRequestsException"
            | "SlowDown"
            | "PriorRequestNotComplete"
    )
}

fn never_connected(error: &ConnectorError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The last cause in the chain: the only one that says something of this very call.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

/// AWS's time as the last answers told it. Shared by all that is called through one connection.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    clock: Clock,
    /// The latest that was told, and when it had been asked for, by our clock.
    last: Arc<Mutex<Option<(Timestamp, Timestamp)>>>,
}

/// So long what was heard of AWS's time is the time: it is told to the second.
const STILL_THE_TIME: SignedDuration = SignedDuration::from_secs(1);

impl Heard {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, last: Arc::default() }
    }

    /// AWS's time, if what was asked within the last second has told it. No earlier than what any answer in that
    /// second has told.
    pub(super) fn time(&self) -> Option<Timestamp> {
        let (told, asked) = (*self.last.lock().expect("no panic while it is held"))?;
        (self.clock.now().duration_since(asked) <= STILL_THE_TIME).then_some(told)
    }

    fn hear(&self, told: Timestamp, asked: Timestamp) {
        let now = self.clock.now();
        let mut last = self.last.lock().expect("no panic while it is held");
        // Answers overtake each other.
        let is_later = last.is_none_or(|(before, asked)| {
            before <= told || now.duration_since(asked) > STILL_THE_TIME
        });
        if is_later {
            *last = Some((told, asked));
        }
    }
}

/// Wraps the HTTP client that really sends, so that every attempt is recorded.
#[derive(Debug)]
pub(super) struct Recording(pub(super) SharedHttpClient, pub(super) Heard);

impl Recording {
    /// For a client whose answers tell the time to nobody else.
    pub(super) fn alone(http: &SharedHttpClient, clock: Clock) -> Self {
        Self(http.clone(), Heard::new(clock))
    }
}

impl HttpClient for Recording {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.0.http_connector(settings, components);
        SharedHttpConnector::new(RecordingConnector(inner, self.1.clone()))
    }
}

#[derive(Debug)]
struct RecordingConnector(SharedHttpConnector, Heard);

impl HttpConnector for RecordingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        // Requests made outside an attempt (the SDK fetching credentials, say) are let through
        // unrecorded: nothing asks about them.
        let seen = ATTEMPT.try_with(Arc::clone).ok();
        if let Some(seen) = &seen {
            seen.lock().expect("no panic while it is held").sent = true;
        }
        let answer = self.0.call(request);
        let (heard, asked) = (self.1.clone(), self.1.clock.now());
        HttpConnectorFuture::new(async move {
            let mut response = answer.await?;
            limit(response.body_mut());
            if let Some(seen) = seen {
                let mut seen = seen.lock().expect("no panic while it is held");
                seen.status = Some(response.status().as_u16());
                seen.date = response.headers().get("date").and_then(parse_http_date);
                // What failed may not have come from AWS.
                if let (Some(date), true) = (seen.date, response.status().is_success()) {
                    heard.hear(date, asked);
                }
            }
            Ok(response)
        })
    }
}

/// Lets no more of a body in than any answer has. A longer one cannot be read, and what it answers may have
/// happened.
fn limit(body: &mut SdkBody) {
    if body.bytes().is_none_or(|bytes| bytes.len() > LONGEST_ANSWER) {
        let whole = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(whole, LONGEST_ANSWER));
    }
}

fn parse_http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_other_protocol_is_read() {
        let body = b"<ErrorResponse><Errors><Error><Code>AccessDenied</Code><Message>no</Message></Error></Errors></ErrorResponse>";
        assert_eq!(other_protocol(body), Some(("AccessDenied", "no")));
        assert_eq!(other_protocol(b"<html><body>403 Forbidden</body></html>"), None);
    }

    #[test]
    fn an_http_date_is_read_to_the_second() {
        let at = parse_http_date("Tue, 24 Mar 2026 07:10:00 GMT").unwrap();
        assert_eq!(at.to_string(), "2026-03-24T07:10:00Z");
        assert!(parse_http_date("yesterday").is_none());
    }
}
