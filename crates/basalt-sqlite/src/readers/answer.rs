//! One read, from a ready program to the answer's bytes.

use std::sync::atomic::Ordering;

use basalt_engine::{Answer, Run, RunError};
use basalt_plan::plan::{Count, Output};
use basalt_types::pg::datetime::SessionZone;
use basalt_types::{SqlError, SqlState, Timestamp, ValueRef};
use bytes::Bytes;

use super::Slot;
use crate::bind::{self, Facts, NoRow};
use crate::connection::Connection;
use crate::connection::context::Stop;
use crate::encode::strip;
use crate::encode::{Encoder, csv};
use crate::programs::{ReadyRead, Shapes};

/// How a read under a budget ended early.
#[derive(Debug)]
pub(crate) enum Early {
    /// It needs more steps than it was given: run it in the pool.
    OverBudget,
    /// It failed.
    Failed(RunError),
}

impl From<SqlError> for Early {
    fn from(error: SqlError) -> Self {
        Self::Failed(error.into())
    }
}

/// 54000: the body would be too long.
pub(crate) fn too_long(limit: usize) -> SqlError {
    SqlError::new(SqlState::PROGRAM_LIMIT, format!("the response is longer than {limit} bytes"))
        .hint("Ask for fewer rows or columns, page by page.")
}

/// Runs a read on a connection. `budget`: most checks of [`crate::connection::context::STEPS_PER_CHECK`] steps.
///
/// # Errors
/// See [`Early`].
pub(crate) fn read(slot: &mut Slot, run: &Run, ready: &ReadyRead, budget: Option<u32>) -> Result<Answer, Early> {
    let version = slot.begin().map_err(|failure| Early::Failed(failure.to_sql().into()))?;
    if version != run.plan.catalog_version {
        return Err(Early::Failed(RunError::StalePlan));
    }
    let _zone = run.timezone.as_deref().map(SessionZone::enter).transpose()?;
    slot.shared.counters.reads.fetch_add(1, Ordering::Relaxed);
    let now = slot.shared.options.clock.now();
    let mut buffer = std::mem::take(&mut slot.buffer);
    buffer.clear();
    let result = answer(&slot.connection, run, ready, budget, now, &mut buffer);
    slot.buffer = buffer;
    slot.clear_buffer();
    match result {
        Err(_) if slot.connection.context().stopped() == Stop::Budget => Err(Early::OverBudget),
        Err(RunError::Sql(error)) if error.state == SqlState::INTERNAL || error.state == SqlState::IO_ERROR => {
            // Begin anew after anything odd.
            slot.finish();
            Err(Early::Failed(error.into()))
        }
        other => other.map_err(Early::Failed),
    }
}

fn answer(
    connection: &Connection,
    run: &Run,
    ready: &ReadyRead,
    budget: Option<u32>,
    now: Timestamp,
    buffer: &mut Vec<u8>,
) -> Result<Answer, RunError> {
    let context = connection.context();
    context.guard(&ready.tables);
    // Shape 0 is written here; the others are looked up from inside the statement.
    let has_inner = ready.shapes.0.len() > 1;
    if has_inner {
        context.set_shapes(Some(ready.shapes.clone()));
    }
    context.begin(Some(run.limits.deadline), budget, now);
    let facts = Facts { session: &run.session, literals: &run.literals, params: &[], now };
    let result = rows(connection, run, ready, &facts, buffer);
    context.end();
    if has_inner {
        context.set_shapes(None);
    }
    result
}

/// One read of several on a snapshot that is open.
///
/// # Errors
/// As [`read`], and [`RunError::TooCostly`].
pub(crate) fn one(connection: &Connection, run: &Run, ready: &ReadyRead, now: Timestamp) -> Result<Answer, RunError> {
    let _zone = run.timezone.as_deref().map(SessionZone::enter).transpose()?;
    let result = answer(connection, run, ready, crate::engine::budget(run), now, &mut Vec::new());
    match result {
        Err(_) if connection.context().stopped() == Stop::Budget => Err(crate::engine::too_costly(run.limits.max_cost)),
        other => other,
    }
}

/// A read inside a job of the writer, whose bounds stay as they are.
///
/// # Errors
/// As [`one`].
pub(crate) fn inside(connection: &Connection, run: &Run, ready: &ReadyRead, now: Timestamp) -> Result<Answer, RunError> {
    let _zone = run.timezone.as_deref().map(SessionZone::enter).transpose()?;
    let context = connection.context();
    context.guard(&ready.tables);
    context.set_shapes(Some(ready.shapes.clone()));
    let facts = Facts { session: &run.session, literals: &run.literals, params: &[], now };
    let result = rows(connection, run, ready, &facts, &mut Vec::new());
    context.set_shapes(None);
    context.unguard();
    result
}

fn rows(
    connection: &Connection,
    run: &Run,
    ready: &ReadyRead,
    facts: &Facts<'_>,
    buffer: &mut Vec<u8>,
) -> Result<Answer, RunError> {
    let count = {
        let mut statement = bind::prepare(connection, &ready.program.rows, facts, &NoRow)?;
        bind::check_patterns(&ready.program.touched, facts)?;
        write_rows(&mut statement, &ready.shapes, run.plan.output, run.limits.max_response_bytes, buffer)?
    };
    let total = match &ready.program.count {
        Some(compiled) if run.plan.count != Count::None => {
            let mut statement = bind::prepare(connection, compiled, facts, &NoRow)?;
            let found = statement.step().map_err(|failure| failure.to_sql())?;
            match statement.column(0) {
                ValueRef::Int(n) if found => u64::try_from(n).ok(),
                _ => None,
            }
        }
        _ => None,
    };
    if matches!(run.plan.output, Output::Object { .. }) && count != 1 {
        return Err(RunError::NotSingular(count));
    }
    Ok(Answer {
        body: Bytes::copy_from_slice(buffer),
        rows: count,
        inserted: 0,
        total,
        location: Vec::new(),
        ..Answer::default()
    })
}

/// Steps a statement to its end and appends its rows in the output's format. Answers how many there were.
///
/// # Errors
/// 54000 when the body grows beyond `limit`; what SQLite reports.
pub(crate) fn write_rows(
    statement: &mut crate::connection::statement::Statement,
    shapes: &Shapes,
    output: Output,
    limit: usize,
    buffer: &mut Vec<u8>,
) -> Result<u64, SqlError> {
    let fallback;
    let encoder = match shapes.0.first() {
        Some(encoder) => encoder,
        None => {
            fallback = Encoder::new(&basalt_plan::program::Shape::default());
            &fallback
        }
    };
    let mut count = 0u64;
    let mut scratch = String::new();
    if matches!(output, Output::Array { .. }) {
        buffer.push(b'[');
    }
    while statement.step()? {
        match output {
            // What SQLite has no code for is refused before.
            Output::None | Output::GeoJson | Output::Custom(_) => {}
            Output::Array { .. } => {
                if count > 0 {
                    buffer.extend_from_slice(encoder.separator());
                }
                encoder.write(&*statement, buffer);
            }
            // Only the first is shown, if it is the only one; the others are counted.
            Output::Object { .. } if count == 0 => encoder.write(&*statement, buffer),
            Output::Object { .. } => {}
            Output::Csv => {
                if count == 0 {
                    csv::header(encoder, buffer);
                }
                buffer.push(b'\n');
                csv::row(encoder, &*statement, &mut scratch, buffer);
            }
        }
        count += 1;
        if buffer.len() > limit {
            return Err(too_long(limit));
        }
    }
    match output {
        Output::Array { .. } => buffer.push(b']'),
        Output::Csv if count == 0 => buffer.push(b'\n'),
        _ => {}
    }
    if let Output::Array { strip_nulls: true } | Output::Object { strip_nulls: true } = output {
        *buffer = strip::strip_nulls(buffer);
    }
    Ok(count)
}
