//! Statements after analysis: names resolved to catalog objects, every expression typed, every coercion explicit.
//!
//! This is the tree that plans, policies, views, functions and migrations share. The planner builds it too (REST and GraphQL have no
//! SQL text), the guard rewrites it, the dialects print it. It says nothing about an engine.
//!
//! Column references name a [`RangeId`]: one row source of one statement. Ranges are numbered once per statement, so that a
//! subquery's reference to an outer row is just that outer row's number.

pub mod facts;
mod origins;
pub mod walk;

use basalt_types::{Oid, TypeRef, Value};

pub use facts::{contains_aggregate, free_ranges, is_row_independent, uses_range, volatility};
pub use origins::origins;

/// A row source of a statement: a table reference, a subquery in FROM, a function in FROM, the target of a write, `excluded`, NEW, OLD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RangeId(pub u32);

/// Hands out range numbers for one statement.
#[derive(Debug, Clone, Default)]
pub struct Ranges(u32);

impl Ranges {
    /// Numbers from `first` upwards.
    pub fn starting_at(first: u32) -> Self {
        Self(first)
    }

    /// A new number. (Not an iterator: it never ends.)
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> RangeId {
        let id = RangeId(self.0);
        self.0 += 1;
        id
    }

    /// The number the next call gives.
    pub fn peek(&self) -> u32 {
        self.0
    }
}

/// An expression with its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it computes.
    pub kind: ExprKind,
    /// The type of its value.
    pub ty: TypeRef,
}

/// Names how an operator or built-in function is computed; engines' dialects hold a table by it.
///
/// The names are those of PostgreSQL's `pg_proc` where one exists (`int4pl`, `texteq`, `jsonb_object_field_text`), generic ones of
/// ours where PostgreSQL has a family that differs by type only (`eq`, `lt`, `in_text`): see `analyze/operators.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Imp(pub &'static str);

/// Kinds of expression.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum ExprKind {
    /// A constant in storage form (see [`Value`]); NULL has any type.
    Const(Value),
    /// A parameter of the statement: see [`Param`].
    Param(Param),
    /// A column: attnum for tables, views, targets, NEW and OLD; 1-based position for other ranges.
    Column {
        range: RangeId,
        column: i16,
    },
    /// A whole row of a range (`t`, for row_to_json, IS NULL on rows, …).
    WholeRow {
        range: RangeId,
    },
    /// An infix or prefix operator; one or two arguments. `symbol` is PostgreSQL's, for printing in its dialect.
    Op {
        symbol: &'static str,
        imp: Imp,
        args: Vec<Expr>,
    },
    /// A built-in function. `schema` is `pg_catalog`, `auth`, `extensions`, `storage`, …
    Func {
        schema: &'static str,
        name: &'static str,
        imp: Imp,
        args: Vec<Expr>,
    },
    /// A user's function (compiled by issue order: inlined, bound, or called).
    UserFunc {
        function: Oid,
        args: Vec<Expr>,
    },
    /// An aggregate.
    Aggregate {
        name: &'static str,
        imp: Imp,
        args: Vec<Expr>,
        star: bool,
        distinct: bool,
        order_by: Vec<Order>,
        filter: Option<Box<Expr>>,
    },
    /// A window function or an aggregate over a window.
    Window {
        name: &'static str,
        imp: Imp,
        args: Vec<Expr>,
        star: bool,
        filter: Option<Box<Expr>>,
        partition_by: Vec<Expr>,
        order_by: Vec<Order>,
        frame: Option<String>,
    },
    /// A conversion between types with different storage or validity; binary-compatible relabelling too. `explicit` as in CAST.
    Cast {
        expr: Box<Expr>,
        explicit: bool,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    IsNull {
        expr: Box<Expr>,
        negated: bool,
    },
    /// IS [NOT] TRUE / FALSE; UNKNOWN is IsNull.
    IsBool {
        expr: Box<Expr>,
        value: bool,
        negated: bool,
    },
    /// IS [NOT] DISTINCT FROM, both sides of one type.
    Distinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    /// The operand form is resolved to comparisons.
    Case {
        arms: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Coalesce(Vec<Expr>),
    /// GREATEST / LEAST: NULLs ignored.
    Extreme {
        greatest: bool,
        args: Vec<Expr>,
    },
    NullIf {
        left: Box<Expr>,
        right: Box<Expr>,
        eq: Imp,
    },
    /// ARRAY[…]; elements coerced to one type.
    Array(Vec<Expr>),
    /// ROW(…).
    Row(Vec<Expr>),
    /// `x[i]`.
    Subscript {
        array: Box<Expr>,
        index: Box<Expr>,
    },
    /// Field of a composite value.
    Field {
        expr: Box<Expr>,
        index: u16,
    },
    /// `x op ANY|ALL (array)`.
    QuantifiedArray {
        symbol: &'static str,
        imp: Imp,
        all: bool,
        left: Box<Expr>,
        array: Box<Expr>,
    },
    /// `x IN (a, b, c)` with all sides of one comparable type.
    InList {
        expr: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    /// `(a, b) op ANY|ALL (query)`; IN is `=` ANY, NOT IN is `<>` ALL.
    QuantifiedQuery {
        symbol: &'static str,
        imp: Imp,
        all: bool,
        left: Vec<Expr>,
        query: Box<Query>,
    },
    Exists(Box<Query>),
    Scalar(Box<Query>),
    ArrayQuery(Box<Query>),
    /// The rows of a query as JSON: see [`JsonShape`]. The type is json.
    JsonRows {
        query: Box<Query>,
        shape: JsonShape,
    },
    /// `x COLLATE name`.
    Collate {
        expr: Box<Expr>,
        collation: String,
    },
}

/// How [`ExprKind::JsonRows`] renders rows; targets' names are the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonShape {
    /// `[{…}, …]`, `[]` without rows: what `coalesce(json_agg(row), '[]')` prints, its separator `, \n ` included.
    Array,
    /// The object of the only row, NULL without one.
    Object,
}

/// A value given to a statement when it runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Param {
    /// `$n` of the statement's own text (1-based): repositories of our own tables, function arguments.
    Numbered(u32),
    /// The n-th literal of a request (0-based): text that the engine converts to the expression's type when it binds.
    Literal(u32),
    /// The n-th literal is a list (`in.(a,b)`): a JSON array of texts, each converted to the element type; the expression's type is the array.
    LiteralList(u32),
    /// A fact of the session.
    Session(SessionParam),
}

/// Facts of the session a statement may use; fixed for the length of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SessionParam {
    /// `auth.uid()`.
    Uid,
    /// `auth.role()`: the role claim, or the role.
    Role,
    /// `auth.email()`.
    Email,
    /// `auth.jwt()`: jsonb.
    Jwt,
    /// `current_user`.
    CurrentUser,
    /// `now()`, `current_timestamp`: the transaction's start.
    Now,
    /// `current_setting(name, missing_ok)` for a constant name.
    Setting {
        /// Lower case.
        name: String,
        /// NULL instead of an error when it is not set.
        missing_ok: bool,
    },
}

/// One key of ORDER BY; null order always explicit.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Order {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
}

/// A query.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Query {
    pub ctes: Vec<Cte>,
    pub body: Body,
    /// Over the body's ranges for a Select; for set operations, columns of [`Body::Set`]'s `range`.
    pub order_by: Vec<Order>,
    pub limit: Option<Expr>,
    pub offset: Option<Expr>,
}

/// A common table expression; referred to by [`From::Cte`].
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Cte {
    pub id: u32,
    pub name: String,
    pub recursive: bool,
    pub materialized: Option<bool>,
    pub columns: Vec<(String, TypeRef)>,
    pub query: Query,
}

/// A query without its tail.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Body {
    Select(Box<Select>),
    Values { rows: Vec<Vec<Expr>> },
    Set { op: crate::tree::SetOp, all: bool, left: Box<Query>, right: Box<Query>, range: RangeId },
}

/// SELECT.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Select {
    pub distinct: Option<Vec<Expr>>,
    pub targets: Vec<Target>,
    /// Comma-joined.
    pub from: Vec<From>,
    pub filter: Option<Expr>,
    /// Conditions of row policies, put here by the guard; they run before `filter` wherever that could raise.
    pub policy: Option<Expr>,
    pub group_by: Vec<Expr>,
    pub having: Option<Expr>,
}

/// One output column.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Target {
    pub expr: Expr,
    pub name: String,
}

/// One item of FROM.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum From {
    /// A table or materialized view; plain views are expanded by analysis into `Query` with `view` set.
    Table {
        range: RangeId,
        relation: Oid,
        alias: String,
    },
    /// A subquery. `view`: it is that view's body, to be guarded as the view's owner unless security_invoker.
    Query {
        range: RangeId,
        query: Box<Query>,
        lateral: bool,
        alias: String,
        view: Option<Oid>,
    },
    Cte {
        range: RangeId,
        cte: u32,
        alias: String,
    },
    /// A set-returning function: built-in in the form of [`ExprKind::Func`]/UserFunc; columns with types; ordinality appended.
    Function {
        range: RangeId,
        call: Box<Expr>,
        columns: Vec<(String, TypeRef)>,
        with_ordinality: bool,
        lateral: bool,
        alias: String,
    },
    Join {
        kind: crate::tree::JoinKind,
        left: Box<From>,
        right: Box<From>,
        on: Option<Expr>,
    },
}

/// Any statement that reads or writes rows.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Statement {
    Query(Box<Query>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
}

/// INSERT.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Insert {
    /// WITH.
    pub ctes: Vec<Cte>,
    pub relation: Oid,
    /// The row written, as RETURNING and DO UPDATE see it.
    pub range: RangeId,
    /// Target columns (attnums) in the order of the source's columns.
    pub columns: Vec<i16>,
    pub source: InsertSource,
    pub overriding_system: Option<bool>,
    pub on_conflict: Option<OnConflict>,
    pub returning: Vec<Target>,
}

/// Where inserted rows come from.
#[derive(Debug, Clone, PartialEq)]
pub enum InsertSource {
    /// VALUES; `None` is DEFAULT. Coerced to the columns' types. One empty row with no columns is DEFAULT VALUES.
    Values(Vec<Vec<Option<Expr>>>),
    /// A query whose columns are coerced to the target's.
    Query(Box<Query>),
    /// Rows come with the request as JSON objects; absent keys take the default when `missing_default`, else NULL.
    /// The engine converts each value to its column's type as `json_populate_record` does.
    Payload {
        /// Absent keys take the column's default, else NULL.
        missing_default: bool,
    },
}

/// ON CONFLICT.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct OnConflict {
    /// Indexes (their OIDs) that arbitrate; empty: any (DO NOTHING only), or what a server finds for the columns.
    pub arbiters: Vec<Oid>,
    /// The columns named, where a server is left to find the index.
    pub columns: Vec<i16>,
    /// `None`: DO NOTHING.
    pub update: Option<ConflictUpdate>,
}

/// DO UPDATE. Its expressions see the existing row as the insert's `range` and the proposed one as `excluded`.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct ConflictUpdate {
    pub excluded: RangeId,
    /// `None`: DEFAULT.
    pub set: Vec<(i16, Option<Expr>)>,
    pub filter: Option<Expr>,
}

/// UPDATE.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Update {
    /// WITH.
    pub ctes: Vec<Cte>,
    pub relation: Oid,
    pub range: RangeId,
    /// `None`: DEFAULT.
    pub set: UpdateSet,
    pub from: Vec<From>,
    pub filter: Option<Expr>,
    pub returning: Vec<Target>,
    /// PostgREST's limited updates: keys of ORDER BY and a limit on the target rows.
    pub order_by: Vec<Order>,
    pub limit: Option<Expr>,
    pub offset: Option<Expr>,
}

/// New values of an UPDATE.
#[derive(Debug, Clone, PartialEq)]
pub enum UpdateSet {
    /// SET column = expression; `None` is DEFAULT.
    Exprs(Vec<(i16, Option<Expr>)>),
    /// The columns' new values come with the request as one JSON object.
    Payload {
        /// Attnums.
        columns: Vec<i16>,
        /// A key that is missing sets the column's default instead of NULL.
        missing_default: bool,
    },
}

/// DELETE.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Delete {
    /// WITH.
    pub ctes: Vec<Cte>,
    pub relation: Oid,
    pub range: RangeId,
    pub using: Vec<From>,
    pub filter: Option<Expr>,
    pub returning: Vec<Target>,
    pub order_by: Vec<Order>,
    pub limit: Option<Expr>,
    pub offset: Option<Expr>,
}

impl Expr {
    /// An expression of a type.
    pub fn new(kind: ExprKind, ty: TypeRef) -> Self {
        Self { kind, ty }
    }

    /// A boolean constant.
    pub fn bool(value: bool) -> Self {
        Self::new(ExprKind::Const(Value::Int(i64::from(value))), TypeRef::of(basalt_types::pg::oid::BOOL))
    }

    /// NULL of a type.
    pub fn null(ty: TypeRef) -> Self {
        Self::new(ExprKind::Const(Value::Null), ty)
    }

    /// A column of a range.
    pub fn column(range: RangeId, column: i16, ty: TypeRef) -> Self {
        Self::new(ExprKind::Column { range, column }, ty)
    }

    /// Both, or the only one there is.
    pub fn and(left: Option<Self>, right: Option<Self>) -> Option<Self> {
        match (left, right) {
            (Some(Self { kind: ExprKind::And(mut a), ty }), Some(b)) => {
                a.push(b);
                Some(Self { kind: ExprKind::And(a), ty })
            }
            (Some(a), Some(b)) => {
                let ty = a.ty;
                Some(Self { kind: ExprKind::And(vec![a, b]), ty })
            }
            (a, b) => a.or(b),
        }
    }
}
