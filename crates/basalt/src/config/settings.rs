//! What is in force.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use basalt_gateway::Network;
use toml::{Table, Value};

use super::Environment;
use super::file::{CliConfig, OwnConfig, SERVED};
use crate::project::Project;

/// Supabase's default address, which many apps have written down.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:54321";

/// Everything configurable, as plain values.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Where clients reach us, without trailing slash.
    pub external_url: String,
    /// The app's own URL, for redirects.
    pub site_url: String,
    /// Further redirect targets.
    pub additional_redirect_urls: Vec<String>,
    /// Host names for our own pages.
    pub allowed_hosts: Vec<String>,
    /// Believed proxies.
    pub trusted_proxies: Vec<Network>,
    /// Static site.
    pub public_dir: PathBuf,
    /// Longest body, bytes.
    pub max_body_bytes: usize,
    /// Requests answered at once.
    pub max_concurrent_requests: usize,
    /// Wait at shutdown.
    pub drain_timeout: Duration,
    /// Exposed schemas, the first is the default.
    pub schemas: Vec<String>,
    /// Searched besides the exposed one.
    pub extra_search_path: Vec<String>,
    /// Most rows in an answer.
    pub max_rows: Option<u64>,
    /// Lines shown at start.
    pub welcome: Option<String>,
    /// Whether new tables get grants; unset in files: the old rule, true.
    pub auto_expose_new_tables: bool,
    /// Whether tables without row policies are closed; unset: false.
    pub require_rls: bool,
    /// Whether either of the two was not set by any file.
    pub exposure_is_by_default: bool,
    /// Connections that read; 0: one a core, at least two.
    pub readers: usize,
    /// Statement times: anon, authenticated, others.
    pub timeouts: [Duration; 3],
    /// Longest response body, bytes.
    pub max_response_bytes: usize,
    /// Log filter.
    pub log_level: String,
    /// `pretty`, `json`, or by terminal.
    pub log_format: Option<String>,
    /// Seed files, as globs relative to the project's `supabase/`.
    pub seed_paths: Vec<String>,
    /// Whether to seed.
    pub seed_enabled: bool,
    /// Whether to migrate.
    pub migrations_enabled: bool,
    /// Auth.
    pub auth: AuthSettings,
    /// Keys of config.toml that are of no effect in this version.
    pub unserved: Vec<String>,
}

/// Settings of `[auth]`.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// Seconds an access token is valid.
    pub jwt_expiry_s: u64,
    /// Whether anybody may sign up.
    pub enable_signup: bool,
    /// Whether by e-mail.
    pub enable_email_signup: bool,
    /// Whether addresses count as confirmed at once.
    pub autoconfirm: bool,
    /// Characters.
    pub minimum_password_length: u32,
    /// Characters a password must have.
    pub password_requirements: basalt_auth::PasswordRequirements,
    /// Seconds.
    pub refresh_token_reuse_interval_s: u64,
    /// Whether refresh tokens rotate.
    pub refresh_token_rotation: bool,
    /// Sign-ins and sign-ups per address in five minutes.
    pub sign_in_limit: u32,
    /// Refreshes per address in five minutes.
    pub refresh_limit: u32,
}

/// Why settings cannot be used. The text names file, key, and what would do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

impl Settings {
    /// Reads the project's settings.
    ///
    /// # Errors
    /// The first value that cannot be used, with its file and key.
    pub fn load(project: &Project, env: &Environment) -> Result<Self, ConfigError> {
        let cli_path = project.folder.join("config.toml");
        let mut table = read_table(&cli_path)?;
        expand(&mut table, env);
        let unserved = unserved(&table);
        let cli: CliConfig = deserialize(Value::Table(table), &cli_path)?;
        let own_path = project.folder.join("basalt.toml");
        let mut own_table = read_table(&own_path)?;
        expand(&mut own_table, env);
        let own: OwnConfig = deserialize(Value::Table(own_table), &own_path)?;
        Self::combine(project, env, cli, own, unserved)
    }

    fn combine(
        project: &Project,
        env: &Environment,
        cli: CliConfig,
        own: OwnConfig,
        unserved: Vec<String>,
    ) -> Result<Self, ConfigError> {
        let auth = Self::auth(env, &cli)?;
        let listen_text = env
            .get("BASALT_LISTEN")
            .or(own.server.listen)
            .or_else(|| cli.api.port.map(|p| format!("127.0.0.1:{p}")))
            .unwrap_or_else(|| DEFAULT_LISTEN.into());
        let listen = parse_listen(&listen_text)?;
        let external_url = env
            .get_any(&["API_EXTERNAL_URL", "SUPABASE_PUBLIC_URL", "BASALT_EXTERNAL_URL"])
            .or(own.server.external_url)
            .or(cli.api.external_url)
            .unwrap_or_else(|| format!("http://{listen}"));
        let list = |text: String| text.split(',').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect::<Vec<_>>();
        let proxies = env.get("BASALT_TRUSTED_PROXIES").map(list).or(own.server.trusted_proxies).unwrap_or_default();
        let trusted_proxies = proxies
            .iter()
            .map(|p| Network::parse(p))
            .collect::<Result<_, _>>()
            .map_err(|e| ConfigError(format!("[server] trusted_proxies: {e}")))?;
        let expose = own.api.auto_expose_new_tables.or(cli.api.auto_expose_new_tables);
        let require = own.api.require_rls;
        Ok(Self {
            listen,
            external_url: external_url.trim_end_matches('/').to_owned(),
            site_url: env
                .get_any(&["SITE_URL", "GOTRUE_SITE_URL"])
                .or(cli.auth.site_url)
                .unwrap_or_else(|| "http://127.0.0.1:3000".into()),
            additional_redirect_urls: env
                .get_any(&["ADDITIONAL_REDIRECT_URLS", "GOTRUE_URI_ALLOW_LIST"])
                .map(list)
                .or(cli.auth.additional_redirect_urls)
                .unwrap_or_default(),
            allowed_hosts: own.server.allowed_hosts.unwrap_or_default(),
            trusted_proxies,
            public_dir: project.root.join(own.server.public_dir.as_deref().unwrap_or("public")),
            max_body_bytes: own.server.max_body_bytes.unwrap_or(10 * 1024 * 1024),
            max_concurrent_requests: own.server.max_concurrent_requests.unwrap_or(1024),
            drain_timeout: Duration::from_secs(own.server.drain_timeout_s.unwrap_or(20)),
            schemas: env
                .get("PGRST_DB_SCHEMAS")
                .map(list)
                .or(cli.api.schemas)
                .filter(|s| !s.is_empty())
                .unwrap_or_else(|| vec!["public".into(), "graphql_public".into()]),
            extra_search_path: env
                .get("PGRST_DB_EXTRA_SEARCH_PATH")
                .map(list)
                .or(cli.api.extra_search_path)
                .unwrap_or_else(|| vec!["public".into(), "extensions".into()]),
            max_rows: number(env, "PGRST_DB_MAX_ROWS")?.or(cli.api.max_rows).or(Some(1000)),
            welcome: own.server.welcome,
            auto_expose_new_tables: expose.unwrap_or(true),
            require_rls: require.unwrap_or(false),
            exposure_is_by_default: expose.is_none() || require.is_none(),
            readers: own.database.readers.unwrap_or(0),
            timeouts: [
                Duration::from_millis(own.limits.anon_timeout_ms.unwrap_or(3_000)),
                Duration::from_millis(own.limits.authenticated_timeout_ms.unwrap_or(8_000)),
                Duration::from_millis(own.limits.other_timeout_ms.unwrap_or(60_000)),
            ],
            max_response_bytes: own.limits.max_response_bytes.unwrap_or(64 * 1024 * 1024),
            log_level: env.get("BASALT_LOG").or(own.log.level).unwrap_or_else(|| "info".into()),
            log_format: env.get("BASALT_LOG_FORMAT").or(own.log.format),
            seed_paths: cli.db.seed.sql_paths.unwrap_or_else(|| vec!["./seed.sql".into()]),
            seed_enabled: cli.db.seed.enabled.unwrap_or(true),
            migrations_enabled: cli.db.migrations.enabled.unwrap_or(true),
            auth,
            unserved,
        })
    }

    fn auth(env: &Environment, cli: &CliConfig) -> Result<AuthSettings, ConfigError> {
        let auth = &cli.auth;
        let not = |b: bool| !b;
        Ok(AuthSettings {
            jwt_expiry_s: number(env, "JWT_EXPIRY")?.or(number(env, "GOTRUE_JWT_EXP")?).or(auth.jwt_expiry).unwrap_or(3600),
            enable_signup: boolean(env, "DISABLE_SIGNUP")?
                .or(boolean(env, "GOTRUE_DISABLE_SIGNUP")?)
                .map(not)
                .or(auth.enable_signup)
                .unwrap_or(true),
            enable_email_signup: boolean(env, "ENABLE_EMAIL_SIGNUP")?
                .or(boolean(env, "GOTRUE_EXTERNAL_EMAIL_ENABLED")?)
                .or(auth.email.enable_signup)
                .unwrap_or(true),
            autoconfirm: boolean(env, "ENABLE_EMAIL_AUTOCONFIRM")?
                .or(boolean(env, "GOTRUE_MAILER_AUTOCONFIRM")?)
                .or(auth.email.enable_confirmations.map(not))
                .unwrap_or(true),
            minimum_password_length: match number(env, "GOTRUE_PASSWORD_MIN_LENGTH")? {
                Some(n) => u32::try_from(n).unwrap_or(u32::MAX),
                None => auth.minimum_password_length.unwrap_or(6),
            },
            password_requirements: {
                let name = auth.password_requirements.as_deref().unwrap_or_default();
                basalt_auth::PasswordRequirements::from_name(name).ok_or_else(|| {
                    ConfigError(format!("[auth] password_requirements = \"{name}\" is not known; see the CLI's config reference"))
                })?
            },
            refresh_token_reuse_interval_s: number(env, "GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL")?
                .or(auth.refresh_token_reuse_interval)
                .unwrap_or(10),
            refresh_token_rotation: boolean(env, "GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED")?
                .or(auth.enable_refresh_token_rotation)
                .unwrap_or(true),
            sign_in_limit: auth.rate_limit.sign_in_sign_ups.unwrap_or(30),
            refresh_limit: auth.rate_limit.token_refresh.unwrap_or(150),
        })
    }
}

/// Reads `ADDR:PORT`, `:PORT` or `PORT`.
pub fn parse_listen(text: &str) -> Result<SocketAddr, ConfigError> {
    let full = match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None if text.bytes().all(|b| b.is_ascii_digit()) => format!("127.0.0.1:{text}"),
        None => text.replace("localhost:", "127.0.0.1:"),
    };
    full.parse().map_err(|_| ConfigError(format!("\"{text}\" is not an address to listen on; an example is {DEFAULT_LISTEN}")))
}

fn read_table(path: &Path) -> Result<Table, ConfigError> {
    match fs::read_to_string(path) {
        Ok(text) => text.parse().map_err(|e| ConfigError(format!("{}: {e}", path.display()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Table::new()),
        Err(e) => Err(ConfigError(format!("{}: {e}", path.display()))),
    }
}

fn expand(table: &mut Table, env: &Environment) {
    for (_, value) in table.iter_mut() {
        expand_value(value, env);
    }
}

fn expand_value(value: &mut Value, env: &Environment) {
    match value {
        Value::String(text) => *text = env.expand(text),
        Value::Array(items) => items.iter_mut().for_each(|i| expand_value(i, env)),
        Value::Table(table) => expand(table, env),
        _ => {}
    }
}

fn deserialize<T: serde::de::DeserializeOwned>(value: Value, path: &Path) -> Result<T, ConfigError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let key = error.path().to_string();
        // The first line says what; where, the path has said.
        let message = error.into_inner().to_string();
        let message = message.trim().lines().next().unwrap_or_default().to_owned();
        let near = nearest(&message).map(|n| format!("; did you mean \"{n}\"?")).unwrap_or_default();
        let at = if key == "." { String::new() } else { format!(", at {key}") };
        ConfigError(format!("{}{at}: {}{near}", path.display(), message))
    })
}

/// For "unknown field `x`, expected one of `a`, `b`": the known name nearest to x.
fn nearest(message: &str) -> Option<String> {
    let mut names = message.split('`').skip(1).step_by(2);
    if !message.contains("unknown field") {
        return None;
    }
    let unknown = names.next()?;
    names
        .map(|known| (basalt_catalog::edit_distance(unknown, known), known))
        .filter(|(d, known)| *d <= known.len().div_ceil(2))
        .min()
        .map(|(_, known)| known.to_owned())
}

/// Keys that are set but of no effect: those not in [`SERVED`].
fn unserved(table: &Table) -> Vec<String> {
    let mut found = Vec::new();
    for (path, known) in SERVED {
        let mut at = Some(table);
        for part in path.split('.').filter(|p| !p.is_empty()) {
            at = at.and_then(|t| t.get(part)).and_then(Value::as_table);
        }
        let Some(at) = at else { continue };
        for (key, value) in at {
            // What is switched off has its effect: none.
            let off = value.as_bool() == Some(false)
                || value.as_table().is_some_and(|t| t.get("enabled").and_then(Value::as_bool) == Some(false));
            if !known.contains(&key.as_str()) && !off {
                found.push(if path.is_empty() { format!("[{key}]") } else { format!("[{path}] {key}") });
            }
        }
    }
    found
}

fn number(env: &Environment, name: &str) -> Result<Option<u64>, ConfigError> {
    env.get(name).map(|v| v.parse().map_err(|_| ConfigError(format!("{name}=\"{v}\" is not a number")))).transpose()
}

fn boolean(env: &Environment, name: &str) -> Result<Option<bool>, ConfigError> {
    match env.get(name).map(|v| v.to_ascii_lowercase()).as_deref() {
        None => Ok(None),
        Some("true" | "1" | "yes" | "on") => Ok(Some(true)),
        Some("false" | "0" | "no" | "off") => Ok(Some(false)),
        Some(other) => Err(ConfigError(format!("{name}=\"{other}\" is neither true nor false"))),
    }
}

#[cfg(test)]
mod tests;
