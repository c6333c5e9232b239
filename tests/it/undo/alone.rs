//! One person let in again, in the middle of a case: he is as he was before, everybody else is as he is, and the case goes on.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use portcullis::ids::{ChangeId, Principal, UserName};
use portcullis::journal::{self, ChangeState, Entry};
use portcullis::ledger::Ledger;
use portcullis::plan::{Credential, SavedPlan};
use portcullis::planning;
use portcullis::playbook::Phase;
use portcullis::run::{Ending, Fate, MOST_ROUNDS, foresee, let_in_of, undo_of};
use portcullis::sim::{Fault, Snapshot};

use super::{PLAYBOOK, everything_is_cleared, state_of, world};
use crate::side_by_side::each;
use crate::stage::{Left, Stage, Torn, play, read, somebody_else};
use crate::verdict::no_effect_came_without_its_intent;
use crate::words::{Rehearsal, WHY};

fn alice() -> Principal {
    Principal::User(UserName::parse("alice").unwrap())
}

/// Two people have looked into all that alice holds, and found nothing.
async fn alice_is_cleared(stage: &Stage) {
    let rows = Ledger::of(&stage.plan(), &stage.state()).rows;
    let hers = rows.iter().filter(|row| row.credential.principal() == Some(alice()));
    let hers: Vec<_> = hers.map(|row| row.credential.clone()).collect();
    for name in ["anna", "ben"] {
        let said = stage.said_by(name);
        let clear = |one: &_| Entry::Cleared { credential: Clone::clone(one), said: said.clone() };
        stage.say(hers.iter().map(clear).collect::<Vec<_>>()).await;
    }
}

/// Plans that she is let in, and says yes to it.
async fn begin_to_let_her_in(stage: &Stage) -> SavedPlan {
    let state = stage.state();
    let next = let_in_of(&stage.newest(state.round()), &state, BTreeSet::from([alice()]));
    stage.keeps(&next);
    stage.says_yes_to(&next).await;
    next
}

/// What of two worlds differs, of her or of all others.
fn differs(before: &Snapshot, after: &Snapshot, of_her: bool) -> Vec<String> {
    let mut lines = before.changes_to(after);
    lines.retain(|line| line.contains("/users/alice/") == of_her);
    lines
}

#[test]
fn whoever_alone_was_found_innocent_is_as_before_and_everybody_else_is_as_he_is() {
    for full in [false, true] {
        play(async {
            let stage = Stage::set(&world(full), PLAYBOOK).await;
            let before = state_of(&stage);
            let ended = stage.resume_to_the_end(1).await;
            let cut = state_of(&stage);
            assert!(!differs(&before, &cut, true).is_empty());
            alice_is_cleared(&stage).await;
            let next = begin_to_let_her_in(&stage).await;
            assert!(!next.plan.is_undo(), "the case goes on");
            assert!(planning::follows(&next, Some(&stage.saved), &read(PLAYBOOK)));
            let mut forged = next.clone();
            forged.round.as_mut().unwrap().lets_in.clear();
            assert!(!planning::follows(&forged, Some(&stage.saved), &read(PLAYBOOK)));

            let Ending::Held(why) = stage.resume_to_the_end(1).await else { panic!("not held") };
            assert!(why.iter().all(|why| why.contains("is kept until")), "{why:#?}");
            stage.clock.sleep(Duration::from_hours(37)).await;
            assert_eq!(stage.resume_to_the_end(1).await, ended);
            stage.let_it_settle().await;
            let now = state_of(&stage);
            assert_eq!(differs(&before, &now, true), Vec::<String>::new(), "full: {full}");
            assert_eq!(differs(&cut, &now, false), Vec::<String>::new(), "full: {full}");
            no_effect_came_without_its_intent(&stage);

            // Once the alarm turns out to have been false for all, all of it is taken back.
            everything_is_cleared(&stage).await;
            let state = stage.state();
            let next = undo_of(&stage.newest(state.round()), &state);
            assert!(next.plan.is_undo());
            stage.keeps(&next);
            stage.says_yes_to(&next).await;
            stage.resume_to_the_end(1).await;
            stage.clock.sleep(Duration::from_hours(37)).await;
            assert_eq!(stage.resume_to_the_end(1).await, Ending::Proven);
            stage.let_it_settle().await;
            let left = before.changes_to(&state_of(&stage));
            assert!(left.is_empty(), "full: {full}: {left:#?}");
        });
    }
}

#[test]
fn nobody_is_let_in_alone_for_whom_nobody_has_spoken_and_the_dry_run_says_so() {
    play(async {
        let stage = Stage::set(&world(false), PLAYBOOK).await;
        stage.resume_to_the_end(1).await;
        let cut = state_of(&stage);
        let state = stage.state();
        let next = let_in_of(&stage.newest(state.round()), &state, BTreeSet::from([alice()]));
        let alone = next.taking_back();
        let foretold = foresee(&alone, &state, stage.clock.now(), None);
        assert!(foretold.iter().all(|(change, _)| change.target.contains("alice")), "{foretold:?}");
        begin_to_let_her_in(&stage).await;
        let Ending::Held(why) = stage.resume_to_the_end(1).await else { panic!("not held") };
        assert!(why.iter().any(|why| why.contains("nobody has cleared user alice")), "{why:#?}");
        for (change, fate) in foretold {
            let Fate::Kept(kept) = fate else { panic!("{}: {fate:?}", change.id) };
            let record = stage.state().change(&change.id);
            assert_eq!((record.state, record.trouble), (ChangeState::Held, Some(kept.why)));
        }
        stage.let_it_settle().await;
        let changed = cut.changes_to(&state_of(&stage));
        assert!(changed.is_empty(), "{changed:#?}");
    });
}

/// To approve the phase would be to let in everybody: of her alone two people have spoken, and of nobody else.
#[test]
fn one_is_let_in_by_the_words_for_her_while_the_phase_of_all_waits_for_approval() {
    for (asked, is_let_in) in [(2, true), (3, false)] {
        play(async {
            let text = PLAYBOOK.replacen(
                "steps:",
                &format!("approvals: {{ recover: {asked} }}\nsteps:"),
                1,
            ) + "  - { id: intern-back, phase: recover, uses: iam.user.lift-quarantine, with: { user: intern } }\n";
            let stage = Stage::set(&world(false), &text).await;
            let before = state_of(&stage);
            stage.resume_to_the_end(1).await;
            let cut = state_of(&stage);
            alice_is_cleared(&stage).await;
            begin_to_let_her_in(&stage).await;
            stage.clock.sleep(Duration::from_hours(37)).await;
            let ended = stage.resume_to_the_end(1).await;
            assert!(!matches!(ended, Ending::Proven), "{ended:?}");
            stage.let_it_settle().await;
            let now = state_of(&stage);
            let hers = differs(&before, &now, true);
            assert_eq!(hers.is_empty(), is_let_in, "{asked}: {hers:#?}");
            assert_eq!(differs(&cut, &now, false), Vec::<String>::new(), "{asked}");
            assert!(stage.state().approved_by(Phase::Recover).is_empty());
        });
    }
}

/// Both have found her password innocent, and somebody has set another.
#[test]
fn a_word_that_is_taken_back_is_no_name_that_lets_her_in() {
    let text = PLAYBOOK.replacen("steps:", "approvals: { recover: 2 }\nsteps:", 1)
        + "  - { id: leak, phase: contain, uses: manual.close, with: { covers: leak, what: Close the leak } }\n";
    let lifted = |set_anew: bool| {
        play(async {
            let stage = Stage::set(&world(false), &text).await;
            stage.resume_to_the_end(1).await;
            let credential = Credential::Password { user: UserName::parse("alice").unwrap() };
            for name in ["anna", "ben"] {
                let said = stage.said_by(name);
                stage.say([Entry::Cleared { credential: credential.clone(), said }]).await;
            }
            begin_to_let_her_in(&stage).await;
            if set_anew {
                let iam = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
                stage.clock.sleep(Duration::from_mins(1)).await;
                iam.delete_login_profile().user_name("alice").send().await.unwrap();
                let anew = iam.create_login_profile().user_name("alice");
                anew.password("Another-Pa55word-of-hers").send().await.unwrap();
            }
            stage.clock.sleep(Duration::from_hours(37)).await;
            let before = state_of(&stage);
            stage.resume_to_the_end(1).await;
            stage.let_it_settle().await;
            !differs(&before, &state_of(&stage), true).is_empty()
        })
    };
    assert!(lifted(false), "two people have spoken");
    assert!(!lifted(true), "nobody has, of what she has now");
}

/// What took the cuts off was one person's word, and the gate has not been open yet.
#[test]
fn once_the_word_that_let_her_in_holds_no_more_the_gate_stays_shut() {
    let text = PLAYBOOK.to_owned()
        + "  - { id: leak, phase: contain, uses: manual.close, with: { covers: leak, what: Close the leak } }\n"
        + "  - { id: anew, phase: rotate, uses: secretsmanager.secret.rotate, with: { secret: shop/db, by: generated, verifiers_read_secret: true } }\n";
    let rotated = |runs_out: bool| {
        play(async {
            let stage = Stage::set(&world(false), &text).await;
            assert!(matches!(stage.resume_to_the_end(1).await, Ending::Held(_)));
            let rows = Ledger::of(&stage.plan(), &stage.state()).rows;
            let hers = rows.iter().filter(|row| row.credential.principal() == Some(alice()));
            let hours = if runs_out { 1 } else { 99 };
            let until = stage.clock.now() + SignedDuration::from_hours(hours);
            let said = stage.said_by("anna");
            let waived = hers.map(|row| Entry::Waived {
                credential: row.credential.clone(),
                until,
                said: said.clone(),
            });
            stage.say(waived.collect::<Vec<_>>()).await;
            begin_to_let_her_in(&stage).await;
            let cut = state_of(&stage);
            assert!(matches!(stage.resume_to_the_end(1).await, Ending::Held(_)));
            stage.let_it_settle().await;
            assert!(!differs(&cut, &state_of(&stage), true).is_empty(), "she is let in");
            stage.clock.sleep(Duration::from_hours(2)).await;
            let before = state_of(&stage);
            let change = Some(ChangeId::parse("leak.1").unwrap());
            stage.say([Entry::Attested { change, said }]).await;
            let left = stage.resume_to_the_end(1).await;
            stage.let_it_settle().await;
            let told = format!("{left:?}");
            if runs_out {
                assert!(told.contains("password of alice"), "{told}");
            }
            let changed = before.changes_to(&state_of(&stage));
            changed.iter().any(|line| line.contains("/secrets/"))
        })
    };
    assert!(rotated(false), "what she holds is answered for");
    assert!(!rotated(true), "nothing is handed out beside what nobody answers for");
}

/// Whoever hangs a key on somebody else is met by the next round, which stands on the plan that let her in.
#[test]
fn the_case_goes_on_for_all_others_and_does_not_cut_her_again() {
    play(async {
        let text = PLAYBOOK.replace(
            "{ id: keys, phase: contain, uses: iam.access-key.deactivate, with: { user: alice, keys: all } }",
            "{ id: keys, phase: contain, for_each: [alice, intern], uses: iam.access-key.deactivate, with: { user: \"${{ each }}\", keys: all } }",
        );
        let mut stage = Stage::set(&world(false), &text).await;
        stage.most = MOST_ROUNDS;
        stage.resume_to_the_end(1).await;
        alice_is_cleared(&stage).await;
        begin_to_let_her_in(&stage).await;
        let iam = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let hung = iam.create_access_key().user_name("intern").send().await.unwrap();
        let hung = hung.access_key.unwrap().access_key_id;
        stage.let_it_settle().await;
        stage.resume_to_the_end(1).await;
        stage.let_it_settle().await;
        let now = state_of(&stage).0;
        let key =
            |user: &str, key: &str| now[&format!("111122223333/users/{user}/keys/{key}")].clone();
        assert_eq!(key("intern", &hung), "Inactive");
        assert_eq!(key("intern", "AKIAEXAMPLEINTERN001"), "Inactive");
        assert_eq!(key("alice", "AKIAEXAMPLEALICE0001"), "Active");
        let state = stage.state();
        assert!(state.round() > 2, "{}", stage.witness.0.lock().unwrap());
        let newest = stage.newest(state.round());
        assert_eq!(newest.plan.lets_in, [alice()]);
        assert!(planning::follows(&newest, Some(&stage.newest(state.round() - 1)), &read(&text)));
    });
}

#[test]
fn a_crash_anywhere_while_one_is_let_in_is_resumed_to_the_same_end() {
    let (expected, backdrop, lines, calls) = play(async {
        let stage = Stage::set(&world(true), PLAYBOOK).await;
        stage.resume_to_the_end(1).await;
        alice_is_cleared(&stage).await;
        begin_to_let_her_in(&stage).await;
        stage.clock.sleep(Duration::from_hours(37)).await;
        let backdrop = stage.backdrop();
        let (first, before) = (stage.cloud.requests() + 1, stage.state().entries);
        let ended = stage.resume_to_the_end(1).await;
        assert!(!matches!(ended, Ending::Held(_)), "{ended:?}");
        let decoded = journal::decode(&stage.tape.lock().unwrap().bytes).unwrap();
        let lines = decoded.lines.len();
        let calls = first..=stage.cloud.requests();
        stage.let_it_settle().await;
        assert!(stage.state().entries > before);
        ((ended, state_of(&stage)), backdrop, lines, calls)
    });
    let at_calls = calls.map(|call| (None, Some((call, Fault::StopAfter))));
    let at_lines = (1..=lines / 2).map(|line| (Some((line, Torn::Half)), None));
    // Lines and calls alternate, and each is the better part of a run.
    let cases: Vec<_> = at_lines.chain(at_calls).step_by(5).collect();
    let count = each(&cases, |(line, fault)| {
        play(async {
            let stage = backdrop.stage();
            stage.cloud.set_faults(*fault);
            let first = stage.run(*line).await;
            stage.cloud.set_faults([]);
            if matches!(first, Left::Crashed) {
                let ended = stage.resume_to_the_end(1).await;
                assert_eq!(ended, expected.0, "{line:?} {fault:?}");
            }
            stage.let_it_settle().await;
            let left = expected.1.changes_to(&state_of(&stage));
            assert!(left.is_empty(), "{line:?} {fault:?}: {left:#?}");
            no_effect_came_without_its_intent(&stage);
        });
    });
    println!("counted: {count} cases, crashes while one is let in again");
}

#[test]
fn one_is_let_in_on_the_command_line_as_all_are() {
    let rehearsal = Rehearsal::of(crate::stage::WORLD, super::CONTAINED);
    let (code, screen) = rehearsal.say(&["undo", "--only", "user/nobody", "--dry-run"]);
    assert_eq!(code, Some(2), "{screen}");
    assert!(
        screen.contains("the case cuts no user nobody") && screen.contains("user/ci-deploy"),
        "{screen}"
    );
    let dry = ["undo", "--only", "user/ci-deploy", "--dry-run", "--all"];
    let (code, screen) = rehearsal.say(&dry);
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("What is taken back in account 111122223333"), "{screen}");
    assert!(
        screen.contains("portcullis clear") && screen.contains("user/ci-deploy --reason TEXT"),
        "{screen}"
    );
    assert!(screen.contains("Everybody else stays cut, and the case goes on"), "{screen}");
    assert!(screen.contains("--only user/ci-deploy\n"), "{screen}");
    // Nobody has spoken yet, and nobody is promised anything.
    assert!(screen.contains("Nobody is let in by it yet: nothing comes off"), "{screen}");
    for name in ["anna", "ben"] {
        let clear = ["clear", "user/ci-deploy", "--as", name];
        let (code, screen) = rehearsal.say(&[&clear[..], &WHY].concat());
        assert_eq!(code, Some(0), "{screen}");
    }
    let (_, screen) = rehearsal.say(&["undo", "--only", "user/ci-deploy", "--yes"]);
    assert!(
        screen.contains("is kept until") && screen.contains("works        deploy-pipeline"),
        "{screen}"
    );
    assert!(screen.contains("Next: from 2026-03-25 19:11 UTC on"), "{screen}");
    let (_, status) = rehearsal.say(&["status"]);
    assert!(status.contains("undone     quarantine.1"), "{status}");
    let (code, screen) = rehearsal.say(&["undo", "--only", "user/ci-deploy", "--dry-run"]);
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("can be taken back, or all of it was"), "{screen}");
    let (_, report) = rehearsal.say(&["report"]);
    assert!(report.contains("round 2, which lets user ci-deploy in again, was begun"), "{report}");
}

/// Whoever is called has to hear first of whom nobody answers for, and what to type.
#[test]
fn who_is_in_on_a_word_that_ran_out_is_told_first_by_the_last_line_and_the_report() {
    let world = crate::stage::WORLD.replacen(
        "      ci-deploy:\n",
        "      ci-deploy:\n        password: {}\n",
        1,
    );
    let rehearsal = Rehearsal::of(&world, super::CONTAINED);
    let waive = ["waive", "user/ci-deploy", "--until", "6m", "--as", "anna"];
    rehearsal.say(&[&waive[..], &WHY].concat());
    let (_, screen) = rehearsal.say(&["undo", "--only", "user/ci-deploy", "--yes"]);
    assert!(!screen.contains(" is IN"), "{screen}");
    // Minutes have passed in the world since.
    let (code, screen) = rehearsal.say(&["resume"]);
    assert_eq!(code, Some(13), "{screen}");
    let next = screen.split("Next: ").last().unwrap();
    for words in
        ["user ci-deploy (let in again by quarantine.2, for which ", "is IN", "portcullis waive "]
    {
        assert!(next.contains(words), "{words}: {screen}");
    }
    let (_, why) = screen.split_once("(exit code 13)\n").unwrap();
    assert!(why.starts_with("  - nothing cuts the console password of ci-deploy"), "{why}");
    let (_, report) = rehearsal.say(&["report"]);
    let (_, left) = report.split_once("Left to do").unwrap();
    let first = left.lines().nth(1).unwrap();
    assert!(
        first.contains("console password of ci-deploy: let in again by quarantine.2"),
        "{report}"
    );
    assert!(first.contains("clear ") && first.contains("password/ci-deploy"), "{report}");
}

/// What was hung on her while the case went on stays off, keeps her shut out of nothing else, and is no reason to close the case.
#[test]
fn what_came_since_stays_off_when_its_owner_is_let_in_alone_and_nobody_is_told_to_close_the_case() {
    let world = r#"
world: 1
now: 2026-03-24T07:10:00Z
lag: 4s
responder: { account: "111122223333", role: responder }
accounts:
  "111122223333":
    users:
      ci-deploy:
        keys: [{ id: AKIAEXAMPLELEAKED001 }]
        inline:
          own: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "iam:CreateAccessKey", Resource: "*" }] }
    roles:
      responder:
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: "arn:aws:iam::999988887777:root" }, Action: "sts:AssumeRole" }] }
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
        max_session: 12h
intruder:
  holds: [AKIAEXAMPLELEAKED001]
  reacts: [{ after: 1s, deeds: [{ operation: CreateAccessKey, params: {} }] }]
"#;
    let rehearsal = Rehearsal::of(world, super::CONTAINED);
    for name in ["anna", "ben"] {
        let clear = ["clear", "user/ci-deploy", "--as", name];
        let (code, screen) = rehearsal.say(&[&clear[..], &WHY].concat());
        assert_eq!(code, Some(0), "{screen}");
        assert!(screen.contains("came after this case was begun. Whoever knows whose"), "{screen}");
    }
    let only = ["undo", "--only", "user/ci-deploy"];
    let (code, dry) = rehearsal.say(&[&only[..], &["--dry-run", "--all"]].concat());
    assert_eq!(code, Some(0), "{dry}");
    assert!(dry.contains("Stays off: it came after this case was begun"), "{dry}");
    let (code, screen) = rehearsal.say(&[&only[..], &["--yes"]].concat());
    assert_eq!(code, Some(13), "{screen}");
    let (_, status) = rehearsal.say(&["status"]);
    assert!(status.contains("undone     quarantine.1"), "{status}");
    let next = screen.rsplit("Next: ").next().unwrap();
    assert!(next.contains("came after the case was begun and stays off"), "{screen}");
    for said in [&dry, &screen, &status] {
        assert!(!said.contains("portcullis close"), "{said}");
    }
}
