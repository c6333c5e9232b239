//! How fast one service of one account is called, and how often a read is repeated.
//!
//! A [`Pace`] is the lane of one (account, service): so many calls in flight, and no more. Reads are
//! repeated here, because a read repeated has no effect; writes never are, because only whoever keeps
//! the journal may decide that.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::attempt::CallError;
use crate::clock::Clock;

/// Calls in flight per account and service. Few enough not to starve the account's other callers,
/// who share its request rate.
const IN_FLIGHT: usize = 8;

/// Tries of one read. With the waits below, about half a minute before it is given up.
const READ_TRIES: u32 = 6;

/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// One lane.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    in_flight: Arc<Semaphore>,
    clock: Clock,
}

impl Pace {
    pub(super) fn new(clock: Clock) -> Self {
        Self { in_flight: Arc::new(Semaphore::new(IN_FLIGHT)), clock }
    }

    /// Makes a reading call, again where the trouble looks passing.
    pub(super) async fn read<T, F>(&self, call: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let mut wait = FIRST_WAIT;
        for _ in 1..READ_TRIES {
            match self.once(call()).await {
                Err(error) if error.is_passing() => {
                    tracing::debug!(%error, ?wait, "reading again");
                    self.clock.sleep(wait).await;
                    wait *= 2;
                }
                settled => return settled,
            }
        }
        self.once(call()).await
    }

    /// Makes one call, once.
    pub(super) async fn once<T>(
        &self,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let _place = self.in_flight.acquire().await.expect("the lane is never closed");
        call.await
    }
}
