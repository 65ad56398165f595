//! What is in force.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use basalt_gateway::Network;
use basalt_types::Secret;
use toml::{Table, Value};

use super::beyond::{BeyondSettings, RoleLimits};
use super::document::Document;
use super::resolve::{Flag, Resolver, Row, Typed};
use super::table::{self, ALL, Setting};
use super::{ConfigError, Environment, unserved};
use crate::project::Project;

/// Everything configurable, as plain values. What each means stands in `table.rs`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Where clients reach us, without trailing slash.
    pub external_url: String,
    /// Host names for our own pages.
    pub allowed_hosts: Vec<String>,
    /// Believed proxies.
    pub trusted_proxies: Vec<Network>,
    /// Static site.
    pub public_dir: PathBuf,
    /// Limits of the edge.
    pub edge: EdgeSettings,
    /// Whether `/rest/v1` is served.
    pub api_enabled: bool,
    /// Exposed schemas, the first is the default.
    pub schemas: Vec<String>,
    /// Searched besides the exposed one.
    pub extra_search_path: Vec<String>,
    /// Most rows in an answer.
    pub max_rows: Option<u64>,
    /// What `/rest/v1` has beyond PostgREST.
    pub beyond: BeyondSettings,
    /// What single roles may ask for.
    pub role_limits: RoleLimits,
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
    /// PostgreSQL, when it is not the embedded file.
    pub database: DatabaseSettings,
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
    /// Keys that replace the project's own.
    pub keys: KeyOverrides,
    /// The block of `[remotes]` in force.
    pub remote: Option<String>,
    /// What is set and of no effect in this version.
    pub unserved: Vec<String>,
    /// What is set in config.toml and needs nothing done, with the reason.
    pub idle: Vec<(String, &'static str)>,
    /// Variables that settings name with `env(NAME)` and nobody sets.
    pub unset_variables: Vec<String>,
    /// Every setting with its value and where it came from.
    pub rows: Vec<Row>,
}

/// Where PostgreSQL is, and how it is used.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// For requests; without `admin_url` for everything.
    pub url: Option<Secret>,
    /// For migrations and the services.
    pub admin_url: Option<Secret>,
    /// Most connections for requests.
    pub pool_size: usize,
    /// Most connections for the services.
    pub admin_pool_size: usize,
    /// Wait for a connection.
    pub pool_timeout: Duration,
    /// The longest a connection is kept.
    pub max_lifetime: Duration,
    /// The longest a connection is kept unused.
    pub max_idle: Duration,
    /// Servers that take reads.
    pub replicas: Vec<Secret>,
    /// Whether statements are kept on the server.
    pub is_prepared: bool,
}

/// Limits of the edge.
#[derive(Debug, Clone)]
pub struct EdgeSettings {
    /// Longest body, bytes.
    pub max_body_bytes: usize,
    /// Longest header block, bytes.
    pub max_header_bytes: usize,
    /// Open connections.
    pub max_connections: usize,
    /// Requests answered at once.
    pub max_concurrent_requests: usize,
    /// Wait for headers.
    pub header_timeout: Duration,
    /// Wait for a body.
    pub body_timeout: Duration,
    /// Wait for a client that takes nothing.
    pub send_timeout: Duration,
    /// Wait at shutdown.
    pub drain_timeout: Duration,
}

/// Settings of `[auth]`.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// Whether `/auth/v1` is served.
    pub enabled: bool,
    /// The app's own URL, for redirects.
    pub site_url: String,
    /// Further redirect targets.
    pub additional_redirect_urls: Vec<String>,
    /// Seconds an access token is valid.
    pub jwt_expiry_s: u64,
    /// Whether anybody may sign up.
    pub enable_signup: bool,
    /// Whether by e-mail.
    pub enable_email_signup: bool,
    /// Whether addresses count as confirmed at once.
    pub autoconfirm: bool,
    /// Whether a new password needs a sign-in of the last day.
    pub secure_password_change: bool,
    /// Bytes.
    pub minimum_password_length: u64,
    /// Characters a password must have.
    pub password_requirements: basalt_auth::PasswordRequirements,
    /// Seconds.
    pub refresh_token_reuse_interval_s: u64,
    /// Whether refresh tokens rotate.
    pub refresh_token_rotation: bool,
    /// Longest life of a session.
    pub session_timebox: Option<Duration>,
    /// Longest time between two refreshes.
    pub session_inactivity: Option<Duration>,
    /// Sign-ups per address in five minutes.
    pub sign_in_limit: u32,
    /// Refreshes per address in five minutes.
    pub refresh_limit: u32,
}

/// Keys given by settings instead of the project's own.
#[derive(Debug, Clone, Default)]
pub struct KeyOverrides {
    /// Signs tokens.
    pub jwt_secret: Option<Secret>,
    /// The legacy key of anon.
    pub anon: Option<Secret>,
    /// The legacy key of service_role.
    pub service_role: Option<Secret>,
    /// The key for browsers.
    pub publishable: Option<Secret>,
    /// The key for servers.
    pub secret: Option<Secret>,
}

impl Settings {
    /// Reads the project's settings. The block of `[remotes]` whose project is `project_ref`, else `SUPABASE_PROJECT_ID`, is laid over
    /// the rest of config.toml.
    ///
    /// # Errors
    /// The first value that cannot be used, with its file, line and key.
    pub fn load(project: &Project, env: &Environment, project_ref: Option<&str>, flags: &[Flag]) -> Result<Self, ConfigError> {
        let mut cli = Document::read(&project.folder.join("config.toml"), &project.root, env)?;
        let remote = cli.apply_remote(project_ref.or_else(|| env.get("SUPABASE_PROJECT_ID")))?;
        let own = Document::read(&project.folder.join("basalt.toml"), &project.root, env)?;
        refuse_unknown(&own, &own.table, "")?;
        let mut from = Resolver { env, cli: &cli, own: &own, flags, rows: Vec::new(), unset: Vec::new() };
        let mut settings = Self::combine(project, &mut from)?;
        settings.rows = from.rows;
        settings.unset_variables = from.unset;
        settings.remote = remote;
        (settings.unserved, settings.idle) = unserved::of_file(&cli);
        settings.unserved.extend(unserved::of_environment(env));
        Ok(settings)
    }

    /// In the order of [`ALL`], in which `doctor --config` shows them.
    fn combine(project: &Project, from: &mut Resolver<'_>) -> Result<Self, ConfigError> {
        let exposure_is_by_default = !from.is_given(&table::AUTO_EXPOSE) || !from.is_given(&table::REQUIRE_RLS);
        let listen = match from.take(&table::LISTEN)? {
            Some(Typed::Address(address)) => address,
            _ => return Err(ConfigError("[server] listen is no address".into())),
        };
        let derived = Typed::Text(format!("http://{listen}"));
        let external_url = match from.take_or(&table::EXTERNAL_URL, Some(derived), "default, from server.listen")? {
            Some(Typed::Text(url)) => url.trim_end_matches('/').to_owned(),
            _ => format!("http://{listen}"),
        };
        Ok(Self {
            listen,
            external_url,
            allowed_hosts: list(from, &table::ALLOWED_HOSTS)?,
            trusted_proxies: networks(&list(from, &table::TRUSTED_PROXIES)?)?,
            public_dir: project.root.join(text(from, &table::PUBLIC_DIR)?.unwrap_or_default()),
            edge: EdgeSettings {
                max_body_bytes: size(from, &table::MAX_BODY_BYTES)?,
                max_header_bytes: size(from, &table::MAX_HEADER_BYTES)?,
                max_connections: size(from, &table::MAX_CONNECTIONS)?,
                max_concurrent_requests: size(from, &table::MAX_CONCURRENT_REQUESTS)?,
                header_timeout: Duration::from_millis(integer(from, &table::HEADER_TIMEOUT_MS)?),
                body_timeout: Duration::from_millis(integer(from, &table::BODY_TIMEOUT_MS)?),
                send_timeout: Duration::from_millis(integer(from, &table::SEND_TIMEOUT_MS)?),
                drain_timeout: Duration::from_secs(integer(from, &table::DRAIN_TIMEOUT_S)?),
            },
            welcome: text(from, &table::WELCOME)?,
            api_enabled: boolean(from, &table::API_ENABLED)?,
            schemas: {
                let schemas = list(from, &table::SCHEMAS)?;
                if schemas.is_empty() { vec!["public".into(), "graphql_public".into()] } else { schemas }
            },
            extra_search_path: list(from, &table::EXTRA_SEARCH_PATH)?,
            max_rows: Some(integer(from, &table::MAX_ROWS)?),
            beyond: BeyondSettings::of(from)?,
            auto_expose_new_tables: boolean(from, &table::AUTO_EXPOSE)?,
            require_rls: boolean(from, &table::REQUIRE_RLS)?,
            exposure_is_by_default,
            readers: size(from, &table::READERS)?,
            database: DatabaseSettings {
                url: secret(from, &table::DATABASE_URL)?,
                admin_url: secret(from, &table::DATABASE_ADMIN_URL)?,
                pool_size: size(from, &table::POOL_SIZE)?,
                admin_pool_size: size(from, &table::ADMIN_POOL_SIZE)?,
                pool_timeout: Duration::from_millis(integer(from, &table::POOL_TIMEOUT_MS)?),
                max_lifetime: Duration::from_secs(integer(from, &table::POOL_MAX_LIFETIME_S)?),
                max_idle: Duration::from_secs(integer(from, &table::POOL_MAX_IDLE_S)?),
                replicas: list(from, &table::REPLICA_URLS)?.into_iter().map(Secret::new).collect(),
                is_prepared: boolean(from, &table::PREPARED_STATEMENTS)?,
            },
            role_limits: RoleLimits::of(from)?,
            max_response_bytes: size(from, &table::MAX_RESPONSE_BYTES)?,
            log_level: text(from, &table::LOG_LEVEL)?.unwrap_or_default(),
            log_format: text(from, &table::LOG_FORMAT)?,
            migrations_enabled: boolean(from, &table::MIGRATIONS_ENABLED)?,
            seed_enabled: boolean(from, &table::SEED_ENABLED)?,
            seed_paths: list(from, &table::SEED_PATHS)?,
            auth: Self::auth(from)?,
            keys: KeyOverrides {
                jwt_secret: secret(from, &table::JWT_SECRET)?,
                anon: secret(from, &table::ANON_KEY)?,
                service_role: secret(from, &table::SERVICE_ROLE_KEY)?,
                publishable: secret(from, &table::PUBLISHABLE_KEY)?,
                secret: secret(from, &table::SECRET_KEY)?,
            },
            remote: None,
            unserved: Vec::new(),
            idle: Vec::new(),
            unset_variables: Vec::new(),
            rows: Vec::new(),
        })
    }

    fn auth(from: &mut Resolver<'_>) -> Result<AuthSettings, ConfigError> {
        let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(AuthSettings {
            enabled: boolean(from, &table::AUTH_ENABLED)?,
            site_url: text(from, &table::SITE_URL)?.unwrap_or_default(),
            additional_redirect_urls: list(from, &table::REDIRECT_URLS)?,
            jwt_expiry_s: integer(from, &table::JWT_EXPIRY)?,
            enable_signup: boolean(from, &table::ENABLE_SIGNUP)?,
            minimum_password_length: integer(from, &table::MINIMUM_PASSWORD_LENGTH)?,
            password_requirements: {
                let name = text(from, &table::PASSWORD_REQUIREMENTS)?.unwrap_or_default();
                basalt_auth::PasswordRequirements::from_name(&name)
                    .ok_or_else(|| ConfigError("[auth] password_requirements is not known".into()))?
            },
            refresh_token_rotation: boolean(from, &table::ROTATION)?,
            refresh_token_reuse_interval_s: integer(from, &table::REUSE_INTERVAL)?,
            enable_email_signup: boolean(from, &table::EMAIL_SIGNUP)?,
            autoconfirm: !boolean(from, &table::EMAIL_CONFIRMATIONS)?,
            secure_password_change: boolean(from, &table::SECURE_PASSWORD_CHANGE)?,
            session_timebox: duration(from, &table::TIMEBOX)?,
            session_inactivity: duration(from, &table::INACTIVITY)?,
            sign_in_limit: count(integer(from, &table::SIGN_IN_LIMIT)?),
            refresh_limit: count(integer(from, &table::REFRESH_LIMIT)?),
        })
    }
}

/// basalt.toml is strict: a key that no setting has is an error with the nearest one.
fn refuse_unknown(own: &Document, at: &Table, path: &str) -> Result<(), ConfigError> {
    let keys = || ALL.iter().filter_map(|s| s.own);
    for (key, value) in at {
        let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if keys().any(|k| k == full) {
            continue;
        }
        let inside = format!("{full}.");
        match value {
            Value::Table(inner) if keys().any(|k| k.starts_with(&inside)) => refuse_unknown(own, inner, &full)?,
            _ => {
                let near = keys()
                    .map(|k| (basalt_catalog::edit_distance(&full, k), k))
                    .filter(|(distance, k)| *distance <= k.len().div_ceil(3))
                    .min()
                    .map(|(_, k)| format!("; did you mean {}?", super::resolve::bracketed(k)))
                    .unwrap_or_default();
                let shown = super::resolve::bracketed(&full);
                return Err(ConfigError(format!("{}:{}: there is no setting {shown}{near}", own.label, own.mark(&full).line)));
            }
        }
    }
    Ok(())
}

fn networks(texts: &[String]) -> Result<Vec<Network>, ConfigError> {
    texts
        .iter()
        .map(|t| Network::parse(t))
        .collect::<Result<_, _>>()
        .map_err(|e| ConfigError(format!("[server] trusted_proxies: {e}")))
}

pub(super) fn text(from: &mut Resolver<'_>, setting: &'static Setting) -> Result<Option<String>, ConfigError> {
    Ok(match from.take(setting)? {
        Some(Typed::Text(text)) => Some(text),
        _ => None,
    })
}

fn secret(from: &mut Resolver<'_>, setting: &'static Setting) -> Result<Option<Secret>, ConfigError> {
    Ok(text(from, setting)?.map(Secret::new))
}

pub(super) fn list(from: &mut Resolver<'_>, setting: &'static Setting) -> Result<Vec<String>, ConfigError> {
    Ok(match from.take(setting)? {
        Some(Typed::List(items)) => items,
        _ => Vec::new(),
    })
}

pub(super) fn integer(from: &mut Resolver<'_>, setting: &'static Setting) -> Result<u64, ConfigError> {
    Ok(match from.take(setting)? {
        Some(Typed::Integer(n)) => n,
        _ => 0,
    })
}

pub(super) fn size(from: &mut Resolver<'_>, setting: &'static Setting) -> Result<usize, ConfigError> {
    Ok(usize::try_from(integer(from, setting)?).unwrap_or(usize::MAX))
}

pub(super) fn boolean(from: &mut Resolver<'_>, setting: &'static Setting) -> Result<bool, ConfigError> {
    Ok(matches!(from.take(setting)?, Some(Typed::Boolean(true))))
}

/// A time; none when it is not set or zero, which the original takes for "no limit".
fn duration(from: &mut Resolver<'_>, setting: &'static Setting) -> Result<Option<Duration>, ConfigError> {
    Ok(match from.take(setting)? {
        Some(Typed::Duration(d)) if d > Duration::ZERO => Some(d),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
