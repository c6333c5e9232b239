//! What the program hands to authors: its actions, completions and man pages, and a playbook to begin with.

use std::path::Path;

use portcullis::action::catalog;
use portcullis::exit::Exit;
use serde_json::Value;

use crate::check::{objections, portcullis, said};

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
        told.extend(about.d3fend.iter().chain(about.counters).chain(about.tested));
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

fn is_there(test: &str) {
    let (modules, name) = test.rsplit_once("::").unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/it/{}.rs", modules.replace("::", "/")));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{test}: {error}"));
    assert!(text.contains(&format!("#[test]\nfn {name}()")), "{test}");
}

#[test]
fn every_test_that_an_action_names_is_there() {
    for action in catalog::all() {
        for test in action.about().tested {
            is_there(test);
        }
    }
}

/// Every row of the page on what goes wrong is shown by a test; every exit code has its part of the first half.
#[test]
fn what_goes_wrong_is_shown_by_tests_that_are_there_and_every_exit_code_is_answered() {
    let page = include_str!("../../docs/failure-modes.md");
    let by_code = page.split("## By exit code").nth(1).unwrap();
    let (by_code, rows) = by_code.split_once("## By what happened").unwrap();
    let headings = by_code.lines().filter_map(|line| line.strip_prefix("### "));
    let mut answered: Vec<u8> = headings
        .flat_map(|heading| heading.split(':').next().unwrap().split(", "))
        .map(|code| code.parse().unwrap())
        .collect();
    answered.sort_unstable();
    let codes: Vec<u8> = (0..=u8::MAX).filter(|code| Exit::of(*code).is_some()).collect();
    assert_eq!(answered, codes);
    let rows = rows
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter(|line| !line.contains("shown by"));
    let mut shown = 0;
    for row in rows {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let tests = cell.split('`').skip(1).step_by(2).filter(|name| name.contains("::"));
        let before = shown;
        for test in tests {
            is_there(test);
            shown += 1;
        }
        assert!(shown > before, "{row}");
    }
    assert!(shown > 40, "{shown}");
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

#[test]
fn what_new_makes_is_right_and_rehearses_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let within = |rest: &str| dir.path().join(rest).to_str().unwrap().to_owned();
    let made = portcullis(&["new", "stolen-laptop", "--in", &within("playbooks")]);
    assert_eq!(made.status.code(), Some(0));
    let folder = within("playbooks/stolen-laptop");
    // What it says comes next is what is typed next.
    let told = said(&made);
    assert!(told.ends_with(&format!("Next: portcullis rehearse {folder}\n")), "{told}");
    for file in ["playbook.yaml", "world.yaml", "README.md"] {
        let text = std::fs::read_to_string(Path::new(&folder).join(file)).unwrap();
        assert!(!text.contains("NAME") && !text.contains("FOLDER"), "{file}");
    }

    let checked = portcullis(&["check", &folder]);
    assert_eq!(checked.status.code(), Some(0));
    assert!(checked.stderr.is_empty(), "nor is there anything to warn of");
    let schema: Value = serde_json::from_slice(
        &std::fs::read(within("playbooks/stolen-laptop/playbook.schema.json")).unwrap(),
    )
    .unwrap();
    let text = std::fs::read_to_string(within("playbooks/stolen-laptop/playbook.yaml")).unwrap();
    let playbook: Value = serde_yaml::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert_eq!(objections(&validator, &playbook), Vec::<String>::new());

    let played = portcullis(&["rehearse", &folder, "--cases", &within("cases")]);
    assert_eq!(played.status.code(), Some(11), "{}", said(&played));

    // A second one of that name is refused, and the first is as it was.
    assert_eq!(
        portcullis(&["new", "stolen-laptop", "--in", &within("playbooks")]).status.code(),
        Some(5)
    );
    assert_eq!(std::fs::read_to_string(Path::new(&folder).join("playbook.yaml")).unwrap(), text);
}

#[test]
fn a_playbook_has_a_name_that_check_would_take() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["Stolen Laptop", "../up", "a--b", "", "-x-"] {
        let output = portcullis(&["new", "--in", dir.path().to_str().unwrap(), "--", name]);
        assert_eq!(output.status.code(), Some(2), "{name}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    // Where it is made stands in its comments, whatever that is called.
    let odd = dir.path().join("a\nb: c");
    let output = portcullis(&["new", "fine", "--in", odd.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    for file in ["playbook.yaml", "world.yaml", "README.md"] {
        let text = std::fs::read_to_string(odd.join("fine").join(file)).unwrap();
        assert!(!text.lines().any(|line| line.starts_with("b: c")), "{text}");
    }
}
