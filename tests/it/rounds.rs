//! Eviction as a fixed point: what somebody adds while we cut is found by the next survey and cut as well, as long
//! as it is within what was approved.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_iam::types::StatusType;
use jiff::SignedDuration;
use portcullis::ids::ChangeId;
use portcullis::journal::{self, Entry};
use portcullis::ledger::{Ledger, Standing};
use portcullis::plan::Credential;
use portcullis::planning::{self, Terms};
use portcullis::run::{Ending, Log, MOST_ROUNDS};
use portcullis::sim::Fault;

use crate::side_by_side::{each, spread};
use crate::stage::{
    self, Left, PLAYBOOK, Stage, Torn, WORLD, play, somebody_else, with_somebody_else,
};
use crate::verdict::{
    VICTIM, every_consumer_works, no_secret_was_written, requests_of, the_gate_was_kept,
    the_intruder_is_out, the_world_is_as_it_should_be,
};
use crate::words::whoever_has_a_new_key;

/// The shipped world, where the owner has but the leaked key when the plan is made.
pub(crate) fn with_one_key() -> String {
    with_somebody_else(WORLD)
        .replace(
            "          - id: AKIAEXAMPLEHUNGON002 # the one that the intruder added\n            created_at: 2026-03-24T02:41:07Z\n            last_used_at: 2026-03-24T06:58:40Z\n            last_used_service: sts\n",
            "",
        )
        .replace("holds: [AKIAEXAMPLELEAKED001, AKIAEXAMPLEHUNGON002,", "holds: [AKIAEXAMPLELEAKED001,")
}

/// Without the steps behind the gate, so that every round is containment.
fn cuts_alone() -> String {
    PLAYBOOK.split("  # ---- the gate").next().unwrap().to_owned()
}

async fn set(world: &str, playbook: &str) -> Stage {
    let mut stage = Stage::set(world, playbook).await;
    stage.most = MOST_ROUNDS;
    stage
}

/// Somebody who is not cut hangs a key on a user.
async fn hangs_a_key_on(stage: &Stage, user: &str) -> String {
    let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
    let made = other.create_access_key().user_name(user).send().await.unwrap();
    made.access_key().unwrap().access_key_id().to_owned()
}

fn rounds(stage: &Stage) -> Vec<u32> {
    let lines = journal::decode(&stage.tape.lock().unwrap().bytes).unwrap().lines;
    let begun = lines.iter().flat_map(|line| &line.entries).filter_map(|entry| match entry {
        Entry::RoundBegan { round, .. } => Some(*round),
        _ => None,
    });
    begun.collect()
}

fn standing_of(stage: &Stage, key: &str) -> Standing {
    let ledger = Ledger::of(&stage.plan(), &stage.state());
    let row = ledger.rows.into_iter().find(
        |row| matches!(&row.credential, Credential::AccessKey { id, .. } if id.as_str() == key),
    );
    row.unwrap_or_else(|| panic!("{key} is no row")).standing
}

/// Every round's plan follows from the one before.
fn every_round_follows(stage: &Stage) {
    let mut earlier = stage.saved.clone();
    for round in 2..=stage.state().round() {
        let saved = stage.newest(round);
        let playbook = stage::read(&saved.playbook);
        assert!(planning::follows(&saved, Some(&earlier), &playbook), "round {round}");
        assert!(!planning::follows(&saved, None, &playbook), "round {round} stands on no other");
        earlier = saved;
    }
}

#[test]
fn a_key_that_is_hung_on_while_we_cut_is_cut_in_the_next_round() {
    for after in [0, 30, 70] {
        play(async {
            let stage = set(&with_one_key(), &cuts_alone()).await;
            let later = async {
                stage.clock.sleep(Duration::from_secs(after)).await;
                hangs_a_key_on(&stage, VICTIM).await
            };
            let (left, theirs) = tokio::join!(stage.run(None), later);
            assert!(matches!(left, Left::Ended(Ending::NotProven)), "{after}: {left:?}");
            assert_eq!(rounds(&stage), [2], "{after}");
            assert!(matches!(standing_of(&stage, &theirs), Standing::Blocked { .. }), "{after}");
            stage.let_it_settle().await;
            the_intruder_is_out(&stage);
            every_round_follows(&stage);
            no_secret_was_written(&stage);
            // Nothing is left to find.
            assert!(matches!(stage.run(None).await, Left::Ended(Ending::NotProven)));
            assert_eq!(rounds(&stage), [2], "{after}");
        });
    }
}

/// Cuts a key by its name, and all of its user where he has come to have a password.
const DOOMED: &str = "portcullis: 1
name: doomed
title: One key, and whoever is given a password
mode: breach
counters: [T1078.004]
gate: { proof: settled, margin: 10s }
steps:
  - id: key-off
    title: Switch off the key
    phase: contain
    uses: iam.access-key.deactivate
    with: { user: ci-deploy, keys: [AKIAEXAMPLELEAKED001] }
  - id: quarantine
    title: Deny the user everything
    phase: contain
    if: inventory.has_password('ci-deploy')
    uses: iam.user.quarantine
    with: { user: ci-deploy }
  - id: keys-off
    title: Switch off what a user has
    phase: contain
    uses: iam.access-key.deactivate
    with: { user: backup, keys: all }
";

#[test]
fn a_later_round_cuts_break_glass_for_nobody_who_was_not_asked() {
    play(async {
        let mut stage = set(&with_somebody_else(WORLD), DOOMED).await;
        // Another key of a user in scope is what is left when nothing else goes.
        let glass = "AKIAEXAMPLEHUNGON002";
        stage.saved.inventory.caller.break_glass = vec![portcullis::inventory::Origin {
            how: "break-glass".to_owned(),
            arn: None,
            access_key_id: Some(portcullis::ids::AccessKeyId::parse(glass).unwrap()),
        }];
        let playbook = stage::read(DOOMED);
        assert!(
            planning::follows(&stage.saved, None, &playbook),
            "a cut of his other key is planned"
        );
        let later = async {
            stage.clock.sleep(Duration::from_secs(5)).await;
            let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
            let password = other.create_login_profile().user_name(VICTIM);
            password.password("Correct-Horse-7").send().await.unwrap();
            hangs_a_key_on(&stage, "backup").await
        };
        let (left, theirs) = tokio::join!(stage.run(None), later);
        let Left::Ended(Ending::Asking { beyond, .. }) = left else { panic!("{left:?}") };
        assert!(
            beyond.iter().any(|why| why.contains("it would cut off break-glass")),
            "{beyond:?}"
        );
        // What waits for nobody was not kept back, and break-glass lets its holder in.
        assert_eq!(rounds(&stage), [2]);
        assert!(matches!(standing_of(&stage, &theirs), Standing::Blocked { .. }));
        let iam = aws_sdk_iam::Client::new(&stage::somebody_with(glass, &stage.cloud, stage.clock));
        iam.list_access_keys().send().await.expect("break-glass works");
        let asked = stage.newest(3);
        assert!(planning::follows(&asked, Some(&stage.newest(2)), &playbook));
        // With somebody's word it is cut.
        stage.says_yes_to(&asked).await;
        let left = stage.run(None).await;
        assert!(matches!(left, Left::Ended(Ending::NotProven)), "{left:?}");
        assert_eq!(rounds(&stage), [2, 3]);
        stage.let_it_settle().await;
        iam.list_access_keys().send().await.expect_err("he is denied everything");
        no_secret_was_written(&stage);
    });
}

/// What somebody who is not cut sets up, of whom no step speaks; gives back the words that the ledger has for it.
async fn sets_up(stage: &Stage, way: &str) -> &'static str {
    let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
    let everybody = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
    match way {
        "user" => {
            other.create_user().user_name("svc-backup").send().await.unwrap();
            other.create_access_key().user_name("svc-backup").send().await.unwrap();
            "of svc-backup"
        }
        "key" => {
            other.create_access_key().user_name("backup").send().await.unwrap();
            "of backup"
        }
        "password" => {
            let password = other.create_login_profile().user_name("backup");
            password.password("Correct-Horse-7").send().await.unwrap();
            "console password of backup"
        }
        "role" => {
            let role = other.create_role().role_name("back");
            role.assume_role_policy_document(everybody).send().await.unwrap();
            "admission of anyone at all to role back, with the sessions it has given"
        }
        "works again" => {
            let key = other.update_access_key().user_name("admin");
            let key = key.access_key_id("AKIAEXAMPLEADMIN0010").status(StatusType::Active);
            key.send().await.unwrap();
            "AKIAEXAMPLEADMIN0010 of admin"
        }
        _ => {
            trusts(stage, everybody).await;
            "admission of anyone at all to role pipeline, with the sessions it has given"
        }
    }
}

async fn trusts(stage: &Stage, trust: &str) {
    let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
    let update = other.update_assume_role_policy().role_name("pipeline");
    update.policy_document(trust).send().await.unwrap();
}

/// Somebody answers for all that has come since, by what he is shown.
async fn answers_for_newcomers(stage: &Stage) {
    let plan = stage.plan();
    // Whoever is let into a role may be in it already, and read what it reads.
    let newcomers = plan.credentials.iter();
    let newcomers = newcomers.filter(|one| plan.is_newcomer(one) || plan.is_in_reach(one));
    let until = stage.clock.now() + SignedDuration::from_hours(9);
    let waived = newcomers.map(|credential| Entry::Waived {
        credential: credential.clone(),
        until,
        said: stage.said_by("anna"),
    });
    stage.say(waived.collect::<Vec<_>>()).await;
}

#[test]
fn whoever_comes_into_the_account_while_we_cut_keeps_the_gate_shut_until_he_is_spoken_of() {
    let world = with_somebody_else(WORLD);
    // By AWS's clock, and not by one of ours that is ahead of it.
    let ahead = world.replacen("\nlag: 4s", "\nlag: 4s\nclock_skew: -90s", 1);
    let ways = ["user", "key", "password", "role", "trust"].map(|way| (&world, way));
    for (world, way) in ways.into_iter().chain([(&ahead, "user"), (&ahead, "password")]) {
        play(async {
            let mut stage = set(world, PLAYBOOK).await;
            stage.goes_by_aws();
            let told = stage.saved.plan.warnings.iter().any(|told| told.contains("90 s ahead of"));
            assert_eq!(told, world == &ahead, "{:#?}", stage.saved.plan.warnings);
            let later = async {
                stage.clock.sleep(Duration::from_secs(10)).await;
                sets_up(&stage, way).await
            };
            let (left, words) = tokio::join!(stage.run(None), later);
            let Left::Ended(Ending::Held(why)) = left else { panic!("{way}: {left:?}") };
            let said = format!("{words}, which has come since the account was first surveyed");
            assert!(why.iter().any(|why| why.contains(&said)), "{way}: {why:#?}");
            assert_eq!(the_gate_was_kept(&stage), 0, "{way}: nothing is handed out");
            every_round_follows(&stage);

            answers_for_newcomers(&stage).await;
            assert!(matches!(stage.run(None).await, Left::Ended(Ending::NotProven)), "{way}");
            assert!(the_gate_was_kept(&stage) > 0, "{way}");
        });
    }
}

/// Also where the role's sessions are ended by a step: whoever is admitted asks for another.
#[test]
fn what_was_said_of_whom_a_role_admits_is_said_of_nobody_whom_it_admits_later() {
    let ends_sessions = "  - id: pipeline-sessions\n    phase: contain\n    uses: iam.role.revoke-sessions\n    with: { role: pipeline }\n  # ---- the gate";
    let admits = |who: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{who}"}},"Action":"sts:AssumeRole"}}]}}"#
        )
    };
    let playbook = PLAYBOOK.replacen("  # ---- the gate", ends_sessions, 1);
    let listed = "                  - iam:ListUsers\n";
    let may = format!(
        "{listed}                  - iam:PutRolePolicy\n                  - iam:ListRolePolicies\n                  - iam:GetRolePolicy\n"
    );
    let world = with_somebody_else(WORLD).replacen(listed, &may, 1);
    for playbook in [PLAYBOOK, &*playbook] {
        play(async {
            let stage = set(&world, playbook).await;
            for who in ["444455556666", "777788889999"] {
                trusts(&stage, &admits(who)).await;
                let left = stage.run(None).await;
                let Left::Ended(Ending::Held(why)) = left else { panic!("{who}: {left:?}") };
                assert!(why.iter().any(|why| why.contains(&format!("account {who}"))), "{why:#?}");
                assert_eq!(the_gate_was_kept(&stage), 0, "{who}: nothing is handed out");
                answers_for_newcomers(&stage).await;
            }
            every_round_follows(&stage);
            // Whoever admits fewer, or says the same in other words, admits nobody.
            let fewer =
                admits("arn:aws:iam::777788889999:root").replace(r#""Effect":"Allow","#, "");
            trusts(&stage, &fewer.replace(r#""Action""#, r#""Effect":"Allow","Action""#)).await;
            let left = stage.run(None).await;
            assert!(matches!(left, Left::Ended(Ending::NotProven)), "{left:?}");
            assert!(the_gate_was_kept(&stage) > 0);
        });
    }
}

/// Hours or days after, when nobody plans anything: whoever is looked for by a run is looked for by a look.
#[test]
fn whoever_comes_in_days_after_is_an_alarm_of_a_look_until_somebody_answers_for_him() {
    play(async {
        let key = "{ id: AKIAEXAMPLEADMIN0009 }";
        let off = format!("{key}, {{ id: AKIAEXAMPLEADMIN0010, status: inactive }}");
        let world = with_somebody_else(WORLD).replacen(key, &off, 1);
        let stage = set(&world, PLAYBOOK).await;
        assert!(matches!(stage.run(None).await, Left::Ended(Ending::NotProven)));
        stage.clock.sleep(Duration::from_hours(3)).await;
        assert_eq!(stage.verify(&Log::None).await, Ending::NotProven, "nobody has come");
        let mut words = BTreeSet::new();
        for way in ["user", "key", "password", "role", "trust", "works again"] {
            words.insert(sets_up(&stage, way).await);
        }
        let Ending::Held(why) = stage.verify(&Log::None).await else { panic!("no alarm") };
        let told = why.join("\n");
        for words in words {
            assert!(why.iter().any(|why| why.contains(words)), "{words}: {told}");
        }
        assert!(told.contains("it has come since the case was last planned"), "{told}");
        let ledger = Ledger::of(&stage.plan(), &stage.state());
        assert_eq!(
            ledger.unaccounted().filter(|row| stage.state().came.contains(&row.credential)).count(),
            7
        );
        // Looking again says it again, and writes it down once.
        assert!(matches!(stage.verify(&Log::None).await, Ending::Held(_)));

        let until = stage.clock.now() + SignedDuration::from_hours(1);
        let waived = stage.state().came.into_iter().map(|credential| Entry::Waived {
            credential,
            until,
            said: stage.said_by("anna"),
        });
        stage.say(waived.collect::<Vec<_>>()).await;
        assert_eq!(stage.verify(&Log::None).await, Ending::NotProven);
        stage.clock.sleep(Duration::from_hours(2)).await;
        assert!(matches!(stage.verify(&Log::None).await, Ending::Held(_)), "nobody answers now");
        // A resumption meets him too, and plans what can be planned.
        let left = stage.run(None).await;
        let Left::Ended(Ending::Held(why)) = left else { panic!("{left:?}") };
        assert!(
            why.join("\n").contains("which has come since the account was first surveyed"),
            "{why:?}"
        );
        every_round_follows(&stage);
        let ledger = Ledger::of(&stage.plan(), &stage.state());
        assert!(stage.state().came.iter().all(|one| stage.plan().credentials.contains(one)));
        assert!(ledger.unaccounted().count() >= 6);
    });
}

#[test]
fn where_nobody_may_list_the_run_says_that_it_has_not_seen_who_has_come() {
    play(async {
        let world = WORLD.replace("                  - iam:ListUsers\n", "");
        assert_ne!(world, WORLD);
        let stage = set(&world, PLAYBOOK).await;
        assert!(matches!(stage.run(None).await, Left::Ended(Ending::NotProven)));
        let said = stage.witness.0.lock().unwrap().clone();
        assert!(said.contains("not seen {\"iam:ListUsers\"}"), "{said}");
        let ledger = Ledger::of(&stage.plan(), &stage.state());
        let mut unseen = ledger.unaccounted().map(|row| row.credential.typed());
        assert!(unseen.any(|one| one == "unseen/iam:ListUsers"));
        assert_eq!(stage.verify(&Log::None).await, Ending::NotProven);
        assert!(stage.state().not_seen.contains("iam:ListUsers"), "nor does a look see him");
    });
}

/// What a look has found is no less there because whoever resumes may not list it.
#[test]
fn who_was_seen_to_have_come_keeps_the_gate_shut_where_he_can_be_seen_no_more() {
    play(async {
        let stage = set(&with_somebody_else(WORLD), PLAYBOOK).await;
        stage.clock.sleep(Duration::from_secs(10)).await;
        sets_up(&stage, "key").await;
        assert!(matches!(stage.run(None).await, Left::Ended(Ending::Held(_))));
        answers_for_newcomers(&stage).await;
        stage.clock.sleep(Duration::from_secs(10)).await;
        let words = sets_up(&stage, "user").await;
        assert!(matches!(stage.verify(&Log::None).await, Ending::Held(_)));
        let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:ListUsers","Resource":"*"}]}"#;
        let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let denied = other.put_role_policy().role_name("incident-responder").policy_name("less");
        denied.policy_document(deny).send().await.unwrap();
        stage.clock.sleep(Duration::from_secs(30)).await;
        let left = stage.run(None).await;
        let Left::Ended(Ending::Held(why)) = left else { panic!("{left:?}") };
        let said = format!("{words}, which has come since the account was first surveyed");
        assert!(why.iter().any(|why| why.contains(&said)), "{why:#?}");
        assert_eq!(the_gate_was_kept(&stage), 0, "nothing is handed out");
    });
}

#[test]
fn what_we_make_to_try_cuts_on_is_nobody_who_has_come_in() {
    play(async {
        let world = WORLD.replace("\nlag: 4s", "\nlag: 4s\nread_lag: 20s");
        let mut stage = Stage::set_on(&world, PLAYBOOK, &Terms::default()).await.unwrap();
        stage.most = MOST_ROUNDS;
        assert!(stage.saved.plan.canary.is_some());
        // So late that the owner's own deleted key is still counted: a person is called for that, behind the gate.
        let ended = stage.resume_to_the_end(1).await;
        assert!(matches!(&ended, Ending::Held(why) if why[0].contains("new-key.1")), "{ended:?}");
        assert!(!stage.plan().credentials.iter().any(|one| stage.plan().is_newcomer(one)));
    });
}

#[test]
fn who_takes_the_name_of_one_that_we_made_and_removed_has_come() {
    let world = with_somebody_else(WORLD);
    let ahead = world.replacen("\nlag: 4s", "\nlag: 4s\nclock_skew: -90s", 1);
    for world in [&world, &ahead] {
        play(async {
            let mut stage = Stage::set_on(world, PLAYBOOK, &Terms::default()).await.unwrap();
            stage.goes_by_aws();
            stage.most = MOST_ROUNDS;
            stage.clock.sleep(Duration::from_secs(10)).await;
            sets_up(&stage, "key").await;
            assert!(matches!(stage.run(None).await, Left::Ended(Ending::Held(_))));
            let name = stage.state().canaries.keys().next().expect("cuts were tried").clone();
            stage.clock.sleep(Duration::from_secs(10)).await;
            let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
            let made = other.create_user().user_name(&name).path("/portcullis-canary/");
            made.send().await.unwrap();
            other.create_access_key().user_name(&name).send().await.unwrap();
            answers_for_newcomers(&stage).await;
            let left = stage.run(None).await;
            let Left::Ended(Ending::Held(why)) = left else { panic!("{left:?}") };
            assert!(why.iter().any(|why| why.contains(&name)), "{why:#?}");
            assert_eq!(the_gate_was_kept(&stage), 0, "nothing is handed out");
        });
    }
}

/// AWS tells whole seconds: what the survey has listed was there, though it was made in the very second of it.
#[test]
fn whoever_was_made_in_the_second_of_the_survey_and_listed_by_it_has_not_come() {
    play(async {
        let now = "2026-03-24T07:10:00Z";
        let world = WORLD
            .replacen("created_at: 2023-05-02T08:00:00Z", &format!("created_at: {now}"), 1)
            .replacen("created_at: 2025-11-01T08:00:00Z", &format!("created_at: {now}"), 1);
        // It reads everybody and all keys, and cuts nobody beside.
        let text = whoever_has_a_new_key().replace(
            ">= inputs.leaked_at",
            ">= inputs.leaked_at && key.id == inputs.access_key_id",
        );
        let stage = set(&world, &text).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert!(stage.state().came.is_empty(), "{:?}", stage.state().came);
        assert_eq!(requests_of(&stage, "CreateAccessKey").len(), 1);
    });
}

#[test]
fn where_nothing_is_new_the_first_round_is_the_last() {
    play(async {
        let stage = set(WORLD, PLAYBOOK).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert_eq!(rounds(&stage), [0; 0]);
        stage.let_it_settle().await;
        the_intruder_is_out(&stage);
        every_consumer_works(&stage);
    });
}

/// Cutting goes on unasked; what deletes more than was approved does not.
#[test]
fn a_round_that_would_delete_a_key_nobody_was_asked_about_waits() {
    play(async {
        let stage = set(&with_one_key(), PLAYBOOK).await;
        let theirs = hangs_a_key_on(&stage, VICTIM).await;
        let left = stage.run(None).await;
        let Left::Ended(Ending::Asking { beyond: why, .. }) = left else { panic!("{left:?}") };
        assert!(why[0].starts_with("new-key.1 would ") && why[0].contains(&theirs), "{why:?}");
        // It is cut all the same.
        assert_eq!(rounds(&stage), [2]);
        assert!(matches!(standing_of(&stage, &theirs), Standing::Blocked { .. }));
        assert!(crate::verdict::requests_of(&stage, "CreateAccessKey").is_empty());
        // Whoever reads its plan and says yes to it has it carried out.
        let next = stage.newest(3);
        stage.says_yes_to(&next).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert_eq!(rounds(&stage), [2, 3]);
        every_round_follows(&stage);
        stage.let_it_settle().await;
        the_intruder_is_out(&stage);
        every_consumer_works(&stage);
        assert!(matches!(standing_of(&stage, &theirs), Standing::Dead { .. }));
    });
}

/// An intruder who is quick makes one round after the other, and no run without an end.
#[test]
fn whoever_adds_keys_faster_than_they_are_cut_calls_a_person_in_the_end() {
    play(async {
        let stage = set(&with_one_key(), &cuts_alone()).await;
        let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let hangs_on = async {
            loop {
                stage.clock.sleep(Duration::from_secs(5)).await;
                let another = || other.create_access_key().user_name(VICTIM).send();
                if another().await.is_err() {
                    // Two fit: he makes room for the next.
                    let keys = other.list_access_keys().user_name(VICTIM).send().await.unwrap();
                    let ids =
                        keys.access_key_metadata().iter().filter_map(|key| key.access_key_id());
                    let old = ids.filter(|id| *id != "AKIAEXAMPLELEAKED001").min().unwrap();
                    let gone = other.delete_access_key().user_name(VICTIM).access_key_id(old);
                    gone.send().await.unwrap();
                    another().await.unwrap();
                }
            }
        };
        let left = tokio::select! {
            biased;
            left = stage.run(None) => left,
            () = hangs_on => unreachable!("he never stops"),
        };
        let Left::Ended(Ending::Held(why)) = left else { panic!("{left:?}") };
        assert!(why.join(" ").contains("faster than they are cut"), "{why:?}");
        assert!(rounds(&stage).len() >= MOST_ROUNDS as usize, "{:?}", rounds(&stage));
    });
}

/// Before and after every line of the journal and every call of a run that goes through two rounds.
#[test]
fn a_crash_anywhere_in_two_rounds_is_resumed_to_the_same_end() {
    let (backdrop, lines, calls) = play(async {
        let stage = set(&with_one_key(), &cuts_alone()).await;
        hangs_a_key_on(&stage, VICTIM).await;
        let backdrop = stage.backdrop();
        let before = stage.cloud.requests();
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert_eq!(rounds(&stage), [2]);
        let lines = journal::decode(&stage.tape.lock().unwrap().bytes).unwrap().lines.len();
        (backdrop, lines, (before + 1)..=stage.cloud.requests())
    });
    let at_lines = (1..=lines)
        .flat_map(|line| [(Some((line, Torn::Half)), None), (Some((line, Torn::Whole)), None)]);
    let at_calls = calls.flat_map(|call| {
        [Fault::StopBefore, Fault::StopAfter].map(|fault| (None, Some((call, fault))))
    });
    let cases: Vec<_> = at_lines.chain(at_calls).collect();
    let all = cases.len();
    let count = each(&spread(cases, 120), |(line, fault)| {
        play(async {
            let stage = backdrop.stage();
            stage.cloud.set_faults(*fault);
            let first = stage.run(*line).await;
            stage.cloud.set_faults([]);
            if !matches!(first, Left::Ended(_)) {
                assert_eq!(
                    stage.resume_to_the_end(1).await,
                    Ending::NotProven,
                    "{line:?} {fault:?}"
                );
            }
            assert_eq!(rounds(&stage), [2], "{line:?} {fault:?}");
            every_round_follows(&stage);
            stage.let_it_settle().await;
            the_intruder_is_out(&stage);
            let cut: Vec<ChangeId> = stage
                .plan()
                .changes
                .iter()
                .filter(|change| change.cuts())
                .map(|c| c.id.clone())
                .collect();
            let state = stage.state();
            assert!(cut.iter().all(|id| state.change(id).proof.is_some()), "{line:?} {fault:?}");
        });
    });
    println!("counted: {count} cases of {all}, crashes in two rounds");
}

/// Plays to the end, with kills at these requests, and says yes where somebody must; after the first kill another goes on
/// with it, on record, and after the second whoever likes to.
async fn killed_and_taken_over(stage: &Stage, kills: &[(u64, Fault)]) -> Ending {
    let mut killed = 0;
    for _ in 0..8 {
        let past = stage.cloud.requests();
        stage.cloud.set_faults(kills.iter().filter(|(at, _)| *at > past).copied());
        match stage.run(None).await {
            Left::Crashed => {
                killed += 1;
                if killed == 1 {
                    stage.is_taken_over().await;
                }
            }
            Left::Ended(Ending::Asking { .. }) => {
                stage.says_yes_to(&stage.newest(stage.state().round() + 1)).await;
            }
            Left::Ended(ending) => return ending,
        }
    }
    panic!("no end: {}", stage.witness.0.lock().unwrap());
}

/// Through a round that runs unasked and one that somebody says yes to, to what is handed out and lifted.
#[test]
fn a_case_that_is_killed_taken_over_and_killed_again_in_its_rounds_comes_to_the_same_end() {
    const PAIRS: usize = 24;
    let (backdrop, before, first, last) = play(async {
        let stage = set(&with_one_key(), PLAYBOOK).await;
        hangs_a_key_on(&stage, VICTIM).await;
        let (backdrop, before) = (stage.backdrop(), stage.cloud.snapshot());
        let first = stage.cloud.requests() + 1;
        let ending = killed_and_taken_over(&stage, &[]).await;
        assert_eq!(rounds(&stage), [2, 3]);
        let last = stage.cloud.requests();
        stage.let_it_settle().await;
        the_world_is_as_it_should_be(&stage, &before, &ending);
        (backdrop, before, first, last)
    });
    let faults = [Fault::StopBefore, Fault::StopAfter];
    let pairs: Vec<[(u64, Fault); 2]> = (first..=last)
        .flat_map(|one| (one + 1..=last).map(move |another| (one, another)))
        .enumerate()
        .map(|(n, (one, another))| [(one, faults[n % 2]), (another, faults[n / 2 % 2])])
        .collect();
    let all = pairs.len();
    let sampled: Vec<_> = pairs.into_iter().step_by(all / PAIRS).collect();
    let taken = each(&sampled, |kills| {
        play(async {
            let stage = backdrop.stage();
            let ending = killed_and_taken_over(&stage, kills).await;
            every_round_follows(&stage);
            stage.let_it_settle().await;
            the_world_is_as_it_should_be(&stage, &before, &ending);
            assert_eq!(stage.state().taken_over.len(), 1);
        });
    });
    println!("counted: {taken} pairs of kills, of {all}, in rounds");
}

/// Whom a step has let in again is let in with what he had then: what somebody hangs on him afterwards keeps the gate shut for
/// everybody who still waits behind it.
#[test]
fn what_comes_on_somebody_who_was_let_in_again_keeps_the_gate_shut() {
    let steps = |user: &str| {
        let key = format!("AKIAEXAMPLE{}0001", user.to_uppercase());
        format!(
            "  - {{ id: q-{user}, phase: contain, uses: iam.user.quarantine, with: {{ user: {user} }} }}\n  \
             - {{ id: k-{user}, phase: contain, uses: iam.access-key.deactivate, with: {{ user: {user}, keys: [{key}] }} }}\n  \
             - {{ id: s-{user}, phase: contain, uses: iam.user.revoke-sessions, with: {{ user: {user} }} }}\n  \
             - {{ id: n-{user}, phase: rotate, uses: iam.access-key.replace, with: {{ user: {user}, deliver_to: s/{user} }} }}\n  \
             - {{ id: l-{user}, phase: recover, needs: [n-{user}], uses: iam.user.lift-quarantine, with: {{ user: {user} }} }}\n"
        )
    };
    let text = format!(
        "portcullis: 1\nname: x\ntitle: x\ngate: {{ proof: settled }}\nsteps:\n{}{}",
        steps("alice"),
        steps("bobby")
    );
    let user = |name: &str| {
        let key = format!("AKIAEXAMPLE{}0001", name.to_uppercase());
        format!("      {name}:\n        keys: [{{ id: {key} }}]\n")
    };
    let secret = |name: &str| {
        let key = format!("AKIAEXAMPLE{}0001", name.to_uppercase());
        format!(
            "      s/{name}: {{ value: {{ access_key_id: {key}, secret_access_key: \"@secret-of {key}\" }} }}\n"
        )
    };
    let none_for_bobby = r#"{ Version: "2012-10-17", Statement: [{ Effect: Deny, Action: "iam:CreateAccessKey", Resource: "arn:aws:iam::111122223333:user/bobby" }] }"#;
    let world = format!(
        r#"
world: 1
now: 2026-03-24T07:10:00Z
responder: {{ account: "111122223333", role: responder }}
accounts:
  "111122223333":
    users:
{}{}{}
    roles:
      responder:
        trust: {{ Version: "2012-10-17", Statement: [{{ Effect: Allow, Principal: {{ AWS: "999988887777" }}, Action: "sts:AssumeRole" }}] }}
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
        inline: {{ none-for-bobby: {none_for_bobby} }}
    secrets:
{}{}"#,
        user("alice"),
        user("bobby"),
        stage::ADMIN,
        secret("alice"),
        secret("bobby")
    );
    for with in ["a password", "a key", "a password for one service"] {
        play(async {
            let stage = set(&world, &text).await;
            let left = stage.run(None).await;
            let Left::Ended(Ending::Held(why)) = left else { panic!("{with}: {left:?}") };
            assert!(why.iter().any(|why| why.contains("bobby")), "{with}: {why:#?}");
            let quarantine = "/users/alice/attached/arn:aws:iam::aws:policy/AWSDenyAll";
            let quarantined = |stage: &Stage| {
                stage.cloud.snapshot().0.keys().any(|key| key.ends_with(quarantine))
            };
            assert!(!quarantined(&stage), "{with}: she is let in");
            let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
            let allowed = other.delete_role_policy().role_name("responder");
            allowed.policy_name("none-for-bobby").send().await.unwrap();
            match with {
                "a key" => {
                    let old = other.delete_access_key().user_name("alice");
                    old.access_key_id("AKIAEXAMPLEALICE0001").send().await.unwrap();
                    hangs_a_key_on(&stage, "alice").await;
                }
                "a password" => {
                    let password = other.create_login_profile().user_name("alice");
                    password.password("Correct-Horse-7").send().await.unwrap();
                }
                _ => {
                    let password = other.create_service_specific_credential().user_name("alice");
                    password.service_name("codecommit.amazonaws.com").send().await.unwrap();
                }
            }
            stage.let_it_settle().await;
            let keys = |stage: &Stage| {
                let all = stage.cloud.snapshot().0.into_keys();
                all.filter(|key| key.contains("/users/bobby/keys/")).count()
            };
            let left = stage.run(None).await;
            let Left::Ended(Ending::Held(why)) = left else { panic!("{with}: {left:?}") };
            assert!(why.iter().any(|why| why.contains("alice")), "{with}: {why:#?}");
            assert_eq!(keys(&stage), 1, "{with}: nothing is handed out beside it");
        });
    }
}
