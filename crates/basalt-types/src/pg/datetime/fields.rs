//! `extract`, `date_trunc`, `age`, `make_interval`.

use super::words::{Unit, unit};
use super::{
    DAY, HOUR, INFINITY, Interval, MINUTE, NEG_INFINITY, SECOND, TimestampParts, check_timestamp, civil_from_days,
    days_from_civil, days_in_month, zone,
};
use crate::pg::Numeric;
use crate::{SqlError, SqlState, Timestamp};

fn not_recognized(field: &str, type_name: &str) -> SqlError {
    SqlError::new(
        SqlState::INVALID_PARAMETER,
        format!("unit \"{}\" not recognized for type {type_name}", field.to_ascii_lowercase()),
    )
}

fn not_supported(field: &str, type_name: &str) -> SqlError {
    SqlError::new(
        SqlState::FEATURE_NOT_SUPPORTED,
        format!("unit \"{}\" not supported for type {type_name}", field.to_ascii_lowercase()),
    )
}

/// `micros / 10^6` with six decimals, `/ 10^3` with three, ...: exact.
fn scaled(micros: i128, decimals: i32) -> Numeric {
    let unit = 10_i128.pow(u32::try_from(decimals).unwrap_or(0));
    let (whole, part) = (micros.unsigned_abs() / unit.unsigned_abs(), micros.unsigned_abs() % unit.unsigned_abs());
    let sign = if micros < 0 { "-" } else { "" };
    let width = usize::try_from(decimals).unwrap_or(0);
    Numeric::parse(&format!("{sign}{whole}.{part:0width$}")).unwrap_or_else(|_| Numeric::nan())
}

fn integer(n: impl Into<i64>) -> Numeric {
    Numeric::from(n.into())
}

/// ISO 8601 week-numbering year and week of a day.
fn iso_week(days: i64) -> (i32, i64) {
    // 1970-01-01 was a Thursday; the week's Thursday decides the year.
    let monday_based = (days + 3).rem_euclid(7);
    let thursday = days - monday_based + 3;
    let (year, _, _) = civil_from_days(thursday);
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}

/// First year of a decade, century, millennium as PostgreSQL counts: year 2000 is in the 20th century.
fn block(year: i32, length: i32) -> i32 {
    (year + length - 1) / length
}

/// `extract(field from timestamp)` or `timestamptz` (in UTC). `None` (NULL) for fields an infinity does not have.
///
/// # Errors
/// 22023 for an unknown field, 0A000 for one that the type does not have.
pub fn extract_timestamp(field: &str, at: Timestamp, zoned: bool) -> Result<Option<Numeric>, SqlError> {
    let type_name = if zoned { "timestamp with time zone" } else { "timestamp without time zone" };
    let lower = field.to_ascii_lowercase();
    if at == INFINITY || at == NEG_INFINITY {
        let grows = matches!(unit(&lower), Some(Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium))
            || matches!(lower.as_str(), "epoch" | "julian" | "isoyear");
        if grows {
            return Numeric::parse(if at == INFINITY { "Infinity" } else { "-Infinity" }).map(Some);
        }
        let known = unit(&lower).is_some()
            || matches!(lower.as_str(), "dow" | "isodow" | "doy" | "timezone" | "timezone_hour" | "timezone_minute");
        return if known { Ok(None) } else { Err(not_recognized(field, type_name)) };
    }
    let parts = TimestampParts::of(at);
    let days = at.0.div_euclid(DAY);
    let micros = i64::from(parts.second) * SECOND + i64::from(parts.micros);
    Ok(Some(match (unit(&lower), lower.as_str()) {
        (Some(Unit::Microsecond), _) => integer(micros),
        (Some(Unit::Millisecond), _) => scaled(micros.into(), 3),
        (Some(Unit::Second), _) => scaled(micros.into(), 6),
        (Some(Unit::Minute), _) => integer(parts.minute),
        (Some(Unit::Hour), _) => integer(parts.hour),
        (Some(Unit::Day), _) => integer(parts.day),
        (Some(Unit::Week), _) => integer(iso_week(days).1),
        (Some(Unit::Month), _) => integer(parts.month),
        (Some(Unit::Quarter), _) => integer((parts.month - 1) / 3 + 1),
        (Some(Unit::Year), _) => integer(parts.year),
        (Some(Unit::Decade), _) => integer(parts.year / 10),
        (Some(Unit::Century), _) => integer(block(parts.year, 100)),
        (Some(Unit::Millennium), _) => integer(block(parts.year, 1000)),
        (_, "dow") => integer((days + 4).rem_euclid(7)),
        (_, "isodow") => integer((days + 3).rem_euclid(7) + 1),
        (_, "doy") => integer(days - days_from_civil(parts.year, 1, 1) + 1),
        (_, "isoyear") => integer(iso_week(days).0),
        (_, "epoch") => scaled(at.0.into(), 6),
        (_, "julian" | "jd" | "j") => {
            let julian = integer(days + 2_440_588);
            let rest = at.0.rem_euclid(DAY);
            // PostgreSQL divides by a count of microseconds; the quotient of midnight has more decimals than others.
            let part = if rest == 0 { Numeric::zero().round(28) } else { scaled(rest.into(), 6).div(&integer(86_400))? };
            julian.add(&part)?
        }
        (_, "timezone" | "timezone_hour" | "timezone_m" | "timezone_h" | "timezone_minute") if zoned => integer(0),
        (_, "timezone" | "timezone_hour" | "timezone_m" | "timezone_h" | "timezone_minute") => {
            return Err(not_supported(field, type_name));
        }
        _ => return Err(not_recognized(field, type_name)),
    }))
}

/// `extract(field from date)`; `days` since 1970, infinities as the extremes of `i64`.
///
/// # Errors
/// 22023 for an unknown field, 0A000 for a field of the time of day.
pub fn extract_date(field: &str, days: i64) -> Result<Option<Numeric>, SqlError> {
    let lower = field.to_ascii_lowercase();
    let of_time = matches!(unit(&lower), Some(Unit::Microsecond | Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour))
        || lower.starts_with("timezone");
    if of_time {
        return Err(not_supported(field, "date"));
    }
    let at = match days {
        i64::MAX => INFINITY,
        i64::MIN => NEG_INFINITY,
        _ => Timestamp(days.saturating_mul(DAY)),
    };
    match lower.as_str() {
        "epoch" if days != i64::MAX && days != i64::MIN => Ok(Some(integer(days.saturating_mul(86_400)))),
        "julian" | "jd" | "j" if days != i64::MAX && days != i64::MIN => Ok(Some(integer(days + 2_440_588))),
        _ => extract_timestamp(field, at, false).map_err(|mut e| {
            e.message = e.message.replace("timestamp without time zone", "date");
            e
        }),
    }
}

/// `extract(field from time)` (microseconds of the day), with an offset for timetz.
///
/// # Errors
/// 22023 for an unknown field, 0A000 for a field that times do not have.
pub fn extract_time(field: &str, micros: i64, offset: Option<i32>) -> Result<Numeric, SqlError> {
    let type_name = if offset.is_some() { "time with time zone" } else { "time without time zone" };
    let lower = field.to_ascii_lowercase();
    let within = micros % MINUTE;
    Ok(match (unit(&lower), lower.as_str(), offset) {
        (Some(Unit::Microsecond), ..) => integer(within),
        (Some(Unit::Millisecond), ..) => scaled(within.into(), 3),
        (Some(Unit::Second), ..) => scaled(within.into(), 6),
        (Some(Unit::Minute), ..) => integer(micros / MINUTE % 60),
        (Some(Unit::Hour), ..) => integer(micros / HOUR),
        (_, "epoch", _) => scaled(i128::from(micros) - i128::from(offset.unwrap_or(0)) * i128::from(SECOND), 6),
        (_, "timezone", Some(offset)) => integer(offset),
        (_, "timezone_hour" | "timezone_h", Some(offset)) => integer(offset / 3600),
        (_, "timezone_minute" | "timezone_m", Some(offset)) => integer(offset / 60 % 60),
        (Some(_), ..) => return Err(not_supported(field, type_name)),
        (_, "dow" | "isodow" | "doy" | "isoyear" | "julian" | "timezone" | "timezone_hour" | "timezone_minute", _) => {
            return Err(not_supported(field, type_name));
        }
        _ => return Err(not_recognized(field, type_name)),
    })
}

/// Fields of moments that no interval has.
fn is_calendar_field(name: &str) -> bool {
    matches!(name, "dow" | "isodow" | "doy" | "isoyear" | "julian" | "timezone" | "timezone_hour" | "timezone_minute")
}

/// `extract(field from interval)`. `None` (NULL) for fields an infinity does not have.
///
/// # Errors
/// 22023 for an unknown field, 0A000 for one that intervals do not have.
pub fn extract_interval(field: &str, value: Interval) -> Result<Option<Numeric>, SqlError> {
    let lower = field.to_ascii_lowercase();
    if let Some(positive) = value.infinite() {
        return match (unit(&lower), lower.as_str()) {
            (Some(Unit::Week), _) => Err(not_supported(field, "interval")),
            (Some(Unit::Hour | Unit::Day | Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium), _) | (_, "epoch") => {
                Numeric::parse(if positive { "Infinity" } else { "-Infinity" }).map(Some)
            }
            (Some(_), _) => Ok(None),
            (None, name) if is_calendar_field(name) => Err(not_supported(field, "interval")),
            _ => Err(not_recognized(field, "interval")),
        };
    }
    let within = value.micros % MINUTE;
    Ok(Some(match (unit(&lower), lower.as_str()) {
        (Some(Unit::Microsecond), _) => integer(within),
        (Some(Unit::Millisecond), _) => scaled(within.into(), 3),
        (Some(Unit::Second), _) => scaled(within.into(), 6),
        (Some(Unit::Minute), _) => integer(value.micros / MINUTE % 60),
        (Some(Unit::Hour), _) => integer(value.micros / HOUR),
        (Some(Unit::Day), _) => integer(value.days),
        (Some(Unit::Month), _) => integer(value.months % 12),
        (Some(Unit::Quarter), _) => integer((value.months % 12) / 3 + 1),
        (Some(Unit::Year), _) => integer(value.months / 12),
        (Some(Unit::Decade), _) => integer(value.months / 120),
        (Some(Unit::Century), _) => integer(value.months / 1200),
        (Some(Unit::Millennium), _) => integer(value.months / 12_000),
        (Some(Unit::Week), _) => return Err(not_supported(field, "interval")),
        (_, "epoch") => {
            // A year counts 365.25 days, a month 30, a day 24 hours.
            let years = i128::from(value.months / 12) * 31_557_600;
            let months = i128::from(value.months % 12) * 2_592_000;
            let days = i128::from(value.days) * 86_400;
            scaled((years + months + days) * i128::from(SECOND) + i128::from(value.micros), 6)
        }
        (_, name) if is_calendar_field(name) => return Err(not_supported(field, "interval")),
        _ => return Err(not_recognized(field, "interval")),
    }))
}

/// `date_trunc(field, timestamp)`, or for timestamptz with the zone whose calendar counts (`"UTC"` by default).
///
/// # Errors
/// 22023 for an unknown field or zone.
pub fn date_trunc(field: &str, at: Timestamp, time_zone: Option<&str>) -> Result<Timestamp, SqlError> {
    let type_name = if time_zone.is_some() { "timestamp with time zone" } else { "timestamp without time zone" };
    if at == INFINITY || at == NEG_INFINITY {
        return Ok(at);
    }
    let Some(unit) = unit(&field.to_ascii_lowercase()) else { return Err(not_recognized(field, type_name)) };
    match time_zone {
        Some(name) if !name.eq_ignore_ascii_case("utc") => {
            let local = trunc_local(unit, zone::to_time_zone(at, name)?)?;
            // Below a day the offset at hand stays, so that a repeated hour is not confused with its twin.
            if matches!(unit, Unit::Microsecond | Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour) {
                let offset = i64::from(zone::offset_s(name, at)?) * SECOND;
                return check_timestamp(local.0 - offset);
            }
            zone::at_time_zone(local, name)
        }
        _ => trunc_local(unit, at),
    }
}

fn trunc_local(unit: Unit, at: Timestamp) -> Result<Timestamp, SqlError> {
    let floor = |size: i64| Ok(Timestamp(at.0.div_euclid(size) * size));
    let (year, month, _) = civil_from_days(at.0.div_euclid(DAY));
    let start = |year: i32, month: u32| check_timestamp(days_from_civil(year, month, 1) * DAY);
    match unit {
        Unit::Microsecond => Ok(at),
        Unit::Millisecond => floor(1_000),
        Unit::Second => floor(SECOND),
        Unit::Minute => floor(MINUTE),
        Unit::Hour => floor(HOUR),
        Unit::Day => floor(DAY),
        Unit::Week => {
            let days = at.0.div_euclid(DAY);
            check_timestamp((days - (days + 3).rem_euclid(7)) * DAY)
        }
        Unit::Month => start(year, month),
        Unit::Quarter => start(year, (month - 1) / 3 * 3 + 1),
        Unit::Year => start(year, 1),
        Unit::Decade => start(year / 10 * 10, 1),
        Unit::Century => start((block(year, 100) - 1) * 100 + 1, 1),
        Unit::Millennium => start((block(year, 1000) - 1) * 1000 + 1, 1),
    }
}

/// `date_trunc(field, interval)`.
///
/// # Errors
/// 22023 for an unknown field, 0A000 for weeks.
pub fn date_trunc_interval(field: &str, value: Interval) -> Result<Interval, SqlError> {
    let Some(unit) = unit(&field.to_ascii_lowercase()) else { return Err(not_recognized(field, "interval")) };
    if value.infinite().is_some() {
        return Ok(value);
    }
    let time = |size: i64| Interval { micros: value.micros / size * size, ..value };
    let months = |size: i32| Interval { months: value.months / size * size, days: 0, micros: 0 };
    Ok(match unit {
        Unit::Microsecond => value,
        Unit::Millisecond => time(1_000),
        Unit::Second => time(SECOND),
        Unit::Minute => time(MINUTE),
        Unit::Hour => time(HOUR),
        Unit::Day => Interval { micros: 0, ..value },
        Unit::Week => {
            return Err(not_supported(field, "interval").detail("Months usually have fractional weeks."));
        }
        Unit::Month => months(1),
        Unit::Quarter => months(3),
        Unit::Year => months(12),
        Unit::Decade => months(120),
        Unit::Century => months(1_200),
        Unit::Millennium => months(12_000),
    })
}

/// `age(a, b)`: the difference in years, months, days and time on the calendar.
///
/// # Errors
/// 22008 for infinities that have no difference.
pub fn age(a: Timestamp, b: Timestamp) -> Result<Interval, SqlError> {
    let infinite = |t: Timestamp| t == INFINITY || t == NEG_INFINITY;
    if infinite(a) || infinite(b) {
        return super::sub_timestamps(a, b);
    }
    let negative = a < b;
    let (late, early) = if negative { (b, a) } else { (a, b) };
    let (l, e) = (TimestampParts::of(late), TimestampParts::of(early));
    let mut micros = late.0.rem_euclid(DAY) - early.0.rem_euclid(DAY);
    let mut days = i64::from(l.day) - i64::from(e.day);
    let mut months = i64::from(l.year - e.year) * 12 + i64::from(l.month) - i64::from(e.month);
    if micros < 0 {
        micros += DAY;
        days -= 1;
    }
    if days < 0 {
        // The borrowed month is the earlier argument's.
        let borrowed = days_in_month(e.year, e.month);
        days += i64::from(borrowed);
        months -= 1;
    }
    let found = Interval { months: i32::try_from(months).unwrap_or(0), days: i32::try_from(days).unwrap_or(0), micros };
    if negative { found.neg() } else { Ok(found) }
}

/// `make_interval(years, months, weeks, days, hours, mins, secs)`.
///
/// # Errors
/// 22008 when it does not fit.
pub fn make_interval(
    years: i32,
    months: i32,
    weeks: i32,
    days: i32,
    hours: i32,
    minutes: i32,
    seconds: f64,
) -> Result<Interval, SqlError> {
    let range = || SqlError::new(SqlState::DATETIME_OVERFLOW, "interval out of range");
    let total_months = years.checked_mul(12).and_then(|y| y.checked_add(months)).ok_or_else(range)?;
    let total_days = weeks.checked_mul(7).and_then(|w| w.checked_add(days)).ok_or_else(range)?;
    let micros = (seconds * 1e6).round_ties_even();
    if !micros.is_finite() || micros.abs() >= 9.2e18 {
        return Err(range());
    }
    #[allow(clippy::cast_possible_truncation)]
    let micros = (i64::from(hours) * HOUR + i64::from(minutes) * MINUTE).checked_add(micros as i64).ok_or_else(range)?;
    Ok(Interval { months: total_months, days: total_days, micros })
}
