//! Rows on their way into and out of routines: as arguments in a form of their own, as results the JSON text that `json_each` reads.

use basalt_types::{SqlError, Value, ValueRef, pg};

/// Longest text of a routine's rows; 54000 beyond.
const LONGEST_BYTES: usize = 64 << 20;

/// A row as the argument of a routine. Only [`read`] knows the form.
pub(crate) fn write<'v>(values: impl Iterator<Item = ValueRef<'v>>) -> Value {
    Value::Blob(bytes(values))
}

/// Values as bytes that differ when they differ.
pub(crate) fn bytes<'v>(values: impl Iterator<Item = ValueRef<'v>>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sized = |tag: u8, bytes: &[u8]| {
        out.push(tag);
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(bytes);
    };
    for value in values {
        match value {
            ValueRef::Null => sized(b'n', &[]),
            ValueRef::Int(n) => sized(b'i', &n.to_le_bytes()),
            ValueRef::Real(x) => sized(b'r', &x.to_le_bytes()),
            ValueRef::Text(text) => sized(b't', text.as_bytes()),
            ValueRef::Blob(bytes) => sized(b'b', bytes),
        }
    }
    out
}

/// The columns of a row that was an argument; NULLs for a row that is NULL.
///
/// # Errors
/// Something else was given, which generated SQL never does.
pub(crate) fn read(row: &Value, columns: usize) -> Result<Vec<Value>, SqlError> {
    let bytes = match row {
        Value::Null => return Ok(vec![Value::Null; columns]),
        Value::Blob(bytes) => bytes.as_slice(),
        _ => return Err(damaged()),
    };
    let mut rest = bytes;
    let mut values = Vec::with_capacity(columns);
    while let Some((tag, tail)) = rest.split_first() {
        let (length, tail) = tail.split_first_chunk::<8>().ok_or_else(damaged)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| damaged())?;
        let (body, tail) = tail.split_at_checked(length).ok_or_else(damaged)?;
        let word = || body.first_chunk::<8>().copied().ok_or_else(damaged);
        values.push(match tag {
            b'n' => Value::Null,
            b'i' => Value::Int(i64::from_le_bytes(word()?)),
            b'r' => Value::Real(f64::from_le_bytes(word()?)),
            b't' => Value::Text(String::from_utf8(body.to_vec()).map_err(|_| damaged())?),
            _ => Value::Blob(body.to_vec()),
        });
        rest = tail;
    }
    if values.len() == columns { Ok(values) } else { Err(damaged()) }
}

fn damaged() -> SqlError {
    SqlError::internal("a routine was given something else than a row")
}

/// Rows as a JSON array of arrays of storage forms; bytes as PostgreSQL's hexadecimal text.
///
/// # Errors
/// 54000 when that becomes too long.
pub(crate) fn rows_json(rows: &[Vec<Value>]) -> Result<String, SqlError> {
    let mut out = Vec::from(*b"[");
    for (i, row) in rows.iter().enumerate() {
        out.extend_from_slice(if i > 0 { b",[" } else { b"[" });
        for (j, value) in row.iter().enumerate() {
            if j > 0 {
                out.push(b',');
            }
            match value {
                Value::Null => out.extend_from_slice(b"null"),
                Value::Int(n) => out.extend_from_slice(n.to_string().as_bytes()),
                // Seventeen digits give the same number back; beyond a double's range a number is an infinity.
                Value::Real(x) if x.is_finite() => out.extend_from_slice(format!("{x:e}").as_bytes()),
                Value::Real(x) => out.extend_from_slice(if *x < 0.0 { b"-9e999" } else { b"9e999" }),
                Value::Text(text) => pg::write_json_string(text, &mut out),
                Value::Blob(bytes) => {
                    out.extend_from_slice(b"\"\\\\x");
                    out.extend(bytes.iter().flat_map(|b| [hex(b >> 4), hex(b & 15)]));
                    out.push(b'"');
                }
            }
        }
        out.push(b']');
        if out.len() > LONGEST_BYTES {
            return Err(SqlError::new(basalt_types::SqlState::PROGRAM_LIMIT, "a function's rows are too long"));
        }
    }
    out.push(b']');
    // Every part written above is UTF-8.
    Ok(String::from_utf8(out).unwrap_or_default())
}

fn hex(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'A' + digit - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back_as_it_went() {
        let row = [
            Value::Null,
            Value::Int(i64::MIN),
            Value::Real(-0.0),
            Value::Text("é\0\"".to_owned()),
            Value::Blob(vec![0, 255]),
            Value::Text(String::new()),
        ];
        let written = write(row.iter().map(Value::as_ref));
        assert_eq!(read(&written, 6).ok().as_deref(), Some(&row[..]));
        assert!(read(&written, 5).is_err());
        assert_eq!(read(&Value::Null, 2).ok(), Some(vec![Value::Null; 2]));
        for cut in 1..30 {
            let Value::Blob(bytes) = &written else { panic!("no bytes") };
            assert!(read(&Value::Blob(bytes[..bytes.len() - cut].to_vec()), 6).is_err(), "{cut}");
        }
    }

    #[test]
    fn rows_are_json() {
        let rows = [vec![Value::Int(1), Value::Real(f64::INFINITY)], vec![Value::Null, Value::Blob(vec![1, 171])]];
        assert_eq!(rows_json(&rows).ok().as_deref(), Some("[[1,9e999],[null,\"\\\\x01AB\"]]"));
    }
}
