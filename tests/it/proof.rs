//! Cuts are shown enforced: on canaries, which come and go; by the credentials that were given; and not by what only
//! looks like it.

use std::collections::BTreeSet;

use futures_util::future::{Either, select};
use portcullis::cloud::Suspect;
use portcullis::ids::AccessKeyId;
use portcullis::journal::{Outcome, Refusal, Witness};
use portcullis::ledger::{Ledger, Row};
use portcullis::plan::{Credential, Have};
use portcullis::planning::Terms;
use portcullis::playbook::Proof;
use portcullis::run::{Ending, Log};
use portcullis::sim::Cloud;

use crate::stage::{
    self, Left, PLAYBOOK, Stage, Torn, WORLD, play, somebody_else, somebody_with, terms,
    with_somebody_else,
};
use crate::verdict::{
    canaries_came_and_went, no_secret_was_written, requests_of, the_intruder_is_out,
    the_world_is_as_it_should_be,
};
use crate::{networks, roles};

/// The shipped world without the role that trusts the whole account, which no step of the playbook cuts.
pub(crate) fn without_the_auditor() -> String {
    let (from, to) = ("      auditor: #", "    secrets:\n      deploy/aws-key:");
    let (before, rest) = WORLD.split_once(from).unwrap();
    let (_, after) = rest.split_once(to).unwrap();
    format!("{before}{to}{after}")
}

/// Terms on which the gate asks for what it asks for by default.
pub(crate) fn enforced() -> Terms {
    Terms { gate: Some(Proof::Enforced), ..Terms::default() }
}

pub(crate) async fn set(world: &str) -> Stage {
    Stage::set_on(world, PLAYBOOK, &enforced()).await.unwrap()
}

#[test]
fn a_run_that_proves_every_cut_ends_proven_and_says_of_each_credential_how() {
    play(async {
        let stage = set(&without_the_auditor()).await;
        let before = stage.cloud.snapshot();
        let ending = stage.resume_to_the_end(1).await;
        stage.let_it_settle().await;
        the_world_is_as_it_should_be(&stage, &before, &ending);
        assert_eq!(ending, Ending::Proven);
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        assert!(ledger.rows.len() >= 3);
        for row in &ledger.rows {
            let proof = row.proof.as_ref().unwrap();
            assert_eq!((proof.proof, proof.worth), (Proof::Enforced, "fair"), "{row:?}");
            assert!(matches!(proof.by, Witness::Canary { .. }), "{row:?}");
            assert!(proof.evidence.contains("refused since"), "{row:?}");
        }
    });
}

/// A user whose key leaked, and the roles that can be reached with it: one whose sessions are denied, one that is
/// denied everything besides, by the way that there is room for.
pub(crate) fn roles_and_their_sessions() -> String {
    let off = ("worker-off", "contain", "iam.role.quarantine", "role: worker");
    let on = ("worker-on", "recover", "iam.role.lift-quarantine", "role: worker");
    roles::with(&[roles::DEPLOY, off, roles::WORKER, on])
}

#[test]
fn cuts_of_roles_are_shown_on_a_role_that_only_the_canary_can_assume() {
    play(async {
        let playbook = roles_and_their_sessions();
        let stage = Stage::set_on(roles::WORLD, &playbook, &enforced()).await.unwrap();
        let canary = stage.saved.plan.canary.as_ref().unwrap();
        assert!(canary.untried.is_empty(), "{canary:?}");
        assert!(canary.permissions.iter().all(|one| one.have == Have::Can), "{canary:?}");
        assert_eq!(stage.resume_to_the_end(1).await, Ending::Proven);
        stage.let_it_settle().await;
        the_intruder_is_out(&stage);
        no_secret_was_written(&stage);
        assert!(canaries_came_and_went(&stage) > 0);
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        let of_roles = ledger
            .rows
            .iter()
            .filter(|row| matches!(row.credential, Credential::RoleSessions { .. }));
        let proofs: Vec<_> = of_roles.map(|row| row.proof.as_ref().unwrap()).collect();
        assert_eq!(proofs.len(), 2);
        for proof in proofs {
            assert_eq!(proof.proof, Proof::Enforced);
            assert!(proof.evidence.contains("of a role's sessions"), "{proof:?}");
        }
        // What was planned as permitted is all that was asked for.
        let used: BTreeSet<_> = (stage.cloud.audit().into_iter())
            .filter(|event| event.resource.contains("portcullis-canary") && event.writes)
            .filter(|event| event.service == "iam")
            .map(|event| format!("iam:{}", event.operation))
            .collect();
        for operation in used {
            let known = canary.permissions.iter().any(|one| *one.action == *operation);
            assert!(known, "{operation} is not among the permissions in the plan");
        }
    });
}

/// Where the role's own quota is full the cut takes another way; the canary is cut in that way.
#[test]
fn a_role_that_is_cut_by_its_boundary_is_shown_so() {
    let full = roles::WORLD.replace(
        "        max_session: 2h\n",
        "        max_session: 2h\n        boundary: \"arn:aws:iam::aws:policy/AWSDenyAll\"\n",
    );
    play(async {
        let playbook = roles_and_their_sessions();
        let playbook = playbook.split("  - id: worker-on").next().unwrap();
        let stage = Stage::set_on(&full, playbook, &enforced()).await.unwrap();
        let tries = stage.saved.plan.canary.as_ref().unwrap().tries.join("\n");
        assert!(tries.contains("AWSDenyAll as a role's permissions boundary"), "{tries}");
        assert_eq!(stage.resume_to_the_end(1).await, Ending::Proven);
        canaries_came_and_went(&stage);
    });
}

#[test]
fn a_restriction_to_networks_is_shown_and_counts_for_no_more_than_before() {
    play(async {
        let playbook = networks::playbook(networks::OPEN, "");
        let world = networks::world("198.51.100.9");
        let stage = Stage::set_on(&world, &playbook, &enforced()).await.unwrap();
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        canaries_came_and_went(&stage);
        let state = stage.state();
        for change in &stage.saved.plan.changes {
            let record = state.change(&change.id);
            let proof = record.proof.as_ref().map(|proven| proven.proof);
            assert_eq!(proof, Some(Proof::Enforced), "{record:?}");
        }
        let ledger = Ledger::of(&stage.saved.plan, &state);
        assert!(ledger.rows.iter().all(|row| row.proof.is_none()), "it is no cut");
    });
}

/// A credential of the world, as the responder may have been given it.
fn given(cloud: &Cloud, id: &str) -> Suspect {
    let found = cloud.credentials_of(&AccessKeyId::parse(id).unwrap());
    Suspect { id: found.access_key_id, secret: found.secret, token: found.session_token }
}

fn row<'l>(ledger: &'l Ledger, key: &str) -> &'l Row {
    let is = |row: &&Row| matches!(&row.credential, Credential::AccessKey { id, .. } if id.as_str() == key);
    ledger.rows.iter().find(is).unwrap()
}

#[test]
fn a_credential_that_is_tried_itself_is_strong_proof_of_its_own_end_and_of_no_other() {
    play(async {
        let mut stage = set(&without_the_auditor()).await;
        let before = stage.cloud.snapshot();
        let ids = ["AKIAEXAMPLELEAKED001", "ASIAEXAMPLESESSION04", "ASIAEXAMPLEFEDERAT05"];
        stage.given = ids.map(|id| given(&stage.cloud, id)).into();
        let ending = stage.resume_to_the_end(1).await;
        stage.let_it_settle().await;
        the_world_is_as_it_should_be(&stage, &before, &ending);
        assert_eq!(ending, Ending::Proven);
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        let leaked = row(&ledger, ids[0]).proof.as_ref().unwrap();
        assert_eq!((leaked.proof, leaked.worth), (Proof::Enforced, "strong"));
        assert_eq!(row(&ledger, "AKIAEXAMPLEHUNGON002").proof.as_ref().unwrap().worth, "fair");
        // Of two sessions that were tried nothing follows for those that nobody has seen.
        let sessions =
            ledger.rows.iter().find(|r| matches!(r.credential, Credential::Sessions { .. }));
        assert_eq!(sessions.unwrap().proof.as_ref().unwrap().worth, "fair");
        let tried: Vec<_> =
            ledger.tried.iter().map(|tried| (tried.credential.as_str(), &tried.outcome)).collect();
        assert_eq!(tried.len(), 3);
        for (id, outcome) in tried {
            let because =
                if id.starts_with("AKIA") { Refusal::NotAccepted } else { Refusal::IdentityDeny };
            assert!(
                matches!(outcome, Outcome::Refused { because: b, .. } if *b == because),
                "{id}: {outcome:?}"
            );
        }
        let of =
            |id: &str| ledger.tried.iter().find(|tried| tried.credential.as_str() == id).unwrap();
        let used = of(ids[0]).last_used.unwrap();
        assert_eq!(used.to_string(), "2026-03-24T07:02:11Z", "as it was before it was tried");
        // A dead key does not say whose it was; a session does, under any deny.
        assert_eq!(of(ids[0]).of, None);
        assert!(of(ids[1]).of.as_ref().unwrap().as_str().ends_with("user/ci/ci-deploy"));
    });
}

#[test]
fn a_credential_that_is_let_in_keeps_the_gate_shut_whatever_a_canary_showed() {
    play(async {
        for terms in [terms(), enforced()] {
            let mut stage =
                Stage::set_on(&with_somebody_else(WORLD), PLAYBOOK, &terms).await.unwrap();
            stage.given = vec![given(&stage.cloud, "AKIAEXAMPLEADMIN0009")];
            let Left::Ended(Ending::Held(why)) = stage.run(None).await else { panic!("not held") };
            assert!(why.join("\n").contains("AKIAEXAMPLEADMIN0009, which was given"), "{why:?}");
            assert!(requests_of(&stage, "CreateAccessKey").is_empty());
            no_secret_was_written(&stage);
            canaries_came_and_went(&stage);
        }
    });
}

#[test]
fn a_credential_that_is_refused_for_want_of_permission_shows_nothing() {
    play(async {
        let mut stage = Stage::set(WORLD, PLAYBOOK).await;
        stage.given = vec![given(&stage.cloud, "AKIAEXAMPLEBACKUP003")];
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        let Outcome::CannotTell { why } = &ledger.tried[0].outcome else { panic!("{ledger:?}") };
        assert!(why.contains("because no identity-based policy allows"), "{why}");
    });
}

/// Where the canary can have no role, cuts of users are shown on it all the same, and the plan says which are not. What
/// was refused is not told as if no step had tried it.
#[test]
fn what_cannot_be_tried_is_foretold_and_the_rest_is_shown() {
    let may_not = r#"        inline: { no: { Version: "2012-10-17", Statement: [{ Effect: Deny, Action: "iam:PutRolePolicy", Resource: "*" }] } }
"#;
    let admin = "        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n";
    let world = roles::WORLD.replacen(admin, &format!("{admin}{may_not}"), 1);
    assert_ne!(world, roles::WORLD);
    play(async {
        let playbook = roles_and_their_sessions();
        let stage = Stage::set_on(&world, &playbook, &enforced()).await.unwrap();
        let foretold = stage.saved.plan.warnings.iter();
        let foretold: Vec<_> = foretold.filter(|one| one.contains("shown enforced")).collect();
        let [foretold] = foretold[..] else { panic!("{:?}", stage.saved.plan.warnings) };
        let said = "what is cut so cannot be shown enforced: AWSDenyAll attached to a role; a deny of a role's sessions \
                    issued before a moment: ";
        assert!(foretold.starts_with(said), "{foretold}");
        let Ending::Held(_) = stage.resume_to_the_end(1).await else { panic!("not held") };
        stage.let_it_settle().await;
        assert!(canaries_came_and_went(&stage) > 0);
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        for row in &ledger.rows {
            let proof = row.proof.as_ref().map(|shown| shown.proof);
            match &row.credential {
                Credential::RoleSessions { role } if role.as_str() == "deploy" => {
                    assert_eq!(row.detail(), "deploy-sessions.1 was to cut it, and was refused");
                }
                Credential::RoleSessions { .. } => {
                    assert!(proof < Some(Proof::Enforced), "{row:?}");
                }
                _ => assert_eq!(proof, Some(Proof::Enforced), "{row:?}"),
            }
        }
    });
}

/// Whoever has no permission for canaries learns it from the plan; with the permission a resumption goes on from
/// there, and cuts sessions anew behind the proof that they could not be minted any more.
#[test]
fn a_gate_that_stayed_shut_for_want_of_a_canary_opens_when_one_can_be_made() {
    let may = r#"Action: ["iam:CreateUser", "iam:DeleteUser", "iam:TagUser"]"#;
    let world =
        with_somebody_else(WORLD).replace(may, r#"Action: ["iam:DeleteUser", "iam:TagUser"]"#);
    play(async {
        let stage = set(&world).await;
        let canary = stage.saved.plan.canary.as_ref().unwrap();
        assert_eq!((canary.times, canary.tries.len(), canary.untried.len()), (2, 3, 0));
        let ending = stage.resume_to_the_end(1).await;
        let Ending::Held(why) = &ending else { panic!("{ending:?}") };
        assert!(
            why.join("\n").contains("Allow it to the credentials in use, then resume"),
            "{why:?}"
        );
        let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:CreateUser","Resource":"*"}]}"#;
        let put = other.put_role_policy().role_name("incident-responder").policy_name("more");
        put.policy_document(document).send().await.unwrap();
        stage.let_it_settle().await;
        let passes = requests_of(&stage, "PutUserPolicy").len();
        let ending = stage.resume_to_the_end(1).await;
        assert_eq!(ending, Ending::NotProven, "the auditor is unaccounted for");
        assert_eq!(requests_of(&stage, "PutUserPolicy").len(), passes + 1);
        stage.let_it_settle().await;
        the_intruder_is_out(&stage);
        canaries_came_and_went(&stage);
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        assert_eq!(ledger.unproven().count(), 0);
    });
}

/// Somebody takes the canary's one permission away: it is refused, and not because of any cut.
#[test]
fn a_canary_that_somebody_else_cuts_proves_nothing() {
    play(async {
        let stage = set(&with_somebody_else(WORLD)).await;
        let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let meddle = async {
            loop {
                let users = other.list_users().path_prefix("/portcullis-canary/").send().await;
                for user in users.unwrap().users {
                    let delete = other.delete_user_policy().user_name(user.user_name);
                    let _ = delete.policy_name("PortcullisCanary").send().await;
                }
                stage.clock.sleep(std::time::Duration::from_millis(300)).await;
            }
        };
        let Either::Left((left, _)) = select(Box::pin(stage.run(None)), Box::pin(meddle)).await;
        let Left::Ended(Ending::Held(why)) = left else { panic!("{left:?}") };
        assert!(why.join("\n").contains("because no identity-based policy allows"), "{why:?}");
        assert!(requests_of(&stage, "CreateAccessKey").is_empty());
        canaries_came_and_went(&stage);
    });
}

#[test]
fn a_canary_that_cannot_be_removed_is_said_and_goes_when_it_can() {
    play(async {
        let may = r#"Action: ["iam:CreateUser", "iam:DeleteUser", "iam:TagUser"]"#;
        let world = with_somebody_else(&without_the_auditor())
            .replace(may, r#"Action: ["iam:CreateUser", "iam:TagUser"]"#);
        let stage = set(&world).await;
        let warned = stage.saved.plan.warnings.join("\n");
        assert!(warned.contains("is not removed again: iam:DeleteUser is not allowed"), "{warned}");
        // It can be made, and so every cut can be tried.
        assert!(!warned.contains("shown enforced"), "{warned}");
        // Everything is proven, and something of ours is left: that is no success.
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        let left: Vec<_> = stage.state().canaries_left().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:DeleteUser","Resource":"*"}]}"#;
        let put = other.put_role_policy().role_name("incident-responder").policy_name("more");
        put.policy_document(document).send().await.unwrap();
        stage.let_it_settle().await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::Proven);
        canaries_came_and_went(&stage);
    });
}

fn look_up() -> Log {
    Log::LookUp { region: "us-east-1".to_owned() }
}

#[test]
fn a_case_that_is_verified_hours_after_is_silent_up_to_our_own_refused_request() {
    play(async {
        let mut stage = set(&without_the_auditor()).await;
        let before = stage.cloud.snapshot();
        assert_eq!(stage.resume_to_the_end(1).await, Ending::Proven);
        stage.clock.sleep(std::time::Duration::from_hours(8)).await;
        stage.given = vec![given(&stage.cloud, "ASIAEXAMPLESESSION04")];
        assert_eq!(stage.verify(&look_up()).await, Ending::Proven);
        the_world_is_as_it_should_be(&stage, &before, &Ending::Proven);
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        for row in &ledger.rows {
            let silent = row.silent.as_ref().unwrap_or_else(|| panic!("{row:?}"));
            assert!(silent.until.duration_since(silent.since).as_hours() >= 7, "{silent:?}");
        }
        assert!(matches!(ledger.tried[0].outcome, Outcome::Refused { .. }));
    });
}

#[test]
fn a_log_without_our_own_refused_request_shows_nothing() {
    play(async {
        // Nothing is made to try cuts on, so that nothing of ours is refused.
        let stage = Stage::set(&without_the_auditor(), PLAYBOOK).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        assert_eq!(stage.verify(&look_up()).await, Ending::NotProven);
        assert_eq!(
            stage.verify(&Log::Files { name: "empty".into(), events: Vec::new() }).await,
            Ending::NotProven
        );
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        assert!(ledger.rows.iter().all(|row| row.silent.is_none()));
        // Nor does one that may not be looked into.
        let world =
            without_the_auditor().replace("                  - cloudtrail:LookupEvents\n", "");
        let stage = set(&world).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::Proven);
        assert_eq!(stage.verify(&look_up()).await, Ending::Proven);
        let listened = stage.state().listened;
        assert!(!listened.is_empty());
        for (credential, listened) in listened {
            assert!(
                matches!(listened.heard, portcullis::journal::Heard::CannotTell { ref why }
                    if why.contains("LookupEvents was refused")),
                "{credential}: {listened:?}"
            );
        }
    });
}

/// Of a role, whoever assumed it before is listened for; a session that was issued since is nobody's whom a cut holds.
#[test]
fn a_session_of_a_role_that_works_after_it_was_denied_is_heard_and_one_that_was_issued_since_is_not()
 {
    play(async {
        let playbook = roles_and_their_sessions();
        // The responder may assume it too.
        let (his, both) = (
            "{ AWS: \"arn:aws:iam::111122223333:user/ci/ci-deploy\",",
            "{ AWS: [\"arn:aws:iam::111122223333:user/ci/ci-deploy\", \"arn:aws:iam::111122223333:user/ir/responder\"],",
        );
        assert!(roles::WORLD.contains(his));
        let world = roles::WORLD.replacen(his, both, 1);
        let stage = Stage::set_on(&world, &playbook, &enforced()).await.unwrap();
        let with = |key: &str| somebody_with(key, &stage.cloud, stage.clock);
        let assume = async |config: &aws_types::SdkConfig, role: &str| {
            stage::assume(config, &format!("arn:aws:iam::111122223333:role/{role}")).await
        };
        // In the log, the session is known by whoever minted it.
        let old = assume(&with("AKIAEXAMPLELEAKED001"), "ci/deploy").await.unwrap();
        assert_eq!(stage.resume_to_the_end(1).await, Ending::Proven);
        stage.clock.sleep(std::time::Duration::from_mins(30)).await;

        let admin = aws_sdk_iam::Client::new(&with("AKIAEXAMPLERESPOND01"));
        let new = assume(&with("AKIAEXAMPLERESPOND01"), "ci/deploy").await.unwrap();
        assume(&with(&new), "worker").await.unwrap();
        assert!(assume(&with(&old), "worker").await.is_err());
        stage.let_it_settle().await;
        assert_eq!(stage.verify(&look_up()).await, Ending::Proven);
        let silent_of = |role: &str| {
            let sessions = Credential::RoleSessions { role: role.parse().unwrap() };
            let rows = Ledger::of(&stage.saved.plan, &stage.state()).rows;
            rows.into_iter().find(|row| row.credential == sessions).unwrap()
        };
        for role in ["deploy", "worker"] {
            let row = silent_of(role);
            assert!(row.silent.is_some() && row.let_in.is_none(), "{row:?}");
        }

        // He takes the deny off, uses the old session, and puts it on again: every look finds it as it should be.
        let named = admin.list_role_policies().role_name("deploy").send().await.unwrap();
        let denies = named.policy_names.iter().find(|name| name.contains("ortcullis")).unwrap();
        let found = admin.get_role_policy().role_name("deploy").policy_name(denies);
        let document = found.send().await.unwrap().policy_document;
        let document = percent_encoding::percent_decode_str(&document).decode_utf8().unwrap();
        admin.delete_role_policy().role_name("deploy").policy_name(denies).send().await.unwrap();
        stage.let_it_settle().await;
        assume(&with(&old), "worker").await.unwrap();
        let put = admin.put_role_policy().role_name("deploy").policy_name(denies);
        put.policy_document(document).send().await.unwrap();
        stage.let_it_settle().await;
        let Ending::Held(why) = stage.verify(&look_up()).await else { panic!("no alarm") };
        let why = why.join("\n");
        assert!(
            why.contains("sessions of role deploy was used after it was cut: AssumeRole"),
            "{why}"
        );
        assert!(silent_of("deploy").let_in.is_some() && silent_of("worker").let_in.is_none());
        canaries_came_and_went(&stage);
    });
}

/// Whoever takes cuts off and goes on is seen twice: the cut does not stand, and he is heard.
#[test]
fn a_cut_that_was_taken_off_since_and_a_credential_that_was_used_are_alarms() {
    play(async {
        let stage = set(&with_somebody_else(&without_the_auditor())).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::Proven);
        let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let key = "AKIAEXAMPLELEAKED001";
        let on = |status: &str| {
            let call = other.update_access_key().user_name("ci-deploy").access_key_id(key);
            call.status(status.into()).send()
        };
        // He takes it off, uses the key, and puts it on again: every look finds it as it should be.
        on("Active").await.unwrap();
        stage.let_it_settle().await;
        let his =
            aws_sdk_iam::Client::new(&crate::stage::somebody_with(key, &stage.cloud, stage.clock));
        his.list_access_keys().user_name("ci-deploy").send().await.unwrap();
        on("Inactive").await.unwrap();
        stage.let_it_settle().await;
        let Ending::Held(why) = stage.verify(&look_up()).await else { panic!("no alarm") };
        let why = why.join("\n");
        assert!(why.contains("was used after it was cut: ListAccessKeys"), "{why}");
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        assert!(row(&ledger, key).let_in.is_some());
        assert!(row(&ledger, "AKIAEXAMPLEHUNGON002").let_in.is_none());
        on("Active").await.unwrap();
        let Ending::Held(why) = stage.verify(&Log::None).await else { panic!("no alarm") };
        assert!(why.join("\n").contains("was taken off again"), "{why:?}");
        canaries_came_and_went(&stage);
    });
}

/// Whoever looks at a case that is under way is told what is to be done, and what waits for that.
#[test]
fn what_waits_behind_the_gate_is_not_told_as_left_undone() {
    play(async {
        let stage = Stage::set(WORLD, PLAYBOOK).await;
        assert!(matches!(stage.run(Some((12, Torn::Whole))).await, Left::Crashed));
        let ending = stage.verify(&Log::None).await;
        let Ending::Held(why) = &ending else { panic!("{ending:?}") };
        let gated = |why: &&String| {
            stage.saved.plan.changes.iter().any(|change| {
                change.is_gated() && why.starts_with(&format!("{} is not done", change.id))
            })
        };
        assert!(!why.iter().any(|why| gated(&why)), "{why:#?}");
        let behind = why.iter().filter(|why| why.contains("behind the gate, which opens once"));
        assert_eq!(behind.count(), 1, "{why:#?}");
    });
}
