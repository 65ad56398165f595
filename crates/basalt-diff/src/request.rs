//! A made-up request as data, so that it can be made smaller, and as HTTP.

use std::collections::BTreeSet;

use basalt_types::{Claims, RoleName, Session};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::model::Command;

/// An item of a select list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Anything without parentheses of its own: `*`, `alias:column::cast`, `count()`.
    Plain(String),
    /// `head(items)`.
    Embed {
        /// `alias:relation!hint!inner`, `...relation`.
        head: String,
        /// What is selected of it.
        items: Vec<Item>,
    },
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `field=not.op.value`.
    Test {
        /// A column, with a JSON path perhaps.
        field: String,
        /// `not.` before it.
        negated: bool,
        /// `eq`, `like(any)`, …
        op: String,
        /// As it stands behind the operator.
        value: String,
    },
    /// `or=(…)`, `and=(…)`.
    Tree {
        /// `not.` before it.
        negated: bool,
        /// `or`, else `and`.
        is_or: bool,
        /// What is joined.
        items: Vec<Condition>,
    },
}

/// A parameter of the query besides `select`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Param {
    /// A condition on a level: `` or `embed.embed.`.
    Condition(String, Condition),
    /// The order of a level.
    Order(String, Vec<String>),
    /// Any other: `limit`, `columns`, `on_conflict`.
    Other(String, String),
}

/// The body of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Objects of names and JSON texts; one alone without the array when so wanted.
    Objects(Vec<Vec<(String, String)>>, bool),
    /// A text as it is.
    Raw(String),
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who asks.
    pub role: &'static str,
    /// The token's claims; none: no token.
    pub claims: Option<Map<String, Value>>,
    /// GET, POST, …
    pub method: &'static str,
    /// The table's name, as it is.
    pub relation: String,
    /// `select=…`.
    pub select: Option<Vec<Item>>,
    /// The rest of the query.
    pub params: Vec<Param>,
    /// `Prefer:`, by item.
    pub prefer: Vec<String>,
    /// Other headers.
    pub headers: Vec<(String, String)>,
    /// What is written.
    pub body: Option<Body>,
    /// The table it is about; none: there is none of that name.
    pub table: Option<usize>,
    /// Whether the rows of the answer come in a decided order.
    pub is_ordered: bool,
    /// Whether values stand in the answer for others that are equal, and it is not decided which: groups and extremes.
    pub is_loose: bool,
    /// What it exercises, for the coverage.
    pub features: BTreeSet<String>,
}

/// What stands unescaped in the addresses that clients send.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'*')
    .remove(b'(')
    .remove(b')')
    .remove(b',')
    .remove(b':')
    .remove(b'!');

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// A value inside a logic tree or list: quoted where it has to be.
pub fn quoted(text: &str) -> String {
    let is_plain = !text.is_empty() && !text.chars().any(|c| ",()\"\\{}:".contains(c) || c.is_whitespace());
    if is_plain { text.to_owned() } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// A name in a select list, filter or order.
pub fn name(text: &str) -> String {
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ' ');
    if is_plain { text.to_owned() } else { format!("\"{text}\"") }
}

impl Item {
    fn print(&self, out: &mut String) {
        match self {
            Self::Plain(text) => out.push_str(text),
            Self::Embed { head, items } => {
                out.push_str(head);
                out.push('(');
                print_list(items, out);
                out.push(')');
            }
        }
    }
}

fn print_list(items: &[Item], out: &mut String) {
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        item.print(out);
    }
}

impl Condition {
    /// As it stands inside a tree.
    fn inside(&self) -> String {
        match self {
            Self::Test { field, negated, op, value } => {
                let not = if *negated { "not." } else { "" };
                let is_list = op.ends_with(')') || op == "in" || op == "is";
                let value = if is_list { value.clone() } else { quoted(value) };
                format!("{field}.{not}{op}.{value}")
            }
            Self::Tree { negated, is_or, items } => {
                let not = if *negated { "not." } else { "" };
                format!("{not}{}({})", if *is_or { "or" } else { "and" }, Self::list(items))
            }
        }
    }

    fn list(items: &[Self]) -> String {
        items.iter().map(Self::inside).collect::<Vec<_>>().join(",")
    }

    fn pair(&self, level: &str) -> (String, String) {
        match self {
            Self::Test { field, negated, op, value } => {
                let not = if *negated { "not." } else { "" };
                (format!("{level}{field}"), format!("{not}{op}.{value}"))
            }
            Self::Tree { negated, is_or, items } => {
                let not = if *negated { "not." } else { "" };
                (format!("{level}{not}{}", if *is_or { "or" } else { "and" }), format!("({})", Self::list(items)))
            }
        }
    }
}

impl Param {
    fn pair(&self) -> (String, String) {
        match self {
            Self::Condition(level, condition) => condition.pair(level),
            Self::Order(level, terms) => (format!("{level}order"), terms.join(",")),
            Self::Other(key, value) => (key.clone(), value.clone()),
        }
    }
}

impl Body {
    /// Its text.
    pub fn text(&self) -> String {
        let object = |pairs: &Vec<(String, String)>| {
            let fields: Vec<String> = pairs.iter().map(|(name, json)| format!("{}:{json}", Value::from(name.as_str()))).collect();
            format!("{{{}}}", fields.join(","))
        };
        match self {
            Self::Raw(text) => text.clone(),
            Self::Objects(rows, true) if rows.len() == 1 => rows.iter().map(object).collect(),
            Self::Objects(rows, _) => format!("[{}]", rows.iter().map(object).collect::<Vec<_>>().join(",")),
        }
    }
}

impl Request {
    /// The path below `/rest/v1` with the query.
    pub fn target(&self) -> String {
        let mut pairs: Vec<String> = Vec::new();
        if let Some(items) = &self.select {
            let mut text = String::new();
            print_list(items, &mut text);
            pairs.push(format!("select={}", escaped(&text)));
        }
        for param in &self.params {
            let (key, value) = param.pair();
            pairs.push(format!("{}={}", escaped(&key), escaped(&value)));
        }
        let path = utf8_percent_encode(&self.relation, PLAIN);
        if pairs.is_empty() { format!("/{path}") } else { format!("/{path}?{}", pairs.join("&")) }
    }

    /// All headers but the token's.
    pub fn all_headers(&self) -> Vec<(String, String)> {
        let mut out = self.headers.clone();
        if !self.prefer.is_empty() {
            out.push(("Prefer".to_owned(), self.prefer.join(", ")));
        }
        out
    }

    /// As the gateway hands it on.
    ///
    /// # Errors
    /// It cannot be said in HTTP: a mistake of the generator.
    pub fn http(&self) -> Result<http::Request<Bytes>, String> {
        let mut builder = http::Request::builder().method(self.method).uri(self.target());
        for (name, value) in self.all_headers() {
            builder = builder.header(name, value);
        }
        builder.body(Bytes::from(self.body.as_ref().map(Body::text).unwrap_or_default())).map_err(|e| e.to_string())
    }

    /// Who asks, as the gateway has verified it.
    pub fn session(&self) -> Session {
        let claims = self.claims.clone().map(|c| std::sync::Arc::new(Claims::new(c)));
        Session { role: RoleName::new(self.role), claims, request: None, acting: None }
    }

    /// Whether it changes nothing.
    pub fn is_read(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "OPTIONS")
    }

    /// The command whose policies it meets.
    pub fn command(&self) -> Command {
        match self.method {
            "POST" | "PUT" => Command::Insert,
            "PATCH" => Command::Update,
            "DELETE" => Command::Delete,
            _ => Command::Select,
        }
    }

    /// Whether existing rows are overwritten.
    pub fn is_merge(&self) -> bool {
        self.method == "PUT" || self.prefer.iter().any(|p| p == "resolution=merge-duplicates")
    }

    /// Notes what it exercises.
    pub fn feature(&mut self, name: impl Into<String>) {
        self.features.insert(name.into());
    }
}
