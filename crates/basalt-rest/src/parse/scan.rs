//! A cursor over one parameter's text, and the tokens all grammars share.

use super::ParseError;

/// A cursor over decoded text.
pub struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// What is parsed, for messages: `filter`, `select parameter`, ….
    what: &'static str,
}

/// What field names may begin with, in the original's words.
pub const FIELD_NAME: &str = "field name (* or [a..z0..9_$])";

impl<'t> Scan<'t> {
    /// Starts at the beginning.
    pub fn new(what: &'static str, text: &'t str) -> Self {
        Self { text, at: 0, what }
    }

    /// What is left.
    pub fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The next character.
    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes the next character.
    pub fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Takes a text if it stands here.
    pub fn eat(&mut self, token: &str) -> bool {
        let here = self.rest().starts_with(token);
        if here {
            self.at += token.len();
        }
        here
    }

    /// Skips blanks.
    pub fn skip_ws(&mut self) {
        while self.peek().is_some_and(|c| c == ' ' || c == '\t') {
            self.at += 1;
        }
    }

    /// Whether everything was read.
    pub fn is_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// The position, for going back.
    pub fn mark(&self) -> usize {
        self.at
    }

    /// Goes back to a mark.
    pub fn reset(&mut self, mark: usize) {
        self.at = mark;
    }

    /// Takes everything that is left.
    pub fn take_rest(&mut self) -> &'t str {
        let rest = self.rest();
        self.at = self.text.len();
        rest
    }

    /// Takes characters as long as they fit.
    pub fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let len = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// An error here.
    pub fn expected(&self, expecting: &str) -> ParseError {
        let unexpected = match self.peek() {
            Some(c) => format!("unexpected \"{c}\""),
            None => "unexpected end of input".to_owned(),
        };
        let details = if expecting.is_empty() { unexpected } else { format!("{unexpected} expecting {expecting}") };
        self.error(details)
    }

    /// An error here with the given details.
    pub fn error(&self, details: impl Into<String>) -> ParseError {
        let column = self.text[..self.at].chars().count() + 1;
        ParseError {
            message: format!("\"failed to parse {} ({})\" (line 1, column {column})", self.what, self.text),
            details: details.into(),
        }
    }

    /// Takes a token or fails.
    ///
    /// # Errors
    /// When it does not stand here.
    pub fn expect(&mut self, token: &str) -> Result<(), ParseError> {
        if self.eat(token) { Ok(()) } else { Err(self.expected(&format!("\"{token}\""))) }
    }

    /// A field name: quoted, or letters, digits, `_`, `$`, blanks, and single dashes that begin no arrow.
    ///
    /// # Errors
    /// When none stands here.
    pub fn field_name(&mut self) -> Result<String, ParseError> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let mut name = self.identifier(FIELD_NAME)?;
        loop {
            let mark = self.mark();
            if !self.eat("-") || self.peek() == Some('>') {
                self.reset(mark);
                return Ok(name);
            }
            name.push('-');
            name.push_str(&self.identifier("letter or digit")?);
        }
    }

    /// Letters, digits, `_`, `$` and blanks, trimmed.
    ///
    /// # Errors
    /// When none stands here.
    pub fn identifier(&mut self, expecting: &str) -> Result<String, ParseError> {
        let text = self.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ' ' | '$'));
        if text.is_empty() { Err(self.expected(expecting)) } else { Ok(text.trim().to_owned()) }
    }

    /// A text in double quotes; a backslash takes the next character as it is.
    ///
    /// # Errors
    /// When it does not end.
    pub fn quoted(&mut self) -> Result<String, ParseError> {
        self.expect("\"")?;
        let mut out = String::new();
        loop {
            match self.bump() {
                Some('"') => return Ok(out),
                Some('\\') => out.push(self.bump().ok_or_else(|| self.expected(""))?),
                Some(c) => out.push(c),
                None => return Err(self.expected("\"\\\\\" or \"\\\"\"")),
            }
        }
    }
}
