//! The two databases a case runs on, answering in the same words.

use std::sync::Arc;

use basalt_catalog::{Catalog, TypeKind};
use basalt_engine::{Engine, Rows};
use basalt_sql::analyze;
use basalt_sql::typed::{Body, Query, Statement};
use basalt_sqlite::{SqliteEngine, SqliteOptions};
use basalt_testkit::postgres::{Client, Database, PgError};
use basalt_types::pg::{self, oid};
use basalt_types::{Oid, SqlError, TypeRef, Value};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::case::{Step, Verb};

/// A fresh embedded database.
pub struct Sqlite {
    engine: Arc<SqliteEngine>,
    runtime: Runtime,
    /// Removed when the case has ended.
    _folder: TempDir,
}

/// A fresh database of the private PostgreSQL.
pub struct Postgres {
    client: Client,
    _database: Database,
}

/// Opens an engine on a new file. Tables are open to the API's roles, as in [`Database::fresh`].
pub fn open() -> (Arc<SqliteEngine>, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut options = SqliteOptions::new(folder.path().join("data.db"));
    options.readers = 1;
    options.near_readers = 1;
    options.auto_expose_new_tables = true;
    let engine = SqliteEngine::open(options).unwrap_or_else(|e| panic!("opening a new database: {e}"));
    (engine, folder)
}

impl Sqlite {
    pub fn fresh() -> Self {
        let (engine, folder) = open();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { engine, runtime, _folder: folder }
    }

    pub fn answer(&self, step: &Step) -> String {
        match step.verb {
            Verb::Apply => match self.engine.run_seed(&step.sql) {
                Ok(_) => "ok".to_owned(),
                Err(error) => error_text(&error.error),
            },
            Verb::Query => self.query(&step.sql).unwrap_or_else(|error| error_text(&error)),
        }
    }

    fn query(&self, sql: &str) -> Result<String, SqlError> {
        let catalog = self.engine.catalog();
        let statement = analyze::statement_text(sql, &catalog, &analyze::Context::default()).map_err(|e| e.error)?;
        let columns = columns(&statement);
        // The texts of a test are as constant as the door wants them to be: they live until the process ends.
        let text: &'static str = Box::leak(sql.to_owned().into_boxed_str());
        let work = basalt_engine::transaction(&*self.engine, move |tx| tx.query(text, &[]));
        let Rows { rows, affected } = self.runtime.block_on(work)?;
        let Some(columns) = columns else { return Ok(format!("affected: {affected}")) };
        let types: Vec<TypeRef> = columns.iter().map(|ty| shown(*ty, &catalog)).collect();
        let show = |(value, ty): (&Value, &TypeRef)| match value {
            Value::Null => None,
            value => {
                let mut out = String::new();
                pg::text(value.as_ref(), *ty, &mut out);
                Some(out)
            }
        };
        Ok(table(rows.iter().map(|row| row.iter().zip(&types).map(show).collect())))
    }
}

impl Postgres {
    pub fn fresh() -> Self {
        let database = Database::fresh();
        // Migrations may make schemas and trusted extensions, as on Supabase, where the database is theirs.
        let grant = format!("grant create on database {} to postgres", database.name());
        database.superuser().and_then(|mut c| c.batch(&grant)).unwrap_or_else(|e| panic!("{e}"));
        let mut client = database.owner().unwrap_or_else(|e| panic!("connecting to the test's database: {e}"));
        client.batch("set search_path = public, extensions").unwrap_or_else(|e| panic!("{e}"));
        Self { client, _database: database }
    }

    pub fn answer(&mut self, step: &Step) -> String {
        match step.verb {
            Verb::Apply => match self.client.batch(&step.sql) {
                Ok(()) => "ok".to_owned(),
                Err(error) => pg_error_text(&error),
            },
            Verb::Query => match self.client.query(&step.sql, &[]) {
                Ok(answer) if answer.columns.is_empty() => format!("affected: {}", answer.count),
                Ok(answer) => table(answer.rows.into_iter()),
                Err(error) => pg_error_text(&error),
            },
        }
    }
}

/// Types of the result's columns; `None` for a write without RETURNING.
fn columns(statement: &Statement) -> Option<Vec<TypeRef>> {
    let returning = match statement {
        Statement::Query(query) => return Some(query_columns(query)),
        Statement::Insert(insert) => &insert.returning,
        Statement::Update(update) => &update.returning,
        Statement::Delete(delete) => &delete.returning,
    };
    (!returning.is_empty()).then(|| returning.iter().map(|t| t.expr.ty).collect())
}

fn query_columns(query: &Query) -> Vec<TypeRef> {
    match &query.body {
        Body::Select(select) => select.targets.iter().map(|t| t.expr.ty).collect(),
        Body::Values { rows } => rows.first().map(|row| row.iter().map(|e| e.ty).collect()).unwrap_or_default(),
        Body::Set { left, .. } => query_columns(left),
    }
}

/// The built-in type by which a value of a user's type is printed.
fn shown(ty: TypeRef, catalog: &Catalog) -> TypeRef {
    match catalog.type_by_oid(ty.oid).filter(|def| def.oid == ty.oid.0).map(|def| &def.kind) {
        Some(TypeKind::Domain { base, .. }) => shown(TypeRef::of(Oid(*base)), catalog),
        Some(TypeKind::Enum { .. }) => TypeRef::of(oid::TEXT),
        None if pg::builtin(ty.oid).is_none() => TypeRef::of(pg_array_of_text()),
        _ => ty,
    }
}

/// What an array of a user's type is printed as: its elements are texts.
fn pg_array_of_text() -> Oid {
    pg::builtin_by_name("_text").map_or(oid::TEXT, |row| row.oid)
}

fn table(rows: impl Iterator<Item = Vec<Option<String>>>) -> String {
    let lines: Vec<String> = rows.map(|row| row.iter().map(cell).collect::<Vec<_>>().join(" | ")).collect();
    if lines.is_empty() { "(no rows)".to_owned() } else { lines.join("\n") }
}

fn cell(value: &Option<String>) -> String {
    match value.as_deref() {
        None => "\\N".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(text) => text.replace('\\', "\\\\").replace('\n', "\\n"),
    }
}

fn error_text(error: &SqlError) -> String {
    with_more(format!("ERROR {}: {}", error.state.as_str(), error.message), error.detail.as_deref(), error.hint.as_deref())
}

fn pg_error_text(error: &PgError) -> String {
    with_more(format!("ERROR {}: {}", error.sqlstate, error.message), error.detail.as_deref(), error.hint.as_deref())
}

fn with_more(first: String, detail: Option<&str>, hint: Option<&str>) -> String {
    let mut out = first;
    for (word, text) in [("DETAIL", detail), ("HINT", hint)] {
        if let Some(text) = text {
            out.push_str(&format!("\n{word}: {text}"));
        }
    }
    out
}
