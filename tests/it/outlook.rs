//! What a plan says in advance is so: what would be refused is refused, what is counted is about as much, and
//! the containment by hand is what the program would have done.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

use std::collections::BTreeMap;

use portcullis::journal::ChangeState;
use portcullis::plan::{Have, Permission};
use portcullis::run::{Ending, MOST_ROUNDS};
use serde_json::Value;

use crate::honesty::scene;
use crate::hosted::{Hosted, bare, quick_world, ran};
use crate::side_by_side::each;
use crate::stage::{Left, PLAYBOOK, Stage, WORLD, play};

/// The permissions of one change, as the plan has them.
fn permissions_of<'a>(stage: &'a Stage, change: &str) -> &'a [Permission] {
    let all = stage.saved.plan.changes.iter();
    &all.into_iter().find(|found| found.id.as_str() == change).unwrap().permissions
}

fn without(permission: &str) -> String {
    let line = format!("                  - {permission}\n");
    let world = WORLD.replace(&line, "");
    assert_ne!(world, WORLD, "{permission} is given in the world");
    world
}

/// What is not allowed to be cut is not among what will be cut, whatever else is wrong.
#[test]
fn a_plan_does_not_promise_cuts_that_it_says_are_not_allowed() {
    let canaries = "[\"iam:CreateUser\", \"iam:DeleteUser\", \"iam:TagUser\"]";
    let untried = |world: &str| {
        let without = world.replace(canaries, "[\"iam:DeleteUser\", \"iam:TagUser\"]");
        assert_ne!(without, world);
        let terms = portcullis::planning::Terms::default();
        let stage = play(async { Stage::set_on(&without, PLAYBOOK, &terms).await.unwrap() });
        let mut warnings = stage.saved.plan.warnings.into_iter();
        warnings.find(|said| said.contains("no cut can be shown enforced")).unwrap()
    };
    let whole = untried(WORLD);
    assert!(whole.contains("Everything will be cut"), "{whole}");
    let part = untried(&without("iam:UpdateAccessKey"));
    assert!(part.contains("What is allowed will be cut, the gate will stay shut"), "{part}");
}

/// What keeps the run from ending proven is read first, and what is alike is said once.
#[test]
fn of_what_is_to_be_read_before_the_yes_the_weightiest_stands_first() {
    let mut world = WORLD.to_owned();
    for permission in ["iam:UpdateAccessKey", "iam:CreateAccessKey", "iam:PutUserPolicy"] {
        world = world.replace(&format!("                  - {permission}\n"), "");
    }
    let settled = PLAYBOOK.replace("proof: enforced", "proof: settled");
    assert_ne!(settled, PLAYBOOK);
    let terms = portcullis::planning::Terms::default();
    let stage = play(async { Stage::set_on(&world, &settled, &terms).await.unwrap() });
    let plan = stage.saved.plan;
    let [short, ..] = &plan.at_best[..] else { panic!("{:?}", plan.at_best) };
    assert!(short.why.contains("the gate asks for settled proof"), "{short:?}");
    let warnings = plan.warnings;
    let refused: Vec<_> = warnings.iter().filter(|one| one.contains("is not allowed to")).collect();
    let [refused] = refused[..] else { panic!("{warnings:?}") };
    for said in ["iam:CreateAccessKey (new-key.1)", "iam:UpdateAccessKey (keys-off.1 and 1 more)"] {
        assert!(refused.contains(said), "{refused}");
    }
}

/// What is said to keep a run from ending with 0 does, and what keeps it from that is said.
#[test]
fn a_run_that_can_at_best_end_with_11_is_told_so_and_no_other_is() {
    let ends = std::sync::Mutex::new(BTreeMap::<(bool, u8), usize>::new());
    let seeds: Vec<u64> = (0..24).collect();
    each(&seeds, |seed| {
        let (world, playbook) = scene(*seed);
        let enforced = playbook.replace("proof: settled", "proof: enforced");
        assert_ne!(enforced, playbook);
        play(async {
            let terms = portcullis::planning::Terms::default();
            let Ok(mut stage) = Stage::set_on(&world, &enforced, &terms).await else { return };
            stage.most = MOST_ROUNDS;
            let ending = stage.resume_to_the_end(1).await;
            let foretold = !stage.saved.plan.at_best.is_empty();
            assert!(
                !foretold || ending != Ending::Proven,
                "{seed}: {:?}",
                stage.saved.plan.at_best
            );
            assert!(foretold || ending != Ending::NotProven, "{seed}: nothing was said");
            *ends.lock().unwrap().entry((foretold, ending.exit().code())).or_default() += 1;
        });
    });
    let ends = ends.into_inner().unwrap();
    println!("counted: 24 cases, whether 11 was foretold, and how it ended: {ends:?}");
    assert!(ends.get(&(false, 0)).is_some_and(|n| *n >= 3), "{ends:?}");
    assert!(ends.keys().any(|(foretold, _)| *foretold), "{ends:?}");
}

/// What a plan printed into a file says before the yes.
fn before_the_yes(world: &str, playbook: &str) -> Vec<String> {
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::write(dir.path().join("w.yaml"), world).unwrap();
    std::fs::write(dir.path().join("p.yaml"), playbook).unwrap();
    let planned = ran(&mut bare(dir.path(), &["plan", "p.yaml", "--world", "w.yaml"]));
    let planned = planned.ended_with(0).out;
    let told = planned.split("Before you say yes\n").nth(1).unwrap_or_default();
    let lines = told.lines().take_while(|line| line.starts_with("  - "));
    lines.map(|line| line.trim_start_matches("  - ").to_owned()).collect()
}

/// Who is waited for, and with which code it stops there, stands in the order in which the run comes to it; and how it can end
/// behind all of that.
#[test]
fn how_a_run_can_end_is_said_in_the_order_in_which_it_comes_to_it() {
    let playbook = "\
portcullis: 1
name: waits
title: It waits for people and for time
approvals: { recover: 1 }
gate: { proof: GATE, margin: 60s }
steps:
  - { id: web-off, phase: contain, uses: manual.close, with: { covers: web, what: Close the web shop } }
  - { id: shut, phase: contain, uses: iam.user.quarantine, with: { user: ci-deploy } }
  - { id: sessions-off, phase: contain, uses: iam.user.revoke-sessions, with: { user: ci-deploy } }
  - { id: older, phase: recover, uses: iam.user.lift-older-sessions, with: { user: ci-deploy } }
";
    let settled = playbook.replace("GATE", "settled");
    let (world, _) = WORLD.split_once("\nrehearsal:").unwrap();
    let told = before_the_yes(&without_auditor(world), &settled);
    let expected = [
        "first the run is held, exit code 13, in `contain`, with all else cut, and nothing handed out, until somebody does \
         and attests web-off.1 (Close the web shop): `portcullis attest CASE web-off.1`",
        "then the run waits, exit code 6, before `recover`, until it has 1 approval: `portcullis approve CASE recover`",
        "then the run is held, exit code 13, at older.1 (user ci-deploy), until 36 hours after the last pass",
        "after that, at best it ends with exit code 11: the gate asks for settled proof",
    ];
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}");
    }
    assert!(told.len() >= expected.len(), "{told:#?}");
    // Where nothing waits it begins with how it ends.
    let quiet: String = settled
        .lines()
        .filter(|line| !["approvals", "web-off", "older"].iter().any(|one| line.contains(one)))
        .map(|line| format!("{line}\n"))
        .collect();
    let told = before_the_yes(&without_auditor(world), &quiet);
    assert!(told[0].starts_with("at best it ends with exit code 11: "), "{told:#?}");
    // What is not allowed behind the gate holds itself alone: until then everybody is waited for.
    let refused = without("iam:DeleteUserPolicy");
    let (refused, _) = refused.split_once("\nrehearsal:").unwrap();
    let told = before_the_yes(&without_auditor(refused), &settled);
    assert!(told[1].starts_with("then the run waits, exit code 6, before `recover`"), "{told:#?}");
    let end = "after that, at best it ends with exit code 13";
    assert!(told.iter().any(|one| one.starts_with(end)), "{told:#?}");
}

/// The shipped world without the role that trusts whoever is in the account.
fn without_auditor(world: &str) -> String {
    let trusting = "AWS: \"arn:aws:iam::111122223333:root\"";
    assert!(world.contains(trusting));
    world.replace(trusting, "AWS: \"arn:aws:iam::999988887777:root\"")
}

/// What each reason is, and that it is one: the world ends in 11, and in 0 once it is seen to.
#[test]
fn what_would_make_a_run_end_with_0_is_said_with_what_keeps_it_from_that() {
    let settled = PLAYBOOK.replace("proof: enforced", "proof: settled");
    assert_ne!(settled, PLAYBOOK);
    let no_gate = settled.split_once("  - id: new-key").unwrap().0;
    let sound = without_auditor(WORLD);
    for (world, playbook, why) in [
        (&*sound, PLAYBOOK, None),
        (WORLD, PLAYBOOK, Some("no step cuts the sessions of role auditor")),
        (&sound, &settled, Some("the gate asks for settled proof")),
        (&sound, no_gate, Some("the gate asks for settled proof")),
    ] {
        play(async {
            let terms = portcullis::planning::Terms::default();
            let stage = Stage::set_on(world, playbook, &terms).await.unwrap();
            let said: Vec<&str> =
                stage.saved.plan.at_best.iter().map(|short| short.why.as_str()).collect();
            assert_eq!(said.len(), usize::from(why.is_some()), "{said:?}");
            assert!(why.is_none_or(|why| said[0].contains(why)), "{said:?}");
            let Left::Ended(ending) = stage.run(None).await else { panic!("nothing crashes") };
            let ends = if why.is_some() { Ending::NotProven } else { Ending::Proven };
            assert_eq!(ending, ends, "{said:?}");
        });
    }
}

#[test]
fn what_is_permitted_is_done_and_what_is_not_is_held_as_the_plan_says() {
    for (world, refused) in [
        (WORLD.to_owned(), &[][..]),
        (without("iam:CreateAccessKey"), &["new-key.1"]),
        (without("iam:UpdateAccessKey"), &["keys-off.1", "keys-off.2"]),
    ] {
        play(async {
            let stage = Stage::set(&world, PLAYBOOK).await;
            let plan = &stage.saved.plan;
            let cannot: Vec<&str> = plan
                .changes
                .iter()
                .filter(|change| {
                    let needed = change.permissions.iter().filter(|p| p.only_if.is_none());
                    needed.into_iter().any(|p| p.have == Have::Cannot)
                })
                .map(|change| change.id.as_str())
                .collect();
            assert_eq!(cannot, refused);
            let warned = plan.warnings.iter().any(|warning| warning.contains("is not allowed to"));
            assert_eq!(warned, !refused.is_empty(), "{:?}", plan.warnings);
            let held =
                format!("{} will be held: what that needs is not allowed", refused.join(", "));
            let is_foretold = plan.at_best.iter().any(|short| short.why.contains(&held));
            assert_eq!(is_foretold, !refused.is_empty(), "{:?}", plan.at_best);
            let sure = plan.changes.iter().flat_map(|change| &change.permissions);
            assert!(sure.clone().all(|p| p.have != Have::Unknown), "{sure:?}");
            let Left::Ended(ending) = stage.run(None).await else { panic!("nothing crashes") };
            assert_eq!(matches!(ending, Ending::Held(_)), !refused.is_empty(), "{ending:?}");
            // No cut waits for what is refused, nor does a pass behind it.
            let state = stage.state();
            for change in plan.changes.iter().filter(|change| change.cuts()) {
                let refused = refused.contains(&change.id.as_str());
                let done = state.change(&change.id).state == ChangeState::Seen;
                assert_eq!(done, !refused, "{}", change.id);
            }
        });
    }
}

/// Where one way of a quarantine is not allowed, the next is taken: known in advance it is what the plan says, and found out on
/// the way it is noted.
#[test]
fn a_quarantine_is_put_on_by_whichever_way_is_allowed() {
    let attach = |world: &str| {
        let other = world.replace(
            "[\"iam:AttachUserPolicy\", \"iam:DetachUserPolicy\"]",
            "[\"iam:DetachUserPolicy\"]",
        );
        assert_ne!(other, world);
        without_auditor(&other)
    };
    for (world, is_known) in
        [(attach(WORLD), true), (attach(&without("iam:SimulatePrincipalPolicy")), false)]
    {
        play(async {
            let terms = portcullis::planning::Terms::default();
            let stage = Stage::set_on(&world, PLAYBOOK, &terms).await.unwrap();
            let plan = &stage.saved.plan;
            let quarantine = plan.changes.iter().find(|c| c.id.as_str() == "quarantine.1").unwrap();
            let first = "quarantined: inline deny of everything";
            assert_eq!(quarantine.after.starts_with(first), is_known, "{}", quarantine.after);
            assert!(!quarantine.is_refused(), "{:?}", quarantine.permissions);
            let warned = plan.warnings.iter().any(|said| said.contains("is not allowed to"));
            assert!(!warned, "{:?}", plan.warnings);
            let Left::Ended(ending) = stage.run(None).await else { panic!("nothing crashes") };
            assert_eq!(ending, Ending::Proven);
            assert_eq!(stage.state().change(&quarantine.id).state, ChangeState::Seen);
            // It was lifted again, as the playbook says, and by then nobody was let in.
            let tape = format!("{:?}", stage.state().change(&quarantine.id).notes);
            assert_eq!(tape.contains("NotAllowed"), !is_known, "{tape}");
        });
    }
}

#[test]
fn what_nobody_can_tell_is_unknown_and_says_why() {
    let conditional = WORLD.replace(
        "                  - iam:UpdateAccessKey\n                Resource: \"arn:aws:iam::111122223333:user/*\"\n",
        "                  - iam:UpdateAccessKey\n                Resource: \"arn:aws:iam::111122223333:user/*\"\n                \
         Condition: { Bool: { \"aws:MultiFactorAuthPresent\": \"true\" } }\n",
    );
    assert_ne!(conditional, WORLD);
    for (world, why) in [
        (conditional, "a policy asks about aws:MultiFactorAuthPresent"),
        (
            without("iam:SimulatePrincipalPolicy"),
            "iam:SimulatePrincipalPolicy answered AccessDenied",
        ),
        (without("iam:ListRoles"), "the caller's role could not be looked up"),
    ] {
        play(async {
            let stage = Stage::set(&world, PLAYBOOK).await;
            for permission in permissions_of(&stage, "keys-off.1") {
                assert_eq!(permission.have, Have::Unknown, "{why}");
                assert_eq!(permission.why.as_deref(), Some(why));
            }
        });
    }
}

/// The policy that the responder needs to attach is given to the simulator: the world's responder may attach
/// that one and no other.
#[test]
fn a_permission_that_hangs_on_what_is_done_is_known() {
    play(async {
        let stage = Stage::set(WORLD, PLAYBOOK).await;
        let attach = &permissions_of(&stage, "quarantine.1")[0];
        assert_eq!((attach.action.as_str(), attach.have), ("iam:AttachUserPolicy", Have::Can));
        let other = WORLD.replace(
            "ArnEquals: { \"iam:PolicyARN\": \"arn:aws:iam::aws:policy/AWSDenyAll\" }",
            "ArnEquals: { \"iam:PolicyARN\": \"arn:aws:iam::aws:policy/ReadOnlyAccess\" }",
        );
        let stage = Stage::set(&other, PLAYBOOK).await;
        let inline = &permissions_of(&stage, "quarantine.1")[0];
        assert_eq!((inline.action.as_str(), inline.have), ("iam:PutUserPolicy", Have::Can));
    });
}

#[test]
fn the_estimate_is_about_what_a_run_takes() {
    // Whoever else is in the account is asked about, too, to see who has come in.
    for others in [0, 200] {
        estimated(others);
    }
}

fn estimated(others: usize) {
    let others: String =
        (0..others).map(|n| format!("      other-{n:05}: {{ path: /others/ }}\n")).collect();
    let world = WORLD.replace("      backup:\n", &format!("{others}      backup:\n"));
    let world = world.replace("seed: 7\n", "seed: 7\nrate_limit: 10\n");
    play(async {
        let mut stage = Stage::set(&world, PLAYBOOK).await;
        stage.most = MOST_ROUNDS;
        let estimate = stage.saved.plan.estimate;
        let (requests, began) = (stage.cloud.requests(), stage.clock.now());
        stage.resume_to_the_end(1).await;
        let requests = usize::try_from(stage.cloud.requests() - requests).unwrap();
        let seconds = u64::try_from(stage.clock.now().duration_since(began).as_secs()).unwrap();
        let writes = stage.cloud.audit().iter().filter(|event| event.writes).count();
        println!("estimated {estimate:?}; took {requests} requests, {writes} writes, {seconds} s");
        let near = |said: usize, was: usize| said * 3 >= was * 2 && said * 2 <= was * 3;
        assert!(near(estimate.requests, requests), "{estimate:?}, {requests}");
        assert!(near(estimate.writes, writes), "{estimate:?}, {writes}");
        let seconds = usize::try_from(seconds).unwrap();
        assert!(
            near(usize::try_from(estimate.seconds).unwrap(), seconds),
            "{estimate:?}, {seconds}"
        );
    });
}

/// Within a tenth, also where roles are made to try cuts on.
#[test]
fn the_writes_that_are_estimated_are_those_that_are_made() {
    for folder in [
        "leaked-access-key",
        "leaked-key-list",
        "pipeline-sweep",
        "stolen-laptop",
        "stolen-role-sessions",
    ] {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks").join(folder);
        let text = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
        play(async {
            let terms = portcullis::planning::Terms::default();
            let set = Stage::set_on(&text("world.yaml"), &text("playbook.yaml"), &terms).await;
            let mut stage = set.unwrap();
            stage.most = MOST_ROUNDS;
            let said = stage.saved.plan.estimate.writes;
            let before = stage.cloud.audit().len();
            stage.resume_to_the_end(1).await;
            let responder = stage.saved.plan.caller.as_str().to_owned();
            let audit = stage.cloud.audit();
            let ours = audit[before..].iter().filter(|e| e.writes && e.principal == responder);
            let mut kinds = BTreeMap::<&str, usize>::new();
            for event in ours.clone() {
                *kinds.entry(&event.operation).or_default() += 1;
            }
            let made = ours.count();
            println!("{folder}: estimated {said} writes, made {made}: {kinds:?}");
            assert!(said.abs_diff(made) * 10 <= made, "{folder}: {said}, {made}: {kinds:?}");
        });
    }
}

#[test]
fn the_exit_code_says_whether_there_is_something_to_do() {
    let world = quick_world();
    let hosted = Hosted::new(&world);
    ran(&mut hosted.plan(&["--check"])).ended_with(4);
    // All that is left of this playbook is in place already.
    let folder = hosted.dir().join("cut");
    std::fs::create_dir_all(&folder).unwrap();
    let cut = "portcullis: 1\nname: cut\ntitle: Cut\nmode: breach\nsteps:\n  - id: keys-off\n    phase: contain\n    uses: \
               iam.access-key.deactivate\n    with: { user: ci-deploy, keys: all }\n";
    std::fs::write(folder.join("playbook.yaml"), cut).unwrap();
    let check = || hosted.here(&["plan", "cut", "--check"]);
    ran(&mut check()).ended_with(4);
    let off = world.replace(
        "created_at: 2024-01-10T09:05:00Z\n",
        "created_at: 2024-01-10T09:05:00Z\n            status: inactive\n",
    );
    let off = off.replace(
        "created_at: 2026-03-24T02:41:07Z\n",
        "created_at: 2026-03-24T02:41:07Z\n            status: inactive\n",
    );
    let calm = Hosted::new(&off);
    std::fs::create_dir_all(calm.dir().join("cut")).unwrap();
    std::fs::write(calm.dir().join("cut/playbook.yaml"), cut).unwrap();
    ran(&mut calm.here(&["plan", "cut", "--check"])).ended_with(0);
}

#[test]
fn a_plan_of_a_world_needs_no_account_and_is_the_one_that_is_rehearsed() {
    let (folder, world) = ("playbooks/leaked-access-key", "playbooks/leaked-access-key/world.yaml");
    let plan = |further: &[&str]| {
        let typed = [&["plan", folder, "--world", world], further].concat();
        let done = crate::check::portcullis(&typed);
        (done.status.code(), crate::check::said(&done))
    };
    let (code, shown) = plan(&[]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("Plan for account 111122223333"), "{shown}");
    let next = format!("Next: portcullis rehearse {folder} --world {world}");
    assert!(shown.contains(&next) && !shown.contains("portcullis run"), "{shown}");
    assert_eq!(plan(&["--check"]).0, Some(4));
    let (code, refused) = plan(&["-o", "plan.json"]);
    assert_eq!(code, Some(2), "it is of nothing real, and not run: {refused}");
    let digest = |text: &str| {
        let line = text.lines().find(|line| line.trim().starts_with("digest")).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    };
    let cases = tempfile::tempdir().unwrap();
    let typed = ["rehearse", folder, "--cases", cases.path().to_str().unwrap()];
    let rehearsed = crate::check::said(&crate::check::portcullis(&typed));
    assert_eq!(digest(&shown), digest(&rehearsed));
}

#[test]
fn a_plan_for_machines_is_one_document_and_the_saved_one() {
    let hosted = Hosted::new(&quick_world());
    let told = ran(&mut hosted.plan(&["--format", "json"])).ended_with(0);
    let document: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(document["version"], 1);
    assert_eq!(document["pending"], 7);
    let saved = std::fs::read_to_string(hosted.dir().join("plan.json")).unwrap();
    let saved: Value = serde_json::from_str(&saved).unwrap();
    assert_eq!(document["digest"], saved["digest"]);
    assert_eq!(document["plan"], saved["content"]["plan"]);
    assert!(told.err.contains("Saved. Next: portcullis run plan.json"), "{}", told.err);
    let unknowns = &document["plan"]["changes"][5]["unknowns"];
    assert_eq!(unknowns[0]["type"], "access-key-id", "{unknowns}");
    let quiet = ran(&mut hosted.plan(&["--format", "json", "--quiet"])).ended_with(0);
    assert_eq!(quiet.err, "");
}

/// The same without a role that trusts whoever is in the account: no step cuts its sessions.
fn trusted_by_nobody() -> String {
    let auditor = "Principal: { AWS: \"arn:aws:iam::111122223333:root\" }";
    let world = quick_world();
    assert_eq!(world.matches(auditor).count(), 1);
    world.replace(auditor, "Principal: { AWS: \"arn:aws:iam::999988887777:root\" }")
}

/// The script is run by a shell, with an `aws` that writes down what it is called with.
#[test]
fn the_containment_by_hand_is_what_the_program_would_do() {
    let hosted = Hosted::new(&trusted_by_nobody());
    let script = ran(&mut hosted.plan(&["--format", "aws-cli", "--margin", "1"])).ended_with(0);
    std::fs::write(hosted.dir().join("cut.sh"), &script.out).unwrap();
    let bin = hosted.dir().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let aws = "#!/bin/sh\ncase \"$*\" in *get-caller-identity*) echo 111122223333; exit;; esac\n\
               for word in \"$@\"; do printf '%s\\n' \"$word\" >>calls; done\necho >>calls\n\
               case \"$*\" in *attach-user-policy*) exit 254;; esac\n";
    std::fs::write(bin.join("aws"), aws).unwrap();
    let run = |account: &str| {
        let script = script.out.replace("!= 111122223333 ]", &format!("!= {account} ]"));
        std::fs::write(hosted.dir().join("cut.sh"), script).unwrap();
        let mut sh = std::process::Command::new("sh");
        let shell = "chmod +x bin/aws; PATH=\"$PWD/bin:$PATH\" sh cut.sh";
        sh.args(["-c", shell]).current_dir(hosted.dir()).output().unwrap()
    };
    assert_eq!(run("444455556666").status.code(), Some(1), "not in another account");
    assert!(!hosted.dir().join("calls").exists());
    assert!(run("111122223333").status.success());
    let calls = std::fs::read_to_string(hosted.dir().join("calls")).unwrap();
    let calls: Vec<Vec<&str>> =
        calls.trim_end().split("\n\n").map(|call| call.lines().skip(1).collect()).collect();
    let operations: Vec<&str> = calls.iter().map(|call| call[1]).collect();
    assert_eq!(
        operations,
        [
            "attach-user-policy",
            "put-user-policy", // what is tried next when attaching fails
            "update-access-key",
            "update-access-key",
            "put-user-policy",
            "put-user-policy",
        ]
    );
    let user = "--user-name=ci-deploy";
    assert_eq!(calls[0][2..], [user, "--policy-arn=arn:aws:iam::aws:policy/AWSDenyAll"]);
    assert_eq!(calls[2][2..], [user, "--access-key-id=AKIAEXAMPLEHUNGON002", "--status=Inactive"]);
    let document = calls[4][4].strip_prefix("--policy-document=").unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    let before = &document["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"];
    assert!(before.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{before}");
    assert!(script.out.contains("# console: IAM > Users > ci-deploy"), "{}", script.out);
}

/// What a script did that `sh` has run with an `aws` and a `sleep` that write down what they are called with; `refused` are
/// the patterns of calls of which nothing comes.
fn by_hand(hosted: &Hosted, script: &str, refused: &[&str]) -> (Vec<String>, std::process::Output) {
    let bin = hosted.dir().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let refused = refused.iter().map(|call| format!("*{}*) exit 254;;\n", call.replace(' ', "?")));
    let stub = format!(
        "#!/bin/sh\ncase \"$*\" in *get-caller-identity*) echo 111122223333; exit;; esac\n\
         echo \"$(basename \"$0\") $*\" >>calls\ncase \"$*\" in\n{}esac\n",
        refused.collect::<String>()
    );
    for name in ["aws", "sleep"] {
        std::fs::write(bin.join(name), &stub).unwrap();
    }
    std::fs::write(hosted.dir().join("cut.sh"), script).unwrap();
    let _ = std::fs::remove_file(hosted.dir().join("calls"));
    let shell = "chmod +x bin/aws bin/sleep; PATH=\"$PWD/bin:$PATH\" sh cut.sh";
    let mut sh = std::process::Command::new("sh");
    let ended = sh.args(["-c", shell]).current_dir(hosted.dir()).output().unwrap();
    let calls = std::fs::read_to_string(hosted.dir().join("calls")).unwrap();
    let known = ["--user-name=ci-deploy", "--user-name=backup", "sleep "];
    let short = |call: &str| {
        let what = call
            .split_whitespace()
            .find(|word| word.starts_with(|c| "apu".contains(c)) && word.contains('-'));
        let who = known.iter().find(|who| call.contains(**who)).unwrap();
        match what {
            Some(what) => format!("{what} {}", who.trim_start_matches("--user-name=")),
            None => call.to_owned(),
        }
    };
    (calls.lines().map(short).collect(), ended)
}

/// By hand as by the program: a few at a time, with the pause that the playbook has between them; and nothing that waits
/// for no pause stands behind one.
#[test]
fn the_containment_by_hand_pauses_between_batches_and_before_nothing_else() {
    let hosted = Hosted::new(&trusted_by_nobody());
    let playbook = "portcullis: 1
name: few
title: A few at a time
mode: breach
steps:
  - id: quarantine
    phase: contain
    for_each: [ci-deploy, backup]
    batches: { size: 1, pause: 10m, stop_at: 50 }
    uses: iam.user.quarantine
    with: { user: \"${{ each }}\" }
  - id: keys-off
    phase: contain
    uses: iam.access-key.deactivate
    with: { user: backup, keys: all }
";
    std::fs::write(hosted.dir().join("few.yaml"), playbook).unwrap();
    let script = ran(&mut hosted.here(&["plan", "few.yaml", "--format", "aws-cli"])).ended_with(0);
    let (calls, ended) = by_hand(&hosted, &script.out, &[]);
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(
        calls,
        [
            "attach-user-policy ci-deploy",
            "update-access-key backup",
            "sleep 600",
            "attach-user-policy backup",
        ]
    );
    // What cannot be cut stops no other cut, but its own step, as the playbook says; nobody waits for that.
    let refused = ["policy* --user-name=ci-deploy", "boundary* --user-name=ci-deploy"];
    let (calls, ended) = by_hand(&hosted, &script.out, &refused);
    assert_eq!(
        calls,
        [
            "attach-user-policy ci-deploy",
            "put-user-policy ci-deploy",
            "put-user-permissions-boundary ci-deploy",
            "update-access-key backup",
        ]
    );
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    let list = said.split("NOT CUT, 2 in all:").nth(1).unwrap_or_else(|| panic!("{said}"));
    for not_cut in
        ["quarantine.1  user ci-deploy: deny everything", "1 change of batch 2 of step quarantine"]
    {
        assert!(list.contains(not_cut), "{said}");
    }
}

/// Whatever fails, the others are cut, and the end lists what is not.
#[test]
fn by_hand_what_is_not_cut_is_listed_at_the_end() {
    let hosted = Hosted::new(&quick_world());
    let script = ran(&mut hosted.plan(&["--format", "aws-cli", "--margin", "1"])).ended_with(0);
    let (calls, ended) = by_hand(&hosted, &script.out, &["update-access-key"]);
    let cut = ["attach-user-policy", "update-access-key", "update-access-key", "put-user-policy"];
    let cut = [cut.as_slice(), &["sleep 1", "put-user-policy"]].concat();
    let cut: Vec<String> = cut
        .into_iter()
        .map(|call| if call.contains(' ') { call.to_owned() } else { format!("{call} ci-deploy") })
        .collect();
    assert_eq!(calls, cut);
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    let list = said.split("NOT CUT, 2 in all:").nth(1).unwrap_or_else(|| panic!("{said}"));
    for key in ["AKIAEXAMPLELEAKED001", "AKIAEXAMPLEHUNGON002"] {
        assert!(list.contains(&format!("user ci-deploy: deactivate {key}")), "{said}");
    }
}

/// A script that leaves a way in open says so and does not end as if all were cut, though every command went through.
#[test]
fn by_hand_what_no_step_cuts_and_what_the_plan_warns_of_is_told_at_both_ends() {
    let hosted = Hosted::new(&quick_world());
    let playbook = "portcullis: 1
name: part
title: One key of two
mode: breach
steps:
  - { id: key-off, phase: contain, uses: iam.access-key.deactivate, with: { user: ci-deploy, keys: [AKIAEXAMPLELEAKED001] } }
  - { id: gone, phase: destroy, uses: iam.access-key.delete, with: { user: ci-deploy, keys: [AKIAEXAMPLELEAKED001] } }
";
    std::fs::write(hosted.dir().join("part.yaml"), playbook).unwrap();
    let script = ran(&mut hosted.here(&["plan", "part.yaml", "--format", "aws-cli"])).ended_with(0);
    let warned = "no step cuts the access key AKIAEXAMPLEHUNGON002 of ci-deploy";
    let head = script.out.split("get-caller-identity").next().unwrap();
    assert!(head.contains(&format!("#   - {warned}")), "{head}");
    assert!(
        script.out.contains("until all of this is seen to be cut: what is deleted for good.\n")
    );
    let (calls, ended) = by_hand(&hosted, &script.out, &[]);
    assert_eq!(calls, ["update-access-key ci-deploy"]);
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    let (warnings, open) = said.split_once("STILL OPEN").unwrap_or_else(|| panic!("{said}"));
    assert!(warnings.contains(warned), "{said}");
    assert!(open.contains("\n  access key AKIAEXAMPLEHUNGON002 of ci-deploy\n"), "{said}");
    assert!(!open.contains("AKIAEXAMPLELEAKED001"), "{said}");
}

/// The region is that of the secret, whatever the shell has; and whoever has to take the last rung knows what was there.
#[test]
fn by_hand_a_secret_is_sealed_where_it_is_and_a_boundary_is_not_lost() {
    let known = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    let sealing = include_str!("../../playbooks/stolen-role-sessions/world.yaml");
    let world =
        sealing.replace("      web:\n", &format!("      web:\n        boundary: \"{known}\"\n"));
    assert_ne!(world, sealing);
    let hosted = Hosted::new(&world);
    let playbook = "portcullis: 1
name: seal
title: Seal
mode: breach
steps:
  - { id: seal, phase: contain, uses: secretsmanager.secret.seal, with: { secret: web/db } }
  - { id: cut-off, phase: contain, uses: iam.role.quarantine, with: { role: web } }
";
    std::fs::write(hosted.dir().join("seal.yaml"), playbook).unwrap();
    let script = ran(&mut hosted.here(&["plan", "seal.yaml", "--format", "aws-cli"])).ended_with(0);
    let sealing = script.out.lines().find(|line| line.contains("put-resource-policy")).unwrap();
    assert!(sealing.contains(" put-resource-policy --region=us-east-1 --secret-id="), "{sealing}");
    let lines = script.out.lines().filter(|line| line.starts_with("# console: IAM"));
    let console: Vec<&str> = lines.filter(|line| line.contains(known)).collect();
    assert_eq!(console.len(), 1, "{}", script.out);
}

/// What must be waited for is waited for once, when everybody was cut.
#[test]
fn by_hand_nobodys_cut_waits_for_the_proof_of_anothers() {
    let hosted = Hosted::new(&quick_world());
    let playbook = "portcullis: 1
name: two
title: Two are cut
mode: breach
steps:
  - { id: cut-off, phase: contain, for_each: [ci-deploy, backup], uses: iam.user.quarantine, with: { user: \"${{ each }}\" } }
  - { id: sessions, phase: contain, for_each: [ci-deploy, backup], uses: iam.user.revoke-sessions, with: { user: \"${{ each }}\" } }
";
    std::fs::write(hosted.dir().join("two.yaml"), playbook).unwrap();
    let script = ran(&mut hosted.here(&["plan", "two.yaml", "--format", "aws-cli"])).ended_with(0);
    assert_eq!(script.out.matches("\nsleep ").count(), 1, "{}", script.out);
    let cut = script.out.rfind("attach-user-policy").unwrap();
    assert!(cut < script.out.find("\nsleep ").unwrap(), "{}", script.out);
}

/// Whoever says yes to a plan knows what stays open, and that nothing will be handed out for it.
#[test]
fn what_no_step_cuts_is_said_before_the_yes_and_keeps_the_gate_shut() {
    let text = |first: &str| {
        format!(
            "portcullis: 1\nname: x\ntitle: x\ngate: {{ proof: settled, margin: 60s }}\nsteps:\n{first}  - {{ id: keys-off, phase: contain, uses: iam.access-key.deactivate, with: {{ user: ci-deploy, keys: all }} }}\n  - {{ id: new-key, phase: rotate, uses: iam.access-key.replace, with: {{ user: ci-deploy, deliver_to: deploy/aws-key }} }}\n"
        )
    };
    let warned = |text: &str| {
        play(async {
            let stage = Stage::set(WORLD, text).await;
            let warned =
                stage.saved.plan.warnings.iter().any(|one| one.starts_with("no step cuts"));
            let ending = stage.resume_to_the_end(1).await;
            (warned, matches!(ending, Ending::Held(_)))
        })
    };
    assert_eq!(warned(&text("")), (true, true), "its sessions go on");
    let quarantine = "  - { id: cut-off, phase: contain, uses: iam.user.quarantine, with: { user: ci-deploy } }\n";
    assert_eq!(warned(&text(quarantine)), (false, false));
}

/// Twenty users take no more lines than fourteen.
#[test]
fn a_long_plan_is_told_by_step_and_fits_a_page() {
    let lines_with = |users: usize| {
        let people: String = (0..users)
            .map(|n| {
                format!("      temp-{n}:\n        path: /temp/\n        keys: [{{ id: AKIAEXAMPLETEMP{n:05} }}]\n")
            })
            .collect();
        let bystander = "      backup:\n        path: /ops/\n";
        let world = quick_world().replace(bystander, &format!("{people}{bystander}"));
        let hosted = Hosted::new(&world);
        std::fs::create_dir_all(hosted.dir().join("many")).unwrap();
        let playbook = "\
portcullis: 1
name: many
title: Many
mode: breach
steps:
  - id: quarantine
    phase: contain
    for_each: ${{ inventory.users_in_path('/temp/') }}
    uses: iam.user.quarantine
    with: { user: \"${{ each.name }}\" }
  - id: keys-off
    phase: contain
    for_each: ${{ inventory.users_in_path('/temp/') }}
    uses: iam.access-key.deactivate
    with: { user: \"${{ each.name }}\", keys: all }
";
        std::fs::write(hosted.dir().join("many/playbook.yaml"), playbook).unwrap();
        let told = ran(&mut hosted.here(&["plan", "many"])).ended_with(0);
        assert!(told.out.contains(&format!("{users} changes to {users} targets")), "{}", told.out);
        let all = ran(&mut hosted.here(&["plan", "many", "--all"])).ended_with(0);
        for n in 0..users {
            assert!(all.out.contains(&format!("AKIAEXAMPLETEMP{n:05}")));
        }
        told.out.lines().count()
    };
    let (fourteen, twenty) = (lines_with(14), lines_with(20));
    println!("a plan of many changes takes {twenty} lines");
    assert_eq!(fourteen, twenty);
    assert!(twenty < 66, "{twenty}");
}
