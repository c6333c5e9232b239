//! How fast one service of one account is called, and how often a call is repeated.
//!
//! A [`Pace`] is the lane of one (account, service): so many calls in flight, each at its turn. The turns follow
//! each other as fast as calls come, until the service says to slow down; then they are spread, a little more with
//! every such answer and a little less with every other, so that the lane stays just at what is admitted and
//! whoever waits in it gets through.
//!
//! Being told to slow down is being told that nothing happened, so any call is repeated after it, a write not for
//! long: what was looked at before it grows old. A read is repeated after other trouble too, because that has no
//! effect. A write is not: only whoever keeps the journal may decide that.
//!
//! Before a read there are credentials, and one that was refused because they had expired is repeated with fresh
//! ones. Before a write nobody waits for any, since that may take a person: a write that is refused so has had
//! no effect, and whoever keeps the journal asks again.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;

use super::attempt::{CallError, Cause};
use super::credentials::Held;
use crate::clock::Clock;
use crate::ids::AccountId;

/// Calls in flight per account and service. Few enough not to starve the account's other callers,
/// who share its request rate.
const IN_FLIGHT: usize = 8;

/// How long a read is repeated that is told to slow down.
const READ_THROTTLED_FOR: SignedDuration = SignedDuration::from_secs(60);

/// How long a write is, from when it has its place. What was seen before it is taken to hold for so long.
const WRITE_THROTTLED_FOR: SignedDuration = SignedDuration::from_secs(4);

/// Tries of one read that fails otherwise. With the waits below, some four seconds: a service that fails
/// so long will not answer this question soon, and there are others.
const TRIES: u32 = 4;

/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The time between turns, in microseconds: the least that is not none, and the most.
const LEAST_GAP: u64 = 10_000;
const MOST_GAP: u64 = 2_000_000;

/// The turns of one lane.
#[derive(Debug)]
struct Turns {
    /// When the next one is.
    next: Timestamp,
    /// Microseconds from one to the next.
    gap: u64,
}

impl Turns {
    /// When the next call may be made.
    fn take(&mut self, now: Timestamp) -> Timestamp {
        let turn = self.next.max(now);
        self.next = turn.saturating_add(Duration::from_micros(self.gap)).unwrap_or(turn);
        turn
    }

    /// One answer in seven tells to slow down once both are in balance.
    fn answered(&mut self, throttled: bool) {
        self.gap = if throttled {
            (self.gap.max(LEAST_GAP) / 5 * 6).min(MOST_GAP)
        } else {
            let shorter = self.gap / 100 * 97;
            if shorter < LEAST_GAP { 0 } else { shorter }
        };
    }
}

/// One lane.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    in_flight: Arc<Semaphore>,
    turns: Arc<Mutex<Turns>>,
    clock: Clock,
    /// Whose credentials are renewed; none where nothing is signed.
    held: Option<Held>,
}

impl Pace {
    pub(super) fn new(clock: Clock) -> Self {
        let turns = Turns { next: clock.now(), gap: 0 };
        Self {
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
            turns: Arc::new(Mutex::new(turns)),
            clock,
            held: None,
        }
    }

    /// The same for calls that are signed with these credentials.
    pub(super) fn signed_with(self, held: Held) -> Self {
        Self { held: Some(held), ..self }
    }

    /// Whose account the credentials are of: fresh ones must be of the same.
    pub(super) async fn belong_to(&self, account: &AccountId) {
        if let Some(held) = &self.held {
            held.belongs_to(account).await;
        }
    }

    /// Makes a reading call, again where the trouble looks passing.
    pub(super) async fn read<T, F>(&self, call: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let mut wait = FIRST_WAIT;
        for _ in 1..TRIES {
            match self.read_once(&call).await {
                Err(error) if error.is_passing() && error.cause != Cause::Throttled => {
                    tracing::debug!(%error, ?wait, "reading again");
                    self.clock.sleep(wait).await;
                    wait *= 2;
                }
                settled => return settled,
            }
        }
        self.read_once(&call).await
    }

    /// Makes a reading call, and once more with fresh credentials where those it was made with had expired.
    async fn read_once<T, F>(&self, call: &impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let Some(held) = &self.held else {
            return self.at_its_turn(READ_THROTTLED_FOR, call).await;
        };
        let times = held.ready().await;
        let mut error = match self.at_its_turn(READ_THROTTLED_FOR, call).await {
            Err(error) if error.is_expired() => error,
            settled => return settled,
        };
        match held.renew(times).await {
            Ok(()) => self.at_its_turn(READ_THROTTLED_FOR, call).await,
            Err(why) => {
                if let Some(why) = why {
                    error.message = format!("{}; {why}", error.message);
                }
                Err(error)
            }
        }
    }

    /// Makes a call that changes something or tells a secret: again only while nothing came of it.
    pub(super) async fn write<T, F>(&self, call: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        self.at_its_turn(WRITE_THROTTLED_FOR, &call).await
    }

    async fn at_its_turn<T, F>(
        &self,
        patience: SignedDuration,
        call: &impl Fn() -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        // Kept while it is repeated: whoever waits for a place began later.
        let _place = self.in_flight.acquire().await.expect("the lane is never closed");
        let until = self.clock.now().saturating_add(patience).unwrap_or(Timestamp::MAX);
        loop {
            let turn = self.turns().take(self.clock.now());
            self.clock.sleep_until(turn).await;
            let answer = call().await;
            let throttled = matches!(&answer, Err(error) if error.cause == Cause::Throttled);
            self.turns().answered(throttled);
            if !throttled || self.clock.now() >= until {
                return answer;
            }
            tracing::debug!("told to slow down");
        }
    }

    fn turns(&self) -> std::sync::MutexGuard<'_, Turns> {
        self.turns.lock().expect("no panic while it is held")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::attempt::Certainty;
    use super::*;

    /// A service that admits `rate` calls in any second, by a bucket that holds that many.
    struct Service {
        clock: Clock,
        rate: f64,
        tokens: Cell<(f64, Timestamp)>,
        refused: Cell<u32>,
    }

    impl Service {
        async fn call(&self) -> Result<(), CallError> {
            self.clock.sleep(Duration::from_millis(40)).await;
            let (tokens, then) = self.tokens.get();
            let now = self.clock.now();
            let tokens =
                (tokens + now.duration_since(then).as_secs_f64() * self.rate).min(self.rate);
            let admitted = tokens >= 1.0;
            self.tokens.set((if admitted { tokens - 1.0 } else { tokens }, now));
            if admitted {
                return Ok(());
            }
            self.refused.set(self.refused.get() + 1);
            Err(CallError {
                operation: "iam:GetUser".into(),
                certainty: Certainty::DidNot,
                cause: Cause::Throttled,
                code: "Throttling".into(),
                message: "Rate exceeded".into(),
            })
        }
    }

    fn service(clock: Clock, rate: f64) -> Service {
        Service { clock, rate, tokens: Cell::new((rate, clock.now())), refused: Cell::new(0) }
    }

    /// Seconds that `calls` writes take at a service of this rate, and how many were refused on the way.
    async fn crowd(calls: u32, rate: f64) -> (f64, u32) {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let (pace, service) = (Pace::new(clock), service(clock, rate));
        let all = (0..calls).map(|_| pace.write(|| service.call()));
        for answer in futures_util::future::join_all(all).await {
            answer.unwrap();
        }
        (clock.now().duration_since(Timestamp::UNIX_EPOCH).as_secs_f64(), service.refused.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_gets_through_about_as_fast_as_the_service_admits_it() {
        for rate in [5.0, 25.0, 100.0] {
            let (took, refused) = crowd(600, rate).await;
            let least = (600.0 - rate) / rate;
            assert!(took < 1.1 * least, "{took} s for what can be done in {least} s");
            assert!(refused < 200, "{refused} of 600 were refused on the way");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_never_says_slow_down_is_never_spared() {
        let (took, refused) = crowd(800, 10_000.0).await;
        assert!((took - 4.0).abs() < 0.1, "800 calls of 40 ms, 8 at a time: {took} s");
        assert_eq!(refused, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_gives_up_soon_and_a_read_late() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let (pace, shut) = (Pace::new(clock), service(clock, 0.0));
        pace.write(|| shut.call()).await.unwrap_err();
        let then = clock.now();
        assert!(then.as_second() <= 8, "{then}");
        pace.read(|| shut.call()).await.unwrap_err();
        let took = clock.now().duration_since(then).as_secs();
        assert!((60..=70).contains(&took), "{took} s");
    }
}
