//! Migrations as every engine takes them: files, the history of what was applied, and why one did not apply.

use std::fmt;

use basalt_types::SqlError;

/// One migration as it lies in the project folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationFile {
    /// `20240131120000`.
    pub version: String,
    /// What follows in the file's name, without `.sql`.
    pub name: String,
    /// The SQL.
    pub text: String,
}

/// A row of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMigration {
    /// The version.
    pub version: String,
    /// The name, when the history has one.
    pub name: Option<String>,
    /// SHA-256 of the file as it was applied, lower-case hex; `None` for rows that other tools or a repair wrote.
    pub sha256: Option<String>,
}

/// What a repair writes into the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairStatus {
    /// The migration counts as applied, without running it.
    Applied,
    /// It counts as not applied; nothing is undone.
    Reverted,
}

/// Why a text did not apply, and where. Nothing of it was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct MigrationError {
    /// What PostgreSQL would say, or what Basalt refuses.
    pub error: SqlError,
    /// The construct's name, when it is one that Basalt does not run.
    pub construct: Option<String>,
    /// What to do instead; empty when the error says it all.
    pub advice: String,
    /// 1-based; 0 when no place is known.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
}

impl MigrationError {
    /// An error at a byte of a text.
    pub fn at(text: &str, offset: u32, error: SqlError) -> Self {
        let (line, column) = place(text, offset);
        Self { error, construct: None, advice: String::new(), line, column }
    }
}

impl fmt::Display for MigrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        write!(f, "{}", self.error)
    }
}

impl std::error::Error for MigrationError {}

impl From<SqlError> for MigrationError {
    fn from(error: SqlError) -> Self {
        Self { error, construct: None, advice: String::new(), line: 0, column: 0 }
    }
}

/// Line and column of a byte offset, both 1-based.
fn place(text: &str, offset: u32) -> (usize, usize) {
    let end = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
    let before = text.get(..end).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

/// A database whose schema a project folder describes. Not for async code: each call waits.
///
/// The history is `supabase_migrations.schema_migrations`, the Supabase CLI's own table; checksums stand beside it, and a missing
/// one is no error.
#[allow(clippy::result_large_err)] // an error a file, with its place and advice; never on a request's way
pub trait Migrations: Send + Sync {
    /// Applies one migration: all of it with its row in the history, or nothing. Answers the notices.
    ///
    /// # Errors
    /// The first statement that fails, and where.
    fn apply_migration(&self, file: &MigrationFile) -> Result<Vec<String>, MigrationError>;

    /// Runs a seed or any other SQL text as one transaction, without a row in the history.
    ///
    /// # Errors
    /// As [`Self::apply_migration`].
    fn run_seed(&self, text: &str) -> Result<Vec<String>, MigrationError>;

    /// The history, by version.
    ///
    /// # Errors
    /// What reading reports.
    fn applied_migrations(&self) -> Result<Vec<AppliedMigration>, SqlError>;

    /// Changes the history alone: marks a version as applied (with the checksum of the text, when given) or as not applied.
    ///
    /// # Errors
    /// What the commit reports.
    fn repair(&self, version: &str, name: &str, text: Option<&str>, status: RepairStatus) -> Result<(), SqlError>;

    /// Whether there are tables in schemas that Basalt did not make itself, or in `public`: a database with such tables and no
    /// history must not be migrated by itself.
    fn has_user_tables(&self) -> bool;

    /// The SHA-256 of a migration's text as [`AppliedMigration::sha256`] has it.
    fn checksum(&self, text: &str) -> String;

    /// What of these files does not run here, told before any is applied: name and text of each. None: all of it may.
    fn refusals(&self, files: &[(String, &str)]) -> Option<String>;
}
