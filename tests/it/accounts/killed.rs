//! Several accounts, killed twice and taken over in between: one gate, and the end of a run that nothing disturbs.

use std::sync::Mutex;

use portcullis::journal::Entry;
use portcullis::run::Ending;
use portcullis::sim::Fault;

use super::several::{Crash, Several};
use super::{PLAYBOOK, with_a_third};
use crate::side_by_side;
use crate::stage::{Torn, play};

/// Every so-manieth pair of a kill and another after it: all of them would take days.
const PAIRS: usize = 12;
/// The same of an undo.
const UNDONE: usize = 12;
const ACCOUNTS: usize = 3;

#[test]
fn accounts_that_are_killed_taken_over_and_killed_again_come_to_the_same_end() {
    let (stage, world, lines, requests) = play(async {
        let three = Several::set(&with_a_third(), PLAYBOOK).await;
        let stage = three.again();
        let from = three.cloud.requests();
        three.run(None).await.unwrap();
        three.the_intruder_is_out_of_all().await;
        three.all_was_announced_and_nothing_is_told();
        (stage, three.world(), lines_of(&three), three.cloud.requests() - from)
    });
    let (first, then) = points(lines, requests);
    let all = first.len() * then.len();
    let pairs: Vec<(Crash, Crash, usize)> = (0..PAIRS)
        .map(|n| {
            let at = n * all / PAIRS + n * 7;
            // What was left to be done is shorter than the whole.
            (first[at / then.len()], then[at % then.len() * 2 / 3], n % 4)
        })
        .collect();
    let stage = Mutex::new(stage);
    let taken = side_by_side::each(&pairs, |(one, another, so_many)| {
        play(async {
            let three = stage.lock().unwrap().again();
            let endings = killed_twice(&three, *one, *so_many, *another).await;
            assert!(endings.iter().all(|one| *one == Ending::Proven), "{}", three.told());
            assert!(three.one_gate_was_kept() >= 3);
            three.the_intruder_is_out_of_all().await;
            three.all_was_announced_and_nothing_is_told();
            assert_eq!(three.world(), world);
        });
    });
    println!("counted: {taken} pairs of kills, of {all}, of a run over three accounts");
}

/// It was a false alarm, and everything is opened again in three accounts.
#[test]
fn an_undo_over_several_accounts_that_is_killed_anywhere_comes_to_the_same_end() {
    let (stage, world, endings, lines, requests) = play(async {
        let three = Several::set(&with_a_third(), PLAYBOOK).await;
        three.run(None).await.unwrap();
        for account in 0..ACCOUNTS {
            for credential in three.accounts[account].saved.plan.credentials.clone() {
                for name in ["anna", "ben"] {
                    let credential = credential.clone();
                    let cleared = |said| Entry::Cleared { credential, said };
                    three.says(account, name, cleared).await;
                }
            }
            three.begins_undo_in(account).await;
        }
        let (stage, before) = (three.again(), lines_of(&three));
        let from = three.cloud.requests();
        let closed = three.world();
        let endings = three.run(None).await.unwrap();
        three.all_was_announced_and_nothing_is_told();
        let now = lines_of(&three);
        let lines: Vec<usize> = now.iter().zip(before).map(|(now, before)| now - before).collect();
        assert_ne!(three.world(), closed, "something is open again: {}", three.told());
        (stage, three.world(), endings, lines, three.cloud.requests() - from)
    });
    let (first, then) = points(lines, requests);
    // One kill at every so-manieth point, and each with another after it.
    let crashes: Vec<(Crash, usize, Crash)> = (0..UNDONE)
        .map(|n| (first[n * first.len() / UNDONE], n % 4, then[n * 5 % then.len() / 2]))
        .collect();
    let stage = Mutex::new(stage);
    let taken = side_by_side::each(&crashes, |(one, so_many, another)| {
        play(async {
            let three = stage.lock().unwrap().again();
            let ended = killed_twice(&three, *one, *so_many, *another).await;
            assert_eq!(ended, endings, "{one:?} {another:?}\n{}", three.told());
            three.all_was_announced_and_nothing_is_told();
            assert_eq!(three.world(), world, "{one:?} {another:?}");
        });
    });
    println!(
        "counted: {taken} pairs of kills, of {} points, of an undo over three accounts",
        first.len()
    );
}

/// How many lines each journal has.
fn lines_of(several: &Several) -> Vec<usize> {
    several.accounts.iter().map(|one| one.tape.lock().unwrap().requests.len()).collect()
}

/// Where a run can be killed that writes so many lines in each account and makes so many requests: at first, and
/// again.
fn points(lines: Vec<usize>, requests: u64) -> (Vec<Crash>, Vec<Crash>) {
    let faults = [Fault::StopBefore, Fault::StopAfter];
    let requests_of = |begin: usize| {
        let faults = faults.into_iter().cycle().skip(begin);
        (1..=requests).zip(faults).map(|(at, fault)| Crash::Request(at, fault))
    };
    let at_lines = lines.into_iter().enumerate().flat_map(|(account, lines)| {
        (1..=lines).map(move |line| Crash::Line(account, line, Torn::ALL[line % Torn::ALL.len()]))
    });
    (at_lines.chain(requests_of(0)).collect(), requests_of(1).collect())
}

/// Kills it, has as many of its journals taken over, kills it again, and goes on to the end.
async fn killed_twice(
    several: &Several,
    one: Crash,
    so_many: usize,
    another: Crash,
) -> Vec<Ending> {
    assert!(several.run(Some(one)).await.is_none(), "{one:?} {}", several.told());
    if (0..ACCOUNTS).all(|n| several.state(n).opened.is_some()) {
        several.are_taken_over(so_many).await;
    }
    match several.run(Some(another)).await {
        Some(endings) => endings,
        None => several.resumed_to_the_end().await,
    }
}
