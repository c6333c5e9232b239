//! Findings of two scanners: TruffleHog, a line of JSON each, and Gitleaks, one array.
//!
//! Whatever is wrong with one finding hides no other. Where JSON itself breaks off in the array, what stands behind it
//! cannot be told apart, and that is said. No more is taken apart than is asked for, however much there is.

use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Finding, NOT_OURS, Taking, in_short, keys_in};
use crate::secret::Secret;

/// The most that is taken apart to tell where something lay, in bytes.
const LONGEST_METADATA: usize = 64 << 10;

/// A text. Anything else is none: no error tells what stands there.
fn text(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(raw?.get()).ok()
}

/// A value that was found.
fn value(raw: Option<&RawValue>) -> Option<Secret> {
    text(raw).map(Secret::new)
}

#[derive(Deserialize)]
struct Gitleaks<'t> {
    #[serde(borrow, rename = "RuleID")]
    rule: Option<&'t RawValue>,
    #[serde(borrow, rename = "File")]
    file: Option<&'t RawValue>,
    #[serde(borrow, rename = "StartLine")]
    line: Option<&'t RawValue>,
    #[serde(borrow, rename = "Commit")]
    commit: Option<&'t RawValue>,
    #[serde(borrow, rename = "Secret")]
    secret: Option<&'t RawValue>,
    #[serde(borrow, rename = "Match")]
    matched: Option<&'t RawValue>,
}

/// Takes what stands in Gitleaks' array.
pub(super) fn gitleaks(all: &str, taking: &mut Taking) {
    let blank = |at: usize| all.len() - all[at..].trim_start().len();
    let mut at = blank(blank(0) + 1);
    if all[at..].starts_with(']') {
        taking.is_known = true;
        return whole(all, at + 1, taking);
    }
    loop {
        at = blank(at);
        let (here, first) = (at..at, first::<Gitleaks<'_>>(&all[at..]));
        let (one, length) = match first {
            First::Is(one, length) => (Some(one), length),
            First::IsOther(length) => (None, length),
            First::BreaksOff(byte) => return breaks_off(at + byte, taking),
        };
        let named = |raw| text(raw).filter(|text| !text.is_empty());
        let named = one.as_ref().map(|one| (named(one.rule), named(one.file)));
        match (one, named) {
            (Some(one), Some((Some(rule), Some(file)))) => {
                let line = one.line.and_then(|line| line.get().parse().ok());
                let place = place(&file, line, &text(one.commit).unwrap_or_default());
                take(taking, here, &rule, &place, &[value(one.secret), value(one.matched)]);
            }
            (Some(_), _) => taking.wrong(here, || {
                "this entry has no RuleID or no File, so it is not by Gitleaks".to_owned()
            }),
            (None, _) => taking.wrong(here, || NOT_OURS.to_owned()),
        }
        if taking.is_full() {
            return;
        }
        at = blank(at + length);
        match all[at..].chars().next() {
            Some(',') => at += 1,
            Some(']') => return whole(all, at + 1, taking),
            _ => return breaks_off(at, taking),
        }
    }
}

/// Nothing stands behind the array.
fn whole(all: &str, end: usize, taking: &mut Taking) {
    let rest = all[end..].trim_start();
    if !rest.is_empty() {
        let at = all.len() - rest.len();
        taking.wrong(at..at, || {
            "the array has ended, and more stands behind it: a file holds one array".to_owned()
        });
    }
}

fn breaks_off(at: usize, taking: &mut Taking) {
    taking.wrong(at..at, || {
        "from here on it is not JSON, and what stands behind it cannot be told apart".to_owned()
    });
}

/// What a text begins with.
enum First<T> {
    /// One of those that are wanted, and so many bytes of it.
    Is(T, usize),
    /// Something else, and so many bytes of it.
    IsOther(usize),
    /// No JSON, from this byte on.
    BreaksOff(usize),
}

fn first<'t, T: Deserialize<'t>>(text: &'t str) -> First<T> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<T>();
    match stream.next() {
        Some(Ok(one)) => return First::Is(one, stream.byte_offset()),
        Some(Err(error)) if !error.is_data() => return First::BreaksOff(byte(text, &error)),
        _ => {}
    }
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    match stream.next() {
        Some(Ok(_)) => First::IsOther(stream.byte_offset()),
        Some(Err(error)) => First::BreaksOff(byte(text, &error)),
        None => First::BreaksOff(text.len()),
    }
}

/// Where an error is.
fn byte(text: &str, error: &serde_json::Error) -> usize {
    let before = error.line().saturating_sub(1);
    let lines = text.split_inclusive('\n').take(before);
    let start: usize = lines.map(str::len).sum();
    (start + error.column().saturating_sub(1)).min(text.len())
}

#[derive(Deserialize)]
struct TruffleHog<'t> {
    #[serde(borrow, rename = "DetectorName")]
    detector: Option<&'t RawValue>,
    #[serde(borrow, rename = "SourceMetadata")]
    source: Option<&'t RawValue>,
    #[serde(borrow, rename = "Raw")]
    raw: Option<&'t RawValue>,
    #[serde(borrow, rename = "RawV2")]
    raw_v2: Option<&'t RawValue>,
    #[serde(borrow, rename = "Redacted")]
    redacted: Option<&'t RawValue>,
    /// A line of its log has these.
    level: Option<IgnoredAny>,
    msg: Option<IgnoredAny>,
}

/// Takes what stands in TruffleHog's lines.
pub(super) fn trufflehog(all: &str, taking: &mut Taking) {
    let mut start = 0;
    for line in all.split_inclusive('\n') {
        let at = start + line.len() - line.trim_start().len();
        start += line.len();
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        match first::<TruffleHog<'_>>(line) {
            First::BreaksOff(byte) => taking.wrong(at + byte..at + byte, || {
                "from here on the line is not JSON: it was cut short, or is of something else"
                    .to_owned()
            }),
            First::Is(_, length) | First::IsOther(length) if length < line.len() => {
                taking.wrong(at + length..at + length, || {
                    "more stands behind the finding: a line holds one".to_owned()
                });
            }
            First::Is(one, _) => match text(one.detector) {
                Some(detector) => {
                    let texts = [one.raw, one.raw_v2, one.redacted].map(value);
                    take(taking, at..at, &detector, &whence(one.source), &texts);
                }
                // Between findings it tells how it goes.
                None if one.level.is_some() || one.msg.is_some() => taking.is_known = true,
                None => taking.wrong(at..at, || NOT_OURS.to_owned()),
            },
            First::IsOther(_) => taking.wrong(at..at, || NOT_OURS.to_owned()),
        }
        if taking.is_full() {
            return;
        }
    }
}

fn take(taking: &mut Taking, at: Range<usize>, kind: &str, place: &str, texts: &[Option<Secret>]) {
    taking.is_known = true;
    let mut keys = texts.iter().flatten().flat_map(|text| keys_in(text.expose())).peekable();
    let (kind, place) = (in_short(kind), in_short(place));
    let finding = |key| Finding { key, kind: kind.clone(), place: place.clone() };
    if keys.peek().is_none() {
        if kind.to_ascii_lowercase().contains("aws") {
            taking.unused(
                at,
                "this is of AWS, and no access key id stands with it: whose it is cannot be told",
            );
        }
        taking.findings.found.insert(finding(None));
    }
    taking.findings.found.extend(keys.map(|key| finding(Some(key))));
}

/// Where it lay: the one source that TruffleHog's metadata has.
fn whence(source: Option<&RawValue>) -> String {
    let source = source.filter(|source| source.get().len() <= LONGEST_METADATA);
    let source: Option<Value> = source.and_then(|source| serde_json::from_str(source.get()).ok());
    let data = source.as_ref().and_then(|source| source.get("Data")?.as_object()?.iter().next());
    let Some((kind, of)) = data else { return "somewhere that was not told".to_owned() };
    let text = |name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default();
    let at = ["file", "key", "link", "repository", "image"].map(text);
    let at = at.into_iter().find(|at| !at.is_empty()).unwrap_or(kind);
    place(at, of.get("line").and_then(Value::as_u64), text("commit"))
}

/// A link without what may let somebody in: who it is for, its query, and what stands behind `#` but a line.
fn without_secrets(file: &str) -> String {
    let Some((scheme, rest)) = file.split_once("://") else { return file.to_owned() };
    let (rest, behind) = rest.split_once('#').unwrap_or((rest, ""));
    let rest = rest.split('?').next().unwrap_or_default();
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = host.rsplit('@').next().unwrap_or_default();
    let is_line = behind.strip_prefix('L').is_some_and(|line| {
        !line.is_empty() && line.chars().all(|c| c.is_ascii_digit() || "-L".contains(c))
    });
    let line = if is_line { format!("#{behind}") } else { String::new() };
    format!("{scheme}://{host}{path}{line}")
}

fn place(file: &str, line: Option<u64>, commit: &str) -> String {
    let mut place = without_secrets(file);
    if let Some(line) = line.filter(|line| *line > 0) {
        place += &format!(":{line}");
    }
    if !commit.is_empty() {
        let short: String = commit.chars().take(12).collect();
        place += &format!(" (commit {short})");
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_keeps_nothing_that_lets_somebody_in() {
        let place = |link| place(link, None, "");
        let token =
            "https://x-access-token:ghp_16C7e42F@github.com/org/repo/blob/a/b.env?token=A1B2#L3-L5";
        assert_eq!(place(token), "https://github.com/org/repo/blob/a/b.env#L3-L5");
        assert_eq!(place("https://a@h/?x=1#access_token=y"), "https://h/");
        assert_eq!(place("node_modules/@scope/a?b"), "node_modules/@scope/a?b");
    }
}
