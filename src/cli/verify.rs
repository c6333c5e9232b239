//! `portcullis verify`: look at a case again, try what can be tried, listen for what was cut.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use super::args;
use super::by_hand::typed;
use super::conduct::{Conduct, Task};
use super::exit::{Exit, Failure};
use super::found::tell_torn;
use super::overtaken::Doing;
use super::reach::reach;
use super::rehearse::Going;
use super::{accounts, credential, rehearse, sources, view};
use crate::case::{self, Case};
use crate::clock::Clock;
use crate::ids::AccountId;
use crate::journal::{Journal, State};
use crate::run::{Ending, Log, RunError};
use crate::trail::{self, TrailEvent};

/// Files of CloudTrail hold minutes each; this is far beyond.
const LONGEST: u64 = 256 * 1024 * 1024;

pub(super) fn verify(args: &args::Verify) -> Result<Exit, Failure> {
    let several = case::accounts::of(&args.case);
    if !several.is_empty() {
        return accounts::verify(args, &several);
    }
    accounts::refuse_one_alone(&args.case, "verify", &options(args), &args.access.there())?;
    let case = Case::open(&args.case)?;
    let (saved, playbook) = sources::plan_of(&args.case)?;
    accounts::refuse_apart(&saved)?;
    let given = credential::given(args.credential_fd)?;
    if rehearse::is_rehearsal(case.dir())? {
        let task = task(args, rehearse::REGION)?;
        let going = Going { taking_over: None, format: args.format, task: &task };
        return rehearse::resume(&case, &saved, &playbook, going);
    }
    let (decoded, medium) = case.journal()?;
    view::runtime().block_on(async {
        let (live, caller) = reach(&args.access, case.dir(), &saved, Doing::Look).await?;
        let task = &task(args, live.region())?;
        let begun = (&saved, &playbook);
        let conduct = Conduct::live(begun, &caller, &case, &live, true, &args.access, args.format);
        Conduct { given: &given, task, ..conduct }.conduct(&decoded, medium).await
    })
}

/// What is done: where to listen, and for how long.
pub(super) fn task(args: &args::Verify, region: &str) -> Result<Task, Failure> {
    let watch = args.watch.map_or(Duration::ZERO, Duration::from_secs);
    Ok(Task::Verify { log: log(args, region)?, watch })
}

/// What else was typed, as all accounts of a case take it.
fn options(args: &args::Verify) -> String {
    let files = args.trail.iter().map(|file| format!(" --trail {}", typed(file)));
    let mut options: String = files.collect();
    if args.no_trail {
        options.push_str(" --no-trail");
    }
    if let Some(seconds) = args.watch {
        let units = [(86_400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')];
        let unit = units.into_iter().find(|(unit, _)| seconds % unit == 0);
        let (unit, name) = unit.unwrap_or((1, 's'));
        options.push_str(&format!(" --watch {}{name}", seconds / unit));
    }
    options
}

/// Between two looks of one watch.
const LOOK_AGAIN_AFTER: Duration = Duration::from_mins(15);

/// What a look at one account comes to, as far as a watch goes by it.
pub(super) enum Shown {
    /// Nothing that a person must be called for at once.
    Calm,
    /// It could not be looked at, and why.
    Silent(AccountId, String),
    /// Something that a person must see to.
    Alarm,
}

pub(super) fn comes_to(account: &AccountId, looked: &Result<Ending, RunError>) -> Shown {
    match looked {
        Ok(Ending::Proven | Ending::NotProven) => Shown::Calm,
        Ok(Ending::Stopped(why)) => Shown::Silent(account.clone(), why.join("; ")),
        _ => Shown::Alarm,
    }
}

/// What a watch comes to that could not look again.
pub(super) fn spoilt(why: &str) -> Ending {
    Ending::Stopped(vec![format!(
        "the watch ended, and what was seen last may not be so any more: {why}"
    )])
}

/// Looks once, and again and again until the time is over, something is not calm, or somebody asks to stop. An account that is
/// silent is told of, and what the next look comes to decides: a line that fails for a minute ends no watch of days, and
/// whoever shuts us out is not waited for either. Between two looks the cases `left` are anybody's: what is said of them meanwhile is known to the next. Whoever goes on with one ends
/// the watch: what was seen last is then `spoilt`, since nobody has looked at what has come of it.
pub(super) async fn watched<T>(
    clock: Clock,
    watch: Duration,
    mut stop: watch::Receiver<bool>,
    left: &[Watched<'_>],
    look: impl AsyncFn() -> T,
    shown: impl Fn(&T) -> Vec<Shown>,
    spoilt: impl Fn(T, &str) -> T,
) -> T {
    let end = clock.now().saturating_add(watch).unwrap_or(jiff::Timestamp::MAX);
    let mut silent_before = BTreeSet::new();
    loop {
        let seen = look().await;
        let mut silent = BTreeMap::new();
        for one in shown(&seen) {
            match one {
                Shown::Calm => {}
                Shown::Silent(account, why) => drop(silent.insert(account, why)),
                Shown::Alarm => return seen,
            }
        }
        if clock.now() >= end || silent.keys().any(|account| silent_before.contains(account)) {
            return seen;
        }
        for (account, why) in &silent {
            view::err(&format!(
                "Account {account} could not be looked at: {}\nWhere it cannot the next time either, the watch ends.\n",
                view::plain(why)
            ));
        }
        silent_before = silent.into_keys().collect();
        left.iter().for_each(Watched::rest);
        loop {
            let next = clock.now().saturating_add(LOOK_AGAIN_AFTER).unwrap_or(end).min(end);
            let until = next.strftime("%Y-%m-%d %H:%M UTC");
            view::note(&format!("Looking again at {until}. Ctrl-C ends the watch.\n"));
            tokio::select! {
                biased;
                Ok(_) = stop.wait_for(|stop| *stop) => return seen,
                () = clock.sleep_until(next) => {}
            }
            match wake(left).await {
                Woken::All => break,
                Woken::Busy if clock.now() < end => {
                    view::note("Somebody works on the case at this moment.\n");
                }
                Woken::Busy => return spoilt(seen, "somebody works on the case"),
                Woken::GoneOnWith(why) => return spoilt(seen, &why),
            }
        }
    }
}

/// A case that is watched.
pub(super) struct Watched<'a> {
    pub(super) case: &'a Case,
    pub(super) journal: &'a Journal,
}

/// What came of taking cases again.
enum Woken {
    All,
    /// Somebody has one of them.
    Busy,
    /// One of them is not as it was, and why that ends the watch.
    GoneOnWith(String),
}

impl Watched<'_> {
    /// Where it cannot be left to others, it stays held.
    fn rest(&self) {
        if let Err(error) = self.case.custody().rest() {
            tracing::debug!(%error, "a case cannot be left to others");
        }
    }

    /// Whether it is as it was, but for what people said.
    async fn wake(&self) -> Result<Woken, String> {
        if !self.case.custody().wake().map_err(|error| error.to_string())? {
            return Ok(Woken::Busy);
        }
        self.case.custody().check().map_err(|error| error.to_string())?;
        let before = self.journal.state();
        let (decoded, medium) = self.case.journal().map_err(|error| error.to_string())?;
        tell_torn(&decoded);
        let now = State::of(&decoded).map_err(|error| error.to_string())?;
        if (now.plan(), now.started) != (before.plan(), before.started) {
            return Ok(Woken::GoneOnWith("somebody has gone on with the case".to_owned()));
        }
        let read = self.journal.read_again(&decoded, medium).await;
        read.map_err(|error| error.to_string())?;
        Ok(Woken::All)
    }
}

/// Takes all of them again, or leaves all to others for longer.
async fn wake(left: &[Watched<'_>]) -> Woken {
    for one in left {
        let woken = one.wake().await.unwrap_or_else(Woken::GoneOnWith);
        if !matches!(woken, Woken::All) {
            left.iter().for_each(Watched::rest);
            return woken;
        }
    }
    Woken::All
}

/// Where to listen.
fn log(args: &args::Verify, region: &str) -> Result<Log, Failure> {
    if args.no_trail {
        return Ok(Log::None);
    }
    if args.trail.is_empty() {
        return Ok(Log::LookUp { region: region.to_owned() });
    }
    let mut files = Vec::new();
    for path in &args.trail {
        gather(path, &mut files).map_err(|error| unreadable(path).because(&error))?;
    }
    files.sort();
    let mut events: Vec<TrailEvent> = Vec::new();
    for file in &files {
        let text = text_of(file).map_err(|error| unreadable(file).because(&error))?;
        events.extend(trail::read(&text).map_err(|error| unreadable(file).because(&error))?);
    }
    events.sort();
    events.dedup();
    let name = match &files[..] {
        [one] => format!("CloudTrail, {}", one.display()),
        all => format!("CloudTrail, {} files", all.len()),
    };
    Ok(Log::Files { name, events })
}

fn unreadable(path: &Path) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("cannot read {} as a log of CloudTrail", path.display()),
        "give --trail the files that CloudTrail writes (*.json or *.json.gz), directories of them, or what \
         `aws cloudtrail lookup-events` printed",
    )
}

/// A file, or all that are in a directory and below.
fn gather(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        if kind.is_dir() {
            gather(&path, files)?;
        } else if kind.is_file() && is_a_log(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_a_log(path: &Path) -> bool {
    let unpacked = path.extension().filter(|end| *end == "gz").map(|_| path.with_extension(""));
    unpacked.as_deref().unwrap_or(path).extension().is_some_and(|end| end == "json")
}

fn text_of(file: &Path) -> std::io::Result<String> {
    let open = std::fs::File::open(file)?;
    let mut text = String::new();
    let too_long = || std::io::Error::other("it is longer than any such file");
    let read = if file.extension().is_some_and(|extension| extension == "gz") {
        flate2::read::MultiGzDecoder::new(open).take(LONGEST + 1).read_to_string(&mut text)?
    } else {
        open.take(LONGEST + 1).read_to_string(&mut text)?
    };
    if read as u64 > LONGEST { Err(too_long()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::case::{entry, saved};
    use crate::journal::Entry;

    /// A watch of days must not keep people from saying what they found out.
    #[tokio::test(start_paused = true)]
    async fn a_case_that_is_watched_is_anybody_s_between_two_looks_and_what_was_said_is_known_to_the_next()
     {
        let dir = tempfile::TempDir::new().unwrap();
        let clock = Clock::starting_at(jiff::Timestamp::UNIX_EPOCH);
        let case = Case::create(dir.path(), "a", &saved(), &[]).unwrap();
        let (decoded, medium) = case.journal().unwrap();
        let journal = Journal::open(&decoded, medium, clock).unwrap();
        journal.append(entry()).await.unwrap();
        let looks = AtomicUsize::new(0);
        let look = async || {
            let entries = journal.state().entries;
            assert!(matches!(Case::open(case.dir()), Err(case::CaseError::Locked(_))));
            journal.append(Entry::Finished { exit: 0 }).await.unwrap();
            looks.fetch_add(1, Ordering::Relaxed);
            entries
        };
        let (_ask, stop) = watch::channel(false);
        let left = [Watched { case: &case, journal: &journal }];
        let watching =
            watched(clock, Duration::from_mins(20), stop, &left, look, |_| Vec::new(), |_, _| 99);
        let says = async {
            clock.sleep(Duration::from_mins(7)).await;
            let other = Case::open(case.dir()).unwrap();
            let (decoded, medium) = other.journal().unwrap();
            let theirs = Journal::open(&decoded, medium, clock).unwrap();
            theirs.append(Entry::Held { change: None, until: "said".to_owned() }).await.unwrap();
        };
        let (entries, ()) = tokio::join!(watching, says);
        // It was opened, looked at, spoken of, looked at, and looked at.
        assert_eq!((entries, looks.into_inner()), (4, 3));
        let lines = case::read_journal(case.dir()).unwrap().lines.len();
        assert_eq!(lines, 5, "nothing is written over");
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_that_is_silent_once_ends_no_watch_and_one_that_stays_so_does() {
        let clock = Clock::starting_at(jiff::Timestamp::UNIX_EPOCH);
        let account = |id: &str| AccountId::parse(id).unwrap();
        let silent = |id: &str| Shown::Silent(account(id), "no connection".to_owned());
        let (one, other) = ("111122223333", "444455556666");
        for (shows, looks) in [
            (vec![vec![one], vec![], vec![other], vec![one], vec![]], 5),
            (vec![vec![one, other], vec![other]], 2),
            // The time is over.
            (vec![vec![]; 5], 5),
        ] {
            let looked = AtomicUsize::new(0);
            let look = async || looked.fetch_add(1, Ordering::Relaxed);
            let shown = |n: &usize| shows[*n].iter().map(|id| silent(id)).collect();
            let (_ask, stop) = watch::channel(false);
            let watch = LOOK_AGAIN_AFTER * 4;
            let last = watched(clock, watch, stop, &[], look, shown, |seen, _| seen).await;
            assert_eq!((last + 1, looked.into_inner()), (looks, looks), "{shows:?}");
        }
    }

    /// Between two looks a case is anybody's: what a crash of theirs left of a line is cut off, and another journal is none.
    #[tokio::test]
    async fn a_watch_goes_on_with_the_journal_that_it_had_left_and_with_no_other() {
        let dir = tempfile::TempDir::new().unwrap();
        let begun = async |name: &str| {
            let case = Case::create(dir.path(), name, &saved(), &[]).unwrap();
            let (decoded, medium) = case.journal().unwrap();
            let journal = Journal::open(&decoded, medium, Clock::system()).unwrap();
            journal.append(entry()).await.unwrap();
            (case, journal)
        };
        let (case, journal) = begun("watched").await;
        let watched = Watched { case: &case, journal: &journal };
        let path = case.dir().join("journal.jsonl");
        watched.rest();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], &[0; 9]].concat()).unwrap();
        assert!(matches!(watched.wake().await, Ok(Woken::All)));
        journal.append(Entry::Finished { exit: 11 }).await.unwrap();
        let longer = std::fs::read(&path).unwrap();
        assert!(longer.starts_with(&whole) && !longer.contains(&0));

        let (other, more) = begun("other").await;
        for exit in [10, 11] {
            more.append(Entry::Finished { exit }).await.unwrap();
        }
        watched.rest();
        std::fs::write(&path, std::fs::read(other.dir().join("journal.jsonl")).unwrap()).unwrap();
        let Err(why) = watched.wake().await else { panic!("it is another journal") };
        assert!(why.contains("is not the one that was left to others"), "{why}");
    }
}
