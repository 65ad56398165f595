//! The edge that every HTTP request passes through: connections, limits, CORS, request ids, who is asking, routing, static files,
//! health, metrics, logs. What is true for every route stands here; anything about one route belongs in its surface.
//!
//! The journey of one request is [`service`]: read it first; `near.rs` is the short way of most reads. [`identity`] says how headers become a session.
//! [`postgrest`] is another edge, for databases that are served as PostgREST serves them: nothing of it is reachable through [`Gateway`].
//! To add a surface: a field in [`Surfaces`], a prefix in `route.rs`, an arm in `service.rs`.

mod browse;
pub mod cors;
pub mod figures;
pub mod hosts;
pub mod identity;
pub mod listener;
mod near;
pub mod postgrest;
pub mod reply;
pub mod route;
pub mod server;
pub mod service;
pub mod site;
pub mod wire;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use basalt_auth::Auth;
use basalt_engine::Engine;
use basalt_rest::Rest;
use basalt_token::{Keys, Verifier};
use basalt_types::Clock;

pub use figures::Figures;
pub use listener::Listener;
pub use server::{Handler, ServeError, Server};

/// What the gateway hands requests to.
pub struct Surfaces {
    /// `/rest/v1`.
    pub rest: Rest,
    /// `/auth/v1`.
    pub auth: Auth,
    /// For readiness and figures only.
    pub engine: Arc<dyn Engine>,
}

/// Settings of the edge. Plain values: whoever builds the gateway has read files and environment.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Where clients reach us, without a trailing slash, e.g. `http://127.0.0.1:54321`.
    pub external_url: String,
    /// Host names besides loopback and the external URL's under which our own pages answer.
    pub allowed_hosts: Vec<String>,
    /// Directory of the static site.
    pub public_dir: Option<PathBuf>,
    /// Proxies whose X-Forwarded-For, -Proto and -Host are believed.
    pub trusted_proxies: Vec<Network>,
    /// Whether `/rest/v1` is served.
    pub serves_rest: bool,
    /// Whether `/auth/v1` is served.
    pub serves_auth: bool,
    /// Longest body, bytes.
    pub max_body_bytes: usize,
    /// Longest request line, bytes.
    pub max_uri_bytes: usize,
    /// Longest header block, bytes.
    pub max_header_bytes: usize,
    /// Requests answered at once; more are told to come back.
    pub max_concurrent_requests: usize,
    /// Open connections; more wait in the kernel's queue.
    pub max_connections: usize,
    /// Longest wait for a request's headers.
    pub header_timeout: Duration,
    /// Longest wait for a request's body.
    pub body_timeout: Duration,
    /// Longest time in which a client takes nothing of its answer.
    pub send_timeout: Duration,
    /// Longest wait for running requests after SIGTERM.
    pub drain_timeout: Duration,
    /// Roles a token may name: those that `authenticator` is a member of.
    pub allowed_roles: Vec<String>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            external_url: "http://127.0.0.1:54321".into(),
            allowed_hosts: Vec::new(),
            public_dir: None,
            trusted_proxies: Vec::new(),
            serves_rest: true,
            serves_auth: true,
            max_body_bytes: 10 * 1024 * 1024,
            max_uri_bytes: 16 * 1024,
            max_header_bytes: 64 * 1024,
            max_concurrent_requests: 1024,
            max_connections: 4096,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(20),
            allowed_roles: vec!["anon".into(), "authenticated".into(), "service_role".into()],
        }
    }
}

/// An address range in CIDR form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `::1` or `192.0.2.7`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| format!("\"{text}\" is not an IP address or network"))?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(p) => {
                p.trim().parse().ok().filter(|p| *p <= longest).ok_or(format!("\"{text}\" has a prefix longer than {longest}"))?
            }
        };
        Ok(Self { address, prefix })
    }

    /// Whether an address lies in it. IPv4-mapped IPv6 addresses count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
                u32::from(net) & mask == u32::from(ip) & mask
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                u128::from(net) & mask == u128::from(ip) & mask
            }
            _ => false,
        }
    }
}

/// Everything a request needs, shared by all connections.
pub struct Gateway {
    /// Settings.
    pub config: GatewayConfig,
    /// The project's keys.
    pub keys: Arc<Keys>,
    /// Verifies bearer tokens.
    pub verifier: Arc<Verifier>,
    /// Now.
    pub clock: Arc<dyn Clock>,
    /// The surfaces.
    pub surfaces: Surfaces,
    /// Counters and latencies.
    pub figures: Figures,
    permits: Arc<tokio::sync::Semaphore>,
    site: Option<site::Site>,
    /// Unlike any other gateway's of this process: what threads remember of headers is remembered for these keys and settings.
    number: u64,
}

impl Gateway {
    /// Puts the parts together.
    pub fn new(
        config: GatewayConfig,
        keys: Arc<Keys>,
        verifier: Arc<Verifier>,
        clock: Arc<dyn Clock>,
        surfaces: Surfaces,
    ) -> Self {
        let permits = Arc::new(tokio::sync::Semaphore::new(config.max_concurrent_requests));
        let site = config.public_dir.clone().map(site::Site::new);
        Self { config, keys, verifier, clock, surfaces, figures: Figures::new(), permits, site, number: near::next_number() }
    }
}

#[cfg(test)]
mod panics;
#[cfg(test)]
mod tests;
