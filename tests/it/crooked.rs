//! Answers that are not what was asked for: a listing that breaks off, an answer about somebody else. Taken
//! for whole they would hide a credential or show a cut that is not there, so each is no answer at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use portcullis::clock::Clock;
use portcullis::ids::{PolicyName, Principal, RoleName, SecretId, UserName};
use portcullis::inventory::Want;
use portcullis::sim::{Cloud, World};
use portcullis::survey;

use crate::stage::{WORLD, connect, connect_through, play};
use crate::verdict::{ACCOUNT, SECRET, VICTIM};

/// Between us and the cloud: replaces a text in every answer.
#[derive(Clone, Debug)]
struct Crooked {
    straight: SharedHttpClient,
    from: &'static str,
    to: &'static str,
    /// Whether there was anything to replace.
    bent: Arc<AtomicBool>,
}

#[derive(Debug)]
struct CrookedConnector(SharedHttpConnector, Crooked);

impl HttpClient for Crooked {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let straight = self.straight.http_connector(settings, components);
        SharedHttpConnector::new(CrookedConnector(straight, self.clone()))
    }
}

impl HttpConnector for CrookedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (answer, crooked) = (self.0.call(request), self.1.clone());
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let text = String::from_utf8(answer.body().bytes().unwrap().to_vec()).unwrap();
            if text.contains(crooked.from) {
                crooked.bent.store(true, Ordering::Relaxed);
                *answer.body_mut() = SdkBody::from(text.replace(crooked.from, crooked.to));
            }
            Ok(answer)
        })
    }
}

/// The shipped world, where the owner holds one of everything.
fn world() -> World {
    let policy = r#"PortcullisQuarantine: { Version: "2012-10-17", Statement: [{ Effect: Deny, Action: "*", Resource: "*" }] }"#;
    let world = WORLD.replace(
        "        groups: [deployers]\n",
        "        groups: [deployers]\n        boundary: \"arn:aws:iam::aws:policy/AdministratorAccess\"\n        password: {}\n        ssh_keys: [{ body: one }]\n        certificates: [{ body: one }]\n        service_credentials: [{ service: codecommit.amazonaws.com }]\n",
    );
    let world = world.replace(
        "          own-keys: # why",
        &format!("          {policy}\n          own-keys: # why"),
    );
    let role = "      auditor: # trusts";
    let bounded = "        boundary: \"arn:aws:iam::aws:policy/AdministratorAccess\"\n";
    let attached = "        attached: [\"arn:aws:iam::aws:policy/IAMReadOnlyAccess\"]\n";
    assert!(world.contains(role) && world.contains(attached));
    let world = world
        .replace(attached, &format!("{attached}{bounded}        inline:\n          {policy}\n"))
        .replace("iam:GetRole\n", "iam:GetRole\n                  - iam:GetRolePolicy\n                  - iam:ListAttachedRolePolicies\n");
    World::parse(&world).unwrap()
}

/// What is asked, and what its answer is bent into.
fn answers() -> Vec<(Want, &'static str, &'static str)> {
    let user = || UserName::parse(VICTIM).unwrap();
    let role = || RoleName::parse("auditor").unwrap();
    let of_user = || Principal::User(user());
    let of_role = || Principal::Role(role());
    let (whole, cut_short) =
        ("<IsTruncated>false</IsTruncated>", "<IsTruncated>true</IsTruncated>");
    let (his, anothers) = ("<UserName>ci-deploy</UserName>", "<UserName>backup</UserName>");
    let (ours, elsewhere) = ("iam::111122223333:", "iam::444455556666:");
    let policy = PolicyName::parse("PortcullisQuarantine").unwrap();
    let secret = || Want::Secret(SecretId::parse(SECRET).unwrap());
    let mut answers = Vec::new();
    for listing in [
        Want::AccessKeys(user()),
        Want::ServiceSpecificCredentials(user()),
        Want::SshPublicKeys(user()),
        Want::SigningCertificates(user()),
        Want::AttachedPolicies(of_user()),
        Want::AttachedPolicies(of_role()),
        Want::Roles,
        Want::Users,
    ] {
        answers.push((listing, whole, cut_short));
    }
    for his_own in [
        Want::User(user()),
        Want::AccessKeys(user()),
        Want::LoginProfile(user()),
        Want::ServiceSpecificCredentials(user()),
        Want::SshPublicKeys(user()),
        Want::SigningCertificates(user()),
        Want::InlinePolicy(of_user(), policy.clone()),
    ] {
        answers.push((his_own, his, anothers));
    }
    let (its, other) = ("<RoleName>auditor</RoleName>", "<RoleName>pipeline</RoleName>");
    for its_own in [Want::Role(role()), Want::InlinePolicy(of_role(), policy.clone())] {
        answers.push((its_own, its, other));
    }
    for of_the_account in [Want::User(user()), Want::Role(role()), Want::Roles, Want::Users] {
        answers.push((of_the_account, ours, elsewhere));
    }
    // A boundary that cannot be read is not thereby none.
    let boundary = "<PermissionsBoundaryArn>arn:aws:iam::aws:policy/AdministratorAccess<";
    answers.push((Want::User(user()), boundary, "<PermissionsBoundaryArn>AdministratorAccess<"));
    let name = "<PolicyName>PortcullisQuarantine</PolicyName>";
    answers.push((Want::Role(role()), boundary, "<PermissionsBoundaryArn>AdministratorAccess<"));
    for of in [of_user(), of_role()] {
        let want = Want::InlinePolicy(of, policy.clone());
        answers.push((want, name, "<PolicyName>other</PolicyName>"));
    }
    answers.push((secret(), "\"Name\":\"deploy/aws-key\"", "\"Name\":\"deploy/other\""));
    answers.push((secret(), "us-east-1:111122223333:", "us-east-1:444455556666:"));
    answers
}

#[test]
fn an_answer_that_breaks_off_or_is_about_something_else_is_no_answer() {
    let mut believed = Vec::new();
    for (want, from, to) in answers() {
        let answer = play(async {
            let world = world();
            let clock = Clock::starting_at(world.now());
            let cloud = Cloud::new(&world, clock);
            let (straight, key) = connect(&cloud, clock);
            let asked = survey::begin(straight.read(), clock, key).await.unwrap();
            assert_eq!(asked.caller.account.as_str(), ACCOUNT);
            let mut answered = asked.clone();
            survey::fill(straight.read(), &mut answered, [want.clone()]).await.unwrap();
            assert!(
                answered.answers.get(&want).unwrap().is_ok(),
                "{want:?}: {:?}",
                answered.answers.get(&want)
            );

            let bent = Arc::new(AtomicBool::new(false));
            let http = Crooked { straight: cloud.http_client(), from, to, bent: Arc::clone(&bent) };
            let (crooked, _) = connect_through(SharedHttpClient::new(http), &cloud, clock);
            let mut answered = asked.clone();
            survey::fill(crooked.read(), &mut answered, [want.clone()]).await.unwrap();
            assert!(bent.load(Ordering::Relaxed), "{want:?}: nothing says {from}");
            answered.answers.remove(&want).unwrap()
        });
        match answer {
            Ok(_) => believed.push(format!("{want:?} with {to}")),
            // Asked again it would be the same, and nobody can accept what is not known to be there.
            Err(gap) => assert!(!gap.understood && !gap.passing, "{gap:?}"),
        }
    }
    assert!(believed.is_empty(), "believed: {believed:#?}");
}

/// Answers everything with more than any answer has.
#[derive(Clone, Debug)]
struct Endless(SharedHttpClient);

#[derive(Debug)]
struct EndlessConnector(SharedHttpConnector);

impl HttpClient for Endless {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(EndlessConnector(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for EndlessConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            *answer.body_mut() = SdkBody::from(vec![b' '; 65 << 20]);
            Ok(answer)
        })
    }
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let asked = play(async {
        let world = world();
        let clock = Clock::starting_at(world.now());
        let cloud = Cloud::new(&world, clock);
        let (straight, key) = connect(&cloud, clock);
        let mut asked = survey::begin(straight.read(), clock, key).await.unwrap();
        let endless = SharedHttpClient::new(Endless(cloud.http_client()));
        let (endless, _) = connect_through(endless, &cloud, clock);
        survey::fill(endless.read(), &mut asked, [Want::Users]).await.unwrap();
        asked
    });
    let gap = asked.answers.get(&Want::Users).unwrap().as_ref().unwrap_err();
    assert!(gap.message.contains("length limit exceeded"), "{gap:?}");
}
