//! Transactions of the services on their own tables: constant texts with parameters, prepared once on each connection.

use std::time::Duration;

use basalt_engine::{Rows, Transaction};
use basalt_types::{SqlError, Timestamp, Value};
use tokio::runtime::Handle;
use tokio_postgres::types::ToSql;

use crate::error;
use crate::pool::{Connection, Key};
use crate::value::{Param, Stored};

/// The longest a service waits for the answer to one statement of its own: by keys, on tables of its own.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for an answer, but not for ever: a server that has stopped sends none. The connection is then of no use.
fn answer<T>(runtime: &Handle, asked: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, SqlError> {
    match runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await }) {
        Ok(answered) => answered.map_err(|e| error::of(&e)),
        Err(_) => {
            tracing::warn!("PostgreSQL did not answer a service in time");
            Err(error::lost())
        }
    }
}

/// How a transaction begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads and writes as if nobody else were there.
    Write,
    /// Reads of one moment.
    Read,
}

impl Access {
    fn begin(self) -> &'static str {
        match self {
            Self::Write => "BEGIN ISOLATION LEVEL SERIALIZABLE",
            Self::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

/// The transaction that a service's work sees, on a thread that may wait.
pub(crate) struct Own<'a> {
    connection: &'a mut Connection,
    runtime: &'a Handle,
    now: Timestamp,
    is_prepared: bool,
}

impl<'a> Own<'a> {
    /// Begins.
    ///
    /// # Errors
    /// What the connection reports.
    pub(crate) fn begin(
        connection: &'a mut Connection,
        runtime: &'a Handle,
        access: Access,
        is_prepared: bool,
        now: Timestamp,
    ) -> Result<Self, SqlError> {
        // What another client of a pooler left under the names that the driver is about to use goes first.
        let begin = if is_prepared { access.begin().to_owned() } else { format!("{}; DEALLOCATE ALL", access.begin()) };
        answer(runtime, connection.client.batch_execute(&begin))?;
        Ok(Self { connection, runtime, now, is_prepared })
    }

    /// Ends with what the work said.
    ///
    /// # Errors
    /// The work's own, or the commit's.
    pub(crate) fn end<T>(self, result: Result<T, SqlError>) -> Result<T, SqlError> {
        if let Err(error) = &result
            && error::is_lost(error)
        {
            return result;
        }
        let last = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = answer(self.runtime, self.connection.client.batch_execute(last));
        let value = result?;
        ended.map(|()| value)
    }
}

impl Transaction for Own<'_> {
    fn query(&mut self, sql: &'static str, params: &[Value]) -> Result<Rows, SqlError> {
        let params: Vec<Param<'_>> = params.iter().map(Param).collect();
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|p| p as &(dyn ToSql + Sync)).collect();
        let key = Key::Text(sql.as_ptr() as usize, sql.len());
        let version = self.connection.catalog_version;
        let known = if self.is_prepared { self.connection.prepared(&key, version) } else { None };
        let client = &self.connection.client;
        let asked = async {
            let statement = match known {
                Some(statement) => statement,
                None => client.prepare(sql).await?,
            };
            if statement.columns().is_empty() {
                let affected = client.execute(&statement, &params).await?;
                return Ok((statement, Rows { rows: Vec::new(), affected }));
            }
            let rows = client.query(&statement, &params).await?;
            let width = statement.columns().len();
            let read = |row: &tokio_postgres::Row| {
                (0..width).map(|at| row.try_get::<_, Stored>(at).map(|s| s.0)).collect::<Result<Vec<_>, _>>()
            };
            let rows = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
            Ok((statement, Rows { affected: rows.len() as u64, rows }))
        };
        let (statement, rows) = answer(self.runtime, asked)?;
        if self.is_prepared {
            self.connection.keep(key, &statement);
        }
        Ok(rows)
    }

    fn now(&self) -> Timestamp {
        self.now
    }
}
