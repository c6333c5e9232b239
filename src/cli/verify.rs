//! `portcullis verify`: look at a case again, try what can be tried, listen for what was cut.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use super::args;
use super::conduct::{Conduct, Task};
use super::exit::{Exit, Failure};
use super::overtaken::Doing;
use super::reach::reach;
use super::rehearse::Going;
use super::{accounts, credential, rehearse, sources, view};
use crate::case::{self, Case};
use crate::clock::Clock;
use crate::run::{Ending, Log, RunError};
use crate::trail::{self, TrailEvent};

/// Files of CloudTrail hold minutes each; this is far beyond.
const LONGEST: u64 = 256 * 1024 * 1024;

pub(super) fn verify(args: &args::Verify) -> Result<Exit, Failure> {
    let several = case::accounts::of(&args.case);
    if !several.is_empty() {
        return accounts::verify(args, &several);
    }
    accounts::refuse_one_alone(&args.case, "verify", &args.access.there())?;
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

/// Between two looks of one watch.
const LOOK_AGAIN_AFTER: Duration = Duration::from_mins(15);

/// Whether a look shows nothing that a person must be called for at once.
pub(super) fn is_calm(looked: &Result<Ending, RunError>) -> bool {
    matches!(looked, Ok(Ending::Proven | Ending::NotProven))
}

/// Looks once, and again and again until the time is over, something is not calm, or somebody asks to stop.
pub(super) async fn watched<T>(
    clock: Clock,
    watch: Duration,
    mut stop: watch::Receiver<bool>,
    look: impl AsyncFn() -> T,
    calm: impl Fn(&T) -> bool,
) -> T {
    let end = clock.now().saturating_add(watch).unwrap_or(jiff::Timestamp::MAX);
    loop {
        let seen = look().await;
        if !calm(&seen) || clock.now() >= end {
            return seen;
        }
        let next = clock.now().saturating_add(LOOK_AGAIN_AFTER).unwrap_or(end).min(end);
        let until = next.strftime("%Y-%m-%d %H:%M UTC");
        view::note(&format!("Looking again at {until}. Ctrl-C ends the watch.\n"));
        tokio::select! {
            biased;
            Ok(_) = stop.wait_for(|stop| *stop) => return seen,
            () = clock.sleep_until(next) => {}
        }
    }
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
