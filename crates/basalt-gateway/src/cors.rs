//! Cross-origin rules: the wire API is open to every origin and never uses credentials (Fetch standard, "CORS protocol").

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::{Response, StatusCode};

use crate::reply;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS");

/// What clients send, for a preflight that names no headers.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, x-client-info, apikey, content-type, x-retry-count, prefer, accept-profile, content-profile, x-supabase-api-version, range, x-region",
);

const EXPOSED: HeaderValue = HeaderValue::from_static(
    "content-range, location, x-total-count, link, x-supabase-api-version, x-sb-error-code, sb-request-id, preference-applied, content-location, \
     content-encoding, date, retry-after, proxy-status, etag, idempotency-replayed, idempotency-body, basalt-next-cursor, basalt-previous-cursor",
);

/// Whether a request is a preflight: answered here, without asking any surface.
pub fn is_preflight(method: &http::Method, headers: &HeaderMap) -> bool {
    method == http::Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight. Clients send headers we do not know and need them back.
pub fn preflight(headers: &HeaderMap) -> Response<Bytes> {
    let mut response = reply::empty(StatusCode::NO_CONTENT);
    let out = response.headers_mut();
    out.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    out.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned().unwrap_or(HEADERS));
    out.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    out.append(VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
    response
}

/// Puts the headers every answer of the wire API carries.
pub fn open(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}
