//! `to_char`, `to_date` and `to_timestamp` with templates.
//!
//! Source: PostgreSQL's documentation, "Data Type Formatting Functions". Patterns that are not here are 0A000 by name, not guessed.

use basalt_types::pg::{Interval, Numeric, datetime, oid};
use basalt_types::{SqlError, SqlState, Timestamp, Value};

use super::arithmetic::numeric;
use super::datetime::{moment, parts, stored};
use super::{Call, Row, refuse};

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Template patterns, longer ones before their beginnings.
const PATTERNS: &[&str] = &[
    "HH24", "HH12", "HH", "MI", "SSSSS", "SSSS", "SS", "MS", "US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "AM", "PM", "A.M.",
    "P.M.", "Y,YYY", "YYYY", "YYY", "YY", "Y", "IYYY", "IYY", "IY", "MONTH", "MON", "MM", "DAY", "DDD", "DY", "DD", "D", "IDDD",
    "ID", "IW", "WW", "W", "CC", "J", "Q", "TZH", "TZM", "TZ", "OF",
];

enum Piece {
    /// A pattern as written, FM, TH suffix.
    Field {
        written: String,
        name: &'static str,
        fill: bool,
        ordinal: Option<bool>,
    },
    Text(String),
}

fn template(text: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut literal = String::new();
    while let Some(first) = rest.chars().next() {
        if let Some(inner) = rest.strip_prefix('"') {
            let end = inner.find('"').unwrap_or(inner.len());
            literal.push_str(inner.get(..end).unwrap_or(""));
            rest = inner.get(end + 1..).unwrap_or("");
            continue;
        }
        let (fill, after) = match rest.get(..2) {
            Some(mark) if mark.eq_ignore_ascii_case("FM") => (false, rest.get(2..).unwrap_or("")),
            _ => (true, rest),
        };
        let found =
            PATTERNS.iter().filter(|p| after.get(..p.len()).is_some_and(|t| t.eq_ignore_ascii_case(p))).max_by_key(|p| p.len());
        match found {
            Some(name) => {
                if !literal.is_empty() {
                    out.push(Piece::Text(std::mem::take(&mut literal)));
                }
                let (written, tail) = after.split_at(name.len());
                let ordinal = tail.get(..2).filter(|t| t.eq_ignore_ascii_case("TH")).map(|t| t == "TH");
                rest = if ordinal.is_some() { tail.get(2..).unwrap_or("") } else { tail };
                out.push(Piece::Field { written: written.to_owned(), name, fill, ordinal });
            }
            None => {
                literal.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or("");
            }
        }
    }
    if !literal.is_empty() {
        out.push(Piece::Text(literal));
    }
    out
}

fn number(n: i64, width: usize, fill: bool) -> String {
    if fill { format!("{n:0width$}") } else { n.to_string() }
}

fn th(n: i64, upper: bool) -> &'static str {
    let word = match (n % 100, n % 10) {
        (11..=13, _) => ["th", "TH"],
        (_, 1) => ["st", "ST"],
        (_, 2) => ["nd", "ND"],
        (_, 3) => ["rd", "RD"],
        _ => ["th", "TH"],
    };
    word[usize::from(upper)]
}

/// A name in the case its pattern is written in, padded to nine characters unless FM.
fn name(word: &str, written: &str, width: usize, fill: bool) -> String {
    let cased = if written.chars().all(|c| c.is_ascii_uppercase()) {
        word.to_uppercase()
    } else if written.chars().next().is_some_and(|c| c.is_ascii_uppercase()) {
        word.to_owned()
    } else {
        word.to_lowercase()
    };
    if fill { format!("{cased:width$}") } else { cased }
}

/// What a field of a template needs of a moment or an interval.
struct Moment {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    /// Days since 1970; none for intervals.
    days: Option<i64>,
    zoned: bool,
}

impl Moment {
    fn of(at: Timestamp, zoned: bool) -> Self {
        let p = parts(at);
        Self {
            year: i64::from(p.year),
            month: i64::from(p.month),
            day: i64::from(p.day),
            hour: i64::from(p.hour),
            minute: i64::from(p.minute),
            second: i64::from(p.second),
            micros: i64::from(p.micros),
            days: Some(at.0.div_euclid(86_400_000_000)),
            zoned,
        }
    }

    fn of_interval(value: Interval) -> Self {
        let months = i64::from(value.months);
        let seconds = value.micros / 1_000_000;
        Self {
            year: months / 12,
            month: months % 12,
            day: i64::from(value.days),
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            micros: value.micros % 1_000_000,
            days: None,
            zoned: false,
        }
    }

    fn day_of_year(&self) -> i64 {
        let first = datetime::days_from_civil(i32::try_from(self.year).unwrap_or(1), 1, 1);
        self.days.map_or(self.day, |days| days - first + 1)
    }

    /// 0 is Sunday.
    fn week_day(&self) -> i64 {
        (self.days.unwrap_or(0) + 4).rem_euclid(7)
    }

    /// ISO year and week.
    fn iso(&self) -> (i64, i64) {
        let days = self.days.unwrap_or(0);
        let thursday = days - (days + 3).rem_euclid(7) + 3;
        let (year, _, _) = datetime::civil_from_days(thursday);
        (i64::from(year), (thursday - datetime::days_from_civil(year, 1, 1)) / 7 + 1)
    }

    fn show(&self, name_of: &str, written: &str, fill: bool) -> Result<(String, Option<i64>), SqlError> {
        let n = |n: i64, width: usize| Ok((number(n, width, fill), Some(n)));
        let hour12 = if self.hour % 12 == 0 { 12 } else { self.hour % 12 };
        let month = usize::try_from(self.month - 1).ok().and_then(|m| MONTHS.get(m)).copied();
        let week_day = usize::try_from(self.week_day()).ok().and_then(|d| DAYS.get(d)).copied().unwrap_or("");
        let half = |am: &str, pm: &str| {
            let word = if self.hour % 24 < 12 { am } else { pm };
            let is_upper = written.chars().next().is_some_and(|c| c.is_ascii_uppercase());
            Ok((if is_upper { word.to_owned() } else { word.to_lowercase() }, None))
        };
        match name_of {
            "HH24" => n(self.hour, 2),
            "HH12" | "HH" => n(hour12, 2),
            "MI" => n(self.minute, 2),
            "SS" => n(self.second, 2),
            "SSSS" | "SSSSS" => n(self.hour * 3600 + self.minute * 60 + self.second, 0),
            "MS" | "FF3" => n(self.micros / 1000, 3),
            "US" | "FF6" => n(self.micros, 6),
            "FF1" => n(self.micros / 100_000, 1),
            "FF2" => n(self.micros / 10_000, 2),
            "FF4" => n(self.micros / 100, 4),
            "FF5" => n(self.micros / 10, 5),
            "AM" | "PM" => half("AM", "PM"),
            "A.M." | "P.M." => half("A.M.", "P.M."),
            "YYYY" => n(self.year, 4),
            "YYY" => n(self.year % 1000, 3),
            "YY" => n(self.year % 100, 2),
            "Y" => n(self.year % 10, 1),
            "Y,YYY" => Ok((format!("{},{:03}", self.year / 1000, self.year % 1000), Some(self.year))),
            "IYYY" => n(self.iso().0, 4),
            "IYY" => n(self.iso().0 % 1000, 3),
            "IY" => n(self.iso().0 % 100, 2),
            "MONTH" => Ok((month.map_or(String::new(), |m| name(m, written, 9, fill)), None)),
            "MON" => Ok((month.map_or(String::new(), |m| name(m.get(..3).unwrap_or(m), written, 3, fill)), None)),
            "MM" => n(self.month, 2),
            "DAY" => Ok((name(week_day, written, 9, fill), None)),
            "DY" => Ok((name(week_day.get(..3).unwrap_or(""), written, 3, fill), None)),
            "DDD" => n(self.day_of_year(), 3),
            "DD" => n(self.day, 2),
            "D" => n(self.week_day() + 1, 1),
            "ID" => n((self.week_day() + 6) % 7 + 1, 1),
            "IDDD" => n((self.iso().1 - 1) * 7 + (self.week_day() + 6) % 7 + 1, 3),
            "IW" => n(self.iso().1, 2),
            "WW" => n((self.day_of_year() - 1) / 7 + 1, 2),
            "W" => n((self.day - 1) / 7 + 1, 1),
            "CC" => n((self.year + 99) / 100, 2),
            "J" => n(self.days.unwrap_or(0) + 2_440_588, 0),
            "Q" => n((self.month + 2) / 3, 1),
            "TZ" if self.zoned => Ok((if written == "tz" { "utc" } else { "UTC" }.to_owned(), None)),
            "OF" | "TZH" if self.zoned => Ok(("+00".to_owned(), None)),
            "TZM" if self.zoned => Ok(("00".to_owned(), None)),
            "TZ" => Ok((String::new(), None)),
            "OF" | "TZH" => Ok(("+00".to_owned(), None)),
            "TZM" => Ok(("00".to_owned(), None)),
            other => Err(SqlError::unsupported(format!("the template pattern {other}"))),
        }
    }
}

fn date_text(at: &Moment, pattern: &str) -> Result<String, SqlError> {
    let mut out = String::new();
    for piece in template(pattern) {
        match piece {
            Piece::Text(text) => out.push_str(&text),
            Piece::Field { written, name, fill, ordinal } => {
                let (text, value) = at.show(name, &written, fill)?;
                out.push_str(&text);
                if let (Some(upper), Some(value)) = (ordinal, value) {
                    out.push_str(th(value, upper));
                }
            }
        }
    }
    Ok(out)
}

/// Numbers: 9, 0, `.`/D, `,`/G, FM, S, MI, PL, SG, PR, literals.
fn number_text(value: &Numeric, pattern: &str) -> Result<String, SqlError> {
    let upper = pattern.to_uppercase();
    if ["EEEE", "RN", "TH", "V", "L"].iter().any(|p| upper.contains(p)) {
        return Err(SqlError::unsupported(format!("the number template {pattern}")));
    }
    let fill = !upper.contains("FM");
    let body = upper.replace("FM", "");
    let has = |mark: &str| body.contains(mark);
    let digits: Vec<char> = body.chars().filter(|c| matches!(c, '9' | '0' | '.' | 'D' | ',' | 'G')).collect();
    let point = digits.iter().position(|c| matches!(c, '.' | 'D'));
    let (whole, fraction) = digits.split_at(point.unwrap_or(digits.len()));
    let places = fraction.iter().filter(|c| matches!(c, '9' | '0')).count();
    let rounded = value.abs().round(i32::try_from(places).unwrap_or(0)).to_string();
    let (shown_whole, shown_fraction) = rounded.split_once('.').unwrap_or((&rounded, ""));
    let shown_whole = shown_whole.trim_start_matches('0');
    let slots = whole.iter().filter(|c| matches!(c, '9' | '0')).count();
    let first_zero = whole.iter().filter(|c| matches!(c, '9' | '0')).position(|c| *c == '0');
    let is_negative = value.signum() < 0;
    let mut out = String::new();
    if shown_whole.len() > slots {
        // It does not fit: every place shows a hash.
        out.extend(digits.iter().map(|c| {
            if matches!(c, '9' | '0') {
                '#'
            } else if matches!(c, 'D') {
                '.'
            } else if *c == 'G' {
                ','
            } else {
                *c
            }
        }));
    } else {
        let mut slot = 0;
        let missing = slots - shown_whole.len();
        let mut is_started = false;
        for c in whole {
            match c {
                '9' | '0' => {
                    if slot >= missing {
                        out.push(shown_whole.chars().nth(slot - missing).unwrap_or('0'));
                        is_started = true;
                    } else if first_zero.is_some_and(|z| slot >= z) {
                        out.push('0');
                        is_started = true;
                    } else if fill {
                        out.push(' ');
                    }
                    slot += 1;
                }
                _ if is_started => out.push(','),
                _ if fill => out.push(' '),
                _ => {}
            }
        }
        if point.is_some() {
            out.push('.');
            let mut fraction_text: String = shown_fraction.to_owned();
            if !fill {
                // FM drops zeros that come from a 9.
                let slots = fraction.iter().filter(|c| matches!(c, '9' | '0')).zip(1..);
                let last_zero = slots.filter(|(c, _)| **c == '0').map(|(_, at)| at).last().unwrap_or(0);
                while fraction_text.len() > last_zero && fraction_text.ends_with('0') {
                    fraction_text.pop();
                }
            }
            out.push_str(&fraction_text);
        } else if shown_whole.is_empty() && first_zero.is_none() && slots > 0 {
            // A plain zero shows in the last place.
            if fill {
                out.pop();
            }
            out.push('0');
        }
    }
    let sign = if is_negative { "-" } else { "" };
    let lead = out.chars().take_while(|c| *c == ' ').count();
    Ok(if has("PR") {
        let core = out.trim_start().to_owned();
        if is_negative {
            format!("{}<{core}>", " ".repeat(lead))
        } else if fill {
            format!(" {out} ")
        } else {
            core
        }
    } else if has("MI") {
        let mark = if is_negative {
            "-"
        } else if fill {
            " "
        } else {
            ""
        };
        if body.starts_with("MI") { format!("{mark}{out}") } else { format!("{out}{mark}") }
    } else if has("SG") || has("PL") || body.starts_with('S') || body.ends_with('S') {
        let mark = if is_negative { "-" } else { "+" };
        if body.ends_with('S') { format!("{out}{mark}") } else { format!("{}{mark}{}", " ".repeat(lead), out.trim_start()) }
    } else if fill {
        let padding = if is_negative { String::new() } else { " ".to_owned() };
        format!("{padding}{}{sign}{}", " ".repeat(lead), out.trim_start())
    } else {
        format!("{sign}{out}")
    })
}

fn to_char(call: &Call<'_>) -> Result<Value, SqlError> {
    let pattern = call.text(1);
    Ok(Value::Text(match call.ty(0) {
        ty @ (oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::DATE) => {
            if call.text(0).ends_with("infinity") {
                return Ok(Value::Null);
            }
            date_text(&Moment::of(moment(call.text(0))?, ty == oid::TIMESTAMPTZ), pattern)?
        }
        oid::INTERVAL => date_text(&Moment::of_interval(Interval::parse(call.text(0))?), pattern)?,
        _ => number_text(&numeric(call.arg(0))?, pattern)?,
    }))
}

/// Reads a text by a template.
fn read(text: &str, pattern: &str) -> Result<Timestamp, SqlError> {
    let mut at = Moment { year: 1, month: 1, day: 1, hour: 0, minute: 0, second: 0, micros: 0, days: None, zoned: false };
    let mut rest = text.trim_start();
    let mut is_afternoon = None;
    let mut day_of_year = None;
    for piece in template(pattern) {
        let (name, fill) = match piece {
            Piece::Text(literal) => {
                // Separators match separators; spaces may be more.
                for c in literal.chars() {
                    rest = match rest.chars().next() {
                        Some(found) if found == c || (!c.is_alphanumeric() && !found.is_alphanumeric()) => {
                            rest.get(found.len_utf8()..).unwrap_or("")
                        }
                        Some(found) if c.is_alphanumeric() => rest.get(found.len_utf8()..).unwrap_or(""),
                        _ => rest,
                    };
                }
                continue;
            }
            Piece::Field { name, fill, .. } => (name, fill),
        };
        rest = rest.trim_start();
        let wrong = || {
            SqlError::new(
                SqlState::INVALID_DATETIME,
                format!("invalid value \"{}\" for \"{name}\"", rest.chars().take(name.len()).collect::<String>()),
            )
        };
        let most = match name {
            "YYYY" | "IYYY" => 4,
            "YYY" | "DDD" | "MS" | "FF3" => 3,
            "US" | "FF6" => 6,
            "Y" | "D" | "Q" => 1,
            _ => 2,
        };
        match name {
            "MONTH" | "MON" => {
                let found = MONTHS.iter().position(|m| {
                    let short = m.get(..3).unwrap_or(m);
                    let wanted = if name == "MON" { short } else { m };
                    rest.get(..wanted.len()).is_some_and(|t| t.eq_ignore_ascii_case(wanted))
                });
                let index = found.ok_or_else(wrong)?;
                at.month = i64::try_from(index).unwrap_or(0) + 1;
                let length = if name == "MON" { 3 } else { MONTHS.get(index).map_or(0, |m| m.len()) };
                rest = rest.get(length..).unwrap_or("");
            }
            "DAY" | "DY" => rest = rest.trim_start_matches(|c: char| c.is_alphabetic()),
            "AM" | "PM" | "A.M." | "P.M." => {
                is_afternoon = Some(rest.get(..1).is_some_and(|c| c.eq_ignore_ascii_case("p")));
                rest = rest.get(name.len()..).unwrap_or("");
            }
            "YYYY" | "YYY" | "YY" | "Y" | "MM" | "DD" | "DDD" | "HH24" | "HH12" | "HH" | "MI" | "SS" | "MS" | "US" | "FF3"
            | "FF6" => {
                let limit = if fill || !name.starts_with('Y') { most } else { 9 };
                let digits: String = rest.chars().take(limit).take_while(char::is_ascii_digit).collect();
                let n: i64 = digits.parse().map_err(|_| wrong())?;
                rest = rest.get(digits.len()..).unwrap_or("");
                let scaled = |places: usize| n * 10i64.pow(u32::try_from(places.saturating_sub(digits.len())).unwrap_or(0));
                match name {
                    "YYYY" => at.year = n,
                    "YYY" | "YY" | "Y" => {
                        at.year = if digits.len() <= 2 { if n < 70 { 2000 + n } else { 1900 + n } } else { 2000 + n }
                    }
                    "MM" => at.month = n,
                    "DD" => at.day = n,
                    "DDD" => day_of_year = Some(n),
                    "HH24" | "HH12" | "HH" => at.hour = n,
                    "MI" => at.minute = n,
                    "SS" => at.second = n,
                    "MS" | "FF3" => at.micros = scaled(3) * 1000,
                    _ => at.micros = scaled(6),
                }
            }
            other => return Err(SqlError::unsupported(format!("the template pattern {other} in to_date or to_timestamp"))),
        }
    }
    if let Some(afternoon) = is_afternoon {
        at.hour = at.hour % 12 + if afternoon { 12 } else { 0 };
    }
    let out_of_range = || SqlError::new(SqlState::DATETIME_OVERFLOW, format!("date/time field value out of range: \"{text}\""));
    let year = i32::try_from(at.year).ok().filter(|y| (1..=9999).contains(y)).ok_or_else(out_of_range)?;
    let days = match day_of_year {
        Some(n @ 1..=366) => datetime::days_from_civil(year, 1, 1) + n - 1,
        Some(_) => return Err(out_of_range()),
        None => {
            let (month, day) = (u32::try_from(at.month).unwrap_or(0), u32::try_from(at.day).unwrap_or(0));
            if !(1..=12).contains(&month) || day < 1 || day > datetime::days_in_month(year, month) {
                return Err(out_of_range());
            }
            datetime::days_from_civil(year, month, day)
        }
    };
    if at.hour > 23 || at.minute > 59 || at.second > 59 {
        return Err(out_of_range());
    }
    let seconds = days * 86_400 + at.hour * 3600 + at.minute * 60 + at.second;
    Ok(Timestamp(seconds * 1_000_000 + at.micros))
}

fn to_date(call: &Call<'_>) -> Result<Value, SqlError> {
    let at = read(call.text(0), call.text(1))?;
    let mut out = String::new();
    datetime::write_date(at.0.div_euclid(86_400_000_000), &mut out);
    Ok(Value::Text(out))
}

fn to_timestamp(call: &Call<'_>) -> Result<Value, SqlError> {
    Ok(stored(read(call.text(0), call.text(1))?, true))
}

/// `normalize(text, form)`: ASCII is its own normal form in all four; other text needs the extension that is not here.
fn normalize(call: &Call<'_>) -> Result<Value, SqlError> {
    if call.text(0).is_ascii() {
        return Ok(Value::from(call.text(0)));
    }
    refuse(SqlState::FEATURE_NOT_SUPPORTED, "normalize() of text beyond ASCII is not supported on SQLite")
}

pub(super) const TABLE: &[Row] =
    &[("to_char", to_char), ("to_date", to_date), ("to_timestamp_text", to_timestamp), ("normalize", normalize)];
