//! Cuts that nobody can try, where the quarantine that covers them is lifted again.

use portcullis::journal::{ChangeState, Entry};
use portcullis::planning::Terms;
use portcullis::run::Ending;

use crate::stage::{ADMIN, Stage, Torn, play, somebody_else};

/// An SSH key and a password, whose cut nobody can try; the old key is deleted behind the lift.
async fn set() -> Stage {
    let world = format!(
        "world: 1
now: 2026-03-24T07:10:00Z
lag: 5s
responder: {{ account: \"111122223333\", role: incident-responder }}
accounts:
  \"111122223333\":
    users:
{ADMIN}      u1: {{ path: /ops/, keys: [{{ id: AKIAEXAMPLEUONE00001 }}], password: {{}}, ssh_keys: [{{ body: one }}] }}
    roles:
      incident-responder:
        trust: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Principal: {{ AWS: \"arn:aws:iam::999988887777:root\" }}, Action: \"sts:AssumeRole\" }}] }}
        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]
    secrets:
      k/u1: {{ value: {{ a: b }} }}
"
    );
    let playbook = "portcullis: 1
name: untried
title: What nobody can try
steps:
  - { id: q, phase: contain, uses: iam.user.quarantine, with: { user: u1 } }
  - { id: ko, phase: contain, uses: iam.access-key.deactivate, with: { user: u1, keys: all } }
  - { id: so, phase: contain, uses: iam.user.revoke-sessions, with: { user: u1 } }
  - { id: sk, phase: contain, uses: iam.ssh-key.deactivate, with: { user: u1, keys: all } }
  - { id: pd, phase: eradicate, uses: iam.login-profile.delete, with: { user: u1 } }
  - { id: nk, phase: rotate, uses: iam.access-key.replace, with: { user: u1, deliver_to: k/u1, replaces: AKIAEXAMPLEUONE00001 } }
  - { id: li, phase: recover, needs: [nk], uses: iam.user.lift-quarantine, with: { user: u1 } }
  - { id: kd, phase: destroy, uses: iam.access-key.delete, with: { user: u1, keys: [AKIAEXAMPLEUONE00001] } }
";
    Stage::set_on(&world, playbook, &Terms::default()).await.unwrap_or_else(|problems| {
        panic!("{}", portcullis::cli::diagnostics::text(&problems.into(), false))
    })
}

fn state_of(stage: &Stage, change: &str) -> ChangeState {
    stage.state().change(&change.parse().unwrap()).state
}

/// What stood under the quarantine when the playbook lifted it is as good as it was for what comes behind.
#[test]
fn what_nobody_can_try_stays_good_behind_the_playbook_s_own_lift() {
    play(async {
        let stage = set().await;
        let told: Vec<&str> =
            stage.saved.plan.at_best.iter().map(|short| short.why.as_str()).collect();
        assert!(
            told.join("\n").contains("once the quarantine is lifted, 11 is the end"),
            "{told:?}"
        );
        let backdrop = stage.backdrop();
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        for change in ["nk.1", "li.1", "kd.1"] {
            assert_eq!(state_of(&stage, change), ChangeState::Seen, "{change}");
        }
        let keys = |stage: &Stage| {
            let after = stage.cloud.snapshot().0;
            after.keys().any(|key| key.ends_with("users/u1/keys/AKIAEXAMPLEUONE00001"))
        };
        assert!(!keys(&stage));
        // Stopped just behind the lift, and resumed: the gate is as open as it was.
        let lifted = stage.line_of(|entry| {
            matches!(entry, Entry::Observed { change, position }
                if change.as_str() == "li.1" && position.is_done())
        });
        let stage = backdrop.stage();
        stage.run(Some((lifted, Torn::Whole))).await;
        let backdrop = stage.backdrop();
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert!(!keys(&stage));
        // Somebody has come in behind it, and is cut anew: that was under no quarantine.
        let stage = backdrop.stage();
        let admin = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let made = admin.create_login_profile().user_name("u1").password("Chosen-By-1-Other");
        made.send().await.unwrap();
        for _ in 0..2 {
            assert!(matches!(stage.resume_to_the_end(1).await, Ending::Held(_)));
            assert!(keys(&stage), "nothing was deleted");
        }
    });
}

/// Taken off by anybody else, the quarantine covers nothing, and nothing is handed out.
#[test]
fn a_quarantine_that_somebody_else_takes_off_shuts_the_gate_over_what_nobody_can_try() {
    play(async {
        let stage = set().await;
        let backdrop = stage.backdrop();
        stage.resume_to_the_end(1).await;
        let opened = stage.line_of(|entry| matches!(entry, Entry::GateOpened { .. }));
        let stage = backdrop.stage();
        stage.run(Some((opened, Torn::Whole))).await;
        let admin = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let off = admin.detach_user_policy().user_name("u1");
        off.policy_arn("arn:aws:iam::aws:policy/AWSDenyAll").send().await.unwrap();
        assert!(matches!(stage.resume_to_the_end(1).await, Ending::Held(_)));
        assert_ne!(state_of(&stage, "nk.1"), ChangeState::Seen);
    });
}
