//! Several accounts, killed twice and taken over in between: one gate, and the end of a run that nothing disturbs.

use std::sync::Mutex;

use portcullis::run::Ending;
use portcullis::sim::Fault;

use super::several::{Crash, Several};
use super::{HOME, OTHER, PLAYBOOK, WORLD};
use crate::side_by_side;
use crate::stage::{Torn, play};

/// Every so-manieth pair of a kill and another after it: all of them would take days.
const PAIRS: usize = 12;

#[test]
fn accounts_that_are_killed_taken_over_and_killed_again_come_to_the_same_end() {
    let (stage, world, lines, requests) = play(async {
        let two = Several::set(WORLD, PLAYBOOK).await;
        let stage = two.again();
        let from = two.cloud.requests();
        two.run(None).await.unwrap();
        two.the_intruder_is_out_of_all().await;
        two.all_was_announced_and_nothing_is_told();
        let lines = [HOME, OTHER].map(|n| two.accounts[n].tape.lock().unwrap().requests.len());
        (stage, two.world(), lines, two.cloud.requests() - from)
    });
    let faults = [Fault::StopBefore, Fault::StopAfter];
    let requests_of = |begin: usize| {
        let faults = faults.into_iter().cycle().skip(begin);
        (1..=requests).zip(faults).map(|(at, fault)| Crash::Request(at, fault))
    };
    let at_lines = [HOME, OTHER].into_iter().flat_map(|account| {
        (1..=lines[account])
            .map(move |line| Crash::Line(account, line, Torn::ALL[line % Torn::ALL.len()]))
    });
    let first: Vec<Crash> = at_lines.chain(requests_of(0)).collect();
    let then: Vec<Crash> = requests_of(1).collect();
    let all = first.len() * then.len();
    let pairs: Vec<(Crash, Crash, usize)> = (0..PAIRS)
        .map(|n| {
            let at = n * all / PAIRS + n * 7;
            // What was left to be done is shorter than the whole.
            (first[at / then.len()], then[at % then.len() * 2 / 3], n % 3)
        })
        .collect();
    let stage = Mutex::new(stage);
    let taken = side_by_side::each(&pairs, |(one, another, so_many)| {
        play(async {
            let two = stage.lock().unwrap().again();
            assert!(two.run(Some(*one)).await.is_none(), "{one:?} {}", two.told());
            if [HOME, OTHER].iter().all(|n| two.state(*n).opened.is_some()) {
                two.are_taken_over(*so_many).await;
            }
            let endings = match two.run(Some(*another)).await {
                Some(endings) => endings,
                None => two.resumed_to_the_end().await,
            };
            assert_eq!(endings, [Ending::Proven, Ending::Proven], "{}", two.told());
            assert!(two.one_gate_was_kept() >= 3);
            two.the_intruder_is_out_of_all().await;
            two.all_was_announced_and_nothing_is_told();
            assert_eq!(two.world(), world);
        });
    });
    println!("killed, taken over and killed again: {taken} pairs of {all}");
}
