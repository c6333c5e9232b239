//! Console passwords that are set anew and handed to their owners, as the world they end in has it: whoever opens
//! what was handed out signs in with it, and nobody signs in with anything else.

use std::collections::{BTreeMap, BTreeSet};

use portcullis::action::catalog::Actions;
use portcullis::diagnostic::Source;
use portcullis::ids::DeliveryName;
use portcullis::journal::{Entry, Position};
use portcullis::ledger::{Ledger, Standing};
use portcullis::plan::Credential;
use portcullis::playbook::{FieldType, Proof};
use portcullis::run::Ending;
use portcullis::secret::Secret;
use portcullis::sim::{Fault, Snapshot};
use serde_json::{Value, json};

use crate::faults::PASSING;
use crate::sealed::pairs;
use crate::side_by_side::{each, spread};
use crate::stage::{Backdrop, Left, Stage, Torn, play, somebody_else, terms};
use crate::verdict::{ACCOUNT, no_effect_came_without_its_intent, no_secret_was_written};

/// Two people with passwords that an intruder knows, one without, and a strict account.
fn world() -> String {
    let key = pairs()[0].recipient.clone();
    format!(
        r#"
world: 1
now: 2026-03-24T07:10:00Z
seed: 7
lag: 4s
responder: {{ account: "{ACCOUNT}", role: responder }}
accounts:
  "{ACCOUNT}":
    password_policy:
      minimum_length: 24
      require_symbols: true
      require_numbers: true
      require_uppercase: true
      require_lowercase: true
      users_may_change: true
      reuse_prevention: 5
    users:
      alice:
        path: /staff/
        password: {{ created_at: 2025-01-02T03:04:05Z, last_used_at: 2026-03-24T06:00:00Z }}
      bob:
        path: /staff/
        password: {{ created_at: 2025-01-02T03:04:05Z }}
      robot:
        path: /staff/
      admin:
        path: /ops/
        keys: [{{ id: AKIAEXAMPLEADMIN0009 }}]
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
    roles:
      responder:
        trust: {{ Version: "2012-10-17", Statement: [{{ Effect: Allow, Principal: {{ AWS: "999988887777" }}, Action: "sts:AssumeRole" }}] }}
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
    secrets:
      helpdesk/alice: {{ value: {{ note: "ring first", n: 1 }} }}
      helpdesk/bob: {{ value: {{ note: "by post" }} }}
intruder:
  holds: [{{ password_of: alice, account: "{ACCOUNT}" }}, {{ password_of: bob, account: "{ACCOUNT}" }}]
rehearsal:
  inputs: {{ help_desk: ["{key}"] }}
"#
    )
}

/// Everybody of the staff is cut off, gets a new password and is let in again.
fn playbook(deliver_to: &str) -> String {
    let input = "inputs:\n  help_desk: { type: list of age-recipient, required: true }\n";
    let input = if deliver_to.contains("inputs.") { input } else { "" };
    format!(
        r#"portcullis: 1
name: passwords
title: Everybody gets a new password
mode: breach
gate: {{ proof: settled, margin: 60s }}
{input}targets:
  staff: ${{{{ inventory.users_in_path("/staff/").filter(u, inventory.has_password(u.name)) }}}}
steps:
  - id: quarantine
    phase: contain
    for_each: ${{{{ targets.staff }}}}
    uses: iam.user.quarantine
    with: {{ user: "${{{{ each.name }}}}" }}
  - id: sessions
    phase: contain
    for_each: ${{{{ targets.staff }}}}
    uses: iam.user.revoke-sessions
    with: {{ user: "${{{{ each.name }}}}" }}
  - id: reset
    phase: rotate
    for_each: ${{{{ targets.staff }}}}
    uses: iam.login-profile.force-reset
    with: {{ user: "${{{{ each.name }}}}", deliver_to: {deliver_to} }}
  - id: lift
    phase: recover
    for_each: ${{{{ targets.staff }}}}
    uses: iam.user.lift-quarantine
    with: {{ user: "${{{{ each.name }}}}" }}
"#
    )
}

/// The same for bob alone.
fn for_bob(deliver_to: &str) -> String {
    let everybody = "inventory.has_password(u.name)";
    let playbook = playbook(deliver_to);
    assert!(playbook.contains(everybody));
    playbook.replace(everybody, "u.name == \"bob\"")
}

const BOTH: [&str; 2] = ["alice", "bob"];

const TO_FILES: &str = "\"${{ inputs.help_desk }}\"";
const TO_SECRETS: &str = "\"helpdesk/${{ each.name }}\"";

/// What alice and bob were handed, opened as whoever is to hand it on would.
async fn handed_out(
    stage: &Stage,
    to: &str,
    users: &[&'static str],
) -> BTreeMap<&'static str, Value> {
    let [help_desk, stranger] = pairs();
    let delivered = stage.drawer.delivered();
    let mut handed = BTreeMap::new();
    for user in users {
        let text = if to == TO_FILES {
            let name = DeliveryName::parse(format!("{user}.password.age")).unwrap();
            let text = delivered.get(&name).unwrap_or_else(|| panic!("{user} was handed nothing"));
            assert_eq!(stranger.open(text), None);
            help_desk.open(text).expect("sealed to the help desk")
        } else {
            assert!(delivered.is_empty());
            let admin = somebody_else(&stage.cloud, stage.clock);
            let secrets = aws_sdk_secretsmanager::Client::new(&admin);
            let get = secrets.get_secret_value().secret_id(format!("helpdesk/{user}"));
            get.send().await.unwrap().secret_string.unwrap()
        };
        handed.insert(*user, serde_json::from_str(&text).unwrap());
    }
    handed
}

/// All that must be true in the end, whatever happened on the way.
async fn judge(stage: &Stage, to: &str, users: &[&'static str], before: &Snapshot) {
    for (user, handed) in handed_out(stage, to, users).await {
        assert_eq!(handed["username"], user);
        assert_eq!(
            handed["sign_in_url"],
            format!("https://{ACCOUNT}.signin.aws.amazon.com/console")
        );
        let password = handed["password"].as_str().unwrap();
        assert_eq!(password.len(), 28, "what the account asks for, and a margin");
        let tried = stage.cloud.sign_in(ACCOUNT, user, &Secret::new(password.to_owned()));
        assert_eq!(tried, Ok(true), "{user} signs in, and must choose another");
        if to == TO_SECRETS && user == "alice" {
            assert_eq!((&handed["note"], &handed["n"]), (&json!("ring first"), &json!(1)));
        }
    }
    let still =
        stage.cloud.intruder_reach().into_iter().filter(|reach| {
            users.iter().any(|user| reach.credential == format!("password of {user}"))
        });
    assert!(still.clone().count() == users.len() && still.clone().all(|reach| !reach.alive));
    no_effect_came_without_its_intent(stage);
    no_secret_was_written(stage);
    nothing_else_is_different(stage, to, users, before);
    no_old_password_was_let_in_again(stage, users);
    let ledger = Ledger::of(&stage.saved.plan, &stage.state());
    for row in &ledger.rows {
        match &row.credential {
            Credential::Password { .. } => {
                assert!(matches!(row.standing, Standing::Replaced { .. }), "{row:?}");
                assert_eq!(row.proof.as_ref().map(|shown| shown.proof), Some(Proof::Settled));
            }
            Credential::Sessions { .. } => {
                assert!(matches!(row.standing, Standing::Blocked { .. }), "{row:?}");
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(ledger.issued.len(), users.len());
}

fn nothing_else_is_different(stage: &Stage, to: &str, users: &[&str], before: &Snapshot) {
    let differences = before.changes_to(&stage.cloud.snapshot());
    let of_a_user = |line: &str| {
        users.iter().any(|user| {
            let at = format!("{ACCOUNT}/users/{user}");
            let line = &line[2..];
            line.starts_with(&format!("{at}/password: "))
                || line.starts_with(&format!("{at}/inline/PortcullisRevokeOlderSessions: "))
        })
    };
    let of_a_secret = |line: &str| {
        to == TO_SECRETS && line[2..].starts_with(&format!("{ACCOUNT}/secrets/helpdesk/"))
    };
    let other: Vec<_> = differences.iter().filter(|l| !of_a_user(l) && !of_a_secret(l)).collect();
    assert_eq!(other, [""; 0]);
    // One version is current, one previous, and none has a label of ours.
    let labelled = stage.cloud.snapshot().0.into_iter().filter_map(|(key, value)| {
        let labels = value.split_once(' ')?.1.to_owned();
        (key.contains("/secrets/helpdesk/") && !labels.is_empty()).then_some(labels)
    });
    let mut labelled: Vec<String> = labelled.collect();
    labelled.sort();
    let mut expected = vec!["AWSCURRENT"; 2];
    if to == TO_SECRETS {
        expected.extend(users.iter().map(|_| "AWSPREVIOUS"));
    }
    assert_eq!(labelled, expected);
}

/// A quarantine came off only a margin after the password under it was set: IAM reads a new one before it
/// counts.
fn no_old_password_was_let_in_again(stage: &Stage, users: &[&str]) {
    let audit = stage.cloud.audit();
    let of = |operation: &str, user: &str| {
        let user = format!(":user/staff/{user}");
        let mut events = audit.iter().filter(|event| {
            event.operation == operation && event.took_effect && event.resource.ends_with(&user)
        });
        events.next_back().map(|event| event.at)
    };
    for user in users {
        let set = of("UpdateLoginProfile", user).unwrap();
        let lifted = of("DetachUserPolicy", user).unwrap();
        assert!(lifted.duration_since(set).as_secs() >= 60, "{user}: {lifted} after {set}");
    }
}

async fn set(to: &str) -> (Stage, Snapshot) {
    let stage = Stage::set(&world(), &playbook(to)).await;
    let before = stage.cloud.snapshot();
    (stage, before)
}

#[test]
fn everybody_is_handed_a_password_that_he_alone_signs_in_with() {
    for to in [TO_FILES, TO_SECRETS] {
        play(async {
            let (stage, before) = set(to).await;
            assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
            stage.let_it_settle().await;
            judge(&stage, to, &BOTH, &before).await;
            // Two people, two passwords.
            let handed = handed_out(&stage, to, &BOTH).await;
            assert_ne!(handed["alice"]["password"], handed["bob"]["password"]);
            // A later run finds nothing to do.
            assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
            judge(&stage, to, &BOTH, &before).await;
        });
    }
}

/// Bob alone, from where the gate is open: what is under test is one reset.
struct Alone {
    backdrop: Backdrop,
    before: Snapshot,
    /// The lines that the rest of the run writes.
    lines: usize,
    /// The requests that the reset makes, and those among them that write.
    calls: std::ops::Range<u64>,
    writes: BTreeSet<u64>,
}

fn alone(to: &str) -> Alone {
    let playbook = for_bob(to);
    let opens = |entry: &Entry| matches!(entry, Entry::GateOpened { .. });
    let (before, until) = play(async {
        let stage = Stage::set(&world(), &playbook).await;
        let before = stage.cloud.snapshot();
        stage.resume_to_the_end(1).await;
        let line = stage.line_of(opens);
        (before, stage.tape.lock().unwrap().requests[line - 1])
    });
    let backdrop = play(async {
        let stage = Stage::set(&world(), &playbook).await;
        stage.cloud.set_faults([(until + 1, Fault::StopBefore)]);
        assert!(matches!(stage.run(None).await, Left::Crashed));
        stage.backdrop()
    });
    play(async {
        let stage = backdrop.stage();
        let past = stage.tape.lock().unwrap().requests.len();
        stage.resume_to_the_end(1).await;
        let of_reset = |entry: &Entry| entry.change().is_some_and(|id| id.as_str() == "reset.1");
        let seen = |entry: &Entry| {
            of_reset(entry) && matches!(entry, Entry::Observed { position: Position::After, .. })
        };
        let requests = stage.tape.lock().unwrap().requests.clone();
        let calls = requests[stage.line_of(of_reset) - 1]..requests[stage.line_of(seen) - 1] + 1;
        let audit = stage.cloud.audit();
        let writes = audit.iter().filter(|event| event.writes).map(|event| event.request).collect();
        Alone { lines: requests.len() - past, calls, writes, backdrop, before }
    })
}

async fn play_through(stage: &Stage, faults: &[(u64, Fault)], stop_at: Option<(usize, Torn)>) {
    let runs = stage.run_through(faults, stop_at).await;
    let called = runs.iter().any(|left| matches!(left, Left::Ended(Ending::Held(_))));
    assert!(!called, "a person was called for what passes: {runs:#?}");
    stage.let_it_settle().await;
}

#[test]
fn a_crash_at_any_line_hands_out_the_password_that_holds() {
    for to in [TO_FILES, TO_SECRETS] {
        let Alone { backdrop, before, lines, .. } = alone(to);
        let points: Vec<(usize, Torn)> = (1..=lines)
            .flat_map(|line| [Torn::Nothing, Torn::Whole].map(|torn| (line, torn)))
            .collect();
        let cases = each(&points, |point| {
            play(async {
                let stage = backdrop.stage();
                play_through(&stage, &[], Some(*point)).await;
                judge(&stage, to, &["bob"], &before).await;
            });
        });
        println!("counted: {cases} cases, a password, crashes at lines");
    }
}

/// One of each class, as for every action alone.
const CLASSES: [Fault; 4] =
    [Fault::Unavailable, Fault::LostAnswer, Fault::StopBefore, Fault::StopAfter];

#[test]
fn every_two_things_that_go_wrong_with_a_reset_leave_one_password_that_holds_and_is_handed_out() {
    for to in [TO_FILES, TO_SECRETS] {
        let Alone { backdrop, before, calls, writes, .. } = alone(to);
        // A read that fails in any way is repeated, and a crash there is one like any since the last write.
        let kinds = |n: u64| if writes.contains(&n) { &CLASSES[..] } else { &CLASSES[1..2] };
        let mut points: Vec<Vec<(u64, Fault)>> = Vec::new();
        let mut pairs: Vec<Vec<(u64, Fault)>> = Vec::new();
        for first in calls.clone() {
            let single = PASSING.iter().chain(&CLASSES[2..]);
            points.extend(single.map(|kind| vec![(first, *kind)]));
            for second in first + 1..calls.end {
                for one in kinds(first) {
                    pairs.extend(
                        kinds(second).iter().map(|two| vec![(first, *one), (second, *two)]),
                    );
                }
            }
        }
        // Some pairs: all of them take minutes.
        points.extend(spread(pairs, 48));
        let cases = each(&points, |faults| {
            play(async {
                let stage = backdrop.stage();
                play_through(&stage, faults, None).await;
                judge(&stage, to, &["bob"], &before).await;
            });
        });
        println!(
            "counted: {cases} cases, a password, faults and pairs of them in {} calls",
            calls.end - calls.start
        );
    }
}

#[test]
fn a_password_that_was_made_a_moment_ago_is_waited_for() {
    play(async {
        let young = "created_at: 2026-03-24T07:09:30Z }";
        let world = world().replace("lag: 4s", "lag: 60s");
        let world = world.replace("created_at: 2025-01-02T03:04:05Z }", young);
        let one = for_bob(TO_FILES).replace("margin: 60s", "margin: 90s");
        let stage = Stage::set(&world, &one).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        let refused = stage
            .cloud
            .audit()
            .into_iter()
            .filter(|event| event.operation == "UpdateLoginProfile" && !event.took_effect);
        assert!(refused.count() > 0, "it was too early");
        let delivered = stage.drawer.delivered();
        let text = pairs()[0].open(delivered.values().next().unwrap()).unwrap();
        let handed: Value = serde_json::from_str(&text).unwrap();
        let password = Secret::new(handed["password"].as_str().unwrap().to_owned());
        assert_eq!(stage.cloud.sign_in(ACCOUNT, "bob", &password), Ok(true));
    });
}

#[test]
fn somebody_who_could_not_change_his_password_is_named_before_anything_is_done() {
    let ask = |world: &str| {
        play(async {
            let stage = Stage::set(world, &playbook(TO_FILES)).await;
            stage.saved.plan.warnings.join("\n")
        })
    };
    let open = world();
    assert!(!ask(&open).contains("change his password"));
    let shut = open.replace("users_may_change: true", "users_may_change: false");
    let said = ask(&shut);
    assert!(said.contains("alice MAY NOT CHANGE HIS PASSWORD"), "{said}");
    assert!(said.contains("bob MAY NOT CHANGE HIS PASSWORD"), "{said}");
    // Allowed to him, and only with a second factor, which bob has.
    let only_with = r#"        inline:
          own: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "iam:ChangePassword", Resource: "arn:aws:iam::*:user/staff/${aws:username}" }, { Effect: Deny, NotAction: "iam:EnableMFADevice", Resource: "*", Condition: { BoolIfExists: { "aws:MultiFactorAuthPresent": "false" } } }]}
"#;
    let guarded = shut.replace("      alice:\n", &format!("      alice:\n{only_with}")).replace(
        "      bob:\n",
        &format!("      bob:\n        mfa: [\"arn:aws:iam::{ACCOUNT}:mfa/bob\"]\n{only_with}"),
    );
    let said = ask(&guarded);
    assert!(said.contains("alice may change his password only with a second factor"), "{said}");
    assert!(!said.contains("bob"), "{said}");
}

#[test]
fn two_people_s_passwords_do_not_go_into_one_secret() {
    play(async {
        let playbook = playbook("helpdesk/alice");
        let refused = Stage::set_on(&world(), &playbook, &terms()).await.err().unwrap();
        let said = portcullis::cli::diagnostics::text(&refused.into(), false);
        assert!(said.contains("both deliver into secret helpdesk/alice"), "{said}");
        assert!(said.contains("helpdesk/${{ each }}"), "{said}");
        let playbook = playbook.replace("helpdesk/alice", "helpdesk/nobody");
        let refused = Stage::set_on(&world(), &playbook, &terms()).await.err().unwrap();
        let said = portcullis::cli::diagnostics::text(&refused.into(), false);
        assert!(said.contains("aws secretsmanager create-secret --name helpdesk/nobody"), "{said}");
    });
}

#[test]
fn what_somebody_else_sets_over_the_new_password_is_set_anew() {
    play(async {
        let (stage, before) = set(TO_FILES).await;
        let meddling = async {
            stage.until(|stage| stage.drawer.delivered().len() == 2).await;
            let admin = somebody_else(&stage.cloud, stage.clock);
            let iam = aws_sdk_iam::Client::new(&admin);
            let update =
                iam.update_login_profile().user_name("alice").password("Meddled-with-1-and-long!");
            update.password_reset_required(false).send().await.unwrap();
        };
        let (left, ()) = tokio::join!(stage.run(None), meddling);
        // A cut, or what stands for one, that somebody undoes while we watch is an alarm.
        let Left::Ended(Ending::Held(why)) = left else { panic!("{left:?}") };
        assert!(why.iter().any(|why| why.contains("somebody else may have set")), "{why:?}");
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        judge(&stage, TO_FILES, &BOTH, &before).await;
    });
}

#[test]
fn a_recipient_with_a_slip_in_it_is_found_where_it_stands() {
    let good = pairs()[0].recipient.to_string();
    let slip = good.replace(&good[10..11], if &good[10..11] == "q" { "p" } else { "q" });
    for (given, says) in [
        (slip.as_str(), "an age recipient"),
        ("AGE-SECRET-KEY-1QQQQ", "an age recipient"),
        ("prod/ci/key", "an age recipient"),
    ] {
        let text = playbook(&format!("[\"{given}\"]"));
        let line = text.lines().position(|line| line.contains(given)).unwrap() + 1;
        let source = Source::new("playbook.yaml", text.as_str());
        let problems =
            match portcullis::playbook::read_in(&source, &BTreeMap::new(), &Actions::new()) {
                Ok(_) => panic!("{given} was taken"),
                Err(problems) => portcullis::cli::diagnostics::text(&problems.into(), false),
            };
        assert!(problems.contains(&format!("playbook.yaml:{line}:")), "{problems}");
        assert!(problems.contains(says), "{problems}");
    }
    let problem = FieldType::AgeRecipient.accept(&json!("AGE-SECRET-KEY-1QQQQ")).unwrap_err();
    assert!(!problem.found.contains("QQQQ"), "{problem:?}");
    assert!(problem.help.unwrap().contains("make a new pair"));
}
