//! A settings file: its values with `env(NAME)` replaced, and where in the file each stands.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::ConfigError;
use super::environment::{Environment, variable_of};

/// The names of the tables a key stands in, and its own.
type KeyPath = Vec<String>;

/// A settings file. One that does not exist is empty.
#[derive(Debug, Default)]
pub struct Document {
    /// Its path below the project's folder, for messages.
    pub label: String,
    /// Its values.
    pub table: Table,
    marks: BTreeMap<KeyPath, Mark>,
}

/// What is known of one key besides its value.
#[derive(Debug, Clone, Default)]
pub struct Mark {
    /// Counted from 1.
    pub line: usize,
    /// The first variable that `env(NAME)` in its value names.
    pub variable: Option<String>,
    /// Variables of its value that are not set.
    pub unset: Vec<String>,
    /// The block of `[remotes]` it was taken from.
    pub remote: Option<String>,
}

impl Document {
    /// Reads a file; the label is its path below `root`.
    ///
    /// # Errors
    /// When it cannot be read or is not TOML. The text never shows a line of the file, which may hold a secret.
    pub fn read(path: &Path, root: &Path, env: &Environment) -> Result<Self, ConfigError> {
        let label = path.strip_prefix(root).unwrap_or(path).display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self { label, ..Self::default() }),
            Err(e) => return Err(ConfigError(format!("{label}: {e}"))),
        };
        let wrong = |error: toml::de::Error| {
            let line = error.span().map(|span| format!(":{}", line_of(&text, span.start))).unwrap_or_default();
            ConfigError(format!("{label}{line}: {}", error.message()))
        };
        let mut table: Table = text.parse().map_err(wrong)?;
        let spans = DeTable::parse(&text).map_err(wrong)?;
        let mut marks = BTreeMap::new();
        mark(spans.get_ref(), &text, &mut Vec::new(), &mut marks);
        expand(&mut table, env, &mut Vec::new(), &mut marks);
        Ok(Self { label, table, marks })
    }

    /// The value of a dotted key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let mut parts = key.split('.');
        let mut at = self.table.get(parts.next()?)?;
        for part in parts {
            at = at.as_table()?.get(part)?;
        }
        Some(at)
    }

    /// What is known of a dotted key.
    pub fn mark(&self, key: &str) -> Mark {
        let path: KeyPath = key.split('.').map(str::to_owned).collect();
        self.marks.get(&path).cloned().unwrap_or_default()
    }

    /// Lays the block `[remotes.*]` whose `project_id` is this one over the rest, as the Supabase CLI does: each key it has replaces
    /// the base's, and `db.seed.enabled` is false unless the block sets it. Answers the block's name.
    ///
    /// # Errors
    /// Blocks that the CLI refuses: without the id of a project, or with another block's.
    /// Source: supabase/cli, `pkg/config/config.go`, `loadFromFile`, `mergeRemoteConfig` and `Validate`.
    pub fn apply_remote(&mut self, project: Option<&str>) -> Result<Option<String>, ConfigError> {
        let Some(Value::Table(remotes)) = self.table.get("remotes").cloned() else { return Ok(None) };
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        let mut chosen = None;
        for (name, block) in &remotes {
            let id = block.get("project_id").and_then(Value::as_str).unwrap_or_default();
            let place = format!("{}:{}: [remotes.{name}]", self.label, self.mark(&format!("remotes.{name}")).line);
            if id.len() != 20 || !id.bytes().all(|b| b.is_ascii_lowercase()) {
                return Err(ConfigError(format!("{place} project_id must be a project's id, like abcdefghijklmnopqrst")));
            }
            if let Some(other) = seen.insert(id, name) {
                return Err(ConfigError(format!("{place} has the project_id of [remotes.{other}]")));
            }
            if Some(id) == project {
                chosen = Some((name, block));
            }
        }
        let Some((name, Value::Table(block))) = chosen else { return Ok(None) };
        let seeds = block.get("db").and_then(|db| db.get("seed")).and_then(|seed| seed.get("enabled")).is_some();
        self.overlay(name, block, &mut Vec::new());
        if !seeds {
            let mut off = Table::new();
            off.insert("enabled".into(), Value::Boolean(false));
            self.overlay(name, &off, &mut vec!["db".to_owned(), "seed".to_owned()]);
        }
        Ok(Some(name.clone()))
    }

    fn overlay(&mut self, remote: &str, from: &Table, path: &mut KeyPath) {
        for (key, value) in from {
            path.push(key.clone());
            if let Value::Table(inner) = value {
                self.overlay(remote, inner, path);
            } else {
                let own: KeyPath = ["remotes", remote].into_iter().map(str::to_owned).chain(path.iter().cloned()).collect();
                let header: KeyPath = vec!["remotes".to_owned(), remote.to_owned()];
                let mut mark = self.marks.get(&own).or_else(|| self.marks.get(&header)).cloned().unwrap_or_default();
                mark.remote = Some(remote.to_owned());
                self.marks.insert(path.clone(), mark);
                put(&mut self.table, path, value.clone());
            }
            path.pop();
        }
    }
}

/// Sets a value, making the tables on its way; what stands there and is no table is replaced.
fn put(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => {
            table.insert(key.clone(), value);
        }
        [key, rest @ ..] => {
            let inner = table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
            if !inner.is_table() {
                *inner = Value::Table(Table::new());
            }
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

fn mark(table: &DeTable<'_>, text: &str, path: &mut KeyPath, marks: &mut BTreeMap<KeyPath, Mark>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        marks.insert(path.clone(), Mark { line: line_of(text, key.span().start), ..Mark::default() });
        if let DeValue::Table(inner) = value.get_ref() {
            mark(inner, text, path, marks);
        }
        path.pop();
    }
}

fn expand(table: &mut Table, env: &Environment, path: &mut KeyPath, marks: &mut BTreeMap<KeyPath, Mark>) {
    for (key, value) in table.iter_mut() {
        path.push(key.clone());
        match value {
            Value::Table(inner) => expand(inner, env, path, marks),
            value => {
                let mark = marks.entry(path.clone()).or_default();
                expand_value(value, env, mark);
            }
        }
        path.pop();
    }
}

/// Replaces `env(NAME)` by the variable's value; an unset one stays as written, as with the CLI (`LoadEnvHook`).
fn expand_value(value: &mut Value, env: &Environment, mark: &mut Mark) {
    match value {
        Value::String(text) => {
            let Some(name) = variable_of(text).map(str::to_owned) else { return };
            match env.get(&name) {
                Some(found) => *text = found.to_owned(),
                None => mark.unset.push(name.clone()),
            }
            mark.variable.get_or_insert(name);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| expand_value(item, env, mark)),
        _ => {}
    }
}
