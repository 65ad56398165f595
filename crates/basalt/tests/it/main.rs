//! The program as users run it: real processes, real sockets, real files.
//!
//! - `commands.rs`: each command with its exit codes and what it leaves behind;
//! - `config.rs`: settings from every source, and what they do;
//! - `copy/`: projects moved between the engines;
//! - `dropin/`: databases served as PostgREST serves them;
//! - `edge.rs`: slow, silent and odd clients;
//! - `remains.rs`: what functions try to leave on a connection, and rights of roles behind warm statements;
//! - `serving.rs`: start, stop, secrets, logs, health, figures, static files;
//! - `kill_nine.rs`: the process killed under load;
//! - `bounded.rs`: one user's requests while strangers send the worst they can;
//! - `overload.rs`: far more requests than can be answered, and clients that go away;
//! - `hostile.rs`: the case files of `tests/cases/hostile`;
//! - `takeover.rs`: a database that Supabase made;
//! - `faults/`: a database that goes away, stops, is full;
//! - `footprint.rs`: time to ready and memory.
#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)] // a test: what cannot be set up has failed

mod bounded;
mod commands;
mod config;
mod copy;
mod dropin;
mod edge;
mod faults;
mod footprint;
mod hostile;
mod idempotency;
mod kill_nine;
mod overload;
mod postgres;
mod remains;
mod serving;
mod support;
mod takeover;
