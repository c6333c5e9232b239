//! The report of a case: what happened, how every credential stands, and what is left to do, for people who were not
//! there.
//!
//! Made from the case alone, years later as well as the same night: the plan of its newest round, and its journal; which other
//! cases go with it is told by whoever has read those (`follows`). What time it is, is told by the journal's last entry, so that the same case gives the same report, byte for byte. Knows no
//! cloud and no clock; says nothing that plan and journal do not.

mod clocks;
mod figures;
mod follows;
mod left;
mod timeline;
mod together;
mod written;

use jiff::Timestamp;
use serde::Serialize;

pub use clocks::{Clocks, Deadline};
pub use follows::{Comes, Follows};
pub(crate) use left::{NOT_SEEN_REFUSED, held_beyond_changes, to_hand_over};
pub use timeline::Happened;
pub use together::Reports;

use figures::Figures;
use left::left_to_do;

use crate::ids::{AccountId, Arn};
use crate::journal::{Decoded, State};
use crate::ledger::{self, Issued, Ledger, Row};
use crate::plan::{SavedPlan, Untouched};

/// The version of the report's shape as JSON.
const VERSION: u32 = 1;

/// A report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The version of this shape.
    pub version: u32,
    /// What the case is about.
    pub title: String,
    /// The playbook.
    pub playbook: String,
    /// Whether it was played in the rehearsal cloud: then nothing of it is real.
    pub rehearsal: bool,
    /// The account.
    pub account: AccountId,
    /// Five sentences.
    pub summary: Vec<String>,
    /// What the law asks for, and by when.
    pub clocks: Clocks,
    /// What is left to do by hand, a sentence each.
    pub left_to_do: Vec<String>,
    /// What happened, in order.
    pub timeline: Vec<Happened>,
    /// Every credential.
    pub ledger: Vec<Row>,
    /// What was handed out.
    pub issued: Vec<Issued>,
    /// Cuts that somebody took off while they were looked at.
    pub contested: Vec<String>,
    /// What was seen and left alone, and why.
    pub untouched: Vec<Untouched>,
    /// Who ran it, as STS gave it.
    pub ran_by: Vec<Arn>,
    /// When somebody took it out of somebody else's hands, and why.
    pub taken_over: Vec<Happened>,
    /// The cases that it takes up, and those that have taken it up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<Follows>,
    /// What it rests on.
    pub record: Record,
}

/// What a report rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Version of the program that opened the case.
    pub program: String,
    /// Digests of the plans that were carried out, in order.
    pub plans: Vec<String>,
    /// Lines of the journal.
    pub lines: usize,
    /// The hash of the last.
    pub head: String,
    /// When the last entry was written: the report knows nothing after it.
    pub as_of: Option<Timestamp>,
}

impl Report {
    /// The report of a case. `aware_at` is when somebody first knew; without it, when the case was opened.
    pub fn of(
        saved: &SavedPlan,
        decoded: &Decoded,
        state: &State,
        aware_at: Option<Timestamp>,
    ) -> Self {
        let plan = &saved.plan;
        let ledger = Ledger::of(plan, state);
        let opened = state.opened.as_ref();
        let opened_at = decoded.lines.first().map(|line| line.at);
        let plans = opened.map(|opened| opened.plan.clone()).into_iter();
        let contested = plan.changes.iter().filter(|change| state.change(&change.id).contested);
        let mut ran_by = state.callers.clone();
        let taken_over = state.taken_over.iter().map(|taken| Happened {
            at: taken.at.at,
            what: format!(
                "{} took the case over from {}: {}",
                taken.said.by,
                taken.from.as_ref().map_or("nobody known", |from| from.caller.as_str()),
                taken.said.reason
            ),
        });
        ran_by.sort();
        ran_by.dedup();
        let left_to_do = left_to_do(saved, state, &ledger);
        let figures = Figures::of(plan, decoded, state, &ledger);
        Self {
            version: VERSION,
            title: plan.title.clone(),
            playbook: plan.playbook.clone(),
            rehearsal: opened.is_some_and(|opened| opened.rehearsal),
            account: plan.account.clone(),
            summary: figures.in_five_sentences(!left_to_do.is_empty()),
            clocks: Clocks::of(aware_at, opened_at, state.last),
            left_to_do,
            timeline: timeline::of(saved, decoded),
            contested: contested
                .map(|change| {
                    let by = ledger::opened_by(plan, state, change);
                    let by = by.map_or(String::new(), |said| {
                        format!(" (opened before its turn, as {} attests)", said.by)
                    });
                    format!("{}, {}: {}{by}", change.id, change.target, change.what)
                })
                .collect(),
            untouched: plan.untouched.clone(),
            ran_by,
            taken_over: taken_over.collect(),
            follows: Vec::new(),
            record: Record {
                program: opened.map(|opened| opened.program.clone()).unwrap_or_default(),
                plans: plans.chain(state.rounds.iter().cloned()).collect(),
                lines: decoded.lines.len(),
                head: decoded.head().to_owned(),
                as_of: state.last,
            },
            ledger: ledger.rows,
            issued: ledger.issued,
        }
    }
}
