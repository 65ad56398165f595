//! Values that nobody may give: PostgreSQL's rewriter refuses them before rights are looked at.

use basalt_catalog::{Catalog, Column};
use basalt_sql::typed::{InsertSource, Statement, UpdateSet};
use basalt_types::{Oid, SqlError, SqlState};

use super::through::Through;

/// 428C9 when a request's body is written to a generated column or to an identity column that is GENERATED ALWAYS: the first of the
/// table's. Through a view, any value counts, since a statement on the view did not know the column to be one.
///
/// # Errors
/// That one.
pub(super) fn check(statement: &Statement, through: Option<&Through>, catalog: &Catalog) -> Result<(), SqlError> {
    let is_through = through.is_some();
    let (oid, columns, is_insert) = match statement {
        Statement::Insert(insert) => {
            let is_given = |at: usize| match &insert.source {
                InsertSource::Payload { .. } => true,
                InsertSource::Query(_) => is_through,
                InsertSource::Values(rows) => is_through && rows.iter().any(|row| row.get(at).is_some_and(Option::is_some)),
            };
            let given = insert.columns.iter().enumerate().filter(|(at, _)| is_given(*at)).map(|(_, attnum)| *attnum);
            if insert.overriding_system.is_some() {
                return Ok(());
            }
            (insert.relation, given.collect::<Vec<i16>>(), true)
        }
        Statement::Update(update) => match &update.set {
            UpdateSet::Payload { columns, .. } => (update.relation, columns.clone(), false),
            UpdateSet::Exprs(set) if is_through => (update.relation, set.iter().map(|(attnum, _)| *attnum).collect(), false),
            UpdateSet::Exprs(_) => return Ok(()),
        },
        Statement::Delete(_) | Statement::Query(_) => return Ok(()),
    };
    let (oid, columns): (Oid, Vec<i16>) = match through {
        Some(through) => (Oid(through.end.oid), columns.iter().filter_map(|c| through.source(*c)).collect()),
        None => (oid, columns),
    };
    let Some(relation) = catalog.relation_by_oid(oid) else { return Ok(()) };
    let is_always = |column: &&Column| column.generated.is_some() || column.identity.as_ref().is_some_and(|i| i.always);
    let given = relation.columns.iter().filter(|column| columns.contains(&column.attnum));
    let Some(column) = given.filter(is_always).min_by_key(|column| column.attnum) else { return Ok(()) };
    let message = if is_insert {
        format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name)
    } else {
        format!("column \"{}\" can only be updated to DEFAULT", column.name)
    };
    let is_generated = column.generated.is_some();
    let kind = if is_generated { "a generated column" } else { "an identity column defined as GENERATED ALWAYS" };
    let error = SqlError::new(SqlState::GENERATED_ALWAYS, message).detail(format!("Column \"{}\" is {kind}.", column.name));
    Err(if is_insert && !is_generated { error.hint("Use OVERRIDING SYSTEM VALUE to override.") } else { error })
}
