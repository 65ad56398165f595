//! After SQLite said that a key failed: which constraint, which values, in PostgreSQL's words.
//!
//! SQLite's message is a signal, never an answer. The write pipeline knows the rows it wrote and words its own errors; what is here
//! serves everything else: our own tables, migrations, and keys still violated when a job ends.

use basalt_catalog::{Catalog, Constraint, ConstraintKind, Relation, RelationKind};
use basalt_types::{Oid, SqlError, SqlState, TypeRef, Value, pg};

use crate::connection::Connection;
use crate::names::{columns, quoted, storage_name};

/// Finds a foreign key that is violated now.
pub(crate) fn find_violation(connection: &Connection, catalog: &Catalog) -> SqlError {
    search(connection, catalog, |_| true)
        .unwrap_or_else(|| SqlError::new(SqlState::FOREIGN_KEY_VIOLATION, "a foreign key constraint is violated"))
}

/// Finds a violated foreign key that does not wait for the end of the transaction.
pub(crate) fn find_immediate_violation(connection: &Connection, catalog: &Catalog) -> Option<SqlError> {
    search(connection, catalog, |constraint| !constraint.deferral.initially_deferred)
}

fn search(connection: &Connection, catalog: &Catalog, regarded: impl Fn(&Constraint) -> bool) -> Option<SqlError> {
    for relation in catalog.relations().filter(|r| r.kind == RelationKind::Table) {
        for constraint in relation.constraints.iter().filter(|c| regarded(c)) {
            match violating_row(connection, catalog, relation, constraint) {
                Ok(Some(error)) | Err(error) => return Some(error),
                Ok(None) => {}
            }
        }
    }
    None
}

/// The error for the first row that violates a foreign key; `None` when there is none (or it is another kind of constraint).
///
/// # Errors
/// A deadline, or the disk.
pub(crate) fn violating_row(
    connection: &Connection,
    catalog: &Catalog,
    relation: &Relation,
    constraint: &Constraint,
) -> Result<Option<SqlError>, SqlError> {
    let ConstraintKind::ForeignKey { columns: own, target, target_columns, match_full, .. } = &constraint.kind else {
        return Ok(None);
    };
    let Some(parent) = catalog.relation_by_oid(Oid(*target)) else { return Ok(None) };
    let own_names = columns(relation, own);
    let parent_names = columns(parent, target_columns);
    let list = own_names.iter().map(|c| format!("c.{}", quoted(c))).collect::<Vec<_>>();
    let present = list.iter().map(|c| format!("{c} IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
    let matches = list.iter().zip(&parent_names).map(|(c, p)| format!("p.{} = {c}", quoted(p))).collect::<Vec<_>>().join(" AND ");
    let partial = if *match_full && list.len() > 1 {
        let absent = list.iter().map(|c| format!("{c} IS NULL")).collect::<Vec<_>>().join(" OR ");
        let some = list.iter().map(|c| format!("{c} IS NOT NULL")).collect::<Vec<_>>().join(" OR ");
        format!(" OR (({absent}) AND ({some}))")
    } else {
        String::new()
    };
    let sql = format!(
        "SELECT {} FROM {} AS c WHERE ({present} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {matches})){partial} LIMIT 1",
        list.join(", "),
        quoted(&storage_name(catalog, relation)),
        quoted(&storage_name(catalog, parent)),
    );
    let rows = connection.query_once(&sql, &[])?;
    Ok(rows.first().map(|row| missing_parent(relation, constraint, parent, own, row)))
}

/// 23503 of the referring side.
fn missing_parent(relation: &Relation, constraint: &Constraint, parent: &Relation, own: &[i16], row: &[Value]) -> SqlError {
    let key = own.iter().filter_map(|n| relation.column_at(*n));
    let names = key.clone().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
    let values = key.zip(row).map(|(c, v)| shown(v, c.type_ref())).collect::<Vec<_>>().join(", ");
    let detail = if row.iter().any(Value::is_null) {
        "MATCH FULL does not allow mixing of null and nonnull key values.".to_owned()
    } else {
        format!("Key ({names})=({values}) is not present in table \"{}\".", parent.name)
    };
    SqlError::new(
        SqlState::FOREIGN_KEY_VIOLATION,
        format!("insert or update on table \"{}\" violates foreign key constraint \"{}\"", relation.name, constraint.name),
    )
    .detail(detail)
    .constraint(constraint.name.clone())
}

/// A value as a detail shows it.
pub(crate) fn shown(value: &Value, ty: TypeRef) -> String {
    if value.is_null() {
        return "null".to_owned();
    }
    let mut out = String::new();
    pg::text(value.as_ref(), ty, &mut out);
    out
}
