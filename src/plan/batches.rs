//! Changes of one step that are made a few at a time.

use serde::{Deserialize, Serialize};

use crate::ids::{ChangeId, StepId};

/// The changes of one step, divided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batches {
    /// The step.
    pub step: StepId,
    /// The changes of each batch, in the order in which they are made.
    pub of: Vec<Vec<ChangeId>>,
    /// How long between the end of one batch and the next, in seconds.
    pub pause_seconds: u64,
    /// No further batch is begun where so many of the changes so far wait for a person, in percent.
    pub stop_at: Option<usize>,
}
