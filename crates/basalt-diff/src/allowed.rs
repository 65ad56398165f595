//! The documented table of allowed differences: `differences.txt`, which docs/differences.md shows.

use std::sync::OnceLock;

use crate::engines::Answer;
use crate::request::Request;

/// The table's text.
pub const TABLE: &str = include_str!("../differences.txt");

/// One row: a construct, when it is at hand, and why it stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// A few words.
    pub name: String,
    /// `any`, or methods.
    pub methods: Vec<String>,
    /// Codes of SQLite's answer, or `*`; a status where there is no code.
    pub here: Vec<String>,
    /// Codes of PostgreSQL's answer, `same`, or `*`.
    pub there: Vec<String>,
    /// What SQLite's message contains, and PostgreSQL's too, unless anything is allowed there.
    pub text: String,
    /// Why the engines differ.
    pub reason: String,
}

/// The rows.
pub fn table() -> &'static [Allowed] {
    static ROWS: OnceLock<Vec<Allowed>> = OnceLock::new();
    ROWS.get_or_init(|| TABLE.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).filter_map(row).collect())
}

fn row(line: &str) -> Option<Allowed> {
    let mut cells = line.split('|').map(str::trim);
    let mut next = || cells.next().map(str::to_owned);
    let list = |text: String| text.split_whitespace().map(str::to_owned).collect();
    Some(Allowed {
        name: next()?,
        methods: list(next()?),
        here: list(next()?),
        there: list(next()?),
        text: next()?,
        reason: next()?,
    })
}

/// The row that allows a difference.
pub fn allowed(request: &Request, sqlite: &Answer, postgres: &Answer) -> Option<&'static Allowed> {
    let told = |answer: &Answer| {
        answer.error().filter(|(code, _)| !code.is_empty()).unwrap_or((answer.status.to_string(), String::new()))
    };
    let ((here, said), (there, wanted)) = (told(sqlite), told(postgres));
    let is_one_of = |list: &[String], code: &str| {
        list.iter().any(|c| c == "*" || code == c || c.ends_with('*') && code.starts_with(c.trim_end_matches('*')))
    };
    table().iter().find(|row| {
        is_one_of(&row.methods, request.method)
            && is_one_of(&row.here, &here)
            && if row.there == ["same"] { here == there } else { is_one_of(&row.there, &there) }
            && (said.contains(&row.text) && (row.there == ["*"] || wanted.contains(&row.text)))
    })
}
