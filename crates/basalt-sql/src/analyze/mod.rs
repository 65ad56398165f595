//! Analysis: a parsed tree and the catalog give a typed tree, as PostgreSQL's parser and rewriter would.
//!
//! Names become columns of numbered ranges, operators and functions are chosen by PostgreSQL's rules, conversions become explicit,
//! literals become storage values, views are replaced by their queries, `auth.uid()` and `now()` by facts of the session.
//!
//! Start with [`statement`], [`query`], [`expr_on_relation`] and [`row_expr`]; texts from the catalog have the `…_text` forms. The tables of
//! built-in operators and functions are in [`builtins`].
//!
//! What it does not do: it checks no privilege and no policy (the guard does), and it knows no engine; what PostgreSQL has and this
//! module lacks is refused with 0A000 by name.

pub mod builtins;
mod call;
pub mod casts;
mod coerce;
mod compare;
mod error;
mod expr;
mod from;
mod group;
mod inquiry;
mod names;
mod query;
pub mod resolve;
pub mod routine;
mod scope;
mod select;
mod special;
pub mod types;
pub mod updatable;
mod window;
mod write;

use std::cell::RefCell;
use std::collections::HashMap;

use basalt_catalog::{Catalog, Relation};
use basalt_types::{Oid, SqlError, SqlState, TypeRef};

pub use casts::CastContext;
pub use error::{AnalyzeError, Result};
pub use names::similar_columns;

use crate::parse::ParseError;
use crate::tree;
use crate::typed::{self, Param, RangeId, Ranges};
use scope::{Clause, Scope};

/// Nesting of expressions, queries and views beyond which analysis refuses (54001), in levels of plain expressions.
///
/// Chosen so that a thread with 2 MiB of stack (tokio's workers, tests) does not overflow in an unoptimised build.
const DEPTH_LIMIT: u32 = 400;

/// What one more query level costs of [`DEPTH_LIMIT`].
const QUERY_LEVELS: u32 = 10;

/// What a text may refer to besides the catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// Schemas that unqualified names are looked up in, after `pg_catalog`.
    pub search_path: Vec<String>,
    /// The first range number to give out.
    pub first_range: u32,
    /// Types of `$1`, `$2`, …
    pub params: Vec<TypeRef>,
    /// Whether `$n` beyond [`Self::params`] may take its type from where it stands.
    pub infer_params: bool,
    /// Rows known by name: NEW, OLD, record variables.
    pub rows: Vec<NamedRow>,
    /// Scalar variables: function arguments, PL/pgSQL variables.
    pub variables: Vec<Variable>,
    /// A name that is both a variable and a column is an error (PL/pgSQL); otherwise the column wins (SQL functions).
    pub variables_conflict: bool,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            search_path: vec!["public".to_owned(), "extensions".to_owned()],
            first_range: 0,
            params: Vec::new(),
            infer_params: false,
            rows: Vec::new(),
            variables: Vec::new(),
            variables_conflict: false,
        }
    }
}

/// A row that an expression may name: `new.title`.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedRow {
    /// `new`, `old`, a record variable, as folded; empty when its columns are named without it.
    pub name: String,
    /// The range its columns are given as.
    pub range: RangeId,
    /// Name, number and type of each column.
    pub columns: Vec<(String, i16, TypeRef)>,
}

impl NamedRow {
    /// The row of a table.
    pub fn of_relation(name: impl Into<String>, range: RangeId, relation: &Relation) -> Self {
        let columns = relation.columns.iter().map(|c| (c.name.clone(), c.attnum, c.type_ref())).collect();
        Self { name: name.into(), range, columns }
    }
}

/// A scalar that an expression may name.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// The name, as folded.
    pub name: String,
    /// Function or block label it may be qualified with.
    pub qualifier: Option<String>,
    /// Its type.
    pub ty: TypeRef,
    /// What stands for it.
    pub param: Param,
}

/// What an expression on a table is for: decides what may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExprUse {
    /// USING and WITH CHECK; boolean.
    Policy,
    /// CHECK; boolean, no subqueries.
    Check,
    /// DEFAULT of a column, to be coerced to a type; no columns, no subqueries.
    Default(TypeRef),
    /// GENERATED ALWAYS AS, to be coerced to a type; no subqueries, immutable.
    Generated(TypeRef),
    /// A key of an index; no subqueries, immutable.
    Index,
    /// A partial index's predicate; boolean.
    IndexPredicate,
    /// USING of ALTER COLUMN TYPE, to be coerced to a type.
    Transform(TypeRef),
    /// WHEN of a trigger: `old` and `new` rows instead of the table's columns; boolean.
    TriggerWhen {
        /// The range OLD's columns are given as; `None` for INSERT triggers.
        old: Option<RangeId>,
        /// The range NEW's columns are given as; `None` for DELETE triggers.
        new: Option<RangeId>,
    },
}

pub(crate) struct Analyzer<'a> {
    catalog: &'a Catalog,
    ctx: &'a Context,
    ranges: Ranges,
    /// Innermost last.
    scopes: Vec<Scope>,
    ctes: Vec<from::CteEntry>,
    next_cte: u32,
    depth: u32,
    clause: Clause,
    /// Types that untyped parameters took.
    params: RefCell<HashMap<u32, TypeRef>>,
    /// What each range is, for messages and functional dependencies.
    info: HashMap<RangeId, scope::RangeInfo>,
    /// Views being expanded, outermost first.
    views: Vec<Oid>,
}

impl<'a> Analyzer<'a> {
    fn new(catalog: &'a Catalog, ctx: &'a Context) -> Self {
        Self {
            catalog,
            ctx,
            ranges: Ranges::starting_at(ctx.first_range),
            scopes: Vec::new(),
            ctes: Vec::new(),
            next_cte: 0,
            depth: 0,
            clause: Clause::Other,
            params: RefCell::new(HashMap::new()),
            info: HashMap::new(),
            views: Vec::new(),
        }
    }

    fn note_param(&self, n: u32, ty: TypeRef) {
        self.params.borrow_mut().entry(n).or_insert(ty);
    }

    /// Runs `f` one level deeper.
    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.deeper_by(1, f)
    }

    /// Runs `f` deeper by as many levels of plain expressions as its stack frames are worth.
    fn deeper_by<T>(&mut self, levels: u32, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth + levels > DEPTH_LIMIT {
            return Err(error::error(SqlState::TOO_COMPLEX, "stack depth limit exceeded"));
        }
        self.depth += levels;
        let result = f(self);
        self.depth -= levels;
        result
    }

    /// Runs `f` for the expressions of a clause.
    fn within<T>(&mut self, clause: Clause, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let outer = std::mem::replace(&mut self.clause, clause);
        let result = f(self);
        self.clause = outer;
        result
    }
}

/// Analyses a query or data change.
///
/// # Errors
/// PostgreSQL's, with their SQLSTATEs; 0A000 for other statements and for constructs not supported.
pub fn statement(statement: &tree::Statement, catalog: &Catalog, ctx: &Context) -> Result<typed::Statement> {
    let mut analyzer = Analyzer::new(catalog, ctx);
    match statement {
        tree::Statement::Select(query) => Ok(typed::Statement::Query(Box::new(analyzer.query(query, true)?))),
        tree::Statement::Insert(insert) => Ok(typed::Statement::Insert(Box::new(analyzer.insert(insert)?))),
        tree::Statement::Update(update) => Ok(typed::Statement::Update(Box::new(analyzer.update(update)?))),
        tree::Statement::Delete(delete) => Ok(typed::Statement::Delete(Box::new(analyzer.delete(delete)?))),
        _ => Err(error::unsupported("this statement as a query")),
    }
}

/// Analyses a query.
///
/// # Errors
/// As [`statement`].
pub fn query(query: &tree::Query, catalog: &Catalog, ctx: &Context) -> Result<typed::Query> {
    Analyzer::new(catalog, ctx).query(query, true)
}

/// Analyses a statement and tells the types that its parameters `$1`, `$2`, … took (TEXT where nothing decides).
///
/// # Errors
/// As [`statement`].
pub fn query_with_params(query: &tree::Query, catalog: &Catalog, ctx: &Context) -> Result<(typed::Query, Vec<TypeRef>)> {
    let mut analyzer = Analyzer::new(catalog, ctx);
    let typed = analyzer.query(query, true)?;
    let inferred = analyzer.params.into_inner();
    let count = inferred.keys().copied().max().unwrap_or(0).max(u32::try_from(ctx.params.len()).unwrap_or(u32::MAX));
    let text = TypeRef::of(basalt_types::pg::oid::TEXT);
    let types = (1..=count)
        .map(|n| {
            let declared = usize::try_from(n - 1).ok().and_then(|at| ctx.params.get(at));
            declared.or_else(|| inferred.get(&n)).copied().unwrap_or(text)
        })
        .collect();
    Ok((typed, types))
}

/// Analyses an expression that belongs to a table: its columns are given as `range`.
///
/// # Errors
/// PostgreSQL's, among them those about what may not stand in such an expression.
pub fn expr_on_relation(
    expr: &tree::Expr,
    relation: &Relation,
    range: RangeId,
    catalog: &Catalog,
    ctx: &Context,
    kind: ExprUse,
) -> Result<typed::Expr> {
    let mut analyzer = Analyzer::new(catalog, ctx);
    analyzer.ranges = Ranges::starting_at(ctx.first_range.max(range.0 + 1));
    analyzer.expr_on_relation(expr, relation, range, kind)
}

/// Analyses an expression over named rows, variables and parameters: what a PL/pgSQL statement evaluates. Coerced to `target` as an
/// assignment does, when given.
///
/// # Errors
/// As [`statement`].
pub fn row_expr(expr: &tree::Expr, catalog: &Catalog, ctx: &Context, target: Option<TypeRef>) -> Result<typed::Expr> {
    let mut analyzer = Analyzer::new(catalog, ctx);
    let value = analyzer.expr(expr)?;
    match target {
        None => analyzer.settle(value),
        Some(target) => {
            let source = value.ty.oid;
            analyzer.try_coerce(value, target, CastContext::Assignment)?.ok_or_else(|| {
                let (from, to) = (analyzer.shown(source), analyzer.shown(target.oid));
                error::error(SqlState::CANNOT_COERCE, format!("cannot cast type {from} to {to}"))
            })
        }
    }
}

/// [`expr_on_relation`] for text from the catalog.
///
/// # Errors
/// A text that does not parse (a damaged catalog), else as there.
pub fn expr_text_on_relation(
    text: &str,
    relation: &Relation,
    range: RangeId,
    catalog: &Catalog,
    ctx: &Context,
    kind: ExprUse,
) -> Result<typed::Expr> {
    expr_on_relation(&crate::parse::expr(text).map_err(parse_error)?, relation, range, catalog, ctx, kind)
}

/// [`query`] for text.
///
/// # Errors
/// Syntax errors, else as there.
pub fn query_text(text: &str, catalog: &Catalog, ctx: &Context) -> Result<typed::Query> {
    query(&crate::parse::query(text).map_err(parse_error)?, catalog, ctx)
}

/// [`statement`] for text.
///
/// # Errors
/// Syntax errors, else as there.
pub fn statement_text(text: &str, catalog: &Catalog, ctx: &Context) -> Result<typed::Statement> {
    statement(&crate::parse::statement(text).map_err(parse_error)?, catalog, ctx)
}

/// [`row_expr`] for text.
///
/// # Errors
/// Syntax errors, else as there.
pub fn row_expr_text(text: &str, catalog: &Catalog, ctx: &Context, target: Option<TypeRef>) -> Result<typed::Expr> {
    row_expr(&crate::parse::expr(text).map_err(parse_error)?, catalog, ctx, target)
}

/// Converts an expression as a cast would; `None` when PostgreSQL has no such conversion in this context. For planners.
///
/// # Errors
/// A literal that is no value of the type (22P02 and the like).
pub fn coerce(expr: typed::Expr, target: TypeRef, context: CastContext, catalog: &Catalog) -> Result<Option<typed::Expr>> {
    Analyzer::new(catalog, &Context::default()).try_coerce(expr, target, context)
}

/// Applies an operator to typed operands (`None` on the left for prefix operators) with PostgreSQL's resolution. For planners.
///
/// # Errors
/// 42883, 42725.
pub fn operator(symbol: &str, left: Option<typed::Expr>, right: typed::Expr, catalog: &Catalog) -> Result<typed::Expr> {
    Analyzer::new(catalog, &Context::default()).operator(symbol, left, right)
}

/// Calls an aggregate or plain built-in function on typed arguments with PostgreSQL's resolution. For planners.
///
/// # Errors
/// 42883, 42725.
pub fn function(name: &str, args: Vec<typed::Expr>, catalog: &Catalog) -> Result<typed::Expr> {
    Analyzer::new(catalog, &Context::default()).builtin_call(name, args)
}

fn parse_error(e: ParseError) -> AnalyzeError {
    AnalyzeError::from(SqlError::new(e.code, e.message)).at(e.pos)
}

#[cfg(test)]
mod tests;
