//! The two ways in: as the SDK's own HTTP client, without a socket, and over loopback for anybody.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Cloud;
use super::people::SOURCE_IP;
use super::wire::{Incoming, Outgoing};

/// Requests are never larger than a secret and its envelope.
const LARGEST_BODY: usize = 1 << 20;

fn to_http<B: From<String>>(out: Outgoing) -> http::Response<B> {
    let mut response = http::Response::builder().status(out.status);
    for (name, value) in out.headers {
        response = response.header(name, value);
    }
    response.body(B::from(out.body)).expect("statuses and headers of our own are valid")
}

impl HttpConnector for Cloud {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let cloud = self.clone();
        let incoming = Incoming {
            method: request.method().to_owned(),
            uri: request.uri().to_owned(),
            headers: request
                .headers()
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: request.body().bytes().unwrap_or_default().to_vec(),
            source_ip: SOURCE_IP.to_owned(),
        };
        HttpConnectorFuture::new(async move {
            let lost = || io::Error::new(io::ErrorKind::ConnectionReset, "connection lost");
            let out =
                cloud.answer(incoming).await.ok_or_else(|| ConnectorError::io(lost().into()))?;
            let response: http::Response<SdkBody> = to_http(out);
            HttpResponse::try_from(response).map_err(|e| ConnectorError::other(e.into(), None))
        })
    }
}

impl HttpClient for Cloud {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl Cloud {
    /// Serves this world to anybody who connects, until `stop` is done. Connections that are open
    /// then are cut off.
    pub async fn serve(
        &self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                accepted = listener.accept() => {
                    let (stream, peer) = accepted?;
                    // Counted before anybody can ask: from its acceptance on.
                    self.connected.send_modify(|connected| *connected += 1);
                    connections.spawn(self.clone().connection(stream, peer));
                }
                Some(_) = connections.join_next(), if !connections.is_empty() => {
                    self.connected.send_modify(|connected| *connected -= 1);
                }
            }
        }
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr) {
        // An answer that is lost must take its connection along, whatever hyper would make of it.
        let (cut, mut is_cut) = watch::channel(false);
        let service = hyper::service::service_fn(|request| {
            let (cloud, cut) = (self.clone(), cut.clone());
            async move {
                if let Some(out) = cloud.over_http(request, peer).await {
                    return Ok::<_, Infallible>(to_http::<Full<Bytes>>(out));
                }
                cut.send_replace(true);
                std::future::pending().await
            }
        });
        let serving = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            biased;
            // What goes wrong on one connection is that client's business.
            _ = serving => {}
            _ = is_cut.wait_for(|cut| *cut) => {}
        }
    }

    async fn over_http(
        &self,
        request: http::Request<hyper::body::Incoming>,
        peer: SocketAddr,
    ) -> Option<Outgoing> {
        let (parts, body) = request.into_parts();
        let headers: Vec<(String, String)> = parts
            .headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        let host = headers.iter().find(|(n, _)| n == "host").map_or("localhost", |(_, v)| v);
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        let uri = format!("http://{host}{path}");
        let Ok(body) = Limited::new(body, LARGEST_BODY).collect().await else {
            return Some(Outgoing { status: 413, headers: Vec::new(), body: String::new() });
        };
        let method = parts.method.as_str().to_owned();
        let source_ip = peer.ip().to_string();
        let body = body.to_bytes().to_vec();
        self.answer(Incoming { method, uri, headers, body, source_ip }).await
    }
}
