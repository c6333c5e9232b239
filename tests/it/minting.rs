//! What mints sessions, and what of it must be cut before they are denied for the second time: one refused call keeps no
//! permitted cut from being made, and what is not made behind everything that mints is nobody's to call cut.

use portcullis::journal::{ChangeState, Entry};
use portcullis::ledger::{Ledger, Standing};
use portcullis::plan::Credential;
use portcullis::planning::Terms;
use portcullis::run::Ending;

use crate::stage::{Stage, Torn, play};
use crate::verdict::the_intruder_is_out;

const QUARANTINE: &str = "q, phase: contain, uses: iam.user.quarantine, with: { user: u2 }";
const KEYS: &str =
    "keys-off, phase: contain, uses: iam.access-key.deactivate, with: { user: u2, keys: all }";
const SSH: &str =
    "ssh, phase: contain, uses: iam.ssh-key.deactivate, with: { user: u2, keys: all }";
const ROLE: &str = "rs, phase: contain, uses: iam.role.revoke-sessions, with: { role: func }";
const OWN: &str = "so, phase: contain, uses: iam.user.revoke-sessions, with: { user: u2 }";

/// Whoever has his key assumes a role that trusts him, or has a session of his own minted, three seconds after the first cut; the
/// responder is refused one call.
async fn set(refused: &str, mints: &str, steps: &[&str]) -> Stage {
    let world = format!(
        "world: 1
now: 2026-03-24T07:10:00Z
lag: 8s
responder: {{ account: \"111122223333\", role: incident-responder }}
accounts:
  \"111122223333\":
    users:
      u2: {{ path: /ops/, keys: [{{ id: AKIAEXAMPLEUTWO00001 }}], ssh_keys: [{{ body: one }}], inline: {{ w: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Action: [\"sts:AssumeRole\", \"s3:*\"], Resource: \"*\" }}] }} }} }}
    roles:
      incident-responder:
        trust: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Principal: {{ AWS: \"arn:aws:iam::999988887777:root\" }}, Action: \"sts:AssumeRole\" }}] }}
        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]
        inline: {{ not: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Deny, Action: [\"{refused}\"], Resource: \"*\" }}] }} }}
      func:
        trust: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Principal: {{ AWS: \"arn:aws:iam::111122223333:user/ops/u2\" }}, Action: \"sts:AssumeRole\" }}] }}
        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]
intruder:
  holds: [AKIAEXAMPLEUTWO00001]
  tries: [{{ action: \"s3:GetObject\", resource: \"arn:aws:s3:::site/index.html\" }}]
  reacts:
    - name: mints
      after: 3s
      times: 1
      deeds: [{mints}]
"
    );
    let steps: Vec<String> = steps.iter().map(|step| format!("  - {{ id: {step} }}\n")).collect();
    let playbook =
        format!("portcullis: 1\nname: minted\ntitle: Minted meanwhile\nsteps:\n{}", steps.concat());
    Stage::set_on(&world, &playbook, &Terms::default()).await.unwrap_or_else(|problems| {
        panic!("{}", portcullis::cli::diagnostics::text(&problems.into(), false))
    })
}

const ASSUMES: &str = "{ operation: AssumeRole, params: { RoleArn: \"arn:aws:iam::111122223333:role/func\", RoleSessionName: evil, DurationSeconds: 3600 }, as: late }";
const OWN_SESSION: &str =
    "{ operation: GetSessionToken, params: { DurationSeconds: 129600 }, as: late }";

fn state_of(stage: &Stage, change: &str) -> ChangeState {
    stage.state().change(&change.parse().unwrap()).state
}

fn standing(stage: &Stage, of: &Credential) -> Standing {
    let rows = Ledger::of(&stage.saved.plan, &stage.state()).rows;
    rows.into_iter().find(|row| row.credential == *of).unwrap().standing
}

fn of_role() -> Credential {
    Credential::RoleSessions { role: "func".parse().unwrap() }
}

fn of_user() -> Credential {
    Credential::Sessions { user: "u2".parse().unwrap() }
}

fn held(ending: Ending) -> String {
    match ending {
        Ending::Held(why) => why.join("\n"),
        other => panic!("{other:?}"),
    }
}

fn why_open(stage: &Stage, of: &Credential) -> String {
    match standing(stage, of) {
        Standing::Unaccounted { why } => why,
        other => panic!("{other:?}"),
    }
}

/// The quarantine is seen to be enforced: that the key itself may not be switched off keeps no session in.
#[test]
fn a_refused_cut_of_whoever_is_quarantined_keeps_no_session_in() {
    for (refused, steps, held_up) in [
        ("iam:UpdateAccessKey", &[QUARANTINE, KEYS, ROLE][..], "keys-off.1"),
        ("iam:UpdateSSHPublicKey", &[QUARANTINE, SSH, KEYS, ROLE], "ssh.1"),
    ] {
        play(async {
            let stage = set(refused, ASSUMES, steps).await;
            let warned = stage.saved.plan.warnings.join("\n");
            assert!(!warned.contains("rs.2 is made without"), "{warned}");
            for _ in 0..2 {
                let why = held(stage.resume_to_the_end(1).await);
                assert!(why.contains(held_up) && !why.contains("rs.2"), "{why}");
                assert_eq!(state_of(&stage, "rs.2"), ChangeState::Seen);
                assert!(matches!(standing(&stage, &of_role()), Standing::Blocked { .. }));
            }
            stage.let_it_settle().await;
            the_intruder_is_out(&stage);
            // Once is enough.
            let begun = stage.state().change(&"rs.2".parse().unwrap()).attempts;
            assert_eq!(begun, 1);
        });
    }
}

/// An SSH key signs in to one service: what it is that nobody may switch off keeps no session in, with no quarantine either.
#[test]
fn what_mints_no_session_is_not_waited_for() {
    play(async {
        let stage = set("iam:UpdateSSHPublicKey", OWN_SESSION, &[KEYS, OWN, SSH]).await;
        let pass = stage.saved.plan.change(&"so.2".parse().unwrap()).unwrap();
        let needs: Vec<&str> = pass.needs.iter().map(|need| need.change.as_str()).collect();
        assert_eq!(needs, ["keys-off.1"]);
        let why = held(stage.resume_to_the_end(1).await);
        assert!(why.contains("ssh.1") && !why.contains("so."), "{why}");
        assert!(matches!(standing(&stage, &of_user()), Standing::Blocked { .. }));
        stage.let_it_settle().await;
        the_intruder_is_out(&stage);
    });
}

/// With nothing else in the way of whoever has the key, sessions are denied for the second time all the same; that this
/// misses what he mints since is said of the plan, of the run and of the row. Once somebody answers for the key it is made
/// once more.
#[test]
fn a_pass_is_made_without_what_is_refused_and_what_it_misses_is_said() {
    play(async {
        let stage = set("iam:UpdateAccessKey", ASSUMES, &[KEYS, ROLE]).await;
        let warned = stage.saved.plan.warnings.join("\n");
        assert!(warned.contains("rs.2 is made without keys-off.1"), "{warned}");
        let why = held(stage.resume_to_the_end(1).await);
        assert!(why.contains("keys-off.1: ") && why.contains("rs.2 (role func): made"), "{why}");
        assert_eq!(state_of(&stage, "rs.2"), ChangeState::Seen);
        let why = why_open(&stage, &of_role());
        assert!(why.contains("access key AKIAEXAMPLEUTWO00001") && why.contains("mints"), "{why}");
        // What he has minted until the next run is denied by that.
        let minted = |stage: &Stage| {
            let reach = stage.cloud.intruder_reach().into_iter();
            let sessions = reach.filter(|one| !one.credential.contains("AKIA"));
            sessions.map(|one| one.allowed.is_empty()).collect::<Vec<_>>()
        };
        stage.let_it_settle().await;
        assert_eq!(minted(&stage), [false]);
        held(stage.resume_to_the_end(1).await);
        assert_eq!(stage.state().change(&"rs.2".parse().unwrap()).attempts, 2);
        stage.let_it_settle().await;
        assert_eq!(minted(&stage), [true]);

        let credential = Credential::AccessKey {
            user: "u2".parse().unwrap(),
            id: "AKIAEXAMPLEUTWO00001".parse().unwrap(),
        };
        let until = stage.clock.now().checked_add(jiff::SignedDuration::from_hours(24)).unwrap();
        stage.say([Entry::Waived { credential, until, said: stage.said_by("anna") }]).await;
        stage.resume_to_the_end(1).await;
        assert_eq!(stage.state().change(&"rs.2".parse().unwrap()).attempts, 3);
        assert!(matches!(standing(&stage, &of_role()), Standing::Blocked { .. }));
    });
}

/// Between the passes, sessions are not called cut.
#[test]
fn sessions_are_open_until_they_are_denied_behind_what_mints_them() {
    play(async {
        let stage = set("iam:UpdateSSHPublicKey", ASSUMES, &[QUARANTINE, KEYS, ROLE]).await;
        let backdrop = stage.backdrop();
        stage.resume_to_the_end(1).await;
        assert!(matches!(standing(&stage, &of_role()), Standing::Blocked { .. }));
        let begins = stage.line_of(
            |entry| matches!(entry, Entry::Intended { change } if change.as_str() == "rs.2"),
        );
        let stage = backdrop.stage();
        stage.run(Some((begins, Torn::Nothing))).await;
        let why = why_open(&stage, &of_role());
        assert!(why.contains("rs.2 was to deny those that were minted since"), "{why}");
    });
}
