//! The JSON Schema of playbooks: it objects to nothing that is right, and to what it can tell is wrong.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use portcullis::action::catalog::Actions;
use portcullis::diagnostic::{Code, Source};
use portcullis::playbook;
use serde_json::{Value, json};

use crate::check::{objections, portcullis, said};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn schema() -> jsonschema::Validator {
    jsonschema::validator_for(&playbook::schema(&Actions::new())).unwrap()
}

/// As an editor's YAML server reads it; `None` where that is no YAML at all.
fn as_json(text: &str) -> Option<Value> {
    serde_yaml::from_str(text).ok()
}

/// The text of every file with that ending below a directory.
fn files(dir: &Path, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files(&path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            found.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn the_committed_copy_is_what_the_program_prints() {
    let printed = portcullis(&["schema"]);
    assert_eq!(printed.status.code(), Some(0));
    let committed = std::fs::read_to_string(root().join("docs/playbook.schema.json")).unwrap();
    assert!(said(&printed) == committed, "stale: portcullis schema > docs/playbook.schema.json");
    let shipped = std::fs::read_to_string(root().join("playbooks/leaked-access-key/playbook.yaml"));
    let line = "# yaml-language-server: $schema=../../docs/playbook.schema.json\n";
    assert!(shipped.unwrap().contains(line), "the shipped playbook shows how it is wired");
}

#[test]
fn every_shipped_playbook_is_what_the_schema_wants() {
    let schema = schema();
    let shipped = files(&root().join("playbooks"), "playbook.yaml");
    assert!(!shipped.is_empty());
    for (name, text) in shipped {
        assert_eq!(objections(&schema, &as_json(&text).unwrap()), Vec::<String>::new(), "{name}");
    }
}

/// A fragment of a page in the place it would have: under a playbook, or in a step.
fn in_its_place(fragment: &Value) -> Option<Value> {
    let step = json!({ "id": "cut", "phase": "contain", "uses": "iam.user.quarantine", "with": { "user": "a" } });
    let mut whole = json!({ "portcullis": 1, "name": "p", "title": "P", "steps": [step] });
    let known = |table: &[playbook::Field], name: &str| table.iter().any(|f| f.name == name);
    let fields = fragment.as_object()?;
    if fields.keys().all(|name| known(playbook::PLAYBOOK, name)) {
        whole.as_object_mut().unwrap().extend(fields.clone());
    } else if fields.keys().all(|name| known(playbook::STEP, name)) {
        whole["steps"][0].as_object_mut().unwrap().extend(fields.clone());
    } else {
        return None;
    }
    Some(whole)
}

#[test]
fn every_accepted_example_of_a_page_is_what_the_schema_wants() {
    let schema = schema();
    let mut tried = 0;
    for code in Code::ALL {
        // Every page has two examples, and the second is the accepted one.
        let Some(example) = code.page().split("\n```yaml\n").nth(2) else { continue };
        let example = example.split("\n```").next().unwrap();
        let Some(whole) = as_json(example).and_then(|fragment| in_its_place(&fragment)) else {
            continue;
        };
        if example.contains("...") {
            continue;
        }
        tried += 1;
        assert_eq!(objections(&schema, &whole), Vec::<String>::new(), "{code}: {example}");
    }
    assert!(tried >= 12, "{tried} examples");
    println!("{tried} accepted examples");
}

/// Mistakes of shape. What is not among them (circles, references, the gate, what an expression gives) is
/// for `check`.
const OF_SHAPE: &[&str] = &[
    "bad-value",
    "missing-key",
    "unknown-action",
    "unknown-key",
    "unsupported-version",
    "wrong-phase",
    "wrong-type",
    "gate-proof",
];

/// Broken playbooks whose code is among them and whose mistake a schema cannot express, with the reason.
const BEYOND_IT: &[(&str, &str)] = &[
    ("bad-value--default-out-of-bounds.yaml", "one value is held against another"),
    ("bad-value--no-value-fits.yaml", "one value is held against another"),
    ("wrong-type--bound.yaml", "which types a bound is for"),
    ("gate-proof--margin-too-long.yaml", "lengths of time have no order in a schema"),
    ("gate-proof--margin.yaml", "lengths of time have no order in a schema"),
    ("wrong-type--absent.yaml", "what an expression gives"),
    ("wrong-type--never-nothing.yaml", "what an expression gives"),
    ("wrong-type--field-of-none.yaml", "what an expression gives"),
    ("wrong-type--not-asked-for.yaml", "what an expression gives"),
    ("wrong-type--expression.yaml", "what an expression gives"),
    ("wrong-type--other-identifier.yaml", "what an expression gives"),
    ("expression-failed--always.yaml", "what an expression gives"),
    ("wrong-type--object.yaml", "what an expression gives"),
    ("wrong-type--literal-arguments.yaml", "what an expression gives"),
    ("wrong-type--may-be-nothing.yaml", "what an expression gives"),
    ("wrong-type--operands.yaml", "what an expression gives"),
    ("unsupported-yaml--tag.yaml", "what a tag makes of a value"),
];

#[test]
fn every_broken_playbook_whose_mistake_a_schema_can_express_is_refused_by_it() {
    let schema = schema();
    let mut wrong = Vec::new();
    let mut beyond: BTreeSet<&str> = BEYOND_IT.iter().map(|(name, _)| *name).collect();
    let (mut refused, mut read) = (0, 0);
    for (name, text) in files(&root().join("tests/data/broken"), ".yaml") {
        let codes: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# expect: ")?.split(' ').next())
            .collect();
        let Some(value) = as_json(&text) else { continue };
        read += 1;
        let objections = objections(&schema, &value);
        refused += usize::from(!objections.is_empty());
        let expected = codes.iter().any(|code| OF_SHAPE.contains(code));
        let excused = beyond.remove(name.as_str());
        if expected && !excused && objections.is_empty() {
            wrong.push(format!("{name}: {codes:?} is not seen"));
        }
        if excused && !objections.is_empty() {
            wrong.push(format!("{name}: is seen after all: {objections:?}"));
        }
        // The other way round: it objects to nothing the decoder takes.
        let source = Source::new(name.as_str(), text.as_str());
        if playbook::read(&source, &Actions::new()).is_ok() && !objections.is_empty() {
            wrong.push(format!("{name}: is right, and the schema says {objections:?}"));
        }
    }
    assert!(beyond.is_empty(), "no such playbooks: {beyond:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{refused} of {read} broken playbooks are refused by the schema");
}

#[test]
fn what_a_type_shows_as_an_example_the_schema_takes() {
    let schema = schema();
    for name in playbook::FieldType::names() {
        let ty = playbook::FieldType::find(name).unwrap();
        // A key that everybody could copy would be sealed to.
        let example = match name {
            "age-recipient" => crate::sealed::pairs()[0].recipient.to_string(),
            _ => ty.example().replace("...", "IOSFODNN7EXAMPLE"),
        };
        let value = ty.accept_typed(&example).unwrap();
        for (name, value) in
            [(name.to_owned(), value.clone()), (format!("list of {name}"), json!([value]))]
        {
            let input = json!({ "inputs": { "x": { "type": name, "default": value } } });
            let whole = in_its_place(&input).unwrap();
            assert_eq!(objections(&schema, &whole), Vec::<String>::new(), "{name}");
        }
    }
}
