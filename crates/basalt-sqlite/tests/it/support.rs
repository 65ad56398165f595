//! An engine on a temporary file, and its statements in a few words.

use std::sync::Arc;

use basalt_engine::{Engine, Rows, Transaction};
use basalt_sqlite::{MigrationError, MigrationFile, SqliteEngine, SqliteOptions};
use basalt_types::{SqlError, Value};

/// A database that goes away with the test.
pub struct Db {
    pub engine: Arc<SqliteEngine>,
    pub folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

/// A new database.
pub fn db() -> Db {
    db_with(|_| {})
}

/// A new database with other options.
pub fn db_with(change: impl FnOnce(&mut SqliteOptions)) -> Db {
    let folder = tempfile::tempdir().unwrap();
    let mut options = SqliteOptions::new(folder.path().join("data.db"));
    options.auto_expose_new_tables = true;
    change(&mut options);
    Db {
        engine: SqliteEngine::open(options).unwrap(),
        folder,
        runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap(),
    }
}

impl Db {
    /// Applies SQL as a migration would be.
    pub fn apply(&self, text: &str) -> Result<Vec<String>, MigrationError> {
        self.engine.apply_migration(&MigrationFile { version: unique(), name: "test".into(), text: text.into() })
    }

    /// Applies SQL that must apply.
    pub fn must(&self, text: &str) {
        self.apply(text).unwrap_or_else(|e| panic!("{e} ({:?}): {text}", e.error.detail));
    }

    /// The error of SQL that must not apply.
    pub fn fails(&self, text: &str) -> SqlError {
        self.apply(text).expect_err(text).error
    }

    /// Runs one statement as the owner, durably.
    pub fn query(&self, sql: &'static str, params: &[Value]) -> Result<Rows, SqlError> {
        let params = params.to_vec();
        self.transaction(move |tx| tx.query(sql, &params))
    }

    /// Runs one read on a snapshot.
    pub fn read(&self, sql: &'static str) -> Result<Rows, SqlError> {
        self.runtime.block_on(basalt_engine::snapshot(&*self.engine as &dyn Engine, move |tx| tx.query(sql, &[])))
    }

    /// The only value a statement answers.
    pub fn value(&self, sql: &'static str) -> Value {
        let mut rows = self.read(sql).unwrap_or_else(|e| panic!("{e}: {sql}")).rows;
        rows.pop().and_then(|mut row| row.pop()).unwrap_or_default()
    }

    /// The runtime, for the engine's futures.
    pub fn runtime(&self) -> &tokio::runtime::Runtime {
        &self.runtime
    }

    /// A transaction.
    pub fn transaction<T: Send + 'static>(
        &self,
        work: impl Fn(&mut dyn Transaction) -> Result<T, SqlError> + Send + Sync + 'static,
    ) -> Result<T, SqlError> {
        self.runtime.block_on(basalt_engine::transaction(&*self.engine as &dyn Engine, work))
    }
}

fn unique() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(20_240_101_000_000);
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}
