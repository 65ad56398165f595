//! Transactions of the surfaces on their own tables: constant PostgreSQL texts, compiled once, run as the owner of the database.

use basalt_engine::{Rows, Transaction};
use basalt_plan::plan::Literals;
use basalt_types::{Session, SqlError, SqlState, Timestamp, Value};

use crate::bind::{self, Facts, NoRow};
use crate::commit::Desk;
use crate::connection::Connection;
use crate::programs::{Ready, ReadyRead};
use crate::readers::Slot;
use crate::routine::Scene;
use crate::{compile, routine, write};

enum Place<'a> {
    Writer(&'a Desk<'a>),
    Reader(&'a Slot),
}

/// The transaction a surface's work sees.
pub(crate) struct Own<'a> {
    place: Place<'a>,
    now: Timestamp,
    session: Session,
}

impl<'a> Own<'a> {
    /// On the writer, inside a job.
    pub(crate) fn writing(desk: &'a Desk<'a>) -> Self {
        Self { place: Place::Writer(desk), now: desk.now, session: Session::of_role(compile::OWNER) }
    }

    /// On a reader's snapshot.
    pub(crate) fn reading(slot: &'a Slot, now: Timestamp) -> Self {
        Self { place: Place::Reader(slot), now, session: Session::of_role(compile::OWNER) }
    }
}

impl Transaction for Own<'_> {
    fn query(&mut self, sql: &'static str, params: &[Value]) -> Result<Rows, SqlError> {
        let literals = Literals::default();
        let facts = Facts { session: &self.session, literals: &literals, params, now: self.now };
        let (catalog, programs) = match &self.place {
            Place::Writer(desk) => (desk.catalog(), &desk.shared.programs),
            Place::Reader(slot) => (slot.shared.catalog.load_full(), &slot.shared.programs),
        };
        let ready = programs.of_text(sql, &catalog)?;
        let path = routine::default_path();
        let scene = match &self.place {
            Place::Writer(desk) => Scene::writing(desk, &self.session, &path),
            Place::Reader(slot) => Scene::reading(&slot.connection, &slot.shared, &catalog, &self.session, &path, self.now),
        };
        scene.enter(|| match (ready, &self.place) {
            (Ready::Read(ready), Place::Writer(desk)) => read(desk.connection, &ready, &facts),
            (Ready::Read(ready), Place::Reader(slot)) => read(&slot.connection, &ready, &facts),
            (Ready::Write(ready), Place::Writer(desk)) => {
                let written = write::run(desk, &ready, &facts, None)?;
                Ok(Rows { rows: written.returned, affected: written.affected })
            }
            (Ready::Write(_), Place::Reader(_)) => {
                Err(SqlError::new(SqlState::READ_ONLY, "cannot execute a write in a read-only transaction"))
            }
        })
    }

    fn now(&self) -> Timestamp {
        self.now
    }
}

/// Most bytes of rows that are kept at a time.
const MOST_BYTES: usize = 256 << 20;

fn bytes_of(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
            Value::Null | Value::Int(_) | Value::Real(_) => 0,
        }
}

/// Runs a read and collects its result columns, in storage form.
///
/// # Errors
/// What binding and SQLite report.
pub(crate) fn read(connection: &Connection, ready: &ReadyRead, facts: &Facts<'_>) -> Result<Rows, SqlError> {
    let context = connection.context();
    let before = context.replace_shapes(Some(ready.shapes.clone()));
    let result = bind::prepare(connection, &ready.program.rows, facts, &NoRow).and_then(|mut statement| {
        let mut rows = Vec::new();
        let mut size = 0usize;
        while statement.step()? {
            let row = statement.row();
            size = row.iter().fold(size, |sum, value| sum.saturating_add(bytes_of(value)));
            if size > MOST_BYTES {
                return Err(
                    SqlError::new(SqlState::OUT_OF_MEMORY, "out of memory").detail("A result inside the statement is too large.")
                );
            }
            rows.push(row);
        }
        Ok(rows)
    });
    context.set_shapes(before);
    result.map(|rows| Rows { affected: rows.len() as u64, rows })
}
