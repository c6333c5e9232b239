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
