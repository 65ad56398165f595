//! The tree PostgreSQL's SQL is parsed into: what was written, nothing resolved.
//!
//! Identifiers are folded as PostgreSQL folds them (unquoted to lower case, quoted verbatim, 63 bytes at most). Keywords that are
//! mere spelling (`INNER`, `AS`, `!=` for `<>`) are normalised away; everything that means something is kept.

mod ddl;
mod expr;
mod query;

pub use ddl::*;
pub use expr::*;
pub use query::*;

/// A byte offset into the text the tree came from; `u32::MAX` for made-up nodes. Positions never take part in comparison.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pos(pub u32);

impl PartialEq for Pos {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Pos {}
impl std::hash::Hash for Pos {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

/// A possibly qualified name: `table`, `schema.table`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// The schema, when written.
    pub schema: Option<String>,
    /// The object.
    pub name: String,
    /// Where it stands.
    pub pos: Pos,
}

/// A type as written: `numeric(10,2)[]`, `auth.aal_level`, `timestamp with time zone`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TypeName {
    /// Schema, when written.
    pub schema: Option<String>,
    /// PostgreSQL's internal name for built-in spellings (`int4`, `timestamptz`, `bpchar`, `varchar`), else the user's name.
    pub name: String,
    /// Modifiers as written: `(10, 2)`.
    pub modifiers: Vec<i64>,
    /// Number of `[]`; PostgreSQL treats all above zero alike.
    pub dimensions: u8,
    /// `SETOF`.
    pub setof: bool,
    /// `name%TYPE` (then `name`/`schema` hold the qualified column as written, dots kept).
    pub percent_type: bool,
    /// Interval fields (`interval day to second`), as written, lower case.
    pub interval_fields: Option<String>,
    /// Where it stands.
    pub pos: Pos,
}

/// One statement of a file with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    /// The statement.
    pub statement: Statement,
    /// Offset of its first token.
    pub pos: Pos,
    /// Offset just behind its last token (before the semicolon).
    pub end: Pos,
}
