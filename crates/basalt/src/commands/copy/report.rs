//! What a copy ends with: what is equal, and what is not.

use std::fmt::Write as _;

use serde::Serialize;

/// Everything that was compared.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Whether all of it is equal.
    pub equal: bool,
    /// Tables, in the order of the copy.
    pub tables: Vec<TableReport>,
    /// Sequences: how many, and those that differ.
    pub sequences: Part,
    /// Applied migrations: how many, and those that differ.
    pub migrations: Part,
    /// Foreign keys of the target: how many were checked, and those that do not hold.
    pub foreign_keys: Part,
    /// Users of the auth service.
    pub users: u64,
    /// Their sessions.
    pub sessions: u64,
    /// Tables with rows that were not copied.
    pub left_out: Vec<String>,
    /// Whether the source was written to since it was read, as far as can be told.
    pub source_changed: bool,
}

/// A count, and what of it is not as it should be.
#[derive(Debug, Default, Serialize)]
pub struct Part {
    /// How many.
    pub checked: usize,
    /// A line for each that differs.
    pub different: Vec<String>,
}

/// One table.
#[derive(Debug, Serialize)]
pub struct TableReport {
    /// `schema.name`.
    pub table: String,
    /// Rows in the source.
    pub rows: u64,
    /// Rows in the target.
    pub target_rows: u64,
    /// What the source's rows add up to.
    pub digest: String,
    /// What the target's rows add up to.
    pub target_digest: String,
    /// Some rows that differ.
    pub different: Vec<String>,
}

impl TableReport {
    /// Whether both sides have the same rows.
    pub fn is_equal(&self) -> bool {
        self.rows == self.target_rows && self.digest == self.target_digest
    }
}

impl Report {
    /// Decides whether all is equal.
    pub fn conclude(&mut self) {
        let parts = [&self.sequences, &self.migrations, &self.foreign_keys];
        self.equal = self.tables.iter().all(TableReport::is_equal) && parts.iter().all(|part| part.different.is_empty());
    }

    /// As lines for people.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "{:<40} {:>12} {:>12}  {:<16} rows are", "table", "rows", "in target", "digest");
        for table in &self.tables {
            let verdict = if table.is_equal() { "equal" } else { "DIFFERENT" };
            let digest = table.digest.get(..16).unwrap_or(&table.digest);
            let _ = writeln!(out, "{:<40} {:>12} {:>12}  {digest} {verdict}", table.table, table.rows, table.target_rows);
            for line in &table.different {
                let _ = writeln!(out, "    {line}");
            }
        }
        let parts = [
            ("sequences", &self.sequences, "equal"),
            ("migrations", &self.migrations, "equal"),
            ("foreign keys", &self.foreign_keys, "hold"),
        ];
        for (name, part, good) in parts {
            if part.different.is_empty() {
                let _ = writeln!(out, "{name}: {} {good}", part.checked);
                continue;
            }
            let _ = writeln!(out, "{name}: {} of {} DIFFERENT", part.different.len(), part.checked);
            for line in &part.different {
                let _ = writeln!(out, "    {line}");
            }
        }
        let _ = writeln!(out, "users: {}, sessions: {}", self.users, self.sessions);
        if !self.left_out.is_empty() {
            let _ = writeln!(out, "not copied: {}", self.left_out.join(", "));
        }
        if self.source_changed {
            out.push_str(
                "The source was written to while it was read, or shortly before: what came after the copy began is not in the target.\n\
                 Stop what writes there, then compare: the same command with --verify-only.\n",
            );
        }
        out.push_str(if self.equal { "Everything is equal.\n" } else { "The target is NOT equal to the source.\n" });
        out
    }
}
