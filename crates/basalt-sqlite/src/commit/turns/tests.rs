//! Who is served after whom. Time is a number here: nothing waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use basalt_engine::{Boxed, RunError};
use tokio::sync::oneshot::{self, Receiver, error::TryRecvError};

use super::{Habit, QUIET_PART, SHORTEST_QUIET, Turns, Wait};
use crate::commit::{Job, Kind, Terms};

const MOST: usize = 4;

/// The time of one job that holds the writer.
const LONG: Duration = Duration::from_secs(3);

const MOMENT: Duration = Duration::from_millis(1);

#[allow(clippy::disallowed_methods)] // a point to count from
fn start() -> Instant {
    Instant::now()
}

fn job(kind: Kind, who: u64, deadline: Instant) -> (Job, Receiver<Result<Boxed, RunError>>) {
    let (reply, answer) = oneshot::channel();
    let terms = Terms { who, ..Terms::new(kind, deadline) };
    (Job { task: Arc::new(|_| Ok(Box::new(()))), terms, reply }, answer)
}

#[test]
fn short_writes_get_half_of_the_time_while_long_ones_queue() {
    let (begin, mut turns) = (start(), Turns::default());
    let far = begin + LONG * 1000;
    let mut now = begin;
    let (mut long, mut short) = (0, 0);
    // Ten callers always have a long write waiting, and one writes small rows one after the other, each in a moment.
    let mut answers = Vec::new();
    while now < begin + LONG * 20 {
        while turns.long.len() < MOST {
            let (next, answer) = job(Kind::Long, answers.len() as u64, far);
            answers.push(answer);
            turns.put_off(next, MOST);
        }
        turns.serve_short(now);
        now += MOMENT;
        short += 1;
        if let Some(next) = turns.next_long(now) {
            now += LONG;
            long += 1;
            turns.held(next.terms.who, LONG);
        }
    }
    assert_eq!(long, 10, "half of the time");
    assert!(short >= 9 * LONG.as_millis(), "{short} short ones");
}

#[test]
fn long_writes_do_not_wait_for_nobody() {
    let (begin, mut turns) = (start(), Turns::default());
    let far = begin + LONG * 1000;
    turns.held(1, LONG);
    turns.put_off(job(Kind::Long, 1, far).0, MOST);
    assert_eq!(turns.wait(begin), Wait::Now, "no short write came since");
    turns.serve_short(begin);
    assert_eq!(turns.wait(begin), Wait::Until(begin + LONG / 8), "one came; more may follow");
    turns.serve_short(begin + MOMENT);
    assert_eq!(turns.wait(begin + MOMENT), Wait::Until(begin + MOMENT + LONG / 8));
    assert_eq!(turns.wait(begin + LONG / 4), Wait::Now, "none followed");
    assert!(turns.next_long(begin + LONG / 4).is_some());
    assert_eq!(turns.wait(begin), Wait::Nothing);
}

#[test]
fn closing_ends_a_rest() {
    let (begin, mut turns) = (start(), Turns::default());
    turns.held(1, LONG);
    turns.serve_short(begin);
    turns.put_off(job(Kind::Schema, 1, begin + LONG).0, MOST);
    assert!(turns.next_long(begin + MOMENT).is_none());
    turns.make_haste();
    assert!(turns.next_long(begin + MOMENT).is_some());
}

#[test]
fn callers_take_turns() {
    let (begin, mut turns) = (start(), Turns::default());
    let far = begin + LONG;
    for who in [7, 7, 7, 8] {
        turns.put_off(job(Kind::Long, who, far).0, MOST);
    }
    let mut order = Vec::new();
    while let Some(next) = turns.next_long(begin) {
        order.push(next.terms.who);
        turns.held(next.terms.who, Duration::ZERO);
    }
    assert_eq!(order, [7, 8, 7, 7]);
}

#[test]
fn what_was_slow_is_tried_apart_and_rehabilitated() {
    let (begin, mut turns) = (start(), Turns::default());
    let habit = Arc::new(Habit::default());
    assert!(!habit.is_slow());
    habit.note(true);
    assert!(habit.is_slow());
    let (first, _a) = job(Kind::Short, 1, begin + LONG);
    let (second, _b) = job(Kind::Short, 2, begin + LONG);
    turns.put_off(first, MOST);
    turns.put_off(second, MOST);
    turns.held(1, LONG);
    turns.serve_short(begin);
    let over = begin + SHORTEST_QUIET.max(LONG / QUIET_PART);
    assert_eq!(turns.wait(begin), Wait::Until(over), "a rest is the short ones' alone");
    assert!(turns.take_doubtful(begin).is_empty());
    assert_eq!(turns.wait(over), Wait::Now);
    let mut tried = turns.take_doubtful(over);
    let back = tried.split_off(1);
    turns.give_back(back);
    turns.tried(LONG);
    turns.serve_short(over);
    assert_eq!(turns.wait(over), Wait::Until(over + SHORTEST_QUIET.max(LONG / QUIET_PART)), "what was tried is owed too");
    let later = over + LONG;
    assert_eq!(turns.take_doubtful(later).iter().map(|job| job.terms.who).collect::<Vec<_>>(), [2]);
    habit.note(false);
    assert!(!habit.is_slow());
}

#[test]
fn too_many_and_too_late_ones_are_answered() {
    let (begin, mut turns) = (start(), Turns::default());
    let mut answers: Vec<_> = (1..=6)
        .map(|n| {
            let (next, answer) = job(Kind::Long, n, begin + MOMENT * n.try_into().unwrap());
            turns.put_off(next, MOST);
            answer
        })
        .collect();
    turns.end_expired(begin + MOMENT * 2);
    let shown: Vec<String> = answers
        .iter_mut()
        .map(|answer| match answer.try_recv() {
            Ok(Err(RunError::Sql(error))) => error.state.as_str().to_owned(),
            Ok(other) => format!("{:?}", other.map(drop)),
            Err(TryRecvError::Empty) => "waits".to_owned(),
            Err(TryRecvError::Closed) => "lost".to_owned(),
        })
        .collect();
    assert_eq!(shown, ["57014", "57014", "waits", "waits", "53300", "53300"]);
}
