//! What is read at once is enforced later.

use std::time::Duration;

use aws_sdk_iam::types::StatusType;

use super::{LEAKED, WORLD, clients, cloud_of, code, key, message, settle, shipped_with};

async fn switch(iam: &aws_sdk_iam::Client, id: &str, status: StatusType) {
    let update = iam.update_access_key().user_name("ci-deploy").access_key_id(id).status(status);
    update.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_reads_inactive_works_until_the_lag_is_over() {
    let (cloud, clock) = cloud_of(WORLD);
    let responder = clients(&cloud, clock, &cloud.responder_credentials());
    let leaked = clients(&cloud, clock, &key(&cloud, LEAKED));
    switch(&responder.iam, LEAKED, StatusType::Inactive).await;
    let listed = responder.iam.list_access_keys().user_name("ci-deploy").send().await.unwrap();
    assert_eq!(listed.access_key_metadata()[0].status(), Some(&StatusType::Inactive));
    leaked.sts.get_caller_identity().send().await.unwrap();
    clock.sleep(Duration::from_millis(3999)).await;
    leaked.sts.get_caller_identity().send().await.unwrap();
    clock.sleep(Duration::from_millis(1)).await;
    assert_eq!(code(leaked.sts.get_caller_identity().send().await), "InvalidClientTokenId");
    let value = leaked.secrets.get_secret_value().secret_id("deploy/aws-key").send().await;
    assert_eq!(code(value), "UnrecognizedClientException");
    // And the other way round.
    switch(&responder.iam, LEAKED, StatusType::Active).await;
    assert_eq!(code(leaked.sts.get_caller_identity().send().await), "InvalidClientTokenId");
    settle(clock).await;
    leaked.sts.get_caller_identity().send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_quarantine_is_a_race_that_the_intruder_may_win() {
    let (cloud, clock) = cloud_of(WORLD);
    let responder = clients(&cloud, clock, &cloud.responder_credentials());
    let deny = "arn:aws:iam::aws:policy/AWSDenyAll";
    let attach = responder.iam.attach_user_policy().user_name("ci-deploy").policy_arn(deny);
    attach.send().await.unwrap();
    let leaked = clients(&cloud, clock, &key(&cloud, LEAKED));
    leaked.iam.list_access_keys().send().await.unwrap();
    settle(clock).await;
    let refused = message(leaked.iam.list_access_keys().send().await);
    assert_eq!(
        refused,
        "User: arn:aws:iam::111122223333:user/ci/ci-deploy is not authorized to perform: iam:ListAccessKeys on resource: arn:aws:iam::111122223333:user/ci/ci-deploy with an explicit deny in an identity-based policy"
    );
    // Whoever has good credentials may still say who he is.
    leaked.sts.get_caller_identity().send().await.unwrap();
    // Nothing that the intruder holds reaches anything, and the bystander notices nothing.
    assert!(cloud.intruder_reach().iter().all(|r| r.alive && r.allowed.is_empty()));
    let works: Vec<_> = cloud.consumers().into_iter().map(|c| (c.name, c.works)).collect();
    assert_eq!(works, [("deploy-pipeline".into(), false), ("nightly-backup".into(), true)]);
}

#[tokio::test(start_paused = true)]
async fn reading_may_trail_too() {
    let (cloud, clock) = cloud_of(&shipped_with("lag: 4s", "lag: 4s\nread_lag: 2s"));
    let responder = clients(&cloud, clock, &cloud.responder_credentials());
    switch(&responder.iam, LEAKED, StatusType::Inactive).await;
    let status = || async {
        let listed = responder.iam.list_access_keys().user_name("ci-deploy").send().await.unwrap();
        listed.access_key_metadata()[0].status().unwrap().clone()
    };
    assert_eq!(status().await, StatusType::Active);
    clock.sleep(Duration::from_secs(2)).await;
    assert_eq!(status().await, StatusType::Inactive);
}

#[tokio::test(start_paused = true)]
async fn dates_are_those_of_aws_and_old_signatures_are_refused() {
    let (cloud, clock) = cloud_of(&shipped_with("lag: 4s", "lag: 4s\nclock_skew: 10m"));
    let c = clients(&cloud, clock, &cloud.responder_credentials());
    c.sts.get_caller_identity().send().await.unwrap();
    assert_eq!(cloud.audit()[0].at.to_string(), "2026-03-24T07:20:00Z");
    let (cloud, clock) = cloud_of(&shipped_with("lag: 4s", "lag: 4s\nclock_skew: 16m"));
    let c = clients(&cloud, clock, &cloud.responder_credentials());
    let refused = c.sts.get_caller_identity().send().await;
    assert!(
        message(refused).starts_with("Signature expired: 20260324T071000Z is now earlier than")
    );
    let (cloud, clock) = cloud_of(&shipped_with("lag: 4s", "lag: 4s\nclock_skew: -16m"));
    let c = clients(&cloud, clock, &cloud.responder_credentials());
    let refused = c.sts.get_caller_identity().send().await;
    assert!(message(refused).starts_with("Signature not yet current"));
}
