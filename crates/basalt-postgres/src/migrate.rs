//! Migrations on PostgreSQL: a file and its row in the history are one transaction, over the admin login, under a lock.

use basalt_engine::migrate::{AppliedMigration, MigrationError, MigrationFile, Migrations, RepairStatus};
use basalt_sql::{majors, split};
use basalt_types::{SqlError, SqlState};
use tokio_postgres::Client;

use crate::engine::PostgresEngine;
use crate::error;

/// The history as the Supabase CLI makes it, and our checksums beside it.
const HISTORY: &str = "CREATE SCHEMA IF NOT EXISTS supabase_migrations; \
     CREATE TABLE IF NOT EXISTS supabase_migrations.schema_migrations (version text PRIMARY KEY, statements text[], name text); \
     CREATE TABLE IF NOT EXISTS supabase_migrations.basalt_checksums (version text PRIMARY KEY, sha256 text NOT NULL)";

/// What every server that migrates holds while it does: an advisory lock of this number ("basalt" in ASCII).
pub(crate) const LOCK: &str = "SELECT pg_catalog.pg_advisory_xact_lock(107867903943796)";

/// Schemas that come with PostgreSQL, with Supabase's image or with Basalt; tables elsewhere are the user's.
const OWN: &str = "'auth', 'storage', 'realtime', '_realtime', 'extensions', 'graphql', 'graphql_public', 'supabase_migrations', \
     'supabase_functions', 'basalt', 'basalt_copy', 'vault', 'pgsodium', 'pgsodium_masks', 'net', 'cron', 'pgbouncer', 'pg_catalog', 'information_schema'";

/// An error of a text, by name where the server is too old for something in it.
async fn failed_on(client: &Client, text: &str, failure: &tokio_postgres::Error) -> MigrationError {
    let mut failed = failed(text, failure);
    // A word that is not known, an option, a function: what is not there yet.
    let may_lack = matches!(failed.error.state, SqlState::SYNTAX_ERROR | SqlState::INVALID_PARAMETER)
        || matches!(failed.error.state.as_str(), "42883" | "42704" | "0A000");
    if !may_lack {
        return failed;
    }
    let Some(major) = major(client).await else { return failed };
    if let Some(lack) = majors::lacking(statement_at(text, failure), major) {
        let said = std::mem::take(&mut failed.error.message);
        failed.error.message = format!("PostgreSQL {major} has no {}, which came with {}: {said}", lack.name, lack.since);
        failed.construct = Some(lack.name.to_owned());
    }
    failed
}

/// The server's major version. Ends the transaction, which has failed and would refuse the question.
async fn major(client: &Client) -> Option<u32> {
    client.batch_execute("ROLLBACK").await.ok()?;
    let row = client.query_typed("SELECT current_setting('server_version_num')::int4 / 10000", &[]).await.ok()?;
    row.first()?.try_get::<_, i32>(0).ok()?.try_into().ok()
}

/// The statement that an error points at; the whole text where it points nowhere.
fn statement_at<'t>(text: &'t str, failure: &tokio_postgres::Error) -> &'t str {
    let Some(at) = error::position(failure) else { return text };
    let before = usize::try_from(at).unwrap_or(1).saturating_sub(1);
    let offset = text.char_indices().nth(before).map_or(text.len(), |(at, _)| at);
    let pieces = split::statements(text).unwrap_or_default();
    let found = pieces.into_iter().find(|piece| piece.range.contains(&offset) || piece.range.end == offset);
    found.and_then(|piece| text.get(piece.range)).unwrap_or(text)
}

fn failed(text: &str, failure: &tokio_postgres::Error) -> MigrationError {
    let error = error::of(failure);
    match error::position(failure) {
        Some(at) => {
            // PostgreSQL counts characters from one.
            let before = usize::try_from(at).unwrap_or(1).saturating_sub(1);
            let offset = text.char_indices().nth(before).map_or(text.len(), |(at, _)| at);
            MigrationError::at(text, u32::try_from(offset).unwrap_or(u32::MAX), error)
        }
        None => error.into(),
    }
}

impl PostgresEngine {
    /// Runs a text in a transaction under the lock, then what `end` adds, and learns what changed.
    fn run_text(
        &self,
        text: &str,
        end: impl AsyncFnOnce(&Client) -> Result<(), tokio_postgres::Error>,
    ) -> Result<Vec<String>, MigrationError> {
        let shared = &*self.shared;
        let outcome = self.handle.block_on(shared.admin(async |client| {
            let sql = |e: tokio_postgres::Error| error::of(&e);
            // What an earlier file set for its session is not this one's.
            client.batch_execute("RESET ALL; RESET ROLE").await.map_err(sql)?;
            client.batch_execute("BEGIN").await.map_err(sql)?;
            let run = async {
                client.batch_execute(LOCK).await.map_err(|e| failed("", &e))?;
                if let Err(failure) = client.batch_execute(text).await {
                    return Err(failed_on(client, text, &failure).await);
                }
                client.batch_execute("RESET ROLE; RESET search_path").await.map_err(|e| failed("", &e))?;
                end(client).await.map_err(|e| failed("", &e))
            };
            let result = run.await;
            let last = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
            let ended = client.batch_execute(last).await.map_err(|e| failed("", &e));
            client.batch_execute("RESET ALL; RESET ROLE").await.map_err(sql)?;
            Ok(result.and(ended))
        }));
        outcome.map_err(MigrationError::from).flatten()?;
        self.reload()?;
        Ok(Vec::new())
    }

    fn history(&self) -> Result<(), SqlError> {
        self.handle.block_on(self.shared.admin(async |client| client.batch_execute(HISTORY).await.map_err(|e| error::of(&e))))
    }
}

/// A query over the tables outside the schemas of [`OWN`] that are no extension's.
pub(crate) fn user_tables(what: &str) -> String {
    format!(
        "SELECT {what} FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname NOT IN ({OWN}) AND n.nspname !~ '^pg_' \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
             AND d.objid = c.oid AND d.deptype = 'e')"
    )
}

async fn has_user_tables(client: &Client) -> Result<bool, SqlError> {
    let row = client.query_one(&user_tables("count(*) > 0"), &[]).await.map_err(|e| error::of(&e))?;
    row.try_get::<_, bool>(0).map_err(|e| error::of(&e))
}

/// The history, by version.
pub(crate) async fn history(client: &Client) -> Result<Vec<AppliedMigration>, SqlError> {
    let sql = |e: tokio_postgres::Error| error::of(&e);
    let exists = "SELECT to_regclass('supabase_migrations.schema_migrations') IS NOT NULL, \
         to_regclass('supabase_migrations.basalt_checksums') IS NOT NULL, \
         EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('supabase_migrations.schema_migrations') AND attname = 'name')";
    let row = client.query_one(exists, &[]).await.map_err(sql)?;
    let flag = |at: usize| row.try_get::<_, bool>(at).map_err(sql);
    if !flag(0)? {
        return Ok(Vec::new());
    }
    // Older versions of the CLI kept no names.
    let name = if flag(2)? { "m.name" } else { "NULL" };
    let (sha, join) = if flag(1)? {
        ("c.sha256", "LEFT JOIN supabase_migrations.basalt_checksums AS c ON c.version = m.version")
    } else {
        ("NULL", "")
    };
    let query = format!(
        "SELECT m.version::text, {name}::text, {sha}::text FROM supabase_migrations.schema_migrations AS m {join} ORDER BY 1"
    );
    let rows = client.query(&query, &[]).await.map_err(sql)?;
    rows.iter()
        .map(|row| {
            Ok(AppliedMigration {
                version: row.try_get(0).map_err(sql)?,
                name: row.try_get(1).map_err(sql)?,
                sha256: row.try_get(2).map_err(sql)?,
            })
        })
        .collect()
}

async fn note_applied(
    client: &Client,
    version: &str,
    name: &str,
    statements: Option<Vec<String>>,
    sha: Option<&str>,
) -> Result<(), tokio_postgres::Error> {
    let upsert = "INSERT INTO supabase_migrations.schema_migrations (version, name, statements) VALUES ($1, $2, $3) \
         ON CONFLICT (version) DO UPDATE SET name = excluded.name, statements = excluded.statements";
    client.execute(upsert, &[&version, &name, &statements]).await?;
    client.execute("DELETE FROM supabase_migrations.basalt_checksums WHERE version = $1", &[&version]).await?;
    if let Some(sha) = sha {
        client.execute("INSERT INTO supabase_migrations.basalt_checksums VALUES ($1, $2)", &[&version, &sha]).await?;
    }
    Ok(())
}

impl Migrations for PostgresEngine {
    fn apply_migration(&self, file: &MigrationFile) -> Result<Vec<String>, MigrationError> {
        self.history()?;
        let statements = statements_of(&file.text);
        let sha = checksum(&file.text);
        self.run_text(&file.text, async |client| {
            note_applied(client, &file.version, &file.name, Some(statements), Some(&sha)).await
        })
    }

    fn run_seed(&self, text: &str) -> Result<Vec<String>, MigrationError> {
        self.run_text(text, async |_| Ok(()))
    }

    fn applied_migrations(&self) -> Result<Vec<AppliedMigration>, SqlError> {
        self.handle.block_on(self.shared.admin(history))
    }

    fn repair(&self, version: &str, name: &str, text: Option<&str>, status: RepairStatus) -> Result<(), SqlError> {
        self.history()?;
        let sha = text.map(checksum);
        self.handle.block_on(self.shared.admin(async |client| {
            let sql = |e: tokio_postgres::Error| error::of(&e);
            client.batch_execute("BEGIN").await.map_err(sql)?;
            let result = match status {
                RepairStatus::Applied => note_applied(client, version, name, None, sha.as_deref()).await,
                RepairStatus::Reverted => {
                    let forget = async {
                        client
                            .execute("DELETE FROM supabase_migrations.schema_migrations WHERE version = $1", &[&version])
                            .await?;
                        client.execute("DELETE FROM supabase_migrations.basalt_checksums WHERE version = $1", &[&version]).await
                    };
                    forget.await.map(drop)
                }
            };
            client.batch_execute(if result.is_ok() { "COMMIT" } else { "ROLLBACK" }).await.map_err(sql)?;
            result.map_err(sql)
        }))
    }

    fn has_user_tables(&self) -> bool {
        let found = self.handle.block_on(self.shared.admin(has_user_tables));
        // What cannot be looked at is not taken for empty.
        found.unwrap_or(true)
    }

    fn checksum(&self, text: &str) -> String {
        checksum(text)
    }

    fn refusals(&self, _files: &[(String, &str)]) -> Option<String> {
        None
    }
}

/// The history keeps a file's statements one by one; a text that is not PostgreSQL's SQL fails before it is kept.
fn statements_of(text: &str) -> Vec<String> {
    let pieces = split::statements(text).unwrap_or_default();
    pieces.into_iter().filter_map(|piece| text.get(piece.range).map(str::to_owned)).collect()
}

/// SHA-256, lower-case hex.
fn checksum(text: &str) -> String {
    use std::fmt::Write as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().fold(String::with_capacity(64), |mut all, byte| {
        let _ = write!(all, "{byte:02x}");
        all
    })
}
