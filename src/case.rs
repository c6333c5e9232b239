//! The case: the directory of one incident, with its plan and its journal.
//!
//! `CASE/playbook.yaml` is for reading; `CASE/rounds/N/plan.json` is what runs, with the inventory it
//! stands on, and which N the journal says; `CASE/journal.jsonl` is what was done, and is locked while somebody
//! works on it; `CASE/deliveries` has what people are handed, sealed to their keys. A case
//! appears whole or not at all, and only its owner may read it. That of several accounts holds a case for each
//! ([`accounts`]). Interprets nothing.
//!
//! One process has [`Custody`] of a case: the one whose open file the name of the journal leads to. Who takes a case
//! over puts a copy in its place. The other, if it lives, finds that before every line, after every line, and
//! before every writing request; so no line is lost on which anything was done, and no lock is waited for that
//! somebody who hangs may hold ([0016](../docs/design/0016-taking-over.md)).

pub mod accounts;
mod reading;

use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

pub use self::reading::{LONGEST, read_regular, read_text};
use crate::ids::DeliveryName;
use crate::journal::{Damage, Decoded, Medium, Place, State, decode};
use crate::outbox::{Outbox, Sealed};
use crate::plan::{OpenError, SavedPlan, SavedPlans};

const PLAYBOOK: &str = "playbook.yaml";
const PLAN: &str = "rounds/1/plan.json";
const ROUNDS: &str = "rounds";
const JOURNAL: &str = "journal.jsonl";
/// The journal of whoever takes the case over, on its way.
const TAKING_OVER: &str = "journal.taking-over";
const DELIVERIES: &str = "deliveries";

/// An open case, locked against others while this value lives.
#[derive(Debug)]
pub struct Case {
    dir: PathBuf,
    custody: Custody,
}

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
    /// Whether the case is still ours. Fails with [`Lost`] where it is not.
    pub fn check(&self) -> io::Result<()> {
        let taking_over = self.journal.with_file_name(TAKING_OVER);
        if leads_to(&self.journal, &self.held)? && fs::symlink_metadata(taking_over).is_err() {
            return Ok(());
        }
        Err(io::Error::other(Lost))
    }

    /// Replaces a file of the case, whole or not at all; not where the case is not ours any more.
    pub fn replace(&self, path: &Path, text: &str) -> Result<(), CaseError> {
        replace_while(self, path, &|out| out.write_all(text.as_bytes()))
    }
}

/// Whether a name leads to an open file.
fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    let held = file.metadata()?;
    Ok(match fs::metadata(path) {
        Ok(found) => (held.dev(), held.ino()) == (found.dev(), found.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    })
}

/// Where this process runs.
pub fn here() -> Place {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Place { host, process: std::process::id() }
}

/// Why a case cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The file system said no.
    #[error("{action} {}", path.display())]
    Io {
        /// What was tried: "cannot write".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// There is nothing there, or something else.
    #[error("{} is not a case", .0.display())]
    NotACase(PathBuf),
    /// It is of several accounts, and one must be named.
    #[error("case {} is of several accounts", path.display())]
    Several {
        /// The case.
        path: PathBuf,
        /// Its accounts' own.
        accounts: Vec<PathBuf>,
    },
    /// Another process works on it.
    #[error("case {} is being worked on by another process", .0.display())]
    Locked(PathBuf),
    /// Its plan is not the one that was approved.
    #[error("the plan of case {} cannot be used", path.display())]
    Plan {
        /// The case.
        path: PathBuf,
        /// Why.
        #[source]
        source: OpenError,
    },
    /// Its journal cannot be trusted.
    #[error("the journal of case {} was changed or is damaged", path.display())]
    Journal {
        /// The case.
        path: PathBuf,
        /// Where and how.
        #[source]
        source: Damage,
    },
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CaseError {
    let path = path.to_owned();
    move |source| CaseError::Io { action, path, source }
}

impl Case {
    /// Makes a new case under `root`, named after `name` and the first number that is free, with `files`
    /// beside the plan.
    pub fn create(
        root: &Path,
        name: &str,
        saved: &SavedPlan,
        files: &[(&str, String)],
    ) -> Result<Self, CaseError> {
        Self::lock(appear(root, name, |making| fill(making, saved, files))?)
    }

    /// Opens a case that is there, and locks it.
    pub fn open(dir: &Path) -> Result<Self, CaseError> {
        if !dir.join(PLAN).is_file() {
            return Err(no_case(dir));
        }
        Self::lock(dir.to_owned())
    }

    fn lock(dir: PathBuf) -> Result<Self, CaseError> {
        let path = dir.join(JOURNAL);
        // Opening a pipe that stands there instead would wait for somebody to read it.
        if path.exists() && !path.is_file() {
            return Err(CaseError::NotACase(dir));
        }
        let journal = private_file(&path, OpenOptions::new().read(true).append(true).create(true))?;
        if !is_locked(&journal, &path)? || !leads_to(&path, &journal).is_ok_and(|ours| ours) {
            return Err(CaseError::Locked(dir));
        }
        // Left by a take-over that a crash cut short, which has changed nothing; one that goes on holds it.
        let taking_over = dir.join(TAKING_OVER);
        if let Ok(left) = File::open(&taking_over) {
            if !is_locked(&left, &taking_over)? {
                return Err(CaseError::Locked(dir));
            }
            let _ = fs::remove_file(&taking_over);
        }
        Ok(Self::held(dir, journal))
    }

    /// Takes a case out of the hands of whoever works on it, alive or not. A crash on the way leaves the journal as it
    /// was.
    pub fn take_over(dir: &Path) -> Result<Self, CaseError> {
        Fenced::off(dir)?.take()
    }

    fn held(dir: PathBuf, journal: File) -> Self {
        let custody = Custody { journal: dir.join(JOURNAL), held: Arc::new(journal) };
        Self { dir, custody }
    }

    /// Tells, at any time, whether the case is still ours.
    pub fn custody(&self) -> &Custody {
        &self.custody
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The journal, ready to be appended to. What a crash cut short is truncated.
    pub fn journal(&self) -> Result<(Decoded, Box<dyn Medium>), CaseError> {
        let path = self.dir.join(JOURNAL);
        let mut file = self.custody.held.try_clone().map_err(io_error("cannot open", &path))?;
        let mut bytes = Vec::new();
        file.rewind()
            .and_then(|()| file.read_to_end(&mut bytes))
            .map_err(io_error("cannot read", &path))?;
        let decoded = decoded(&self.dir, &bytes)?;
        if decoded.torn > 0 {
            file.set_len(decoded.good as u64).map_err(io_error("cannot truncate", &path))?;
            file.sync_all().map_err(io_error("cannot sync", &path))?;
        }
        sync_dir(&self.dir)?;
        Ok((decoded, Box::new(JournalFile { file, custody: self.custody.clone() })))
    }

    /// Keeps the plan of a further round, whole or not at all; gives back its file. What was kept under its
    /// number before was never begun.
    pub fn keep_round(&self, saved: &SavedPlan) -> Result<PathBuf, CaseError> {
        let rounds = self.dir.join(ROUNDS);
        let dir = rounds.join(saved.number().to_string());
        private_dir(&dir)?;
        sync_dir(&rounds)?;
        let path = dir.join("plan.json");
        replace_while(&self.custody, &path, &|out| saved.write_to(out))?;
        Ok(path)
    }
}

/// A case that is nobody's for the moment: whoever had it finds so, and whoever takes it over has not taken it yet. It is
/// let be where this is dropped.
#[derive(Debug)]
pub struct Fenced {
    dir: PathBuf,
    /// The journal that is to take the place of the one that is there, until it did.
    journal: Option<File>,
}

impl Fenced {
    /// From the moment on at which `TAKING_OVER` is there, every check of whoever has the case fails: so what is copied
    /// after it has every line that he did anything on.
    pub fn off(dir: &Path) -> Result<Self, CaseError> {
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
    pub fn take(mut self) -> Result<Case, CaseError> {
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

/// What people are handed, in the case's own directory.
#[derive(Debug)]
pub struct Deliveries {
    dir: PathBuf,
    custody: Custody,
}

impl Deliveries {
    /// Of a case. Nothing is made before there is something to deliver.
    pub fn of(case: &Case) -> Self {
        Self { dir: case.dir.join(DELIVERIES), custody: case.custody.clone() }
    }

    /// Where what is not handed over yet is kept. No delivery has a name that ends so.
    fn staged(&self, name: &DeliveryName) -> PathBuf {
        self.dir.join(format!("{name}.staged"))
    }
}

impl Outbox for Deliveries {
    fn stage(&self, name: &DeliveryName, sealed: &Sealed) -> io::Result<()> {
        let made = !self.dir.is_dir();
        private_dir(&self.dir).map_err(io::Error::other)?;
        if made {
            sync_dir(parent(&self.dir)).map_err(io::Error::other)?;
        }
        let fill: Fill<'_> = &|out| out.write_all(sealed.text().as_bytes());
        replace_while(&self.custody, &self.staged(name), fill).map_err(io::Error::other)
    }

    fn hand_over(&self, name: &DeliveryName) -> io::Result<bool> {
        self.custody.check()?;
        let delivered = self.dir.join(name.as_str());
        match fs::rename(self.staged(name), &delivered) {
            Ok(()) => {}
            // Done before a crash, and not written down.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !delivered.is_file() {
                    return Ok(false);
                }
            }
            Err(error) => return Err(error),
        }
        File::open(&self.dir)?.sync_all()?;
        Ok(true)
    }
}

/// How many bytes fit into `root`, where cases are kept. Fails where it cannot be written. Leaves nothing behind
/// that was not there.
pub fn room(root: &Path) -> Result<u64, CaseError> {
    let existed = root.is_dir();
    private_dir(root)?;
    let path = root.join(format!(".trying-{}", std::process::id()));
    let tried = private_file(&path, OpenOptions::new().write(true).create(true))
        .and_then(|mut file| file.write_all(b"x").map_err(io_error("cannot write", &path)));
    let _ = fs::remove_file(&path);
    let room = rustix::fs::statvfs(root)
        .map_err(|error| io_error("cannot tell the room of", root)(error.into()));
    if !existed {
        let _ = fs::remove_dir(root);
    }
    tried?;
    let room = room?;
    Ok(room.f_bavail.saturating_mul(room.f_frsize))
}

/// Keeps something beside the cases.
pub fn remember(root: &Path, name: &str, text: &str) -> Result<(), CaseError> {
    private_dir(root)?;
    replace(&root.join(name), text)
}

/// The plan that a case has come to, by its journal, without locking it.
pub fn read_plan(dir: &Path) -> Result<SavedPlan, CaseError> {
    // A journal that does not read is told where it is asked for.
    let state = read_journal(dir).ok().and_then(|decoded| State::of(&decoded).ok());
    read_round(dir, state.map_or(1, |state| state.round()))
}

/// The plan of one round of a case, from 1.
pub fn read_round(dir: &Path, round: u32) -> Result<SavedPlan, CaseError> {
    let path = dir.join(ROUNDS).join(round.to_string()).join("plan.json");
    if !path.is_file() {
        return Err(no_case(dir));
    }
    let text = read_text(&path, LONGEST).map_err(io_error("cannot read", &path))?;
    SavedPlan::from_text(&text).map_err(|source| CaseError::Plan { path: dir.to_owned(), source })
}

/// Why nothing can be done with a directory as with the case of one account.
fn no_case(dir: &Path) -> CaseError {
    match accounts::of(dir).as_slice() {
        [] => CaseError::NotACase(dir.to_owned()),
        accounts => CaseError::Several { path: dir.to_owned(), accounts: accounts.to_owned() },
    }
}

/// Every directory under `root`, sorted: cases, as far as they can be read; of one of several accounts, theirs.
pub fn all(root: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(root).into_iter().flatten();
    let mut all: Vec<PathBuf> = found.filter_map(|entry| Some(entry.ok()?.path())).collect();
    all.retain(|path| path.is_dir());
    all.sort();
    let each = |dir: PathBuf| match accounts::of(&dir) {
        accounts if accounts.is_empty() => vec![dir],
        accounts => accounts,
    };
    all.into_iter().flat_map(each).collect()
}

/// Locks an open file for this process; `false` where another has.
fn is_locked(file: &File, path: &Path) -> Result<bool, CaseError> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(fs::TryLockError::WouldBlock) => Ok(false),
        Err(fs::TryLockError::Error(error)) => Err(io_error("cannot lock", path)(error)),
    }
}

/// Whether somebody works on a case at this moment.
pub fn is_worked_on(dir: &Path) -> bool {
    let journal = dir.join(JOURNAL);
    let held = journal.is_file().then(|| File::open(journal).ok()?.try_lock_shared().err());
    matches!(held.flatten(), Some(fs::TryLockError::WouldBlock))
}

/// The moment in which a case is made, so that of two who begin one plan the second sees the case of the first. It ends
/// when this is dropped.
#[must_use]
pub struct Beginning {
    _held: Option<File>,
}

/// Waits until nobody else is making a case under `root`. Where directories cannot be locked nobody is waited for.
pub fn beginning(root: &Path) -> Result<Beginning, CaseError> {
    make_root(root)?;
    let held = File::open(root).and_then(|dir| dir.lock().map(|()| dir));
    if let Err(error) = &held {
        tracing::debug!(%error, root = %root.display(), "cannot be locked");
    }
    Ok(Beginning { _held: held.ok() })
}

/// The case under `root` that was begun with the plan of this digest, or is being begun, if any.
pub fn of_plan(root: &Path, digest: &str) -> Option<PathBuf> {
    let begun = |dir: &PathBuf| {
        is_worked_on(dir) || read_journal(dir).is_ok_and(|decoded| !decoded.lines.is_empty())
    };
    let has = |dir: &PathBuf| read_round(dir, 1).is_ok_and(|saved| saved.digest() == digest);
    all(root).into_iter().find(|dir| begun(dir) && has(dir))
}

/// Whether a case has a journal, with anything in it or not. One that was made whole has.
pub fn has_journal(dir: &Path) -> bool {
    dir.join(JOURNAL).is_file()
}

/// The journal of a case, without locking it.
pub fn read_journal(dir: &Path) -> Result<Decoded, CaseError> {
    let path = dir.join(JOURNAL);
    let bytes = match read_regular(&path, LONGEST) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other.map_err(io_error("cannot read", &path))?,
    };
    decoded(dir, &bytes)
}

fn decoded(dir: &Path, bytes: &[u8]) -> Result<Decoded, CaseError> {
    decode(bytes).map_err(|source| CaseError::Journal { path: dir.to_owned(), source })
}

/// Another file of a case, if it is there.
pub fn read_file(dir: &Path, name: &str) -> Result<Option<String>, CaseError> {
    let path = dir.join(name);
    match read_text(&path, LONGEST) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).map_err(io_error("cannot read", &path)),
    }
}

/// Writes a file, whole or not at all, for its owner only.
pub fn replace(path: &Path, text: &str) -> Result<(), CaseError> {
    replace_with(path, &|out| out.write_all(text.as_bytes()))
}

/// The same with the plans of several accounts.
pub fn replace_plans(path: &Path, plans: &SavedPlans) -> Result<(), CaseError> {
    replace_with(path, &|out| plans.write_to(out))
}

/// The same with a plan, of which no second copy is made.
pub fn replace_plan(path: &Path, saved: &SavedPlan) -> Result<(), CaseError> {
    replace_with(path, &|out| saved.write_to(out))
}

/// Writes what a file holds.
type Fill<'a> = &'a dyn Fn(&mut dyn Write) -> io::Result<()>;

fn replace_with(path: &Path, fill: Fill<'_>) -> Result<(), CaseError> {
    replace_if(&|| Ok(()), path, fill)
}

/// The same with a file of a case, which is left alone where the case is not ours any more.
fn replace_while(custody: &Custody, path: &Path, fill: Fill<'_>) -> Result<(), CaseError> {
    replace_if(&|| custody.check(), path, fill)
}

fn replace_if(
    may: &dyn Fn() -> io::Result<()>,
    path: &Path,
    fill: Fill<'_>,
) -> Result<(), CaseError> {
    // A device or a pipe would be gone for everybody; a link is replaced, and what it leads to stays.
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file() && !found.is_symlink()) {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
        return Err(CaseError::Io { action: "cannot write", path: path.to_owned(), source });
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".making-{}", std::process::id()));
    let making = path.with_file_name(name);
    // Left by an earlier process of the same number, or put there by somebody: not followed, not kept.
    let _ = fs::remove_file(&making);
    let made = write_with(&making, fill).and_then(|()| {
        may().and_then(|()| fs::rename(&making, path)).map_err(io_error("cannot write", path))
    });
    if made.is_err() {
        let _ = fs::remove_file(&making);
    }
    made?;
    sync_dir(parent(path))
}

/// Has a new directory appear under `root`, named after `name`, whole or not at all.
fn appear(
    root: &Path,
    name: &str,
    make: impl FnOnce(&Path) -> Result<(), CaseError>,
) -> Result<PathBuf, CaseError> {
    make_root(root)?;
    let making = root.join(format!(".making-{name}-{}", std::process::id()));
    // What an earlier attempt of a process of the same number left behind was never a case.
    let _ = fs::remove_dir_all(&making);
    private_dir(&making)?;
    let made = make(&making).and_then(|()| settle(root, name, &making));
    if made.is_err() {
        let _ = fs::remove_dir_all(&making);
    }
    made
}

fn make_root(root: &Path) -> Result<(), CaseError> {
    let new = missing(root);
    private_dir(root)?;
    for dir in new {
        sync_dir(parent(&dir))?;
    }
    Ok(())
}

fn fill(dir: &Path, saved: &SavedPlan, files: &[(&str, String)]) -> Result<(), CaseError> {
    private_dir(&dir.join("rounds/1"))?;
    write(&dir.join(PLAYBOOK), &saved.playbook)?;
    write_with(&dir.join(PLAN), &|out| saved.write_to(out))?;
    for (name, text) in files {
        write(&dir.join(name), text)?;
    }
    sync_dir(&dir.join("rounds/1"))?;
    sync_dir(&dir.join("rounds"))?;
    sync_dir(dir)
}

/// Gives the finished directory the first name that is free. Renaming onto a directory that has something
/// in it fails, so two processes never share one.
fn settle(root: &Path, name: &str, making: &Path) -> Result<PathBuf, CaseError> {
    for n in 1..10_000 {
        let dir = root.join(format!("{name}-{n}"));
        if dir.exists() {
            continue;
        }
        match fs::rename(making, &dir) {
            Ok(()) => {
                sync_dir(root)?;
                return Ok(dir);
            }
            Err(_) if dir.exists() => {}
            Err(error) => return Err(io_error("cannot make", &dir)(error)),
        }
    }
    Err(CaseError::NotACase(root.join(name)))
}

/// The directories on the way to `path`, itself included, that are not there yet.
fn missing(path: &Path) -> Vec<PathBuf> {
    let on_the_way = path.ancestors().filter(|dir| !dir.as_os_str().is_empty());
    on_the_way.take_while(|dir| !dir.exists()).map(Path::to_owned).collect()
}

/// Where the name of `path` is kept.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn private_dir(path: &Path) -> Result<(), CaseError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(io_error("cannot make", path))
}

fn private_file(path: &Path, options: &mut OpenOptions) -> Result<File, CaseError> {
    options.mode(0o600).open(path).map_err(io_error("cannot open", path))
}

fn write(path: &Path, text: &str) -> Result<(), CaseError> {
    write_with(path, &|out| out.write_all(text.as_bytes()))
}

fn write_with(path: &Path, fill: Fill<'_>) -> Result<(), CaseError> {
    let file = private_file(path, OpenOptions::new().write(true).create_new(true))?;
    let mut out = BufWriter::new(file);
    fill(&mut out).and_then(|()| out.flush()).map_err(io_error("cannot write", path))?;
    out.get_ref().sync_all().map_err(io_error("cannot sync", path))
}

fn sync_dir(path: &Path) -> Result<(), CaseError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(io_error("cannot sync", path))
}

/// The journal's file: opened for appending, synced with every line. Lines are written where the next one who
/// looks for them will find them, or not at all.
struct JournalFile {
    file: File,
    custody: Custody,
}

impl JournalFile {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.custody.check()?;
        self.file.write_all(line)?;
        self.file.sync_data()?;
        // Nothing may be done on a line that whoever took the case over may not have.
        self.custody.check()
    }
}

impl Medium for JournalFile {
    fn append<'a>(
        &'a mut self,
        line: &'a [u8],
    ) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'a>> {
        Box::pin(std::future::ready(self.write(line)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use jiff::Timestamp;
    use tempfile::TempDir;

    use super::*;
    use crate::clock::Clock;
    use crate::ids::{AccountId, Arn};
    use crate::inventory::{Answers, Caller, Inventory};
    use crate::journal::{Entry, Journal};
    use crate::plan::{Estimate, GateTerms, Plan};
    use crate::playbook::{Mode, Proof};

    fn saved() -> SavedPlan {
        let account = AccountId::parse("111122223333").unwrap();
        let arn = Arn::parse("arn:aws:iam::111122223333:user/responder").unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let caller = Caller {
            account: account.clone(),
            arn: arn.clone(),
            id: "AIDA".into(),
            came_from: Vec::new(),
            break_glass: Vec::new(),
            access_key_id: None,
        };
        let plan = Plan {
            imports: Vec::new(),
            found: Vec::new(),
            accepted_lockouts: Vec::new(),
            canary: None,
            estimate: Estimate::default(),
            playbook: "nothing".into(),
            title: "Nothing at all".into(),
            mode: Mode::Breach,
            account,
            caller: arn,
            endpoint: None,
            inputs: BTreeMap::new(),
            surveyed_at: now,
            first_seen: None,
            together: None,
            gate: GateTerms { proof: Proof::Settled, margin_seconds: 1, within_seconds: 300 },
            principals: Vec::new(),
            roles: Vec::new(),
            credentials: Vec::new(),
            changes: Vec::new(),
            untouched: Vec::new(),
            trusted: Vec::new(),
            approvals: BTreeMap::new(),
            batches: Vec::new(),
            accepted_gaps: Vec::new(),
            warnings: Vec::new(),
        };
        let inventory = Inventory { caller, taken_at: now, answers: Answers::default() };
        SavedPlan {
            plan,
            inventory,
            playbook: "portcullis: 1\n".into(),
            fragments: BTreeMap::new(),
            round: None,
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn entry() -> Entry {
        let account = AccountId::parse("111122223333").unwrap();
        Entry::Opened { plan: saved().digest(), account, program: "test".into(), rehearsal: false }
    }

    #[tokio::test]
    async fn a_case_appears_whole_and_for_its_owner_alone() {
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("deep/cases");
        let case =
            Case::create(&root, "day-nothing", &saved(), &[("world.json", "{}".into())]).unwrap();
        assert_eq!(names(&root), ["day-nothing-1"]);
        assert_eq!(names(case.dir()), ["journal.jsonl", "playbook.yaml", "rounds", "world.json"]);
        assert_eq!(read_plan(case.dir()).unwrap(), saved());
        assert_eq!(read_file(case.dir(), "world.json").unwrap().as_deref(), Some("{}"));
        assert_eq!(read_file(case.dir(), "nothing.json").unwrap(), None);
        for (path, mode) in [(root.clone(), 0o700), (case.dir().join(PLAN), 0o600)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
        }
    }

    #[test]
    fn a_case_that_cannot_be_made_whole_is_not_there_at_all() {
        let dir = TempDir::new().unwrap();
        // A file of this name cannot be written: its directory is not there.
        let files = [("nowhere/world.json", "{}".to_owned())];
        let error = Case::create(dir.path(), "day-nothing", &saved(), &files).unwrap_err();
        assert!(matches!(error, CaseError::Io { action: "cannot open", .. }), "{error}");
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn names_count_up_and_a_name_that_is_taken_by_anything_is_passed_over() {
        let dir = TempDir::new().unwrap();
        let made = |name: &str| {
            let case = Case::create(dir.path(), name, &saved(), &[]).unwrap();
            case.dir().file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(made("a"), "a-1");
        assert_eq!(made("a"), "a-2");
        fs::write(dir.path().join("a-3"), "").unwrap();
        fs::create_dir(dir.path().join("a-4")).unwrap();
        assert_eq!(made("a"), "a-5");
        assert_eq!(made("b"), "b-1");
        // What a process that was killed left half made is no case, and is in nobody's way.
        let half = dir.path().join(format!(".making-a-{}", std::process::id()));
        fs::create_dir_all(half.join("rounds")).unwrap();
        assert_eq!(made("a"), "a-6");
        assert!(!half.exists());
    }

    #[test]
    fn many_who_make_a_case_at_once_get_one_each() {
        let dir = TempDir::new().unwrap();
        // Within one process they would share the directory they make it in, so the last step is tried alone.
        let made: Vec<PathBuf> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|n| {
                    let making = dir.path().join(format!(".making-{n}"));
                    private_dir(&making).unwrap();
                    fill(&making, &saved(), &[]).unwrap();
                    scope.spawn(move || settle(making.parent().unwrap(), "a", &making).unwrap())
                })
                .collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        let different: std::collections::BTreeSet<&PathBuf> = made.iter().collect();
        assert_eq!(different.len(), 8);
        assert_eq!(names(dir.path()), (1..=8).map(|n| format!("a-{n}")).collect::<Vec<_>>());
    }

    #[test]
    fn a_case_is_worked_on_by_one_at_a_time() {
        let dir = TempDir::new().unwrap();
        let case = Case::create(dir.path(), "a", &saved(), &[]).unwrap();
        let path = case.dir().to_owned();
        assert!(matches!(Case::open(&path), Err(CaseError::Locked(_))));
        // Looking at it is free.
        read_plan(&path).unwrap();
        drop(case);
        Case::open(&path).unwrap();
    }

    #[tokio::test]
    async fn a_torn_journal_is_truncated_and_goes_on_and_a_changed_one_is_left_as_it_is() {
        let dir = TempDir::new().unwrap();
        let case = Case::create(dir.path(), "a", &saved(), &[]).unwrap();
        let path = case.dir().join(JOURNAL);
        let (decoded, medium) = case.journal().unwrap();
        let journal = Journal::open(&decoded, medium, Clock::system()).unwrap();
        journal.append(entry()).await.unwrap();
        let whole = fs::read(&path).unwrap();
        let torn = [&whole[..], &whole[..whole.len() / 2]].concat();
        fs::write(&path, torn).unwrap();
        let (decoded, _) = case.journal().unwrap();
        assert_eq!((decoded.lines.len(), decoded.torn), (1, whole.len() / 2));
        assert_eq!(fs::read(&path).unwrap(), whole);
        let changed = String::from_utf8(whole).unwrap().replace("\"test\"", "\"tset\"");
        fs::write(&path, &changed).unwrap();
        assert!(matches!(case.journal(), Err(CaseError::Journal { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), changed);
    }

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

    #[test]
    fn a_file_that_is_replaced_is_the_old_one_or_the_new_one() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("file");
        let texts = ["a".repeat(100_000), "b".repeat(70_000)];
        replace(&path, &texts[0]).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for n in 0..40 {
                    replace(&path, &texts[n % 2]).unwrap();
                }
            });
            while !writer.is_finished() {
                let seen = fs::read_to_string(&path).unwrap();
                assert!(texts.contains(&seen), "neither old nor new: {} bytes", seen.len());
            }
        });
        // What cannot be written leaves the old one.
        let making = format!("file.making-{}", std::process::id());
        fs::create_dir(dir.path().join(making)).unwrap();
        assert!(replace(&path, "c").is_err());
        assert!(texts.contains(&fs::read_to_string(&path).unwrap()));
    }

    #[test]
    fn what_is_handed_over_was_staged_and_is_for_its_owner_only() {
        let dir = TempDir::new().unwrap();
        let case = Case::create(dir.path(), "a", &saved(), &[]).unwrap();
        let outbox = Deliveries::of(&case);
        let key = "age12wr39gcccvmwgr0tqay0g3dfnp83chsf7syu8rxddecqf5juxpds6aq6jp";
        let key = crate::ids::AgeRecipient::parse(key).unwrap();
        let sealed = |text: &str| {
            let value = crate::secret::Secret::new(text.to_owned());
            Sealed::to(std::slice::from_ref(&key), &value).unwrap()
        };
        let name = DeliveryName::parse("alice.password.age").unwrap();
        assert!(!outbox.hand_over(&name).unwrap(), "there is nothing");
        assert!(!case.dir().join(DELIVERIES).exists());
        outbox.stage(&name, &sealed("one")).unwrap();
        let last = sealed("two");
        outbox.stage(&name, &last).unwrap();
        let delivered = case.dir().join(DELIVERIES).join("alice.password.age");
        assert!(!delivered.exists());
        for _ in 0..2 {
            assert!(outbox.hand_over(&name).unwrap());
            assert_eq!(fs::read_to_string(&delivered).unwrap(), last.text());
        }
        assert_eq!(names(&case.dir().join(DELIVERIES)), ["alice.password.age"]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&delivered), mode(&case.dir().join(DELIVERIES))), (0o600, 0o700));
    }

    #[test]
    fn a_link_where_a_file_is_being_made_is_not_followed() {
        let dir = TempDir::new().unwrap();
        let (path, victim) = (dir.path().join("plan.json"), dir.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        let making = dir.path().join(format!("plan.json.making-{}", std::process::id()));
        std::os::unix::fs::symlink(&victim, &making).unwrap();
        replace(&path, "plan").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert_eq!(fs::read_to_string(&path).unwrap(), "plan");
        assert_eq!(names(dir.path()), ["plan.json", "victim"]);
    }
}
