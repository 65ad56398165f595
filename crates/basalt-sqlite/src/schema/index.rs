//! Indexes: native, over columns with their type's collation or over expressions of our deterministic functions.

use basalt_catalog::{Catalog, Constraint, ConstraintKind, Index, IndexTerm, Relation};
use basalt_plan::dialect::sqlite::storage::collation;
use basalt_plan::expressions::ExprUse;
use basalt_types::{SqlError, SqlState, Value, ValueRef};

use crate::commit::Desk;
use crate::compile;
use crate::connection::Connection;
use crate::keys::shown;
use crate::names::{index_name, quoted, storage_name};

/// Index methods that SQLite's b-tree can stand in for.
fn has_storage(index: &Index) -> bool {
    matches!(index.method.as_str(), "btree" | "hash")
}

/// The terms as SQL, without direction.
fn terms(desk: &Desk<'_>, catalog: &Catalog, relation: &Relation, index: &Index) -> Result<Vec<String>, SqlError> {
    index
        .keys
        .iter()
        .map(|key| match &key.term {
            IndexTerm::Column(attnum) => {
                let column = super::table::column(relation, *attnum)?;
                let collation = collation(catalog, column.type_ref()).map_or(String::new(), |c| format!(" COLLATE {c}"));
                Ok(format!("{}{collation}", quoted(&column.name)))
            }
            IndexTerm::Expr(text) => compile::in_schema(text, ExprUse::IndexKey, relation, catalog, desk.expressions()),
        })
        .collect()
}

/// Makes an index.
///
/// # Errors
/// 23505 when it is unique and rows are equal in it.
pub(crate) fn create(desk: &Desk<'_>, catalog: &Catalog, relation: &Relation, index: &Index) -> Result<(), SqlError> {
    // A rebuild of the table in the same statement makes all its indexes.
    if !has_storage(index) || exists(desk.connection, &index_name(catalog, relation, &index.name))? {
        return Ok(());
    }
    let connection = desk.connection;
    // The write path compares rows of a deferrable key; SQLite's index only finds them.
    let is_deferrable = relation.is_deferrable(index);
    if is_deferrable && let Some(error) = duplicate(desk, catalog, relation, index)? {
        return Err(error);
    }
    let sql = if index.unique && index.nulls_not_distinct && !is_deferrable {
        nulls_equal(desk, catalog, relation, index)?
    } else {
        match compile::index(relation, index, catalog, desk.expressions())? {
            Some(sql) => sql,
            None => return Ok(()),
        }
    };
    match connection.query_once(&sql, &[]) {
        Ok(_) => Ok(()),
        Err(failure) if failure.is_unique() => {
            Err(duplicate(desk, catalog, relation, index)?.unwrap_or_else(|| failure.to_sql()))
        }
        Err(failure) => Err(failure.to_sql()),
    }
}

fn filter(desk: &Desk<'_>, catalog: &Catalog, relation: &Relation, index: &Index) -> Result<String, SqlError> {
    Ok(match &index.filter {
        Some(text) => {
            let filter = compile::in_schema(text, ExprUse::IndexFilter, relation, catalog, desk.expressions())?;
            format!(" WHERE {filter}")
        }
        None => String::new(),
    })
}

/// A unique index in which NULLs are equal: whether a term is NULL, and the term or a value of no stored type, are its key.
fn nulls_equal(desk: &Desk<'_>, catalog: &Catalog, relation: &Relation, index: &Index) -> Result<String, SqlError> {
    let mut keys = Vec::new();
    for term in terms(desk, catalog, relation, index)? {
        let (bare, collation) = match term.rsplit_once(" COLLATE ") {
            Some((bare, name)) => (bare.to_owned(), format!(" COLLATE {name}")),
            None => (term, String::new()),
        };
        keys.push(format!("({bare} IS NULL)"));
        keys.push(format!("ifnull({bare}, x''){collation}"));
    }
    let name = quoted(&index_name(catalog, relation, &index.name));
    let table = quoted(&storage_name(catalog, relation));
    Ok(format!("CREATE UNIQUE INDEX {name} ON {table} ({}){}", keys.join(", "), filter(desk, catalog, relation, index)?))
}

/// 23505 with the first key that rows share, if any do.
fn duplicate(desk: &Desk<'_>, catalog: &Catalog, relation: &Relation, index: &Index) -> Result<Option<SqlError>, SqlError> {
    let connection = desk.connection;
    let terms = terms(desk, catalog, relation, index)?;
    let filter = filter(desk, catalog, relation, index)?;
    let table = quoted(&storage_name(catalog, relation));
    let distinct = if index.nulls_not_distinct {
        String::new()
    } else {
        let present = terms.iter().map(|t| format!("{t} IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
        if filter.is_empty() { format!(" WHERE {present}") } else { format!(" AND {present}") }
    };
    let list = terms.join(", ");
    let sql = format!("SELECT {list} FROM {table}{filter}{distinct} GROUP BY {list} HAVING count(*) > 1 LIMIT 1");
    let Some(row) = connection.query_once(&sql, &[])?.pop() else { return Ok(None) };
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (key, value) in index.keys.iter().zip(&row) {
        let (name, ty) = compile::index_key(relation, &key.term, catalog, desk.expressions())?;
        names.push(name);
        values.push(shown(value, ty));
    }
    let text = format!("could not create unique index \"{}\"", index.name);
    let detail = format!("Key ({})=({}) is duplicated.", names.join(", "), values.join(", "));
    Ok(Some(SqlError::new(SqlState::UNIQUE_VIOLATION, text).detail(detail).constraint(index.name.clone())))
}

/// Drops an index; one behind a primary key has no name of its own in the file, and goes with its table.
pub(crate) fn drop_index(connection: &Connection, name: &str) -> Result<(), SqlError> {
    connection.query_once(&format!("DROP INDEX IF EXISTS {}", quoted(name)), &[])?;
    Ok(())
}

/// Gives an index another name: it is made again.
pub(crate) fn rename(desk: &Desk<'_>, catalog: &Catalog, relation: &Relation, index: &Index, from: &str) -> Result<(), SqlError> {
    if exists(desk.connection, from)? {
        drop_index(desk.connection, from)?;
        create(desk, catalog, relation, index)?;
    }
    Ok(())
}

fn exists(connection: &Connection, name: &str) -> Result<bool, SqlError> {
    let rows = connection.query("SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?1", &[ValueRef::Text(name)])?;
    Ok(rows.first().and_then(|row| row.first()).is_some_and(|v| *v == Value::Int(1)))
}

/// Makes the indexes of a table that the file does not have; a primary key is the table's own unless it is deferrable.
pub(crate) fn create_missing(desk: &Desk<'_>, catalog: &Catalog, relation: &Relation) -> Result<(), SqlError> {
    let is_primary = |index: &Index| {
        let is_own = |c: &Constraint| matches!(c.kind, ConstraintKind::PrimaryKey { .. }) && !c.deferral.deferrable;
        relation.constraints.iter().any(|c| Some(c.oid) == index.constraint && is_own(c))
    };
    for index in relation.indexes.iter().filter(|index| !is_primary(index)) {
        create(desk, catalog, relation, index)?;
    }
    Ok(())
}
