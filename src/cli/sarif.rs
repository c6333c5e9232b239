//! What `check` found, as SARIF 2.1.0: the form in which code hosts and editors take findings.
//!
//! One run; a rule for every code there is, with its page as help, so that the findings explain themselves
//! where they are shown. A playbook that could not be read at all is a notification of the tool, as the
//! standard wants it, and the invocation did not succeed. Returns text and prints nothing.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::check::Checked;
use super::diagnostics;
use crate::diagnostic::{Code, Diagnostic, Label, Place, Severity};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What stands for itself in the path of a URI.
const IN_A_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The document.
pub(super) fn sarif(checked: &[Checked]) -> String {
    let results: Vec<Value> = checked
        .iter()
        .flat_map(|checked| {
            let file = checked.file.as_str();
            checked.problems().shown().iter().map(|p| result(p, file)).collect::<Vec<_>>()
        })
        .collect();
    let unreadable: Vec<Value> = checked
        .iter()
        .filter_map(|checked| {
            let failure = checked.reading.as_ref().err()?;
            Some(json!({
                "level": "error",
                "message": { "text": failure.line() },
                "locations": [{ "physicalLocation": { "artifactLocation": artifact(&checked.file) } }],
            }))
        })
        .collect();
    let rules: Vec<Value> = Code::ALL.iter().map(|code| rule(*code)).collect();
    diagnostics::printed(&json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": env!("CARGO_PKG_NAME"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": unreadable.is_empty(),
                "toolExecutionNotifications": unreadable,
            }],
            "artifacts": checked
                .iter()
                .map(|checked| json!({ "location": artifact(&checked.file) }))
                .collect::<Vec<_>>(),
            "results": results,
        }],
    }))
}

fn rule(code: Code) -> Value {
    let page = code.page();
    // A page is a heading, a blank line, and a first paragraph that says it all.
    let paragraph = page.split("\n\n").nth(1).unwrap_or_default().replace('\n', " ");
    json!({
        "id": code.as_str(),
        "shortDescription": { "text": paragraph.trim() },
        "help": { "text": page, "markdown": page },
    })
}

fn result(problem: &Diagnostic, file: &str) -> Value {
    let message = match &problem.help {
        Some(help) => format!("{} ({help})", problem.message),
        None => problem.message.clone(),
    };
    let here = match &problem.primary {
        Some(Label { place, .. }) => location(place),
        None => json!({ "physicalLocation": { "artifactLocation": artifact(file) } }),
    };
    let related: Vec<Value> = problem
        .others
        .iter()
        .enumerate()
        .map(|(n, label)| {
            let mut location = location(&label.place);
            location["id"] = json!(n);
            location["message"] = json!({ "text": label.text });
            location
        })
        .collect();
    json!({
        "ruleId": problem.code.as_str(),
        "ruleIndex": Code::ALL.iter().position(|code| *code == problem.code),
        "level": match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": { "text": message },
        "locations": [here],
        "relatedLocations": related,
    })
}

fn location(place: &Place) -> Value {
    let (line, column) = place.line_column();
    let (end_line, end_column) = place.source().line_column(place.range().end);
    json!({ "physicalLocation": {
        "artifactLocation": artifact(place.source().name()),
        "region": {
            "startLine": line,
            "startColumn": column,
            "endLine": end_line,
            "endColumn": end_column,
        },
    } })
}

/// A file by its URI: relative where its path is, as code hosts want it.
fn artifact(file: &str) -> Value {
    let path = file.trim_start_matches("./");
    let encoded = utf8_percent_encode(path, IN_A_PATH);
    let absolute = if path.starts_with('/') { "file://" } else { "" };
    json!({ "uri": format!("{absolute}{encoded}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_uri() {
        let uri = |path: &str| artifact(path)["uri"].as_str().unwrap().to_owned();
        assert_eq!(uri("./playbooks/a b/playbook.yaml"), "playbooks/a%20b/playbook.yaml");
        assert_eq!(uri("/srv/ü#1.yaml"), "file:///srv/%C3%BC%231.yaml");
    }
}
