//! The responder's credentials end in the middle of a run: at every request, with fresh ones at hand, with none,
//! and with those of another account.

use std::sync::Mutex;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use portcullis::cloud::{Connection, Endpoint};
use portcullis::ids::AccessKeyId;
use portcullis::run::Ending;
use portcullis::sim::{Cloud, Fault};

use crate::stage::{Backdrop, Left, PLAYBOOK, Stage, WORLD, play};
use crate::verdict::the_world_is_as_it_should_be;

const FRESH: &str = "ASIAEXAMPLEFRESH0001";
const ELSEWHERE: &str = "ASIAEXAMPLEOTHER0002";

/// The shipped world with a second session of the responder, and one of a role of another account.
fn world() -> String {
    let sessions = format!(
        "sessions:\n  - id: {FRESH}\n    of: {{ account: \"111122223333\", role: incident-responder }}\n    kind: assume-role\n    \
         name: portcullis\n    issued_at: 2026-03-24T07:00:00Z\n    expires_at: 2026-03-25T07:00:00Z\n  - id: {ELSEWHERE}\n    of: {{ \
         account: \"444455556666\", role: other }}\n    kind: assume-role\n    name: other\n    issued_at: 2026-03-24T07:00:00Z\n    \
         expires_at: 2026-03-25T07:00:00Z\n"
    );
    let other = "  \"444455556666\":\n    roles:\n      other:\n        trust: { Version: \"2012-10-17\", Statement: [{ Effect: \
                 Allow, Principal: \"*\", Action: \"sts:AssumeRole\" }] }\n        attached: \
                 [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n";
    let world = WORLD.replace("sessions:\n", &format!("{other}{sessions}"));
    assert_eq!(world.matches("sessions:\n").count(), 1);
    world
}

/// Credentials that are given one after the other; the last again and again.
#[derive(Debug)]
struct InTurn(Mutex<Vec<Credentials>>);

impl ProvideCredentials for InTurn {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let mut left = self.0.lock().unwrap();
        let next = if left.len() > 1 { Some(left.remove(0)) } else { left.first().cloned() };
        future::ProvideCredentials::ready(
            next.ok_or_else(|| CredentialsError::not_loaded("there are none")),
        )
    }
}

fn of(cloud: &Cloud, id: Option<&str>) -> Credentials {
    let found = match id {
        Some(id) => cloud.credentials_of(&AccessKeyId::parse(id).unwrap()),
        None => cloud.responder_credentials(),
    };
    let token = found.session_token.map(|token| token.expose().to_owned());
    Credentials::new(found.access_key_id.as_str(), found.secret.expose(), token, None, "test")
}

/// A connection whose credentials are the responder's, and then those of these sessions.
fn connection(stage: &Stage, then: &[&str]) -> Connection {
    let mut all = vec![of(&stage.cloud, None)];
    all.extend(then.iter().map(|id| of(&stage.cloud, Some(id))));
    Connection::new(
        stage.cloud.http_client(),
        SharedCredentialsProvider::new(InTurn(Mutex::new(all))),
        aws_types::region::Region::from_static("us-east-1"),
        Endpoint::Aws,
        stage.clock,
    )
}

/// Runs once, as the command line does: first it asks who it is.
async fn run(stage: &Stage, then: &[&str]) -> Ending {
    let connection = connection(stage, then);
    connection.read().sts().identity().await.unwrap();
    match stage.run_on(&connection, None, None).await {
        Left::Ended(ending) => ending,
        Left::Crashed => panic!("nothing crashes"),
    }
}

/// The stage, and the numbers of the requests of a run on it, the question who it is left out.
async fn backdrop() -> (Backdrop, std::ops::RangeInclusive<u64>) {
    let stage = Stage::set(&world(), PLAYBOOK).await;
    let backdrop = stage.backdrop();
    let first = stage.cloud.requests() + 2;
    assert_eq!(run(&stage, &[]).await, Ending::NotProven);
    (backdrop, first..=stage.cloud.requests())
}

#[test]
fn with_fresh_credentials_at_hand_the_run_goes_on_wherever_they_end() {
    play(async {
        let (backdrop, requests) = backdrop().await;
        let mut cases = 0;
        for request in requests.step_by(3) {
            let stage = backdrop.stage();
            let before = stage.cloud.snapshot();
            stage.cloud.set_faults([(request, Fault::Expired)]);
            let ending = run(&stage, &[FRESH]).await;
            assert_eq!(ending, Ending::NotProven, "expired at request {request}");
            stage.let_it_settle().await;
            the_world_is_as_it_should_be(&stage, &before, &ending);
            cases += 1;
        }
        println!("counted: {cases} cases, credentials that ended at a request");
    });
}

#[test]
fn without_fresh_credentials_the_run_stops_and_resumes() {
    play(async {
        let (backdrop, requests) = backdrop().await;
        for request in requests.step_by(11) {
            let stage = backdrop.stage();
            let before = stage.cloud.snapshot();
            stage.cloud.set_faults([(request, Fault::Expired)]);
            let Ending::Stopped(why) = run(&stage, &[]).await else {
                panic!("expired at request {request}")
            };
            assert!(why[0].contains("not accepted any more"), "{why:?}");
            assert!(why[0].contains("get fresh ones"), "{why:?}");
            let fresh = Connection::new(
                stage.cloud.http_client(),
                SharedCredentialsProvider::new(of(&stage.cloud, Some(FRESH))),
                aws_types::region::Region::from_static("us-east-1"),
                Endpoint::Aws,
                stage.clock,
            );
            let Left::Ended(ending) = stage.run_on(&fresh, None, None).await else {
                panic!("nothing crashes")
            };
            assert_eq!(ending, Ending::NotProven);
            stage.let_it_settle().await;
            the_world_is_as_it_should_be(&stage, &before, &ending);
        }
    });
}

#[test]
fn fresh_credentials_of_another_account_are_not_used() {
    play(async {
        let (backdrop, requests) = backdrop().await;
        for request in requests.step_by(11) {
            let stage = backdrop.stage();
            stage.cloud.set_faults([(request, Fault::Expired)]);
            let Ending::Stopped(why) = run(&stage, &[ELSEWHERE]).await else {
                panic!("expired at request {request}")
            };
            assert!(why[0].contains("are of account 444455556666"), "{why:?}");
            let elsewhere = stage.cloud.audit().into_iter();
            let asked: Vec<String> = elsewhere
                .filter(|event| event.account == "444455556666")
                .map(|event| event.operation)
                .collect();
            assert!(
                !asked.is_empty() && asked.iter().all(|operation| operation == "GetCallerIdentity")
            );
        }
    });
}
