//! The ways to say no: before anything is done, with a sentence and what to do about it; and, where only a
//! part cannot be done, everything else is.

use portcullis::diagnostic::{Code, Diagnostic};
use portcullis::ids::{ChangeId, UserName};
use portcullis::inventory::{Answer, Fact, Gap, Want};
use portcullis::journal::Entry;
use portcullis::ledger::{Ledger, Standing};
use portcullis::planning::{self, Planned, Terms};
use portcullis::run::{Ending, MOST_ROUNDS};

use crate::stage::{PLAYBOOK, Stage, WORLD, play, read, somebody_else, terms, with_somebody_else};
use crate::verdict::{ACCOUNT, VICTIM, requests_of, the_intruder_is_out};

fn refused(what: &str, world: &str, playbook: &str) -> Vec<Diagnostic> {
    play(async {
        match Stage::set_on(world, playbook, &terms()).await {
            Err(problems) => problems,
            Ok(stage) => panic!("{what}: planned: {:?}", stage.saved.plan.inputs),
        }
    })
}

#[test]
fn what_cannot_be_planned_is_refused_with_a_reason_and_a_way_out() {
    for (what, world, playbook, code, message, help) in [
        (
            "a secret that is not there",
            WORLD.replace("deliver_to: deploy/aws-key", "deliver_to: deploy/other-key"),
            PLAYBOOK.to_owned(),
            Code::CannotPlan,
            "has no secret deploy/other-key",
            "create-secret",
        ),
        (
            "a secret by its ARN without the end, of which AWS knows which is meant",
            WORLD.replace("deploy/aws-key", "deploy/aws-secret")
                .replace("deliver_to: deploy/aws-secret", "deliver_to: arn:aws:secretsmanager:us-east-1:111122223333:secret:deploy/aws-secret"),
            PLAYBOOK.to_owned(),
            Code::CannotPlan,
            "secret:deploy/aws-secret is not the whole ARN of a secret",
            "name it as AWS does, arn:aws:secretsmanager:us-east-1:111122223333:secret:deploy/aws-secret-",
        ),
        (
            "a user that is not there",
            WORLD.to_owned(),
            PLAYBOOK.replacen("user: ${{ targets.owner }}", "user: nobody", 1),
            Code::CannotPlan,
            "has no user nobody",
            "check the name",
        ),
        (
            "an unknown key",
            WORLD.replace("access_key_id: AKIAEXAMPLELEAKED001\n    leaked_at", "access_key_id: AKIAEXAMPLENOBODY099\n    leaked_at"),
            PLAYBOOK.to_owned(),
            Code::NothingFound,
            "no access key AKIAEXAMPLENOBODY099",
            "",
        ),
        (
            "a caller who is the target",
            WORLD.replace("responder: { account: \"111122223333\", role: incident-responder }", "responder: { account: \"111122223333\", key: AKIAEXAMPLELEAKED001 }")
                .replace("        groups: [deployers]\n", "        groups: [deployers]\n        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n"),
            PLAYBOOK.to_owned(),
            Code::LockOut,
            "would cut off its own caller",
            "break-glass",
        ),
        (
            "too much at once",
            WORLD.to_owned(),
            PLAYBOOK.replace("changes: 200", "changes: 3"),
            Code::OverLimit,
            "the plan has 7 changes, and the playbook allows 3",
            "limits: { changes: 7 }",
        ),
        (
            "a cut that waits for sessions that wait for it",
            WORLD.to_owned(),
            PLAYBOOK.replacen("    uses: iam.access-key.deactivate\n", "    needs: [between]\n    uses: iam.access-key.deactivate\n", 1)
                .replace("  # ---- the gate", "  - id: between\n    phase: contain\n    needs: [sessions-off]\n    uses: iam.user.revoke-sessions\n    with: { user: backup }\n\n  # ---- the gate"),
            Code::Cycle,
            "wait for each other",
            "take `needs` off",
        ),
    ] {
        let problems = refused(what, &world, &playbook);
        let [problem] = &problems[..] else { panic!("{what}: {problems:#?}") };
        assert_eq!(problem.code, code, "{what}: {}", problem.message);
        assert!(problem.message.contains(message), "{what}: {}", problem.message);
        let said: Vec<&str> = problem.help.iter().map(String::as_str).collect();
        assert!(said.join("\n").contains(help), "{what}: {said:?}");
    }
}

/// Whoever mends one thing and asks again has lost a round.
#[test]
fn what_cannot_be_planned_hides_nothing_else_that_is_wrong() {
    let other_key = "  - id: new-key\n";
    let of_backup = "  - id: other-key\n    phase: rotate\n    uses: iam.access-key.replace\n    with: { user: backup, deliver_to: nowhere }\n\n  - id: other-lift\n    phase: recover\n    uses: iam.user.lift-quarantine\n    with: { user: backup }\n\n";
    let both = PLAYBOOK.replacen(other_key, &format!("{of_backup}{other_key}"), 1);
    let told = |playbook: &str| {
        let problems = refused("a secret that cannot be read", WORLD, playbook);
        problems.into_iter().map(|one| (one.code, one.message)).collect::<Vec<_>>()
    };
    let all = told(&both);
    let says =
        |code: Code, what: &str| all.iter().any(|(of, said)| *of == code && said.contains(what));
    assert_eq!(all.len(), 3, "{all:#?}");
    assert!(says(Code::CannotPlan, "step `other-key` cannot be planned"), "{all:#?}");
    assert!(
        says(Code::GateOrder, "`other-key` concerns backup, whom no step cuts off"),
        "{all:#?}"
    );
    assert!(says(Code::GateOrder, "other-lift.1 concerns backup, whom no step cuts"), "{all:#?}");
    // Where the step that cannot be planned may be the one that cuts, nothing is said that may not be so.
    let cut = "  - id: cut\n    phase: contain\n    uses: iam.access-key.deactivate\n    with: { user: backup, keys: [AKIAEXAMPLENOBODY099] }\n\n";
    let all =
        told(&both.replacen("  - id: quarantine\n", &format!("{cut}  - id: quarantine\n"), 1));
    assert!(all.iter().all(|(code, _)| *code == Code::CannotPlan), "{all:#?}");
}

/// Nor has whoever is refused an answer to one question: what hangs on it is left out, and all else is judged.
#[test]
fn a_question_that_is_refused_hides_nothing_that_does_not_hang_on_its_answer() {
    let world = WORLD.replace("                  - iam:GetAccessKeyLastUsed\n", "");
    let playbook = "\
portcullis: 1
name: hidden
title: Everything at once
inputs:
  access_key_id: { type: access-key-id, required: true }
  leaked_at: { type: timestamp, required: true }
  deliver_to: { type: secret-id, required: true }
targets:
  owner: ${{ inventory.access_key(inputs.access_key_id).user }}
limits: { changes: 2 }
trusted: [{ access_key: AKIAEXAMPLEBACKUP003, reason: made since }]
steps:
  - { id: own, phase: contain, uses: iam.role.quarantine, with: { role: incident-responder } }
  - { id: own-sessions, phase: contain, uses: iam.role.revoke-sessions, with: { role: incident-responder } }
  - { id: its-cut, phase: contain, uses: iam.user.quarantine, with: { user: ci-deploy } }
  - { id: sealed, phase: contain, uses: secretsmanager.secret.seal, with: { secret: deploy/nowhere } }
  - { id: asked, phase: contain, if: 1 / (size(inputs.deliver_to) - 14) > 0, uses: manual.close, with: { covers: leak-path, what: x } }
  - { id: its-key, phase: rotate, reason: \"since ${{ inputs.leaked_at }}\", uses: iam.access-key.replace, with: { user: \"${{ targets.owner }}\", deliver_to: \"${{ inputs.deliver_to }}\" } }
  - { id: its-lift, phase: recover, needs: [its-key], uses: iam.user.lift-quarantine, with: { user: \"${{ targets.owner }}\" } }
  - { id: other-lift, phase: recover, uses: iam.user.lift-quarantine, with: { user: \"${{ 'backup' }}\" } }
";
    let mut all: Vec<(Code, String)> = refused("a question", &world, playbook)
        .into_iter()
        .map(|one| (one.code, one.message))
        .collect();
    for (code, what) in [
        (Code::CouldNotRead, "iam:GetAccessKeyLastUsed answered AccessDenied"),
        (Code::ExpressionFailed, "division by zero"),
        (Code::CannotPlan, "step `sealed` cannot be planned"),
        (Code::LockOut, "would cut off its own caller"),
        (Code::GateOrder, "other-lift.1 concerns backup, whom no step cuts off"),
        (Code::OverLimit, "the plan has 5 changes"),
    ] {
        let at = all.iter().position(|(of, said)| *of == code && said.contains(what));
        all.remove(at.unwrap_or_else(|| panic!("{code}: {what}: {all:#?}")));
    }
    assert_eq!(all, [], "and nothing that only follows");
}

/// Everything that was cut is cut, and everything behind the gate that could not be is told.
fn ends_held(world: &str, playbook: &str, terms: &Terms, says: &str) -> Stage {
    play(async {
        let stage = Stage::set_on(world, playbook, terms).await.unwrap();
        let ending = stage.resume_to_the_end(1).await;
        let Ending::Held(why) = &ending else { panic!("{ending:?}") };
        assert!(why.join("\n").contains(says), "{why:?}");
        stage.let_it_settle().await;
        the_intruder_is_out(&stage);
        stage
    })
}

fn quarantined(stage: &Stage) -> bool {
    let policy = "attached/arn:aws:iam::aws:policy/AWSDenyAll";
    stage.cloud.snapshot().0.contains_key(&format!("{ACCOUNT}/users/{VICTIM}/{policy}"))
}

#[test]
fn a_console_password_keeps_the_quarantine_on_and_nothing_else_back() {
    let world = WORLD.replace(
        "        groups: [deployers]\n",
        "        groups: [deployers]\n        password: {}\n",
    );
    let says = "lifting would open the console password of ci-deploy";
    let stage = ends_held(&world, PLAYBOOK, &terms(), says);
    assert!(quarantined(&stage));
    assert_eq!(requests_of(&stage, "CreateAccessKey").len(), 1);
    let warned = &stage.saved.plan.warnings;
    assert!(warned.iter().any(|w| w.contains("lift.1 will be held")), "{warned:?}");
}

#[test]
fn what_could_not_be_listed_keeps_the_quarantine_on_unless_the_gap_was_accepted() {
    let world = WORLD.replace("                  - iam:ListSSHPublicKeys\n", "");
    let stage = ends_held(&world, PLAYBOOK, &terms(), "--accept-gap iam:ListSSHPublicKeys");
    assert!(quarantined(&stage));
    let warned = stage.saved.plan.warnings.join("\n");
    assert!(warned.contains("iam:ListSSHPublicKeys answered AccessDenied"), "{warned}");
    assert!(warned.contains("lift.1 will be held"), "{warned}");
    play(async {
        let accepted = vec!["iam:ListSSHPublicKeys".to_owned()];
        let terms = Terms { accepted_gaps: accepted, ..terms() };
        let stage = Stage::set_on(&world, PLAYBOOK, &terms).await.unwrap();
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert!(!quarantined(&stage));
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        let unseen = |row: &&portcullis::ledger::Row| matches!(&row.standing, Standing::OutOfReach { why } if why.contains("ListSSHPublicKeys"));
        assert_eq!(ledger.rows.iter().filter(unseen).count(), 1);
    });
}

/// A role's sessions outlive what is done to the user, so nothing that is cut speaks for them.
#[test]
fn roles_that_could_not_be_listed_are_a_row_that_is_out_of_reach() {
    let world = WORLD.replace("                  - iam:ListRoles\n", "");
    assert_ne!(world, WORLD);
    play(async {
        let stage = Stage::set(&world, PLAYBOOK).await;
        let left = &stage.saved.plan.untouched;
        assert!(left.iter().any(|left| left.why.contains("iam:ListRoles answered")), "{left:?}");
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        let mut unseen = ledger.unaccounted();
        let row = unseen.next().expect("a row");
        assert_eq!(
            row.credential.to_string(),
            "sessions of roles that ci-deploy may have assumed (iam:ListRoles)"
        );
        assert!(matches!(row.standing, Standing::OutOfReach { .. }), "{row:?}");
        assert_eq!(unseen.next(), None);
    });
}

/// Contained by what needs no listing, and by what does; then let in again.
const LISTED: &str = "portcullis: 1
name: listed
title: Somebody is contained, and let in again
gate: { proof: settled, margin: 60s }
steps:
  - { id: quarantine, phase: contain, uses: iam.user.quarantine, with: { user: ci-deploy } }
  - { id: keys-off, phase: contain, uses: iam.access-key.deactivate, with: { user: ci-deploy, keys: [AKIAEXAMPLELEAKED001, AKIAEXAMPLEHUNGON002] } }
  - { id: ssh-off, phase: contain, uses: iam.ssh-key.deactivate, with: { user: ci-deploy, keys: all } }
  - { id: sessions-off, phase: contain, uses: iam.user.revoke-sessions, with: { user: ci-deploy } }
  - { id: lift, phase: recover, uses: iam.user.lift-quarantine, with: { user: ci-deploy } }
";

/// Keys whose ids are known are cut although nobody may list them, every other cut is made, and the gate stays shut over
/// what is not seen. Once it may be seen the same case goes on, and nobody is asked.
#[test]
fn a_listing_that_is_refused_keeps_nothing_else_from_being_cut() {
    let may =
        ["                  - iam:ListAccessKeys\n", "                  - iam:ListSSHPublicKeys\n"];
    let world = may.iter().fold(with_somebody_else(WORLD), |world, one| world.replace(one, ""));
    play(async {
        let mut stage = Stage::set_on(&world, LISTED, &terms()).await.unwrap();
        let unplanned = &stage.saved.plan.unplanned;
        let [left_out] = unplanned.as_slice() else { panic!("{unplanned:?}") };
        assert_eq!(left_out.step.as_str(), "ssh-off");
        let said = "iam:ListSSHPublicKeys answered AccessDenied of user ci-deploy (line 8)";
        assert!(left_out.why.starts_with(said), "{left_out:?}");
        let Ending::Held(why) = stage.resume_to_the_end(1).await else { panic!("not held") };
        let why = why.join("\n");
        assert!(why.contains("step `ssh-off` is not planned: iam:ListSSHPublicKeys"), "{why}");
        stage.let_it_settle().await;
        let world = stage.cloud.snapshot();
        for key in ["AKIAEXAMPLELEAKED001", "AKIAEXAMPLEHUNGON002"] {
            assert_eq!(world.0[&format!("{ACCOUNT}/users/{VICTIM}/keys/{key}")], "Inactive");
        }
        assert!(quarantined(&stage), "and is not let in over what is not seen");

        let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:List*","Resource":"*"}]}"#;
        let put = other.put_role_policy().role_name("incident-responder").policy_name("more");
        put.policy_document(document).send().await.unwrap();
        stage.let_it_settle().await;
        stage.most = MOST_ROUNDS;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert_eq!(stage.plan().unplanned, []);
        assert!(!quarantined(&stage));
    });
}

/// The responder may not list the SSH keys of `backup`, and those of everybody else.
fn blind_to_one(world: &str) -> String {
    let look = "              - Sid: Look\n";
    let deny = format!(
        "              - {{ Effect: Deny, Action: \"iam:ListSSHPublicKeys\", Resource: \"arn:aws:iam::{ACCOUNT}:user/ops/backup\" }}\n"
    );
    let allow =
        "              - { Effect: Allow, Action: \"iam:UpdateSSHPublicKey\", Resource: \"*\" }\n";
    let blind = world.replacen(look, &format!("{deny}{allow}{look}"), 1).replacen(
        "      ci-deploy:\n",
        "      ci-deploy:\n        ssh_keys: [{ body: ssh-rsa AAAA }]\n",
        1,
    );
    assert_ne!(blind, world);
    blind
}

/// Of a step that was planned for one alone the other is left out as he was, in every round that follows.
#[test]
fn a_step_that_is_left_out_for_one_keeps_the_gate_shut_in_every_round() {
    let text = LISTED
        .replace(
            "id: ssh-off, phase: contain,",
            "id: ssh-off, phase: contain, for_each: [ci-deploy, backup],",
        )
        .replace(
            "iam.ssh-key.deactivate, with: { user: ci-deploy,",
            "iam.ssh-key.deactivate, with: { user: \"${{ each }}\",",
        )
        + "  - { id: other, phase: contain, uses: iam.user.quarantine, with: { user: backup } }\n";
    assert!(text.contains("for_each"), "{text}");
    play(async {
        let mut stage = Stage::set_on(&blind_to_one(&with_somebody_else(WORLD)), &text, &terms())
            .await
            .unwrap();
        stage.most = MOST_ROUNDS;
        let is_planned = |stage: &Stage| {
            let plan = stage.plan();
            plan.changes.iter().any(|change| change.step.as_str() == "ssh-off")
        };
        assert!(is_planned(&stage) && stage.plan().unplanned.len() == 1);
        assert!(matches!(stage.resume_to_the_end(1).await, Ending::Held(_)));
        let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        other.create_access_key().user_name("backup").send().await.unwrap();
        for _ in 0..2 {
            stage.let_it_settle().await;
            let Ending::Held(why) = stage.resume_to_the_end(1).await else { panic!("not held") };
            let why = why.join("\n");
            assert!(why.contains("step `ssh-off` is not planned"), "{why}");
            assert!(quarantined(&stage), "nobody is let in over what is not seen");
        }
        assert!(stage.state().round() > 1);
    });
}

/// What a step has planned stays planned where its question is refused later on; and the gate is shut over what is not seen.
#[test]
fn a_step_whose_question_is_refused_in_a_later_round_keeps_what_it_cuts_and_the_gate_is_shut() {
    let text = LISTED.replace("[AKIAEXAMPLELEAKED001, AKIAEXAMPLEHUNGON002]", "all")
        + "  - { id: leak, phase: contain, uses: manual.close, with: { covers: leak, what: Close the leak } }\n";
    let let_in = |refused: bool| {
        play(async {
            let deny = "Effect: Deny, Action: \"iam:ListSSHPublicKeys\"";
            let none = "Effect: Deny, Action: \"iam:ListSAMLProviders\"";
            let world = blind_to_one(&with_somebody_else(WORLD)).replace(deny, none);
            let mut stage = Stage::set_on(&world, &text, &terms()).await.unwrap();
            stage.most = MOST_ROUNDS;
            assert!(matches!(stage.resume_to_the_end(1).await, Ending::Held(_)));
            let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
            let gone = other.delete_access_key().user_name(VICTIM);
            gone.access_key_id("AKIAEXAMPLEHUNGON002").send().await.unwrap();
            other.create_access_key().user_name(VICTIM).send().await.unwrap();
            if refused {
                let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:ListSSHPublicKeys","Resource":"*"}]}"#;
                let put = other.put_role_policy().role_name("incident-responder");
                put.policy_name("less").policy_document(document).send().await.unwrap();
            }
            stage.let_it_settle().await;
            let change = Some(ChangeId::parse("leak.1").unwrap());
            let said = stage.said_by("anna");
            stage.say([Entry::Attested { change, said }]).await;
            stage.resume_to_the_end(1).await;
            let plan = stage.plan();
            assert!(plan.changes.iter().any(|change| change.step.as_str() == "ssh-off"));
            !quarantined(&stage)
        })
    };
    assert!(let_in(false), "what is new of his is cut, and he is let in");
    assert!(!let_in(true), "nobody is let in over what is not seen");
}

/// Somebody comes into what a step selects, and what it asks of him is refused: nobody has approved that he is cut, in that
/// round or in the next.
#[test]
fn a_step_that_is_left_out_in_a_later_round_widens_no_scope() {
    let text = crate::words::whoever_has_a_new_key();
    let (head, _) = text.split_once("  - id: new-keys-off\n").unwrap();
    let text = format!(
        "{head}  - id: new-ssh-off
    phase: contain
    for_each: ${{{{ targets.everybody }}}}
    if: inventory.access_keys(each).exists(key, key.created_at >= inputs.leaked_at)
    uses: iam.ssh-key.deactivate
    with: {{ user: \"${{{{ each }}}}\", keys: all }}
  - id: theirs-off
    phase: contain
    for_each: ${{{{ targets.everybody }}}}
    if: inventory.has_password(each)
    uses: iam.access-key.deactivate
    with: {{ user: \"${{{{ each }}}}\", keys: all }}
"
    );
    play(async {
        let world = blind_to_one(&with_somebody_else(WORLD));
        let world = world.replacen("        ssh_keys: [{ body: ssh-rsa AAAA }]\n", "", 1);
        let mut stage = Stage::set_on(&world, &text, &terms()).await.unwrap();
        stage.most = MOST_ROUNDS;
        let other = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        stage.resume_to_the_end(1).await;
        for user in ["backup", VICTIM] {
            if user == VICTIM {
                let gone = other.delete_access_key().user_name(user);
                gone.access_key_id("AKIAEXAMPLEHUNGON002").send().await.unwrap();
            }
            other.create_access_key().user_name(user).send().await.unwrap();
        }
        stage.let_it_settle().await;
        stage.resume_to_the_end(1).await;
        assert!(stage.state().round() > 1, "what is in scope is cut unasked");
        let made = other.create_login_profile().user_name("backup");
        made.password("Another-Pa55word-of-his").send().await.unwrap();
        stage.let_it_settle().await;
        stage.resume_to_the_end(1).await;
        let world = stage.cloud.snapshot().0;
        let mut keys = world.iter().filter(|(key, _)| key.contains("/users/backup/keys/"));
        assert!(keys.all(|(_, status)| status == "Active"), "nobody was asked about him");
    });
}

/// What the operator accepts by name keeps nothing waiting; the row is there.
#[test]
fn a_step_whose_listing_shows_nothing_is_left_out_where_that_is_accepted() {
    let world = WORLD.replace("                  - iam:ListSSHPublicKeys\n", "");
    play(async {
        let accepted = vec!["iam:ListSSHPublicKeys".to_owned()];
        let terms = Terms { accepted_gaps: accepted, ..terms() };
        let stage = Stage::set_on(&world, LISTED, &terms).await.unwrap();
        assert_eq!(stage.saved.plan.unplanned, []);
        let warned = stage.saved.plan.warnings.join("\n");
        assert!(
            warned.contains("step `ssh-off` (line 8) is left out for user ci-deploy"),
            "{warned}"
        );
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        assert!(!quarantined(&stage));
    });
}

/// Plans the shipped playbook again, with `answer` to what the owner's SSH keys are.
fn planned_with(answer: Answer, accepted: &str) -> Result<Planned, Vec<Diagnostic>> {
    let saved = play(async { Stage::set(WORLD, PLAYBOOK).await.saved });
    let mut inventory = saved.inventory;
    let asked = Want::SshPublicKeys(UserName::parse(VICTIM).unwrap());
    assert!(inventory.answers.insert(asked, answer).is_some());
    let terms = Terms { accepted_gaps: vec![accepted.to_owned()], ..terms() };
    planning::plan(&read(PLAYBOOK), &saved.plan.inputs, &inventory, &terms)
}

#[test]
fn only_a_gap_can_be_accepted_and_only_one_that_is_understood() {
    let gap = |understood| {
        Box::new(Gap {
            operation: "iam:ListSSHPublicKeys".to_owned(),
            code: "Any".to_owned(),
            message: "any".to_owned(),
            passing: false,
            understood,
        })
    };
    let none = || Ok(Fact::SshPublicKeys(Vec::new()));
    for (answer, accepted, says, help) in [
        (Err(gap(true)), "iam:ListSSHPublicKey", "no listing", Some("iam:ListSSHPublicKeys?")),
        (Err(gap(true)), "everything", "no listing", Some("listed: iam:ListSSHPublicKeys")),
        (none(), "iam:ListSSHPublicKeys", "no listing", Some("leave --accept-gap out")),
        (Err(gap(false)), "iam:ListSSHPublicKeys", "not understood", None),
        (Err(gap(true)), "iam:ListSSHPublicKeys", "", None),
    ] {
        let problems = match planned_with(answer, accepted) {
            Ok(planned) => {
                assert_eq!(says, "", "{accepted}: {planned:?}");
                continue;
            }
            Err(problems) => problems,
        };
        let [problem] = &problems[..] else { panic!("{problems:#?}") };
        assert!(!says.is_empty() && problem.message.contains(says), "{}", problem.message);
        let told = problem.help.clone().unwrap_or_default();
        assert!(told.contains(help.unwrap_or("leave --accept-gap out")), "{told}");
    }
}

/// No permission mends what is answered and not understood, and nobody is told to wait for one.
#[test]
fn what_a_step_that_is_left_out_waits_for_is_said_as_it_is() {
    let saved = play(async { Stage::set_on(WORLD, LISTED, &terms()).await.unwrap().saved });
    for (understood, says) in
        [(true, "; once it is allowed, `resume`"), (false, ": once that is gone, `resume`")]
    {
        let mut inventory = saved.inventory.clone();
        let gap = Gap {
            operation: "iam:ListSSHPublicKeys".to_owned(),
            code: "Any".to_owned(),
            message: "any".to_owned(),
            passing: false,
            understood,
        };
        let asked = Want::SshPublicKeys(UserName::parse(VICTIM).unwrap());
        assert!(inventory.answers.insert(asked, Err(Box::new(gap))).is_some());
        let planned = planning::plan(&read(LISTED), &saved.plan.inputs, &inventory, &terms());
        let Ok(Planned::Plan(plan)) = planned else { panic!("{planned:?}") };
        assert!(plan.unplanned[0].why.contains(says), "{:?}", plan.unplanned);
    }
}

/// What cannot be delivered into is found before a key is deleted for good to make room for the new one.
#[test]
fn where_nothing_can_be_delivered_nothing_is_deleted() {
    let value = "        value:
          access_key_id: AKIAEXAMPLELEAKED001
          secret_access_key: \"@secret-of AKIAEXAMPLELEAKED001\"
          region: eu-west-1
";
    let reading = "                  - secretsmanager:GetSecretValue\n";
    for (from, to, says) in [
        (value, "        value: no JSON at all\n", "does not hold a JSON object"),
        (reading, "", "secretsmanager:GetSecretValue was refused"),
    ] {
        let world = WORLD.replacen(from, to, 1);
        assert_ne!(world, WORLD);
        let stage = ends_held(&world, PLAYBOOK, &terms(), says);
        for operation in ["DeleteAccessKey", "CreateAccessKey"] {
            assert!(requests_of(&stage, operation).is_empty(), "{operation}: {says}");
        }
    }
}

#[test]
fn one_cut_that_is_not_permitted_holds_and_the_others_are_made() {
    let world = WORLD.replace("                  - iam:UpdateAccessKey\n", "");
    let stage = ends_held(&world, PLAYBOOK, &terms(), "iam:UpdateAccessKey");
    assert!(quarantined(&stage));
    assert!(requests_of(&stage, "UpdateAccessKey").is_empty());
    assert!(!requests_of(&stage, "PutUserPolicy").is_empty());
    assert!(requests_of(&stage, "CreateAccessKey").is_empty());
}

#[test]
fn a_gate_that_asks_for_more_than_can_be_shown_stays_shut_behind_every_cut() {
    let may = r#"Action: ["iam:CreateUser", "iam:DeleteUser", "iam:TagUser"]"#;
    let world = WORLD.replace(may, r#"Action: ["iam:DeleteUser", "iam:TagUser"]"#);
    assert_ne!(world, WORLD);
    let stage = ends_held(&world, PLAYBOOK, &Terms::default(), "the gate asks for enforced");
    assert!(quarantined(&stage));
    assert_eq!(requests_of(&stage, "UpdateAccessKey").len(), 2);
    // No cut waits for a proof that cannot be had.
    assert_eq!(requests_of(&stage, "PutUserPolicy").len(), 2);
    assert!(requests_of(&stage, "CreateAccessKey").is_empty());
    let warnings = stage.saved.plan.warnings.join("\n");
    assert!(warnings.contains("iam:CreateUser is not allowed"), "{warnings}");
    assert!(warnings.contains("the gate will stay shut"), "{warnings}");
}

/// Such a plan does not come out of planning, and a forged one is refused. Should one ever get here, it comes
/// to nothing.
#[test]
fn a_plan_that_cuts_nothing_opens_no_gate_and_ends_in_no_success() {
    play(async {
        let mut stage = Stage::set(WORLD, PLAYBOOK).await;
        let plan = &mut stage.saved.plan;
        plan.changes.retain(|change| !change.cuts());
        assert!(!plan.changes.is_empty());
        plan.principals.clear();
        plan.credentials.clear();
        plan.roles.clear();
        let before = stage.cloud.snapshot();
        let ending = stage.resume_to_the_end(1).await;
        assert_eq!(ending, Ending::Held(vec!["nothing was cut".to_owned()]));
        assert_eq!(before.changes_to(&stage.cloud.snapshot()), [] as [&str; 0]);
    });
    play(async {
        let mut stage = Stage::set(WORLD, PLAYBOOK).await;
        let plan = &mut stage.saved.plan;
        plan.changes.clear();
        plan.principals.clear();
        plan.credentials.clear();
        plan.roles.clear();
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven, "nothing to account for");
    });
}

/// Deleted between the question whose it is and the list of his keys.
#[test]
fn a_leaked_key_that_its_owner_has_no_more_is_pointed_out() {
    let saved = play(async { Stage::set(WORLD, PLAYBOOK).await.saved });
    let mut inventory = saved.inventory;
    let want = Want::AccessKeys(UserName::parse(VICTIM).unwrap());
    let keys = inventory.answers.remove(&want);
    let Some(Ok(Fact::AccessKeys(mut keys))) = keys else { panic!("{keys:?}") };
    keys.retain(|key| key.id.as_str() != "AKIAEXAMPLELEAKED001");
    inventory.answers.insert(want, Ok(Fact::AccessKeys(keys)));
    let planned = planning::plan(&read(PLAYBOOK), &saved.plan.inputs, &inventory, &terms());
    let Ok(Planned::Plan(plan)) = planned else { panic!("{planned:?}") };
    let warnings = plan.warnings.join("\n");
    assert!(warnings.contains("AKIAEXAMPLELEAKED001 was a key of ci-deploy"), "{warnings}");
}

#[test]
fn what_stands_in_the_way_of_several_steps_is_told_once() {
    let playbook = PLAYBOOK
        .replace("${{ inventory.access_key(inputs.access_key_id).user }}", "${{ 'nobody' }}");
    assert_ne!(playbook, PLAYBOOK);
    let inputs = play(async { Stage::set(WORLD, PLAYBOOK).await.saved });
    let mut inventory = inputs.inventory;
    let problems = loop {
        match planning::plan(&read(&playbook), &inputs.plan.inputs, &inventory, &terms()) {
            Ok(Planned::Needs(wants)) => {
                for want in wants {
                    let nothing = match &want {
                        Want::User(_) => Fact::User(None),
                        Want::AccessKeys(_) => Fact::AccessKeys(Vec::new()),
                        Want::AttachedPolicies(_) => Fact::AttachedPolicies(Vec::new()),
                        Want::InlinePolicy(..) => Fact::InlinePolicy(None),
                        other => panic!("{other:?}"),
                    };
                    inventory.answers.insert(want, Ok(nothing));
                }
            }
            Ok(Planned::Plan(plan)) => panic!("{plan:?}"),
            Err(problems) => break problems,
        }
    };
    let [problem] = problems.as_slice() else { panic!("{problems:#?}") };
    assert!(problem.message.contains("has no user nobody"), "{problem}");
    assert!(problem.others.len() > 2, "every step that is concerned is shown: {problem:?}");
}
