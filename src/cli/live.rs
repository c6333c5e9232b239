//! Reaching the real cloud: the operator's own credentials, and the endpoint he means.

use std::path::Path;

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_types::region::Region;

use super::args::Access;
use super::exit::{Exit, Failure};
use super::responder::{Means, Responder};
use super::{doctor, origin, view};
use crate::clock::Clock;
use crate::cloud::{Connection, Endpoint, Outside};
use crate::diagnostic::nearest;
use crate::ids::AccessKeyId;
use crate::inventory::{Inventory, Origin};
use crate::survey;

/// A connection, and who we are on it.
pub(super) struct Live {
    pub(super) connection: Connection,
    pub(super) clock: Clock,
    region: Region,
    responder: Responder,
    access_key_id: Option<AccessKeyId>,
    came_from: Vec<Origin>,
}

impl Live {
    /// Finds credentials and region where every AWS tool finds them; assumes the role that was asked for.
    pub(super) async fn connect(access: &Access) -> Result<Self, Failure> {
        refuse_stray_endpoint(access)?;
        refuse_no_endpoint(access)?;
        refuse_no_such_profile(access).await?;
        let region = region(access, &configured(access).await)?;
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
        let responder = Responder::new(Means {
            access,
            http: http.clone(),
            region: region.clone(),
            endpoint: endpoint.clone(),
            clock,
        });
        let credentials = responder.provide_credentials().await;
        let credentials = credentials.map_err(|error| no_credentials(access, &error))?;
        let access_key_id = AccessKeyId::parse(credentials.access_key_id()).ok();
        let came_from = came_from(access, &responder).await?;
        let first = First { credentials: Some(credentials).into(), then: responder.clone() };
        let provider = SharedCredentialsProvider::new(first);
        let connection = Connection::new(http, provider, region.clone(), endpoint, clock)
            .trying(Outside::network());
        Ok(Self { connection, clock, region, responder, access_key_id, came_from })
    }

    /// The region whose secrets are worked on.
    pub(super) fn region(&self) -> &str {
        self.region.as_ref()
    }

    /// Begins an inventory: asks who we are. From then on our clock goes as AWS's does.
    pub(super) async fn begin(&mut self) -> Result<Inventory, Failure> {
        let key = self.access_key_id.clone();
        let mut inventory = survey::begin(self.connection.read(), self.clock, key).await?;
        self.clock = survey::by_aws(&inventory, self.clock);
        inventory.caller.came_from.clone_from(&self.came_from);
        Ok(inventory)
    }

    /// The same, with what is remembered beside the cases in `cases`: a plan leaves break-glass standing.
    pub(super) async fn begin_among(&mut self, cases: &Path) -> Result<Inventory, Failure> {
        let mut inventory = self.begin().await?;
        inventory.caller.break_glass = doctor::tried_break_glass(cases);
        Ok(inventory)
    }

    /// From here on the sessions that are minted bear the name of the case, and show it in the account's logs.
    pub(super) async fn work_on(&self, case: &Path) {
        if self.responder.mints() {
            let name = case.file_name().unwrap_or_default().to_string_lossy();
            self.responder.work_on(&name);
            self.connection.replace_credentials().await;
        }
    }
}

/// What was got already, and from then on whatever is got anew: nobody is asked for the same code twice.
#[derive(Debug)]
struct First {
    credentials: std::sync::Mutex<Option<aws_credential_types::Credentials>>,
    then: Responder,
}

impl ProvideCredentials for First {
    fn provide_credentials<'a>(
        &'a self,
    ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        use aws_credential_types::provider::future::ProvideCredentials;
        let first = self.credentials.lock().map_or(None, |mut kept| kept.take());
        match first {
            Some(first) => ProvideCredentials::ready(Ok(first)),
            None => self.then.provide_credentials(),
        }
    }
}

/// What the files and the environment say.
pub(super) async fn configured(access: &Access) -> SdkConfig {
    let mut loader = aws_config::defaults(aws_config::BehaviorVersion::v2026_01_12());
    if let Some(profile) = &access.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &access.region {
        loader = loader.region(Region::new(region.clone()));
    }
    loader.load().await
}

fn region(access: &Access, config: &SdkConfig) -> Result<Region, Failure> {
    if let Some(url) = config.endpoint_url()
        && access.endpoint_url.as_deref() != Some(url)
    {
        return Err(stray("the AWS configuration", url));
    }
    config.region().cloned().ok_or_else(|| {
        Failure::new(Exit::Refused, "no region is set", "give --region REGION, or set AWS_REGION")
    })
}

/// What the session was got with: the profile's chain, and below a role of ours the one who assumed it.
async fn came_from(access: &Access, responder: &Responder) -> Result<Vec<Origin>, Failure> {
    let mut came_from = origin::of_profile(access.profile.as_deref()).await;
    if (access.role_arn.is_some() || access.mfa_serial.is_some())
        && let Some(base) = responder.base()
    {
        let key = AccessKeyId::parse(base.access_key_id()).ok();
        let caller = responder.sign_in(base).caller().await;
        let arn = caller.map_err(|error| Failure::from(survey::SurveyError(error)))?;
        let how = format!("credentials of {arn}");
        came_from.insert(0, Origin { how, arn: Some(arn), access_key_id: key });
    }
    Ok(came_from)
}

/// A profile that is not there has neither region nor credentials, and that is not what is wrong with it.
async fn refuse_no_such_profile(access: &Access) -> Result<(), Failure> {
    let named = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (whence, profile) = match (&access.profile, named("AWS_PROFILE")) {
        (Some(profile), _) => ("--profile", profile.clone()),
        // What is in the environment comes before a profile that is named there.
        (None, Some(profile)) if named("AWS_ACCESS_KEY_ID").is_none() => ("AWS_PROFILE", profile),
        _ => return Ok(()),
    };
    let Some(others) = origin::instead_of(&profile).await else { return Ok(()) };
    let others: Vec<String> = others.iter().map(|other| view::plain(other)).collect();
    let next = match nearest(&profile, others.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None if others.is_empty() => {
            "the files of the AWS tools have no profile: aws configure, or aws configure sso"
                .to_owned()
        }
        None => format!("there are: {}", others.join(", ")),
    };
    let what = format!("there is no profile {}, which {whence} names", view::plain(&profile));
    Err(Failure::new(Exit::Refused, what, next))
}

fn no_credentials(access: &Access, error: &dyn std::error::Error) -> Failure {
    let minting = access.role_arn.is_some() || access.mfa_serial.is_some();
    let failed = error.source().is_some_and(|source| source.to_string().contains("sts:"));
    if minting && failed {
        return Failure::new(
            Exit::Refused,
            "the session to work with could not be had",
            "check the role, its trust policy and --external-id, and the MFA device; then try again",
        )
        .because(error);
    }
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    if causes.clone().any(|cause| cause.to_string().contains(super::responder::NOT_TYPED)) {
        return Failure::new(
            Exit::Refused,
            "the session to work with could not be had",
            "run it where the code can be typed (on a terminal), within the seconds that it is valid; or use credentials \
             that need none: --profile NAME",
        )
        .because(error);
    }
    if causes.any(|cause| cause.to_string().to_lowercase().contains("sso")) {
        let profile = access
            .profile
            .as_ref()
            .map_or(String::new(), |name| format!(" --profile {}", super::by_hand::quoted(name)));
        return Failure::new(
            Exit::Refused,
            "the sign-in to IAM Identity Center has ended, or gives no session of that account and role",
            format!("sign in again: aws sso login{profile}; or use others: --profile NAME"),
        )
        .because(error);
    }
    Failure::new(
        Exit::Refused,
        "no AWS credentials were found",
        "give those of the incident account: --profile NAME, or AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN)",
    )
    .because(error)
}

/// An endpoint left in the environment would send a breach response to wherever it points.
fn refuse_stray_endpoint(access: &Access) -> Result<(), Failure> {
    for (name, value) in std::env::vars_os() {
        // What is not text is nobody's endpoint by mistake: shown as well as it can be.
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        if !name.starts_with("AWS_ENDPOINT_URL") || value.is_empty() {
            continue;
        }
        match access.endpoint_url.as_deref() {
            Some(ours) if ours == value => {}
            Some(ours) => {
                return Err(Failure::new(
                    Exit::Refused,
                    format!("{name} says {value}, and --endpoint-url says {ours}"),
                    format!("say the same in both, or unset {name}"),
                ));
            }
            None => return Err(stray(&name, &value)),
        }
    }
    Ok(())
}

/// The SDK would say so of every request, as of something that may pass.
fn refuse_no_endpoint(access: &Access) -> Result<(), Failure> {
    let Some(url) = &access.endpoint_url else { return Ok(()) };
    let whole = ["http://", "https://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    if whole.is_some_and(|rest| !rest.is_empty()) {
        return Ok(());
    }
    let meant = if url.contains("://") { "http://HOST:PORT" } else { &*format!("http://{url}") };
    Err(Failure::new(
        Exit::Usage,
        format!("--endpoint-url {} is no address of an endpoint", view::plain(url)),
        format!("write it with its scheme: --endpoint-url {}", view::plain(meant)),
    ))
}

fn stray(whence: &str, url: &str) -> Failure {
    Failure::new(
        Exit::Refused,
        format!("{whence} sends requests to {url} instead of AWS"),
        format!("if that is meant, say so: --endpoint-url {url}; if not, unset it"),
    )
}
