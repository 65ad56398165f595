//! `basalt doctor`: what of the project runs, without touching anything.

use std::path::Path;

use clap::Args;

use crate::Failure;
use crate::config::{Environment, Settings};
use crate::project::Project;

/// Say what of the project runs, what does not and why, without touching anything.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Machine-readable output.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    /// Runs the command: fails when something would be refused.
    pub fn run(self, project: Option<&Path>) -> Result<(), Failure> {
        let project = Project::find(project)?;
        let env = Environment::read(&[&project.folder, &project.root]);
        let settings = Settings::load(&project, &env)?;
        let report = crate::commands::migration::check(&project, &settings)?;
        if self.json {
            println!("{}", report.to_json());
        } else {
            println!("project     {}", project.root.display());
            println!("settings    {} and basalt.toml are valid", project.folder.join("config.toml").display());
            if !settings.unserved.is_empty() {
                println!("no effect   {}", settings.unserved.join(", "));
            }
            println!("{}", report.to_text());
        }
        if report.is_clean() {
            Ok(())
        } else {
            Err("some of the project's SQL does not run on SQLite; see the report above".into())
        }
    }
}
