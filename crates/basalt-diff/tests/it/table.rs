//! The table of allowed differences is well-formed, and docs/differences.md shows it.

use std::path::Path;

use basalt_diff::allowed::{TABLE, table};

#[test]
fn the_documents_table_is_the_tests() {
    let lines = TABLE.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')).count();
    assert_eq!(table().len(), lines, "a row of differences.txt has too few cells");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/differences.md");
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    for row in table() {
        let shown = format!("| {} | {} | {} |", row.name, row.here.join(" "), row.reason);
        assert!(page.contains(&shown), "docs/differences.md lacks the row\n{shown}");
    }
}
