//! Settings of what `/rest/v1` has beyond PostgREST.

use super::resolve::Resolver;
use super::settings::{boolean, integer, size};
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

/// What anon and authenticated may ask for, in this order.
#[derive(Debug, Clone)]
pub struct RoleLimits {
    /// Most that a statement may cost; 0: anything.
    pub max_costs: [u64; 2],
    /// Most requests at a time; 0: any number.
    pub max_concurrent: [usize; 2],
}

impl RoleLimits {
    /// Takes them.
    ///
    /// # Errors
    /// A value that is none.
    pub(super) fn of(from: &mut Resolver<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            max_costs: [integer(from, &table::ANON_MAX_COST)?, integer(from, &table::AUTHENTICATED_MAX_COST)?],
            max_concurrent: [size(from, &table::ANON_CONCURRENT)?, size(from, &table::AUTHENTICATED_CONCURRENT)?],
        })
    }
}
