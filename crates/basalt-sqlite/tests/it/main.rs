//! The engine from outside: files, threads, failures.

#![allow(clippy::unwrap_used)]

mod durable;
mod migrations;
mod statements;
mod support;
