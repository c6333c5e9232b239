//! A key is deleted for good when it was cut, nobody uses it, and it is nobody's new one.

use portcullis::diagnostic::Code;
use portcullis::ledger::{Ledger, Standing};
use portcullis::plan::Credential;
use portcullis::run::{Ending, MOST_ROUNDS};

use crate::stage::{Left, PLAYBOOK, Stage, Torn, WORLD, play, terms};
use crate::verdict::{
    ACCOUNT, VICTIM, every_consumer_works, no_effect_came_without_its_intent, the_intruder_is_out,
};

/// The shipped playbook, and a last step.
fn then_delete(keys: &str) -> String {
    format!(
        "{PLAYBOOK}\n  - id: gone\n    phase: destroy\n    uses: iam.access-key.delete\n    with: {{ user: \"${{{{ targets.owner }}}}\", keys: {keys} }}\n"
    )
}

fn keys(stage: &Stage) -> Vec<(String, String)> {
    let prefix = format!("{ACCOUNT}/users/{VICTIM}/keys/");
    let keys = stage.cloud.snapshot().0.into_iter();
    keys.filter_map(|(key, status)| Some((key.strip_prefix(&prefix)?.to_owned(), status))).collect()
}

#[test]
fn the_old_key_goes_last_and_the_new_one_stays() {
    play(async {
        let stage = Stage::set(WORLD, &then_delete("[AKIAEXAMPLELEAKED001]")).await;
        let warned = stage.saved.plan.warnings.join("\n");
        assert!(warned.contains("asks for nobody's approval"), "{warned}");
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        the_intruder_is_out(&stage);
        every_consumer_works(&stage);
        no_effect_came_without_its_intent(&stage);
        let left = keys(&stage);
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(left[0].1, "Active");
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        let old =
            ledger.rows.iter().filter(|r| matches!(r.credential, Credential::AccessKey { .. }));
        for row in old {
            assert!(matches!(row.standing, Standing::Dead { .. }), "{row:?}");
        }
    });
}

/// `all` is what there was before the case handed out a key: a round that comes behind it, after a crash or at an approval,
/// sees the new one too.
#[test]
fn all_keys_go_and_the_one_that_was_handed_out_stays_wherever_the_run_was_stopped() {
    let text = then_delete("all");
    let lines = play(async {
        let stage = Stage::set(WORLD, &text).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.tape.lock().unwrap().requests.len()
    });
    let points: Vec<usize> = (1..=lines).rev().step_by(3).collect();
    let cases = crate::side_by_side::each(&points, |line| {
        play(async {
            let stage = Stage::set(WORLD, &text).await;
            assert!(matches!(stage.run(Some((*line, Torn::Whole))).await, Left::Crashed), "{line}");
            let ending = stage.resume_to_the_end(1).await;
            assert_eq!(ending, Ending::NotProven, "{line}: {}", stage.witness.0.lock().unwrap());
            stage.let_it_settle().await;
            the_intruder_is_out(&stage);
            every_consumer_works(&stage);
            let left = keys(&stage);
            assert!(matches!(&left[..], [(_, status)] if status == "Active"), "{line}: {left:?}");
        });
    });
    println!("counted: {cases} cases, crashes at a line with a deletion of all keys");
}

#[test]
fn a_key_of_which_nobody_may_see_whether_it_was_used_is_not_deleted() {
    let blind = WORLD.replace("                  - iam:GetAccessKeyLastUsed\n", "");
    assert_ne!(blind, WORLD);
    let text = format!(
        "portcullis: 1\nname: x\ntitle: x\nmode: breach\ngate: {{ proof: settled }}\nsteps:\n  - id: quarantine\n    phase: contain\n    uses: iam.user.quarantine\n    with: {{ user: {VICTIM} }}\n  - id: keys-off\n    phase: contain\n    uses: iam.access-key.deactivate\n    with: {{ user: {VICTIM}, keys: all }}\n  - id: sessions-off\n    phase: contain\n    uses: iam.user.revoke-sessions\n    with: {{ user: {VICTIM} }}\n  - id: gone\n    phase: destroy\n    uses: iam.access-key.delete\n    with: {{ user: {VICTIM}, keys: all }}\n"
    );
    play(async {
        let stage = Stage::set(&blind, &text).await;
        let before = keys(&stage).len();
        let ending = stage.resume_to_the_end(1).await;
        let Ending::Held(why) = &ending else { panic!("{ending:?}") };
        assert!(why[0].contains("it cannot be told whether"), "{why:?}");
        assert_eq!(keys(&stage).len(), before);
    });
}

#[test]
fn approvals_are_waited_for_before_anything_is_deleted() {
    let text = then_delete("[AKIAEXAMPLELEAKED001]")
        .replace("steps:\n", "approvals: { destroy: 2 }\nsteps:\n");
    play(async {
        let stage = Stage::set(WORLD, &text).await;
        let ending = stage.resume_to_the_end(1).await;
        assert!(matches!(ending, Ending::Waiting(_)), "{ending:?}");
        assert!(keys(&stage).iter().any(|(id, _)| id == "AKIAEXAMPLELEAKED001"));
    });
}

/// A password that is deleted after containment mints sessions until then, so that these are denied once more after
/// it; and a key that was cut on the way is still the one whose deletion was approved.
#[test]
fn what_goes_for_good_after_containment_is_waited_for_and_asked_about_once() {
    let trust = r#"{ Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: "999988887777" }, Action: "sts:AssumeRole" }] }"#;
    let world = format!(
        r#"
world: 1
now: 2026-03-24T07:10:00Z
responder: {{ account: "{ACCOUNT}", role: responder }}
accounts:
  "{ACCOUNT}":
    users:
      ann:
        keys: [{{ id: AKIAEXAMPLEANNSKEY01 }}]
        password: {{ created_at: 2025-06-01T08:00:00Z }}
        attached: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    roles:
      responder: {{ trust: {trust}, attached: ["arn:aws:iam::aws:policy/AdministratorAccess"] }}
intruder:
  holds: [AKIAEXAMPLEANNSKEY01, {{ password_of: ann, account: "{ACCOUNT}" }}]
  reacts: [{{ every: 1s, times: 9, deeds: [{{ operation: ConsoleLogin, params: {{ UserName: ann }} }}] }}]
"#
    );
    let steps = [
        ("sessions-off", "contain", "user.revoke-sessions", ""),
        ("keys-off", "contain", "access-key.deactivate", ", keys: all"),
        ("password-gone", "eradicate", "login-profile.delete", ""),
        ("keys-gone", "destroy", "access-key.delete", ", keys: all"),
    ];
    let steps = steps.map(|(id, phase, action, with)| {
        format!(
            "  - {{ id: {id}, phase: {phase}, uses: iam.{action}, with: {{ user: ann{with} }} }}\n"
        )
    });
    let text = format!(
        "portcullis: 1\nname: x\ntitle: x\ngate: {{ proof: settled }}\nsteps:\n{}",
        steps.concat()
    );
    play(async {
        let mut stage = Stage::set(&world, &text).await;
        stage.most = MOST_ROUNDS;
        let order: Vec<&str> = stage.saved.plan.changes.iter().map(|c| c.id.as_str()).collect();
        assert_eq!(
            order,
            ["sessions-off.1", "keys-off.1", "password-gone.1", "sessions-off.2", "keys-gone.1"]
        );
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        let deeds = stage.cloud.intruder_deeds();
        assert!(deeds.iter().any(|deed| deed.refused.is_none()), "he signs in, for a moment");
        the_intruder_is_out(&stage);
        let left = stage.cloud.snapshot().0;
        let his = |key: &String| key.starts_with(&format!("{ACCOUNT}/users/ann/keys/"));
        assert!(!left.keys().any(his), "{left:?}");
    });
}

#[test]
fn a_key_that_no_step_cuts_or_that_is_trusted_is_not_planned_to_be_deleted() {
    let alone = |more: &str| {
        format!(
            "portcullis: 1\nname: x\ntitle: x\nmode: breach\ngate: {{ proof: settled }}\n{more}steps:\n  - id: quarantine\n    phase: contain\n    uses: iam.user.quarantine\n    with: {{ user: {VICTIM} }}\n  - id: lift\n    phase: recover\n    uses: iam.user.lift-quarantine\n    with: {{ user: {VICTIM} }}\n  - id: gone\n    phase: destroy\n    uses: iam.access-key.delete\n    with: {{ user: {VICTIM}, keys: all }}\n"
        )
    };
    play(async {
        let refused = |text: String| async move {
            let Err(problems) = Stage::set_on(WORLD, &text, &terms()).await else {
                panic!("planned")
            };
            (problems[0].code, problems[0].message.clone())
        };
        let (code, message) = refused(alone("")).await;
        assert_eq!(code, Code::GateOrder);
        assert!(message.contains("which no step cuts first"), "{message}");
        let trusted =
            "trusted:\n  - access_key: AKIAEXAMPLELEAKED001\n    reason: its owner has it\n";
        let (code, message) = refused(alone(trusted)).await;
        assert_eq!(code, Code::CannotPlan);
        assert!(message.contains("which is trusted"), "{message}");
    });
}

/// A secret is read by somebody: whoever reads another's key there would work as the wrong user from then on.
#[test]
fn a_key_is_not_delivered_over_the_active_key_of_another_user() {
    let held = "          access_key_id: AKIAEXAMPLELEAKED001\n          secret_access_key: \"@secret-of AKIAEXAMPLELEAKED001\"\n";
    let of_backup = held.replace("AKIAEXAMPLELEAKED001", "AKIAEXAMPLEBACKUP003");
    let world = WORLD.replace(held, &of_backup);
    assert_ne!(world, WORLD);
    play(async {
        let stage = Stage::set(&world, PLAYBOOK).await;
        let before = keys(&stage).len();
        let versions = |stage: &Stage| {
            let all = stage.cloud.snapshot().0.into_iter();
            all.filter(|(key, _)| key.contains("/secrets/deploy/aws-key/")).collect::<Vec<_>>()
        };
        let there = versions(&stage);
        let Ending::Held(why) = stage.resume_to_the_end(1).await else {
            panic!("it was delivered")
        };
        let says = "holds access key AKIAEXAMPLEBACKUP003 of backup, which is active";
        assert!(why.iter().any(|one| one.contains(says)), "{why:?}");
        assert_eq!(keys(&stage).len(), before, "nothing was minted, and nothing deleted");
        assert_eq!(versions(&stage), there);
    });
}
