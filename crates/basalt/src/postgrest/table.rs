//! Every parameter of PostgREST's configuration reference and what it does here. `docs/postgrest.md` has this table as text.
//!
//! Source: PostgREST 16, reference "Configuration".

/// What values a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text; the empty one counts as not set.
    Text,
    /// As [`Kind::Text`], never shown.
    Secret,
    /// Texts separated by commas; the empty text is an empty list.
    List,
    /// A whole number in these bounds.
    Integer(u64, u64),
    /// Yes or no.
    Boolean,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A file's mode in octal digits, 600 to 777.
    Mode,
    /// An absolute http or https URL without a user and a query.
    ServerUrl,
}

/// What a parameter does here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// What the reference says, with something to note perhaps.
    Served(&'static str),
    /// Nothing, for this reason.
    Nothing(&'static str),
}

/// One parameter.
#[derive(Debug)]
pub struct Parameter {
    /// Its name in the file. Upper case with underscores after `PGRST_`: in the environment; with underscores after `pgrst.`: in the
    /// database.
    pub name: &'static str,
    /// Its older name, for the file and the environment.
    pub older: Option<&'static str>,
    /// What it takes.
    pub kind: Kind,
    /// The default, as it would be written; `None`: not set.
    pub default: Option<&'static str>,
    /// Whether the database may set it.
    pub in_database: bool,
    /// Whether a reload changes it.
    pub reloads: bool,
    /// What it does.
    pub effect: Effect,
}

impl Parameter {
    /// Its name in the database, less `pgrst.`.
    pub fn database_name(&self) -> String {
        self.name.replace('-', "_")
    }
}

/// The environment's name for a name of the file.
pub fn variable(name: &str) -> String {
    format!("PGRST_{}", name.replace('-', "_").to_ascii_uppercase())
}

/// Where a parameter can be set and changed.
#[derive(Clone, Copy)]
enum Where {
    /// At the start only.
    Start,
    /// At the start, also by the database.
    StartDatabase,
    /// A reload changes it.
    Reload,
    /// A reload changes it, and the database may set it.
    ReloadDatabase,
}

use Effect::{Nothing, Served};
use Where::{Reload, ReloadDatabase, Start, StartDatabase};

const fn row(name: &'static str, kind: Kind, default: Option<&'static str>, place: Where, effect: Effect) -> Parameter {
    let in_database = matches!(place, StartDatabase | ReloadDatabase);
    let reloads = matches!(place, Reload | ReloadDatabase);
    Parameter { name, older: None, kind, default, in_database, reloads, effect }
}

const fn renamed(older: &'static str, row: Parameter) -> Parameter {
    Parameter { older: Some(older), ..row }
}

/// A number of seconds, at most a year.
const SECONDS: Kind = Kind::Integer(0, 31_536_000);

const TX_END: Kind = Kind::Choice(&["commit", "commit-allow-override", "rollback", "rollback-allow-override"]);

/// As in the reference, in its order.
const AS_THERE: Effect = Served("");

/// All parameters but `app.settings.*`, which have any name.
pub static ALL: &[Parameter] = &[
    row("admin-server-host", Kind::Text, None, Start, Served("By default `server-host`.")),
    row("admin-server-port", Kind::Integer(0, 65_535), None, Start, Served(ADMIN)),
    row("admin-server-unix-socket", Kind::Text, None, Start, AS_THERE),
    row("admin-server-unix-socket-mode", Kind::Mode, Some("660"), Start, AS_THERE),
    row("client-error-verbosity", Kind::Choice(&["verbose", "minimal"]), Some("verbose"), ReloadDatabase, AS_THERE),
    row("db-aggregates-enabled", Kind::Boolean, Some("false"), ReloadDatabase, AS_THERE),
    row("db-anon-role", Kind::Text, None, ReloadDatabase, AS_THERE),
    row("db-channel", Kind::Text, Some("pgrst"), Start, Served("Changes at a start, not at a reload.")),
    row("db-channel-enabled", Kind::Boolean, Some("true"), Start, Served("Changes at a start, not at a reload.")),
    row("db-config", Kind::Boolean, Some("true"), Reload, AS_THERE),
    row("db-pre-config", Kind::Text, None, Reload, AS_THERE),
    row("db-extra-search-path", Kind::List, Some("public"), ReloadDatabase, AS_THERE),
    row(
        "db-hoisted-tx-settings",
        Kind::List,
        Some("statement_timeout, plan_filter.statement_cost_limit, default_transaction_isolation"),
        ReloadDatabase,
        AS_THERE,
    ),
    renamed("max-rows", row("db-max-rows", Kind::Integer(0, 1 << 53), None, ReloadDatabase, AS_THERE)),
    row("db-plan-enabled", Kind::Boolean, Some("false"), ReloadDatabase, AS_THERE),
    row(
        "db-pool",
        Kind::Integer(1, 10_000),
        Some("10"),
        Start,
        Served("Connections for requests; the schema cache and the channel have one more each."),
    ),
    row("db-pool-acquisition-timeout", SECONDS, Some("10"), Start, AS_THERE),
    renamed(
        "db-pool-timeout",
        row(
            "db-pool-max-idletime",
            SECONDS,
            Some("30"),
            Start,
            Served("Looked at every five seconds, and before each use; 0 is no bound."),
        ),
    ),
    row(
        "db-pool-max-lifetime",
        SECONDS,
        Some("1800"),
        Start,
        Served("Looked at every five seconds, and before each use; 0 is no bound."),
    ),
    row(
        "db-pool-automatic-recovery",
        Kind::Boolean,
        Some("true"),
        Start,
        Served(
            "false: a database that cannot be reached at the start ends the program, as does the loss of the channel's connection.",
        ),
    ),
    renamed("pre-request", row("db-pre-request", Kind::Text, None, ReloadDatabase, AS_THERE)),
    row("db-prepared-statements", Kind::Boolean, Some("true"), StartDatabase, Served("Changes at a start, not at a reload.")),
    renamed("root-spec", row("db-root-spec", Kind::Text, None, ReloadDatabase, Served("A function of an exposed schema."))),
    renamed("db-schema", row("db-schemas", Kind::List, Some("public"), ReloadDatabase, AS_THERE)),
    row("db-tx-end", TX_END, Some("commit"), ReloadDatabase, AS_THERE),
    row(
        "db-uri",
        Kind::Secret,
        Some("postgresql://"),
        Start,
        Served("`--database` wins over it. `@FILE` and libpq's variables work."),
    ),
    row("jwt-aud", Kind::Text, None, ReloadDatabase, AS_THERE),
    renamed("role-claim-key", row("jwt-role-claim-key", Kind::Text, Some("$.role"), ReloadDatabase, Served("Both notations."))),
    row(
        "jwt-secret",
        Kind::Secret,
        None,
        ReloadDatabase,
        Served("A text, a JSON Web Key, a set of them, or `@FILE`. RSA, P-256, P-384, Ed25519 and oct keys verify."),
    ),
    renamed("secret-is-base64", row("jwt-secret-is-base64", Kind::Boolean, Some("false"), ReloadDatabase, AS_THERE)),
    row(
        "jwt-cache-max-entries",
        Kind::Integer(0, 10_000_000),
        Some("1000"),
        ReloadDatabase,
        Served("When it is full it begins anew. Each core also knows the 256 headers it last saw."),
    ),
    row(
        "log-level",
        Kind::Choice(&["crit", "error", "warn", "info", "debug"]),
        Some("error"),
        Start,
        Served("To standard error, one line a request, without its query string. Changes at a start."),
    ),
    row("log-query", Kind::Boolean, Some("false"), Start, Served("Changes at a start. Texts of statements, without values.")),
    row(
        "openapi-mode",
        Kind::Choice(&["follow-privileges", "ignore-privileges", "disabled"]),
        Some("follow-privileges"),
        ReloadDatabase,
        AS_THERE,
    ),
    row("openapi-security-active", Kind::Boolean, Some("false"), ReloadDatabase, AS_THERE),
    row("openapi-server-proxy-uri", Kind::ServerUrl, None, ReloadDatabase, AS_THERE),
    row("server-cors-allowed-origins", Kind::List, None, ReloadDatabase, AS_THERE),
    row("server-host", Kind::Text, Some("!4"), Start, Served("`--listen` wins over it.")),
    row("server-port", Kind::Integer(0, 65_535), Some("3000"), Start, Served("`--listen` wins over it.")),
    row("server-reuseport", Kind::Boolean, Some("false"), Start, AS_THERE),
    row("server-trace-header", Kind::Text, None, ReloadDatabase, AS_THERE),
    row("server-timing-enabled", Kind::Boolean, Some("false"), ReloadDatabase, AS_THERE),
    row("server-unix-socket", Kind::Text, None, Start, AS_THERE),
    row("server-unix-socket-mode", Kind::Mode, Some("660"), Start, AS_THERE),
    row(
        "url-use-legacy-target-names",
        Kind::Boolean,
        Some("true"),
        ReloadDatabase,
        Nothing("a resource with an alias is addressed by either name, without a warning"),
    ),
];

const ADMIN: &str = "Also `/config` (secrets masked), `/health/live` and `/health/ready`.";

/// The parameter of a name of the file.
pub fn find(name: &str) -> Option<&'static Parameter> {
    ALL.iter().find(|p| p.name == name || p.older == Some(name))
}

/// What `app.settings.*` do.
pub const APP_SETTINGS: &str = "app.settings.";
