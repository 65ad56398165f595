//! Floating-point numbers in PostgreSQL's text form.

use crate::{SqlError, SqlState};
use std::fmt::Write;

/// The text of a float that has no digits of its own, or that JSON cannot hold: NaN, infinities, minus zero.
pub(crate) fn special(x: f64) -> Option<&'static str> {
    if x.is_nan() {
        Some("NaN")
    } else if x.is_infinite() {
        Some(if x < 0.0 { "-Infinity" } else { "Infinity" })
    } else if x == 0.0 && x.is_sign_negative() {
        Some("-0")
    } else {
        None
    }
}

/// Appends the shortest text that reads back as the same double: `1.5`, `1e+20`, `1e-07`, `NaN`.
pub fn write_f64(x: f64, out: &mut String) {
    if let Some(text) = special(x) {
        return out.push_str(text);
    }
    // Integers below 10^15 are shown whole; the most common case needs no digit search.
    #[allow(clippy::cast_possible_truncation)]
    if x.abs() < 1e15 && x.trunc() == x {
        return out.push_str(itoa::Buffer::new().format(x as i64));
    }
    let mut scratch = Scratch::new();
    let _ = write!(scratch, "{x:e}");
    let (bits, exponent) = (x.to_bits() & ((1 << 52) - 1), i64::from((x.to_bits() >> 52) as u16 & 0x7ff));
    if on_boundary(bits, exponent, 52, 1075, scratch.as_str()) {
        for precision in 1..17 {
            scratch.clear();
            let _ = write!(scratch, "{x:.precision$e}");
            if scratch.as_str().parse() == Ok(x) && !on_boundary(bits, exponent, 52, 1075, scratch.as_str()) {
                break;
            }
        }
    } else if let Some(precision) = tie_precision(scratch.as_str(), 15) {
        let mut even = Scratch::new();
        let _ = write!(even, "{x:.precision$e}");
        if even.as_str().parse() == Ok(x) {
            scratch = even;
        }
    }
    layout(scratch.as_str(), 15, out);
}

/// Appends the shortest text that reads back as the same single-precision number.
pub fn write_f32(x: f32, out: &mut String) {
    if let Some(text) = special(f64::from(x)) {
        return out.push_str(text);
    }
    let mut scratch = Scratch::new();
    let _ = write!(scratch, "{x:e}");
    let (bits, exponent) = (u64::from(x.to_bits() & ((1 << 23) - 1)), i64::from((x.to_bits() >> 23) as u8));
    if on_boundary(bits, exponent, 23, 150, scratch.as_str()) {
        for precision in 1..9 {
            scratch.clear();
            let _ = write!(scratch, "{x:.precision$e}");
            if scratch.as_str().parse() == Ok(x) && !on_boundary(bits, exponent, 23, 150, scratch.as_str()) {
                break;
            }
        }
    } else if let Some(precision) = tie_precision(scratch.as_str(), 7) {
        let mut even = Scratch::new();
        let _ = write!(even, "{x:.precision$e}");
        if even.as_str().parse() == Ok(x) {
            scratch = even;
        }
    }
    layout(scratch.as_str(), 6, out);
}

/// Decimals of a shortest text that may be one of two equally near ones: only among texts of `least` digits and more.
///
/// Of the two PostgreSQL takes the even one, the standard library the one further from zero.
fn tie_precision(scientific: &str, least: usize) -> Option<usize> {
    let mantissa = scientific.strip_prefix('-').unwrap_or(scientific).split('e').next()?;
    let decimals = mantissa.split_once('.')?.1.len();
    (decimals + 1 >= least).then_some(decimals)
}

/// Whether the decimal `digits` (`d.ddde±x`) lies exactly half way between two neighbouring floats.
///
/// The standard library takes such a text when the float's mantissa is even; PostgreSQL asks for one strictly inside, so that
/// readers with another rounding rule get the same number.
fn on_boundary(fraction: u64, biased: i64, bits: u32, bias: i64, digits: &str) -> bool {
    let (mantissa, exponent) = if biased == 0 { (fraction, 1 - bias) } else { (fraction | (1 << bits), biased - bias) };
    if mantissa % 2 == 1 {
        return false;
    }
    let Some((decimal, power)) = decimal_parts(digits) else { return false };
    // Both neighbours' midpoints, as multiples of 2^(exponent - 2): 4m + 2 above; 4m - 2 below, or 4m - 1 at a power of two.
    let below = if fraction == 0 && biased > 1 { 1 } else { 2 };
    let (above, below) = (u128::from(mantissa) * 4 + 2, u128::from(mantissa) * 4 - below.min(u128::from(mantissa) * 4));
    equal(decimal, power, above, exponent - 2) || equal(decimal, power, below, exponent - 2)
}

/// Whether `decimal * 10^power == binary * 2^exponent`, exactly.
fn equal(decimal: u128, power: i64, binary: u128, exponent: i64) -> bool {
    // Take the powers of five to the side where they are whole; beyond 5^54 the other side cannot hold them.
    let Ok(fives) = u32::try_from(power.unsigned_abs()) else { return false };
    let Some(factor) = 5_u128.checked_pow(fives) else { return false };
    let (left, right) =
        if power >= 0 { (decimal.checked_mul(factor), Some(binary)) } else { (Some(decimal), binary.checked_mul(factor)) };
    let (Some(left), Some(right)) = (left, right) else { return false };
    if left == 0 || right == 0 {
        return left == right;
    }
    let odd = |n: u128| (n >> n.trailing_zeros(), i64::from(n.trailing_zeros()));
    let ((left, left_twos), (right, right_twos)) = (odd(left), odd(right));
    left == right && left_twos + power == right_twos + exponent
}

fn decimal_parts(text: &str) -> Option<(u128, i64)> {
    let (digits, exponent) = text.strip_prefix('-').unwrap_or(text).split_once('e')?;
    let mut power: i64 = exponent.parse().ok()?;
    let mut value: u128 = 0;
    let mut after_point = false;
    for byte in digits.bytes() {
        if byte == b'.' {
            after_point = true;
        } else {
            value = value * 10 + u128::from(byte - b'0');
            power -= i64::from(after_point);
        }
    }
    Some((value, power))
}

/// Turns `d.ddde±x` into PostgreSQL's layout: plain from 1e-4 to below 10^`plain`, else with a signed exponent of at least two digits.
fn layout(scientific: &str, plain: i32, out: &mut String) {
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return out.push_str(scientific) };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (first, rest) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let rest = rest.trim_end_matches('0');
    out.push_str(sign);
    if exponent < -4 || exponent >= plain {
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        let _ = write!(out, "e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    } else if exponent < 0 {
        out.push_str("0.");
        for _ in 1..-exponent {
            out.push('0');
        }
        out.push_str(first);
        out.push_str(rest);
    } else {
        let whole = usize::try_from(exponent).unwrap_or(0);
        out.push_str(first);
        if rest.len() > whole {
            let (before, after) = rest.split_at(whole);
            out.push_str(before);
            out.push('.');
            out.push_str(after);
        } else {
            out.push_str(rest);
            for _ in rest.len()..whole {
                out.push('0');
            }
        }
    }
}

/// A small text buffer on the stack: the hot path formats floats without allocating.
struct Scratch {
    bytes: [u8; 32],
    len: usize,
}

impl Scratch {
    fn new() -> Self {
        Self { bytes: [0; 32], len: 0 }
    }

    fn clear(&mut self) {
        self.len = 0;
    }

    fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or("")
    }
}

impl Write for Scratch {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Which float type an input is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// real
    Single,
    /// double precision
    Double,
}

impl Width {
    fn sql_name(self) -> &'static str {
        match self {
            Self::Single => "real",
            Self::Double => "double precision",
        }
    }
}

/// Reads a float as PostgreSQL does; a single-precision number comes back widened.
///
/// # Errors
/// 22P02 for other text, 22003 when the number is too large or too small to tell from zero.
pub(crate) fn parse(text: &str, width: Width) -> Result<f64, SqlError> {
    let bad = || SqlError::new(SqlState::INVALID_TEXT, format!("invalid input syntax for type {}: \"{text}\"", width.sql_name()));
    let body = text.trim_matches(super::is_space);
    let (sign, unsigned) = match body.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, body.strip_prefix('+').unwrap_or(body)),
    };
    for (name, value) in [("nan", f64::NAN), ("infinity", f64::INFINITY), ("inf", f64::INFINITY)] {
        if unsigned.eq_ignore_ascii_case(name) {
            return Ok(value * sign);
        }
    }
    let hexadecimal = unsigned.len() > 2 && unsigned.get(..2).is_some_and(|p| p.eq_ignore_ascii_case("0x"));
    let value = if hexadecimal {
        sign * parse_hexadecimal(unsigned.get(2..).unwrap_or("")).ok_or_else(bad)?
    } else {
        // The standard library also reads words; only digits, point and exponent may reach it.
        if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return Err(bad());
        }
        match width {
            Width::Double => sign * unsigned.parse::<f64>().map_err(|_| bad())?,
            Width::Single => sign * f64::from(unsigned.parse::<f32>().map_err(|_| bad())?),
        }
    };
    #[allow(clippy::cast_possible_truncation)]
    let value = if width == Width::Single { f64::from(value as f32) } else { value };
    let mantissa = if hexadecimal { unsigned } else { unsigned.split(['e', 'E']).next().unwrap_or("") };
    let digits = if hexadecimal { mantissa.get(2..).unwrap_or("") } else { mantissa };
    let vanished =
        value == 0.0 && digits.split(['p', 'P']).next().is_some_and(|d| d.bytes().any(|b| b.is_ascii_hexdigit() && b != b'0'));
    if value.is_infinite() || vanished {
        return Err(SqlError::new(SqlState::OUT_OF_RANGE, format!("\"{body}\" is out of range for type {}", width.sql_name())));
    }
    Ok(value)
}

/// C's hexadecimal floats, without their prefix: digits, point, optional binary exponent.
fn parse_hexadecimal(text: &str) -> Option<f64> {
    let (digits, exponent) = match text.split_once(['p', 'P']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let mut value = 0.0_f64;
    let mut power = exponent;
    let mut after_point = false;
    let mut seen = false;
    for c in digits.chars() {
        if c == '.' && !after_point {
            after_point = true;
            continue;
        }
        value = value * 16.0 + f64::from(c.to_digit(16)?);
        seen = true;
        power = power.saturating_sub(if after_point { 4 } else { 0 });
    }
    seen.then(|| value * 2.0_f64.powi(power))
}
