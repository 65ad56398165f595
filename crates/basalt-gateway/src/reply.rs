//! Answers the gateway gives itself.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

/// A JSON answer.
pub fn json(status: StatusCode, body: &serde_json::Value) -> Response<Bytes> {
    with_type(status, "application/json; charset=utf-8", Bytes::from(body.to_string()))
}

/// An answer of a media type.
pub fn with_type(status: StatusCode, media_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// An answer without body.
pub fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// The gateway's own error form, `{"message": …}`, as the original's gateway answers.
pub fn message(status: StatusCode, text: &str) -> Response<Bytes> {
    json(status, &serde_json::json!({ "message": text }))
}

/// Whether something is up.
pub fn health(is_up: bool) -> Response<Bytes> {
    let (status, text) = if is_up { (StatusCode::OK, "up") } else { (StatusCode::SERVICE_UNAVAILABLE, "down") };
    let mut response = json(status, &serde_json::json!({ "status": text }));
    response.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
