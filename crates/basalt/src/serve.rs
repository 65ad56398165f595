//! `basalt serve`: puts the parts together, serves until told to stop.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use basalt_auth::{Auth, AuthConfig};
use basalt_engine::Engine;
use basalt_gateway::{Gateway, GatewayConfig, ServeError, Server, Surfaces};
use basalt_rest::{CursorKey, Rest, RestConfig};
use basalt_token::Verifier;
use basalt_types::{SystemClock, SystemRng};
use clap::Args;

use crate::commands::migration;
use crate::config::{Flag, Settings};
use crate::database::{self, Asked, Database};
use crate::lock::ProjectLock;
use crate::project::{Project, ProjectError};
use crate::secrets::Secrets;
use crate::{Failure, Place, control, log, postgrest};

/// Apply new migrations and serve the project.
#[derive(Debug, Args)]
pub struct Serve {
    /// Address and port, e.g. `127.0.0.1:54321`; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    postgrest: postgrest::Choice,
    /// Allow publicly known secrets on a loopback listener.
    #[arg(long)]
    insecure_dev_keys: bool,
}

/// `--listen` as the flag it is, for [`Settings::load`].
pub fn listen_flag(listen: Option<&str>) -> Vec<Flag> {
    listen.map(|value| Flag { setting: "server.listen", flag: "--listen", value: value.to_owned() }).into_iter().collect()
}

/// The URL of the running server, as it noted it.
pub fn running_url(state: &Path) -> Option<String> {
    // The note outlives a killed server; the lock does not.
    if ProjectLock::take(state, "status").is_ok() {
        return None;
    }
    fs::read_to_string(state.join("url")).ok().map(|t| t.trim().to_owned()).filter(|t| !t.is_empty())
}

impl Serve {
    /// Runs the command.
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        if self.asked.serves_as_it_is(&self.postgrest)? {
            return postgrest::run(&place.given(&self.postgrest, self.listen.as_deref())?);
        }
        let (project, settings) = place.open(&listen_flag(self.listen.as_deref()))?;
        log::start(&settings.log_level, settings.log_format.as_deref());
        let state = project.make_state()?;
        let lock = ProjectLock::take(&state, "serve")?;
        let secrets = Secrets::load(&state, &settings.keys, &SystemRng, &SystemClock)?;
        self.refuse_public_secrets(&settings, &secrets)?;
        let (engine, state_found) = database::open(&project, &settings, &secrets, self.asked)?;
        if engine.is_half_copied()? {
            engine.close();
            return Err("a copy into this database has begun and not ended: run the same `basalt copy` again".into());
        }
        let may = self.asked.may(state_found);
        if may.migrate {
            let applied = migration::apply(&*engine, &project, &settings, may.seed)?;
            if !applied.is_empty() {
                tracing::info!("{}", migration::summary(&applied));
            }
        } else {
            let waiting = migration::waiting(&*engine, &project, &settings)?;
            if waiting > 0 {
                tracing::warn!("{waiting} migrations of the folder are not applied to this database; --migrate applies them");
            }
        }
        notes(&settings, &*engine);
        // It accepts connections and waits for signals; requests have runtimes of their own, one on each core.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let outcome = runtime.block_on(serve(&project, settings, &secrets, Arc::clone(&engine)));
        // Requests have ended: the log is emptied into the database, then the lock goes.
        engine.close();
        let _ = fs::remove_file(state.join("url"));
        drop(lock);
        outcome
    }

    /// Anybody can sign tokens with a secret that stands in a manual.
    fn refuse_public_secrets(&self, settings: &Settings, secrets: &Secrets) -> Result<(), Failure> {
        if !secrets.keys.is_publicly_known() {
            return Ok(());
        }
        let site_url = settings.auth.site_url.as_str();
        let site = site_url.split_once("://").map_or(site_url, |(_, rest)| rest);
        let host = site.split(['/', ':']).next().unwrap_or_default();
        let is_local = |host: &str| host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !settings.listen.ip().is_loopback() || !is_local(host) {
            return Err("JWT_SECRET is publicly known: anybody could sign in as anyone. `basalt gen keys` makes new keys".into());
        }
        if !self.insecure_dev_keys {
            return Err("JWT_SECRET is publicly known. For development on this machine only: --insecure-dev-keys".into());
        }
        tracing::warn!("JWT_SECRET is publicly known; everything on this machine can read and write everything");
        Ok(())
    }
}

async fn serve(project: &Project, mut settings: Settings, secrets: &Secrets, engine: Arc<dyn Database>) -> Result<(), Failure> {
    let state = project.state();
    let listener = Server::listen(settings.listen).await.map_err(|error| taken(&error, settings.listen))?;
    let address = listener.local_addr()?;
    if settings.listen.port() == 0 {
        settings.external_url = settings.external_url.replace(&settings.listen.to_string(), &address.to_string());
        settings.listen = address;
    }
    let (gateway, rest) = gateway(&settings, secrets, Arc::clone(&engine));
    let gateway = Arc::new(gateway);
    tokio::spawn(sweep(rest));
    let control = {
        let (engine, project, settings) = (Arc::clone(&engine), project.clone(), settings.clone());
        control::listen(&state, move |question| match question {
            "migrate" => {
                migration::apply(&*engine, &project, &settings, true).map(|a| migration::summary(&a)).map_err(|e| e.to_string())
            }
            "history" => engine
                .applied_migrations()
                .map(|rows| rows.into_iter().map(|r| r.version).collect::<Vec<_>>().join("\n"))
                .map_err(|e| e.to_string()),
            other => crate::commands::types::answer(other, || engine.catalog())
                .unwrap_or_else(|| Err("this server does not know that command".to_owned())),
        })
    };
    if let Err(error) = &control {
        tracing::warn!(%error, "commands cannot reach this server; stop it before `basalt migration up`");
    }
    let url = state.join("url");
    fs::write(&url, format!("{}\n", settings.external_url)).map_err(ProjectError::io(&url))?;
    print_box(&settings, secrets);
    Server::new(listener, gateway).run(stop_signal()).await;
    tracing::info!("stopped");
    Ok(())
}

/// Forgets what has expired, as long as the server runs.
async fn sweep(rest: Rest) {
    loop {
        match rest.sweep().await {
            Ok(0) => {}
            Ok(swept) => tracing::debug!(swept, "receipts have expired"),
            Err(error) => tracing::warn!(%error, "expired receipts stay where they are"),
        }
        tokio::time::sleep(Rest::SWEEP_EVERY).await;
    }
}

fn gateway(settings: &Settings, secrets: &Secrets, engine: Arc<dyn Database>) -> (Gateway, Rest) {
    let catalog = engine.catalog();
    let allowed_roles = catalog.role("authenticator").map(|r| r.member_of.clone()).unwrap_or_default();
    let engine: Arc<dyn Engine> = engine;
    let verifier = Arc::new(Verifier::new(&secrets.keys.jwt_secret, None));
    let clock = Arc::new(SystemClock);
    let cursor_key = Some(CursorKey::new(secrets.refresh_key.reveal().as_bytes()));
    let rest = Rest::new(Arc::clone(&engine), RestConfig { cursor_key, ..rest_config(settings) });
    let auth = Auth::new(
        Arc::clone(&engine),
        auth_config(settings),
        basalt_auth::AuthSecrets { jwt_secret: secrets.keys.jwt_secret.clone(), refresh_token_key: secrets.refresh_key.clone() },
        Arc::clone(&verifier),
        clock.clone(),
        Arc::new(SystemRng),
    );
    let edge = &settings.edge;
    let config = GatewayConfig {
        external_url: settings.external_url.clone(),
        allowed_hosts: settings.allowed_hosts.clone(),
        public_dir: Some(settings.public_dir.clone()),
        trusted_proxies: settings.trusted_proxies.clone(),
        serves_rest: settings.api_enabled,
        serves_auth: settings.auth.enabled,
        max_body_bytes: edge.max_body_bytes,
        max_header_bytes: edge.max_header_bytes,
        max_connections: edge.max_connections,
        max_concurrent_requests: edge.max_concurrent_requests,
        header_timeout: edge.header_timeout,
        body_timeout: edge.body_timeout,
        send_timeout: edge.send_timeout,
        drain_timeout: edge.drain_timeout,
        allowed_roles,
        ..GatewayConfig::default()
    };
    let surfaces = Surfaces { rest: rest.clone(), auth, engine };
    (Gateway::new(config, Arc::new(secrets.keys.clone()), verifier, clock, surfaces), rest)
}

fn rest_config(settings: &Settings) -> RestConfig {
    let (limits, beyond) = (&settings.role_limits, &settings.beyond);
    RestConfig {
        schemas: settings.schemas.clone(),
        extra_search_path: settings.extra_search_path.clone(),
        max_rows: settings.max_rows,
        require_rls: settings.require_rls,
        max_response_bytes: settings.max_response_bytes,
        timeouts: limits.timeouts.clone(),
        default_timeout: limits.other_timeout,
        max_costs: limits.max_costs.clone(),
        max_concurrent: limits.max_concurrent.clone(),
        etag: beyond.etag,
        receipts: beyond.receipts,
        max_nested_rows: beyond.nested_max_rows,
        max_batch_operations: beyond.batch_max_operations,
        max_batch_bytes: beyond.batch_max_bytes,
        aggregates: beyond.aggregates,
        plan_enabled: beyond.plan_enabled,
        tx_end: beyond.tx_end,
        server_timing: beyond.server_timing,
        openapi_mode: beyond.openapi_mode,
        openapi_roles: beyond.openapi_roles.clone(),
        openapi_security: beyond.openapi_security,
        openapi_server: beyond.openapi_server.clone(),
        ..RestConfig::default()
    }
}

fn auth_config(settings: &Settings) -> AuthConfig {
    let auth = &settings.auth;
    let mut config = AuthConfig {
        external_url: settings.external_url.clone(),
        site_url: auth.site_url.clone(),
        additional_redirect_urls: auth.additional_redirect_urls.clone(),
        is_signup_enabled: auth.enable_signup,
        is_email_enabled: auth.enable_email_signup,
        is_autoconfirm: auth.autoconfirm,
        jwt_expiry_s: i64::try_from(auth.jwt_expiry_s).unwrap_or(i64::MAX),
        minimum_password_length: usize::try_from(auth.minimum_password_length).unwrap_or(usize::MAX),
        password_requirements: auth.password_requirements,
        refresh_token_reuse_interval_s: i64::try_from(auth.refresh_token_reuse_interval_s).unwrap_or(i64::MAX),
        is_refresh_token_rotation_enabled: auth.refresh_token_rotation,
        needs_recent_sign_in_for_password: auth.secure_password_change,
        session_timebox: auth.session_timebox,
        session_inactivity: auth.session_inactivity,
        ..AuthConfig::default()
    };
    config.rate_limits.sign_ups = auth.sign_in_limit;
    // The CLI has one figure for both; people mistype, so a sign-in's budget is never below the default.
    config.rate_limits.sign_ins = auth.sign_in_limit.max(config.rate_limits.sign_ins);
    config.rate_limits.token_refreshes = auth.refresh_limit;
    config
}

/// What somebody who looks at the log should know at once.
fn notes(settings: &Settings, engine: &dyn Database) {
    if !settings.unserved.is_empty() {
        tracing::warn!("of no effect in this version: {}", settings.unserved.join(", "));
    }
    if let Some(remote) = &settings.remote {
        tracing::info!("settings of [remotes.{remote}] are in force");
    }
    for name in &settings.unset_variables {
        tracing::warn!("environment variable is unset: {name}");
    }
    if !settings.auth.autoconfirm {
        tracing::warn!("new addresses need a confirmation, and this version sends no mail: an administrator must confirm them");
    }
    if settings.exposure_is_by_default && !settings.require_rls {
        let open = open_tables(&engine.catalog(), settings);
        if !open.is_empty() {
            tracing::warn!(
                "reachable by anon or authenticated without row level security: {}. See [api] require_rls",
                open.join(", ")
            );
        }
    }
}

/// Tables of the exposed schemas that anon or authenticated can reach though no row policies apply.
pub fn open_tables(catalog: &basalt_catalog::Catalog, settings: &Settings) -> Vec<String> {
    use basalt_catalog::{Privileges, RelationKind};
    let any = Privileges::SELECT.with(Privileges::INSERT).with(Privileges::UPDATE).with(Privileges::DELETE);
    catalog
        .relations()
        .filter(|r| r.kind == RelationKind::Table && !r.row_security)
        .filter(|r| settings.schemas.iter().any(|s| s == catalog.schema_name(r.schema)))
        .filter(|r| ["anon", "authenticated"].iter().any(|role| !catalog.relation_privileges(role, r).and(any).is_empty()))
        .map(|r| catalog.qualified_name(r))
        .collect()
}

fn taken(error: &ServeError, address: SocketAddr) -> Failure {
    let ServeError::Listen { source, .. } = error;
    if source.kind() == std::io::ErrorKind::AddrInUse {
        let other = SocketAddr::new(address.ip(), address.port().checked_add(100).unwrap_or(54421));
        return format!(
            "port {} of {} is in use by another program; choose another: --listen {other}",
            address.port(),
            address.ip()
        )
        .into();
    }
    error.to_string().into()
}

/// The URL, the key for browsers, and where the rest is.
fn print_box(settings: &Settings, secrets: &Secrets) {
    let mut lines = vec![
        format!("Basalt serves {}", settings.external_url),
        format!("publishable key  {}", secrets.keys.publishable.reveal()),
        "all keys         basalt status".to_owned(),
    ];
    if let Some(welcome) = &settings.welcome {
        lines.push(String::new());
        lines.extend(welcome.trim().lines().map(str::to_owned));
    }
    let width = lines.iter().map(|l| l.chars().count()).max().unwrap_or(0);
    println!("┌{}┐", "─".repeat(width + 2));
    for line in lines {
        println!("│ {line}{} │", " ".repeat(width - line.chars().count()));
    }
    println!("└{}┘", "─".repeat(width + 2));
}

/// SIGTERM or Ctrl-C.
pub async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut term) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = term.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn settings_of_auth_reach_auth() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("supabase");
        fs::create_dir_all(&folder).expect("a folder");
        let text = "[auth]\njwt_expiry = 5\nminimum_password_length = 9\npassword_requirements = \"letters_digits\"\n\
                    enable_refresh_token_rotation = false\nrefresh_token_reuse_interval = 3\nenable_signup = false\n\
                    site_url = \"http://a\"\nadditional_redirect_urls = [\"http://b\"]\n[auth.email]\nenable_signup = false\n\
                    enable_confirmations = true\nsecure_password_change = true\n[auth.sessions]\ntimebox = \"2h\"\n\
                    inactivity_timeout = \"1h\"\n[auth.rate_limit]\nsign_in_sign_ups = 500\ntoken_refresh = 7\n";
        fs::write(folder.join("config.toml"), text).expect("a file");
        let project = Project { root: dir.path().to_owned(), folder };
        let settings = Settings::load(&project, &Environment::of(&[]), None, &[]).expect("settings");
        assert!(settings.unserved.is_empty(), "{:?}", settings.unserved);
        let mut expected = AuthConfig {
            external_url: "http://127.0.0.1:54321".into(),
            site_url: "http://a".into(),
            additional_redirect_urls: vec!["http://b".into()],
            is_signup_enabled: false,
            is_email_enabled: false,
            is_autoconfirm: false,
            jwt_expiry_s: 5,
            minimum_password_length: 9,
            password_requirements: basalt_auth::PasswordRequirements::LettersDigits,
            needs_recent_sign_in_for_password: true,
            is_refresh_token_rotation_enabled: false,
            refresh_token_reuse_interval_s: 3,
            session_timebox: Some(std::time::Duration::from_secs(7200)),
            session_inactivity: Some(std::time::Duration::from_secs(3600)),
            ..AuthConfig::default()
        };
        expected.rate_limits.sign_ups = 500;
        expected.rate_limits.sign_ins = 500;
        expected.rate_limits.token_refreshes = 7;
        assert_eq!(auth_config(&settings), expected);
    }
}
