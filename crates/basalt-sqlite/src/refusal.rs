//! Which of several errors of one request is told: PostgreSQL's first.
//!
//! PostgreSQL takes a request apart in stages: settings, the statement's columns, row security, literals, patterns (which its planner
//! reads), privileges, rows. Here privileges are known when a plan is compiled and literals are read when a statement is bound, so a
//! request that was refused is looked at once more in that order. Requests that succeed pay nothing for it.

use basalt_catalog::{Catalog, Relation};
use basalt_engine::{Run, RunError};
use basalt_plan::dialect::postgres::{self, Reading};
use basalt_plan::guard;
use basalt_plan::plan::{Action, Literal, Plan};
use basalt_sql::typed::{Statement, UpdateSet};
use basalt_types::pg::datetime::SessionZone;
use basalt_types::{Oid, SqlError, SqlState, Timestamp};

use crate::bind;
use crate::functions::check_pattern;
use crate::write::takes_value;

/// The error that a refused request is answered with.
pub(crate) fn told(run: &Run, catalog: &Catalog, now: Timestamp, error: RunError) -> RunError {
    let RunError::Sql(found) = &error else { return error };
    // What the database itself could not do comes from no stage of a request.
    if !matches!(found.state.as_str().as_bytes(), [b'2', b'1'..=b'3', ..] | [b'4', b'2', ..] | [b'P', b'0', ..]) {
        return error;
    }
    earlier(run, catalog, now, found).map_or(error, RunError::Sql)
}

/// An error of an earlier stage than that of the one found.
fn earlier(run: &Run, catalog: &Catalog, now: Timestamp, found: &SqlError) -> Option<SqlError> {
    let zone = match run.timezone.as_deref().map(SessionZone::enter).transpose() {
        Ok(zone) => zone,
        Err(error) => return Some(error),
    };
    if let Some(error) = columns(&run.plan, catalog) {
        return Some(error);
    }
    if found.state == SqlState::INVALID_OBJECT_DEFINITION || run.literals.0.is_empty() {
        return None;
    }
    let readings = postgres::readings(&run.plan, catalog).ok()?;
    let literal = |reading: &Reading| run.literals.0.get(usize::try_from(reading.literal).ok()?);
    let wrong = readings.iter().find_map(|reading| read(literal(reading)?, reading, now).err());
    drop(zone);
    let is_refused = found.state == SqlState::INSUFFICIENT_PRIVILEGE && found.message.starts_with("permission denied for ");
    if wrong.is_some() || !is_refused {
        return wrong;
    }
    guard::patterns(&run.plan, catalog).into_iter().find_map(|(index, is_array)| {
        match run.literals.0.get(usize::try_from(index).ok()?)? {
            Literal::Text(text) => check_pattern(text, is_array).err(),
            Literal::Null | Literal::List(_) => None,
        }
    })
}

fn read(literal: &Literal, reading: &Reading, now: Timestamp) -> Result<(), SqlError> {
    match literal {
        Literal::Null => Ok(()),
        Literal::Text(text) => bind::read(text, &reading.ty, now).map(drop),
        Literal::List(texts) => texts.iter().try_for_each(|text| bind::read(text, &reading.ty, now).map(drop)),
    }
}

/// 428C9 for the columns that a write gives values.
fn columns(plan: &Plan, catalog: &Catalog) -> Option<SqlError> {
    let Action::Write { statement, .. } = &plan.action else { return None };
    let (relation, columns, is_update) = match &**statement {
        Statement::Insert(insert) => (insert.relation, &insert.columns, false),
        Statement::Update(update) => match &update.set {
            UpdateSet::Payload { columns, .. } => (update.relation, columns, true),
            UpdateSet::Exprs(_) => return None,
        },
        _ => return None,
    };
    let relation: &Relation = catalog.relation_by_oid(Oid(relation.0))?;
    columns.iter().filter_map(|attnum| relation.column_at(*attnum)).find_map(|column| {
        let is_always = column.identity.as_ref().is_some_and(|identity| identity.always);
        takes_value(&column.name, column.generated.is_some(), is_always, is_update).err()
    })
}
