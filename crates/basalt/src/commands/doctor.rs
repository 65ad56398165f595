//! `basalt doctor`: what of the project runs and which settings are in force, without touching anything.

use basalt_types::{SystemClock, SystemRng};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::config::{Row, Settings};
use crate::project::Project;
use crate::secrets::Secrets;
use crate::{Failure, Place, postgrest};

/// Say what of the project runs, what does not and why, without touching anything.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Show every setting in force and where its value came from, secrets masked, instead of checking the migrations.
    #[arg(long)]
    config: bool,
    /// The form of the output.
    #[arg(short, long, value_enum, default_value_t = Form::Pretty)]
    output: Form,
    /// As `-o json`.
    #[arg(long)]
    json: bool,
    /// As `serve` would be started.
    #[arg(long, value_name = "ADDR", requires = "config")]
    listen: Option<String>,
    /// As `serve --bootstrap off` would be started.
    #[arg(long, value_parser = ["off"], value_name = "off", requires = "config")]
    bootstrap: Option<String>,
    #[command(flatten)]
    postgrest: postgrest::Choice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Pretty,
    Json,
}

/// What stands for a secret that is set.
const MASK: &str = "(secret)";

impl Doctor {
    /// Runs the command: fails when something would be refused.
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        if self.bootstrap.is_some() || self.postgrest.postgrest_config.is_some() {
            return postgrest::show(&place.given(&self.postgrest, None)?, self.json || self.output == Form::Json);
        }
        let (project, mut settings) = place.open(&crate::serve::listen_flag(self.listen.as_deref()))?;
        let is_json = self.json || self.output == Form::Json;
        if self.config {
            settings.rows = with_keys(std::mem::take(&mut settings.rows), &project);
            if is_json {
                println!("{}", serde_json::to_string_pretty(&as_json(&settings))?);
            } else {
                print_settings(&settings);
            }
            // What `serve` would refuse.
            Secrets::check(&project.state(), &settings.keys, &SystemRng, &SystemClock)?;
            return Ok(());
        }
        let report = crate::commands::migration::check(&project, &settings)?;
        if is_json {
            println!("{}", report.to_json());
        } else {
            println!("project     {}", project.root.display());
            println!("settings    {} and basalt.toml are valid", project.folder.join("config.toml").display());
            if !settings.unserved.is_empty() {
                println!("no effect   {}", settings.unserved.join(", "));
            }
            if !settings.unset_variables.is_empty() {
                println!("not set     {}", settings.unset_variables.join(", "));
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

/// Says where keys come from that no setting gives.
fn with_keys(mut rows: Vec<Row>, project: &Project) -> Vec<Row> {
    let is_signed_anew = rows.iter().any(|r| r.name == "auth.jwt_secret" && r.is_set);
    let stored = if project.state().join("secrets").exists() { ".basalt/secrets" } else { "made at the first start" };
    for row in rows.iter_mut().filter(|row| row.is_secret && !row.is_set && row.name.starts_with("auth.")) {
        let is_legacy = matches!(row.name, "auth.anon_key" | "auth.service_role_key");
        row.is_set = true;
        row.origin = if is_legacy && is_signed_anew { "signed with auth.jwt_secret".into() } else { stored.into() };
    }
    rows
}

fn print_settings(settings: &Settings) {
    let values: Vec<String> = settings
        .rows
        .iter()
        .map(|row| match &row.value {
            Some(value) => value.to_string().replace('\n', "\\n"),
            None if row.is_secret => MASK.to_owned(),
            None => "-".to_owned(),
        })
        .collect();
    let name_width = settings.rows.iter().map(|r| r.name.len()).max().unwrap_or(0);
    // One long value does not push all origins out of sight.
    let value_width = values.iter().map(|v| v.chars().count()).filter(|n| *n <= 40).max().unwrap_or(0);
    for (row, value) in settings.rows.iter().zip(&values) {
        println!("{:<name_width$}  {value:<value_width$}  {}", row.name, row.origin);
    }
    println!();
    if let Some(remote) = &settings.remote {
        println!("in force       [remotes.{remote}]");
    }
    for name in &settings.unset_variables {
        println!("not set        {name}");
    }
    for key in &settings.unserved {
        println!("no effect      {key}");
    }
    for (key, why) in &settings.idle {
        println!("needs nothing  {key}: {why}");
    }
}

fn as_json(settings: &Settings) -> serde_json::Value {
    let rows: Vec<serde_json::Value> = settings
        .rows
        .iter()
        .map(|row| {
            let value = match &row.value {
                Some(value) => value.to_json(),
                None if row.is_secret => MASK.into(),
                None => serde_json::Value::Null,
            };
            json!({"name": row.name, "value": value, "from": row.origin, "secret": row.is_secret, "about": row.about})
        })
        .collect();
    let idle: Vec<serde_json::Value> = settings.idle.iter().map(|(key, why)| json!({"key": key, "because": why})).collect();
    json!({
        "settings": rows,
        "remote": settings.remote,
        "unset_variables": settings.unset_variables,
        "no_effect": settings.unserved,
        "needs_nothing": idle,
    })
}
