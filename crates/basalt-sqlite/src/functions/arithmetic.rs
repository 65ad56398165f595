//! Operators on numbers, with PostgreSQL's overflow and division errors.

use basalt_types::pg::{self, Numeric};
use basalt_types::{SqlError, SqlState, Value, ValueRef};

use super::{Call, Row, refuse};

/// A numeric argument, from any number's storage form.
pub(super) fn numeric(value: ValueRef<'_>) -> Result<Numeric, SqlError> {
    match value {
        ValueRef::Int(n) => Ok(Numeric::from(n)),
        ValueRef::Real(x) => Ok(Numeric::from_f64(x)),
        ValueRef::Text(text) => Numeric::parse(text),
        _ => Ok(Numeric::zero()),
    }
}

/// A numeric's storage form.
pub(super) fn stored(value: &Numeric) -> Value {
    Value::Text(value.to_string())
}

pub(super) fn division_by_zero() -> SqlError {
    SqlError::new(SqlState::DIVISION_BY_ZERO, "division by zero")
}

fn int(value: Option<i64>, bits: u32) -> Result<Value, SqlError> {
    let (low, high, name) = match bits {
        16 => (i64::from(i16::MIN), i64::from(i16::MAX), "smallint"),
        32 => (i64::from(i32::MIN), i64::from(i32::MAX), "integer"),
        _ => (i64::MIN, i64::MAX, "bigint"),
    };
    match value {
        Some(n) if n >= low && n <= high => Ok(Value::Int(n)),
        _ => refuse(SqlState::OUT_OF_RANGE, format!("{name} out of range")),
    }
}

fn divisor(call: &Call<'_>) -> Result<i64, SqlError> {
    match call.int(1) {
        0 => Err(division_by_zero()),
        n => Ok(n),
    }
}

macro_rules! ints {
    ($bits:literal: $pl:literal $mi:literal $mul:literal $div:literal $rem:literal $um:literal $shl:literal $shr:literal) => {
        [
            ($pl, (|c| int(c.int(0).checked_add(c.int(1)), $bits)) as super::Function),
            ($mi, |c| int(c.int(0).checked_sub(c.int(1)), $bits)),
            ($mul, |c| int(c.int(0).checked_mul(c.int(1)), $bits)),
            ($div, |c| int(c.int(0).checked_div(divisor(c)?), $bits)),
            ($rem, |c| int(Some(c.int(0).wrapping_rem(divisor(c)?)), $bits)),
            ($um, |c| int(c.int(0).checked_neg(), $bits)),
            ($shl, |c| Ok(Value::Int(shifted(c, $bits, true)))),
            ($shr, |c| Ok(Value::Int(shifted(c, $bits, false)))),
        ]
    };
}

/// Shifts as C does on that width: the count modulo the width, high bits fall off.
fn shifted(call: &Call<'_>, bits: u32, left: bool) -> i64 {
    let by = u32::try_from(call.int(1).rem_euclid(i64::from(bits.max(32)))).unwrap_or(0);
    let value = if left { call.int(0).wrapping_shl(by) } else { call.int(0).wrapping_shr(by) };
    #[allow(clippy::cast_possible_truncation)] // meant: the width's own bits
    match bits {
        16 => i64::from(value as i16),
        32 => i64::from(value as i32),
        _ => value,
    }
}

/// A float result: infinities only from infinities, zero only from zeros.
fn float(result: f64, inputs: [f64; 2], zero_is_fine: bool) -> Result<Value, SqlError> {
    if result.is_infinite() && inputs.iter().all(|x| x.is_finite()) {
        return refuse(SqlState::OUT_OF_RANGE, "value out of range: overflow");
    }
    if result == 0.0 && !zero_is_fine {
        return refuse(SqlState::OUT_OF_RANGE, "value out of range: underflow");
    }
    Ok(pg::store_float(result))
}

fn single(x: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation)] // float4 arithmetic is done in float4
    f64::from(x as f32)
}

fn float_op(
    call: &Call<'_>,
    is_single: bool,
    op: fn(f64, f64) -> f64,
    is_product: bool,
    is_quotient: bool,
) -> Result<Value, SqlError> {
    let (a, b) = (call.real(0), call.real(1));
    if is_quotient && b == 0.0 && !a.is_nan() {
        return Err(division_by_zero());
    }
    let result = op(a, b);
    let result = if is_single { single(result) } else { result };
    let zero_is_fine = !is_product || a == 0.0 || (b == 0.0 && !is_quotient) || b.is_infinite();
    float(result, [a, b], zero_is_fine)
}

fn numeric_op(call: &Call<'_>, op: fn(&Numeric, &Numeric) -> Result<Numeric, SqlError>) -> Result<Value, SqlError> {
    Ok(stored(&op(&numeric(call.arg(0))?, &numeric(call.arg(1))?)?))
}

const INT2: [Row; 8] = ints!(16: "int2pl" "int2mi" "int2mul" "int2div" "int2mod" "int2um" "int2shl" "int2shr");
const INT4: [Row; 8] = ints!(32: "int4pl" "int4mi" "int4mul" "int4div" "int4mod" "int4um" "int4shl" "int4shr");
const INT8: [Row; 8] = ints!(64: "int8pl" "int8mi" "int8mul" "int8div" "int8mod" "int8um" "int8shl" "int8shr");

const OTHERS: [Row; 17] = [
    ("float4pl", |c| float_op(c, true, |a, b| a + b, false, false)),
    ("float4mi", |c| float_op(c, true, |a, b| a - b, false, false)),
    ("float4mul", |c| float_op(c, true, |a, b| a * b, true, false)),
    ("float4div", |c| float_op(c, true, |a, b| a / b, true, true)),
    ("float4um", |c| Ok(pg::store_float(-c.real(0)))),
    ("float8pl", |c| float_op(c, false, |a, b| a + b, false, false)),
    ("float8mi", |c| float_op(c, false, |a, b| a - b, false, false)),
    ("float8mul", |c| float_op(c, false, |a, b| a * b, true, false)),
    ("float8div", |c| float_op(c, false, |a, b| a / b, true, true)),
    ("float8um", |c| Ok(pg::store_float(-c.real(0)))),
    ("numeric_add", |c| numeric_op(c, Numeric::add)),
    ("numeric_sub", |c| numeric_op(c, Numeric::sub)),
    ("numeric_mul", |c| numeric_op(c, Numeric::mul)),
    ("numeric_div", |c| numeric_op(c, Numeric::div)),
    ("numeric_div_trunc", |c| numeric_op(c, Numeric::div_trunc)),
    ("numeric_mod", |c| numeric_op(c, Numeric::rem)),
    ("numeric_uminus", |c| Ok(stored(&numeric(c.arg(0))?.neg()))),
];

const ALL: [Row; 41] = {
    let mut all = [INT2[0]; 41];
    let mut i = 0;
    while i < 8 {
        all[i] = INT2[i];
        all[i + 8] = INT4[i];
        all[i + 16] = INT8[i];
        i += 1;
    }
    let mut i = 0;
    while i < 17 {
        all[i + 24] = OTHERS[i];
        i += 1;
    }
    all
};

pub(super) const TABLE: &[Row] = &ALL;
