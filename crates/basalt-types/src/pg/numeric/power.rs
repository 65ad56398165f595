//! Roots, exponentials, logarithms and powers of [`Numeric`].
//!
//! How many decimals a result shows is PostgreSQL's choice, taken from estimates of the result's size: at least 16 significant digits,
//! never fewer decimals than an operand shows, at most 1000 (source: `src/backend/utils/adt/numeric.c` of PostgreSQL 17). The values are
//! computed with more digits than that and rounded once.

use super::arith::{add_signed, division_by_zero, mul_magnitude, quotient};
use super::{BASE, DISPLAY_SCALE_MAX, Decimal, GROUP, Kind, Numeric, SIGNIFICANT_MIN, WEIGHT_MAX, overflow};
use crate::{SqlError, SqlState};
use std::f64::consts::{LN_10, LOG10_E};

/// Twice PostgreSQL's greatest declared precision: bounds the estimates.
const RESULT_SCALE_MAX: f64 = 2000.0;
/// Digits computed beyond those shown.
const GUARD: i32 = 16;

/// Called now and then during long computations; an error ends them.
type Check<'a> = &'a dyn Fn() -> Result<(), SqlError>;

fn power_error<T>(message: &str) -> Result<T, SqlError> {
    Err(SqlError::new(SqlState::new(b"2201F"), message))
}

impl Numeric {
    /// The square root.
    ///
    /// # Errors
    /// 2201F for a negative number.
    pub fn sqrt(&self) -> Result<Self, SqlError> {
        match &self.kind {
            _ if self.signum() < 0 => power_error("cannot take square root of a negative number"),
            Kind::Finite(x) => root(x, shown_scale(x.weight * GROUP / 2 + 1, &[x])).checked(),
            Kind::NaN | Kind::Infinity(_) => Ok(self.clone()),
        }
    }

    /// e raised to this power.
    ///
    /// # Errors
    /// 22003 when the result does not fit the format.
    pub fn exp(&self) -> Result<Self, SqlError> {
        match &self.kind {
            Kind::NaN | Kind::Infinity(false) => Ok(self.clone()),
            Kind::Infinity(true) => Ok(Self::zero()),
            Kind::Finite(x) => {
                let digits = (self.to_f64() * LOG10_E).clamp(-RESULT_SCALE_MAX, RESULT_SCALE_MAX);
                exponential(x, shown_scale(whole(digits), &[x]))?.checked()
            }
        }
    }

    /// The natural logarithm.
    ///
    /// # Errors
    /// 2201E for zero and negative numbers.
    pub fn ln(&self) -> Result<Self, SqlError> {
        self.check_logarithm()?;
        match &self.kind {
            Kind::Finite(x) => logarithm(x, shown_scale(logarithm_digits(x), &[x])).checked(),
            Kind::NaN | Kind::Infinity(_) => Ok(self.clone()),
        }
    }

    /// The logarithm to `base`.
    ///
    /// # Errors
    /// 2201E when either is zero or negative, 22012 for the base 1.
    pub fn log(&self, base: &Self) -> Result<Self, SqlError> {
        base.check_logarithm()?;
        self.check_logarithm()?;
        match (&base.kind, &self.kind) {
            (Kind::NaN, _) | (_, Kind::NaN) | (Kind::Infinity(_), Kind::Infinity(_)) => Ok(Self::nan()),
            (Kind::Infinity(_), Kind::Finite(_)) => Ok(Self::zero()),
            (Kind::Finite(_), Kind::Infinity(_)) => Ok(self.clone()),
            (Kind::Finite(b), Kind::Finite(x)) => {
                let of_base = logarithm_digits(b);
                let result = logarithm_digits(x) - of_base;
                let scale = shown_scale(result, &[b, x]);
                let work = scale + result.max(0) + (-of_base).max(0) * 2 + GUARD;
                let divisor = logarithm(b, work);
                if divisor.digits.is_empty() {
                    return Err(division_by_zero());
                }
                quotient(&logarithm(x, work), &divisor, scale, true).checked()
            }
        }
    }

    /// This number raised to a power. `check` is asked between multiplications.
    ///
    /// # Errors
    /// 2201F for zero raised to a negative power and for a negative number raised to a fraction; 22003 when the result does not fit;
    /// what `check` answers.
    pub fn pow(&self, exponent: &Self, check: Check<'_>) -> Result<Self, SqlError> {
        let is_whole = match &exponent.kind {
            Kind::Finite(n) => n.least_scale() == 0,
            Kind::NaN => false,
            Kind::Infinity(_) => true,
        };
        let one = Self::from(1);
        match (&self.kind, &exponent.kind) {
            (Kind::NaN, _) => return Ok(if exponent.is_zero() { one } else { Self::nan() }),
            (_, Kind::NaN) => return Ok(if *self == one { one } else { Self::nan() }),
            _ => {}
        }
        if self.is_zero() && exponent.signum() < 0 {
            return power_error("zero raised to a negative power is undefined");
        }
        if self.signum() < 0 && !is_whole {
            return power_error("a negative number raised to a non-integer power yields a complex result");
        }
        match (&self.kind, &exponent.kind) {
            (Kind::Finite(base), Kind::Finite(n)) => power(base, n, is_whole, check)?.checked(),
            _ if *self == one || exponent.is_zero() => Ok(one),
            _ if self.is_zero() => Ok(Self::zero()),
            (Kind::Finite(_), Kind::Infinity(negative)) => Ok(match self.abs().cmp(&one) {
                std::cmp::Ordering::Equal => one,
                order if (order == std::cmp::Ordering::Greater) == *negative => Self::zero(),
                _ => Self::infinity(false),
            }),
            (Kind::Infinity(negative), _) => {
                let is_odd = matches!(&exponent.kind, Kind::Finite(n) if n.digit(0) % 2 == 1);
                Ok(if exponent.signum() < 0 { Self::zero() } else { Self::infinity(*negative && is_odd) })
            }
            _ => Ok(Self::nan()),
        }
    }

    fn check_logarithm(&self) -> Result<(), SqlError> {
        const STATE: SqlState = SqlState::new(b"2201E");
        match self.signum() {
            0 if self.is_zero() => Err(SqlError::new(STATE, "cannot take logarithm of zero")),
            -1 => Err(SqlError::new(STATE, "cannot take logarithm of a negative number")),
            _ => Ok(()),
        }
    }
}

/// A number of digits, cut off as C does.
fn whole(digits: f64) -> i32 {
    #[allow(clippy::cast_possible_truncation)] // bounded by the callers; the cast saturates
    let whole = digits as i32;
    whole
}

/// Decimals to show of a result with about so many digits before the point.
fn shown_scale(digits: i32, operands: &[&Decimal]) -> i32 {
    let least = operands.iter().map(|d| d.scale).max().unwrap_or(0);
    (SIGNIFICANT_MIN - digits).max(least).clamp(0, DISPLAY_SCALE_MAX)
}

fn integer(n: i32) -> Decimal {
    match Numeric::from(i64::from(n)).kind {
        Kind::Finite(d) => d,
        Kind::NaN | Kind::Infinity(_) => Decimal::default(),
    }
}

/// A product rounded to `scale` decimals.
fn product(a: &Decimal, b: &Decimal, scale: i32) -> Decimal {
    let mut result = mul_magnitude(a, b);
    result.negative = a.negative != b.negative && !result.digits.is_empty();
    result.scale = a.scale.saturating_add(b.scale);
    result.round(scale);
    result
}

fn minus(mut a: Decimal) -> Decimal {
    a.negative = !a.negative && !a.digits.is_empty();
    a
}

/// The value as a double times ten to a power that keeps it in range.
fn approximate(x: &Decimal) -> (f64, i32) {
    let mut value = 0.0;
    let mut weight = x.weight;
    for (i, digit) in x.digits.iter().take(4).enumerate() {
        if i > 0 {
            weight -= 1;
        }
        value = value * f64::from(BASE) + f64::from(*digit);
    }
    (if x.negative { -value } else { value }, weight * GROUP)
}

/// A double's value as a decimal. It must be finite.
fn from_double(x: f64) -> Decimal {
    match Numeric::from_f64(x).kind {
        Kind::Finite(d) => d,
        Kind::NaN | Kind::Infinity(_) => integer(1),
    }
}

/// The square root of a number that is not negative, rounded to `scale` decimals.
fn root(x: &Decimal, scale: i32) -> Decimal {
    if x.digits.is_empty() {
        return Decimal { scale, ..Decimal::default() };
    }
    // x = y * 10000^(2 * shift), so that y is a double's size.
    let shift = x.weight.div_euclid(2);
    let y = Decimal { weight: x.weight - 2 * shift, ..x.clone() };
    let work = (scale + shift * GROUP).max(0) + 8;
    let (value, exponent) = approximate(&y);
    let mut guess = from_double((value * 10f64.powi(exponent)).sqrt());
    let half = Decimal { digits: vec![BASE / 2], weight: -1, scale: 1, ..Decimal::default() };
    // Newton's method doubles the correct digits each time, from a double's 15.
    for _ in 0..64 {
        let next = product(&add_signed(&guess, &quotient(&y, &guess, work + 2, true)), &half, work);
        let is_done = next.cmp_magnitude(&guess).is_eq();
        guess = next;
        if is_done {
            break;
        }
    }
    guess.weight += shift;
    // Two neighbours may alternate in the last of the guard digits, which rounding takes away.
    guess.round(scale);
    guess
}

/// About how many digits the natural logarithm has before the point; negative for zeros behind it.
fn logarithm_digits(x: &Decimal) -> i32 {
    let tenth = |n: i32| Decimal { digits: vec![n * BASE / 10], weight: -1, scale: 1, ..Decimal::default() };
    let above = Decimal { digits: vec![1, BASE / 10], weight: 0, scale: 1, ..Decimal::default() };
    if x.cmp_magnitude(&tenth(9)).is_ge() && x.cmp_magnitude(&above).is_le() {
        // ln(1 + y) is about y.
        let y = add_signed(x, &minus(integer(1)));
        return match y.digits.first() {
            Some(first) => y.weight * GROUP + whole(f64::from(*first).log10()),
            None => 0,
        };
    }
    let Some(first) = x.digits.first() else { return 0 };
    let (mut value, mut exponent) = (f64::from(*first), x.weight * GROUP);
    if let Some(second) = x.digits.get(1) {
        value = value * f64::from(BASE) + f64::from(*second);
        exponent -= GROUP;
    }
    whole((value.ln() + f64::from(exponent) * LN_10).abs().log10())
}

/// The natural logarithm of a positive number, rounded to `scale` decimals.
fn logarithm(x: &Decimal, scale: i32) -> Decimal {
    let work = scale.max(0) + GUARD;
    let one = integer(1);
    // x = m * 10000^w with m between 1 and 10000; near 1 as it is.
    let is_near = logarithm_digits(x) < 0;
    let (m, w) = if is_near { (x.clone(), 0) } else { (Decimal { weight: 0, ..x.clone() }, x.weight) };
    let mut result = by_series(m, &one, work);
    if w != 0 {
        let of_base = by_series(integer(BASE), &one, work);
        result = add_signed(&result, &product(&of_base, &integer(w), work));
    }
    result.round(scale);
    result
}

/// ln m = 2 artanh((m - 1) / (m + 1)), after square roots have brought m near 1.
fn by_series(mut m: Decimal, one: &Decimal, work: i32) -> Decimal {
    let work = work + 4;
    let mut doublings = 0;
    while logarithm_digits(&m) >= 0 && !m.cmp_magnitude(one).is_eq() && doublings < 16 {
        m = root(&m, work);
        doublings += 1;
    }
    let y = quotient(&add_signed(&m, &minus(one.clone())), &add_signed(&m, one), work, true);
    let square = product(&y, &y, work);
    let mut term = y.clone();
    let mut sum = y;
    let mut n = 1;
    while !term.digits.is_empty() {
        term = product(&term, &square, work);
        n += 2;
        sum = add_signed(&sum, &quotient(&term, &integer(n), work, true));
    }
    product(&sum, &integer(2 << doublings), work)
}

/// e^x rounded to `scale` decimals.
fn exponential(x: &Decimal, scale: i32) -> Result<Decimal, SqlError> {
    let (value, exponent) = approximate(x);
    let value = value * 10f64.powi(exponent);
    if value.abs() >= RESULT_SCALE_MAX * 3.0 {
        return if value > 0.0 { Err(overflow()) } else { Ok(Decimal { scale, ..Decimal::default() }) };
    }
    let digits = whole((value.abs() * LOG10_E).ceil());
    // Halved until it is small; each squaring afterwards costs a bit.
    let mut halvings = 0;
    let mut left = value.abs();
    while left > 0.01 {
        left /= 2.0;
        halvings += 1;
    }
    let work = scale + digits + halvings / 3 + GUARD;
    let positive = Decimal { negative: false, ..x.clone() };
    let mut small = positive;
    let half = Decimal { digits: vec![BASE / 2], weight: -1, scale: 1, ..Decimal::default() };
    for _ in 0..halvings {
        small = product(&small, &half, work + 4);
    }
    let one = integer(1);
    let mut term = one.clone();
    let mut sum = one.clone();
    let mut n = 0;
    while !term.digits.is_empty() {
        n += 1;
        term = quotient(&product(&term, &small, work), &integer(n), work, true);
        sum = add_signed(&sum, &term);
    }
    for _ in 0..halvings {
        let kept = (work - sum.weight * 2 * GROUP).max(scale + 8);
        sum = product(&sum, &sum, kept);
    }
    if x.negative {
        return Ok(quotient(&one, &sum, scale, true));
    }
    sum.round(scale);
    Ok(sum)
}

/// base^exponent for finite numbers that have such a power.
fn power(base: &Decimal, exponent: &Decimal, is_whole: bool, check: Check<'_>) -> Result<Decimal, SqlError> {
    let small = Numeric::finite(exponent.clone()).to_i64().and_then(|n| i32::try_from(n).ok());
    if let Some(n) = small.filter(|_| is_whole) {
        return whole_power(base, n, exponent.scale, check);
    }
    if base.digits.is_empty() {
        return Ok(Decimal { scale: SIGNIFICANT_MIN, ..Decimal::default() });
    }
    let magnitude = Decimal { negative: false, ..base.clone() };
    let of_base = logarithm_digits(&magnitude);
    let rough_scale = (8 - of_base).max(0);
    let rough = product(&logarithm(&magnitude, rough_scale), exponent, rough_scale);
    let (value, tens) = approximate(&rough);
    let value = value * 10f64.powi(tens);
    if value.abs() > RESULT_SCALE_MAX * 3.01 {
        return if value > 0.0 { Err(overflow()) } else { Ok(Decimal { scale: DISPLAY_SCALE_MAX, ..Decimal::default() }) };
    }
    let digits = whole(value * LOG10_E);
    let scale = shown_scale(digits, &[base, exponent]);
    check()?;
    let work = scale + digits.max(0) + GUARD;
    let logarithm = logarithm(&magnitude, work + (exponent.weight + 1).max(0) * GROUP);
    check()?;
    let mut result = exponential(&product(&logarithm, exponent, work), scale)?;
    // A whole exponent beyond 32 bits keeps the sign of a negative base when it is odd.
    result.negative = base.negative && exponent.digit(0) % 2 == 1 && !result.digits.is_empty();
    Ok(result)
}

/// base^n by repeated squaring.
fn whole_power(base: &Decimal, n: i32, exponent_scale: i32, check: Check<'_>) -> Result<Decimal, SqlError> {
    let digits = match base.digits.split_first() {
        None => 0.0,
        Some((first, rest)) => {
            let (mut value, mut tens) = (f64::from(*first), base.weight * GROUP);
            for digit in rest.iter().take(3) {
                value = value * f64::from(BASE) + f64::from(*digit);
                tens -= GROUP;
            }
            f64::from(n) * (value.log10() + f64::from(tens))
        }
    };
    #[allow(clippy::cast_precision_loss)] // a small number
    if digits > (WEIGHT_MAX + 1) as f64 * f64::from(GROUP) {
        return Err(overflow());
    }
    if digits + 1.0 < -f64::from(DISPLAY_SCALE_MAX) {
        return Ok(Decimal { scale: DISPLAY_SCALE_MAX, ..Decimal::default() });
    }
    let exponent = Decimal { scale: exponent_scale, ..Decimal::default() };
    let scale = shown_scale(whole(digits), &[base, &exponent]);
    let one = integer(1);
    if n == 0 {
        return Ok(Decimal { scale, ..one });
    }
    if base.digits.is_empty() {
        return Ok(Decimal { scale, ..Decimal::default() });
    }
    if n == 2 {
        return Ok(product(base, base, scale));
    }
    // Significant digits that every intermediate product keeps.
    let kept = 1 + scale + whole(digits.abs().max(digits)) + whole(f64::from(n).abs().ln()) + GUARD;
    let multiply = |a: &Decimal, b: &Decimal| -> Result<Decimal, SqlError> {
        check()?;
        let weight = i64::from(a.weight) + i64::from(b.weight);
        // The reciprocal of what overflows is zero, which the estimate has found already.
        if weight > WEIGHT_MAX * 2 {
            return Err(overflow());
        }
        let scale = (i64::from(kept) - weight * i64::from(GROUP)).clamp(0, i64::from(a.scale.saturating_add(b.scale)));
        Ok(product(a, b, i32::try_from(scale).unwrap_or(i32::MAX)))
    };
    let mut result = None;
    let mut square = base.clone();
    let mut left = n.unsigned_abs();
    loop {
        if left & 1 == 1 {
            result = Some(match result {
                Some(result) => multiply(&result, &square)?,
                None => square.clone(),
            });
        }
        left >>= 1;
        if left == 0 {
            break;
        }
        square = multiply(&square, &square)?;
    }
    let mut result = result.unwrap_or(one.clone());
    if n < 0 {
        if result.digits.is_empty() {
            return Err(overflow());
        }
        return Ok(quotient(&one, &result, scale, true));
    }
    result.round(scale);
    Ok(result)
}
