//! Dates, times, intervals: calendar, storage and output forms, arithmetic. Input is in [`parse`] and [`interval`].
//!
//! The calendar is the proleptic Gregorian one; years run from 1 to 9999. The server's time zone is UTC.

mod fields;
mod interval;
mod parse;
mod words;
pub(crate) mod zone;

pub use fields::{
    age, date_trunc, date_trunc_interval, extract_date, extract_interval, extract_time, extract_timestamp, make_interval,
};
pub use interval::Interval;
pub(crate) use parse::{parse_date, parse_time, parse_timestamp, parse_timetz};
pub use zone::{SessionZone, at_time_zone, offset_s, to_time_zone};

use crate::{SqlError, SqlState, Timestamp};
use std::fmt::Write;

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Microseconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Microseconds in a day of 24 hours.
pub const DAY: i64 = 24 * HOUR;

/// Timestamp and date later than all others.
pub const INFINITY: Timestamp = Timestamp(i64::MAX);
/// Timestamp and date earlier than all others.
pub const NEG_INFINITY: Timestamp = Timestamp(i64::MIN);

/// 0001-01-01 in days since 1970-01-01.
pub(crate) const FIRST_DAY: i64 = -719_162;
/// 9999-12-31 in days since 1970-01-01.
pub(crate) const LAST_DAY: i64 = 2_932_896;
/// 2000-01-01 in microseconds since 1970-01-01: PostgreSQL's own epoch, from which it rounds.
const PG_EPOCH: i64 = 10_957 * DAY;

/// A moment taken apart on the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampParts {
    /// 1 to 9999.
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59.
    pub second: u32,
    /// 0 to 999 999.
    pub micros: u32,
}

impl TimestampParts {
    /// Takes a finite moment apart, in UTC.
    pub fn of(at: Timestamp) -> Self {
        let (days, micros) = (at.0.div_euclid(DAY), at.0.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        let part = |n: i64| u32::try_from(n).unwrap_or(0);
        Self {
            year,
            month,
            day,
            hour: part(micros / HOUR),
            minute: part(micros / MINUTE % 60),
            second: part(micros / SECOND % 60),
            micros: part(micros % SECOND),
        }
    }

    /// Puts the parts together again; parts beyond their range carry over.
    pub fn timestamp(&self) -> Timestamp {
        let time = i64::from(self.hour) * HOUR
            + i64::from(self.minute) * MINUTE
            + i64::from(self.second) * SECOND
            + i64::from(self.micros);
        Timestamp(days_from_civil(self.year, self.month, self.day) * DAY + time)
    }
}

/// Days since 1970-01-01 of a calendar day. `month` 1 to 12; days beyond the month's end carry over.
pub fn days_from_civil(year: i32, month: u32, day: u32) -> i64 {
    // Years begin in March here, so that the leap day is the last one; 400 years have 146 097 days.
    let shifted = i64::from(year) - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a day counted from 1970-01-01.
pub fn civil_from_days(days: i64) -> (i32, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let small = |n: i64| u32::try_from(n).unwrap_or(1);
    (i32::try_from(year).unwrap_or(i32::MAX), small(month), small(day))
}

/// Days in a month of the Gregorian calendar.
pub fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// 0A000: PostgreSQL keeps years from 4713 BC to 294276 AD, Basalt on SQLite from 1 to 9999.
pub(crate) fn year_unsupported() -> SqlError {
    SqlError::unsupported("a date before the year 1 or after the year 9999")
}

/// 22008 `timestamp out of range`, or 0A000 for moments that only PostgreSQL keeps.
pub(crate) fn check_timestamp(micros: i64) -> Result<Timestamp, SqlError> {
    if (FIRST_DAY * DAY..(LAST_DAY + 1) * DAY).contains(&micros) {
        return Ok(Timestamp(micros));
    }
    // PostgreSQL's first moment is 4714-11-24 BC; its last, at the end of 294276 AD, is past what 64 bits from 1970 hold.
    if micros >= -210_866_803_200_000_000 {
        return Err(year_unsupported());
    }
    Err(SqlError::new(SqlState::DATETIME_OVERFLOW, "timestamp out of range"))
}

/// Two decimal digits at `at`.
fn two(bytes: &[u8], at: usize) -> Option<i64> {
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(a @ b'0'..=b'9'), Some(b @ b'0'..=b'9')) => Some(i64::from((a - b'0') * 10 + (b - b'0'))),
        _ => None,
    }
}

/// Days since 1970 of a stored date (`2024-01-31`, `infinity`); infinities are the extremes of `i64`.
pub fn date_from_stored(text: &str) -> Option<i64> {
    match text {
        "infinity" => return Some(i64::MAX),
        "-infinity" => return Some(i64::MIN),
        _ => {}
    }
    let bytes = text.as_bytes();
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = two(bytes, 0)? * 100 + two(bytes, 2)?;
    let (month, day) = (two(bytes, 5)?, two(bytes, 8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(days_from_civil(i32::try_from(year).ok()?, u32::try_from(month).ok()?, u32::try_from(day).ok()?))
}

/// Microseconds since midnight of a stored time (`04:05:06.789`), up to its end or an offset.
pub fn time_from_stored(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes[2] != b':' || bytes[5] != b':' {
        return None;
    }
    let mut micros = two(bytes, 0)? * HOUR + two(bytes, 3)? * MINUTE + two(bytes, 6)? * SECOND;
    if bytes.get(8) == Some(&b'.') {
        let mut unit = SECOND / 10;
        for byte in bytes[9..].iter().take_while(|b| b.is_ascii_digit()) {
            micros += i64::from(byte - b'0') * unit;
            unit /= 10;
        }
    }
    Some(micros)
}

/// A stored timestamp or timestamptz (with `T` or a space, always UTC); infinities are [`INFINITY`] and [`NEG_INFINITY`].
pub fn timestamp_from_stored(text: &str) -> Option<Timestamp> {
    match text {
        "infinity" => return Some(INFINITY),
        "-infinity" => return Some(NEG_INFINITY),
        _ => {}
    }
    let days = date_from_stored(text.get(..10)?)?;
    let micros = match text.get(11..) {
        Some(time) if !time.is_empty() => time_from_stored(time)?,
        _ => 0,
    };
    Some(Timestamp(days * DAY + micros))
}

/// Microseconds since midnight and offset (seconds east of UTC) of a stored timetz (`10:00:00+02`).
pub fn timetz_from_stored(text: &str) -> Option<(i64, i32)> {
    let at = text.rfind(['+', '-'])?;
    let time = time_from_stored(text.get(..at)?)?;
    let bytes = text.get(at..)?.as_bytes();
    let mut offset = two(bytes, 1)? * 3600;
    if bytes.len() > 3 {
        offset += two(bytes, 4)? * 60;
    }
    if bytes.len() > 6 {
        offset += two(bytes, 7)?;
    }
    Some((time, i32::try_from(if bytes.first() == Some(&b'-') { -offset } else { offset }).ok()?))
}

fn push_padded(value: u32, width: usize, out: &mut String) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value);
    for _ in text.len()..width {
        out.push('0');
    }
    out.push_str(text);
}

/// Appends a stored date.
pub fn write_date(days: i64, out: &mut String) {
    match days {
        i64::MAX => return out.push_str("infinity"),
        i64::MIN => return out.push_str("-infinity"),
        _ => {}
    }
    let (year, month, day) = civil_from_days(days);
    push_padded(u32::try_from(year).unwrap_or(0), 4, out);
    out.push('-');
    push_padded(month, 2, out);
    out.push('-');
    push_padded(day, 2, out);
}

/// Appends a stored time: `04:05:06.789`, no trailing zeros.
pub fn write_time(micros: i64, out: &mut String) {
    let part = |n: i64| u32::try_from(n).unwrap_or(0);
    push_padded(part(micros / HOUR), 2, out);
    out.push(':');
    push_padded(part(micros / MINUTE % 60), 2, out);
    out.push(':');
    push_padded(part(micros / SECOND % 60), 2, out);
    write_fraction(part(micros % SECOND), out);
}

fn write_fraction(micros: u32, out: &mut String) {
    if micros > 0 {
        out.push('.');
        let start = out.len();
        push_padded(micros, 6, out);
        while out.len() > start && out.ends_with('0') {
            out.pop();
        }
    }
}

/// Appends an offset from UTC in seconds: `+02`, `-03:30`.
pub fn write_offset(offset_s: i32, out: &mut String) {
    let (hours, minutes, seconds) = (offset_s.abs() / 3600, offset_s.abs() / 60 % 60, offset_s.abs() % 60);
    out.push(if offset_s < 0 { '-' } else { '+' });
    let _ = write!(out, "{hours:02}");
    if minutes != 0 || seconds != 0 {
        let _ = write!(out, ":{minutes:02}");
    }
    if seconds != 0 {
        let _ = write!(out, ":{seconds:02}");
    }
}

/// Appends a stored timestamp: `2024-01-01T00:00:00.12`.
pub fn write_timestamp(at: Timestamp, out: &mut String) {
    match at {
        INFINITY => return out.push_str("infinity"),
        NEG_INFINITY => return out.push_str("-infinity"),
        _ => {}
    }
    write_date(at.0.div_euclid(DAY), out);
    out.push('T');
    write_time(at.0.rem_euclid(DAY), out);
}

/// Appends a stored timestamptz: `2024-01-01T00:00:00.12+00:00`.
pub fn write_timestamptz(at: Timestamp, out: &mut String) {
    write_timestamp(at, out);
    if at != INFINITY && at != NEG_INFINITY {
        out.push_str("+00:00");
    }
}

/// Appends a stored timestamptz as the thread's [`SessionZone`] shows it: `2024-01-01 01:00:00+01`, or `2024-01-01T01:00:00+01:00`
/// for JSON. False when there is no such zone: print it in UTC then.
pub(crate) fn write_in_session(stored: &str, is_json: bool, out: &mut String) -> bool {
    if !zone::has_session() {
        return false;
    }
    let Some((local, offset)) = zone::in_session(stored) else { return false };
    write_date(local.0.div_euclid(DAY), out);
    out.push(if is_json { 'T' } else { ' ' });
    write_time(local.0.rem_euclid(DAY), out);
    let before = out.len();
    write_offset(offset, out);
    if is_json && out.len() - before == 3 {
        out.push_str(":00");
    }
    true
}

/// The storage form of a timestamptz, e.g. for `now()`.
pub fn now_text(now: Timestamp) -> String {
    let mut out = String::with_capacity(32);
    write_timestamptz(now, &mut out);
    out
}

/// Rounds to `precision` decimals of a second as `timestamp(p)` does; other precisions change nothing.
pub(crate) fn round_timestamp(at: Timestamp, precision: i32) -> Timestamp {
    if at == INFINITY || at == NEG_INFINITY {
        return at;
    }
    Timestamp(round_micros(at.0 - PG_EPOCH, precision) + PG_EPOCH)
}

/// Rounds microseconds half away from zero to `precision` decimals of a second.
pub(crate) fn round_micros(micros: i64, precision: i32) -> i64 {
    let Some(unit) = u32::try_from(6 - precision).ok().filter(|_| precision >= 0).map(|zeros| 10_i64.pow(zeros)) else {
        return micros;
    };
    let rounded = (micros.abs() + unit / 2) / unit * unit;
    if micros < 0 { -rounded } else { rounded }
}

/// `timestamp + interval`: months first (a day beyond the month's end becomes its last), then days, then time.
///
/// # Errors
/// 22008 when out of range, 0A000 for years that only PostgreSQL keeps.
pub fn add_interval(at: Timestamp, by: Interval) -> Result<Timestamp, SqlError> {
    let range = || SqlError::new(SqlState::DATETIME_OVERFLOW, "timestamp out of range");
    if let Some(positive) = by.infinite() {
        let target = if positive { INFINITY } else { NEG_INFINITY };
        if (at == INFINITY || at == NEG_INFINITY) && at != target {
            return Err(range());
        }
        return Ok(target);
    }
    if at == INFINITY || at == NEG_INFINITY {
        return Ok(at);
    }
    let (mut days, micros) = (at.0.div_euclid(DAY), at.0.rem_euclid(DAY));
    if by.months != 0 {
        let (year, month, day) = civil_from_days(days);
        let months = i64::from(year) * 12 + i64::from(month) - 1 + i64::from(by.months);
        let year = i32::try_from(months.div_euclid(12)).map_err(|_| range())?;
        if !(-4800..=294_300).contains(&year) {
            return Err(range());
        }
        let month = u32::try_from(months.rem_euclid(12)).unwrap_or(0) + 1;
        days = days_from_civil(year, month, day.min(days_in_month(year, month)));
    }
    let micros =
        (days + i64::from(by.days)).checked_mul(DAY).and_then(|d| d.checked_add(micros)).and_then(|d| d.checked_add(by.micros));
    check_timestamp(micros.ok_or_else(range)?)
}

/// `timestamp - timestamp`: whole days and time, as PostgreSQL's justified hours.
///
/// # Errors
/// 22008 for infinity minus the same infinity.
pub fn sub_timestamps(a: Timestamp, b: Timestamp) -> Result<Interval, SqlError> {
    let infinite = |t: Timestamp| t == INFINITY || t == NEG_INFINITY;
    if infinite(a) || infinite(b) {
        if a == b {
            return Err(SqlError::new(SqlState::DATETIME_OVERFLOW, "interval out of range"));
        }
        return Ok(if a == INFINITY || b == NEG_INFINITY { Interval::INFINITY } else { Interval::NEG_INFINITY });
    }
    // Finite moments are within 10 000 years, far inside 64 bits.
    let micros = a.0 - b.0;
    Ok(Interval { months: 0, days: i32::try_from(micros / DAY).unwrap_or(0), micros: micros % DAY })
}
