//! Queries and data changes.

#![allow(missing_docs)] // fields whose names say what they are; what is not plain has its comment

use super::{Expr, Name, OrderItem, Pos, TypeName, Window};

/// `[WITH …] body [ORDER BY …] [LIMIT …] [OFFSET …] [FOR …]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    /// WITH.
    pub with: Option<With>,
    /// The body.
    pub body: SetExpr,
    /// ORDER BY.
    pub order_by: Vec<OrderItem>,
    /// LIMIT; `LIMIT ALL` is none. FETCH FIRST becomes a limit.
    pub limit: Option<Expr>,
    /// FETCH … WITH TIES.
    pub with_ties: bool,
    /// OFFSET.
    pub offset: Option<Expr>,
    /// FOR UPDATE and friends.
    pub locking: Vec<Locking>,
    /// Where it stands.
    pub pos: Pos,
}

/// A query without its tail.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SetExpr {
    /// SELECT.
    Select(Box<Select>),
    /// VALUES.
    Values(Vec<Vec<Expr>>),
    /// A parenthesised query.
    Query(Box<Query>),
    /// UNION, INTERSECT, EXCEPT.
    Set { op: SetOp, all: bool, left: Box<SetExpr>, right: Box<SetExpr> },
}

/// Set operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum SetOp {
    Union,
    Intersect,
    Except,
}

/// WITH.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct With {
    /// RECURSIVE.
    pub recursive: bool,
    /// The common table expressions in order.
    pub ctes: Vec<Cte>,
}

/// One common table expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cte {
    /// Its name.
    pub name: String,
    /// Column names, when given.
    pub columns: Vec<String>,
    /// MATERIALIZED (`Some(true)`), NOT MATERIALIZED, or neither.
    pub materialized: Option<bool>,
    /// What it computes.
    pub body: Box<CteBody>,
}

/// A query or a data change inside WITH; boxed where it stands.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum CteBody {
    Query(Query),
    Insert(Insert),
    Update(Update),
    Delete(Delete),
}

/// SELECT.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Select {
    /// DISTINCT: `None` without, an empty list for plain DISTINCT, expressions for DISTINCT ON.
    pub distinct: Option<Vec<Expr>>,
    /// The select list.
    pub items: Vec<SelectItem>,
    /// FROM.
    pub from: Vec<FromItem>,
    /// WHERE.
    pub filter: Option<Expr>,
    /// GROUP BY.
    pub group_by: Vec<Expr>,
    /// GROUPING SETS, CUBE or ROLLUP were used (refused later, by name).
    pub grouping_sets: bool,
    /// HAVING.
    pub having: Option<Expr>,
    /// WINDOW.
    pub windows: Vec<(String, Window)>,
    /// SELECT INTO target of PL/pgSQL is not here: see `plpgsql`.
    pub pos: Pos,
}

/// One output column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SelectItem {
    /// The expression; stars are `ExprKind::Star`.
    pub expr: Expr,
    /// AS name.
    pub alias: Option<String>,
}

/// One item of FROM.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FromItem {
    /// A table, view or CTE.
    Table { name: Name, only: bool, alias: Option<Alias>, sample: bool },
    /// A subquery.
    Query { query: Box<Query>, lateral: bool, alias: Option<Alias> },
    /// A function; several are ROWS FROM.
    Function { calls: Vec<Expr>, lateral: bool, with_ordinality: bool, alias: Option<Alias>, columns: Vec<(String, TypeName)> },
    /// A join.
    Join { kind: JoinKind, natural: bool, left: Box<FromItem>, right: Box<FromItem>, on: JoinOn, alias: Option<Alias> },
}

/// AS name (columns).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// Column names, when given.
    pub columns: Vec<String>,
}

/// Kinds of join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum JoinKind {
    Cross,
    Inner,
    Left,
    Right,
    Full,
}

/// The condition of a join.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum JoinOn {
    None,
    On(Expr),
    Using(Vec<String>),
}

/// FOR UPDATE and friends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Locking {
    /// `update`, `no key update`, `share`, `key share`.
    pub strength: String,
    /// OF tables.
    pub of: Vec<Name>,
    /// `nowait`, `skip locked` or none.
    pub wait: Option<String>,
}

/// INSERT.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Insert {
    /// WITH.
    pub with: Option<With>,
    /// The target.
    pub table: Name,
    /// AS alias.
    pub alias: Option<String>,
    /// Columns, when written.
    pub columns: Vec<String>,
    /// OVERRIDING SYSTEM VALUE (`Some(true)`) or USER VALUE.
    pub overriding_system: Option<bool>,
    /// Rows; `None` is DEFAULT VALUES. `ExprKind::Special("default")` may stand in VALUES.
    pub source: Option<Query>,
    /// ON CONFLICT.
    pub on_conflict: Option<OnConflict>,
    /// RETURNING.
    pub returning: Vec<SelectItem>,
    /// Where it stands.
    pub pos: Pos,
}

/// ON CONFLICT.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OnConflict {
    /// The arbiter.
    pub target: ConflictTarget,
    /// DO NOTHING is `None`.
    pub update: Option<ConflictUpdate>,
}

/// What a conflict is arbitrated by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ConflictTarget {
    /// Any constraint.
    Any,
    /// Columns or expressions, with the index predicate.
    Index(Vec<Expr>, Option<Expr>),
    /// ON CONSTRAINT name.
    Constraint(String),
}

/// DO UPDATE SET … WHERE ….
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct ConflictUpdate {
    pub set: Vec<Assignment>,
    pub filter: Option<Expr>,
}

/// `column = value` or `(a, b) = row`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Assignment {
    /// Target columns: one, or several for a row.
    pub columns: Vec<String>,
    /// The value; a row or a scalar query for several columns.
    pub value: Expr,
}

/// UPDATE.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Update {
    pub with: Option<With>,
    pub table: Name,
    pub only: bool,
    pub alias: Option<String>,
    pub set: Vec<Assignment>,
    pub from: Vec<FromItem>,
    pub filter: Option<Expr>,
    pub returning: Vec<SelectItem>,
    pub pos: Pos,
}

/// DELETE.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Delete {
    pub with: Option<With>,
    pub table: Name,
    pub only: bool,
    pub alias: Option<String>,
    pub using: Vec<FromItem>,
    pub filter: Option<Expr>,
    pub returning: Vec<SelectItem>,
    pub pos: Pos,
}
