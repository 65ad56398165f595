//! Why a statement does not apply.

use std::fmt;

use basalt_types::{SqlError, SqlState};

use crate::tree::Pos;

/// Who would refuse the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// PostgreSQL accepts it; Basalt on SQLite does not (yet).
    Unsupported,
    /// PostgreSQL refuses it too, with the same SQLSTATE and message.
    Invalid,
}

/// One statement's refusal: what it is, why, and what to do instead.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Whether PostgreSQL would refuse it as well.
    pub reason: Reason,
    /// The construct's name, the same for all occurrences, by which a report groups: `CREATE TABLE … PARTITION BY`.
    pub construct: String,
    /// SQLSTATE, message, detail and hint.
    pub error: SqlError,
    /// What to do instead; empty when the error says it all.
    pub advice: String,
    /// Where in the text; `u32::MAX` when only the statement's own place is known.
    pub pos: Pos,
}

/// The result of every DDL function. Boxed, because a refusal is much bigger than what functions return otherwise.
pub type Result<T = ()> = std::result::Result<T, Box<Refusal>>;

impl Refusal {
    /// A construct PostgreSQL has and Basalt does not.
    pub fn unsupported(construct: impl Into<String>, advice: impl Into<String>) -> Box<Self> {
        let construct = construct.into();
        Box::new(Self {
            reason: Reason::Unsupported,
            error: SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, format!("not supported on SQLite: {construct}")),
            construct,
            advice: advice.into(),
            pos: Pos(u32::MAX),
        })
    }

    /// An error that PostgreSQL gives too.
    pub fn invalid(state: SqlState, message: impl Into<String>) -> Box<Self> {
        SqlError::new(state, message).into()
    }

    /// Puts the place, unless a nearer one is known already.
    #[must_use]
    pub fn at(mut self: Box<Self>, pos: Pos) -> Box<Self> {
        if self.pos.0 == u32::MAX {
            self.pos = pos;
        }
        self
    }

    /// Adds DETAIL.
    #[must_use]
    pub fn detail(mut self: Box<Self>, text: impl Into<String>) -> Box<Self> {
        self.error.detail = Some(text.into());
        self
    }

    /// Adds HINT.
    #[must_use]
    pub fn hint(mut self: Box<Self>, text: impl Into<String>) -> Box<Self> {
        self.error.hint = Some(text.into());
        self
    }

    /// Adds advice.
    #[must_use]
    pub fn advise(mut self: Box<Self>, text: impl Into<String>) -> Box<Self> {
        self.advice = text.into();
        self
    }
}

impl From<SqlError> for Box<Refusal> {
    fn from(error: SqlError) -> Self {
        let reason = if error.state == SqlState::FEATURE_NOT_SUPPORTED { Reason::Unsupported } else { Reason::Invalid };
        Box::new(Refusal { reason, construct: String::new(), error, advice: String::new(), pos: Pos(u32::MAX) })
    }
}

impl From<crate::analyze::AnalyzeError> for Box<Refusal> {
    fn from(e: crate::analyze::AnalyzeError) -> Self {
        let refusal: Self = e.error.into();
        match e.pos {
            Some(pos) => refusal.at(pos),
            None => refusal,
        }
    }
}

impl From<crate::parse::ParseError> for Box<Refusal> {
    fn from(e: crate::parse::ParseError) -> Self {
        let refusal: Self = SqlError::new(e.code, e.message).into();
        refusal.at(e.pos)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error.message)?;
        if !self.advice.is_empty() {
            write!(f, " ({})", self.advice)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
