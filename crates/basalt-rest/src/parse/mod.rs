//! Text -> what was asked: query string, headers, body. Knows the dialect's grammar, no schema and no SQL.
//!
//! Errors have the form of the original: `PGRST100`, the message `"failed to parse … (text)" (line 1, column N)`, and details that
//! say what was unexpected and what was expected there: found out by [`explain`] once a text was refused.

pub mod arguments;
pub mod body;
mod explain;
pub mod filter;
pub mod media;
pub mod order;
pub mod prefer;
pub mod query;
pub mod range;
pub mod scan;
pub mod select;

/// A query string that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// `"failed to parse filter (x)" (line 1, column 2)`.
    pub message: String,
    /// `unexpected "x" expecting …`.
    pub details: String,
}
