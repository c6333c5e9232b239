//! Trying ways in that lie outside AWS, from where the responder sits: a connection, a page. Nothing is sent but
//! the request for the page; no credentials, no redirection.
//!
//! Whoever makes a connection to the cloud says who answers: the network, a rehearsal's world, or nobody. By
//! itself a connection tries nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::attempt::{CallError, Cause, Certainty};
use crate::inventory::{Probe, Tried};

/// Longer than any server that is there takes to say so.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// An answer to come.
pub type Answering = Pin<Box<dyn Future<Output = Result<Tried, String>> + Send>>;

/// Who answers when something outside is tried.
#[derive(Clone, Default)]
pub struct Outside(Option<Arc<dyn Fn(Probe) -> Answering + Send + Sync>>);

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Outside").field(&self.0.is_some()).finish()
    }
}

impl Outside {
    /// The network.
    pub fn network() -> Self {
        Self::answered_by(|probe| Box::pin(over_the_network(probe)))
    }

    /// Whatever is given.
    pub fn answered_by(answer: impl Fn(Probe) -> Answering + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(answer)))
    }

    /// Tries.
    pub async fn ask(&self, probe: &Probe) -> Result<Tried, CallError> {
        let answer = match &self.0 {
            Some(answer) => answer(probe.clone()).await,
            None => Err("nothing outside is tried here".to_owned()),
        };
        answer.map_err(|message| CallError {
            operation: "outside:Probe".to_owned(),
            certainty: Certainty::DidNot,
            cause: Cause::Refused,
            code: "NoAnswer".to_owned(),
            message,
        })
    }
}

async fn over_the_network(probe: Probe) -> Result<Tried, String> {
    match probe {
        Probe::Tcp { host, port } => {
            // A name that nobody knows is no door that is shut.
            let found = timeout(ANSWER_WITHIN, tokio::net::lookup_host((host.clone(), port))).await;
            let mut found = match found {
                Ok(found) => found.map_err(|error| format!("{host}: {error}"))?,
                Err(_) => return Err(format!("{host}: its address could not be had in time")),
            };
            let address = found.next().ok_or_else(|| format!("{host} has no address"))?;
            match timeout(ANSWER_WITHIN, TcpStream::connect(address)).await {
                Ok(Ok(_)) => Ok(Tried::Open),
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    Ok(Tried::Refused)
                }
                Ok(Err(error)) => Err(format!("{address}: {error}")),
                Err(_) => Ok(Tried::Silence),
            }
        }
        Probe::Http { url } => {
            let client = aws_smithy_http_client::Connector::builder()
                .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
                    aws_smithy_http_client::tls::rustls_provider::CryptoMode::AwsLc,
                ))
                .build();
            let request = HttpRequest::get(&url).map_err(|error| format!("{url}: {error}"))?;
            match timeout(ANSWER_WITHIN, client.call(request)).await {
                Ok(Ok(response)) => Ok(Tried::Status(response.status().as_u16())),
                Ok(Err(error)) if is_refused(&error) => Ok(Tried::Refused),
                Ok(Err(error)) => Err(format!("{url}: {error}")),
                Err(_) => Ok(Tried::Silence),
            }
        }
    }
}

fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>()
            && error.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return true;
        }
        cause = error.source();
    }
    false
}
