//! What is wrong with a text, in PostgreSQL's words.

use crate::tree::Pos;
use basalt_types::error::SqlState;
use std::fmt;

/// Why a text is not a statement, query or expression Basalt can read.
#[derive(Debug, Clone, PartialEq)]
pub struct ParseError {
    /// PostgreSQL's message: `syntax error at or near "x"`, `syntax error at end of input`, ….
    pub message: String,
    /// Byte offset of the offending token in the text given to the parser.
    pub pos: Pos,
    /// `42601` for bad syntax, `0A000` for valid syntax that has no place in the tree, `54001` and `54000` for limits.
    pub code: SqlState,
}

impl ParseError {
    /// Bad syntax (42601).
    pub fn syntax(message: impl Into<String>, pos: Pos) -> Self {
        Self { message: message.into(), pos, code: SqlState::SYNTAX_ERROR }
    }

    /// Bytes that are no UTF-8, or the byte zero (22021).
    pub fn encoding(bytes: &[u8], pos: Pos) -> Self {
        let shown: Vec<String> = bytes.iter().take(4).map(|byte| format!("0x{byte:02x}")).collect();
        let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
        Self { message, pos, code: SqlState::INVALID_ENCODING }
    }

    /// PostgreSQL knows this, the tree does not (0A000).
    pub fn unsupported(construct: impl fmt::Display, pos: Pos) -> Self {
        Self { message: format!("{construct} is not supported"), pos, code: SqlState::FEATURE_NOT_SUPPORTED }
    }

    /// Nesting beyond the limit (54001).
    pub fn too_deep(pos: Pos) -> Self {
        Self { message: "stack depth limit exceeded".to_owned(), pos, code: SqlState::new(b"54001") }
    }

    /// A text beyond the size limit (54000).
    pub fn too_long(what: &str, limit_bytes: usize, pos: Pos) -> Self {
        let message = format!("{what} is longer than {limit_bytes} bytes");
        Self { message, pos, code: SqlState::new(b"54000") }
    }

    /// The same error in a text that begins `offset` bytes further left.
    pub fn shifted(mut self, offset: u32) -> Self {
        self.pos = Pos(self.pos.0.saturating_add(offset));
        self
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseError {}
