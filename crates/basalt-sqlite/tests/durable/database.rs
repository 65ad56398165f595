//! An engine on a disk that can be told to fail, and requests to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use basalt_engine::{Answer, Engine, Limits, Run, RunError};
use basalt_faultfs::FaultFs;
use basalt_plan::ask::{Ask, InsertAsk, Node, Returning, UpdateAsk};
use basalt_plan::plan::{Count, Literals, Output};
use basalt_plan::resolve::{Settings, resolve};
use basalt_sqlite::{SqliteEngine, SqliteOptions};
use basalt_types::{Session, SqlError, Value};
use bytes::Bytes;
use tempfile::TempDir;
use tokio::runtime::Builder;

/// Longest time for a request that is not meant to run out of it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a database on a disk of its own.
pub struct Database {
    pub fs: FaultFs,
    pub engine: Arc<SqliteEngine>,
    folder: TempDir,
}

/// A folder in memory where there is one: the record is what counts, not the machine's disk.
pub fn folder() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder can be made")
}

/// Options for small databases.
pub fn options(path: &Path) -> SqliteOptions {
    SqliteOptions { readers: 1, near_readers: 1, batch_time: PATIENCE, ..SqliteOptions::new(path) }
}

impl Database {
    /// A new database with these tables.
    pub fn new(sql: &str) -> Self {
        Self::with(sql, |options| options)
    }

    /// As [`Self::new`], with other options.
    pub fn with(sql: &str, change: impl FnOnce(SqliteOptions) -> SqliteOptions) -> Self {
        let folder = folder();
        let fs = FaultFs::register().expect("the faulty disk registers");
        let options = options(&folder.path().join("data.db"));
        let options = change(SqliteOptions { vfs: Some(fs.vfs_name().to_owned()), ..options });
        let engine = SqliteEngine::open(options).expect("a new database opens");
        engine.run_seed(sql).expect("the schema applies");
        Self { fs, engine, folder }
    }

    /// The database file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("data.db")
    }

    /// The number a query of one value answers.
    pub fn number(&self, sql: &'static str) -> i64 {
        number(&self.engine, sql).expect("the database can be read")
    }

    /// One of the engine's counters.
    pub fn counter(&self, name: &str) -> u64 {
        let figures = self.engine.figures();
        figures.counters.iter().find(|(n, _)| *n == name).map(|(_, value)| *value).expect("a counter of this name")
    }

    /// Closes the engine; the file must be sound, and as its catalog says. Answers the file's folder.
    pub fn close_and_check(self) -> TempDir {
        if let Err(complaint) = crate::agreement::close_and_check(&self.engine, &self.path()) {
            panic!("{complaint}");
        }
        self.folder
    }
}

/// Waits for a future on this thread.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// The number a query of one value answers; 0 for NULL.
pub fn number(engine: &SqliteEngine, sql: &'static str) -> Result<i64, SqlError> {
    let rows = wait(basalt_engine::snapshot(engine, move |tx| tx.query(sql, &[])))?.rows;
    Ok(match rows.first().and_then(|row| row.first()) {
        Some(Value::Int(n)) => *n,
        _ => 0,
    })
}

fn returning() -> Returning {
    Returning { representation: None, location: false, output: Output::None, count: Count::None, max_affected: None }
}

/// An insert of a JSON payload with these columns.
pub fn insert(table: &str, columns: &[&str]) -> Ask {
    Ask::Insert(InsertAsk {
        schema: "public".to_owned(),
        relation: table.to_owned(),
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        columns_given: false,
        missing_default: false,
        resolution: None,
        on_conflict: None,
        put: None,
        returning: returning(),
    })
}

/// An update of all rows by a JSON payload with these columns.
pub fn update_all(table: &str, columns: &[&str]) -> Ask {
    Ask::Update(UpdateAsk {
        schema: "public".to_owned(),
        relation: table.to_owned(),
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        columns_given: false,
        missing_default: false,
        target: Node::default(),
        returning: returning(),
    })
}

/// A request of the service role.
pub fn request(engine: &SqliteEngine, ask: &Ask, payload: &str, within: Duration) -> Run {
    let plan = resolve(ask, &engine.catalog(), Settings::default()).expect("the request fits the tables");
    Run {
        session: Session::of_role("service_role"),
        plan: Arc::new(plan),
        literals: Literals::default(),
        payload: Some(Bytes::from(payload.to_owned())),
        limits: Limits::within(within, 1 << 20),
        rollback: false,
        timezone: None,
        explain: None,
    }
}

/// Runs a request of the service role to its end, resolving it again when a migration came between.
pub fn run(engine: &SqliteEngine, ask: &Ask, payload: &str) -> Result<Answer, RunError> {
    loop {
        match wait(engine.run(request(engine, ask, payload, PATIENCE))) {
            Err(RunError::StalePlan) => {}
            other => return other,
        }
    }
}

/// The SQLSTATE of a failed request.
pub fn code<T: std::fmt::Debug>(result: &Result<T, RunError>) -> &str {
    match result {
        Err(RunError::Sql(error)) => error.state.as_str(),
        Ok(_) => "00000",
        Err(other) => panic!("another kind of failure: {other:?}"),
    }
}
