//! Input of booleans, integers, uuids, names and bytes.

use crate::pg::{Oid, is_space, oid, output};
use crate::{SqlError, SqlState};

fn bad(type_name: &str, text: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_TEXT, format!("invalid input syntax for type {type_name}: \"{text}\""))
}

/// `t`, `true`, `y`, `yes`, `on`, `1` and their opposites, in any letter case; unique prefixes count.
pub(super) fn boolean(text: &str) -> Result<bool, SqlError> {
    let word = text.trim_matches(is_space).to_ascii_lowercase();
    let prefix_of = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if prefix_of("true", 1) || prefix_of("yes", 1) || word == "on" || word == "1" {
        Ok(true)
    } else if prefix_of("false", 1) || prefix_of("no", 1) || prefix_of("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(bad("boolean", text))
    }
}

enum Digits {
    Invalid,
    TooLarge,
}

/// An integer literal as all integer types read it: sign, decimal or 0x/0o/0b digits, `_` between digits.
fn digits(text: &str) -> Result<i128, Digits> {
    let body = text.trim_matches(is_space);
    let (negative, unsigned) = match body.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, body.strip_prefix('+').unwrap_or(body)),
    };
    let (radix, mut digits) = match unsigned.get(..2) {
        Some("0x" | "0X") => (16, unsigned.get(2..).unwrap_or("")),
        Some("0o" | "0O") => (8, unsigned.get(2..).unwrap_or("")),
        Some("0b" | "0B") => (2, unsigned.get(2..).unwrap_or("")),
        _ => (10, unsigned),
    };
    if radix != 10 {
        digits = digits.strip_prefix('_').unwrap_or(digits);
    }
    if digits.is_empty() || digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") {
        return Err(Digits::Invalid);
    }
    let mut value: i128 = 0;
    for c in digits.chars().filter(|c| *c != '_') {
        let digit = c.to_digit(radix).ok_or(Digits::Invalid)?;
        // Far beyond 64 bits it no longer matters how far.
        value = (value * i128::from(radix) + i128::from(digit)).min(1 << 100);
    }
    if value >= 1 << 100 {
        return Err(Digits::TooLarge);
    }
    Ok(if negative { -value } else { value })
}

/// smallint, integer, bigint
pub(super) fn integer(text: &str, ty: Oid) -> Result<i64, SqlError> {
    let name = output::sql_name(ty);
    let range = || SqlError::new(SqlState::OUT_OF_RANGE, format!("value \"{text}\" is out of range for type {name}"));
    let value = digits(text).map_err(|e| match e {
        Digits::Invalid => bad(name, text),
        Digits::TooLarge => range(),
    })?;
    let value = i64::try_from(value).map_err(|_| range())?;
    if fits(value, ty) { Ok(value) } else { Err(range()) }
}

/// Whether an integer is within its type's range.
pub(crate) fn fits(value: i64, ty: Oid) -> bool {
    match ty {
        oid::INT2 => i16::try_from(value).is_ok(),
        oid::INT4 => i32::try_from(value).is_ok(),
        _ => true,
    }
}

/// oid: unsigned, where negative numbers stand for their two's complement.
pub(super) fn oid(text: &str) -> Result<i64, SqlError> {
    let range = || SqlError::new(SqlState::OUT_OF_RANGE, format!("value \"{text}\" is out of range for type oid"));
    let body = text.trim_matches(is_space);
    let unsigned = body.strip_prefix(['-', '+']).unwrap_or(body);
    if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad("oid", text));
    }
    let value: i64 = body.parse().map_err(|_| range())?;
    if let Ok(small) = i32::try_from(value)
        && small < 0
    {
        return Ok(i64::from(small.cast_unsigned()));
    }
    u32::try_from(value).map(i64::from).map_err(|_| range())
}

/// name: at most 63 bytes, cut at a character.
pub(crate) fn name(text: &str) -> &str {
    let mut end = text.len().min(63);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

/// `"char"`: the first byte; `\ooo` gives or shows one beyond ASCII.
pub(crate) fn single_char(text: &str) -> String {
    let bytes = text.as_bytes();
    let octal = match bytes {
        [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7'] => Some((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0')),
        _ => None,
    };
    match octal.or(bytes.first().copied()) {
        None | Some(0) => String::new(),
        Some(byte) if byte < 0x80 => char::from(byte).to_string(),
        Some(byte) => format!("\\{byte:03o}"),
    }
}

/// uuid: hexadecimal digits in any letter case, braces around, a hyphen after any group of four.
pub(super) fn uuid(text: &str) -> Result<String, SqlError> {
    let body = text.strip_prefix('{').map_or(Some(text), |t| t.strip_suffix('}')).ok_or_else(|| bad("uuid", text))?;
    let mut digits = [0_u8; 32];
    let mut count = 0;
    let mut after_hyphen = true;
    for byte in body.bytes() {
        if byte == b'-' {
            if after_hyphen || count % 4 != 0 || count == 32 {
                return Err(bad("uuid", text));
            }
            after_hyphen = true;
            continue;
        }
        match digits.get_mut(count) {
            Some(slot) if byte.is_ascii_hexdigit() => *slot = byte.to_ascii_lowercase(),
            _ => return Err(bad("uuid", text)),
        }
        count += 1;
        after_hyphen = false;
    }
    if count != 32 {
        return Err(bad("uuid", text));
    }
    let mut out = String::with_capacity(36);
    for (at, digit) in digits.iter().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(char::from(*digit));
    }
    Ok(out)
}

/// bytea: `\x…` in hexadecimal, or the older form with `\\` and `\ooo`.
///
/// # Errors
/// 22P02 or 22023 with PostgreSQL's messages.
pub fn parse_bytea(text: &str) -> Result<Vec<u8>, SqlError> {
    let invalid = |message: String| SqlError::new(SqlState::INVALID_PARAMETER, message);
    if let Some(hex) = text.strip_prefix("\\x") {
        let mut out = Vec::with_capacity(hex.len() / 2);
        let mut high: Option<u8> = None;
        for c in hex.chars() {
            if high.is_none() && matches!(c, ' ' | '\n' | '\t' | '\r') {
                continue;
            }
            let Some(digit) = c.to_digit(16).and_then(|d| u8::try_from(d).ok()) else {
                return Err(invalid(format!("invalid hexadecimal digit: \"{c}\"")));
            };
            match high.take() {
                None => high = Some(digit),
                Some(first) => out.push(first << 4 | digit),
            }
        }
        return if high.is_some() { Err(invalid("invalid hexadecimal data: odd number of digits".to_owned())) } else { Ok(out) };
    }
    let error = || SqlError::new(SqlState::INVALID_TEXT, "invalid input syntax for type bytea");
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        match rest {
            [] => return Ok(out),
            [b'\\', b'\\', tail @ ..] => {
                out.push(b'\\');
                rest = tail;
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = tail;
            }
            [b'\\', ..] => return Err(error()),
            [byte, tail @ ..] => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
}
