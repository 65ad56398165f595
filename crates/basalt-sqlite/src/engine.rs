//! The engine's door: opening, closing, and the [`Engine`] trait over readers and writer.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use basalt_catalog::Catalog;
use basalt_engine::{
    Answer, Batch, BatchError, BoxFuture, Boxed, Claim, Claimed, Engine, EngineFigures, Explain, Run, RunError, Work,
};
use basalt_types::{Session, SqlError};
use tokio::sync::oneshot;

use crate::commit::{CommitQueue, Kind, Task, Terms};
use crate::connection::{Connection, Use};
use crate::error;
use crate::functions::Services;
use crate::options::SqliteOptions;
use crate::own::Own;
use crate::programs::{Programs, Ready, ReadyRead};
use crate::readers::Readers;
use crate::readers::answer::{self, Early};
use crate::receipts::Keys;
use crate::sequences::Sequences;
use crate::shared::{Counters, Shared};
use crate::{migrate, refusal, store, write};

/// How much a read may do where its request is, in checks of 1000 virtual machine steps: about a fifth of a millisecond.
const NEAR_BUDGET: u32 = 20;

/// Longest time of a transaction on the surfaces' own tables.
const OWN_TIMEOUT: Duration = Duration::from_secs(15);

/// A payload longer than this is written alone: it has many rows.
pub(crate) const LONG_PAYLOAD_BYTES: usize = 256 << 10;

/// A database in one SQLite file.
///
/// Opened once per file and process; the program makes sure, by its own lock, that no second server has the folder.
pub struct SqliteEngine {
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    queue: CommitQueue,
}

impl SqliteEngine {
    /// Opens a database file, making it with everything a new project has (roles, schemas, auth's tables) when it is new or empty.
    ///
    /// # Errors
    /// 55000 with advice when the file is not Basalt's, was written by a later version, or its tables were changed by another
    /// program; 58030 and others from the disk.
    pub fn open(options: SqliteOptions) -> Result<Arc<Self>, SqlError> {
        let sequences = Arc::new(Sequences::default());
        let services =
            Services { rng: Arc::clone(&options.rng), clock: Arc::clone(&options.clock), sequences: Arc::clone(&sequences) };
        let writer = Connection::open(&options, Use::Write, &services)?;
        let is_new = store::examine(&writer)? == store::Found::Empty;
        let catalog = if is_new { in_transaction(&writer, create)? } else { store::load(&writer, &sequences)? };
        if store::needs_upgrade(&writer)? {
            in_transaction(&writer, store::upgrade)?;
        }
        if store::needs_reindex(&writer)? {
            in_transaction(&writer, |writer| Ok(store::reindex(writer)?))?;
        }
        let schema_version = writer.integer("PRAGMA schema_version")?;
        let shared = Arc::new(Shared {
            options,
            services,
            catalog: ArcSwap::from_pointee(catalog),
            commits: AtomicU64::new(1),
            sequences,
            programs: Programs::default(),
            is_writable: AtomicBool::new(true),
            schema_version: AtomicI64::new(schema_version),
            is_foreign: AtomicBool::new(false),
            wal_pages: AtomicU64::new(0),
            counters: Counters::default(),
            keys: Keys::default(),
        });
        let readers = Readers::start(Arc::clone(&shared))?;
        let queue = CommitQueue::start(writer, Arc::clone(&shared), Arc::clone(&readers))?;
        let engine = Arc::new(Self { shared, readers, queue });
        engine.bootstrap()?;
        Ok(engine)
    }

    /// Brings the parts that Basalt itself owns to this version, in a new file all of them.
    fn bootstrap(&self) -> Result<(), SqlError> {
        let expose = self.shared.options.auto_expose_new_tables;
        let task: Task = Arc::new(move |desk| {
            migrate::bootstrap(desk, expose)?;
            Ok(Box::new(()))
        });
        self.wait(task, Kind::Schema, false, migrate::TIMEOUT).map(drop)
    }

    /// Ends what runs, empties the log, closes the file. Later requests are 57P01.
    pub fn close(&self) {
        self.queue.close();
        self.readers.close();
    }

    /// Runs a writer's task and waits for its commit. Not for async code.
    #[allow(clippy::disallowed_methods)] // monotonic time for a deadline
    pub(crate) fn wait(&self, task: Task, kind: Kind, rollback: bool, timeout: Duration) -> Result<Boxed, SqlError> {
        let answer = self.queue.submit(task, Terms { rollback, ..Terms::new(kind, Instant::now() + timeout) })?;
        flat(answer.blocking_recv())
    }

    async fn answer(&self, run: Run, ready: Ready) -> Result<Answer, RunError> {
        match ready {
            Ready::Read(ready) if ready.may_write() => self.call(run, ready).await,
            ready @ Ready::Read(_) => self.read(run, ready).await,
            ready @ Ready::Write(_) => self.write(run, ready).await,
        }
    }

    /// Says how a program would be run, or was.
    async fn explain(&self, run: Run, ready: Ready, explain: Explain) -> Result<Answer, RunError> {
        let rows = if explain.analyze {
            match self.answer(Run { explain: None, ..run.clone() }, ready.clone()).await {
                Ok(answer) => Some(answer.rows),
                Err(RunError::NotSingular(rows)) if matches!(ready, Ready::Read(_)) => Some(rows),
                Err(error) => return Err(error),
            }
        } else {
            None
        };
        let (reply, answer) = oneshot::channel();
        self.readers.submit(Box::new(move |slot| {
            let _ = reply.send(crate::explain::answer(slot, &run, &ready, explain, rows));
        }))?;
        let body = answer.await.map_err(|_| self.readers.dropped())??;
        Ok(Answer { body, ..Answer::default() })
    }

    async fn write(&self, run: Run, ready: Ready) -> Result<Answer, RunError> {
        let Ready::Write(ready) = ready else { return Err(SqlError::internal("a read went to the writer").into()) };
        let is_long = run.payload.as_ref().is_some_and(|p| p.len() > LONG_PAYLOAD_BYTES);
        let kind = if is_long { Kind::Long } else { Kind::Short };
        let habit = Arc::clone(&ready.habit);
        let terms = Terms {
            kind,
            rollback: run.rollback,
            deadline: run.limits.deadline,
            who: caller(&run.session),
            habit,
            max_cost: run.limits.max_cost,
        };
        let task: Task = Arc::new(move |desk| {
            if desk.catalog().version() != run.plan.catalog_version {
                return Err(RunError::StalePlan);
            }
            let answer = write::answer(desk, &run, &ready);
            answer.map(|answer| Box::new(answer) as Boxed).map_err(|e| refusal::told(&run, &desk.catalog(), desk.now, e))
        });
        let boxed = self.queue.submit(task, terms)?.await.map_err(|_| error::closing())??;
        boxed.downcast::<Answer>().map(|b| *b).map_err(|_| SqlError::internal("a write answered with another value").into())
    }

    /// Calls a function that may write.
    async fn call(&self, run: Run, ready: Arc<ReadyRead>) -> Result<Answer, RunError> {
        let terms = Terms {
            rollback: run.rollback,
            who: caller(&run.session),
            max_cost: run.limits.max_cost,
            ..Terms::new(Kind::Long, answer::deadline(&run, &ready))
        };
        let task: Task = Arc::new(move |desk| {
            if desk.catalog().version() != run.plan.catalog_version {
                return Err(RunError::StalePlan);
            }
            answer::inside(desk, &run, &ready).map(|answer| Box::new(answer) as Boxed)
        });
        let boxed = self.queue.submit(task, terms)?.await.map_err(|_| error::closing())??;
        boxed.downcast::<Answer>().map(|b| *b).map_err(|_| SqlError::internal("a call answered with another value").into())
    }

    async fn read(&self, run: Run, ready: Ready) -> Result<Answer, RunError> {
        let (reply, answer) = oneshot::channel();
        // When this future is dropped, the client is gone: the read ends.
        let gone = CancelOnDrop::default();
        let flag = Arc::clone(&gone.0);
        self.readers.submit(Box::new(move |slot| {
            let Ready::Read(ready) = ready else { return };
            if reply.is_closed() {
                return;
            }
            slot.connection.context().set_cancelled(Some(flag));
            let result = answer::read(slot, &run, &ready, budget(&run));
            slot.connection.context().set_cancelled(None);
            let result = match result {
                Ok(answer) => Ok(answer),
                Err(Early::Failed(error)) => {
                    let shared = &slot.shared;
                    Err(refusal::told(&run, &shared.catalog.load(), shared.options.clock.now(), error))
                }
                Err(Early::OverBudget) => Err(too_costly(run.limits.max_cost)),
            };
            let _ = reply.send(result);
        }))?;
        answer.await.map_err(|_| self.readers.dropped())?
    }

    /// The error that a refused run is answered with.
    fn told(&self, run: &Run, error: RunError) -> RunError {
        refusal::told(run, &self.shared.catalog.load(), self.shared.options.clock.now(), error)
    }

    pub(crate) fn ready(&self, run: &Run) -> Result<Ready, RunError> {
        let catalog = self.shared.catalog.load();
        if run.plan.catalog_version != catalog.version() {
            return Err(RunError::StalePlan);
        }
        Ok(self.shared.programs.of(&run.plan, &run.session.role, &catalog)?)
    }
}

impl Drop for SqliteEngine {
    fn drop(&mut self) {
        self.close();
    }
}

/// Says, when dropped, that nobody waits any more.
#[derive(Default)]
pub(crate) struct CancelOnDrop(pub(crate) Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many checks of [`crate::connection::context::STEPS_PER_CHECK`] steps a run may take: a check is what it costs.
pub(crate) fn budget(run: &Run) -> Option<u32> {
    run.limits.max_cost.map(|most| u32::try_from(most).unwrap_or(u32::MAX))
}

/// What a run that used up its budget answers.
pub(crate) fn too_costly(max_cost: Option<u64>) -> RunError {
    RunError::TooCostly { most: max_cost.unwrap_or_default(), cost: None }
}

/// A number for the caller, as far as the engine knows callers: the role and whom the token names.
pub(crate) fn caller(session: &Session) -> u64 {
    let mut hasher = DefaultHasher::new();
    (session.role.as_str(), session.claims.as_ref().and_then(|claims| claims.sub())).hash(&mut hasher);
    hasher.finish()
}

fn flat(received: Result<Result<Boxed, RunError>, oneshot::error::RecvError>) -> Result<Boxed, SqlError> {
    match received {
        Ok(Ok(boxed)) => Ok(boxed),
        Ok(Err(RunError::Sql(error))) => Err(error),
        Ok(Err(other)) => Err(SqlError::internal(format!("a transaction ended with {other:?}"))),
        Err(_) => Err(error::closing()),
    }
}

/// A new file's tables and empty catalog.
fn create(writer: &Connection) -> Result<Catalog, SqlError> {
    store::create(writer)?;
    let catalog = basalt_sql::bootstrap::empty_catalog();
    store::save(writer, &Catalog::new(), &catalog)?;
    Ok(catalog)
}

fn in_transaction<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T, SqlError>) -> Result<T, SqlError> {
    connection.execute("BEGIN IMMEDIATE")?;
    let result = work(connection).and_then(|value| {
        connection.execute("COMMIT")?;
        Ok(value)
    });
    if result.is_err() && connection.in_transaction() {
        let _ = connection.execute("ROLLBACK");
    }
    result
}

impl Engine for SqliteEngine {
    fn catalog(&self) -> Arc<Catalog> {
        self.shared.catalog.load_full()
    }

    fn run(&self, run: Run) -> BoxFuture<'_, Result<Answer, RunError>> {
        Box::pin(async move {
            let ready = self.ready(&run).map_err(|error| self.told(&run, error))?;
            if let Some(explain) = run.explain.as_deref().copied() {
                return self.explain(run, ready, explain).await;
            }
            self.answer(run, ready).await
        })
    }

    fn run_batch(&self, batch: Batch) -> BoxFuture<'_, Result<Vec<Answer>, BatchError>> {
        Box::pin(self.batch(batch))
    }

    fn run_claimed(&self, batch: Batch, claim: Claim) -> BoxFuture<'_, Result<Claimed, BatchError>> {
        Box::pin(self.claimed(batch, claim))
    }

    fn run_now(&self, run: &Run) -> Option<Result<Answer, RunError>> {
        let mut near = self.readers.near()?;
        let slot = near.slot()?;
        let kept = slot.ready(&run.plan, &run.session.role);
        let ready = match kept {
            Some(ready) => ready,
            None => match self.ready(run) {
                Ok(Ready::Read(ready)) if ready.program.short => {
                    let own = Arc::new(ready.own());
                    slot.keep_ready(&run.plan, &run.session.role, &own);
                    own
                }
                Ok(_) => return None,
                Err(error) => return Some(Err(self.told(run, error))),
            },
        };
        let result = answer::read(slot, run, &ready, Some(budget(run).map_or(NEAR_BUDGET, |own| own.min(NEAR_BUDGET))));
        match result {
            Ok(answer) => {
                self.shared.counters.reads_near.fetch_add(1, Ordering::Relaxed);
                Some(Ok(answer))
            }
            Err(Early::Failed(error)) => Some(Err(self.told(run, error))),
            Err(Early::OverBudget) => {
                self.shared.counters.reads_moved.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    #[allow(clippy::disallowed_methods)] // monotonic time for a deadline
    fn transaction_boxed(&self, work: Work<Boxed>) -> BoxFuture<'_, Result<Boxed, SqlError>> {
        Box::pin(async move {
            let task: Task = Arc::new(move |desk| Ok(work(&mut Own::writing(desk))?));
            flat(self.queue.submit(task, Terms::new(Kind::Short, Instant::now() + OWN_TIMEOUT))?.await)
        })
    }

    #[allow(clippy::disallowed_methods)] // monotonic time for a deadline
    fn snapshot_boxed(&self, work: Work<Boxed>) -> BoxFuture<'_, Result<Boxed, SqlError>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            self.readers.submit(Box::new(move |slot| {
                if reply.is_closed() {
                    return;
                }
                let now = slot.shared.options.clock.now();
                let result = slot.begin().map_err(SqlError::from).and_then(|_| {
                    slot.connection.context().begin(Some(Instant::now() + OWN_TIMEOUT), None, now);
                    let result = work(&mut Own::reading(slot, now));
                    slot.connection.context().end();
                    result
                });
                let _ = reply.send(result);
            }))?;
            answer.await.map_err(|_| self.readers.dropped())?
        })
    }

    fn is_ready(&self) -> bool {
        self.shared.is_writable.load(Ordering::Relaxed) && !self.shared.is_foreign.load(Ordering::Relaxed)
    }

    fn figures(&self) -> EngineFigures {
        let counters = &self.shared.counters;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        #[allow(clippy::cast_precision_loss)] // figures
        let gauge = |n: u64| n as f64;
        EngineFigures {
            gauges: vec![
                ("writer_queue_length", gauge(self.queue.len() as u64)),
                ("reader_queue_length", gauge(self.readers.len() as u64)),
                ("wal_pages", gauge(get(&self.shared.wal_pages))),
                ("catalog_version", gauge(self.shared.catalog.load().version())),
            ],
            counters: vec![
                ("commits", get(&counters.commits)),
                ("writes", get(&counters.jobs)),
                ("writes_repeated", get(&counters.jobs_again)),
                ("writes_long", get(&counters.jobs_long)),
                ("reads", get(&counters.reads)),
                ("reads_in_place", get(&counters.reads_near)),
                ("reads_moved_to_pool", get(&counters.reads_moved)),
                ("snapshots", get(&counters.snapshots)),
                ("checkpoints", get(&counters.checkpoints)),
                ("panics", get(&counters.panics)),
            ],
        }
    }
}

impl SqliteEngine {
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn queue(&self) -> &CommitQueue {
        &self.queue
    }

    pub(crate) fn readers(&self) -> &Readers {
        &self.readers
    }
}
