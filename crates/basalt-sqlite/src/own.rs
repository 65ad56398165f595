//! Transactions of the surfaces on their own tables: constant PostgreSQL texts, compiled once, run as the owner of the database.

use basalt_engine::{Rows, Transaction};
use basalt_plan::plan::Literals;
use basalt_types::{Session, SqlError, SqlState, Timestamp, Value};

use crate::bind::{self, Facts, NoRow};
use crate::commit::Desk;
use crate::connection::Connection;
use crate::programs::{Ready, ReadyRead};
use crate::readers::Slot;
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
        match (programs.of_text(sql, &catalog)?, &self.place) {
            (Ready::Read(ready), Place::Writer(desk)) => read(desk.connection, &ready, &facts),
            (Ready::Read(ready), Place::Reader(slot)) => read(&slot.connection, &ready, &facts),
            (Ready::Write(ready), Place::Writer(desk)) => {
                let path = routine::path_of(&self.session);
                let run = || write::run(desk, &ready, &facts, None);
                let written = routine::Scene::writing(desk, &self.session, &path).enter(run)?;
                Ok(Rows { rows: written.returned, affected: written.affected })
            }
            (Ready::Write(_), Place::Reader(_)) => {
                Err(SqlError::new(SqlState::READ_ONLY, "cannot execute a write in a read-only transaction"))
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.now
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
        while statement.step()? {
            rows.push(statement.row());
        }
        Ok(rows)
    });
    context.set_shapes(before);
    result.map(|rows| Rows { affected: rows.len() as u64, rows })
}
