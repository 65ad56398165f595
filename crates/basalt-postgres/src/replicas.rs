//! Servers that follow the primary and take its reads.
//!
//! A replica answers reads and nothing else. What it cannot answer (it is away, it is behind a change of the schema, it must replay
//! what the read is in the way of) the primary answers, so that a replica makes requests quicker or changes nothing. It may be behind by moments: a
//! client that must see its own write at once asks a server without replicas.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use basalt_engine::{Answer, Run, RunError};
use basalt_types::{SqlError, SqlState};

use crate::connect::Target;
use crate::options::PostgresOptions;
use crate::pool::Pool;
use crate::request;

pub(crate) struct Replicas {
    pools: Vec<Arc<Pool>>,
    next: AtomicUsize,
    reads: AtomicU64,
    fallbacks: AtomicU64,
}

impl Replicas {
    /// Reads the addresses; nothing is connected to yet, since a replica may be away.
    ///
    /// # Errors
    /// 22023 for an address that is none or has another login than requests have.
    pub(crate) fn new(options: &PostgresOptions, requests: &Target) -> Result<Self, SqlError> {
        let mut pools = Vec::new();
        for address in &options.replicas {
            let mut target = Target::parse(address, options.connect_timeout, "basalt")?;
            if let Some((user, password)) = &options.request_login {
                target = target.with_login(user, password.reveal());
            }
            if target.user() != requests.user() {
                let message = "a replica's address has another login than that of requests";
                return Err(SqlError::new(SqlState::INVALID_PARAMETER, message));
            }
            if let Some(warning) = target.warning() {
                tracing::warn!("{warning}");
            }
            pools.push(Pool::of(target, options, !options.is_prepared));
        }
        Ok(Self { pools, next: AtomicUsize::new(0), reads: AtomicU64::new(0), fallbacks: AtomicU64::new(0) })
    }

    /// Whose turn it is to take a read.
    pub(crate) fn turn(&self, run: &Run) -> Option<&Arc<Pool>> {
        if self.pools.is_empty() || !request::is_read_only(run) {
            return None;
        }
        self.pools.get(self.next.fetch_add(1, Ordering::Relaxed) % self.pools.len())
    }

    /// A replica's answer, unless the primary has to give one.
    pub(crate) fn judge(&self, result: Result<Answer, RunError>) -> Option<Result<Answer, RunError>> {
        match result {
            Err(RunError::Sql(error)) if is_its_own(&error) => {
                self.fallbacks.fetch_add(1, Ordering::Relaxed);
                None
            }
            other => {
                self.reads.fetch_add(1, Ordering::Relaxed);
                Some(other)
            }
        }
    }

    /// Reads answered, and reads that the primary had to answer.
    pub(crate) fn counters(&self) -> [u64; 2] {
        [self.reads.load(Ordering::Relaxed), self.fallbacks.load(Ordering::Relaxed)]
    }

    pub(crate) fn reap(&self) {
        self.pools.iter().for_each(|pool| pool.reap());
    }

    pub(crate) fn close(&self) {
        self.pools.iter().for_each(|pool| pool.close());
    }
}

/// A failure that may be this replica's and not the request's: it is away or full, in recovery's way, or behind.
fn is_its_own(error: &SqlError) -> bool {
    let state = error.state.as_str();
    let class = state.get(..2).unwrap_or_default();
    matches!(class, "08" | "26" | "28" | "40" | "42" | "3D" | "3F" | "53" | "55" | "58")
        || matches!(state, "57P01" | "57P02" | "57P03")
}
