//! Roles are cut: their sessions, old and new; and the denies that are kept until nothing they deny is alive.

use std::time::Duration;

use portcullis::diagnostic::Code;
use portcullis::ids::ChangeId;
use portcullis::journal::Entry;
use portcullis::ledger::{Ledger, Standing};
use portcullis::plan::{Barrier, Credential};
use portcullis::playbook::Proof;
use portcullis::run::Ending;

use crate::stage::{self, ADMIN, Left, Stage, Torn, play, somebody_with, terms};
use crate::verdict::{
    no_effect_came_without_its_intent, no_secret_was_written, the_intruder_is_out,
};

/// A user whose key leaked, a role he may assume, and one that is assumed from there; the intruder has sessions of
/// each. A function works as the first role, a job as the second.
pub(crate) const WORLD: &str = r#"
world: 1
now: 2026-03-24T07:10:00Z
seed: 21
lag: 4s
responder: { account: "111122223333", key: AKIAEXAMPLERESPOND01 }
accounts:
  "111122223333":
    users:
      responder:
        path: /ir/
        keys: [{ id: AKIAEXAMPLERESPOND01 }]
        attached: ["arn:aws:iam::aws:policy/AdministratorAccess"]
      ci-deploy:
        path: /ci/
        keys: [{ id: AKIAEXAMPLELEAKED001 }]
        inline:
          assume: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "sts:AssumeRole", Resource: "*" }] }
    roles:
      deploy:
        path: /ci/
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: "arn:aws:iam::111122223333:user/ci/ci-deploy", Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }] }
        inline:
          deploy: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: ["s3:PutObject", "sts:AssumeRole"], Resource: "*" }] }
      worker:
        max_session: 2h
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { AWS: "arn:aws:iam::111122223333:role/ci/deploy" }, Action: "sts:AssumeRole" }] }
        inline:
          work: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "s3:GetObject", Resource: "*" }] }
      AWSServiceRoleForSupport:
        path: /aws-service-role/support.amazonaws.com/
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { Service: "support.amazonaws.com" }, Action: "sts:AssumeRole" }] }
      AWSReservedSSO_Admin_0123456789abcdef:
        path: /aws-reserved/sso.amazonaws.com/
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { Federated: "arn:aws:iam::111122223333:saml-provider/sso" }, Action: "sts:AssumeRoleWithSAML" }] }
sessions:
  - id: ASIAEXAMPLEDEPLOYS02
    of: { account: "111122223333", role: deploy }
    kind: assume-role
    issued_at: 2026-03-24T06:30:00Z
    expires_at: 2026-03-24T18:30:00Z
  - id: ASIAEXAMPLEWORKERS03
    of: { account: "111122223333", role: worker }
    kind: assume-role
    issued_at: 2026-03-24T06:40:00Z
    expires_at: 2026-03-24T18:40:00Z
consumers:
  - name: function
    account: "111122223333"
    as: { role: deploy }
    refreshed: 15m
    needs: [{ action: "s3:PutObject", resource: "arn:aws:s3:::site/x" }]
  - name: job
    account: "111122223333"
    as: { role: worker }
    needs: [{ action: "s3:GetObject", resource: "arn:aws:s3:::site/x" }]
intruder:
  holds: [AKIAEXAMPLELEAKED001, ASIAEXAMPLEDEPLOYS02, ASIAEXAMPLEWORKERS03]
  tries: [{ action: "s3:GetObject", resource: "arn:aws:s3:::site/x" }]
"#;

/// `(id, phase, action, with)` for each step.
pub(crate) fn playbook(steps: &[(&str, &str, &str, &str)]) -> String {
    let mut text = "portcullis: 1\nname: roles\ntitle: Roles are cut\nmode: breach\n\
                    gate: { proof: settled, margin: 60s }\nsteps:\n"
        .to_owned();
    for (id, phase, action, with) in steps {
        text += &format!(
            "  - id: {id}\n    phase: {phase}\n    uses: {action}\n    with: {{ {with} }}\n"
        );
    }
    text
}

pub(crate) const USER: [(&str, &str, &str, &str); 3] = [
    ("quarantine", "contain", "iam.user.quarantine", "user: ci-deploy"),
    ("keys-off", "contain", "iam.access-key.deactivate", "user: ci-deploy, keys: all"),
    ("sessions-off", "contain", "iam.user.revoke-sessions", "user: ci-deploy"),
];
pub(crate) const DEPLOY: (&str, &str, &str, &str) =
    ("deploy-sessions", "contain", "iam.role.revoke-sessions", "role: deploy");
pub(crate) const WORKER: (&str, &str, &str, &str) =
    ("worker-sessions", "contain", "iam.role.revoke-sessions", "role: worker");

pub(crate) fn with(more: &[(&'static str, &'static str, &'static str, &'static str)]) -> String {
    playbook(&[&USER[..], more].concat())
}

async fn set(text: &str) -> Stage {
    Stage::set(WORLD, text).await
}

async fn refused(text: &str) -> (Code, String, String) {
    let Err(problems) = Stage::set_on(WORLD, text, &terms()).await else { panic!("planned") };
    let [problem] = &problems[..] else { panic!("{problems:#?}") };
    (problem.code, problem.message.clone(), problem.help.clone().unwrap_or_default())
}

fn row(stage: &Stage, credential: &Credential) -> (Standing, Option<Proof>) {
    let ledger = Ledger::of(&stage.saved.plan, &stage.state());
    let row = ledger.rows.into_iter().find(|row| row.credential == *credential).unwrap();
    (row.standing, row.proof.map(|shown| shown.proof))
}

fn sessions_of(role: &str) -> Credential {
    Credential::RoleSessions { role: role.parse().unwrap() }
}

fn works(stage: &Stage, name: &str) -> bool {
    stage.cloud.consumers().into_iter().find(|consumer| consumer.name == name).unwrap().works
}

/// Nothing mints sessions of somebody whom no other step cuts: then there is nothing to wait for but the first pass.
#[test]
fn a_second_pass_that_waits_for_no_cut_waits_for_the_first() {
    play(async {
        let stage = set(&playbook(&[USER[2]])).await;
        let second =
            stage.saved.plan.changes.iter().find(|one| one.id.as_str() == "sessions-off.2");
        let needs: Vec<&str> =
            second.unwrap().needs.iter().map(|need| need.change.as_str()).collect();
        assert_eq!(needs, ["sessions-off.1"]);
        stage.resume_to_the_end(1).await;
        let seen = stage.line_of(|entry| {
            matches!(entry, Entry::Observed { change, position }
                if change.as_str() == "sessions-off.1" && position.is_done())
        });
        let begun = stage.line_of(|entry| {
            matches!(entry, Entry::Intended { change } if change.as_str() == "sessions-off.2")
        });
        assert!(seen < begun, "{seen} {begun}");
    });
}

#[test]
fn sessions_of_roles_are_denied_after_whoever_can_mint_them_and_new_ones_work() {
    play(async {
        let stage = set(&with(&[DEPLOY, WORKER])).await;
        assert!(works(&stage, "function"));
        let ending = stage.resume_to_the_end(1).await;
        assert_eq!(ending, Ending::NotProven);
        stage.let_it_settle().await;
        the_intruder_is_out(&stage);
        no_effect_came_without_its_intent(&stage);
        no_secret_was_written(&stage);
        // The function's old session is denied with the intruder's; its next one is not. A job has a new one.
        assert!(!works(&stage, "function") && works(&stage, "job"));
        stage.clock.sleep(Duration::from_mins(15)).await;
        assert!(works(&stage, "function"));

        let audit = stage.cloud.audit();
        let writes: Vec<_> =
            audit.iter().filter(|event| event.writes && event.took_effect).collect();
        let times = |operation: &str, of: &str| -> Vec<jiff::Timestamp> {
            let of = |event: &&&portcullis::sim::AuditEvent| {
                event.operation == operation && event.resource.ends_with(of)
            };
            writes.iter().filter(of).map(|event| event.at).collect()
        };
        let (deploy, worker) =
            (times("PutRolePolicy", "/deploy"), times("PutRolePolicy", "/worker"));
        let user = times("AttachUserPolicy", "/ci-deploy");
        assert_eq!((deploy.len(), worker.len(), user.len()), (2, 2, 1));
        // Each second pass at least the margin after what could mint in between.
        let margin = jiff::SignedDuration::from_secs(60);
        assert!(deploy[1].duration_since(user[0]) >= margin);
        assert!(worker[1].duration_since(deploy[1]) >= margin, "{deploy:?} {worker:?}");

        for role in ["deploy", "worker"] {
            let (standing, proof) = row(&stage, &sessions_of(role));
            let Standing::Blocked { by, issued_before, until, removable_by } = standing else {
                panic!("{standing:?}")
            };
            assert_eq!(by, [Barrier::SessionsSecondPass]);
            assert_eq!(proof, Some(Proof::Settled));
            let twelve = jiff::SignedDuration::from_hours(12);
            assert_eq!(until.unwrap().duration_since(issued_before.unwrap()), twelve);
            assert!(removable_by.contains("iam:DeleteRolePolicy"), "{removable_by}");
        }
    });
}

#[test]
fn whom_a_role_s_trust_admits_and_no_step_cuts_is_told() {
    play(async {
        let stage = set(&with(&[DEPLOY, WORKER])).await;
        let warned = stage.saved.plan.warnings.join("\n");
        assert!(
            warned.contains(
                "the trust of role deploy admits lambda.amazonaws.com, whom no step cuts off"
            ),
            "{warned}"
        );
        assert!(!warned.contains("the trust of role worker"), "{warned}");
        // Without the user, he too gets new sessions as he likes.
        let stage = set(&playbook(&[DEPLOY])).await;
        let warned = stage.saved.plan.warnings.join("\n");
        let both = "admits arn:aws:iam::111122223333:user/ci/ci-deploy, lambda.amazonaws.com, whom";
        assert!(warned.contains(both), "{warned}");
        // A quarantine holds him off until it is lifted.
        let cut = ("deploy-off", "contain", "iam.role.quarantine", "role: deploy");
        let lift = ("lift", "recover", "iam.role.lift-quarantine", "role: deploy");
        let stage = set(&with(&[DEPLOY, cut])).await;
        let warned = stage.saved.plan.warnings.join("\n");
        assert!(!warned.contains("the trust of role deploy"), "{warned}");
        let stage = set(&with(&[DEPLOY, cut, lift])).await;
        let warned = stage.saved.plan.warnings.join("\n");
        assert!(warned.contains("works as soon as the quarantine is lifted"), "{warned}");
        // Unless somebody mends the trust before his sessions are denied for the second time.
        let mend = "  - id: trust
    phase: contain
    uses: manual.close
    with: { covers: trust, what: Mend the trust, instructions: By hand, owner: the platform team }
";
        let text = with(&[DEPLOY, cut, lift]);
        let waits = text.replacen("steps:\n", &format!("steps:\n{mend}"), 1);
        let id = text.split("  - id: ").find(|step| step.contains("role.revoke-sessions")).unwrap();
        let (id, _) = id.split_once('\n').unwrap();
        let waits = waits.replacen(
            &format!("  - id: {id}\n"),
            &format!("  - id: {id}\n    needs: [trust]\n"),
            1,
        );
        let stage = set(&waits).await;
        let warned = stage.saved.plan.warnings.join("\n");
        assert!(!warned.contains("works as soon as"), "{warned}");
    });
}

/// Somebody whom no step cuts off assumes a role until a person closes its trust. What he got of it by then is denied
/// before anything is opened, wherever the run that does so crashes.
#[test]
fn sessions_that_were_had_until_a_person_closed_the_trust_are_denied_behind_it() {
    let admits = "AWS: \"arn:aws:iam::111122223333:user/ci/ci-deploy\", Service";
    let helper = "AWS: [\"arn:aws:iam::111122223333:user/ci/ci-deploy\", \"arn:aws:iam::111122223333:user/helper\"], Service";
    let keys = "    users:\n";
    let may = "{ Version: \"2012-10-17\", Statement: [{ Effect: Allow, Action: \"sts:AssumeRole\", Resource: \"*\" }] }";
    let user = format!(
        "{keys}      helper:\n        keys: [{{ id: AKIAEXAMPLEHELPER004 }}]\n        inline: {{ assume: {may} }}\n{ADMIN}"
    );
    assert!(WORLD.contains(admits));
    let world = WORLD.replacen(admits, helper, 1).replacen(keys, &user, 1);
    let lift = ("lift", "recover", "iam.user.lift-quarantine", "user: ci-deploy");
    let closes = ("closed", "contain", "manual.close", "covers: trust, what: Mend the trust");
    play(async {
        let stage = Stage::set(&world, &with(&[DEPLOY, closes, lift])).await;
        let warned = stage.saved.plan.warnings.join("\n");
        let once_more = "once more, which is done whenever closed.1 is attested";
        assert!(warned.contains(once_more), "{warned}");
        let Ending::Held(why) = stage.resume_to_the_end(1).await else { panic!("not held") };
        assert!(why.join("\n").contains("Mend the trust"), "{why:?}");

        let with = |stage: &Stage, key: &str| somebody_with(key, &stage.cloud, stage.clock);
        let assume = async |config: &aws_types::SdkConfig, role: &str| {
            stage::assume(config, &format!("arn:aws:iam::111122223333:role/{role}")).await
        };
        let his = assume(&with(&stage, "AKIAEXAMPLEHELPER004"), "ci/deploy").await.unwrap();
        assume(&with(&stage, &his), "worker").await.unwrap();
        let admin = aws_sdk_iam::Client::new(&with(&stage, "AKIAEXAMPLEADMIN0009"));
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        let mend = admin.update_assume_role_policy().role_name("deploy").policy_document(trust);
        mend.send().await.unwrap();
        stage.let_it_settle().await;
        let closed = Some(ChangeId::parse("closed.1").unwrap());
        let (change, said) = (closed.clone(), stage.said_by("anna"));
        stage.say([Entry::Attested { change, said }]).await;

        let backdrop = stage.backdrop();
        let lines = |stage: &Stage| stage.tape.lock().unwrap().requests.len();
        let before = lines(&stage);
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        let lines = lines(&stage) - before;
        let points: Vec<usize> = (1..=lines).step_by(3).collect();
        println!(
            "counted: {} cases, crashes where a person closes a trust late, of {lines} lines",
            points.len()
        );
        for stop_at in std::iter::once(None).chain(points.into_iter().map(Some)) {
            let stage = backdrop.stage();
            stage.run(stop_at.map(|line| (line, Torn::Whole))).await;
            assert_eq!(stage.resume_to_the_end(2).await, Ending::NotProven, "{stop_at:?}");
            stage.let_it_settle().await;
            let refused = assume(&with(&stage, &his), "worker").await;
            assert!(refused.is_err(), "{stop_at:?}: he is still inside");
            let last = |operation: &str, of: &str| {
                let audit = stage.cloud.audit();
                let is = |event: &&portcullis::sim::AuditEvent| {
                    event.operation == operation && event.resource.ends_with(of)
                };
                audit.iter().filter(|event| event.took_effect).rfind(is).map(|event| event.at)
            };
            let (denied, opened) =
                (last("PutRolePolicy", "/deploy"), last("DetachUserPolicy", "/ci-deploy"));
            assert!(denied > last("UpdateAssumeRolePolicy", "/deploy"), "{stop_at:?}");
            assert!(opened > denied, "{stop_at:?}: {opened:?} {denied:?}");
            no_effect_came_without_its_intent(&stage);
        }
    });
}

/// Somebody whom a role has come to admit since its sessions were denied assumes it, until a person mends the trust and
/// answers for the rest.
#[test]
fn sessions_of_whom_a_role_came_to_admit_are_denied_behind_whoever_answers_for_him() {
    let keys = "    users:\n";
    let user = format!(
        "{keys}      helper:\n        keys: [{{ id: AKIAEXAMPLEHELPER004 }}]\n        inline: {{ assume: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Action: \"sts:AssumeRole\", Resource: \"*\" }}] }} }}\n{ADMIN}"
    );
    let world = WORLD.replacen(keys, &user, 1);
    let lift = ("lift", "recover", "iam.user.lift-quarantine", "user: ci-deploy");
    play(async {
        let mut stage = Stage::set(&world, &with(&[DEPLOY, lift])).await;
        stage.most = portcullis::run::MOST_ROUNDS;
        let with = |key: &str| somebody_with(key, &stage.cloud, stage.clock);
        let assume = async |config: &aws_types::SdkConfig, role: &str| {
            stage::assume(config, &format!("arn:aws:iam::111122223333:role/{role}")).await
        };
        let admin = aws_sdk_iam::Client::new(&with("AKIAEXAMPLEADMIN0009"));
        let trusts = async |who: &str| {
            let trust = format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{{who}}},"Action":"sts:AssumeRole"}}]}}"#
            );
            let mend = admin.update_assume_role_policy().role_name("deploy");
            mend.policy_document(trust).send().await.unwrap();
        };
        trusts(r#""AWS":"arn:aws:iam::111122223333:user/helper""#).await;
        let left = stage.run(None).await;
        let Left::Ended(Ending::Held(why)) = left else { panic!("{left:?}") };
        assert!(why.join("\n").contains("user/helper to role deploy"), "{why:#?}");
        let his = assume(&with("AKIAEXAMPLEHELPER004"), "ci/deploy").await.unwrap();
        assume(&with(&his), "worker").await.unwrap();
        trusts(r#""Service":"lambda.amazonaws.com""#).await;
        stage.let_it_settle().await;
        let plan = stage.plan();
        let newcomers = plan.credentials.iter().filter(|one| plan.is_newcomer(one));
        let until = stage.clock.now() + jiff::SignedDuration::from_hours(9);
        let waived = newcomers.map(|credential| {
            let (credential, said) = (credential.clone(), stage.said_by("anna"));
            Entry::Waived { credential, until, said }
        });
        stage.say(waived.collect::<Vec<_>>()).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        assert!(assume(&with(&his), "worker").await.is_err(), "he is still inside");
        no_effect_came_without_its_intent(&stage);

        // Whoever answers for him for longer has changed nothing.
        let before = stage.cloud.snapshot();
        let waived = stage.state().waived;
        let waived = waived.into_iter().map(|(credential, waiver)| {
            let until = waiver.until + jiff::SignedDuration::from_hours(9);
            Entry::Waived { credential, until, said: stage.said_by("ben") }
        });
        stage.say(waived.collect::<Vec<_>>()).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert_eq!(before.changes_to(&stage.cloud.snapshot()), [""; 0]);
    });
}

#[test]
fn roles_that_can_assume_each_other_are_told_and_a_quarantine_ends_it() {
    let each_other = WORLD.replace(
        "{ AWS: \"arn:aws:iam::111122223333:user/ci/ci-deploy\", Service",
        "{ AWS: [\"arn:aws:iam::111122223333:user/ci/ci-deploy\", \"arn:aws:iam::111122223333:role/worker\"], Service",
    );
    play(async {
        let stage = Stage::set(&each_other, &with(&[DEPLOY, WORKER])).await;
        let warned = stage.saved.plan.warnings.join("\n");
        assert!(
            warned.contains("sessions of roles deploy and worker can get sessions of each other"),
            "{warned}"
        );
        let cut = ("deploy-off", "contain", "iam.role.quarantine", "role: deploy");
        let stage = Stage::set(&each_other, &with(&[DEPLOY, cut, WORKER])).await;
        let warned = stage.saved.plan.warnings.join("\n");
        assert!(!warned.contains("each other"), "{warned}");
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        the_intruder_is_out(&stage);
    });
}

#[test]
fn a_quarantined_role_does_nothing_until_it_is_lifted_and_its_old_sessions_not_even_then() {
    let cut = ("worker-off", "contain", "iam.role.quarantine", "role: worker");
    let lift = ("worker-on", "recover", "iam.role.lift-quarantine", "role: worker");
    play(async {
        let stage = set(&with(&[cut])).await;
        let before = stage.cloud.snapshot();
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        assert!(!works(&stage, "job"), "new sessions are denied too");
        let (standing, _) = row(&stage, &sessions_of("worker"));
        assert!(matches!(standing, Standing::Blocked { .. }), "{standing:?}");
        let changes = before.changes_to(&stage.cloud.snapshot());
        assert!(
            changes
                .iter()
                .any(|line| line
                    .contains("roles/worker/attached/arn:aws:iam::aws:policy/AWSDenyAll"))
        );

        // Only the quarantine stands before its sessions: then it is not lifted.
        let stage = set(&with(&[DEPLOY, cut, lift])).await;
        let warned = stage.saved.plan.warnings.join("\n");
        assert!(warned.contains("worker-on.1 will be held: nothing but the quarantine blocks the sessions of role worker"), "{warned}");
        let ending = stage.resume_to_the_end(1).await;
        let Ending::Held(why) = &ending else { panic!("{ending:?}") };
        assert!(why[0].contains("only the quarantine blocks it"), "{why:?}");

        // Nor where it has come to admit somebody: he would have a session as soon as it works.
        let stage = set(&with(&[DEPLOY, cut, WORKER, lift])).await;
        let responder = somebody_with("AKIAEXAMPLERESPOND01", &stage.cloud, stage.clock);
        let foreign = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"sts:AssumeRole"}]}"#;
        let trust = aws_sdk_iam::Client::new(&responder).update_assume_role_policy();
        trust.role_name("worker").policy_document(foreign).send().await.unwrap();
        let ending = stage.resume_to_the_end(1).await;
        let Ending::Held(why) = &ending else { panic!("{ending:?}") };
        assert!(why[0].contains("admission of anyone of account 444455556666"), "{why:?}");

        let stage = set(&with(&[DEPLOY, cut, WORKER, lift])).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        the_intruder_is_out(&stage);
        assert!(works(&stage, "job"));
        let left = stage.cloud.snapshot();
        assert!(!left.0.keys().any(|key| key.contains("roles/worker/attached")));
    });
}

#[test]
fn a_full_quota_leads_to_the_next_way_and_a_displaced_boundary_comes_back() {
    let ten: String =
        (0..10).map(|n| format!("\"arn:aws:iam::111122223333:policy/p{n}\",")).collect();
    let policies: String = (0..10)
        .map(|n| format!("      p{n}: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Action: \"x:y\", Resource: \"*\" }}] }}\n"))
        .collect();
    let full = WORLD
        .replace("        max_session: 2h\n", &format!("        max_session: 2h\n        attached: [{ten}]\n        boundary: \"arn:aws:iam::aws:policy/AdministratorAccess\"\n"))
        .replace("    roles:\n", &format!("    policies:\n{policies}    roles:\n"));
    let cut = ("worker-off", "contain", "iam.role.quarantine", "role: worker");
    let lift = ("worker-on", "recover", "iam.role.lift-quarantine", "role: worker");
    play(async {
        let stage = Stage::set(&full, &with(&[DEPLOY, cut, WORKER, lift])).await;
        let before = stage.cloud.snapshot();
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        the_intruder_is_out(&stage);
        let put = stage.cloud.audit().into_iter().filter(|event| {
            event.operation == "PutRolePolicy"
                && event.resource.ends_with("/worker")
                && event.took_effect
        });
        assert_eq!(put.count(), 3, "an inline quarantine, and two passes over sessions");
        let of_worker = |line: &&String| line.contains("roles/worker");
        let changes = before.changes_to(&stage.cloud.snapshot());
        let left: Vec<_> = changes.iter().filter(of_worker).collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0].contains("PortcullisRevokeOlderSessions"));
    });
}

#[test]
fn roles_that_aws_keeps_are_refused_with_what_to_do_instead() {
    play(async {
        for action in ["iam.role.quarantine", "iam.role.revoke-sessions"] {
            let step = |role| playbook(&[("cut", "contain", action, role)]);
            let (code, message, help) = refused(&step("role: AWSServiceRoleForSupport")).await;
            assert_eq!(code, Code::CannotPlan);
            assert!(message.contains("is linked to support.amazonaws.com"), "{message}");
            assert!(help.contains("support.amazonaws.com"), "{help}");
            let sso = "role: AWSReservedSSO_Admin_0123456789abcdef";
            let (_, message, help) = refused(&step(sso)).await;
            assert!(message.contains("belongs to permission set Admin"), "{message}");
            assert!(help.contains("put-inline-policy-to-permission-set"), "{help}");
            let (_, message, _) = refused(&step("role: nobody")).await;
            assert!(message.contains("has no role nobody"), "{message}");
        }
    });
}

#[test]
fn an_older_than_deny_is_kept_until_nothing_it_denies_can_be_alive() {
    let user = ("user-older", "recover", "iam.user.lift-older-sessions", "user: ci-deploy");
    let role = ("role-older", "recover", "iam.role.lift-older-sessions", "role: deploy");
    play(async {
        let stage = set(&with(&[DEPLOY, user, role])).await;
        let waits = &stage.saved.plan.waits;
        let told: Vec<(u8, &str)> =
            waits.iter().map(|wait| (wait.exit, wait.until.as_str())).collect();
        let [(13, role), (13, user)] = told[..] else { panic!("{told:?}") };
        assert!(role.contains("role-older.1 (role deploy), until 12 hours after"), "{role}");
        assert!(user.contains("user-older.1 (user ci-deploy), until 36 hours after"), "{user}");
        let before = stage.cloud.snapshot();
        let ending = stage.resume_to_the_end(1).await;
        let Ending::Held(why) = &ending else { panic!("{ending:?}") };
        let said = why.join("\n");
        assert!(said.contains("user ci-deploy is kept until 2026-03-25 19:1"), "{said}");
        assert!(said.contains("role deploy is kept until 2026-03-24 19:1"), "{said}");
        let (standing, _) = row(&stage, &sessions_of("deploy"));
        assert!(matches!(standing, Standing::Blocked { until: Some(_), .. }), "{standing:?}");

        // A minute before, and after, the last of the role's sessions has ended.
        stage.clock.sleep(Duration::from_mins(12 * 60 - 5)).await;
        assert!(matches!(stage.resume_to_the_end(1).await, Ending::Held(why) if why.len() == 2));
        stage.clock.sleep(Duration::from_mins(10)).await;
        assert!(matches!(stage.resume_to_the_end(1).await, Ending::Held(why) if why.len() == 1));
        let (standing, proof) = row(&stage, &sessions_of("deploy"));
        assert!(
            matches!(&standing, Standing::Dead { by, .. } if by.as_str() == "role-older.1"),
            "{standing:?}"
        );
        assert_eq!(proof, Some(Proof::Settled), "no more than what was shown of the deny");

        stage.clock.sleep(Duration::from_hours(24)).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        the_intruder_is_out(&stage);
        let left = before.changes_to(&stage.cloud.snapshot());
        assert!(
            !left.iter().any(|line| line.contains("PortcullisRevokeOlderSessions")),
            "{left:#?}"
        );
    });
}

#[test]
fn a_caller_in_a_role_in_scope_is_told_the_path_that_would_be_cut() {
    let as_worker = WORLD.replace(
        "responder: { account: \"111122223333\", key: AKIAEXAMPLERESPOND01 }",
        "responder: { account: \"111122223333\", role: worker }",
    );
    let as_worker = as_worker.replace(
        "        max_session: 2h\n",
        "        max_session: 2h\n        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n",
    );
    play(async {
        let lost = async |step| {
            let Err(problems) = Stage::set_on(&as_worker, &playbook(&[step]), &terms()).await
            else {
                panic!("planned")
            };
            assert_eq!(problems[0].code, Code::LockOut, "{problems:#?}");
            problems[0].message.clone()
        };
        let cut = lost(("cut", "contain", "iam.role.quarantine", "role: worker")).await;
        assert!(cut.contains("role worker <- cut by cut.1"), "{cut}");
        // The only role that may assume the caller's.
        let cut = lost(("cut", "contain", "iam.role.quarantine", "role: deploy")).await;
        assert!(
            cut.contains(
                "role worker <- only who is in scope may assume it <- role deploy <- cut by cut.1"
            ),
            "{cut}"
        );
        let step = (
            "shut",
            "contain",
            "iam.user.restrict-network",
            "user: responder, networks: [203.0.113.0/24]",
        );
        let Err(problems) = Stage::set_on(WORLD, &playbook(&[step]), &terms()).await else {
            panic!("planned")
        };
        let said = &problems[0].message;
        assert!(said.contains("shut out from elsewhere than some networks by shut.1"), "{said}");
    });
}
