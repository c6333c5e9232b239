//! Rotation by a function: labels, the target, and whoever holds the old value.

use std::time::Duration;

use super::{Clients, Cloud, admin, clients, code, settle, with_rotation};
use crate::clock::Clock;

const SECRET: &str = "deploy/db";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

async fn begin(rotator: &str) -> (Cloud, Clock, Clients) {
    let (cloud, clock) = with_rotation(rotator);
    let c = clients(&cloud, clock, &admin(&cloud));
    assert_eq!(works(&cloud), [true, true]);
    assert_eq!(known(&cloud), ["sign in to db"]);
    c.secrets.rotate_secret().secret_id(SECRET).client_request_token(TOKEN).send().await.unwrap();
    (cloud, clock, c)
}

/// Of the two who sign in: one reads before each use, the other holds what it read.
fn works(cloud: &Cloud) -> [bool; 2] {
    let all = cloud.consumers();
    let of = |name: &str| all.iter().find(|c| c.name == name).unwrap().works;
    [of("shop"), of("holder")]
}

/// What the intruder can do with the values he has read.
fn known(cloud: &Cloud) -> Vec<String> {
    let reach = cloud.intruder_reach().into_iter();
    reach.filter(|r| r.credential.starts_with("value")).flat_map(|r| r.allowed).collect()
}

async fn labels(c: &Clients, version: &str) -> Vec<String> {
    let described = c.secrets.describe_secret().secret_id(SECRET).send().await.unwrap();
    let mut labels = described.version_ids_to_stages.unwrap().remove(version).unwrap_or_default();
    labels.sort();
    labels
}

#[tokio::test(start_paused = true)]
async fn a_function_that_works_takes_its_time_and_leaves_the_old_value_useless() {
    let (cloud, clock, c) = begin("").await;
    assert_eq!(labels(&c, TOKEN).await, ["AWSPENDING"]);
    let pending = || c.secrets.get_secret_value().secret_id(SECRET).version_id(TOKEN);
    assert_eq!(code(pending().send().await), "ResourceNotFoundException", "it holds nothing yet");
    let again = c.secrets.rotate_secret().secret_id(SECRET).client_request_token(OTHER);
    assert_eq!(code(again.send().await), "InvalidRequestException");
    clock.sleep(Duration::from_secs(3)).await;
    pending().send().await.unwrap();
    assert_eq!(works(&cloud), [true, true], "created, and not set");
    clock.sleep(Duration::from_secs(2)).await;
    assert_eq!(works(&cloud), [false, false], "set, and not labelled");
    clock.sleep(Duration::from_secs(4)).await;
    assert_eq!(labels(&c, TOKEN).await, ["AWSCURRENT", "AWSPENDING"]);
    assert_eq!(works(&cloud), [true, false]);
    assert_eq!(known(&cloud), [""; 0]);
    clock.sleep(Duration::from_hours(1)).await;
    assert_eq!(works(&cloud), [true, true]);
    let again = c.secrets.rotate_secret().secret_id(SECRET).client_request_token(OTHER);
    again.send().await.unwrap();
    settle(clock).await;
    clock.sleep(Duration::from_secs(8)).await;
    assert_eq!(labels(&c, OTHER).await, ["AWSCURRENT", "AWSPENDING"]);
    assert_eq!(labels(&c, TOKEN).await, ["AWSPREVIOUS"]);
}

#[tokio::test(start_paused = true)]
async fn two_users_who_take_turns_keep_the_first_password_until_the_second_rotation() {
    let (cloud, clock, c) = begin(", users: [app, app-two]").await;
    clock.sleep(Duration::from_secs(9)).await;
    assert_eq!(works(&cloud), [true, true]);
    assert_eq!(known(&cloud), ["sign in to db"], "the other user's password has changed");
    c.secrets.rotate_secret().secret_id(SECRET).client_request_token(OTHER).send().await.unwrap();
    clock.sleep(Duration::from_secs(9)).await;
    assert_eq!(known(&cloud), [""; 0]);
    assert_eq!(works(&cloud), [true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_fails_stays_where_it_failed() {
    for (behaviour, holds, works_after) in [
        ("fails-create", false, [true, true]),
        ("hangs", true, [true, true]),
        ("fails-set", true, [true, true]),
        ("fails-test", true, [false, false]),
    ] {
        let (cloud, clock, c) = begin(&format!(", behaviour: {behaviour}")).await;
        clock.sleep(Duration::from_hours(2)).await;
        assert_eq!(labels(&c, TOKEN).await, ["AWSPENDING"], "{behaviour}");
        let pending = c.secrets.get_secret_value().secret_id(SECRET).version_id(TOKEN).send().await;
        assert_eq!(pending.is_ok(), holds, "{behaviour}");
        assert_eq!(works(&cloud), works_after, "{behaviour}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_kept_from_reading_makes_nothing() {
    let (_, clock, c) = begin(", role: auditor").await;
    clock.sleep(Duration::from_secs(9)).await;
    assert_eq!(labels(&c, TOKEN).await, ["AWSPENDING"]);
    let pending = c.secrets.get_secret_value().secret_id(SECRET).version_id(TOKEN);
    assert_eq!(code(pending.send().await), "ResourceNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn a_backdoored_function_tells_the_intruder() {
    let (cloud, clock, _) = begin(", behaviour: backdoored").await;
    clock.sleep(Duration::from_secs(9)).await;
    assert_eq!(works(&cloud), [true, false]);
    assert_eq!(known(&cloud), ["sign in to db"]);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_goes_on_in_a_saved_world() {
    let (cloud, clock, _) = begin("").await;
    let state = cloud.save();
    assert!(!state.to_string().contains("first-password"), "no password is saved");
    let again = Cloud::load(&state, clock).unwrap();
    clock.sleep(Duration::from_secs(9)).await;
    assert_eq!(works(&again), [true, false]);
    assert_eq!(again.snapshot(), cloud.snapshot());
}
