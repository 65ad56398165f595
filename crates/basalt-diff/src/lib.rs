//! Differential testing: made-up worlds and requests, answered by SQLite and by PostgreSQL through the same REST surface.
//!
//! A world is a schema with its rows, roles, grants and policies (`schema.rs`, `predicate.rs`, `types.rs`; `model.rs` prints it as SQL).
//! Requests are made by `maker/` and `caller.rs`, as data that can be made smaller (`request.rs`). `engines.rs` runs both; `compare.rs` says
//! when answers are the same, `allowed.rs` which differences are documented (`differences.txt`); `coverage.rs` what was reached;
//! `shrink.rs` makes a failure small and `report.rs` prints it as a case file. `run.rs` is the property; `faults.rs` hunts mistakes put into
//! the guard. Everything follows from a seed.
//!
//! To add a type: its arms in `types.rs`. A filter operator: `maker/filter.rs`. An allowed difference: a row of `differences.txt`.
#![allow(clippy::indexing_slicing)] // a test: what is not there has failed

pub mod allowed;
mod caller;
pub mod compare;
pub mod coverage;
mod engines;
pub mod faults;
mod maker;
mod model;
mod predicate;
mod random;
pub mod report;
mod request;
pub mod run;
mod schema;
pub mod shrink;
mod types;
