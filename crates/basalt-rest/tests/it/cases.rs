//! Case files answered by the surface over a SQLite file made from the case's fixture.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use basalt_rest::{CursorKey, OpenApiMode, Rest, RestConfig, TxEnd};
use basalt_sqlite::{MigrationFile, SqliteEngine, SqliteOptions};
use basalt_testkit::cases::{Answer, CaseFile, Engine, Options, Request, Response, Role, run_folder};
use basalt_types::{Claims, Session};
use bytes::Bytes;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The surface in process.
pub struct InProcess {
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
    engine: Option<Arc<SqliteEngine>>,
    rest: Option<Rest>,
    files: usize,
    /// Answers that the near way gave.
    near: usize,
}

impl InProcess {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        Self { runtime, folder: tempfile::tempdir().expect("a folder"), engine: None, rest: None, files: 0, near: 0 }
    }

    /// A new database with a fixture.
    pub fn start(&mut self, fixture: Option<&str>, config: RestConfig) -> Result<(), String> {
        self.rest = None;
        self.files += 1;
        let mut options = SqliteOptions::new(self.folder.path().join(format!("{}.db", self.files)));
        options.auto_expose_new_tables = true;
        let engine = SqliteEngine::open(options).map_err(|e| e.to_string())?;
        if let Some(fixture) = fixture {
            let file = MigrationFile { version: "20240101000000".into(), name: fixture.into(), text: embedded_fixture(fixture)? };
            engine.apply_migration(&file).map_err(|e| format!("{fixture}: {e:?}"))?;
        }
        self.engine = Some(Arc::clone(&engine));
        let engine: Arc<dyn basalt_engine::Engine> = engine;
        self.rest = Some(Rest::new(engine, config));
        Ok(())
    }
}

/// A fixture's SQL.
pub fn fixture_text(name: &str) -> Result<String, String> {
    let path = root().join("tests/fixtures").join(format!("{name}.sql"));
    std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
}

/// A fixture without what only PostgreSQL can have: lines between `-- On PostgreSQL only:` and `-- On both:`.
fn embedded_fixture(name: &str) -> Result<String, String> {
    let mut on_both = true;
    let text = fixture_text(name)?;
    let kept = text.lines().filter(|line| {
        match line.trim_end() {
            "-- On PostgreSQL only:" => on_both = false,
            "-- On both:" => on_both = true,
            _ => {}
        }
        on_both
    });
    Ok(kept.collect::<Vec<_>>().join("\n"))
}

/// The surface's settings as a case file names them.
pub fn config(settings: &[(String, String)]) -> Result<RestConfig, String> {
    // A slow machine gives the same answers.
    let timeouts = Vec::new();
    let mut config = RestConfig { cursor_key: Some(CursorKey::new(b"the cases' own")), timeouts, ..RestConfig::default() };
    let names = |value: &str| value.split(',').map(str::to_owned).collect();
    for (name, value) in settings {
        match name.as_str() {
            "schemas" => config.schemas = names(value),
            "extra-search-path" => config.extra_search_path = names(value),
            "max-rows" => config.max_rows = Some(value.parse().map_err(|_| format!("max-rows={value} is no number"))?),
            "max-cost" => {
                let most = value.parse().map_err(|_| format!("max-cost={value} is no number"))?;
                config.max_costs = vec![("anon".to_owned(), most)];
            }
            "concurrent" => {
                let most = value.parse().map_err(|_| format!("concurrent={value} is no number"))?;
                config.max_concurrent = vec![("anon".to_owned(), most)];
            }
            "etag" => config.etag = true,
            "aggregates" => config.aggregates = true,
            "rollback" => config.tx_end = TxEnd::CommitAllowOverride,
            "tx-end" => config.tx_end = TxEnd::of(value).ok_or_else(|| format!("tx-end={value} is no way to end"))?,
            "plan" => config.plan_enabled = true,
            "timing" => config.server_timing = true,
            "openapi-mode" => {
                config.openapi_mode = OpenApiMode::of(value).ok_or_else(|| format!("openapi-mode={value} is no mode"))?;
            }
            "openapi-open" => config.openapi_roles = None,
            "openapi-secured" => config.openapi_security = true,
            "openapi-server" => config.openapi_server = Some(value.clone()),
            "require-rls" => config.require_rls = true,
            other => return Err(format!("unknown setting {other}")),
        }
    }
    Ok(config)
}

/// A request as the gateway hands it on.
pub fn http_request(request: &Request) -> Result<http::Request<Bytes>, String> {
    let target = request.target.strip_prefix("/rest/v1").unwrap_or(&request.target);
    // As clients' URL functions send it.
    let target = target.replace('>', "%3E").replace('"', "%22");
    let target = if target.starts_with('/') { target } else { format!("/{target}") };
    let mut builder = http::Request::builder().method(request.method.as_str()).uri(target);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    builder.body(Bytes::from(request.body.clone())).map_err(|e| e.to_string())
}

/// The session of a case's role.
pub fn session(role: Option<&Role>) -> Session {
    match role {
        None | Some(Role::Anon) => Session::of_role("anon"),
        Some(Role::ServiceRole) => Session::of_role("service_role"),
        Some(Role::Authenticated { sub }) => {
            let claims = serde_json::json!({"sub": sub, "role": "authenticated"});
            let claims = Claims::new(claims.as_object().cloned().unwrap_or_default());
            Session { claims: Some(Arc::new(claims)), ..Session::of_role("authenticated") }
        }
    }
}

/// An answer as case files compare it.
pub fn as_response(response: &http::Response<Bytes>) -> Response {
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    Response { status: response.status().as_u16(), headers: headers.collect(), body: response.body().to_vec() }
}

/// The near way's answer to a request, after a request of the same shape with other values.
fn near_twice(rest: &Rest, session: &Session, asked: &http::Request<Bytes>) -> Option<http::Response<Bytes>> {
    let near = |query: &str| {
        let started = std::time::Instant::now();
        rest.answer_now(session, (asked.uri().path(), query), asked.headers(), started, &|_| {})
    };
    let query = asked.uri().query().unwrap_or_default();
    let other: String =
        query.chars().map(|c| if c.is_ascii_digit() { char::from(b'0' + (c as u8 - b'0' + 1) % 10) } else { c }).collect();
    near(&other);
    near(query)
}

impl Answer for InProcess {
    fn begin(&mut self, file: &CaseFile) -> Result<(), String> {
        self.start(file.fixture.as_deref(), config(&file.settings)?)
    }

    fn answer(&mut self, request: &Request, role: Option<&Role>) -> Result<Response, String> {
        let rest = self.rest.as_ref().ok_or("no file has begun")?;
        let asked = http_request(request)?;
        let near = if asked.method() == http::Method::GET { near_twice(rest, &session(role), &asked) } else { None };
        let response = self.runtime.block_on(rest.handle(&session(role), asked));
        if let Some(near) = near {
            self.near += 1;
            let mut expected = response.headers().clone();
            expected.remove(http::header::CONTENT_LENGTH);
            let same = near.status() == response.status() && *near.headers() == expected && near.body() == response.body();
            if !same {
                return Err(format!("the near way answered {near:?}, the ordinary way {response:?}"));
            }
        }
        Ok(as_response(&response))
    }

    fn engine(&self) -> Engine {
        Engine::Sqlite
    }
}

#[test]
fn rest_on_sqlite() {
    let mut answer = InProcess::new();
    run_folder(&root().join("tests/cases/rest"), &mut answer, &Options::on(Engine::Sqlite, Engine::Postgres))
        .finish("rest (sqlite)");
    assert!(answer.near >= 20, "only {} reads went the near way", answer.near);
}
