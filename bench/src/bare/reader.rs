//! A core's own connection: statements prepared once, the read snapshot kept while nothing was committed.

use super::query::Query;
use crate::{Failure, json};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row, Statement};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The longest that a snapshot stays open without a request, as in Basalt: an open one keeps the log from being reused.
const IDLE_LIMIT: Duration = Duration::from_millis(100);

/// Reads, and nothing else.
pub struct Reader {
    connection: &'static Connection,
    user: Statement<'static>,
    by_author: Statement<'static>,
    with_author: Statement<'static>,
    commits: Arc<AtomicU64>,
    snapshot: Option<Snapshot>,
    /// As long as the last body, so that the next one seldom grows.
    capacity: usize,
}

struct Snapshot {
    /// The commit counter just before it was taken: what was committed up to then is in it.
    commits: u64,
    used: Instant,
}

impl Reader {
    /// Opens the file read-only.
    pub fn open(db: &Path, commits: Arc<AtomicU64>) -> Result<Self, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // The connection lives as long as the process; leaking it lets the statements be kept beside it.
        let connection: &'static Connection = Box::leak(Box::new(Connection::open_with_flags(db, flags)?));
        // A commit empties the page cache of every other connection; mapped pages are found again without a system call.
        connection.execute_batch("PRAGMA cache_size = -65536; PRAGMA mmap_size = 1073741824;")?;
        // Without it SQLite prepares a statement with a bound LIMIT again for every run.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(Self {
            connection,
            user: connection.prepare("SELECT id, name, email, created_at FROM users WHERE id = ?1")?,
            by_author: connection.prepare(
                "SELECT id, author_id, owner, title, body, published, created_at FROM posts
                 WHERE author_id = ?1 ORDER BY created_at DESC LIMIT ?2",
            )?,
            with_author: connection.prepare(
                "SELECT p.id, p.author_id, p.owner, p.title, p.body, p.published, p.created_at,
                        u.id, u.name, u.email, u.created_at
                 FROM posts p LEFT JOIN users u ON u.id = p.author_id
                 WHERE p.id > ?1 ORDER BY p.id LIMIT ?2",
            )?,
            commits,
            snapshot: None,
            capacity: 256,
        })
    }

    /// Answers a query as a JSON array.
    pub fn read(&mut self, query: &Query) -> Result<Vec<u8>, rusqlite::Error> {
        self.take_snapshot()?;
        let mut out = Vec::with_capacity(self.capacity + 128);
        out.push(b'[');
        let outcome = match *query {
            Query::User { id } => rows(&mut out, self.user.query([id])?, |out, row| user(out, row, 0)),
            Query::ByAuthor { author_id, limit } => rows(&mut out, self.by_author.query([author_id, limit])?, |out, row| {
                post(out, row)?;
                out.push(b'}');
                Ok(())
            }),
            Query::WithAuthor { after, limit } => rows(&mut out, self.with_author.query([after, limit])?, |out, row| {
                post(out, row)?;
                out.extend_from_slice(br#","author":"#);
                user(out, row, 7)?;
                out.push(b'}');
                Ok(())
            }),
        };
        outcome?;
        out.push(b']');
        self.capacity = out.len();
        Ok(out)
    }

    /// Makes sure that the open snapshot shows every acknowledged commit.
    fn take_snapshot(&mut self) -> Result<(), rusqlite::Error> {
        let commits = self.commits.load(Ordering::Acquire);
        match &mut self.snapshot {
            Some(snapshot) if snapshot.commits == commits => snapshot.used = Instant::now(),
            _ => {
                self.close_snapshot()?;
                self.connection.prepare_cached("BEGIN")?.execute([])?;
                self.snapshot = Some(Snapshot { commits, used: Instant::now() });
            }
        }
        Ok(())
    }

    fn close_snapshot(&mut self) -> Result<(), rusqlite::Error> {
        if self.snapshot.take().is_some() {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
        }
        Ok(())
    }

    /// Gives up a snapshot that nobody used for a while.
    pub fn close_idle_snapshot(&mut self) {
        if self.snapshot.as_ref().is_some_and(|snapshot| snapshot.used.elapsed() >= IDLE_LIMIT / 2)
            && let Err(failure) = self.close_snapshot()
        {
            eprintln!("closing a snapshot: {failure}");
        }
    }
}

fn rows(
    out: &mut Vec<u8>,
    mut rows: rusqlite::Rows<'_>,
    write: impl Fn(&mut Vec<u8>, &Row<'_>) -> Result<(), rusqlite::Error>,
) -> Result<(), rusqlite::Error> {
    let mut is_first = true;
    while let Some(row) = rows.next()? {
        if !is_first {
            out.push(b',');
        }
        is_first = false;
        write(out, row)?;
    }
    Ok(())
}

fn user(out: &mut Vec<u8>, row: &Row<'_>, first: usize) -> Result<(), rusqlite::Error> {
    json::integer(out, br#"{"id":"#, row.get_ref(first)?.as_i64()?);
    json::text(out, br#","name":"#, row.get_ref(first + 1)?.as_bytes()?);
    json::text(out, br#","email":"#, row.get_ref(first + 2)?.as_bytes()?);
    json::text(out, br#","created_at":"#, row.get_ref(first + 3)?.as_bytes()?);
    out.push(b'}');
    Ok(())
}

/// A post up to its last column; the caller closes the object. The writer's RETURNING has the same columns.
pub fn post(out: &mut Vec<u8>, row: &Row<'_>) -> Result<(), rusqlite::Error> {
    json::integer(out, br#"{"id":"#, row.get_ref(0)?.as_i64()?);
    json::integer(out, br#","author_id":"#, row.get_ref(1)?.as_i64()?);
    json::text(out, br#","owner":"#, row.get_ref(2)?.as_bytes()?);
    json::text(out, br#","title":"#, row.get_ref(3)?.as_bytes()?);
    json::text(out, br#","body":"#, row.get_ref(4)?.as_bytes()?);
    json::boolean(out, br#","published":"#, row.get_ref(5)?.as_i64()? != 0);
    json::text(out, br#","created_at":"#, row.get_ref(6)?.as_bytes()?);
    Ok(())
}
