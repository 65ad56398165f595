//! The door between surfaces and drivers: the [`Engine`] trait, what it is given and what it answers. No driver here.
//!
//! A surface holds an `Arc<dyn Engine>`. It resolves requests into [`Plan`]s and calls [`Engine::run`]; its own tables (auth, later
//! storage and queues) it reaches through [`Engine::transaction`] with statements written in PostgreSQL's SQL, the same text for
//! every engine.

pub mod batch;
pub mod bulk;
pub mod migrate;
pub mod receipt;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use basalt_catalog::Catalog;
use basalt_plan::plan::{Literals, Plan};
use basalt_types::{Session, SqlError, Timestamp, Value};
use bytes::Bytes;

pub use batch::{Batch, BatchError, Step};
pub use receipt::{Claim, Claimed, Reply};

/// A boxed future, as trait objects need.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One request to run.
#[derive(Debug, Clone)]
pub struct Run {
    /// Who asks.
    pub session: Session,
    /// What.
    pub plan: Arc<Plan>,
    /// Its values.
    pub literals: Literals,
    /// The body of a write, as received: a JSON object or array of objects.
    pub payload: Option<Bytes>,
    /// Bounds.
    pub limits: Limits,
    /// Roll back instead of committing (`Prefer: tx=rollback`, where allowed).
    pub rollback: bool,
    /// The time zone that moments are shown and read in (`Prefer: timezone=…`); `None`: UTC on SQLite, the role's own on PostgreSQL.
    /// One that does not exist is 22023 `invalid value for parameter "TimeZone": "…"`.
    pub timezone: Option<Arc<str>>,
    /// Answer how the statement would be run instead of its rows. Boxed: it is rare.
    pub explain: Option<Box<Explain>>,
}

/// How a statement is to be explained. What an engine cannot tell is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)] // EXPLAIN's own options
pub struct Explain {
    /// A JSON document instead of lines of text.
    pub json: bool,
    /// Run it, and say what was found. Effects are those of running it.
    pub analyze: bool,
    /// More about each node.
    pub verbose: bool,
    /// Settings that differ from their defaults.
    pub settings: bool,
    /// Pages read and written.
    pub buffers: bool,
    /// Log written.
    pub wal: bool,
}

/// Bounds of one statement.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// When the statement must have ended: 57014 after that.
    pub deadline: Instant,
    /// Longest body, bytes: 54000 beyond.
    pub max_response_bytes: usize,
    /// Most that it may cost, in the engine's own measure: what PostgreSQL's planner estimates, thousands of SQLite's virtual machine
    /// steps. [`RunError::TooCostly`] beyond.
    pub max_cost: Option<u64>,
}

impl Limits {
    /// A deadline from now, and a body bound. The cost is not bounded.
    #[allow(clippy::disallowed_methods)] // monotonic time for a deadline, not a date
    pub fn within(timeout: Duration, max_response_bytes: usize) -> Self {
        Self { deadline: Instant::now() + timeout, max_response_bytes, max_cost: None }
    }
}

/// What a plan answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The body in the plan's output format; empty for [`basalt_plan::plan::Output::None`]. Of [`Run::explain`]: the explanation.
    pub body: Bytes,
    /// Rows in the body, or rows affected when there is none.
    pub rows: u64,
    /// Of an upsert, how many rows met no existing one (the rest were updated).
    pub inserted: u64,
    /// The total, when asked.
    pub total: Option<u64>,
    /// Values of the first written row's key columns as text (NULL: none), in the order of the plan's `location`.
    pub location: Vec<Option<String>>,
    /// What code in the database set as `response.status` in the transaction.
    pub response_status: Option<String>,
    /// What it set as `response.headers`.
    pub response_headers: Option<String>,
}

/// Why a plan did not answer.
#[derive(Debug, Clone, PartialEq)]
pub enum RunError {
    /// The database refused or failed.
    Sql(SqlError),
    /// The plan was made for another catalog version: resolve again.
    StalePlan,
    /// [`basalt_plan::plan::Output::Object`] matched this many rows instead of one. Nothing was changed.
    NotSingular(u64),
    /// More rows than `max_affected`. Nothing was changed.
    TooManyAffected(u64),
    /// PUT did not affect exactly one row. Nothing was changed.
    PutNotSingle,
    /// A value that is to come from an earlier answer of the batch is not there, or is none that can stand in its place. Says why.
    NoReference(String),
    /// What was said of the rows that are to be written does not hold. Nothing was changed.
    PreconditionFailed,
    /// A request with the same key is under way.
    KeyInUse,
    /// The key was used with another request.
    KeyOfAnother,
    /// The caller has so many receipts already.
    TooManyReceipts(u64),
    /// This database has no place for receipts, or the login may not use it. Says what to do.
    NoReceipts(String),
    /// It costs more than [`Limits::max_cost`]. Nothing was changed.
    TooCostly {
        /// The bound.
        most: u64,
        /// What it was estimated to cost; nothing when it was stopped on the way.
        cost: Option<u64>,
    },
    /// A read of a batch begins behind the last row; says where, and how many there are.
    OutOfRange {
        /// The offset.
        offset: i128,
        /// The rows.
        total: u64,
    },
}

impl From<SqlError> for RunError {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

/// Rows of an own-table statement, in storage form.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Values, row by row, in the order of the select or RETURNING list.
    pub rows: Vec<Vec<Value>>,
    /// Rows affected by a write without RETURNING.
    pub affected: u64,
}

/// A transaction over the surfaces' own tables, run as the owner of the database: no grants, no policies apply.
pub trait Transaction {
    /// Runs one statement of PostgreSQL's SQL with `$n` parameters. The text must be a constant: it is compiled once and cached by
    /// its address and length; values are never put into the text. Triggers and constraints act as for anybody.
    ///
    /// # Errors
    /// As PostgreSQL would report them.
    fn query(&mut self, sql: &'static str, params: &[Value]) -> Result<Rows, SqlError>;

    /// The transaction's `now()`.
    fn now(&self) -> Timestamp;
}

/// Work inside a transaction. It may run more than once (the whole batch it was committed with can be repeated), so it must not have
/// effects outside the transaction; what it returns is taken from the run that was committed.
pub type Work<T> = Arc<dyn Fn(&mut dyn Transaction) -> Result<T, SqlError> + Send + Sync>;

/// Type-erased result of [`Work`].
pub type Boxed = Box<dyn std::any::Any + Send>;

/// What `/metrics` shows of an engine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EngineFigures {
    /// Name and value, e.g. `("writer_queue_length", 3.0)`.
    pub gauges: Vec<(&'static str, f64)>,
    /// Counters since start.
    pub counters: Vec<(&'static str, u64)>,
}

/// A database.
pub trait Engine: Send + Sync + 'static {
    /// The current catalog.
    fn catalog(&self) -> Arc<Catalog>;

    /// Runs a plan as one transaction under the session's role, guarded. A 2xx may be given for a write only after this returned:
    /// the commit has been synced then.
    fn run(&self, run: Run) -> BoxFuture<'_, Result<Answer, RunError>>;

    /// Runs several plans as one transaction; see [`Batch`]. One answer a step, given after the commit has been synced.
    fn run_batch(&self, batch: Batch) -> BoxFuture<'_, Result<Vec<Answer>, BatchError>>;

    /// Runs a batch once for its key, and keeps its answer in the same transaction; see [`receipt`]. A batch without steps only looks for
    /// the receipt. What fails leaves none. The batch's `rollback` does not count.
    fn run_claimed(&self, batch: Batch, claim: Claim) -> BoxFuture<'_, Result<Claimed, BatchError>>;

    /// Tries to answer a read right here, without waiting: only for plans the engine has marked short. `None`: use [`Engine::run`].
    fn run_now(&self, run: &Run) -> Option<Result<Answer, RunError>>;

    /// A request named something that the catalog does not have: looks whether the database has it by now. Whether the catalog has
    /// become another, so that trying again may do better. An engine whose catalog is always true to its tables has nothing to look
    /// for; others bound how often they look, whatever requests name.
    fn refresh(&self) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(false))
    }

    /// Runs work on the surfaces' own tables as one durable transaction. See [`transaction`] for the typed form.
    fn transaction_boxed(&self, work: Work<Boxed>) -> BoxFuture<'_, Result<Boxed, SqlError>>;

    /// Runs read-only work on the surfaces' own tables from a snapshot; a write inside is 25006.
    fn snapshot_boxed(&self, work: Work<Boxed>) -> BoxFuture<'_, Result<Boxed, SqlError>>;

    /// Up and able to write.
    fn is_ready(&self) -> bool;

    /// Figures for monitoring.
    fn figures(&self) -> EngineFigures;
}

/// Runs work as one durable transaction.
///
/// # Errors
/// What the work or the commit reports.
pub async fn transaction<T, F>(engine: &dyn Engine, work: F) -> Result<T, SqlError>
where
    T: Send + 'static,
    F: Fn(&mut dyn Transaction) -> Result<T, SqlError> + Send + Sync + 'static,
{
    unbox(engine.transaction_boxed(Arc::new(move |tx| Ok(Box::new(work(tx)?) as Boxed))).await?)
}

/// Runs read-only work from a snapshot.
///
/// # Errors
/// What the work reports.
pub async fn snapshot<T, F>(engine: &dyn Engine, work: F) -> Result<T, SqlError>
where
    T: Send + 'static,
    F: Fn(&mut dyn Transaction) -> Result<T, SqlError> + Send + Sync + 'static,
{
    unbox(engine.snapshot_boxed(Arc::new(move |tx| Ok(Box::new(work(tx)?) as Boxed))).await?)
}

fn unbox<T: 'static>(boxed: Boxed) -> Result<T, SqlError> {
    boxed.downcast::<T>().map(|b| *b).map_err(|_| SqlError::internal("an engine answered with a value of another type"))
}
