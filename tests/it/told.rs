//! What the program tells about itself: its actions, its completions, its man pages.

use std::path::Path;

use portcullis::action::catalog;
use serde_json::Value;

use crate::check::{portcullis, said};

#[test]
fn the_page_of_actions_is_what_the_program_prints() {
    let printed = said(&portcullis(&["actions", "--format", "markdown"]));
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/actions.md");
    assert!(
        std::fs::read_to_string(page).unwrap() == printed,
        "stale: portcullis actions --format markdown > docs/actions.md"
    );
    for action in catalog::all() {
        let (shape, about) = (action.shape(), action.about());
        assert!(printed.contains(&format!("\n## {}\n", shape.kind)), "{}", shape.kind);
        assert!(about.permissions.iter().all(|p| printed.contains(p)), "{}", shape.kind);
    }
}

#[test]
fn everything_said_about_an_action_is_shown_in_text_and_in_json() {
    let list = said(&portcullis(&["actions"]));
    let all: Value =
        serde_json::from_str(&said(&portcullis(&["actions", "--format", "json"]))).unwrap();
    assert_eq!(all["version"], 1);
    for (n, action) in catalog::all().iter().enumerate() {
        let (shape, about) = (action.shape(), action.about());
        assert!(list.contains(shape.kind) && list.contains(shape.title));
        let text = said(&portcullis(&["actions", shape.kind]));
        let mut told = vec![about.undo];
        told.extend(about.hazards.iter().chain(about.permissions));
        told.extend(about.d3fend.iter().chain(about.counters));
        told.extend(shape.fields.iter().flat_map(|field| [field.name, field.help]));
        told.extend(shape.phases.iter().map(|phase| phase.as_str()));
        told.extend(shape.effects.iter().map(|effect| effect.as_str()));
        let json = all["actions"][n].to_string();
        for told in told {
            assert!(text.contains(told), "{}: {told}", shape.kind);
            assert!(json.contains(told), "{}: {told}", shape.kind);
        }
    }
}

#[test]
fn an_action_that_does_not_exist_is_a_wrong_command_line() {
    let output = portcullis(&["actions", "iam.user.quarantin"]);
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("did you mean `iam.user.quarantine`?"), "{complaint}");
}

#[test]
fn completions_know_every_command_in_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = said(&portcullis(&["completions", shell]));
        for command in ["rehearse", "check", "plan", "run", "resume", "actions", "schema"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    assert_eq!(portcullis(&["completions", "tcsh"]).status.code(), Some(2));
}

#[test]
fn there_is_a_man_page_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("man1");
    assert_eq!(portcullis(&["man", into.to_str().unwrap()]).status.code(), Some(0));
    for page in ["portcullis", "portcullis-check", "portcullis-plan", "portcullis-cloud-serve"] {
        let text = std::fs::read_to_string(into.join(format!("{page}.1"))).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
    // A file where the directory should be.
    let taken = into.join("portcullis.1");
    assert_eq!(portcullis(&["man", taken.to_str().unwrap()]).status.code(), Some(5));
}
