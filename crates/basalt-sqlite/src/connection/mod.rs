//! A connection: opened with every safety setting, bounded, with our functions, and with a cache of prepared statements.

pub(crate) mod authorizer;
pub(crate) mod context;
pub(crate) mod statement;

use std::sync::{Arc, Once};

use basalt_types::{SqlError, Value, ValueRef};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{OpenFlags, ffi};

use crate::error::{Failure, from_rusqlite};
use crate::functions;
use crate::options::{SqliteOptions, Synchronous};

pub(crate) use context::RunContext;
pub(crate) use statement::{Prepared, Sql, Statements};

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Requests' reads: cannot write at all.
    Read,
    /// The one that writes.
    Write,
}

/// A connection. Used by one thread at a time.
pub(crate) struct Connection {
    // Dropped first: statements must not outlive the connection.
    statements: Statements,
    context: Arc<RunContext>,
    db: rusqlite::Connection,
}

/// SQLite counts its memory under one lock for all threads unless told not to before its first use. Failing to is harmless.
fn before_first_use() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the option takes one int; SQLite answers MISUSE when it is initialised already.
        unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0i32) };
    });
}

impl Connection {
    /// Opens the database.
    ///
    /// # Errors
    /// What SQLite reports.
    pub(crate) fn open(options: &SqliteOptions, usage: Use, services: &functions::Services) -> Result<Self, SqlError> {
        before_first_use();
        // Each connection is used by one thread at a time, so SQLite's own locks around it are not needed.
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_EXRESCODE;
        if usage == Use::Write {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let db = match &options.vfs {
            Some(vfs) => rusqlite::Connection::open_with_flags_and_vfs(&options.path, flags, vfs.as_str()),
            None => rusqlite::Connection::open_with_flags(&options.path, flags),
        }
        .map_err(|e| from_rusqlite(&e))?;
        let mut connection = Self { statements: Statements::default(), context: Arc::new(RunContext::new()), db };
        connection.configure(options, usage).map_err(|e| from_rusqlite(&e))?;
        functions::register(&connection.db, &connection.context, services).map_err(|e| from_rusqlite(&e))?;
        connection.hook().map_err(|e| from_rusqlite(&e))?;
        Ok(connection)
    }

    fn configure(&mut self, options: &SqliteOptions, usage: Use) -> rusqlite::Result<()> {
        let db = &self.db;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        if usage == Use::Write {
            // A new file gets pages of 8 KiB: fewer levels for wide rows. An existing file keeps its own.
            db.execute_batch(
                "PRAGMA page_size=8192; PRAGMA auto_vacuum=NONE; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;",
            )?;
        } else {
            db.execute_batch(&format!("PRAGMA query_only=ON; PRAGMA mmap_size={};", options.mapped_bytes))?;
        }
        let cache_kib = if usage == Use::Write { options.writer_cache_kib } else { options.cache_kib };
        db.execute_batch(&format!(
            "PRAGMA synchronous={}; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check={};
             PRAGMA temp_store=MEMORY; PRAGMA case_sensitive_like=OFF; PRAGMA cache_size=-{};",
            if options.synchronous == Synchronous::Full { "FULL" } else { "OFF" },
            // Looks at every cell of a page that is opened, which finds damage early, before it is written on. A reader opens a mapped
            // page anew for each statement; there it cost a seventh of a read by key.
            if usage == Use::Write { "ON" } else { "OFF" },
            cache_kib
        ))?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        // Plans must not depend on bound values: SQLite would prepare a statement with a bound LIMIT again for every run.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        for (limit, value) in [
            (Limit::SQLITE_LIMIT_LENGTH, 256 << 20),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, 4 << 20),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, 1000),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 500),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50_000),
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 100),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            db.set_limit(limit, value)?;
        }
        Ok(())
    }

    fn hook(&mut self) -> rusqlite::Result<()> {
        let context = Arc::clone(&self.context);
        self.db.progress_handler(context::STEPS_PER_CHECK, Some(move || context.progress()))?;
        let context = Arc::clone(&self.context);
        self.db.authorizer(Some(move |asked: rusqlite::hooks::AuthContext<'_>| {
            authorizer::authorize(&context, &functions::is_ours, &asked)
        }))
    }

    /// What runs on it.
    pub(crate) fn context(&self) -> &RunContext {
        &self.context
    }

    /// SQLite's own handle.
    pub(crate) fn raw(&self) -> *mut ffi::sqlite3 {
        // SAFETY: used by this crate only while `self` lives, on its thread.
        unsafe { self.db.handle() }
    }

    /// rusqlite's side of it, for hooks and settings.
    pub(crate) fn db(&self) -> &rusqlite::Connection {
        &self.db
    }

    /// As [`Self::db`].
    pub(crate) fn db_mut(&mut self) -> &mut rusqlite::Connection {
        &mut self.db
    }

    /// A prepared statement from the cache. It returns there when dropped.
    pub(crate) fn statement<'s>(&self, sql: impl Into<Sql<'s>>) -> Result<Prepared<'_>, Failure> {
        // SAFETY: the handle is open as long as `self`, and the cache is dropped before it.
        unsafe { self.statements.take(self.raw(), sql.into()) }
    }

    /// Runs one statement of ours and collects its rows.
    pub(crate) fn query<'s>(&self, sql: impl Into<Sql<'s>>, params: &[ValueRef<'_>]) -> Result<Vec<Vec<Value>>, Failure> {
        let mut statement = self.statement(sql)?;
        collect(&mut statement, params)
    }

    /// As [`Self::query`] for generated text that is used once (DDL); not kept.
    pub(crate) fn query_once(&self, sql: &str, params: &[ValueRef<'_>]) -> Result<Vec<Vec<Value>>, Failure> {
        // SAFETY: the handle is open as long as `self`; the statement ends in this function.
        let mut statement = unsafe { Statements::once(self.raw(), sql)? };
        collect(&mut statement, params)
    }

    /// Runs a statement of ours without rows.
    pub(crate) fn execute<'s>(&self, sql: impl Into<Sql<'s>>) -> Result<(), Failure> {
        let mut statement = self.statement(sql)?;
        while statement.step()? {}
        Ok(())
    }

    /// The only value of the only row, when it is an integer.
    pub(crate) fn integer<'s>(&self, sql: impl Into<Sql<'s>>) -> Result<i64, Failure> {
        let mut statement = self.statement(sql)?;
        let value = if statement.step()? { statement.column(0) } else { ValueRef::Null };
        Ok(if let ValueRef::Int(n) = value { n } else { 0 })
    }

    /// Whether a transaction is open.
    pub(crate) fn in_transaction(&self) -> bool {
        // SAFETY: the handle is open.
        unsafe { ffi::sqlite3_get_autocommit(self.raw()) == 0 }
    }

    /// Whether foreign keys are violated now and would fail the commit.
    pub(crate) fn has_foreign_key_violations(&self) -> bool {
        let (mut current, mut highest) = (0, 0);
        // SAFETY: the handle is open; both numbers are written by the call.
        unsafe { ffi::sqlite3_db_status(self.raw(), ffi::SQLITE_DBSTATUS_DEFERRED_FKS, &raw mut current, &raw mut highest, 0) };
        current != 0
    }

    /// Forgets prepared statements (their programs are gone).
    pub(crate) fn forget_statements(&self) {
        self.statements.clear();
    }

    /// Allows or forbids changing the stored schema's text; DDL only.
    pub(crate) fn set_defensive(&self, on: bool) -> Result<(), SqlError> {
        self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, on).map(drop).map_err(|e| from_rusqlite(&e))
    }
}

fn collect(statement: &mut statement::Statement, params: &[ValueRef<'_>]) -> Result<Vec<Vec<Value>>, Failure> {
    for (i, value) in params.iter().enumerate() {
        statement.bind(i + 1, *value)?;
    }
    let mut rows = Vec::new();
    while statement.step()? {
        rows.push(statement.row());
    }
    Ok(rows)
}
