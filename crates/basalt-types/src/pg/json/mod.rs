//! JSON out (`to_json`), JSON in (`json_populate_record`), and jsonb's canonical text.

pub(crate) mod lexer;
mod tree;

pub use tree::Json;

use super::{Nested, Oid, TypeRef, datetime, element, float, input, is_space, oid, output};
use crate::{SqlError, SqlState, Value, ValueRef};
use lexer::{Kind, Lexer};

/// Appends a JSON string with PostgreSQL's escapes: `\b \f \n \r \t \" \\`, and `\u00XX` for other control characters.
pub fn write_json_string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(found) = first_escaped(&bytes[from..]) {
        let at = from + found;
        out.extend_from_slice(&bytes[from..at]);
        let byte = bytes[at];
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                from = at + 1;
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

/// The place of the first byte that a JSON string escapes.
fn first_escaped(bytes: &[u8]) -> Option<usize> {
    let is_escaped = |b: &u8| *b < 0x20 || *b == b'"' || *b == b'\\';
    let mut passed = 0;
    // Whole blocks without a branch per byte, which the compiler turns into vector instructions.
    for block in bytes.chunks_exact(32) {
        if block.iter().fold(false, |found, b| found | is_escaped(b)) {
            break;
        }
        passed += block.len();
    }
    bytes[passed..].iter().position(is_escaped).map(|at| passed + at)
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Appends the value as `to_json` prints it inside a row.
///
/// Integers, booleans, texts, uuids and times cost no allocation.
pub fn write_json(value: ValueRef<'_>, ty: TypeRef, out: &mut Vec<u8>) {
    match value {
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::Int(n) if ty.oid == oid::BOOL => out.extend_from_slice(if n == 0 { b"false" } else { b"true" }),
        ValueRef::Int(n) => {
            let mut buffer = itoa::Buffer::new();
            let digits = buffer.format(n).as_bytes();
            if quotes_integers(ty.oid) {
                quoted(std::str::from_utf8(digits).unwrap_or(""), out)
            } else {
                out.extend_from_slice(digits)
            }
        }
        ValueRef::Real(x) => write_real(x, ty.oid, out),
        ValueRef::Text(text) => match ty.oid {
            oid::JSON | oid::JSONB => out.extend_from_slice(text.as_bytes()),
            oid::NUMERIC | oid::FLOAT4 | oid::FLOAT8 => {
                // NaN and the infinities are no JSON numbers.
                let number = text.bytes().last().is_some_and(|b| b.is_ascii_digit());
                if number { out.extend_from_slice(text.as_bytes()) } else { quoted(text, out) }
            }
            oid::TIMESTAMPTZ if datetime::zone::has_session() => {
                let mut shown = String::with_capacity(32);
                let is_zoned = datetime::write_in_session(text, true, &mut shown);
                quoted(if is_zoned { &shown } else { text }, out);
            }
            oid::TIMESTAMPTZ | oid::TIMESTAMP | oid::UUID | oid::DATE | oid::TIME | oid::TIMETZ => quoted(text, out),
            oid::TEXT | oid::VARCHAR => write_json_string(text, out),
            other => match element(other) {
                Some(elem) => write_array(text, elem, out),
                None => write_json_string(text, out),
            },
        },
        ValueRef::Blob(_) => {
            let mut shown = String::new();
            output::text(value, ty, &mut shown);
            write_json_string(&shown, out);
        }
    }
}

/// Types stored as integers whose JSON form is a string all the same.
fn quotes_integers(oid: Oid) -> bool {
    matches!(
        oid,
        oid::TEXT
            | oid::VARCHAR
            | oid::BPCHAR
            | oid::REGCLASS
            | oid::REGTYPE
            | oid::REGROLE
            | oid::REGNAMESPACE
            | oid::REGPROC
            | oid::OID
    )
}

fn write_real(x: f64, ty: Oid, out: &mut Vec<u8>) {
    let mut shown = String::new();
    #[allow(clippy::cast_possible_truncation)]
    if ty == oid::FLOAT4 {
        float::write_f32(x as f32, &mut shown)
    } else {
        float::write_f64(x, &mut shown)
    }
    if x.is_finite() { out.extend_from_slice(shown.as_bytes()) } else { quoted(&shown, out) }
}

/// A stored array: of most types the text is the JSON form already.
fn write_array(text: &str, elem: Oid, out: &mut Vec<u8>) {
    let stored_is_json = match elem {
        oid::INT2 | oid::INT4 | oid::INT8 | oid::BOOL => true,
        oid::NUMERIC | oid::JSON | oid::JSONB | oid::FLOAT4 | oid::FLOAT8 | oid::OID => false,
        // Escapes might be another program's; decode and write them again.
        _ => !text.contains('\\'),
    };
    if stored_is_json {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut lexer = Lexer::new(text);
    while let Ok(token) = lexer.next() {
        match token.kind {
            Kind::End => break,
            Kind::String => {
                let value = lexer::unescape(token.text).unwrap_or_default();
                write_json(ValueRef::Text(&value), TypeRef::of(elem), out);
            }
            Kind::Number if elem == oid::OID => quoted(token.text, out),
            _ => out.extend_from_slice(token.text.as_bytes()),
        }
    }
}

/// Checks a text for the type json.
///
/// # Errors
/// 22P02 with PostgreSQL's detail, 54001 for deep nesting.
pub fn json_validate(text: &str) -> Result<(), SqlError> {
    lexer::parse(text, |_| Ok(()))
}

/// PostgreSQL's jsonb text of any JSON text.
///
/// # Errors
/// See [`Json::parse`].
pub fn jsonb_normalise(text: &str) -> Result<String, SqlError> {
    Ok(Json::parse(text)?.to_string())
}

/// The value that `json_to_recordset` and `json_populate_record` make of one JSON value's text for a column of this type.
///
/// # Errors
/// Those of the type's input, and 22P02 where an array is needed.
pub fn from_json(json: &str, ty: TypeRef) -> Result<Value, SqlError> {
    from_json_key(json, ty, None)
}

/// As [`from_json`], with the name of the key for PostgreSQL's hints.
///
/// # Errors
/// As [`from_json`].
pub fn from_json_key(json: &str, ty: TypeRef, key: Option<&str>) -> Result<Value, SqlError> {
    let json = json.trim_matches(is_space);
    let first = Lexer::new(json).next()?;
    match first.kind {
        Kind::Null => {
            json_validate(json)?;
            Ok(Value::Null)
        }
        Kind::String => scalar(json, ty),
        _ => match element(ty.oid) {
            Some(elem) => {
                json_validate(json)?;
                let hint = |at: &[usize]| place_hint(at, key);
                let mut context = Context { elem: TypeRef { oid: elem, typmod: ty.typmod }, depth: None, hint: &hint };
                if first.kind != Kind::ArrayStart {
                    return Err(expected_array(&[], &hint));
                }
                let nested = context.array(json, &mut Vec::new())?;
                Ok(Value::Text(nested.store(elem)))
            }
            None => scalar(json, ty),
        },
    }
}

/// One value that is not an array of the target type: strings unescaped, all else by its text.
fn scalar(json: &str, ty: TypeRef) -> Result<Value, SqlError> {
    match ty.oid {
        oid::JSON => {
            json_validate(json)?;
            if json.starts_with('"') {
                // PostgreSQL decodes strings here and writes them again with its own escapes.
                let mut out = Vec::new();
                write_json_string(&lexer::unescape(json)?, &mut out);
                return Ok(Value::Text(String::from_utf8(out).unwrap_or_default()));
            }
            Ok(Value::Text(json.to_owned()))
        }
        oid::JSONB => Ok(Value::Text(jsonb_normalise(json)?)),
        _ if json.starts_with('"') => {
            json_validate(json)?;
            input::input(&lexer::unescape(json)?, ty)
        }
        _ => {
            json_validate(json)?;
            input::input(json, ty)
        }
    }
}

fn place_hint(at: &[usize], key: Option<&str>) -> Option<String> {
    let indices: String = at.iter().map(|n| format!("[{n}]")).collect();
    match (key, at.is_empty()) {
        (None, true) => None,
        (Some(key), true) => Some(format!("See the value of key \"{key}\".")),
        (None, false) => Some(format!("See the array element {indices}.")),
        (Some(key), false) => Some(format!("See the array element {indices} of key \"{key}\".")),
    }
}

type Hint<'h> = &'h dyn Fn(&[usize]) -> Option<String>;

fn expected_array(at: &[usize], hint: Hint<'_>) -> SqlError {
    let mut error = SqlError::new(SqlState::INVALID_TEXT, "expected JSON array");
    error.hint = hint(at);
    error
}

struct Context<'h> {
    elem: TypeRef,
    /// Number of dimensions, known from the first element on.
    depth: Option<usize>,
    hint: Hint<'h>,
}

impl Context<'_> {
    /// A JSON array as one dimension; `at` holds the indices that lead to it. At most six deep, so recursion is short.
    fn array(&mut self, json: &str, at: &mut Vec<usize>) -> Result<Nested, SqlError> {
        if at.len() >= 6 {
            return Err(super::array::too_many_dimensions(at.len() + 1));
        }
        let mut items = Vec::new();
        for item in items_of(json)? {
            let is_array = item.starts_with('[');
            at.push(items.len());
            let inner = self.depth.is_none_or(|depth| at.len() < depth);
            if is_array && inner {
                items.push(self.array(item, at)?);
            } else {
                if self.depth.is_some_and(|depth| at.len() < depth) {
                    return Err(expected_array(at, self.hint));
                }
                self.depth.get_or_insert(at.len());
                let value = if item == "null" { Value::Null } else { scalar(item, self.elem)? };
                items.push(Nested::Leaf(value));
            }
            at.pop();
        }
        if items.is_empty() {
            self.depth.get_or_insert(at.len() + 1);
        }
        let lengths = |n: &Nested| if let Nested::List(list) = n { Some(list.len()) } else { None };
        if items.windows(2).any(|w| matches!(w, [a, b] if lengths(a) != lengths(b))) {
            return Err(SqlError::new(SqlState::INVALID_TEXT, "malformed JSON array")
                .detail("Multidimensional arrays must have sub-arrays with matching dimensions."));
        }
        Ok(Nested::List(items))
    }
}

/// The texts of a valid JSON array's items.
fn items_of(json: &str) -> Result<Vec<&str>, SqlError> {
    let mut lexer = Lexer::new(json);
    let mut depth = 0_usize;
    let mut start = None;
    let mut items = Vec::new();
    loop {
        let token = lexer.next()?;
        let end = token.start + token.text.len();
        match token.kind {
            Kind::End => return Ok(items),
            Kind::ArrayStart | Kind::ObjectStart => {
                if depth == 1 {
                    start = Some(token.start);
                }
                depth += 1;
            }
            Kind::ArrayEnd | Kind::ObjectEnd => {
                depth = depth.saturating_sub(1);
                if depth == 1
                    && let Some(from) = start
                {
                    items.extend(json.get(from..end));
                }
            }
            Kind::Comma | Kind::Colon => {}
            _ if depth == 1 => items.extend(json.get(token.start..end)),
            _ => {}
        }
    }
}
