//! Time zones: the IANA database by way of jiff, abbreviations, fixed offsets.

use super::{INFINITY, NEG_INFINITY, SECOND, check_timestamp, words};
use crate::{SqlError, SqlState, Timestamp};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// 22023 for an unknown zone.
pub(crate) fn not_recognized(name: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_PARAMETER, format!("time zone \"{name}\" not recognized"))
}

/// A zone by its IANA name (any letter case) or a POSIX rule such as `EST5EDT` or `<+03>-3`.
pub(crate) fn lookup(name: &str) -> Option<TimeZone> {
    if name.len() > 64 || !name.is_ascii() {
        return None;
    }
    if let Ok(zone) = TimeZone::get(name) {
        return Some(zone);
    }
    // A made-up name with an offset; POSIX counts westwards.
    let letters = name.bytes().take_while(u8::is_ascii_alphabetic).count();
    if let (true, Some(rest)) = (letters > 0, name.get(letters..))
        && let Some(digits) = rest.strip_prefix(['+', '-'])
        && let Some(offset) = posix_offset(digits)
    {
        let east = if rest.starts_with('-') { offset } else { -offset };
        return jiff::tz::Offset::from_seconds(east).ok().map(TimeZone::fixed);
    }
    name.bytes().any(|b| b.is_ascii_digit()).then(|| TimeZone::posix(&name.to_ascii_uppercase()).ok()).flatten()
}

/// Seconds east of UTC at a wall-clock moment (microseconds since 1970 on that clock).
///
/// In a gap the offset before it counts, in a fold the one after it, as in PostgreSQL.
pub(crate) fn offset_of_local(zone: &TimeZone, local: i64) -> i32 {
    let parts = super::TimestampParts::of(Timestamp(local));
    let small = |n: u32| i8::try_from(n).unwrap_or(0);
    let year = i16::try_from(parts.year).unwrap_or(1970);
    let civil = jiff::civil::DateTime::new(
        year,
        small(parts.month),
        small(parts.day),
        small(parts.hour),
        small(parts.minute),
        small(parts.second),
        0,
    );
    let Ok(civil) = civil else { return 0 };
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.seconds(),
        AmbiguousOffset::Gap { before, .. } => before.seconds(),
        AmbiguousOffset::Fold { after, .. } => after.seconds(),
    }
}

/// Seconds east of UTC at a moment.
pub(crate) fn offset_of_moment(zone: &TimeZone, at: Timestamp) -> i32 {
    jiff::Timestamp::from_microsecond(at.0).map_or(0, |at| zone.to_offset(at).seconds())
}

enum Zone {
    Fixed(i32),
    Named(TimeZone),
}

/// What `AT TIME ZONE` accepts: an abbreviation, an IANA name, or a POSIX offset such as `+3` (three hours **west**).
fn resolve(name: &str) -> Result<Zone, SqlError> {
    let trimmed = name.trim();
    if let Some(offset) = words::abbreviation(&trimmed.to_ascii_lowercase()) {
        return Ok(Zone::Fixed(offset));
    }
    if let Some(zone) = lookup(trimmed) {
        return Ok(Zone::Named(zone));
    }
    if let Some(digits) = trimmed.strip_prefix(['+', '-'])
        && let Some(offset) = posix_offset(digits)
    {
        return Ok(Zone::Fixed(if trimmed.starts_with('-') { offset } else { -offset }));
    }
    Err(not_recognized(name))
}

fn posix_offset(digits: &str) -> Option<i32> {
    let mut total = 0;
    let mut unit = 3600;
    for part in digits.split(':') {
        if part.len() > 2 || unit == 0 {
            return None;
        }
        total += part.parse::<i32>().ok()? * unit;
        unit /= 60;
    }
    (total <= 15 * 3600 + 3599).then_some(total)
}

/// Seconds east of UTC of a zone at a moment.
///
/// # Errors
/// 22023 for an unknown zone.
pub fn offset_s(name: &str, at: Timestamp) -> Result<i32, SqlError> {
    Ok(match resolve(name)? {
        Zone::Fixed(offset) => offset,
        Zone::Named(zone) => offset_of_moment(&zone, at),
    })
}

/// `timestamptz AT TIME ZONE name`: the wall clock there.
///
/// # Errors
/// 22023 for an unknown zone, 22008 or 0A000 when out of range.
pub fn to_time_zone(at: Timestamp, name: &str) -> Result<Timestamp, SqlError> {
    if at == INFINITY || at == NEG_INFINITY {
        return Ok(at);
    }
    check_timestamp(at.0 + i64::from(offset_s(name, at)?) * SECOND)
}

/// `timestamp AT TIME ZONE name`: the moment at which the wall clock there shows it.
///
/// # Errors
/// 22023 for an unknown zone, 22008 or 0A000 when out of range.
pub fn at_time_zone(local: Timestamp, name: &str) -> Result<Timestamp, SqlError> {
    if local == INFINITY || local == NEG_INFINITY {
        return Ok(local);
    }
    let offset = match resolve(name)? {
        Zone::Fixed(offset) => offset,
        Zone::Named(zone) => offset_of_local(&zone, local.0),
    };
    check_timestamp(local.0 - i64::from(offset) * SECOND)
}
