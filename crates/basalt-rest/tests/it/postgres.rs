//! The same case files over the PostgreSQL engine, whose catalog is what PostgreSQL made of the same fixture and which applies its
//! own grants and policies. It is the oracle: `UPDATE_CASES` writes its answers, the SQLite engine is held to them.

use std::sync::Arc;

use basalt_postgres::{PostgresEngine, PostgresOptions};
use basalt_rest::Rest;
use basalt_testkit::cases::{Answer, CaseFile, Engine, Options, Request, Response, Role, run_folder};
use basalt_testkit::postgres::{AUTHENTICATOR, Database, OWNER, PoolMode, PrivateBouncer, SUPERUSER, shared};

use crate::cases::{as_response, config, fixture_text, http_request, root, session};

/// The surface over a database of its own.
struct OnPostgres {
    runtime: tokio::runtime::Runtime,
    /// The database must outlive the surface's connections.
    rest: Option<(Rest, Database)>,
    /// What requests go through.
    bouncer: Option<PrivateBouncer>,
}

impl OnPostgres {
    fn new(bouncer: Option<PrivateBouncer>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, rest: None, bouncer }
    }

    fn address(&self, database: &Database, user: &str) -> String {
        match &self.bouncer {
            Some(bouncer) => bouncer.connection_string(database.name(), user),
            None => database.connection_string(user),
        }
    }
}

impl Answer for OnPostgres {
    fn begin(&mut self, file: &CaseFile) -> Result<(), String> {
        let config = config(&file.settings)?;
        let database = Database::fresh();
        if let Some(fixture) = &file.fixture {
            let grant = format!("grant create on database {} to {OWNER}", database.name());
            database.superuser().and_then(|mut c| c.batch(&grant)).map_err(|e| e.to_string())?;
            database.apply(&fixture_text(fixture)?).map_err(|e| e.to_string())?;
            // Planned counts are as good as the statistics.
            database.superuser().and_then(|mut c| c.batch("analyze")).map_err(|e| e.to_string())?;
        }
        let options = PostgresOptions {
            schemas: config.schemas.clone(),
            ..PostgresOptions::new(self.address(&database, AUTHENTICATOR), self.address(&database, SUPERUSER))
        };
        let engine = PostgresEngine::open(options).map_err(|e| e.to_string())?;
        self.rest = Some((Rest::new(engine as Arc<_>, config), database));
        Ok(())
    }

    fn answer(&mut self, request: &Request, role: Option<&Role>) -> Result<Response, String> {
        let (rest, _) = self.rest.as_ref().ok_or("no file has begun")?;
        let response = self.runtime.block_on(rest.handle(&session(role), http_request(request)?));
        Ok(as_response(&response))
    }

    fn engine(&self) -> Engine {
        Engine::Postgres
    }
}

/// Fixtures with something that the major under test does not have; the engine's tests show that it is refused by name.
fn lacking_fixtures() -> Vec<String> {
    let Some(major) = std::env::var("BASALT_TEST_POSTGRES").ok().and_then(|major| major.parse().ok()) else { return Vec::new() };
    let files = std::fs::read_dir(root().join("tests/fixtures")).expect("the fixtures");
    let names = files.filter_map(|file| file.ok()?.path().file_stem()?.to_str().map(str::to_owned));
    let lacking = names.filter_map(|name| {
        let lack = basalt_sql::majors::lacking(&fixture_text(&name).ok()?, major)?;
        println!("files with the fixture {name} are left out: PostgreSQL {major} has no {}", lack.name);
        Some(name)
    });
    lacking.collect()
}

#[test]
fn rest_on_postgres() {
    let mut options = Options::on(Engine::Postgres, Engine::Postgres);
    options.left_out = lacking_fixtures();
    run_folder(&root().join("tests/cases/rest"), &mut OnPostgres::new(None), &options).finish("rest (postgres)");
}

/// The same behind a PgBouncer that gives each transaction another connection. Every twelfth file, all with `BASALT_POOLED_CASES=all`.
#[test]
fn rest_through_a_pooler() {
    let bouncer = PrivateBouncer::start(shared(), PoolMode::Transaction);
    let mut options = Options::on(Engine::Postgres, Engine::Postgres);
    options.is_update = false;
    if std::env::var("BASALT_POOLED_CASES").as_deref() != Ok("all") {
        options.every = 12;
    }
    run_folder(&root().join("tests/cases/rest"), &mut OnPostgres::new(Some(bouncer)), &options).finish("rest (PgBouncer)");
}
