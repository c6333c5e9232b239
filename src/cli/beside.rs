//! The cases that lie beside one, or where a new one is to lie: read once, as far as they can be.
//!
//! Only real ones that were begun: a rehearsal is nothing to anybody else. A copy of a case is that case, and of copies the
//! one that came furthest speaks. Where copies went on differently, or one of them cannot be read, nobody knows which is the
//! case: it counts as one that cannot be read. Reads the cases under one directory; what lies elsewhere does not exist. One
//! that cannot be read is told, and keeps nobody from cutting.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::by_hand::typed;
use super::exit::Exit;
use super::rehearse::is_rehearsal;
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
    roots: Vec<PathBuf>,
    of: BTreeMap<AccountId, Vec<Other>>,
    /// Copies of cases of which nobody knows which is the case.
    disputed: Vec<Other>,
    /// What looks like a case and is not to be read.
    pub(super) unreadable: Vec<Unreadable>,
}

/// What looks like a case, and is not to be read.
pub(super) struct Unreadable {
    pub(super) dir: PathBuf,
    pub(super) why: String,
    /// The account that it is about and the digest of the plan that it was begun with, where as much of it can be read,
    /// and it is no rehearsal.
    pub(super) of: Option<(AccountId, String)>,
}

impl Unreadable {
    /// Whether it may be a case of that account, and not a copy of the one that was begun with `own`. Of what not even the
    /// plan can be read it may be of any.
    pub(super) fn may_be_of(&self, account: &AccountId, own: Option<&String>) -> bool {
        match &self.of {
            Some((of, begun_with)) => of == account && own != Some(begun_with),
            None => !is_rehearsal(&self.dir).unwrap_or(false),
        }
    }
}

/// Which of two copies came further.
enum Further {
    First,
    Second,
    /// Each has what the other has not.
    Neither,
}

impl Beside {
    /// Reads those of `accounts` under `root`.
    pub(super) fn read<'a>(root: &Path, accounts: impl IntoIterator<Item = &'a AccountId>) -> Self {
        Self::read_all(vec![root.to_owned()], &accounts.into_iter().collect())
    }

    /// Reads those of `account` that lie where `case` does.
    pub(super) fn around(case: &Path, account: &AccountId) -> Self {
        Self::read_all(case::roots_of(case), &[account].into())
    }

    fn read_all(roots: Vec<PathBuf>, accounts: &BTreeSet<&AccountId>) -> Self {
        let mut beside =
            Self { roots, of: BTreeMap::new(), disputed: Vec::new(), unreadable: Vec::new() };
        let mut bad: BTreeMap<String, PathBuf> = BTreeMap::new();
        for dir in beside.roots.clone().iter().flat_map(|root| case::all(root)) {
            match read(&dir, accounts) {
                Ok(None) => beside.unreadable.extend(without_a_line(&dir, accounts)),
                Ok(Some(other)) => beside.add(other),
                Err(why) => {
                    // It may be the copy of a case that can be read, and have come further.
                    let first = case::read_round(&dir, 1).ok();
                    if let Some(first) = &first {
                        bad.insert(first.digest(), dir.clone());
                    }
                    let of = first.map(|first| (first.plan.account.clone(), first.digest()));
                    let of = of.filter(|_| !is_rehearsal(&dir).unwrap_or(false));
                    beside.unreadable.push(Unreadable { dir, why, of });
                }
            }
        }
        beside.set_disputed_apart(&bad);
        beside
    }

    fn add(&mut self, other: Other) {
        let of = self.of.entry(other.saved.plan.account.clone()).or_default();
        match of.iter_mut().find(|known| known.begun_with == other.begun_with) {
            None => of.push(other),
            Some(known) => match further(known, &other) {
                Further::First => {}
                Further::Second => *known = other,
                Further::Neither => self.disputed.push(other),
            },
        }
    }

    /// What went on differently, or is a copy of one of the `bad`, is none of those that are known.
    fn set_disputed_apart(&mut self, bad: &BTreeMap<String, PathBuf>) {
        let mut apart = Vec::new();
        for of in self.of.values_mut() {
            let is_disputed = |one: &mut Other| {
                let known = self.disputed.iter().find(|other| other.begun_with == one.begun_with);
                let other = known.map(|other| &other.dir).or_else(|| bad.get(&one.begun_with));
                let Some(other) = other else { return false };
                let why = if known.is_some() {
                    "is a copy of the same case, and went on differently"
                } else {
                    "is a copy of the same case, and cannot be read"
                };
                let why = format!("{} {why}: leave the one that is the case", other.display());
                let of = Some((one.saved.plan.account.clone(), one.begun_with.clone()));
                self.unreadable.push(Unreadable { dir: one.dir.clone(), why, of });
                true
            };
            apart.extend(of.extract_if(.., is_disputed));
        }
        self.disputed.extend(apart);
    }

    /// Those of an account.
    pub(super) fn of(&self, account: &AccountId) -> impl Iterator<Item = &Other> {
        self.of.get(account).into_iter().flatten()
    }

    /// Those of an account, with every copy of which nobody knows whether it is the case.
    pub(super) fn any_of(&self, account: &AccountId) -> impl Iterator<Item = &Other> {
        let disputed = self.disputed.iter();
        self.of(account).chain(disputed.filter(|other| other.saved.plan.account == *account))
    }

    /// Why the case that was begun with this plan is not among them, where that is known.
    pub(super) fn why_not(&self, begun_with: &str) -> Option<String> {
        let copies = self.disputed.iter().filter(|other| other.begun_with == begun_with);
        let told = copies.filter_map(|copy| {
            let known = self.unreadable.iter().find(|one| one.dir == copy.dir)?;
            Some(format!("beside {}, {}", copy.dir.display(), known.why))
        });
        told.into_iter().next()
    }

    /// The same, to keep.
    pub(super) fn into_any_of(mut self, account: &AccountId) -> impl Iterator<Item = Other> {
        let of = self.of.remove(account).unwrap_or_default();
        let account = account.clone();
        let disputed = self.disputed.into_iter();
        of.into_iter().chain(disputed.filter(move |other| other.saved.plan.account == account))
    }

    /// What one is called where they lie.
    pub(super) fn name(&self, other: &Other) -> String {
        let within = self.roots.iter().find_map(|root| other.dir.strip_prefix(root).ok());
        within.unwrap_or(&other.dir).display().to_string()
    }
}

/// The case of `account` in `dir`, or in its part of a case of several, wherever that lies.
pub(super) fn itself(dir: &Path, account: &AccountId) -> Result<Option<Other>, String> {
    let of = case::accounts::of(dir).into_iter().find(|of| of.ends_with(account.as_str()));
    read(of.as_deref().unwrap_or(dir), &[account].into())
}

/// Which of two copies of a case has all that the other has.
fn further(one: &Other, other: &Other) -> Further {
    let (Ok(first), Ok(second)) = (case::read_journal(&one.dir), case::read_journal(&other.dir))
    else {
        return Further::Neither;
    };
    let (first, second) = (first.lines, second.lines);
    if first.starts_with(&second) {
        Further::First
    } else if second.starts_with(&first) {
        Further::Second
    } else {
        Further::Neither
    }
}

/// A real case of one of `accounts` whose journal has no line. A case appears whole, and its first line follows at once:
/// only a crash in between leaves none, or a disk that has lost what was there. What that one did nobody knows.
fn without_a_line(dir: &Path, accounts: &BTreeSet<&AccountId>) -> Option<Unreadable> {
    if !case::read_journal(dir).is_ok_and(|decoded| decoded.lines.is_empty()) {
        return None;
    }
    let first = case::read_round(dir, 1).ok()?;
    if !accounts.contains(&first.plan.account) || is_rehearsal(dir).unwrap_or(false) {
        return None;
    }
    let dir = dir.to_owned();
    let why = format!(
        "its journal has no line: what it did is lost, or it was never begun; in that case begin it, portcullis run {}",
        typed(&dir)
    );
    Some(Unreadable { dir, why, of: Some((first.plan.account.clone(), first.digest())) })
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
    let begun_at = decoded.lines.first().map(|line| line.at);
    let (Some(begun_at), Some(opened)) = (begun_at, &state.opened) else { return Ok(None) };
    // The plan is the larger part by far: it is read where it matters.
    if opened.rehearsal || !accounts.contains(&opened.account) {
        return Ok(None);
    }
    let saved = case::read_round(dir, state.round()).map_err(told)?;
    let begun_with = opened.plan.clone();
    Ok(Some(Other { dir: dir.to_owned(), begun_with, saved, state, begun_at }))
}
