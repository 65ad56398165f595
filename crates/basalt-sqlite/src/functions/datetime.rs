//! Dates, times and intervals. The session's zone is UTC.

use basalt_types::pg::{self, Interval, TimestampParts, datetime, oid};
use basalt_types::{SqlError, SqlState, Timestamp, Value};

use super::arithmetic::{division_by_zero, stored as stored_numeric};
use super::{Call, Row, boolean, refuse};

const DAY: i64 = 86_400_000_000;

fn damaged() -> SqlError {
    SqlError::new(SqlState::INVALID_DATETIME, "a stored date or time cannot be read")
}

/// A stored timestamp, timestamptz or date as a moment.
pub(super) fn moment(text: &str) -> Result<Timestamp, SqlError> {
    datetime::timestamp_from_stored(text.strip_suffix("+00:00").unwrap_or(text)).ok_or_else(damaged)
}

/// A moment's storage form.
pub(super) fn stored(at: Timestamp, zoned: bool) -> Value {
    if zoned {
        return Value::Text(pg::now_text(at));
    }
    let mut out = String::with_capacity(32);
    datetime::write_timestamp(at, &mut out);
    Value::Text(out)
}

fn date(text: &str) -> Result<i64, SqlError> {
    datetime::date_from_stored(text).ok_or_else(damaged)
}

fn stored_date(days: Option<i64>) -> Result<Value, SqlError> {
    let days = days.ok_or_else(|| SqlError::new(SqlState::DATETIME_OVERFLOW, "date out of range"))?;
    // Years 1 to 9999, as the storage form keeps.
    if !(-719_162..=2_932_896).contains(&days) && days != i64::MAX && days != i64::MIN {
        return refuse(SqlState::DATETIME_OVERFLOW, "date out of range");
    }
    let mut out = String::new();
    datetime::write_date(days, &mut out);
    Ok(Value::Text(out))
}

fn time(text: &str) -> Result<i64, SqlError> {
    datetime::time_from_stored(text).ok_or_else(damaged)
}

fn stored_time(micros: i64) -> Value {
    let mut out = String::new();
    datetime::write_time(micros.rem_euclid(DAY), &mut out);
    Value::Text(out)
}

fn interval(text: &str) -> Result<Interval, SqlError> {
    Interval::parse(text)
}

fn shown(value: Interval) -> Value {
    Value::Text(value.to_string())
}

fn plus(call: &Call<'_>, at: usize, by: usize, negative: bool, zoned: bool) -> Result<Value, SqlError> {
    let by = interval(call.text(by))?;
    let by = if negative { by.neg()? } else { by };
    Ok(stored(datetime::add_interval(moment(call.text(at))?, by)?, zoned))
}

fn minus(call: &Call<'_>) -> Result<Value, SqlError> {
    Ok(shown(datetime::sub_timestamps(moment(call.text(0))?, moment(call.text(1))?)?))
}

fn time_plus(call: &Call<'_>, at: usize, by: usize, sign: i64) -> Result<Value, SqlError> {
    Ok(stored_time(time(call.text(at))?.wrapping_add(sign.wrapping_mul(interval(call.text(by))?.micros.rem_euclid(DAY)))))
}

fn date_and_time(call: &Call<'_>, date_at: usize, time_at: usize) -> Result<Value, SqlError> {
    let day = date(call.text(date_at))?;
    let midnight = day.checked_mul(DAY).ok_or_else(damaged)?;
    Ok(stored(Timestamp(midnight + time(call.text(time_at))?), false))
}

fn timezone(call: &Call<'_>) -> Result<Value, SqlError> {
    let is_zoned = call.ty(1) == oid::TIMESTAMPTZ;
    if call.ty(1) == oid::TIMETZ {
        return Err(SqlError::unsupported("AT TIME ZONE of a time with time zone"));
    }
    let at = moment(call.text(1))?;
    if call.ty(0) == oid::INTERVAL {
        let offset = interval(call.text(0))?.micros;
        let sign = if is_zoned { 1 } else { -1 };
        return Ok(stored(Timestamp(at.0.saturating_add(sign * offset)), !is_zoned));
    }
    let zone = call.text(0);
    Ok(if is_zoned { stored(datetime::to_time_zone(at, zone)?, false) } else { stored(datetime::at_time_zone(at, zone)?, true) })
}

fn date_trunc(call: &Call<'_>) -> Result<Value, SqlError> {
    let field = call.text(0);
    match call.ty(1) {
        oid::INTERVAL => Ok(shown(datetime::date_trunc_interval(field, interval(call.text(1))?)?)),
        ty => {
            let zoned = ty == oid::TIMESTAMPTZ;
            let zone = if call.len() > 2 { Some(call.text(2)) } else { zoned.then_some("UTC") };
            Ok(stored(datetime::date_trunc(field, moment(call.text(1))?, zone)?, zoned))
        }
    }
}

fn extract(call: &Call<'_>) -> Result<Option<pg::Numeric>, SqlError> {
    let (field, text) = (call.text(0), call.text(1));
    match call.ty(1) {
        oid::DATE => datetime::extract_date(field, date(text)?),
        oid::TIME => datetime::extract_time(field, time(text)?, None).map(Some),
        oid::TIMETZ => {
            let (micros, offset) = datetime::timetz_from_stored(text).ok_or_else(damaged)?;
            datetime::extract_time(field, micros, Some(offset)).map(Some)
        }
        oid::INTERVAL => datetime::extract_interval(field, interval(text)?),
        ty => datetime::extract_timestamp(field, moment(text)?, ty == oid::TIMESTAMPTZ),
    }
}

fn date_bin(call: &Call<'_>) -> Result<Value, SqlError> {
    let stride = interval(call.text(0))?;
    if stride.months != 0 {
        return refuse(SqlState::FEATURE_NOT_SUPPORTED, "timestamps cannot be binned into intervals containing months or years");
    }
    let width = i64::from(stride.days).saturating_mul(DAY).saturating_add(stride.micros);
    if width <= 0 {
        return refuse(SqlState::DATETIME_OVERFLOW, "stride must be greater than zero");
    }
    let (at, origin) = (moment(call.text(1))?, moment(call.text(2))?);
    let bins = at.0.saturating_sub(origin.0).div_euclid(width);
    Ok(stored(Timestamp(origin.0.saturating_add(bins.saturating_mul(width))), call.ty(1) == oid::TIMESTAMPTZ))
}

fn age_today(call: &Call<'_>) -> Result<Value, SqlError> {
    let midnight = Timestamp(call.now().0.div_euclid(DAY) * DAY);
    Ok(shown(datetime::age(midnight, moment(call.text(0))?)?))
}

fn is_finite(call: &Call<'_>) -> Result<Value, SqlError> {
    Ok(boolean(!call.text(0).ends_with("infinity")))
}

fn small(n: i64) -> Option<i32> {
    i32::try_from(n).ok()
}

fn out_of_range(what: &str) -> SqlError {
    SqlError::new(SqlState::DATETIME_OVERFLOW, format!("{what} field value out of range"))
}

fn civil(year: i64, month: i64, day: i64, what: &str) -> Result<i64, SqlError> {
    let wrong =
        || SqlError::new(SqlState::DATETIME_OVERFLOW, format!("{what} field value out of range: {year}-{month:02}-{day:02}"));
    let (y, m, d) = (small(year), u32::try_from(month).ok(), u32::try_from(day).ok());
    match (y, m, d) {
        (Some(y @ 1..=9999), Some(m @ 1..=12), Some(d)) if d >= 1 && d <= datetime::days_in_month(y, m) => {
            Ok(datetime::days_from_civil(y, m, d))
        }
        _ => Err(wrong()),
    }
}

fn clock(hour: i64, minute: i64, seconds: f64) -> Result<i64, SqlError> {
    if !(0..=24).contains(&hour) || !(0..=59).contains(&minute) || !(0.0..=60.0).contains(&seconds) {
        return Err(out_of_range("time"));
    }
    #[allow(clippy::cast_possible_truncation)] // at most 60 000 000
    let micros = (seconds * 1e6).round_ties_even() as i64;
    let total = (hour * 3600 + minute * 60) * 1_000_000 + micros;
    if total > DAY { Err(out_of_range("time")) } else { Ok(total) }
}

fn make_moment(call: &Call<'_>) -> Result<Timestamp, SqlError> {
    let days = civil(call.int(0), call.int(1), call.int(2), "date")?;
    Ok(Timestamp(days * DAY + clock(call.int(3), call.int(4), call.real(5))?))
}

fn make_interval(call: &Call<'_>) -> Result<Value, SqlError> {
    let range = || SqlError::new(SqlState::DATETIME_OVERFLOW, "interval out of range");
    let n = |at| if call.len() > at { small(call.int(at)).ok_or_else(range) } else { Ok(0) };
    let seconds = if call.len() > 6 { call.real(6) } else { 0.0 };
    Ok(shown(datetime::make_interval(n(0)?, n(1)?, n(2)?, n(3)?, n(4)?, n(5)?, seconds)?))
}

fn to_timestamp(call: &Call<'_>) -> Result<Value, SqlError> {
    let seconds = call.real(0);
    if seconds.is_infinite() {
        return Ok(Value::from(if seconds > 0.0 { "infinity" } else { "-infinity" }));
    }
    let micros = (seconds * 1e6).round_ties_even();
    if seconds.is_nan() {
        return refuse(SqlState::DATETIME_OVERFLOW, "timestamp cannot be NaN");
    }
    if !(-62_135_596_800e6..253_402_300_800e6).contains(&micros) {
        return refuse(SqlState::DATETIME_OVERFLOW, format!("timestamp out of range: \"{seconds}\""));
    }
    #[allow(clippy::cast_possible_truncation)] // bounded just above
    Ok(stored(Timestamp(micros as i64), true))
}

fn justified(call: &Call<'_>, how: fn(Interval) -> Interval) -> Result<Value, SqlError> {
    Ok(shown(how(interval(call.text(0))?)))
}

/// The calendar parts of a moment, for `to_char`.
pub(super) fn parts(at: Timestamp) -> TimestampParts {
    TimestampParts::of(at)
}

pub(super) const TABLE: &[Row] = &[
    ("clock_timestamp", |c| Ok(stored(c.services.clock.now(), true))),
    ("timezone", timezone),
    ("date_trunc", date_trunc),
    ("extract", |c| Ok(extract(c)?.as_ref().map_or(Value::Null, stored_numeric))),
    ("date_part", |c| Ok(extract(c)?.map_or(Value::Null, |n| pg::store_float(n.to_f64())))),
    ("date_bin", date_bin),
    ("age", |c| Ok(shown(datetime::age(moment(c.text(0))?, moment(c.text(1))?)?))),
    ("age_today", age_today),
    ("make_date", |c| stored_date(Some(civil(c.int(0), c.int(1), c.int(2), "date")?))),
    ("make_time", |c| Ok(stored_time(clock(c.int(0), c.int(1), c.real(2))?))),
    ("make_timestamp", |c| Ok(stored(make_moment(c)?, false))),
    ("make_timestamptz", |c| {
        let local = make_moment(c)?;
        Ok(stored(if c.len() > 6 { datetime::at_time_zone(local, c.text(6))? } else { local }, true))
    }),
    ("make_interval", make_interval),
    ("to_timestamp", to_timestamp),
    ("justify_days", |c| justified(c, Interval::justify_days)),
    ("justify_hours", |c| justified(c, Interval::justify_hours)),
    ("justify_interval", |c| justified(c, Interval::justify_interval)),
    ("isfinite", is_finite),
    ("date_pli", |c| stored_date(date(c.text(0))?.checked_add(c.int(1)))),
    ("integer_pl_date", |c| stored_date(date(c.text(1))?.checked_add(c.int(0)))),
    ("date_mii", |c| stored_date(date(c.text(0))?.checked_sub(c.int(1)))),
    ("date_mi", |c| Ok(Value::Int(date(c.text(0))?.saturating_sub(date(c.text(1))?)))),
    ("date_pl_interval", |c| plus(c, 0, 1, false, false)),
    ("interval_pl_date", |c| plus(c, 1, 0, false, false)),
    ("date_mi_interval", |c| plus(c, 0, 1, true, false)),
    ("datetime_pl", |c| date_and_time(c, 0, 1)),
    ("timedate_pl", |c| date_and_time(c, 1, 0)),
    ("timestamp_pl_interval", |c| plus(c, 0, 1, false, false)),
    ("interval_pl_timestamp", |c| plus(c, 1, 0, false, false)),
    ("timestamptz_pl_interval", |c| plus(c, 0, 1, false, true)),
    ("interval_pl_timestamptz", |c| plus(c, 1, 0, false, true)),
    ("timestamp_mi_interval", |c| plus(c, 0, 1, true, false)),
    ("timestamptz_mi_interval", |c| plus(c, 0, 1, true, true)),
    ("timestamp_mi", minus),
    ("timestamptz_mi", minus),
    ("time_pl_interval", |c| time_plus(c, 0, 1, 1)),
    ("interval_pl_time", |c| time_plus(c, 1, 0, 1)),
    ("time_mi_interval", |c| time_plus(c, 0, 1, -1)),
    ("time_mi_time", |c| Ok(shown(Interval { months: 0, days: 0, micros: time(c.text(0))? - time(c.text(1))? }))),
    ("interval_pl", |c| Ok(shown(interval(c.text(0))?.add(interval(c.text(1))?)?))),
    ("interval_mi", |c| Ok(shown(interval(c.text(0))?.sub(interval(c.text(1))?)?))),
    ("interval_mul", |c| Ok(shown(interval(c.text(0))?.mul(c.real(1))?))),
    ("mul_d_interval", |c| Ok(shown(interval(c.text(1))?.mul(c.real(0))?))),
    ("interval_div", |c| {
        if c.real(1) == 0.0 {
            return Err(division_by_zero());
        }
        Ok(shown(interval(c.text(0))?.div(c.real(1))?))
    }),
    ("interval_um", |c| Ok(shown(interval(c.text(0))?.neg()?))),
];
