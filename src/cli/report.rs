//! `portcullis report`: what happened in a case, for people who were not there. From its directory alone.

use super::accounts::{check_together, refuse_lost_journals};
use super::args::{self, ReportFormat};

use super::exit::{Exit, Failure};
use super::found::read;
use super::there::{There, placed, placed_in};
use super::{diagnostics, succession, view};
use crate::case;
use crate::report::{Report, Reports};

pub(super) fn report(args: &args::Report) -> Result<Exit, Failure> {
    let accounts = case::accounts::of(&args.case);
    if accounts.is_empty() {
        let (saved, decoded, state) = read(&args.case)?;
        let report = Report::of(&saved, &decoded, &state, args.aware_at);
        let report = report.among(succession::of(&args.case, &saved, &state));
        let there = There::of(&saved, Some(&state));
        let of_it = |text: String| placed(&text, &args.case, &there);
        let mut told = serde_json::to_value(&report).expect("plain data");
        placed_in(&mut told, &args.case, &there);
        tell(args.format, || of_it(report.text()), || of_it(report.markdown()), &told);
        return Ok(Exit::Done);
    }
    refuse_lost_journals(&accounts)?;
    let read = accounts.iter().map(|dir| read(dir)).collect::<Result<Vec<_>, _>>()?;
    check_together(&args.case, read.iter().map(|(saved, ..)| saved))?;
    let each = read.iter().map(|(saved, decoded, state)| (saved, decoded, state));
    let reports = Reports::of(each, args.aware_at).among(|account| {
        let of_it =
            accounts.iter().zip(&read).find(|(_, (saved, ..))| saved.plan.account == *account);
        let of_it = of_it.map(|(dir, (saved, _, state))| succession::of(dir, saved, state));
        of_it.unwrap_or_default()
    });
    let there = There::of(&read[0].0, Some(&read[0].2));
    let of_it = |text: String| placed(&text, &args.case, &there);
    let mut told = serde_json::to_value(&reports).expect("plain data");
    placed_in(&mut told, &args.case, &there);
    tell(args.format, || of_it(reports.text()), || of_it(reports.markdown()), &told);
    Ok(Exit::Done)
}

fn tell(
    format: ReportFormat,
    text: impl FnOnce() -> String,
    markdown: impl FnOnce() -> String,
    report: &serde_json::Value,
) {
    view::out(&match format {
        ReportFormat::Text => text(),
        ReportFormat::Markdown => markdown(),
        ReportFormat::Json => diagnostics::printed(report),
    });
}
