//! Remote access is closed and everybody gets a new password: the shipped playbook in each of its worlds, judged by
//! who signs in with what in the end.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

use std::collections::{BTreeMap, BTreeSet};

use portcullis::ids::{ChangeId, DeliveryName, Principal, UserName};
use portcullis::journal::{ChangeState, Entry, Said};
use portcullis::ledger::{Ledger, Row, Standing};
use portcullis::plan::Credential;
use portcullis::planning::Terms;
use portcullis::playbook::{Phase, Proof};
use portcullis::report::Report;
use portcullis::run::{Ending, Log, MOST_ROUNDS, let_in_of, undo_of};
use portcullis::secret::Secret;
use portcullis::sim::Snapshot;

use crate::sealed::pairs;
use crate::stage::{Stage, play, somebody_else};
use crate::verdict::{ACCOUNT, no_effect_came_without_its_intent, no_secret_was_written};
use crate::words::Rehearsal;

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
        let report = || {
            let decoded = portcullis::journal::decode(&stage.tape.lock().unwrap().bytes).unwrap();
            Report::of(&stage.newest(stage.state().round()), &decoded, &stage.state(), None)
        };
        // The passwords lie there, and nobody has them yet.
        let left = report().left_to_do.join("\n");
        for part in
            ["see that everybody is handed his new password", "deliveries/anna.password.age"]
        {
            assert!(left.contains(part), "{part}: {left}");
        }
        // What they were handed out after is the opening before them, whatever the gate did since.
        let before = report().summary[3].clone();
        assert!(before.contains("the first after"), "{before}");
        stage.clock.sleep(std::time::Duration::from_hours(5)).await;
        stage.say([Entry::GateOpened { proof: portcullis::playbook::Proof::Settled }]).await;
        assert_eq!(report().summary[3], before);
    });
}

/// Whoever looks again tries every mechanism. What two of them are tried with is one key of a canary, and once it is cut
/// it is not waited for.
#[test]
fn a_look_at_cuts_that_are_tried_with_the_same_key_waits_for_none_in_vain() {
    play(async {
        let enforced = Terms { gate: Some(Proof::Enforced), ..Terms::default() };
        let stage = Stage::set_on(CALM, PLAYBOOK, &enforced).await.unwrap();
        contained(&stage).await;
        let begun = stage.clock.now();
        let ending = stage.verify(&Log::None).await;
        assert!(matches!(ending, Ending::Waiting(_)), "{ending:?}");
        let took = stage.clock.now().duration_since(begun);
        assert!(took < jiff::SignedDuration::from_mins(2), "{took}");
        let state = stage.state();
        let proven = |step: &str| {
            let id = ChangeId::parse(format!("{step}.1")).unwrap();
            state.change(&id).proof.map(|proven| proven.proof)
        };
        for step in ["office-only", "quarantine"] {
            assert_eq!(proven(step), Some(Proof::Enforced), "{step}");
        }
    });
}

/// March 2011: it was no attack. Whoever has closed webmail opens it, before he says so or after, and nobody is accused of
/// that; in the end nothing is left of it, and the report says what was cut and when it was opened again.
#[test]
fn a_false_alarm_that_is_taken_back_ends_with_nothing_left_of_it() {
    play(async {
        let (stage, before) = set(&crate::undo::with_a_lasting_responder(FALSE_ALARM)).await;
        contained(&stage).await;
        find_innocent(&stage, &["anna", "bert", "carla", "dirk"]).await;
        // The VPN is another matter at first.
        let clear = async |name: &str| {
            let credential = Credential::Manual { name: name.to_owned() };
            let cleared = |who: &str| Entry::Cleared {
                credential: credential.clone(),
                said: stage.said_by(who),
            };
            stage.say([cleared("olga"), cleared("paul")]).await;
        };
        clear("webmail").await;
        let state = stage.state();
        let next = undo_of(&stage.newest(state.round()), &state);
        stage.keeps(&next);
        stage.says_yes_to(&next).await;
        let said = Said { plan: next.digest(), ..stage.said_by("paul") };
        stage.say([Entry::Approved { phase: Phase::Recover, said }]).await;
        let held = async || {
            let ending = stage.resume_to_the_end(1).await;
            let Ending::Held(why) = ending else { panic!("{ending:?}") };
            why.join("\n")
        };
        let why = held().await;
        assert!(why.contains("portcullis attest CASE webmail-off.2"), "{why}");
        assert!(why.contains("vpn-off.2: nobody has cleared the way in vpn"), "{why}");
        clear("vpn").await;
        stage.cloud.done_outside("webmail", true);
        let why = held().await;
        assert!(!why.contains("still inside"), "{why}");
        // A word that the world does not bear out opens nothing.
        let opens = |name: &str| Entry::Attested {
            change: Some(ChangeId::parse(format!("{name}-off.2")).unwrap()),
            said: stage.said_by("olga"),
        };
        stage.say([opens("webmail"), opens("vpn")]).await;
        let why = held().await;
        assert!(why.contains("see to it that tcp vpn.example.org:443 is open"), "{why}");
        assert!(!why.contains("webmail"), "{why}");
        stage.cloud.done_outside("vpn", true);
        let why = held().await;
        assert!(why.lines().all(|why| why.contains("is kept until")), "{why}");
        stage.clock.sleep(std::time::Duration::from_hours(37)).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::Proven);
        let state = stage.state();
        assert!(state.changes.values().all(|record| !record.contested));
        let left = before.changes_to(&stage.cloud.snapshot());
        assert!(left.is_empty(), "{left:#?}");
        judge(&stage);
        let decoded = portcullis::journal::decode(&stage.tape.lock().unwrap().bytes).unwrap();
        let report = Report::of(&stage.newest(state.round()), &decoded, &state, None);
        let told = report.summary.join(" ");
        for part in [
            "10 were cut, found innocent on 23 March 2026",
            "all were opened again, the last on 24 March 2026",
            "It was taken back, and nothing of it is left in place.",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(report.left_to_do.is_empty(), "{:#?}", report.left_to_do);
    });
}

/// The day until which remote access is said to stay closed is read before the yes.
#[test]
fn a_day_to_look_again_that_has_passed_is_warned_of() {
    play(async {
        let warned = async |day: &str| {
            let world = CALM.replace("closed_until: 2026-03-29", &format!("closed_until: {day}"));
            let warnings = Stage::set(&world, PLAYBOOK).await.saved.plan.warnings.join("\n");
            warnings.contains(
                "to be looked at again by 2026-03-01 18:00 UTC (`review_by`), which had passed",
            )
        };
        assert!(warned("2026-03-01").await);
        assert!(!warned("2026-03-29").await);
    });
}

/// Who speaks of everybody speaks of what was there: the plan knows what has come since, also with somebody who was there.
#[test]
fn a_key_that_was_hung_on_somebody_in_scope_is_nothing_that_everybody_means() {
    let world = FALSE_ALARM
        .replace(
            "      dirk:",
            "        keys: [{ id: AKIAEXAMPLECARLAKEY1 }]\n        inline: { own: { Version: \"2012-10-17\", Statement: [{ Effect: Allow, Action: \"iam:CreateAccessKey\", Resource: \"*\" }] } }\n      dirk:",
        )
        .replace(
            "\nrehearsal:",
            "\nintruder:\n  holds: [AKIAEXAMPLECARLAKEY1]\n  reacts: [{ name: hangs a key on carla, when: { operation: AttachUserPolicy, target: carla }, react_in: 1s, times: 1, deeds: [{ operation: CreateAccessKey, params: { UserName: carla }, with: AKIAEXAMPLECARLAKEY1 }] }]\n\nrehearsal:",
        );
    play(async {
        let (stage, _) = set(&world).await;
        contained(&stage).await;
        let plan = stage.newest(stage.state().round()).plan;
        let [Credential::AccessKey { user, id }] = &plan.came[..] else {
            panic!("{:?}", plan.came)
        };
        assert!(user.as_str() == "carla" && id.as_str() != "AKIAEXAMPLECARLAKEY1");
    });
}

/// That an undo is under way opens no door for which nobody has spoken: not by a word that it is open, and not unseen.
#[test]
fn what_is_opened_before_anybody_has_spoken_for_it_is_told_and_looked_at() {
    for attested in [true, false] {
        play(async {
            let (stage, _) = set(&crate::undo::with_a_lasting_responder(FALSE_ALARM)).await;
            contained(&stage).await;
            let state = stage.state();
            let next = undo_of(&stage.newest(state.round()), &state);
            stage.keeps(&next);
            stage.says_yes_to(&next).await;
            let said = Said { plan: next.digest(), ..stage.said_by("paul") };
            stage.say([Entry::Approved { phase: Phase::Recover, said }]).await;
            stage.cloud.done_outside("vpn", true);
            if attested {
                let change = Some(ChangeId::parse("vpn-off.2").unwrap());
                stage.say([Entry::Attested { change, said: stage.said_by("olga") }]).await;
            }
            assert!(matches!(stage.resume_to_the_end(1).await, Ending::Held(_)));
            let way_in = Credential::Manual { name: "vpn".to_owned() };
            let is_open = |stage: &Stage| {
                let ledger = Ledger::of(&stage.newest(stage.state().round()).plan, &stage.state());
                let row = ledger.rows.into_iter().find(|row| row.credential == way_in).unwrap();
                assert!(matches!(row.standing, Standing::Unaccounted { .. }), "{attested} {row:?}");
            };
            is_open(&stage);
        });
    }
}

/// A waiver opens a way in for as long as somebody answers for it, and whoever looks later is told that nobody does.
#[test]
fn what_an_undo_has_opened_on_a_waiver_is_nobody_s_when_that_has_run_out() {
    play(async {
        let (stage, _) = set(&crate::undo::with_a_lasting_responder(FALSE_ALARM)).await;
        contained(&stage).await;
        find_innocent(&stage, &["anna", "bert", "carla", "dirk"]).await;
        let until = stage.clock.now() + jiff::SignedDuration::from_hours(24);
        let ways_in = ["webmail", "vpn"].map(|name| Credential::Manual { name: name.to_owned() });
        let waived = |credential: &Credential| Entry::Waived {
            credential: credential.clone(),
            until,
            said: stage.said_by("olga"),
        };
        stage.say(ways_in.each_ref().map(waived)).await;
        let state = stage.state();
        let next = undo_of(&stage.newest(state.round()), &state);
        stage.keeps(&next);
        stage.says_yes_to(&next).await;
        let said = Said { plan: next.digest(), ..stage.said_by("paul") };
        stage.say([Entry::Approved { phase: Phase::Recover, said }]).await;
        assert!(matches!(stage.resume_to_the_end(1).await, Ending::Held(_)));
        for name in ["webmail", "vpn"] {
            stage.cloud.done_outside(name, true);
            let change = Some(ChangeId::parse(format!("{name}-off.2")).unwrap());
            stage.say([Entry::Attested { change, said: stage.said_by("olga") }]).await;
        }
        // Only denies of older sessions are left.
        assert!(matches!(stage.resume_to_the_end(1).await, Ending::Held(_)));
        let open = |stage: &Stage| {
            let ledger = Ledger::of(&stage.newest(stage.state().round()).plan, &stage.state());
            let open = ledger.unaccounted().map(Row::detail).collect::<Vec<_>>();
            open.join("\n")
        };
        assert_eq!(open(&stage), "");
        stage.clock.sleep(std::time::Duration::from_hours(37)).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert!(open(&stage).contains("and nobody does since"), "{}", open(&stage));
    });
}

/// The same on the command line, by whoever knows nothing but what is on the screen.
#[test]
fn whoever_takes_a_false_alarm_back_is_told_whom_it_lets_in_and_what_to_type() {
    let case = Rehearsal::shipped("password-reset-and-remote-access", "false-alarm.yaml");
    assert_eq!(case.code, Some(13));
    let ok = |args: &[&str]| {
        let (code, screen) = case.say(args);
        assert_eq!(code, Some(0), "{args:?}: {screen}");
        screen
    };
    ok(&["attest", "webmail-off.1"]);
    let (_, screen) = case.say(&["undo", "--dry-run"]);
    // What somebody was asked to close may be closed, though nobody has attested it.
    assert!(screen.contains("webmail-off.2") && screen.contains("vpn-off.2"), "{screen}");
    // Whether that is so is looked at before anybody is asked to approve what comes after.
    let screen = ok(&["attest", "vpn-off.1"]);
    assert!(screen.contains("Next: portcullis resume "), "{screen}");
    let screen = ok(&["undo", "--dry-run"]);
    for part in [
        "Stays shut: 6 that nobody has cleared",
        "manual/vpn manual/webmail user/anna user/bert user/carla user/dirk --reason TEXT",
        "Stays until the last session that it denies has ended",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    for who in ["olga", "paul"] {
        ok(&["clear", "everybody", "--reason", "it was telephones", "--as", who]);
    }
    let screen = ok(&["undo", "--dry-run"]);
    assert!(screen.contains("Opened again by people, who attest it"), "{screen}");
    assert!(screen.contains("Comes off") && !screen.contains("Stays shut"), "{screen}");
    let (code, screen) = case.say(&["undo", "--yes"]);
    assert_eq!(code, Some(6), "{screen}");
    ok(&["approve", "recover", "--reason", "it was telephones", "--as", "paul"]);
    let (code, screen) = case.say(&["resume"]);
    assert_eq!(code, Some(13), "{screen}");
    // Where it stands is what was taken back, and what waits for whom; and nothing that was to be handed out.
    let stands = ok(&["status"]);
    for part in [
        "this case is being taken back, since 2026-03-2",
        ": 8 of 14 changes taken back, 6 held",
        "undone     quarantine.8  user anna: lift the quarantine",
        "held       webmail-off.2  way in webmail",
        "further changes of the plan are not made any more",
        "nothing of this case keeps it out; proof",
    ] {
        assert!(stands.contains(part), "{part}: {stands}");
    }
    assert!(!stands.contains("reset.1") && !stands.contains("the gate"), "{stands}");
    assert!(!stands.contains("attest CASE") && !stands.contains("webmail-off.1"), "{stands}");
    let next = screen.lines().rfind(|line| line.starts_with("Next: ")).unwrap();
    for part in ["attest", "webmail-off.2", "vpn-off.2", "; and from 2026-03-24 20:4"] {
        assert!(next.contains(part), "{part}: {next}");
    }
    ok(&["attest", "webmail-off.2"]);
    ok(&["attest", "vpn-off.2"]);
    let (code, screen) = case.say(&["resume"]);
    assert_eq!(code, Some(13), "{screen}");
    let next = screen.lines().rfind(|line| line.starts_with("Next: ")).unwrap();
    assert!(next.starts_with("Next: from 2026-03-24 20:4"), "{next}");
    // In a rehearsal it is then at once.
    let screen = ok(&["resume"]);
    assert!(screen.contains("Next: nothing is left of it; say that the case is over"), "{screen}");
    let stands = ok(&["status"]);
    assert!(stands.contains("was taken back") && stands.contains("14 of 14 changes"), "{stands}");
    let screen = ok(&["close", "--reason", "nothing to it"]);
    assert!(screen.contains("Next: nothing: this case is closed."), "{screen}");
    let report = ok(&["report"]);
    assert!(report.contains("It was taken back, and nothing of it is left in place."), "{report}");
}

/// His password was deleted, and nothing tries a deletion; his quarantine, which was tried, comes off. Who is asked for what is
/// told wherever it is held; and in a rehearsal the day on which the last deny comes off is then.
#[test]
fn whoever_was_away_is_let_in_once_two_people_have_spoken_for_him() {
    let case = Rehearsal::shipped("password-reset-and-remote-access", "calm.yaml");
    let says = |args: &[&str], code: i32| {
        let (ended, screen) = case.say(args);
        assert_eq!(ended, Some(code), "{args:?}: {screen}");
        screen
    };
    says(&["attest", "webmail-off.1"], 0);
    says(&["attest", "vpn-off.1"], 0);
    says(&["approve", "rotate", "--reason", "x", "--as", "paul"], 0);
    says(&["approve", "recover", "--reason", "x", "--as", "paul"], 0);
    says(&["resume"], 13);
    says(&["attest", "webmail-on.1"], 0);
    says(&["attest", "vpn-on.1"], 0);
    says(&["resume"], 11);
    let clear = ["clear", "user/dirk", "--reason", "he is back", "--as"];
    says(&[&clear[..], &["olga"]].concat(), 0);
    let screen = says(&["undo", "--only", "user/dirk", "--yes"], 13);
    let next = screen.split("Next: ").last().unwrap();
    let typed = [" password/dirk --reason TEXT", " password/dirk --until 7d --reason TEXT"];
    for part in ["portcullis clear ", "portcullis waive "].iter().chain(&typed) {
        assert!(next.contains(part), "{part}: {next}");
    }
    assert!(screen.contains("by 2 people in all"), "{screen}");
    assert!(screen.contains("holds the case up until it is cleared"), "{screen}");
    let report = says(&["report"], 0);
    let (_, left) = report.split_once("Left to do").unwrap();
    assert!(typed.iter().all(|part| left.contains(part)), "{report}");

    says(&[&clear[..], &["paul"]].concat(), 0);
    let screen = says(&["resume"], 13);
    assert!(
        screen.contains("is kept until 2026-03-24 ") && !screen.contains("away.1 ("),
        "{screen}"
    );
    let screen = says(&["resume"], 11);
    assert!(screen.contains("In its world it is 2026-03-24 "), "{screen}");
    let stands = says(&["status"], 0);
    for lift in ["sessions-off.9 ", "quarantine.5 ", "office-only.5 "] {
        assert!(stands.contains(&format!("done       {lift}")), "{lift}: {stands}");
    }
}

/// What was deleted needs nobody's word; what somebody has set up in its place does.
#[test]
fn whoever_was_away_is_not_let_in_with_a_password_that_somebody_has_set_up_since() {
    let admin = "    users:\n      admin:\n        keys: [{ id: AKIAEXAMPLEADMIN0009 }]\n        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n";
    let world = CALM.replacen("    users:\n", admin, 1);
    let lifted = |anew: bool| {
        play(async {
            let (stage, _) = set(&world).await;
            contained(&stage).await;
            let dirk = UserName::parse("dirk").unwrap();
            let next = let_in_of(
                &stage.newest(stage.state().round()),
                &stage.state(),
                BTreeSet::from([Principal::User(dirk)]),
            );
            stage.keeps(&next);
            stage.says_yes_to(&next).await;
            for name in ["olga", "paul"] {
                let said = Said { plan: next.digest(), ..stage.said_by(name) };
                stage.say([Entry::Approved { phase: Phase::Recover, said }]).await;
            }
            if anew {
                let iam = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
                let made = iam.create_login_profile().user_name("dirk");
                made.password("Another-Pa55word-of-his").send().await.unwrap();
            }
            stage.let_it_settle().await;
            stage.resume_to_the_end(1).await;
            stage.let_it_settle().await;
            let deny = "users/dirk/attached/arn:aws:iam::aws:policy/AWSDenyAll";
            !stage.cloud.snapshot().0.keys().any(|key| key.contains(deny))
        })
    };
    assert!(lifted(false), "he has no password");
    assert!(!lifted(true), "he has one for which nobody has spoken");
}
