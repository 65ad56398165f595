//! Statements of a file, with their places, whatever the quoting.

use crate::parse::lexer::{self, Kind, Token};
use crate::parse::{MAX_FILE_BYTES, ParseError};
use crate::tree::Pos;
use std::ops::Range;

/// One statement's text, without its semicolon and without the blanks and comments around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Byte range in the file.
    pub range: Range<usize>,
    /// The range's start, as trees count.
    pub pos: Pos,
}

/// Finds the statements of a text. Semicolons in strings, comments, brackets and `BEGIN ATOMIC` bodies end none.
///
/// # Errors
/// A string, comment or quoted name that never ends, a character outside PostgreSQL's alphabet, a file beyond [`MAX_FILE_BYTES`].
pub fn statements(text: &str) -> Result<Vec<Piece>, ParseError> {
    match pieces(text) {
        (pieces, None) => Ok(pieces),
        (_, Some(error)) => Err(error),
    }
}

/// As [`statements`], with the complete statements in front of the first error.
pub(crate) fn pieces(text: &str) -> (Vec<Piece>, Option<ParseError>) {
    if text.len() > MAX_FILE_BYTES {
        return (Vec::new(), Some(ParseError::too_long("file", MAX_FILE_BYTES, Pos(0))));
    }
    let (tokens, error) = lexer::tokens_tolerant(text);
    let mut pieces = Vec::new();
    let mut from = 0;
    loop {
        let to = boundary(&tokens, from);
        let end = to.unwrap_or(tokens.len() - 1);
        let complete = to.is_some() || error.is_none();
        if let [first, ..] = &tokens[from..end]
            && let [.., last] = &tokens[from..end]
            && complete
        {
            pieces.push(Piece { range: first.start as usize..last.end as usize, pos: Pos(first.start) });
        }
        match to {
            Some(to) => from = to + 1,
            None => return (pieces, error),
        }
    }
}

/// The index of the semicolon that ends the statement beginning at token `from`.
pub(crate) fn boundary(tokens: &[Token<'_>], from: usize) -> Option<usize> {
    let mut brackets = 0usize;
    // Open BEGIN ATOMIC and CASE, each closed by END.
    let mut blocks = 0usize;
    let mut before = "";
    for (index, token) in tokens.iter().enumerate().skip(from) {
        match &token.kind {
            Kind::Sym("(" | "[") => brackets += 1,
            Kind::Sym(")" | "]") => brackets = brackets.saturating_sub(1),
            Kind::Sym(";") if brackets == 0 && blocks == 0 => return Some(index),
            Kind::Word(word) if word == "atomic" && before == "begin" => blocks = 1,
            Kind::Word(word) if word == "case" && blocks > 0 => blocks += 1,
            Kind::Word(word) if word == "end" => blocks = blocks.saturating_sub(1),
            _ => {}
        }
        before = match &token.kind {
            Kind::Word(word) => word,
            _ => "",
        };
    }
    None
}

/// Line and column of offsets into a text.
#[derive(Debug, Clone)]
pub struct LineIndex {
    /// Offset of each line's first byte.
    starts: Vec<u32>,
}

impl LineIndex {
    /// Indexes a text of less than 4 GiB.
    pub fn new(text: &str) -> Self {
        let starts = std::iter::once(0).chain(line_starts(text)).collect();
        Self { starts }
    }

    /// Line and column of an offset, both from 1; the column in characters, as editors count.
    pub fn locate(&self, text: &str, pos: Pos) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= pos.0).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0) as usize;
        let end = text.floor_char_boundary((pos.0 as usize).min(text.len()).max(start));
        let column = text.get(start..end).map_or(0, |s| s.chars().count());
        (line as u32, column as u32 + 1)
    }
}

/// Offsets behind each line break.
fn line_starts(text: &str) -> impl Iterator<Item = u32> + '_ {
    text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at as u32 + 1)
}
