//! Time: the only module that reads it and the only one that waits.
//!
//! A clock is an instant to count from plus tokio's own time. On the system clock that is now; under
//! tokio's paused time (rehearsals and tests) it is any instant one likes, and waiting costs nothing,
//! so a day passes in milliseconds and the same seed gives the same bytes.
//! Counting from one reading also means that a clock set back during an incident moves nothing, and that a machine
//! that slept is behind when it wakes: AWS then refuses what it signs, and whoever resumes begins with the time anew.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Tells the time and waits. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Timestamp,
    started: tokio::time::Instant,
}

impl Clock {
    /// The real time. Must be called inside a tokio runtime.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the place that reads the time")]
        Self::starting_at(Timestamp::now())
    }

    /// A clock that shows `origin` now. Must be called inside a tokio runtime.
    pub fn starting_at(origin: Timestamp) -> Self {
        Self { origin, started: tokio::time::Instant::now() }
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        let passed =
            SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::MAX);
        self.origin.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// The same, set back by so much; forward, where it is less than nothing.
    #[must_use]
    pub fn set_back(self, by: SignedDuration) -> Self {
        Self { origin: self.origin.saturating_sub(by).unwrap_or(self.origin), ..self }
    }

    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Waits until `instant`; returns at once when it is past.
    pub async fn sleep_until(&self, instant: Timestamp) {
        if let Ok(left) = Duration::try_from(instant.duration_since(self.now())) {
            self.sleep(left).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn virtual_time_passes_only_by_waiting() {
        let origin: Timestamp = "2026-03-24T07:00:00Z".parse().unwrap();
        let clock = Clock::starting_at(origin);
        assert_eq!(clock.now(), origin);
        clock.sleep(Duration::from_hours(24)).await;
        assert_eq!(clock.now().to_string(), "2026-03-25T07:00:00Z");
        clock.sleep_until(origin).await;
        assert_eq!(clock.now().to_string(), "2026-03-25T07:00:00Z");
    }
}
