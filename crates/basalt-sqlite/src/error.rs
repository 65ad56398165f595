//! From SQLite's failures to errors with a SQLSTATE, and how a host function's error travels through SQLite unharmed.
//!
//! SQLite lets a function fail with a text only. Ours write the whole error as JSON behind a mark; whoever reads the failed
//! statement's message finds the mark and has the error back: [`host`] and [`from_message`].

use basalt_types::{SqlError, SqlState};
use rusqlite::ffi;

/// Begins the text of an error that one of our functions raised. Text made by SQLite never begins like this.
const MARK: &str = "\u{1}basalt:";

/// Wraps an error of a host function for rusqlite.
pub(crate) fn host(error: &SqlError) -> rusqlite::Error {
    let body = serde_json::json!([error.state.as_str(), error.message, error.detail, error.hint, error.constraint]);
    // The extended code is reported first, then replaced by the text.
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), Some(format!("{MARK}{body}")))
}

/// The error a host function raised, when the message is one.
pub(crate) fn from_message(message: &str) -> Option<SqlError> {
    // SQLite may put words before a function's text.
    let at = message.find(MARK)?;
    let body: serde_json::Value = serde_json::from_str(message.get(at + MARK.len()..)?).ok()?;
    let text = |i: usize| body.get(i).and_then(serde_json::Value::as_str).map(str::to_owned);
    Some(SqlError {
        state: SqlState::parse(&text(0)?).unwrap_or(SqlState::INTERNAL),
        message: text(1)?,
        detail: text(2),
        hint: text(3),
        constraint: text(4),
    })
}

/// What SQLite reported: its result code, extended, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Extended result code.
    pub(crate) code: i32,
    /// SQLite's message.
    pub(crate) message: String,
}

impl Failure {
    /// The primary result code.
    pub(crate) fn primary(&self) -> i32 {
        self.code & 0xff
    }

    /// A unique or primary key collided. The message names the columns or the index: see [`crate::keys`].
    pub(crate) fn is_unique(&self) -> bool {
        matches!(self.code, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID)
    }

    /// A foreign key was violated at once (RESTRICT, or at commit).
    pub(crate) fn is_foreign_key(&self) -> bool {
        matches!(self.code, ffi::SQLITE_CONSTRAINT_FOREIGNKEY | ffi::SQLITE_CONSTRAINT_TRIGGER)
    }

    /// The error a caller sees. Texts of SQLite stay inside (they may quote SQL): they are logged here instead.
    pub(crate) fn to_sql(&self) -> SqlError {
        if let Some(error) = from_message(&self.message) {
            return error;
        }
        match self.primary() {
            ffi::SQLITE_INTERRUPT => timeout(),
            ffi::SQLITE_FULL => SqlError::new(SqlState::DISK_FULL, "could not extend the database file: no space left on device")
                .hint("Check free disk space."),
            ffi::SQLITE_IOERR | ffi::SQLITE_CANTOPEN => {
                tracing::error!(code = self.code, "the disk failed");
                SqlError::new(SqlState::IO_ERROR, "could not access the database file")
            }
            ffi::SQLITE_NOMEM => SqlError::new(SqlState::OUT_OF_MEMORY, "out of memory"),
            ffi::SQLITE_TOOBIG => SqlError::new(SqlState::PROGRAM_LIMIT, "a value or statement is too long"),
            ffi::SQLITE_READONLY => SqlError::new(SqlState::READ_ONLY, "cannot write in a read-only transaction"),
            ffi::SQLITE_CONSTRAINT if self.is_unique() => {
                SqlError::new(SqlState::UNIQUE_VIOLATION, "duplicate key value violates a unique constraint")
            }
            ffi::SQLITE_CONSTRAINT if self.is_foreign_key() => {
                SqlError::new(SqlState::FOREIGN_KEY_VIOLATION, "a foreign key constraint is violated")
            }
            ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => {
                tracing::error!(code = self.code, message = self.message, "the database file is damaged");
                SqlError::new(SqlState::new(b"XX001"), "the database file is damaged").hint("Restore a backup.")
            }
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => {
                SqlError::new(SqlState::new(b"55P03"), "the database file is locked by another program")
            }
            _ if self.message.contains("parser stack overflow") || self.message.contains("Expression tree is too large") => {
                SqlError::new(SqlState::TOO_COMPLEX, "statement too complex")
            }
            _ if self.message == "integer overflow" => SqlError::new(SqlState::OUT_OF_RANGE, "bigint out of range"),
            _ => {
                tracing::error!(code = self.code, message = self.message, "SQLite refused a statement of ours");
                SqlError::internal("the embedded database refused a statement")
            }
        }
    }
}

impl From<Failure> for SqlError {
    fn from(failure: Failure) -> Self {
        failure.to_sql()
    }
}

/// From rusqlite's own calls (opening, functions, pragmas).
pub(crate) fn from_rusqlite(error: &rusqlite::Error) -> SqlError {
    match error {
        rusqlite::Error::SqliteFailure(code, message) => {
            Failure { code: code.extended_code, message: message.clone().unwrap_or_default() }.to_sql()
        }
        other => {
            tracing::error!(error = %other, "SQLite's binding failed");
            SqlError::internal("the embedded database failed")
        }
    }
}

/// 57014.
pub(crate) fn timeout() -> SqlError {
    SqlError::new(SqlState::QUERY_CANCELED, "canceling statement due to statement timeout")
}

/// 53300: a bounded queue is full.
pub(crate) fn too_many(what: &str) -> SqlError {
    SqlError::new(SqlState::TOO_MANY, format!("too many {what} are waiting")).hint("Try again in a moment.")
}

/// 57P01: the engine is closing.
pub(crate) fn closing() -> SqlError {
    SqlError::new(SqlState::ADMIN_SHUTDOWN, "the database is shutting down")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_error_survives_the_way_through_text() {
        let error =
            SqlError::new(SqlState::DIVISION_BY_ZERO, "division by \"zero\"\0").detail("d\u{1}").hint("h").constraint("c");
        let rusqlite::Error::SqliteFailure(_, Some(text)) = host(&error) else { panic!("another kind") };
        assert!(!text.contains('\0'));
        assert_eq!(from_message(&text), Some(error));
        assert_eq!(from_message("no such table: x"), None);
    }
}
