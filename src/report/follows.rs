//! Which cases of the account follow each other: those that one takes up, and those that have taken it up.
//!
//! Which there are is for whoever reads directories to say. Whoever reads the report of one is told of the others, and since
//! when somebody knew is told by the first of them.

use jiff::Timestamp;
use serde::Serialize;

use super::{Clocks, Report, Reports};
use crate::ids::AccountId;

/// A case that this one takes up, or that takes this one up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Follows {
    /// Where it lies.
    pub case: String,
    /// Which of the two comes first.
    pub comes: Comes,
    /// What it is about, and when it was opened; `None` where it is not to be found or read.
    pub opened: Option<(String, Timestamp)>,
}

/// Which of two cases comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comes {
    /// The other: it was taken up.
    Before,
    /// This one: it was taken up.
    After,
}

impl Follows {
    /// In a sentence.
    pub(super) fn told(&self) -> String {
        let opened = match &self.opened {
            Some((title, at)) => {
                format!("{title}, opened {}", at.strftime("%Y-%m-%d %H:%M:%S UTC"))
            }
            None => "not to be found or read where this one lies".to_owned(),
        };
        match self.comes {
            Comes::Before => format!("{} ({opened}) was taken up by this case", self.case),
            Comes::After => format!(
                "{} ({opened}) has taken this case up: what was done since is told there",
                self.case
            ),
        }
    }
}

impl Clocks {
    /// The same, counted from when the first of `cases` was opened, where nobody has said since when he knew.
    fn since_the_first_of(self, cases: &[Follows], now: Option<Timestamp>) -> Self {
        let opened = cases.iter().filter_map(|one| Some((one.opened.as_ref()?.1, one)));
        let Some((opened, first)) = opened.min_by_key(|(at, _)| *at) else { return self };
        if self.said || self.aware_at.is_none_or(|aware| aware <= opened) {
            return self;
        }
        Self { first: Some(first.case.clone()), ..Self::of(None, Some(opened), now) }
    }
}

impl Report {
    /// The same, of a case that others follow, or that follows others.
    #[must_use]
    pub fn among(mut self, cases: Vec<Follows>) -> Self {
        self.clocks = self.clocks.since_the_first_of(&cases, self.record.as_of);
        self.follows = cases;
        self
    }
}

impl Reports {
    /// The same: in each account others follow, or were followed.
    #[must_use]
    pub fn among(mut self, cases: impl Fn(&AccountId) -> Vec<Follows>) -> Self {
        let reports = self.accounts.into_iter();
        let reports = reports.map(|report| {
            let cases = cases(&report.account);
            report.among(cases)
        });
        self.accounts = reports.collect();
        let last = self.accounts.iter().filter_map(|report| report.record.as_of).max();
        let all: Vec<Follows> =
            self.accounts.iter().flat_map(|report| report.follows.clone()).collect();
        self.clocks = self.clocks.since_the_first_of(&all, last);
        self
    }
}
