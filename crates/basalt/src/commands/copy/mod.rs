//! `basalt copy`: a live project from one database to another, of either kind, ending in a report of what is equal.
//!
//! - [`side`]: the two places, and how a target is prepared;
//! - [`plan`]: which columns of which tables;
//! - [`transfer`]: the rows of one table, from where an earlier copy was cut off;
//! - [`sums`], [`compare`]: what rows add up to, and which of them differ;
//! - [`progress`], [`report`]: what the user sees.

mod compare;
mod plan;
mod progress;
mod report;
mod side;
mod sums;
mod transfer;

use basalt_engine::bulk::{Bulk, Notes, Shape};
use basalt_types::{SystemClock, SystemRng};
use clap::Args;

use self::progress::Progress;
use self::report::{Part, Report, TableReport};
use self::side::Side;
use self::sums::Sums;
use crate::commands::migration;
use crate::config::Settings;
use crate::project::{MigrationFile, Project};
use crate::secrets::Secrets;
use crate::{Failure, Place};

/// Copy the project's database to another one, with users, sessions and history, and compare the two.
#[derive(Debug, Args)]
pub struct Copy {
    /// Where from: sqlite (the project's own file), sqlite:PATH or postgres://… By default the project's database.
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// The login that owns the source's tables, when --from is not that one.
    #[arg(long, value_name = "URL", requires = "from")]
    from_admin: Option<String>,
    /// Where to: sqlite, sqlite:PATH or postgres://… It must be empty, or hold what an interrupted copy left.
    #[arg(long, value_name = "PLACE")]
    to: String,
    /// The login that owns the target's tables, when --to is not that one.
    #[arg(long, value_name = "URL")]
    to_admin: Option<String>,
    /// Compare only; nothing is written.
    #[arg(long)]
    verify_only: bool,
    /// A table (schema.name) or column (schema.name.column) that the target has no place for and that may stay behind. Repeatable.
    #[arg(long, value_name = "NAME")]
    leave_out: Vec<String>,
    /// Progress as lines of JSON on standard error, the report as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// Note: rows of migrations have been removed from the target, so that what is there is the copy's.
const CLEARED: &str = "cleared";

/// Schemas of the services; tables elsewhere are users'.
const SERVICES: [&str; 3] = ["auth", "storage", "realtime"];

impl Copy {
    /// Runs the command.
    pub fn run(self, place: &Place) -> Result<(), Failure> {
        let (project, settings) = place.open(&[])?;
        let from = match &self.from {
            Some(text) => Side::parse(text, self.from_admin.as_deref(), &project)?,
            None => Side::of_project(&project, &settings),
        };
        let to = Side::parse(&self.to, self.to_admin.as_deref(), &project)?;
        if from.is_same(&to) {
            return Err("the source and the target are the same place".into());
        }
        let progress = Progress::new(self.json);
        let files = if settings.migrations_enabled { project.migrations()? } else { Vec::new() };
        let mut source = from
            .open(&project, &settings, false)?
            .ok_or_else(|| Failure::from(format!("there is no database to copy: {}", from.title())))?;
        source.begin()?;
        check_source(&mut *source, &files)?;
        let _lock = if self.verify_only { None } else { to.lock(&project)? };
        let mut work = Work { copy: &self, project: &project, settings: &settings, files: &files, source, progress };
        let report = if self.verify_only { work.verify(&to)? } else { work.copy(&to)? };
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print!("{}", report.to_text());
        }
        if report.equal { Ok(()) } else { Err(format!("{} is not equal to {}", to.title(), from.title()).into()) }
    }
}

/// The source must be what the folder says: all of its migrations, and none else.
fn check_source(source: &mut dyn Bulk, files: &[MigrationFile]) -> Result<(), Failure> {
    if source.notes()?.is_some() {
        return Err("the source is itself the target of an unfinished copy: end that one first".into());
    }
    let applied = source.history()?;
    if applied.is_empty() && source.tables()?.iter().any(|table| !SERVICES.contains(&table.schema.as_str())) {
        return Err("the source has tables but no history of migrations. If the folder's migrations made them: \
                    basalt migration repair --status applied"
            .into());
    }
    migration::compare(files, &applied)?;
    let waiting: Vec<&str> =
        files.iter().map(|file| file.version.as_str()).filter(|version| !applied.iter().any(|a| a.version == *version)).collect();
    if waiting.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the source lacks migrations of the folder ({}), so the target's tables would not be the source's. Apply them first: \
         basalt migration up",
        waiting.join(", ")
    )
    .into())
}

/// A copy under way.
struct Work<'a> {
    copy: &'a Copy,
    project: &'a Project,
    settings: &'a Settings,
    files: &'a [MigrationFile],
    source: Box<dyn Bulk>,
    progress: Progress,
}

impl Work<'_> {
    /// Compares only.
    fn verify(&mut self, to: &Side) -> Result<Report, Failure> {
        let mut target = self.open(to, false)?;
        target.begin()?;
        let shapes = plan::shapes(&mut *self.source, &mut *target, &self.copy.leave_out)?;
        let mut ours = Vec::new();
        for shape in &shapes {
            ours.push(compare::sums(&mut *self.source, shape, "source", &mut self.progress)?);
        }
        let mut report = self.compare(&mut *target, &shapes, &ours)?;
        if target.notes()?.is_some() {
            report.left_out.push("the end of an unfinished copy into the target".to_owned());
        }
        Ok(report)
    }

    /// Copies and compares.
    fn copy(&mut self, to: &Side) -> Result<Report, Failure> {
        let notes = self.examine(to)?;
        self.prepare(to, notes.is_none())?;
        let mut target = self.open(to, true)?;
        target.quiet()?;
        let shapes = plan::shapes(&mut *self.source, &mut *target, &self.copy.leave_out)?;
        let mut notes = target.notes()?.unwrap_or_default();
        if !notes.contains_key(CLEARED) {
            clear(&mut *target)?;
            target.note(CLEARED, "1")?;
            notes = Notes::new();
        }
        let mut ours = Vec::new();
        for shape in &shapes {
            ours.push(transfer::table(&mut *self.source, &mut *target, shape, &notes, &mut self.progress)?);
        }
        // Behind the rows: a sequence of a live source is never before a value that was copied.
        let sequences = self.source.sequences()?;
        target.set_sequences(&sequences)?;
        target.begin()?;
        let report = self.compare(&mut *target, &shapes, &ours)?;
        target.end()?;
        if report.equal {
            target.finish()?;
        }
        Ok(report)
    }

    fn open(&self, side: &Side, is_target: bool) -> Result<Box<dyn Bulk>, Failure> {
        let opened = side.open(self.project, self.settings, is_target)?;
        opened.ok_or_else(|| format!("there is no database: {}", side.title()).into())
    }

    /// Makes sure, without changing anything, that the target is empty or has an unfinished copy, whose notes these are.
    fn examine(&self, to: &Side) -> Result<Option<Notes>, Failure> {
        if matches!(to, Side::File(_)) {
            migration::check_files_on_sqlite(self.files, self.settings)?;
        }
        let Some(mut target) = to.open(self.project, self.settings, true)? else { return Ok(None) };
        if let Some(notes) = target.notes()? {
            self.progress.step("The target has an unfinished copy: going on with it.");
            return Ok(Some(notes));
        }
        let tables = target.tables()?;
        let mut occupied = Vec::new();
        for table in &tables {
            if target.has_values(&table.schema, &table.name, &[])? {
                occupied.push(format!("{}.{}", table.schema, table.name));
            }
        }
        if !occupied.is_empty() {
            return Err(format!(
                "the target has rows already, in {}. Nothing was changed. A copy needs an empty database, or the one that an \
                 interrupted copy wrote to",
                occupied.join(", ")
            )
            .into());
        }
        let applied = target.history()?;
        if applied.is_empty() && tables.iter().any(|table| !SERVICES.contains(&table.schema.as_str())) {
            return Err("the target has tables but no history of migrations. Nothing was changed".into());
        }
        migration::compare(self.files, &applied)?;
        Ok(None)
    }

    /// The target's schema becomes the folder's.
    fn prepare(&self, to: &Side, is_new: bool) -> Result<(), Failure> {
        let state = self.project.make_state()?;
        let secrets = Secrets::load(&state, &self.settings.keys, &SystemRng, &SystemClock)?;
        to.prepare(self.project, self.settings, &secrets, || if is_new { Ok(self.open(to, true)?.start()?) } else { Ok(()) })
    }

    fn compare(&mut self, target: &mut dyn Bulk, shapes: &[Shape], ours: &[Sums]) -> Result<Report, Failure> {
        let mut report = Report::default();
        for (shape, ours) in shapes.iter().zip(ours) {
            let theirs = compare::sums(target, shape, "compare", &mut self.progress)?;
            let mut table = TableReport {
                table: shape.title(),
                rows: ours.rows,
                target_rows: theirs.rows,
                digest: ours.digest(),
                target_digest: theirs.digest(),
                different: Vec::new(),
            };
            if !table.is_equal() {
                table.different = compare::differences(&mut *self.source, target, shape, (ours, &theirs))?;
            }
            report.tables.push(table);
        }
        report.foreign_keys = key_part(target)?;
        report.sequences = self.sequences(target)?;
        report.migrations = self.migrations(target)?;
        let rows = |name: &str| report.tables.iter().find(|table| table.table == name).map_or(0, |table| table.target_rows);
        (report.users, report.sessions) = (rows("auth.users"), rows("auth.sessions"));
        report.left_out = self.source.left_out()?;
        report.left_out.extend(self.copy.leave_out.iter().cloned());
        report.source_changed = self.source.end()?;
        report.conclude();
        Ok(report)
    }

    fn sequences(&mut self, target: &mut dyn Bulk) -> Result<Part, Failure> {
        let (ours, theirs) = (self.source.sequences()?, target.sequences()?);
        let mut part = Part { checked: ours.len(), different: Vec::new() };
        for sequence in &ours {
            let found = theirs.iter().find(|other| other.schema == sequence.schema && other.name == sequence.name);
            match found {
                Some(found) if found == sequence => {}
                Some(found) => part.different.push(format!(
                    "{}.{} stands at {}, in the target at {}",
                    sequence.schema, sequence.name, sequence.last, found.last
                )),
                // Of a service's own making, or of a table that was left out.
                None if SERVICES.contains(&sequence.schema.as_str()) => part.checked -= 1,
                None => part.different.push(format!("{}.{} is missing in the target", sequence.schema, sequence.name)),
            }
        }
        Ok(part)
    }

    fn migrations(&mut self, target: &mut dyn Bulk) -> Result<Part, Failure> {
        let (ours, theirs) = (self.source.history()?, target.history()?);
        let mut part = Part { checked: ours.len(), different: Vec::new() };
        for migration in &ours {
            let found = theirs.iter().find(|other| other.version == migration.version);
            let is_equal = found.is_some_and(|found| {
                // Other tools keep no checksum, and older ones no name.
                let same = |one: &Option<String>, two: &Option<String>| one.is_none() || two.is_none() || one == two;
                same(&found.sha256, &migration.sha256) && same(&found.name, &migration.name)
            });
            if !is_equal {
                part.different.push(migration.version.clone());
            }
        }
        part.different.extend(
            theirs.iter().filter(|other| !ours.iter().any(|one| one.version == other.version)).map(|other| other.version.clone()),
        );
        Ok(part)
    }
}

fn key_part(target: &mut dyn Bulk) -> Result<Part, Failure> {
    let found = target.check_keys()?;
    Ok(Part { checked: found.checked, different: found.violated })
}

/// Removes the rows that migrations made: the source has them, as they are now.
fn clear(target: &mut dyn Bulk) -> Result<(), Failure> {
    for table in target.tables()? {
        if target.has_values(&table.schema, &table.name, &[])? {
            target.clear(&table.schema, &table.name, &transfer::note_name(&table.schema, &table.name))?;
        }
    }
    Ok(())
}
