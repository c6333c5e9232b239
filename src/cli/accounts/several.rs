//! One run of a case of several accounts, to its end and the account of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;

use super::enter::{Reached, Way};
use crate::case::Case;
use crate::cli::args::Format;
use crate::cli::by_hand::typed;
use crate::cli::conduct::{
    BEFORE_THE_VERDICT, Conduct, STILL_INSIDE, Task, To, intruder_is_inside,
};
use crate::cli::exit::{Exit, Failure};
use crate::cli::next::{self, LastDenies, after_all, awaited, is_over};
use crate::cli::stop::stop_when_asked;
use crate::cli::there::{placed, placed_in};
use crate::cli::verify::{Watched, comes_to, spoilt, watched};
use crate::cli::view::{self, Style};
use crate::cli::{diagnostics, rehearse};
use crate::cloud::Suspect;
use crate::diagnostic::counted;
use crate::ids::AccountId;
use crate::journal::{Journal, State};
use crate::ledger::Ledger;
use crate::plan::{Credential, SavedPlan};
use crate::playbook::Playbook;
use crate::run::{self as driver, Ended, Ending, Rounds};

/// What is done with a case of several accounts, and how.
pub(super) struct Going<'a> {
    pub(super) dir: &'a Path,
    pub(super) playbook: &'a Playbook,
    pub(super) resumed: bool,
    /// Why the case is taken out of somebody else's hands, where it is.
    pub(super) taking_over: Option<&'a str>,
    pub(super) format: Format,
    /// Credentials to be tried themselves.
    pub(super) given: Vec<Suspect>,
    pub(super) task: Task,
}

impl<'a> Going<'a> {
    /// A first run of the case in `dir`, with nothing given.
    pub(super) fn on(dir: &'a Path, playbook: &'a Playbook, format: Format) -> Self {
        let (resumed, taking_over, given, task) = (false, None, Vec::new(), Task::Run);
        Self { dir, playbook, resumed, taking_over, format, given, task }
    }
}

impl Reached<'_> {
    /// Carries out in `accounts` what is to be done, to the end.
    pub(super) async fn carry_out(
        &self,
        accounts: &[Account],
        mut going: Going<'_>,
    ) -> Result<Exit, Failure> {
        let given = given_to_each(std::mem::take(&mut going.given), accounts).await;
        Several { reached: self, accounts, going, given }.carry_out().await
    }
}

/// One run of a case of several accounts.
struct Several<'a> {
    reached: &'a Reached<'a>,
    accounts: &'a [Account],
    going: Going<'a>,
    /// Credentials to be tried themselves, by the account that each is tried in.
    given: BTreeMap<AccountId, Vec<Suspect>>,
}

impl Several<'_> {
    async fn carry_out(&self) -> Result<Exit, Failure> {
        let resume = self.resume();
        view::note(&format!(
            "\nCase {}, of {}\n",
            self.going.dir.display(),
            counted(self.accounts.len(), "account")
        ));
        let conducts: Vec<Conduct<'_>> = self.accounts.iter().map(|one| self.of(one)).collect();
        let mut journals: Vec<Journal> = Vec::new();
        for (account, conduct) in self.accounts.iter().zip(&conducts) {
            let (decoded, medium) = account.case.journal()?;
            let medium = match self.reached.world {
                Some(cloud) => rehearse::with_world(medium, cloud, &account.case),
                None => medium,
            };
            journals.push(conduct.open(&decoded, medium).await?);
        }
        let stop = stop_when_asked(resume.clone());
        let progress = view::Progress::new(self.reached.clock);
        let tos: Vec<To<'_>> = self
            .accounts
            .iter()
            .map(|one| {
                let progress = progress.of_account(one.saved.plan.account.clone());
                To::new(&one.case, progress, &self.reached.there)
            })
            .collect();
        let runs = self.accounts.iter().zip(&conducts).zip(journals.iter().zip(&tos));
        let runs = runs.map(|((account, conduct), (journal, to))| {
            (account.saved.clone(), conduct.rounds(journal, stop.clone(), to))
        });
        let runs: Vec<(SavedPlan, Rounds<'_>)> = runs.collect();
        let work = Box::pin(async {
            match &self.going.task {
                Task::Run => driver::Together::new(runs).execute().await,
                Task::Verify { log, watch } => {
                    let look = async || {
                        let looks = runs.iter().map(|(saved, rounds)| rounds.verify(saved, log));
                        join_all(looks).await
                    };
                    let all_come_to = |all: &Vec<_>| {
                        let each = runs.iter().zip(all);
                        each.map(|((saved, _), looked)| comes_to(&saved.plan.account, looked))
                            .collect()
                    };
                    // In a rehearsal nobody else is there, and no time passes.
                    let left = self.accounts.iter().zip(&journals);
                    let left = left.filter(|_| self.reached.world.is_none());
                    let left: Vec<Watched<'_>> = left
                        .map(|(account, journal)| Watched { case: &account.case, journal })
                        .collect();
                    let clock = self.reached.clock;
                    let spoilt =
                        |all: Vec<_>, why: &str| all.iter().map(|_| Ok(spoilt(why))).collect();
                    let looked =
                        watched(clock, *watch, stop.clone(), &left, look, all_come_to, spoilt)
                            .await;
                    let plans = runs.iter().map(|(saved, _)| saved.clone());
                    plans.zip(looked).map(|(saved, ending)| Ok((saved, ending?))).collect()
                }
            }
        });
        // Where time is virtual nobody waits.
        let on_a_screen = self.reached.world.is_none() && view::is_watched();
        let ended: Vec<Ended> = tokio::select! {
            biased;
            ended = work => ended,
            () = progress.count_down(), if on_a_screen => unreachable!("it never ends"),
        };
        if self.reached.world.is_some() {
            // Enforcement trails every change; what is tried too soon says nothing.
            self.reached.clock.sleep(BEFORE_THE_VERDICT).await;
        }
        let exit = self.tell(ended, &conducts, &journals, &resume).await;
        let kept = self
            .reached
            .world
            .map(|cloud| rehearse::keep_world(cloud, &self.accounts[0].case, exit));
        Ok(kept.unwrap_or(exit))
    }

    fn resume(&self) -> String {
        format!("portcullis resume {}{}", typed(self.going.dir), self.reached.there)
    }

    /// The run of one of them.
    fn of<'a>(&'a self, account: &'a Account) -> Conduct<'a> {
        let given = self.given.get(&account.saved.plan.account);
        Conduct {
            saved: &account.saved,
            playbook: self.going.playbook,
            caller: &account.way.begun.caller,
            case: &account.case,
            connection: &account.way.connection,
            clock: self.reached.clock,
            resumed: self.going.resumed,
            taking_over: self.going.taking_over,
            world: self.reached.world,
            there: self.reached.there.clone(),
            format: self.going.format,
            given: given.map_or(&[], Vec::as_slice),
            task: &self.going.task,
        }
    }

    /// Tells what came of each, and of all.
    async fn tell(
        &self,
        ended: Vec<Ended>,
        conducts: &[Conduct<'_>],
        journals: &[Journal],
        resume: &str,
    ) -> Exit {
        let mut exit = Exit::Done;
        let (mut told, mut text, mut each) = (Vec::new(), String::new(), String::new());
        let mut ends: Vec<(SavedPlan, Arc<State>)> = Vec::new();
        let mut nexts: Vec<(Exit, AccountId, String)> = Vec::new();
        let mut stopped: Vec<(&AccountId, String)> = Vec::new();
        let runs = self.accounts.iter().zip(conducts).zip(journals);
        for (((account, conduct), journal), ended) in runs.zip(ended) {
            let (dir, there) = (account.case.dir(), &self.reached.there);
            let name = &account.saved.plan.account;
            let ended = ended.map_err(|error| conduct.cannot_go_on(error, resume));
            let ended = conduct.taken_from_us().map_or(ended, Err);
            let (saved, ending) = match ended {
                Ok(ended) => ended,
                Err(failure) => {
                    let failure = account.way.told_of(failure, resume);
                    view::err(&format!("\nAccount {name}:\n"));
                    failure.print();
                    stopped.push((name, format!("{}; {}", failure.line(), failure.next())));
                    let _ = writeln!(each, "  {name}  {}", failure.exit.in_words());
                    told.push(
                        json!({ "account": name, "ending": { "exit": failure.exit.code() } }),
                    );
                    exit = exit.and(failure.exit);
                    continue;
                }
            };
            let (head, lines) = journal.head().await;
            let state = journal.state();
            let ledger = Ledger::of(&saved.plan, &state);
            let next = self.next(account, &saved, &state, &ledger, &ending);
            nexts.push((ending.exit(), name.clone(), placed(&next, dir, there)));
            if let Ending::Stopped(why) = &ending
                && let Some(why) = account.way.stopped_by(&saved, why)
            {
                stopped.push((name, why));
            }
            exit = exit.and(ending.exit());
            let _ = writeln!(each, "  {name}  {}", ending.exit().in_words());
            let view = view::Account { plan: &saved.plan, state: &state, ledger: &ledger };
            if self.going.format == Format::Json {
                let mut one = view.as_json();
                one["case"] = dir.display().to_string().into();
                one["journal"] = json!({"lines": lines, "head": head});
                one["ending"] = view::ending_as_json(&ending);
                one["slowed"] = view::slowed_as_json(&account.way.connection.read().throttled());
                one["next"] = next.into();
                placed_in(&mut one, dir, there);
                told.push(one);
            } else {
                let unaccounted = ledger.unaccounted().count();
                let heading = Style::Strong.paint(&format!("Account {name}"));
                let _ = write!(text, "\n{heading}\n{}", placed(&view.render(), dir, there));
                let _ = write!(text, "\n{}", view::journal(lines, &head));
                let ended = view::ending(&ending, unaccounted, &next);
                text.push_str(&placed(&ended, dir, there));
            }
            ends.push((saved, state));
        }
        // Whoever takes it all back lets people in again, and has nobody cut.
        let takes_back = ends.iter().all(|(saved, _)| saved.plan.is_undo());
        let is_inside = !takes_back && self.reached.world.is_some_and(intruder_is_inside);
        let next = match exit {
            Exit::Done if is_inside => {
                exit = Exit::NotProven;
                STILL_INSIDE.to_owned()
            }
            Exit::Done => {
                let all = ends.iter().map(|(saved, state)| (&saved.plan, &**state));
                next::of_all_proven(all, self.going.dir, &self.reached.there)
            }
            Exit::NotProven | Exit::Held
                if ends.iter().any(|(saved, state)| is_over(saved, state)) =>
            {
                let last = ends.iter().filter_map(|(saved, state)| LastDenies::of(saved, state));
                let more = ends.iter().any(|(saved, state)| {
                    state.finished == Some(Exit::NotProven.code())
                        || state.finished == Some(Exit::Held.code())
                            && next::is_held_for_more(&saved.plan, state)
                });
                next::of_closed(self.going.dir, &self.reached.there, last.max(), more)
            }
            Exit::NotProven | Exit::Held | Exit::Waiting | Exit::Stopped => {
                let of_it = nexts.iter().filter(|(of, ..)| next::is_told(*of, exit));
                let well =
                    ends.iter().filter(|(_, state)| state.finished == Some(Exit::Done.code()));
                next::of_several(
                    of_it.map(|(_, account, next)| (account, &**next)),
                    &stopped,
                    well.map(|(saved, state)| (&saved.plan, &**state)),
                    self.going.dir,
                    &self.reached.there,
                )
            }
            _ => resume.to_owned(),
        };
        let tells_of_it = |(saved, state): &(SavedPlan, Arc<State>)| {
            Ledger::of(&saved.plan, state).unaccounted().next().is_some()
        };
        let is_news = is_inside && next != STILL_INSIDE && !ends.iter().any(tells_of_it);
        let next = if is_news { format!("{STILL_INSIDE}. By these plans: {next}") } else { next };
        if self.going.format == Format::Json {
            view::out(&diagnostics::printed(&json!({
                "version": 1,
                "case": self.going.dir.display().to_string(),
                "accounts": told,
                "ending": { "exit": exit.code() },
                "tried": self.reached.world.map(view::verdict_as_json),
                "next": next,
            })));
            return exit;
        }
        view::out(&text);
        if let Some(world) = self.reached.world {
            view::out(&view::verdict(world));
        }
        view::out(&format!(
            "\n{}: {} (exit code {})\n{each}{}: {next}\n",
            Style::Strong.paint("All accounts"),
            exit.in_words(),
            exit.code(),
            Style::Strong.paint("Next"),
        ));
        exit
    }

    /// What is to be done about one of them.
    fn next(
        &self,
        account: &Account,
        saved: &SavedPlan,
        state: &State,
        ledger: &Ledger,
        ending: &Ending,
    ) -> String {
        let resume = self.resume();
        match ending {
            Ending::NotProven | Ending::Held(_) if is_over(saved, state) => next::of_closed(
                account.case.dir(),
                &self.reached.there,
                LastDenies::of(saved, state),
                ledger.unaccounted().next().is_some()
                    || matches!(ending, Ending::Held(_))
                        && next::is_held_for_more(&saved.plan, state),
            ),
            Ending::Proven => {
                next::of_proven(&saved.plan, state, account.case.dir(), &self.reached.there)
            }
            Ending::NotProven => {
                after_all(&saved.plan, state, ledger, account.case.dir(), &self.reached.there)
            }
            Ending::Held(_) => next::of_held(saved, state, account.case.dir(), &self.reached.there),
            Ending::Waiting(_) | Ending::Asking { .. } => {
                let waits = awaited(saved, state, account.case.dir(), &self.reached.there);
                waits.unwrap_or_else(|| next::WITH_THE_OTHERS.to_owned())
            }
            Ending::Stopped(why) => match &account.way.shut {
                Some(shut) => format!("{}; then: {resume}", shut.next),
                None if driver::are_of_others(&saved.plan, why) => next::WITH_THE_OTHERS.to_owned(),
                None => format!("when that is mended: {resume}"),
            },
            Ending::Interrupted => next::WITH_THE_OTHERS.to_owned(),
        }
    }
}

impl Way {
    /// What the last line of all accounts says of why the run of this one was stopped; nothing where that is another.
    fn stopped_by(&self, saved: &SavedPlan, why: &[String]) -> Option<String> {
        match &self.shut {
            Some(shut) => Some(format!("{}; {}", shut.why, shut.next)),
            None if driver::are_of_others(&saved.plan, why) => None,
            None => Some(why.first().cloned().unwrap_or_default()),
        }
    }

    /// Why its run could not go on: where it could not be entered, that.
    fn told_of(&self, failure: Failure, resume: &str) -> Failure {
        match &self.shut {
            Some(shut) if failure.exit == Exit::Stopped => {
                let next = format!("{}; then: {resume}", shut.next);
                Failure::new(Exit::Stopped, shut.why.clone(), next)
            }
            _ => failure,
        }
    }
}

/// One account of a case.
pub(super) struct Account {
    pub(super) case: Case,
    pub(super) saved: SavedPlan,
    pub(super) way: Way,
}

/// Which of the credentials that were given is tried where: in the account whose plan knows it, or that it says it is
/// of. What is of none of them is tried at home, where it speaks against the gate.
async fn given_to_each(
    given: Vec<Suspect>,
    accounts: &[Account],
) -> BTreeMap<AccountId, Vec<Suspect>> {
    let mut each: BTreeMap<AccountId, Vec<Suspect>> = BTreeMap::new();
    for suspect in given {
        let knows =
            |account: &&Account| {
                account.saved.plan.credentials.iter().any(
                    |known| matches!(known, Credential::AccessKey { id, .. } if *id == suspect.id),
                )
            };
        let home = &accounts[0];
        let known = accounts.iter().find(knows).map(|account| account.saved.plan.account.clone());
        let of = if let Some(account) = known {
            account
        } else {
            let whose = home.way.connection.probes().with(&suspect).whose().await;
            let of = whose.ok().and_then(|arn| AccountId::parse(arn.account()).ok());
            let among = |of: &AccountId| accounts.iter().any(|one| one.saved.plan.account == *of);
            of.filter(among).unwrap_or_else(|| home.saved.plan.account.clone())
        };
        each.entry(of).or_default().push(suspect);
    }
    each
}
