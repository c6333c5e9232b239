//! Trying a credential: a call that changes nothing and reveals nothing, made to see whether it is refused.
//!
//! Apart from the handles that survey and act: it signs with what is tried, never with the responder's own, and
//! its table holds nothing but the harmless calls. Only a canary, which was made to be tried, may mint itself a
//! session. Nothing is repeated here and nothing is judged: a refusal, a throttle and a lost answer come back as
//! they are, with [`CallError`].

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

use super::attempt::{CallError, Certainty, attempt};
use super::connection::{Parts, mint_client, probe_client, probe_identity_client};
use crate::ids::{AccessKeyId, Arn};
use crate::secret::Secret;

/// A credential that is to be tried. Kept in memory only.
#[derive(Clone, Debug)]
pub struct Suspect {
    /// Which. Not a secret.
    pub id: AccessKeyId,
    /// Its secret.
    pub secret: Secret,
    /// Its session token, where it is temporary.
    pub token: Option<Secret>,
}

/// Makes handles that sign with what is tried.
#[derive(Clone)]
pub struct Probes {
    pub(super) parts: Parts,
}

impl std::fmt::Debug for Probes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Probes(..)")
    }
}

/// One credential, and the harmless calls.
#[derive(Clone, Debug)]
pub struct Probe {
    secrets: aws_sdk_secretsmanager::Client,
    sts: aws_sdk_sts::Client,
}

/// A credential of a canary: may mint a session besides.
#[derive(Clone, Debug)]
pub struct CanaryKey {
    probe: Probe,
    sts: aws_sdk_sts::Client,
}

impl Probes {
    /// Tries `suspect`.
    pub fn with(&self, suspect: &Suspect) -> Probe {
        let parts = self.signing_with(suspect);
        Probe { secrets: probe_client(&parts), sts: probe_identity_client(&parts) }
    }

    /// Works with the key of a canary.
    pub fn with_canary(&self, key: &Suspect) -> CanaryKey {
        let parts = self.signing_with(key);
        CanaryKey { probe: self.with(key), sts: mint_client(&parts) }
    }

    fn signing_with(&self, suspect: &Suspect) -> Parts {
        let credentials = Credentials::new(
            suspect.id.as_str(),
            suspect.secret.expose(),
            suspect.token.as_ref().map(|token| token.expose().to_owned()),
            None,
            "to be tried",
        );
        let credentials = SharedCredentialsProvider::new(credentials);
        Parts { credentials, ..self.parts.clone() }
    }
}

impl Probe {
    /// Asks for a password to be made up, and throws it away. (`secretsmanager:GetRandomPassword`)
    pub async fn harmless(&self) -> Result<(), CallError> {
        let call = self.secrets.get_random_password();
        attempt("secretsmanager:GetRandomPassword", call.send()).await.map(drop)
    }

    /// Whose it is. Told under any deny; refused to a key that is not active. (`sts:GetCallerIdentity`)
    pub async fn whose(&self) -> Result<Arn, CallError> {
        let operation = "sts:GetCallerIdentity";
        let (answer, _) = attempt(operation, self.sts.get_caller_identity().send()).await?;
        answer.arn.and_then(|arn| Arn::parse(arn).ok()).ok_or_else(|| {
            CallError::not_understood(operation, Certainty::DidNot, "the answer lacks the ARN")
        })
    }
}

impl CanaryKey {
    /// The harmless calls.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// Mints a session of the canary, for a quarter of an hour. (`sts:GetSessionToken`)
    pub async fn session(&self) -> Result<Suspect, CallError> {
        let operation = "sts:GetSessionToken";
        let call = self.sts.get_session_token().duration_seconds(SHORTEST);
        let (answer, _) = attempt(operation, call.send()).await?;
        suspect(operation, answer.credentials)
    }

    /// Mints a session of a role that is a canary. (`sts:AssumeRole`)
    pub async fn assume(&self, role: &Arn) -> Result<Suspect, CallError> {
        let operation = "sts:AssumeRole";
        let call = self.sts.assume_role().role_arn(role.as_str()).role_session_name("canary");
        let (answer, _) = attempt(operation, call.duration_seconds(SHORTEST).send()).await?;
        suspect(operation, answer.credentials)
    }
}

/// The shortest that a session can live, in seconds.
const SHORTEST: i32 = 900;

fn suspect(
    operation: &str,
    issued: Option<aws_sdk_sts::types::Credentials>,
) -> Result<Suspect, CallError> {
    let lacks = || {
        let message = "the answer holds no credentials";
        CallError::not_understood(operation, Certainty::MayHave, message)
    };
    let issued = issued.ok_or_else(lacks)?;
    Ok(Suspect {
        id: AccessKeyId::parse(issued.access_key_id).map_err(|_| lacks())?,
        secret: Secret::new(issued.secret_access_key),
        token: Some(Secret::new(issued.session_token)),
    })
}
