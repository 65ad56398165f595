//! The write pipeline: one INSERT, UPDATE or DELETE, row by row in PostgreSQL's order.
//!
//! A [`WriteProgram`] says what to compute, check and store; this module does it on the writer's connection, inside the job's
//! savepoint. The order of a statement stands in [`run`]; each step has its file:
//! - [`input`]: where an insert's rows come from, defaults, what a payload's values become;
//! - [`check`]: row policies, NOT NULL, CHECK, and what an error may show of a row;
//! - [`unique`]: which key collided, ON CONFLICT;
//! - [`insert`], [`change`]: the statements;
//! - [`after`]: what follows the last row, in which order;
//! - [`foreign`]: keys that are violated then;
//! - [`refer`]: referential actions;
//! - [`trigger`]: BEFORE and AFTER ROW triggers;
//! - [`kept`]: what is compiled besides the program;
//! - [`show`]: RETURNING and the answer's body.

mod after;
mod change;
mod check;
mod foreign;
mod input;
mod insert;
mod kept;
mod refer;
mod row;
mod show;
mod trigger;
mod unique;

use basalt_catalog::TriggerTiming;
use basalt_engine::{Answer, Run, RunError};
use basalt_plan::program::{Assignments, Command, Conflict, Representation, WriteProgram};
use basalt_types::pg::datetime::SessionZone;
use basalt_types::{SqlError, SqlState, Value};

use crate::bind::{self, Facts, RowFacts};
use crate::commit::Desk;
use crate::programs::ReadyWrite;
use crate::readers::answer::responding;
use crate::routine;
use row::Row;

pub(crate) use input::takes_value;
pub(crate) use show::rows_text;

/// What a write did.
pub(crate) struct Written {
    /// RETURNING, row by row, in storage form.
    pub(crate) returned: Vec<Vec<Value>>,
    /// Rows inserted, updated or deleted.
    pub(crate) affected: u64,
    /// Of an insert: rows that met no existing one, those included that a BEFORE trigger left out. PostgREST counts them so.
    pub(crate) inserted: u64,
    /// The first written row, as stored.
    first: Option<Vec<Value>>,
}

/// Triggers may write, whose triggers may write: deeper than this is 54001.
const DEEPEST: u32 = 200;

/// One statement while it runs.
struct Work<'a> {
    desk: &'a Desk<'a>,
    program: &'a WriteProgram,
    facts: &'a Facts<'a>,
    depth: u32,
    returned: Vec<Vec<Value>>,
    /// New and old values of every row that was changed, for foreign keys and AFTER triggers.
    changes: Vec<Change>,
    inserted: u64,
}

/// One changed row.
struct Change {
    new: Option<Vec<Value>>,
    old: Option<Vec<Value>>,
    /// Deferrable keys (of the program's unique keys, by place) that another row held when this one was stored.
    doubtful: Vec<usize>,
}

/// Runs a write.
///
/// # Errors
/// What PostgreSQL would report.
pub(crate) fn run(desk: &Desk<'_>, ready: &ReadyWrite, facts: &Facts<'_>, payload: Option<&[u8]>) -> Result<Written, SqlError> {
    run_at(desk, &ready.program, facts, payload, 0)
}

/// Runs a write of a routine that stands `depth` deep.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_inside(desk: &Desk<'_>, ready: &ReadyWrite, facts: &Facts<'_>, depth: u32) -> Result<Written, SqlError> {
    run_at(desk, &ready.program, facts, None, depth)
}

fn run_at(
    desk: &Desk<'_>,
    program: &WriteProgram,
    facts: &Facts<'_>,
    payload: Option<&[u8]>,
    depth: u32,
) -> Result<Written, SqlError> {
    let Work { returned, changes, inserted, .. } = run_statement(desk, program, facts, payload, depth)?;
    let written = Written {
        affected: changes.len() as u64,
        inserted,
        first: changes.first().and_then(|c| c.new.clone().or_else(|| c.old.clone())),
        returned,
    };
    after::run(desk, facts, depth, after::Batch::of_statement(program, changes))?;
    Ok(written)
}

/// Runs a statement up to its last row; what comes after it is [`after`]'s.
fn run_statement<'a>(
    desk: &'a Desk<'a>,
    program: &'a WriteProgram,
    facts: &'a Facts<'a>,
    payload: Option<&[u8]>,
    depth: u32,
) -> Result<Work<'a>, SqlError> {
    if depth > DEEPEST {
        return Err(SqlError::new(SqlState::TOO_COMPLEX, "stack depth limit exceeded"));
    }
    let mut work = Work::new(desk, program, facts, depth);
    work.fire_statement(TriggerTiming::Before, &[])?;
    match &program.command {
        Command::Insert { source, on_conflict, overriding_system } => {
            work.insert(source, on_conflict.as_ref(), *overriding_system, payload)?;
        }
        Command::Update(assignments) => work.update(assignments, payload)?,
        Command::Delete => work.delete()?,
    }
    Ok(work)
}

/// Runs a request's write and makes its answer.
///
/// # Errors
/// As [`run`], and when the number of rows is not what was promised.
pub(crate) fn answer(desk: &Desk<'_>, run: &Run, ready: &ReadyWrite) -> Result<Answer, RunError> {
    let context = desk.connection.context();
    let facts = Facts { session: &run.session, literals: &run.literals, params: &[], now: desk.now };
    let _zone = run.timezone.as_deref().map(SessionZone::enter).transpose()?;
    let path = routine::path_of(&run.session);
    context.guard(&ready.tables);
    let result = routine::Scene::writing(desk, &run.session, &path)
        .enter(|| show::answer(desk, run, ready, &facts).map(|answer| responding(desk.connection, answer)));
    context.set_shapes(None);
    context.unguard();
    result
}

impl<'a> Work<'a> {
    fn new(desk: &'a Desk<'a>, program: &'a WriteProgram, facts: &'a Facts<'a>, depth: u32) -> Self {
        Self { desk, program, facts, depth, returned: Vec::new(), changes: Vec::new(), inserted: 0 }
    }
}

impl Work<'_> {
    /// The columns an update of stored rows assigns; `None` where it is none.
    fn assigned(&self) -> Option<Vec<i16>> {
        match &self.program.command {
            Command::Update(Assignments::Payload { columns, .. }) => Some(columns.clone()),
            Command::Update(Assignments::Computed(set)) => Some(set.iter().map(|(attnum, _)| *attnum).collect()),
            Command::Insert { on_conflict: Some(Conflict { update: Some(update), .. }), .. } => {
                Some(update.set.iter().map(|(attnum, _)| *attnum).collect())
            }
            Command::Insert { .. } | Command::Delete => None,
        }
    }

    /// Runs a statement to its end; its rows, copied.
    fn rows(&self, compiled: &basalt_plan::program::Compiled, row: &dyn RowFacts) -> Result<Vec<Vec<Value>>, SqlError> {
        let mut statement = bind::prepare(self.desk.connection, compiled, self.facts, row)?;
        let mut rows = Vec::new();
        while statement.step()? {
            rows.push(statement.row());
        }
        Ok(rows)
    }

    /// The first row of a statement.
    fn first(&self, compiled: &basalt_plan::program::Compiled, row: &dyn RowFacts) -> Result<Option<Vec<Value>>, SqlError> {
        let mut statement = bind::prepare(self.desk.connection, compiled, self.facts, row)?;
        Ok(if statement.step()? { Some(statement.row()) } else { None })
    }

    /// The first column of the first row; NULL without one.
    fn scalar(&self, compiled: &basalt_plan::program::Compiled, row: &dyn RowFacts) -> Result<Value, SqlError> {
        let mut statement = bind::prepare(self.desk.connection, compiled, self.facts, row)?;
        Ok(if statement.step()? { statement.column(0).to_value() } else { Value::Null })
    }

    fn row<'r>(&'r self, new: &'r [Value]) -> Row<'r> {
        Row::of(&self.program.table, new)
    }

    /// Where a column stands in a row.
    fn position(&self, attnum: i16) -> Result<usize, SqlError> {
        row::position(&self.program.table, attnum).ok_or_else(|| SqlError::internal("a program names a column its table has not"))
    }

    /// Computes RETURNING for a stored row.
    fn keep_returned(&mut self, stored: &[Value]) -> Result<(), SqlError> {
        // A row without columns is a row where rows are shown.
        if self.program.returning.is_empty() && matches!(self.program.representation, Representation::None) {
            return Ok(());
        }
        let row = self.row(stored);
        let mut values = Vec::with_capacity(self.program.returning.len());
        for target in &self.program.returning {
            values.push(match target {
                basalt_plan::program::Returned::Column(attnum) => stored[self.position(*attnum)?].clone(),
                basalt_plan::program::Returned::Expr(compiled) => self.scalar(compiled, &row)?,
            });
        }
        self.returned.push(values);
        Ok(())
    }

    /// Generated columns, after BEFORE triggers.
    fn generate(&self, new: &mut [Value], old: Option<&[Value]>) -> Result<(), SqlError> {
        for (attnum, compiled) in &self.program.generated {
            let value = {
                let mut row = self.row(new);
                row.old = old;
                self.scalar(compiled, &row)?
            };
            let at = self.position(*attnum)?;
            new[at] = value;
        }
        Ok(())
    }
}
