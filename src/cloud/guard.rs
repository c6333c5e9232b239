//! The guard under every handle: which operations may leave, judged by the request on the wire.
//!
//! Types already keep writing calls away from code that only reads. The guard stands behind them for
//! the requests a builder could be bent into: it reads the operation from the bytes that are about to
//! be sent, never from what the SDK says it is sending. Whatever is not in the table is refused, and
//! whatever mints or reveals a secret is not in the reading table.
//!
//! The last thing before a writing request leaves, when it is signed already, is to ask whether it still may: a run
//! that was taken over sends nothing that was signed after that.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// What only reads, and reveals no secret.
pub const READS: &[&str] = &[
    "cloudtrail:LookupEvents",
    "iam:GetAccessKeyLastUsed",
    "iam:GetAccountAuthorizationDetails",
    "iam:GetAccountPasswordPolicy",
    "iam:GetAccountSummary",
    "iam:GetLoginProfile",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:GetUser",
    "iam:GetUserPolicy",
    "iam:ListAccessKeys",
    "iam:ListAttachedRolePolicies",
    "iam:ListAttachedUserPolicies",
    "iam:ListMFADevices",
    "iam:ListRolePolicies",
    "iam:ListRoles",
    "iam:ListSSHPublicKeys",
    "iam:ListServiceSpecificCredentials",
    "iam:ListSigningCertificates",
    "iam:ListUserPolicies",
    "iam:ListUsers",
    "iam:SimulatePrincipalPolicy",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:ListSecrets",
    "secretsmanager:ValidateResourcePolicy",
    "sts:GetCallerIdentity",
];

/// What changes the cloud or reveals a secret, and is used by some action.
pub const WRITES: &[&str] = &[
    "iam:AttachRolePolicy",
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "iam:CreateRole",
    "iam:CreateUser",
    "iam:DeleteAccessKey",
    "iam:DeleteLoginProfile",
    "iam:DeleteRole",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DeleteUser",
    "iam:DeleteUserPermissionsBoundary",
    "iam:DeleteUserPolicy",
    "iam:DetachRolePolicy",
    "iam:DetachUserPolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:PutUserPermissionsBoundary",
    "iam:PutUserPolicy",
    "iam:UpdateAccessKey",
    "iam:UpdateLoginProfile",
    "iam:UpdateSSHPublicKey",
    "iam:UpdateServiceSpecificCredential",
    "iam:UpdateSigningCertificate",
    "secretsmanager:DeleteResourcePolicy",
    "secretsmanager:GetRandomPassword",
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutResourcePolicy",
    "secretsmanager:PutSecretValue",
    "secretsmanager:RotateSecret",
    "secretsmanager:UpdateSecretVersionStage",
];

/// What may be asked with a credential that is being tried: it changes nothing and reveals nothing. Sessions
/// without MFA cannot call IAM, and who is asking is told under any deny; so it is neither of these that shows a
/// deny, but a password that is made up, and thrown away.
pub const PROBES: &[&str] = &["secretsmanager:GetRandomPassword", "sts:GetCallerIdentity"];

/// What may be asked with a credential of a canary besides: a session to try.
pub(super) const CANARY_MINTS: &[&str] = &["sts:AssumeRole", "sts:GetSessionToken"];

/// Lets through only the operations of its table.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    /// `iam`, `sts` or another: the service whose client it stands under.
    pub(super) service: &'static str,
    pub(super) allowed: &'static [&'static [&'static str]],
    pub(super) fence: Fence,
}

/// Tells whether writing requests may still leave.
type MayWrite = Box<dyn Fn() -> io::Result<()> + Send + Sync>;

/// What every writing request must pass, once it is put up.
#[derive(Clone, Default)]
pub(super) struct Fence(Arc<OnceLock<MayWrite>>);

impl Fence {
    /// Puts it up; one that stands stays.
    pub(super) fn put_up(&self, may_write: MayWrite) {
        let _ = self.0.set(may_write);
    }

    fn check(&self) -> io::Result<()> {
        self.0.get().map_or(Ok(()), |may_write| may_write())
    }
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fence").field(&self.0.get().is_some()).finish()
    }
}

/// Refused before it left.
#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this handle may not send {}", self.0)
    }
}

impl std::error::Error for Refusal {}

#[dyn_dispatch_hint]
impl Intercept for Guard {
    fn name(&self) -> &'static str {
        "portcullis guard"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation =
            format!("{}:{}", self.service, on_the_wire(self.service, context.request()));
        if !self.allowed.iter().any(|table| table.contains(&operation.as_str())) {
            return Err(Refusal(operation).into());
        }
        if WRITES.contains(&operation.as_str()) {
            self.fence.check()?;
        }
        Ok(())
    }
}

/// The operation a request to `service` asks for, read as the service reads it: the one `Action` in the form
/// body, and for Secrets Manager the one `X-Amz-Target`. Anything ambiguous, and anything that the other kind
/// of service would read, is named so that it matches no table.
fn on_the_wire(service: &str, request: &HttpRequest) -> String {
    if request.method() != "POST" || request.uri().contains('?') {
        return format!("a {} request to {}", request.method(), request.uri());
    }
    let Some(body) = request.body().bytes() else {
        return "a request whose body cannot be read".to_owned();
    };
    let mut targets = request.headers().get_all("x-amz-target");
    let target = (targets.next(), targets.next());
    let mut actions = form_urlencoded::parse(body).filter(|(key, _)| key == "Action");
    match (service, target, (actions.next(), actions.next())) {
        ("iam" | "sts", (None, None), (Some((_, action)), None)) => action.into_owned(),
        ("secretsmanager", (Some(target), None), (None, None)) => {
            target.strip_prefix("secretsmanager.").unwrap_or(target).to_owned()
        }
        ("cloudtrail", (Some(target), None), (None, None)) => {
            target.strip_prefix("CloudTrail_20131101.").unwrap_or(target).to_owned()
        }
        _ => "a request that names no single operation".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_smithy_runtime_api::client::http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    };
    use aws_smithy_runtime_api::client::result::ConnectorError;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    #[test]
    fn nothing_is_both_a_read_and_a_write_and_the_tables_are_sorted() {
        assert!(READS.is_sorted() && WRITES.is_sorted());
        assert!(READS.iter().all(|read| !WRITES.contains(read)));
        for reveals in ["secretsmanager:GetSecretValue", "sts:GetSessionToken", "sts:AssumeRole"] {
            assert!(!READS.contains(&reveals) && !PROBES.contains(&reveals));
        }
        // A password that is made up is a write of the handle that keeps it. A probe throws it away.
        let written = |probe: &&&str| WRITES.contains(*probe);
        let both: Vec<_> = PROBES.iter().filter(written).collect();
        assert_eq!(both, [&"secretsmanager:GetRandomPassword"]);
    }

    /// Keeps what reaches it, and answers nothing.
    #[derive(Clone, Debug, Default)]
    struct Wire(Arc<AtomicUsize>);

    impl HttpConnector for Wire {
        fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
            self.0.fetch_add(1, Ordering::Relaxed);
            HttpConnectorFuture::ready(Err(ConnectorError::io("nobody is there".into())))
        }
    }

    impl HttpClient for Wire {
        fn http_connector(
            &self,
            _settings: &HttpConnectorSettings,
            _components: &RuntimeComponents,
        ) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    macro_rules! reader {
        ($sdk:ident, $service:literal, $wire:expr) => {{
            let credentials =
                aws_credential_types::Credentials::new("AKIAEXAMPLE", "s", None, None, "test");
            let config = $sdk::Config::builder()
                .behavior_version($sdk::config::BehaviorVersion::v2026_01_12())
                .region(aws_types::region::Region::from_static("us-east-1"))
                .credentials_provider(credentials)
                .http_client($wire.clone())
                .retry_config(aws_smithy_types::retry::RetryConfig::disabled())
                .interceptor(Guard {
                    service: $service,
                    allowed: &[READS],
                    fence: Fence::default(),
                });
            $sdk::Client::from_conf(config.build())
        }};
    }

    fn left(wire: &Wire) -> usize {
        wire.0.swap(0, Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_request_that_is_bent_into_a_writing_one_never_leaves() {
        let wire = Wire::default();
        let iam = reader!(aws_sdk_iam, "iam", wire);
        let bent = |body: &'static str| {
            let call = iam.list_access_keys().customize();
            call.mutate_request(move |request| *request.body_mut() = SdkBody::from(body)).send()
        };
        let honest = "Action=ListAccessKeys&Version=2010-05-08";
        assert!(bent(honest).await.is_err());
        assert_eq!(left(&wire), 1, "what only reads leaves");
        for body in [
            "Action=CreateUser&Version=2010-05-08&UserName=x",
            "Action=ListAccessKeys&Action=CreateUser",
            "Version=2010-05-08",
        ] {
            assert!(bent(body).await.is_err());
            assert_eq!(left(&wire), 0, "{body}");
        }
        let by_query = iam.list_access_keys().customize().mutate_request(|request| {
            request.set_uri("https://iam.amazonaws.com/?Action=CreateUser").unwrap();
        });
        assert!(by_query.send().await.is_err());
        assert_eq!(left(&wire), 0, "by its query");
        // A target says nothing to a service that reads the body.
        for target in ["IAM.CreateUser", "IAM.ListAccessKeys"] {
            let by_target = iam.list_access_keys().customize().mutate_request(move |request| {
                request.headers_mut().insert("x-amz-target", target);
                *request.body_mut() = SdkBody::from("Action=CreateUser&Version=2010-05-08");
            });
            assert!(by_target.send().await.is_err());
            assert_eq!(left(&wire), 0, "{target}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_request_whose_target_reveals_a_secret_never_leaves() {
        let wire = Wire::default();
        let secrets = reader!(aws_sdk_secretsmanager, "secretsmanager", wire);
        let bent = |target: &'static str| {
            let call = secrets.describe_secret().secret_id("x").customize();
            call.mutate_request(move |request| {
                request.headers_mut().insert("x-amz-target", target);
            })
            .send()
        };
        assert!(bent("secretsmanager.DescribeSecret").await.is_err());
        assert_eq!(left(&wire), 1, "what only reads leaves");
        for target in ["secretsmanager.GetSecretValue", "secretsmanager.PutSecretValue"] {
            assert!(bent(target).await.is_err());
            assert_eq!(left(&wire), 0, "{target}");
        }
        let twice =
            secrets.describe_secret().secret_id("x").customize().mutate_request(|request| {
                request.headers_mut().append("x-amz-target", "secretsmanager.GetSecretValue");
            });
        assert!(twice.send().await.is_err());
        assert_eq!(left(&wire), 0, "two targets");
        let by_body =
            secrets.describe_secret().secret_id("x").customize().mutate_request(|request| {
                *request.body_mut() = SdkBody::from("Action=GetSecretValue");
            });
        assert!(by_body.send().await.is_err());
        assert_eq!(left(&wire), 0, "an action beside its target");
    }
}
