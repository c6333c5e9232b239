//! A case of several accounts: a directory that holds an ordinary case for each.
//!
//! `CASE/accounts/ID` is the case of one account, with its plan, its journal and its rounds, and is read like any
//! other. `CASE/playbook.yaml` is for reading. It appears whole or not at all, all accounts together.

use std::fs;
use std::path::{Path, PathBuf};

use super::custody::Fenced;
use super::writing::{private_dir, sync_dir, write};
use super::{Case, CaseError, PLAN, PLAYBOOK, appear, fill};
use crate::ids::AccountId;
use crate::plan::SavedPlans;

const ACCOUNTS: &str = "accounts";

/// The cases of the accounts of a case, sorted by account; none where it is of one account alone, or no case.
pub fn of(dir: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(dir.join(ACCOUNTS)).into_iter().flatten();
    let mut found: Vec<PathBuf> = found.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| is_of_an_account(path) && path.join(PLAN).is_file());
    found.sort();
    found
}

fn is_of_an_account(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| AccountId::parse(name).is_ok())
}

/// The case of several accounts that the case in `dir` is a part of.
pub fn whole(dir: &Path) -> Option<PathBuf> {
    let dir = if dir.file_name().is_some() { dir.to_owned() } else { dir.canonicalize().ok()? };
    let accounts = dir.parent().filter(|_| is_of_an_account(&dir))?;
    let accounts = if accounts.file_name().is_some() {
        accounts.to_owned()
    } else {
        accounts.canonicalize().ok()?
    };
    let whole = accounts.parent().filter(|_| accounts.ends_with(ACCOUNTS))?;
    Some(if whole.as_os_str().is_empty() { PathBuf::from(".") } else { whole.to_owned() })
}

/// What is gone on with where something is done about the case in `dir`: the one that it is a part of, or itself.
pub fn whole_or_itself(dir: &Path) -> PathBuf {
    whole(dir).unwrap_or_else(|| dir.to_owned())
}

/// Takes over the cases in `dirs`: all of them, or, where one of them cannot be, none.
pub fn take_over(dirs: &[PathBuf]) -> Result<Vec<Case>, CaseError> {
    let fenced = dirs.iter().map(|dir| Fenced::off(dir)).collect::<Result<Vec<_>, _>>()?;
    fenced.into_iter().map(Fenced::take).collect()
}

/// Makes a new case for all of them, named like any other, with `files` beside the accounts. Gives back where it is;
/// what is in it, in the plans' order, is opened and locked.
pub fn create(
    root: &Path,
    name: &str,
    plans: &SavedPlans,
    files: &[(&str, String)],
) -> Result<(PathBuf, Vec<Case>), CaseError> {
    let dir = appear(root, name, |making| {
        for saved in plans.plans() {
            let dir = making.join(ACCOUNTS).join(saved.plan.account.as_str());
            private_dir(&dir)?;
            fill(&dir, saved, &[])?;
        }
        if let Some(saved) = plans.plans().first() {
            write(&making.join(PLAYBOOK), &saved.playbook)?;
        }
        for (name, text) in files {
            write(&making.join(name), text)?;
        }
        sync_dir(&making.join(ACCOUNTS))?;
        sync_dir(making)
    })?;
    let one = |saved: &crate::plan::SavedPlan| {
        Case::lock(dir.join(ACCOUNTS).join(saved.plan.account.as_str()))
    };
    let cases = plans.plans().iter().map(one).collect::<Result<_, _>>()?;
    Ok((dir, cases))
}
