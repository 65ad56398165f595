//! `basalt db reset`.

use basalt_sqlite::SqliteEngine;
use clap::{Args, Subcommand};

use crate::commands::migration::{apply, summary};
use crate::lock::ProjectLock;
use crate::{Failure, Place};

/// Work with the database.
#[derive(Debug, Args)]
pub struct Db {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Remove the database, then apply all migrations and the seed to a new one. The server must not run.
    Reset,
}

impl Db {
    /// Runs the command.
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        let What::Reset = self.what;
        let (project, settings) = place.open(&[])?;
        if settings.database.url.is_some() {
            return Err("db reset removes the embedded file; a PostgreSQL database is its server's to drop and create".into());
        }
        // What would be refused is refused while the old database is still there.
        let report = crate::commands::migration::check(&project, &settings)?;
        if !report.is_clean() {
            return Err(
                format!("nothing was changed, because some statements do not run on SQLite\n\n{}", report.to_text()).into()
            );
        }
        let state = project.make_state()?;
        let _lock = ProjectLock::take(&state, "db reset")?;
        SqliteEngine::remove_files(&project.database())?;
        let engine = SqliteEngine::open(crate::database::file_options(&project, &settings))?;
        let applied = apply(&*engine, &project, &settings, true)?;
        engine.close();
        println!("The database is new. {}", summary(&applied));
        Ok(())
    }
}
