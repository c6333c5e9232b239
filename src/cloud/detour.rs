//! What the credential chain of the SDK asks STS, sent to the endpoint that was asked for.
//!
//! A profile that assumes a role is followed by the SDK, which knows no endpoint for that: it would ask AWS itself, with
//! a key that belongs elsewhere. The requests are signed for AWS by then; so the name that they are signed for stays in
//! `Host`. What is asked of anybody else goes where it went.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// `http`, but what is for STS goes to `url`.
pub fn to(http: SharedHttpClient, url: &str) -> SharedHttpClient {
    SharedHttpClient::new(Detour { http, url: url.trim_end_matches('/').to_owned() })
}

#[derive(Debug)]
struct Detour {
    http: SharedHttpClient,
    url: String,
}

impl HttpClient for Detour {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.http.http_connector(settings, components);
        SharedHttpConnector::new(OnDetour { inner, url: self.url.clone() })
    }
}

#[derive(Debug)]
struct OnDetour {
    inner: SharedHttpConnector,
    url: String,
}

impl HttpConnector for OnDetour {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        if let Some((host, path)) = of_sts(request.uri()) {
            let (host, to) = (host.to_owned(), format!("{}{path}", self.url));
            request.headers_mut().insert("host", host);
            if let Err(error) = request.set_uri(to) {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        }
        self.inner.call(request)
    }
}

/// Host and path of a request to STS.
fn of_sts(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("https://")?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let is_sts = host.starts_with("sts.") || host.starts_with("sts-fips.");
    let is_of_aws = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];
    (is_sts && is_of_aws.iter().any(|end| host.ends_with(end))).then_some((host, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sts_is_told_from_everything_else() {
        let host = |uri| of_sts(uri).map(|(host, path)| format!("{host} {path}"));
        assert_eq!(
            host("https://sts.us-east-1.amazonaws.com/").unwrap(),
            "sts.us-east-1.amazonaws.com /"
        );
        assert_eq!(host("https://sts.amazonaws.com").unwrap(), "sts.amazonaws.com /");
        for other in [
            "https://portal.sso.us-east-1.amazonaws.com/",
            "http://169.254.169.254/latest",
            "https://sts.example.org/",
        ] {
            assert_eq!(host(other), None, "{other}");
        }
    }
}
