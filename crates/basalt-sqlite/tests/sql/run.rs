//! Running the cases of a file on both engines.

use std::fmt::Write;
use std::path::PathBuf;

use crate::case::{self, Difference, Step, Verb};
use crate::engines::{Postgres, Sqlite};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases/sql"))
}

/// Fails unless the folder holds exactly these files.
pub fn assert_files(named: &[&str]) {
    let mut found: Vec<String> = std::fs::read_dir(folder())
        .expect("the folder of cases")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".case").map(str::to_owned))
        .collect();
    found.sort();
    let mut named: Vec<String> = named.iter().map(|&n| n.to_owned()).collect();
    named.sort();
    assert_eq!(found, named, "tests/cases/sql and the list in tests/sql/main.rs");
}

/// What a difference says until a person has given its reason.
const UNEXPLAINED: &str = "unexplained";

/// Databases of a case. Cases that only ask share theirs.
struct Databases {
    sqlite: Sqlite,
    postgres: Postgres,
}

impl Databases {
    fn fresh() -> Self {
        Self { sqlite: Sqlite::fresh(), postgres: Postgres::fresh() }
    }
}

/// Runs a file: every answer of every case, or the list of those that differ.
pub fn file(name: &str) {
    let path = folder().join(name).with_extension("case");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut file = case::parse(name, &text);
    let update = std::env::var_os("UPDATE_CASES").is_some();
    assert!(!update || std::env::var_os("CI").is_none(), "UPDATE_CASES is for people");
    let only = std::env::var("BASALT_CASE").unwrap_or_default();
    let (mut failures, mut failed, mut wrong) = (String::new(), 0, 0);
    let mut shared = None;
    for case in file.cases.iter_mut().filter(|case| case.name.contains(&only)) {
        let mut own = case.steps.iter().any(|step| step.verb == Verb::Apply).then(Databases::fresh);
        let databases = own.as_mut().unwrap_or_else(|| shared.get_or_insert_with(Databases::fresh));
        let mut differs = String::new();
        for step in &mut case.steps {
            let (postgres, sqlite) = (databases.postgres.answer(step), databases.sqlite.answer(step));
            if update {
                rewrite(step, postgres, sqlite);
                continue;
            }
            let expected = step.on_sqlite.as_ref().map_or(&step.answer, |d| &d.answer);
            for (engine, expected, got) in [("postgres", &step.answer, &postgres), ("sqlite", expected, &sqlite)] {
                if got != expected {
                    let _ = writeln!(differs, "{}\n  expected {}\n  {engine:<8} {}", step.sql, indented(expected), indented(got));
                }
            }
            if step.on_sqlite.as_ref().is_some_and(|d| d.reason == UNEXPLAINED) {
                let _ = writeln!(differs, "{}\n  a difference without its reason", step.sql);
            }
        }
        wrong += u32::from(case.steps.iter().any(|s| s.on_sqlite.as_ref().is_some_and(|d| d.is_wrong)));
        if !differs.is_empty() {
            failed += 1;
            let _ = writeln!(failures, "=== {}\n{differs}", case.name);
        }
    }
    if update {
        std::fs::write(&path, case::print(&file)).expect("writing the cases");
        return;
    }
    println!("{name}: {} cases, {failed} failed, {wrong} known to be wrong", file.cases.len());
    assert!(failures.is_empty(), "{failed} of {} cases in {name}.case differ:\n{failures}", file.cases.len());
}

/// Puts the engines' answers into a step; a new difference waits for its reason.
fn rewrite(step: &mut Step, postgres: String, sqlite: String) {
    if postgres == sqlite {
        step.on_sqlite = None;
    } else if let Some(difference) = &mut step.on_sqlite {
        difference.answer = sqlite;
    } else {
        step.on_sqlite = Some(Difference { is_wrong: true, reason: UNEXPLAINED.to_owned(), answer: sqlite });
    }
    step.answer = postgres;
}

fn indented(text: &str) -> String {
    text.replace('\n', "\n           ")
}
