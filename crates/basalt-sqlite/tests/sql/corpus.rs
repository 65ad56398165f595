//! Which part of real projects' migrations runs.
//!
//! `BASALT_CORPUS` names a folder with a folder a project, each holding its migrations: every `*.sql` file in the
//! order of the paths, but for `seed.sql` and for the declarative schemas of the Supabase CLI (folders named `schemas`), from which
//! migrations are made.
//! Without it the projects of this repository are run, and all of them must apply.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use basalt_engine::Engine;
use basalt_sql::ddl::Reason;
use basalt_sql::ddl::report::check_files;
use basalt_sql::parse;
use basalt_sqlite::MigrationFile;

use crate::engines::open;

/// How many kinds of refusals are printed.
const SHOWN: usize = 60;

/// Counts over all projects.
#[derive(Default)]
struct Figures {
    projects: usize,
    clean: usize,
    applied: usize,
    files: usize,
    files_read: usize,
    files_clean: usize,
    statements: usize,
    statements_applied: usize,
    /// By kind of refusal: how often, and in which projects.
    refused: BTreeMap<String, (usize, BTreeSet<String>)>,
    /// What the check let pass and the engine did not.
    surprises: Vec<String>,
}

#[test]
fn corpus() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let given = std::env::var_os("BASALT_CORPUS").map(PathBuf::from);
    let folders = match &given {
        Some(folder) => folders_in(folder),
        None => ["examples", "tests/projects"].iter().flat_map(|name| folders_in(&root.join(name))).collect(),
    };
    assert!(!folders.is_empty(), "no project in {given:?}");
    let mut figures = Figures::default();
    for folder in &folders {
        project(folder, &mut figures);
    }
    println!("{}", figures.to_text());
    if given.is_none() {
        assert_eq!(figures.applied, figures.projects, "Basalt's own projects must apply");
    }
    assert!(figures.surprises.is_empty(), "the check promised more than the engine did");
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn sql_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sql_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "sql")
            && !folder.ends_with("schemas")
            && path.file_name().is_some_and(|n| n != "seed.sql")
        {
            found.push(path);
        }
    }
}

fn project(folder: &Path, figures: &mut Figures) {
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut paths = Vec::new();
    sql_files(folder, &mut paths);
    paths.sort();
    let files: Vec<(String, String)> = paths
        .iter()
        .map(|path| {
            let shown = path.strip_prefix(folder).unwrap_or(path).display().to_string();
            (shown, String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned())
        })
        .collect();
    if files.is_empty() {
        return;
    }
    let (engine, _folder) = open();
    let report = check_files(files.iter().map(|(name, text)| (name.as_str(), text.as_str())), &engine.catalog());
    figures.projects += 1;
    figures.files += report.files;
    figures.files_read += files.iter().filter(|(_, text)| parse::file(text).is_ok()).count();
    let refused: BTreeSet<&str> = report.entries.iter().map(|entry| entry.file.as_str()).collect();
    figures.files_clean += report.files - refused.len();
    figures.statements += report.statements;
    figures.statements_applied += report.applied;
    for entry in report.entries.iter().filter(|entry| entry.follows_from.is_none()) {
        let kind = match entry.refusal.reason {
            Reason::Unsupported => entry.refusal.construct.clone(),
            Reason::Invalid => {
                format!("{}: {} {}", entry.refusal.construct, entry.refusal.error.state.as_str(), entry.refusal.error.message)
            }
        };
        let (times, projects) = figures.refused.entry(kind).or_default();
        *times += 1;
        projects.insert(name.clone());
    }
    if !report.is_clean() {
        return;
    }
    figures.clean += 1;
    for (number, (file, text)) in files.iter().enumerate() {
        let migration = MigrationFile { version: format!("{number:014}"), name: file.clone(), text: text.clone() };
        if let Err(error) = engine.apply_migration(&migration) {
            figures.surprises.push(format!("{name}/{file}: {error}"));
            return;
        }
    }
    figures.applied += 1;
}

impl Figures {
    fn to_text(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "projects that apply from scratch: {}", share(self.applied, self.projects));
        let _ = writeln!(out, "projects without a refusal:       {}", share(self.clean, self.projects));
        let _ = writeln!(out, "files read:                       {}", share(self.files_read, self.files));
        let _ = writeln!(out, "files without a refusal:          {}", share(self.files_clean, self.files));
        let _ = writeln!(out, "statements that apply:            {}", share(self.statements_applied, self.statements));
        let mut refused: Vec<_> = self.refused.iter().collect();
        refused.sort_by_key(|(_, (times, projects))| std::cmp::Reverse((projects.len(), *times)));
        let _ = writeln!(out, "refused (projects, times), {} kinds:", refused.len());
        for (kind, (times, projects)) in refused.into_iter().take(SHOWN) {
            let _ = writeln!(out, "{:>5} {times:>5}  {kind}", projects.len());
        }
        for surprise in &self.surprises {
            let _ = writeln!(out, "checked as clean, but failed: {surprise}");
        }
        out
    }
}

fn share(part: usize, whole: usize) -> String {
    // Tenths of a percent, rounded down so that 100 means all.
    let tenths = (part * 1000).checked_div(whole).unwrap_or(0);
    format!("{part} of {whole} ({}.{} %)", tenths / 10, tenths % 10)
}
