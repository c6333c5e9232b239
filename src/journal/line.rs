//! One line of the journal: entries that were synced together, and a check over every byte.
//!
//! `{"hash":"<64 hexadecimal digits>","body":{...}}` and a line feed. The hash is SHA-256 of the hash
//! before and the body's bytes, and is compared as text; what is not covered by it is compared byte
//! for byte. So no single byte of a journal can change unnoticed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Entry;

/// The hash "before" the first line.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The version of the lines that this program writes and reads.
const VERSION: u32 = 1;

const OPEN: &[u8] = b"{\"hash\":\"";
const MIDDLE: &[u8] = b"\",\"body\":";
const CLOSE: &[u8] = b"}\n";
const HASH: usize = 64;

/// What was synced at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was written, by the responder's clock.
    pub at: Timestamp,
    /// What it says.
    pub entries: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    v: u32,
    seq: u64,
    at: Timestamp,
    entries: Vec<Entry>,
}

/// A journal's bytes, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The lines, in order.
    pub lines: Vec<Line>,
    /// Bytes of the good lines. What follows was cut short by a crash and is to be truncated.
    pub good: usize,
    /// Bytes that follow.
    pub torn: usize,
    /// The hash of each good line.
    hashes: Vec<String>,
}

impl Decoded {
    /// The hash of the last good line.
    pub fn head(&self) -> &str {
        self.hashes.last().map_or(GENESIS, String::as_str)
    }

    /// Whether its first `lines` end with the hash `head`: it is the journal that had those, and whatever came behind them.
    pub(super) fn goes_on_from(&self, lines: u64, head: &str) -> bool {
        match usize::try_from(lines) {
            Ok(0) => head == GENESIS,
            Ok(n) => self.hashes.get(n - 1).is_some_and(|hash| hash == head),
            Err(_) => false,
        }
    }
}

/// A journal that cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the journal {why}")]
pub struct Damage {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

/// A line's bytes and its hash.
pub(super) fn encode(before: &str, line: &Line) -> (Vec<u8>, String) {
    let body = Body { v: VERSION, seq: line.seq, at: line.at, entries: line.entries.clone() };
    let body = serde_json::to_vec(&body).expect("plain data");
    let hash = hash_of(before, &body);
    let bytes = [OPEN, hash.as_bytes(), MIDDLE, &body, CLOSE].concat();
    (bytes, hash)
}

fn hash_of(before: &str, body: &[u8]) -> String {
    hex::encode(Sha256::new().chain_update(before).chain_update(body).finalize())
}

/// Reads a journal's bytes.
///
/// A last line that a crash cut short is left out and counted in [`Decoded::torn`]: a loss of power may leave noughts where it
/// was to be, or behind its beginning. A last line that is
/// whole but does not check was not cut short, it was changed; like any other bad line it is damage.
pub fn decode(bytes: &[u8]) -> Result<Decoded, Damage> {
    let mut decoded = Decoded::default();
    let (mut rest, mut longest) = (bytes, SHORTEST);
    while !rest.is_empty() {
        let number = decoded.lines.len() + 1;
        let end = rest.iter().position(|&b| b == b'\n').map(|i| i + 1);
        let (line, tail) = rest.split_at(end.unwrap_or(rest.len()));
        let parts = parts(line);
        let checks =
            |(hash, body): &(&[u8], &[u8])| *hash == hash_of(decoded.head(), body).as_bytes();
        let Some((hash, body)) = parts.filter(checks) else {
            let damage = |why: &str| Err(Damage { line: number, why: why.to_owned() });
            // A body that is not JSON was torn: a crash can leave the line's end and lose its middle.
            return match parts.filter(|(_, body)| is_json(body)) {
                Some(_) => damage("does not match its hash: it, or a line before it, was changed"),
                None if tail.is_empty() && is_one_line(line, number, longest) => {
                    Ok(Decoded { torn: line.len(), ..decoded })
                }
                None if tail.is_empty() => damage(
                    "and what follows it are more than one line that was cut short: no crash leaves that",
                ),
                None => damage("is not a line of a journal"),
            };
        };
        decoded.lines.push(read_body(body, number)?);
        decoded.good += line.len();
        longest = longest.max(line.len());
        decoded.hashes.push(String::from_utf8_lossy(hash).into_owned());
        rest = tail;
    }
    Ok(decoded)
}

/// No line is shorter.
const SHORTEST: usize = OPEN.len() + HASH + MIDDLE.len() + CLOSE.len();

/// Whether the end of a journal may be the one line that was being written when it crashed: it begins as that does, or is no
/// longer than one that is known. What was synced before it is whole. Behind its beginning there may be noughts, and nothing but
/// those: a file system that had made room for it and lost the power before its bytes.
fn is_one_line(end: &[u8], number: usize, longest: usize) -> bool {
    let written = end.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let end = &end[..written];
    let begins = || {
        let (hash, body) = (OPEN.len(), format!("{{\"v\":{VERSION},\"seq\":{number},"));
        let middle = [MIDDLE, body.as_bytes()].concat();
        let is = |at: usize, what: &[u8]| {
            let there = end.get(at..).unwrap_or_default();
            let length = there.len().min(what.len());
            there[..length] == what[..length]
        };
        let mut digits = end.iter().skip(hash).take(HASH);
        let mut text = end.strip_suffix(b"\n").unwrap_or(end).iter();
        is(0, OPEN)
            && digits.all(u8::is_ascii_hexdigit)
            && is(hash + HASH, &middle)
            // A body has none of these, and neither has a part of one.
            && text.all(|byte| *byte >= b' ')
    };
    let another = end.windows(OPEN.len()).skip(1).any(|part| part == OPEN);
    !another && (end.len() <= longest || begins())
}

/// The hash and the body of a whole line.
fn parts(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (hash, rest) = line.strip_prefix(OPEN)?.split_at_checked(HASH)?;
    Some((hash, rest.strip_prefix(MIDDLE)?.strip_suffix(CLOSE)?))
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

fn read_body(body: &[u8], number: usize) -> Result<Line, Damage> {
    #[derive(Deserialize)]
    struct Versioned {
        v: u32,
    }
    let damage = |why: String| Damage { line: number, why };
    let other = |v| format!("has format {v}; this program reads format {VERSION}");
    let Body { v, seq, at, entries } = serde_json::from_slice(body).map_err(|error| {
        // Another version's may have any other fields: which version it is says more.
        damage(match serde_json::from_slice(body) {
            Ok(Versioned { v: VERSION }) => format!("cannot be read: {error}"),
            Ok(Versioned { v }) => other(v),
            Err(error) => format!("has no version: {error}"),
        })
    })?;
    if v != VERSION {
        return Err(damage(other(v)));
    }
    if seq != number as u64 {
        return Err(damage(format!("says it is line {seq}")));
    }
    Ok(Line { seq, at, entries })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ChangeId;

    fn journal() -> (Vec<u8>, Vec<Line>) {
        let change = ChangeId::parse("keys-off.1").unwrap();
        let at: Timestamp = "2026-03-24T07:10:00Z".parse().unwrap();
        let lines = [
            vec![Entry::Intended { change: change.clone() }],
            vec![
                Entry::Failed {
                    change: change.clone(),
                    may_have: true,
                    why: "no answer".to_owned(),
                },
                Entry::Intended { change: change.clone() },
            ],
            vec![Entry::Observed { change, position: super::super::Position::After }],
        ];
        let (mut bytes, mut all, mut head) = (Vec::new(), Vec::new(), GENESIS.to_owned());
        for (n, entries) in lines.into_iter().enumerate() {
            let line = Line { seq: n as u64 + 1, at, entries };
            let (encoded, hash) = encode(&head, &line);
            bytes.extend(encoded);
            all.push(line);
            head = hash;
        }
        (bytes, all)
    }

    #[test]
    fn every_prefix_of_a_journal_reads_as_its_whole_lines() {
        let (bytes, lines) = journal();
        for n in 0..=bytes.len() {
            let decoded = decode(&bytes[..n]).unwrap();
            assert_eq!(decoded.lines, lines[..decoded.lines.len()]);
            assert_eq!(decoded.good + decoded.torn, n);
            assert_eq!(decoded.torn == 0, bytes[..n].is_empty() || bytes[n - 1] == b'\n');
        }
        assert_eq!(decode(&bytes).unwrap().lines, lines);
    }

    #[test]
    fn what_a_crash_leaves_is_one_line_and_more_is_damage() {
        let (bytes, lines) = journal();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let starts: Vec<usize> = text.match_indices("{\"hash\":\"").map(|(at, _)| at).collect();
        // Two lines that have become one, or nothing.
        let last = bytes.len() - 1;
        let joined = |n: usize| {
            let mut joined = bytes.clone();
            joined[starts[n] - 1] = b' ';
            joined
        };
        for end in [last, last + 1] {
            assert_eq!(decode(&joined(2)[..end]).unwrap_err().line, 2);
        }
        // Noughts are no lines: how long the one that they stand for was to be, nobody knows.
        for (n, from) in
            [(1, starts[1]), (1, starts[1] + 120), (2, starts[2]), (2, starts[2] + 120)]
        {
            let mut blank = bytes.clone();
            blank[from..].fill(0);
            blank.extend([0; 4096]);
            let decoded = decode(&blank).unwrap();
            assert_eq!((&decoded.lines[..], decoded.torn), (&lines[..n], blank.len() - starts[n]));
            // Behind them there is nothing.
            blank.push(b'x');
            assert_eq!(decode(&blank).unwrap_err().line, n + 1);
        }
        // And be as long as it likes, where it is what was being written.
        let head = decode(&bytes[..starts[2]]).unwrap().head().to_owned();
        let entries = vec![lines[1].entries.clone(); 300].concat();
        let (long, _) = encode(&head, &Line { seq: 3, at: lines[2].at, entries });
        let torn = [&bytes[..starts[2]], &long[..long.len() - 100]].concat();
        assert_eq!(decode(&torn).unwrap().torn, long.len() - 100);
    }

    #[test]
    fn no_byte_can_change_unnoticed() {
        let (bytes, lines) = journal();
        for i in 0..bytes.len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut changed = bytes.clone();
                changed[i] ^= flip;
                match decode(&changed) {
                    Err(_) => {}
                    Ok(decoded) => {
                        assert!(decoded.torn > 0 && decoded.lines.len() < lines.len(), "byte {i}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_last_line_that_is_whole_but_changed_is_damage_and_not_a_crash() {
        let (bytes, _) = journal();
        let text = String::from_utf8(bytes).unwrap();
        let changed = text.replace("\"after\"", "\"befor\"");
        assert_ne!(changed, text);
        assert_eq!(decode(changed.as_bytes()).unwrap_err().line, 3);
    }

    #[test]
    fn lines_cannot_change_places_or_be_left_out() {
        let (bytes, _) = journal();
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        assert!(decode([lines[1], lines[0], lines[2]].concat().as_bytes()).is_err());
        assert!(decode([lines[0], lines[2]].concat().as_bytes()).is_err());
    }
}
