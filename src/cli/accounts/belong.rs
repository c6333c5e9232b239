//! What belongs together: which cases are those of one night, whole, and none of them gone.

use std::path::{Path, PathBuf};

use crate::case;
use crate::cli::by_hand::typed;
use crate::cli::exit::{Exit, Failure};
use crate::cli::found::state_of;
use crate::cli::sources;
use crate::cli::there::There;
use crate::journal::State;
use crate::plan::{SavedPlan, Together};
use crate::playbook::Playbook;

/// The newest plans of the accounts below `case`, in the order in which they were planned, home first.
pub(super) fn plans_of(
    case: &Path,
    dirs: &[PathBuf],
) -> Result<(Vec<SavedPlan>, Playbook), Failure> {
    let (mut plans, mut playbook) = (Vec::new(), None);
    for dir in dirs {
        let (saved, read) = sources::plan_of(dir)?;
        if !is_of(dir, &saved) {
            return Err(do_not_belong_together(case));
        }
        plans.push(saved);
        playbook = Some(read);
    }
    plans.sort_by_key(place);
    check_together(case, plans.iter())?;
    Ok((plans, playbook.expect("they are several")))
}

/// Refuses plans that are not all of those that were planned together: what is told of some would pass for the
/// whole.
pub(in crate::cli) fn check_together<'p>(
    case: &Path,
    plans: impl Iterator<Item = &'p SavedPlan>,
) -> Result<(), Failure> {
    let mut plans: Vec<&SavedPlan> = plans.collect();
    plans.sort_by_key(|saved| place(saved));
    if belong_together(&plans) { Ok(()) } else { Err(do_not_belong_together(case)) }
}

fn do_not_belong_together(case: &Path) -> Failure {
    Failure::new(
        Exit::Refused,
        format!("the accounts of {} do not belong together; nothing was done", case.display()),
        "restore the case from a copy of its own, whole: the case of an account is missing, or is of another account \
         or of another night",
    )
}

/// Refuses where the journal of one of the accounts is gone, and those beside it were begun: what was done there would be
/// taken for never done. None is at work before all are open, and none is opened that has no file yet.
pub(in crate::cli) fn refuse_lost_journals(dirs: &[PathBuf]) -> Result<(), Failure> {
    let state = |dir: &PathBuf| state_of(&case::read_journal(dir)?);
    let states: Vec<State> = dirs.iter().map(state).collect::<Result<_, _>>()?;
    let begun = states.iter().any(|state| state.opened.is_some());
    let at_work = states.iter().any(|state| state.started.is_some());
    let is_lost = |dir: &PathBuf, state: &State| {
        state.opened.is_none() && (at_work || begun && !case::has_journal(dir))
    };
    let lost = dirs.iter().zip(&states).find(|(dir, state)| is_lost(dir, state));
    let Some((dir, _)) = lost else { return Ok(()) };
    let account = dir.file_name().unwrap_or_default().to_string_lossy();
    Err(Failure::new(
        Exit::Refused,
        format!(
            "the journal of account {account} is gone from {}, and the accounts beside it were begun; nothing was done",
            dir.display()
        ),
        format!(
            "restore {}/journal.jsonl from a copy. If there is none, begin a new case: plan anew, and cuts that stand \
             are found",
            dir.display()
        ),
    ))
}

/// Where its account stands among those it was planned with.
fn place(saved: &SavedPlan) -> Option<usize> {
    let together = saved.plan.together.as_ref().map(Together::accounts).unwrap_or_default();
    together.iter().position(|account| *account == saved.plan.account)
}

/// Where the account whose case is in `dir` stands among `plans`.
pub(super) fn position(plans: &[SavedPlan], dir: &Path) -> Option<usize> {
    plans.iter().position(|saved| is_of(dir, saved))
}

/// Whether the case in `dir` is the one of the plan's account.
pub(super) fn is_of(dir: &Path, saved: &SavedPlan) -> bool {
    dir.file_name().is_some_and(|name| name == saved.plan.account.as_str())
}

/// Whether these are all of those that were planned together, in that order.
fn belong_together(plans: &[&SavedPlan]) -> bool {
    let Some(together) = plans.first().and_then(|saved| saved.plan.together.as_ref()) else {
        return false;
    };
    plans.iter().map(|saved| &saved.plan.account).eq(&together.accounts())
        && plans.iter().all(|saved| saved.goes_with(plans[0]))
}

/// Whether somebody has said yes to it: then those beside it are begun too, which a crash has kept from it.
pub(super) fn was_begun(dir: &Path) -> bool {
    case::read_journal(dir).is_ok_and(|decoded| !decoded.lines.is_empty())
}

/// Refuses what only all accounts of a case do together; `options` are what was typed besides.
pub(in crate::cli) fn refuse_one_alone(
    dir: &Path,
    command: &str,
    options: &str,
    there: &There,
) -> Result<(), Failure> {
    match case::accounts::whole(dir) {
        None => Ok(()),
        Some(whole) => Err(Failure::new(
            Exit::Refused,
            format!("this is one account of case {}, and goes with the others", whole.display()),
            format!("portcullis {command} {}{options}{there}", typed(&whole)),
        )),
    }
}

/// The same of a case that lies away from the others: only its plan shows that there are any.
pub(in crate::cli) fn refuse_apart(saved: &SavedPlan) -> Result<(), Failure> {
    let Some(together) = &saved.plan.together else { return Ok(()) };
    Err(Failure::new(
        Exit::Refused,
        format!("this is the case of one account among several, of {}", together.home),
        format!("put it back as accounts/{} of the whole, and resume that", saved.plan.account),
    ))
}
