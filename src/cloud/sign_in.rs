//! Getting the responder's own session: a code from a device, a role assumed. Apart from the handles that
//! survey and act, because what mints credentials is in neither of their tables.
//!
//! What is minted here is for signing, and goes nowhere else. It fails as every call does, with [`CallError`].

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

use super::attempt::{CallError, Cause, Certainty, attempt};
use super::connection::{Parts, sign_in_client};
use super::guard::Fence;
use super::{Endpoint, HttpClient};
use crate::clock::Clock;
use crate::ids::Arn;
use crate::secret::Secret;

/// The only operations that leave through it.
pub(super) const SIGN_IN: &[&str] =
    &["sts:AssumeRole", "sts:GetCallerIdentity", "sts:GetSessionToken"];

/// Whoever signs in, with what he has.
#[derive(Clone, Debug)]
pub struct SignIn {
    client: aws_sdk_sts::Client,
}

impl SignIn {
    /// Signs in with `credentials`.
    pub fn new(
        http: HttpClient,
        credentials: Credentials,
        region: aws_types::region::Region,
        endpoint: Endpoint,
        clock: Clock,
    ) -> Self {
        Self::by(SharedCredentialsProvider::new(credentials), http, region, endpoint, clock)
    }

    /// The same with whatever credentials somebody gives.
    pub(super) fn by(
        credentials: SharedCredentialsProvider,
        http: HttpClient,
        region: aws_types::region::Region,
        endpoint: Endpoint,
        clock: Clock,
    ) -> Self {
        let fence = Fence::default();
        let parts = Parts { http, credentials, region, endpoint, clock, fence };
        Self { client: sign_in_client(&parts) }
    }

    /// Whose credentials they are. (`sts:GetCallerIdentity`)
    pub async fn caller(&self) -> Result<Arn, CallError> {
        let operation = "sts:GetCallerIdentity";
        let (answer, _) = attempt(operation, self.client.get_caller_identity().send()).await?;
        answer.arn.and_then(|arn| Arn::parse(arn).ok()).ok_or_else(|| unreadable(operation))
    }

    /// A session that knows of the code of an MFA device. Only for a user's own key. (`sts:GetSessionToken`)
    pub async fn with_code(&self, device: &str, code: &Secret) -> Result<Credentials, CallError> {
        let operation = "sts:GetSessionToken";
        let call = self.client.get_session_token().serial_number(device);
        let (answer, _) = attempt(operation, call.token_code(code.expose()).send()).await?;
        answer.credentials.map(credentials).ok_or_else(|| unreadable(operation))
    }

    /// A session of `role`, called `name` in the role's own logs. (`sts:AssumeRole`)
    pub async fn assume(
        &self,
        role: &Arn,
        external_id: Option<&str>,
        name: &str,
    ) -> Result<Credentials, CallError> {
        let operation = "sts:AssumeRole";
        let call = self.client.assume_role().role_arn(role.as_str()).role_session_name(name);
        let call = call.set_external_id(external_id.map(str::to_owned));
        let (answer, _) = attempt(operation, call.send()).await?;
        answer.credentials.map(credentials).ok_or_else(|| unreadable(operation))
    }
}

fn credentials(issued: aws_sdk_sts::types::Credentials) -> Credentials {
    let ends = u64::try_from(issued.expiration.secs()).unwrap_or(0);
    let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(ends);
    Credentials::new(
        issued.access_key_id,
        issued.secret_access_key,
        Some(issued.session_token),
        Some(ends),
        "sts",
    )
}

fn unreadable(operation: &str) -> CallError {
    CallError {
        operation: operation.to_owned(),
        certainty: Certainty::MayHave,
        cause: Cause::Unreadable,
        code: "Unreadable".to_owned(),
        message: "the answer lacks what was asked for".to_owned(),
    }
}
