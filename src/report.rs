//! The report of a case: what happened, how every credential stands, and what is left to do, for people who were not
//! there.
//!
//! Made from the case alone, years later as well as the same night: the plan of its newest round, and its journal. What
//! time it is, is told by the journal's last entry, so that the same case gives the same report, byte for byte. Knows no
//! cloud and no clock; says nothing that plan and journal do not.

mod clocks;
mod figures;
mod timeline;
mod together;
mod written;

use jiff::Timestamp;
use serde::Serialize;

pub use clocks::{Clocks, Deadline};
pub use timeline::Happened;
pub use together::Reports;

use figures::Figures;

use crate::ids::{AccountId, Arn, ChangeId};
use crate::journal::{ChangeState, Decoded, State};
use crate::ledger::{self, Issued, Ledger, Row, Standing};
use crate::plan::{Change, SavedPlan, Untouched};

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
        Self {
            version: VERSION,
            title: plan.title.clone(),
            playbook: plan.playbook.clone(),
            rehearsal: opened.is_some_and(|opened| opened.rehearsal),
            account: plan.account.clone(),
            summary: Figures::of(plan, state, &ledger, opened_at).in_five_sentences(),
            clocks: Clocks::of(aware_at, opened_at, state.last),
            left_to_do: left_to_do(saved, state, &ledger),
            timeline: timeline::of(saved, decoded),
            contested: contested
                .map(|change| format!("{}, {}: {}", change.id, change.target, change.what))
                .collect(),
            untouched: plan.untouched.clone(),
            ran_by,
            taken_over: taken_over.collect(),
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

/// What people must still do, and what must not be forgotten.
fn left_to_do(saved: &SavedPlan, state: &State, ledger: &Ledger) -> Vec<String> {
    let mut left: Vec<String> =
        ledger.unaccounted().map(|row| format!("{}: {}", row.credential, row.detail())).collect();
    let held = saved.plan.changes.iter().map(|change| (&change.id, state.change(&change.id)));
    left.extend(held.filter(|(_, record)| record.state == ChangeState::Held).map(
        |(id, record): (&ChangeId, _)| format!("{id}: {}", record.trouble.unwrap_or_default()),
    ));
    left.extend(state.held.iter().cloned());
    left.extend(ledger::off_before(&saved.plan, state).map(|cut| {
        format!(
            "{} ({}, {}) of the earlier case {}: {} ({})",
            cut.change,
            cut.target,
            cut.what,
            cut.case,
            cut.told(),
            cut.why
        )
    }));
    for waived in &ledger.waivers {
        let until = waived.until.strftime("%Y-%m-%d %H:%M UTC");
        let ran_out = if waived.expired { "ran out" } else { "runs out" };
        left.push(format!("the waiver of {} {ran_out} at {until}", waived.credential));
    }
    for row in &ledger.rows {
        if let Standing::Blocked { until: Some(until), .. } = &row.standing {
            left.push(format!(
                "{}: what denies them must stand until {}",
                row.credential,
                until.strftime("%Y-%m-%d %H:%M UTC")
            ));
        }
    }
    // An innocent whose key is off does not work, and no step need be there to let him.
    for row in &ledger.rows {
        if let Standing::Cleared { barriers, .. } = &row.standing
            && barriers.iter().any(|barrier| barrier.blocks() && !barrier.is_of_sessions())
        {
            left.push(format!(
                "{}: found innocent and still cut: where no step lets it work again, `portcullis undo` does",
                row.credential
            ));
        }
    }
    left.extend(ledger::quarantined(&saved.plan, state).iter().map(|who| {
        format!("{who}: quarantined; whatever works as it does stands still until it is let in")
    }));
    // What was never made, or is lifted, need not be looked at again.
    let stands = |change: &&Change| {
        state.record(&change.id).state == ChangeState::Seen
            && !ledger::is_lifted(&saved.plan, state, change)
    };
    let due = saved.plan.changes.iter().filter(stands);
    let due = due.filter_map(|change| Some((change, change.review_by?)));
    left.extend(due.map(|(change, at)| {
        format!("{}: look by {} whether it must stay", change.id, at.strftime("%Y-%m-%d"))
    }));
    left
}
