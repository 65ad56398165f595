//! Cross-origin rules as PostgREST has them: headers only for requests that name an origin, any origin unless some are listed.
//!
//! Source: PostgREST 16, `PostgREST.Cors` and reference "CORS".

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::{Response, StatusCode};

use crate::reply;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD");

const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, Range-Unit",
);

/// What a request's origin may be told: the header's value, and whether the origin is a listed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Allowed {
    origin: HeaderValue,
    is_listed: bool,
}

/// Whether the origin of a request may read the answer. `None`: the request names none, or one that is not listed.
pub(super) fn allowed(headers: &HeaderMap, origins: &[String]) -> Option<Allowed> {
    let origin = headers.get(ORIGIN)?;
    if origins.is_empty() {
        return Some(Allowed { origin: HeaderValue::from_static("*"), is_listed: false });
    }
    origins.iter().any(|o| o.as_bytes() == origin.as_bytes()).then(|| Allowed { origin: origin.clone(), is_listed: true })
}

/// The answer to a preflight.
pub(super) fn preflight(headers: &HeaderMap, allowed: Allowed) -> Response<Bytes> {
    let mut response = reply::empty(StatusCode::OK);
    let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut names = String::from("Authorization");
    let further = ["Accept", "Accept-Language", "Content-Language"];
    for name in asked.split(',').map(str::trim).filter(|n| !n.is_empty()).chain(further) {
        if !names.split(", ").any(|known| known.eq_ignore_ascii_case(name)) {
            names.push_str(", ");
            names.push_str(name);
        }
    }
    let out = response.headers_mut();
    out.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    if let Ok(names) = HeaderValue::from_str(&names) {
        out.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    out.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    name(out, allowed);
    response
}

/// Puts what an answer tells an allowed origin.
pub(super) fn open(headers: &mut HeaderMap, allowed: Allowed) {
    name(headers, allowed);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

fn name(headers: &mut HeaderMap, allowed: Allowed) {
    if allowed.is_listed {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        // The answer is one origin's, which shared caches must know.
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed.origin);
}
