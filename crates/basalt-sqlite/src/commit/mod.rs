//! The one thread that writes: it takes what is queued, runs every job in a savepoint of one transaction, commits, then tells everybody.
//!
//! A job is a closure that can run again, because a batch may have to be taken apart: see [`batch`]. A job alone in its batch has a
//! transaction of its own, so a lone failure never reaches others. One that takes long leaves its batch and runs alone later; [`turns`]
//! says when. The log is emptied into the database by [`checkpoint`].

mod batch;
mod checkpoint;
mod gather;
mod late;
mod turns;

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use basalt_catalog::Catalog;
use basalt_engine::{Boxed, RunError};
use basalt_plan::expressions::ExprCache;
use basalt_types::{SqlError, Timestamp};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use gather::Pace;
use late::Late;
use turns::{Turns, Wait};

pub(crate) use late::{Doubt, LateMark, Owed};
pub(crate) use turns::Habit;

use crate::connection::Connection;
use crate::connection::context::Stop;
use crate::readers::{Readers, Slot};
use crate::shared::Shared;
use crate::{compile, error};

/// Most notices of functions kept for a migration.
const MOST_NOTICES: usize = 1000;

/// What a job sees while it runs: the connection inside the job's savepoint, and the catalog as far as the job itself changed it.
pub(crate) struct Desk<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) shared: &'a Arc<Shared>,
    /// The transaction's `now()`.
    pub(crate) now: Timestamp,
    /// Sees what was committed before this transaction: opened when first used.
    before: &'a RefCell<Option<Slot>>,
    catalog: RefCell<Arc<Catalog>>,
    is_changed: Cell<bool>,
    has_written: Cell<bool>,
    /// Whether the job is of [`Kind::Schema`].
    may_change_schema: bool,
    /// What RAISE NOTICE said.
    notices: RefCell<Vec<String>>,
    /// Constraints that wait for the end of the job.
    pub(crate) late: Late,
    /// Analysed expressions of catalogs that only this job knows.
    expressions: OnceCell<ExprCache>,
}

impl Desk<'_> {
    /// The catalog, with this job's changes.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.borrow())
    }

    /// Takes a changed catalog as this job's; it is published when the job is committed. Only in jobs of [`Kind::Schema`].
    pub(crate) fn set_catalog(&self, catalog: Arc<Catalog>) {
        *self.catalog.borrow_mut() = catalog;
        self.is_changed.set(true);
    }

    /// Whether this job may change catalog and tables.
    pub(crate) fn may_change_schema(&self) -> bool {
        self.may_change_schema
    }

    /// Keeps a notice, of a job that somebody will read them of.
    pub(crate) fn notice(&self, text: String) {
        let mut notices = self.notices.borrow_mut();
        if self.may_change_schema && notices.len() < MOST_NOTICES {
            notices.push(text);
        }
    }

    /// The notices so far.
    pub(crate) fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices.borrow_mut())
    }

    /// Notes that a statement of this job, which has more of them, has written.
    pub(crate) fn note_write(&self) {
        self.has_written.set(true);
    }

    /// Whether an earlier statement of this job has written.
    pub(crate) fn has_written(&self) -> bool {
        self.has_written.get()
    }

    /// Reads from the database as it was before this transaction: nothing that this job has written is there. What other jobs of the
    /// same batch have written is not there either; nobody has been told of it yet.
    ///
    /// # Errors
    /// The work's; what SQLite reports when there is no snapshot to be had.
    pub(crate) fn before<T>(&self, work: impl FnOnce(&Connection) -> Result<T, SqlError>) -> Result<T, SqlError> {
        let mut place = self.before.borrow_mut();
        let slot = match place.as_mut() {
            Some(slot) => slot,
            None => place.insert(Slot::open(self.shared)?),
        };
        slot.begin()?;
        let context = slot.connection.context();
        context.begin_as(self.connection.context());
        let result = work(&slot.connection);
        let was_stopped = context.stopped() != Stop::None;
        if was_stopped {
            self.connection.context().stop_as(context);
        }
        context.end();
        // A snapshot that rests would keep the log from beginning anew.
        slot.finish();
        result
    }

    /// Analysed expressions: the committed catalog's, or this job's own once it changed the catalog.
    pub(crate) fn expressions(&self) -> &ExprCache {
        if self.is_changed.get() { self.expressions.get_or_init(compile::expressions) } else { &self.shared.programs.expressions }
    }
}

/// Work of the writer. It may run several times; only the last run counts.
pub(crate) type Task = Arc<dyn Fn(&Desk<'_>) -> Result<Boxed, RunError> + Send + Sync>;

/// How a job may be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Together with others.
    Short,
    /// Alone: many rows or much time.
    Long,
    /// Alone, and it may change catalog and tables.
    Schema,
}

/// How a job is to be run.
pub(crate) struct Terms {
    pub(crate) kind: Kind,
    /// Take everything back in the end, though it went well.
    pub(crate) rollback: bool,
    /// 57014 after that.
    pub(crate) deadline: Instant,
    /// Equal for jobs of one caller, as far as that is known.
    pub(crate) who: u64,
    /// What is known of its program.
    pub(crate) habit: Arc<Habit>,
    /// Most it may cost, in thousands of steps.
    pub(crate) max_cost: Option<u64>,
}

impl Terms {
    /// The program's own work.
    pub(crate) fn new(kind: Kind, deadline: Instant) -> Self {
        Self { kind, rollback: false, deadline, who: 0, habit: Arc::default(), max_cost: None }
    }
}

pub(crate) struct Job {
    pub(crate) task: Task,
    pub(crate) terms: Terms,
    pub(crate) reply: oneshot::Sender<Result<Boxed, RunError>>,
}

/// The door to the writer's thread.
pub(crate) struct CommitQueue {
    sender: Mutex<Option<Sender<Job>>>,
    length: Receiver<Job>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl CommitQueue {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub(crate) fn start(connection: Connection, shared: Arc<Shared>, readers: Arc<Readers>) -> Result<Self, SqlError> {
        let (sender, receiver) = crossbeam_channel::bounded(shared.options.max_queued_writes.max(1));
        let length = receiver.clone();
        let thread = std::thread::Builder::new()
            .name("basalt-writer".into())
            .stack_size(crate::routine::STACK_BYTES)
            .spawn(move || Writer::new(connection, shared, readers, receiver).serve())
            .map_err(|_| SqlError::internal("no thread for the writer"))?;
        Ok(Self { sender: Mutex::new(Some(sender)), length, thread: Mutex::new(Some(thread)) })
    }

    /// Queues a job; the answer comes after its commit.
    ///
    /// # Errors
    /// 53300 when the queue is full, 57P01 when the engine is closing.
    pub(crate) fn submit(&self, task: Task, terms: Terms) -> Result<oneshot::Receiver<Result<Boxed, RunError>>, SqlError> {
        let (reply, answer) = oneshot::channel();
        let job = Job { task, terms, reply };
        match self.sender.lock().as_ref().map(|sender| sender.try_send(job)) {
            Some(Ok(())) => Ok(answer),
            Some(Err(TrySendError::Full(_))) => Err(error::too_many("writes")),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(error::closing()),
        }
    }

    /// Jobs that wait.
    pub(crate) fn len(&self) -> usize {
        self.length.len()
    }

    /// Takes no more jobs, ends those that wait, and lets the thread go.
    pub(crate) fn close(&self) {
        drop(self.sender.lock().take());
        if let Some(thread) = self.thread.lock().take() {
            // A panic of the thread was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// While jobs wait, those whose time is over are answered at least this often.
const LONGEST_LOOK_AWAY: Duration = Duration::from_millis(50);

/// The thread's own state.
struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    /// `PRAGMA data_version`: moves when another program commits.
    data_version: i64,
    /// WAL pages when a checkpoint was last tried.
    tried_at_pages: u64,
    /// Jobs that are not in the next batch.
    turns: Turns,
    /// The queue, to see how many wait.
    queue: Receiver<Job>,
    pace: Pace,
    /// See [`Desk::before`].
    before: RefCell<Option<Slot>>,
}

impl Writer {
    fn new(mut connection: Connection, shared: Arc<Shared>, readers: Arc<Readers>, queue: Receiver<Job>) -> Self {
        let seen = Arc::clone(&shared);
        let hooked = connection.db_mut().wal_hook(Some(checkpoint::count_pages(seen)));
        if let Err(error) = hooked {
            tracing::error!(%error, "the size of the log cannot be watched");
        }
        let data_version = connection.integer("PRAGMA data_version").unwrap_or(0);
        let pace = Pace::default();
        Self {
            connection,
            shared,
            readers,
            data_version,
            tried_at_pages: 0,
            turns: Turns::default(),
            queue,
            pace,
            before: RefCell::default(),
        }
    }

    #[allow(clippy::disallowed_methods)] // monotonic time: who waited long enough
    fn serve(mut self) {
        loop {
            let now = Instant::now();
            self.turns.end_expired(now);
            let first = match self.turns.wait(now) {
                Wait::Nothing => self.queue.recv().ok(),
                Wait::Now => self.queue.try_recv().ok(),
                Wait::Until(later) => match self.queue.recv_deadline(later.min(now + LONGEST_LOOK_AWAY)) {
                    Ok(job) => Some(job),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => {
                        self.turns.make_haste();
                        None
                    }
                },
            };
            if first.is_none() && self.turns.is_empty() {
                break;
            }
            let batch = self.gather(first);
            if !batch.is_empty() {
                self.turns.serve_short(Instant::now());
                self.run(batch);
            }
            let doubtful = self.turns.take_doubtful(now);
            if !doubtful.is_empty() {
                self.run_once(doubtful);
            }
            // As of the time before the queue was looked at: a short write that came meanwhile goes first.
            if let Some(job) = self.turns.next_long(now) {
                self.run_held(job);
            }
            self.checkpoint(self.queue.is_empty() && self.turns.is_empty());
        }
        self.leave();
    }

    /// The last thing: sequences that only failed transactions moved are stored, and the log is emptied.
    fn leave(self) {
        if let Err(failure) = self.store_sequences_alone() {
            tracing::warn!(code = failure.code, "sequences were not stored at the end");
        }
        self.before.take();
        self.readers.release_all();
        checkpoint::truncate(&self.connection);
    }

    /// Whether somebody else changed the schema since our own last change.
    fn is_schema_foreign(&mut self) -> bool {
        if self.shared.is_foreign.load(Ordering::Relaxed) {
            return true;
        }
        let known = self.shared.schema_version.load(Ordering::Relaxed);
        match (self.connection.integer("PRAGMA schema_version"), self.connection.integer("PRAGMA data_version")) {
            (Ok(found), Ok(data)) => {
                if data != self.data_version {
                    self.data_version = data;
                    self.shared.commits.fetch_add(1, Ordering::Release);
                    tracing::warn!("another program wrote to the database file; this is unsupported while the server runs");
                }
                if found != known {
                    tracing::error!("another program changed the tables of the database file; nothing is written any more");
                    self.shared.is_foreign.store(true, Ordering::Relaxed);
                    return true;
                }
                false
            }
            // A disk that fails shows in what follows.
            _ => false,
        }
    }
}
