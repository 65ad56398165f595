//! What a new database gets, and what an existing one lacks: roles, schemas, the services' tables and functions, as Supabase's own
//! database has them. An existing database is left as it is unless the operator asks.

use basalt_sql::bootstrap::{VERSIONS, default_privileges};
use basalt_types::{SqlError, SqlState};
use tokio_postgres::Client;

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

/// What projects rely on. `NULL` in the second column: there. Names are constants of ours.
const MISSING: &str = "SELECT x.what FROM (VALUES \
     ('role anon', to_regrole('anon')::oid), ('role authenticated', to_regrole('authenticated')::oid), \
     ('role service_role', to_regrole('service_role')::oid), ('role authenticator', to_regrole('authenticator')::oid), \
     ('schema auth', to_regnamespace('auth')::oid), ('table auth.users', to_regclass('auth.users')::oid), \
     ('table auth.sessions', to_regclass('auth.sessions')::oid), ('table auth.refresh_tokens', to_regclass('auth.refresh_tokens')::oid), \
     ('table auth.identities', to_regclass('auth.identities')::oid), \
     ('table auth.mfa_amr_claims', to_regclass('auth.mfa_amr_claims')::oid), \
     ('function auth.uid()', to_regprocedure('auth.uid()')::oid), ('function auth.jwt()', to_regprocedure('auth.jwt()')::oid), \
     ('function auth.role()', to_regprocedure('auth.role()')::oid)) AS x (what, oid) WHERE x.oid IS NULL";

/// Tables that are neither PostgreSQL's nor an extension's.
const HAS_TABLES: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_' \
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
         AND d.objid = c.oid AND d.deptype = 'e'))";

async fn examine(client: &Client) -> Result<Found, SqlError> {
    let sql = |e: tokio_postgres::Error| error::of(&e);
    let rows = client.query(MISSING, &[]).await.map_err(sql)?;
    let missing = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>().map_err(sql)?;
    if missing.is_empty() {
        return Ok(Found::Complete);
    }
    let has_tables: bool = client.query_one(HAS_TABLES, &[]).await.map_err(sql)?.try_get(0).map_err(sql)?;
    Ok(if has_tables { Found::Lacking(Lacks(missing)) } else { Found::Empty })
}

/// How often preparing is tried when another database of the server is prepared meanwhile.
const MOST_ATTEMPTS: u64 = 10;

/// A role that appeared after it was looked for, or a row of the role catalogs that another transaction changed.
fn meets_another(error: &SqlError) -> bool {
    let is_role = error.constraint.as_deref().is_some_and(|name| name.starts_with("pg_auth"));
    is_role || error.state.as_str() == "42710" || error.message == "tuple concurrently updated"
}

/// Makes all of it in one transaction.
async fn make(client: &Client, auto_expose: bool) -> Result<(), SqlError> {
    let sql = |e: tokio_postgres::Error| error::of(&e);
    let can = client
        .query_one("SELECT rolsuper OR rolcreaterole FROM pg_catalog.pg_roles WHERE rolname = current_user", &[])
        .await
        .map_err(sql)?;
    if !can.try_get::<_, bool>(0).map_err(sql)? {
        let message = "the admin login may not create roles, so the database cannot be prepared";
        let hint = "Use a superuser or a login with CREATEROLE as --admin-database, once.";
        return Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, message).hint(hint));
    }
    let tables = VERSIONS.iter().filter(|version| version.name != "init").map(|version| version.sql);
    let texts = [include_str!("bootstrap/roles.sql")]
        .into_iter()
        .chain(tables)
        .chain([include_str!("bootstrap/functions.sql"), default_privileges(auto_expose)]);
    client.batch_execute(&format!("BEGIN; {}", crate::migrate::LOCK)).await.map_err(sql)?;
    for text in texts {
        if let Err(failed) = client.batch_execute(text).await {
            client.batch_execute("ROLLBACK").await.map_err(sql)?;
            return Err(error::of(&failed));
        }
    }
    client.batch_execute("COMMIT").await.map_err(sql)
}

impl PostgresEngine {
    /// Looks at a database over its admin address. Not for async code.
    ///
    /// # Errors
    /// As connecting reports.
    pub fn examine(options: &PostgresOptions) -> Result<Found, SqlError> {
        alone(options, async |client| examine(client).await)
    }

    /// Whether users have made tables in it. Not for async code.
    ///
    /// # Errors
    /// As connecting reports.
    pub fn has_tables_of_users(options: &PostgresOptions) -> Result<bool, SqlError> {
        alone(options, async |client| crate::migrate::has_user_tables(client).await)
    }

    /// Makes what a project relies on where it is missing, and lets the request's login in with this password. Not for async code.
    ///
    /// # Errors
    /// 42501 when the admin login may not create roles; PostgreSQL's own. Nothing is kept then.
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
        alone(options, async |client| client.batch_execute(&text).await.map_err(|e| error::of(&e)))
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
