//! jsonb: a tree with PostgreSQL's canonical text and order.

use super::lexer::{self, Event, Kind};
use super::write_json_string;
use crate::pg::Numeric;
use crate::{SqlError, SqlState};
use std::cmp::Ordering;
use std::fmt;

/// A jsonb value.
///
/// Objects keep their keys unique and in jsonb's order (shorter first, then by bytes). At most 1 000 levels deep when parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// null
    Null,
    /// true or false
    Bool(bool),
    /// A number in numeric's canonical text.
    Number(String),
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

/// How much longer than its input a canonical text may be, besides a fixed allowance: `1e131071` is written out with all its zeros.
const GROWTH: usize = 8;
/// Room for a few very long numbers, in bytes.
const ALLOWANCE: usize = 1 << 20;

enum Open {
    Array(Vec<Json>),
    Object(Vec<(String, Json)>, Option<String>),
}

impl Json {
    /// Reads any JSON text as jsonb.
    ///
    /// # Errors
    /// 22P02 with PostgreSQL's detail, 22P05 for `\u0000`, 22003 for numbers beyond numeric, 54001 for deep nesting,
    /// 54000 when numbers with large exponents would make the value many times longer than its input.
    pub fn parse(text: &str) -> Result<Self, SqlError> {
        let mut open: Vec<Open> = Vec::new();
        let mut done = Self::Null;
        let mut numbers = 0_usize;
        let limit = text.len().saturating_mul(GROWTH).saturating_add(ALLOWANCE);
        let place = |open: &mut Vec<Open>, value: Self, done: &mut Self| match open.last_mut() {
            None => *done = value,
            Some(Open::Array(items)) => items.push(value),
            Some(Open::Object(pairs, key)) => {
                if let Some(key) = key.take() {
                    pairs.push((key, value));
                }
            }
        };
        lexer::parse(text, |event| {
            match event {
                Event::ArrayStart => open.push(Open::Array(Vec::new())),
                Event::ObjectStart => open.push(Open::Object(Vec::new(), None)),
                Event::Key(token) => {
                    let name = lexer::unescape(token)?;
                    if let Some(Open::Object(_, key)) = open.last_mut() {
                        *key = Some(name);
                    }
                }
                Event::Scalar(token) => {
                    let value = match token.kind {
                        Kind::String => Self::String(lexer::unescape(token.text)?),
                        Kind::Number => {
                            let number = canonical_number(token.text)?;
                            numbers = numbers.saturating_add(number.len());
                            if numbers > limit {
                                return Err(SqlError::new(SqlState::PROGRAM_LIMIT, "jsonb value exceeds the maximum size")
                                    .detail("Its numbers are far longer than the text they were given in."));
                            }
                            Self::Number(number)
                        }
                        Kind::True => Self::Bool(true),
                        Kind::False => Self::Bool(false),
                        _ => Self::Null,
                    };
                    place(&mut open, value, &mut done);
                }
                Event::ArrayEnd | Event::ObjectEnd => {
                    let value = match open.pop() {
                        Some(Open::Array(items)) => Self::Array(items),
                        Some(Open::Object(pairs, _)) => Self::object(pairs),
                        None => Self::Null,
                    };
                    place(&mut open, value, &mut done);
                }
            }
            Ok(())
        })?;
        Ok(done)
    }

    /// An object of pairs in any order; of equal keys the last one stays.
    pub fn object(mut pairs: Vec<(String, Self)>) -> Self {
        let before = |a: &(String, Self), b: &(String, Self)| a.0.len().cmp(&b.0.len()).then_with(|| a.0.cmp(&b.0));
        if pairs.windows(2).any(|w| matches!(w, [a, b] if before(a, b) != Ordering::Less)) {
            pairs.sort_by(before);
            // Equal keys stand in input order: keep each run's last.
            pairs.reverse();
            pairs.dedup_by(|later, kept| later.0 == kept.0);
            pairs.reverse();
        }
        Self::Object(pairs)
    }

    /// The value of an object's key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(pairs) => pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// `jsonb_typeof`
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Appends the canonical text: `{"a": 1, "b": [1, 2]}`.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(number) => out.extend_from_slice(number.as_bytes()),
            Self::String(text) => write_json_string(text, out),
            Self::Array(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.extend_from_slice(b", ");
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(pairs) => {
                out.push(b'{');
                for (at, (key, value)) in pairs.iter().enumerate() {
                    if at > 0 {
                        out.extend_from_slice(b", ");
                    }
                    write_json_string(key, out);
                    out.extend_from_slice(b": ");
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }

    /// PostgreSQL's btree order of jsonb: Object > Array > Boolean > Number > String > Null; longer containers after shorter.
    ///
    /// A scalar on the top level counts as an array of one, before real arrays of one: an empty array is the smallest of all.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Array(items), scalar) if !scalar.is_container() => {
                if items.is_empty() {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (scalar, Self::Array(items)) if !scalar.is_container() => {
                if items.is_empty() {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            _ => self.compare_inner(other),
        }
    }

    fn is_container(&self) -> bool {
        matches!(self, Self::Array(_) | Self::Object(_))
    }

    fn compare_inner(&self, other: &Self) -> Ordering {
        let rank = |json: &Self| match json {
            Self::Null => 0,
            Self::String(_) => 1,
            Self::Number(_) => 2,
            Self::Bool(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
        };
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => compare_numbers(a, b),
            (Self::String(a), Self::String(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Array(a), Self::Array(b)) => a.len().cmp(&b.len()).then_with(|| {
                a.iter().zip(b).map(|(a, b)| a.compare_inner(b)).find(|o| *o != Ordering::Equal).unwrap_or(Ordering::Equal)
            }),
            (Self::Object(a), Self::Object(b)) => a.len().cmp(&b.len()).then_with(|| {
                let pairs =
                    a.iter().zip(b).map(|(a, b)| a.0.as_bytes().cmp(b.0.as_bytes()).then_with(|| a.1.compare_inner(&b.1)));
                pairs.into_iter().find(|o| *o != Ordering::Equal).unwrap_or(Ordering::Equal)
            }),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

fn compare_numbers(a: &str, b: &str) -> Ordering {
    match (Numeric::parse(a), Numeric::parse(b)) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(b),
    }
}

/// numeric's text of a JSON number.
fn canonical_number(token: &str) -> Result<String, SqlError> {
    let plain = token.len() < 4_000
        && !token.contains(['e', 'E'])
        && (!token.starts_with('-') || token.bytes().any(|b| (b'1'..=b'9').contains(&b)));
    if plain { Ok(token.to_owned()) } else { Ok(Numeric::parse(token)?.to_string()) }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        f.write_str(std::str::from_utf8(&out).map_err(|_| fmt::Error)?)
    }
}
