//! Arrays (JSON arrays of storage forms) and series.

use std::cmp::Ordering;

use basalt_types::pg::{self, Interval, Nested, Numeric, datetime, oid};
use basalt_types::{Oid, SqlError, SqlState, TypeRef, Value, ValueRef};

use super::arithmetic::{numeric, stored};
use super::{Call, Row, boolean, refuse};

/// Most elements a series may have.
const LONGEST_SERIES: usize = 1_000_000;

fn read(call: &Call<'_>, at: usize) -> Result<Nested, SqlError> {
    Nested::from_stored(call.text(at), call.element(at))
}

fn items(array: Nested) -> Vec<Nested> {
    match array {
        Nested::List(items) => items,
        leaf @ Nested::Leaf(_) => vec![leaf],
    }
}

fn size(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

fn store(items: Vec<Nested>, element: Oid) -> Value {
    Value::Text(Nested::List(items).store(element))
}

/// Equality of elements; NULL equals NULL here, as the array functions have it.
fn same(a: &Value, b: ValueRef<'_>, ty: Oid) -> bool {
    match (a, b) {
        (Value::Null, ValueRef::Null) => true,
        (Value::Null, _) | (_, ValueRef::Null) => false,
        (a, b) => pg::compare(a.as_ref(), b, TypeRef::of(ty)) == Ordering::Equal,
    }
}

/// The array argument's place: the element type stands with it.
fn array_of(call: &Call<'_>, at: usize) -> Result<Vec<Nested>, SqlError> {
    if let ValueRef::Text(_) = call.arg(at) { Ok(items(read(call, at)?)) } else { Ok(Vec::new()) }
}

fn leaf(call: &Call<'_>, at: usize) -> Nested {
    Nested::Leaf(call.arg(at).to_value())
}

fn append(call: &Call<'_>) -> Result<Value, SqlError> {
    let mut all = array_of(call, 0)?;
    all.push(leaf(call, 1));
    Ok(store(all, call.element(0)))
}

fn prepend(call: &Call<'_>) -> Result<Value, SqlError> {
    let mut all = vec![leaf(call, 0)];
    all.extend(array_of(call, 1)?);
    Ok(store(all, call.element(1)))
}

fn cat(call: &Call<'_>) -> Result<Value, SqlError> {
    match (call.arg(0), call.arg(1)) {
        (ValueRef::Null, other) | (other, ValueRef::Null) => return Ok(other.to_value()),
        _ => {}
    }
    let (a, b) = (read(call, 0)?, read(call, 1)?);
    let depth = |n: &Nested| n.dimensions().len();
    let (deep_a, deep_b) = (depth(&a), depth(&b));
    let all = match (a, b) {
        // An array joins one of a further dimension as its element.
        (a, b) if deep_a > 0 && deep_a + 1 == deep_b => std::iter::once(a).chain(items(b)).collect(),
        (a, b) if deep_b > 0 && deep_b + 1 == deep_a => items(a).into_iter().chain(std::iter::once(b)).collect(),
        (a, b) => items(a).into_iter().chain(items(b)).collect(),
    };
    Ok(store(all, call.element(0)))
}

fn contains(call: &Call<'_>, outer: usize, inner: usize) -> Result<Value, SqlError> {
    let element = call.element(outer);
    let (outer, inner) = (read(call, outer)?, read(call, inner)?);
    let outer = outer.leaves();
    // NULL is in nothing.
    let has = |wanted: &&Value| !wanted.is_null() && outer.iter().any(|o| same(o, wanted.as_ref(), element));
    Ok(boolean(inner.leaves().iter().all(has)))
}

fn overlaps(call: &Call<'_>) -> Result<Value, SqlError> {
    let element = call.element(0);
    let (a, b) = (read(call, 0)?, read(call, 1)?);
    let b = b.leaves();
    let has = |x: &&Value| !x.is_null() && b.iter().any(|y| same(y, x.as_ref(), element));
    Ok(boolean(a.leaves().iter().any(has)))
}

/// The length of a dimension counted from 1.
fn dimension(call: &Call<'_>) -> Result<Option<usize>, SqlError> {
    let at = usize::try_from(call.int(1)).ok().and_then(|n| n.checked_sub(1));
    Ok(at.zip(Some(read(call, 0)?.dimensions())).and_then(|(at, all)| all.get(at).copied()))
}

fn remove(call: &Call<'_>) -> Result<Value, SqlError> {
    if call.arg(0) == ValueRef::Null {
        return Ok(Value::Null);
    }
    let element = call.element(0);
    let mut all = array_of(call, 0)?;
    all.retain(|item| !matches!(item, Nested::Leaf(value) if same(value, call.arg(1), element)));
    Ok(store(all, element))
}

fn replace(call: &Call<'_>) -> Result<Value, SqlError> {
    if call.arg(0) == ValueRef::Null {
        return Ok(Value::Null);
    }
    let element = call.element(0);
    let mut change = |value: &Value| Ok(if same(value, call.arg(1), element) { call.arg(2).to_value() } else { value.clone() });
    Ok(Value::Text(read(call, 0)?.map(&mut change)?.store(element)))
}

fn positions(call: &Call<'_>) -> Result<Option<Vec<i64>>, SqlError> {
    if call.arg(0) == ValueRef::Null {
        return Ok(None);
    }
    let element = call.element(0);
    let start = if call.len() > 2 { call.int(2).max(1) } else { 1 };
    let array = read(call, 0)?;
    let found = array.leaves().into_iter().zip(1i64..).filter(|(value, at)| *at >= start && same(value, call.arg(1), element));
    Ok(Some(found.map(|(_, at)| at).collect()))
}

fn to_text(call: &Call<'_>) -> Result<Value, SqlError> {
    let (ValueRef::Text(_), ValueRef::Text(separator)) = (call.arg(0), call.arg(1)) else { return Ok(Value::Null) };
    let null = if let ValueRef::Text(null) = call.arg(2) { Some(null) } else { None };
    let element = TypeRef::of(call.element(0));
    let mut out = String::new();
    let mut is_first = true;
    for value in read(call, 0)?.leaves() {
        if value.is_null() && null.is_none() {
            continue;
        }
        if !is_first {
            out.push_str(separator);
        }
        is_first = false;
        match (value.is_null(), null) {
            (true, Some(null)) => out.push_str(null),
            _ => pg::text(value.as_ref(), element, &mut out),
        }
    }
    Ok(Value::Text(out))
}

fn trim(call: &Call<'_>) -> Result<Value, SqlError> {
    let mut all = array_of(call, 0)?;
    match usize::try_from(call.int(1)).ok().filter(|n| *n <= all.len()) {
        Some(n) => {
            all.truncate(all.len() - n);
            Ok(store(all, call.element(0)))
        }
        None => refuse(SqlState::ARRAY_SUBSCRIPT, format!("number of elements to trim must be between 0 and {}", all.len())),
    }
}

/// Raw elements of a stored array, whatever their type.
fn raw_items(text: &str) -> Result<Vec<Box<serde_json::value::RawValue>>, SqlError> {
    serde_json::from_str(text).map_err(|_| SqlError::new(SqlState::INVALID_TEXT, "malformed array"))
}

/// `a[i:j]`; an open end is NULL.
fn slice(call: &Call<'_>) -> Result<Value, SqlError> {
    let ValueRef::Text(text) = call.arg(0) else { return Ok(Value::Null) };
    let all = raw_items(text)?;
    let bound = |at: usize, open: usize| match call.arg(at) {
        ValueRef::Int(n) => usize::try_from(n.max(0)).unwrap_or(usize::MAX),
        _ => open,
    };
    let (from, to) = (bound(1, 1).max(1), bound(2, all.len()).min(all.len()));
    let part: Vec<&str> = all.iter().take(to).skip(from - 1).map(|r| r.get()).collect();
    Ok(Value::Text(format!("[{}]", part.join(","))))
}

/// A JSON element in storage form: numbers, strings, true and false as 1 and 0, inner arrays as text.
fn unwrapped(json: &str) -> Value {
    match serde_json::from_str(json) {
        Ok(serde_json::Value::String(text)) => Value::Text(text),
        Ok(serde_json::Value::Bool(b)) => boolean(b),
        Ok(serde_json::Value::Number(n)) => match (n.as_i64(), n.as_f64()) {
            (Some(n), _) => Value::Int(n),
            (None, Some(x)) => Value::Real(x),
            _ => Value::Null,
        },
        Ok(serde_json::Value::Null) | Err(_) => Value::Null,
        Ok(_) => Value::from(json),
    }
}

/// An element, given its type and its JSON: arrays hold bytes as their text, and of a real the shortest text.
fn item(call: &Call<'_>) -> Result<Value, SqlError> {
    let ty = super::json::type_argument(call, 0);
    match unwrapped(call.text(1)) {
        Value::Text(text) if ty.oid == oid::BYTEA => pg::input(&text, ty),
        #[allow(clippy::cast_possible_truncation)] // to the real it is the text of
        value if ty.oid == oid::FLOAT4 => {
            Ok(pg::read_float(value.as_ref()).map_or(value, |x| pg::store_float(f64::from(x as f32))))
        }
        value => Ok(value),
    }
}

fn subscript(call: &Call<'_>) -> Result<Value, SqlError> {
    let at = usize::try_from(call.int(1)).ok().and_then(|n| n.checked_sub(1));
    let all = raw_items(call.text(0))?;
    Ok(at.and_then(|at| all.get(at)).map_or(Value::Null, |item| unwrapped(item.get())))
}

fn list(values: Vec<Value>, ty: Oid) -> Result<Value, SqlError> {
    if values.len() > LONGEST_SERIES {
        return refuse(SqlState::PROGRAM_LIMIT, format!("a series is longer than {LONGEST_SERIES} values"));
    }
    Ok(Value::Text(pg::array_from_values(values, ty)))
}

fn zero_step() -> SqlError {
    SqlError::new(SqlState::INVALID_PARAMETER, "step size cannot equal zero")
}

fn generate_series(call: &Call<'_>) -> Result<Value, SqlError> {
    let mut values = Vec::new();
    match call.ty(0) {
        oid::NUMERIC => {
            let (mut at, end) = (numeric(call.arg(0))?, numeric(call.arg(1))?);
            let by = if call.len() > 2 { numeric(call.arg(2))? } else { Numeric::from(1) };
            if by.is_zero() {
                return Err(zero_step());
            }
            while (by.signum() > 0 && at <= end || by.signum() < 0 && at >= end) && values.len() <= LONGEST_SERIES {
                call.run.check_deadline()?;
                values.push(stored(&at));
                at = at.add(&by)?;
            }
            list(values, oid::NUMERIC)
        }
        ty @ (oid::TIMESTAMP | oid::TIMESTAMPTZ) => {
            let read = |at| super::datetime::moment(call.text(at));
            let (mut at, end, by) = (read(0)?, read(1)?, Interval::parse(call.text(2))?);
            let forwards = by.span() > 0;
            if by.span() == 0 {
                return Err(zero_step());
            }
            while (forwards && at <= end || !forwards && at >= end) && values.len() <= LONGEST_SERIES {
                call.run.check_deadline()?;
                values.push(super::datetime::stored(at, ty == oid::TIMESTAMPTZ));
                at = datetime::add_interval(at, by)?;
            }
            list(values, ty)
        }
        _ => {
            let (mut at, end) = (call.int(0), call.int(1));
            let by = if call.len() > 2 { call.int(2) } else { 1 };
            if by == 0 {
                return Err(zero_step());
            }
            while (by > 0 && at <= end || by < 0 && at >= end) && values.len() <= LONGEST_SERIES {
                values.push(Value::Int(at));
                match at.checked_add(by) {
                    Some(next) => at = next,
                    None => break,
                }
            }
            list(values, oid::INT8)
        }
    }
}

fn generate_subscripts(call: &Call<'_>) -> Result<Value, SqlError> {
    let length = dimension(call)?.unwrap_or(0);
    list((1..=length).map(size).collect(), oid::INT8)
}

/// A value as arrays hold it: JSON text of its storage form.
fn element(call: &Call<'_>) -> Result<Value, SqlError> {
    let ty = super::json::type_argument(call, 0).oid;
    // An array inside another is a further dimension of it.
    if pg::element(ty).is_some() && !matches!(call.arg(1), ValueRef::Null) {
        return Ok(call.arg(1).to_value());
    }
    let text = pg::array_from_values([call.arg(1).to_value()], ty);
    Ok(Value::from(text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or("null")))
}

pub(super) const TABLE: &[Row] = &[
    ("array_append", append),
    ("array_prepend", prepend),
    ("array_cat", cat),
    ("arraycontains", |c| contains(c, 0, 1)),
    ("arraycontained", |c| contains(c, 1, 0)),
    ("arrayoverlap", overlaps),
    ("array_length", |c| Ok(dimension(c)?.map_or(Value::Null, size))),
    ("array_upper", |c| Ok(dimension(c)?.map_or(Value::Null, size))),
    ("array_lower", |c| Ok(dimension(c)?.map_or(Value::Null, |_| Value::Int(1)))),
    ("array_ndims", |c| {
        Ok(match read(c, 0)?.dimensions().len() {
            0 => Value::Null,
            n => size(n),
        })
    }),
    ("cardinality", |c| Ok(size(read(c, 0)?.leaves().len()))),
    ("array_remove", remove),
    ("array_replace", replace),
    ("array_position", |c| Ok(positions(c)?.and_then(|all| all.first().copied()).map_or(Value::Null, Value::Int))),
    ("array_positions", |c| {
        Ok(positions(c)?
            .map_or(Value::Null, |all| Value::Text(pg::array_from_values(all.into_iter().map(Value::Int), oid::INT4))))
    }),
    ("array_to_string", to_text),
    ("trim_array", trim),
    ("array_slice", slice),
    ("subscript", subscript),
    ("array_item", item),
    ("basalt_element", element),
    ("generate_series", generate_series),
    ("generate_subscripts", generate_subscripts),
];
