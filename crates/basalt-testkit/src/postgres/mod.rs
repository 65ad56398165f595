//! A private PostgreSQL: the oracle that tests compare with. Version 17, unless `BASALT_TEST_POSTGRES` names another major.
//!
//! One server a test process, started on first use, reached by a Unix socket in a temporary folder, never as root. Each test gets
//! a database of its own, copied from a template that [`BOOTSTRAP`] prepared as Supabase prepares a project's database.
//!
//! Nothing is left behind: the server hangs on a pipe held by the test process, so it ends, and its folder goes, however the test
//! process ends.

mod bouncer;
mod client;
mod server;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub use bouncer::{PoolMode, PrivateBouncer};
pub use client::{Answer, Client, ErrorObject, PgError, Row};
pub use server::{Ending, PrivatePostgres, Setup, StartError};

/// What a Supabase project's database has before any migration: roles, schemas, default privileges, `auth` and `storage` tables
/// and functions. Run in this order by the superuser on an empty database. Tables and functions are those that Basalt itself makes;
/// what stands around them is written for tests, after the documented contract of those objects.
pub const BOOTSTRAP: [&str; 9] = [
    include_str!("before.sql"),
    include_str!("../../../basalt-sql/src/bootstrap/0002_auth.sql"),
    include_str!("../../../basalt-sql/src/bootstrap/0003_storage.sql"),
    include_str!("../../../basalt-sql/src/bootstrap/0004_auth_rest.sql"),
    include_str!("../../../basalt-sql/src/bootstrap/0005_realtime.sql"),
    include_str!("../../../basalt-sql/src/bootstrap/0006_receipts.sql"),
    include_str!("../../../basalt-postgres/src/bootstrap/functions.sql"),
    include_str!("../../../basalt-postgres/src/bootstrap/receipts.sql"),
    include_str!("after.sql"),
];

/// The superuser, as on Supabase: nothing of a user's runs as this role.
pub const SUPERUSER: &str = "supabase_admin";

/// Who migrations run as and who owns the user's tables: no superuser, but with BYPASSRLS.
pub const OWNER: &str = "postgres";

/// The login of requests: NOINHERIT, member of anon, authenticated and service_role.
pub const AUTHENTICATOR: &str = "authenticator";

const TEMPLATE: &str = "basalt_template";

/// A database of one test; dropped with it.
#[derive(Debug)]
pub struct Database {
    server: &'static PrivatePostgres,
    name: String,
}

/// The server of this test process, started on the first call.
///
/// # Panics
/// When PostgreSQL 17 can neither be found nor fetched, or does not start: tests that need it have then failed.
pub fn shared() -> &'static PrivatePostgres {
    static SHARED: OnceLock<PrivatePostgres> = OnceLock::new();
    SHARED.get_or_init(|| {
        let server = PrivatePostgres::start().unwrap_or_else(|e| panic!("{e}"));
        let prepare = || -> Result<(), PgError> {
            server.connect("postgres", SUPERUSER)?.batch(&format!("create database {TEMPLATE} owner {SUPERUSER}"))?;
            let mut template = server.connect(TEMPLATE, SUPERUSER)?;
            BOOTSTRAP.iter().try_for_each(|text| template.batch(text))
        };
        prepare().unwrap_or_else(|e| panic!("preparing the template database: {e}"));
        server
    })
}

impl Database {
    /// A fresh database with [`BOOTSTRAP`] done: new tables in `public` are granted to anon, authenticated and service_role, as
    /// `[api] auto_expose_new_tables = true` has it.
    ///
    /// # Panics
    /// As [`shared`].
    pub fn fresh() -> Self {
        Self::of_template(TEMPLATE)
    }

    /// A fresh database as PostgreSQL makes it, on a server that has Supabase's roles.
    ///
    /// # Panics
    /// As [`shared`].
    pub fn empty() -> Self {
        Self::of_template("template1")
    }

    fn of_template(template: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let server = shared();
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let create = format!("create database {name} template {template}");
        let created = server.connect("postgres", SUPERUSER).and_then(|mut c| c.batch(&create));
        created.unwrap_or_else(|e| panic!("creating a test database: {e}"));
        Self { server, name }
    }

    /// A fresh database in which new tables are granted to nobody: `[api] auto_expose_new_tables = false`.
    ///
    /// # Panics
    /// As [`shared`].
    pub fn fresh_closed() -> Self {
        let database = Self::fresh();
        let closed = database.superuser().and_then(|mut c| c.batch(CLOSE));
        closed.unwrap_or_else(|e| panic!("closing the default privileges: {e}"));
        database
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `host=… port=… user=… dbname=…`: for drivers other than ours.
    pub fn connection_string(&self, user: &str) -> String {
        self.server.connection_string(&self.name, user)
    }

    /// The server it is on.
    pub fn server(&self) -> &'static PrivatePostgres {
        self.server
    }

    /// A connection as [`SUPERUSER`].
    ///
    /// # Errors
    /// As [`PrivatePostgres::connect`].
    pub fn superuser(&self) -> Result<Client, PgError> {
        self.server.connect(&self.name, SUPERUSER)
    }

    /// A connection as [`OWNER`]: for migrations and seeds.
    ///
    /// # Errors
    /// As [`PrivatePostgres::connect`].
    pub fn owner(&self) -> Result<Client, PgError> {
        self.server.connect(&self.name, OWNER)
    }

    /// A connection as [`AUTHENTICATOR`]: for [`Client::run_as`].
    ///
    /// # Errors
    /// As [`PrivatePostgres::connect`].
    pub fn authenticator(&self) -> Result<Client, PgError> {
        self.server.connect(&self.name, AUTHENTICATOR)
    }

    /// Runs a script as [`OWNER`], as a migration would be.
    ///
    /// # Errors
    /// The first statement that failed; what came before it in the same script is undone.
    pub fn apply(&self, sql: &str) -> Result<(), PgError> {
        self.owner()?.batch(sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A failure costs disk until the server ends, no more.
        if let Ok(mut client) = self.server.connect("postgres", SUPERUSER) {
            let _ = client.batch(&format!("drop database {} with (force)", self.name));
        }
    }
}

const CLOSE: &str = "
alter default privileges for role postgres in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges for role postgres in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges for role postgres in schema public revoke all on functions from anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public revoke all on tables from anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public revoke all on sequences from anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public revoke all on functions from anon, authenticated, service_role;
";
