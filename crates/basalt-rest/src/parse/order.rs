//! `order=`.

use basalt_plan::ask::OrderTerm;

use super::ParseError;
use super::explain::{Grammar, explain};
use super::scan::Scan;
use super::select::field;

/// Reads an order parameter.
///
/// # Errors
/// Where the text leaves the grammar.
pub fn order(text: &str) -> Result<Vec<OrderTerm>, ParseError> {
    terms(text).map_err(|error| explain(Grammar::Order, "order", "", text).unwrap_or(error))
}

fn terms(text: &str) -> Result<Vec<OrderTerm>, ParseError> {
    let mut scan = Scan::new("order", text);
    let mut terms = Vec::new();
    loop {
        terms.push(term(&mut scan)?);
        scan.skip_ws();
        if scan.is_end() {
            return Ok(terms);
        }
        scan.expect(",")?;
    }
}

fn term(scan: &mut Scan<'_>) -> Result<OrderTerm, ParseError> {
    let mark = scan.mark();
    scan.skip_ws();
    let name = scan.field_name()?;
    let (relation, field) = if scan.eat("(") {
        let inner = field(scan)?;
        scan.expect(")")?;
        (Some(name), inner)
    } else {
        scan.reset(mark);
        (None, field(scan)?)
    };
    let mut descending = None;
    let mut nulls_first = None;
    while scan.eat(".") {
        if descending.is_none() && nulls_first.is_none() && scan.eat("asc") {
            descending = Some(false);
        } else if descending.is_none() && nulls_first.is_none() && scan.eat("desc") {
            descending = Some(true);
        } else if nulls_first.is_none() && scan.eat("nullsfirst") {
            nulls_first = Some(true);
        } else if nulls_first.is_none() && scan.eat("nullslast") {
            nulls_first = Some(false);
        } else if descending.is_none() && nulls_first.is_none() {
            return Err(scan.expected("\"asc\", \"desc\", \"nullsfirst\" or \"nullslast\""));
        } else {
            return Err(scan.expected("\"nullsfirst\" or \"nullslast\""));
        }
    }
    match scan.peek() {
        None | Some(',' | ' ' | '\t') => Ok(OrderTerm { relation, field, descending: descending.unwrap_or(false), nulls_first }),
        _ if descending.is_some() && nulls_first.is_none() => Err(scan.expected("delimiter (.), \",\" or end of input")),
        _ => Err(scan.expected("\",\" or end of input")),
    }
}
