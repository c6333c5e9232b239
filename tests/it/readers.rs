//! Who has come to read what will be handed out: a secret that somebody opens a second before he is cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use jiff::SignedDuration;
use portcullis::ids::Arn;
use portcullis::inventory::Answers;
use portcullis::journal::Entry;
use portcullis::plan::{Credential, Plan};
use portcullis::planning::{self, Earlier, Planned};
use portcullis::run::{Ending, MOST_ROUNDS};
use portcullis::survey::{self, Thought};

use crate::stage::{Left, PLAYBOOK, Stage, WORLD, play, somebody_else, with_somebody_else};
use crate::verdict::the_gate_was_kept;

const SECRET: &str = "deploy/aws-key";

/// Under a name that is ours: it is anybody's to give.
async fn lets_read(stage: &Stage, who: &str) {
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"PortcullisSeal","Effect":"Allow","Principal":{{"AWS":"{who}"}},"Action":"secretsmanager:GetSecretValue","Resource":"*"}}]}}"#
    );
    let other = aws_sdk_secretsmanager::Client::new(&somebody_else(&stage.cloud, stage.clock));
    let put = other.put_resource_policy().secret_id(SECRET).resource_policy(policy);
    put.send().await.unwrap();
}

/// Somebody answers for all whom the plan, or the last look, has found to have come to read.
async fn answers_for_readers(stage: &Stage) {
    let (plan, until) = (stage.plan(), stage.clock.now() + SignedDuration::from_hours(9));
    let readers = plan.credentials.iter().filter(|one| matches!(one, Credential::Reader { .. }));
    let waived = readers.map(|credential| Entry::Waived {
        credential: credential.clone(),
        until,
        said: stage.said_by("anna"),
    });
    stage.say(waived.collect::<Vec<_>>()).await;
}

#[test]
fn whoever_comes_to_read_what_will_be_delivered_keeps_the_gate_shut_until_he_is_spoken_of() {
    play(async {
        let mut stage = Stage::set(&with_somebody_else(WORLD), PLAYBOOK).await;
        stage.most = MOST_ROUNDS;
        for who in ["444455556666", "777788889999"] {
            let later = async {
                stage.clock.sleep(Duration::from_secs(10)).await;
                lets_read(&stage, who).await;
            };
            let (left, ()) = tokio::join!(stage.run(None), later);
            let Left::Ended(Ending::Held(why)) = left else { panic!("{who}: {left:?}") };
            let said = format!("reading of secret {SECRET} by anyone of account {who}");
            assert!(why.iter().any(|why| why.contains(&said)), "{who}: {why:#?}");
            assert_eq!(the_gate_was_kept(&stage), 0, "{who}: nothing is handed out");
            answers_for_readers(&stage).await;
        }
        let left = stage.run(None).await;
        assert!(matches!(left, Left::Ended(Ending::NotProven)), "{left:?}");
        assert!(the_gate_was_kept(&stage) > 0);
    });
}

/// Also where no survey is made in between: the secret is looked at before every attempt.
#[test]
fn a_secret_that_was_opened_since_is_delivered_into_by_nobody_who_looks() {
    play(async {
        let stage = Stage::set(&with_somebody_else(WORLD), PLAYBOOK).await;
        lets_read(&stage, "444455556666").await;
        let left = stage.run(None).await;
        let Left::Ended(Ending::Held(why)) = left else { panic!("{left:?}") };
        assert!(why.iter().any(|why| why.contains("reading of secret")), "{why:#?}");
        assert_eq!(the_gate_was_kept(&stage), 0, "nothing is handed out");
    });
}

#[test]
fn where_the_policy_may_not_be_read_the_run_says_that_it_has_not_seen_who_reads() {
    play(async {
        let may = "                  - secretsmanager:GetResourcePolicy\n";
        assert!(WORLD.contains(may));
        let mut stage = Stage::set(&WORLD.replacen(may, "", 1), PLAYBOOK).await;
        stage.most = MOST_ROUNDS;
        let short: Vec<&str> =
            stage.saved.plan.at_best.iter().map(|short| short.why.as_str()).collect();
        let foretold = short.iter().any(|why| why.contains("secretsmanager:GetResourcePolicy"));
        assert!(foretold, "{short:#?}");
        let left = stage.run(None).await;
        assert!(matches!(left, Left::Ended(Ending::NotProven)), "{left:?}");
        assert!(the_gate_was_kept(&stage) > 0);
        assert!(stage.state().not_seen.contains("secretsmanager:GetResourcePolicy"));
    });
}

/// A session of a role in reach that nobody cuts would read what is delivered.
#[test]
fn a_role_in_reach_that_may_read_what_is_delivered_keeps_the_gate_shut() {
    let policy = "        attached: [\"arn:aws:iam::aws:policy/IAMReadOnlyAccess\"]\n";
    let reads = format!(
        "{policy}        inline: {{ reads: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Action: \"secretsmanager:GetSecretValue\", Resource: \"*\" }}] }} }}\n"
    );
    let world = WORLD.replacen(policy, &reads, 1);
    assert_ne!(world, WORLD);
    play(async {
        let stage = Stage::set(&world, PLAYBOOK).await;
        let left = stage.run(None).await;
        let Left::Ended(Ending::Held(why)) = left else { panic!("{left:?}") };
        assert!(why.iter().any(|why| why.contains("role-sessions/auditor")), "{why:#?}");
        assert_eq!(the_gate_was_kept(&stage), 0, "nothing is handed out");
        let role = portcullis::ids::RoleName::parse("auditor").unwrap();
        let until = stage.clock.now() + SignedDuration::from_hours(9);
        let credential = Credential::RoleSessions { role };
        stage.say([Entry::Waived { credential, until, said: stage.said_by("anna") }]).await;
        assert!(matches!(stage.run(None).await, Left::Ended(Ending::NotProven)));
        assert!(the_gate_was_kept(&stage) > 0);
    });
    // Where its policies may not be read, that is said, and the gate does not wait for it.
    let may = "                  - iam:GetAccountAuthorizationDetails\n";
    let blind = world.replacen(may, "", 1);
    assert_ne!(blind, world);
    play(async {
        let stage = Stage::set(&blind, PLAYBOOK).await;
        let told = &stage.saved.plan.warnings;
        assert!(told.iter().any(|told| told.contains("sessions of role auditor")), "{told:#?}");
        assert!(matches!(stage.run(None).await, Left::Ended(Ending::NotProven)));
    });
}

/// What he may give himself with the next request he has.
#[test]
fn a_role_in_reach_that_may_let_itself_read_keeps_the_gate_shut() {
    let policy = "        attached: [\"arn:aws:iam::aws:policy/IAMReadOnlyAccess\"]\n";
    let may = |action: &str, on: &str| {
        let inline = format!(
            "{policy}        inline: {{ gives: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Action: \"{action}\", Resource: \"{on}\" }}] }} }}\n"
        );
        let world = WORLD.replacen(policy, &inline, 1);
        assert_ne!(world, WORLD);
        play(async {
            let stage = Stage::set(&world, PLAYBOOK).await;
            let left = stage.run(None).await;
            (left, the_gate_was_kept(&stage))
        })
    };
    let auditor = "arn:aws:iam::111122223333:role/auditor";
    for (action, on) in [
        ("iam:PutRolePolicy", auditor),
        ("iam:AttachRolePolicy", "*"),
        ("secretsmanager:PutResourcePolicy", "*"),
    ] {
        let (left, kept) = may(action, on);
        let Left::Ended(Ending::Held(why)) = left else { panic!("{action}: {left:?}") };
        assert!(why.iter().any(|why| why.contains("role-sessions/auditor")), "{action}: {why:#?}");
        assert_eq!(kept, 0, "{action}: nothing is handed out");
    }
    // To others it may give what it likes: it is not one of them.
    let (left, kept) = may("iam:PutRolePolicy", "arn:aws:iam::111122223333:role/other");
    assert!(matches!(left, Left::Ended(Ending::NotProven)), "{left:?}");
    assert!(kept > 0);
}

/// What forbids him to read he may take off with the next request; or what bounds him.
#[test]
fn a_role_in_reach_that_may_take_off_what_keeps_it_from_reading_keeps_the_gate_shut() {
    let attached = "attached: [\"arn:aws:iam::aws:policy/IAMReadOnlyAccess\"";
    let own = |name: &str| format!("arn:aws:iam::111122223333:policy/{name}");
    let policy = |effect: &str, actions: &str| {
        format!(
            "{{ Version: \"2012-10-17\", Statement: [{{ Effect: {effect}, Action: {actions}, Resource: \"*\" }}] }}"
        )
    };
    let reads = "\"secretsmanager:GetSecretValue\"";
    let plays = |may: &str, inline: &str, more: &str, bounded: bool| {
        let boundary = if bounded {
            format!("\n        boundary: \"{}\"", own("bounds"))
        } else {
            String::new()
        };
        let now = format!(
            "{attached}{more}]{boundary}\n        inline: {{ does: {}{inline} }}",
            policy("Allow", &format!("[{reads}, {may}]"))
        );
        let bounds = policy("Allow", &format!("[\"iam:*\", {may}]"));
        let world = WORLD.replacen(&format!("{attached}]"), &now, 1);
        assert_ne!(world, WORLD);
        let policies = format!(
            "    policies:\n      bounds: {bounds}\n      forbids: {}\n    secrets:\n",
            policy("Deny", reads)
        );
        let world = world.replacen("    secrets:\n", &policies, 1);
        play(async {
            let stage = Stage::set(&world, PLAYBOOK).await;
            let left = stage.run(None).await;
            (left, the_gate_was_kept(&stage))
        })
    };
    let denied = format!(", forbids: {}", policy("Deny", reads));
    let detached = format!(", \"{}\"", own("forbids"));
    for (may, inline, more, bounded) in [
        ("\"iam:DeleteRolePermissionsBoundary\"", "", "", true),
        ("\"iam:PutRolePermissionsBoundary\"", "", "", true),
        ("\"iam:SetDefaultPolicyVersion\"", "", "", true),
        ("\"iam:DeleteRolePolicy\"", &*denied, "", false),
        ("\"iam:DetachRolePolicy\"", "", &*detached, false),
    ] {
        let (left, kept) = plays(may, inline, more, bounded);
        let Left::Ended(Ending::Held(why)) = left else { panic!("{may}: {left:?}") };
        assert!(why.iter().any(|why| why.contains("role-sessions/auditor")), "{may}: {why:#?}");
        assert_eq!(kept, 0, "{may}: nothing is handed out");
    }
    // Under a boundary, or a deny, that it cannot take off it reads nothing.
    for (inline, more, bounded) in [("", "", true), (&*denied, "", false), ("", &*detached, false)]
    {
        let (left, kept) = plays("\"iam:GetUser\"", inline, more, bounded);
        assert!(matches!(left, Left::Ended(Ending::NotProven)), "{left:?}");
        assert!(kept > 0);
    }
}

/// Whoever runs it works through his role: he would have to cut himself, and no word that comes through it would count.
#[test]
fn the_role_that_the_run_works_through_is_not_waited_for() {
    let outside = "{ AWS: \"arn:aws:iam::999988887777:root\" }";
    let world = WORLD.replace(outside, "{ AWS: \"arn:aws:iam::111122223333:root\" }");
    assert_ne!(world, WORLD);
    play(async {
        let stage = Stage::set(&world, PLAYBOOK).await;
        let role = portcullis::ids::RoleName::parse("incident-responder").unwrap();
        let own = Credential::RoleSessions { role };
        let plan = &stage.saved.plan;
        assert!(plan.roles.iter().any(|role| role.sessions == own), "it is a row");
        assert!(!plan.credentials.contains(&own));
        assert!(matches!(stage.run(None).await, Left::Ended(Ending::NotProven)));
        assert!(the_gate_was_kept(&stage) > 0);
    });
}

/// Another goes on with the case through a role of his own: the first one's is no more an intruder's for that.
#[test]
fn a_role_that_somebody_has_worked_on_the_case_through_is_not_waited_for() {
    let policy = "        attached: [\"arn:aws:iam::aws:policy/IAMReadOnlyAccess\"]\n";
    let reads = format!(
        "{policy}        inline: {{ reads: {{ Version: \"2012-10-17\", Statement: [{{ Effect: Allow, Action: \"secretsmanager:GetSecretValue\", Resource: \"*\" }}] }} }}\n"
    );
    let world = WORLD.replacen(policy, &reads, 1);
    play(async {
        let stage = Stage::set(&world, PLAYBOOK).await;
        let role = portcullis::ids::RoleName::parse("auditor").unwrap();
        let auditor = Credential::RoleSessions { role };
        assert!(stage.saved.plan.credentials.contains(&auditor), "else there is nothing to see");
        let mut plan = stage.saved.plan.clone();
        let others = plan.credentials.iter().filter(|one| **one != auditor).cloned();
        plan.credentials = others.collect::<Vec<_>>().into();
        let (connection, _) = crate::stage::connect(&stage.cloud, stage.clock);
        let again = async |plan: &Plan, by: &[&str]| {
            let arn = |role: &&str| {
                Arn::parse(format!("arn:aws:sts::111122223333:assumed-role/{role}/anna")).unwrap()
            };
            let workers = by.iter().map(arn).collect();
            let mut inventory = stage.saved.inventory.clone();
            let planned = survey::until(connection.read(), &mut inventory, |inventory| {
                let earlier = Earlier {
                    plan,
                    inventory: &stage.saved.inventory,
                    begun: &BTreeSet::new(),
                    issued: &BTreeSet::new(),
                    canaries: &BTreeMap::new(),
                    seen_off: &BTreeSet::new(),
                    as_found: &Answers::default(),
                    workers: &workers,
                    cuts_alone: false,
                };
                let playbook = crate::stage::read(PLAYBOOK);
                Ok::<_, Infallible>(match planning::plan_again(&playbook, inventory, &earlier) {
                    Ok(Planned::Plan(plan)) => Thought::Ready(plan),
                    Ok(Planned::Needs(wants)) => Thought::Needs(wants),
                    Err(problems) => panic!("{problems:#?}"),
                })
            });
            planned.await.unwrap().unwrap().credentials.contains(&auditor)
        };
        assert!(again(&plan, &[]).await, "nobody has worked through it");
        assert!(!again(&plan, &["auditor"]).await);
        assert!(again(&stage.saved.plan, &["auditor"]).await, "what was found of it stays");
    });
}
