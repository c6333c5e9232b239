//! `portcullis check` as a script or a pipeline sees it: one document on standard output, and an exit code.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

pub(crate) const SHIPPED: &str = "playbooks/leaked-access-key";
const BROKEN: &str = "tests/data/broken";

/// The program, run where its own repository is.
pub(crate) fn portcullis(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1")
        .env_remove("PORTCULLIS_LOG")
        .output()
        .unwrap()
}

/// What it says on standard output.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complained(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn document(args: &[&str]) -> (Value, Option<i32>) {
    let output = portcullis(args);
    assert_eq!(complained(&output), "", "a machine reads one document and nothing else");
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
}

/// What is wrong with `value` by `schema`.
pub(crate) fn objections(validator: &jsonschema::Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

fn published_schema() -> jsonschema::Validator {
    let schema = include_str!("../data/sarif/sarif-schema-2.1.0.json");
    let mut schema: Value = serde_json::from_str(schema).unwrap();
    // One pattern of it has a bracket too many, which JavaScript overlooks and stricter readers do not. It
    // is for languages, which we do not name.
    for of in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][of]["properties"]["language"];
        assert_eq!(language["pattern"].take(), "^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$");
        language["pattern"] = json!("^[a-zA-Z]{2}(-[a-zA-Z]{2})?$");
    }
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn every_broken() -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(BROKEN);
    let mut all: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| format!("{BROKEN}/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn sarif_of_every_broken_playbook_is_what_its_published_schema_wants() {
    let schema = published_schema();
    let broken = every_broken();
    let mut args = vec!["check", "--format", "sarif", SHIPPED, "no/such playbook.yaml"];
    args.extend(broken.iter().map(String::as_str));
    let (sarif, code) = document(&args);
    assert_eq!(code, Some(3));
    assert_eq!(objections(&schema, &sarif), Vec::<String>::new());

    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert!(results.len() > broken.len() / 2, "{} results", results.len());
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
    }
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let unreadable = &invocation["toolExecutionNotifications"][0];
    assert!(unreadable["message"]["text"].as_str().unwrap().contains("no/such playbook.yaml"));
    println!("{} findings in {} playbooks", results.len(), broken.len());

    // A schema that takes anything would prove nothing.
    let mut wrong = sarif.clone();
    wrong["runs"][0]["results"][0]["level"] = json!("fatal");
    assert_ne!(objections(&schema, &wrong), Vec::<String>::new());
}

#[test]
fn a_finding_in_sarif_stands_where_it_stands_in_the_file() {
    let file = "tests/data/broken/duplicate-key.yaml";
    let (sarif, code) = document(&["check", "--format", "sarif", file]);
    assert_eq!(code, Some(3));
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "duplicate-key");
    assert_eq!(
        result["message"]["text"],
        "the key `title` stands twice in one mapping (keep one of the two)"
    );
    let place = |location: &Value| {
        let physical = &location["physicalLocation"];
        assert_eq!(physical["artifactLocation"]["uri"], file);
        let region = &physical["region"];
        ["startLine", "startColumn", "endLine", "endColumn"].map(|k| region[k].as_u64().unwrap())
    };
    assert_eq!(place(&result["locations"][0]), [4, 1, 4, 6]);
    assert_eq!(place(&result["relatedLocations"][0]), [3, 1, 3, 6]);
    assert_eq!(result["relatedLocations"][0]["message"]["text"], "first here");
}

#[test]
fn json_says_of_every_playbook_whether_it_is_right() {
    let broken = "tests/data/broken/unknown-key.yaml";
    let (found, code) = document(&["check", "--format", "json", SHIPPED, broken, "absent.yaml"]);
    assert_eq!(code, Some(3));
    assert_eq!(found["version"], 1);
    assert_eq!(
        found["playbooks"][0],
        json!({ "path": format!("{SHIPPED}/playbook.yaml"), "right": true, "steps": 15, "unreadable": null })
    );
    assert_eq!(found["playbooks"][1]["right"], false);
    assert_eq!(found["diagnostics"][0]["code"], "unknown-key");
    assert_eq!(found["diagnostics"][0]["labels"][0]["path"], broken);
    let unreadable = found["playbooks"][2]["unreadable"].as_str().unwrap();
    assert!(unreadable.starts_with("cannot read playbook absent.yaml: "), "{unreadable}");
}

/// A program that asked for a document is told why there is no plan by a document.
#[test]
fn what_is_refused_is_a_document_too() {
    let broken = "tests/data/broken/unknown-key.yaml";
    let nowhere = ["rehearse", SHIPPED, "-i", "deliver_to=deploy/nowhere", "--format", "json"];
    for (args, exit, code) in [
        (&["plan", broken, "--format", "json"][..], 3, "unknown-key"),
        (&["survey", broken, "--format", "json"], 3, "unknown-key"),
        (&["run", broken, "--format", "json"], 3, "unknown-key"),
        (&["plan", SHIPPED, "--format", "json"], 2, "bad-input"),
        (&nowhere, 5, "cannot-plan"),
    ] {
        let output = portcullis(args);
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {}", complained(&output));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["version"], 1);
        assert_eq!(told["ending"]["ended"], "refused");
        assert_eq!(told["ending"]["exit"], exit);
        assert_eq!(told["diagnostics"][0]["code"], code, "{told:#}");
        let message = told["diagnostics"][0]["message"].as_str().unwrap();
        assert!(complained(&output).contains(message), "people are told as well");
    }
    // Of several accounts it says which.
    let several = "playbooks/leaked-access-key/other-accounts.yaml";
    let output = portcullis(&[&nowhere[..], &["--world", several]].concat());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (of, account) = (&told["diagnostics"][0], "111122223333");
    assert_eq!((&of["code"], &of["account"]), (&json!("cannot-plan"), &json!(account)), "{told:#}");
    assert_eq!(told["ending"]["account"], account);
    // Whoever has no credentials is told so.
    let nobody = tempfile::tempdir().unwrap();
    let output = crate::hosted::bare(
        nobody.path(),
        &["survey", "--region", "us-east-1", "--format", "json"],
    )
    .output()
    .unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", complained(&output));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["ending"]["exit"], 5);
    assert_eq!(told["diagnostics"], json!([]));
    for (said, word) in [("reasons", "no AWS credentials were found"), ("next", "--profile NAME")] {
        assert!(told["ending"][said].to_string().contains(word), "{told:#}");
    }
    let absent = portcullis(&["plan", "absent.yaml", "--format", "json"]);
    let told: Value = serde_json::from_slice(&absent.stdout).unwrap();
    let reason = told["ending"]["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("cannot read playbook absent.yaml"), "{told:#}");
    assert_eq!(said(&portcullis(&["plan", broken])), "");
}

#[test]
fn what_is_right_is_right_in_every_format_and_a_warning_breaks_nothing() {
    for format in ["text", "json", "sarif"] {
        let warned = "tests/data/broken/unused-target.yaml";
        let output = portcullis(&["check", "--format", format, SHIPPED, warned]);
        assert_eq!(output.status.code(), Some(0), "{format}");
    }
    // What it leaves open is said, and nothing is to be typed that cannot be done.
    let told = said(&portcullis(&["check", "tests/data/broken/unused-target.yaml"]));
    assert!(told.contains("It denies no sessions"), "{told}");
    assert!(!told.contains("portcullis rehearse"), "there is no world beside it: {told}");
    let told = said(&portcullis(&["check", SHIPPED]));
    assert!(!told.contains("It denies no sessions"), "{told}");
    assert!(told.contains("portcullis rehearse"), "{told}");
    let (sarif, _) = document(&["check", "--format", "sarif", SHIPPED]);
    assert_eq!(sarif["runs"][0]["results"], json!([]));
    assert_eq!(objections(&published_schema(), &sarif), Vec::<String>::new());
}

#[test]
fn several_playbooks_are_told_one_by_one_and_counted() {
    let output = portcullis(&["check", "absent.yaml", SHIPPED, "tests/data/broken/cycle.yaml"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        said(&output),
        format!("{SHIPPED}/playbook.yaml is right: 15 steps.\n1 of 3 playbooks are right.\n")
    );
    let complaints = complained(&output);
    assert!(complaints.contains("error: cannot read playbook absent.yaml"), "{complaints}");
    assert!(complaints.contains("error[cycle]"), "{complaints}");
}

/// Whoever names the folder that they are all in means all of them; where it can be but one, they are named.
#[test]
fn a_folder_of_playbooks_is_all_of_them() {
    let output = portcullis(&["check", "playbooks"]);
    assert_eq!(output.status.code(), Some(0), "{}", complained(&output));
    assert_eq!(complained(&output), "", "none of them is warned of");
    let told = said(&output);
    let each = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks")).unwrap();
    let each: Vec<String> =
        each.map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
    for name in &each {
        assert!(told.contains(&format!("playbooks/{name}/playbook.yaml is right: ")), "{told}");
    }
    assert!(told.ends_with(&format!("{0} of {0} playbooks are right.\n", each.len())), "{told}");

    let output = portcullis(&["plan", "playbooks"]);
    assert_eq!(output.status.code(), Some(3));
    let told = complained(&output);
    assert!(told.contains("next: name one of those that are in there: playbooks/"), "{told}");
    assert!(each.iter().all(|name| told.contains(&format!("playbooks/{name}"))), "{told}");
    // One that has none in it is one that cannot be read.
    assert_eq!(portcullis(&["check", "docs"]).status.code(), Some(3));
}

/// The job that `docs/ci.md` shows calls the program as it is.
#[test]
fn the_documented_job_types_what_the_program_takes() {
    let page = include_str!("../../docs/ci.md");
    let commands: Vec<&str> = page
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("- run: ").strip_prefix("portcullis "))
        .collect();
    assert!(commands.len() >= 3, "{commands:?}");
    for command in commands {
        let words: Vec<&str> = command
            .split_whitespace()
            .take_while(|word| *word != ">")
            .map(|word| if word == "playbooks/*" { SHIPPED } else { word })
            .collect();
        let output = portcullis(&words);
        assert_eq!(output.status.code(), Some(0), "{command}: {}", complained(&output));
    }
}

/// What stands in a file is mended there (3), what was typed is typed otherwise (2); neither hides the other.
#[test]
fn all_that_is_wrong_with_what_a_playbook_is_given_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let inputs = file("inputs.yaml", b"access_key_id: AKIA\nleaked_at: *then\ndeliver: prod/key\n");
    let more = file("more.yaml", b"secrets_read: [\xff]\n");
    let found = file("found.json", b"[{\"RuleID\": \"x\"}]");
    let typed = ["plan", SHIPPED, "-i", "deliver_to=env:NO_SUCH_VARIABLE", "-i", "nobody=x"];
    let output = portcullis(&[&typed[..], &["--inputs", "absent.yaml"]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", complained(&output));

    let files = ["--inputs", &inputs, "--inputs", &more, "--import", &found];
    let output = portcullis(&[&typed[..], &files].concat());
    let told = complained(&output);
    assert_eq!(output.status.code(), Some(3), "{told}");
    for what in [
        "input `deliver_to` cannot be taken from variable NO_SUCH_VARIABLE",
        "has no input `nobody`",
        "input `access_key_id` wants",
        "inputs.yaml:1:16",
        "error[unsupported-yaml]",
        "inputs.yaml:2:12",
        "has no input `deliver`",
        "did you mean `deliver_to`?",
        "more.yaml:1:16",
        "found.json:1:2",
        "this entry has no RuleID or no File",
        "next: mend what is marked above, then the same again",
    ] {
        assert!(told.contains(what), "{what}: {told}");
    }
    assert!(!told.contains("is missing"), "{told}");

    let output = portcullis(&["rehearse", SHIPPED, "--import", &found]);
    assert_eq!(output.status.code(), Some(3), "{}", complained(&output));
    let output = portcullis(&["rehearse", SHIPPED, "--import", "absent.json"]);
    assert_eq!(output.status.code(), Some(2), "{}", complained(&output));
}
