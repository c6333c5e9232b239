//! An undo as people see it on the command line: shown, asked about, closed, and at its end.

use std::collections::BTreeSet;

use portcullis::journal;
use portcullis::plan::SavedPlan;

use super::CONTAINED;
use crate::words::{Rehearsal, WHY};

#[test]
fn an_undo_is_shown_asked_about_kept_in_the_case_and_resumed() {
    let rehearsal = Rehearsal::of(crate::stage::WORLD, crate::stage::PLAYBOOK);
    assert_eq!(rehearsal.code, Some(11));
    let (code, screen) = rehearsal.say(&["undo", "--dry-run"]);
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("What is taken back in account 111122223333"), "{screen}");
    // What the case has deleted is not opened again; what counts as compromised is said to be held, and how not.
    assert!(!screen.contains(": activate AKIAEXAMPLEHUNGON002"), "{screen}");
    assert!(screen.contains("new-key.1 has deleted it"), "{screen}");
    assert!(screen.contains("activate AKIAEXAMPLELEAKED001"), "{screen}");
    let clear = "What is innocent is cleared, by 2 different people, each with credentials of his own: portcullis clear";
    assert!(screen.contains("Held, as it stands") && screen.contains(clear), "{screen}");
    let next = "portcullis clear ";
    let (_, said) = screen.split_once("Next: ").unwrap();
    assert!(said.contains(next) && said.contains("; then portcullis undo "), "{screen}");
    assert!(screen.contains("new-key.1"), "what stays is said: {screen}");
    let (code, looked) = rehearsal.say(&["undo", "--dry-run", "--look"]);
    assert_eq!(code, Some(0), "{looked}");
    assert!(looked.contains("and a look at the account"), "{looked}");
    let (code, screen) = rehearsal.say(&["undo"]);
    assert_eq!(code, Some(5), "nobody typed the account: {screen}");
    let (code, screen) = rehearsal.say(&["undo", "--yes"]);
    assert_eq!(code, Some(13), "{screen}");
    assert!(screen.contains("counts as compromised"), "{screen}");
    let (code, screen) = rehearsal.say(&["undo", "--yes"]);
    assert_eq!(code, Some(5), "{screen}");
    assert!(screen.contains("being taken back already"), "{screen}");
    let (code, screen) = rehearsal.say(&["resume"]);
    assert_eq!(code, Some(13), "{screen}");
}

/// Before anybody has spoken an undo would change nothing: it is not what is typed next.
#[test]
fn where_nothing_would_come_off_the_dry_run_names_what_somebody_is_to_say() {
    let rehearsal = Rehearsal::of(crate::stage::WORLD, CONTAINED);
    let (code, screen) = rehearsal.say(&["undo", "--dry-run"]);
    assert_eq!(code, Some(0), "{screen}");
    let (_, next) = screen.split_once("Next: ").unwrap();
    let (clear, undo) =
        next.split_once("; then portcullis undo ").unwrap_or_else(|| panic!("{screen}"));
    assert!(clear.contains("portcullis clear ") && !undo.is_empty(), "{screen}");
}

/// Its denies wait for nothing but time, and go; whoever else is cut off stays so, whatever is said of him afterwards.
#[test]
fn of_an_undo_that_was_closed_nothing_goes_on_but_the_denies() {
    let rehearsal = Rehearsal::of(crate::stage::WORLD, CONTAINED);
    let says = |args: &[&str]| rehearsal.say(&[args, &WHY].concat());
    let world = || std::fs::read_to_string(rehearsal.case.join("world.json")).unwrap();
    let (code, screen) = rehearsal.say(&["undo", "--yes"]);
    assert_eq!(code, Some(13), "{screen}");
    let (code, screen) = says(&["close"]);
    assert_eq!(code, Some(0), "{screen}");
    for name in ["anna", "ben"] {
        let (code, screen) = says(&["clear", "everybody", "--as", name]);
        assert_eq!(code, Some(0), "{screen}");
        assert!(
            screen.contains("this case is closed, and what it has left cut stays cut"),
            "{screen}"
        );
        assert!(!screen.contains("may be let in again"), "{screen}");
    }
    let quarantined = world().contains("AWSDenyAll");
    assert!(quarantined, "{}", world());
    // In a rehearsal the time that is waited for comes at once.
    for _ in 0..2 {
        rehearsal.say(&["resume"]);
    }
    assert_eq!(lifts(&rehearsal), BTreeSet::from(["sessions-off".to_owned()]));
    says(&["clear", "everybody", "--as", "anna"]);
    let (code, screen) = rehearsal.say(&["resume"]);
    assert_eq!(code, Some(5), "{screen}");
    assert!(screen.contains("has closed this case"), "{screen}");
    let (code, screen) = rehearsal.say(&["undo", "--yes"]);
    assert_eq!(code, Some(5), "{screen}");
    assert!(screen.contains("stays cut until a person takes it off by hand"), "{screen}");
    let (_, screen) = rehearsal.say(&["status"]);
    assert!(screen.contains("nothing: this case is closed"), "{screen}");
    let (_, report) = rehearsal.say(&["report"]);
    let left = report.split("Left to do").nth(1).unwrap().split("Deadlines").next().unwrap();
    assert!(left.contains("is not done, and stays so: this case is closed"), "{left}");
    assert!(!left.contains("esume"), "nobody goes on with it: {left}");
}

/// The steps of whose cuts an undo has taken any back.
fn lifts(rehearsal: &Rehearsal) -> BTreeSet<String> {
    let text = std::fs::read(rehearsal.case.join("journal.jsonl")).unwrap();
    let state = journal::State::of(&journal::decode(&text).unwrap()).unwrap();
    let round = rehearsal.case.join(format!("rounds/{}/plan.json", state.round()));
    let saved = SavedPlan::from_text(&std::fs::read_to_string(round).unwrap()).unwrap();
    let back = saved.plan.carried_out().filter(|change| state.record(&change.id).attempts > 0);
    let steps = back.filter_map(|change| saved.plan.change(change.undoes.as_ref()?));
    steps.map(|cut| cut.step.as_str().to_owned()).collect()
}

/// What the plan would have handed out is nobody's to approve any more.
#[test]
fn a_case_that_was_taken_back_whole_is_looked_at_and_nothing_is_to_be_done() {
    let text = crate::stage::PLAYBOOK.replace("steps:\n", "approvals: { rotate: 1 }\nsteps:\n");
    let rehearsal = Rehearsal::of(crate::stage::WORLD, &text);
    assert_eq!(rehearsal.code, Some(6));
    for name in ["anna", "ben"] {
        let clear = ["clear", "everybody", "--as", name];
        let (code, screen) = rehearsal.say(&[&clear[..], &WHY].concat());
        assert_eq!(code, Some(0), "{screen}");
    }
    rehearsal.say(&["undo", "--yes"]);
    let (code, screen) = rehearsal.say(&["resume"]);
    let ended = (code, screen);
    let (code, screen) = rehearsal.say(&["verify"]);
    assert_eq!(code, ended.0, "{screen}\n{}", ended.1);
    assert!(!screen.contains("must be approved"), "{screen}");
    assert_eq!(code, Some(0), "{screen}");
    let (_, screen) = rehearsal.say(&["status"]);
    assert!(screen.contains("nothing is left of it"), "{screen}");
}
