//! Many users, at a cloud that admits few calls: all are cut, in about the time that takes, and it is said why it takes it.

use jiff::SignedDuration;
use portcullis::cloud::Urgency;
use portcullis::ids::{AccessKeyId, UserName};
use portcullis::inventory::Status;
use portcullis::run::Ending;
use portcullis::sim::AuditEvent;

use crate::stage::{Left, Stage, connect, play};

/// So many that what they look like is read from a listing of all.
const USERS: usize = 120;
const RATE: usize = 20;
const PLAYBOOK: &str = r#"portcullis: 1
name: sweep
title: Everybody is cut
mode: breach
gate: { proof: settled, margin: 60s }
targets:
  everybody: ${{ inventory.users().filter(user, user.path == "/staff/").map(user, user.name) }}
steps:
  - id: quarantine
    phase: contain
    for_each: ${{ targets.everybody }}
    uses: iam.user.quarantine
    with: { user: "${{ each }}" }
"#;

/// Everybody is cut, and let work again.
const REOPENED: &str = r#"  - id: keys-off
    phase: contain
    for_each: ${{ targets.everybody }}
    uses: iam.access-key.deactivate
    with: { user: "${{ each }}", keys: all }
  - id: sessions-off
    phase: contain
    for_each: ${{ targets.everybody }}
    uses: iam.user.revoke-sessions
    with: { user: "${{ each }}" }
  - id: reopened
    phase: recover
    for_each: ${{ targets.everybody }}
    uses: iam.user.lift-quarantine
    with: { user: "${{ each }}" }
"#;

/// A world in which the responder may do everything but what `denied` says.
fn world(denied: &str) -> String {
    world_of(USERS, denied)
}

fn world_of(users: usize, denied: &str) -> String {
    let users: String = (0..users)
        .map(|n| {
            format!(
                "      u{n:03}: {{ path: /staff/, keys: [{{ id: AKIAEXAMPLE000{n:03}AA }}] }}\n"
            )
        })
        .collect();
    format!(
        r#"world: 1
now: 2026-03-24T07:10:00Z
seed: 7
lag: 1s
latency: 40ms
rate_limit: {RATE}
responder: {{ account: "111122223333", role: responder }}
accounts:
  "111122223333":
    roles:
      responder:
        max_session: 12h
        trust: {{ Version: "2012-10-17", Statement: [{{ Effect: Allow, Principal: {{ AWS: "arn:aws:iam::999988887777:root" }}, Action: "sts:AssumeRole" }}] }}
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
        inline:
          but: {{ Version: "2012-10-17", Statement: [{{ Effect: Deny, Action: "{denied}", Resource: "*" }}] }}
    users:
{users}"#
    )
}

/// How many users are denied everything.
fn cut(stage: &Stage) -> usize {
    let policy = "/attached/arn:aws:iam::aws:policy/AWSDenyAll";
    stage.cloud.snapshot().0.keys().filter(|key| key.ends_with(policy)).count()
}

#[test]
fn a_crowd_is_cut_at_the_pace_that_is_admitted_and_it_is_said() {
    // Where the listing of everybody is denied, each is looked at by itself: after everybody was cut.
    for denied in ["iam:DeleteUser", "iam:GetAccountAuthorizationDetails"] {
        play(async {
            let stage = Stage::set(&world(denied), PLAYBOOK).await;
            assert_eq!(cut(&stage), 0);
            let (began, before) = (stage.clock.now(), stage.cloud.audit().len());
            let Left::Ended(ending) = stage.run(None).await else { panic!("nothing crashes it") };
            assert_eq!(ending, Ending::NotProven);
            assert_eq!(cut(&stage), USERS);
            let audit = stage.cloud.audit().split_off(before);
            let admitted =
                |events: &[AuditEvent]| events.iter().filter(|one| one.error.is_none()).count();
            let last = audit.iter().rposition(|event| event.writes).unwrap();
            let (made, by_then) = (admitted(&audit), admitted(&audit[..=last]));
            println!("{denied} is denied: {by_then} calls until all are cut, {made} in all");
            assert!(by_then < USERS * 11 / 10, "{by_then} calls to cut {USERS} users");
            let seconds =
                |calls: usize| SignedDuration::from_secs((calls / RATE).try_into().unwrap());
            let took = audit[last].at.duration_since(began);
            assert!(took < seconds(by_then) * 5 / 4 + SignedDuration::from_secs(2), "{took}");
            let all = stage.clock.now().duration_since(began) - SignedDuration::from_secs(60);
            assert!(all < seconds(made) * 3 / 2 + SignedDuration::from_secs(6), "{all} for {made}");
            let told = stage.witness.0.lock().unwrap().clone();
            assert!(told.contains("throttled IAM"), "{told}");
        });
    }
}

/// How many calls are made to let so many users work again, each behind a look at all of them.
fn calls_to_reopen(users: usize) -> usize {
    play(async {
        let playbook = format!("{PLAYBOOK}{REOPENED}");
        let stage = Stage::set(&world_of(users, "iam:DeleteUser"), &playbook).await;
        let Left::Ended(ending) = stage.run(None).await else { panic!("nothing crashes it") };
        assert_eq!(ending, Ending::NotProven);
        assert_eq!(cut(&stage), 0, "all of them are let work again");
        let audit = stage.cloud.audit();
        let is_lift = |one: &AuditEvent| one.operation == "DetachUserPolicy" && one.error.is_none();
        let first = audit.iter().position(is_lift).unwrap();
        let last = audit.iter().rposition(is_lift).unwrap();

        last - first
    })
}

/// What is seen of a crowd takes long to be seen; it is not seen anew for every single one of them.
#[test]
fn letting_twice_as_many_work_again_takes_about_twice_as_many_calls() {
    let (some, more) = (calls_to_reopen(30), calls_to_reopen(60));
    println!("{some} calls to reopen 30 users, {more} to reopen 60");
    assert!(more < some * 3, "{some} and {more}");
}

/// While one look serves many, what a change is about is looked at for each: a secret that somebody has opened again
/// is given no new value.
#[test]
fn a_secret_that_was_opened_since_everything_was_looked_at_gets_no_new_value() {
    const SEALED: &str = r#"  - { id: seal, phase: contain, for_each: "${{ inventory.secrets().map(s, s.arn) }}", uses: secretsmanager.secret.seal, with: { secret: "${{ each }}", readers: [] } }
  - id: new-values
    phase: rotate
    for_each: ${{ inventory.secrets().map(s, s.arn) }}
    uses: secretsmanager.secret.rotate
    with: { secret: "${{ each }}", by: generated, verifiers_read_secret: true }
"#;
    // He is told to slow down as everybody is, and goes on.
    let opens = "        - { operation: DeleteResourcePolicy, params: { SecretId: s/11 }, with: AKIAEXAMPLEOTHER0001 }\n".repeat(20);
    let secrets: String = (0..12).map(|n| format!("      s/{n:02}: {{ value: old }}\n")).collect();
    let world = format!(
        r#"{}      other:
        keys: [{{ id: AKIAEXAMPLEOTHER0001 }}]
        inline:
          all: {{ Version: "2012-10-17", Statement: [{{ Effect: Allow, Action: "secretsmanager:*", Resource: "*" }}] }}
    secrets:
{secrets}intruder:
  holds: [AKIAEXAMPLEOTHER0001]
  reacts:
    - name: opens a seal
      when: {{ operation: PutSecretValue, target: s/00 }}
      react_in: 200ms
      times: 1
      deeds:
{opens}"#,
        world_of(40, "iam:DeleteUser")
    );
    play(async {
        let stage = Stage::set(&world, &format!("{PLAYBOOK}{SEALED}")).await;
        let Left::Ended(ending) = stage.run(None).await else { panic!("nothing crashes it") };
        assert!(matches!(ending, Ending::Held(_)), "{ending:?}");
        let audit = stage.cloud.audit();
        let done = |operation: &str, secret: &str| {
            audit.iter().rposition(|one| {
                one.operation == operation && one.error.is_none() && one.resource.contains(secret)
            })
        };
        assert!(done("PutSecretValue", "s/00").is_some(), "it had begun by then");
        let opened = done("DeleteResourcePolicy", "s/11").unwrap();
        let put = done("PutSecretValue", "s/11");
        assert!(put.is_none_or(|put| put < opened), "{put:?} behind {opened}");
    });
}

/// Whoever asks for a cut is let through before whoever surveys.
#[test]
fn a_cut_goes_before_a_survey_that_waits() {
    play(async {
        let stage = Stage::set(&world("iam:DeleteUser"), PLAYBOOK).await;
        let (clock, cloud) = (stage.clock, &stage.cloud);
        let (connection, _) = connect(cloud, clock);
        let names: Vec<UserName> = (0..USERS * 4)
            .map(|n| UserName::parse(format!("u{:03}", n % USERS)).unwrap())
            .collect();
        let key = AccessKeyId::parse("AKIAEXAMPLE000000AA").unwrap();
        let survey = names.iter().map(|name| connection.read().iam().access_keys(name));
        let survey = futures_util::future::join_all(survey);
        let cut = async {
            clock.sleep(std::time::Duration::from_secs(8)).await;
            let began = clock.now();
            let iam = connection.write().at(Urgency::Cut).iam().clone();
            iam.set_access_key_status(&names[0], &key, Status::Inactive).await.unwrap();
            clock.now().duration_since(began)
        };
        let (_, waited) = futures_util::future::join(survey, cut).await;
        assert!(waited < SignedDuration::from_millis(500), "{waited}");
        let throttled = connection.read().throttled();
        assert_eq!(throttled.iter().map(|by| by.service).collect::<Vec<_>>(), ["IAM"]);
    });
}
