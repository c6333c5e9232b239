//! What is tried from where the responder sits, without any credentials: does a way in answer?

use std::fmt;

use serde::{Deserialize, Serialize};

/// One harmless try.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// A connection is opened and closed again.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// A page is asked for; redirections are not followed.
    Http {
        /// `http://` or `https://`.
        url: String,
    },
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tried {
    /// A connection was made.
    Open,
    /// A connection was refused.
    Refused,
    /// Nothing came back in time.
    Silence,
    /// A page came, or an error, with this status.
    Status(u16),
}

impl Probe {
    /// `host:port`.
    pub fn tcp(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let fits = !host.is_empty()
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:_".contains(&b));
        let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
        fits.then(|| Self::Tcp { host: host.to_owned(), port })
    }

    /// A URL without a name and a password in it.
    pub fn http(text: &str) -> Option<Self> {
        let uri: http::Uri = text.parse().ok()?;
        let authority = uri.authority()?;
        let fits = matches!(uri.scheme_str(), Some("http" | "https"))
            && !authority.host().is_empty()
            && !authority.as_str().contains('@');
        fits.then(|| Self::Http { url: text.to_owned() })
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp [{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp {host}:{port}"),
            Self::Http { url } => f.write_str(url),
        }
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("is open"),
            Self::Refused => f.write_str("refuses connections"),
            Self::Silence => f.write_str("does not answer"),
            Self::Status(status) => write!(f, "answers {status}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_is_a_host_with_a_port_or_a_url_without_a_password() {
        for good in ["mail.example.org:443", "192.0.2.7:22", "[2001:db8::7]:443"] {
            assert!(Probe::tcp(good).is_some(), "{good}");
        }
        for bad in ["mail.example.org", ":443", "mail:0", "mail:65536", "a b:1", "mail:443/x"] {
            assert!(Probe::tcp(bad).is_none(), "{bad}");
        }
        for good in ["https://mail.example.org/login", "http://127.0.0.1:8080/"] {
            assert!(Probe::http(good).is_some(), "{good}");
        }
        for bad in ["ftp://x/", "https:///", "/login", "https://anna:secret@mail.example.org/"] {
            assert!(Probe::http(bad).is_none(), "{bad}");
        }
    }
}
