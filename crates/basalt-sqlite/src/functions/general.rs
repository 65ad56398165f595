//! Casts, comparison, texts of types, identifiers, sequences, networks.

use std::net::IpAddr;

use basalt_types::pg;
use basalt_types::{Oid, SqlError, SqlState, TypeRef, Value};

use super::json::type_argument;
use super::{Call, Row, boolean, hash, refuse};

fn typed(call: &Call<'_>, oid_at: usize, typmod_at: usize) -> TypeRef {
    TypeRef { typmod: i32::try_from(call.int(typmod_at)).unwrap_or(-1), ..type_argument(call, oid_at) }
}

fn text(call: &Call<'_>) -> Result<Value, SqlError> {
    let mut out = String::new();
    pg::text(call.arg(1), type_argument(call, 0), &mut out);
    Ok(Value::Text(out))
}

fn enum_in(call: &Call<'_>) -> Result<Value, SqlError> {
    let labels: Vec<String> = serde_json::from_str(call.text(2)).unwrap_or_default();
    let text = call.text(0);
    if labels.iter().any(|label| label == text) {
        return Ok(Value::from(text));
    }
    refuse(SqlState::INVALID_TEXT, format!("invalid input value for enum {}: \"{text}\"", call.text(1)))
}

fn enum_array_in(call: &Call<'_>) -> Result<Value, SqlError> {
    let labels: Vec<String> = serde_json::from_str(call.text(2)).unwrap_or_default();
    let array = call.text(0);
    for element in pg::array_values(array, pg::oid::TEXT)? {
        if let Value::Text(text) = element
            && !labels.contains(&text)
        {
            return refuse(SqlState::INVALID_TEXT, format!("invalid input value for enum {}: \"{text}\"", call.text(1)));
        }
    }
    Ok(Value::from(array))
}

fn raise(call: &Call<'_>) -> Result<Value, SqlError> {
    refuse(SqlState::parse(call.text(0)).unwrap_or(SqlState::INTERNAL), call.text(1))
}

/// A name-based uuid of version 3 (MD5) or 5 (SHA-1).
fn name_uuid(call: &Call<'_>, version: u8) -> Result<Value, SqlError> {
    let namespace = uuid::Uuid::parse_str(call.text(0)).map_err(|_| SqlError::new(SqlState::INVALID_TEXT, "invalid uuid"))?;
    let mut input = namespace.as_bytes().to_vec();
    input.extend_from_slice(call.text(1).as_bytes());
    let hashed = if version == 3 { hash::md5(&input).to_vec() } else { hash::sha1(&input) };
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(hashed) {
        *to = from;
    }
    let built = uuid::Builder::from_bytes(bytes).with_variant(uuid::Variant::RFC4122);
    let built = built.with_version(if version == 3 { uuid::Version::Md5 } else { uuid::Version::Sha1 });
    Ok(Value::Text(built.into_uuid().to_string()))
}

/// A time-based uuid with a random node (RFC 9562, section 5.1).
fn time_uuid(call: &Call<'_>) -> Result<Value, SqlError> {
    // 100-nanosecond steps since 1582-10-15.
    let ticks = u64::try_from(call.services.clock.now().0).unwrap_or(0).wrapping_mul(10).wrapping_add(0x01b2_1dd2_1381_4000);
    let mut random = [0; 8];
    call.services.rng.fill(&mut random);
    let mut bytes = [0; 16];
    let t = ticks.to_be_bytes();
    bytes[..4].copy_from_slice(&t[4..]);
    bytes[4..6].copy_from_slice(&t[2..4]);
    bytes[6..8].copy_from_slice(&t[..2]);
    bytes[8..].copy_from_slice(&random);
    bytes[10] |= 1; // a node that is no hardware address
    let built = uuid::Builder::from_bytes(bytes).with_variant(uuid::Variant::RFC4122).with_version(uuid::Version::Mac);
    Ok(Value::Text(built.into_uuid().to_string()))
}

fn sequence(call: &Call<'_>) -> Oid {
    Oid(u32::try_from(call.int(0)).unwrap_or(0))
}

/// PostgreSQL remembers a session's last values; a session here is one request, which the writer does not tell apart: only a sequence
/// that has been used at all answers.
fn currval(call: &Call<'_>) -> Result<Value, SqlError> {
    match call.services.sequences.last(sequence(call))? {
        (last, true) => Ok(Value::Int(last)),
        _ => {
            let name = call.services.sequences.name(sequence(call))?;
            let text = format!("currval of sequence \"{name}\" is not yet defined in this session");
            Err(SqlError::new(SqlState::NOT_IN_PREREQUISITE_STATE, text))
        }
    }
}

fn setval(call: &Call<'_>) -> Result<Value, SqlError> {
    let is_called = call.len() < 3 || call.int(2) != 0;
    call.services.sequences.set(sequence(call), call.int(1), is_called).map(Value::Int)
}

/// An address with its mask; inet prints no mask for single hosts.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, mask) = match text.split_once('/') {
        Some((address, mask)) => (address.parse::<IpAddr>().ok()?, mask.parse().ok()?),
        None => {
            let address = text.parse::<IpAddr>().ok()?;
            (address, if address.is_ipv4() { 32 } else { 128 })
        }
    };
    Some((address, mask))
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// Whether `inner` lies in `outer`, and whether their masks are equal.
fn within(inner: &str, outer: &str) -> Option<(bool, bool)> {
    let ((a, a_mask), (b, b_mask)) = (network(inner)?, network(outer)?);
    let mask = if b_mask == 0 { 0 } else { u128::MAX << (128 - u32::from(b_mask.min(128))) };
    let is_inside = a.is_ipv4() == b.is_ipv4() && a_mask >= b_mask && (bits(a) & mask) == (bits(b) & mask);
    Some((is_inside, a_mask == b_mask))
}

fn inside(inner: &str, outer: &str, strictly: bool) -> Result<Value, SqlError> {
    Ok(within(inner, outer).map_or(Value::Null, |(inside, same)| boolean(inside && !(strictly && same))))
}

fn part(call: &Call<'_>, show: fn(IpAddr, u8) -> Value) -> Result<Value, SqlError> {
    Ok(network(call.text(0)).map_or(Value::Null, |(address, mask)| show(address, mask)))
}

pub(super) const TABLE: &[Row] = &[
    ("cast", |c| pg::cast(c.arg(0), typed(c, 1, 2), typed(c, 3, 4), c.int(5) != 0)),
    ("compare", |c| Ok(Value::Int(pg::compare(c.arg(0), c.arg(1), type_argument(c, 2)) as i64))),
    ("text", text),
    ("enum_in", enum_in),
    ("enum_array_in", enum_array_in),
    ("basalt_raise", raise),
    ("gen_random_uuid", |c| Ok(Value::Text(c.services.rng.uuid().to_string()))),
    ("uuid_generate_v1", time_uuid),
    ("uuid_generate_v3", |c| name_uuid(c, 3)),
    ("uuid_generate_v5", |c| name_uuid(c, 5)),
    ("uuid_nil", |_| Ok(Value::from("00000000-0000-0000-0000-000000000000"))),
    ("nextval", |c| c.services.sequences.next(sequence(c)).map(Value::Int)),
    ("currval", currval),
    ("setval", setval),
    ("network_sub", |c| inside(c.text(0), c.text(1), true)),
    ("network_subeq", |c| inside(c.text(0), c.text(1), false)),
    ("network_sup", |c| inside(c.text(1), c.text(0), true)),
    ("network_supeq", |c| inside(c.text(1), c.text(0), false)),
    ("network_overlap", |c| {
        let either = [within(c.text(0), c.text(1)), within(c.text(1), c.text(0))];
        Ok(boolean(either.into_iter().flatten().any(|(inside, _)| inside)))
    }),
    ("host", |c| part(c, |address, _| Value::Text(address.to_string()))),
    ("masklen", |c| part(c, |_, mask| Value::Int(i64::from(mask)))),
    ("family", |c| part(c, |address, _| Value::Int(if address.is_ipv4() { 4 } else { 6 }))),
];
