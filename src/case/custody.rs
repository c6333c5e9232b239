//! Who has a case, and how it is taken over.
//!
//! One process has [`Custody`] of a case: the one whose open file the name of the journal leads to. Who takes a case
//! over puts a copy in its place. The other, if it lives, finds that before every line, after every line, and
//! before every writing request; so no line is lost on which anything was done, and no lock is waited for that
//! somebody who hangs may hold ([0016](../../docs/design/0016-taking-over.md)).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::writing::{private_file, replace_while, sync_dir};
use super::{Case, CaseError, JOURNAL, LONGEST, PLAN, decoded, io_error, read_regular};

/// The journal of whoever takes the case over, on its way.
pub(super) const TAKING_OVER: &str = "journal.taking-over";

/// Who has a case: told by the journal's file, which is also the lock. What is written to is what is held.
#[derive(Clone, Debug)]
pub struct Custody {
    journal: PathBuf,
    held: Arc<File>,
}

/// The case is not ours any more.
#[derive(Debug, thiserror::Error)]
#[error("somebody has taken the case over, or put another file in the place of its journal")]
pub struct Lost;

impl Custody {
    /// Of the case in `dir`, by its open journal.
    pub(super) fn of(dir: &Path, journal: File) -> Self {
        Self { journal: dir.join(JOURNAL), held: Arc::new(journal) }
    }

    /// The journal, to read it and to append to it.
    pub(super) fn file(&self) -> io::Result<File> {
        self.held.try_clone()
    }

    /// Whether the case is still ours. Fails with [`Lost`] where it is not.
    pub fn check(&self) -> io::Result<()> {
        let taking_over = self.journal.with_file_name(TAKING_OVER);
        if leads_to(&self.journal, &self.held)? && fs::symlink_metadata(taking_over).is_err() {
            return Ok(());
        }
        Err(io::Error::other(Lost))
    }

    /// Leaves the case to others, until it is taken again: nothing is written meanwhile.
    pub fn rest(&self) -> io::Result<()> {
        self.held.unlock()
    }

    /// Takes it again; `false` where somebody works on it.
    pub fn wake(&self) -> Result<bool, CaseError> {
        is_locked(&self.held, &self.journal)
    }

    /// Replaces a file of the case, whole or not at all; not where the case is not ours any more.
    pub fn replace(&self, path: &Path, text: &str) -> Result<(), CaseError> {
        replace_while(self, path, &|out| out.write_all(text.as_bytes()))
    }
}

/// Whether a name leads to an open file.
pub(super) fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    let held = file.metadata()?;
    Ok(match fs::metadata(path) {
        Ok(found) => (held.dev(), held.ino()) == (found.dev(), found.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    })
}

/// A case that is nobody's for the moment: whoever had it finds so, and whoever takes it over has not taken it yet. It is
/// let be where this is dropped.
#[derive(Debug)]
pub(super) struct Fenced {
    dir: PathBuf,
    /// The journal that is to take the place of the one that is there, until it did.
    journal: Option<File>,
}

impl Fenced {
    /// From the moment on at which `TAKING_OVER` is there, every check of whoever has the case fails: so what is copied
    /// after it has every line that he did anything on.
    pub(super) fn off(dir: &Path) -> Result<Self, CaseError> {
        let (path, taking_over) = (dir.join(JOURNAL), dir.join(TAKING_OVER));
        if !dir.join(PLAN).is_file() || !path.is_file() {
            return Err(CaseError::NotACase(dir.to_owned()));
        }
        let options = &mut OpenOptions::new();
        let journal = private_file(&taking_over, options.read(true).append(true).create(true))?;
        // Two who take it over at once: one of them does.
        if !is_locked(&journal, &taking_over)?
            || !leads_to(&taking_over, &journal).is_ok_and(|ours| ours)
        {
            return Err(CaseError::Locked(dir.to_owned()));
        }
        let fenced = Self { dir: dir.to_owned(), journal: Some(journal) };
        sync_dir(dir)?;
        let bytes = read_regular(&path, LONGEST).map_err(io_error("cannot read", &path))?;
        let good = decoded(dir, &bytes)?.good;
        fenced.copy(&bytes[..good]).map_err(io_error("cannot write", &taking_over))?;
        Ok(fenced)
    }

    fn copy(&self, bytes: &[u8]) -> io::Result<()> {
        let Some(mut journal) = self.journal.as_ref() else { return Ok(()) };
        journal.set_len(0)?;
        journal.write_all(bytes)?;
        journal.sync_all()
    }

    /// Takes it.
    pub(super) fn take(mut self) -> Result<Case, CaseError> {
        let taking_over = self.dir.join(TAKING_OVER);
        fs::rename(&taking_over, self.dir.join(JOURNAL))
            .map_err(io_error("cannot write", &taking_over))?;
        let journal = self.journal.take().expect("it is taken once");
        sync_dir(&self.dir)?;
        Ok(Case::held(self.dir.clone(), journal))
    }
}

impl Drop for Fenced {
    fn drop(&mut self) {
        if self.journal.is_some() {
            let _ = fs::remove_file(self.dir.join(TAKING_OVER));
        }
    }
}

/// Locks an open file for this process; `false` where another has.
pub(super) fn is_locked(file: &File, path: &Path) -> Result<bool, CaseError> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(fs::TryLockError::WouldBlock) => Ok(false),
        Err(fs::TryLockError::Error(error)) => Err(io_error("cannot lock", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::tests::{entry, saved};
    use super::*;
    use crate::clock::Clock;
    use crate::journal::{Entry, Journal};

    #[tokio::test]
    async fn a_journal_that_is_not_where_it_was_takes_no_more_lines() {
        let dir = TempDir::new().unwrap();
        let case = Case::create(dir.path(), "a", &saved(), &[]).unwrap();
        let (decoded, medium) = case.journal().unwrap();
        let journal = Journal::open(&decoded, medium, Clock::system()).unwrap();
        let path = case.dir().join(JOURNAL);
        fs::rename(&path, case.dir().join("moved")).unwrap();
        // Nobody holds the one that is there now.
        drop(Case::open(case.dir()).unwrap());
        journal.append(entry()).await.unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    #[tokio::test]
    async fn a_case_that_is_being_taken_over_is_nobody_s_until_it_was() {
        let dir = TempDir::new().unwrap();
        let case = Case::create(dir.path(), "a", &saved(), &[]).unwrap();
        let (decoded, medium) = case.journal().unwrap();
        let journal = Journal::open(&decoded, medium, Clock::system()).unwrap();
        journal.append(entry()).await.unwrap();
        let whole = fs::read(case.dir().join(JOURNAL)).unwrap();
        // The first step of somebody who then crashed.
        let left = case.dir().join(TAKING_OVER);
        fs::write(&left, "half of a journal").unwrap();
        journal.append(Entry::Finished { exit: 0 }).await.unwrap_err();
        assert!(case.custody().replace(&case.dir().join("world.json"), "{}").is_err());
        assert!(case.keep_round(&saved()).is_err());
        assert_eq!(fs::read(case.dir().join(JOURNAL)).unwrap(), whole);
        // Somebody else is at it at this moment; then nobody is any more.
        let other = File::open(&left).unwrap();
        other.lock().unwrap();
        assert!(matches!(Case::take_over(case.dir()), Err(CaseError::Locked(_))));
        drop(other);
        let taken = Case::take_over(case.dir()).unwrap();
        assert_eq!(fs::read(taken.dir().join(JOURNAL)).unwrap(), whole);
        assert!(case.custody().check().is_err() && taken.custody().check().is_ok());
        assert!(matches!(Case::open(taken.dir()), Err(CaseError::Locked(_))));
        // And once more, out of those hands.
        let again = Case::take_over(taken.dir()).unwrap();
        assert!(taken.custody().check().is_err() && again.custody().check().is_ok());
        drop((case, taken, again));
        fs::write(&left, "").unwrap();
        let opened = Case::open(left.parent().unwrap()).unwrap();
        assert!(!left.exists() && opened.custody().check().is_ok());
    }
}
