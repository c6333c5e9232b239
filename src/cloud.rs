//! The cloud, through handles: one that reads, and one that writes.
//!
//! Planning and surveying are given a [`ReadCloud`]; only an action's `apply` is given a
//! [`WriteCloud`]. A write handle can give a read handle, never the other way round, and neither gives
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
mod guard;
mod iam;
mod pace;
mod pages;
mod rate;
mod secretsmanager;
mod sign_in;
mod sts;

pub use aws_smithy_runtime_api::client::http::SharedHttpClient as HttpClient;

pub use attempt::{CallError, Cause, Certainty, NO_CONNECTION, NO_CREDENTIALS};
pub use connection::{Connection, Endpoint};
pub use guard::{READS, WRITES};
pub use iam::{Minted, ReadIam, WriteIam};
pub use pace::{Throttled, Urgency};
pub use secretsmanager::{ReadSecrets, WriteSecrets};
pub use sign_in::SignIn;
pub use sts::ReadSts;

use pace::Pace;

/// What can be read. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ReadCloud {
    iam: ReadIam,
    secrets: ReadSecrets,
    sts: ReadSts,
}

impl ReadCloud {
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

    /// The same handle, for calls of another urgency. What it calls shares the lanes.
    #[must_use]
    pub fn at(&self, urgency: Urgency) -> Self {
        let mut cloud = self.clone();
        cloud.iam.pace = self.iam.pace.at(urgency);
        cloud.secrets.pace = self.secrets.pace.at(urgency);
        cloud.sts.pace = self.sts.pace.at(urgency);
        cloud
    }

    /// Returns when IAM, where nearly all calls go, would be sent a call of this handle's urgency at once.
    pub async fn turn(&self) {
        self.iam.pace.turn().await;
    }

    /// The services that have told to slow down, and what they admit.
    pub fn throttled(&self) -> Vec<Throttled> {
        let lanes = [&self.iam.pace, &self.secrets.pace, &self.sts.pace];
        lanes.into_iter().filter_map(Pace::throttled).collect()
    }

    /// Returns when one of the services next tells to slow down.
    pub async fn told_to_slow_down(&self) {
        let lanes = [&self.iam.pace, &self.secrets.pace, &self.sts.pace];
        let told = lanes.map(|pace| Box::pin(pace.told_to_slow_down()));
        futures_util::future::select_all(told).await;
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
