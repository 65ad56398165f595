//! `basalt doctor --config --bootstrap off`: every parameter in force, where its value came from, and what has no effect. It connects
//! to nothing, so what the database would set is not among them.

use serde_json::json;

use super::Given;
use super::settings::{Settings, Sources};
use super::table::{Effect, Kind};
use crate::Failure;
use crate::config::Environment;

/// What stands for a secret that is set.
const MASK: &str = "(secret)";

/// Prints what is in force.
///
/// # Errors
/// A value that cannot be used.
pub fn show(given: &Given, is_json: bool) -> Result<(), Failure> {
    let env = Environment::of_process();
    let from = Sources { env: &env, file: given.file.as_deref(), address: given.address.as_deref(), database: &[] };
    let settings = Settings::read(&from)?;
    let rows: Vec<(&str, Option<String>, String)> = settings
        .rows()
        .map(|(parameter, value)| {
            let text = value.map(|v| if parameter.kind == Kind::Secret { MASK.to_owned() } else { v.text.clone() });
            (parameter.name, text, value.map_or_else(|| "not set".to_owned(), |v| v.origin.clone()))
        })
        .collect();
    if is_json {
        let shown: Vec<serde_json::Value> =
            rows.iter().map(|(name, value, origin)| json!({"name": name, "value": value, "from": origin})).collect();
        let idle: Vec<serde_json::Value> = settings.idle.iter().map(|(name, why)| json!({"key": name, "because": why})).collect();
        let app: Vec<&String> = settings.app.keys().collect();
        let document =
            json!({"settings": shown, "app_settings": app, "no_effect": idle, "from_database": settings.boolean("db-config")});
        println!("{}", serde_json::to_string_pretty(&document)?);
        return Ok(());
    }
    let width = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    for (name, value, origin) in &rows {
        println!("{name:<width$}  {:<24}  {origin}", value.as_deref().unwrap_or("-"));
    }
    println!();
    for name in settings.app.keys() {
        println!("for SQL        {name}");
    }
    if settings.boolean("db-config") {
        println!("not looked at  what the database sets under pgrst.*; --bootstrap off of `serve` reads it");
    }
    for (name, why) in &settings.idle {
        println!("no effect      {name}: {why}");
    }
    for (parameter, _) in settings.rows() {
        if let Effect::Nothing(why) = parameter.effect {
            println!("never an effect  {}: {why}", parameter.name);
        }
    }
    Ok(())
}
