//! Secrets that somebody may have read: sealed before anything new is written into them, rotated, unsealed.

use portcullis::diagnostic::Code;
use portcullis::journal::{Entry, Note, Position};
use portcullis::ledger::{Ledger, Standing};
use portcullis::plan::Credential;
use portcullis::run::{Ending, MOST_ROUNDS};
use portcullis::sim::Fault;

use crate::proof::{enforced, without_the_auditor};
use crate::stage::{
    Left, PLAYBOOK, Stage, Torn, play, somebody_else, terms, told, with_somebody_else,
};
use crate::verdict::{ACCOUNT, no_effect_came_without_its_intent, no_secret_was_written};

/// The shipped world, in which the leaked key could read three secrets: one that a function rotates, one that
/// what checks it reads itself, and one whose value somebody must change by hand.
pub(crate) fn world(rotator: &str) -> String {
    let world = with_somebody_else(crate::stage::WORLD);
    let secrets = format!(
        r#"    secrets:
      shop/db:
        value: {{ username: app, password: first-password-of-app }}
        rotator: {{ arn: "{FUNCTION}", role: rotator, takes: 8s, target: db{rotator} }}
      shop/hook:
        value: first-value-of-the-hook
        policy: {{ Version: "2012-10-17", Statement: [{{ Sid: Partner, Effect: Allow, Principal: {{ AWS: "arn:aws:iam::{ACCOUNT}:role/pipeline" }}, Action: "secretsmanager:GetSecretValue", Resource: "*" }}] }}
"#
    );
    let world = put(&world, "    secrets:\n", &secrets);
    let roles = r#"    roles:
      rotator:
        path: /functions/
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: "sts:AssumeRole" }] }
        inline:
          rotate: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "secretsmanager:*", Resource: "*" }] }
      shop:
        trust: { Version: "2012-10-17", Statement: [{ Effect: Allow, Principal: { Service: ec2.amazonaws.com }, Action: "sts:AssumeRole" }] }
        inline:
          read: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "arn:aws:secretsmanager:*:*:secret:shop/*" }] }
"#;
    let world = put(&world, "    roles:\n", roles);
    let world = put(
        &world,
        "                Action: [\"iam:CreateAccessKey\", ",
        "                Action: [\"secretsmanager:GetSecretValue\", \"secretsmanager:PutSecretValue\", \"iam:CreateAccessKey\", ",
    );
    let world = put(
        &world,
        "              - Sid: Deliver\n",
        "              - { Sid: Secrets, Effect: Allow, Action: [\"secretsmanager:*\", \"iam:GetAccountAuthorizationDetails\"], Resource: \"*\" }\n              - Sid: Deliver\n",
    );
    let consumers = format!(
        r#"targets:
  db: {{ logins: {{ app: first-password-of-app, app-two: first-password-of-two }} }}
  hook: {{ account: "{ACCOUNT}", as: {{ role: shop }}, reads: shop/hook }}
consumers:
  - {{ name: shop, account: "{ACCOUNT}", as: {{ role: shop }}, reads: shop/db, logs_in_to: db }}
  - {{ name: partner, account: "{ACCOUNT}", as: {{ role: pipeline }}, reads: shop/hook, logs_in_to: hook }}
"#
    );
    let world = put(&world, "consumers:\n", &consumers);
    put(&world, "intruder:\n", "intruder:\n  read: [shop/db, shop/hook]\n")
}

const FUNCTION: &str = "arn:aws:lambda:us-east-1:111122223333:function:rotate-db";

fn put(world: &str, from: &str, to: &str) -> String {
    assert!(world.contains(from), "{from}");
    world.replacen(from, to, 1)
}

const HEAD: &str = r"portcullis: 1
name: known-secrets
title: Secrets that a leaked key could read
mode: breach
gate: { proof: settled, margin: 60s }
steps:
  - { id: quarantine, phase: contain, uses: iam.user.quarantine, with: { user: ci-deploy } }
  - { id: keys-off, phase: contain, uses: iam.access-key.deactivate, with: { user: ci-deploy, keys: all } }
  - { id: sessions-off, phase: contain, uses: iam.user.revoke-sessions, with: { user: ci-deploy } }
";

/// Everything a user can read is sealed; what a function rotates is rotated by it, the rest gets values made here.
const ALL: &str = r#"
  - id: seal
    phase: contain
    for_each: ${{ inventory.secrets_readable_by('arn:aws:iam::111122223333:user/ci/ci-deploy').filter(s, s.name != 'deploy/aws-key') }}
    uses: secretsmanager.secret.seal
    with: { secret: "${{ each.arn }}", readers: ["arn:aws:iam::111122223333:role/functions/rotator"] }
  - id: rotate
    phase: rotate
    for_each: ${{ inventory.secrets_readable_by('arn:aws:iam::111122223333:user/ci/ci-deploy').filter(s, s.rotates) }}
    uses: secretsmanager.secret.rotate
    with: { secret: "${{ each.name }}", by: rotator, rotator: "arn:aws:lambda:us-east-1:111122223333:function:rotate-db" }
  - id: renew
    phase: rotate
    uses: secretsmanager.secret.rotate
    with: { secret: shop/hook, by: generated, verifiers_read_secret: true }
  - id: unseal
    phase: recover
    needs: [rotate, renew]
    for_each: ${{ inventory.secrets_readable_by('arn:aws:iam::111122223333:user/ci/ci-deploy').filter(s, s.name != 'deploy/aws-key') }}
    uses: secretsmanager.secret.unseal
    with: { secret: "${{ each.name }}" }
"#;

pub(crate) fn playbook(steps: &str) -> String {
    format!("{HEAD}{}", steps.trim_start_matches('\n'))
}

pub(crate) fn one(id: &str, phase: &str, action: &str, with: &str) -> String {
    format!(
        "  - {{ id: {id}, phase: {phase}, uses: secretsmanager.secret.{action}, with: {{ {with} }} }}\n"
    )
}

/// What the intruder can do with the values he has read.
pub(crate) fn known(stage: &Stage) -> Vec<String> {
    let reach = stage.cloud.intruder_reach().into_iter();
    reach.filter(|r| r.credential.starts_with("value")).flat_map(|r| r.allowed).collect()
}

pub(crate) fn works(stage: &Stage, name: &str) -> bool {
    stage.cloud.consumers().into_iter().find(|consumer| consumer.name == name).unwrap().works
}

fn standing(stage: &Stage, secret: &str) -> Standing {
    let ledger = Ledger::of(&stage.saved.plan, &stage.state());
    let of = |credential: &Credential| matches!(credential, Credential::SecretValue { secret: of } if of.as_str() == secret);
    ledger.rows.into_iter().find(|row| of(&row.credential)).unwrap().standing
}

fn policy_of(stage: &Stage, secret: &str) -> Option<String> {
    stage.cloud.snapshot().0.get(&format!("{ACCOUNT}/secrets/{secret}/policy")).cloned()
}

fn said(stage: &Stage) -> String {
    stage.witness.0.lock().unwrap().clone()
}

async fn held(stage: &Stage) -> String {
    match stage.resume_to_the_end(1).await {
        Ending::Held(why) => why.join("\n"),
        other => panic!("{other:?}\n{}", said(stage)),
    }
}

/// Nobody who was cut off reads a secret from the first cut on, whatever is written into it; and in the end
/// everybody works but the intruder.
#[test]
fn whatever_a_user_could_read_is_sealed_then_rotated_then_unsealed() {
    play(async {
        let mut stage = Stage::set(&world(""), &playbook(ALL)).await;
        stage.most = MOST_ROUNDS;
        let before = stage.cloud.snapshot();
        assert_eq!(known(&stage), ["sign in to db", "sign in to hook"]);
        let sealed = stage.saved.plan.changes.iter().filter(|c| c.step.as_str() == "seal").count();
        assert_eq!(sealed, 2, "{:#?}", stage.saved.plan.changes);
        let ending = stage.resume_to_the_end(1).await;
        // That the old values are refused where they are checked, nobody has tried.
        assert_eq!(ending, Ending::NotProven, "{}", said(&stage));
        stage.let_it_settle().await;
        assert_eq!(known(&stage), [""; 0]);
        for reach in stage.cloud.intruder_reach() {
            assert!(reach.allowed.is_empty(), "{reach:?}");
        }
        assert!(works(&stage, "shop") && works(&stage, "partner"));
        for secret in ["shop/db", "shop/hook"] {
            let standing = standing(&stage, secret);
            assert!(
                matches!(standing, Standing::Replaced { ref by, .. } if by.is_empty()),
                "{standing:?}"
            );
        }
        // The policies are what they were, byte for byte.
        let policies = |snapshot: &portcullis::sim::Snapshot| -> Vec<(String, String)> {
            let found = snapshot.0.iter().filter(|(key, _)| key.ends_with("/policy"));
            found.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        assert_eq!(policies(&stage.cloud.snapshot()), policies(&before));
        no_effect_came_without_its_intent(&stage);
        no_secret_was_written(&stage);
        sealed_before_anything_was_written(&stage);
    });
}

/// By the world's own log.
fn sealed_before_anything_was_written(stage: &Stage) {
    let audit = stage.cloud.audit();
    let first = |operation: &str| {
        let mut found = audit.iter().filter(|e| e.operation == operation && e.took_effect);
        found.next().map(|e| e.at)
    };
    let seals: Vec<_> = audit.iter().filter(|e| e.operation == "PutResourcePolicy").collect();
    let written = first("RotateSecret").min(first("PutSecretValue")).unwrap();
    let before = seals.iter().filter(|e| e.at < written).count();
    assert_eq!(before, 2, "both seals stand before anything new is written");
    let last = seals.iter().filter(|e| e.at < written).map(|e| e.at).max().unwrap();
    assert!(written.duration_since(last).as_secs() >= 60, "and have stood for the margin");
}

#[test]
fn a_sealed_secret_is_read_by_the_few_who_are_spared_and_by_nobody_else() {
    play(async {
        let readers = "secret: shop/db, readers: [\"arn:aws:iam::111122223333:role/shop\"]";
        let steps = one("seal", "contain", "seal", readers)
            + &one("seal-hook", "contain", "seal", "secret: shop/hook");
        let stage = Stage::set(&world(""), &playbook(&steps)).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        assert!(works(&stage, "shop"), "it is spared");
        assert!(!works(&stage, "partner"), "though the policy itself names it");
        let policy = policy_of(&stage, "shop/hook").unwrap();
        assert!(policy.contains("\"Partner\"") && policy.contains("PortcullisSeal"), "{policy}");
        let Standing::Unaccounted { why } = standing(&stage, "shop/db") else {
            panic!("a seal takes back nothing that was read")
        };
        assert!(why.contains("whoever knows it can use it; it is sealed"), "{why}");
    });
}

#[test]
fn a_seal_goes_on_top_of_a_policy_that_lets_anybody_in() {
    play(async {
        let world = world("").replace("AWS: \"arn:aws:iam::111122223333:role/pipeline\" }, Action: \"secretsmanager:GetSecretValue\", Resource: \"*\" }] }\n", "AWS: \"*\" }, Action: \"secretsmanager:GetSecretValue\", Resource: \"*\" }] }\n");
        let steps = one("seal", "contain", "seal", "secret: shop/hook");
        let stage = Stage::set(&world, &playbook(&steps)).await;
        stage.resume_to_the_end(1).await;
        stage.let_it_settle().await;
        assert!(!works(&stage, "partner"), "{}", said(&stage));
        let notes = stage.state().change(&"seal.1".parse().unwrap()).notes;
        assert_eq!(notes, [Note::PublicPolicy]);
    });
}

#[test]
fn an_unseal_is_refused_where_somebody_has_changed_the_policy_since() {
    play(async {
        let steps = one("seal", "contain", "seal", "secret: shop/hook")
            + &one(
                "renew",
                "rotate",
                "rotate",
                "secret: shop/hook, by: generated, verifiers_read_secret: true",
            )
            + "  - { id: unseal, phase: recover, needs: [renew], uses: secretsmanager.secret.unseal, with: { secret: shop/hook } }\n";
        let stage = Stage::set(&world(""), &playbook(&steps)).await;
        let seen = |entry: &Entry| matches!(entry, Entry::Observed { change, position: Position::After } if change.as_str() == "renew.1");
        let at = {
            let stage = stage.backdrop().stage();
            stage.resume_to_the_end(1).await;
            stage.line_of(seen)
        };
        assert!(matches!(stage.run(Some((at, Torn::Whole))).await, Left::Crashed));
        let sealed = policy_of(&stage, "shop/hook").unwrap();
        let theirs = sealed.replace("\"Partner\"", "\"Other\"");
        let other = aws_sdk_secretsmanager::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let put = other.put_resource_policy().secret_id("shop/hook").resource_policy(&theirs);
        // Somebody else is not spared from the seal, which denies him reading alone.
        put.send().await.unwrap();
        let why = held(&stage).await;
        assert!(why.contains("somebody has changed it since"), "{why}");
        assert_eq!(policy_of(&stage, "shop/hook").unwrap(), theirs, "and it is left as it is");
    });
}

#[test]
fn a_secret_that_was_not_rotated_is_not_unsealed() {
    play(async {
        let steps = one("seal", "contain", "seal", "secret: shop/hook")
            + &one("unseal", "recover", "unseal", "secret: shop/hook");
        let stage = Stage::set(&world(""), &playbook(&steps)).await;
        let warned = stage.saved.plan.warnings.iter().any(|w| w.contains("unseal.1 will be held"));
        assert!(warned, "{:#?}", stage.saved.plan.warnings);
        let why = held(&stage).await;
        assert!(why.contains("is the one that may be known: rotate it"), "{why}");
        stage.let_it_settle().await;
        assert!(!works(&stage, "partner"));
    });
}

/// The one problem of a plan.
fn refused(world: &str, steps: &str) -> (Code, String) {
    play(async {
        let problems = Stage::set_on(world, &playbook(steps), &terms()).await.err().unwrap();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        (problems[0].code, problems[0].message.clone())
    })
}

#[test]
fn plans_that_seal_the_wrong_way_are_refused() {
    let seal = |readers: &str| {
        one("seal", "contain", "seal", &format!("secret: shop/db, readers: [{readers}]"))
    };
    let (code, message) =
        refused(&world(""), &seal("\"arn:aws:iam::111122223333:user/ci/ci-deploy\""));
    assert_eq!(code, Code::GateOrder);
    assert!(message.contains("would leave user ci-deploy reading"), "{message}");
    let said = told(&playbook(&seal("\"arn:aws:iam::111122223333:role/*\"")));
    assert!(said.contains("wants the ARN of one user or role"), "{said}");
    let unseal = one("unseal", "recover", "unseal", "secret: shop/db");
    let said = told(&playbook(&unseal));
    assert!(said.contains("takes off what `secretsmanager.secret.seal` puts on"), "{said}");
    let other = one("seal", "contain", "seal", "secret: shop/hook");
    let (code, message) = refused(&world(""), &format!("{other}{unseal}"));
    assert_eq!(code, Code::GateOrder, "{message}");
    assert!(message.contains("which no step seals"), "{message}");
    let (code, message) =
        refused(&world(""), &one("strip", "destroy", "strip-previous", "secret: shop/db"));
    assert_eq!(code, Code::GateOrder, "{message}");
}

#[test]
fn what_cannot_be_rotated_is_said_when_it_is_planned() {
    let says = |world: &str, with: &str| {
        play(async {
            let steps = one("rotate", "rotate", "rotate", with);
            let problems = Stage::set_on(world, &playbook(&steps), &terms()).await.err().unwrap();
            assert_eq!(problems[0].code, Code::CannotPlan);
            problems[0].message.clone()
        })
    };
    let owned =
        world("").replace("      shop/hook:\n", "      shop/hook:\n        owned_by: rds\n");
    for (world, with, expected) in [
        (owned.as_str(), "secret: shop/hook, by: rotator", "belongs to rds"),
        (&world(""), "secret: shop/hook, by: rotator", "has no function that rotates it"),
        (&world(", enabled: false"), "secret: shop/db, by: rotator", "is turned off"),
        (
            &world(""),
            "secret: shop/db, by: rotator, rotator: \"arn:aws:lambda:us-east-1:111122223333:function:other\"",
            "and not by arn:aws:lambda:us-east-1:111122223333:function:other",
        ),
    ] {
        let message = says(world, with);
        assert!(message.contains(expected), "{message}");
    }
    for (with, expected) in [
        ("secret: shop/db, by: rotator, times: 300", "how often a secret is rotated: 1 or 2"),
        (
            "secret: shop/hook, by: generated, verifiers_read_secret: true, length: 8",
            "a number of characters, 16 to 4096",
        ),
    ] {
        let told = told(&playbook(&one("rotate", "rotate", "rotate", with)));
        assert!(told.contains("error[bad-value]") && told.contains(expected), "{told}");
    }
}

#[test]
fn what_is_for_a_choice_is_known_once_the_choice_is() {
    let by = |word: &str, more: &str| {
        let with = format!("secret: shop/hook, by: \"${{{{ '{word}' }}}}\"{more}");
        refused(&world(""), &one("rotate", "rotate", "rotate", &with))
    };
    let (code, message) = by("generated", "");
    assert_eq!(code, Code::MissingKey);
    assert!(message.contains("no value for verifiers_read_secret"), "{message}");
    let (code, message) = by("rotator", ", length: 20");
    assert_eq!(code, Code::UnknownKey);
    assert_eq!(message, "`length` is for `by: generated`");
}

const ROTATE: &str = "secret: shop/db, by: rotator, within: 2m";

async fn rotating(rotator: &str, with: &str) -> Stage {
    Stage::set(&world(rotator), &playbook(&one("rotate", "rotate", "rotate", with))).await
}

#[test]
fn two_users_who_take_turns_are_rotated_twice() {
    play(async {
        for (times, left) in [("", 1), (", times: 2", 0)] {
            let stage = rotating(", users: [app, app-two]", &format!("{ROTATE}{times}")).await;
            assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven, "{}", said(&stage));
            let db: Vec<_> =
                known(&stage).into_iter().filter(|what| what.ends_with("db")).collect();
            assert_eq!(db.len(), left, "{times}");
            assert!(works(&stage, "shop"));
        }
    });
}

#[test]
fn a_function_that_makes_nothing_is_asked_anew_and_then_a_person_is_called() {
    play(async {
        let stage = rotating(", behaviour: fails-create, first: 1", ROTATE).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven, "{}", said(&stage));
        assert!(works(&stage, "shop") && !known(&stage).contains(&"sign in to db".to_owned()));
        let stage = rotating(", behaviour: fails-create", ROTATE).await;
        let why = held(&stage).await;
        assert!(why.contains("made no value, 3 times over"), "{why}");
        assert!(works(&stage, "shop"), "nothing was changed");
    });
}

#[test]
fn a_rotation_that_does_not_end_is_never_given_up_and_its_end_is_seen_by_a_resumption() {
    play(async {
        for behaviour in ["hangs", "fails-set", "fails-test"] {
            let stage = rotating(&format!(", behaviour: {behaviour}"), ROTATE).await;
            let why = held(&stage).await;
            assert!(why.contains("holds a new value"), "{why}");
            let given_up = |note: &Note| matches!(note, Note::GivingUp { .. });
            let notes = stage.state().change(&"rotate.1".parse().unwrap()).notes;
            assert!(!notes.iter().any(given_up), "{behaviour}: {notes:?}");
            // Whoever mends it moves the label; the resumption sees that it is done.
            let Some(Note::Rotating { version }) = notes.last() else { panic!("{notes:?}") };
            let other =
                aws_sdk_secretsmanager::Client::new(&somebody_else(&stage.cloud, stage.clock));
            let described = other.describe_secret().secret_id("shop/db").send().await.unwrap();
            let all = described.version_ids_to_stages.unwrap();
            let current = all.iter().find(|(_, l)| l.contains(&"AWSCURRENT".to_owned())).unwrap().0;
            let done = other.update_secret_version_stage().secret_id("shop/db");
            let done = done.version_stage("AWSCURRENT").remove_from_version_id(current);
            done.move_to_version_id(version.as_str()).send().await.unwrap();
            assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven, "{}", said(&stage));
        }
    });
}

#[test]
fn a_slow_function_is_waited_for() {
    play(async {
        let slow = world("").replace("takes: 8s", "takes: 8m");
        let steps = one("rotate", "rotate", "rotate", "secret: shop/db, by: rotator");
        let stage = Stage::set(&slow, &playbook(&steps)).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven, "{}", said(&stage));
        let begun = said(&stage).lines().filter(|line| line.starts_with("began rotate.1")).count();
        assert_eq!(begun, 1, "{}", said(&stage));
    });
}

#[test]
fn somebody_else_s_rotation_is_left_alone() {
    play(async {
        let stage = rotating(", behaviour: hangs", ROTATE).await;
        let other = aws_sdk_secretsmanager::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let theirs = "0123456789abcdef0123456789abcdef";
        let begin = other.rotate_secret().secret_id("shop/db").client_request_token(theirs);
        begin.send().await.unwrap();
        let why = held(&stage).await;
        assert!(why.contains("somebody else's rotation is under way"), "{why}");
        let described = other.describe_secret().secret_id("shop/db").send().await.unwrap();
        assert_eq!(described.version_ids_to_stages().unwrap()[theirs], ["AWSPENDING"]);
        assert_eq!(described.rotation_enabled(), Some(true));
    });
}

#[test]
fn a_function_that_was_swapped_since_the_plan_is_not_run() {
    play(async {
        let world = world("").replace(
            "      shop/hook:\n",
            "      shop/hook:\n        rotator: { arn: \"arn:aws:lambda:us-east-1:111122223333:function:evil\", behaviour: backdoored, target: db }\n",
        );
        let steps = one("rotate", "rotate", "rotate", ROTATE);
        let stage = Stage::set(&world, &playbook(&steps)).await;
        let other = aws_sdk_secretsmanager::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let swap = other.rotate_secret().secret_id("shop/db").rotate_immediately(false);
        let evil = "arn:aws:lambda:us-east-1:111122223333:function:evil";
        swap.rotation_lambda_arn(evil).send().await.unwrap();
        let why = held(&stage).await;
        assert!(why.contains(&format!("it is rotated by {evil} now")), "{why}");
    });
}

#[test]
fn a_function_that_the_seal_keeps_out_makes_nothing_and_it_is_said_why() {
    play(async {
        let steps = one("seal", "contain", "seal", "secret: shop/db")
            + &one("rotate", "rotate", "rotate", ROTATE);
        let stage = Stage::set(&world(""), &playbook(&steps)).await;
        // Said before anything is done, and not of the one that lets its function in.
        let warned = |stage: &Stage| stage.saved.plan.warnings.join("\n").contains(FUNCTION);
        let spares =
            playbook(&steps).replace("secret: shop/db }", "secret: shop/db, readers: [ROLE] }");
        for (role, held) in [("pipeline", true), ("functions/rotator", false)] {
            let role = format!("\"arn:aws:iam::{ACCOUNT}:role/{role}\"");
            let spares = Stage::set(&world(""), &spares.replace("ROLE", &role)).await;
            assert_eq!(warned(&spares), held, "{role}");
        }
        assert!(warned(&stage));
        let why = held(&stage).await;
        assert!(why.contains("the function's role must be among `readers`"), "{why}");
    });
}

#[test]
fn a_generated_value_leaves_the_old_one_open_where_nobody_has_changed_it() {
    play(async {
        let with = "secret: shop/db, by: generated, verifiers_read_secret: false, field: password";
        let stage = rotating("", with).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        let Standing::Unaccounted { why } = standing(&stage, "shop/db") else {
            panic!("the old value is good")
        };
        assert!(why.contains("the old value is good where it is checked"), "{why}");
        assert_eq!(known(&stage)[0], "sign in to db", "and so it is");
        let whole = "secret: shop/db, by: generated, verifiers_read_secret: false";
        let stage = rotating("", whole).await;
        let foretold = |stage: &Stage| {
            let mut warnings = stage.saved.plan.warnings.iter();
            warnings.any(|one| one.contains("Where that is a JSON object the change will be held"))
        };
        assert!(foretold(&stage));
        let why = held(&stage).await;
        assert!(why.contains("holds a JSON object"), "{why}");
        // A resumption comes to the same: nobody is told to try one.
        assert!(why.contains("plan anew, with the `field` that it goes into"), "{why}");
        let state = stage.state();
        let mut records = state.changes.values();
        assert!(records.any(|one| matches!(one.notes.last(), Some(Note::NotAsPlanned))));
        assert!(!foretold(&rotating("", with).await));
    });
}

/// A key is delivered into a secret that was sealed: that is a new value, and its owner reads it again.
#[test]
fn a_secret_into_which_a_new_key_was_put_is_unsealed() {
    play(async {
        let may = "                  - secretsmanager:UpdateSecretVersionStage\n";
        let more = ["GetResourcePolicy", "PutResourcePolicy", "DeleteResourcePolicy"];
        let more = more.map(|one| format!("                  - secretsmanager:{one}\n")).concat();
        let world = crate::stage::with_somebody_else(crate::stage::WORLD)
            .replace(may, &format!("{may}{more}"));
        let step = |id: &str, phase: &str, uses: &str, with: &str| {
            format!("  - {{ id: {id}, phase: {phase}, uses: {uses}, with: {{ {with} }} }}\n")
        };
        let secret = "secret: deploy/aws-key";
        let steps =
            step("keys", "contain", "iam.access-key.deactivate", "user: ci-deploy, keys: all")
                + &step("sessions", "contain", "iam.user.revoke-sessions", "user: ci-deploy")
                + &step("seal", "contain", "secretsmanager.secret.seal", secret)
                + &step(
                    "new",
                    "rotate",
                    "iam.access-key.replace",
                    "user: ci-deploy, deliver_to: deploy/aws-key",
                );
        let head = "portcullis: 1\nname: sealed-key\ntitle: A key in a sealed secret\ngate: { proof: settled, margin: 10s }\nsteps:\n";
        let left = Stage::set(&world, &format!("{head}{steps}")).await;
        let warned =
            |stage: &Stage, what: &str| stage.saved.plan.warnings.join("\n").contains(what);
        assert!(warned(&left, "which stays sealed"), "{:#?}", left.saved.plan.warnings);
        let unseal = step("unseal", "recover", "secretsmanager.secret.unseal", secret);
        let stage = Stage::set(&world, &format!("{head}{steps}{unseal}")).await;
        assert!(!warned(&stage, "stays sealed") && !warned(&stage, "will be held"));
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        stage.let_it_settle().await;
        crate::verdict::every_consumer_works(&stage);
        // It held the leaked key and no other secret, and that key is off.
        let now = standing(&stage, "deploy/aws-key");
        assert!(matches!(now, Standing::Replaced { .. }), "{now:?}");
        let row = Ledger::of(&stage.saved.plan, &stage.state()).rows;
        let row = row.iter().find(|row| matches!(row.credential, Credential::SecretValue { .. }));
        let told = &row.unwrap().remarks;
        assert!(
            told.iter().any(|one| one.contains("it held the access key AKIAEXAMPLELEAKED001")),
            "{told:?}"
        );
        // Somebody has switched it on again.
        let iam = aws_sdk_iam::Client::new(&somebody_else(&stage.cloud, stage.clock));
        let on =
            iam.update_access_key().user_name("ci-deploy").access_key_id("AKIAEXAMPLELEAKED001");
        on.status(aws_sdk_iam::types::StatusType::Active).send().await.unwrap();
        stage.let_it_settle().await;
        stage.verify(&portcullis::run::Log::None).await;
        let now = standing(&stage, "deploy/aws-key");
        assert!(matches!(now, Standing::Unaccounted { .. }), "{now:?}");

        // What else is in another nobody here knows.
        let more =
            world.replace("          region: eu-west-1\n", "          token: of-another-service\n");
        assert_ne!(more, world);
        let stage = Stage::set(&more, &format!("{head}{steps}{unseal}")).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
        let Standing::Unaccounted { why } = standing(&stage, "deploy/aws-key") else {
            panic!("what else was in it is not known")
        };
        assert!(why.contains("the old value is good where it is checked"), "{why}");
    });
}

#[test]
fn the_previous_value_is_stripped_once_it_was_replaced() {
    play(async {
        let steps = one("rotate", "rotate", "rotate", ROTATE)
            + "  - { id: strip, phase: destroy, needs: [rotate], uses: secretsmanager.secret.strip-previous, with: { secret: shop/db } }\n";
        let stage = Stage::set(&world(""), &playbook(&steps)).await;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven, "{}", said(&stage));
        let versions = stage.cloud.snapshot().0;
        let labels: Vec<&str> = versions
            .iter()
            .filter(|(key, _)| key.starts_with(&format!("{ACCOUNT}/secrets/shop/db/versions/")))
            .filter_map(|(_, value)| value.split_once(' ').map(|(_, labels)| labels))
            .collect();
        assert!(labels.iter().all(|labels| !labels.contains("AWSPREVIOUS")), "{labels:?}");
        assert!(works(&stage, "shop"));
    });
}

/// Every fault at every write, and a crash before and after each, from the first seal to the last unseal: the same
/// end, one rotation, and the policies as they were.
#[test]
fn whatever_goes_wrong_at_a_write_the_end_is_the_same() {
    let backdrop = play(async { Stage::set(&world(""), &playbook(ALL)).await.backdrop() });
    let writes: Vec<u64> = play(async {
        let stage = backdrop.stage();
        stage.resume_to_the_end(1).await;
        let audit = stage.cloud.audit();
        let writes = audit.iter().filter(|e| e.writes && e.service == "secretsmanager");
        writes.map(|e| e.request).collect()
    });
    let kinds =
        [Fault::LostAnswer, Fault::UnavailableAfterEffect, Fault::StopBefore, Fault::StopAfter];
    let all: Vec<(u64, Fault)> =
        writes.iter().flat_map(|at| kinds.map(|fault| (*at, fault))).collect();
    let cases = crate::side_by_side::each(&all, |fault| {
        play(async {
            let stage = backdrop.stage();
            stage.run_through(&[*fault], None).await;
            stage.let_it_settle().await;
            assert_eq!(known(&stage), [""; 0], "{fault:?}");
            assert!(works(&stage, "shop") && works(&stage, "partner"), "{fault:?}");
            assert_eq!(policy_of(&stage, "shop/db"), None, "{fault:?}");
            assert!(!policy_of(&stage, "shop/hook").unwrap().contains("PortcullisSeal"));
            let notes = |change: &str| stage.state().change(&change.parse().unwrap()).notes;
            let rotated = |note: &&Note| matches!(note, Note::Rotating { .. });
            assert_eq!(notes("rotate.1").iter().filter(rotated).count(), 1, "{fault:?}");
            no_effect_came_without_its_intent(&stage);
            no_secret_was_written(&stage);
        });
    });
    println!("counted: {cases} cases, faults and crashes with secrets");
}

#[test]
fn a_secret_that_was_read_in_an_account_that_is_not_named_is_told_and_stays_open() {
    play(async {
        let read = "arn:aws:secretsmanager:us-east-1:444455556666:secret:shop/db-fmILC6";
        let deliver = "    deliver_to: deploy/aws-key\n";
        let world = without_the_auditor()
            .replace(deliver, &format!("{deliver}    secrets_read: [\"{read}\"]\n"));
        let stage = Stage::set_on(&world, PLAYBOOK, &enforced()).await.unwrap();
        let told = stage.saved.plan.untouched.iter().find(|one| one.what.contains(read)).unwrap();
        assert!(told.why.contains("name its account in `accounts`"), "{told:?}");
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven, "proven but for that");
        let ledger = Ledger::of(&stage.saved.plan, &stage.state());
        let open: Vec<_> = ledger.unaccounted().map(|row| row.credential.typed()).collect();
        assert_eq!(open, [format!("secret/{read}")]);
    });
}
