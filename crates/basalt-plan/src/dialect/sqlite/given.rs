//! Values that nobody may give: PostgreSQL's rewriter refuses them before rights are looked at.

use basalt_catalog::{Catalog, Column};
use basalt_sql::typed::{InsertSource, Statement, UpdateSet};
use basalt_types::{SqlError, SqlState};

/// 428C9 when a request's body is written to a generated column or to an identity column that is GENERATED ALWAYS: the first of the
/// table's.
///
/// # Errors
/// That one.
pub(super) fn check(statement: &Statement, catalog: &Catalog) -> Result<(), SqlError> {
    let (oid, columns, is_insert) = match statement {
        Statement::Insert(insert) if matches!(insert.source, InsertSource::Payload { .. }) => {
            (insert.relation, &insert.columns, true)
        }
        Statement::Update(update) => match &update.set {
            UpdateSet::Payload { columns, .. } => (update.relation, columns, false),
            _ => return Ok(()),
        },
        Statement::Insert(_) | Statement::Delete(_) | Statement::Query(_) => return Ok(()),
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
