//! Remote access is closed and everybody gets a new password: the shipped playbook in each of its worlds, judged by
//! who signs in with what in the end.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

use std::collections::BTreeMap;

use portcullis::ids::{ChangeId, DeliveryName};
use portcullis::journal::{ChangeState, Entry};
use portcullis::ledger::{Ledger, Standing};
use portcullis::plan::Credential;
use portcullis::playbook::Phase;
use portcullis::run::{Ending, MOST_ROUNDS};
use portcullis::secret::Secret;
use portcullis::sim::Snapshot;

use crate::sealed::pairs;
use crate::stage::{Stage, play};
use crate::verdict::{ACCOUNT, no_effect_came_without_its_intent, no_secret_was_written};

const PLAYBOOK: &str =
    include_str!("../../playbooks/password-reset-and-remote-access/playbook.yaml");
const WORLD: &str = include_str!("../../playbooks/password-reset-and-remote-access/world.yaml");
const CALM: &str = include_str!("../../playbooks/password-reset-and-remote-access/calm.yaml");
const FALSE_ALARM: &str =
    include_str!("../../playbooks/password-reset-and-remote-access/false-alarm.yaml");

async fn set(world: &str) -> (Stage, Snapshot) {
    let mut stage = Stage::set(world, PLAYBOOK).await;
    stage.most = MOST_ROUNDS;
    let before = stage.cloud.snapshot();
    (stage, before)
}

/// A person does what two steps ask for, and says so.
async fn does(stage: &Stage, step: &str, open: bool) {
    for name in ["webmail", "vpn"] {
        stage.cloud.done_outside(name, open);
        let change = Some(ChangeId::parse(format!("{name}-{step}.1")).unwrap());
        stage.say([Entry::Attested { change, said: stage.said_by("olga") }]).await;
    }
}

async fn approves(stage: &Stage, phase: Phase) {
    stage.say([Entry::Approved { phase, said: stage.said_by("paul") }]).await;
}

/// Two people find innocent whatever these users hold.
async fn find_innocent(stage: &Stage, users: &[&str]) {
    for name in ["olga", "paul"] {
        let said = stage.said_by(name);
        let theirs = stage.plan().credentials.into_iter().filter(|credential| {
            credential.user().is_some_and(|user| users.contains(&user.as_str()))
        });
        let clear = |credential| Entry::Cleared { credential, said: said.clone() };
        stage.say(theirs.map(clear)).await;
    }
}

/// The run is waited for, says what it waits for, and that is so.
async fn waits(stage: &Stage, for_what: &str) {
    let ending = stage.resume_to_the_end(1).await;
    let (Ending::Held(why) | Ending::Waiting(why)) = &ending else {
        panic!("{for_what}: {ending:?}")
    };
    assert!(why.iter().any(|why| why.contains(for_what)), "{for_what}: {why:?}");
}

/// Everybody is cut off, and the run waits before the first password is replaced.
async fn contained(stage: &Stage) {
    waits(stage, "webmail-off.1").await;
    // People are waited for with everybody cut off already, and before anything is handed out.
    assert!(stage.drawer.delivered().is_empty());
    does(stage, "off", false).await;
    waits(stage, "the phase `rotate`").await;
    assert!(stage.drawer.delivered().is_empty());
    // A password still signs in, and gets nowhere.
    for reach in stage.cloud.intruder_reach() {
        assert!(reach.allowed.is_empty(), "{reach:?}");
    }
}

/// From the approval to let people in, to the end.
async fn reopened(stage: &Stage, ending: Ending) {
    waits(stage, "the phase `recover`").await;
    approves(stage, Phase::Recover).await;
    waits(stage, "webmail-on.1").await;
    // The office works; from outside nobody is let in before those who open it say so.
    let restricted = |user: &str| {
        let at = format!("{ACCOUNT}/users/{user}/inline/PortcullisRestrictNetwork");
        stage.cloud.snapshot().0.contains_key(&at)
    };
    assert!(["anna", "bert", "carla"].into_iter().all(restricted));
    does(stage, "on", true).await;
    assert_eq!(stage.resume_to_the_end(1).await, ending);
    stage.let_it_settle().await;
    assert!(!["anna", "bert", "carla"].into_iter().any(restricted));
}

/// What the help desk finds for each, opened with its key.
fn handed_out(stage: &Stage) -> BTreeMap<String, Secret> {
    let [help_desk, _] = pairs();
    let of = |(name, text): (DeliveryName, String)| {
        let text = help_desk.open(&text).unwrap_or_else(|| panic!("{name} is not for it"));
        let handed: serde_json::Value = serde_json::from_str(&text).unwrap();
        let text = |field: &str| handed[field].as_str().unwrap().to_owned();
        (text("username"), Secret::new(text("password")))
    };
    stage.drawer.delivered().into_iter().map(of).collect()
}

fn judge(stage: &Stage) {
    no_effect_came_without_its_intent(stage);
    no_secret_was_written(stage);
    assert!(stage.cloud.consumers().iter().all(|consumer| consumer.works));
    for reach in stage.cloud.intruder_reach() {
        let signs_in = reach.alive && reach.credential.starts_with("password of");
        assert!(!signs_in && reach.allowed.is_empty(), "{reach:?}");
    }
    let unaccounted: Vec<_> = Ledger::of(&stage.plan(), &stage.state())
        .rows
        .into_iter()
        .filter(|row| matches!(row.standing, Standing::Unaccounted { .. }))
        .collect();
    assert!(unaccounted.is_empty(), "{unaccounted:#?}");
}

fn passwords(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let of = |(key, value): (&String, &String)| (key.clone(), value.clone());
    snapshot.0.iter().filter(|(key, _)| key.ends_with("/password")).map(of).collect()
}

#[test]
fn everybody_has_a_new_password_and_whoever_knew_an_old_one_is_out() {
    for world in [WORLD, CALM] {
        play(async {
            let (stage, before) = set(world).await;
            contained(&stage).await;
            approves(&stage, Phase::Rotate).await;
            reopened(&stage, Ending::NotProven).await;
            judge(&stage);
            let handed = handed_out(&stage);
            assert_eq!(handed.keys().collect::<Vec<_>>(), ["anna", "bert", "carla"]);
            for (user, password) in handed {
                // Of anna the second factor is asked for as well.
                let came_in = stage.cloud.sign_in(ACCOUNT, &user, &password);
                let right = came_in == Ok(true)
                    || user == "anna" && came_in.as_ref().is_err_and(|why| why.contains("MFA"));
                assert!(right, "{user}: {came_in:?}");
            }
            // Whoever is away has none and stays cut off; the emergency account and programs are as they were.
            let after = stage.cloud.snapshot();
            let at = |name: &str| format!("{ACCOUNT}/users/{name}");
            assert!(!after.0.contains_key(&format!("{}/password", at("dirk"))));
            for line in before.changes_to(&after) {
                let line = &line[2..];
                let ours = ["anna", "bert", "carla", "dirk"].map(at);
                assert!(ours.iter().any(|user| line.starts_with(user.as_str())), "{line}");
                let may = ["/password", "/inline/PortcullisRevokeOlderSessions", "/keys/"];
                let away = line.starts_with(&at("dirk"));
                assert!(away || may.iter().any(|part| line.contains(part)), "{line}");
            }
            // Before the first new password everybody was cut off; a few were let in from outside before the others.
            let audit = stage.cloud.audit();
            let when = |operation: &str, user: &str| {
                let of = |event: &&portcullis::sim::AuditEvent| {
                    event.operation == operation
                        && event.took_effect
                        && event.resource.ends_with(user)
                };
                audit.iter().filter(of).map(|event| event.request).collect::<Vec<_>>()
            };
            let first_reset = when("UpdateLoginProfile", "").into_iter().min().unwrap();
            assert!(when("AttachUserPolicy", "").into_iter().all(|cut| cut < first_reset));
            let opened = |user: &str| when("DeleteUserPolicy", user).into_iter().max().unwrap();
            assert!(opened("/anna") < opened("/bert") && opened("/anna") < opened("/carla"));
        });
    }
}

#[test]
fn a_false_alarm_replaces_no_password_and_everything_is_opened_again() {
    let everybody = ["anna", "bert", "carla", "dirk"];
    play(async {
        let (stage, before) = set(FALSE_ALARM).await;
        contained(&stage).await;
        find_innocent(&stage, &everybody).await;
        // Nobody has to approve what is not done.
        reopened(&stage, Ending::Proven).await;
        judge(&stage);
        assert!(stage.drawer.delivered().is_empty());
        let after = stage.cloud.snapshot();
        assert_eq!(passwords(&before), passwords(&after));
        for line in before.changes_to(&after) {
            assert!(line.contains("/inline/PortcullisRevokeOlderSessions"), "{line}");
        }
    });
    // Of one alone: the others get new ones, batch after batch.
    play(async {
        let few = PLAYBOOK.replace("size: 50, pause: 5m", "size: 1, pause: 5m");
        assert_ne!(few, PLAYBOOK);
        let mut stage = Stage::set(FALSE_ALARM, &few).await;
        stage.most = MOST_ROUNDS;
        let before = stage.cloud.snapshot();
        contained(&stage).await;
        find_innocent(&stage, &["bert"]).await;
        waits(&stage, "the phase `rotate`").await;
        approves(&stage, Phase::Rotate).await;
        reopened(&stage, Ending::NotProven).await;
        judge(&stage);
        assert_eq!(handed_out(&stage).into_keys().collect::<Vec<_>>(), ["anna", "carla", "dirk"]);
        let key = format!("{ACCOUNT}/users/bert/password");
        assert_eq!(before.0.get(&key), stage.cloud.snapshot().0.get(&key));
        let left = stage.state().changes.into_iter().filter(|(_, record)| {
            !matches!(record.state, ChangeState::Seen | ChangeState::Pending)
        });
        assert_eq!(left.count(), 0);
        let replaced = Ledger::of(&stage.plan(), &stage.state()).rows.into_iter().filter(|row| {
            matches!(row.credential, Credential::Password { .. })
                && matches!(row.standing, Standing::Replaced { .. })
        });
        assert_eq!(replaced.count(), 3);
    });
}
