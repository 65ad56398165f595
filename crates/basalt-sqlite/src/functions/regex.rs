//! PostgreSQL's regular expressions on an engine of linear time.
//!
//! Advanced regular expressions are rewritten to the `regex` crate's syntax. What it cannot do in linear time (back references,
//! look-around) is 0A000 by name. One difference is documented: among alternatives PostgreSQL takes the longest match, this engine the
//! first; whether a text matches at all is the same.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use ::regex::{Regex, RegexBuilder};
use basalt_types::{SqlError, SqlState};

/// Memory a compiled expression may take, bytes.
const COMPILED_BYTES: usize = 4 << 20;

/// Longest pattern, bytes.
const PATTERN_BYTES: usize = 32 << 10;

/// Compiled expressions kept per thread.
const KEPT: usize = 64;

/// What the flags argument says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Flags {
    pub(super) is_global: bool,
    pub(super) ignores_case: bool,
    /// `.` and negated sets stop at newlines.
    pub(super) dot_stops: bool,
    /// `^` and `$` match at lines.
    pub(super) by_line: bool,
    pub(super) is_expanded: bool,
    pub(super) is_literal: bool,
}

impl Flags {
    /// Reads a flags text.
    pub(super) fn read(text: &str) -> Result<Self, SqlError> {
        let mut flags = Self::default();
        for c in text.chars() {
            match c {
                'g' => flags.is_global = true,
                'i' => flags.ignores_case = true,
                'c' => flags.ignores_case = false,
                'n' | 'm' => (flags.dot_stops, flags.by_line) = (true, true),
                'p' => flags.dot_stops = true,
                'w' => flags.by_line = true,
                's' => (flags.dot_stops, flags.by_line) = (false, false),
                'x' => flags.is_expanded = true,
                't' => flags.is_expanded = false,
                'q' => flags.is_literal = true,
                'e' | 'b' => {}
                other => {
                    return Err(SqlError::new(
                        SqlState::INVALID_PARAMETER,
                        format!("invalid regular expression option: \"{other}\""),
                    ));
                }
            }
        }
        Ok(flags)
    }
}

thread_local! {
    static COMPILED: RefCell<HashMap<(String, Flags), Arc<Regex>>> = RefCell::new(HashMap::new());
}

/// A compiled expression, from the thread's own store when it was used lately.
pub(super) fn compile(pattern: &str, flags: Flags) -> Result<Arc<Regex>, SqlError> {
    let flags = Flags { is_global: false, ..flags };
    let key = (pattern.to_owned(), flags);
    if let Some(found) = COMPILED.with_borrow(|all| all.get(&key).cloned()) {
        return Ok(found);
    }
    if pattern.len() > PATTERN_BYTES {
        return Err(invalid("regular expression is too complex"));
    }
    let rewritten = if flags.is_literal { ::regex::escape(pattern) } else { rewrite(pattern, flags.dot_stops)? };
    let regex = RegexBuilder::new(&rewritten)
        .case_insensitive(flags.ignores_case)
        .dot_matches_new_line(!flags.dot_stops)
        .multi_line(flags.by_line)
        .ignore_whitespace(flags.is_expanded)
        .size_limit(COMPILED_BYTES)
        .dfa_size_limit(COMPILED_BYTES)
        .build()
        .map_err(|error| match error {
            ::regex::Error::CompiledTooBig(_) => invalid("regular expression is too complex"),
            other => invalid(reason(&other.to_string())),
        })?;
    let regex = Arc::new(regex);
    COMPILED.with_borrow_mut(|all| {
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(key, Arc::clone(&regex));
    });
    Ok(regex)
}

fn invalid(reason: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_REGEX, format!("invalid regular expression: {reason}"))
}

/// PostgreSQL's words for the other engine's.
fn reason(text: &str) -> &'static str {
    if text.contains("unclosed group") || text.contains("unopened group") {
        "parentheses () not balanced"
    } else if text.contains("unclosed character class") {
        "brackets [] not balanced"
    } else if text.contains("repetition operator missing expression") {
        "quantifier operand invalid"
    } else if text.contains("repetition") {
        "invalid repetition count(s)"
    } else if text.contains("character class range") {
        "invalid character range"
    } else if text.contains("escape") || text.contains("incomplete") {
        "invalid escape \\ sequence"
    } else {
        "invalid expression"
    }
}

fn rewrite(pattern: &str, dot_stops: bool) -> Result<String, SqlError> {
    let mut out = String::with_capacity(pattern.len() + 8);
    // Directors: `***=` makes the rest literal, `***:` says it is an advanced expression.
    if let Some(literal) = pattern.strip_prefix("***=") {
        return Ok(::regex::escape(literal));
    }
    let pattern = pattern.strip_prefix("***:").unwrap_or(pattern);
    let mut chars = pattern.chars().peekable();
    if let Some(options) = pattern.strip_prefix("(?").and_then(|rest| rest.split_once(')')).map(|(options, _)| options)
        && !options.is_empty()
        && options.chars().all(|c| c.is_ascii_lowercase())
    {
        // Embedded options at the beginning; those that change nothing here are left out.
        let known: String = options
            .chars()
            .filter_map(|c| match c {
                'i' => Some('i'),
                'n' | 'm' | 'w' => Some('m'),
                'x' => Some('x'),
                _ => None,
            })
            .collect();
        if !known.is_empty() {
            out.push_str("(?");
            out.push_str(&known);
            out.push(')');
        }
        for _ in 0..options.len() + 3 {
            chars.next();
        }
    }
    while let Some(c) = chars.next() {
        match c {
            '\\' => escape(chars.next(), &mut chars, &mut out)?,
            '[' => bracket(&mut chars, dot_stops, &mut out)?,
            '(' if chars.peek() == Some(&'?') => {
                chars.next();
                match chars.peek() {
                    Some(':') => out.push_str("(?"),
                    Some('=' | '!' | '<') => return Err(SqlError::unsupported("look-around in a regular expression")),
                    _ => return Err(invalid("quantifier operand invalid")),
                }
            }
            // A brace that begins no count is itself.
            '{' if !chars.peek().is_some_and(char::is_ascii_digit) => out.push_str("\\{"),
            '}' if !is_count_end(&out) => out.push_str("\\}"),
            other => out.push(other),
        }
    }
    Ok(out)
}

/// Whether what stands before is an open count: `{1,2`.
fn is_count_end(out: &str) -> bool {
    out.rfind('{').is_some_and(|at| {
        !out.get(..at).is_some_and(|before| before.ends_with('\\'))
            && out.get(at + 1..).is_some_and(|count| !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit() || b == b','))
    })
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn hex(chars: &mut Chars<'_>, most: usize) -> Result<char, SqlError> {
    let mut value = 0u32;
    let mut digits = 0;
    while digits < most
        && let Some(digit) = chars.peek().and_then(|c| c.to_digit(16))
    {
        value = value * 16 + digit;
        digits += 1;
        chars.next();
    }
    char::from_u32(value).filter(|_| digits > 0).ok_or_else(|| invalid("invalid escape \\ sequence"))
}

fn escape(c: Option<char>, chars: &mut Chars<'_>, out: &mut String) -> Result<(), SqlError> {
    match c {
        None => return Err(invalid("invalid escape \\ sequence")),
        Some(c @ ('d' | 'D' | 's' | 'S' | 'w' | 'W' | 'A' | 'n' | 't' | 'r' | 'f' | 'v' | 'a')) => {
            out.push('\\');
            out.push(c);
        }
        Some('Z') => out.push_str("\\z"),
        Some('m') => out.push_str("\\b{start}"),
        Some('M') => out.push_str("\\b{end}"),
        Some('y') => out.push_str("\\b"),
        Some('Y') => out.push_str("\\B"),
        Some('b') => out.push_str("\\x08"),
        Some('e') => out.push_str("\\x1b"),
        Some('B') => out.push_str("\\\\"),
        Some('u') => push_literal(hex(chars, 4)?, out),
        Some('U') => push_literal(hex(chars, 8)?, out),
        Some('x') => push_literal(hex(chars, 6)?, out),
        Some('0') => out.push_str("\\x00"),
        Some(c) if c.is_ascii_digit() => return Err(SqlError::unsupported("a back reference in a regular expression")),
        Some(c) if c.is_ascii_alphabetic() => return Err(invalid("invalid escape \\ sequence")),
        Some(c) => push_literal(c, out),
    }
    Ok(())
}

fn push_literal(c: char, out: &mut String) {
    out.push_str(&::regex::escape(c.encode_utf8(&mut [0; 4])));
}

/// A bracket expression behind its `[`.
fn bracket(chars: &mut Chars<'_>, dot_stops: bool, out: &mut String) -> Result<(), SqlError> {
    // Word boundaries in their older form.
    let ahead: String = chars.clone().take(6).collect();
    for (old, new) in [("[:<:]]", "\\b{start}"), ("[:>:]]", "\\b{end}")] {
        if ahead == old {
            out.push_str(new);
            chars.nth(5);
            return Ok(());
        }
    }
    out.push('[');
    if chars.next_if_eq(&'^').is_some() {
        out.push('^');
        if dot_stops {
            out.push_str("\\n");
        }
    }
    let mut is_first = true;
    loop {
        match chars.next() {
            None => return Err(invalid("brackets [] not balanced")),
            Some(']') if !is_first => break,
            Some('[') if chars.peek() == Some(&':') => {
                let class: String = chars.by_ref().take_while(|c| *c != ']').collect();
                out.push('[');
                out.push_str(&class);
                out.push(']');
            }
            Some('[') if matches!(chars.peek(), Some('.' | '=')) => {
                return Err(SqlError::unsupported("a collating element in a regular expression"));
            }
            Some('\\') => match chars.next() {
                Some(c @ ('d' | 's' | 'w' | 'n' | 't' | 'r' | 'f' | 'v')) => {
                    out.push('\\');
                    out.push(c);
                }
                other => escape(other, chars, out)?,
            },
            // A range's hyphen stays; one that stands alone, and what means something here only, is escaped.
            Some('-') if !is_first && chars.peek() != Some(&']') => out.push('-'),
            Some(c @ ('[' | ']' | '&' | '~' | '-' | '^')) => {
                out.push('\\');
                out.push(c);
            }
            Some(c) => out.push(c),
        }
        is_first = false;
    }
    out.push(']');
    Ok(())
}
