//! Putting a word on record: whoever says it is looked up and heard or not, and of several cases it is said of all or of none.

use std::path::{Path, PathBuf};

use futures_util::future::try_join_all;

use super::Floor;
use super::given::evidence;
use super::told::{Told, tell};
use crate::case::{self, Case};
use crate::cli::accounts::refuse_lost_journals;
use crate::cli::args;
use crate::cli::exit::{Exit, Failure};
use crate::cli::found::{belongs_to_another_plan, open_journal, typed_to_begin};
use crate::cli::live::Live;
use crate::cli::reach::goes_there;
use crate::cli::rehearse::{self, Rehearsed};
use crate::cli::speaker::{Concerned, concerned, looked_up, may_speak};
use crate::cli::there::There;
use crate::cli::{sources, view};
use crate::clock::Clock;
use crate::cloud::ReadCloud;
use crate::inventory::Caller;
use crate::journal::{AppendError, Decoded, Entry, Journal, Medium, Said};
use crate::plan::SavedPlan;
use crate::playbook::Playbook;
use crate::run::RunError;

/// Puts what somebody says of one case on record.
pub(super) fn speak(
    dir: &Path,
    word: &args::Word,
    reason: &str,
    entries: impl Fn(&Floor<'_>) -> Result<Vec<Entry>, Failure>,
) -> Result<Exit, Failure> {
    speak_of(None, &[dir.to_owned()], word, reason, entries)
}

/// A case of which something is said.
pub(super) struct About<'a> {
    pub(super) dir: &'a Path,
    case: Case,
    pub(super) saved: SavedPlan,
    playbook: Playbook,
    /// Itself, and the other accounts that it goes with.
    concerned: Vec<Concerned>,
}

impl<'a> About<'a> {
    fn open(dir: &'a Path) -> Result<Self, Failure> {
        if let Some(whole) = case::accounts::whole(dir) {
            refuse_lost_journals(&case::accounts::of(&whole))?;
        }
        let case = Case::open(dir)?;
        let (saved, playbook) = sources::plan_of(dir)?;
        let concerned = concerned(dir)?;
        Ok(Self { dir, case, saved, playbook, concerned })
    }
}

/// Puts what somebody says of some cases on record; of several, those are the accounts of the one in `whole`. Whether it
/// can be said of all of them is seen before it is said of any.
pub(super) fn speak_of(
    whole: Option<&Path>,
    dirs: &[PathBuf],
    word: &args::Word,
    reason: &str,
    entries: impl Fn(&Floor<'_>) -> Result<Vec<Entry>, Failure>,
) -> Result<Exit, Failure> {
    refuse_no_reason(reason)?;
    let all: Vec<About<'_>> = dirs.iter().map(|dir| About::open(dir)).collect::<Result<_, _>>()?;
    let evidence = word.evidence.as_deref().map(evidence).transpose()?;
    let on_record = async |speaker: &Speaker<'_>, clock: Clock, world: Option<&Rehearsed>| {
        let Speaker { caller, cloud } = *speaker;
        let mut to_say = Vec::new();
        let mut not_known = None;
        for about in &all {
            let About { case, saved, playbook, concerned, .. } = about;
            may_speak(saved, concerned, caller, word)?;
            not_known = looked_up(concerned, caller, cloud, clock, &word.access.there())
                .await?
                .or(not_known);
            let said = Said {
                by: caller.arn.clone(),
                reason: reason.to_owned(),
                evidence: evidence.clone(),
                plan: saved.digest(),
            };
            let (decoded, medium) = case.journal()?;
            let medium = match world {
                Some(world) => world.medium(case, medium),
                None => medium,
            };
            let journal = open(case, saved, &decoded, medium, clock)?;
            let (state, now) = (journal.state(), clock.now());
            let entries = entries(&Floor { case, saved, playbook, state, now, said })?;
            to_say.push((about, journal, entries));
        }
        for (n, (about, journal, entries)) in to_say.iter().enumerate() {
            if let Some(world) = world {
                world.do_what_is_attested(&about.saved.plan, entries);
            }
            // Handed in together, they share one line and one sync: all of it is said of a case, or nothing.
            let written = try_join_all(entries.iter().cloned().map(|entry| journal.append(entry)));
            written.await.map_err(|error| not_said(error, &dirs[..n], about.dir))?;
        }
        let mut told = Vec::new();
        for (about, journal, entries) in &to_say {
            told.push(Told::of(about, journal, entries, word).await);
        }
        tell(whole, &Heard { caller, not_known }, &told, word);
        Ok(Exit::Done)
    };
    let first = &all[0];
    if rehearse::is_rehearsal(first.dir)? {
        return view::virtual_runtime().block_on(async {
            let rehearsed = Rehearsed::load(&first.case)?;
            let (caller, connection, clock) = rehearsed.caller_as(word.as_whom.as_deref()).await?;
            let speaker = Speaker { caller: &caller, cloud: connection.read() };
            on_record(&speaker, clock, Some(&rehearsed)).await
        });
    }
    if let Some(name) = &word.as_whom {
        return Err(Failure::new(
            Exit::Usage,
            format!("this case is real: nobody speaks as {name} by saying so"),
            "leave --as out, and use the credentials of whoever speaks: --profile NAME",
        ));
    }
    goes_there(&first.saved.plan, word.access.endpoint_url.as_deref())?;
    view::runtime().block_on(async {
        let mut live = Live::connect(&word.access).await?;
        let caller = live.begin().await?.caller;
        let speaker = Speaker { caller: &caller, cloud: live.connection.read() };
        on_record(&speaker, live.clock, None).await
    })
}

/// Refuses what is no reason: nothing, and what printed commands have in its place.
fn refuse_no_reason(reason: &str) -> Result<(), Failure> {
    let refused = |what: &str| {
        let next = "say why, for whoever reads the case in a year: --reason 'why it is so'";
        Err(Failure::new(Exit::Usage, what, next))
    };
    match reason.trim() {
        "" => refused("a word without a reason is not taken"),
        "TEXT" => refused("TEXT stands where your reason is to be, and is none"),
        _ => Ok(()),
    }
}

/// Whoever speaks, and what he can read of himself with.
#[derive(Clone, Copy)]
struct Speaker<'a> {
    caller: &'a Caller,
    cloud: &'a ReadCloud,
}

/// Who was heard.
pub(super) struct Heard<'a> {
    pub(super) caller: &'a Caller,
    /// Why it is not known since when there is he, where it is not.
    pub(super) not_known: Option<String>,
}

/// A word that could not be written down in `dir`, and of which cases it was said before.
fn not_said(error: AppendError, said: &[PathBuf], dir: &Path) -> Failure {
    let failure = Failure::of_run(RunError::from(error), "the same again").with_exit(Exit::Refused);
    if said.is_empty() {
        return failure;
    }
    let of: Vec<String> = said.iter().map(|dir| dir.display().to_string()).collect();
    failure.because_text(format!(
        "it was said of {} by then, and not of {} and what comes after it",
        of.join(" and "),
        dir.display()
    ))
}

/// The journal of a case that was begun, to be written to.
fn open(
    case: &Case,
    saved: &SavedPlan,
    decoded: &Decoded,
    medium: Box<dyn Medium>,
    clock: Clock,
) -> Result<Journal, Failure> {
    let journal = open_journal(decoded, medium, clock)?;
    match journal.state().plan() {
        Some(plan) if plan != saved.digest() => Err(belongs_to_another_plan()),
        Some(_) => Ok(journal),
        None => Err(Failure::new(
            Exit::Refused,
            "this case was never begun: there is nothing to say of it yet",
            typed_to_begin(case.dir(), &There::at(saved.plan.endpoint.as_ref())),
        )),
    }
}
