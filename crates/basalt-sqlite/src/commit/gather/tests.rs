//! When a batch waits.

use std::time::Duration;

use super::{MOST_SKIPPED, Pace};

/// Long enough that the tests run within it.
const COMMIT: Duration = Duration::from_secs(60);

#[test]
fn nobody_is_waited_for_without_a_reason() {
    let mut pace = Pace::default();
    assert!(pace.expectation(1).is_none(), "nothing was committed yet");
    pace.committed(COMMIT, 1);
    assert!(pace.expectation(1).is_none(), "a lone writer does not wait for others");
    pace.committed(Duration::from_micros(50), 8);
    assert!(pace.expectation(1).is_none(), "a fast commit is not worth it");
}

#[test]
fn the_writers_of_the_last_commit_are_expected() {
    let mut pace = Pace::default();
    pace.committed(COMMIT, 32);
    assert_eq!(pace.expectation(16).map(|(writers, _)| writers), Some(32));
    assert!(pace.expectation(32).is_none(), "all are here");
}

#[test]
fn waits_that_do_not_pay_become_rare() {
    let mut pace = Pace::default();
    pace.committed(COMMIT, 32);
    let mut waits = 0;
    for _ in 0..1000 {
        if pace.expectation(16).is_some() {
            waits += 1;
            pace.waited(1, 16);
        }
    }
    assert!(waits <= 6 + 1000 / MOST_SKIPPED, "{waits} waits");
    // One that pays, and the next batch waits at once.
    while pace.expectation(16).is_none() {}
    pace.waited(16, 16);
    assert!(pace.expectation(16).is_some());
}
