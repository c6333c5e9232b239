//! What others found: credentials that a scanner or a list names, and users that a credential report names.
//!
//! Read from TruffleHog's JSON lines, Gitleaks' JSON array, an IAM credential report, or any CSV with access key
//! ids in it. What is kept is which credential, where it lay, and who found it. A value that was found is in
//! nobody's hands after reading: it is typed [`Secret`], looked through for key ids, and dropped.
//! Never takes less than it was given in silence: where a line is not understood nothing is taken, and every such line is
//! told by its place and never by what stands there; lines that name no credential are told beside what is taken.
//! Decides nothing else; planning compares with what the account has.

mod scanners;
mod table;

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::{AccessKeyId, UserName};
use crate::secret::Secret;

/// The longest file that is read, in bytes.
pub const MAX_BYTES: u64 = 128 << 20;
/// The most that files may say together. An account has ten thousand access keys as AWS limits it.
pub const MOST: usize = 200_000;
/// Lines of a file that are told one by one; the rest is counted.
const TOLD: usize = 20;
/// So much of a finder's words is kept, in characters.
const LONGEST_WORDS: usize = 300;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The access key; `None` for whatever else it is.
    pub key: Option<AccessKeyId>,
    /// What kind of thing it is, in the finder's words: `AWS`, `slack-bot-token`.
    pub kind: String,
    /// Where it lay.
    pub place: String,
}

/// A user as a credential report has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// The user.
    pub user: UserName,
    /// Whether there is a console password.
    pub password: bool,
    /// Access keys that are active.
    pub active_keys: usize,
    /// Signing certificates that are active.
    pub active_certificates: usize,
}

/// What a file holds. Sorted; nothing twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// Credentials.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub found: BTreeSet<Finding>,
    /// Users of a credential report.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub reported: BTreeSet<Reported>,
    /// How many lines name no credential, and were told when the file was read.
    #[serde(default, skip_serializing_if = "is_none")]
    pub unused: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_none(n: &usize) -> bool {
    *n == 0
}

/// A line that is not used, and why: never with a word of what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The bytes of the file that it is about.
    pub at: Range<usize>,
    /// Why.
    pub why: String,
}

/// Lines that are not used: the first of them, and how many more there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// In the order of the file.
    pub told: Vec<Line>,
    /// How many more.
    pub more: usize,
}

impl Lines {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.told.len() + self.more
    }

    fn tell(&mut self, at: Range<usize>, why: impl FnOnce() -> String) {
        if self.told.len() < TOLD {
            self.told.push(Line { at, why: why() });
        } else {
            self.more += 1;
        }
    }
}

/// What came of reading a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What it says.
    pub findings: Findings,
    /// Lines that are understood, and name no credential.
    pub unused: Lines,
}

/// A file of which nothing is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is none of those that are read, or too much.
    File(String),
    /// It has lines that are not understood.
    Lines {
        /// Those.
        wrong: Lines,
        /// And those that name no credential.
        unused: Lines,
    },
}

const NONE_OF_THOSE: &str = "neither findings of TruffleHog or Gitleaks, nor a credential report, nor a CSV with access key ids. \
                             Names of users go into an input of the playbook: -i NAME=@FILE";

impl Findings {
    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty() && self.reported.is_empty()
    }

    /// How much it says.
    pub fn count(&self) -> usize {
        self.found.len() + self.reported.len()
    }

    /// What is said of a key, without going through all of it: of a hundred thousand keys each asks.
    pub fn of<'f>(&'f self, key: &'f AccessKeyId) -> impl Iterator<Item = &'f Finding> {
        let least = Finding { key: Some(key.clone()), kind: String::new(), place: String::new() };
        self.found.range(least..).take_while(move |one| one.key.as_ref() == Some(key))
    }

    /// Reads a file; `name` is what it is called. With the hash of its bytes.
    pub fn in_file(name: &str, text: &Secret) -> (String, Result<Reading, Refused>) {
        let text = text.expose();
        (hex::encode(Sha256::digest(text)), read(name, text))
    }
}

fn read(name: &str, text: &str) -> Result<Reading, Refused> {
    let marked = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut taken = Taking { before: text.len() - marked.len(), ..Taking::default() };
    match marked.trim_start().chars().next() {
        Some('[') => scanners::gitleaks(marked, &mut taken),
        Some('{') => scanners::trufflehog(marked, &mut taken),
        _ => table::csv(name, marked, &mut taken),
    }
    taken.result()
}

/// What is taken of a file while it is read.
#[derive(Default)]
struct Taking {
    findings: Findings,
    wrong: Lines,
    unused: Lines,
    /// Whether it is one of those that are read, though it may say nothing.
    is_known: bool,
    /// Bytes before the text that is read.
    before: usize,
}

impl Taking {
    /// Whether there is too much of it to go on.
    fn is_full(&self) -> bool {
        self.findings.count() > MOST
    }

    /// A line that is not understood.
    fn wrong(&mut self, at: Range<usize>, why: impl FnOnce() -> String) {
        self.wrong.tell(at.start + self.before..at.end + self.before, why);
    }

    /// A line that names no credential.
    fn unused(&mut self, at: Range<usize>, why: &str) {
        self.unused.tell(at.start + self.before..at.end + self.before, || why.to_owned());
    }

    fn result(mut self) -> Result<Reading, Refused> {
        if self.is_full() {
            return Err(Refused::File(too_much()));
        }
        let is_other = self.wrong.told.iter().all(|line| line.why == NOT_OURS);
        if self.findings.is_empty() && !self.is_known && is_other {
            return Err(Refused::File(NONE_OF_THOSE.to_owned()));
        }
        if self.wrong.count() > 0 {
            return Err(Refused::Lines { wrong: self.wrong, unused: self.unused });
        }
        self.findings.unused = self.unused.count();
        Ok(Reading { findings: self.findings, unused: self.unused })
    }
}

/// Said of a line by which a file shows that it is none of those that are read.
const NOT_OURS: &str = "this is no finding";

/// Why files that say more are refused.
pub fn too_much() -> String {
    format!("there are more than {MOST} findings: an account has no more than 10,000 access keys")
}

/// Words of a finder, as far as they are kept.
fn in_short(words: &str) -> String {
    match words.char_indices().nth(LONGEST_WORDS) {
        Some((end, _)) => format!("{}...", &words[..end]),
        None => words.to_owned(),
    }
}

/// Access key ids that stand in a text by themselves.
fn keys_in(text: &str) -> BTreeSet<AccessKeyId> {
    words(text)
        .filter(|word| word.len() == LENGTH)
        .filter_map(|word| AccessKeyId::parse(word).ok())
        .collect()
}

/// So long is the id of an access key.
const LENGTH: usize = 20;

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn keys(findings: &Findings) -> Vec<(&str, &str)> {
        let of = |one: &'_ Finding| {
            (one.key.as_ref().map_or("-", |k| k.as_str()).to_owned(), one.place.clone())
        };
        let all: Vec<(String, String)> = findings.found.iter().map(of).collect();
        all.leak().iter().map(|(key, place)| (key.as_str(), place.as_str())).collect()
    }

    #[test]
    fn what_trufflehog_found_is_kept_without_its_value() {
        let aws = format!(
            r#"{{"SourceMetadata":{{"Data":{{"Git":{{"commit":"0123456789abcdef","file":"deploy.yml","line":7}}}}}},"DetectorName":"AWS","Verified":true,"Raw":"AKIAEXAMPLELEAKED001","RawV2":"AKIAEXAMPLELEAKED001:{SECRET}"}}"#
        );
        let slack = r#"{"SourceMetadata":{"Data":{"Filesystem":{"file":"notes.txt"}}},"DetectorName":"Slack","Raw":"xoxb-canary"}"#;
        let text = format!("{{\"level\":\"info\",\"msg\":\"running\"}}\n{aws}\n{slack}\n");
        let findings = read("found.json", &text).unwrap().findings;
        assert_eq!(
            keys(&findings),
            [("-", "notes.txt"), ("AKIAEXAMPLELEAKED001", "deploy.yml:7 (commit 0123456789ab)")]
        );
        let kept = format!("{findings:?}{}", serde_json::to_string(&findings).unwrap());
        assert!(!kept.contains(SECRET) && !kept.contains("xoxb-canary"), "{kept}");
    }

    #[test]
    fn what_gitleaks_found_is_kept_without_its_value() {
        let text = format!(
            r#"[{{"RuleID":"aws-access-token","File":"ci/env","StartLine":3,"Commit":"","Secret":"AKIAEXAMPLELEAKED001","Match":"key=AKIAEXAMPLELEAKED001 {SECRET}"}},
               {{"RuleID":"generic-api-key","File":"a","StartLine":1,"Commit":"","Secret":"{SECRET}"}}]"#
        );
        let findings = read("leaks.json", &text).unwrap().findings;
        assert_eq!(keys(&findings), [("-", "a:1"), ("AKIAEXAMPLELEAKED001", "ci/env:3")]);
        assert!(!format!("{findings:?}").contains(SECRET));
    }

    #[test]
    fn a_list_and_a_credential_report_are_told_apart() {
        let list = format!("Owner,Key,Secret\nci,\"AKIAEXAMPLELEAKED001\",{SECRET}\r\n");
        let findings = read("list.csv", &list).unwrap().findings;
        assert_eq!(keys(&findings), [("AKIAEXAMPLELEAKED001", "list.csv:2")]);
        let report = "user,arn,password_enabled,access_key_1_active,access_key_2_active,cert_1_active,cert_2_active\n\
                      <root_account>,a,not_supported,false,false,false,false\nanna,b,true,true,false,false,true\n";
        let findings = read("report.csv", report).unwrap().findings;
        let anna = findings.reported.first().unwrap();
        assert_eq!((findings.reported.len(), anna.user.as_str()), (1, "anna"));
        assert_eq!((anna.password, anna.active_keys, anna.active_certificates), (true, 1, 1));
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_a_word_of_what_it_holds() {
        for text in [
            String::new(),
            "a,b\nc,d\n".to_owned(),
            format!("[{{\"Secret\": \"{SECRET}\""),
            format!("[{{\"Secret\": \"{SECRET}\"}}]"),
            format!("{{\"Raw\": \"{SECRET}\" oops"),
            format!("[{{\"RuleID\": {{\"x\": \"{SECRET}\"}}}}]"),
            format!("key\nAKIAEXAMPLELEAKED001{SECRET}\n"),
        ] {
            let error = format!("{:?}", read("x", &text).unwrap_err());
            assert!(!error.contains(SECRET) && !error.contains("wJalr"), "{error}");
        }
    }

    /// What is said of every line of a file that is refused: its line, the text it is about, and why.
    fn wrong(text: &str) -> Vec<(usize, &str, String)> {
        let Err(Refused::Lines { wrong, .. }) = read("x", text) else { panic!("{text} is taken") };
        assert_eq!(wrong.more, 0);
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        wrong.told.into_iter().map(|one| (line(one.at.start), &text[one.at], one.why)).collect()
    }

    #[test]
    fn no_line_of_a_list_is_passed_over_in_silence() {
        let list = "\u{feff}key,owner\nAKIAEXAMPLELEAKED001,ci\nAKIAEXAMPLELEAKED02,a\n\n# a remark\n\"AKIAEXAMPLELEAKED0\n33\",b\n\
                    akiaexampleleaked004,Asia\nnobody,asia-pacific\n\"AKIAEXAMPLELEAKED005,c\n";
        let why = |n: usize| {
            format!("no access key id: {n} characters that begin with `AKIA`, and one has 20")
        };
        assert_eq!(
            wrong(list),
            [
                (3, "AKIAEXAMPLELEAKED02", why(19)),
                (6, "\"AKIAEXAMPLELEAKED0\n33\"", why(18)),
                (
                    8,
                    "akiaexampleleaked004",
                    "no access key id: it begins with `akia`, and one has capital letters and digits alone"
                        .to_owned()
                ),
                (
                    10,
                    "\"",
                    "a quotation mark that is not closed: what stands behind it cannot be told apart"
                        .to_owned()
                ),
            ]
        );
        let Err(Refused::Lines { unused, .. }) = read("x", list) else { unreachable!() };
        assert_eq!(unused.told.len(), 1, "{unused:?}");

        let taken = read("x", "AKIAEXAMPLELEAKED001\nnobody,-\n").unwrap();
        assert_eq!((taken.findings.count(), taken.findings.unused), (1, 1));
        assert_eq!(taken.unused.told[0].why, "no access key id stands in this line");

        let report = "user,password_enabled,access_key_1_active,access_key_2_active\n\
                      <root_account>,not_supported,false,false\nan na,true,false,false\nanna,yes,true,true\nbert,true\n";
        let said: Vec<usize> = wrong(report).into_iter().map(|(line, ..)| line).collect();
        assert_eq!(said, [3, 4, 5]);
    }

    #[test]
    fn what_is_wrong_with_one_finding_hides_no_other() {
        let gitleaks = "[\n{\"RuleID\": \"a\", \"File\": \"f\"},\n5,\n{\"RuleID\": [7], \"File\": \"f\"},\n{\"File\": oops}]";
        let lines = |text| wrong(text).into_iter().map(|(line, ..)| line).collect::<Vec<_>>();
        assert_eq!(lines(gitleaks), [3, 4, 5]);
        assert_eq!(lines("[{\"RuleID\": \"a\", \"File\": \"f\"}]\n[]"), [2]);
        let good = "{\"DetectorName\": \"AWS\", \"Raw\": \"AKIAEXAMPLELEAKED001\"}";
        let trufflehog = format!(
            "{good}\n{{\"level\": 1}}\n{{\"Raw\": \"x\"}}\n7\n{{\"DetectorName\n{good} {good}\n"
        );
        assert_eq!(lines(&trufflehog), [3, 4, 5, 6]);
        // A scan that found nothing is one.
        for nothing in ["[]", "{\"level\": \"info\", \"msg\": \"finished\"}"] {
            assert_eq!(read("x", nothing).unwrap().findings.count(), 0, "{nothing}");
        }
        let redacted =
            "[{\"RuleID\": \"aws-access-token\", \"File\": \"f\", \"Secret\": \"REDACTED\"}]";
        assert_eq!(read("x", redacted).unwrap().unused.count(), 1);
    }

    #[test]
    fn what_is_told_is_bounded_and_so_is_what_is_taken() {
        let list = "AKIAEXAMPLELEAKED02\n".repeat(5_000);
        let Err(Refused::Lines { wrong, .. }) = read("x", &list) else { panic!("it is taken") };
        assert_eq!((wrong.told.len(), wrong.more), (TOLD, 5_000 - TOLD));
        let list: String = (0..=MOST).map(|n| format!("AKIA{n:016}\n")).collect();
        assert_eq!(read("x", &list), Err(Refused::File(too_much())));
        let deep = format!("[{}", "[".repeat(1_000_000));
        assert!(matches!(read("x", &deep), Err(Refused::Lines { .. })));
    }
}
