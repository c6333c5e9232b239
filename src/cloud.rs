//! The cloud, through handles: one that reads, and one that writes.
//!
//! Planning and surveying are given a [`ReadCloud`]; only an action's `apply`, and whoever makes a canary to
//! try a cut on, is given a [`WriteCloud`]. What is tried signs for itself, through a [`Probe`]. A write handle can give a read handle, never the other way round, and neither gives
//! out the SDK's clients or request builders, which could be bent into other requests. So a dry run
//! is not a flag: the code that plans holds nothing that could write.
//!
//! Reading compiles:
//! ```
//! # use portcullis::{cloud::ReadCloud, ids::UserName};
//! async fn plan(cloud: &ReadCloud, user: &UserName) {
//!     let _ = cloud.iam().access_keys(user).await;
//! }
//! ```
//! Writing through the same handle does not:
//! ```compile_fail
//! # use portcullis::{cloud::ReadCloud, ids::UserName};
//! async fn plan(cloud: &ReadCloud, user: &UserName) {
//!     let _ = cloud.iam().create_access_key(user).await;
//! }
//! ```
//! A write handle gives a read handle:
//! ```
//! # use portcullis::cloud::{ReadCloud, WriteCloud};
//! fn look(cloud: &WriteCloud) -> &ReadCloud { cloud.read() }
//! ```
//! and never the other way:
//! ```compile_fail
//! # use portcullis::cloud::{ReadCloud, WriteCloud};
//! fn look(cloud: &ReadCloud) -> &WriteCloud { cloud.write() }
//! ```
//! Nor does either give out a client:
//! ```compile_fail
//! # use portcullis::cloud::ReadCloud;
//! fn bend(cloud: &ReadCloud) { let _ = cloud.iam().client.create_user(); }
//! ```

mod attempt;
mod connection;
mod credentials;
pub mod detour;
mod elsewhere;
mod guard;
mod iam;
mod outside;
mod pace;
mod pages;
mod probe;
mod rate;
mod secretsmanager;
mod sign_in;
mod sts;
mod trail;

pub use aws_smithy_runtime_api::client::http::SharedHttpClient as HttpClient;

pub use attempt::{CallError, Cause, Certainty, NO_CONNECTION, NO_CREDENTIALS};
pub use connection::{Connection, Endpoint};
pub use credentials::Lasts;
pub use elsewhere::Elsewhere;
pub use guard::{PROBES, READS, WRITES};
pub use iam::{InlinePolicy, Made, Minted, ReadIam, WriteIam};
pub use outside::{Answering, Outside};
pub use pace::{Throttled, Urgency};
pub use probe::{CanaryKey, Probe, Probes, Suspect};
pub use secretsmanager::{ReadSecrets, WriteSecrets};
pub use sign_in::SignIn;
pub use sts::ReadSts;
pub use trail::ReadTrail;

use pace::Pace;

/// What can be read. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ReadCloud {
    iam: ReadIam,
    secrets: ReadSecrets,
    sts: ReadSts,
    outside: Outside,
    trail: ReadTrail,
}

impl ReadCloud {
    /// Reads from the account's log.
    pub fn trail(&self) -> &ReadTrail {
        &self.trail
    }

    /// Reads from IAM.
    pub fn iam(&self) -> &ReadIam {
        &self.iam
    }

    /// Reads from Secrets Manager, never a value.
    pub fn secrets(&self) -> &ReadSecrets {
        &self.secrets
    }

    /// Reads from STS.
    pub fn sts(&self) -> &ReadSts {
        &self.sts
    }

    /// Tries ways in that lie outside.
    pub fn outside(&self) -> &Outside {
        &self.outside
    }

    /// The same handle, for calls of another urgency. What it calls shares the lanes.
    #[must_use]
    pub fn at(&self, urgency: Urgency) -> Self {
        let mut cloud = self.clone();
        cloud.iam.pace = self.iam.pace.at(urgency);
        cloud.secrets.pace = self.secrets.pace.at(urgency);
        cloud.sts.pace = self.sts.pace.at(urgency);
        cloud.trail.pace = self.trail.pace.at(urgency);
        cloud
    }

    /// Returns when IAM, where nearly all calls go, would be sent a call of this handle's urgency at once.
    pub async fn turn(&self) {
        self.iam.pace.turn().await;
    }

    /// The services that have told to slow down, and what they admit.
    pub fn throttled(&self) -> Vec<Throttled> {
        self.lanes().into_iter().filter_map(Pace::throttled).collect()
    }

    /// Returns when one of the services next tells to slow down.
    pub async fn told_to_slow_down(&self) {
        let told = self.lanes().map(|pace| Box::pin(pace.told_to_slow_down()));
        futures_util::future::select_all(told).await;
    }

    fn lanes(&self) -> [&Pace; 4] {
        [&self.iam.pace, &self.secrets.pace, &self.sts.pace, &self.trail.pace]
    }
}

/// What can be changed. Given to `apply` and to nothing else.
#[derive(Clone, Debug)]
pub struct WriteCloud {
    read: ReadCloud,
    iam: WriteIam,
    secrets: WriteSecrets,
}

impl WriteCloud {
    /// The reading half.
    pub fn read(&self) -> &ReadCloud {
        &self.read
    }

    /// The same handle, for calls of another urgency. What it calls shares the lanes.
    #[must_use]
    pub fn at(&self, urgency: Urgency) -> Self {
        let mut cloud = Self { read: self.read.at(urgency), ..self.clone() };
        cloud.iam.pace = self.iam.pace.at(urgency);
        cloud.secrets.pace = self.secrets.pace.at(urgency);
        cloud
    }

    /// Changes in IAM.
    pub fn iam(&self) -> &WriteIam {
        &self.iam
    }

    /// Changes in Secrets Manager, and the values themselves.
    pub fn secrets(&self) -> &WriteSecrets {
        &self.secrets
    }
}
