//! The cases that lie beside one, or where a new one is to lie: read once, as far as they can be.
//!
//! Only real ones that were begun: a rehearsal is nothing to anybody else. A copy of a case is that case. Reads the cases
//! under one directory; what lies elsewhere does not exist. One that cannot be read is told, and keeps nobody from work.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::exit::Exit;
use jiff::Timestamp;

use crate::case::{self, CaseError};
use crate::ids::AccountId;
use crate::journal::State;
use crate::plan::SavedPlan;

/// A case of one account.
pub(super) struct Other {
    pub(super) dir: PathBuf,
    /// The digest of the plan that it was begun with: its name, wherever it lies.
    pub(super) begun_with: String,
    /// What it has come to.
    pub(super) saved: SavedPlan,
    pub(super) state: State,
    /// When it was begun.
    pub(super) begun_at: Timestamp,
}

impl Other {
    /// Whether its cuts may be what somebody stands on: nobody has closed it, and it was not taken back to the end.
    pub(super) fn stands(&self) -> bool {
        self.state.closed.is_none() && !(self.saved.plan.is_undo() && self.has_ended_well())
    }

    /// Whether there is anything left to be done about it.
    pub(super) fn is_open(&self) -> bool {
        // Whatever somebody answers for is open again one day.
        self.state.closed.is_none() && !(self.has_ended_well() && self.state.waived.is_empty())
    }

    fn has_ended_well(&self) -> bool {
        self.state.finished == Some(Exit::Done.code())
    }
}

/// The cases under one directory, and what of it could not be read.
pub(super) struct Beside {
    root: PathBuf,
    of: BTreeMap<AccountId, Vec<Other>>,
    /// What looks like a case and is not to be read, and why.
    pub(super) unreadable: Vec<(PathBuf, String)>,
}

impl Beside {
    /// Reads those of `accounts` under `root`.
    pub(super) fn read<'a>(root: &Path, accounts: impl IntoIterator<Item = &'a AccountId>) -> Self {
        let accounts: BTreeSet<&AccountId> = accounts.into_iter().collect();
        let mut beside =
            Self { root: root.to_owned(), of: BTreeMap::new(), unreadable: Vec::new() };
        let mut known = BTreeSet::new();
        for dir in case::all(root) {
            match read(&dir, &accounts) {
                Ok(None) => {}
                Ok(Some(other)) => {
                    let account = other.saved.plan.account.clone();
                    if known.insert((account.clone(), other.begun_with.clone())) {
                        beside.of.entry(account).or_default().push(other);
                    }
                }
                Err(why) => beside.unreadable.push((dir, why)),
            }
        }
        beside
    }

    /// Those of an account.
    pub(super) fn of(&self, account: &AccountId) -> impl Iterator<Item = &Other> {
        self.of.get(account).into_iter().flatten()
    }

    /// What one is called where they lie.
    pub(super) fn name(&self, other: &Other) -> String {
        other.dir.strip_prefix(&self.root).unwrap_or(&other.dir).display().to_string()
    }
}

/// A case of one of `accounts`, if that is what is in `dir`.
fn read(dir: &Path, accounts: &BTreeSet<&AccountId>) -> Result<Option<Other>, String> {
    if !dir.join("rounds").is_dir() && !case::has_journal(dir) {
        return Ok(None);
    }
    let told = |error: CaseError| {
        let why = std::error::Error::source(&error).map_or(String::new(), |why| format!(": {why}"));
        format!("{error}{why}")
    };
    let decoded = case::read_journal(dir).map_err(told)?;
    let state = State::of(&decoded).map_err(|error| error.to_string())?;
    let Some(begun_at) = decoded.lines.first().map(|line| line.at) else { return Ok(None) };
    let Some(opened) = &state.opened else { return Ok(None) };
    // The plan is the larger part by far: it is read where it matters.
    if opened.rehearsal || !accounts.contains(&opened.account) {
        return Ok(None);
    }
    let saved = case::read_round(dir, state.round()).map_err(told)?;
    let begun_with = opened.plan.clone();
    Ok(Some(Other { dir: dir.to_owned(), begun_with, saved, state, begun_at }))
}
