//! The program: command line, settings, wiring, signals. `commands/` has a file for each command; `serve.rs` puts the parts together.

mod commands;
mod config;
mod control;
mod database;
mod glob;
mod lock;
mod log;
mod postgrest;
mod project;
mod secrets;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Environment, Flag, Settings};
use crate::project::Project;

/// A whole backend in one program, speaking Supabase's wire API.
#[derive(Debug, Parser)]
#[command(name = "basalt", version, propagate_version = true, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Which project.
#[derive(Debug, Args)]
struct Place {
    /// The project's folder: it holds `supabase/` (or `basalt/`). By default the nearest one above the current folder.
    #[arg(long, global = true, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Lay the block of `[remotes]` with this project_id over the rest of config.toml. By default `SUPABASE_PROJECT_ID`.
    #[arg(long, global = true, value_name = "ID")]
    project_ref: Option<String>,
    /// Serve a PostgreSQL database instead of the embedded file. Without --admin-database: a login that may create roles.
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
    /// Another login of the same database, for migrations; --database is then for requests alone.
    #[arg(long, global = true, value_name = "URL", requires = "database")]
    admin_database: Option<String>,
}

impl Place {
    /// What of the command line counts when a database is served as it is.
    fn given(&self, choice: &postgrest::Choice, listen: Option<&str>) -> Result<postgrest::Given, Failure> {
        if self.admin_database.is_some() {
            return Err("--bootstrap off serves over one login: --admin-database has no place there".into());
        }
        Ok(postgrest::Given {
            file: choice.postgrest_config.clone(),
            address: self.database.clone(),
            listen: listen.map(str::to_owned),
        })
    }

    /// The project with its settings.
    fn open(&self, flags: &[Flag]) -> Result<(Project, Settings), Failure> {
        let project = Project::find(self.project.as_deref())?;
        let env = Environment::read(&[&project.folder, &project.root], &project.root);
        let given =
            [("database.url", "--database", &self.database), ("database.admin_url", "--admin-database", &self.admin_database)];
        let given = given
            .into_iter()
            .filter_map(|(setting, flag, value)| value.as_ref().map(|value| Flag { setting, flag, value: value.clone() }));
        let flags: Vec<Flag> = flags.iter().cloned().chain(given).collect();
        let settings = Settings::load(&project, &env, self.project_ref.as_deref(), &flags)?;
        Ok((project, settings))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new project in a folder.
    Init(commands::init::Init),
    /// Apply new migrations and serve the project.
    Serve(serve::Serve),
    /// Print the project's URL and keys.
    Status(commands::status::Status),
    /// Make things.
    Gen(Gen),
    /// Work with migrations.
    Migration(commands::migration::Migration),
    /// Work with the database.
    Db(commands::db::Db),
    /// Copy the project's database to another one, with users, sessions and history, and compare the two.
    Copy(commands::copy::Copy),
    /// Say what of the project runs, what does not and why, without touching anything.
    Doctor(commands::doctor::Doctor),
}

#[derive(Debug, Args)]
struct Gen {
    #[command(subcommand)]
    what: GenWhat,
}

#[derive(Debug, Subcommand)]
enum GenWhat {
    /// A new set of keys, as environment variables; nothing is stored.
    Keys,
    Types(commands::types::Types),
}

/// The exit code of wrong usage, which clap uses too.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { WRONG_USAGE } else { 0 });
        }
    };
    let place = &cli.place;
    let outcome = match cli.command {
        Command::Init(init) => init.run(place),
        Command::Serve(serve) => serve.run(place),
        Command::Status(status) => status.run(place),
        Command::Gen(Gen { what: GenWhat::Keys }) => commands::keys::run(),
        Command::Gen(Gen { what: GenWhat::Types(types) }) => types.run(place),
        Command::Migration(migration) => migration.run(place),
        Command::Db(db) => db.run(place),
        Command::Copy(copy) => copy.run(place),
        Command::Doctor(doctor) => doctor.run(place),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            let mut cause = failure.source();
            while let Some(reason) = cause {
                eprintln!("  because: {reason}");
                cause = reason.source();
            }
            ExitCode::FAILURE
        }
    }
}

/// What a command ends with when it fails: exit code 1 and this text.
type Failure = Box<dyn std::error::Error + Send + Sync>;
