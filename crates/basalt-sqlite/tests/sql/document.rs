//! `docs/sql.md` says what the cases show: its tables are made from them.

use std::fmt::Write;
use std::path::Path;

use crate::case::{self, Difference, Step};

/// Between these two lines of the page stands the table of refusals.
const REFUSED: (&str, &str) = ("<!-- refused: made from tests/cases/sql/refused.case -->", "<!-- end of refused -->");

/// And between these the table of differences.
const DIFFERENT: (&str, &str) = ("<!-- different: made from tests/cases/sql -->", "<!-- end of different -->");

#[test]
fn the_page_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("docs/sql.md");
    let page = std::fs::read_to_string(&path).expect("docs/sql.md");
    let mut files: Vec<_> =
        std::fs::read_dir(root.join("tests/cases/sql")).expect("the cases").flatten().map(|e| e.path()).collect();
    files.sort();
    let mut refused = String::from("| what | answer |\n| --- | --- |\n");
    let mut different = String::from("| what | why | |\n| --- | --- | --- |\n");
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for case in case::parse(&name, &std::fs::read_to_string(&file).expect("a case file")).cases {
            let mut found: Vec<&Difference> = case.steps.iter().filter_map(|step: &Step| step.on_sqlite.as_ref()).collect();
            found.dedup_by(|a, b| a.reason == b.reason);
            let Some(first) = found.first() else { continue };
            if name == "refused" {
                let answer = first.answer.lines().next().unwrap_or_default().trim_start_matches("ERROR ");
                let _ = writeln!(refused, "| {} | {} |", case.name, answer.replace('|', "\\|"));
                continue;
            }
            for difference in found {
                let kind = if difference.is_wrong { "to be corrected" } else { "stays" };
                let _ = writeln!(different, "| {name}: {} | {} | {kind} |", case.name, difference.reason);
            }
        }
    }
    let made = replaced(&replaced(&page, REFUSED, &refused), DIFFERENT, &different);
    if std::env::var_os("UPDATE_CASES").is_some() {
        std::fs::write(&path, made).expect("writing the page");
        return;
    }
    assert!(page == made, "docs/sql.md is stale: run this test with UPDATE_CASES=1 and read the difference");
}

/// The page with another text between two of its lines.
fn replaced(page: &str, (from, to): (&str, &str), text: &str) -> String {
    let (before, rest) = page.split_once(from).unwrap_or_else(|| panic!("docs/sql.md has no line {from}"));
    let (_, after) = rest.split_once(to).unwrap_or_else(|| panic!("docs/sql.md has no line {to}"));
    format!("{before}{from}\n\n{text}\n{to}{after}")
}
