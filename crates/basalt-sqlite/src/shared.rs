//! What the threads of one engine share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};

use arc_swap::ArcSwap;
use basalt_catalog::Catalog;

use crate::functions::Services;
use crate::options::SqliteOptions;
use crate::programs::Programs;
use crate::receipts::Keys;
use crate::sequences::Sequences;

/// Counters since start, for monitoring.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) jobs: AtomicU64,
    pub(crate) jobs_again: AtomicU64,
    pub(crate) jobs_long: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) reads_near: AtomicU64,
    pub(crate) reads_moved: AtomicU64,
    pub(crate) snapshots: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) panics: AtomicU64,
}

/// Shared by writer, readers and the engine's door.
pub(crate) struct Shared {
    pub(crate) options: SqliteOptions,
    pub(crate) services: Services,
    /// The committed catalog. Published after its commit, before the acknowledgement.
    pub(crate) catalog: ArcSwap<Catalog>,
    /// Grows with every commit, before it is acknowledged: a snapshot is current while this has not moved.
    pub(crate) commits: AtomicU64,
    pub(crate) sequences: Arc<Sequences>,
    pub(crate) programs: Programs,
    /// Whether the last write reached the disk.
    pub(crate) is_writable: AtomicBool,
    /// SQLite's schema version as our own last change left it.
    pub(crate) schema_version: AtomicI64,
    /// Set when somebody else changed the schema: nothing is written any more.
    pub(crate) is_foreign: AtomicBool,
    /// Pages in the WAL after the last commit.
    pub(crate) wal_pages: AtomicU64,
    pub(crate) counters: Counters,
    /// Of requests with a key of their caller's.
    pub(crate) keys: Keys,
}
