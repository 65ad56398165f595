//! `basalt init`: a new project folder, closed by default.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::project::ProjectError;
use crate::{Failure, Place};

/// Make a new project in a folder.
#[derive(Debug, Args)]
pub struct Init {
    /// Where; by default `--project`, else the current folder.
    directory: Option<PathBuf>,
}

const CONFIG: &str = include_str!("init/config.toml");
const OWN: &str = include_str!("init/basalt.toml");
const SEED: &str = "-- Rows for development. Runs once, after the migrations, when the database is new.\n";

impl Init {
    /// Runs the command. Nothing that exists is changed.
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        let root = self.directory.as_deref().or(place.project.as_deref()).unwrap_or(Path::new("."));
        let folder = root.join("supabase");
        if folder.join("config.toml").exists() || root.join("basalt").join("config.toml").exists() {
            return Err(format!("{} already has a project; nothing was changed", root.display()).into());
        }
        let migrations = folder.join("migrations");
        fs::create_dir_all(&migrations).map_err(ProjectError::io(&migrations))?;
        let name = fs::canonicalize(root)
            .ok()
            .and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()))
            .unwrap_or_else(|| "app".into());
        let safe: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' }).collect();
        for (file, text) in
            [("config.toml", CONFIG.replace("PROJECT_ID", &safe)), ("basalt.toml", OWN.to_owned()), ("seed.sql", SEED.to_owned())]
        {
            let path = folder.join(file);
            if !path.exists() {
                fs::write(&path, text).map_err(ProjectError::io(&path))?;
            }
        }
        println!("Made {}. Next:", folder.display());
        println!("  basalt migration new create_todos   write your first table");
        println!("  basalt serve                        apply it and serve");
        Ok(())
    }
}
