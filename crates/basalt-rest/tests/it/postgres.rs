//! The same cases on both engines: each request goes to the SQLite engine and, by the plan's other dialect, to PostgreSQL itself,
//! which applies its own grants and policies. Statuses and bodies must be the same, byte for byte.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use basalt_catalog::Catalog;
use basalt_engine::{Answer as Answered, BoxFuture, Boxed, Engine, EngineFigures, Run, RunError, Work};
use basalt_plan::dialect::postgres::{self, PgBind};
use basalt_plan::plan::{Literal, Output};
use basalt_rest::Rest;
use basalt_testkit::cases::{Answer, Engine as Name, Options, Request, Response, Role, run_folder};
use basalt_testkit::postgres::{Client, Database, OWNER, PgError};
use basalt_types::{SqlError, SqlState};
use bytes::Bytes;

use crate::cases::{InProcess, config, fixture_text, http_request, root, session};

/// How known differences begin, with the reason.
const DIFFERENCES: [(&str, &str); 1] =
    [("GET /rest/v1/films?select=id&order=id&title=ilike.cl%C3%89o*", "the private server's locale folds ASCII letters only")];

/// PostgreSQL behind the engine's trait, with the catalog that the SQLite engine made of the same fixture.
struct Postgres {
    catalog: Arc<Catalog>,
    client: Mutex<Client>,
    _database: Database,
}

const NOT_SINGULAR: &str = "BSLT1";
const TOO_MANY: &str = "BSLT2";

impl Postgres {
    fn answer(&self, run: &Run) -> Result<Answered, RunError> {
        let statement = postgres::compile(&run.plan, &self.catalog)?;
        let binds: Vec<Option<String>> = statement.binds.iter().map(|bind| value(bind, run)).collect();
        let binds: Vec<Option<&str>> = binds.iter().map(Option::as_deref).collect();
        let mut client = self.client.lock().expect("no test panics while it holds the client");
        let stop = |state: &str, rows: u64| PgError { sqlstate: state.into(), message: rows.to_string(), ..PgError::default() };
        let result = client.run_as(run.session.role.as_str(), run.session.claims_text(), |tx| {
            for (name, value) in postgres::settings(&run.session) {
                tx.query("select set_config($1, $2, true)", &[Some(name), Some(&value)])?;
            }
            let rows = tx.query_text(&statement.sql, &binds)?;
            let cell = |at: usize| rows.first().and_then(|row| row.get(at).cloned().flatten());
            let count = cell(1).and_then(|n| n.parse().ok()).unwrap_or(0);
            if matches!(run.plan.output, Output::Object { .. }) && count != 1 {
                return Err(stop(NOT_SINGULAR, count));
            }
            if run.plan.max_affected.is_some_and(|most| count > most) {
                return Err(stop(TOO_MANY, count));
            }
            let body = Bytes::from(cell(0).unwrap_or_default());
            let total = cell(2).and_then(|n| n.parse().ok());
            Ok(Answered { body, rows: count, inserted: count, total, location: Vec::new() })
        });
        result.map_err(|e| match e.sqlstate.as_str() {
            NOT_SINGULAR => RunError::NotSingular(e.message.parse().unwrap_or(0)),
            TOO_MANY => RunError::TooManyAffected(e.message.parse().unwrap_or(0)),
            state => RunError::Sql(SqlError {
                state: SqlState::parse(state).unwrap_or(SqlState::INTERNAL),
                message: e.message,
                detail: e.detail,
                hint: e.hint,
                constraint: None,
            }),
        })
    }
}

fn value(bind: &PgBind, run: &Run) -> Option<String> {
    match bind {
        PgBind::Literal(n) | PgBind::LiteralList(n) => match run.literals.0.get(*n as usize)? {
            Literal::Null => None,
            Literal::Text(text) => Some(text.clone()),
            Literal::List(items) => Some(postgres::array_literal(items)),
        },
        PgBind::Numbered(_) => None,
        PgBind::Payload => run.payload.as_ref().map(|p| String::from_utf8_lossy(p).into_owned()),
    }
}

impl Engine for Postgres {
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog)
    }

    fn run(&self, run: Run) -> BoxFuture<'_, Result<Answered, RunError>> {
        Box::pin(std::future::ready(self.answer(&run)))
    }

    fn run_now(&self, _run: &Run) -> Option<Result<Answered, RunError>> {
        None
    }

    fn transaction_boxed(&self, _work: Work<Boxed>) -> BoxFuture<'_, Result<Boxed, SqlError>> {
        Box::pin(std::future::ready(Err(SqlError::internal("not for own tables"))))
    }

    fn snapshot_boxed(&self, _work: Work<Boxed>) -> BoxFuture<'_, Result<Boxed, SqlError>> {
        Box::pin(std::future::ready(Err(SqlError::internal("not for own tables"))))
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn figures(&self) -> EngineFigures {
        EngineFigures::default()
    }
}

/// Answers from the SQLite engine and notes where PostgreSQL says something else.
struct Both {
    sqlite: InProcess,
    postgres: Option<Rest>,
    fixture: Option<String>,
    compared: usize,
    differences: Vec<String>,
}

impl Answer for Both {
    fn begin(&mut self, fixture: Option<&str>) -> Result<(), String> {
        self.sqlite.begin(fixture)?;
        self.fixture = fixture.map(str::to_owned);
        let database = Database::fresh();
        if let Some(fixture) = fixture {
            let grant = format!("grant create on database {} to {OWNER}", database.name());
            database.superuser().and_then(|mut c| c.batch(&grant)).map_err(|e| e.to_string())?;
            database.apply(&fixture_text(fixture)?).map_err(|e| e.to_string())?;
        }
        let client = database.authenticator().map_err(|e| e.to_string())?;
        let catalog = self.sqlite.catalog().ok_or("no file has begun")?;
        let engine = Postgres { catalog, client: Mutex::new(client), _database: database };
        self.postgres = Some(Rest::new(Arc::new(engine), config(fixture)));
        Ok(())
    }

    fn answer(&mut self, request: &Request, role: Option<&Role>) -> Result<Response, String> {
        let ours = self.sqlite.answer(request, role)?;
        let rest = self.postgres.as_ref().ok_or("no file has begun")?;
        let session = session(role);
        let theirs = {
            let asked = http_request(request)?;
            let mut future = pin!(rest.handle(&session, asked));
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(response) => response,
                Poll::Pending => return Err("PostgreSQL's answer waits".to_owned()),
            }
        };
        self.compared += 1;
        let (status, body) = (theirs.status().as_u16(), String::from_utf8_lossy(theirs.body()).into_owned());
        // How many rows of an upsert were new is not told by this dialect.
        let same_status = status == ours.status || (status == 201 && ours.status == 200);
        if !same_status || body != ours.text() {
            let (method, target) = (&request.method, &request.target);
            self.differences.push(format!(
                "{method} {target}\n  ours   {} {}\n  theirs {status} {body}",
                ours.status,
                ours.text()
            ));
        }
        Ok(ours)
    }

    fn engine(&self) -> Name {
        Name::Sqlite
    }
}

#[test]
fn rest_on_both() {
    let mut both = Both { sqlite: InProcess::new(), postgres: None, fixture: None, compared: 0, differences: Vec::new() };
    let options = Options { is_update: false, ..Options::default() };
    let report = run_folder(&root().join("tests/cases/rest"), &mut both, &options);
    let known = |text: &String| DIFFERENCES.iter().any(|(request, _)| text.starts_with(request));
    let unknown: Vec<&String> = both.differences.iter().filter(|d| !known(d)).collect();
    let shown: Vec<&str> = unknown.iter().map(|d| d.as_str()).collect();
    let (passed, failed, ..) = report.totals();
    println!("{} requests compared with PostgreSQL", both.compared);
    assert_eq!(both.compared, passed + failed, "{}", report.to_text());
    assert!(unknown.is_empty(), "{} of {} answers differ:\n{}", unknown.len(), both.compared, shown.join("\n"));
}
