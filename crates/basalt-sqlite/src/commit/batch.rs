//! One batch: its jobs one after the other, one commit, and what happens when it cannot be.
//!
//! A savepoint costs a job about as much as one of its statements (SQLite copies each page it touches), and is needed only when a job
//! fails after it has written something. Jobs whose kind is not known to do that ([`Habit::is_clean`](super::Habit::is_clean)) have
//! none; if one does it all the same, the whole batch is taken back and runs again with a savepoint for every job.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use basalt_engine::{Boxed, RunError};
use basalt_types::{Oid, SqlError, SqlState, ValueRef};
use rusqlite::ffi;

use super::late::Late;
use super::{Desk, Job, Kind, Writer};
use crate::connection::context::Stop;
use crate::error::{self, Failure};
use crate::{keys, store};

/// How one run of a job ended.
enum Outcome {
    /// Its effects stand in the open transaction, or were taken back by its savepoint: this is its answer.
    Done(Result<Boxed, RunError>),
    /// SQLite rolled back everything, this job's effects and all others'; this job's answer is the error, unless it only took too
    /// long for a batch.
    AllLost(Option<RunError>),
    /// It takes longer than a batch allows one job, and was taken back: it is to run alone.
    TooLong,
    /// It failed without a savepoint and has written: the batch is to be taken back.
    Traces,
}

/// Which jobs of a batch get a savepoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Savepoints {
    /// Those that may need it.
    Some,
    /// All.
    All,
}

/// The longest one job may take among others.
const SLICE: Duration = Duration::from_millis(25);

impl Writer {
    /// Runs and answers a batch.
    #[allow(clippy::disallowed_methods)] // monotonic time: whether a rest is over
    pub(super) fn run(&mut self, jobs: Vec<Job>) {
        let mut waiting = self.accept(jobs);
        let mut savepoints = Savepoints::Some;
        while !waiting.is_empty() {
            // A lone job needs no savepoint, but it holds the writer for as long as it takes.
            if waiting.len() == 1 && self.turns.may_hold(Instant::now()) {
                waiting.into_iter().for_each(|job| self.hold(job));
                return;
            }
            waiting = self.run_together(waiting, &mut savepoints);
        }
    }

    /// Runs one batch of jobs that may take long; those without a turn wait for the next one.
    #[allow(clippy::disallowed_methods)] // monotonic time of a batch
    pub(super) fn run_once(&mut self, jobs: Vec<Job>) {
        let tried = self.accept(jobs);
        if !tried.is_empty() {
            let began = Instant::now();
            let back = self.run_together(tried, &mut Savepoints::All);
            self.turns.give_back(back);
            let took = began.elapsed();
            if took > SLICE {
                self.turns.tried(took);
            }
        }
    }

    /// Runs a job that has the writer for itself.
    pub(super) fn run_held(&mut self, job: Job) {
        self.accept(vec![job]).into_iter().for_each(|job| self.hold(job));
    }

    /// Answers jobs when nothing is written any more.
    fn accept(&mut self, jobs: Vec<Job>) -> Vec<Job> {
        if self.is_schema_foreign() {
            let advice = SqlError::new(SqlState::NOT_IN_PREREQUISITE_STATE, "the database file was changed by another program")
                .hint("Stop the server, undo the change or restore a backup, then start again.");
            self.fail_all(jobs, &advice);
            return Vec::new();
        }
        jobs
    }

    /// Runs a job alone and notes how long it held the writer.
    #[allow(clippy::disallowed_methods)] // monotonic time of a job
    fn hold(&mut self, job: Job) {
        let (who, habit) = (job.terms.who, std::sync::Arc::clone(&job.terms.habit));
        let began = Instant::now();
        let went_well = self.run_alone(job);
        let took = began.elapsed();
        // What ended at once because its time was over says nothing of its program.
        if took > SLICE || went_well {
            habit.note(took > SLICE);
        }
        if went_well {
            habit.went_well();
        }
        if took > SLICE {
            self.turns.held(who, took);
            self.shared.counters.jobs_long.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Runs several jobs in one transaction. Those that did not get their turn in time are given back; all are, when they have to run
    /// again with savepoints.
    #[allow(clippy::disallowed_methods)] // monotonic time bounds a batch
    fn run_together(&mut self, mut jobs: Vec<Job>, savepoints: &mut Savepoints) -> Vec<Job> {
        let started = Instant::now();
        let most = self.shared.options.max_queued_long_writes;
        if let Err(failure) = self.connection.execute("BEGIN IMMEDIATE") {
            self.fail_all(jobs, &failure.to_sql());
            return Vec::new();
        }
        let mut done: Vec<(Job, Result<Boxed, RunError>)> = Vec::with_capacity(jobs.len());
        let mut waiting = VecDeque::from(std::mem::take(&mut jobs));
        while let Some(job) = waiting.pop_front() {
            let outcome = self.run_among_others(&job, *savepoints);
            match &outcome {
                Outcome::TooLong | Outcome::AllLost(None) => job.terms.habit.note(true),
                Outcome::Done(Ok(_)) => job.terms.habit.note(false),
                Outcome::Traces => job.terms.habit.left_traces(),
                Outcome::Done(Err(_)) | Outcome::AllLost(Some(_)) => {}
            }
            match outcome {
                Outcome::Done(answer) => done.push((job, answer)),
                Outcome::TooLong => self.turns.put_alone(job, most),
                Outcome::Traces => {
                    self.rollback();
                    self.shared.counters.jobs_again.fetch_add(done.len() as u64 + 1, Ordering::Relaxed);
                    *savepoints = Savepoints::All;
                    return done.into_iter().map(|(job, _)| job).chain([job]).chain(waiting).collect();
                }
                Outcome::AllLost(error) => {
                    // The culprit has its answer or its place in the other queue; those before it run again, alone.
                    match error {
                        Some(error) => drop(job.reply.send(Err(error))),
                        None => self.turns.put_alone(job, most),
                    }
                    self.run_each_alone(done.into_iter().map(|(job, _)| job).collect());
                    return waiting.into();
                }
            }
            if started.elapsed() > self.shared.options.batch_time {
                break;
            }
        }
        match self.commit(done.len()) {
            Ok(()) => done.into_iter().for_each(|(job, answer)| drop(job.reply.send(answer))),
            Err(_) => self.run_each_alone(done.into_iter().map(|(job, _)| job).collect()),
        }
        waiting.into()
    }

    fn run_each_alone(&mut self, jobs: Vec<Job>) {
        self.shared.counters.jobs_again.fetch_add(jobs.len() as u64, Ordering::Relaxed);
        for job in jobs {
            self.run_alone(job);
        }
    }

    /// Runs one job in a transaction of its own. Says whether it went well.
    fn run_alone(&mut self, job: Job) -> bool {
        let answer = self.transact(&job);
        let went_well = answer.is_ok();
        let _ = job.reply.send(answer);
        went_well
    }

    fn transact(&mut self, job: &Job) -> Result<Boxed, RunError> {
        let is_schema = job.terms.kind == Kind::Schema;
        let kept = is_schema.then(|| self.shared.sequences.keep());
        let go_back = |writer: &Self| {
            if let Some(before) = kept {
                writer.shared.sequences.go_back(before);
                writer.connection.forget_statements();
            }
        };
        if let Err(failure) = self.connection.execute("BEGIN IMMEDIATE") {
            return Err(failure.to_sql().into());
        }
        let desk = self.desk(is_schema);
        let answer = self.run_task(&desk, job, job.terms.deadline);
        let answer = answer.and_then(|value| self.check_keys(&desk).map(|()| value).map_err(RunError::from));
        let catalog = desk.is_changed.get().then(|| desk.catalog());
        drop(desk);
        if answer.is_err() || job.terms.rollback {
            self.rollback();
            go_back(self);
            return answer;
        }
        if let Err(failure) = self.commit(1) {
            go_back(self);
            return Err(failure.to_sql().into());
        }
        if let Some(catalog) = catalog {
            // The schema's number is that of our own change from now on.
            if let Ok(version) = self.connection.integer("PRAGMA schema_version") {
                self.shared.schema_version.store(version, Ordering::Relaxed);
            }
            self.connection.forget_statements();
            self.shared.catalog.store(catalog);
            self.shared.programs.clear();
            self.shared.commits.fetch_add(1, Ordering::Release);
        }
        answer
    }

    #[allow(clippy::disallowed_methods)] // monotonic time bounds a job's part of a batch
    fn run_among_others(&mut self, job: &Job, savepoints: Savepoints) -> Outcome {
        let habit = &job.terms.habit;
        let has_savepoint = savepoints == Savepoints::All || job.terms.rollback || !habit.is_clean();
        if has_savepoint && let Err(failure) = self.connection.execute("SAVEPOINT job") {
            self.rollback();
            return Outcome::AllLost(Some(failure.to_sql().into()));
        }
        let written = self.connection.db().total_changes();
        let slice = Instant::now() + SLICE;
        let desk = self.desk(false);
        let answer = self.run_task(&desk, job, slice.min(job.terms.deadline));
        let is_too_long = answer.is_err() && slice < job.terms.deadline && self.connection.context().stopped() == Stop::Deadline;
        if !self.connection.in_transaction() {
            let error = answer.err().unwrap_or_else(|| SqlError::internal("a write ended its transaction").into());
            return Outcome::AllLost((!is_too_long).then_some(error));
        }
        let answer = answer.and_then(|value| self.check_keys(&desk).map(|()| value).map_err(RunError::from));
        drop(desk);
        if !has_savepoint {
            return match answer {
                Err(_) if self.connection.db().total_changes() != written => Outcome::Traces,
                Err(_) if is_too_long => Outcome::TooLong,
                answer => Outcome::Done(answer),
            };
        }
        if answer.is_ok() {
            habit.went_well();
        }
        let undone = if answer.is_err() || job.terms.rollback { self.connection.execute("ROLLBACK TO job") } else { Ok(()) };
        match undone.and_then(|()| self.connection.execute("RELEASE job")) {
            Ok(()) if is_too_long => Outcome::TooLong,
            Ok(()) => Outcome::Done(answer),
            Err(failure) => {
                self.rollback();
                Outcome::AllLost(Some(failure.to_sql().into()))
            }
        }
    }

    fn desk(&self, may_change_schema: bool) -> Desk<'_> {
        Desk {
            connection: &self.connection,
            shared: &self.shared,
            now: self.shared.options.clock.now(),
            before: &self.before,
            catalog: RefCell::new(self.shared.catalog.load_full()),
            is_changed: Cell::new(false),
            has_written: Cell::new(false),
            may_change_schema,
            notices: RefCell::default(),
            late: Late::default(),
            expressions: OnceCell::new(),
        }
    }

    #[allow(clippy::disallowed_methods)] // monotonic time against a deadline
    fn run_task(&self, desk: &Desk<'_>, job: &Job, until: Instant) -> Result<Boxed, RunError> {
        if Instant::now() >= job.terms.deadline {
            return Err(error::timeout().into());
        }
        let context = self.connection.context();
        let budget = job.terms.max_cost.map(|most| u32::try_from(most).unwrap_or(u32::MAX));
        context.begin(Some(until), budget, desk.now);
        let result = catch_unwind(AssertUnwindSafe(|| (job.task)(desk)));
        let stopped = context.stopped();
        context.end();
        match result {
            // However the task worded it: what ended it was the deadline.
            Ok(_) if stopped == Stop::Budget => Err(crate::engine::too_costly(job.terms.max_cost)),
            Ok(_) if stopped == Stop::Deadline => Err(error::timeout().into()),
            Ok(answer) => answer,
            Err(_) => {
                // The panic hook has logged where; the payload may hold a caller's data.
                self.shared.counters.panics.fetch_add(1, Ordering::Relaxed);
                tracing::error!("a write panicked");
                Err(SqlError::internal("a write failed inside the engine").into())
            }
        }
    }

    /// Keys that are still violated when a job ends are its error.
    fn check_keys(&self, desk: &Desk<'_>) -> Result<(), SqlError> {
        if !self.connection.in_transaction() {
            return Ok(());
        }
        desk.late.check(&self.connection, &desk.catalog(), true)?;
        if self.connection.has_foreign_key_violations() {
            return Err(keys::find_violation(&self.connection, &desk.catalog()));
        }
        Ok(())
    }

    fn rollback(&self) {
        if self.connection.in_transaction()
            && let Err(failure) = self.connection.execute("ROLLBACK")
        {
            tracing::error!(code = failure.code, "a rollback failed");
        }
    }

    /// Stores what moved, commits the work of so many jobs, and lets readers know. After an error nothing is open.
    #[allow(clippy::disallowed_methods)] // monotonic time of the commit
    fn commit(&self, jobs: usize) -> Result<(), Failure> {
        let moved = self.shared.sequences.dirty();
        let began = Instant::now();
        let result = self.store_sequences(&moved).and_then(|()| self.connection.execute("COMMIT"));
        match &result {
            Ok(()) => {
                self.pace.committed(began.elapsed(), jobs + self.queue.len());
                self.shared.sequences.stored(&moved);
                self.shared.is_writable.store(true, Ordering::Relaxed);
                self.shared.counters.commits.fetch_add(1, Ordering::Relaxed);
                self.shared.commits.fetch_add(1, Ordering::Release);
            }
            Err(failure) => {
                self.rollback();
                if matches!(failure.primary(), ffi::SQLITE_IOERR | ffi::SQLITE_CORRUPT | ffi::SQLITE_FULL) {
                    self.shared.is_writable.store(failure.primary() == ffi::SQLITE_FULL, Ordering::Relaxed);
                }
                tracing::warn!(code = failure.code, "a commit failed");
            }
        }
        result
    }

    fn store_sequences(&self, moved: &[(Oid, i64, bool)]) -> Result<(), Failure> {
        for (oid, last, is_called) in moved {
            self.connection.query(
                store::STORE_SEQUENCE,
                &[ValueRef::Int(i64::from(oid.0)), ValueRef::Int(*last), ValueRef::Int(i64::from(*is_called))],
            )?;
        }
        Ok(())
    }

    /// As part of no job.
    pub(super) fn store_sequences_alone(&self) -> Result<(), Failure> {
        if self.shared.sequences.dirty().is_empty() {
            return Ok(());
        }
        self.connection.execute("BEGIN IMMEDIATE")?;
        self.commit(0)
    }

    fn fail_all(&self, jobs: Vec<Job>, error: &SqlError) {
        for job in jobs {
            let _ = job.reply.send(Err(error.clone().into()));
        }
    }
}
