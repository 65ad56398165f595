//! Text to tokens, by the rules of PostgreSQL's scanner (`src/backend/parser/scan.l`, standard_conforming_strings on).

use super::ParseError;
use crate::tree::Pos;

/// Longest identifier PostgreSQL keeps, in bytes (NAMEDATALEN - 1).
const MAX_IDENT_BYTES: usize = 63;

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token<'a> {
    pub kind: Kind<'a>,
    /// Byte offset of its first character.
    pub start: u32,
    /// Byte offset behind its last character.
    pub end: u32,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind<'a> {
    /// An unquoted word, folded to lower case: identifier or keyword.
    Word(String),
    /// A quoted identifier.
    Quoted(String),
    /// A string constant, decoded.
    Str(String),
    /// A bit string constant: `b` or `x` and its digits.
    Bits(char, String),
    /// A numeric constant as written.
    Num(String),
    /// `$1`.
    Param(u32),
    /// Punctuation or an operator; `!=` is given as `<>`.
    Sym(&'a str),
    /// The end of the text.
    Eof,
}

/// Splits a text into tokens; the last one is always [`Kind::Eof`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token<'_>>, ParseError> {
    let (tokens, error) = tokens_tolerant(text);
    match error {
        Some(error) => Err(error),
        None => Ok(tokens),
    }
}

/// As [`tokens`], with what was read before the first error. The last token is [`Kind::Eof`] in any case.
pub(crate) fn tokens_tolerant(text: &str) -> (Vec<Token<'_>>, Option<ParseError>) {
    let mut lexer = Lexer { text, bytes: text.as_bytes(), at: 0 };
    let mut tokens: Vec<Token<'_>> = Vec::with_capacity(text.len() / 5 + 2);
    let error = loop {
        if let Err(error) = lexer.skip_blanks() {
            break Some(error);
        }
        let start = lexer.at;
        if start >= text.len() {
            break None;
        }
        match lexer.next(tokens.last()) {
            Ok(kind) => tokens.push(Token { kind, start: start as u32, end: lexer.at as u32 }),
            Err(error) => break Some(error),
        }
    };
    let end = if error.is_some() { tokens.last().map_or(0, |t| t.end) } else { text.len() as u32 };
    tokens.push(Token { kind: Kind::Eof, start: end, end });
    (tokens, error)
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

/// Characters operators are made of.
fn is_operator(byte: u8) -> bool {
    matches!(
        byte,
        b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'='
    )
}

fn is_ident_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_ident(byte: u8) -> bool {
    is_ident_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

impl<'a> Lexer<'a> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn error(&self, message: &str, from: usize) -> ParseError {
        let rest = self.text.get(from..).unwrap_or("");
        ParseError::syntax(format!("{message} at or near \"{rest}\""), Pos(from as u32))
    }

    fn skip_blanks(&mut self) -> Result<(), ParseError> {
        loop {
            let byte = self.peek(0);
            if self.at >= self.bytes.len() {
                return Ok(());
            } else if is_blank(byte) {
                self.at += 1;
            } else if byte == b'-' && self.peek(1) == b'-' {
                let rest = &self.bytes[self.at..];
                self.at += rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
            } else if byte == b'/' && self.peek(1) == b'*' {
                self.skip_comment()?;
            } else {
                return Ok(());
            }
        }
    }

    fn skip_comment(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        let mut depth = 0usize;
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => self.at += 1,
            }
        }
        Err(self.error("unterminated /* comment", start))
    }

    fn next(&mut self, before: Option<&Token<'a>>) -> Result<Kind<'a>, ParseError> {
        let byte = self.peek(0);
        let next = self.peek(1);
        match byte {
            b'\'' => self.string(1, false),
            b'e' | b'E' if next == b'\'' => self.string(2, true),
            b'n' | b'N' if next == b'\'' => {
                // As PostgreSQL: NCHAR in front of the string.
                self.at += 1;
                Ok(Kind::Word("nchar".to_owned()))
            }
            b'b' | b'B' | b'x' | b'X' if next == b'\'' => self.bits(byte.to_ascii_lowercase() as char),
            b'u' | b'U' if next == b'&' && self.peek(2) == b'\'' => {
                let start = self.at;
                let Kind::Str(raw) = self.string(3, false)? else { return Err(self.error("syntax error", start)) };
                Ok(Kind::Str(self.unicode(raw, start)?))
            }
            b'u' | b'U' if next == b'&' && self.peek(2) == b'"' => {
                let start = self.at;
                self.at += 2;
                let raw = self.quoted()?;
                let decoded = self.unicode(raw, start)?;
                Ok(Kind::Quoted(truncate(decoded)))
            }
            b'"' => Ok(Kind::Quoted(truncate(self.quoted()?))),
            b'$' => self.dollar(),
            b'0'..=b'9' => self.number(),
            b'.' if next.is_ascii_digit() && !joins_range(before, self.at) => self.number(),
            _ if is_ident_start(byte) => {
                let start = self.at;
                while is_ident(self.peek(0)) && self.at < self.bytes.len() {
                    self.at += 1;
                }
                Ok(Kind::Word(truncate(self.slice(start).to_ascii_lowercase())))
            }
            b':' if matches!(next, b':' | b'=') => Ok(self.symbol(2)),
            b'.' if next == b'.' => Ok(self.symbol(2)),
            b',' | b'(' | b')' | b'[' | b']' | b'.' | b';' | b':' => Ok(self.symbol(1)),
            _ if is_operator(byte) => Ok(self.operator()),
            _ => {
                let start = self.at;
                let len = self.text[start..].chars().next().map_or(1, char::len_utf8);
                let shown = &self.text[start..start + len];
                Err(ParseError::syntax(format!("syntax error at or near \"{shown}\""), Pos(start as u32)))
            }
        }
    }

    /// The text from `start` to here. Both are at ASCII boundaries or ends of runs of non-ASCII bytes, so always on characters.
    fn slice(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or("")
    }

    fn symbol(&mut self, len: usize) -> Kind<'a> {
        let start = self.at;
        self.at += len;
        Kind::Sym(self.slice(start))
    }

    fn operator(&mut self) -> Kind<'a> {
        let start = self.at;
        let rest = &self.bytes[start..];
        let mut len = rest.iter().position(|b| !is_operator(*b)).unwrap_or(rest.len());
        // A comment ends the operator wherever it begins.
        if let Some(comment) = rest[..len].windows(2).position(|w| w == b"--" || w == b"/*") {
            len = comment;
        }
        // A trailing + or - belongs to the operator only if it has one of the characters that SQL's own operators lack.
        if !rest[..len].iter().any(|b| matches!(b, b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%')) {
            while len > 1 && matches!(rest[len - 1], b'+' | b'-') {
                len -= 1;
            }
        }
        match self.symbol(len.max(1)) {
            Kind::Sym("!=") => Kind::Sym("<>"),
            other => other,
        }
    }

    fn quoted(&mut self) -> Result<String, ParseError> {
        let start = self.at;
        self.at += 1;
        let mut name = String::new();
        loop {
            let from = self.at;
            let Some(len) = self.bytes[from..].iter().position(|b| *b == b'"') else {
                return Err(self.error("unterminated quoted identifier", start));
            };
            self.at = from + len;
            name.push_str(self.slice(from));
            self.at += 1;
            if self.peek(0) != b'"' {
                break;
            }
            name.push('"');
            self.at += 1;
        }
        if name.is_empty() {
            return Err(ParseError::syntax("zero-length delimited identifier at or near \"\"\"\"".to_owned(), Pos(start as u32)));
        }
        Ok(name)
    }

    /// A string constant whose opening quote ends `prefix` bytes from here, with its continuations on following lines.
    fn string(&mut self, prefix: usize, escapes: bool) -> Result<Kind<'a>, ParseError> {
        let start = self.at;
        self.at += prefix;
        let mut value = String::new();
        loop {
            let from = self.at;
            let stop = |b: &u8| *b == b'\'' || (escapes && *b == b'\\');
            let Some(len) = self.bytes[from..].iter().position(stop) else {
                return Err(self.error("unterminated quoted string", start));
            };
            self.at = from + len;
            value.push_str(self.slice(from));
            if self.peek(0) == b'\\' {
                self.escape(&mut value, start)?;
            } else if self.peek(1) == b'\'' {
                value.push('\'');
                self.at += 2;
            } else {
                self.at += 1;
                if !self.continues() {
                    return Ok(Kind::Str(value));
                }
            }
        }
    }

    /// Moves behind the opening quote of a continuation, if one follows on a later line.
    fn continues(&mut self) -> bool {
        let back = self.at;
        let mut newline = false;
        loop {
            match self.peek(0) {
                b'\n' | b'\r' => {
                    newline = true;
                    self.at += 1;
                }
                b if is_blank(b) => self.at += 1,
                b'-' if self.peek(1) == b'-' && newline => {
                    let rest = &self.bytes[self.at..];
                    self.at += rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
                }
                b'\'' if newline => {
                    self.at += 1;
                    return true;
                }
                _ => {
                    self.at = back;
                    return false;
                }
            }
        }
    }

    fn escape(&mut self, value: &mut String, start: usize) -> Result<(), ParseError> {
        let at = self.at;
        let Some(char) = self.text.get(at + 1..).and_then(|rest| rest.chars().next()) else {
            return Err(self.error("unterminated quoted string", start));
        };
        self.at += 1 + char.len_utf8();
        let digits = |from: usize, max: usize, radix: u32| -> &'a str {
            let len = self.bytes[from..].iter().take(max).take_while(|b| (**b as char).is_digit(radix)).count();
            &self.text[from..from + len]
        };
        match char {
            'b' => value.push('\u{8}'),
            'f' => value.push('\u{c}'),
            'n' => value.push('\n'),
            'r' => value.push('\r'),
            't' => value.push('\t'),
            'v' => value.push('\u{b}'),
            'x' | '0'..='7' => {
                // Bytes may spell one character together; collect as long as such escapes follow.
                let mut bytes = Vec::new();
                let mut from = at;
                loop {
                    let (skip, max, radix) = if self.bytes.get(from + 1) == Some(&b'x') { (2, 2, 16) } else { (1, 3, 8) };
                    let text = digits(from + skip, max, radix);
                    if text.is_empty() {
                        break;
                    }
                    // PostgreSQL keeps the low byte of octal values above 255.
                    bytes.push((u32::from_str_radix(text, radix).unwrap_or(0) & 0xff) as u8);
                    from += skip + text.len();
                    if self.bytes.get(from) != Some(&b'\\') || std::str::from_utf8(&bytes).is_ok() {
                        break;
                    }
                }
                if bytes.is_empty() {
                    value.push(char);
                } else {
                    if bytes.contains(&0) {
                        return Err(ParseError::encoding(&[0], Pos(at as u32)));
                    }
                    let text = std::str::from_utf8(&bytes)
                        .map_err(|e| ParseError::encoding(bytes.get(e.valid_up_to()..).unwrap_or_default(), Pos(at as u32)))?;
                    value.push_str(text);
                    self.at = from;
                }
            }
            'u' | 'U' => {
                let max = if char == 'u' { 4 } else { 8 };
                let text = digits(at + 2, max, 16);
                let bad = || ParseError::syntax("invalid Unicode escape".to_owned(), Pos(at as u32));
                if text.len() != max {
                    return Err(bad());
                }
                let mut code = u32::from_str_radix(text, 16).map_err(|_| bad())?;
                self.at = at + 2 + max;
                if (0xd800..0xdc00).contains(&code) && self.peek(0) == b'\\' && self.peek(1) == b'u' {
                    let low = u32::from_str_radix(digits(self.at + 2, 4, 16), 16).map_err(|_| bad())?;
                    if (0xdc00..0xe000).contains(&low) {
                        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                        self.at += 6;
                    }
                }
                value.push(char::from_u32(code).filter(|c| *c != '\0').ok_or_else(bad)?);
            }
            other => value.push(other),
        }
        Ok(())
    }

    /// Decodes `\0041` and `\+000041` of U&'' and U&"", after an optional UESCAPE 'c' that may follow.
    fn unicode(&mut self, raw: String, start: usize) -> Result<String, ParseError> {
        let back = self.at;
        let mut mark = '\\';
        self.skip_blanks()?;
        let word = self.text.get(self.at..self.at + 7).unwrap_or("");
        if word.eq_ignore_ascii_case("uescape") {
            self.at += 7;
            self.skip_blanks()?;
            let at = self.at;
            let bad = |lexer: &Self| lexer.error("invalid Unicode escape character", at);
            if self.peek(0) != b'\'' {
                return Err(bad(self));
            }
            let Kind::Str(text) = self.string(1, false)? else { return Err(bad(self)) };
            let mut chars = text.chars();
            mark = match (chars.next(), chars.next()) {
                (Some(c), None) if !c.is_ascii_hexdigit() && !matches!(c, '+' | '\'' | '"') && !c.is_whitespace() => c,
                _ => return Err(bad(self)),
            };
        } else {
            self.at = back;
        }
        let bad = || ParseError::syntax("invalid Unicode escape".to_owned(), Pos(start as u32));
        let mut value = String::with_capacity(raw.len());
        let mut rest = raw.as_str();
        let mut high = None;
        while let Some(char) = rest.chars().next() {
            rest = &rest[char.len_utf8()..];
            if char != mark {
                value.push(char);
                continue;
            }
            if rest.starts_with(mark) {
                value.push(mark);
                rest = &rest[mark.len_utf8()..];
                continue;
            }
            let (skip, len) = if rest.starts_with('+') { (1, 6) } else { (0, 4) };
            let hex = rest.get(skip..skip + len).filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit())).ok_or_else(bad)?;
            let code = u32::from_str_radix(hex, 16).map_err(|_| bad())?;
            rest = &rest[skip + len..];
            match (high.take(), code) {
                (None, 0xd800..=0xdbff) => high = Some(code),
                (Some(high), 0xdc00..=0xdfff) => {
                    value.push(char::from_u32(0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00)).ok_or_else(bad)?);
                }
                (None, _) => value.push(char::from_u32(code).filter(|c| *c != '\0').ok_or_else(bad)?),
                (Some(_), _) => return Err(bad()),
            }
        }
        if high.is_some() { Err(bad()) } else { Ok(value) }
    }

    fn bits(&mut self, kind: char) -> Result<Kind<'a>, ParseError> {
        let start = self.at;
        let Kind::Str(digits) = self.string(2, false)? else { return Err(self.error("syntax error", start)) };
        let radix = if kind == 'b' { 2 } else { 16 };
        if let Some(bad) = digits.chars().find(|c| !c.is_digit(radix)) {
            let digit = if kind == 'b' { "binary" } else { "hexadecimal" };
            return Err(ParseError::syntax(format!("\"{bad}\" is not a valid {digit} digit"), Pos(start as u32)));
        }
        Ok(Kind::Bits(kind, digits))
    }

    fn dollar(&mut self) -> Result<Kind<'a>, ParseError> {
        let start = self.at;
        if self.peek(1).is_ascii_digit() {
            self.at += 1;
            while self.peek(0).is_ascii_digit() {
                self.at += 1;
            }
            if is_ident_start(self.peek(0)) {
                return Err(self.junk("trailing junk after parameter", start));
            }
            let number = self.slice(start + 1).parse::<u32>().ok().filter(|n| *n <= i32::MAX as u32);
            return match number {
                Some(number) => Ok(Kind::Param(number)),
                None => Err(self.error("parameter number too large", start)),
            };
        }
        let rest = &self.bytes[start + 1..];
        let tag = rest.iter().position(|b| !(is_ident_start(*b) || b.is_ascii_digit())).unwrap_or(rest.len());
        if rest.get(tag) != Some(&b'$') {
            return Err(ParseError::syntax("syntax error at or near \"$\"".to_owned(), Pos(start as u32)));
        }
        let open = start + tag + 2;
        let mark = &self.text[start..open];
        match self.text[open..].find(mark) {
            Some(len) => {
                self.at = open + len + mark.len();
                Ok(Kind::Str(self.text[open..open + len].to_owned()))
            }
            None => Err(self.error("unterminated dollar-quoted string", start)),
        }
    }

    fn junk(&mut self, message: &str, start: usize) -> ParseError {
        while is_ident(self.peek(0)) {
            self.at += 1;
        }
        let shown = self.slice(start);
        ParseError::syntax(format!("{message} at or near \"{shown}\""), Pos(start as u32))
    }

    fn digits(&mut self, radix: u32) -> usize {
        let from = self.at;
        loop {
            if (self.peek(0) as char).is_digit(radix) {
                self.at += 1;
            } else if self.peek(0) == b'_' && self.at > from && (self.peek(1) as char).is_digit(radix) {
                self.at += 2;
            } else {
                return self.at - from;
            }
        }
    }

    fn number(&mut self) -> Result<Kind<'a>, ParseError> {
        let start = self.at;
        let radix = match (self.peek(0), self.peek(1).to_ascii_lowercase()) {
            (b'0', b'x') => Some(16),
            (b'0', b'o') => Some(8),
            (b'0', b'b') => Some(2),
            _ => None,
        };
        if let Some(radix) = radix {
            self.at += 2;
            if self.peek(0) == b'_' {
                self.at += 1;
            }
            if self.digits(radix) == 0 {
                let kind =
                    [(16, "hexadecimal"), (8, "octal"), (2, "binary")].iter().find(|(r, _)| *r == radix).map_or("", |k| k.1);
                return Err(self.junk(&format!("invalid {kind} integer"), start));
            }
        } else {
            self.digits(10);
            if self.peek(0) == b'.' && self.peek(1) != b'.' {
                self.at += 1;
                self.digits(10);
            }
            if matches!(self.peek(0), b'e' | b'E') {
                let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
                if self.peek(1 + sign).is_ascii_digit() {
                    self.at += 1 + sign;
                    self.digits(10);
                }
            }
        }
        if is_ident_start(self.peek(0)) {
            return Err(self.junk("trailing junk after numeric literal", start));
        }
        Ok(Kind::Num(self.slice(start).replace('_', "").to_ascii_lowercase()))
    }
}

/// Whether a dot here would be the second one of `..`: then digits behind it are a number of their own.
fn joins_range(before: Option<&Token<'_>>, at: usize) -> bool {
    before.is_some_and(|token| token.kind == Kind::Sym("..") && token.end as usize == at)
}

/// Cuts an identifier to what PostgreSQL keeps, on a character boundary.
fn truncate(mut name: String) -> String {
    if name.len() > MAX_IDENT_BYTES {
        name.truncate(name.floor_char_boundary(MAX_IDENT_BYTES));
    }
    name
}
