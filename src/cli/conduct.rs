//! One run of a case, from wherever its journal stands to its end, and the account of it. What `run`,
//! `resume` and `rehearse` have in common.

use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::args::Format;
use super::exit::{Exit, Failure};
use super::live::Live;
use super::{args, diagnostics, next, view};
use crate::case::{self, Case, Deliveries, accounts};
use crate::clock::Clock;
use crate::cloud::{Connection, Suspect};
use crate::inventory::Caller;
use crate::journal::{ChangeState, Decoded, Entry, Journal, Medium, Place, Said, State, Worker};
use crate::ledger::{self, Ledger};
use crate::plan::{Change, Plan, SavedPlan};
use crate::playbook::{Phase, Playbook};
use crate::run::{Ending, Keep, Log, MOST_ROUNDS, Rounds, RunError};
use crate::sim::Cloud;

/// What to do about a journal that does not add up.
const NOT_TO_BE_TRUSTED: &str = "nothing was done. Restore the journal from a copy if you have one; without it, plan anew: cuts that \
     stand are found";

/// What people must say before a case goes on: yes to its next round, or approval of a phase that asks for more than
/// it has; `None` where it waits for nobody.
pub(super) fn awaited(saved: &SavedPlan, state: &State, dir: &Path, there: &str) -> Option<String> {
    let case = dir;
    if let Some(asking) = &state.asking {
        return Some(format!(
            "read the plan of the next round, and say yes to it: portcullis run {}/rounds/{}/plan.json{there}",
            case.display(),
            asking.round
        ));
    }
    let due = |phase: &Phase| {
        let undone = |change: &&Change| state.change(&change.id).state != ChangeState::Seen;
        let needed = |change: &&Change| !ledger::is_idle(&saved.plan, state, change);
        let of_it = |change: &Change| change.phase == *phase;
        saved.plan.carried_out().filter(undone).filter(needed).any(of_it)
    };
    // One phase after the other: what a later one asks for is asked for when it comes to it.
    let phase = [Phase::Rotate, Phase::Recover, Phase::Destroy].into_iter().find(due)?;
    let (asked, has) = (saved.plan.approvals.get(&phase)?, state.approved_by(phase).len());
    if has >= *asked {
        return None;
    }
    let case = case.display();
    let who = match (asked - has, has) {
        (1, 0) => "somebody approves it, with credentials of his own".to_owned(),
        (n, 0) => format!("{n} people approve it, each with credentials of his own"),
        (1, _) => "one more approves it, with credentials of his own".to_owned(),
        (n, _) => format!("{n} more approve it, each with credentials of his own"),
    };
    let whole = accounts::whole_or_itself(dir);
    Some(format!(
        "{who}: portcullis approve {case} {phase} --reason TEXT; then portcullis resume \
         {}{there}",
        whole.display()
    ))
}

/// A case as it lies there: the plan of its newest round, its journal, and where it stands.
pub(super) fn read(dir: &Path) -> Result<(SavedPlan, Decoded, State), Failure> {
    let (saved, decoded) = (case::read_plan(dir)?, case::read_journal(dir)?);
    let state = state_of(&decoded)?;
    if state.plan().is_some_and(|plan| plan != saved.digest()) {
        return Err(belongs_to_another_plan());
    }
    Ok((saved, decoded, state))
}

/// Where a case stands, by its journal.
pub(super) fn state_of(decoded: &Decoded) -> Result<State, Failure> {
    State::of(decoded).map_err(|error| makes_no_sense(&error))
}

fn makes_no_sense(why: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Refused, "the journal does not make sense", NOT_TO_BE_TRUSTED).because(why)
}

/// A journal to go on with.
pub(super) fn open_journal(
    decoded: &Decoded,
    medium: Box<dyn Medium>,
    clock: Clock,
) -> Result<Journal, Failure> {
    Journal::open(decoded, medium, clock).map_err(|error| makes_no_sense(&error))
}

/// What has somebody say yes to a case that was never begun.
pub(super) fn typed_to_begin(dir: &Path, there: &str) -> String {
    if let Some(whole) = accounts::whole(dir) {
        return format!("portcullis run {}{there}", whole.display());
    }
    format!("portcullis run {}/rounds/1/plan.json{there}", dir.display())
}

/// A case whose plan is not the one that its journal was begun for.
pub(super) fn belongs_to_another_plan() -> Failure {
    Failure::new(
        Exit::Refused,
        "the journal belongs to another plan",
        "the plan of this case was replaced; restore rounds/1/plan.json from a copy",
    )
}

/// How long a rehearsal waits before it tries what the intruder and the consumers hold.
pub(super) const BEFORE_THE_VERDICT: Duration = Duration::from_mins(5);

/// Done when somebody presses Ctrl-C, or the system ends the session.
pub(super) async fn asked_to_stop() {
    let both = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    let (Ok(mut end), Ok(mut hang_up)) = both else {
        // Without the others there is still the keyboard.
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = end.recv() => {}
        _ = hang_up.recv() => {}
    }
}

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
    pub(super) there: String,
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

/// Between two looks of one watch.
const LOOK_AGAIN_AFTER: Duration = Duration::from_mins(15);

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
        let (connection, clock, there) = (&live.connection, live.clock, access.typed());
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
        let case = case.display();
        let resume = format!("portcullis resume {case}{there}");
        if decoded.torn > 0 {
            view::err(&format!(
                "The last line of the journal was cut short ({} bytes): what it was about to announce had \
                 not begun.\n",
                decoded.torn
            ));
        }
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
            let taken = Entry::TakenOver { said, place: case::here() };
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
        let (case, there) = (self.case.dir().display(), &self.there);
        let resume = format!("portcullis resume {case}{there}");
        view::note(&format!("\nCase {case}\n"));
        let journal = self.open(decoded, medium).await?;
        // A look that was broken off left nothing half done.
        let again = match self.task {
            Task::Run => resume.clone(),
            Task::Verify { .. } => format!("portcullis verify {case}{there}"),
        };
        let stop = stop_when_asked(again.clone());
        let to = To::new(self.case, view::Progress::new(self.clock));
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
                    let watched = watched(self.clock, *watch, stop, look, is_calm).await;
                    watched.map(|ending| (self.saved.clone(), ending))
                }
            }
        });
        let executed = tokio::select! {
            biased;
            executed = work => executed,
            () = progress.count_down(), if on_a_screen => unreachable!("it never ends"),
        };
        let (saved, mut ending) = executed.map_err(|error| self.cannot_go_on(error, &resume))?;
        if self.world.is_some() {
            // Enforcement trails every change; what is tried too soon says nothing.
            self.clock.sleep(BEFORE_THE_VERDICT).await;
        }
        let is_inside = self.world.is_some_and(intruder_is_inside);
        if is_inside && ending == Ending::Proven && !saved.plan.is_undo() {
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
                let nothing = next::of_proven(&saved.plan, &state);
                format!("{nothing}. The record: portcullis status {case}")
            }
            Ending::NotProven => {
                format!("{}. The record: portcullis status {case}", after_all(&saved.plan, &ledger))
            }
            Ending::Held(_) => next::of_held(&saved, &state, self.case.dir(), there),
            Ending::Waiting(_) | Ending::Asking { .. } => {
                awaited(&saved, &state, self.case.dir(), there).unwrap_or_else(|| resume.clone())
            }
            Ending::Stopped(_) => format!("when that is mended: {resume}"),
            Ending::Interrupted => again,
        };
        let unaccounted = ledger.unaccounted().count();
        let account = view::Account { plan: &saved.plan, state: &state, ledger: &ledger };
        if self.format == Format::Json {
            let mut told = account.as_json();
            told["case"] = case.to_string().into();
            told["journal"] = serde_json::json!({"lines": lines, "head": head});
            told["ending"] = view::ending_as_json(&ending);
            told["tried"] = self.world.map(view::verdict_as_json).into();
            told["slowed"] = view::slowed_as_json(&self.connection.read().throttled());
            told["next"] = next.into();
            view::out(&diagnostics::printed(&told));
        } else {
            view::out(&view::in_case(&account.render(), self.case.dir()));
            if let Some(world) = self.world {
                view::out(&view::verdict(world));
            }
            view::out(&format!("\nJournal: {lines} lines, head {head}\n"));
            let ended = view::ending(&ending, unaccounted, &next);
            view::out(&view::in_case(&ended, self.case.dir()));
        }
        Ok(ending.exit())
    }

    /// Why the run stopped: where the case is in other hands, in whose.
    pub(super) fn cannot_go_on(&self, error: RunError, resume: &str) -> Failure {
        if self.case.custody().check().is_ok() {
            return Failure::of_run(error, resume);
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
            dir.display()
        );
        Failure::new(Exit::Stopped, what, next)
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

/// Turns `true` when somebody asks to stop; ends the program when he asks once more.
#[expect(clippy::exit, reason = "whoever asks twice wants it to end at once")]
pub(super) fn stop_when_asked(go_on: String) -> watch::Receiver<bool> {
    let (ask, stop) = watch::channel(false);
    tokio::spawn(async move {
        asked_to_stop().await;
        view::err("\nStopping at the next safe point. Once more to stop at once.\n");
        let _ = ask.send(true);
        asked_to_stop().await;
        // As good as a crash: what was under way is looked at by whoever resumes.
        Failure::new(Exit::Stopped, "stopped at once, perhaps in the middle of a change", go_on)
            .print();
        std::process::exit(Exit::Stopped.code().into());
    });
    stop
}

/// To where a run tells and hands out.
pub(super) struct To<'a> {
    kept: Kept<'a>,
    deliveries: Deliveries,
    place: Place,
    pub(super) progress: view::Progress,
}

impl<'a> To<'a> {
    pub(super) fn new(case: &'a Case, progress: view::Progress) -> Self {
        let (deliveries, place) = (Deliveries::of(case), case::here());
        let progress = progress.of_case(case.dir());
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

/// Connects to where `saved` is for, as somebody who may carry it out. What is minted from here on bears the name of the
/// case in `dir`.
pub(super) async fn reach(
    access: &args::Access,
    dir: &Path,
    saved: &SavedPlan,
) -> Result<(Live, Caller), Failure> {
    let live = Live::connect(access).await?;
    live.work_on(dir).await;
    // Break-glass was asked about when it was planned: what was begun can be looked at and taken back.
    let caller = live.begin().await?.caller;
    fits(saved, &caller, access.endpoint_url.as_deref())?;
    remaining(&live.connection, saved, live.clock).await;
    Ok((live, caller))
}

/// Says how long the credentials last, where that may not be long enough. They are got anew where that goes
/// without a person; where it does not, a run stops and resumes.
pub(super) async fn remaining(connection: &Connection, saved: &SavedPlan, clock: Clock) {
    let Some(ends) = connection.credentials_end_at().await else { return };
    let left = u64::try_from(ends.duration_since(clock.now()).as_secs()).unwrap_or(0);
    let needed = saved.plan.estimate.seconds;
    let line = format!(
        "The credentials last for {}; the run takes about {}.",
        view::duration(left),
        view::duration(needed)
    );
    if left < needed {
        view::err(&format!(
            "{line} They will be got anew on the way, or the run stops and resumes.\n"
        ));
    } else {
        view::note(&format!("{line}\n"));
    }
}

/// What is said where a rehearsal knows more than its case.
pub(super) const STILL_INSIDE: &str = "the intruder is still inside, by what is LET IN above, and no row of the case \
                                       tells of it: have the playbook cut that too, and rehearse again";

/// Whether, of all that the intruder of a rehearsal holds, anything lets him do anything.
pub(super) fn intruder_is_inside(world: &Cloud) -> bool {
    world.intruder_reach().iter().any(|reach| !reach.allowed.is_empty())
}

/// What is left to a person when all was applied.
pub(super) fn after_all(plan: &Plan, ledger: &Ledger) -> String {
    let mut left = Vec::new();
    if ledger.unaccounted().next().is_some() {
        left.push("see to what is unaccounted for above");
    }
    if ledger.issued.iter().any(|issued| issued.key().is_some()) {
        left.push("make sure the owner uses the new key");
    }
    if ledger.issued.iter().any(|issued| issued.key().is_none()) {
        left.push("see that everybody is handed his new password (files are opened with: age -d -i KEY FILE)");
    }
    if !plan.is_undo() && !plan.changes.iter().any(Change::is_gated) {
        left.push(
            "plan what comes next with a playbook, which finds these cuts in place (portcullis plan PLAYBOOK)",
        );
    }
    if left.is_empty() {
        left.push("nothing by this plan; whoever was cut stays cut");
    }
    left.join(", and ")
}

/// Whether a saved plan is for this account and this endpoint.
pub(super) fn fits(
    saved: &SavedPlan,
    caller: &Caller,
    endpoint: Option<&str>,
) -> Result<(), Failure> {
    let plan = &saved.plan;
    if plan.account != caller.account {
        return Err(Failure::new(
            Exit::Refused,
            format!(
                "the plan is for account {}, and these credentials are for account {}",
                plan.account, caller.account
            ),
            format!("use credentials of account {}", plan.account),
        ));
    }
    goes_there(plan, endpoint)?;
    let warnings =
        crate::planning::refuse_lock_out(plan, &saved.inventory, caller).map_err(|problem| {
            view::diagnostics(vec![problem]);
            Failure::told(Exit::Refused, "nothing was changed. Run it as somebody else")
        })?;
    for warning in warnings.iter().filter(|warning| !plan.warnings.contains(warning)) {
        view::err(&format!("{}\n", view::plain(warning)));
    }
    Ok(())
}

/// Whether a plan is for this endpoint.
pub(super) fn goes_there(plan: &Plan, endpoint: Option<&str>) -> Result<(), Failure> {
    if plan.endpoint.as_deref() != endpoint {
        let words = |endpoint: Option<&str>| endpoint.map_or("AWS".to_owned(), str::to_owned);
        return Err(Failure::new(
            Exit::Refused,
            format!(
                "the plan was made against {}, and this run would go to {}",
                words(plan.endpoint.as_deref()),
                words(endpoint)
            ),
            match &plan.endpoint {
                Some(url) => format!("give --endpoint-url {url}"),
                None => "leave --endpoint-url out".to_owned(),
            },
        ));
    }
    Ok(())
}

/// `2026-03-24-leaked-access-key`: sorts by day.
pub(super) fn case_name(saved: &SavedPlan, clock: Clock) -> String {
    format!("{}-{}", clock.now().strftime("%Y-%m-%d"), saved.plan.playbook)
}
