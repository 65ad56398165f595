//! What goes into one batch, and whether to wait a little for more of it.
//!
//! Whoever was just answered often writes again at once, but a moment after the next batch has begun: writers then fall into two groups
//! that take turns, and each sync serves half of them. Waiting for a small part of what a commit takes brings them together. It is done
//! only as long as it pays: see [`Pace`]. The idea is that of PostgreSQL's `commit_delay` and `commit_siblings`.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Job, Kind, Writer};

/// The part of a commit's time that is waited at most.
const PART_OF_COMMIT: u32 = 8;

/// The longest wait, whatever a commit takes.
const LONGEST_WAIT: Duration = Duration::from_millis(2);

/// A commit faster than this is not worth waiting for others.
const FAST_COMMIT: Duration = Duration::from_micros(200);

/// Most batches that begin without waiting after waits that did not pay.
const MOST_SKIPPED: u32 = 64;

/// What recent batches tell about the next.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How long the last commit took, and when it ended.
    commit: Cell<Option<(Duration, Instant)>>,
    /// Writers seen at that time: those of its batch, and those that waited.
    writers: Cell<usize>,
    /// Batches still to begin without waiting.
    skip: u32,
    /// How many are skipped after the next wait that does not pay.
    penalty: u32,
}

impl Pace {
    /// Notes a commit before its jobs are answered.
    #[allow(clippy::disallowed_methods)] // monotonic time of a commit
    pub(super) fn committed(&self, took: Duration, writers: usize) {
        self.commit.set(Some((took, Instant::now())));
        self.writers.set(writers);
    }

    /// How many to expect, and until when, with `here` having come already.
    #[allow(clippy::disallowed_methods)] // monotonic time for a short wait
    fn expectation(&mut self, here: usize) -> Option<(usize, Instant)> {
        let (took, ended) = self.commit.get()?;
        // After a rest nobody is known to come.
        if took < FAST_COMMIT || here >= self.writers.get() || ended.elapsed() > took {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        Some((self.writers.get(), Instant::now() + (took / PART_OF_COMMIT).min(LONGEST_WAIT)))
    }

    /// Learns from a wait: `came` of `missing`.
    fn waited(&mut self, came: usize, missing: usize) {
        if came * 2 >= missing {
            self.penalty = 0;
        } else {
            self.penalty = (self.penalty * 2 + 1).min(MOST_SKIPPED);
            self.skip = self.penalty;
        }
    }
}

impl Writer {
    /// The next batch: what waits, and what comes in a moment. Others go to their own queues.
    pub(super) fn gather(&mut self, first: Option<Job>) -> Vec<Job> {
        let mut batch = Vec::new();
        let mut next = first;
        while let Some(job) = next {
            self.sort(job, &mut batch);
            if self.is_full(&batch) {
                return batch;
            }
            next = self.queue.try_recv().ok();
        }
        let here = batch.len();
        if here == 0 || !self.turns.is_empty() {
            return batch;
        }
        if let Some((expected, until)) = self.pace.expectation(here) {
            while batch.len() < expected && self.turns.is_empty() && !self.is_full(&batch) {
                let Ok(job) = self.queue.recv_deadline(until) else { break };
                self.sort(job, &mut batch);
            }
            self.pace.waited(batch.len() - here, expected - here);
        }
        batch
    }

    fn sort(&mut self, job: Job, batch: &mut Vec<Job>) {
        self.shared.counters.jobs.fetch_add(1, Ordering::Relaxed);
        if job.terms.kind == Kind::Short && !job.terms.habit.is_slow() {
            batch.push(job);
        } else {
            self.turns.put_off(job, self.shared.options.max_queued_long_writes);
        }
    }

    fn is_full(&self, batch: &[Job]) -> bool {
        batch.len() >= self.shared.options.max_batch
    }
}

#[cfg(test)]
mod tests;
