//! Row policies and grants on SQLite against PostgreSQL: made-up schemas, policies, rows and requests, each answered by both.
//!
//! `guard_property` demands the same rows, the same refusals and the same tables after writes; `guard_faults` puts deliberate
//! mistakes into the guard and demands that such requests find each.
//!
//! - `schema.rs`, `predicate.rs`, `request.rs`, `maker.rs` make cases up from a seed; `model.rs` prints a schema as SQL;
//! - `databases.rs` runs them; `compare.rs` says when answers agree; `coverage.rs` what was reached; `shrink.rs` makes failures small.
//!
//! `BASALT_PROPERTY_REQUESTS` sets the size of the run, `BASALT_PROPERTY_SEED` repeats one, `BASALT_PROPERTY_THREADS` divides it.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)] // a test: what cannot be set up has failed

mod compare;
mod coverage;
mod databases;
mod faults;
mod guard;
mod maker;
mod model;
mod predicate;
mod random;
mod request;
mod schema;
mod shrink;

use std::sync::{Mutex, MutexGuard};

/// Faults are put in for the whole process: the tests of this binary take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A number from the environment.
fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}
