//! Emptying the write-ahead log into the database, so that it stays bounded.
//!
//! A passive checkpoint copies what no reader still needs and waits for nobody. Once everything is copied and no snapshot is older, the
//! next write begins the log from its start. When the log grew past its limit, readers are made to take new snapshots, twice: first
//! such that need nothing old, so that everything can be copied; then such that need nothing of the log, so that it can begin anew.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::ffi;
use rusqlite::hooks::Wal;

use super::Writer;
use crate::connection::Connection;
use crate::shared::Shared;

/// A hook that notes how long the log is after each commit.
pub(super) fn count_pages(shared: Arc<Shared>) -> impl FnMut(&mut Wal, std::ffi::c_int) -> rusqlite::Result<()> + Send + 'static {
    move |_, pages| {
        shared.wal_pages.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }
}

/// Runs a checkpoint: pages in the log, pages copied. `None` when it could not run.
fn run(connection: &Connection, mode: i32) -> Option<(u64, u64)> {
    let (mut log, mut copied) = (0, 0);
    // SAFETY: the handle is open; a null name means the main database; both numbers are written by the call.
    let rc = unsafe { ffi::sqlite3_wal_checkpoint_v2(connection.raw(), ptr::null(), mode, &raw mut log, &raw mut copied) };
    let pages = |n: i32| u64::try_from(n).unwrap_or(0);
    (rc == ffi::SQLITE_OK || rc == ffi::SQLITE_BUSY).then(|| (pages(log), pages(copied)))
}

/// Empties the log and cuts its file; at the end, when nobody reads any more.
pub(super) fn truncate(connection: &Connection) {
    let _ = connection.db().busy_timeout(Duration::from_millis(500));
    if run(connection, ffi::SQLITE_CHECKPOINT_TRUNCATE).is_none() {
        tracing::warn!("the log could not be emptied at the end; the next start does it");
    }
}

/// How long a restart of the log waits for reads under way. Writes wait as long.
const PATIENCE: Duration = Duration::from_millis(5);

impl Writer {
    /// After a batch: does what the log's length asks for. `is_idle`: nothing waits, so there is time.
    pub(super) fn checkpoint(&mut self, is_idle: bool) {
        let pages = self.shared.wal_pages.load(Ordering::Relaxed);
        if pages < self.tried_at_pages {
            self.tried_at_pages = 0; // the log began anew
        }
        let (soon, limit) = (u64::from(self.shared.options.checkpoint_pages), u64::from(self.shared.options.wal_limit_pages));
        let grown = pages.saturating_sub(self.tried_at_pages);
        if pages >= limit && grown >= soon / 4 {
            self.tried_at_pages = if self.restart_log() { 0 } else { pages };
            self.shared.counters.checkpoints.fetch_add(1, Ordering::Relaxed);
        } else if grown >= soon || (is_idle && grown >= soon / 2) {
            run(&self.connection, ffi::SQLITE_CHECKPOINT_PASSIVE);
            self.tried_at_pages = pages;
            self.shared.counters.checkpoints.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Copies the whole log and has it begin anew, when readers let go of it soon. True when it does.
    fn restart_log(&self) -> bool {
        self.renew_snapshots();
        let copied = run(&self.connection, ffi::SQLITE_CHECKPOINT_PASSIVE);
        if copied.is_none_or(|(log, copied)| log != copied) {
            return false; // a long read still needs what an earlier commit left
        }
        self.renew_snapshots();
        let _ = self.connection.db().busy_timeout(PATIENCE);
        let done = run(&self.connection, ffi::SQLITE_CHECKPOINT_RESTART);
        let _ = self.connection.db().busy_timeout(Duration::from_secs(5));
        done.is_some_and(|(log, copied)| log == copied)
    }

    /// Makes readers take a new snapshot at their next read, and ends those that rest.
    fn renew_snapshots(&self) {
        self.shared.commits.fetch_add(1, Ordering::Release);
        self.readers.release_idle(Duration::ZERO);
    }
}
