//! `portcullis status`: where a case stands, from its directory alone.

use std::path::Path;

use serde_json::{Value, json};

use super::accounts::{check_together, refuse_lost_journals};
use super::args::{self, Format};
use super::by_hand::typed;
use super::conduct::worked_on_by;
use super::exit::{Exit, Failure};
use super::found::{read, tell_torn, typed_to_begin};
use super::next::{LastDenies, after_all, awaited, is_over, is_told, of_all_proven, of_over};
use super::overtaken::told_overtaken;
use super::rehearse::is_rehearsal;
use super::there::{There, placed, placed_in};
use super::{diagnostics, next, view};
use crate::case;
use crate::journal::State;
use crate::ledger::Ledger;
use crate::plan::SavedPlan;

pub(super) fn status(args: &args::Status) -> Result<Exit, Failure> {
    let accounts = case::accounts::of(&args.case);
    if accounts.is_empty() {
        let one = One::of(&args.case)?;
        match args.format {
            Format::Json => view::out(&diagnostics::printed(&one.as_json())),
            Format::Text => view::out(&one.render()),
        }
        return Ok(Exit::Done);
    }
    refuse_lost_journals(&accounts)?;
    let each: Vec<One<'_>> = accounts.iter().map(|dir| One::of(dir)).collect::<Result<_, _>>()?;
    check_together(&args.case, each.iter().map(|one| &one.saved))?;
    let (shown, there) = (args.case.display(), There::of(&each[0].saved, Some(&each[0].state)));
    let case = typed(&args.case);
    let finished: Vec<_> = each.iter().map(|one| one.state.finished.and_then(Exit::of)).collect();
    let worst = finished.iter().map(|exit| exit.unwrap_or(Exit::Stopped)).reduce(Exit::and);
    let worst = worst.unwrap_or(Exit::Done);
    let never_begun = each.iter().all(|one| one.state.opened.is_none());
    let next = match worst {
        _ if never_begun && !is_rehearsal(&args.case)? => typed_to_begin(&accounts[0], &there),
        _ if accounts.iter().any(|dir| case::is_worked_on(dir)) => worked_on(&each[0].state),
        _ if each.iter().all(|one| is_over(&one.saved, &one.state)) => {
            let last = each.iter().filter_map(|one| LastDenies::of(&one.saved, &one.state));
            of_over(&args.case, &there, last.max())
        }
        Exit::Done => {
            let all = each.iter().map(|one| (&one.saved.plan, &one.state));
            of_all_proven(all, &args.case, &there)
        }
        Exit::NotProven | Exit::Held | Exit::Waiting | Exit::Stopped => {
            let of_it = each.iter().zip(&finished);
            let of_it = of_it.filter(|(_, exit)| exit.is_some_and(|exit| is_told(exit, worst)));
            let nexts = of_it.map(|(one, _)| (&one.saved.plan.account, &*one.next));
            let well = each.iter().zip(&finished).filter(|(_, exit)| **exit == Some(Exit::Done));
            let well = well.map(|(one, _)| (&one.saved.plan, &one.state));
            let stopped =
                each.iter().zip(&finished).filter(|(_, exit)| **exit == Some(Exit::Stopped));
            let stopped = stopped.map(|(one, _)| (&one.saved.plan.account, String::new()));
            next::of_several(nexts, &stopped.collect::<Vec<_>>(), well, &args.case, &there)
        }
        _ => format!("portcullis resume {case}{there}"),
    };
    if args.format == Format::Json {
        let told = json!({
            "version": 1,
            "case": shown.to_string(),
            "accounts": each.iter().map(One::as_json).collect::<Vec<_>>(),
            "exit": finished.iter().all(Option::is_some).then_some(worst.code()),
            "next": next,
        });
        view::out(&diagnostics::printed(&told));
        return Ok(Exit::Done);
    }
    for one in &each {
        let heading = format!("Account {}", one.saved.plan.account);
        view::out(&format!("\n{}\n{}", view::Style::Strong.paint(&heading), one.render()));
    }
    view::out(&format!("\nCase {shown}: {}\n", worst.in_words()));
    for (one, exit) in each.iter().zip(&finished) {
        let stands = exit.map_or("not at an end", Exit::in_words);
        view::out(&format!("  {}  {stands}\n", one.saved.plan.account));
    }
    view::out(&format!("Next: {next}\n"));
    Ok(Exit::Done)
}

/// What is next about a case that another has overtaken.
fn overtaken(dir: &Path, saved: &SavedPlan, there: &There) -> Result<Option<String>, Failure> {
    if is_rehearsal(dir)? {
        return Ok(None);
    }
    Ok(told_overtaken(dir, saved, there))
}

/// What is to be done while somebody works on a case: nothing.
fn worked_on(state: &State) -> String {
    let by = state.worker.as_ref().map(worked_on_by);
    let by = by.map_or("another process".to_owned(), |by| format!("another process, of {by},"));
    format!("nothing now: {by} is working on it. Ask again when it has ended")
}

/// Where the case of one account stands.
struct One<'a> {
    dir: &'a Path,
    saved: SavedPlan,
    state: State,
    ledger: Ledger,
    lines: usize,
    head: String,
    there: There,
    next: String,
}

impl<'a> One<'a> {
    fn of(dir: &'a Path) -> Result<Self, Failure> {
        let (saved, decoded, state) = read(dir)?;
        // Whoever works on it may be in the middle of one.
        if !case::is_worked_on(dir) {
            tell_torn(&decoded);
        }
        let ledger = Ledger::of(&saved.plan, &state);
        let there = There::of(&saved, Some(&state));
        // It goes on with the others, where there are any.
        let whole = case::accounts::whole_or_itself(dir);
        let whole = typed(&whole);
        let overtaken = overtaken(dir, &saved, &there)?;
        let next = match state.finished.and_then(Exit::of) {
            _ if case::is_worked_on(dir) => worked_on(&state),
            _ if is_over(&saved, &state) => of_over(dir, &there, LastDenies::of(&saved, &state)),
            Some(_) if overtaken.is_some() => overtaken.unwrap_or_default(),
            // Nobody has said yes to it yet: that takes a run. A rehearsal needs nobody's yes.
            None if state.opened.is_none() && !is_rehearsal(dir)? => typed_to_begin(dir, &there),
            Some(Exit::Done) => next::of_proven(&saved.plan, &state, dir, &there),
            Some(Exit::Waiting) => awaited(&saved, &state, dir, &there)
                .unwrap_or_else(|| format!("portcullis resume {whole}{there}")),
            Some(Exit::NotProven) => after_all(&saved.plan, &state, &ledger, dir, &there),
            Some(Exit::Held) => next::of_held(&saved, &state, dir, &there),
            _ => format!("portcullis resume {whole}{there}"),
        };
        let (lines, head) = (decoded.lines.len(), decoded.head().to_owned());
        Ok(Self { dir, saved, state, ledger, lines, head, there, next })
    }

    fn account(&self) -> view::Account<'_> {
        view::Account { plan: &self.saved.plan, state: &self.state, ledger: &self.ledger }
    }

    fn as_json(&self) -> Value {
        let mut told = self.account().as_json();
        told["case"] = self.dir.display().to_string().into();
        told["journal"] = json!({"lines": self.lines, "head": self.head});
        told["exit"] = self.state.finished.into();
        told["next"] = self.next.clone().into();
        placed_in(&mut told, self.dir, &self.there);
        told
    }

    fn render(&self) -> String {
        let text = format!(
            "Case {}\n{}{}\n{}Next: {}\n",
            self.dir.display(),
            view::progress_of(&self.saved.plan, &self.state),
            self.account().render(),
            view::journal(self.lines as u64, &self.head),
            self.next
        );
        placed(&text, self.dir, &self.there)
    }
}
