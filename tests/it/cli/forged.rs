//! Plans that nobody made and cases that nobody began. Whoever can write the files can write their digests,
//! too; what he cannot do is make the plan follow from its own playbook, inputs and inventory.

use std::path::Path;

use portcullis::plan::{Decided, Plan, SavedPlan};
use portcullis::playbook::Proof;

use super::Untouched;
use crate::hosted::{bare, ran};

/// A directory that looks like a case, outside of where cases are kept: its plan, and nothing else.
fn laid_out(dir: &Path, plan: &str) {
    std::fs::create_dir_all(dir.join("rounds/1")).unwrap();
    std::fs::write(dir.join("rounds/1/plan.json"), plan).unwrap();
}

#[test]
fn a_case_that_was_never_begun_is_not_begun_by_resuming_it() {
    let world = Untouched::new();
    world.hosted.save_plan(1);
    let plan = std::fs::read_to_string(world.hosted.dir().join("plan.json")).unwrap();
    laid_out(&world.hosted.dir().join("kept"), &plan);
    let words = ["this case was never begun", "portcullis run kept/rounds/1/plan.json"];
    world.refuses(5, &mut world.hosted.here(&["resume", "kept"]), &words);
    let status = ran(&mut bare(world.hosted.dir(), &["status", "kept"])).ended_with(0);
    let next = "Next: portcullis run kept/rounds/1/plan.json --endpoint-url ";
    assert!(status.out.contains(next), "{}", status.out);
}

/// A way to forge a plan.
type Forgery = (&'static str, fn(&mut Plan));

const FORGERIES: [Forgery; 7] = [
    ("another key is cut", |plan| {
        for change in &mut plan.changes {
            let mut decided: serde_json::Value = change.decided.get().unwrap();
            if let Some(key) = decided.get_mut("key") {
                *key = "AKIAEXAMPLEBACKUP003".into();
                change.decided = Decided::new(&decided).unwrap();
                return;
            }
        }
        panic!("no key is cut");
    }),
    ("nothing is cut", |plan| plan.changes.retain(|change| !change.cuts())),
    ("nothing is cut and nobody is in scope", |plan| {
        plan.changes.retain(|change| !change.cuts());
        plan.principals.clear();
        plan.credentials.clear();
        plan.roles.clear();
    }),
    ("nothing that issues says so", |plan| {
        plan.changes.iter_mut().filter(|change| change.is_gated()).for_each(|c| c.effects.clear());
    }),
    ("nothing waits for anything", |plan| {
        plan.changes.iter_mut().for_each(|change| change.needs.clear());
    }),
    ("the gate opens on a read-back", |plan| plan.gate.proof = Proof::ReadBack),
    ("the gate opens at once", |plan| {
        plan.gate.margin_seconds = 0;
        for warning in &mut plan.warnings {
            *warning = warning.replace("a margin of 1 s", "a margin of 0 s");
        }
    }),
];

#[test]
fn a_plan_that_was_forged_with_its_digest_is_neither_run_nor_resumed() {
    let world = Untouched::new();
    world.hosted.save_plan(1);
    let path = world.hosted.dir().join("plan.json");
    let made = SavedPlan::from_text(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let asked = world.hosted.cloud.requests();
    for (n, (what, forge)) in FORGERIES.iter().enumerate() {
        let mut forged = made.clone();
        forge(&mut forged.plan);
        assert_ne!(forged.plan, made.plan, "{what}");
        let text = forged.to_text();
        SavedPlan::from_text(&text).unwrap_or_else(|error| panic!("{what}: {error}"));
        std::fs::write(&path, &text).unwrap();
        let why = "it is not what its own playbook, inputs and inventory lead to";
        let words = ["plan plan.json is refused", why];
        world.refuses(5, &mut world.hosted.here(&["run", "plan.json", "--yes"]), &words);
        let case = format!("kept-{n}");
        laid_out(&world.hosted.dir().join(&case), &text);
        let words = ["the plan of case kept-", why];
        world.refuses(5, &mut world.hosted.here(&["resume", &case]), &words);
    }
    assert_eq!(world.hosted.cloud.requests(), asked, "refused before anything is asked");
}
