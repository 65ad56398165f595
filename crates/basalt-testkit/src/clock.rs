//! A clock that stands still until a test moves it.

use std::sync::atomic::{AtomicI64, Ordering};

use basalt_types::{Clock, Timestamp};

/// A [`Clock`] for tests. Share it in an `Arc`: one handle in the product, one in the test.
#[derive(Debug)]
pub struct FakeClock(AtomicI64);

impl FakeClock {
    /// Stands at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Stands at this many whole seconds since 1970.
    pub fn at_unix_s(seconds: i64) -> Self {
        Self::new(Timestamp::from_unix_s(seconds))
    }

    /// Moves by whole seconds; backwards when negative, as a corrected clock does.
    pub fn advance_s(&self, seconds: i64) {
        self.advance_us(seconds.saturating_mul(1_000_000));
    }

    /// Moves by microseconds, the resolution of [`Timestamp`].
    pub fn advance_us(&self, microseconds: i64) {
        self.0.fetch_add(microseconds, Ordering::SeqCst);
    }

    /// Jumps.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }
}

impl Default for FakeClock {
    /// 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::at_unix_s(1_767_225_600)
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}
