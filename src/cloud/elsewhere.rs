//! Into another account: a session of a role there, assumed with the credentials that are held here.
//!
//! The session is got anew whenever it runs out, each time with whatever credentials are held by then, which are renewed
//! and checked by whoever holds them. Where the role cannot be assumed the error says so, as that of any credentials.

use std::sync::{Arc, Mutex, PoisonError};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

use super::attempt::CallError;
use super::connection::{Connection, Parts};
use super::credentials::Held;
use super::outside::Outside;
use super::sign_in::SignIn;
use crate::ids::{AccessKeyId, AccountId, Arn};

/// The way into another account, from a connection to the first.
#[derive(Clone, Debug)]
pub struct Elsewhere(Arc<Inner>);

struct Inner {
    here: Held,
    parts: Parts,
    outside: Outside,
    role: Arn,
    external_id: Option<String>,
    session_name: Mutex<String>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Elsewhere({})", self.role)
    }
}

impl Elsewhere {
    pub(super) fn new(
        here: Held,
        parts: Parts,
        outside: Outside,
        role: Arn,
        external_id: Option<String>,
    ) -> Self {
        let session_name = Mutex::new("portcullis".to_owned());
        Self(Arc::new(Inner { here, parts, outside, role, external_id, session_name }))
    }

    /// From the next session on, it bears this name in the other account's logs.
    pub fn work_as(&self, session_name: &str) {
        let mut name = self.0.session_name.lock().unwrap_or_else(PoisonError::into_inner);
        session_name.clone_into(&mut name);
    }

    /// Goes there: a connection to the other account, and the key of the session that it begins with.
    pub async fn enter(&self) -> Result<(Connection, Option<AccessKeyId>), CallError> {
        let session = self.assume().await?;
        let key = AccessKeyId::parse(session.access_key_id()).ok();
        let Parts { http, region, endpoint, clock, .. } = self.0.parts.clone();
        let provider = Entered { first: Mutex::new(Some(session)), then: self.clone() };
        let provider = SharedCredentialsProvider::new(provider);
        let connection = Connection::new(http, provider, region, endpoint, clock);
        Ok((connection.trying(self.0.outside.clone()), key))
    }

    /// A connection for whoever could not go there yet: its calls go once the role can be assumed, and then only if what
    /// is got is of `account`.
    pub async fn later(&self, account: &AccountId) -> Connection {
        let Parts { http, region, endpoint, clock, .. } = self.0.parts.clone();
        let provider = Entered { first: Mutex::new(None), then: self.clone() };
        let provider = SharedCredentialsProvider::new(provider);
        let connection = Connection::new(http, provider, region, endpoint, clock);
        connection.is_of(account).await;
        connection.trying(self.0.outside.clone())
    }

    async fn assume(&self) -> Result<Credentials, CallError> {
        let Inner { here, parts, role, external_id, session_name, .. } = &*self.0;
        let name = session_name.lock().unwrap_or_else(PoisonError::into_inner).clone();
        here.ready().await;
        let Parts { http, region, endpoint, clock, .. } = parts.clone();
        // Whether what is held is good is for AWS to say.
        let sign_in =
            SignIn::by(SharedCredentialsProvider::new(here.clone()), http, region, endpoint, clock);
        sign_in.assume(role, external_id.as_deref(), &name).await
    }
}

/// The session that is there already, and from then on whatever is got anew.
#[derive(Debug)]
struct Entered {
    first: Mutex<Option<Credentials>>,
    then: Elsewhere,
}

impl ProvideCredentials for Entered {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(first) = first {
            return future::ProvideCredentials::ready(Ok(first));
        }
        future::ProvideCredentials::new(async {
            let role = &self.then.0.role;
            let refused =
                |error| CredentialsError::provider_error(format!("assuming {role}: {error}"));
            self.then.assume().await.map_err(refused)
        })
    }
}
