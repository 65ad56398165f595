//! Expected texts with placeholders for generated values.

use std::collections::BTreeMap;

/// Values captured by name so far in a file.
pub(super) type Captured = BTreeMap<String, String>;

/// Fills in captured values; other placeholders stay.
pub(super) fn fill(text: &str, captured: &Captured) -> String {
    if !text.contains("{{") {
        return text.to_owned();
    }
    let mut filled = text.to_owned();
    for (name, value) in captured {
        filled = filled.replace(&format!("{{{{{name}}}}}"), value);
    }
    filled
}

/// Whether `actual` is what `expected` describes; named values are captured when it is.
pub(super) fn matches(expected: &str, actual: &str, captured: &mut Captured) -> bool {
    let expected = fill(expected, captured);
    let mut found = Vec::new();
    let mut pattern = expected.as_str();
    let mut rest = actual;
    loop {
        let Some((start, placeholder, after)) = next_placeholder(pattern) else {
            if pattern != rest {
                return false;
            }
            captured.extend(found);
            return true;
        };
        let Some(value_onwards) = rest.strip_prefix(pattern.get(..start).unwrap_or_default()) else { return false };
        let length = match placeholder.kind {
            Kind::Any => {
                let next = next_placeholder(after).map_or(after, |(at, ..)| after.get(..at).unwrap_or_default());
                // The last text must stand at the end, any other one where it comes first.
                let found = if next.len() == after.len() { value_onwards.rfind(next) } else { value_onwards.find(next) };
                let Some(found) = found else { return false };
                found
            }
            kind => kind.length(value_onwards),
        };
        let Some(value) = value_onwards.get(..length).filter(|value| placeholder.kind.accepts(value)) else { return false };
        if let Some(name) = placeholder.name {
            found.push((name.to_owned(), value.to_owned()));
        }
        rest = value_onwards.get(length..).unwrap_or_default();
        pattern = after;
    }
}

struct Placeholder<'a> {
    kind: Kind,
    name: Option<&'a str>,
}

/// Where the next placeholder starts, what it is, and the text after it. Unknown words in braces are plain text.
fn next_placeholder(pattern: &str) -> Option<(usize, Placeholder<'_>, &str)> {
    let mut from = 0;
    loop {
        let start = from + pattern.get(from..)?.find("{{")?;
        let inner = pattern.get(start + 2..)?;
        if let Some((words, after)) = inner.split_once("}}") {
            let (kind, name) = words.split_once(" as ").map_or((words, None), |(kind, name)| (kind, Some(name)));
            if let Some(kind) = Kind::of(kind) {
                return Some((start, Placeholder { kind, name }, after));
            }
        }
        from = start + 1;
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Uuid,
    Time,
    Int,
    Jwt,
    Text,
    Any,
}

impl Kind {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "uuid" => Self::Uuid,
            "time" => Self::Time,
            "int" => Self::Int,
            "jwt" => Self::Jwt,
            "text" => Self::Text,
            "any" => Self::Any,
            _ => return None,
        })
    }

    /// How many bytes at the start belong to such a value.
    fn length(self, text: &str) -> usize {
        let belongs: fn(u8) -> bool = match self {
            Self::Uuid => |b| b.is_ascii_hexdigit() || b == b'-',
            Self::Time => |b| b.is_ascii_digit() || matches!(b, b'-' | b':' | b'.' | b'+' | b'T' | b'Z' | b' '),
            Self::Int => |b| b.is_ascii_digit() || b == b'-',
            Self::Jwt => |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'),
            Self::Text => |b| b != b'"',
            Self::Any => |_| true,
        };
        text.bytes().position(|b| !belongs(b)).unwrap_or(text.len())
    }

    fn accepts(self, value: &str) -> bool {
        match self {
            Self::Uuid => {
                let parts: Vec<usize> = value.split('-').map(str::len).collect();
                parts == [8, 4, 4, 4, 12]
            }
            Self::Time => {
                // 2026-01-01T00:00:00, then a fraction and an offset or not.
                let shape: String = value.chars().take(19).map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
                matches!(shape.as_str(), "9999-99-99T99:99:99" | "9999-99-99 99:99:99")
            }
            Self::Int => value.parse::<i64>().is_ok(),
            Self::Jwt => value.split('.').filter(|part| !part.is_empty()).count() == 3,
            Self::Text | Self::Any => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_values_match_by_kind() {
        let cases = [
            (r#"{"id":"{{uuid}}"}"#, r#"{"id":"6f2c1c2e-0b9e-4c55-8d2b-0123456789ab"}"#, true),
            (r#"{"id":"{{uuid}}"}"#, r#"{"id":"6f2c1c2e-0b9e-4c55-8d2b"}"#, false),
            (r#"{"at":"{{time}}"}"#, r#"{"at":"2026-01-01T00:00:00.123456Z"}"#, true),
            (r#"{"at":"{{time}}"}"#, r#"{"at":"2026-01-01 00:00:00+00"}"#, true),
            (r#"{"at":"{{time}}"}"#, r#"{"at":"yesterday"}"#, false),
            ("{{int}},{{int}}", "-1,22", true),
            ("{{int}}", "", false),
            ("{{jwt}}", "a.b_.c-", true),
            ("{{jwt}}", "a.b", false),
            (r#""{{text}}","x""#, r#""any, thing","x""#, true),
            ("{{other}} {{", "{{other}} {{", true),
            ("{{int}}x", "1y", false),
            ("a{{any}}b{{any}}c", "a\"b\" b c c", true),
            ("a{{any}}b{{any}}c", "a c", false),
            ("a{{any}}", "a\nb", true),
        ];
        for (expected, actual, is_match) in cases {
            assert_eq!(matches(expected, actual, &mut Captured::new()), is_match, "{expected} {actual}");
        }
    }

    #[test]
    fn a_named_value_is_the_same_from_then_on() {
        let mut captured = Captured::new();
        assert!(matches("a{{int as n}}b{{int as m}}", "a1b2", &mut captured));
        assert!(matches("{{m}}{{n}}", "21", &mut captured));
        assert!(!matches("{{m}}{{n}}", "12", &mut captured));
        assert_eq!(fill("/x?id=eq.{{n}}&y={{int}}", &captured), "/x?id=eq.1&y={{int}}");
    }

    #[test]
    fn nothing_is_captured_by_a_mismatch() {
        let mut captured = Captured::new();
        assert!(!matches("{{int as n}}!", "1?", &mut captured));
        assert!(captured.is_empty());
    }
}
