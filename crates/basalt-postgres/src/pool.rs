//! Connections that are kept, in lanes: a thread that serves requests has its own, so that a connection is driven where it is used.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use basalt_types::{RoleName, SqlError, SqlState};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio_postgres::{Client, Statement};

use crate::connect::Target;
use crate::error;
use crate::options::PostgresOptions;
use crate::short::{Kept, Loan};

/// Statements kept on one connection. Each costs the server some kilobytes.
const MOST_STATEMENTS: usize = 500;

/// The longest a connection is given to come to rest after its request was given up.
const REST_TIMEOUT: Duration = Duration::from_secs(5);

/// After so long without use a connection is looked at before it is used.
const LONG_REST: Duration = Duration::from_millis(50);

/// Waits between attempts to connect, from the first failure on.
const BACKOFF: [Duration; 5] =
    [Duration::ZERO, Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// What a prepared statement is kept by. The role belongs to it, because names are looked up with its rights when it is prepared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A plan for a role.
    Plan(u64, RoleName),
    /// A constant text, by address and length.
    Text(usize, usize),
    /// The statement that begins every request.
    Setup,
}

/// A connection with what was prepared on it.
pub(crate) struct Connection {
    pub(crate) client: Client,
    driver: AbortHandle,
    pub(crate) statements: HashMap<Key, Statement>,
    /// The catalog the statements were prepared for.
    pub(crate) catalog_version: u64,
    opened: Instant,
    /// When it was last given back.
    rested: Instant,
}

impl Connection {
    /// A statement prepared before for this catalog.
    pub(crate) fn prepared(&mut self, key: &Key, catalog_version: u64) -> Option<Statement> {
        if self.catalog_version != catalog_version {
            self.statements.clear();
            self.catalog_version = catalog_version;
        }
        self.statements.get(key).cloned()
    }

    /// Keeps a statement.
    pub(crate) fn keep(&mut self, key: Key, statement: &Statement) {
        if self.statements.len() >= MOST_STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(key, statement.clone());
    }
}

/// Failures to connect, one after the other.
#[derive(Debug, Default)]
struct Failures {
    count: usize,
    last: Option<(Instant, SqlError)>,
}

#[derive(Default)]
struct Counts {
    opened: AtomicU64,
    discarded: AtomicU64,
    waited: AtomicU64,
    cancelled: AtomicU64,
    timeouts: AtomicU64,
    waiting: AtomicU64,
}

struct Lane {
    idle: Mutex<Vec<Connection>>,
    /// Those of the common request; they count towards the same limit.
    kept: Mutex<Vec<Kept>>,
    size: usize,
    permits: Arc<Semaphore>,
}

impl Lane {
    /// Whether, with what this caller is about to open, there are too many connections.
    fn is_full(&self) -> bool {
        let used = self.size.saturating_sub(self.permits.available_permits());
        used + self.idle.lock().len() + self.kept.lock().len() > self.size
    }
}

/// How long connections are kept; `None`: as long as they are good.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ages {
    pub(crate) idle: Option<Duration>,
    pub(crate) life: Option<Duration>,
}

impl Ages {
    fn are_past(self, opened: Instant, rested: Instant) -> bool {
        self.idle.is_some_and(|most| rested.elapsed() > most) || self.life.is_some_and(|most| opened.elapsed() > most)
    }
}

pub(crate) struct Pool {
    ages: Ages,
    /// A pooler of transactions stands in between: nothing is asked to be cancelled there.
    is_pooled: bool,
    target: Target,
    lanes: Vec<Lane>,
    timeout: Duration,
    failures: Mutex<Failures>,
    counts: Counts,
}

impl Pool {
    pub(crate) fn new(target: Target, size: usize, lanes: usize, timeout: Duration) -> Arc<Self> {
        Self::aging(target, (size, lanes), timeout, Ages::default(), false)
    }

    /// A pool for requests, with connections that are closed at some age.
    pub(crate) fn of(target: Target, options: &PostgresOptions, is_pooled: bool) -> Arc<Self> {
        let ages = Ages { idle: options.max_idle, life: options.max_life };
        Self::aging(target, (options.pool_size, options.lanes), options.pool_timeout, ages, is_pooled)
    }

    fn aging(target: Target, (size, lanes): (usize, usize), timeout: Duration, ages: Ages, is_pooled: bool) -> Arc<Self> {
        let lanes = lanes.clamp(1, size.max(1));
        let each = (size / lanes).max(1);
        let lane =
            |_| Lane { idle: Mutex::default(), kept: Mutex::default(), size: each, permits: Arc::new(Semaphore::new(each)) };
        Arc::new(Self {
            ages,
            is_pooled,
            target,
            lanes: (0..lanes).map(lane).collect(),
            timeout,
            failures: Mutex::default(),
            counts: Counts::default(),
        })
    }

    /// A free connection of this thread's lane, a new one when there is none.
    ///
    /// # Errors
    /// [`SqlState::POOL_TIMEOUT`] when none became free in time; why a new one could not be had.
    pub(crate) async fn lease(self: &Arc<Self>) -> Result<Lease, SqlError> {
        let (number, lane) = self.lane()?;
        let permit = self.permit(lane).await?;
        loop {
            let idle = lane.idle.lock().pop();
            match idle {
                Some(connection) if connection.client.is_closed() || self.ages.are_past(connection.opened, connection.rested) => {
                    self.discard(connection)
                }
                Some(connection) => return Ok(Lease::new(self, number, permit, connection)),
                None => break,
            }
        }
        if lane.is_full() {
            // One of the other kind makes room.
            let other = lane.kept.lock().pop();
            self.counts.discarded.fetch_add(u64::from(other.is_some()), Ordering::Relaxed);
        }
        let connection = self.open().await?;
        Ok(Lease::new(self, number, permit, connection))
    }

    /// The same for the common request.
    ///
    /// # Errors
    /// As [`Self::lease`].
    pub(crate) async fn lend(self: &Arc<Self>) -> Result<Loan, SqlError> {
        let (number, lane) = self.lane()?;
        let permit = self.permit(lane).await?;
        loop {
            let idle = lane.kept.lock().pop();
            let Some(mut kept) = idle else { break };
            if kept.rested.elapsed() > LONG_REST {
                // What the server may have said meanwhile is known after the runtime has looked.
                tokio::task::yield_now().await;
            }
            kept.wire.look();
            if !kept.wire.is_closed() && !self.ages.are_past(kept.opened, kept.rested) {
                return Ok(Loan::new(self, number, permit, kept));
            }
            self.count_discarded();
        }
        if lane.is_full() {
            let other = lane.idle.lock().pop();
            self.counts.discarded.fetch_add(u64::from(other.is_some()), Ordering::Relaxed);
        }
        self.check_backoff()?;
        let wire = self.target.connect_wire().await;
        let wire = self.noted(wire)?;
        Ok(Loan::new(self, number, permit, Kept::new(wire)))
    }

    fn lane(&self) -> Result<(usize, &Lane), SqlError> {
        let number = lane_number() % self.lanes.len().max(1);
        let lane = self.lanes.get(number).ok_or_else(|| SqlError::internal("a pool without lanes"))?;
        Ok((number, lane))
    }

    /// Leave to use a connection of a lane, when there is room.
    async fn permit(&self, lane: &Lane) -> Result<OwnedSemaphorePermit, SqlError> {
        match Arc::clone(&lane.permits).try_acquire_owned() {
            Ok(permit) => Ok(permit),
            Err(_) => {
                self.counts.waited.fetch_add(1, Ordering::Relaxed);
                let _counted = Waiting::of(&self.counts.waiting);
                match tokio::time::timeout(self.timeout, Arc::clone(&lane.permits).acquire_owned()).await {
                    Ok(Ok(permit)) => Ok(permit),
                    Ok(Err(_)) => Err(SqlError::new(SqlState::ADMIN_SHUTDOWN, "the server is closing")),
                    Err(_) => {
                        self.counts.timeouts.fetch_add(1, Ordering::Relaxed);
                        Err(SqlError::new(SqlState::POOL_TIMEOUT, "no database connection became free in time"))
                    }
                }
            }
        }
    }

    #[allow(clippy::disallowed_methods)] // monotonic time of a connection's age
    async fn open(&self) -> Result<Connection, SqlError> {
        self.check_backoff()?;
        let (client, driver) = self.noted(self.target.connect_driven().await)?;
        let now = Instant::now();
        Ok(Connection { client, driver, statements: HashMap::new(), catalog_version: 0, opened: now, rested: now })
    }

    /// Counts an attempt to connect.
    fn noted<T>(&self, attempt: Result<T, SqlError>) -> Result<T, SqlError> {
        match &attempt {
            Ok(_) => {
                *self.failures.lock() = Failures::default();
                self.counts.opened.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => self.note_failure(error),
        }
        attempt
    }

    /// Says the last failure again as long as it is too early for another attempt.
    fn check_backoff(&self) -> Result<(), SqlError> {
        let failures = self.failures.lock();
        let Some((at, error)) = &failures.last else { return Ok(()) };
        let wait = BACKOFF.get(failures.count.min(BACKOFF.len()) - 1).copied().unwrap_or_default();
        if at.elapsed() < wait { Err(error.clone()) } else { Ok(()) }
    }

    #[allow(clippy::disallowed_methods)] // monotonic time between attempts
    fn note_failure(&self, error: &SqlError) {
        let mut failures = self.failures.lock();
        failures.count += 1;
        failures.last = Some((Instant::now(), error.clone()));
    }

    fn discard(&self, connection: Connection) {
        self.counts.discarded.fetch_add(1, Ordering::Relaxed);
        drop(connection);
    }

    #[allow(clippy::disallowed_methods)] // monotonic time of rest
    fn put_back(&self, lane: usize, mut connection: Connection) {
        connection.rested = Instant::now();
        match self.lanes.get(lane) {
            Some(lane) if !connection.client.is_closed() => lane.idle.lock().push(connection),
            _ => self.discard(connection),
        }
    }

    /// As [`Self::put_back`].
    #[allow(clippy::disallowed_methods)] // monotonic time of rest
    pub(crate) fn put_back_kept(&self, lane: usize, mut kept: Kept) {
        kept.rested = Instant::now();
        match self.lanes.get(lane) {
            Some(lane) if !kept.wire.is_closed() && !lane.permits.is_closed() => lane.kept.lock().push(kept),
            _ => self.count_discarded(),
        }
    }

    /// Where the connections lead.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn count_discarded(&self) {
        self.counts.discarded.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_cancelled(&self) {
        self.counts.cancelled.fetch_add(1, Ordering::Relaxed);
    }

    /// Closes what rests and is too old.
    pub(crate) fn reap(&self) {
        for lane in &self.lanes {
            let past = |opened, rested| self.ages.are_past(opened, rested);
            let idle: Vec<_> = lane.idle.lock().extract_if(.., |c| c.client.is_closed() || past(c.opened, c.rested)).collect();
            let kept: Vec<_> = lane.kept.lock().extract_if(.., |k| past(k.opened, k.rested)).collect();
            let closed = idle.len() + kept.len();
            self.counts.discarded.fetch_add(u64::try_from(closed).unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// Closes what rests; what is in use is closed when it comes back.
    pub(crate) fn close(&self) {
        for lane in &self.lanes {
            lane.permits.close();
            lane.idle.lock().clear();
            lane.kept.lock().clear();
        }
    }

    /// Connections opened, thrown away, requests that waited, statements cancelled.
    pub(crate) fn counters(&self) -> [u64; 4] {
        let counts = &self.counts;
        [&counts.opened, &counts.discarded, &counts.waited, &counts.cancelled].map(|n| n.load(Ordering::Relaxed))
    }

    /// Requests that wait for a connection.
    pub(crate) fn waiting(&self) -> u64 {
        self.counts.waiting.load(Ordering::Relaxed)
    }

    /// Requests that waited too long.
    pub(crate) fn timeouts(&self) -> u64 {
        self.counts.timeouts.load(Ordering::Relaxed)
    }

    /// Connections that rest.
    pub(crate) fn idle(&self) -> usize {
        self.lanes.iter().map(|lane| lane.idle.lock().len() + lane.kept.lock().len()).sum()
    }

    /// Connections in use, and those that are being opened or brought to rest.
    pub(crate) fn busy(&self) -> usize {
        self.lanes.iter().map(|lane| lane.size.saturating_sub(lane.permits.available_permits())).sum()
    }
}

/// Counts a request that waits, also one that is given up.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn of(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The number of this thread, given on its first question.
fn lane_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.with(|number| {
        let known = number.get().unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed));
        number.set(Some(known));
        known
    })
}

/// A connection in use. It goes back by itself: at once when it is at rest, else after what it does has been cancelled.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    lane: usize,
    permit: Option<OwnedSemaphorePermit>,
    connection: Option<Connection>,
    /// Drives the connection, and ends what it does when the request is given up.
    runtime: Handle,
    /// Something was sent whose answer has not come.
    is_busy: bool,
}

impl Lease {
    fn new(pool: &Arc<Pool>, lane: usize, permit: OwnedSemaphorePermit, connection: Connection) -> Self {
        Self {
            pool: Arc::clone(pool),
            lane,
            permit: Some(permit),
            connection: Some(connection),
            runtime: Handle::current(),
            is_busy: false,
        }
    }

    /// The connection, until [`Self::rest`] counted as being in the middle of something.
    pub(crate) fn begin(&mut self) -> Result<&mut Connection, SqlError> {
        self.is_busy = true;
        self.connection.as_mut().ok_or_else(|| SqlError::internal("a connection was used after it was given back"))
    }

    /// Says that every answer has come and no transaction is open.
    pub(crate) fn rest(&mut self) {
        self.is_busy = false;
    }

    /// Throws the connection away.
    pub(crate) fn discard(mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.discard(connection);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if !self.is_busy {
            self.pool.put_back(self.lane, connection);
            return;
        }
        let (pool, lane, permit) = (Arc::clone(&self.pool), self.lane, self.permit.take());
        pool.counts.cancelled.fetch_add(1, Ordering::Relaxed);
        if pool.is_pooled {
            // PgBouncer before 1.21 ends itself over some cancellations. It ends the server's connection with ours, which the server
            // notices where it was asked to look (`pooler::NOTICE`), and else when the statement's time is over.
            connection.driver.abort();
            pool.discard(connection);
            return;
        }
        self.runtime.spawn(async move {
            let to_rest = async {
                pool.target.cancel(connection.client.cancel_token()).await;
                // Answers come in order: once this one is here, so are all before it.
                connection.client.batch_execute("ROLLBACK").await
            };
            match tokio::time::timeout(REST_TIMEOUT, to_rest).await {
                Ok(Ok(())) => pool.put_back(lane, connection),
                Ok(Err(failed)) if !error::is_lost(&error::of(&failed)) => {
                    // The cancellation met the ROLLBACK itself.
                    let again = tokio::time::timeout(REST_TIMEOUT, connection.client.batch_execute("ROLLBACK")).await;
                    if matches!(again, Ok(Ok(()))) { pool.put_back(lane, connection) } else { pool.discard(connection) }
                }
                _ => pool.discard(connection),
            }
            drop(permit);
        });
    }
}
