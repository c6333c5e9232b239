//! The ways to quarantine a user: where there is no room for the first, the second is taken, and then the
//! third; a boundary that gives way comes back with the lift.

use portcullis::run::Ending;
use portcullis::sim::{Fault, Snapshot};

use crate::side_by_side::each;
use crate::stage::{Left, PLAYBOOK, Stage, WORLD, play, somebody_else, with_somebody_else};
use crate::verdict::{
    ACCOUNT, VICTIM, every_consumer_works, no_effect_came_without_its_intent,
    no_secret_was_written, requests_of, the_gate_opened_on_a_quarantine_by, the_intruder_is_out,
};

/// The shipped world, where the owner has all the policies attached that he can have.
fn full_of_attachments(inline: &str) -> String {
    let document = r#"{ Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "s3:ListBucket", Resource: "*" }] }"#;
    let policies: Vec<String> = (0..10).map(|n| format!("      p{n}: {document}\n")).collect();
    let attached: Vec<String> =
        (0..10).map(|n| format!("\"arn:aws:iam::{ACCOUNT}:policy/p{n}\"")).collect();
    WORLD
        .replace("    groups:\n      deployers:", &format!("    policies:\n{}    groups:\n      deployers:", policies.concat()))
        .replace(
            "        groups: [deployers]\n",
            &format!(
                "        groups: [deployers]\n        attached: [{}]\n        boundary: \"arn:aws:iam::aws:policy/AdministratorAccess\"\n",
                attached.join(", ")
            ),
        )
        .replace("          own-keys: # why he could\n", &format!("{inline}          own-keys: # why he could\n"))
}

/// An earlier deny of sessions, which a new one takes the place of, and so much else that nothing more fits.
fn full_of_inline_policies() -> String {
    let sessions = r#"          PortcullisRevokeOlderSessions: { Version: "2012-10-17", Statement: [{ Sid: PortcullisRevokeOlderSessions, Effect: Deny, Action: "*", Resource: "*", Condition: { DateLessThan: { "aws:TokenIssueTime": "2026-03-20T00:00:00Z" } } }] }
"#;
    let filler = format!(
        "          filler: {{ Version: \"2012-10-17\", Statement: [{{ Sid: \"{}\", Effect: Allow, Action: \"s3:ListBucket\", Resource: \"*\" }}] }}\n",
        "F".repeat(1550)
    );
    full_of_attachments(&format!("{sessions}{filler}"))
}

/// What the lifted user has otherwise than before: keys apart, one deny of his older sessions.
fn only_sessions_are_denied(before: &Snapshot, stage: &Stage) {
    let user = format!("{ACCOUNT}/users/{VICTIM}");
    let revoked = format!("{user}/inline/PortcullisRevokeOlderSessions");
    let other: Vec<String> = before
        .changes_to(&stage.cloud.snapshot())
        .into_iter()
        .filter(|line| !line.contains("/keys/") && !line.contains("/secrets/"))
        .filter(|line| !line[2..].starts_with(&revoked))
        .collect();
    assert!(other.is_empty(), "{other:#?}");
}

fn crash_at_every_call(world: &str, barrier: &str) -> usize {
    let (backdrop, before, calls) = play(async {
        let stage = Stage::set(world, PLAYBOOK).await;
        let (backdrop, before) = (stage.backdrop(), stage.cloud.snapshot());
        let planned = stage.cloud.requests();
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        (backdrop, before, planned + 1..=stage.cloud.requests())
    });
    let points: Vec<u64> = calls.collect();
    each(&points, |point| {
        play(async {
            let stage = backdrop.stage();
            let runs = stage.run_through(&[(*point, Fault::StopAfter)], None).await;
            assert!(
                matches!(runs[..], [Left::Crashed, Left::Ended(Ending::NotProven)]),
                "{runs:?}"
            );
            stage.let_it_settle().await;
            the_gate_opened_on_a_quarantine_by(&stage, barrier);
            the_intruder_is_out(&stage);
            every_consumer_works(&stage);
            only_sessions_are_denied(&before, &stage);
            no_effect_came_without_its_intent(&stage);
            no_secret_was_written(&stage);
        });
    })
}

#[test]
fn where_no_policy_can_be_attached_an_inline_deny_is_the_quarantine() {
    let cases = crash_at_every_call(&full_of_attachments(""), "PutUserPolicy");
    println!("counted: {cases} cases, attachments full");
}

#[test]
fn where_no_inline_policy_fits_either_the_boundary_is_the_quarantine_and_the_old_one_comes_back() {
    let cases = crash_at_every_call(&full_of_inline_policies(), "PutUserPermissionsBoundary");
    println!("counted: {cases} cases, attachments and inline policies full");
}

/// Nothing that is ours stands there yet, and not even the deny of sessions fits: the boundary cuts
/// everything, and what does not fit calls for a person.
#[test]
fn where_nothing_fits_at_all_the_boundary_cuts_and_the_gate_stays_shut() {
    play(async {
        let filler = format!(
            "          filler: {{ Version: \"2012-10-17\", Statement: [{{ Sid: \"{}\", Effect: Allow, Action: \"s3:ListBucket\", Resource: \"*\" }}] }}\n",
            "F".repeat(1710)
        );
        let stage = Stage::set(&full_of_attachments(&filler), PLAYBOOK).await;
        let ending = stage.resume_to_the_end(1).await;
        let Ending::Held(why) = &ending else { panic!("{ending:?}") };
        let why = why.join("\n");
        assert!(why.contains("sessions-off.1") && why.contains("LimitExceeded"), "{why}");
        let user = format!("{ACCOUNT}/users/{VICTIM}");
        let after = stage.cloud.snapshot().0;
        assert!(after.keys().all(|key| !key.starts_with(&format!("{user}/inline/Portcullis"))));
        let boundary = after.get(&format!("{user}/boundary")).map(String::as_str);
        assert_eq!(boundary, Some("arn:aws:iam::aws:policy/AWSDenyAll"));
        stage.let_it_settle().await;
        the_intruder_is_out(&stage);
        assert!(requests_of(&stage, "CreateAccessKey").is_empty());
        no_effect_came_without_its_intent(&stage);
    });
}

#[test]
fn an_intruder_who_fills_the_quota_after_the_plan_is_quarantined_another_way() {
    play(async {
        let world = with_somebody_else(&full_of_attachments(""))
            .replace(
                &format!("\"arn:aws:iam::{ACCOUNT}:policy/p9\""),
                "\"arn:aws:iam::aws:policy/ReadOnlyAccess\"",
            )
            .replace(", \"arn:aws:iam::aws:policy/ReadOnlyAccess\"]", "]");
        let stage = Stage::set(&world, PLAYBOOK).await;
        let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let last = format!("arn:aws:iam::{ACCOUNT}:policy/p9");
        other.attach_user_policy().user_name(VICTIM).policy_arn(last).send().await.unwrap();
        let before = stage.cloud.snapshot();
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        the_gate_opened_on_a_quarantine_by(&stage, "PutUserPolicy");
        the_intruder_is_out(&stage);
        only_sessions_are_denied(&before, &stage);
    });
}
