//! Many independent cases, spread over the machine's cores.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Plays every case; gives back how many. All failures are told, each with its case, before the test
/// fails.
pub(crate) fn each<C: std::fmt::Debug + Sync>(cases: &[C], play: impl Fn(&C) + Sync) -> usize {
    each_of_many(std::thread::available_parallelism().map_or(2, usize::from), cases, play)
}

/// The same, so many at a time: for cases that mostly wait.
pub(crate) fn each_of_many<C: std::fmt::Debug + Sync>(
    threads: usize,
    cases: &[C],
    play: impl Fn(&C) + Sync,
) -> usize {
    let next = AtomicUsize::new(0);
    let failed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if catch_unwind(AssertUnwindSafe(|| play(case))).is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                        println!("failed: {case:?}");
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert_eq!(failed, 0, "{failed} of {} cases failed", cases.len());
    cases.len()
}

/// At most so many of a great many cases, spread over all of them. `PORTCULLIS_CASES=all` has every one played.
pub(crate) fn spread<C>(cases: Vec<C>, most: usize) -> Vec<C> {
    let all = cases.len();
    if all <= most || std::env::var_os("PORTCULLIS_CASES").is_some_and(|cases| cases == "all") {
        return cases;
    }
    let taken = |n: usize| n * most / all != (n + 1) * most / all;
    cases.into_iter().enumerate().filter(|(n, _)| taken(*n)).map(|(_, case)| case).collect()
}
