//! A blocking connection whose values are texts, as PostgreSQL prints them.

use std::fmt;

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client as Connection, NoTls, SimpleQueryMessage};

/// One row; `None` is NULL.
pub type Row = Vec<Option<String>>;

/// What PostgreSQL said of a failure, in its own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PgError {
    /// SQLSTATE; `08006` when the connection itself failed.
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
    /// DETAIL.
    pub detail: Option<String>,
    /// HINT.
    pub hint: Option<String>,
    /// What it is about, where PostgreSQL says so.
    pub object: Box<ErrorObject>,
}

/// The names in an error's separate fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorObject {
    /// Schema of the object concerned.
    pub schema: Option<String>,
    /// Table concerned.
    pub table: Option<String>,
    /// Column concerned.
    pub column: Option<String>,
    /// Constraint concerned.
    pub constraint: Option<String>,
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.sqlstate, self.message)?;
        for (name, text) in [("DETAIL", &self.detail), ("HINT", &self.hint)] {
            if let Some(text) = text {
                write!(f, "\n{name}: {text}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for PgError {}

impl From<tokio_postgres::Error> for PgError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return Self { sqlstate: "08006".to_owned(), message: error.to_string(), ..Self::default() };
        };
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            sqlstate: db.code().code().to_owned(),
            message: db.message().to_owned(),
            detail: owned(db.detail()),
            hint: owned(db.hint()),
            object: Box::new(ErrorObject {
                schema: owned(db.schema()),
                table: owned(db.table()),
                column: owned(db.column()),
                constraint: owned(db.constraint()),
            }),
        }
    }
}

/// What one statement gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Names of the result's columns; of the last result when a script gave several.
    pub columns: Vec<String>,
    /// The rows in the order they came.
    pub rows: Vec<Row>,
    /// Rows returned or changed, as the command tag counts them.
    pub count: u64,
}

/// One connection. Not shared between threads: each test opens its own.
#[derive(Debug)]
pub struct Client {
    runtime: Runtime,
    connection: Connection,
    /// Statements prepared so far: each name is used once.
    prepared: u64,
}

impl Client {
    /// Opens a connection by a driver's `key=value` settings or URL, without TLS.
    ///
    /// # Errors
    /// The server's, and 08006 when there is none.
    pub fn connect(settings: &str) -> Result<Self, PgError> {
        let internal = |e: std::io::Error| PgError { sqlstate: "08006".to_owned(), message: e.to_string(), ..PgError::default() };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(internal)?;
        let connection = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(settings, NoTls).await?;
            tokio::spawn(connection);
            Ok::<_, tokio_postgres::Error>(client)
        })?;
        Ok(Self { runtime, connection, prepared: 0 })
    }

    /// Runs a script of any statements.
    ///
    /// # Errors
    /// The first statement that failed; a script without its own BEGIN is undone as a whole.
    pub fn batch(&mut self, sql: &str) -> Result<(), PgError> {
        Ok(self.runtime.block_on(self.connection.batch_execute(sql))?)
    }

    /// Rows of one statement with `$1`, `$2`, … given as texts, whose types PostgreSQL infers as it does for a driver's.
    ///
    /// # Errors
    /// PostgreSQL's. Inside a transaction it is then failed until ROLLBACK.
    pub fn query_text(&mut self, sql: &str, parameters: &[Option<&str>]) -> Result<Vec<Row>, PgError> {
        self.query(sql, parameters).map(|answer| answer.rows)
    }

    /// As [`Self::query_text`], with column names and the count of changed rows.
    ///
    /// # Errors
    /// As [`Self::query_text`].
    pub fn query(&mut self, sql: &str, parameters: &[Option<&str>]) -> Result<Answer, PgError> {
        if parameters.is_empty() {
            return self.simple(sql);
        }
        // Texts in both directions: the extended protocol of tokio-postgres reads results in binary form only, so the statement
        // is prepared by SQL. An untyped literal becomes the parameter's type exactly as a text parameter does.
        let mut values = String::new();
        for (n, value) in parameters.iter().enumerate() {
            values.push_str(if n == 0 { "" } else { ", " });
            match value {
                None => values.push_str("NULL"),
                Some(text) if text.contains('\0') => {
                    let message = "invalid byte sequence for encoding \"UTF8\": 0x00".to_owned();
                    return Err(PgError { sqlstate: "22021".to_owned(), message, ..PgError::default() });
                }
                Some(text) => {
                    values.push('\'');
                    values.push_str(&text.replace('\'', "''"));
                    values.push('\'');
                }
            }
        }
        self.prepared += 1;
        let name = format!("testkit_{}", self.prepared);
        self.simple(&format!("PREPARE {name} AS {sql}"))?;
        let answer = self.simple(&format!("EXECUTE {name}({values})"))?;
        self.simple(&format!("DEALLOCATE {name}"))?;
        Ok(answer)
    }

    /// Runs `work` in a transaction as a request of this role, with these claims (JSON text; empty without a token): COMMIT when
    /// it succeeds, ROLLBACK when it fails.
    ///
    /// # Errors
    /// What `work` gave, or what COMMIT said (deferred constraints), or 22023 for an unknown role.
    pub fn run_as<T>(
        &mut self,
        role: &str,
        claims: &str,
        work: impl FnOnce(&mut Self) -> Result<T, PgError>,
    ) -> Result<T, PgError> {
        self.batch("BEGIN")?;
        let set = "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)";
        let result = self.query(set, &[Some(role), Some(claims)]).and_then(|_| work(self)).and_then(|value| {
            self.batch("COMMIT")?;
            Ok(value)
        });
        if result.is_err() {
            // After a failed COMMIT there is nothing to roll back; the server only warns.
            self.batch("ROLLBACK")?;
        }
        result
    }

    /// As [`Self::run_as`], but always undone: to ask what would happen.
    ///
    /// # Errors
    /// What `work` gave. Deferred constraints are checked before the ROLLBACK.
    pub fn try_as<T>(
        &mut self,
        role: &str,
        claims: &str,
        work: impl FnOnce(&mut Self) -> Result<T, PgError>,
    ) -> Result<T, PgError> {
        let mut kept = None;
        let undone = self.run_as(role, claims, |tx| {
            kept = Some(work(tx)?);
            tx.batch("SET CONSTRAINTS ALL IMMEDIATE")?;
            Err::<(), _>(PgError::default())
        });
        match (kept, undone) {
            (Some(value), Err(e)) if e == PgError::default() => Ok(value),
            (_, Err(e)) => Err(e),
            (_, Ok(())) => {
                Err(PgError { message: "a transaction that was to be undone was committed".to_owned(), ..PgError::default() })
            }
        }
    }

    fn simple(&mut self, sql: &str) -> Result<Answer, PgError> {
        let mut answer = Answer::default();
        for message in self.runtime.block_on(self.connection.simple_query(sql))? {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    answer.columns = columns.iter().map(|column| column.name().to_owned()).collect();
                }
                SimpleQueryMessage::Row(row) => {
                    answer.rows.push((0..row.len()).map(|n| row.get(n).map(str::to_owned)).collect());
                }
                SimpleQueryMessage::CommandComplete(count) => answer.count = count,
                _ => {}
            }
        }
        Ok(answer)
    }
}
