//! Every setting: its key, its kind, the environment's names for it, its default. `docs/settings.md` is this table as text.

mod rest;

pub use rest::*;

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A text that is never shown.
    Secret,
    /// Texts; in the environment separated by commas.
    List,
    /// The same, never shown.
    Secrets,
    /// A whole number.
    Integer {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// Whole numbers by roles' names; in the environment `role=number`, separated by commas.
    ByRole {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// Yes or no.
    Boolean,
    /// A time in Go's form, as config.toml has them.
    Duration,
    /// Address and port, or a port on loopback.
    Address,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name: the dotted key of the file it belongs to.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Names in the environment, the first that is set counts; `!NAME` says the opposite. `SUPABASE_` and the key of config.toml,
    /// and `BASALT_` and the key of basalt.toml, are names too.
    pub environment: &'static [&'static str],
    /// Its key in basalt.toml.
    pub own: Option<&'static str>,
    /// Its key in config.toml.
    pub cli: Option<&'static str>,
    /// The default, as the environment would give it; `None`: not set, or following from other settings.
    pub default: Option<&'static str>,
    /// What it is about, with its unit.
    pub about: &'static str,
}

/// A name in the environment.
pub struct VariableName {
    /// The name.
    pub name: String,
    /// Whether it says the opposite of the setting.
    pub is_inverted: bool,
}

impl Setting {
    /// All its names in the environment.
    pub fn variables(&self) -> Vec<VariableName> {
        let mut names: Vec<VariableName> = self
            .environment
            .iter()
            .map(|name| match name.strip_prefix('!') {
                Some(name) => VariableName { name: name.to_owned(), is_inverted: true },
                None => VariableName { name: (*name).to_owned(), is_inverted: false },
            })
            .collect();
        for (prefix, key) in [("SUPABASE", self.cli), ("BASALT", self.own)] {
            let Some(key) = key else { continue };
            let name = format!("{prefix}_{}", key.replace('.', "_").to_ascii_uppercase());
            if names.iter().all(|n| n.name != name) {
                names.push(VariableName { name, is_inverted: false });
            }
        }
        names
    }
}

const fn number(least: u64, most: u64) -> Kind {
    Kind::Integer { least, most }
}

/// Milliseconds of at most a day.
const MS: Kind = number(1, 86_400_000);

/// A size or a count of what lives in memory.
const COUNT: Kind = number(1, 1 << 40);

/// A setting of basalt.toml.
const fn own(
    name: &'static str,
    kind: Kind,
    environment: &'static [&'static str],
    default: Option<&'static str>,
    about: &'static str,
) -> Setting {
    Setting { name, kind, environment, own: Some(name), cli: None, default, about }
}

/// A setting of config.toml.
const fn cli(
    name: &'static str,
    kind: Kind,
    environment: &'static [&'static str],
    default: Option<&'static str>,
    about: &'static str,
) -> Setting {
    Setting { name, kind, environment, own: None, cli: Some(name), default, about }
}

/// Words of `[auth] password_requirements`.
const REQUIREMENTS: Kind =
    Kind::Choice(&["", "letters_digits", "lower_upper_letters_digits", "lower_upper_letters_digits_symbols"]);

pub static LISTEN: Setting = Setting {
    cli: Some("api.port"),
    ..own(
        "server.listen",
        Kind::Address,
        &["BASALT_LISTEN"],
        Some(super::DEFAULT_LISTEN),
        "Address and port; config.toml has the port only.",
    )
};
pub static EXTERNAL_URL: Setting = Setting {
    cli: Some("api.external_url"),
    ..own(
        "server.external_url",
        Kind::Text,
        &["API_EXTERNAL_URL", "SUPABASE_PUBLIC_URL", "BASALT_EXTERNAL_URL"],
        None,
        "Where clients reach the server; by default where it listens.",
    )
};
pub static ALLOWED_HOSTS: Setting =
    own("server.allowed_hosts", Kind::List, &[], Some(""), "Further host names under which our own pages answer.");
pub static TRUSTED_PROXIES: Setting = own(
    "server.trusted_proxies",
    Kind::List,
    &["BASALT_TRUSTED_PROXIES"],
    Some(""),
    "Networks whose forwarding headers are believed, such as 10.0.0.0/8.",
);
pub static PUBLIC_DIR: Setting =
    own("server.public_dir", Kind::Text, &[], Some("public"), "Folder of the static site, below the project's.");
pub static MAX_BODY_BYTES: Setting = own("server.max_body_bytes", COUNT, &[], Some("10485760"), "Longest request body, bytes.");
pub static MAX_HEADER_BYTES: Setting =
    own("server.max_header_bytes", number(8192, 1 << 20), &[], Some("65536"), "All headers of a request together, bytes.");
pub static MAX_CONNECTIONS: Setting =
    own("server.max_connections", COUNT, &[], Some("4096"), "Open connections; more wait until one ends.");
pub static MAX_CONCURRENT_REQUESTS: Setting =
    own("server.max_concurrent_requests", COUNT, &[], Some("1024"), "Requests answered at once; more are told to come back.");
pub static HEADER_TIMEOUT_MS: Setting = own(
    "server.header_timeout_ms",
    MS,
    &[],
    Some("10000"),
    "Longest wait for a request's headers, and for the next request of an idle connection, milliseconds.",
);
pub static BODY_TIMEOUT_MS: Setting =
    own("server.body_timeout_ms", MS, &[], Some("30000"), "Longest wait for a request's body, milliseconds.");
pub static SEND_TIMEOUT_MS: Setting = own(
    "server.send_timeout_ms",
    MS,
    &[],
    Some("30000"),
    "Longest time in which a client takes nothing of its answer before the connection is ended, milliseconds.",
);
pub static DRAIN_TIMEOUT_S: Setting =
    own("server.drain_timeout_s", number(0, 86_400), &[], Some("20"), "Longest wait for running requests at a stop, seconds.");
pub static WELCOME: Setting = own("server.welcome", Kind::Text, &[], None, "Lines shown in the box at start.");
pub static AUTO_EXPOSE: Setting = Setting {
    cli: Some("api.auto_expose_new_tables"),
    ..own(
        "api.auto_expose_new_tables",
        Kind::Boolean,
        &[],
        Some("true"),
        "Whether new tables get grants for anon, authenticated and service_role. `basalt init` writes false.",
    )
};
pub static REQUIRE_RLS: Setting = own(
    "api.require_rls",
    Kind::Boolean,
    &[],
    Some("false"),
    "Whether tables without row policies are closed to anon and authenticated. `basalt init` writes true.",
);
pub static READERS: Setting =
    own("database.readers", number(0, 256), &[], Some("0"), "Connections that read; 0: one for each core, at least two.");
pub static DATABASE_URL: Setting = own(
    "database.url",
    Kind::Secret,
    &["BASALT_DATABASE"],
    None,
    "A PostgreSQL URL for requests, or, without database.admin_url, for everything; not set: the embedded file. `sslmode` and \
     `sslrootcert` as libpq has them, but another host's certificate is verified unless `sslmode` says otherwise.",
);
pub static DATABASE_ADMIN_URL: Setting = own(
    "database.admin_url",
    Kind::Secret,
    &["BASALT_ADMIN_DATABASE"],
    None,
    "A PostgreSQL URL for migrations, the services' tables and reading the catalog.",
);
pub static POOL_SIZE: Setting =
    own("database.pool_size", number(1, 10_000), &[], Some("20"), "Most PostgreSQL connections for requests.");
pub static ADMIN_POOL_SIZE: Setting =
    own("database.admin_pool_size", number(1, 1_000), &[], Some("5"), "Most PostgreSQL connections for the services.");
pub static POOL_TIMEOUT_MS: Setting =
    own("database.pool_timeout_ms", MS, &[], Some("10000"), "Longest wait for a free PostgreSQL connection, milliseconds.");
pub static POOL_MAX_LIFETIME_S: Setting = own(
    "database.pool_max_lifetime_s",
    number(1, 1_000_000),
    &[],
    Some("1800"),
    "The longest a PostgreSQL connection is kept, seconds.",
);
pub static POOL_MAX_IDLE_S: Setting =
    own("database.pool_max_idle_s", number(1, 1_000_000), &[], Some("300"), "The longest it is kept unused, seconds.");
pub static REPLICA_URLS: Setting = own(
    "database.replica_urls",
    Kind::Secrets,
    &["BASALT_REPLICA_DATABASES"],
    None,
    "PostgreSQL URLs of servers that follow the primary. They take reads (GET, HEAD), which may then be behind by moments; what one \
     cannot answer the primary does. The login is that of requests.",
);
pub static PREPARED_STATEMENTS: Setting = own(
    "database.prepared_statements",
    Kind::Boolean,
    &[],
    Some("true"),
    "Whether PostgreSQL keeps prepared statements. A transaction pooler in front is recognised, and none are kept then; false says so \
     without looking.",
);
pub static LOG_LEVEL: Setting =
    own("log.level", Kind::Text, &["BASALT_LOG"], Some("info"), "A filter such as info or basalt_gateway=debug.");
pub static LOG_FORMAT: Setting =
    own("log.format", Kind::Choice(&["pretty", "json"]), &[], None, "By default pretty in a terminal, else json.");
pub static MIGRATIONS_ENABLED: Setting =
    cli("db.migrations.enabled", Kind::Boolean, &[], Some("true"), "Whether new migrations are applied at start.");
pub static SEED_ENABLED: Setting = cli("db.seed.enabled", Kind::Boolean, &[], Some("true"), "Whether a new database is seeded.");
pub static SEED_PATHS: Setting =
    cli("db.seed.sql_paths", Kind::List, &[], Some("./seed.sql"), "Seed files, as patterns below the folder of config.toml.");
pub static AUTH_ENABLED: Setting = cli("auth.enabled", Kind::Boolean, &[], Some("true"), "Whether /auth/v1 is served.");
pub static SITE_URL: Setting =
    cli("auth.site_url", Kind::Text, &["SITE_URL", "GOTRUE_SITE_URL"], Some("http://127.0.0.1:3000"), "The app's own URL.");
pub static REDIRECT_URLS: Setting = cli(
    "auth.additional_redirect_urls",
    Kind::List,
    &["ADDITIONAL_REDIRECT_URLS", "GOTRUE_URI_ALLOW_LIST"],
    Some(""),
    "Further redirect targets. Links in mails need them, which this version does not send.",
);
pub static JWT_EXPIRY: Setting = cli(
    "auth.jwt_expiry",
    number(1, u32::MAX as u64),
    &["JWT_EXPIRY", "GOTRUE_JWT_EXP"],
    Some("3600"),
    "How long an access token is valid, seconds.",
);
pub static ENABLE_SIGNUP: Setting = cli(
    "auth.enable_signup",
    Kind::Boolean,
    &["!DISABLE_SIGNUP", "!GOTRUE_DISABLE_SIGNUP"],
    Some("true"),
    "Whether anybody may sign up.",
);
pub static MINIMUM_PASSWORD_LENGTH: Setting =
    cli("auth.minimum_password_length", number(0, 1024), &["GOTRUE_PASSWORD_MIN_LENGTH"], Some("6"), "Bytes.");
pub static PASSWORD_REQUIREMENTS: Setting =
    cli("auth.password_requirements", REQUIREMENTS, &[], Some(""), "Characters a password must have.");
pub static ROTATION: Setting = cli(
    "auth.enable_refresh_token_rotation",
    Kind::Boolean,
    &["GOTRUE_SECURITY_REFRESH_TOKEN_ROTATION_ENABLED"],
    Some("true"),
    "Whether a refresh token used again too late ends its session.",
);
pub static REUSE_INTERVAL: Setting = cli(
    "auth.refresh_token_reuse_interval",
    number(0, u32::MAX as u64),
    &["GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL"],
    Some("10"),
    "How long a used refresh token is still answered, seconds.",
);
pub static EMAIL_SIGNUP: Setting = cli(
    "auth.email.enable_signup",
    Kind::Boolean,
    &["ENABLE_EMAIL_SIGNUP", "GOTRUE_EXTERNAL_EMAIL_ENABLED"],
    Some("true"),
    "Whether e-mail and password can be used.",
);
pub static EMAIL_CONFIRMATIONS: Setting = cli(
    "auth.email.enable_confirmations",
    Kind::Boolean,
    &["!ENABLE_EMAIL_AUTOCONFIRM", "!GOTRUE_MAILER_AUTOCONFIRM"],
    Some("false"),
    "Whether a new address needs a confirmation, by an administrator since no mail is sent.",
);
pub static SECURE_PASSWORD_CHANGE: Setting = cli(
    "auth.email.secure_password_change",
    Kind::Boolean,
    &["GOTRUE_SECURITY_UPDATE_PASSWORD_REQUIRE_REAUTHENTICATION"],
    Some("false"),
    "Whether a new password needs a sign-in of the last 24 hours.",
);
pub static TIMEBOX: Setting =
    cli("auth.sessions.timebox", Kind::Duration, &["GOTRUE_SESSIONS_TIMEBOX"], None, "Longest life of a session.");
pub static INACTIVITY: Setting = cli(
    "auth.sessions.inactivity_timeout",
    Kind::Duration,
    &["GOTRUE_SESSIONS_INACTIVITY_TIMEOUT"],
    None,
    "Longest time between two refreshes of a session.",
);
pub static SIGN_IN_LIMIT: Setting = cli(
    "auth.rate_limit.sign_in_sign_ups",
    number(0, u32::MAX as u64),
    &[],
    Some("30"),
    "Sign-ups of an address in five minutes; sign-ins: this, at least 150.",
);
pub static REFRESH_LIMIT: Setting = cli(
    "auth.rate_limit.token_refresh",
    number(0, u32::MAX as u64),
    &["GOTRUE_RATE_LIMIT_TOKEN_REFRESH"],
    Some("150"),
    "Refreshes of an address in five minutes.",
);
pub static JWT_SECRET: Setting = cli(
    "auth.jwt_secret",
    Kind::Secret,
    &["JWT_SECRET", "GOTRUE_JWT_SECRET", "PGRST_JWT_SECRET"],
    None,
    "Signs tokens; at least 32 bytes.",
);
pub static ANON_KEY: Setting = cli("auth.anon_key", Kind::Secret, &["ANON_KEY"], None, "The legacy key of anon.");
pub static SERVICE_ROLE_KEY: Setting =
    cli("auth.service_role_key", Kind::Secret, &["SERVICE_ROLE_KEY"], None, "The legacy key of service_role.");
pub static PUBLISHABLE_KEY: Setting =
    cli("auth.publishable_key", Kind::Secret, &["SUPABASE_PUBLISHABLE_KEY"], None, "The key for browsers.");
pub static SECRET_KEY: Setting = cli("auth.secret_key", Kind::Secret, &["SUPABASE_SECRET_KEY"], None, "The key for servers.");

/// All settings, in the order in which they are shown.
pub static ALL: [&Setting; 82] = [
    &LISTEN,
    &EXTERNAL_URL,
    &ALLOWED_HOSTS,
    &TRUSTED_PROXIES,
    &PUBLIC_DIR,
    &MAX_BODY_BYTES,
    &MAX_HEADER_BYTES,
    &MAX_CONNECTIONS,
    &MAX_CONCURRENT_REQUESTS,
    &HEADER_TIMEOUT_MS,
    &BODY_TIMEOUT_MS,
    &SEND_TIMEOUT_MS,
    &DRAIN_TIMEOUT_S,
    &WELCOME,
    &API_ENABLED,
    &SCHEMAS,
    &EXTRA_SEARCH_PATH,
    &MAX_ROWS,
    &ETAG,
    &NESTED_MAX_ROWS,
    &BATCH_MAX_OPERATIONS,
    &BATCH_MAX_BYTES,
    &IDEMPOTENCY_LIFETIME_S,
    &IDEMPOTENCY_MAX_BODY_BYTES,
    &IDEMPOTENCY_MAX_RECEIPTS,
    &AGGREGATES,
    &PLAN_ENABLED,
    &TX_END,
    &SERVER_TIMING,
    &OPENAPI_MODE,
    &OPENAPI_ROLES,
    &OPENAPI_SECURITY,
    &OPENAPI_SERVER,
    &AUTO_EXPOSE,
    &REQUIRE_RLS,
    &READERS,
    &DATABASE_URL,
    &DATABASE_ADMIN_URL,
    &POOL_SIZE,
    &ADMIN_POOL_SIZE,
    &POOL_TIMEOUT_MS,
    &POOL_MAX_LIFETIME_S,
    &POOL_MAX_IDLE_S,
    &REPLICA_URLS,
    &PREPARED_STATEMENTS,
    &ANON_TIMEOUT_MS,
    &AUTHENTICATED_TIMEOUT_MS,
    &OTHER_TIMEOUT_MS,
    &TIMEOUT_MS,
    &ANON_MAX_COST,
    &AUTHENTICATED_MAX_COST,
    &MAX_COST,
    &ANON_CONCURRENT,
    &AUTHENTICATED_CONCURRENT,
    &CONCURRENT,
    &MAX_RESPONSE_BYTES,
    &LOG_LEVEL,
    &LOG_FORMAT,
    &MIGRATIONS_ENABLED,
    &SEED_ENABLED,
    &SEED_PATHS,
    &AUTH_ENABLED,
    &SITE_URL,
    &REDIRECT_URLS,
    &JWT_EXPIRY,
    &ENABLE_SIGNUP,
    &MINIMUM_PASSWORD_LENGTH,
    &PASSWORD_REQUIREMENTS,
    &ROTATION,
    &REUSE_INTERVAL,
    &EMAIL_SIGNUP,
    &EMAIL_CONFIRMATIONS,
    &SECURE_PASSWORD_CHANGE,
    &TIMEBOX,
    &INACTIVITY,
    &SIGN_IN_LIMIT,
    &REFRESH_LIMIT,
    &JWT_SECRET,
    &ANON_KEY,
    &SERVICE_ROLE_KEY,
    &PUBLISHABLE_KEY,
    &SECRET_KEY,
];
