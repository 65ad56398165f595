//! The same schema on both databases, and the same request against both.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use basalt_engine::{Engine, Limits, Run, RunError};
use basalt_plan::ask::Ask;
use basalt_plan::dialect::postgres::{self, PgBind};
use basalt_plan::plan::{Literal, Literals, Output, Plan};
use basalt_plan::resolve::{Settings, resolve};
use basalt_sqlite::{SqliteEngine, SqliteOptions};
use basalt_testkit::postgres::{Client, Database, PgError, SUPERUSER};
use basalt_types::{Claims, RoleName, Session, Value};
use bytes::Bytes;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::model::{Cell, OWNER, Rows, Schema, Table, Type};
use crate::request::Request;

/// What a database answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Rows {
        body: String,
        rows: u64,
        total: Option<u64>,
        /// Of an insert: how many rows met no other, and the key of the first when that is asked for.
        told: Option<String>,
    },
    /// One object was asked for, and there were this many.
    NotSingular(u64),
    Refused {
        code: String,
        message: String,
        detail: Option<String>,
    },
}

impl Outcome {
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    pub fn rows(&self) -> u64 {
        if let Self::Rows { rows, .. } = self { *rows } else { 0 }
    }
}

/// What happens to a write's effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effects {
    Kept,
    Undone,
}

/// Both databases with one schema.
pub struct Pair {
    pub sqlite: Sqlite,
    pub postgres: Postgres,
}

impl Pair {
    /// Applies the same SQL to both.
    ///
    /// # Errors
    /// What the one or the other said.
    pub fn new(schema: &Schema) -> Result<Self, String> {
        let sql = schema.sql();
        let postgres = Postgres::new(&sql).map_err(|e| format!("PostgreSQL refuses the schema: {e}\n{sql}"))?;
        let sqlite = Sqlite::new(schema, &sql).map_err(|e| format!("SQLite refuses the schema: {e}\n{sql}"))?;
        Ok(Self { sqlite, postgres })
    }

    /// The plan both run.
    ///
    /// # Errors
    /// The request is none that the schema can answer: a mistake of the generator.
    pub fn plan(&self, request: &Request) -> Result<Plan, String> {
        plan(&request.ask, &self.sqlite)
    }
}

fn plan(ask: &Ask, sqlite: &Sqlite) -> Result<Plan, String> {
    let settings = Settings { max_rows: None, aggregates: false };
    resolve(ask, &sqlite.engine.catalog(), settings).map_err(|e| format!("{e:?} for {ask:?}"))
}

/// Basalt's own engine on a file of its own.
pub struct Sqlite {
    pub engine: Arc<SqliteEngine>,
    runtime: Runtime,
    contents: Vec<&'static str>,
    _folder: TempDir,
}

/// A folder in memory where there is one: these files live for a moment.
fn folder() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder can be made")
}

/// A database with Basalt's own tables, made once and copied.
fn template() -> &'static [u8] {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let folder = folder();
        let path = folder.path().join("template.db");
        let engine = SqliteEngine::open(SqliteOptions::new(&path)).expect("a new database opens");
        engine.close();
        drop(engine);
        std::fs::read(&path).expect("the template can be read")
    })
}

impl Sqlite {
    fn new(schema: &Schema, sql: &str) -> Result<Self, String> {
        let folder = folder();
        let path = folder.path().join("data.db");
        std::fs::write(&path, template()).map_err(|e| e.to_string())?;
        let options = SqliteOptions { readers: 1, near_readers: 1, ..SqliteOptions::new(&path) };
        let engine = SqliteEngine::open(options).map_err(|e| e.to_string())?;
        engine.run_seed(sql).map_err(|e| e.to_string())?;
        let runtime = Builder::new_current_thread().build().map_err(|e| e.to_string())?;
        // The engine's own statements are constants; a test may leak a few.
        let contents = schema.tables.iter().map(|t| &*Box::leak(contents_sql(t).into_boxed_str())).collect();
        Ok(Self { engine, runtime, contents, _folder: folder })
    }

    pub fn run(&self, plan: &Plan, request: &Request, effects: Effects) -> Outcome {
        let session = Session {
            role: RoleName::new(request.role),
            claims: request.claims.as_ref().map(|c| Arc::new(Claims::new(c.clone()))),
            request: None,
        };
        let run = Run {
            session,
            plan: Arc::new(plan.clone()),
            literals: request.literals.clone(),
            payload: request.payload_text().map(Bytes::from),
            limits: Limits::within(Duration::from_secs(30), 16 << 20),
            rollback: effects == Effects::Undone,
            timezone: None,
            explain: None,
        };
        let near = if request.is_read() { self.engine.run_now(&run) } else { None };
        match near.unwrap_or_else(|| self.runtime.block_on(self.engine.run(run))) {
            Ok(answer) => {
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                let key: Vec<String> =
                    answer.location.into_iter().map(|text| text.unwrap_or_else(|| "NULL".to_owned())).collect();
                let told = told(request, answer.rows, &answer.inserted.to_string(), &format!("{{{}}}", key.join(",")));
                Outcome::Rows { body, rows: answer.rows, total: answer.total, told }
            }
            Err(RunError::NotSingular(rows)) => Outcome::NotSingular(rows),
            Err(RunError::Sql(error)) => {
                Outcome::Refused { code: error.state.as_str().to_owned(), message: error.message, detail: error.detail }
            }
            Err(other) => Outcome::Refused { code: "?????".to_owned(), message: format!("{other:?}"), detail: None },
        }
    }

    /// All rows of all tables, by key.
    pub fn contents(&self, schema: &Schema) -> Vec<Rows> {
        let texts = self.contents.clone();
        let work = basalt_engine::snapshot(&*self.engine, move |tx| {
            texts.iter().map(|sql| tx.query(sql, &[]).map(|answer| answer.rows)).collect::<Result<Vec<_>, _>>()
        });
        let tables = self.runtime.block_on(work).unwrap_or_else(|e| panic!("reading all rows from SQLite: {e}"));
        let cell = |ty: Type, value: Value| match value {
            Value::Null => Cell::Null,
            Value::Int(n) if ty == Type::Bool => Cell::Bool(n != 0),
            Value::Int(n) => Cell::Int(n),
            Value::Text(text) => Cell::Text(text),
            other => Cell::Text(format!("{other:?}")),
        };
        let rows = |table: &Table, rows: Vec<Vec<Value>>| {
            let row = |row: Vec<Value>| row.into_iter().zip(&table.columns).map(|(v, c)| cell(c.ty, v)).collect();
            rows.into_iter().map(row).collect()
        };
        tables.into_iter().zip(&schema.tables).map(|(all, table)| rows(table, all)).collect()
    }
}

/// PostgreSQL, with a login of requests and one that sees everything.
pub struct Postgres {
    requests: Client,
    superuser: Client,
    _database: Database,
}

impl Postgres {
    fn new(sql: &str) -> Result<Self, PgError> {
        let database = Database::fresh();
        let mut superuser = database.superuser()?;
        superuser.batch(&format!("set role {OWNER};\n{sql}\nreset role;"))?;
        Ok(Self { requests: database.authenticator()?, superuser, _database: database })
    }

    /// Runs a plan as the request's role.
    pub fn run(&mut self, sqlite: &Sqlite, plan: &Plan, request: &Request, effects: Effects) -> Outcome {
        run_as(&mut self.requests, request.role, sqlite, plan, request, effects)
    }

    /// What the request would have answered if everything was allowed.
    pub fn run_unguarded(&mut self, sqlite: &Sqlite, plan: &Plan, request: &Request) -> Outcome {
        run_as(&mut self.superuser, SUPERUSER, sqlite, plan, request, Effects::Undone)
    }

    pub fn contents(&mut self, schema: &Schema) -> Vec<Rows> {
        let cell = |ty: Type, text: Option<String>| match (ty, text) {
            (_, None) => Cell::Null,
            (Type::Int, Some(text)) => text.parse().map_or(Cell::Text(text), Cell::Int),
            (Type::Bool, Some(text)) => Cell::Bool(text == "t"),
            (_, Some(text)) => Cell::Text(text),
        };
        let mut out = Vec::new();
        for table in &schema.tables {
            let rows = self.superuser.query_text(&contents_sql(table), &[]);
            let rows = rows.unwrap_or_else(|e| panic!("reading all rows from PostgreSQL: {e}"));
            let row = |row: Vec<Option<String>>| row.into_iter().zip(&table.columns).map(|(v, c)| cell(c.ty, v)).collect();
            out.push(rows.into_iter().map(row).collect());
        }
        out
    }
}

fn told(request: &Request, rows: u64, inserted: &str, key: &str) -> Option<String> {
    let Ask::Insert(insert) = &request.ask else { return None };
    let key = if insert.returning.location && rows > 0 { key } else { "" };
    Some(format!("{inserted} inserted {key}"))
}

fn contents_sql(table: &Table) -> String {
    let columns: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    let key: Vec<&str> = table.key.iter().map(|k| columns[*k]).collect();
    format!("select {} from public.{} order by {}", columns.join(", "), table.name, key.join(", "))
}

/// The statement PostgreSQL runs, with its parameters.
pub fn statement(sqlite: &Sqlite, plan: &Plan, request: &Request) -> Result<(String, Vec<Option<String>>), String> {
    let statement = postgres::compile(plan, &sqlite.engine.catalog()).map_err(|e| e.to_string())?;
    let binds = statement.binds.iter().map(|bind| bound(bind, &request.literals, request)).collect();
    Ok((statement.sql, binds))
}

fn bound(bind: &PgBind, literals: &Literals, request: &Request) -> Option<String> {
    let literal = |n: u32| usize::try_from(n).ok().and_then(|n| literals.0.get(n));
    match bind {
        PgBind::Literal(n) | PgBind::Bare(n) => match literal(*n) {
            Some(Literal::Text(text)) => Some(text.clone()),
            _ => None,
        },
        PgBind::LiteralList(n) | PgBind::BareList(n) => match literal(*n) {
            Some(Literal::List(items)) => Some(postgres::array_literal(items)),
            _ => None,
        },
        PgBind::Numbered(_) => None,
        PgBind::Payload => request.payload_text(),
    }
}

/// Marks an error of ours, so that the transaction is undone.
const NOT_SINGULAR: &str = "-----";

fn run_as(client: &mut Client, role: &str, sqlite: &Sqlite, plan: &Plan, request: &Request, effects: Effects) -> Outcome {
    let (sql, binds) = match statement(sqlite, plan, request) {
        Ok(found) => found,
        Err(message) => return Outcome::Refused { code: "dialect".to_owned(), message, detail: None },
    };
    let binds: Vec<Option<&str>> = binds.iter().map(Option::as_deref).collect();
    let work = |tx: &mut Client| {
        let answer = tx.query_text(&sql, &binds)?;
        let row = answer.into_iter().next().unwrap_or_default();
        let number = |n: usize| row.get(n).and_then(Option::as_deref).and_then(|t| t.parse::<u64>().ok());
        let (rows, total) = (number(1).unwrap_or(0), number(2));
        if matches!(plan.output, Output::Object { .. }) && rows != 1 {
            return Err(PgError { sqlstate: NOT_SINGULAR.to_owned(), message: rows.to_string(), ..PgError::default() });
        }
        let text = |n: usize| row.get(n).and_then(Option::as_deref).unwrap_or("{}");
        let told = told(request, rows, text(3), text(4));
        Ok(Outcome::Rows { body: row.first().cloned().flatten().unwrap_or_default(), rows, total, told })
    };
    let claims = request.claims_text();
    let result = match effects {
        Effects::Kept => client.run_as(role, &claims, work),
        Effects::Undone => client.try_as(role, &claims, work),
    };
    match result {
        Ok(outcome) => outcome,
        Err(e) if e.sqlstate == NOT_SINGULAR => Outcome::NotSingular(e.message.parse().unwrap_or(0)),
        Err(e) => Outcome::Refused { code: e.sqlstate, message: e.message, detail: e.detail },
    }
}
