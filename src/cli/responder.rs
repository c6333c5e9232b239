//! Where the responder's credentials come from, each time they are asked for anew: the chain that every AWS
//! tool follows; then, where a device is named, a session that knows its code; then, where a role is named, a
//! session of that role.
//!
//! The chain is followed from its beginning each time, so that somebody who has signed in again in another
//! window is seen. Where it gives what it gave before and a person is at the terminal, the person is asked. The
//! code of a device is typed, read here, sent once and forgotten: it is never an argument.

use std::io::{self, BufRead, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_types::region::Region;

use super::view;
use crate::clock::Clock;
use crate::cloud::{CallError, Endpoint, HttpClient, SignIn, detour};
use crate::ids::Arn;
use crate::secret::Secret;

/// A session that ends within this is not worth assuming a role with.
const WORTH_USING: Duration = Duration::from_mins(1);
/// How often a person is asked to sign in again before the run stops, and can be resumed.
const ASKED_AT_MOST: usize = 3;
/// What AWS takes as the name of a session.
const LONGEST_NAME: usize = 64;

/// Gives the responder's credentials.
#[derive(Clone, Debug)]
pub(super) struct Responder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    profile: Option<String>,
    role: Option<Arn>,
    external_id: Option<String>,
    device: Option<String>,
    http: HttpClient,
    region: Region,
    endpoint: Endpoint,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    session_name: String,
    /// What the chain gave last.
    last: Option<Credentials>,
    /// The session that knows the device's code.
    with_code: Option<Credentials>,
}

/// Whose a responder is, and how he gets to AWS.
pub(super) struct Means<'a> {
    pub(super) access: &'a super::args::Access,
    pub(super) http: HttpClient,
    pub(super) region: Region,
    pub(super) endpoint: Endpoint,
    pub(super) clock: Clock,
}

/// Said where nobody typed the code of the MFA device.
pub(super) const NOT_TYPED: &str = "the code of the MFA device was not typed";

impl Responder {
    pub(super) fn new(means: Means<'_>) -> Self {
        let Means { access, http, region, endpoint, clock } = means;
        let state = State { session_name: "portcullis".to_owned(), ..State::default() };
        Self(Arc::new(Inner {
            profile: access.profile.clone(),
            role: access.role_arn.clone(),
            external_id: access.external_id.clone(),
            device: access.mfa_serial.clone(),
            http,
            region,
            endpoint,
            clock,
            state: Mutex::new(state),
        }))
    }

    /// Whether the name of a case shows in the sessions: they are minted here.
    pub(super) fn mints(&self) -> bool {
        self.0.role.is_some()
    }

    /// From the next session on, the case is in its name, and so in the account's own logs.
    pub(super) fn work_on(&self, case: &str) {
        self.with_state(|state| state.session_name = session_name(case));
    }

    /// What the chain gave last: the credentials that all others were got with.
    pub(super) fn base(&self) -> Option<Credentials> {
        self.with_state(|state| state.last.clone())
    }

    /// Signs in with what is given.
    pub(super) fn sign_in(&self, credentials: Credentials) -> SignIn {
        let Inner { http, region, endpoint, clock, .. } = &*self.0;
        SignIn::new(http.clone(), credentials, region.clone(), endpoint.clone(), *clock)
    }

    fn with_state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn get(&self) -> Result<Credentials, CredentialsError> {
        let Inner { role, external_id, device, .. } = &*self.0;
        let mut credentials = self.chained().await?;
        if let Some(device) = device {
            credentials = self.with_code(device, credentials).await?;
        }
        if let Some(role) = role {
            let name = self.with_state(|state| state.session_name.clone());
            let sign_in = self.sign_in(credentials);
            let session = sign_in.assume(role, external_id.as_deref(), &name).await;
            credentials = session.map_err(|error| refused(&error, &format!("assuming {role}")))?;
        }
        Ok(credentials)
    }

    /// A session that knows of the device's code; the one there is, while it lasts.
    async fn with_code(
        &self,
        device: &str,
        base: Credentials,
    ) -> Result<Credentials, CredentialsError> {
        if let Some(session) = self.with_state(|state| state.with_code.clone())
            && lasts(&session, self.0.clock)
        {
            return Ok(session);
        }
        let code = ask(format!("Code of MFA device {}: ", view::plain(device))).await;
        let code =
            Secret::new(code.ok_or_else(|| CredentialsError::invalid_configuration(NOT_TYPED))?);
        let session = self.sign_in(base).with_code(device, &code).await;
        let session =
            session.map_err(|error| refused(&error, "a session with the MFA device's code"))?;
        self.with_state(|state| state.with_code = Some(session.clone()));
        Ok(session)
    }

    /// What every AWS tool would use. Where that is what it was before, and it is asked for because that has
    /// run out, a person at the terminal may sign in again first.
    async fn chained(&self) -> Result<Credentials, CredentialsError> {
        let mut fresh = self.follow_the_chain().await?;
        let last = self.with_state(|state| state.last.clone());
        let same = |fresh: &Credentials| {
            last.as_ref().is_some_and(|last| {
                (last.access_key_id(), last.session_token())
                    == (fresh.access_key_id(), fresh.session_token())
            })
        };
        // A user's own key does not run out; with it, sessions are minted as often as one likes.
        for _ in 0..ASKED_AT_MOST {
            if !same(&fresh) || fresh.session_token().is_none() || !self.somebody_can_renew_it() {
                break;
            }
            let question = "\nThe credentials have run out. Sign in again in another window (aws sso login, or a new \
                            session in the same profile), then press Enter here. Nothing is lost meanwhile. ";
            if ask(question.to_owned()).await.is_none() {
                break;
            }
            fresh = self.follow_the_chain().await?;
        }
        self.with_state(|state| state.last = Some(fresh.clone()));
        Ok(fresh)
    }

    /// Whether somebody is there to sign in again, and it would be seen: the environment of a process that runs
    /// does not change.
    fn somebody_can_renew_it(&self) -> bool {
        let fixed = self.0.profile.is_none() && std::env::var_os("AWS_ACCESS_KEY_ID").is_some();
        !fixed && io::stdin().is_terminal()
    }

    async fn follow_the_chain(&self) -> Result<Credentials, CredentialsError> {
        let region = self.0.region.clone();
        // A profile that is named comes before what is in the environment.
        if let Some(profile) = &self.0.profile {
            let mut config = ProviderConfig::without_region().with_region(Some(region));
            if let Endpoint::Url(url) = &self.0.endpoint {
                config = config.with_http_client(detour::to(self.0.http.clone(), url));
            }
            let profile = ProfileFileCredentialsProvider::builder().profile_name(profile);
            return profile.configure(&config).build().provide_credentials().await;
        }
        let mut loader = aws_config::defaults(aws_config::BehaviorVersion::v2026_01_12());
        if let Endpoint::Url(url) = &self.0.endpoint {
            loader = loader.http_client(detour::to(self.0.http.clone(), url));
        }
        let config = loader.region(region).load().await;
        let chain: Option<SharedCredentialsProvider> = config.credentials_provider();
        let none = || CredentialsError::not_loaded("no credentials were found");
        chain.ok_or_else(none)?.provide_credentials().await
    }
}

/// The name of a case as the name of a session.
pub(super) fn session_name(case: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_=,.@-".contains(c);
    let name: String = case.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    // The end of a name tells cases apart.
    name[name.len().saturating_sub(LONGEST_NAME)..].to_owned()
}

impl ProvideCredentials for Responder {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.get())
    }
}

fn lasts(session: &Credentials, clock: Clock) -> bool {
    let now: SystemTime = clock.now().into();
    session.expiry().is_none_or(|ends| ends > now + WORTH_USING)
}

fn refused(error: &CallError, what: &str) -> CredentialsError {
    CredentialsError::provider_error(format!("{what}: {error}"))
}

/// Asks a question and waits for a line, on a thread of its own: whoever presses Ctrl-C is heard meanwhile.
/// `None` where nobody answers.
async fn ask(question: String) -> Option<String> {
    view::err(&question);
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line).unwrap_or(0);
        let _ = tell.send((read > 0).then(|| line.trim().to_owned()));
    });
    told.await.ok().flatten()
}
