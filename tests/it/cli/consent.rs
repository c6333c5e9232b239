//! What is run is what was read and agreed to: the typed account, and the saved plan.

use super::Untouched;
use crate::hosted::{Hosted, quick_world, ran, ran_typing};

#[test]
fn the_account_must_be_typed_and_nothing_else_will_do() {
    let world = Untouched::new();
    world.hosted.save_plan(1);
    let another = "is not the account of this plan, which is 111122223333; nothing was changed";
    for (typed, why, next) in [
        ("", "not confirmed; nothing was changed", "--yes"),
        ("\n", "not confirmed; nothing was changed", "--yes"),
        ("y\n", another, "make sure which account you mean"),
        ("111122223334\n", another, "make sure which account you mean"),
        ("1111 2222 3333\n", another, "make sure which account you mean"),
    ] {
        let mut run = world.hosted.here(&["run", "plan.json"]);
        world.refuses_typed(5, &mut run, typed, &["type its twelve digits", why, next]);
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
    world.refuses_typed(5, &mut run(), "\n", &["Plan for account", "not confirmed"]);
    // A dry run is `plan` by another name.
    let dry = ran(run().arg("--dry-run")).ended_with(0);
    assert!(dry.out.contains("Nothing was changed."), "{}", dry.out);
    world.refuses_typed(5, &mut run(), "\n", &["not confirmed"]);
    ran_typing(&mut run(), "111122223333\n").ended_with(11);
}

/// What lies there may have been read and agreed to, or is something else altogether.
#[test]
fn a_plan_is_not_saved_over_what_is_there_already() {
    let world = Untouched::new();
    let (dir, playbook) = (world.hosted.dir(), crate::hosted::playbook_in(world.hosted.dir()));
    let plan = |further: &[&str]| {
        let mut plan = world.hosted.here(&["plan", &playbook, "-o", "plan.json"]);
        plan.args(world.hosted.typed_inputs()).args(further);
        plan
    };
    let path = dir.join("plan.json");
    std::fs::write(&path, "mine").unwrap();
    let asked = world.hosted.cloud.requests();
    let refused = ran(&mut plan(&[])).ended_with(5);
    for part in ["plan.json is there already", "name another file; or give --replace, too"] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(world.hosted.cloud.requests(), asked, "nothing is read for a plan that is not kept");
    ran(&mut plan(&["--replace"])).ended_with(0);
    let saved = std::fs::read(&path).unwrap();
    let refused = ran(&mut plan(&[])).ended_with(5);
    assert!(refused.err.contains("portcullis run plan.json"), "{}", refused.err);
    assert_eq!(std::fs::read(&path).unwrap(), saved);
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
        ("\"portcullis_plan\": 1", "\"portcullis_plan\": 2", "made by a newer version"),
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

#[test]
fn a_plan_writes_nothing() {
    let world = Untouched::new();
    let before = world.hosted.cloud.snapshot();
    let playbook = crate::hosted::playbook_in(world.hosted.dir());
    ran(&mut world.hosted.plan(&[])).ended_with(0);
    let mut dry = world.hosted.here(&["run", &playbook, "--dry-run"]);
    ran(dry.args(world.hosted.typed_inputs())).ended_with(0);
    let dry = world.hosted.here(&["run", "plan.json", "--dry-run", "--format", "json"]);
    let dry = ran(&mut { dry }).ended_with(0);
    let shown: serde_json::Value = serde_json::from_str(&dry.out).unwrap();
    assert!(shown["plan"]["changes"].as_array().unwrap().len() > 5, "{shown}");
    let more = world.hosted.here(&["run", "plan.json", "--dry-run", "--gate", "enforced"]);
    let more = ran(&mut { more }).ended_with(2);
    assert!(more.err.contains("has its inputs and its gate already"), "{}", more.err);
    let audit = world.hosted.cloud.audit();
    assert!(audit.len() > 20, "it was read");
    let writes: Vec<_> = audit.iter().filter(|event| event.writes).collect();
    assert!(writes.is_empty(), "{writes:?}");
    // What it asks is what the README says it needs, and no more.
    for event in &audit {
        let operation = format!("{}:{}", event.service, event.operation);
        assert!(portcullis::cloud::READS.contains(&operation.as_str()), "{operation}");
    }
    assert_eq!(before.changes_to(&world.hosted.cloud.snapshot()), [] as [&str; 0]);
    assert!(crate::hosted::cases_in(world.hosted.dir()).is_empty());
}

/// Whoever reads the file sees the old plan or the new one, and a link that somebody put in its place leads
/// nowhere.
#[test]
fn a_plan_is_saved_in_the_place_of_what_was_there_and_not_into_it() {
    let world = Untouched::new();
    let (plan, elsewhere) =
        (world.hosted.dir().join("plan.json"), world.hosted.dir().join("other"));
    std::fs::write(&elsewhere, "precious").unwrap();
    for link in [std::os::unix::fs::symlink, std::fs::hard_link] as [fn(_, _) -> _; 2] {
        link(&elsewhere, &plan).unwrap();
        ran(&mut world.hosted.plan(&[])).ended_with(0);
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "precious");
        assert!(std::fs::symlink_metadata(&plan).unwrap().is_file());
        portcullis::plan::SavedPlan::from_text(&std::fs::read_to_string(&plan).unwrap()).unwrap();
        std::fs::remove_file(&plan).unwrap();
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let rehearsed = || {
        let dir = tempfile::TempDir::new().unwrap();
        let playbook = crate::hosted::playbook_in(dir.path());
        let said =
            ran(&mut crate::hosted::bare(dir.path(), &["rehearse", &playbook])).ended_with(11);
        let files = crate::hosted::files_under(&dir.path().join("cases")).into_iter();
        let here = |path: std::path::PathBuf| path.strip_prefix(dir.path()).unwrap().to_owned();
        (said.out, said.err, files.map(|(path, bytes)| (here(path), bytes)).collect::<Vec<_>>())
    };
    let (first, second) = (rehearsed(), rehearsed());
    assert!(first.2.len() > 3, "plan, playbook, journal, world");
    assert_eq!(first.0, second.0);
    assert_eq!(first.1, second.1);
    assert!(first.2 == second.2, "a file of the case differs");
}

/// What has changed since a plan was read is said change by change before anybody says yes to it.
#[test]
fn a_plan_that_is_not_about_this_world_any_more_says_where() {
    let hosted = Hosted::new(&crate::stage::with_somebody_else(&quick_world()));
    hosted.save_plan(1);
    let dry = || ran(&mut hosted.here(&["run", "plan.json", "--dry-run"])).ended_with(0).out;
    let untouched = dry();
    let looked = "the credentials of 1 user in scope. That is as the plan has it";
    assert!(
        untouched.contains(looked) && untouched.contains("Nothing else was looked at"),
        "{untouched}"
    );
    // Somebody switches one key off, and the user gets a password.
    hosted.meanwhile(async |iam| {
        let off = iam.update_access_key().user_name("ci-deploy");
        let off = off.access_key_id("AKIAEXAMPLEHUNGON002").status("Inactive".into());
        off.send().await.unwrap();
        let password = iam.create_login_profile().user_name("ci-deploy");
        password.password("a-long-Password-1").send().await.unwrap();
    });
    let said = dry();
    for line in [
        "Not as it was when the plan was made",
        "keys-off.1 is done already",
        "console password of ci-deploy is new: plan again",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("keys-off.2 is done"), "{said}");
    let asked = ran_typing(&mut hosted.here(&["run", "plan.json"]), "no\n").ended_with(5);
    assert!(asked.err.contains("keys-off.1 is done already"), "{}", asked.err);
}
