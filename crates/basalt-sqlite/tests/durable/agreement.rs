//! Whether a database file is sound and its tables are those of its catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use basalt_catalog::{Catalog, Relation, RelationKind};
use basalt_engine::Engine;
use basalt_sqlite::SqliteEngine;
use basalt_types::Oid;
use rusqlite::Connection;

type Names = BTreeSet<String>;

/// Asks whether the file is sound, closes it, and compares it with its catalog both ways: tables, their columns, their indexes.
///
/// # Errors
/// Everything that does not agree.
pub fn close_and_check(engine: &SqliteEngine, path: &Path) -> Result<(), String> {
    let integrity = engine.integrity();
    let catalog = engine.catalog();
    engine.close();
    let mut complaints = integrity.map_err(|e| format!("cannot be checked: {e}"))?;
    let connection = Connection::open(path).map_err(|e| format!("cannot be opened: {e}"))?;
    complaints.extend(look(&connection, &catalog).map_err(|e| format!("cannot be read: {e}"))?);
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}

fn look(connection: &Connection, catalog: &Catalog) -> rusqlite::Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut tables: BTreeMap<String, (Names, Names)> = BTreeMap::new();
    let mut schema = connection.prepare("SELECT type, name, tbl_name FROM sqlite_schema")?;
    let objects =
        schema.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))?;
    for object in objects {
        let (kind, name, table) = object?;
        if table.starts_with("basalt_") || name.starts_with("sqlite_") {
            continue;
        }
        match kind.as_str() {
            "table" => {
                let mut columns = connection.prepare("SELECT name FROM pragma_table_xinfo(?1)")?;
                let names = columns.query_map([&table], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Names>>()?;
                tables.entry(table).or_default().0 = names;
            }
            "index" => {
                tables.entry(table).or_default().1.insert(name);
            }
            other => complaints.push(format!("a {other} named {name} is in the file")),
        }
    }
    for relation in catalog.relations().filter(|r| r.kind == RelationKind::Table) {
        let name = in_file(catalog, relation, &relation.name);
        let Some((columns, indexes)) = tables.remove(&name) else {
            complaints.push(format!("table {name} is in the catalog alone"));
            continue;
        };
        let known: Names = relation.columns.iter().map(|c| c.name.clone()).collect();
        if columns != known && !known.is_empty() {
            complaints.push(format!("columns of {name}: {columns:?} in the file, {known:?} in the catalog"));
        }
        // A primary key's index is the table's own.
        let key = relation.indexes.iter().filter(|index| {
            let of = index.constraint.and_then(|oid| relation.constraints.iter().find(|c| c.oid == oid));
            !of.is_some_and(|c| matches!(c.kind, basalt_catalog::ConstraintKind::PrimaryKey { .. }))
        });
        let known: Names = key.map(|index| in_file(catalog, relation, &index.name)).collect();
        if indexes != known {
            complaints.push(format!("indexes of {name}: {indexes:?} in the file, {known:?} in the catalog"));
        }
    }
    complaints.extend(tables.keys().map(|name| format!("table {name} is in the file alone")));
    Ok(complaints)
}

fn in_file(catalog: &Catalog, relation: &Relation, name: &str) -> String {
    let schema = catalog.schema_by_oid(Oid(relation.schema)).map_or("", |s| s.name.as_str());
    format!("{schema}.{name}")
}
