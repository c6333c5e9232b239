//! Taking back: whatever a case has cut is as it was before, to the letter, where it was found innocent; and is left cut
//! where it was not.

mod alone;
mod killed;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use jiff::SignedDuration;
use portcullis::journal::{ChangeState, Entry};
use portcullis::ledger::{Ledger, Row};
use portcullis::plan::{Change, SavedPlan};
use portcullis::planning;
use portcullis::run::{
    Because, Ending, Fate, MOST_ROUNDS, foresee, look_before, to_take_back, undo_of,
};
use portcullis::sim::{Fault, Snapshot};

use crate::honesty::{Dice, scene};
use crate::side_by_side::each;
use crate::stage::{Left, Stage, connect, play, read, somebody_else, terms};
use crate::verdict::{ACCOUNT, no_effect_came_without_its_intent};

/// Somebody with all that can be cut and taken back, some of it cut before; and a role, and a secret.
const WORLD: &str = r#"
world: 1
now: 2026-03-24T07:10:00Z
seed: 7
lag: 4s
responder: { account: "111122223333", key: AKIAEXAMPLEADMIN0009 }
accounts:
  "111122223333":
    users:
      alice:
        path: /staff/
        keys:
          - { id: AKIAEXAMPLEALICE0001, last_used_at: 2026-03-24T06:00:00Z }
          - { id: AKIAEXAMPLEALICE0002, status: inactive }
        password: { created_at: 2025-01-02T03:04:05Z }
        ssh_keys: [{ body: ssh-rsa AAAA }]
        certificates: [{ body: CERT }]
        service_credentials: [{ service: codecommit.amazonaws.com }]
        boundary: "arn:aws:iam::111122223333:policy/staff"
        attached: [ATTACHED]
        inline:
          PortcullisRestrictNetwork: { Version: "2012-10-17", Statement: [{ Sid: Other, Effect: Deny, Action: "*", Resource: "*", Condition: { NotIpAddress: { aws:SourceIp: "198.51.100.0/24" } } }] }
      intern:
        path: /staff/
        keys: [{ id: AKIAEXAMPLEINTERN001 }]
        attached: ["arn:aws:iam::aws:policy/AWSDenyAll"]
      admin:
        path: /ops/
        keys: [{ id: AKIAEXAMPLEADMIN0009 }]
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
    policies:
      staff: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "*", Resource: "*" }] }
POLICIES
    roles:
      worker:
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { Service: ec2.amazonaws.com }, Action: "sts:AssumeRole" }] }
        boundary: "arn:aws:iam::111122223333:policy/staff"
      responder:
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: "999988887777" }, Action: "sts:AssumeRole" }] }
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
    secrets:
      shop/db: { value: first-of-all-values, policy: { Version: "2012-10-17", Statement: [{ Sid: Partner, Effect: Allow, Principal: { AWS: "arn:aws:iam::111122223333:role/worker" }, Action: "secretsmanager:GetSecretValue", Resource: "*" }] } }
intruder:
  holds: [AKIAEXAMPLEALICE0001]
"#;

const PLAYBOOK: &str = r#"portcullis: 1
name: everything
title: Everything that can be taken back is cut
mode: breach
gate: { proof: settled, margin: 60s }
steps:
  - { id: remote, phase: contain, uses: iam.user.restrict-network, with: { user: alice, networks: [203.0.113.0/24] } }
  - { id: quarantine, phase: contain, for_each: [alice, intern], uses: iam.user.quarantine, with: { user: "${{ each }}" } }
  - { id: keys, phase: contain, uses: iam.access-key.deactivate, with: { user: alice, keys: all } }
  - { id: ssh, phase: contain, uses: iam.ssh-key.deactivate, with: { user: alice, keys: all } }
  - { id: certificates, phase: contain, uses: iam.signing-certificate.deactivate, with: { user: alice, certificates: all } }
  - { id: git, phase: contain, uses: iam.service-specific-credential.deactivate, with: { user: alice, credentials: all } }
  - { id: sessions, phase: contain, uses: iam.user.revoke-sessions, with: { user: alice } }
  - { id: role-off, phase: contain, uses: iam.role.quarantine, with: { role: worker } }
  - { id: role-sessions, phase: contain, uses: iam.role.revoke-sessions, with: { role: worker } }
  - { id: seal, phase: contain, uses: secretsmanager.secret.seal, with: { secret: shop/db } }
"#;

/// With room for a policy, or with none: then the quarantine displaces the boundary.
fn world(full: bool) -> String {
    let names: Vec<String> = (0..if full { 10 } else { 0 }).map(|n| format!("p{n}")).collect();
    let attached: Vec<String> =
        names.iter().map(|name| format!("\"arn:aws:iam::{ACCOUNT}:policy/{name}\"")).collect();
    let policies: String = names
        .iter()
        .map(|name| format!("      {name}: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Action: \"s3:ListBucket\", Resource: \"*\" }}] }}\n"))
        .collect();
    WORLD.replace("ATTACHED", &attached.join(", ")).replace("POLICIES\n", &policies)
}

/// What an undo leaves as it was: all but the log of what was used when.
fn state_of(stage: &Stage) -> Snapshot {
    stage.cloud.snapshot()
}

/// Two people have looked into everything and found nothing.
async fn everything_is_cleared(stage: &Stage) {
    let rows = Ledger::of(&stage.plan(), &stage.state()).rows;
    for name in ["anna", "ben"] {
        let said = stage.said_by(name);
        let cleared = rows
            .iter()
            .map(|row| Entry::Cleared { credential: row.credential.clone(), said: said.clone() });
        stage.say(cleared.collect::<Vec<_>>()).await;
    }
}

/// Plans the undo of the case as it stands.
fn planned(stage: &Stage) -> SavedPlan {
    let state = stage.state();
    undo_of(&stage.newest(state.round()), &state)
}

/// Keeps the plan that takes everything back, and begins it.
async fn begin_undo(stage: &Stage) -> SavedPlan {
    let next = planned(stage);
    stage.keeps(&next);
    stage.says_yes_to(&next).await;
    next
}

/// Resumes until the sessions that are denied have ended by themselves.
async fn until_the_denies_may_go(stage: &Stage) -> Ending {
    let held = stage.resume_to_the_end(1).await;
    let Ending::Held(why) = &held else { panic!("{held:?}") };
    assert!(why.iter().all(|why| why.contains("is kept until")), "{why:#?}");
    stage.clock.sleep(Duration::from_hours(37)).await;
    stage.resume_to_the_end(1).await
}

#[test]
fn what_two_people_have_cleared_is_as_it_was_before_to_the_letter() {
    for full in [false, true] {
        play(async {
            let stage = Stage::set(&world(full), PLAYBOOK).await;
            let before = state_of(&stage);
            stage.resume_to_the_end(1).await;
            assert_ne!(state_of(&stage), before);
            everything_is_cleared(&stage).await;
            let earlier = stage.saved.clone();
            let next = begin_undo(&stage).await;
            assert!(planning::follows(&next, Some(&earlier), &read(PLAYBOOK)));
            assert_eq!(until_the_denies_may_go(&stage).await, Ending::Proven);
            stage.let_it_settle().await;
            let left = before.changes_to(&state_of(&stage));
            assert!(left.is_empty(), "full: {full}: {left:#?}");
            no_effect_came_without_its_intent(&stage);
            // Nothing is left to take back, and what was found cut was not opened.
            assert_eq!(to_take_back(&stage.plan(), &stage.state()), BTreeSet::new());
            assert!(
                stage.cloud.snapshot().0.keys().any(|key| key.contains("users/intern/attached"))
            );
        });
    }
}

/// An alarm that was false says nothing of what has been hung on somebody since: it stays off until somebody names it, and
/// keeps nobody else shut out.
#[test]
fn what_came_while_the_case_went_on_stays_off_and_lets_its_owner_in() {
    play(async {
        let mut stage = Stage::set(&world(false), PLAYBOOK).await;
        stage.most = MOST_ROUNDS;
        let iam = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let hung = iam.create_service_specific_credential().user_name("alice");
        let hung = hung.service_name("cassandra.amazonaws.com").send().await.unwrap();
        let hung = hung.service_specific_credential().unwrap();
        let id = hung.service_specific_credential_id();
        stage.let_it_settle().await;
        stage.resume_to_the_end(2).await;
        let rows = Ledger::of(&stage.plan(), &stage.state()).rows;
        let (came, there): (Vec<Row>, Vec<Row>) =
            rows.into_iter().partition(|row| row.credential.typed().contains(id));
        assert_eq!(came.len(), 1, "{came:#?}");
        for name in ["anna", "ben"] {
            let said = stage.said_by(name);
            let cleared = there.iter().map(|row| Entry::Cleared {
                credential: row.credential.clone(),
                said: said.clone(),
            });
            stage.say(cleared.collect::<Vec<_>>()).await;
        }
        begin_undo(&stage).await;
        let held = until_the_denies_may_go_but(&stage, id).await;
        assert!(held.contains("came after this case was begun"), "{held}");
        let state = state_of(&stage).0;
        let status = state.iter().find(|(key, _)| key.contains(id)).expect("it is there");
        assert!(status.1.contains("Inactive"), "{status:?}");
        assert!(!state.keys().any(|key| key.contains("users/alice/attached")), "{state:#?}");
    });
}

/// The same, where one thing is held for good: why.
async fn until_the_denies_may_go_but(stage: &Stage, id: &str) -> String {
    stage.resume_to_the_end(1).await;
    stage.clock.sleep(Duration::from_hours(37)).await;
    let Ending::Held(why) = stage.resume_to_the_end(1).await else { panic!("it is not held") };
    assert!(why.iter().all(|why| why.contains(id)), "{why:#?}");
    why.join("\n")
}

#[test]
fn what_nobody_has_cleared_stays_cut_whoever_asks() {
    play(async {
        let stage = Stage::set(&world(false), PLAYBOOK).await;
        stage.resume_to_the_end(1).await;
        begin_undo(&stage).await;
        let Ending::Held(why) = stage.resume_to_the_end(1).await else { panic!("it is not held") };
        assert!(why.iter().any(|why| why.contains("counts as compromised")), "{why:#?}");
        stage.clock.sleep(Duration::from_hours(37)).await;
        stage.resume_to_the_end(1).await;
        stage.let_it_settle().await;
        for reach in stage.cloud.intruder_reach() {
            assert!(reach.allowed.is_empty(), "{reach:?}");
        }
        let now = state_of(&stage).0;
        assert_eq!(now[&format!("{ACCOUNT}/users/alice/keys/AKIAEXAMPLEALICE0001")], "Inactive");
    });
}

#[test]
fn what_somebody_has_changed_since_is_his_to_settle() {
    play(async {
        let stage = Stage::set(&world(false), PLAYBOOK).await;
        stage.resume_to_the_end(1).await;
        everything_is_cleared(&stage).await;
        let iam = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        iam.delete_access_key()
            .user_name("alice")
            .access_key_id("AKIAEXAMPLEALICE0001")
            .send()
            .await
            .unwrap();
        iam.put_user_permissions_boundary()
            .user_name("alice")
            .permissions_boundary("arn:aws:iam::aws:policy/AdministratorAccess")
            .send()
            .await
            .unwrap();
        let (connection, _) = connect(&stage.cloud, stage.clock);
        let (next, state) = (planned(&stage), stage.state());
        let cloud = connection.read();
        let found = look_before(&next, &state, cloud, stage.clock).await.unwrap();
        let foretold = foresee(&next, &state, stage.clock.now(), Some(&found));
        begin_undo(&stage).await;
        let Ending::Held(why) = stage.resume_to_the_end(1).await else { panic!("it is not held") };
        let of = |what: &str| why.iter().any(|why| why.contains(what));
        // Whoever looks beforehand is told the same.
        let is_changed = |(_, fate): &&(_, Fate)| matches!(fate, Fate::Kept(kept) if kept.because == Because::Other);
        assert_eq!(foretold.iter().filter(is_changed).count(), 2, "{foretold:#?}");
        for (change, fate) in foretold {
            let record = stage.state().change(&change.id);
            let told = match fate {
                Fate::Kept(kept) => Some(kept.why),
                _ => None,
            };
            assert_eq!(record.trouble, told, "{}", change.id);
        }
        assert!(of("access key AKIAEXAMPLEALICE0001 of alice is gone"), "{why:#?}");
        assert!(of("its boundary was changed since"), "{why:#?}");
        assert!(of("See to it by hand, then resume") && !of("lan again"), "{why:#?}");
        let now = state_of(&stage).0;
        assert!(
            now.keys()
                .any(|key| key.contains("users/alice/attached/arn:aws:iam::aws:policy/AWSDenyAll"))
        );
    });
}

#[test]
fn what_somebody_else_has_taken_off_already_is_not_taken_for_our_own_doing() {
    play(async {
        let stage = Stage::set(&world(false), PLAYBOOK).await;
        stage.resume_to_the_end(1).await;
        let iam = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        iam.update_access_key()
            .user_name("alice")
            .access_key_id("AKIAEXAMPLEALICE0001")
            .status(aws_sdk_iam::types::StatusType::Active)
            .send()
            .await
            .unwrap();
        begin_undo(&stage).await;
        // However often it is gone on with.
        for _ in 0..2 {
            let ended = stage.resume_to_the_end(1).await;
            let Ending::Held(why) = ended else { panic!("it is not held: {ended:?}") };
            assert!(why.iter().any(|why| why.contains("not by this case")), "{why:#?}");
        }
    });
}

#[test]
fn an_undo_does_not_wait_for_a_cut_that_was_begun_and_never_made() {
    play(async {
        let admin = "attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]";
        let no = "inline: { no: { Version: \"2012-10-17\", Statement: [{ Effect: Deny, Action: \"iam:UpdateAccessKey\", Resource: \"*\" }] } }";
        let world = world(false).replace(admin, &format!("{admin}\n        {no}"));
        let stage = Stage::set(&world, PLAYBOOK).await;
        let before = state_of(&stage);
        assert!(matches!(stage.resume_to_the_end(1).await, Ending::Held(_)));
        everything_is_cleared(&stage).await;
        begin_undo(&stage).await;
        assert_eq!(until_the_denies_may_go(&stage).await, Ending::Proven);
        stage.let_it_settle().await;
        let left = before.changes_to(&state_of(&stage));
        assert!(left.is_empty(), "{left:#?}");
    });
}

#[test]
fn an_undo_of_half_a_run_takes_back_the_half_that_was_made() {
    play(async {
        let stage = Stage::set(&world(false), PLAYBOOK).await;
        let before = state_of(&stage);
        let half = stage.cloud.requests() + 24;
        stage.cloud.set_faults([(half, Fault::StopAfter)]);
        assert!(matches!(stage.run(None).await, Left::Crashed));
        stage.cloud.set_faults([]);
        everything_is_cleared(&stage).await;
        let next = begin_undo(&stage).await;
        let made = next.plan.changes.iter().filter(|change| change.undoes.is_some()).count();
        assert!((1..12).contains(&made), "{made} of all");
        let ending = match stage.resume_to_the_end(1).await {
            Ending::Held(_) => {
                stage.clock.sleep(Duration::from_hours(37)).await;
                stage.resume_to_the_end(1).await
            }
            ending => ending,
        };
        assert_eq!(ending, Ending::Proven);
        stage.let_it_settle().await;
        let left = before.changes_to(&state_of(&stage));
        assert!(left.is_empty(), "{left:#?}");
    });
}

#[test]
fn a_plan_of_an_undo_that_another_hand_wrote_does_not_follow() {
    play(async {
        let stage = Stage::set(&world(false), PLAYBOOK).await;
        stage.resume_to_the_end(1).await;
        let good = planned(&stage);
        let playbook = read(PLAYBOOK);
        let follows = |saved: &SavedPlan| planning::follows(saved, Some(&stage.saved), &playbook);
        assert!(follows(&good));
        let mut forged = good.clone();
        forged.plan.changes.last_mut().unwrap().target = "user admin".into();
        assert!(!follows(&forged));
        let mut forged = good.clone();
        forged.plan.changes.pop();
        assert!(!follows(&forged));
        let mut forged = good;
        forged.round.as_mut().unwrap().undoes.pop_first();
        assert!(!follows(&forged));
    });
}

/// A user with keys alone, contained.
const CONTAINED: &str = "\
portcullis: 1
name: contained
title: A user is contained
gate: { proof: settled, margin: 60s }
steps:
  - { id: quarantine, phase: contain, uses: iam.user.quarantine, with: { user: ci-deploy } }
  - { id: keys-off, phase: contain, uses: iam.access-key.deactivate, with: { user: ci-deploy, keys: all } }
  - { id: sessions-off, phase: contain, uses: iam.user.revoke-sessions, with: { user: ci-deploy } }
";

fn is_quarantined(stage: &Stage) -> bool {
    let now = state_of(stage).0;
    now.keys()
        .any(|key| key.contains("users/ci-deploy/attached/arn:aws:iam::aws:policy/AWSDenyAll"))
}

/// In a run, a key that is off does without the quarantine. An undo lets nobody in on the strength of that: what blocks
/// him beside is taken off by the same hand, or by the next.
#[test]
fn an_undo_leaves_shut_out_whomever_nobody_has_spoken_for_and_lets_in_whoever_is_answered_for() {
    for answered in [false, true] {
        play(async {
            let stage = Stage::set(crate::stage::WORLD, CONTAINED).await;
            stage.resume_to_the_end(1).await;
            if answered {
                let (until, said) =
                    (stage.clock.now() + SignedDuration::from_hours(9), stage.said_by("anna"));
                let of_him = |row: &Row| {
                    row.credential.user().is_some_and(|user| user.as_str() == "ci-deploy")
                };
                let rows = Ledger::of(&stage.plan(), &stage.state()).rows;
                let waived = rows.into_iter().filter(of_him).map(|row| Entry::Waived {
                    credential: row.credential,
                    until,
                    said: said.clone(),
                });
                stage.say(waived.collect::<Vec<_>>()).await;
            }
            begin_undo(&stage).await;
            let Ending::Held(why) = stage.resume_to_the_end(1).await else { panic!("not held") };
            assert_eq!(is_quarantined(&stage), !answered, "{why:#?}");
            let not_cleared =
                why.iter().any(|why| why.contains("nobody has cleared user ci-deploy"));
            assert_eq!(not_cleared, !answered, "{why:#?}");
            // One person's word lets him be, and lets no key work again.
            let now = state_of(&stage).0;
            assert_eq!(
                now[&format!("{ACCOUNT}/users/ci-deploy/keys/AKIAEXAMPLELEAKED001")],
                "Inactive"
            );
        });
    }
}

/// The same world, whose responder has credentials that outlive the sessions that are denied.
pub(crate) fn with_a_lasting_responder(world: &str) -> String {
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    let user = format!(
        "    users:\n      ops:\n        path: /ops/\n        keys: [{{ id: AKIAEXAMPLEADMIN0009 }}]\n        attached: [\"{admin}\"]\n"
    );
    let line = world.lines().find(|line| line.starts_with("responder:")).unwrap();
    let responder = format!("responder: {{ account: \"{ACCOUNT}\", key: AKIAEXAMPLEADMIN0009 }}");
    world.replace(line, &responder).replacen("    users:\n", &user, 1)
}

/// Whoever a role admits has new sessions of it as soon as its quarantine is off, whatever became of the older ones.
#[test]
fn a_role_for_which_nobody_has_spoken_lets_in_nobody() {
    let of_role = |line: &&str| !line.contains("- { id:") || line.contains("id: role-");
    let text: String = PLAYBOOK.lines().filter(of_role).map(|line| format!("{line}\n")).collect();
    play(async {
        let stage = Stage::set(&world(true), &text).await;
        stage.resume_to_the_end(1).await;
        let is_off = || {
            let now = state_of(&stage).0;
            now.keys().any(|key| key.contains("roles/worker/") && key.contains("AWSDenyAll"))
        };
        assert!(is_off());
        begin_undo(&stage).await;
        let Ending::Held(why) = stage.resume_to_the_end(1).await else { panic!("not held") };
        let not_cleared = |why: &String| why.contains("nobody has cleared role worker");
        assert!(is_off() && why.iter().any(not_cleared), "{why:#?}");
        // Nor when the sessions that were denied have ended, and the deny of them is off.
        stage.clock.sleep(Duration::from_hours(13)).await;
        for _ in 0..2 {
            let Ending::Held(why) = stage.resume_to_the_end(1).await else { panic!("not held") };
            assert!(is_off() && why.iter().any(not_cleared), "{why:#?}");
        }
        everything_is_cleared(&stage).await;
        stage.resume_to_the_end(1).await;
        assert!(!is_off());
    });
}

/// Somebody sets a password up behind the words that let its user in: it is another one, and nobody has spoken of it.
#[test]
fn a_word_is_of_the_password_that_there_was_and_not_of_the_next() {
    play(async {
        let stage = Stage::set(&world(false), PLAYBOOK).await;
        stage.resume_to_the_end(1).await;
        everything_is_cleared(&stage).await;
        let iam = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        stage.clock.sleep(Duration::from_secs(2)).await;
        iam.delete_login_profile().user_name("alice").send().await.unwrap();
        let anew = iam.create_login_profile().user_name("alice");
        anew.password("Correct-Horse-7").send().await.unwrap();
        stage.let_it_settle().await;
        let (connection, _) = connect(&stage.cloud, stage.clock);
        let next = planned(&stage);
        let found = look_before(&next, &stage.state(), connection.read(), stage.clock).await;
        let foretold = foresee(&next, &stage.state(), stage.clock.now(), Some(&found.unwrap()));
        let about_alice = |(change, _): &&(&Change, Fate)| {
            change.target.contains("alice") && change.what.contains("quarantine")
        };
        let (_, fate) = foretold.iter().find(about_alice).expect("her quarantine is lifted");
        assert!(matches!(fate, Fate::Kept(_)), "{fate:?}");
        begin_undo(&stage).await;
        let Ending::Held(why) = stage.resume_to_the_end(1).await else { panic!("it is not held") };
        let not_hers = |why: &String| why.contains("console password of alice");
        assert!(why.iter().any(not_hers), "{why:#?}");
        let deny = "users/alice/attached/arn:aws:iam::aws:policy/AWSDenyAll";
        assert!(state_of(&stage).0.keys().any(|key| key.contains(deny)));
    });
}

/// Let in and accused again: whatever was denied has ended, and he mints new ones.
#[test]
fn sessions_of_whom_an_undo_has_let_in_do_not_count_as_ended_once_nobody_speaks_for_him() {
    play(async {
        let stage = Stage::set(&world(false), PLAYBOOK).await;
        stage.resume_to_the_end(1).await;
        everything_is_cleared(&stage).await;
        begin_undo(&stage).await;
        stage.resume_to_the_end(1).await;
        let rows = Ledger::of(&stage.plan(), &stage.state()).rows;
        let said = stage.said_by("anna");
        let withdrawn = rows
            .into_iter()
            .map(|row| Entry::Withdrawn { credential: row.credential, said: said.clone() });
        stage.say(withdrawn.collect::<Vec<_>>()).await;
        stage.clock.sleep(Duration::from_hours(37)).await;
        stage.resume_to_the_end(1).await;
        let ledger = Ledger::of(&stage.plan(), &stage.state());
        let mut open = ledger.unaccounted().map(|row| row.credential.to_string());
        assert!(open.any(|one| one == "sessions of alice"), "{ledger:#?}");
    });
}

/// Random worlds and playbooks, and random words about what is in them.
#[test]
fn what_an_undo_does_is_what_its_dry_run_said() {
    const WORLDS: u64 = 24;
    let fates = Mutex::new(BTreeMap::<&str, usize>::new());
    let seeds: Vec<u64> = (1..=WORLDS).collect();
    let cases = each(&seeds, |seed| {
        play(async {
            let (world, playbook) = scene(*seed);
            let world = with_a_lasting_responder(&world);
            let Ok(stage) = Stage::set_on(&world, &playbook, &terms()).await else { return };
            stage.resume_to_the_end(1).await;
            let mut dice = Dice::of(*seed);
            for row in Ledger::of(&stage.plan(), &stage.state()).rows {
                let (credential, until) =
                    (row.credential, stage.clock.now() + SignedDuration::from_hours(9));
                let cleared = |name: &str| Entry::Cleared {
                    credential: credential.clone(),
                    said: stage.said_by(name),
                };
                match dice.throw(4) {
                    0 => stage.say([cleared("anna"), cleared("ben")]).await,
                    1 => {
                        let (credential, said) = (credential.clone(), stage.said_by("anna"));
                        stage.say([Entry::Waived { credential, until, said }]).await;
                    }
                    2 => stage.say([cleared("anna")]).await,
                    _ => {}
                }
            }
            let next = planned(&stage);
            if !next.plan.is_undo() {
                return;
            }
            if dice.throw(3) == 0 {
                stage.clock.sleep(Duration::from_hours(37)).await;
            }
            let foretold = foresee(&next, &stage.state(), stage.clock.now(), None);
            begin_undo(&stage).await;
            stage.resume_to_the_end(1).await;
            for (change, fate) in foretold {
                let record = stage.state().change(&change.id);
                let told = match &fate {
                    Fate::Made => {
                        assert_eq!(
                            record.state,
                            ChangeState::Seen,
                            "{seed} {}: {record:?}",
                            change.id
                        );
                        "made"
                    }
                    Fate::Kept(kept) => {
                        assert_eq!(
                            record.trouble.as_ref(),
                            Some(&kept.why),
                            "{seed} {}",
                            change.id
                        );
                        assert_eq!(record.state, ChangeState::Held, "{seed} {}", change.id);
                        match kept.because {
                            Because::Sessions(_) => "sessions",
                            Because::NobodySpoke(_) => "nobody spoke",
                            Because::Compromised(_) => "compromised",
                            Because::HasCome(_) => "has come",
                            Because::TakenOff | Because::Other => "other",
                        }
                    }
                    Fate::ByHand(_) => panic!("{seed}: nobody is asked here"),
                };
                *fates.lock().unwrap().entry(told).or_default() += 1;
            }
        });
    });
    let fates = fates.into_inner().unwrap();
    println!("counted: {cases} cases, undoes in random worlds, of what they foretold: {fates:?}");
    for fate in ["made", "sessions", "nobody spoke", "compromised"] {
        assert!(fates.get(fate).is_some_and(|n| *n >= 5), "the dice are loaded: {fates:?}");
    }
}

/// A session that was minted behind the first pass is younger than what that denies.
#[test]
fn half_a_run_does_without_no_quarantine() {
    play(async {
        let stage = Stage::set(crate::stage::WORLD, CONTAINED).await;
        let first_pass =
            |stage: &Stage| stage.state().change(&"sessions-off.1".parse().unwrap()).seen.is_some();
        tokio::select! {
            biased;
            () = stage.until(first_pass) => {}
            left = stage.run(None) => panic!("it came to its end: {left:?}"),
        }
        begin_undo(&stage).await;
        let ending = stage.resume_to_the_end(1).await;
        assert!(matches!(ending, Ending::Held(_)), "{ending:?}");
        assert!(is_quarantined(&stage));
    });
}
