//! `--bootstrap off`: any existing database, served as PostgREST serves it, with PostgREST's settings, and nothing made in it.
//!
//! It is a way of its own from the command line on: no project folder, no keys, no auth. What the Supabase-compatible server reads of
//! `PGRST_…` variables (`config/table.rs`) opens nothing there; what this one reads, it reads only here.
//!
//! `table.rs` has a row for each parameter: begin there. `settings.rs` finds their values, `serve.rs` puts the parts together.

mod address;
mod doctor;
mod file;
mod serve;
mod settings;
mod table;

use std::path::PathBuf;

use clap::Args;

pub use doctor::show;
pub use serve::run;

/// What chooses this way of serving, besides `--bootstrap off`.
#[derive(Debug, Clone, Args)]
pub struct Choice {
    /// PostgREST's configuration file. Implies --bootstrap off.
    #[arg(long, value_name = "FILE")]
    pub postgrest_config: Option<PathBuf>,
}

/// Where settings come from, as far as the command line says it.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// `--database`.
    pub address: Option<String>,
    /// `--listen`.
    pub listen: Option<String>,
}
