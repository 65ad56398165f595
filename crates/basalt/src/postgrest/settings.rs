//! What is in force: defaults, the file, the environment, the database; the last one wins. `table.rs` says what each parameter is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use basalt_rest::TxEnd;
use basalt_token::{KeySet, RolePath};
use basalt_types::Secret;

use super::address;
use super::file;
use super::table::{self, APP_SETTINGS, Effect, Kind, Parameter};
use crate::config::{ConfigError, Environment};

/// Where values come from.
pub struct Sources<'a> {
    /// The environment.
    pub env: &'a Environment,
    /// The configuration file.
    pub file: Option<&'a Path>,
    /// `--database`.
    pub address: Option<&'a str>,
    /// What the database says, by names less `pgrst.`.
    pub database: &'a [(String, String)],
}

/// One parameter in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// As text; of a secret too.
    pub text: String,
    /// Where it came from, for people.
    pub origin: String,
}

/// Everything configurable.
#[derive(Debug, Clone)]
pub struct Settings {
    values: BTreeMap<&'static str, Value>,
    /// `app.settings.*`, by their whole names.
    pub app: BTreeMap<String, String>,
    /// What is set and has no effect, with the reason.
    pub idle: Vec<(String, String)>,
    /// The database's address, complete.
    pub address: Secret,
    /// What tokens are verified with.
    pub keys: Option<KeySet>,
    /// Where their role stands.
    pub role_claim: RolePath,
}

impl Settings {
    /// Reads all sources.
    ///
    /// # Errors
    /// The first value that cannot be used, with its place. Secrets are never repeated.
    pub fn read(from: &Sources<'_>) -> Result<Self, ConfigError> {
        let mut settings = Self {
            values: BTreeMap::new(),
            app: BTreeMap::new(),
            idle: Vec::new(),
            address: Secret::new(String::new()),
            keys: None,
            role_claim: RolePath::default(),
        };
        for parameter in table::ALL {
            if let Some(default) = parameter.default {
                settings.values.insert(parameter.name, Value { text: default.to_owned(), origin: "default".to_owned() });
            }
        }
        settings.take_file(from)?;
        settings.take_environment(from.env)?;
        settings.take_database(from.database)?;
        if let Some(address) = from.address {
            settings.values.insert("db-uri", Value { text: address.to_owned(), origin: "flag --database".to_owned() });
        }
        settings.note_idle();
        settings.check_schemas()?;
        settings.read_secrets(from.env)?;
        if settings.integer("admin-server-port").is_some_and(|port| port != 0 && Some(port) == settings.integer("server-port")) {
            return Err(ConfigError("admin-server-port cannot be the same as server-port".into()));
        }
        settings.check_audience()?;
        Ok(settings)
    }

    fn take_file(&mut self, from: &Sources<'_>) -> Result<(), ConfigError> {
        let Some(path) = from.file else { return Ok(()) };
        let label = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|e| ConfigError(format!("{label}: {e}")))?;
        let entries = file::parse(&text, &label, from.env)?;
        // A parameter's own name wins over its older one.
        for is_older in [true, false] {
            for entry in &entries {
                match table::find(&entry.name) {
                    Some(p) if (p.name != entry.name) == is_older => {
                        self.put(p, &entry.name, entry.value.clone(), format!("{label}:{}", entry.line))?;
                    }
                    Some(_) => {}
                    None if !is_older => continue,
                    None if entry.name.starts_with(APP_SETTINGS) => {
                        self.app.insert(entry.name.clone(), entry.value.clone());
                    }
                    None => self
                        .idle
                        .push((format!("{label}:{} {}", entry.line, entry.name), "PostgREST has no such parameter".into())),
                }
            }
        }
        Ok(())
    }

    fn take_environment(&mut self, env: &Environment) -> Result<(), ConfigError> {
        for parameter in table::ALL {
            for name in parameter.older.into_iter().chain([parameter.name]) {
                let variable = table::variable(name);
                if let Some(text) = env.get(&variable).or_else(|| env.is_empty(&variable).then_some("")) {
                    let origin = format!("environment {variable}");
                    self.put(parameter, &variable, text.to_owned(), origin)?;
                }
            }
        }
        for name in env.names().filter(|name| name.starts_with("PGRST_")) {
            if let Some(app) = name.strip_prefix("PGRST_APP_SETTINGS_") {
                self.app.insert(format!("{APP_SETTINGS}{app}"), env.get(name).unwrap_or_default().to_owned());
                continue;
            }
            let is_known = |p: &Parameter| p.older.into_iter().chain([p.name]).any(|n| table::variable(n) == name);
            if !table::ALL.iter().any(is_known) {
                self.idle.push((name.to_owned(), "PostgREST has no such parameter".into()));
            }
        }
        Ok(())
    }

    fn take_database(&mut self, said: &[(String, String)]) -> Result<(), ConfigError> {
        for (name, text) in said {
            let shown = format!("pgrst.{name}");
            match table::ALL.iter().find(|p| p.database_name() == *name) {
                Some(p) if p.in_database => self.put(p, &shown, text.clone(), format!("database {shown}"))?,
                Some(_) => self.idle.push((shown, "the database cannot set it".into())),
                None => self.idle.push((shown, "PostgREST has no such parameter".into())),
            }
        }
        Ok(())
    }

    /// Takes a value that is of the parameter's kind. Without text a parameter is as if not set, except lists.
    fn put(&mut self, parameter: &'static Parameter, shown: &str, text: String, origin: String) -> Result<(), ConfigError> {
        if text.is_empty() && parameter.name != "db-extra-search-path" {
            return Ok(());
        }
        let text = if parameter.kind == Kind::Boolean {
            truth(&text).ok_or_else(|| wrong(&origin, shown, "true or false"))?.to_string()
        } else {
            text
        };
        match parameter.kind {
            Kind::Integer(least, most) if !text.trim().parse::<u64>().is_ok_and(|n| (least..=most).contains(&n)) => {
                return Err(wrong(&origin, shown, &format!("a whole number from {least} to {most}")));
            }
            Kind::Choice(words) if !words.contains(&text.as_str()) => {
                return Err(wrong(&origin, shown, &format!("one of {}", words.join(", "))));
            }
            Kind::Mode if !u32::from_str_radix(&text, 8).is_ok_and(|mode| (0o600..=0o777).contains(&mode)) => {
                return Err(wrong(&origin, shown, "an octal number between 600 and 777"));
            }
            Kind::ServerUrl if !is_server_url(&text) => {
                return Err(wrong(&origin, shown, "a URL such as https://example.com:8443/basePath"));
            }
            _ => {}
        }
        self.values.insert(parameter.name, Value { text, origin });
        Ok(())
    }

    /// What was set and does nothing.
    fn note_idle(&mut self) {
        for parameter in table::ALL {
            if let (Effect::Nothing(why), Some(value)) = (parameter.effect, self.values.get(parameter.name))
                && value.origin != "default"
            {
                self.idle.push((format!("{} ({})", parameter.name, value.origin), why.to_owned()));
            }
        }
    }

    fn check_schemas(&self) -> Result<(), ConfigError> {
        for schema in self.list("db-schemas") {
            if matches!(schema.as_str(), "pg_catalog" | "information_schema" | "") {
                return Err(ConfigError(format!("db-schemas does not allow schema: '{schema}'")));
            }
        }
        Ok(())
    }

    /// An audience with a colon must be a URI.
    fn check_audience(&self) -> Result<(), ConfigError> {
        let Some((scheme, rest)) = self.text("jwt-aud").and_then(|aud| aud.split_once(':')) else { return Ok(()) };
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        let is_rest = rest.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
        if is_scheme && is_rest { Ok(()) } else { Err(ConfigError("jwt-aud should be a string or a valid URI".into())) }
    }

    fn read_secrets(&mut self, env: &Environment) -> Result<(), ConfigError> {
        let address = self.text("db-uri").unwrap_or_default();
        let address = match address.strip_prefix('@') {
            Some(path) => read_file("db-uri", path)?.trim().to_owned(),
            None => address.to_owned(),
        };
        self.address = Secret::new(address::complete(&address, env));
        if let Some(text) = self.text("jwt-secret") {
            let text = match text.strip_prefix('@') {
                Some(path) => {
                    let text = read_file("jwt-secret", path)?;
                    text.strip_suffix('\n').unwrap_or(&text).to_owned()
                }
                None => text.to_owned(),
            };
            let bytes = if self.boolean("jwt-secret-is-base64") {
                base64(&text).ok_or_else(|| ConfigError("jwt-secret is not base64, as jwt-secret-is-base64 has it".into()))?
            } else {
                text.into_bytes()
            };
            self.keys = Some(KeySet::parse(&bytes).map_err(|e| ConfigError(format!("jwt-secret: {e}")))?);
        }
        if let Some(path) = self.text("jwt-role-claim-key") {
            self.role_claim = RolePath::parse(path).map_err(|e| ConfigError(format!("jwt-role-claim-key: {e}")))?;
        }
        Ok(())
    }

    /// Every parameter with its value, in the table's order.
    pub fn rows(&self) -> impl Iterator<Item = (&'static Parameter, Option<&Value>)> {
        table::ALL.iter().map(|p| (p, self.values.get(p.name)))
    }

    /// A text that is set.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|v| v.text.as_str()).filter(|t| !t.is_empty())
    }

    /// A list's items.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.text(name).map_or_else(Vec::new, |text| text.split(',').map(|item| item.trim().to_owned()).collect())
    }

    /// A number that is set.
    pub fn integer(&self, name: &str) -> Option<u64> {
        self.text(name)?.trim().parse().ok()
    }

    /// A truth value.
    pub fn boolean(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// A file's mode.
    pub fn mode(&self, name: &str) -> u32 {
        self.text(name).and_then(|text| u32::from_str_radix(text, 8).ok()).unwrap_or(0o660)
    }

    /// A file's path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// `db-tx-end`.
    pub fn tx_end(&self) -> TxEnd {
        self.text("db-tx-end").and_then(TxEnd::of).unwrap_or_default()
    }

    /// Takes what a reload changes; what it does not change stays as it was.
    pub fn take_reloaded(&mut self, newer: Self) {
        let kept: Vec<(&'static str, Option<Value>)> =
            table::ALL.iter().filter(|p| !p.reloads).map(|p| (p.name, self.values.get(p.name).cloned())).collect();
        *self = newer;
        for (name, value) in kept {
            match value {
                Some(value) => self.values.insert(name, value),
                None => self.values.remove(name),
            };
        }
    }

    /// A configuration file that says what is in force, secrets masked.
    pub fn dump(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$"));
        let mut lines: Vec<String> = self
            .rows()
            .map(|(parameter, value)| {
                let text = value.map_or("", |v| v.text.as_str());
                let shown = match parameter.kind {
                    Kind::Secret if !text.is_empty() => "\"(secret)\"".to_owned(),
                    Kind::Boolean => text.to_owned(),
                    Kind::Integer(..) if !text.is_empty() => text.to_owned(),
                    _ => quoted(text),
                };
                format!("{} = {shown}", parameter.name)
            })
            .collect();
        // What is handed to SQL this way is often a secret.
        lines.extend(self.app.keys().map(|name| format!("{name} = \"(secret)\"")));
        lines.sort();
        lines.push(String::new());
        lines.join("\n")
    }
}

/// As PostgREST reads truth: any case, and numbers.
fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        number => number.parse::<i64>().ok().map(|n| n > 0),
    }
}

/// An absolute http or https URL with a host, without user, query and fragment, whose port is one.
fn is_server_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|n| n > 0);
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
        && !host.is_empty()
        && port.is_none_or(|port| port.is_empty() || is_port(port))
        && !rest.contains(|c: char| matches!(c, '?' | '#' | '@') || c.is_whitespace() || c.is_control())
}

fn wrong(origin: &str, shown: &str, expected: &str) -> ConfigError {
    if origin.contains(shown) {
        ConfigError(format!("{origin}: it must be {expected}"))
    } else {
        ConfigError(format!("{origin}: {shown} must be {expected}"))
    }
}

fn read_file(name: &str, path: &str) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|e| ConfigError(format!("{name} names the file {path}: {e}")))
}

/// Base64 in the alphabet of files or of URLs, padded or not.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in text.trim().trim_end_matches(['=', '.']).bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).unwrap_or(0));
            bits &= (1 << held) - 1;
        }
    }
    // What is left over of the last digit is padding.
    (held < 6 && bits == 0).then_some(out)
}

#[cfg(test)]
mod tests;
