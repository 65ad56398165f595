//! `select=`: fields, aliases, JSON paths, casts, aggregates, embeds, spreads.

use basalt_plan::ask::{Aggregate, Embed, EmbedJoin, Field, Item, JsonKey, JsonStep, Node};

use super::ParseError;
use super::explain::{Grammar, explain, reads_nothing};
use super::scan::Scan;

/// Deepest nesting of embeds the parser follows; the configured limit, checked later, is smaller.
const DEEPEST: usize = 32;

/// Reads a select parameter.
///
/// # Errors
/// Where the text leaves the grammar.
pub fn select(text: &str) -> Result<Vec<Item>, ParseError> {
    let mut scan = Scan::new("select parameter", text);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    // What follows is not read: the grammar has no end.
    items(&mut scan, 0).or_else(|error| match explain(Grammar::Select, "select parameter", "", text) {
        Some(explained) => Err(explained),
        // The original reads as many items as it can, if it is none.
        None if reads_nothing(Grammar::Select, text) => Ok(Vec::new()),
        None => Err(error),
    })
}

fn items(scan: &mut Scan<'_>, depth: usize) -> Result<Vec<Item>, ParseError> {
    if depth > DEEPEST {
        return Err(scan.error("embeds are nested too deeply"));
    }
    let mut items = Vec::new();
    loop {
        scan.skip_ws();
        // `rel()` selects nothing of it.
        if depth > 0 && items.is_empty() && scan.peek() == Some(')') {
            return Ok(items);
        }
        items.push(item(scan, depth)?);
        scan.skip_ws();
        if !scan.eat(",") {
            return Ok(items);
        }
    }
}

fn item(scan: &mut Scan<'_>, depth: usize) -> Result<Item, ParseError> {
    if scan.eat("...") {
        return embed(scan, None, true, depth);
    }
    if scan.eat("*") {
        return if is_over(scan) { Ok(Item::Star) } else { Err(scan.expected("\")\", \",\" or end of input")) };
    }
    let mark = scan.mark();
    // `count()` stands without a field.
    if scan.eat("count()") {
        let cast = cast(scan)?;
        return Ok(counted(None, cast));
    }
    let first = scan.field_name()?;
    let alias = if scan.peek() == Some(':') && !scan.rest().starts_with("::") {
        scan.bump();
        scan.skip_ws();
        Some(first)
    } else {
        scan.reset(mark);
        None
    };
    if alias.is_some() && scan.eat("count()") {
        let cast = cast(scan)?;
        return Ok(counted(alias, cast));
    }
    let before = scan.mark();
    let name = scan.field_name()?;
    if matches!(scan.peek(), Some('(' | '!')) {
        scan.reset(before);
        return embed(scan, alias, false, depth);
    }
    let path = json_path(scan)?;
    let cast_to = cast(scan)?;
    let aggregate = aggregate(scan)?;
    let aggregate_cast = if aggregate.is_some() { cast(scan)? } else { None };
    scan.skip_ws();
    if !is_over(scan) {
        return Err(scan.expected("\",\" or end of input"));
    }
    Ok(Item::Field { field: Field { name, path }, alias, cast: cast_to, aggregate, aggregate_cast })
}

/// Whether an item ends here.
fn is_over(scan: &Scan<'_>) -> bool {
    matches!(scan.peek(), None | Some(',' | ')'))
}

fn counted(alias: Option<String>, cast: Option<String>) -> Item {
    let field = Field { name: "*".into(), path: Vec::new() };
    Item::Field { field, alias, cast: None, aggregate: Some(Aggregate::Count), aggregate_cast: cast }
}

fn embed(scan: &mut Scan<'_>, alias: Option<String>, spread: bool, depth: usize) -> Result<Item, ParseError> {
    let relation = scan.field_name()?;
    let (mut hint, mut join) = (None, EmbedJoin::Left);
    for _ in 0..2 {
        if !scan.eat("!") {
            break;
        }
        let name = scan.field_name()?;
        match name.as_str() {
            "inner" => join = EmbedJoin::Inner,
            "left" => join = EmbedJoin::Left,
            _ => hint = hint.or(Some(name)),
        }
    }
    scan.expect("(")?;
    let select = items(scan, depth + 1)?;
    scan.expect(")")?;
    Ok(Item::Embed(Box::new(Embed { relation, alias, hint, join, spread, node: Node { select, ..Node::default() } })))
}

fn cast(scan: &mut Scan<'_>) -> Result<Option<String>, ParseError> {
    if !scan.eat("::") {
        return Ok(None);
    }
    let mut name = scan.identifier("letter or digit")?;
    if scan.eat("[]") {
        name.push_str("[]");
    }
    Ok(Some(name))
}

fn aggregate(scan: &mut Scan<'_>) -> Result<Option<Aggregate>, ParseError> {
    if scan.peek() != Some('.') {
        return Ok(None);
    }
    for (text, aggregate) in [
        (".sum()", Aggregate::Sum),
        (".avg()", Aggregate::Avg),
        (".count()", Aggregate::Count),
        (".max()", Aggregate::Max),
        (".min()", Aggregate::Min),
    ] {
        if scan.eat(text) {
            return Ok(Some(aggregate));
        }
    }
    scan.bump();
    Err(scan.expected("\"sum()\", \"avg()\", \"count()\", \"max()\" or \"min()\""))
}

/// `->a->0->>b`, possibly empty.
///
/// # Errors
/// When an arrow has no key.
pub fn json_path(scan: &mut Scan<'_>) -> Result<Vec<JsonStep>, ParseError> {
    let mut path = Vec::new();
    loop {
        let as_text = if scan.eat("->>") {
            true
        } else if scan.eat("->") {
            false
        } else {
            return Ok(path);
        };
        path.push(JsonStep { as_text, key: json_key(scan)? });
    }
}

fn json_key(scan: &mut Scan<'_>) -> Result<JsonKey, ParseError> {
    let mark = scan.mark();
    let negative = scan.eat("-");
    let digits = scan.take_while(|c| c.is_ascii_digit());
    let ends =
        matches!(scan.peek(), None | Some('.' | ',' | ')')) || scan.rest().starts_with("->") || scan.rest().starts_with("::");
    if !digits.is_empty() && ends {
        let text = if negative { format!("-{digits}") } else { digits.to_owned() };
        return text.parse().map(JsonKey::Index).map_err(|_| scan.error("the array index is out of range"));
    }
    if negative {
        return Err(scan.expected("digit"));
    }
    scan.reset(mark);
    Ok(JsonKey::Key(json_name(scan)?))
}

/// A key: quoted, or anything but what a path, a cast or a list goes on with.
fn json_name(scan: &mut Scan<'_>) -> Result<String, ParseError> {
    if scan.peek() == Some('"') {
        return scan.quoted();
    }
    let mut name = String::new();
    loop {
        let part = scan.take_while(|c| !"(-:.,>)".contains(c));
        if part.is_empty() {
            return Err(scan.expected("any non reserved character different from: .,>()"));
        }
        name.push_str(part.trim());
        let mark = scan.mark();
        if !scan.eat("-") || scan.peek() == Some('>') {
            scan.reset(mark);
            return Ok(name);
        }
        name.push('-');
    }
}

/// A column with its path.
///
/// # Errors
/// When no name stands here.
pub fn field(scan: &mut Scan<'_>) -> Result<Field, ParseError> {
    scan.skip_ws();
    let name = scan.field_name()?;
    let path = json_path(scan)?;
    scan.skip_ws();
    Ok(Field { name, path })
}
