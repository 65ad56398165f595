//! The case files of `tests/cases/auth`, answered in process.
//!
//! A file's fixture is a configuration, see [`Surface::begin`]. `X-Test-Address` is the client's address, loopback without it;
//! `X-Test-Advance` moves the clock by seconds before the request.

use std::path::Path;

use basalt_auth::{AuthConfig, PasswordRequirements, RateLimits};
use basalt_testkit::cases::{Answer, CaseFile, Engine, Options, Request, Response, Role, run_folder};
use basalt_token::ApiKeyRole;

use crate::server::{Ask, Server, config, service_token};

struct Surface {
    engine: Engine,
    server: Option<Server>,
}

impl Answer for Surface {
    fn begin(&mut self, file: &CaseFile) -> Result<(), String> {
        let config = match file.fixture.as_deref() {
            None | Some("autoconfirm") => config(),
            Some("confirmations") => AuthConfig { is_autoconfirm: false, ..config() },
            Some("no_sign_up") => AuthConfig { is_signup_enabled: false, ..config() },
            Some("no_email") => AuthConfig { is_email_enabled: false, ..config() },
            Some("strict_passwords") => AuthConfig {
                minimum_password_length: 8,
                password_requirements: PasswordRequirements::LowerUpperLettersDigitsSymbols,
                needs_current_password: true,
                needs_recent_sign_in_for_password: true,
                jwt_expiry_s: 604_800,
                ..config()
            },
            Some("limits") => AuthConfig {
                rate_limits: RateLimits { sign_ups: 2, sign_ins: 3, token_refreshes: 2, ..RateLimits::default() },
                ..config()
            },
            Some("short_sessions") => AuthConfig {
                session_timebox: Some(std::time::Duration::from_secs(1000)),
                session_inactivity: Some(std::time::Duration::from_secs(100)),
                ..config()
            },
            Some(other) => return Err(format!("no fixture {other}")),
        };
        self.server = Some(match self.engine {
            Engine::Sqlite => Server::start(config),
            Engine::Postgres => Server::start_on_postgres(config),
        });
        Ok(())
    }

    fn answer(&mut self, request: &Request, role: Option<&Role>) -> Result<Response, String> {
        let server = self.server.as_ref().ok_or("no server was started")?;
        let path = request.target.strip_prefix("/auth/v1").ok_or("the path is not one of auth")?;
        if let Some(seconds) = request.get_header("x-test-advance") {
            server.clock.advance_s(seconds.parse().map_err(|_| "X-Test-Advance is no number")?);
        }
        let mut ask = Ask::new(&request.method, path).body(&String::from_utf8_lossy(&request.body));
        ask.api_role = match role {
            None => None,
            Some(Role::ServiceRole) => Some(ApiKeyRole::Service),
            Some(_) => Some(ApiKeyRole::Anon),
        };
        if role == Some(&Role::ServiceRole) {
            ask.bearer = Some(service_token());
        }
        if let Some(token) = request.get_header("authorization").and_then(|value| value.strip_prefix("Bearer ")) {
            ask.bearer = Some(token.to_owned());
        }
        if let Some(address) = request.get_header("x-test-address") {
            ask.address = address;
        }
        ask.headers = request.headers.clone();
        let reply = server.ask(ask);
        let headers = reply.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Ok(Response { status: reply.status, headers: headers.collect(), body: reply.text.into_bytes() })
    }

    fn engine(&self) -> Engine {
        self.engine
    }
}

fn run(engine: Engine, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/auth");
    let mut options = Options::on(engine, Engine::Sqlite);
    options.compared_headers.extend(["x-sb-error-code", "x-supabase-api-version", "x-total-count", "link"].map(str::to_owned));
    run_folder(&folder, &mut Surface { engine, server: None }, &options).finish(name);
}

#[test]
fn case_files_on_sqlite() {
    run(Engine::Sqlite, "auth (sqlite)");
}

#[test]
fn case_files_on_postgres() {
    run(Engine::Postgres, "auth (postgres)");
}
