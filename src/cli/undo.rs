//! `portcullis undo`: take back what a case has cut.
//!
//! What would be taken back is planned from the case alone, shown, asked about, kept in the case as its next round, and
//! carried out by the driver that carries out everything else. Resumed like everything else, too.

use super::args::{self, Format};
use super::by_hand::typed;
use super::exit::{Exit, Failure};
use super::foretold::{self, Foretold};
use super::found::{refuse_closed, state_of};
use super::overtaken::{Doing, not_overtaken};
use super::{accounts, diagnostics, rehearse, round, sources, view};
use crate::case::{self, Case};
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
        refuse_closed(&args.case, &saved, &state, &there)?;
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
    let foretold = if args.look && !nothing {
        Foretold::by_a_look(&next, &state, case.dir(), &args.access)?
    } else {
        Foretold::of(&next, &state, foretold::now(case.dir(), &state)?)
    };
    if args.dry_run || nothing {
        if args.format == Format::Json {
            view::out(&diagnostics::printed(&foretold.as_json()));
        } else {
            view::out(&view::plan(&next, view::out_detail()));
            if !nothing {
                view::out(&foretold.render(&shown, &there));
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
        view::err(&foretold.render(&shown, &there));
    }
    round::carry_out(&case, &next, &playbook, args.into())
}
