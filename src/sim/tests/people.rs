//! Consumers and the intruder, through a whole eviction done by hand.

use std::time::Duration;

use aws_sdk_iam::types::StatusType;
use jiff::SignedDuration;

use super::{Clients, Cloud, LEAKED, WORLD, clients, cloud_of, settle, shipped_with};
use crate::ids::AccessKeyId;

const DENY_ALL: &str = "arn:aws:iam::aws:policy/AWSDenyAll";
const SECRET: &str = "deploy/aws-key";

fn works(cloud: &Cloud) -> Vec<bool> {
    cloud.consumers().iter().map(|c| c.works).collect()
}

/// Mints a key and puts it where the pipeline reads, as the playbook does; tells its id.
async fn replace(c: &Clients) -> String {
    c.iam.delete_access_key().user_name("ci-deploy").access_key_id(LEAKED).send().await.unwrap();
    let made = c.iam.create_access_key().user_name("ci-deploy").send().await.unwrap();
    let made = made.access_key.unwrap();
    let value = serde_json::json!({
        "access_key_id": made.access_key_id(),
        "secret_access_key": made.secret_access_key(),
    });
    let put = c.secrets.put_secret_value().secret_id(SECRET).secret_string(value.to_string());
    let put = put.version_stages("portcullis").send().await.unwrap();
    let stages = c.secrets.describe_secret().secret_id(SECRET).send().await.unwrap();
    let stages = stages.version_ids_to_stages.unwrap();
    let (current, _) = stages.iter().find(|(_, s)| s.contains(&"AWSCURRENT".to_owned())).unwrap();
    let update = c.secrets.update_secret_version_stage().secret_id(SECRET);
    let update = update.version_stage("AWSCURRENT").remove_from_version_id(current);
    update.move_to_version_id(put.version_id().unwrap()).send().await.unwrap();
    made.access_key_id().to_owned()
}

#[tokio::test(start_paused = true)]
async fn an_eviction_by_hand_ends_with_the_intruder_out_and_everybody_at_work() {
    let (cloud, clock) = cloud_of(WORLD);
    let c = clients(&cloud, clock, &cloud.responder_credentials());
    assert_eq!(works(&cloud), [true, true]);
    let attach = c.iam.attach_user_policy().user_name("ci-deploy").policy_arn(DENY_ALL);
    attach.send().await.unwrap();
    for id in [LEAKED, "AKIAEXAMPLEHUNGON002"] {
        let update = c.iam.update_access_key().user_name("ci-deploy").access_key_id(id);
        update.status(StatusType::Inactive).send().await.unwrap();
    }
    settle(clock).await;
    let date = (cloud.now() + SignedDuration::from_secs(1)).to_string();
    let older = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"DateLessThan":{{"aws:TokenIssueTime":"{date}"}}}}}}]}}"#
    );
    let put = c.iam.put_user_policy().user_name("ci-deploy").policy_name("older");
    put.policy_document(older).send().await.unwrap();
    settle(clock).await;
    assert!(cloud.intruder_reach().iter().all(|r| r.allowed.is_empty()));
    assert_eq!(works(&cloud), [false, true]);

    let new = replace(&c).await;
    let detach = c.iam.detach_user_policy().user_name("ci-deploy").policy_arn(DENY_ALL);
    detach.send().await.unwrap();
    settle(clock).await;
    assert_eq!(works(&cloud), [true, true]);
    assert_eq!(cloud.consumers()[0].key.as_ref(), Some(&new));
    let reach = cloud.intruder_reach();
    assert!(reach.iter().all(|r| r.allowed.is_empty()), "{reach:?}");
    assert_eq!(reach.iter().map(|r| r.alive).collect::<Vec<_>>(), [false, false, true, true]);

    // The older-than deny is what keeps his sessions out: without it they are back.
    let delete = c.iam.delete_user_policy().user_name("ci-deploy").policy_name("older");
    delete.send().await.unwrap();
    settle(clock).await;
    assert!(!cloud.intruder_reach()[2].allowed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_reads_now_and_then_holds_on_to_the_old_key() {
    let (cloud, clock) = cloud_of(&shipped_with(
        "reads: deploy/aws-key",
        "reads: deploy/aws-key\n    refreshed: 5m",
    ));
    let c = clients(&cloud, clock, &cloud.responder_credentials());
    assert_eq!(works(&cloud), [true, true]);
    let new = replace(&c).await;
    settle(clock).await;
    let state = &cloud.consumers()[0];
    assert_eq!((state.works, state.key.as_deref()), (false, Some(LEAKED)));
    assert!(state.why.as_ref().unwrap().contains("InvalidClientTokenId"));
    clock.sleep(Duration::from_mins(5)).await;
    let state = &cloud.consumers()[0];
    assert_eq!((state.works, state.key.as_deref()), (true, Some(new.as_str())));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_says_what_is_in_its_way() {
    for (value, expected) in [
        ("not json", "what is in deploy/aws-key is not JSON"),
        ("{}", "what is in deploy/aws-key is no access key"),
        (
            r#"{"access_key_id":"AKIAEXAMPLELEAKED001","secret_access_key":"wrong"}"#,
            "the secret in deploy/aws-key is not that of AKIAEXAMPLELEAKED001",
        ),
    ] {
        let (cloud, clock) = cloud_of(WORLD);
        let c = clients(&cloud, clock, &cloud.responder_credentials());
        let put = c.secrets.put_secret_value().secret_id(SECRET).secret_string(value);
        put.send().await.unwrap();
        assert_eq!(cloud.consumers()[0].why.as_deref(), Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_reads_created_works_only_after_the_lag() {
    let (cloud, clock) = cloud_of(WORLD);
    let c = clients(&cloud, clock, &cloud.responder_credentials());
    let new = AccessKeyId::parse(replace(&c).await).unwrap();
    let put = |cloud: &Cloud| cloud.probe(&new, "s3:PutObject", "arn:aws:s3:::site/x");
    assert_eq!(put(&cloud), super::Probe::Dead("InvalidClientTokenId"));
    settle(clock).await;
    assert_eq!(put(&cloud), super::Probe::Allowed);
}

/// The world with the first key's owner restricted to one network.
fn restricted(consumer_from: &str, intruder_from: &str) -> Cloud {
    let deny = r#"{ "Version": "2012-10-17", "Statement": [{ "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": { "NotIpAddressIfExists": { "aws:SourceIp": ["203.0.113.0/24"] }, "StringNotEqualsIfExists": { "aws:SourceVpc": ["vpc-0a1b2c3d"] }, "BoolIfExists": { "aws:ViaAWSService": "false" } } }] }"#;
    let world = WORLD
        .replace("        inline:\n", &format!("        inline:\n          network: {deny}\n"))
        .replace(
            "    reads: deploy/aws-key\n",
            &format!("    reads: deploy/aws-key\n    {consumer_from}\n"),
        )
        .replace("intruder:\n", &format!("intruder:\n  source_ip: {intruder_from}\n"));
    assert_eq!(world.matches("source_").count(), WORLD.matches("source_").count() + 2, "{world}");
    cloud_of(&world).0
}

#[tokio::test(start_paused = true)]
async fn who_asks_from_elsewhere_is_denied_what_only_a_network_may() {
    for (consumer, works) in [
        ("source_ip: 203.0.113.7", true),
        ("source_vpc: vpc-0a1b2c3d", true),
        ("source_ip: 198.51.100.7", false),
        ("source_vpc: vpc-0a1b2c3e", false),
    ] {
        for (intruder, reaches) in [("203.0.113.9", true), ("198.51.100.9", false)] {
            let cloud = restricted(consumer, intruder);
            assert_eq!(cloud.consumers()[0].works, works, "{consumer}");
            let reach = cloud.intruder_reach();
            let his = reach.iter().find(|reach| reach.credential == LEAKED).unwrap();
            assert_eq!(!his.allowed.is_empty(), reaches, "{intruder}: {his:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_may_work_as_a_role_with_sessions_that_are_renewed() {
    let consumer = "  - name: function\n    account: \"111122223333\"\n    as: { role: pipeline }\n    refreshed: 1h\n    needs: [{ action: \"secretsmanager:GetSecretValue\", resource: \"arn:aws:secretsmanager:us-east-1:111122223333:secret:deploy/x\" }]\n";
    let world = WORLD.replace("consumers:\n", &format!("consumers:\n{consumer}"));
    let world = world.replace(
        "        groups: [deployers]\n",
        "        groups: [deployers]\n        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n",
    );
    let (cloud, clock) = cloud_of(&world);
    let works = || {
        let found = cloud.consumers().into_iter().find(|c| c.name == "function").unwrap();
        found.works
    };
    assert!(works());
    let admin = clients(&cloud, clock, &cloud.credentials_of(&AccessKeyId::parse(LEAKED).unwrap()));
    let older = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"DateLessThan":{{"aws:TokenIssueTime":"{}"}}}}}}]}}"#,
        clock.now() + jiff::SignedDuration::from_secs(1)
    );
    let put = admin.iam.put_role_policy().role_name("pipeline").policy_name("older");
    put.policy_document(older).send().await.unwrap();
    settle(clock).await;
    assert!(!works(), "its session is older");
    clock.sleep(Duration::from_hours(1)).await;
    assert!(works(), "it has a new one");
}
