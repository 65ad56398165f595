//! `ETag`, `If-None-Match` and 304 of reads, and what `If-Match` of a write names. Tags are off by default; described in docs/wire/rest-beyond.md.
//!
//! The tag is made of what was answered: the body, its type and the total. It is weak, because it says nothing of how the bytes are
//! carried. Two equal tags by chance, or made by somebody who writes rows, would show an old answer: hence half of a SHA-256.

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, Response, StatusCode};

/// On what an answer that may be kept depends besides the address: who asks, and how.
const VARIES: &str = "Authorization, apikey, Accept, Prefer, Range, Accept-Profile";

/// Bytes of the digest that make the tag.
const TAG_BYTES: usize = 16;

/// Marks the answer of a GET, and leaves its body out when the client has it. Only what a read answered is marked.
pub(crate) fn conditional(asked: &HeaderMap, mut response: Response<Bytes>) -> Response<Bytes> {
    let is_read = response.headers().contains_key(CONTENT_RANGE);
    if !is_read || !matches!(response.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        return response;
    }
    let tag = tag(&response);
    let is_known = asked.get_all(IF_NONE_MATCH).iter().any(|value| names(value.as_bytes(), &tag));
    let Ok(value) = HeaderValue::from_bytes(&tag) else { return response };
    let headers = response.headers_mut();
    headers.insert(ETAG, value);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    headers.insert(VARY, HeaderValue::from_static(VARIES));
    if is_known {
        const OF_THE_BODY: [HeaderName; 3] = [CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE];
        for name in OF_THE_BODY {
            headers.remove(name);
        }
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Bytes::new();
    }
    response
}

/// `W/"…"`, in hexadecimal digits.
fn tag(response: &Response<Bytes>) -> [u8; TAG_BYTES * 2 + 4] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let text = |name: HeaderName| response.headers().get(name).map_or(&b""[..], HeaderValue::as_bytes);
    let mut context = Context::new(&SHA256);
    for part in [text(CONTENT_TYPE), text(CONTENT_RANGE)] {
        context.update(part);
        // No header holds this byte.
        context.update(&[0]);
    }
    context.update(response.body());
    let digest = context.finish();
    let mut tag = *b"W/\"00000000000000000000000000000000\"";
    if let Some(room) = tag.get_mut(3..3 + TAG_BYTES * 2) {
        for (pair, byte) in room.chunks_exact_mut(2).zip(digest.as_ref()) {
            if let [high, low] = pair {
                *high = DIGITS[usize::from(byte >> 4)];
                *low = DIGITS[usize::from(byte & 15)];
            }
        }
    }
    tag
}

/// Whether an answer is one that `If-Match` names (weak comparison: all our tags are weak). `*`: whether there are rows.
pub(crate) fn is_matched(asked: &HeaderMap, response: &Response<Bytes>, rows: u64) -> bool {
    if !matches!(response.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        return false;
    }
    let tag = tag(response);
    asked.get_all(IF_MATCH).iter().map(HeaderValue::as_bytes).any(|value| match value.trim_ascii() {
        b"*" => rows > 0,
        list => list.split(|b| *b == b',').any(|known| known.trim_ascii() != b"*" && names(known, &tag)),
    })
}

/// Whether a list of tags names this one. Weak comparison (RFC 9110, section 8.8.3.2): `W/` does not count.
fn names(list: &[u8], tag: &[u8]) -> bool {
    let opaque = |tag: &[u8]| -> Vec<u8> { tag.strip_prefix(b"W/").unwrap_or(tag).to_vec() };
    let wanted = opaque(tag);
    // Our own tags hold no comma.
    list.split(|b| *b == b',').map(<[u8]>::trim_ascii).any(|known| known == b"*" || opaque(known) == wanted)
}

#[cfg(test)]
mod tests;
