//! Intervals: input in PostgreSQL's verbose, ISO 8601 and SQL-standard forms, output in `IntervalStyle = postgres`, arithmetic.

use super::parse::micros_of_fraction;
use super::words::{self, Unit};
use super::{DAY, HOUR, MINUTE, SECOND};
use crate::{SqlError, SqlState};
use std::cmp::Ordering;
use std::fmt;

/// interval_field_overflow
const FIELD_OVERFLOW: SqlState = SqlState::new(b"22015");

/// Months, days and time, kept apart because a month has no fixed number of days nor a day of hours.
#[derive(Debug, Clone, Copy, Default)]
pub struct Interval {
    /// Whole months.
    pub months: i32,
    /// Whole days.
    pub days: i32,
    /// Microseconds.
    pub micros: i64,
}

enum Failure {
    Format,
    Range,
    /// The parts fit, their sum does not.
    Sum,
}

#[allow(clippy::should_implement_trait)] // the operators' traits cannot fail
impl Interval {
    /// Longer than all others.
    pub const INFINITY: Self = Self { months: i32::MAX, days: i32::MAX, micros: i64::MAX };
    /// Shorter than all others.
    pub const NEG_INFINITY: Self = Self { months: i32::MIN, days: i32::MIN, micros: i64::MIN };

    /// `Some(true)` for infinity, `Some(false)` for minus infinity.
    pub fn infinite(self) -> Option<bool> {
        let same = |other: Self| (self.months, self.days, self.micros) == (other.months, other.days, other.micros);
        if same(Self::INFINITY) {
            Some(true)
        } else if same(Self::NEG_INFINITY) {
            Some(false)
        } else {
            None
        }
    }

    /// Reads any of PostgreSQL's input forms.
    ///
    /// # Errors
    /// 22007 for other text, 22015 when a part does not fit.
    pub fn parse(text: &str) -> Result<Self, SqlError> {
        let body = text.trim_matches(super::super::is_space);
        let lower = body.to_ascii_lowercase();
        let read = match lower.as_str() {
            "infinity" | "+infinity" => return Ok(Self::INFINITY),
            "-infinity" => return Ok(Self::NEG_INFINITY),
            _ if body.starts_with('P') => iso(body),
            _ => verbose(&lower),
        };
        let error = |state, what: &str| SqlError::new(state, format!("{what}: \"{text}\""));
        match read {
            Ok(found) if found.infinite().is_none() => Ok(found),
            Err(Failure::Format) => Err(error(SqlState::INVALID_DATETIME, "invalid input syntax for type interval")),
            Err(Failure::Sum) => Err(out_of_range()),
            _ => Err(error(FIELD_OVERFLOW, "interval field value out of range")),
        }
    }

    /// The span that order compares: microseconds with months of 30 days and days of 24 hours.
    pub fn span(self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * i128::from(DAY) + i128::from(self.micros)
    }

    /// The interval in the other direction.
    ///
    /// # Errors
    /// 22008 when it does not fit.
    pub fn neg(self) -> Result<Self, SqlError> {
        match self.infinite() {
            Some(true) => return Ok(Self::NEG_INFINITY),
            Some(false) => return Ok(Self::INFINITY),
            None => {}
        }
        let parts = (self.months.checked_neg(), self.days.checked_neg(), self.micros.checked_neg());
        let (Some(months), Some(days), Some(micros)) = parts else { return Err(out_of_range()) };
        Ok(Self { months, days, micros })
    }

    /// Sum, part by part.
    ///
    /// # Errors
    /// 22008 when it does not fit, or for infinities of both signs.
    pub fn add(self, other: Self) -> Result<Self, SqlError> {
        match (self.infinite(), other.infinite()) {
            (Some(a), Some(b)) if a != b => return Err(out_of_range()),
            (Some(_), _) => return Ok(self),
            (_, Some(_)) => return Ok(other),
            _ => {}
        }
        let parts =
            (self.months.checked_add(other.months), self.days.checked_add(other.days), self.micros.checked_add(other.micros));
        let (Some(months), Some(days), Some(micros)) = parts else { return Err(out_of_range()) };
        Ok(Self { months, days, micros })
    }

    /// Difference, part by part.
    ///
    /// # Errors
    /// 22008 when it does not fit.
    pub fn sub(self, other: Self) -> Result<Self, SqlError> {
        self.add(other.neg()?)
    }

    /// Product with a number; fractions of a month become days, fractions of a day become time.
    ///
    /// # Errors
    /// 22008 when it does not fit or the factor is NaN.
    pub fn mul(self, factor: f64) -> Result<Self, SqlError> {
        if factor.is_nan() {
            return Err(out_of_range());
        }
        if let Some(positive) = self.infinite() {
            return match (factor == 0.0, (factor > 0.0) == positive) {
                (true, _) => Err(out_of_range()),
                (_, true) => Ok(Self::INFINITY),
                (_, false) => Ok(Self::NEG_INFINITY),
            };
        }
        self.scale(|part| part * factor)
    }

    /// Each part scaled, fractions passed on to the smaller ones.
    fn scale(self, by: impl Fn(f64) -> f64) -> Result<Self, SqlError> {
        let months = by(f64::from(self.months));
        let days = by(f64::from(self.days));
        let whole_months = to_i32(months.trunc())?;
        let whole_days = to_i32(days.trunc())?;
        // Leftovers: of the months in days, of both in seconds, rounded to microseconds against drift.
        let month_days = to_micros((months - months.trunc()) * 30.0);
        let mut seconds = to_micros((days - days.trunc() + month_days - month_days.trunc()) * 86_400.0);
        let mut extra = month_days.trunc();
        if seconds.abs() >= 86_400.0 {
            extra += (seconds / 86_400.0).trunc();
            seconds -= (seconds / 86_400.0).trunc() * 86_400.0;
        }
        #[allow(clippy::cast_precision_loss)]
        let micros = (by(self.micros as f64) + seconds * 1e6).round_ties_even();
        if micros.abs() >= 9.2e18 {
            return Err(out_of_range());
        }
        #[allow(clippy::cast_possible_truncation)]
        let micros = micros as i64;
        let days = whole_days.checked_add(to_i32(extra)?).ok_or_else(out_of_range)?;
        Ok(Self { months: whole_months, days, micros })
    }

    /// Quotient by a number.
    ///
    /// # Errors
    /// 22012 for zero, 22008 when it does not fit.
    pub fn div(self, divisor: f64) -> Result<Self, SqlError> {
        if divisor == 0.0 {
            return Err(SqlError::new(SqlState::DIVISION_BY_ZERO, "division by zero"));
        }
        if divisor.is_nan() || self.infinite().is_some() {
            return if divisor.is_infinite() { Err(out_of_range()) } else { self.mul(divisor) };
        }
        self.scale(|part| part / divisor)
    }

    /// `justify_days`: 30 days become a month.
    pub fn justify_days(self) -> Self {
        if self.infinite().is_some() {
            return self;
        }
        let mut months = i64::from(self.months) + i64::from(self.days / 30);
        let mut days = self.days % 30;
        if months > 0 && days < 0 {
            (months, days) = (months - 1, days + 30);
        } else if months < 0 && days > 0 {
            (months, days) = (months + 1, days - 30);
        }
        Self { months: i32::try_from(months).unwrap_or(self.months), days, micros: self.micros }
    }

    /// `justify_hours`: 24 hours become a day.
    pub fn justify_hours(self) -> Self {
        if self.infinite().is_some() {
            return self;
        }
        let mut days = i64::from(self.days) + self.micros / DAY;
        let mut micros = self.micros % DAY;
        if days > 0 && micros < 0 {
            (days, micros) = (days - 1, micros + DAY);
        } else if days < 0 && micros > 0 {
            (days, micros) = (days + 1, micros - DAY);
        }
        Self { months: self.months, days: i32::try_from(days).unwrap_or(self.days), micros }
    }

    /// `justify_interval`: both, all parts with one sign.
    pub fn justify_interval(self) -> Self {
        let all = self.justify_hours().justify_days();
        if all.infinite().is_some() {
            return all;
        }
        let Self { mut months, mut days, mut micros } = all;
        if months > 0 && (days < 0 || (days == 0 && micros < 0)) {
            (months, days) = (months - 1, days + 30);
        } else if months < 0 && (days > 0 || (days == 0 && micros > 0)) {
            (months, days) = (months + 1, days - 30);
        }
        if days > 0 && micros < 0 {
            (days, micros) = (days - 1, micros + DAY);
        } else if days < 0 && micros > 0 {
            (days, micros) = (days + 1, micros - DAY);
        }
        Self { months, days, micros }
    }
}

fn out_of_range() -> SqlError {
    SqlError::new(SqlState::DATETIME_OVERFLOW, "interval out of range")
}

fn to_micros(value: f64) -> f64 {
    (value * 1e6).round_ties_even() / 1e6
}

#[allow(clippy::cast_possible_truncation)] // checked just before
fn to_i32(value: f64) -> Result<i32, SqlError> {
    if value.abs() < 2_147_483_648.0 { Ok(value as i32) } else { Err(out_of_range()) }
}

/// Rounds to the nearest integer, halves towards zero: how fractions of a unit become microseconds.
#[allow(clippy::cast_possible_truncation)] // callers stay below a month of microseconds
fn nearest(value: f64) -> i64 {
    let whole = value.trunc();
    let rest = value - whole;
    whole as i64 + i64::from(rest > 0.5) - i64::from(rest < -0.5)
}

/// A number of an interval: whole part and fraction, both with the sign.
#[derive(Clone, Copy)]
struct Amount {
    whole: i64,
    fraction: f64,
}

impl Amount {
    /// `12`, `1.5`, `.5` with the sign already taken off.
    fn read(text: &str, negative: bool) -> Result<Self, Failure> {
        let (whole, fraction) = text.find('.').map_or((text, ""), |at| text.split_at(at));
        if whole.is_empty() && (fraction.len() < 2 || negative) {
            return Err(Failure::Format);
        }
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| Failure::Range)? };
        let fraction: f64 = if fraction.len() < 2 { 0.0 } else { format!("0{fraction}").parse().map_err(|_| Failure::Format)? };
        Ok(if negative { Self { whole: -whole, fraction: -fraction } } else { Self { whole, fraction } })
    }
}

impl Interval {
    fn add_months(&mut self, months: i64) -> Result<(), Failure> {
        self.months = i32::try_from(months).ok().and_then(|m| self.months.checked_add(m)).ok_or(Failure::Range)?;
        Ok(())
    }

    fn add_days(&mut self, days: i64) -> Result<(), Failure> {
        self.days = i32::try_from(days).ok().and_then(|d| self.days.checked_add(d)).ok_or(Failure::Range)?;
        Ok(())
    }

    fn add_micros(&mut self, micros: i64) -> Result<(), Failure> {
        self.micros = self.micros.checked_add(micros).ok_or(Failure::Range)?;
        Ok(())
    }

    /// Fractions of days become time.
    #[allow(clippy::cast_possible_truncation)] // days below 31 and microseconds below a day
    fn add_fraction_of_days(&mut self, days: f64) -> Result<(), Failure> {
        self.add_days(days.trunc() as i64)?;
        self.add_micros(nearest((days - days.trunc()) * 86_400e6))
    }

    fn add_unit(&mut self, amount: Amount, unit: Unit) -> Result<(), Failure> {
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
        let time = |this: &mut Self, unit: i64| {
            let whole = amount.whole.checked_mul(unit).ok_or(Failure::Range)?;
            this.add_micros(whole)?;
            this.add_micros(nearest(amount.fraction * unit as f64))
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
        let years = |this: &mut Self, years: i64| {
            let whole = amount.whole.checked_mul(years).filter(|y| i32::try_from(*y).is_ok()).ok_or(Failure::Range)?;
            this.add_months(whole * 12).map_err(|_| Failure::Sum)?;
            this.add_months((amount.fraction * (years * 12) as f64).round_ties_even() as i64)
        };
        match unit {
            Unit::Microsecond => time(self, 1),
            Unit::Millisecond => time(self, 1_000),
            Unit::Second => time(self, SECOND),
            Unit::Minute => time(self, MINUTE),
            Unit::Hour => time(self, HOUR),
            Unit::Day => {
                self.add_days(amount.whole)?;
                self.add_fraction_of_days(amount.fraction)
            }
            Unit::Week => {
                self.add_days(amount.whole.checked_mul(7).ok_or(Failure::Range)?)?;
                self.add_fraction_of_days(amount.fraction * 7.0)
            }
            Unit::Month => {
                self.add_months(amount.whole)?;
                self.add_fraction_of_days(amount.fraction * 30.0)
            }
            Unit::Quarter => Err(Failure::Format),
            Unit::Year => years(self, 1),
            Unit::Decade => years(self, 10),
            Unit::Century => years(self, 100),
            Unit::Millennium => years(self, 1_000),
        }
    }

    /// `hh:mm`, `hh:mm:ss.f`, `mm:ss.f`
    fn add_clock(&mut self, text: &str, negative: bool) -> Result<(), Failure> {
        let (whole, fraction) = text.find('.').map_or((text, ""), |at| text.split_at(at));
        let mut parts = [0_i64; 3];
        let mut count = 0;
        for part in whole.split(':') {
            *parts.get_mut(count).ok_or(Failure::Format)? =
                part.parse().map_err(|_| if part.is_empty() { Failure::Format } else { Failure::Range })?;
            count += 1;
        }
        if count == 2 && !fraction.is_empty() {
            parts = [0, parts[0], parts[1]];
        }
        if parts[1] > 59 || parts[2] > 60 {
            return Err(Failure::Range);
        }
        let micros = parts[0].checked_mul(HOUR).and_then(|h| h.checked_add(parts[1] * MINUTE + parts[2] * SECOND));
        let micros = micros.ok_or(Failure::Range)?.checked_add(micros_of_fraction(fraction).ok_or(Failure::Format)?);
        let micros = micros.ok_or(Failure::Range)?;
        self.add_micros(if negative { -micros } else { micros })
    }
}

/// `1 year 2 mons -3 days 04:05:06`, `1-2 3 4:05:06`, `@ 1 day ago`. Lower case.
fn verbose(text: &str) -> Result<Interval, Failure> {
    let bytes = text.as_bytes();
    let mut found = Interval::default();
    let mut seen = Vec::new();
    let mut ago = false;
    let mut any = false;
    let mut at = 0;
    // Punctuation other than signs, points and colons separates like white space.
    let separates =
        |b: u8| super::super::is_space(char::from(b)) || (b.is_ascii_punctuation() && !matches!(b, b'+' | b'-' | b'.' | b':'));
    let space = |at: &mut usize| {
        while bytes.get(*at).is_some_and(|b| separates(*b)) {
            *at += 1;
        }
    };
    loop {
        space(&mut at);
        let Some(&first) = bytes.get(at) else { break };
        if ago {
            return Err(Failure::Format);
        }
        let negative = first == b'-';
        if matches!(first, b'-' | b'+') {
            at += 1;
            space(&mut at);
        }
        let start = at;
        while bytes.get(at).is_some_and(|b| b.is_ascii_digit() || matches!(b, b'.' | b':')) {
            at += 1;
        }
        let number = &text[start..at];
        if number.is_empty() {
            let end = bytes[at..].iter().take_while(|b| b.is_ascii_alphabetic()).count() + at;
            if start > 0 && &text[at..end] == "ago" && any {
                ago = true;
                at = end;
                continue;
            }
            return Err(Failure::Format);
        }
        any = true;
        if number.contains(':') {
            once(&mut seen, Seen::Clock)?;
            if seen.iter().any(|s| matches!(s, Seen::Unit(unit) if unit.is_time())) {
                return Err(Failure::Format);
            }
            found.add_clock(number, negative)?;
            continue;
        }
        if bytes.get(at) == Some(&b'-') && !number.contains('.') {
            // Years and months of SQL's standard: one sign for both.
            let from = at + 1;
            let end = bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count() + from;
            let years: i64 = number.parse().map_err(|_| Failure::Range)?;
            let months: i64 = if end == from { 0 } else { text[from..end].parse().map_err(|_| Failure::Range)? };
            if bytes.get(end).is_some_and(|b| !separates(*b)) {
                return Err(Failure::Format);
            }
            if months > 11 {
                return Err(Failure::Range);
            }
            once(&mut seen, Seen::Unit(Unit::Year))?;
            once(&mut seen, Seen::Unit(Unit::Month))?;
            let total = years.checked_mul(12).and_then(|y| y.checked_add(months)).ok_or(Failure::Range)?;
            found.add_months(if negative { -total } else { total })?;
            at = end;
            continue;
        }
        let amount = Amount::read(number, negative)?;
        let mut word = at;
        space(&mut word);
        let end = bytes[word..].iter().take_while(|b| b.is_ascii_alphabetic()).count() + word;
        let name = &text[word..end];
        let unit = if name.is_empty() {
            // A bare number counts days before a clock time, else seconds, and comes last.
            let mut next = at;
            space(&mut next);
            if matches!(bytes.get(next), Some(b'+' | b'-')) {
                next += 1;
            }
            let rest = text.get(next..).unwrap_or("");
            if rest.split(char::is_whitespace).next().is_some_and(|w| w.contains(':')) {
                Unit::Day
            } else if rest.is_empty() {
                Unit::Second
            } else {
                return Err(Failure::Format);
            }
        } else {
            at = end;
            words::unit(name).ok_or(Failure::Format)?
        };
        once(&mut seen, Seen::Unit(unit))?;
        if unit == Unit::Second && amount.fraction != 0.0 {
            // A fraction stands for the smaller units too.
            once(&mut seen, Seen::Unit(Unit::Millisecond))?;
            once(&mut seen, Seen::Unit(Unit::Microsecond))?;
        }
        if unit.is_time() && seen.contains(&Seen::Clock) {
            return Err(Failure::Format);
        }
        found.add_unit(amount, unit)?;
    }
    if !any {
        return Err(Failure::Format);
    }
    if ago {
        let parts = (found.months.checked_neg(), found.days.checked_neg(), found.micros.checked_neg());
        let (Some(months), Some(days), Some(micros)) = parts else { return Err(Failure::Range) };
        found = Interval { months, days, micros };
    }
    Ok(found)
}

#[derive(PartialEq)]
enum Seen {
    Unit(Unit),
    Clock,
}

/// Each unit may come once.
fn once(seen: &mut Vec<Seen>, what: Seen) -> Result<(), Failure> {
    if seen.contains(&what) {
        return Err(Failure::Format);
    }
    seen.push(what);
    Ok(())
}

/// `P1Y2M3DT4H5M6.7S`, `P0001-02-03T04:05:06`
fn iso(text: &str) -> Result<Interval, Failure> {
    let rest = text.get(1..).unwrap_or("");
    let mut found = Interval::default();
    let (date, time) = rest.split_once('T').map_or((rest, None), |(d, t)| (d, Some(t)));
    if rest.is_empty() {
        return Err(Failure::Format);
    }
    let dashed = date.trim_start_matches('-').contains('-') && !date.bytes().any(|b| b.is_ascii_alphabetic());
    let basic = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if basic(date) && date.len() == 8 {
        for (from, to, unit) in [(0, 4, Unit::Year), (4, 6, Unit::Month), (6, 8, Unit::Day)] {
            found.add_unit(Amount::read(&date[from..to], false)?, unit)?;
        }
    } else if basic(date) && !date.is_empty() {
        found.add_unit(Amount::read(date, false)?, Unit::Year)?;
    } else if dashed {
        for (part, unit) in date.splitn(3, '-').zip([Unit::Year, Unit::Month, Unit::Day]) {
            found.add_unit(Amount::read(part, false)?, unit)?;
        }
    } else {
        designators(&mut found, date, |letter| match letter {
            b'Y' => Some(Unit::Year),
            b'M' => Some(Unit::Month),
            b'W' => Some(Unit::Week),
            b'D' => Some(Unit::Day),
            _ => None,
        })?;
    }
    match time {
        None => {}
        Some(time) if basic(time) && time.len() == 6 => {
            for (from, to, unit) in [(0, 2, Unit::Hour), (2, 4, Unit::Minute), (4, 6, Unit::Second)] {
                found.add_unit(Amount::read(&time[from..to], false)?, unit)?;
            }
        }
        Some(time) if basic(time) && !time.is_empty() => found.add_unit(Amount::read(time, false)?, Unit::Hour)?,
        Some(time) if time.contains(':') => {
            let (negative, clock) = time.strip_prefix('-').map_or((false, time), |t| (true, t));
            found.add_clock(clock, negative)?;
        }
        Some(time) => designators(&mut found, time, |letter| match letter {
            b'H' => Some(Unit::Hour),
            b'M' => Some(Unit::Minute),
            b'S' => Some(Unit::Second),
            _ => None,
        })?,
    }
    Ok(found)
}

fn designators(found: &mut Interval, text: &str, unit_of: impl Fn(u8) -> Option<Unit>) -> Result<(), Failure> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&first) = bytes.get(at) {
        let negative = first == b'-';
        at += usize::from(negative);
        let start = at;
        while bytes.get(at).is_some_and(|b| b.is_ascii_digit() || *b == b'.') {
            at += 1;
        }
        let mut amount = Amount::read(&text[start..at], negative)?;
        if amount.fraction != 0.0 {
            // Here the fraction is what a float has left after its whole part, with its rounding.
            let value: f64 = text[start..at].parse().map_err(|_| Failure::Format)?;
            amount.fraction = if negative { value.trunc() - value } else { value - value.trunc() };
        }
        let unit = bytes.get(at).and_then(|b| unit_of(*b)).ok_or(Failure::Format)?;
        at += 1;
        found.add_unit(amount, unit)?;
    }
    Ok(())
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.infinite() {
            Some(true) => return f.write_str("infinity"),
            Some(false) => return f.write_str("-infinity"),
            None => {}
        }
        let mut first = true;
        // After a negative part, a positive one shows its sign.
        let mut after_negative = false;
        for (value, unit) in [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")] {
            if value != 0 {
                let gap = if first { "" } else { " " };
                let plus = if after_negative && value > 0 { "+" } else { "" };
                let plural = if value == 1 { "" } else { "s" };
                write!(f, "{gap}{plus}{value} {unit}{plural}")?;
                after_negative = value < 0;
                first = false;
            }
        }
        if first || self.micros != 0 {
            let gap = if first { "" } else { " " };
            let sign = if self.micros < 0 {
                "-"
            } else if after_negative {
                "+"
            } else {
                ""
            };
            let micros = self.micros.unsigned_abs();
            let seconds = micros / 1_000_000;
            write!(f, "{gap}{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
            if !micros.is_multiple_of(1_000_000) {
                let fraction = format!("{:06}", micros % 1_000_000);
                write!(f, ".{}", fraction.trim_end_matches('0'))?;
            }
        }
        Ok(())
    }
}

impl Ord for Interval {
    fn cmp(&self, other: &Self) -> Ordering {
        self.span().cmp(&other.span())
    }
}
impl PartialOrd for Interval {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Interval {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Interval {}
