//! Mathematical functions.

use basalt_types::pg::{self, Numeric, oid};
use basalt_types::{SqlError, SqlState, Value};

use super::arithmetic::{numeric, stored};
use super::{Call, Row, refuse};

fn is_numeric(call: &Call<'_>) -> bool {
    call.ty(0) == oid::NUMERIC
}

/// A function of one float, and of one numeric.
fn either(call: &Call<'_>, float: fn(f64) -> f64, exact: fn(&Numeric) -> Result<Numeric, SqlError>) -> Result<Value, SqlError> {
    if is_numeric(call) { Ok(stored(&exact(&numeric(call.arg(0))?)?)) } else { Ok(pg::store_float(float(call.real(0)))) }
}

fn of_float(call: &Call<'_>, f: fn(f64) -> f64) -> Result<Value, SqlError> {
    let x = call.real(0);
    let result = f(x);
    if result.is_infinite() && x.is_finite() {
        return refuse(SqlState::OUT_OF_RANGE, "value out of range: overflow");
    }
    Ok(pg::store_float(result))
}

/// For arcsine and the like: outside the function's domain it is 22003.
fn bounded(call: &Call<'_>, f: fn(f64) -> f64) -> Result<Value, SqlError> {
    if call.real(0).abs() > 1.0 {
        return refuse(SqlState::OUT_OF_RANGE, "input is out of range");
    }
    of_float(call, f)
}

fn abs(call: &Call<'_>) -> Result<Value, SqlError> {
    match call.ty(0) {
        oid::NUMERIC => Ok(stored(&numeric(call.arg(0))?.abs())),
        oid::FLOAT4 | oid::FLOAT8 => Ok(pg::store_float(call.real(0).abs())),
        ty => {
            let (low, name) = match ty {
                oid::INT2 => (i64::from(i16::MIN), "smallint"),
                oid::INT4 => (i64::from(i32::MIN), "integer"),
                _ => (i64::MIN, "bigint"),
            };
            match call.int(0) {
                n if n == low => refuse(SqlState::OUT_OF_RANGE, format!("{name} out of range")),
                n => Ok(Value::Int(n.abs())),
            }
        }
    }
}

fn scale_argument(call: &Call<'_>) -> i32 {
    i32::try_from(call.int(1)).unwrap_or(if call.int(1) < 0 { i32::MIN } else { i32::MAX })
}

fn round(call: &Call<'_>) -> Result<Value, SqlError> {
    if !is_numeric(call) {
        return Ok(pg::store_float(call.real(0).round_ties_even()));
    }
    Ok(stored(&numeric(call.arg(0))?.round(scale_argument(call).clamp(-2000, 2000))))
}

fn trunc(call: &Call<'_>) -> Result<Value, SqlError> {
    if !is_numeric(call) {
        return Ok(pg::store_float(call.real(0).trunc()));
    }
    Ok(stored(&numeric(call.arg(0))?.trunc(scale_argument(call).clamp(-2000, 2000))))
}

fn log_argument(x: f64) -> Result<f64, SqlError> {
    const STATE: SqlState = SqlState::new(b"2201E");
    if x == 0.0 {
        return refuse(STATE, "cannot take logarithm of zero");
    }
    if x < 0.0 {
        return refuse(STATE, "cannot take logarithm of a negative number");
    }
    Ok(x)
}

fn exp(call: &Call<'_>) -> Result<Value, SqlError> {
    if is_numeric(call) { Ok(stored(&numeric(call.arg(0))?.exp()?)) } else { of_float(call, f64::exp) }
}

fn ln(call: &Call<'_>) -> Result<Value, SqlError> {
    if is_numeric(call) {
        Ok(stored(&numeric(call.arg(0))?.ln()?))
    } else {
        Ok(pg::store_float(log_argument(call.real(0))?.ln()))
    }
}

fn log(call: &Call<'_>) -> Result<Value, SqlError> {
    if call.len() == 2 {
        return Ok(stored(&numeric(call.arg(1))?.log(&numeric(call.arg(0))?)?));
    }
    if is_numeric(call) {
        Ok(stored(&numeric(call.arg(0))?.log(&Numeric::from(10))?))
    } else {
        Ok(pg::store_float(log_argument(call.real(0))?.log10()))
    }
}

fn check_power(base: f64, exponent: f64) -> Result<(), SqlError> {
    const STATE: SqlState = SqlState::new(b"2201F");
    if base == 0.0 && exponent < 0.0 {
        return refuse(STATE, "zero raised to a negative power is undefined");
    }
    if base < 0.0 && exponent.fract() != 0.0 {
        return refuse(STATE, "a negative number raised to a non-integer power yields a complex result");
    }
    Ok(())
}

fn power(call: &Call<'_>) -> Result<Value, SqlError> {
    let (base, exponent) = (call.real(0), call.real(1));
    check_power(base, exponent)?;
    let result = base.powf(exponent);
    if result.is_infinite() && base.is_finite() && exponent.is_finite() {
        return refuse(SqlState::OUT_OF_RANGE, "value out of range: overflow");
    }
    Ok(pg::store_float(result))
}

fn numeric_power(call: &Call<'_>) -> Result<Value, SqlError> {
    Ok(stored(&numeric(call.arg(0))?.pow(&numeric(call.arg(1))?, &|| call.run.check_deadline())?))
}

fn gcd(a: i64, b: i64) -> u64 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn fit(n: Option<u64>) -> Result<Value, SqlError> {
    match n.and_then(|n| i64::try_from(n).ok()) {
        Some(n) => Ok(Value::Int(n)),
        None => refuse(SqlState::OUT_OF_RANGE, "bigint out of range"),
    }
}

fn lcm(call: &Call<'_>) -> Result<Value, SqlError> {
    let (a, b) = (call.int(0), call.int(1));
    if a == 0 || b == 0 {
        return Ok(Value::Int(0));
    }
    fit((a.unsigned_abs() / gcd(a, b)).checked_mul(b.unsigned_abs()))
}

fn factorial(call: &Call<'_>) -> Result<Value, SqlError> {
    let n = call.int(0);
    if n < 0 {
        return refuse(SqlState::OUT_OF_RANGE, "factorial of a negative number is undefined");
    }
    if n > 32_177 {
        return refuse(SqlState::OUT_OF_RANGE, "value overflows numeric format");
    }
    let mut result = Numeric::from(1);
    for i in 2..=n {
        call.run.check_deadline()?;
        result = result.mul(&Numeric::from(i))?;
    }
    Ok(stored(&result))
}

/// A float in [0, 1) with 53 random bits.
fn random(call: &Call<'_>) -> f64 {
    let mut bytes = [0; 8];
    call.services.rng.fill(&mut bytes);
    #[allow(clippy::cast_precision_loss)] // exact: 53 bits
    let bits = (u64::from_le_bytes(bytes) >> 11) as f64;
    bits / (1u64 << 53) as f64
}

fn random_between(call: &Call<'_>) -> Result<Value, SqlError> {
    let (low, high) = (call.int(0), call.int(1));
    if low > high {
        return refuse(SqlState::INVALID_PARAMETER, "lower bound must be less than or equal to upper bound");
    }
    let mut bytes = [0; 16];
    call.services.rng.fill(&mut bytes);
    let width = i128::from(high) - i128::from(low) + 1;
    let offset = u128::from_le_bytes(bytes) % width.unsigned_abs();
    let value = i128::from(low) + i128::try_from(offset).unwrap_or(0);
    Ok(Value::Int(i64::try_from(value).unwrap_or(low)))
}

fn width_bucket(call: &Call<'_>) -> Result<Value, SqlError> {
    let count = call.int(3);
    const STATE: SqlState = SqlState::new(b"2201G");
    if count <= 0 {
        return refuse(STATE, "count must be greater than zero");
    }
    let n = |at| numeric(call.arg(at));
    let (x, low, high) = (n(0)?, n(1)?, n(2)?);
    if low == high {
        return refuse(STATE, "lower bound cannot equal upper bound");
    }
    let (is_below, is_above) = if low < high { (x < low, x >= high) } else { (x > low, x <= high) };
    Ok(Value::Int(if is_below {
        0
    } else if is_above {
        count + 1
    } else {
        let part = x.sub(&low)?.mul(&Numeric::from(count))?.div_trunc(&high.sub(&low)?)?;
        part.to_i64().unwrap_or(0) + 1
    }))
}

fn sign(call: &Call<'_>) -> Result<Value, SqlError> {
    if is_numeric(call) {
        let x = numeric(call.arg(0))?;
        return Ok(if x.is_nan() { stored(&x) } else { stored(&Numeric::from(i64::from(x.signum()))) });
    }
    let x = call.real(0);
    Ok(pg::store_float(if x == 0.0 || x.is_nan() { x } else { x.signum() }))
}

pub(super) const TABLE: &[Row] = &[
    ("abs", abs),
    ("ceil", |c| either(c, f64::ceil, Numeric::ceil)),
    ("floor", |c| either(c, f64::floor, Numeric::floor)),
    ("round", round),
    ("trunc", trunc),
    ("sign", sign),
    ("sqrt", |c| {
        if !is_numeric(c) && c.real(0) < 0.0 {
            return refuse(SqlState::new(b"2201F"), "cannot take square root of a negative number");
        }
        either(c, f64::sqrt, Numeric::sqrt)
    }),
    ("cbrt", |c| of_float(c, f64::cbrt)),
    ("exp", exp),
    ("ln", ln),
    ("log", log),
    ("dpow", power),
    ("numeric_power", numeric_power),
    ("gcd", |c| fit(Some(gcd(c.int(0), c.int(1))))),
    ("lcm", lcm),
    ("factorial", factorial),
    ("pi", |_| Ok(Value::Real(std::f64::consts::PI))),
    ("degrees", |c| of_float(c, f64::to_degrees)),
    ("radians", |c| of_float(c, f64::to_radians)),
    ("sin", |c| of_float(c, f64::sin)),
    ("cos", |c| of_float(c, f64::cos)),
    ("tan", |c| of_float(c, f64::tan)),
    ("cot", |c| of_float(c, |x| 1.0 / x.tan())),
    ("asin", |c| bounded(c, f64::asin)),
    ("acos", |c| bounded(c, f64::acos)),
    ("atan", |c| of_float(c, f64::atan)),
    ("atan2", |c| Ok(pg::store_float(c.real(0).atan2(c.real(1))))),
    ("random", |c| Ok(Value::Real(random(c)))),
    ("random_between", random_between),
    ("scale", |c| Ok(Value::Int(i64::from(numeric(c.arg(0))?.scale())))),
    ("min_scale", |c| Ok(Value::Int(i64::from(numeric(c.arg(0))?.trim_scale().scale())))),
    ("trim_scale", |c| Ok(stored(&numeric(c.arg(0))?.trim_scale()))),
    ("width_bucket", width_bucket),
];
