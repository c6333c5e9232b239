//! What expressions may cost: how much they look at, and how much they make.
//!
//! One budget serves a whole pass over a playbook, for what one expression gives another can double. Weighed is what
//! grows with its values: what is compared and searched, what a loop goes over, what is put into lists, what a sum
//! gives. The evaluator sees a meter as a map from values: to the same value, or to `true`. It knows nothing of
//! playbooks, and fails by an error of the evaluator.

use std::sync::atomic::{AtomicU64, Ordering};

use cel::ExecutionError;
use cel::common::types::{CelBool, CelList, CelMap, CelString};
use cel::common::value::Val;
use serde_json::Value;

use super::indexed::{Lookup, plain};

/// Some seconds of comparing, and as many comparisons as `in` makes over all users that an account may have.
const LOOKED_AT_MOST: u64 = 50_000_000;
/// Some hundred megabytes: in the evaluator and kept beside it, a value takes about a hundred bytes.
const MADE_AT_MOST: u64 = 4_000_000;
/// As many bytes of text are compared as quickly as one item.
const BYTES_LOOKED_AT: u64 = 64;
/// As many bytes of text take the room of one item.
const BYTES_MADE: u64 = 16;

/// What is spent so far.
#[derive(Debug, Default)]
pub struct Spent {
    looked: AtomicU64,
    made: AtomicU64,
}

impl Spent {
    /// Counts what is kept for other expressions. Whether it is still within the budget.
    pub(crate) fn keeps(&self, value: &Value) -> bool {
        self.makes(weight(value, BYTES_MADE))
    }

    /// Counts what a loop goes over. Whether it is still within the budget.
    pub(super) fn goes_through(&self, value: &Value) -> bool {
        self.looks(weight(value, BYTES_LOOKED_AT))
    }

    /// What the budget is of, where it is used up.
    pub(crate) fn exceeded(&self) -> Option<&'static str> {
        if self.made.load(Ordering::Relaxed) > MADE_AT_MOST {
            Some("the values that the playbook's expressions make become too large")
        } else if self.looked.load(Ordering::Relaxed) > LOOKED_AT_MOST {
            Some("the playbook's expressions compare or go over too much")
        } else {
            None
        }
    }

    pub(super) fn looks(&self, weight: u64) -> bool {
        self.looked.fetch_add(weight, Ordering::Relaxed).saturating_add(weight) <= LOOKED_AT_MOST
    }

    fn makes(&self, weight: u64) -> bool {
        self.made.fetch_add(weight, Ordering::Relaxed).saturating_add(weight) <= MADE_AT_MOST
    }
}

fn weight(value: &Value, bytes: u64) -> u64 {
    match value {
        Value::String(text) => 1 + text.len() as u64 / bytes,
        Value::Array(items) => 1 + items.iter().map(|item| weight(item, bytes)).sum::<u64>(),
        Value::Object(fields) => 1 + fields.values().map(|item| weight(item, bytes)).sum::<u64>(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

/// The same of a value of the evaluator.
fn weight_of(value: &dyn Val, bytes: u64) -> u64 {
    if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        1 + text.inner().len() as u64 / bytes
    } else if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        1 + list.inner().iter().map(|item| weight_of(item.as_ref(), bytes)).sum::<u64>()
    } else if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        1 + map.inner().values().map(|item| weight_of(item.as_ref(), bytes)).sum::<u64>()
    } else {
        1
    }
}

/// What is weighed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meter {
    /// For being looked at.
    Looks,
    /// For being made.
    Builds,
}

impl Meter {
    pub(super) const ALL: [Self; 2] = [Self::Looks, Self::Builds];

    /// The variable that gives `true` for a value. No playbook can name it.
    pub(super) fn question(self) -> &'static str {
        match self {
            Self::Looks => "@looks?",
            Self::Builds => "@builds?",
        }
    }

    /// The variable that gives a value for itself.
    pub(super) fn passage(self) -> &'static str {
        match self {
            Self::Looks => "@looks",
            Self::Builds => "@builds",
        }
    }
}

/// A meter: from values to the same value, or to `true`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scales<'v> {
    pub(super) meter: Meter,
    pub(super) gives_the_value: bool,
    pub(super) spent: &'v Spent,
}

impl Lookup for Scales<'_> {
    fn at(&self, value: &dyn Val) -> Result<Box<dyn Val>, ExecutionError> {
        let within = match self.meter {
            Meter::Looks => self.spent.looks(weight_of(value, BYTES_LOOKED_AT)),
            Meter::Builds => self.spent.makes(weight_of(value, BYTES_MADE)),
        };
        if !within {
            return Err(ExecutionError::function_error(self.meter.passage(), "too much"));
        }
        if !self.gives_the_value {
            return Ok(Box::new(CelBool::from(true)));
        }
        plain(self.meter.passage(), cel::Value::try_from(value)?)
    }
}
