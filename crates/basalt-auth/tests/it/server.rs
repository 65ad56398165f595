//! One project's auth over a fresh SQLite file, called in process.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use basalt_auth::{Auth, AuthConfig, AuthSecrets, Hashing, RequestFacts};
use basalt_engine::migrate::{MigrationFile, Migrations};
use basalt_engine::{Engine, transaction};
use basalt_postgres::{PostgresEngine, PostgresOptions};
use basalt_sqlite::{SqliteEngine, SqliteOptions};
use basalt_testkit::FakeClock;
use basalt_testkit::postgres::{AUTHENTICATOR, Database, SUPERUSER};
use basalt_token::keys::sign_hs256;
use basalt_token::{ApiKeyRole, Verifier};
use basalt_types::{Rng, Secret, Value};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value as Json;

pub const JWT_SECRET: &str = "a-secret-of-the-tests-with-more-than-32-characters";
pub const REFRESH_KEY: &str = "a-key-of-the-tests-for-refresh-tokens-0123456789";
pub const PASSWORD: &str = "correct horse";
pub const STRANGER: &str = "198.51.100.7";

/// Ids that repeat from run to run.
pub struct CountingRng(AtomicU64);

impl Rng for CountingRng {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let n = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            let mixed = (n ^ (n >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 29)).to_le_bytes()[..chunk.len()]);
        }
    }
}

pub struct Server {
    pub auth: Auth,
    pub engine: Arc<dyn Engine>,
    pub migrations: Arc<dyn Migrations>,
    pub clock: Arc<FakeClock>,
    pub folder: tempfile::TempDir,
    pub runtime: tokio::runtime::Runtime,
    /// Dropped after its engine.
    _database: Option<Database>,
}

/// One answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// A text in the body by JSON pointer.
    pub fn text_at(&self, pointer: &str) -> String {
        self.json().pointer(pointer).and_then(Json::as_str).unwrap_or_else(|| panic!("no {pointer} in {}", self.text)).to_owned()
    }

    pub fn code(&self) -> (u16, String) {
        (self.status, self.headers.get("x-sb-error-code").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned())
    }
}

/// One request.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub body: String,
    pub bearer: Option<String>,
    pub api_role: Option<ApiKeyRole>,
    pub address: &'a str,
    pub headers: Vec<(String, String)>,
}

impl<'a> Ask<'a> {
    pub fn new(method: &'a str, path: &'a str) -> Self {
        Self {
            method,
            path,
            body: String::new(),
            bearer: None,
            api_role: Some(ApiKeyRole::Anon),
            address: "127.0.0.1",
            headers: Vec::new(),
        }
    }

    pub fn json(mut self, body: Json) -> Self {
        self.body = body.to_string();
        self
    }

    pub fn body(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self
    }

    pub fn bearer(mut self, token: &str) -> Self {
        self.bearer = Some(token.to_owned());
        self
    }

    pub fn admin(self) -> Self {
        let token = service_token();
        self.bearer(&token)
    }

    pub fn from(mut self, address: &'a str) -> Self {
        self.address = address;
        self
    }
}

/// A legacy service key.
pub fn service_token() -> String {
    signed(serde_json::json!({"iss": "supabase", "role": "service_role", "exp": 4_000_000_000_i64}))
}

pub fn signed(claims: Json) -> String {
    sign_hs256(&claims, &Secret::new(JWT_SECRET))
}

/// Cheap hashes; otherwise the defaults.
pub fn config() -> AuthConfig {
    AuthConfig {
        hashing: Hashing { memory_kib: 8, iterations: 1, parallelism: 1, threads: 2, queue: 64 },
        ..AuthConfig::default()
    }
}

impl Server {
    pub fn start(config: AuthConfig) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FakeClock::default());
        let rng: Arc<dyn Rng> = Arc::new(CountingRng(AtomicU64::new(1)));
        let mut options = SqliteOptions::new(folder.path().join("data.db"));
        options.clock = clock.clone();
        options.rng = rng.clone();
        options.readers = 2;
        let engine = SqliteEngine::open(options).unwrap_or_else(|e| panic!("the database opens: {e}"));
        let migrations = Arc::clone(&engine) as Arc<dyn Migrations>;
        let engine: Arc<dyn Engine> = engine;
        let auth = auth_over(&engine, config, &clock, rng);
        Self { auth, engine, migrations, clock, folder, runtime: runtime(), _database: None }
    }

    /// The same over a PostgreSQL database that the engine prepared itself.
    pub fn start_on_postgres(config: AuthConfig) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FakeClock::default());
        let rng: Arc<dyn Rng> = Arc::new(CountingRng(AtomicU64::new(1)));
        let database = Database::empty();
        let options = PostgresOptions {
            clock: clock.clone(),
            ..PostgresOptions::new(database.connection_string(AUTHENTICATOR), database.connection_string(SUPERUSER))
        };
        PostgresEngine::bootstrap(&options, true).unwrap_or_else(|e| panic!("the database is prepared: {e}"));
        let engine = PostgresEngine::open(options).unwrap_or_else(|e| panic!("the database opens: {e}"));
        let migrations = Arc::clone(&engine) as Arc<dyn Migrations>;
        let engine: Arc<dyn Engine> = engine;
        let auth = auth_over(&engine, config, &clock, rng);
        Self { auth, engine, migrations, clock, folder, runtime: runtime(), _database: Some(database) }
    }

    /// Starts auth anew over the same file: what it remembered is gone.
    pub fn restart(&mut self, config: AuthConfig) {
        let rng: Arc<dyn Rng> = Arc::new(CountingRng(AtomicU64::new(1 << 40)));
        self.auth = auth_over(&self.engine, config, &self.clock, rng);
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("data.db")
    }

    pub async fn answer(&self, ask: Ask<'_>) -> Reply {
        let mut request = http::Request::builder().method(ask.method).uri(ask.path);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let request = request.body(Bytes::from(ask.body)).expect("a request");
        let facts = RequestFacts {
            client_ip: ask.address.parse::<IpAddr>().expect("an address"),
            base_url: "http://127.0.0.1:54321",
            bearer: ask.bearer.as_deref(),
            api_role: ask.api_role,
            user_agent: Some("tests/1.0".to_owned()),
        };
        let (parts, body) = self.auth.handle(&facts, request).await.into_parts();
        Reply { status: parts.status.as_u16(), headers: parts.headers, text: String::from_utf8(body.to_vec()).expect("UTF-8") }
    }

    pub fn ask(&self, ask: Ask<'_>) -> Reply {
        self.runtime.block_on(self.answer(ask))
    }

    /// Signs up with [`PASSWORD`].
    pub fn sign_up(&self, email: &str) -> Reply {
        let reply = self.ask(Ask::new("POST", "/signup").json(serde_json::json!({"email": email, "password": PASSWORD})));
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply
    }

    pub fn sign_in(&self, email: &str, password: &str, address: &str) -> Reply {
        let body = serde_json::json!({"email": email, "password": password});
        self.ask(Ask::new("POST", "/token?grant_type=password").json(body).from(address))
    }

    pub fn refresh(&self, token: &str) -> Reply {
        self.ask(Ask::new("POST", "/token?grant_type=refresh_token").json(serde_json::json!({"refresh_token": token})))
    }

    /// Applies a migration.
    pub fn migrate(&self, sql: &str) {
        let file = MigrationFile { version: "20260101000000".to_owned(), name: "test".to_owned(), text: sql.to_owned() };
        self.migrations.apply_migration(&file).unwrap_or_else(|e| panic!("{e}"));
    }

    /// Runs a statement as the owner of the database.
    pub fn sql(&self, sql: &'static str, params: Vec<Value>) -> Vec<Vec<Value>> {
        let rows = transaction(self.engine.as_ref(), move |tx| tx.query(sql, &params));
        self.runtime.block_on(rows).unwrap_or_else(|e| panic!("{sql}: {e}")).rows
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn auth_over(engine: &Arc<dyn Engine>, config: AuthConfig, clock: &Arc<FakeClock>, rng: Arc<dyn Rng>) -> Auth {
    let verifier = Arc::new(Verifier::new(&Secret::new(JWT_SECRET), None));
    let secrets = AuthSecrets { jwt_secret: Secret::new(JWT_SECRET), refresh_token_key: Secret::new(REFRESH_KEY) };
    Auth::new(engine.clone(), config, secrets, verifier, clock.clone(), rng)
}

/// The claims of a token, unverified.
pub fn claims(token: &str) -> Json {
    use base64::Engine as _;
    let part = token.split('.').nth(1).expect("three parts");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}
