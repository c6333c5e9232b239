//! A cloud that is slow to show what was written, admits few requests at a time, or keeps another time.

use jiff::SignedDuration;
use portcullis::clock::Clock;
use portcullis::journal::{self, Entry};
use portcullis::run::Ending;
use portcullis::sim::Fault;

use crate::side_by_side::each;
use crate::stage::{Left, PLAYBOOK, Stage, Torn, WORLD, play};
use crate::verdict::{requests_of, the_world_is_as_it_should_be};

#[test]
fn a_run_ends_well_in_any_weather() {
    let weathers = [
        "read_lag: 1s",
        "read_lag: 3s",
        "read_lag: 6s",
        "read_lag: 2s\nlatency: 700ms",
        "rate_limit: 2",
        "rate_limit: 4",
        "rate_limit: 5\nlatency: 150ms",
        "rate_limit: 8\nlatency: 150ms",
        "latency: 5s",
        "clock_skew: 7m",
        "clock_skew: -7m",
        "clock_skew: -7m\nread_lag: 2s\nlatency: 400ms\nrate_limit: 8",
    ];
    let cases = each(&weathers, |weather| {
        play(async {
            let world = WORLD.replace("lag: 4s", &format!("lag: 4s\n{weather}"));
            let stage = Stage::set(&world, PLAYBOOK).await;
            let before = stage.cloud.snapshot();
            let ending = stage.resume_to_the_end(1).await;
            stage.let_it_settle().await;
            the_world_is_as_it_should_be(&stage, &before, &ending);
        });
    });
    println!("counted: {cases} cases, weathers");
}

/// The key nobody knows of may be shown only after the next attempt has begun.
#[test]
fn a_key_whose_answer_was_lost_and_that_is_shown_late_is_removed_all_the_same() {
    let lags: Vec<(u64, Fault)> = [1, 3, 6]
        .into_iter()
        .flat_map(|lag| [Fault::LostAnswer, Fault::StopAfter].map(|fault| (lag, fault)))
        .collect();
    let cases = each(&lags, |(lag, fault)| {
        play(async {
            let world = WORLD.replace("lag: 4s", &format!("lag: 4s\nread_lag: {lag}s"));
            let rehearsed = Stage::set(&world, PLAYBOOK).await;
            let backdrop = rehearsed.backdrop();
            rehearsed.resume_to_the_end(1).await;
            let minting = requests_of(&rehearsed, "CreateAccessKey")[0];
            let stage = backdrop.stage();
            let before = stage.cloud.snapshot();
            stage.run_through(&[(minting, *fault)], None).await;
            stage.let_it_settle().await;
            the_world_is_as_it_should_be(&stage, &before, &Ending::NotProven);
        });
    });
    println!("counted: {cases} cases, keys shown late");
}

/// Whoever resumes may sit at another machine, whose clock is minutes off: that shortens no margin, and what
/// came after what is told by the journal's own count.
#[test]
fn a_resumption_by_another_clock_waits_as_long_and_takes_nothing_for_lifted() {
    let (backdrop, before, lines) = play(async {
        let stage = Stage::set(WORLD, PLAYBOOK).await;
        let (backdrop, before) = (stage.backdrop(), stage.cloud.snapshot());
        stage.resume_to_the_end(1).await;
        let lines = stage.tape.lock().unwrap().requests.len();
        (backdrop, before, lines)
    });
    let minutes = SignedDuration::from_mins(4);
    let points: Vec<(usize, SignedDuration)> =
        (1..=lines).flat_map(|line| [minutes, -minutes].map(|off| (line, off))).collect();
    let cases = each(&points, |(line, off)| {
        play(async {
            let mut stage = backdrop.stage();
            assert!(matches!(stage.run(Some((*line, Torn::Whole))).await, Left::Crashed));
            stage.clock = Clock::starting_at(stage.clock.now() + *off);
            let ending = stage.resume_to_the_end(1).await;
            stage.let_it_settle().await;
            the_world_is_as_it_should_be(&stage, &before, &ending);
            proofs_waited(&stage, *line);
        });
    });
    println!("counted: {cases} cases, another clock after a crash at a line");
}

/// Cuts that were proven after `line` were proven when the margin was over since the last of them was seen, by the
/// clock of whoever saw it.
fn proofs_waited(stage: &Stage, line: usize) {
    let tape = stage.tape.lock().unwrap();
    let lines = journal::decode(&tape.bytes).unwrap().lines;
    let mut since = None;
    for line in &lines[line..] {
        for entry in &line.entries {
            match entry {
                Entry::Proved { .. } => {
                    let waited = line.at.duration_since(since.unwrap());
                    assert!(waited.as_secs() >= 60, "{waited}");
                }
                Entry::Started { .. } | Entry::Observed { .. } => since = Some(line.at),
                _ => {}
            }
        }
    }
}

#[test]
fn a_machine_that_slept_is_told_so_and_not_sent_for_other_credentials() {
    play(async {
        let mut stage = Stage::set(WORLD, PLAYBOOK).await;
        let awake = stage.clock;
        stage.clock = Clock::starting_at(awake.now() - SignedDuration::from_mins(20));
        let Left::Ended(Ending::Stopped(why)) = stage.run(None).await else {
            panic!("not stopped")
        };
        assert!(why.iter().all(|why| why.contains("this machine slept")), "{why:?}");
        stage.clock = awake;
        assert_eq!(stage.resume_to_the_end(1).await, Ending::NotProven);
    });
}
