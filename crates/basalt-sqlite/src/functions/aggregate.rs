//! Aggregates: rows as JSON by a program's shapes, sums and averages without loss, JSON collections, statistics.

use std::collections::BTreeSet;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use basalt_types::pg::{self, Interval, Numeric};
use basalt_types::{SqlError, SqlState, Value, ValueRef};
use rusqlite::functions::{Aggregate, Context, FunctionFlags};

use super::arithmetic::{numeric, stored};
use super::text::LONGEST_BYTES;
use super::{from_sqlite, to_sqlite};
use crate::connection::RunContext;
use crate::encode::Columns;
use crate::error;
use crate::programs::Shapes;

/// The arguments behind the first, as an encoder's columns.
struct Arguments<'a, 'c>(&'a Context<'c>);

impl Columns for Arguments<'_, '_> {
    fn column(&self, at: usize) -> ValueRef<'_> {
        if at + 1 < self.0.len() { from_sqlite(self.0.get_raw(at + 1)) } else { ValueRef::Null }
    }
}

/// Appends the call's row by the shape its first argument names.
fn write_row(run: &RunContext, context: &Context<'_>, is_next: bool, out: &mut Vec<u8>) -> Result<(), SqlError> {
    let shapes = run.shapes().and_then(|any| any.downcast::<Shapes>().ok());
    let number = match from_sqlite(context.get_raw(0)) {
        ValueRef::Int(n) => usize::try_from(n).ok(),
        _ => None,
    };
    let encoder = shapes.as_ref().zip(number).and_then(|(shapes, at)| shapes.0.get(at));
    let encoder = encoder.ok_or_else(|| SqlError::internal("a statement names a shape that its program does not have"))?;
    if is_next {
        out.extend_from_slice(encoder.separator());
    }
    encoder.write(&Arguments(context), out);
    if out.len() > LONGEST_BYTES {
        return Err(SqlError::new(SqlState::PROGRAM_LIMIT, "a JSON value is too long"));
    }
    Ok(())
}

fn text(bytes: Vec<u8>) -> rusqlite::types::Value {
    rusqlite::types::Value::Text(String::from_utf8(bytes).unwrap_or_default())
}

/// `basalt_json_agg(shape, column, …)`.
struct JsonRows(Arc<RunContext>);

impl Aggregate<Vec<u8>, rusqlite::types::Value> for JsonRows {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Vec<u8>> {
        Ok(vec![b'['])
    }

    fn step(&self, context: &mut Context<'_>, out: &mut Vec<u8>) -> rusqlite::Result<()> {
        write_row(&self.0, context, out.len() > 1, out).map_err(|e| error::host(&e))
    }

    fn finalize(&self, _: &mut Context<'_>, out: Option<Vec<u8>>) -> rusqlite::Result<rusqlite::types::Value> {
        let mut out = out.unwrap_or_else(|| vec![b'[']);
        out.push(b']');
        Ok(text(out))
    }
}

/// An aggregate by its state's functions.
struct Fold<S> {
    start: fn() -> S,
    step: fn(&mut S, &Context<'_>) -> Result<(), SqlError>,
    end: fn(S) -> Result<Value, SqlError>,
}

impl<S: RefUnwindSafe + UnwindSafe> Aggregate<S, rusqlite::types::Value> for Fold<S> {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<S> {
        Ok((self.start)())
    }

    fn step(&self, context: &mut Context<'_>, state: &mut S) -> rusqlite::Result<()> {
        (self.step)(state, context).map_err(|e| error::host(&e))
    }

    fn finalize(&self, _: &mut Context<'_>, state: Option<S>) -> rusqlite::Result<rusqlite::types::Value> {
        state.map_or(Ok(rusqlite::types::Value::Null), |state| (self.end)(state).map(to_sqlite).map_err(|e| error::host(&e)))
    }
}

fn argument<'a>(context: &'a Context<'_>, at: usize) -> ValueRef<'a> {
    if at < context.len() { from_sqlite(context.get_raw(at)) } else { ValueRef::Null }
}

/// Exact sums: how many values, their sum, the sum of their squares.
struct Exact {
    count: i64,
    sum: Numeric,
    squares: Numeric,
    /// Squares cost; sums and averages do without.
    needs_squares: bool,
}

impl Exact {
    fn start() -> Self {
        Self { count: 0, sum: Numeric::zero(), squares: Numeric::zero(), needs_squares: false }
    }

    fn with_squares() -> Self {
        Self { needs_squares: true, ..Self::start() }
    }

    fn add(&mut self, context: &Context<'_>) -> Result<(), SqlError> {
        let value = argument(context, 0);
        if value == ValueRef::Null {
            return Ok(());
        }
        let value = numeric(value)?;
        self.count += 1;
        self.sum = self.sum.add(&value)?;
        if self.needs_squares {
            self.squares = self.squares.add(&value.mul(&value)?)?;
        }
        Ok(())
    }

    fn sum(self) -> Result<Value, SqlError> {
        Ok(if self.count == 0 { Value::Null } else { stored(&self.sum) })
    }

    fn average(self) -> Result<Value, SqlError> {
        if self.count == 0 {
            return Ok(Value::Null);
        }
        Ok(stored(&self.sum.div(&Numeric::from(self.count))?))
    }

    /// Variance: (n Σx² - (Σx)²) / (n (n - 1)), or by n² for the whole population.
    fn variance(&self, sample: bool) -> Result<Option<Numeric>, SqlError> {
        if self.count == 0 || (sample && self.count == 1) {
            return Ok(None);
        }
        let n = Numeric::from(self.count);
        let upper = n.mul(&self.squares)?.sub(&self.sum.mul(&self.sum)?)?;
        if upper.signum() <= 0 && !upper.is_nan() {
            return Ok(Some(Numeric::zero()));
        }
        let lower = if sample { n.mul(&Numeric::from(self.count - 1))? } else { n.mul(&n)? };
        upper.div(&lower).map(Some)
    }
}

fn variance(state: Exact, sample: bool, root: bool) -> Result<Value, SqlError> {
    Ok(match state.variance(sample)? {
        None => Value::Null,
        Some(value) if root => stored(&value.sqrt()?),
        Some(value) => stored(&value),
    })
}

/// Float sums by Youngs and Cramer's method, as PostgreSQL keeps them.
#[derive(Default)]
struct Floats {
    count: f64,
    sum: f64,
    deviations: f64,
    /// Any overflow is an error unless an infinity came in.
    has_infinity: bool,
}

impl Floats {
    fn add(&mut self, context: &Context<'_>) -> Result<(), SqlError> {
        let value = argument(context, 0);
        if value == ValueRef::Null {
            return Ok(());
        }
        #[allow(clippy::cast_precision_loss)] // as PostgreSQL's cast
        let x = if let ValueRef::Int(n) = value { n as f64 } else { pg::read_float(value).unwrap_or(0.0) };
        self.has_infinity |= !x.is_finite();
        self.count += 1.0;
        self.sum += x;
        if self.count > 1.0 {
            let part = x * self.count - self.sum;
            self.deviations += part * part / (self.count * (self.count - 1.0));
        }
        if self.sum.is_infinite() && !self.has_infinity {
            return Err(SqlError::new(SqlState::OUT_OF_RANGE, "value out of range: overflow"));
        }
        Ok(())
    }

    fn average(self) -> Result<Value, SqlError> {
        Ok(if self.count == 0.0 { Value::Null } else { pg::store_float(self.sum / self.count) })
    }

    fn sum(self, single: bool) -> Result<Value, SqlError> {
        #[allow(clippy::cast_possible_truncation)] // float4's sum is a float4
        let sum = if single { f64::from(self.sum as f32) } else { self.sum };
        Ok(if self.count == 0.0 { Value::Null } else { pg::store_float(sum) })
    }

    fn variance(self, sample: bool, root: bool) -> Result<Value, SqlError> {
        let parts = if sample { self.count - 1.0 } else { self.count };
        if parts <= 0.0 {
            return Ok(Value::Null);
        }
        let value = self.deviations / parts;
        Ok(pg::store_float(if root { value.sqrt() } else { value }))
    }
}

type Spans = (i64, Option<Interval>);

fn add_interval(state: &mut Spans, context: &Context<'_>) -> Result<(), SqlError> {
    if let ValueRef::Text(text) = argument(context, 0) {
        let value = Interval::parse(text)?;
        state.0 += 1;
        state.1 = Some(match state.1 {
            Some(sum) => sum.add(value)?,
            None => value,
        });
    }
    Ok(())
}

/// JSON texts joined; the separator is json_agg's or json_object_agg's.
fn add_json(out: &mut Vec<u8>, context: &Context<'_>) -> Result<(), SqlError> {
    out.extend_from_slice(if out.is_empty() { b"[" } else { b", " });
    out.extend_from_slice(if let ValueRef::Text(text) = argument(context, 0) { text.as_bytes() } else { b"null" });
    bounded(out)
}

/// As [`add_json`], each but the first on a line of its own.
fn add_json_line(out: &mut Vec<u8>, context: &Context<'_>) -> Result<(), SqlError> {
    let element = if let ValueRef::Text(text) = argument(context, 0) { text.as_bytes() } else { b"null" };
    let separator: &[u8] = match (out.is_empty(), element) {
        (true, _) => b"[",
        (false, b"null") => b", ",
        (false, _) => b", \n ",
    };
    out.extend_from_slice(separator);
    out.extend_from_slice(element);
    bounded(out)
}

fn add_pair(out: &mut Vec<u8>, context: &Context<'_>) -> Result<(), SqlError> {
    let ValueRef::Text(key) = argument(context, 0) else {
        return Err(SqlError::new(SqlState::NULL_NOT_ALLOWED, "field name must not be null"));
    };
    out.extend_from_slice(if out.is_empty() { b"{ " } else { b", " });
    pg::write_json_string(key, out);
    out.extend_from_slice(b" : ");
    out.extend_from_slice(if let ValueRef::Text(text) = argument(context, 1) { text.as_bytes() } else { b"null" });
    bounded(out)
}

/// Texts joined, equal pairs of text and separator once.
#[derive(Default)]
struct DistinctTexts {
    seen: BTreeSet<(String, Option<String>)>,
    joined: Option<String>,
}

fn add_distinct_text(state: &mut DistinctTexts, context: &Context<'_>) -> Result<(), SqlError> {
    let ValueRef::Text(text) = argument(context, 0) else { return Ok(()) };
    let separator = match argument(context, 1) {
        ValueRef::Text(separator) => Some(separator.to_owned()),
        _ => None,
    };
    if !state.seen.insert((text.to_owned(), separator.clone())) {
        return Ok(());
    }
    match &mut state.joined {
        Some(joined) => {
            joined.push_str(separator.as_deref().unwrap_or_default());
            joined.push_str(text);
            bounded(joined.as_bytes())
        }
        none => {
            *none = Some(text.to_owned());
            Ok(())
        }
    }
}

fn bounded(out: &[u8]) -> Result<(), SqlError> {
    if out.len() > LONGEST_BYTES { Err(SqlError::new(SqlState::PROGRAM_LIMIT, "a JSON value is too long")) } else { Ok(()) }
}

fn closed(mut out: Vec<u8>, end: &[u8]) -> String {
    out.extend_from_slice(end);
    String::from_utf8(out).unwrap_or_default()
}

fn bits(state: &mut Option<i64>, context: &Context<'_>, op: fn(i64, i64) -> i64) -> Result<(), SqlError> {
    if let ValueRef::Int(n) = argument(context, 0) {
        *state = Some(state.map_or(n, |before| op(before, n)));
    }
    Ok(())
}

/// Registers all of them.
pub(super) fn register(db: &rusqlite::Connection, run: &Arc<RunContext>) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    let pure = flags | FunctionFlags::SQLITE_DETERMINISTIC;
    db.create_aggregate_function("basalt_json_agg", -1, flags, JsonRows(Arc::clone(run)))?;
    let context_of = Arc::clone(run);
    db.create_scalar_function("basalt_json_object", -1, flags, move |context| {
        let mut out = Vec::new();
        write_row(&context_of, context, false, &mut out).map_err(|e| error::host(&e))?;
        Ok(text(out))
    })?;
    macro_rules! fold {
        ($($name:literal, $args:literal: $start:expr, $step:expr, $end:expr;)*) => {
            $(db.create_aggregate_function($name, $args, pure, Fold { start: $start, step: $step, end: $end })?;)*
        };
    }
    fold! {
        "pg_sum_int8", 1: Exact::start, Exact::add, Exact::sum;
        "pg_sum_numeric", 1: Exact::start, Exact::add, Exact::sum;
        "pg_sum_float4", 1: Floats::default, Floats::add, |s: Floats| s.sum(true);
        "pg_sum_float8", 1: Floats::default, Floats::add, |s: Floats| s.sum(false);
        "pg_sum_interval", 1: Spans::default, add_interval, |s: Spans| Ok(s.1.map_or(Value::Null, |i| Value::Text(i.to_string())));
        "pg_avg_int2", 1: Exact::start, Exact::add, Exact::average;
        "pg_avg_int4", 1: Exact::start, Exact::add, Exact::average;
        "pg_avg_int8", 1: Exact::start, Exact::add, Exact::average;
        "pg_avg_numeric", 1: Exact::start, Exact::add, Exact::average;
        "pg_avg_float4", 1: Floats::default, Floats::add, Floats::average;
        "pg_avg_float8", 1: Floats::default, Floats::add, Floats::average;
        "pg_avg_interval", 1: Spans::default, add_interval, |s: Spans| match s.1 {
            #[allow(clippy::cast_precision_loss)]
            Some(sum) => Ok(Value::Text(sum.div(s.0 as f64)?.to_string())),
            None => Ok(Value::Null),
        };
        "pg_stddev_samp_int4", 1: Exact::with_squares, Exact::add, |s| variance(s, true, true);
        "pg_stddev_samp_int8", 1: Exact::with_squares, Exact::add, |s| variance(s, true, true);
        "pg_stddev_samp_numeric", 1: Exact::with_squares, Exact::add, |s| variance(s, true, true);
        "pg_stddev_samp_float8", 1: Floats::default, Floats::add, |s: Floats| s.variance(true, true);
        "pg_stddev_pop_int4", 1: Exact::with_squares, Exact::add, |s| variance(s, false, true);
        "pg_stddev_pop_int8", 1: Exact::with_squares, Exact::add, |s| variance(s, false, true);
        "pg_stddev_pop_numeric", 1: Exact::with_squares, Exact::add, |s| variance(s, false, true);
        "pg_stddev_pop_float8", 1: Floats::default, Floats::add, |s: Floats| s.variance(false, true);
        "pg_var_samp_int4", 1: Exact::with_squares, Exact::add, |s| variance(s, true, false);
        "pg_var_samp_int8", 1: Exact::with_squares, Exact::add, |s| variance(s, true, false);
        "pg_var_samp_numeric", 1: Exact::with_squares, Exact::add, |s| variance(s, true, false);
        "pg_var_samp_float8", 1: Floats::default, Floats::add, |s: Floats| s.variance(true, false);
        "pg_var_pop_int4", 1: Exact::with_squares, Exact::add, |s| variance(s, false, false);
        "pg_var_pop_int8", 1: Exact::with_squares, Exact::add, |s| variance(s, false, false);
        "pg_var_pop_numeric", 1: Exact::with_squares, Exact::add, |s| variance(s, false, false);
        "pg_var_pop_float8", 1: Floats::default, Floats::add, |s: Floats| s.variance(false, false);
        "pg_string_agg_distinct", 2: DistinctTexts::default, add_distinct_text, |s: DistinctTexts| Ok(s.joined.map_or(Value::Null, Value::Text));
        "pg_json_agg", 1: Vec::new, add_json, |s| Ok(Value::Text(closed(s, b"]")));
        "pg_json_agg_lines", 1: Vec::new, add_json_line, |s| Ok(Value::Text(closed(s, b"]")));
        "pg_jsonb_agg", 1: Vec::new, add_json, |s| pg::jsonb_normalise(&closed(s, b"]")).map(Value::Text);
        "pg_json_object_agg", 2: Vec::new, add_pair, |s| Ok(Value::Text(closed(s, b" }")));
        "pg_jsonb_object_agg", 2: Vec::new, add_pair, |s| pg::jsonb_normalise(&closed(s, b" }")).map(Value::Text);
        "pg_bit_and", 1: Option::default, |s, c| bits(s, c, |a, b| a & b), |s: Option<i64>| Ok(s.map_or(Value::Null, Value::Int));
        "pg_bit_or", 1: Option::default, |s, c| bits(s, c, |a, b| a | b), |s: Option<i64>| Ok(s.map_or(Value::Null, Value::Int));
    }
    Ok(())
}
