//! Text to [`tree`](crate::tree).
//!
//! Start at [`file`]. Our reader takes every token into the tree or refuses it by name, so that no clause can get lost on the way. What it
//! passes over (statements and parts that the tree only names) is read by the grammar of the parser crate too, so that bad syntax is refused
//! there as well. Bounds on length, nesting and chains are checked before anything recurses.
//!
//! To add a statement: its variant in the tree, its reader in the file of its kind, its line in `statement.rs`, its printing in
//! [`print`](crate::print), a case in `tests/data`.

mod alter;
mod change;
pub(crate) mod cursor;
mod error;
pub(crate) mod expr;
mod from;
mod function;
mod grammar;
pub(crate) mod keywords;
pub(crate) mod lexer;
pub(crate) mod object;
mod privilege;
mod query;
mod relation;
mod session;
mod special;
mod statement;
mod table;
pub(crate) mod types;

#[cfg(test)]
mod tests;

pub use error::ParseError;

use crate::split::{self, Piece};
use crate::tree::{Expr, Located, Pos, Query, Statement, TypeName};
use cursor::{Parsed, Parser, Stop};

/// Longest single statement, in bytes.
pub const MAX_STATEMENT_BYTES: usize = 1 << 20;
/// Longest file, in bytes.
pub const MAX_FILE_BYTES: usize = 16 << 20;

/// All statements of a file.
///
/// # Errors
/// The first statement that cannot be read, with its offset in the file.
pub fn file(text: &str) -> Result<Vec<Located>, ParseError> {
    file_tolerant(text).into_iter().collect()
}

/// All statements of a file, each on its own: a bad one does not hide the others.
pub fn file_tolerant(text: &str) -> Vec<Result<Located, ParseError>> {
    let (pieces, error) = split::pieces(text);
    let located = |piece: Piece| {
        let statement = statement_at(text.get(piece.range.clone()).unwrap_or(""), piece.pos.0)?;
        Ok(Located { statement, pos: piece.pos, end: Pos(piece.range.end as u32) })
    };
    let mut statements: Vec<_> = pieces.into_iter().map(located).collect();
    statements.extend(error.map(Err));
    statements
}

/// One statement, without or with its semicolon.
///
/// What PostgreSQL's grammar has and the tree has not becomes [`Statement::Other`].
///
/// # Errors
/// Bad syntax (42601), or a text beyond the limits (54000, 54001). Positions count from the text's beginning.
pub fn statement(text: &str) -> Result<Statement, ParseError> {
    statement_at(text, 0)
}

/// A statement that stands `base` bytes behind where positions count from.
pub(crate) fn statement_at(text: &str, base: u32) -> Result<Statement, ParseError> {
    bounded(text).map_err(|e| e.shifted(base))?;
    let mut parser = Parser::new(text, base)?.single()?;
    let statement = match parser.statement() {
        Ok(statement) if !parser.passed => return Ok(statement),
        Ok(statement) => statement,
        Err(Stop::Other(construct, _)) => Statement::Other { construct },
        Err(Stop::Error(error)) => return Err(error),
    };
    grammar::check(&parser, "").map_err(|e| e.shifted(base))?;
    Ok(statement)
}

/// A query: SELECT, VALUES, TABLE, with what belongs to it.
///
/// # Errors
/// As [`statement`]; what the tree has no place for is 0A000.
pub fn query(text: &str) -> Result<Query, ParseError> {
    bounded(text)?;
    let parser = Parser::new(text, 0)?.single()?;
    whole(parser, "", Parser::query)
}

/// An expression.
///
/// # Errors
/// As [`query`].
pub fn expr(text: &str) -> Result<Expr, ParseError> {
    bounded(text)?;
    whole(Parser::new(text, 0)?, "SELECT ", Parser::expr)
}

/// A type's name, as in a column's definition.
///
/// # Errors
/// As [`query`].
pub fn type_name(text: &str) -> Result<TypeName, ParseError> {
    bounded(text)?;
    let mut parser = Parser::new(text, 0)?;
    parser.type_name().and_then(|ty| parser.expect_end().map(|()| ty)).map_err(Stop::into_error)
}

/// Reads all of a text as one thing, and has the grammar read it as a statement behind `prefix`.
fn whole<'a, T>(mut parser: Parser<'a>, prefix: &str, read: impl FnOnce(&mut Parser<'a>) -> Parsed<T>) -> Result<T, ParseError> {
    let value = read(&mut parser).and_then(|value| parser.expect_end().map(|()| value)).map_err(Stop::into_error)?;
    if parser.passed {
        grammar::check(&parser, prefix)?;
    }
    Ok(value)
}

pub(crate) fn bounded(text: &str) -> Result<(), ParseError> {
    if text.len() > MAX_STATEMENT_BYTES {
        return Err(ParseError::too_long("statement", MAX_STATEMENT_BYTES, Pos(0)));
    }
    Ok(())
}
