//! How many calls a service admits, found out by calling it.
//!
//! Nothing is published and others share it, so it is measured. A service that has never told to slow down is
//! called as fast as it answers, with more and more calls in flight. From the first time it does, calls are sent
//! apart from each other, a little closer than it admits: what it admits is then never left unused, and one call in
//! some thirty is told so. Between two such answers the service has admitted just what it can: that is the measure.
//! When they fail to come, others have left more room, and the distance shrinks faster and faster.
//!
//! Pure: it is told the time. Knows no queue and no call.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Calls in flight of which nothing is known: as many as do no harm.
const FEWEST_IN_FLIGHT: u32 = 8;
/// Calls in flight at most: each is a connection.
const MOST_IN_FLIGHT: u32 = 96;

/// Sent beyond what is thought to be admitted.
const BEYOND: f64 = 1.03;

/// A measure rests on so many admitted calls, and so long a time, at least.
const ENOUGH_CALLS: u32 = 10;
const LONG_ENOUGH: f64 = 0.5;

/// So many calls admitted in a row, over so many seconds, before there is thought to be more room; and before
/// even more is tried. Sooner, where nothing was measured yet.
const UNDISTURBED: (u32, f64) = (40, 0.5);
const NEVER_MEASURED: (u32, f64) = (10, 0.1);
const STILL_UNDISTURBED: (u32, f64) = (5, 0.1);
/// How much closer they are sent then, the first time and at most.
const FIRST_STEP: f64 = 1.03;
const LARGEST_STEP: f64 = 2.0;

/// Refusals in a row after which they are sent further apart, whatever was measured, and how much further.
const NONE_ADMITTED: u32 = 3;
const STEP_BACK: f64 = 1.35;
/// The most between two.
const FURTHEST_APART: f64 = 2.0;

/// Turns that were missed are made up for, so far back: timers are no more exact than milliseconds.
const MADE_UP: SignedDuration = SignedDuration::from_millis(20);

/// What is known of one service's rate.
#[derive(Debug)]
pub(super) struct Rate {
    /// Calls in a second at which they are sent; `None` before it ever told to slow down.
    sending: Option<f64>,
    /// Calls in a second that it was last seen to admit.
    admits: f64,
    /// When the next may be sent.
    next: Timestamp,
    /// How many may be in flight.
    window: u32,
    /// Seconds that an answer takes.
    latency: f64,
    /// Calls sent lately, before it told to slow down for the first time: in the second that began then, and in
    /// the one before.
    lately: (Timestamp, u32, u32),
    is_measured: bool,
    /// Since when it is being measured, and the calls admitted since.
    measured: Option<(Timestamp, u32)>,
    /// Answers to what was sent before this are no news.
    slowed: Timestamp,
    /// Calls admitted in a row and since when, and calls refused in a row.
    in_a_row: Option<(Timestamp, u32)>,
    refused_in_a_row: u32,
    step: f64,
    /// Whether others waited when the last was sent.
    crowded: bool,
}

impl Rate {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            sending: None,
            admits: 0.0,
            next: now,
            window: FEWEST_IN_FLIGHT,
            latency: 0.0,
            lately: (now, 0, 0),
            is_measured: false,
            measured: None,
            slowed: now,
            in_a_row: None,
            refused_in_a_row: 0,
            step: FIRST_STEP,
            crowded: false,
        }
    }

    /// Calls that the service seems to admit in a second, once it has told to slow down.
    pub(super) fn per_second(&self) -> Option<f64> {
        self.sending.map(|sending| sending.min(self.admits))
    }

    /// How many calls may be in flight.
    pub(super) fn window(&self) -> u32 {
        self.window
    }

    /// When the next call may be sent.
    pub(super) fn next_turn(&self) -> Timestamp {
        self.next
    }

    /// A call is sent; others wait, or none does.
    pub(super) fn sent(&mut self, now: Timestamp, crowded: bool) {
        self.crowded = crowded;
        if self.sending.is_none() {
            let (since, this, before) = self.lately;
            let second = SignedDuration::from_secs(1);
            self.lately = match now.duration_since(since) {
                passed if passed < second => (since, this + 1, before),
                passed if passed < second * 2 => (since + second, 1, this),
                _ => (now, 1, 0),
            };
        }
        let from = self.next.max(now.saturating_sub(MADE_UP).unwrap_or(now));
        self.next = from.saturating_add(self.apart()).unwrap_or(from);
    }

    /// The call that had its turn was not sent after all.
    pub(super) fn not_sent(&mut self) {
        self.next = self.next.saturating_sub(self.apart()).unwrap_or(self.next);
    }

    fn apart(&self) -> Duration {
        Duration::from_secs_f64(self.sending.map_or(0.0, |sending| 1.0 / sending))
    }

    /// Nobody calls any more: what is admitted meanwhile is unused, and says nothing.
    pub(super) fn idles(&mut self) {
        self.measured = None;
    }

    /// An answer came to a call that was sent at `sent`.
    pub(super) fn answered(&mut self, throttled: bool, sent: Timestamp, now: Timestamp) {
        if throttled {
            self.refused(sent, now);
        } else {
            self.admitted(sent, now);
        }
        if let Some(sending) = self.sending {
            // Twice what the answers take: one that is late holds nobody up.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let needed = (sending * self.latency * 2.0).clamp(0.0, 1000.0).ceil() as u32 + 4;
            self.window = needed.clamp(FEWEST_IN_FLIGHT, MOST_IN_FLIGHT);
        }
    }

    fn admitted(&mut self, sent: Timestamp, now: Timestamp) {
        let took = now.duration_since(sent).as_secs_f64();
        self.latency += (took - self.latency) / if self.latency == 0.0 { 1.0 } else { 8.0 };
        if let Some((_, calls)) = &mut self.in_a_row {
            *calls += 1;
        }
        self.refused_in_a_row = 0;
        if let Some((_, calls)) = &mut self.measured {
            *calls += 1;
        }
        let Some(sending) = &mut self.sending else {
            if self.crowded {
                self.window = (self.window + 1).min(MOST_IN_FLIGHT);
            }
            return;
        };
        let (calls, seconds) = match (self.step > FIRST_STEP, self.is_measured) {
            (true, _) => STILL_UNDISTURBED,
            (false, true) => UNDISTURBED,
            (false, false) => NEVER_MEASURED,
        };
        // Where nobody waits, or too few may be in flight, it is not this that holds anybody up.
        let is_tried = self.crowded && *sending * self.latency < f64::from(MOST_IN_FLIGHT);
        let (since, admitted) = *self.in_a_row.get_or_insert((now, 0));
        if is_tried && admitted >= calls && now.duration_since(since).as_secs_f64() >= seconds {
            // So much was admitted and there was room left, which is no measure of what there is.
            self.admits = self.admits.max(*sending);
            self.measured = None;
            *sending *= self.step;
            self.step = (1.0 + (self.step - 1.0) * 2.0).min(LARGEST_STEP);
            self.in_a_row = Some((now, 0));
        }
    }

    fn refused(&mut self, sent: Timestamp, now: Timestamp) {
        self.in_a_row = None;
        self.refused_in_a_row += 1;
        self.step = FIRST_STEP;
        let Some(sending) = self.sending else {
            // Whoever was idle before has a second's worth in store, with most.
            let (since, this, before) = self.lately;
            let passed = now.duration_since(since).as_secs_f64();
            let (calls, seconds) =
                if before > 0 { (this + before, passed + 1.0) } else { (this, passed) };
            self.admits = f64::from(calls) / (seconds + 1.0);
            self.send_at(self.admits * BEYOND);
            self.measured = Some((now, 0));
            self.slowed = now;
            self.next = self.next.max(now);
            return;
        };
        if self.refused_in_a_row >= NONE_ADMITTED && sent > self.slowed {
            self.send_at(sending / STEP_BACK);
            self.slowed = now;
            return;
        }
        match self.measured {
            // It was idle: what was measured before is the best guess.
            None => self.send_at(sending.min(self.admits * BEYOND)),
            Some((since, calls)) => {
                let seconds = now.duration_since(since).as_secs_f64();
                if calls < ENOUGH_CALLS || seconds < LONG_ENOUGH {
                    return;
                }
                self.is_measured = true;
                self.admits = f64::from(calls) / seconds;
                self.send_at(f64::from(calls + 1) / seconds * BEYOND);
            }
        }
        self.measured = Some((now, 0));
        self.slowed = now;
    }

    /// Calls in a second from now on, never further apart than is told in time that there is more room again.
    fn send_at(&mut self, per_second: f64) {
        self.sending = Some(per_second.max(1.0 / FURTHEST_APART));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_late_a_refusal_comes_the_next_call_is_not_put_off_for_long() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut rate = Rate::new(at(0));
        rate.sent(at(0), false);
        rate.answered(true, at(0), at(30));
        rate.sent(at(30), true);
        let wait = rate.next_turn().duration_since(at(30));
        assert!(wait <= SignedDuration::from_secs(2), "{wait}");
    }
}
