//! Bodies of functions in SQL: their statements with the parameters as `$1`, `$2`, …, the last one giving the declared result.
//!
//! A parameter that is a table's row is one value for the caller; its columns are numbered behind all parameters, so that whoever runs
//! the body gives first the arguments, then the columns of each row among them ([`SqlBody::rows`]).

use basalt_catalog::{Catalog, Function, TypeKind};
use basalt_types::pg::oid;
use basalt_types::{Oid, SqlState, TypeRef, Value};

use super::error::{Result, error, unsupported};
use super::{Analyzer, CastContext, Context, NamedRow, Variable, parse_error};
use crate::tree::{self, Located};
use crate::typed::walk::{VisitorMut, walk_expr_mut, walk_statement_mut};
use crate::typed::{Body, Expr, ExprKind, From, Param, Query, RangeId, Select, Statement, Target};

/// An analysed body.
#[derive(Debug, Clone, PartialEq)]
pub struct SqlBody {
    /// In order; the last one gives the result, unless there is none.
    pub statements: Vec<Statement>,
    /// Which parameters (0-based) are rows, each with the types of its columns: their values follow the arguments, in this order.
    pub rows: Vec<(usize, Vec<TypeRef>)>,
    /// Types of the columns that the last statement gives; none of a function that returns nothing.
    pub columns: Vec<TypeRef>,
}

/// A body in the form that is bound to the names of its creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound<'t> {
    /// `RETURN expression`.
    Return(&'t str),
    /// `BEGIN ATOMIC statements END`: the statements.
    Atomic(&'t str),
    /// A string's content.
    No,
}

/// Which form a body has. No string's content is mistaken: RETURN begins no statement, and BEGIN may not stand in a function.
pub fn bound(text: &str) -> Bound<'_> {
    let rest_of = |text: &'_ str, word: &str| -> Option<usize> {
        let trimmed = text.trim_start();
        let head = trimmed.get(..word.len())?;
        let next = trimmed.get(word.len()..)?.chars().next();
        let ends = next.is_none_or(|c| !c.is_alphanumeric() && c != '_');
        (head.eq_ignore_ascii_case(word) && ends).then(|| text.len() - trimmed.len() + word.len())
    };
    if let Some(expr) = rest_of(text, "return").and_then(|at| text.get(at..)) {
        return Bound::Return(expr);
    }
    let Some(atomic) = rest_of(text, "begin").and_then(|at| text.get(at..)) else { return Bound::No };
    let Some(inner) = rest_of(atomic, "atomic").and_then(|at| atomic.get(at..)) else { return Bound::No };
    let inner = inner.trim_end().trim_end_matches(';').trim_end();
    match inner.len().checked_sub(3).and_then(|at| inner.split_at_checked(at)) {
        Some((statements, end)) if end.eq_ignore_ascii_case("end") => Bound::Atomic(statements),
        _ => Bound::No,
    }
}

/// 42P13, with what the last statement lacks.
fn mismatch(catalog: &Catalog, function: &Function, detail: impl Into<String>) -> super::AnalyzeError {
    let shown = catalog.format_type(TypeRef::of(Oid(function.returns)));
    error(SqlState::new(b"42P13"), format!("return type mismatch in function declared to return {shown}")).detail(detail)
}

const FINAL_STATEMENT: &str = "Function's final statement must be SELECT or INSERT/UPDATE/DELETE/MERGE RETURNING.";

/// Analyses the body of a function in SQL.
///
/// # Errors
/// PostgreSQL's, with places in the body; 42P13 when the last statement does not give the declared result; 0A000 for what a body may
/// not have here.
pub fn sql(function: &Function, catalog: &Catalog, search_path: &[String]) -> Result<SqlBody> {
    let (context, rows) = context(function, catalog, search_path);
    let written = match bound(&function.body) {
        Bound::Return(expr) => {
            let query = crate::parse::query(&format!("SELECT {expr}")).map_err(parse_error)?;
            vec![Located { statement: tree::Statement::Select(Box::new(query)), pos: tree::Pos(0), end: tree::Pos(0) }]
        }
        Bound::Atomic(statements) => crate::parse::file(statements).map_err(parse_error)?,
        Bound::No => crate::parse::file(&function.body).map_err(parse_error)?,
    };
    let mut statements = Vec::with_capacity(written.len());
    for located in &written {
        let is_last = statements.len() + 1 == written.len();
        if !matches!(
            located.statement,
            tree::Statement::Select(_) | tree::Statement::Insert(_) | tree::Statement::Update(_) | tree::Statement::Delete(_)
        ) {
            if is_last && Oid(function.returns) != oid::VOID {
                return Err(mismatch(catalog, function, FINAL_STATEMENT));
            }
            let construct = crate::ddl::construct(&located.statement);
            if matches!(located.statement, tree::Statement::Transaction { .. }) {
                let message = format!("{construct} is not allowed in an SQL function");
                return Err(error(SqlState::FEATURE_NOT_SUPPORTED, message).at(located.pos));
            }
            return Err(unsupported(format_args!("{construct} in a function")).at(located.pos));
        }
        statements.push(super::statement(&located.statement, catalog, &context).map_err(|e| e.at(located.pos))?);
    }
    let columns = result(function, catalog, statements.last_mut())?;
    let mut params = RowsToParams { context: &context, rows: &rows, arguments: function.inputs().count(), is_whole: false };
    for statement in &mut statements {
        walk_statement_mut(&mut params, statement);
    }
    if params.is_whole {
        return Err(unsupported("a parameter's row as a whole, other than as an argument of a function"));
    }
    let rows = rows.iter().map(|row| (row.argument, row.columns.iter().map(|(_, _, ty)| *ty).collect())).collect();
    Ok(SqlBody { statements, rows, columns })
}

/// A parameter that is a row.
struct RowParam {
    /// Its place among the parameters.
    argument: usize,
    range: RangeId,
    /// The number of the value of its first column, 1-based.
    first: usize,
    columns: Vec<(String, i16, TypeRef)>,
    ty: TypeRef,
}

/// What the statements may name: parameters by name and number.
fn context(function: &Function, catalog: &Catalog, search_path: &[String]) -> (Context, Vec<RowParam>) {
    let mut context = Context { search_path: search_path.to_vec(), ..Context::default() };
    let mut rows: Vec<RowParam> = Vec::new();
    let mut next = function.inputs().count() + 1;
    for (argument, input) in function.inputs().enumerate() {
        let ty = TypeRef::of(Oid(input.ty));
        context.params.push(ty);
        let number = u32::try_from(argument + 1).unwrap_or(u32::MAX);
        let of_table = catalog.type_by_oid(ty.oid).and_then(|def| match def.kind {
            TypeKind::Row { relation } => catalog.relation_by_oid(Oid(relation)),
            _ => None,
        });
        if let Some(relation) = of_table {
            let range = RangeId(u32::try_from(rows.len()).unwrap_or(u32::MAX));
            let named = NamedRow::of_relation(format!("${number}"), range, relation);
            rows.push(RowParam { argument, range, first: next, columns: named.columns.clone(), ty });
            next += named.columns.len();
            if !input.name.is_empty() {
                context.rows.push(NamedRow { name: input.name.clone(), ..named.clone() });
            }
            context.rows.push(named);
        } else if !input.name.is_empty() {
            let qualifier = Some(function.name.clone());
            context.variables.push(Variable { name: input.name.clone(), qualifier, ty, param: Param::Numbered(number) });
        }
    }
    context.first_range = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    (context, rows)
}

/// Makes the last statement give the declared columns.
fn result(function: &Function, catalog: &Catalog, last: Option<&mut Statement>) -> Result<Vec<TypeRef>> {
    let declared = function.row_columns(catalog);
    if Oid(function.returns) == oid::VOID && declared.is_empty() {
        return Ok(Vec::new());
    }
    let is_composite = function.gives_rows(catalog) && !declared.is_empty();
    let wanted: Vec<TypeRef> = match declared.is_empty() {
        true => vec![TypeRef::of(Oid(function.returns))],
        false => declared.into_iter().map(|(_, ty)| ty).collect(),
    };
    let coercer = Coercer { function, catalog, wanted: &wanted, is_composite };
    match last {
        Some(Statement::Query(query)) => {
            coercer.query(query)?;
            // One row is all that a function without SETOF takes.
            if !function.setof && query.limit.is_none() {
                query.limit = Some(Expr::new(ExprKind::Const(Value::Int(1)), TypeRef::of(oid::INT8)));
            }
        }
        Some(Statement::Insert(insert)) => coercer.targets(&mut insert.returning)?,
        Some(Statement::Update(update)) => coercer.targets(&mut update.returning)?,
        Some(Statement::Delete(delete)) => coercer.targets(&mut delete.returning)?,
        None => return Err(mismatch(catalog, function, FINAL_STATEMENT)),
    }
    Ok(wanted)
}

struct Coercer<'a> {
    function: &'a Function,
    catalog: &'a Catalog,
    wanted: &'a [TypeRef],
    is_composite: bool,
}

impl Coercer<'_> {
    fn query(&self, query: &mut Query) -> Result<()> {
        let first = crate::typed::facts::next_range(&Statement::Query(Box::new(query.clone())));
        if let Body::Select(select) = &mut query.body
            && select.distinct.is_none()
        {
            self.spread(&mut select.targets, &select.from);
            return self.targets(&mut select.targets);
        }
        // What compares whole rows is left as it is; its columns are converted around it.
        let range = RangeId(first);
        let columns = query.columns();
        let mut targets: Vec<Target> = columns
            .iter()
            .zip(1i16..)
            .map(|((name, ty), at)| Target { expr: Expr::column(range, at, *ty), name: name.clone() })
            .collect();
        let before = targets.clone();
        self.targets(&mut targets)?;
        if targets == before {
            return Ok(());
        }
        let bare =
            Query { ctes: Vec::new(), body: Body::Values { rows: Vec::new() }, order_by: Vec::new(), limit: None, offset: None };
        let inner = std::mem::replace(query, bare);
        let from = From::Query { range, query: Box::new(inner), lateral: false, alias: "result".to_owned(), view: None };
        query.body = Body::Select(Box::new(Select {
            distinct: None,
            targets,
            from: vec![from],
            filter: None,
            policy: None,
            group_by: Vec::new(),
            having: None,
        }));
        Ok(())
    }

    /// Converts a select list to the declared columns, as an assignment would.
    fn targets(&self, targets: &mut [Target]) -> Result<()> {
        let mismatch = |detail: String| mismatch(self.catalog, self.function, detail);
        if targets.is_empty() {
            return Err(mismatch(FINAL_STATEMENT.to_owned()));
        }
        if targets.len() != self.wanted.len() {
            return Err(mismatch(
                match (self.is_composite, targets.len() > self.wanted.len()) {
                    (false, _) => "Final statement must return exactly one column.",
                    (true, false) => "Final statement returns too few columns.",
                    (true, true) => "Final statement returns too many columns.",
                }
                .to_owned(),
            ));
        }
        let context = Context::default();
        let analyzer = Analyzer::new(self.catalog, &context);
        for (at, (target, wanted)) in targets.iter_mut().zip(self.wanted).enumerate() {
            let source = target.expr.ty;
            let coerced = analyzer.try_coerce(target.expr.clone(), *wanted, CastContext::Assignment)?;
            target.expr = coerced.ok_or_else(|| {
                let shown = self.catalog.format_type(TypeRef::of(source.oid));
                mismatch(if self.is_composite {
                    let wanted = self.catalog.format_type(TypeRef::of(wanted.oid));
                    format!("Final statement returns {shown} instead of {wanted} at column {}.", at + 1)
                } else {
                    format!("Actual return type is {shown}.")
                })
            })?;
        }
        Ok(())
    }

    /// A row of the declared type is as good as its columns.
    fn spread(&self, targets: &mut Vec<Target>, from: &[From]) {
        let base = self.catalog.base_type(TypeRef::of(Oid(self.function.returns))).oid;
        let Some(TypeKind::Row { relation }) = self.catalog.type_by_oid(base).map(|def| &def.kind) else { return };
        let Some(relation) = self.catalog.relation_by_oid(Oid(*relation)) else { return };
        let [only] = targets.as_slice() else { return };
        let ExprKind::WholeRow { range: wanted } = only.expr.kind else { return };
        let mut is_it = false;
        for item in from {
            item.each_leaf(&mut |leaf| match leaf {
                From::Table { range, relation: of, .. } | From::Query { range, view: Some(of), .. } => {
                    is_it |= *range == wanted && of.0 == relation.oid;
                }
                _ => {}
            });
        }
        if is_it {
            *targets = relation
                .columns
                .iter()
                .map(|c| Target { expr: Expr::column(wanted, c.attnum, c.type_ref()), name: c.name.clone() })
                .collect();
        }
    }
}

/// Replaces columns of rows among the parameters by the numbers of their values.
struct RowsToParams<'a> {
    context: &'a Context,
    rows: &'a [RowParam],
    arguments: usize,
    /// A row stands as a whole where it has no meaning.
    is_whole: bool,
}

impl RowsToParams<'_> {
    fn row(&self, range: RangeId) -> Option<&RowParam> {
        self.rows.iter().find(|row| row.range == range)
    }
}

impl VisitorMut for RowsToParams<'_> {
    fn expr(&mut self, expr: &mut Expr) {
        match &mut expr.kind {
            ExprKind::Column { range, column } => {
                let Some(row) = self.row(*range) else { return };
                let at = row.columns.iter().position(|(_, number, _)| number == column).unwrap_or_default();
                expr.kind = ExprKind::Param(Param::Numbered(u32::try_from(row.first + at).unwrap_or(u32::MAX)));
            }
            ExprKind::WholeRow { range } => self.is_whole |= self.row(*range).is_some(),
            ExprKind::UserFunc { args, .. } => {
                for arg in args {
                    let whole = match arg.kind {
                        ExprKind::WholeRow { range } => self.row(range).map(|row| (row.argument, row.ty)),
                        _ => None,
                    };
                    match whole {
                        Some((argument, ty)) if argument < self.arguments && argument < self.context.params.len() => {
                            let number = u32::try_from(argument + 1).unwrap_or(u32::MAX);
                            *arg = Expr::new(ExprKind::Param(Param::Numbered(number)), ty);
                        }
                        _ => self.expr(arg),
                    }
                }
            }
            _ => walk_expr_mut(self, expr),
        }
    }
}
