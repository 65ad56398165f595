//! After SQLite said that a key failed: which constraint, which values, in PostgreSQL's words.
//!
//! SQLite's message is a signal, never an answer. The write pipeline knows the rows it wrote and words its own errors; what is here
//! serves everything else: our own tables, migrations, and keys still violated when a job ends.

use basalt_catalog::{Catalog, Constraint, ConstraintKind, Relation, RelationKind};
use basalt_types::{Oid, SqlError, SqlState, TypeRef, Value, ValueRef, pg};

use crate::connection::Connection;
use crate::names::{columns, quoted, storage_name};

/// Finds a foreign key that is violated now.
pub(crate) fn find_violation(connection: &Connection, catalog: &Catalog) -> SqlError {
    search(connection, catalog, |_| true)
        .unwrap_or_else(|| SqlError::new(SqlState::FOREIGN_KEY_VIOLATION, "a foreign key constraint is violated"))
}

/// Finds a violated foreign key among those that are regarded.
pub(crate) fn search(connection: &Connection, catalog: &Catalog, regarded: impl Fn(&Constraint) -> bool) -> Option<SqlError> {
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
    Ok(rows.first().map(|row| {
        if row.iter().any(Value::is_null) {
            mixed_nulls(&relation.name, &constraint.name)
        } else {
            missing_parent(relation, own, &constraint.name, &parent.name, Some(row))
        }
    }))
}

/// 23503 of the referring side, for a key's values; without them they are not shown.
pub(crate) fn missing_parent(
    relation: &Relation,
    key: &[i16],
    constraint: &str,
    parent: &str,
    values: Option<&[Value]>,
) -> SqlError {
    let error = refused(&relation.name, constraint);
    error.detail(match values {
        Some(values) => format!("Key {} is not present in table \"{parent}\".", shown_key(relation, key, values)),
        None => format!("Key is not present in table \"{parent}\"."),
    })
}

/// 23503 of the referenced side.
pub(crate) fn still_referenced(
    relation: &Relation,
    key: &[i16],
    constraint: &str,
    child: &str,
    values: Option<&[Value]>,
) -> SqlError {
    let text = format!(
        "update or delete on table \"{}\" violates foreign key constraint \"{constraint}\" on table \"{child}\"",
        relation.name
    );
    let error = SqlError::new(SqlState::FOREIGN_KEY_VIOLATION, text).constraint(constraint);
    error.detail(match values {
        Some(values) => format!("Key {} is still referenced from table \"{child}\".", shown_key(relation, key, values)),
        None => format!("Key is still referenced from table \"{child}\"."),
    })
}

/// `(a, b)=(1, x)`.
fn shown_key(relation: &Relation, key: &[i16], values: &[Value]) -> String {
    let key = key.iter().filter_map(|n| relation.column_at(*n));
    let names = key.clone().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
    let values = key.zip(values).map(|(c, v)| shown(v, c.type_ref())).collect::<Vec<_>>().join(", ");
    format!("({names})=({values})")
}

/// 23503 of the referring side, without detail.
pub(crate) fn refused(table: &str, constraint: &str) -> SqlError {
    SqlError::new(
        SqlState::FOREIGN_KEY_VIOLATION,
        format!("insert or update on table \"{table}\" violates foreign key constraint \"{constraint}\""),
    )
    .constraint(constraint)
}

/// 23503 of MATCH FULL.
pub(crate) fn mixed_nulls(table: &str, constraint: &str) -> SqlError {
    refused(table, constraint).detail("MATCH FULL does not allow mixing of null and nonnull key values.")
}

/// 23505 of a key over columns; without values there is no detail.
pub(crate) fn duplicate(relation: &Relation, constraint: &Constraint, key: &[i16], values: Option<&[Value]>) -> SqlError {
    let text = format!("duplicate key value violates unique constraint \"{}\"", constraint.name);
    let error = SqlError::new(SqlState::UNIQUE_VIOLATION, text).constraint(constraint.name.clone());
    let Some(values) = values else { return error };
    error.detail(format!("Key {} already exists.", shown_key(relation, key, values)))
}

/// Whether at least so many rows have these values in these columns now. NULLs are equal.
///
/// # Errors
/// The disk.
pub(crate) fn are_stored(
    connection: &Connection,
    catalog: &Catalog,
    relation: &Relation,
    key: &[i16],
    values: &[Value],
    rows: usize,
) -> Result<bool, SqlError> {
    let names = columns(relation, key);
    let condition =
        names.iter().enumerate().map(|(i, name)| format!("{} IS ?{}", quoted(name), i + 1)).collect::<Vec<_>>().join(" AND ");
    let sql = format!("SELECT 1 FROM {} WHERE {condition} LIMIT {rows}", quoted(&storage_name(catalog, relation)));
    let params: Vec<ValueRef<'_>> = values.iter().map(Value::as_ref).collect();
    Ok(connection.query_once(&sql, &params)?.len() >= rows)
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
