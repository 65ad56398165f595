//! The same cases on both engines: each request goes to the SQLite engine and to the PostgreSQL engine, whose catalog is what
//! PostgreSQL made of the same fixture and which applies its own grants and policies. Statuses and bodies must be the same, byte for byte.

use std::sync::Arc;

use basalt_engine::Engine as _;
use basalt_postgres::{PostgresEngine, PostgresOptions};
use basalt_rest::Rest;
use basalt_testkit::cases::{Answer, Engine as Name, Options, Request, Response, Role, run_folder};
use basalt_testkit::postgres::{AUTHENTICATOR, Database, OWNER, SUPERUSER};

use crate::cases::{InProcess, config, fixture_text, http_request, root, session};

/// How known differences begin, with the reason.
const DIFFERENCES: [(&str, &str); 1] =
    [("GET /rest/v1/films?select=id&order=id&title=ilike.cl%C3%89o*", "the private server's locale folds ASCII letters only")];

/// Answers from the SQLite engine and notes where PostgreSQL says something else.
struct Both {
    sqlite: InProcess,
    runtime: tokio::runtime::Runtime,
    postgres: Option<(Rest, Arc<PostgresEngine>, Database)>,
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
            // Planned counts are as good as the statistics.
            database.superuser().and_then(|mut c| c.batch("analyze")).map_err(|e| e.to_string())?;
        }
        let options = PostgresOptions {
            schemas: config(fixture).schemas,
            ..PostgresOptions::new(database.connection_string(AUTHENTICATOR), database.connection_string(SUPERUSER))
        };
        let engine = PostgresEngine::open(options).map_err(|e| e.to_string())?;
        assert!(engine.catalog().version() > 0);
        self.postgres = Some((Rest::new(Arc::clone(&engine) as Arc<_>, config(fixture)), engine, database));
        Ok(())
    }

    fn answer(&mut self, request: &Request, role: Option<&Role>) -> Result<Response, String> {
        let ours = self.sqlite.answer(request, role)?;
        let (rest, ..) = self.postgres.as_ref().ok_or("no file has begun")?;
        let theirs = self.runtime.block_on(rest.handle(&session(role), http_request(request)?));
        self.compared += 1;
        let compared = |name: &str| {
            let one = ours.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
            let other = theirs.headers().get(name).and_then(|v| v.to_str().ok());
            (one.unwrap_or_default().to_owned(), other.unwrap_or_default().to_owned())
        };
        let (ranges, places) = (compared("content-range"), compared("location"));
        let one = (ours.status, ranges.0, places.0, ours.text());
        let body = String::from_utf8_lossy(theirs.body()).into_owned();
        let other = (theirs.status().as_u16(), ranges.1, places.1, body);
        if one != other {
            let (method, target) = (&request.method, &request.target);
            self.differences.push(format!("{method} {target}\n  ours   {one:?}\n  theirs {other:?}"));
        }
        Ok(ours)
    }

    fn engine(&self) -> Name {
        Name::Sqlite
    }
}

#[test]
fn rest_on_both() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut both =
        Both { sqlite: InProcess::new(), runtime, postgres: None, fixture: None, compared: 0, differences: Vec::new() };
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
