//! The case: the directory of one incident, with its plan and its journal.
//!
//! `CASE/playbook.yaml` is for reading; `CASE/rounds/N/plan.json` is what runs, with the inventory it
//! stands on, and which N the journal says; `CASE/journal.jsonl` is what was done, and is locked while somebody
//! works on it; `CASE/deliveries` has what people are handed, sealed to their keys. A case
//! appears whole or not at all, and only its owner may read it. That of several accounts holds a case for each
//! ([`accounts`]). One process has [`Custody`] of it. Interprets nothing.

pub mod accounts;
mod custody;
mod deliveries;
mod reading;
mod writing;

use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;

pub use self::custody::{Custody, Lost};
use self::custody::{Fenced, TAKING_OVER, is_locked, leads_to};
pub use self::deliveries::Deliveries;
pub use self::reading::{LONGEST, read_regular, read_text};
use self::writing::{
    missing, parent, private_dir, private_file, replace_while, sync_dir, write, write_with,
};
pub use self::writing::{replace, replace_plan, replace_plans};
use crate::journal::{Damage, Decoded, Medium, Place, State, decode};
use crate::plan::{OpenError, SavedPlan};

const PLAYBOOK: &str = "playbook.yaml";
const PLAN: &str = "rounds/1/plan.json";
const ROUNDS: &str = "rounds";
const JOURNAL: &str = "journal.jsonl";

/// An open case, locked against others while this value lives.
#[derive(Debug)]
pub struct Case {
    dir: PathBuf,
    custody: Custody,
}

/// Where this process runs.
pub fn here() -> Place {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Place { host, process: std::process::id(), flags: Vec::new() }
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
        let custody = Custody::of(&dir, journal);
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
        let mut file = self.custody.file().map_err(io_error("cannot open", &path))?;
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

/// Where the cases beside one are: as it was named, and where it really lies if that is elsewhere.
pub fn roots_of(case: &Path) -> Vec<PathBuf> {
    let real = case.canonicalize().ok().and_then(|case| Some(case.parent()?.to_owned()));
    let named = match (case.file_name(), case.parent()) {
        (Some(_), Some(root)) if root.as_os_str().is_empty() => Some(PathBuf::from(".")),
        (Some(_), Some(root)) => Some(root.to_owned()),
        _ => None,
    };
    let is_the_same = named.as_ref().and_then(|named| named.canonicalize().ok()) == real;
    named.into_iter().chain(real.filter(|_| !is_the_same)).collect()
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
pub(crate) use self::tests::{entry, saved};

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use jiff::Timestamp;
    use tempfile::TempDir;

    use super::*;
    use crate::clock::Clock;
    use crate::ids::{AccountId, Arn};
    use crate::inventory::{Caller, Inventory};
    use crate::journal::{Entry, Journal};
    use crate::plan::{Estimate, GateTerms, Listed, Plan};
    use crate::playbook::{Mode, Proof};

    pub(crate) fn saved() -> SavedPlan {
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
            takes_up: None,
            came: Vec::new(),
            together: None,
            gate: GateTerms { proof: Proof::Settled, margin_seconds: 1, within_seconds: 300 },
            principals: Vec::new(),
            roles: Listed::default(),
            credentials: Listed::default(),
            changes: Listed::default(),
            untouched: Vec::new(),
            trusted: Vec::new(),
            approvals: BTreeMap::new(),
            lets_in: Vec::new(),
            batches: Vec::new(),
            accepted_gaps: Vec::new(),
            waits: Vec::new(),
            stays_shut: false,
            at_best: Vec::new(),
            unplanned: Vec::new(),
            warnings: Vec::new(),
        };
        let inventory = Inventory::new(caller, now);
        SavedPlan {
            plan,
            inventory,
            playbook: "portcullis: 1\n".into(),
            fragments: BTreeMap::new(),
            round: None,
        }
    }

    pub(crate) fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn entry() -> Entry {
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
}
