//! Bodies of writes: JSON, CSV and forms, all as JSON text, with the keys of their objects.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::media::BodyType;
use crate::error::RestError;

const INVALID: &str = "Empty or invalid json";
const DIFFERENT: &str = "All object keys must match";

/// Rows to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// A JSON object or array of objects.
    pub json: Bytes,
    /// The keys, in order of name.
    pub keys: Vec<String>,
    /// How many objects.
    pub rows: usize,
}

/// Reads a body. `uniform`: whether all objects must have the same keys (not when `columns=` names them).
///
/// # Errors
/// PGRST102 with the protocol's texts.
pub fn payload(body: &Bytes, kind: BodyType, uniform: bool) -> Result<Payload, RestError> {
    match kind {
        BodyType::Json => json(body, uniform),
        BodyType::Csv => csv(body),
        BodyType::Form => Ok(form(body)),
    }
}

fn json(body: &Bytes, uniform: bool) -> Result<Payload, RestError> {
    let read: Result<Rows, _> = serde_json::from_slice(body);
    let rows = read.map_err(|_| RestError::Body(INVALID.to_owned()))?;
    match rows {
        Rows::Scalar => Ok(Payload { json: Bytes::from_static(b"[]"), keys: Vec::new(), rows: 0 }),
        Rows::Object(keys) => Ok(Payload { json: body.clone(), keys: keys.into_iter().collect(), rows: 1 }),
        Rows::Array { keys, rows, same } if same || !uniform => {
            Ok(Payload { json: body.clone(), keys: keys.into_iter().collect(), rows })
        }
        Rows::Array { .. } => Err(RestError::Body(DIFFERENT.to_owned())),
    }
}

/// What a JSON body is, without its values.
enum Rows {
    Scalar,
    Object(BTreeSet<String>),
    Array { keys: BTreeSet<String>, rows: usize, same: bool },
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RowsVisitor)
    }
}

struct RowsVisitor;

macro_rules! scalars {
    ($($name:ident: $ty:ty),*) => { $(fn $name<E>(self, _: $ty) -> Result<Self::Value, E> { Ok(Rows::Scalar) })* };
}

impl<'de> Visitor<'de> for RowsVisitor {
    type Value = Rows;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Rows::Scalar)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        Ok(Rows::Object(keys(&mut map)?))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut first: Option<BTreeSet<String>> = None;
        let (mut rows, mut same) = (0, true);
        while let Some(row) = seq.next_element::<Row>()? {
            rows += 1;
            match (row.0, &first) {
                (None, _) => same = false,
                (Some(keys), None) => first = Some(keys),
                (Some(keys), Some(known)) => same &= keys == *known,
            }
        }
        Ok(Rows::Array { keys: first.unwrap_or_default(), rows, same })
    }
}

/// One element of the array; not an object: `None`.
struct Row(Option<BTreeSet<String>>);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RowVisitor)
    }
}

struct RowVisitor;

macro_rules! no_rows {
    ($($name:ident: $ty:ty),*) => { $(fn $name<E>(self, _: $ty) -> Result<Self::Value, E> { Ok(Row(None)) })* };
}

impl<'de> Visitor<'de> for RowVisitor {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    no_rows!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Row(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        keys(&mut map).map(|keys| Row(Some(keys)))
    }

    /// However deep: what is ignored is read without recursion.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Row(None))
    }
}

fn keys<'de, A: MapAccess<'de>>(map: &mut A) -> Result<BTreeSet<String>, A::Error> {
    let mut keys = BTreeSet::new();
    while let Some(key) = map.next_key::<Cow<'_, str>>()? {
        map.next_value::<IgnoredAny>()?;
        keys.insert(key.into_owned());
    }
    if keys.len() > 4096 {
        return Err(A::Error::custom("too many keys"));
    }
    Ok(keys)
}

/// The objects of a body, as written; what is no object, or no list of them, has none.
pub fn rows_of(json: &[u8]) -> Vec<&RawValue> {
    let only = || serde_json::from_slice(json).ok().filter(|raw: &&RawValue| raw.get().starts_with('{')).map(|raw| vec![raw]);
    serde_json::from_slice(json).ok().or_else(only).unwrap_or_default()
}

/// The text of an object's value of that key: strings without quotes, others as written. `None`: no such key, or null.
pub fn value_of(json: &str, key: &str) -> Option<String> {
    let object: std::collections::HashMap<String, &RawValue> = serde_json::from_str(json).ok()?;
    let raw = object.get(key)?.get();
    match raw {
        "null" => None,
        _ if raw.starts_with('"') => serde_json::from_str(raw).ok(),
        _ => Some(raw.to_owned()),
    }
}

fn form(body: &[u8]) -> Payload {
    let text = String::from_utf8_lossy(body);
    let mut object = serde_json::Map::new();
    for pair in super::query::separated(&text) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        object.insert(super::query::decode(key).into_owned(), super::query::decode(value).into_owned().into());
    }
    let mut keys: Vec<String> = object.keys().cloned().collect();
    keys.sort_unstable();
    Payload { json: Bytes::from(serde_json::Value::Object(object).to_string()), keys, rows: 1 }
}

/// A header line and rows, as RFC 4180 says; `NULL` is null.
fn csv(body: &[u8]) -> Result<Payload, RestError> {
    let wrong = |text: &str| RestError::Body(text.to_owned());
    let text = std::str::from_utf8(body).map_err(|_| wrong("The CSV is not valid UTF-8"))?;
    let mut lines = records(text).ok_or_else(|| wrong("A quote is not closed"))?.into_iter();
    let header = lines
        .next()
        .filter(|h| h.iter().any(|n| !n.is_empty()))
        .ok_or_else(|| wrong("parse error (not enough input) at \"\""))?;
    let mut rows = Vec::new();
    for line in lines {
        if line.len() != header.len() {
            return Err(wrong("All lines must have same number of fields"));
        }
        let object: serde_json::Map<String, serde_json::Value> = header
            .iter()
            .zip(line)
            .map(|(key, value)| (key.clone(), if value == "NULL" { serde_json::Value::Null } else { value.into() }))
            .collect();
        rows.push(serde_json::Value::Object(object));
    }
    let count = rows.len();
    let keys: BTreeSet<String> = if count == 0 { BTreeSet::new() } else { header.into_iter().collect() };
    let json = Bytes::from(serde_json::Value::Array(rows).to_string());
    Ok(Payload { json, keys: keys.into_iter().collect(), rows: count })
}

/// The lines with their fields; nothing when a quoted field has no end.
fn records(text: &str) -> Option<Vec<Vec<String>>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let mut chars = text.chars().peekable();
    let mut quoted = false;
    let mut any = false;
    while let Some(c) = chars.next() {
        any = true;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
                any = false;
            }
            c => field.push(c),
        }
    }
    if any {
        record.push(field);
        records.push(record);
    }
    (!quoted).then_some(records)
}
