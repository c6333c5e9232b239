//! A case is taken over while whoever worked on it is suspended anywhere, and wakes up anywhere: he stops by himself, and
//! the world is as if one had worked on it alone.
//!
//! Two responders' runs in one process, over one case on the disk. Whoever is suspended is not polled any more, as a
//! process is that was stopped, or whose laptop was shut; every request and every line can be held up before and after.

use std::future::Future;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use portcullis::case::{Case, CaseError, Deliveries, read_journal};
use portcullis::clock::Clock;
use portcullis::journal::{self, Entry, Journal, Medium, Place, State};
use portcullis::plan::SavedPlan;
use portcullis::run::{Ending, Keep, Rounds, RunError};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::yield_now;

use crate::hosted::{Hosted, bare, quick_world, ran, start};
use crate::process::{journal_of, judge, state_of, status_agrees};
use crate::side_by_side::each;
use crate::stage::{Backdrop, PLAYBOOK, Recorder, Stage, WORLD, connect_through, play, read};
use crate::verdict::the_world_is_as_it_should_be;

const REASON: &str = "anna's laptop is shut, and nobody reaches her";

/// Between a run and the cloud: a request can be held up before it leaves, signed, and so can its answer.
#[derive(Clone, Debug)]
struct Slow {
    straight: SharedHttpClient,
    /// The operation that is held up until somebody says so.
    held: Option<(&'static str, Arc<AtomicBool>)>,
    clock: Clock,
}

#[derive(Debug)]
struct SlowConnector(SharedHttpConnector, Slow);

impl HttpClient for Slow {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let straight = self.straight.http_connector(settings, components);
        SharedHttpConnector::new(SlowConnector(straight, self.clone()))
    }
}

impl HttpConnector for SlowConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (straight, slow) = (self.0.clone(), self.1.clone());
        HttpConnectorFuture::new(async move {
            yield_now().await;
            if let Some((operation, goes_on)) = slow.held {
                let body = request.body().bytes().unwrap_or_default();
                let asked = String::from_utf8_lossy(body).contains(&format!("Action={operation}&"));
                while asked && !goes_on.load(Ordering::Relaxed) {
                    slow.clock.sleep(Duration::from_secs(1)).await;
                }
            }
            let answer = straight.call(request).await;
            yield_now().await;
            answer
        })
    }
}

/// The journal of a case, held up before and after every line, and noting how many requests the world had seen.
struct Noting<'a> {
    file: Box<dyn Medium>,
    stage: &'a Stage,
}

impl Medium for Noting<'_> {
    fn append<'b>(
        &'b mut self,
        line: &'b [u8],
    ) -> Pin<Box<dyn Future<Output = std::io::Result<()>> + Send + 'b>> {
        Box::pin(async move {
            yield_now().await;
            self.file.append(line).await?;
            self.stage.tape.lock().unwrap().requests.push(self.stage.cloud.requests());
            yield_now().await;
            Ok(())
        })
    }
}

struct InCase<'a>(&'a Case);

impl Keep for InCase<'_> {
    fn keep(&self, saved: &SavedPlan) -> std::io::Result<String> {
        let kept = self.0.keep_round(saved).map_err(std::io::Error::other)?;
        Ok(kept.display().to_string())
    }
}

/// Works on a case, from wherever its journal stands; `held` is an operation that is held up on its way.
async fn work(
    stage: &'static Stage,
    case: &Case,
    taking_over: bool,
    held: Option<(&'static str, Arc<AtomicBool>)>,
) -> Result<Ending, RunError> {
    let clock = stage.clock;
    let slow = Slow { straight: stage.cloud.http_client(), held, clock };
    let (connection, _) = connect_through(SharedHttpClient::new(slow), &stage.cloud, clock);
    let custody = case.custody().clone();
    connection.fenced_by(move || custody.check());
    let (decoded, file) = case.journal().unwrap();
    let journal = Journal::open(&decoded, Box::new(Noting { file, stage }), clock).unwrap();
    let playbook = read(&stage.saved.playbook);
    let place = Place { host: "stage".to_owned(), process: 1, ..Place::default() };
    let (_ask, stop) = watch::channel(false);
    let rounds = Rounds {
        playbook: &playbook,
        caller: &stage.saved.inventory.caller,
        place: Some(&place),
        journal: &journal,
        most: 0,
        beside: portcullis::run::MadeBeside::default(),
        keep: &InCase(case),
        cloud: connection.write(),
        probes: connection.probes(),
        given: &[],
        clock,
        observer: &stage.witness,
        outbox: &Deliveries::of(case),
        stop,
    };
    if journal.state().opened.is_none() {
        let opened = Entry::Opened {
            plan: stage.saved.digest(),
            account: stage.saved.plan.account.clone(),
            program: "test".to_owned(),
            rehearsal: true,
        };
        journal.append(opened).await?;
    }
    if taking_over {
        let said = portcullis::journal::Said { reason: REASON.to_owned(), ..stage.said_by("ben") };
        journal.append(Entry::TakenOver { said, place: place.clone() }).await?;
    }
    Ok(rounds.execute(stage.saved.clone()).await?.1)
}

/// Polls so often and no more: gives back what it came to, if it came to its end.
async fn suspended_after<F: Future>(polls: usize, mut working: Pin<&mut F>) -> Option<F::Output> {
    for _ in 0..polls {
        let once = std::future::poll_fn(|context| {
            std::task::Poll::Ready(match working.as_mut().poll(context) {
                std::task::Poll::Ready(output) => Ok(output),
                std::task::Poll::Pending => Err(()),
            })
        });
        match once.await {
            Ok(output) => return Some(output),
            // It is polled again when it has been woken, as it would be by a runtime.
            Err(()) => woken().await,
        }
    }
    None
}

/// Done when this task is woken again: by whatever was polled last.
async fn woken() {
    let mut waited = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut waited, true) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

/// A stage that lives as long as the test: what is suspended may go on at any time.
fn set(backdrop: &Backdrop) -> (&'static Stage, TempDir, Case) {
    let stage: &'static Stage = Box::leak(Box::new(backdrop.stage()));
    let dir = TempDir::new().unwrap();
    let case = Case::create(dir.path(), "case", &stage.saved, &[]).unwrap();
    (stage, dir, case)
}

/// Judges the world by the case as it is on the disk.
async fn judged(stage: &Stage, case: &Path, ending: &Ending, backdrop: &Backdrop) {
    stage.tape.lock().unwrap().bytes = std::fs::read(case.join("journal.jsonl")).unwrap();
    stage.let_it_settle().await;
    the_world_is_as_it_should_be(stage, &backdrop.stage().cloud.snapshot(), ending);
}

/// Opens a case that nobody works on. What was dropped is let go of, and so are our files by what other tests start,
/// a moment later.
async fn free(case: &Path) -> Case {
    for _ in 0..10_000 {
        match Case::open(case) {
            Err(CaseError::Locked(_)) => yield_now().await,
            opened => return opened.unwrap(),
        }
    }
    panic!("{} is locked", case.display());
}

fn state_on_disk(case: &Path) -> State {
    State::of(&read_journal(case).unwrap()).unwrap()
}

/// The stage before anything was done, and how often a run is polled that nothing disturbs.
fn undisturbed() -> (Backdrop, usize) {
    play(async {
        let backdrop = Stage::set(WORLD, PLAYBOOK).await.backdrop();
        let (stage, _dir, case) = set(&backdrop);
        let mut polls = 0;
        let mut working = pin!(work(stage, &case, false, None));
        let ending = loop {
            polls += 1;
            if let Some(ending) = suspended_after(1, working.as_mut()).await {
                break ending.unwrap();
            }
        };
        judged(stage, case.dir(), &ending, &backdrop).await;
        (backdrop, polls)
    })
}

/// When whoever was taken over wakes up.
#[derive(Clone, Copy, Debug)]
enum Wakes {
    /// When the other has been polled so often.
    After(usize),
    /// When the other has come to his end.
    AtTheEnd,
}

#[test]
fn a_run_that_is_taken_over_anywhere_stops_by_itself_wherever_it_wakes_up() {
    let (backdrop, polls) = undisturbed();
    let ends = (1..polls).step_by(9).map(|at| (at, Wakes::AtTheEnd));
    let middles = (1..polls)
        .step_by(13)
        .flat_map(|at| [3, 20, polls / 5].map(|after| (at, Wakes::After(after))));
    let points: Vec<_> = ends.chain(middles).collect();
    let cases = each(&points, |(at, wakes)| {
        play(async {
            let (stage, _dir, case) = set(&backdrop);
            let mut old = pin!(work(stage, &case, false, None));
            assert!(suspended_after(*at, old.as_mut()).await.is_none());
            if state_on_disk(case.dir()).opened.is_none() {
                return;
            }
            let taken = Case::take_over(case.dir()).unwrap();
            let mut new = pin!(work(stage, &taken, true, None));
            let (old, ending) = match wakes {
                Wakes::AtTheEnd => {
                    let ending = new.await;
                    (old.await, ending)
                }
                Wakes::After(polls) => {
                    if let Some(ending) = suspended_after(*polls, new.as_mut()).await {
                        (old.await, ending)
                    } else {
                        tokio::join!(old, new)
                    }
                }
            };
            let old = old.expect_err("it is not his case any more");
            assert!(matches!(old, RunError::Journal(_)), "{old:?}");
            judged(stage, taken.dir(), &ending.unwrap(), &backdrop).await;
            let state = state_on_disk(taken.dir());
            assert_eq!(state.taken_over.len(), 1);
            assert_eq!(state.taken_over[0].said.reason, REASON);
        });
    });
    println!("counted: {cases} cases, taken over, of a run of {polls} points");
}

#[test]
fn a_take_over_that_crashes_anywhere_is_gone_on_with_by_anybody() {
    let (backdrop, polls) = undisturbed();
    let points: Vec<(usize, usize)> = [polls / 6, polls / 2, polls * 4 / 5]
        .into_iter()
        .flat_map(|at| (0..polls).step_by(23).map(move |crash| (at, crash)))
        .collect();
    let cases = each(&points, |(at, crash)| {
        play(async {
            let (stage, _dir, case) = set(&backdrop);
            let mut old = pin!(work(stage, &case, false, None));
            assert!(suspended_after(*at, old.as_mut()).await.is_none());
            let taken = Case::take_over(case.dir()).unwrap();
            {
                let mut new = pin!(work(stage, &taken, true, None));
                if suspended_after(*crash, new.as_mut()).await.is_some() {
                    return;
                }
            }
            drop(taken);
            // Whoever hangs holds up nobody: the case is free, and his no more.
            let third = free(case.dir()).await;
            let mut going_on = pin!(work(stage, &third, false, None));
            let ended = suspended_after(40, going_on.as_mut()).await;
            let (old, ending) = if let Some(ending) = ended {
                (old.await, ending)
            } else {
                tokio::join!(old, going_on)
            };
            assert!(matches!(old, Err(RunError::Journal(_))), "{old:?}");
            judged(stage, third.dir(), &ending.unwrap(), &backdrop).await;
        });
    });
    println!("counted: {cases} cases, crashes of a take-over");
}

/// He had signed the request for a new key, and his laptop was shut before it was sent. AWS takes it for a quarter
/// of an hour, whoever has the case by then.
#[test]
fn a_request_that_was_signed_before_and_is_sent_late_makes_no_second_key() {
    let backdrop = play(async { Stage::set(WORLD, PLAYBOOK).await.backdrop() });
    for (minutes, lands) in [(1, true), (14, true), (16, false), (120, false)] {
        play(async {
            let (stage, _dir, case) = set(&backdrop);
            let goes_on = Arc::new(AtomicBool::new(false));
            let held = Some(("CreateAccessKey", Arc::clone(&goes_on)));
            let mut old = pin!(work(stage, &case, false, held));
            let minting = || {
                let state = state_on_disk(case.dir());
                !state.change(&"new-key.1".parse().unwrap()).notes.is_empty()
            };
            tokio::select! {
                biased;
                ended = &mut old => panic!("{ended:?}"),
                () = stage.until(|_| minting()) => {}
            }
            let taken = Case::take_over(case.dir()).unwrap();
            let wakes = async {
                stage.clock.sleep(Duration::from_mins(minutes)).await;
                goes_on.store(true, Ordering::Relaxed);
                old.await
            };
            let (old, ending) = tokio::join!(wakes, work(stage, &taken, true, None));
            assert!(matches!(old, Err(RunError::Journal(_))), "{old:?}");
            let made = stage
                .cloud
                .audit()
                .into_iter()
                .filter(|event| event.operation == "CreateAccessKey" && event.took_effect);
            assert_eq!(made.count(), if lands { 2 } else { 1 }, "{minutes} minutes");
            judged(stage, taken.dir(), &ending.unwrap(), &backdrop).await;
        });
    }
}

#[test]
fn a_process_that_hangs_is_taken_over_on_record_and_stops_when_it_wakes_up() {
    let hosted = Hosted::new(&crate::stage::with_somebody_else(&quick_world()));
    let before = hosted.cloud.snapshot();
    hosted.save_plan(3);
    let running = start(&mut hosted.here(&["run", "plan.json", "--yes"]));
    running.until_it_says("waiting");
    running.signal("STOP");
    let case = hosted.case();
    let case = case.to_str().unwrap();
    let second = ran(&mut hosted.here(&["resume", case])).ended_with(5);
    for words in [
        "in the hands of arn:",
        "process ",
        " on ",
        "what a run prints to be typed is for when it has ended",
        "--take-over REASON",
    ] {
        assert!(second.err.contains(words), "{words}: {}", second.err);
    }
    ran(&mut hosted.here(&["resume", case, "--take-over", " "])).ended_with(2);
    let untouched = state_of(Path::new(case));
    assert!(untouched.taken_over.is_empty());
    let admin = hosted.cloud.credentials_of(&crate::hosted::key("AKIAEXAMPLEADMIN0009"));
    let ended = ran(hosted
        .here(&["resume", case, "--take-over", REASON])
        .env("AWS_ACCESS_KEY_ID", admin.access_key_id.as_str())
        .env("AWS_SECRET_ACCESS_KEY", admin.secret.expose())
        .env_remove("AWS_SESSION_TOKEN"))
    .ended_with(11);
    assert!(ended.err.contains("Taken over from arn:"), "{}", ended.err);
    let journal = journal_of(Path::new(case));
    running.signal("CONT");
    let stopped = running.ended().ended_with(10);
    assert!(stopped.err.contains("user/admin has taken this case over since"), "{}", stopped.err);
    assert!(stopped.err.contains(REASON), "{}", stopped.err);
    assert!(!stopped.said().contains("portcullis resume"), "{}", stopped.said());
    assert_eq!(journal_of(Path::new(case)), journal, "he writes nothing any more");
    judge(&hosted, &before, stopped.said() + &ended.said());
    status_agrees(&hosted);
    for command in ["status", "report"] {
        let told = ran(&mut bare(hosted.dir(), &[command, case])).ended_with(0);
        assert!(told.out.contains("user/admin"), "{}", told.out);
        assert!(told.out.contains(REASON), "{}", told.out);
    }
}

/// A copy of a case, or one on a disk that is shared: nothing here can see whether the other still works on it.
#[test]
fn what_somebody_began_elsewhere_and_did_not_end_is_gone_on_with_on_record_alone() {
    let hosted = Hosted::new(&quick_world());
    let before = hosted.cloud.snapshot();
    hosted.save_plan(1);
    let text = std::fs::read_to_string(hosted.dir().join("plan.json")).unwrap();
    let saved = SavedPlan::from_text(&text).unwrap();
    let case = Case::create(&hosted.dir().join("cases"), "copied", &saved, &[]).unwrap();
    let dir = case.dir().to_owned();
    crate::hosted::in_real_time(async {
        let (decoded, medium) = case.journal().unwrap();
        let journal = Journal::open(&decoded, medium, Clock::system()).unwrap();
        let opened = Entry::Opened {
            plan: saved.digest(),
            account: saved.plan.account.clone(),
            program: "test".to_owned(),
            rehearsal: false,
        };
        let started = Entry::Started {
            caller: saved.plan.caller.clone(),
            accepted_lockouts: Vec::new(),
            place: Some(Place {
                host: "another-laptop".to_owned(),
                process: 4711,
                ..Place::default()
            }),
        };
        journal.append(opened).await.unwrap();
        journal.append(started).await.unwrap();
    });
    drop(case);
    let dir = dir.to_str().unwrap();
    let refused = ran(&mut hosted.here(&["resume", dir])).ended_with(5);
    for words in ["process 4711 on another-laptop", "cannot be seen", "--take-over REASON"] {
        assert!(refused.err.contains(words), "{words}: {}", refused.err);
    }
    let ended = ran(&mut hosted.here(&["resume", dir, "--take-over", REASON])).ended_with(11);
    judge(&hosted, &before, ended.said());
}

/// What was left to others is gone on with where it is what was left, and whatever came behind it.
#[test]
fn a_journal_that_was_left_to_others_is_gone_on_with_where_it_is_the_same() {
    play(async {
        let stage = Stage::set(WORLD, PLAYBOOK).await;
        let opened = Entry::Opened {
            plan: stage.saved.digest(),
            account: stage.saved.plan.account.clone(),
            program: "test".to_owned(),
            rehearsal: true,
        };
        let said = |name: &str| [Entry::Attested { change: None, said: stage.said_by(name) }];
        let tape = || stage.tape.lock().unwrap().bytes.clone();
        stage.say([opened]).await;
        let begun = tape();
        stage.say(said("anna")).await;
        let left = tape();
        stage.say(said("ben")).await;
        let longer = tape();
        // The same lines, and others behind the first.
        stage.tape.lock().unwrap().bytes.clone_from(&begun);
        stage.say(said("mallory")).await;
        stage.say(said("ben")).await;
        let rewritten = tape();

        let open = |bytes: &[u8]| {
            let crashed = Arc::default();
            let medium = Recorder::new(&stage.tape, &stage.cloud, None, &crashed);
            Journal::open(&journal::decode(bytes).unwrap(), Box::new(medium), stage.clock).unwrap()
        };
        for (bytes, is_it) in [(&longer, true), (&left, true), (&rewritten, false), (&begun, false)]
        {
            let journal = open(&left);
            let crashed = Arc::default();
            let medium = Recorder::new(&stage.tape, &stage.cloud, None, &crashed);
            let read = journal.read_again(&journal::decode(bytes).unwrap(), Box::new(medium)).await;
            assert_eq!(read.is_ok(), is_it, "{read:?}");
            let attested = journal.state().attested.len();
            assert_eq!(attested, if bytes == &longer { 2 } else { 1 });
        }
    });
}

/// A loss of power may leave noughts behind the last line: whoever takes the case over is told how many, and goes on.
#[test]
fn whoever_takes_a_case_over_is_told_what_a_loss_of_power_has_left_of_its_last_line() {
    let rehearsal = crate::words::Rehearsal::of(WORLD, PLAYBOOK);
    let journal = rehearsal.case.join("journal.jsonl");
    let whole = std::fs::read(&journal).unwrap();
    let torn = [&whole[..], &[0; 7]].concat();
    std::fs::write(&journal, torn).unwrap();
    let (_, screen) = rehearsal.say(&["resume", "--take-over", "he hangs"]);
    assert!(screen.contains("The last line of the journal was cut short (7 bytes)"), "{screen}");
    let now = std::fs::read(&journal).unwrap();
    assert!(now.starts_with(&whole) && now.len() > whole.len() && !now.contains(&0));
}
