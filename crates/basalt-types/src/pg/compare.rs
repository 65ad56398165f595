//! The btree order of each type.

use super::datetime::{self, Interval};
use super::{Json, Nested, Numeric, Oid, TypeRef, element, input::read_float, network, oid};
use crate::ValueRef;
use std::cmp::Ordering;

/// Compares two stored values as the type's btree operator class does. NULL comes after everything and equals itself.
///
/// Text is in C order. Infallible: text that is no value of the type is compared by bytes.
pub fn compare(a: ValueRef<'_>, b: ValueRef<'_>, ty: TypeRef) -> Ordering {
    match (a, b) {
        (ValueRef::Null, ValueRef::Null) => return Ordering::Equal,
        (ValueRef::Null, _) => return Ordering::Greater,
        (_, ValueRef::Null) => return Ordering::Less,
        (ValueRef::Int(a), ValueRef::Int(b)) => return a.cmp(&b),
        _ => {}
    }
    match ty.oid {
        oid::FLOAT4 | oid::FLOAT8 => match (read_float(a), read_float(b)) {
            (Some(a), Some(b)) => compare_floats(a, b),
            _ => storage_order(a, b),
        },
        oid::NUMERIC => by(a, b, |v| match v {
            ValueRef::Text(text) => Numeric::parse(text).ok(),
            ValueRef::Int(n) => Some(Numeric::from(n)),
            ValueRef::Real(x) => Some(Numeric::from_f64(x)),
            _ => None,
        }),
        oid::INTERVAL => by_text(a, b, |t| Interval::parse(t).ok()),
        oid::DATE => by_text(a, b, datetime::date_from_stored),
        oid::TIMESTAMP | oid::TIMESTAMPTZ => by_text(a, b, datetime::timestamp_from_stored),
        // By the moment in UTC, then by the zone, west of Greenwich last.
        oid::TIMETZ => by_text(a, b, |t| {
            datetime::timetz_from_stored(t).map(|(micros, offset)| (micros - i64::from(offset) * datetime::SECOND, -offset))
        }),
        oid::JSONB => match (a, b) {
            (ValueRef::Text(a), ValueRef::Text(b)) => match (Json::parse(a), Json::parse(b)) {
                (Ok(a), Ok(b)) => a.compare(&b),
                _ => a.cmp(b),
            },
            _ => storage_order(a, b),
        },
        oid::INET | oid::CIDR => by_text(a, b, network::sort_key),
        oid::BPCHAR => by_text(a, b, |t| Some(t.trim_end_matches(' ').as_bytes().to_vec())),
        oid::CITEXT => by_text(a, b, |t| Some(t.to_lowercase())),
        other => match (element(other), a, b) {
            (Some(elem), ValueRef::Text(a), ValueRef::Text(b)) => {
                match (Nested::from_stored(a, elem), Nested::from_stored(b, elem)) {
                    (Ok(a), Ok(b)) => compare_arrays(&a, &b, elem),
                    _ => a.cmp(b),
                }
            }
            _ => storage_order(a, b),
        },
    }
}

fn by_text<K: Ord>(a: ValueRef<'_>, b: ValueRef<'_>, key: impl Fn(&str) -> Option<K>) -> Ordering {
    by(a, b, |v| match v {
        ValueRef::Text(text) => key(text),
        _ => None,
    })
}

fn by<'a, K: Ord>(a: ValueRef<'a>, b: ValueRef<'a>, key: impl Fn(ValueRef<'a>) -> Option<K>) -> Ordering {
    match (key(a), key(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        // What is no value of the type comes last, so that the order stays total.
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => storage_order(a, b),
    }
}

/// NaN equals itself and is above infinity; both zeros are equal.
fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// SQLite's order of storage classes: numbers, texts, blobs.
fn storage_order(a: ValueRef<'_>, b: ValueRef<'_>) -> Ordering {
    let rank = |v: ValueRef<'_>| match v {
        ValueRef::Int(_) | ValueRef::Real(_) => 0,
        ValueRef::Text(_) => 1,
        ValueRef::Blob(_) => 2,
        ValueRef::Null => 3,
    };
    match (a, b) {
        (ValueRef::Text(a), ValueRef::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (ValueRef::Blob(a), ValueRef::Blob(b)) => a.cmp(b),
        (ValueRef::Int(a), ValueRef::Int(b)) => a.cmp(&b),
        #[allow(clippy::cast_precision_loss)]
        (ValueRef::Real(a), ValueRef::Int(b)) => compare_floats(a, b as f64),
        #[allow(clippy::cast_precision_loss)]
        (ValueRef::Int(a), ValueRef::Real(b)) => compare_floats(a as f64, b),
        (ValueRef::Real(a), ValueRef::Real(b)) => compare_floats(a, b),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn compare_arrays(a: &Nested, b: &Nested, elem: Oid) -> Ordering {
    let (left, right) = (a.leaves(), b.leaves());
    let elements = left.iter().zip(&right).map(|(a, b)| compare(a.as_ref(), b.as_ref(), TypeRef::of(elem)));
    elements
        .into_iter()
        .find(|o| *o != Ordering::Equal)
        .unwrap_or_else(|| left.len().cmp(&right.len()))
        .then_with(|| a.dimensions().len().cmp(&b.dimensions().len()))
        .then_with(|| a.dimensions().cmp(&b.dimensions()))
}
