//! A world that is put away and taken up again.

use super::super::saved_at;
use super::{Clock, Cloud, LEAKED, admin, clients, cloud_of, code, key, with_administrator};
use std::time::Duration;

/// Whatever a client might do that leaves a secret somewhere.
async fn be_busy(cloud: &Cloud, clock: Clock) {
    let c = clients(cloud, clock, &admin(cloud));
    c.iam.create_access_key().user_name("backup").send().await.unwrap();
    let password = c.iam.create_login_profile().user_name("backup").password("Correct horse 1");
    password.send().await.unwrap();
    let service = c.iam.create_service_specific_credential().user_name("backup");
    service.service_name("codecommit.amazonaws.com").send().await.unwrap();
    c.sts.get_session_token().send().await.unwrap();
    c.sts.get_federation_token().name("support").send().await.unwrap();
    // Left to itself the SDK makes up a token, which becomes the version's id.
    let put = c.secrets.put_secret_value().secret_id("deploy/aws-key");
    let put = put.client_request_token("0123456789abcdef0123456789abcdef");
    let put = put.secret_string("battery staple");
    put.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_saved_shows_a_secret() {
    let (cloud, clock) = with_administrator();
    be_busy(&cloud, clock).await;
    let shown = format!(
        "{}{:?}{:?}{:?}{:?}",
        cloud.save(),
        cloud.snapshot(),
        cloud.audit(),
        cloud.consumers(),
        cloud
    );
    let canaries = cloud.canaries();
    let has = |wanted: &str| canaries.iter().any(|c| c.expose() == wanted);
    assert!(
        has("Correct horse 1") && has("battery staple") && has(key(&cloud, LEAKED).secret.expose())
    );
    // Five keys with the admin's and the new one; five sessions, of two secrets each; four values.
    assert_eq!(canaries.len(), 5 + 10 + 4);
    for canary in &canaries {
        assert!(!shown.contains(canary.expose()), "{}", canary.expose());
    }
}

#[tokio::test(start_paused = true)]
async fn a_saved_world_goes_on_as_if_nothing_had_been() {
    let (cloud, clock) = with_administrator();
    be_busy(&cloud, clock).await;
    let c = clients(&cloud, clock, &cloud.responder_credentials());
    let off = c.iam.update_access_key().user_name("ci-deploy").access_key_id(LEAKED);
    off.status(aws_sdk_iam::types::StatusType::Inactive).send().await.unwrap();
    clock.sleep(Duration::from_secs(3)).await;

    // Through text, as a file would have it.
    let state = serde_json::from_str(&cloud.save().to_string()).unwrap();
    let clock = Clock::starting_at(saved_at(&state).unwrap());
    let again = Cloud::load(&state, clock).unwrap();
    assert!(again.save() == cloud.save(), "saving what was loaded gives other bytes");
    assert_eq!(again.snapshot(), cloud.snapshot());
    assert_eq!(again.audit(), cloud.audit());
    // The lag that had begun goes on.
    let leaked = clients(&again, clock, &key(&again, LEAKED));
    leaked.sts.get_caller_identity().send().await.unwrap();
    clock.sleep(Duration::from_secs(1)).await;
    assert_eq!(code(leaked.sts.get_caller_identity().send().await), "InvalidClientTokenId");
}

#[tokio::test(start_paused = true)]
async fn the_same_requests_give_the_same_bytes() {
    let mut saved = Vec::new();
    for _ in 0..2 {
        let (cloud, clock) = with_administrator();
        be_busy(&cloud, clock).await;
        saved.push(cloud.save().to_string());
    }
    assert!(saved[0] == saved[1], "two runs of the same requests differ");
    let (other, clock) = cloud_of(&super::shipped_with("seed: 7", "seed: 8"));
    clients(&other, clock, &other.responder_credentials())
        .sts
        .get_caller_identity()
        .send()
        .await
        .unwrap();
    assert_ne!(
        key(&other, LEAKED).secret.expose(),
        key(&with_administrator().0, LEAKED).secret.expose()
    );
}

#[tokio::test(start_paused = true)]
async fn damage_is_refused() {
    let (cloud, clock) = with_administrator();
    for damage in ["", "[]", "{}", r#"{"format":1}"#] {
        let state = serde_json::from_str(damage).unwrap_or(serde_json::Value::Null);
        assert!(Cloud::load(&state, clock).is_err(), "{damage}");
    }
    let mut state = cloud.save();
    state["format"] = 1.into();
    assert!(Cloud::load(&state, clock).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_world_is_moved_to_the_time_of_its_clock() {
    let world = super::World::parse(super::WORLD).unwrap();
    let clock = Clock::starting_at("2030-01-01T00:00:00Z".parse().unwrap());
    let cloud = Cloud::new(&world, clock);
    let c = clients(&cloud, clock, &cloud.responder_credentials());
    let user = c.iam.get_user().user_name("ci-deploy").send().await.unwrap().user.unwrap();
    assert_eq!(user.create_date().to_string(), "2027-10-20T01:50:00Z");
    assert!(cloud.intruder_reach().iter().all(|r| r.alive));
}

#[tokio::test(start_paused = true)]
async fn snapshots_tell_what_changed() {
    let (cloud, clock) = with_administrator();
    let before = cloud.snapshot();
    let c = clients(&cloud, clock, &admin(&cloud));
    c.iam.list_users().send().await.unwrap();
    assert_eq!(before.changes_to(&cloud.snapshot()), [""; 0]);
    let off = c.iam.update_access_key().user_name("ci-deploy").access_key_id(LEAKED);
    off.status(aws_sdk_iam::types::StatusType::Inactive).send().await.unwrap();
    let entry = format!("111122223333/users/ci-deploy/keys/{LEAKED}");
    let expected = [format!("- {entry}: Active"), format!("+ {entry}: Inactive")];
    assert_eq!(before.changes_to(&cloud.snapshot()), expected);
}
