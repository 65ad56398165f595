//! Text input of dates, times and timestamps, in the forms PostgreSQL reads with `DateStyle = 'ISO, MDY'`.
//!
//! The text is cut into fields (numbers, dashed dates, clock times, words, zone offsets); each field fills the parts that are still
//! missing. A moment without zone is in UTC, or in the thread's [`super::SessionZone`].

use super::{
    DAY, HOUR, INFINITY, MINUTE, NEG_INFINITY, SECOND, check_timestamp, civil_from_days, days_from_civil, days_in_month, words,
    year_unsupported, zone,
};
use crate::{SqlError, SqlState, Timestamp};

/// Why a text was refused, before the type's name and the text are added.
enum Failure {
    /// Not a date or time at all.
    Format,
    /// A part beyond its range.
    Range,
    /// Month or day beyond its range: perhaps in another order.
    MonthDay,
    /// An offset of more than 15:59:59.
    Displacement,
    /// A complete error.
    Other(SqlError),
}

impl Failure {
    fn into_error(self, text: &str, type_name: &str) -> SqlError {
        match self {
            Self::Format => {
                SqlError::new(SqlState::INVALID_DATETIME, format!("invalid input syntax for type {type_name}: \"{text}\""))
            }
            Self::Range => SqlError::new(SqlState::DATETIME_OVERFLOW, format!("date/time field value out of range: \"{text}\"")),
            Self::MonthDay => Self::Range.into_error(text, type_name).hint("Perhaps you need a different \"datestyle\" setting."),
            Self::Displacement => {
                SqlError::new(SqlState::INVALID_TIME_ZONE, format!("time zone displacement out of range: \"{text}\""))
            }
            Self::Other(error) => error,
        }
    }
}

#[derive(Debug, PartialEq)]
enum Field<'a> {
    /// Digits, perhaps with a decimal point.
    Number(&'a str),
    /// Parts joined by `-`, `/` or `.`.
    Date(&'a str),
    /// Has a colon.
    Clock(&'a str),
    /// Letters; zone names with their `/`, `_` and digits.
    Word(&'a str),
    /// A sign and digits.
    Offset(&'a str),
}

/// Cuts lower-case text into fields.
fn fields(text: &str) -> Result<Vec<Field<'_>>, Failure> {
    let bytes = text.as_bytes();
    let run = |from: usize, keep: &dyn Fn(u8) -> bool| bytes[from..].iter().take_while(|b| keep(**b)).count() + from;
    let digit_at = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        if super::super::is_space(char::from(byte)) {
            at += 1;
            continue;
        }
        if found.len() >= 25 {
            return Err(Failure::Format);
        }
        if byte.is_ascii_digit() {
            at = run(at, &|b| b.is_ascii_digit());
            match bytes.get(at) {
                Some(b':') => {
                    at = run(at, &|b| b.is_ascii_digit() || b == b':');
                    if bytes.get(at) == Some(&b'.') {
                        at = run(at + 1, &|b| b.is_ascii_digit());
                    }
                    found.push(Field::Clock(&text[start..at]));
                }
                Some(&mark @ (b'-' | b'/' | b'.')) => {
                    if bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic) {
                        at = run(at + 1, &|b| b.is_ascii_alphanumeric() || b == mark);
                        found.push(Field::Date(&text[start..at]));
                    } else {
                        at = run(at + 1, &|b| b.is_ascii_digit());
                        if bytes.get(at) == Some(&mark) {
                            at = run(at, &|b| b.is_ascii_digit() || b == mark);
                            found.push(Field::Date(&text[start..at]));
                        } else if mark == b'.' {
                            found.push(Field::Number(&text[start..at]));
                        } else {
                            found.push(Field::Date(&text[start..at]));
                        }
                    }
                }
                _ => found.push(Field::Number(&text[start..at])),
            }
        } else if byte.is_ascii_alphabetic() {
            at = run(at, &|b| b.is_ascii_alphabetic());
            let word = &text[start..at];
            let next = bytes.get(at).copied().unwrap_or(b' ');
            if matches!(next, b'-' | b'/' | b'.') && words::month(word).is_some() {
                at = run(at, &|b| b.is_ascii_alphanumeric() || b == next);
                found.push(Field::Date(&text[start..at]));
            } else {
                let joins = matches!(next, b'/' | b'_' | b'-') || ((next == b'+' || digit_at(at)) && !is_known(word));
                if joins {
                    at = run(at, &|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'+' | b'-' | b':'));
                }
                found.push(Field::Word(&text[start..at]));
            }
        } else if matches!(byte, b'+' | b'-') {
            let digits = run(at + 1, &|b| b == b' ');
            if digit_at(digits) {
                at = run(digits, &|b| b.is_ascii_digit() || b == b':');
                found.push(Field::Offset(&text[start..at]));
            } else {
                return Err(Failure::Format);
            }
        } else if byte.is_ascii_punctuation() {
            at += 1;
        } else {
            return Err(Failure::Format);
        }
    }
    Ok(found)
}

/// Whether a word means something by itself, so that digits after it begin a new field.
fn is_known(word: &str) -> bool {
    words::month(word).is_some()
        || words::is_weekday(word)
        || words::abbreviation(word).is_some_and(|_| word.len() == 1)
        || matches!(word, "t" | "j" | "jd" | "julian" | "am" | "pm" | "bc" | "ad" | "on" | "at")
}

/// The parts found so far.
#[derive(Default)]
struct Found {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    /// The year was written with one or two digits.
    short_year: bool,
    text_month: bool,
    day_of_year: Option<u32>,
    /// Microseconds since midnight.
    clock: Option<i64>,
    /// The clock time was written as digits that are no time of day.
    past_midnight: bool,
    zone: Option<Zone>,
    afternoon: Option<bool>,
    before_christ: bool,
}

enum Zone {
    /// Seconds east of UTC.
    Fixed(i32),
    /// Depends on the moment.
    Named(jiff::tz::TimeZone),
}

/// The whole text's meaning.
enum Moment {
    Infinity,
    NegInfinity,
    Parts { days: Option<i64>, clock: Option<i64>, zone: Option<Zone> },
}

impl Found {
    fn has_date(&self) -> bool {
        self.year.is_some() && self.month.is_some() && self.day.is_some()
    }

    /// One number of a date: which part it is depends on those already known.
    fn number(&mut self, digits: &str) -> Result<(), Failure> {
        let value: u32 = digits.parse().map_err(|_| Failure::Range)?;
        let long = digits.len() >= 3;
        match (self.year.is_some(), self.month.is_some(), self.day.is_some()) {
            (false, false, false) if long => self.set_year(digits)?,
            (false, false, false) => self.month = Some(value),
            (true, false, false) if digits.len() == 3 && self.year.is_some_and(|y| y > 99) => self.day_of_year = Some(value),
            (true, false, _) => self.month = Some(value),
            (false, true, false) if self.text_month && long => self.set_year(digits)?,
            (false, true, false) => self.day = Some(value),
            (true, true, false) if self.text_month && long && self.short_year => {
                // The first number was the day after all: `5 Jan` came as a year.
                self.day = self.year.and_then(|y| u32::try_from(y % 100).ok());
                self.year = None;
                self.set_year(digits)?;
            }
            (true, true, false) => self.day = Some(value),
            (false, _, true) => self.set_year(digits)?,
            (true, true, true) => return self.run_of_digits(digits),
        }
        Ok(())
    }

    fn set_year(&mut self, digits: &str) -> Result<(), Failure> {
        let value: i32 = digits.parse().map_err(|_| Failure::Range)?;
        self.short_year = digits.len() <= 2;
        self.year = Some(match value {
            0..70 if self.short_year => value + 2000,
            70..100 if self.short_year => value + 1900,
            _ => value,
        });
        Ok(())
    }

    /// Digits without marks: `20240105`, `240105`, or after a date `100500`, `1005`.
    fn run_of_digits(&mut self, text: &str) -> Result<(), Failure> {
        let (digits, fraction) = text.find('.').map_or((text, ""), |at| text.split_at(at));
        let part = |from: usize, to: usize| digits.get(from..to).and_then(|p| p.parse::<u32>().ok()).ok_or(Failure::Format);
        let n = digits.len();
        if !self.has_date() && self.year.is_none() && self.month.is_none() && self.day.is_none() && n >= 6 && fraction.is_empty()
        {
            self.day = Some(part(n - 2, n)?);
            self.month = Some(part(n - 4, n - 2)?);
            return self.set_year(&digits[..n - 4]);
        }
        self.clock_digits(text)
    }

    /// `040506`, `040506.789`, `0405`: a time of day without marks.
    fn clock_digits(&mut self, text: &str) -> Result<(), Failure> {
        let (digits, fraction) = text.find('.').map_or((text, ""), |at| text.split_at(at));
        let part = |from: usize, to: usize| digits.get(from..to).and_then(|p| p.parse::<u32>().ok()).ok_or(Failure::Format);
        let n = digits.len();
        if self.clock.is_some() {
            return Err(Failure::Format);
        }
        let (hour, minute, second) = match n {
            6 => (part(0, 2)?, part(2, 4)?, part(4, 6)?),
            4 if fraction.is_empty() => (part(0, 2)?, part(2, 4)?, 0),
            _ => return Err(Failure::Format),
        };
        // Digits without colons may count past their range, unless the result is a time of day.
        let out_of_range = hour > 24 || minute > 59 || second > 60;
        let total = i64::from(hour) * HOUR + i64::from(minute) * MINUTE + i64::from(second) * SECOND + micros_of(fraction)?;
        self.past_midnight |= out_of_range || total > DAY;
        if self.clock.replace(total).is_some() {
            return Err(Failure::Format);
        }
        Ok(())
    }

    fn set_clock(&mut self, hour: i64, minute: i64, second: i64, micros: i64) -> Result<(), Failure> {
        if minute > 59 || second > 60 || hour > 24 {
            return Err(Failure::Range);
        }
        let total = hour * HOUR + minute * MINUTE + second * SECOND + micros;
        if total > DAY {
            return Err(Failure::Range);
        }
        if self.clock.replace(total).is_some() {
            return Err(Failure::Format);
        }
        Ok(())
    }

    fn clock(&mut self, text: &str) -> Result<(), Failure> {
        let (whole, fraction) = text.find('.').map_or((text, ""), |at| text.split_at(at));
        let mut parts = [0_i64; 3];
        let mut count = 0;
        for part in whole.split(':') {
            // After the first colon, no digits count as zero: `10:00:.5`.
            let missing = part.is_empty() && count > 0;
            let value = if missing { Ok(0) } else { part.parse() };
            *parts.get_mut(count).ok_or(Failure::Format)? =
                value.map_err(|_| if part.is_empty() { Failure::Format } else { Failure::Range })?;
            count += 1;
        }
        let micros = micros_of(fraction)?;
        match (count, fraction.is_empty()) {
            // `mm:ss.fraction`
            (2, false) => self.set_clock(0, parts[0], parts[1], micros),
            _ => self.set_clock(parts[0], parts[1], parts[2], micros),
        }
    }

    fn dashed(&mut self, text: &str) -> Result<(), Failure> {
        // Dashes after a clock time would belong to a zone.
        if self.has_date() || self.clock.is_some() {
            return Err(Failure::Format);
        }
        let parts: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|p| !p.is_empty()).collect();
        if parts.len() > 3 {
            return Err(Failure::Format);
        }
        for part in &parts {
            if part.starts_with(|c: char| c.is_ascii_alphabetic()) {
                if self.month.replace(words::month(part).ok_or(Failure::Format)?).is_some() {
                    return Err(Failure::Format);
                }
                self.text_month = true;
            }
        }
        for part in parts {
            if !part.starts_with(|c: char| c.is_ascii_alphabetic()) {
                if !part.bytes().all(|b| b.is_ascii_digit()) || self.has_date() {
                    return Err(Failure::Format);
                }
                self.number(part)?;
            }
        }
        Ok(())
    }

    fn offset(&mut self, text: &str) -> Result<(), Failure> {
        let offset = offset_of(text)?;
        self.set_zone(Zone::Fixed(offset))
    }

    fn set_zone(&mut self, zone: Zone) -> Result<(), Failure> {
        if self.zone.replace(zone).is_some() {
            return Err(Failure::Format);
        }
        Ok(())
    }

    fn set_days(&mut self, days: i64) -> Result<(), Failure> {
        if self.year.is_some() || self.month.is_some() || self.day.is_some() {
            return Err(Failure::Format);
        }
        let (year, month, day) = civil_from_days(days);
        (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
        Ok(())
    }

    /// Days since 1970 of a complete date.
    fn days(&self) -> Result<Option<i64>, Failure> {
        if let (Some(day), Some(year)) = (self.day_of_year, self.year) {
            if !(1..=366).contains(&day) {
                return Err(Failure::Range);
            }
            return Ok(Some(days_from_civil(self.checked_year(year)?, 1, 1) + i64::from(day) - 1));
        }
        let (Some(year), Some(month), Some(day)) = (self.year, self.month, self.day) else {
            return if self.year.is_some() || self.month.is_some() || self.day.is_some() {
                Err(Failure::Format)
            } else {
                Ok(None)
            };
        };
        if year == 0 {
            return Err(Failure::Range);
        }
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(Failure::MonthDay);
        }
        if day > days_in_month(year, month) {
            return Err(Failure::Range);
        }
        Ok(Some(days_from_civil(self.checked_year(year)?, month, day)))
    }

    fn checked_year(&self, year: i32) -> Result<i32, Failure> {
        if self.before_christ || year > 9999 { Err(Failure::Other(year_unsupported())) } else { Ok(year) }
    }

    fn time_of_day(&self) -> Result<Option<i64>, Failure> {
        let Some(clock) = self.clock else { return Ok(None) };
        let Some(afternoon) = self.afternoon else { return Ok(Some(clock)) };
        if clock >= 13 * HOUR {
            return Err(Failure::Range);
        }
        let within = if clock >= 12 * HOUR { clock - 12 * HOUR } else { clock };
        Ok(Some(if afternoon { within + 12 * HOUR } else { within }))
    }
}

/// `+hh`, `+hhmm`, `+hh:mm`, `+hh:mm:ss` in seconds east of UTC.
fn offset_of(text: &str) -> Result<i32, Failure> {
    let digits = text.trim_start_matches(['+', '-', ' ']);
    let mut parts = [0_i32; 3];
    if digits.contains(':') {
        for (at, part) in digits.split(':').enumerate() {
            *parts.get_mut(at).ok_or(Failure::Format)? = part.parse().map_err(|_| Failure::Format)?;
        }
    } else {
        let value: i32 = digits.parse().map_err(|_| Failure::Displacement)?;
        (parts[0], parts[1]) = if digits.len() > 2 { (value / 100, value % 100) } else { (value, 0) };
    }
    if parts[0] > 15 || parts[1] > 59 || parts[2] > 59 {
        return Err(Failure::Displacement);
    }
    let total = parts[0] * 3600 + parts[1] * 60 + parts[2];
    Ok(if text.starts_with('-') { -total } else { total })
}

/// Microseconds of `.fraction`, rounded to the nearest.
pub(super) fn micros_of_fraction(fraction: &str) -> Option<i64> {
    if fraction.len() < 2 {
        return Some(0);
    }
    let seconds: f64 = format!("0{fraction}").parse().ok()?;
    #[allow(clippy::cast_possible_truncation)] // between 0 and 1 000 000
    Some((seconds * 1e6).round_ties_even() as i64)
}

fn micros_of(fraction: &str) -> Result<i64, Failure> {
    micros_of_fraction(fraction).ok_or(Failure::Format)
}

fn read(text: &str, now: Option<Timestamp>) -> Result<Moment, Failure> {
    read_for(text, now, false)
}

/// With `time_only`, what is refused in a time of day: `T` after a date, names of months.
fn read_for(text: &str, now: Option<Timestamp>, time_only: bool) -> Result<Moment, Failure> {
    let lower = text.trim_matches(super::super::is_space).to_ascii_lowercase();
    match lower.as_str() {
        "infinity" | "+infinity" => return Ok(Moment::Infinity),
        "-infinity" => return Ok(Moment::NegInfinity),
        _ => {}
    }
    let mut found = Found::default();
    let mut julian = false;
    let mut iso_time = false;
    for field in fields(&lower)? {
        match field {
            Field::Number(digits) if julian => {
                julian = false;
                let (whole, fraction) = digits.find('.').map_or((digits, ""), |at| digits.split_at(at));
                let day: i64 = whole.parse().map_err(|_| Failure::Range)?;
                // Julian day 2 440 588 is 1970-01-01.
                let days = day - 2_440_588;
                if !(super::FIRST_DAY..=super::LAST_DAY).contains(&days) {
                    return Err(Failure::Other(year_unsupported()));
                }
                found.set_days(days)?;
                if fraction.len() > 1 {
                    let part: f64 = format!("0{fraction}").parse().map_err(|_| Failure::Format)?;
                    #[allow(clippy::cast_possible_truncation)]
                    let micros = (part * 86_400e6).round_ties_even() as i64;
                    found.set_clock(0, 0, 0, micros)?;
                }
            }
            Field::Number(digits) if iso_time => {
                iso_time = false;
                found.clock_digits(digits)?;
            }
            Field::Number(digits) => {
                let whole = digits.split('.').next().unwrap_or("");
                if whole.len() != digits.len() {
                    if found.has_date() && whole.len() == 6 {
                        found.run_of_digits(digits)?;
                    } else if !found.has_date() && digits.split('.').nth(1).is_some_and(|p| p.len() == 3) {
                        found.dashed(digits)?; // year.day-of-year
                    } else {
                        return Err(Failure::Format);
                    }
                } else if whole.len() >= 6 && (!found.has_date() || found.clock.is_none()) {
                    found.run_of_digits(digits)?;
                } else {
                    found.number(digits)?;
                }
            }
            Field::Date(text) if (found.has_date() || iso_time) && found.clock.is_none() && text.contains('-') => {
                iso_time = false;
                // Digits of a time of day with a zone: `100500-08`.
                let (digits, offset) = text.split_at(text.find('-').unwrap_or(text.len()));
                found.clock_digits(digits)?;
                found.offset(offset)?;
            }
            Field::Date(text) => found.dashed(text)?,
            Field::Clock(text) => {
                iso_time = false;
                found.clock(text)?;
            }
            Field::Offset(text) => found.offset(text)?,
            Field::Word(word) => match word {
                "t" if time_only && found.year.is_some() => return Err(Failure::Format),
                "t" => iso_time = true,
                "j" | "jd" | "julian" => julian = true,
                "am" => found.afternoon = Some(false),
                "pm" => found.afternoon = Some(true),
                "bc" => found.before_christ = true,
                "ad" | "on" | "at" => {}
                "epoch" => {
                    found.set_days(0)?;
                    found.clock.get_or_insert(0);
                    found.zone.get_or_insert(Zone::Fixed(0));
                }
                "now" | "today" | "tomorrow" | "yesterday" => {
                    let now =
                        now.ok_or_else(|| Failure::Other(SqlError::unsupported(format!("the date/time input \"{word}\" here"))))?;
                    let shift = match word {
                        "tomorrow" => 1,
                        "yesterday" => -1,
                        _ => 0,
                    };
                    found.set_days(now.0.div_euclid(DAY) + shift)?;
                    if word == "now" {
                        found.set_clock(0, 0, 0, now.0.rem_euclid(DAY))?;
                        found.zone.get_or_insert(Zone::Fixed(0));
                    }
                }
                "allballs" => {
                    found.set_clock(0, 0, 0, 0)?;
                    found.zone.get_or_insert(Zone::Fixed(0));
                }
                _ if time_only && words::month(word).is_some() => return Err(Failure::Format),
                _ => found.word(word)?,
            },
        }
    }
    if iso_time || julian || (time_only && found.clock.is_none()) {
        return Err(Failure::Format);
    }
    if time_only && found.past_midnight {
        return Err(Failure::Range);
    }
    Ok(Moment::Parts { days: found.days()?, clock: found.time_of_day()?, zone: found.zone })
}

impl Found {
    /// Month names, days of the week, zones.
    fn word(&mut self, word: &str) -> Result<(), Failure> {
        if let Some(month) = words::month(word) {
            if let Some(number) = self.month {
                // `5 Jan 2024`: what was read as a month is the day.
                if self.text_month || self.day.is_some() || !(1..=31).contains(&number) {
                    return Err(Failure::Format);
                }
                self.day = Some(number);
            }
            self.month = Some(month);
            self.text_month = true;
            return Ok(());
        }
        if words::is_weekday(word) {
            return Ok(());
        }
        if let Some(offset) = words::abbreviation(word) {
            return self.set_zone(Zone::Fixed(offset));
        }
        match zone::lookup(word) {
            Some(zone) => self.set_zone(match zone.to_fixed_offset() {
                Ok(offset) => Zone::Fixed(offset.seconds()),
                Err(_) => Zone::Named(zone),
            }),
            None if word.contains('/') => Err(Failure::Other(zone::not_recognized(word))),
            None => Err(Failure::Format),
        }
    }
}

/// Seconds east of UTC of a wall-clock moment.
fn offset_at(zone: Option<&Zone>, local: i64) -> i32 {
    match zone {
        None => zone::session_offset_of_local(local),
        Some(Zone::Fixed(offset)) => *offset,
        Some(Zone::Named(zone)) => zone::offset_of_local(zone, local),
    }
}

/// Reads a date; days since 1970, infinities as the extremes of `i64`.
pub(crate) fn parse_date(text: &str, now: Option<Timestamp>) -> Result<i64, SqlError> {
    let inner = || match read(text, now)? {
        Moment::Infinity => Ok(i64::MAX),
        Moment::NegInfinity => Ok(i64::MIN),
        Moment::Parts { days: Some(days), .. } => Ok(days),
        Moment::Parts { .. } => Err(Failure::Format),
    };
    inner().map_err(|f: Failure| f.into_error(text, "date"))
}

/// Reads a timestamp; with `zoned` the moment is converted to UTC, else a zone is ignored.
pub(crate) fn parse_timestamp(text: &str, zoned: bool, now: Option<Timestamp>) -> Result<Timestamp, SqlError> {
    let inner = || {
        let (days, clock, zone) = match read(text, now)? {
            Moment::Infinity => return Ok(INFINITY),
            Moment::NegInfinity => return Ok(NEG_INFINITY),
            Moment::Parts { days, clock, zone } => (days.ok_or(Failure::Format)?, clock.unwrap_or(0), zone),
        };
        let local = days * DAY + clock;
        let shift = if zoned { i64::from(offset_at(zone.as_ref(), local)) * SECOND } else { 0 };
        check_timestamp(local - shift).map_err(Failure::Other)
    };
    inner().map_err(|f| f.into_error(text, if zoned { "timestamp with time zone" } else { "timestamp" }))
}

/// Reads a time of day, in microseconds.
pub(crate) fn parse_time(text: &str, now: Option<Timestamp>) -> Result<i64, SqlError> {
    let inner = || match read_time(text, now)? {
        // A zone needs a date to mean something for a time without one; it is ignored.
        Moment::Parts { zone: Some(Zone::Named(_)), days: None, .. } => Err(Failure::Format),
        Moment::Parts { clock: Some(clock), .. } => Ok(clock),
        _ => Err(Failure::Format),
    };
    inner().map_err(|f: Failure| f.into_error(text, "time"))
}

/// Reads a time of day with its offset (seconds east of UTC).
pub(crate) fn parse_timetz(text: &str, now: Option<Timestamp>) -> Result<(i64, i32), SqlError> {
    let inner = || match read_time(text, now)? {
        Moment::Parts { clock: Some(clock), zone, days } => match (&zone, days) {
            (Some(Zone::Named(_)), None) => Err(Failure::Format),
            (zone, days) => Ok((clock, offset_at(zone.as_ref(), days.unwrap_or(0) * DAY + clock))),
        },
        _ => Err(Failure::Format),
    };
    inner().map_err(|f: Failure| f.into_error(text, "time with time zone"))
}

/// Times also come as bare digits: `040506`, `0405`.
fn read_time(text: &str, now: Option<Timestamp>) -> Result<Moment, Failure> {
    let body = text.trim_matches(super::super::is_space);
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    let rest = body.get(digits..).unwrap_or("");
    if (digits == 6 || (digits == 4 && !rest.starts_with('-'))) && !rest.starts_with([':', '/']) {
        return read_for(&format!("t{body}"), now, true);
    }
    read_for(text, now, true)
}
