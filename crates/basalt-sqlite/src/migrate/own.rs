//! What Basalt itself puts into every database: roles, schemas, auth's tables, default privileges.

use basalt_sql::bootstrap;
use basalt_sql::ddl::DdlContext;
use basalt_types::{SqlError, ValueRef};

use super::{keep, run_text};
use crate::commit::Desk;
use crate::store;

/// Schemas that Basalt makes; tables elsewhere are the user's.
const OWN: &[&str] = &[
    "auth",
    "storage",
    "realtime",
    "extensions",
    "graphql",
    "graphql_public",
    "supabase_migrations",
    "vault",
    "basalt",
    "pg_catalog",
    "information_schema",
];

/// Whether a schema is the user's.
pub(super) fn is_users(schema: &str) -> bool {
    !OWN.contains(&schema)
}

/// The number of the last text of ours that this file has.
const VERSION: &str = "bootstrap_version";

/// Brings Basalt's own part of the database to this program's version: each numbered text runs once. In a new file the default
/// privileges follow.
pub(crate) fn bootstrap(desk: &Desk<'_>, auto_expose: bool) -> Result<(), SqlError> {
    let done = store::meta_int(desk.connection, VERSION)?;
    let open: Vec<_> = bootstrap::VERSIONS.iter().filter(|version| i64::from(version.number) > done).collect();
    let Some(last) = open.last() else { return Ok(()) };
    let texts = open.iter().map(|version| version.sql);
    for text in texts.chain((done == 0).then(|| bootstrap::default_privileges(auto_expose))) {
        run_text(desk, text, &mut DdlContext::of_role(bootstrap::ROLE)).map_err(|failed| {
            tracing::error!(error = %failed, "Basalt's own tables cannot be made");
            failed.error
        })?;
    }
    store::put_meta(desk.connection, VERSION, ValueRef::Int(i64::from(last.number)))?;
    keep(desk)
}
