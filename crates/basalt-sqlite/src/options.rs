//! How an engine is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use basalt_types::{Clock, Rng, SystemClock, SystemRng};

/// When the operating system is told to put what was written onto the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// With every commit, before it is acknowledged: what a user was told is durable.
    #[default]
    Full,
    /// Never. For tests that show that a power cut without syncs is noticed; no setting of the program leads here.
    Off,
}

/// Everything [`crate::SqliteEngine::open`] needs. Plain values: reading the environment is the program's work.
#[derive(Clone)]
pub struct SqliteOptions {
    /// The database file; made when absent.
    pub path: PathBuf,
    /// A registered SQLite VFS to use instead of the platform's, e.g. one that injects faults.
    pub vfs: Option<String>,
    /// When commits reach the disk.
    pub synchronous: Synchronous,
    /// Threads that run reads, each with a connection. At least 1.
    pub readers: usize,
    /// Connections for reads that run where the request already is. At least 1.
    pub near_readers: usize,
    /// Most writes committed together.
    pub max_batch: usize,
    /// Most writes waiting; one more is refused with 53300.
    pub max_queued_writes: usize,
    /// Most writes waiting that take long; one more is refused with 53300.
    pub max_queued_long_writes: usize,
    /// Most reads waiting; one more is refused with 53300.
    pub max_queued_reads: usize,
    /// A batch takes no further job after this time.
    pub batch_time: Duration,
    /// How long a kept read snapshot may rest unused.
    pub snapshot_idle: Duration,
    /// WAL pages after which a passive checkpoint is tried after a commit.
    pub checkpoint_pages: u32,
    /// WAL pages after which kept snapshots are ended and the WAL is started over.
    pub wal_limit_pages: u32,
    /// Page cache of each reading connection, KiB. It holds what is read from the WAL; the rest is mapped, unless commits chase each other.
    pub cache_kib: u32,
    /// Page cache of the writing connection, KiB. It is filled as pages are used.
    pub writer_cache_kib: u32,
    /// How much of the database file reading connections map into memory, bytes; 0: nothing. Pages beyond the cache are then found
    /// without a system call and held once. The price: a page that the disk cannot read ends the process rather than the request.
    pub mapped_bytes: u64,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where random values come from.
    pub rng: Arc<dyn Rng>,
    /// What the values of functions that run on a thread may take together, bytes; more is 53200.
    pub max_routine_bytes: usize,
    /// Whether tables made by migrations are open to the API roles by default (Supabase's rule before 2026).
    pub auto_expose_new_tables: bool,
}

impl SqliteOptions {
    /// Defaults for a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            path: path.into(),
            vfs: None,
            synchronous: Synchronous::Full,
            readers: cores.clamp(2, 8),
            near_readers: cores.clamp(1, 8),
            max_batch: 256,
            max_queued_writes: 4096,
            max_queued_long_writes: 256,
            max_queued_reads: 4096,
            batch_time: Duration::from_millis(20),
            snapshot_idle: Duration::from_millis(100),
            checkpoint_pages: 1000,
            wal_limit_pages: 4000,
            cache_kib: 2048,
            writer_cache_kib: 16 << 10,
            mapped_bytes: 1 << 30,
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
            max_routine_bytes: 64 << 20,
            auto_expose_new_tables: false,
        }
    }
}

impl std::fmt::Debug for SqliteOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteOptions").field("path", &self.path).field("vfs", &self.vfs).finish_non_exhaustive()
    }
}
