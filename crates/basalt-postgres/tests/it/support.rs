//! Engines on databases of one test, and requests to them.

use std::sync::Arc;
use std::time::Duration;

use basalt_engine::{Answer, Engine, Limits, Run, RunError};
use basalt_plan::ask::{Ask, Item, Node, ReadAsk};
use basalt_plan::plan::{Count, Literals, Output};
use basalt_plan::resolve::{Settings, resolve};
use basalt_postgres::{PostgresEngine, PostgresOptions};
use basalt_testkit::postgres::{AUTHENTICATOR, Database, OWNER, SUPERUSER};
use basalt_types::Session;
use tokio::runtime::{Builder, Runtime};

/// A database with an engine that has one connection for requests.
pub struct Served {
    pub engine: Arc<PostgresEngine>,
    pub runtime: Runtime,
    pub database: Database,
}

pub fn options(database: &Database) -> PostgresOptions {
    let options = PostgresOptions::new(database.connection_string(AUTHENTICATOR), database.connection_string(SUPERUSER));
    PostgresOptions { pool_size: 1, lanes: 1, ..options }
}

impl Served {
    pub fn new(sql: &str) -> Self {
        Self::with(sql, |options| options)
    }

    pub fn with(sql: &str, change: impl FnOnce(PostgresOptions) -> PostgresOptions) -> Self {
        let database = Database::fresh();
        let grant = format!("grant create on database {} to {OWNER}", database.name());
        database.superuser().and_then(|mut c| c.batch(&grant)).expect("grants");
        database.apply(&for_major(sql)).expect("the schema applies");
        let engine = PostgresEngine::open(change(options(&database))).expect("the engine opens");
        Self { engine, runtime: runtime(), database }
    }

    /// Reads all columns of a relation as this role.
    pub fn read(&self, role: &str, relation: &str) -> Result<Answer, RunError> {
        self.runtime.block_on(self.engine.run(self.request(role, relation, Duration::from_secs(20))))
    }

    /// The body of a read, or the SQLSTATE of its failure.
    pub fn body(&self, role: &str, relation: &str) -> String {
        match self.read(role, relation) {
            Ok(answer) => String::from_utf8_lossy(&answer.body).into_owned(),
            Err(RunError::Sql(error)) => error.state.as_str().to_owned(),
            Err(other) => format!("{other:?}"),
        }
    }

    pub fn request(&self, role: &str, relation: &str, within: Duration) -> Run {
        let (schema, relation) = relation.split_once('.').unwrap_or(("public", relation));
        let ask = Ask::Read(ReadAsk {
            schema: schema.to_owned(),
            relation: relation.to_owned(),
            node: Node { select: vec![Item::Star], ..Node::default() },
            output: Output::Array { strip_nulls: false },
            count: Count::None,
        });
        let plan = resolve(&ask, &self.engine.catalog(), Settings::default()).expect("the request fits the tables");
        Run {
            session: Session::of_role(role),
            plan: Arc::new(plan),
            literals: Literals::default(),
            payload: None,
            limits: Limits::within(within, 1 << 20),
            rollback: false,
            timezone: None,
            explain: None,
        }
    }

    /// One of the engine's counters.
    pub fn counter(&self, name: &str) -> u64 {
        let figures = self.engine.figures();
        figures.counters.iter().find(|(n, _)| *n == name).map(|(_, value)| *value).expect("a counter of this name")
    }
}

/// A schema without what the major under test refuses by name: views with the rights of who asks are of PostgreSQL 15.
pub fn for_major(sql: &str) -> String {
    match std::env::var("BASALT_TEST_POSTGRES") {
        Ok(major) if major == "14" => sql.replace("with (security_invoker = true)", ""),
        _ => sql.to_owned(),
    }
}

pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}
