//! What an engine must do to its storage after the catalog has changed.

use std::sync::Arc;

use basalt_catalog::Relation;
use basalt_types::Oid;

use crate::tree::Statement;

/// One engine-neutral storage step.
///
/// The steps of a statement are run in order, in one transaction with storing the changed catalog; identities refer to the catalog
/// **after** the statement. A statement that yields no step changed the catalog alone (or nothing).
///
/// What is native storage and what is not:
/// - A table is one storage table named `schema.name` with a column for each catalog column. Its primary key and its foreign keys belong to
///   the table: changing them is [`Step::RebuildTable`]. A UNIQUE constraint is always a separate unique index with the constraint's
///   name, so adding and dropping it is [`Step::CreateIndex`] and [`Step::DropIndex`]; after [`Step::CreateTable`] such steps follow for
///   each. A deferrable key, a primary one too, is such a separate index that is not unique: the write path compares its rows.
/// - NOT NULL, CHECK, enums, domains, lengths, defaults, generated columns and triggers live in the catalog and are enforced by the write
///   path: changing them yields `Validate…` steps at most.
/// - A materialized view is a table of that form. Other views, functions, policies and privileges exist in the catalog only.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Make the table with all columns, primary key and foreign keys of its catalog entry.
    CreateTable {
        /// The relation.
        table: Oid,
    },
    /// Drop the table; its indexes go with it. Nothing refers to it any more.
    DropTable {
        /// Its schema's name.
        schema: String,
        /// The relation as it was.
        table: Arc<Relation>,
    },
    /// The storage name changes. Indexes keep theirs.
    RenameTable {
        /// The relation.
        table: Oid,
        /// The old schema and name.
        from: (String, String),
        /// The new schema and name.
        to: (String, String),
    },
    /// Add a column and fill it in all rows.
    AddColumn {
        /// The relation.
        table: Oid,
        /// The new column.
        attnum: i16,
        /// What existing rows get.
        fill: Fill,
        /// Foreign keys on this column alone that come with it natively (only when `fill` is NULL; else a rebuild follows).
        foreign_keys: Vec<Oid>,
    },
    /// Drop a column. No index, key or foreign key contains it any more (else the step is a rebuild).
    DropColumn {
        /// The relation.
        table: Oid,
        /// The column's number; not used again.
        attnum: i16,
        /// Its name.
        name: String,
    },
    /// Rename a column; indexes and foreign keys, in other tables too, follow.
    RenameColumn {
        /// The relation.
        table: Oid,
        /// The column.
        attnum: i16,
        /// Old name.
        from: String,
        /// New name.
        to: String,
    },
    /// Make the table anew by its catalog entry and copy the rows, columns matched by attnum.
    ///
    /// Foreign-key enforcement must be off while the table is swapped, else dropping the old one deletes referencing rows. All indexes of
    /// the catalog entry exist afterwards. At most one such step a table and statement, after its AddColumn and DropColumn steps.
    RebuildTable {
        /// The relation.
        table: Oid,
        /// As it was when the statement began: what conversions read.
        before: Arc<Relation>,
        /// Columns whose values change; the others are copied as stored.
        convert: Vec<Convert>,
    },
    /// Make an index; for a unique one, duplicates among existing rows are 23505 `could not create unique index "x"`, DETAIL
    /// `Key (a)=(1) is duplicated.` Indexes with a method other than `btree` and `hash` have no storage and yield no step.
    CreateIndex {
        /// The table.
        table: Oid,
        /// The index, named `schema.index` in storage.
        index: Oid,
    },
    /// Drop an index.
    DropIndex {
        /// Its schema.
        schema: String,
        /// Its name.
        name: String,
    },
    /// An index has a new storage name (it, its constraint or its schema was renamed).
    RenameIndex {
        /// The table.
        table: Oid,
        /// The index.
        index: Oid,
        /// Old schema and name.
        from: (String, String),
    },
    /// All rows must pass a CHECK constraint, else 23514 `check constraint "c" of relation "t" is violated by some row`.
    ValidateCheck {
        /// The table.
        table: Oid,
        /// The constraint.
        constraint: Oid,
    },
    /// All rows must have their referenced row, else 23503 as an insert would give.
    ValidateForeignKey {
        /// The referencing table.
        table: Oid,
        /// The constraint.
        constraint: Oid,
    },
    /// No row may have NULL in the column, else 23502 `column "c" of relation "t" contains null values`.
    ValidateNotNull {
        /// The table.
        table: Oid,
        /// The column.
        attnum: i16,
    },
    /// All values of columns of this domain must pass its check, else 23514
    /// `column "c" of table "t" contains values that violate the new constraint`.
    ValidateDomain {
        /// The domain.
        domain: Oid,
    },
    /// Rename a label of an enum in all columns of the type and its array type.
    RenameEnumLabel {
        /// The enum.
        ty: Oid,
        /// Old label.
        from: String,
        /// New label.
        to: String,
    },
    /// A new counter at its start value, not yet called.
    CreateSequence {
        /// The relation of kind sequence.
        sequence: Oid,
    },
    /// The next value becomes this one.
    RestartSequence {
        /// The sequence.
        sequence: Oid,
        /// What the next call gives.
        value: i64,
    },
    /// Settings of the counter (increment, limits, cycle) changed; they are read from the catalog, the value stays.
    AlterSequence {
        /// The sequence.
        sequence: Oid,
    },
    /// Forget a counter.
    DropSequence {
        /// The relation that was.
        sequence: Oid,
    },
    /// Remove all rows. Referencing tables are in the list already, by CASCADE.
    Truncate {
        /// The tables.
        tables: Vec<Oid>,
        /// RESTART IDENTITY: these counters begin anew.
        restart: Vec<Oid>,
    },
    /// Fill a materialized view with what its query gives now, or empty it.
    Refresh {
        /// The materialized view.
        view: Oid,
        /// Whether to fill it.
        with_data: bool,
        /// Rows of the old content stay where nothing has changed: only errors differ.
        concurrently: bool,
    },
    /// Run a query or data change as that role with that search path; rows are dropped.
    Run {
        /// SELECT, INSERT, UPDATE or DELETE.
        statement: Box<Statement>,
        /// The current role.
        role: String,
        /// Schemas for unqualified names.
        search_path: Vec<String>,
    },
    /// Run the body of a DO block as that role with that search path.
    Block {
        /// PL/pgSQL.
        body: String,
        /// The current role.
        role: String,
        /// Schemas for unqualified names.
        search_path: Vec<String>,
    },
    /// From here to the end of the transaction deferrable constraints are checked at its end (`deferred`), or with their statements;
    /// what waits for the end is then checked now.
    SetConstraints {
        /// Which; none: all that are deferrable.
        constraints: Option<Vec<Oid>>,
        /// Whether they wait.
        deferred: bool,
    },
    /// A NOTICE or WARNING as PostgreSQL would send it.
    Notice(String),
    /// Accepted, and deliberately without effect; the text says what and why.
    NoOp(String),
}

/// What a new column holds in existing rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Fill {
    /// NULL.
    Null,
    /// The value of the column's default, evaluated for each row (its text is in the catalog).
    Default,
    /// The next value of a sequence for each row, in storage order.
    Sequence(Oid),
    /// The column's generation expression.
    Generated,
}

/// A column whose stored values change in a rebuild.
#[derive(Debug, Clone, PartialEq)]
pub struct Convert {
    /// The column.
    pub attnum: i16,
    /// Canonical text of the USING expression over the old row; none: the old value, cast to the new type by assignment.
    pub using: Option<String>,
}
