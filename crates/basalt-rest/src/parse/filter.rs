//! Filters: `column=op.value`, `and=(…)`, `or=(…)`. Values go out of line into [`Literals`].

use basalt_plan::ask::{Filter, FullText, IsValue, LiteralId, Operand, Operator};
use basalt_plan::plan::{Literal, Literals};

use super::ParseError;
use super::explain::{Grammar, explain};
use super::scan::Scan;
use super::select::field;
use basalt_plan::ask::Field;

/// Deepest nesting of `and`/`or`.
const DEEPEST: usize = 32;

/// Where a value ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `column=op.value`: at the end of the text.
    Param,
    /// Inside `and(…)`: at a comma or parenthesis outside quotes and braces.
    Logic,
}

/// Reads the value of `column=…` as a condition on that column.
///
/// # Errors
/// Where the text leaves the grammar.
pub fn filter(column: Field, text: &str, literals: &mut Literals) -> Result<Filter, ParseError> {
    let mut scan = Scan::new("filter", text);
    // What follows a list or the word after `is` is not read: PostgREST's grammar of parameters has no end.
    let read = operation(&mut scan, column, Place::Param, literals);
    read.map_err(|error| explain(Grammar::Filter, "filter", "", text).unwrap_or(error))
}

/// Reads the value of `and=(…)` or `or=(…)`; `operator`: as the original puts it before the value, whose columns its errors include.
///
/// # Errors
/// Where the text leaves the grammar.
pub fn logic(is_or: bool, (operator, text): (&str, &str), literals: &mut Literals) -> Result<Filter, ParseError> {
    if !text.trim_start_matches([' ', '\t']).starts_with('(') {
        // The original reads both as one text: without a parenthesis it is a condition on a column whose name begins with the operator.
        let whole = format!("{operator}{text}");
        let read = logic_item(&mut Scan::new("logic tree", &whole), 0, literals);
        return read.map_err(|error| explain(Grammar::Logic, "logic tree", operator, text).unwrap_or(error));
    }
    let mut scan = Scan::new("logic tree", text);
    // As in `filter`, what follows is not read.
    let read = group(&mut scan, is_or, 0, literals);
    read.map_err(|error| explain(Grammar::Logic, "logic tree", operator, text).unwrap_or(error))
}

fn group(scan: &mut Scan<'_>, is_or: bool, depth: usize, literals: &mut Literals) -> Result<Filter, ParseError> {
    if depth > DEEPEST {
        return Err(scan.error("conditions are nested too deeply"));
    }
    scan.skip_ws();
    scan.expect("(")?;
    let mut parts = Vec::new();
    loop {
        scan.skip_ws();
        parts.push(logic_item(scan, depth, literals)?);
        scan.skip_ws();
        if !scan.eat(",") {
            break;
        }
    }
    if !scan.eat(")") {
        return Err(scan.expected("\",\" or \")\""));
    }
    scan.skip_ws();
    Ok(if is_or { Filter::Or(parts) } else { Filter::And(parts) })
}

fn logic_item(scan: &mut Scan<'_>, depth: usize, literals: &mut Literals) -> Result<Filter, ParseError> {
    let start = scan.mark();
    let negated = scan.eat("not.");
    for (word, is_or) in [("and", false), ("or", true)] {
        let here = scan.mark();
        if scan.eat(word) {
            scan.skip_ws();
            if scan.peek() == Some('(') {
                let tree = group(scan, is_or, depth + 1, literals)?;
                return Ok(if negated { Filter::Not(Box::new(tree)) } else { tree });
            }
            scan.reset(here);
        }
    }
    if negated {
        // `not.column.eq.1` is not of the grammar, but a column may be called "not".
        scan.reset(start);
    }
    let column = field(scan)?;
    scan.expect(".")?;
    operation(scan, column, Place::Logic, literals)
}

fn operation(scan: &mut Scan<'_>, column: Field, place: Place, literals: &mut Literals) -> Result<Filter, ParseError> {
    let negated = scan.eat("not.");
    let test = test(scan, column, place, literals)?;
    Ok(if negated { Filter::Not(Box::new(test)) } else { test })
}

fn test(scan: &mut Scan<'_>, field: Field, place: Place, literals: &mut Literals) -> Result<Filter, ParseError> {
    if scan.eat("in.") {
        let list = list(scan)?;
        return Ok(Filter::Test { field, op: Operator::In, value: Operand::List(push(literals, Literal::List(list))) });
    }
    if scan.eat("is.") {
        let value = is_value(scan)?;
        return Ok(Filter::Test { field, op: Operator::Is, value: Operand::Is(value) });
    }
    let start = scan.mark();
    let Some((op, quantifier)) = read_operator(scan, literals) else {
        scan.reset(start);
        return Err(scan.expected("operator (eq, gt, ...)"));
    };
    let pattern = matches!(op, Operator::Like | Operator::ILike);
    let id = value(scan, place, literals)?;
    if pattern && let Some(Literal::Text(text)) = literals.0.get_mut(id as usize) {
        *text = text.replace('*', "%");
    }
    let value = match quantifier {
        Some(true) => Operand::Any(id),
        Some(false) => Operand::All(id),
        None => Operand::Value(id),
    };
    Ok(Filter::Test { field, op, value })
}

/// An operator with its modifier (`any` is true) or configuration, and the dot behind.
fn read_operator(scan: &mut Scan<'_>, literals: &mut Literals) -> Option<(Operator, Option<bool>)> {
    let word = scan.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
    if let Some(function) = full_text(word) {
        let config = if scan.eat("(") {
            let config = scan.identifier("letter or digit").ok()?;
            if !scan.eat(")") {
                return None;
            }
            Some(push(literals, Literal::Text(config)))
        } else {
            None
        };
        return scan.eat(".").then_some((Operator::FullText { function, config }, None));
    }
    let op = operator(word)?;
    let quantifier = if scan.eat("(any)") {
        Some(true)
    } else if scan.eat("(all)") {
        Some(false)
    } else {
        None
    };
    if quantifier.is_some() && !may_be_quantified(&op) {
        return None;
    }
    scan.eat(".").then_some((op, quantifier))
}

fn value(scan: &mut Scan<'_>, place: Place, literals: &mut Literals) -> Result<LiteralId, ParseError> {
    let text = match place {
        Place::Param => scan.take_rest().to_owned(),
        Place::Logic => logic_value(scan)?,
    };
    Ok(push(literals, Literal::Text(text)))
}

/// A value inside `and(…)`: quoted, an array literal in braces, or everything up to a comma or parenthesis.
fn logic_value(scan: &mut Scan<'_>) -> Result<String, ParseError> {
    let mark = scan.mark();
    if let Some(text) = whole_quoted(scan) {
        return Ok(text);
    }
    if scan.peek() == Some('{') {
        let inside = scan.take_while(|c| c != '}').to_owned();
        if scan.eat("}") && !inside[1..].contains('{') {
            return Ok(inside + "}");
        }
        scan.reset(mark);
    }
    Ok(scan.take_while(|c| c != ',' && c != ')').to_owned())
}

/// A text in quotes that is the whole value; anything else is left as it stands, quotes included.
fn whole_quoted(scan: &mut Scan<'_>) -> Option<String> {
    let mark = scan.mark();
    if scan.peek() == Some('"')
        && let Ok(text) = scan.quoted()
        && matches!(scan.peek(), None | Some(',' | ')'))
    {
        return Some(text);
    }
    scan.reset(mark);
    None
}

/// `(a,"b,c",)`.
fn list(scan: &mut Scan<'_>) -> Result<Vec<String>, ParseError> {
    scan.skip_ws();
    scan.expect("(")?;
    scan.skip_ws();
    let mut elements = Vec::new();
    loop {
        match whole_quoted(scan) {
            Some(text) => elements.push(text),
            None => elements.push(scan.take_while(|c| c != ',' && c != ')').to_owned()),
        }
        if !scan.eat(",") {
            break;
        }
    }
    if !scan.eat(")") {
        return Err(scan.expected("\",\" or \")\""));
    }
    scan.skip_ws();
    // `in.()` is the empty list, not a list of the empty text.
    if elements.len() == 1 && elements[0].is_empty() {
        elements.clear();
    }
    Ok(elements)
}

fn is_value(scan: &mut Scan<'_>) -> Result<IsValue, ParseError> {
    let mut furthest = 0;
    for (word, value) in [
        ("null", IsValue::Null),
        ("not_null", IsValue::NotNull),
        ("true", IsValue::True),
        ("false", IsValue::False),
        ("unknown", IsValue::Unknown),
    ] {
        let fits = scan.rest().bytes().zip(word.bytes()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
        if fits == word.len() {
            scan.reset(scan.mark() + word.len());
            return Ok(value);
        }
        furthest = furthest.max(fits);
    }
    scan.reset(scan.mark() + furthest);
    Err(scan.expected("isVal: (null, not_null, true, false, unknown)"))
}

fn push(literals: &mut Literals, literal: Literal) -> LiteralId {
    let id = u32::try_from(literals.0.len()).unwrap_or(u32::MAX);
    literals.0.push(literal);
    id
}

fn may_be_quantified(op: &Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::Gte
            | Operator::Gt
            | Operator::Lte
            | Operator::Lt
            | Operator::Like
            | Operator::ILike
            | Operator::Match
            | Operator::IMatch
    )
}

fn operator(word: &str) -> Option<Operator> {
    Some(match word {
        "eq" => Operator::Eq,
        "neq" => Operator::Neq,
        "gt" => Operator::Gt,
        "gte" => Operator::Gte,
        "lt" => Operator::Lt,
        "lte" => Operator::Lte,
        "like" => Operator::Like,
        "ilike" => Operator::ILike,
        "match" => Operator::Match,
        "imatch" => Operator::IMatch,
        "isdistinct" => Operator::IsDistinct,
        "cs" => Operator::Contains,
        "cd" => Operator::ContainedIn,
        "ov" => Operator::Overlaps,
        "sl" => Operator::StrictlyLeft,
        "sr" => Operator::StrictlyRight,
        "nxr" => Operator::NotExtendsRight,
        "nxl" => Operator::NotExtendsLeft,
        "adj" => Operator::Adjacent,
        _ => return None,
    })
}

fn full_text(word: &str) -> Option<FullText> {
    Some(match word {
        "fts" => FullText::To,
        "plfts" => FullText::Plain,
        "phfts" => FullText::Phrase,
        "wfts" => FullText::Web,
        _ => return None,
    })
}
