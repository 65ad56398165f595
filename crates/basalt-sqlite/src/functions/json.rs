//! json and jsonb. json values are texts kept as written; jsonb values are texts in PostgreSQL's canonical form.

use std::cmp::Ordering;

use basalt_types::pg::{self, Json, oid};
use basalt_types::{SqlError, SqlState, TypeRef, Value, ValueRef};
use serde_json::value::RawValue;

use super::{Call, Row, boolean, refuse};

/// A jsonb argument.
fn jsonb(call: &Call<'_>, at: usize) -> Result<Json, SqlError> {
    Json::parse(call.text(at))
}

pub(super) fn written(value: &Json) -> Value {
    let mut out = Vec::new();
    value.write(&mut out);
    Value::Text(String::from_utf8(out).unwrap_or_default())
}

/// A jsonb value as `->>` shows it.
fn as_text(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::String(text) => Value::from(text.as_str()),
        other => written(other),
    }
}

/// The element of an array, counted from the end when negative.
fn at(length: usize, index: i64) -> Option<usize> {
    if index >= 0 { usize::try_from(index).ok() } else { length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?) }
}

fn element(items: &[Json], index: i64) -> Option<&Json> {
    at(items.len(), index).and_then(|i| items.get(i))
}

/// One step of a path: a key, or an index written as text.
fn step<'j>(value: &'j Json, key: &str) -> Option<&'j Json> {
    match value {
        Json::Object(_) => value.get(key),
        Json::Array(items) => element(items, key.trim().parse().ok()?),
        _ => None,
    }
}

fn field(call: &Call<'_>) -> Result<Option<Json>, SqlError> {
    Ok(jsonb(call, 0)?.get(call.text(1)).cloned())
}

fn item(call: &Call<'_>) -> Result<Option<Json>, SqlError> {
    Ok(match jsonb(call, 0)? {
        Json::Array(items) => element(&items, call.int(1)).cloned(),
        Json::Object(_) => None,
        // PostgreSQL keeps a jsonb scalar as an array of one element, and `->` with a number shows it.
        scalar => element(std::slice::from_ref(&scalar), call.int(1)).cloned(),
    })
}

fn or_null(found: Option<Json>, show: fn(&Json) -> Value) -> Result<Value, SqlError> {
    Ok(found.as_ref().map_or(Value::Null, show))
}

/// A path: one text[] argument, or the keys one by one.
fn path(call: &Call<'_>, from: usize) -> Result<Option<Vec<String>>, SqlError> {
    let mut keys = Vec::new();
    if call.len() == from + 1 && call.ty(from) == oid::TEXT_ARRAY {
        for key in pg::array_values(call.text(from), oid::TEXT)? {
            let Value::Text(key) = key else { return Ok(None) };
            keys.push(key);
        }
    } else {
        for i in from..call.len() {
            keys.push(call.text(i).to_owned());
        }
    }
    Ok(Some(keys))
}

fn extract(call: &Call<'_>) -> Result<Option<Json>, SqlError> {
    let Some(keys) = path(call, 1)? else { return Ok(None) };
    let value = jsonb(call, 0)?;
    Ok(keys.iter().try_fold(&value, |value, key| step(value, key)).cloned())
}

/// json: the text of a part, as it was written.
type Raw = Box<RawValue>;

fn raw_field(text: &str, key: &str) -> Option<Raw> {
    // The last of equal keys counts.
    pairs(text).ok()?.into_iter().rev().find(|(k, _)| k == key).map(|(_, v)| v)
}

fn raw_item(text: &str, index: i64) -> Option<Raw> {
    let mut items: Vec<Raw> = serde_json::from_str(text).ok()?;
    let at = at(items.len(), index)?;
    (at < items.len()).then(|| items.swap_remove(at))
}

/// The pairs of an object in their order, equal keys kept.
fn pairs(text: &str) -> Result<Vec<(String, Raw)>, SqlError> {
    struct Pairs(Vec<(String, Raw)>);
    impl<'de> serde::Deserialize<'de> for Pairs {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Pairs;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                    let mut all = Vec::new();
                    while let Some(pair) = map.next_entry()? {
                        all.push(pair);
                    }
                    Ok(Pairs(all))
                }
            }
            deserializer.deserialize_map(Visitor)
        }
    }
    serde_json::from_str::<Pairs>(text)
        .map(|p| p.0)
        .map_err(|_| SqlError::new(SqlState::INVALID_PARAMETER, "cannot deconstruct a scalar"))
}

fn raw(found: Option<Raw>) -> Result<Value, SqlError> {
    Ok(found.map_or(Value::Null, |v| Value::from(v.get())))
}

/// A json part as `->>` shows it.
fn raw_text(part: &str) -> Value {
    let part = part.trim();
    match part.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<String>(part).map_or(Value::Null, Value::Text),
        Some(b'n') => Value::Null,
        _ => Value::from(part),
    }
}

fn raw_shown(found: Option<Raw>) -> Result<Value, SqlError> {
    Ok(found.map_or(Value::Null, |v| raw_text(v.get())))
}

fn raw_path(call: &Call<'_>) -> Result<Option<Raw>, SqlError> {
    let Some(keys) = path(call, 1)? else { return Ok(None) };
    let mut value: Raw = RawValue::from_string(call.text(0).to_owned()).map_err(|_| invalid())?;
    for key in keys {
        let text = value.get().trim_start();
        let next = match text.as_bytes().first() {
            Some(b'{') => raw_field(text, &key),
            Some(b'[') => key.trim().parse().ok().and_then(|i| raw_item(text, i)),
            _ => None,
        };
        match next {
            Some(part) => value = part,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

fn invalid() -> SqlError {
    SqlError::new(SqlState::INVALID_TEXT, "invalid input syntax for type json")
}

/// `@>`: scalars by equality, arrays as sets, objects by their keys; a scalar is contained in an array that has it.
fn contains(outer: &Json, inner: &Json, is_top: bool) -> bool {
    match (outer, inner) {
        (Json::Object(_), Json::Object(pairs)) => {
            pairs.iter().all(|(key, value)| outer.get(key).is_some_and(|found| contains(found, value, false)))
        }
        (Json::Array(items), Json::Array(wanted)) => wanted.iter().all(|w| items.iter().any(|i| contains(i, w, false))),
        (Json::Array(items), scalar) if is_top && !matches!(scalar, Json::Object(_)) => items.iter().any(|i| equal(i, scalar)),
        (a, b) => equal(a, b),
    }
}

fn equal(a: &Json, b: &Json) -> bool {
    a.compare(b) == Ordering::Equal
}

fn exists(value: &Json, key: &str) -> bool {
    match value {
        Json::Object(_) => value.get(key).is_some(),
        Json::Array(items) => items.iter().any(|i| matches!(i, Json::String(s) if s == key)),
        Json::String(text) => text == key,
        _ => false,
    }
}

fn exists_keys(call: &Call<'_>, all: bool) -> Result<Value, SqlError> {
    let value = jsonb(call, 0)?;
    let keys = pg::array_values(call.text(1), oid::TEXT)?;
    let mut found = keys.iter().filter_map(|k| if let Value::Text(k) = k { Some(exists(&value, k)) } else { None });
    Ok(boolean(if all { found.all(|f| f) } else { found.any(|f| f) }))
}

fn concat(call: &Call<'_>) -> Result<Value, SqlError> {
    let as_items = |value| if let Json::Array(items) = value { items } else { vec![value] };
    Ok(written(&match (jsonb(call, 0)?, jsonb(call, 1)?) {
        (Json::Object(mut a), Json::Object(b)) => {
            a.extend(b);
            Json::object(a)
        }
        (a @ Json::Object(_), b) | (a, b @ Json::Object(_)) if !matches!((&a, &b), (Json::Array(_), _) | (_, Json::Array(_))) => {
            let _ = (a, b);
            return refuse(SqlState::INVALID_PARAMETER, "invalid concatenation of jsonb objects");
        }
        (a, b) => Json::Array(as_items(a).into_iter().chain(as_items(b)).collect()),
    }))
}

fn delete_keys(value: Json, keys: &[&str]) -> Result<Json, SqlError> {
    match value {
        Json::Object(mut pairs) => {
            pairs.retain(|(key, _)| !keys.contains(&key.as_str()));
            Ok(Json::Object(pairs))
        }
        Json::Array(mut items) => {
            items.retain(|item| !matches!(item, Json::String(s) if keys.contains(&s.as_str())));
            Ok(Json::Array(items))
        }
        _ => refuse(SqlState::INVALID_PARAMETER, "cannot delete from scalar"),
    }
}

fn delete_index(call: &Call<'_>) -> Result<Value, SqlError> {
    match jsonb(call, 0)? {
        Json::Array(mut items) => {
            if let Some(at) = at(items.len(), call.int(1)).filter(|at| *at < items.len()) {
                items.remove(at);
            }
            Ok(written(&Json::Array(items)))
        }
        Json::Object(_) => refuse(SqlState::INVALID_PARAMETER, "cannot delete from object using integer index"),
        _ => refuse(SqlState::INVALID_PARAMETER, "cannot delete from scalar"),
    }
}

/// What happens at the end of a path.
#[derive(Clone, Copy, PartialEq)]
enum Edit {
    Delete,
    Set { creates: bool },
    Insert { after: bool },
}

fn edit(value: &mut Json, path: &[String], new: &Json, how: Edit, level: usize) -> Result<(), SqlError> {
    let Some((key, rest)) = path.split_first() else { return Ok(()) };
    match value {
        Json::Object(pairs) => {
            let place = pairs.iter().position(|(k, _)| k == key);
            match (place, rest.is_empty(), how) {
                (Some(at), false, _) => {
                    if let Some((_, inner)) = pairs.get_mut(at) {
                        edit(inner, rest, new, how, level + 1)?;
                    }
                }
                (Some(at), true, Edit::Delete) => {
                    pairs.remove(at);
                }
                (Some(at), true, Edit::Set { .. }) => {
                    if let Some((_, old)) = pairs.get_mut(at) {
                        *old = new.clone();
                    }
                }
                (Some(_), true, Edit::Insert { .. }) => {
                    return Err(SqlError::new(SqlState::INVALID_PARAMETER, "cannot replace existing key")
                        .hint("Try using the function jsonb_set to replace key value."));
                }
                (None, true, Edit::Set { creates: true } | Edit::Insert { .. }) => {
                    let mut all = std::mem::take(pairs);
                    all.push((key.clone(), new.clone()));
                    *value = Json::object(all);
                }
                (None, ..) => {}
            }
        }
        Json::Array(items) => {
            let Ok(index) = key.trim().parse::<i64>() else {
                return refuse(SqlState::INVALID_TEXT, format!("path element at position {level} is not an integer: \"{key}\""));
            };
            let place = at(items.len(), index).filter(|i| *i < items.len());
            match (place, rest.is_empty(), how) {
                (Some(at), false, _) => {
                    if let Some(inner) = items.get_mut(at) {
                        edit(inner, rest, new, how, level + 1)?;
                    }
                }
                (Some(at), true, Edit::Delete) => {
                    items.remove(at);
                }
                (Some(at), true, Edit::Set { .. }) => {
                    if let Some(old) = items.get_mut(at) {
                        *old = new.clone();
                    }
                }
                (Some(at), true, Edit::Insert { after }) => items.insert(at + usize::from(after), new.clone()),
                (None, true, Edit::Set { creates: true } | Edit::Insert { .. }) => {
                    let end = if index < 0 { 0 } else { items.len() };
                    items.insert(end, new.clone());
                }
                (None, ..) => {}
            }
        }
        _ => {}
    }
    Ok(())
}

fn edited(call: &Call<'_>, new: &Json, how: Edit) -> Result<Value, SqlError> {
    let mut value = jsonb(call, 0)?;
    let mut path = Vec::new();
    for (i, key) in pg::array_values(call.text(1), oid::TEXT)?.into_iter().enumerate() {
        match key {
            Value::Text(key) => path.push(key),
            _ => return refuse(SqlState::NULL_NOT_ALLOWED, format!("path element at position {} is null", i + 1)),
        }
    }
    if !matches!(value, Json::Object(_) | Json::Array(_)) {
        let verb = if how == Edit::Delete { "delete path in scalar" } else { "set path in scalar" };
        return refuse(SqlState::INVALID_PARAMETER, format!("cannot {verb}"));
    }
    edit(&mut value, &path, new, how, 1)?;
    Ok(written(&value))
}

fn strip(value: Json) -> Json {
    match value {
        Json::Object(pairs) => {
            Json::Object(pairs.into_iter().filter(|(_, v)| *v != Json::Null).map(|(k, v)| (k, strip(v))).collect())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(strip).collect()),
        other => other,
    }
}

fn pretty(value: &Json, indent: usize, out: &mut Vec<u8>) {
    let line = |out: &mut Vec<u8>, by: usize| {
        out.push(b'\n');
        out.resize(out.len() + by * 4, b' ');
    };
    let (count, open, close) = match value {
        Json::Object(pairs) => (pairs.len(), b'{', b'}'),
        Json::Array(items) => (items.len(), b'[', b']'),
        scalar => return scalar.write(out),
    };
    out.push(open);
    for i in 0..count {
        if i > 0 {
            out.push(b',');
        }
        line(out, indent + 1);
        match value {
            Json::Object(pairs) => {
                if let Some((key, inner)) = pairs.get(i) {
                    pg::write_json_string(key, out);
                    out.extend_from_slice(b": ");
                    pretty(inner, indent + 1, out);
                }
            }
            Json::Array(items) => {
                if let Some(inner) = items.get(i) {
                    pretty(inner, indent + 1, out);
                }
            }
            _ => {}
        }
    }
    line(out, indent);
    out.push(close);
}

fn kind_of(text: &str) -> &'static str {
    match text.trim_start().as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

/// The elements of an array, or PostgreSQL's error for what is none.
fn items(text: &str, verb: &str) -> Result<Vec<Raw>, SqlError> {
    match kind_of(text) {
        "array" => serde_json::from_str(text).map_err(|_| invalid()),
        "object" => refuse(SqlState::INVALID_PARAMETER, format!("cannot {verb} an object")),
        _ => refuse(SqlState::INVALID_PARAMETER, format!("cannot {verb} a scalar")),
    }
}

fn array_length(call: &Call<'_>) -> Result<Value, SqlError> {
    match kind_of(call.text(0)) {
        "array" => Ok(Value::Int(i64::try_from(items(call.text(0), "")?.len()).unwrap_or(i64::MAX))),
        "object" => refuse(SqlState::INVALID_PARAMETER, "cannot get array length of a non-array"),
        _ => refuse(SqlState::INVALID_PARAMETER, "cannot get array length of a scalar"),
    }
}

/// A list of values as set-returning functions give it: a JSON array of storage forms.
fn list(values: impl IntoIterator<Item = Value>) -> Value {
    Value::Text(pg::array_from_values(values, oid::TEXT))
}

fn elements(call: &Call<'_>, show: fn(&str) -> Value) -> Result<Value, SqlError> {
    Ok(list(items(call.text(0), "extract elements from")?.iter().map(|i| show(i.get()))))
}

fn object_pairs(call: &Call<'_>, verb: &str) -> Result<Vec<(String, Raw)>, SqlError> {
    match kind_of(call.text(0)) {
        "object" => pairs(call.text(0)),
        "array" => refuse(SqlState::INVALID_PARAMETER, format!("cannot call {verb} on an array")),
        _ => refuse(SqlState::INVALID_PARAMETER, format!("cannot call {verb} on a scalar")),
    }
}

/// Rows of key and value: a JSON array of two-element arrays.
fn each(call: &Call<'_>, show: fn(&str) -> Value, verb: &str) -> Result<Value, SqlError> {
    let mut out = vec![b'['];
    for (i, (key, value)) in object_pairs(call, verb)?.iter().enumerate() {
        out.extend_from_slice(if i > 0 { b",[" } else { b"[" });
        pg::write_json_string(key, &mut out);
        out.push(b',');
        match show(value.get()) {
            Value::Text(text) => pg::write_json_string(&text, &mut out),
            _ => out.extend_from_slice(b"null"),
        }
        out.push(b']');
    }
    out.push(b']');
    Ok(Value::Text(String::from_utf8(out).unwrap_or_default()))
}

fn as_is(text: &str) -> Value {
    Value::from(text)
}

fn build_array(call: &Call<'_>, separator: &str) -> String {
    let mut out = String::from("[");
    for i in 0..call.len() {
        if i > 0 {
            out.push_str(separator);
        }
        out.push_str(json_argument(call.arg(i)));
    }
    out.push(']');
    out
}

/// An argument that is JSON text already; NULL prints as null.
fn json_argument(value: ValueRef<'_>) -> &str {
    if let ValueRef::Text(text) = value { text } else { "null" }
}

fn build_object(call: &Call<'_>, name: &str) -> Result<String, SqlError> {
    if !call.len().is_multiple_of(2) {
        return Err(SqlError::new(SqlState::INVALID_PARAMETER, "argument list must have even number of elements")
            .hint(format!("The arguments of {name}() must consist of alternating keys and values.")));
    }
    let mut out = b"{".to_vec();
    for i in (0..call.len()).step_by(2) {
        let ValueRef::Text(key) = call.arg(i) else {
            return refuse(SqlState::INVALID_PARAMETER, "null value not allowed for object key");
        };
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        pg::write_json_string(key, &mut out);
        out.extend_from_slice(b" : ");
        out.extend_from_slice(json_argument(call.arg(i + 1)).as_bytes());
    }
    out.push(b'}');
    Ok(String::from_utf8(out).unwrap_or_default())
}

/// Keys and JSON texts as row_to_json prints them.
fn record(call: &Call<'_>) -> Result<Value, SqlError> {
    let mut out = b"{".to_vec();
    for i in (0..call.len()).step_by(2) {
        if i > 0 {
            out.push(b',');
        }
        pg::write_json_string(call.text(i), &mut out);
        out.push(b':');
        out.extend_from_slice(json_argument(call.arg(i + 1)).as_bytes());
    }
    out.push(b'}');
    Ok(Value::Text(String::from_utf8(out).unwrap_or_default()))
}

fn to_json(call: &Call<'_>) -> Result<Value, SqlError> {
    let mut out = Vec::new();
    pg::write_json(call.arg(1), type_argument(call, 0), &mut out);
    Ok(Value::Text(String::from_utf8(out).unwrap_or_default()))
}

/// A type given by its OID.
pub(super) fn type_argument(call: &Call<'_>, at: usize) -> TypeRef {
    TypeRef::of(basalt_types::Oid(u32::try_from(call.int(at)).unwrap_or(0)))
}

fn normal(text: &str) -> Result<Value, SqlError> {
    pg::jsonb_normalise(text).map(Value::Text)
}

fn keys(call: &Call<'_>) -> Result<Value, SqlError> {
    Ok(list(object_pairs(call, "json_object_keys")?.into_iter().map(|(key, _)| Value::Text(key))))
}

pub(super) const TABLE: &[Row] = &[
    ("json_object_field", |c| raw(raw_field(c.text(0), c.text(1)))),
    ("json_object_field_text", |c| raw_shown(raw_field(c.text(0), c.text(1)))),
    ("json_array_element", |c| raw(raw_item(c.text(0), c.int(1)))),
    ("json_array_element_text", |c| raw_shown(raw_item(c.text(0), c.int(1)))),
    ("json_extract_path", |c| raw(raw_path(c)?)),
    ("json_extract_path_text", |c| raw_shown(raw_path(c)?)),
    ("jsonb_object_field", |c| or_null(field(c)?, written)),
    ("jsonb_object_field_text", |c| or_null(field(c)?, as_text)),
    ("jsonb_array_element", |c| or_null(item(c)?, written)),
    ("jsonb_array_element_text", |c| or_null(item(c)?, as_text)),
    ("jsonb_extract_path", |c| or_null(extract(c)?, written)),
    ("jsonb_extract_path_text", |c| or_null(extract(c)?, as_text)),
    ("jsonb_contains", |c| Ok(boolean(contains(&jsonb(c, 0)?, &jsonb(c, 1)?, true)))),
    ("jsonb_contained", |c| Ok(boolean(contains(&jsonb(c, 1)?, &jsonb(c, 0)?, true)))),
    ("jsonb_exists", |c| Ok(boolean(exists(&jsonb(c, 0)?, c.text(1))))),
    ("jsonb_exists_any", |c| exists_keys(c, false)),
    ("jsonb_exists_all", |c| exists_keys(c, true)),
    ("jsonb_concat", concat),
    ("jsonb_delete", |c| Ok(written(&delete_keys(jsonb(c, 0)?, &[c.text(1)])?))),
    ("jsonb_delete_array", |c| {
        let keys = pg::array_values(c.text(1), oid::TEXT)?;
        let keys: Vec<&str> = keys.iter().filter_map(|k| if let Value::Text(k) = k { Some(k.as_str()) } else { None }).collect();
        Ok(written(&delete_keys(jsonb(c, 0)?, &keys)?))
    }),
    ("jsonb_delete_idx", delete_index),
    ("jsonb_delete_path", |c| edited(c, &Json::Null, Edit::Delete)),
    ("jsonb_set", |c| edited(c, &jsonb(c, 2)?, Edit::Set { creates: c.len() < 4 || c.int(3) != 0 })),
    ("jsonb_insert", |c| edited(c, &jsonb(c, 2)?, Edit::Insert { after: c.len() > 3 && c.int(3) != 0 })),
    ("json_build_object", |c| build_object(c, "json_build_object").map(Value::Text)),
    ("jsonb_build_object", |c| normal(&build_object(c, "jsonb_build_object")?)),
    ("json_build_array", |c| Ok(Value::Text(build_array(c, ", ")))),
    ("jsonb_build_array", |c| normal(&build_array(c, ","))),
    ("record_json", record),
    ("json_typeof", |c| Ok(Value::from(kind_of(c.text(0))))),
    ("jsonb_typeof", |c| Ok(Value::from(kind_of(c.text(0))))),
    ("json_array_length", array_length),
    ("jsonb_array_length", array_length),
    ("json_strip_nulls", |c| {
        Ok(Value::Text(String::from_utf8(crate::encode::strip::strip_nulls(c.text(0).as_bytes())).unwrap_or_default()))
    }),
    ("jsonb_strip_nulls", |c| Ok(written(&strip(jsonb(c, 0)?)))),
    ("jsonb_pretty", |c| {
        let mut out = Vec::new();
        pretty(&jsonb(c, 0)?, 0, &mut out);
        Ok(Value::Text(String::from_utf8(out).unwrap_or_default()))
    }),
    ("json_array_elements", |c| elements(c, as_is)),
    ("jsonb_array_elements", |c| elements(c, as_is)),
    ("json_array_elements_text", |c| elements(c, raw_text)),
    ("jsonb_array_elements_text", |c| elements(c, raw_text)),
    ("json_object_keys", keys),
    ("jsonb_object_keys", keys),
    ("json_each", |c| each(c, as_is, "json_each")),
    ("jsonb_each", |c| each(c, as_is, "jsonb_each")),
    ("json_each_text", |c| each(c, raw_text, "json_each_text")),
    ("jsonb_each_text", |c| each(c, raw_text, "jsonb_each_text")),
    ("to_json", to_json),
    ("to_jsonb", |c| match to_json(c)? {
        Value::Text(text) => normal(&text),
        other => Ok(other),
    }),
];
