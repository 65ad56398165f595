//! The write half of [`crate::program`]: one INSERT, UPDATE or DELETE as the steps of PostgreSQL's pipeline.
//!
//! Per statement, in this order:
//! 1. rows: [`Source`] (insert) or [`WriteProgram::targets`] (update, delete: rows visible under USING, old values read before any
//!    row is changed);
//! 2. per row: missing values get their default ([`ColumnFacts::default`]), BEFORE ROW triggers, generated columns
//!    ([`WriteProgram::generated`]), WITH CHECK ([`WriteProgram::policy_checks`]), NOT NULL in column order, CHECK
//!    ([`WriteProgram::constraint_checks`]);
//! 3. ON CONFLICT arbitration or the unique keys' answer: [`UniqueKey`];
//! 4. the row is stored: [`WriteProgram::store`]; RETURNING is computed from the stored row ([`Returned`]);
//! 5. after the last row: foreign keys ([`ForeignKey`], [`ChildKey`]), AFTER triggers (from the catalog), then the representation.

use std::sync::Arc;

use basalt_catalog::{Action, Deferral};
use basalt_types::{Oid, SqlError};

use crate::program::{Bind, Checks, Compiled, InputType, ReadProgram, Touched};

/// A compiled write.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteProgram {
    /// Which statement.
    pub command: Command,
    /// The table and its columns.
    pub table: Arc<TableFacts>,
    /// The rows to change, for UPDATE and DELETE. Result columns: `rowid`, then every column of [`TableFacts::columns`] in that order
    /// (the old row), then the values of [`Assignments::Computed`] in order. Already filtered by USING, ordered and limited. A rowid
    /// that comes again (UPDATE … FROM, DELETE … USING) is skipped. Read to the end before the first change.
    pub targets: Option<Compiled>,
    /// Generated stored columns (attnum, expression over [`Bind::New`]), in attnum order; computed after BEFORE triggers.
    pub generated: Vec<(i16, Compiled)>,
    /// Row policies on the new row: of INSERT for an insert, of UPDATE for an update. Run after generated columns, before NOT NULL.
    pub policy_checks: Option<Checks>,
    /// Policies on rows, those of DO UPDATE and checks of views included, have subqueries: these see the tables as they were before
    /// the statement.
    pub policies_read: bool,
    /// WITH CHECK OPTION of the views the write goes through, inner ones first. A row that fails is an error once it is stored: what
    /// else is wrong with it is reported first. The errors lack their detail, as those of [`WriteProgram::constraint_checks`].
    pub view_checks: Option<Checks>,
    /// Triggers of a view stand in for the change: they are called for each row, and nothing is stored. The first column of
    /// [`WriteProgram::targets`] is a running number then.
    pub is_instead: bool,
    /// The write goes through a view that calls columns otherwise.
    pub through: Option<Arc<Through>>,
    /// NOT NULL columns (attnum) of the table, in column order: NULL is 23502
    /// `null value in column "c" of relation "t" violates not-null constraint`.
    pub not_null: Vec<i16>,
    /// CHECK constraints by name; the errors lack their detail, which the engine adds from [`WriteProgram::failing_row`].
    pub constraint_checks: Option<Checks>,
    /// What `Failing row contains (…)` may show of a row in 23502 and 23514.
    pub failing_row: FailingRow,
    /// Unique indexes of the table by OID, the order in which PostgreSQL checks them.
    pub unique_keys: Vec<UniqueKey>,
    /// Stores one row. INSERT: binds [`Bind::New`] of every column, generated ones included. UPDATE: sets the columns that may have
    /// changed (assigned, generated, all when a BEFORE trigger exists) from [`Bind::New`] where rowid = [`Bind::RowId`]. DELETE: where
    /// rowid = [`Bind::RowId`].
    pub store: Compiled,
    /// RETURNING, one entry a target; computed per stored row ([`Bind::New`]; for DELETE the old row stands as New).
    pub returning: Vec<Returned>,
    /// How the returned rows become the body: see [`Representation`].
    pub representation: Representation,
    /// Foreign keys of this table, to check for new values after the last row.
    pub foreign_keys: Vec<ForeignKey>,
    /// Foreign keys of other tables (or this one) that refer to this table, to check or act on after the last row of an UPDATE that
    /// changes referenced columns or of a DELETE.
    pub child_keys: Vec<ChildKey>,
    /// Tables read and written by these steps.
    pub touched: Touched,
}

/// What a write through a view calls otherwise. Column numbers are the table's where nothing else is said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Through {
    /// Numbers of the view's columns that are columns of the table, with those.
    pub columns: Vec<(i16, i16)>,
    /// The keys of a payload.
    pub keys: Vec<(i16, String)>,
    /// Columns whose key may be missing in a payload that asks for defaults; others are NULL then.
    pub defaulted: Vec<i16>,
}

/// What is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// INSERT.
    Insert {
        /// Where rows come from.
        source: Source,
        /// ON CONFLICT.
        on_conflict: Option<Conflict>,
        /// `OVERRIDING USER VALUE` (`Some(false)`), `OVERRIDING SYSTEM VALUE` (`Some(true)`).
        overriding_system: Option<bool>,
    },
    /// UPDATE.
    Update(Assignments),
    /// DELETE.
    Delete,
}

impl Command {
    /// The command's word, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Insert { .. } => "INSERT",
            Self::Update(_) => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// Rows of an INSERT.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// VALUES lists.
    Values(Vec<ValuesRow>),
    /// A query: its result columns are the values of `columns` in order, types already coerced.
    Query {
        /// The query; run to the end before the first row is stored when it reads the target table.
        query: Compiled,
        /// Attnums.
        columns: Vec<i16>,
    },
    /// Objects of the request's payload, or one object; each key is a column's name.
    Payload {
        /// Attnums taken from the payload; other columns get their defaults.
        columns: Vec<i16>,
        /// A key missing from an object takes the column's default instead of NULL.
        missing_default: bool,
    },
}

/// One row of VALUES.
#[derive(Debug, Clone, PartialEq)]
pub struct ValuesRow {
    /// Evaluated first when some value is an expression: one row whose columns [`ValueSource::Column`] names.
    pub compute: Option<Compiled>,
    /// Attnum and value.
    pub values: Vec<(i16, ValueSource)>,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueSource {
    /// The column's default.
    Default,
    /// A parameter as it is.
    Bind(Bind),
    /// A result column (0-based) of the row's `compute`.
    Column(u16),
}

/// New values of an UPDATE; columns not named keep their old value.
#[derive(Debug, Clone, PartialEq)]
pub enum Assignments {
    /// Attnum, and where the value stands in [`WriteProgram::targets`]' row: `Column(n)` counts from the first column after the old
    /// row's.
    Computed(Vec<(i16, ValueSource)>),
    /// From one JSON object of the payload, by column name.
    Payload {
        /// Attnums.
        columns: Vec<i16>,
        /// A key that is missing sets the column's default instead of NULL.
        missing_default: bool,
    },
}

/// ON CONFLICT.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// Index OIDs (of [`UniqueKey::index`]) that arbitrate; empty: all.
    pub arbiters: Vec<Oid>,
    /// `None`: DO NOTHING.
    pub update: Option<Box<ConflictUpdate>>,
}

/// DO UPDATE for one existing row: `filter` false skips the row; then `using`, then the new values, generated columns, `checks`,
/// NOT NULL and CHECK, and [`ConflictUpdate::store`]. A row met twice in one statement is 21000
/// `ON CONFLICT DO UPDATE command cannot affect row a second time`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConflictUpdate {
    /// Reads the existing row by [`Bind::RowId`]: every column of [`TableFacts::columns`] in order.
    pub existing: Compiled,
    /// One row: first column the filter (NULL is false; 1 when there is none), then the new values of `set`, in order, over
    /// [`Bind::Old`] and [`Bind::Excluded`].
    pub compute: Compiled,
    /// Attnums set, and from where ([`ValueSource::Column`] counts from the first column after the filter).
    pub set: Vec<(i16, ValueSource)>,
    /// UPDATE policies' USING on the existing row ([`Bind::Old`]), as errors.
    pub using: Option<Checks>,
    /// Policies on the row that results ([`Bind::New`]).
    pub checks: Option<Checks>,
    /// Writes the row back.
    pub store: Compiled,
}

/// The table written.
#[derive(Debug, Clone, PartialEq)]
pub struct TableFacts {
    /// Which.
    pub relation: Oid,
    /// Schema name.
    pub schema: String,
    /// Name without schema, as messages say it.
    pub name: String,
    /// Its name in the file: `schema.name`, unquoted.
    pub storage_name: String,
    /// In attnum order, generated ones included.
    pub columns: Vec<ColumnFacts>,
    /// Some enabled trigger fires for each row.
    pub has_row_triggers: bool,
    /// There are triggers FOR EACH STATEMENT.
    pub has_statement_triggers: bool,
}

/// A column of the table written.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnFacts {
    /// Its number.
    pub attnum: i16,
    /// Its name.
    pub name: String,
    /// How payload values and texts are read.
    pub input: Arc<InputType>,
    /// What a missing value becomes.
    pub default: DefaultValue,
    /// GENERATED ALWAYS AS … STORED: giving a value is 428C9.
    pub is_generated: bool,
    /// GENERATED ALWAYS AS IDENTITY: giving a value is 428C9 unless OVERRIDING SYSTEM VALUE.
    pub is_always_identity: bool,
}

/// A column's default.
#[derive(Debug, Clone, PartialEq)]
pub enum DefaultValue {
    /// NULL.
    Null,
    /// A parameter or constant.
    Bind(Bind),
    /// A new random (version 4) uuid.
    RandomUuid,
    /// The sequence's next value, taken outside the transaction's fate.
    Sequence {
        /// Which.
        sequence: Oid,
        /// Raised instead when the caller lacks USAGE (never for identity columns).
        denied: Option<SqlError>,
        /// Raised where a body is merged with defaults and the caller lacks USAGE: there an identity column's is `nextval` too.
        named_denied: Option<SqlError>,
    },
    /// An expression without columns: one row, one column.
    Expr(Compiled),
}

/// What an error's detail may show of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum FailingRow {
    /// Nothing: row policies apply to the caller.
    Hidden,
    /// All columns: `Failing row contains (1, null, x).`
    All,
    /// Those columns (attnums) and the ones the statement gives values for: `Failing row contains (a, b) = (1, x).`
    Columns(Vec<i16>),
}

/// A unique index and how to find the row that holds a key.
#[derive(Debug, Clone, PartialEq)]
pub struct UniqueKey {
    /// The index's OID.
    pub index: Oid,
    /// The constraint it is of.
    pub constraint: Option<Oid>,
    /// Constraint or index name: `duplicate key value violates unique constraint "NAME"`.
    pub name: String,
    /// Key terms as the detail prints them: `Key (a, lower(b))=(…) already exists.`
    pub terms: Vec<String>,
    /// The values of the terms for the new row: one row over [`Bind::New`], one column a term (no row when the index's predicate
    /// does not hold for it).
    pub values: Compiled,
    /// The types of the terms, for printing.
    pub types: Vec<basalt_types::TypeRef>,
    /// The stored row with the same key: `rowid`, over [`Bind::New`]; no row when any term is NULL (unless NULLS NOT DISTINCT).
    pub probe: Compiled,
    /// Attnums its terms and predicate read: an UPDATE that sets none of them cannot collide here.
    pub columns: Vec<i16>,
    /// The caller may not see the key's values (row policies apply, or a column cannot be selected): the error has no detail then.
    pub detail_hidden: bool,
    /// DEFERRABLE keys are checked at the end of the statement or transaction.
    pub deferral: Deferral,
}

/// A foreign key of the table written.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignKey {
    /// The constraint. A program has its keys in this order, that of their making.
    pub constraint: Oid,
    /// Name.
    pub name: String,
    /// The referenced table.
    pub target: Oid,
    /// Its name, for the detail.
    pub target_name: String,
    /// Attnums of the key in this table.
    pub columns: Vec<i16>,
    /// One row when the referenced row exists; over [`Bind::New`]. To be asked only when no column is NULL (MATCH SIMPLE).
    pub exists: Compiled,
    /// MATCH FULL: some but not all NULL is an error.
    pub match_full: bool,
    /// When it is checked.
    pub deferral: Deferral,
    /// The caller may not see the key's values: the detail is then `Key is not present in table "t".` (or
    /// `Key is still referenced from table "t".`), without columns and values.
    pub detail_hidden: bool,
}

/// A foreign key that refers to the table written.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildKey {
    /// The constraint. A program has its keys in this order, that of their making.
    pub constraint: Oid,
    /// Name.
    pub name: String,
    /// The referring table.
    pub child: Oid,
    /// Its name, for the message.
    pub child_name: String,
    /// Attnums in the table written.
    pub columns: Vec<i16>,
    /// Attnums in the referring table.
    pub child_columns: Vec<i16>,
    /// Referring rows: `rowid`, over [`Bind::Old`].
    pub rows: Compiled,
    /// Action on DELETE.
    pub on_delete: Action,
    /// Action on UPDATE.
    pub on_update: Action,
    /// Columns of ON DELETE SET NULL/DEFAULT (…); empty: all of the key.
    pub set_columns: Vec<i16>,
    /// When it is checked.
    pub deferral: Deferral,
    /// The caller may not see the key's values: the detail is then `Key is not present in table "t".` (or
    /// `Key is still referenced from table "t".`), without columns and values.
    pub detail_hidden: bool,
}

/// One RETURNING target.
#[derive(Debug, Clone, PartialEq)]
pub enum Returned {
    /// A column as stored, by attnum.
    Column(i16),
    /// An expression over the stored row: one row, one column.
    Expr(Compiled),
}

/// How the returned rows are shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Representation {
    /// No body.
    None,
    /// The returned rows are the body: shape 0 over the RETURNING targets; other shapes for JSON functions in them.
    Rows(Arc<[crate::program::Shape]>),
    /// A query over the returned rows ([`Bind::Written`]).
    Query {
        /// The query.
        read: Arc<ReadProgram>,
        /// It reads tables that the write may have changed: it must see them as they were before. In PostgreSQL the write and the query
        /// over its rows are one statement, whose parts share one snapshot; what the statement wrote is seen in its RETURNING only.
        sees_before: bool,
    },
}
