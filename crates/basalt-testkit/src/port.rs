//! TCP ports nobody uses.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// A loopback address with a port that was free a moment ago.
///
/// The system does not hand out a port again at once, so two calls do not give the same one; still, another process may take it
/// first. Starting a server on it must be ready to try again, as [`crate::process::TestServer`] is.
///
/// # Panics
/// When the machine has no loopback port left.
pub fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a free loopback port")
}
