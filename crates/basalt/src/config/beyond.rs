//! Settings of what `/rest/v1` has beyond PostgREST.

use super::resolve::Resolver;
use super::settings::{boolean, size};
use super::{ConfigError, table};

/// Limits of batches and their kin.
#[derive(Debug, Clone)]
pub struct BeyondSettings {
    /// Whether reads have an ETag.
    pub etag: bool,
    /// Most rows of a POST with related rows.
    pub nested_max_rows: usize,
    /// Most operations of a batch.
    pub batch_max_operations: usize,
    /// Longest batch, bytes.
    pub batch_max_bytes: usize,
}

impl BeyondSettings {
    /// Takes them.
    ///
    /// # Errors
    /// A value that is none.
    pub(super) fn of(from: &mut Resolver<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            etag: boolean(from, &table::ETAG)?,
            nested_max_rows: size(from, &table::NESTED_MAX_ROWS)?,
            batch_max_operations: size(from, &table::BATCH_MAX_OPERATIONS)?,
            batch_max_bytes: size(from, &table::BATCH_MAX_BYTES)?,
        })
    }
}
