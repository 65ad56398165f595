//! What is set and of no effect: settings of parts that are not here yet. They are listed once at start and by `doctor`.

use toml::{Table, Value};

use super::document::Document;
use super::environment::Environment;
use super::resolve::bracketed;
use super::table::ALL;

/// Keys of config.toml that need nothing done, each with the reason; `doctor --config` shows those that are set.
pub const NEEDS_NOTHING: [(&str, &str); 17] = [
    ("project_id", "a name for the CLI's containers"),
    ("remotes", "laid over the rest when --project-ref or SUPABASE_PROJECT_ID names its project"),
    ("db.port", "there is no database server"),
    ("db.shadow_port", "there is no database server"),
    ("db.health_timeout", "there is no database server"),
    ("db.major_version", "SQL is PostgreSQL's, compiled for the embedded database"),
    ("db.pooler", "there is no database server"),
    ("auth.email.max_frequency", "no mail is sent"),
    ("auth.email.otp_length", "no mail is sent"),
    ("auth.email.otp_expiry", "no mail is sent"),
    ("auth.rate_limit.email_sent", "no mail is sent"),
    ("auth.rate_limit.sms_sent", "no message is sent"),
    ("auth.rate_limit.anonymous_users", "there are no anonymous sign-ins"),
    ("auth.rate_limit.token_verifications", "no mail or message is sent"),
    ("auth.rate_limit.web3", "there are no such sign-ins"),
    ("studio", "the CLI's own tool"),
    ("analytics", "the CLI's own tool"),
];

/// A key of config.toml that is set and needs nothing done, with the reason.
pub type Idle = (String, &'static str);

/// Keys of config.toml of no effect, and those that need nothing done.
pub fn of_file(cli: &Document) -> (Vec<String>, Vec<Idle>) {
    let mut found = (Vec::new(), Vec::new());
    walk(&cli.table, "", &mut found);
    found
}

fn walk(table: &Table, path: &str, found: &mut (Vec<String>, Vec<Idle>)) {
    for (key, value) in table {
        let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let shown = if value.is_table() { format!("[{full}]") } else { bracketed(&full) };
        if ALL.iter().any(|s| s.cli == Some(full.as_str())) {
            continue;
        }
        if let Some((_, why)) = NEEDS_NOTHING.iter().find(|(key, _)| *key == full) {
            found.1.push((shown, why));
            continue;
        }
        let inside = format!("{full}.");
        let has_served =
            ALL.iter().filter_map(|s| s.cli).chain(NEEDS_NOTHING.iter().map(|(k, _)| *k)).any(|k| k.starts_with(&inside));
        match value {
            Value::Table(inner) if has_served || inner.values().all(Value::is_table) => walk(inner, &full, found),
            // A function is on unless it says otherwise; its other switches say how it runs.
            Value::Table(function) if path == "functions" && function.get("enabled").and_then(Value::as_bool) != Some(false) => {
                found.0.push(shown);
            }
            value if is_off(value) => {}
            _ => found.0.push(shown),
        }
    }
}

/// Whether a value asks for nothing: what is switched off has its effect already. A table with switches is off when all of them are.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Boolean(on) => !on,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Table(table) => match switches(table) {
            switches if switches.is_empty() => table.values().all(is_off),
            switches => switches.iter().all(|on| !on),
        },
        _ => false,
    }
}

/// The values of `enabled`, `enable_…` and `…_enabled`, in the tables inside too.
fn switches(table: &Table) -> Vec<bool> {
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            Value::Boolean(on) if key.starts_with("enable") || key.ends_with("_enabled") => found.push(*on),
            Value::Table(inner) => found.extend(switches(inner)),
            _ => {}
        }
    }
    found
}

/// Variables of the originals that are set and of no effect.
pub fn of_environment(env: &Environment) -> Vec<String> {
    let known: Vec<String> = ALL.iter().flat_map(|s| s.variables()).map(|v| v.name).collect();
    let is_theirs = |name: &str| ["GOTRUE_", "PGRST_", "SMTP_"].iter().any(|prefix| name.starts_with(prefix));
    env.names()
        .filter(|name| is_theirs(name) && !known.iter().any(|k| k == name))
        .map(|name| format!("{name} (environment)"))
        .collect()
}
