//! One binary for all integration tests of this crate.

mod arrows;
mod case_files;
mod oracle;
mod server_process;
