//! Making the handles: which endpoint, whose credentials, which HTTP client.
//!
//! The services' configuration is built from nothing, never from the environment, so that an
//! `AWS_ENDPOINT_URL` somebody left in a shell cannot redirect a run. The SDK's own retries are off:
//! a retry we cannot see is an effect we cannot journal.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::region::Region;

use super::attempt::{Heard, Recording};
use super::credentials::{Held, Lasts};
use super::elsewhere::Elsewhere;
use super::guard::{CANARY_MINTS, Fence, Guard, PROBES, READS, WRITES};
use super::pace::Pace;
use super::probe::Probes;
use super::sign_in::SIGN_IN;
use super::{
    Outside, ReadCloud, ReadIam, ReadSecrets, ReadSts, ReadTrail, WriteCloud, WriteIam,
    WriteSecrets,
};
use crate::clock::Clock;
use crate::ids::{AccountId, Arn};

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// AWS itself.
    Aws,
    /// One URL for every service.
    Url(String),
}

/// Longest wait for one answer. After it the effect may exist, and the world is looked at.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// All that is asked while credentials are renewed.
const IDENTITY: &[&str] = &["sts:GetCallerIdentity"];
const CONNECT_WITHIN: Duration = Duration::from_secs(4);

/// Everything the handles are made from.
#[derive(Clone, Debug)]
pub struct Connection {
    read: ReadCloud,
    write: WriteCloud,
    probes: Probes,
    held: Held,
    fence: Fence,
}

/// Our clock, as the SDK wants one.
#[derive(Debug)]
struct SdkTime(Clock);

impl TimeSource for SdkTime {
    fn now(&self) -> SystemTime {
        self.0.now().into()
    }
}

/// The services' configuration builders are different types with the same methods.
macro_rules! client {
    ($sdk:ident, $service:literal, $allowed:expr, $parts:expr, $http:expr) => {{
        let parts: &Parts = $parts;
        let mut config = $sdk::Config::builder()
            .behavior_version($sdk::config::BehaviorVersion::v2026_01_12())
            .region(parts.region.clone())
            .credentials_provider(parts.credentials.clone())
            .http_client($http)
            .time_source(SdkTime(parts.clock))
            .sleep_impl(TokioSleep::new())
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_WITHIN)
                    .operation_attempt_timeout(ANSWER_WITHIN)
                    .build(),
            )
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // Whoever holds the credentials renews them, outside of any call.
            .identity_cache($sdk::config::IdentityCache::no_cache())
            .interceptor(Guard {
                service: $service,
                allowed: $allowed,
                fence: parts.fence.clone(),
            });
        if let Endpoint::Url(url) = &parts.endpoint {
            config = config.endpoint_url(url);
        }
        $sdk::Client::from_conf(config.build())
    }};
}

/// What clients are made from.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) http: SharedHttpClient,
    pub(super) credentials: SharedCredentialsProvider,
    pub(super) region: Region,
    pub(super) endpoint: Endpoint,
    pub(super) clock: Clock,
    pub(super) fence: Fence,
}

/// A client that asks whose `credentials` are, in the middle of other calls: its own is no attempt of theirs.
pub(super) fn identity_client(parts: &Parts, credentials: Credentials) -> aws_sdk_sts::Client {
    let credentials = SharedCredentialsProvider::new(credentials);
    let parts = Parts { credentials, ..parts.clone() };
    client!(aws_sdk_sts, "sts", &[IDENTITY], &parts, parts.http.clone())
}

/// A client that signs in.
pub(super) fn sign_in_client(parts: &Parts) -> aws_sdk_sts::Client {
    client!(aws_sdk_sts, "sts", &[SIGN_IN], parts, Recording::alone(&parts.http, parts.clock))
}

/// A client that tries a credential.
pub(super) fn probe_client(parts: &Parts) -> aws_sdk_secretsmanager::Client {
    let http = Recording::alone(&parts.http, parts.clock);
    client!(aws_sdk_secretsmanager, "secretsmanager", &[PROBES], parts, http)
}

/// A client that asks whose a credential is that is tried.
pub(super) fn probe_identity_client(parts: &Parts) -> aws_sdk_sts::Client {
    client!(aws_sdk_sts, "sts", &[PROBES], parts, Recording::alone(&parts.http, parts.clock))
}

/// A client that mints sessions of a canary.
pub(super) fn mint_client(parts: &Parts) -> aws_sdk_sts::Client {
    client!(aws_sdk_sts, "sts", &[CANARY_MINTS], parts, Recording::alone(&parts.http, parts.clock))
}

impl Connection {
    /// Connects nothing yet: the first call does.
    pub fn new(
        http: SharedHttpClient,
        credentials: SharedCredentialsProvider,
        region: Region,
        endpoint: Endpoint,
        clock: Clock,
    ) -> Self {
        let fence = Fence::default();
        let parts = Parts { http, credentials, region, endpoint, clock, fence: fence.clone() };
        let held = Held::new(parts.clone());
        let probes = Probes { parts: parts.clone() };
        let parts = Parts { credentials: SharedCredentialsProvider::new(held.clone()), ..parts };
        let heard = Heard::new(clock);
        let http = || Recording(parts.http.clone(), heard.clone());
        let pace = |service| Pace::new(service, clock, held.clone());
        let (iam, secrets, sts) = (pace("IAM"), pace("Secrets Manager"), pace("STS"));
        let read = ReadCloud {
            iam: ReadIam {
                client: client!(aws_sdk_iam, "iam", &[READS], &parts, http()),
                pace: iam.clone(),
            },
            secrets: ReadSecrets {
                client: client!(aws_sdk_secretsmanager, "secretsmanager", &[READS], &parts, http()),
                pace: secrets.clone(),
            },
            sts: ReadSts {
                client: client!(aws_sdk_sts, "sts", &[READS], &parts, http()),
                pace: sts,
                heard: heard.clone(),
                asking: Arc::default(),
            },
            outside: Outside::default(),
            trail: ReadTrail {
                client: client!(aws_sdk_cloudtrail, "cloudtrail", &[READS], &parts, http()),
                pace: pace("CloudTrail"),
                clock,
            },
        };
        let write = WriteCloud {
            read: read.clone(),
            iam: WriteIam {
                client: client!(aws_sdk_iam, "iam", &[WRITES], &parts, http()),
                pace: iam,
            },
            secrets: WriteSecrets {
                client: client!(
                    aws_sdk_secretsmanager,
                    "secretsmanager",
                    &[WRITES],
                    &parts,
                    http()
                ),
                pace: secrets,
            },
        };
        Self { read, write, probes, held, fence }
    }

    /// With somebody who answers when a way in outside is tried; else nothing is.
    #[must_use]
    pub fn trying(mut self, outside: Outside) -> Self {
        self.read.outside = outside.clone();
        self.write.read.outside = outside;
        self
    }

    /// Credentials of any other account are not used.
    pub(super) async fn is_of(&self, account: &AccountId) {
        self.held.belongs_to(account).await;
    }

    /// From here on every writing request asks, signed already and about to leave, whether it still may. The first
    /// to be asked stays.
    pub fn fenced_by(&self, may_write: impl Fn() -> std::io::Result<()> + Send + Sync + 'static) {
        self.fence.put_up(Box::new(may_write));
    }

    /// The way into another account, through a role there.
    pub fn elsewhere(&self, role: &Arn, external_id: Option<&str>) -> Elsewhere {
        let external_id = external_id.map(str::to_owned);
        let (parts, outside) = (self.probes.parts.clone(), self.read.outside.clone());
        Elsewhere::new(self.held.clone(), parts, outside, role.clone(), external_id)
    }

    /// The handle for surveying and planning.
    pub fn read(&self) -> &ReadCloud {
        &self.read
    }

    /// How long the responder's credentials last; `None` where there are none.
    pub async fn credentials_last(&self) -> Option<Lasts> {
        self.held.ready().await;
        self.held.lasts().await
    }

    /// Gets the responder's credentials anew, and uses them if they are of the same account.
    pub async fn replace_credentials(&self) {
        self.held.replace().await;
    }

    /// What credentials are tried with.
    pub fn probes(&self) -> &Probes {
        &self.probes
    }

    /// The handle for applying.
    pub fn write(&self) -> &WriteCloud {
        &self.write
    }
}
