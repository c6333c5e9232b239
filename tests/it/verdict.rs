//! What must be true of the world after a run of the shipped playbook, whatever happened on the way.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use portcullis::ids::ChangeId;
use portcullis::journal::{self, Entry};
use portcullis::ledger::{Ledger, Standing};
use portcullis::plan::{Credential, Plan};
use portcullis::playbook::Proof;
use portcullis::run::Ending;
use portcullis::sim::{AuditEvent, Cloud, Snapshot};

use crate::stage::{Stage, Tape};

/// The world of the shipped playbook, in the words of its file.
pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const VICTIM: &str = "ci-deploy";
pub(crate) const SECRET: &str = "deploy/aws-key";

/// Everything that must be true once a run has ended by itself and enforcement has caught up.
/// `before` is the world as it was when the plan was made.
pub(crate) fn the_world_is_as_it_should_be(stage: &Stage, before: &Snapshot, ending: &Ending) {
    all_but_the_intents(stage, before, ending);
    no_effect_came_without_its_intent(stage);
    canaries_came_and_went(stage);
    the_gate_was_kept(stage);
    nothing_was_done_twice(stage, before);
}

/// The same where nobody wrote down when each line of the journal was written.
pub(crate) fn all_but_the_intents(stage: &Stage, before: &Snapshot, ending: &Ending) {
    assert_eq!(*ending, proven_or_not(stage), "{}", stage.witness.0.lock().unwrap());
    the_intruder_is_out(stage);
    every_consumer_works(stage);
    only_what_was_planned_is_different(stage, before);
    the_ledger_agrees_with_the_world(stage);
    no_secret_was_written(stage);
}

/// How a run that came to its end ends: proven where the gate asked for it and the plan knows of every way in.
fn proven_or_not(stage: &Stage) -> Ending {
    let plan = &stage.saved.plan;
    if plan.gate.proof == Proof::Enforced && plan.roles.is_empty() {
        Ending::Proven
    } else {
        Ending::NotProven
    }
}

/// What a run did to the world, by the world's own log; what others did is left out.
fn own_effects(stage: &Stage) -> Vec<AuditEvent> {
    let ours = |event: &AuditEvent| {
        let run = event.principal == stage.saved.plan.caller.as_str();
        event.writes && event.took_effect && run && !is_about_a_canary(event)
    };
    stage.cloud.audit().into_iter().filter(ours).collect()
}

/// Whether a request is about somebody who was made to try cuts on.
fn is_about_a_canary(event: &AuditEvent) -> bool {
    event.resource.contains("/portcullis-canary/")
}

/// Whatever was done to a canary was done while the journal had it as one that may be there; and none is left.
pub(crate) fn canaries_came_and_went(stage: &Stage) -> usize {
    let tape = stage.tape.lock().unwrap();
    let lines = journal::decode(&tape.bytes).unwrap().lines;
    let mut effects = 0;
    for event in stage.cloud.audit().iter().filter(|e| e.writes && e.took_effect) {
        if !is_about_a_canary(event) {
            continue;
        }
        effects += 1;
        let mut there = BTreeSet::new();
        for (line, requests) in lines.iter().zip(&tape.requests) {
            if *requests >= event.request {
                break;
            }
            for entry in &line.entries {
                match entry {
                    Entry::CanaryMaking { canary } => {
                        there.insert(canary.as_str());
                    }
                    Entry::CanaryRemoved { canary } => {
                        there.remove(canary.as_str());
                    }
                    _ => {}
                }
            }
        }
        let announced = there.iter().any(|name| event.resource.ends_with(&format!("/{name}")));
        assert!(announced, "{} on {} was not announced", event.operation, event.resource);
    }
    let after = stage.cloud.snapshot();
    let left: Vec<&String> =
        after.0.keys().filter(|key| key.contains("portcullis-canary")).collect();
    assert!(left.is_empty(), "{left:?}");
    // The journal knows it, too.
    drop(tape);
    let left: Vec<String> =
        stage.state().canaries_left().map(|(name, _)| name.to_owned()).collect();
    assert!(left.is_empty(), "{left:?}");
    effects
}

/// Operations that issue, deliver, lift or destroy.
const GATED: [&str; 7] = [
    "CreateAccessKey",
    "DeleteAccessKey",
    "DeleteUserPermissionsBoundary",
    "DeleteUserPolicy",
    "DetachUserPolicy",
    "PutSecretValue",
    "UpdateSecretVersionStage",
];

/// Nothing was issued, delivered, lifted or destroyed before every cut of the shipped playbook had been
/// in place in the world for the margin, by the world's own log; nor before the journal had every cut
/// of the plan seen and settled. Gives back how much was done behind the gate.
pub(crate) fn the_gate_was_kept(stage: &Stage) -> usize {
    let effects = own_effects(stage);
    let behind = |event: &&AuditEvent| GATED.contains(&event.operation.as_str());
    let Some(first) = effects.iter().find(behind) else { return 0 };
    let cuts: Vec<&AuditEvent> = effects.iter().take_while(|e| e.request < first.request).collect();
    let times = |operation: &str| cuts.iter().filter(|cut| cut.operation == operation).count();
    // Attached; or, where that was refused, as one more policy of his own, or as a boundary.
    let by_ladder = times("AttachUserPolicy")
        + times("PutUserPermissionsBoundary")
        + times("PutUserPolicy").saturating_sub(2);
    assert!(by_ladder >= 1, "{first:?} came before the quarantine");
    assert!(times("UpdateAccessKey") >= 2, "{first:?} came before both keys were off");
    assert!(times("PutUserPolicy") >= 2, "{first:?} came before sessions were cut twice");
    let last = cuts.last().unwrap();
    let margin = first.at.duration_since(last.at);
    assert!(margin.as_secs() >= 60, "{first:?} came {margin} after {last:?}");
    let plan = stage.plan();
    let tape = stage.tape.lock().unwrap();
    let lines = journal::decode(&tape.bytes).unwrap().lines;
    let known = lines.iter().zip(&tape.requests).filter(|(_, seen)| **seen < first.request);
    let entries: Vec<&Entry> = known.flat_map(|(line, _)| &line.entries).collect();
    for cut in plan.changes.iter().filter(|change| change.cuts()) {
        let proved = entries.iter().any(|entry| {
            matches!(entry, Entry::Proved { change, proof, .. }
                if *change == cut.id && *proof == stage.saved.plan.gate.proof)
        });
        assert!(proved, "{first:?} came before {} was proven", cut.id);
    }
    effects.iter().filter(behind).count()
}

/// Every key that was made is the one that is left or was removed again, and one version was stored.
fn nothing_was_done_twice(stage: &Stage, before: &Snapshot) {
    let effects = own_effects(stage);
    let times = |operation: &str| effects.iter().filter(|e| e.operation == operation).count();
    // One key is used up to make room.
    assert_eq!(times("CreateAccessKey"), times("DeleteAccessKey"), "keys made and removed");
    let versions = |snapshot: &Snapshot| {
        let prefix = format!("{ACCOUNT}/secrets/{SECRET}/versions/");
        snapshot.0.keys().filter(|key| key.starts_with(&prefix)).count()
    };
    assert_eq!(versions(&stage.cloud.snapshot()), versions(before) + 1, "versions of the secret");
}

/// Every credential the intruder holds is tried, and lets him do nothing.
pub(crate) fn the_intruder_is_out(stage: &Stage) {
    let reach = stage.cloud.intruder_reach();
    assert!(!reach.is_empty(), "the world has an intruder");
    for reach in reach {
        assert!(reach.allowed.is_empty(), "{} still allows {:?}", reach.credential, reach.allowed);
    }
}

pub(crate) fn every_consumer_works(stage: &Stage) {
    let consumers = stage.cloud.consumers();
    assert!(!consumers.is_empty(), "the world has consumers");
    for consumer in consumers.into_iter().filter(|consumer| consumer.rightful) {
        assert!(consumer.works, "{} is broken: {:?}", consumer.name, consumer.why);
    }
}

/// Nothing exists that was neither there before nor planned, and nothing is missing.
fn only_what_was_planned_is_different(stage: &Stage, before: &Snapshot) {
    let after = stage.cloud.snapshot();
    let user = format!("{ACCOUNT}/users/{VICTIM}");
    let secret = format!("{ACCOUNT}/secrets/{SECRET}");
    let entries = |snapshot: &Snapshot, prefix: &str| -> Vec<(String, String)> {
        let found = snapshot.0.iter().filter(|(key, _)| key.starts_with(prefix));
        found.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    // The owner: of his two old keys one is left, inactive; one new one is active.
    let keys_before = entries(before, &format!("{user}/keys/"));
    let keys_after = entries(&after, &format!("{user}/keys/"));
    let old: BTreeSet<&String> = keys_before.iter().map(|(key, _)| key).collect();
    let (left, new): (Vec<_>, Vec<_>) = keys_after.iter().partition(|(key, _)| old.contains(key));
    assert_eq!(left.iter().map(|(_, s)| s.as_str()).collect::<Vec<_>>(), ["Inactive"]);
    assert_eq!(new.iter().map(|(_, s)| s.as_str()).collect::<Vec<_>>(), ["Active"]);
    // The secret: its current version is new, the one before it is the old one, no label of ours is left.
    let labels = |snapshot: &Snapshot| -> Vec<(String, String)> {
        let versions = entries(snapshot, &format!("{secret}/versions/"));
        versions
            .into_iter()
            .filter_map(|(key, value)| {
                let labels = value.split_once(' ').map(|(_, labels)| labels.to_owned())?;
                (!labels.is_empty()).then_some((key, labels))
            })
            .collect()
    };
    let current_before = labels(before).into_iter().find(|(_, l)| l == "AWSCURRENT").unwrap().0;
    let labels_after = labels(&after);
    assert_eq!(labels_after.len(), 2, "{labels_after:?}");
    for (version, label) in labels_after {
        let expected = if version == current_before { "AWSPREVIOUS" } else { "AWSCURRENT" };
        assert_eq!(label, expected, "{version}");
    }
    // Everything else: one inline policy more, and nothing else at all.
    let changes: Vec<String> = before
        .changes_to(&after)
        .into_iter()
        .filter(|line| !line[2..].starts_with(&format!("{user}/keys/")))
        .filter(|line| !line[2..].starts_with(&format!("{secret}/versions/")))
        .collect();
    assert_eq!(changes.len(), 1, "{changes:#?}");
    let policy = format!("+ {user}/inline/PortcullisRevokeOlderSessions: ");
    assert!(changes[0].starts_with(&policy), "{}", changes[0]);
}

/// For so long AWS takes a request after it was signed.
const TAKEN_FOR: SignedDuration = SignedDuration::from_mins(15);

/// Every write in the world's own log came after the journal announced its change, and while that change
/// was not known to be done.
pub(crate) fn no_effect_came_without_its_intent(stage: &Stage) {
    every_effect_had_its_intent(&stage.plan(), &stage.tape.lock().unwrap(), &own_effects(stage));
}

/// The same of what the run of one account did.
pub(crate) fn every_effect_had_its_intent(plan: &Plan, tape: &Tape, effects: &[AuditEvent]) {
    let lines = journal::decode(&tape.bytes).unwrap().lines;
    assert_eq!(lines.len(), tape.requests.len());
    // The requests that were on their way when somebody was taken over, and have come since.
    let mut landed = BTreeSet::new();
    for event in effects {
        let mut open: BTreeSet<&ChangeId> = BTreeSet::new();
        let mut on_its_way: BTreeSet<(usize, &ChangeId)> = BTreeSet::new();
        for (n, (line, requests)) in lines.iter().zip(&tape.requests).enumerate() {
            // What the world had seen before this line was written cannot have been caused by it.
            if *requests >= event.request {
                break;
            }
            for entry in &line.entries {
                match entry {
                    Entry::Intended { change } => {
                        open.insert(change);
                    }
                    Entry::Applied { change, .. } => {
                        open.remove(change);
                    }
                    // What was under way then may land late, for as long as it is taken.
                    Entry::TakenOver { .. } if event.at <= line.at + TAKEN_FOR => {
                        on_its_way.extend(open.iter().map(|change| (n, *change)));
                    }
                    _ => {}
                }
            }
        }
        let operation = format!("{}:{}", event.service, event.operation);
        let makes = |id: &ChangeId| {
            let mut made = plan.change(id).unwrap().permissions.iter();
            made.any(|permission| permission.action == operation)
        };
        if open.iter().any(|id| makes(id)) {
            continue;
        }
        // Of each change one request at most: the next is not sent before the one before it was answered.
        let late = on_its_way.into_iter().find(|way| makes(way.1) && !landed.contains(way));
        let late = late.unwrap_or_else(|| {
            panic!("{operation} (request {}) had no intent", event.request);
        });
        landed.insert(late);
    }
}

/// What the ledger says of every credential is so.
fn the_ledger_agrees_with_the_world(stage: &Stage) {
    let after = stage.cloud.snapshot();
    let ledger = Ledger::of(&stage.plan(), &stage.state());
    for row in &ledger.rows {
        let Credential::AccessKey { user, id } = &row.credential else { continue };
        let found = after.0.get(&format!("{ACCOUNT}/users/{user}/keys/{id}")).map(String::as_str);
        match &row.standing {
            Standing::Dead { .. } => assert_eq!(found, None, "{id}"),
            Standing::Blocked { .. } | Standing::Replaced { .. } => {
                assert_eq!(found, Some("Inactive"), "{id}");
            }
            other => panic!("{id}: {other:?}"),
        }
    }
    assert_eq!(ledger.issued.len(), 1);
    let issued = &ledger.issued[0];
    let key = format!("{ACCOUNT}/users/{}/keys/{}", issued.user, issued.key().unwrap());
    assert_eq!(after.0.get(&key).map(String::as_str), Some("Active"));
}

/// No secret the world ever made stands in anything that was written.
pub(crate) fn no_secret_was_written(stage: &Stage) {
    let state = stage.state();
    let mut written = vec![
        String::from_utf8_lossy(&stage.tape.lock().unwrap().bytes).into_owned(),
        stage.saved.to_text(),
        stage.witness.0.lock().unwrap().clone(),
        stage.cloud.save().to_string(),
        format!("{:?}", stage.cloud.audit()),
        format!("{state:?} {:?}", Ledger::of(&stage.saved.plan, &state)),
    ];
    written.extend(stage.drawer.texts());
    none_is_in(&stage.cloud, &written);
}

/// No secret the world ever made stands in any of these.
pub(crate) fn none_is_in(cloud: &Cloud, written: &[String]) {
    let canaries = cloud.canaries();
    assert!(canaries.len() > 3, "the world has secrets");
    for canary in &canaries {
        for text in written {
            assert!(!text.contains(canary.expose()), "a secret was written");
        }
    }
}

/// The numbers of the requests for `operation` that took effect.
pub(crate) fn requests_of(stage: &Stage, operation: &str) -> Vec<u64> {
    let effects = own_effects(stage);
    effects.iter().filter(|e| e.operation == operation).map(|e| e.request).collect()
}

/// The quarantine that stood when the first key was made was put on by `operation`.
pub(crate) fn the_gate_opened_on_a_quarantine_by(stage: &Stage, operation: &str) {
    let minted = requests_of(stage, "CreateAccessKey")[0];
    assert!(requests_of(stage, "AttachUserPolicy").is_empty(), "there was no room");
    let cuts = requests_of(stage, operation).into_iter().filter(|n| *n < minted).count();
    // Sessions are denied by two inline policies besides.
    let besides = if operation == "PutUserPolicy" { 2 } else { 0 };
    assert!(cuts > besides, "{cuts} x {operation}");
}
