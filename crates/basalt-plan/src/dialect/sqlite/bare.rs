//! Expressions over a table's own columns without an alias: what an engine puts into `UPDATE t SET c = …`, into a validation's WHERE,
//! or into an index.

use basalt_catalog::Relation;
use basalt_sql::typed::{Expr, RangeId};
use basalt_types::{Oid, SqlError};

use super::Context;
use super::printer::{Printer, Source};
use crate::expressions::ExprUse;
use crate::program::Compiled;

/// A typed expression over `relation`'s row, which is range 0, as SQL with bare column names. `schema_text`: parameters are refused,
/// as the text is to be stored in the schema.
///
/// # Errors
/// 0A000 for what SQLite cannot do.
pub fn bare_expr(expr: &Expr, relation: &Relation, schema_text: bool, context: &Context<'_>) -> Result<Compiled, SqlError> {
    let mut printer = Printer::new(context.catalog, context.cache);
    printer.is_schema_text = schema_text;
    printer.declare(RangeId(0), Source::Bare(Oid(relation.oid)));
    if schema_text {
        printer.collated(expr)?
    } else {
        printer.expr(expr)?
    }
    Ok(printer.finish())
}

/// [`bare_expr`] for a text of the catalog.
///
/// # Errors
/// As there, and what the analysis reports.
pub fn bare_text(
    text: &str,
    purpose: ExprUse,
    relation: &Relation,
    schema_text: bool,
    context: &Context<'_>,
) -> Result<Compiled, SqlError> {
    let mut next = 1;
    let expr = context.cache.get(text, purpose, Some(relation), context.catalog)?.over(RangeId(0), &mut next);
    bare_expr(&expr, relation, schema_text, context)
}
