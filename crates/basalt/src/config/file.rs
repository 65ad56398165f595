//! The two files' shapes. config.toml is the Supabase CLI's: read tolerantly, since it has many settings of parts that are not here.
//! basalt.toml is ours: an unknown key is an error.

use serde::Deserialize;

/// What is used of config.toml. Every value may be `env(NAME)`, so texts are expanded before this is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CliConfig {
    pub project_id: Option<String>,
    pub api: CliApi,
    pub db: CliDb,
    pub auth: CliAuth,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CliApi {
    pub port: Option<u16>,
    pub schemas: Option<Vec<String>>,
    pub extra_search_path: Option<Vec<String>>,
    pub max_rows: Option<u64>,
    pub external_url: Option<String>,
    pub auto_expose_new_tables: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CliDb {
    pub seed: CliSeed,
    pub migrations: CliMigrations,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CliSeed {
    pub enabled: Option<bool>,
    pub sql_paths: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CliMigrations {
    pub enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CliAuth {
    pub enabled: Option<bool>,
    pub site_url: Option<String>,
    pub additional_redirect_urls: Option<Vec<String>>,
    pub jwt_expiry: Option<u64>,
    pub jwt_secret: Option<String>,
    pub enable_refresh_token_rotation: Option<bool>,
    pub refresh_token_reuse_interval: Option<u64>,
    pub enable_signup: Option<bool>,
    pub minimum_password_length: Option<u32>,
    pub password_requirements: Option<String>,
    pub email: CliEmail,
    pub rate_limit: CliRateLimit,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CliEmail {
    pub enable_signup: Option<bool>,
    pub enable_confirmations: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CliRateLimit {
    pub sign_in_sign_ups: Option<u32>,
    pub token_refresh: Option<u32>,
}

/// basalt.toml.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnConfig {
    pub server: OwnServer,
    pub api: OwnApi,
    pub database: OwnDatabase,
    pub limits: OwnLimits,
    pub log: OwnLog,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnServer {
    /// Address and port to listen on.
    pub listen: Option<String>,
    /// Where clients reach us.
    pub external_url: Option<String>,
    /// Host names under which our own pages answer.
    pub allowed_hosts: Option<Vec<String>>,
    /// Networks whose forwarding headers are believed.
    pub trusted_proxies: Option<Vec<String>>,
    /// Directory of the static site, relative to the project.
    pub public_dir: Option<String>,
    /// Longest request body, bytes.
    pub max_body_bytes: Option<usize>,
    /// Requests answered at once.
    pub max_concurrent_requests: Option<usize>,
    /// Lines shown in the box at start.
    pub welcome: Option<String>,
    /// Longest wait for running requests at shutdown, seconds.
    pub drain_timeout_s: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnApi {
    /// Whether new tables get grants for anon, authenticated and service_role.
    pub auto_expose_new_tables: Option<bool>,
    /// Whether tables without row policies are closed to anon and authenticated.
    pub require_rls: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnDatabase {
    /// Connections that read.
    pub readers: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnLimits {
    /// Statement time of anon, milliseconds.
    pub anon_timeout_ms: Option<u64>,
    /// Statement time of authenticated, milliseconds.
    pub authenticated_timeout_ms: Option<u64>,
    /// Statement time of other roles, milliseconds.
    pub other_timeout_ms: Option<u64>,
    /// Longest response body, bytes.
    pub max_response_bytes: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnLog {
    /// A filter such as `info` or `basalt=debug`.
    pub level: Option<String>,
    /// `pretty` or `json`; by default pretty in a terminal.
    pub format: Option<String>,
}

/// Keys of config.toml whose parts are served, by table; what else is written there is listed once at start.
pub const SERVED: [(&str, &[&str]); 9] = [
    ("", &["project_id", "api", "db", "auth", "remotes"]),
    ("api", &["enabled", "port", "schemas", "extra_search_path", "max_rows", "external_url", "auto_expose_new_tables", "tls"]),
    (
        "db",
        &[
            "port",
            "shadow_port",
            "major_version",
            "health_timeout",
            "seed",
            "migrations",
            "pooler",
            "settings",
            "network_restrictions",
        ],
    ),
    ("db.seed", &["enabled", "sql_paths"]),
    ("db.migrations", &["enabled", "schema_paths"]),
    (
        "auth",
        &[
            "enabled",
            "site_url",
            "additional_redirect_urls",
            "jwt_expiry",
            "jwt_secret",
            "enable_refresh_token_rotation",
            "refresh_token_reuse_interval",
            "enable_signup",
            "minimum_password_length",
            "password_requirements",
            "email",
            "rate_limit",
        ],
    ),
    (
        "auth.email",
        &[
            "enable_signup",
            "enable_confirmations",
            "double_confirm_changes",
            "secure_password_change",
            "max_frequency",
            "otp_length",
            "otp_expiry",
        ],
    ),
    (
        "auth.rate_limit",
        &["sign_in_sign_ups", "token_refresh", "email_sent", "sms_sent", "anonymous_users", "token_verifications", "web3"],
    ),
    ("db.pooler", &["enabled", "port", "pool_mode", "default_pool_size", "max_client_conn"]),
];
