//! A database that is not Basalt's own: one login, which becomes the roles of requests and is allowed little else, and the settings
//! that roles and the operator have for their transactions.
//!
//! Nothing is made in it. What a transaction begins with follows PostgREST 16, references "Transactions" and "Configuration".

use std::collections::HashMap;
use std::sync::Arc;

use basalt_catalog::{Catalog, Function};
use basalt_engine::Run;
use basalt_plan::plan::Action;
use basalt_types::{Oid, SqlError};
use tokio::runtime::Builder;
use tokio_postgres::{AsyncMessage, Client};

use crate::connect::Target;
use crate::engine::PostgresEngine;
use crate::error;
use crate::options::PostgresOptions;
use crate::request::{self, BEGIN, Opening};

/// What the operator wants of every transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreign {
    /// Exposed schemas: the one a request is about comes first in its search path.
    pub schemas: Vec<String>,
    /// Schemas that follow in every search path.
    pub extra_search_path: Vec<String>,
    /// Settings of SQL that every transaction has, by whole names.
    pub app_settings: Vec<(String, String)>,
    /// A function that runs as the role before the statement: `name` or `schema.name`.
    pub pre_request: Option<String>,
    /// Settings that functions may have for the transaction they are called in.
    pub hoisted: Vec<String>,
}

/// What a role sets for its transactions.
#[derive(Debug, Default)]
struct RoleSettings {
    settings: Vec<(String, String)>,
    isolation: Option<&'static str>,
}

/// How transactions begin, by role.
#[derive(Debug, Default)]
pub(crate) struct Openings {
    /// Of roles that set nothing.
    plain: RoleOpening,
    by_role: HashMap<String, RoleOpening>,
    /// What functions set for the transactions they are called in.
    by_function: HashMap<Oid, FunctionOpening>,
    hoists_isolation: bool,
    /// Search paths by schema.
    paths: HashMap<String, String>,
    before: Option<String>,
    /// The login's own limit of time.
    statement_timeout: String,
}

#[derive(Debug, Default)]
struct RoleOpening {
    read: String,
    write: String,
    settings: Option<String>,
    statement_timeout: Option<String>,
    search_path: Option<String>,
}

#[derive(Debug, Default)]
struct FunctionOpening {
    settings: Option<String>,
    statement_timeout: Option<String>,
}

impl FunctionOpening {
    /// Of a function's own settings, those that may be hoisted; `None`: it has none of them.
    fn new(function: &Function, hoisted: &[String]) -> Option<Self> {
        let (mut calls, mut statement_timeout) = (Vec::new(), None);
        for (name, values) in function.config.iter().filter(|(name, _)| hoisted.contains(name)) {
            let value = values.join(", ");
            match name.as_str() {
                // The plan of the call has it.
                "default_transaction_isolation" => {}
                "statement_timeout" => statement_timeout = Some(value),
                _ => calls.push(format!("pg_catalog.set_config({}, {}, true)", literal(name), literal(&value))),
            }
        }
        let settings = (!calls.is_empty()).then(|| format!("SELECT {}", calls.join(", ")));
        (settings.is_some() || statement_timeout.is_some()).then_some(Self { settings, statement_timeout })
    }
}

/// What roles set, of settings that the login may set for them. PostgreSQL 15 has privileges on settings.
const ROLE_SETTINGS: [&str; 2] = [
    "SELECT r.rolname::text, s.name, substr(c, strpos(c, '=') + 1) FROM pg_catalog.pg_roles AS r, unnest(r.rolconfig) AS c \
     JOIN pg_catalog.pg_settings AS s ON s.name = split_part(c, '=', 1) WHERE s.context = 'user'",
    "SELECT r.rolname::text, s.name, substr(c, strpos(c, '=') + 1) FROM pg_catalog.pg_roles AS r, unnest(r.rolconfig) AS c \
     JOIN pg_catalog.pg_settings AS s ON s.name = split_part(c, '=', 1) \
     WHERE s.context = 'user' OR pg_catalog.has_parameter_privilege(session_user, s.name, 'SET')",
];

/// Settings that say who is asking: a request's own, never a role's.
const NEVER: [&str; 3] = ["role", "session_authorization", "is_superuser"];

impl Openings {
    /// Reads what roles set.
    pub(crate) async fn read(client: &Client, foreign: &Foreign, catalog: &Catalog) -> Result<Self, SqlError> {
        let sql = |e: tokio_postgres::Error| error::of(&e);
        let row = client
            .query_one(
                "SELECT pg_catalog.current_setting('server_version_num')::int >= 150000, pg_catalog.current_setting('statement_timeout')",
                &[],
            )
            .await
            .map_err(sql)?;
        let has_parameter_privileges: bool = row.try_get(0).map_err(sql)?;
        let statement_timeout: String = row.try_get(1).map_err(sql)?;
        let [old, new] = ROLE_SETTINGS;
        let rows = client.query(if has_parameter_privileges { new } else { old }, &[]).await.map_err(sql)?;
        let mut roles: HashMap<String, RoleSettings> = HashMap::new();
        for row in rows {
            let (role, name, value): (String, String, String) =
                (row.try_get(0).map_err(sql)?, row.try_get(1).map_err(sql)?, row.try_get(2).map_err(sql)?);
            let role = roles.entry(role).or_default();
            match name.as_str() {
                "default_transaction_isolation" => role.isolation = isolation(&value),
                name if NEVER.contains(&name) => {}
                _ => role.settings.push((name, value)),
            }
        }
        let path = |schema: &str| search_path(schema, &foreign.extra_search_path);
        Ok(Self {
            plain: RoleOpening::new(&RoleSettings::default(), foreign),
            by_role: roles.into_iter().map(|(role, settings)| (role, RoleOpening::new(&settings, foreign))).collect(),
            by_function: catalog
                .functions()
                .filter_map(|f| Some((Oid(f.oid), FunctionOpening::new(f, &foreign.hoisted)?)))
                .collect(),
            hoists_isolation: foreign.hoisted.iter().any(|name| name == "default_transaction_isolation"),
            paths: foreign.schemas.iter().map(|schema| (schema.clone(), path(schema))).collect(),
            before: foreign.pre_request.as_deref().map(|name| format!("SELECT {}()", qualified(name))),
            statement_timeout,
        })
    }

    /// How a request begins, and its search path. One that reads may not write.
    pub(crate) fn of<'a>(&'a self, run: &'a Run, is_read: bool, otherwise: &'a str) -> (Opening<'a>, &'a str) {
        let role = self.by_role.get(run.session.role.as_str()).unwrap_or(&self.plain);
        let function = match &run.plan.action {
            Action::Call { call, .. } => self.by_function.get(&call.function),
            Action::Read { .. } | Action::Write { .. } => None,
        };
        let timeout = function.and_then(|f| f.statement_timeout.as_deref()).or(role.statement_timeout.as_deref());
        let opening = Opening {
            // A function's own isolation is that of its whole transaction.
            begin: match request::isolation(run) {
                Some(_) if self.hoists_isolation => request::beginning(run),
                _ if is_read => &role.read,
                _ => &role.write,
            },
            settings: role.settings.as_deref(),
            hoisted: function.and_then(|f| f.settings.as_deref()),
            statement_timeout: Some(timeout.unwrap_or(&self.statement_timeout)),
            before: self.before.as_deref(),
        };
        let schema = run.session.request.as_deref().map(|facts| facts.schema.as_str());
        let path = schema.and_then(|schema| self.paths.get(schema)).map_or(otherwise, String::as_str);
        (opening, role.search_path.as_deref().unwrap_or(path))
    }
}

impl RoleOpening {
    fn new(role: &RoleSettings, foreign: &Foreign) -> Self {
        let begin = |access| match role.isolation {
            None => format!("{BEGIN} ISOLATION LEVEL READ COMMITTED {access}"),
            // Statements of one message are one transaction, whose isolation cannot change once something was looked at.
            Some(level) => {
                format!("BEGIN; {}; COMMIT; BEGIN ISOLATION LEVEL {level} {access}", BEGIN.trim_end_matches("; BEGIN"))
            }
        };
        let find = |name: &str| role.settings.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        // Set with each request's own in place of these.
        let own = ["statement_timeout", "search_path"];
        let calls: Vec<String> = role
            .settings
            .iter()
            .filter(|(name, _)| !own.contains(&name.as_str()))
            .chain(&foreign.app_settings)
            .map(|(name, value)| format!("pg_catalog.set_config({}, {}, true)", literal(name), literal(value)))
            .collect();
        Self {
            read: begin("READ ONLY"),
            write: begin("READ WRITE"),
            settings: (!calls.is_empty()).then(|| format!("SELECT {}", calls.join(", "))),
            statement_timeout: find("statement_timeout"),
            search_path: find("search_path"),
        }
    }
}

/// An isolation level by its name in a setting.
fn isolation(value: &str) -> Option<&'static str> {
    match value.to_ascii_lowercase().as_str() {
        "repeatable read" => Some("REPEATABLE READ"),
        "serializable" => Some("SERIALIZABLE"),
        _ => None,
    }
}

/// A text as SQL has it, whatever `standard_conforming_strings` says.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\0', "").replace('\\', "\\\\").replace('\'', "''"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\0', "").replace('"', "\"\""))
}

/// A function's name: up to the first point it is its schema's.
fn qualified(name: &str) -> String {
    match name.split_once('.') {
        Some((schema, name)) => format!("{}.{}", quoted(schema), quoted(name)),
        None => quoted(name),
    }
}

fn search_path(schema: &str, extra: &[String]) -> String {
    let mut names: Vec<String> = Vec::new();
    for name in std::iter::once(schema).chain(extra.iter().map(String::as_str)) {
        let quoted = quoted(name);
        if !names.contains(&quoted) {
            names.push(quoted);
        }
    }
    names.join(", ")
}

/// What the login's role sets under `pgrst.`, that of this database first, then what a function of the database sets.
const LOGIN_SETTINGS: &str = "SELECT DISTINCT ON (x.key) substr(x.key, 7), x.value FROM ( \
     SELECT s.setdatabase AS rank, split_part(c, '=', 1) AS key, substr(c, strpos(c, '=') + 1) AS value \
     FROM pg_catalog.pg_db_role_setting AS s, unnest(s.setconfig) AS c \
     WHERE s.setrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user) \
     AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_catalog))) AS x \
     WHERE x.key LIKE 'pgrst.%' ORDER BY x.key, x.rank DESC";

/// What happens on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It is listened to: for the first time, or again.
    Listening,
    /// Somebody said this.
    Said(String),
    /// The connection is gone, and is being made anew.
    Lost,
}

impl PostgresEngine {
    /// What the database says of its own settings: names less `pgrst.`, and values. `pre_config` is a function that sets them;
    /// `names` are those it may set. Not for async code.
    ///
    /// # Errors
    /// What connecting and the function report.
    pub fn settings_in_database(
        options: &PostgresOptions,
        pre_config: Option<&str>,
        names: &[String],
    ) -> Result<Vec<(String, String)>, SqlError> {
        let target = Target::parse(&options.admin, options.connect_timeout, "basalt-admin")?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|_| SqlError::internal("no thread for the database's connections"))?;
        runtime.block_on(async {
            let client = target.connect().await?;
            let sql = |e: tokio_postgres::Error| error::of(&e);
            client.batch_execute("BEGIN READ ONLY").await.map_err(sql)?;
            let mut found: Vec<(String, String)> = Vec::new();
            for row in client.query(LOGIN_SETTINGS, &[]).await.map_err(sql)? {
                found.push((row.try_get(0).map_err(sql)?, row.try_get(1).map_err(sql)?));
            }
            if let Some(function) = pre_config {
                client.batch_execute(&format!("SELECT {}()", qualified(function))).await.map_err(sql)?;
                for name in names.iter().filter(|name| !found.iter().any(|(n, _)| n == *name)).cloned().collect::<Vec<_>>() {
                    let setting = format!("pgrst.{name}");
                    let row = client.query_one("SELECT pg_catalog.current_setting($1, true)", &[&setting]).await.map_err(sql)?;
                    let value: Option<String> = row.try_get(0).map_err(sql)?;
                    found.extend(value.filter(|v| !v.is_empty()).map(|value| (name, value)));
                }
            }
            client.batch_execute("ROLLBACK").await.map_err(sql)?;
            Ok(found)
        })
    }

    /// Takes other settings for the transactions that begin from now on. Not for async code.
    ///
    /// # Errors
    /// What the connection reports; the old settings stay.
    pub fn change_foreign(&self, foreign: Foreign) -> Result<(), SqlError> {
        *self.shared.foreign.lock() = Some(foreign);
        self.handle.block_on(self.shared.read_openings(&self.shared.catalog.load_full()))
    }

    /// Listens to a channel as long as the engine is open, connecting anew when the connection is lost.
    ///
    /// # Errors
    /// 22023 for an address that is none.
    pub fn listen(&self, channel: &str, tell: impl Fn(Notice) + Send + Sync + 'static) -> Result<(), SqlError> {
        let target = Target::parse(&self.shared.options.admin, self.shared.options.connect_timeout, "basalt-listener")?;
        let sql = format!("LISTEN {}", quoted(channel));
        let tell: Arc<dyn Fn(Notice) + Send + Sync> = Arc::new(tell);
        self.handle.spawn(async move {
            let mut pause = FIRST_PAUSE;
            loop {
                let heard = Arc::clone(&tell);
                let said = move |message| {
                    if let AsyncMessage::Notification(note) = message {
                        heard(Notice::Said(note.payload().to_owned()));
                    }
                };
                match target.connect_listening(said).await {
                    Ok((client, ended)) => {
                        match client.batch_execute(&sql).await {
                            Ok(()) => {
                                pause = FIRST_PAUSE;
                                tell(Notice::Listening);
                                let _ = ended.await;
                            }
                            Err(error) => tracing::warn!(%error, "the database's channel cannot be listened to"),
                        }
                        tell(Notice::Lost);
                    }
                    Err(error) => tracing::warn!(%error, "no connection for the database's channel"),
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
        });
        Ok(())
    }
}

/// Between attempts to listen again.
const FIRST_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// The longest of them.
const LAST_PAUSE: std::time::Duration = std::time::Duration::from_secs(32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_names_are_quoted() {
        assert_eq!(literal(r"a'b\c"), r"E'a''b\\c'");
        assert_eq!(qualified("auth.check"), r#""auth"."check""#);
        assert_eq!(qualified("a\"b.c.d"), r#""a""b"."c.d""#);
        assert_eq!(qualified("check"), r#""check""#);
        assert_eq!(search_path("api", &["public".into(), "api".into(), "x y".into()]), r#""api", "public", "x y""#);
    }

    #[test]
    fn a_role_begins_with_its_settings_and_those_of_all() {
        let foreign = Foreign { app_settings: vec![("app.settings.k".into(), "v'".into())], ..Foreign::default() };
        let settings = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let role = RoleSettings {
            settings: settings(&[("work_mem", "8MB"), ("statement_timeout", "1s"), ("search_path", "x")]),
            isolation: isolation("Serializable"),
        };
        let opening = RoleOpening::new(&role, &foreign);
        assert!(opening.read.ends_with("; COMMIT; BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY"), "{}", opening.read);
        let expected =
            "SELECT pg_catalog.set_config(E'work_mem', E'8MB', true), pg_catalog.set_config(E'app.settings.k', E'v''', true)";
        assert_eq!(opening.settings.as_deref(), Some(expected));
        assert_eq!((opening.statement_timeout.as_deref(), opening.search_path.as_deref()), (Some("1s"), Some("x")));
        let plain = RoleOpening::new(&RoleSettings::default(), &Foreign::default());
        assert!(plain.write.ends_with("; BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE") && plain.settings.is_none());
    }
}
