//! The SQLite dialect: guarded plans as programs of SQLite's SQL.
//!
//! - [`compile`]: a plan; [`compile_statement`]: a statement of a surface's own.
//! - [`index_sql`], [`domain_checks`]: expressions outside statements.
//! - [`storage`]: how tables are stored; [`host`]: the functions that the engine must register. Both are the contract with the engine.
//!
//! Files: `printer` (text, parameters), `expr`, `compare`, `cast`, `func` (expressions), `query` (FROM and the like), `json` (rows as
//! JSON), `read`, `write`, `keys` (programs).
//!
//! To add a function: its row in `basalt_sql::analyze::builtins`, its name in [`host::HOSTED`] (or a native spelling in `func.rs`), its
//! implementation in the engine.
//!
//! Semantics that would differ silently are handled here: integer division and overflow, NULL order, collations, jsonb equality,
//! GREATEST, enum order, `->>`, boolean text, casts. What SQLite cannot do is 0A000 by name, never an approximation.

mod bare;
mod call;
mod cast;
mod compare;
mod expr;
mod func;
pub mod host;
mod json;
mod keys;
mod printer;
mod query;
mod read;
mod routine;
pub mod storage;
mod write;

use std::sync::Arc;

use basalt_catalog::{Catalog, Index, IndexTerm, Relation, TypeKind};
use basalt_sql::typed::{RangeId, Statement};
use basalt_types::{Oid, SqlError, SqlState, TypeRef};

use crate::expressions::{ExprCache, ExprUse};
use crate::guard::{self, Caller};
use crate::plan::{Action, Output, Plan};
use crate::program::{Checks, Program, ReadProgram};
use printer::{Printer, Source};

pub use bare::{bare_expr, bare_text};
pub use func::supported;
pub use write::rowid_name;

/// What compilation knows: the catalog, who asks, and the catalog's analysed expressions.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What exists.
    pub catalog: &'a Catalog,
    /// Whose grants and policies count.
    pub caller: Caller<'a>,
    /// Shared by all compilations on one database.
    pub cache: &'a ExprCache,
}

/// Guards a plan for a role and compiles it.
///
/// # Errors
/// What the guard refuses (42501, 42P17), and 0A000 for what SQLite cannot do, by name.
pub fn compile(plan: &Plan, context: &Context<'_>) -> Result<Program, SqlError> {
    match plan.output {
        // As a server without PostGIS says.
        Output::GeoJson => {
            let error = SqlError::new(SqlState::UNDEFINED_FUNCTION, "function st_asgeojson(record) does not exist");
            return Err(
                error.hint("No function matches the given name and argument types. You might need to add explicit type casts.")
            );
        }
        Output::Custom(_) => return Err(SqlError::unsupported("media type handlers")),
        Output::None | Output::Array { .. } | Output::Object { .. } | Output::Csv => {}
    }
    match &plan.action {
        Action::Read { query, for_count } => {
            let program = read::read(query, for_count.as_deref(), Vec::new(), context)?;
            Ok(Program::Read(Arc::new(program)))
        }
        Action::Call { call, query, for_count } => {
            Ok(Program::Read(Arc::new(call::call(call, query, for_count.as_deref(), context)?)))
        }
        Action::Write { statement, representation, .. } => {
            let representation = match (plan.output, representation) {
                (Output::None, _) => write::Shown::Nothing,
                (_, None) => write::Shown::Returning,
                (_, Some(query)) => write::Shown::Query(query),
            };
            Ok(Program::Write(Arc::new(write::write(statement, &representation, context)?)))
        }
    }
}

/// Guards and compiles a statement written in SQL. A query's result columns are its targets in order (shapes are empty); a write's
/// returned rows are those of [`crate::program::WriteProgram::returning`].
///
/// # Errors
/// As [`compile`].
pub fn compile_statement(statement: &Statement, context: &Context<'_>) -> Result<Program, SqlError> {
    let Statement::Query(query) = statement else {
        return Ok(Program::Write(Arc::new(write::write(statement, &write::Shown::Nothing, context)?)));
    };
    let mut guarded = (**query).clone();
    let touched = guard::query(&mut guarded, context.catalog, &context.caller, context.cache)?;
    let mut printer = Printer::new(context.catalog, context.cache);
    printer.query(&guarded)?;
    let shapes = std::mem::take(&mut printer.shapes);
    let rows = printer.finish();
    Ok(Program::Read(Arc::new(ReadProgram {
        rows,
        shapes: shapes.into(),
        count: None,
        at_most_one: false,
        short: false,
        touched,
        call: None,
    })))
}

/// An index as SQLite's DDL, without a trailing semicolon: `CREATE [UNIQUE] INDEX "schema.name" ON "schema.table" (…) [WHERE …]`.
/// `None` for methods that SQLite has no native index for (gin, gist, …).
///
/// # Errors
/// 0A000 when a key or the predicate needs something that is not deterministic.
pub fn index_sql(relation: &Relation, index: &Index, context: &Context<'_>) -> Result<Option<String>, SqlError> {
    if !matches!(index.method.as_str(), "btree" | "hash") {
        return Ok(None);
    }
    let range = RangeId(0);
    let mut printer = Printer::new(context.catalog, context.cache);
    printer.is_schema_text = true;
    printer.declare(range, Source::Bare(Oid(relation.oid)));
    let schema = context.catalog.schema_by_oid(Oid(relation.schema)).map_or("public", |s| s.name.as_str());
    printer.raw(if index.unique && !relation.is_deferrable(index) { "CREATE UNIQUE INDEX " } else { "CREATE INDEX " });
    printer.ident(&format!("{schema}.{}", index.name)).raw(" ON ").table(Oid(relation.oid))?.raw(" (");
    for (i, key) in index.keys.iter().enumerate() {
        printer.raw(if i == 0 { "" } else { ", " });
        let (expr, is_column) = match &key.term {
            IndexTerm::Column(attnum) => {
                let column = relation.column_at(*attnum).ok_or_else(|| SqlError::internal("an indexed column has gone"))?;
                (basalt_sql::typed::Expr::column(range, *attnum, column.type_ref()), true)
            }
            IndexTerm::Expr(text) => {
                let mut next = 1;
                (context.cache.get(text, ExprUse::IndexKey, Some(relation), context.catalog)?.over(range, &mut next), false)
            }
        };
        if !is_column {
            must_be_deterministic(&expr)?;
        }
        printer.collated(&expr)?;
        if key.descending {
            printer.raw(" DESC");
        }
    }
    printer.raw(")");
    if let Some(text) = &index.filter {
        let mut next = 1;
        let filter = context.cache.get(text, ExprUse::IndexFilter, Some(relation), context.catalog)?.over(range, &mut next);
        must_be_deterministic(&filter)?;
        printer.raw(" WHERE ");
        printer.expr(&filter)?;
    }
    Ok(Some(printer.finish().sql.to_string()))
}

/// A key of an index as DETAIL shows it, and the built-in type its values print by.
///
/// # Errors
/// What the analysis of an expression reports.
pub fn index_key(relation: &Relation, term: &IndexTerm, context: &Context<'_>) -> Result<(String, TypeRef), SqlError> {
    let range = RangeId(0);
    let expr = match term {
        IndexTerm::Column(attnum) => {
            let column = relation.column_at(*attnum).ok_or_else(|| SqlError::internal("an indexed column has gone"))?;
            basalt_sql::typed::Expr::column(range, *attnum, column.type_ref())
        }
        IndexTerm::Expr(text) => {
            let mut next = 1;
            context.cache.get(text, ExprUse::IndexKey, Some(relation), context.catalog)?.over(range, &mut next)
        }
    };
    let shown = super::display::index_key(term, &expr, relation, context.catalog);
    Ok((shown, super::types::base(context.catalog, expr.ty)))
}

fn must_be_deterministic(expr: &basalt_sql::typed::Expr) -> Result<(), SqlError> {
    use basalt_catalog::Volatility;
    use basalt_sql::typed::ExprKind;
    let unfit = basalt_sql::typed::facts::any_outside_subqueries(expr, &mut |e| match &e.kind {
        ExprKind::Func { imp, .. } => basalt_sql::analyze::builtins::volatility(*imp) == Volatility::Volatile,
        ExprKind::Exists(_)
        | ExprKind::Scalar(_)
        | ExprKind::ArrayQuery(_)
        | ExprKind::QuantifiedQuery { .. }
        | ExprKind::JsonRows { .. } => true,
        _ => false,
    });
    if unfit {
        return Err(SqlError::new(SqlState::INVALID_OBJECT_DEFINITION, "functions in index expression must be marked IMMUTABLE"));
    }
    Ok(())
}

/// The checks of a domain over [`crate::program::Bind::Value`]; a failing one is 23514. `None`: it has none.
///
/// # Errors
/// What the analysis reports, and 0A000 for what SQLite cannot do.
pub fn domain_checks(domain: Oid, context: &Context<'_>) -> Result<Option<Checks>, SqlError> {
    let Some(def) = context.catalog.type_by_oid(domain) else { return Ok(None) };
    let TypeKind::Domain { checks, .. } = &def.kind else { return Ok(None) };
    let range = RangeId(0);
    let mut printer = Printer::new(context.catalog, context.cache);
    printer.declare(range, Source::Value);
    let mut tests = Vec::with_capacity(checks.len());
    for (name, text) in checks {
        let mut next = 1;
        let condition = context.cache.get(text, ExprUse::Domain(def.oid), None, context.catalog)?.over(range, &mut next);
        let text = format!("value for domain {} violates check constraint \"{name}\"", def.name);
        tests.push((condition, SqlError::new(SqlState::CHECK_VIOLATION, text).constraint(name)));
    }
    write::checks(&mut printer, tests, write::Passes::Null)
}
