//! The rehearsal cloud's own log of who did what. It holds no secret.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One request that reached the cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Which request it was, from 1. What the intruder does has the number of the last one before it.
    pub request: u64,
    /// When, in AWS's time.
    pub at: Timestamp,
    /// The caller's account; empty where the caller is not known.
    pub account: String,
    /// The caller's ARN; empty where the caller is not known.
    pub principal: String,
    /// The access key id it was signed with.
    pub access_key_id: String,
    /// `iam`, `sts` or `secretsmanager`.
    pub service: String,
    /// The operation.
    pub operation: String,
    /// The ARN of what it was about, or `*`.
    pub resource: String,
    /// Whether the operation changes anything.
    pub writes: bool,
    /// Whether it was carried out, whatever the client was told.
    pub took_effect: bool,
    /// The code of the refusal, as the client saw it.
    pub error: Option<String>,
    /// The id of the credential that was handed out, which is no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minted: Option<String>,
    /// AWS's id of the request.
    pub request_id: String,
    /// Whether the intruder did it.
    pub intruder: bool,
}
