//! What an engine runs: SQL text with its parameters, how rows become bytes, and the steps of a write. Pure data.
//!
//! A program is compiled once for a plan, a role and a catalog version and run many times. Its SQL depends on shape alone; all values
//! come in through [`Bind`]s, which the engine computes before it steps a statement.
//!
//! - [`ReadProgram`]: one SELECT for the rows (plus one for the count) and [`Shape`]s that say how result columns become JSON or CSV.
//! - [`WriteProgram`]: the pipeline of one INSERT, UPDATE or DELETE: where rows come from, what is computed and checked for each, the
//!   statement that stores one row, what is returned.
//!
//! Everything that could be refused without a connection has been refused before a program exists.

use std::sync::Arc;
use std::time::Duration;

use basalt_sql::typed::SessionParam;
use basalt_types::{Oid, SqlError, TypeRef, Value};

use crate::plan::CallResult;

pub use crate::write_program::*;

/// SQL text and its parameters: `?1` is `binds[0]`, and so on. The text is a pure function of plan, role and catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// One SQLite statement, no trailing semicolon.
    pub sql: Arc<str>,
    /// Its parameters, all used.
    pub binds: Arc<[Bind]>,
}

/// A parameter of a statement: what the engine binds before running it.
#[derive(Debug, Clone, PartialEq)]
pub enum Bind {
    /// This very value (texts of policies and views that are not fit for the SQL text).
    Const(Value),
    /// The request's n-th literal (0-based), read as this type by [`basalt_types::pg::input`].
    Literal {
        /// Index into [`crate::plan::Literals`].
        index: u32,
        /// Its type.
        ty: Arc<InputType>,
    },
    /// The request's n-th literal is a list: bound as the text of a JSON array of storage forms, each element read as this type
    /// (numbers for integers and finite floats, true/false for booleans, strings otherwise).
    LiteralList {
        /// Index into [`crate::plan::Literals`].
        index: u32,
        /// The element's type.
        element: Arc<InputType>,
    },
    /// `$n` of a statement's own text (1-based), given by the caller in the storage form of this type.
    Numbered {
        /// 1-based.
        number: u32,
        /// The type the statement takes it as.
        ty: TypeRef,
    },
    /// A fact of the session, in the storage form of its type: uid uuid, role, email, current user and settings text, jwt jsonb,
    /// now timestamptz. Anything absent is NULL. Uid raises 22P02 when the claim is no uuid, as the cast in `auth.uid()` does;
    /// a Setting that does not exist and may not be missing raises 42704.
    Session(SessionParam),
    /// A column of the row being written, by attnum: after defaults, BEFORE triggers and generated columns.
    New(i16),
    /// A column of the stored row before the write, by attnum.
    Old(i16),
    /// A column of the row proposed for insertion, by attnum (`excluded` of ON CONFLICT DO UPDATE).
    Excluded(i16),
    /// The rowid of the row being changed.
    RowId,
    /// The value under test, for a domain's checks.
    Value,
    /// The rows a write returned: the text of a JSON array of arrays in the order of RETURNING, storage forms; blobs as upper-case hex.
    Written,
}

/// How a text, or a JSON value of a payload, becomes a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InputType {
    /// The built-in type (with modifier) that reads and stores it: `text` for enums, the base type for domains, their array types
    /// for arrays of those.
    pub base: TypeRef,
    /// The value (each element of an array) must be one of these labels: else 22P02 `invalid input value for enum NAME: "x"`.
    pub labels: Option<EnumLabels>,
    /// Domains to satisfy, innermost first; of the elements for an array.
    pub domains: Vec<DomainRule>,
    /// The declared type, user-defined or not.
    pub declared: TypeRef,
}

/// An enum's labels, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EnumLabels {
    /// As `format_type` names it.
    pub name: String,
    /// In order.
    pub labels: Arc<[String]>,
}

/// What a domain demands of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DomainRule {
    /// The domain's OID: [`crate::dialect::sqlite::domain_checks`] compiles its checks.
    pub domain: Oid,
    /// As `format_type` names it.
    pub name: String,
    /// NULL is 23502 `domain NAME does not allow null values`.
    pub not_null: bool,
    /// It has CHECK constraints (a failing one is 23514 `value for domain NAME violates check constraint "c"`).
    pub has_checks: bool,
}

/// How objects and arrays are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum JsonStyle {
    /// As json_agg and row_to_json write rows: `{"a":1,"b":2}`, rows joined by `, \n `.
    #[default]
    Json,
    /// As jsonb prints: `{"a": 1, "b": [1, 2]}`, rows joined by `, `; fields stand in jsonb's key order already. Values that are not
    /// finished JSON are written as jsonb holds them: arrays with `, `, json normalised, floats as plain decimals (`1e+20` is
    /// `100000000000000000000`).
    Jsonb,
}

/// How rows become JSON objects (or CSV lines): shape 0 of a program is the root's; others are used by `basalt_json_agg` and
/// `basalt_json_object`, whose first argument is the shape's number and whose further arguments are its columns.
///
/// Embeds are jsonb, as PostgREST casts them (its `QueryBuilder.hs`: `row_to_json(…)::jsonb`, `json_agg(…)::jsonb`). With
/// [`crate::plan::Output`]'s `strip_nulls` the whole body is what `json_strip_nulls` prints: no space or line break anywhere outside
/// strings, keys with null left out at every level, in JSON values of columns too, nulls in arrays kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shape {
    /// How its objects (and the array of them) are written.
    pub style: JsonStyle,
    /// In output order.
    pub fields: Vec<Field>,
}

/// One key of an output object.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The key.
    pub name: String,
    /// Its value.
    pub value: FieldValue,
}

/// Where a field's value comes from; columns are 0-based in the result row (or among the shape's arguments).
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue {
    /// A column, printed by [`basalt_types::pg::write_json`] with this built-in type (enums and domains are resolved).
    Column {
        /// Result column.
        at: u16,
        /// Built-in type.
        ty: TypeRef,
    },
    /// A column that holds finished JSON text, printed as it is; NULL prints `null`.
    Json {
        /// Result column.
        at: u16,
    },
    /// A to-one embed whose columns were joined into the row: `null` when the column `present` is NULL, else an object in the style of
    /// jsonb.
    Object {
        /// A column that is never NULL where the joined row exists.
        present: u16,
        /// The object's keys.
        fields: Vec<Field>,
    },
}

/// A compiled read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadProgram {
    /// The rows, with ORDER BY, LIMIT and OFFSET.
    pub rows: Compiled,
    /// Shape 0 describes the result columns of `rows`; the others belong to JSON functions inside it.
    pub shapes: Arc<[Shape]>,
    /// One row, one column: how many rows there are without limit and offset. Only when the plan asks for a count.
    pub count: Option<Compiled>,
    /// At most one row can come back: all columns of a unique key are compared with values.
    pub at_most_one: bool,
    /// Fit to run where the request is: a unique key or an index range with a small limit, no user function, no raising filter.
    pub short: bool,
    /// What it reads, for the authorizer and for knowing when it is stale.
    pub touched: Touched,
    /// The call of a function that comes first: its rows are [`Bind::Written`] of [`ReadProgram::rows`].
    pub call: Option<Arc<CallProgram>>,
}

/// A call of a function whose rows a read then shows.
#[derive(Debug, Clone, PartialEq)]
pub struct CallProgram {
    /// The call: a row of the function's result columns in each row.
    pub rows: Compiled,
    /// Values of `$1`, `$2`, … of it.
    pub values: Vec<CallValue>,
    /// The values are those of the first object of the payload's array; without one nothing is called.
    pub first_of_array: bool,
    /// What the result is, for its form as JSON.
    pub result: CallResult,
    /// Nothing may be written.
    pub is_read_only: bool,
    /// The longest time the function asks for; zero is no bound.
    pub timeout: Option<Duration>,
}

/// An argument of a call, before it is a value.
#[derive(Debug, Clone, PartialEq)]
pub enum CallValue {
    /// The payload's value of a key, as `json_to_record` reads it; NULL without the key.
    Key {
        /// The key.
        name: String,
        /// What it becomes.
        ty: Arc<InputType>,
    },
    /// The whole payload, read as a text of this type.
    Payload(Arc<InputType>),
    /// A literal, or a list of them, as it is bound.
    Bind(Bind),
}

/// What a statement is allowed to touch; the engine's authorizer denies everything else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Touched {
    /// Relations read, sorted, policies' and views' own included.
    pub read: Vec<Oid>,
    /// Relations written by the statement itself (not by triggers or cascades).
    pub written: Vec<Oid>,
    /// User functions called.
    pub functions: Vec<Oid>,
    /// It depends on the time of the statement.
    pub uses_now: bool,
    /// Literals that must be regular expressions, whatever rows there are: PostgreSQL's planner reads them. With each, whether it is an
    /// array of them.
    pub patterns: Vec<(u32, bool)>,
}

/// A check of one row, all conditions in one statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Checks {
    /// One row, one column: NULL when all conditions hold, else the 0-based number of the first that fails.
    pub test: Compiled,
    /// The error for each number.
    pub errors: Arc<[SqlError]>,
}

/// Either program.
#[derive(Debug, Clone, PartialEq)]
pub enum Program {
    /// Of a read.
    Read(Arc<ReadProgram>),
    /// Of a write.
    Write(Arc<WriteProgram>),
}
