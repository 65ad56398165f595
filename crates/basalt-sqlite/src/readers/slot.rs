//! A reading connection and its kept snapshot.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use basalt_plan::plan::Plan;
use basalt_types::{RoleName, SqlError, Value};
use foldhash::fast::RandomState;

use super::mapping::Mapping;
use crate::connection::{Connection, Use};
use crate::error::Failure;
use crate::programs::ReadyRead;
use crate::shared::Shared;
use crate::store;

/// A snapshot that is open.
#[derive(Debug, Clone, Copy)]
struct Snapshot {
    /// [`Shared::commits`] just before it was taken.
    commits: u64,
    /// The catalog's version in it.
    catalog: u64,
    used: Instant,
}

/// A reading connection.
pub(crate) struct Slot {
    pub(crate) connection: Connection,
    pub(crate) shared: Arc<Shared>,
    /// The buffer bodies are written into; its room is used again.
    pub(crate) buffer: Vec<u8>,
    snapshot: Option<Snapshot>,
    /// [`Shared::commits`] of the last snapshot.
    seen: u64,
    mapping: Mapping,
    /// Programs that ran here, by plan and role, so that the way to a short one takes no lock.
    ready: HashMap<u64, Vec<(RoleName, Arc<ReadyRead>)>, RandomState>,
}

/// Most plans whose programs a connection keeps at hand; beyond it, it starts anew.
const MOST_READY: usize = 256;

/// A buffer larger than this is given back after its use.
const BUFFER_KEPT_BYTES: usize = 256 << 10;

impl Slot {
    /// Opens a connection.
    ///
    /// # Errors
    /// What SQLite reports.
    pub(crate) fn open(shared: &Arc<Shared>) -> Result<Self, SqlError> {
        let connection = Connection::open(&shared.options, Use::Read, &shared.services)?;
        Ok(Self {
            connection,
            shared: Arc::clone(shared),
            buffer: Vec::new(),
            snapshot: None,
            seen: 0,
            mapping: Mapping::new(),
            ready: HashMap::default(),
        })
    }

    /// Makes sure that an open snapshot shows every acknowledged commit. Answers the catalog's version in it.
    ///
    /// # Errors
    /// What SQLite reports.
    #[allow(clippy::disallowed_methods)] // monotonic time for idleness
    pub(crate) fn begin(&mut self) -> Result<u64, Failure> {
        // Read before the snapshot is taken: a commit in between makes it newer than noted, never older.
        let commits = self.shared.commits.load(Ordering::Acquire);
        if let Some(kept) = &mut self.snapshot
            && kept.commits == commits
            && self.connection.in_transaction()
        {
            kept.used = Instant::now();
            self.mapping.read();
            return Ok(kept.catalog);
        }
        self.finish();
        if let Some(is_mapped) = self.mapping.next(self.seen != commits) {
            let bytes = if is_mapped { self.shared.options.mapped_bytes } else { 0 };
            // Whether it took effect shows in speed alone.
            let _ = self.connection.db().execute_batch(&format!("PRAGMA mmap_size={bytes}"));
        }
        self.seen = commits;
        self.connection.execute("BEGIN")?;
        // The first read takes the snapshot.
        let catalog = match self.connection.query(store::CATALOG_VERSION, &[])?.pop().and_then(|mut row| row.pop()) {
            Some(Value::Int(n)) => u64::try_from(n).unwrap_or(0),
            _ => 0,
        };
        self.shared.counters.snapshots.fetch_add(1, Ordering::Relaxed);
        self.snapshot = Some(Snapshot { commits, catalog, used: Instant::now() });
        Ok(catalog)
    }

    /// A program kept here. Plans are never two of the same number, and carry their catalog's version, which is compared before they run.
    pub(crate) fn ready(&self, plan: &Plan, role: &RoleName) -> Option<Arc<ReadyRead>> {
        self.ready.get(&plan.id)?.iter().find(|(known, _)| known == role).map(|(_, ready)| Arc::clone(ready))
    }

    /// Keeps a program at hand.
    pub(crate) fn keep_ready(&mut self, plan: &Plan, role: &RoleName, ready: &Arc<ReadyRead>) {
        if self.ready.len() >= MOST_READY {
            self.ready.clear();
        }
        self.ready.entry(plan.id).or_default().push((role.clone(), Arc::clone(ready)));
    }

    /// Ends the snapshot.
    pub(crate) fn finish(&mut self) {
        self.snapshot = None;
        if self.connection.in_transaction()
            && let Err(failure) = self.connection.execute("COMMIT")
        {
            tracing::warn!(code = failure.code, "a snapshot did not end");
        }
    }

    /// Whether a snapshot is kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Ends the snapshot when it rests for this long or longer. True when it stays.
    pub(crate) fn release(&mut self, idle: Duration) -> bool {
        match self.snapshot {
            Some(kept) if kept.used.elapsed() < idle => true,
            Some(_) => {
                self.finish();
                false
            }
            None => false,
        }
    }

    /// Forgets the buffer's content, and its room when it grew large.
    pub(crate) fn clear_buffer(&mut self) {
        self.buffer.clear();
        if self.buffer.capacity() > BUFFER_KEPT_BYTES {
            self.buffer = Vec::new();
        }
    }
}
