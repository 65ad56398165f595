//! JSON read token by token, refusing what PostgreSQL refuses, with its messages. Never recursive.

use crate::{SqlError, SqlState};

/// Deepest nesting of arrays and objects. SQLite's own JSON functions stop at the same depth.
pub(crate) const DEPTH_MAX: usize = 1_000;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Comma,
    Colon,
    String,
    Number,
    True,
    False,
    Null,
    End,
}

/// A token and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    /// Its text, quotes included.
    pub(crate) text: &'a str,
    /// Byte offset of its first character.
    pub(crate) start: usize,
}

/// What the parser tells its listener, in document order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event<'a> {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    /// An object's key with its quotes.
    Key(&'a str),
    /// A string, number, true, false or null.
    Scalar(Token<'a>),
}

pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

pub(crate) fn invalid(detail: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::INVALID_TEXT, "invalid input syntax for type json").detail(detail)
}

pub(crate) fn too_deep() -> SqlError {
    SqlError::new(SqlState::TOO_COMPLEX, "stack depth limit exceeded")
        .detail(format!("JSON may be nested {DEPTH_MAX} levels deep."))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn token(&mut self, kind: Kind, start: usize, end: usize) -> Token<'a> {
        self.at = end;
        Token { kind, text: self.text.get(start..end).unwrap_or(""), start }
    }

    fn bad_token(&self, start: usize, end: usize) -> SqlError {
        let mut end = end.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        invalid(format!("Token \"{}\" is invalid.", self.text.get(start..end).unwrap_or("")))
    }

    pub(crate) fn next(&mut self) -> Result<Token<'a>, SqlError> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        let start = self.at;
        let Some(&first) = bytes.get(start) else { return Ok(self.token(Kind::End, start, start)) };
        let single = match first {
            b'{' => Some(Kind::ObjectStart),
            b'}' => Some(Kind::ObjectEnd),
            b'[' => Some(Kind::ArrayStart),
            b']' => Some(Kind::ArrayEnd),
            b',' => Some(Kind::Comma),
            b':' => Some(Kind::Colon),
            _ => None,
        };
        if let Some(kind) = single {
            return Ok(self.token(kind, start, start + 1));
        }
        match first {
            b'"' => self.string(start),
            b'-' | b'0'..=b'9' => self.number(start),
            _ => {
                let end = start + bytes[start..].iter().take_while(|b| is_word(**b)).count();
                match self.text.get(start..end) {
                    Some("true") => Ok(self.token(Kind::True, start, end)),
                    Some("false") => Ok(self.token(Kind::False, start, end)),
                    Some("null") => Ok(self.token(Kind::Null, start, end)),
                    _ => Err(self.bad_token(start, end.max(start + 1))),
                }
            }
        }
    }

    fn number(&mut self, start: usize) -> Result<Token<'a>, SqlError> {
        let bytes = self.text.as_bytes();
        let digits = |from: usize| from + bytes[from.min(bytes.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut at = start + usize::from(bytes.get(start) == Some(&b'-'));
        let mut good = true;
        if bytes.get(at) == Some(&b'0') {
            at += 1;
        } else {
            let end = digits(at);
            good = end > at;
            at = end;
        }
        if bytes.get(at) == Some(&b'.') {
            let end = digits(at + 1);
            good &= end > at + 1;
            at = end;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            let from = at + 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let end = digits(from);
            good &= end > from;
            at = end;
        }
        let end = at + bytes[at.min(bytes.len())..].iter().take_while(|b| is_word(**b)).count();
        if !good || end > at { Err(self.bad_token(start, end)) } else { Ok(self.token(Kind::Number, start, at)) }
    }

    fn string(&mut self, start: usize) -> Result<Token<'a>, SqlError> {
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        loop {
            let Some(&byte) = bytes.get(at) else { return Err(self.bad_token(start, at)) };
            match byte {
                b'"' => return Ok(self.token(Kind::String, start, at + 1)),
                0..=0x1f => return Err(invalid(format!("Character with value 0x{byte:02x} must be escaped."))),
                b'\\' => {
                    at += 1;
                    match bytes.get(at) {
                        None => return Err(self.bad_token(start, at)),
                        Some(b'u') => {
                            for _ in 0..4 {
                                at += 1;
                                match bytes.get(at) {
                                    None => return Err(self.bad_token(start, at)),
                                    Some(b) if b.is_ascii_hexdigit() => {}
                                    Some(_) => return Err(invalid("\"\\u\" must be followed by four hexadecimal digits.")),
                                }
                            }
                        }
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {}
                        Some(_) => {
                            let shown = self.text.get(at..).and_then(|t| t.chars().next()).unwrap_or('?');
                            return Err(invalid(format!("Escape sequence \"\\{shown}\" is invalid.")));
                        }
                    }
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }
}

/// What the parser waits for.
#[derive(Clone, Copy)]
enum Wait {
    Value,
    /// After `[`: a value or `]`.
    FirstElement,
    /// After `{`: a key or `}`.
    FirstKey,
    /// After a comma in an object.
    Key,
    Colon,
    /// After a value: a comma, the container's end, or the end of all.
    Next,
}

/// Reads one JSON document and reports it to `listen`.
///
/// # Errors
/// 22P02 with PostgreSQL's detail, 54001 beyond [`DEPTH_MAX`], and whatever `listen` returns.
pub(crate) fn parse<'a>(text: &'a str, mut listen: impl FnMut(Event<'a>) -> Result<(), SqlError>) -> Result<(), SqlError> {
    let mut lexer = Lexer::new(text);
    // `true` for objects.
    let mut open: Vec<bool> = Vec::new();
    let mut wait = Wait::Value;
    loop {
        let token = lexer.next()?;
        let expected = |what: &str| {
            Err(match token.kind {
                Kind::End => invalid("The input string ended unexpectedly."),
                _ => invalid(format!("Expected {what}, but found \"{}\".", token.text)),
            })
        };
        wait = match (wait, token.kind) {
            (Wait::FirstElement, Kind::ArrayEnd) | (Wait::FirstKey, Kind::ObjectEnd) => {
                open.pop();
                listen(if token.kind == Kind::ArrayEnd { Event::ArrayEnd } else { Event::ObjectEnd })?;
                Wait::Next
            }
            (Wait::Value | Wait::FirstElement, Kind::ObjectStart | Kind::ArrayStart) => {
                if open.len() >= DEPTH_MAX {
                    return Err(too_deep());
                }
                let object = token.kind == Kind::ObjectStart;
                open.push(object);
                listen(if object { Event::ObjectStart } else { Event::ArrayStart })?;
                if object { Wait::FirstKey } else { Wait::FirstElement }
            }
            (Wait::Value | Wait::FirstElement, Kind::String | Kind::Number | Kind::True | Kind::False | Kind::Null) => {
                listen(Event::Scalar(token))?;
                Wait::Next
            }
            (Wait::Value | Wait::FirstElement, _) => return expected("JSON value"),
            (Wait::FirstKey | Wait::Key, Kind::String) => {
                listen(Event::Key(token.text))?;
                Wait::Colon
            }
            (Wait::FirstKey, _) => return expected("string or \"}\""),
            (Wait::Key, _) => return expected("string"),
            (Wait::Colon, Kind::Colon) => Wait::Value,
            (Wait::Colon, _) => return expected("\":\""),
            (Wait::Next, kind) => match (open.last(), kind) {
                (None, Kind::End) => return Ok(()),
                (None, _) => return expected("end of input"),
                (Some(true), Kind::Comma) => Wait::Key,
                (Some(false), Kind::Comma) => Wait::Value,
                (Some(true), Kind::ObjectEnd) => {
                    open.pop();
                    listen(Event::ObjectEnd)?;
                    Wait::Next
                }
                (Some(false), Kind::ArrayEnd) => {
                    open.pop();
                    listen(Event::ArrayEnd)?;
                    Wait::Next
                }
                (Some(true), _) => return expected("\",\" or \"}\""),
                (Some(false), _) => return expected("\",\" or \"]\""),
            },
        };
    }
}

/// The value of a string token (quotes included) that the lexer has let through.
///
/// # Errors
/// 22P05 for `\u0000`, 22P02 for lone surrogates.
pub(crate) fn unescape(token: &str) -> Result<String, SqlError> {
    let body = token.get(1..token.len().saturating_sub(1)).unwrap_or("");
    let Some(first) = body.find('\\') else { return Ok(body.to_owned()) };
    let mut out = String::with_capacity(body.len());
    out.push_str(&body[..first]);
    let mut chars = body[first..].chars();
    let mut high: Option<u32> = None;
    let low_expected = || invalid("Unicode low surrogate must follow a high surrogate.");
    while let Some(c) = chars.next() {
        if c != '\\' {
            if high.is_some() {
                return Err(low_expected());
            }
            out.push(c);
            continue;
        }
        let escape = chars.next().unwrap_or('\\');
        if escape == 'u' {
            let mut code = 0;
            for _ in 0..4 {
                code = code * 16 + chars.next().and_then(|c| c.to_digit(16)).unwrap_or(0);
            }
            match (high, code) {
                (None, 0) => {
                    return Err(SqlError::new(SqlState::UNTRANSLATABLE, "unsupported Unicode escape sequence")
                        .detail("\\u0000 cannot be converted to text."));
                }
                (Some(_), 0xd800..=0xdbff) => return Err(invalid("Unicode high surrogate must not follow a high surrogate.")),
                (None, 0xd800..=0xdbff) => high = Some(code),
                (Some(first), 0xdc00..=0xdfff) => {
                    out.extend(char::from_u32(0x10000 + ((first - 0xd800) << 10) + (code - 0xdc00)));
                    high = None;
                }
                (Some(_), _) | (None, 0xdc00..=0xdfff) => return Err(low_expected()),
                (None, code) => out.extend(char::from_u32(code)),
            }
            continue;
        }
        if high.is_some() {
            return Err(low_expected());
        }
        out.push(match escape {
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            other => other,
        });
    }
    if high.is_some() { Err(low_expected()) } else { Ok(out) }
}
