//! Reads: a guarded query as a [`ReadProgram`].

use basalt_catalog::IndexTerm;
use basalt_sql::typed::{Body, Expr, ExprKind, From, Query, Select, facts};
use basalt_types::{SqlError, TypeRef};

use super::Context;
use super::printer::Printer;
use crate::guard;
use crate::guard::faults::{self, Fault};
use crate::program::{Compiled, ReadProgram, Shape};
use crate::raising::can_raise;

/// Guards and compiles a read. `written`: the types of the rows a write returned, when the query reads them.
pub(super) fn read(
    query: &Query,
    for_count: Option<&Query>,
    written: Vec<TypeRef>,
    context: &Context<'_>,
) -> Result<ReadProgram, SqlError> {
    let mut guarded = query.clone();
    let touched = guard::query(&mut guarded, context.catalog, &context.caller, context.cache)?;
    let mut printer = Printer::new(context.catalog, context.cache);
    printer.written = written.clone();
    printer.shapes.push(Shape::default());
    let root = printer.root(&guarded)?;
    let mut shapes = std::mem::take(&mut printer.shapes);
    if let Some(slot) = shapes.first_mut() {
        *slot = root;
    }
    let facts = Keys::of(&guarded, &printer);
    let rows = printer.finish();
    let count = for_count.map(|query| count(query, written, context)).transpose()?;
    Ok(ReadProgram {
        rows,
        shapes: shapes.into(),
        count,
        at_most_one: facts.at_most_one,
        short: facts.short && touched.functions.is_empty(),
        touched,
        call: None,
    })
}

/// The count's query, guarded in the same way.
fn count(query: &Query, written: Vec<TypeRef>, context: &Context<'_>) -> Result<Compiled, SqlError> {
    let mut guarded = query.clone();
    if !faults::on(Fault::CountUnfiltered) {
        guard::query(&mut guarded, context.catalog, &context.caller, context.cache)?;
    }
    let mut printer = Printer::new(context.catalog, context.cache);
    printer.written = written;
    printer.query(&guarded)?;
    Ok(printer.finish())
}

/// What the keys say about how many rows there can be.
struct Keys {
    at_most_one: bool,
    short: bool,
}

impl Keys {
    fn of(query: &Query, printer: &Printer<'_>) -> Self {
        let none = Self { at_most_one: false, short: false };
        let Body::Select(select) = &query.body else { return none };
        let [From::Table { range, relation, .. }] = select.from.as_slice() else { return none };
        let is_plain =
            select.group_by.is_empty() && select.distinct.is_none() && select.having.is_none() && query.ctes.is_empty();
        let aggregates = select.targets.iter().any(|t| facts::contains_aggregate(&t.expr) || facts::contains_window(&t.expr));
        if !is_plain || aggregates {
            return none;
        }
        let at_most_one = select.filter.as_ref().is_some_and(|f| printer.unique_columns_given(*range, *relation, f).is_some());
        let raising = select.filter.as_ref().is_some_and(can_raise);
        let short = !raising && (at_most_one || (query.limit.is_some() && Self::by_index(query, select, printer)));
        Self { at_most_one, short }
    }

    /// An index gives the order, or narrows the rows to one key or to a range of keys.
    fn by_index(query: &Query, select: &Select, printer: &Printer<'_>) -> bool {
        let Some(From::Table { range, relation, .. }) = select.from.first() else { return false };
        let Ok(table) = printer.relation(*relation) else { return false };
        let leads = |column: i16| {
            table.indexes.iter().any(|i| {
                i.method == "btree" && i.filter.is_none() && i.keys.first().is_some_and(|k| k.term == IndexTerm::Column(column))
            })
        };
        let column_of = |e: &Expr| match e.kind {
            ExprKind::Column { range: of, column } if of == *range => Some(column),
            _ => None,
        };
        let ordered = match query.order_by.first() {
            None => true,
            Some(key) => column_of(&key.expr).is_some_and(leads),
        };
        let terms = match &select.filter {
            None => &[],
            Some(Expr { kind: ExprKind::And(terms), .. }) => terms.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        let narrowed = terms.iter().any(|t| match &t.kind {
            ExprKind::Op { symbol: "=" | "<" | "<=" | ">" | ">=", args, .. } => args.iter().filter_map(column_of).any(leads),
            _ => false,
        });
        narrowed || (ordered && terms.is_empty())
    }
}
