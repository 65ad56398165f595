//! How one setting comes by its value: flag, environment, basalt.toml, config.toml, default, in this order; and what is kept of it
//! for `doctor --config`.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use toml::Value;

use super::document::Document;
use super::environment::{Environment, variable_of};
use super::table::{Kind, Setting};
use super::{ConfigError, parse_listen};

/// A value of a setting's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// [`Kind::Text`], [`Kind::Secret`] and [`Kind::Choice`].
    Text(String),
    /// [`Kind::List`] and [`Kind::Secrets`].
    List(Vec<String>),
    /// [`Kind::Integer`].
    Integer(u64),
    /// [`Kind::ByRole`], in the order of the names.
    ByRole(Vec<(String, u64)>),
    /// [`Kind::Boolean`].
    Boolean(bool),
    /// [`Kind::Duration`].
    Duration(Duration),
    /// [`Kind::Address`].
    Address(SocketAddr),
}

impl fmt::Display for Typed {
    /// As basalt.toml would have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{}", Value::String(text.clone())),
            Self::List(items) => {
                write!(f, "{}", Value::Array(items.iter().cloned().map(Value::String).collect()))
            }
            Self::Integer(n) => write!(f, "{n}"),
            Self::ByRole(all) => {
                let pairs: Vec<String> = all.iter().map(|(role, n)| format!("{} = {n}", Value::String(role.clone()))).collect();
                write!(f, "{{ {} }}", pairs.join(", "))
            }
            Self::Boolean(b) => write!(f, "{b}"),
            Self::Duration(d) => write!(f, "\"{}s\"", d.as_secs_f64()),
            Self::Address(a) => write!(f, "\"{a}\""),
        }
    }
}

impl Typed {
    /// As JSON has it; times in seconds.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::List(items) => items.as_slice().into(),
            Self::Integer(n) => (*n).into(),
            Self::ByRole(all) => all.iter().map(|(role, n)| (role.clone(), serde_json::Value::from(*n))).collect(),
            Self::Boolean(b) => (*b).into(),
            Self::Duration(d) => d.as_secs_f64().into(),
            Self::Address(a) => a.to_string().into(),
        }
    }
}

/// One setting in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its key, of the file it belongs to.
    pub name: &'static str,
    /// Its value; `None`: not set, or a secret.
    pub value: Option<Typed>,
    /// Whether the value is secret; it is then never kept here.
    pub is_secret: bool,
    /// Whether it is set at all.
    pub is_set: bool,
    /// Where it came from, for people.
    pub origin: String,
    /// What it is about.
    pub about: &'static str,
}

/// A flag of the command line that sets a setting.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The setting's name.
    pub setting: &'static str,
    /// As written: `--listen`.
    pub flag: &'static str,
    /// What was given.
    pub value: String,
}

/// Finds values and keeps what was found.
pub struct Resolver<'a> {
    /// The environment with the `.env` files.
    pub env: &'a Environment,
    /// config.toml.
    pub cli: &'a Document,
    /// basalt.toml.
    pub own: &'a Document,
    /// Flags of the command line.
    pub flags: &'a [Flag],
    /// What was found so far.
    pub rows: Vec<Row>,
    /// Variables that settings name and nobody sets.
    pub unset: Vec<String>,
}

impl Resolver<'_> {
    /// The value in force, or the default.
    ///
    /// # Errors
    /// A value that is not of the setting's kind, with its place.
    pub fn take(&mut self, setting: &'static Setting) -> Result<Option<Typed>, ConfigError> {
        let fallback = match setting.default {
            Some(text) => Some(read(setting.kind, &Value::String(text.to_owned())).map_err(|e| wrong("default", setting, &e))?),
            None => None,
        };
        let origin = if fallback.is_some() { "default" } else { "not set" };
        self.take_or(setting, fallback, origin)
    }

    /// The value in force, or one that follows from other settings.
    ///
    /// # Errors
    /// As [`Resolver::take`].
    pub fn take_or(
        &mut self,
        setting: &'static Setting,
        otherwise: Option<Typed>,
        why: &str,
    ) -> Result<Option<Typed>, ConfigError> {
        let (value, origin) = match self.find(setting)? {
            Some((value, origin)) => (Some(value), origin),
            None => (otherwise, why.to_owned()),
        };
        let is_secret = matches!(setting.kind, Kind::Secret | Kind::Secrets);
        // A variable that is not set leaves its name behind, which is no key.
        let value = match value {
            Some(Typed::Text(text)) if is_secret && (text.is_empty() || variable_of(&text).is_some()) => None,
            value => value,
        };
        self.rows.push(Row {
            name: setting.name,
            value: value.clone().filter(|_| !is_secret),
            is_secret,
            is_set: value.is_some(),
            origin,
            about: setting.about,
        });
        Ok(value)
    }

    /// Whether any source sets it.
    pub fn is_given(&self, setting: &'static Setting) -> bool {
        self.flags.iter().any(|f| f.setting == setting.name)
            || setting.variables().iter().any(|v| self.env.get(&v.name).is_some())
            || setting.own.is_some_and(|key| self.own.get(key).is_some())
            || setting.cli.is_some_and(|key| self.cli.get(key).is_some())
    }

    fn find(&mut self, setting: &'static Setting) -> Result<Option<(Typed, String)>, ConfigError> {
        if let Some(flag) = self.flags.iter().find(|f| f.setting == setting.name) {
            let value = read(setting.kind, &Value::String(flag.value.clone())).map_err(|e| wrong(flag.flag, setting, &e))?;
            return Ok(Some((value, format!("flag {}", flag.flag))));
        }
        for variable in setting.variables() {
            let Some(text) = self.env.get(&variable.name) else { continue };
            let place = self.env.place(&variable.name);
            let value = read(setting.kind, &Value::String(text.to_owned()))
                .map_err(|e| ConfigError(format!("{} in {place}: {}", variable.name, shown(setting, text, &e))))?;
            let value = match value {
                Typed::Boolean(b) if variable.is_inverted => Typed::Boolean(!b),
                value => value,
            };
            let origin = if place == "the environment" {
                format!("environment {}", variable.name)
            } else {
                format!("{place} {}", variable.name)
            };
            return Ok(Some((value, origin)));
        }
        for (document, key) in [(self.own, setting.own), (self.cli, setting.cli)] {
            let Some(key) = key else { continue };
            let Some(value) = document.get(key) else { continue };
            let mark = document.mark(key);
            self.unset.extend(mark.unset.iter().filter(|name| !self.unset.contains(name)).cloned().collect::<Vec<_>>());
            let place = format!("{}:{}", document.label, mark.line);
            // With env(NAME), the message shows what is written, not what the variable holds: that may be a secret.
            let written = match &mark.variable {
                Some(name) => format!("env({name})"),
                None => match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                },
            };
            let value = read(setting.kind, value)
                .map_err(|e| ConfigError(format!("{place}: {} = {}", bracketed(key), shown(setting, &written, &e))))?;
            let mut origin = place;
            if let Some(remote) = &mark.remote {
                origin.push_str(&format!(" [remotes.{remote}]"));
            }
            if let Some(name) = &mark.variable {
                let from = match self.env.get(name) {
                    Some(_) => format!(" from {}", self.env.place(name)),
                    None => ", which is not set".to_owned(),
                };
                origin.push_str(&format!(" env({name}){from}"));
            }
            return Ok(Some((value, origin)));
        }
        Ok(None)
    }
}

/// `[a.b] c` of `a.b.c`.
pub fn bracketed(key: &str) -> String {
    match key.rsplit_once('.') {
        Some((table, key)) => format!("[{table}] {key}"),
        None => key.to_owned(),
    }
}

fn wrong(place: &str, setting: &Setting, expected: &str) -> ConfigError {
    ConfigError(format!("{place}: {} must be {expected}", bracketed(setting.name)))
}

/// A refused value, unless it is secret, and what would do.
fn shown(setting: &Setting, text: &str, expected: &str) -> String {
    if matches!(setting.kind, Kind::Secret | Kind::Secrets) {
        format!("it must be {expected}")
    } else {
        format!("\"{text}\" is not {expected}")
    }
}

/// Reads a value, tolerant as the CLI is: a text may stand for a number, a boolean or a list, since `env(NAME)` gives texts.
///
/// # Errors
/// What would do.
fn read(kind: Kind, value: &Value) -> Result<Typed, String> {
    let text = value.as_str();
    match kind {
        Kind::Text | Kind::Secret => text.map(|t| Typed::Text(t.to_owned())).ok_or("a text".into()),
        Kind::Choice(known) => {
            let known_text = || format!("one of {}", known.iter().map(|k| format!("\"{k}\"")).collect::<Vec<_>>().join(", "));
            text.filter(|t| known.contains(t)).map(|t| Typed::Text(t.to_owned())).ok_or_else(known_text)
        }
        Kind::List | Kind::Secrets => match value {
            Value::String(text) => {
                Ok(Typed::List(text.split(',').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()))
            }
            Value::Array(items) => {
                let items: Option<Vec<String>> = items.iter().map(|i| i.as_str().map(str::to_owned)).collect();
                items.map(Typed::List).ok_or("a list of texts".into())
            }
            _ => Err("a list of texts".into()),
        },
        Kind::Integer { least, most } => {
            let number = match value {
                Value::Integer(n) => u64::try_from(*n).ok(),
                Value::String(text) => text.trim().parse().ok(),
                _ => None,
            };
            number
                .filter(|n| (least..=most).contains(n))
                .map(Typed::Integer)
                .ok_or_else(|| format!("a whole number from {least} to {most}"))
        }
        Kind::ByRole { least, most } => by_role(value, least..=most)
            .map(Typed::ByRole)
            .ok_or_else(|| format!("a whole number from {least} to {most} for each role, such as {{ analyst = {most} }}")),
        Kind::Boolean => match (value, text.map(str::to_ascii_lowercase).as_deref()) {
            (Value::Boolean(b), _) => Ok(Typed::Boolean(*b)),
            (_, Some("true" | "1" | "yes" | "on")) => Ok(Typed::Boolean(true)),
            (_, Some("false" | "0" | "no" | "off")) => Ok(Typed::Boolean(false)),
            _ => Err("true or false".into()),
        },
        Kind::Duration => {
            let text = text.ok_or("a time such as \"24h\" or \"1h30m\"")?;
            duration(text).map(Typed::Duration).ok_or("a time such as \"24h\" or \"1h30m\"".into())
        }
        Kind::Address => {
            let text = match value {
                Value::Integer(port) => port.to_string(),
                Value::String(text) => text.clone(),
                _ => return Err("an address to listen on, such as 127.0.0.1:54321".into()),
            };
            parse_listen(&text).map(Typed::Address).ok_or("an address to listen on, such as 127.0.0.1:54321".into())
        }
    }
}

/// Numbers by roles' names: a table, or `analyst=5,reporter=7`.
fn by_role(value: &Value, range: std::ops::RangeInclusive<u64>) -> Option<Vec<(String, u64)>> {
    let mut all: Vec<(String, u64)> = match value {
        Value::Table(table) => table
            .iter()
            .map(|(role, number)| match number {
                Value::Integer(n) => Some((role.clone(), u64::try_from(*n).ok()?)),
                Value::String(text) => Some((role.clone(), text.trim().parse().ok()?)),
                _ => None,
            })
            .collect::<Option<_>>()?,
        Value::String(text) => text
            .split(',')
            .filter(|pair| !pair.trim().is_empty())
            .map(|pair| {
                let (role, number) = pair.split_once('=')?;
                Some((role.trim().to_owned(), number.trim().parse().ok()?))
            })
            .collect::<Option<_>>()?,
        _ => return None,
    };
    all.sort();
    all.iter().all(|(role, number)| !role.is_empty() && range.contains(number)).then_some(all)
}

/// Go's form of a duration, without a sign: `24h`, `1h30m`, `1.5s`, `300ms`, `0`.
fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().position(|b| !(b.is_ascii_digit() || b == b'.'))?;
        let (number, tail) = rest.split_at(digits);
        let unit_len = tail.bytes().position(|b| b.is_ascii_digit() || b == b'.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = tail;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_writes_them() {
        for (text, ms) in [("0", 0), ("24h", 86_400_000), ("1h30m", 5_400_000), ("1.5s", 1500), ("300ms", 300), ("0s", 0)] {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "h", "5", "1d", "-1h", "1h-", "1..5s", "99999999999999999999999h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
