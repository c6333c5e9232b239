//! Every pair of things that may go wrong within the calls of one action, crashes among them; for every
//! action alone.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use portcullis::journal::{self, Entry, Position};
use portcullis::sim::{Fault, Snapshot};

use super::PASSING;
use crate::secrets;
use crate::side_by_side::{each, spread};
use crate::stage::{Backdrop, Left, PLAYBOOK, Stage, WORLD, play};
use crate::verdict::{
    ACCOUNT, VICTIM, no_effect_came_without_its_intent, no_secret_was_written,
    the_world_is_as_it_should_be,
};

/// One of each class: nothing happened and the answer says so; it happened and no answer came; a crash
/// before it and one after it. The others differ from these only in how the answer is worded, which
/// single faults at every call cover.
pub(super) const CLASSES: [Fault; 4] =
    [Fault::Unavailable, Fault::LostAnswer, Fault::StopBefore, Fault::StopAfter];

/// A fault at a request.
type Point = (u64, Fault);

fn playbook_of(action: &str, with: &str) -> String {
    containing(action, &format!("user: {VICTIM}{with}"))
}

pub(super) fn containing(action: &str, with: &str) -> String {
    format!(
        "portcullis: 1
name: one-action
title: One action alone
mode: breach
gate: {{ proof: settled, margin: 60s }}
steps:
  - id: only
    phase: contain
    uses: {action}
    with: {{ {with} }}
"
    )
}

/// Pairs that are played of one change behind the gate, evenly chosen.
const AT_MOST: usize = 64;
/// And of a cut.
const OF_A_CUT: usize = 120;

/// Every two at every two of `calls`, the first before the second; what may go wrong at a call is told
/// by `kinds`.
fn pairs<'k>(calls: Range<u64>, kinds: impl Fn(u64) -> &'k [Fault]) -> Vec<[Point; 2]> {
    let mut pairs = Vec::new();
    for first in calls.clone() {
        for second in first + 1..calls.end {
            for one in kinds(first) {
                pairs.extend(kinds(second).iter().map(|other| [(first, *one), (second, *other)]));
            }
        }
    }
    pairs
}

/// Plays one pair to the end. Nothing in it needs a person, so none is called.
async fn play_pair(stage: &Stage, pair: &[Point; 2]) {
    let runs = stage.run_through(pair, None).await;
    let called =
        runs.iter().any(|left| matches!(left, Left::Ended(portcullis::run::Ending::Held(_))));
    assert!(!called, "a person was called for what passes: {runs:#?}");
    stage.let_it_settle().await;
    no_effect_came_without_its_intent(stage);
    no_secret_was_written(stage);
}

/// Every pair in the first `calls` calls of a playbook that has one cut alone; what it leaves behind is
/// told by `expected`, from the world's differences.
fn a_cut(
    action: &str,
    with: &str,
    calls: u64,
    kinds: &[Fault],
    expected: impl Fn(&Stage, &[String]) + Sync,
) {
    cut_in(WORLD, action, &playbook_of(action, with), calls, kinds, expected);
}

/// The same in another world.
pub(super) fn cut_in(
    world: &str,
    action: &str,
    playbook: &str,
    calls: u64,
    kinds: &[Fault],
    expected: impl Fn(&Stage, &[String]) + Sync,
) {
    let (backdrop, before): (Backdrop, Snapshot) = play(async {
        let stage = Stage::set(world, playbook).await;
        (stage.backdrop(), stage.cloud.snapshot())
    });
    let first = play(async { backdrop.stage().cloud.requests() }) + 1;
    let pairs = pairs(first..first + calls, |_| kinds);
    let all = pairs.len();
    let cases = each(&spread(pairs, OF_A_CUT), |pair| {
        play(async {
            let stage = backdrop.stage();
            play_pair(&stage, pair).await;
            expected(&stage, &before.changes_to(&stage.cloud.snapshot()));
        });
    });
    println!("counted: {cases} pairs of faults, of {all}, {action}");
}

pub(super) fn all_kinds() -> Vec<Fault> {
    [&PASSING[..], &[Fault::StopBefore, Fault::StopAfter]].concat()
}

#[test]
fn every_pair_of_faults_in_a_quarantine_leaves_the_one_policy() {
    a_cut("iam.user.quarantine", "", 6, &all_kinds(), |_, differences| {
        let policy = "arn:aws:iam::aws:policy/AWSDenyAll";
        let expected = [format!("+ {ACCOUNT}/users/{VICTIM}/attached/{policy}: ")];
        assert_eq!(differences, expected);
    });
}

#[test]
fn every_pair_of_faults_in_a_deactivation_leaves_every_key_off() {
    a_cut("iam.access-key.deactivate", ", keys: all", 6, &all_kinds(), |stage, differences| {
        assert_eq!(differences.len(), 4, "{differences:#?}");
        let keys = format!("{ACCOUNT}/users/{VICTIM}/keys/");
        let after = stage.cloud.snapshot();
        for (_, status) in after.0.iter().filter(|(key, _)| key.starts_with(&keys)) {
            assert_eq!(status, "Inactive");
        }
    });
}

#[test]
fn every_pair_of_faults_in_a_revocation_leaves_no_session_alive() {
    a_cut("iam.user.revoke-sessions", "", 10, &CLASSES, |stage, differences| {
        let policy = "inline/PortcullisRevokeOlderSessions: ";
        assert_eq!(differences.len(), 1, "{differences:#?}");
        assert!(differences[0].starts_with(&format!("+ {ACCOUNT}/users/{VICTIM}/{policy}")));
        for reach in stage.cloud.intruder_reach() {
            let session = reach.credential.starts_with("ASIA");
            assert_eq!(session, reach.allowed.is_empty(), "{reach:?}");
        }
    });
}

/// The shipped world, where the victim has whatever else a user can hold.
fn with_everything() -> String {
    let all = "        password: { created_at: 2025-01-02T03:04:05Z }
        service_credentials: [{ service: codecommit.amazonaws.com }, { service: bedrock.amazonaws.com }]
        ssh_keys: [{ body: one }, { body: two }]
        certificates: [{ body: one }]
";
    let may = [
        "UpdateSSHPublicKey",
        "UpdateSigningCertificate",
        "UpdateServiceSpecificCredential",
        "DeleteLoginProfile",
    ];
    let may: String = may.map(|name| format!("                  - iam:{name}\n")).concat();
    let user = "        path: /ci/\n";
    let allowed = "                  - iam:UpdateAccessKey\n";
    assert!(WORLD.contains(user) && WORLD.contains(allowed));
    WORLD.replace(user, &format!("{user}{all}")).replace(allowed, &format!("{allowed}{may}"))
}

#[test]
fn every_pair_of_faults_in_a_cut_of_anything_else_leaves_all_of_it_off_and_nothing_else_changed() {
    for (action, with, calls, place, count) in [
        (
            "iam.service-specific-credential.deactivate",
            ", credentials: all",
            6,
            "service-credentials",
            2,
        ),
        ("iam.ssh-key.deactivate", ", keys: all", 6, "ssh-keys", 2),
        ("iam.signing-certificate.deactivate", ", certificates: all", 4, "certificates", 1),
    ] {
        let playbook = playbook_of(action, with);
        cut_in(&with_everything(), action, &playbook, calls, &CLASSES, |stage, differences| {
            let at = format!("{ACCOUNT}/users/{VICTIM}/{place}/");
            assert_eq!(differences.len(), 2 * count, "{differences:#?}");
            assert!(differences.iter().all(|line| line[2..].starts_with(&at)), "{differences:#?}");
            let after = stage.cloud.snapshot();
            let off: Vec<_> = after.0.iter().filter(|(key, _)| key.starts_with(&at)).collect();
            assert_eq!(off.len(), count);
            assert!(off.iter().all(|(_, status)| status.ends_with("Inactive")), "{off:?}");
        });
    }
}

#[test]
fn every_pair_of_faults_in_the_deletion_of_a_password_leaves_none() {
    let action = "iam.login-profile.delete";
    let playbook = playbook_of(action, "");
    cut_in(&with_everything(), action, &playbook, 4, &CLASSES, |_, differences| {
        assert_eq!(differences.len(), 1, "{differences:#?}");
        assert!(differences[0].starts_with(&format!("- {ACCOUNT}/users/{VICTIM}/password: ")));
    });
}

/// The number of requests the world had seen when the first line was written of which `says` is true.
fn requests_at(stage: &Stage, says: impl Fn(&Entry) -> bool) -> u64 {
    let tape = stage.tape.lock().unwrap();
    let lines = journal::decode(&tape.bytes).unwrap().lines;
    let at = lines.iter().position(|line| line.entries.iter().any(&says)).unwrap();
    tape.requests[at]
}

/// The shipped playbook up to where `says` is first true of its journal; then every pair in the calls of
/// `change` alone.
fn behind_the_gate(change: &str, says: impl Fn(&Entry) -> bool) {
    behind_the_gate_in(WORLD, PLAYBOOK, change, says, |stage, before| {
        the_world_is_as_it_should_be(stage, before, &portcullis::run::Ending::NotProven);
    });
}

/// The same of any world and playbook. After a crash the second thing goes wrong in the calls that the
/// resumption makes for the change, behind its look at the gate.
pub(super) fn behind_the_gate_in(
    world: &str,
    playbook: &str,
    change: &str,
    says: impl Fn(&Entry) -> bool,
    expected: impl Fn(&Stage, &Snapshot) + Sync,
) {
    behind_the_gate_after(Duration::ZERO, world, playbook, change, says, expected);
}

/// The same when some time has passed since.
pub(super) fn behind_the_gate_after(
    later: Duration,
    world: &str,
    playbook: &str,
    change: &str,
    says: impl Fn(&Entry) -> bool,
    expected: impl Fn(&Stage, &Snapshot) + Sync,
) {
    let (until, before) = play(async {
        let stage = Stage::set(world, playbook).await;
        let before = stage.cloud.snapshot();
        stage.resume_to_the_end(1).await;
        (requests_at(&stage, says), before)
    });
    let backdrop = play(async {
        let stage = Stage::set(world, playbook).await;
        stage.cloud.set_faults([(until + 1, Fault::StopBefore)]);
        assert!(matches!(stage.run(None).await, Left::Crashed));
        stage.cloud.set_faults([]);
        stage.clock.sleep(later).await;
        stage.backdrop()
    });
    let speaks = |entry: &Entry| entry.change().is_some_and(|id| id.as_str() == change);
    let done = |entry: &Entry| {
        speaks(entry) && matches!(entry, Entry::Observed { position: Position::After, .. })
    };
    let (start, calls, writes) = play(async {
        let stage = backdrop.stage();
        let start = stage.cloud.requests();
        let lines = stage.tape.lock().unwrap().requests.len();
        stage.resume_to_the_end(1).await;
        let tape = stage.tape.lock().unwrap();
        let decoded = journal::decode(&tape.bytes).unwrap().lines;
        let at = |says: &dyn Fn(&Entry) -> bool| {
            let found = decoded.iter().enumerate().skip(lines);
            let mut found = found.filter(|(_, line)| line.entries.iter().any(says));
            tape.requests[found.next().unwrap().0]
        };
        let audit = stage.cloud.audit();
        let writes: BTreeSet<u64> = audit.iter().filter(|e| e.writes).map(|e| e.request).collect();
        // Its looks come before the first line that speaks of it.
        (start, at(&speaks) - 2..at(&done) + 1, writes)
    });
    // A read that fails in any way is repeated, and a crash there is one like any since the last write.
    let kinds = |call: u64| if writes.contains(&call) { &CLASSES[..] } else { &CLASSES[1..2] };
    let mut cases = pairs(calls.clone(), kinds);
    cases.retain(|[(_, first), _]| !matches!(first, Fault::StopBefore | Fault::StopAfter));
    let gate = calls.start - start;
    for first in calls.clone().filter(|call| writes.contains(call)) {
        for crash in [Fault::StopBefore, Fault::StopAfter] {
            for later in 0..calls.end - calls.start {
                let pair = |fault| [(first, crash), (first + gate + later, fault)];
                cases.extend([Fault::LostAnswer, Fault::StopAfter].map(pair));
            }
        }
    }
    // Behind the gate every attempt looks at everything anew, and there are many calls: not every pair fits.
    let all = cases.len();
    let cases = each(&spread(cases, AT_MOST), |pair| {
        play(async {
            let stage = backdrop.stage();
            play_pair(&stage, pair).await;
            expected(&stage, &before);
        });
    });
    println!(
        "counted: {cases} pairs of faults, of {all}, {change} of {} calls",
        calls.end - calls.start
    );
}

#[test]
fn every_pair_of_faults_in_a_replacement_leaves_one_new_key_delivered() {
    behind_the_gate("new-key.1", |entry| matches!(entry, Entry::GateOpened { .. }));
}

#[test]
fn every_pair_of_faults_in_a_lift_leaves_the_user_free() {
    behind_the_gate(
        "lift.1",
        |entry| matches!(entry, Entry::Observed { change, position: Position::After } if change.as_str() == "new-key.1"),
    );
}

#[test]
fn every_pair_of_faults_in_a_seal_leaves_the_one_statement() {
    let action = "secretsmanager.secret.seal";
    let playbook = containing(action, "secret: shop/hook");
    cut_in(&secrets::world(""), action, &playbook, 6, &CLASSES, |stage, differences| {
        let policy = format!("{ACCOUNT}/secrets/shop/hook/policy: ");
        let [before, after] = differences else { panic!("{differences:#?}") };
        assert!(before.starts_with(&format!("- {policy}")) && !before.contains("PortcullisSeal"));
        assert!(after.starts_with(&format!("+ {policy}")), "{after}");
        assert_eq!(after.matches("PortcullisSeal").count(), 1, "{after}");
        assert!(after.contains("\"Partner\""), "what was there is kept: {after}");
        assert!(!secrets::works(stage, "partner"));
    });
}

#[test]
fn every_pair_of_faults_in_a_rotation_leaves_one_new_version_and_the_old_value_useless() {
    let with = "secret: shop/db, by: rotator";
    let playbook = secrets::playbook(&secrets::one("rotate", "rotate", "rotate", with));
    let opened = |entry: &Entry| matches!(entry, Entry::GateOpened { .. });
    let versions = |snapshot: &Snapshot| {
        let prefix = format!("{ACCOUNT}/secrets/shop/db/versions/");
        snapshot.0.keys().filter(|key| key.starts_with(&prefix)).count()
    };
    behind_the_gate_in(&secrets::world(""), &playbook, "rotate.1", opened, |stage, before| {
        assert_eq!(versions(&stage.cloud.snapshot()), versions(before) + 1);
        assert!(secrets::works(stage, "shop"));
        assert!(!secrets::known(stage).contains(&"sign in to db".to_owned()));
    });
}

#[test]
fn every_pair_of_faults_in_a_generated_value_leaves_one_that_works() {
    let with = "secret: shop/hook, by: generated, verifiers_read_secret: true";
    let playbook = secrets::playbook(&secrets::one("rotate", "rotate", "rotate", with));
    let opened = |entry: &Entry| matches!(entry, Entry::GateOpened { .. });
    behind_the_gate_in(&secrets::world(""), &playbook, "rotate.1", opened, |stage, _| {
        assert!(secrets::works(stage, "partner"));
        assert!(!secrets::known(stage).contains(&"sign in to hook".to_owned()));
    });
}
