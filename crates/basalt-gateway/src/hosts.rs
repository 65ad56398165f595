//! Host checks on our own pages: a web page elsewhere may point its name at our address (DNS rebinding) and would then read them as
//! its own origin. The wire API needs no such check: it is open to every origin and asks for a key.

use std::net::IpAddr;

/// Whether our own pages answer under this Host header: loopback, a literal address, the external URL's host, or a listed name.
pub fn is_ours(host: Option<&str>, external_url: &str, allowed: &[String]) -> bool {
    let Some(host) = host else { return false };
    let name = without_port(host);
    if name.parse::<IpAddr>().is_ok() || is_localhost(name) {
        return true;
    }
    let external = external_url.split_once("://").map_or(external_url, |(_, rest)| rest);
    let external = without_port(external.split('/').next().unwrap_or_default());
    name.eq_ignore_ascii_case(external) || allowed.iter().any(|a| name.eq_ignore_ascii_case(a))
}

fn is_localhost(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// The host without port and without the brackets of an IPv6 literal.
fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.split(':').next().unwrap_or_default()
}
