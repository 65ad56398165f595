//! Exact decimal numbers with PostgreSQL's scale rules.

mod arith;
mod power;
mod text;

use crate::{SqlError, SqlState};
use std::cmp::Ordering;

/// Digits are kept in base 10 000: PostgreSQL derives the scale of a quotient from groups of four digits.
const BASE: i32 = 10_000;
/// Decimal digits in one base-10 000 digit.
const GROUP: i32 = 4;
/// Largest weight of a leading digit: 131 072 decimal digits before the point.
const WEIGHT_MAX: i64 = 32_767;
/// Most decimal digits after the point.
const SCALE_MAX: i32 = 16_383;
/// Most digits after the point that a quotient is given of its own accord.
const DISPLAY_SCALE_MAX: i32 = 1_000;
/// Significant digits that a quotient has at least.
const SIGNIFICANT_MIN: i32 = 16;

/// PostgreSQL's `numeric`: an exact decimal that remembers how many digits it shows after the point.
///
/// At most 131 072 digits before and 16 383 after the decimal point. NaN equals itself and sorts above everything.
#[derive(Debug, Clone)]
pub struct Numeric {
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Finite(Decimal),
    NaN,
    /// `true` for minus infinity.
    Infinity(bool),
}

/// A finite number: sign, base-10 000 digits without leading or trailing zeros, weight of the first, digits shown after the point.
#[derive(Debug, Clone, Default)]
struct Decimal {
    negative: bool,
    digits: Vec<i32>,
    weight: i32,
    scale: i32,
}

fn overflow() -> SqlError {
    SqlError::new(SqlState::OUT_OF_RANGE, "value overflows numeric format")
}

impl Numeric {
    /// Zero, without decimals.
    pub fn zero() -> Self {
        Self::finite(Decimal::default())
    }

    /// Not a number.
    pub fn nan() -> Self {
        Self { kind: Kind::NaN }
    }

    fn finite(decimal: Decimal) -> Self {
        Self { kind: Kind::Finite(decimal) }
    }

    fn infinity(negative: bool) -> Self {
        Self { kind: Kind::Infinity(negative) }
    }

    /// Whether this is NaN.
    pub fn is_nan(&self) -> bool {
        matches!(self.kind, Kind::NaN)
    }

    /// Whether this is neither NaN nor infinite.
    pub fn is_finite(&self) -> bool {
        matches!(self.kind, Kind::Finite(_))
    }

    /// Whether this is zero.
    pub fn is_zero(&self) -> bool {
        matches!(&self.kind, Kind::Finite(d) if d.digits.is_empty())
    }

    /// -1, 0 or 1; 0 for NaN.
    pub fn signum(&self) -> i32 {
        match &self.kind {
            Kind::Finite(d) if d.digits.is_empty() => 0,
            Kind::Finite(Decimal { negative, .. }) | Kind::Infinity(negative) => 1 - 2 * i32::from(*negative),
            Kind::NaN => 0,
        }
    }

    /// Digits shown after the decimal point; 0 for NaN and infinities.
    pub fn scale(&self) -> i32 {
        match &self.kind {
            Kind::Finite(d) => d.scale,
            _ => 0,
        }
    }

    /// Applies `numeric(precision, scale)`: rounds, then checks that the integer part fits.
    ///
    /// # Errors
    /// 22003 `numeric field overflow`, with PostgreSQL's detail.
    pub fn apply_typmod(&self, typmod: i32) -> Result<Self, SqlError> {
        let Some((precision, scale)) = precision_scale(typmod) else { return Ok(self.clone()) };
        let detail = |text: &str| {
            let power = precision - scale;
            let bound = if power == 0 { "1".to_owned() } else { format!("10^{power}") };
            let text = text.replace("{bound}", &bound);
            Err(SqlError::new(SqlState::OUT_OF_RANGE, "numeric field overflow")
                .detail(format!("A field with precision {precision}, scale {scale} {text}")))
        };
        let decimal = match &self.kind {
            Kind::NaN => return Ok(self.clone()),
            Kind::Infinity(_) => return detail("cannot hold an infinite value."),
            Kind::Finite(decimal) => decimal,
        };
        let mut rounded = decimal.clone();
        rounded.round(scale);
        if rounded.integer_digits() > precision - scale {
            return detail("must round to an absolute value less than {bound}.");
        }
        Ok(Self::finite(rounded))
    }
}

/// Precision and scale of a numeric's type modifier; `None` without one.
pub(crate) fn precision_scale(typmod: i32) -> Option<(i32, i32)> {
    if typmod < 4 {
        return None;
    }
    let packed = typmod - 4;
    // The scale is an 11-bit number with sign.
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    Some(((packed >> 16) & 0xffff, scale))
}

impl Decimal {
    /// Removes leading and trailing zero digits, and the sign of zero.
    fn normalise(&mut self) {
        let leading = self.digits.iter().take_while(|d| **d == 0).count();
        self.digits.drain(..leading);
        self.weight -= i32::try_from(leading).unwrap_or(i32::MAX);
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        if self.digits.is_empty() {
            self.negative = false;
            self.weight = 0;
        }
    }

    /// The digit with this weight (0: units, -1: the first four decimals).
    fn digit(&self, weight: i32) -> i32 {
        usize::try_from(self.weight - weight).ok().and_then(|at| self.digits.get(at)).copied().unwrap_or(0)
    }

    /// Weight of the last digit kept.
    fn last_weight(&self) -> i32 {
        self.weight + 1 - i32::try_from(self.digits.len()).unwrap_or(i32::MAX)
    }

    /// Refuses what does not fit PostgreSQL's format.
    fn checked(self) -> Result<Numeric, SqlError> {
        if i64::from(self.weight) > WEIGHT_MAX || self.scale > SCALE_MAX {
            return Err(overflow());
        }
        Ok(Numeric::finite(self))
    }

    /// Number of decimal digits before the point; negative when zeros follow the point, `i32::MIN / 2` for zero.
    fn integer_digits(&self) -> i32 {
        let Some(first) = self.digits.first() else { return i32::MIN / 2 };
        let width = match first {
            1000.. => 4,
            100.. => 3,
            10.. => 2,
            _ => 1,
        };
        self.weight * GROUP + width
    }

    /// Rounds half away from zero to `scale` decimals (negative: before the point).
    fn round(&mut self, scale: i32) {
        self.cut(scale, true);
    }

    /// Cuts off after `scale` decimals (negative: before the point).
    fn trunc(&mut self, scale: i32) {
        self.cut(scale, false);
    }

    fn cut(&mut self, scale: i32, round: bool) {
        self.scale = scale.max(0);
        // Decimal position, counted from the first digit of the first group.
        let keep = i64::from(self.weight + 1) * i64::from(GROUP) + i64::from(scale);
        if self.digits.is_empty() || keep >= i64::try_from(self.digits.len()).unwrap_or(i64::MAX) * i64::from(GROUP) {
            return;
        }
        if keep < 0 {
            self.digits.clear();
            self.normalise();
            return;
        }
        let group = usize::try_from(keep / i64::from(GROUP)).unwrap_or(usize::MAX);
        let within = u32::try_from(keep % i64::from(GROUP)).unwrap_or(0);
        let unit = BASE / 10_i32.pow(within); // value of the last kept decimal inside the group
        let cut_digit = self.digits.get(group).copied().unwrap_or(0);
        let rest = cut_digit % unit;
        self.digits.truncate(group + 1);
        if let Some(last) = self.digits.last_mut() {
            *last -= rest;
        }
        if round && rest >= unit / 2 {
            // When unit is BASE the group itself goes, and the carry enters the group before.
            let (mut at, mut carry) = (group, unit);
            while let Some(digit) = self.digits.get_mut(at) {
                *digit += carry;
                if *digit < BASE {
                    break;
                }
                *digit -= BASE;
                carry = 1;
                if at == 0 {
                    self.digits.insert(0, 1);
                    self.weight += 1;
                    break;
                }
                at -= 1;
            }
        }
        self.normalise();
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.weight.cmp(&other.weight).then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

impl Ord for Numeric {
    fn cmp(&self, other: &Self) -> Ordering {
        // Rank of the kinds: -Infinity, finite, Infinity, NaN.
        let rank = |n: &Self| match &n.kind {
            Kind::Infinity(true) => 0,
            Kind::Finite(_) => 1,
            Kind::Infinity(false) => 2,
            Kind::NaN => 3,
        };
        match (&self.kind, &other.kind) {
            (Kind::Finite(a), Kind::Finite(b)) => match (a.negative, b.negative) {
                (false, true) => Ordering::Greater,
                (true, false) => Ordering::Less,
                (false, false) => a.cmp_magnitude(b),
                (true, true) => b.cmp_magnitude(a),
            },
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Numeric {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Numeric {}
