//! The project's database: the embedded file, or PostgreSQL where the settings name one.

use std::sync::Arc;

use basalt_engine::Engine;
use basalt_engine::migrate::Migrations;
use basalt_postgres::{Examined, Found, PostgresEngine, PostgresOptions};
use basalt_sqlite::{SqliteEngine, SqliteOptions};
use basalt_types::SqlError;
use clap::{Args, ValueEnum};

use crate::Failure;
use crate::config::Settings;
use crate::postgrest::Choice;
use crate::project::Project;
use crate::secrets::Secrets;

/// An engine with its schema's history.
pub trait Database: Engine + Migrations {
    /// Ends what runs and lets go of files and connections. Not for async code.
    fn close(&self);

    /// Whether a copy into this database has begun and not ended: rows are missing, and what guards them may be at rest.
    ///
    /// # Errors
    /// What reading reports.
    fn is_half_copied(&self) -> Result<bool, SqlError>;
}

impl Database for SqliteEngine {
    fn close(&self) {
        self.close();
    }

    fn is_half_copied(&self) -> Result<bool, SqlError> {
        self.is_half_copied()
    }
}

impl Database for PostgresEngine {
    fn close(&self) {
        self.close();
    }

    fn is_half_copied(&self) -> Result<bool, SqlError> {
        self.is_half_copied()
    }
}

/// What the operator asks for with a PostgreSQL database that is not empty. An empty one gets everything without being asked.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Asked {
    /// Apply new migrations to a PostgreSQL database that was not empty.
    #[arg(long)]
    migrate: bool,
    /// Run the seed on a PostgreSQL database that was not empty.
    #[arg(long)]
    seed: bool,
    /// Whether missing roles, schemas and tables of the services are made in a PostgreSQL database that was not empty. `off` serves
    /// any database as PostgREST does, with PGRST_… variables, no project folder and no API keys; see docs/postgrest.md.
    #[arg(long, value_enum, value_name = "WHEN")]
    bootstrap: Option<When>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    /// Make what is missing.
    On,
    /// Make nothing, and serve as PostgREST does.
    Off,
}

/// What may be done to a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct May {
    /// Apply migrations.
    pub migrate: bool,
    /// Run the seed.
    pub seed: bool,
}

/// Whether a database is the project's own to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The embedded file, or a PostgreSQL database that was empty.
    Own,
    /// A PostgreSQL database that had tables.
    Found,
}

impl Asked {
    /// Whether a database is to be served as PostgREST serves it, with nothing made in it.
    ///
    /// # Errors
    /// Flags that contradict each other.
    pub fn serves_as_it_is(self, choice: &Choice) -> Result<bool, Failure> {
        let is_chosen = choice.postgrest_config.is_some() || self.bootstrap == Some(When::Off);
        if is_chosen && (self.migrate || self.seed || self.bootstrap == Some(When::On)) {
            return Err(
                "--bootstrap off makes nothing in the database: --migrate, --seed and --bootstrap on have no place there".into(),
            );
        }
        Ok(is_chosen)
    }

    /// What may be done to a database in this state.
    pub fn may(self, state: State) -> May {
        let is_own = state == State::Own;
        May { migrate: is_own || self.migrate, seed: is_own || self.seed }
    }
}

/// Options of a project's embedded file.
pub fn file_options(project: &Project, settings: &Settings) -> SqliteOptions {
    let mut options = SqliteOptions::new(project.database());
    options.auto_expose_new_tables = settings.auto_expose_new_tables;
    if settings.readers > 0 {
        options.readers = settings.readers;
    }
    options
}

/// Whether there is a database already, so that looking at it makes none.
///
/// # Errors
/// What connecting reports.
pub fn exists(project: &Project, settings: &Settings) -> Result<bool, Failure> {
    let Some(url) = &settings.database.url else { return Ok(project.database().exists()) };
    let admin = settings.database.admin_url.as_ref().unwrap_or(url);
    Ok(PostgresEngine::examine(&PostgresOptions::new(url.reveal(), admin.reveal()))? == Found::Complete)
}

/// Opens the project's database, preparing one that is new.
///
/// # Errors
/// What the engine reports, and what a PostgreSQL database lacks.
pub fn open(
    project: &Project,
    settings: &Settings,
    secrets: &Secrets,
    asked: Asked,
) -> Result<(Arc<dyn Database>, State), Failure> {
    let Some(url) = &settings.database.url else {
        return Ok((SqliteEngine::open(file_options(project, settings))?, State::Own));
    };
    let admin = settings.database.admin_url.as_ref().unwrap_or(url);
    let mut options = PostgresOptions::new(url.reveal(), admin.reveal());
    options.pool_size = settings.database.pool_size;
    options.admin_pool_size = settings.database.admin_pool_size;
    options.pool_timeout = settings.database.pool_timeout;
    options.max_life = Some(settings.database.max_lifetime);
    options.max_idle = Some(settings.database.max_idle);
    options.replicas = settings.database.replicas.iter().map(|url| url.reveal().to_owned()).collect();
    options.is_prepared = settings.database.is_prepared;
    options.schemas.clone_from(&settings.schemas);
    options.extra_search_path.clone_from(&settings.extra_search_path);
    if settings.database.admin_url.is_none() {
        // One login was given: requests get their own, with a password that only this project knows.
        options.request_login = Some(("authenticator".to_owned(), secrets.database_password()));
    }
    let examined = PostgresEngine::look(&options).map_err(told)?;
    let state = prepare(&options, &examined, settings, secrets, asked)?;
    let engine = PostgresEngine::open(options).map_err(|error| {
        let is_login = matches!(error.state.as_str(), "28P01" | "28000");
        if settings.database.admin_url.is_none() && is_login {
            return Failure::from(
                "the database has a login \"authenticator\" whose password this project does not know. \
                 Give its URL as --database, and this one as --admin-database",
            );
        }
        told(error)
    })?;
    Ok((engine, state))
}

fn prepare(
    options: &PostgresOptions,
    examined: &Examined,
    settings: &Settings,
    secrets: &Secrets,
    asked: Asked,
) -> Result<State, Failure> {
    let make = || -> Result<(), Failure> {
        PostgresEngine::bootstrap(options, settings.auto_expose_new_tables).map_err(told)?;
        if settings.database.admin_url.is_none() {
            PostgresEngine::set_authenticator_password(options, secrets.database_password().reveal()).map_err(told)?;
        }
        if !examined.can_make_event_triggers {
            tracing::info!("the admin login may not make event triggers: changes of the schema are noticed within some seconds");
        }
        Ok(())
    };
    match (&examined.found, asked.bootstrap) {
        (Found::Complete, when) => {
            if when != Some(When::Off) {
                refuse_unusable(examined)?;
                if let Some(version) = PostgresEngine::upgrade(options, examined).map_err(told)? {
                    tracing::info!("the services' tables are now of version {version}");
                } else if when == Some(When::On) && !examined.has_receipts {
                    // Somebody else's database gets nothing unasked.
                    PostgresEngine::make_receipts(options).map_err(told)?;
                }
            }
            // A database that only has what Basalt or Supabase put there is as good as empty.
            let is_ours = examined.version.is_some();
            if !examined.has_user_tables && (is_ours || examined.contents.users == Some(0)) {
                return Ok(State::Own);
            }
            report(examined);
            Ok(State::Found)
        }
        (Found::Empty, None | Some(When::On)) => make().map(|()| State::Own),
        (Found::Empty, Some(When::Off)) => Err("the database is empty, and --bootstrap off leaves it so".into()),
        (Found::Lacking(_), Some(When::On)) => make().map(|()| State::Found),
        (Found::Lacking(lacks), _) => {
            Err(format!("the database has tables but lacks {}. Basalt makes them when asked: --bootstrap on", lacks.0.join(", "))
                .into())
        }
    }
}

/// The services could not work with their own tables: said at once, with what an administrator runs, not at the first sign-in.
fn refuse_unusable(examined: &Examined) -> Result<(), Failure> {
    if examined.refusals.is_empty() {
        return Ok(());
    }
    let mut text = format!("the admin login \"{}\" may not do what the services need. An administrator runs:", examined.login);
    let mut statements: Vec<&str> = Vec::new();
    for refusal in &examined.refusals {
        if !statements.contains(&refusal.statement.as_str()) {
            statements.push(&refusal.statement);
            text.push_str(&format!("\n    {};    -- {}", refusal.statement, refusal.what));
        }
    }
    Err(text.into())
}

/// What a database that was there before is found to hold.
fn report(examined: &Examined) {
    let contents = &examined.contents;
    let number = |n: Option<u64>| n.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    tracing::info!(
        users = number(contents.users),
        tables = contents.tables,
        policies = contents.policies,
        buckets = number(contents.buckets),
        "{} is served as it is",
        if examined.version.is_some() { "a database that Basalt made" } else { "Supabase's own database" }
    );
}

/// An error at the start, with what to do about it.
fn told(error: SqlError) -> Failure {
    match &error.hint {
        Some(hint) => format!("{error}\n{hint}").into(),
        None => error.into(),
    }
}
