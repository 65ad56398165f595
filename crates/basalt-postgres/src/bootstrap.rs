//! What a new database gets, and what an existing one lacks: roles, schemas, the services' tables and functions, as Supabase's own
//! database has them. An existing database is left as it is unless the operator asks, and what it has is never changed.

mod examine;

use basalt_sql::bootstrap::{VERSIONS, default_privileges};
use basalt_sql::tree::{Name, Statement};
use basalt_types::{SqlError, SqlState};
use tokio_postgres::Client;

pub use examine::{Contents, Examined, Refusal};
use examine::{get, sql};

use crate::connect::Target;
use crate::engine::PostgresEngine;
use crate::error;
use crate::options::PostgresOptions;

/// What a database is like before anything is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No tables but PostgreSQL's and its extensions', and no schema of a project: it may be made into one.
    Empty,
    /// Everything a project relies on is there: made by Basalt, or Supabase's own.
    Complete,
    /// Tables, but not all that a project relies on.
    Lacking(Lacks),
}

/// What is missing, as `role anon` or `function auth.uid()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacks(pub Vec<String>);

const STEPS: &str = include_str!("bootstrap/steps.sql");

const FUNCTIONS: &str = include_str!("bootstrap/functions.sql");

const EVENTS: &str = include_str!("bootstrap/events.sql");

const RECEIPTS: &str = include_str!("bootstrap/receipts.sql");

/// The name of the version that makes the receipts' table.
const RECEIPTS_TABLE: &str = "receipts";

/// Which of Basalt's own texts were run here.
const HISTORY: &str = "CREATE TABLE IF NOT EXISTS supabase_migrations.basalt_bootstrap \
     (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())";

/// Columns that older versions of Supabase's auth service did not have.
const COLUMNS: &[(&str, &str, &str)] =
    &[("auth.sessions", "refresh_token_counter", "bigint"), ("auth.users", "is_anonymous", "boolean NOT NULL DEFAULT false")];

/// How often preparing is tried when another database of the server is prepared meanwhile.
const MOST_ATTEMPTS: u64 = 10;

/// A role that appeared after it was looked for, or a row of the role catalogs that another transaction changed.
fn meets_another(error: &SqlError) -> bool {
    let is_role = error.constraint.as_deref().is_some_and(|name| name.starts_with("pg_auth"));
    is_role || error.state.as_str() == "42710" || error.message == "tuple concurrently updated"
}

fn last_version() -> u32 {
    VERSIONS.last().map_or(0, |version| version.number)
}

async fn server_version(client: &Client) -> Result<u32, SqlError> {
    let row = client.query_typed("SELECT current_setting('server_version_num')::int8", &[]).await.map_err(sql)?;
    let number = row.first().map(|row| get::<i64>(row, 0)).transpose()?.unwrap_or(0);
    Ok(u32::try_from(number).unwrap_or(0))
}

/// In one transaction, under the lock of those that change the schema.
async fn in_transaction<T>(client: &Client, work: impl AsyncFnOnce(&Client) -> Result<T, SqlError>) -> Result<T, SqlError> {
    client.batch_execute("BEGIN").await.map_err(sql)?;
    let result = async {
        client.batch_execute(crate::migrate::LOCK).await.map_err(sql)?;
        work(client).await
    };
    let result = result.await;
    let last = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(last).await.map_err(sql)?;
    result
}

/// The statements of a stage that are still to be run.
async fn steps(client: &Client, server: u32, stage: i32) -> Result<Vec<String>, SqlError> {
    // Since 16 one may be a member without being allowed to become the role.
    let membership = if server >= 160_000 { "SET" } else { "MEMBER" };
    let rows = client.query_typed(STEPS, &[(&membership, tokio_postgres::types::Type::TEXT)]).await.map_err(sql)?;
    let mut all = Vec::new();
    for row in &rows {
        if get::<i32>(row, 0)? == stage {
            all.push(get(row, 1)?);
        }
    }
    Ok(all)
}

/// Makes all of it in one transaction. In a database that has tables of users, what is there stays as it is.
async fn make(client: &Client, auto_expose: bool) -> Result<(), SqlError> {
    let server = server_version(client).await?;
    let is_empty = examine::examine(client).await?.found == Found::Empty;
    let roles = steps(client, server, 1).await?;
    in_transaction(client, async |client| {
        for step in &roles {
            client.batch_execute(step).await.map_err(|failed| {
                let failed = sql(failed);
                if failed.state == SqlState::INSUFFICIENT_PRIVILEGE { administrator(&failed, &roles) } else { failed }
            })?;
        }
        for step in steps(client, server, 2).await? {
            client.batch_execute(&step).await.map_err(sql)?;
        }
        if is_empty && server < 150_000 {
            // As newer versions have it from the start: not everybody makes tables.
            client.batch_execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC").await.map_err(sql)?;
        }
        let mut present = Present::default();
        for version in VERSIONS.iter().filter(|version| version.name != "init") {
            present.run(client, version.sql, is_empty).await?;
        }
        present.run(client, FUNCTIONS, is_empty).await?;
        client.batch_execute(RECEIPTS).await.map_err(sql)?;
        for (table, column, ty) in COLUMNS {
            client.batch_execute(&format!("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column} {ty}")).await.map_err(sql)?;
        }
        privileges_of_new_tables(client, auto_expose).await?;
        watch_changes(client).await?;
        note_versions(client, 1).await
    })
    .await
}

/// What an administrator has to do first, word for word.
fn administrator(failed: &SqlError, roles: &[String]) -> SqlError {
    let message = format!("the admin login may not prepare this database: {}", failed.message);
    let mut hint = "An administrator of the server runs this in it, once; then start again:".to_owned();
    for step in roles {
        hint.push_str("\n    ");
        hint.push_str(step);
        hint.push(';');
    }
    SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, message).hint(hint)
}

/// Tables, types and functions that were there before a text of ours came to them.
#[derive(Default)]
struct Present(Vec<String>);

impl Present {
    /// Runs a text statement by statement, leaving out what would make or change what is there.
    async fn run(&mut self, client: &Client, text: &str, is_empty: bool) -> Result<(), SqlError> {
        let broken = |_| SqlError::internal("a text of Basalt's own cannot be read");
        for piece in basalt_sql::split::statements(text).map_err(broken)? {
            let statement = text.get(piece.range).unwrap_or_default();
            if is_empty || self.is_wanted(client, statement).await? {
                client.batch_execute(statement).await.map_err(sql)?;
            }
        }
        Ok(())
    }

    async fn is_wanted(&mut self, client: &Client, text: &str) -> Result<bool, SqlError> {
        let full = |name: &Name| format!("{}.{}", name.schema.as_deref().unwrap_or("public"), name.name);
        let broken = |_| SqlError::internal("a text of Basalt's own cannot be read");
        let (name, query) = match basalt_sql::parse::statement(text).map_err(broken)? {
            Statement::CreateTable(table) => (full(&table.name), "SELECT to_regclass($1::text) IS NOT NULL"),
            Statement::CreateEnum { name, .. } => (full(&name), "SELECT to_regtype($1::text) IS NOT NULL"),
            Statement::CreateFunction(function) => (
                full(&function.name),
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace \
                 WHERE n.nspname || '.' || p.proname = $1::text)",
            ),
            Statement::CreateIndex(index) => return Ok(!self.0.contains(&full(&index.table))),
            Statement::AlterTable { name, .. } => return Ok(!self.0.contains(&full(&name))),
            Statement::Comment { .. } => return Ok(false),
            _ => return Ok(true),
        };
        let row = client.query_one(query, &[&name]).await.map_err(sql)?;
        let is_there = get(&row, 0)?;
        if is_there {
            self.0.push(name);
        }
        Ok(!is_there)
    }
}

/// What tables to come give to the API's roles: for the role postgres, and for the login that runs migrations where that is another.
async fn privileges_of_new_tables(client: &Client, auto_expose: bool) -> Result<(), SqlError> {
    let makers = "SELECT DISTINCT format('%I', r.rolname) FROM pg_catalog.pg_roles AS r \
         WHERE r.rolname IN ('postgres', current_user) AND pg_has_role(current_user, r.oid, 'USAGE') \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_default_acl AS d \
             WHERE d.defaclrole = r.oid AND d.defaclnamespace = to_regnamespace('public')) ORDER BY 1";
    for row in client.query(makers, &[]).await.map_err(sql)? {
        let maker: String = get(&row, 0)?;
        let text = default_privileges(auto_expose).replace("for role postgres", &format!("for role {maker}"));
        client.batch_execute(&text).await.map_err(sql)?;
    }
    Ok(())
}

/// Lets the database say when its schema changes, where the login may make event triggers and nothing of the name is there.
async fn watch_changes(client: &Client) -> Result<(), SqlError> {
    let may = "SELECT rolsuper AND NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger AS e WHERE e.evtname LIKE 'pgrst%') \
         FROM pg_catalog.pg_roles WHERE rolname = current_user";
    let rows = client.query_typed(may, &[]).await.map_err(sql)?;
    match rows.first() {
        Some(row) if get(row, 0)? => client.batch_execute(EVENTS).await.map_err(sql),
        _ => Ok(()),
    }
}

async fn note_versions(client: &Client, first: u32) -> Result<(), SqlError> {
    client.batch_execute(HISTORY).await.map_err(sql)?;
    for version in VERSIONS.iter().filter(|version| version.number >= first) {
        let note = "INSERT INTO supabase_migrations.basalt_bootstrap (version, name) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let number = i32::try_from(version.number).unwrap_or(i32::MAX);
        client.execute(note, &[&number, &version.name]).await.map_err(sql)?;
    }
    Ok(())
}

/// Brings what Basalt made in a database to this program's version.
async fn upgrade(client: &Client) -> Result<Option<u32>, SqlError> {
    in_transaction(client, async |client| {
        // Looked at under the lock: another server may have done it meanwhile.
        let Some(done) = examine::version(client).await?.filter(|done| *done < last_version()) else { return Ok(None) };
        for version in VERSIONS.iter().filter(|version| version.number > done) {
            client.batch_execute(version.sql).await.map_err(sql)?;
        }
        client.batch_execute(RECEIPTS).await.map_err(sql)?;
        watch_changes(client).await?;
        note_versions(client, 1).await?;
        Ok(Some(last_version()))
    })
    .await
}

impl PostgresEngine {
    /// What a database is like, over its admin address. Not for async code.
    ///
    /// # Errors
    /// As connecting reports.
    pub fn examine(options: &PostgresOptions) -> Result<Found, SqlError> {
        Self::look(options).map(|examined| examined.found)
    }

    /// Everything about a database that decides what may be done to it, in one look. Changes nothing. Not for async code.
    ///
    /// # Errors
    /// As connecting reports.
    pub fn look(options: &PostgresOptions) -> Result<Examined, SqlError> {
        alone(options, async |client| examine::examine(client).await)
    }

    /// Makes what a project relies on where it is missing. Not for async code.
    ///
    /// # Errors
    /// 42501 when the admin login may not, with what an administrator runs as the hint; PostgreSQL's own. Nothing is kept then.
    pub fn bootstrap(options: &PostgresOptions, auto_expose: bool) -> Result<(), SqlError> {
        alone(options, async |client| {
            let mut attempt = 1;
            loop {
                match make(client, auto_expose).await {
                    // Roles belong to the whole server: another database of it is being prepared at the same moment.
                    Err(error) if meets_another(&error) && attempt < MOST_ATTEMPTS => {
                        tokio::time::sleep(std::time::Duration::from_millis(50 * attempt)).await;
                        attempt += 1;
                    }
                    other => return other,
                }
            }
        })
    }

    /// Brings what an earlier version of Basalt made here to this one's; says the new version, or nothing where nothing was to do.
    /// What somebody else made is left alone. Not for async code.
    ///
    /// # Errors
    /// PostgreSQL's own. Nothing is kept then.
    pub fn upgrade(options: &PostgresOptions, examined: &Examined) -> Result<Option<u32>, SqlError> {
        match examined.version {
            Some(done) if done < last_version() => alone(options, async |client| upgrade(client).await),
            _ => Ok(None),
        }
    }

    /// Makes the place of receipts in a database that somebody else made: a schema of its own, nothing besides. Not for async code.
    ///
    /// # Errors
    /// PostgreSQL's own. Nothing is kept then.
    pub fn make_receipts(options: &PostgresOptions) -> Result<(), SqlError> {
        alone(options, async |client| {
            in_transaction(client, async |client| {
                let mut present = Present::default();
                for version in VERSIONS.iter().filter(|version| version.name == RECEIPTS_TABLE) {
                    present.run(client, version.sql, false).await?;
                }
                client.batch_execute(RECEIPTS).await.map_err(sql)
            })
            .await
        })
    }

    /// Gives the login `authenticator` a password. Not for async code.
    ///
    /// # Errors
    /// 42501 when the admin login may not.
    pub fn set_authenticator_password(options: &PostgresOptions, password: &str) -> Result<(), SqlError> {
        // The statement takes no parameters; quoting doubles what ends a literal, and our passwords are hexadecimal digits.
        if !password.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(SqlError::new(
                SqlState::INVALID_PARAMETER,
                "the authenticator's password has characters that are no letters or digits",
            ));
        }
        let text = format!("ALTER ROLE authenticator PASSWORD '{password}'");
        alone(options, async |client| client.batch_execute(&text).await.map_err(|e| error::of(&e))).map_err(|failed| {
            if failed.state != SqlState::INSUFFICIENT_PRIVILEGE {
                return failed;
            }
            let hint = "An administrator runs ALTER ROLE authenticator LOGIN PASSWORD '…'; then give its URL as --database, and this one as \
                 --admin-database.";
            SqlError::new(failed.state, "the admin login may not give the login \"authenticator\" a password").hint(hint)
        })
    }
}

/// Does something on one admin connection of its own.
fn alone<T>(options: &PostgresOptions, work: impl AsyncFnOnce(&Client) -> Result<T, SqlError>) -> Result<T, SqlError> {
    let target = Target::parse(&options.admin, options.connect_timeout, "basalt-admin")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|_| SqlError::internal("no runtime for the database's connection"))?;
    runtime.block_on(async { work(&target.connect().await?).await })
}
