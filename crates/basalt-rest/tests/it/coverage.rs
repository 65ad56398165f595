//! `tests/cases/rest/COVERAGE.md`: what the reference has, which case files cover it, and how many cases there are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::cases::root;

/// Cases there must be at least.
const LEAST: usize = 1200;

/// The heading of the numbers, which the test writes.
const NUMBERS: &str = "\n## Numbers\n";

/// Case files below a folder with their numbers of cases, by name below `top`.
fn count(folder: &Path, top: &Path, into: &mut BTreeMap<String, usize>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            count(&path, top, into);
        } else if path.extension().is_some_and(|e| e == "case") {
            let text = fs::read_to_string(&path).expect("a case file");
            let name = path.strip_prefix(top).expect("below the top").to_string_lossy().replace('\\', "/");
            into.insert(name, text.split("\n===\n").count());
        }
    }
}

/// The table of numbers.
fn numbers(files: &BTreeMap<String, usize>) -> String {
    let mut out = format!("{NUMBERS}\n| File | Cases |\n| --- | --- |\n");
    for (name, cases) in files {
        let _ = writeln!(out, "| `{name}` | {cases} |");
    }
    let _ = writeln!(out, "| all | {} |", files.values().sum::<usize>());
    out
}

#[test]
fn every_feature_names_its_cases() {
    let top = root().join("tests/cases/rest");
    let path = top.join("COVERAGE.md");
    let text = fs::read_to_string(&path).expect("the coverage list");
    let mut files = BTreeMap::new();
    count(&top, &top, &mut files);
    let (features, printed) = text.split_once(NUMBERS).map_or((text.as_str(), ""), |(features, rest)| (features, rest));
    let rows =
        features.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Feature") && !line.starts_with("| ---"));
    let named: Vec<&str> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .filter(|word| word.ends_with(".case") || word.ends_with('/'))
        .collect();
    for name in &named {
        // A folder may be named before its first file is written.
        let is_there = name.ends_with('/') || files.contains_key(*name);
        assert!(is_there, "COVERAGE.md names {name}, which is not there");
    }
    for file in files.keys() {
        let is_named = named.iter().any(|name| name == file || name.ends_with('/') && file.starts_with(name));
        assert!(is_named, "{file} is of no feature in COVERAGE.md: name it or its folder there");
    }
    let all: usize = files.values().sum();
    assert!(all >= LEAST, "there are {all} cases, {LEAST} at least are wanted");
    let wanted = numbers(&files);
    let is_update = std::env::var_os("UPDATE_CASES").is_some_and(|value| !value.is_empty() && value != "0");
    if format!("{NUMBERS}{printed}") != wanted {
        assert!(is_update && std::env::var_os("CI").is_none(), "COVERAGE.md has other numbers: UPDATE_CASES=1 writes them");
        fs::write(&path, format!("{}{wanted}", features)).expect("the coverage list");
    }
}
