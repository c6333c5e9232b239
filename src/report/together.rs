//! The report of a case of several accounts: of all of them together, and of each.
//!
//! The summary, what is left to do, the deadlines and what happened are told of all; how credentials stand, of each. The
//! deadlines count from when the first account's case was opened.

use jiff::Timestamp;
use serde::Serialize;

use super::figures::Figures;
use super::{Clocks, Report, VERSION};
use crate::ids::AccountId;
use crate::journal::{Decoded, State};
use crate::ledger::Ledger;
use crate::plan::SavedPlan;

/// The reports of the accounts of one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reports {
    /// The version of this shape.
    pub version: u32,
    /// What the case is about.
    pub title: String,
    /// The playbook.
    pub playbook: String,
    /// Whether it was played in the rehearsal cloud: then nothing of it is real.
    pub rehearsal: bool,
    /// Five sentences, of all of them.
    pub summary: Vec<String>,
    /// What the law asks for, and by when.
    pub clocks: Clocks,
    /// What is left to do by hand in any of them.
    pub left_to_do: Vec<OfAccount<String>>,
    /// What happened, in order.
    pub timeline: Vec<OfAccount<super::Happened>>,
    /// Each account, home first.
    pub accounts: Vec<Report>,
}

/// Something, and in which account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OfAccount<T> {
    /// The account.
    pub account: AccountId,
    /// What.
    pub what: T,
}

impl Reports {
    /// The report of a case whose accounts these are.
    ///
    /// # Panics
    /// Where there is no account.
    pub fn of<'a>(
        accounts: impl Iterator<Item = (&'a SavedPlan, &'a Decoded, &'a State)>,
        aware_at: Option<Timestamp>,
    ) -> Self {
        let mut accounts: Vec<_> = accounts.collect();
        // Home first, then by their names.
        accounts.sort_by_key(|(saved, ..)| {
            let together = saved.plan.together.as_ref();
            together.is_none_or(|together| together.home != saved.plan.account)
        });
        let opened_at = |decoded: &Decoded| decoded.lines.first().map(|line| line.at);
        let figures = accounts.iter().map(|(saved, decoded, state)| {
            let ledger = Ledger::of(&saved.plan, state);
            Figures::of(&saved.plan, decoded, state, &ledger)
        });
        let figures = figures.reduce(Figures::with).expect("a case has an account");
        let first = accounts.iter().filter_map(|(_, decoded, _)| opened_at(decoded)).min();
        let last = accounts.iter().filter_map(|(.., state)| state.last).max();
        let reports = accounts
            .iter()
            .map(|(saved, decoded, state)| Report::of(saved, decoded, state, aware_at));
        let accounts: Vec<Report> = reports.collect();
        let mut timeline: Vec<_> = of_each(&accounts, |report| &report.timeline);
        timeline.sort_by_key(|one| one.what.at);
        let left_to_do = of_each(&accounts, |report| &report.left_to_do);
        Self {
            version: VERSION,
            title: accounts[0].title.clone(),
            playbook: accounts[0].playbook.clone(),
            rehearsal: accounts.iter().any(|report| report.rehearsal),
            summary: figures.in_five_sentences(!left_to_do.is_empty()),
            clocks: Clocks::of(aware_at, first, last),
            left_to_do,
            timeline,
            accounts,
        }
    }
}

fn of_each<T: Clone>(reports: &[Report], of: impl Fn(&Report) -> &Vec<T>) -> Vec<OfAccount<T>> {
    let one = |report: &Report| {
        let account = report.account.clone();
        let all = of(report).clone().into_iter();
        all.map(move |what| OfAccount { account: account.clone(), what }).collect::<Vec<_>>()
    };
    reports.iter().flat_map(one).collect()
}
