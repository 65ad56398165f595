//! Migrations: a file is one transaction, from its text through the catalog and the file's tables to its row in the history.
//!
//! The history is `supabase_migrations.schema_migrations`, the Supabase CLI's own table; checksums stand beside it in
//! `basalt_migration_checksums`, and a missing one is no error.

mod own;

use std::sync::Arc;
use std::time::Duration;

use basalt_catalog::{Catalog, Function, RelationKind};
use basalt_engine::RunError;
use basalt_engine::migrate::{AppliedMigration, MigrationError, MigrationFile, Migrations, RepairStatus};
use basalt_sql::ddl::{self, DdlContext, Refusal};
use basalt_sql::parse::{self, ParseError};
use basalt_sql::tree::{Located, Statement};
use basalt_types::{Oid, Session, SqlError, SqlState, Value, ValueRef, pg};
use parking_lot::Mutex;

use crate::commit::{Desk, Kind, Task};
use crate::connection::Connection;
use crate::engine::SqliteEngine;
use crate::routine::Scene;
use crate::{functions, keys, plpgsql, routine, schema, store};

pub(crate) use own::bootstrap;

/// Longest time one file may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(600);

/// The history's table in the file.
const HISTORY: &str = "supabase_migrations.schema_migrations";

fn parse_error(text: &str, error: ParseError) -> MigrationError {
    MigrationError::at(text, error.pos.0, SqlError::new(error.code, error.message))
}

fn refusal(text: &str, statement: &Located, refusal: Refusal) -> MigrationError {
    let offset = if refusal.pos.0 == u32::MAX { statement.pos.0 } else { refusal.pos.0 };
    let at = MigrationError::at(text, offset, refusal.error);
    MigrationError { construct: Some(refusal.construct), advice: refusal.advice, ..at }
}

/// Runs all statements of a text inside the writer's job. The catalog of the desk is the changed one afterwards; the caller stores it.
pub(crate) fn run_text(desk: &Desk<'_>, text: &str, ctx: &mut DdlContext) -> Result<Vec<String>, MigrationError> {
    let statements = parse::file(text).map_err(|e| parse_error(text, e))?;
    let mut notices = Vec::new();
    for statement in &statements {
        run_statement(desk, &statement.statement, ctx, &mut notices).map_err(|stopped| match stopped {
            Stopped::Refused(r) => refusal(text, statement, *r),
            Stopped::Failed(e) => MigrationError::at(text, statement.pos.0, e),
        })?;
        let catalog = desk.catalog();
        // Initially deferred keys wait for the end of the file, which is the job's.
        if desk.connection.has_foreign_key_violations()
            && let Some(error) = keys::search(desk.connection, &catalog, |c| !desk.late.waits(Oid(c.oid), c.deferral))
        {
            return Err(MigrationError::at(text, statement.pos.0, error));
        }
    }
    ctx.end_transaction();
    Ok(notices)
}

/// Why a statement stopped.
enum Stopped {
    /// Before anything was done.
    Refused(Box<Refusal>),
    Failed(SqlError),
}

impl From<SqlError> for Stopped {
    fn from(error: SqlError) -> Self {
        Self::Failed(error)
    }
}

/// Runs one statement. The catalog of the desk is the changed one afterwards.
fn run_statement(desk: &Desk<'_>, statement: &Statement, ctx: &mut DdlContext, notices: &mut Vec<String>) -> Result<(), Stopped> {
    let before = desk.catalog();
    let mut catalog = Catalog::clone(&before);
    let steps = ddl::apply(&mut catalog, statement, ctx).map_err(Stopped::Refused)?;
    // Every statement has a version of its own, so that what was analysed for the one before is not taken for this one.
    catalog.set_version(catalog.version() + 1);
    let catalog = Arc::new(catalog);
    desk.set_catalog(Arc::clone(&catalog));
    let (session, path) = (Session::of_role(&ctx.role), ctx.schemas(&catalog));
    Scene::writing(desk, &session, &path).enter(|| schema::take_all(desk, &catalog, &steps, notices))?;
    notices.extend(desk.take_notices());
    check_functions(desk, &before, ctx)?;
    Ok(())
}

/// Runs a statement that a function of a migration makes, as a role.
///
/// # Errors
/// What refuses it, and what it ends with.
pub(crate) fn run_inside(desk: &Desk<'_>, statement: &Statement, role: &str, search_path: &[String]) -> Result<(), SqlError> {
    let mut before = DdlContext::of_role(role);
    before.search_path = search_path.to_vec();
    let mut ctx = before.clone();
    let mut notices = Vec::new();
    run_statement(desk, statement, &mut ctx, &mut notices).map_err(|stopped| match stopped {
        Stopped::Refused(refusal) => refusal.error,
        Stopped::Failed(error) => error,
    })?;
    // The function's session is the migration's; what it sets there would have to outlive it.
    if ctx.role != before.role || ctx.search_path != before.search_path {
        return Err(SqlError::unsupported("SET in PL/pgSQL"));
    }
    notices.into_iter().for_each(|notice| desk.notice(notice));
    Ok(())
}

/// Refuses now what a changed function or trigger would be refused for when it runs.
fn check_functions(desk: &Desk<'_>, before: &Arc<Catalog>, ctx: &DdlContext) -> Result<(), SqlError> {
    let after = desk.catalog();
    if Arc::ptr_eq(before, &after) {
        return Ok(());
    }
    let session = Session::of_role(crate::compile::OWNER);
    let path = ctx.schemas(&after);
    let scene = Scene::writing(desk, &session, &path);
    for function in after.functions() {
        // What a grant or another owner changes changes nothing in a body.
        let said = |f: &Function| (f.body.clone(), f.args.clone(), f.returns, f.config.clone());
        let old = before.function_by_oid(Oid(function.oid));
        if old.is_some_and(|old| Arc::ptr_eq(old, function) || said(old) == said(function)) {
            continue;
        }
        routine::check(desk, function, &path)?;
    }
    for relation in after.relations().filter(|relation| !relation.triggers.is_empty()) {
        let old = before.relation_by_oid(Oid(relation.oid));
        for trigger in &relation.triggers {
            let function = Oid(trigger.function);
            let is_same = old.is_some_and(|old| Arc::ptr_eq(old, relation) || old.triggers.contains(trigger))
                && before.function_by_oid(function) == after.function_by_oid(function);
            if !is_same {
                plpgsql::check_trigger(&scene, relation, trigger)?;
            }
        }
    }
    Ok(())
}

/// Stores the desk's catalog with everything that hangs on it. The last act of a job that changed the schema.
pub(crate) fn keep(desk: &Desk<'_>) -> Result<(), SqlError> {
    let before = desk.shared.catalog.load_full();
    let after = desk.catalog();
    for relation in after.relations().filter(|r| r.kind == RelationKind::Sequence) {
        let oid = Oid(relation.oid);
        match &relation.sequence {
            Some(settings) if desk.shared.sequences.contains(oid) => desk.shared.sequences.alter(oid, &relation.name, settings),
            Some(settings) => desk.shared.sequences.create(oid, &relation.name, settings),
            None => {}
        }
    }
    for relation in before.relations().filter(|r| r.kind == RelationKind::Sequence) {
        if after.relation_by_oid(Oid(relation.oid)).is_none() {
            desk.shared.sequences.remove(Oid(relation.oid));
        }
    }
    store::save(desk.connection, &before, &after)
}

fn sha256(text: &str) -> String {
    functions::hex(&functions::sha256(text.as_bytes()))
}

/// Writes a file's row of the history.
fn note_applied(
    desk: &Desk<'_>,
    version: &str,
    name: &str,
    statements: Option<&[String]>,
    sha: Option<&str>,
) -> Result<(), SqlError> {
    let statements = statements.map(|all| pg::array_from_values(all.iter().map(|s| Value::from(s.as_str())), pg::oid::TEXT));
    let statements = statements.as_deref().map_or(ValueRef::Null, ValueRef::Text);
    desk.connection.query_once(
        &format!(
            "INSERT INTO \"{HISTORY}\" (version, name, statements) VALUES (?1, ?2, ?3) \
                  ON CONFLICT (version) DO UPDATE SET name = excluded.name, statements = excluded.statements"
        ),
        &[ValueRef::Text(version), ValueRef::Text(name), statements],
    )?;
    desk.connection.query("DELETE FROM basalt_migration_checksums WHERE version = ?1", &[ValueRef::Text(version)])?;
    if let Some(sha) = sha {
        desk.connection.query(
            "INSERT INTO basalt_migration_checksums (version, sha256) VALUES (?1, ?2)",
            &[ValueRef::Text(version), ValueRef::Text(sha)],
        )?;
    }
    Ok(())
}

impl SqliteEngine {
    /// Applies one migration: all of it with its row in the history, or nothing. Answers PostgreSQL's notices. Not for async code.
    ///
    /// # Errors
    /// The first statement that fails, and where.
    pub fn apply_migration(&self, file: &MigrationFile) -> Result<Vec<String>, MigrationError> {
        let file = file.clone();
        self.run_schema(false, move |desk| {
            let notices = run_text(desk, &file.text, &mut DdlContext::default())?;
            keep(desk)?;
            let statements = statements_of(&file.text);
            note_applied(desk, &file.version, &file.name, Some(&statements), Some(&sha256(&file.text)))?;
            Ok(notices)
        })
    }

    /// Applies migrations in the order given, each as its own transaction; stops at the first that fails, naming its version.
    ///
    /// # Errors
    /// The version that failed, and why. Those before it stay applied.
    pub fn migrate(&self, files: &[MigrationFile]) -> Result<Vec<String>, (String, MigrationError)> {
        let mut notices = Vec::new();
        for file in files {
            notices.extend(self.apply_migration(file).map_err(|error| (file.version.clone(), error))?);
        }
        Ok(notices)
    }

    /// Runs a migration and takes it back: would it apply here, to these rows?
    ///
    /// # Errors
    /// As [`Self::apply_migration`].
    pub fn try_migration(&self, file: &MigrationFile) -> Result<Vec<String>, MigrationError> {
        let text = file.text.clone();
        self.run_schema(true, move |desk| run_text(desk, &text, &mut DdlContext::default()))
    }

    /// Runs a seed or any other SQL text as one transaction, without a row in the history.
    ///
    /// # Errors
    /// As [`Self::apply_migration`].
    pub fn run_seed(&self, text: &str) -> Result<Vec<String>, MigrationError> {
        let text = text.to_owned();
        self.run_schema(false, move |desk| {
            let notices = run_text(desk, &text, &mut DdlContext::default())?;
            keep(desk)?;
            Ok(notices)
        })
    }

    /// The history, by version.
    ///
    /// # Errors
    /// What reading reports.
    pub fn applied_migrations(&self) -> Result<Vec<AppliedMigration>, SqlError> {
        let task: Task = Arc::new(|desk| Ok(Box::new(history(desk.connection)?)));
        let boxed = self.wait(task, Kind::Long, false, TIMEOUT)?;
        boxed.downcast().map(|all| *all).map_err(|_| SqlError::internal("the history answered with another value"))
    }

    /// Changes the history alone: marks a version as applied (with the checksum of the text, when given) or as not applied.
    ///
    /// # Errors
    /// What the commit reports.
    pub fn repair(&self, version: &str, name: &str, text: Option<&str>, status: RepairStatus) -> Result<(), SqlError> {
        let (version, name, sha) = (version.to_owned(), name.to_owned(), text.map(sha256));
        let task: Task = Arc::new(move |desk| {
            match status {
                RepairStatus::Applied => note_applied(desk, &version, &name, None, sha.as_deref())?,
                RepairStatus::Reverted => {
                    let sql = format!("DELETE FROM \"{HISTORY}\" WHERE version = ?1");
                    let params = [ValueRef::Text(&version)];
                    desk.connection.query_once(&sql, &params).map_err(SqlError::from)?;
                    let sql = "DELETE FROM basalt_migration_checksums WHERE version = ?1";
                    desk.connection.query(sql, &params).map_err(SqlError::from)?;
                }
            }
            Ok(Box::new(()))
        });
        self.wait(task, Kind::Long, false, TIMEOUT).map(drop)
    }

    /// Whether there are tables in schemas that Basalt did not make itself, or in `public`: a database with such tables and no
    /// history must not be migrated by itself.
    pub fn has_user_tables(&self) -> bool {
        let catalog = self.shared().catalog.load();
        catalog.relations().filter(|r| r.kind == RelationKind::Table).any(|relation| {
            catalog
                .schema_by_oid(Oid(relation.schema))
                .is_some_and(|schema| schema.name == "public" || own::is_users(&schema.name))
        })
    }

    /// Removes a database's files, for `db reset`. The engine on it must be closed.
    ///
    /// # Errors
    /// 58030 when a file cannot be removed.
    pub fn remove_files(path: &std::path::Path) -> Result<(), SqlError> {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            match std::fs::remove_file(&name) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(_) => return Err(SqlError::new(SqlState::IO_ERROR, "could not remove the database file")),
            }
        }
        Ok(())
    }

    /// The SHA-256 of a migration's text as [`AppliedMigration::sha256`] has it.
    pub fn checksum(text: &str) -> String {
        sha256(text)
    }

    /// Runs a job that may change the schema, keeping the place of its error.
    fn run_schema(
        &self,
        rollback: bool,
        work: impl Fn(&Desk<'_>) -> Result<Vec<String>, MigrationError> + Send + Sync + 'static,
    ) -> Result<Vec<String>, MigrationError> {
        let failed: Arc<Mutex<Option<MigrationError>>> = Arc::default();
        let seen = Arc::clone(&failed);
        let task: Task = Arc::new(move |desk| match work(desk) {
            Ok(notices) => Ok(Box::new(notices)),
            Err(error) => {
                let sql = error.error.clone();
                *seen.lock() = Some(error);
                Err(RunError::Sql(sql))
            }
        });
        match self.wait(task, Kind::Schema, rollback, TIMEOUT) {
            Ok(boxed) => Ok(boxed.downcast::<Vec<String>>().map(|notices| *notices).unwrap_or_default()),
            Err(error) => Err(failed.lock().take().filter(|e| e.error == error).unwrap_or_else(|| error.into())),
        }
    }
}

/// The history, by version.
pub(crate) fn history(connection: &Connection) -> Result<Vec<AppliedMigration>, SqlError> {
    let sql = format!(
        "SELECT m.version, m.name, c.sha256 FROM \"{HISTORY}\" AS m \
         LEFT JOIN basalt_migration_checksums AS c ON c.version = m.version ORDER BY m.version"
    );
    let text = |value: Option<&Value>| value.and_then(|v| if let Value::Text(t) = v { Some(t.clone()) } else { None });
    let rows = connection.query_once(&sql, &[])?;
    let applied = |row: &Vec<Value>| AppliedMigration {
        version: text(row.first()).unwrap_or_default(),
        name: text(row.get(1)),
        sha256: text(row.get(2)),
    };
    Ok(rows.iter().map(applied).collect())
}

/// The statements of a file as the history keeps them: their texts without semicolons.
fn statements_of(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for located in parse::file(text).unwrap_or_default() {
        let (start, end) = (usize::try_from(located.pos.0).unwrap_or(0), usize::try_from(located.end.0).unwrap_or(0));
        if let Some(statement) = text.get(start..end) {
            all.push(statement.trim().to_owned());
        }
    }
    all
}

impl Migrations for SqliteEngine {
    fn apply_migration(&self, file: &MigrationFile) -> Result<Vec<String>, MigrationError> {
        self.apply_migration(file)
    }

    fn run_seed(&self, text: &str) -> Result<Vec<String>, MigrationError> {
        self.run_seed(text)
    }

    fn applied_migrations(&self) -> Result<Vec<AppliedMigration>, SqlError> {
        self.applied_migrations()
    }

    fn repair(&self, version: &str, name: &str, text: Option<&str>, status: RepairStatus) -> Result<(), SqlError> {
        self.repair(version, name, text, status)
    }

    fn has_user_tables(&self) -> bool {
        self.has_user_tables()
    }

    fn checksum(&self, text: &str) -> String {
        sha256(text)
    }

    fn refusals(&self, files: &[(String, &str)]) -> Option<String> {
        let catalog = self.shared().catalog.load();
        let report = ddl::report::check_files(files.iter().map(|(name, text)| (name.as_str(), *text)), &catalog);
        (!report.is_clean()).then(|| report.to_text())
    }
}
