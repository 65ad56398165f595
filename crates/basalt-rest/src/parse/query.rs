//! The query string as a whole: which parameter is what, and at which level of the embeds it applies.

use std::borrow::Cow;

use basalt_plan::ask::{Field, Filter, Item, LiteralId, Node, Operand, Operator, OrderTerm};
use basalt_plan::plan::{Literal, Literals};

use basalt_types::{SqlError, SqlState};

use super::ParseError;
use super::explain::{Grammar, explain};
use super::filter::{filter, logic};
use super::order::order;
use super::range::{self, Number};
use super::scan::Scan;
use super::select::{json_path, select};

/// Everything the query string says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Params {
    /// The root with its embeds, filters, order and limits placed at their levels.
    pub node: Node,
    /// `columns=`.
    pub columns: Option<Vec<String>>,
    /// `on_conflict=`.
    pub on_conflict: Option<Vec<String>>,
    /// Root limit as asked, the last one given.
    pub limit: Option<Number>,
    /// Root offset as asked, the last one given.
    pub offset: Option<Number>,
    /// Literals that are limits of embeds.
    pub embed_limits: Vec<LiteralId>,
    /// What PostgreSQL says of the first negative limit or offset of an embed. It counts in reads only.
    pub negative: Option<SqlError>,
    /// The first level that was addressed but not selected.
    pub unknown_level: Option<String>,
    /// Embeds with an alias that were addressed by their relation's name: (relation, alias).
    pub legacy: Vec<(String, String)>,
    /// How many embeds there are.
    pub embeds: usize,
    /// Deepest nesting of embeds.
    pub depth: usize,
    /// How many conditions there are.
    pub conditions: usize,
    /// Literals that are patterns.
    pub patterns: Vec<LiteralId>,
    /// Parameters sorted by name, encoded, for Content-Location.
    pub canonical: String,
}

/// Something said about a level.
enum Said {
    Filter(Filter),
    Order(Vec<OrderTerm>),
    Limit(LiteralId),
    Offset(LiteralId),
}

/// Reads a query string.
///
/// # Errors
/// The first parameter that leaves its grammar: orders first, then trees, columns, select, filters.
pub fn params(query: &str, literals: &mut Literals) -> Result<Params, ParseError> {
    read(query, literals, None)
}

/// Reads the query string of a function's call. What is no condition is an argument.
///
/// # Errors
/// As [`params`].
pub fn call_params(query: &str, literals: &mut Literals, arguments: &mut Vec<(String, String)>) -> Result<Params, ParseError> {
    read(query, literals, Some(arguments))
}

fn read(query: &str, literals: &mut Literals, mut arguments: Option<&mut Vec<(String, String)>>) -> Result<Params, ParseError> {
    let parts = || separated(query);
    // A parameter without `=` says nothing; one with an empty value does.
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = parts().filter(|p| p.contains('=')).map(pair).collect();
    // A key may also come as a parameter; it is the gateway's.
    pairs.retain(|(key, value)| key != "apikey" || is_operation(value));
    let mut out = Params::default();
    let (mut orders, mut ranges, mut trees, mut filters) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // Limit and offset by the level they are said of.
    let mut spans: Vec<(Vec<String>, Option<Number>, Option<Number>)> = Vec::new();
    for (key, value) in &pairs {
        match last_part(key) {
            "order" => {
                orders.push((path_of(key), Said::Order(order(value)?)));
            }
            word @ ("limit" | "offset") => {
                let path = path_of(key);
                let at = spans.iter().position(|(known, ..)| *known == path).unwrap_or_else(|| {
                    spans.push((path, None, None));
                    spans.len() - 1
                });
                if let Some((_, limit, offset)) = spans.get_mut(at) {
                    *(if word == "limit" { limit } else { offset }) = Some(range::number(value));
                }
            }
            word @ ("and" | "or") => {
                let mut path = path_of(key);
                let negated = path.iter().any(|p| p == "not");
                path.retain(|p| p != "not");
                let operator = if negated { format!("not.{word}") } else { word.to_owned() };
                let tree = logic(word == "or", (&operator, value), literals)?;
                let tree = if negated { Filter::Not(Box::new(tree)) } else { tree };
                trees.push((path, Said::Filter(tree)));
            }
            _ => {}
        }
    }
    for (path, limit, offset) in spans {
        if path.is_empty() {
            (out.limit, out.offset) = (limit, offset);
        } else {
            embed_span(&mut out, &mut ranges, path, range::span(limit, offset), literals);
        }
    }
    let given = |name: &str| pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v);
    out.columns = given("columns").map(|text| names("columns parameter", text)).transpose()?;
    out.node.select = match given("select") {
        Some(text) => select(text)?,
        None => vec![Item::Star],
    };
    for (key, value) in &pairs {
        let reserved = matches!(key.as_ref(), "select" | "columns" | "on_conflict");
        if reserved || matches!(last_part(key), "order" | "limit" | "offset" | "and" | "or") {
            continue;
        }
        let (path, column) = tree_path(key)?;
        let known = literals.0.len();
        let name = arguments.as_ref().map(|_| column.name.clone());
        match (filter(column, value, literals), &mut arguments, name) {
            (Ok(filter), ..) => filters.push((path, Said::Filter(filter))),
            // Once one of these is read, the original tries nothing else.
            (Err(_), Some(arguments), Some(name)) if !["not.", "in.", "is."].iter().any(|w| value.starts_with(w)) => {
                literals.0.truncate(known);
                arguments.push((name, value.to_string()));
            }
            (Err(error), ..) => return Err(error),
        }
    }
    out.on_conflict = given("on_conflict").map(|text| names("on_conflict parameter", text)).transpose()?;
    for said in [filters, orders, ranges, trees] {
        for (path, said) in said.into_iter().rev() {
            place(&mut out, &path, said);
        }
    }
    measure(&mut out);
    pairs.extend(parts().filter(|p| !p.contains('=')).map(pair));
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    out.canonical = canonical(&pairs);
    Ok(out)
}

fn last_part(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or_default()
}

/// Limit and offset of an embed.
fn embed_span(
    out: &mut Params,
    ranges: &mut Vec<(Vec<String>, Said)>,
    path: Vec<String>,
    (first, last): (i128, Option<i128>),
    literals: &mut Literals,
) {
    let mut say = |n: i128| {
        let id = u32::try_from(literals.0.len()).unwrap_or(u32::MAX);
        literals.0.push(Literal::Text(n.to_string()));
        id
    };
    // As for the root, no row at all is asked for wherever it would begin.
    let first = if last == Some(-1) { 0 } else { first };
    let limit = last.map(|last| last - first + 1);
    let refused = |code, word| SqlError::new(code, format!("{word} must not be negative"));
    if first < 0 {
        out.negative.get_or_insert_with(|| refused(SqlState::INVALID_OFFSET, "OFFSET"));
    } else if limit.is_some_and(|n| n < 0) {
        out.negative.get_or_insert_with(|| refused(SqlState::INVALID_LIMIT, "LIMIT"));
    }
    if let Some(limit) = limit {
        let id = say(limit);
        out.embed_limits.push(id);
        ranges.push((path.clone(), Said::Limit(id)));
    }
    if first != 0 {
        ranges.push((path, Said::Offset(say(first))));
    }
}

/// Puts what was said on the level a path names; an unknown level is noted. An embed that is addressed comes before the others in
/// the answer, as the original has it.
fn place(out: &mut Params, path: &[String], said: Said) {
    let mut node = &mut out.node;
    for name in path {
        let at = node.select.iter().position(|item| match item {
            Item::Embed(embed) => embed.relation == *name || embed.alias.as_ref() == Some(name),
            _ => false,
        });
        let Some(at) = at else {
            out.unknown_level.get_or_insert_with(|| name.clone());
            return;
        };
        let item = node.select.remove(at);
        node.select.insert(0, item);
        let Some(Item::Embed(embed)) = node.select.first_mut() else { return };
        if let Some(alias) = &embed.alias
            && alias != name
            && !out.legacy.iter().any(|(_, known)| known == alias)
        {
            out.legacy.push((embed.relation.clone(), alias.clone()));
        }
        node = &mut embed.node;
    }
    match said {
        Said::Filter(filter) => node.filters.insert(0, filter),
        Said::Order(terms) => node.order = terms,
        Said::Limit(id) => node.limit = Some(id),
        Said::Offset(id) => node.offset = Some(id),
    }
}

fn measure(out: &mut Params) {
    fn conditions(filter: &Filter, out: &mut Params) {
        match filter {
            Filter::And(parts) | Filter::Or(parts) => {
                out.conditions += 1;
                parts.iter().for_each(|part| conditions(part, out));
            }
            Filter::Not(inner) => conditions(inner, out),
            Filter::Test { op, value, .. } => {
                out.conditions += 1;
                let is_pattern = matches!(op, Operator::Like | Operator::ILike | Operator::Match | Operator::IMatch);
                if let (true, Operand::Value(id) | Operand::Any(id) | Operand::All(id)) = (is_pattern, value) {
                    out.patterns.push(*id);
                }
            }
        }
    }
    fn level(node: &Node, depth: usize, out: &mut Params) {
        out.depth = out.depth.max(depth);
        node.filters.iter().for_each(|filter| conditions(filter, out));
        for item in &node.select {
            if let Item::Embed(embed) = item {
                out.embeds += 1;
                level(&embed.node, depth + 1, out);
            }
        }
    }
    let node = std::mem::take(&mut out.node);
    level(&node, 0, out);
    out.node = node;
}

/// The levels in front of the last part of a key: `a.b.order` is below a, b.
fn path_of(key: &str) -> Vec<String> {
    let mut parts: Vec<String> = key.split('.').map(|p| p.trim_matches('"').to_owned()).collect();
    parts.pop();
    parts
}

/// `a.b.column->x`: levels and column.
fn tree_path(key: &str) -> Result<(Vec<String>, Field), ParseError> {
    levels(key).map_err(|error| explain(Grammar::Path, "tree path", "", key).unwrap_or(error))
}

fn levels(key: &str) -> Result<(Vec<String>, Field), ParseError> {
    let mut scan = Scan::new("tree path", key);
    let mut names = vec![scan.field_name()?];
    while scan.eat(".") {
        names.push(scan.field_name()?);
    }
    let path = json_path(&mut scan)?;
    let name = names.pop().unwrap_or_default();
    Ok((names, Field { name, path }))
}

/// Whether a value begins with an operator: what tells a filter from an argument.
fn is_operation(value: &str) -> bool {
    let word = value.split(['.', '(']).next().unwrap_or_default();
    let known = matches!(
        word,
        "not"
            | "is"
            | "in"
            | "eq"
            | "neq"
            | "gt"
            | "gte"
            | "lt"
            | "lte"
            | "like"
            | "ilike"
            | "match"
            | "imatch"
            | "isdistinct"
            | "cs"
            | "cd"
            | "ov"
            | "sl"
            | "sr"
            | "nxr"
            | "nxl"
            | "adj"
            | "fts"
            | "plfts"
            | "phfts"
            | "wfts"
    );
    known && value.len() > word.len()
}

fn names(what: &'static str, text: &str) -> Result<Vec<String>, ParseError> {
    listed(what, text).map_err(|error| explain(Grammar::Names, what, "", text).unwrap_or(error))
}

fn listed(what: &'static str, text: &str) -> Result<Vec<String>, ParseError> {
    let mut scan = Scan::new(what, text);
    let mut names = Vec::new();
    loop {
        scan.skip_ws();
        names.push(scan.field_name()?);
        scan.skip_ws();
        if !scan.eat(",") {
            return Ok(names);
        }
    }
}

/// The parts of a query string or form: `;` separates them as `&` does.
pub fn separated(text: &str) -> impl Iterator<Item = &str> {
    text.split(['&', ';']).filter(|part| !part.is_empty())
}

/// A parameter's name and value, decoded.
pub fn pair(text: &str) -> (Cow<'_, str>, Cow<'_, str>) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (decode(key), decode(value))
}

/// Percent decoding with `+` for a blank; bytes that are no UTF-8 become replacement characters.
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

fn canonical(pairs: &[(Cow<'_, str>, Cow<'_, str>)]) -> String {
    let mut out = String::with_capacity(pairs.iter().map(|(k, v)| k.len() + v.len() + 8).sum());
    let mut last = None;
    for (key, value) in pairs {
        // A parameter that comes again adds to the values of the first.
        if last == Some(key) {
            out.push(',');
        } else {
            out.push_str(if last.is_some() { "&" } else { "" });
            out.extend(percent_encoding::utf8_percent_encode(key, UNRESERVED));
            out.push('=');
        }
        last = Some(key);
        out.extend(percent_encoding::utf8_percent_encode(value, UNRESERVED));
    }
    out
}

/// Everything but letters, digits and `-_.~` is encoded (RFC 3986, section 2.3).
pub const UNRESERVED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
