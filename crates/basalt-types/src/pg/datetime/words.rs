//! The words of date and time input: months, days, zone abbreviations, units.

/// Month number of an English name or PostgreSQL's abbreviation.
pub(super) fn month(word: &str) -> Option<u32> {
    const NAMES: [(&str, u32); 12] = [
        ("january", 1),
        ("february", 2),
        ("march", 3),
        ("april", 4),
        ("may", 5),
        ("june", 6),
        ("july", 7),
        ("august", 8),
        ("september", 9),
        ("october", 10),
        ("november", 11),
        ("december", 12),
    ];
    if word == "sept" {
        return Some(9);
    }
    NAMES.iter().find(|(name, _)| *name == word || (word.len() == 3 && name.starts_with(word))).map(|(_, n)| *n)
}

/// Whether the word names a day of the week, which input ignores.
pub(super) fn is_weekday(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "sun",
        "sunday",
        "mon",
        "monday",
        "tue",
        "tues",
        "tuesday",
        "wed",
        "weds",
        "wednesday",
        "thu",
        "thur",
        "thurs",
        "thursday",
        "fri",
        "friday",
        "sat",
        "saturday",
    ];
    WORDS.contains(&word)
}

/// Offset in seconds east of UTC of a zone abbreviation.
///
/// The set is the unambiguous and common part of PostgreSQL's `timezonesets/Default`; other zones are given by name.
pub(super) fn abbreviation(word: &str) -> Option<i32> {
    const HALF_HOURS: &[(&str, i32)] = &[
        ("utc", 0),
        ("uct", 0),
        ("gmt", 0),
        ("ut", 0),
        ("z", 0),
        ("zulu", 0),
        ("wet", 0),
        ("wetdst", 2),
        ("bst", 2),
        ("bdst", 4),
        ("cet", 2),
        ("cest", 4),
        ("cetdst", 4),
        ("met", 2),
        ("mest", 4),
        ("metdst", 4),
        ("mez", 2),
        ("mesz", 4),
        ("eet", 4),
        ("eest", 6),
        ("eetdst", 6),
        ("sast", 4),
        ("idt", 6),
        ("ist", 4),
        ("msk", 6),
        ("msd", 8),
        ("eat", 6),
        ("ict", 14),
        ("pht", 16),
        ("hkt", 16),
        ("sgt", 16),
        ("awst", 16),
        ("kst", 18),
        ("jst", 18),
        ("acst", 19),
        ("acdt", 21),
        ("aest", 20),
        ("aedt", 22),
        ("nzst", 24),
        ("nzt", 24),
        ("nzdt", 26),
        ("est", -10),
        ("edt", -8),
        ("cst", -12),
        ("cdt", -10),
        ("mst", -14),
        ("mdt", -12),
        ("pst", -16),
        ("pdt", -14),
        ("akst", -18),
        ("akdt", -16),
        ("hst", -20),
        ("ast", -8),
        ("adt", -6),
        ("nst", -7),
        ("ndt", -5),
        ("nft", -7),
        ("brt", -6),
        ("brst", -4),
        ("pkt", 10),
    ];
    match word {
        "npt" => Some(20_700), // +05:45, the only quarter hour in use here
        _ => HALF_HOURS.iter().find(|(name, _)| *name == word).map(|(_, n)| n * 1800),
    }
}

/// Units of intervals, `extract` and `date_trunc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
}

impl Unit {
    /// Whether the unit is a part of a clock time.
    pub(super) fn is_time(self) -> bool {
        matches!(self, Self::Microsecond | Self::Millisecond | Self::Second | Self::Minute | Self::Hour)
    }
}

/// The unit that a word means, in singular, plural or PostgreSQL's abbreviations. Lower case.
pub(super) fn unit(word: &str) -> Option<Unit> {
    Some(match word {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" => Unit::Microsecond,
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" | "millisecon" => Unit::Millisecond,
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "mon" | "mons" | "month" | "months" => Unit::Month,
        "qtr" | "quarter" => Unit::Quarter,
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Year,
        "dec" | "decs" | "decade" | "decades" => Unit::Decade,
        "c" | "cent" | "century" | "centuries" => Unit::Century,
        "mil" | "mils" | "millennia" | "millennium" => Unit::Millennium,
        _ => return None,
    })
}
