//! The process's environment together with the project's `.env` files. Nothing else reads the environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Variables by name, each with where it was found.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, Variable>);

#[derive(Debug, Clone)]
struct Variable {
    value: String,
    /// The `.env` file; `None`: the process's own environment.
    file: Option<String>,
}

impl Environment {
    /// The process's environment and the `.env` files of these folders, shown as paths below `root`.
    ///
    /// As with the Supabase CLI, the process's own variables win over files', the first folder's over later ones', and in a folder
    /// `.env.development.local` over `.env.local`, `.env.development` and `.env`. `SUPABASE_ENV` names another environment than
    /// `development`; with `test` there is no `.env.local`. Source: supabase/cli, `pkg/config/config.go`, `loadDefaultEnv`.
    pub fn read(folders: &[&Path], root: &Path) -> Self {
        let own: BTreeMap<String, String> = std::env::vars().collect();
        let stage = own.get("SUPABASE_ENV").filter(|s| !s.is_empty()).map_or("development", String::as_str);
        let mut names = vec![format!(".env.{stage}.local")];
        if stage != "test" {
            names.push(".env.local".to_owned());
        }
        names.extend([format!(".env.{stage}"), ".env".to_owned()]);
        let mut all = BTreeMap::new();
        for folder in folders {
            for name in &names {
                let path = folder.join(name);
                let Ok(text) = fs::read_to_string(&path) else { continue };
                let file = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                for (name, value) in parse(&text) {
                    all.entry(name).or_insert_with(|| Variable { value, file: Some(file.clone()) });
                }
            }
        }
        all.extend(own.into_iter().map(|(name, value)| (name, Variable { value, file: None })));
        Self(all)
    }

    /// The process's environment alone.
    pub fn of_process() -> Self {
        Self::read(&[], Path::new("."))
    }

    /// Made-up variables, for tests.
    #[cfg(test)]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(k, v)| ((*k).to_owned(), Variable { value: (*v).to_owned(), file: None })).collect())
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|v| v.value.as_str()).filter(|v| !v.is_empty())
    }

    /// Whether a variable is set to the empty text.
    pub fn is_empty(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|v| v.value.is_empty())
    }

    /// Where a variable was found, for people: the `.env` file, or the environment.
    pub fn place(&self, name: &str) -> &str {
        self.0.get(name).and_then(|v| v.file.as_deref()).unwrap_or("the environment")
    }

    /// Names of variables that are set and not empty, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, v)| !v.value.is_empty()).map(|(name, _)| name.as_str())
    }
}

/// The variable that `env(NAME)` stands for.
pub fn variable_of(text: &str) -> Option<&str> {
    text.strip_prefix("env(").and_then(|t| t.strip_suffix(')'))
}

/// `NAME=value` lines: comments, `export`, quotes (double ones with `\n` and `\"`), and `$NAME` or `${NAME}` of an earlier line,
/// except in single quotes.
fn parse(text: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let line = line.trim().trim_start_matches("export ");
        let Some((name, value)) = line.split_once('=') else { continue };
        let name = name.trim();
        if name.is_empty() || name.starts_with('#') || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            continue;
        }
        let value = value.trim();
        let value = if let Some(inner) = value.strip_prefix('"').and_then(|v| v.rsplit_once('"')).map(|(v, _)| v) {
            substitute(&inner.replace("\\n", "\n").replace("\\\"", "\""), &pairs)
        } else if let Some(inner) = value.strip_prefix('\'').and_then(|v| v.rsplit_once('\'')).map(|(v, _)| v) {
            inner.to_owned()
        } else {
            substitute(value.split(" #").next().unwrap_or_default().trim(), &pairs)
        };
        pairs.push((name.to_owned(), value));
    }
    pairs
}

/// Replaces `$NAME` and `${NAME}` (upper case, as the CLI's reader has it); `\$` is a dollar sign.
fn substitute(text: &str, earlier: &[(String, String)]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        let after = after.get(1..).unwrap_or_default();
        if let Some(kept) = before.strip_suffix('\\') {
            out.push_str(kept);
            out.push('$');
            rest = after;
            continue;
        }
        out.push_str(before);
        let braced = after.strip_prefix('{');
        let name_from = braced.unwrap_or(after);
        let end = name_from
            .bytes()
            .position(|b| !(b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'))
            .unwrap_or(name_from.len());
        let (name, tail) = name_from.split_at(end);
        let tail = if braced.is_some() { tail.strip_prefix('}') } else { Some(tail) };
        match tail {
            Some(tail) if !name.is_empty() => {
                out.push_str(earlier.iter().rev().find(|(n, _)| n == name).map_or("", |(_, value)| value));
                rest = tail;
            }
            _ => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_files() {
        let text = "# comment\nA=1\nexport B = two # said\nC='$A #x'\nD=\"a\\nb \\\"q\\\" ${A}\"\nE=$A-$B-\\$A-${nope}\nbad name=1\nF=\n=x\n";
        let expected = [("A", "1"), ("B", "two"), ("C", "$A #x"), ("D", "a\nb \"q\" 1"), ("E", "1-two-$A-${nope}"), ("F", "")];
        let found = parse(text);
        let found: Vec<(&str, &str)> = found.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(found, expected);
    }
}
