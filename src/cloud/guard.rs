//! The guard under every handle: which operations may leave, judged by the request on the wire.
//!
//! Types already keep writing calls away from code that only reads. The guard stands behind them for
//! the requests a builder could be bent into: it reads the operation from the bytes that are about to
//! be sent, never from what the SDK says it is sending. Whatever is not in the table is refused, and
//! whatever mints or reveals a secret is not in the reading table.

use std::fmt;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// What only reads, and reveals no secret.
pub const READS: &[&str] = &[
    "iam:GetAccessKeyLastUsed",
    "iam:GetAccountSummary",
    "iam:GetLoginProfile",
    "iam:GetUser",
    "iam:GetUserPolicy",
    "iam:ListAccessKeys",
    "iam:ListAttachedUserPolicies",
    "iam:ListMFADevices",
    "iam:ListRoles",
    "iam:ListSSHPublicKeys",
    "iam:ListServiceSpecificCredentials",
    "iam:ListSigningCertificates",
    "iam:ListUserPolicies",
    "iam:ListUsers",
    "secretsmanager:DescribeSecret",
    "sts:GetCallerIdentity",
];

/// What changes the cloud or reveals a secret, and is used by some action.
pub const WRITES: &[&str] = &[
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "iam:DeleteAccessKey",
    "iam:DeleteUserPermissionsBoundary",
    "iam:DeleteUserPolicy",
    "iam:DetachUserPolicy",
    "iam:PutUserPermissionsBoundary",
    "iam:PutUserPolicy",
    "iam:UpdateAccessKey",
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
];

/// Lets through only the operations of its table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guard {
    /// `iam`, `sts` or `secretsmanager`: the client it stands under.
    pub(super) service: &'static str,
    pub(super) allowed: &'static [&'static [&'static str]],
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
        let operation = format!("{}:{}", self.service, on_the_wire(context.request()));
        if self.allowed.iter().any(|table| table.contains(&operation.as_str())) {
            Ok(())
        } else {
            Err(Refusal(operation).into())
        }
    }
}

/// The operation a request asks for: the one `X-Amz-Target` names, or the one `Action` in the form
/// body. Anything ambiguous is named so that it matches no table.
fn on_the_wire(request: &HttpRequest) -> String {
    if request.method() != "POST" || request.uri().contains('?') {
        return format!("a {} request to {}", request.method(), request.uri());
    }
    let target = request.headers().get("x-amz-target");
    let Some(body) = request.body().bytes() else {
        return "a request whose body cannot be read".to_owned();
    };
    let mut actions = form_urlencoded::parse(body).filter(|(key, _)| key == "Action");
    match (target, actions.next(), actions.next()) {
        (Some(target), _, _) => target.rsplit('.').next().unwrap_or_default().to_owned(),
        (None, Some((_, action)), None) => action.into_owned(),
        _ => "a request that names no single operation".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_both_a_read_and_a_write_and_the_tables_are_sorted() {
        assert!(READS.is_sorted() && WRITES.is_sorted());
        assert!(READS.iter().all(|read| !WRITES.contains(read)));
        for reveals in ["secretsmanager:GetSecretValue", "sts:GetSessionToken"] {
            assert!(!READS.contains(&reveals));
        }
    }
}
