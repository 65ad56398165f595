//! The engine from outside: files, threads, failures.

#![allow(clippy::unwrap_used, clippy::result_large_err)]

mod durable;
mod migrations;
mod statements;
mod support;
