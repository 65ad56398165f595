//! Whole tables in and out of a database, for `basalt copy`: a connection of its own over the admin login, which owns the tables.
//!
//! Reading is COPY in one repeatable-read transaction. Writing is COPY in a transaction a batch, with triggers and foreign keys at rest:
//! by `session_replication_role` where the login may set it, else by taking them away until the end ([`quiet`]). What a copy notes
//! stands in the schema `basalt_copy`, which goes with the last step.

mod check;
mod quiet;
mod write;

use std::pin::Pin;
use std::sync::Arc;

use basalt_catalog::{Catalog, RelationKind};
use basalt_engine::bulk::{Batch, Bulk, BulkTable, KeyCheck, Notes, Refused, SequenceValue, Shape};
use basalt_engine::migrate::AppliedMigration;
use basalt_types::{Oid, SqlError, SqlState};
use futures_util::StreamExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, CopyOutStream, Row};

use crate::connect::Target;
use crate::engine::PostgresEngine;
use crate::options::PostgresOptions;
use crate::{error, introspect, migrate};

/// Every text form as PostgreSQL prints it by default, times in UTC, no limit of time, rows in the order they lie in, and an error
/// instead of rows that a policy hides.
const SESSION: &str = "SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1; SET bytea_output = 'hex'; \
     SET TimeZone = 'UTC'; SET client_encoding = 'UTF8'; SET xmloption = 'content'; SET statement_timeout = 0; \
     SET idle_in_transaction_session_timeout = 0; SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'; \
     SET synchronize_seqscans = off; SET row_security = off";

/// Only one copy writes to a database: a session's advisory lock of this number ("bas_copy" in ASCII).
const LOCK: &str = "SET lock_timeout = '15s'; SELECT pg_catalog.pg_advisory_lock(7089049395870396537); SET lock_timeout = 0";

/// Schemas whose tables other programs keep, or Basalt itself.
const NOT_COPIED: &str = "'_realtime', 'extensions', 'graphql', 'graphql_public', 'supabase_migrations', 'supabase_functions', \
     'basalt', 'basalt_copy', 'vault', 'pgsodium', 'pgsodium_masks', 'net', 'cron', 'pgbouncer', 'pg_catalog', 'information_schema'";

/// Tables in which the services of Supabase's own stack note the versions of their schemas.
const VERSIONS_OF_SERVICES: &str =
    "(n.nspname IN ('auth', 'storage', 'realtime') AND c.relname IN ('schema_migrations', 'migrations', 'instances'))";

/// A database as one side of a copy.
pub struct PostgresBulk {
    reading: Option<Pin<Box<CopyOutStream>>>,
    client: Client,
    runtime: Runtime,
    catalog: Arc<Catalog>,
    /// Partitioned tables: `schema.name`. Their rows are read and written through them.
    partitioned: Vec<(String, String)>,
    /// Whether triggers rest by `session_replication_role`.
    is_replica: bool,
    /// Rows that were written since the server's counters began, when the moment was taken.
    writes: i64,
}

fn sql(error: tokio_postgres::Error) -> SqlError {
    error::of(&error)
}

/// A name in double quotes.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

fn column<'r, T: tokio_postgres::types::FromSql<'r>>(row: &'r Row, at: usize) -> Result<T, SqlError> {
    row.try_get(at).map_err(sql)
}

impl PostgresBulk {
    /// Connects over the admin address: to read, or to write as the only copy that does.
    ///
    /// # Errors
    /// As connecting reports; 55P03 when another copy writes to the database.
    pub fn open(options: &PostgresOptions, is_target: bool) -> Result<Self, SqlError> {
        let target = Target::parse(&options.admin, options.connect_timeout, "basalt-copy")?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|_| SqlError::internal("no runtime for the database's connection"))?;
        let client = runtime.block_on(async {
            let client = target.connect().await?;
            client.batch_execute(SESSION).await.map_err(sql)?;
            // Places of errors are read out of their texts; who may not choose the language gets errors without places.
            let _ = client.batch_execute("SET lc_messages = 'C'").await;
            if is_target {
                client.batch_execute(LOCK).await.map_err(|failed| match sql(failed) {
                    busy if busy.state.as_str() == "55P03" => SqlError::new(busy.state, "another copy writes to this database"),
                    other => other,
                })?;
            }
            Ok::<_, SqlError>(client)
        })?;
        let catalog = runtime.block_on(introspect::catalog(&client))?;
        Ok(Self {
            reading: None,
            client,
            runtime,
            catalog: Arc::new(catalog),
            partitioned: Vec::new(),
            is_replica: false,
            writes: 0,
        })
    }

    fn run(&self, text: &str) -> Result<(), SqlError> {
        self.runtime.block_on(self.client.batch_execute(text)).map_err(sql)
    }

    fn rows(&self, text: &str) -> Result<Vec<Row>, SqlError> {
        self.runtime.block_on(self.client.query(text, &[])).map_err(sql)
    }

    fn one(&self, text: &str) -> Result<Row, SqlError> {
        self.runtime.block_on(self.client.query_one(text, &[])).map_err(sql)
    }

    fn texts(&self, text: &str) -> Result<Vec<Vec<String>>, SqlError> {
        self.rows(text)?.iter().map(|row| (0..row.len()).map(|at| column(row, at)).collect()).collect()
    }

    /// The table to read from: rows of tables that inherit from it are theirs.
    fn source(&self, schema: &str, name: &str) -> String {
        let is_partitioned = self.partitioned.iter().any(|(s, n)| s == schema && n == name);
        let only = if is_partitioned { "" } else { "ONLY " };
        format!("{only}{}", qualified(schema, name))
    }

    /// Rows inserted, changed and deleted in this database, as far as its counters know.
    fn written_so_far(&self) -> Result<i64, SqlError> {
        let row = self.one(
            "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int8 FROM pg_catalog.pg_stat_all_tables \
             WHERE schemaname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')",
        )?;
        column(&row, 0)
    }

    /// Does something in a transaction of its own.
    fn transaction<T, E: From<SqlError>>(&self, begin: &str, work: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        self.run(begin)?;
        let done = work(self);
        let ended = self.run(if done.is_ok() { "COMMIT" } else { "ROLLBACK" });
        let value = done?;
        ended?;
        Ok(value)
    }

    /// How a transaction that writes rows begins.
    fn begin_writing(&self) -> &'static str {
        if self.is_replica { "BEGIN; SET LOCAL session_replication_role = replica" } else { "BEGIN" }
    }

    fn put_note(&self, name: &str, value: &str) -> Result<(), SqlError> {
        let text =
            "INSERT INTO basalt_copy.notes (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.runtime.block_on(self.client.execute(text, &[&name, &value])).map(drop).map_err(sql)
    }

    fn forget_note(&self, name: &str) -> Result<(), SqlError> {
        let text = "DELETE FROM basalt_copy.notes WHERE name = $1";
        self.runtime.block_on(self.client.execute(text, &[&name])).map(drop).map_err(sql)
    }
}

impl Bulk for PostgresBulk {
    fn product(&self) -> &'static str {
        "PostgreSQL"
    }

    fn tables(&mut self) -> Result<Vec<BulkTable>, SqlError> {
        let found = self.texts(&format!(
            "SELECT n.nspname::text, c.relname::text, c.relkind::text FROM pg_catalog.pg_class AS c \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' \
             AND n.nspname NOT IN ({NOT_COPIED}) AND n.nspname !~ '^pg_' AND NOT {VERSIONS_OF_SERVICES} \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
                 AND d.objid = c.oid AND d.deptype = 'e') ORDER BY c.oid"
        ))?;
        let mut tables = Vec::new();
        self.partitioned.clear();
        for row in found {
            let [schema, name, kind] = row.as_slice() else { continue };
            if kind == "p" {
                self.partitioned.push((schema.clone(), name.clone()));
            }
            let relation = self.catalog.relation(schema, name);
            tables.extend(relation.map(|relation| BulkTable::of(&self.catalog, relation)));
        }
        Ok(tables)
    }

    fn left_out(&mut self) -> Result<Vec<String>, SqlError> {
        let found = self.texts(&format!(
            "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition AND (c.relkind = 'f' OR n.nspname IN ({NOT_COPIED})) \
             AND n.nspname NOT IN ('supabase_migrations', 'basalt', 'basalt_copy', 'pg_catalog', 'information_schema') \
             AND c.relname NOT IN ('schema_migrations', 'migrations') \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
                 AND d.objid = c.oid AND d.deptype = 'e' AND n.nspname = 'extensions') \
             AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1, 2"
        ))?;
        let mut all = Vec::new();
        for row in found {
            let [schema, name] = row.as_slice() else { continue };
            let exists = self.one(&format!("SELECT EXISTS (SELECT FROM {})", qualified(schema, name)))?;
            if column(&exists, 0)? {
                all.push(format!("{schema}.{name}"));
            }
        }
        Ok(all)
    }

    fn history(&mut self) -> Result<Vec<AppliedMigration>, SqlError> {
        self.runtime.block_on(migrate::history(&self.client))
    }

    fn begin(&mut self) -> Result<(), SqlError> {
        self.writes = self.written_so_far()?;
        // Names of objects that are values carry their schema.
        self.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = pg_catalog")?;
        self.catalog = Arc::new(self.runtime.block_on(introspect::within(&self.client))?);
        Ok(())
    }

    fn end(&mut self) -> Result<bool, SqlError> {
        self.reading = None;
        self.run("ROLLBACK")?;
        Ok(self.written_so_far()? != self.writes)
    }

    fn count(&mut self, schema: &str, table: &str) -> Result<u64, SqlError> {
        let row = self.one(&format!("SELECT count(*) FROM {}", self.source(schema, table)))?;
        Ok(u64::try_from(column::<i64>(&row, 0)?).unwrap_or(0))
    }

    fn has_values(&mut self, schema: &str, table: &str, columns: &[&str]) -> Result<bool, SqlError> {
        let present: Vec<String> = columns.iter().map(|column| format!("{} IS DISTINCT FROM NULL", quoted(column))).collect();
        let filter = if present.is_empty() { String::new() } else { format!(" WHERE {}", present.join(" OR ")) };
        let row = self.one(&format!("SELECT EXISTS (SELECT FROM {}{filter})", self.source(schema, table)))?;
        column(&row, 0)
    }

    fn open(&mut self, shape: &Shape) -> Result<(), SqlError> {
        // What is left of an earlier stream is taken and thrown away, so that its end is not taken for the next one's.
        if let Some(mut rest) = self.reading.take() {
            self.runtime.block_on(async { while let Some(Ok(_)) = rest.next().await {} });
        }
        let text = format!("COPY (SELECT {} FROM {}) TO STDOUT", list(&shape.columns), self.source(&shape.schema, &shape.name));
        self.reading = Some(Box::pin(self.runtime.block_on(self.client.copy_out(&text)).map_err(sql)?));
        Ok(())
    }

    fn read(&mut self, batch: &mut Batch) -> Result<(), SqlError> {
        batch.clear();
        let Some(stream) = &mut self.reading else { return Ok(()) };
        let is_done = self.runtime.block_on(async {
            loop {
                match stream.next().await {
                    None => return Ok(true),
                    Some(chunk) => batch.push_text(&chunk?),
                }
                if batch.is_full() {
                    return Ok(false);
                }
            }
        });
        if is_done.map_err(sql)? {
            self.reading = None;
        }
        Ok(())
    }

    fn sequences(&mut self) -> Result<Vec<SequenceValue>, SqlError> {
        let found = self.texts(&format!(
            "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE c.relkind = 'S' AND n.nspname NOT IN ({NOT_COPIED}) AND n.nspname !~ '^pg_' \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
                 AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1, 2"
        ))?;
        let mut all = Vec::new();
        for row in found {
            let [schema, name] = row.as_slice() else { continue };
            let value = self.one(&format!("SELECT last_value, is_called FROM {}", qualified(schema, name)))?;
            all.push(SequenceValue {
                schema: schema.clone(),
                name: name.clone(),
                last: column(&value, 0)?,
                is_called: column(&value, 1)?,
            });
        }
        Ok(all)
    }

    fn notes(&mut self) -> Result<Option<Notes>, SqlError> {
        let exists = self.one("SELECT to_regclass('basalt_copy.notes') IS NOT NULL")?;
        if !column::<bool>(&exists, 0)? {
            return Ok(None);
        }
        let rows = self.texts("SELECT name, value FROM basalt_copy.notes")?;
        let pair = |row: Vec<String>| <[String; 2]>::try_from(row).ok().map(|[name, value]| (name, value));
        Ok(Some(rows.into_iter().filter_map(pair).collect()))
    }

    fn start(&mut self) -> Result<(), SqlError> {
        self.run(
            "BEGIN; CREATE SCHEMA IF NOT EXISTS basalt_copy; \
             CREATE TABLE IF NOT EXISTS basalt_copy.notes (name text PRIMARY KEY, value text NOT NULL); COMMIT",
        )?;
        self.note("format", "1")
    }

    fn quiet(&mut self) -> Result<(), SqlError> {
        self.catalog = Arc::new(self.runtime.block_on(introspect::catalog(&self.client))?);
        quiet::quiet(self)
    }

    fn note(&mut self, name: &str, value: &str) -> Result<(), SqlError> {
        self.put_note(name, value)
    }

    fn write(&mut self, shape: &Shape, batch: &Batch, (name, value): (&str, &str)) -> Result<(), Refused> {
        self.transaction(self.begin_writing(), |bulk| {
            write::copy_in(bulk, shape, batch)?;
            Ok(bulk.put_note(name, value)?)
        })
    }

    fn clear(&mut self, schema: &str, table: &str, note: &str) -> Result<(), SqlError> {
        let from = self.source(schema, table);
        self.transaction(self.begin_writing(), |bulk| {
            bulk.run(&format!("DELETE FROM {from}"))?;
            bulk.forget_note(note)
        })
    }

    fn set_sequences(&mut self, values: &[SequenceValue]) -> Result<(), SqlError> {
        for value in values.iter().filter(|value| self.catalog.relation(&value.schema, &value.name).is_some()) {
            let name = qualified(&value.schema, &value.name);
            let text = "SELECT pg_catalog.setval($1::text::regclass, $2, $3)";
            self.runtime.block_on(self.client.execute(text, &[&name, &value.last, &value.is_called])).map_err(sql)?;
        }
        Ok(())
    }

    fn check_keys(&mut self) -> Result<KeyCheck, SqlError> {
        check::keys(self)
    }

    fn finish(&mut self) -> Result<(), SqlError> {
        let views: Vec<String> = self
            .catalog
            .relations()
            .filter(|relation| relation.kind == RelationKind::MaterializedView)
            .filter_map(|view| Some(qualified(&self.catalog.schema_by_oid(Oid(view.schema))?.name, &view.name)))
            .collect();
        self.transaction("BEGIN", |bulk| {
            quiet::wake(bulk)?;
            for view in &views {
                bulk.run(&format!("REFRESH MATERIALIZED VIEW {view}"))?;
            }
            bulk.run("DROP SCHEMA basalt_copy CASCADE")
        })?;
        // The planner's knowledge of the new rows; tables of others are passed over with a warning.
        self.run("ANALYZE")
    }
}

impl PostgresEngine {
    /// Whether a copy into this database has begun and not ended. Not for async code.
    ///
    /// # Errors
    /// As connecting reports.
    pub fn is_half_copied(&self) -> Result<bool, SqlError> {
        self.handle.block_on(self.shared.admin(async |client| {
            let row = client.query_one("SELECT to_regclass('basalt_copy.notes') IS NOT NULL", &[]).await.map_err(sql)?;
            column(&row, 0)
        }))
    }
}

/// What the copy's own statements refuse.
fn refuse(message: &str, hint: &str) -> SqlError {
    SqlError::new(SqlState::NOT_IN_PREREQUISITE_STATE, message).hint(hint)
}
