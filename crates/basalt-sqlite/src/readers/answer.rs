//! One read, from a ready program to the answer's bytes.

use std::sync::atomic::Ordering;
use std::time::Instant;

use basalt_engine::{Answer, Run, RunError};
use basalt_plan::plan::{Count, Output};
use basalt_types::pg::datetime::SessionZone;
use basalt_types::{SqlError, SqlState, Timestamp, ValueRef};
use bytes::Bytes;

use super::Slot;
use crate::bind::{self, Facts, NoRow};
use crate::call;
use crate::commit::Desk;
use crate::connection::Connection;
use crate::connection::context::Stop;
use crate::encode::strip;
use crate::encode::{Encoder, csv};
use crate::programs::{ReadyRead, Shapes};
use crate::routine::{self, Scene};

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
    let work = |connection: &Connection, buffer: &mut Vec<u8>| answer(connection, run, ready, budget, now, buffer);
    let result = in_scene(slot, run, ready, now, |connection| work(connection, &mut buffer));
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

/// Runs a read where the users' functions that it calls find what they need; most call none.
fn in_scene(
    slot: &Slot,
    run: &Run,
    ready: &ReadyRead,
    now: Timestamp,
    work: impl FnOnce(&Connection) -> Result<Answer, RunError>,
) -> Result<Answer, RunError> {
    if ready.program.touched.functions.is_empty() {
        return work(&slot.connection);
    }
    let catalog = slot.shared.catalog.load_full();
    // The snapshot's catalog was the plan's; another one may be published by now.
    if catalog.version() != run.plan.catalog_version {
        return Err(RunError::StalePlan);
    }
    let path = routine::path_of(&run.session);
    let scene = Scene::reading(&slot.connection, &slot.shared, &catalog, &run.session, &path, now);
    scene.enter(|| work(&slot.connection).map(|answer| responding(&slot.connection, answer)))
}

/// What functions set for the response.
pub(crate) fn responding(connection: &Connection, answer: Answer) -> Answer {
    let set = |name: &str| connection.context().setting(name).filter(|text| !text.is_empty());
    Answer { response_status: set("response.status"), response_headers: set("response.headers"), ..answer }
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
    context.begin(Some(deadline(run, ready)), budget, now);
    let facts = Facts { session: &run.session, literals: &run.literals, params: &[], now };
    let result = rows(connection, run, ready, &facts, buffer);
    context.end();
    if has_inner {
        context.set_shapes(None);
    }
    result
}

/// When a run must have ended: a function may ask for a shorter time.
#[allow(clippy::disallowed_methods)] // monotonic time for a deadline
pub(crate) fn deadline(run: &Run, ready: &ReadyRead) -> Instant {
    let own = ready.program.call.as_ref().and_then(|call| call.timeout).filter(|timeout| !timeout.is_zero());
    match own {
        Some(timeout) => run.limits.deadline.min(Instant::now() + timeout),
        None => run.limits.deadline,
    }
}

/// One read of several on a snapshot that is open.
///
/// # Errors
/// As [`read`], and [`RunError::TooCostly`].
pub(crate) fn one(slot: &Slot, run: &Run, ready: &ReadyRead, now: Timestamp) -> Result<Answer, RunError> {
    let _zone = run.timezone.as_deref().map(SessionZone::enter).transpose()?;
    let result = in_scene(slot, run, ready, now, |connection| {
        answer(connection, run, ready, crate::engine::budget(run), now, &mut Vec::new())
    });
    match result {
        Err(_) if slot.connection.context().stopped() == Stop::Budget => Err(crate::engine::too_costly(run.limits.max_cost)),
        other => other,
    }
}

/// A read inside a job of the writer, whose bounds stay as they are.
///
/// # Errors
/// As [`one`].
pub(crate) fn inside(desk: &Desk<'_>, run: &Run, ready: &ReadyRead) -> Result<Answer, RunError> {
    let _zone = run.timezone.as_deref().map(SessionZone::enter).transpose()?;
    let (connection, now) = (desk.connection, desk.now);
    let context = connection.context();
    context.guard(&ready.tables);
    context.set_shapes(Some(ready.shapes.clone()));
    let facts = Facts { session: &run.session, literals: &run.literals, params: &[], now };
    let path = routine::path_of(&run.session);
    let scene = Scene::writing(desk, &run.session, &path);
    // A read of a transaction that writes reads; a call may write when it said so.
    let scene = if ready.may_write() { scene } else { scene.read_only() };
    let work = || rows(connection, run, ready, &facts, &mut Vec::new()).map(|answer| responding(connection, answer));
    let result = scene.enter(work);
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
    if let Some(called) = &ready.program.call {
        return call::answer(connection, run, ready, called, facts, buffer);
    }
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
