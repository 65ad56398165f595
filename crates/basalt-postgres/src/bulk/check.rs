//! Whether rows refer to rows that are there, asked of the rows themselves: nobody checked while they came in.

use basalt_catalog::{ConstraintKind, RelationKind};
use basalt_engine::bulk::KeyCheck;
use basalt_types::{Oid, SqlError};

use super::{PostgresBulk, column, qualified, quiet, quoted};

/// Looks at every validated foreign key, as of the moment that was taken.
pub(super) fn keys(bulk: &PostgresBulk) -> Result<KeyCheck, SqlError> {
    // The equality of an extension's type is found where the extension is.
    let mut path = vec!["pg_catalog".to_owned()];
    for extension in bulk.catalog.extensions() {
        let schema = quoted(&extension.schema);
        if !path.contains(&schema) {
            path.push(schema);
        }
    }
    bulk.run(&format!("SET LOCAL search_path = {}", path.join(", ")))?;
    let mut found = KeyCheck::default();
    for (title, text) in questions(bulk) {
        found.checked += 1;
        let row = bulk.one(&text)?;
        if column(&row, 0)? {
            found.violated.push(title);
        }
    }
    bulk.run("SET LOCAL search_path = pg_catalog")?;
    // Keys that were taken away: the server looks at them when the copy's last step puts them back.
    found.checked += quiet::keys_at_rest(bulk)?;
    Ok(found)
}

/// For each key what is wrong when the answer is true, and the query.
fn questions(bulk: &PostgresBulk) -> Vec<(String, String)> {
    let catalog = &bulk.catalog;
    let schema = |oid: u32| catalog.schema_by_oid(Oid(oid)).map_or("", |schema| schema.name.as_str());
    let mut all = Vec::new();
    for relation in catalog.relations().filter(|relation| relation.kind == RelationKind::Table) {
        for constraint in relation.constraints.iter().filter(|constraint| constraint.validated) {
            let ConstraintKind::ForeignKey { columns, target, target_columns, match_full, .. } = &constraint.kind else {
                continue;
            };
            let Some(parent) = catalog.relation_by_oid(Oid(*target)) else { continue };
            let own: Vec<String> =
                columns.iter().filter_map(|n| relation.column_at(*n)).map(|c| format!("c.{}", quoted(&c.name))).collect();
            let theirs: Vec<String> =
                target_columns.iter().filter_map(|n| parent.column_at(*n)).map(|c| format!("p.{}", quoted(&c.name))).collect();
            let each = |what: &str, joined: &str| own.iter().map(|c| format!("{c} {what}")).collect::<Vec<_>>().join(joined);
            let equal = own.iter().zip(&theirs).map(|(c, p)| format!("{p} = {c}")).collect::<Vec<_>>().join(" AND ");
            let mixed = if *match_full {
                format!(" OR (({}) AND ({}))", each("IS NULL", " OR "), each("IS NOT NULL", " OR "))
            } else {
                String::new()
            };
            let text = format!(
                "SELECT EXISTS (SELECT FROM {} AS c WHERE ({} AND NOT EXISTS (SELECT FROM {} AS p WHERE {equal})){mixed})",
                qualified(schema(relation.schema), &relation.name),
                each("IS NOT NULL", " AND "),
                qualified(schema(parent.schema), &parent.name),
            );
            let title = format!("table \"{}\" violates foreign key constraint \"{}\"", relation.name, constraint.name);
            all.push((title, text));
        }
    }
    all
}
