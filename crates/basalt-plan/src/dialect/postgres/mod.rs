//! The PostgreSQL dialect: plans as one statement each, unguarded, since PostgreSQL enforces grants and policies itself.
//!
//! The statement answers one row: `body` (text in the plan's output format; of a media type handler of the database, what type it has), `rows` (rows in the body, or rows affected), `total`
//! (bigint, NULL unless a count was asked); that of a write also `inserted` (bigint: rows that met no existing one) and `location` (text[]:
//! the first written row's key, in the order of the plan's `location`, NULL unless asked). Where code of the users may set them, `status` and
//! `headers` (text) follow: what is to be said in place of the response's own. Run it in a transaction that has set role and
//! claims, not after another in the same transaction: it counts in a setting of the transaction.
//!
//! Files: `printer` (text, parameters, names), `expr`, `query`, `write`.

mod call;
mod expr;
mod printer;
mod query;
mod write;

use std::sync::Arc;

use basalt_catalog::Catalog;
use basalt_sql::typed::{Body, Expr, ExprKind, Query, Target};
use basalt_types::pg::oid;
use basalt_types::{SqlError, SqlState, TypeRef, Value};

use crate::plan::{Action, Count, Handler, Output, Plan};
use crate::program::InputType;
pub use call::may_respond;
use printer::Printer;

/// A statement with what to bind: `$1` is `binds[0]`. All parameters are texts, of type text unless [`PgBind::is_bare`].
#[derive(Debug, Clone, PartialEq)]
pub struct PgStatement {
    /// The text.
    pub sql: String,
    /// The parameters.
    pub binds: Vec<PgBind>,
    /// To run afterwards in the same transaction, for planned and estimated counts: its rows of one text are what [`total`] reads.
    pub explain: Option<Box<PgStatement>>,
}

/// A text parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PgBind {
    /// The request's n-th literal as it is (0-based).
    Literal(u32),
    /// The request's n-th literal, a list, as [`array_literal`] writes it.
    LiteralList(u32),
    /// The request's n-th literal, whose type the server finds out from where it stands.
    Bare(u32),
    /// The request's n-th literal, a list, as [`array_literal`] writes it, whose type the server finds out.
    BareList(u32),
    /// `$n` of a statement's own text (1-based), as text.
    Numbered(u32),
    /// The request's body: JSON.
    Payload,
}

impl PgBind {
    /// Whether the parameter is to be declared without a type (`unknown`), as a quoted literal has none.
    pub fn is_bare(&self) -> bool {
        matches!(self, Self::Bare(_) | Self::BareList(_))
    }
}

/// What code said about the response in settings of the transaction: two more columns, `status` and `headers`.
const RESPONSE: &str = ", nullif(pg_catalog.current_setting('response.status', true), '') AS status, \
     nullif(pg_catalog.current_setting('response.headers', true), '') AS headers";

/// A list as PostgreSQL's array input reads it.
pub fn array_literal(items: &[String]) -> String {
    let quoted: Vec<String> = items.iter().map(|s| format!("\"{}\"", s.replace('\\', "\\\\").replace('"', "\\\""))).collect();
    format!("{{{}}}", quoted.join(","))
}

/// A literal and what PostgreSQL reads it as.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Which of the request's (0-based).
    pub literal: u32,
    /// As what; of a list, each of its elements.
    pub ty: Arc<InputType>,
}

/// The literals of a plan whose types are known, in the order in which PostgreSQL reads them: before it looks at privileges and rows. A
/// refusal by another engine is in this order too.
///
/// # Errors
/// As [`compile`].
pub fn readings(plan: &Plan, catalog: &Catalog) -> Result<Vec<Reading>, SqlError> {
    print(plan, catalog).map(|printer| printer.readings)
}

/// Prints a plan.
///
/// # Errors
/// A plan that refers to what the catalog does not have, or 0A000 for what this dialect cannot say.
pub fn compile(plan: &Plan, catalog: &Catalog) -> Result<PgStatement, SqlError> {
    let printer = print(plan, catalog)?;
    let explain = explain(plan, catalog)?.map(Box::new);
    Ok(PgStatement { explain, ..printer.finish() })
}

fn print<'c>(plan: &Plan, catalog: &'c Catalog) -> Result<Printer<'c>, SqlError> {
    let mut printer = Printer::new(catalog);
    let responds = may_respond(catalog);
    match &plan.action {
        Action::Read { query, for_count } => {
            printer.raw("SELECT ");
            body(&mut printer, plan.output)?;
            printer.raw(" AS body, count(*) AS rows, ");
            match for_count {
                Some(count) if plan.count == Count::Estimated => {
                    printer.raw("(SELECT count(*) FROM (");
                    printer.query(&rows_only(count), printer::Names::Positions)?;
                    if let Some(most) = plan.max_rows {
                        printer.raw(&format!(" LIMIT {}", most.saturating_add(1)));
                    }
                    printer.raw(") AS _n)");
                }
                Some(count) if plan.count != Count::Planned => {
                    printer.raw("(");
                    printer.query(count, printer::Names::Positions)?;
                    printer.raw(")");
                }
                _ => {
                    printer.raw("NULL::bigint");
                }
            }
            printer.raw(" AS total").raw(if responds { RESPONSE } else { "" }).raw(" FROM (");
            printer.query(query, printer::Names::Output)?;
            printer.raw(") AS _t");
        }
        Action::Write { statement, representation, location, .. } => {
            printer.write(statement)?;
            printer.raw(" SELECT ");
            match plan.output {
                Output::None => {
                    printer.raw("''::text AS body");
                }
                output => {
                    body(&mut printer, output)?;
                    printer.raw(" AS body");
                }
            }
            // An inner embed may leave written rows out of the body. What follows an aggregate is computed when all rows are written.
            printer.raw(", count(*) AS rows, NULL::bigint AS total, ");
            printer.inserted(statement);
            printer.raw(" AS inserted, ");
            printer.location(statement, location)?;
            printer.raw(" AS location").raw(if responds { RESPONSE } else { "" });
            match (plan.output, representation) {
                (Output::None, _) => {
                    printer.raw(" FROM pgrst_source");
                }
                (_, Some(query)) => {
                    printer.raw(" FROM (");
                    printer.query(query, printer::Names::Output)?;
                    printer.raw(") AS _t");
                }
                (_, None) => {
                    printer.raw(" FROM (SELECT ");
                    printer.returned_names(statement);
                    printer.raw(" FROM pgrst_source) AS _t");
                }
            }
        }
        Action::Call { .. } => printer.call_statement(plan, responds)?,
    }
    Ok(printer)
}

/// The statement that tells how many rows PostgreSQL's planner expects a read to have without limit and offset: for the planned and the
/// estimated count.
///
/// # Errors
/// As [`compile`].
fn explain(plan: &Plan, catalog: &Catalog) -> Result<Option<PgStatement>, SqlError> {
    let Action::Read { for_count: Some(count), .. } = &plan.action else { return Ok(None) };
    if !matches!(plan.count, Count::Planned | Count::Estimated) {
        return Ok(None);
    }
    let mut printer = Printer::new(catalog);
    printer.raw("EXPLAIN ");
    printer.query(&rows_only(count), printer::Names::Positions)?;
    Ok(Some(printer.finish()))
}

/// The total of a read: what was counted, or what the first row of [`PgStatement::explain`] says. An estimated one is exact up to the most rows of a read;
/// beyond, it is the larger of both.
pub fn total(plan: &Plan, counted: Option<u64>, explained: Option<&str>) -> Option<u64> {
    let planned = explained.and_then(planned_rows);
    match plan.count {
        Count::Planned => planned,
        Count::Estimated if plan.max_rows.is_none_or(|most| counted.is_some_and(|n| n > most)) => counted.max(planned),
        _ => counted,
    }
}

/// The rows of the outermost node: `Seq Scan on films r1  (cost=0.00..1.05 rows=5 width=4)`.
fn planned_rows(explained: &str) -> Option<u64> {
    let (_, rest) = explained.rsplit_once(" rows=")?;
    rest.split(' ').next()?.parse().ok()
}

/// The rows that a count counts, without their columns.
fn rows_only(count: &Query) -> Query {
    let mut rows = count.clone();
    if let Body::Select(select) = &mut rows.body {
        let one = Expr::new(ExprKind::Const(Value::Int(1)), TypeRef::of(oid::INT4));
        select.targets = vec![Target { expr: one, name: "?column?".to_owned() }];
    }
    rows
}

/// The aggregate that makes the body of rows `_t`.
fn body(printer: &mut Printer<'_>, output: Output) -> Result<(), SqlError> {
    printer.raw(match output {
        Output::None => "''::text",
        Output::Array { strip_nulls: false } => "coalesce(json_agg(_t), '[]')::text",
        Output::Array { strip_nulls: true } => "coalesce(json_strip_nulls(json_agg(_t)), '[]')::text",
        Output::Object { strip_nulls: false } => "coalesce(json_agg(_t)->0, 'null')::text",
        Output::Object { strip_nulls: true } => "coalesce(json_strip_nulls(json_agg(_t)->0), 'null')::text",
        Output::Csv => {
            "coalesce((SELECT string_agg(k, ',') FROM (SELECT json_object_keys((json_agg(_t)->0)) AS k) AS keys), '') || E'\\n' || \
             coalesce(string_agg(substring(_t::text, 2, length(_t::text) - 2), E'\\n'), '')"
        }
        Output::GeoJson => {
            "json_build_object('type', 'FeatureCollection', 'features', coalesce(json_agg(ST_AsGeoJSON(_t)::json), '[]'))::text"
        }
        Output::Custom(handler) => return handled(printer, handler, None),
    });
    Ok(())
}

/// What a handler makes of rows `_t`, or of their only column when they are values. Not as text: bytes stay bytes.
fn handled(printer: &mut Printer<'_>, handler: Handler, value: Option<&str>) -> Result<(), SqlError> {
    let gone = || SqlError::new(SqlState::UNDEFINED_FUNCTION, "the handler of this media type does not exist any more");
    let value = |printer: &mut Printer<'_>| {
        printer.raw("_t");
        if let Some(column) = value {
            printer.raw(".").ident(column);
        }
    };
    match handler {
        Handler::Aggregate { function, rows } => {
            let function = printer.catalog.function_by_oid(function).ok_or_else(gone)?;
            printer.function(function).raw("(");
            value(printer);
            if let Some(rows) = rows {
                printer.raw("::").table(rows)?;
            }
            printer.raw(")");
        }
        Handler::Domain(ty) => {
            printer.raw("(");
            value(printer);
            printer.raw(")::").type_name(TypeRef::of(ty));
        }
    }
    Ok(())
}
