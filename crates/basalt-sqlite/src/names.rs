//! Names in the file: one table `"schema.name"` for each relation.

use basalt_catalog::{Catalog, Relation};
use basalt_types::Oid;

/// The table's name in the file, unquoted.
pub(crate) fn storage_name(catalog: &Catalog, relation: &Relation) -> String {
    let schema = catalog.schema_by_oid(Oid(relation.schema)).map_or("", |s| s.name.as_str());
    format!("{schema}.{}", relation.name)
}

/// An index's name in the file, unquoted. Indexes and tables share SQLite's name space as they share PostgreSQL's.
pub(crate) fn index_name(catalog: &Catalog, relation: &Relation, index: &str) -> String {
    let schema = catalog.schema_by_oid(Oid(relation.schema)).map_or("", |s| s.name.as_str());
    format!("{schema}.{index}")
}

/// A name in double quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names in double quotes, separated by commas.
pub(crate) fn quoted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// The names of columns by number; numbers that are gone are left out.
pub(crate) fn columns<'r>(relation: &'r Relation, attnums: &[i16]) -> Vec<&'r str> {
    attnums.iter().filter_map(|n| relation.column_at(*n)).map(|c| c.name.as_str()).collect()
}
