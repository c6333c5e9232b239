//! How fast one service of one account is called, and how often a read is repeated.
//!
//! A [`Pace`] is the lane of one (account, service): so many calls in flight, and no more. Reads are
//! repeated here, because a read repeated has no effect; writes never are, because only whoever keeps
//! the journal may decide that. Before each call there are credentials, and a read that was refused because
//! they had expired is repeated with fresh ones.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::attempt::{CallError, Cause};
use super::credentials::Held;
use crate::clock::Clock;
use crate::ids::AccountId;

/// Calls in flight per account and service. Few enough not to starve the account's other callers,
/// who share its request rate.
const IN_FLIGHT: usize = 8;

/// Tries of one read that is told to slow down. With the waits below, about a minute.
const TRIES_THROTTLED: u32 = 8;

/// Tries of one read that fails otherwise. With the waits below, some four seconds: a service that fails
/// so long will not answer this question soon, and there are others.
const TRIES: u32 = 4;

/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);

fn tries_of(error: &CallError) -> u32 {
    if error.cause == Cause::Throttled { TRIES_THROTTLED } else { TRIES }
}

/// One lane.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    in_flight: Arc<Semaphore>,
    clock: Clock,
    held: Held,
}

impl Pace {
    pub(super) fn new(clock: Clock, held: Held) -> Self {
        Self { in_flight: Arc::new(Semaphore::new(IN_FLIGHT)), clock, held }
    }

    /// Makes a reading call, again where the trouble looks passing.
    pub(super) async fn read<T, F>(&self, call: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let mut wait = FIRST_WAIT;
        let mut tried = 0;
        loop {
            let times = self.held.ready().await;
            let answer = self.once(call()).await;
            tried += 1;
            match answer {
                // It had no effect, and never will with these.
                Err(mut error) if error.is_expired() && tried < TRIES => {
                    match self.held.renew(times).await {
                        Ok(()) => tracing::debug!(%error, "reading again with fresh credentials"),
                        Err(None) => return Err(error),
                        Err(Some(why)) => {
                            error.message = format!("{}; {why}", error.message);
                            return Err(error);
                        }
                    }
                }
                Err(error) if error.is_passing() && tried < tries_of(&error) => {
                    tracing::debug!(%error, ?wait, "reading again");
                    self.clock.sleep(wait).await;
                    wait *= 2;
                }
                settled => return settled,
            }
        }
    }

    /// Whose account the credentials are of: fresh ones must be of the same.
    pub(super) async fn belong_to(&self, account: &AccountId) {
        self.held.belongs_to(account).await;
    }

    /// Makes one call, once.
    pub(super) async fn once<T>(
        &self,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        self.held.ready().await;
        let _place = self.in_flight.acquire().await.expect("the lane is never closed");
        call.await
    }
}
