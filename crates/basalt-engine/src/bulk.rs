//! Whole tables, for moving a project from one engine to another: read in one snapshot, written in batches.
//!
//! Rows travel as the lines of PostgreSQL's COPY in text format: each value in the text form of its type, escaped, columns separated
//! by tabs. That form is the same on every engine, so equal lines are equal rows. Times are in UTC, styles are PostgreSQL's defaults.
//!
//! A [`Bulk`] is a connection of its own, apart from an engine that serves. Nothing here is for async code: each call waits.

use std::collections::BTreeMap;

use basalt_catalog::{Catalog, ConstraintKind, Relation};
use basalt_types::{Oid, SqlError};

use crate::migrate::AppliedMigration;

/// Most rows of a batch.
pub const BATCH_ROWS: usize = 10_000;

/// A batch is full with so many bytes; its last row may go beyond.
pub const BATCH_BYTES: usize = 2 << 20;

/// A table as one side has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Columns in their order: name, and whether it is computed from the others.
    pub columns: Vec<(String, bool)>,
    /// Columns that identify a row; empty when nothing does.
    pub key: Vec<String>,
}

impl BulkTable {
    /// As the catalog describes it. Of several keys the primary one, else the first unique one without NULLs.
    pub fn of(catalog: &Catalog, relation: &Relation) -> Self {
        let never_null = |attnum: &i16| relation.column_at(*attnum).is_some_and(|column| column.not_null);
        let unique = || {
            relation.constraints.iter().find_map(|constraint| match &constraint.kind {
                ConstraintKind::Unique { columns, .. } if columns.iter().all(never_null) => Some(columns.as_slice()),
                _ => None,
            })
        };
        let key = relation.primary_key().or_else(unique).unwrap_or_default();
        Self {
            schema: catalog.schema_by_oid(Oid(relation.schema)).map_or_else(String::new, |schema| schema.name.clone()),
            name: relation.name.clone(),
            columns: relation.columns.iter().map(|column| (column.name.clone(), column.generated.is_some())).collect(),
            key: key.iter().filter_map(|attnum| relation.column_at(*attnum)).map(|column| column.name.clone()).collect(),
        }
    }
}

/// What of a table is read and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Columns: those that identify a row first, computed ones last.
    pub columns: Vec<String>,
    /// How many of the first identify a row; 0: only the whole row does.
    pub key: usize,
    /// How many of the last are computed: read, never written.
    pub generated: usize,
}

impl Shape {
    /// `schema.name`.
    pub fn title(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Columns that are written.
    pub fn written(&self) -> &[String] {
        self.columns.get(..self.columns.len().saturating_sub(self.generated)).unwrap_or_default()
    }

    /// The part of a line that identifies its row: the whole line when nothing else does.
    pub fn key_of<'l>(&self, line: &'l [u8]) -> &'l [u8] {
        if self.key == 0 {
            return line;
        }
        let end = line.iter().enumerate().filter(|(_, byte)| **byte == b'\t').nth(self.key - 1).map_or(line.len(), |(at, _)| at);
        line.get(..end).unwrap_or(line)
    }

    /// `(id)=(42)`; a row without a key is not shown.
    pub fn shown_key(&self, line: &[u8]) -> String {
        if self.key == 0 {
            return "a row without a key".to_owned();
        }
        let names = self.columns.get(..self.key).unwrap_or_default().join(", ");
        let values: Vec<String> = fields(self.key_of(line))
            .map(|field| unescape(field).map_or_else(|| "null".to_owned(), |v| String::from_utf8_lossy(&v).into_owned()))
            .collect();
        format!("({names})=({})", values.join(", "))
    }
}

/// Rows as lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    text: Vec<u8>,
    /// Where each row ends, behind its line feed.
    ends: Vec<usize>,
}

impl Batch {
    /// Forgets all rows; the room stays.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether it is time to hand it on.
    pub fn is_full(&self) -> bool {
        self.ends.len() >= BATCH_ROWS || self.text.len() >= BATCH_BYTES
    }

    /// All lines, each with its line feed.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The lines without their line feeds.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.text.get(start..end - 1).unwrap_or_default())
    }

    /// Appends text that ends in the middle of a line or at its end.
    pub fn push_text(&mut self, text: &[u8]) {
        let before = self.text.len();
        self.text.extend_from_slice(text);
        // A line feed in a value is written as two characters, so each one here ends a row.
        self.ends.extend(text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| before + at + 1));
    }

    /// Begins or goes on with a row: the writer appends escaped fields, then calls [`Self::end_row`].
    pub fn row(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Ends a row.
    pub fn end_row(&mut self) {
        self.text.push(b'\n');
        self.ends.push(self.text.len());
    }

    /// Takes the first rows out.
    pub fn skip(&mut self, rows: usize) {
        let Some(cut) = rows.checked_sub(1).and_then(|last| self.ends.get(last).copied()) else { return };
        self.text.drain(..cut);
        self.ends.drain(..rows);
        self.ends.iter_mut().for_each(|end| *end -= cut);
    }

    /// The lines without their last fields.
    pub fn without_last(&self, fields: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.text.len());
        for line in self.lines() {
            let cut = line.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\t').nth(fields.saturating_sub(1));
            let kept = if fields == 0 { line } else { line.get(..cut.map_or(0, |(at, _)| at)).unwrap_or_default() };
            out.extend_from_slice(kept);
            out.push(b'\n');
        }
        out
    }
}

/// What stands for NULL.
pub const NULL: &[u8] = b"\\N";

/// A line's fields, escaped as they are.
pub fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b'\t')
}

/// Appends a value's text, escaped as PostgreSQL's COPY escapes it.
pub fn escape(value: &str, out: &mut Vec<u8>) {
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | 0x08..=0x0d)) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        let letter = match byte {
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0b => b'v',
            0x0c => b'f',
            b'\r' => b'r',
            other => *other,
        };
        out.extend_from_slice(&[b'\\', letter]);
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// The value of a field; `None` for NULL.
pub fn unescape(field: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
    if field == NULL {
        return None;
    }
    if !field.contains(&b'\\') {
        return Some(field.into());
    }
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field.iter().copied();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'b') => 0x08,
                Some(b't') => b'\t',
                Some(b'n') => b'\n',
                Some(b'v') => 0x0b,
                Some(b'f') => 0x0c,
                Some(b'r') => b'\r',
                Some(other) => other,
                None => b'\\',
            },
            other => other,
        });
    }
    Some(out.into())
}

/// Where a sequence stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceValue {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its last value.
    pub last: i64,
    /// Whether that was given out.
    pub is_called: bool,
}

/// Why a batch was not written. Nothing of it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// What the database says.
    pub error: SqlError,
    /// The row in the batch, counted from 0, when it is one row's fault.
    pub row: Option<usize>,
    /// The column, when it is one value's fault.
    pub column: Option<String>,
}

impl From<SqlError> for Refused {
    fn from(error: SqlError) -> Self {
        Self { error, row: None, column: None }
    }
}

/// What a check of all foreign keys found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyCheck {
    /// How many were looked at.
    pub checked: usize,
    /// What is wrong, a line for each that is violated.
    pub violated: Vec<String>,
}

/// Remarks that a copy keeps in its target, by name.
pub type Notes = BTreeMap<String, String>;

/// One side of a copy.
///
/// Reading: [`Self::begin`], then [`Self::open`] and [`Self::read`] for each table, then [`Self::end`]. Writing never fires triggers,
/// checks no foreign key, and asks no policy; what the target itself demands of a row (keys, CHECK, NOT NULL on PostgreSQL) holds.
pub trait Bulk: Send {
    /// `SQLite` or `PostgreSQL`.
    fn product(&self) -> &'static str;

    /// Tables whose rows are the project's: users' and those of the services, not the engine's own bookkeeping.
    ///
    /// # Errors
    /// What reading reports, here and below.
    fn tables(&mut self) -> Result<Vec<BulkTable>, SqlError>;

    /// Tables with rows that are never copied, because another program or the server itself keeps them.
    fn left_out(&mut self) -> Result<Vec<String>, SqlError>;

    /// The history of migrations.
    fn history(&mut self) -> Result<Vec<AppliedMigration>, SqlError>;

    /// From now on reads see this moment.
    fn begin(&mut self) -> Result<(), SqlError>;

    /// Lets the moment go. Answers whether somebody else wrote since, as far as can be told.
    fn end(&mut self) -> Result<bool, SqlError>;

    /// Rows of a table.
    fn count(&mut self, schema: &str, table: &str) -> Result<u64, SqlError>;

    /// Whether a table has rows where these columns are not NULL; without columns: any rows.
    fn has_values(&mut self, schema: &str, table: &str, columns: &[&str]) -> Result<bool, SqlError>;

    /// Begins to read a table; what was being read is given up.
    fn open(&mut self, shape: &Shape) -> Result<(), SqlError>;

    /// The next rows of the opened table, until the batch is full. None: it was read to its end.
    fn read(&mut self, batch: &mut Batch) -> Result<(), SqlError>;

    /// All sequences, by name.
    fn sequences(&mut self) -> Result<Vec<SequenceValue>, SqlError>;

    /// What an unfinished copy noted here; `None`: there is none.
    fn notes(&mut self) -> Result<Option<Notes>, SqlError>;

    /// Makes a place for notes.
    fn start(&mut self) -> Result<(), SqlError>;

    /// Prepares for writing: whatever reacts to rows is put to rest until [`Self::finish`].
    fn quiet(&mut self) -> Result<(), SqlError>;

    /// Notes something.
    fn note(&mut self, name: &str, value: &str) -> Result<(), SqlError>;

    /// Writes rows and a note, both or neither, durably.
    ///
    /// # Errors
    /// The row and column that the database refuses.
    #[allow(clippy::result_large_err)] // ends the copy
    fn write(&mut self, shape: &Shape, batch: &Batch, note: (&str, &str)) -> Result<(), Refused>;

    /// Empties a table and forgets a note about it, both or neither.
    fn clear(&mut self, schema: &str, table: &str, note: &str) -> Result<(), SqlError>;

    /// Sets sequences that exist here.
    fn set_sequences(&mut self, values: &[SequenceValue]) -> Result<(), SqlError>;

    /// Looks for rows that refer to rows that are not there, between [`Self::begin`] and [`Self::end`].
    fn check_keys(&mut self) -> Result<KeyCheck, SqlError>;

    /// Wakes what [`Self::quiet`] put to rest, brings what is derived from rows up to date, and forgets all notes.
    fn finish(&mut self) -> Result<(), SqlError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(columns: &[&str], key: usize, generated: usize) -> Shape {
        let columns = columns.iter().map(|c| (*c).to_owned()).collect();
        Shape { schema: "public".into(), name: "t".into(), columns, key, generated }
    }

    #[test]
    fn what_is_escaped_comes_back() {
        for text in ["", "plain", "a\tb\nc\rd\\e", "\u{8}\u{b}\u{c}", "\\N", "\\.", "\u{1}\u{7f}ü€😀"] {
            let mut line = Vec::new();
            escape(text, &mut line);
            assert!(!line.contains(&b'\t') && !line.contains(&b'\n'), "{text:?}");
            assert_eq!(unescape(&line).as_deref(), Some(text.as_bytes()), "{text:?}");
        }
        assert_eq!(unescape(NULL), None);
        assert_eq!(unescape(b"a\\"), Some(b"a\\".to_vec().into()));
    }

    #[test]
    fn a_batch_is_cut_between_rows() {
        let mut batch = Batch::default();
        batch.push_text(b"1\ta\n2\t");
        batch.push_text(b"b\n3\tc\n");
        assert_eq!(batch.lines().collect::<Vec<_>>(), [b"1\ta", b"2\tb", b"3\tc"]);
        assert_eq!(batch.without_last(1), b"1\n2\n3\n");
        batch.skip(2);
        assert_eq!((batch.len(), batch.text()), (1, b"3\tc\n".as_slice()));
        batch.skip(0);
        assert_eq!(batch.len(), 1);
        batch.skip(1);
        assert!(batch.is_empty() && batch.text().is_empty());
    }

    #[test]
    fn a_row_is_known_by_its_key() {
        let two = shape(&["a", "b", "c"], 2, 1);
        assert_eq!(two.key_of(b"1\tx\\ty\tz"), b"1\tx\\ty");
        assert_eq!(two.shown_key(b"1\tx\\ty\tz"), "(a, b)=(1, x\ty)");
        assert_eq!(two.written(), ["a", "b"]);
        let none = shape(&["a"], 0, 0);
        assert_eq!((none.key_of(b"1\t2"), none.shown_key(b"secret").as_str()), (b"1\t2".as_slice(), "a row without a key"));
        assert_eq!(shape(&["a"], 1, 0).key_of(b"7"), b"7");
    }
}
