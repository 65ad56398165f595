//! Values of the services' own statements: to PostgreSQL as texts of the parameter's type, from it out of its binary form.

use std::error::Error;
use std::fmt::Write as _;

use basalt_types::pg::{self, oid};
use basalt_types::{Oid, Timestamp, TypeRef, Value};
use bytes::BytesMut;
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

/// Microseconds from 1970 to 2000, where PostgreSQL's time begins.
const EPOCH_US: i64 = 946_684_800_000_000;

/// Days from 1970 to 2000.
const EPOCH_DAYS: i64 = 10_957;

/// A parameter in text form, whatever its type.
#[derive(Debug)]
pub(crate) struct Param<'a>(pub &'a Value);

impl ToSql for Param<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        if self.0.is_null() {
            return Ok(IsNull::Yes);
        }
        let mut text = String::new();
        match self.0 {
            Value::Text(s) if !is_array(ty) => text.push_str(s),
            Value::Int(n) if *ty == Type::BOOL => text.push_str(if *n == 0 { "f" } else { "t" }),
            Value::Int(n) => write!(text, "{n}")?,
            value => pg::text(value.as_ref(), TypeRef::of(Oid(ty.oid())), &mut text),
        }
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

fn is_array(ty: &Type) -> bool {
    matches!(ty.kind(), Kind::Array(_))
}

/// A result in storage form (see [`Value`]).
#[derive(Debug)]
pub(crate) struct Stored(pub Value);

impl<'a> FromSql<'a> for Stored {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(match ty.kind() {
            Kind::Enum(_) => Value::Text(String::from_sql(&Type::TEXT, raw)?),
            Kind::Domain(base) => return Self::from_sql(base, raw),
            Kind::Array(item) => {
                let items: Vec<Option<Self>> = Vec::from_sql(ty, raw)?;
                let items = items.into_iter().map(|item| item.map_or(Value::Null, |stored| stored.0));
                Value::Text(pg::array_from_values(items, Oid(item.oid())))
            }
            _ => scalar(ty, raw)?,
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn scalar(ty: &Type, raw: &[u8]) -> Result<Value, Box<dyn Error + Sync + Send>> {
    let text = |raw: &[u8]| String::from_utf8(raw.to_vec()).map(Value::Text);
    Ok(match Oid(ty.oid()) {
        oid::BOOL => Value::Int(i64::from(bool::from_sql(ty, raw)?)),
        oid::INT2 => Value::Int(i16::from_sql(ty, raw)?.into()),
        oid::INT4 => Value::Int(i32::from_sql(ty, raw)?.into()),
        oid::INT8 => Value::Int(i64::from_sql(ty, raw)?),
        oid::OID => Value::Int(u32::from_sql(ty, raw)?.into()),
        oid::FLOAT4 => Value::Real(f32::from_sql(ty, raw)?.into()),
        oid::FLOAT8 => Value::Real(f64::from_sql(ty, raw)?),
        oid::BYTEA => Value::Blob(raw.to_vec()),
        // The first byte is the form's version.
        oid::JSONB => text(raw.get(1..).unwrap_or_default())?,
        oid::UUID => Value::Text(uuid(raw)?),
        oid::TIMESTAMPTZ => Value::Text(pg::now_text(Timestamp(EPOCH_US + micros(raw)?))),
        oid::TIMESTAMP => {
            let text = pg::now_text(Timestamp(EPOCH_US + micros(raw)?));
            Value::Text(text.strip_suffix("+00:00").unwrap_or(&text).to_owned())
        }
        oid::DATE => {
            let days = EPOCH_DAYS + i64::from(i32::from_sql(&Type::INT4, raw)?);
            let text = pg::now_text(Timestamp(days.saturating_mul(86_400_000_000)));
            Value::Text(text.split('T').next().unwrap_or_default().to_owned())
        }
        oid::INET | oid::CIDR => Value::Text(network(raw, Oid(ty.oid()) == oid::CIDR)?),
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::JSON | oid::UNKNOWN | oid::XML => text(raw)?,
        _ if ty.name() == "citext" => text(raw)?,
        _ => return Err(format!("a value of type {ty} is not read here").into()),
    })
}

fn micros(raw: &[u8]) -> Result<i64, Box<dyn Error + Sync + Send>> {
    match i64::from_sql(&Type::INT8, raw)? {
        i64::MAX | i64::MIN => Err("an infinite time is not read here".into()),
        n => Ok(n),
    }
}

fn uuid(raw: &[u8]) -> Result<String, std::fmt::Error> {
    let mut text = String::with_capacity(36);
    for (at, byte) in raw.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}

/// `family, bits, is_cidr, length, address`; families are 2 for IPv4 and 3 for IPv6 (PostgreSQL, `utils/inet.h`).
fn network(raw: &[u8], is_cidr: bool) -> Result<String, Box<dyn Error + Sync + Send>> {
    use std::net::{Ipv4Addr, Ipv6Addr};
    let [family, bits, _, _, address @ ..] = raw else { return Err("an address that is cut off".into()) };
    let (text, all) = match family {
        2 => (Ipv4Addr::from(<[u8; 4]>::try_from(address)?).to_string(), 32),
        _ => (Ipv6Addr::from(<[u8; 16]>::try_from(address)?).to_string(), 128),
    };
    Ok(if *bits == all && !is_cidr { text } else { format!("{text}/{bits}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_forms_become_storage_forms() {
        let read = |ty: &Type, raw: &[u8]| Stored::from_sql(ty, raw).map(|s| s.0).map_err(|e| e.to_string());
        assert_eq!(read(&Type::BOOL, &[1]), Ok(Value::Int(1)));
        assert_eq!(read(&Type::INT2, &[0xff, 0xfe]), Ok(Value::Int(-2)));
        assert_eq!(read(&Type::JSONB, b"\x01{\"a\": 1}"), Ok("{\"a\": 1}".into()));
        assert_eq!(read(&Type::TIMESTAMPTZ, &0_i64.to_be_bytes()), Ok("2000-01-01T00:00:00+00:00".into()));
        assert_eq!(read(&Type::TIMESTAMP, &500_000_i64.to_be_bytes()), Ok("2000-01-01T00:00:00.5".into()));
        assert_eq!(read(&Type::DATE, &(-1_i32).to_be_bytes()), Ok("1999-12-31".into()));
        assert_eq!(read(&Type::INET, &[2, 32, 0, 4, 127, 0, 0, 1]), Ok("127.0.0.1".into()));
        assert_eq!(read(&Type::INET, &[2, 24, 0, 4, 10, 0, 0, 0]), Ok("10.0.0.0/24".into()));
        assert_eq!(read(&Type::CIDR, &[2, 32, 1, 4, 10, 0, 0, 0]), Ok("10.0.0.0/32".into()));
        let bytes: Vec<u8> = (0..16).collect();
        assert_eq!(read(&Type::UUID, &bytes), Ok("00010203-0405-0607-0809-0a0b0c0d0e0f".into()));
        assert!(read(&Type::NUMERIC, &[0]).is_err());
        assert!(read(&Type::INET, &[2]).is_err());
    }
}
