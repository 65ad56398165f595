//! DDL that reads or changes existing rows.

use std::borrow::Cow;

use basalt_catalog::{Catalog, ConstraintKind, Relation};
use basalt_plan::dialect::sqlite::storage::declared_type;
use basalt_plan::expressions::ExprUse;
use basalt_plan::plan::Literals;
use basalt_plan::program::{Bind, Compiled};
use basalt_sql::ddl::{Convert, Fill};
use basalt_sql::tree::Statement;
use basalt_types::{Oid, Session, SqlError, SqlState, Value, ValueRef, pg};

use super::table::column;
use crate::bind::{Facts, NoRow, RowFacts, prepare, value};
use crate::commit::Desk;
use crate::connection::Connection;
use crate::names::{quoted, storage_name};
use crate::programs::Ready;
use crate::{compile, keys, own, write};

/// Runs generated text around a compiled expression, its parameters bound as the owner's.
fn run_with(desk: &Desk<'_>, sql: &str, compiled: &[&Compiled]) -> Result<Vec<Vec<Value>>, SqlError> {
    let session = Session::of_role(compile::OWNER);
    let literals = Literals::default();
    let facts = Facts { session: &session, literals: &literals, params: &[], now: desk.now };
    let mut values = Vec::new();
    for bind in compiled.iter().flat_map(|c| c.binds.iter()) {
        values.push(value(bind, &facts, &NoRow)?.into_owned());
    }
    let params: Vec<ValueRef<'_>> = values.iter().map(Value::as_ref).collect();
    Ok(desk.connection.query_once(sql, &params)?)
}

/// Gives a new column its values in existing rows.
pub(super) fn fill(desk: &Desk<'_>, catalog: &Catalog, relation: &Relation, attnum: i16, fill: &Fill) -> Result<(), SqlError> {
    let column = column(relation, attnum)?;
    let (table, name) = (quoted(&storage_name(catalog, relation)), quoted(&column.name));
    match fill {
        Fill::Null => Ok(()),
        Fill::Default => {
            let Some(text) = &column.default else { return Ok(()) };
            let compiled = compile::on_row(text, ExprUse::Default(attnum), relation, catalog, desk.expressions())?;
            run_with(desk, &format!("UPDATE {table} SET {name} = {}", compiled.sql), &[&compiled]).map(drop)
        }
        Fill::Generated => {
            let Some(text) = &column.generated else { return Ok(()) };
            let compiled = compile::on_row(text, ExprUse::Generated(attnum), relation, catalog, desk.expressions())?;
            run_with(desk, &format!("UPDATE {table} SET {name} = {}", compiled.sql), &[&compiled]).map(drop)
        }
        Fill::Sequence(sequence) => {
            let update = format!("UPDATE {table} SET {name} = ?1 WHERE rowid = ?2");
            for row in desk.connection.query_once(&format!("SELECT rowid FROM {table} ORDER BY rowid"), &[])? {
                let next = desk.shared.sequences.next(*sequence)?;
                if let Some(Value::Int(rowid)) = row.first() {
                    desk.connection.query_once(&update, &[ValueRef::Int(next), ValueRef::Int(*rowid)])?;
                }
            }
            Ok(())
        }
    }
}

/// Copies all rows from a table into the one that replaces it; columns are matched by number.
pub(super) fn copy(
    desk: &Desk<'_>,
    catalog: &Catalog,
    (relation, before): (&Relation, &Relation),
    (from, to): (&str, &str),
    convert: &[Convert],
) -> Result<(), SqlError> {
    // Columns were added and dropped already: the file's own names are the new ones, except for conversions of the old row.
    let mut targets = Vec::new();
    let mut sources = Vec::new();
    let mut compiled = Vec::new();
    for column in &relation.columns {
        targets.push(quoted(&column.name));
        match convert.iter().find(|c| c.attnum == column.attnum) {
            None => sources.push(quoted(&column.name)),
            Some(convert) => {
                let source = compile::conversion(
                    convert.using.as_deref(),
                    column.attnum,
                    before,
                    column.type_ref(),
                    catalog,
                    desk.expressions(),
                )?;
                sources.push(shift(&source.sql, compiled.iter().map(|c: &Compiled| c.binds.len()).sum()));
                compiled.push(source);
            }
        }
    }
    if targets.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO {} (rowid, {}) SELECT rowid, {} FROM {}",
        quoted(to),
        targets.join(", "),
        sources.join(", "),
        quoted(from)
    );
    let is_rowid_key = match relation.immediate_primary_key() {
        Some([only]) => relation.column_at(*only).is_some_and(|c| declared_type(catalog, c.type_ref()) == "INTEGER"),
        _ => false,
    };
    // SQLite would number the NULLs of a key that is the rowid.
    if is_rowid_key
        && let Some([only]) = relation.immediate_primary_key()
        && !convert.iter().any(|c| c.attnum == *only)
    {
        let key = column(relation, *only)?;
        let nulls = format!("SELECT 1 FROM {} WHERE {} IS NULL LIMIT 1", quoted(from), quoted(&key.name));
        if !desk.connection.query_once(&nulls, &[])?.is_empty() {
            return Err(contains_nulls(relation, &key.name));
        }
    }
    // A key that is the rowid has its own values.
    let sql = if is_rowid_key { sql.replacen("(rowid, ", "(", 1).replacen("SELECT rowid, ", "SELECT ", 1) } else { sql };
    let all: Vec<&Compiled> = compiled.iter().collect();
    match run_with(desk, &sql, &all) {
        Ok(_) => Ok(()),
        Err(error) if error.state == SqlState::UNIQUE_VIOLATION => {
            let key = relation.constraints.iter().find(|c| matches!(c.kind, ConstraintKind::PrimaryKey { .. }));
            let name = key.map_or("", |c| c.name.as_str());
            Err(SqlError::new(SqlState::UNIQUE_VIOLATION, format!("could not create unique index \"{name}\"")).constraint(name))
        }
        Err(error) => Err(error),
    }
}

/// Renumbers `?n` parameters, when several expressions share a statement. Text in quotes stays as it is.
fn shift(sql: &str, by: usize) -> String {
    if by == 0 {
        return sql.to_owned();
    }
    let mut out = String::with_capacity(sql.len() + 8);
    let mut chars = sql.chars().peekable();
    let mut quote = None;
    while let Some(c) = chars.next() {
        out.push(c);
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c == '?' => {
                let mut digits = String::new();
                while let Some(d) = chars.next_if(char::is_ascii_digit) {
                    digits.push(d);
                }
                let number = digits.parse::<usize>().unwrap_or(0) + by;
                out.push_str(&number.to_string());
            }
            None => {}
        }
    }
    out
}

/// 23514 when a row fails a CHECK constraint.
pub(super) fn validate_check(desk: &Desk<'_>, catalog: &Catalog, relation: &Relation, constraint: Oid) -> Result<(), SqlError> {
    let Some(found) = relation.constraints.iter().find(|c| c.oid == constraint.0) else { return Ok(()) };
    let ConstraintKind::Check { expr } = &found.kind else { return Ok(()) };
    let compiled = compile::on_row(expr, ExprUse::Check, relation, catalog, desk.expressions())?;
    let table = quoted(&storage_name(catalog, relation));
    let rows = run_with(desk, &format!("SELECT 1 FROM {table} WHERE NOT ({}) LIMIT 1", compiled.sql), &[&compiled])?;
    if rows.is_empty() {
        return Ok(());
    }
    Err(SqlError::new(
        SqlState::CHECK_VIOLATION,
        format!("check constraint \"{}\" of relation \"{}\" is violated by some row", found.name, relation.name),
    )
    .constraint(found.name.clone()))
}

/// 23503 when a row lacks its referenced row.
pub(super) fn validate_foreign_key(
    connection: &Connection,
    catalog: &Catalog,
    relation: &Relation,
    constraint: Oid,
) -> Result<(), SqlError> {
    let Some(found) = relation.constraints.iter().find(|c| c.oid == constraint.0) else { return Ok(()) };
    keys::violating_row(connection, catalog, relation, found)?.map_or(Ok(()), Err)
}

/// 23502 when a row has NULL in the column.
pub(super) fn validate_not_null(
    connection: &Connection,
    catalog: &Catalog,
    relation: &Relation,
    attnum: i16,
) -> Result<(), SqlError> {
    let column = column(relation, attnum)?;
    let table = quoted(&storage_name(catalog, relation));
    let sql = format!("SELECT 1 FROM {table} WHERE {} IS NULL LIMIT 1", quoted(&column.name));
    if connection.query_once(&sql, &[])?.is_empty() {
        return Ok(());
    }
    Err(contains_nulls(relation, &column.name))
}

fn contains_nulls(relation: &Relation, column: &str) -> SqlError {
    let text = format!("column \"{column}\" of relation \"{}\" contains null values", relation.name);
    SqlError::new(SqlState::NOT_NULL_VIOLATION, text)
}

/// Tables with a column of a type or of its array type: (relation, column name, is array).
fn columns_of_type(catalog: &Catalog, ty: Oid) -> Vec<(&Relation, &str, bool)> {
    let array = catalog.type_by_oid(ty).map_or(0, |def| def.array_oid);
    catalog
        .relations()
        .filter(|r| r.is_stored())
        .flat_map(|r| r.columns.iter().map(move |c| (&**r, c)))
        .filter(|(_, c)| c.ty == ty.0 || (array != 0 && c.ty == array))
        .map(|(r, c)| (r, c.name.as_str(), c.ty != ty.0))
        .collect()
}

/// 23514 when a stored value fails a domain's checks.
pub(super) fn validate_domain(desk: &Desk<'_>, catalog: &Catalog, domain: Oid) -> Result<(), SqlError> {
    let Some(checks) = compile::domain_checks(domain, catalog, desk.expressions())? else { return Ok(()) };
    let session = Session::of_role(compile::OWNER);
    let literals = Literals::default();
    let facts = Facts { session: &session, literals: &literals, params: &[], now: desk.now };
    for (relation, name, is_array) in columns_of_type(catalog, domain) {
        if is_array {
            continue;
        }
        let (table, column) = (quoted(&storage_name(catalog, relation)), quoted(name));
        for row in desk.connection.query_once(&format!("SELECT DISTINCT {column} FROM {table}"), &[])? {
            let value = Tested(row.into_iter().next().unwrap_or_default());
            let mut statement = prepare(desk.connection, &checks.test, &facts, &value)?;
            if statement.step()? && statement.column(0) != ValueRef::Null {
                return Err(SqlError::new(
                    SqlState::CHECK_VIOLATION,
                    format!("column \"{name}\" of table \"{}\" contains values that violate the new constraint", relation.name),
                ));
            }
        }
    }
    Ok(())
}

/// A domain's value under test.
struct Tested(Value);

impl RowFacts for Tested {
    fn value(&self, bind: &Bind) -> Option<Cow<'_, Value>> {
        matches!(bind, Bind::Value).then_some(Cow::Borrowed(&self.0))
    }
}

/// Writes an enum's renamed label into all rows.
pub(super) fn rename_label(connection: &Connection, catalog: &Catalog, ty: Oid, from: &str, to: &str) -> Result<(), SqlError> {
    for (relation, name, is_array) in columns_of_type(catalog, ty) {
        let (table, column) = (quoted(&storage_name(catalog, relation)), quoted(name));
        if !is_array {
            let sql = format!("UPDATE {table} SET {column} = ?1 WHERE {column} = ?2");
            connection.query_once(&sql, &[ValueRef::Text(to), ValueRef::Text(from)])?;
            continue;
        }
        let update = format!("UPDATE {table} SET {column} = ?1 WHERE rowid = ?2");
        for row in connection.query_once(&format!("SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL"), &[])? {
            let [Value::Int(rowid), Value::Text(stored)] = row.as_slice() else { continue };
            let mut rename = |value: &Value| Ok(if *value == Value::from(from) { Value::from(to) } else { value.clone() });
            let renamed = pg::Nested::from_stored(stored, pg::oid::TEXT)?.map(&mut rename)?.store(pg::oid::TEXT);
            if renamed != *stored {
                connection.query_once(&update, &[ValueRef::Text(&renamed), ValueRef::Int(*rowid)])?;
            }
        }
    }
    Ok(())
}

/// Empties tables. Those that refer to them are among them, so that no key is left hanging in the end.
pub(super) fn truncate(connection: &Connection, catalog: &Catalog, tables: &[Oid]) -> Result<(), SqlError> {
    for oid in tables {
        let relation = super::relation(catalog, *oid)?;
        connection.query_once(&format!("DELETE FROM {}", quoted(&storage_name(catalog, relation))), &[])?;
    }
    Ok(())
}

/// Runs a query or data change of a migration as its role.
pub(super) fn run(
    desk: &Desk<'_>,
    catalog: &Catalog,
    statement: &Statement,
    role: &str,
    search_path: &[String],
) -> Result<(), SqlError> {
    let session = Session::of_role(role);
    let literals = Literals::default();
    let facts = Facts { session: &session, literals: &literals, params: &[], now: desk.now };
    let ready = Ready::new(compile::statement(statement, catalog, role, search_path, desk.expressions())?, catalog);
    match ready {
        Ready::Read(ready) => own::read(desk.connection, &ready, &facts).map(drop),
        Ready::Write(ready) => write::run(desk, &ready, &facts, None).map(drop),
    }
}
