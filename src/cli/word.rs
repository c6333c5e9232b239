//! `portcullis clear`, `waive`, `attest`, `approve` and `close`: what people say about a case, put on record.
//!
//! Whoever speaks does so with credentials of his own: STS tells the name that is kept. Nothing is signed, so a
//! word is worth what the name is worth, and the name of somebody whom the case cuts is worth nothing. A word
//! changes no cloud: it is written to the journal, and a resumption acts on it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::try_join_all;
use jiff::{SpanRelativeTo, Timestamp};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::accounts::refuse_lost_journals;
use super::args::{self, Format};
use super::by_hand::{quoted, typed};

use super::everybody::{self, EVERYBODY};
use super::exit::{Exit, Failure};
use super::found::{belongs_to_another_plan, open_journal, read, typed_to_begin};
use super::live::Live;
use super::next::of_words;
use super::reach::goes_there;
use super::rehearse::{self, Rehearsed};
use super::speaker::{Concerned, concerned, may_speak};
use super::there::There;
use super::{diagnostics, sources, view};
use crate::action::catalog;
use crate::case::{self, Case};
use crate::clock::Clock;
use crate::diagnostic::counted;
use crate::ids::ChangeId;
use crate::inventory::Caller;
use crate::journal::{AppendError, Decoded, Entry, Evidence, Journal, Medium, Said, State, names};
use crate::ledger::{self, Ledger, Row, Standing};
use crate::plan::{Change, Credential, Plan, SavedPlan};
use crate::playbook::Phase;
use crate::run::RunError;

/// A case in which somebody has the floor.
struct Floor<'a> {
    case: &'a Case,
    saved: &'a SavedPlan,
    state: Arc<State>,
    now: Timestamp,
    /// What every word of his begins with.
    said: Said,
}

pub(super) fn clear(args: &args::Clear) -> Result<Exit, Failure> {
    refuse_whole(
        &args.case,
        &args.word,
        "clear",
        |plan, state| knows(plan, state, &args.credentials),
        || {
            let withdraw = if args.withdraw { " --withdraw" } else { "" };
            format!("{} --reason {}{withdraw}", all_quoted(&args.credentials), quoted(&args.reason))
        },
    )?;
    speak(&args.case, &args.word, &args.reason, |floor| {
        let said = || floor.said.clone();
        let entry = |credential| {
            if args.withdraw {
                Entry::Withdrawn { credential, said: said() }
            } else {
                Entry::Cleared { credential, said: said() }
            }
        };
        let named = floor.credentials(&args.credentials)?;
        let unseen = |one: &&Credential| matches!(one, Credential::Unseen { .. });
        if let Some(unseen) = named.iter().find(unseen).filter(|_| !args.withdraw) {
            return Err(Failure::new(
                Exit::Usage,
                format!("nobody can find innocent whom nobody sees: {unseen}"),
                format!(
                    "look by hand, and answer for it for a time: portcullis waive {} {} --until 7d --reason TEXT{}",
                    typed(floor.case.dir()),
                    unseen.typed(),
                    args.word.access.there()
                ),
            ));
        }
        Ok(named.into_iter().map(entry).collect())
    })
}

pub(super) fn waive(args: &args::Waive) -> Result<Exit, Failure> {
    refuse_whole(
        &args.case,
        &args.word,
        "waive",
        |plan, state| knows(plan, state, &args.credentials),
        || {
            let (until, reason) = (quoted(&args.until), quoted(&args.reason));
            format!("{} --until {until} --reason {reason}", all_quoted(&args.credentials))
        },
    )?;
    speak(&args.case, &args.word, &args.reason, |floor| {
        let until = until(&args.until, floor.now)?;
        let entry = |credential| Entry::Waived { credential, until, said: floor.said.clone() };
        Ok(floor.credentials(&args.credentials)?.into_iter().map(entry).collect())
    })
}

pub(super) fn attest(args: &args::Attest) -> Result<Exit, Failure> {
    let id = ChangeId::parse(&args.what).ok();
    let concerned = |plan: &Plan, _: &State| id.as_ref().is_none_or(|id| plan.change(id).is_some());
    refuse_whole(&args.case, &args.word, "attest", concerned, || {
        let reason = args.reason.as_ref();
        let reason = reason.map_or(String::new(), |why| format!(" --reason {}", quoted(why)));
        format!("{}{reason}", quoted(&args.what))
    })?;
    let statement = args.reason.as_deref().unwrap_or(&args.what);
    speak(&args.case, &args.word, statement, |floor| {
        let said = floor.said.clone();
        let (case, there) = (typed(floor.case.dir()), args.word.access.there());
        let Ok(id) = ChangeId::parse(&args.what) else {
            let of_step = |change: &&Change| change.step.as_str() == args.what.trim();
            let changes: Vec<&Change> = floor.saved.plan.changes.iter().filter(of_step).collect();
            let next = match &changes[..] {
                [] => return Ok(vec![Entry::Attested { change: None, said }]),
                [change] => format!("did you mean: portcullis attest {case} {}{there}", change.id),
                several => {
                    let told = several.iter().map(|c| format!("{} ({})", c.id, c.target));
                    let told: Vec<String> = told.collect();
                    let told = told.join(", ");
                    format!(
                        "name the one that was seen to: portcullis attest {case} ID{there}, of {told}"
                    )
                }
            };
            let what =
                format!("`{}` is a step of the plan, and its changes have numbers", args.what);
            return Err(Failure::new(Exit::Usage, what, next));
        };
        let Some(change) = floor.saved.plan.change(&id) else {
            return Err(Failure::new(
                Exit::Usage,
                format!("the plan of this case has no change {id}"),
                format!("portcullis status {case} names what it waits for"),
            ));
        };
        if !floor.saved.plan.carried_out().any(|one| one.id == id) {
            return Err(Failure::new(
                Exit::Usage,
                format!("the case is taken back, and {id} is not to be done any more"),
                format!("portcullis status {case} names what it waits for"),
            ));
        }
        let Some(asked) = catalog::of(change).asks(&change.decided) else {
            return Err(Failure::new(
                Exit::Usage,
                format!("{id} is made by the run and looked at: nobody can stand up for it"),
                format!(
                    "portcullis resume {}{there}",
                    typed(&case::accounts::whole_or_itself(floor.case.dir()))
                ),
            ));
        };
        let reason = args.reason.clone().unwrap_or(asked);
        Ok(vec![Entry::Attested { change: Some(id), said: Said { reason, ..said } }])
    })
}

pub(super) fn approve(args: &args::Approve) -> Result<Exit, Failure> {
    let phase = Phase::from(args.phase);
    let concerned = |plan: &Plan, _: &State| plan.approvals.contains_key(&phase);
    refuse_whole(&args.case, &args.word, "approve", concerned, || {
        format!("{phase} --reason {}", quoted(&args.reason))
    })?;
    speak(&args.case, &args.word, &args.reason, |floor| {
        if !floor.saved.plan.approvals.contains_key(&phase) {
            return Err(Failure::new(
                Exit::Usage,
                format!("the plan of this case asks for nobody's approval of phase `{phase}`"),
                format!("portcullis status {} says what it waits for", typed(floor.case.dir())),
            ));
        }
        Ok(vec![Entry::Approved { phase, said: floor.said.clone() }])
    })
}

/// Of several accounts all are closed, or where anything speaks against it none is: what is said of one alone leaves the
/// others to be gone on with.
pub(super) fn close(args: &args::Close) -> Result<Exit, Failure> {
    let several = case::accounts::of(&args.case);
    let whole = (!several.is_empty()).then_some(&*args.case);
    let dirs = if several.is_empty() { vec![args.case.clone()] } else { several };
    speak_of(whole, &dirs, &args.word, &args.reason, |floor| {
        Ok(vec![Entry::Closed { said: floor.said.clone() }])
    })
}

impl Floor<'_> {
    /// The credentials that were named, of those in the ledger.
    fn credentials(&self, named: &[String]) -> Result<Vec<Credential>, Failure> {
        let ledger = Ledger::of(&self.saved.plan, &self.state);
        let mut found = Vec::new();
        for name in named {
            let before = found.len();
            let all = ledger.rows.iter().map(|row| &row.credential);
            let is_meant = |one: &&Credential| is_meant(&self.saved.plan, &self.state, one, name);
            found.extend(all.filter(is_meant).cloned());
            if found.len() == before {
                let mut known: Vec<String> =
                    ledger.rows.iter().map(|row| row.credential.typed()).collect();
                known.dedup();
                let more = known.len().saturating_sub(20);
                known.truncate(20);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                return Err(Failure::new(
                    Exit::Usage,
                    format!("the ledger of this case has no credential {name}"),
                    format!("name one of {}{more}", known.join(", ")),
                ));
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }
}

/// Whether `name` is what a person types for `credential`, or for all that somebody holds.
fn is_named(credential: &Credential, name: &str) -> bool {
    match name.split_once('/') {
        // Whom a role admits is spoken of one by one: by whoever has seen him.
        Some((kind @ ("user" | "role"), _)) => {
            let is_admission = matches!(credential, Credential::Admission { .. });
            !is_admission
                && credential.principal().is_some_and(|principal| {
                    format!("{kind}/{}", principal.name()) == *name
                        && (kind == "user") == principal.user().is_some()
                })
        }
        _ => credential.typed() == name || credential.to_string() == name,
    }
}

/// Whether a word about `name` is about `credential`.
fn is_meant(plan: &Plan, state: &State, credential: &Credential, name: &str) -> bool {
    if name == EVERYBODY {
        return everybody::is_among(plan, state, credential);
    }
    is_named(credential, name)
}

/// Whether the ledger of a case has anything of those names.
fn knows(plan: &Plan, state: &State, names: &[String]) -> bool {
    let is_meant = |row: &Row| names.iter().any(|n| is_meant(plan, state, &row.credential, n));
    Ledger::of(plan, state).rows.iter().any(is_meant)
}

fn all_quoted(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// Refuses a word about a case of several accounts: it is said of one of them. Which those are that it could be about is
/// told, with what to type.
fn refuse_whole(
    dir: &Path,
    word: &args::Word,
    command: &str,
    concerned: impl Fn(&Plan, &State) -> bool,
    said: impl FnOnce() -> String,
) -> Result<(), Failure> {
    let accounts = case::accounts::of(dir);
    if accounts.is_empty() {
        return Ok(());
    }
    refuse_lost_journals(&accounts)?;
    let mut of = Vec::new();
    for account in &accounts {
        let (saved, _, state) = read(account)?;
        if concerned(&saved.plan, &state) {
            of.push(account);
        }
    }
    let (said, there) = (format!("{}{}", said(), also(word)), word.access.there());
    let typed = of.iter().map(|of| format!("portcullis {command} {} {said}{there}", typed(of)));
    let typed: Vec<String> = typed.collect();
    Err(Failure::new(
        Exit::Refused,
        format!("case {} is of several accounts, and a word is said of one of them", dir.display()),
        if typed.is_empty() {
            format!(
                "none of them knows of it: portcullis status {} tells what there is",
                super::by_hand::typed(dir)
            )
        } else {
            typed.join("; or ")
        },
    ))
}

/// What else is typed with a word.
fn also(word: &args::Word) -> String {
    let from_account = word.from_account.as_ref().map(ToString::to_string);
    let all =
        [("evidence", &word.evidence), ("from-account", &from_account), ("as", &word.as_whom)];
    let given = all.into_iter().filter_map(|(flag, value)| Some((flag, value.as_ref()?)));
    given.map(|(flag, value)| format!(" --{flag} {}", quoted(value))).collect()
}

/// Puts what somebody says of one case on record.
fn speak(
    dir: &Path,
    word: &args::Word,
    reason: &str,
    entries: impl Fn(&Floor<'_>) -> Result<Vec<Entry>, Failure>,
) -> Result<Exit, Failure> {
    speak_of(None, &[dir.to_owned()], word, reason, entries)
}

/// A case of which something is said.
struct About<'a> {
    dir: &'a Path,
    case: Case,
    saved: SavedPlan,
    /// Itself, and the other accounts that it goes with.
    concerned: Vec<Concerned>,
}

impl<'a> About<'a> {
    fn open(dir: &'a Path) -> Result<Self, Failure> {
        if let Some(whole) = case::accounts::whole(dir) {
            refuse_lost_journals(&case::accounts::of(&whole))?;
        }
        let case = Case::open(dir)?;
        let (saved, _) = sources::plan_of(dir)?;
        let concerned = concerned(dir)?;
        Ok(Self { dir, case, saved, concerned })
    }
}

/// Puts what somebody says of some cases on record; of several, those are the accounts of the one in `whole`. Whether it
/// can be said of all of them is seen before it is said of any.
fn speak_of(
    whole: Option<&Path>,
    dirs: &[PathBuf],
    word: &args::Word,
    reason: &str,
    entries: impl Fn(&Floor<'_>) -> Result<Vec<Entry>, Failure>,
) -> Result<Exit, Failure> {
    if reason.trim().is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "a word without a reason is not taken",
            "say why, for whoever reads the case in a year: --reason TEXT",
        ));
    }
    let all: Vec<About<'_>> = dirs.iter().map(|dir| About::open(dir)).collect::<Result<_, _>>()?;
    let evidence = word.evidence.as_deref().map(evidence).transpose()?;
    let on_record = async |caller: &Caller, clock: Clock, world: Option<&Rehearsed>| {
        let mut to_say = Vec::new();
        for about in &all {
            let About { case, saved, concerned, .. } = about;
            may_speak(saved, concerned, caller, word)?;
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
            let entries = entries(&Floor { case, saved, state, now, said })?;
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
        tell(whole, caller, &told, word);
        Ok(Exit::Done)
    };
    let first = &all[0];
    if rehearse::is_rehearsal(first.dir)? {
        return view::virtual_runtime().block_on(async {
            let rehearsed = Rehearsed::load(&first.case)?;
            let caller = rehearsed.caller_as(word.as_whom.as_deref()).await?;
            on_record(&caller, rehearsed.clock, Some(&rehearsed)).await
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
        let live = Live::connect(&word.access).await?;
        let caller = live.begin().await?.caller;
        on_record(&caller, live.clock, None).await
    })
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

/// What came of a word about one case.
struct Told<'a> {
    about: &'a About<'a>,
    entries: &'a [Entry],
    state: Arc<State>,
    head: String,
    lines: u64,
    next: String,
}

impl<'a> Told<'a> {
    async fn of(
        about: &'a About<'a>,
        journal: &Journal,
        entries: &'a [Entry],
        word: &args::Word,
    ) -> Self {
        let state = journal.state();
        let (head, lines) = journal.head().await;
        let next = of_words(&about.saved, &state, about.dir, &word.access.there());
        Self { about, entries, state, head, lines, next }
    }

    fn as_json(&self) -> serde_json::Value {
        json!({
            "version": 1,
            "case": self.about.dir.display().to_string(),
            "entries": self.entries,
            "ledger": Ledger::of(&self.about.saved.plan, &self.state),
            "journal": {"lines": self.lines, "head": self.head},
            "next": self.next,
        })
    }

    fn render(&self) -> String {
        let mut text = String::new();
        for entry in self.entries {
            told(&mut text, entry, &self.about.saved.plan, &self.state);
        }
        let Self { lines, head, next, .. } = self;
        let next = view::hinted(format!("Next: {next}\n"));
        format!("{text}\n{}{next}", view::journal(*lines, head))
    }
}

/// Tells what came of a word: one document, of however many cases it was said.
fn tell(whole: Option<&Path>, caller: &Caller, all: &[Told<'_>], word: &args::Word) {
    let json = word.format == Format::Json;
    match (whole, all) {
        (None, [one]) if json => view::out(&diagnostics::printed(&one.as_json())),
        (whole, all) if json => {
            let case = whole.map(|whole| whole.display().to_string());
            let accounts = all.iter().map(|one| {
                let mut told = one.as_json();
                told["account"] = json!(one.about.saved.plan.account);
                told
            });
            view::out(&diagnostics::printed(&json!({
                "version": 1,
                "case": case,
                "accounts": accounts.collect::<Vec<_>>(),
            })));
        }
        (whole, all) => {
            let mut text = format!("Said by {}, not signed:\n", view::plain(caller.arn.as_str()));
            for one in all {
                if whole.is_some() {
                    let _ = writeln!(text, "\nAccount {}", one.about.saved.plan.account);
                }
                text += &one.render();
            }
            view::out(&text);
        }
    }
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

/// What came of one word.
fn told(text: &mut String, entry: &Entry, plan: &Plan, state: &State) {
    let (about, what) = match entry {
        Entry::Cleared { credential, .. } => {
            let asked = ledger::names_to_clear(plan);
            let by = state.cleared.get(credential).map(names).unwrap_or_default();
            let what = if plan.is_undo() && ledger::closed_by(plan, state).is_some() {
                "kept, and it changes nothing: this case is closed, and what it has left cut stays cut"
                    .to_owned()
            } else if by.len() >= asked {
                "cleared: no step cuts it any more, and it may be let in again".to_owned()
            } else {
                format!("{} of the {asked} names it takes: not cleared yet", by.len())
            };
            (credential.to_string(), what)
        }
        Entry::Waived { credential, until, .. } => {
            let until = until.strftime("%Y-%m-%d %H:%M UTC");
            let ledger = Ledger::of(plan, state);
            let row = ledger.rows.iter().find(|row| row.credential == *credential);
            let what = match row.map(|row| &row.standing) {
                Some(Standing::Waived { .. }) | None => {
                    format!("waived until {until}, and unaccounted for from then on")
                }
                Some(Standing::Blocked { .. }) => format!(
                    "waived until {until}: it is blocked, nobody needs to answer for that, and what would let it in again may"
                ),
                Some(standing) => format!(
                    "kept, and it changes nothing while this is {}: nobody needs to answer for that",
                    standing.word()
                ),
            };
            (credential.to_string(), what)
        }
        Entry::Withdrawn { credential, .. } => {
            let what = "nothing that was said of it before counts any more".to_owned();
            (credential.to_string(), what)
        }
        Entry::Closed { .. } => {
            let open = Ledger::of(plan, state).unaccounted().count();
            let what = format!(
                "closed, with {}: nothing more is done by it, and a new plan takes it up no more. It can be looked at, and \
                 taken back",
                match open {
                    0 => "nothing unaccounted for".to_owned(),
                    open => format!("{} unaccounted for", counted(open, "row")),
                }
            );
            ("the case".to_owned(), what)
        }
        Entry::Attested { change, said } => {
            let about = change.as_ref().map_or("the case".to_owned(), ToString::to_string);
            (about, format!("attested: {}", said.reason))
        }
        Entry::Approved { phase, said } => {
            approved(text, *phase, &said.plan, plan, state);
            return;
        }
        _ => return,
    };
    let _ = writeln!(text, "  {}\n      {}", view::plain(&about), view::plain(&what));
}

/// What an approval is of, and whose there are.
fn approved(text: &mut String, phase: Phase, digest: &str, plan: &Plan, state: &State) {
    let asked = plan.approvals.get(&phase).copied().unwrap_or_default();
    let by = state.approved_by(phase);
    let _ = writeln!(text, "  phase {phase} of plan {digest}: {} of {asked} names", by.len());
    for change in plan.carried_out().filter(|change| change.phase == phase) {
        let (target, what) = (change.target.to_string(), change.what.to_string());
        let (target, what) = (view::plain(&target), view::plain(&what));
        let _ = writeln!(text, "    {}  {target}: {what}", change.id);
    }
    for name in by {
        let _ = writeln!(text, "  attested by {}", view::plain(name.as_str()));
    }
    if plan.approvals.len() > 1 {
        let each = plan.approvals.iter().map(|(phase, asked)| {
            format!("{phase} ({} of {asked})", state.approved_by(*phase).len())
        });
        let each = each.collect::<Vec<_>>().join(", ");
        let _ =
            writeln!(text, "  phases come one after the other, whenever they are approved: {each}");
    }
}

/// What shows it: what is a file is kept by its bytes' hash.
fn evidence(given: &str) -> Result<Evidence, Failure> {
    if given.starts_with("https://") || given.starts_with("http://") {
        return Ok(Evidence::Url { url: given.to_owned() });
    }
    let path = Path::new(given);
    let looks_like_a_file = path.is_file() || given.starts_with(['/', '.', '~']);
    if !looks_like_a_file {
        return Ok(Evidence::Words { text: given.to_owned() });
    }
    let bytes = case::read_regular(path, case::LONGEST).map_err(|error| {
        let next = "name a file that can be read, a URL, or say it in words";
        Failure::new(Exit::Usage, format!("cannot read the evidence {given}"), next).because(&error)
    })?;
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    Ok(Evidence::File { path, sha256: hex::encode(Sha256::digest(&bytes)) })
}

/// A day, an instant, or a time from now on.
fn until(given: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let refused = |what: String| {
        let next = "give --until a day (2026-04-01), an instant (2026-04-01T18:00:00Z), or a time from now on \
                    (36h, 14d)";
        Failure::new(Exit::Usage, what, next)
    };
    let day = |text: &str| {
        let date: jiff::civil::Date = text.parse().ok()?;
        Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    let from_now = |text: &str| {
        let span: jiff::Span = text.parse().ok()?;
        let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        now.checked_add(length).ok()
    };
    let until = given.parse().ok().or_else(|| day(given)).or_else(|| from_now(given));
    let until: Timestamp = until.ok_or_else(|| refused(format!("`{given}` is no time")))?;
    if until <= now {
        return Err(refused(format!("{given} has passed: a waiver is for a time to come")));
    }
    Ok(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiver_ends_on_a_day_at_an_instant_or_after_a_time() {
        let now: Timestamp = "2026-03-24T07:10:00Z".parse().unwrap();
        let ends = |given: &str| until(given, now).unwrap().to_string();
        assert_eq!(ends("2026-04-01"), "2026-04-01T00:00:00Z");
        assert_eq!(ends("2026-04-01T18:00:00+02:00"), "2026-04-01T16:00:00Z");
        assert_eq!(ends("36h"), "2026-03-25T19:10:00Z");
        assert_eq!(ends("14d"), "2026-04-07T07:10:00Z");
        for not in ["2026-03-24", "2026-03-24T07:10:00Z", "-1h", "soon", ""] {
            assert!(until(not, now).is_err(), "{not}");
        }
    }

    #[test]
    fn evidence_is_words_a_place_or_a_file_as_it_is_now() {
        let words = Evidence::Words { text: "ticket 4711".to_owned() };
        assert_eq!(evidence("ticket 4711").unwrap(), words);
        assert!(matches!(evidence("https://wiki/4711").unwrap(), Evidence::Url { .. }));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        let path = file.path().to_str().unwrap();
        let Evidence::File { sha256, .. } = evidence(path).unwrap() else { panic!("{path}") };
        assert!(sha256.starts_with("ba7816bf"), "{sha256}");
        assert!(evidence("/is/not/there").is_err());
    }
}
