//! Reads IAM policy documents and decides requests by them.
//!
//! Pure: no cloud, no clock, no account. What is asked is in the [`Request`], what applies in the
//! [`Policies`], and the [`Decision`] says why, so that an error can name the kind of policy that
//! refused. The rehearsal cloud and the computation of reach share this evaluator, and so share its
//! errors. Service and resource control policies are not modelled.
//! Fails only when a document is read ([`InvalidPolicy`]): a document that was read can be judged.

pub mod admission;
mod condition;
mod document;
mod evaluate;
mod pattern;
mod principal;
pub mod reach;
pub mod trust;

pub use document::{Document, Effect, InvalidPolicy};
pub use evaluate::{Applies, Decision, Denial, Kind, Policies, Request, evaluate};
pub use principal::{Caller, Match};

/// What is known of a request beside action and resource: lower-case keys, each with its values.
///
/// A key that is absent is absent in the sense of IAM: `aws:TokenIssueTime` is missing from requests
/// signed with a long-lived key, and so no condition on it holds for one.
#[derive(Clone, Debug, Default)]
pub struct Context(std::collections::BTreeMap<String, Vec<String>>);

impl Context {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key that has one value.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_ascii_lowercase(), vec![value.into()]);
    }

    /// Sets a key that has several values.
    pub fn set_all(&mut self, key: &str, values: Vec<String>) {
        self.0.insert(key.to_ascii_lowercase(), values);
    }

    /// The values of a key; `None` when the request does not have it.
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(&key.to_ascii_lowercase()).map(Vec::as_slice)
    }
}
