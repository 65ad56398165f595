//! Expressions.

#![allow(missing_docs)] // fields whose names say what they are; what is not plain has its comment

use super::{Name, Pos, Query, TypeName};

/// An expression as written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where its first token stands.
    pub pos: Pos,
}

/// The kinds of expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ExprKind {
    /// `NULL`.
    Null,
    /// `TRUE` or `FALSE`.
    Bool(bool),
    /// An integer or decimal literal as written, without sign.
    Number(String),
    /// A string literal, decoded (`'it''s'`, `E'\n'`, `$$…$$`). Its type is unknown until analysis.
    String(String),
    /// `B'01'` / `X'1F'` as written: kind letter and digits.
    BitString(char, String),
    /// `$1`.
    Param(u32),
    /// `a`, `t.a`, `s.t.a`: the parts as folded.
    Column(Vec<String>),
    /// `*` or `t.*` (select lists, `count(*)` is a flag of the call).
    Star(Vec<String>),
    /// `CAST(x AS t)`, `x::t`, `t 'literal'`.
    Cast(Box<Expr>, TypeName),
    /// `(x).field`; `(x).*` has the field `*`.
    Field(Box<Expr>, String),
    /// `x[i]`.
    Subscript(Box<Expr>, Box<Expr>),
    /// `x[i:j]`.
    Slice(Box<Expr>, Option<Box<Expr>>, Option<Box<Expr>>),
    /// A prefix operator: `-x`, `~x`, `@x`, `NOT` is [`ExprKind::Not`].
    Unary(Operator, Box<Expr>),
    /// An infix operator, `<>` for `!=`. LIKE and friends are [`ExprKind::Like`].
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// `a AND b AND c`, flattened; at least two.
    And(Vec<Expr>),
    /// `a OR b OR c`, flattened; at least two.
    Or(Vec<Expr>),
    /// `NOT x`.
    Not(Box<Expr>),
    /// `x IS [NOT] NULL|TRUE|FALSE|UNKNOWN`.
    Is { expr: Box<Expr>, test: IsTest, negated: bool },
    /// `a IS [NOT] DISTINCT FROM b`.
    Distinct { left: Box<Expr>, right: Box<Expr>, negated: bool },
    /// `x [NOT] LIKE|ILIKE|SIMILAR TO p [ESCAPE e]`.
    Like { kind: LikeKind, expr: Box<Expr>, pattern: Box<Expr>, escape: Option<Box<Expr>>, negated: bool },
    /// `x [NOT] BETWEEN [SYMMETRIC] a AND b`.
    Between { expr: Box<Expr>, low: Box<Expr>, high: Box<Expr>, symmetric: bool, negated: bool },
    /// `x [NOT] IN (a, b, …)`.
    InList { expr: Box<Expr>, list: Vec<Expr>, negated: bool },
    /// `x [NOT] IN (SELECT …)`; rows on the left are [`ExprKind::Row`].
    InQuery { expr: Box<Expr>, query: Box<Query>, negated: bool },
    /// `x op ANY|ALL (array or query)`; `SOME` is ANY.
    Quantified { op: Operator, all: bool, expr: Box<Expr>, right: Quantified },
    /// `EXISTS (…)`.
    Exists(Box<Query>),
    /// `(SELECT …)` as a value.
    Scalar(Box<Query>),
    /// `ARRAY(SELECT …)`.
    ArrayQuery(Box<Query>),
    /// `ARRAY[a, b]`.
    Array(Vec<Expr>),
    /// `ROW(a, b)` or `(a, b)`.
    Row(Vec<Expr>),
    /// `CASE [operand] WHEN … THEN … ELSE … END`.
    Case { operand: Option<Box<Expr>>, arms: Vec<(Expr, Expr)>, otherwise: Option<Box<Expr>> },
    /// `COALESCE(…)`.
    Coalesce(Vec<Expr>),
    /// `NULLIF(a, b)`.
    NullIf(Box<Expr>, Box<Expr>),
    /// `GREATEST(…)` (true) or `LEAST(…)` (false).
    Extreme { greatest: bool, args: Vec<Expr> },
    /// A function call, also for special syntax (`extract(epoch from x)` is `extract('epoch', x)`, `position(a in b)` is
    /// `position(b, a)` as PostgreSQL's own grammar rewrites it, `x AT TIME ZONE z` is `timezone(z, x)`, `substring(a from b for c)`,
    /// `trim(both a from b)` is `btrim(b, a)`, `overlay(…)`, `x COLLATE c` is [`ExprKind::Collate`]).
    Call(Box<Call>),
    /// `CURRENT_DATE`, `CURRENT_TIMESTAMP(3)`, `LOCALTIME`, `CURRENT_USER`, `SESSION_USER`, `CURRENT_ROLE`, `USER`, `CURRENT_SCHEMA`, `CURRENT_CATALOG`: the lower-case word.
    Keyword(String, Option<i64>),
    /// `x COLLATE name`.
    Collate(Box<Expr>, Name),
    /// `GROUPING(…)`, `DEFAULT` and other rare forms: the lower-case keyword that names it. `default` is allowed in VALUES and SET only.
    Special(String),
}

/// The right side of `ANY`/`ALL`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Quantified {
    /// An array expression.
    Array(Box<Expr>),
    /// A subquery.
    Query(Box<Query>),
}

/// An operator's name with the schema of `OPERATOR(s.+)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Operator {
    /// The schema, when written.
    pub schema: Option<String>,
    /// The symbol.
    pub symbol: String,
}

/// What `IS` asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum IsTest {
    Null,
    True,
    False,
    Unknown,
}

/// Which pattern language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum LikeKind {
    Like,
    ILike,
    Similar,
}

/// A function call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Call {
    /// The function.
    pub name: Name,
    /// Arguments in order.
    pub args: Vec<Arg>,
    /// `f(*)`.
    pub star: bool,
    /// `f(DISTINCT …)`.
    pub distinct: bool,
    /// `f(VARIADIC x)`: the last argument.
    pub variadic: bool,
    /// `f(… ORDER BY …)`.
    pub order_by: Vec<OrderItem>,
    /// `WITHIN GROUP (ORDER BY …)`.
    pub within_group: Vec<OrderItem>,
    /// `FILTER (WHERE …)`.
    pub filter: Option<Expr>,
    /// `OVER (…)` or `OVER name`.
    pub over: Option<Window>,
}

/// One argument, by position or by name (`name => x`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Arg {
    /// The parameter's name, for named notation.
    pub name: Option<String>,
    /// The value.
    pub value: Expr,
}

/// One key of ORDER BY.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderItem {
    /// What to order by: an expression, a position, or an output name.
    pub expr: Expr,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST (`Some(true)`), NULLS LAST (`Some(false)`), or PostgreSQL's default.
    pub nulls_first: Option<bool>,
    /// `USING operator`.
    pub using: Option<Operator>,
}

/// A window definition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Window {
    /// `OVER name`, or the base window of a definition.
    pub base: Option<String>,
    /// PARTITION BY.
    pub partition_by: Vec<Expr>,
    /// ORDER BY.
    pub order_by: Vec<OrderItem>,
    /// The frame clause: canonical upper-case text without expressions other than integer offsets.
    pub frame: Option<String>,
}
