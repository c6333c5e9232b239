//! How fast one service of one account is called, who is let through first, and how often a call is repeated.
//!
//! A [`Pace`] is the lane of one (account, service). Calls wait in it by [`Urgency`] and then by age, so that no
//! sweep of reads keeps a cut waiting. How many are in flight, and how far apart they are sent, follows what the
//! service says: see [`Rate`]. What it admits, and how many wait, can be asked for ([`Throttled`]).
//!
//! Being told to slow down is being told that nothing happened, so any call is repeated after it, a write not for
//! long: what was looked at before it grows old. A read is repeated after other trouble too, because that has no
//! effect. A write is not: only whoever keeps the journal may decide that. Before each call there are
//! credentials, and a read that was refused because they had expired is repeated with fresh ones.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};

use super::attempt::{CallError, Cause};
use super::credentials::Held;
use super::rate::Rate;
use crate::clock::Clock;
use crate::ids::AccountId;

/// How long a read is repeated that is told to slow down.
const READ_THROTTLED_FOR: SignedDuration = SignedDuration::from_secs(60);

/// How long a write is, from when it is first sent. What was seen before it is taken to hold for so long.
const WRITE_THROTTLED_FOR: SignedDuration = SignedDuration::from_secs(4);

/// Tries of one read that fails otherwise. With the waits below, some four seconds: a service that fails
/// so long will not answer this question soon, and there are others.
const TRIES: u32 = 4;

/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Who goes first where a service admits fewer calls than there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// A cut, and a look that a cut waits for.
    Cut,
    /// Seeing that a cut stands.
    Proof,
    /// Surveys, and everything behind the gate.
    #[default]
    Rest,
}

/// A service that has told to slow down.
#[derive(Clone, Debug, PartialEq)]
pub struct Throttled {
    /// Which, as `IAM`.
    pub service: &'static str,
    /// Calls that it seems to admit in a second.
    pub per_second: f64,
    /// Calls that wait in its lane.
    pub waiting: usize,
}

/// One lane, the credentials of whoever calls in it, and how urgent his calls are.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    lane: Lane,
    held: Held,
    urgency: Urgency,
}

impl Pace {
    pub(super) fn new(service: &'static str, clock: Clock, held: Held) -> Self {
        Self { lane: Lane::new(service, clock), held, urgency: Urgency::default() }
    }

    /// The same lane, for calls of another urgency.
    pub(super) fn at(&self, urgency: Urgency) -> Self {
        Self { urgency, ..self.clone() }
    }

    /// What the lane's service admits, if it has told to slow down.
    pub(super) fn throttled(&self) -> Option<Throttled> {
        let queue = self.lane.queue();
        let per_second = queue.rate.per_second()?;
        Some(Throttled { service: self.lane.service, per_second, waiting: queue.waiting.len() })
    }

    /// Returns when the service next tells to slow down.
    pub(super) async fn told_to_slow_down(&self) {
        // The sender lives as long as the lane.
        let _ = self.lane.told.subscribe().changed().await;
    }

    /// Returns when a call of this urgency would be sent at once. Sends none.
    pub(super) async fn turn(&self) {
        self.lane.place(self.urgency).await.give_back();
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
            let answer = self.lane.at_its_turn(self.urgency, READ_THROTTLED_FOR, &call).await;
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
                Err(error)
                    if error.is_passing() && error.cause != Cause::Throttled && tried < TRIES =>
                {
                    tracing::debug!(%error, ?wait, "reading again");
                    self.lane.clock.sleep(wait).await;
                    wait *= 2;
                }
                settled => return settled,
            }
        }
    }

    /// Makes a call that changes something or tells a secret: again only while nothing came of it. It waits for
    /// no fresh credentials, which a person may have to give: what was seen before it would grow old.
    pub(super) async fn write<T, F>(&self, call: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        self.lane.at_its_turn(self.urgency, WRITE_THROTTLED_FOR, &call).await
    }

    /// Whose account the credentials are of: fresh ones must be of the same.
    pub(super) async fn belong_to(&self, account: &AccountId) {
        self.held.belongs_to(account).await;
    }
}

/// Where calls wait.
#[derive(Clone, Debug)]
struct Lane {
    service: &'static str,
    queue: Arc<Mutex<Queue>>,
    /// Counts how often the service has told to slow down.
    told: Arc<watch::Sender<u64>>,
    clock: Clock,
}

#[derive(Debug)]
struct Queue {
    rate: Rate,
    /// Who waits, in the order in which they are let through.
    waiting: BTreeMap<Key, Arc<Notify>>,
    in_flight: u32,
    /// Tickets given out.
    tickets: u64,
}

/// The most urgent goes first, and then who came first.
type Key = (Urgency, u64);

impl Queue {
    /// Whoever is first may have his turn now, or has to know when.
    fn call_the_first(&self) {
        if let Some((_, first)) = self.waiting.first_key_value() {
            first.notify_one();
        }
    }
}

/// Somebody in the lane: waiting, or with a call in flight. Leaves it when dropped.
struct Place<'a> {
    lane: &'a Lane,
    key: Key,
    in_flight: bool,
}

impl Place<'_> {
    /// Waits for the turn.
    async fn come_to_turn(&mut self) {
        let called = Arc::new(Notify::new());
        self.lane.queue().waiting.insert(self.key, Arc::clone(&called));
        loop {
            let turn = {
                let mut queue = self.lane.queue();
                let first = queue.waiting.first_key_value().map(|(key, _)| *key);
                if first == Some(self.key) && queue.in_flight < queue.rate.window() {
                    let now = self.lane.clock.now();
                    let turn = queue.rate.next_turn();
                    if turn <= now {
                        queue.waiting.remove(&self.key);
                        queue.in_flight += 1;
                        let crowded = !queue.waiting.is_empty();
                        queue.rate.sent(now, crowded);
                        self.in_flight = true;
                        queue.call_the_first();
                        return;
                    }
                    Some(turn)
                } else {
                    None
                }
            };
            // Somebody more urgent may come in between, and is then the one who is called.
            match turn {
                None => called.notified().await,
                Some(turn) => self.lane.clock.sleep_until(turn).await,
            }
        }
    }

    /// Back into the queue, before whoever came later.
    fn step_back(&mut self) {
        if std::mem::take(&mut self.in_flight) {
            let mut queue = self.lane.queue();
            queue.in_flight -= 1;
            queue.call_the_first();
        }
    }

    /// Leaves without having sent anything.
    fn give_back(mut self) {
        self.lane.queue().rate.not_sent();
        self.step_back();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.step_back();
        let mut queue = self.lane.queue();
        if queue.waiting.remove(&self.key).is_some() {
            queue.call_the_first();
        }
        if queue.in_flight == 0 && queue.waiting.is_empty() {
            queue.rate.idles();
        }
    }
}

impl Lane {
    fn new(service: &'static str, clock: Clock) -> Self {
        let queue = Queue {
            rate: Rate::new(clock.now()),
            waiting: BTreeMap::new(),
            in_flight: 0,
            tickets: 0,
        };
        let told = Arc::new(watch::Sender::new(0));
        Self { service, queue: Arc::new(Mutex::new(queue)), told, clock }
    }

    fn new_place(&self, urgency: Urgency) -> Place<'_> {
        let mut queue = self.queue();
        queue.tickets += 1;
        Place { lane: self, key: (urgency, queue.tickets), in_flight: false }
    }

    async fn place(&self, urgency: Urgency) -> Place<'_> {
        let mut place = self.new_place(urgency);
        place.come_to_turn().await;
        place
    }

    async fn at_its_turn<T, F>(
        &self,
        urgency: Urgency,
        patience: SignedDuration,
        call: &impl Fn() -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let mut place = self.place(urgency).await;
        let until = self.clock.now().saturating_add(patience).unwrap_or(Timestamp::MAX);
        loop {
            let sent = self.clock.now();
            let answer = call().await;
            let now = self.clock.now();
            let throttled = matches!(&answer, Err(error) if error.cause == Cause::Throttled);
            self.queue().rate.answered(throttled, sent, now);
            if throttled {
                self.told.send_modify(|times| *times += 1);
            }
            place.step_back();
            if !throttled || now >= until {
                return answer;
            }
            tracing::debug!(service = self.service, "told to slow down");
            place.come_to_turn().await;
            if self.clock.now() > until {
                place.give_back();
                return answer;
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no panic while it is held")
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
        rate: Cell<f64>,
        tokens: Cell<(f64, Timestamp)>,
        refused: Cell<u32>,
    }

    impl Service {
        async fn call(&self) -> Result<(), CallError> {
            self.clock.sleep(Duration::from_millis(40)).await;
            let (tokens, then) = self.tokens.get();
            let now = self.clock.now();
            let rate = self.rate.get();
            let tokens = (tokens + now.duration_since(then).as_secs_f64() * rate).min(rate);
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
        let tokens = Cell::new((rate, clock.now()));
        Service { clock, rate: Cell::new(rate), tokens, refused: Cell::new(0) }
    }

    fn lane(clock: Clock) -> Lane {
        Lane::new("IAM", clock)
    }

    /// Seconds that `calls` writes take at a service of this rate, and how many were refused on the way.
    async fn crowd(calls: u32, rate: f64) -> (f64, u32) {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let (lane, service) = (lane(clock), service(clock, rate));
        let call = || service.call();
        let all = (0..calls).map(|_| lane.at_its_turn(Urgency::Cut, WRITE_THROTTLED_FOR, &call));
        for answer in futures_util::future::join_all(all).await {
            answer.unwrap();
        }
        (clock.now().duration_since(Timestamp::UNIX_EPOCH).as_secs_f64(), service.refused.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_gets_through_as_fast_as_the_service_admits_it() {
        for rate in [2_u32, 5, 25, 50, 100, 500] {
            let calls = rate * 20;
            let (took, refused) = crowd(calls, rate.into()).await;
            // What the bucket held at first comes on top.
            assert!(
                took < 19.0 * 1.04,
                "{took} s for what can be done in 19 s, at {rate} a second"
            );
            assert!(
                refused < 40 + calls / 8,
                "{refused} of {calls} were refused at {rate} a second"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_never_says_slow_down_is_never_spared() {
        let (took, refused) = crowd(8_000, 10_000.0).await;
        let least = 8_000.0 * 0.040 / 96.0;
        assert!(took < 1.1 * least, "8,000 calls of 40 ms, 96 at a time: {took} s");
        assert_eq!(refused, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_admitted_is_followed_up_and_down() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let (lane, service) = (lane(clock), service(clock, 50.0));
        let call = || service.call();
        let seconds = |calls: u32, rate: f64| {
            let (lane, service) = (&lane, &service);
            service.rate.set(rate);
            async move {
                let began = clock.now();
                let all =
                    (0..calls).map(|_| lane.at_its_turn(Urgency::Cut, READ_THROTTLED_FOR, &call));
                futures_util::future::join_all(all).await;
                clock.now().duration_since(began).as_secs_f64()
            }
        };
        seconds(500, 50.0).await;
        let slower = seconds(200, 5.0).await;
        assert!(slower < 40.0 * 1.1, "{slower} s for what can be done in 40 s");
        let faster = seconds(2_000, 50.0).await;
        assert!(faster < 40.0 * 1.25, "{faster} s for what can be done in 40 s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_goes_before_whatever_waits() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let (lane, service) = (lane(clock), service(clock, 10.0));
        let call = || service.call();
        let survey = (0..600).map(|_| lane.at_its_turn(Urgency::Rest, READ_THROTTLED_FOR, &call));
        let survey = futures_util::future::join_all(survey);
        let cut = async {
            clock.sleep(Duration::from_secs(10)).await;
            let began = clock.now();
            lane.at_its_turn(Urgency::Cut, WRITE_THROTTLED_FOR, &call).await.unwrap();
            clock.now().duration_since(began)
        };
        let (_, waited) = futures_util::future::join(survey, cut).await;
        assert!(waited < SignedDuration::from_millis(400), "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_waiting_leaves_no_hole() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let (lane, service) = (lane(clock), service(clock, 10.0));
        let call = || service.call();
        let one = || lane.at_its_turn(Urgency::Cut, READ_THROTTLED_FOR, &call);
        let most = futures_util::future::join_all((0..100).map(|_| one()));
        tokio::time::timeout(Duration::from_secs(3), most).await.unwrap_err();
        let left = {
            let queue = lane.queue();
            (queue.in_flight, queue.waiting.len())
        };
        assert_eq!(left, (0, 0));
        one().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_gives_up_soon_and_a_read_late() {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let (lane, shut) = (lane(clock), service(clock, 0.0));
        let call = || shut.call();
        lane.at_its_turn(Urgency::Rest, WRITE_THROTTLED_FOR, &call).await.unwrap_err();
        let then = clock.now();
        assert!(then.as_second() <= 8, "{then}");
        lane.at_its_turn(Urgency::Rest, READ_THROTTLED_FOR, &call).await.unwrap_err();
        let took = clock.now().duration_since(then).as_secs();
        assert!((60..=70).contains(&took), "{took} s");
    }
}
