//! Text and machine-number forms of [`Numeric`].

use super::{Decimal, GROUP, Kind, Numeric, SCALE_MAX, overflow};
use crate::{SqlError, SqlState};
use std::fmt;
use std::str::FromStr;

impl Numeric {
    /// Reads PostgreSQL's input form: decimals with exponent, `_` between digits, 0x/0o/0b integers, NaN, infinities.
    ///
    /// # Errors
    /// 22P02 for other text, 22003 when the number does not fit the format.
    pub fn parse(text: &str) -> Result<Self, SqlError> {
        let bad = || SqlError::new(SqlState::INVALID_TEXT, format!("invalid input syntax for type numeric: \"{text}\""));
        let body = text.trim_matches(crate::pg::is_space);
        let (negative, unsigned) = match body.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, body.strip_prefix('+').unwrap_or(body)),
        };
        let lower = unsigned.get(..8.min(unsigned.len())).unwrap_or("").to_ascii_lowercase();
        if unsigned.len() <= 8 {
            match lower.as_str() {
                "nan" if body.len() == 3 => return Ok(Self::nan()),
                "inf" | "infinity" => return Ok(Self::infinity(negative)),
                _ => {}
            }
        }
        let radix = match lower.get(..2) {
            Some("0x") => 16,
            Some("0o") => 8,
            Some("0b") => 2,
            _ => return parse_decimal(unsigned, negative).map_err(|e| e.unwrap_or_else(bad)),
        };
        parse_radix(unsigned.get(2..).unwrap_or(""), radix, negative).ok_or_else(bad)?
    }

    /// PostgreSQL's conversion from double precision: 15 significant digits.
    pub fn from_f64(x: f64) -> Self {
        Self::from_float(x, 15)
    }

    /// PostgreSQL's conversion from real: 6 significant digits.
    pub fn from_f32(x: f32) -> Self {
        Self::from_float(f64::from(x), 6)
    }

    fn from_float(x: f64, significant: usize) -> Self {
        if x.is_nan() {
            return Self::nan();
        }
        if x.is_infinite() {
            return Self::infinity(x < 0.0);
        }
        let text = format!("{:.*e}", significant - 1, x);
        // A float's exponent is far inside the format's limits, so this cannot fail.
        Self::parse(&text).map_or_else(|_| Self::nan(), |n| n.trim_scale())
    }

    /// The nearest integer, halves away from zero; `None` for NaN, infinities and what 64 bits cannot hold.
    pub fn to_i64(&self) -> Option<i64> {
        let Kind::Finite(d) = &self.kind else { return None };
        let mut d = d.clone();
        d.round(0);
        if d.weight > 4 {
            return None;
        }
        let mut value: i128 = 0;
        for weight in (0..=d.weight).rev() {
            value = value * 10_000 + i128::from(d.digit(weight));
        }
        i64::try_from(if d.negative { -value } else { value }).ok()
    }

    /// The nearest double; infinite when out of range.
    pub fn to_f64(&self) -> f64 {
        match &self.kind {
            Kind::NaN => f64::NAN,
            Kind::Infinity(true) => f64::NEG_INFINITY,
            Kind::Infinity(false) => f64::INFINITY,
            Kind::Finite(_) => self.to_string().parse().unwrap_or(f64::NAN),
        }
    }

    /// The nearest real; infinite when out of range.
    pub fn to_f32(&self) -> f32 {
        match &self.kind {
            Kind::Finite(_) => self.to_string().parse().unwrap_or(f32::NAN),
            #[allow(clippy::cast_possible_truncation)] // NaN and infinities stay what they are
            _ => self.to_f64() as f32,
        }
    }
}

/// Inner error `None`: not a number at all.
fn parse_decimal(text: &str, negative: bool) -> Result<Numeric, Option<SqlError>> {
    let bytes = text.as_bytes();
    let mut decimals: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut before: i64 = 0;
    let mut seen_point = false;
    let mut seen_digit = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'0'..=b'9' => {
                decimals.push(byte - b'0');
                before += i64::from(!seen_point);
                seen_digit = true;
            }
            b'.' if !seen_point => seen_point = true,
            // Between two digits only.
            b'_' if at > 0 && bytes[at - 1].is_ascii_digit() && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {}
            _ => break,
        }
        at += 1;
    }
    if !seen_digit {
        return Err(None);
    }
    let mut exponent: i64 = 0;
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        let minus = match bytes.get(at) {
            Some(b'-') => {
                at += 1;
                true
            }
            Some(b'+') => {
                at += 1;
                false
            }
            _ => false,
        };
        let start = at;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'0'..=b'9' => {
                    exponent = exponent * 10 + i64::from(byte - b'0');
                    if exponent > i64::from(i32::MAX / 2) {
                        return Err(Some(overflow()));
                    }
                }
                b'_' if at > start && bytes[at - 1].is_ascii_digit() && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {}
                _ => break,
            }
            at += 1;
        }
        if at == start {
            return Err(None);
        }
        if minus {
            exponent = -exponent;
        }
    }
    if at != bytes.len() {
        return Err(None);
    }
    let shown = i64::try_from(decimals.len()).unwrap_or(i64::MAX) - before;
    let scale = (shown - exponent).max(0);
    let leading = decimals.iter().take_while(|d| **d == 0).count();
    if scale > i64::from(SCALE_MAX) {
        return Err(Some(overflow()));
    }
    let scale = i32::try_from(scale).unwrap_or(SCALE_MAX);
    if leading == decimals.len() {
        return Ok(Numeric::finite(Decimal { scale, ..Decimal::default() }));
    }
    // Decimal exponent of the first digit that is not zero: 0 for units.
    let first = before - 1 - i64::try_from(leading).unwrap_or(i64::MAX) + exponent;
    let weight = first.div_euclid(i64::from(GROUP));
    if weight > super::WEIGHT_MAX {
        return Err(Some(overflow()));
    }
    let weight = i32::try_from(weight).map_err(|_| Some(overflow()))?;
    // Zeros in front so that groups of four end at the decimal point.
    let pad = usize::try_from(i64::from(GROUP) - 1 - first.rem_euclid(i64::from(GROUP))).unwrap_or(0);
    let padded = std::iter::repeat_n(0, pad).chain(decimals.into_iter().skip(leading));
    let mut digits = Vec::with_capacity(text.len() / 4 + 2);
    let mut group = 0_i32;
    let mut filled = 0;
    for digit in padded {
        group = group * 10 + i32::from(digit);
        filled += 1;
        if filled == GROUP {
            digits.push(group);
            (group, filled) = (0, 0);
        }
    }
    if filled > 0 {
        digits.push(group * 10_i32.pow(u32::try_from(GROUP - filled).unwrap_or(0)));
    }
    let mut decimal = Decimal { negative, digits, weight, scale };
    decimal.normalise();
    decimal.checked().map_err(Some)
}

/// Hexadecimal, octal and binary integers; `None` for bad syntax.
fn parse_radix(text: &str, radix: u32, negative: bool) -> Option<Result<Numeric, SqlError>> {
    let mut total = Numeric::zero();
    let factor = Numeric::from(i64::from(radix));
    // One underscore may follow the prefix and stand between digits.
    let mut after_digit = true;
    let mut seen = false;
    for c in text.chars() {
        if c == '_' {
            if !after_digit {
                return None;
            }
            after_digit = false;
            continue;
        }
        let digit = c.to_digit(radix)?;
        after_digit = true;
        seen = true;
        match total.mul(&factor).and_then(|n| n.add(&Numeric::from(i64::from(digit)))) {
            Ok(n) => total = n,
            Err(e) => return Some(Err(e)),
        }
    }
    (seen && after_digit).then(|| Ok(if negative { total.neg() } else { total }))
}

impl From<i64> for Numeric {
    fn from(n: i64) -> Self {
        let mut rest = n.unsigned_abs();
        let mut digits = Vec::with_capacity(5);
        while rest > 0 {
            digits.push(i32::try_from(rest % 10_000).unwrap_or(0));
            rest /= 10_000;
        }
        digits.reverse();
        let weight = i32::try_from(digits.len()).unwrap_or(0) - 1;
        let mut decimal = Decimal { negative: n < 0, digits, weight, scale: 0 };
        decimal.normalise();
        Self::finite(decimal)
    }
}

impl FromStr for Numeric {
    type Err = SqlError;

    fn from_str(text: &str) -> Result<Self, SqlError> {
        Self::parse(text)
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = match &self.kind {
            Kind::NaN => return f.write_str("NaN"),
            Kind::Infinity(negative) => return f.write_str(if *negative { "-Infinity" } else { "Infinity" }),
            Kind::Finite(d) => d,
        };
        if d.negative {
            f.write_str("-")?;
        }
        if d.weight < 0 || d.digits.is_empty() {
            f.write_str("0")?;
        } else {
            for weight in (0..=d.weight).rev() {
                if weight == d.weight { write!(f, "{}", d.digit(weight))? } else { write!(f, "{:04}", d.digit(weight))? }
            }
        }
        if d.scale > 0 {
            f.write_str(".")?;
            let mut left = usize::try_from(d.scale).unwrap_or(0);
            let mut weight = -1;
            while left > 0 {
                let group = format!("{:04}", d.digit(weight));
                let shown = left.min(4);
                f.write_str(group.get(..shown).unwrap_or(""))?;
                left -= shown;
                weight -= 1;
            }
        }
        Ok(())
    }
}
