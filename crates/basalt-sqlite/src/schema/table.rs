//! Tables: their text, native changes, and the making of a table anew.

use basalt_catalog::{Catalog, Column, ConstraintKind, Relation};
use basalt_plan::dialect::sqlite::storage::{collation, declared_type};
use basalt_sql::ddl::Convert;
use basalt_types::{Oid, SqlError, Value, ValueRef};

use super::{index, rows};
use crate::commit::Desk;
use crate::connection::Connection;
use crate::names::{columns, quoted, quoted_list, storage_name};

/// How every foreign key ends.
const NATIVE_KEY: &str = "ON DELETE NO ACTION ON UPDATE NO ACTION DEFERRABLE INITIALLY DEFERRED";

/// The name of a table while it is made anew. No schema's name has this form, so nothing of the user's is called so.
const ANEW: &str = "basalt_anew";

/// The primary key's column when it is the rowid itself: a single integer.
fn rowid_column<'r>(catalog: &Catalog, relation: &'r Relation) -> Option<&'r Column> {
    match relation.immediate_primary_key()? {
        [only] => relation.column_at(*only).filter(|column| declared_type(catalog, column.type_ref()) == "INTEGER"),
        _ => None,
    }
}

fn column_text(catalog: &Catalog, column: &Column) -> String {
    let mut text = format!("{} {}", quoted(&column.name), declared_type(catalog, column.type_ref()));
    if let Some(collation) = collation(catalog, column.type_ref()) {
        text.push_str(" COLLATE ");
        text.push_str(collation);
    }
    text
}

/// CREATE TABLE for a relation under a name, its columns in the given order (all others behind).
///
/// NOT NULL is native for primary keys only: SQLite would let several NULLs into them. Foreign keys are deferred natively, because
/// PostgreSQL checks them when the statement ends, not row by row; the write path decides when that is.
fn text(catalog: &Catalog, relation: &Relation, name: &str, order: &[String], with_keys: bool) -> String {
    let rowid = rowid_column(catalog, relation).map(|column| column.attnum);
    let key = relation.immediate_primary_key().unwrap_or_default();
    let mut sorted: Vec<&Column> = relation.columns.iter().collect();
    sorted.sort_by_key(|column| order.iter().position(|n| *n == column.name).unwrap_or(usize::MAX));
    let mut parts: Vec<String> = sorted
        .iter()
        .map(|column| {
            let mut part = column_text(catalog, column);
            if rowid == Some(column.attnum) {
                part.push_str(" PRIMARY KEY");
            } else if key.contains(&column.attnum) {
                part.push_str(" NOT NULL");
            }
            part
        })
        .collect();
    if parts.is_empty() {
        // PostgreSQL has tables without columns; SQLite has not.
        parts.push("\"basalt_empty\" INTEGER".to_owned());
    }
    if rowid.is_none() && !key.is_empty() {
        parts.push(format!("PRIMARY KEY ({})", quoted_list(columns(relation, key))));
    }
    for constraint in relation.constraints.iter().filter(|_| with_keys) {
        let ConstraintKind::ForeignKey { columns: own, target, target_columns, .. } = &constraint.kind else { continue };
        let Some(parent) = catalog.relation_by_oid(Oid(*target)) else { continue };
        // Whatever a key does to rows that refer, the write path does it: natively nothing happens.
        parts.push(format!(
            "FOREIGN KEY ({}) REFERENCES {} ({}) {NATIVE_KEY}",
            quoted_list(columns(relation, own)),
            quoted(&storage_name(catalog, parent)),
            quoted_list(columns(parent, target_columns)),
        ));
    }
    format!("CREATE TABLE {} ({}) STRICT", quoted(name), parts.join(", "))
}

/// Makes a table.
pub(crate) fn create(connection: &Connection, catalog: &Catalog, relation: &Relation) -> Result<(), SqlError> {
    connection.query_once(&text(catalog, relation, &storage_name(catalog, relation), &[], true), &[])?;
    Ok(())
}

/// Drops a table that nothing refers to.
pub(crate) fn drop_table(connection: &Connection, name: &str) -> Result<(), SqlError> {
    connection.query_once(&format!("DROP TABLE {}", quoted(name)), &[])?;
    Ok(())
}

/// Renames a table; foreign keys of others follow.
pub(crate) fn rename(connection: &Connection, from: &str, to: &str) -> Result<(), SqlError> {
    connection.query_once(&format!("ALTER TABLE {} RENAME TO {}", quoted(from), quoted(to)), &[])?;
    Ok(())
}

/// Adds a column, NULL everywhere.
pub(crate) fn add_column(connection: &Connection, catalog: &Catalog, relation: &Relation, attnum: i16) -> Result<(), SqlError> {
    let column = column(relation, attnum)?;
    let table = quoted(&storage_name(catalog, relation));
    connection.query_once(&format!("ALTER TABLE {table} ADD COLUMN {}", column_text(catalog, column)), &[])?;
    Ok(())
}

/// Drops a column that no key or index has. A rebuild of the table in the same statement has dropped it already.
pub(crate) fn drop_column(connection: &Connection, catalog: &Catalog, relation: &Relation, name: &str) -> Result<(), SqlError> {
    let table = quoted(&storage_name(catalog, relation));
    let stored = stored_columns(connection, &storage_name(catalog, relation))?;
    if !stored.iter().any(|column| column == name) {
        return Ok(());
    }
    if relation.columns.is_empty() && stored.len() == 1 {
        connection.query_once(&format!("ALTER TABLE {table} ADD COLUMN \"basalt_empty\" INTEGER"), &[])?;
    }
    connection.query_once(&format!("ALTER TABLE {table} DROP COLUMN {}", quoted(name)), &[])?;
    Ok(())
}

/// Renames a column; indexes and foreign keys follow.
pub(crate) fn rename_column(
    connection: &Connection,
    catalog: &Catalog,
    relation: &Relation,
    from: &str,
    to: &str,
) -> Result<(), SqlError> {
    let table = quoted(&storage_name(catalog, relation));
    connection.query_once(&format!("ALTER TABLE {table} RENAME COLUMN {} TO {}", quoted(from), quoted(to)), &[])?;
    Ok(())
}

/// A column by number.
pub(crate) fn column(relation: &Relation, attnum: i16) -> Result<&Column, SqlError> {
    relation.column_at(attnum).ok_or_else(|| SqlError::internal("a step names a column that is not in the catalog"))
}

/// The columns as the file has them, in order.
fn stored_columns(connection: &Connection, name: &str) -> Result<Vec<String>, SqlError> {
    let rows = connection.query("SELECT name FROM pragma_table_info(?1) ORDER BY cid", &[ValueRef::Text(name)])?;
    Ok(rows
        .into_iter()
        .filter_map(|mut row| row.pop())
        .filter_map(|v| if let Value::Text(t) = v { Some(t) } else { None })
        .collect())
}

fn stored_text(connection: &Connection, name: &str) -> Result<String, SqlError> {
    let rows = connection.query("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1", &[ValueRef::Text(name)])?;
    match rows.into_iter().next().and_then(|mut row| row.pop()) {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(SqlError::internal("a table of the catalog is not in the file")),
    }
}

/// Makes a table as its catalog entry says, rows kept. When only foreign keys differ, the table's text changes and nothing else.
pub(crate) fn rebuild(
    desk: &Desk<'_>,
    catalog: &Catalog,
    relation: &Relation,
    before: &Relation,
    convert: &[Convert],
) -> Result<(), SqlError> {
    let connection = desk.connection;
    let name = storage_name(catalog, relation);
    let order = stored_columns(connection, &name)?;
    let bare = |text: &str| text.split(", FOREIGN KEY").next().unwrap_or(text).trim_end_matches(") STRICT").to_owned();
    let wanted = text(catalog, relation, &name, &order, true);
    if convert.is_empty() && bare(&stored_text(connection, &name)?) == bare(&wanted) {
        edit_schema(connection, &[("UPDATE sqlite_schema SET sql = ?1 WHERE type = 'table' AND name = ?2", &[&wanted, &name])])?;
        return index::create_missing(desk, catalog, relation);
    }
    // The old indexes go first: their texts name the table.
    let indexes = connection.query(
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1 AND sql IS NOT NULL",
        &[ValueRef::Text(&name)],
    )?;
    for row in indexes {
        if let Some(Value::Text(index)) = row.first() {
            index::drop_index(connection, index)?;
        }
    }
    connection.query_once(&text(catalog, relation, ANEW, &[], false), &[])?;
    rows::copy(desk, catalog, (relation, before), (&name, ANEW), convert)?;
    // Both tables change names; what refers to the name now refers to the new table.
    let trash = "basalt_trash";
    let old_text = stored_text(connection, &name)?;
    let body = |text: &str, own: &str| text.strip_prefix(&format!("CREATE TABLE {}", quoted(own))).map(str::to_owned);
    let old_body = body(&old_text, &name).ok_or_else(|| SqlError::internal("a table's stored text is not ours"))?;
    let trash_text = format!("CREATE TABLE {}{old_body}", quoted(trash));
    let final_text = text(catalog, relation, &name, &[], true);
    const TABLE: &str = "UPDATE sqlite_schema SET name = ?1, tbl_name = ?1, sql = ?2 WHERE type = 'table' AND name = ?3";
    const AUTO: &str = "UPDATE sqlite_schema SET tbl_name = ?1, name = 'sqlite_autoindex_' || ?1 || substr(name, length(?2) + 18) \
         WHERE type = 'index' AND tbl_name = ?2 AND sql IS NULL";
    edit_schema(
        connection,
        &[
            (TABLE, &[trash, &trash_text, &name]),
            (AUTO, &[trash, &name]),
            (TABLE, &[&name, &final_text, ANEW]),
            (AUTO, &[&name, ANEW]),
        ],
    )?;
    drop_table(connection, trash)?;
    index::create_missing(desk, catalog, relation)
}

/// Takes the actions out of the foreign keys of a file of format 1, in which SQLite did them. Inside a transaction.
pub(crate) fn take_actions_out(connection: &Connection) -> Result<(), SqlError> {
    const ACTIONS: [&str; 4] = ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL"];
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql LIKE '% DEFERRABLE INITIALLY DEFERRED%'";
    for row in connection.query(sql, &[])? {
        let [Value::Text(name), Value::Text(text)] = row.as_slice() else { continue };
        let mut changed = text.clone();
        for (delete, update) in ACTIONS.iter().flat_map(|delete| ACTIONS.iter().map(move |update| (delete, update))) {
            let old = format!("ON DELETE {delete} ON UPDATE {update} DEFERRABLE INITIALLY DEFERRED");
            changed = changed.replace(&old, NATIVE_KEY);
        }
        if changed != *text {
            edit_schema(
                connection,
                &[("UPDATE sqlite_schema SET sql = ?1 WHERE type = 'table' AND name = ?2", &[&changed, name])],
            )?;
        }
    }
    Ok(())
}

/// Changes texts in the schema table itself and has every connection read them again. For changes that leave stored rows as they are.
fn edit_schema(connection: &Connection, edits: &[(&'static str, &[&str])]) -> Result<(), SqlError> {
    connection.set_defensive(false)?;
    let result = edit_undefended(connection, edits);
    connection.query_once("PRAGMA writable_schema = RESET", &[])?;
    connection.set_defensive(true)?;
    result
}

fn edit_undefended(connection: &Connection, edits: &[(&'static str, &[&str])]) -> Result<(), SqlError> {
    connection.query_once("PRAGMA writable_schema = ON", &[])?;
    for (sql, params) in edits {
        let params: Vec<ValueRef<'_>> = params.iter().map(|text| ValueRef::Text(text)).collect();
        connection.query_once(sql, &params)?;
    }
    let version = connection.integer("PRAGMA schema_version")?;
    connection.query_once(&format!("PRAGMA schema_version = {}", version.wrapping_add(1) & 0x7fff_ffff), &[])?;
    Ok(())
}
