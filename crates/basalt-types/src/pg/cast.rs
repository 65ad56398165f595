//! Casts between the built-in types, and type modifiers.

use super::datetime::{self, DAY, INFINITY, Interval, NEG_INFINITY};
use super::input::{self, read_float, store_float};
use super::{Json, Nested, Numeric, Oid, TypeRef, element, json, network, oid, output};
use crate::{SqlError, SqlState, Timestamp, Value, ValueRef};

/// Converts a stored value between built-in types as PostgreSQL's `CAST` does; time zones are UTC.
///
/// `explicit` is what the user wrote as a cast: `varchar(n)` then cuts silently, where an assignment fails.
/// Whether PostgreSQL allows the cast in an assignment is the caller's question.
///
/// # Errors
/// 42846 where there is no cast; 22003, 22P02 and others where the value does not fit.
pub fn cast(value: ValueRef<'_>, from: TypeRef, to: TypeRef, explicit: bool) -> Result<Value, SqlError> {
    if matches!(value, ValueRef::Null) {
        return Ok(Value::Null);
    }
    let converted = convert(value, from, to, explicit)?;
    apply_typmod(converted, to, explicit)
}

fn is_text(oid: Oid) -> bool {
    matches!(oid, oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::CITEXT | oid::UNKNOWN | oid::CSTRING | oid::CHAR)
}

fn is_number(oid: Oid) -> bool {
    matches!(oid, oid::INT2 | oid::INT4 | oid::INT8 | oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC)
}

fn is_integer(oid: Oid) -> bool {
    matches!(oid, oid::INT2 | oid::INT4 | oid::INT8)
}

fn is_oid_like(ty: Oid) -> bool {
    matches!(ty, oid::OID | oid::REGCLASS | oid::REGTYPE | oid::REGROLE | oid::REGNAMESPACE | oid::REGPROC)
}

fn cannot_cast(from: TypeRef, to: TypeRef) -> SqlError {
    let text = format!("cannot cast type {} to {}", output::sql_name(from.oid), output::sql_name(to.oid));
    SqlError::new(SqlState::CANNOT_COERCE, text)
}

fn unreadable(from: TypeRef) -> SqlError {
    SqlError::internal(format!("a stored value of type {} cannot be read", output::sql_name(from.oid)))
}

/// All of a cast but the modifier.
fn convert(value: ValueRef<'_>, from: TypeRef, to: TypeRef, explicit: bool) -> Result<Value, SqlError> {
    if from.oid == to.oid {
        return Ok(value.to_value());
    }
    if let (Some(from_elem), Some(to_elem), ValueRef::Text(stored)) = (element(from.oid), element(to.oid), value) {
        let (from, to) = (TypeRef { oid: from_elem, ..from }, TypeRef { oid: to_elem, ..to });
        let nested = Nested::from_stored(stored, from_elem)?.map(&mut |item| cast(item.as_ref(), from, to, explicit))?;
        return Ok(Value::Text(nested.store(to_elem)));
    }
    if (from.oid, to.oid) == (oid::INT4, oid::CHAR) || (from.oid, to.oid) == (oid::CHAR, oid::INT4) {
        return byte_cast(value, from, to);
    }
    if is_text(to.oid) {
        return Ok(to_text_type(value, from, to));
    }
    if is_text(from.oid) {
        let ValueRef::Text(text) = value else { return Err(unreadable(from)) };
        // The modifier is applied afterwards, as the cast's own rule says.
        return input::input(text, TypeRef { oid: to.oid, typmod: -1 });
    }
    match (from.oid, to.oid) {
        (a, b) if is_number(a) && is_number(b) => number(value, from, to.oid),
        (oid::BOOL, oid::INT4) | (oid::JSON, oid::JSON) => Ok(value.to_value()),
        (oid::INT4, oid::BOOL) => match value {
            ValueRef::Int(n) => Ok(Value::from(n != 0)),
            _ => Err(unreadable(from)),
        },
        (a, b) if is_oid_like(a) && is_oid_like(b) => Ok(value.to_value()),
        (a, b) if (is_integer(a) && is_oid_like(b)) || (is_oid_like(a) && matches!(b, oid::INT4 | oid::INT8)) => {
            oid_cast(value, from, to)
        }
        (oid::JSON, oid::JSONB) => match value {
            ValueRef::Text(text) => Ok(Value::Text(json::jsonb_normalise(text)?)),
            _ => Err(unreadable(from)),
        },
        (oid::JSONB, oid::JSON) => Ok(value.to_value()),
        (oid::JSONB, b) if is_number(b) || b == oid::BOOL => from_jsonb(value, from, to),
        (oid::INET, oid::CIDR) => match value {
            ValueRef::Text(text) => Ok(Value::Text(network::parse(text, false)?.network().show(true))),
            _ => Err(unreadable(from)),
        },
        (oid::CIDR, oid::INET) => match value {
            ValueRef::Text(text) => Ok(Value::Text(network::parse(text, false)?.show(false))),
            _ => Err(unreadable(from)),
        },
        _ => moment(value, from, to),
    }
}

fn to_text_type(value: ValueRef<'_>, from: TypeRef, to: TypeRef) -> Value {
    let text = match (from.oid, value) {
        (oid::BOOL, ValueRef::Int(n)) => if n == 0 { "false" } else { "true" }.to_owned(),
        // The cast shows the mask always, unlike the type's output.
        (oid::INET, ValueRef::Text(text)) => network::parse(text, false).map_or_else(|_| text.to_owned(), |n| n.show(true)),
        (oid::BPCHAR, ValueRef::Text(text)) => text.trim_end_matches(' ').to_owned(),
        _ => {
            let mut out = String::new();
            output::text(value, from, &mut out);
            out
        }
    };
    match to.oid {
        oid::NAME => Value::from(input::name(&text)),
        oid::CHAR => Value::Text(input::single_char(&text)),
        _ => Value::Text(text),
    }
}

fn out_of_range(to: Oid) -> SqlError {
    let message = match to {
        oid::FLOAT4 => "value out of range: overflow".to_owned(),
        oid::OID => "OID out of range".to_owned(),
        _ => format!("{} out of range", output::sql_name(to)),
    };
    SqlError::new(SqlState::OUT_OF_RANGE, message)
}

fn integer(n: Option<i64>, to: Oid) -> Result<Value, SqlError> {
    n.filter(|n| input::fits(*n, to)).map(Value::Int).ok_or_else(|| out_of_range(to))
}

fn number(value: ValueRef<'_>, from: TypeRef, to: Oid) -> Result<Value, SqlError> {
    match from.oid {
        oid::FLOAT4 | oid::FLOAT8 => {
            let x = read_float(value).ok_or_else(|| unreadable(from))?;
            match to {
                oid::FLOAT4 => narrow(x),
                oid::FLOAT8 => Ok(store_float(x)),
                oid::NUMERIC => {
                    #[allow(clippy::cast_possible_truncation)] // a stored real is exact in single precision
                    let n = if from.oid == oid::FLOAT4 { Numeric::from_f32(x as f32) } else { Numeric::from_f64(x) };
                    Ok(Value::Text(n.to_string()))
                }
                _ => {
                    let rounded = x.round_ties_even();
                    // The upper bound itself is 2^63, which does not fit.
                    let inside = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded);
                    #[allow(clippy::cast_possible_truncation)]
                    integer(inside.then_some(rounded as i64), to)
                }
            }
        }
        oid::NUMERIC => {
            let n = match value {
                ValueRef::Text(text) => Numeric::parse(text)?,
                ValueRef::Int(n) => Numeric::from(n),
                ValueRef::Real(x) => Numeric::from_f64(x),
                _ => return Err(unreadable(from)),
            };
            numeric_to(&n, to)
        }
        _ => {
            let ValueRef::Int(n) = value else { return Err(unreadable(from)) };
            match to {
                #[allow(clippy::cast_precision_loss)]
                oid::FLOAT4 => Ok(store_float(f64::from(n as f32))),
                #[allow(clippy::cast_precision_loss)]
                oid::FLOAT8 => Ok(store_float(n as f64)),
                oid::NUMERIC => Ok(Value::Text(n.to_string())),
                _ => integer(Some(n), to),
            }
        }
    }
}

/// double precision to real
fn narrow(x: f64) -> Result<Value, SqlError> {
    #[allow(clippy::cast_possible_truncation)]
    let single = x as f32;
    if single.is_infinite() && x.is_finite() {
        return Err(out_of_range(oid::FLOAT4));
    }
    if single == 0.0 && x != 0.0 {
        return Err(SqlError::new(SqlState::OUT_OF_RANGE, "value out of range: underflow"));
    }
    Ok(store_float(f64::from(single)))
}

fn numeric_to(n: &Numeric, to: Oid) -> Result<Value, SqlError> {
    match to {
        oid::NUMERIC => Ok(Value::Text(n.to_string())),
        oid::FLOAT4 | oid::FLOAT8 => {
            let x = if to == oid::FLOAT4 { f64::from(n.to_f32()) } else { n.to_f64() };
            if n.is_finite() && (x.is_infinite() || (x == 0.0 && !n.is_zero())) {
                let name = output::sql_name(to);
                return Err(SqlError::new(SqlState::OUT_OF_RANGE, format!("\"{n}\" is out of range for type {name}")));
            }
            Ok(store_float(x))
        }
        _ if !n.is_finite() => {
            let what = if n.is_nan() { "NaN" } else { "infinity" };
            Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, format!("cannot convert {what} to {}", output::sql_name(to))))
        }
        _ => integer(n.to_i64(), to),
    }
}

fn oid_cast(value: ValueRef<'_>, from: TypeRef, to: TypeRef) -> Result<Value, SqlError> {
    let ValueRef::Int(n) = value else { return Err(unreadable(from)) };
    if to.oid == oid::INT8 {
        return Ok(Value::Int(n));
    }
    if to.oid == oid::INT4 {
        // The same 32 bits, read with a sign.
        let bits = u32::try_from(n).map_err(|_| out_of_range(to.oid))?;
        return Ok(Value::Int(i64::from(bits.cast_signed())));
    }
    match i32::try_from(n) {
        Ok(small) if from.oid != oid::INT8 => Ok(Value::Int(i64::from(small.cast_unsigned()))),
        _ => u32::try_from(n).map(|n| Value::Int(i64::from(n))).map_err(|_| out_of_range(oid::OID)),
    }
}

/// Between `"char"` and the number of its byte, -128 to 127.
fn byte_cast(value: ValueRef<'_>, from: TypeRef, to: TypeRef) -> Result<Value, SqlError> {
    match value {
        ValueRef::Int(n) => {
            let byte = i8::try_from(n).map_err(|_| out_of_range(to.oid))?.cast_unsigned();
            Ok(Value::Text(input::single_char(&format!("\\{byte:03o}"))))
        }
        ValueRef::Text(text) => {
            let octal = text.strip_prefix('\\').filter(|d| d.len() == 3).and_then(|d| u8::from_str_radix(d, 8).ok());
            let byte = octal.or(text.bytes().next()).unwrap_or(0);
            Ok(Value::Int(i64::from(byte.cast_signed())))
        }
        _ => Err(unreadable(from)),
    }
}

fn from_jsonb(value: ValueRef<'_>, from: TypeRef, to: TypeRef) -> Result<Value, SqlError> {
    let ValueRef::Text(text) = value else { return Err(unreadable(from)) };
    match (Json::parse(text)?, to.oid) {
        (Json::Bool(b), oid::BOOL) => Ok(Value::from(b)),
        (Json::Number(n), b) if b != oid::BOOL => numeric_to(&Numeric::parse(&n)?, b),
        (other, _) => {
            let what = match other {
                Json::Number(_) => "numeric",
                Json::Bool(_) => "boolean",
                other => other.type_name(),
            };
            let text = format!("cannot cast jsonb {what} to type {}", output::sql_name(to.oid));
            Err(SqlError::new(SqlState::INVALID_PARAMETER, text))
        }
    }
}

/// Dates, times, intervals.
fn moment(value: ValueRef<'_>, from: TypeRef, to: TypeRef) -> Result<Value, SqlError> {
    let ValueRef::Text(text) = value else { return Err(cannot_cast(from, to)) };
    let read = |at: Option<i64>| at.ok_or_else(|| unreadable(from));
    let timestamp = |micros: Timestamp| Ok(input::store_timestamp(micros, TypeRef::of(to.oid)));
    match (from.oid, to.oid) {
        (oid::DATE, oid::TIMESTAMP | oid::TIMESTAMPTZ) => timestamp(match read(datetime::date_from_stored(text))? {
            i64::MAX => INFINITY,
            i64::MIN => NEG_INFINITY,
            days => Timestamp(days.saturating_mul(DAY)),
        }),
        (oid::TIMESTAMP, oid::TIMESTAMPTZ) | (oid::TIMESTAMPTZ, oid::TIMESTAMP) => {
            timestamp(datetime::timestamp_from_stored(text).ok_or_else(|| unreadable(from))?)
        }
        (oid::TIMESTAMP | oid::TIMESTAMPTZ, oid::DATE | oid::TIME) | (oid::TIMESTAMPTZ, oid::TIMETZ) => {
            let at = datetime::timestamp_from_stored(text).ok_or_else(|| unreadable(from))?;
            let infinite = at == INFINITY || at == NEG_INFINITY;
            match to.oid {
                oid::DATE => {
                    let mut out = String::with_capacity(10);
                    datetime::write_date(if infinite { at.0 } else { at.0.div_euclid(DAY) }, &mut out);
                    Ok(Value::Text(out))
                }
                // An infinity has no time of day.
                oid::TIME | oid::TIMETZ if infinite => Ok(Value::Null),
                oid::TIME => Ok(input::store_time(at.0.rem_euclid(DAY), -1)),
                _ => Ok(input::store_timetz(at.0.rem_euclid(DAY), 0, -1)),
            }
        }
        (oid::TIME, oid::TIMETZ) => Ok(input::store_timetz(read(datetime::time_from_stored(text))?, 0, -1)),
        (oid::TIMETZ, oid::TIME) => Ok(input::store_time(read(datetime::time_from_stored(text))?, -1)),
        (oid::TIME, oid::INTERVAL) => {
            let micros = read(datetime::time_from_stored(text))?;
            Ok(Value::Text(Interval { months: 0, days: 0, micros }.to_string()))
        }
        (oid::INTERVAL, oid::TIME) => {
            let interval = Interval::parse(text)?;
            if interval.infinite().is_some() {
                return Err(SqlError::new(SqlState::DATETIME_OVERFLOW, "cannot convert infinite interval to time"));
            }
            Ok(input::store_time(interval.micros.rem_euclid(DAY), -1))
        }
        _ => Err(cannot_cast(from, to)),
    }
}

/// Applies a type's modifier to a value of the type: length, precision, scale.
///
/// # Errors
/// 22001 when a text is too long (spaces at its end do not count), 22003 when a number does not fit.
pub fn apply_typmod(value: Value, ty: TypeRef, explicit: bool) -> Result<Value, SqlError> {
    if ty.typmod < 0 {
        return Ok(value);
    }
    match (ty.oid, value) {
        (oid::VARCHAR | oid::BPCHAR, Value::Text(text)) => fit_length(text, ty, explicit).map(Value::Text),
        (oid::NUMERIC, Value::Text(text)) => Ok(Value::Text(Numeric::parse(&text)?.apply_typmod(ty.typmod)?.to_string())),
        (oid::TIMESTAMP | oid::TIMESTAMPTZ, Value::Text(text)) if ty.typmod < 6 => match datetime::timestamp_from_stored(&text) {
            Some(at) => Ok(input::store_timestamp(at, ty)),
            None => Ok(Value::Text(text)),
        },
        (oid::TIME, Value::Text(text)) if ty.typmod < 6 => match datetime::time_from_stored(&text) {
            Some(micros) => Ok(input::store_time(micros, ty.typmod)),
            None => Ok(Value::Text(text)),
        },
        (oid::TIMETZ, Value::Text(text)) if ty.typmod < 6 => match datetime::timetz_from_stored(&text) {
            Some((micros, offset)) => Ok(input::store_timetz(micros, offset, ty.typmod)),
            None => Ok(Value::Text(text)),
        },
        (other, Value::Text(text)) => match element(other) {
            Some(elem) => {
                let ty = TypeRef { oid: elem, ..ty };
                let nested = Nested::from_stored(&text, elem)?.map(&mut |item| apply_typmod(item.clone(), ty, explicit))?;
                Ok(Value::Text(nested.store(elem)))
            }
            None => Ok(Value::Text(text)),
        },
        (_, value) => Ok(value),
    }
}

fn fit_length(mut text: String, ty: TypeRef, explicit: bool) -> Result<String, SqlError> {
    let Ok(limit) = usize::try_from(ty.typmod - 4) else { return Ok(text) };
    let padded = ty.oid == oid::BPCHAR;
    // Bytes bound characters from above; most texts need no counting.
    if text.len() <= limit && !padded {
        return Ok(text);
    }
    if let Some((cut, _)) = text.char_indices().nth(limit) {
        let rest = text.get(cut..).unwrap_or("");
        if !explicit && rest.bytes().any(|b| b != b' ') {
            let name = if padded { "character" } else { "character varying" };
            return Err(SqlError::new(SqlState::STRING_TOO_LONG, format!("value too long for type {name}({limit})")));
        }
        text.truncate(cut);
    } else if padded {
        let missing = limit.saturating_sub(text.chars().count());
        text.extend(std::iter::repeat_n(' ', missing));
    }
    Ok(text)
}
