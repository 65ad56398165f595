//! PostgreSQL's text output.

use super::{Nested, Oid, TypeRef, array, builtin, datetime, element, float, oid};
use crate::ValueRef;
use std::fmt::Write;

/// Appends a value's text as PostgreSQL prints it. Nothing for NULL.
pub fn text(value: ValueRef<'_>, ty: TypeRef, out: &mut String) {
    match value {
        ValueRef::Null => {}
        ValueRef::Int(n) if ty.oid == oid::BOOL => out.push(if n == 0 { 'f' } else { 't' }),
        ValueRef::Int(n) => out.push_str(itoa::Buffer::new().format(n)),
        #[allow(clippy::cast_possible_truncation)] // a stored real is exact in single precision
        ValueRef::Real(x) if ty.oid == oid::FLOAT4 => float::write_f32(x as f32, out),
        ValueRef::Real(x) => float::write_f64(x, out),
        ValueRef::Blob(bytes) => {
            out.reserve(bytes.len() * 2 + 2);
            out.push_str("\\x");
            const HEX: &[u8; 16] = b"0123456789abcdef";
            for byte in bytes {
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
        ValueRef::Text(stored) => match ty.oid {
            oid::TIMESTAMPTZ if datetime::write_in_session(stored, false, out) => {}
            oid::TIMESTAMP | oid::TIMESTAMPTZ => match stored.split_once('T') {
                Some((date, time)) => {
                    out.push_str(date);
                    out.push(' ');
                    // Always UTC: `+00:00` is shown as `+00`.
                    out.push_str(time.strip_suffix(":00").filter(|t| t.ends_with("+00")).unwrap_or(time));
                }
                None => out.push_str(stored),
            },
            other => match element(other) {
                Some(elem) => match Nested::from_stored(stored, elem) {
                    Ok(nested) => array::write_text(&nested, elem, out),
                    Err(_) => out.push_str(stored),
                },
                None => out.push_str(stored),
            },
        },
    }
}

/// `format_type(oid, typmod)`: `numeric(10,2)`, `character varying(20)[]`; `???` for types that are not built in.
pub fn type_name(ty: TypeRef) -> String {
    let Some(row) = builtin(ty.oid) else { return "???".to_owned() };
    if row.elem.0 != 0 {
        return type_name(TypeRef { oid: row.elem, typmod: ty.typmod }) + "[]";
    }
    let mut out = String::new();
    let base = row.sql_name;
    let _ = match ty.oid {
        _ if ty.typmod < 0 => write!(out, "{base}"),
        oid::VARCHAR | oid::BPCHAR if ty.typmod >= 4 => write!(out, "{base}({})", ty.typmod - 4),
        oid::NUMERIC => match super::numeric::precision_scale(ty.typmod) {
            Some((precision, scale)) => write!(out, "{base}({precision},{scale})"),
            None => write!(out, "{base}"),
        },
        oid::TIME | oid::TIMESTAMP | oid::TIMETZ | oid::TIMESTAMPTZ => {
            let (head, tail) = base.split_once(' ').unwrap_or((base, ""));
            write!(out, "{head}({}) {tail}", ty.typmod)
        }
        _ => write!(out, "{base}"),
    };
    out
}

/// The SQL name of a type for messages.
pub(crate) fn sql_name(oid: Oid) -> &'static str {
    builtin(oid).map_or("unknown", |row| row.sql_name)
}
