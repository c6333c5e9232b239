//! Reaching the real cloud: the operator's own credentials, and the endpoint he means.

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_types::region::Region;

use super::args::Access;
use super::exit::{Exit, Failure};
use crate::clock::Clock;
use crate::cloud::{Connection, Endpoint};
use crate::ids::AccessKeyId;
use crate::inventory::Inventory;
use crate::survey;

/// A connection, and who we are on it.
pub(super) struct Live {
    pub(super) connection: Connection,
    pub(super) access_key_id: Option<AccessKeyId>,
    pub(super) clock: Clock,
}

impl Live {
    /// Finds credentials and region where every AWS tool finds them.
    pub(super) async fn connect(access: &Access) -> Result<Self, Failure> {
        refuse_stray_endpoint(access)?;
        let mut loader = aws_config::defaults(aws_config::BehaviorVersion::v2026_01_12());
        if let Some(profile) = &access.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &access.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let config = loader.load().await;
        if let Some(url) = config.endpoint_url()
            && access.endpoint_url.as_deref() != Some(url)
        {
            return Err(stray("the AWS configuration", url));
        }
        let Some(region) = config.region().cloned() else {
            return Err(Failure::new(
                Exit::Refused,
                "no region is set",
                "give --region REGION, or set AWS_REGION",
            ));
        };
        let Some(credentials) = config.credentials_provider() else { return Err(no_credentials()) };
        let access_key_id = Self::key_of(&credentials).await?;
        let endpoint = match &access.endpoint_url {
            Some(url) => Endpoint::Url(url.clone()),
            None => Endpoint::Aws,
        };
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
                aws_smithy_http_client::tls::rustls_provider::CryptoMode::AwsLc,
            ))
            .build_https();
        let clock = Clock::system();
        let connection = Connection::new(http, credentials, region, endpoint, clock);
        Ok(Self { connection, access_key_id, clock })
    }

    async fn key_of(
        credentials: &SharedCredentialsProvider,
    ) -> Result<Option<AccessKeyId>, Failure> {
        match credentials.provide_credentials().await {
            Ok(credentials) => Ok(AccessKeyId::parse(credentials.access_key_id()).ok()),
            Err(error) => Err(no_credentials().because(&error)),
        }
    }

    /// Begins an inventory: asks who we are.
    pub(super) async fn begin(&self) -> Result<Inventory, Failure> {
        let key = self.access_key_id.clone();
        Ok(survey::begin(self.connection.read(), self.clock, key).await?)
    }
}

fn no_credentials() -> Failure {
    Failure::new(
        Exit::Refused,
        "no AWS credentials were found",
        "give those of the incident account: --profile NAME, or AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN)",
    )
}

/// An endpoint left in the environment would send a breach response to wherever it points.
fn refuse_stray_endpoint(access: &Access) -> Result<(), Failure> {
    for (name, value) in std::env::vars_os() {
        // What is not text is nobody's endpoint by mistake: shown as well as it can be.
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        let ours = access.endpoint_url.as_deref() == Some(&*value);
        if name.starts_with("AWS_ENDPOINT_URL") && !value.is_empty() && !ours {
            return Err(stray(&name, &value));
        }
    }
    Ok(())
}

fn stray(whence: &str, url: &str) -> Failure {
    Failure::new(
        Exit::Refused,
        format!("{whence} sends requests to {url} instead of AWS"),
        format!("if that is meant, say so: --endpoint-url {url}; if not, unset it"),
    )
}
