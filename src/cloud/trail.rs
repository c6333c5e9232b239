//! CloudTrail: looking up what somebody did. Records come as the text that they are; `trail` reads them.

use std::time::Duration;

use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use jiff::Timestamp;

use super::attempt::{Attempted, CallError, attempt};
use super::pace::Pace;
use super::pages::{Next, to_the_last};
use crate::clock::Clock;
use crate::ids::{AccessKeyId, Arn};

/// Two look-ups a second are admitted, whoever makes them.
const BETWEEN: Duration = Duration::from_millis(600);

/// Reads from CloudTrail.
#[derive(Clone, Debug)]
pub struct ReadTrail {
    pub(super) client: Client,
    pub(super) pace: Pace,
    pub(super) clock: Clock,
}

impl ReadTrail {
    /// Records of everything that was asked for with this key from then on, in this region, some minutes late.
    /// (`cloudtrail:LookupEvents`)
    pub async fn of_key(
        &self,
        key: &AccessKeyId,
        from: Timestamp,
    ) -> Result<Vec<String>, CallError> {
        self.of(LookupAttributeKey::AccessKeyId, key.as_str(), from).await
    }

    /// Records of everything that was done about a role from then on: among it, whoever assumed it.
    /// (`cloudtrail:LookupEvents`)
    pub async fn of_role(&self, role: &Arn, from: Timestamp) -> Result<Vec<String>, CallError> {
        self.of(LookupAttributeKey::ResourceName, role.as_str(), from).await
    }

    async fn of(
        &self,
        key: LookupAttributeKey,
        value: &str,
        from: Timestamp,
    ) -> Result<Vec<String>, CallError> {
        let operation = "cloudtrail:LookupEvents";
        let attribute = LookupAttribute::builder()
            .attribute_key(key)
            .attribute_value(value)
            .build()
            .expect("a key and a value");
        let mut records = Vec::new();
        let page = |next| {
            let call = self.client.lookup_events().lookup_attributes(attribute.clone());
            let call = call.start_time(DateTime::from_secs(from.as_second())).set_next_token(next);
            let (clock, send) = (self.clock, attempt(operation, call.send()));
            let paced: Attempted<'_, _> = Box::pin(async move {
                clock.sleep(BETWEEN).await;
                send.await
            });
            paced
        };
        to_the_last(&self.pace, operation, page, |page| {
            let events = page.events.unwrap_or_default();
            records.extend(events.into_iter().filter_map(|event| event.cloud_trail_event));
            page.next_token.map_or(Next::End, |next| Next::At(Some(next)))
        })
        .await?;
        Ok(records)
    }
}
