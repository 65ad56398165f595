//! How a statement would be run: SQLite's `EXPLAIN QUERY PLAN`, as lines or as JSON.
//!
//! A read is one statement, and one more where a count is asked. A write is a pipeline: shown are the statements that find its rows
//! and that show them, below a line that says what is written; keys, checks and actions are not. Estimates and times there are none.
//!
//! The text has a line for each step, two spaces deeper than the step it belongs to. The JSON is an array of one object, in the shape
//! of PostgreSQL's `EXPLAIN (FORMAT JSON)`: `[{"Plan": {"Node Type": "…", "Plans": […]}}]`.

use basalt_engine::{Explain, Run};
use basalt_plan::program::{Command, Compiled, ReadProgram, Representation, Source, WriteProgram};
use basalt_types::pg::datetime::SessionZone;
use basalt_types::{SqlError, Value, ValueRef};
use bytes::Bytes;
use serde_json::{Map, Value as Json, json};

use crate::bind::{self, Facts, NoRow};
use crate::connection::Connection;
use crate::connection::context::Tables;
use crate::programs::Ready;
use crate::readers::Slot;

/// A step and those it is made of.
#[derive(Debug, Default)]
struct Node {
    text: String,
    below: Vec<Node>,
}

impl Node {
    fn new(text: impl Into<String>, below: Vec<Self>) -> Self {
        Self { text: text.into(), below }
    }

    fn lines(&self, depth: usize, rows: Option<u64>, out: &mut String) {
        out.extend(std::iter::repeat_n("  ", depth));
        out.push_str(&self.text);
        if let Some(rows) = rows {
            out.push_str(&format!(" (actual rows={rows})"));
        }
        out.push('\n');
        for node in &self.below {
            node.lines(depth + 1, None, out);
        }
    }

    fn json(&self, rows: Option<u64>) -> Json {
        let mut out = Map::new();
        out.insert("Node Type".into(), json!(self.text));
        if let Some(rows) = rows {
            out.insert("Actual Rows".into(), json!(rows));
        }
        if !self.below.is_empty() {
            out.insert("Plans".into(), self.below.iter().map(|node| node.json(None)).collect());
        }
        Json::Object(out)
    }
}

/// Explains a request's program on a connection that does nothing else. `rows`: how many it was found to have.
///
/// # Errors
/// Literals that do not read as their types; what SQLite reports.
pub(crate) fn answer(slot: &mut Slot, run: &Run, ready: &Ready, explain: Explain, rows: Option<u64>) -> Result<Bytes, SqlError> {
    let _zone = run.timezone.as_deref().map(SessionZone::enter).transpose()?;
    let now = slot.shared.options.clock.now();
    slot.begin().map_err(SqlError::from)?;
    let connection = &slot.connection;
    let context = connection.context();
    let facts = Facts { session: &run.session, literals: &run.literals, params: &[], now };
    context.begin(Some(run.limits.deadline), None, now);
    let root = match ready {
        Ready::Read(ready) if ready.program.call.is_some() => Err(SqlError::unsupported("the plan of a function's call")),
        Ready::Read(ready) => guarded(connection, &ready.tables, || read(connection, &ready.program, &facts)),
        Ready::Write(ready) => guarded(connection, &ready.tables, || write(connection, &ready.program, &facts)),
    };
    context.end();
    let root = root?;
    let mut out = String::new();
    if explain.json {
        out.push_str(&json!([{ "Plan": root.json(rows) }]).to_string());
        out.push('\n');
    } else {
        root.lines(0, rows, &mut out);
    }
    Ok(Bytes::from(out))
}

fn guarded<T>(connection: &Connection, tables: &Tables, work: impl FnOnce() -> T) -> T {
    connection.context().guard(tables);
    let result = work();
    connection.context().unguard();
    result
}

fn read(connection: &Connection, program: &ReadProgram, facts: &Facts<'_>) -> Result<Node, SqlError> {
    let mut below = steps(connection, &program.rows, facts)?;
    if let Some(count) = &program.count {
        below.push(Node::new("COUNT", steps(connection, count, facts)?));
    }
    Ok(Node::new("SELECT", below))
}

fn write(connection: &Connection, program: &WriteProgram, facts: &Facts<'_>) -> Result<Node, SqlError> {
    let mut below = match &program.targets {
        Some(targets) => steps(connection, targets, facts)?,
        None => Vec::new(),
    };
    let word = match &program.command {
        Command::Insert { source, .. } => {
            if let Source::Query { query, .. } = source {
                below.extend(steps(connection, query, facts)?);
            }
            "INSERT"
        }
        Command::Update(_) => "UPDATE",
        Command::Delete => "DELETE",
    };
    if let Representation::Query { read, .. } = &program.representation {
        below.push(Node::new("RETURNING", steps(connection, &read.rows, facts)?));
    }
    Ok(Node::new(format!("{word} {}", program.table.storage_name), below))
}

/// The steps of one statement.
fn steps(connection: &Connection, compiled: &Compiled, facts: &Facts<'_>) -> Result<Vec<Node>, SqlError> {
    // The plan needs no values, but ones that cannot be read are the request's fault here as well.
    for bind in compiled.binds.iter().filter(|bind| is_given(bind)) {
        bind::value(bind, facts, &NoRow)?;
    }
    let rows = connection.query_once(&format!("EXPLAIN QUERY PLAN {}", compiled.sql), &[]).map_err(|f| f.to_sql())?;
    let mut flat: Vec<(i64, i64, String)> = rows.iter().filter_map(|row| step(row)).collect();
    for (_, _, detail) in &mut flat {
        name_table(detail, &compiled.sql);
    }
    Ok(children(0, &mut flat))
}

/// Whether a parameter is known before any row is.
fn is_given(bind: &basalt_plan::program::Bind) -> bool {
    use basalt_plan::program::Bind;
    matches!(bind, Bind::Literal { .. } | Bind::LiteralList { .. } | Bind::Session(_))
}

/// `id, parent, _, detail`.
fn step(row: &[Value]) -> Option<(i64, i64, String)> {
    match (row.first()?.as_ref(), row.get(1)?.as_ref(), row.get(3)?.as_ref()) {
        (ValueRef::Int(id), ValueRef::Int(parent), ValueRef::Text(detail)) => Some((id, parent, detail.to_owned())),
        _ => None,
    }
}

/// `SCAN r0`: puts the table's name before the one it has in the statement.
fn name_table(detail: &mut String, sql: &str) {
    let Some((word, rest)) = detail.split_once(' ').filter(|(word, _)| matches!(*word, "SCAN" | "SEARCH")) else { return };
    let alias = rest.split(' ').next().unwrap_or_default();
    let of_alias =
        |text: &str| text.strip_prefix(alias).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
    let table = sql.match_indices("\" AS ").find_map(|(at, mark)| {
        let is_it = of_alias(sql.get(at + mark.len()..)?);
        is_it.then(|| sql.get(..at)?.rsplit_once('"').map(|(_, name)| name)).flatten()
    });
    if let Some(table) = table {
        *detail = format!("{word} {table} {rest}");
    }
}

/// Takes out the steps below one, each with those below it.
fn children(parent: i64, flat: &mut Vec<(i64, i64, String)>) -> Vec<Node> {
    let (own, rest): (Vec<_>, Vec<_>) = std::mem::take(flat).into_iter().partition(|(_, of, _)| *of == parent);
    *flat = rest;
    own.into_iter().map(|(id, _, text)| Node::new(text, children(id, flat))).collect()
}
