//! `portcullis undo`: take back what a case has cut.
//!
//! What would be taken back is planned from the case alone, shown, asked about, kept in the case as its next round, and
//! carried out by the driver that carries out everything else. Resumed like everything else, too.

use std::fmt::Write as _;

use super::args::{self, Format};
use super::by_hand::typed;
use super::exit::{Exit, Failure};
use super::found::state_of;
use super::next::still_closed;
use super::overtaken::{Doing, not_overtaken};
use super::there::There;
use super::{accounts, diagnostics, rehearse, round, sources, view};
use crate::case::{self, Case};
use crate::journal::State;
use crate::ledger;
use crate::plan::{Barrier, Change, Effect, SavedPlan, Subject};
use crate::run::undo_of;

pub(super) fn undo(args: &args::Undo) -> Result<Exit, Failure> {
    let several = case::accounts::of(&args.case);
    if !several.is_empty() {
        return accounts::undo(args, &several);
    }
    accounts::refuse_one_alone(&args.case, "undo", &args.access.there())?;
    let case = Case::open(&args.case)?;
    let (shown, there) = (typed(&args.case), args.access.there());
    let (saved, playbook) = sources::plan_of(&args.case)?;
    accounts::refuse_apart(&saved)?;
    let decoded = case::read_journal(&args.case)?;
    let state = state_of(&decoded)?;
    if saved.plan.is_undo() {
        return Err(Failure::new(
            Exit::Refused,
            "this case is being taken back already",
            format!("go on with it: portcullis resume {shown}{there}"),
        ));
    }
    let next = undo_of(&saved, &state);
    let nothing = !next.plan.is_undo();
    if !nothing && !rehearse::is_rehearsal(case.dir())? {
        not_overtaken(case.dir(), &next, Doing::GoOn, &there)?;
    }
    if args.dry_run || nothing {
        if args.format == Format::Json {
            view::out(&diagnostics::printed(&view::plan_as_json(&next)));
        } else {
            view::out(&view::plan(&next, view::out_detail()));
            if !nothing {
                view::out(&waits_for_people(&next, &state, &shown, &there));
                view::hint(&format!("\nNext: portcullis undo {shown}{there}\n"));
            }
            if nothing {
                view::out(
                    "\nNothing that this case has cut can be taken back, or all of it was.\n",
                );
            }
        }
        return Ok(Exit::Done);
    }
    if !args.yes {
        view::err(&waits_for_people(&next, &state, &shown, &there));
    }
    round::carry_out(&case, &next, &playbook, args.into())
}

/// What of an undo will be held until people have spoken, and what to type.
pub(super) fn waits_for_people(
    next: &SavedPlan,
    state: &State,
    case: &str,
    there: &There,
) -> String {
    let mut text = String::new();
    let lets_work_again = |change: &'_ Change| {
        change.effects.iter().find_map(|effect| match effect {
            Effect::Lifts {
                subject: Subject::Credential { credential },
                barrier: Barrier::Inactive,
            } => Some(credential.clone()),
            _ => None,
        })
    };
    let held = next.plan.carried_out().filter_map(|change| {
        let credential = lets_work_again(change)?;
        (!ledger::is_cleared(&next.plan, state, &credential)).then_some((change, credential))
    });
    let held: Vec<_> = held.collect();
    if !held.is_empty() {
        let heading = view::Style::Careful
            .paint("Held, as it stands: what counts as compromised never works again");
        let _ = writeln!(text, "\n{heading}");
        for (change, credential) in &held {
            let _ = writeln!(
                text,
                "  {}  {}; where it is innocent: portcullis clear {case} {} --reason TEXT{there}",
                change.id,
                view::plain(&credential.to_string()),
                credential.typed()
            );
        }
        let names = ledger::names_to_clear(&next.plan);
        let people = if names == 1 { "person" } else { "different people" };
        let _ = writeln!(text, "  A credential is cleared by {names} {people}.");
    }
    if let Some(closed) = still_closed(&next.plan, state) {
        let _ = writeln!(text, "\n{}", view::plain(&closed));
    }
    text
}
