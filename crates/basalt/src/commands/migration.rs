//! `basalt migration new|up|list|repair`, and what `serve` and `doctor` need of migrations.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use basalt_engine::migrate::{AppliedMigration, MigrationError, MigrationFile as EngineFile, RepairStatus};
use basalt_sql::ddl::report::{Report, check_files};
use basalt_sqlite::SqliteEngine;
use basalt_types::{Clock as _, SystemClock, SystemRng, pg};
use clap::{Args, Subcommand, ValueEnum};

use crate::config::Settings;
use crate::database::{self, Asked, Database};
use crate::lock::ProjectLock;
use crate::project::{MigrationFile, Project, ProjectError};
use crate::secrets::Secrets;
use crate::{Failure, Place};

/// Work with migrations.
#[derive(Debug, Args)]
pub struct Migration {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make an empty migration file.
    New {
        /// What it does, e.g. `create_notes`.
        name: String,
    },
    /// Apply new migrations; a running server is asked to do it.
    Up,
    /// Show which migrations are applied.
    List,
    /// Correct the history without running anything.
    Repair {
        /// Versions; all files of the folder when none is given.
        versions: Vec<String>,
        /// What the history shall say of them.
        #[arg(long, value_enum)]
        status: Status,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Status {
    Applied,
    Reverted,
}

impl Migration {
    /// Runs the command.
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        let project = Project::find(place.project.as_deref())?;
        match self.what {
            What::New { name } => new(&project, &name),
            What::Up => up(place, &project),
            What::List => list(place, &project),
            What::Repair { versions, status } => repair(place, &project, &versions, status),
        }
    }
}

/// Makes `migrations/<time>_<name>.sql`.
fn new(project: &Project, name: &str) -> Result<(), Failure> {
    let safe: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if safe.trim_matches('_').is_empty() {
        return Err("a migration's name needs letters or digits, e.g. `basalt migration new create_notes`".into());
    }
    let dir = project.folder.join("migrations");
    fs::create_dir_all(&dir).map_err(ProjectError::io(&dir))?;
    // `2026-01-31T12:34:56…` without what separates the parts.
    let version: String = pg::now_text(SystemClock.now()).chars().filter(char::is_ascii_digit).take(14).collect();
    let path = dir.join(format!("{version}_{safe}.sql"));
    fs::OpenOptions::new().write(true).create_new(true).open(&path).map_err(ProjectError::io(&path))?;
    println!("{}", path.display());
    Ok(())
}

fn up(place: &Place, project: &Project) -> Result<(), Failure> {
    let state = project.make_state()?;
    if let Some(answer) = crate::control::ask(&state, "migrate")? {
        println!("{answer}");
        return Ok(());
    }
    let (engine, _lock, settings) = open(place, "migration up")?;
    let applied = apply(&*engine, project, &settings, true)?;
    println!("{}", summary(&applied));
    engine.close();
    Ok(())
}

fn list(place: &Place, project: &Project) -> Result<(), Failure> {
    let files = project.migrations()?;
    let state = project.make_state()?;
    let applied: Vec<String> = if let Some(answer) = crate::control::ask(&state, "history")? {
        answer.lines().map(str::to_owned).collect()
    } else if database::exists(project, &place.open(&[])?.1)? {
        let (engine, _lock, _) = open(place, "migration list")?;
        let rows = engine.applied_migrations()?;
        engine.close();
        rows.into_iter().map(|r| r.version).collect()
    } else {
        Vec::new()
    };
    println!("{:<16} {:<10} name", "version", "state");
    for file in &files {
        let state = if applied.contains(&file.version) { "applied" } else { "new" };
        println!("{:<16} {state:<10} {}", file.version, file.name);
    }
    for version in applied.iter().filter(|v| !files.iter().any(|f| f.version == **v)) {
        println!("{version:<16} {:<10} (no file)", "missing");
    }
    Ok(())
}

fn repair(place: &Place, project: &Project, versions: &[String], status: Status) -> Result<(), Failure> {
    let files = project.migrations()?;
    let (engine, _lock, _) = open(place, "migration repair")?;
    let chosen: Vec<String> =
        if versions.is_empty() { files.iter().map(|f| f.version.clone()).collect() } else { versions.to_vec() };
    let status = if status == Status::Applied { RepairStatus::Applied } else { RepairStatus::Reverted };
    for version in &chosen {
        let file = files.iter().find(|f| f.version == *version);
        let text = file.map(read).transpose()?;
        if file.is_none() && status == RepairStatus::Applied {
            return Err(format!("there is no migration {version} in {}", project.folder.join("migrations").display()).into());
        }
        engine.repair(version, file.map_or("", |f| f.name.as_str()), text.as_deref(), status)?;
        println!("{version} now counts as {}", if status == RepairStatus::Applied { "applied" } else { "not applied" });
    }
    engine.close();
    Ok(())
}

/// Opens the project's database under its lock.
pub fn open(place: &Place, what: &str) -> Result<(std::sync::Arc<dyn Database>, ProjectLock, Settings), Failure> {
    let (project, settings) = place.open(&[])?;
    let state = project.make_state()?;
    let lock = ProjectLock::take(&state, what)?;
    let secrets = Secrets::load(&state, &settings.keys, &SystemRng, &SystemClock)?;
    let (engine, _) = database::open(&project, &settings, &secrets, Asked::default())?;
    Ok((engine, lock, settings))
}

/// Reads a migration's text.
fn read(file: &MigrationFile) -> Result<String, ProjectError> {
    fs::read_to_string(&file.path).map_err(ProjectError::io(&file.path))
}

/// Applies what is new, in order, after making sure that what was applied is still what the folder says. A new database is seeded.
pub fn apply(
    engine: &dyn Database,
    project: &Project,
    settings: &Settings,
    may_seed: bool,
) -> Result<Vec<MigrationFile>, Failure> {
    let files = if settings.migrations_enabled { project.migrations()? } else { Vec::new() };
    let applied = engine.applied_migrations()?;
    // A database whose first migrations these are, or that has none: it is seeded once.
    let is_new = applied.is_empty() && !files.is_empty();
    if applied.is_empty() && engine.has_user_tables() {
        return Err("the database has tables but no history of migrations, so it is left as it is. \
                    If the folder's migrations made them: basalt migration repair --status applied"
            .into());
    }
    compare(&files, &applied)?;
    // Noted before the first migration, so that a crash between them and the seed does not leave the seed out.
    let pending = project.state().join("seed-pending");
    if is_new && settings.seed_enabled && may_seed {
        fs::write(&pending, "The database is new; the seed has not run yet.\n").map_err(ProjectError::io(&pending))?;
    }
    let new: Vec<MigrationFile> = files.into_iter().filter(|f| !applied.iter().any(|a| a.version == f.version)).collect();
    let texts = new.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    // Refuse all at once, before the first is applied.
    let named: Vec<(String, &str)> = new.iter().zip(&texts).map(|(f, t)| (f.path.display().to_string(), t.as_str())).collect();
    if let Some(report) = engine.refusals(&named) {
        return Err(format!("nothing was applied, because some statements do not run on SQLite\n\n{report}").into());
    }
    for (file, text) in new.iter().zip(texts) {
        let migration = EngineFile { version: file.version.clone(), name: file.name.clone(), text };
        let notices = engine.apply_migration(&migration).map_err(|e| failed(&file.path, &e))?;
        for notice in notices {
            tracing::info!(migration = file.version, "{notice}");
        }
    }
    if settings.seed_enabled && may_seed && pending.exists() {
        seed(engine, project, settings)?;
        fs::remove_file(&pending).map_err(ProjectError::io(&pending))?;
    }
    Ok(new)
}

/// How many of the folder's migrations the database does not have.
pub fn waiting(engine: &dyn Database, project: &Project, settings: &Settings) -> Result<usize, Failure> {
    let files = if settings.migrations_enabled { project.migrations()? } else { Vec::new() };
    let applied = engine.applied_migrations()?;
    Ok(files.iter().filter(|f| !applied.iter().any(|a| a.version == f.version)).count())
}

/// An edited or missing applied migration is an error: the database would no longer be what the folder says.
pub fn compare(files: &[MigrationFile], applied: &[AppliedMigration]) -> Result<(), Failure> {
    let mut wrong = String::new();
    for row in applied {
        match files.iter().find(|f| f.version == row.version) {
            None => {
                let _ = writeln!(
                    wrong,
                    "  {} was applied, but its file is missing. Restore it, or: basalt migration repair {} --status reverted",
                    row.version, row.version
                );
            }
            Some(file) => {
                let text = read(file)?;
                if row.sha256.as_ref().is_some_and(|sha| *sha != SqliteEngine::checksum(&text)) {
                    let _ = writeln!(
                        wrong,
                        "  {} was edited after it was applied. Undo the edit and write a new migration, or, if the database already is as the \
                         file says: basalt migration repair {} --status applied",
                        file.path.display(),
                        row.version
                    );
                }
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("the migrations do not match the database's history\n{wrong}").into()) }
}

/// Runs the seed files, each as one transaction.
fn seed(engine: &dyn Database, project: &Project, settings: &Settings) -> Result<(), Failure> {
    for path in seed_files(project, settings)? {
        let text = fs::read_to_string(&path).map_err(ProjectError::io(&path))?;
        engine.run_seed(&text).map_err(|e| failed(&path, &e))?;
    }
    Ok(())
}

/// The files that `[db.seed] sql_paths` names, its patterns expanded in order, each file once.
pub fn seed_files(project: &Project, settings: &Settings) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::new();
    for pattern in &settings.seed_paths {
        let mut found = crate::glob::files(&project.folder, pattern).map_err(ProjectError::io(&project.folder))?;
        found.retain(|f| !all.contains(f));
        all.extend(found);
    }
    Ok(all)
}

fn failed(path: &Path, error: &MigrationError) -> Failure {
    let mut text = format!("{}:{}:{}: {}", path.display(), error.line, error.column, error.error);
    if let Some(detail) = &error.error.detail {
        let _ = write!(text, "\n  {detail}");
    }
    if let Some(hint) = error.error.hint.as_deref().filter(|h| !h.is_empty()) {
        let _ = write!(text, "\n  hint: {hint}");
    }
    if !error.advice.is_empty() {
        let _ = write!(text, "\n  {}", error.advice);
    }
    text.push_str("\n  nothing of this file was applied");
    text.into()
}

/// What a run of migrations did, in a line.
pub fn summary(applied: &[MigrationFile]) -> String {
    match applied {
        [] => "No new migrations.".to_owned(),
        all => format!("Applied {}: {}", all.len(), all.iter().map(|f| f.version.as_str()).collect::<Vec<_>>().join(", ")),
    }
}

/// Refuses files with statements that do not run on SQLite, all at once.
pub fn check_files_on_sqlite(files: &[MigrationFile], settings: &Settings) -> Result<(), Failure> {
    let (base, _) = basalt_sql::bootstrap::catalog(settings.auto_expose_new_tables).map_err(|e| e.error.to_string())?;
    let texts =
        files.iter().map(|file| Ok((file.path.display().to_string(), read(file)?))).collect::<Result<Vec<_>, ProjectError>>()?;
    let report = check_files(texts.iter().map(|(n, t)| (n.as_str(), t.as_str())), &base);
    if report.is_clean() {
        return Ok(());
    }
    Err(format!("nothing was changed, because some statements do not run on SQLite\n\n{}", report.to_text()).into())
}

/// What of the project's SQL does not run, without a database.
pub fn check(project: &Project, settings: &Settings) -> Result<Report, Failure> {
    let (base, _) = basalt_sql::bootstrap::catalog(settings.auto_expose_new_tables).map_err(|e| e.error.to_string())?;
    let mut texts = Vec::new();
    for file in project.migrations()? {
        texts.push((file.path.display().to_string(), read(&file)?));
    }
    for path in seed_files(project, settings)? {
        let text = fs::read_to_string(&path).map_err(ProjectError::io(&path))?;
        texts.push((path.display().to_string(), text));
    }
    Ok(check_files(texts.iter().map(|(n, t)| (n.as_str(), t.as_str())), &base))
}
