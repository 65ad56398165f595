//! The same world on both engines, and the same request to both, through the REST surface in process.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use basalt_postgres::{PostgresEngine, PostgresOptions};
use basalt_rest::{Rest, RestConfig};
use basalt_sqlite::{SqliteEngine, SqliteOptions};
use basalt_testkit::postgres::{AUTHENTICATOR, Client, Database, OWNER, SUPERUSER};
use basalt_types::{RoleName, Session, Value};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::model::{Cell, Rows, World};
use crate::request::Request;

/// Headers that are part of an answer.
pub const HEADERS: [&str; 11] = [
    "content-type",
    "content-range",
    "content-profile",
    "location",
    "preference-applied",
    "proxy-status",
    "www-authenticate",
    "allow",
    "warning",
    "vary",
    "content-length",
];

/// What an engine answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200, …
    pub status: u16,
    /// Those of [`HEADERS`] that were there.
    pub headers: Vec<(&'static str, String)>,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// Of an error: its code and message.
    pub fn error(&self) -> Option<(String, String)> {
        if self.status < 400 {
            return None;
        }
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        let text = |key: &str| body.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        Some((text("code"), text("message")))
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    /// Rows of the answer, by the range's numbers.
    pub fn rows(&self) -> u64 {
        let range = self.header("content-range").and_then(|text| text.split_once('/')).map_or("", |(range, _)| range);
        let ends = range.split_once('-').and_then(|(a, b)| Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?)));
        ends.map_or(0, |(first, last)| last - first + 1)
    }
}

/// Both engines with one world.
pub struct Pair {
    /// The embedded one.
    pub sqlite: Sqlite,
    /// The oracle.
    pub postgres: Postgres,
}

impl Pair {
    /// Applies the same SQL to both.
    ///
    /// # Errors
    /// What the one or the other said.
    pub fn new(world: &World) -> Result<Self, String> {
        let sql = world.sql();
        let postgres = Postgres::new(world, &sql).map_err(|e| format!("PostgreSQL refuses the world: {e}\n{sql}"))?;
        let sqlite = Sqlite::new(world, &sql).map_err(|e| format!("SQLite refuses the world: {e}\n{sql}"))?;
        Ok(Self { sqlite, postgres })
    }

    /// All rows of both, by key.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn contents(&mut self) -> Result<Contents, String> {
        Ok((self.sqlite.contents()?, self.postgres.contents()?))
    }
}

/// What all stored tables hold: on SQLite, on PostgreSQL.
pub type Contents = (Vec<Rows>, Vec<Rows>);

fn config(world: &World) -> RestConfig {
    RestConfig { schemas: world.schemas(), aggregates: world.aggregates, ..RestConfig::default() }
}

fn runtime() -> Result<Runtime, String> {
    Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())
}

/// One request to a surface.
fn ask(runtime: &Runtime, rest: &Rest, session: &Session, request: &Request) -> Result<Answer, String> {
    let response = runtime.block_on(rest.handle(session, request.http()?));
    let header = |name: &'static str| {
        let value = response.headers().get(name)?;
        Some((name, String::from_utf8_lossy(value.as_bytes()).into_owned()))
    };
    Ok(Answer {
        status: response.status().as_u16(),
        headers: HEADERS.into_iter().filter_map(header).collect(),
        body: String::from_utf8_lossy(response.body()).into_owned(),
    })
}

/// A folder in memory where there is one: these files live for a moment.
fn folder() -> Result<TempDir, String> {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.map_err(|e| e.to_string())
}

/// A database with Basalt's own tables, made once and copied.
fn template() -> &'static Result<Vec<u8>, String> {
    static TEMPLATE: OnceLock<Result<Vec<u8>, String>> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let folder = folder()?;
        let path = folder.path().join("template.db");
        let mut options = SqliteOptions::new(&path);
        options.auto_expose_new_tables = true;
        let engine = SqliteEngine::open(options).map_err(|e| e.to_string())?;
        engine.close();
        drop(engine);
        std::fs::read(&path).map_err(|e| e.to_string())
    })
}

/// Basalt's own engine on a file of its own.
pub struct Sqlite {
    engine: Arc<SqliteEngine>,
    rest: Rest,
    runtime: Runtime,
    contents: Vec<&'static str>,
    _folder: TempDir,
}

impl Sqlite {
    /// A file with a world in it.
    ///
    /// # Errors
    /// What the engine refuses of it.
    pub fn new(world: &World, sql: &str) -> Result<Self, String> {
        let made = Self::of_file(world, template().as_deref().map_err(Clone::clone)?)?;
        made.engine.run_seed(sql).map_err(|e| e.to_string())?;
        Ok(made)
    }

    /// A file of these bytes.
    ///
    /// # Errors
    /// What opening it says.
    pub fn of_file(world: &World, bytes: &[u8]) -> Result<Self, String> {
        let folder = folder()?;
        let path = folder.path().join("data.db");
        std::fs::write(&path, bytes).map_err(|e| e.to_string())?;
        let mut options = SqliteOptions { readers: 1, near_readers: 1, ..SqliteOptions::new(&path) };
        options.auto_expose_new_tables = true;
        let engine = SqliteEngine::open(options).map_err(|e| e.to_string())?;
        // The engine's own statements are constants; a test may leak a few.
        let contents = world.stored().map(|(_, t)| &*Box::leak(t.contents_sql().into_boxed_str())).collect();
        let rest = Rest::new(Arc::clone(&engine) as Arc<_>, config(world));
        Ok(Self { engine, rest, runtime: runtime()?, contents, _folder: folder })
    }

    /// The file's bytes once everything is in it; the engine is then closed.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn into_bytes(self) -> Result<Vec<u8>, String> {
        self.engine.close();
        std::fs::read(self._folder.path().join("data.db")).map_err(|e| e.to_string())
    }

    /// Answers a request.
    ///
    /// # Errors
    /// The request cannot be said in HTTP.
    pub fn ask(&self, request: &Request) -> Result<Answer, String> {
        ask(&self.runtime, &self.rest, &request.session(), request)
    }

    /// All rows of all stored tables, by key.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn contents(&self) -> Result<Vec<Rows>, String> {
        let texts = self.contents.clone();
        let work = basalt_engine::snapshot(&*self.engine, move |tx| {
            texts.iter().map(|sql| tx.query(sql, &[]).map(|answer| answer.rows)).collect::<Result<Vec<_>, _>>()
        });
        let tables = self.runtime.block_on(work).map_err(|e| format!("reading all rows from SQLite: {e}"))?;
        let cell = |value: Value| -> Cell {
            match value {
                Value::Null => None,
                Value::Text(text) => Some(text),
                Value::Int(n) => Some(n.to_string()),
                other => Some(format!("{other:?}")),
            }
        };
        let row = |row: Vec<Value>| row.into_iter().map(cell).collect();
        Ok(tables.into_iter().map(|rows| rows.into_iter().map(row).collect()).collect())
    }
}

/// PostgreSQL behind the same surface, with a login that sees everything.
pub struct Postgres {
    rest: Rest,
    runtime: Runtime,
    superuser: Client,
    contents: Vec<String>,
    _engine: Arc<PostgresEngine>,
    /// None once it went back to [`spare`].
    database: Option<Database>,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        spare().extend(self.database.take());
    }
}

/// Databases of worlds that are done: emptying one is much faster than making one.
fn spare() -> MutexGuard<'static, Vec<Database>> {
    static SPARE: Mutex<Vec<Database>> = Mutex::new(Vec::new());
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a world out of a database and makes it as a fresh one is.
const EMPTY: &str = "
drop schema public cascade;
drop schema if exists shop cascade;
create schema public;
alter schema public owner to pg_database_owner;
grant usage on schema public to public;
grant all on schema public to postgres;
grant usage on schema public to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on sequences to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public grant all on functions to postgres, anon, authenticated, service_role;
";

fn database() -> Result<Database, String> {
    let found = spare().pop();
    let Some(spare) = found else { return Ok(Database::fresh()) };
    let emptied = spare.superuser().and_then(|mut client| client.batch(EMPTY));
    emptied.map_err(|e| format!("emptying a database: {e}"))?;
    Ok(spare)
}

impl Postgres {
    fn new(world: &World, sql: &str) -> Result<Self, String> {
        let database = database()?;
        let mut superuser = database.superuser().map_err(|e| e.to_string())?;
        let grant = format!("grant create on database {} to {OWNER};\n", database.name());
        superuser.batch(&format!("{grant}set role {OWNER};\n{sql}\nreset role;")).map_err(|e| e.to_string())?;
        let options = PostgresOptions {
            schemas: world.schemas(),
            pool_size: 2,
            admin_pool_size: 1,
            lanes: 1,
            watch_interval: Duration::from_secs(86_400),
            ..PostgresOptions::new(database.connection_string(AUTHENTICATOR), database.connection_string(SUPERUSER))
        };
        let engine = PostgresEngine::open(options).map_err(|e| e.to_string())?;
        let rest = Rest::new(Arc::clone(&engine) as Arc<_>, config(world));
        let contents = world.stored().map(|(_, t)| t.contents_sql()).collect();
        Ok(Self { rest, runtime: runtime()?, superuser, contents, _engine: engine, database: Some(database) })
    }

    /// Answers a request.
    ///
    /// # Errors
    /// The request cannot be said in HTTP.
    pub fn ask(&self, request: &Request) -> Result<Answer, String> {
        ask(&self.runtime, &self.rest, &request.session(), request)
    }

    /// What a read would have answered if no row was hidden.
    ///
    /// # Errors
    /// The request cannot be said in HTTP.
    pub fn ask_unguarded(&self, request: &Request) -> Result<Answer, String> {
        let session = Session { role: RoleName::new("service_role"), ..request.session() };
        ask(&self.runtime, &self.rest, &session, request)
    }

    /// All rows of all stored tables, by key.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn contents(&mut self) -> Result<Vec<Rows>, String> {
        let superuser = &mut self.superuser;
        let read = |sql: &String| superuser.query_text(sql, &[]).map_err(|e| format!("reading all rows from PostgreSQL: {e}"));
        self.contents.iter().map(read).collect()
    }
}
