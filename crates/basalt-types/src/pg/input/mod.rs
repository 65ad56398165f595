//! PostgreSQL's text input: from the text of a value to its storage form.

mod scalar;

pub use scalar::parse_bytea;
pub(super) use scalar::{fits, name, single_char};

use super::datetime::{self, Interval};
use super::{Nested, Numeric, Oid, TypeRef, array, cast::apply_typmod, element, float, is_space, json, network, oid, output};
use crate::{SqlError, Timestamp, Value, ValueRef};
use float::Width;

/// Reads a value's text as PostgreSQL's input function of the type does, with the type's modifier.
///
/// `now`, `today`, `tomorrow` and `yesterday` are refused: see [`input_at`].
///
/// # Errors
/// PostgreSQL's, with its messages: 22P02, 22003, 22007, 22008, 22001 and others by type; 0A000 for types and years that have no
/// storage form.
pub fn input(text: &str, ty: TypeRef) -> Result<Value, SqlError> {
    read(text, ty, None)
}

/// As [`input`], with the moment that `now` and `today` mean.
///
/// # Errors
/// As [`input`].
pub fn input_at(text: &str, ty: TypeRef, now: Timestamp) -> Result<Value, SqlError> {
    read(text, ty, Some(now))
}

/// A float's storage form: a number, or the text `NaN`, which SQLite cannot keep as one.
pub fn store_float(x: f64) -> Value {
    if x.is_nan() { Value::from("NaN") } else { Value::Real(x) }
}

/// The number of a stored float.
pub fn read_float(value: ValueRef<'_>) -> Option<f64> {
    match value {
        ValueRef::Real(x) => Some(x),
        #[allow(clippy::cast_precision_loss)]
        ValueRef::Int(n) => Some(n as f64),
        ValueRef::Text("-0") => Some(-0.0),
        ValueRef::Text("NaN") => Some(f64::NAN),
        ValueRef::Text("Infinity") => Some(f64::INFINITY),
        ValueRef::Text("-Infinity") => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

pub(super) fn read(text: &str, ty: TypeRef, now: Option<Timestamp>) -> Result<Value, SqlError> {
    if text.contains('\0') {
        return Err(SqlError::new(crate::SqlState::INVALID_ENCODING, "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    let value = match ty.oid {
        oid::BOOL => Value::from(scalar::boolean(text)?),
        oid::INT2 | oid::INT4 | oid::INT8 => Value::Int(scalar::integer(text, ty.oid)?),
        oid::OID => Value::Int(scalar::oid(text)?),
        oid::FLOAT4 => store_float(float::parse(text, Width::Single)?),
        oid::FLOAT8 => store_float(float::parse(text, Width::Double)?),
        oid::NUMERIC => Value::Text(Numeric::parse(text)?.apply_typmod(ty.typmod)?.to_string()),
        oid::TEXT | oid::CITEXT | oid::UNKNOWN | oid::CSTRING => Value::from(text),
        oid::VARCHAR | oid::BPCHAR => return apply_typmod(Value::from(text), ty, false),
        oid::NAME => Value::from(scalar::name(text)),
        oid::CHAR => Value::Text(scalar::single_char(text)),
        oid::UUID => Value::Text(scalar::uuid(text)?),
        oid::BYTEA => Value::Blob(parse_bytea(text)?),
        oid::JSON => {
            json::json_validate(text)?;
            Value::from(text)
        }
        oid::JSONB => Value::Text(json::jsonb_normalise(text)?),
        oid::DATE => {
            let mut out = String::with_capacity(10);
            datetime::write_date(datetime::parse_date(text, now)?, &mut out);
            Value::Text(out)
        }
        oid::TIME => store_time(datetime::parse_time(text, now)?, ty.typmod),
        oid::TIMETZ => {
            let (micros, offset) = datetime::parse_timetz(text, now)?;
            store_timetz(micros, offset, ty.typmod)
        }
        oid::TIMESTAMP => store_timestamp(datetime::parse_timestamp(text, false, now)?, ty),
        oid::TIMESTAMPTZ => store_timestamp(datetime::parse_timestamp(text, true, now)?, ty),
        oid::INTERVAL => Value::Text(Interval::parse(text)?.to_string()),
        oid::INET => Value::Text(network::parse(text, false)?.show(false)),
        oid::CIDR => Value::Text(network::parse(text, true)?.show(true)),
        oid::MACADDR => Value::Text(network::parse_macaddr(text)?),
        oid::REGCLASS | oid::REGTYPE | oid::REGROLE | oid::REGNAMESPACE | oid::REGPROC
            if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) =>
        {
            Value::Int(scalar::oid(text)?)
        }
        other => match element(other) {
            Some(elem) => read_array(text, elem, ty.typmod, now)?,
            None => return Err(SqlError::unsupported(format!("a value of type {}", output::sql_name(other)))),
        },
    };
    Ok(value)
}

fn read_array(text: &str, elem: Oid, typmod: i32, now: Option<Timestamp>) -> Result<Value, SqlError> {
    let ty = TypeRef { oid: elem, typmod };
    let nested: Nested = array::parse(text.trim_matches(is_space), &mut |item| read(item, ty, now)).map_err(|mut e| {
        // The whole text is shown, white space included.
        if e.message.starts_with("malformed array literal") {
            e.message = format!("malformed array literal: \"{text}\"");
        }
        e
    })?;
    Ok(Value::Text(nested.store(elem)))
}

/// The storage form of a time with its precision.
pub(super) fn store_time(micros: i64, typmod: i32) -> Value {
    let mut out = String::with_capacity(16);
    datetime::write_time(datetime::round_micros(micros, typmod), &mut out);
    Value::Text(out)
}

pub(super) fn store_timetz(micros: i64, offset: i32, typmod: i32) -> Value {
    let mut out = String::with_capacity(24);
    datetime::write_time(datetime::round_micros(micros, typmod), &mut out);
    datetime::write_offset(offset, &mut out);
    Value::Text(out)
}

pub(super) fn store_timestamp(at: Timestamp, ty: TypeRef) -> Value {
    let at = datetime::round_timestamp(at, ty.typmod);
    let mut out = String::with_capacity(32);
    if ty.oid == oid::TIMESTAMPTZ {
        datetime::write_timestamptz(at, &mut out)
    } else {
        datetime::write_timestamp(at, &mut out)
    }
    Value::Text(out)
}
