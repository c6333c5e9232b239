//! Things that go wrong on purpose.

use std::time::Duration;

use aws_sdk_iam::error::SdkError;

use super::{Fault, admin, clients, cloud_of, code, shipped_with, with_administrator};

#[tokio::test(start_paused = true)]
async fn each_fault_does_what_it_says_and_no_more() {
    for fault in Fault::ALL {
        let (cloud, clock) = with_administrator();
        let c = clients(&cloud, clock, &admin(&cloud));
        c.iam.list_users().send().await.unwrap();
        assert_eq!(cloud.requests(), 1);
        cloud.set_faults([(2, fault)]);
        let before = cloud.snapshot();
        let create = c.iam.create_user().user_name("alice").send();
        let result = tokio::select! {
            biased;
            result = create => Some(result),
            () = cloud.stopped() => None,
        };
        let took_effect = cloud.snapshot() != before;
        let (expected_effect, expected) = match fault {
            Fault::Throttled => (false, "Throttling"),
            Fault::Unavailable => (false, "ServiceUnavailable"),
            Fault::UnavailableAfterEffect => (true, "InternalFailure"),
            Fault::LostAnswer => (true, "lost"),
            Fault::Garbage => (true, "unreadable"),
            Fault::RefusedFromHere => (false, "AccessDenied"),
            Fault::StopBefore => (false, "stopped"),
            Fault::StopAfter => (true, "stopped"),
            Fault::Expired => unreachable!("trying again does not get over it"),
        };
        let outcome = match result {
            None => "stopped".to_owned(),
            Some(Err(SdkError::DispatchFailure(failure))) if failure.is_io() => "lost".to_owned(),
            Some(Err(SdkError::ServiceError(error))) if error.raw().status().as_u16() == 200 => {
                "unreadable".to_owned()
            }
            Some(Err(SdkError::ResponseError(_))) => "unreadable".to_owned(),
            Some(result) => code(result),
        };
        assert_eq!((took_effect, outcome.as_str()), (expected_effect, expected), "{fault:?}");
        assert_eq!(
            cloud.audit().last().unwrap().took_effect,
            expected_effect || fault == Fault::StopBefore
        );

        // Only a lasting refusal lasts.
        let again = c.iam.create_user().user_name("bob").send().await;
        if fault == Fault::RefusedFromHere {
            assert_eq!(code(again), "AccessDenied");
            cloud.set_faults([]);
            c.iam.create_user().user_name("bob").send().await.unwrap();
        } else {
            again.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_admits_so_many_requests_in_a_second() {
    let (cloud, clock) = cloud_of(&shipped_with("lag: 4s", "lag: 4s\nrate_limit: 2"));
    let c = clients(&cloud, clock, &cloud.responder_credentials());
    let list = || c.iam.list_users().send();
    list().await.unwrap();
    list().await.unwrap();
    assert_eq!(code(list().await), "Throttling");
    c.sts.get_caller_identity().send().await.unwrap();
    clock.sleep(Duration::from_secs(1)).await;
    list().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn requests_may_take_their_time() {
    let (cloud, clock) = cloud_of(&shipped_with("lag: 4s", "lag: 4s\nlatency: 250ms"));
    let c = clients(&cloud, clock, &cloud.responder_credentials());
    c.sts.get_caller_identity().send().await.unwrap();
    c.sts.get_caller_identity().send().await.unwrap();
    let times: Vec<_> = cloud.audit().iter().map(|e| e.at.to_string()).collect();
    assert_eq!(times, ["2026-03-24T07:10:00.25Z", "2026-03-24T07:10:00.5Z"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_a_request_is_refused_in_words() {
    let (cloud, _) = with_administrator();
    let send = |headers: Vec<(String, String)>, body: &str| {
        let body = body.as_bytes().to_vec();
        let request = super::super::wire::Incoming {
            method: "POST".into(),
            uri: "https://iam.amazonaws.com/".into(),
            headers,
            body,
            source_ip: "192.0.2.1".into(),
        };
        let cloud = cloud.clone();
        async move { cloud.answer(request).await.unwrap() }
    };
    let authorization = |scope: &str| {
        let value = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLEADMIN0009/20260324/us-east-1/{scope}/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"
        );
        vec![("authorization".to_owned(), value)]
    };
    for (headers, body, status, expected) in [
        (vec![], "", 403, "MissingAuthenticationToken"),
        (vec![("authorization".into(), "Bearer x".into())], "", 403, "IncompleteSignature"),
        (
            vec![(
                "authorization".into(),
                "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=, Signature=".into(),
            )],
            "",
            403,
            "IncompleteSignature",
        ),
        (authorization("ec2"), "Action=RunInstances", 404, "UnknownService"),
        (authorization("iam"), "", 400, "MissingAction"),
        (authorization("iam"), "Action=RunInstances", 400, "InvalidAction"),
        (authorization("iam"), "Action=ListUsers", 403, "SignatureDoesNotMatch"),
        (authorization("secretsmanager"), "{}", 400, "UnknownOperationException"),
    ] {
        let out = send(headers, body).await;
        assert_eq!(out.status, status, "{expected}: {}", out.body);
        assert!(out.body.contains(expected), "{expected}: {}", out.body);
    }
}
