//! Whole tables in and out of a file, for `basalt copy`: a connection of its own, beside or instead of an engine.
//!
//! Reading leaves a server that runs on the file alone: it is one more reader of one moment. For writing nobody else may have the
//! file; the program's lock sees to that. Rows go straight into SQLite's tables: no trigger fires, and foreign keys, which may form
//! circles, are looked at when everything is there. The remarks of an unfinished copy stand among the file's own (`basalt_meta`).

mod read;
mod write;

use std::path::Path;
use std::sync::Arc;

use basalt_catalog::{Catalog, Relation, RelationKind};
use basalt_engine::bulk::{Batch, Bulk, BulkTable, KeyCheck, Notes, Refused, SequenceValue, Shape};
use basalt_engine::migrate::AppliedMigration;
use basalt_plan::expressions::ExprCache;
use basalt_types::{Clock, Oid, SqlError, SqlState, Value, ValueRef};

use crate::commit::{Kind, Task};
use crate::connection::{Connection, Use};
use crate::engine::SqliteEngine;
use crate::functions::Services;
use crate::names::{quoted, storage_name};
use crate::options::SqliteOptions;
use crate::schema::materialized;
use crate::sequences::Sequences;
use crate::{compile, keys, migrate, store};

use read::Reading;
use write::Writing;

/// Pages after which a commit empties the log: 16 MiB of the usual size.
const CHECKPOINT_PAGES: u32 = 2000;

/// Page cache while rows are written, KiB: keys that come in no order touch pages all over their index.
const CACHE_KIB: u32 = 48 << 10;

/// A file as one side of a copy.
pub struct SqliteBulk {
    connection: Connection,
    sequences: Arc<Sequences>,
    catalog: Arc<Catalog>,
    expressions: ExprCache,
    reading: Option<Reading>,
    writing: Option<Writing>,
    /// `PRAGMA data_version` when the moment was taken.
    data_version: i64,
    clock: Arc<dyn Clock>,
}

impl SqliteBulk {
    /// Opens an existing database file of Basalt's: to read, or, when nobody else has it, to write.
    ///
    /// # Errors
    /// 58030 when there is no such file; 55000 when it is not Basalt's, is of another version, or its tables were changed by another
    /// program.
    pub fn open(options: &SqliteOptions, is_target: bool) -> Result<Self, SqlError> {
        if !options.path.is_file() {
            return Err(SqlError::new(SqlState::IO_ERROR, format!("there is no database file {}", options.path.display())));
        }
        let sequences = Arc::new(Sequences::default());
        let services =
            Services { rng: Arc::clone(&options.rng), clock: Arc::clone(&options.clock), sequences: Arc::clone(&sequences) };
        // Read from one end to the other, a mapped file would count as this process' memory, all of it.
        let options = &SqliteOptions { mapped_bytes: 0, ..options.clone() };
        let connection = Connection::open(options, if is_target { Use::Write } else { Use::Read }, &services)?;
        if is_target {
            connection
                .db()
                .execute_batch(&format!(
                    "PRAGMA foreign_keys=OFF; PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}; PRAGMA cache_size=-{CACHE_KIB};"
                ))
                .map_err(|e| crate::error::from_rusqlite(&e))?;
        }
        if store::examine(&connection)? == store::Found::Empty {
            return Err(SqlError::new(
                SqlState::NOT_IN_PREREQUISITE_STATE,
                format!("the database file {} is empty", options.path.display()),
            ));
        }
        if store::needs_upgrade(&connection)? || store::needs_reindex(&connection)? {
            return Err(SqlError::new(
                SqlState::NOT_IN_PREREQUISITE_STATE,
                "the database file was written by an earlier version",
            )
            .hint("Start it once with `basalt serve`, which brings it to this version."));
        }
        let mut bulk = Self {
            connection,
            sequences,
            catalog: Arc::default(),
            expressions: compile::expressions(),
            reading: None,
            writing: None,
            data_version: 0,
            clock: Arc::clone(&options.clock),
        };
        bulk.load()?;
        Ok(bulk)
    }

    /// Whether there is a file with something in it.
    pub fn exists(path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|found| found.len() > 0)
    }

    fn load(&mut self) -> Result<(), SqlError> {
        self.catalog = Arc::new(store::load(&self.connection, &self.sequences)?);
        Ok(())
    }

    fn relation(&self, schema: &str, name: &str) -> Result<Arc<Relation>, SqlError> {
        self.catalog
            .relation(schema, name)
            .cloned()
            .ok_or_else(|| SqlError::new(SqlState::UNDEFINED_TABLE, format!("relation \"{schema}.{name}\" does not exist")))
    }

    fn stored_name(&self, schema: &str, name: &str) -> Result<String, SqlError> {
        Ok(quoted(&storage_name(&self.catalog, &*self.relation(schema, name)?)))
    }

    fn number(&self, sql: &str) -> Result<i64, SqlError> {
        let rows = self.connection.query_once(sql, &[])?;
        Ok(match rows.first().and_then(|row| row.first()) {
            Some(Value::Int(n)) => *n,
            _ => 0,
        })
    }

    /// Does something in a transaction of its own.
    fn transaction<T, E: From<SqlError>>(&self, work: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        self.connection.execute("BEGIN IMMEDIATE").map_err(SqlError::from)?;
        let done = work(self).and_then(|value| {
            self.connection.execute("COMMIT").map_err(SqlError::from)?;
            Ok(value)
        });
        if done.is_err() && self.connection.in_transaction() {
            let _ = self.connection.execute("ROLLBACK");
        }
        done
    }

    fn put_note(&self, name: &str, value: &str) -> Result<(), SqlError> {
        Ok(store::put_meta(&self.connection, &format!("copy:{name}"), ValueRef::Text(value))?)
    }
}

impl SqliteEngine {
    /// Whether a copy into this file has begun and not ended. Not for async code.
    ///
    /// # Errors
    /// What reading reports.
    pub fn is_half_copied(&self) -> Result<bool, SqlError> {
        let task: Task = Arc::new(|desk| Ok(Box::new(!store::copy_notes(desk.connection).map_err(SqlError::from)?.is_empty())));
        let boxed = self.wait(task, Kind::Long, false, migrate::TIMEOUT)?;
        boxed.downcast().map(|is_so| *is_so).map_err(|_| SqlError::internal("the notes answered with another value"))
    }
}

/// The history, which migrations write, receipts, which are of one database, and what Supabase's services note of their own schemas.
fn is_bookkeeping(table: &BulkTable) -> bool {
    let is_service = matches!(table.schema.as_str(), "auth" | "storage" | "realtime");
    matches!(table.schema.as_str(), "supabase_migrations" | "basalt")
        || (is_service && matches!(table.name.as_str(), "schema_migrations" | "migrations" | "instances"))
}

impl Bulk for SqliteBulk {
    fn product(&self) -> &'static str {
        "SQLite"
    }

    fn tables(&mut self) -> Result<Vec<BulkTable>, SqlError> {
        let all = self.catalog.relations().filter(|relation| relation.kind == RelationKind::Table);
        let all = all.map(|relation| BulkTable::of(&self.catalog, relation));
        Ok(all.filter(|table| !is_bookkeeping(table)).collect())
    }

    fn left_out(&mut self) -> Result<Vec<String>, SqlError> {
        Ok(Vec::new())
    }

    fn history(&mut self) -> Result<Vec<AppliedMigration>, SqlError> {
        migrate::history(&self.connection)
    }

    fn begin(&mut self) -> Result<(), SqlError> {
        self.data_version = self.number("PRAGMA data_version")?;
        self.connection.execute("BEGIN")?;
        // The first read takes the moment.
        self.load()
    }

    fn end(&mut self) -> Result<bool, SqlError> {
        self.reading = None;
        if self.connection.in_transaction() {
            self.connection.execute("COMMIT")?;
        }
        // The number moves when this connection sees that another has committed.
        Ok(self.number("PRAGMA data_version")? != self.data_version)
    }

    fn count(&mut self, schema: &str, table: &str) -> Result<u64, SqlError> {
        let count = self.number(&format!("SELECT count(*) FROM {}", self.stored_name(schema, table)?))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn has_values(&mut self, schema: &str, table: &str, columns: &[&str]) -> Result<bool, SqlError> {
        let present: Vec<String> = columns.iter().map(|column| format!("{} IS NOT NULL", quoted(column))).collect();
        let filter = if present.is_empty() { String::new() } else { format!(" WHERE {}", present.join(" OR ")) };
        Ok(self.number(&format!("SELECT EXISTS (SELECT 1 FROM {}{filter})", self.stored_name(schema, table)?))? != 0)
    }

    fn open(&mut self, shape: &Shape) -> Result<(), SqlError> {
        let relation = self.relation(&shape.schema, &shape.name)?;
        self.reading = Some(Reading::of(&self.catalog, &relation, shape)?);
        Ok(())
    }

    fn read(&mut self, batch: &mut Batch) -> Result<(), SqlError> {
        batch.clear();
        match &mut self.reading {
            Some(reading) => reading.read(&self.connection, batch),
            None => Ok(()),
        }
    }

    fn sequences(&mut self) -> Result<Vec<SequenceValue>, SqlError> {
        let mut all = Vec::new();
        for relation in self.catalog.relations().filter(|relation| relation.kind == RelationKind::Sequence) {
            let schema = self.catalog.schema_by_oid(Oid(relation.schema)).map_or_else(String::new, |schema| schema.name.clone());
            let (last, is_called) = self.sequences.last(Oid(relation.oid))?;
            all.push(SequenceValue { schema, name: relation.name.clone(), last, is_called });
        }
        Ok(all)
    }

    fn notes(&mut self) -> Result<Option<Notes>, SqlError> {
        let notes = store::copy_notes(&self.connection)?;
        Ok((!notes.is_empty()).then(|| notes.into_iter().collect()))
    }

    fn start(&mut self) -> Result<(), SqlError> {
        self.note("format", "1")
    }

    fn quiet(&mut self) -> Result<(), SqlError> {
        Ok(())
    }

    fn note(&mut self, name: &str, value: &str) -> Result<(), SqlError> {
        self.put_note(name, value)
    }

    fn write(&mut self, shape: &Shape, batch: &Batch, (name, value): (&str, &str)) -> Result<(), Refused> {
        if !self.writing.as_ref().is_some_and(|writing| writing.is_for(shape)) {
            let relation = self.relation(&shape.schema, &shape.name)?;
            self.writing = Some(Writing::of(&self.catalog, &relation, shape, &self.expressions)?);
        }
        let Some(writing) = &self.writing else { return Ok(()) };
        self.transaction(|bulk| {
            writing.write(&bulk.connection, batch)?;
            Ok(bulk.put_note(name, value)?)
        })
    }

    fn clear(&mut self, schema: &str, table: &str, note: &str) -> Result<(), SqlError> {
        let table = self.stored_name(schema, table)?;
        self.transaction(|bulk| {
            bulk.connection.query_once(&format!("DELETE FROM {table}"), &[])?;
            Ok(store::forget_copy_notes(&bulk.connection, Some(note))?)
        })
    }

    fn set_sequences(&mut self, values: &[SequenceValue]) -> Result<(), SqlError> {
        self.transaction(|bulk| {
            for value in values {
                let Some(relation) = bulk.catalog.relation(&value.schema, &value.name) else { continue };
                let (oid, is_called) = (i64::from(relation.oid), i64::from(value.is_called));
                bulk.sequences.set(Oid(relation.oid), value.last, value.is_called)?;
                let params = [ValueRef::Int(oid), ValueRef::Int(value.last), ValueRef::Int(is_called)];
                bulk.connection.query(store::STORE_SEQUENCE, &params)?;
            }
            Ok(())
        })
    }

    fn check_keys(&mut self) -> Result<KeyCheck, SqlError> {
        let mut found = KeyCheck::default();
        for relation in self.catalog.relations().filter(|relation| relation.kind == RelationKind::Table) {
            for constraint in relation.constraints.iter().filter(|constraint| constraint.validated) {
                let is_key = matches!(constraint.kind, basalt_catalog::ConstraintKind::ForeignKey { .. });
                found.checked += usize::from(is_key);
                if let Some(error) = keys::violating_row(&self.connection, &self.catalog, relation, constraint)? {
                    // The detail names values, which may be a user's secrets.
                    found.violated.push(error.message);
                }
            }
        }
        Ok(found)
    }

    fn finish(&mut self) -> Result<(), SqlError> {
        self.writing = None;
        let now = self.clock.now();
        self.transaction(|bulk| {
            let is_filled = |view: &&Arc<Relation>| {
                view.kind == RelationKind::MaterializedView && view.view.as_ref().is_some_and(|v| !v.unpopulated)
            };
            for view in bulk.catalog.relations().filter(is_filled) {
                materialized::fill(&bulk.connection, &bulk.catalog, &bulk.expressions, now, view, true)?;
            }
            Ok::<(), SqlError>(())
        })?;
        store::forget_copy_notes(&self.connection, None)?;
        self.connection.query_once("PRAGMA wal_checkpoint(TRUNCATE)", &[])?;
        Ok(())
    }
}
