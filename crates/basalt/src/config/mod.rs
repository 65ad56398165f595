//! Settings: defaults, config.toml, basalt.toml, environment, flags; the last one wins. Read once, here; libraries get plain values.
//!
//! `table.rs` has a row for each setting: begin there. `resolve.rs` finds its value and keeps where it came from.

mod beyond;
mod document;
mod environment;
mod resolve;
mod settings;
mod table;
mod unserved;

pub use environment::Environment;
pub use resolve::{Flag, Row};
pub use settings::{KeyOverrides, Settings};

use std::net::SocketAddr;

/// Supabase's default address, which many apps have written down.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:54321";

/// Why settings cannot be used. The text names file, line and key, and what would do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// Reads `ADDR:PORT`, `:PORT` or `PORT`.
pub fn parse_listen(text: &str) -> Option<SocketAddr> {
    let full = match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None if text.bytes().all(|b| b.is_ascii_digit()) => format!("127.0.0.1:{text}"),
        None => text.replace("localhost:", "127.0.0.1:"),
    };
    full.parse().ok()
}
