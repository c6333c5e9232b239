//! The report of a case: from its directory alone, the same for everybody, and in agreement with the ledger.

use serde_json::Value;

use crate::stage::{PLAYBOOK, WORLD};
use crate::words::Rehearsal;

fn told(rehearsal: &Rehearsal, more: &[&str]) -> String {
    let (code, screen) = rehearsal.say(&[&["report"][..], more].concat());
    assert_eq!(code, Some(0), "{screen}");
    screen
}

#[test]
fn a_report_says_what_happened_how_everything_stands_and_what_is_left() {
    let rehearsal = Rehearsal::of(WORLD, PLAYBOOK);
    assert_eq!(rehearsal.code, Some(11));
    let why = ["--reason", "looked into", "--as", "anna"];
    rehearsal.say(&[&["waive", "role-sessions/auditor", "--until", "14d"][..], &why].concat());
    let text = told(&rehearsal, &[]);
    for part in [
        "A REHEARSAL. Nothing of it is real.",
        "On 24 March 2026, 07:1",
        "Left to do\n",
        "early warning (24 hours): by 2026-03-25 07:1",
        "REPLACED: access key AKIAEXAMPLELEAKED001 of ci-deploy",
        "the gate, which asks for settled proof, was opened",
        "was waived until",
        "nothing of this case keeps it out; ",
        "/anna",
        "Not touched, and why\n",
        "nothing after it is known",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(text, told(&rehearsal, &[]), "the same case, the same report");
    let aware = ["--aware-at", "2026-03-20T10:00:00Z"];
    let aware = told(&rehearsal, &aware);
    assert!(
        aware.contains("early warning (24 hours): by 2026-03-21 10:00:00 UTC, which has passed"),
        "{aware}"
    );

    let markdown = told(&rehearsal, &["--format", "markdown"]);
    assert!(markdown.starts_with("# Report: ") && markdown.contains("\n## Every credential\n"));

    // What it says of every credential is what the status says.
    let report: Value = serde_json::from_str(&told(&rehearsal, &["--format", "json"])).unwrap();
    let (_, status) = rehearsal.say(&["status", "--format", "json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(report["ledger"], status["ledger"]["rows"]);
    assert_eq!(report["record"]["head"], status["journal"]["head"]);
    assert_eq!(report["summary"].as_array().unwrap().len(), 5);
}

/// Which of his keys a new one is for, the playbook need not say.
#[test]
fn a_key_whose_owner_has_a_new_one_is_not_said_to_have_nothing_in_its_place() {
    let without = PLAYBOOK.replace("      replaces: ${{ inputs.access_key_id }}\n", "");
    assert_ne!(without, PLAYBOOK);
    let text = told(&Rehearsal::of(WORLD, &without), &[]);
    assert!(!text.contains("nothing in its place"), "{text}");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains(
            "access key AKIAEXAMPLELEAKED001 of ci-deploy: off, and ci-deploy has a new key (AKIA"
        ),
        "{text}"
    );
}
