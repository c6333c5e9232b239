//! Who we are, and what time AWS has.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::attempt::{CallError, Certainty, Heard, attempt};
use super::pace::Pace;
use crate::ids::{AccountId, Arn};
use crate::inventory::Caller;

/// Reads from STS.
#[derive(Clone, Debug)]
pub struct ReadSts {
    pub(super) client: aws_sdk_sts::Client,
    pub(super) pace: Pace,
    pub(super) heard: Heard,
    /// One of many who want the time asks for it.
    pub(super) asking: Arc<Mutex<()>>,
}

impl ReadSts {
    /// The time by AWS's own clock, to the second. Session denies take theirs from here, because
    /// AWS compares them with when *it* issued a session.
    pub async fn time(&self) -> Result<Timestamp, CallError> {
        let (_, date) = self.identity().await?;
        date.ok_or_else(|| not_understood("the answer carries no Date"))
    }

    /// The same as an answer of whatever service told it within the last second, or else asked for. It is no
    /// earlier than what was seen before this call: whatever was cut by then was cut by that time.
    pub async fn time_lately(&self) -> Result<Timestamp, CallError> {
        let _asking = self.asking.lock().await;
        match self.heard.time() {
            Some(time) => Ok(time),
            None => self.time().await,
        }
    }

    /// Who is asking, and AWS's time where the answer tells it. (`sts:GetCallerIdentity`, which needs no permission)
    pub async fn identity(&self) -> Result<(Caller, Option<Timestamp>), CallError> {
        let (output, date) = self
            .pace
            .read(|| attempt("sts:GetCallerIdentity", self.client.get_caller_identity().send()))
            .await?;
        let account = output.account().and_then(|a| AccountId::parse(a).ok());
        let arn = output.arn().and_then(|a| Arn::parse(a).ok());
        let (Some(account), Some(arn), Some(id)) = (account, arn, output.user_id) else {
            return Err(not_understood("the answer lacks the account, the ARN or the id"));
        };
        self.pace.belong_to(&account).await;
        let (came_from, break_glass) = (Vec::new(), Vec::new());
        Ok((Caller { account, arn, id, access_key_id: None, came_from, break_glass }, date))
    }
}

fn not_understood(message: &str) -> CallError {
    CallError::not_understood("sts:GetCallerIdentity", Certainty::DidNot, message)
}
