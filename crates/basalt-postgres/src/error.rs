//! PostgreSQL's errors as they came, and the driver's own as SQLSTATEs of class 08.

use basalt_types::{SqlError, SqlState};
use tokio_postgres::error::ErrorPosition;

/// serialization_failure
pub(crate) const SERIALIZATION_FAILURE: SqlState = SqlState::new(b"40001");

/// deadlock_detected
const DEADLOCK: SqlState = SqlState::new(b"40P01");

/// As callers are told. What the driver says of a lost connection may name hosts and files, so it goes to the log alone.
pub(crate) fn of(error: &tokio_postgres::Error) -> SqlError {
    let Some(db) = error.as_db_error() else {
        tracing::warn!(%error, "the connection to PostgreSQL failed");
        return lost();
    };
    SqlError {
        state: SqlState::parse(db.code().code()).unwrap_or(SqlState::INTERNAL),
        message: db.message().to_owned(),
        detail: db.detail().map(str::to_owned),
        hint: db.hint().map(str::to_owned),
        constraint: db.constraint().map(str::to_owned),
    }
}

/// A connection that ended, or on which no answer came in time.
pub(crate) fn lost() -> SqlError {
    SqlError::new(SqlState::CONNECTION_FAILURE, "the connection to the database was lost")
}

/// Why a request has no connection. A server that refuses one (full, starting, another password) cannot be reached, as far as a
/// request is concerned.
pub(crate) fn refused(error: SqlError) -> SqlError {
    match error.state {
        SqlState::POOL_TIMEOUT | SqlState::ADMIN_SHUTDOWN | SqlState::CANNOT_CONNECT => error,
        _ => {
            tracing::warn!(%error, "PostgreSQL refuses connections for requests");
            SqlError::new(SqlState::CANNOT_CONNECT, "the database refuses connections")
        }
    }
}

/// Where in the text, as a 1-based number of characters.
pub(crate) fn position(error: &tokio_postgres::Error) -> Option<u32> {
    match error.as_db_error()?.position()? {
        ErrorPosition::Original(at) => Some(*at),
        ErrorPosition::Internal { .. } => None,
    }
}

/// Whether the same transaction may well succeed when it is run again (PostgreSQL documentation, "Serialization Failure Handling").
pub(crate) fn is_worth_repeating(error: &SqlError) -> bool {
    error.state == SERIALIZATION_FAILURE || error.state == DEADLOCK
}

/// Whether the connection is of no use any more.
pub(crate) fn is_lost(error: &SqlError) -> bool {
    error.state.as_str().starts_with("08") || matches!(error.state.as_str(), "57P01" | "57P02" | "57P03")
}
