//! PostgreSQL's errors as they came, and the driver's own as SQLSTATEs of class 08.

use basalt_types::{SqlError, SqlState};
use tokio_postgres::error::ErrorPosition;

/// connection_failure: the server went away in the middle.
pub(crate) const CONNECTION_FAILURE: SqlState = SqlState::new(b"08006");

/// sqlclient_unable_to_establish_sqlconnection.
pub(crate) const CANNOT_CONNECT: SqlState = SqlState::new(b"08001");

/// serialization_failure
const SERIALIZATION_FAILURE: SqlState = SqlState::new(b"40001");

/// deadlock_detected
const DEADLOCK: SqlState = SqlState::new(b"40P01");

/// As callers are told. What the driver says of a lost connection may name hosts and files, so it goes to the log alone.
pub(crate) fn of(error: &tokio_postgres::Error) -> SqlError {
    let Some(db) = error.as_db_error() else {
        tracing::warn!(%error, "the connection to PostgreSQL failed");
        return SqlError::new(CONNECTION_FAILURE, "the connection to the database was lost");
    };
    SqlError {
        state: SqlState::parse(db.code().code()).unwrap_or(SqlState::INTERNAL),
        message: db.message().to_owned(),
        detail: db.detail().map(str::to_owned),
        hint: db.hint().map(str::to_owned),
        constraint: db.constraint().map(str::to_owned),
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
