//! What is run is what was read and agreed to: the typed account, and the saved plan.

use super::Untouched;
use crate::hosted::{Hosted, quick_world, ran, ran_typing};

#[test]
fn the_account_must_be_typed_and_nothing_else_will_do() {
    let world = Untouched::new();
    world.hosted.save_plan(1);
    for typed in ["", "\n", "y\n", "yes\n", "111122223334\n", "1111 2222 3333\n"] {
        let mut run = world.hosted.here(&["run", "plan.json"]);
        let words = ["type its twelve digits", "not confirmed; nothing was changed", "--yes"];
        world.refuses_typed(5, &mut run, typed, &words);
    }
    let run = ran_typing(&mut world.hosted.here(&["run", "plan.json"]), "111122223333\n");
    let run = run.ended_with(11);
    assert!(run.err.contains("Plan for account 111122223333"), "{}", run.err);
    assert!(run.out.contains("DONE, NOT PROVEN"), "{}", run.out);
}

#[test]
fn a_playbook_is_planned_shown_and_run_when_the_account_is_typed() {
    let world = Untouched::new();
    let playbook = crate::hosted::playbook_in(world.hosted.dir());
    let run = || {
        let mut run = world.hosted.here(&["run", &playbook, "--margin", "1"]);
        run.args(world.hosted.typed_inputs());
        run
    };
    world.refuses_typed(5, &mut run(), "no\n", &["Plan for account", "not confirmed"]);
    // A dry run is `plan` by another name.
    let dry = ran(run().arg("--dry-run")).ended_with(0);
    assert!(dry.out.contains("Nothing was changed."), "{}", dry.out);
    world.refuses_typed(5, &mut run(), "no\n", &["not confirmed"]);
    ran_typing(&mut run(), "111122223333\n").ended_with(11);
}

#[test]
fn a_plan_that_was_edited_is_refused() {
    let world = Untouched::new();
    world.hosted.save_plan(1);
    let path = world.hosted.dir().join("plan.json");
    let plan = std::fs::read_to_string(&path).unwrap();
    let asked = world.hosted.cloud.requests();
    for (from, to, word) in [
        ("AKIAEXAMPLEHUNGON002", "AKIAEXAMPLEBACKUP003", "was changed after it was made"),
        ("\"portcullis_plan\": 1", "\"portcullis_plan\": 2", "this program reads format 1"),
        ("\"portcullis_plan\"", "\"portcullis_palm\"", "not a plan"),
        ("{", "", "not a plan"),
    ] {
        let edited = plan.replace(from, to);
        assert_ne!(edited, plan);
        std::fs::write(&path, edited).unwrap();
        for how in [&["run", "plan.json", "--yes"][..], &["run", "plan.json", "--dry-run"]] {
            let words = ["plan plan.json is refused", word, "make it anew"];
            world.refuses(5, &mut world.hosted.here(how), &words);
        }
    }
    std::fs::remove_file(&path).unwrap();
    let mut gone = world.hosted.here(&["run", "plan.json", "--yes"]);
    world.refuses(5, &mut gone, &["cannot read plan plan.json", "-o FILE"]);
    assert_eq!(world.hosted.cloud.requests(), asked, "refused before anything is asked");
}

#[test]
fn a_plan_for_another_account_or_another_endpoint_is_refused() {
    let made = Untouched::new();
    made.hosted.save_plan(1);
    let plan = std::fs::read_to_string(made.hosted.dir().join("plan.json")).unwrap();
    let elsewhere =
        Untouched::of(Hosted::new(&quick_world().replace("111122223333", "444455556666")));
    std::fs::write(elsewhere.hosted.dir().join("plan.json"), &plan).unwrap();
    let mut run = elsewhere.hosted.here(&["run", "plan.json", "--yes"]);
    elsewhere.refuses(5, &mut run, &["is for account 111122223333", "for account 444455556666"]);
    let twin = Untouched::new();
    std::fs::write(twin.hosted.dir().join("plan.json"), &plan).unwrap();
    let mut run = twin.hosted.here(&["run", "plan.json", "--yes"]);
    let give = format!("next: give --endpoint-url {}", made.hosted.url);
    twin.refuses(5, &mut run, &["the plan was made against", &give]);
}
