//! The process's environment together with the project's `.env` files. Nothing else reads the environment.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Variables by name; the process's own win over those of `.env` files, as with the CLI.
#[derive(Debug, Clone, Default)]
pub struct Environment(HashMap<String, String>);

impl Environment {
    /// The process's environment and the `.env` files of these folders, the first folder's winning.
    pub fn read(folders: &[&Path]) -> Self {
        let mut all = HashMap::new();
        for folder in folders.iter().rev() {
            for name in [".env", ".env.local"] {
                if let Ok(text) = fs::read_to_string(folder.join(name)) {
                    all.extend(parse(&text));
                }
            }
        }
        all.extend(std::env::vars());
        Self(all)
    }

    /// Made-up variables, for tests.
    #[cfg(test)]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|v| !v.is_empty()).cloned()
    }

    /// The first of several names that is set.
    pub fn get_any(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|n| self.get(n))
    }

    /// Replaces `env(NAME)` by the variable's value, as the CLI does in config.toml; an unset one stays as written.
    pub fn expand(&self, text: &str) -> String {
        match text.strip_prefix("env(").and_then(|t| t.strip_suffix(')')) {
            Some(name) => self.get(name).unwrap_or_else(|| text.to_owned()),
            None => text.to_owned(),
        }
    }
}

/// `NAME=value` lines: comments, `export`, single and double quotes (double ones with \n and \").
fn parse(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for line in text.lines() {
        let line = line.trim().trim_start_matches("export ");
        let Some((name, value)) = line.split_once('=') else { continue };
        let name = name.trim();
        if name.is_empty() || name.starts_with('#') || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            continue;
        }
        let value = value.trim();
        let value = if let Some(inner) = value.strip_prefix('"').and_then(|v| v.rsplit_once('"')).map(|(v, _)| v) {
            inner.replace("\\n", "\n").replace("\\\"", "\"")
        } else if let Some(inner) = value.strip_prefix('\'').and_then(|v| v.rsplit_once('\'')).map(|(v, _)| v) {
            inner.to_owned()
        } else {
            value.split(" #").next().unwrap_or_default().trim().to_owned()
        };
        pairs.push((name.to_owned(), value));
    }
    pairs
}
