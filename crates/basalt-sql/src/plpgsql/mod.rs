//! PL/pgSQL bodies to trees. Statements and expressions of SQL in them are read by [`parse`](crate::parse).
//!
//! Start at [`parse`]. Source of the grammar: PostgreSQL, `src/pl/plpgsql/src/pl_gram.y`.

mod block;
mod flow;
mod sql;
mod tree;
mod walk;

#[cfg(test)]
mod tests;

pub use tree::*;
pub use walk::{Sql, each_sql};

use crate::parse::ParseError;
use crate::parse::cursor::{Parser, Stop};

/// Reads the body of a function or DO block.
///
/// # Errors
/// Bad syntax (42601), expressions the tree has no place for (0A000), texts beyond the limits (54000, 54001). Positions count from the body's
/// first character.
pub fn parse(body: &str) -> Result<Block, ParseError> {
    crate::parse::bounded(body)?;
    let mut parser = Parser::new(body, 0)?;
    parser.plpgsql = true;
    block::whole(&mut parser).map_err(Stop::into_error)
}
