//! LIKE, SIMILAR TO, and the functions over regular expressions.

use ::regex::{Captures, Regex};
use basalt_types::pg::{self, oid};
use basalt_types::{SqlError, SqlState, TypeRef, Value};

use super::regex::{Flags, compile};
use super::text::{LONGEST_BYTES, too_long};
use super::{Call, Row, boolean};

/// Whether a text is like a pattern. Backtracks to the last `%` only, so the time is bounded by the product of the lengths.
fn is_like(call: &Call<'_>, text: &str, pattern: &str) -> Result<bool, SqlError> {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let (mut t, mut p) = (0, 0);
    // Behind the last `%`, and where in the text its match begins to be tried.
    let mut back: Option<(usize, usize)> = None;
    let mut steps = 0u32;
    while t < text.len() || p < pattern.len() {
        steps = steps.wrapping_add(1);
        if steps.is_multiple_of(65_536) {
            call.run.check_deadline()?;
        }
        let moved = match pattern.get(p) {
            Some(b'%') => {
                p += 1;
                back = Some((p, t));
                continue;
            }
            Some(b'_') if t < text.len() => Some((char_length(text, t), 1)),
            Some(b'\\') => match pattern.get(p + 1) {
                None => return Err(SqlError::new(SqlState::INVALID_ESCAPE, "LIKE pattern must not end with escape character")),
                escaped if escaped == text.get(t) => Some((1, 2)),
                _ => None,
            },
            literal if literal.is_some() && literal == text.get(t) => Some((1, 1)),
            _ => None,
        };
        match (moved, back) {
            (Some((text_by, pattern_by)), _) => {
                t += text_by;
                p += pattern_by;
            }
            (None, Some((after, from))) if from < text.len() => {
                let next = from + char_length(text, from);
                back = Some((after, next));
                (t, p) = (next, after);
            }
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Bytes of the character at `at`.
fn char_length(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        Some(0xf0..) => 4,
        Some(0xe0..) => 3,
        Some(0xc0..) => 2,
        _ => 1,
    }
}

/// The text before a pattern's first wildcard, unescaped.
fn like_prefix(pattern: &str) -> String {
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' | '_' => break,
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

/// The first text, by bytes, behind all that begin with the prefix; a blob, which is behind every text, when there is none.
fn like_end(prefix: &str) -> Value {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The next scalar value; the surrogates' gap is stepped over.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            chars.push(next);
            return Value::Text(chars.into_iter().collect());
        }
    }
    Value::Blob(vec![0xff])
}

/// A pattern with another escape character, rewritten to the backslash.
fn like_escape(call: &Call<'_>) -> Result<Value, SqlError> {
    let (pattern, escape) = (call.text(0), call.text(1));
    let mut chars = escape.chars();
    let (first, more) = (chars.next(), chars.next());
    if more.is_some() {
        return Err(SqlError::new(SqlState::INVALID_ESCAPE, "invalid escape string")
            .hint("Escape string must be empty or one character."));
    }
    let mut out = String::with_capacity(pattern.len());
    let mut all = pattern.chars();
    while let Some(c) = all.next() {
        if Some(c) == first && c != '\\' {
            out.push('\\');
            out.extend(all.next());
        } else if c == '\\' && first != Some('\\') {
            out.push_str("\\\\");
        } else {
            out.push(c);
            if c == '\\' {
                out.extend(all.next());
            }
        }
    }
    Ok(Value::Text(out))
}

/// SIMILAR TO's pattern as a regular expression.
fn similar_to_escape(call: &Call<'_>) -> Result<Value, SqlError> {
    let pattern = call.text(0);
    let escape = if call.len() > 1 { call.text(1).chars().next() } else { Some('\\') };
    let mut out = String::from("^(?:");
    let mut in_bracket = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            c if Some(c) == escape => {
                out.push('\\');
                out.extend(chars.next());
            }
            ']' if in_bracket => {
                in_bracket = false;
                out.push(c);
            }
            c if in_bracket => out.push(c),
            '[' => {
                in_bracket = true;
                out.push(c);
            }
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '(' => out.push_str("(?:"),
            '\\' | '.' | '^' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push_str(")$");
    Ok(Value::Text(out))
}

fn flags(call: &Call<'_>, at: usize) -> Result<Flags, SqlError> {
    if call.len() > at { Flags::read(call.text(at)) } else { Ok(Flags::default()) }
}

fn regex_match(call: &Call<'_>, ignores_case: bool) -> Result<Value, SqlError> {
    let flags = Flags { ignores_case, ..Flags::default() };
    Ok(boolean(compile(call.text(1), flags)?.is_match(call.text(0))))
}

/// Whether a text is a regular expression, or the text of an array of them.
///
/// # Errors
/// 2201B.
pub(crate) fn check_pattern(text: &str, is_array: bool) -> Result<(), SqlError> {
    if !is_array {
        return compile(text, Flags::default()).map(drop);
    }
    let Value::Text(stored) = pg::input(text, TypeRef::of(oid::TEXT_ARRAY))? else { return Ok(()) };
    pg::array_values(&stored, oid::TEXT)?.iter().try_for_each(|element| match element {
        Value::Text(text) => compile(text, Flags::default()).map(drop),
        _ => Ok(()),
    })
}

/// The first group that is in the expression, else the whole match.
fn regex_substring(call: &Call<'_>) -> Result<Value, SqlError> {
    let regex = compile(call.text(1), Flags::default())?;
    let Some(found) = regex.captures(call.text(0)) else { return Ok(Value::Null) };
    let at = usize::from(found.len() > 1);
    Ok(found.get(at).map_or(Value::Null, |m| Value::from(m.as_str())))
}

fn groups(found: &Captures<'_>) -> Vec<Value> {
    let first = usize::from(found.len() > 1);
    (first..found.len()).map(|i| found.get(i).map_or(Value::Null, |m| Value::from(m.as_str()))).collect()
}

fn regexp_match(call: &Call<'_>) -> Result<Value, SqlError> {
    let flags = flags(call, 2)?;
    if flags.is_global {
        return Err(SqlError::new(SqlState::INVALID_PARAMETER, "regexp_match() does not support the \"global\" option")
            .hint("Use the regexp_matches function instead."));
    }
    let regex = compile(call.text(1), flags)?;
    Ok(match regex.captures(call.text(0)) {
        Some(found) => Value::Text(pg::array_from_values(groups(&found), oid::TEXT)),
        None => Value::Null,
    })
}

/// A JSON array of arrays, one a match.
fn regexp_matches(call: &Call<'_>) -> Result<Value, SqlError> {
    let flags = flags(call, 2)?;
    let regex = compile(call.text(1), flags)?;
    let most = if flags.is_global { usize::MAX } else { 1 };
    let rows =
        regex.captures_iter(call.text(0)).take(most).map(|found| Value::Text(pg::array_from_values(groups(&found), oid::TEXT)));
    // Each element is itself an array's storage form, a text.
    Ok(Value::Text(pg::array_from_values(rows, oid::TEXT)))
}

fn regexp_replace(call: &Call<'_>) -> Result<Value, SqlError> {
    let flags = flags(call, 3)?;
    let regex = compile(call.text(1), flags)?;
    let (text, replacement) = (call.text(0), call.text(2));
    let mut out = String::with_capacity(text.len());
    let mut last = 0;
    let most = if flags.is_global { usize::MAX } else { 1 };
    for found in regex.captures_iter(text).take(most) {
        let Some(whole) = found.get(0) else { continue };
        out.push_str(text.get(last..whole.start()).unwrap_or(""));
        expand(replacement, &found, &mut out);
        last = whole.end();
        if out.len() > LONGEST_BYTES {
            return Err(too_long());
        }
    }
    out.push_str(text.get(last..).unwrap_or(""));
    Ok(Value::Text(out))
}

/// `\1` to `\9`, `\&` and `\\` in a replacement.
fn expand(replacement: &str, found: &Captures<'_>, out: &mut String) {
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.peek().copied() {
            Some('&') => {
                chars.next();
                out.push_str(found.get(0).map_or("", |m| m.as_str()));
            }
            Some(d @ '1'..='9') => {
                chars.next();
                let group = d.to_digit(10).and_then(|d| usize::try_from(d).ok()).unwrap_or(0);
                out.push_str(found.get(group).map_or("", |m| m.as_str()));
            }
            Some('\\') => {
                chars.next();
                out.push('\\');
            }
            _ => out.push('\\'),
        }
    }
}

/// Pieces between matches; an empty match at the beginning or end of the text, or right behind another match, does not split.
fn pieces<'t>(regex: &Regex, text: &'t str) -> Vec<&'t str> {
    let mut out = Vec::new();
    let mut last = 0;
    for found in regex.find_iter(text) {
        if found.is_empty() && (found.start() == last || found.start() >= text.len()) {
            continue;
        }
        out.push(text.get(last..found.start()).unwrap_or(""));
        last = found.end();
    }
    out.push(text.get(last..).unwrap_or(""));
    out
}

fn regexp_split(call: &Call<'_>) -> Result<Value, SqlError> {
    let regex = compile(call.text(1), flags(call, 2)?)?;
    Ok(Value::Text(pg::array_from_values(pieces(&regex, call.text(0)).into_iter().map(Value::from), oid::TEXT)))
}

pub(super) const TABLE: &[Row] = &[
    ("like", |c| Ok(boolean(is_like(c, c.text(0), c.text(1))?))),
    ("ilike", |c| Ok(boolean(is_like(c, &c.text(0).to_lowercase(), &c.text(1).to_lowercase())?))),
    ("like_escape", like_escape),
    ("like_from", |c| Ok(Value::Text(like_prefix(c.text(0))))),
    ("like_to", |c| Ok(like_end(&like_prefix(c.text(0))))),
    ("similar_to_escape", similar_to_escape),
    ("regex_match", |c| regex_match(c, false)),
    ("regex_imatch", |c| regex_match(c, true)),
    ("regex_substring", regex_substring),
    ("regexp_match", regexp_match),
    ("regexp_matches", regexp_matches),
    ("regexp_replace", regexp_replace),
    ("regexp_split_to_array", regexp_split),
    ("regexp_split_to_table", regexp_split),
    ("regexp_count", |c| {
        Ok(Value::Int(i64::try_from(compile(c.text(1), Flags::default())?.find_iter(c.text(0)).count()).unwrap_or(i64::MAX)))
    }),
    ("regexp_like", |c| Ok(boolean(compile(c.text(1), flags(c, 2)?)?.is_match(c.text(0))))),
    ("regexp_substr", |c| {
        let found = compile(c.text(1), Flags::default())?.find(c.text(0)).map(|m| m.as_str().to_owned());
        Ok(found.map_or(Value::Null, Value::Text))
    }),
];
