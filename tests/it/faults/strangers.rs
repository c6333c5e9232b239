//! What is not ours and looks as if it were: a key made by somebody else beside the one we make, a user or
//! a secret made anew under an old name, a key of our own that is shown too late.

use aws_sdk_iam::Client;
use portcullis::ids::AccessKeyId;
use portcullis::journal::{self, Entry, Note};
use portcullis::ledger::{Ledger, Row, Standing};
use portcullis::plan::{Change, Credential};
use portcullis::run::{Ending, Log, undo_of};
use portcullis::sim::{Cloud, Fault};

use super::contested::{LEAKED, held, issued, set};
use crate::stage::{Left, PLAYBOOK, Stage, Torn, WORLD, play, somebody_else, with_somebody_else};
use crate::verdict::{
    ACCOUNT, SECRET, VICTIM, every_consumer_works, no_secret_was_written, requests_of,
    the_intruder_is_out,
};

fn other(stage: &Stage) -> Client {
    Client::new(&somebody_else(&stage.cloud, stage.clock))
}

/// Somebody makes a key by hand.
async fn makes_a_key(stage: &Stage) -> String {
    let made = other(stage).create_access_key().user_name(VICTIM).send().await.unwrap();
    made.access_key.unwrap().access_key_id
}

/// The status of a key of the owner.
fn status(stage: &Stage, key: &str) -> Option<String> {
    stage.cloud.snapshot().0.get(&format!("{ACCOUNT}/users/{VICTIM}/keys/{key}")).cloned()
}

/// A stage, and the number of the first request for `operation` in a run that nothing disturbs.
async fn set_with_the_request_of(operation: &str) -> (Stage, u64) {
    let rehearsed = set().await;
    let backdrop = rehearsed.backdrop();
    rehearsed.resume_to_the_end(1).await;
    (backdrop.stage(), requests_of(&rehearsed, operation)[0])
}

/// What was refused came to nothing, so whatever appears after it was made by somebody else.
#[test]
fn a_key_made_by_hand_after_ours_was_refused_is_not_deleted_as_ours() {
    play(async {
        let (stage, minting) = set_with_the_request_of("CreateAccessKey").await;
        stage.cloud.set_faults([(minting, Fault::RefusedFromHere)]);
        let why = held(stage.run(None).await);
        assert!(why.contains("iam:CreateAccessKey was refused"), "{why}");
        stage.cloud.set_faults([]);
        let theirs = makes_a_key(&stage).await;
        for _ in 0..2 {
            let why = held(stage.run(None).await);
            assert!(why.contains(&theirs) && why.contains("has appeared"), "{why}");
            assert_eq!(status(&stage, &theirs).as_deref(), Some("Active"));
            assert_eq!(issued(&stage), 0);
        }
    });
}

/// He takes the last slot between our note and our call, which is refused for want of room: it is he who is
/// named, not the quota.
#[test]
fn a_strangers_key_in_the_slot_that_was_ours_holds_the_run_and_is_named() {
    play(async {
        let world = with_somebody_else(&WORLD.replace("lag: 4s", "lag: 4s\nlatency: 300ms"));
        let rehearsed = Stage::set(&world, PLAYBOOK).await;
        let backdrop = rehearsed.backdrop();
        rehearsed.resume_to_the_end(1).await;
        let minting = requests_of(&rehearsed, "CreateAccessKey")[0];
        let stage = backdrop.stage();
        let meanwhile = async {
            // The last call before ours asks for the time that the note then says.
            stage.until(|stage| stage.cloud.requests() + 1 >= minting).await;
            makes_a_key(&stage).await
        };
        let (left, theirs) = tokio::join!(stage.run(None), meanwhile);
        let audit = stage.cloud.audit();
        let refused =
            |e: &&portcullis::sim::AuditEvent| e.error.as_deref() == Some("LimitExceeded");
        assert_eq!(audit.iter().filter(refused).count(), 1, "there was no room for ours");
        let why = held(left);
        assert!(why.contains(&theirs) && why.contains("has appeared"), "{why}");
        let why = held(stage.run(None).await);
        assert!(why.contains(&theirs) && why.contains("has appeared"), "{why}");
        assert_eq!(status(&stage, &theirs).as_deref(), Some("Active"), "left to a person");
        assert_eq!(issued(&stage), 0);
    });
}

#[test]
fn a_strangers_key_beside_a_staged_one_holds_the_run_and_is_named() {
    play(async {
        let (stage, staging) = set_with_the_request_of("PutSecretValue").await;
        stage.cloud.set_faults([(staging, Fault::LostAnswer)]);
        let meanwhile = async {
            stage.until(|stage| stage.cloud.requests() >= staging).await;
            // Both slots are taken; he makes room for his own.
            let makes_room = other(&stage).delete_access_key().user_name(VICTIM);
            makes_room.access_key_id(LEAKED).send().await.unwrap();
            makes_a_key(&stage).await
        };
        let (left, theirs) = tokio::join!(stage.run(None), meanwhile);
        let why = held(left);
        assert!(why.contains(&theirs) && why.contains("has appeared"), "{why}");
        assert_eq!(status(&stage, &theirs).as_deref(), Some("Active"), "left to a person");
        assert!(requests_of(&stage, "UpdateSecretVersionStage").is_empty(), "not handed over");
        assert!(requests_of(&stage, "DetachUserPolicy").is_empty(), "not lifted");
        the_intruder_is_out(&stage);
        no_secret_was_written(&stage);
    });
}

/// The crash came between the note and the call, and a stranger's key in its place: nothing tells it from
/// one of ours whose answer was lost. Like such a one it does not stay.
#[test]
fn a_strangers_key_between_the_note_and_a_crash_does_not_survive() {
    play(async {
        let rehearsed = set().await;
        let backdrop = rehearsed.backdrop();
        rehearsed.resume_to_the_end(1).await;
        let line = rehearsed
            .line_of(|entry| matches!(entry, Entry::Noted { note: Note::Minting { .. }, .. }));
        let stage = backdrop.stage();
        assert!(matches!(stage.run(Some((line, Torn::Whole))).await, Left::Crashed));
        assert_eq!(issued(&stage), 0);
        let theirs = makes_a_key(&stage).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        assert_eq!(status(&stage, &theirs), None);
        the_intruder_is_out(&stage);
        every_consumer_works(&stage);
        let lines = journal::decode(&stage.tape.lock().unwrap().bytes).unwrap().lines;
        let named = lines.iter().flat_map(|line| &line.entries).any(|entry| {
            matches!(entry, Entry::Noted { note: Note::Removing { key, .. }, .. }
                if key.as_str() == theirs)
        });
        assert!(named, "what was removed is on record");
    });
}

/// Two keys of our own: the answer to the first was lost and it is shown late; the second is stored by then.
#[test]
fn a_key_of_our_own_that_is_shown_after_the_next_one_is_stored_is_removed() {
    let fresh = "ci-fresh";
    let playbook = format!(
        "portcullis: 1
name: fresh-key
title: A key for a user who has none
mode: breach
gate: {{ proof: settled, margin: 60s }}
steps:
  - {{ id: deny, phase: contain, uses: iam.user.quarantine, with: {{ user: {fresh} }} }}
  - {{ id: sessions, phase: contain, uses: iam.user.revoke-sessions, with: {{ user: {fresh} }} }}
  - {{ id: key, phase: rotate, uses: iam.access-key.replace, with: {{ user: {fresh}, deliver_to: {SECRET} }} }}
"
    );
    // Nobody's key is in the secret yet.
    let held = "          access_key_id: AKIAEXAMPLELEAKED001\n          secret_access_key: \"@secret-of AKIAEXAMPLELEAKED001\"\n";
    assert!(WORLD.contains(held));
    let world = WORLD
        .replace(held, "")
        .replace("lag: 4s", "lag: 4s\nread_lag: 6s")
        .replace("      backup:\n", &format!("      {fresh}: {{ path: /ci/ }}\n      backup:\n"));
    play(async {
        let rehearsed = Stage::set(&world, &playbook).await;
        let backdrop = rehearsed.backdrop();
        rehearsed.resume_to_the_end(1).await;
        let minting = requests_of(&rehearsed, "CreateAccessKey")[0];
        let stage = backdrop.stage();
        stage.cloud.set_faults([(minting, Fault::LostAnswer)]);
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert_eq!(issued(&stage), 2, "the second was made while the first was not shown");
        stage.let_it_settle().await;
        let keys = format!("{ACCOUNT}/users/{fresh}/keys/");
        let snapshot = stage.cloud.snapshot();
        let left: Vec<_> =
            snapshot.0.iter().filter_map(|(k, v)| Some((k.strip_prefix(&keys)?, v))).collect();
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        let told: Vec<&AccessKeyId> =
            ledger.issued.iter().map(|issued| issued.key().unwrap()).collect();
        assert_eq!(told.len(), 1);
        assert_eq!(left, [(told[0].as_str(), &"Active".to_owned())]);
    });
}

/// The shipped world, where the owner is in no group and so can be deleted.
fn where_the_owner_can_go() -> String {
    with_somebody_else(&WORLD.replace("        groups: [deployers]\n", ""))
}

/// Deletes the owner, and makes another user of the same name.
async fn makes_the_owner_anew(stage: &Stage) {
    let other = other(stage);
    for key in [LEAKED, "AKIAEXAMPLEHUNGON002"] {
        let delete = other.delete_access_key().user_name(VICTIM).access_key_id(key);
        delete.send().await.unwrap();
    }
    let own_keys = other.delete_user_policy().user_name(VICTIM).policy_name("own-keys");
    own_keys.send().await.unwrap();
    other.delete_user().user_name(VICTIM).send().await.unwrap();
    other.create_user().user_name(VICTIM).path("/ci/").send().await.unwrap();
}

const BEHIND_THE_GATE: [&str; 5] = [
    "CreateAccessKey",
    "DeleteAccessKey",
    "PutSecretValue",
    "UpdateSecretVersionStage",
    "DetachUserPolicy",
];

/// What cuts is done by name and at once, whoever has that name now. Nothing else is.
#[test]
fn another_user_under_the_same_name_is_handed_nothing_and_let_in_nowhere() {
    let lift_alone = {
        let (head, rest) = PLAYBOOK.split_once("  - id: new-key\n").unwrap();
        let (_, lift) = rest.split_once("  - id: lift\n").unwrap();
        format!("{head}  - id: lift\n{}", lift.replace("    needs: [new-key]\n", ""))
            .replace("  deliver_to:\n    type: secret-id\n    required: true\n    help: The secret its rightful owner reads the new key from\n", "")
    };
    for playbook in [PLAYBOOK, &lift_alone] {
        play(async {
            let stage = Stage::set(&where_the_owner_can_go(), playbook).await;
            makes_the_owner_anew(&stage).await;
            let why = held(stage.run(None).await);
            assert!(why.contains("ci-deploy is not the user it was any more"), "{why}");
            for operation in BEHIND_THE_GATE {
                assert!(requests_of(&stage, operation).is_empty(), "{operation}: {why}");
            }
        });
    }
}

#[test]
fn another_secret_under_the_same_name_is_delivered_nothing() {
    play(async {
        let stage = set().await;
        let other = aws_sdk_secretsmanager::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let gone = other.delete_secret().secret_id(SECRET).force_delete_without_recovery(true);
        gone.send().await.unwrap();
        let anew = other.create_secret().name(SECRET).secret_string("{\"region\":\"eu\"}");
        anew.send().await.unwrap();
        let before = stage.cloud.snapshot();
        let why = held(stage.run(None).await);
        assert!(why.contains(&format!("secret {SECRET} is gone")), "{why}");
        for operation in BEHIND_THE_GATE {
            assert!(requests_of(&stage, operation).is_empty(), "{operation}");
        }
        let touched = |line: &String| line.contains("/secrets/");
        assert!(!before.changes_to(&stage.cloud.snapshot()).iter().any(touched));
        the_intruder_is_out(&stage);
    });
}

/// Gives the owner another name; whatever he holds goes with him.
async fn renames(stage: &Stage, from: &str, to: &str) {
    other(stage).update_user().user_name(from).new_user_name(to).send().await.unwrap();
}

/// No listing under the old name shows the keys any more. That is not to say that they are gone.
#[test]
fn an_owner_under_another_name_has_his_keys_with_him_and_they_do_not_count_as_cut() {
    for after in [None, Some(30), Some(90)] {
        play(async {
            let stage = set().await;
            let left = match after {
                None => {
                    renames(&stage, VICTIM, "renamed").await;
                    stage.run(None).await
                }
                Some(seconds) => {
                    let later = async {
                        stage.clock.sleep(std::time::Duration::from_secs(seconds)).await;
                        renames(&stage, VICTIM, "renamed").await;
                    };
                    tokio::join!(stage.run(None), later).0
                }
            };
            let why = held(left);
            assert!(why.contains("there is no user ci-deploy any more"), "{after:?}: {why}");
            let reach = stage.cloud.intruder_reach();
            let is_in = reach.iter().any(|reach| !reach.allowed.is_empty());
            assert_eq!(is_in, after.is_none(), "cut before he had another name: {after:?}");
            let ledger = Ledger::of(&stage.saved.plan, &stage.state());
            let is_key = |row: &&Row| matches!(row.credential, Credential::AccessKey { .. });
            assert_eq!(ledger.rows.iter().filter(is_key).count(), 2);
            assert_eq!(ledger.unaccounted().filter(is_key).count(), 2, "{after:?}");
            for operation in BEHIND_THE_GATE {
                assert!(requests_of(&stage, operation).is_empty(), "{after:?}: {operation}");
            }
            // Under his old name again, the same plan goes on.
            renames(&stage, "renamed", VICTIM).await;
            assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven, "{after:?}");
            stage.let_it_settle().await;
            the_intruder_is_out(&stage);
            every_consumer_works(&stage);
        });
    }
}

/// Nobody has it: that cuts all the more, and nothing can bring it back.
#[test]
fn a_key_that_somebody_deleted_counts_as_cut_and_is_dead() {
    for after_the_run in [false, true] {
        play(async {
            let mut stage = set().await;
            let deletes = async |stage: &Stage| {
                let it = other(stage).delete_access_key().user_name(VICTIM).access_key_id(LEAKED);
                it.send().await.unwrap();
            };
            if !after_the_run {
                deletes(&stage).await;
            }
            assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
            stage.let_it_settle().await;
            the_intruder_is_out(&stage);
            every_consumer_works(&stage);
            if after_the_run {
                deletes(&stage).await;
                stage.let_it_settle().await;
                stage.verify(&Log::None).await;
            }
            let leaked = |row: &Row| matches!(&row.credential, Credential::AccessKey { id, .. } if id.as_str() == LEAKED);
            let ledger = Ledger::of(&stage.saved.plan, &stage.state());
            let row = ledger.rows.iter().find(|row| leaked(row)).unwrap();
            assert!(matches!(row.standing, Standing::Dead { found_gone: true, .. }), "{row:?}");
            assert!(row.detail().contains("not by this case"), "{}", row.detail());
            // There is nothing of it to take the cut off.
            stage.saved = undo_of(&stage.saved, &stage.state());
            let activates =
                |change: &Change| change.undoes.is_some() && change.what.contains(LEAKED);
            assert!(!stage.saved.plan.changes.iter().any(activates));
        });
    }
}

/// It was seen gone, and is there again, as a copy that lagged behind shows it: nothing has ended it.
#[test]
fn a_key_that_was_seen_gone_and_is_there_again_is_not_dead() {
    play(async {
        let mut stage = set().await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        let there = stage.cloud.save();
        let is_dead = async |stage: &Stage| {
            stage.verify(&Log::None).await;
            let leaked = |row: &Row| matches!(&row.credential, Credential::AccessKey { id, .. } if id.as_str() == LEAKED);
            let ledger = Ledger::of(&stage.saved.plan, &stage.state());
            let row = ledger.rows.into_iter().find(leaked).unwrap();
            matches!(row.standing, Standing::Dead { .. })
        };
        let it = other(&stage).delete_access_key().user_name(VICTIM).access_key_id(LEAKED);
        it.send().await.unwrap();
        stage.let_it_settle().await;
        assert!(is_dead(&stage).await);
        stage.cloud = Cloud::load(&there, stage.clock).unwrap();
        assert!(!is_dead(&stage).await);
    });
}

/// Whoever can write the file can name one secret on every line that people read, and another in the ARN.
#[test]
fn a_key_goes_where_the_screen_says_or_nowhere() {
    play(async {
        let world = WORLD
            .replace(
                "    secrets:\n",
                "    secrets:\n      deploy/drop: { value: { region: eu-west-1 } }\n",
            )
            .replace("deliver_to: deploy/aws-key", "deliver_to: deploy/drop");
        let mut stage = Stage::set(&world, PLAYBOOK).await;
        let forge = |text: String| text.replace("\"deploy/drop\"", "\"deploy/aws-key\"");
        let plan = forge(serde_json::to_string(&stage.saved.plan).unwrap());
        stage.saved.plan = serde_json::from_str(&plan).unwrap();
        let why = held(stage.run(None).await);
        assert!(why.contains("is secret deploy/drop, not deploy/aws-key"), "{why}");
        assert_eq!(issued(&stage), 0);
        assert!(requests_of(&stage, "PutSecretValue").is_empty());
    });
}
