//! The way from plans, SQL text and catalog expressions to programs: analysis, guard, dialect. The only place that knows all three.

use basalt_catalog::{Catalog, Index, IndexTerm, Relation, TypeKind};
use basalt_plan::dialect::sqlite::{self, Context};
use basalt_plan::expressions::{ExprCache, ExprUse};
use basalt_plan::guard::Caller;
use basalt_plan::plan::Plan;
use basalt_plan::program::{Checks, Compiled, Program};
use basalt_sql::analyze::{self, AnalyzeError, CastContext, NamedRow};
use basalt_sql::tree::Statement;
use basalt_sql::typed::{Expr, RangeId};
use basalt_types::{Oid, RoleName, SqlError, SqlState, TypeRef};

/// The role our own statements run as: a superuser, whom no grant and no policy binds.
pub(crate) const OWNER: &str = basalt_sql::bootstrap::ROLE;

/// A cache of analysed expressions. One for the committed catalogs; each job that changes the schema has its own, since the versions
/// of catalogs that were never committed come again with another content.
pub(crate) fn expressions() -> ExprCache {
    ExprCache::new(analyse)
}

fn plain(error: AnalyzeError) -> SqlError {
    error.error
}

/// Reads a text of the catalog. The row is range 0, further ranges count from 1.
fn analyse(text: &str, purpose: ExprUse, relation: Option<&Relation>, catalog: &Catalog) -> Result<Expr, SqlError> {
    let mut context = analyze::Context { first_range: 1, ..analyze::Context::default() };
    if let ExprUse::Domain(oid) = purpose {
        let base = domain_base(catalog, Oid(oid));
        context.rows = vec![NamedRow { name: String::new(), range: RangeId(0), columns: vec![("value".to_owned(), 1, base)] }];
        return analyze::row_expr_text(text, catalog, &context, None).map_err(plain);
    }
    let Some(relation) = relation else { return Err(SqlError::internal("an expression of the catalog without its table")) };
    let type_of = |attnum: i16| {
        relation.column_at(attnum).map(basalt_catalog::Column::type_ref).ok_or_else(|| SqlError::internal("a column has gone"))
    };
    let kind = match purpose {
        ExprUse::Policy => analyze::ExprUse::Policy,
        ExprUse::Check => analyze::ExprUse::Check,
        ExprUse::Default(attnum) => analyze::ExprUse::Default(type_of(attnum)?),
        ExprUse::Generated(attnum) => analyze::ExprUse::Generated(type_of(attnum)?),
        ExprUse::IndexKey => analyze::ExprUse::Index,
        ExprUse::IndexFilter => analyze::ExprUse::IndexPredicate,
        ExprUse::Domain(_) => return Err(SqlError::internal("a domain's check has no table")),
    };
    analyze::expr_text_on_relation(text, relation, RangeId(0), catalog, &context, kind).map_err(plain)
}

fn domain_base(catalog: &Catalog, domain: Oid) -> TypeRef {
    match catalog.type_by_oid(domain).map(|def| &def.kind) {
        Some(TypeKind::Domain { base, typmod, .. }) => TypeRef { oid: Oid(*base), typmod: *typmod },
        _ => TypeRef::of(domain),
    }
}

fn context<'a>(catalog: &'a Catalog, role: &'a str, cache: &'a ExprCache) -> Context<'a> {
    Context { catalog, caller: Caller { role }, cache }
}

/// Guards a plan for a role and compiles it.
///
/// # Errors
/// What guard and dialect refuse.
pub(crate) fn plan(plan: &Plan, catalog: &Catalog, role: &RoleName, cache: &ExprCache) -> Result<Program, SqlError> {
    sqlite::compile(plan, &context(catalog, role.as_str(), cache))
}

/// Compiles a text of our own, to run as the owner.
///
/// # Errors
/// What parsing, analysis and dialect refuse.
pub(crate) fn text(sql: &str, catalog: &Catalog, cache: &ExprCache) -> Result<Program, SqlError> {
    let settings = analyze::Context { infer_params: true, ..analyze::Context::default() };
    let statement = analyze::statement_text(sql, catalog, &settings).map_err(plain)?;
    sqlite::compile_statement(&statement, &context(catalog, OWNER, cache))
}

/// Compiles a statement of a migration or seed.
///
/// # Errors
/// What analysis, guard and dialect refuse.
pub(crate) fn statement(
    statement: &Statement,
    catalog: &Catalog,
    role: &str,
    search_path: &[String],
    cache: &ExprCache,
) -> Result<Program, SqlError> {
    let settings = analyze::Context { search_path: search_path.to_vec(), ..analyze::Context::default() };
    let typed = analyze::statement(statement, catalog, &settings).map_err(plain)?;
    sqlite::compile_statement(&typed, &context(catalog, role, cache))
}

/// The query of a materialized view, as its owner.
///
/// # Errors
/// What analysis, guard and dialect refuse.
pub(crate) fn view_query(text: &str, catalog: &Catalog, owner: &str, cache: &ExprCache) -> Result<Compiled, SqlError> {
    let query = analyze::query_text(text, catalog, &analyze::Context::default()).map_err(plain)?;
    match typed(&basalt_sql::typed::Statement::Query(Box::new(query)), catalog, owner, cache)? {
        Program::Read(program) => Ok(program.rows.clone()),
        Program::Write(_) => Err(SqlError::internal("a view's query writes")),
    }
}

/// Guards an analysed statement for a role and compiles it.
///
/// # Errors
/// What guard and dialect refuse.
pub(crate) fn typed(
    statement: &basalt_sql::typed::Statement,
    catalog: &Catalog,
    role: &str,
    cache: &ExprCache,
) -> Result<Program, SqlError> {
    sqlite::compile_statement(statement, &context(catalog, role, cache))
}

/// An expression of the catalog over a table's row, for generated statements of DDL.
///
/// # Errors
/// What analysis and dialect refuse.
pub(crate) fn on_row(
    text: &str,
    purpose: ExprUse,
    relation: &Relation,
    catalog: &Catalog,
    cache: &ExprCache,
) -> Result<Compiled, SqlError> {
    sqlite::bare_text(text, purpose, relation, false, &context(catalog, OWNER, cache))
}

/// As [`on_row`], without parameters, with its collation: fit for the stored schema.
///
/// # Errors
/// As there.
pub(crate) fn in_schema(
    text: &str,
    purpose: ExprUse,
    relation: &Relation,
    catalog: &Catalog,
    cache: &ExprCache,
) -> Result<String, SqlError> {
    sqlite::bare_text(text, purpose, relation, true, &context(catalog, OWNER, cache)).map(|compiled| compiled.sql.to_string())
}

/// CREATE INDEX; `None` when SQLite has no such index.
///
/// # Errors
/// As [`on_row`].
pub(crate) fn index(
    relation: &Relation,
    index: &Index,
    catalog: &Catalog,
    cache: &ExprCache,
) -> Result<Option<String>, SqlError> {
    sqlite::index_sql(relation, index, &context(catalog, OWNER, cache))
}

/// Whether an error about a key must not show its values to a role.
pub(crate) fn hides_values(catalog: &Catalog, role: &str, relation: &Relation, columns: &[i16]) -> bool {
    basalt_plan::guard::hides_values(catalog, &Caller { role }, relation, columns)
}

/// A key of an index as DETAIL shows it, and the built-in type its values print by.
///
/// # Errors
/// As [`on_row`].
pub(crate) fn index_key(
    relation: &Relation,
    term: &IndexTerm,
    catalog: &Catalog,
    cache: &ExprCache,
) -> Result<(String, TypeRef), SqlError> {
    sqlite::index_key(relation, term, &context(catalog, OWNER, cache))
}

/// What a column's old values become in a change of its type: USING, or the assignment cast. `before` is the table as it was.
///
/// # Errors
/// 42804 when there is no such cast.
pub(crate) fn conversion(
    using: Option<&str>,
    attnum: i16,
    before: &Relation,
    to: TypeRef,
    catalog: &Catalog,
    cache: &ExprCache,
) -> Result<Compiled, SqlError> {
    let column = before.column_at(attnum).ok_or_else(|| SqlError::internal("a converted column was not there before"))?;
    let settings = analyze::Context { first_range: 1, ..analyze::Context::default() };
    let range = RangeId(0);
    let expr = match using {
        Some(text) => analyze::expr_text_on_relation(text, before, range, catalog, &settings, analyze::ExprUse::Transform(to))
            .map_err(plain)?,
        None => {
            let old = Expr::column(range, attnum, column.type_ref());
            analyze::coerce(old, to, CastContext::Assignment, catalog).map_err(plain)?.ok_or_else(|| {
                SqlError::new(
                    SqlState::DATATYPE_MISMATCH,
                    format!(
                        "column \"{}\" cannot be cast automatically to type {}",
                        column.name,
                        basalt_types::pg::type_name(to)
                    ),
                )
            })?
        }
    };
    sqlite::bare_expr(&expr, before, false, &context(catalog, OWNER, cache))
}

/// A domain's checks over a value.
///
/// # Errors
/// As [`on_row`].
pub(crate) fn domain_checks(domain: Oid, catalog: &Catalog, cache: &ExprCache) -> Result<Option<Checks>, SqlError> {
    sqlite::domain_checks(domain, &context(catalog, OWNER, cache))
}

#[cfg(test)]
mod fuzz;
