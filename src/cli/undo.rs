//! `portcullis undo`: take back what a case has cut.
//!
//! What would be taken back is planned from the case alone, shown, asked about, kept in the case as its next round, and
//! carried out by the driver that carries out everything else. Resumed like everything else, too. With `--only` it lets in
//! again whom it names, and the case goes on for all others.

use std::collections::BTreeSet;

use super::args::{self, Format};
use super::by_hand::{quoted, typed};
use super::exit::{Exit, Failure};
use super::foretold::{self, Foretold};
use super::found::{refuse_closed, state_of};
use super::overtaken::{Doing, not_overtaken};
use super::{accounts, diagnostics, rehearse, round, sources, view};
use crate::case::{self, Case};
use crate::diagnostic::{counted, nearest};
use crate::ids::{Principal, RoleName, UserName};
use crate::plan::{Plan, SavedPlan};
use crate::run::{let_in_of, undo_of};

pub(super) fn undo(args: &args::Undo) -> Result<Exit, Failure> {
    if args.all {
        view::show_everything();
    }
    let several = case::accounts::of(&args.case);
    if !several.is_empty() {
        return accounts::undo(args, &several);
    }
    accounts::refuse_one_alone(&args.case, "undo", &options(args), &args.access.there())?;
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
    let only = named(&args.only, [&saved.plan])?;
    let next = if only.is_empty() {
        undo_of(&saved, &state)
    } else {
        refuse_closed(&args.case, &saved, &state, &there)?;
        let_in_of(&saved, &state, only)
    };
    let nothing = takes_back_nothing(&next);
    let alone = next.taking_back();
    if !nothing && !rehearse::is_rehearsal(case.dir())? {
        not_overtaken(case.dir(), &next, Doing::GoOn, &there)?;
    }
    let foretold = if args.look && !nothing {
        Foretold::by_a_look(&alone, &state, case.dir(), &args.access)?
    } else {
        Foretold::of(&alone, &state, foretold::now(case.dir(), &state)?)
    };
    if args.dry_run || nothing {
        if args.format == Format::Json {
            let mut told = foretold.as_json();
            told["digest"] = next.digest().into();
            view::out(&diagnostics::printed(&told));
        } else {
            view::out(&view::plan(&next, view::out_detail()));
            if !nothing {
                view::out(&foretold.render(&shown, &there));
                view::out(&goes_on(&next, &foretold));
                let undo = format!("portcullis undo {shown}{}{there}", typed_only(&args.only));
                view::hint(&format!("\nNext: {}\n", foretold.next(&shown, &undo, &there)));
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
        view::err(&goes_on(&next, &foretold));
    }
    round::carry_out(&case, &next, &playbook, args.into())
}

/// Whom `--only` names, of those whom one of `plans` cuts.
pub(super) fn named<'p>(
    only: &[String],
    plans: impl IntoIterator<Item = &'p Plan>,
) -> Result<BTreeSet<Principal>, Failure> {
    let cut: BTreeSet<&Principal> = plans.into_iter().flat_map(|plan| &plan.principals).collect();
    let refused = |name: &str, what: String| {
        let all: Vec<String> = cut.iter().map(|one| one.typed()).collect();
        let meant = did_you_mean(name, all.iter().map(String::as_str));
        let known = cut.iter().take(NAMED).map(|one| one.typed()).collect::<Vec<_>>().join(", ");
        let more = cut.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Failure::new(Exit::Usage, what, format!("{meant}name one of {known}{more}"))
    };
    let parsed = |name: &String| {
        let found = match name.split_once('/') {
            Some(("user", name)) => UserName::parse(name).ok().map(Principal::User),
            Some(("role", name)) => RoleName::parse(name).ok().map(Principal::Role),
            _ => None,
        };
        let found =
            found.ok_or_else(|| refused(name, format!("`{name}` is no user and no role")))?;
        if cut.contains(&found) {
            Ok(found)
        } else {
            Err(refused(name, format!("the case cuts no {found}")))
        }
    };
    only.iter().map(parsed).collect()
}

/// `did you mean user/anna? `, where one of `known` is nearly what was typed.
pub(super) fn did_you_mean<'k>(typed: &str, known: impl Iterator<Item = &'k str>) -> String {
    let near = nearest(&typed.replacen(':', "/", 1), known);
    near.map_or_else(String::new, |near| format!("did you mean {near}? Else "))
}

/// So many are named where somebody named nobody.
const NAMED: usize = 12;

/// The same as it was typed.
pub(super) fn typed_only(only: &[String]) -> String {
    only.iter().map(|name| format!(" --only {}", quoted(name))).collect()
}

/// What else was typed, as all accounts of a case take it.
fn options(args: &args::Undo) -> String {
    let given = [(args.dry_run, " --dry-run"), (args.all, " --all"), (args.yes, " --yes")];
    let given = given.into_iter().filter(|(given, _)| *given).map(|(_, flag)| flag);
    typed_only(&args.only) + &given.collect::<String>()
}

/// Whether there is nothing that the round would take back.
pub(super) fn takes_back_nothing(next: &SavedPlan) -> bool {
    next.round.as_ref().is_none_or(|round| round.undoes.is_empty())
}

/// What else comes of a round that lets somebody in: whoever says yes to it goes on with the case.
pub(super) fn goes_on(next: &SavedPlan, foretold: &Foretold<'_>) -> String {
    if next.plan.is_undo() || takes_back_nothing(next) {
        return String::new();
    }
    let left = next.to_carry_out();
    let left = left.pending().filter(|change| change.undoes.is_none()).count();
    let whom = next.plan.lets_in.iter().filter(|whom| foretold.lets_in(whom));
    let whom: Vec<String> = whom.map(ToString::to_string).collect();
    let whom = if whom.is_empty() {
        "Nobody is let in by it yet: nothing comes off".to_owned()
    } else {
        format!("Let in by it, as far as it comes off: {}", whom.join(", "))
    };
    let left = match left {
        0 => "nothing else of the plan is left to be made".to_owned(),
        left => format!(
            "{} of the plan not made yet",
            if left == 1 {
                "1 change is".to_owned()
            } else {
                format!("{} are", counted(left, "change"))
            }
        ),
    };
    format!("\nEverybody else stays cut, and the case goes on: {left}. {}\n", view::plain(&whom))
}
