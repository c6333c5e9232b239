//! Every pair of things that may go wrong, in the actions on roles, networks and what is deleted; each alone.

use std::time::Duration;

use portcullis::journal::Entry;

use super::single_actions::{
    CLASSES, all_kinds, behind_the_gate_after, behind_the_gate_in, containing, cut_in,
};
use crate::stage::{Stage, WORLD, with_somebody_else};
use crate::verdict::{ACCOUNT, VICTIM};

/// The shipped world, in which the responder may do anything, for as long as he likes.
fn unbounded() -> String {
    let responder = "responder: { account: \"111122223333\", role: incident-responder }";
    assert!(WORLD.contains(responder));
    let admin = "responder: { account: \"111122223333\", key: AKIAEXAMPLEADMIN0009 }";
    with_somebody_else(WORLD).replace(responder, admin)
}

/// The cuts, each as `(id, action, with)`, and one change behind the gate.
fn playbook_behind(cuts: &[(&str, &str, &str)], action: &str, phase: &str, with: &str) -> String {
    let mut text =
        "portcullis: 1\nname: one-action\ntitle: One action behind the gate\nmode: breach\n\
                    gate: { proof: settled, margin: 60s }\nsteps:\n"
            .to_owned();
    for (id, action, with) in cuts {
        text += &format!(
            "  - id: {id}\n    phase: contain\n    uses: {action}\n    with: {{ {with} }}\n"
        );
    }
    text + &format!(
        "  - id: only\n    phase: {phase}\n    uses: {action}\n    with: {{ {with} }}\n"
    )
}

fn of_victim(more: &str) -> String {
    format!("user: {VICTIM}{more}")
}

fn opened(entry: &Entry) -> bool {
    matches!(entry, Entry::GateOpened { .. })
}

/// Lines of the world's differences that none of `cuts` stands in.
fn others(stage: &Stage, before: &portcullis::sim::Snapshot, cuts: &[&str]) -> Vec<String> {
    let cut = |line: &String| cuts.iter().any(|cut| line.contains(cut));
    let all = before.changes_to(&stage.cloud.snapshot());
    all.into_iter().filter(|line| !cut(line)).collect()
}

#[test]
fn every_pair_of_faults_in_a_role_s_quarantine_leaves_the_one_policy() {
    let action = "iam.role.quarantine";
    let playbook = containing(action, "role: auditor");
    cut_in(&unbounded(), action, &playbook, 6, &all_kinds(), |_, differences| {
        let policy = "arn:aws:iam::aws:policy/AWSDenyAll";
        let expected = [format!("+ {ACCOUNT}/roles/auditor/attached/{policy}: ")];
        assert_eq!(differences, expected);
    });
}

#[test]
fn every_pair_of_faults_in_a_role_s_revocation_leaves_the_one_deny() {
    let action = "iam.role.revoke-sessions";
    let playbook = containing(action, "role: auditor");
    cut_in(&unbounded(), action, &playbook, 10, &CLASSES, |_, differences| {
        let policy = format!("+ {ACCOUNT}/roles/auditor/inline/PortcullisRevokeOlderSessions: ");
        assert_eq!(differences.len(), 1, "{differences:#?}");
        assert!(differences[0].starts_with(&policy), "{differences:#?}");
    });
}

#[test]
fn every_pair_of_faults_in_a_restriction_leaves_the_one_deny() {
    let action = "iam.user.restrict-network";
    let playbook = containing(action, &of_victim(", networks: [198.51.100.0/24]"));
    cut_in(&unbounded(), action, &playbook, 6, &all_kinds(), |stage, differences| {
        let policy = format!("+ {ACCOUNT}/users/{VICTIM}/inline/PortcullisRestrictNetwork: ");
        assert_eq!(differences.len(), 1, "{differences:#?}");
        assert!(differences[0].starts_with(&policy), "{differences:#?}");
        for reach in stage.cloud.intruder_reach() {
            assert!(reach.allowed.is_empty(), "{reach:?}");
        }
    });
}

#[test]
fn every_pair_of_faults_in_a_role_s_lift_leaves_the_role_free() {
    let cuts = [
        ("quarantine", "iam.role.quarantine", "role: auditor"),
        ("sessions", "iam.role.revoke-sessions", "role: auditor"),
    ];
    let playbook = playbook_behind(&cuts, "iam.role.lift-quarantine", "recover", "role: auditor");
    behind_the_gate_in(&unbounded(), &playbook, "only.1", opened, |stage, before| {
        assert_eq!(others(stage, before, &["PortcullisRevokeOlderSessions"]), [""; 0]);
    });
}

#[test]
fn every_pair_of_faults_in_a_lift_of_a_restriction_leaves_none() {
    let (network, user) = (of_victim(", networks: [198.51.100.0/24]"), of_victim(""));
    let cuts = [
        ("network", "iam.user.restrict-network", network.as_str()),
        ("quarantine", "iam.user.quarantine", user.as_str()),
    ];
    let playbook = playbook_behind(&cuts, "iam.user.lift-network", "recover", &user);
    behind_the_gate_in(&unbounded(), &playbook, "only.1", opened, |stage, before| {
        assert_eq!(
            others(stage, before, &["attached/arn:aws:iam::aws:policy/AWSDenyAll"]),
            [""; 0]
        );
    });
}

#[test]
fn every_pair_of_faults_in_a_deletion_leaves_the_one_key_gone() {
    let (all, user) = (of_victim(", keys: all"), of_victim(""));
    let cuts = [
        ("keys-off", "iam.access-key.deactivate", all.as_str()),
        ("quarantine", "iam.user.quarantine", user.as_str()),
    ];
    let with = of_victim(", keys: [AKIAEXAMPLEHUNGON002]");
    let playbook = playbook_behind(&cuts, "iam.access-key.delete", "destroy", &with);
    behind_the_gate_in(&unbounded(), &playbook, "only.1", opened, |stage, before| {
        let keys = format!("{ACCOUNT}/users/{VICTIM}/keys/");
        let after = stage.cloud.snapshot();
        let left: Vec<_> = after.0.iter().filter(|(name, _)| name.starts_with(&keys)).collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(left[0].1, "Inactive");
        assert_eq!(others(stage, before, &[&keys, "AWSDenyAll"]), [""; 0]);
    });
}

#[test]
fn every_pair_of_faults_in_the_lift_of_an_older_than_deny_leaves_none() {
    let cuts = [("sessions", "iam.role.revoke-sessions", "role: auditor")];
    let playbook =
        playbook_behind(&cuts, "iam.role.lift-older-sessions", "recover", "role: auditor");
    let later = Duration::from_hours(13);
    behind_the_gate_after(later, &unbounded(), &playbook, "only.1", opened, |stage, before| {
        assert_eq!(others(stage, before, &[]), [""; 0]);
    });
}
