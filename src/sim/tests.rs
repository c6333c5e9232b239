//! The rehearsal cloud driven by the real SDK, without a socket, on the paused clock, and judged by
//! the world.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as SdkCredentials;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::{SharedCredentialsProvider, SharedHttpClient};

use super::{Cloud, Credentials, Fault, OPERATIONS, Probe, World};
use crate::clock::Clock;
use crate::ids::AccessKeyId;

mod faults;
mod intruder;
mod loopback;
mod operations;
mod password_policy;
mod passwords;
mod people;
mod propagation;
mod rotation;
mod saving;
mod sessions;

const WORLD: &str = include_str!("../../playbooks/leaked-access-key/world.yaml");
const ACCOUNT: &str = "111122223333";
const LEAKED: &str = "AKIAEXAMPLELEAKED001";

#[derive(Debug)]
struct SdkTime(Clock);
impl TimeSource for SdkTime {
    fn now(&self) -> SystemTime {
        self.0.now().into()
    }
}

/// A world with an administrator, who has a key, beside the shipped one.
fn cloud_of(yaml: &str) -> (Cloud, Clock) {
    let world = World::parse(yaml).unwrap();
    let clock = Clock::starting_at(world.now());
    (Cloud::new(&world, clock), clock)
}

fn shipped_with(from: &str, to: &str) -> String {
    assert!(WORLD.contains(from));
    WORLD.replace(from, to)
}

/// The shipped world, whose responder may do anything.
fn with_administrator() -> (Cloud, Clock) {
    let admin = "      backup:\n        path: /ops/\n";
    let user = "      admin:\n        keys: [{ id: AKIAEXAMPLEADMIN0009 }]\n        mfa: [\"arn:aws:iam::111122223333:mfa/admin\"]\n        certificates: [{ body: one }]\n        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n";
    cloud_of(&shipped_with(admin, &format!("{user}{admin}")))
}

fn admin(cloud: &Cloud) -> Credentials {
    key(cloud, "AKIAEXAMPLEADMIN0009")
}

/// The same with a secret that a function rotates, and a database that takes what is in it.
fn with_rotation(rotator: &str) -> (Cloud, Clock) {
    let admin = "      backup:\n        path: /ops/\n";
    let user = "      admin:\n        keys: [{ id: AKIAEXAMPLEADMIN0009 }]\n        mfa: [\"arn:aws:iam::111122223333:mfa/admin\"]\n        certificates: [{ body: one }]\n        attached: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n";
    let world = shipped_with(admin, &format!("{user}{admin}"));
    let secret = format!(
        "    secrets:\n      deploy/db:\n        value: {{ username: app, password: first-password-of-app }}\n        rotator: {{ arn: \"{FUNCTION}\", takes: 8s, target: db{rotator} }}\n"
    );
    let world = world.replacen("    secrets:\n", &secret, 1);
    let targets = "targets:\n  db: { logins: { app: first-password-of-app, app-two: first-password-of-two } }\nconsumers:\n  - { name: shop, account: \"111122223333\", as: { role: pipeline }, reads: deploy/db, logs_in_to: db }\n  - { name: holder, account: \"111122223333\", as: { role: pipeline }, reads: deploy/db, logs_in_to: db, refreshed: 1h }\n";
    let world = world.replacen("consumers:\n", targets, 1);
    let world = world.replacen("intruder:\n", "intruder:\n  read: [deploy/db]\n", 1);
    cloud_of(&world)
}

/// The function that rotates it.
const FUNCTION: &str = "arn:aws:lambda:us-east-1:111122223333:function:rotate-db";

fn key(cloud: &Cloud, id: &str) -> Credentials {
    cloud.credentials_of(&AccessKeyId::parse(id).unwrap())
}

struct Clients {
    iam: aws_sdk_iam::Client,
    sts: aws_sdk_sts::Client,
    secrets: aws_sdk_secretsmanager::Client,
    trail: aws_sdk_cloudtrail::Client,
}

fn clients(cloud: &Cloud, clock: Clock, who: &Credentials) -> Clients {
    let token = who.session_token.as_ref().map(|t| t.expose().to_owned());
    let id = who.access_key_id.as_str();
    let credentials = SdkCredentials::new(id, who.secret.expose(), token, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(aws_sdk_sts::config::BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(SharedHttpClient::new(cloud.clone()))
        .time_source(SdkTime(clock))
        .sleep_impl(TokioSleep::new())
        .retry_config(RetryConfig::disabled())
        .build();
    Clients {
        iam: aws_sdk_iam::Client::new(&config),
        sts: aws_sdk_sts::Client::new(&config),
        secrets: aws_sdk_secretsmanager::Client::new(&config),
        trail: aws_sdk_cloudtrail::Client::new(&config),
    }
}

/// Credentials as an answer of STS has them.
fn issued(answer: &aws_sdk_sts::types::Credentials) -> Credentials {
    Credentials {
        access_key_id: AccessKeyId::parse(answer.access_key_id()).unwrap(),
        secret: crate::secret::Secret::new(answer.secret_access_key().to_owned()),
        session_token: Some(crate::secret::Secret::new(answer.session_token().to_owned())),
    }
}

/// The code of an error, which there must be.
#[track_caller]
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, E>,
) -> String {
    let error = result.expect_err("it should have been refused");
    error.code().map_or_else(|| format!("{error:?}"), str::to_owned)
}

#[track_caller]
fn message<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, E>,
) -> String {
    result.expect_err("it should have been refused").message().unwrap_or_default().to_owned()
}

async fn settle(clock: Clock) {
    clock.sleep(Duration::from_secs(4)).await;
}

#[tokio::test(start_paused = true)]
async fn the_shipped_world_is_as_its_comment_says() {
    let (cloud, clock) = cloud_of(WORLD);
    let reach = cloud.intruder_reach();
    assert_eq!(reach.len(), 4);
    let may = |n: usize, what: &str| reach[n].allowed.iter().any(|a| a.starts_with(what));
    assert!(may(0, "iam:CreateAccessKey") && may(1, "iam:CreateAccessKey"));
    assert!(may(0, "sts:AssumeRole on arn:aws:iam::111122223333:role/auditor"));
    assert!(!may(2, "iam:") && may(2, "s3:GetObject"));
    assert!(!may(3, "iam:") && may(3, "s3:GetObject"));
    let broken: Vec<_> = cloud.consumers().into_iter().filter(|c| !c.works).collect();
    assert_eq!(broken, []);

    let responder = clients(&cloud, clock, &cloud.responder_credentials());
    let who = responder.sts.get_caller_identity().send().await.unwrap();
    let arn = "arn:aws:sts::111122223333:assumed-role/incident-responder/portcullis";
    assert_eq!(who.arn(), Some(arn));
    let used = responder.iam.get_access_key_last_used().access_key_id(LEAKED).send().await.unwrap();
    assert_eq!(used.user_name(), Some("ci-deploy"));
    // It may quarantine, but not attach anything else.
    let attach = |policy: &str| {
        let arn = format!("arn:aws:iam::aws:policy/{policy}");
        responder.iam.attach_user_policy().user_name("ci-deploy").policy_arn(arn).send()
    };
    assert_eq!(code(attach("AdministratorAccess").await), "AccessDenied");
    attach("AWSDenyAll").await.unwrap();
}

#[test]
fn worlds_that_do_not_fit_together_are_refused() {
    for (from, to, expected) in [
        ("seed: 7", "sead: 7", "unknown field `sead`"),
        ("world: 1", "world: 2", "not a version"),
        ("groups: [deployers]", "groups: [deployer]", "no group deployer"),
        ("as: { role: pipeline }", "as: { role: pipelines }", "role or a user"),
        ("AKIAEXAMPLEHUNGON002 #", "AKIAEXAMPLELEAKED001 #", "two keys have the id"),
        (
            "policy/IAMReadOnlyAccess",
            "policy/NoSuchThing",
            "no policy arn:aws:iam::aws:policy/NoSuch",
        ),
        ("reads: deploy/aws-key", "reads: deploy/aws-keys", "no secret deploy/aws-keys"),
        (
            "Effect: Allow, Action: \"s3:PutObject\"",
            "Effect: Alow, Action: \"s3:PutObject\"",
            "Allow or Deny",
        ),
        ("role: incident-responder }", "role: nobody }", "responder"),
        ("\"111122223333\":", "\"1111\":", "12 digits"),
        ("lag: 4s", "lag: soon", "line 12"),
        ("lag: 4s", "lag: -4s", "less than nothing"),
        ("lag: 4s", "clock_skew: -9000h", "longer than a year"),
        ("now: 2026-03-24T07:10:00Z", "now: -009999-01-02T01:59:59Z", "between the years"),
        ("now: 2026-03-24T07:10:00Z", "now: 9999-12-30T22:00:00Z", "between the years"),
    ] {
        let error = World::parse(&shipped_with(from, to)).unwrap_err().to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
}
