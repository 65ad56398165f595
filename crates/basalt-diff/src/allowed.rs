//! The documented table of allowed differences: `differences.txt`, which docs/differences.md shows.

use std::sync::OnceLock;

use crate::engines::Answer;
use crate::model::{Table, Trigger, World};
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
    /// What else must be so: see [`Scene::is`].
    pub when: String,
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
        when: next()?,
        reason: next()?,
    })
}

/// What a request met, for rows that are about more than two answers.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The world.
    pub world: &'a World,
    /// Whether SQLite's rows are others than before.
    pub changed_here: bool,
    /// Whether PostgreSQL's are.
    pub changed_there: bool,
}

impl Scene<'_> {
    /// Whether a condition of the table holds: `unchanged` (neither engine changed a row), `bumped` (PostgreSQL changed none, and a table's
    /// trigger moves values of a unique key), or nothing.
    fn is(&self, when: &str) -> bool {
        let is_bumped = |t: &Table| t.trigger == Some(Trigger::Bump) && !t.uniques.is_empty();
        match when {
            "" => true,
            "unchanged" => !self.changed_here && !self.changed_there,
            "bumped" => !self.changed_there && self.world.tables.iter().any(is_bumped),
            _ => false,
        }
    }
}

/// The row that allows a difference.
pub fn allowed(request: &Request, sqlite: &Answer, postgres: &Answer, scene: Scene<'_>) -> Option<&'static Allowed> {
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
            && scene.is(&row.when)
    })
}
