//! What of which table is copied, and what cannot be.

use basalt_engine::bulk::{Bulk, BulkTable, Shape};

use crate::Failure;

/// Decides it for all tables of the source that have rows for the target, in the source's order.
///
/// # Errors
/// Tables and columns with values that the target has no place for, all of them by name.
pub fn shapes(source: &mut dyn Bulk, target: &mut dyn Bulk, left_out: &[String]) -> Result<Vec<Shape>, Failure> {
    let (ours, theirs) = (source.tables()?, target.tables()?);
    let mut shapes = Vec::new();
    let mut lacks = Vec::new();
    for table in &ours {
        let title = format!("{}.{}", table.schema, table.name);
        if left_out.contains(&title) {
            continue;
        }
        let Some(place) = theirs.iter().find(|place| place.schema == table.schema && place.name == table.name) else {
            if source.has_values(&table.schema, &table.name, &[])? {
                lacks.push(format!("table {title}"));
            }
            continue;
        };
        let (shape, missing) = shape(table, place);
        for column in missing {
            let title = format!("{title}.{column}");
            if !left_out.contains(&title) && source.has_values(&table.schema, &table.name, &[column])? {
                lacks.push(format!("column {title}"));
            }
        }
        shapes.push(shape);
    }
    if lacks.is_empty() {
        return Ok(shapes);
    }
    Err(format!(
        "the target has no place for\n  {}\nMigrations of the folder do not make them. Write one that does, or: --leave-out NAME for each",
        lacks.join("\n  ")
    )
    .into())
}

/// The columns that both have, and the source's others.
fn shape<'t>(table: &'t BulkTable, place: &BulkTable) -> (Shape, Vec<&'t str>) {
    let place_of = |name: &str| place.columns.iter().find(|(theirs, _)| theirs == name);
    let is_written = |name: &str| place_of(name).is_some_and(|(_, is_generated)| !is_generated);
    let key: Vec<String> = if table.key.iter().all(|name| is_written(name)) { table.key.clone() } else { Vec::new() };
    let mut columns = key.clone();
    let names = || table.columns.iter().map(|(name, _)| name.as_str());
    columns.extend(names().filter(|name| is_written(name) && !key.iter().any(|k| k == name)).map(str::to_owned));
    let written = columns.len();
    columns.extend(names().filter(|name| place_of(name).is_some() && !is_written(name)).map(str::to_owned));
    let generated = columns.len() - written;
    let missing = table.columns.iter().filter(|(name, is_generated)| !is_generated && place_of(name).is_none());
    let missing = missing.map(|(name, _)| name.as_str()).collect();
    (Shape { schema: table.schema.clone(), name: table.name.clone(), key: key.len(), columns, generated }, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[(&str, bool)], key: &[&str]) -> BulkTable {
        BulkTable {
            schema: "public".into(),
            name: "t".into(),
            columns: columns.iter().map(|(name, generated)| ((*name).to_owned(), *generated)).collect(),
            key: key.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn keys_come_first_and_computed_columns_last() {
        let here = table(&[("g", true), ("a", false), ("k", false), ("old", false)], &["k"]);
        let there = table(&[("k", false), ("a", false), ("g", true), ("new", false)], &["k"]);
        let (shape, missing) = shape(&here, &there);
        assert_eq!((shape.columns.join(" ").as_str(), shape.key, shape.generated), ("k a g", 1, 1));
        assert_eq!(missing, ["old"]);
    }

    #[test]
    fn a_computed_key_is_none() {
        let both = table(&[("a", false), ("k", true)], &["k"]);
        let (shape, missing) = shape(&both, &both);
        assert_eq!((shape.columns.join(" ").as_str(), shape.key, shape.generated), ("a k", 0, 1));
        assert!(missing.is_empty());
    }
}
