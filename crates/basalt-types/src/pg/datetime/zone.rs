//! Time zones: the IANA database by way of jiff, abbreviations, fixed offsets.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;

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

thread_local! {
    static SESSION: RefCell<Option<TimeZone>> = const { RefCell::new(None) };
    static HAS_SESSION: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, moments with a zone are printed and read in this time zone on this thread, instead of in UTC: what
/// `SET timezone` does. What is stored stays in UTC; casts to types without a zone do too.
#[derive(Debug)]
pub struct SessionZone(PhantomData<*const ()>);

impl SessionZone {
    /// Begins.
    ///
    /// # Errors
    /// 22023 `invalid value for parameter "TimeZone": "…"` for what is no zone, no POSIX rule and no number of hours.
    pub fn enter(name: &str) -> Result<Self, SqlError> {
        // Hours count eastwards here, unlike those of a POSIX rule.
        let hours = name.trim().parse::<f64>().ok().filter(|hours| hours.abs() < 168.0);
        #[allow(clippy::cast_possible_truncation)] // bounded above
        let fixed = hours.map(|hours| jiff::tz::Offset::from_seconds((hours * 3600.0) as i32));
        let zone = match fixed {
            Some(offset) => offset.ok().map(TimeZone::fixed),
            None => lookup(name),
        };
        let refused =
            || SqlError::new(SqlState::INVALID_PARAMETER, format!("invalid value for parameter \"TimeZone\": \"{name}\""));
        let zone = zone.ok_or_else(refused)?;
        SESSION.set(Some(zone));
        HAS_SESSION.set(true);
        Ok(Self(PhantomData))
    }
}

impl Drop for SessionZone {
    fn drop(&mut self) {
        HAS_SESSION.set(false);
        SESSION.set(None);
    }
}

/// Whether a [`SessionZone`] lives on this thread.
pub(crate) fn has_session() -> bool {
    HAS_SESSION.get()
}

/// A stored timestamptz on the wall clock of the thread's [`SessionZone`], with that clock's offset from UTC in seconds. Nothing
/// without one, and for infinities.
pub(crate) fn in_session(stored: &str) -> Option<(Timestamp, i32)> {
    let at = super::timestamp_from_stored(stored).filter(|at| *at != INFINITY && *at != NEG_INFINITY)?;
    SESSION.with_borrow(|zone| {
        let offset = offset_of_moment(zone.as_ref()?, at);
        Some((Timestamp(at.0.checked_add(i64::from(offset) * SECOND)?), offset))
    })
}

/// Seconds east of UTC at a wall-clock moment in the thread's [`SessionZone`]; 0 without one.
pub(crate) fn session_offset_of_local(local: i64) -> i32 {
    if !has_session() {
        return 0;
    }
    SESSION.with_borrow(|zone| zone.as_ref().map_or(0, |zone| offset_of_local(zone, local)))
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
