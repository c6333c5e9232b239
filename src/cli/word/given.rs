//! What is typed with a word: what shows it, and until when it holds.

use std::path::Path;

use jiff::{SpanRelativeTo, Timestamp};
use sha2::{Digest, Sha256};

use crate::case;
use crate::cli::exit::{Exit, Failure};
use crate::journal::Evidence;

/// What shows it: what is a file is kept by its bytes' hash.
pub(super) fn evidence(given: &str) -> Result<Evidence, Failure> {
    if given.starts_with("https://") || given.starts_with("http://") {
        return Ok(Evidence::Url { url: given.to_owned() });
    }
    let path = Path::new(given);
    let looks_like_a_file = path.is_file() || given.starts_with(['/', '.', '~']);
    if !looks_like_a_file {
        return Ok(Evidence::Words { text: given.to_owned() });
    }
    let bytes = case::read_regular(path, case::LONGEST).map_err(|error| {
        let next = "name a file that can be read, a URL, or say it in words";
        Failure::new(Exit::Usage, format!("cannot read the evidence {given}"), next).because(&error)
    })?;
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    Ok(Evidence::File { path, sha256: hex::encode(Sha256::digest(&bytes)) })
}

/// A day, an instant, or a time from now on.
pub(super) fn until(given: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let refused = |what: String| {
        let next = "give --until a day (2026-04-01), an instant (2026-04-01T18:00:00Z), or a time from now on \
                    (36h, 14d)";
        Failure::new(Exit::Usage, what, next)
    };
    let day = |text: &str| {
        let date: jiff::civil::Date = text.parse().ok()?;
        Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    let from_now = |text: &str| {
        let span: jiff::Span = text.parse().ok()?;
        let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        now.checked_add(length).ok()
    };
    let until = given.parse().ok().or_else(|| day(given)).or_else(|| from_now(given));
    let until: Timestamp = until.ok_or_else(|| refused(format!("`{given}` is no time")))?;
    if until <= now {
        return Err(refused(format!("{given} has passed: a waiver is for a time to come")));
    }
    Ok(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiver_ends_on_a_day_at_an_instant_or_after_a_time() {
        let now: Timestamp = "2026-03-24T07:10:00Z".parse().unwrap();
        let ends = |given: &str| until(given, now).unwrap().to_string();
        assert_eq!(ends("2026-04-01"), "2026-04-01T00:00:00Z");
        assert_eq!(ends("2026-04-01T18:00:00+02:00"), "2026-04-01T16:00:00Z");
        assert_eq!(ends("36h"), "2026-03-25T19:10:00Z");
        assert_eq!(ends("14d"), "2026-04-07T07:10:00Z");
        for not in ["2026-03-24", "2026-03-24T07:10:00Z", "-1h", "soon", ""] {
            assert!(until(not, now).is_err(), "{not}");
        }
    }

    #[test]
    fn evidence_is_words_a_place_or_a_file_as_it_is_now() {
        let words = Evidence::Words { text: "ticket 4711".to_owned() };
        assert_eq!(evidence("ticket 4711").unwrap(), words);
        assert!(matches!(evidence("https://wiki/4711").unwrap(), Evidence::Url { .. }));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let path = file.path().to_str().unwrap();
        let Evidence::File { sha256, .. } = evidence(path).unwrap() else { panic!("{path}") };
        assert!(sha256.starts_with("ba7816bf"), "{sha256}");
        assert!(evidence("/is/not/there").is_err());
    }
}
