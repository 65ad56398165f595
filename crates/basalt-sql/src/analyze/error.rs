//! What analysis refuses, with PostgreSQL's texts and the place in the source.

use std::fmt;

use basalt_types::{SqlError, SqlState};

use crate::tree::Pos;

/// An error with the place it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalyzeError {
    /// What PostgreSQL would report.
    pub error: SqlError,
    /// Offset into the analysed text, when one place is meant.
    pub pos: Option<Pos>,
}

/// Result of analysis.
pub type Result<T> = std::result::Result<T, AnalyzeError>;

impl AnalyzeError {
    /// Adds the place, unless a more precise one is known.
    #[must_use]
    pub fn at(mut self, pos: Pos) -> Self {
        if self.pos.is_none() && pos.0 != u32::MAX {
            self.pos = Some(pos);
        }
        self
    }

    /// Adds HINT.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.error.hint = Some(text.into());
        self
    }

    /// Adds DETAIL.
    #[must_use]
    pub fn detail(mut self, text: impl Into<String>) -> Self {
        self.error.detail = Some(text.into());
        self
    }
}

impl AnalyzeError {
    /// Puts a column's name into "column is of type …", which analysis of a lone DEFAULT or GENERATED expression cannot know.
    #[must_use]
    pub fn for_column(mut self, name: &str) -> Self {
        if let Some(rest) = self.error.message.strip_prefix("column is of type ") {
            self.error.message = format!("column \"{name}\" is of type {rest}");
        }
        self
    }
}

impl From<SqlError> for AnalyzeError {
    fn from(error: SqlError) -> Self {
        Self { error, pos: None }
    }
}

impl fmt::Display for AnalyzeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for AnalyzeError {}

/// An error without a place.
pub(super) fn error(state: SqlState, message: impl Into<String>) -> AnalyzeError {
    SqlError::new(state, message).into()
}

/// 0A000 by the construct's name.
pub(super) fn unsupported(what: impl fmt::Display) -> AnalyzeError {
    SqlError::unsupported(what).into()
}
