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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A page behind a real socket, a door that is open, and one behind which nobody listens.
    #[tokio::test]
    async fn what_is_open_refused_or_answers_is_told_apart_over_the_network() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; 1024];
                if stream.read(&mut asked).await.unwrap() > 0 {
                    let page =
                        b"HTTP/1.1 503 Closed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                    stream.write_all(page).await.unwrap();
                }
            }
        });
        let outside = Outside::network();
        let tcp = Probe::tcp(&address.to_string()).unwrap();
        let http = Probe::http(&format!("http://{address}/login")).unwrap();
        assert_eq!(outside.ask(&tcp).await.unwrap(), Tried::Open);
        assert_eq!(outside.ask(&http).await.unwrap(), Tried::Status(503));
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
        assert_eq!(outside.ask(&tcp).await.unwrap(), Tried::Refused);
        assert_eq!(outside.ask(&http).await.unwrap(), Tried::Refused);
        let nobody = Probe::tcp("nobody.invalid:443").unwrap();
        assert!(outside.ask(&nobody).await.is_err(), "a name that nobody knows is no closed door");
        assert!(Outside::default().ask(&tcp).await.is_err(), "by itself nothing is tried");
    }
}
