//! Arithmetic of [`Numeric`].

use super::{BASE, DISPLAY_SCALE_MAX, Decimal, GROUP, Kind, Numeric, SCALE_MAX, SIGNIFICANT_MIN};
use crate::{SqlError, SqlState};
use std::cmp::Ordering;

impl Numeric {
    /// The same number with the other sign.
    #[must_use]
    pub fn neg(&self) -> Self {
        match &self.kind {
            Kind::NaN => Self::nan(),
            Kind::Infinity(negative) => Self::infinity(!negative),
            Kind::Finite(d) => Self::finite(Decimal { negative: !d.negative && !d.digits.is_empty(), ..d.clone() }),
        }
    }

    /// The absolute value.
    #[must_use]
    pub fn abs(&self) -> Self {
        if self.signum() < 0 { self.neg() } else { self.clone() }
    }

    /// Sum; the larger scale of both.
    ///
    /// # Errors
    /// 22003 when the result does not fit the format.
    pub fn add(&self, other: &Self) -> Result<Self, SqlError> {
        match (&self.kind, &other.kind) {
            (Kind::NaN, _) | (_, Kind::NaN) => Ok(Self::nan()),
            (Kind::Infinity(a), Kind::Infinity(b)) => Ok(if a == b { self.clone() } else { Self::nan() }),
            (Kind::Infinity(_), _) => Ok(self.clone()),
            (_, Kind::Infinity(_)) => Ok(other.clone()),
            (Kind::Finite(a), Kind::Finite(b)) => add_signed(a, b).checked(),
        }
    }

    /// Difference; the larger scale of both.
    ///
    /// # Errors
    /// 22003 when the result does not fit the format.
    pub fn sub(&self, other: &Self) -> Result<Self, SqlError> {
        self.add(&other.neg())
    }

    /// Product; the sum of both scales.
    ///
    /// # Errors
    /// 22003 when the result does not fit the format.
    pub fn mul(&self, other: &Self) -> Result<Self, SqlError> {
        match (&self.kind, &other.kind) {
            (Kind::NaN, _) | (_, Kind::NaN) => Ok(Self::nan()),
            (Kind::Finite(a), Kind::Finite(b)) => {
                let mut product = mul_magnitude(a, b);
                product.negative = a.negative != b.negative && !product.digits.is_empty();
                product.scale = a.scale + b.scale;
                if product.scale > SCALE_MAX {
                    product.round(SCALE_MAX);
                }
                product.checked()
            }
            _ => Ok(match self.signum() * other.signum() {
                0 => Self::nan(),
                sign => Self::infinity(sign < 0),
            }),
        }
    }

    /// Quotient, rounded to at least 16 significant digits and never fewer decimals than either operand shows.
    ///
    /// # Errors
    /// 22012 for a zero divisor, 22003 when the result does not fit.
    pub fn div(&self, other: &Self) -> Result<Self, SqlError> {
        match (&self.kind, &other.kind) {
            (Kind::NaN, _) | (_, Kind::NaN) | (Kind::Infinity(_), Kind::Infinity(_)) => Ok(Self::nan()),
            (Kind::Infinity(negative), Kind::Finite(b)) => {
                if b.digits.is_empty() {
                    return Err(division_by_zero());
                }
                Ok(Self::infinity(*negative != b.negative))
            }
            (Kind::Finite(_), Kind::Infinity(_)) => Ok(Self::zero()),
            (Kind::Finite(a), Kind::Finite(b)) => {
                if b.digits.is_empty() {
                    return Err(division_by_zero());
                }
                let scale = quotient_scale(a, b);
                quotient(a, b, scale, true).checked()
            }
        }
    }

    /// Quotient cut off to an integer.
    ///
    /// # Errors
    /// 22012 for a zero divisor, 22003 when the result does not fit.
    pub fn div_trunc(&self, other: &Self) -> Result<Self, SqlError> {
        match (&self.kind, &other.kind) {
            (Kind::Finite(a), Kind::Finite(b)) if !b.digits.is_empty() => quotient(a, b, 0, false).checked(),
            _ => self.div(other),
        }
    }

    /// Remainder with the dividend's sign; the larger scale of both.
    ///
    /// # Errors
    /// 22012 for a zero divisor, 22003 when the result does not fit.
    pub fn rem(&self, other: &Self) -> Result<Self, SqlError> {
        match (&self.kind, &other.kind) {
            (Kind::NaN, _) | (_, Kind::NaN) => Ok(Self::nan()),
            (Kind::Infinity(_), _) if other.is_zero() => Err(division_by_zero()),
            (Kind::Infinity(_), _) => Ok(Self::nan()),
            (Kind::Finite(_), Kind::Infinity(_)) => Ok(self.clone()),
            (Kind::Finite(a), Kind::Finite(b)) => {
                if b.digits.is_empty() {
                    return Err(division_by_zero());
                }
                let whole = quotient(a, b, 0, false);
                let mut back = mul_magnitude(&whole, b);
                // The product has the dividend's sign; subtract it.
                back.negative = !a.negative && !back.digits.is_empty();
                back.scale = b.scale;
                add_signed(a, &back).checked()
            }
        }
    }

    /// Rounds half away from zero to `scale` decimals; negative scales round before the point.
    #[must_use]
    pub fn round(&self, scale: i32) -> Self {
        self.map_finite(|d| d.round(scale.min(SCALE_MAX)))
    }

    /// Cuts off after `scale` decimals; negative scales cut before the point.
    #[must_use]
    pub fn trunc(&self, scale: i32) -> Self {
        self.map_finite(|d| d.trunc(scale.min(SCALE_MAX)))
    }

    /// The largest integer not above.
    ///
    /// # Errors
    /// 22003 when the result does not fit the format.
    pub fn floor(&self) -> Result<Self, SqlError> {
        let cut = self.trunc(0);
        if cut > *self { cut.sub(&Self::from(1_i64)) } else { Ok(cut) }
    }

    /// The smallest integer not below.
    ///
    /// # Errors
    /// 22003 when the result does not fit the format.
    pub fn ceil(&self) -> Result<Self, SqlError> {
        let cut = self.trunc(0);
        if cut < *self { cut.add(&Self::from(1_i64)) } else { Ok(cut) }
    }

    /// Without trailing zeros after the point (`trim_scale`).
    #[must_use]
    pub fn trim_scale(&self) -> Self {
        self.map_finite(|d| d.scale = d.least_scale())
    }

    fn map_finite(&self, change: impl FnOnce(&mut Decimal)) -> Self {
        let mut result = self.clone();
        if let Kind::Finite(d) = &mut result.kind {
            change(d);
        }
        result
    }
}

impl Decimal {
    /// Fewest decimals that show the value exactly.
    pub(super) fn least_scale(&self) -> i32 {
        let Some(last) = self.digits.last() else { return 0 };
        let mut zeros = 0;
        let mut rest = *last;
        while rest != 0 && rest % 10 == 0 {
            rest /= 10;
            zeros += 1;
        }
        (-self.last_weight() * GROUP - zeros).max(0)
    }
}

pub(super) fn division_by_zero() -> SqlError {
    SqlError::new(SqlState::DIVISION_BY_ZERO, "division by zero")
}

pub(super) fn add_signed(a: &Decimal, b: &Decimal) -> Decimal {
    let mut result = if a.negative == b.negative {
        Decimal { negative: a.negative, ..add_magnitude(a, b) }
    } else {
        match a.cmp_magnitude(b) {
            Ordering::Equal => Decimal::default(),
            Ordering::Greater => Decimal { negative: a.negative, ..sub_magnitude(a, b) },
            Ordering::Less => Decimal { negative: b.negative, ..sub_magnitude(b, a) },
        }
    };
    result.scale = a.scale.max(b.scale);
    result.normalise();
    result
}

/// Weights from the last to the first digit that either operand has.
fn span(a: &Decimal, b: &Decimal) -> (i32, i32) {
    match (a.digits.is_empty(), b.digits.is_empty()) {
        (true, true) => (0, 0),
        (true, false) => (b.last_weight(), b.weight),
        (false, true) => (a.last_weight(), a.weight),
        (false, false) => (a.last_weight().min(b.last_weight()), a.weight.max(b.weight)),
    }
}

fn add_magnitude(a: &Decimal, b: &Decimal) -> Decimal {
    let (low, high) = span(a, b);
    let mut digits = Vec::with_capacity(usize::try_from(high - low + 2).unwrap_or(0));
    let mut carry = 0;
    for weight in low..=high {
        let sum = a.digit(weight) + b.digit(weight) + carry;
        carry = i32::from(sum >= BASE);
        digits.push(sum - carry * BASE);
    }
    digits.push(carry);
    digits.reverse();
    let mut sum = Decimal { digits, weight: high + 1, ..Decimal::default() };
    sum.normalise();
    sum
}

/// `a` must not be smaller than `b`.
fn sub_magnitude(a: &Decimal, b: &Decimal) -> Decimal {
    let (low, high) = span(a, b);
    let mut digits = Vec::with_capacity(usize::try_from(high - low + 1).unwrap_or(0));
    let mut borrow = 0;
    for weight in low..=high {
        let difference = a.digit(weight) - b.digit(weight) - borrow;
        borrow = i32::from(difference < 0);
        digits.push(difference + borrow * BASE);
    }
    digits.reverse();
    let mut rest = Decimal { digits, weight: high, ..Decimal::default() };
    rest.normalise();
    rest
}

pub(super) fn mul_magnitude(a: &Decimal, b: &Decimal) -> Decimal {
    if a.digits.is_empty() || b.digits.is_empty() {
        return Decimal::default();
    }
    let mut sums = vec![0_i64; a.digits.len() + b.digits.len()];
    for (i, x) in a.digits.iter().enumerate() {
        // Each sum stays below 32 768 * 10^8 < 2^63 before the carries are taken out.
        for (slot, y) in sums.iter_mut().skip(i + 1).zip(&b.digits) {
            *slot += i64::from(*x) * i64::from(*y);
        }
    }
    let mut carry = 0_i64;
    let mut digits = vec![0_i32; sums.len()];
    for (digit, sum) in digits.iter_mut().zip(&sums).rev() {
        let value = sum + carry;
        carry = value / i64::from(BASE);
        *digit = i32::try_from(value % i64::from(BASE)).unwrap_or(0);
    }
    let mut product = Decimal { digits, weight: a.weight + b.weight + 1, ..Decimal::default() };
    product.normalise();
    product
}

/// Scale of a quotient: see PostgreSQL's documentation of numeric division, at least 16 significant digits.
fn quotient_scale(a: &Decimal, b: &Decimal) -> i32 {
    let first = |d: &Decimal| d.digits.first().copied().unwrap_or(0);
    let mut weight = a.weight - b.weight;
    if first(a) <= first(b) {
        weight -= 1;
    }
    (SIGNIFICANT_MIN - weight * GROUP).max(a.scale).max(b.scale).clamp(0, DISPLAY_SCALE_MAX)
}

/// `a / b` to `scale` decimals, rounded or cut. `b` is not zero. Schoolbook long division.
pub(super) fn quotient(a: &Decimal, b: &Decimal, scale: i32, round: bool) -> Decimal {
    let mut result = Decimal { scale, ..Decimal::default() };
    if a.digits.is_empty() {
        return result;
    }
    let weight = a.weight - b.weight;
    // Groups after the point that hold `scale` decimals, and one more that decides the rounding.
    let groups = scale.div_euclid(GROUP) + 2;
    let count = i64::from(weight) + 1 + i64::from(groups);
    let Ok(count) = usize::try_from(count) else { return result };
    if count == 0 {
        return result;
    }
    let divisor: Vec<i64> = b.digits.iter().map(|d| i64::from(*d)).collect();
    let lead = divisor.first().copied().unwrap_or(1);
    let factor = i64::from(BASE) / (lead + 1);
    let base = i64::from(BASE);
    let scaled = |digits: &[i64], len: usize| -> Vec<i64> {
        // One digit longer at the front, for the carry.
        let mut out = vec![0_i64; len + 1];
        let mut carry = 0;
        for at in (0..len).rev() {
            let value = digits.get(at).copied().unwrap_or(0) * factor + carry;
            out[at + 1] = value % base;
            carry = value / base;
        }
        out[0] = carry;
        out
    };
    let n = divisor.len();
    let divisor = &scaled(&divisor, n)[1..];
    let dividend: Vec<i64> = a.digits.iter().map(|d| i64::from(*d)).collect();
    let mut rest = scaled(&dividend, count + n);
    let mut digits = Vec::with_capacity(count);
    let top = divisor[0];
    let second = divisor.get(1).copied().unwrap_or(0);
    for at in 0..count {
        let mut head = rest[at] * base + rest[at + 1];
        let mut guess = (head / top).min(base - 1);
        head -= guess * top;
        let third = rest[at + 2];
        while head < base && guess * second > head * base + third {
            guess -= 1;
            head += top;
        }
        let mut borrow = 0;
        for j in (0..n).rev() {
            let value = rest[at + 1 + j] - guess * divisor[j] - borrow;
            let digit = value.rem_euclid(base);
            borrow = (digit - value) / base;
            rest[at + 1 + j] = digit;
        }
        rest[at] -= borrow;
        if rest[at] < 0 {
            guess -= 1;
            let mut carry = 0;
            for j in (0..n).rev() {
                let value = rest[at + 1 + j] + divisor[j] + carry;
                rest[at + 1 + j] = value % base;
                carry = value / base;
            }
            rest[at] += carry;
        }
        digits.push(i32::try_from(guess).unwrap_or(0));
    }
    result.digits = digits;
    result.weight = weight;
    result.negative = a.negative != b.negative;
    result.normalise();
    if round {
        result.round(scale)
    } else {
        result.trunc(scale)
    }
    result
}
