//! The real binary is killed at every request of a run, and resumed; interrupted; started twice.
//!
//! Plans are saved with a margin of one second, the shortest there is: each run waits it out twice, in real
//! time. The world enforces after a fifth of that.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_iam::types::StatusType;
use portcullis::clock::Clock;
use portcullis::journal::{self, ChangeState, Entry, GateState, State};
use portcullis::plan::SavedPlan;
use portcullis::run::{Ending, MadeBeside};
use portcullis::sim::{Cloud, Fault, Snapshot};

use crate::hosted::{Hosted, Ran, Running, bare, cases_in, in_real_time, quick_world, ran, start};
use crate::stage::{Drawer, Kept, Stage, Tape, Witness, with_somebody_else};
use crate::verdict;

/// Processes that mostly wait, and so can be many.
const SIDE_BY_SIDE: usize = 12;

fn saved(case: &Path) -> SavedPlan {
    SavedPlan::from_text(&std::fs::read_to_string(case.join("rounds/1/plan.json")).unwrap())
        .unwrap()
}

pub(crate) fn journal_of(case: &Path) -> Vec<u8> {
    std::fs::read(case.join("journal.jsonl")).unwrap_or_default()
}

pub(crate) fn state_of(case: &Path) -> State {
    State::of(&journal::decode(&journal_of(case)).unwrap()).unwrap()
}

/// Judges the world as every other run is judged, five minutes from now: the world is taken up again by a
/// clock that is that far ahead. The case's journal stands in the place of the tape.
pub(crate) fn judge(hosted: &Hosted, before: &Snapshot, said: String) {
    in_real_time(async {
        let later = Clock::starting_at(hosted.cloud.now() + Duration::from_mins(5));
        let cloud = Cloud::load(&hosted.cloud.save(), later).unwrap();
        let case = hosted.case();
        let stage = Stage {
            cloud,
            clock: later,
            saved: saved(&case),
            tape: Arc::new(Mutex::new(Tape { bytes: journal_of(&case), requests: Vec::new() })),
            witness: Witness(Mutex::new(said)),
            rounds: Kept::default(),
            most: 0,
            drawer: Drawer::default(),
            given: Vec::new(),
            beside: MadeBeside::default(),
        };
        verdict::all_but_the_intents(&stage, before, &Ending::NotProven);
    });
}

/// `status` needs no cloud, and agrees.
pub(crate) fn status_agrees(hosted: &Hosted) {
    let case = hosted.case();
    let case = case.to_str().unwrap();
    let status = ran(&mut bare(hosted.dir(), &["status", case])).ended_with(0);
    assert_eq!(state_of(Path::new(case)).finished, Some(11));
    let (lines, out) = (journal::decode(&journal_of(Path::new(case))).unwrap(), &status.out);
    assert!(out.contains(&format!("{} lines, head {}", lines.lines.len(), lines.head())), "{out}");
    assert!(!out.contains("to do") && !out.contains("in doubt") && !out.contains("held"), "{out}");
    assert!(out.contains("Next: see to what is unaccounted for above"), "{out}");
}

/// At the moment a writing request was stopped, its intent was on the disk, and not yet done with.
fn the_stopped_request_was_announced(hosted: &Hosted, n: u64) {
    let audit = hosted.cloud.audit();
    let Some(event) = audit.iter().find(|e| e.request == n && e.writes && e.took_effect) else {
        return;
    };
    let case = hosted.case();
    let (state, plan) = (state_of(&case), saved(&case).plan);
    let operation = format!("{}:{}", event.service, event.operation);
    let announced = plan.changes.iter().any(|change| {
        state.change(&change.id).state == ChangeState::InDoubt
            && change.permissions.iter().any(|permission| permission.action == operation)
    });
    assert!(announced, "{operation} (request {n}) had no intent");
}

pub(crate) fn resumed(hosted: &Hosted) -> Ran {
    let case = hosted.case();
    ran(&mut hosted.here(&["resume", case.to_str().unwrap()])).ended_with(11)
}

/// The numbers of the first and the last request of a run that nothing disturbs.
fn undisturbed() -> (u64, u64) {
    let hosted = Hosted::new(&quick_world());
    let before = hosted.cloud.snapshot();
    hosted.save_plan(1);
    let first = hosted.cloud.requests() + 1;
    let whole = ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(11);
    let last = hosted.cloud.requests();
    judge(&hosted, &before, whole.said());
    status_agrees(&hosted);
    (first, last)
}

#[test]
fn the_binary_killed_at_any_request_resumes_to_the_same_world() {
    let (first, last) = undisturbed();
    let points: Vec<(u64, Fault)> =
        (first..=last).flat_map(|n| [(n, Fault::StopBefore), (n, Fault::StopAfter)]).collect();
    let all = points.len();
    let points = crate::side_by_side::spread(points, 120);
    let cases = crate::side_by_side::each_of_many(SIDE_BY_SIDE, &points, |(n, fault)| {
        let hosted = Hosted::new(&quick_world());
        let before = hosted.cloud.snapshot();
        hosted.save_plan(1);
        hosted.cloud.set_faults([(*n, *fault)]);
        let mut running = start(&mut hosted.here(&["run", "plan.json", "--yes"]));
        assert!(hosted.until_stopped(&mut running), "request {n} never came");
        the_stopped_request_was_announced(&hosted, *n);
        let killed = running.killed();
        assert_eq!(killed.code, None, "{}", killed.said());
        hosted.cloud.set_faults([]);
        // The first request asks who we are; before its answer there is no case to resume.
        let begun = !cases_in(hosted.dir()).is_empty();
        let ended = if begun {
            resumed(&hosted)
        } else {
            assert_eq!(*n, first, "a case is made before the second request");
            ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(11)
        };
        judge(&hosted, &before, killed.said() + &ended.said());
        status_agrees(&hosted);
    });
    println!(
        "counted: {cases} cases of {all}, kill -9 of the binary at requests {first} to {last}"
    );
}

/// Ctrl-C, the end of the session, a connection that is gone: the same to us.
#[test]
fn a_signal_while_the_cuts_settle_stops_at_a_safe_point_and_resumes() {
    let cases = crate::side_by_side::each_of_many(3, &["INT", "TERM", "HUP"], |signal| {
        stops_at_a_safe_point_and_resumes(signal);
    });
    println!("counted: {cases} cases, signals");
}

fn stops_at_a_safe_point_and_resumes(signal: &str) {
    let hosted = Hosted::new(&quick_world());
    let before = hosted.cloud.snapshot();
    hosted.save_plan(3);
    let running = start(&mut hosted.here(&["run", "plan.json", "--yes"]));
    running.until_it_says("waiting");
    running.signal(signal);
    let interrupted = running.ended().ended_with(130);
    let state = state_of(&hosted.case());
    assert_eq!(state.finished, Some(130));
    assert!(
        state.changes.values().all(|c| matches!(c.state, ChangeState::Seen | ChangeState::Pending))
    );
    assert!(interrupted.err.contains("Stopping at the next safe point"), "{}", interrupted.err);
    let case = hosted.case();
    let name = case.file_name().unwrap().display();
    let next = format!("Next: portcullis resume cases/{name} --endpoint-url {}", hosted.url);
    assert!(interrupted.out.trim_end().ends_with(&next), "{}", interrupted.out);
    let ended = resumed(&hosted);
    judge(&hosted, &before, ended.said());
    status_agrees(&hosted);
    let lines = journal::decode(&journal_of(&case)).unwrap().lines;
    let ends: Vec<u8> = lines
        .iter()
        .flat_map(|line| &line.entries)
        .filter_map(|entry| match entry {
            Entry::Finished { exit } => Some(*exit),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [130, 11]);
}

#[test]
fn ctrl_c_twice_stops_in_the_middle_of_a_change_and_says_so() {
    let hosted = Hosted::new(&quick_world());
    let before = hosted.cloud.snapshot();
    hosted.save_plan(1);
    let stop_at = hosted.cloud.requests() + 4;
    hosted.cloud.set_faults([(stop_at, Fault::StopAfter)]);
    let mut running = start(&mut hosted.here(&["run", "plan.json", "--yes"]));
    assert!(hosted.until_stopped(&mut running));
    running.signal("INT");
    running.until_it_says("Stopping at the next safe point");
    running.signal("INT");
    let stopped = running.ended().ended_with(10);
    assert!(stopped.err.contains("perhaps in the middle of a change"), "{}", stopped.err);
    assert!(stopped.err.contains("next: portcullis resume cases/"), "{}", stopped.err);
    hosted.cloud.set_faults([]);
    let ended = resumed(&hosted);
    judge(&hosted, &before, stopped.said() + &ended.said());
}

#[test]
fn a_plan_that_was_begun_is_not_begun_again() {
    let hosted = Hosted::new(&quick_world());
    hosted.save_plan(1);
    ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(11);
    let (asked, before) = (hosted.cloud.requests(), hosted.cloud.snapshot());
    let again = ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(5);
    assert!(again.err.contains("this plan was begun already, in cases/"), "{}", again.err);
    assert!(again.err.contains("next: portcullis status cases/"), "{}", again.err);
    assert_eq!(hosted.cloud.requests(), asked + 1, "who we are, and nothing else");
    assert_eq!(before.changes_to(&hosted.cloud.snapshot()), [""; 0]);
    // Planned anew, it would cut the key that it has just handed out: that is said.
    let anew = ran(&mut hosted.plan(&[])).ended_with(0);
    let words = "of ci-deploy was issued by cases/";
    assert!(anew.err.contains(words), "{}", anew.said());
}

/// What one case has found is not lost because somebody plans anew; and what the new one has issued and opened is not
/// taken for an intruder's by whoever goes on with the old one.
#[test]
fn a_new_case_takes_up_those_that_nobody_has_closed_and_overtakes_them() {
    let hosted = Hosted::new(&with_somebody_else(&quick_world()));
    hosted.save_plan(1);
    hosted.meanwhile(async |iam| {
        let everybody = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
        let trust = iam.update_assume_role_policy().role_name("pipeline");
        trust.policy_document(everybody).send().await.unwrap();
    });
    ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(13);
    let first = hosted.case();
    let first = first.to_str().unwrap();
    let quick = ["--gate", "settled", "--margin", "1"];
    let anew = ran(&mut hosted.plan(&quick)).ended_with(0);
    assert!(anew.err.contains("This plan takes up "), "{}", anew.said());
    assert!(anew.out.contains("it takes up where "), "{}", anew.said());
    let row = "to role pipeline, with the sessions it has given";
    assert!(anew.out.contains(row), "{}", anew.said());
    let held = ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(13);
    assert!(held.out.contains(row), "{}", held.said());
    let cases = cases_in(hosted.dir());
    let second = cases.iter().find(|case| !case.ends_with(first)).unwrap().to_str().unwrap();
    let state = state_of(Path::new(second));
    let refused = ran(&mut hosted.here(&["resume", first])).ended_with(5);
    assert!(refused.err.contains("has taken this case up, and stands on it"), "{}", refused.err);
    let GateState::Shut(why) = &state.gate else { panic!("{:?}", state.gate) };
    let mut words = why.iter().flat_map(|why| why.split(' '));
    let admission = words.find(|word| word.starts_with("admission/")).unwrap();
    // Whoever is let into the role by that may read what is handed out, and may be in it already.
    for ours in [admission, "role-sessions/pipeline"] {
        let waived = ["waive", second, ours, "--until", "1d", "--reason", "ours"];
        ran(&mut hosted.here(&waived)).ended_with(0);
    }
    // One that is begun beside it knows what it issues.
    let cut = ["cut", "--user", "backup", "--reason", "to be sure", "--margin", "1", "--yes"];
    ran(&mut hosted.here(&cut)).ended_with(11);
    let third = cases_in(hosted.dir()).into_iter().find(|case| !cases.contains(case)).unwrap();
    ran(&mut hosted.here(&["resume", second])).ended_with(11);
    let third = third.to_str().unwrap();
    ran(&mut hosted.here(&["verify", third, "--no-trail"])).ended_with(11);
    let status = ran(&mut bare(hosted.dir(), &["status", first])).ended_with(0);
    assert!(
        status.out.contains("Next: cases/") || status.out.contains("has issued"),
        "{}",
        status.out
    );

    let before = hosted.cloud.snapshot();
    for command in ["resume", "verify", "undo"] {
        let yes: &[&str] = if command == "undo" { &["--yes"] } else { &[] };
        let refused = ran(&mut hosted.here(&[&[command, first], yes].concat())).ended_with(5);
        let why = if command == "undo" { "and stands on it" } else { "has issued access key " };
        assert!(refused.err.contains(why), "{}", refused.err);
        assert!(refused.err.contains("over: portcullis close "), "{}", refused.err);
    }
    assert_eq!(before.changes_to(&hosted.cloud.snapshot()), [""; 0]);

    for case in [first, second, third] {
        ran(&mut hosted.here(&["close", case, "--reason", "over"])).ended_with(0);
    }
    let listed = ran(&mut bare(hosted.dir(), &["cases"])).ended_with(0);
    assert_eq!(listed.out.matches("closed: ").count(), 3, "{}", listed.out);
    let refused = ran(&mut hosted.here(&["resume", second])).ended_with(5);
    assert!(refused.err.contains("has closed this case at "), "{}", refused.err);
    hosted.meanwhile(async |iam| {
        let key = iam.update_access_key().user_name("backup");
        let key = key.access_key_id("AKIAEXAMPLEBACKUP003").status(StatusType::Active);
        key.send().await.unwrap();
    });
    let seen = ran(&mut hosted.here(&["verify", third, "--no-trail"])).ended_with(13);
    let anew =
        format!("this case is closed: portcullis plan PLAYBOOK --endpoint-url {}", hosted.url);
    let next = seen.out.lines().last().unwrap();
    assert!(next.contains(&anew) && !next.contains("resume"), "{}", seen.said());
    let anew = ran(&mut hosted.plan(&quick)).ended_with(0);
    assert!(!anew.out.contains("takes up") && !anew.out.contains(row), "{}", anew.said());
}

#[test]
fn a_plan_that_would_miss_what_a_case_has_begun_before_it_is_refused() {
    let hosted = Hosted::new(&with_somebody_else(&quick_world()));
    let cut = ["cut", "--user", "backup", "--reason", "to be sure", "--margin", "1", "--yes"];
    ran(&mut hosted.here(&cut)).ended_with(11);
    // Made without looking at the cases.
    hosted.save_plan(1);
    let refused = ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(5);
    assert!(refused.err.contains("is not taken up by it"), "{}", refused.err);

    // A copy is the same case; of what not even the plan can be read nobody knows whose it is.
    let case = hosted.case();
    let (copy, junk) = (hosted.dir().join("cases/copy"), hosted.dir().join("cases/junk"));
    copied(&case, &copy);
    let case = case.to_str().unwrap();
    ran(&mut hosted.here(&["verify", case, "--no-trail"])).ended_with(11);
    std::fs::create_dir_all(junk.join("rounds")).unwrap();
    std::fs::write(junk.join("journal.jsonl"), "not a line\nnor this\n").unwrap();

    // What was held to be taken back stays with it until it is; what somebody has taken off is open.
    ran(&mut hosted.here(&["undo", case, "--yes"])).ended_with(13);
    hosted.meanwhile(async |iam| {
        let key = iam.update_access_key().user_name("backup");
        let key = key.access_key_id("AKIAEXAMPLEBACKUP003").status(StatusType::Active);
        key.send().await.unwrap();
        let deny = "arn:aws:iam::aws:policy/AWSDenyAll";
        iam.detach_user_policy().user_name("backup").policy_arn(deny).send().await.unwrap();
    });
    ran(&mut hosted.here(&["verify", case, "--no-trail"])).ended_with(13);
    let anew = ran(&mut hosted.plan(&["--gate", "settled", "--margin", "1"])).ended_with(0);
    assert!(anew.err.contains("junk looks like a case and cannot be read"), "{}", anew.err);
    assert_eq!(anew.err.matches("This plan takes up ").count(), 1, "{}", anew.err);
    let held = ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(13);
    let open = "AKIAEXAMPLEBACKUP003 of backup, which an earlier case of the account has left open";
    assert!(held.out.contains(open), "{}", held.said());
}

/// What it has found nobody knows any more: cuts wait for nothing, and nothing is handed out.
#[test]
fn nothing_is_handed_out_beside_a_case_of_the_account_that_cannot_be_read() {
    let hosted = Hosted::new(&quick_world());
    let cut = ran(&mut hosted.here(&["cut", "--user", "backup", "--yes", "--margin", "1"]));
    assert!(matches!(cut.code, Some(11 | 13)), "{}", cut.said());
    let case = hosted.case();
    let journal = case.join("journal.jsonl");
    let whole = std::fs::read(&journal).unwrap();
    let mut torn = whole.clone();
    torn[200] ^= 1;
    std::fs::write(&journal, &torn).unwrap();
    let planned = ran(&mut hosted.plan(&["--gate", "settled", "--margin", "1"])).ended_with(0);
    assert!(
        planned.err.contains("It is of this account: nothing is handed out"),
        "{}",
        planned.err
    );
    let held = ran(&mut hosted.here(&["run", "plan.json", "--yes"])).ended_with(13);
    assert!(held.said().contains("is of this account and cannot be read"), "{}", held.said());
    let made =
        || hosted.cloud.audit().iter().filter(|one| one.operation == "CreateAccessKey").count();
    assert_eq!(made(), 0);
    // Nor beside one of which nobody can read whose it is: it takes nobody's word either.
    std::fs::remove_dir_all(case.join("rounds/1")).unwrap();
    let second = cases_in(hosted.dir()).into_iter().find(|dir| *dir != case).unwrap();
    let second = second.to_str().unwrap();
    let held = ran(&mut hosted.here(&["resume", second])).ended_with(13);
    assert!(held.out.contains("it may be of this account"), "{}", held.said());
    let waive = ["waive", second, "user/backup", "--until", "7d", "--reason", "x"];
    let refused = ran(&mut hosted.here(&waive)).ended_with(5);
    assert!(refused.err.contains("cannot be read"), "{}", refused.said());
    assert_eq!(made(), 0);
    // Laid elsewhere by whoever knows that it is over.
    std::fs::rename(&case, hosted.dir().join("over")).unwrap();
    ran(&mut hosted.here(&["resume", second])).ended_with(11);
    assert_eq!(made(), 1);
}

/// Copies a case, as somebody would who keeps it safe.
pub(crate) fn copied(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copied(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

#[test]
fn of_two_who_begin_one_plan_at_once_one_does() {
    let hosted = Hosted::new(&quick_world());
    hosted.save_plan(1);
    let begin = || start(&mut hosted.here(&["run", "plan.json", "--yes"]));
    let ended = [begin(), begin()].map(Running::ended);
    let mut codes = ended.each_ref().map(|ended| ended.code);
    codes.sort_unstable();
    assert_eq!(codes, [Some(5), Some(11)], "{}", ended.each_ref().map(Ran::said).join("\n"));
    // One case, and one new key.
    hosted.case();
}

#[test]
fn a_case_that_somebody_works_on_is_refused_to_a_second_process_at_once() {
    let hosted = Hosted::new(&quick_world());
    let before = hosted.cloud.snapshot();
    hosted.save_plan(1);
    let stop_at = hosted.cloud.requests() + 4;
    hosted.cloud.set_faults([(stop_at, Fault::StopAfter)]);
    let mut running = start(&mut hosted.here(&["run", "plan.json", "--yes"]));
    assert!(hosted.until_stopped(&mut running));
    let case = hosted.case();
    // It has no credentials, so that it is the lock, and nothing later, that turns it away.
    let second = ran(&mut bare(hosted.dir(), &["resume", case.to_str().unwrap()])).ended_with(5);
    assert!(second.err.contains("is being worked on by another process"), "{}", second.err);
    assert!(second.err.contains("next: "), "{}", second.err);
    let status = ran(&mut bare(hosted.dir(), &["status", case.to_str().unwrap()])).ended_with(0);
    assert!(status.out.contains("Next: nothing now: another process"), "{}", status.out);
    running.killed();
    hosted.cloud.set_faults([]);
    // The lock goes with the process, however it ends.
    let ended = resumed(&hosted);
    judge(&hosted, &before, ended.said());
}
