//! The answer of a request's write.

use std::sync::Arc;

use basalt_engine::{Answer, Run, RunError};
use basalt_plan::plan::{Action, Count, Output};
use basalt_plan::program::{ReadProgram, Representation, TableFacts};
use basalt_types::{SqlError, Value, pg};
use bytes::Bytes;

use super::row::{Row, position};
use super::{Written, run as run_write};
use crate::bind::{self, Facts};
use crate::commit::Desk;
use crate::connection::Connection;
use crate::encode::{csv, strip};
use crate::programs::{ReadyWrite, Shapes};
use crate::readers::answer::{too_long, write_rows};
use crate::routine;

/// Runs the write and renders what it returned.
///
/// # Errors
/// The write's; a number of rows other than promised.
pub(super) fn answer(desk: &Desk<'_>, run: &Run, ready: &ReadyWrite, facts: &Facts<'_>) -> Result<Answer, RunError> {
    let program = &ready.program;
    if !matches!(program.representation, Representation::None) {
        desk.connection.context().set_shapes(Some(Arc::clone(&ready.shapes) as Arc<dyn std::any::Any + Send + Sync>));
    }
    if let Representation::Query { read, .. } = &program.representation {
        bind::check_literals(&read.rows, facts)?;
        bind::check_patterns(&read.touched, facts)?;
    }
    bind::check_patterns(&program.touched, facts)?;
    let written = run_write(desk, ready, facts, run.payload.as_deref())?;
    let mut body = Vec::new();
    let rows = match &program.representation {
        Representation::None => written.affected,
        Representation::Rows(_) => render(&written.returned, &ready.shapes, run, &mut body)?,
        // There is no looking back to between two writes of one transaction.
        Representation::Query { read, sees_before } if !sees_before || desk.has_written() => {
            query(desk.connection, ready, read, &written, facts, run, &mut body)?
        }
        Representation::Query { read, .. } => desk.before(|connection| {
            let context = connection.context();
            context.guard(&ready.tables);
            context.set_shapes(Some(Arc::clone(&ready.shapes) as Arc<dyn std::any::Any + Send + Sync>));
            let (catalog, path) = (desk.catalog(), routine::path_of(&run.session));
            let scene = routine::Scene::reading(connection, desk.shared, &catalog, &run.session, &path, desk.now);
            let rows = scene.enter(|| query(connection, ready, read, &written, facts, run, &mut body));
            context.set_shapes(None);
            context.unguard();
            rows
        })?,
    };
    // The rows of the answer count: an inner embed may leave some out. That there is one is asked before how many may be affected.
    if matches!(&run.plan.action, Action::Write { is_put: true, .. }) && rows != 1 {
        return Err(RunError::PutNotSingle);
    }
    if matches!(run.plan.output, Output::Object { .. }) && rows != 1 {
        return Err(RunError::NotSingular(rows));
    }
    if let Some(most) = run.plan.max_affected
        && rows > most
    {
        return Err(RunError::TooManyAffected(rows));
    }
    let location = match &run.plan.action {
        Action::Write { location, .. } => {
            let own = |attnum: i16| match &program.through {
                None => attnum,
                Some(through) => through.columns.iter().find(|(view, _)| *view == attnum).map_or(0, |(_, own)| *own),
            };
            location.iter().map(|(attnum, _)| key_text(&program.table, own(*attnum), &written)).collect()
        }
        Action::Read { .. } | Action::Call { .. } => Vec::new(),
    };
    let total = (run.plan.count != Count::None).then_some(written.affected);
    Ok(Answer { body: Bytes::from(body), rows, inserted: written.inserted, total, location, ..Answer::default() })
}

/// A key column of the first written row, as the text of what JSON has for it.
fn key_text(table: &TableFacts, attnum: i16, written: &Written) -> Option<String> {
    let at = position(table, attnum)?;
    let value = written.first.as_ref()?.get(at).filter(|v| !v.is_null())?;
    let mut json = Vec::new();
    pg::write_json(value.as_ref(), table.columns.get(at)?.input.base, &mut json);
    match serde_json::from_slice(&json) {
        Ok(serde_json::Value::String(text)) => Some(text),
        _ => String::from_utf8(json).ok(),
    }
}

/// The returned rows as they are.
fn render(returned: &[Vec<Value>], shapes: &Shapes, run: &Run, body: &mut Vec<u8>) -> Result<u64, SqlError> {
    let Some(encoder) = shapes.0.first() else { return Err(SqlError::internal("a representation without a shape")) };
    let limit = run.limits.max_response_bytes;
    let mut scratch = String::new();
    match run.plan.output {
        // What SQLite has no code for is refused before.
        Output::None | Output::GeoJson | Output::Custom(_) => {}
        Output::Array { .. } => {
            body.push(b'[');
            for (i, row) in returned.iter().enumerate() {
                if i > 0 {
                    body.extend_from_slice(encoder.separator());
                }
                encoder.write(row.as_slice(), body);
                if body.len() > limit {
                    return Err(too_long(limit));
                }
            }
            body.push(b']');
        }
        Output::Object { .. } => {
            if let [only] = returned {
                encoder.write(only.as_slice(), body);
            }
        }
        Output::Csv => {
            csv::header(encoder, body);
            for row in returned {
                body.push(b'\n');
                csv::row(encoder, row.as_slice(), &mut scratch, body);
            }
            if returned.is_empty() {
                body.clear();
                body.push(b'\n');
            }
        }
    }
    if let Output::Array { strip_nulls: true } | Output::Object { strip_nulls: true } = run.plan.output {
        *body = strip::strip_nulls(body);
    }
    Ok(returned.len() as u64)
}

/// A query over the returned rows, under the caller's policies.
fn query(
    connection: &Connection,
    ready: &ReadyWrite,
    read: &ReadProgram,
    written: &Written,
    facts: &Facts<'_>,
    run: &Run,
    body: &mut Vec<u8>,
) -> Result<u64, SqlError> {
    let rows = Value::Text(rows_text(&written.returned));
    let mut row = Row::none(&ready.program.table);
    row.written = Some(&rows);
    let mut statement = bind::prepare(connection, &read.rows, facts, &row)?;
    write_rows(&mut statement, &ready.shapes, run.plan.output, run.limits.max_response_bytes, body)
}

/// Rows as the text of a JSON array of arrays: see [`basalt_plan::program::Bind::Written`].
pub(crate) fn rows_text(rows: &[Vec<Value>]) -> String {
    let mut out = Vec::from(*b"[");
    for (i, row) in rows.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_row(row, &mut out);
    }
    out.push(b']');
    // Every part written above is UTF-8.
    String::from_utf8(out).unwrap_or_default()
}

fn write_row(row: &[Value], out: &mut Vec<u8>) {
    out.push(b'[');
    for (i, value) in row.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        match value {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Int(n) => out.extend_from_slice(n.to_string().as_bytes()),
            // Seventeen digits give the same number back.
            Value::Real(x) => out.extend_from_slice(format!("{x:e}").as_bytes()),
            Value::Text(text) => pg::write_json_string(text, out),
            Value::Blob(bytes) => {
                let hex: String = bytes.iter().map(|b| format!("{b:02X}")).collect();
                pg::write_json_string(&hex, out);
            }
        }
    }
    out.push(b']');
}
