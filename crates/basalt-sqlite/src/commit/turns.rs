//! Whose turn it is: short writes, those whose like took long, and those that run alone.
//!
//! A write that runs alone holds the only writer for as long as its statement may take. So that a few of them in a row do not keep
//! everybody else out, the writer rests from them: after one that took a time T, short writes are served for as long again before the
//! next one, unless none comes. What took too long for a batch is remembered with its program ([`Habit`]): the next of its kind waits
//! behind the short ones, and gets its try in a batch of its own, whose time is owed to the short ones too. Among those that run
//! alone, callers take turns.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::{Job, Kind};
use crate::error;

/// What earlier runs of a program tell about the next one.
#[derive(Debug)]
pub(crate) struct Habit {
    /// The last run took longer than a batch allows.
    is_slow: AtomicBool,
    /// So many runs are still to have a savepoint of their own.
    careful: AtomicU32,
}

impl Default for Habit {
    fn default() -> Self {
        Self { is_slow: AtomicBool::new(false), careful: AtomicU32::new(1) }
    }
}

/// Runs with a savepoint after one that would have needed it.
const CAREFUL_RUNS: u32 = 1000;

impl Habit {
    /// Whether it did.
    pub(crate) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }

    /// Notes a run.
    pub(super) fn note(&self, is_slow: bool) {
        if self.is_slow() != is_slow {
            self.is_slow.store(is_slow, Ordering::Relaxed);
        }
    }

    /// Whether a failure is expected to leave nothing behind: at first it is not.
    pub(super) fn is_clean(&self) -> bool {
        self.careful.load(Ordering::Relaxed) == 0
    }

    /// Notes a run that succeeded, under a savepoint or alone. Only the writer's thread counts, so nothing is lost between the two steps.
    pub(super) fn went_well(&self) {
        let left = self.careful.load(Ordering::Relaxed);
        if left > 0 {
            self.careful.store(left - 1, Ordering::Relaxed);
        }
    }

    /// Notes a run that failed after it had written.
    pub(super) fn left_traces(&self) {
        self.careful.store(CAREFUL_RUNS, Ordering::Relaxed);
    }
}

/// The part of a rest after which it ends when no short write came.
const QUIET_PART: u32 = 8;

/// A client that writes one row after the other needs this long at most between two, unless it is far away.
const SHORTEST_QUIET: Duration = Duration::from_millis(50);

/// When the next job that runs alone may begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing waits in these queues.
    Nothing,
    /// Something may begin now.
    Now,
    /// Only a job that runs alone is there, and not before this.
    Until(Instant),
}

/// A time in which short writes have the writer for themselves.
#[derive(Debug)]
struct Rest {
    until: Instant,
    /// It ends earlier when this passes without a short write.
    quiet: Duration,
    last_short: Instant,
}

impl Rest {
    fn end(&self) -> Instant {
        self.until.min(self.last_short + self.quiet)
    }
}

/// The queues behind the short writes.
#[derive(Default)]
pub(super) struct Turns {
    /// Short by kind, but the last of their program was not.
    doubtful: VecDeque<Job>,
    /// Jobs that run alone.
    long: VecDeque<Job>,
    /// Whose job ran alone last.
    last: Option<u64>,
    /// What the last job alone took, while no short write came after it.
    owed: Duration,
    rest: Option<Rest>,
    /// The engine is closing: what is queued runs without rests.
    in_haste: bool,
}

impl Turns {
    /// Puts a job that cannot be in the next batch of short ones where it belongs; beyond `most` waiting ones it is refused.
    pub(super) fn put_off(&mut self, job: Job, most: usize) {
        let queue = if job.terms.kind == Kind::Short { &mut self.doubtful } else { &mut self.long };
        put(queue, job, most);
    }

    /// Puts off a job until it can run alone.
    pub(super) fn put_alone(&mut self, job: Job, most: usize) {
        put(&mut self.long, job, most);
    }

    /// Whether nothing is put off.
    pub(super) fn is_empty(&self) -> bool {
        self.long.is_empty() && self.doubtful.is_empty()
    }

    /// The engine is closing.
    pub(super) fn make_haste(&mut self) {
        self.in_haste = true;
    }

    /// A job held the writer alone for so long.
    pub(super) fn held(&mut self, who: u64, took: Duration) {
        self.last = Some(who);
        self.tried(took);
    }

    /// Jobs that may take long were tried for so long: short writes are owed that time too.
    pub(super) fn tried(&mut self, took: Duration) {
        self.owed += took;
        self.rest = None;
    }

    /// Short writes are served.
    pub(super) fn serve_short(&mut self, now: Instant) {
        if !self.owed.is_zero() {
            let took = std::mem::take(&mut self.owed);
            self.rest = Some(Rest { until: now + took, quiet: (took / QUIET_PART).max(SHORTEST_QUIET), last_short: now });
        }
        if let Some(rest) = &mut self.rest {
            rest.last_short = now;
        }
    }

    /// Whether a job may hold the writer now.
    pub(super) fn may_hold(&mut self, now: Instant) -> bool {
        if self.in_haste || self.rest.as_ref().is_some_and(|rest| now >= rest.end()) {
            self.rest = None;
        }
        self.rest.is_none()
    }

    /// What the queues ask for.
    pub(super) fn wait(&mut self, now: Instant) -> Wait {
        if self.is_empty() {
            Wait::Nothing
        } else if self.may_hold(now) {
            Wait::Now
        } else {
            self.rest.as_ref().map_or(Wait::Now, |rest| Wait::Until(rest.end()))
        }
    }

    /// The next job to run alone: another caller's than the last, when there is one.
    pub(super) fn next_long(&mut self, now: Instant) -> Option<Job> {
        if !self.may_hold(now) {
            return None;
        }
        let at = self.long.iter().position(|job| Some(job.terms.who) != self.last).unwrap_or(0);
        self.long.remove(at)
    }

    /// Those to try in a batch of their own.
    pub(super) fn take_doubtful(&mut self, now: Instant) -> Vec<Job> {
        if !self.may_hold(now) {
            return Vec::new();
        }
        Vec::from(std::mem::take(&mut self.doubtful))
    }

    /// Gives back those that had no turn.
    pub(super) fn give_back(&mut self, jobs: Vec<Job>) {
        for job in jobs.into_iter().rev() {
            self.doubtful.push_front(job);
        }
    }

    /// Answers those whose time is over before their turn came.
    pub(super) fn end_expired(&mut self, now: Instant) {
        for queue in [&mut self.doubtful, &mut self.long] {
            if queue.iter().any(|job| job.terms.deadline <= now) {
                let (over, waiting) = std::mem::take(queue).into_iter().partition(|job| job.terms.deadline <= now);
                *queue = waiting;
                let over: VecDeque<Job> = over;
                over.into_iter().for_each(|job| drop(job.reply.send(Err(error::timeout().into()))));
            }
        }
    }
}

fn put(queue: &mut VecDeque<Job>, job: Job, most: usize) {
    if queue.len() >= most {
        let _ = job.reply.send(Err(error::too_many("long writes").into()));
    } else {
        queue.push_back(job);
    }
}

#[cfg(test)]
mod tests;
