//! What holds a playbook back: trust, approvals, batches, and limits that are a share.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

use portcullis::diagnostic::Code;
use portcullis::ids::ChangeId;
use portcullis::journal::{ChangeRecord, GateState};
use portcullis::ledger::{Ledger, Standing};
use portcullis::plan::Credential;
use portcullis::run::Ending;

use crate::check::{portcullis, said};
use crate::stage::{Left, PLAYBOOK, Stage, Torn, WORLD, play, terms};

fn playbook(body: &str) -> String {
    format!(
        "portcullis: 1\nname: restraint\ntitle: Restraint\ngate: {{ proof: settled, margin: 60s }}\n{body}"
    )
}

fn refused(world: &str, text: &str) -> (Code, String) {
    play(async {
        match Stage::set_on(world, text, &terms()).await {
            Err(problems) => (problems[0].code, problems[0].message.clone()),
            Ok(stage) => panic!("planned: {:?}", stage.saved.plan.principals),
        }
    })
}

fn record(stage: &Stage, change: &str) -> ChangeRecord {
    stage.state().change(&ChangeId::parse(change).unwrap())
}

const TRUSTING: &str = "\
trusted:
  - { access_key: AKIAEXAMPLEHUNGON002, reason: Made on a clean machine }
steps:
  - { id: quarantine, phase: contain, uses: iam.user.quarantine, with: { user: ci-deploy } }
  - { id: keys-off, phase: contain, uses: iam.access-key.deactivate, with: { user: ci-deploy, keys: all } }
  - { id: sessions-off, phase: contain, uses: iam.user.revoke-sessions, with: { user: ci-deploy } }
";
const LIFT: &str =
    "  - { id: lift, phase: recover, uses: iam.user.lift-quarantine, with: { user: ci-deploy } }\n";

fn standing_of(stage: &Stage, key: &str) -> Standing {
    let ledger = Ledger::of(&stage.saved.plan, &stage.state());
    let row = ledger.rows.into_iter().find(
        |row| matches!(&row.credential, Credential::AccessKey { id, .. } if id.as_str() == key),
    );
    row.unwrap().standing
}

#[test]
fn a_trusted_key_is_left_alone_works_again_after_the_lift_and_is_told_apart() {
    play(async {
        let stage = Stage::set(WORLD, &playbook(&format!("{TRUSTING}{LIFT}"))).await;
        let plan = &stage.saved.plan;
        assert!(!plan.changes.iter().any(|change| change.what.contains("HUNGON002")));
        let left = plan.untouched.iter().find(|left| left.what.contains("HUNGON002")).unwrap();
        assert!(left.why.starts_with("trusted: Made on a clean machine (line 6)"), "{}", left.why);
        assert!(plan.warnings.iter().any(|w| w.contains("Nothing shows that nobody else has it")));
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert_eq!(
            standing_of(&stage, "AKIAEXAMPLEHUNGON002"),
            Standing::Trusted { reason: "Made on a clean machine".to_owned() }
        );
        let leaked = standing_of(&stage, "AKIAEXAMPLELEAKED001");
        assert!(matches!(leaked, Standing::Blocked { .. }), "{leaked:?}");
        stage.let_it_settle().await;
        for reach in stage.cloud.intruder_reach() {
            let works = !reach.allowed.is_empty();
            assert_eq!(works, reach.credential.contains("HUNGON002"), "{}", reach.credential);
        }
    });
}

#[test]
fn while_the_quarantine_stands_a_trusted_key_is_blocked_and_said_to_be() {
    play(async {
        let stage = Stage::set(WORLD, &playbook(TRUSTING)).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        let standing = standing_of(&stage, "AKIAEXAMPLEHUNGON002");
        assert!(matches!(standing, Standing::Blocked { .. }), "{standing:?}");
    });
}

#[test]
fn what_is_trusted_is_neither_cut_by_name_nor_deleted() {
    let by_name = TRUSTING.replace("keys: all", "keys: [AKIAEXAMPLEHUNGON002]");
    let (code, message) = refused(WORLD, &playbook(&by_name));
    assert_eq!(code, Code::CannotPlan);
    assert!(message.contains("by name, which is trusted"), "{message}");
    let room = PLAYBOOK.replace(
        "steps:\n",
        "trusted: [{ access_key: AKIAEXAMPLEHUNGON002, reason: Ours }]\nsteps:\n",
    );
    let (code, message) = refused(WORLD, &room);
    assert_eq!(code, Code::CannotPlan);
    assert!(message.contains("would delete the access key AKIAEXAMPLEHUNGON002"), "{message}");
}

#[test]
fn a_phase_that_wants_approvals_is_not_begun_without() {
    let text = PLAYBOOK.replace("steps:\n", "approvals: { rotate: 2 }\nsteps:\n");
    play(async {
        let stage = Stage::set(WORLD, &text).await;
        for _ in 0..2 {
            let ending = stage.resume_to_the_end(1).await;
            let Ending::Waiting(why) = &ending else { panic!("{ending:?}") };
            assert!(why[0].contains("`rotate` (1 change) must be approved by 2 people"), "{why:?}");
            assert_eq!(ending.exit().code(), 6);
        }
        assert!(matches!(stage.state().gate, GateState::Open(..)));
        assert_eq!(record(&stage, "new-key.1").attempts, 0);
        assert_eq!(record(&stage, "lift.1").attempts, 0);
    });
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("approved");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("playbook.yaml"), text).unwrap();
    std::fs::write(folder.join("world.yaml"), WORLD).unwrap();
    let cases = dir.path().join("cases");
    let played =
        portcullis(&["rehearse", folder.to_str().unwrap(), "--cases", cases.to_str().unwrap()]);
    let screen = said(&played);
    assert_eq!(played.status.code(), Some(6), "{screen}");
    assert!(screen.contains("WAITING FOR APPROVAL"), "{screen}");
    assert!(screen.contains("2 people approve it"), "{screen}");
    let case = std::fs::read_dir(&cases).unwrap().next().unwrap().unwrap().path();
    let status = said(&portcullis(&["status", case.to_str().unwrap()]));
    assert!(status.contains("portcullis approve"), "{status}");
}

const BATCHES: &str = "\
steps:
  - id: quarantine
    phase: contain
    for_each: [ci-deploy, backup]
    batches: { size: 1, pause: 10m, stop_at: 50 }
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
";

fn begun_in_their_time(stage: &Stage) {
    let (first, second) = (record(stage, "quarantine.1"), record(stage, "quarantine.2"));
    let apart = second.begun.unwrap().at.duration_since(first.seen.unwrap().at);
    assert!(apart.as_secs() >= 600, "{apart:?}");
}

#[test]
fn batches_are_made_one_after_the_other_with_a_pause_wherever_it_crashes() {
    let text = playbook(BATCHES);
    play(async {
        let backdrop = Stage::set(WORLD, &text).await.backdrop();
        let whole = backdrop.stage();
        assert_eq!(whole.resume_to_the_end(1).await, Ending::NotProven);
        begun_in_their_time(&whole);
        let lines = whole.tape.lock().unwrap().requests.len();
        for line in 1..=lines {
            for torn in [Torn::Nothing, Torn::Whole] {
                let stage = backdrop.stage();
                assert!(matches!(stage.run(Some((line, torn))).await, Left::Crashed), "{line}");
                assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven, "{line}");
                begun_in_their_time(&stage);
            }
        }
        println!("counted: {lines} cases, crashes between batches");
    });
}

/// Sessions are denied once more behind the proof that nothing mints them: nobody else's cut waits for that.
#[test]
fn a_batch_waits_for_its_pause_and_for_no_proof_of_the_batch_before() {
    let text = playbook(&format!(
        "{}  - id: sessions-off\n    phase: contain\n    for_each: [ci-deploy, backup]\n    uses: iam.user.revoke-sessions\n    with: {{ user: \"${{{{ each }}}}\" }}\n",
        BATCHES.replace(", stop_at: 50", "")
    ));
    let text = text.replace("margin: 60s", "margin: 15m");
    play(async {
        let stage = Stage::set(WORLD, &text).await;
        stage.resume_to_the_end(1).await;
        begun_in_their_time(&stage);
        let (first, second) = (record(&stage, "quarantine.1"), record(&stage, "quarantine.2"));
        let apart = second.begun.unwrap().at.duration_since(first.seen.unwrap().at);
        assert!(apart.as_secs() < 660, "{apart:?}");
    });
}

#[test]
fn no_further_batch_is_begun_where_too_many_changes_wait_for_a_person() {
    // By whichever way.
    let one_only = WORLD.replace(
        "Resource: \"arn:aws:iam::111122223333:user/*\"",
        "Resource: \"arn:aws:iam::111122223333:user/ops/*\"",
    );
    assert_ne!(one_only, WORLD);
    play(async {
        let stage = Stage::set(&one_only, &playbook(BATCHES)).await;
        for _ in 0..2 {
            let Ending::Held(why) = stage.resume_to_the_end(1).await else { panic!("not held") };
            assert!(
                why[0].starts_with("step quarantine stops after batch 1 of 2: 1 of 1"),
                "{why:?}"
            );
            assert_eq!(record(&stage, "quarantine.2").attempts, 0);
        }
        // Without a share that stops it, one that cannot be cut is in nobody's way.
        let stage = Stage::set(&one_only, &playbook(&BATCHES.replace(", stop_at: 50", ""))).await;
        assert!(matches!(stage.resume_to_the_end(1).await, Ending::Held(_)));
        assert_eq!(record(&stage, "quarantine.2").attempts, 1);
    });
}

/// What an expression selects is trusted as what is written out is: shown key by key, and left as it is.
#[test]
fn a_list_of_keys_is_trusted_and_told_in_one_sentence() {
    let text = playbook(
        "\
trusted:
  - { access_key: \"${{ inventory.access_keys('ci-deploy').map(key, key.id) }}\", reason: All are ours }
steps:
  - { id: sessions, phase: contain, uses: iam.user.revoke-sessions, with: { user: ci-deploy } }
  - { id: keys-off, phase: contain, uses: iam.access-key.deactivate, with: { user: ci-deploy, keys: all } }
",
    );
    play(async {
        let stage = Stage::set(WORLD, &text).await;
        let plan = &stage.saved.plan;
        assert_eq!(plan.trusted.len(), 2);
        let told = "access keys AKIAEXAMPLEHUNGON002 of ci-deploy, AKIAEXAMPLELEAKED001 of ci-deploy are not cut: the \
                    playbook trusts them (All are ours)";
        let told = plan.warnings.iter().filter(|one| one.starts_with(told)).count();
        assert_eq!(told, 1, "{:?}", plan.warnings);
        stage.resume_to_the_end(1).await;
        let world = stage.cloud.snapshot().0;
        let keys: Vec<&String> = world
            .iter()
            .filter_map(|(at, status)| at.contains("/users/ci-deploy/keys/").then_some(status))
            .collect();
        assert_eq!(keys, ["Active", "Active"]);
    });
}

#[test]
fn a_share_of_the_account_is_a_limit() {
    let of = |percent: u32| playbook(&format!("limits: {{ percent: {percent} }}\n{BATCHES}"));
    let (code, message) = refused(WORLD, &of(50));
    assert_eq!(code, Code::OverLimit);
    assert_eq!(
        message,
        "the plan cuts off 2 of the account's 2 users, and the playbook allows 50 percent"
    );
    play(async { assert_eq!(Stage::set(WORLD, &of(100)).await.saved.plan.principals.len(), 2) });
    let blind = WORLD.replace("                  - iam:GetAccountSummary\n", "");
    let (code, message) = refused(&blind, &of(100));
    assert_eq!(code, Code::OverLimit);
    assert!(message.contains("is not known"), "{message}");
}

#[test]
fn over_a_share_it_is_said_who_is_cut_by_which_step_and_what_number_to_write() {
    let text = playbook(&format!("limits: {{ percent: 50 }}\n{BATCHES}"));
    let Err(problems) = play(Stage::set_on(WORLD, &text, &terms())) else { panic!() };
    let problem = &problems[0];
    assert_eq!(problem.code, Code::OverLimit);
    let help = problem.help.as_deref().unwrap();
    let users = "user backup, user ci-deploy";
    assert!(help.starts_with(&format!("they are {users}, by step `quarantine`: ")), "{help}");
    assert!(help.contains("write `limits: { percent: 100 }`"), "{help}");
    assert_eq!(problem.others[0].text, users);
    assert!(problem.others[0].place.text().contains("quarantine"));
}

#[test]
fn over_the_limit_it_is_said_of_which_steps_the_changes_are() {
    let text = playbook(&format!("limits: {{ principals: 1, changes: 1 }}\n{BATCHES}"));
    let Err(problems) = play(Stage::set_on(WORLD, &text, &terms())) else { panic!() };
    for (what, key, of_step, label) in [
        (
            "principals",
            "principals: 2",
            "they are user backup, user ci-deploy, by step `quarantine`: ",
            "user backup, user ci-deploy",
        ),
        ("changes", "changes: 2", "2 of step `quarantine`", "2 of this step"),
    ] {
        let of = |one: &&portcullis::diagnostic::Diagnostic| {
            one.code == Code::OverLimit && one.message.contains(what)
        };
        let problem = problems.iter().find(of).unwrap();
        let help = problem.help.as_deref().unwrap();
        assert!(help.contains(of_step), "{help}");
        assert!(help.contains(&format!("write `limits: {{ {key} }}`")), "{help}");
        assert_eq!(problem.others[0].text, label);
        let place = &problem.primary.as_ref().unwrap().place;
        let written = text.find(&format!("{what}: 1")).unwrap() + what.len() + 2;
        assert_eq!((place.text(), place.range().start), ("1", written), "the number is mended");
    }
}

/// A user and a role are two principals, whatever number of steps cuts the user.
#[test]
fn over_the_limit_everybody_is_named_once_with_the_step_that_selects_him() {
    let text = playbook(
        "\
limits: { principals: 1 }
steps:
  - { id: quarantine, phase: contain, uses: iam.user.quarantine, with: { user: ci-deploy } }
  - { id: keys-off, phase: contain, uses: iam.access-key.deactivate, with: { user: ci-deploy, keys: all } }
  - { id: roles-off, phase: contain, uses: iam.role.revoke-sessions, with: { role: deploy-role } }
",
    );
    let world = WORLD.replace(
        "    roles:\n",
        "    roles:\n      deploy-role:\n        trust: { Version: \"2012-10-17\", Statement: [{ Effect: Allow, Principal: { Service: ec2.amazonaws.com }, Action: \"sts:AssumeRole\" }] }\n",
    );
    assert_ne!(world, WORLD);
    let Err(problems) = play(Stage::set_on(&world, &text, &terms())) else { panic!() };
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    let help = problem.help.as_deref().unwrap();
    let named =
        "they are user ci-deploy, by step `quarantine`; role deploy-role, by step `roles-off`: ";
    assert!(help.starts_with(named), "{help}");
    let labels: Vec<&str> = problem.others.iter().map(|label| label.text.as_str()).collect();
    assert_eq!(labels, ["user ci-deploy", "role deploy-role"]);
}

#[test]
fn why_and_until_when_are_worked_out_for_every_item_and_no_input_is_no_trust() {
    let text = playbook(
        "\
inputs:
  key: { type: access-key-id }
  day: { type: timestamp, default: 2026-04-01T00:00:00Z }
trusted: [{ access_key: \"${{ inputs.key }}\", reason: Ours }]
steps:
  - id: quarantine
    phase: contain
    for_each: [ci-deploy, backup]
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
    reason: A key of ${{ each }} leaked
    review_by: ${{ inputs.day }}
",
    );
    let plan = play(async { Stage::set(WORLD, &text).await.saved.plan });
    assert!(plan.trusted.is_empty());
    let said: Vec<_> = plan.changes.iter().map(|change| change.reason.clone().unwrap()).collect();
    assert_eq!(said, ["A key of ci-deploy leaked", "A key of backup leaked"]);
    let day = plan.changes[0].review_by.unwrap();
    assert_eq!(day.to_string(), "2026-04-01T00:00:00Z");
}
