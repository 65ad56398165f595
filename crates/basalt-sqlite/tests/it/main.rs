//! The engine from outside: files, threads, failures.

#![allow(clippy::unwrap_used, clippy::result_large_err)]

mod durable;
mod functions;
mod migrations;
mod reads;
mod statements;
mod support;
