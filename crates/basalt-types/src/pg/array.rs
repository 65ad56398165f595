//! Arrays: their storage as JSON, and PostgreSQL's `{…}` text.

use super::json::lexer::{self, Kind, Lexer};
use super::{Oid, TypeRef, input, is_space, oid, output, write_json_string};
use crate::{SqlError, SqlState, Value, ValueRef};

/// Most dimensions of an array.
const DIMENSIONS_MAX: usize = 6;

/// An array's contents: an element, or a list of a further dimension.
#[derive(Debug, Clone, PartialEq)]
pub enum Nested {
    /// An element in its storage form.
    Leaf(Value),
    /// One dimension.
    List(Vec<Nested>),
}

pub(crate) fn too_many_dimensions(n: usize) -> SqlError {
    let text = format!("number of array dimensions ({n}) exceeds the maximum allowed ({DIMENSIONS_MAX})");
    SqlError::new(SqlState::PROGRAM_LIMIT, text)
}

impl Nested {
    /// Reads a stored array. Unreadable text, which only another program can have written, is an error.
    ///
    /// # Errors
    /// 22P02 when the text is no JSON array.
    pub fn from_stored(text: &str, elem: Oid) -> Result<Self, SqlError> {
        let mut lexer = Lexer::new(text);
        let mut open: Vec<Vec<Self>> = Vec::new();
        loop {
            let token = lexer.next()?;
            let done = match token.kind {
                Kind::ArrayStart if open.len() > DIMENSIONS_MAX => return Err(too_many_dimensions(open.len() + 1)),
                Kind::ArrayStart => {
                    open.push(Vec::new());
                    continue;
                }
                Kind::Comma if !open.is_empty() => continue,
                Kind::ArrayEnd => open.pop().map(Self::List),
                Kind::String => Some(Self::Leaf(leaf(&lexer::unescape(token.text)?, elem)?)),
                Kind::Number => Some(Self::Leaf(number(token.text, elem))),
                Kind::True => Some(Self::Leaf(Value::Int(1))),
                Kind::False => Some(Self::Leaf(Value::Int(0))),
                Kind::Null => Some(Self::Leaf(Value::Null)),
                _ => None,
            };
            let Some(done) = done else { return Err(malformed(text)) };
            match (open.last_mut(), done) {
                (Some(list), done) => list.push(done),
                (None, list @ Self::List(_)) => return Ok(list),
                (None, Self::Leaf(_)) => return Err(malformed(text)),
            }
        }
    }

    /// The storage form: a JSON array.
    pub fn store(&self, elem: Oid) -> String {
        let mut out = Vec::new();
        self.store_into(elem, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    fn store_into(&self, elem: Oid, out: &mut Vec<u8>) {
        match self {
            Self::Leaf(value) => store_leaf(value.as_ref(), elem, out),
            // Only the outermost list of an empty array has no elements.
            Self::List(items) if self.is_empty() && !items.is_empty() => out.extend_from_slice(b"[]"),
            Self::List(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    item.store_into(elem, out);
                }
                out.push(b']');
            }
        }
    }

    /// Whether there is no element at all.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Leaf(_) => false,
            Self::List(items) => items.iter().all(Self::is_empty),
        }
    }

    /// All elements, in storage order.
    pub fn leaves(&self) -> Vec<&Value> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a Value>) {
        match self {
            Self::Leaf(value) => found.push(value),
            Self::List(items) => items.iter().for_each(|item| item.collect(found)),
        }
    }

    /// Lengths of the dimensions, outermost first; none for an empty array.
    pub fn dimensions(&self) -> Vec<usize> {
        let mut found = Vec::new();
        let mut level = self;
        while let Self::List(items) = level {
            let Some(first) = items.first() else { return Vec::new() };
            found.push(items.len());
            level = first;
        }
        found
    }

    /// The same shape with each element changed.
    ///
    /// # Errors
    /// Whatever `change` returns.
    pub fn map(&self, change: &mut impl FnMut(&Value) -> Result<Value, SqlError>) -> Result<Self, SqlError> {
        Ok(match self {
            Self::Leaf(value) => Self::Leaf(change(value)?),
            Self::List(items) => Self::List(items.iter().map(|item| item.map(change)).collect::<Result<_, _>>()?),
        })
    }
}

/// The elements of a stored array, of all dimensions one after another.
///
/// # Errors
/// 22P02 when the text is no stored array.
pub fn array_values(stored: &str, elem: Oid) -> Result<Vec<Value>, SqlError> {
    Ok(Nested::from_stored(stored, elem)?.leaves().into_iter().cloned().collect())
}

/// The storage form of a one-dimensional array.
pub fn array_from_values(values: impl IntoIterator<Item = Value>, elem: Oid) -> String {
    Nested::List(values.into_iter().map(Nested::Leaf).collect()).store(elem)
}

fn leaf(text: &str, elem: Oid) -> Result<Value, SqlError> {
    match elem {
        oid::BYTEA => input::parse_bytea(text).map(Value::Blob),
        // What JSON has no number for.
        oid::FLOAT4 | oid::FLOAT8 => {
            Ok(input::read_float(ValueRef::Text(text)).map_or_else(|| Value::from(text), input::store_float))
        }
        _ => Ok(Value::from(text)),
    }
}

fn number(token: &str, elem: Oid) -> Value {
    match elem {
        // A real is stored as the double it is equal to.
        oid::FLOAT4 => token.parse::<f32>().map_or(Value::Null, |x| Value::Real(f64::from(x))),
        oid::FLOAT8 => token.parse().map_or(Value::Null, Value::Real),
        _ => match token.parse::<i64>() {
            Ok(n) => Value::Int(n),
            // Another program's decimals: kept as the text of a numeric.
            Err(_) => Value::Text(token.to_owned()),
        },
    }
}

/// Appends one element's storage form inside a stored array.
fn store_leaf(value: ValueRef<'_>, elem: Oid, out: &mut Vec<u8>) {
    match value {
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::Int(n) if elem == oid::BOOL => out.extend_from_slice(if n == 0 { b"false" } else { b"true" }),
        ValueRef::Int(n) => out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
        ValueRef::Text(text) => write_json_string(text, out),
        ValueRef::Real(x) if super::float::special(x).is_none() => {
            let mut shown = String::new();
            output::text(value, TypeRef::of(elem), &mut shown);
            out.extend_from_slice(shown.as_bytes());
        }
        ValueRef::Real(_) | ValueRef::Blob(_) => {
            let mut shown = String::new();
            output::text(value, TypeRef::of(elem), &mut shown);
            write_json_string(&shown, out);
        }
    }
}

/// Appends `{1,2,"a b",NULL}`.
pub(super) fn write_text(nested: &Nested, elem: Oid, out: &mut String) {
    match nested {
        Nested::Leaf(Value::Null) => out.push_str("NULL"),
        Nested::Leaf(value) => {
            let start = out.len();
            output::text(value.as_ref(), TypeRef::of(elem), out);
            let shown = &out[start..];
            let special = |c: char| matches!(c, '{' | '}' | '"' | ',' | '\\') || is_space(c);
            if shown.is_empty() || shown.eq_ignore_ascii_case("null") || shown.contains(special) {
                let shown = out.split_off(start);
                out.push('"');
                for c in shown.chars() {
                    if matches!(c, '"' | '\\') {
                        out.push('\\');
                    }
                    out.push(c);
                }
                out.push('"');
            }
        }
        Nested::List(_) if nested.is_empty() => out.push_str("{}"),
        Nested::List(items) => {
            out.push('{');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_text(item, elem, out);
            }
            out.push('}');
        }
    }
}

fn malformed(text: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_TEXT, format!("malformed array literal: \"{text}\""))
}

enum Part {
    Open,
    Close,
    Comma,
    Element(Option<String>),
}

struct Reader<'a> {
    whole: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn fail<T>(&self, detail: &str) -> Result<T, SqlError> {
        Err(malformed(self.whole).detail(detail))
    }

    fn peek(&self) -> Option<char> {
        self.whole.get(self.at..).and_then(|rest| rest.chars().next())
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn escaped(&mut self) -> Result<char, SqlError> {
        match self.bump() {
            Some(c) => Ok(c),
            None => self.fail("Unexpected end of input."),
        }
    }

    fn next(&mut self) -> Result<Part, SqlError> {
        self.skip_space();
        match self.bump() {
            None => self.fail("Unexpected end of input."),
            Some('{') => Ok(Part::Open),
            Some('}') => Ok(Part::Close),
            Some(',') => Ok(Part::Comma),
            Some('"') => {
                let mut text = String::new();
                loop {
                    match self.escaped()? {
                        '\\' => text.push(self.escaped()?),
                        '"' => break,
                        c => text.push(c),
                    }
                }
                self.skip_space();
                match self.peek() {
                    Some('{' | '}' | ',') => Ok(Part::Element(Some(text))),
                    None => self.fail("Unexpected end of input."),
                    Some(_) => self.fail("Incorrectly quoted array element."),
                }
            }
            Some(first) => {
                let mut text = String::new();
                // Length up to the last character that is not bare white space.
                let mut keep = 0;
                let mut escapes = false;
                let mut next = Some(first);
                loop {
                    match next {
                        None => return self.fail("Unexpected end of input."),
                        Some('"') => return self.fail("Incorrectly quoted array element."),
                        Some('{') => return self.fail("Unexpected \"{\" character."),
                        Some('\\') => {
                            escapes = true;
                            text.push(self.escaped()?);
                            keep = text.len();
                        }
                        Some(c) => {
                            text.push(c);
                            if !is_space(c) {
                                keep = text.len();
                            }
                        }
                    }
                    if matches!(self.peek(), Some('}' | ',')) {
                        break;
                    }
                    next = self.bump();
                }
                text.truncate(keep);
                Ok(Part::Element((escapes || !text.eq_ignore_ascii_case("null")).then_some(text)))
            }
        }
    }

    /// `[1:2][1:3]=`; lengths of the dimensions. Bounds that do not begin at 1 have no storage form.
    fn bounds(&mut self) -> Result<Option<Vec<usize>>, SqlError> {
        self.skip_space();
        let mut lengths = Vec::new();
        while self.peek() == Some('[') {
            let rest = self.whole.get(self.at + 1..).unwrap_or("");
            if !rest.trim_start_matches(is_space).starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+')) {
                return self.fail("\"[\" must introduce explicitly-specified array dimensions.");
            }
            let Some((inside, _)) = rest.split_once(']') else { return self.fail("Missing \"]\" after array dimensions.") };
            if inside.ends_with(':') {
                return self.fail("Missing array dimension value.");
            }
            let (low, high) = inside.split_once(':').unwrap_or(("1", inside));
            let (Ok(low), Ok(high)) = (low.parse::<i32>(), high.parse::<i32>()) else {
                return self.fail("\"[\" must introduce explicitly-specified array dimensions.");
            };
            if high < low {
                return Err(SqlError::new(SqlState::ARRAY_SUBSCRIPT, "upper bound cannot be less than lower bound"));
            }
            if low != 1 {
                return Err(SqlError::unsupported("an array whose subscripts do not begin at 1"));
            }
            lengths.push(usize::try_from(high).unwrap_or(0));
            if lengths.len() > DIMENSIONS_MAX {
                return Err(too_many_dimensions(lengths.len()));
            }
            self.at += inside.len() + 2;
            self.skip_space();
        }
        if lengths.is_empty() {
            return Ok(None);
        }
        if self.bump() != Some('=') {
            return self.fail("Missing \"=\" after array dimensions.");
        }
        self.skip_space();
        if self.peek() != Some('{') {
            return self.fail("Array contents must start with \"{\".");
        }
        Ok(Some(lengths))
    }
}

/// Reads PostgreSQL's text form; `read` makes an element of its text.
pub(super) fn parse(text: &str, read: &mut impl FnMut(&str) -> Result<Value, SqlError>) -> Result<Nested, SqlError> {
    const MISMATCH: &str = "Multidimensional arrays must have sub-arrays with matching dimensions.";
    let mut reader = Reader { whole: text, at: 0 };
    let bounds = reader.bounds()?;
    if reader.peek() != Some('{') {
        return reader.fail("Array value must start with \"{\" or dimension information.");
    }
    let mut open: Vec<Vec<Nested>> = Vec::new();
    let mut lengths: Vec<Option<usize>> = Vec::new();
    // Number of dimensions, final once the first element was seen.
    let mut depth = 0;
    let mut frozen = false;
    let mut after_item = false;
    let nested = loop {
        match reader.next()? {
            Part::Open => {
                if after_item {
                    return reader.fail("Unexpected \"{\" character.");
                }
                if open.len() >= DIMENSIONS_MAX {
                    let text = format!("number of array dimensions exceeds the maximum allowed ({DIMENSIONS_MAX})");
                    return Err(SqlError::new(SqlState::PROGRAM_LIMIT, text));
                }
                open.push(Vec::new());
                if open.len() > depth {
                    if frozen {
                        return reader.fail(MISMATCH);
                    }
                    depth = open.len();
                    lengths.push(None);
                }
            }
            Part::Close => {
                let Some(items) = open.pop() else { return reader.fail("Unexpected \"}\" character.") };
                if !items.is_empty() && !after_item {
                    return reader.fail("Unexpected \"}\" character.");
                }
                let length = items.len();
                match lengths.get_mut(open.len()) {
                    Some(known @ None) => *known = Some(length),
                    Some(Some(known)) if *known != length => return reader.fail(MISMATCH),
                    _ => {}
                }
                after_item = true;
                match open.last_mut() {
                    Some(outer) => outer.push(Nested::List(items)),
                    None => break Nested::List(items),
                }
            }
            Part::Comma => {
                if !after_item {
                    return reader.fail("Unexpected \",\" character.");
                }
                after_item = false;
            }
            Part::Element(element) => {
                if after_item {
                    return reader.fail("Unexpected array element.");
                }
                frozen = true;
                let value = element.map_or(Ok(Value::Null), |text| read(&text))?;
                if open.len() != depth {
                    return reader.fail(MISMATCH);
                }
                if let Some(list) = open.last_mut() {
                    list.push(Nested::Leaf(value));
                }
                after_item = true;
            }
        }
    };
    reader.skip_space();
    if reader.peek().is_some() {
        return reader.fail("Junk after closing right brace.");
    }
    if let Some(bounds) = bounds
        && bounds != nested.dimensions()
    {
        return reader.fail("Specified array dimensions do not match array contents.");
    }
    Ok(nested)
}
