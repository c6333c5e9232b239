//! One run of a case, from wherever its journal stands to its end, and the account of it. What `run`,
//! `resume` and `rehearse` have in common.

use std::time::Duration;

use tokio::sync::watch;

use super::args::Format;
use super::by_hand::typed;
use super::earlier::made_beside;
use super::exit::{Exit, Failure};
use super::found::{belongs_to_another_plan, open_journal, typed_to_begin};
use super::live::Live;
use super::next::{self, LastDenies, after_all, awaited, is_over};
use super::overtaken::told_overtaken;
use super::stop::stop_when_asked;
use super::there::{There, placed, placed_in};
use super::verify::{Watched, comes_to, spoilt, watched};
use super::{args, diagnostics, view};
use crate::case::{self, Case, Deliveries, accounts};
use crate::clock::Clock;
use crate::cloud::{Connection, Suspect};
use crate::inventory::Caller;
use crate::journal::{Decoded, Entry, Journal, Medium, Place, Said, State, Worker};
use crate::ledger::Ledger;
use crate::plan::SavedPlan;
use crate::playbook::Playbook;
use crate::run::{Ending, Keep, Log, MOST_ROUNDS, MadeBeside, Rounds, RunError};
use crate::sim::Cloud;

/// How long a rehearsal waits before it tries what the intruder and the consumers hold.
pub(super) const BEFORE_THE_VERDICT: Duration = Duration::from_mins(5);

/// One run of a case, to its end and the account of it.
pub(super) struct Conduct<'a> {
    pub(super) saved: &'a SavedPlan,
    /// The playbook it was planned from.
    pub(super) playbook: &'a Playbook,
    pub(super) caller: &'a Caller,
    pub(super) case: &'a Case,
    pub(super) connection: &'a Connection,
    pub(super) clock: Clock,
    /// Whether somebody goes on with what somebody has begun.
    pub(super) resumed: bool,
    /// Why the case was taken out of somebody's hands, if it was.
    pub(super) taking_over: Option<&'a str>,
    /// The world of a rehearsal, which has something to say at the end.
    pub(super) world: Option<&'a Cloud>,
    /// What must be typed behind a command so that it goes on as this run went.
    pub(super) there: There,
    /// How to tell what came of it.
    pub(super) format: Format,
    /// Credentials to be tried themselves.
    pub(super) given: &'a [Suspect],
    /// What is done with the case.
    pub(super) task: &'a Task,
}

/// What is done with a case.
#[derive(Debug)]
pub(super) enum Task {
    /// Its plan is carried out, from wherever it stands.
    Run,
    /// It is looked at again.
    Verify {
        /// Where to listen.
        log: Log,
        /// For how long it is looked at again and again.
        watch: Duration,
    },
}

impl<'a> Conduct<'a> {
    /// In a real account.
    pub(super) fn live(
        (saved, playbook): (&'a SavedPlan, &'a Playbook),
        caller: &'a Caller,
        case: &'a Case,
        live: &'a Live,
        resumed: bool,
        access: &args::Access,
        format: Format,
    ) -> Self {
        let (connection, clock, there) = (&live.connection, live.clock, access.there());
        Self {
            saved,
            playbook,
            caller,
            case,
            connection,
            clock,
            resumed,
            taking_over: None,
            world: None,
            there,
            format,
            given: &[],
            task: &Task::Run,
        }
    }
}

impl Conduct<'_> {
    /// The journal of the case, begun where it was not.
    pub(super) async fn open(
        &self,
        decoded: &Decoded,
        medium: Box<dyn Medium>,
    ) -> Result<Journal, Failure> {
        let digest = self.saved.digest();
        let (case, there) = (accounts::whole_or_itself(self.case.dir()), &self.there);
        let case = typed(&case);
        let resume = format!("portcullis resume {case}{there}");
        let journal = open_journal(decoded, medium, self.clock)?;
        let state = journal.state();
        if state.plan().is_some_and(|plan| plan != digest) {
            return Err(belongs_to_another_plan());
        }
        match &state.opened {
            Some(opened) if opened.rehearsal != self.world.is_some() => {
                return Err(Failure::new(
                    Exit::Refused,
                    if opened.rehearsal {
                        "the case is a rehearsal, and its world is not there"
                    } else {
                        "the case is real, and somebody has put a rehearsal's world into it"
                    },
                    "put the case's directory back as it was: world.json belongs to rehearsals only",
                ));
            }
            Some(_) => {}
            None if matches!(self.task, Task::Verify { .. }) => {
                return Err(Failure::new(
                    Exit::Refused,
                    "this case was never begun: there is nothing to verify",
                    typed_to_begin(self.case.dir(), there),
                ));
            }
            // A person says yes to a run, never to a resumption: what was never begun is not begun by one.
            None if self.resumed && self.world.is_none() => {
                return Err(Failure::new(
                    Exit::Refused,
                    "this case was never begun; nothing was done",
                    typed_to_begin(self.case.dir(), there),
                ));
            }
            None => {
                let opened = Entry::Opened {
                    plan: digest.clone(),
                    account: self.saved.plan.account.clone(),
                    program: env!("CARGO_PKG_VERSION").to_owned(),
                    rehearsal: self.world.is_some(),
                };
                journal.append(opened).await.map_err(|error| {
                    // Nothing has been done to the cloud yet: that is a refusal, not a stop.
                    Failure::of_run(RunError::from(error), &resume).with_exit(Exit::Refused)
                })?;
            }
        }
        if let Some(reason) = self.taking_over {
            let by = self.caller.arn.clone();
            let said = Said { by, reason: reason.to_owned(), evidence: None, plan: digest.clone() };
            let taken = Entry::TakenOver { said, place: there.here() };
            journal
                .append(taken)
                .await
                .map_err(|error| self.cannot_go_on(error.into(), &resume))?;
            view::note(&taken_over(&journal.state()));
        }
        let custody = self.case.custody().clone();
        self.connection.fenced_by(move || custody.check());
        Ok(journal)
    }

    /// What carries the case out.
    pub(super) fn rounds<'r>(
        &'r self,
        journal: &'r Journal,
        stop: watch::Receiver<bool>,
        to: &'r To<'r>,
    ) -> Rounds<'r> {
        Rounds {
            playbook: self.playbook,
            caller: self.caller,
            place: self.world.is_none().then_some(&to.place),
            journal,
            most: MOST_ROUNDS,
            beside: match self.world {
                None => made_beside(self.case.dir(), self.saved),
                Some(_) => MadeBeside::default(),
            },
            keep: &to.kept,
            cloud: self.connection.write(),
            probes: self.connection.probes(),
            given: self.given,
            clock: self.clock,
            observer: &to.progress,
            outbox: &to.deliveries,
            stop,
        }
    }

    pub(super) async fn conduct(
        &self,
        decoded: &Decoded,
        medium: Box<dyn Medium>,
    ) -> Result<Exit, Failure> {
        let (shown, there) = (self.case.dir().display(), &self.there);
        let case = typed(self.case.dir());
        let resume = format!("portcullis resume {case}{there}");
        view::note(&format!("\nCase {shown}\n"));
        let journal = self.open(decoded, medium).await?;
        // A look that was broken off left nothing half done.
        let again = match self.task {
            Task::Run => resume.clone(),
            Task::Verify { .. } => format!("portcullis verify {case}{there}"),
        };
        let stop = stop_when_asked(again.clone());
        let to = To::new(self.case, view::Progress::new(self.clock), there);
        let rounds = self.rounds(&journal, stop, &to);
        let progress = &to.progress;
        // Where time is virtual nobody waits.
        let on_a_screen = self.world.is_none() && view::is_watched();
        let work = Box::pin(async {
            match self.task {
                Task::Run => rounds.execute(self.saved.clone()).await,
                Task::Verify { log, watch } => {
                    let look = async || rounds.verify(self.saved, log).await;
                    let stop = rounds.stop.clone();
                    // In a rehearsal nobody else is there, and no time passes.
                    let left = [Watched { case: self.case, journal: &journal }];
                    let left = if self.world.is_none() { &left[..] } else { &[] };
                    let spoilt = |_, why: &str| Ok(spoilt(why));
                    let account = &self.saved.plan.account;
                    let comes_to = |looked: &_| vec![comes_to(account, looked)];
                    let watched = watched(self.clock, *watch, stop, left, look, comes_to, spoilt);
                    watched.await.map(|ending| (self.saved.clone(), ending))
                }
            }
        });
        let executed = tokio::select! {
            biased;
            executed = work => executed,
            () = progress.count_down(), if on_a_screen => unreachable!("it never ends"),
        };
        let (saved, mut ending) = executed.map_err(|error| self.cannot_go_on(error, &resume))?;
        // However it noticed: it is not for this one to resume.
        if let Some(taken) = self.taken_from_us() {
            return Err(taken);
        }
        if self.world.is_some() {
            // Enforcement trails every change; what is tried too soon says nothing.
            self.clock.sleep(BEFORE_THE_VERDICT).await;
        }
        // Whoever takes it all back lets people in again, and has nobody cut.
        let is_inside = !saved.plan.is_undo() && self.world.is_some_and(intruder_is_inside);
        if is_inside && ending == Ending::Proven {
            // Of a rehearsal more is known than a case can know.
            ending = Ending::NotProven;
            let entry = Entry::Finished { exit: ending.exit().code() };
            let kept = journal.append(entry).await;
            kept.map_err(|error| self.cannot_go_on(RunError::Journal(error), &resume))?;
        }
        let state = journal.state();
        let (head, lines) = journal.head().await;
        let ledger = Ledger::of(&saved.plan, &state);
        let next = match &ending {
            Ending::NotProven if is_inside && ledger.unaccounted().next().is_none() => {
                format!("{STILL_INSIDE}. The record: portcullis status {case}")
            }
            Ending::Proven => {
                let nothing = next::of_proven(&saved.plan, &state, self.case.dir(), there);
                format!("{nothing}. The record: portcullis status {case}")
            }
            Ending::NotProven if is_over(&saved, &state) => {
                let open = ledger.unaccounted().next().is_some();
                next::of_closed(self.case.dir(), there, LastDenies::of(&saved, &state), open)
            }
            Ending::NotProven => {
                let left = after_all(&saved.plan, &state, &ledger, self.case.dir(), there);
                format!("{left}. The record: portcullis status {case}")
            }
            Ending::Held(_) if is_over(&saved, &state) => {
                let more = next::is_held_for_more(&saved.plan, &state);
                next::of_closed(self.case.dir(), there, LastDenies::of(&saved, &state), more)
            }
            Ending::Held(_) => next::of_held(&saved, &state, self.case.dir(), there),
            Ending::Waiting(_) | Ending::Asking { .. } => {
                awaited(&saved, &state, self.case.dir(), there).unwrap_or_else(|| resume.clone())
            }
            Ending::Stopped(_) => format!("when that is mended: {resume}"),
            Ending::Interrupted => again,
        };
        // A look at a case that was taken up is a look, and no more.
        let overtaken = match self.world {
            None => told_overtaken(self.case.dir(), &saved, there),
            Some(_) => None,
        };
        let next = overtaken.unwrap_or(next);
        let unaccounted = ledger.unaccounted().count();
        let account = view::Account { plan: &saved.plan, state: &state, ledger: &ledger };
        if self.format == Format::Json {
            let mut told = account.as_json();
            told["case"] = shown.to_string().into();
            told["journal"] = serde_json::json!({"lines": lines, "head": head});
            told["ending"] = view::ending_as_json(&ending);
            told["tried"] = self.world.map(view::verdict_as_json).into();
            told["slowed"] = view::slowed_as_json(&self.connection.read().throttled());
            told["next"] = next.into();
            placed_in(&mut told, self.case.dir(), there);
            view::out(&diagnostics::printed(&told));
        } else {
            view::out(&placed(&account.render(), self.case.dir(), there));
            if let Some(world) = self.world {
                view::out(&view::verdict(world));
            }
            view::out(&format!("\n{}", view::journal(lines, &head)));
            let ended = view::ending(&ending, unaccounted, &next);
            view::out(&placed(&ended, self.case.dir(), there));
        }
        Ok(ending.exit())
    }

    /// Why the run stopped: where the case is in other hands, in whose.
    pub(super) fn cannot_go_on(&self, error: RunError, resume: &str) -> Failure {
        self.taken_from_us().unwrap_or_else(|| Failure::of_run(error, resume))
    }

    /// What is said where the case is in other hands by now.
    pub(super) fn taken_from_us(&self) -> Option<Failure> {
        if self.case.custody().check().is_ok() {
            return None;
        }
        let dir = self.case.dir();
        let state = case::read_journal(dir).ok().and_then(|read| State::of(&read).ok());
        let taken = state.as_ref().and_then(|state| state.taken_over.last());
        let what = match taken {
            Some(taken) => format!(
                "{} has taken this case over since {} UTC: {}",
                taken.said.by,
                taken.at.at.strftime("%Y-%m-%d %H:%M:%S"),
                taken.said.reason
            ),
            None => case::Lost.to_string(),
        };
        let next = format!(
            "nothing here: no further change was begun, and what was under way is looked at by whoever goes on. \
             Where it stands: portcullis status {}",
            typed(dir)
        );
        Some(Failure::new(Exit::Stopped, what, next))
    }
}

/// Whose hands a case was taken out of.
fn taken_over(state: &State) -> String {
    let from = state.taken_over.last().and_then(|taken| taken.from.as_ref());
    from.map_or_else(String::new, |from| {
        format!(
            "Taken over from {}. If that run still goes on, it stops by itself before its next line and before \
             its next write.\n",
            worked_on_by(from)
        )
    })
}

/// Who works, or worked, on a case: as whom, since when and where.
pub(super) fn worked_on_by(worker: &Worker) -> String {
    let since = worker.since.strftime("%Y-%m-%d %H:%M:%S UTC");
    let place = worker.place.as_ref().map_or(String::new(), |place| format!(", as {place}"));
    view::plain(&format!("{} (since {since}{place})", worker.caller))
}

/// To where a run tells and hands out.
pub(super) struct To<'a> {
    kept: Kept<'a>,
    deliveries: Deliveries,
    place: Place,
    pub(super) progress: view::Progress,
}

impl<'a> To<'a> {
    pub(super) fn new(case: &'a Case, progress: view::Progress, there: &There) -> Self {
        let (deliveries, place) = (Deliveries::of(case), there.here());
        let progress = progress.of_case(case.dir(), there);
        Self { kept: Kept(case), deliveries, place, progress }
    }
}

/// Keeps the plans of further rounds in the case.
struct Kept<'a>(&'a Case);

impl Keep for Kept<'_> {
    fn keep(&self, saved: &SavedPlan) -> std::io::Result<String> {
        let kept = self.0.keep_round(saved).map_err(std::io::Error::other)?;
        Ok(kept.display().to_string())
    }
}

/// `2026-03-24-leaked-access-key`: sorts by day.
pub(super) fn case_name(saved: &SavedPlan, clock: Clock) -> String {
    format!("{}-{}", clock.now().strftime("%Y-%m-%d"), saved.plan.playbook)
}

/// What is said where a rehearsal knows more than its case.
pub(super) const STILL_INSIDE: &str = "the intruder is still inside, by what is LET IN above, and no row of the case \
                                       tells of it: have the playbook cut that too, and rehearse again. What only a \
                                       supplier can cut, in an account of his, `manual.close` asks for, and the world's \
                                       `remote` names that account (docs/worlds.md)";

/// Whether, of all that the intruder of a rehearsal holds, anything lets him do anything.
pub(super) fn intruder_is_inside(world: &Cloud) -> bool {
    world.intruder_reach().iter().any(|reach| !reach.allowed.is_empty())
}
