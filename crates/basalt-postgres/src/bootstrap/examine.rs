//! One look at a database, on one connection, before anything is done to it: nothing is changed and nothing is made.

use basalt_types::SqlError;
use tokio_postgres::{Client, Row};

use super::{Found, Lacks};
use crate::error;

/// What a database has and what the admin login may do in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// Whether it has what a project relies on.
    pub found: Found,
    /// Whether there are tables of users: in other schemas than those of PostgreSQL, Supabase and Basalt.
    pub has_user_tables: bool,
    /// The last version of Basalt's own tables that was made here; `None` where they are somebody else's, or there are none.
    pub version: Option<u32>,
    /// Whether there is a place for the receipts of requests with a key.
    pub has_receipts: bool,
    /// The admin login.
    pub login: String,
    /// What the admin login may not do that Basalt needs, with the statement that lets it.
    pub refusals: Vec<Refusal>,
    /// Whether event triggers can be made: without them changes of the schema are noticed after some seconds.
    pub can_make_event_triggers: bool,
    /// What it holds.
    pub contents: Contents,
}

/// Something that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// In words: `reading and writing auth.users`.
    pub what: String,
    /// What an administrator runs to allow it.
    pub statement: String,
}

/// Numbers of what is in a database. `None`: not there, or not to be read by the admin login.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contents {
    /// Rows of auth.users.
    pub users: Option<u64>,
    /// Rows of storage.buckets.
    pub buckets: Option<u64>,
    /// Tables outside the schemas of PostgreSQL, Supabase and Basalt.
    pub tables: u64,
    /// Row policies on any table.
    pub policies: u64,
}

/// The objects that queries here ask for by name. Not by `to_regclass`, which fails where the login may not enter a schema.
const OBJECTS: &str = "WITH objects (name, oid, owner, namespace) AS ( \
     SELECT n.nspname || '.' || c.relname, c.oid, c.relowner, n.oid FROM pg_catalog.pg_class AS c \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname IN ('auth', 'storage', 'supabase_migrations') \
     UNION ALL SELECT n.nspname || '.' || p.proname || '()', p.oid, p.proowner, n.oid FROM pg_catalog.pg_proc AS p \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = 'auth' AND p.pronargs = 0)";

/// What projects rely on and is not there. Names are constants of ours.
const MISSING: &str = "SELECT x.what FROM (VALUES \
     ('role anon', to_regrole('anon') IS NOT NULL), ('role authenticated', to_regrole('authenticated') IS NOT NULL), \
     ('role service_role', to_regrole('service_role') IS NOT NULL), ('role authenticator', to_regrole('authenticator') IS NOT NULL), \
     ('schema auth', to_regnamespace('auth') IS NOT NULL)) AS x (what, is_there) WHERE NOT x.is_there \
     UNION ALL \
     SELECT x.kind || ' ' || x.name FROM (VALUES ('table', 'auth.users'), ('table', 'auth.sessions'), ('table', 'auth.refresh_tokens'), \
     ('table', 'auth.identities'), ('table', 'auth.mfa_amr_claims'), ('function', 'auth.uid()'), ('function', 'auth.jwt()'), \
     ('function', 'auth.role()')) AS x (kind, name) WHERE x.name NOT IN (SELECT o.name FROM objects AS o) \
     UNION ALL \
     SELECT format('column %s.%s', x.relation, x.name) FROM (VALUES \
     ('auth.sessions', 'refresh_token_counter'), ('auth.users', 'is_anonymous'), ('auth.identities', 'provider_id')) AS x (relation, name) \
     JOIN objects AS o ON o.name = x.relation WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a \
         WHERE a.attrelid = o.oid AND a.attname = x.name AND NOT a.attisdropped)";

/// Tables that are neither PostgreSQL's nor an extension's.
const HAS_TABLES: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_' \
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::regclass \
         AND d.objid = c.oid AND d.deptype = 'e'))";

const HAS_RECEIPTS: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n \
     ON n.oid = c.relnamespace WHERE n.nspname = 'basalt' AND c.relname = 'receipts')";

/// What the services do with their tables, asked of the login that does it; and the roles that requests take.
const REFUSED: &str = "SELECT format('reading and writing %s', o.name), \
         CASE WHEN pg_catalog.pg_get_userbyid(o.owner) IN (SELECT rolname FROM pg_catalog.pg_roles WHERE rolsuper) \
         THEN format('GRANT USAGE ON SCHEMA auth TO %1$I; GRANT SELECT, INSERT, UPDATE, DELETE ON %2$s TO %1$I; ALTER ROLE %1$I BYPASSRLS', \
             current_user, o.name) \
         ELSE format('GRANT %I TO %I', pg_catalog.pg_get_userbyid(o.owner), current_user) END \
     FROM objects AS o \
     WHERE o.name IN ('auth.users', 'auth.sessions', 'auth.refresh_tokens', 'auth.identities', 'auth.mfa_amr_claims') \
         AND (NOT has_schema_privilege(o.namespace, 'USAGE') OR NOT has_table_privilege(o.oid, 'SELECT') \
             OR NOT has_table_privilege(o.oid, 'INSERT') OR NOT has_table_privilege(o.oid, 'UPDATE') \
             OR NOT has_table_privilege(o.oid, 'DELETE') OR row_security_active(o.oid)) \
     UNION ALL \
     SELECT format('reading %s', o.name), \
         format('GRANT USAGE ON SCHEMA supabase_migrations TO %1$I; GRANT SELECT ON ALL TABLES IN SCHEMA supabase_migrations TO %1$I', current_user) \
     FROM objects AS o WHERE o.name IN ('supabase_migrations.schema_migrations', 'supabase_migrations.basalt_checksums') \
         AND (NOT has_schema_privilege(o.namespace, 'USAGE') OR NOT has_table_privilege(o.oid, 'SELECT')) \
     UNION ALL \
     SELECT format('authenticator becoming %s', r.name), format('GRANT %I TO authenticator', r.name) \
     FROM (VALUES ('anon'), ('authenticated'), ('service_role')) AS r (name) \
     WHERE CASE WHEN to_regrole('authenticator') IS NULL OR to_regrole(r.name) IS NULL THEN false \
         ELSE NOT pg_has_role(to_regrole('authenticator')::oid, to_regrole(r.name)::oid, 'MEMBER') END";

pub(super) fn sql(error: tokio_postgres::Error) -> SqlError {
    error::of(&error)
}

pub(super) fn get<'r, T: tokio_postgres::types::FromSql<'r>>(row: &'r Row, at: usize) -> Result<T, SqlError> {
    row.try_get(at).map_err(sql)
}

/// Looks, as of one moment.
///
/// # Errors
/// As connecting reports.
pub(super) async fn examine(client: &Client) -> Result<Examined, SqlError> {
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(sql)?;
    let examined = within(client).await;
    client.batch_execute("ROLLBACK").await.map_err(sql)?;
    examined
}

async fn within(client: &Client) -> Result<Examined, SqlError> {
    let rows = client.query(&format!("{OBJECTS} {MISSING}"), &[]).await.map_err(sql)?;
    let missing = rows.iter().map(|row| get(row, 0)).collect::<Result<Vec<String>, _>>()?;
    let found = if missing.is_empty() {
        Found::Complete
    } else if get(&client.query_one(HAS_TABLES, &[]).await.map_err(sql)?, 0)? {
        Found::Lacking(Lacks(missing))
    } else {
        Found::Empty
    };
    let refused = client.query(&format!("{OBJECTS} {REFUSED}"), &[]).await.map_err(sql)?;
    let mut refusals = Vec::new();
    for row in &refused {
        refusals.push(Refusal { what: get(row, 0)?, statement: get(row, 1)? });
    }
    let login = "SELECT rolname::text, rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user";
    let login = client.query_one(login, &[]).await.map_err(sql)?;
    let tables: i64 = get(&client.query_one(&crate::migrate::user_tables("count(*)"), &[]).await.map_err(sql)?, 0)?;
    let policies = client.query_one("SELECT count(*) FROM pg_catalog.pg_policy", &[]).await.map_err(sql)?;
    let policies: i64 = get(&policies, 0)?;
    Ok(Examined {
        found,
        has_user_tables: tables > 0,
        version: version(client).await?,
        has_receipts: get(&client.query_one(HAS_RECEIPTS, &[]).await.map_err(sql)?, 0)?,
        login: get(&login, 0)?,
        refusals,
        can_make_event_triggers: get(&login, 1)?,
        contents: Contents {
            users: count(client, "auth.users", "SELECT count(*) FROM auth.users").await?,
            buckets: count(client, "storage.buckets", "SELECT count(*) FROM storage.buckets").await?,
            tables: u64::try_from(tables).unwrap_or(0),
            policies: u64::try_from(policies).unwrap_or(0),
        },
    })
}

/// How many rows a table has, if it may be read.
async fn count(client: &Client, table: &str, query: &str) -> Result<Option<u64>, SqlError> {
    let readable = format!(
        "{OBJECTS} SELECT count(*) > 0 FROM objects AS o WHERE o.name = $1::text AND CASE \
         WHEN NOT has_schema_privilege(o.namespace, 'USAGE') OR NOT has_table_privilege(o.oid, 'SELECT') THEN false \
         ELSE NOT row_security_active(o.oid) END"
    );
    if !get::<bool>(&client.query_one(&readable, &[&table]).await.map_err(sql)?, 0)? {
        return Ok(None);
    }
    let rows: i64 = get(&client.query_one(query, &[]).await.map_err(sql)?, 0)?;
    Ok(u64::try_from(rows).ok())
}

/// The last version that Basalt made here. Before there was a table for it, there were three; Supabase's own database differs by its
/// history of auth's migrations.
pub(super) async fn version(client: &Client) -> Result<Option<u32>, SqlError> {
    let known = format!(
        "{OBJECTS} SELECT coalesce(bool_or(name = 'supabase_migrations.basalt_bootstrap' \
             AND has_schema_privilege(namespace, 'USAGE') AND has_table_privilege(oid, 'SELECT')), false), \
         coalesce(bool_or(name = 'auth.users') AND bool_or(name = 'auth.audit_log_entries') AND bool_or(name = 'storage.buckets') \
             AND NOT bool_or(name = 'auth.schema_migrations') AND NOT bool_or(name = 'storage.migrations'), false) FROM objects"
    );
    let row = client.query_one(&known, &[]).await.map_err(sql)?;
    if get(&row, 0)? {
        let last = "SELECT max(version)::int8 FROM supabase_migrations.basalt_bootstrap";
        let last: Option<i64> = get(&client.query_one(last, &[]).await.map_err(sql)?, 0)?;
        return Ok(last.and_then(|n| u32::try_from(n).ok()));
    }
    Ok(get::<bool>(&row, 1)?.then_some(3))
}
