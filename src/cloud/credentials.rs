//! The responder's own credentials: kept while they last, got anew when they run out, of one account always.
//!
//! They run out during a run: chained roles after an hour, sign-ins after a morning. Then nothing has been
//! decided or lost; the call that was refused had no effect. So whoever paces the calls asks here for fresh
//! ones, once, and goes on. Fresh credentials are used only after AWS has said that they are of the same
//! account: a profile that somebody has switched meanwhile must not carry a run somewhere else.
//! Knows no profile, no role and no terminal: where credentials come from is a provider's business.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::connection::{Parts, identity_client};
use crate::ids::AccountId;

/// Credentials that end within this are got anew before the next call.
const BEFORE_THE_END: SignedDuration = SignedDuration::from_secs(60);
/// Where fresh ones were not to be had, they are asked for again after this.
const ASK_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// How long credentials last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// Until then.
    Until(Timestamp),
    /// They are a session's, which ends by itself, and whoever gave them did not say when.
    NobodyKnows,
    /// They are a key's, which does not end by itself.
    WithoutEnd,
}

/// The credentials that all handles of one connection sign with. Clones share them.
#[derive(Clone)]
pub(super) struct Held(Arc<Inner>);

struct Inner {
    source: SharedCredentialsProvider,
    /// What the handles are made from; its own credentials are not used.
    parts: Parts,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    credentials: Option<Credentials>,
    /// How often they were got: tells whether somebody has got fresh ones meanwhile.
    times: u64,
    /// The account of the first.
    account: Option<AccountId>,
    /// When fresh ones were not to be had.
    in_vain: Option<Timestamp>,
    /// Why the last ones that were got are not used.
    refused: Option<String>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held(..)")
    }
}

impl Held {
    pub(super) fn new(parts: Parts) -> Self {
        let source = parts.credentials.clone();
        Self(Arc::new(Inner { source, parts, kept: Mutex::default() }))
    }

    /// Sees that there are credentials for the next call, if they can be had at all. Where they cannot, the call
    /// itself says so. Gives back which they are, for [`Self::renew`].
    pub(super) async fn ready(&self) -> u64 {
        let mut kept = self.0.kept.lock().await;
        let ends = kept.credentials.as_ref().map(|credentials| credentials.expiry().map(instant));
        let now = self.0.parts.clock.now();
        let due = match ends {
            None => true,
            Some(Some(ends)) => ends.duration_since(now) < BEFORE_THE_END,
            Some(None) => false,
        };
        if due {
            self.get(&mut kept).await;
        }
        kept.times
    }

    /// Gets fresh credentials, because those of `times` were refused as expired. Fails where there are no others,
    /// with what is wrong with those that were offered.
    pub(super) async fn renew(&self, times: u64) -> Result<(), Option<String>> {
        let mut kept = self.0.kept.lock().await;
        // Where many calls are refused at once, one of them gets fresh ones for all.
        if kept.times == times {
            self.get(&mut kept).await;
        }
        if kept.times == times { Err(kept.refused.clone()) } else { Ok(()) }
    }

    /// Gets them anew although those that are there may still be good.
    pub(super) async fn replace(&self) {
        let mut kept = self.0.kept.lock().await;
        kept.in_vain = None;
        self.get(&mut kept).await;
    }

    /// Remembers whose account it is: later ones must be of the same.
    pub(super) async fn belongs_to(&self, account: &AccountId) {
        self.0.kept.lock().await.account.get_or_insert_with(|| account.clone());
    }

    /// How long those that are kept last; `None` where there are none.
    pub(super) async fn lasts(&self) -> Option<Lasts> {
        let kept = self.0.kept.lock().await;
        let credentials = kept.credentials.as_ref()?;
        Some(match (credentials.expiry(), credentials.session_token()) {
            (Some(ends), _) => Lasts::Until(instant(ends)),
            (None, Some(_)) => Lasts::NobodyKnows,
            (None, None) => Lasts::WithoutEnd,
        })
    }

    async fn get(&self, kept: &mut Kept) {
        let now = self.0.parts.clock.now();
        if kept.in_vain.is_some_and(|at| now.duration_since(at) < ASK_AGAIN_AFTER) {
            return;
        }
        kept.refused = None;
        let fresh = match self.0.source.provide_credentials().await {
            Ok(fresh) => fresh,
            Err(error) => {
                kept.refused = Some(with_causes(&error));
                kept.in_vain = Some(now);
                return;
            }
        };
        let same = kept.credentials.as_ref().is_some_and(|old| {
            (old.access_key_id(), old.session_token())
                == (fresh.access_key_id(), fresh.session_token())
        });
        if same {
            kept.in_vain = Some(now);
            return;
        }
        if let Some(account) = &kept.account
            && let Err(why) = self.is_of(account, fresh.clone()).await
        {
            kept.refused = Some(why);
            kept.in_vain = Some(now);
            return;
        }
        kept.credentials = Some(fresh);
        kept.times += 1;
        kept.in_vain = None;
    }

    /// Asks AWS whose fresh credentials are, with themselves.
    async fn is_of(&self, account: &AccountId, fresh: Credentials) -> Result<(), String> {
        let client = identity_client(&self.0.parts, fresh);
        match client.get_caller_identity().send().await {
            Ok(answer) if answer.account() == Some(account.as_str()) => Ok(()),
            Ok(answer) => Err(format!(
                "fresh credentials are of account {}, and this run is in account {account}",
                answer.account().unwrap_or("unknown")
            )),
            Err(error) => {
                Err(format!("fresh credentials are not accepted either: {}", with_causes(&error)))
            }
        }
    }
}

impl ProvideCredentials for Held {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let mut kept = self.0.kept.lock().await;
            if kept.credentials.is_none() {
                self.get(&mut kept).await;
            }
            match (&kept.credentials, &kept.refused) {
                // Whether they are still good is for AWS to say.
                (Some(credentials), _) => Ok(credentials.clone()),
                (None, Some(why)) => Err(CredentialsError::invalid_configuration(why.clone())),
                (None, None) => Err(CredentialsError::not_loaded("no credentials were found")),
            }
        })
    }
}

fn instant(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or(Timestamp::MAX)
}

/// The error and its causes, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
