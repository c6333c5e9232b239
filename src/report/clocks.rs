//! By when an institution of the European Union must have told whom, counted from when it was aware.
//!
//! Regulation (EU, Euratom) 2023/2841, Article 21, with the hours that Directive (EU) 2022/2555 (NIS 2), Article 23(4),
//! has too: an early warning within 24 hours, a notification within 72, a final report within a month of the notification.
//! Which law applies, and whether the incident is significant, is for lawyers to say.

use jiff::{Span, Timestamp, tz::TimeZone};
use serde::Serialize;

/// The deadlines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clocks {
    /// Since when somebody knew; `None` for a case that was never begun.
    pub aware_at: Option<Timestamp>,
    /// Whether that was said, or is only when the case was opened.
    pub said: bool,
    /// The case that was opened first, where that is not this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// What is due, in order.
    pub deadlines: Vec<Deadline>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deadline {
    /// What is due.
    pub what: &'static str,
    /// When.
    pub due: Timestamp,
    /// Whether that had passed when the journal's last entry was written.
    pub passed: bool,
}

impl Clocks {
    pub(super) fn of(
        aware_at: Option<Timestamp>,
        opened_at: Option<Timestamp>,
        now: Option<Timestamp>,
    ) -> Self {
        let said = aware_at.is_some();
        let aware_at = aware_at.or(opened_at);
        let later = |from: Timestamp, span: Span| {
            // A month has no length of its own: it is counted on the calendar.
            let from = from.to_zoned(TimeZone::UTC);
            from.checked_add(span).map_or(Timestamp::MAX, |then| then.timestamp())
        };
        let deadlines = aware_at.map(|aware| {
            let notification = later(aware, Span::new().hours(72));
            [
                ("early warning (24 hours)", later(aware, Span::new().hours(24))),
                ("notification (72 hours)", notification),
                (
                    "final report (one month after the notification)",
                    later(notification, Span::new().months(1)),
                ),
            ]
        });
        let deadline =
            |(what, due)| Deadline { what, due, passed: now.is_some_and(|now| now > due) };
        Self {
            aware_at,
            said,
            first: None,
            deadlines: deadlines.into_iter().flatten().map(deadline).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_month_is_a_month_of_the_calendar_and_what_has_passed_is_said() {
        let clocks = Clocks::of(
            Some(at("2024-01-28T10:00:00Z")),
            Some(at("2024-01-29T10:00:00Z")),
            Some(at("2024-01-30T10:00:00Z")),
        );
        let due: Vec<(String, bool)> =
            clocks.deadlines.iter().map(|one| (one.due.to_string(), one.passed)).collect();
        let due: Vec<(&str, bool)> =
            due.iter().map(|(at, passed)| (at.as_str(), *passed)).collect();
        // The last of January and a month is the last of February.
        assert_eq!(
            due,
            [
                ("2024-01-29T10:00:00Z", true),
                ("2024-01-31T10:00:00Z", false),
                ("2024-02-29T10:00:00Z", false)
            ]
        );
    }

    #[test]
    fn without_a_word_it_counts_from_when_the_case_was_opened_and_says_so() {
        let clocks = Clocks::of(None, Some(at("2026-03-24T07:10:00Z")), None);
        assert!(!clocks.said);
        assert_eq!(clocks.deadlines[0].due, at("2026-03-25T07:10:00Z"));
        assert_eq!(Clocks::of(None, None, None).deadlines, []);
    }
}
