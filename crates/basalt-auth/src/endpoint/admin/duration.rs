//! Go's durations: `24h`, `1h30m`, `-1.5h`, `300ms`.

/// Reads a duration, microseconds.
///
/// # Errors
/// The original's text.
pub(super) fn parse_us(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (is_negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total_ns = 0f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let number: f64 = match number.parse() {
            Ok(number) if number != f64::INFINITY => number,
            _ => return Err(invalid()),
        };
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, next) = tail.split_at(end);
        let ns = match unit {
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            "ns" => 1.0,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            other => return Err(format!("time: unknown unit {other:?} in duration {text:?}")),
        };
        total_ns += number * ns;
        rest = next;
    }
    // Go counts nanoseconds in 63 bits: about 292 years.
    if total_ns >= 9_223_372_036_854_775_807.0 {
        return Err(invalid());
    }
    #[allow(clippy::cast_possible_truncation)] // bounded above
    let us = (total_ns / 1e3) as i64;
    Ok(if is_negative { -us } else { us })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_go_reads_them() {
        let hour = 3_600_000_000;
        for (text, us) in [
            ("24h", 24 * hour),
            ("1h30m", hour * 3 / 2),
            ("-1.5h", -hour * 3 / 2),
            ("300ms", 300_000),
            ("0", 0),
            ("1s1ns", 1_000_000),
            ("876000h", 876_000 * hour),
        ] {
            assert_eq!(parse_us(text), Ok(us), "{text}");
        }
        for (text, error) in [
            ("", "time: invalid duration \"\""),
            ("x", "time: invalid duration \"x\""),
            ("10", "time: missing unit in duration \"10\""),
            ("1d", "time: unknown unit \"d\" in duration \"1d\""),
            ("h", "time: invalid duration \"h\""),
            ("1.2.3s", "time: invalid duration \"1.2.3s\""),
            ("99999999999h", "time: invalid duration \"99999999999h\""),
            ("-", "time: invalid duration \"-\""),
        ] {
            assert_eq!(parse_us(text), Err(error.to_owned()), "{text}");
        }
    }
}
