//! Making the handles: which endpoint, whose credentials, which HTTP client.
//!
//! The services' configuration is built from nothing, never from the environment, so that an
//! `AWS_ENDPOINT_URL` somebody left in a shell cannot redirect a run. The SDK's own retries are off:
//! a retry we cannot see is an effect we cannot journal.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::region::Region;

use super::attempt::Recording;
use super::guard::{Guard, READS, WRITES};
use super::pace::Pace;
use super::{ReadCloud, ReadIam, ReadSecrets, ReadSts, WriteCloud, WriteIam, WriteSecrets};
use crate::clock::Clock;

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
const CONNECT_WITHIN: Duration = Duration::from_secs(4);

/// Everything the handles are made from.
#[derive(Clone, Debug)]
pub struct Connection {
    read: ReadCloud,
    write: WriteCloud,
}

/// Our clock, as the SDK wants one.
#[derive(Debug)]
struct SdkTime(Clock);

impl TimeSource for SdkTime {
    fn now(&self) -> SystemTime {
        self.0.now().into()
    }
}

/// The three services' configuration builders are different types with the same methods.
macro_rules! client {
    ($sdk:ident, $service:literal, $allowed:expr, $parts:expr) => {{
        let parts: &Parts = $parts;
        let mut config = $sdk::Config::builder()
            .behavior_version($sdk::config::BehaviorVersion::v2026_01_12())
            .region(parts.region.clone())
            .credentials_provider(parts.credentials.clone())
            .http_client(Recording(parts.http.clone()))
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
            .interceptor(Guard { service: $service, allowed: $allowed });
        if let Endpoint::Url(url) = &parts.endpoint {
            config = config.endpoint_url(url);
        }
        $sdk::Client::from_conf(config.build())
    }};
}

struct Parts {
    http: SharedHttpClient,
    credentials: SharedCredentialsProvider,
    region: Region,
    endpoint: Endpoint,
    clock: Clock,
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
        let parts = Parts { http, credentials, region, endpoint, clock };
        let (iam, secrets, sts) = (Pace::new(clock), Pace::new(clock), Pace::new(clock));
        let read = ReadCloud {
            iam: ReadIam {
                client: client!(aws_sdk_iam, "iam", &[READS], &parts),
                pace: iam.clone(),
            },
            secrets: ReadSecrets {
                client: client!(aws_sdk_secretsmanager, "secretsmanager", &[READS], &parts),
                pace: secrets.clone(),
            },
            sts: ReadSts { client: client!(aws_sdk_sts, "sts", &[READS], &parts), pace: sts },
        };
        let write = WriteCloud {
            read: read.clone(),
            iam: WriteIam { client: client!(aws_sdk_iam, "iam", &[WRITES], &parts), pace: iam },
            secrets: WriteSecrets {
                client: client!(aws_sdk_secretsmanager, "secretsmanager", &[WRITES], &parts),
                pace: secrets,
            },
        };
        Self { read, write }
    }

    /// The handle for surveying and planning.
    pub fn read(&self) -> &ReadCloud {
        &self.read
    }

    /// The handle for applying.
    pub fn write(&self) -> &WriteCloud {
        &self.write
    }
}
