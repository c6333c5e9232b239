//! What others found: credentials that a scanner or a list names, and users that a credential report names.
//!
//! Read from TruffleHog's JSON lines, Gitleaks' JSON array, an IAM credential report, or any CSV with access key
//! ids in it. What is kept is which credential, where it lay, and who found it. A value that was found is in
//! nobody's hands after reading: it is typed [`Secret`], looked through for key ids, and dropped.
//! Decides nothing; planning compares with what the account has.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::ids::{AccessKeyId, UserName};
use crate::secret::Secret;

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
}

/// A file that is none of those that are read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

impl Findings {
    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty() && self.reported.is_empty()
    }

    /// Reads a file; `name` is what it is called. With the hash of its bytes.
    pub fn of(name: &str, text: &Secret) -> (String, Result<Self, Unreadable>) {
        let text = text.expose();
        (hex::encode(Sha256::digest(text)), Self::read(name, text))
    }

    fn read(name: &str, text: &str) -> Result<Self, Unreadable> {
        let text = text.trim_start_matches('\u{feff}');
        match text.trim_start().chars().next() {
            Some('[') => gitleaks(text),
            Some('{') => trufflehog(text),
            _ => csv(name, text),
        }
    }

    fn take(&mut self, kind: &str, place: &str, texts: &[Option<&Secret>]) {
        let keys: BTreeSet<AccessKeyId> =
            texts.iter().flatten().flat_map(|text| keys_in(text.expose())).collect();
        let finding = |key| Finding { key, kind: kind.to_owned(), place: place.to_owned() };
        if keys.is_empty() {
            self.found.insert(finding(None));
        }
        self.found.extend(keys.into_iter().map(|key| finding(Some(key))));
    }
}

/// Access key ids that stand in a text by themselves.
fn keys_in(text: &str) -> Vec<AccessKeyId> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.len() == 20)
        .filter_map(|word| AccessKeyId::parse(word).ok())
        .collect()
}

/// A value that was found. It is not kept; an error about it would show it, so there is none.
fn value<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => Some(Secret::new(text)),
        _ => None,
    })
}

#[derive(Deserialize)]
struct Gitleaks {
    #[serde(rename = "RuleID", default)]
    rule: String,
    #[serde(rename = "File", default)]
    file: String,
    #[serde(rename = "StartLine", default)]
    line: u64,
    #[serde(rename = "Commit", default)]
    commit: String,
    #[serde(rename = "Secret", default, deserialize_with = "value")]
    secret: Option<Secret>,
    #[serde(rename = "Match", default, deserialize_with = "value")]
    matched: Option<Secret>,
}

fn gitleaks(text: &str) -> Result<Findings, Unreadable> {
    let all: Vec<Gitleaks> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    let mut findings = Findings::default();
    for one in &all {
        if one.rule.is_empty() || one.file.is_empty() {
            return Err(Unreadable(
                "an entry has no RuleID or no File: not by Gitleaks".to_owned(),
            ));
        }
        let place = place(&one.file, Some(one.line), &one.commit);
        findings.take(&one.rule, &place, &[one.secret.as_ref(), one.matched.as_ref()]);
    }
    Ok(findings)
}

#[derive(Deserialize)]
struct TruffleHog {
    #[serde(rename = "DetectorName")]
    detector: Option<String>,
    #[serde(rename = "SourceMetadata", default)]
    source: Value,
    #[serde(rename = "Raw", default, deserialize_with = "value")]
    raw: Option<Secret>,
    #[serde(rename = "RawV2", default, deserialize_with = "value")]
    raw_v2: Option<Secret>,
    #[serde(rename = "Redacted", default, deserialize_with = "value")]
    redacted: Option<Secret>,
}

fn trufflehog(text: &str) -> Result<Findings, Unreadable> {
    let mut findings = Findings::default();
    for (n, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let one: TruffleHog = serde_json::from_str(line)
            .map_err(|error| Unreadable(format!("line {}: {}", n + 1, not_json(&error))))?;
        // Between findings it tells how it goes.
        let Some(detector) = &one.detector else { continue };
        let texts = [one.raw.as_ref(), one.raw_v2.as_ref(), one.redacted.as_ref()];
        findings.take(detector, &whence(&one.source), &texts);
    }
    Ok(findings)
}

/// Where it lay: the one source that TruffleHog's metadata has.
fn whence(source: &Value) -> String {
    let of = source.get("Data").and_then(Value::as_object).and_then(|data| data.iter().next());
    let Some((kind, of)) = of else { return "somewhere that was not told".to_owned() };
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

/// Says where JSON breaks off, and never what stands there.
fn not_json(error: &serde_json::Error) -> Unreadable {
    let (line, column) = (error.line(), error.column());
    Unreadable(format!("not the JSON that is expected, at line {line}, column {column}"))
}

fn csv(name: &str, text: &str) -> Result<Findings, Unreadable> {
    let mut rows = rows(text).into_iter();
    let header = rows.next().unwrap_or_default();
    let column = |name: &str| header.iter().position(|field| field.expose() == name);
    if let (Some(user), Some(password), Some(first), Some(second)) = (
        column("user"),
        column("password_enabled"),
        column("access_key_1_active"),
        column("access_key_2_active"),
    ) {
        let certificates = [column("cert_1_active"), column("cert_2_active")];
        let mut findings = Findings::default();
        for row in rows {
            let is_true = |at: Option<usize>| {
                at.and_then(|at| row.get(at)).is_some_and(|f| f.expose() == "true")
            };
            let Some(given) = row.get(user) else { continue };
            // The root user is a row of its own, and no IAM user.
            let Ok(user) = UserName::parse(given.expose()) else { continue };
            findings.reported.insert(Reported {
                user,
                password: is_true(Some(password)),
                active_keys: [first, second].iter().filter(|at| is_true(Some(**at))).count(),
                active_certificates: certificates.iter().filter(|at| is_true(**at)).count(),
            });
        }
        return Ok(findings);
    }
    let mut findings = Findings::default();
    for (n, row) in std::iter::once(header).chain(rows).enumerate() {
        let keys: BTreeSet<AccessKeyId> = row.iter().flat_map(|f| keys_in(f.expose())).collect();
        let place = format!("{name}:{}", n + 1);
        findings.found.extend(keys.into_iter().map(|key| Finding {
            key: Some(key),
            kind: "access key".to_owned(),
            place: place.clone(),
        }));
    }
    if findings.is_empty() {
        return Err(Unreadable(
            "neither findings of TruffleHog or Gitleaks, nor a credential report, nor a CSV with access key ids"
                .to_owned(),
        ));
    }
    Ok(findings)
}

/// Rows of a CSV: fields may be quoted, and quotes doubled in them. A list of keys may have their secrets beside
/// them, so every field is taken for one.
fn rows(text: &str) -> Vec<Vec<Secret>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quoted, c) {
            (true, '"') if chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            (_, '"') => quoted = !quoted,
            (false, ',') => row.push(Secret::new(std::mem::take(&mut field).trim().to_owned())),
            (false, '\n') => {
                row.push(Secret::new(std::mem::take(&mut field).trim().to_owned()));
                rows.push(std::mem::take(&mut row));
            }
            (_, c) => field.push(c),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(Secret::new(field.trim().to_owned()));
        rows.push(row);
    }
    rows
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
        let findings = Findings::read("found.json", &text).unwrap();
        assert_eq!(
            keys(&findings),
            [("-", "notes.txt"), ("AKIAEXAMPLELEAKED001", "deploy.yml:7 (commit 0123456789ab)")]
        );
        let kept = format!("{findings:?}{}", serde_json::to_string(&findings).unwrap());
        assert!(!kept.contains(SECRET) && !kept.contains("xoxb-canary"), "{kept}");
    }

    #[test]
    fn a_link_keeps_nothing_that_lets_somebody_in() {
        let place = |link| place(link, None, "");
        let token =
            "https://x-access-token:ghp_16C7e42F@github.com/org/repo/blob/a/b.env?token=A1B2#L3-L5";
        assert_eq!(place(token), "https://github.com/org/repo/blob/a/b.env#L3-L5");
        assert_eq!(place("https://a@h/?x=1#access_token=y"), "https://h/");
        assert_eq!(place("node_modules/@scope/a?b"), "node_modules/@scope/a?b");
    }

    #[test]
    fn what_gitleaks_found_is_kept_without_its_value() {
        let text = format!(
            r#"[{{"RuleID":"aws-access-token","File":"ci/env","StartLine":3,"Commit":"","Secret":"AKIAEXAMPLELEAKED001","Match":"key=AKIAEXAMPLELEAKED001 {SECRET}"}},
               {{"RuleID":"generic-api-key","File":"a","StartLine":1,"Commit":"","Secret":"{SECRET}"}}]"#
        );
        let findings = Findings::read("leaks.json", &text).unwrap();
        assert_eq!(keys(&findings), [("-", "a:1"), ("AKIAEXAMPLELEAKED001", "ci/env:3")]);
        assert!(!format!("{findings:?}").contains(SECRET));
    }

    #[test]
    fn a_list_and_a_credential_report_are_told_apart() {
        let list = format!("Owner,Key,Secret\nci,\"AKIAEXAMPLELEAKED001\",{SECRET}\r\n");
        let findings = Findings::read("list.csv", &list).unwrap();
        assert_eq!(keys(&findings), [("AKIAEXAMPLELEAKED001", "list.csv:2")]);
        let report = "user,arn,password_enabled,access_key_1_active,access_key_2_active,cert_1_active,cert_2_active\n\
                      <root_account>,a,not_supported,false,false,false,false\nanna,b,true,true,false,false,true\n";
        let findings = Findings::read("report.csv", report).unwrap();
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
        ] {
            let error = Findings::read("x", &text).unwrap_err().to_string();
            assert!(!error.contains(SECRET) && !error.contains("wJalr"), "{error}");
        }
    }
}
