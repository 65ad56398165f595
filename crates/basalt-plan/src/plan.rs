//! What will happen, engine-free: the result of resolving what was asked against the catalog, before guard and dialect.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use basalt_sql::typed;
use basalt_types::{Oid, TypeRef};

/// A checked request. Depends on names and shape only: values come at run time as [`Literals`] and a payload, so a plan is made
/// once and used for every request of that shape.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Unique in this process; engines key their compiled programs by it (with role and catalog version).
    pub id: u64,
    /// The catalog it was checked against; engines refuse to run it with another version and the surface resolves again.
    pub catalog_version: u64,
    /// What to do.
    pub action: Action,
    /// How rows become bytes.
    pub output: Output,
    /// The root select list's names as they appear in the output, in order (for CSV and JSON keys).
    pub names: Vec<String>,
    /// Whether to count all rows that match, ignoring limit and offset.
    pub count: Count,
    /// Most rows of the read, by the settings: up to here an estimated count is exact.
    pub max_rows: Option<u64>,
    /// Fail (and change nothing) when more rows than this are affected: `Prefer: max-affected`, with strict handling.
    pub max_affected: Option<u64>,
}

/// Reads, writes and calls.
#[derive(Debug, Clone)]
pub enum Action {
    /// A query; its targets are the output columns. `for_count` is the same without limit, offset and order when a count is asked.
    Read {
        /// The rows.
        query: Box<typed::Query>,
        /// The same rows without limit, offset, order, for the count: one target `count(*)`.
        for_count: Option<Box<typed::Query>>,
    },
    /// A write, and what to answer about the written rows.
    Write {
        /// Insert, Update or Delete. Its `returning` lists what `representation` reads, under unique names, or the output itself
        /// when `representation` is none.
        statement: Box<typed::Statement>,
        /// A query over the returned rows, which stand as `From::Cte { cte: WRITTEN, .. }` with columns in the order of
        /// `returning`: for embeds, aliases with JSON paths, casts. None: the returned targets are the output.
        representation: Option<Box<typed::Query>>,
        /// Primary key columns (attnum and name) for a Location header: read from the first written row.
        location: Vec<(i16, String)>,
        /// PUT: the statement is an upsert that must affect exactly one row.
        is_put: bool,
    },
    /// A call of a user's function, and what to answer of its result.
    Call {
        /// The call. Its result's columns stand as `From::Cte { cte: WRITTEN, .. }`, by position.
        call: Box<Call>,
        /// The rows shown, from that.
        query: Box<typed::Query>,
        /// As of a read. The function runs once all the same.
        for_count: Option<Box<typed::Query>>,
    },
}

/// A call of a user's function.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which.
    pub function: Oid,
    /// With what.
    pub arguments: CallArguments,
    /// What it gives.
    pub result: CallResult,
    /// Names of the result's columns; one of a scalar.
    pub columns: Vec<String>,
    /// Nothing may be written: for the methods that promise so, and for functions that do.
    pub is_read_only: bool,
    /// The isolation that the function asks for with SET `default_transaction_isolation`.
    pub isolation: Option<Isolation>,
    /// The longest time it asks for with SET `statement_timeout`; zero is no bound.
    pub timeout: Option<Duration>,
}

/// Arguments of a [`Call`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallArguments {
    /// None.
    None,
    /// The request's body as a value of this type, by position: JSON as it is, a text, or `bytea` as text.
    Body(TypeRef),
    /// Values of the body's JSON object (or of the first object of the array that it is).
    Json {
        /// By name.
        named: Vec<CallArgument>,
        /// The body is an array; without an element nothing is called.
        is_array: bool,
    },
    /// Literals, each with the parameter it is for.
    Literals(Vec<(CallArgument, u32)>),
}

/// A parameter that is given a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallArgument {
    /// Its name.
    pub name: String,
    /// Its type; an array when it is variadic.
    pub ty: TypeRef,
    /// VARIADIC.
    pub is_variadic: bool,
}

/// Shapes of a function's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallResult {
    /// Nothing.
    Void,
    /// One value.
    Scalar,
    /// A value in each row.
    Scalars,
    /// One row.
    Row,
    /// Rows.
    Rows,
}

impl CallResult {
    /// Whether there is one value or row, never none or several.
    pub fn is_single(self) -> bool {
        matches!(self, Self::Void | Self::Scalar | Self::Row)
    }

    /// Whether there are values rather than rows.
    pub fn is_scalar(self) -> bool {
        matches!(self, Self::Void | Self::Scalar | Self::Scalars)
    }
}

/// Isolation of a transaction other than the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// REPEATABLE READ.
    RepeatableRead,
    /// SERIALIZABLE.
    Serializable,
}

/// The CTE number under which a write's returned rows and a function's result are read.
pub const WRITTEN: u32 = u32::MAX;

/// How rows become the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Output {
    /// No body (`return=minimal`, `headers-only`, HEAD keeps the format of its GET but drops the bytes at the surface).
    None,
    /// `[{…}, …]` as json_agg prints it.
    Array {
        /// Leave out keys whose value is null, at every level of the rows.
        strip_nulls: bool,
    },
    /// One object; any other number of rows is an error the surface renders (the engine reports the number and rolls back).
    Object {
        /// As above.
        strip_nulls: bool,
    },
    /// `text/csv` with a header line, no newline at the end.
    Csv,
    /// A FeatureCollection of what PostGIS' `ST_AsGeoJSON` makes of each row.
    GeoJson,
    /// What the database's own code makes of the rows, in any type.
    Custom(Handler),
}

/// Code of the database's users that makes a body of a media type: see PostgREST's "Media Type Handlers".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Handler {
    /// An aggregate over the rows.
    Aggregate {
        /// Which.
        function: Oid,
        /// The relation whose rows it takes; `None`: it takes any.
        rows: Option<Oid>,
    },
    /// The function that is called: its value, of this domain, is the body.
    Domain(Oid),
}

/// Which total is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs)]
pub enum Count {
    #[default]
    None,
    Exact,
    Planned,
    Estimated,
}

/// A request's values, in the order their placeholders were made.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Literals(pub Vec<Literal>);

/// One value as it was written in the request: text that the engine converts to the type the plan says.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// NULL (an absent function argument; never a filter's value).
    Null,
    /// A text.
    Text(String),
    /// The elements of `in.(…)`.
    List(Vec<String>),
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Plan {
    /// A process-unique plan number.
    pub fn fresh_id() -> u64 {
        NEXT_ID.fetch_add(1, Ordering::Relaxed)
    }
}
